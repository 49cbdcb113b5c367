/* The way of a gradient, from backward to new weights:
 *
 *   1. cvy_learner_backward has the net write a microbatch's gradients to a leaf of the accumulator
 *      (comm/tree.h), which adds the leaves of this rank along the tree.
 *   2. In the rank's last microbatch the net says after each layer that it is done (`layer_done`). When
 *      the lowest layer of a bucket is, the bucket's sum over this rank is completed and handed to the
 *      exchange (comm/exchange.h).
 *   3. The exchange takes it through the ranks in blocks, beside backward of the layers below. As soon as
 *      this rank has its part of a block's sums it calls `use_sums`, which updates the weights there, and
 *      hands these on; with the ways `whole` and `mpi` each rank has all sums and updates all weights. It
 *      calls `part_done` for the trace.
 *   4. Split layers exchange activations in place of gradients (`swap`). After the last microbatch they
 *      make the gradient of this rank's slices in blocks, and give each to `learn`, which updates the
 *      weights at once.
 *   5. cvy_learner_finish waits for the exchange. One rank alone updates here.
 *
 * Where the rule wants norms, or the gradient's length is clipped, nobody may be updated before everybody is
 * measured: use_sums is not called, learn only keeps the gradient, and finish does the rest (`update_late`).
 * Each rank measures its share of the length, lets the rule direct the gradients, if it does, and measures
 * its share of the norms. The exact sums travel, each rank updates its part, and the weights are handed on.
 * The sums of gradients hide behind backward as ever; measuring, updating and handing on wait for its end. */
#include "train/learner.h"

#include "base/count.h"
#include "base/trace.h"
#include "train/cut.h"
#include "train/split.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The way of a bucket, as it is told while it is traced. */
typedef struct journey {
  int64_t left; /* floats that are under way */
  int64_t begin_ns;
} journey;

struct cvy_learner {
  cvy_comm *comm;
  cvy_tree tree;
  cvy_exchange_way way;
  cvy_peers peers;
  cvy_net *net;
  const cvy_net_info *info;
  cvy_split split;
  cvy_arenas arenas;
  bool is_whole; /* all ranks have all weights */
  cvy_accumulator *accumulator;
  float *sums; /* sums of the step under way, once the last microbatch has begun */
  cvy_exchange *exchange;
  cvy_step_update update;
  int64_t microbatches, microbatch; /* those of the rank in a step; how many of them backward has begun */
  int64_t bucket_count;
  cvy_bucket *buckets; /* buckets from the last layer's down */
  journey *journeys;
  int64_t submitted;
  cvy_net_observer observer;
  cvy_factors *factors;
  cvy_clipping clipping;
  cvy_clip clip; /* of the step under way */
  bool waits;    /* updates wait for the last gradient of the step, for a norm is wanted first */
  /* These are for a rule that wants norms: */
  int64_t norm_count;
  cvy_norm_sums *norm_sums;
  cvy_norms *norms;
  cvy_squares length; /* of the whole gradient, where that is clipped */
  cvy_averaging averaging;
  double late_s; /* time in update_late since the latest cut */
};

/* ---- while backward goes on ---- */

static void layer_done(void *context, int64_t layer, bool backward) {
  cvy_learner *l = context;
  const int64_t next = l->submitted;
  if (!backward || next == l->bucket_count || layer != l->buckets[next].ready_at) return;
  const cvy_bucket *b = &l->buckets[next];
  const int64_t begin_ns = cvy_trace_begin();
  cvy_accumulator_add_last(l->accumulator, b->first, b->end);
  if (l->microbatches > 1) cvy_trace_end(begin_ns, CVY_TRACE_SUM, NULL, next);
  l->journeys[next] = (journey){b->end - b->first, cvy_trace_begin()};
  cvy_exchange_submit(l->exchange, l->bucket_count - 1 - next);
  l->submitted++;
}

static void update(const cvy_learner *l, const float *gradients, int64_t first, int64_t end) {
  const int64_t begin_ns = cvy_trace_begin();
  cvy_update_weights(&l->update, gradients, first, end);
  cvy_trace_end(begin_ns, CVY_TRACE_UPDATE, NULL, -1);
}

static void use_sums(void *context, const float *sums, int64_t first, int64_t end) {
  update(context, sums + first, first, end);
}

/* Runs in the thread that has the exchange; a part lies within one bucket. */
static void part_done(void *context, int64_t first, int64_t end) {
  cvy_learner *l = context;
  int64_t k = 0;
  while (first < l->buckets[k].first) k++;
  journey *j = &l->journeys[k];
  j->left -= end - first;
  if (j->left == 0)
    cvy_trace_end(j->begin_ns, CVY_TRACE_BUCKET, l->info->layers[l->buckets[k].ready_at].name, k);
}

/* ---- split layers ---- */

static void swap(void *context, float *in, int64_t in_stride, const float *out, int64_t out_stride,
                 int64_t count) {
  const cvy_learner *l = context;
  cvy_exchange_swap(l->exchange, in, in_stride, out, out_stride, count);
}

/* Returns where the gradients of split layers are kept for a rule that wants norms, behind those that are
 * summed. */
static float *kept_gradients(const cvy_learner *l) {
  return cvy_accumulator_buffer(l->accumulator, 0);
}

static void learn(void *context, const float *params, const float *gradient, int64_t count) {
  const cvy_learner *l = context;
  const int64_t first = params - l->arenas.params;
  if (l->waits) {
    memcpy(kept_gradients(l) + first, gradient, sizeof *gradient * (size_t)count);
    return;
  }
  cvy_threads_alone();
  update(l, gradient, first, first + count);
  cvy_threads_together();
}

/* ---- an update that waits for norms ---- */

static void measure(const cvy_learner *l, const float *gradients, int64_t first, int64_t end) {
  cvy_norms_measure(l->norm_sums, &l->update, gradients, first, end);
}

static void measure_sums(void *context, int64_t first, int64_t end) {
  const cvy_learner *l = context;
  measure(l, l->sums + first, first, end);
}

static void measure_slice(void *context, int64_t first, int64_t end) {
  const cvy_learner *l = context;
  measure(l, kept_gradients(l) + first, first, end);
}

static void measure_length_of_sums(void *context, int64_t first, int64_t end) {
  cvy_learner *l = context;
  cvy_gradient_measure(&l->length, &l->arenas, l->sums + first, first, end);
}

static void measure_length_of_slice(void *context, int64_t first, int64_t end) {
  cvy_learner *l = context;
  cvy_gradient_measure(&l->length, &l->arenas, kept_gradients(l) + first, first, end);
}

static void update_sums(void *context, int64_t first, int64_t end) {
  const cvy_learner *l = context;
  update(l, l->sums + first, first, end);
}

static void update_slice(void *context, int64_t first, int64_t end) {
  const cvy_learner *l = context;
  update(l, kept_gradients(l) + first, first, end);
}

static void direct_sums(void *context, int64_t first, int64_t end) {
  const cvy_learner *l = context;
  cvy_update_direct(&l->update, l->sums + first, first, end);
}

static void direct_slice(void *context, int64_t first, int64_t end) {
  const cvy_learner *l = context;
  cvy_update_direct(&l->update, kept_gradients(l) + first, first, end);
}

/* Sees values first ... end-1 of what a rank measures. */
typedef void (*part_of_share)(void *context, int64_t first, int64_t end);

/* Measures this rank's part of the norms. Where all ranks have all sums, each measures a part too, for any
 * cut gives the same bits. */
static void measure_share(cvy_learner *l, part_of_share sums, part_of_share slice) {
  const int64_t count = l->info->replicated_count, rank = cvy_comm_rank(l->comm),
                ranks = cvy_comm_size(l->comm);
  if (l->way == CVY_EXCHANGE_SHARDED && ranks > 1)
    cvy_exchange_own(l->exchange, sums, l);
  else
    sums(l, count * rank / ranks, count * (rank + 1) / ranks);
  cvy_split_own(&l->split, slice, l);
}

static void sum_squares_over_ranks(const cvy_learner *l, cvy_squares *sums, int64_t count) {
  for (int64_t i = 0; i < count; i++) cvy_squares_carry(&sums[i]);
  if (cvy_comm_size(l->comm) > 1)
    cvy_comm_sum(l->comm, sums->digits, count * (int64_t)(sizeof(cvy_squares) / sizeof(int64_t)));
}

/* Finds what the gradient is multiplied with, so that it is no longer than it may be, as PyTorch does. A
 * length that is not finite leaves it as it is: the next check of the weights tells of that. */
static void find_scale(cvy_learner *l) {
  l->length = (cvy_squares){0};
  measure_share(l, measure_length_of_sums, measure_length_of_slice);
  sum_squares_over_ranks(l, &l->length, 1);
  const double scale = l->clipping.norm / (cvy_squares_root(&l->length) + 1e-6);
  l->clip.scale = scale < 1 ? (float)scale : 1;
}

/* Finds the norms over all ranks. The sums of squares are integers, so they add up to the same in any
 * order. */
static void take_norms(cvy_learner *l) {
  memset(l->norm_sums, 0, sizeof *l->norm_sums * (size_t)l->norm_count);
  measure_share(l, measure_sums, measure_slice);
  sum_squares_over_ranks(l, &l->norm_sums[0].weights, 2 * l->norm_count);
  cvy_norms_take(l->norms, l->norm_sums, l->norm_count);
}

static void update_late(cvy_learner *l) {
  const double start_s = cvy_now_s();
  if (l->clipping.norm > 0) find_scale(l);
  if (l->arenas.rule->direct) {
    cvy_exchange_own(l->exchange, direct_sums, l);
    cvy_split_own(&l->split, direct_slice, l);
  }
  if (l->norm_count > 0) take_norms(l);
  cvy_exchange_own(l->exchange, update_sums, l);
  cvy_split_own(&l->split, update_slice, l);
  cvy_exchange_gather(l->exchange, l->arenas.params);
  if (cvy_comm_size(l->comm) > 1) l->late_s += cvy_now_s() - start_s;
}

/* ---- creation ---- */

static cvy_err create_exchange(cvy_learner *l) {
  int64_t *ends = cvy_new(sizeof *ends * (size_t)l->bucket_count);
  for (int64_t k = 0; k < l->bucket_count; k++) ends[k] = l->buckets[l->bucket_count - 1 - k].end;
  const cvy_exchange_config config = {.tree = &l->tree,
                                      .way = l->way,
                                      .count = ends[l->bucket_count - 1],
                                      .bucket_ends = ends,
                                      .bucket_count = l->bucket_count,
                                      .use = l->waits ? NULL : use_sums,
                                      .done = part_done,
                                      .context = l,
                                      .halfway = l->waits && l->way == CVY_EXCHANGE_SHARDED};
  const cvy_err err = cvy_exchange_create(&l->exchange, l->comm, &config);
  free(ends);
  return err;
}

static void destroy_exchange(cvy_learner *l) {
  cvy_exchange_destroy(l->exchange);
  free(l->buckets);
  free(l->journeys);
  l->exchange = NULL;
  l->buckets = NULL;
  l->journeys = NULL;
}

cvy_err cvy_learner_cut(cvy_learner *l, int64_t bucket_mib) {
  destroy_exchange(l);
  l->late_s = 0;
  l->buckets = cvy_new(sizeof *l->buckets * (size_t)(l->info->param_tensors + 1));
  l->bucket_count = cvy_cut_buckets(l->buckets, l->info, bucket_mib * CVY_FLOATS_OF_MIB);
  l->journeys = cvy_new(sizeof *l->journeys * (size_t)l->bucket_count);
  return create_exchange(l);
}

static void prepare_norms(cvy_learner *l) {
  l->norm_count = cvy_norms_count(&l->arenas);
  l->waits = l->norm_count > 0 || l->clipping.norm > 0;
  if (l->norm_count == 0) return;
  l->norm_sums = cvy_new(sizeof *l->norm_sums * (size_t)l->norm_count);
  l->norms = cvy_new(sizeof *l->norms * (size_t)l->norm_count);
  l->update.norms = l->norms;
}

/* ---- averaged weights ---- */

static bool averages(const cvy_learner *l) {
  return l->averaging.decay > 0;
}

static int64_t room_of_average(const cvy_learner *l) {
  return l->arenas.rule->state_count;
}

static cvy_err create_arenas(cvy_learner *l, const cvy_rule *rule) {
  CVY_TRY(cvy_arenas_create(&l->arenas, l->net, rule));
  return averages(l) ? cvy_arenas_add_average(&l->arenas) : CVY_OK;
}

/* The net is planned for the ranks, and where everything else lies follows from the net. */
static cvy_err create(cvy_learner *l, const cvy_learner_config *config) {
  cvy_net_wishes wishes = config->step.wishes;
  wishes.peers = &l->peers;
  CVY_TRY(cvy_net_create(&l->net, config->network, config->step.microbatch, &wishes));
  l->info = cvy_net_describe(l->net);
  l->split = (cvy_split){l->comm, &l->peers, l->info};
  l->factors = cvy_new(sizeof *l->factors * (size_t)(l->info->param_tensors + 1));
  CVY_TRY(cvy_factors_fill(l->factors, &config->step.layers, l->info));
  if (config->step.layers.count > 0) l->update.factors = l->factors;
  CVY_TRY(create_arenas(l, config->step.rule));
  CVY_TRY(cvy_accumulator_create(&l->accumulator, &l->tree, cvy_comm_size(l->comm), l->info->replicated_count,
                                 l->info->arena_count, cvy_larger(room_of_average(l) + averages(l), 1)));
  prepare_norms(l);
  return cvy_learner_cut(l, config->bucket_mib);
}

cvy_err cvy_learner_create(cvy_learner **out, const cvy_learner_config *config) {
  cvy_learner *l = cvy_new(sizeof *l);
  *out = NULL;
  l->comm = config->comm;
  l->tree = config->step.tree;
  l->way = config->step.way;
  l->peers = cvy_peers_of(l->comm, &l->tree);
  l->peers.context = l;
  l->peers.swap = swap;
  l->peers.learn = learn;
  l->is_whole = true;
  l->update = (cvy_step_update){
      .arenas = &l->arenas, .rule_config = config->step.rule_config, .microbatches = l->tree.leaves};
  l->averaging = config->step.averaging;
  l->update.use_buffers = l->averaging.use_buffers;
  l->clipping = config->step.clipping;
  l->clip = (cvy_clip){1, l->clipping.value > 0 ? (float)l->clipping.value : INFINITY};
  if (l->clipping.norm > 0 || l->clipping.value > 0) l->update.clip = &l->clip;
  l->microbatches = l->tree.leaves / cvy_comm_size(l->comm);
  l->observer = (cvy_net_observer){layer_done, l};
  const cvy_err err = create(l, config);
  if (err)
    cvy_learner_destroy(l);
  else
    *out = l;
  return err;
}

void cvy_learner_rest(cvy_learner *l) {
  destroy_exchange(l);
}

void cvy_learner_destroy(cvy_learner *l) {
  if (!l) return;
  destroy_exchange(l);
  cvy_accumulator_destroy(l->accumulator);
  cvy_arenas_destroy(&l->arenas);
  cvy_net_destroy(l->net);
  free(l->factors);
  free(l->norm_sums);
  free(l->norms);
  free(l);
}

cvy_net *cvy_learner_net(const cvy_learner *l) {
  return l->net;
}

const cvy_arenas *cvy_learner_arenas(const cvy_learner *l) {
  return &l->arenas;
}

/* ---- a step ---- */

void cvy_learner_begin(cvy_learner *l, int64_t step, double rate) {
  l->update.step = step;
  l->update.rate = rate;
  l->update.average_share = cvy_average_share(&l->averaging, step);
  l->microbatch = l->submitted = 0;
  l->is_whole = false;
  cvy_accumulator_restart(l->accumulator);
}

void cvy_learner_begin_at_last(cvy_learner *l) {
  cvy_learner_begin(l, 1, 0);
  l->microbatch = l->microbatches - 1;
  cvy_accumulator_restart_at_last(l->accumulator);
}

cvy_err cvy_learner_forget(cvy_learner *l) {
  const cvy_rule *rule = l->arenas.rule;
  cvy_arenas_destroy(&l->arenas);
  return create_arenas(l, rule);
}

void cvy_learner_backward(cvy_learner *l, const float *images, const cvy_targets *targets,
                          const cvy_pass *pass) {
  const bool is_last = ++l->microbatch == l->microbatches;
  if (is_last) {
    l->sums = cvy_accumulator_sum(l->accumulator);
    cvy_exchange_begin(l->exchange, l->sums, l->arenas.params);
    cvy_net_observe(l->net, &l->observer);
  }
  cvy_net_backward(l->net, cvy_accumulator_leaf(l->accumulator), images, targets, pass);
  cvy_net_observe(l->net, NULL);
  if (is_last) return;
  const int64_t begin_ns = cvy_trace_begin();
  cvy_accumulator_add(l->accumulator);
  cvy_trace_end(begin_ns, CVY_TRACE_SUM, NULL, -1);
}

cvy_net_fault cvy_learner_find_fault(cvy_learner *l, const float *images, const cvy_targets *targets,
                                     const cvy_pass *pass) {
  return cvy_net_find_fault(l->net, cvy_accumulator_leaf(l->accumulator), images, targets, pass);
}

void cvy_learner_finish(cvy_learner *l) {
  CVY_CHECK(l->submitted == l->bucket_count);
  const int64_t begin_ns = cvy_trace_begin();
  cvy_exchange_finish(l->exchange);
  if (cvy_comm_size(l->comm) > 1) cvy_trace_end(begin_ns, CVY_TRACE_WAIT_FOR_GRADIENTS, NULL, -1);
  if (l->waits) update_late(l);
}

cvy_exchange_times cvy_learner_times(const cvy_learner *l) {
  cvy_exchange_times times = cvy_exchange_spent(l->exchange);
  times.exposed_s += l->late_s;
  return times;
}

/* ---- what ranks hold a part of ---- */

void cvy_learner_whole_weights(cvy_learner *l) {
  if (!l->is_whole) cvy_split_gather(&l->split, l->arenas.params);
  l->is_whole = true;
}

typedef struct copying {
  float *to;
  const float *from;
} copying;

static void copy_part(void *context, int64_t first, int64_t end) {
  const copying *c = context;
  memcpy(c->to + first, c->from + first, sizeof(float) * (size_t)(end - first));
}

static void copy_own(const cvy_learner *l, float *to, const float *from) {
  copying c = {to, from};
  cvy_exchange_own(l->exchange, copy_part, &c);
  cvy_split_own(&l->split, copy_part, &c);
}

float *cvy_learner_room(cvy_learner *l, int64_t k) {
  return cvy_accumulator_buffer(l->accumulator, k);
}

/* Clears the state of what is frozen, which no step ever changes. */
static void clear_frozen(float *arena, const cvy_net_info *net) {
  for (int64_t i = 0; i < net->param_tensors; i++)
    if (net->params[i].frozen)
      memset(arena + net->params[i].offset, 0, sizeof *arena * (size_t)net->params[i].count);
}

/* Moves to room `k` of rank 0 what all ranks have of an arena. */
static float *collect(cvy_learner *l, int64_t k, const float *own) {
  float *room = cvy_learner_room(l, k);
  copy_own(l, room, own);
  cvy_exchange_gather(l->exchange, room);
  cvy_split_collect(&l->split, room);
  return room;
}

static void deal(cvy_learner *l, int64_t k, float *own) {
  float *room = cvy_learner_room(l, k);
  cvy_comm_broadcast(l->comm, room, sizeof *room * (size_t)l->info->replicated_count);
  cvy_split_deal(&l->split, room);
  copy_own(l, own, room);
}

float *cvy_learner_whole_state(cvy_learner *l, int64_t k) {
  float *room = collect(l, k, l->arenas.state[k]);
  clear_frozen(room, l->info);
  return room;
}

void cvy_learner_deal_state(cvy_learner *l, int64_t k) {
  deal(l, k, l->arenas.state[k]);
}

/* Takes what is frozen from the weights, for no step moves its average. */
static void copy_frozen(float *arena, const float *params, const cvy_net_info *net) {
  for (int64_t i = 0; i < net->param_tensors; i++) {
    const cvy_net_param *p = &net->params[i];
    if (p->frozen) memcpy(arena + p->offset, params + p->offset, sizeof *arena * (size_t)p->count);
  }
}

float *cvy_learner_room_of_average(cvy_learner *l) {
  CVY_CHECK(averages(l));
  return cvy_learner_room(l, room_of_average(l));
}

float *cvy_learner_whole_average(cvy_learner *l) {
  float *room = collect(l, room_of_average(l), l->arenas.average);
  copy_frozen(room, l->arenas.params, l->info);
  return room;
}

void cvy_learner_deal_average(cvy_learner *l) {
  deal(l, room_of_average(l), l->arenas.average);
}

/* ---- the average in place of the weights ---- */

enum { SWAP_BLOCK = 1 << 14 }; /* floats of a task */

static void swap_block(const void *context, int64_t index, int thread) {
  (void)thread;
  const cvy_learner *l = context;
  float *a = l->arenas.params + index * SWAP_BLOCK;
  float *b = cvy_accumulator_buffer(l->accumulator, room_of_average(l)) + index * SWAP_BLOCK;
  const int64_t count = cvy_smaller(l->info->arena_count - index * SWAP_BLOCK, SWAP_BLOCK);
  for (int64_t i = 0; i < count; i++) {
    const float kept = a[i];
    a[i] = b[i];
    b[i] = kept;
  }
}

static void swap_with_room(const cvy_learner *l) {
  cvy_parallel(cvy_pieces(l->info->arena_count, SWAP_BLOCK), swap_block, l);
}

void cvy_learner_show_average(cvy_learner *l) {
  cvy_learner_whole_weights(l);
  float *room = cvy_learner_whole_average(l);
  cvy_split_gather(&l->split, room);
  swap_with_room(l);
}

void cvy_learner_hide_average(cvy_learner *l) {
  swap_with_room(l);
}
