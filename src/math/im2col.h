/* Convolution as a matrix product: the patches of NHWC images as rows of a matrix, and back.
 *
 * A line is one row of output pixels. The lines of a batch are counted through: line l is row l % oh of image
 * l / oh. A line has ow patches, and a patch r*s*c floats in the order of the filters, [r][s][c]. */
#ifndef CVY_MATH_IM2COL_H
#define CVY_MATH_IM2COL_H

#include "math/kernels.h"

static inline int64_t cvy_patch_size(const cvy_window *window) {
  return window->r * window->s * window->c;
}

/* Makes patches [count*ow][r*s*c] of the lines first ... first+count-1. The whole batch is
 * [n][h][w][x_pitch], of which the patches take c neighbouring channels; x points at the first of them.
 * Padding becomes zeros. */
void cvy_im2col(float *patches, const float *x, int64_t x_pitch, const cvy_window *window, int64_t first,
                int64_t count);

/* Adds each patch to dx where it came from, in the order of the lines; dx lies as x does above. */
void cvy_col2im(float *dx, int64_t dx_pitch, const float *patches, const cvy_window *window, int64_t first,
                int64_t count);

#endif
