/* Samples move away from the grey of their pixel, or towards it (torchvision, adjust_saturation). In
 * evaluation nothing happens. */
#include "augment/pixels.h"

typedef struct config {
  double by;
} config;

static const cvy_option options[] = {
    {.name = "by",
     .type = CVY_FLOAT,
     .offset = offsetof(config, by),
     .min = 0,
     .max = 100,
     .help = "the factor is drawn from max(0, 1 - by) to 1 + by"},
    {0},
};

static cvy_err apply(cvy_picture *picture, const void *c, cvy_augment_call *call) {
  const double by[CVY_TONES] = {[CVY_SATURATION] = ((const config *)c)->by};
  return cvy_adjust_randomly(picture, by, call);
}

const cvy_augmentation cvy_augmentation_saturation = {
    .kind = {"saturation",
             "samples move away from the grey of their pixel, or towards it; never in evaluation", options,
             sizeof(config)},
    .example = "{by: 1}",
    .channels = cvy_only_rgb,
    .size = cvy_augment_same_size,
    .apply = apply,
};
