/* Parameters that are split over the ranks: of each such tensor every rank holds and updates its own
 * slices. */
#ifndef CVY_TRAIN_SPLIT_H
#define CVY_TRAIN_SPLIT_H

#include "comm/comm.h"
#include "comm/tree.h"
#include "net/net.h"

/* Returns the ranks as a network's plan sees them; their number must be one that the tree allows. Who runs
 * the net sets how they swap and learn. The tree must outlive the net. */
cvy_peers cvy_peers_of(const cvy_comm *comm, const cvy_tree *tree);

/* What is split, and over whom. */
typedef struct cvy_split {
  cvy_comm *comm;
  const cvy_peers *peers;
  const cvy_net_info *net;
} cvy_split;

/* Calls `part` for each slice that this rank owns. This call is not collective. */
void cvy_split_own(const cvy_split *split, void (*part)(void *context, int64_t first, int64_t end),
                   void *context);

/* These move slices of an arena that is laid out as the parameters. They are collective, and may only be
 * called outside of steps. */

void cvy_split_gather(const cvy_split *split, float *arena);  /* moves them from their owners to all ranks */
void cvy_split_collect(const cvy_split *split, float *arena); /* moves them from their owners to rank 0 */
void cvy_split_deal(const cvy_split *split, float *arena);    /* moves them from rank 0 to their owners */

#endif
