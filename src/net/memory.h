/* The memory planner: offsets for buffers whose lifetimes are known. It knows nothing of networks. */
#ifndef CVY_NET_MEMORY_H
#define CVY_NET_MEMORY_H

#include "base/base.h"

/* A buffer that must keep its contents from moment `first` to moment `last`, both included. */
typedef struct cvy_lifetime {
  size_t bytes;
  int64_t first, last;
  size_t offset; /* out */
} cvy_lifetime;

/* Gives every buffer an offset such that no two that live at the same moment overlap, and returns the bytes
 * needed. It is greedy: each buffer goes into the smallest gap that holds it (Pisarchyk & Lee 2020), in
 * several orders, of which the best plan is taken. */
size_t cvy_memory_plan(cvy_lifetime *buffers, int64_t count);

#endif
