/* Bends straight lines as a lens does: a barrel or a cushion (Brown's first radial term). Never in evaluation. */
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
     .fallback = "0.1",
     .min = 0,
     .max = 1,
     .help =
         "strongest bend: a point half-way to a corner moves by this share of its distance from the centre"},
    CVY_FILL_OPTION(config, "mean"),
    {0},
};

static cvy_err prepare(void *c) {
  return cvy_fill_parse(&((config *)c)->fill);
}

static cvy_err apply(cvy_picture *picture, const void *c, cvy_augment_call *call) {
  const config *own = c;
  if (!call->training || own->by == 0) return CVY_OK;
  const cvy_edge edge = cvy_fill_edge(&own->fill, call, picture->c);
  const double lens = cvy_random_next_uniform(&call->random, -own->by, own->by);
  return cvy_picture_bend(picture, call->canvas, lens, NULL, &edge);
}

const cvy_augmentation cvy_augmentation_lens = {
    .kind = {"lens", "bends the picture as a lens does; never in evaluation", options, sizeof(config)},
    .prepare = prepare,
    .size = cvy_augment_same_size,
    .apply = apply,
};
