#include "train/gradients.h"

#include "base/trace.h"

#include <stdlib.h>
#include <string.h>

/* What is told of a bucket while it is traced. */
typedef struct journey {
  int64_t left; /* floats that are under way */
  int64_t begin_ns;
} journey;

struct cvy_gradients {
  const cvy_arenas *arenas;
  cvy_comm *comm;
  cvy_tree tree;
  cvy_exchange_way way;
  cvy_shards *shards;
  bool is_whole; /* all ranks have all weights */
  cvy_accumulator *accumulator;
  cvy_exchange *exchange;
  cvy_step_update update;
  int64_t microbatches, microbatch; /* of the rank, a step; the one that is next */
  int64_t bucket_count;
  cvy_bucket *buckets; /* from the last layer's down */
  journey *journeys;
  int64_t submitted;
  cvy_net_observer observer;
};

/* ---- buckets ---- */

static int64_t replicated_before(const cvy_net_info *net, int64_t tensor) {
  do tensor--;
  while (tensor >= 0 && net->params[tensor].spec->sharded);
  return tensor;
}

int64_t cvy_cut_buckets(cvy_bucket *out, const cvy_net_info *net, int64_t least) {
  int64_t count = 0, end = net->replicated_count, next;
  for (int64_t i = replicated_before(net, net->param_tensors); i >= 0; i = next) {
    const cvy_net_param *p = &net->params[i];
    next = replicated_before(net, i);
    const bool is_first_of_layer = next < 0 || net->params[next].layer != p->layer;
    if (next >= 0 && (!is_first_of_layer || end - p->offset < least)) continue;
    out[count++] = (cvy_bucket){p->offset, end, p->layer};
    end = p->offset;
  }
  if (count == 0) out[count++] = (cvy_bucket){0, end, 0};
  return count;
}

static void layer_done(void *context, int64_t layer, bool backward) {
  cvy_gradients *g = context;
  const int64_t next = g->submitted;
  if (!backward || next == g->bucket_count || layer != g->buckets[next].ready_at) return;
  const cvy_bucket *b = &g->buckets[next];
  const int64_t begin_ns = cvy_trace_begin();
  cvy_accumulator_add_last(g->accumulator, b->first, b->end);
  if (g->microbatches > 1) cvy_trace_end(begin_ns, CVY_TRACE_SUM, NULL, next);
  g->journeys[next] = (journey){b->end - b->first, cvy_trace_begin()};
  cvy_exchange_submit(g->exchange, g->bucket_count - 1 - next);
  g->submitted++;
}

static void use_sums(void *context, const float *sums, int64_t first, int64_t end) {
  const cvy_gradients *g = context;
  const int64_t begin_ns = cvy_trace_begin();
  cvy_update_weights(&g->update, sums + first, first, end);
  cvy_trace_end(begin_ns, CVY_TRACE_UPDATE, NULL, -1);
}

/* In the thread that has the exchange; a part lies within one bucket. */
static void part_done(void *context, int64_t first, int64_t end) {
  cvy_gradients *g = context;
  int64_t k = 0;
  while (first < g->buckets[k].first) k++;
  journey *j = &g->journeys[k];
  j->left -= end - first;
  if (j->left == 0)
    cvy_trace_end(j->begin_ns, CVY_TRACE_BUCKET,
                  cvy_net_describe(g->arenas->net)->layers[g->buckets[k].ready_at].name, k);
}

/* ---- creation ---- */

static cvy_err create_exchange(cvy_gradients *g) {
  int64_t *ends = cvy_new(sizeof *ends * (size_t)g->bucket_count);
  for (int64_t k = 0; k < g->bucket_count; k++) ends[k] = g->buckets[g->bucket_count - 1 - k].end;
  const cvy_exchange_config config = {.tree = &g->tree,
                                      .way = g->way,
                                      .count = ends[g->bucket_count - 1],
                                      .bucket_ends = ends,
                                      .bucket_count = g->bucket_count,
                                      .use = use_sums,
                                      .done = part_done,
                                      .context = g};
  const cvy_err err = cvy_exchange_create(&g->exchange, g->comm, &config);
  free(ends);
  return err;
}

static void destroy_exchange(cvy_gradients *g) {
  cvy_exchange_destroy(g->exchange);
  free(g->buckets);
  free(g->journeys);
}

cvy_err cvy_gradients_cut(cvy_gradients *g, int64_t bucket) {
  const cvy_net_info *net = cvy_net_describe(g->arenas->net);
  destroy_exchange(g);
  g->exchange = NULL;
  g->buckets = cvy_new(sizeof *g->buckets * (size_t)(net->param_tensors + 1));
  g->bucket_count = cvy_cut_buckets(g->buckets, net, bucket * CVY_FLOATS_OF_MIB);
  g->journeys = cvy_new(sizeof *g->journeys * (size_t)g->bucket_count);
  const cvy_err err = create_exchange(g);
  g->shards->exchange = g->exchange;
  return err;
}

static cvy_err create(cvy_gradients *g, int64_t bucket) {
  const cvy_net_info *net = cvy_net_describe(g->arenas->net);
  CVY_TRY(cvy_accumulator_create(&g->accumulator, &g->tree, cvy_comm_size(g->comm), net->replicated_count,
                                 net->arena_count));
  g->shards->update = &g->update;
  return cvy_gradients_cut(g, bucket);
}

cvy_err cvy_gradients_create(cvy_gradients **out, cvy_comm *comm, const cvy_step_config *config, int64_t bucket,
                             const cvy_arenas *arenas, cvy_shards *shards) {
  cvy_gradients *g = cvy_new(sizeof *g);
  *out = NULL;
  g->arenas = arenas;
  g->comm = comm;
  g->tree = config->tree;
  g->way = config->way;
  g->shards = shards;
  g->is_whole = true;
  g->update = (cvy_step_update){
      .arenas = arenas, .rule_config = config->rule_config, .microbatches = config->tree.leaves};
  g->microbatches = config->tree.leaves / cvy_comm_size(comm);
  g->observer = (cvy_net_observer){layer_done, g};
  const cvy_err err = create(g, bucket);
  if (err)
    cvy_gradients_destroy(g);
  else
    *out = g;
  return err;
}

void cvy_gradients_destroy(cvy_gradients *g) {
  if (!g) return;
  destroy_exchange(g);
  cvy_accumulator_destroy(g->accumulator);
  free(g);
}

/* ---- a step ---- */

void cvy_gradients_begin(cvy_gradients *g, double rate) {
  g->update.rate = rate;
  g->microbatch = g->submitted = 0;
  g->is_whole = false;
  cvy_accumulator_restart(g->accumulator);
}

void cvy_gradients_backward(cvy_gradients *g, const float *images, const cvy_targets *targets,
                            const cvy_pass *pass) {
  const bool is_last = ++g->microbatch == g->microbatches;
  cvy_net *net = g->arenas->net;
  if (is_last) {
    cvy_exchange_begin(g->exchange, cvy_accumulator_sum(g->accumulator), g->arenas->params);
    cvy_net_observe(net, &g->observer);
  }
  cvy_net_backward(net, cvy_accumulator_leaf(g->accumulator), images, targets, pass);
  cvy_net_observe(net, NULL);
  if (is_last) return;
  const int64_t begin_ns = cvy_trace_begin();
  cvy_accumulator_add(g->accumulator);
  cvy_trace_end(begin_ns, CVY_TRACE_SUM, NULL, -1);
}

void cvy_gradients_finish(cvy_gradients *g) {
  CVY_CHECK(g->submitted == g->bucket_count);
  const int64_t begin_ns = cvy_trace_begin();
  cvy_exchange_finish(g->exchange);
  if (g->microbatches < g->update.microbatches)
    cvy_trace_end(begin_ns, CVY_TRACE_WAIT_FOR_GRADIENTS, NULL, -1);
}

cvy_exchange_times cvy_gradients_times(const cvy_gradients *g) {
  return cvy_exchange_spent(g->exchange);
}

/* ---- what ranks hold a part of ---- */

static const cvy_net_info *net_of(const cvy_gradients *g) {
  return cvy_net_describe(g->arenas->net);
}

void cvy_gradients_whole_weights(cvy_gradients *g) {
  if (!g->is_whole) cvy_shards_gather(g->shards, net_of(g), g->arenas->params);
  g->is_whole = true;
}

typedef struct copying {
  float *to;
  const float *from;
} copying;

static void copy_part(void *context, int64_t first, int64_t end) {
  const copying *c = context;
  memcpy(c->to + first, c->from + first, sizeof(float) * (size_t)(end - first));
}

float *cvy_gradients_room(cvy_gradients *g, int64_t k) {
  return cvy_accumulator_buffer(g->accumulator, k);
}

float *cvy_gradients_whole_state(cvy_gradients *g, int64_t k) {
  float *room = cvy_gradients_room(g, k);
  cvy_exchange_own(g->exchange, copy_part, &(copying){room, g->arenas->state[k]});
  cvy_exchange_gather(g->exchange, room);
  cvy_shards_copy(g->shards, net_of(g), room, g->arenas->state[k]);
  cvy_shards_collect(g->shards, net_of(g), room);
  return room;
}

void cvy_gradients_deal_state(cvy_gradients *g, int64_t k) {
  float *room = cvy_gradients_room(g, k);
  cvy_comm_broadcast(g->comm, room, sizeof *room * (size_t)net_of(g)->replicated_count);
  cvy_exchange_own(g->exchange, copy_part, &(copying){g->arenas->state[k], room});
  cvy_shards_deal(g->shards, net_of(g), room);
  cvy_shards_copy(g->shards, net_of(g), g->arenas->state[k], room);
}
