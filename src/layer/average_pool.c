/* Average pooling. Windows may overlap, so a task owns a whole image. */
#include "layer/pooling.h"

static const cvy_option options[] = {
    CVY_POOLING_OPTIONS,
    {.name = "count_padding",
     .type = CVY_BOOL,
     .offset = offsetof(cvy_pooling, count_padding),
     .fallback = "true",
     .help = "divide by the window's size with the padding in it; else by the pixels of the image alone"},
    {0},
};

static void forward_image(const void *context, int64_t n, int thread) {
  (void)thread;
  const cvy_layer_call *call = context;
  const cvy_pooling *pooling = call->config;
  cvy_kernels_get()->average_pool_forward(call->y + n * cvy_shape_per_image(call->plan->y),
                                          call->x[0] + n * cvy_shape_per_image(call->plan->x[0]),
                                          &pooling->window, pooling->count_padding);
}

static void backward_image(const void *context, int64_t n, int thread) {
  (void)thread;
  const cvy_layer_call *call = context;
  const cvy_pooling *pooling = call->config;
  cvy_kernels_get()->average_pool_backward(call->dx[0] + n * cvy_shape_per_image(call->plan->x[0]),
                                           call->dy + n * cvy_shape_per_image(call->plan->y),
                                           &pooling->window, pooling->count_padding);
}

static void forward(const cvy_layer_call *call) {
  cvy_parallel(call->plan->y.n, forward_image, call);
}

static void backward(const cvy_layer_call *call) {
  if (call->dx[0]) cvy_parallel(call->plan->y.n, backward_image, call);
}

extern const cvy_layer_type cvy_layer_average_pool;
const cvy_layer_type cvy_layer_average_pool = {
    .kind = &(const cvy_kind){"average_pool", "the mean of each window", options, sizeof(cvy_pooling)},
    .short_name = "pool",
    .plan = cvy_pooling_plan,
    .forward = forward,
    .backward = backward,
};
