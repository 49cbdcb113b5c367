/* Softmax and cross-entropy in one layer: y = exp(x) / sum(exp(x)), loss = -log(y[label]). The row's largest
 * score is subtracted first, so that nothing overflows. The loss is computed from the sum rather than from y,
 * so that a probability of zero still has a finite loss. */
#include "layer/loss.h"
#include "layer/softmax.h"

#include <math.h>

static cvy_err plan(cvy_layer_plan *plan, void *config) {
  (void)config;
  CVY_TRY(cvy_loss_plan(plan));
  if (plan->x[0].c < 2)
    return cvy_error(CVY_E_INPUT,
                     "its input has %" PRId64 " class; it takes at least 2 (sigmoid_loss takes one "
                     "score for two classes)",
                     plan->x[0].c);
  return CVY_OK;
}

static double forward_row(float *y, const float *x, int64_t classes, int32_t label) {
  const cvy_softmax_sum s = cvy_softmax_row(y, x, classes);
  return label < 0 ? 0 : log(s.sum) - ((double)x[label] - (double)s.largest);
}

static void forward(const cvy_layer_call *call) {
  cvy_loss_forward(call, forward_row);
}

/* Where the label's probability is smaller than any float but 0, it counts as the smallest. */
static double loss_of(const void *config, const double *p, int64_t classes, int32_t label) {
  (void)classes;
  const double own = p[label] < 0x1p-149 ? 0x1p-149 : p[label];
  return -((const cvy_loss *)config)->weight * log(own);
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
    .loss_of = loss_of,
};
