/* Dropout (Srivastava et al. 2014), scaled while training so that evaluation is the identity. The mask is
 * not kept: it is a function of (seed, layer, step, sample of the global batch, element), so backward works
 * it out again, and it does not know about microbatches, ranks or threads. */
#include "layer/elementwise.h"

#include <string.h>

typedef struct dropout {
  double rate;
} dropout;

static const cvy_option options[] = {
    {.name = "rate",
     .type = CVY_FLOAT,
     .offset = offsetof(dropout, rate),
     .fallback = "0.5",
     .min = 0,
     .max = 0.999,
     .help = "share of the numbers set to zero in training; the others are divided by 1 - rate"},
    {0},
};

static cvy_err plan(cvy_layer_plan *plan, void *config) {
  plan->keeps_signs = true;
  return cvy_elementwise_plan(plan, config);
}

static void mask_image(float *out, const float *in, const cvy_layer_call *call, int64_t n) {
  const dropout *self = call->config;
  const int64_t count = cvy_shape_per_image(call->plan->y);
  const cvy_random where = {.seed = call->pass->seed,
                            .purpose = CVY_FOR_DROPOUT,
                            .layer = (uint32_t)call->layer_index,
                            .step = (uint32_t)call->pass->step,
                            .sample = (uint32_t)(call->pass->first_sample + n)};
  cvy_kernels_get()->dropout(out + n * count, in + n * count, &where, (uint32_t)(self->rate * 0x1p32),
                             (float)(1 / (1 - self->rate)), count);
}

static void forward_image(const void *context, int64_t n, int thread) {
  (void)thread;
  const cvy_layer_call *call = context;
  mask_image(call->y, call->x[0], call, n);
}

static void backward_image(const void *context, int64_t n, int thread) {
  (void)thread;
  const cvy_layer_call *call = context;
  mask_image(call->dx[0], call->dy, call, n);
}

static void copy(float *out, const float *in, const cvy_layer_plan *plan) {
  if (out != in) memcpy(out, in, sizeof *out * (size_t)cvy_shape_count(plan->y));
}

static void forward(const cvy_layer_call *call) {
  if (call->pass->training)
    cvy_parallel(call->plan->y.n, forward_image, call);
  else
    copy(call->y, call->x[0], call->plan);
}

static void backward(const cvy_layer_call *call) {
  if (!call->dx[0]) return;
  if (call->pass->training)
    cvy_parallel(call->plan->y.n, backward_image, call);
  else
    copy(call->dx[0], call->dy, call->plan);
}

static void describe(char *out, size_t bytes, const void *config) {
  const dropout *self = config;
  snprintf(out, bytes, "%g %%", 100 * self->rate);
}

extern const cvy_layer_type cvy_layer_dropout;
const cvy_layer_type cvy_layer_dropout = {
    .kind = &(const cvy_kind){"dropout", "sets numbers to zero by chance in training", options,
                              sizeof(dropout)},
    .short_name = "drop",
    .hands_on = true,
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .describe = describe,
};
