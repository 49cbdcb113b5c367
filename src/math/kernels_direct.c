/* This file is compiled once for each instruction set, as kernels.c is. CVY_DIRECT_KERNELS is the name of
 * this set's table.
 *
 * A tile of C, some rows by up to WIDE registers, is summed whole before it is stored; each product of it
 * takes a number of A, spread over a register, and a register of B. This file may be contracted to fused
 * multiply-adds. */
#include "math/direct.h"
#include "math/lanes.h"

extern const cvy_direct_kernels CVY_DIRECT_KERNELS;

/* A tile is as many rows high as fit the registers beside a row of B. */
#if defined(__AVX512F__)
enum { WIDE = 4, MOST_ROWS = 12 };
static const int most_rows[WIDE] = {12, 12, 8, 6};
#define EVERY_TILE(X) ROWS_12(X, 1) ROWS_12(X, 2) ROWS_8(X, 3) ROWS_6(X, 4)
#elif defined(__AVX2__)
enum { WIDE = 3, MOST_ROWS = 12 };
static const int most_rows[WIDE] = {12, 6, 4};
#define EVERY_TILE(X) ROWS_12(X, 1) ROWS_6(X, 2) ROWS_4(X, 3)
#else
enum { WIDE = 2, MOST_ROWS = 8 };
static const int most_rows[WIDE] = {8, 4};
#define EVERY_TILE(X) ROWS_8(X, 1) ROWS_4(X, 2)
#endif
#define ROWS_4(X, wide)  X(1, wide) X(2, wide) X(3, wide) X(4, wide)
#define ROWS_6(X, wide)  ROWS_4(X, wide) X(5, wide) X(6, wide)
#define ROWS_8(X, wide)  ROWS_6(X, wide) X(7, wide) X(8, wide)
#define ROWS_12(X, wide) ROWS_8(X, wide) X(9, wide) X(10, wide) X(11, wide) X(12, wide)

#define UNROLL _Pragma("GCC unroll 12")

/* Computes the rows from `row` on; the registers' columns begin at `at`. */
ALWAYS_INLINE void multiply_tile(const cvy_direct_product *sum, int64_t row, const int64_t at[WIDE], int rows,
                                 int wide) {
  const cvy_direct_product s = *sum; /* so that no store can change it */
  int64_t column[WIDE];
  lanes total[MOST_ROWS][WIDE];
  UNROLL for (int j = 0; j < wide; j++) column[j] = at[j];
  UNROLL for (int i = 0; i < rows; i++) UNROLL for (int j = 0; j < wide; j++) total[i][j] = (lanes){0};
  for (int64_t o = 0; o < s.outer; o++) {
    const float *a = s.a + row * s.a_row + o * s.a_outer, *b = s.b + o * s.b_outer;
    _Pragma("GCC unroll 2") for (int64_t p = 0; p < s.inner; p++, a += s.a_inner, b += s.b_inner) {
      lanes factor[WIDE];
      UNROLL for (int j = 0; j < wide; j++) factor[j] = load(b + column[j]);
      UNROLL for (int i = 0; i < rows; i++) UNROLL for (int j = 0; j < wide; j++)
          total[i][j] += a[i * s.a_row] * factor[j];
    }
  }
  /* A row is read whole before it is stored, as its last register may reach back and start may be c. */
  UNROLL for (int i = 0; i < rows; i++) {
    const float *start = s.start ? s.start + (row + i) * s.start_row : NULL;
    float *c = s.c + (row + i) * s.c_row;
    if (start) UNROLL for (int j = 0; j < wide; j++) total[i][j] += load(start + column[j]);
    if (s.rectify) UNROLL for (int j = 0; j < wide; j++) total[i][j] = rectified(total[i][j]);
    if (s.streams)
      UNROLL for (int j = 0; j < wide; j++) stream(c + column[j], total[i][j]);
    else
      UNROLL for (int j = 0; j < wide; j++) store(c + column[j], total[i][j]);
  }
}

/* ---- a function for each size of tile ---- */

typedef void (*tile_function)(const cvy_direct_product *s, int64_t row, const int64_t at[WIDE]);

#define TILE(rows, wide)                                                                                     \
  static void tile_##rows##_##wide(const cvy_direct_product *s, int64_t row, const int64_t at[WIDE]) {       \
    multiply_tile(s, row, at, rows, wide);                                                                   \
  }
#define ENTRY(rows, wide) [(wide)-1][(rows)-1] = tile_##rows##_##wide,

EVERY_TILE(TILE)
static const tile_function tiles[WIDE][MOST_ROWS] = {EVERY_TILE(ENTRY)};

/* The last register reaches back over its neighbour's columns where it would not be full: both store the
 * same. */
static void multiply_panel(const cvy_direct_product *s, cvy_panel panel) {
  int64_t at[WIDE] = {0}, wide = 0;
  for (int64_t column = 0; column < panel.width; column += LANES) {
    const int64_t last = panel.width - LANES;
    at[wide++] = panel.begin + (column < last ? column : last);
  }
  const int64_t most = most_rows[wide - 1], count = cvy_pieces(s->rows, most);
  for (int64_t i = 0; i < count; i++) {
    const int64_t row = i * s->rows / count, end = (i + 1) * s->rows / count;
    tiles[wide - 1][end - row - 1](s, row, at);
  }
}

static void multiply(const cvy_direct_product *s) {
  const int64_t panels = cvy_panel_count(&CVY_DIRECT_KERNELS, s->columns);
  for (int64_t i = 0; i < panels; i++) multiply_panel(s, cvy_panel_at(&CVY_DIRECT_KERNELS, s->columns, i));
}

static void fence_streams(void) {
  fence();
}

const cvy_direct_kernels CVY_DIRECT_KERNELS = {
    .lanes = LANES, .wide = WIDE, .multiply = multiply, .fence = fence_streams};
