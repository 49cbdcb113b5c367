/* A picture of numbers along an axis, as SVG. */
#ifndef CVY_REPORT_CURVE_H
#define CVY_REPORT_CURVE_H

#include "base/base.h"

/* Each value holds for an equal part of the axis across, which goes from 0 to `end`. All values are finite,
 * and none is negative. */
/* An upright line at a place of the axis across, with words beside it. */
typedef struct cvy_curve_mark {
  double at;
  const char *text; /* any text */
} cvy_curve_mark;

typedef struct cvy_curve {
  const char *title, *across, *up; /* words of the picture and of its axes, without '<' and '&' */
  const double *values;            /* [count], one or more */
  int64_t count;
  double end; /* more than 0 */
  const cvy_curve_mark *marks;
  int64_t mark_count;
} cvy_curve;

/* Fails with CVY_E_USAGE unless `path` ends in .svg. */
cvy_err cvy_curve_check(const char *path) CVY_MUST_CHECK;
/* Draws the curve to the file `path`. It fails as cvy_curve_check does, and with CVY_E_SYSTEM if the file
 * cannot be written. */
cvy_err cvy_curve_write(const cvy_curve *curve, const char *path) CVY_MUST_CHECK;

#endif
