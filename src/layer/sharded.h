/* A matrix product whose weights are split over the ranks, so that their gradients need not travel. */
#ifndef CVY_LAYER_SHARDED_H
#define CVY_LAYER_SHARDED_H

#include "layer/shapes.h"

/* Tells whether it pays to split weights [features][outputs] over these peers. The answer follows from the
 * tree alone, not from the number of ranks, on which no bit may depend. */
bool cvy_sharded_pays(const cvy_peers *peers, int64_t microbatch, int64_t features, int64_t outputs);

/* Splits a layer whose plan stands otherwise: parameter 0 is [features][outputs], y [n][outputs]. */
cvy_err cvy_sharded_plan(cvy_layer_plan *plan) CVY_MUST_CHECK;

/* These are the passes of training: y = x W, and dx = dy W^T where it is asked for. With the rank's last
 * microbatch the peers learn dW = X^T dY of all of the step's images. */
void cvy_sharded_forward(const cvy_layer_call *call);
void cvy_sharded_backward(const cvy_layer_call *call);

#endif
