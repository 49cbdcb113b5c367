/* Products of row-major matrices. This is the only user of OpenBLAS, which is kept at one thread a call. */
#ifndef CVY_MATH_GEMM_H
#define CVY_MATH_GEMM_H

#include "base/base.h"

/* A factor: `stride` floats from row to row as it lies in memory, transposed before use if said so. */
typedef struct cvy_factor {
  const float *at;
  int64_t stride;
  bool transposed;
} cvy_factor;

/* Computes C [m][n] = alpha A B + beta C with A [m][k], B [k][n] after transposition, as one BLAS call on
 * this thread. Several threads may call it at once. With beta = 0, C is not read. A size that does not fit
 * BLAS's int is fatal. (For some small products OpenBLAS borrows a few kilobytes from malloc during the
 * call.) */
void cvy_gemm(float *c, int64_t c_stride, cvy_factor a, cvy_factor b, int64_t m, int64_t n, int64_t k,
              float alpha, float beta);

/* Computes the same product by cvy_parallel, over blocks of C whose shape depends on m, n, k only. The sum
 * over k is never split, so the bits do not depend on the number of threads. */
void cvy_gemm_parallel(float *c, int64_t c_stride, cvy_factor a, cvy_factor b, int64_t m, int64_t n,
                       int64_t k, float alpha, float beta);

/* These return OpenBLAS's version and build ("OpenBLAS 0.3.21 ..."), and the processor core that it has tuned
 * itself to ("SkylakeX"). Results are the same bits only where these agree. */
const char *cvy_blas_config(void);
const char *cvy_blas_core(void);

#endif
