/* Sigmoid and cross-entropy in one layer: y = 1 / (1 + exp(-x)), each score by itself. The loss of a score is
 * -log(y) where its class is there and -log(1 - y) where it is not. Both are log(1 + exp(z)) with z = -x or
 * x. That is computed as max(z, 0) + log1p(exp(-|z|)), which neither overflows nor loses what is small. An
 * image's loss is the sum over its scores. */
#include "layer/loss.h"

#include <math.h>

static cvy_err plan(cvy_layer_plan *plan, void *config) {
  (void)config;
  CVY_TRY(cvy_loss_plan(plan));
  if (plan->x[0].c == 1) plan->class_count = 2;
  return CVY_OK;
}

static const cvy_option options[] = {CVY_LOSS_WEIGHT, {0}};

static double forward_row(float *y, const float *x, int64_t scores, int32_t label, double smoothing) {
  (void)smoothing;
  cvy_kernels_get()->sigmoid_forward(y, x, scores);
  double loss = 0;
  for (int64_t c = 0; c < scores; c++) {
    const double z = cvy_loss_expects(c, scores, label) ? -(double)x[c] : (double)x[c];
    loss += (z > 0 ? z : 0) + log1p(exp(-fabs(z)));
  }
  return loss;
}

static void forward(const cvy_layer_call *call) {
  cvy_loss_forward(call, forward_row);
}

/* Probabilities are rounded to floats: what is nearer to 0 or 1 than their spacing there counts as so far
 * away. */
static double loss_of(const void *config, const double *p, int64_t scores, int32_t label) {
  double loss = 0;
  for (int64_t c = 0; c < scores; c++) {
    const bool expected = cvy_loss_expects(c, scores, label);
    const double right = expected ? p[c] : 1 - p[c], least = expected ? 0x1p-149 : 0x1p-24;
    loss -= log(right < least ? least : right);
  }
  return ((const cvy_loss *)config)->weight * loss;
}

extern const cvy_layer_type cvy_layer_sigmoid_loss;
const cvy_layer_type cvy_layer_sigmoid_loss = {
    .kind = &(
        const cvy_kind){"sigmoid_loss",
                        "yes or no for each class (one score: class 1 or class 0), and its cross-entropy",
                        options, sizeof(cvy_loss)},
    .short_name = "loss",
    .is_loss = true,
    .plan = plan,
    .forward = forward,
    .backward = cvy_loss_backward,
    .loss_of = loss_of,
};
