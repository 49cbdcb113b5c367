/* What the layer types share when they plan and describe: checks of shapes, and where windows lie. */
#ifndef CVY_LAYER_SHAPES_H
#define CVY_LAYER_SHAPES_H

#include "base/options.h"
#include "layer/layer.h"
#include "math/kernels.h"

/* Checks that the plan has one input, and that its shape is sane. */
cvy_err cvy_layer_check_input(const cvy_layer_plan *plan) CVY_MUST_CHECK;
/* Checks that a shape has no more elements than any machine holds; `what` names the thing: "the output". */
cvy_err cvy_layer_check_shape(cvy_shape shape, const char *what) CVY_MUST_CHECK;

extern const char *const cvy_padding_words[];

/* Finds where the windows lie on images of the shape x. An output size is floor((n + 2p - f) / s) + 1. When
 * rounding up it has the ceiling of that quotient, less a window that would begin beyond the image. With
 * "same" it is ceil(n / s), with what padding that takes, the odd row or column of it at the bottom and right
 * (as Keras does it). */
cvy_err cvy_sliding_place(cvy_window *window, const cvy_sliding *sliding, cvy_shape x) CVY_MUST_CHECK;

#endif
