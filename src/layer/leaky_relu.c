/* Rectified linear with a leak: y = x where x > 0, else slope * x (Maas, Hannun & Ng 2013). */
#include "layer/elementwise.h"

typedef struct leaky_relu {
  double slope;
} leaky_relu;

static const cvy_option options[] = {
    {.name = "slope",
     .type = CVY_FLOAT,
     .offset = offsetof(leaky_relu, slope),
     .fallback = "0.01",
     .min = 1e-6,
     .max = 1,
     .help = "of the line below zero"},
    {0},
};

static cvy_err plan(cvy_layer_plan *plan, void *config) {
  plan->backward_reads_y = plan->signs_of_y_suffice = plan->keeps_signs = true;
  return cvy_elementwise_plan(plan, config);
}

static float slope_of(const cvy_layer_call *call) {
  return (float)((const leaky_relu *)call->config)->slope;
}

static void forward_range(const cvy_layer_call *call, int64_t first, int64_t count) {
  cvy_kernels_get()->leaky_relu_forward(call->y + first, call->x[0] + first, slope_of(call), count);
}

/* y has the sign of x, since the slope is positive. */
static void backward_range(const cvy_layer_call *call, int64_t first, int64_t count) {
  cvy_kernels_get()->leaky_relu_backward(call->dx[0] + first, call->y + first, call->dy + first,
                                         slope_of(call), count);
}

static void forward(const cvy_layer_call *call) {
  cvy_elementwise_run(call, forward_range);
}

static void backward(const cvy_layer_call *call) {
  if (call->dx[0]) cvy_elementwise_run(call, backward_range);
}

extern const cvy_layer_type cvy_layer_leaky_relu;
const cvy_layer_type cvy_layer_leaky_relu = {
    .kind = &(const cvy_kind){.name = "leaky_relu",
                              .help = "x where x > 0, else slope * x",
                              .options = options,
                              .config_bytes = sizeof(leaky_relu)},
    .short_name = "leaky",
    .keeps_order = true,
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
