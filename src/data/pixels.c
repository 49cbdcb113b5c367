#include "data/pixels.h"

cvy_err cvy_size_stays(int64_t *out_h, int64_t *out_w, const void *config, int64_t h, int64_t w) {
  (void)config;
  *out_h = h;
  *out_w = w;
  return CVY_OK;
}

cvy_err cvy_only_rgb(const void *config, int64_t c) {
  (void)config;
  if (c == 3) return CVY_OK;
  return cvy_error(CVY_E_INPUT, "is for pictures of 3 channels (red, green, blue); these have %lld",
                   (long long)c);
}

cvy_err cvy_grey_or_rgb(const void *config, int64_t c) {
  (void)config;
  if (c == 1 || c == 3) return CVY_OK;
  return cvy_error(CVY_E_INPUT,
                   "is for pictures of 1 or 3 channels (grey; red, green, blue); these have %lld",
                   (long long)c);
}

/* As if just drawn: then it need not be drawn again. */
static bool is_drawn(const cvy_picture *p, const cvy_canvas *canvas) {
  const bool on_canvas = p->samples && p->samples == canvas->samples[1 - canvas->next];
  const bool all = p->stored_h == p->h && p->stored_w == p->w;
  return on_canvas && all && p->channel_step == 1 && p->column_step == p->c && p->row_step == p->w * p->c;
}

cvy_err cvy_pixels(float **out, cvy_picture *picture, cvy_augment_call *call) {
  cvy_canvas *canvas = call->canvas;
  if (!is_drawn(picture, canvas)) cvy_picture_draw(picture, canvas);
  *out = canvas->samples[1 - canvas->next];
  return CVY_OK;
}

bool cvy_happens(double p, cvy_augment_call *call) {
  return call->training && cvy_random_next_uniform(&call->random, 0, 1) < p;
}

cvy_err cvy_adjust_randomly(cvy_picture *picture, const double by[CVY_TONES], cvy_augment_call *call) {
  cvy_adjustment list[CVY_TONES];
  const int64_t count = call->training ? cvy_colour_draw(list, by, &call->random) : 0;
  if (count == 0) return CVY_OK;
  float *px;
  CVY_TRY(cvy_pixels(&px, picture, call));
  cvy_colour_adjust(px, picture->h * picture->w, picture->c, list, count);
  return CVY_OK;
}
