/* One row of softmax, for the layer and for softmax_loss. */
#ifndef CVY_LAYER_SOFTMAX_H
#define CVY_LAYER_SOFTMAX_H

#include "layer/shapes.h"

/* A row's softmax is y = exp(x - largest) / sum, where sum = sum(exp(x - largest)), so that nothing
 * overflows. y may be x. A NaN makes the whole row NaN. */
typedef struct cvy_softmax_sum {
  float largest;
  double sum;
} cvy_softmax_sum;

cvy_softmax_sum cvy_softmax_row(float *y, const float *x, int64_t classes);

#endif
