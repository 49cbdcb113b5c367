/* Tests of Keras' files (tests/reference/keras.py): what their networks become and compute, beside a forward
 * pass in numpy; what is refused; and what Convoy writes. */
#include "scratch.h"
#include "suite.h"

#include "base/options.h"
#include "base/yaml.h"
#include "file/bytes.h"
#include "file/h5.h"
#include "formats/keras_network.h"
#include "model/match.h"

#include <math.h>

enum { PICTURES = 2 };

static const char *golden(cvy_pool *pool, const char *name) {
  const char *home = getenv("CONVOY_SOURCE");
  CU_ASSERT_PTR_NOT_NULL_FATAL(home);
  return cvy_pool_format(pool, "%s/tests/reference/golden/keras/%s", home, name);
}

/* A file with its network and its weights in there. */
typedef struct model {
  cvy_pool *pool;
  cvy_weights_file *file;
  cvy_net *net;
} model;

static void load_into(model *m, const cvy_yaml *network, int64_t microbatch) {
  cvy_matching matching;
  const cvy_net_wishes wishes = {.purpose = CVY_NET_EVALUATION};
  const cvy_err err = cvy_net_create(&m->net, network, microbatch, &wishes);
  if (err) printf("\n    %s\n", cvy_err_message());
  CU_ASSERT_EQUAL_FATAL(err, CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_match(&matching, m->pool, m->file, m->net, NULL, 0, false), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_match_expect_all(&matching), CVY_OK);
  for (int64_t i = 0; i < matching.count; i++)
    CU_ASSERT_EQUAL_FATAL(cvy_match_read(cvy_net_params(m->net), &matching, i), CVY_OK);
}

static model load(const char *path, int64_t microbatch) {
  model m = {.pool = cvy_pool_create()};
  const cvy_err err = cvy_weights_open(&m.file, path);
  if (err) printf("\n    %s\n", cvy_err_message());
  CU_ASSERT_EQUAL_FATAL(err, CVY_OK);
  if (!m.file->network) printf("\n    %s\n", m.file->no_network ? m.file->no_network : "no network");
  CU_ASSERT_PTR_NOT_NULL_FATAL(m.file->network);
  load_into(&m, m.file->network, microbatch);
  return m;
}

static void unload(model *m) {
  cvy_net_destroy(m->net);
  cvy_weights_close(m->file);
  cvy_pool_destroy(m->pool);
}

/* Brings samples 0 ... 255 to what the network takes. */
static void normalise(float *x, int64_t count, const cvy_weights_file *file, int64_t channels) {
  const cvy_stored_input *input = &file->input;
  for (int64_t i = 0; i < count && input->known; i++)
    x[i] = (float)(((double)x[i] - input->mean[i % channels]) / input->deviation[i % channels]);
}

static const float *run(const model *m, float *x, int64_t n) {
  int32_t labels[256] = {0};
  const cvy_net_info *info = cvy_net_describe(m->net);
  CU_ASSERT_FATAL(n == info->input.n && n <= 256);
  normalise(x, cvy_shape_count(info->input), m->file, info->input.c);
  cvy_net_forward(m->net, x, &(cvy_targets){.labels = labels}, &(cvy_pass){.loss_scale = 1});
  return cvy_net_probabilities(m->net);
}

/* Runs the pictures of keras.py. */
static const float *run_pictures(const model *m) {
  const cvy_shape x = cvy_net_describe(m->net)->input;
  const int64_t count = cvy_shape_per_image(x);
  float *images = cvy_pool_new(m->pool, sizeof *images * (size_t)(PICTURES * count));
  for (int64_t k = 0; k < PICTURES; k++)
    for (int64_t i = 0; i < count; i++) images[k * count + i] = (float)((37 * i + 11 * k) % 256);
  return run(m, images, PICTURES);
}

static cvy_yaml *scores_of(cvy_pool *pool, const char *name) {
  cvy_yaml *root;
  CU_ASSERT_EQUAL_FATAL(cvy_yaml_load(&root, pool, golden(pool, "scores.yaml")), CVY_OK);
  cvy_yaml *scores = cvy_yaml_get(root, name);
  CU_ASSERT_PTR_NOT_NULL_FATAL(scores);
  return scores;
}

static void check_scores(const model *m, const char *name) {
  const int64_t classes = cvy_net_describe(m->net)->score_count;
  const cvy_yaml *want = scores_of(m->pool, name);
  const float *found = run_pictures(m);
  for (int64_t k = 0; k < PICTURES; k++) {
    CU_ASSERT_EQUAL_FATAL(want->items[k]->count, classes);
    for (int64_t c = 0; c < classes; c++) {
      const double wanted = strtod(want->items[k]->items[c]->text, NULL);
      const bool near = fabs((double)found[k * classes + c] - wanted) < 2e-6;
      if (!near)
        printf("\n    %s: picture %d, class %d: %.9f, not %.9f\n", name, (int)k, (int)c,
               (double)found[k * classes + c], wanted);
      CU_ASSERT(near);
    }
  }
}

static const char *const models[] = {"chain.h5", "nested.h5", "old.h5", "three.keras", "two.keras"};

static void networks_compute_what_keras_does(void) {
  for (int64_t i = 0; i < CVY_COUNT(models); i++) {
    cvy_pool *pool = cvy_pool_create();
    model m = load(golden(pool, models[i]), PICTURES);
    CU_ASSERT_STRING_EQUAL(m.file->format->name, "keras");
    CU_ASSERT(m.file->channels_last);
    check_scores(&m, models[i]);
    unload(&m);
    cvy_pool_destroy(pool);
  }
}

/* ---- what they become ---- */

static void expect_text(const cvy_yaml *node, const char *want) {
  char *text = cvy_yaml_text(node);
  CU_ASSERT_STRING_EQUAL(text, want);
  if (strcmp(text, want) != 0) printf("\n%s", text);
  free(text);
}

static void a_chain_in_convoys_words(void) {
  cvy_pool *pool = cvy_pool_create();
  model m = load(golden(pool, "chain.h5"), PICTURES);
  expect_text(m.file->network, "name: chain\n"
                               "input: [21, 22, 3]\n"
                               "layers:\n"
                               "- conv:\n"
                               "    name: conv\n"
                               "    filters: 6\n"
                               "    kernel: 3\n"
                               "    stride: 2\n"
                               "    padding: same\n"
                               "- batch_norm:\n"
                               "    name: norm\n"
                               "    epsilon: 0.001\n"
                               "    momentum: 0.01\n"
                               "    scale: false\n"
                               "- leaky_relu:\n"
                               "    name: leaky\n"
                               "    slope: 0.3\n"
                               "- max_pool:\n"
                               "    name: pool\n"
                               "    kernel: 2\n"
                               "    padding: same\n"
                               "- conv:\n"
                               "    name: depthwise\n"
                               "    filters: 12\n"
                               "    kernel: 3\n"
                               "    stride: 2\n"
                               "    padding: same\n"
                               "    groups: 6\n"
                               "- relu:\n"
                               "    name: depthwise.relu\n"
                               "- average_pool:\n"
                               "    name: average\n"
                               "    kernel: 3\n"
                               "    stride: 2\n"
                               "    padding: same\n"
                               "    count_padding: false\n"
                               "- conv:\n"
                               "    name: grouped\n"
                               "    filters: 8\n"
                               "    kernel: 1\n"
                               "    groups: 4\n"
                               "    bias: false\n"
                               "- elu:\n"
                               "    name: grouped.elu\n"
                               "    alpha: 1\n"
                               "- dropout:\n"
                               "    name: dropout\n"
                               "    rate: 0.25\n"
                               "- fc:\n"
                               "    name: hidden\n"
                               "    outputs: 7\n"
                               "- tanh:\n"
                               "    name: hidden.tanh\n"
                               "- fc:\n"
                               "    name: scores\n"
                               "    outputs: 4\n"
                               "- softmax_loss:\n"
                               "    name: scores.softmax\n");
  expect_text(m.file->recipe, "solver:\n"
                              "  sgd:\n"
                              "    momentum: 0.9\n"
                              "    nesterov: true\n"
                              "    weight_decay: 0.001\n"
                              "learning_rate:\n"
                              "  constant:\n"
                              "    rate: 0.01\n");
  CU_ASSERT(m.file->input.known && !m.file->input.bgr);
  for (int c = 0; c < 3; c++) {
    CU_ASSERT_DOUBLE_EQUAL(m.file->input.mean[c], 127.5, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(m.file->input.deviation[c], 127.5, 1e-9);
  }
  CU_ASSERT_STRING_EQUAL(m.file->notes[1].key, "left out");
  CU_ASSERT_STRING_EQUAL(m.file->notes[1].text,
                         "layer 'random_flip' (RandomFlip), which works while training alone");
  unload(&m);
  cvy_pool_destroy(pool);
}

static void a_model_in_a_model(void) {
  cvy_pool *pool = cvy_pool_create();
  model m = load(golden(pool, "nested.h5"), PICTURES);
  expect_text(m.file->network, "name: nested model\n"
                               "input: [12, 12, 3]\n"
                               "layers:\n"
                               "- conv:\n"
                               "    name: conv1\n"
                               "    filters: 4\n"
                               "    kernel: 3\n"
                               "    padding: 1\n"
                               "- batch_norm:\n"
                               "    name: bn1\n"
                               "    epsilon: 0.001\n"
                               "    momentum: 0.01\n"
                               "- relu:\n"
                               "    name: relu\n"
                               "- max_pool:\n"
                               "    name: pool1\n"
                               "    kernel: 3\n"
                               "    stride: 2\n"
                               "    padding: 1\n"
                               "- conv:\n"
                               "    name: a\n"
                               "    filters: 4\n"
                               "    kernel: 1\n"
                               "- conv:\n"
                               "    name: b\n"
                               "    filters: 4\n"
                               "    kernel: 3\n"
                               "    padding: same\n"
                               "- add:\n"
                               "    name: add\n"
                               "    inputs: [b, pool1]\n"
                               "- relu:\n"
                               "    name: relu_2\n"
                               "- average_pool:\n"
                               "    name: mean\n"
                               "    kernel: global\n"
                               "- max_pool:\n"
                               "    name: most\n"
                               "    inputs: [relu_2]\n"
                               "    kernel: global\n"
                               "- concat:\n"
                               "    name: both\n"
                               "    inputs: [mean, most]\n"
                               "- batch_norm:\n"
                               "    name: bn\n"
                               "    epsilon: 0.001\n"
                               "    momentum: 0.01\n"
                               "- fc:\n"
                               "    name: score\n"
                               "    outputs: 1\n"
                               "    bias: false\n"
                               "- sigmoid_loss:\n"
                               "    name: score.sigmoid\n");
  CU_ASSERT_PTR_NULL(m.file->recipe);
  CU_ASSERT_DOUBLE_EQUAL(m.file->input.mean[2], 103.53, 1e-9);
  CU_ASSERT_DOUBLE_EQUAL(m.file->input.deviation[0], sqrt(3409.976), 1e-9);
  unload(&m);
  cvy_pool_destroy(pool);
}

/* ---- layer by layer ---- */

/* Returns a text of JSON, in which ' stands for ". */
static const char *in_json(cvy_pool *pool, const char *config) {
  char *text = cvy_pool_format(pool, "%s", config);
  for (char *c = text; *c; c++)
    if (*c == '\'') *c = '"';
  return text;
}

/* Writes a file with a configuration alone. */
static const char *with_config(cvy_pool *pool, const char *config) {
  const char *path = cvy_pool_format(pool, "%s/config.h5", scratch_folder()), *text = in_json(pool, config);
  cvy_h5 *h5;
  CU_ASSERT_EQUAL_FATAL(cvy_h5_create(&h5, path), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_h5_write_attr_text(h5, "", "model_config", text), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_h5_close(h5), CVY_OK);
  return path;
}

static const char *chain_of(cvy_pool *pool, const char *layers) {
  return with_config(
      pool, cvy_pool_format(pool,
                            "{'class_name': 'Sequential', 'config': {'name': 'c', 'layers': [{'class_name': "
                            "'InputLayer', 'config': {'name': 'in', 'batch_shape': [null, 9, 8, 3]}}, %s]}}",
                            layers));
}

#define LAYER(class, options) "{'class_name': '" class "', 'config': {'name': 'x', " options "}}"
#define MEAN                  ", " LAYER("GlobalAveragePooling2D", "'a': 0")
#define END                   MEAN ", " LAYER("Softmax", "'axis': -1")
#define AROUND(sides)         "'config': {'name': 'z', 'padding': " sides "}}, "
#define ZEROS(sides)          "{'class_name': 'ZeroPadding2D', " AROUND(sides)
#define RELU                  "{'class_name': 'ReLU', 'config': {'name': 'r'}}, "

/* These become layers without weights. */
static void layers_in_convoys_words(void) {
  static const char *const cases[][2] = {
      {LAYER("MaxPool2D", "'pool_size': [2, 2]") END, "- max_pool:\n    name: x\n    kernel: 2\n- "},
      {LAYER("MaxPooling2D", "'pool_size': 3, 'strides': [1, 2]") END,
       "    kernel: 3\n    stride: [1, 2]\n- "},
      {LAYER("MaxPooling2D", "'pool_size': [3, 2], 'padding': 'same'") END,
       "    kernel: [3, 2]\n- "}, /* the map is cut without a rest */
      {LAYER("MaxPooling2D", "'pool_size': [2, 2], 'padding': 'same'") END,
       "    kernel: 2\n    padding: same\n- "},
      {RELU ZEROS("[[1, 1], [1, 1]]") LAYER("MaxPooling2D", "'pool_size': [3, 3], 'strides': [2, 2]") END,
       "    kernel: 3\n    stride: 2\n    padding: 1\n- "},
      {RELU ZEROS("[[1, 1], [0, 1]]") LAYER("MaxPooling2D", "'pool_size': [3, 3], 'strides': [2, 2]") END,
       "    kernel: 3\n    stride: 2\n    padding: same\n- "},
      {ZEROS("2") LAYER("AveragePooling2D", "'pool_size': [4, 4], 'strides': [4, 4]") END,
       "- average_pool:\n    name: x\n    kernel: 4\n    padding: 2\n- "},
      {LAYER("Activation", "'activation': 'elu'") END, "- elu:\n    name: x\n    alpha: 1\n"},
      {LAYER("Activation", "'activation': 'leaky_relu'") END, "- leaky_relu:\n    name: x\n    slope: 0.2\n"},
      {LAYER("Activation", "'activation': 'linear'") END, "layers:\n- average_pool:\n    name: x\n"},
      {LAYER("ReLU", "'a': 0") ", {'class_name': 'Sequential', 'config': {'name': 'a/b', 'layers': [" LAYER(
           "ELU", "'a': 0") "]}}" END,
       "- elu:\n    name: a.b-x\n"},
      {LAYER("ReLU", "'negative_slope': 0.125") END, "- leaky_relu:\n    name: x\n    slope: 0.125\n"},
      {LAYER("LeakyReLU", "'alpha': {'type': 'ndarray', 'value': 0.125}") END, "    slope: 0.125\n"},
      {LAYER("ELU", "'alpha': 0.5") END, "- elu:\n    name: x\n    alpha: 0.5\n"},
      {LAYER("Dropout", "'rate': 0.5") END, "- dropout:\n    name: x\n    rate: 0.5\n"},
      {LAYER("GaussianNoise", "'stddev': 1") END, "layers:\n- average_pool:\n    name: x\n"},
      {LAYER("Activation", "'activation': 'softmax'") END,
       "- softmax:\n    name: x\n- average_pool:\n    name: x_2\n    kernel: global\n"
       "- softmax_loss:\n    name: x_3"},
      {LAYER("Flatten", "'a': 0") ", " LAYER("Activation", "'activation': 'softmax'"),
       "- flatten:\n    name: x\n- softmax_loss:\n    name: x_2\n"},
      {LAYER("Reshape", "'target_shape': [-1]") ", " LAYER("Softmax", "'axis': 1"), "- flatten:\n"},
      {LAYER("Reshape", "'target_shape': [9, 8, 3]") END, "layers:\n- average_pool:\n"},
      {LAYER("GlobalMaxPooling2D", "'a': 0"),
       "- max_pool:\n    name: x\n    kernel: global\n- softmax_loss:\n"},
      {LAYER("GlobalAveragePooling2D", "'a': 0"),
       "- average_pool:\n    name: x\n    kernel: global\n- softmax_loss:\n    name: loss\n"},
      {LAYER("Activation", "'activation': {'class_name': 'LeakyReLU', 'config': {'negative_slope': 0.5}}")
           END,
       "- leaky_relu:\n    name: x\n    slope: 0.5\n"}};
  cvy_pool *pool = cvy_pool_create();
  for (int64_t i = 0; i < CVY_COUNT(cases); i++) {
    cvy_weights_file *file;
    cvy_net *net;
    CU_ASSERT_EQUAL_FATAL(cvy_weights_open(&file, chain_of(pool, cases[i][0])), CVY_OK);
    if (!file->network) printf("\n    %s\n", file->no_network);
    CU_ASSERT_PTR_NOT_NULL_FATAL(file->network);
    char *text = cvy_yaml_text(file->network);
    if (!strstr(text, cases[i][1])) printf("\n%s    has no\n%s\n", text, cases[i][1]);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, cases[i][1]));
    CU_ASSERT_EQUAL(cvy_net_create(&net, file->network, 1, NULL), CVY_OK);
    cvy_net_destroy(net);
    free(text);
    cvy_weights_close(file);
  }
  cvy_pool_destroy(pool);
}

static void layers_that_convoy_has_no_words_for(void) {
  static const char *const cases[][2] = {
      {LAYER("LSTM", "'units': 3"), "layer 'x' (LSTM): Convoy has no layer that is the same"},
      {LAYER("Conv2D", "'filters': 2, 'kernel_size': 3, 'data_format': 'channels_first'"),
       "layer 'x' (Conv2D): data_format is channels_first; only channels_last is read"},
      {LAYER("Convolution2D", "'nb_filter': 2, 'nb_row': 3, 'nb_col': 3, 'dim_ordering': 'th'"),
       "(Convolution2D): data_format is channels_first"},
      {LAYER("Conv2D", "'filters': 2, 'kernel_size': 3, 'dilation_rate': [2, 2]"), "dilation_rate is not 1"},
      {LAYER("Conv2D", "'filters': 2, 'kernel_size': 3, 'padding': 'causal'"), "its padding is 'causal'"},
      {LAYER("Conv2D", "'filters': 2, 'kernel_size': [3]"), "kernel_size should be two whole numbers"},
      {LAYER("Conv2D", "'filters': 2, 'kernel_size': 70000"), "from 1 to 65535"},
      {LAYER("Conv2D", "'filters': 0, 'kernel_size': 3"), "filters should be a whole number"},
      {LAYER("Conv2D", "'filters': 4, 'kernel_size': 3, 'groups': 2"), "cannot be cut into 2 groups"},
      {LAYER("Conv2D", "'filters': 4, 'kernel_size': 10"), "10x10 does not fit into a map of 9x8"},
      {LAYER("Conv2D", "'filters': 4, 'kernel_size': 3, 'activation': 'swish'"), "no activation 'swish'"},
      {ZEROS("[[0, 2], [0, 0]]") LAYER("Conv2D", "'filters': 4, 'kernel_size': 3"),
       "zeros of 'z', of which there are others on one side than on the other: 0 above, 2 below, 0 left, 0 "
       "right"},
      {ZEROS("1") LAYER("Conv2D", "'filters': 4, 'kernel_size': 3, 'padding': 'same'"),
       "it reads the zeros of 'z'"},
      {ZEROS("1") LAYER("Activation", "'activation': 'relu'"), "it reads the zeros of 'z'"},
      {ZEROS("[1, 1, 1]") LAYER("Activation", "'activation': 'relu'"), "whole numbers up to 65535"},
      {ZEROS("[[1, 1, 1], 1]") LAYER("Activation", "'activation': 'relu'"), "whole numbers up to 65535"},
      {ZEROS("[0, 2, 0, 1]") LAYER("Conv2D", "'filters': 4, 'kernel_size': 3"),
       "0 above, 2 below, 0 left, 1 right"},
      {ZEROS("-1") LAYER("Activation", "'activation': 'relu'"), "whole numbers up to 65535"},
      {ZEROS("1") LAYER("MaxPooling2D", "'pool_size': 2"), "only behind a relu"},
      {ZEROS("[[0, 1], [0, 0]]") LAYER("AveragePooling2D", "'pool_size': 2"), "not the same on both sides"},
      {LAYER("Dense", "'units': 3"), "it reads a map of 9x8, each pixel by itself"},
      {LAYER("BatchNormalization", "'axis': [1]"), "its axis is not that of the channels"},
      {LAYER("Softmax", "'axis': 1"), "its axis is not that of the channels"},
      {LAYER("BatchNormalization", "'renorm': true"), "it renormalises"},
      {LAYER("BatchNormalization", "'mode': 1"), "its mode is not 0"},
      {LAYER("BatchNormalization", "'epsilon': '1e-5'"), "epsilon should be a number"},
      {LAYER("ReLU", "'max_value': 6"), "it cuts at max_value 6"},
      {LAYER("ReLU", "'threshold': 1"), "its threshold is not 0"},
      {LAYER("Activation", "'activation': 'gelu'"), "no activation 'gelu'"},
      {LAYER("PReLU", "'shared_axes': null"), "(PReLU): Convoy has no layer"},
      {LAYER("Reshape", "'target_shape': [8, 9, 3]"), "only a reshape that flattens is read"},
      {LAYER("Add", "'a': 0"), "two inputs or more"},
      {LAYER("Dropout", "'rate': 1.5"), "rate should be from 0 to 0.999"},
      {LAYER("Dropout", "'rate': 0.5, 'noise_shape': [1]"), "noise_shape"},
      {RELU LAYER("Rescaling", "'scale': 0.5"), "only the image itself can be preprocessed"},
      {LAYER("Rescaling", "'scale': 0"), "its scale should be more than 0"},
      {LAYER("Normalization", "'mean': [1, 2], 'variance': 1"), "mean should be a number, or one for each"},
      {LAYER("Flatten", "'a': 0") ", " LAYER("MaxPooling2D", "'pool_size': 2"),
       "a row of numbers, not a map"},
      {LAYER("MaxPooling2D", "'pool_size': 2"), "the model gives a map of 4x4x3, not one row of scores"},
      {LAYER("Flatten", "'a': 0") ", " LAYER("Activation", "'activation': 'tanh'"),
       "ends in 'tanh', not in scores of classes"},
      {"{'class_name': 'Sequential', 'config': {'layers': []}}", "a model in it has no layers"},
      {"{'config': {}}", "a layer has no class_name"}};
  cvy_pool *pool = cvy_pool_create();
  for (int64_t i = 0; i < CVY_COUNT(cases); i++) {
    cvy_weights_file *file;
    CU_ASSERT_EQUAL_FATAL(cvy_weights_open(&file, chain_of(pool, cases[i][0])), CVY_OK);
    CU_ASSERT_PTR_NULL(file->network);
    const char *why = file->no_network ? file->no_network : "";
    const bool says_so = strstr(why, "config.h5: ") && strstr(why, cases[i][1]);
    if (!says_so) printf("\n    '%s' has no '%s'\n", why, cases[i][1]);
    CU_ASSERT(says_so);
    cvy_weights_close(file);
  }
  cvy_pool_destroy(pool);
}

#define IMAGE                                                                                                \
  "{'class_name': 'InputLayer', 'name': 'i', 'config': {'batch_shape': [null, 4, 4, 1]}, 'inbound_nodes': "  \
  "[]}, "
#define GRAPH(layers, ends) "{'class_name': 'Functional', 'config': {'layers': [" IMAGE layers "], " ends "}}"
#define NODE(name, class, node)                                                                              \
  "{'class_name': '" class "', 'name': '" name                                                               \
                           "', 'config': {'activation': 'relu'}, 'inbound_nodes': [" node "]}"
#define ENDS(last) "'input_layers': [['i', 0, 0]], 'output_layers': [['" last "', 0, 0]]"

static void wrong_graphs(void) {
  static const char *const cases[][2] = {
      {GRAPH(NODE("a", "Activation", "[['b', 0, 0, {}]]") ", " NODE("b", "Activation", "[['a', 0, 0, {}]]"),
             ENDS("b")),
       "waits for itself"},
      {GRAPH(NODE("a", "Activation", "[['c', 0, 0, {}]]"), ENDS("a")), "no layer is named 'c'"},
      {GRAPH(NODE("a", "Activation", "[['i', 0, 1, {}]]"), ENDS("a")), "a layer has several outputs"},
      {GRAPH(NODE("a", "Activation", "[['i', 0, 0, {}]]"), ENDS("c")), "no layer is named 'c'"},
      {GRAPH(NODE("a", "Activation", "[['i', 0, 0, {}]]"), "'input_layers': [['i', 0, 0]]"), "one output"},
      {GRAPH(NODE("a", "Activation", "[['i', 0, 0, {}]]"),
             "'input_layers': [['i', 0, 0], ['a', 0, 0]], 'output_layers': ['a', 0, 0]"),
       "more than one input"},
      {"{'class_name': 'MyModel', 'config': {}}", "a model of class 'MyModel'"},
      {"{'class_name': 'Sequential', 'config': [" LAYER("Flatten", "'a': 0") "]}",
       "does not say how large the model's input is"},
      {"{'class_name': 'Sequential', 'config': [" LAYER("Flatten",
                                                        "'batch_shape': [null, null, null, 3]") "]}",
       "the model's input has no size of its own"},
      {"{'class_name': 'Sequential', 'config': [" LAYER("Flatten", "'batch_shape': [null, 3, 4]") "]}",
       "should be images"}};
  cvy_pool *pool = cvy_pool_create();
  cvy_weights_file *file;
  for (int64_t i = 0; i < CVY_COUNT(cases); i++) {
    CU_ASSERT_EQUAL_FATAL(cvy_weights_open(&file, with_config(pool, cases[i][0])), CVY_OK);
    CU_ASSERT_PTR_NULL(file->network);
    const bool says_so = file->no_network && strstr(file->no_network, cases[i][1]);
    if (!says_so) printf("\n    '%s' has no '%s'\n", file->no_network, cases[i][1]);
    CU_ASSERT(says_so);
    cvy_weights_close(file);
  }
  CU_ASSERT_EQUAL(cvy_weights_open(&file, with_config(pool, "{'class_name': ")), CVY_E_INPUT);
  CU_ASSERT(says("config.h5: its model_config is no JSON: byte "));
  CU_ASSERT_EQUAL(
      cvy_weights_open(&file, chain_of(pool, LAYER("Flatten", "'a': 0") ", " LAYER("Dense", "'units': 3"))),
      CVY_E_INPUT);
  CU_ASSERT(says("config.h5: layer 'x' has no kernel"));
  cvy_pool_destroy(pool);
}

/* A recipe is made where Convoy's rule is the same, and only there. */
static void trainings(void) {
  static const struct {
    const char *regularizer, *option;
    bool known;
  } cases[] = {{"null", "'momentum': 0.9", true},
               {"{'config': {'l2': 0.5}}", "'gradient_accumulation_steps': null", true},
               {"{'config': {'factor': 0.5}}", "'momentum': 0.9", false},
               {"{'config': {'l1': 0.5}}", "'momentum': 0.9", false},
               {"null", "'gradient_accumulation_steps': 4", false},
               {"null", "'clipnorm': 1", false}};
  cvy_pool *pool = cvy_pool_create();
  for (int64_t i = 0; i < CVY_COUNT(cases); i++) {
    cvy_weights_file *file;
    CU_ASSERT_EQUAL_FATAL(cvy_weights_open(&file, golden(pool, "chain.h5")), CVY_OK);
    const char *layer = cvy_pool_format(pool, "{'config': [{'config': {'kernel_regularizer': %s}}]}",
                                        cases[i].regularizer);
    const char *sgd = cvy_pool_format(
        pool, "{'optimizer': {'class_name': 'SGD', 'config': {'learning_rate': 0.1, %s}}}", cases[i].option);
    json_t *network = json_loads(in_json(pool, layer), 0, NULL);
    json_t *training = json_loads(in_json(pool, sgd), 0, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(network);
    CU_ASSERT_PTR_NOT_NULL_FATAL(training);
    CU_ASSERT_EQUAL(cvy_keras_read_training(file, training, network) != NULL, cases[i].known);
    json_decref(network);
    json_decref(training);
    cvy_weights_close(file);
  }
  cvy_pool_destroy(pool);
}

/* A row of numbers that a model makes an image of, is one. */
static void an_image_as_a_row(void) {
  cvy_pool *pool = cvy_pool_create();
  cvy_weights_file *file;
  CU_ASSERT_EQUAL_FATAL(
      cvy_weights_open(
          &file,
          with_config(pool, "{'class_name': 'Sequential', 'config': [" LAYER(
                                "Reshape", "'batch_input_shape': [null, 784], "
                                           "'target_shape': [28, 28, 1]") ", " LAYER("GlobalAveragePooling2D",
                                                                                     "'a': 0") "]}")),
      CVY_OK);
  CU_ASSERT_PTR_NOT_NULL_FATAL(file->network);
  expect_text(file->network, "name: keras\ninput: [28, 28, 1]\nlayers:\n- average_pool:\n    name: x\n"
                             "    kernel: global\n- sigmoid_loss:\n    name: loss\n");
  cvy_weights_close(file);
  cvy_pool_destroy(pool);
}

/* ---- what is not in the file ---- */

static void weights_that_are_not_there(void) {
  static const char *const cases[][2] = {
      {"external.h5", "'a/kernel' lies in another file"},
      {"loop.h5", "'a/soft' is links that lead to links without end"},
      {"huge.h5", "tensor 'huge' has 1099511627776 numbers, more than the file can hold"},
      {"absent.h5", "weight 'kernel' of layer 'a' is missing"}};
  cvy_pool *pool = cvy_pool_create();
  cvy_weights_file *file;
  for (int64_t i = 0; i < CVY_COUNT(cases); i++) {
    CU_ASSERT_EQUAL(cvy_weights_open(&file, golden(pool, cases[i][0])), CVY_E_INPUT);
    const bool says_so = says(cases[i][0]) && says(cases[i][1]);
    if (!says_so) printf("\n    '%s'\n", cvy_err_message());
    CU_ASSERT(says_so);
  }
  CU_ASSERT_EQUAL_FATAL(cvy_weights_open(&file, golden(pool, "whole.h5")), CVY_OK);
  CU_ASSERT_EQUAL(file->tensor_count, 0); /* whole numbers are no weights */
  cvy_weights_close(file);
  cvy_pool_destroy(pool);
}

/* HDF5 would look for the texts of this file without end. */
static void a_heap_without_end(void) {
  enum { FIRST = 16, OBJECT = 16 };
  cvy_pool *pool = cvy_pool_create();
  cvy_weights_file *file;
  size_t count, at = 0;
  const char *path = cvy_pool_format(pool, "%s/endless.h5", scratch_folder());
  char *bytes = scratch_read(golden(pool, "chain.h5"), &count);
  while (at < count && memcmp(bytes + at, "GCOL", 4) != 0) at += 8;
  CU_ASSERT_FATAL(at < count);
  memset(bytes + at + FIRST, 0, OBJECT);
  scratch_write(path, bytes, count);
  CU_ASSERT_EQUAL(cvy_weights_open(&file, path), CVY_E_INPUT);
  CU_ASSERT(says("endless.h5: the heap of its texts at byte "));
  free(bytes);
  cvy_pool_destroy(pool);
}

/* ---- what Convoy writes ---- */

static void check_same_weights(const cvy_net *a, cvy_net *b) {
  const cvy_net_info *of = cvy_net_describe(a), *with = cvy_net_describe(b);
  CU_ASSERT_EQUAL_FATAL(of->param_tensors, with->param_tensors);
  for (int64_t i = 0; i < of->param_tensors; i++)
    CU_ASSERT_STRING_EQUAL(of->params[i].name, with->params[i].name);
  CU_ASSERT_STRING_EQUAL(cvy_net_hash(a, NULL).hex, cvy_net_hash(b, NULL).hex);
}

/* Returns what Python makes of the file: scores of PICTURES pictures. */
static void check_in_python(const model *m, const char *path) {
  const int64_t count = PICTURES * cvy_net_describe(m->net)->score_count;
  const char *home = getenv("CONVOY_SOURCE");
  const float *found = run_pictures(m);
  FILE *out = popen(
      cvy_pool_format(m->pool, "/usr/bin/python3 %s/tests/reference/keras.py scores %s", home, path), "r");
  for (int64_t i = 0; i < count; i++) {
    double score = NAN;
    CU_ASSERT_EQUAL(fscanf(out, "%lf", &score), 1);
    CU_ASSERT(fabs(score - (double)found[i]) < 2e-6);
  }
  CU_ASSERT_EQUAL(pclose(out), 0);
}

static void files_of_ours_come_back(void) {
  static const char *const classes[] = {"cat", "d\"og", "\303\244"};
  const bool has_python = scratch_python_has("h5py", "what Convoy writes, in numpy");
  for (int64_t i = 0; i < CVY_COUNT(models); i++) {
    cvy_pool *pool = cvy_pool_create();
    model m = load(golden(pool, models[i]), PICTURES);
    cvy_yaml *flat;
    CU_ASSERT_EQUAL_FATAL(cvy_net_resolve(&flat, pool, m.file->network), CVY_OK);
    const char *path = cvy_pool_format(pool, "%s/ours.h5", scratch_folder());
    const cvy_weights_out out = {.net = m.net,
                                 .arena = cvy_net_params(m.net),
                                 .network = flat,
                                 .input = m.file->input,
                                 .class_count = CVY_COUNT(classes),
                                 .class_names = classes};
    const cvy_err err = m.file->format->write(path, &out);
    if (err) printf("\n    %s\n", cvy_err_message());
    CU_ASSERT_EQUAL_FATAL(err, CVY_OK);
    model back = load(path, PICTURES);
    check_same_weights(m.net, back.net);
    check_scores(&back, models[i]);
    CU_ASSERT_EQUAL_FATAL(back.file->class_count, CVY_COUNT(classes));
    for (int64_t c = 0; c < CVY_COUNT(classes); c++)
      CU_ASSERT_STRING_EQUAL(back.file->class_names[c], classes[c]);
    for (int c = 0; c < CVY_MAX_CHANNELS && m.file->input.known; c++) {
      CU_ASSERT_EQUAL(back.file->input.mean[c], m.file->input.mean[c]);
      CU_ASSERT_EQUAL(back.file->input.deviation[c], m.file->input.deviation[c]);
    }
    if (has_python) check_in_python(&back, path);
    unload(&back);
    unload(&m);
    cvy_pool_destroy(pool);
  }
}

static const cvy_weights_format *keras(void) {
  int64_t i = 0;
  while (strcmp(cvy_weights_format_at(i)->name, "keras") != 0) i++;
  return cvy_weights_format_at(i);
}

/* Makes a network with its first weights. */
static cvy_net *network_of(cvy_yaml **flat, cvy_pool *pool, const char *text) {
  cvy_yaml *root;
  cvy_net *net;
  CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&root, pool, text, "test"), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_net_resolve(flat, pool, root), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(
      cvy_net_create(&net, *flat, PICTURES, &(cvy_net_wishes){.purpose = CVY_NET_EVALUATION}), CVY_OK);
  cvy_net_init(net, 1);
  return net;
}

static void networks_of_ours_come_back(void) {
  static const char *const networks[] = {
      "name: padded\ninput: [13, 12, 3]\nlayers:\n"
      "- conv: {name: a, filters: 6, kernel: 3, stride: 2, padding: 1}\n"
      "- relu: {name: r}\n- max_pool: {name: p, kernel: 3, stride: 2, padding: 1}\n"
      "- conv: {name: d, filters: 6, kernel: 3, groups: 6, padding: 1}\n"
      "- batch_norm: {name: n, scale: false}\n"
      "- sigmoid: {name: s}\n- average_pool: {name: q, kernel: 2, padding: 1}\n- fc: {name: f, outputs: 3}\n"
      "- softmax_loss\n",
      "name: branches\ninput: [8, 8, 1]\nlayers:\n"
      "- conv: {name: a, filters: 2, kernel: [3, 1], bias: false}\n"
      "- leaky_relu: {name: l, slope: 0.1}\n- tanh: {name: t, inputs: [a]}\n"
      "- concat: {name: c, inputs: [l, t]}\n"
      "- elu: {name: e}\n- softmax: {name: m}\n- add: {name: s, inputs: [m, c]}\n- dropout: {rate: 0.3}\n"
      "- average_pool: {kernel: global}\n- fc: {outputs: 1, bias: false}\n- sigmoid_loss\n"};
  const bool has_python = scratch_python_has("h5py", "what Convoy writes, in numpy");
  for (int64_t i = 0; i < CVY_COUNT(networks); i++) {
    cvy_pool *pool = cvy_pool_create();
    cvy_yaml *flat;
    cvy_net *net = network_of(&flat, pool, networks[i]);
    const char *path = cvy_pool_format(pool, "%s/ours.h5", scratch_folder());
    const cvy_weights_out out = {
        .net = net,
        .arena = cvy_net_params(net),
        .network = flat,
        .input = {.known = true, .bgr = i == 1, .mean = {100, 110, 120}, .deviation = {50, 60.5, 70}}};
    const cvy_err err = keras()->write(path, &out);
    if (err) printf("\n    %s\n", cvy_err_message());
    CU_ASSERT_EQUAL_FATAL(err, CVY_OK);
    model back = load(path, PICTURES);
    check_same_weights(net, back.net);
    CU_ASSERT_EQUAL(back.file->input.bgr, i == 1);
    CU_ASSERT_EQUAL(back.file->input.deviation[0], 50);
    if (has_python && i == 0) check_in_python(&back, path);
    unload(&back);
    cvy_net_destroy(net);
    cvy_pool_destroy(pool);
  }
}

/* Keras fills a model's layers in an order of its own. A real file shows that it is the one that Convoy
 * writes. */
static void layers_in_keras_order(void) {
  const char *data = test_data("the order of layers in a ResNet of Keras");
  if (!data) return;
  cvy_pool *pool = cvy_pool_create();
  const char *real = cvy_pool_format(pool, "%s/weights/pretrainedResnet.h5", data);
  const char *path = cvy_pool_format(pool, "%s/ours.h5", scratch_folder());
  model m = load(real, 1);
  cvy_yaml *flat;
  CU_ASSERT_EQUAL_FATAL(cvy_net_resolve(&flat, pool, m.file->network), CVY_OK);
  const cvy_weights_out out = {.net = m.net, .arena = cvy_net_params(m.net), .network = flat};
  CU_ASSERT_EQUAL_FATAL(m.file->format->write(path, &out), CVY_OK);
  cvy_weights_file *file;
  CU_ASSERT_EQUAL_FATAL(cvy_weights_open(&file, path), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(file->tensor_count, m.file->tensor_count);
  for (int64_t i = 0; i < file->tensor_count; i++)
    CU_ASSERT_STRING_EQUAL(file->tensors[i].name, m.file->tensors[i].name);
  cvy_weights_close(file);
  unload(&m);
  cvy_pool_destroy(pool);
}

/* A configuration of more than 64 KiB is an attribute as well. */
static void many_layers_come_back(void) {
  enum { LAYERS = 200 };
  cvy_pool *pool = cvy_pool_create();
  cvy_text_stream text;
  cvy_yaml *flat;
  cvy_text_stream_begin(&text);
  fprintf(text.out, "name: deep\ninput: [2, 2, 1]\nlayers:\n");
  for (int i = 0; i < LAYERS; i++)
    fprintf(text.out, "- conv: {filters: 1, kernel: 1, bias: false}\n- relu\n");
  fprintf(text.out, "- fc: {outputs: 2}\n- softmax_loss\n");
  char *description = cvy_text_stream_end(&text, NULL);
  cvy_net *net = network_of(&flat, pool, description);
  for (int64_t i = 0; i < cvy_net_describe(net)->arena_count; i++) cvy_net_params(net)[i] = 1;
  const char *path = cvy_pool_format(pool, "%s/deep.h5", scratch_folder());
  const cvy_weights_out out = {.net = net, .arena = cvy_net_params(net), .network = flat};
  CU_ASSERT_EQUAL_FATAL(keras()->write(path, &out), CVY_OK);
  model back = load(path, PICTURES);
  check_same_weights(net, back.net);
  if (scratch_python_has("h5py", "a long configuration in h5py")) check_in_python(&back, path);
  unload(&back);
  cvy_net_destroy(net);
  free(description);
  cvy_pool_destroy(pool);
}

static void what_keras_has_no_words_for(void) {
  static const char *const cases[][2] = {
      {"- lrn\n- fc: {outputs: 2}\n- softmax_loss\n", "layer 'norm1' (lrn): Keras has no layer"},
      {"- scale\n- fc: {outputs: 2}\n- softmax_loss\n", "layer 'scale1' (scale): Keras has no layer"},
      {"- max_pool: {kernel: 3, stride: 2, padding: 1}\n- fc: {outputs: 2}\n- softmax_loss\n",
       "layer 'pool1' (max_pool): Keras has no such padding of a map that may hold numbers below 0"}};
  cvy_pool *pool = cvy_pool_create();
  for (int64_t i = 0; i < CVY_COUNT(cases); i++) {
    cvy_yaml *flat;
    cvy_net *net = network_of(&flat, pool,
                              cvy_pool_format(pool, "name: n\ninput: [8, 8, 3]\nlayers:\n%s", cases[i][0]));
    const char *path = cvy_pool_format(pool, "%s/none.h5", scratch_folder());
    const cvy_weights_out out = {.net = net, .arena = cvy_net_params(net), .network = flat};
    CU_ASSERT_EQUAL(keras()->write(path, &out), CVY_E_INPUT);
    CU_ASSERT(says("none.h5: ") && says(cases[i][1]));
    CU_ASSERT(!scratch_exists(path));
    cvy_net_destroy(net);
  }
  cvy_pool_destroy(pool);
}

/* ---- real ones ---- */

typedef struct digits {
  cvy_bytes images, labels;
} digits;

static digits read_digits(cvy_pool *pool, const char *data) {
  digits d = {0};
  CU_ASSERT_EQUAL_FATAL(
      cvy_bytes_read(&d.images, cvy_pool_format(pool, "%s/mnist/t10k-images-idx3-ubyte.gz", data)), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(
      cvy_bytes_read(&d.labels, cvy_pool_format(pool, "%s/mnist/t10k-labels-idx1-ubyte.gz", data)), CVY_OK);
  return d;
}

/* Counts the hits among the 10,000 test digits, and sums the losses. `margin`: zeros around. */
static int64_t count_hits(double *loss, const model *m, const digits *d, int64_t margin, float factor) {
  enum { SIZE = 28, COUNT = 10000, AT_ONCE = 250, IMAGES = 16, LABELS = 8, CLASSES = 10 };
  const int64_t size = SIZE + 2 * margin;
  float *x = cvy_pool_new(m->pool, sizeof *x * (size_t)(AT_ONCE * size * size));
  int64_t hits = 0;
  *loss = 0;
  for (int64_t first = 0; first < COUNT; first += AT_ONCE) {
    memset(x, 0, sizeof *x * (size_t)(AT_ONCE * size * size));
    for (int64_t k = 0; k < AT_ONCE; k++)
      for (int64_t i = 0; i < SIZE * SIZE; i++)
        x[(k * size + i / SIZE + margin) * size + i % SIZE + margin] =
            factor * (float)d->images.data[IMAGES + (first + k) * SIZE * SIZE + i];
    const float *p = run(m, x, AT_ONCE);
    for (int64_t k = 0; k < AT_ONCE; k++) {
      const int label = d->labels.data[LABELS + first + k];
      int best = 0;
      for (int c = 1; c < CLASSES; c++)
        if (p[k * CLASSES + c] > p[k * CLASSES + best]) best = c;
      hits += best == label;
      *loss -= log(fmax((double)p[k * CLASSES + label], 1e-7)) / COUNT; /* as in Keras */
    }
  }
  return hits;
}

/* Two LeNets have the accuracy to the picture that they had in Keras. */
static void lenets_of_keras(void) {
  const char *data = test_data("LeNets of Keras on MNIST");
  if (!data) return;
  cvy_pool *pool = cvy_pool_create();
  digits d = read_digits(pool, data);
  double loss;
  model whole = load(cvy_pool_format(pool, "%s/weights/lenet_keras_Sam783/lenet.h5", data), 250);
  CU_ASSERT_EQUAL(count_hits(&loss, &whole, &d, 0, 1.0F / 255), 9902);
  CU_ASSERT_DOUBLE_EQUAL(loss, 0.03818, 1e-5);
  unload(&whole);
  model weights = {.pool = cvy_pool_create()}; /* the file has no network */
  cvy_yaml *network;
  CU_ASSERT_EQUAL_FATAL(
      cvy_yaml_parse(
          &network, weights.pool,
          "name: lenet5\ninput: [32, 32, 1]\nlayers:\n- conv: {name: conv2d_1, filters: 6, kernel: 5}\n"
          "- tanh\n- average_pool: {kernel: 2}\n- conv: {name: conv2d_2, filters: 16, kernel: 5}\n"
          "- tanh\n- average_pool: {kernel: 2}\n- conv: {name: conv2d_3, filters: 120, kernel: 5}\n"
          "- tanh\n- fc: {name: dense_1, outputs: 84}\n- tanh\n- fc: {name: dense_2, outputs: 10}\n"
          "- softmax_loss\n",
          "lenet5"),
      CVY_OK);
  CU_ASSERT_EQUAL_FATAL(
      cvy_weights_open(&weights.file,
                       cvy_pool_format(pool, "%s/weights/lenet5_keras_Lucas1Jorge/lenet5.h5", data)),
      CVY_OK);
  load_into(&weights, network, 250);
  CU_ASSERT_EQUAL(count_hits(&loss, &weights, &d, 2, 1), 9889);
  CU_ASSERT_DOUBLE_EQUAL(loss, 0.03243, 1e-5);
  unload(&weights);
  cvy_bytes_free(&d.images);
  cvy_bytes_free(&d.labels);
  cvy_pool_destroy(pool);
}

/* A ResNet-8 has the scores of the forward pass in numpy. */
static void a_resnet_of_keras(void) {
  const char *data = test_data("a ResNet of Keras");
  if (!data || !scratch_python_has("h5py", "a ResNet of Keras")) return;
  cvy_pool *pool = cvy_pool_create();
  const char *path = cvy_pool_format(pool, "%s/weights/pretrainedResnet.h5", data);
  model m = load(path, PICTURES);
  check_in_python(&m, path);
  unload(&m);
  cvy_pool_destroy(pool);
}

SUITE("keras", TEST(networks_compute_what_keras_does), TEST(a_chain_in_convoys_words),
      TEST(a_model_in_a_model), TEST(layers_in_convoys_words), TEST(layers_that_convoy_has_no_words_for),
      TEST(wrong_graphs), TEST(trainings), TEST(an_image_as_a_row), TEST(weights_that_are_not_there),
      TEST(a_heap_without_end), TEST(files_of_ours_come_back), TEST(networks_of_ours_come_back),
      TEST(layers_in_keras_order), TEST(many_layers_come_back), TEST(what_keras_has_no_words_for),
      TEST(lenets_of_keras), TEST(a_resnet_of_keras))
