/* Pictures and the maps that they consist of. */
#include "picture/picture.h"

#include <string.h>

static const cvy_affine_map identity = {.xx = 1, .yy = 1};

cvy_picture cvy_picture_of(const void *samples, bool is_float, int64_t h, int64_t w, int64_t c) {
  return (cvy_picture){.h = h,
                       .w = w,
                       .c = c,
                       .whole_h = h,
                       .whole_w = w,
                       .raster = {.samples = samples,
                                  .is_float = is_float,
                                  .h = h,
                                  .w = w,
                                  .row_step = w * c,
                                  .column_step = c,
                                  .channel_step = 1,
                                  .pixels_down = 1,
                                  .pixels_across = 1}};
}

cvy_err cvy_picture_of_encoded(cvy_picture *out, const cvy_encoded *encoded, int64_t channels) {
  int64_t h, w, c = channels;
  CVY_TRY(cvy_image_size(&h, &w, &c, encoded->bytes, encoded->byte_count));
  *out = cvy_picture_of(NULL, false, h, w, c);
  out->encoded = *encoded;
  return CVY_OK;
}

bool cvy_picture_of_kept(cvy_picture *out, const cvy_encoded *encoded, int64_t channels) {
  const cvy_keeper *keeper = encoded->keeper;
  cvy_whole_picture whole;
  const uint8_t *samples = NULL;
  for (int i = 0; i < CVY_SCALES && !samples; i++) samples = keeper->find(&whole, encoded->keeper_context, i);
  if (!samples || whole.c != channels) return false;
  *out = cvy_picture_of(NULL, false, whole.file_h, whole.file_w, channels);
  out->encoded = *encoded;
  return true;
}

/* ---- maps ---- */

/* Returns the map that applies `second`, and then `first`. */
static cvy_affine_map composed(const cvy_affine_map *first, const cvy_affine_map *second) {
  const cvy_affine_map *a = first, *b = second;
  return (cvy_affine_map){.xx = a->xx * b->xx + a->xy * b->yx,
                          .xy = a->xx * b->xy + a->xy * b->yy,
                          .x0 = a->xx * b->x0 + a->xy * b->y0 + a->x0,
                          .yx = a->yx * b->xx + a->yy * b->yx,
                          .yy = a->yx * b->xy + a->yy * b->yy,
                          .y0 = a->yx * b->x0 + a->yy * b->y0 + a->y0};
}

/* Tells whether the centre of some pixel of h x w leads out of in_h x in_w. As the map is affine, the corners
 * are enough. */
static bool leads_out(const cvy_affine_map *m, int64_t h, int64_t w, int64_t in_h, int64_t in_w) {
  const double slack = 1e-6, most_x = (double)in_w, most_y = (double)in_h;
  for (int corner = 0; corner < 4; corner++) {
    const double x = corner & 1 ? (double)w - 0.5 : 0.5, y = corner & 2 ? (double)h - 0.5 : 0.5;
    const double in_x = m->xx * x + m->xy * y + m->x0, in_y = m->yx * x + m->yy * y + m->y0;
    if (in_x < -slack || in_x > most_x + slack || in_y < -slack || in_y > most_y + slack) return true;
  }
  return false;
}

/* Draws what is there, if there is no room for a further map. */
static cvy_err make_room(cvy_picture *p, cvy_canvas *canvas) {
  float *samples;
  return p->map_count < CVY_MOST_MAPS ? CVY_OK : cvy_picture_draw(p, &samples, canvas);
}

static void add_map(cvy_picture *p, const cvy_map *map) {
  cvy_map *last = p->map_count > 0 ? &p->maps[p->map_count - 1] : NULL;
  if (last && !map->leaves && map->kind == CVY_MAP_AFFINE && last->kind == CVY_MAP_AFFINE)
    last->affine = composed(&last->affine, &map->affine);
  else
    p->maps[p->map_count++] = *map;
}

cvy_err cvy_picture_map(cvy_picture *p, cvy_canvas *canvas, int64_t h, int64_t w, const cvy_affine_map *map,
                        const cvy_edge *edge) {
  CVY_CHECK(h > 0 && w > 0);
  CVY_TRY(make_room(p, canvas));
  cvy_map added = {.kind = CVY_MAP_AFFINE,
                   .affine = *map,
                   .h = p->h,
                   .w = p->w,
                   .leaves = leads_out(map, h, w, p->h, p->w)};
  CVY_CHECK(edge || !added.leaves);
  if (edge) added.edge = *edge;
  add_map(p, &added);
  p->h = h;
  p->w = w;
  return CVY_OK;
}

cvy_err cvy_picture_bend(cvy_picture *p, cvy_canvas *canvas, double lens, const cvy_field *field,
                         const cvy_edge *edge) {
  cvy_map added = {.h = p->h, .w = p->w, .leaves = true, .edge = *edge};
  if (lens != 0) {
    CVY_TRY(make_room(p, canvas));
    added.kind = CVY_MAP_LENS;
    added.lens = lens;
    add_map(p, &added);
  }
  if (field) {
    CVY_TRY(make_room(p, canvas));
    added.kind = CVY_MAP_FIELD;
    added.field = *field;
    add_map(p, &added);
  }
  return CVY_OK;
}

cvy_err cvy_picture_field(float **displacements, cvy_picture *p, cvy_canvas *canvas, int64_t count) {
  float *samples;
  for (int64_t i = 0; i < p->map_count; i++)
    if (p->maps[i].kind == CVY_MAP_FIELD) {
      CVY_TRY(cvy_picture_draw(p, &samples, canvas));
      break;
    }
  *displacements = cvy_canvas_field(canvas, count);
  return CVY_OK;
}

cvy_err cvy_picture_place(cvy_picture *p, cvy_canvas *canvas, int64_t h, int64_t w, int64_t down,
                          int64_t right, const cvy_edge *edge) {
  cvy_affine_map map = identity;
  map.x0 = -(double)right;
  map.y0 = -(double)down;
  return cvy_picture_map(p, canvas, h, w, &map, edge);
}

cvy_err cvy_picture_mirror(cvy_picture *p, cvy_canvas *canvas) {
  const cvy_affine_map map = {.xx = -1, .x0 = (double)p->w, .yy = 1};
  return cvy_picture_map(p, canvas, p->h, p->w, &map, NULL);
}

cvy_err cvy_picture_scale(cvy_picture *p, cvy_canvas *canvas, int64_t h, int64_t w, double top, double left,
                          double part_h, double part_w) {
  const cvy_affine_map map = {.xx = part_w / (double)w, .x0 = left, .yy = part_h / (double)h, .y0 = top};
  return cvy_picture_map(p, canvas, h, w, &map, NULL);
}

/* ---- samples ---- */

/* Tells whether the picture lies on the canvas as it was drawn last. */
static bool is_drawn(const cvy_picture *p, const cvy_canvas *canvas) {
  const cvy_raster *r = &p->raster;
  return r->samples && r->samples == cvy_canvas_last(canvas) && p->map_count == 0 && r->h == p->h &&
         r->w == p->w && r->row_step == p->w * p->c;
}

cvy_err cvy_picture_draw(cvy_picture *p, float **samples, cvy_canvas *canvas) {
  static const float zeros[CVY_MAX_CHANNELS], ones[CVY_MAX_CHANNELS] = {1, 1, 1, 1};
  if (is_drawn(p, canvas)) {
    *samples = cvy_canvas_last(canvas);
    return CVY_OK;
  }
  cvy_normaliser as_they_are;
  cvy_normaliser_set(&as_they_are, zeros, ones, p->c);
  float *drawn = cvy_canvas_raster(canvas, p->h * p->w * p->c);
  CVY_TRY(cvy_picture_normalise(drawn, p, canvas, &as_they_are));
  *p = cvy_picture_of(drawn, true, p->h, p->w, p->c);
  *samples = drawn;
  return CVY_OK;
}
