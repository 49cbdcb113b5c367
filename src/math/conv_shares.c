/* The filters' gradient as a sum of shares: how many there are, where they lie, and how they are added. */
#include "math/conv_shares.h"

#include "base/count.h"

#include <string.h>

enum { MOST_COPIES = 16, LEAST_ROWS_OF_COPY = 512, COPIES_BYTES = 32 * 1024 * 1024 };
enum { CHUNK = 16384 };

static int64_t filters_size(const cvy_conv_shape *shape) {
  const cvy_window *g = &shape->window;
  return g->r * g->s * g->c / shape->groups * shape->k;
}

static int64_t copy_size(const cvy_conv_shape *shape) {
  return (int64_t)cvy_aligned(sizeof(float) * (size_t)(filters_size(shape) + shape->k)) /
         (int64_t)sizeof(float);
}

static int64_t copies(const cvy_conv_shape *shape) {
  const int64_t rows = shape->n * shape->window.oh * shape->window.ow;
  const int64_t affordable = COPIES_BYTES / ((int64_t)sizeof(float) * copy_size(shape));
  const int64_t lines = shape->n * shape->window.oh;
  return cvy_clamp(cvy_smaller(rows / LEAST_ROWS_OF_COPY, affordable), 1, cvy_smaller(MOST_COPIES, lines));
}

void cvy_conv_plan_shares(cvy_conv_way *way, const cvy_conv_shape *shape) {
  way->tasks = copies(shape);
  if (way->tasks > 1) way->scratch_bytes = sizeof(float) * (size_t)(way->tasks * copy_size(shape));
}

static int64_t share_count(const cvy_conv_plan *plan) {
  return plan->ways[CVY_CONV_BACKWARD_FILTERS].tasks;
}

cvy_conv_share cvy_conv_share_at(const cvy_conv_plan *plan, const cvy_conv_arrays *arrays, int64_t index) {
  const cvy_conv_shape *shape = &plan->shape;
  const int64_t lines = shape->n * shape->window.oh, shares = share_count(plan);
  cvy_conv_share share = {index * lines / shares, (index + 1) * lines / shares, arrays->dfilters,
                          arrays->dbias};
  if (shares == 1) return share;
  share.dfilters = (float *)arrays->scratch + index * copy_size(shape);
  share.dbias = share.dfilters + filters_size(shape);
  return share;
}

typedef struct job {
  const cvy_conv_plan *plan;
  const cvy_conv_arrays *arrays;
} job;

/* Adds up a piece of all copies, in the order of the copies. */
static void add_piece(const void *context, int64_t index, int thread) {
  (void)thread;
  const job *j = context;
  const cvy_conv_shape *shape = &j->plan->shape;
  const int64_t first = index * CHUNK, count = cvy_smaller(CHUNK, filters_size(shape) - first);
  const float *copy = (const float *)j->arrays->scratch + first;
  float *sum = j->arrays->dfilters + first;
  memcpy(sum, copy, sizeof *sum * (size_t)count);
  for (int64_t i = 1; i < share_count(j->plan); i++)
    cvy_kernels_get()->add(sum, copy + i * copy_size(shape), count);
}

static void add_biases(const cvy_conv_plan *plan, const cvy_conv_arrays *arrays) {
  const cvy_conv_shape *shape = &plan->shape;
  const float *copy = (const float *)arrays->scratch + filters_size(shape);
  float *sum = arrays->dbias;
  memcpy(sum, copy, sizeof *sum * (size_t)shape->k);
  for (int64_t i = 1; i < share_count(plan); i++)
    cvy_kernels_get()->add(sum, copy + i * copy_size(shape), shape->k);
}

void cvy_conv_add_shares(const cvy_conv_plan *plan, const cvy_conv_arrays *arrays) {
  if (share_count(plan) == 1) return;
  cvy_parallel(cvy_pieces(filters_size(&plan->shape), CHUNK), add_piece, &(job){plan, arrays});
  if (arrays->dbias) add_biases(plan, arrays);
}
