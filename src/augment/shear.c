/* Slants the picture: rows move sideways, and columns up or down, in proportion to their distance from the
 * centre. In evaluation nothing happens. */
#include "augment/augmentation.h"

#include <math.h>

static const cvy_option options[] = {
    CVY_WARP_OPTIONS(0, 2, "0.1", "farthest move, as a share of the distance")};

static cvy_err apply(cvy_picture *picture, const void *c, cvy_augment_call *call) {
  const cvy_warp_config *own = c;
  if (!call->training || own->by == 0) return CVY_OK;
  const double rows = cvy_random_next_uniform(&call->random, -own->by, own->by);
  const double columns = cvy_random_next_uniform(&call->random, -own->by, own->by);
  const cvy_affine_map map = {.xx = 1, .xy = rows, .yx = columns, .yy = 1};
  return cvy_augment_warp(picture, call, &map, &own->fill);
}

const cvy_augmentation cvy_augmentation_shear = {
    .kind = {"shear", "slants the picture; never in evaluation", options, sizeof(cvy_warp_config)},
    .example = "{by: 0.4}",
    .prepare = cvy_warp_prepare,
    .size = cvy_augment_same_size,
    .apply = apply,
};
