/* Moves a running average of the weights. */
#include "optim/average.h"

#include "math/kernels.h"

#include <string.h>

float cvy_average_share(const cvy_averaging *a, int64_t step) {
  if (a->decay <= 0) return 0;
  const int64_t since = step - a->start - 1;
  if (since <= 0) return 1;
  if (since % a->every != 0) return 0;
  const double made = (double)(since / a->every), kept = (1 + made) / (10 + made);
  return (float)(1 - (a->warmup && kept < a->decay ? kept : a->decay));
}

void cvy_average_move(float *average, const float *weights, float share, int64_t count) {
  if (share == 1)
    memcpy(average, weights, sizeof *average * (size_t)count);
  else if (share > 0)
    cvy_kernels_get()->lerp(average, share, weights, count);
}
