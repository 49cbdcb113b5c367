/* What the layers that treat each channel by itself share: a microbatch seen as rows [n*h*w][channels],
 * summed and mapped in tasks of rows. */
#ifndef CVY_LAYER_CHANNELS_H
#define CVY_LAYER_CHANNELS_H

#include "layer/shapes.h"

/* Returns the bytes of scratch that cvy_channels_sum takes. */
size_t cvy_channels_sum_bytes(cvy_shape shape);

/* Makes the two sums of kernel sum_moments over all rows, [2][channels]; they lie at the start of the
 * scratch. */
const double *cvy_channels_sum(double *scratch, const float *dy, const float *x, const float *shift,
                               cvy_shape shape);

/* Runs kernel affine_rows over all rows. */
void cvy_channels_map(float *y, const float *dy, const float *x, const cvy_affine *by_channel,
                      cvy_shape shape);

#endif
