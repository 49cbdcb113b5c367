/* The window and its one rendering. */
#include "data/picture.h"

#include <stdlib.h>
#include <string.h>

void cvy_canvas_free(cvy_canvas *canvas) {
  for (int i = 0; i < 2; i++) cvy_buffer_destroy(canvas->samples[i]);
  *canvas = (cvy_canvas){0};
}

cvy_picture cvy_picture_of(const void *samples, bool is_float, int64_t h, int64_t w, int64_t c) {
  return (cvy_picture){.h = h,
                       .w = w,
                       .c = c,
                       .stored_h = h,
                       .stored_w = w,
                       .samples = samples,
                       .is_float = is_float,
                       .row_step = w * c,
                       .column_step = c,
                       .channel_step = 1};
}

static const void *sample_at(const cvy_picture *p, int64_t y, int64_t x) {
  const int64_t step = y * p->row_step + x * p->column_step;
  return p->is_float ? (const void *)((const float *)p->samples + step)
                     : (const void *)((const uint8_t *)p->samples + step);
}

static bool has_border(const cvy_picture *p) {
  return p->stored_h < p->h || p->stored_w < p->w;
}

/* Moves the run *start ... +*length-1 by `shift`, cuts it to 0 ... size-1, and returns how much was cut off
 * in front. */
static int64_t move_and_cut(int64_t *start, int64_t *length, int64_t shift, int64_t size) {
  const int64_t low = *start + shift, high = low + *length;
  const int64_t from = low < 0 ? 0 : low > size ? size : low;
  const int64_t to = high > size ? size : high;
  *start = from;
  *length = to > from ? to - from : 0;
  return *length ? from - low : 0;
}

void cvy_picture_place(cvy_picture *p, cvy_canvas *canvas, int64_t h, int64_t w, int64_t down, int64_t right,
                       const float fill[]) {
  const bool uncovers = down > 0 || right > 0 || down + p->h < h || right + p->w < w;
  if (uncovers) {
    CVY_CHECK(fill);
    const size_t bytes = sizeof *fill * (size_t)p->c;
    if (has_border(p) && memcmp(p->fill, fill, bytes) != 0) cvy_picture_draw(p, canvas);
    memcpy(p->fill, fill, bytes);
  }
  const int64_t above = move_and_cut(&p->top, &p->stored_h, down, h);
  const int64_t before = move_and_cut(&p->left, &p->stored_w, right, w);
  if (p->stored_h > 0 && p->stored_w > 0) p->samples = sample_at(p, above, before);
  p->h = h;
  p->w = w;
}

void cvy_picture_mirror(cvy_picture *p) {
  if (p->stored_w > 0) p->samples = sample_at(p, 0, p->stored_w - 1);
  p->left = p->w - p->left - p->stored_w;
  p->column_step = -p->column_step;
}

static void reserve(cvy_canvas *canvas, int i, size_t bytes) {
  if (bytes <= canvas->capacity_bytes[i]) return;
  cvy_buffer_destroy(canvas->samples[i]);
  if (cvy_buffer_create((void **)&canvas->samples[i], bytes, "a picture")) cvy_fatal("%s", cvy_err_message());
  canvas->capacity_bytes[i] = bytes;
}

void cvy_picture_draw(cvy_picture *p, cvy_canvas *canvas) {
  static const float zeros[CVY_MAX_CHANNELS], ones[CVY_MAX_CHANNELS] = {1, 1, 1, 1};
  cvy_normaliser identity;
  cvy_normaliser_set(&identity, zeros, ones, p->c);
  /* Two sheets in turn: the picture may itself lie on the one drawn last. */
  const int i = canvas->next;
  canvas->next = 1 - i;
  reserve(canvas, i, sizeof(float) * (size_t)(p->h * p->w * p->c));
  cvy_picture_normalise(canvas->samples[i], p, &identity);
  *p = cvy_picture_of(canvas->samples[i], true, p->h, p->w, p->c);
}

/* ---- normalising ---- */

void cvy_normaliser_set(cvy_normaliser *out, const float mean[], const float deviation[], int64_t channels) {
  CVY_CHECK(channels >= 1 && channels <= CVY_MAX_CHANNELS);
  for (int64_t k = 0; k < channels; k++) {
    out->mean[k] = mean[k];
    out->deviation[k] = deviation[k];
    for (int i = 0; i < 256; i++) out->of_byte[k][i] = ((float)i - mean[k]) / deviation[k];
  }
}

/* `c` is a constant where this is called, so that the loop over channels is unrolled. */
static inline void bytes_row(float *restrict out, const uint8_t *in, const cvy_picture *p,
                             const cvy_normaliser *n, int64_t c) {
  for (int64_t x = 0; x < p->stored_w; x++)
    for (int64_t k = 0; k < c; k++)
      out[x * c + k] = n->of_byte[k][in[x * p->column_step + k * p->channel_step]];
}

static inline void floats_row(float *restrict out, const float *in, const cvy_picture *p,
                              const cvy_normaliser *n, int64_t c) {
  for (int64_t x = 0; x < p->stored_w; x++)
    for (int64_t k = 0; k < c; k++)
      out[x * c + k] = (in[x * p->column_step + k * p->channel_step] - n->mean[k]) / n->deviation[k];
}

static void stored_row(float *out, const cvy_picture *p, int64_t y, const cvy_normaliser *n) {
  const void *in = sample_at(p, y, 0);
  if (p->is_float)
    p->c == 1 ? floats_row(out, in, p, n, 1) : floats_row(out, in, p, n, p->c);
  else if (p->c == 1)
    bytes_row(out, in, p, n, 1);
  else if (p->c == 3)
    bytes_row(out, in, p, n, 3);
  else
    bytes_row(out, in, p, n, p->c);
}

static void fill_pixels(float *out, int64_t pixels, const float colour[], int64_t c) {
  for (int64_t i = 0; i < pixels; i++)
    for (int64_t k = 0; k < c; k++) out[i * c + k] = colour[k];
}

void cvy_picture_normalise(float *out, const cvy_picture *p, const cvy_normaliser *n) {
  float colour[CVY_MAX_CHANNELS] = {0};
  for (int64_t k = 0; k < p->c; k++) colour[k] = (p->fill[k] - n->mean[k]) / n->deviation[k];
  const int64_t right = p->left + p->stored_w;
  for (int64_t y = 0; y < p->h; y++, out += p->w * p->c) {
    const bool stored = y >= p->top && y < p->top + p->stored_h && p->stored_w > 0;
    if (!stored) {
      fill_pixels(out, p->w, colour, p->c);
      continue;
    }
    fill_pixels(out, p->left, colour, p->c);
    stored_row(out + p->left * p->c, p, y - p->top, n);
    fill_pixels(out + right * p->c, p->w - right, colour, p->c);
  }
}
