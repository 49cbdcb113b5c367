/* The logistic function. */
#include "layer/elementwise.h"

static cvy_err plan(cvy_layer_plan *plan, void *config) {
  plan->backward_reads_y = true;
  return cvy_elementwise_plan(plan, config);
}

static void forward_range(const cvy_layer_call *call, int64_t first, int64_t count) {
  cvy_kernels_get()->sigmoid_forward(call->y + first, call->x[0] + first, count);
}

static void backward_range(const cvy_layer_call *call, int64_t first, int64_t count) {
  cvy_kernels_get()->sigmoid_backward(call->dx[0] + first, call->y + first, call->dy + first, count);
}

static void forward(const cvy_layer_call *call) {
  cvy_elementwise_run(call, forward_range);
}

static void backward(const cvy_layer_call *call) {
  if (call->dx[0]) cvy_elementwise_run(call, backward_range);
}

extern const cvy_layer_type cvy_layer_sigmoid;
const cvy_layer_type cvy_layer_sigmoid = {
    .kind = &(const cvy_kind){.name = "sigmoid", .help = "1 / (1 + exp(-x))"},
    .short_name = "sigmoid",
    .on_scores = "presses scores between 0 and 1",
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
