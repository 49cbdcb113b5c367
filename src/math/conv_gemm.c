/* Convolution as im2col and a matrix product, for every shape.
 *
 * The rows of a matrix are patches of D = r*s*c floats. Then y = patches filters, dpatches = dy filters^T,
 * which is added back into dx, and dfilters = patches^T dy. The matrix is never whole: a task works on a
 * block of lines (rows of output pixels) whose patches fit its thread's scratch. A 1x1 filter at stride 1
 * without padding sees its input as the matrix, and nothing is copied. Groups take turns within a block: each
 * has patches of its own channels, and its own columns of y, dy and the filters.
 */
#include "base/count.h"
#include "math/conv_shares.h"
#include "math/gemm.h"
#include "math/im2col.h"

#include <string.h>

/* A block's patches should stay in the second-level cache, but a product of few rows pays too much for
 * packing the filters again. */
enum { BLOCK_BYTES = 512 * 1024, LEAST_ROWS = 192, MOST_ROWS = 4096, LEAST_TASKS = 8 };

/* Returns the window over the channels of one group. */
static cvy_window group_window(const cvy_conv_shape *shape) {
  cvy_window window = shape->window;
  window.c /= shape->groups;
  return window;
}

static bool is_pointwise(const cvy_window *g) {
  return g->r == 1 && g->s == 1 && g->stride_h == 1 && g->stride_w == 1 && g->oh == g->h && g->ow == g->w;
}

/* Returns the lines of a block; `g` is the window of a group. */
static int64_t block_lines(const cvy_conv_shape *shape, const cvy_window *g) {
  const int64_t all = shape->n * g->oh;
  const int64_t row_bytes = (int64_t)sizeof(float) * cvy_patch_size(g);
  const int64_t rows = cvy_clamp(BLOCK_BYTES / row_bytes, LEAST_ROWS, MOST_ROWS);
  const int64_t lines = cvy_clamp(rows / g->ow, 1, all);
  const int64_t fewest = cvy_clamp(LEAST_ROWS / g->ow, 1, all);
  return cvy_clamp(cvy_pieces(all, LEAST_TASKS), fewest, cvy_larger(lines, fewest));
}

static bool plan(cvy_conv_way *way, const cvy_conv_shape *shape, cvy_conv_pass pass) {
  const cvy_window g = group_window(shape);
  const int64_t lines = shape->n * g.oh;
  way->block = block_lines(shape, &g);
  if (!is_pointwise(&g))
    way->scratch_bytes_per_thread = sizeof(float) * (size_t)(way->block * g.ow * cvy_patch_size(&g));
  switch (pass) {
  case CVY_CONV_FORWARD:
    way->tasks = cvy_pieces(lines, way->block);
    break;
  case CVY_CONV_BACKWARD_DATA: /* patches overlap, so a task owns whole images */
    way->tasks = cvy_pieces(shape->n, cvy_clamp(way->block / g.oh, 1, shape->n));
    break;
  default:
    cvy_conv_plan_shares(way, shape);
  }
  return true;
}

typedef struct job {
  const cvy_conv_plan *plan;
  const cvy_conv_arrays *arrays;
  const cvy_conv_way *way;
  const cvy_conv_shape *shape;
  cvy_window window; /* window of a group; depth and filters are a group's too */
  int64_t depth, filters;
} job;

static job job_of(const cvy_conv_plan *plan, const cvy_conv_arrays *arrays, cvy_conv_pass pass) {
  job j = {plan, arrays, &plan->ways[pass], &plan->shape, group_window(&plan->shape), 0, 0};
  j.depth = cvy_patch_size(&j.window);
  j.filters = plan->shape.k / plan->shape.groups;
  return j;
}

/* Returns the patches of some lines, [count*ow][D]. They are gathered in the thread's scratch, or are x
 * itself. */
static cvy_factor patches_of(const job *j, int64_t group, int64_t first, int64_t count, int thread) {
  const cvy_window *g = &j->window;
  const int64_t channels = j->shape->window.c;
  const float *x = j->arrays->x + group * g->c;
  if (is_pointwise(g)) return (cvy_factor){.at = x + first * g->ow * channels, .stride = channels};
  float *patches = cvy_conv_thread_scratch(j->plan, j->arrays->scratch, thread);
  cvy_im2col(patches, x, channels, g, first, count);
  return (cvy_factor){.at = patches, .stride = j->depth};
}

/* These find a group's columns of y or dy, from line `first` on, and of the filters. */
static int64_t output_at(const job *j, int64_t group, int64_t first) {
  return first * j->window.ow * j->shape->k + group * j->filters;
}

static cvy_factor filters_of(const job *j, int64_t group, bool transposed) {
  return (cvy_factor){j->arrays->filters + group * j->filters, j->shape->k, transposed};
}

static cvy_factor dy_of(const job *j, int64_t group, int64_t first) {
  return (cvy_factor){.at = j->arrays->dy + output_at(j, group, first), .stride = j->shape->k};
}

static void forward_task(const void *context, int64_t index, int thread) {
  const job *j = context;
  const cvy_conv_shape *shape = j->shape;
  const int64_t first = index * j->way->block;
  const int64_t count = cvy_smaller(j->way->block, shape->n * j->window.oh - first);
  const int64_t rows = count * j->window.ow;
  for (int64_t group = 0; group < shape->groups; group++)
    cvy_gemm(j->arrays->y + output_at(j, group, first), shape->k, patches_of(j, group, first, count, thread),
             filters_of(j, group, false), rows, j->filters, j->depth, 1, 0);
  float *y = j->arrays->y + output_at(j, 0, first);
  if (j->arrays->bias) cvy_kernels_get()->add_rows(y, j->arrays->bias, rows, shape->k);
  if (j->arrays->rectify) cvy_kernels_get()->relu_forward(y, y, rows * shape->k);
}

/* Makes some lines' gradient, of a group's channels: straight into dx, or through the patches. */
static void backward_data_of(const job *j, int64_t group, int64_t first, int64_t count, float *patches) {
  const cvy_window *g = &j->window;
  const int64_t channels = j->shape->window.c;
  const bool direct = is_pointwise(g);
  float *dx = j->arrays->dx + group * g->c;
  cvy_gemm(direct ? dx + first * g->ow * channels : patches, direct ? channels : j->depth,
           dy_of(j, group, first), filters_of(j, group, true), count * g->ow, j->depth, j->filters, 1, 0);
  if (!direct) cvy_col2im(dx, channels, patches, g, first, count);
}

static void backward_data_task(const void *context, int64_t index, int thread) {
  const job *j = context;
  const cvy_conv_shape *shape = j->shape;
  const cvy_window *g = &shape->window;
  const int64_t image_size = g->h * g->w * g->c;
  const int64_t from = index * shape->n / j->way->tasks, to = (index + 1) * shape->n / j->way->tasks;
  float *dx = j->arrays->dx, *patches = cvy_conv_thread_scratch(j->plan, j->arrays->scratch, thread);
  if (!is_pointwise(g)) memset(dx + from * image_size, 0, sizeof *dx * (size_t)((to - from) * image_size));
  for (int64_t first = from * g->oh; first < to * g->oh; first += j->way->block)
    for (int64_t group = 0; group < shape->groups; group++)
      backward_data_of(j, group, first, cvy_smaller(j->way->block, to * g->oh - first), patches);
}

static void backward_filters_task(const void *context, int64_t index, int thread) {
  const job *j = context;
  const cvy_conv_shape *shape = j->shape;
  const cvy_conv_share share = cvy_conv_share_at(j->plan, j->arrays, index);
  if (share.dbias) memset(share.dbias, 0, sizeof(float) * (size_t)shape->k);
  for (int64_t first = share.begin; first < share.end; first += j->way->block) {
    const int64_t count = cvy_smaller(j->way->block, share.end - first), rows = count * j->window.ow;
    for (int64_t group = 0; group < shape->groups; group++) {
      cvy_factor patches = patches_of(j, group, first, count, thread);
      patches.transposed = true;
      cvy_gemm(share.dfilters + group * j->filters, shape->k, patches, dy_of(j, group, first), j->depth,
               j->filters, rows, 1, first == share.begin ? 0 : 1);
    }
    if (share.dbias) cvy_kernels_get()->sum_rows(share.dbias, dy_of(j, 0, first).at, rows, shape->k);
  }
}

static void forward(const cvy_conv_plan *plan, const cvy_conv_arrays *arrays) {
  const job j = job_of(plan, arrays, CVY_CONV_FORWARD);
  cvy_parallel(j.way->tasks, forward_task, &j);
}

static void backward_data(const cvy_conv_plan *plan, const cvy_conv_arrays *arrays) {
  const job j = job_of(plan, arrays, CVY_CONV_BACKWARD_DATA);
  cvy_parallel(j.way->tasks, backward_data_task, &j);
}

static void backward_filters(const cvy_conv_plan *plan, const cvy_conv_arrays *arrays) {
  const job j = job_of(plan, arrays, CVY_CONV_BACKWARD_FILTERS);
  cvy_parallel(j.way->tasks, backward_filters_task, &j);
  cvy_conv_add_shares(plan, arrays);
}

extern const cvy_conv_algorithm cvy_conv_gemm;
const cvy_conv_algorithm cvy_conv_gemm = {
    .name = "gemm",
    .plan = plan,
    .run = {forward, backward_data, backward_filters},
};
