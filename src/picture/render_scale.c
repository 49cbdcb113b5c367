/* Pictures that are scaled along their axes. Where they shrink, each sample is the mean of the area that
 * it covers; where they grow, it lies on the line between its neighbours. Columns come first, as they
 * vectorise, then rows. */
#include "picture/loops.h"
#include "picture/normalise.h"
#include "picture/raster.h"
#include "picture/render.h"
#include "picture/sight.h"

#include <math.h>
#include <string.h>

/* Output i is the sum of weights[i*stride + k] * input[first[i] + k] over k < count[i]. */
typedef struct axis {
  int64_t out, stride;
  int32_t *first, *count;
  float *weights;
} axis;

/* The input that output 0 begins at, and how many inputs there are from one output to the next (negative:
 * mirrored). */
typedef struct stretch {
  double start, step;
} stretch;

static int64_t axis_stride(const stretch *s) {
  return (int64_t)ceil(fabs(s->step)) + 2;
}

static size_t axis_bytes(int64_t out, const stretch *s) {
  return cvy_aligned((size_t)out * (2 * sizeof(int32_t) + (size_t)axis_stride(s) * sizeof(float)));
}

static axis axis_in(void *memory, int64_t out, const stretch *s) {
  axis a = {.out = out, .stride = axis_stride(s), .first = memory};
  a.count = a.first + out;
  a.weights = (float *)(a.count + out);
  return a;
}

/* Output i is the mean over from ... to. */
static void plan_shrinking(const axis *a, int64_t i, double from, double to, int64_t in) {
  const int64_t first = cvy_clamp((int64_t)floor(from), 0, in - 1),
                last = cvy_clamp((int64_t)ceil(to) - 1, first, in - 1);
  double sum = 0;
  a->first[i] = (int32_t)first;
  a->count[i] = (int32_t)(last - first + 1);
  for (int64_t k = first; k <= last; k++) sum += fmax(fmin(to, (double)k + 1) - fmax(from, (double)k), 0);
  for (int64_t k = first; k <= last; k++) {
    const double overlap = fmax(fmin(to, (double)k + 1) - fmax(from, (double)k), 0);
    a->weights[i * a->stride + k - first] = sum > 0 ? (float)(overlap / sum) : 1.0f / (float)a->count[i];
  }
}

/* Output i lies on the line between the two centres around it. */
static void plan_growing(const axis *a, int64_t i, double centre, int64_t in) {
  const double position = fmin(fmax(centre - 0.5, 0), (double)(in - 1));
  const int64_t first = (int64_t)position;
  const float fraction = (float)(position - (double)first);
  const bool has_next = first + 1 < in;
  a->first[i] = (int32_t)first;
  a->count[i] = has_next ? 2 : 1;
  a->weights[i * a->stride] = has_next ? 1 - fraction : 1;
  if (has_next) a->weights[i * a->stride + 1] = fraction;
}

static void plan_axis(const axis *a, const stretch *s, int64_t in) {
  for (int64_t i = 0; i < a->out; i++) {
    const double p = s->start + s->step * (double)i, q = p + s->step;
    if (fabs(s->step) > 1)
      plan_shrinking(a, i, fmin(p, q), fmax(p, q), in);
    else
      plan_growing(a, i, 0.5 * (p + q), in);
  }
}

static bool is_along_axes(const cvy_map *map) {
  return map && !map->leaves && map->affine.xy == 0 && map->affine.yx == 0;
}

CVY_FOR_EACH_MACHINE static void add_bytes(float *restrict sum, const uint8_t *restrict in, float weight,
                                           int64_t count) {
  CVY_VECTOR for (int64_t i = 0; i < count; i++) sum[i] += weight * (float)in[i];
}

CVY_FOR_EACH_MACHINE static void add_floats(float *restrict sum, const float *restrict in, float weight,
                                            int64_t count) {
  CVY_VECTOR for (int64_t i = 0; i < count; i++) sum[i] += weight * in[i];
}

/* Adds `columns` pixels of a row of the raster, from `column` on. */
static void add_row(float *sum, const cvy_raster *r, int64_t row, int64_t column, int64_t columns,
                    float weight, int64_t c) {
  const int64_t at = row * r->row_step + column * r->column_step;
  if (cvy_raster_is_interleaved(r, c) && !r->is_float) {
    add_bytes(sum, (const uint8_t *)r->samples + at, weight, columns * c);
  } else if (cvy_raster_is_interleaved(r, c)) {
    add_floats(sum, (const float *)r->samples + at, weight, columns * c);
  } else {
    for (int64_t x = 0; x < columns; x++)
      for (int64_t k = 0; k < c; k++)
        sum[x * c + k] += weight * cvy_raster_sample(r, at + x * r->column_step + k * r->channel_step);
  }
}

static cvy_pixel scaled_pixel(const float *in, const float *weights, int64_t count, int64_t c) {
  cvy_pixel sum = {0}, value;
  for (int64_t k = 0; k < count; k++, in += c) {
    memcpy(&value, in, sizeof value);
    sum += weights[k] * value;
  }
  return sum;
}

/* `c` is a constant where this is called. `in` can be read a whole pixel beyond its end. `out` is written
 * from the left, so that a pixel covers what the one before has written too much; the last one is cut. */
static inline void scale_line(float *out, const float *in, const axis *a, int64_t c) {
  for (int64_t i = 0; i < a->out; i++) {
    const cvy_pixel sum = scaled_pixel(in + a->first[i] * c, a->weights + i * a->stride, a->count[i], c);
    memcpy(out + i * c, &sum, i + CVY_MAX_CHANNELS <= a->out ? sizeof sum : sizeof *out * (size_t)c);
  }
}

/* Returns how many inputs the outputs need, from *first on. */
static int64_t reach_of(const axis *a, int64_t *first) {
  int64_t low = INT32_MAX, high = 0;
  for (int64_t i = 0; i < a->out; i++) {
    if (a->first[i] < low) low = a->first[i];
    if (a->first[i] + a->count[i] > high) high = a->first[i] + a->count[i];
  }
  *first = low;
  return high - low;
}

bool cvy_render_scale(float *out, const cvy_picture *p, cvy_canvas *canvas, const cvy_normaliser *n) {
  const cvy_map *map = cvy_sight_only_map(p);
  if (!is_along_axes(map)) return false;
  const cvy_raster *r = &p->raster;
  const cvy_affine_map *m = &map->affine;
  const stretch across = {(m->x0 - r->left) / r->pixels_across, m->xx / r->pixels_across};
  const stretch down = {(m->y0 - r->top) / r->pixels_down, m->yy / r->pixels_down};
  const size_t x_bytes = axis_bytes(p->w, &across), y_bytes = axis_bytes(p->h, &down);
  char *memory = cvy_canvas_lines(canvas, x_bytes + y_bytes + sizeof(float) * (size_t)((r->w + 1) * p->c) +
                                              sizeof(cvy_pixel));
  const axis x = axis_in(memory, p->w, &across), y = axis_in(memory + x_bytes, p->h, &down);
  float *sum = (float *)(void *)(memory + x_bytes + y_bytes);
  plan_axis(&x, &across, r->w);
  plan_axis(&y, &down, r->h);
  int64_t column;
  const int64_t columns = reach_of(&x, &column);
  cvy_round around;
  cvy_round_set(&around, n, p->c);
  for (int64_t i = 0; i < p->h; i++, out += p->w * p->c) {
    memset(sum + column * p->c, 0, sizeof *sum * (size_t)(columns * p->c));
    for (int64_t k = 0; k < y.count[i]; k++)
      add_row(sum + column * p->c, r, y.first[i] + k, column, columns, y.weights[i * y.stride + k], p->c);
    p->c == 3 ? scale_line(out, sum, &x, 3) : scale_line(out, sum, &x, p->c);
    cvy_normalise_line(out, &around, p->w * p->c);
  }
  return true;
}
