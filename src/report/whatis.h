/* What stands at a path. People are told it who named the path where something else was wanted. */
#ifndef CVY_REPORT_WHATIS_H
#define CVY_REPORT_WHATIS_H

#include "base/base.h"

typedef enum cvy_thing {
  CVY_IS_NOTHING, /* no such file */
  CVY_IS_RUN,     /* a run folder: it holds last.h5, best.h5 or metrics.jsonl */
  CVY_IS_SHARDS,  /* a folder of HDF5 files */
  CVY_IS_FOLDER,  /* any other folder */
  CVY_IS_CHECKPOINT,
  CVY_IS_SHARD,
  CVY_IS_HDF5,     /* an HDF5 file of other makers, or one that cannot be opened */
  CVY_IS_YAML,     /* a name that ends in .yaml or .yml */
  CVY_IS_PROTOTXT, /* Caffe's text of a network or solver */
  CVY_IS_PROGRAM,  /* a program in Python or another language of scripts */
  CVY_IS_WEIGHTS,  /* weights of other programs */
  CVY_IS_PICTURE,
  CVY_IS_ARCHIVE, /* tar, zip and the like */
  CVY_IS_TABLE,   /* a list in text */
  CVY_IS_JSON,
  CVY_IS_STREAM, /* a pipe or device, which is not looked into */
  CVY_IS_FILE    /* any other file */
} cvy_thing;

/* Tells what stands at a path. HDF5 files are known by their bytes, and other files by the ending of the
 * name. A folder is known by the names in it; folders below it are not looked into. */
cvy_thing cvy_what_is(cvy_pool *pool, const char *path);
/* Returns the path of an HDF5 file of a folder; NULL if there is none. */
const char *cvy_hdf5_in(cvy_pool *pool, const char *folder);
/* Tells whether `path` is a shard of Convoy's, or a folder of them. */
bool cvy_is_shards(cvy_pool *pool, const char *path);

#endif
