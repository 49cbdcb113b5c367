/* What this processor's products of matrices are: runs have the same bits where that is the same. */
#ifndef CVY_MATH_ARITHMETIC_H
#define CVY_MATH_ARITHMETIC_H

#include "base/base.h"

typedef struct cvy_arithmetic {
  char names[96];    /* OpenBLAS's core type and Convoy's kernels: "SkylakeX, avx512"; "" if not known */
  cvy_hash products; /* hash of some products of matrices, long and short, computed here */
} cvy_arithmetic;

/* Computes the products, which takes some milliseconds. They are the same at any number of threads. */
cvy_arithmetic cvy_arithmetic_here(void);
/* Tells whether bits may differ between the two. */
bool cvy_arithmetic_differs(const cvy_arithmetic *a, const cvy_arithmetic *b);

#endif
