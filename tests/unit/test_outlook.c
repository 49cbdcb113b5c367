/* Tests the rows of a plan from known times and a known cluster, against numbers that can be had by hand. */
#include "scratch.h"
#include "suite.h"

#include "base/yaml.h"
#include "measure/outlook.h"

#include <math.h>

/* 1,000,000 + 1,000,000 weights, which are 4 MB each. */
static const char text[] = "name: pair\ninput: [10, 10, 10]\nlayers:\n"
                           "  - fc: {name: a, outputs: 1000, bias: false, parallel: %s}\n"
                           "  - fc: {name: b, outputs: 1000, bias: false, parallel: %s}\n"
                           "  - softmax_loss: {name: loss}\n";
static const double forward_s[] = {0.1, 0.1, 0.05}, backward_s[] = {0.2, 0.3, 0.05};
static const cvy_layer_times times = {forward_s, backward_s, .losses_s = 0.05};
static const double one_step_s = 0.3 + 0.55;

typedef struct rig {
  cvy_pool *pool;
  cvy_outlook_options options;
  cvy_outlook outlook;
} rig;

/* Sets up microbatches of two images, one a rank, on nodes with a core for each thread and a wire that takes
 * no time. */
static void set_up(rig *r, const char *parallel) {
  cvy_yaml *network;
  *r = (rig){.pool = cvy_pool_create()};
  char *description = cvy_pool_format(r->pool, text, parallel, parallel);
  CU_ASSERT_FATAL(!cvy_yaml_parse(&network, r->pool, description, "pair"));
  r->options = (cvy_outlook_options){.network = network, .nodes = 4, .microbatch = 2, .images = 1000};
  r->outlook.ranks = 4;
  r->outlook.microbatches = 1;
  r->outlook.cluster = (cvy_plan_cluster){
      .ranks_per_node = 1, .threads = 1, .cores = 2, .wire_bytes_per_s = 1e15};
}

static cvy_err add_rows(rig *r, const cvy_layer_times *measured) {
  return cvy_outlook_add_rows(&r->outlook, &r->options, measured);
}

static void expect_near(double got, double wanted, double tolerance) {
  if (!(fabs(got - wanted) <= tolerance)) printf("\n  %.9g instead of %.9g\n", got, wanted);
  CU_ASSERT(fabs(got - wanted) <= tolerance);
}

static void expect_ranks(const rig *r, const int64_t *ranks, int64_t count) {
  CU_ASSERT_EQUAL_FATAL(r->outlook.row_count, count);
  for (int64_t i = 0; i < count; i++) CU_ASSERT_EQUAL(r->outlook.rows[i].ranks, ranks[i]);
}

/* ---- which rows ---- */

static void powers_of_two_and_the_clusters_own(void) {
  const int64_t ranks[] = {1, 2, 4, 6, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096};
  rig r;
  set_up(&r, "replicated");
  r.outlook.ranks = 6;
  r.outlook.cluster.ranks_per_node = 2;
  CU_ASSERT_EQUAL(add_rows(&r, &times), CVY_OK);
  expect_ranks(&r, ranks, CVY_COUNT(ranks));
  for (int64_t i = 0; i < r.outlook.row_count; i++) {
    CU_ASSERT_EQUAL(r.outlook.rows[i].nodes, ranks[i] == 1 ? 1 : ranks[i] / 2);
    CU_ASSERT_EQUAL(r.outlook.rows[i].batch, 2 * ranks[i]);
  }
  r.outlook.ranks = 4096;
  CU_ASSERT_EQUAL(add_rows(&r, &times), CVY_OK);
  CU_ASSERT_EQUAL(r.outlook.row_count, 13);
  cvy_pool_destroy(r.pool);
}

static void nodes_are_filled(void) {
  const int64_t ranks[] = {1, 2, 6};
  rig r;
  set_up(&r, "replicated");
  r.outlook.ranks = 6;
  r.outlook.cluster.ranks_per_node = 3;
  CU_ASSERT_EQUAL(add_rows(&r, &times), CVY_OK);
  expect_ranks(&r, ranks, CVY_COUNT(ranks));
  CU_ASSERT_EQUAL(r.outlook.rows[2].nodes, 2);
  cvy_pool_destroy(r.pool);
}

/* A layer with 1000 inputs cannot be cut into 1024 slices: such a row is left out, unless it is what was
 * asked about. */
static void what_split_layers_do_not_allow(void) {
  rig r;
  set_up(&r, "sharded");
  CU_ASSERT_EQUAL(add_rows(&r, &times), CVY_OK);
  CU_ASSERT_EQUAL(r.outlook.row_count, 10);
  CU_ASSERT_EQUAL(r.outlook.rows[9].ranks, 512);
  CU_ASSERT_EQUAL(r.outlook.rows[1].split, 2000000);
  CU_ASSERT(r.outlook.rows[1].step.swap_s > 0);
  r.outlook.ranks = 1024;
  CU_ASSERT_EQUAL(add_rows(&r, &times), CVY_E_INPUT);
  cvy_pool_destroy(r.pool);
}

/* ---- what stands in them ---- */

static void a_cluster_that_costs_nothing(void) {
  rig r;
  set_up(&r, "replicated");
  CU_ASSERT_EQUAL(add_rows(&r, &times), CVY_OK);
  for (int64_t i = 0; i < r.outlook.row_count; i++) {
    const cvy_outlook_row *row = &r.outlook.rows[i];
    const double ranks = (double)row->ranks;
    expect_near(row->step.step_s, one_step_s, 1e-6);
    expect_near(row->images_per_s, 2 * ranks / one_step_s, 1e-5 * ranks);
    expect_near(row->efficiency, 1, 1e-6);
    expect_near(row->epoch_s, 1000 * one_step_s / (2 * ranks), 1e-3 / ranks);
    CU_ASSERT(row->split == 0 && row->memory.weights == 8000000);
    CU_ASSERT_EQUAL(row->bucket_mib, 4); /* the usual one, where no other gains */
  }
  CU_ASSERT_EQUAL(r.outlook.rows[0].memory.optimiser, 8000000); /* momentum, a float a weight */
  CU_ASSERT_EQUAL(r.outlook.rows[0].memory.loader, 4 * 2 * 4000);
  cvy_pool_destroy(r.pool);
}

/* With two ranks 4 MB take 0.4 s. In buckets of 1 MiB, b's go while a's backward runs, 0.2 s. In larger ones
 * everything waits for a. */
static void a_slow_wire_wants_small_buckets(void) {
  rig r;
  set_up(&r, "replicated");
  r.outlook.cluster.wire_bytes_per_s = 1e7;
  CU_ASSERT_EQUAL(add_rows(&r, &times), CVY_OK);
  const cvy_outlook_row *two = &r.outlook.rows[1];
  CU_ASSERT_EQUAL(two->bucket_mib, 1);
  expect_near(two->step.exposed_s, 0.6, 1e-6);
  expect_near(two->step.step_s, one_step_s + 0.6, 1e-6);
  expect_near(two->efficiency, one_step_s / (one_step_s + 0.6), 1e-6);
  r.options.bucket_mib = 16;
  CU_ASSERT_EQUAL(add_rows(&r, &times), CVY_OK);
  CU_ASSERT_EQUAL(two->bucket_mib, 16);
  expect_near(two->step.step_s, one_step_s + 0.8, 1e-6);
  cvy_pool_destroy(r.pool);
}

/* The update is measured with all threads together, and one rank has them all for it. */
static void microbatches_and_the_update(void) {
  const cvy_layer_times updated = {forward_s, backward_s, .losses_s = 0.05, .update_s = 0.04};
  rig r;
  set_up(&r, "replicated");
  r.outlook.microbatches = 4;
  r.outlook.cluster.threads = 2;
  r.outlook.cluster.cores = 3;
  r.outlook.cluster.add_s_per_byte = 1e-9; /* 8 ms for all gradients, by one of the two threads */
  CU_ASSERT_EQUAL(add_rows(&r, &updated), CVY_OK);
  expect_near(r.outlook.rows[0].step.step_s, 4 * one_step_s + 3 * 0.004 + 0.04, 1e-9);
  CU_ASSERT_EQUAL(r.outlook.rows[2].batch, 4 * 4 * 2);
  cvy_pool_destroy(r.pool);
}

/* ---- before the rows ---- */

static void expect_refused(rig *r, cvy_err err, const char *words) {
  CU_ASSERT_EQUAL(cvy_outlook_make(&r->outlook, r->pool, &r->options), err);
  if (!strstr(cvy_err_message(), words)) printf("\n  '%s' instead of '%s'\n", cvy_err_message(), words);
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), words));
}

static void batches_that_cannot_be_shared(void) {
  rig r;
  set_up(&r, "replicated");
  r.options.cluster = r.outlook.cluster;
  r.options.nodes = 6;
  r.options.batch = 50;
  expect_refused(&r, CVY_E_USAGE,
                 "batch 50 is not shared evenly by 6 ranks with microbatches of 2; 60 would be");
  r.options.batch = 60; /* 5 microbatches a rank, and the tree has the 5 at its top */
  expect_refused(&r, CVY_E_INPUT, "6 ranks cannot share the 30 microbatches of a step");
  r.options.nodes = 4097;
  expect_refused(&r, CVY_E_USAGE, "4097 nodes of 1 ranks are 4097 ranks; plans reach to 4096");
  cvy_pool_destroy(r.pool);
}

static const char *write_times(const char *second_name) {
  static char path[300];
  snprintf(path, sizeof path, "%s/times.json", scratch_folder());
  FILE *file = fopen(path, "w");
  CU_ASSERT_PTR_NOT_NULL_FATAL(file);
  fprintf(file,
          "{\"batch\": 2, \"threads\": 1, \"losses_s\": 0.05, \"update_s\": {\"median\": 0.04}, \"layers\": ["
          "{\"name\": \"a\", \"forward_s\": 0.1, \"backward_s\": 0.2},"
          "{\"name\": \"%s\", \"forward_s\": 1e-1, \"backward_s\": 0.3},"
          "{\"name\": \"loss\", \"forward_s\": 0.05, \"backward_s\": 0.05}]}\n",
          second_name);
  fclose(file);
  return path;
}

/* The file has all times, but for what a byte costs here. */
static void times_from_a_file(void) {
  rig r;
  set_up(&r, "replicated");
  cvy_threads_set(1);
  r.options.cluster = r.outlook.cluster;
  r.options.cluster.cores = 0;
  r.options.times = write_times("b");
  CU_ASSERT_EQUAL_FATAL(cvy_outlook_make(&r.outlook, r.pool, &r.options), CVY_OK);
  CU_ASSERT_STRING_EQUAL(r.outlook.network, "pair");
  CU_ASSERT(r.outlook.param_count == 2000000 && r.outlook.ranks == 4 && r.outlook.microbatches == 1);
  CU_ASSERT_EQUAL(r.outlook.cluster.cores, 2); /* a computing and a communication thread */
  CU_ASSERT(r.outlook.cluster.add_s_per_byte > 0 && r.outlook.cluster.copy_s_per_byte > 0);
  expect_near(r.outlook.rows[0].step.step_s, one_step_s + 0.04, 1e-9);
  r.options.times = write_times("c");
  expect_refused(&r, CVY_E_INPUT, "layer 1 is 'c'; network 'pair' has 'b' there");
  r.options.microbatch = 4;
  expect_refused(&r, CVY_E_INPUT, "measured with batch 2; --microbatch is 4");
  cvy_pool_destroy(r.pool);
}

static void headers_take_their_part_of_the_wire(void) {
  expect_near(cvy_plan_wire_bytes_per_s(10), 1.25e9 * 1448 / 1538, 1);
}

SUITE("outlook", TEST(powers_of_two_and_the_clusters_own), TEST(nodes_are_filled),
      TEST(what_split_layers_do_not_allow), TEST(a_cluster_that_costs_nothing),
      TEST(a_slow_wire_wants_small_buckets), TEST(microbatches_and_the_update),
      TEST(batches_that_cannot_be_shared), TEST(times_from_a_file), TEST(headers_take_their_part_of_the_wire))
