/* Turns the picture about its centre by an angle up to a limit, either way. Never in evaluation. */
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
     .fallback = "15",
     .min = 0,
     .max = 180,
     .help = "largest angle, degrees"},
    CVY_FILL_OPTION(config, "mean"),
    {0},
};

static cvy_err prepare(void *c) {
  return cvy_fill_parse(&((config *)c)->fill);
}

static cvy_err apply(cvy_picture *picture, const void *c, cvy_augment_call *call) {
  const config *own = c;
  if (!call->training || own->by == 0) return CVY_OK;
  const double degrees = cvy_random_next_uniform(&call->random, -own->by, own->by);
  const double angle = degrees * (3.14159265358979323846 / 180), c_of = cos(angle), s_of = sin(angle);
  const cvy_affine_map map = {.xx = c_of, .xy = s_of, .yx = -s_of, .yy = c_of};
  return cvy_augment_warp(picture, call, &map, &own->fill);
}

const cvy_augmentation cvy_augmentation_rotate = {
    .kind = {"rotate", "turns the picture; never in evaluation", options, sizeof(config)},
    .prepare = prepare,
    .size = cvy_augment_same_size,
    .apply = apply,
};
