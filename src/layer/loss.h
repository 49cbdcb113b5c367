/* What the losses share: one row of scores an image, its label or two labels with their shares, a weight, and
 * a gradient that is the distance of the probabilities y from what they should be. */
#ifndef CVY_LAYER_LOSS_H
#define CVY_LAYER_LOSS_H

#include "layer/shapes.h"

typedef struct cvy_loss {
  double weight;
  double smoothing; /* share of the label that all classes have alike in training; 0 in a loss without it */
} cvy_loss;

/* This is a line for the option table of a loss, whose configuration is a cvy_loss. */
#define CVY_LOSS_WEIGHT                                                                                      \
  {                                                                                                          \
    .name = "weight", .type = CVY_FLOAT, .offset = offsetof(cvy_loss, weight), .fallback = "1", .min = 0,    \
    .max = CVY_NO_LIMIT, .help = "multiplies the loss and its gradient, where a network has several losses"  \
  }

/* Plans a loss of one row of scores, 1x1xclasses; class_count is the number of scores. */
cvy_err cvy_loss_plan(cvy_layer_plan *plan) CVY_MUST_CHECK;

/* Tells whether a score should be high for this label. A single score is that of class 1 against class 0;
 * each of several is its own class's. */
static inline bool cvy_loss_expects(int64_t score, int64_t scores, int32_t label) {
  return scores == 1 ? label == 1 : label == score;
}

/* Makes the probabilities y of one image and returns its loss, which is left out where the label is -1.
 * `smoothing` is the share of the label that all classes have alike. */
typedef double (*cvy_loss_row)(float *y, const float *x, int64_t scores, int32_t label, double smoothing);

/* Makes y and the losses. An image's loss is weight * row(...); with two labels it is the mean of both rows,
 * by their shares. */
void cvy_loss_forward(const cvy_layer_call *call, cvy_loss_row row);
/* Makes dx = loss_scale * weight * (y - target), 0 where the label is -1. The target is 1, or the label's
 * share, where it is expected, and else 0; of that, all scores get their part of the smoothing. */
void cvy_loss_backward(const cvy_layer_call *call);

#endif
