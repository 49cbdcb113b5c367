/* A picture of numbers along an axis, as SVG. */
#ifndef CVY_REPORT_CURVE_H
#define CVY_REPORT_CURVE_H

#include "base/base.h"

typedef struct cvy_curve {
  const char *title, *across, *up; /* words of the picture and of its axes */
  const double *values;            /* [count], at equal distances */
  int64_t count;
  double from, to; /* what the axis across begins and ends with */
} cvy_curve;

/* Fails with CVY_E_USAGE unless `path` ends in .svg. */
cvy_err cvy_curve_check(const char *path) CVY_MUST_CHECK;
cvy_err cvy_curve_write(const cvy_curve *curve, const char *path) CVY_MUST_CHECK;

#endif
