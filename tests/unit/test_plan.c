/* Tests the model of a step on many ranks against cases that can be done by hand. */
#include "suite.h"

#include "base/yaml.h"
#include "measure/plan.h"
#include "train/bucket.h"

#include <math.h>

static const double ms = 1e-3;

static void expect_s(double got, double wanted) {
  if (!(fabs(got - wanted) <= 1e-9)) printf("\n  %.12g s instead of %.12g\n", got, wanted);
  CU_ASSERT(fabs(got - wanted) <= 1e-9);
}

/* ---- the walk ---- */

/* 100 MB/s and blocks of 1 MB: 10 ms a block. */
static const cvy_plan_road wire = {.level_count = 1,
                                   .levels = {{2, true}},
                                   .latency_s = 1e-3,
                                   .wire_bytes_per_s = 1e8,
                                   .sharded = true,
                                   .block_bytes = 1e6,
                                   .slots = 4};

static double walk(const cvy_plan_road *road, const cvy_plan_bucket *buckets, int64_t count) {
  double busy_s, sent_bytes;
  return cvy_plan_walk(&busy_s, &sent_bytes, road, buckets, count);
}

/* Half of the block goes up and half down, each after a latency. */
static void one_block_of_two_ranks(void) {
  double busy_s, sent_bytes;
  const cvy_plan_bucket bucket = {1e6, 0.5};
  expect_s(cvy_plan_walk(&busy_s, &sent_bytes, &wire, &bucket, 1), 0.5 + 2 * (5 * ms + 1 * ms));
  expect_s(busy_s, 0);
  CU_ASSERT_EQUAL(sent_bytes, 1e6); /* 2n(P-1)/P */
}

static void radix_three_exchanges_thirds(void) {
  cvy_plan_road road = wire;
  double busy_s, sent_bytes;
  const cvy_plan_bucket bucket = {0.9e6, 0};
  road.levels[0].radix = 3;
  expect_s(cvy_plan_walk(&busy_s, &sent_bytes, &road, &bucket, 1), 2 * (6 * ms + 1 * ms));
  CU_ASSERT(fabs(sent_bytes - 1.2e6) < 1e-3);
}

/* Without latency the wire never rests, so the time is the bound of 2n(P-1)/P. */
static void many_blocks_are_bound_by_the_wire(void) {
  cvy_plan_road road = wire;
  const cvy_plan_bucket bucket = {16e6, 0};
  road.latency_s = 0;
  expect_s(walk(&road, &bucket, 1), 160 * ms);
  road.level_count = 3;
  road.levels[1] = road.levels[2] = (cvy_plan_level){2, true};
  expect_s(walk(&road, &bucket, 1), 160 * ms * 2 * 7 / 8);
  road.latency_s = 1 * ms; /* it is hidden but for that of the last blocks */
  CU_ASSERT(walk(&road, &bucket, 1) >= 281 * ms && walk(&road, &bucket, 1) <= 288 * ms);
}

/* With one slot nothing hides anything. */
static void few_slots_wait_for_latency(void) {
  cvy_plan_road road = wire;
  const cvy_plan_bucket bucket = {3e6, 0};
  road.slots = 1;
  expect_s(walk(&road, &bucket, 1), 3 * 12 * ms);
}

static void buckets_wait_until_they_are_ready(void) {
  const cvy_plan_bucket apart[] = {{1e6, 0}, {1e6, 1}}, together[] = {{1e6, 0}, {1e6, 0}};
  expect_s(walk(&wire, apart, 2), 1 + 12 * ms);
  /* Both go up (10 ms of wire), then both go down: the second one's sum is there before the first is down. */
  expect_s(walk(&wire, together, 2), 4 * 5 * ms + 1 * ms);
}

/* There are two ranks a node and two nodes: copies are within the node, and a quarter goes over the wire each
 * way. */
static void two_levels(void) {
  cvy_plan_road road = wire;
  double busy_s, sent_bytes;
  const cvy_plan_bucket bucket = {1e6, 0};
  road.level_count = 2;
  road.levels[0] = (cvy_plan_level){2, false};
  road.levels[1] = (cvy_plan_level){2, true};
  road.copy_s_per_byte = 1e-9;    /* 0.5 ms for half a block */
  road.add_s_per_byte = 2e-9;     /* 1 ms for half, 0.5 for a quarter */
  road.wire_s_per_byte = 4e-9;    /* 1 ms for a quarter */
  road.update_s_per_byte = 12e-9; /* 3 ms for a quarter */
  const double end_s = cvy_plan_walk(&busy_s, &sent_bytes, &road, &bucket, 1);
  expect_s(busy_s, (0.5 + 1 + 1 + 0.5 + 3 + 1 + 0.5) * ms);
  expect_s(end_s, busy_s + 2 * (2.5 * ms + 1 * ms));
  CU_ASSERT_EQUAL(sent_bytes, 0.5e6);
  road.sharded = false; /* all of it is updated, at the end */
  expect_s(walk(&road, &bucket, 1), end_s + 9 * ms);
}

/* ---- a step ---- */

/* 1,000,000 + 1,000,000 weights, in a bucket each. */
static const char text[] = "input: [10, 10, 10]\nlayers:\n  - fc: {name: a, outputs: 1000, bias: false}\n"
                           "  - fc: {name: b, outputs: 1000, bias: false}\n  - softmax_loss\n";
static const double forward_s[] = {0.1, 0.1, 0.05}, backward_s[] = {0.2, 0.3, 0.05};

typedef struct rig {
  cvy_pool *pool;
  cvy_tree tree;
  cvy_peers peers;
  cvy_net *net;
  cvy_plan_work work;
  cvy_plan_cluster cluster;
} rig;

static void set_up(rig *r) {
  cvy_yaml *root;
  r->pool = cvy_pool_create();
  CU_ASSERT_FATAL(!cvy_yaml_parse(&root, r->pool, text, "n") && !cvy_net_create(&r->net, root, 2, NULL));
  r->work = (cvy_plan_work){.net = cvy_net_describe(r->net),
                            .forward_s = forward_s,
                            .backward_s = backward_s,
                            .losses_s = 0.05,
                            .update_s = 0.04,
                            .microbatches = 1,
                            .bucket_bytes = 1 << 20,
                            .sharded = true};
  r->cluster = (cvy_plan_cluster){.ranks_per_node = 1, .threads = 1, .cores = 2, .wire_bytes_per_s = 1e15};
  CU_ASSERT_EQUAL(r->work.net->arena_count, 2000000);
}

static void tear_down(rig *r) {
  cvy_net_destroy(r->net);
  cvy_pool_destroy(r->pool);
}

static cvy_plan_step foretold(const rig *r, int64_t ranks) {
  cvy_tree tree;
  cvy_plan_step step;
  CU_ASSERT_FATAL(!cvy_tree_create(&tree, ranks * r->work.microbatches, NULL, 0));
  cvy_plan_foretell(&step, &r->work, &r->cluster, &tree, ranks);
  return step;
}

static void one_rank_alone(void) {
  rig r;
  set_up(&r);
  expect_s(foretold(&r, 1).step_s, 0.3 + 0.55 + 0.04);
  r.work.microbatches = 4;
  r.cluster.add_s_per_byte = 1e-9; /* 8 ms for all gradients; three times */
  expect_s(foretold(&r, 1).step_s, 4 * (0.3 + 0.55) + 3 * 0.008 + 0.04);
  tear_down(&r);
}

static void a_fast_wire_hides_all(void) {
  rig r;
  set_up(&r);
  r.work.update_s = 0;
  const cvy_plan_step step = foretold(&r, 4);
  CU_ASSERT(fabs(step.step_s - 0.85) < 1e-6 && step.exposed_s < 1e-6);
  tear_down(&r);
}

/* b's 4 MB go while a's backward runs (0.2 s); what is exposed is a's own, and what was left of b's. */
static void what_does_not_fit_is_exposed(void) {
  rig r;
  set_up(&r);
  r.work.update_s = 0;
  r.cluster.wire_bytes_per_s = 4e7; /* 0.1 s a bucket for two ranks */
  CU_ASSERT(fabs(foretold(&r, 2).exposed_s - 0.1) < 1e-6);
  r.cluster.wire_bytes_per_s = 1e7; /* 0.4 s */
  const cvy_plan_step step = foretold(&r, 2);
  CU_ASSERT(fabs(step.exposed_s - 0.6) < 1e-6);
  CU_ASSERT(fabs(step.step_s - (0.3 + 0.35 + 0.8)) < 1e-6);
  CU_ASSERT(fabs(step.sent_bytes - 8e6) < 1);
  tear_down(&r);
}

static void cores_are_shared(void) {
  rig r;
  set_up(&r);
  r.work.update_s = 0;
  r.cluster.cores = 0.5; /* half a core for a computing thread */
  CU_ASSERT(fabs(foretold(&r, 2).step_s - 2 * 0.85) < 1e-6);
  r.cluster.cores =
      1; /* TCP's work takes 8 MB * 10 ns = 0.08 s of the only core, but for a's share, which is exposed */
  r.cluster.wire_s_per_byte = 1e-8;
  const cvy_plan_step step = foretold(&r, 2);
  expect_s(step.exchange_cpu_s, 0.08);
  CU_ASSERT(step.compute_s > 0.85 && step.step_s >= 0.85 + 0.08 - 1e-9 && step.step_s < 0.85 + 0.13);
  tear_down(&r);
}

static void memory_of_a_rank(void) {
  rig r;
  cvy_tree tree;
  set_up(&r);
  CU_ASSERT_FATAL(!cvy_tree_create(&tree, 8, NULL, 0));
  cvy_plan_memory m = cvy_plan_need(&r.work, &r.cluster, &tree, 8, 1, 4);
  CU_ASSERT(m.weights == 8000000 && m.optimiser == 1000000 && m.gradients == 8000000);
  CU_ASSERT(m.exchange == 2 << 20 && m.loader == 4 * 2 * 4000);
  CU_ASSERT_EQUAL(cvy_plan_total(&m), m.network + 2 * 8000000 + 1000000 + (2 << 20) + 32000);
  r.cluster.ranks_per_node = 8;
  m = cvy_plan_need(&r.work, &r.cluster, &tree, 8, 1, 4); /* all ranks are of one node */
  CU_ASSERT(m.exchange == 8 << 20);
  m = cvy_plan_need(&r.work, &r.cluster, &tree, 1, 2, 4); /* three levels within the rank */
  CU_ASSERT(m.gradients == 4 * 8000000 && m.optimiser == 2 * 8000000 && m.exchange == 0);
  tear_down(&r);
}

/* ---- split layers ---- */

/* Sets up two ranks, with a microbatch of two images each. */
static void set_up_split(rig *r, const char *a, const char *b) {
  char split[400];
  cvy_yaml *root;
  set_up(r);
  snprintf(split, sizeof split,
           "input: [10, 10, 10]\nlayers:\n  - fc: {name: a, outputs: 1000, bias: false, parallel: %s}\n"
           "  - fc: {name: b, outputs: 1000, bias: false, parallel: %s}\n  - softmax_loss\n",
           a, b);
  cvy_net_destroy(r->net);
  CU_ASSERT_FATAL(!cvy_tree_create(&r->tree, 2, NULL, 0));
  r->peers = cvy_plan_peers(&r->tree, 2);
  CU_ASSERT_FATAL(!cvy_yaml_parse(&root, r->pool, split, "n") &&
                  !cvy_net_create(&r->net, root, 2, &(cvy_net_wishes){.peers = &r->peers}));
  r->work.net = cvy_net_describe(r->net);
  r->work.update_s = 0;
  r->cluster.latency_s = 1e-3;
  r->cluster.wire_bytes_per_s = 4e7;
}

/* b's halves of X and dX are 4,000 bytes, its Y and dY 8,000; a reads the image, so there is no dX. Each
 * comes after a latency. a's bucket is exposed as if b had one, which would be gone by then. */
static void swaps_are_waited_for(void) {
  rig r;
  const double latency_s = 1e-3, b_s = 4 * 1e-3 + 24000 / 4e7;
  set_up_split(&r, "replicated", "replicated");
  cvy_plan_step step = foretold(&r, 2);
  const double bucket_s = step.exposed_s;
  CU_ASSERT(bucket_s > 0.1 && step.swap_s == 0);
  tear_down(&r);

  set_up_split(&r, "replicated", "sharded");
  step = foretold(&r, 2);
  expect_s(step.swap_s, b_s);
  CU_ASSERT_EQUAL(step.swapped_bytes, 24000);
  CU_ASSERT(fabs(step.sent_bytes - 4e6 - 24000) < 1);
  expect_s(step.exposed_s, bucket_s + b_s);
  expect_s(step.step_s, step.compute_s + step.exposed_s + 2 * latency_s); /* hits and losses */
  expect_s(step.compute_s, 0.85);
  tear_down(&r);

  set_up_split(&r, "sharded", "replicated"); /* b's bucket goes while a's backward runs */
  step = foretold(&r, 2);
  expect_s(step.swap_s, 3 * latency_s + 20000 / 4e7);
  expect_s(step.exposed_s, step.swap_s);
  r.cluster.ranks_per_node = 2; /* then there are copies, which the thread makes */
  r.cluster.copy_s_per_byte = 1e-9;
  r.cluster.cores = 8;
  step = foretold(&r, 2);
  expect_s(step.swap_s, 20000e-9);
  CU_ASSERT(step.sent_bytes == 0 && step.swapped_bytes == 0);
  tear_down(&r);
}

/* There is no bucket but an empty one; each rank updates its half. */
static void nothing_but_split_layers(void) {
  rig r;
  set_up_split(&r, "sharded", "sharded");
  r.work.update_s = 0.04;
  r.cluster.wire_bytes_per_s = 1e15;
  r.cluster.latency_s = 0;
  cvy_plan_step step = foretold(&r, 2);
  CU_ASSERT(fabs(step.step_s - 0.85 - 0.02) < 1e-6);
  CU_ASSERT(step.sent_bytes - step.swapped_bytes < 100 && step.swapped_bytes == 44000);
  const cvy_plan_memory m = cvy_plan_need(&r.work, &r.cluster, &r.tree, 2, 1, 4);
  r.work.microbatches = 4;
  r.cluster.add_s_per_byte = 1e-9; /* there is next to nothing to add */
  step = foretold(&r, 2);
  CU_ASSERT(fabs(step.compute_s - 4 * 0.85 - 0.02) < 1e-6);
  CU_ASSERT(m.weights == 8000000 + 64 && r.work.net->kept_bytes > 0);
  CU_ASSERT(m.network >= r.work.net->activation_bytes + r.work.net->scratch_bytes + r.work.net->kept_bytes);
  CU_ASSERT(m.gradients == 8000000 + 64); /* rank 0's room for the whole state */
  CU_ASSERT(m.optimiser >= 4000000 && m.optimiser <= 4000000 + 64);
  tear_down(&r);
}

/* Another size is taken only where it gains more than the clock's noise; 0 stands for one that was not
 * tried. */
static void the_usual_bucket_unless_another_gains(void) {
  CU_ASSERT_EQUAL(cvy_bucket_best((double[]){1.00, 1.00, 1.00, 1.00}), CVY_BUCKET_USUAL);
  CU_ASSERT_EQUAL(cvy_bucket_best((double[]){0.99, 1.00, 0.985, 1.20}), CVY_BUCKET_USUAL);
  CU_ASSERT_EQUAL(cvy_bucket_best((double[]){0.97, 1.00, 1.10, 1.20}), 0);
  CU_ASSERT_EQUAL(cvy_bucket_best((double[]){0.97, 1.00, 0.90, 0.91}), 2);
  CU_ASSERT_EQUAL(cvy_bucket_best((double[]){0, 1.00, 0, 0.5}), 3);
  CU_ASSERT_EQUAL(cvy_bucket_mib[CVY_BUCKET_USUAL], 4);
}

SUITE("plan", TEST(one_block_of_two_ranks), TEST(radix_three_exchanges_thirds),
      TEST(many_blocks_are_bound_by_the_wire), TEST(few_slots_wait_for_latency),
      TEST(buckets_wait_until_they_are_ready), TEST(two_levels), TEST(one_rank_alone),
      TEST(a_fast_wire_hides_all), TEST(what_does_not_fit_is_exposed), TEST(cores_are_shared),
      TEST(memory_of_a_rank), TEST(swaps_are_waited_for), TEST(nothing_but_split_layers),
      TEST(the_usual_bucket_unless_another_gains))
