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
 * measured. Then use_sums and learn only take the first look at gradients (`look`), beside backward and while
 * they are in the cache: they measure them, or let a rule that directs turn them into ways, and measure
 * these. The exact sums travel in cvy_learner_finish, each rank updates its part (`update_late`), and the
 * weights are handed on. The squares of the new weights are summed on the way, for the next step.
 *
 * Where the whole length is wanted first, it alone is measured beside backward. How the gradient is clipped
 * follows from it, and directing and a rule's norms from that, so these wait for the end; the norms do not if
 * nothing is clipped. One rank alone has nothing to wait for: where norms are of tensors, it measures and
 * updates one tensor after the other, for small ones are still in the cache. */
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
  /* These are for updates that wait for the last gradient of the step, because a norm is wanted first: */
  bool waits;
  int64_t norm_count; /* norms that the rule wants; there is one sum even if it wants none */
  int64_t sum_count;
  cvy_norm_sums *norm_sums; /* of what this rank measures, until they are summed over the ranks */
  cvy_norms *norms;
  cvy_averaging averaging;
  int64_t first_measured, end_measured; /* what this rank measures of that which all ranks have */
  bool knows_weights;                   /* the last update has measured them */
  double late_s;                        /* time in update_late since the latest cut */
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

/* Does something with gradients first ... end-1 of a step. What the rank `measures` counts for the norms; it
 * is all but where all ranks have the same gradients. */
typedef void (*visit)(cvy_learner *l, float *gradients, int64_t first, int64_t end, bool measures);

static void update_weights(const cvy_learner *l, const float *gradients, int64_t first, int64_t end,
                           cvy_norm_sums *sums) {
  const int64_t begin_ns = cvy_trace_begin();
  cvy_update_weights(&l->update, gradients, first, end, sums);
  cvy_trace_end(begin_ns, CVY_TRACE_UPDATE, NULL, -1);
}

static void update(cvy_learner *l, float *gradients, int64_t first, int64_t end, bool measures) {
  update_weights(l, gradients, first, end, measures && l->norm_count > 0 ? l->norm_sums : NULL);
}

static void measure_length(cvy_learner *l, float *gradients, int64_t first, int64_t end, bool measures) {
  if (measures) cvy_gradients_measure(l->norm_sums, &l->arenas, gradients, first, end, NULL);
}

/* Makes what the rule's norms are of. */
static void measure_way(cvy_learner *l, float *gradients, int64_t first, int64_t end, bool measures) {
  if (l->arenas.rule->direct)
    cvy_update_direct(&l->update, gradients, first, end, measures ? l->norm_sums : NULL);
  else if (measures)
    cvy_gradients_measure(l->norm_sums, &l->arenas, gradients, first, end, l->update.clip);
}

static void look(cvy_learner *l, float *gradients, int64_t first, int64_t end, bool measures) {
  if (measures && l->norm_count > 0 && !l->knows_weights)
    cvy_weights_measure(l->norm_sums, &l->arenas, first, end);
  (l->clipping.norm > 0 ? measure_length : measure_way)(l, gradients, first, end, measures);
}

/* Any cut gives the same norms, so where all ranks have all sums each measures a part. */
static void visit_sums(cvy_learner *l, visit what, int64_t first, int64_t end) {
  const int64_t from = cvy_smaller(cvy_larger(l->first_measured, first), end),
                to = cvy_smaller(cvy_larger(l->end_measured, first), end);
  if (first < from) what(l, l->sums + first, first, from, false);
  if (from < to) what(l, l->sums + from, from, to, true);
  if (to < end) what(l, l->sums + to, to, end, false);
}

static void use_sums(void *context, const float *sums, int64_t first, int64_t end) {
  cvy_learner *l = context;
  CVY_CHECK(sums == l->sums);
  visit_sums(l, l->waits ? look : update, first, end);
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
  cvy_learner *l = context;
  const int64_t first = params - l->arenas.params;
  float *kept = kept_gradients(l) + first;
  cvy_threads_alone();
  if (!l->waits) {
    update_weights(l, gradient, first, first + count, NULL);
  } else {
    memcpy(kept, gradient, sizeof *gradient * (size_t)count);
    if (cvy_comm_size(l->comm) > 1) look(l, kept, first, first + count, true);
  }
  cvy_threads_together();
}

/* ---- an update that waits for norms ---- */

typedef struct visiting {
  cvy_learner *learner;
  visit what;
} visiting;

static void visit_part_of_sums(void *context, int64_t first, int64_t end) {
  const visiting *v = context;
  visit_sums(v->learner, v->what, first, end);
}

static void visit_slice(void *context, int64_t first, int64_t end) {
  const visiting *v = context;
  v->what(v->learner, kept_gradients(v->learner) + first, first, end, true);
}

static void visit_own(cvy_learner *l, visit what) {
  visiting v = {l, what};
  cvy_exchange_own(l->exchange, visit_part_of_sums, &v);
  cvy_split_own(&l->split, visit_slice, &v);
}

static void sum_squares_over_ranks(const cvy_learner *l, cvy_squares *sums, int64_t count) {
  for (int64_t i = 0; i < count; i++) cvy_squares_carry(&sums[i]);
  if (cvy_comm_size(l->comm) > 1)
    cvy_comm_sum(l->comm, sums->digits, count * (int64_t)(sizeof(cvy_squares) / sizeof(int64_t)));
}

/* Finds what the gradient is multiplied with, so that it is no longer than it may be, as PyTorch does. A
 * length that is not finite leaves it as it is: the next check of the weights tells of that. */
static void find_scale(cvy_learner *l) {
  cvy_squares length = {0};
  for (int64_t i = 0; i < l->sum_count; i++) cvy_squares_merge(&length, &l->norm_sums[i].gradient);
  sum_squares_over_ranks(l, &length, 1);
  const double scale = l->clipping.norm / (cvy_squares_root(&length) + 1e-6);
  l->clip.scale = scale < 1 ? (float)scale : 1;
}

/* Tells whether the gradients that were measured are those that the rule's norms are of. */
static bool has_measured_ways(const cvy_learner *l) {
  return l->norm_count == 0 || (!l->arenas.rule->direct && l->clip.scale == 1 && l->clip.bound == INFINITY);
}

static void forget_gradients(cvy_learner *l) {
  for (int64_t i = 0; i < l->sum_count; i++) l->norm_sums[i].gradient = (cvy_squares){0};
}

static void forget_sums(cvy_learner *l) {
  if (l->norm_sums) memset(l->norm_sums, 0, sizeof *l->norm_sums * (size_t)l->sum_count);
  l->knows_weights = false;
}

/* Takes norms from their sums, in whose place the squares of new weights are then summed. */
static void take_norms(cvy_learner *l, int64_t first, int64_t count) {
  cvy_norm_sums *sums = l->norm_sums + first;
  sum_squares_over_ranks(l, &sums->weights, 2 * count);
  cvy_norms_take(l->norms + first, sums, count);
  memset(sums, 0, sizeof *sums * (size_t)count);
}

static void update_all(cvy_learner *l, visit measure_first) {
  if (measure_first) visit_own(l, measure_first);
  if (l->norm_count > 0) take_norms(l, 0, l->norm_count);
  visit_own(l, update);
}

/* Does the same for one rank and norms of tensors. What is frozen has no gradients. */
static void update_by_tensors(cvy_learner *l, visit measure_first) {
  for (int64_t i = 0; i < l->info->param_tensors; i++) {
    const cvy_net_param *p = &l->info->params[i];
    const int64_t first = p->offset, end = first + p->count;
    if (p->frozen) continue;
    float *gradients = (p->spec->sharded ? kept_gradients(l) : l->sums) + first;
    if (measure_first) measure_first(l, gradients, first, end, true);
    take_norms(l, i, 1);
    update(l, gradients, first, end, true);
  }
}

static void update_late(cvy_learner *l) {
  const double start_s = cvy_now_s();
  const bool alone = cvy_comm_size(l->comm) == 1;
  visit measure_first = alone ? look : NULL;
  if (l->clipping.norm > 0) {
    if (alone) visit_own(l, look);
    find_scale(l);
    measure_first = has_measured_ways(l) ? NULL : measure_way;
    if (measure_first || l->norm_count == 0) forget_gradients(l);
  }
  const bool by_tensors = alone && l->arenas.rule->norms == CVY_NORMS_TENSOR;
  (by_tensors ? update_by_tensors : update_all)(l, measure_first);
  l->knows_weights = true;
  cvy_exchange_gather(l->exchange, l->arenas.params);
  if (!alone) l->late_s += cvy_now_s() - start_s;
}

/* ---- creation ---- */

static cvy_err create_exchange(cvy_learner *l) {
  const int64_t ranks = cvy_comm_size(l->comm);
  int64_t *ends = cvy_new(sizeof *ends * (size_t)l->bucket_count);
  for (int64_t k = 0; k < l->bucket_count; k++) ends[k] = l->buckets[l->bucket_count - 1 - k].end;
  const cvy_exchange_config config = {.tree = &l->tree,
                                      .way = l->way,
                                      .count = ends[l->bucket_count - 1],
                                      .bucket_ends = ends,
                                      .bucket_count = l->bucket_count,
                                      .use = l->waits && ranks == 1 ? NULL : use_sums,
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
  forget_sums(l);
  l->late_s = 0;
  l->buckets = cvy_new(sizeof *l->buckets * (size_t)(l->info->param_tensors + 1));
  l->bucket_count = cvy_cut_buckets(l->buckets, l->info, bucket_mib * CVY_FLOATS_OF_MIB);
  l->journeys = cvy_new(sizeof *l->journeys * (size_t)l->bucket_count);
  return create_exchange(l);
}

static void prepare_norms(cvy_learner *l) {
  const int64_t count = l->info->replicated_count, rank = cvy_comm_rank(l->comm),
                ranks = cvy_comm_size(l->comm);
  const bool sharded = l->way == CVY_EXCHANGE_SHARDED;
  l->first_measured = sharded ? 0 : count * rank / ranks;
  l->end_measured = sharded ? count : count * (rank + 1) / ranks;
  l->norm_count = cvy_norms_count(&l->arenas);
  l->waits = l->norm_count > 0 || l->clipping.norm > 0;
  if (!l->waits) return;
  l->sum_count = cvy_larger(l->norm_count, 1);
  l->norm_sums = cvy_new(sizeof *l->norm_sums * (size_t)l->sum_count);
  l->norms = cvy_new(sizeof *l->norms * (size_t)l->sum_count);
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
  CVY_TRY(cvy_factors_fill(l->factors, &config->step.layers, &config->step.thaws, l->info));
  if (config->step.layers.count + config->step.thaws.count > 0) l->update.factors = l->factors;
  CVY_TRY(create_arenas(l, config->step.rule));
  CVY_TRY(cvy_accumulator_create(&l->accumulator, &l->tree, cvy_comm_size(l->comm), l->info->replicated_count,
                                 averages(l) ? l->info->arena_count : l->info->learnt_count,
                                 cvy_larger(room_of_average(l) + averages(l), 1)));
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
  forget_sums(l);
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

void cvy_learner_weights_are_new(cvy_learner *l) {
  forget_sums(l);
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

/* Tells whether no step changes the tensor, as running averages are changed without a gradient. */
static bool stays(const cvy_net_param *p) {
  return p->frozen || (!p->learns && p->spec->averaging == 0);
}

/* Clears the state of tensors that are frozen in layers that learn. */
static void clear_frozen(float *arena, const cvy_net_info *net) {
  for (int64_t i = 0; i < net->param_tensors; i++)
    if (stays(&net->params[i]) && !net->params[i].frozen)
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
    if (stays(p)) memcpy(arena + p->offset, params + p->offset, sizeof *arena * (size_t)p->count);
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
