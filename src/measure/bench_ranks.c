/* The clock on training steps of several ranks: the trainer's own, but for the data, which are random and
 * made once. */
#include "measure/bench.h"
#include "measure/bench_step.h"
#include "train/bucket.h"
#include "train/fixed.h"
#include "train/split.h"
#include "train/step.h"

typedef struct bench {
  cvy_comm *comm; /* those that take part */
  cvy_net *net;   /* the learner's */
  cvy_step_config config;
  cvy_learner *learner;
  cvy_bucket_choice bucket;
  cvy_fixed images;
  cvy_step step;
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

static void run_step(const bench *b, int64_t number) {
  cvy_tally tally = cvy_step_run(&b->step, number, cvy_bench_rate);
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
      .images = cvy_step_batch(&b->config),
      .bucket_mib = b->bucket.mib,
      .step_s = cvy_spread_of(b->seconds, steps),
      .exposed_s = cvy_comm_mean_s(b->comm, after.exposed_s - before.exposed_s) / (double)steps,
      .exchange_cpu_s = cvy_comm_mean_s(b->comm, after.cpu_s - before.cpu_s) / (double)steps};
  cvy_learner_whole_weights(b->learner);
  out->weights = cvy_net_hash(b->net, NULL);
}

/* ---- before and after ---- */

static cvy_err create(bench *b, cvy_pool *pool, const cvy_bench_ranks_options *options) {
  CVY_TRY(cvy_bench_step_config(&b->config, pool, options->tree, options->microbatch));
  b->config.way = options->way;
  b->config.wishes.convolution = options->convolution;
  const cvy_learner_config config = {.comm = b->comm,
                                     .step = b->config,
                                     .bucket_mib = cvy_bucket_mib[CVY_BUCKET_USUAL],
                                     .network = options->network};
  CVY_TRY(cvy_learner_create(&b->learner, &config));
  b->net = cvy_learner_net(b->learner);
  const cvy_net_info *info = cvy_net_describe(b->net);
  CVY_TRY(cvy_fixed_create(&b->images, info));
  cvy_fixed_fill(&b->images, info);
  b->seconds = cvy_pool_new(pool, sizeof *b->seconds * (size_t)options->steps);
  return CVY_OK;
}

static cvy_err make_ready(bench *b, int64_t wanted_mib) {
  CVY_TRY(cvy_bucket_choose(&b->bucket, b->learner, b->comm, &b->config, wanted_mib));
  cvy_net_init(b->net, 1);
  b->step = cvy_step_of(&b->config, b->net, cvy_comm_rank(b->comm), cvy_comm_size(b->comm));
  b->step.learner = b->learner;
  b->step.fixed = cvy_fixed_microbatch(&b->images);
  return CVY_OK;
}

static cvy_err run(cvy_bench_ranks_result *out, bench *b, cvy_pool *pool,
                   const cvy_bench_ranks_options *options) {
  cvy_err err = cvy_comm_agree(b->comm, create(b, pool, options));
  if (!err) err = make_ready(b, options->bucket_mib);
  if (!err) run_steps(out, b, options->steps);
  cvy_learner_destroy(b->learner);
  cvy_fixed_destroy(&b->images);
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

cvy_err cvy_bench_ranks_net(cvy_net **out, cvy_comm *comm, const cvy_bench_ranks_options *options) {
  const cvy_peers peers = cvy_peers_of(comm, options->tree);
  const cvy_net_wishes wishes = {.peers = &peers, .convolution = options->convolution};
  CVY_TRY(cvy_net_create(out, options->network, options->microbatch, &wishes));
  const cvy_net_info *info = cvy_net_describe(*out);
  if (info->param_count > 0) return CVY_OK;
  const cvy_err err = cvy_error(CVY_E_INPUT, "network '%s' has no parameters that it could learn",
                                info->name);
  cvy_net_destroy(*out);
  *out = NULL;
  return err;
}
