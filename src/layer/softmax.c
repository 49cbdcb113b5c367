/* Softmax along the channels of each pixel: y = exp(x) / sum(exp(x)). */
#include "layer/softmax.h"

#include "base/count.h"

/* Pixels of a task. */
enum { PIXELS = 32 };

cvy_softmax_sum cvy_softmax_row(float *y, const float *x, int64_t classes) {
  cvy_softmax_sum s = {.largest = x[0]};
  for (int64_t c = 1; c < classes; c++) s.largest = x[c] > s.largest ? x[c] : s.largest;
  cvy_kernels_get()->exp(y, x, s.largest, classes);
  for (int64_t c = 0; c < classes; c++) s.sum += (double)y[c];
  cvy_kernels_get()->scale(y, (float)(1 / s.sum), classes);
  return s;
}

static cvy_err plan(cvy_layer_plan *plan, void *config) {
  (void)config;
  CVY_TRY(cvy_layer_check_input(plan));
  plan->y = plan->x[0];
  plan->in_place = true;
  plan->backward_reads_y = true;
  return CVY_OK;
}

static int64_t pixels_of(const cvy_layer_plan *plan) {
  return plan->y.n * plan->y.h * plan->y.w;
}

static int64_t pixels_end(const cvy_layer_plan *plan, int64_t index) {
  const int64_t end = (index + 1) * PIXELS;
  return end < pixels_of(plan) ? end : pixels_of(plan);
}

static void forward_pixels(const void *context, int64_t index, int thread) {
  (void)thread;
  const cvy_layer_call *call = context;
  const int64_t channels = call->plan->y.c;
  for (int64_t p = index * PIXELS; p < pixels_end(call->plan, index); p++)
    cvy_softmax_row(call->y + p * channels, call->x[0] + p * channels, channels);
}

static void backward_pixels(const void *context, int64_t index, int thread) {
  (void)thread;
  const cvy_layer_call *call = context;
  const int64_t channels = call->plan->y.c, first = index * PIXELS;
  cvy_kernels_get()->softmax_backward(call->dx[0] + first * channels, call->y + first * channels,
                                      call->dy + first * channels, pixels_end(call->plan, index) - first,
                                      channels);
}

static void forward(const cvy_layer_call *call) {
  cvy_parallel(cvy_pieces(pixels_of(call->plan), PIXELS), forward_pixels, call);
}

static void backward(const cvy_layer_call *call) {
  if (call->dx[0]) cvy_parallel(cvy_pieces(pixels_of(call->plan), PIXELS), backward_pixels, call);
}

extern const cvy_layer_type cvy_layer_softmax;
const cvy_layer_type cvy_layer_softmax = {
    .kind = &(const cvy_kind){.name = "softmax",
                              .help = "probabilities along the channels of each pixel; to train with them as "
                                      "the result, end with softmax_loss instead"},
    .short_name = "softmax",
    .on_scores = "presses scores between 0 and 1",
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
