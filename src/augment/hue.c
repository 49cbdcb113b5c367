/* Colours move along the colour circle (torchvision, adjust_hue). In evaluation nothing happens. */
#include "augment/pixels.h"

typedef struct config {
  double by;
} config;

static const cvy_option options[] = {
    {.name = "by",
     .type = CVY_FLOAT,
     .offset = offsetof(config, by),
     .min = 0,
     .max = 0.5,
     .help = "turns of the colour circle, drawn from -by to by; 0.5 is the complementary colour"},
    {0},
};

static cvy_err apply(cvy_picture *picture, const void *c, cvy_augment_call *call) {
  const double by[CVY_TONES] = {[CVY_HUE] = ((const config *)c)->by};
  return cvy_adjust_randomly(picture, by, call);
}

const cvy_augmentation cvy_augmentation_hue = {
    .kind = {"hue", "colours move along the colour circle; never in evaluation", options, sizeof(config)},
    .example = "{by: 0.5}",
    .channels = cvy_only_rgb,
    .size = cvy_augment_same_size,
    .apply = apply,
};
