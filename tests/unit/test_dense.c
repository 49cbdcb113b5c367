/* Tests the dense form of networks: against PyTorch on whole pictures of several sizes
 * (tests/reference/dense.py), against the network itself at its own size, for all networks that come with
 * Convoy, and what has none. */
#include "net/net.h"

#include "base/yaml.h"
#include "train/find.h"

#include "suite.h"

#include <math.h>

#define HEAD "name: n\ninput: [12, 12, 3]\nlayers:\n"
#define VGG                                                                                                  \
  HEAD "  - conv: {filters: 4, kernel: 3, padding: 1}\n  - relu\n  - max_pool: {kernel: 2}\n"                \
       "  - conv: {filters: 8, kernel: 3, padding: 1}\n  - relu\n  - max_pool: {kernel: 2}\n"                \
       "  - flatten\n  - dropout: {rate: 0.5}\n  - fc: {outputs: 9}\n  - relu\n  - dropout: {rate: 0.5}\n"   \
       "  - fc: {outputs: 5}\n  - softmax_loss\n"
#define POOLED                                                                                               \
  HEAD "  - conv: {filters: 4, kernel: 3, padding: 1}\n  - relu\n  - max_pool: {kernel: 2, name: p}\n"       \
       "  - conv: {filters: 3, kernel: 1, name: a}\n"                                                        \
       "  - conv: {filters: 5, kernel: 3, padding: 1, name: b, inputs: p}\n  - concat: {inputs: [a, b]}\n"   \
       "  - average_pool: {kernel: global}\n  - fc: {outputs: 5}\n  - softmax_loss\n"
#define STRIDED                                                                                              \
  HEAD "  - conv: {filters: 4, kernel: [3, 2], stride: [2, 3]}\n  - relu\n  - fc: {outputs: 5}\n"            \
       "  - softmax_loss\n"

typedef struct rig {
  cvy_pool *pool;
  cvy_yaml *description;
  cvy_net *net;
} rig;

static rig open_rig(const char *text) {
  rig r = {.pool = cvy_pool_create()};
  const cvy_net_wishes wishes = {.purpose = CVY_NET_EVALUATION};
  CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&r.description, r.pool, text, "net.yaml"), CVY_OK);
  const cvy_err err = cvy_net_create(&r.net, r.description, 1, &wishes);
  if (err) printf("\n    %s", cvy_err_message());
  CU_ASSERT_EQUAL_FATAL(err, CVY_OK);
  const cvy_net_info *info = cvy_net_describe(r.net);
  for (int64_t i = 0; i < info->param_tensors; i++)
    for (int64_t k = 0; k < info->params[i].count; k++)
      cvy_net_params(r.net)[info->params[i].offset + k] = 0.25f * (float)cos((double)k + 1);
  return r;
}

static void close_rig(rig *r) {
  cvy_net_destroy(r->net);
  cvy_pool_destroy(r->pool);
}

static cvy_net *dense_net(const rig *r, int64_t h, int64_t w) {
  cvy_yaml *dense;
  cvy_net *net;
  const cvy_net_wishes wishes = {.purpose = CVY_NET_EVALUATION, .params_of = r->net};
  CU_ASSERT_EQUAL_FATAL(cvy_net_make_dense(&dense, r->pool, r->description, r->net), CVY_OK);
  const cvy_err err = cvy_net_create(&net, cvy_net_resized(r->pool, dense, h, w), 1, &wishes);
  if (err) printf("\n    %s", cvy_err_message());
  CU_ASSERT_EQUAL_FATAL(err, CVY_OK);
  return net;
}

/* Runs the picture cos(i + 1), and returns the scores. */
static const float *see(cvy_net *net) {
  static float picture[40 * 40 * 3];
  static const int32_t label = 0;
  for (int64_t i = 0; i < CVY_COUNT(picture); i++) picture[i] = (float)cos((double)i + 1);
  cvy_net_forward(net, picture, &(cvy_targets){.labels = &label}, &(cvy_pass){.training = false});
  return cvy_net_logits(net);
}

static void check_scores(const float *scores, const cvy_yaml *golden) {
  const cvy_yaml *want = cvy_yaml_get(golden, "scores");
  for (int64_t k = 0; k < want->count; k++)
    CU_ASSERT_DOUBLE_EQUAL((double)scores[k], strtod(want->items[k]->text, NULL), 2e-6);
}

static void check_network(const char *text, const cvy_yaml *golden) {
  rig r = open_rig(text);
  CU_ASSERT_PTR_NOT_NULL_FATAL(golden);
  check_scores(see(r.net), golden->items[0]); /* the network itself, at its own size */
  for (int64_t i = 0; i < golden->count; i++) {
    const int64_t h = strtoll(cvy_yaml_get(golden->items[i], "h")->text, NULL, 10);
    const int64_t w = strtoll(cvy_yaml_get(golden->items[i], "w")->text, NULL, 10);
    cvy_net *net = dense_net(&r, h, w);
    CU_ASSERT_PTR_EQUAL(cvy_net_params(net), cvy_net_params(r.net));
    CU_ASSERT_STRING_EQUAL(cvy_net_hash(net, NULL).hex, cvy_net_hash(r.net, NULL).hex);
    check_scores(see(net), golden->items[i]);
    cvy_net_destroy(net);
  }
  close_rig(&r);
}

static void as_pytorch(void) {
  cvy_pool *pool = cvy_pool_create();
  cvy_yaml *golden;
  const char *home = getenv("CONVOY_SOURCE");
  CU_ASSERT_PTR_NOT_NULL_FATAL(home);
  CU_ASSERT_EQUAL_FATAL(
      cvy_yaml_load(&golden, pool, cvy_pool_format(pool, "%s/tests/reference/dense.yaml", home)), CVY_OK);
  check_network(VGG, cvy_yaml_get(golden, "vgg"));
  check_network(POOLED, cvy_yaml_get(golden, "pooled"));
  check_network(STRIDED, cvy_yaml_get(golden, "strided"));
  cvy_pool_destroy(pool);
}

/* Whoever dense nets take their parameters from still has them when they are gone. */
static void any_number_of_threads(void) {
  rig r = open_rig(VGG);
  float scores[3][5];
  for (int t = 0; t < 3; t++) {
    cvy_threads_set(t + 1);
    cvy_net *net = dense_net(&r, 31, 26);
    memcpy(scores[t], see(net), sizeof scores[t]);
    cvy_net_destroy(net);
  }
  cvy_threads_set(1);
  CU_ASSERT(memcmp(scores[0], scores[1], sizeof *scores) == 0 &&
            memcmp(scores[0], scores[2], sizeof *scores) == 0);
  close_rig(&r);
}

static void expect_none(const char *layers, const char *message) {
  rig r = open_rig(layers);
  cvy_yaml *dense;
  CU_ASSERT_NOT_EQUAL(cvy_net_make_dense(&dense, r.pool, r.description, r.net), CVY_OK);
  CU_ASSERT_PTR_NULL(dense);
  CU_ASSERT_TRUE(says(message));
  close_rig(&r);
}

static void what_has_none(void) {
  expect_none(
      HEAD "  - max_pool: {kernel: 4}\n  - flatten\n  - batch_norm: {name: norm}\n  - fc: {outputs: 5}\n"
           "  - softmax_loss\n",
      "net.yaml:6:5: layer 'norm' reads a map of 3x3 as one row of numbers, so the network takes pictures of "
      "one size only");
  expect_none(
      HEAD "  - max_pool: {kernel: 4, name: m}\n  - flatten: {name: a}\n  - flatten: {name: b, inputs: m}\n"
           "  - concat: {name: both, inputs: [a, b]}\n  - fc: {outputs: 5}\n  - softmax_loss\n",
      "layer 'both' reads a map of 3x3 as one row");
}

/* Too small a picture is no error of the form, but of the net. */
static void too_small_a_picture(void) {
  rig r = open_rig(VGG);
  cvy_yaml *dense;
  cvy_net *net;
  CU_ASSERT_EQUAL_FATAL(cvy_net_make_dense(&dense, r.pool, r.description, r.net), CVY_OK);
  CU_ASSERT_EQUAL(cvy_net_create(&net, cvy_net_resized(r.pool, dense, 8, 12), 1, NULL), CVY_E_INPUT);
  CU_ASSERT_TRUE(says("the dense form: layer '"));
  CU_ASSERT_TRUE(says("the kernel's height is 3, but the input's is 2"));
  close_rig(&r);
}

/* All networks that come with Convoy have a dense form, at their own size and at a larger one. */
static void networks_of_convoy(void) {
  cvy_pool *pool = cvy_pool_create();
  const cvy_names names = cvy_list_yaml(pool, "networks");
  CU_ASSERT_FATAL(names.count >= 20);
  for (int64_t i = 0; i < names.count; i++) {
    rig r = {.pool = cvy_pool_create()};
    const cvy_net_wishes wishes = {.purpose = CVY_NET_EVALUATION};
    const char *path = cvy_find_named(pool, names.names[i], "networks");
    CU_ASSERT_EQUAL_FATAL(cvy_network_load(&r.description, r.pool, path, NULL), CVY_OK);
    CU_ASSERT_EQUAL_FATAL(cvy_net_create(&r.net, r.description, 1, &wishes), CVY_OK);
    const cvy_shape input = cvy_net_describe(r.net)->input;
    cvy_net *own = dense_net(&r, input.h, input.w), *larger = dense_net(&r, input.h + 33, input.w + 64);
    CU_ASSERT_EQUAL(cvy_net_describe(own)->class_count, cvy_net_describe(r.net)->class_count);
    CU_ASSERT_EQUAL(cvy_net_describe(own)->multiply_adds, cvy_net_describe(r.net)->multiply_adds);
    CU_ASSERT(cvy_net_describe(larger)->multiply_adds > cvy_net_describe(own)->multiply_adds);
    cvy_net_destroy(own);
    cvy_net_destroy(larger);
    close_rig(&r);
  }
  cvy_pool_destroy(pool);
}

SUITE("dense", TEST(as_pytorch), TEST(any_number_of_threads), TEST(what_has_none), TEST(too_small_a_picture),
      TEST(networks_of_convoy))
