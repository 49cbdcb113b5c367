/* A filter row over one output pixel is one run of s*c neighbouring floats, in the image as in the patch, so
 * both directions move runs. Runs are short where images have few channels, and there a call of memcpy costs
 * more than the copy; they are copied in whole chunks past their end, which the next run then overwrites.
 * Patches that take only some of the channels move s runs of c floats instead. */
#include "math/im2col.h"

#include <string.h>

enum { CHUNK = 8, LONGEST_SHORT_RUN = 128 };

static inline void copy_past_end(float *to, const float *from, int64_t count) {
  for (int64_t i = 0; i < count; i += CHUNK) memcpy(to + i, from + i, sizeof *to * CHUNK);
}

static inline void zero_run(float *to, int64_t count) {
  for (int64_t i = 0; i < count; i++) to[i] = 0;
}

/* The columns of the filter that lie inside the image, and the image column of the first of them. */
typedef struct overlap {
  int64_t begin, end, column;
} overlap;

static overlap overlap_at(const cvy_window *g, int64_t out_column) {
  const int64_t start = out_column * g->stride_w - g->left;
  overlap o = {.begin = start < 0 ? -start : 0, .end = g->w - start};
  if (o.end > g->s) o.end = g->s;
  if (o.end < o.begin) o.end = o.begin = g->s;
  o.column = start + o.begin;
  return o;
}

static void copy_pixels(float *to, const float *from, int64_t pitch, int64_t count, int64_t channels) {
  if (pitch == channels) channels *= count, count = 1;
  for (int64_t i = 0; i < count; i++)
    memcpy(to + i * channels, from + i * pitch, sizeof *to * (size_t)channels);
}

/* Gathers the patch of one output pixel, with zeros for what lies outside the image. */
static void gather_patch(float *patch, const float *image, int64_t pitch, const cvy_window *g,
                         int64_t out_row, const overlap *o) {
  for (int64_t i = 0; i < g->r; i++, patch += g->s * g->c) {
    const int64_t row = out_row * g->stride_h - g->top + i;
    if (row < 0 || row >= g->h || o->end == o->begin) {
      zero_run(patch, g->s * g->c);
      continue;
    }
    zero_run(patch, o->begin * g->c);
    copy_pixels(patch + o->begin * g->c, image + (row * g->w + o->column) * pitch, pitch, o->end - o->begin,
                g->c);
    zero_run(patch + o->end * g->c, (g->s - o->end) * g->c);
  }
}

/* `room_in` and `room_out` are the floats from image and patches to the ends of their arrays. */
static void gather_line(float *patches, const float *image, int64_t pitch, const cvy_window *g,
                        int64_t out_row, int64_t room_in, int64_t room_out) {
  const int64_t run = g->s * g->c, size = g->r * run, row = out_row * g->stride_h - g->top;
  const int64_t line = g->w * g->c, reach = (g->r - 1) * line + run + CHUNK;
  const bool short_runs = pitch == g->c && run <= LONGEST_SHORT_RUN && row >= 0 && row + g->r <= g->h;
  for (int64_t j = 0; j < g->ow; j++, patches += size, room_out -= size) {
    const overlap o = overlap_at(g, j);
    const int64_t from = row * line + o.column * g->c;
    const bool has_room = from + reach <= room_in && size + CHUNK <= room_out;
    if (!short_runs || o.end - o.begin < g->s || !has_room) {
      gather_patch(patches, image, pitch, g, out_row, &o);
      continue;
    }
    for (int64_t i = 0; i < g->r; i++) copy_past_end(patches + i * run, image + from + i * line, run);
  }
}

void cvy_im2col(float *patches, const float *x, int64_t x_pitch, const cvy_window *g, int64_t first,
                int64_t count) {
  const int64_t image_size = g->h * g->w * x_pitch, line_size = g->ow * cvy_patch_size(g);
  const int64_t images = count > 0 ? (first + count - 1) / g->oh + 1 : 0;
  for (int64_t l = 0; l < count; l++) {
    const int64_t image = (first + l) / g->oh;
    gather_line(patches + l * line_size, x + image * image_size, x_pitch, g, (first + l) % g->oh,
                (images - image) * image_size, (count - l) * line_size);
  }
}

static void scatter_line(float *image, int64_t pitch, const float *patches, const cvy_window *g,
                         int64_t out_row, const cvy_kernels *kernels) {
  const int64_t row = out_row * g->stride_h - g->top, run = g->s * g->c, line = g->w * pitch;
  const int64_t begin = row < 0 ? -row : 0, end = g->h - row < g->r ? g->h - row : g->r;
  const bool whole = pitch == g->c;
  for (int64_t j = 0; j < g->ow; j++, patches += g->r * run) {
    const overlap o = overlap_at(g, j);
    if (o.end == o.begin) continue;
    const int64_t runs = whole ? 1 : o.end - o.begin, length = whole ? (o.end - o.begin) * g->c : g->c;
    int64_t to = (row + begin) * line + o.column * pitch, from = begin * run + o.begin * g->c;
    for (int64_t i = begin; i < end; i++, to += line, from += run)
      for (int64_t k = 0; k < runs; k++)
        kernels->add(image + to + k * pitch, patches + from + k * length, length);
  }
}

void cvy_col2im(float *dx, int64_t dx_pitch, const float *patches, const cvy_window *g, int64_t first,
                int64_t count) {
  const int64_t image_size = g->h * g->w * dx_pitch, line_size = g->ow * cvy_patch_size(g);
  const cvy_kernels *kernels = cvy_kernels_get();
  for (int64_t l = 0; l < count; l++)
    scatter_line(dx + (first + l) / g->oh * image_size, dx_pitch, patches + l * line_size, g,
                 (first + l) % g->oh, kernels);
}
