/* Helpers of augmentations that compute samples. */
#include "augment/pixels.h"

cvy_err cvy_only_rgb(const void *config, int64_t c) {
  (void)config;
  if (c == 3) return CVY_OK;
  return cvy_error(CVY_E_INPUT, "is for pictures of 3 channels (red, green, blue); these have %" PRId64, c);
}

cvy_err cvy_grey_or_rgb(const void *config, int64_t c) {
  (void)config;
  if (c == 1 || c == 3) return CVY_OK;
  return cvy_error(CVY_E_INPUT,
                   "is for pictures of 1 or 3 channels (grey; red, green, blue); these have %" PRId64, c);
}

bool cvy_happens(double p, cvy_augment_call *call) {
  return call->training && cvy_random_next_uniform(&call->random, 0, 1) < p;
}

cvy_err cvy_adjust_randomly(cvy_picture *picture, const double by[CVY_TONES], cvy_augment_call *call) {
  cvy_adjustment list[CVY_TONES];
  const int64_t count = call->training ? cvy_colour_draw(list, by, &call->random) : 0;
  if (count == 0) return CVY_OK;
  float *px;
  CVY_TRY(cvy_picture_draw(picture, &px, call->canvas));
  cvy_colour_adjust(px, picture->h * picture->w, picture->c, list, count);
  return CVY_OK;
}
