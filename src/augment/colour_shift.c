/* Every channel gets a random offset of its own, as if the light had another colour. In evaluation nothing
 * happens. */
#include "augment/pixels.h"

typedef struct config {
  double by;
} config;

static const cvy_option options[] = {
    {.name = "by",
     .type = CVY_FLOAT,
     .offset = offsetof(config, by),
     .fallback = "20",
     .min = 0,
     .max = 1e6,
     .help = "offsets are drawn from -by to by, in units of the samples"},
    {0},
};

static cvy_err apply(cvy_picture *picture, const void *c, cvy_augment_call *call) {
  const double by = ((const config *)c)->by;
  float *px, offsets[CVY_MAX_CHANNELS];
  if (!call->training || by == 0) return CVY_OK;
  for (int64_t k = 0; k < picture->c; k++)
    offsets[k] = (float)cvy_random_next_uniform(&call->random, -by, by);
  CVY_TRY(cvy_picture_draw(picture, &px, call->canvas));
  cvy_colour_shift(px, picture->h * picture->w, picture->c, offsets);
  return CVY_OK;
}

const cvy_augmentation cvy_augmentation_colour_shift = {
    .kind = {"colour_shift", "a random offset to each channel; never in evaluation", options, sizeof(config)},
    .example = "{by: 60}",
    .size = cvy_augment_same_size,
    .apply = apply,
};
