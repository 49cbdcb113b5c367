/* What the layer types share when they plan and describe: checks of shapes, and where windows lie. */
#ifndef CVY_LAYER_SHAPES_H
#define CVY_LAYER_SHAPES_H

#include <convoy/layer.h>

#include "base/options.h"
#include "math/kernels.h"

/* The plan has one input, and its shape is sane. */
cvy_err cvy_layer_check_input(const cvy_layer_plan *plan) CVY_MUST_CHECK;
/* No more elements than any machine holds; `what` names the thing: "the output". */
cvy_err cvy_layer_check_shape(cvy_shape shape, const char *what) CVY_MUST_CHECK;

enum { CVY_PADDING_SAME = -1, CVY_PADDING_VALID = -2 }; /* as CVY_PAIR stores the words of */
extern const char *const cvy_padding_words[];

/* How a window slides, as the user has said it: [height, width]. */
typedef struct cvy_sliding {
  int64_t kernel[2], stride[2];
  int64_t padding[2]; /* or one of the words */
  bool round_up;      /* a last window that the image does not fill counts too */
} cvy_sliding;

/* Where the windows lie on images of the shape x. Sizes: floor((n + 2p - f) / s) + 1, or the ceiling of that
 * quotient when rounding up, less a window that would begin beyond the image; "same": ceil(n / s), with what
 * padding that takes, the odd row or column of it at the bottom and right (as Keras does it). */
cvy_err cvy_sliding_place(cvy_window *window, const cvy_sliding *sliding, cvy_shape x) CVY_MUST_CHECK;

/* "5x5/1 same", "3x3/2", "3x3/1 pad 1" */
void cvy_sliding_describe(char *out, size_t bytes, const cvy_sliding *sliding);

#endif
