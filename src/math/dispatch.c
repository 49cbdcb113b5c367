#include "math/kernels.h"

#include <stdlib.h>
#include <string.h>

extern const cvy_kernels cvy_kernels_portable;
#ifdef CVY_X86_KERNELS
extern const cvy_kernels cvy_kernels_avx2, cvy_kernels_avx512;
#endif

static const cvy_kernels *choose(void) {
#ifdef CVY_X86_KERNELS
  const char *forced = getenv("CONVOY_KERNELS");
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") &&
                          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512vl");
  if (forced && strcmp(forced, "portable") == 0) return &cvy_kernels_portable;
  if (has_avx512 && !(forced && strcmp(forced, "avx2") == 0)) return &cvy_kernels_avx512;
  if (has_avx2) return &cvy_kernels_avx2;
#endif
  return &cvy_kernels_portable;
}

const cvy_kernels *cvy_kernels_get(void) {
  static const cvy_kernels *chosen;
  if (!chosen) chosen = choose();
  return chosen;
}
