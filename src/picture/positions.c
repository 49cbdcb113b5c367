/* Positions of a picture, led back through its maps. */
#include "picture/positions.h"

#include "picture/loops.h"

#include <math.h>

static void through_affine(cvy_positions *l, const cvy_affine_map *m) {
  for (int64_t i = 0; i < l->count; i++) {
    const double x = l->x[i], y = l->y[i];
    l->x[i] = m->xx * x + m->xy * y + m->x0;
    l->y[i] = m->yx * x + m->yy * y + m->y0;
  }
}

/* This is Brown's first radial term. */
static void through_lens(cvy_positions *l, const cvy_map *m) {
  const double centre_x = 0.5 * (double)m->w, centre_y = 0.5 * (double)m->h;
  const double unit = 4 / (centre_x * centre_x + centre_y * centre_y); /* r is 1 half-way to a corner */
  for (int64_t i = 0; i < l->count; i++) {
    const double x = l->x[i] - centre_x, y = l->y[i] - centre_y;
    const double factor = 1 + m->lens * (unit * (x * x + y * y));
    l->x[i] = centre_x + factor * x;
    l->y[i] = centre_y + factor * y;
  }
}

static void through_field(cvy_positions *l, const cvy_map *m) {
  const cvy_field *f = &m->field;
  const double across = (double)f->w / (double)m->w, down = (double)f->h / (double)m->h;
  for (int64_t i = 0; i < l->count; i++) {
    const double x = l->x[i] * across, y = l->y[i] * down;
    const int64_t column = cvy_clamp((int64_t)floor(x), 0, f->w - 1),
                  row = cvy_clamp((int64_t)floor(y), 0, f->h - 1);
    const double u = x - (double)column, v = y - (double)row;
    const float *above = f->at + (row * (f->w + 1) + column) * 2, *below = above + (f->w + 1) * 2;
    for (int k = 0; k < 2; k++) {
      const double top = (double)above[k] + u * ((double)above[2 + k] - (double)above[k]);
      const double bottom = (double)below[k] + u * ((double)below[2 + k] - (double)below[k]);
      (k == 0 ? l->x : l->y)[i] += top + v * (bottom - top);
    }
  }
}

static double reflected(double x, double size) {
  const double twice = 2 * size, folded = x - twice * floor(x / twice);
  return folded > size ? twice - folded : folded;
}

static bool all_inside(const cvy_positions *l, double w, double h) {
  int outside = 0;
  for (int64_t i = 0; i < l->count; i++)
    outside |= !((l->x[i] >= 0) & (l->x[i] <= w) & (l->y[i] >= 0) & (l->y[i] <= h));
  return !outside;
}

static void keep_inside(cvy_positions *l, const cvy_map *m, int8_t index) {
  const double w = (double)m->w, h = (double)m->h;
  if (all_inside(l, w, h)) return;
  for (int64_t i = 0; i < l->count; i++) {
    const bool outside = !(l->x[i] >= 0 && l->x[i] <= w && l->y[i] >= 0 && l->y[i] <= h);
    if (!outside) continue;
    if (m->edge.mode == CVY_EDGE_CONSTANT && l->colour_of[i] < 0) l->colour_of[i] = index;
    if (m->edge.mode == CVY_EDGE_REFLECT) {
      l->x[i] = reflected(l->x[i], w);
      l->y[i] = reflected(l->y[i], h);
    }
    /* What a colour hides must stay within bounds too. */
    l->x[i] = cvy_within(l->x[i], 0, w);
    l->y[i] = cvy_within(l->y[i], 0, h);
  }
}

static void lead_back(cvy_positions *l, const cvy_picture *p) {
  for (int64_t i = 0; i < l->count; i++) l->colour_of[i] = -1;
  for (int64_t k = p->map_count - 1; k >= 0; k--) {
    const cvy_map *m = &p->maps[k];
    if (m->kind == CVY_MAP_AFFINE) through_affine(l, &m->affine);
    if (m->kind == CVY_MAP_LENS) through_lens(l, m);
    if (m->kind == CVY_MAP_FIELD) through_field(l, m);
    if (m->leaves) keep_inside(l, m, (int8_t)k);
  }
}

cvy_positions cvy_positions_in(void *memory, int64_t count) {
  cvy_positions l = {.count = count, .x = memory};
  l.y = l.x + count;
  l.colour_of = (int8_t *)(l.y + count);
  return l;
}

size_t cvy_positions_bytes(int64_t count) {
  return cvy_aligned((size_t)count * (2 * sizeof(double) + 1));
}

CVY_FOR_EACH_MACHINE void cvy_positions_lead_back(cvy_positions *l, const cvy_picture *p, int64_t y) {
  for (int64_t x = 0; x < l->count; x++) {
    l->x[x] = (double)x + 0.5;
    l->y[x] = (double)y + 0.5;
  }
  lead_back(l, p);
}
