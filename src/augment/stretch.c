/* Stretches the picture along one axis and squeezes it along the other, so that its area stays. In evaluation
 * nothing happens. */
#include "augment/augmentation.h"

#include <math.h>

static const cvy_option options[] = {CVY_WARP_OPTIONS(1, 10, "1.2", "largest ratio of the two scales")};

static cvy_err apply(cvy_picture *picture, const void *c, cvy_augment_call *call) {
  const cvy_warp_config *own = c;
  if (!call->training || own->by == 1) return CVY_OK;
  const double ratio = exp(0.5 * cvy_random_next_uniform(&call->random, -log(own->by), log(own->by)));
  const cvy_affine_map map = {.xx = 1 / ratio, .yy = ratio};
  return cvy_augment_warp(picture, call, &map, &own->fill);
}

const cvy_augmentation cvy_augmentation_stretch = {
    .kind = {"stretch", "stretches the picture along an axis; never in evaluation", options,
             sizeof(cvy_warp_config)},
    .example = "{by: 2}",
    .prepare = cvy_warp_prepare,
    .size = cvy_augment_same_size,
    .apply = apply,
};
