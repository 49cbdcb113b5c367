/* Softmax and cross-entropy in one layer: y = exp(x) / sum(exp(x)), loss = -log(y[label]). The row's largest
 * score is subtracted first, so that nothing overflows. The loss is computed from the sum rather than from y,
 * so that a probability of zero still has a finite loss. With label smoothing e (Szegedy et al. 2016, section
 * 7) the loss in training is (1 - e) times that of the label, and e times the mean of all classes' losses. */
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

static const cvy_option options[] = {
    CVY_LOSS_WEIGHT,
    {.name = "smoothing",
     .type = CVY_FLOAT,
     .offset = offsetof(cvy_loss, smoothing),
     .fallback = "0",
     .min = 0,
     .max = 1,
     .help = "label smoothing: the share of each label that all classes have "
             "alike, in training only"},
    {0}};

static double mean_of(const float *x, int64_t classes) {
  double sum = 0;
  for (int64_t c = 0; c < classes; c++) sum += (double)x[c];
  return sum / (double)classes;
}

static double forward_row(float *y, const float *x, int64_t classes, int32_t label, double smoothing) {
  const cvy_softmax_sum s = cvy_softmax_row(y, x, classes);
  if (label < 0) return 0;
  double score = (double)x[label];
  if (smoothing > 0) score += smoothing * (mean_of(x, classes) - score);
  return log(s.sum) - (score - (double)s.largest);
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
    .kind = &(const cvy_kind){"softmax_loss", "class probabilities and their cross-entropy", options,
                              sizeof(cvy_loss)},
    .short_name = "loss",
    .is_loss = true,
    .plan = plan,
    .forward = forward,
    .backward = cvy_loss_backward,
    .loss_of = loss_of,
};
