/* OpenBLAS behind one door. Its own threads would cut sums by their number, so it gets one thread a call and
 * the parallel product hands out blocks of C instead. */
#include "math/gemm.h"

#include "base/count.h"
#include "math/direct.h"
#include "math/kernels.h"

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

/* Each block packs its rows of A and columns of B again, so blocks are no smaller than occupying the threads
 * asks for: about four million multiply-adds, sides of 128 at least, and no more than eight blocks unless
 * they are longer than 1024. */
enum { BLOCK_WORK = 4 << 20, LEAST_SIDE = 128, ENOUGH_BLOCKS = 8, LONG_SIDE = 1024 };

typedef struct product {
  float *c;
  int64_t c_stride;
  cvy_factor a, b;
  int64_t m, n, k;
  float alpha, beta;
  int64_t rows, columns; /* size of a block */
  int64_t blocks_across;
} product;

/* Halves `side`, to a multiple of 16 floats: a cache line. */
static int64_t halved(int64_t side) {
  return cvy_pieces(side, 32) * 16;
}

static bool small_enough(const product *p, int64_t longer) {
  const int64_t blocks = cvy_pieces(p->m, p->rows) * cvy_pieces(p->n, p->columns);
  return longer < 2 * LEAST_SIDE || p->rows * p->columns <= BLOCK_WORK / (p->k > 0 ? p->k : 1) ||
         (blocks >= ENOUGH_BLOCKS && longer <= LONG_SIDE);
}

static void choose_blocks(product *p) {
  p->rows = p->m;
  p->columns = p->n;
  for (;;) {
    int64_t *longer = p->rows > p->columns ? &p->rows : &p->columns;
    if (small_enough(p, *longer)) break;
    *longer = halved(*longer);
  }
  p->blocks_across = cvy_pieces(p->n, p->columns);
}

static void run_block(const void *context, int64_t index, int thread) {
  (void)thread;
  const product *p = context;
  const int64_t row = index / p->blocks_across * p->rows, column = index % p->blocks_across * p->columns;
  cvy_factor a = p->a, b = p->b;
  a.at += a.transposed ? row : row * a.stride;
  b.at += b.transposed ? column * b.stride : column;
  cvy_gemm(p->c + row * p->c_stride + column, p->c_stride, a, b, cvy_smaller(p->rows, p->m - row),
           cvy_smaller(p->columns, p->n - column), p->k, p->alpha, p->beta);
}

/* A large C that is a sum of few products, as the gradient of a fully connected layer's weights, costs its
 * way to memory. BLAS reads it there before it writes it; here whole rows are written past the caches. */
enum { THIN_DEPTH = 128, THIN_ROWS = 96 };

/* The shape alone decides, as BLAS would round otherwise. */
static bool is_thin(const product *p) {
  return p->a.transposed && !p->b.transposed && p->alpha == 1 && p->beta == 0 && p->k <= THIN_DEPTH &&
         p->n >= CVY_DIRECT_LEAST_COLUMNS && p->m * p->n >= CVY_STREAMS_FROM;
}

static void run_thin_rows(const void *context, int64_t index, int thread) {
  (void)thread;
  const product *p = context;
  const int64_t row = index * THIN_ROWS;
  const cvy_direct_kernels *kernels = cvy_kernels_get()->direct;
  kernels->multiply(
      &(cvy_direct_product){.c = p->c + row * p->c_stride,
                            .c_row = p->c_stride,
                            .a = p->a.at + row,
                            .a_row = 1,
                            .a_inner = p->a.stride,
                            .b = p->b.at,
                            .b_inner = p->b.stride,
                            .rows = cvy_smaller(THIN_ROWS, p->m - row),
                            .columns = p->n,
                            .outer = 1,
                            .inner = p->k,
                            .streams = p->c_stride == p->n && cvy_streams(p->c, p->m * p->n, p->n)});
  kernels->fence();
}

void cvy_gemm_parallel(float *c, int64_t c_stride, cvy_factor a, cvy_factor b, int64_t m, int64_t n,
                       int64_t k, float alpha, float beta) {
  if (m == 0 || n == 0) return;
  product p = {c, c_stride, a, b, m, n, k, alpha, beta, 0, 0, 0};
  if (is_thin(&p)) {
    cvy_parallel(cvy_pieces(m, THIN_ROWS), run_thin_rows, &p);
    return;
  }
  choose_blocks(&p);
  cvy_parallel(cvy_pieces(m, p.rows) * p.blocks_across, run_block, &p);
}

const char *cvy_blas_config(void) {
  return openblas_get_config();
}

const char *cvy_blas_core(void) {
  return openblas_get_corename();
}
