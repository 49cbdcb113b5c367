/* How fast a place delivers bytes. */
#ifndef CVY_DATA_PROBE_H
#define CVY_DATA_PROBE_H

#include "base/base.h"

typedef struct cvy_reading {
  int64_t bytes;
  double first_bytes_s; /* bytes a second, after the system was asked to forget the files */
  double again_bytes_s; /* right afterwards, when memory holds them */
} cvy_reading;

/* Reads a file, or the files of a folder in the order of their names, as far as `most_bytes` and some seconds
 * go. It fails with CVY_E_INPUT if there is nothing to read. */
cvy_err cvy_probe_reading(cvy_reading *out, const char *path, int64_t most_bytes) CVY_MUST_CHECK;

#endif
