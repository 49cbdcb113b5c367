/* Channels of zeros before and behind those that are there: the shortcut without parameters by which a
 * residual network reaches a wider stage (He et al. 2016, section 3.3, option A). */
#include "layer/shapes.h"

#include <string.h>

typedef struct pad_channels {
  int64_t before, behind;
} pad_channels;

static const cvy_option options[] = {
    {.name = "before",
     .type = CVY_INT,
     .offset = offsetof(pad_channels, before),
     .fallback = "0",
     .min = 0,
     .max = 1e6,
     .help = "channels of zeros before the first one"},
    {.name = "behind",
     .type = CVY_INT,
     .offset = offsetof(pad_channels, behind),
     .fallback = "0",
     .min = 0,
     .max = 1e6,
     .help = "channels of zeros behind the last one"},
    {0},
};

static cvy_err plan(cvy_layer_plan *plan, void *config) {
  const pad_channels *self = config;
  CVY_TRY(cvy_layer_check_input(plan));
  plan->y = plan->x[0];
  plan->y.c += self->before + self->behind;
  return cvy_layer_check_shape(plan->y, "the output");
}

static void forward_image(const void *context, int64_t image, int thread) {
  (void)thread;
  const cvy_layer_call *call = context;
  const pad_channels *self = call->config;
  const cvy_shape s = call->plan->y;
  const int64_t pixels = s.h * s.w, c = call->plan->x[0].c;
  const float *x = call->x[0] + image * pixels * c;
  float *y = call->y + image * pixels * s.c;
  memset(y, 0, sizeof *y * (size_t)(pixels * s.c));
  for (int64_t p = 0; p < pixels; p++) memcpy(y + p * s.c + self->before, x + p * c, sizeof *x * (size_t)c);
}

static void backward_image(const void *context, int64_t image, int thread) {
  (void)thread;
  const cvy_layer_call *call = context;
  const pad_channels *self = call->config;
  const cvy_shape s = call->plan->y;
  const int64_t pixels = s.h * s.w, c = call->plan->x[0].c;
  float *dx = call->dx[0] + image * pixels * c;
  const float *dy = call->dy + image * pixels * s.c + self->before;
  for (int64_t p = 0; p < pixels; p++) memcpy(dx + p * c, dy + p * s.c, sizeof *dx * (size_t)c);
}

static void forward(const cvy_layer_call *call) {
  cvy_parallel(call->plan->y.n, forward_image, call);
}

static void backward(const cvy_layer_call *call) {
  if (call->dx[0]) cvy_parallel(call->plan->y.n, backward_image, call);
}

extern const cvy_layer_type cvy_layer_pad_channels;
const cvy_layer_type cvy_layer_pad_channels = {
    .kind = &(const cvy_kind){"pad_channels", "channels of zeros beside those that are there", options,
                              sizeof(pad_channels)},
    .short_name = "pad",
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
