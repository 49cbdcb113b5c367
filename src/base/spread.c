/* The median and the range of a few measured values. */
#include "base/base.h"

#include <stdlib.h>

static int compare(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

cvy_spread cvy_spread_of(double *values, int64_t count) {
  CVY_CHECK(count > 0);
  qsort(values, (size_t)count, sizeof *values, compare);
  return (cvy_spread){(values[(count - 1) / 2] + values[count / 2]) / 2, values[0], values[count - 1]};
}
