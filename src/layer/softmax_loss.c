/* Softmax and cross-entropy in one layer: y = exp(x) / sum(exp(x)), loss = -log(y[label]), computed with the
 * row's largest score subtracted, so that nothing overflows, and from the sum rather than from y, so that a
 * probability of zero still has a finite loss. */
#include "layer/shapes.h"

#include <math.h>
#include <string.h>

enum { ROWS = 32 };

static cvy_err plan(cvy_layer_plan *plan, void *config) {
  (void)config;
  CVY_TRY(cvy_layer_check_input(plan));
  const cvy_shape x = plan->x[0];
  if (x.h != 1 || x.w != 1)
    return cvy_error(CVY_E_INPUT,
                     "it takes one row of class scores for each image (1x1xclasses), but its input is "
                     "%lldx%lldx%lld: end the network with fc or with average_pool: {kernel: global}",
                     (long long)x.h, (long long)x.w, (long long)x.c);
  if (x.c < 2) return cvy_error(CVY_E_INPUT, "its input has %lld class; it takes at least 2", (long long)x.c);
  plan->y = x;
  plan->backward_reads_y = true;
  plan->needs_labels = true;
  plan->class_count = x.c;
  return CVY_OK;
}

/* The probabilities of one row; returns its loss. A NaN among the scores comes out as a NaN. */
static double forward_row(float *y, const float *x, int64_t classes, int32_t label) {
  float largest = x[0];
  for (int64_t c = 1; c < classes; c++) largest = x[c] > largest ? x[c] : largest;
  cvy_kernels_get()->exp(y, x, largest, classes);
  double sum = 0;
  for (int64_t c = 0; c < classes; c++) sum += (double)y[c];
  cvy_kernels_get()->scale(y, (float)(1 / sum), classes);
  return label < 0 ? 0 : log(sum) - ((double)x[label] - (double)largest);
}

static int64_t rows_end(const cvy_layer_plan *plan, int64_t index) {
  return (index + 1) * ROWS < plan->y.n ? (index + 1) * ROWS : plan->y.n;
}

static void forward_rows(const void *context, int64_t index, int thread) {
  (void)thread;
  const cvy_layer_call *call = context;
  const int64_t classes = call->plan->y.c;
  for (int64_t n = index * ROWS; n < rows_end(call->plan, index); n++) {
    CVY_CHECK(call->labels[n] >= -1 && call->labels[n] < classes, "label %d of %lld classes", call->labels[n],
              (long long)classes);
    call->losses[n] = forward_row(call->y + n * classes, call->x[0] + n * classes, classes, call->labels[n]);
  }
}

/* dx = loss_scale * (y - (1 at the label)) */
static void backward_rows(const void *context, int64_t index, int thread) {
  (void)thread;
  const cvy_layer_call *call = context;
  const int64_t classes = call->plan->y.c;
  for (int64_t n = index * ROWS; n < rows_end(call->plan, index); n++) {
    float *dx = call->dx[0] + n * classes;
    const float *y = call->y + n * classes;
    const int32_t label = call->labels[n];
    if (label < 0) {
      memset(dx, 0, sizeof *dx * (size_t)classes);
      continue;
    }
    for (int64_t c = 0; c < classes; c++)
      dx[c] = call->pass->loss_scale * (y[c] - (c == label ? 1.0f : 0.0f));
  }
}

static void forward(const cvy_layer_call *call) {
  cvy_parallel((call->plan->y.n + ROWS - 1) / ROWS, forward_rows, call);
}

static void backward(const cvy_layer_call *call) {
  if (call->dx[0]) cvy_parallel((call->plan->y.n + ROWS - 1) / ROWS, backward_rows, call);
}

extern const cvy_layer_type cvy_layer_softmax_loss;
const cvy_layer_type cvy_layer_softmax_loss = {
    .kind = &(const cvy_kind){.name = "softmax_loss", .help = "class probabilities and their cross-entropy"},
    .short_name = "loss",
    .is_loss = true,
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
