/* Gathers and deals out parameters of which each rank holds a part. */
#include "train/split.h"

cvy_peers cvy_peers_of(const cvy_comm *comm, const cvy_tree *tree) {
  return (cvy_peers){.count = cvy_comm_size(comm),
                     .rank = cvy_comm_rank(comm),
                     .leaves = tree->leaves,
                     .level_count = tree->level_count,
                     .radix = tree->radix};
}

/* A slice of one tensor. */
typedef struct slice {
  int owner;
  int64_t first, end; /* floats of the arena */
} slice;

static slice slice_of(const cvy_peers *peers, const cvy_net_param *p, int owner) {
  const int64_t own = peers->leaves / peers->count, rows = p->spec->dims[0], row_floats = p->count / rows;
  return (slice){owner, p->offset + cvy_slice_first(peers, owner * own, rows) * row_floats,
                 p->offset + cvy_slice_first(peers, (owner + 1) * own, rows) * row_floats};
}

void cvy_split_own(const cvy_split *split, void (*part)(void *context, int64_t first, int64_t end),
                   void *context) {
  for (int64_t i = 0; i < split->net->param_tensors; i++) {
    if (!split->net->params[i].spec->sharded) continue;
    const slice own = slice_of(split->peers, &split->net->params[i], (int)split->peers->rank);
    if (own.first < own.end) part(context, own.first, own.end);
  }
}

static void for_each_slice(const cvy_split *split, float *arena,
                           void (*move)(cvy_comm *comm, int owner, void *data, size_t bytes)) {
  for (int64_t i = 0; i < split->net->param_tensors; i++) {
    if (!split->net->params[i].spec->sharded) continue;
    for (int owner = 0; owner < (int)split->peers->count; owner++) {
      const slice s = slice_of(split->peers, &split->net->params[i], owner);
      move(split->comm, owner, arena + s.first, sizeof *arena * (size_t)(s.end - s.first));
    }
  }
}

static void to_rank_0(cvy_comm *comm, int owner, void *data, size_t bytes) {
  cvy_comm_move(comm, 0, owner, data, bytes);
}

static void from_rank_0(cvy_comm *comm, int owner, void *data, size_t bytes) {
  cvy_comm_move(comm, owner, 0, data, bytes);
}

void cvy_split_gather(const cvy_split *split, float *arena) {
  for_each_slice(split, arena, cvy_comm_broadcast_from);
}

void cvy_split_collect(const cvy_split *split, float *arena) {
  for_each_slice(split, arena, to_rank_0);
}

void cvy_split_deal(const cvy_split *split, float *arena) {
  for_each_slice(split, arena, from_rank_0);
}
