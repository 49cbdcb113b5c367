/* Normal noise is added, another number to each sample. In evaluation nothing happens. */
#include "augment/pixels.h"

typedef struct config {
  double deviation;
  float levels[CVY_NOISE_LEVELS];
} config;

static const cvy_option options[] = {
    {.name = "deviation",
     .type = CVY_FLOAT,
     .offset = offsetof(config, deviation),
     .min = 0,
     .max = 1e6,
     .help = "standard deviation, in units of the samples"},
    {0},
};

static cvy_err prepare(void *c) {
  config *own = c;
  cvy_noise_set(own->levels, own->deviation);
  return CVY_OK;
}

static cvy_err apply(cvy_picture *picture, const void *c, cvy_augment_call *call) {
  const config *own = c;
  float *px;
  if (!call->training || own->deviation == 0) return CVY_OK;
  CVY_TRY(cvy_picture_draw(picture, &px, call->canvas));
  cvy_colour_noise(px, picture->h * picture->w * picture->c, own->levels, &call->random);
  return CVY_OK;
}

const cvy_augmentation cvy_augmentation_gaussian_noise = {
    .kind = {"gaussian_noise", "normal noise on every sample; never in evaluation", options, sizeof(config)},
    .example = "{deviation: 25}",
    .prepare = prepare,
    .size = cvy_augment_same_size,
    .apply = apply,
};
