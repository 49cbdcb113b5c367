/* Datasets: sets of shards that agree, or one plain HDF5 file. datasets/README.md gives the format of a
 * shard. Nothing here is collective; MPI is never called. */
#ifndef CONVOY_DATA_H
#define CONVOY_DATA_H

#include <convoy/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cvy_dataset cvy_dataset;

typedef struct cvy_dataset_info {
  int64_t count;   /* images in all shards */
  int64_t h, w, c; /* size of every image; h = w = 0 if they vary */
  int64_t class_count;
  const char *const *class_names;
  float mean[CVY_MAX_CHANNELS]; /* per channel, over the training split, in units of the stored samples */
  float deviation[CVY_MAX_CHANNELS];
  int64_t shard_count;
  int64_t shorter; /* the shorter side to which prepare scaled larger pictures; 0: to none, or not known */
  /* These are for PCA colour (Krizhevsky et al. 2012, section 4.1): the covariance of a pixel's channels over
   * the training split as eigenvalues, the largest first, in squared units of the stored samples, and
   * eigenvectors [which][channel] of length 1. They are unknown for grey sets, foreign files and shards of
   * version 1. */
  bool has_colour;
  float colour_values[CVY_MAX_CHANNELS];
  float colour_vectors[CVY_MAX_CHANNELS][CVY_MAX_CHANNELS];
} cvy_dataset_info;

/* This is what a caller says about HDF5 files of other makers. What is not said is found by itself. */
typedef struct cvy_arrays_said {
  const char *images, *labels; /* names of datasets in the file; NULL or "": the usual names are tried */
  int64_t first_label;         /* the label of the first class; -1: it is 0, or else that is an error */
  int axes;                    /* the order in which an image lies: a cvy_axes */
  bool outside_links;          /* external links may lead out of the file's folder */
  /* Where only some of several files name their classes, label 0 of the others is taken for the first. */
  bool assume_classes;
  const char *encoding; /* of labels and names of classes that are not UTF-8; NULL or "": not known */
} cvy_arrays_said;
#define CVY_NOTHING_SAID ((cvy_arrays_said){.first_label = -1})
/* This is the order of an image's axes in memory, the slowest first: H is its height, W its width, C its
 * channels. */
typedef enum cvy_axes { CVY_AXES_FOUND, CVY_AXES_HWC, CVY_AXES_CHW, CVY_AXES_WHC, CVY_AXES_CWH } cvy_axes;
extern const char *const cvy_axes_words[]; /* "auto", "hwc" and so on */

/* Opens `path`: a file; or a folder, whose shards `split`-*.h5 are taken; or a prefix "dir/train". Plain HDF5
 * files of other makers are read too, as FILE or as FILE:PART for one split or group in it, and text files
 * that list some. `said` is about files of other makers; NULL: nothing is said. Errors: nothing there, a
 * missing shard of the set, foreign or truncated HDF5, labels out of range (names file and record), shards
 * that disagree in shape, channels or classes. */
cvy_err cvy_dataset_open_said(cvy_dataset **out, const char *path, const char *split,
                              const cvy_arrays_said *said) CVY_MUST_CHECK;
/* Opens a dataset as cvy_dataset_open_said does, with nothing said. */
cvy_err cvy_dataset_open(cvy_dataset **out, const char *path, const char *split) CVY_MUST_CHECK;
void cvy_dataset_close(cvy_dataset *dataset);
const cvy_dataset_info *cvy_dataset_describe(const cvy_dataset *dataset);
/* Returns the hash (XXH3) of the contents' description and checksums. It is the same on every rank that sees
 * the same data. */
cvy_hash cvy_dataset_fingerprint(const cvy_dataset *dataset);

#ifdef __cplusplus
}
#endif
#endif
