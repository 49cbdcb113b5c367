/* What many numbers look like: their mean, how far they lie apart, how many are zero. */
#ifndef CVY_MEASURE_NUMBERS_H
#define CVY_MEASURE_NUMBERS_H

#include "net/net.h"

typedef struct cvy_numbers {
  int64_t count; /* 0: there are none, and what follows means nothing */
  bool is_finite;
  double mean, deviation; /* over all numbers */
  /* How far the images lie apart: the root of the variance of one number over the images, in the mean over
   * the numbers of an image. It is 0 where all images give the same; NaN for fewer than two images. */
  double between;
  double zeros;        /* share of the numbers that are exactly 0 */
  int64_t units, dead; /* channels, and those that are 0 in all images and everywhere */
} cvy_numbers;

/* Looks at `values`, [n][h][w][c]. Sums are in double precision, and the same for any number of threads. It
 * runs out of memory with CVY_E_SYSTEM. */
cvy_err cvy_numbers_of(cvy_numbers *out, const float *values, cvy_shape shape) CVY_MUST_CHECK;
/* Returns the root of the sum of the squares. */
double cvy_numbers_norm(const cvy_numbers *numbers);

#endif
