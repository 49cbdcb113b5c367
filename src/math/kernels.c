/* This file is compiled once for each instruction set. CVY_KERNELS is the name of this set's table.
 *
 * The loops are plain C for the compiler to vectorise. `omp simd` promises what restrict could not: that
 * iterations are independent even where an output is the same array as an input. It does not allow sums to be
 * reordered. Loops over channels work on blocks of BLOCK floats, so that partial results live in a few
 * registers or the first-level cache.
 */
#include "math/kernels.h"

#include "base/count.h"

#include <math.h>
#include <string.h>

#define VECTOR _Pragma("omp simd")

enum { BLOCK = 64, LANES = 16 };

static inline uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static inline float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* ---- sums and products -------------------------------------------------------------------------------- */

static void add(float *y, const float *x, int64_t count) {
  VECTOR
  for (int64_t i = 0; i < count; i++) y[i] += x[i];
}

static void scale(float *y, float factor, int64_t count) {
  VECTOR
  for (int64_t i = 0; i < count; i++) y[i] *= factor;
}

static void axpy(float *y, float factor, const float *x, int64_t count) {
  VECTOR
  for (int64_t i = 0; i < count; i++) y[i] += factor * x[i];
}

static void lerp(float *y, float share, const float *x, int64_t count) {
  const float rest = 1 - share;
  if (share < 0.5f) {
    VECTOR
    for (int64_t i = 0; i < count; i++) y[i] += share * (x[i] - y[i]);
    return;
  }
  VECTOR
  for (int64_t i = 0; i < count; i++) y[i] = x[i] - rest * (x[i] - y[i]);
}

static void scale_within(float *y, const float *x, float factor, float bound, int64_t count) {
  VECTOR
  for (int64_t i = 0; i < count; i++) {
    const float scaled = x[i] * factor;
    y[i] = scaled > bound ? bound : scaled < -bound ? -bound : scaled;
  }
}

/* Transposes a square block, so that neither side leaves its cache lines half used. Rows far apart are not
 * fetched ahead by the processor itself. */
static void transpose_block(float *y, const float *x, int64_t rows, int64_t x_row) {
  float columns[LANES][LANES];
  for (int64_t i = 0; i < LANES; i++) {
    __builtin_prefetch(x + i * x_row + LANES);
    for (int64_t j = 0; j < LANES; j++) columns[j][i] = x[i * x_row + j];
  }
  for (int64_t j = 0; j < LANES; j++) memcpy(y + j * rows, columns[j], sizeof columns[j]);
}

static void transpose(float *y, const float *x, int64_t rows, int64_t columns, int64_t x_row) {
  const int64_t whole_rows = rows / LANES * LANES, whole_columns = columns / LANES * LANES;
  for (int64_t j = 0; j < whole_columns; j += LANES)
    for (int64_t i = 0; i < whole_rows; i += LANES)
      transpose_block(y + j * rows + i, x + i * x_row + j, rows, x_row);
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = i < whole_rows ? whole_columns : 0; j < columns; j++) y[j * rows + i] = x[i * x_row + j];
}

/* Few channels make short rows that no vector fits, so whole groups of rows are taken as one row. */
static inline int64_t rows_in_block(int64_t channels) {
  return channels * 2 <= BLOCK ? BLOCK / channels : 1;
}

/* Spreads what belongs to the channels of one row over a whole group of rows. */
static const float *for_group(float room[BLOCK], const float *values, int64_t group, int64_t channels) {
  if (group == 1) return values;
  for (int64_t g = 0; g < group; g++) memcpy(room + g * channels, values, sizeof *values * (size_t)channels);
  return room;
}

static void add_rows(float *y, const float *bias, int64_t rows, int64_t channels) {
  const int64_t group = rows_in_block(channels), width = group * channels;
  float room[BLOCK];
  const float *row = for_group(room, bias, group, channels);
  for (int64_t r = 0; r < rows; r += group)
    add(y + r * channels, row, cvy_smaller(width, (rows - r) * channels));
}

static void sum_block(float sum[BLOCK], const float *x, int64_t rows, int64_t stride, int64_t width) {
  for (int64_t i = 0; i < width; i++) sum[i] = 0;
  for (int64_t r = 0; r < rows; r++) add(sum, x + r * stride, width);
}

static void sum_rows(float *sum, const float *x, int64_t rows, int64_t channels) {
  const int64_t group = rows_in_block(channels), width = group * channels;
  float block[BLOCK];
  if (group == 1) {
    for (int64_t c = 0; c < channels; c += BLOCK) {
      const int64_t columns = cvy_smaller(BLOCK, channels - c);
      sum_block(block, x + c, rows, channels, columns);
      add(sum + c, block, columns);
    }
    return;
  }
  sum_block(block, x, rows / group, width, width);
  for (int64_t g = 0; g < group; g++) add(sum, block + g * channels, channels);
  for (int64_t r = rows / group * group; r < rows; r++) add(sum, x + r * channels, channels);
}

static void affine(float *y, const float *dy, const float *x, const cvy_affine *t, int64_t count) {
  const float *centre = t->centre, *slope = t->slope, *offset = t->offset, *factor = t->factor;
  if (dy) {
    VECTOR
    for (int64_t i = 0; i < count; i++)
      y[i] = dy[i] * factor[i] + ((x[i] - centre[i]) * slope[i] + offset[i]);
    return;
  }
  VECTOR
  for (int64_t i = 0; i < count; i++) y[i] = (x[i] - centre[i]) * slope[i] + offset[i];
}

static void affine_rows(float *y, const float *dy, const float *x, const cvy_affine *t, int64_t rows,
                        int64_t channels) {
  const int64_t group = rows_in_block(channels), width = group * channels;
  float room[4][BLOCK];
  const cvy_affine wide = {.centre = for_group(room[0], t->centre, group, channels),
                           .slope = for_group(room[1], t->slope, group, channels),
                           .offset = for_group(room[2], t->offset, group, channels),
                           .factor = dy ? for_group(room[3], t->factor, group, channels) : NULL};
  for (int64_t r = 0; r < rows; r += group) {
    const int64_t first = r * channels;
    affine(y + first, dy ? dy + first : NULL, x + first, &wide, cvy_smaller(width, (rows - r) * channels));
  }
}

static void add_moments(double *sum, double *product, const float *dy, const float *x, const float *shift,
                        int64_t count) {
  if (dy) {
    VECTOR
    for (int64_t i = 0; i < count; i++) {
      sum[i] += (double)dy[i];
      product[i] += (double)dy[i] * ((double)x[i] - (double)shift[i]);
    }
    return;
  }
  VECTOR
  for (int64_t i = 0; i < count; i++) {
    const double d = (double)x[i] - (double)shift[i];
    sum[i] += d;
    product[i] += d * d;
  }
}

static void sum_moments_of_few(double *sums, const float *dy, const float *x, const float *shift,
                               int64_t rows, int64_t channels) {
  const int64_t group = rows_in_block(channels), width = group * channels;
  double block[2][BLOCK] = {{0}};
  float room[BLOCK];
  const float *shifts = for_group(room, shift, group, channels);
  for (int64_t r = 0; r < rows; r += group) {
    const int64_t first = r * channels;
    add_moments(block[0], block[1], dy ? dy + first : NULL, x + first, shifts,
                cvy_smaller(width, (rows - r) * channels));
  }
  for (int64_t i = 0; i < width; i++) {
    sums[i % channels] += block[0][i];
    sums[channels + i % channels] += block[1][i];
  }
}

/* The columns are so many that both sums take 4 KB, which leaves the first-level cache to the rows. */
static void sum_moments(double *sums, const float *dy, const float *x, const float *shift, int64_t rows,
                        int64_t channels) {
  enum { COLUMNS = 256 };
  memset(sums, 0, 2 * sizeof *sums * (size_t)channels);
  if (rows_in_block(channels) > 1) {
    sum_moments_of_few(sums, dy, x, shift, rows, channels);
    return;
  }
  for (int64_t c = 0; c < channels; c += COLUMNS)
    for (int64_t r = 0; r < rows; r++) {
      const int64_t first = r * channels + c;
      add_moments(sums + c, sums + channels + c, dy ? dy + first : NULL, x + first, shift + c,
                  cvy_smaller(COLUMNS, channels - c));
    }
}

/* ---- activations -------------------------------------------------------------------------------------- */

static void relu_forward(float *y, const float *x, int64_t count) {
  VECTOR
  for (int64_t i = 0; i < count; i++) y[i] = x[i] < 0 ? 0 : x[i];
}

static void relu_backward(float *dx, const float *y, const float *dy, int64_t count) {
  VECTOR
  for (int64_t i = 0; i < count; i++) dx[i] = y[i] > 0 ? dy[i] : 0;
}

static void leaky_relu_forward(float *y, const float *x, float slope, int64_t count) {
  VECTOR
  for (int64_t i = 0; i < count; i++) y[i] = x[i] > 0 ? x[i] : slope * x[i];
}

static void leaky_relu_backward(float *dx, const float *y, const float *dy, float slope, int64_t count) {
  VECTOR
  for (int64_t i = 0; i < count; i++) dx[i] = y[i] > 0 ? dy[i] : slope * dy[i];
}

/* x = n ln 2 + r with |r| <= ln(2)/2 (Cody & Waite 1980). ln 2 is split so that n times its 14-bit head is
 * exact. Adding and subtracting 1.5 * 2^23 rounds to the nearest integer, and leaves n in the low bits. */
typedef struct reduced {
  float r;
  int32_t n;
} reduced;

static inline reduced reduce(float x) {
  const float shifter = 0x1.8p23f;
  const float shifted = x * 0x1.715476p+0f + shifter;
  const float n = shifted - shifter;
  return (reduced){.r = (x - n * 0x1.62e4p-1f) - n * 0x1.7f7d1cp-20f,
                   .n = (int32_t)(bits_of(shifted) - bits_of(shifter))};
}

/* exp(r) - 1 = r + r^2 (1/2 + r t(r)); t is the polynomial of degree 4 that meets
 * (exp(r) - 1 - r - r^2/2) / r^3 at the five Chebyshev nodes of [-ln(2)/2, ln(2)/2], its coefficients solved
 * for in 40 digits and then rounded. The formula's relative error is 0.03 * 2^-24. */
static inline float expm1_reduced(float r) {
  const float t = 0x1.555556p-3f +
                  r * (0x1.55551ap-5f + r * (0x1.1110f6p-7f + r * (0x1.6d113cp-10f + r * 0x1.a0f89ap-13f)));
  return r + r * r * (0.5f + r * t);
}

static inline float power_of_two(int32_t n) {
  return float_of((uint32_t)(n + 127) << 23);
}

/* The comparisons are written so that NaN passes through. Beyond the limits the result is 0 or infinity. The
 * scale is applied in two halves, because 2^-149 and 2^128 have no normal float. */
static inline float exp_one(float x) {
  const float below = x > 89 ? 89 : x;
  const reduced a = reduce(below < -104 ? -104 : below);
  const int32_t half = a.n >> 1;
  return (1 + expm1_reduced(a.r)) * power_of_two(half) * power_of_two(a.n - half);
}

static void exp_all(float *y, const float *x, float shift, int64_t count) {
  VECTOR
  for (int64_t i = 0; i < count; i++) y[i] = exp_one(x[i] - shift);
}

/* tanh|x| = e / (e + 2) with e = exp(2|x|) - 1 = 2^n (exp(r) - 1) + (2^n - 1): near zero n = 0, nothing
 * cancels and the relative error stays small. From 9.02 on the result rounds to 1. */
static inline float tanh_one(float x) {
  const uint32_t sign = bits_of(x) & 0x80000000u;
  const float size = float_of(bits_of(x) ^ sign);
  const reduced a = reduce(2 * (size > 10 ? 10 : size));
  const float power = power_of_two(a.n);
  const float e = power * expm1_reduced(a.r) + (power - 1);
  return float_of(bits_of(e / (e + 2)) | sign);
}

static void tanh_forward(float *y, const float *x, int64_t count) {
  VECTOR
  for (int64_t i = 0; i < count; i++) y[i] = tanh_one(x[i]);
}

static void tanh_backward(float *dx, const float *y, const float *dy, int64_t count) {
  VECTOR
  for (int64_t i = 0; i < count; i++) dx[i] = dy[i] * (1 - y[i] * y[i]);
}

/* Far to the left exp overflows to infinity, and the result is 0. */
static void sigmoid_forward(float *y, const float *x, int64_t count) {
  VECTOR
  for (int64_t i = 0; i < count; i++) y[i] = 1 / (1 + exp_one(-x[i]));
}

static void sigmoid_backward(float *dx, const float *y, const float *dy, int64_t count) {
  VECTOR
  for (int64_t i = 0; i < count; i++) dx[i] = dy[i] * y[i] * (1 - y[i]);
}

/* Makes LANES sums, then the sum of these. */
static double dot(const float *a, const float *b, int64_t count) {
  double sums[LANES] = {0}, sum = 0;
  int64_t i = 0;
  for (; i + LANES <= count; i += LANES) {
    VECTOR
    for (int64_t lane = 0; lane < LANES; lane++) sums[lane] += (double)a[i + lane] * (double)b[i + lane];
  }
  for (int64_t lane = 0; i + lane < count; lane++) sums[lane] += (double)a[i + lane] * (double)b[i + lane];
  for (int64_t lane = 0; lane < LANES; lane++) sum += sums[lane];
  return sum;
}

static void softmax_backward(float *dx, const float *y, const float *dy, int64_t rows, int64_t channels) {
  for (int64_t r = 0; r < rows; r++, dx += channels, y += channels, dy += channels) {
    const double mean = dot(dy, y, channels);
    VECTOR
    for (int64_t c = 0; c < channels; c++) dx[c] = (float)((double)y[c] * ((double)dy[c] - mean));
  }
}

/* ---- dropout ------------------------------------------------------------------------------------------ */

/* Makes LANES blocks of Philox4x32-10 (Salmon et al. 2011) side by side. Word w of block first_unit + b goes
 * to words[w][b]. The numbers are the same as cvy_random_block's. */
static void philox(uint32_t words[4][LANES], const cvy_random *where, uint32_t first_unit) {
  uint32_t key0 = (uint32_t)where->seed, key1 = (uint32_t)(where->seed >> 32);
  for (uint32_t b = 0; b < LANES; b++) {
    words[0][b] = first_unit + b;
    words[1][b] = where->sample;
    words[2][b] = where->step;
    words[3][b] = (uint32_t)where->purpose << 24 | (where->layer & 0xffffffu);
  }
  for (int round = 0; round < 10; round++) {
    VECTOR
    for (int b = 0; b < LANES; b++) {
      const uint64_t product0 = (uint64_t)words[0][b] * 0xD2511F53u;
      const uint64_t product1 = (uint64_t)words[2][b] * 0xCD9E8D57u;
      words[0][b] = (uint32_t)(product1 >> 32) ^ words[1][b] ^ key0;
      words[1][b] = (uint32_t)product1;
      words[2][b] = (uint32_t)(product0 >> 32) ^ words[3][b] ^ key1;
      words[3][b] = (uint32_t)product0;
    }
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
}

static void dropout(float *y, const float *x, const cvy_random *where, uint32_t drop_below, float kept_scale,
                    int64_t count) {
  enum { GROUP = 4 * LANES };
  uint32_t words[4][LANES];
  for (int64_t first = 0; first < count; first += GROUP) {
    philox(words, where, (uint32_t)(first / 4));
    const int64_t width = cvy_smaller(GROUP, count - first);
    const uint32_t *word = &words[0][0];
    VECTOR
    for (int64_t i = 0; i < width; i++) y[first + i] = word[i] >= drop_below ? x[first + i] * kept_scale : 0;
  }
}

/* ---- pooling ------------------------------------------------------------------------------------------ */

typedef struct span {
  int64_t begin, end;
} span;

typedef struct view {
  span rows, columns;    /* inside the image */
  int64_t row0, column0; /* corner of the whole window, may be negative */
} view;

static view view_at(const cvy_window *g, int64_t i, int64_t j) {
  view v = {.row0 = i * g->stride_h - g->top, .column0 = j * g->stride_w - g->left};
  v.rows = (span){cvy_larger(v.row0, 0), cvy_smaller(v.row0 + g->r, g->h)};
  v.columns = (span){cvy_larger(v.column0, 0), cvy_smaller(v.column0 + g->s, g->w)};
  return v;
}

static inline int32_t place_in(const view *v, const cvy_window *g, int64_t row, int64_t column) {
  return (int32_t)((row - v->row0) * g->s + column - v->column0);
}

/* Pooling works on LANES channels at a time, or on BLOCK, with loops of constant length: a remainder loop
 * would cost as much as many vectors. So it may look past its pixel's channels, at those of the next pixel,
 * and throws away what it has found there. It may also write past them what the next pixel then overwrites.
 * Only near the end of the array, `size` floats long, it must keep to the `channels` that the pixel has
 * left. */
static inline int64_t lanes_at(int64_t at, int64_t size, int64_t channels, int64_t lanes) {
  return size - at >= lanes ? lanes : channels;
}

static inline void take_larger(float *best, int32_t *winner, const float *x, int32_t place, int64_t lanes) {
  VECTOR
  for (int64_t c = 0; c < lanes; c++) {
    const bool wins = (x[c] > best[c]) | (x[c] != x[c]);
    best[c] = wins ? x[c] : best[c];
    winner[c] = wins ? place : winner[c];
  }
}

static inline void store_largest(float *y, void *winner, const float *best, const int32_t *where,
                                 int64_t lanes, bool in_bytes) {
  uint8_t *bytes = winner;
  uint16_t *words = winner;
  VECTOR
  for (int64_t c = 0; c < lanes; c++) y[c] = best[c];
  if (in_bytes) {
    VECTOR
    for (int64_t c = 0; c < lanes; c++) bytes[c] = (uint8_t)where[c];
  } else {
    VECTOR
    for (int64_t c = 0; c < lanes; c++) words[c] = (uint16_t)where[c];
  }
}

/* An output pixel: the window that it sees, and where its first number lies. */
typedef struct output {
  view seen;
  int64_t at;
} output;

static inline void max_at(float *y, void *winner, const float *x, const cvy_window *g, const output *o,
                          int64_t channel, int64_t block) {
  const view *v = &o->seen;
  const int64_t in_size = g->h * g->w * g->c, out_size = g->oh * g->ow * g->c, channels = g->c - channel;
  float best[BLOCK];
  int32_t where[BLOCK];
  for (int64_t c = 0; c < block; c++) {
    best[c] = -INFINITY;
    where[c] = place_in(v, g, v->rows.begin, v->columns.begin);
  }
  for (int64_t row = v->rows.begin; row < v->rows.end; row++)
    for (int64_t column = v->columns.begin; column < v->columns.end; column++) {
      const int64_t at = (row * g->w + column) * g->c + channel;
      const int64_t lanes = lanes_at(at, in_size, channels, block);
      const int32_t place = place_in(v, g, row, column);
      if (lanes == block)
        take_larger(best, where, x + at, place, block);
      else
        take_larger(best, where, x + at, place, lanes);
    }
  const int64_t first = o->at + channel, lanes = lanes_at(first, out_size, channels, block);
  const size_t place_bytes = cvy_place_bytes(g);
  char *places = (char *)winner + (size_t)first * place_bytes;
  if (lanes == block)
    store_largest(y + first, places, best, where, block, place_bytes == 1);
  else
    store_largest(y + first, places, best, where, lanes, place_bytes == 1);
}

static void max_pool_forward(float *y, void *winner, const float *x, const cvy_window *g) {
  output o = {.at = 0};
  for (int64_t i = 0; i < g->oh; i++)
    for (int64_t j = 0; j < g->ow; j++, o.at += g->c) {
      o.seen = view_at(g, i, j);
      int64_t c = 0;
      for (; c + BLOCK / 2 < g->c; c += BLOCK) max_at(y, winner, x, g, &o, c, BLOCK);
      for (; c < g->c; c += LANES) max_at(y, winner, x, g, &o, c, LANES);
    }
}

/* Returns how far it is from the corner of a window to one of its places. */
static inline int64_t place_offset(const cvy_window *g, int64_t place) {
  return (place / g->s * g->w + place % g->s) * g->c;
}

/* The load stands by itself: as a part of the condition it would keep the loop from being vectorised. */
static void add_where(float *dx, const float *dy, const uint8_t *winner, uint8_t place, int64_t count) {
  VECTOR
  for (int64_t c = 0; c < count; c++) {
    const float gradient = dy[c];
    dx[c] += winner[c] == place ? gradient : 0;
  }
}

/* One number after the other finds its way faster than vectors do that try all places of the window, unless
 * the places are few and the channels whole vectors of bytes. Both ways give the same bits: each number of dx
 * meets the windows in the same order, and is never -0, which adding a zero would change. */
enum { MOST_TRIED = 12, TRIED_TOGETHER = 32 };

static void give_back_bytes(float *dx, const uint8_t *winner, const float *dy, const cvy_window *g) {
  int64_t offsets[UINT8_MAX + 1];
  for (int64_t place = 0; place < g->r * g->s; place++) offsets[place] = place_offset(g, place);
  const int64_t tried = g->r * g->s <= MOST_TRIED ? g->c / TRIED_TOGETHER * TRIED_TOGETHER : 0;
  for (int64_t i = 0; i < g->oh; i++)
    for (int64_t j = 0; j < g->ow; j++, dy += g->c, winner += g->c) {
      const view v = view_at(g, i, j);
      for (int64_t row = v.rows.begin; row < v.rows.end && tried > 0; row++)
        for (int64_t column = v.columns.begin; column < v.columns.end; column++)
          add_where(dx + (row * g->w + column) * g->c, dy, winner, (uint8_t)place_in(&v, g, row, column),
                    tried);
      const int64_t corner = (v.row0 * g->w + v.column0) * g->c;
      for (int64_t c = tried; c < g->c; c++) dx[corner + offsets[winner[c]] + c] += dy[c];
    }
}

static void give_back_words(float *dx, const uint16_t *winner, const float *dy, const cvy_window *g) {
  for (int64_t i = 0; i < g->oh; i++)
    for (int64_t j = 0; j < g->ow; j++, dy += g->c, winner += g->c) {
      const view v = view_at(g, i, j);
      const int64_t corner = (v.row0 * g->w + v.column0) * g->c;
      for (int64_t c = 0; c < g->c; c++) dx[corner + place_offset(g, winner[c]) + c] += dy[c];
    }
}

static void max_pool_backward(float *dx, const void *winner, const float *dy, const cvy_window *g) {
  memset(dx, 0, sizeof *dx * (size_t)(g->h * g->w * g->c));
  if (cvy_place_bytes(g) == 1)
    give_back_bytes(dx, winner, dy, g);
  else
    give_back_words(dx, winner, dy, g);
}

/* A last window that rounding up has pushed over the edge counts only what lies in the image and its padding
 * (as in Caffe and PyTorch). */
static float share_of_one(const view *v, const cvy_window *g, bool count_padding) {
  int64_t rows = v->rows.end - v->rows.begin, columns = v->columns.end - v->columns.begin;
  if (count_padding) {
    rows = cvy_smaller(v->row0 + g->r, g->h + g->bottom) - v->row0;
    columns = cvy_smaller(v->column0 + g->s, g->w + g->right) - v->column0;
  }
  return 1.0f / (float)(rows * columns);
}

static inline void add_lanes(float sum[LANES], const float *x, int64_t lanes) {
  VECTOR
  for (int64_t c = 0; c < lanes; c++) sum[c] += x[c];
}

static void average_at(float *y, const float *x, const cvy_window *g, const view *v, float share,
                       int64_t channel) {
  float sum[LANES] = {0};
  for (int64_t row = v->rows.begin; row < v->rows.end; row++)
    for (int64_t column = v->columns.begin; column < v->columns.end; column++) {
      const int64_t at = (row * g->w + column) * g->c + channel;
      const int64_t lanes = lanes_at(at, g->h * g->w * g->c, g->c - channel, LANES);
      if (lanes == LANES)
        add_lanes(sum, x + at, LANES);
      else
        add_lanes(sum, x + at, lanes);
    }
  const int64_t width = cvy_smaller(LANES, g->c - channel);
  for (int64_t c = 0; c < width; c++) y[channel + c] = sum[c] * share;
}

static void average_pool_forward(float *y, const float *x, const cvy_window *g, bool count_padding) {
  for (int64_t i = 0; i < g->oh; i++)
    for (int64_t j = 0; j < g->ow; j++, y += g->c) {
      const view v = view_at(g, i, j);
      const float share = share_of_one(&v, g, count_padding);
      for (int64_t c = 0; c < g->c; c += LANES) average_at(y, x, g, &v, share, c);
    }
}

static void average_pool_backward(float *dx, const float *dy, const cvy_window *g, bool count_padding) {
  memset(dx, 0, sizeof *dx * (size_t)(g->h * g->w * g->c));
  for (int64_t i = 0; i < g->oh; i++)
    for (int64_t j = 0; j < g->ow; j++, dy += g->c) {
      const view v = view_at(g, i, j);
      const float share = share_of_one(&v, g, count_padding);
      for (int64_t row = v.rows.begin; row < v.rows.end; row++)
        for (int64_t column = v.columns.begin; column < v.columns.end; column++)
          axpy(dx + (row * g->w + column) * g->c, share, dy, g->c);
    }
}

/* ---- local response normalisation --------------------------------------------------------------------- */

/* Computes s^-beta. Everybody's beta is 0.75, which two square roots give to the last bit or two; other
 * exponents run at the speed of the C library. */
static void inverse_power(float *out, const float *s, float beta, int64_t count) {
  if (beta != 0.75f) {
    for (int64_t i = 0; i < count; i++) out[i] = powf(s[i], -beta);
    return;
  }
  VECTOR
  for (int64_t i = 0; i < count; i++) {
    const float root = sqrtf(s[i]);
    out[i] = 1 / (root * sqrtf(root));
  }
}

/* sums[c] = padded[c] + ... + padded[c + size - 1] */
static void sum_neighbours(float *sums, const float *padded, int64_t channels, int64_t size) {
  memset(sums, 0, sizeof *sums * (size_t)channels);
  for (int64_t j = 0; j < size; j++) add(sums, padded + j, channels);
}

/* The parts of the scratch: `padded` has size/2 zeros on both sides of its channels. */
typedef struct lrn_parts {
  float *s, *factor, *sums, *padded, *middle;
} lrn_parts;

static lrn_parts lrn_start(float *scratch, int64_t channels, const cvy_lrn *lrn) {
  lrn_parts p = {scratch, scratch + channels, scratch + 2 * channels, scratch + 3 * channels, NULL};
  p.middle = p.padded + lrn->size / 2;
  memset(p.padded, 0, sizeof *scratch * (size_t)(channels + lrn->size - 1));
  return p;
}

/* Computes s and factor = s^-beta of one pixel. */
static void lrn_factor(const lrn_parts *p, const float *x, int64_t channels, const cvy_lrn *lrn) {
  float *s = p->s, *middle = p->middle, *sums = p->sums;
  VECTOR
  for (int64_t c = 0; c < channels; c++) middle[c] = x[c] * x[c];
  sum_neighbours(sums, p->padded, channels, lrn->size);
  const float k = lrn->k, share = lrn->alpha_share;
  VECTOR
  for (int64_t c = 0; c < channels; c++) s[c] = k + share * sums[c];
  inverse_power(p->factor, s, lrn->beta, channels);
}

static void lrn_forward(float *y, const float *x, float *scratch, int64_t pixels, int64_t channels,
                        const cvy_lrn *lrn) {
  const lrn_parts p = lrn_start(scratch, channels, lrn);
  const float *factor = p.factor;
  for (int64_t i = 0; i < pixels; i++, x += channels, y += channels) {
    lrn_factor(&p, x, channels, lrn);
    VECTOR
    for (int64_t c = 0; c < channels; c++) y[c] = x[c] * factor[c];
  }
}

/* dx_c = dy_c S_c^-beta - 2 alpha beta / size * x_c * (sum over the channels j whose window holds c of
 * dy_j y_j / S_j) */
static void lrn_backward(float *dx, const float *x, const float *dy, float *scratch, int64_t pixels,
                         int64_t channels, const cvy_lrn *lrn) {
  const lrn_parts p = lrn_start(scratch, channels, lrn);
  const float *s = p.s, *factor = p.factor, *sums = p.sums;
  const float slope = 2 * lrn->alpha_share * lrn->beta;
  float *middle = p.middle;
  for (int64_t i = 0; i < pixels; i++, x += channels, dx += channels, dy += channels) {
    lrn_factor(&p, x, channels, lrn);
    VECTOR
    for (int64_t c = 0; c < channels; c++) middle[c] = dy[c] * x[c] * factor[c] / s[c];
    sum_neighbours(p.sums, p.padded, channels, lrn->size);
    VECTOR
    for (int64_t c = 0; c < channels; c++) dx[c] = dy[c] * factor[c] - slope * x[c] * sums[c];
  }
}

extern const struct cvy_winograd_kernels CVY_WINOGRAD_KERNELS;
extern const struct cvy_direct_kernels CVY_DIRECT_KERNELS;
extern int64_t CVY_SUM_SQUARES(cvy_squares_part out[CVY_SQUARES_PARTS], const float *x,
                               const cvy_ahead *ahead);
extern const cvy_kernels CVY_KERNELS;
const cvy_kernels CVY_KERNELS = {
    .name = CVY_KERNELS_NAME,
    .add = add,
    .scale = scale,
    .axpy = axpy,
    .lerp = lerp,
    .scale_within = scale_within,
    .add_rows = add_rows,
    .sum_rows = sum_rows,
    .affine_rows = affine_rows,
    .sum_moments = sum_moments,
    .sum_squares = CVY_SUM_SQUARES,
    .relu_forward = relu_forward,
    .relu_backward = relu_backward,
    .leaky_relu_forward = leaky_relu_forward,
    .leaky_relu_backward = leaky_relu_backward,
    .sigmoid_forward = sigmoid_forward,
    .sigmoid_backward = sigmoid_backward,
    .tanh_forward = tanh_forward,
    .tanh_backward = tanh_backward,
    .exp = exp_all,
    .softmax_backward = softmax_backward,
    .dropout = dropout,
    .max_pool_forward = max_pool_forward,
    .max_pool_backward = max_pool_backward,
    .average_pool_forward = average_pool_forward,
    .average_pool_backward = average_pool_backward,
    .lrn_forward = lrn_forward,
    .lrn_backward = lrn_backward,
    .inverse_power = inverse_power,
    .transpose = transpose,
    .winograd = &CVY_WINOGRAD_KERNELS,
    .direct = &CVY_DIRECT_KERNELS,
};
