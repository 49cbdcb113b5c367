/* What the losses share: one row of scores an image, its label or two labels with their shares, a weight, and
 * a gradient that is the distance of the probabilities y from what they should be. */
#ifndef CVY_LAYER_LOSS_H
#define CVY_LAYER_LOSS_H

#include "layer/shapes.h"

typedef struct cvy_loss {
  double weight;
} cvy_loss;

/* The option table of a loss; its configuration is a cvy_loss. */
extern const cvy_option cvy_loss_options[];

/* Plans a loss of one row of scores, 1x1xclasses; class_count is the number of scores. */
cvy_err cvy_loss_plan(cvy_layer_plan *plan) CVY_MUST_CHECK;

/* Tells whether a score should be high for this label. A single score is that of class 1 against class 0;
 * each of several is its own class's. */
static inline bool cvy_loss_expects(int64_t score, int64_t scores, int32_t label) {
  return scores == 1 ? label == 1 : label == score;
}

/* Makes the probabilities y of one image and returns its loss, which is left out where the label is -1. */
typedef double (*cvy_loss_row)(float *y, const float *x, int64_t scores, int32_t label);

/* Makes y and the losses. An image's loss is weight * row(...); with two labels it is the mean of both rows,
 * by their shares. */
void cvy_loss_forward(const cvy_layer_call *call, cvy_loss_row row);
/* Makes dx = loss_scale * weight * (y - (1, or the label's share, where it is expected)), 0 where the label
 * is -1. */
void cvy_loss_backward(const cvy_layer_call *call);

#endif
