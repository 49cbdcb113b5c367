/* What stands at a path, for people who named it where something else was wanted. */
#ifndef CVY_REPORT_WHATIS_H
#define CVY_REPORT_WHATIS_H

#include "base/base.h"

typedef enum cvy_thing {
  CVY_IS_NOTHING, /* no such file */
  CVY_IS_RUN,     /* a run folder: last.h5, best.h5 or recipe.yaml */
  CVY_IS_SHARDS,  /* a folder of HDF5 files */
  CVY_IS_FOLDER,  /* any other folder */
  CVY_IS_CHECKPOINT,
  CVY_IS_SHARD,
  CVY_IS_HDF5,     /* of other makers */
  CVY_IS_YAML,     /* a name that ends in .yaml or .yml */
  CVY_IS_PROTOTXT, /* Caffe's text of a network or solver */
  CVY_IS_PROGRAM,  /* Python's, or a script */
  CVY_IS_WEIGHTS,  /* other programs' */
  CVY_IS_PICTURE,
  CVY_IS_ARCHIVE, /* tar, zip and the like */
  CVY_IS_TABLE,   /* a list in text */
  CVY_IS_JSON,
  CVY_IS_STREAM, /* a pipe or device, which is not looked into */
  CVY_IS_FILE    /* any other */
} cvy_thing;

/* Tells by the name, and where that says nothing by the first bytes. Folders are not read through. */
cvy_thing cvy_what_is(cvy_pool *pool, const char *path);

#endif
