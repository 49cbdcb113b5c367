/* Keeps what this process waits for. */
#include "base/wait.h"

#include "base/base.h"

#include <stdatomic.h>

static _Atomic(const char *) awaited;
static _Atomic double began_s;

void cvy_wait_begins(const char *for_what) {
  atomic_store(&began_s, cvy_now_s());
  atomic_store(&awaited, for_what);
}

void cvy_wait_ends(void) {
  atomic_store(&awaited, NULL);
}

const char *cvy_waits_for(double *since_s) {
  const char *for_what = atomic_load(&awaited);
  *since_s = atomic_load(&began_s);
  return for_what;
}
