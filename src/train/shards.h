/* Parameters of which each rank holds and updates its own slices, and what their layers need of the ranks. */
#ifndef CVY_TRAIN_SHARDS_H
#define CVY_TRAIN_SHARDS_H

#include "comm/exchange.h"
#include "train/update.h"

typedef struct cvy_shards {
  cvy_peers peers; /* for the net's plan */
  cvy_comm *comm;
  /* Set before the first step: */
  cvy_exchange *exchange;
  const cvy_step_update *update;
} cvy_shards;

/* Must stay where it is; the tree must outlive it, and allow the ranks. */
void cvy_shards_set(cvy_shards *shards, cvy_comm *comm, const cvy_tree *tree);

/* Of an arena laid out as the parameters, all outside of steps. Collective: from their owners to all ranks, to rank 0, and
 * from rank 0 to their owners. */
void cvy_shards_gather(const cvy_shards *shards, const cvy_net_info *net, float *arena);
void cvy_shards_collect(const cvy_shards *shards, const cvy_net_info *net, float *arena);
void cvy_shards_deal(const cvy_shards *shards, const cvy_net_info *net, float *arena);
/* Not collective: the rank's own. */
void cvy_shards_copy(const cvy_shards *shards, const cvy_net_info *net, float *to, const float *from);

#endif
