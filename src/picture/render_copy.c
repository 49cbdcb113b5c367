/* Pictures whose pixels are only moved and mirrored: rows are copied. */
#include "picture/loops.h"
#include "picture/normalise.h"
#include "picture/raster.h"
#include "picture/render.h"
#include "picture/sight.h"

#include <math.h>

typedef struct window {
  int64_t top, left, h, w; /* the part of the picture that shows the raster; all else is `edge` */
  int64_t row, column;     /* place in the raster under the part's top left pixel */
  bool mirrored;
  const cvy_edge *edge;
} window;

static bool is_whole(double value) {
  return value == floor(value) && fabs(value) < 1e9;
}

static bool is_plain(const cvy_raster *r) {
  return r->pixels_down == 1 && r->pixels_across == 1 && is_whole(r->top) && is_whole(r->left);
}

/* Cuts start ... start+length-1 to 0 ... size-1, and returns how much was cut off in front. */
static int64_t cut(int64_t *start, int64_t *length, int64_t size) {
  const int64_t low = *start, high = low + *length;
  const int64_t from = cvy_clamp(low, 0, size), to = cvy_clamp(high, 0, size);
  *start = from;
  *length = to > from ? to - from : 0;
  return *length ? from - low : 0;
}

/* Finds the window. It returns false if pixels are not only moved and mirrored. */
static bool window_of(window *out, const cvy_picture *p) {
  const cvy_map *map = cvy_sight_only_map(p);
  if (!map || !is_plain(&p->raster)) return false;
  const cvy_affine_map *m = &map->affine;
  if (m->xy != 0 || m->yx != 0 || fabs(m->xx) != 1 || m->yy != 1 || !is_whole(m->x0) || !is_whole(m->y0))
    return false;
  if (map->leaves && map->edge.mode != CVY_EDGE_CONSTANT) return false;
  const bool mirrored = m->xx < 0;
  const int64_t raster_top = (int64_t)p->raster.top, raster_left = (int64_t)p->raster.left;
  *out = (window){.top = raster_top - (int64_t)m->y0,
                  .h = p->raster.h,
                  .w = p->raster.w,
                  .mirrored = mirrored,
                  .edge = &map->edge};
  out->left = mirrored ? (int64_t)m->x0 - raster_left - p->raster.w : raster_left - (int64_t)m->x0;
  const int64_t before = cut(&out->left, &out->w, p->w);
  out->row = cut(&out->top, &out->h, p->h);
  out->column = mirrored ? p->raster.w - 1 - before : before;
  return true;
}

/* `c` is a constant where this is called, so that the loop over channels is unrolled. */
static inline void bytes_row(float *restrict out, const uint8_t *in, const cvy_raster *r, int64_t step,
                             int64_t count, const cvy_normaliser *n, int64_t c) {
  for (int64_t x = 0; x < count; x++)
    for (int64_t k = 0; k < c; k++) out[x * c + k] = n->of_byte[k][in[x * step + k * r->channel_step]];
}

static inline void floats_row(float *restrict out, const float *in, const cvy_raster *r, int64_t step,
                              int64_t count, const cvy_normaliser *n, int64_t c) {
  for (int64_t x = 0; x < count; x++)
    for (int64_t k = 0; k < c; k++)
      out[x * c + k] = (in[x * step + k * r->channel_step] - n->mean[k]) / n->deviation[k];
}

static void copy_row(float *out, const cvy_picture *p, const window *v, int64_t y, const cvy_normaliser *n,
                     const cvy_round *around) {
  const cvy_raster *r = &p->raster;
  const int64_t at = (v->row + y) * r->row_step + v->column * r->column_step;
  const int64_t step = v->mirrored ? -r->column_step : r->column_step, c = p->c;
  if (r->is_float) {
    const float *in = (const float *)r->samples + at;
    c == 1 ? floats_row(out, in, r, step, v->w, n, 1) : floats_row(out, in, r, step, v->w, n, c);
    return;
  }
  const uint8_t *in = (const uint8_t *)r->samples + at;
  if (cvy_raster_is_interleaved(r, c) && !v->mirrored)
    cvy_normalise_bytes(out, in, around, v->w * c);
  else if (c == 1)
    bytes_row(out, in, r, step, v->w, n, 1);
  else if (c == 3)
    bytes_row(out, in, r, step, v->w, n, 3);
  else
    bytes_row(out, in, r, step, v->w, n, c);
}

static void fill_pixels(float *out, int64_t pixels, const float colour[], int64_t c) {
  for (int64_t i = 0; i < pixels; i++)
    for (int64_t k = 0; k < c; k++) out[i * c + k] = colour[k];
}

bool cvy_render_copy(float *out, const cvy_picture *p, const cvy_normaliser *n) {
  window v;
  if (!window_of(&v, p)) return false;
  float colour[CVY_MAX_CHANNELS] = {0};
  for (int64_t k = 0; k < p->c; k++) colour[k] = (v.edge->colour[k] - n->mean[k]) / n->deviation[k];
  const int64_t right = v.left + v.w;
  cvy_round around;
  cvy_round_set(&around, n, p->c);
  for (int64_t y = 0; y < p->h; y++, out += p->w * p->c) {
    const bool shown = y >= v.top && y < v.top + v.h && v.w > 0;
    fill_pixels(out, shown ? v.left : p->w, colour, p->c);
    if (!shown) continue;
    copy_row(out + v.left * p->c, p, &v, y - v.top, n, &around);
    fill_pixels(out + right * p->c, p->w - right, colour, p->c);
  }
  return true;
}
