/* Images and their labels in HDF5 files of other makers (h5py, MATLAB, Caffe, Octave ...).
 *
 * Files of other makers say little about themselves. This room finds out which datasets hold images and
 * labels (arrays_find.h), in which order the samples of an image lie, and what the labels mean. A file about
 * which this is not certain is refused, and the error names the option that settles it. */
#ifndef CVY_ARCHIVE_ARRAYS_H
#define CVY_ARCHIVE_ARRAYS_H

#include "file/h5.h"
#include <convoy/data.h>

/* The images of one file. */
typedef struct cvy_arrays_part {
  const char *path; /* where the images are, which may be another file than the one that was named */
  const char *name; /* the dataset there */
  cvy_h5 *h5;       /* open for reading the dataset; NULL: the images were unpacked */
  int fd;           /* the nameless file that they were unpacked into, image after image; 0: they were not */
  int64_t first, count;
  int32_t *labels; /* [count] */
} cvy_arrays_part;

typedef struct cvy_arrays {
  cvy_pool *pool;
  cvy_arrays_part *parts;
  int64_t part_count, count;
  int64_t h, w, c;
  int64_t row_step, column_step, channel_step; /* within an image, in samples */
  bool is_float;                               /* samples are not all bytes */
  const char *writer;                          /* "MATLAB", where dimensions lie in reverse; else NULL */
  int64_t class_count;
  const char **class_names;
  int64_t *class_sizes; /* images of each class */
  bool is_numbered;     /* classes are called by their numbers, for nothing names them */
} cvy_arrays;

/* Tells whether cvy_arrays_open may succeed: the input is an HDF5 file, or a text that may list some. */
bool cvy_may_be_arrays(const char *input);
/* Opens the images of `split` (NULL: of the only one that each input has) in one or more inputs, which belong
 * together: an HDF5 file, FILE:PART for a split or a group in it, or a text that lists such files, one a line
 * and relative to it. Images and labels may be in files of their own, in the same order. Errors name file,
 * dataset and record. Images that lie in chunks are unpacked into memory, if that takes no more than 1 GiB;
 * else, if `spools`, into a file without a name in $TMPDIR; else they are read chunk by chunk. */
cvy_err cvy_arrays_open(cvy_arrays **out, const char *const *inputs, int64_t input_count, const char *split,
                        const cvy_arrays_said *said, bool spools) CVY_MUST_CHECK;
void cvy_arrays_close(cvy_arrays *arrays); /* NULL is allowed */
/* Finds the splits that the names in one HDF5 file tell ("train" first), if there are two or more; else
 * *count = 0. The result is in `pool`. */
cvy_err cvy_arrays_splits(const char ***out, int64_t *count, cvy_pool *pool, const char *path,
                          const cvy_arrays_said *said) CVY_MUST_CHECK;

/* Reads `count` images from `first` on, which one part holds: floats, or bytes unless is_float. Any thread
 * may call it. */
cvy_err cvy_arrays_read(const cvy_arrays *arrays, void *out, int64_t first, int64_t count) CVY_MUST_CHECK;
/* Returns the part that holds image `index`. */
const cvy_arrays_part *cvy_arrays_part_of(const cvy_arrays *arrays, int64_t index);

#endif
