/* Samples move away from the picture's mean grey, or towards it (torchvision, adjust_contrast). In evaluation
 * nothing happens. */
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
  const double by[CVY_TONES] = {[CVY_CONTRAST] = ((const config *)c)->by};
  return cvy_adjust_randomly(picture, by, call);
}

const cvy_augmentation cvy_augmentation_contrast = {
    .kind = {"contrast",
             "samples move away from the mean grey of the picture, or towards it; never in evaluation",
             options, sizeof(config)},
    .example = "{by: 0.8}",
    .channels = cvy_grey_or_rgb,
    .size = cvy_augment_same_size,
    .apply = apply,
};
