/* Ranges of numbers, shared out among the threads. */
#include "layer/elementwise.h"

#include "base/count.h"

/* A range is long enough that handing it out costs nothing beside it, and short enough for the first-level
 * cache. */
enum { RANGE = 8192 };

typedef struct job {
  const cvy_layer_call *call;
  cvy_range range;
  int64_t count;
} job;

cvy_err cvy_elementwise_plan(cvy_layer_plan *plan, void *config) {
  (void)config;
  CVY_TRY(cvy_layer_check_input(plan));
  plan->y = plan->x[0];
  plan->in_place = true;
  return CVY_OK;
}

static void run_range(const void *context, int64_t index, int thread) {
  (void)thread;
  const job *j = context;
  const int64_t first = index * RANGE, left = j->count - first;
  j->range(j->call, first, cvy_smaller(left, RANGE));
}

void cvy_elementwise_run(const cvy_layer_call *call, cvy_range range) {
  const job j = {call, range, cvy_shape_count(call->plan->y)};
  cvy_parallel(cvy_pieces(j.count, RANGE), run_range, &j);
}

typedef struct addition {
  float *to;
  const float *from;
  int64_t count;
} addition;

static void add_range(const void *context, int64_t index, int thread) {
  (void)thread;
  const addition *a = context;
  const int64_t first = index * RANGE, left = a->count - first;
  cvy_kernels_get()->add(a->to + first, a->from + first, cvy_smaller(left, RANGE));
}

void cvy_add_into(float *to, const float *from, int64_t count) {
  const addition a = {to, from, count};
  cvy_parallel(cvy_pieces(count, RANGE), add_range, &a);
}
