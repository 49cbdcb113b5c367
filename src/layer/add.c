/* The sum of its inputs, number by number: the shortcut of a residual network (He et al. 2016). */
#include "layer/elementwise.h"

#include <string.h>

static cvy_err plan(cvy_layer_plan *plan, void *config) {
  (void)config;
  const cvy_shape first = plan->x[0];
  if (plan->input_count < 2)
    return cvy_error(CVY_E_INPUT, "it adds two inputs or more; name them: inputs: [a, b]");
  for (int64_t k = 1; k < plan->input_count; k++) {
    const cvy_shape x = plan->x[k];
    if (x.h != first.h || x.w != first.w || x.c != first.c)
      return cvy_error(CVY_E_INPUT,
                       "its inputs must have one shape, but input 1 is %" PRId64 "x%" PRId64 "x%" PRId64
                       " and input %" PRId64 " is %" PRId64 "x%" PRId64 "x%" PRId64,
                       first.h, first.w, first.c, k + 1, x.h, x.w, x.c);
  }
  plan->y = first;
  plan->in_place = true;
  return CVY_OK;
}

static void forward_range(const cvy_layer_call *call, int64_t first, int64_t count) {
  float *y = call->y + first;
  if (call->y != call->x[0]) memcpy(y, call->x[0] + first, sizeof *y * (size_t)count);
  for (int64_t k = 1; k < call->plan->input_count; k++) cvy_kernels_get()->add(y, call->x[k] + first, count);
}

static void backward_range(const cvy_layer_call *call, int64_t first, int64_t count) {
  const float *dy = call->dy + first;
  for (int64_t k = 0; k < call->plan->input_count; k++)
    if (call->dx[k] && call->dx[k] != call->dy) memcpy(call->dx[k] + first, dy, sizeof *dy * (size_t)count);
}

static void forward(const cvy_layer_call *call) {
  cvy_elementwise_run(call, forward_range);
}

static void backward(const cvy_layer_call *call) {
  cvy_elementwise_run(call, backward_range);
}

extern const cvy_layer_type cvy_layer_add;
const cvy_layer_type cvy_layer_add = {
    .kind = &(const cvy_kind){.name = "add", .help = "the sum of two inputs or more"},
    .short_name = "add",
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
