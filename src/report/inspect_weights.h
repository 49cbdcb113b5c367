/* What a file of weights of another program holds, for `convoy inspect`. */
#ifndef CVY_REPORT_INSPECT_WEIGHTS_H
#define CVY_REPORT_INSPECT_WEIGHTS_H

#include "base/base.h"

/* Prints the file's format and notes, its tensors with type and shape, and a hash over names, shapes and
 * values, which are taken as float32. */
cvy_err cvy_inspect_weights(FILE *out, const char *path, bool json) CVY_MUST_CHECK;

#endif
