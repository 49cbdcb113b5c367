/* safetensors, written. */
#ifndef CVY_FORMATS_SAFETENSORS_WRITE_H
#define CVY_FORMATS_SAFETENSORS_WRITE_H

#include "formats/formats.h"

/* Writes a model as cvy_weights_format's `write` does. The model must name its tensors. */
cvy_err cvy_safetensors_write(const char *path, const cvy_weights_out *model) CVY_MUST_CHECK;

#endif
