/* ranks: 1 2 4 */
/* Tests that all ranks name the same layer and microbatch where a step diverged, whichever rank has it, and
 * that they judge exploding losses alike. */
#include "unit/suite.h"

#include "rules.h"

#include "base/yaml.h"
#include "train/divergence.h"
#include "train/fixed.h"

enum { IMAGES = 2, LEAVES = 4 };

/* The weights of fc1 make large numbers of large ones. */
static const char format[] = "{input: [6, 6, 2], layers: [{conv: {filters: 3, kernel: 3}}, relu, "
                             "{fc: {outputs: 6, init: gaussian, init_std: 100, parallel: %s}}, relu, "
                             "{fc: {outputs: 4}}, softmax_loss]}";

static cvy_comm *comm;
static const cvy_recipe recipe = {.exploding_loss = 10};

typedef struct rig {
  cvy_pool *pool;
  cvy_run run;
  cvy_fixed images;
} rig;

static void set_up(rig *r, const char *parallel) {
  cvy_yaml *root;
  *r = (rig){
      .pool = cvy_pool_create(),
      .run = {
          .comm = comm, .recipe = &recipe, .fault = {.microbatch = -1}, .state = cvy_run_state_at_first()}};
  cvy_step_config step = {.microbatch = IMAGES, .rule = &plain};
  CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&root, r->pool, cvy_pool_format(r->pool, format, parallel), "network"),
                        CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_tree_create(&step.tree, LEAVES, NULL, 0), CVY_OK);
  const cvy_learner_config config = {.comm = comm, .step = step, .bucket_mib = 1, .network = root};
  CU_ASSERT_EQUAL_FATAL(cvy_learner_create(&r->run.learner, &config), CVY_OK);
  r->run.net = cvy_learner_net(r->run.learner);
  cvy_net_init(r->run.net, 1);
  CU_ASSERT_EQUAL_FATAL(cvy_fixed_create(&r->images, cvy_net_describe(r->run.net)), CVY_OK);
  cvy_fixed_fill(&r->images, cvy_net_describe(r->run.net));
  r->run.step = cvy_step_of(&step, r->run.net, cvy_comm_rank(comm), cvy_comm_size(comm));
  r->run.step.learner = r->run.learner;
  r->run.step.fault = &r->run.fault;
  r->run.step.fixed = cvy_fixed_microbatch(&r->images);
}

static void tear_down(rig *r) {
  cvy_fixed_destroy(&r->images);
  cvy_learner_destroy(r->run.learner);
  cvy_pool_destroy(r->pool);
}

static cvy_err step(rig *r) {
  cvy_tally tally = cvy_step_run(&r->run.step, r->run.state.step++, 0);
  cvy_comm_sum(comm, (int64_t *)&tally, CVY_TALLY_FIELDS);
  return cvy_divergence_judge(&r->run, &tally, 0.1);
}

/* Only the last rank's images are bad. */
static void name_the_layer(const char *parallel, float pixel, const char *layer) {
  const int ranks = cvy_comm_size(comm);
  rig r;
  char where[100];
  set_up(&r, parallel);
  CU_ASSERT_EQUAL(step(&r), CVY_OK);
  CU_ASSERT(!r.run.has_diverged && r.run.fault.microbatch == -1);
  for (int i = 0; cvy_comm_rank(comm) == ranks - 1 && i < 6 * 6 * 2; i++) r.images.images[i] = pixel;
  CU_ASSERT_EQUAL(step(&r), CVY_E_RUN);
  CU_ASSERT(r.run.has_diverged);
  snprintf(where, sizeof where, "in the output of layer '%s' (microbatch %d of the step)", layer,
           LEAVES - LEAVES / ranks + 1);
  if (!strstr(cvy_err_message(), where)) printf("\n    %s", cvy_err_message());
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), where));
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "step 2: the loss of "));
  tear_down(&r);
}

static void any_rank_may_have_it(void) {
  name_the_layer("replicated", 1e37f, "fc1");
  name_the_layer("replicated", 3e38f, "conv1");
}

/* A walk of split layers takes all ranks, so what forward has left is looked at. */
static void split_layers_are_named_too(void) {
  name_the_layer("sharded", 1e37f, "fc1");
  name_the_layer("sharded", 3e38f, "conv1");
}

/* Losses of ten times ln(4), or of ten times the first, are too high: whichever is more. */
static void explosions_are_judged_alike(void) {
  rig r;
  set_up(&r, "replicated");
  const cvy_tally first = {.images = 2, .loss = 2 * (int64_t)(3 * 0x1p24)},
                  high = {.images = 2, .loss = 2 * (int64_t)(29 * 0x1p24)},
                  higher = {.images = 2, .loss = 2 * (int64_t)(31 * 0x1p24)};
  CU_ASSERT_EQUAL(cvy_divergence_judge(&r.run, &first, 0.1), CVY_OK);
  CU_ASSERT_EQUAL(r.run.state.first_loss, 3);
  CU_ASSERT_EQUAL(cvy_divergence_judge(&r.run, &high, 0.1), CVY_OK);
  CU_ASSERT_EQUAL(cvy_divergence_judge(&r.run, &higher, 0.1), CVY_E_RUN);
  CU_ASSERT_PTR_NOT_NULL(
      strstr(cvy_err_message(), "the mean loss is 31, above the 30 at which 'exploding_loss: 10'"));
  r.run.state.first_loss = 0.5;
  const cvy_tally low = {.images = 2, .loss = 2 * (int64_t)(13 * 0x1p24)},
                  above = {.images = 2, .loss = 2 * (int64_t)(14 * 0x1p24)};
  CU_ASSERT_EQUAL(cvy_divergence_judge(&r.run, &low, 0.1), CVY_OK); /* 10 ln(4) is 13.86 */
  CU_ASSERT_EQUAL(cvy_divergence_judge(&r.run, &above, 0.1), CVY_E_RUN);
  tear_down(&r);
}

int main(void) {
  comm = cvy_comm_start();
  CU_TestInfo tests[] = {TEST(any_rank_may_have_it), TEST(split_layers_are_named_too),
                         TEST(explosions_are_judged_alike), CU_TEST_INFO_NULL};
  const int failed = run_suite("divergence", tests);
  cvy_comm_finish(comm);
  return failed;
}
