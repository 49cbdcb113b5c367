/* What the sources of the format keras share. */
#ifndef CVY_FORMATS_KERAS_H
#define CVY_FORMATS_KERAS_H

#include "formats/formats.h"

/* Attributes of ours that a Keras file may have beside Keras' own: JSON texts {"bgr": ..., "mean": [...],
 * "deviation": [...]} and [name, ...]. Keras leaves them alone. */
#define CVY_KERAS_INPUT   "convoy_input"
#define CVY_KERAS_CLASSES "convoy_classes"

/* Writes a whole model as Keras 2 does: attribute model_config, and weights in groups of their layers. */
cvy_err cvy_keras_write(const char *path, const cvy_weights_out *model) CVY_MUST_CHECK;

#endif
