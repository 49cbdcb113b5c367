/* The clock on a training step.
 *
 * A step's moments are marked one after the other on one clock, each taking what has passed since the mark before
 * it; so nothing is counted twice, and the layers with what is between them add up to the step. */
#include "measure/bench.h"

#include "train/recipe.h"
#include "train/score.h"
#include "train/update.h"

#include <stdlib.h>
#include <string.h>

static const char solver[] = "sgd: {momentum: 0.9, weight_decay: 0.0005}";
static const double rate = 1e-4; /* small, so that random labels do not make the loss diverge */

/* What is timed; a layer has two more places, forward and backward. */
enum { STEP, FORWARD, BACKWARD, UPDATE, LOSSES, PLACES };

typedef struct bench {
  cvy_net *net;
  const cvy_net_info *info;
  int64_t steps;
  cvy_arenas arenas;
  void *rule_config;
  float *images, *gradients;
  int32_t *labels;
  double *seconds; /* [place][step] */
  int64_t step;    /* the one that runs */
  double mark_s;   /* the latest mark */
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
  seconds_of(b, place)[b->step] = now_s - b->mark_s;
  b->mark_s = now_s;
}

static void mark_layer(void *context, int64_t layer_index, bool backward) {
  mark(context, layer_place(layer_index, backward));
}

/* Returns the step's loss. */
static double run_step(bench *b, int64_t number) {
  const cvy_pass pass = {
      .training = true, .seed = 1, .step = number, .loss_scale = (float)(1.0 / (double)b->info->input.n)};
  cvy_tally tally = {0};
  const double start_s = b->mark_s = cvy_now_s();
  const cvy_targets targets = {.labels = b->labels};
  cvy_net_forward(b->net, b->images, &targets, &pass);
  cvy_tally_add_microbatch(&tally, b->net, &targets);
  mark(b, LOSSES);
  const double turn_s = b->mark_s;
  cvy_net_backward(b->net, b->gradients, b->images, &targets, &pass);
  b->mark_s = cvy_now_s();
  seconds_of(b, FORWARD)[b->step] = turn_s - start_s;
  seconds_of(b, BACKWARD)[b->step] = b->mark_s - turn_s;
  const cvy_step_update update = {
      .arenas = &b->arenas, .rule_config = b->rule_config, .rate = rate, .step = 1 + number, .microbatches = 1};
  cvy_update_weights(&update, b->gradients, 0, b->info->arena_count);
  mark(b, UPDATE);
  seconds_of(b, STEP)[b->step] = b->mark_s - start_s;
  return cvy_tally_score(&tally).loss;
}

static double run_steps(bench *b, bool layers) {
  const cvy_net_observer observer = {mark_layer, b};
  double loss = 0;
  cvy_net_observe(b->net, layers ? &observer : NULL);
  run_step(b, 0); /* touches all memory; its times are overwritten */
  for (b->step = 0; b->step < b->steps; b->step++) loss = run_step(b, 1 + b->step);
  cvy_net_observe(b->net, NULL);
  return loss;
}

/* ---- results ---- */

static cvy_spread spread_of(const bench *b, int64_t place) {
  return cvy_spread_of(seconds_of(b, place), b->steps);
}

/* Its operations; no times yet. */
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

static cvy_err create(bench *b, cvy_pool *pool, bool layers) {
  const cvy_net_info *info = b->info;
  const int64_t pixels = cvy_shape_count(info->input), images = info->input.n;
  const int64_t places = layer_place(layers ? info->layer_count : 0, false);
  void *memory;
  cvy_yaml *node;
  const cvy_rule *rule;
  CVY_TRY(cvy_yaml_parse(&node, pool, solver, "solver"));
  CVY_TRY(cvy_read_rule(&rule, &b->rule_config, pool, node));
  CVY_TRY(cvy_arenas_create(&b->arenas, b->net, rule));
  CVY_TRY(cvy_buffer_create(&memory, sizeof(float) * (size_t)info->arena_count, "the gradients"));
  b->gradients = memory;
  CVY_TRY(cvy_buffer_create(&memory, sizeof(float) * (size_t)pixels, "the images"));
  b->images = memory;
  b->labels = cvy_pool_new(pool, sizeof *b->labels * (size_t)images);
  b->seconds = cvy_pool_new(pool, sizeof *b->seconds * (size_t)(b->steps * places));

  cvy_random where = {.seed = 1, .purpose = CVY_FOR_SYNTHETIC};
  for (int64_t i = 0; i < images; i++)
    b->labels[i] = (int32_t)cvy_random_next_below(&where, info->class_count);
  for (int64_t i = 0; i < pixels; i++) b->images[i] = (float)cvy_random_next_gaussian(&where);
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
  cvy_buffer_destroy(b.images);
  cvy_buffer_destroy(b.gradients);
  cvy_arenas_destroy(&b.arenas);
  return err;
}
