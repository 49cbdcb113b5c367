/* Writing a model as Caffe's. */
#ifndef CVY_FORMATS_CAFFE_WRITE_H
#define CVY_FORMATS_CAFFE_WRITE_H

#include "formats/formats.h"

/* Writes the weights with their network to `path`, and the network without auxiliary heads as text beside it:
 * NAME.prototxt for NAME.caffemodel. Names of tensors and classes have no place there. Errors name the layer
 * that Caffe has no word for. */
cvy_err cvy_caffe_write(const char *path, const cvy_weights_out *model) CVY_MUST_CHECK;

#endif
