/* The clock on training steps of several ranks: the trainer's own, but for the data, which are random and made once. */
#include "measure/bench.h"
#include "train/bucket.h"
#include "train/recipe.h"
#include "train/score.h"

#include <stdlib.h>
#include <string.h>

static const char solver[] = "sgd: {momentum: 0.9, weight_decay: 0.0005}";
static const double rate = 1e-4; /* small, so that random labels do not make the loss diverge */

typedef struct bench {
  cvy_comm *comm; /* those that take part */
  cvy_learner_config config;
  cvy_learner *learner;
  cvy_net *net; /* the learner's */
  const cvy_net_info *info;
  cvy_bucket_choice bucket;
  float *images;
  int32_t *labels;
  double *seconds; /* [step] */
} bench;

/* ---- the tree ---- */

static int64_t add_radices(int64_t *radices, int64_t count, const cvy_tree *tree) {
  for (int i = tree->level_count - 1; i >= 0; i--) radices[count++] = tree->radix[i];
  return count;
}

cvy_err cvy_bench_tree(cvy_tree *out, int64_t ranks, int64_t microbatches) {
  cvy_tree above, below;
  int64_t radices[2 * CVY_COUNT(above.radix)];
  CVY_TRY(cvy_tree_create(&above, ranks, NULL, 0));
  CVY_TRY(cvy_tree_create(&below, microbatches, NULL, 0));
  const int64_t count = add_radices(radices, add_radices(radices, 0, &above), &below);
  return cvy_tree_create(out, ranks * microbatches, radices, count);
}

/* ---- steps ---- */

static int64_t images_a_step(const bench *b) {
  return b->config.microbatch * b->config.tree->leaves;
}

static void run_step(bench *b, int64_t step) {
  const int64_t own = b->config.tree->leaves / cvy_comm_size(b->comm);
  const cvy_targets targets = {.labels = b->labels};
  cvy_tally tally = {0};
  cvy_learner_begin(b->learner, 1 + step, rate);
  for (int64_t m = 0; m < own; m++) {
    const cvy_pass pass = {.training = true,
                           .seed = 1,
                           .step = step,
                           .params = cvy_params_of_pass(m, own),
                           .first_sample = (cvy_comm_rank(b->comm) * own + m) * b->config.microbatch,
                           .loss_scale = (float)(1.0 / (double)images_a_step(b))};
    cvy_net_forward(b->net, b->images, &targets, &pass);
    cvy_tally_add_microbatch(&tally, b->net, &targets);
    cvy_learner_backward(b->learner, b->images, &targets, &pass);
  }
  cvy_learner_finish(b->learner);
  cvy_comm_sum(b->comm, (int64_t *)&tally, CVY_TALLY_FIELDS);
}

static void run_steps(cvy_bench_ranks_result *out, bench *b, int64_t steps) {
  run_step(b, 0); /* touches all memory */
  const cvy_exchange_times before = cvy_learner_times(b->learner);
  double mark_s = cvy_now_s();
  for (int64_t step = 0; step < steps; step++) {
    run_step(b, 1 + step);
    const double now_s = cvy_now_s();
    b->seconds[step] = now_s - mark_s;
    mark_s = now_s;
  }
  const cvy_exchange_times after = cvy_learner_times(b->learner);
  *out = (cvy_bench_ranks_result){
      .images = images_a_step(b),
      .bucket_mib = b->bucket.mib,
      .step_s = cvy_spread_of(b->seconds, steps),
      .exposed_s = cvy_comm_mean_s(b->comm, after.exposed_s - before.exposed_s) / (double)steps,
      .exchange_cpu_s = cvy_comm_mean_s(b->comm, after.cpu_s - before.cpu_s) / (double)steps};
  cvy_learner_whole_weights(b->learner);
  out->weights = cvy_net_hash(b->net, NULL);
}

/* ---- before and after ---- */

static void make_data(bench *b) {
  const int64_t images = b->info->input.n, pixels = cvy_shape_count(b->info->input);
  cvy_random where = {.seed = 1, .purpose = CVY_FOR_SYNTHETIC};
  for (int64_t i = 0; i < images; i++)
    b->labels[i] = (int32_t)cvy_random_next_below(&where, b->info->class_count);
  for (int64_t i = 0; i < pixels; i++) b->images[i] = (float)cvy_random_next_gaussian(&where);
}

static cvy_err create(bench *b, cvy_pool *pool, const cvy_bench_ranks_options *options) {
  cvy_yaml *node;
  void *memory, *rule_config;
  b->config = (cvy_learner_config){.comm = b->comm,
                                   .tree = options->tree,
                                   .way = options->way,
                                   .bucket_mib = cvy_bucket_mib[CVY_BUCKET_USUAL],
                                   .network = options->network,
                                   .microbatch = options->microbatch};
  CVY_TRY(cvy_yaml_parse(&node, pool, solver, "solver"));
  CVY_TRY(cvy_read_rule(&b->config.rule, &rule_config, pool, node));
  b->config.rule_config = rule_config;
  CVY_TRY(cvy_learner_create(&b->learner, &b->config));
  b->net = cvy_learner_net(b->learner);
  b->info = cvy_net_describe(b->net);
  CVY_TRY(cvy_buffer_create(&memory, sizeof(float) * (size_t)cvy_shape_count(b->info->input), "the images"));
  b->images = memory;
  b->labels = cvy_pool_new(pool, sizeof *b->labels * (size_t)b->info->input.n);
  b->seconds = cvy_pool_new(pool, sizeof *b->seconds * (size_t)options->steps);
  make_data(b);
  return CVY_OK;
}

static cvy_err run(cvy_bench_ranks_result *out, bench *b, cvy_pool *pool,
                   const cvy_bench_ranks_options *options) {
  cvy_err err = cvy_comm_agree(b->comm, create(b, pool, options));
  if (!err) err = cvy_bucket_choose(&b->bucket, b->learner, &b->config, options->bucket_mib);
  if (!err) {
    cvy_net_init(b->net, 1);
    run_steps(out, b, options->steps);
  }
  cvy_learner_destroy(b->learner);
  cvy_buffer_destroy(b->images);
  return err;
}

cvy_err cvy_bench_ranks(cvy_bench_ranks_result *out, cvy_pool *pool, cvy_comm *comm,
                        const cvy_bench_ranks_options *options) {
  bench b = {0};
  cvy_err err = CVY_OK;
  *out = (cvy_bench_ranks_result){0};
  cvy_comm_first(&b.comm, comm, options->ranks);
  if (b.comm) err = run(out, &b, pool, options);
  cvy_comm_release(b.comm);
  cvy_comm_wait(comm);
  return cvy_comm_agree(comm, err);
}
