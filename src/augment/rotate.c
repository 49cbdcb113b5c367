/* Turns the picture about its centre by an angle up to a limit, either way. In evaluation nothing happens. */
#include "augment/augmentation.h"

#include <math.h>

static const cvy_option options[] = {CVY_WARP_OPTIONS(0, 180, "15", "largest angle, degrees")};

static cvy_err apply(cvy_picture *picture, const void *c, cvy_augment_call *call) {
  const cvy_warp_config *own = c;
  if (!call->training || own->by == 0) return CVY_OK;
  const double degrees = cvy_random_next_uniform(&call->random, -own->by, own->by);
  const double angle = degrees * (3.14159265358979323846 / 180), c_of = cos(angle), s_of = sin(angle);
  const cvy_affine_map map = {.xx = c_of, .xy = s_of, .yx = -s_of, .yy = c_of};
  return cvy_augment_warp(picture, call, &map, &own->fill);
}

const cvy_augmentation cvy_augmentation_rotate = {
    .kind = {"rotate", "turns the picture; never in evaluation", options, sizeof(cvy_warp_config)},
    .example = "{by: 40}",
    .prepare = cvy_warp_prepare,
    .size = cvy_augment_same_size,
    .apply = apply,
};
