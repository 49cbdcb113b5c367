/* The clock on a training step.
 *
 * A step's moments are marked one after the other on one clock, each taking what has passed since the mark
 * before it; so nothing is counted twice, and the layers with what is between them add up to the step. */
#include "measure/bench.h"

#include "measure/bench_step.h"
#include "train/fixed.h"
#include "train/step.h"

#include <string.h>

/* What is timed; a layer has two more places, forward and backward. */
enum { STEP, FORWARD, BACKWARD, UPDATE, LOSSES, PLACES };

typedef struct bench {
  cvy_net *net;
  const cvy_net_info *info;
  int64_t steps;
  cvy_arenas arenas;
  cvy_alone alone;
  cvy_fixed images;
  cvy_step step;
  double *seconds;        /* [place][step] */
  int64_t number;         /* number of the step that runs */
  double mark_s;          /* the latest mark */
  double start_s, turn_s; /* when that step began, and when it turned from forward to backward */
} bench;

/* ---- one step ---- */

static double *seconds_of(const bench *b, int64_t place) {
  return b->seconds + place * b->steps;
}

static int64_t layer_place(int64_t layer_index, bool backward) {
  return PLACES + 2 * layer_index + backward;
}

static void mark(bench *b, int64_t place) {
  const double now_s = cvy_now_s();
  seconds_of(b, place)[b->number] = now_s - b->mark_s;
  b->mark_s = now_s;
}

static void mark_layer(void *context, int64_t layer_index, bool backward) {
  mark(context, layer_place(layer_index, backward));
}

static void mark_moment(void *context, cvy_moment moment) {
  bench *b = context;
  switch (moment) {
  case CVY_STEP_BEGINS:
    b->start_s = b->mark_s = cvy_now_s();
    break;
  case CVY_FORWARD_ENDS:
    mark(b, LOSSES);
    b->turn_s = b->mark_s;
    break;
  case CVY_BACKWARD_ENDS:
    b->mark_s = cvy_now_s();
    seconds_of(b, FORWARD)[b->number] = b->turn_s - b->start_s;
    seconds_of(b, BACKWARD)[b->number] = b->mark_s - b->turn_s;
    break;
  case CVY_STEP_ENDS:
    mark(b, UPDATE);
    seconds_of(b, STEP)[b->number] = b->mark_s - b->start_s;
    break;
  }
}

/* Returns the last step's loss. */
static double run_steps(bench *b, bool layers) {
  const cvy_net_observer layer_observer = {mark_layer, b};
  const cvy_step_observer observer = {mark_moment, b};
  b->step.observer = &observer;
  cvy_net_observe(b->net, layers ? &layer_observer : NULL);
  cvy_step_run(&b->step, 0, cvy_bench_rate); /* touches all memory; its times are overwritten */
  cvy_tally tally = {0};
  for (b->number = 0; b->number < b->steps; b->number++)
    tally = cvy_step_run(&b->step, 1 + b->number, cvy_bench_rate);
  cvy_net_observe(b->net, NULL);
  b->step.observer = NULL;
  return cvy_tally_score(&tally).loss;
}

/* ---- results ---- */

static cvy_spread spread_of(const bench *b, int64_t place) {
  return cvy_spread_of(seconds_of(b, place), b->steps);
}

/* Returns a layer's operations, without times yet. */
static cvy_bench_work work_of(const cvy_net_info *info, int64_t index) {
  const cvy_net_layer *layer = &info->layers[index];
  const double flop = 2.0 * (double)layer->multiply_adds * (double)info->input.n;
  const bool reads_image = layer->inputs[0] < 0;
  return (cvy_bench_work){.forward_flop = flop, .backward_flop = reads_image ? flop : 2 * flop};
}

static void add_work(cvy_bench_work *sum, const cvy_bench_work *work) {
  sum->forward_s += work->forward_s;
  sum->backward_s += work->backward_s;
  sum->forward_flop += work->forward_flop;
  sum->backward_flop += work->backward_flop;
}

static void add_to_type(cvy_bench_type *types, int64_t *count, const char *name, const cvy_bench_work *work) {
  int64_t i = 0;
  while (i < *count && strcmp(types[i].name, name) != 0) i++;
  if (i == *count) types[(*count)++].name = name;
  types[i].layers++;
  add_work(&types[i].work, work);
}

static void fill_layers(cvy_bench_result *out, cvy_pool *pool, const bench *b) {
  const size_t count = (size_t)b->info->layer_count;
  cvy_bench_work *layers = cvy_pool_new(pool, sizeof *layers * count);
  cvy_bench_type *types = cvy_pool_new(pool, sizeof *types * count);
  out->losses_s = spread_of(b, LOSSES).median;
  out->else_s = out->parts_s = out->losses_s + out->update_s.median;
  for (int64_t i = 0; i < b->info->layer_count; i++) {
    layers[i] = work_of(b->info, i);
    layers[i].forward_s = spread_of(b, layer_place(i, false)).median;
    layers[i].backward_s = spread_of(b, layer_place(i, true)).median;
    add_to_type(types, &out->type_count, b->info->layers[i].type, &layers[i]);
    const double layer_s = layers[i].forward_s + layers[i].backward_s;
    out->parts_s += layer_s;
    if (layers[i].forward_flop == 0) out->else_s += layer_s;
  }
  out->layers = layers;
  out->types = types;
}

static void fill_result(cvy_bench_result *out, const bench *b, double loss) {
  *out = (cvy_bench_result){.step_s = spread_of(b, STEP),
                            .forward_s = spread_of(b, FORWARD),
                            .backward_s = spread_of(b, BACKWARD),
                            .update_s = spread_of(b, UPDATE),
                            .loss = loss,
                            .peak_bytes = cvy_peak_bytes()};
  for (int64_t i = 0; i < b->info->layer_count; i++) {
    const cvy_bench_work work = work_of(b->info, i);
    out->flop += work.forward_flop + work.backward_flop;
  }
}

/* ---- before and after ---- */

static cvy_err create_step(bench *b, cvy_pool *pool) {
  const cvy_net_info *info = b->info;
  cvy_tree tree;
  cvy_step_config config;
  void *memory;
  CVY_TRY(cvy_tree_create(&tree, 1, NULL, 0));
  CVY_TRY(cvy_bench_step_config(&config, pool, &tree, info->input.n));
  CVY_TRY(cvy_arenas_create(&b->arenas, b->net, config.rule));
  CVY_TRY(cvy_buffer_create(&memory, sizeof(float) * (size_t)info->arena_count, "the gradients"));
  b->alone = (cvy_alone){
      .gradients = memory,
      .update = {.arenas = &b->arenas, .rule_config = config.rule_config, .microbatches = 1}};
  b->step = cvy_step_of(&config, b->net, 0, 1);
  b->step.alone = &b->alone;
  return CVY_OK;
}

static cvy_err create(bench *b, cvy_pool *pool, bool layers) {
  const int64_t places = layer_place(layers ? b->info->layer_count : 0, false);
  b->seconds = cvy_pool_new(pool, sizeof *b->seconds * (size_t)(b->steps * places));
  CVY_TRY(create_step(b, pool));
  CVY_TRY(cvy_fixed_create(&b->images, b->info));
  cvy_fixed_fill(&b->images, b->info);
  b->step.fixed = cvy_fixed_microbatch(&b->images);
  cvy_net_init(b->net, 1);
  return CVY_OK;
}

cvy_err cvy_bench(cvy_bench_result *out, cvy_pool *pool, cvy_net *net, const cvy_bench_options *options) {
  CVY_CHECK(options->steps >= 1);
  bench b = {.net = net, .info = cvy_net_describe(net), .steps = options->steps};
  *out = (cvy_bench_result){0};
  const cvy_err err = create(&b, pool, options->layers);
  if (!err) {
    const double loss = run_steps(&b, options->layers);
    fill_result(out, &b, loss);
    if (options->layers) fill_layers(out, pool, &b);
  }
  cvy_fixed_destroy(&b.images);
  cvy_buffer_destroy(b.alone.gradients);
  cvy_arenas_destroy(&b.arenas);
  return err;
}
