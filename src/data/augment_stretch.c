/* Stretches the picture along one axis and squeezes it along the other, so that its area stays. Never in evaluation. */
#include "data/augment.h"

#include <math.h>

typedef struct config {
  double by;
  cvy_fill fill;
} config;

static const cvy_option options[] = {
    {.name = "by",
     .type = CVY_FLOAT,
     .offset = offsetof(config, by),
     .fallback = "1.2",
     .min = 1,
     .max = 10,
     .help = "largest ratio of the two scales"},
    CVY_FILL_OPTION(config, "mean"),
    {0},
};

static cvy_err prepare(void *c) {
  return cvy_fill_parse(&((config *)c)->fill);
}

static cvy_err apply(cvy_picture *picture, const void *c, cvy_augment_call *call) {
  const config *own = c;
  if (!call->training || own->by == 1) return CVY_OK;
  const double ratio = exp(0.5 * cvy_random_next_uniform(&call->random, -log(own->by), log(own->by)));
  const cvy_affine_map map = {.xx = 1 / ratio, .yy = ratio};
  return cvy_augment_warp(picture, call, &map, &own->fill);
}

const cvy_augmentation cvy_augmentation_stretch = {
    .kind = {"stretch", "stretches the picture along an axis; never in evaluation", options, sizeof(config)},
    .prepare = prepare,
    .size = cvy_augment_same_size,
    .apply = apply,
};
