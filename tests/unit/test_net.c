/* Networks: descriptions and their errors, parameter counts, the memory planner, the walk. */
#include "suite.h"

#include "base/yaml.h"
#include <convoy/net.h>

#include <math.h>

static cvy_err create(cvy_net **net, cvy_pool *pool, const char *text, int64_t microbatch) {
  cvy_yaml *root;
  *net = NULL;
  CVY_TRY(cvy_yaml_parse(&root, pool, text, "n.yaml"));
  return cvy_net_create(net, root, microbatch);
}

static cvy_net *load(cvy_pool *pool, const char *name, int64_t microbatch) {
  char path[4096];
  snprintf(path, sizeof path, "%s/launch/networks/%s.yaml", getenv("CONVOY_SOURCE"), name);
  cvy_yaml *root;
  cvy_net *net;
  CU_ASSERT_EQUAL_FATAL(cvy_yaml_load(&root, pool, path), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_net_create(&net, root, microbatch), CVY_OK);
  return net;
}

/* ---- descriptions ---- */

static void parameter_counts_are_exact(void) {
  const struct {
    const char *name;
    int64_t params, multiply_adds;
  } known[] = {{"lenet5", 61706, 416520 /* 117600 + 240000 + 48000 + 10080 + 840 */},
               {"hoda-cnn", 93322, 2794240 /* 194688 + 2230272 + 331776 + 36864 + 640 */},
               {"alexnet", 62378344, 1135256096},
               {"lenet", 431080, 2293000 /* 288000 + 1600000 + 400000 + 5000 */}};
  for (int64_t i = 0; i < CVY_COUNT(known); i++) {
    cvy_pool *pool = cvy_pool_create();
    cvy_net *net = load(pool, known[i].name, 1);
    CU_ASSERT_EQUAL(cvy_net_describe(net)->param_count, known[i].params);
    CU_ASSERT_EQUAL(cvy_net_describe(net)->multiply_adds, known[i].multiply_adds);
    CU_ASSERT_EQUAL(cvy_net_describe(net)->class_count, strcmp(known[i].name, "alexnet") == 0 ? 1000 : 10);
    cvy_net_destroy(net);
    cvy_pool_destroy(pool);
  }
}

static void lenet5_has_its_shapes(void) {
  cvy_pool *pool = cvy_pool_create();
  cvy_net *net = load(pool, "lenet5", 2);
  const cvy_net_info *info = cvy_net_describe(net);
  const int64_t expected[][3] = {{28, 28, 6},  {28, 28, 6}, {14, 14, 6}, {10, 10, 16},
                                 {10, 10, 16}, {5, 5, 16},  {1, 1, 120}, {1, 1, 120},
                                 {1, 1, 84},   {1, 1, 84},  {1, 1, 10},  {1, 1, 10}};
  CU_ASSERT_EQUAL_FATAL(info->layer_count, CVY_COUNT(expected));
  for (int64_t i = 0; i < info->layer_count; i++) {
    CU_ASSERT_EQUAL(info->layers[i].y.h, expected[i][0]);
    CU_ASSERT_EQUAL(info->layers[i].y.w, expected[i][1]);
    CU_ASSERT_EQUAL(info->layers[i].y.c, expected[i][2]);
  }
  CU_ASSERT_STRING_EQUAL(info->params[0].name, "c1/weights");
  CU_ASSERT_STRING_EQUAL(info->layers[1].name, "tanh1");
  cvy_net_destroy(net);
  cvy_pool_destroy(pool);
}

static void alexnet_has_its_sizes(void) {
  cvy_pool *pool = cvy_pool_create();
  cvy_net *net = load(pool, "alexnet", 1);
  const cvy_net_info *info = cvy_net_describe(net);
  const int64_t expected[] = {55, 27, 27, 13, 13, 13, 13, 6}; /* convolutions and pools, in order */
  int64_t found = 0;
  for (int64_t i = 0; i < info->layer_count; i++) {
    const bool counts = strcmp(info->layers[i].type, "conv") == 0 ||
                        strcmp(info->layers[i].type, "max_pool") == 0;
    if (!counts) continue;
    CU_ASSERT_FATAL(found < CVY_COUNT(expected));
    CU_ASSERT_EQUAL(info->layers[i].y.h, expected[found]);
    CU_ASSERT_EQUAL(info->layers[i].y.w, expected[found++]);
  }
  CU_ASSERT_EQUAL(found, CVY_COUNT(expected));
  cvy_net_destroy(net);
  cvy_pool_destroy(pool);
}

static void wrong_descriptions_are_refused(void) {
  const char *const head = "name: n\ninput: [8, 8, 1]\nlayers:\n";
  const char *const wrong[][2] = {
      {"  - conv: {filers: 3, kernel: 3}\n",
       "n.yaml:4:12: unknown key 'filers' in conv; did you mean 'filters'?"},
      {"  - conv: {kernel: 3}\n", "n.yaml:4:5: conv needs 'filters'"},
      {"  - conv: {filters: many, kernel: 3}\n", "n.yaml:4:21: 'filters' must be a whole number"},
      {"  - conv: {filters: 3, kernel: 9}\n  - softmax_loss\n", "n.yaml:4:5: layer 'conv1': "},
      {"  - fc: {outputs: 3, name: a}\n  - fc: {outputs: 3, name: a}\n  - softmax_loss\n",
       "n.yaml:5:28: two layers are named 'a'; the first one stands on line 4"},
      {"  - fc: {outputs: 3, name: a/b}\n", "n.yaml:4:28: a layer's name must be a word"},
      {"  - convv: {filters: 3, kernel: 3}\n", "n.yaml:4:5: unknown layer 'convv'; did you mean 'conv'?"},
      {"  - fc: {outputs: 3}\n", "n.yaml:4:5: the last layer, 'fc1', is not a loss"},
      {"  - fc: {outputs: 3}\n  - softmax_loss\n  - fc: {outputs: 3}\n  - softmax_loss\n",
       "n.yaml:6:5: layer 'fc2' reads 'loss1'"},
      {"  - fc: 3\n", "n.yaml:4:9: fc takes key: value options"},
      {"  - {fc: {outputs: 3}, relu: }\n", "n.yaml:4:5: expected one layer"},
      {"  - [relu]\n", "n.yaml:4:5: expected one layer"},
      {"  - fc: {name: a, outputs: 3, inputs: b}\n  - fc: {name: b, outputs: 3}\n  - softmax_loss\n",
       "n.yaml:4:39: 'b' stands on line 5; a layer's inputs must stand above it"},
      {"  - fc: {name: a, outputs: 3, inputs: a}\n  - softmax_loss\n", "n.yaml:4:39: 'a' stands on line 4"},
      {"  - fc: {name: first, outputs: 3}\n  - softmax_loss: {inputs: frist}\n",
       "n.yaml:5:28: no layer is named 'frist'; did you mean 'first'?"},
      {"  - fc: {name: a, outputs: 3}\n  - fc: {inputs: input, outputs: 3}\n  - softmax_loss\n",
       "n.yaml:4:5: nobody uses layer 'a'"},
      {"  - fc: {name: a, outputs: 3}\n  - fc: {inputs: [a, input], outputs: 3}\n  - softmax_loss\n",
       "n.yaml:5:5: layer 'fc2': it takes one input, not 2"},
      {"  - fc: {name: a, outputs: 3}\n  - add: {inputs: [a, input]}\n  - softmax_loss\n",
       "n.yaml:5:5: layer 'add1': its inputs must have one shape"},
      {"  - add\n  - softmax_loss\n", "n.yaml:4:5: layer 'add1': it adds two inputs or more"},
      {"  - fc: {name: input, outputs: 3}\n", "n.yaml:4:16: 'input' is the name of the network's image"},
      {"  - relu: {slope: 2}\n", "n.yaml:4:12: unknown key 'slope': relu has no options"},
      {"  - fc: {outputs: 3, name: [x]}\n", "a layer's name must be a word"},
      {"  - conv: {filters: 65536, kernel: 8, padding: 60000}\n  - softmax_loss\n", "n.yaml:4:"},
  };
  for (int64_t i = 0; i < CVY_COUNT(wrong); i++) {
    cvy_pool *pool = cvy_pool_create();
    cvy_net *net;
    char text[512];
    snprintf(text, sizeof text, "%s%s", head, wrong[i][0]);
    CU_ASSERT_EQUAL(create(&net, pool, text, 2), CVY_E_INPUT);
    CU_ASSERT_PTR_NULL(net);
    if (!strstr(cvy_err_message(), wrong[i][1])) printf("\n  %s  gave: %s\n", wrong[i][0], cvy_err_message());
    CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), wrong[i][1]));
    cvy_pool_destroy(pool);
  }
}

static void wrong_heads_are_refused(void) {
  const char *const wrong[][2] = {
      {"name: n\nlayers: [softmax_loss]\n", "n.yaml:1:1: the network needs 'input'"},
      {"input: [8, 8]\nlayers: [softmax_loss]\n", "n.yaml:1:8: 'input' must be [height, width, channels]"},
      {"input: [8, 8, 0]\nlayers: [softmax_loss]\n", "n.yaml:1:15: 'input' must be a whole number"},
      {"input: [8, 8, 1]\n", "n.yaml:1:1: the network needs 'layers'"},
      {"input: [8, 8, 1]\nlayers: []\n", "n.yaml:2:9: the network needs 'layers'"},
      {"input: [8, 8, 1]\nlayers: {relu: }\n", "n.yaml:2:9: the network needs 'layers'"},
      {"input: [8, 8, 1]\nlayer: [relu]\n",
       "n.yaml:2:1: unknown key 'layer' in the network; did you mean 'layers'?"}};
  for (int64_t i = 0; i < CVY_COUNT(wrong); i++) {
    cvy_pool *pool = cvy_pool_create();
    cvy_net *net;
    CU_ASSERT_EQUAL(create(&net, pool, wrong[i][0], 2), CVY_E_INPUT);
    if (!strstr(cvy_err_message(), wrong[i][1])) printf("\n  %s  gave: %s\n", wrong[i][0], cvy_err_message());
    CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), wrong[i][1]));
    cvy_pool_destroy(pool);
  }
}

static void resolving_keeps_the_meaning(void) {
  cvy_pool *pool = cvy_pool_create();
  cvy_yaml *root, *resolved, *again;
  char path[4096];
  snprintf(path, sizeof path, "%s/launch/networks/lenet5.yaml", getenv("CONVOY_SOURCE"));
  CU_ASSERT_EQUAL_FATAL(cvy_yaml_load(&root, pool, path), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_net_resolve(&resolved, pool, root), CVY_OK);
  char *text = cvy_yaml_text(resolved);
  CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&again, pool, text, "resolved"), CVY_OK);
  cvy_net *a, *b;
  CU_ASSERT_EQUAL_FATAL(cvy_net_create(&a, root, 2), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_net_create(&b, again, 2), CVY_OK);
  cvy_net_init(a, 3);
  cvy_net_init(b, 3);
  CU_ASSERT_STRING_EQUAL(cvy_net_hash(a, NULL).hex, cvy_net_hash(b, NULL).hex);
  CU_ASSERT_STRING_EQUAL(cvy_net_describe(b)->params[0].name, "c1/weights");
  CU_ASSERT_PTR_NOT_NULL(strstr(text, "stride"));
  free(text);
  cvy_net_destroy(a);
  cvy_net_destroy(b);
  cvy_pool_destroy(pool);
}

/* ---- memory ---- */

static void check_plan(const cvy_lifetime *buffers, int64_t count, size_t total) {
  for (int64_t i = 0; i < count; i++) {
    CU_ASSERT_FATAL(buffers[i].offset % 64 == 0 && buffers[i].offset + buffers[i].bytes <= total);
    for (int64_t j = 0; j < i; j++) {
      const cvy_lifetime *a = &buffers[i], *b = &buffers[j];
      const bool in_time = a->first <= b->last && b->first <= a->last;
      const bool in_space = a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
      CU_ASSERT_FATAL(!(in_time && in_space));
    }
  }
}

static void live_buffers_never_overlap(void) {
  enum { MOST = 60 };
  cvy_random where = {.seed = 9, .purpose = CVY_FOR_TEST};
  for (int round = 0; round < 300; round++) {
    cvy_lifetime buffers[MOST];
    const int64_t count = 1 + cvy_random_next_below(&where, MOST);
    size_t sum = 0, most_alive = 0;
    for (int64_t i = 0; i < count; i++) {
      const int64_t first = cvy_random_next_below(&where, 50);
      buffers[i] = (cvy_lifetime){.bytes = (size_t)cvy_random_next_below(&where, 5000),
                                  .first = first,
                                  .last = first + cvy_random_next_below(&where, 20)};
      sum += cvy_aligned(buffers[i].bytes);
    }
    for (int64_t moment = 0; moment < 70; moment++) {
      size_t alive = 0;
      for (int64_t i = 0; i < count; i++)
        if (buffers[i].first <= moment && moment <= buffers[i].last) alive += cvy_aligned(buffers[i].bytes);
      if (alive > most_alive) most_alive = alive;
    }
    const size_t total = cvy_memory_plan(buffers, count);
    check_plan(buffers, count, total);
    CU_ASSERT(total >= most_alive && total <= sum);
    CU_ASSERT((double)total <= 1.35 * (double)most_alive); /* greedy by size stays near the bound */
  }
}

/* ---- the walk ---- */

static const char tiny[] =
    "name: tiny\ninput: [6, 5, 2]\nlayers:\n"
    "  - conv: {filters: 4, kernel: 3, padding: 1, init: xavier}\n  - tanh\n"
    "  - average_pool: {kernel: 2}\n  - conv: {filters: 3, kernel: 2, init: xavier}\n  - relu\n"
    "  - dropout: {rate: 0.3}\n  - fc: {outputs: 5, init: xavier}\n  - softmax_loss\n";
/* Values with several readers, one read twice by the same layer, in-place layers after a branch, the image read twice. */
static const char branching[] =
    "name: branching\ninput: [6, 5, 2]\nlayers:\n"
    "  - conv: {name: a, filters: 3, kernel: 3, padding: 1, init: xavier}\n  - tanh: {name: b}\n"
    "  - conv: {name: c, filters: 3, kernel: 3, padding: 1, init: xavier}\n"
    "  - add: {name: d, inputs: [c, b]}\n  - tanh: {name: e}\n"
    "  - conv: {name: f, inputs: b, filters: 2, kernel: 1, init: xavier}\n"
    "  - add: {name: g, inputs: [e, e, b]}\n"
    "  - conv: {name: h, inputs: input, filters: 2, kernel: 1, init: xavier}\n"
    "  - concat: {name: i, inputs: [g, f, h, e]}\n  - tanh\n"
    "  - fc: {outputs: 5, init: xavier}\n  - softmax_loss\n";
/* Normalised, with an auxiliary loss, and sizes that only flatten brings together, in place of what relu has made. */
static const char normalised[] =
    "name: normalised\ninput: [6, 5, 2]\nlayers:\n"
    "  - conv: {name: a, filters: 4, kernel: 3, bias: false, init: xavier}\n  - batch_norm\n"
    "  - scale: {scale_value: 0.5}\n  - relu\n  - flatten: {name: b}\n"
    "  - conv: {inputs: a, filters: 3, kernel: 2, init: xavier}\n  - softmax: {name: c}\n"
    "  - fc: {outputs: 5, init: xavier}\n  - sigmoid_loss: {weight: 0.3}\n"
    "  - flatten: {name: d, inputs: c}\n  - concat: {inputs: [b, d]}\n  - batch_norm: {scale: false}\n"
    "  - fc: {outputs: 5, init: xavier}\n  - softmax_loss: {weight: 2}\n";
enum { N = 3, IMAGE = 6 * 5 * 2 };

static double total_loss(cvy_net *net, const float *images, const int32_t *labels, const cvy_pass *pass) {
  cvy_net_forward(net, images, labels, pass);
  double sum = 0;
  for (int64_t i = 0; i < N; i++) sum += cvy_net_losses(net)[i];
  return sum * (double)pass->loss_scale;
}

static void check_gradients(const char *text) {
  cvy_pool *pool = cvy_pool_create();
  cvy_net *net;
  const cvy_err err = create(&net, pool, text, N);
  if (err) printf("\n  %s\n", cvy_err_message());
  CU_ASSERT_EQUAL_FATAL(err, CVY_OK);
  cvy_net_init(net, 11);
  const cvy_net_info *info = cvy_net_describe(net);
  float images[N * IMAGE], *grads = calloc((size_t)info->arena_count, sizeof *grads);
  const int32_t labels[N] = {2, 0, 4};
  cvy_random where = {.seed = 2, .purpose = CVY_FOR_TEST};
  for (int i = 0; i < N * IMAGE; i++) images[i] = (float)cvy_random_next_gaussian(&where);
  const cvy_pass pass = {.training = true, .seed = 5, .step = 7, .first_sample = 3, .loss_scale = 0.5f};
  total_loss(net, images, labels, &pass);
  cvy_net_backward(net, grads, images, labels, &pass);
  const double h = 2e-3;
  for (int64_t t = 0; t < info->param_tensors; t++)
    for (int64_t i = 0; i < info->params[t].count; i += 1 + info->params[t].count / 7) {
      if (info->params[t].spec->averaging > 0) continue;
      float *value = cvy_net_params(net) + info->params[t].offset + i;
      const float kept = *value;
      *value = kept + (float)h;
      const double above = total_loss(net, images, labels, &pass);
      *value = kept - (float)h;
      const double below = total_loss(net, images, labels, &pass);
      *value = kept;
      const double expected = (above - below) / (2 * h), found = (double)grads[info->params[t].offset + i];
      CU_ASSERT_DOUBLE_EQUAL(found, expected, 2e-3 + 0.02 * fabs(expected));
    }
  free(grads);
  cvy_net_destroy(net);
  cvy_pool_destroy(pool);
}

static void gradients_of_a_whole_net(void) {
  check_gradients(tiny);
}

static void gradients_of_a_net_that_branches(void) {
  check_gradients(branching);
}

static void gradients_of_a_normalised_net(void) {
  check_gradients(normalised);
}

/* Logits and losses do not depend on what an earlier backward left in the shared memory, and threads change
 * no bit. */
static void walks_repeat_to_the_bit(void) {
  cvy_hash first = {{0}};
  for (int threads = 1; threads <= 3; threads++) {
    cvy_threads_set(threads);
    cvy_pool *pool = cvy_pool_create();
    cvy_net *net = load(pool, "lenet", 5);
    cvy_net_init(net, 1);
    const cvy_net_info *info = cvy_net_describe(net);
    float *images = calloc(5 * 28 * 28, sizeof *images),
          *grads = calloc((size_t)info->arena_count, sizeof *grads);
    const int32_t labels[5] = {0, 9, -1, 4, 4};
    for (int i = 0; i < 5 * 28 * 28; i++) images[i] = (float)(i % 23) / 23 - 0.5f;
    const cvy_pass pass = {.training = true, .loss_scale = 0.25f};
    double losses[5];
    for (int round = 0; round < 3; round++) {
      cvy_net_forward(net, images, labels, &pass);
      if (round > 0) CU_ASSERT(memcmp(losses, cvy_net_losses(net), sizeof losses) == 0);
      memcpy(losses, cvy_net_losses(net), sizeof losses);
      cvy_net_backward(net, grads, images, labels, &pass);
      const cvy_hash hash = cvy_net_hash(net, grads);
      if (!first.hex[0]) first = hash;
      CU_ASSERT_STRING_EQUAL(hash.hex, first.hex);
    }
    CU_ASSERT_EQUAL(losses[2], 0);
    free(images);
    free(grads);
    cvy_net_destroy(net);
    cvy_pool_destroy(pool);
  }
  cvy_threads_set(1);
}

static void memory_is_shared(void) {
  cvy_pool *pool = cvy_pool_create();
  cvy_net *net = load(pool, "lenet", 64);
  const cvy_net_info *info = cvy_net_describe(net);
  CU_ASSERT(info->activation_bytes < info->activation_bytes_unshared);
  cvy_net_destroy(net);
  cvy_pool_destroy(pool);
}

SUITE("net", TEST(parameter_counts_are_exact), TEST(lenet5_has_its_shapes), TEST(alexnet_has_its_sizes),
      TEST(wrong_descriptions_are_refused), TEST(wrong_heads_are_refused), TEST(resolving_keeps_the_meaning),
      TEST(live_buffers_never_overlap), TEST(gradients_of_a_whole_net),
      TEST(gradients_of_a_net_that_branches), TEST(gradients_of_a_normalised_net),
      TEST(walks_repeat_to_the_bit), TEST(memory_is_shared))
