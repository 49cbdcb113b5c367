/* Statistics of the pixels of a set: mean, deviation and the directions of its colours, from exact sums. */
#ifndef CVY_DATA_PIXEL_SUMS_H
#define CVY_DATA_PIXEL_SUMS_H

#include "picture/image.h"

/* What every shard of every split stores about the pixels of the training split. */
typedef struct cvy_shard_statistics {
  float mean[CVY_MAX_CHANNELS], deviation[CVY_MAX_CHANNELS];
  bool has_colour; /* the two below are known: there is more than one channel */
  /* The covariance of a pixel's channels has these eigenvalues, the largest first, in squared units of the
   * samples. Its eigenvectors [which][channel] have length 1, and their largest component is positive. */
  float colour_values[CVY_MAX_CHANNELS], colour_vectors[CVY_MAX_CHANNELS][CVY_MAX_CHANNELS];
} cvy_shard_statistics;

/* The sums are whole numbers, so what is made of them does not depend on the order of the pictures. */
typedef struct cvy_pixel_sums {
  int64_t channels; /* 0: nothing was added yet */
  uint64_t count, sum[CVY_MAX_CHANNELS];
  uint64_t product[CVY_MAX_CHANNELS][CVY_MAX_CHANNELS]; /* [i][j] of channels i <= j */
} cvy_pixel_sums;
/* Every image must have as many channels as the first. */
void cvy_pixel_sums_add(cvy_pixel_sums *sums, const cvy_image *image);
void cvy_pixel_sums_merge(cvy_pixel_sums *into, const cvy_pixel_sums *from);
/* Finds mean and standard deviation of each channel. A channel that never changes gets the deviation 1, so
 * that dividing by it is harmless. */
void cvy_pixel_sums_result(float mean[], float deviation[], const cvy_pixel_sums *sums);
/* Finds mean, deviation and colours. */
void cvy_pixel_sums_statistics(cvy_shard_statistics *out, const cvy_pixel_sums *sums);

#endif
