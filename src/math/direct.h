/* Sums of products that stay in registers, for convolutions that need no copy of their patches.
 *
 *   c[i][j] = start[i][j] + sum over o < outer, p < inner of
 *             a[i*a_row + o*a_outer + p*a_inner] * b[o*b_outer + p*b_inner + j]
 *
 * for i < rows, j < columns, of which there are CVY_DIRECT_LEAST_COLUMNS at least. Rows of A may overlap, as patches do.
 * The sum is in the order of o and p. c may be start; c_row, start_row: floats from row to row of either. */
#ifndef CVY_MATH_DIRECT_H
#define CVY_MATH_DIRECT_H

#include <stdint.h>

enum { CVY_DIRECT_LEAST_COLUMNS = 16 };

typedef struct cvy_direct_sum {
  float *c;
  const float *start, *a, *b;
  int64_t rows, columns, outer, inner;
  int64_t c_row, start_row, a_row;
  int64_t a_outer, a_inner, b_outer, b_inner;
} cvy_direct_sum;

#endif
