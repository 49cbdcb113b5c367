/* Which datasets of an HDF5 file of another maker are images, and which are their labels, told by names. */
#ifndef CVY_ARCHIVE_ARRAYS_FIND_H
#define CVY_ARCHIVE_ARRAYS_FIND_H

#include "file/h5.h"
#include <convoy/data.h>

/* These are images and labels that belong together. One of the two is NULL where another file has it. */
typedef struct cvy_arrays_pair {
  const char *split; /* "train", "val", "test"; "" if the names tell none */
  const cvy_h5_entry *images, *labels;
  const cvy_h5_entry *classes;                     /* the names of the classes; NULL: there are none */
  const char *rivals[2];                           /* datasets that fit equally well; NULL: none do */
  const cvy_h5_entry *worse_images, *worse_labels; /* others of as many rows whose names fit, but less well */
} cvy_arrays_pair;

enum { CVY_ARRAYS_SPLITS = 4 };

/* Finds the pair of each split: first that of no named split, then train, val and test. It is an error, which
 * begins with `path` and lists all datasets, if there is none. */
cvy_err cvy_arrays_pairs(cvy_arrays_pair out[CVY_ARRAYS_SPLITS], int64_t *count, const cvy_h5_entry *entries,
                         int64_t entry_count, const cvy_arrays_said *said, const char *path,
                         cvy_pool *pool) CVY_MUST_CHECK;
/* Chooses the pair for `split`, or the only pair if `split` is NULL. If `part` is not NULL, it names a split
 * or a group of the file, and the pair must be from there. It is an error if several datasets fit equally
 * well. */
cvy_err cvy_arrays_choose(cvy_arrays_pair *out, const cvy_h5_entry *entries, int64_t entry_count,
                          const cvy_arrays_said *said, const char *split, const char *part, const char *path,
                          cvy_pool *pool) CVY_MUST_CHECK;
/* Writes all datasets with types and shapes: "x uint8 60x28x28, y int64 60". */
void cvy_arrays_list(char *out, size_t bytes, const cvy_h5_entry *entries, int64_t count);

#endif
