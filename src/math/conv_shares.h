/* The gradient of the filters is a sum over lines (rows of output pixels, counted through the microbatch).
 * Some algorithms cut it into shares. Each share is summed by a task of its own, into a copy of its own, and
 * the copies are added in their order. The number of shares follows from the shape. */
#ifndef CVY_MATH_CONV_SHARES_H
#define CVY_MATH_CONV_SHARES_H

#include "math/conv.h"

/* Sets the way's tasks, one a share, and the scratch that holds the copies. */
void cvy_conv_plan_shares(cvy_conv_way *way, const cvy_conv_shape *shape);

typedef struct cvy_conv_share {
  int64_t begin, end;      /* lines */
  float *dfilters, *dbias; /* results, which are overwritten; dbias is NULL if not wanted */
} cvy_conv_share;

cvy_conv_share cvy_conv_share_at(const cvy_conv_plan *plan, const cvy_conv_arrays *arrays, int64_t index);

/* Adds the copies up, into dfilters and dbias, when all shares are there. */
void cvy_conv_add_shares(const cvy_conv_plan *plan, const cvy_conv_arrays *arrays);

#endif
