/* OpenBLAS behind one door. Its own threads would cut sums by their number, so it gets one thread a call and
 * the parallel product hands out blocks of C instead. */
#include "math/gemm.h"

#include <cblas.h>
#include <pthread.h>

static void use_one_thread(void) {
  openblas_set_num_threads(1);
}

void cvy_gemm(float *c, int64_t c_stride, cvy_factor a, cvy_factor b, int64_t m, int64_t n, int64_t k,
              float alpha, float beta) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, use_one_thread);
  if (m == 0 || n == 0) return;
  cblas_sgemm(CblasRowMajor, a.transposed ? CblasTrans : CblasNoTrans,
              b.transposed ? CblasTrans : CblasNoTrans, cvy_int(m), cvy_int(n), cvy_int(k), alpha, a.at,
              cvy_int(a.stride), b.at, cvy_int(b.stride), beta, c, cvy_int(c_stride));
}

/* Blocks small enough to occupy many threads, yet large enough that packing A and B again for each block
 * stays cheap: about four million multiply-adds, sides of 128 at least. */
enum { BLOCK_WORK = 4 << 20, BLOCK_SIDE = 128 };

typedef struct product {
  float *c;
  int64_t c_stride;
  cvy_factor a, b;
  int64_t m, n, k;
  float alpha, beta;
  int64_t rows, columns; /* of a block */
  int64_t blocks_across;
} product;

static int64_t pieces(int64_t whole, int64_t piece) {
  return (whole + piece - 1) / piece;
}

static int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}

/* Halves `side`, to a multiple of 16 floats: a cache line. */
static int64_t halved(int64_t side) {
  return pieces(side, 32) * 16;
}

static void choose_blocks(product *p) {
  p->rows = p->m;
  p->columns = p->n;
  for (;;) {
    int64_t *longer = p->rows > p->columns ? &p->rows : &p->columns;
    if (*longer < 2 * BLOCK_SIDE || p->rows * p->columns <= BLOCK_WORK / (p->k > 0 ? p->k : 1)) break;
    *longer = halved(*longer);
  }
  p->blocks_across = pieces(p->n, p->columns);
}

static void run_block(const void *context, int64_t index, int thread) {
  (void)thread;
  const product *p = context;
  const int64_t row = index / p->blocks_across * p->rows, column = index % p->blocks_across * p->columns;
  cvy_factor a = p->a, b = p->b;
  a.at += a.transposed ? row : row * a.stride;
  b.at += b.transposed ? column * b.stride : column;
  cvy_gemm(p->c + row * p->c_stride + column, p->c_stride, a, b, smaller(p->rows, p->m - row),
           smaller(p->columns, p->n - column), p->k, p->alpha, p->beta);
}

void cvy_gemm_parallel(float *c, int64_t c_stride, cvy_factor a, cvy_factor b, int64_t m, int64_t n,
                       int64_t k, float alpha, float beta) {
  if (m == 0 || n == 0) return;
  product p = {c, c_stride, a, b, m, n, k, alpha, beta, 0, 0, 0};
  choose_blocks(&p);
  cvy_parallel(pieces(m, p.rows) * p.blocks_across, run_block, &p);
}

const char *cvy_blas_config(void) {
  return openblas_get_config();
}

const char *cvy_blas_core(void) {
  return openblas_get_corename();
}
