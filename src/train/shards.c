#include "train/shards.h"

#include "base/trace.h"

#include <string.h>

/* ---- for the layers ---- */

static void swap(void *context, float *in, int64_t in_stride, const float *out, int64_t out_stride,
                 int64_t count) {
  const cvy_shards *s = context;
  cvy_exchange_swap(s->exchange, in, in_stride, out, out_stride, count);
}

static void learn(void *context, const float *params, const float *gradient, int64_t count) {
  const cvy_shards *s = context;
  const int64_t first = params - s->update->arenas->params;
  const int64_t begin_ns = cvy_trace_begin();
  cvy_threads_alone();
  cvy_update_weights(s->update, gradient, first, first + count);
  cvy_threads_together();
  cvy_trace_end(begin_ns, CVY_TRACE_UPDATE, NULL, -1);
}

void cvy_shards_set(cvy_shards *s, cvy_comm *comm, const cvy_tree *tree) {
  *s = (cvy_shards){.comm = comm,
                    .peers = {.count = cvy_comm_size(comm),
                              .rank = cvy_comm_rank(comm),
                              .leaves = tree->leaves,
                              .level_count = tree->level_count,
                              .radix = tree->radix,
                              .context = s,
                              .swap = swap,
                              .learn = learn}};
}

/* ---- whole arenas ---- */

typedef struct shard {
  int owner;
  int64_t first; /* float of the arena */
  size_t bytes;
} shard;

typedef void (*visitor)(const cvy_shards *s, const shard *part, float *arena, const float *other);

static shard shard_of(const cvy_peers *peers, const cvy_net_param *p, int owner) {
  const int64_t own = peers->leaves / peers->count, rows = p->spec->dims[0], row_floats = p->count / rows;
  const int64_t first = cvy_slice_first(peers, owner * own, rows),
                end = cvy_slice_first(peers, (owner + 1) * own, rows);
  return (shard){owner, p->offset + first * row_floats, sizeof(float) * (size_t)((end - first) * row_floats)};
}

static void for_each_shard(const cvy_shards *s, const cvy_net_info *net, visitor visit, float *arena,
                           const float *other) {
  for (int64_t i = 0; i < net->param_tensors; i++) {
    if (!net->params[i].spec->sharded) continue;
    for (int owner = 0; owner < (int)s->peers.count; owner++) {
      const shard part = shard_of(&s->peers, &net->params[i], owner);
      visit(s, &part, arena, other);
    }
  }
}

static void gather(const cvy_shards *s, const shard *part, float *arena, const float *other) {
  (void)other;
  cvy_comm_broadcast_from(s->comm, part->owner, arena + part->first, part->bytes);
}

static void collect(const cvy_shards *s, const shard *part, float *arena, const float *other) {
  (void)other;
  cvy_comm_move(s->comm, 0, part->owner, arena + part->first, part->bytes);
}

static void deal(const cvy_shards *s, const shard *part, float *arena, const float *other) {
  (void)other;
  cvy_comm_move(s->comm, part->owner, 0, arena + part->first, part->bytes);
}

static void copy(const cvy_shards *s, const shard *part, float *arena, const float *other) {
  if (part->owner == s->peers.rank) memcpy(arena + part->first, other + part->first, part->bytes);
}

void cvy_shards_gather(const cvy_shards *s, const cvy_net_info *net, float *arena) {
  for_each_shard(s, net, gather, arena, NULL);
}

void cvy_shards_collect(const cvy_shards *s, const cvy_net_info *net, float *arena) {
  for_each_shard(s, net, collect, arena, NULL);
}

void cvy_shards_deal(const cvy_shards *s, const cvy_net_info *net, float *arena) {
  for_each_shard(s, net, deal, arena, NULL);
}

void cvy_shards_copy(const cvy_shards *s, const cvy_net_info *net, float *to, const float *from) {
  for_each_shard(s, net, copy, to, from);
}
