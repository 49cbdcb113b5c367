/* What an HDF5 file of Convoy's (or any other), or a file of weights holds, for `convoy inspect`. */
#ifndef CVY_REPORT_INSPECT_H
#define CVY_REPORT_INSPECT_H

#include "base/base.h"

/* Prints of a file of weights what cvy_inspect_weights does, and of an HDF5 file format, attributes, datasets
 * with shape and type, and a hash over the datasets' names and contents. */
cvy_err cvy_inspect(FILE *out, const char *path, bool json) CVY_MUST_CHECK;

#endif
