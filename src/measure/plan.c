/* The model of a step: the walk of blocks through the tree, swaps of split layers, and what both add to
 * computing. */
#include "measure/plan.h"

#include "base/count.h"
#include "comm/exchange.h"
#include "train/cut.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SLOTS = 64, PAGE_BYTES = 4096 };

/* ---- what is planned for ---- */

double cvy_plan_wire_bytes_per_s(double gbit_per_s) {
  /* A full frame of Ethernet takes 1538 bytes of the wire with all that goes before and after it; TCP has
   * 1448 of them. */
  static const double payload = 1448.0 / 1538.0;
  return payload * 1e9 / 8 * gbit_per_s;
}

cvy_peers cvy_plan_peers(const cvy_tree *tree, int64_t ranks) {
  return (cvy_peers){
      .count = ranks, .leaves = tree->leaves, .level_count = tree->level_count, .radix = tree->radix};
}

/* ---- the walk of blocks ---- */

typedef struct slot {
  bool used;
  double bytes;     /* bytes of the block */
  int stage;        /* how many levels it has gone through, up and down again */
  double arrives_s; /* when its stage has sent and received */
} slot;

typedef struct walk {
  const cvy_plan_road *road;
  slot slots[MOST_SLOTS];
  double wire_free_s, thread_free_s, busy_s, sent_bytes, end_s;
} walk;

static int level_of(const cvy_plan_road *r, int stage) {
  return stage < r->level_count ? stage : 2 * r->level_count - 1 - stage;
}

/* Returns the bytes that a rank sends in a stage, which are as many as it receives: all of a level's vector
 * but its own part. */
static double moved_bytes(const cvy_plan_road *r, double block_bytes, int stage) {
  double whole = block_bytes;
  const int level = level_of(r, stage);
  for (int i = 0; i < level; i++) whole /= (double)r->levels[i].radix;
  return whole * (double)(r->levels[level].radix - 1) / (double)r->levels[level].radix;
}

static double own_bytes(const cvy_plan_road *r, double block_bytes) {
  for (int i = 0; i < r->level_count; i++) block_bytes /= (double)r->levels[i].radix;
  return block_bytes;
}

/* Lets the thread work for `seconds`, as soon as it is free. Returns when it has done so. */
static double work(walk *w, double from_s, double seconds) {
  w->thread_free_s = (from_s > w->thread_free_s ? from_s : w->thread_free_s) + seconds;
  w->busy_s += seconds;
  return w->thread_free_s;
}

static void begin_stage(walk *w, slot *s, double now_s) {
  const cvy_plan_road *r = w->road;
  const double bytes = moved_bytes(r, s->bytes, s->stage);
  if (!r->levels[level_of(r, s->stage)].crosses) {
    s->arrives_s = work(w, now_s, bytes * r->copy_s_per_byte);
    return;
  }
  w->wire_free_s = (now_s > w->wire_free_s ? now_s : w->wire_free_s) + bytes / r->wire_bytes_per_s;
  w->sent_bytes += bytes;
  s->arrives_s = w->wire_free_s + r->latency_s;
}

static double end_stage(walk *w, slot *s) {
  const cvy_plan_road *r = w->road;
  const double bytes = moved_bytes(r, s->bytes, s->stage);
  double seconds = 0;
  if (r->levels[level_of(r, s->stage)].crosses) seconds += bytes * r->wire_s_per_byte;
  if (s->stage < r->level_count) seconds += bytes * r->add_s_per_byte;
  s->stage++;
  if (r->sharded && s->stage == r->level_count) seconds += own_bytes(r, s->bytes) * r->update_s_per_byte;
  if (!r->sharded && s->stage == 2 * r->level_count) seconds += s->bytes * r->update_s_per_byte;
  return work(w, s->arrives_s, seconds);
}

/* Returns the block under way that arrives first; NULL if there is none. */
static slot *next_arrival(walk *w) {
  slot *first = NULL;
  for (int i = 0; i < w->road->slots; i++)
    if (w->slots[i].used && (!first || w->slots[i].arrives_s < first->arrives_s)) first = &w->slots[i];
  return first;
}

static void advance(walk *w, slot *s) {
  const double now_s = end_stage(w, s);
  if (s->stage < 2 * w->road->level_count) {
    begin_stage(w, s, now_s);
    return;
  }
  s->used = false;
  if (now_s > w->end_s) w->end_s = now_s;
}

static slot *free_slot(walk *w) {
  for (int i = 0; i < w->road->slots; i++)
    if (!w->slots[i].used) return &w->slots[i];
  return NULL;
}

/* Begins a block when it is ready and a slot is free. */
static void begin_block(walk *w, double bytes, double ready_s) {
  double now_s = ready_s;
  slot *next;
  while ((next = next_arrival(w)) && next->arrives_s <= ready_s) advance(w, next);
  while (!free_slot(w)) {
    advance(w, next_arrival(w));
    if (w->thread_free_s > now_s) now_s = w->thread_free_s;
  }
  slot *s = free_slot(w);
  *s = (slot){.used = true, .bytes = bytes};
  begin_stage(w, s, now_s);
}

double cvy_plan_walk(double *busy_s, double *sent_bytes, const cvy_plan_road *road,
                     const cvy_plan_bucket *buckets, int64_t count) {
  CVY_CHECK(road->level_count > 0 && road->slots > 0 && road->slots <= MOST_SLOTS && road->block_bytes > 0);
  walk w = {.road = road};
  for (int64_t i = 0; i < count; i++)
    for (double left = buckets[i].bytes; left > 0; left -= road->block_bytes)
      begin_block(&w, left < road->block_bytes ? left : road->block_bytes, buckets[i].ready_s);
  for (slot *s; (s = next_arrival(&w));) advance(&w, s);
  *busy_s = w.busy_s;
  *sent_bytes = w.sent_bytes;
  return w.end_s;
}

/* ---- swaps ---- */

static double neighbours_of(const cvy_plan_cluster *c, int64_t ranks) {
  return (double)cvy_smaller(ranks, c->ranks_per_node);
}

/* What one rank's swaps take. */
typedef struct swaps {
  double seconds;
  double work_s;     /* how much of that the communication thread works */
  double sent_bytes; /* bytes sent to other nodes */
} swaps;

/* Adds a swap in which each rank sends `bytes` to each other one. */
static void add_swap(swaps *sum, const cvy_plan_cluster *c, int64_t ranks, double bytes) {
  const double neighbours = neighbours_of(c, ranks);
  const double beside = bytes * (neighbours - 1), away = bytes * ((double)ranks - neighbours);
  const double wire_s = away * neighbours / c->wire_bytes_per_s;
  const double work_s = beside * c->copy_s_per_byte + away * c->wire_s_per_byte;
  sum->seconds += (away > 0 ? c->latency_s : 0) + (wire_s > work_s ? wire_s : work_s);
  sum->work_s += work_s;
  sum->sent_bytes += away;
}

/* Returns what a layer's swaps take for a microbatch a rank. A split one swaps columns of X, which come back
 * as dX where the layer below asks for it, and parts of Y and dY; another one swaps nothing. */
static swaps swaps_of(const cvy_net_info *net, int64_t layer, const cvy_plan_cluster *c, const cvy_tree *tree,
                      int64_t ranks, bool backward) {
  swaps sum = {0};
  if (ranks == 1) return sum;
  for (int64_t i = 0; i < net->param_tensors; i++) {
    const cvy_net_param *p = &net->params[i];
    if (p->layer != layer || !p->spec->sharded) continue;
    const int64_t features = p->spec->dims[0], outputs = p->count / features;
    const int64_t widest = cvy_pieces(features, tree->leaves) * (tree->leaves / ranks);
    const double image = sizeof(float) * (double)net->input.n;
    add_swap(&sum, c, ranks, image * (double)outputs);
    if (!backward || net->layers[layer].inputs[0] >= 0) add_swap(&sum, c, ranks, image * (double)widest);
  }
  return sum;
}

static void add_swaps(swaps *sum, const swaps *more, double times) {
  sum->seconds += times * more->seconds;
  sum->work_s += times * more->work_s;
  sum->sent_bytes += times * more->sent_bytes;
}

static swaps all_swaps(const cvy_plan_work *w, const cvy_plan_cluster *c, const cvy_tree *tree,
                       int64_t ranks) {
  swaps sum = {0};
  for (int64_t layer = 0; layer < w->net->layer_count; layer++)
    for (int backward = 0; backward < 2; backward++) {
      const swaps one = swaps_of(w->net, layer, c, tree, ranks, backward != 0);
      add_swaps(&sum, &one, (double)w->microbatches);
    }
  return sum;
}

/* ---- a step ---- */

static size_t block_bytes(bool several_nodes) {
  return sizeof(float) * (size_t)cvy_exchange_block(several_nodes);
}

static cvy_plan_road road_of(const cvy_plan_work *w, const cvy_plan_cluster *c, const cvy_tree *tree,
                             int64_t ranks) {
  const int64_t neighbours = cvy_smaller(ranks, c->ranks_per_node);
  const double bytes = sizeof(float) * (double)w->net->arena_count;
  cvy_plan_road r = {.latency_s = c->latency_s,
                     .wire_bytes_per_s = c->wire_bytes_per_s / (double)neighbours,
                     .wire_s_per_byte = c->wire_s_per_byte,
                     .copy_s_per_byte = c->copy_s_per_byte,
                     .add_s_per_byte = c->add_s_per_byte,
                     .update_s_per_byte = w->update_s / bytes,
                     .sharded = w->sharded,
                     .block_bytes = (double)block_bytes(ranks > c->ranks_per_node),
                     .slots = CVY_EXCHANGE_SLOTS};
  int64_t together = 1;
  for (int i = cvy_tree_levels_within(tree, ranks); i < tree->level_count; i++) {
    together *= tree->radix[i];
    r.levels[r.level_count++] = (cvy_plan_level){tree->radix[i], neighbours % together != 0};
  }
  return r;
}

static double sum_of(const double *seconds, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; i++) sum += seconds[i];
  return sum;
}

/* What computing takes on cores that are shared. */
typedef struct pace {
  double forward_s, backward_s; /* times of a microbatch; forward with its losses */
  double add_s;                 /* time to add all gradients of a microbatch to those before */
  double slower;                /* how many times as long as on cores of its own */
} pace;

static pace pace_of(const cvy_plan_work *w, const cvy_plan_cluster *c, int64_t ranks) {
  const double neighbours = neighbours_of(c, ranks);
  const double wanted = neighbours * (double)c->threads / c->cores, slower = wanted > 1 ? wanted : 1;
  return (pace){.forward_s = slower * (sum_of(w->forward_s, w->net->layer_count) + w->losses_s),
                .backward_s = slower * sum_of(w->backward_s, w->net->layer_count),
                .add_s = slower * c->add_s_per_byte * sizeof(float) * (double)w->net->replicated_count /
                         (double)c->threads,
                .slower = slower};
}

/* Finds when each bucket is ready, in seconds from the beginning of the last microbatch's backward. Returns
 * how many buckets there are. */
static int64_t make_ready(cvy_plan_bucket *out, const cvy_plan_work *w, const cvy_plan_cluster *c,
                          const cvy_tree *tree, int64_t ranks, const pace *p, double stretch) {
  const int levels = cvy_tree_levels_within(tree, ranks);
  cvy_bucket *buckets = cvy_new(sizeof *buckets * (size_t)(w->net->param_tensors + 1));
  const int64_t count = cvy_cut_buckets(buckets, w->net, w->bucket_bytes / (int64_t)sizeof(float));
  int64_t next = 0;
  double now_s = 0;
  for (int64_t layer = w->net->layer_count - 1; layer >= 0; layer--) {
    now_s += stretch * p->slower * w->backward_s[layer];
    now_s += swaps_of(w->net, layer, c, tree, ranks, true).seconds;
    if (next == count || buckets[next].ready_at != layer) continue;
    const double floats = (double)(buckets[next].end - buckets[next].first);
    now_s += stretch * levels * p->add_s * floats / (double)w->net->replicated_count;
    out[next++] = (cvy_plan_bucket){sizeof(float) * floats, now_s};
  }
  free(buckets);
  return count;
}

/* Returns how many times as long backward takes because its cores do the communication thread's work too, as
 * far as no others can. */
static double stretch_of(const cvy_plan_cluster *c, int64_t ranks, double busy_s, double backward_s) {
  const double neighbours = neighbours_of(c, ranks);
  const double missing = neighbours * (double)(c->threads + 1) - c->cores;
  if (missing <= 0 || backward_s <= 0) return 1;
  const double share = missing < neighbours ? missing / neighbours : 1;
  const double threads = c->cores / neighbours < (double)c->threads ? c->cores / neighbours
                                                                    : (double)c->threads;
  return 1 + share * busy_s / (threads * backward_s);
}

static void exchange(cvy_plan_step *out, const cvy_plan_work *w, const cvy_plan_cluster *c,
                     const cvy_tree *tree, int64_t ranks, const pace *p) {
  cvy_plan_bucket *buckets = cvy_new(sizeof *buckets * (size_t)(w->net->param_tensors + 1));
  const cvy_plan_road road = road_of(w, c, tree, ranks);
  const int levels = cvy_tree_levels_within(tree, ranks);
  const double least_s = p->backward_s + levels * p->add_s;
  double stretch = 1, end_s = 0, swaps_s = 0;
  int64_t count = 0;
  /* Only the second round knows what the thread has to do. */
  for (int round = 0; round < 2; round++) {
    count = make_ready(buckets, w, c, tree, ranks, p, stretch);
    end_s = cvy_plan_walk(&out->exchange_cpu_s, &out->sent_bytes, &road, buckets, count);
    stretch = stretch_of(c, ranks, out->exchange_cpu_s, least_s);
  }
  for (int64_t layer = 0; layer < w->net->layer_count; layer++)
    swaps_s += swaps_of(w->net, layer, c, tree, ranks, true).seconds;
  const double computed_s = stretch * least_s, done_s = computed_s + swaps_s;
  out->exposed_s = end_s > done_s ? end_s - done_s : 0;
  out->exchange_s = count > 0 ? end_s - buckets[0].ready_s : 0;
  out->sent_bytes *= neighbours_of(c, ranks);
  out->compute_s += computed_s;
  free(buckets);
}

static void add_all_swaps(cvy_plan_step *out, const cvy_plan_work *w, const cvy_plan_cluster *c,
                          const cvy_tree *tree, int64_t ranks) {
  const swaps all = all_swaps(w, c, tree, ranks);
  out->swap_s = all.seconds;
  out->exposed_s += all.seconds;
  out->exchange_cpu_s += all.work_s;
  out->swapped_bytes = neighbours_of(c, ranks) * all.sent_bytes;
  out->sent_bytes += out->swapped_bytes;
}

/* Returns what all of a rank's threads take to update the weights that no bucket brings. */
static double own_update_s(const cvy_plan_work *w, const cvy_plan_cluster *c, int64_t ranks, const pace *p) {
  const double share = ranks == 1 ? 1 : (double)w->net->sharded_count / (double)w->net->arena_count;
  return p->slower * share * w->update_s / (double)(ranks * c->threads);
}

void cvy_plan_foretell(cvy_plan_step *out, const cvy_plan_work *w, const cvy_plan_cluster *c,
                       const cvy_tree *tree, int64_t ranks) {
  CVY_CHECK(cvy_tree_allows(tree, ranks));
  const pace p = pace_of(w, c, ranks);
  const int levels = cvy_tree_levels_within(tree, ranks);
  const double earlier = (double)(w->microbatches - 1);
  *out = (cvy_plan_step){0};
  out->compute_s = earlier * (p.forward_s + p.backward_s) + p.forward_s;
  if (earlier > levels) out->compute_s += (earlier - levels) * p.add_s;
  out->compute_s += own_update_s(w, c, ranks, &p);
  if (ranks == 1) {
    out->compute_s += p.backward_s + levels * p.add_s;
    out->step_s = out->compute_s;
    return;
  }
  exchange(out, w, c, tree, ranks, &p);
  add_all_swaps(out, w, c, tree, ranks);
  out->step_s = out->compute_s + out->exposed_s;
  /* Loss and hits are summed at the end. */
  if (ranks > c->ranks_per_node)
    out->step_s += 2 * c->latency_s * ceil(log2((double)ranks / (double)c->ranks_per_node));
}

/* ---- memory ---- */

/* Returns the bytes that a rank has of `bytes`: its part of each block, in whole pages. */
static size_t own_pages(size_t bytes, size_t block, int64_t ranks) {
  const size_t part = block / (size_t)ranks, pages = part < PAGE_BYTES ? PAGE_BYTES : part;
  return (size_t)((double)bytes * (double)pages / (double)block);
}

/* All ranks have all weights, since whole ones are gathered for evaluation. Rank 0 gathers the rule's state
 * in the first buffers of gradients. The other ranks reserve room for that too, but never touch it. */
cvy_plan_memory cvy_plan_need(const cvy_plan_work *w, const cvy_plan_cluster *c, const cvy_tree *tree,
                              int64_t ranks, int64_t state_count, int64_t prefetch) {
  const size_t block = block_bytes(ranks > c->ranks_per_node);
  const cvy_net_info *net = w->net;
  const size_t arena = cvy_aligned(sizeof(float) * (size_t)net->arena_count);
  const size_t replicated = cvy_aligned(sizeof(float) * (size_t)net->replicated_count),
               split = arena - replicated;
  const size_t states = (size_t)state_count;
  const size_t sums = (size_t)cvy_tree_levels_within(tree, ranks) + 1;
  const size_t microbatch = sizeof(float) * (size_t)cvy_shape_count(net->input);
  return (cvy_plan_memory){
      .network = net->activation_bytes + net->prepared_bytes + net->scratch_bytes + net->kept_bytes,
      .weights = arena,
      .gradients = replicated * (sums > states ? sums : states) + split * states,
      .optimiser = (w->sharded ? own_pages(replicated, block, ranks) : replicated) * states +
                   split / (size_t)ranks * states,
      .exchange = ranks > 1 ? (size_t)CVY_EXCHANGE_SLOTS * block : 0,
      .loader = (size_t)prefetch * microbatch};
}

size_t cvy_plan_total(const cvy_plan_memory *m) {
  return m->network + m->weights + m->gradients + m->optimiser + m->exchange + m->loader;
}

/* ---- measuring ---- */

enum { FLOATS = 1 << 23, ROUNDS = 5 };

static void copy(float *to, const float *from) {
  memcpy(to, from, sizeof *to * FLOATS);
}

static void add(float *to, const float *from) {
  cvy_add_into(to, from, FLOATS);
}

/* Returns the least of some rounds, because the machine may have other things to do too. */
static double least_s_per_byte(void (*act)(float *to, const float *from), float *to, const float *from) {
  double least_s = INFINITY;
  for (int i = 0; i < ROUNDS; i++) {
    const double start_s = cvy_now_s();
    act(to, from);
    const double took_s = cvy_now_s() - start_s;
    if (took_s < least_s) least_s = took_s;
  }
  return least_s / (sizeof(float) * (double)FLOATS);
}

cvy_err cvy_plan_measure(cvy_plan_cluster *c) {
  void *memory;
  CVY_TRY(cvy_buffer_create(&memory, 2 * sizeof(float) * FLOATS, "measuring"));
  float *to = memory, *from = to + FLOATS;
  memset(memory, 0, 2 * sizeof(float) * FLOATS);
  c->add_s_per_byte = least_s_per_byte(add, to, from);
  c->copy_s_per_byte = least_s_per_byte(copy, to, from); /* one copy, by the rank that receives */
  cvy_buffer_destroy(memory);
  return CVY_OK;
}
