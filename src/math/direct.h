/* Sums of products that stay in registers: the matrix product of convolutions, which copies neither of its
 * factors.
 *
 *   c[i][j] = start[i][j] + sum over o < outer, p < inner of
 *             a[i*a_row + o*a_outer + p*a_inner] * b[o*b_outer + p*b_inner + j]
 *
 * for i < rows, j < columns, of which there are CVY_DIRECT_LEAST_COLUMNS at least. Rows of A may overlap, as
 * patches do. The sum is in the order of o and p, and start is added last. It may be c, or NULL for zeros;
 * c_row and start_row are the floats from row to row.
 *
 * The columns are taken in panels, a few registers wide, that share B in the first-level cache while A goes
 * by. A B that is used often is best stored panel after panel, each [outer][inner][width], and multiplied
 * panel by panel. */
#ifndef CVY_MATH_DIRECT_H
#define CVY_MATH_DIRECT_H

#include "base/count.h"

#include <stdbool.h>
#include <stdint.h>

enum { CVY_DIRECT_LEAST_COLUMNS = 16, CVY_STREAMS_FROM = 8 << 20 };

typedef struct cvy_direct_product {
  float *c;
  const float *start, *a, *b;
  int64_t rows, columns, outer, inner;
  int64_t c_row, start_row, a_row;
  int64_t a_outer, a_inner, b_outer, b_inner;
  bool rectify; /* c is max(c, 0) of the above, NaN staying NaN */
  bool streams; /* c goes past the caches: see cvy_streams */
} cvy_direct_product;

typedef struct cvy_direct_kernels {
  int64_t lanes, wide; /* floats of a register, registers of a panel */
  void (*multiply)(const cvy_direct_product *product);
  void (*fence)(void); /* it ends a task that streams, before others read what was written */
} cvy_direct_kernels;

/* Tells whether to write `count` floats, in rows of `columns`, at `to` past the caches. That is so where they
 * are too many for any of it to be there still when it is read, and registers lie on cache lines. The numbers
 * are the same either way. */
static inline bool cvy_streams(const float *to, int64_t count, int64_t columns) {
  return count >= CVY_STREAMS_FROM && columns % 16 == 0 && (uintptr_t)to % 64 == 0;
}

typedef struct cvy_panel {
  int64_t begin, width; /* columns; it is never narrower than a register */
} cvy_panel;

static inline int64_t cvy_panel_count(const cvy_direct_kernels *kernels, int64_t columns) {
  return cvy_pieces(cvy_pieces(columns, kernels->lanes), kernels->wide);
}

/* Returns panel `index` of `columns` columns. Registers are shared out evenly. With at least two of them in
 * the last panel, its last one can reach back if it is not full. */
static inline cvy_panel cvy_panel_at(const cvy_direct_kernels *kernels, int64_t columns, int64_t index) {
  const int64_t registers = cvy_pieces(columns, kernels->lanes);
  const int64_t panels = cvy_panel_count(kernels, columns);
  const int64_t begin = index * registers / panels * kernels->lanes;
  const int64_t end = (index + 1) * registers / panels * kernels->lanes;
  return (cvy_panel){begin, cvy_smaller(end, columns) - begin};
}

#endif
