/* Winograd's minimal filtering (Winograd 1980; Lavin & Gray 2016) on tiles of 6x6: F(4x4, 3x3) and F(2x2,
 * 5x5).
 *
 * With matrices B^T (6x6), G (6 x filter), A^T (out x 6), Y = A^T [ (G f G^T) . (B^T d B) ] A. The
 * interpolation points are 0, +-3/4, +-4/3 and infinity. Their products stay near one, which halves the
 * rounding error of the usual 0, +-1, +-2 (measured: 6 times that of the plain sum, against 11). The set is
 * closed under 1/x, so the transform of a filter turned by 180 degrees is the same numbers in another order.
 * Backward then needs no transform of its own.
 *
 * A tile's sums go through numbers of either sign, so where a plain sum is an exact 0, all of its inputs
 * being 0, there may be about 1e-7 of the tile's other numbers here.
 *
 * All kernels here work on one tile of 36 positions. Channels are contiguous; position p of a transformed
 * tile begins at p * position_stride. Pixels are passed by pointer, so that those outside the image can point
 * at zeros. */
#ifndef CVY_MATH_WINOGRAD_H
#define CVY_MATH_WINOGRAD_H

#include <stdbool.h>
#include <stdint.h>

enum { CVY_WINOGRAD_TILE = 6, CVY_WINOGRAD_POSITIONS = 36, CVY_WINOGRAD_MOST = 5 };

/* What is done to the output pixels as they are stored. */
typedef struct cvy_winograd_finish {
  const float *bias; /* [channels], or NULL */
  bool rectify;      /* max(y, 0), NaN staying NaN */
  bool streams;      /* write past the caches (math/direct.h) */
} cvy_winograd_finish;

typedef struct cvy_winograd_kernels {
  /* Makes B^T d B of the 36 pixels d. */
  void (*input)(float *out, int64_t position_stride, const float *const *pixels, int64_t channels);
  /* Makes G f G^T of the n*n pixels f, for n = 2 ... 5. These are filters, or output gradients, whose sum
   * over the pixels goes to `sum` if that is not NULL. */
  void (*expand[CVY_WINOGRAD_MOST + 1])(float *out, int64_t position_stride, float *sum,
                                        const float *const *pixels, int64_t channels);
  /* Makes A^T M A, for n = 2 ... 5, and finishes its n*n pixels. Pixels that are NULL are left out. */
  void (*reduce[CVY_WINOGRAD_MOST + 1])(float *const *pixels, const float *in, int64_t position_stride,
                                        const cvy_winograd_finish *finish, int64_t channels);
  /* These do the same for n = 2 and 4 where the filter, of 7 - n taps, is turned by 180 degrees: position (i,
   * j) was multiplied with its position (turned[i], turned[j]). */
  void (*reduce_turned[CVY_WINOGRAD_MOST + 1])(float *const *pixels, const float *in, int64_t position_stride,
                                               const cvy_winograd_finish *finish, int64_t channels);
} cvy_winograd_kernels;

/* The place of 1/x for each point x: where the transform of a turned filter is found. */
static const int cvy_winograd_turned[CVY_WINOGRAD_TILE] = {5, 3, 4, 1, 2, 0};

#endif
