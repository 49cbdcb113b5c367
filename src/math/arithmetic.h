/* What this machine's products of matrices give. Runs have the same bits where that is the same. */
#ifndef CVY_MATH_ARITHMETIC_H
#define CVY_MATH_ARITHMETIC_H

#include "base/base.h"

/* What computes here, and what it makes of some products. */
typedef struct cvy_arithmetic {
  char names[96];    /* OpenBLAS's core type and Convoy's kernels: "SkylakeX, avx512"; "" if not known */
  cvy_hash products; /* hash of some products of matrices, with long and short sums */
} cvy_arithmetic;

/* Computes the products, which takes some milliseconds. They are the same at any number of threads. */
cvy_arithmetic cvy_arithmetic_here(void);
/* Tells whether bits may differ between the two. */
bool cvy_arithmetic_differs(const cvy_arithmetic *a, const cvy_arithmetic *b);

#endif
