/* HxWxC as 1x1x(H*W*C), in memory order. In place it does nothing. */
#include "layer/elementwise.h"

#include <string.h>

static cvy_err plan(cvy_layer_plan *plan, void *config) {
  CVY_TRY(cvy_elementwise_plan(plan, config));
  plan->y = (cvy_shape){plan->x[0].n, 1, 1, cvy_shape_per_image(plan->x[0])};
  plan->keeps_signs = true;
  return CVY_OK;
}

static void forward_range(const cvy_layer_call *call, int64_t first, int64_t count) {
  memcpy(call->y + first, call->x[0] + first, sizeof *call->y * (size_t)count);
}

static void backward_range(const cvy_layer_call *call, int64_t first, int64_t count) {
  memcpy(call->dx[0] + first, call->dy + first, sizeof *call->dy * (size_t)count);
}

static void forward(const cvy_layer_call *call) {
  if (call->y != call->x[0]) cvy_elementwise_run(call, forward_range);
}

static void backward(const cvy_layer_call *call) {
  if (call->dx[0] && call->dx[0] != call->dy) cvy_elementwise_run(call, backward_range);
}

extern const cvy_layer_type cvy_layer_flatten;
const cvy_layer_type cvy_layer_flatten = {
    .kind = &(const cvy_kind){.name = "flatten",
                              .help = "an image's numbers as one row of channels; fc does that by itself, "
                                      "concat of different sizes needs it"},
    .short_name = "flatten",
    .hands_on = true,
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
