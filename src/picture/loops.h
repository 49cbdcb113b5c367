/* What loops over samples share: how they are compiled, and arithmetic that they inline. */
#ifndef CVY_PICTURE_LOOPS_H
#define CVY_PICTURE_LOOPS_H

#include "base/base.h"
#include "base/count.h"

/* The function is compiled for several instruction sets, of which the best is taken when the program is
 * loaded. The bits are the same, as products and sums are not contracted. It is for loops that the
 * compiler can vectorise. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) &&     \
    !defined(__SANITIZE_THREAD__)
#define CVY_FOR_EACH_MACHINE __attribute__((target_clones("avx512f", "avx2", "default"), flatten))
#else
#define CVY_FOR_EACH_MACHINE
#endif

/* The loop that follows may be vectorised. */
#define CVY_VECTOR _Pragma("omp simd")

/* This is not fmin and fmax, because they are calls. */
static inline double cvy_within(double value, double low, double high) {
  value = value > low ? value : low;
  return value < high ? value : high;
}

#endif
