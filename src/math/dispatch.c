/* Chooses among the compiled kernel sets by what the processor runs. */
#include "math/kernels.h"

#include <stdlib.h>
#include <string.h>

extern const cvy_kernels cvy_kernels_portable;
#ifdef CVY_X86_KERNELS
extern const cvy_kernels cvy_kernels_avx2, cvy_kernels_avx512;
#endif

/* Returns the sets from the best on; those that this processor lacks are NULL. */
static const cvy_kernels *set_at(int index) {
#ifdef CVY_X86_KERNELS
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  if (index == 0) return avx512 ? &cvy_kernels_avx512 : NULL;
  if (index == 1) return avx2 ? &cvy_kernels_avx2 : NULL;
#endif
  return index == 2 ? &cvy_kernels_portable : NULL;
}

const cvy_kernels *cvy_kernels_named(const char *name) {
  for (int i = 0; i < 3; i++) {
    const cvy_kernels *set = set_at(i);
    if (set && strcmp(set->name, name) == 0) return set;
  }
  return NULL;
}

static const cvy_kernels *choose(void) {
  const char *forced = getenv("CONVOY_KERNELS");
  const cvy_kernels *set = forced ? cvy_kernels_named(forced) : NULL;
  if (forced && !set)
    cvy_warn("CONVOY_KERNELS=%s: this machine has no such set of kernels; the best one is used", forced);
  for (int i = 0; !set; i++) set = set_at(i);
  return set;
}

const cvy_kernels *cvy_kernels_get(void) {
  /* Every thread that comes first finds the same answer, so the race is only about who writes it. */
  static _Atomic(const cvy_kernels *) chosen;
  const cvy_kernels *set = chosen;
  if (!set) chosen = set = choose();
  return set;
}
