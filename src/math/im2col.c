/* A filter row over one output pixel is one run of s*c neighbouring floats, in the image as in the patch, so
 * both directions move runs. Runs are short where images have few channels, and there a call of memcpy costs
 * more than the copy; they are copied in whole chunks past their end, which the next run then overwrites. */
#include "math/im2col.h"

#include <string.h>

enum { CHUNK = 16, LONGEST_SHORT_RUN = 8 * CHUNK };

/* Where the arrays end: copying past the end of a run is safe while a whole chunk is left. */
typedef struct ends {
  const float *x_end;
  float *patches_end;
} ends;

static inline void copy_run(float *to, const float *from, int64_t count, const ends *e) {
  const bool has_room = e->x_end - from >= count + CHUNK && e->patches_end - to >= count + CHUNK;
  if (!has_room || count > LONGEST_SHORT_RUN) {
    memcpy(to, from, sizeof *to * (size_t)count);
    return;
  }
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

static void gather_line(float *patches, const float *image, const cvy_window *g, int64_t out_row,
                        const ends *e) {
  for (int64_t j = 0; j < g->ow; j++) {
    const overlap o = overlap_at(g, j);
    for (int64_t i = 0; i < g->r; i++, patches += g->s * g->c) {
      const int64_t row = out_row * g->stride_h - g->top + i;
      if (row < 0 || row >= g->h || o.end == o.begin) {
        zero_run(patches, g->s * g->c);
        continue;
      }
      zero_run(patches, o.begin * g->c);
      copy_run(patches + o.begin * g->c, image + (row * g->w + o.column) * g->c, (o.end - o.begin) * g->c, e);
      zero_run(patches + o.end * g->c, (g->s - o.end) * g->c);
    }
  }
}

void cvy_im2col(float *patches, const float *x, const cvy_window *g, int64_t first, int64_t count) {
  const int64_t image_size = g->h * g->w * g->c, line_size = g->ow * cvy_patch_size(g);
  if (count == 0) return;
  const int64_t images = (first + count - 1) / g->oh + 1;
  const ends e = {x + images * image_size, patches + count * line_size};
  for (int64_t l = 0; l < count; l++)
    gather_line(patches + l * line_size, x + (first + l) / g->oh * image_size, g, (first + l) % g->oh, &e);
}

static void scatter_line(float *image, const float *patches, const cvy_window *g, int64_t out_row,
                         const cvy_kernels *kernels) {
  for (int64_t j = 0; j < g->ow; j++) {
    const overlap o = overlap_at(g, j);
    for (int64_t i = 0; i < g->r; i++, patches += g->s * g->c) {
      const int64_t row = out_row * g->stride_h - g->top + i;
      if (row < 0 || row >= g->h || o.end == o.begin) continue;
      kernels->add(image + (row * g->w + o.column) * g->c, patches + o.begin * g->c,
                   (o.end - o.begin) * g->c);
    }
  }
}

void cvy_col2im(float *dx, const float *patches, const cvy_window *g, int64_t first, int64_t count) {
  const int64_t image_size = g->h * g->w * g->c, line_size = g->ow * cvy_patch_size(g);
  const cvy_kernels *kernels = cvy_kernels_get();
  for (int64_t l = 0; l < count; l++)
    scatter_line(dx + (first + l) / g->oh * image_size, patches + l * line_size, g, (first + l) % g->oh,
                 kernels);
}
