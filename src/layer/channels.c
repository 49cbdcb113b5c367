/* Sums and maps over the rows of a microbatch, in tasks whose sizes follow from its shape. */
#include "layer/channels.h"

#include "base/count.h"

#include <string.h>

/* A task has 64 KB of x, unless that makes more tasks than MOST_TASKS, for every task leaves a row of partial
 * sums. */
enum { TASK_NUMBERS = 16384, MOST_TASKS = 64, BLOCK = 256 };

/* How rows are cut into tasks: by the shape alone, so that sums are the same for any number of threads. */
typedef struct cut {
  int64_t rows, channels, task_rows, tasks;
} cut;

static cut cut_of(cvy_shape s) {
  cut c = {.rows = s.n * s.h * s.w, .channels = s.c};
  const int64_t wanted = cvy_pieces(TASK_NUMBERS, s.c), needed = cvy_pieces(c.rows, MOST_TASKS);
  c.task_rows = cvy_larger(wanted, needed);
  c.tasks = cvy_pieces(c.rows, c.task_rows);
  return c;
}

static int64_t rows_of_task(const cut *c, int64_t index) {
  const int64_t left = c->rows - index * c->task_rows;
  return cvy_smaller(left, c->task_rows);
}

typedef struct job {
  cut cut;
  double *sums, *partial; /* [2][channels]; the same for each task */
  float *y;
  const float *dy, *x, *shift;
  const cvy_affine *by_channel;
} job;

size_t cvy_channels_sum_bytes(cvy_shape shape) {
  const cut c = cut_of(shape);
  return sizeof(double) * 2 * (size_t)(c.channels * (c.tasks + 1));
}

static void sum_task(const void *context, int64_t index, int thread) {
  (void)thread;
  const job *j = context;
  const int64_t channels = j->cut.channels, first = index * j->cut.task_rows * channels;
  cvy_kernels_get()->sum_moments(j->partial + index * 2 * channels, j->dy ? j->dy + first : NULL,
                                 j->x + first, j->shift, rows_of_task(&j->cut, index), channels);
}

static void combine_block(const void *context, int64_t index, int thread) {
  (void)thread;
  const job *j = context;
  const int64_t stride = 2 * j->cut.channels, first = index * BLOCK, left = stride - first;
  const int64_t count = cvy_smaller(left, BLOCK);
  double *sums = j->sums + first;
  memset(sums, 0, sizeof *sums * (size_t)count);
  for (int64_t t = 0; t < j->cut.tasks; t++)
    for (int64_t i = 0; i < count; i++) sums[i] += j->partial[t * stride + first + i];
}

const double *cvy_channels_sum(double *scratch, const float *dy, const float *x, const float *shift,
                               cvy_shape shape) {
  job j = {.cut = cut_of(shape), .sums = scratch, .dy = dy, .x = x, .shift = shift};
  j.partial = scratch + 2 * j.cut.channels;
  cvy_parallel(j.cut.tasks, sum_task, &j);
  cvy_parallel(cvy_pieces(2 * j.cut.channels, BLOCK), combine_block, &j);
  return j.sums;
}

static void map_task(const void *context, int64_t index, int thread) {
  (void)thread;
  const job *j = context;
  const int64_t channels = j->cut.channels, first = index * j->cut.task_rows * channels;
  cvy_kernels_get()->affine_rows(j->y + first, j->dy ? j->dy + first : NULL, j->x + first, j->by_channel,
                                 rows_of_task(&j->cut, index), channels);
}

void cvy_channels_map(float *y, const float *dy, const float *x, const cvy_affine *by_channel,
                      cvy_shape shape) {
  const job j = {.cut = cut_of(shape), .y = y, .dy = dy, .x = x, .by_channel = by_channel};
  cvy_parallel(j.cut.tasks, map_task, &j);
}
