/* Compiled once for each instruction set, as kernels.c is: CVY_DIRECT_KERNEL is the name of this set's function.
 *
 * A tile of C, ROWS by WIDE registers, is summed whole before it is stored; each product of it takes a number of A, spread
 * over a register, and a register of B. This file may be contracted to fused multiply-adds. */
#include "math/direct.h"

#include <string.h>

#if defined(__AVX512F__)
enum { LANES = 16, ROWS = 6, WIDE = 4 };
#elif defined(__AVX2__)
enum { LANES = 8, ROWS = 4, WIDE = 3 };
#else
enum { LANES = 4, ROWS = 4, WIDE = 2 };
#endif

typedef float lanes __attribute__((vector_size(sizeof(float) * LANES)));

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define UNROLL        _Pragma("GCC unroll 8")

ALWAYS_INLINE lanes load(const float *from) {
  lanes value;
  memcpy(&value, from, sizeof value);
  return value;
}

ALWAYS_INLINE void store(float *to, lanes value) {
  memcpy(to, &value, sizeof value);
}

/* Rows from `row` on; the registers' columns begin at `at`. */
ALWAYS_INLINE void sum_tile(const cvy_direct_sum *s, int64_t row, const int64_t at[WIDE], int rows,
                            int wide) {
  lanes sum[ROWS][WIDE];
  UNROLL for (int i = 0; i < rows; i++) UNROLL for (int j = 0; j < wide; j++)
      sum[i][j] = load(s->start + (row + i) * s->start_row + at[j]);
  const int64_t a_row = s->a_row, a_inner = s->a_inner, b_inner = s->b_inner, inner = s->inner;
  for (int64_t o = 0; o < s->outer; o++) {
    const float *a = s->a + row * a_row + o * s->a_outer, *b = s->b + o * s->b_outer;
    for (int64_t p = 0; p < inner; p++, a += a_inner, b += b_inner) {
      lanes factor[WIDE];
      UNROLL for (int j = 0; j < wide; j++) factor[j] = load(b + at[j]);
      UNROLL for (int i = 0; i < rows; i++) UNROLL for (int j = 0; j < wide; j++)
          sum[i][j] += a[i * a_row] * factor[j];
    }
  }
  UNROLL for (int i = 0; i < rows; i++) UNROLL for (int j = 0; j < wide; j++)
      store(s->c + (row + i) * s->c_row + at[j], sum[i][j]);
}

/* ---- a function for each size of tile ---- */

typedef void (*tile_function)(const cvy_direct_sum *s, int64_t row, const int64_t at[WIDE]);

#define TILE(rows, wide)                                                                                     \
  static void tile_##rows##_##wide(const cvy_direct_sum *s, int64_t row, const int64_t at[WIDE]) {           \
    sum_tile(s, row, at, rows, wide);                                                                        \
  }

#define TILES_OF(wide) TILE(1, wide) TILE(2, wide) TILE(3, wide) TILE(4, wide) MORE_ROWS(wide)
#define NAMES_OF(wide)                                                                                       \
  { tile_1_##wide, tile_2_##wide, tile_3_##wide, tile_4_##wide MORE_NAMES(wide) }

#if defined(__AVX512F__)
#define MORE_ROWS(wide)  TILE(5, wide) TILE(6, wide)
#define MORE_NAMES(wide) , tile_5_##wide, tile_6_##wide
TILES_OF(1)
TILES_OF(2)
TILES_OF(3)
TILES_OF(4) static const tile_function tiles[WIDE][ROWS] = {NAMES_OF(1), NAMES_OF(2), NAMES_OF(3),
                                                            NAMES_OF(4)};
#elif defined(__AVX2__)
#define MORE_ROWS(wide)
#define MORE_NAMES(wide)
TILES_OF(1)
TILES_OF(2)
TILES_OF(3) static const tile_function tiles[WIDE][ROWS] = {NAMES_OF(1), NAMES_OF(2), NAMES_OF(3)};
#else
#define MORE_ROWS(wide)
#define MORE_NAMES(wide)
TILES_OF(1) TILES_OF(2) static const tile_function tiles[WIDE][ROWS] = {NAMES_OF(1), NAMES_OF(2)};
#endif

static int64_t pieces(int64_t whole, int64_t piece) {
  return (whole + piece - 1) / piece;
}

/* A panel is some registers wide; they share B in the first-level cache while A goes by. The last register of the last
 * panel reaches back over its neighbour's columns, so that it is whole: both store the same. */
static void sum_panel(const cvy_direct_sum *s, int64_t first, int64_t wide) {
  int64_t at[WIDE] = {0};
  for (int64_t j = 0; j < wide; j++) {
    const int64_t column = (first + j) * LANES, last = s->columns - LANES;
    at[j] = column < last ? column : last;
  }
  const int64_t count = pieces(s->rows, ROWS);
  for (int64_t i = 0; i < count; i++) {
    const int64_t row = i * s->rows / count, end = (i + 1) * s->rows / count;
    tiles[wide - 1][end - row - 1](s, row, at);
  }
}

extern void CVY_DIRECT_KERNEL(const cvy_direct_sum *s);
void CVY_DIRECT_KERNEL(const cvy_direct_sum *s) {
  const int64_t registers = pieces(s->columns, LANES), panels = pieces(registers, WIDE);
  for (int64_t i = 0; i < panels; i++) {
    const int64_t first = i * registers / panels, end = (i + 1) * registers / panels;
    sum_panel(s, first, end - first);
  }
}
