/* Pictures that are turned, bent or whatever else. Every pixel's centre is led back through all maps, and
 * what it meets is interpolated between four neighbours. A raster that is much too fine is made coarser
 * before. */
#include "base/count.h"
#include "picture/loops.h"
#include "picture/normalise.h"
#include "picture/positions.h"
#include "picture/raster.h"
#include "picture/render.h"
#include "picture/sight.h"

#include <string.h>

/* Makes the raster coarser where the maps would jump over its pixels. */
static void halve_raster(cvy_picture *p, cvy_canvas *canvas) {
  cvy_raster *r = &p->raster;
  const double shrink = cvy_sight_shrink(p);
  const int64_t by_h = (int64_t)(shrink / r->pixels_down), by_w = (int64_t)(shrink / r->pixels_across);
  if (r->is_float || !cvy_raster_is_interleaved(r, p->c) || (by_h < 2 && by_w < 2)) return;
  const int64_t h = by_h < 2 ? r->h : cvy_pieces(r->h, by_h), w = by_w < 2 ? r->w : cvy_pieces(r->w, by_w);
  const cvy_image whole = {.h = r->h, .w = r->w, .c = p->c, .px = (uint8_t *)(uintptr_t)r->samples};
  cvy_image_scale(&canvas->halved, &whole, h, w);
  r->pixels_down *= (double)r->h / (double)h;
  r->pixels_across *= (double)r->w / (double)w;
  r->samples = canvas->halved.px;
  r->h = h;
  r->w = w;
  r->row_step = w * p->c;
}

/* Where each pixel of a row lies in the raster: the pixel above and left of it, whether there is one below
 * or to the right, and how near those are. */
typedef struct places {
  int32_t *row, *column;
  int32_t *has_below, *has_right;
  float *down, *across;
} places;

static places places_in(void *memory, int64_t count) {
  places p = {.row = memory};
  p.column = p.row + count;
  p.has_below = p.column + count;
  p.has_right = p.has_below + count;
  p.down = (float *)(p.has_right + count);
  p.across = p.down + count;
  return p;
}

static size_t places_bytes(int64_t count) {
  return cvy_aligned((size_t)count * (4 * sizeof(int32_t) + 2 * sizeof(float)));
}

/* Finds these places along one axis, on which the raster begins at `start` and has `size` pixels of
 * `length`. */
static void find_along(int32_t *restrict first, int32_t *restrict has_next, float *restrict fraction,
                       const double *restrict position, int64_t count, double start, double length,
                       int64_t size) {
  const double last = (double)(size - 1);
  const int32_t before_last = (int32_t)(size - 1);
  CVY_VECTOR for (int64_t i = 0; i < count; i++) {
    const double centre = cvy_within((position[i] - start) / length - 0.5, 0, last);
    first[i] = (int32_t)centre;
    has_next[i] = first[i] < before_last;
    fraction[i] = (float)(centre - (double)first[i]);
  }
}

CVY_FOR_EACH_MACHINE static void find_places(places *out, const cvy_positions *l, const cvy_raster *r) {
  find_along(out->row, out->has_below, out->down, l->y, l->count, r->top, r->pixels_down, r->h);
  find_along(out->column, out->has_right, out->across, l->x, l->count, r->left, r->pixels_across, r->w);
}

/* The four pixels around a place, as distances of samples. */
typedef struct corners {
  int64_t at, right, below;
} corners;

static inline corners corners_at(const places *p, int64_t i, const cvy_raster *r) {
  return (corners){p->row[i] * r->row_step + p->column[i] * r->column_step, p->has_right[i] * r->column_step,
                   p->has_below[i] * r->row_step};
}

static inline float mixed(float a, float b, float fraction) {
  return a + fraction * (b - a);
}

static void interpolate_any(float *out, const places *p, int64_t i, const cvy_raster *r, int64_t c) {
  const corners at = corners_at(p, i, r);
  for (int64_t k = 0, j = at.at; k < c; k++, j += r->channel_step)
    out[k] = mixed(mixed(cvy_raster_sample(r, j), cvy_raster_sample(r, j + at.right), p->across[i]),
                   mixed(cvy_raster_sample(r, j + at.below), cvy_raster_sample(r, j + at.below + at.right),
                         p->across[i]),
                   p->down[i]);
}

/* Returns the three bytes and one more, which counts for nothing. */
static inline cvy_pixel pixel_at(const uint8_t *bytes) {
  typedef int32_t numbers __attribute__((vector_size(16)));
  int32_t four;
  memcpy(&four, bytes, sizeof four);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  const numbers place = {0, 8, 16, 24};
#else
  const numbers place = {24, 16, 8, 0};
#endif
  const numbers spread = ((numbers){four, four, four, four} >> place) & 255;
  return __builtin_convertvector(spread, cvy_pixel);
}

static inline cvy_pixel mixed_pixel(cvy_pixel a, cvy_pixel b, float fraction) {
  return a + fraction * (b - a);
}

static inline cvy_pixel interpolate_rgb(const places *p, int64_t i, const cvy_raster *r) {
  const corners c = corners_at(p, i, r);
  const uint8_t *above = (const uint8_t *)r->samples + c.at, *below = above + c.below;
  return mixed_pixel(mixed_pixel(pixel_at(above), pixel_at(above + c.right), p->across[i]),
                     mixed_pixel(pixel_at(below), pixel_at(below + c.right), p->across[i]), p->down[i]);
}

/* A pixel is written with one sample too many, which the next one covers. The raster's last pixel has no
 * byte behind it. */
CVY_FOR_EACH_MACHINE static void interpolate_rgb_row(float *out, const places *p, int64_t count,
                                                     const cvy_raster *r) {
  for (int64_t i = 0; i < count; i++) {
    const bool is_last = i + 1 == count;
    const bool at_end = p->row[i] + p->has_below[i] + 1 == r->h && p->column[i] + p->has_right[i] + 1 == r->w;
    if (is_last || at_end) {
      interpolate_any(out + 3 * i, p, i, r, 3);
    } else {
      const cvy_pixel value = interpolate_rgb(p, i, r);
      memcpy(out + 3 * i, &value, sizeof value);
    }
  }
}

static void colour_row(float *out, const cvy_picture *p, const cvy_positions *l) {
  for (int64_t i = 0; i < l->count; i++)
    if (l->colour_of[i] >= 0)
      memcpy(out + i * p->c, p->maps[l->colour_of[i]].edge.colour, sizeof *out * (size_t)p->c);
}

static void interpolate_row(float *out, const cvy_picture *p, const cvy_positions *l, places *at) {
  const cvy_raster *r = &p->raster;
  find_places(at, l, r);
  if (p->c == 3 && cvy_raster_is_interleaved(r, 3) && !r->is_float)
    interpolate_rgb_row(out, at, l->count, r);
  else
    for (int64_t i = 0; i < l->count; i++) interpolate_any(out + i * p->c, at, i, r, p->c);
  colour_row(out, p, l);
}

void cvy_render_warp(float *out, cvy_picture *p, cvy_canvas *canvas, const cvy_normaliser *n) {
  halve_raster(p, canvas);
  char *memory = cvy_canvas_lines(canvas, cvy_positions_bytes(p->w) + places_bytes(p->w));
  cvy_positions l = cvy_positions_in(memory, p->w);
  places at = places_in(memory + cvy_positions_bytes(p->w), p->w);
  cvy_round around;
  cvy_round_set(&around, n, p->c);
  for (int64_t y = 0; y < p->h; y++, out += p->w * p->c) {
    cvy_positions_lead_back(&l, p, y);
    interpolate_row(out, p, &l, &at);
    cvy_normalise_line(out, &around, p->w * p->c);
  }
}
