/* Layers that look at one number at a time: y has the shape of x, and may be the same memory. */
#ifndef CVY_LAYER_ELEMENTWISE_H
#define CVY_LAYER_ELEMENTWISE_H

#include "layer/shapes.h"

cvy_err cvy_elementwise_plan(cvy_layer_plan *plan, void *config) CVY_MUST_CHECK;

/* Calls range(call, first, count) over all elements, cut into ranges of fixed length, in parallel. */
typedef void (*cvy_range)(const cvy_layer_call *call, int64_t first, int64_t count);
void cvy_elementwise_run(const cvy_layer_call *call, cvy_range range);

#endif
