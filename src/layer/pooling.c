/* What max_pool and average_pool share: the words of their options, and their plan. */
#include "layer/pooling.h"

const char *const cvy_global_words[] = {"global", NULL};
const char *const cvy_kernel_words[] = {"kernel", NULL};
const char *const cvy_rounding_words[] = {"down", "up", NULL};

static cvy_sliding resolve(const cvy_pooling *pooling, cvy_shape x) {
  cvy_sliding sliding = pooling->sliding;
  if (sliding.kernel[0] < 0) sliding.kernel[0] = x.h, sliding.kernel[1] = x.w;
  for (int i = 0; i < 2; i++)
    if (sliding.stride[i] < 0) sliding.stride[i] = sliding.kernel[i];
  sliding.round_up = pooling->rounding == 1;
  return sliding;
}

cvy_err cvy_pooling_plan(cvy_layer_plan *plan, void *config) {
  cvy_pooling *pooling = config;
  CVY_TRY(cvy_layer_check_input(plan));
  pooling->resolved = resolve(pooling, plan->x[0]);
  const int64_t *kernel = pooling->resolved.kernel, *padding = pooling->resolved.padding;
  if (padding[0] >= kernel[0] || padding[1] >= kernel[1])
    return cvy_error(CVY_E_INPUT,
                     "a padding of %" PRId64 "x%" PRId64 " leaves windows of %" PRId64 "x%" PRId64
                     " that hold nothing but padding: it must be less than the kernel",
                     padding[0], padding[1], kernel[0], kernel[1]);
  CVY_TRY(cvy_sliding_place(&pooling->window, &pooling->resolved, plan->x[0]));
  plan->sliding = pooling->resolved;
  plan->y = (cvy_shape){plan->x[0].n, pooling->window.oh, pooling->window.ow, plan->x[0].c};
  return cvy_layer_check_shape(plan->y, "the output");
}
