/* Its inputs side by side along the channels: the end of an Inception module (Szegedy et al. 2015). */
#include "layer/shapes.h"

#include <string.h>

static cvy_err plan(cvy_layer_plan *plan, void *config) {
  (void)config;
  const cvy_shape first = plan->x[0];
  if (plan->input_count < 2)
    return cvy_error(CVY_E_INPUT, "it joins two inputs or more; name them: inputs: [a, b]");
  plan->y = first;
  for (int64_t k = 1; k < plan->input_count; k++) {
    const cvy_shape x = plan->x[k];
    if (x.h != first.h || x.w != first.w)
      return cvy_error(CVY_E_INPUT,
                       "its inputs must have one height and width, but input 1 is %" PRId64 "x%" PRId64
                       " and input %" PRId64 " is %" PRId64 "x%" PRId64,
                       first.h, first.w, k + 1, x.h, x.w);
    plan->y.c += x.c;
  }
  return cvy_layer_check_shape(plan->y, "the output");
}

static void forward_image(const void *context, int64_t image, int thread) {
  (void)thread;
  const cvy_layer_call *call = context;
  const cvy_shape s = call->plan->y;
  const int64_t pixels = s.h * s.w;
  int64_t channel = 0;
  for (int64_t k = 0; k < call->plan->input_count; k++) {
    const int64_t c = call->plan->x[k].c;
    const float *x = call->x[k] + image * pixels * c;
    float *y = call->y + image * pixels * s.c + channel;
    for (int64_t p = 0; p < pixels; p++) memcpy(y + p * s.c, x + p * c, sizeof *x * (size_t)c);
    channel += c;
  }
}

static void backward_image(const void *context, int64_t image, int thread) {
  (void)thread;
  const cvy_layer_call *call = context;
  const cvy_shape s = call->plan->y;
  const int64_t pixels = s.h * s.w;
  int64_t channel = 0;
  for (int64_t k = 0; k < call->plan->input_count; channel += call->plan->x[k++].c) {
    if (!call->dx[k]) continue;
    const int64_t c = call->plan->x[k].c;
    float *dx = call->dx[k] + image * pixels * c;
    const float *dy = call->dy + image * pixels * s.c + channel;
    for (int64_t p = 0; p < pixels; p++) memcpy(dx + p * c, dy + p * s.c, sizeof *dx * (size_t)c);
  }
}

static void forward(const cvy_layer_call *call) {
  cvy_parallel(call->plan->y.n, forward_image, call);
}

static void backward(const cvy_layer_call *call) {
  cvy_parallel(call->plan->y.n, backward_image, call);
}

extern const cvy_layer_type cvy_layer_concat;
const cvy_layer_type cvy_layer_concat = {
    .kind = &(const cvy_kind){.name = "concat", .help = "its inputs side by side along the channels"},
    .short_name = "concat",
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
