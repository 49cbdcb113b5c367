/* Bright samples become dark, now and then (torchvision's RandomSolarize; Cubuk et al. 2019, "AutoAugment").
 * The threshold is compared with each sample by itself, whatever its channel. In evaluation nothing
 * happens. */
#include "augment/pixels.h"

typedef struct config {
  double threshold, probability;
} config;

static const cvy_option options[] = {
    {.name = "threshold",
     .type = CVY_FLOAT,
     .offset = offsetof(config, threshold),
     .fallback = "128",
     .min = 0,
     .max = 256,
     .help = "samples of this or more become 255 - sample; 0: all, 256: none that was a byte"},
    {.name = "probability",
     .type = CVY_FLOAT,
     .offset = offsetof(config, probability),
     .fallback = "0.5",
     .min = 0,
     .max = 1,
     .help = "how often"},
    {0},
};

static cvy_err apply(cvy_picture *picture, const void *c, cvy_augment_call *call) {
  const config *own = c;
  const float threshold = (float)own->threshold;
  float *px;
  if (!cvy_happens(own->probability, call)) return CVY_OK;
  CVY_TRY(cvy_picture_draw(picture, &px, call->canvas));
  const int64_t count = picture->h * picture->w * picture->c;
  for (int64_t i = 0; i < count; i++) px[i] = px[i] >= threshold ? 255 - px[i] : px[i];
  return CVY_OK;
}

const cvy_augmentation cvy_augmentation_solarize = {
    .kind = {"solarize", "bright samples become dark, now and then; never in evaluation", options,
             sizeof(config)},
    .size = cvy_augment_same_size,
    .apply = apply,
};
