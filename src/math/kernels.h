/* Loops over channels and elements, compiled once for each instruction set (src/math/kernels.c) and chosen
 * when the program runs. Elementwise results do not depend on the instruction set: no reassociation, no
 * contraction. Outputs come first; `y` may be the same array as an input unless said otherwise. */
#ifndef CVY_MATH_KERNELS_H
#define CVY_MATH_KERNELS_H

#include <convoy/base.h>

typedef struct cvy_kernels {
  const char *name; /* "portable", "avx2", "avx512" */
  /* y += x */
  void (*add)(float *y, const float *x, int64_t count);
} cvy_kernels;

/* The best set that this processor runs; CONVOY_KERNELS=portable|avx2|avx512 forces one (for tests). */
const cvy_kernels *cvy_kernels_get(void);

#endif
