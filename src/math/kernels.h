/* Loops over channels and elements, compiled once for each instruction set (src/math/kernels.c) and chosen
 * when the program runs. Results do not depend on the instruction set, to the last bit: sums keep the order
 * that is written here, and nothing is contracted to fused multiply-adds. The matrix product of `direct` is
 * the exception. Outputs come first. In the elementwise kernels (those with `count`) an output may be the
 * same array as an input; other overlaps are not allowed. Nothing here is parallel or allocates. */
#ifndef CVY_MATH_KERNELS_H
#define CVY_MATH_KERNELS_H

#include "base/base.h"

/* A window that slides over one image x [h][w][c] and makes y [oh][ow][...]: output (i, j) sees the input
 * rows i*stride_h - top ... +r-1 and columns j*stride_w - left ... +s-1. What lies outside the image is
 * padding; `bottom` and `right` say how far it reaches there. */
typedef struct cvy_window {
  int64_t h, w, c;
  int64_t r, s;
  int64_t stride_h, stride_w;
  int64_t top, left, bottom, right;
  int64_t oh, ow;
} cvy_window;

/* Four numbers for each channel; see affine_rows. */
typedef struct cvy_affine {
  const float *centre, *slope, *offset, *factor;
} cvy_affine;

/* Local response normalisation; see lrn_forward. */
typedef struct cvy_lrn {
  int64_t size;               /* channels summed over, odd */
  float k, alpha_share, beta; /* alpha_share: alpha / size */
} cvy_lrn;

/* Returns the floats that the lrn kernels need as scratch. */
static inline int64_t cvy_lrn_scratch_count(int64_t channels, const cvy_lrn *lrn) {
  return 4 * channels + lrn->size;
}

/* Returns the bytes in which max_pool_forward notes a place of the window. There is one, unless the window
 * has more places than that holds. */
static inline size_t cvy_place_bytes(const cvy_window *window) {
  return window->r * window->s <= UINT8_MAX + 1 ? sizeof(uint8_t) : sizeof(uint16_t);
}

/* What sum_squares makes of CVY_SQUARES_BLOCK values: at most CVY_SQUARES_PARTS parts, each a total times
 * 2^step. A total is below 2^62 in magnitude, and may be negative. */
enum { CVY_SQUARES_BLOCK = 2048, CVY_SQUARES_PARTS = 3, CVY_SQUARES_NOT_DONE = -1 };
typedef struct cvy_squares_part {
  int64_t total;
  int step;
} cvy_squares_part;

/* What is wanted next, CVY_SQUARES_BLOCK floats each, which the caches fetch meanwhile. */
typedef struct cvy_ahead {
  int64_t count;
  const float *of[8];
} cvy_ahead;

struct cvy_winograd_kernels; /* math/winograd.h */
struct cvy_direct_kernels;   /* math/direct.h */

typedef struct cvy_kernels {
  const char *name; /* "portable", "avx2", "avx512" */

  void (*add)(float *y, const float *x, int64_t count);                /* y += x */
  void (*scale)(float *y, float factor, int64_t count);                /* y *= factor */
  void (*axpy)(float *y, float factor, const float *x, int64_t count); /* y += factor * x */
  /* y goes this share of the way to x: y += share * (x - y), or from a half on y = x - (1 - share) * (x - y),
   * which rounds less there (as PyTorch's lerp). */
  void (*lerp)(float *y, float share, const float *x, int64_t count);

  /* y = x * factor, kept within -bound and bound; NaN stays NaN. */
  void (*scale_within)(float *y, const float *x, float factor, float bound, int64_t count);

  /* x and y are [rows][channels]. y[r][c] += bias[c]; sum[c] += sum over r of x[r][c], in an order that
   * depends on the sizes only (rows in order; up to 32 channels, rows that are 64/channels apart first). */
  void (*add_rows)(float *y, const float *bias, int64_t rows, int64_t channels);
  void (*sum_rows)(float *sum, const float *x, int64_t rows, int64_t channels);
  /* y = (x - centre) * slope + offset, plus dy * factor unless dy is NULL; y may be x or dy. */
  void (*affine_rows)(float *y, const float *dy, const float *x, const cvy_affine *by_channel, int64_t rows,
                      int64_t channels);
  /* Makes sums [2][channels] in double over the rows. They are of dy and dy * d, with d = x - shift[c], or
   * without a dy (NULL) of d and d * d. The order depends on the sizes only. */
  void (*sum_moments)(double *sums, const float *dy, const float *x, const float *shift, int64_t rows,
                      int64_t channels);

  /* Sums the squares of x [CVY_SQUARES_BLOCK], exactly, and returns how many parts the sum has. The sets cut
   * it into other parts, whose sum is the same. If a value is not finite, or the values are too far apart
   * (2^46 and more), the function returns CVY_SQUARES_NOT_DONE. */
  int64_t (*sum_squares)(cvy_squares_part out[CVY_SQUARES_PARTS], const float *x, const cvy_ahead *ahead);

  /* Makes y [columns][rows] of x [rows][columns], whose rows are x_row floats apart. */
  void (*transpose)(float *y, const float *x, int64_t rows, int64_t columns, int64_t x_row);

  /* y = max(x, 0), where NaN stays NaN; dx = dy where y > 0, else 0. */
  void (*relu_forward)(float *y, const float *x, int64_t count);
  void (*relu_backward)(float *dx, const float *y, const float *dy, int64_t count);
  /* tanh is within 3 ulp of the exact value over all floats, also of denormal ones; dx = dy * (1 - y * y). */
  void (*tanh_forward)(float *y, const float *x, int64_t count);
  void (*tanh_backward)(float *dx, const float *y, const float *dy, int64_t count);
  /* y = x where x > 0, else slope * x; dx = dy where y > 0, else slope * dy; slope > 0. */
  void (*leaky_relu_forward)(float *y, const float *x, float slope, int64_t count);
  void (*leaky_relu_backward)(float *dx, const float *y, const float *dy, float slope, int64_t count);
  /* y = 1 / (1 + exp(-x)), within 4 ulp where it is not denormal; dx = dy * y * (1 - y). */
  void (*sigmoid_forward)(float *y, const float *x, int64_t count);
  void (*sigmoid_backward)(float *dx, const float *y, const float *dy, int64_t count);
  /* y = exp(x - shift), within 2 ulp of the exact value at the rounded difference, also in gradual
   * underflow. */
  void (*exp)(float *y, const float *x, float shift, int64_t count);

  /* y, dx and dy are [rows][channels], and y is each row's softmax. dx = y * (dy - sum over c of dy * y), in
   * double; dx may be dy. */
  void (*softmax_backward)(float *dx, const float *y, const float *dy, int64_t rows, int64_t channels);

  /* y = x / (1 - rate) where kept, else 0, with rate = drop_below / 2^32: element i is kept if its random
   * word is at least drop_below. Element 64g + 16w + b takes word w of the block at unit 16g + b. */
  void (*dropout)(float *y, const float *x, const cvy_random *where, uint32_t drop_below, float kept_scale,
                  int64_t count);

  /* These take one image: x, dx [h][w][c]; y, dy [oh][ow][c]. `winner` [oh][ow][c] is the place i*s + j in
   * the window of the (first) largest value, in cvy_place_bytes; a NaN wins over all. A window has at most
   * 65536 places. The backward kernels overwrite dx. */
  void (*max_pool_forward)(float *y, void *winner, const float *x, const cvy_window *window);
  void (*max_pool_backward)(float *dx, const void *winner, const float *dy, const cvy_window *window);
  /* These take the mean over the window. With count_padding the zeros of the padding count too. */
  void (*average_pool_forward)(float *y, const float *x, const cvy_window *window, bool count_padding);
  void (*average_pool_backward)(float *dx, const float *dy, const cvy_window *window, bool count_padding);

  /* x, y, dx and dy are [pixels][channels], all distinct. y_c = x_c * S_c^-beta with
   * S_c = k + alpha/size * (sum of x_j^2 over the `size` channels around c). */
  void (*lrn_forward)(float *y, const float *x, float *scratch, int64_t pixels, int64_t channels,
                      const cvy_lrn *lrn);
  void (*lrn_backward)(float *dx, const float *x, const float *dy, float *scratch, int64_t pixels,
                       int64_t channels, const cvy_lrn *lrn);

  /* out = s^-beta; `out` may be `s`. */
  void (*inverse_power)(float *out, const float *s, float beta, int64_t count);

  const struct cvy_winograd_kernels *winograd;
  const struct cvy_direct_kernels *direct; /* its bits are those of this set only */
} cvy_kernels;

/* Returns the best set that this processor runs; CONVOY_KERNELS=portable|avx2|avx512 forces one (for
 * tests). */
const cvy_kernels *cvy_kernels_get(void);
/* Returns the set of this name; NULL if this processor or this build lacks it. */
const cvy_kernels *cvy_kernels_named(const char *name);

#endif
