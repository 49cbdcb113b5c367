/* Tests networks: descriptions and their errors, parameter counts, the memory planner, the walk. */
#include "scratch.h"
#include "suite.h"

#include "base/text.h"
#include "base/yaml.h"
#include "net/memory.h"
#include "net/net.h"
#include "train/find.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>

static cvy_err create(cvy_net **net, cvy_pool *pool, const char *text, int64_t microbatch) {
  cvy_yaml *root;
  *net = NULL;
  CVY_TRY(cvy_yaml_parse(&root, pool, text, "n.yaml"));
  return cvy_net_create(net, root, microbatch, NULL);
}

static cvy_net *load(cvy_pool *pool, const char *name, int64_t microbatch) {
  char path[4096];
  snprintf(path, sizeof path, "%s/launch/networks/%s.yaml", getenv("CONVOY_SOURCE"), name);
  cvy_yaml *root;
  cvy_net *net = NULL;
  if (cvy_network_load(&root, pool, path, NULL) || cvy_net_create(&net, root, microbatch, NULL)) {
    printf("\n  %s\n", cvy_err_message());
    CU_FAIL_FATAL("a network that comes with Convoy");
  }
  return net;
}

/* ---- descriptions ---- */

/* The numbers are from the papers, or from torchvision where they give none. */
static const struct {
  const char *name;
  int64_t params, multiply_adds, classes;
} known[] = {
    {"lenet5", 61706, 416520 /* 117600 + 240000 + 48000 + 10080 + 840 */, 10},
    {"lenet", 431080, 2293000 /* 288000 + 1600000 + 400000 + 5000 */, 10},
    {"hoda-cnn", 93322, 2794240 /* 194688 + 2230272 + 331776 + 36864 + 640 */, 10},
    {"catdog-cnn", 3453121, 0, 2},
    {"alexnet", 62378344, 1135256096, 1000},
    {"alexnet-grouped", 60965224, 0, 1000},
    {"alexnet-bn", 62379720, 0, 1000}, /* AlexNet, with two numbers a filter for the convolutions' one bias */
    {"alexnet-owt", 61100840, 714188480, 1000},
    {"zfnet", 107627624, 0, 1000},
    {"vgg-a", 132863336, 0, 1000},
    {"vgg-a-lrn", 132863336, 0, 1000},
    {"vgg-b", 133047848, 0, 1000},
    {"vgg-c", 133638952, 0, 1000},
    {"vgg-d", 138357544, 15470264320, 1000},
    {"vgg-e", 143667240, 19632062464, 1000},
    {"vgg16", 138357544, 15470264320, 1000},
    {"vgg19", 143667240, 19632062464, 1000},
    {"resnet18", 11689512, 1814073344, 1000},
    {"resnet34", 21797672, 3663761408, 1000},
    {"resnet50", 25557032, 4089184256, 1000},
    {"resnet101", 44549160, 7801405440, 1000},
    {"resnet152", 60192808, 11513626624, 1000},
    {"resnet20", 269722, 40551040, 10},
    {"vgg-cifar", 14987210, 0, 10},
    {"googlenet", 6998552, 0, 1000},
    {"googlenet-bn", 6624904, 0, 1000},
    {"inception-v3", 23834568, 0, 1000}};

static void parameter_counts_are_exact(void) {
  for (int64_t i = 0; i < CVY_COUNT(known); i++) {
    cvy_pool *pool = cvy_pool_create();
    cvy_net *net = load(pool, known[i].name, 1);
    const cvy_net_info *info = cvy_net_describe(net);
    CU_ASSERT_STRING_EQUAL(info->name, known[i].name);
    CU_ASSERT_EQUAL(info->param_count, known[i].params);
    if (known[i].multiply_adds) CU_ASSERT_EQUAL(info->multiply_adds, known[i].multiply_adds);
    CU_ASSERT_EQUAL(info->class_count, known[i].classes);
    CU_ASSERT_EQUAL(cvy_net_find_doubts(net, pool).count, 0);
    cvy_net_destroy(net);
    cvy_pool_destroy(pool);
  }
}

static bool is_known(const char *file) {
  for (int64_t i = 0; i < CVY_COUNT(known); i++) {
    const size_t length = strlen(known[i].name);
    if (strncmp(known[i].name, file, length) == 0 && strcmp(file + length, ".yaml") == 0) return true;
  }
  return false;
}

static void every_network_has_a_known_count(void) {
  char path[4096];
  snprintf(path, sizeof path, "%s/launch/networks", getenv("CONVOY_SOURCE"));
  DIR *folder = opendir(path);
  CU_ASSERT_PTR_NOT_NULL_FATAL(folder);
  int64_t found = 0;
  for (const struct dirent *file; (file = readdir(folder));) {
    if (!strstr(file->d_name, ".yaml")) continue;
    found++;
    if (!is_known(file->d_name)) printf("\n  %s has no line in the table above\n", file->d_name);
    CU_ASSERT(is_known(file->d_name));
  }
  CU_ASSERT_EQUAL(found, CVY_COUNT(known));
  closedir(folder);
}

/* Returns the doubts about a network that ends as `end` says, one a line. */
static const char *doubts_about(const char *end) {
  static char out[1000];
  char text[1000];
  cvy_pool *pool = cvy_pool_create();
  cvy_net *net;
  snprintf(text, sizeof text, "input: [4, 4, 1]\nlayers:\n  - fc: {outputs: 3}\n%s", end);
  CU_ASSERT_EQUAL_FATAL(create(&net, pool, text, 2), CVY_OK);
  const cvy_net_doubts doubts = cvy_net_find_doubts(net, pool);
  cvy_text list = cvy_text_in(out, sizeof out);
  for (int64_t i = 0; i < doubts.count; i++) cvy_text_add(&list, "%s\n", doubts.texts[i]);
  cvy_net_destroy(net);
  cvy_pool_destroy(pool);
  return out;
}

static void scores_that_a_loss_should_not_get(void) {
  CU_ASSERT_STRING_EQUAL(
      doubts_about("  - softmax\n  - softmax_loss\n"),
      "n.yaml:4:5: layer 'softmax1' presses scores between 0 and 1 before the loss 'loss1' sees "
      "them, which makes probabilities of scores itself: leave 'softmax1' out\n");
  CU_ASSERT_PTR_NOT_NULL(strstr(doubts_about("  - sigmoid\n  - sigmoid_loss\n"), "layer 'sigmoid1' presses"));
  CU_ASSERT_PTR_NOT_NULL(strstr(doubts_about("  - tanh\n  - softmax_loss\n"), "between -1 and 1"));
  CU_ASSERT_PTR_NOT_NULL(strstr(doubts_about("  - relu\n  - softmax_loss\n"), "makes negative scores 0"));
  CU_ASSERT_PTR_NOT_NULL(strstr(doubts_about("  - softmax\n  - flatten\n  - dropout\n  - softmax_loss\n"),
                                "leave 'softmax1' out"));
  CU_ASSERT_PTR_NOT_NULL(
      strstr(doubts_about("  - softmax\n  - softmax\n  - fc: {outputs: 3}\n  - softmax_loss\n"),
             "n.yaml:5:5: layer 'softmax2' does once more what 'softmax1' has done"));
  CU_ASSERT_STRING_EQUAL(doubts_about("  - softmax_loss\n"), "");
  CU_ASSERT_STRING_EQUAL(doubts_about("  - softmax\n  - fc: {outputs: 3}\n  - dropout\n  - softmax_loss\n"),
                         "");
  CU_ASSERT_STRING_EQUAL(doubts_about("  - leaky_relu\n  - softmax_loss\n"), "");
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

/* Checks heights and widths after each convolution and pooling, in order. */
static void check_sizes(const char *name, const int64_t *expected, int64_t count) {
  cvy_pool *pool = cvy_pool_create();
  cvy_net *net = load(pool, name, 1);
  const cvy_net_info *info = cvy_net_describe(net);
  int64_t found = 0;
  for (int64_t i = 0; i < info->layer_count; i++) {
    const bool counts = strcmp(info->layers[i].type, "conv") == 0 ||
                        strcmp(info->layers[i].type, "max_pool") == 0;
    if (!counts) continue;
    CU_ASSERT_FATAL(found < count);
    CU_ASSERT_EQUAL(info->layers[i].y.h, expected[found]);
    CU_ASSERT_EQUAL(info->layers[i].y.w, expected[found++]);
  }
  CU_ASSERT_EQUAL(found, count);
  cvy_net_destroy(net);
  cvy_pool_destroy(pool);
}

static void sizes_on_the_way_are_exact(void) {
  const int64_t alexnet[] = {55, 27, 27, 13, 13, 13, 13, 6}, zfnet[] = {110, 55, 26, 13, 13, 13, 13, 6},
                vgg16[] = {224, 224, 112, 112, 112, 56, 56, 56, 56, 28, 28, 28, 28, 14, 14, 14, 14, 7};
  check_sizes("alexnet", alexnet, CVY_COUNT(alexnet));
  check_sizes("alexnet-grouped", alexnet, CVY_COUNT(alexnet));
  check_sizes("alexnet-bn", alexnet, CVY_COUNT(alexnet));
  check_sizes("zfnet", zfnet, CVY_COUNT(zfnet));
  check_sizes("vgg16", vgg16, CVY_COUNT(vgg16));
}

/* ---- networks made from others ---- */

static cvy_err load_text(cvy_yaml **root, cvy_pool *pool, const char *text) {
  const char *path = cvy_pool_format(pool, "%s/mine.yaml", scratch_folder());
  scratch_write(path, text, strlen(text));
  return cvy_network_load(root, pool, path, NULL);
}

static void networks_are_made_from_others(void) {
  cvy_pool *pool = cvy_pool_create();
  char *base = cvy_pool_format(pool, "%s/launch/networks/vgg-e.yaml", getenv("CONVOY_SOURCE"));
  cvy_yaml *root;
  cvy_net *net;
  const char *text = cvy_pool_format(pool, "name: mine\nnetwork:\n  %s: {size: 32, stage5: 1, classes: 3}\n",
                                     base);
  CU_ASSERT_EQUAL_FATAL(load_text(&root, pool, text), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_net_create(&net, root, 1, NULL), CVY_OK);
  const cvy_net_info *info = cvy_net_describe(net);
  CU_ASSERT_STRING_EQUAL(info->name, "mine");
  CU_ASSERT_EQUAL(info->class_count, 3);
  CU_ASSERT_EQUAL(info->layer_count, 2 * (2 + 2 + 4 + 4 + 1) + 5 + 8);
  cvy_net_destroy(net);
  cvy_pool_destroy(pool);
}

static void wrong_variants_are_refused(void) {
  const char *const wrong[][2] = {
      {"name: mine\nnetwork: x.yaml\n", ":2:10: no network stands at"},
      {"name: mine\nnetwork: [a]\n", ":2:10: 'network' must be a name or"},
      {"name: mine\nnetwork: x.yaml\nlayers: [relu]\n",
       ":3:1: unknown key 'layers' in a network made from another"},
      {"name: mine\nnetwork: mine.yaml\n", ":2:10: networks are made from each other without end"},
  };
  for (int64_t i = 0; i < CVY_COUNT(wrong); i++) {
    cvy_pool *pool = cvy_pool_create();
    cvy_yaml *root;
    CU_ASSERT_EQUAL(load_text(&root, pool, wrong[i][0]), CVY_E_INPUT);
    if (!strstr(cvy_err_message(), wrong[i][1])) printf("\n  %s  gave: %s\n", wrong[i][0], cvy_err_message());
    CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), wrong[i][1]));
    cvy_pool_destroy(pool);
  }
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
      {"  - fc: {outputs: 3, name: '$x'}\n", "n.yaml:4:28: a layer's name must be a word"},
      {"  - fc: {outputs: 3, name: a.}\n", "n.yaml:4:28: a layer's name must be a word"},
      {"  - fc: {outputs: 3, name: \"a\\nb\"}\n", "n.yaml:4:28: a layer's name must be a word"},
      {"  - convv: {filters: 3, kernel: 3}\n", "n.yaml:4:5: unknown layer 'convv'; did you mean 'conv'?"},
      {"  - fc: {outputs: 3}\n", "n.yaml:4:5: the last layer, 'fc1', is not a loss"},
      {"  - fc: {outputs: 3}\n  - softmax_loss\n  - fc: {outputs: 3, inputs: loss1}\n  - softmax_loss\n",
       "n.yaml:6:5: layer 'fc2' reads 'loss1', which is a loss"},
      {"  - fc: {outputs: 3}\n  - softmax_loss\n  - fc: {outputs: 4}\n  - softmax_loss\n",
       "n.yaml:5:5: layer 'loss1' tells apart 3 classes, but the last layer 4"},
      {"  - relu: {input: x}\n", "n.yaml:4:12: unknown key 'input' in relu; did you mean 'inputs'?"},
      {"  - relu: {repeat: 0}\n", "n.yaml:4:20: 'repeat' must be a whole number from 1 to 1000, not '0'"},
      {"  - relu: {when: 3}\n", "n.yaml:4:18: 'when' must be true or false, not '3'"},
      {"  - relu: {when: false}\n", "n.yaml:4:3: the network's layers are all left out"},
      {"  - relu: {unless: true}\n", "n.yaml:4:3: the network's layers are all left out"},
      {"  - relu: {unless: 3}\n", "n.yaml:4:20: 'unless' must be true or false, not '3'"},
      {"  - fc: {outputs: $n}\n", "n.yaml:4:19: no parameter is named 'n' here"},
      {"  - fc: 3\n", "n.yaml:4:9: fc takes key: value options"},
      {"  - {fc: {outputs: 3}, relu: }\n", "n.yaml:4:5: expected one layer"},
      {"  - fc:\n    outputs: 3\n", "n.yaml:5:5: 'outputs' stands beside 'fc'; if it is one of its options"},
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
      {"  - fc: {name: input, outputs: 3}\n", "n.yaml:4:16: 'input' is the name of what comes in"},
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
      {"input: [8, 8, 1]\nlayers: []\n",
       "n.yaml:2:9: the 'layers' of the network must be a list of at least one layer"},
      {"input: [8, 8, 1]\nlayers: {relu: }\n",
       "n.yaml:2:9: the 'layers' of the network must be a list of at least one "
       "layer, not a mapping"},
      {"input: [8, 8, 1]\nparameters: [x]\nlayers: [softmax_loss]\n",
       "n.yaml:2:13: 'parameters' must be names"},
      {"input: [1, 1, 3]\nlayers: [softmax_loss]\n", "n.yaml:2:10: loss 'loss1' reads the image"},
      {"name: \"a\\nb\"\ninput: [8, 8, 1]\nlayers: [relu]\n",
       "n.yaml:1:7: the network's name must be on one line"},
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

/* ---- parameters and blocks ---- */

static const char block_net[] =
    "name: blocks\n"
    "parameters: {size: 6, classes: 5, auxiliary: false}\n"
    "input: [$size, $size, 2]\n"
    "blocks:\n"
    "  unit:\n"
    "    parameters: {filters: , kernel: 3}\n"
    "    layers:\n"
    "      - conv: {filters: $filters, kernel: $kernel, padding: same, init: xavier}\n"
    "      - tanh\n"
    "  residual:\n"
    "    parameters: {filters: }\n"
    "    layers:\n"
    "      - unit: {name: a, filters: $filters, repeat: 2}\n"
    "      - add: {inputs: [a.1, a, input]}\n"
    "  head:\n"
    "    parameters: {classes: }\n"
    "    layers:\n"
    "      - fc: {outputs: $classes, init: xavier}\n"
    "      - softmax_loss\n"
    "layers:\n"
    "  - unit: {filters: 3, kernel: [1, 3]}\n"
    "  - residual: {name: stage, filters: 3, repeat: 2}\n"
    "  - head: {name: auxiliary, classes: $classes, when: $auxiliary}\n"
    "  - unit: {filters: 2}\n"
    "  - head: {classes: $classes}\n";

static cvy_err create_configured(cvy_net **net, cvy_pool *pool, const char *settings) {
  cvy_yaml *root, *values;
  *net = NULL;
  CVY_TRY(cvy_yaml_parse(&root, pool, block_net, "n.yaml"));
  CVY_TRY(cvy_yaml_parse(&values, pool, settings, "settings"));
  CVY_TRY(cvy_net_configure(&root, pool, root, values));
  return cvy_net_create(net, root, 3, NULL);
}

static void check_layers(const char *settings, const char *const *expected, int64_t count) {
  cvy_pool *pool = cvy_pool_create();
  cvy_net *net;
  CU_ASSERT_EQUAL_FATAL(create_configured(&net, pool, settings), CVY_OK);
  const cvy_net_info *info = cvy_net_describe(net);
  CU_ASSERT_EQUAL_FATAL(info->layer_count, count);
  for (int64_t i = 0; i < count; i++) CU_ASSERT_STRING_EQUAL(info->layers[i].name, expected[i]);
  CU_ASSERT_EQUAL(info->layers[0].param_count, 1 * 3 * 2 * 3 + 3);
  cvy_net_destroy(net);
  cvy_pool_destroy(pool);
}

static void blocks_unfold_to_named_layers(void) {
  const char *const plain[] = {
      "unit1.conv1",       "unit1.tanh1",       "stage.1.a.1.conv1", "stage.1.a.1.tanh1",
      "stage.1.a.2.conv1", "stage.1.a.2.tanh1", "stage.1.add1",      "stage.2.a.1.conv1",
      "stage.2.a.1.tanh1", "stage.2.a.2.conv1", "stage.2.a.2.tanh1", "stage.2.add1",
      "unit2.conv1",       "unit2.tanh1",       "head1.fc1",         "head1.loss1"};
  const char *const with_head[] = {
      "unit1.conv1",       "unit1.tanh1",  "stage.1.a.1.conv1", "stage.1.a.1.tanh1", "stage.1.a.2.conv1",
      "stage.1.a.2.tanh1", "stage.1.add1", "stage.2.a.1.conv1", "stage.2.a.1.tanh1", "stage.2.a.2.conv1",
      "stage.2.a.2.tanh1", "stage.2.add1", "auxiliary.fc1",     "auxiliary.loss1",   "unit2.conv1",
      "unit2.tanh1",       "head2.fc1",    "head2.loss1"};
  check_layers("{}", plain, CVY_COUNT(plain));
  check_layers("{auxiliary: true, size: 5}", with_head, CVY_COUNT(with_head));
}

static void parameters_reach_their_layers(void) {
  cvy_pool *pool = cvy_pool_create();
  cvy_net *net;
  CU_ASSERT_EQUAL_FATAL(create_configured(&net, pool, "{classes: 7, size: 5}"), CVY_OK);
  const cvy_net_info *info = cvy_net_describe(net);
  CU_ASSERT(info->input.h == 5 && info->input.w == 5 && info->input.c == 2);
  CU_ASSERT_EQUAL(info->class_count, 7);
  cvy_net_destroy(net);
  cvy_pool_destroy(pool);
}

static void wrong_parameters_are_refused(void) {
  const char *const wrong[][2] = {
      {"{clases: 3}", "settings:1:2: unknown parameter 'clases' of network blocks; did you mean 'classes'?"},
      {"{classes: many}", "settings:1:11: 'outputs' must be a whole number"},
      {"{classes: }", "settings:1:2: parameter 'classes' is given no value"},
      {"[1]", "settings:1:1: a network's parameters must be given as {name: value}, not as a list"},
      {"{size: 0}", "settings:1:8: 'input' must be a whole number from 1"}};
  for (int64_t i = 0; i < CVY_COUNT(wrong); i++) {
    cvy_pool *pool = cvy_pool_create();
    cvy_net *net;
    CU_ASSERT_EQUAL(create_configured(&net, pool, wrong[i][0]), CVY_E_INPUT);
    if (!strstr(cvy_err_message(), wrong[i][1])) printf("\n  %s  gave: %s\n", wrong[i][0], cvy_err_message());
    CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), wrong[i][1]));
    cvy_pool_destroy(pool);
  }
}

/* In the network above `from` is replaced by `to`. */
static void wrong_blocks_are_refused(void) {
  const char *const wrong[][3] = {
      {"{filters: 3, kernel: [1, 3]}", "{kernel: 1}",
       "n.yaml:21:5: block 'unit' needs 'filters', a parameter without"},
      {"{filters: 3, kernel: [1, 3]}", "{filters: 3, kernal: 1}",
       "n.yaml:21:24: unknown key 'kernal' in unit; did you mean 'kernel'?"},
      {"{filters: 3, kernel: [1, 3]}", "{filters: x}",
       "n.yaml:21:21: 'filters' must be a whole number from 1 to 1000000, not 'x', in block 'unit' used "
       "on line 21"},
      {"name: stage, filters: 3", "name: stage, filters: 5",
       "n.yaml:14:9: layer 'stage.1.add1': its inputs must have one shape, but input 1 is 6x6x5 and "
       "input 3 is 6x6x3, "
       "in block 'residual' used on line 22"},
      {"- tanh\n", "- tahn\n", "n.yaml:9:9: unknown layer 'tahn'; did you mean 'tanh'?"},
      {"- tanh\n", "- residual\n",
       "n.yaml:9:9: block 'residual' stands on line 10; a block must stand above the blocks that use it"},
      {"name: stage, filters: 3",
       "name: x1234567890123456789012345678901234567890123456789012345678901234567890123456789012345"
       "67890123456789012345"
       "67890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
       "8901234567, filters: 3",
       "a name may have at most 200 letters"},
      {"- tanh\n", "- unit\n", "n.yaml:9:9: block 'unit' uses itself"},
      {"- unit: {filters: 2}\n", "- relu: {name: c.2}\n  - relu: {name: c, repeat: 2}\n",
       "n.yaml:25:5: two layers are named 'c.2'"},
      {"[a.1, a, input]", "[a.1, a, stage]", "n.yaml:14:32: no layer is named 'stage'"},
      {"kernel: 3}\n", "kernel: 3, stride: 1}\n",
       "n.yaml:6:40: nobody uses parameter 'stride': $stride stands nowhere in block 'unit'"},
      {"kernel: $kernel", "kernel: $kernal", "n.yaml:6:29: nobody uses parameter 'kernel'"},
      {"{outputs: $classes", "{outputs: $clases", "n.yaml:16:18: nobody uses parameter 'classes'"},
      {"padding: same", "padding: $same", "n.yaml:8:61: no parameter is named 'same' here"},
      {"  unit:\n", "  conv:\n", "n.yaml:5:3: a block cannot be named 'conv', as a layer type is"},
      {"  unit:\n", "  u.nit:\n", "n.yaml:5:3: a block's name must be a word"},
      {"  - head: {classes: $classes}\n", "  - head: {classes: $classes, inputs: [unit1, unit2]}\n",
       "n.yaml:25:39: a block has one input, not 2"},
      {"filters: 3, repeat: 2}", "filters: 3, repeat: 2000}",
       "n.yaml:22:49: 'repeat' must be a whole number"},
      {"classes: 5, aux", "name: 5, aux", "n.yaml:2:23: a parameter cannot be named 'name'"},
      {"blocks:\n", "blocks:\n  spare:\n    layers:\n      - relu\n",
       "n.yaml:5:3: nobody uses block 'spare'"},
      {"- unit: {filters: 2}\n",
       "- unit: {name: stage.1.add1, filters: 2}\n  - relu: {name: stage.1.add1.conv1}\n",
       "two layers are named 'stage.1.add1.conv1'; the first one stands on line 8"},
  };
  for (int64_t i = 0; i < CVY_COUNT(wrong); i++) {
    cvy_pool *pool = cvy_pool_create();
    cvy_net *net;
    const char *place = strstr(block_net, wrong[i][0]);
    CU_ASSERT_PTR_NOT_NULL_FATAL(place);
    const char *text = cvy_pool_format(pool, "%.*s%s%s", (int)(place - block_net), block_net, wrong[i][1],
                                       place + strlen(wrong[i][0]));
    CU_ASSERT_EQUAL(create(&net, pool, text, 2), CVY_E_INPUT);
    if (!strstr(cvy_err_message(), wrong[i][2])) printf("\n  %s  gave: %s\n", wrong[i][1], cvy_err_message());
    CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), wrong[i][2]));
    cvy_pool_destroy(pool);
  }
}

/* Blocks of blocks of blocks are refused soon, not after 10^12 layers. */
static void unfolding_has_an_end(void) {
  const char *const bombs[][2] = {{"- relu", "the network has more than 10000 layers"},
                                  {"- relu: {when: false}", "unfold without end"}};
  for (int64_t i = 0; i < CVY_COUNT(bombs); i++) {
    cvy_pool *pool = cvy_pool_create();
    cvy_net *net;
    const char *text = cvy_pool_format(
        pool,
        "input: [4, 4, 1]\nblocks:\n  a:\n    layers:\n      %s\n"
        "  b:\n    layers: [a: {repeat: 1000}]\n  c:\n    layers: [b: {repeat: 1000}]\n"
        "  d:\n    layers: [c: {repeat: 1000}]\nlayers:\n  - d\n  - softmax_loss\n",
        bombs[i][0]);
    CU_ASSERT_EQUAL(create(&net, pool, text, 1), CVY_E_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), bombs[i][1]));
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
  CU_ASSERT_EQUAL_FATAL(cvy_net_create(&a, root, 2, NULL), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_net_create(&b, again, 2, NULL), CVY_OK);
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
/* Values with several readers, one read twice by the same layer, in-place layers after a branch, the image
 * read twice. */
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
/* A normalised network, with an auxiliary loss, and sizes that only flatten brings together, in place of what
 * relu has made. */
static const char normalised[] =
    "name: normalised\ninput: [6, 5, 2]\nlayers:\n"
    "  - conv: {name: a, filters: 4, kernel: 3, bias: false, init: xavier}\n  - batch_norm\n"
    "  - scale: {scale_value: 0.5}\n  - relu\n  - flatten: {name: b}\n"
    "  - conv: {inputs: a, filters: 3, kernel: 2, init: xavier}\n  - softmax: {name: c}\n"
    "  - fc: {outputs: 5, init: xavier}\n  - sigmoid_loss: {weight: 0.3}\n"
    "  - flatten: {name: d, inputs: c}\n  - concat: {inputs: [b, d]}\n  - batch_norm: {scale: false}\n"
    "  - fc: {outputs: 5, init: xavier}\n  - softmax_loss: {weight: 2}\n";
enum { N = 3, IMAGE = 6 * 5 * 2 };

static double total_loss(cvy_net *net, const float *images, const cvy_targets *targets,
                         const cvy_pass *pass) {
  cvy_net_forward(net, images, targets, pass);
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
  const int64_t pixels = cvy_shape_count(info->input);
  float *images = calloc((size_t)pixels, sizeof *images),
        *grads = calloc((size_t)info->arena_count, sizeof *grads);
  const cvy_targets targets = {.labels = (const int32_t[N]){2, 0, 4},
                               .partners = (const int32_t[N]){1, 3, 2},
                               .shares = (const float[N]){1, 0.3f, 0.75f}};
  cvy_random where = {.seed = 2, .purpose = CVY_FOR_TEST};
  for (int64_t i = 0; i < pixels; i++) images[i] = (float)cvy_random_next_gaussian(&where);
  const cvy_pass pass = {.training = true, .seed = 5, .step = 7, .first_sample = 3, .loss_scale = 0.5f};
  total_loss(net, images, &targets, &pass);
  cvy_net_backward(net, grads, images, &targets, &pass);
  const double h = 2e-3;
  for (int64_t t = 0; t < info->param_tensors; t++)
    for (int64_t i = 0; i < info->params[t].count; i += 1 + info->params[t].count / 7) {
      if (info->params[t].spec->averaging > 0) continue;
      float *value = cvy_net_params(net) + info->params[t].offset + i;
      const float kept = *value;
      *value = kept + (float)h;
      const double above = total_loss(net, images, &targets, &pass);
      *value = kept - (float)h;
      const double below = total_loss(net, images, &targets, &pass);
      *value = kept;
      const double expected = (above - below) / (2 * h), found = (double)grads[info->params[t].offset + i];
      CU_ASSERT_DOUBLE_EQUAL(found, expected, 2e-3 + 0.02 * fabs(expected));
    }
  free(images), free(grads);
  cvy_net_destroy(net);
  cvy_pool_destroy(pool);
}

static void gradients_of_a_whole_net(void) {
  check_gradients(tiny);
}

static void gradients_of_a_net_of_blocks(void) {
  check_gradients(block_net);
}

/* Both losses count in training, and the last one alone in evaluation. */
static void auxiliary_losses_count_in_training(void) {
  const char two[] =
      "input: [6, 5, 2]\nlayers:\n  - conv: {filters: 3, kernel: 3, init: xavier}\n  - tanh: {name: t}\n"
      "  - fc: {name: a, outputs: 5, init: xavier}\n  - softmax_loss\n"
      "  - fc: {name: b, inputs: t, outputs: 5, init: xavier}\n  - softmax_loss\n";
  check_gradients(two);
  cvy_pool *pool = cvy_pool_create();
  cvy_net *net;
  CU_ASSERT_EQUAL_FATAL(create(&net, pool, two, N), CVY_OK);
  cvy_net_init(net, 11);
  float images[N * IMAGE];
  const cvy_targets targets = {.labels = (const int32_t[N]){2, 0, 4}};
  for (int i = 0; i < N * IMAGE; i++) images[i] = (float)(i % 17) / 17;
  const cvy_pass training = {.training = true, .loss_scale = 1}, evaluation = {.loss_scale = 1};
  const double both = total_loss(net, images, &targets, &training),
               main = total_loss(net, images, &targets, &evaluation);
  CU_ASSERT(main > 0 && both > 1.2 * main);
  cvy_net_destroy(net);
  cvy_pool_destroy(pool);
}

typedef struct watch {
  int64_t count, seen[16]; /* layers; backward is -1 - layer */
} watch;

static void note(void *context, int64_t layer_index, bool backward) {
  watch *w = context;
  CU_ASSERT_FATAL(w->count < CVY_COUNT(w->seen));
  w->seen[w->count++] = backward ? -1 - layer_index : layer_index;
}

static void check_seen(watch *w, const int64_t *expected, int64_t count) {
  CU_ASSERT_EQUAL(w->count, count);
  for (int64_t i = 0; i < count; i++) CU_ASSERT_EQUAL(w->seen[i], expected[i]);
  w->count = 0;
}

static void observers_see_every_layer_once(void) {
  const char text[] =
      "input: [6, 5, 2]\nlayers:\n  - conv: {filters: 3, kernel: 3, init: xavier}\n  - tanh: {name: t}\n"
      "  - fc: {name: a, outputs: 5, init: xavier}\n  - softmax_loss\n"
      "  - fc: {name: b, inputs: t, outputs: 5, init: xavier}\n  - softmax_loss\n";
  cvy_pool *pool = cvy_pool_create();
  cvy_net *net;
  CU_ASSERT_EQUAL_FATAL(create(&net, pool, text, N), CVY_OK);
  cvy_net_init(net, 11);
  float images[N * IMAGE] = {0}, *grads = calloc((size_t)cvy_net_describe(net)->arena_count, sizeof *grads);
  const cvy_targets targets = {.labels = (const int32_t[N]){2, 0, 4}};
  const cvy_pass training = {.training = true, .loss_scale = 1}, evaluation = {.loss_scale = 1};
  watch w = {0};
  cvy_net_observe(net, &(cvy_net_observer){note, &w});
  cvy_net_forward(net, images, &targets, &training);
  check_seen(&w, (const int64_t[]){0, 1, 2, 3, 4, 5}, 6);
  cvy_net_backward(net, grads, images, &targets, &training);
  check_seen(&w, (const int64_t[]){-6, -5, -4, -3, -2, -1}, 6);
  cvy_net_forward(net, images, &targets, &evaluation);
  check_seen(&w, (const int64_t[]){0, 1, 4, 5}, 4);
  cvy_net_observe(net, NULL);
  cvy_net_forward(net, images, &targets, &training);
  check_seen(&w, NULL, 0);
  free(grads);
  cvy_net_destroy(net);
  cvy_pool_destroy(pool);
}

/* Returns losses and gradients of a network as one hash. */
static cvy_hash hash_of_a_pass(const char *text, const char *first_layers) {
  cvy_pool *pool = cvy_pool_create();
  cvy_net *net;
  CU_ASSERT_EQUAL_FATAL(create(&net, pool, text, N), CVY_OK);
  const cvy_net_info *info = cvy_net_describe(net);
  char names[256] = "";
  for (int64_t i = 0; i < info->layer_count && i < 4; i++)
    snprintf(names + strlen(names), sizeof names - strlen(names), "%s ", info->layers[i].name);
  CU_ASSERT_STRING_EQUAL(names, first_layers);
  cvy_net_init(net, 4);
  const int64_t pixels = cvy_shape_count(info->input);
  float *images = calloc((size_t)pixels, sizeof *images),
        *grads = calloc((size_t)info->arena_count, sizeof *grads);
  const cvy_targets targets = {.labels = (const int32_t[N]){2, 0, 4}};
  for (int64_t i = 0; i < pixels; i++) images[i] = (float)(i * 37 % 101) / 50 - 1;
  const cvy_pass pass = {.training = true, .loss_scale = 0.5f};
  const double loss = total_loss(net, images, &targets, &pass);
  cvy_net_backward(net, grads, images, &targets, &pass);
  grads[0] += (float)loss;
  const cvy_hash hash = cvy_net_hash(net, grads);
  free(images), free(grads);
  cvy_net_destroy(net);
  cvy_pool_destroy(pool);
  return hash;
}

/* A ReLU goes behind a max pooling, unless somebody else reads it, and nothing else changes. */
static void pooling_goes_first(void) {
  const char head[] = "input: [9, 8, 2]\nlayers:\n  - conv: {filters: 5, kernel: 2, init: xavier}\n";
  const char tail[] = "  - fc: {outputs: 5, init: xavier}\n  - softmax_loss\n";
  char written[512], by_hand[512], kept[512];
  snprintf(written, sizeof written, "%s  - relu\n  - max_pool: {kernel: 3, stride: 2, padding: 1}\n%s", head,
           tail);
  snprintf(by_hand, sizeof by_hand, "%s  - max_pool: {kernel: 3, stride: 2, padding: 1}\n  - relu\n%s", head,
           tail);
  snprintf(kept, sizeof kept,
           "%s  - relu\n  - max_pool: {kernel: 2, stride: 1}\n  - concat: {inputs: [conv1, relu1]}\n"
           "  - fc: {inputs: pool1, outputs: 5}\n  - fc: {inputs: concat1, outputs: 5}\n"
           "  - add: {inputs: [fc1, fc2]}\n  - softmax_loss\n",
           head);
  const cvy_hash a = hash_of_a_pass(written, "conv1 pool1 relu1 fc1 "),
                 b = hash_of_a_pass(by_hand, "conv1 pool1 relu1 fc1 ");
  CU_ASSERT_STRING_EQUAL(a.hex, b.hex);
  hash_of_a_pass(kept, "conv1 relu1 pool1 concat1 ");
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
    const cvy_targets targets = {.labels = (const int32_t[5]){0, 9, -1, 4, 4}};
    for (int i = 0; i < 5 * 28 * 28; i++) images[i] = (float)(i % 23) / 23 - 0.5f;
    const cvy_pass pass = {.training = true, .loss_scale = 0.25f};
    double losses[5];
    for (int round = 0; round < 3; round++) {
      cvy_net_forward(net, images, &targets, &pass);
      if (round > 0) CU_ASSERT(memcmp(losses, cvy_net_losses(net), sizeof losses) == 0);
      memcpy(losses, cvy_net_losses(net), sizeof losses);
      cvy_net_backward(net, grads, images, &targets, &pass);
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

/* ---- wishes ---- */

static cvy_err create_with(cvy_net **net, cvy_pool *pool, const char *text, cvy_net_wishes wishes) {
  cvy_yaml *root;
  *net = NULL;
  CVY_TRY(cvy_yaml_parse(&root, pool, text, "n.yaml"));
  return cvy_net_create(net, root, N, &wishes);
}

static void unknown_names_are_refused(void) {
  const char *const wrong = "conv2", *const other = "pool";
  const struct {
    cvy_net_wishes wishes;
    const char *message;
  } cases[] = {
      {{.outputs = {&wrong, 1}},
       "network 'network' has no layer 'conv2' that could keep its output; did you mean 'conv1'?"},
      {{.frozen = {&wrong, 1}},
       "network 'network' has no layer 'conv2' that could be frozen; did you mean 'conv1'?"},
      {{.frozen_through = other},
       "network 'network' has no layer 'pool' that could be frozen, with all that it depends on"},
  };
  const char text[] = "input: [6, 5, 2]\nlayers:\n  - conv: {filters: 3, kernel: 3}\n  - fc: {outputs: 5}\n"
                      "  - softmax_loss\n";
  for (int64_t i = 0; i < CVY_COUNT(cases); i++) {
    cvy_pool *pool = cvy_pool_create();
    cvy_net *net;
    CU_ASSERT_EQUAL(create_with(&net, pool, text, cases[i].wishes), CVY_E_INPUT);
    CU_ASSERT_PTR_NULL(net);
    CU_ASSERT_STRING_EQUAL(cvy_err_message(), cases[i].message);
    cvy_pool_destroy(pool);
  }
}

/* Holds the image's gradient against differences along some of the image's numbers. */
static void check_image_gradient(const char *text, cvy_net_wishes wishes, bool training) {
  cvy_pool *pool = cvy_pool_create();
  cvy_net *net;
  wishes.image_gradient = true;
  CU_ASSERT_EQUAL_FATAL(create_with(&net, pool, text, wishes), CVY_OK);
  cvy_net_init(net, 11);
  const cvy_net_info *info = cvy_net_describe(net);
  const int64_t pixels = cvy_shape_count(info->input);
  float *images = calloc((size_t)pixels, sizeof *images),
        *grads = calloc((size_t)info->arena_count, sizeof *grads);
  const cvy_targets targets = {.labels = (const int32_t[N]){2, 0, 4}};
  cvy_random where = {.seed = 2, .purpose = CVY_FOR_TEST};
  for (int64_t i = 0; i < pixels; i++) images[i] = (float)cvy_random_next_gaussian(&where);
  const cvy_pass pass = {.training = training, .seed = 5, .step = 7, .first_sample = 3, .loss_scale = 0.5f};
  total_loss(net, images, &targets, &pass);
  cvy_net_backward(net, grads, images, &targets, &pass);
  const double h = 2e-3;
  double most = 0;
  for (int64_t i = 0; i < pixels; i += 7) {
    const double found = (double)cvy_net_image_gradient(net)[i];
    const float kept = images[i];
    images[i] = kept + (float)h;
    const double above = total_loss(net, images, &targets, &pass);
    images[i] = kept - (float)h;
    const double below = total_loss(net, images, &targets, &pass);
    images[i] = kept;
    const double expected = (above - below) / (2 * h);
    CU_ASSERT_DOUBLE_EQUAL(found, expected, 2e-3 + 0.02 * fabs(expected));
    if (fabs(expected) > most) most = fabs(expected);
    total_loss(net, images, &targets, &pass);
    cvy_net_backward(net, grads, images, &targets, &pass);
  }
  CU_ASSERT(most > 0.01);
  free(images), free(grads);
  cvy_net_destroy(net);
  cvy_pool_destroy(pool);
}

/* The last one's image goes to a direct convolution, which has no backward of its own for it. */
static void gradients_of_the_image(void) {
  const char direct[] =
      "input: [9, 9, 3]\nlayers:\n  - conv: {filters: 16, kernel: 3, init: xavier}\n  - tanh\n"
      "  - fc: {outputs: 5, init: xavier}\n  - softmax_loss\n";
  const char *const nets[] = {tiny, branching, normalised, direct};
  for (int64_t i = 0; i < CVY_COUNT(nets); i++) {
    check_image_gradient(nets[i], (cvy_net_wishes){0}, true);
    check_image_gradient(nets[i], (cvy_net_wishes){0}, false);
  }
  check_image_gradient(normalised, (cvy_net_wishes){.frozen_through = "b"}, true);
  check_image_gradient(direct, (cvy_net_wishes){.frozen_through = "loss1"}, true);
}

static const char to_freeze[] =
    "name: thawed\ninput: [6, 5, 2]\nlayers:\n  - max_pool: {name: p, kernel: 2, stride: 1}\n"
    "  - conv: {name: a, filters: 4, kernel: 3, init: xavier}\n  - batch_norm: {name: n}\n"
    "  - relu: {name: r}\n"
    "  - dropout: {name: d}\n  - fc: {name: b, outputs: 6, init: xavier}\n  - tanh: {name: t}\n"
    "  - fc: {name: c, outputs: 5, init: xavier}\n  - softmax_loss: {name: l}\n";

/* This tests what backward visits, and where parameters lie. */
static void frozen_layers_are_left_alone(void) {
  const char *const names[] = {"a", "b", "d"};
  cvy_pool *pool = cvy_pool_create();
  cvy_net *net, *plain;
  CU_ASSERT_FATAL(!create_with(&net, pool, to_freeze, (cvy_net_wishes){.frozen = {names, 3}}));
  CU_ASSERT_FATAL(!create_with(&plain, pool, to_freeze, (cvy_net_wishes){0}));
  const cvy_net_info *info = cvy_net_describe(net);
  CU_ASSERT_EQUAL(info->param_count, cvy_net_describe(plain)->param_count);
  CU_ASSERT_EQUAL(cvy_net_describe(plain)->frozen_count, 0);
  CU_ASSERT_EQUAL(cvy_net_describe(plain)->last_visited, 1); /* the pooling has nothing to learn below it */
  CU_ASSERT_EQUAL(info->last_visited, 2);
  CU_ASSERT_EQUAL(info->frozen_count, 9 * 2 * 4 + 4 + 3 * 2 * 4 * 6 + 6);
  for (int64_t i = 0; i < info->layer_count; i++) CU_ASSERT_EQUAL(info->layers[i].frozen, i == 1 || i == 5);
  for (int64_t i = 0; i < info->param_tensors; i++) {
    const cvy_net_param *p = &info->params[i];
    CU_ASSERT_EQUAL(p->frozen, info->layers[p->layer].frozen);
    CU_ASSERT_EQUAL(p->offset >= info->replicated_count, p->frozen);
    CU_ASSERT(p->offset + p->count <= info->arena_count);
  }
  cvy_net_init(net, 11), cvy_net_init(plain, 11);
  CU_ASSERT_STRING_EQUAL(cvy_net_hash(net, NULL).hex, cvy_net_hash(plain, NULL).hex);
  cvy_net_destroy(net), cvy_net_destroy(plain);
  cvy_pool_destroy(pool);
}

/* Finds the gradients of a pass, tensor by tensor; where there is none, -77 stays. */
static void run_frozen(cvy_net *net, float *grads, watch *w) {
  const cvy_net_info *info = cvy_net_describe(net);
  float images[N * IMAGE];
  for (int i = 0; i < N * IMAGE; i++) images[i] = (float)(i * 37 % 101) / 50 - 1;
  const cvy_targets targets = {.labels = (const int32_t[N]){2, 0, 4}};
  const cvy_pass pass = {.training = true, .seed = 5, .loss_scale = 0.5f};
  for (int64_t i = 0; i < info->arena_count; i++) grads[i] = -77;
  cvy_net_init(net, 11);
  cvy_net_forward(net, images, &targets, &pass);
  const cvy_net_observer observer = {note, w};
  if (w) cvy_net_observe(net, &observer);
  cvy_net_backward(net, grads, images, &targets, &pass);
  cvy_net_observe(net, NULL);
}

static void check_frozen(const char *const *names, int64_t count, const int64_t *visited,
                         int64_t visited_count) {
  cvy_pool *pool = cvy_pool_create();
  cvy_net *net, *plain;
  float grads[2][1024];
  watch w = {0};
  CU_ASSERT_FATAL(!create_with(&net, pool, to_freeze, (cvy_net_wishes){.frozen = {names, count}}));
  CU_ASSERT_FATAL(!create_with(&plain, pool, to_freeze, (cvy_net_wishes){0}));
  const cvy_net_info *info = cvy_net_describe(net), *whole = cvy_net_describe(plain);
  CU_ASSERT_FATAL(info->arena_count <= 1024 && whole->arena_count <= 1024);
  run_frozen(net, grads[0], &w);
  check_seen(&w, visited, visited_count);
  run_frozen(plain, grads[1], NULL);
  for (int64_t i = 0; i < info->param_tensors; i++)
    for (int64_t k = 0; k < info->params[i].count; k++) {
      const float found = grads[0][info->params[i].offset + k];
      CU_ASSERT_EQUAL(found, info->params[i].frozen ? -77 : grads[1][whole->params[i].offset + k]);
    }
  cvy_net_destroy(net), cvy_net_destroy(plain);
  cvy_pool_destroy(pool);
}

static void the_others_learn_as_ever(void) {
  const char *const first[] = {"a"}, *const middle[] = {"b", "p"}, *const both[] = {"a", "b"},
                    *const last[] = {"c"};
  check_frozen(first, 1, (const int64_t[]){-9, -8, -7, -6, -5, -4, -3}, 7);
  check_frozen(middle, 2, (const int64_t[]){-9, -8, -7, -6, -5, -4, -3, -2}, 8);
  check_frozen(both, 2, (const int64_t[]){-9, -8, -7, -6, -5, -4, -3}, 7);
  check_frozen(last, 1, (const int64_t[]){-9, -8, -7, -6, -5, -4, -3, -2}, 8);
}

/* A net and a plain one of the same description and parameters. */
typedef struct pair {
  cvy_pool *pool;
  cvy_net *net, *plain;
  float grads[2][1024];
} pair;

/* Makes the nets, whose tensors from 2 to below `end` have values of their own, and checks that the first one
 * gives in training what the plain one gives in evaluation: the losses to the bit, and the gradients. Where
 * something is frozen, -77 stays. */
static void walk_both(pair *p, const char *text, cvy_net_wishes wishes, int64_t end) {
  float images[N * IMAGE];
  p->pool = cvy_pool_create();
  CU_ASSERT_FATAL(!create_with(&p->net, p->pool, text, wishes));
  CU_ASSERT_FATAL(!create_with(&p->plain, p->pool, text, (cvy_net_wishes){0}));
  const cvy_net_info *info = cvy_net_describe(p->net), *whole = cvy_net_describe(p->plain);
  const cvy_targets targets = {.labels = (const int32_t[N]){2, 0, 4}};
  const cvy_pass training = {.training = true, .loss_scale = 0.5f}, evaluation = {.loss_scale = 0.5f};
  CU_ASSERT_FATAL(info->arena_count <= 1024 && whole->arena_count <= 1024);
  for (int i = 0; i < N * IMAGE; i++) images[i] = (float)(i * 37 % 101) / 50 - 1;
  cvy_net_init(p->net, 3), cvy_net_init(p->plain, 3);
  for (int64_t i = 2; i < end; i++)
    for (int64_t c = 0; c < 4; c++) {
      const float value = 0.5f + 0.25f * (float)((i + c) % 5);
      cvy_net_params(p->net)[info->params[i].offset + c] = value;
      cvy_net_params(p->plain)[whole->params[i].offset + c] = value;
    }
  for (int64_t i = 0; i < info->arena_count; i++) p->grads[0][i] = -77;
  cvy_net_forward(p->net, images, &targets, &training);
  cvy_net_backward(p->net, p->grads[0], images, &targets, &training);
  cvy_net_forward(p->plain, images, &targets, &evaluation);
  CU_ASSERT(memcmp(cvy_net_losses(p->net), cvy_net_losses(p->plain), N * sizeof(double)) == 0);
  cvy_net_backward(p->plain, p->grads[1], images, &targets, &evaluation);
  for (int64_t i = 0; i < info->param_tensors; i++)
    for (int64_t k = 0; k < info->params[i].count; k++)
      CU_ASSERT_DOUBLE_EQUAL(p->grads[0][info->params[i].offset + k],
                             info->params[i].frozen ? -77 : p->grads[1][whole->params[i].offset + k], 1e-6);
}

static void destroy_pair(pair *p) {
  cvy_net_destroy(p->net), cvy_net_destroy(p->plain);
  cvy_pool_destroy(p->pool);
}

/* In training too a frozen batch_norm gives what evaluation gives, and the layers below it are told the
 * gradient of that. */
static void frozen_averages_are_used(void) {
  const char text[] = "input: [6, 5, 2]\nlayers:\n  - conv: {filters: 4, kernel: 3, init: xavier}\n"
                      "  - batch_norm: {name: n}\n  - scale: {name: s}\n  - fc: {outputs: 5, init: xavier}\n"
                      "  - softmax_loss\n";
  const char *const names[] = {"n", "s"};
  pair p;
  /* Of n: scale, bias, mean, variance; of s: scale, bias. */
  walk_both(&p, text, (cvy_net_wishes){.frozen = {names, 2}}, 8);
  destroy_pair(&p);
}

/* What is thawed of what was frozen at first learns as if it never had been frozen. */
static void what_is_thawed_learns(void) {
  static const char *const first[] = {"a", "n", "b", "c/bias"}, *const later[] = {"b", "c"},
                           *const rest[] = {"a", "n"};
  cvy_pool *pool = cvy_pool_create();
  cvy_net *net, *plain;
  const cvy_net_wishes wishes = {.frozen_at_first = {first, 4}, .thawed = {later, 2}};
  float grads[2][1024];
  watch w = {0};
  CU_ASSERT_FATAL(!create_with(&net, pool, to_freeze, wishes));
  CU_ASSERT_FATAL(!create_with(&plain, pool, to_freeze, (cvy_net_wishes){.frozen = {rest, 2}}));
  const cvy_net_info *info = cvy_net_describe(net), *want = cvy_net_describe(plain);
  CU_ASSERT_EQUAL(info->frozen_count, want->frozen_count);
  CU_ASSERT_EQUAL(info->learnt_count, want->learnt_count);
  CU_ASSERT(info->learnt_count < info->arena_count);
  run_frozen(net, grads[0], &w);
  check_seen(&w, (const int64_t[]){-9, -8, -7, -6}, 4);
  run_frozen(plain, grads[1], NULL);
  CU_ASSERT(memcmp(grads[0], grads[1], sizeof(float) * (size_t)info->arena_count) == 0);
  for (int64_t i = 0; i < info->param_tensors; i++) {
    const cvy_net_param *p = &info->params[i];
    CU_ASSERT_EQUAL(p->learns, want->params[i].learns);
    CU_ASSERT_EQUAL(p->thawed, p->name[0] == 'b' || strcmp(p->name, "c/bias") == 0);
    CU_ASSERT_EQUAL(p->offset, want->params[i].offset);
  }
  cvy_net_destroy(net), cvy_net_destroy(plain);
  /* Through a layer, of which all but the first is thawed. */
  CU_ASSERT_FATAL(
      !create_with(&net, pool, to_freeze,
                   (cvy_net_wishes){.frozen_through = "b", .thawed = {(const char *const[]){"[nb]"}, 1}}));
  info = cvy_net_describe(net);
  for (int64_t i = 0; i < info->param_tensors; i++)
    CU_ASSERT_EQUAL(info->params[i].thawed,
                    strchr("nb", info->params[i].name[0]) && info->params[i].spec->averaging == 0);
  CU_ASSERT_EQUAL(info->last_visited, 2);
  cvy_net_destroy(net);
  cvy_pool_destroy(pool);
}

/* With fixed statistics a batch_norm gives in training what it gives in evaluation, with the gradients of
 * that, and has none for its running averages. */
static void statistics_alone_can_be_fixed(void) {
  const char text[] = "input: [6, 5, 2]\nlayers:\n  - conv: {filters: 4, kernel: 3, init: xavier}\n"
                      "  - batch_norm: {name: n}\n  - fc: {outputs: 5, init: xavier}\n"
                      "  - softmax_loss\n";
  static const char *const all[] = {"*"}, *const none[] = {"m*"};
  pair p;
  walk_both(&p, text, (cvy_net_wishes){.fixed_statistics = {all, 1}}, 6); /* scale, bias, mean, variance */
  const cvy_net_info *info = cvy_net_describe(p.net);
  CU_ASSERT_EQUAL(info->frozen_count, 0);
  for (int64_t i = 0; i < info->param_tensors; i++) {
    CU_ASSERT_EQUAL(info->params[i].frozen, info->params[i].spec->averaging > 0);
    CU_ASSERT_EQUAL(info->params[i].offset >= info->learnt_count, info->params[i].frozen);
  }
  cvy_net *net;
  CU_ASSERT_EQUAL(create_with(&net, p.pool, text, (cvy_net_wishes){.fixed_statistics = {none, 1}}),
                  CVY_E_INPUT);
  CU_ASSERT(strstr(cvy_err_message(), "has no batch_norm 'm*' whose statistics could be frozen") != NULL);
  destroy_pair(&p);
}

/* A batch_norm that could learn nothing from one value a channel may still be used as it is. */
static void frozen_layers_need_not_be_trainable(void) {
  const char text[] =
      "input: [1, 1, 4]\nlayers:\n  - batch_norm: {name: n}\n  - fc: {outputs: 5}\n  - softmax_loss\n";
  const char *const name = "n";
  for (int frozen = 0; frozen < 2; frozen++) {
    cvy_pool *pool = cvy_pool_create();
    cvy_yaml *root;
    cvy_net *net;
    const cvy_net_wishes wishes = {.frozen = {&name, frozen}};
    CU_ASSERT_FATAL(!cvy_yaml_parse(&root, pool, text, "n.yaml"));
    CU_ASSERT_FATAL(!cvy_net_create(&net, root, 1, &wishes));
    CU_ASSERT_EQUAL(cvy_net_describe(net)->layers[0].untrainable == NULL, frozen);
    cvy_net_destroy(net);
    cvy_pool_destroy(pool);
  }
}

/* An auxiliary head takes no memory for activations in evaluation, unless its output is asked for; and then
 * its loss still does not count. */
static void outputs_of_an_auxiliary_head(void) {
  const char two[] =
      "input: [6, 5, 2]\nlayers:\n  - conv: {filters: 3, kernel: 3, init: xavier}\n  - tanh: {name: t}\n"
      "  - fc: {name: a, outputs: 500, init: xavier}\n  - fc: {name: h, outputs: 5}\n"
      "  - softmax_loss: {name: x}\n"
      "  - fc: {name: b, inputs: t, outputs: 5, init: xavier}\n  - softmax_loss\n";
  const char *const names[] = {"x"};
  cvy_pool *pool = cvy_pool_create();
  cvy_net *nets[3];
  CU_ASSERT_FATAL(!create_with(&nets[0], pool, two, (cvy_net_wishes){.purpose = CVY_NET_EVALUATION}));
  CU_ASSERT_FATAL(!create_with(&nets[1], pool, two,
                               (cvy_net_wishes){.purpose = CVY_NET_EVALUATION, .outputs = {names, 1}}));
  CU_ASSERT_FATAL(!create_with(&nets[2], pool, two, (cvy_net_wishes){0}));
  const cvy_net_info *bare = cvy_net_describe(nets[0]), *keeping = cvy_net_describe(nets[1]);
  CU_ASSERT(bare->activation_bytes < 500 * N * sizeof(float));
  CU_ASSERT(keeping->activation_bytes > 500 * N * sizeof(float));
  float images[N * IMAGE];
  for (int i = 0; i < N * IMAGE; i++) images[i] = (float)(i % 17) / 17;
  const cvy_targets targets = {.labels = (const int32_t[N]){2, 0, 4}};
  double losses[3];
  for (int i = 0; i < 3; i++) {
    cvy_net_init(nets[i], 11);
    losses[i] = total_loss(nets[i], images, &targets, &(cvy_pass){.loss_scale = 1});
  }
  CU_ASSERT(losses[0] == losses[1] && losses[1] == losses[2]);
  for (int64_t n = 0; n < N; n++) {
    double sum = 0;
    for (int64_t c = 0; c < 5; c++) sum += (double)cvy_net_output(nets[1], 4)[n * 5 + c];
    CU_ASSERT_DOUBLE_EQUAL(sum, 1, 1e-5);
  }
  for (int i = 0; i < 3; i++) cvy_net_destroy(nets[i]);
  cvy_pool_destroy(pool);
}

/* An output that is asked for is the layer's own: no pooling goes before it, nobody writes over it. */
static void outputs_are_as_described(void) {
  const char text[] = "input: [6, 5, 2]\nlayers:\n  - conv: {name: a, filters: 4, kernel: 3, init: xavier}\n"
                      "  - relu: {name: r}\n  - max_pool: {name: p, kernel: 2}\n  - dropout: {name: d}\n"
                      "  - fc: {name: b, outputs: 5, init: xavier}\n  - softmax_loss\n";
  const char *const names[] = {"a", "r", "p"};
  cvy_pool *pool = cvy_pool_create();
  cvy_net *net;
  CU_ASSERT_FATAL(
      !create_with(&net, pool, text, (cvy_net_wishes){.purpose = CVY_NET_EVALUATION, .outputs = {names, 3}}));
  float images[N * IMAGE];
  for (int i = 0; i < N * IMAGE; i++) images[i] = (float)(i * 37 % 101) / 50 - 1;
  const cvy_targets targets = {.labels = (const int32_t[N]){2, 0, 4}};
  cvy_net_init(net, 11);
  total_loss(net, images, &targets, &(cvy_pass){.loss_scale = 1});
  const float *a = cvy_net_output(net, 0), *r = cvy_net_output(net, 1), *p = cvy_net_output(net, 2);
  int64_t below = 0;
  for (int64_t i = 0; i < N * 4 * 3 * 4; i++) {
    below += a[i] < 0;
    CU_ASSERT_EQUAL(r[i], a[i] > 0 ? a[i] : 0);
  }
  CU_ASSERT(below > 0);
  const float *corner = r; /* 4 x 3 pixels of 4 channels */
  const float row = corner[0] > corner[4] ? corner[0] : corner[4];
  const float next = corner[12] > corner[16] ? corner[12] : corner[16];
  CU_ASSERT_EQUAL(p[0], row > next ? row : next);
  cvy_net_destroy(net);
  cvy_pool_destroy(pool);
}

static jmp_buf after_fatal;

static void jump(int exit_code) {
  longjmp(after_fatal, exit_code);
}

/* Neither backward nor a training pass suits a net for evaluation, and outputs must have been asked for. */
static void misuse_is_fatal(void) {
  cvy_pool *pool = cvy_pool_create();
  cvy_net *net;
  CU_ASSERT_FATAL(!create_with(&net, pool, to_freeze, (cvy_net_wishes){.purpose = CVY_NET_EVALUATION}));
  const cvy_targets targets = {.labels = (const int32_t[N]){2, 0, 4}};
  const cvy_pass training = {.training = true, .loss_scale = 1};
  float images[N * IMAGE] = {0}, grads[1024];
  cvy_set_fatal_hook(jump);
  for (volatile int i = 0; i < 4; i++) {
    if (setjmp(after_fatal)) continue;
    if (i == 0) cvy_net_backward(net, grads, images, &targets, &(cvy_pass){.loss_scale = 1});
    if (i == 1) cvy_net_forward(net, images, &targets, &training);
    if (i == 2) cvy_net_output(net, 0);
    if (i == 3) cvy_net_image_gradient(net);
    CU_FAIL("it is not fatal");
  }
  cvy_set_fatal_hook(NULL);
  cvy_net_destroy(net);
  cvy_pool_destroy(pool);
}

static void memory_is_shared(void) {
  cvy_pool *pool = cvy_pool_create();
  cvy_net *net = load(pool, "lenet", 64);
  const cvy_net_info *info = cvy_net_describe(net);
  CU_ASSERT(info->activation_bytes < info->activation_bytes_unshared);
  cvy_net_destroy(net);
  cvy_pool_destroy(pool);
}

SUITE("net", TEST(parameter_counts_are_exact), TEST(lenet5_has_its_shapes),
      TEST(every_network_has_a_known_count), TEST(scores_that_a_loss_should_not_get),
      TEST(sizes_on_the_way_are_exact), TEST(networks_are_made_from_others), TEST(wrong_variants_are_refused),
      TEST(wrong_descriptions_are_refused), TEST(wrong_heads_are_refused),
      TEST(blocks_unfold_to_named_layers), TEST(parameters_reach_their_layers),
      TEST(wrong_parameters_are_refused), TEST(wrong_blocks_are_refused), TEST(unfolding_has_an_end),
      TEST(resolving_keeps_the_meaning), TEST(live_buffers_never_overlap), TEST(gradients_of_a_whole_net),
      TEST(gradients_of_a_net_that_branches), TEST(gradients_of_a_normalised_net), TEST(pooling_goes_first),
      TEST(gradients_of_a_net_of_blocks), TEST(auxiliary_losses_count_in_training),
      TEST(observers_see_every_layer_once), TEST(walks_repeat_to_the_bit), TEST(memory_is_shared),
      TEST(unknown_names_are_refused), TEST(gradients_of_the_image), TEST(frozen_layers_are_left_alone),
      TEST(the_others_learn_as_ever), TEST(frozen_averages_are_used), TEST(what_is_thawed_learns),
      TEST(statistics_alone_can_be_fixed), TEST(frozen_layers_need_not_be_trainable),
      TEST(outputs_of_an_auxiliary_head), TEST(outputs_are_as_described), TEST(misuse_is_fatal))
