/* The numerical tests share this: exact-size aligned arrays, reproducible numbers, comparisons that say where
 * they failed, and whether counts are even. */
#ifndef CVY_TESTS_ARRAYS_H
#define CVY_TESTS_ARRAYS_H

#include "suite.h"

#include "base/base.h"
#include <math.h>

/* Makes an array that is 64-byte aligned and not a byte longer, so that AddressSanitizer sees the first step
 * too far. */
static inline void *array_of_bytes(size_t bytes) {
  void *memory = NULL;
  if (posix_memalign(&memory, 64, bytes ? bytes : 1)) abort();
  memset(memory, 0xff, bytes); /* floats are NaN, so that what is not written shows */
  return memory;
}

static inline float *array(int64_t count) {
  return array_of_bytes(sizeof(float) * (size_t)count);
}

/* Fills in numbers that are uniform in [-1, 1). */
static inline void fill(float *values, int64_t count, uint32_t which) {
  cvy_random where = {.seed = 7, .purpose = CVY_FOR_TEST, .step = which};
  for (int64_t i = 0; i < count; i++) values[i] = (float)cvy_random_next_uniform(&where, -1, 1);
}

static inline float *random_array(int64_t count, uint32_t which) {
  float *values = array(count);
  fill(values, count, which);
  return values;
}

static inline float *copy_of(const float *values, int64_t count) {
  float *copy = array(count);
  memcpy(copy, values, sizeof *copy * (size_t)count);
  return copy;
}

static inline bool same_bits(const float *a, const float *b, int64_t count) {
  return memcmp(a, b, sizeof *a * (size_t)count) == 0;
}

/* Makes one failure for the whole array, with the first place where it is off. */
static inline bool all_near(const char *what, const float *got, const double *want, const double *tolerance,
                            int64_t count) {
  for (int64_t i = 0; i < count; i++)
    if (!(fabs((double)got[i] - want[i]) <= tolerance[i])) {
      printf("\n    %s: element %" PRId64 " is %.9g, not %.9g (+- %.2g)\n", what, i, (double)got[i], want[i],
             tolerance[i]);
      return false;
    }
  return true;
}

/* Checks that Pearson's statistic of `counts` against evenness stays below its mean plus five deviations. */
static inline bool is_even(const int *counts, int bins, int total) {
  double sum = 0;
  const double expected = (double)total / bins;
  for (int i = 0; i < bins; i++) sum += pow(counts[i] - expected, 2) / expected;
  return sum < bins - 1 + 5 * sqrt(2.0 * (bins - 1));
}

/* The names of all sets; this machine may not run all of them. */
static const char *const kernel_names[] = {"portable", "avx2", "avx512"};

#endif
