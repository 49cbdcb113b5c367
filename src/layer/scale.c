/* A learnt factor and offset for each channel: y = x * scale + bias. */
#include "layer/channels.h"

#include <string.h>

typedef struct scale {
  double scale_value;
  bool bias;
  double bias_value;
} scale;

static const cvy_option options[] = {
    {.name = "scale_value",
     .type = CVY_FLOAT,
     .offset = offsetof(scale, scale_value),
     .fallback = "1",
     .min = -CVY_NO_LIMIT,
     .max = CVY_NO_LIMIT,
     .help = "first value of the factors"},
    {.name = "bias",
     .type = CVY_BOOL,
     .offset = offsetof(scale, bias),
     .fallback = "true",
     .help = "add a learnt number to each channel"},
    {.name = "bias_value",
     .type = CVY_FLOAT,
     .offset = offsetof(scale, bias_value),
     .fallback = "0",
     .min = -CVY_NO_LIMIT,
     .max = CVY_NO_LIMIT,
     .help = "first value of the biases"},
    {0},
};

static cvy_err plan(cvy_layer_plan *plan, void *config) {
  const scale *self = config;
  CVY_TRY(cvy_layer_check_input(plan));
  const cvy_shape x = plan->x[0];
  plan->y = x;
  plan->params[0] = (cvy_param_spec){.name = "scale",
                                     .dim_count = 1,
                                     .dims = {x.c},
                                     .init = {.method = CVY_INIT_CONSTANT, .value = self->scale_value}};
  plan->params[1] = (cvy_param_spec){.name = "bias",
                                     .dim_count = 1,
                                     .dims = {x.c},
                                     .init = {.method = CVY_INIT_CONSTANT, .value = self->bias_value}};
  plan->param_count = self->bias ? 2 : 1;
  plan->backward_reads_x = plan->learns;
  plan->scratch_bytes = cvy_channels_sum_bytes(x) + sizeof(float) * (size_t)x.c;
  return CVY_OK;
}

/* Makes a zero for each channel, behind the scratch of the sums. */
static const float *zeros_of(const cvy_layer_call *call) {
  float *zeros = (float *)((char *)call->scratch + cvy_channels_sum_bytes(call->plan->y));
  memset(zeros, 0, sizeof *zeros * (size_t)call->plan->y.c);
  return zeros;
}

static void forward(const cvy_layer_call *call) {
  const scale *self = call->config;
  const float *zeros = zeros_of(call);
  const cvy_affine by_channel = {
      .centre = zeros, .slope = call->params[0], .offset = self->bias ? call->params[1] : zeros};
  cvy_channels_map(call->y, NULL, call->x[0], &by_channel, call->plan->y);
}

static void find_gradients(const cvy_layer_call *call, const float *zeros) {
  const scale *self = call->config;
  const int64_t channels = call->plan->y.c;
  const double *sums = cvy_channels_sum(call->scratch, call->dy, call->x[0], zeros, call->plan->y);
  for (int64_t c = 0; c < channels; c++) {
    call->grads[0][c] = (float)sums[channels + c];
    if (self->bias) call->grads[1][c] = (float)sums[c];
  }
}

static void backward(const cvy_layer_call *call) {
  const float *zeros = zeros_of(call);
  if (call->plan->learns) find_gradients(call, zeros);
  const cvy_affine by_channel = {.centre = zeros, .slope = call->params[0], .offset = zeros};
  if (call->dx[0]) cvy_channels_map(call->dx[0], NULL, call->dy, &by_channel, call->plan->y);
}

extern const cvy_layer_type cvy_layer_scale;
const cvy_layer_type cvy_layer_scale = {
    .kind = &(const cvy_kind){"scale", "multiplies each channel by a learnt number, and adds another",
                              options, sizeof(scale)},
    .short_name = "scale",
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
