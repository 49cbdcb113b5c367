/* ranks: 1 2 4 */
/* Tests a step against one made by hand: forward and backward of each microbatch, the tree's sums, and SGD by
 * its definition. The weights have the same bits at any number of ranks. */
#include "unit/suite.h"

#include "base/yaml.h"
#include "train/fixed.h"
#include "train/recipe.h"
#include "train/step.h"

enum { IMAGES = 3, LEAVES = 4, STEPS = 3, SEED = 5 };
static const double rate = 0.05;

/* The SGD of the recipes. */
static const float momentum = 0.9f, decay = 0.01f;
static const char solver[] = "sgd: {momentum: 0.9, weight_decay: 0.01}";

static const char network[] = "input: [6, 6, 2]\nlayers:\n  - conv: {filters: 3, kernel: 3}\n  - relu\n"
                              "  - dropout: {rate: 0.3}\n  - fc: {outputs: 4}\n  - softmax_loss\n";

static cvy_comm *comm;
static cvy_pool *pool;

static cvy_yaml *describe(void) {
  cvy_yaml *root;
  CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&root, pool, network, "n"), CVY_OK);
  return root;
}

static cvy_net *make_net(void) {
  cvy_net *net;
  CU_ASSERT_EQUAL_FATAL(cvy_net_create(&net, describe(), IMAGES, NULL), CVY_OK);
  cvy_net_init(net, SEED);
  return net;
}

static cvy_step_config make_config(int64_t leaves) {
  cvy_step_config config = {.microbatch = IMAGES, .seed = SEED};
  cvy_yaml *root;
  void *rule_config;
  CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&root, pool, solver, "s"), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_read_rule(&config.rule, &rule_config, pool, root), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_tree_create(&config.tree, leaves, NULL, 0), CVY_OK);
  config.rule_config = rule_config;
  return config;
}

static cvy_fixed make_images(const cvy_net *net) {
  cvy_fixed images;
  CU_ASSERT_EQUAL_FATAL(cvy_fixed_create(&images, cvy_net_describe(net)), CVY_OK);
  cvy_fixed_fill(&images, cvy_net_describe(net));
  return images;
}

/* ---- by hand ---- */

typedef struct by_hand {
  cvy_net *net;
  int64_t count;       /* floats of an arena */
  float *leaf[LEAVES]; /* gradients */
  float *velocity;
  cvy_tally tally; /* of the last step */
} by_hand;

static void sum_leaves(by_hand *h, int64_t leaves) {
  for (int64_t distance = 1; distance < leaves; distance *= 2)
    for (int64_t m = 0; m < leaves; m += 2 * distance)
      for (int64_t i = 0; i < h->count; i++) h->leaf[m][i] += h->leaf[m + distance][i];
}

static void descend(by_hand *h) {
  const cvy_net_info *info = cvy_net_describe(h->net);
  float *w = cvy_net_params(h->net);
  for (int64_t t = 0; t < info->param_tensors; t++) {
    const cvy_net_param *p = &info->params[t];
    for (int64_t i = p->offset; i < p->offset + p->count; i++) {
      const float g = h->leaf[0][i] + (p->spec->decays ? decay : 0) * w[i];
      h->velocity[i] = momentum * h->velocity[i] + g;
      w[i] -= (float)rate * h->velocity[i];
    }
  }
}

static void step_by_hand(by_hand *h, const cvy_fixed *images, int64_t leaves, int64_t number) {
  const cvy_targets targets = {.labels = images->labels};
  h->tally = (cvy_tally){0};
  for (int64_t m = 0; m < leaves; m++) {
    const cvy_pass pass = {.training = true,
                           .seed = SEED,
                           .step = number,
                           .first_sample = m * IMAGES,
                           .loss_scale = 1.0f / (float)(leaves * IMAGES)};
    cvy_net_forward(h->net, images->images, &targets, &pass);
    cvy_tally_add_microbatch(&h->tally, h->net, &targets);
    cvy_net_backward(h->net, h->leaf[m], images->images, &targets, &pass);
  }
  sum_leaves(h, leaves);
  descend(h);
}

static by_hand make_by_hand(void) {
  by_hand h = {.net = make_net()};
  h.count = cvy_net_describe(h.net)->arena_count;
  for (int64_t m = 0; m < LEAVES; m++) h.leaf[m] = cvy_pool_new(pool, sizeof(float) * (size_t)h.count);
  h.velocity = cvy_pool_new(pool, sizeof(float) * (size_t)h.count);
  return h;
}

/* ---- and by cvy_step_run ---- */

static void expect_same(const cvy_net *net, cvy_tally tally, const by_hand *h) {
  CU_ASSERT_STRING_EQUAL(cvy_net_hash(net, NULL).hex, cvy_net_hash(h->net, NULL).hex);
  CU_ASSERT_EQUAL(tally.images, h->tally.images);
  CU_ASSERT_EQUAL(tally.loss, h->tally.loss);
  CU_ASSERT_EQUAL(tally.top1, h->tally.top1);
}

static void ranks_learn_as_one_hand(void) {
  const cvy_step_config config = make_config(LEAVES);
  const cvy_learner_config of_learner = {
      .comm = comm, .step = config, .bucket_mib = 1, .network = describe()};
  cvy_learner *learner;
  CU_ASSERT_EQUAL_FATAL(cvy_learner_create(&learner, &of_learner), CVY_OK);
  cvy_net *net = cvy_learner_net(learner);
  cvy_net_init(net, SEED);
  cvy_fixed images = make_images(net);
  by_hand hand = make_by_hand();
  cvy_step step = cvy_step_of(&config, net, cvy_comm_rank(comm), cvy_comm_size(comm));
  step.learner = learner;
  step.fixed = cvy_fixed_microbatch(&images);
  CU_ASSERT_EQUAL(step.own * cvy_comm_size(comm), LEAVES);
  for (int64_t number = 0; number < STEPS; number++) {
    cvy_tally tally = cvy_step_run(&step, number, rate);
    cvy_comm_sum(comm, (int64_t *)&tally, CVY_TALLY_FIELDS);
    step_by_hand(&hand, &images, LEAVES, number);
    cvy_learner_whole_weights(learner);
    expect_same(net, tally, &hand);
  }
  cvy_learner_destroy(learner);
  cvy_fixed_destroy(&images);
  cvy_net_destroy(hand.net);
}

static char moments[64];

static void note_moment(void *context, cvy_moment moment) {
  (void)context;
  const size_t length = strlen(moments);
  moments[length] = (char)('0' + moment);
  moments[length + 1] = '\0';
}

static void one_learns_alone(void) {
  static const cvy_step_observer observer = {note_moment, NULL};
  const cvy_step_config config = make_config(1);
  cvy_net *net = make_net();
  cvy_fixed images = make_images(net);
  by_hand hand = make_by_hand();
  cvy_arenas arenas;
  CU_ASSERT_EQUAL_FATAL(cvy_arenas_create(&arenas, net, config.rule), CVY_OK);
  cvy_alone alone = {.gradients = cvy_pool_new(pool, sizeof(float) * (size_t)hand.count),
                     .update = {.arenas = &arenas, .rule_config = config.rule_config, .microbatches = 1}};
  cvy_step step = cvy_step_of(&config, net, 0, 1);
  step.alone = &alone;
  step.fixed = cvy_fixed_microbatch(&images);
  step.observer = &observer;
  moments[0] = '\0';
  for (int64_t number = 0; number < STEPS; number++) {
    const cvy_tally tally = cvy_step_run(&step, number, rate);
    step_by_hand(&hand, &images, 1, number);
    expect_same(net, tally, &hand);
  }
  CU_ASSERT_STRING_EQUAL(moments, "012301230123");
  cvy_arenas_destroy(&arenas);
  cvy_fixed_destroy(&images);
  cvy_net_destroy(hand.net);
  cvy_net_destroy(net);
}

int main(void) {
  comm = cvy_comm_start();
  pool = cvy_pool_create();
  CU_TestInfo tests[] = {TEST(ranks_learn_as_one_hand), TEST(one_learns_alone), CU_TEST_INFO_NULL};
  const int failed = run_suite("step", tests);
  cvy_pool_destroy(pool);
  cvy_comm_finish(comm);
  return failed;
}
