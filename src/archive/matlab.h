/* MATLAB's .mat files (version 5), as far as ImageNet's development kit needs them. */
#ifndef CVY_ARCHIVE_MATLAB_H
#define CVY_ARCHIVE_MATLAB_H

#include "base/base.h"

/* A struct array: `count` records of `field_count` fields. */
typedef struct cvy_matlab_structs {
  int64_t count, field_count;
  const char **field_names;
  const char **texts; /* [count][field_count]: the field's text if it is a char array, else NULL */
  double *numbers;    /* [count][field_count]: its first number if it has one, else NaN */
} cvy_matlab_structs;

/* Reads the struct array `name` from a file's bytes; all of it is in `pool`. Errors begin with `path`. */
cvy_err cvy_matlab_read(cvy_matlab_structs *out, cvy_pool *pool, const void *bytes, size_t count,
                        const char *name, const char *path) CVY_MUST_CHECK;

#endif
