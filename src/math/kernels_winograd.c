/* This file is compiled once for each instruction set, as kernels.c is. CVY_WINOGRAD_KERNELS is the name of
 * this set's table.
 *
 * A block of LANES channels of a whole tile is worked on at a time, so that everything between its loads and
 * its stores stays in registers and the first-level cache. */
#include "math/lanes.h"
#include "math/winograd.h"

enum { TILE = CVY_WINOGRAD_TILE, MOST = CVY_WINOGRAD_MOST };

/* These are p = 3/4, q = 4/3 and their powers; p q = 1. */
static const float p1 = 0.75f, p2 = 0.5625f, p3 = 0.421875f, p4 = 0.31640625f;
static const float q1 = (float)(4.0 / 3), q2 = (float)(16.0 / 9), q3 = (float)(64.0 / 27),
                   q4 = (float)(256.0 / 81);

ALWAYS_INLINE lanes load_some(const float *from, int64_t count) {
  lanes value = {0};
  memcpy(&value, from, sizeof(float) * (size_t)count);
  return value;
}

ALWAYS_INLINE void store_some(float *to, lanes value, int64_t count) {
  memcpy(to, &value, sizeof(float) * (size_t)count);
}

/* Computes B^T d. */
ALWAYS_INLINE void input_line(lanes out[TILE], const lanes d[TILE]) {
  const float sum = (float)(337.0 / 144); /* p^2 + q^2 */
  const lanes even_p = d[4] - q2 * d[2], odd_p = p1 * d[3] - q1 * d[1];
  const lanes even_q = d[4] - p2 * d[2], odd_q = q1 * d[3] - p1 * d[1];
  out[0] = d[0] - sum * d[2] + d[4];
  out[1] = even_p + odd_p;
  out[2] = even_p - odd_p;
  out[3] = even_q + odd_q;
  out[4] = even_q - odd_q;
  out[5] = d[1] - sum * d[3] + d[5];
}

/* Computes G f for n taps. */
ALWAYS_INLINE void expand_line(lanes out[TILE], const lanes f[MOST], int n) {
  lanes even_p = -128.0f / 175 * f[0], odd_p = -96.0f / 175 * f[1];
  lanes even_q = 81.0f / 350 * f[0], odd_q = 54.0f / 175 * f[1];
  if (n > 2) even_p -= 72.0f / 175 * f[2], even_q += 72.0f / 175 * f[2];
  if (n > 3) odd_p -= 54.0f / 175 * f[3], odd_q += 96.0f / 175 * f[3];
  if (n > 4) even_p -= 81.0f / 350 * f[4], even_q += 128.0f / 175 * f[4];
  out[0] = f[0];
  out[1] = even_p + odd_p;
  out[2] = even_p - odd_p;
  out[3] = even_q + odd_q;
  out[4] = even_q - odd_q;
  out[5] = f[n - 1];
}

/* Computes the n values of A^T m. Where the filter was turned, what belongs to +-p and +-q has yet to be
 * scaled. */
ALWAYS_INLINE void reduce_line(lanes out[MOST], const lanes m[TILE], int n, float scale_p, float scale_q) {
  const lanes even_p = m[1] + m[2], odd_p = m[1] - m[2], even_q = m[3] + m[4], odd_q = m[3] - m[4];
  out[0] = m[0] + (scale_p * even_p + scale_q * even_q);
  out[1] = p1 * scale_p * odd_p + q1 * scale_q * odd_q;
  if (n > 2) out[2] = p2 * scale_p * even_p + q2 * scale_q * even_q;
  if (n > 3) out[3] = p3 * scale_p * odd_p + q3 * scale_q * odd_q;
  if (n > 4) out[4] = p4 * scale_p * even_p + q4 * scale_q * even_q;
  out[n - 1] += m[5];
}

/* ---- one block of channels ---- */

ALWAYS_INLINE void input_block(float *out, int64_t stride, const float *const *pixels, int64_t c,
                               int64_t count) {
  lanes half[TILE][TILE]; /* [column][row] */
  for (int j = 0; j < TILE; j++) {
    lanes d[TILE];
    for (int i = 0; i < TILE; i++) d[i] = load_some(pixels[i * TILE + j] + c, count);
    input_line(half[j], d);
  }
  for (int i = 0; i < TILE; i++) {
    lanes d[TILE], v[TILE];
    for (int j = 0; j < TILE; j++) d[j] = half[j][i];
    input_line(v, d);
    for (int j = 0; j < TILE; j++) store_some(out + (i * TILE + j) * stride + c, v[j], count);
  }
}

ALWAYS_INLINE void expand_block(float *out, int64_t stride, float *sum, const float *const *pixels, int64_t c,
                                int64_t count, int n) {
  lanes total = {0};
  lanes half[MOST][TILE];
  for (int j = 0; j < n; j++) {
    lanes f[MOST] = {0};
    for (int i = 0; i < n; i++) total += f[i] = load_some(pixels[i * n + j] + c, count);
    expand_line(half[j], f, n);
  }
  if (sum) store_some(sum + c, total, count);
  for (int i = 0; i < TILE; i++) {
    lanes f[MOST] = {0}, u[TILE];
    for (int j = 0; j < n; j++) f[j] = half[j][i];
    expand_line(u, f, n);
    for (int j = 0; j < TILE; j++) store_some(out + (i * TILE + j) * stride + c, u[j], count);
  }
}

ALWAYS_INLINE void finish_pixel(float *to, lanes value, const cvy_winograd_finish *finish, int64_t count) {
  if (finish->rectify) value = rectified(value);
  if (finish->streams && count == LANES)
    stream(to, value);
  else
    store_some(to, value, count);
}

ALWAYS_INLINE void reduce_block(float *const *pixels, const float *in, int64_t stride,
                                const cvy_winograd_finish *finish, int64_t c, int64_t count, int n,
                                float scale_p, float scale_q) {
  lanes half[TILE][MOST];
  const lanes offset = finish->bias ? load_some(finish->bias + c, count) : (lanes){0};
  for (int j = 0; j < TILE; j++) {
    lanes m[TILE];
    for (int i = 0; i < TILE; i++) m[i] = load_some(in + (i * TILE + j) * stride + c, count);
    reduce_line(half[j], m, n, scale_p, scale_q);
  }
  for (int i = 0; i < n; i++) {
    lanes m[TILE], y[MOST];
    for (int j = 0; j < TILE; j++) m[j] = half[j][i];
    reduce_line(y, m, n, scale_p, scale_q);
    for (int j = 0; j < n; j++)
      if (pixels[i * n + j]) finish_pixel(pixels[i * n + j] + c, y[j] + offset, finish, count);
  }
}

/* ---- all channels ---- */

/* Returns where a block begins. The last one reaches back over its neighbour, so that it is whole, and writes
 * the same numbers again; only where there are too few channels for any block is a part of one worked on. */
ALWAYS_INLINE int64_t block_at(int64_t c, int64_t channels) {
  return c + LANES <= channels ? c : channels - LANES;
}

static void input(float *out, int64_t stride, const float *const *pixels, int64_t channels) {
  if (channels < LANES) {
    input_block(out, stride, pixels, 0, channels);
    return;
  }
  for (int64_t c = 0; c < channels; c += LANES)
    input_block(out, stride, pixels, block_at(c, channels), LANES);
}

#define EXPAND(n)                                                                                            \
  static void expand_##n(float *out, int64_t stride, float *sum, const float *const *pixels,                 \
                         int64_t channels) {                                                                 \
    if (channels < LANES) {                                                                                  \
      expand_block(out, stride, sum, pixels, 0, channels, n);                                                \
      return;                                                                                                \
    }                                                                                                        \
    for (int64_t c = 0; c < channels; c += LANES)                                                            \
      expand_block(out, stride, sum, pixels, block_at(c, channels), LANES, n);                               \
  }

#define REDUCE(name, n, scale_p, scale_q)                                                                    \
  static void name(float *const *pixels, const float *in, int64_t stride, const cvy_winograd_finish *finish, \
                   int64_t channels) {                                                                       \
    if (channels < LANES) {                                                                                  \
      reduce_block(pixels, in, stride, finish, 0, channels, n, scale_p, scale_q);                            \
      return;                                                                                                \
    }                                                                                                        \
    for (int64_t c = 0; c < channels; c += LANES)                                                            \
      reduce_block(pixels, in, stride, finish, block_at(c, channels), LANES, n, scale_p, scale_q);           \
  }

EXPAND(2)
EXPAND(3)
EXPAND(4)
EXPAND(5)
REDUCE(reduce_2, 2, 1, 1)
REDUCE(reduce_3, 3, 1, 1)
REDUCE(reduce_4, 4, 1, 1)
REDUCE(reduce_5, 5, 1, 1)
REDUCE(reduce_turned_2, 2, -1, -1)   /* for filters of 5 taps */
REDUCE(reduce_turned_4, 4, -q2, -p2) /* for filters of 3 taps */

extern const cvy_winograd_kernels CVY_WINOGRAD_KERNELS;
const cvy_winograd_kernels CVY_WINOGRAD_KERNELS = {
    .input = input,
    .expand = {NULL, NULL, expand_2, expand_3, expand_4, expand_5},
    .reduce = {NULL, NULL, reduce_2, reduce_3, reduce_4, reduce_5},
    .reduce_turned = {NULL, NULL, reduce_turned_2, NULL, reduce_turned_4, NULL},
};
