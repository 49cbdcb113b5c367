/* Brightness, contrast, saturation and hue change in random order, as in torchvision's ColorJitter (Howard
 * 2013, "Some improvements on deep convolutional neural network based image classification"). In evaluation
 * nothing happens. */
#include "augment/pixels.h"

typedef struct config {
  double by[CVY_TONES];
} config;

static const cvy_option options[] = {
    {.name = "brightness",
     .type = CVY_FLOAT,
     .offset = offsetof(config, by[CVY_BRIGHTNESS]),
     .fallback = "0",
     .min = 0,
     .max = 100,
     .help = "x: the factor is drawn from max(0, 1 - x) to 1 + x"},
    {.name = "contrast",
     .type = CVY_FLOAT,
     .offset = offsetof(config, by[CVY_CONTRAST]),
     .fallback = "0",
     .min = 0,
     .max = 100,
     .help = "likewise"},
    {.name = "saturation",
     .type = CVY_FLOAT,
     .offset = offsetof(config, by[CVY_SATURATION]),
     .fallback = "0",
     .min = 0,
     .max = 100,
     .help = "likewise"},
    {.name = "hue",
     .type = CVY_FLOAT,
     .offset = offsetof(config, by[CVY_HUE]),
     .fallback = "0",
     .min = 0,
     .max = 0.5,
     .help = "x: turns of the colour circle, drawn from -x to x"},
    {0},
};

static cvy_err channels(const void *c, int64_t count) {
  const double *by = ((const config *)c)->by;
  if (by[CVY_SATURATION] > 0 || by[CVY_HUE] > 0) return cvy_only_rgb(c, count);
  return by[CVY_CONTRAST] > 0 ? cvy_grey_or_rgb(c, count) : CVY_OK;
}

static cvy_err apply(cvy_picture *picture, const void *c, cvy_augment_call *call) {
  return cvy_adjust_randomly(picture, ((const config *)c)->by, call);
}

const cvy_augmentation cvy_augmentation_colour_jitter = {
    .kind = {"colour_jitter", "brightness, contrast, saturation and hue in random order; never in evaluation",
             options, sizeof(config)},
    .example = "{brightness: 0.5, saturation: 0.5, hue: 0.2}",
    .channels = channels,
    .size = cvy_augment_same_size,
    .apply = apply,
};
