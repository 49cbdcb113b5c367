/* Exponential linear: y = x where x > 0, else alpha (exp(x) - 1) (Clevert, Unterthiner & Hochreiter 2016). */
#include "base/count.h"
#include "layer/elementwise.h"

#include <string.h>

/* Numbers that are worked on at once, on the stack. */
enum { PIECE = 256 };

typedef struct elu {
  double alpha;
} elu;

static const cvy_option options[] = {
    {.name = "alpha",
     .type = CVY_FLOAT,
     .offset = offsetof(elu, alpha),
     .fallback = "1",
     .min = 1e-6,
     .max = CVY_NO_LIMIT,
     .help = "far below zero y comes to minus this"},
    {0},
};

/* Rounding can swap neighbours below zero, so the type does not say that it keeps the order. */
static cvy_err plan(cvy_layer_plan *plan, void *config) {
  plan->backward_reads_y = plan->keeps_signs = true;
  return cvy_elementwise_plan(plan, config);
}

static float alpha_of(const cvy_layer_call *call) {
  return (float)((const elu *)call->config)->alpha;
}

/* exp(x) - 1 = -2 t / (1 + t) with t = tanh(-x / 2). For x <= 0 nothing cancels in it, so that the result is
 * as exact near zero as far from it; for x > 0 t is made 0. Nothing here branches, since no processor could
 * guess which way. NaN passes through. */
static void piece_forward(float *y, const float *x, float alpha, int64_t count) {
  float t[PIECE];
  for (int64_t i = 0; i < count; i++) t[i] = -0.5f * x[i];
  cvy_kernels_get()->relu_forward(t, t, count);
  cvy_kernels_get()->tanh_forward(t, t, count);
  cvy_kernels_get()->relu_forward(y, x, count);
  for (int64_t i = 0; i < count; i++) y[i] -= alpha * (2 * t[i] / (1 + t[i]));
}

/* y has the sign of x, since alpha is positive, and alpha exp(x) is y + alpha. */
static void piece_backward(float *dx, const float *y, const float *dy, float alpha, int64_t count) {
  float gradient[PIECE], below[PIECE];
  for (int64_t i = 0; i < count; i++) below[i] = -y[i];
  cvy_kernels_get()->relu_forward(below, below, count);
  cvy_kernels_get()->relu_backward(gradient, y, dy, count);
  for (int64_t i = 0; i < count; i++) gradient[i] += (dy[i] - gradient[i]) * (alpha - below[i]);
  memcpy(dx, gradient, sizeof *dx * (size_t)count);
}

static int64_t piece_count(int64_t left) {
  return cvy_smaller(left, PIECE);
}

static void forward_range(const cvy_layer_call *call, int64_t first, int64_t count) {
  const int64_t end = first + count;
  for (int64_t i = first; i < end; i += PIECE)
    piece_forward(call->y + i, call->x[0] + i, alpha_of(call), piece_count(end - i));
}

static void backward_range(const cvy_layer_call *call, int64_t first, int64_t count) {
  const int64_t end = first + count;
  for (int64_t i = first; i < end; i += PIECE)
    piece_backward(call->dx[0] + i, call->y + i, call->dy + i, alpha_of(call), piece_count(end - i));
}

static void forward(const cvy_layer_call *call) {
  cvy_elementwise_run(call, forward_range);
}

static void backward(const cvy_layer_call *call) {
  if (call->dx[0]) cvy_elementwise_run(call, backward_range);
}

extern const cvy_layer_type cvy_layer_elu;
const cvy_layer_type cvy_layer_elu = {
    .kind = &(const cvy_kind){.name = "elu",
                              .help = "x where x > 0, else alpha * (exp(x) - 1)",
                              .options = options,
                              .config_bytes = sizeof(elu)},
    .short_name = "elu",
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
