/* What of a whole picture is in sight. */
#include "picture/sight.h"

#include <math.h>

typedef struct box {
  double top, left, bottom, right;
} box;

const cvy_map *cvy_sight_only_map(const cvy_picture *p) {
  static const cvy_map none = {.kind = CVY_MAP_AFFINE, .affine = {.xx = 1, .yy = 1}};
  if (p->map_count == 0) return &none;
  return p->map_count == 1 && p->maps[0].kind == CVY_MAP_AFFINE ? &p->maps[0] : NULL;
}

static box all_of(const cvy_picture *p) {
  return (box){0, 0, (double)p->whole_h, (double)p->whole_w};
}

static void include(box *b, double x, double y) {
  b->left = fmin(b->left, x), b->right = fmax(b->right, x);
  b->top = fmin(b->top, y), b->bottom = fmax(b->bottom, y);
}

/* All maps must be affine here. */
static void lead_corner_back(double *x, double *y, const cvy_picture *p) {
  for (int64_t k = p->map_count - 1; k >= 0; k--) {
    const cvy_affine_map *m = &p->maps[k].affine;
    const double x_out = *x, y_out = *y;
    *x = m->xx * x_out + m->xy * y_out + m->x0;
    *y = m->yx * x_out + m->yy * y_out + m->y0;
  }
}

/* A bent picture, or a reflection, may show any part of the whole. */
static bool shows_anything(const cvy_map *m) {
  return m->kind != CVY_MAP_AFFINE || (m->leaves && m->edge.mode == CVY_EDGE_REFLECT);
}

static box box_of(const cvy_picture *p) {
  const box whole = all_of(p);
  box b = {INFINITY, INFINITY, -INFINITY, -INFINITY};
  for (int64_t k = 0; k < p->map_count; k++)
    if (shows_anything(&p->maps[k])) return whole;
  for (int corner = 0; corner < 4; corner++) {
    double x = corner & 1 ? (double)p->w : 0, y = corner & 2 ? (double)p->h : 0;
    lead_corner_back(&x, &y, p);
    include(&b, x, y);
  }
  b = (box){fmax(b.top, whole.top), fmax(b.left, whole.left), fmin(b.bottom, whole.bottom),
            fmin(b.right, whole.right)};
  const bool nothing = b.top >= b.bottom || b.left >= b.right; /* but its border may still be seen */
  return nothing ? whole : b;
}

double cvy_sight_shrink(const cvy_picture *p) {
  double shrink = 1;
  for (int64_t k = 0; k < p->map_count; k++) {
    const cvy_affine_map m = p->maps[k].affine;
    if (p->maps[k].kind == CVY_MAP_AFFINE) shrink *= fmin(hypot(m.xx, m.yx), hypot(m.xy, m.yy));
  }
  return shrink;
}

cvy_image_part cvy_sight_part(const cvy_picture *p) {
  const box b = box_of(p);
  return (cvy_image_part){.top = (int64_t)floor(b.top),
                          .left = (int64_t)floor(b.left),
                          .h = (int64_t)ceil(b.bottom) - (int64_t)floor(b.top),
                          .w = (int64_t)ceil(b.right) - (int64_t)floor(b.left),
                          .shrink = cvy_sight_shrink(p)};
}
