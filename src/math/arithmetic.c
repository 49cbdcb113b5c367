/* Finds what products of matrices give here. Their bits depend on OpenBLAS's version, and on the kernel that
 * OpenBLAS chooses for the processor, its caches and the shape. Names do not tell all of that, so some
 * products are computed. */
#include "math/arithmetic.h"

#include "math/direct.h"
#include "math/gemm.h"
#include "math/kernels.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_SIDE = 80, MOST_DEPTH = 1100, MOST_FLOATS = MOST_SIDE * MOST_DEPTH };

/* OpenBLAS cuts long sums at 256 to 512, and takes other kernels for small products and for vectors. */
static const struct {
  int64_t m, n, k;
} shapes[] = {{8, 8, 8}, {67, 80, 1100}, {33, 16, 300}, {64, 1, 1100}, {1, 64, 1100}};

static void fill(float *values, uint32_t which) {
  cvy_random random = {.seed = 1, .purpose = CVY_FOR_TEST, .layer = which};
  for (int64_t i = 0; i < MOST_FLOATS; i++) values[i] = (float)cvy_random_next_uniform(&random, -1, 1);
}

static void add_by_blas(cvy_hasher *hasher, float *c, const float *a, const float *b) {
  for (int64_t i = 0; i < CVY_COUNT(shapes); i++)
    for (int turned = 0; turned < 4; turned++) {
      const int64_t m = shapes[i].m, n = shapes[i].n, k = shapes[i].k;
      const bool a_turned = turned & 1, b_turned = turned & 2;
      cvy_gemm(c, n, (cvy_factor){a, a_turned ? m : k, a_turned}, (cvy_factor){b, b_turned ? k : n, b_turned},
               m, n, k, 1, 0);
      cvy_hasher_add(hasher, c, sizeof *c * (size_t)(m * n));
    }
}

/* Adds a product of Convoy's own kernels, which round once for a multiplication and its addition where the
 * processor can. */
static void add_directly(cvy_hasher *hasher, float *c, const float *a, const float *b) {
  const int64_t rows = 16, columns = 64, inner = 300;
  const cvy_direct_kernels *kernels = cvy_kernels_get()->direct;
  kernels->multiply(&(cvy_direct_product){.c = c,
                                          .c_row = columns,
                                          .a = a,
                                          .a_row = inner,
                                          .a_inner = 1,
                                          .b = b,
                                          .b_inner = columns,
                                          .rows = rows,
                                          .columns = columns,
                                          .outer = 1,
                                          .inner = inner});
  kernels->fence();
  cvy_hasher_add(hasher, c, sizeof *c * (size_t)(rows * columns));
}

cvy_arithmetic cvy_arithmetic_here(void) {
  cvy_arithmetic here;
  float *a = cvy_new(sizeof *a * MOST_FLOATS), *b = cvy_new(sizeof *b * MOST_FLOATS),
        *c = cvy_new(sizeof *c * MOST_SIDE * MOST_SIDE);
  cvy_hasher *hasher = cvy_hasher_create();
  fill(a, 0);
  fill(b, 1);
  add_by_blas(hasher, c, a, b);
  add_directly(hasher, c, a, b);
  snprintf(here.names, sizeof here.names, "%s, %s", cvy_blas_core(), cvy_kernels_get()->name);
  here.products = cvy_hasher_result(hasher);
  cvy_hasher_destroy(hasher);
  free(a);
  free(b);
  free(c);
  return here;
}

bool cvy_arithmetic_differs(const cvy_arithmetic *a, const cvy_arithmetic *b) {
  return strcmp(a->names, b->names) != 0 || strcmp(a->products.hex, b->products.hex) != 0;
}
