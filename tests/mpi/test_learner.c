/* ranks: 1 2 3 4 6 */
/* A learner's weights have the same bits on all ranks and on one, whatever its rule wants to know of the
 * gradients. */
#include "unit/suite.h"

#include "rules.h"
#include "unit/arrays.h"

#include "base/options.h"
#include "base/yaml.h"
#include "train/learner.h"
#include "train/check.h"

#include <math.h>

enum { LEAVES = 12, MICROBATCH = 2, STEPS = 3, MOST_TENSORS = 16 };

/* One tensor is longer than a bucket and than a block; one layer is split; there are running averages and
 * biases. */
static const char text[] = "input: [8, 8, 2]\nlayers:\n"
                           "  - conv: {filters: 5, kernel: 3}\n"
                           "  - batch_norm\n"
                           "  - relu\n"
                           "  - fc: {outputs: 1500, init: xavier}\n"
                           "  - relu\n"
                           "  - fc: {outputs: 30, init: xavier, parallel: sharded}\n"
                           "  - relu\n"
                           "  - fc: {outputs: 5, init: xavier}\n"
                           "  - softmax_loss\n";

static cvy_comm *comm;
static cvy_pool *pool;
static cvy_yaml *network;

/* ---- steps ---- */

static void run_microbatch(cvy_learner *learner, int64_t step, int64_t microbatch, int64_t index,
                           int64_t own) {
  const cvy_net_info *net = cvy_net_describe(cvy_learner_net(learner));
  float *images = random_array(cvy_shape_count(net->input), (uint32_t)(step * LEAVES + microbatch));
  const int32_t labels[MICROBATCH] = {(int32_t)(microbatch % 5), (int32_t)((step + microbatch) % 5)};
  const cvy_targets targets = {.labels = labels};
  const cvy_pass pass = {.training = true,
                         .step = step,
                         .params = cvy_params_of_pass(index, own),
                         .first_sample = microbatch * MICROBATCH,
                         .loss_scale = 1.0f / (LEAVES * MICROBATCH)};
  cvy_net_forward(cvy_learner_net(learner), images, &targets, &pass);
  cvy_learner_backward(learner, images, &targets, &pass);
  free(images);
}

static void run_step(cvy_learner *learner, cvy_comm *ranks, int64_t step) {
  const int64_t own = LEAVES / cvy_comm_size(ranks);
  cvy_learner_begin(learner, step, 0.1);
  for (int64_t m = 0; m < own; m++) run_microbatch(learner, step, cvy_comm_rank(ranks) * own + m, m, own);
  cvy_learner_finish(learner);
}

typedef struct setting {
  const cvy_rule *rule;
  const void *rule_config;
  cvy_exchange_way way;
  cvy_wire wire;
  int64_t bucket_mib;
  cvy_net_names frozen;
  cvy_clipping clipping;
  cvy_layer_rules layers;
} setting;

static cvy_averaging averaging; /* of the learners that are opened from now on */

/* Makes a tree that allows this job's ranks. */
static cvy_tree make_tree(cvy_wire wire) {
  cvy_tree tree;
  CU_ASSERT_EQUAL_FATAL(cvy_tree_create(&tree, LEAVES, NULL, 0), CVY_OK);
  if (!cvy_tree_allows(&tree, cvy_comm_size(comm)))
    CU_ASSERT_EQUAL_FATAL(cvy_tree_create(&tree, LEAVES, (int64_t[]){2, 2, 3}, 3), CVY_OK);
  tree.wire = wire;
  return tree;
}

static cvy_learner *open_learner(cvy_comm *ranks, const setting *s) {
  cvy_learner *learner;
  const cvy_learner_config config = {.comm = ranks,
                                     .step = {.tree = make_tree(s->wire),
                                              .microbatch = MICROBATCH,
                                              .rule = s->rule,
                                              .rule_config = s->rule_config,
                                              .clipping = s->clipping,
                                              .layers = s->layers,
                                              .averaging = averaging,
                                              .way = s->way,
                                              .wishes = {.frozen = s->frozen}},
                                     .bucket_mib = s->bucket_mib,
                                     .network = network};
  CU_ASSERT_EQUAL_FATAL(cvy_learner_create(&learner, &config), CVY_OK);
  cvy_net_init(cvy_learner_net(learner), 7);
  return learner;
}

/* The hashes of the weights and, on the first rank, of the state. */
typedef struct result {
  cvy_hash weights, state[CVY_MOST_STATE];
} result;

static result hash_of(cvy_learner *learner, const cvy_rule *rule) {
  result r = {0};
  cvy_learner_whole_weights(learner);
  r.weights = cvy_net_hash(cvy_learner_net(learner), NULL);
  for (int64_t k = 0; k < rule->state_count; k++)
    r.state[k] = cvy_net_learnt_hash(cvy_learner_net(learner), cvy_learner_whole_state(learner, k));
  return r;
}

static result learn(cvy_comm *ranks, const setting *s, bool deals) {
  cvy_learner *learner = open_learner(ranks, s);
  for (int64_t step = 1; step <= STEPS; step++) {
    run_step(learner, ranks, step);
    if (!deals) continue;
    /* The state goes to rank 0, and back to who holds it, as when a run is resumed. */
    cvy_learner_whole_weights(learner);
    for (int64_t k = 0; k < s->rule->state_count; k++) cvy_learner_whole_state(learner, k);
    CU_ASSERT_EQUAL(cvy_learner_forget(learner), CVY_OK);
    for (int64_t k = 0; k < s->rule->state_count; k++) cvy_learner_deal_state(learner, k);
  }
  const result r = hash_of(learner, s->rule);
  CU_ASSERT_EQUAL(cvy_check_replicas(ranks, cvy_learner_net(learner), STEPS), CVY_OK);
  cvy_learner_destroy(learner);
  return r;
}

/* Returns the result of rank 0 learning by itself, known to all. */
static result learn_alone(const setting *s) {
  cvy_comm *alone;
  result r = {0};
  cvy_comm_first(&alone, comm, 1);
  if (alone) r = learn(alone, s, false);
  cvy_comm_release(alone);
  cvy_comm_broadcast(comm, &r, sizeof r);
  return r;
}

static void expect_same(const setting *s, const result *want, bool deals) {
  const result got = learn(comm, s, deals);
  CU_ASSERT_STRING_EQUAL(got.weights.hex, want->weights.hex);
  if (cvy_comm_rank(comm) > 0) return;
  for (int64_t k = 0; k < s->rule->state_count; k++)
    CU_ASSERT_STRING_EQUAL(got.state[k].hex, want->state[k].hex);
}

static result check_clipped(const cvy_rule *rule, const void *config, cvy_clipping clipping) {
  result fp32 = {0};
  for (int wire = 0; wire < 2; wire++) {
    setting s = {rule, config, CVY_EXCHANGE_SHARDED, (cvy_wire)wire, 1, {NULL, 0}, clipping, {0, NULL}};
    cvy_threads_set(1);
    const result alone = learn_alone(&s);
    if (wire == CVY_WIRE_FP32) fp32 = alone;
    cvy_threads_set(2);
    expect_same(&s, &alone, false);
    expect_same(&s, &alone, true);
    s.bucket_mib = 64;
    expect_same(&s, &alone, false);
    s.way = CVY_EXCHANGE_WHOLE;
    expect_same(&s, &alone, false);
  }
  /* MPI's sums have other bits, but all ranks have the same. */
  learn(comm, &(setting){rule, config, CVY_EXCHANGE_MPI, CVY_WIRE_FP32, 1, {NULL, 0}, clipping, {0, NULL}},
        false);
  return fp32;
}

static result check_rule(const cvy_rule *rule, const void *config) {
  return check_clipped(rule, config, (cvy_clipping){0});
}

/* ---- rules ---- */

static const void *config_of(const cvy_rule *rule) {
  cvy_yaml *node;
  void *config;
  int64_t index;
  CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&node, pool,
                                       cvy_pool_format(pool, "%s: {weight_decay: 1e-3}", rule->kind->name),
                                       "rule"),
                        CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_kind_read(&index, &config, pool, &rule->kind, 1, node, "rule"), CVY_OK);
  return config;
}

/* Each rule makes other weights than all others. */
static void rules_have_the_same_bits(void) {
  result results[64] = {check_rule(&layerwise, NULL), check_rule(&clipped, NULL)};
  int64_t count = 2;
  for (int64_t i = 0; i < cvy_rule_count(); i++)
    results[count++] = check_rule(cvy_rule_at(i), config_of(cvy_rule_at(i)));
  for (int64_t i = 0; i < count; i++)
    for (int64_t k = 0; k < i; k++) CU_ASSERT(strcmp(results[i].weights.hex, results[k].weights.hex) != 0);
}

/* The first step's gradient is longer than 0.5, and has numbers above 0.01. */
static void clipped_gradients_have_the_same_bits(void) {
  const cvy_clipping none = {0}, ways[] = {{.norm = 0.5}, {.value = 0.01}, {.norm = 0.5, .value = 0.01}},
                     loose = {.norm = 1e9, .value = 1e9};
  for (int64_t i = 0; i < cvy_rule_count(); i++) {
    const cvy_rule *rule = cvy_rule_at(i);
    const bool has_norms = rule->norms != CVY_NORMS_NONE;
    if (i > 0 && !has_norms) continue; /* plain rules all read their gradient alike */
    const void *config = config_of(rule);
    const result as_it_is = check_clipped(rule, config, none), barely = check_clipped(rule, config, loose);
    CU_ASSERT_STRING_EQUAL(barely.weights.hex, as_it_is.weights.hex);
    for (int k = 0; k < CVY_COUNT(ways); k++) {
      const result r = check_clipped(rule, config, ways[k]);
      CU_ASSERT(strcmp(r.weights.hex, as_it_is.weights.hex) != 0);
    }
  }
}

/* ---- factors for some layers ---- */

/* Learns by a rule without momentum or decay for one step, and returns how far each weight went. */
static float *way_of_a_step(const cvy_rule *rule, const void *config, cvy_layer_rules layers) {
  const setting s = {rule, config, CVY_EXCHANGE_SHARDED, CVY_WIRE_FP32, 1, {NULL, 0}, {0, 0}, layers};
  cvy_learner *learner = open_learner(comm, &s), *fresh = open_learner(comm, &s);
  const int64_t count = cvy_net_describe(cvy_learner_net(learner))->arena_count;
  float *way = malloc(sizeof *way * (size_t)count);
  run_step(learner, comm, 1);
  cvy_learner_whole_weights(learner);
  for (int64_t i = 0; i < count; i++)
    way[i] = cvy_net_params(cvy_learner_net(learner))[i] - cvy_net_params(cvy_learner_net(fresh))[i];
  cvy_learner_destroy(learner);
  cvy_learner_destroy(fresh);
  return way;
}

static void layers_have_rates_of_their_own(void) {
  static const cvy_layer_rule all[] = {{"fc*", 2, 1, NULL}, {"*1/bias", 0.25, 1, NULL}, {"fc3", 3, 1, NULL}};
  const cvy_rule *sgd = cvy_rule_at(0);
  const void *config = config_of(sgd);
  float *plain_way = way_of_a_step(sgd, config, (cvy_layer_rules){0, NULL}),
        *way = way_of_a_step(sgd, config, (cvy_layer_rules){CVY_COUNT(all), all});
  cvy_learner *learner = open_learner(
      comm, &(setting){sgd, config, CVY_EXCHANGE_SHARDED, CVY_WIRE_FP32, 1, {NULL, 0}, {0, 0}, {0, NULL}});
  const cvy_net_info *net = cvy_net_describe(cvy_learner_net(learner));
  int64_t factors_seen = 0;
  for (int64_t i = 0; i < net->param_tensors; i++) {
    const cvy_net_param *p = &net->params[i];
    const double factor = (strncmp(p->name, "fc", 2) == 0 ? 2 : 1) * (strstr(p->name, "1/bias") ? 0.25 : 1) *
                          (strncmp(p->name, "fc3", 3) == 0 ? 3 : 1);
    factors_seen += factor != 1;
    for (int64_t k = p->offset; p->spec->averaging == 0 && k < p->offset + p->count; k++)
      CU_ASSERT_DOUBLE_EQUAL((double)way[k], factor * (double)plain_way[k], 1e-6);
  }
  CU_ASSERT(factors_seen >= 6);
  cvy_learner_destroy(learner);
  free(plain_way), free(way);
}

static void factors_have_the_same_bits(void) {
  static const cvy_layer_rule all[] = {{"fc*", 2, 0.5, NULL}, {"conv1", 0.5, 0, NULL}};
  for (int64_t i = 0; i < cvy_rule_count(); i++) {
    const cvy_rule *rule = cvy_rule_at(i);
    setting s = {rule,      config_of(rule), CVY_EXCHANGE_SHARDED, CVY_WIRE_FP32, 1,
                 {NULL, 0}, {0, 0},          {CVY_COUNT(all), all}};
    const result alone = learn_alone(&s);
    expect_same(&s, &alone, true);
    s.layers = (cvy_layer_rules){0, NULL};
    const result plainly = learn_alone(&s);
    CU_ASSERT(strcmp(plainly.weights.hex, alone.weights.hex) != 0);
  }
}

/* ---- averaged weights ---- */

/* Averages by the definition, value by value. */
typedef struct average_by_hand {
  const cvy_averaging *averaging;
  int64_t made; /* averages so far */
  float *values;
} average_by_hand;

static void average(average_by_hand *h, const cvy_net *net, const float *weights, int64_t step) {
  const cvy_averaging *a = h->averaging;
  const cvy_net_info *info = cvy_net_describe(net);
  const bool waits = step <= a->start + 1;
  if (waits) h->made = 0;
  if (!waits && (step - a->start - 1) % a->every != 0) return;
  const double n = (double)h->made++, ramp = (1 + n) / (10 + n);
  const double decay = a->warmup && ramp < a->decay ? ramp : a->decay;
  const float share = (float)(1 - decay);
  for (int64_t i = 0; i < info->param_tensors; i++) {
    const cvy_net_param *p = &info->params[i];
    const bool copies = waits || p->frozen || (p->spec->averaging > 0 && !a->use_buffers);
    for (int64_t k = p->offset; k < p->offset + p->count; k++)
      if (copies)
        h->values[k] = weights[k];
      else if (share < 0.5f)
        h->values[k] += share * (weights[k] - h->values[k]);
      else
        h->values[k] = weights[k] - (1 - share) * (weights[k] - h->values[k]);
  }
}

/* Checks the average as rank 0 stores it, and as all ranks evaluate it, after which the weights are back. */
static void expect_average(cvy_learner *learner, const float *want) {
  cvy_net *net = cvy_learner_net(learner);
  const cvy_hash hash = cvy_net_hash(net, want);
  const float *stored = cvy_learner_whole_average(learner);
  if (cvy_comm_rank(comm) == 0) CU_ASSERT_STRING_EQUAL(cvy_net_hash(net, stored).hex, hash.hex);
  cvy_learner_whole_weights(learner);
  const cvy_hash weights = cvy_net_hash(net, NULL);
  cvy_learner_show_average(learner);
  CU_ASSERT_STRING_EQUAL(cvy_net_hash(net, NULL).hex, hash.hex);
  cvy_learner_hide_average(learner);
  CU_ASSERT_STRING_EQUAL(cvy_net_hash(net, NULL).hex, weights.hex);
}

/* Sends state and average to rank 0 and back, as when a run is resumed. */
static void resume(cvy_learner *learner, const cvy_rule *rule) {
  cvy_learner_whole_weights(learner);
  for (int64_t k = 0; k < rule->state_count; k++) cvy_learner_whole_state(learner, k);
  cvy_learner_whole_average(learner);
  CU_ASSERT_EQUAL(cvy_learner_forget(learner), CVY_OK);
  for (int64_t k = 0; k < rule->state_count; k++) cvy_learner_deal_state(learner, k);
  cvy_learner_deal_average(learner);
}

static void check_average(const setting *s) {
  enum { LONG = 7 };
  const cvy_averaging own = averaging;
  cvy_learner *learner = open_learner(comm, s);
  averaging = (cvy_averaging){0};
  cvy_learner *bare = open_learner(comm, s);
  averaging = own;
  cvy_net *net = cvy_learner_net(learner);
  average_by_hand hand = {.averaging = &own,
                          .values = calloc((size_t)cvy_net_describe(net)->arena_count, sizeof(float))};
  for (int64_t step = 1; step <= LONG; step++) {
    run_step(learner, comm, step);
    run_step(bare, comm, step);
    cvy_learner_whole_weights(learner);
    cvy_learner_whole_weights(bare);
    CU_ASSERT_STRING_EQUAL(cvy_net_hash(net, NULL).hex, cvy_net_hash(cvy_learner_net(bare), NULL).hex);
    average(&hand, net, cvy_net_params(net), step);
    expect_average(learner, hand.values);
    if (step == 4) resume(learner, s->rule);
  }
  free(hand.values);
  cvy_learner_destroy(learner);
  cvy_learner_destroy(bare);
}

/* The weights are the same as without an average, which is the one by its definition to the bit. So it has
 * the same bits at any number of ranks, as the weights have. */
static void averages_are_those_by_hand(void) {
  static const char *const frozen[] = {"conv1", "bn1", "fc2"};
  static const cvy_averaging ways[] = {{.decay = 0.9, .every = 1},
                                       {.decay = 0.9, .every = 1, .warmup = true, .use_buffers = true},
                                       {.decay = 0.3, .every = 2, .start = 1}};
  const cvy_rule *rules[] = {&plain, &layerwise, &clipped};
  for (int i = 0; i < 2 * CVY_COUNT(ways) * CVY_COUNT(rules); i++) {
    const int rule = i % CVY_COUNT(rules), way = i / CVY_COUNT(rules) % 2;
    setting s = {.rule = rules[rule], .way = (cvy_exchange_way)way, .bucket_mib = 1};
    averaging = ways[i / CVY_COUNT(rules) / 2];
    cvy_threads_set(1 + i % 2);
    check_average(&s);
    s.frozen = (cvy_net_names){frozen, CVY_COUNT(frozen)};
    check_average(&s);
  }
  averaging = (cvy_averaging){0};
  cvy_threads_set(2);
}

/* ---- norms against their definition ---- */

/* The rank that updates a tensor's first value writes these. */
static cvy_norms seen[MOST_TENSORS];
static cvy_clip seen_clip[MOST_TENSORS];

/* Keeps the gradient as its state. */
static void look(const cvy_piece *p, const void *config) {
  (void)config;
  if (p->first == 0) seen[p->tensor] = p->norms;
  if (p->first == 0 && p->clip) seen_clip[p->tensor] = *p->clip;
  memcpy(p->state[0], p->gradient, sizeof(float) * (size_t)p->count);
}

static double norm(const float *values, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; i++) sum += (double)values[i] * (double)values[i];
  return sqrt(sum);
}

static void sum_seen(void) {
  cvy_norms all[6 * MOST_TENSORS];
  cvy_comm_gather(comm, all, seen, sizeof seen);
  for (int rank = 1; cvy_comm_rank(comm) == 0 && rank < cvy_comm_size(comm); rank++)
    for (int i = 0; i < MOST_TENSORS; i++) {
      const cvy_norms *n = &all[rank * MOST_TENSORS + i];
      if (n->weights > 0 || n->gradient > 0) seen[i] = *n;
    }
}

/* Makes a step of a rule that looks on. The learner's weights are whole then. */
static cvy_learner *look_on(const cvy_rule *probe, cvy_clipping clipping, cvy_net_names frozen) {
  memset(seen, 0, sizeof seen);
  memset(seen_clip, 0, sizeof seen_clip);
  cvy_learner *learner = open_learner(
      comm, &(setting){probe, NULL, CVY_EXCHANGE_SHARDED, CVY_WIRE_FP32, 1, frozen, clipping, {0, NULL}});
  CVY_CHECK(cvy_net_describe(cvy_learner_net(learner))->param_tensors <= MOST_TENSORS);
  run_step(learner, comm, 1);
  cvy_learner_whole_weights(learner);
  return learner;
}

static void norms_are_those_of_whole_tensors(cvy_norms_of kind) {
  const cvy_rule probe = {.state_count = 1, .state_names = {"gradient"}, .norms = kind, .apply = look};
  cvy_learner *learner = look_on(&probe, (cvy_clipping){0}, (cvy_net_names){NULL, 0});
  const cvy_net_info *net = cvy_net_describe(cvy_learner_net(learner));
  const float *gradient = cvy_learner_whole_state(learner, 0),
              *weights = cvy_net_params(cvy_learner_net(learner));
  sum_seen();
  double all_weights = 0, all_gradients = 0;
  for (int64_t i = 0; cvy_comm_rank(comm) == 0 && i < net->param_tensors; i++) {
    const cvy_net_param *p = &net->params[i];
    if (p->spec->averaging > 0) continue;
    const double w = norm(weights + p->offset, p->count), g = norm(gradient + p->offset, p->count);
    all_weights += w * w;
    all_gradients += g * g;
    if (kind == CVY_NORMS_GLOBAL) continue;
    CU_ASSERT_DOUBLE_EQUAL(seen[i].weights, w, 1e-12 * w);
    CU_ASSERT_DOUBLE_EQUAL(seen[i].gradient, g, 1e-12 * g);
    CU_ASSERT(g > 0);
  }
  if (kind == CVY_NORMS_GLOBAL && cvy_comm_rank(comm) == 0) {
    CU_ASSERT_DOUBLE_EQUAL(seen[0].weights, sqrt(all_weights), 1e-12 * sqrt(all_weights));
    CU_ASSERT_DOUBLE_EQUAL(seen[0].gradient, sqrt(all_gradients), 1e-12 * sqrt(all_gradients));
  }
  cvy_learner_destroy(learner);
}

static void norms_of_tensors(void) {
  norms_are_those_of_whole_tensors(CVY_NORMS_TENSOR);
}

static void norms_of_everything(void) {
  norms_are_those_of_whole_tensors(CVY_NORMS_GLOBAL);
}

/* The gradient of all tensors that learn is made as long as it may be at most. On every rank all see the
 * same. */
static void check_clipped_length(cvy_net_names frozen) {
  const cvy_rule probe = {.state_count = 1, .state_names = {"gradient"}, .apply = look};
  const cvy_clipping clipping = {.norm = 0.25};
  cvy_learner *learner = look_on(&probe, clipping, frozen);
  const cvy_net_info *net = cvy_net_describe(cvy_learner_net(learner));
  const float *gradient = cvy_learner_whole_state(learner, 0);
  double squares = 0;
  int64_t learnt = 0, count = 0;
  for (int64_t i = 0; i < net->param_tensors; i++) {
    const cvy_net_param *p = &net->params[i];
    const double length = norm(gradient + p->offset, p->count);
    if (!p->learns) continue;
    squares += length * length;
    learnt++;
  }
  CU_ASSERT(cvy_comm_rank(comm) > 0 || sqrt(squares) > clipping.norm);
  float scale = (float)(clipping.norm / (sqrt(squares) + 1e-6)); /* rank 0 has the whole gradient */
  cvy_comm_broadcast(comm, &scale, sizeof scale);
  for (int64_t i = 0; i < net->param_tensors; i++) {
    if (seen_clip[i].scale == 0) continue;
    CU_ASSERT_EQUAL(seen_clip[i].scale, scale);
    CU_ASSERT(isinf(seen_clip[i].bound));
    count++;
  }
  cvy_comm_sum(comm, &count, 1);
  CU_ASSERT_EQUAL(count, learnt);
  cvy_learner_destroy(learner);
}

static void a_long_gradient_is_clipped_to_its_length(void) {
  static const char *const frozen[] = {"*/bias", "fc3/weights"};
  check_clipped_length((cvy_net_names){NULL, 0});
  check_clipped_length((cvy_net_names){frozen, CVY_COUNT(frozen)});
}

/* ---- a rehearsal ---- */

/* Steps that are only measured leave no trace in what is learnt afterwards. */
static void a_rehearsal_is_forgotten(void) {
  const setting s = {&layerwise, NULL, CVY_EXCHANGE_SHARDED, CVY_WIRE_FP32, 1, {NULL, 0}, {0, 0}, {0, NULL}};
  const int64_t own = LEAVES / cvy_comm_size(comm);
  const result want = learn_alone(&s);
  cvy_learner *learner = open_learner(comm, &s);
  for (int64_t k = 0; k < 3; k++) {
    cvy_learner_begin_at_last(learner);
    run_microbatch(learner, k, cvy_comm_rank(comm) * own + own - 1, 0, 1);
    cvy_learner_finish(learner);
    CU_ASSERT_EQUAL(cvy_learner_cut(learner, 4), CVY_OK);
  }
  CU_ASSERT_EQUAL(cvy_learner_forget(learner), CVY_OK);
  cvy_net_init(cvy_learner_net(learner), 7);
  for (int64_t step = 1; step <= STEPS; step++) run_step(learner, comm, step);
  const result got = hash_of(learner, s.rule);
  CU_ASSERT_STRING_EQUAL(got.weights.hex, want.weights.hex);
  cvy_learner_destroy(learner);
}

/* Returns the weights after a step, new first weights, and two steps more. */
static cvy_hash go_back(const setting *s, void (*tell)(cvy_learner *learner)) {
  cvy_learner *learner = open_learner(comm, s);
  run_step(learner, comm, 1);
  cvy_net_init(cvy_learner_net(learner), 8);
  tell(learner);
  for (int64_t step = 2; step <= 3; step++) run_step(learner, comm, step);
  const result r = hash_of(learner, s->rule);
  CU_ASSERT_EQUAL(cvy_check_replicas(comm, cvy_learner_net(learner), 3), CVY_OK);
  cvy_learner_destroy(learner);
  return r.weights;
}

static void cut_again(cvy_learner *learner) {
  CU_ASSERT_EQUAL(cvy_learner_cut(learner, 1), CVY_OK);
}

/* A run that goes back measures the weights that it has then, as does a learner that is cut. */
static void new_weights_are_measured(void) {
  for (int way = 0; way < 2; way++) {
    const setting s = {.rule = &layerwise, .way = (cvy_exchange_way)way, .bucket_mib = 1};
    const cvy_hash want = go_back(&s, cut_again), got = go_back(&s, cvy_learner_weights_are_new);
    CU_ASSERT_STRING_EQUAL(got.hex, want.hex);
  }
}

/* ---- frozen layers ---- */

/* Checks that the rank's frozen tensors still hold their first values, and the others do not. Frozen layers
 * have no room in the state. */
static void expect_frozen_alone_stays(cvy_learner *learner, const setting *s) {
  cvy_learner *fresh = open_learner(comm, s);
  const cvy_net_info *net = cvy_net_describe(cvy_learner_net(learner));
  const float *now = cvy_net_params(cvy_learner_net(learner)),
              *first = cvy_net_params(cvy_learner_net(fresh));
  int64_t frozen = 0;
  for (int64_t i = 0; i < net->param_tensors; i++) {
    const cvy_net_param *p = &net->params[i];
    const bool stays = memcmp(now + p->offset, first + p->offset, sizeof *now * (size_t)p->count) == 0;
    const bool should = p->frozen || (!p->learns && p->spec->averaging == 0);
    CU_ASSERT_EQUAL(stays, should);
    frozen += should;
    CU_ASSERT_EQUAL(p->offset >= cvy_learner_arenas(learner)->state_floats, p->frozen);
    for (int64_t k = 0; should && !p->frozen && k < s->rule->state_count; k++)
      CU_ASSERT_EQUAL(norm(cvy_learner_arenas(learner)->state[k] + p->offset, p->count), 0);
  }
  CU_ASSERT(frozen > 0);
  cvy_learner_destroy(fresh);
}

static void frozen_layers_stay(const cvy_rule *rule, const char *const *names, int64_t count) {
  for (int way = 0; way < 2; way++) {
    const setting s = {rule,   NULL,     (cvy_exchange_way)way, CVY_WIRE_FP32, 1, {names, count},
                       {0, 0}, {0, NULL}};
    const result alone = learn_alone(&s);
    expect_same(&s, &alone, false);
    expect_same(&s, &alone, true);
    cvy_learner *learner = open_learner(comm, &s);
    for (int64_t step = 1; step <= STEPS; step++) run_step(learner, comm, step);
    cvy_learner_whole_weights(learner);
    expect_frozen_alone_stays(learner, &s);
    cvy_learner_destroy(learner);
  }
}

/* Layers are frozen at the image, in the middle, at the end, and where one would be split. This holds for a
 * rule that updates at once and for one that waits for norms. */
static void what_is_frozen_stays_at_any_ranks(void) {
  static const char *const lower[] = {"conv1", "bn1"}, *const middle[] = {"fc1"};
  static const char *const split[] = {"fc2"}, *const last[] = {"fc3"};
  static const char *const tensors[] = {"*/bias", "fc1/weights", "fc2/weights"};
  const cvy_rule *rules[] = {&plain, &layerwise};
  for (int i = 0; i < 2; i++) {
    frozen_layers_stay(rules[i], lower, 2);
    frozen_layers_stay(rules[i], middle, 1);
    frozen_layers_stay(rules[i], split, 1);
    frozen_layers_stay(rules[i], last, 1);
    frozen_layers_stay(rules[i], tensors, 3);
  }
}

int main(void) {
  comm = cvy_comm_start();
  pool = cvy_pool_create();
  CVY_CHECK(!cvy_yaml_parse(&network, pool, text, "network"));
  CU_TestInfo tests[] = {TEST(rules_have_the_same_bits),
                         TEST(clipped_gradients_have_the_same_bits),
                         TEST(layers_have_rates_of_their_own),
                         TEST(factors_have_the_same_bits),
                         TEST(averages_are_those_by_hand),
                         TEST(norms_of_tensors),
                         TEST(norms_of_everything),
                         TEST(a_long_gradient_is_clipped_to_its_length),
                         TEST(a_rehearsal_is_forgotten),
                         TEST(new_weights_are_measured),
                         TEST(what_is_frozen_stays_at_any_ranks),
                         CU_TEST_INFO_NULL};
  const int failed = run_suite("learner", tests);
  cvy_pool_destroy(pool);
  cvy_comm_finish(comm);
  return failed;
}
