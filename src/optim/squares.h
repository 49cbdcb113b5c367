/* Exact sums of the squares of floats.
 *
 * The square of a float is an integer of 48 bits times a power of two between 2^-298 and 2^208, so a sum
 * of squares is an integer times 2^-298. It is kept as such, in digits of 32 bits. Integers add up to the
 * same sum in any order: the norm of a vector has the same bits however it is cut into pieces and whoever
 * adds them, threads or ranks. (Kulisch 1971 adds floats so; here a kernel of math/kernels.h first adds the
 * squares of a block in double, in parts that need no rounding.) */
#ifndef CVY_OPTIM_SQUARES_H
#define CVY_OPTIM_SQUARES_H

#include "math/kernels.h"

enum { CVY_SQUARES_DIGITS = 18 };

/* A sum, which is zeros at first. All of it may be summed over ranks as an array of int64_t, after
 * cvy_squares_carry. */
typedef struct cvy_squares {
  int64_t digits[CVY_SQUARES_DIGITS]; /* the sum is 2^-298 times the sum of digit i times 2^(32 i) */
  int64_t not_finite;                 /* how often infinities or NaN were met */
} cvy_squares;

/* Adds `count` squares, in blocks of CVY_SQUARES_BLOCK; a part of a block costs as much as a whole one. */
void cvy_squares_add(cvy_squares *sum, const float *values, int64_t count);
/* Adds one block, or a part of it, while what is `ahead` is fetched. */
void cvy_squares_add_part(cvy_squares *sum, const float *values, int64_t count, const cvy_ahead *ahead);
/* Adds another sum. Threads may merge theirs into one at the same time. */
void cvy_squares_merge(cvy_squares *sum, const cvy_squares *other);
/* Brings the digits below 2^32, all but the last; the sum stays. */
void cvy_squares_carry(cvy_squares *sum);
/* Returns the square root of the sum, within an ulp; NaN if a value was not finite. The same sum gives the
 * same bits. */
double cvy_squares_root(const cvy_squares *sum);

#endif
