/* From maps to samples, in one of three ways:
 *
 *   - whole pixels only moved and mirrored: rows are copied;
 *   - scaled along the axes: each sample is the mean of the area that it covers, or, growing, lies on the line between its
 *     neighbours; first down the columns, which vectorises, then along the rows;
 *   - anything else: every pixel's centre is led back through all maps, and what it meets is interpolated between four
 *     neighbours. A sheet that is much too fine is halved before.
 *
 * A file is decoded when it is known which part of it is in sight, and how large. */
#include "picture/render.h"

#include "base/count.h"
#include "base/trace.h"
#include "picture/image.h"
#include "picture/machines.h"

#include <math.h>
#include <string.h>

#define VECTOR _Pragma("omp simd")

/* ---- the canvas ---- */

static void *reserve(void **memory, size_t *capacity_bytes, size_t bytes) {
  if (bytes > *capacity_bytes) {
    cvy_buffer_destroy(*memory);
    if (cvy_buffer_create(memory, bytes, "a picture")) cvy_fatal("%s", cvy_err_message());
    *capacity_bytes = bytes;
  }
  return *memory;
}

float *cvy_canvas_next(cvy_canvas *canvas, int64_t count) {
  const int i = canvas->next;
  canvas->next = 1 - i;
  return reserve((void **)&canvas->samples[i], &canvas->capacity_bytes[i], sizeof(float) * (size_t)count);
}

float *cvy_canvas_field(cvy_canvas *canvas, int64_t count) {
  return reserve((void **)&canvas->fields, &canvas->fields_bytes, sizeof(float) * (size_t)count);
}

static void *lines_of(cvy_canvas *canvas, size_t bytes) {
  return reserve(&canvas->lines, &canvas->lines_bytes, bytes);
}

void cvy_canvas_free(cvy_canvas *canvas) {
  for (int i = 0; i < 2; i++) cvy_buffer_destroy(canvas->samples[i]);
  cvy_buffer_destroy(canvas->fields);
  cvy_buffer_destroy(canvas->lines);
  cvy_image_free(&canvas->halved);
  *canvas = (cvy_canvas){0};
}

/* ---- from a picture's positions back to the whole one's ---- */

typedef struct line {
  int64_t count;
  double *x, *y;
  int8_t *colour_of; /* the map beyond whose border the pixel lies; -1: none */
} line;

static void through_affine(line *l, const cvy_affine_map *m) {
  for (int64_t i = 0; i < l->count; i++) {
    const double x = l->x[i], y = l->y[i];
    l->x[i] = m->xx * x + m->xy * y + m->x0;
    l->y[i] = m->yx * x + m->yy * y + m->y0;
  }
}

/* Brown's first radial term. */
static void through_lens(line *l, const cvy_map *m) {
  const double centre_x = 0.5 * (double)m->w, centre_y = 0.5 * (double)m->h;
  const double unit = 4 / (centre_x * centre_x + centre_y * centre_y); /* r is 1 half-way to a corner */
  for (int64_t i = 0; i < l->count; i++) {
    const double x = l->x[i] - centre_x, y = l->y[i] - centre_y;
    const double factor = 1 + m->lens * (unit * (x * x + y * y));
    l->x[i] = centre_x + factor * x;
    l->y[i] = centre_y + factor * y;
  }
}

/* Not fmin and fmax, which are calls. */
static double within(double value, double low, double high) {
  value = value > low ? value : low;
  return value < high ? value : high;
}

static void through_field(line *l, const cvy_map *m) {
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

static bool all_inside(const line *l, double w, double h) {
  int outside = 0;
  for (int64_t i = 0; i < l->count; i++)
    outside |= !((l->x[i] >= 0) & (l->x[i] <= w) & (l->y[i] >= 0) & (l->y[i] <= h));
  return !outside;
}

static void keep_inside(line *l, const cvy_map *m, int8_t index) {
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
    /* Also so that what is hidden by a colour stays within bounds. */
    l->x[i] = within(l->x[i], 0, w);
    l->y[i] = within(l->y[i], 0, h);
  }
}

static void lead_back(line *l, const cvy_picture *p) {
  for (int64_t i = 0; i < l->count; i++) l->colour_of[i] = -1;
  for (int64_t k = p->map_count - 1; k >= 0; k--) {
    const cvy_map *m = &p->maps[k];
    if (m->kind == CVY_MAP_AFFINE) through_affine(l, &m->affine);
    if (m->kind == CVY_MAP_LENS) through_lens(l, m);
    if (m->kind == CVY_MAP_FIELD) through_field(l, m);
    if (m->leaves) keep_inside(l, m, (int8_t)k);
  }
}

static line line_in(void *memory, int64_t count) {
  line l = {.count = count, .x = memory};
  l.y = l.x + count;
  l.colour_of = (int8_t *)(l.y + count);
  return l;
}

static size_t line_bytes(int64_t count) {
  return cvy_aligned((size_t)count * (2 * sizeof(double) + 1));
}

/* Row `y` of the picture, led back. */
CVY_FOR_EACH_MACHINE static void lead_row_back(line *l, const cvy_picture *p, int64_t y) {
  for (int64_t x = 0; x < l->count; x++) {
    l->x[x] = (double)x + 0.5;
    l->y[x] = (double)y + 0.5;
  }
  lead_back(l, p);
}

/* ---- what is in sight ---- */

typedef struct box {
  double top, left, bottom, right;
} box;

/* The only map, or NULL: there are several, or it is none of an affine kind. The identity where there is none. */
static const cvy_map *only_map(const cvy_picture *p) {
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

/* The part of the whole picture that may be looked at. A reflection may show anything. */
static box box_of(const cvy_picture *p) {
  for (int64_t k = 0; k < p->map_count; k++)
    if (p->maps[k].kind != CVY_MAP_AFFINE || (p->maps[k].leaves && p->maps[k].edge.mode == CVY_EDGE_REFLECT))
      return all_of(p);
  const box whole = all_of(p);
  box b = {INFINITY, INFINITY, -INFINITY, -INFINITY};
  for (int corner = 0; corner < 4; corner++) {
    double x = corner & 1 ? (double)p->w : 0, y = corner & 2 ? (double)p->h : 0;
    int8_t colour_of;
    line l = {1, &x, &y, &colour_of};
    l.colour_of[0] = -1;
    for (int64_t k = p->map_count - 1; k >= 0; k--) through_affine(&l, &p->maps[k].affine);
    include(&b, x, y);
  }
  b = (box){fmax(b.top, whole.top), fmax(b.left, whole.left), fmin(b.bottom, whole.bottom),
            fmin(b.right, whole.right)};
  const bool nothing = b.top >= b.bottom || b.left >= b.right; /* but its border may still be seen */
  return nothing ? whole : b;
}

/* Pixels of the whole picture from one pixel to the next, in the direction in which they lie closest. */
static double shrink_of(const cvy_picture *p) {
  double shrink = 1;
  for (int64_t k = 0; k < p->map_count; k++) {
    const cvy_affine_map m = p->maps[k].affine;
    if (p->maps[k].kind == CVY_MAP_AFFINE) shrink *= fmin(hypot(m.xx, m.yx), hypot(m.xy, m.yy));
  }
  return shrink;
}

/* ---- the sheet ---- */

static void show_image(cvy_picture *p, const cvy_image *image, const cvy_image_part *part) {
  p->sheet = (cvy_raster){.samples = image->px,
                          .h = image->h,
                          .w = image->w,
                          .row_step = image->w * image->c,
                          .column_step = image->c,
                          .channel_step = 1,
                          .top = (double)part->top,
                          .left = (double)part->left,
                          .pixels_down = (double)part->h / (double)image->h,
                          .pixels_across = (double)part->w / (double)image->w};
}

/* ---- pictures that were decoded before ---- */

static cvy_err get_bytes(cvy_picture *p) {
  return p->encoded.bytes ? CVY_OK : p->encoded.decoded->fetch(&p->encoded);
}

/* Decodes all of it at 1/scale, into the image, and keeps it. What is damaged may still be whole in the part that is wanted. */
static void keep_whole(cvy_picture *p, int index) {
  const cvy_decoded *decoded = p->encoded.decoded;
  cvy_image *image = p->encoded.image;
  cvy_image_part all = {.h = p->whole_h, .w = p->whole_w, .shrink = 1 << index};
  if (!cvy_cache_has_room(decoded->cache, (size_t)((p->whole_h >> index) * (p->whole_w >> index) * p->c)))
    return;
  if (cvy_image_decode_part(image, &all, p->encoded.bytes, p->encoded.byte_count, p->c)) return;
  const cvy_entry entry = {.byte_count = (size_t)(image->h * image->w * image->c),
                           .h = image->h,
                           .w = image->w,
                           .c = image->c,
                           .whole_h = p->whole_h,
                           .whole_w = p->whole_w,
                           .step = all.step,
                           .bytes = image->px};
  cvy_cache_keep(decoded->cache, decoded->key + (all.step > 0 ? index : 0), &entry);
}

/* The whole at 1/scale, or of a file that has no scales. */
static const cvy_entry *find_whole(const cvy_picture *p, int index) {
  const cvy_decoded *decoded = p->encoded.decoded;
  const cvy_entry *first = cvy_cache_find(decoded->cache, decoded->key);
  const cvy_entry *entry = first && first->step == 0 ? first
                                                     : cvy_cache_find(decoded->cache, decoded->key + index);
  return entry && entry->c == p->c ? entry : NULL;
}

/* Where the sheet would be halved, libjpeg's other pixels at the border of a part come into sight, so only itself can say
 * what they are. */
static const double most_shrink = 16;

/* NULL in *whole: there is none and no room for it, or it cannot be decoded. */
static cvy_err get_whole(const cvy_entry **whole, cvy_picture *p, int index) {
  *whole = find_whole(p, index);
  if (*whole) return CVY_OK;
  CVY_TRY(get_bytes(p));
  keep_whole(p, index);
  *whole = find_whole(p, index);
  return CVY_OK;
}

static cvy_err decode_part(cvy_picture *p, cvy_image_part *part) {
  const int64_t scale = cvy_image_scale_for(part->shrink);
  const cvy_entry *whole = NULL;
  if (p->encoded.decoded && part->shrink < most_shrink)
    CVY_TRY(get_whole(&whole, p, scale == 1 ? 0 : scale == 2 ? 1 : scale == 4 ? 2 : 3));
  if (whole) {
    const cvy_image image = {
        .h = whole->h, .w = whole->w, .c = whole->c, .px = (uint8_t *)(uintptr_t)whole->bytes};
    cvy_image_cut(p->encoded.image, part, &image, whole->step, scale);
    return CVY_OK;
  }
  CVY_TRY(get_bytes(p));
  return cvy_image_decode_part(p->encoded.image, part, p->encoded.bytes, p->encoded.byte_count, p->c);
}

/* ---- decoding ---- */

cvy_err cvy_picture_decode(cvy_picture *p) {
  if (p->sheet.samples) return CVY_OK;
  const cvy_image_part whole = {.h = p->whole_h, .w = p->whole_w};
  CVY_TRY(get_bytes(p));
  CVY_TRY(cvy_image_decode(p->encoded.image, p->encoded.bytes, p->encoded.byte_count, p->c));
  show_image(p, p->encoded.image, &whole);
  return CVY_OK;
}

static cvy_err decode(cvy_picture *p) {
  const box b = box_of(p);
  cvy_image_part part = {.top = (int64_t)floor(b.top),
                         .left = (int64_t)floor(b.left),
                         .h = (int64_t)ceil(b.bottom) - (int64_t)floor(b.top),
                         .w = (int64_t)ceil(b.right) - (int64_t)floor(b.left),
                         .shrink = shrink_of(p)};
  CVY_TRY(decode_part(p, &part));
  show_image(p, p->encoded.image, &part);
  return CVY_OK;
}

/* ---- normalising ---- */

static bool is_interleaved(const cvy_raster *s, int64_t c) {
  return s->column_step == c && s->channel_step == 1;
}

/* Line by line the numbers of channels come round. */
enum { ROUND = 12 * 16 };

CVY_FOR_EACH_MACHINE static void normalise_line(float *restrict out, const float *restrict mean,
                                                const float *restrict deviation, int64_t count) {
  int64_t i = 0;
  for (; i + ROUND <= count; i += ROUND)
    VECTOR for (int64_t j = 0; j < ROUND; j++) out[i + j] = (out[i + j] - mean[j]) / deviation[j];
  for (int64_t j = 0; i + j < count; j++) out[i + j] = (out[i + j] - mean[j]) / deviation[j];
}

/* The normaliser's numbers, as often as a round has room for them. */
typedef struct round_of {
  float mean[ROUND], deviation[ROUND];
} round_of;

static void go_round(round_of *out, const cvy_normaliser *n, int64_t c) {
  for (int64_t i = 0; i < ROUND; i++) {
    out->mean[i] = n->mean[i % c];
    out->deviation[i] = n->deviation[i % c];
  }
}

/* ---- rows that are only moved ---- */

typedef struct window {
  int64_t top, left, h, w; /* the part of the picture that shows the sheet; all else is `edge` */
  int64_t row, column;     /* of the sheet, under the part's top left pixel */
  bool mirrored;
  const cvy_edge *edge;
} window;

static bool is_whole(double value) {
  return value == floor(value) && fabs(value) < 1e9;
}

static bool sheet_is_plain(const cvy_raster *s) {
  return s->pixels_down == 1 && s->pixels_across == 1 && is_whole(s->top) && is_whole(s->left);
}

/* Cuts start ... start+length-1 to 0 ... size-1; returns how much was cut off in front. */
static int64_t cut(int64_t *start, int64_t *length, int64_t size) {
  const int64_t low = *start, high = low + *length;
  const int64_t from = cvy_clamp(low, 0, size), to = cvy_clamp(high, 0, size);
  *start = from;
  *length = to > from ? to - from : 0;
  return *length ? from - low : 0;
}

static bool window_of(window *out, const cvy_picture *p) {
  const cvy_map *map = only_map(p);
  if (!map || !sheet_is_plain(&p->sheet)) return false;
  const cvy_affine_map *m = &map->affine;
  if (m->xy != 0 || m->yx != 0 || fabs(m->xx) != 1 || m->yy != 1 || !is_whole(m->x0) || !is_whole(m->y0))
    return false;
  if (map->leaves && map->edge.mode != CVY_EDGE_CONSTANT) return false;
  const bool mirrored = m->xx < 0;
  const int64_t sheet_top = (int64_t)p->sheet.top, sheet_left = (int64_t)p->sheet.left;
  *out = (window){.top = sheet_top - (int64_t)m->y0,
                  .h = p->sheet.h,
                  .w = p->sheet.w,
                  .mirrored = mirrored,
                  .edge = &map->edge};
  out->left = mirrored ? (int64_t)m->x0 - sheet_left - p->sheet.w : sheet_left - (int64_t)m->x0;
  const int64_t before = cut(&out->left, &out->w, p->w);
  out->row = cut(&out->top, &out->h, p->h);
  out->column = mirrored ? p->sheet.w - 1 - before : before;
  return true;
}

/* Of rows whose samples lie as they are wanted: the same quotients as the normaliser's table, sixteen at a time. */
CVY_FOR_EACH_MACHINE static void bytes_line(float *restrict out, const uint8_t *restrict in,
                                            const round_of *restrict around, int64_t count) {
  int64_t i = 0;
  for (; i + ROUND <= count; i += ROUND)
    VECTOR for (int64_t j = 0; j < ROUND; j++)
        out[i + j] = ((float)in[i + j] - around->mean[j]) / around->deviation[j];
  const int64_t left = count - i;
  VECTOR for (int64_t j = 0; j < left; j++)
      out[i + j] = ((float)in[i + j] - around->mean[j]) / around->deviation[j];
}

/* `c` is a constant where this is called, so that the loop over channels is unrolled. */
static inline void bytes_row(float *restrict out, const uint8_t *in, const cvy_raster *s, int64_t step,
                             int64_t count, const cvy_normaliser *n, int64_t c) {
  for (int64_t x = 0; x < count; x++)
    for (int64_t k = 0; k < c; k++) out[x * c + k] = n->of_byte[k][in[x * step + k * s->channel_step]];
}

static inline void floats_row(float *restrict out, const float *in, const cvy_raster *s, int64_t step,
                              int64_t count, const cvy_normaliser *n, int64_t c) {
  for (int64_t x = 0; x < count; x++)
    for (int64_t k = 0; k < c; k++)
      out[x * c + k] = (in[x * step + k * s->channel_step] - n->mean[k]) / n->deviation[k];
}

static void copy_row(float *out, const cvy_picture *p, const window *v, int64_t y, const cvy_normaliser *n,
                     const round_of *around) {
  const cvy_raster *s = &p->sheet;
  const int64_t at = (v->row + y) * s->row_step + v->column * s->column_step;
  const int64_t step = v->mirrored ? -s->column_step : s->column_step, c = p->c;
  if (s->is_float) {
    const float *in = (const float *)s->samples + at;
    c == 1 ? floats_row(out, in, s, step, v->w, n, 1) : floats_row(out, in, s, step, v->w, n, c);
    return;
  }
  const uint8_t *in = (const uint8_t *)s->samples + at;
  if (is_interleaved(s, c) && !v->mirrored)
    bytes_line(out, in, around, v->w * c);
  else if (c == 1)
    bytes_row(out, in, s, step, v->w, n, 1);
  else if (c == 3)
    bytes_row(out, in, s, step, v->w, n, 3);
  else
    bytes_row(out, in, s, step, v->w, n, c);
}

static void fill_pixels(float *out, int64_t pixels, const float colour[], int64_t c) {
  for (int64_t i = 0; i < pixels; i++)
    for (int64_t k = 0; k < c; k++) out[i * c + k] = colour[k];
}

static void copy_rows(float *out, const cvy_picture *p, const window *v, const cvy_normaliser *n) {
  float colour[CVY_MAX_CHANNELS] = {0};
  for (int64_t k = 0; k < p->c; k++) colour[k] = (v->edge->colour[k] - n->mean[k]) / n->deviation[k];
  const int64_t right = v->left + v->w;
  round_of around;
  go_round(&around, n, p->c);
  for (int64_t y = 0; y < p->h; y++, out += p->w * p->c) {
    const bool shown = y >= v->top && y < v->top + v->h && v->w > 0;
    fill_pixels(out, shown ? v->left : p->w, colour, p->c);
    if (!shown) continue;
    copy_row(out + v->left * p->c, p, v, y - v->top, n, &around);
    fill_pixels(out + right * p->c, p->w - right, colour, p->c);
  }
}

/* ---- rows that are scaled along the axes ---- */

/* Output i is the sum of weights[i*stride + k] * input[first[i] + k] over k < count[i]. */
typedef struct axis {
  int64_t out, stride;
  int32_t *first, *count;
  float *weights;
} axis;

/* Inputs that output 0 begins at, and inputs from one output to the next (negative: mirrored). */
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

/* The mean over from ... to. */
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

/* On the line between the two centres around. */
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

static bool is_scaled(const cvy_picture *p) {
  const cvy_map *map = only_map(p);
  return map && !map->leaves && map->affine.xy == 0 && map->affine.yx == 0;
}

CVY_FOR_EACH_MACHINE static void add_bytes(float *restrict sum, const uint8_t *restrict in, float weight,
                                           int64_t count) {
  VECTOR for (int64_t i = 0; i < count; i++) sum[i] += weight * (float)in[i];
}

CVY_FOR_EACH_MACHINE static void add_floats(float *restrict sum, const float *restrict in, float weight,
                                            int64_t count) {
  VECTOR for (int64_t i = 0; i < count; i++) sum[i] += weight * in[i];
}

static float sample_of(const cvy_raster *s, int64_t at) {
  return s->is_float ? ((const float *)s->samples)[at] : (float)((const uint8_t *)s->samples)[at];
}

/* Adds `columns` pixels of a row of the sheet, from `column` on. */
static void add_row(float *sum, const cvy_raster *s, int64_t row, int64_t column, int64_t columns,
                    float weight, int64_t c) {
  const int64_t at = row * s->row_step + column * s->column_step;
  if (is_interleaved(s, c) && !s->is_float) {
    add_bytes(sum, (const uint8_t *)s->samples + at, weight, columns * c);
  } else if (is_interleaved(s, c)) {
    add_floats(sum, (const float *)s->samples + at, weight, columns * c);
  } else {
    for (int64_t x = 0; x < columns; x++)
      for (int64_t k = 0; k < c; k++)
        sum[x * c + k] += weight * sample_of(s, at + x * s->column_step + k * s->channel_step);
  }
}

/* All channels of a pixel at once; what lies behind it in memory goes along and counts for nothing. */
typedef float pixel __attribute__((vector_size(sizeof(float) * CVY_MAX_CHANNELS)));

static pixel scaled_pixel(const float *in, const float *weights, int64_t count, int64_t c) {
  pixel sum = {0}, value;
  for (int64_t k = 0; k < count; k++, in += c) {
    memcpy(&value, in, sizeof value);
    sum += weights[k] * value;
  }
  return sum;
}

/* `c` as in bytes_row. `in` can be read a whole pixel beyond its end; `out` is written from the left, so that a pixel covers
 * what the one before has written too much, and the last one is cut. */
static inline void scale_line(float *out, const float *in, const axis *a, int64_t c) {
  for (int64_t i = 0; i < a->out; i++) {
    const pixel sum = scaled_pixel(in + a->first[i] * c, a->weights + i * a->stride, a->count[i], c);
    memcpy(out + i * c, &sum, i + CVY_MAX_CHANNELS <= a->out ? sizeof sum : sizeof *out * (size_t)c);
  }
}

/* The inputs that some output needs: first, and how many. */
static int64_t reach_of(const axis *a, int64_t *first) {
  int64_t low = INT32_MAX, high = 0;
  for (int64_t i = 0; i < a->out; i++) {
    if (a->first[i] < low) low = a->first[i];
    if (a->first[i] + a->count[i] > high) high = a->first[i] + a->count[i];
  }
  *first = low;
  return high - low;
}

static void scale_rows(float *out, const cvy_picture *p, cvy_canvas *canvas, const cvy_normaliser *n) {
  const cvy_raster *s = &p->sheet;
  const cvy_affine_map *m = &only_map(p)->affine;
  const stretch across = {(m->x0 - s->left) / s->pixels_across, m->xx / s->pixels_across};
  const stretch down = {(m->y0 - s->top) / s->pixels_down, m->yy / s->pixels_down};
  const size_t x_bytes = axis_bytes(p->w, &across), y_bytes = axis_bytes(p->h, &down);
  char *memory = lines_of(canvas,
                          x_bytes + y_bytes + sizeof(float) * (size_t)((s->w + 1) * p->c) + sizeof(pixel));
  const axis x = axis_in(memory, p->w, &across), y = axis_in(memory + x_bytes, p->h, &down);
  float *sum = (float *)(void *)(memory + x_bytes + y_bytes);
  plan_axis(&x, &across, s->w);
  plan_axis(&y, &down, s->h);
  int64_t column;
  const int64_t columns = reach_of(&x, &column);
  round_of around;
  go_round(&around, n, p->c);
  for (int64_t i = 0; i < p->h; i++, out += p->w * p->c) {
    memset(sum + column * p->c, 0, sizeof *sum * (size_t)(columns * p->c));
    for (int64_t k = 0; k < y.count[i]; k++)
      add_row(sum + column * p->c, s, y.first[i] + k, column, columns, y.weights[i * y.stride + k], p->c);
    p->c == 3 ? scale_line(out, sum, &x, 3) : scale_line(out, sum, &x, p->c);
    normalise_line(out, around.mean, around.deviation, p->w * p->c);
  }
}

/* ---- anything else ---- */

/* Makes the sheet coarser where the maps would jump over its pixels. */
static void halve_sheet(cvy_picture *p, cvy_canvas *canvas) {
  cvy_raster *s = &p->sheet;
  const double shrink = shrink_of(p);
  const int64_t by_h = (int64_t)(shrink / s->pixels_down), by_w = (int64_t)(shrink / s->pixels_across);
  if (s->is_float || !is_interleaved(s, p->c) || (by_h < 2 && by_w < 2)) return;
  const int64_t h = by_h < 2 ? s->h : (s->h + by_h - 1) / by_h,
                w = by_w < 2 ? s->w : (s->w + by_w - 1) / by_w;
  const cvy_image whole = {.h = s->h, .w = s->w, .c = p->c, .px = (uint8_t *)(uintptr_t)s->samples};
  cvy_image_scale(&canvas->halved, &whole, h, w);
  s->pixels_down *= (double)s->h / (double)h;
  s->pixels_across *= (double)s->w / (double)w;
  s->samples = canvas->halved.px;
  s->h = h;
  s->w = w;
  s->row_step = w * p->c;
}

/* Of each pixel of a row, the place in the sheet: the pixel above and left of it, whether there is one below or to the right,
 * and how near those are. */
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

/* Along one axis: positions of the whole picture, the sheet's first, and its pixels' length. */
static void find_along(int32_t *restrict first, int32_t *restrict has_next, float *restrict fraction,
                       const double *restrict position, int64_t count, double start, double length,
                       int64_t size) {
  const double last = (double)(size - 1);
  const int32_t before_last = (int32_t)(size - 1);
  VECTOR for (int64_t i = 0; i < count; i++) {
    const double centre = within((position[i] - start) / length - 0.5, 0, last);
    first[i] = (int32_t)centre;
    has_next[i] = first[i] < before_last;
    fraction[i] = (float)(centre - (double)first[i]);
  }
}

CVY_FOR_EACH_MACHINE static void find_places(places *out, const line *l, const cvy_raster *s) {
  find_along(out->row, out->has_below, out->down, l->y, l->count, s->top, s->pixels_down, s->h);
  find_along(out->column, out->has_right, out->across, l->x, l->count, s->left, s->pixels_across, s->w);
}

/* The four pixels around a place, as distances of samples. */
typedef struct corners {
  int64_t at, right, below;
} corners;

static inline corners corners_at(const places *p, int64_t i, const cvy_raster *s) {
  return (corners){p->row[i] * s->row_step + p->column[i] * s->column_step, p->has_right[i] * s->column_step,
                   p->has_below[i] * s->row_step};
}

static inline float mixed(float a, float b, float fraction) {
  return a + fraction * (b - a);
}

static void interpolate_any(float *out, const places *p, int64_t i, const cvy_raster *s, int64_t c) {
  const corners at = corners_at(p, i, s);
  for (int64_t k = 0, j = at.at; k < c; k++, j += s->channel_step)
    out[k] = mixed(mixed(sample_of(s, j), sample_of(s, j + at.right), p->across[i]),
                   mixed(sample_of(s, j + at.below), sample_of(s, j + at.below + at.right), p->across[i]),
                   p->down[i]);
}

/* Three bytes and one more, which counts for nothing. */
static inline pixel pixel_at(const uint8_t *bytes) {
  typedef int32_t numbers __attribute__((vector_size(16)));
  int32_t four;
  memcpy(&four, bytes, sizeof four);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  const numbers place = {0, 8, 16, 24};
#else
  const numbers place = {24, 16, 8, 0};
#endif
  const numbers spread = ((numbers){four, four, four, four} >> place) & 255;
  return __builtin_convertvector(spread, pixel);
}

static inline pixel mixed_pixel(pixel a, pixel b, float fraction) {
  return a + fraction * (b - a);
}

static inline pixel interpolate_rgb(const places *p, int64_t i, const cvy_raster *s) {
  const corners c = corners_at(p, i, s);
  const uint8_t *above = (const uint8_t *)s->samples + c.at, *below = above + c.below;
  return mixed_pixel(mixed_pixel(pixel_at(above), pixel_at(above + c.right), p->across[i]),
                     mixed_pixel(pixel_at(below), pixel_at(below + c.right), p->across[i]), p->down[i]);
}

/* A pixel is written with one sample too many, which the next one covers. The sheet's last pixel has no byte behind it. */
CVY_FOR_EACH_MACHINE static void interpolate_rgb_row(float *out, const places *p, int64_t count,
                                                     const cvy_raster *s) {
  for (int64_t i = 0; i < count; i++) {
    const bool is_last = i + 1 == count;
    const bool at_end = p->row[i] + p->has_below[i] + 1 == s->h && p->column[i] + p->has_right[i] + 1 == s->w;
    if (is_last || at_end) {
      interpolate_any(out + 3 * i, p, i, s, 3);
    } else {
      const pixel value = interpolate_rgb(p, i, s);
      memcpy(out + 3 * i, &value, sizeof value);
    }
  }
}

static void colour_row(float *out, const cvy_picture *p, const line *l) {
  for (int64_t i = 0; i < l->count; i++)
    if (l->colour_of[i] >= 0)
      memcpy(out + i * p->c, p->maps[l->colour_of[i]].edge.colour, sizeof *out * (size_t)p->c);
}

static void interpolate_row(float *out, const cvy_picture *p, const line *l, places *at) {
  const cvy_raster *s = &p->sheet;
  find_places(at, l, s);
  if (p->c == 3 && is_interleaved(s, 3) && !s->is_float)
    interpolate_rgb_row(out, at, l->count, s);
  else
    for (int64_t i = 0; i < l->count; i++) interpolate_any(out + i * p->c, at, i, s, p->c);
  colour_row(out, p, l);
}

static void warp_rows(float *out, const cvy_picture *p, cvy_canvas *canvas, const cvy_normaliser *n) {
  char *memory = lines_of(canvas, line_bytes(p->w) + places_bytes(p->w));
  line l = line_in(memory, p->w);
  places at = places_in(memory + line_bytes(p->w), p->w);
  round_of around;
  go_round(&around, n, p->c);
  for (int64_t y = 0; y < p->h; y++, out += p->w * p->c) {
    lead_row_back(&l, p, y);
    interpolate_row(out, p, &l, &at);
    normalise_line(out, around.mean, around.deviation, p->w * p->c);
  }
}

/* ---- all of it ---- */

cvy_err cvy_picture_normalise(float *out, cvy_picture *p, cvy_canvas *canvas, const cvy_normaliser *n) {
  window v;
  const double start_s = cvy_now_s();
  if (!p->sheet.samples) {
    const int64_t begin_ns = cvy_trace_begin();
    CVY_TRY(decode(p));
    cvy_trace_end(begin_ns, CVY_TRACE_DECODE, NULL, -1);
  }
  const double decoded_s = cvy_now_s();
  canvas->decode_s += decoded_s - start_s;
  if (window_of(&v, p)) {
    copy_rows(out, p, &v, n);
    canvas->copy_s += cvy_now_s() - decoded_s;
    return CVY_OK;
  }
  if (is_scaled(p)) {
    scale_rows(out, p, canvas, n);
  } else {
    halve_sheet(p, canvas);
    warp_rows(out, p, canvas, n);
  }
  canvas->warp_s += cvy_now_s() - decoded_s;
  return CVY_OK;
}
