/* Convolution of images of few channels, a network's first layer, straight from the image (math/direct.h).
 *
 * Under a line (a row of output pixels) each row of a filter sees s*c neighbouring floats, and the next
 * output pixel those that lie stride*c floats further on: a matrix whose rows overlap, in place. Only a
 * padded image is copied, a few lines at a time. Forward sums y [ow][k] of a line over the r rows of the
 * filters; backward sums a row of dfilters [s*c][k] over lines and pixels. With few channels im2col's copies
 * cost as much as the product, and the product is too thin for BLAS. */
#include "base/count.h"
#include "math/conv_shares.h"
#include "math/direct.h"

#include <string.h>

/* It was measured to gain with one and three channels. The more there are, the longer the runs that im2col
 * copies and the deeper BLAS's products. dy of a block of lines is read again for every few numbers of a
 * filter's row, and should stay in the second-level cache. */
enum { MOST_CHANNELS = 4, MOST_LINES = 16, BLOCK_BYTES = 256 * 1024 };

/* These return how many pixels of the image, padding included, a line and `lines` of them look at. */
static int64_t pixels_across(const cvy_window *g) {
  return (g->ow - 1) * g->stride_w + g->s;
}

static int64_t pixels_down(const cvy_window *g, int64_t lines) {
  return (lines - 1) * g->stride_h + g->r;
}

static bool needs_no_padding(const cvy_window *g) {
  return g->top == 0 && g->left == 0 && pixels_down(g, g->oh) <= g->h && pixels_across(g) <= g->w;
}

static int64_t block_lines(const cvy_conv_shape *shape) {
  const cvy_window *g = &shape->window;
  const int64_t lines = BLOCK_BYTES / ((int64_t)sizeof(float) * g->ow * shape->k);
  return cvy_smaller(g->oh, lines < 1 ? 1 : cvy_smaller(lines, MOST_LINES));
}

static bool plan(cvy_conv_way *way, const cvy_conv_shape *shape, cvy_conv_pass pass) {
  const cvy_window *g = &shape->window;
  if (pass == CVY_CONV_BACKWARD_DATA || shape->groups > 1 || g->c > MOST_CHANNELS ||
      shape->k < CVY_DIRECT_LEAST_COLUMNS)
    return false;
  way->block = block_lines(shape);
  if (!needs_no_padding(g))
    way->scratch_bytes_per_thread = sizeof(float) *
                                    (size_t)(pixels_down(g, way->block) * pixels_across(g) * g->c);
  if (pass == CVY_CONV_FORWARD) way->tasks = shape->n * cvy_pieces(g->oh, way->block);
  if (pass == CVY_CONV_BACKWARD_FILTERS) cvy_conv_plan_shares(way, shape);
  return true;
}

typedef struct job {
  const cvy_conv_plan *plan;
  const cvy_conv_arrays *arrays;
  const cvy_conv_way *way;
  const cvy_conv_shape *shape;
  bool streams; /* y goes past the caches */
} job;

static job job_of(const cvy_conv_plan *plan, const cvy_conv_arrays *arrays, cvy_conv_pass pass) {
  return (job){plan, arrays, &plan->ways[pass], &plan->shape, false};
}

/* ---- the image under some lines ---- */

typedef struct image {
  const float *at;
  int64_t pitch; /* floats from row to row */
} image;

/* Copies row `row` of an image, from the window's first column on, with zeros where there is no image. */
static void copy_padded(float *to, const float *x, const cvy_window *g, int64_t row) {
  const int64_t all = pixels_across(g), left = cvy_smaller(g->left, all);
  const int64_t inside = row < 0 || row >= g->h ? 0 : cvy_smaller(g->w, all - left);
  memset(to, 0, sizeof *to * (size_t)(left * g->c));
  if (inside > 0) memcpy(to + left * g->c, x + row * g->w * g->c, sizeof *to * (size_t)(inside * g->c));
  memset(to + (left + inside) * g->c, 0, sizeof *to * (size_t)((all - left - inside) * g->c));
}

/* Returns the image under the lines first ... first+count-1, which are all of one image. */
static image image_under(const job *j, int64_t first, int64_t count, float *memory) {
  const cvy_window *g = &j->shape->window;
  const float *x = j->arrays->x + first / g->oh * g->h * g->w * g->c;
  const int64_t top = first % g->oh * g->stride_h - g->top;
  if (needs_no_padding(g)) return (image){x + top * g->w * g->c, g->w * g->c};
  const int64_t pitch = pixels_across(g) * g->c;
  for (int64_t i = 0; i < pixels_down(g, count); i++) copy_padded(memory + i * pitch, x, g, top + i);
  return (image){memory, pitch};
}

/* ---- passes ---- */

static void sum_line(const job *j, const image *under, int64_t line, int64_t line_of_block) {
  const cvy_window *g = &j->shape->window;
  const int64_t k = j->shape->k, run = g->s * g->c;
  cvy_kernels_get()->direct->multiply(
      &(cvy_direct_product){.c = j->arrays->y + line * g->ow * k,
                            .c_row = k,
                            .start = j->arrays->bias,
                            .a = under->at + line_of_block * g->stride_h * under->pitch,
                            .a_row = g->stride_w * g->c,
                            .a_outer = under->pitch,
                            .a_inner = 1,
                            .b = j->arrays->filters,
                            .b_outer = run * k,
                            .b_inner = k,
                            .rows = g->ow,
                            .columns = k,
                            .outer = g->r,
                            .inner = run,
                            .rectify = j->arrays->rectify,
                            .streams = j->streams});
}

static void forward_task(const void *context, int64_t index, int thread) {
  const job *j = context;
  const cvy_window *g = &j->shape->window;
  const int64_t blocks = cvy_pieces(g->oh, j->way->block), of_image = index % blocks * j->way->block;
  const int64_t first = index / blocks * g->oh + of_image,
                count = cvy_smaller(j->way->block, g->oh - of_image);
  const image under = image_under(j, first, count,
                                  cvy_conv_thread_scratch(j->plan, j->arrays->scratch, thread));
  for (int64_t i = 0; i < count; i++) sum_line(j, &under, first + i, i);
  if (j->streams) cvy_kernels_get()->direct->fence();
}

/* Adds what some lines of one image give. */
static void add_lines(const job *j, const cvy_conv_share *share, int64_t first, int64_t count, int thread) {
  const cvy_window *g = &j->shape->window;
  const int64_t k = j->shape->k, run = g->s * g->c;
  float *memory = cvy_conv_thread_scratch(j->plan, j->arrays->scratch, thread);
  const image under = image_under(j, first, count, memory);
  const float *dy = j->arrays->dy + first * g->ow * k;
  for (int64_t row = 0; row < g->r; row++) {
    float *sum = share->dfilters + row * run * k;
    cvy_kernels_get()->direct->multiply(&(cvy_direct_product){.c = sum,
                                                              .c_row = k,
                                                              .start = sum,
                                                              .start_row = k,
                                                              .a = under.at + row * under.pitch,
                                                              .a_row = 1,
                                                              .a_outer = g->stride_h * under.pitch,
                                                              .a_inner = g->stride_w * g->c,
                                                              .b = dy,
                                                              .b_outer = g->ow * k,
                                                              .b_inner = k,
                                                              .rows = run,
                                                              .columns = k,
                                                              .outer = count,
                                                              .inner = g->ow});
  }
  if (share->dbias) cvy_kernels_get()->sum_rows(share->dbias, dy, count * g->ow, k);
}

static void backward_filters_task(const void *context, int64_t index, int thread) {
  const job *j = context;
  const cvy_window *g = &j->shape->window;
  const cvy_conv_share share = cvy_conv_share_at(j->plan, j->arrays, index);
  memset(share.dfilters, 0, sizeof(float) * (size_t)(g->r * g->s * g->c * j->shape->k));
  if (share.dbias) memset(share.dbias, 0, sizeof(float) * (size_t)j->shape->k);
  int64_t count;
  for (int64_t first = share.begin; first < share.end; first += count) {
    count = cvy_smaller(cvy_smaller(j->way->block, share.end - first), g->oh - first % g->oh);
    add_lines(j, &share, first, count, thread);
  }
}

static void forward(const cvy_conv_plan *plan, const cvy_conv_arrays *arrays) {
  job j = job_of(plan, arrays, CVY_CONV_FORWARD);
  const cvy_window *g = &plan->shape.window;
  j.streams = cvy_streams(arrays->y, plan->shape.n * g->oh * g->ow * plan->shape.k, plan->shape.k);
  cvy_parallel(j.way->tasks, forward_task, &j);
}

static void backward_filters(const cvy_conv_plan *plan, const cvy_conv_arrays *arrays) {
  const job j = job_of(plan, arrays, CVY_CONV_BACKWARD_FILTERS);
  cvy_parallel(j.way->tasks, backward_filters_task, &j);
  cvy_conv_add_shares(plan, arrays);
}

extern const cvy_conv_algorithm cvy_conv_direct;
const cvy_conv_algorithm cvy_conv_direct = {
    .name = "direct",
    .plan = plan,
    .run = {[CVY_CONV_FORWARD] = forward, [CVY_CONV_BACKWARD_FILTERS] = backward_filters},
};
