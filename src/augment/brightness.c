/* All samples are multiplied by a factor (torchvision, adjust_brightness). In evaluation nothing happens. */
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
  const double by[CVY_TONES] = {[CVY_BRIGHTNESS] = ((const config *)c)->by};
  return cvy_adjust_randomly(picture, by, call);
}

const cvy_augmentation cvy_augmentation_brightness = {
    .kind = {"brightness", "all samples times a factor; never in evaluation", options, sizeof(config)},
    .example = "{by: 0.6}",
    .size = cvy_augment_same_size,
    .apply = apply,
};
