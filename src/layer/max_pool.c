/* Max pooling. Forward notes which place of each window won, one byte an output (two where windows have more
 * than 256 places), so that backward needs neither x nor y. Where backward never comes, an image's notes lie
 * in scratch. Windows may overlap, so a task owns a whole image. */
#include "layer/pooling.h"

static const cvy_option options[] = {CVY_POOLING_OPTIONS, {0}};

/* Returns the bytes of one image's notes. */
static size_t image_bytes(const cvy_layer_plan *plan, const cvy_pooling *pooling) {
  return cvy_place_bytes(&pooling->window) * (size_t)cvy_shape_per_image(plan->y);
}

static cvy_err plan(cvy_layer_plan *plan, void *config) {
  const cvy_pooling *pooling = config;
  CVY_TRY(cvy_pooling_plan(plan, config));
  if (pooling->window.r * pooling->window.s > UINT16_MAX)
    return cvy_error(CVY_E_INPUT, "a window of %" PRId64 "x%" PRId64 " is too large: it may hold %d pixels",
                     pooling->window.r, pooling->window.s, UINT16_MAX);
  plan->state_is_for_backward = true;
  if (plan->gives_dx)
    plan->state_bytes = image_bytes(plan, pooling) * (size_t)plan->y.n;
  else
    plan->scratch_bytes_per_thread = image_bytes(plan, pooling);
  return CVY_OK;
}

static void *winners_of(const cvy_layer_call *call, int64_t n) {
  return (char *)call->state + (size_t)n * image_bytes(call->plan, call->config);
}

static void forward_image(const void *context, int64_t n, int thread) {
  const cvy_layer_call *call = context;
  const cvy_pooling *pooling = call->config;
  void *winners = call->plan->gives_dx ? winners_of(call, n) : cvy_layer_thread_scratch(call, thread);
  cvy_kernels_get()->max_pool_forward(call->y + n * cvy_shape_per_image(call->plan->y), winners,
                                      call->x[0] + n * cvy_shape_per_image(call->plan->x[0]),
                                      &pooling->window);
}

static void backward_image(const void *context, int64_t n, int thread) {
  (void)thread;
  const cvy_layer_call *call = context;
  const cvy_pooling *pooling = call->config;
  cvy_kernels_get()->max_pool_backward(call->dx[0] + n * cvy_shape_per_image(call->plan->x[0]),
                                       winners_of(call, n), call->dy + n * cvy_shape_per_image(call->plan->y),
                                       &pooling->window);
}

static void forward(const cvy_layer_call *call) {
  cvy_parallel(call->plan->y.n, forward_image, call);
}

static void backward(const cvy_layer_call *call) {
  if (call->dx[0]) cvy_parallel(call->plan->y.n, backward_image, call);
}

extern const cvy_layer_type cvy_layer_max_pool;
const cvy_layer_type cvy_layer_max_pool = {
    .kind = &(const cvy_kind){"max_pool", "the largest number of each window", options, sizeof(cvy_pooling)},
    .short_name = "pool",
    .picks = true,
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
