/* How the gradients of a network are cut into buckets, which travel one after the other. */
#ifndef CVY_TRAIN_CUT_H
#define CVY_TRAIN_CUT_H

#include "net/net.h"

/* Consecutive layers, whose gradients go through the ranks together once the lowest of them has its own. */
typedef struct cvy_bucket {
  int64_t first, end; /* floats of the arena */
  int64_t ready_at;   /* layer */
} cvy_bucket;

enum { CVY_FLOATS_OF_MIB = (1 << 20) / sizeof(float) };

/* Cuts the layers, from the last one down, into buckets of whole layers, as many as it takes to make `least`
 * floats; the last bucket may have less. What is split over the ranks, or frozen, is in none. `out` has room
 * for one bucket a tensor and one more. Returns how many buckets there are, at least one. */
int64_t cvy_cut_buckets(cvy_bucket *out, const cvy_net_info *net, int64_t least);

#endif
