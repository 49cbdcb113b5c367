/* Compiled several times: CVY_KERNELS is the name of this set's table. */
#include "math/kernels.h"

static void add(float *restrict y, const float *restrict x, int64_t count) {
  for (int64_t i = 0; i < count; i++) y[i] += x[i];
}

extern const cvy_kernels CVY_KERNELS;
const cvy_kernels CVY_KERNELS = {
    .name = CVY_KERNELS_NAME,
    .add = add,
};
