/* Softmax and cross-entropy in one layer: y = exp(x) / sum(exp(x)), loss = -log(y[label]), computed with the
 * row's largest score subtracted, so that nothing overflows, and from the sum rather than from y, so that a
 * probability of zero still has a finite loss. */
#include "layer/loss.h"

#include <math.h>

static cvy_err plan(cvy_layer_plan *plan, void *config) {
  (void)config;
  CVY_TRY(cvy_loss_plan(plan));
  if (plan->x[0].c < 2)
    return cvy_error(CVY_E_INPUT,
                     "its input has %lld class; it takes at least 2 (sigmoid_loss takes one "
                     "score for two classes)",
                     (long long)plan->x[0].c);
  return CVY_OK;
}

/* A NaN among the scores comes out as a NaN. */
static double forward_row(float *y, const float *x, int64_t classes, int32_t label) {
  float largest = x[0];
  for (int64_t c = 1; c < classes; c++) largest = x[c] > largest ? x[c] : largest;
  cvy_kernels_get()->exp(y, x, largest, classes);
  double sum = 0;
  for (int64_t c = 0; c < classes; c++) sum += (double)y[c];
  cvy_kernels_get()->scale(y, (float)(1 / sum), classes);
  return label < 0 ? 0 : log(sum) - ((double)x[label] - (double)largest);
}

static void forward(const cvy_layer_call *call) {
  cvy_loss_forward(call, forward_row);
}

extern const cvy_layer_type cvy_layer_softmax_loss;
const cvy_layer_type cvy_layer_softmax_loss = {
    .kind = &(const cvy_kind){"softmax_loss", "class probabilities and their cross-entropy", cvy_loss_options,
                              sizeof(cvy_loss)},
    .short_name = "loss",
    .is_loss = true,
    .plan = plan,
    .forward = forward,
    .backward = cvy_loss_backward,
};
