/* Finds the IDX files of a folder, whatever they are called. */
#ifndef CVY_DATASETS_IDX_FOLDER_H
#define CVY_DATASETS_IDX_FOLDER_H

#include "base/base.h"

enum { CVY_IDX_IMAGES = 0x0803, CVY_IDX_LABELS = 0x0801 };

/* A pair is a file of images and the file of their labels. */
typedef struct cvy_idx_pair {
  const char *images, *labels; /* paths */
  const char *split; /* "train", "val" or "test", as their names or counts tell; NULL: they do not */
  int64_t count;
} cvy_idx_pair;

/* Finds the IDX files, plain or gzipped, by the magic number that they begin with: those in the folder or, if
 * there are none, those in the folders in it, or else those in the folders in these. They are paired by their
 * names, else by their counts. If there are several pairs, each has a split, and no split comes twice. The
 * result is in `pool`; *count is 0 if there is no IDX file. It is an error if a file has no partner, or if
 * the splits cannot be told. */
cvy_err cvy_idx_folder(cvy_idx_pair **out, int64_t *count, cvy_pool *pool, const char *dir) CVY_MUST_CHECK;

#endif
