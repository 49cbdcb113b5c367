/* Tests of Caffe's files: the text form of protocol buffers, networks, solvers, weights in and out. */
#include "scratch.h"
#include "suite.h"

#include "archive/prototext.h"
#include "base/yaml.h"
#include "file/bytes.h"
#include "formats/caffe.h"
#include "formats/formats.h"
#include "model/match.h"
#include "net/net.h"

#include <dirent.h>
#include <math.h>

/* ---- helpers ---- */

static const char *scratch_file(cvy_pool *pool, const char *name) {
  return cvy_pool_format(pool, "%s/%s", scratch_folder(), name);
}

static cvy_err open_text(cvy_weights_file **file, cvy_pool *pool, const char *text) {
  const char *path = scratch_file(pool, "net.prototxt");
  scratch_write(path, text, strlen(text));
  return cvy_weights_open(file, path);
}

/* Prints a tree on one line: "{a: 1, b: [2, 3]}". */
static void print_flat(FILE *out, const cvy_yaml *node) {
  if (node->kind == CVY_YAML_SCALAR) {
    fputs(node->text, out);
    return;
  }
  const bool is_list = node->kind == CVY_YAML_SEQUENCE;
  fputc(is_list ? '[' : '{', out);
  for (int64_t i = 0; i < node->count; i++) {
    fprintf(out, "%s", i ? ", " : "");
    if (!is_list) fprintf(out, "%s: ", node->keys[i]->text);
    print_flat(out, node->items[i]);
  }
  fputc(is_list ? ']' : '}', out);
}

static const char *flat(cvy_pool *pool, const cvy_yaml *node) {
  cvy_text_stream stream;
  cvy_text_stream_begin(&stream);
  if (node) print_flat(stream.out, node);
  char *text = cvy_text_stream_end(&stream, NULL);
  const char *copy = cvy_pool_format(pool, "%s", text);
  free(text);
  return copy;
}

static bool is_flat(const cvy_yaml *node, const char *expected) {
  cvy_pool *pool = cvy_pool_create();
  const char *text = flat(pool, node);
  const bool same = strcmp(text, expected) == 0;
  if (!same) printf("\n  it is     %s\n  should be %s\n", text, expected);
  cvy_pool_destroy(pool);
  return same;
}

static bool has_note(const cvy_weights_file *file, const char *key, const char *part) {
  for (int64_t i = 0; i < file->note_count; i++)
    if (strcmp(file->notes[i].key, key) == 0 && strstr(file->notes[i].text, part)) return true;
  return false;
}

/* Opens a text that must be right. */
static cvy_weights_file *opened(cvy_pool *pool, const char *text) {
  cvy_weights_file *file;
  if (open_text(&file, pool, text)) {
    printf("\n  %s\n", cvy_err_message());
    CU_FAIL_FATAL("a network of Caffe's");
  }
  return file;
}

/* ---- the text form ---- */

static void texts(void) {
  static const char text[] =
      "# a comment\nname: \"a\\\"b\\n\" 'c'; list: [1, -2.5e+3, 0x10],\nsmall < word: MAX >\nbig: {\n}\r\n"
      "empty: [] many [{a: 1}, {a: 2}]\noctal: '\\101'";
  cvy_pool *pool = cvy_pool_create();
  cvy_prototext *root;
  CU_ASSERT_EQUAL_FATAL(cvy_prototext_parse(&root, pool, text, strlen(text), "t"), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(root->count, 9);
  CU_ASSERT_STRING_EQUAL(root->fields[0].text, "a\"b\nc");
  CU_ASSERT(root->fields[0].quoted && root->fields[0].line == 2 && root->fields[0].column == 1);
  CU_ASSERT_STRING_EQUAL(root->fields[2].text, "-2.5e+3");
  CU_ASSERT_STRING_EQUAL(root->fields[3].name, "list");
  CU_ASSERT_STRING_EQUAL(cvy_prototext_get(root->fields[4].message, "word")->text, "MAX");
  CU_ASSERT_EQUAL(root->fields[5].message->count, 0);
  CU_ASSERT_EQUAL(root->fields[5].line, 4);
  CU_ASSERT_STRING_EQUAL(cvy_prototext_get(cvy_prototext_message(root, "many"), "a")->text, "2");
  CU_ASSERT_STRING_EQUAL(cvy_prototext_get(root, "octal")->text, "A");
  CU_ASSERT_PTR_NULL(cvy_prototext_get(root, "nothing"));
  cvy_text_stream out;
  cvy_text_stream_begin(&out);
  cvy_prototext_print(out.out, root, 0);
  char *printed = cvy_text_stream_end(&out, NULL);
  CU_ASSERT_PTR_NOT_NULL(strstr(printed, "name: \"a\\\"b\\012c\"\nlist: 1\n"));
  cvy_prototext *again;
  CU_ASSERT_EQUAL_FATAL(cvy_prototext_parse(&again, pool, printed, strlen(printed), "t"), CVY_OK);
  CU_ASSERT_STRING_EQUAL(again->fields[0].text, "a\"b\nc");
  free(printed);
  cvy_pool_destroy(pool);
}

static void wrong_texts(void) {
  static const char *const cases[][2] = {{"a: 1\n 3", "t:2:2: expected the name of a field, not '3'"},
                                         {"a 1", "t:1:3: expected ':' or '{', not '1'"},
                                         {"a: {b: 1", "t:1:9: expected '}', but the text ends"},
                                         {"a <b: 1}", "t:1:8: expected the name of a field, not '}'"},
                                         {"a: 'x\n'", "t:1:6: expected the end of the quotes, not byte 10"},
                                         {"a: '\\q'", "t:1:6: expected an escape that is known, not 'q'"},
                                         {"a: [1 2]", "t:1:7: expected ',' or ']', not '2'"},
                                         {"a: -", "t:1:5: expected a value, but the text ends"},
                                         {"[x.y]: 1", "t:1:1: expected the name of a field, not '['"},
                                         {"a: \001", "t:1:4: expected a value, not byte 1"}};
  cvy_pool *pool = cvy_pool_create();
  cvy_prototext *root;
  for (int64_t i = 0; i < CVY_COUNT(cases); i++) {
    CU_ASSERT_EQUAL(cvy_prototext_parse(&root, pool, cases[i][0], strlen(cases[i][0]), "t"), CVY_E_INPUT);
    CU_ASSERT(says(cases[i][1]));
    CU_ASSERT_PTR_NULL(root);
  }
  char deep[400] = "";
  for (int i = 0; i < 70; i++) strcat(deep, "a {");
  CU_ASSERT_EQUAL(cvy_prototext_parse(&root, pool, deep, strlen(deep), "t"), CVY_E_INPUT);
  CU_ASSERT(says("at most 64 messages in each other"));
  cvy_pool_destroy(pool);
}

/* ---- single layers ---- */

#define HEAD              "name: \"n\"\ninput: \"data\"\ninput_dim: [10, 4, 8, 9]\n"
#define LAYER(type, rest) "layer { name: \"x\" type: \"" type "\" bottom: \"data\" top: \"x\" " rest " }\n"

#define END                                                                                                  \
  "layer { name: 'end' type: 'InnerProduct' bottom: 'x' top: 'end' inner_product_param { num_output: 2 } }"

/* A layer of Caffe's, and what it is here. */
static const char *const layers[][2] = {
    {LAYER("Convolution", "convolution_param { num_output: 6 kernel_size: 3 }"),
     "{conv: {name: x, inputs: input, filters: 6, kernel: 3, stride: 1}}"},
    {LAYER("Convolution", "convolution_param { num_output: 6 kernel_h: 3 kernel_w: 5 stride_h: 1 stride_w: 2 "
                          "pad_h: 1 pad_w: 2 group: 2 bias_term: false engine: CAFFE dilation: 1 }"),
     "{conv: {name: x, inputs: input, filters: 6, kernel: [3, 5], stride: [1, 2], "
     "padding: [1, 2], groups: "
     "2, bias: false}}"},
    {LAYER("Convolution", "convolution_param { num_output: 6 kernel_size: 3 kernel_size: 1 pad: 1 "
                          "weight_filler { type: \"gaussian\" std: 0.02 } "
                          "bias_filler { type: 'constant' value: 0.1 } }"),
     "{conv: {name: x, inputs: input, filters: 6, kernel: [3, 1], stride: 1, padding: 1, init: gaussian, "
     "init_std: 0.02, bias_value: 0.1}}"},
    {LAYER("InnerProduct", "inner_product_param { num_output: 5 weight_filler { type: 'xavier' } }"),
     "{fc: {name: x, inputs: input, outputs: 5, init: lecun}}"},
    {LAYER("InnerProduct", "inner_product_param { num_output: 5 bias_term: false weight_filler { type: "
                           "'xavier' variance_norm: AVERAGE } }"),
     "{fc: {name: x, inputs: input, outputs: 5, init: xavier, bias: false}}"},
    {LAYER("InnerProduct", "inner_product_param { num_output: 5 weight_filler { type: 'msra' } }"),
     "{fc: {name: x, inputs: input, outputs: 5, init: he}}"},
    {LAYER("InnerProduct", "inner_product_param { num_output: 5 weight_filler { type: 'msra' variance_norm: "
                           "FAN_OUT } }"),
     "{fc: {name: x, inputs: input, outputs: 5, init: he_out}}"},
    {LAYER("InnerProduct", "inner_product_param { num_output: 5 weight_filler { value: 0.5 } }"),
     "{fc: {name: x, inputs: input, outputs: 5, init: constant, init_value: 0.5}}"},
    {LAYER("Pooling", "pooling_param { kernel_size: 3 stride: 2 }"),
     "{max_pool: {name: x, inputs: input, kernel: 3, stride: 2, rounding: up}}"},
    {LAYER("Pooling", "pooling_param { pool: AVE kernel_size: 3 pad: 1 round_mode: FLOOR }"),
     "{average_pool: {name: x, inputs: input, kernel: 3, stride: 1, padding: 1}}"},
    {LAYER("Pooling", "pooling_param { pool: AVE global_pooling: true }"),
     "{average_pool: {name: x, inputs: input, kernel: global}}"},
    {LAYER("LRN", "lrn_param { local_size: 3 alpha: 0.0001 beta: 0.75 k: 2 }"),
     "{lrn: {name: x, inputs: input, size: 3, alpha: 0.0001, beta: 0.75, k: 2}}"},
    {LAYER("LRN", "lrn_param { norm_region: WITHIN_CHANNEL local_size: 3 alpha: 0.25 k: 2 }"),
     "{lrn_within: {name: x, inputs: input, size: 3, alpha: 0.25, beta: 0.75, k: 1}}"},
    {LAYER("LRN", ""), "{lrn: {name: x, inputs: input, size: 5, alpha: 1, beta: 0.75, k: 1}}"},
    {LAYER("BatchNorm",
           "batch_norm_param { moving_average_fraction: 0.95 eps: 0.001 use_global_stats: true }"),
     "{batch_norm: {name: x, inputs: input, epsilon: 0.001, momentum: 0.05, scale: false, bias: false}}"},
    {LAYER("Scale", "scale_param { bias_term: true filler { value: 2 } bias_filler { value: 3 } }"),
     "{scale: {name: x, inputs: input, scale_value: 2, bias_value: 3}}"},
    {LAYER("Scale", ""), "{scale: {name: x, inputs: input, bias: false}}"},
    {LAYER("ReLU", ""), "{relu: {name: x, inputs: input}}"},
    {LAYER("ReLU", "relu_param { negative_slope: 0.1 }"),
     "{leaky_relu: {name: x, inputs: input, slope: 0.1}}"},
    {LAYER("ELU", "elu_param { alpha: 0.5 }"), "{elu: {name: x, inputs: input, alpha: 0.5}}"},
    {LAYER("TanH", ""), "{tanh: {name: x, inputs: input}}"},
    {LAYER("Dropout", "dropout_param { dropout_ratio: 0.4 }"),
     "{dropout: {name: x, inputs: input, rate: 0.4}}"},
    {LAYER("Flatten", ""), "{flatten: {name: x, inputs: input}}"},
    {LAYER("Reshape", "reshape_param { shape { dim: 0 dim: -1 } }"), "{flatten: {name: x, inputs: input}}"},
    {"layer { name: 'x' type: 'Eltwise' bottom: 'data' bottom: 'data' top: 'x' eltwise_param { "
     "operation: SUM "
     "coeff: 1 coeff: 1 } }",
     "{add: {name: x, inputs: [input, input]}}"},
    {"layer { name: 'x' type: 'Concat' bottom: 'data' bottom: 'data' top: 'x' concat_param { axis: 1 } }",
     "{concat: {name: x, inputs: [input, input]}}"},
    {"layer { name: 'a/b c' type: 'TanH' bottom: 'data' top: 'x' }", "{tanh: {name: a.b_c, inputs: input}}"}};

static void every_layer(void) {
  cvy_pool *pool = cvy_pool_create();
  for (int64_t i = 0; i < CVY_COUNT(layers); i++) {
    cvy_net *net;
    cvy_weights_file *file = opened(pool, cvy_pool_format(pool, HEAD "%s" END, layers[i][0]));
    const cvy_yaml *list = cvy_yaml_get(file->network, "layers");
    CU_ASSERT_STRING_EQUAL(file->format->name, "caffe_text");
    CU_ASSERT(is_flat(cvy_yaml_get(file->network, "input"), "[8, 9, 4]"));
    CU_ASSERT_EQUAL_FATAL(list->count, 3);
    CU_ASSERT(is_flat(list->items[0], layers[i][1]));
    CU_ASSERT_PTR_NOT_NULL(cvy_yaml_get(list->items[2], "softmax_loss"));
    const cvy_err err = cvy_net_create(&net, file->network, 2, NULL);
    if (err) printf("\n  %s\n", cvy_err_message());
    CU_ASSERT_EQUAL_FATAL(err, CVY_OK);
    CU_ASSERT(!file->channels_last && !file->input.known && !file->recipe);
    cvy_net_destroy(net);
    cvy_weights_close(file);
  }
  cvy_pool_destroy(pool);
}

#define LABELS HEAD "input: 'label' input_dim: [10, 1, 1, 1]\n"

/* A network, and what is said of it. HEAD has three lines, so a layer behind it stands on the fourth. */
static const char *const faults[][2] = {
    {HEAD LAYER("Deconvolution", ""),
     "net.prototxt:4:19: layer 'x': layers of type 'Deconvolution' have no counterpart here; these have: "
     "Convolution, InnerProduct"},
    {HEAD LAYER("Convolution", "convolution_param { num_output: 6 kernel_size: 3\ndilation: 2 }"),
     "net.prototxt:5:1: layer 'x': dilation: 2: filters with holes"},
    {HEAD LAYER("Convolution", "convolution_param { num_output: 6 }"),
     "net.prototxt:4:1: layer 'x': it has no kernel_size"},
    {HEAD LAYER("Convolution", "convolution_param { kernel_size: 3 }"), "layer 'x': it has no num_output"},
    {HEAD LAYER("Convolution", "convolution_param { num_output: 6 kernel_size: 3.5 }"),
     "kernel_size: 3.5: expected a whole number"},
    {HEAD LAYER("Convolution", "convolution_param { num_output: six kernel_size: 3 }"),
     "net.prototxt:4:83: num_output is 'six'; expected a number"},
    {HEAD LAYER("Convolution", "convolution_param { num_output: 6 kernel_size: 3 strides: 2 }"),
     "layer 'x': option 'strides' of Convolution is not known here; known are: num_output"},
    {HEAD LAYER("Convolution", "convolution_param { num_output: 6 kernel_size: 3 weight_filler { type: "
                               "'bilinear' } }"),
     "weights of type 'bilinear' have no counterpart here"},
    {HEAD LAYER("Convolution", "convolution_param { num_output: 6 kernel_size: 3 weight_filler { type: "
                               "'gaussian' mean: 1 } }"),
     "weights with a mean"},
    {HEAD LAYER("Convolution", "convolution_param { num_output: 6 kernel_size: 3 bias_filler { type: "
                               "'gaussian' } }"),
     "bias_filler of type 'gaussian' has no counterpart"},
    {HEAD LAYER("InnerProduct", "inner_product_param { num_output: 6 axis: 2 }"),
     "axis: 2: products are over all numbers of an image"},
    {HEAD LAYER("Pooling", "pooling_param { pool: STOCHASTIC kernel_size: 2 }"),
     "pool: STOCHASTIC: MAX and AVE have counterparts"},
    {HEAD LAYER("Pooling", "pooling_param { global_pooling: true kernel_size: 2 }"),
     "global_pooling: true: it is the kernel"},
    {HEAD LAYER("BatchNorm", "batch_norm_param { use_weight_bias: true }"), "a Scale layer behind it"},
    {HEAD LAYER("Scale", "scale_param { axis: 2 }"), "axis: 2: a factor belongs to a channel"},
    {HEAD LAYER("Concat", "") LAYER("Concat", "bottom: 'data' concat_param { axis: 2 }"),
     "axis: 2: layers stand side by side along the channels"},
    {HEAD LAYER("Eltwise", "bottom: 'data' eltwise_param { operation: PROD }"),
     "operation: PROD: SUM has a counterpart"},
    {HEAD LAYER("Eltwise", "bottom: 'data' eltwise_param { coeff: 1 coeff: -1 }"),
     "coeff: -1: a sum has no factors but 1"},
    {HEAD LAYER("Flatten", "flatten_param { axis: 2 }"), "all numbers of an image become one row"},
    {HEAD LAYER("Reshape", "reshape_param { shape { dim: 0 dim: 2 dim: -1 } }"),
     "a shape of 'dim: 0 dim: -1'"},
    {HEAD LAYER("TanH", "bottom: 'data'"), "a layer of type TanH reads one blob here"},
    {HEAD LAYER("TanH", "propagate_down: false"), "lr_mult: 0 for the layers below has"},
    {HEAD LAYER("TanH", "loss_weight: 1"), "a layer of type TanH is no loss here"},
    {HEAD "layer { name: 'x' type: 'TanH' top: 'x' }", "it has no 'bottom'"},
    {HEAD "layer { name: 'x' type: 'TanH'\n bottom: 'y' top: 'x' }",
     "net.prototxt:5:2: layer 'x': it reads 'y', which no layer above it writes"},
    {HEAD LAYER("SoftmaxWithLoss", ""), "a loss reads scores and labels"},
    {LABELS LAYER("SoftmaxWithLoss", "bottom: 'label' loss_param { ignore_label: 255 }"),
     "option 'ignore_label' of SoftmaxWithLoss is not known"},
    {LABELS LAYER("SoftmaxWithLoss", "bottom: 'label' loss_param { normalization: NONE }"),
     "a loss is the mean over the images"},
    {LABELS LAYER("SigmoidCrossEntropyLoss", "bottom: 'label' loss_param { normalization: VALID }"),
     "normalization: VALID: a loss is the mean over the images here, BATCH_SIZE"},
    {LABELS LAYER("SigmoidCrossEntropyLoss", "bottom: 'label' loss_param { normalize: true }"),
     "normalize: true: a loss is the mean over the images here, and not over their scores"},
    {LABELS LAYER("SoftmaxWithLoss", "bottom: 'label' softmax_param { axis: 2 }"),
     "axis: 2: probabilities are along the channels"},
    {HEAD "state { level: 1 } " LAYER("TanH", ""), "net.prototxt:4:9: a state with a level or a stage"},
    {HEAD "state { stage: 'deploy' } " LAYER("TanH", ""),
     "net.prototxt:4:9: a state with a level or a stage"},
    {LABELS "layer { name: 'x' type: 'TanH' bottom: 'label' top: 'x' }",
     "it reads labels, which only a loss does here"},
    {HEAD "input: 'more' input_dim: 10 input_dim: 4 input_dim: 8 input_dim: 8\n" LAYER("TanH", ""),
     "net.prototxt:4:1: 'more' would be a second image"},
    {"input: 'data'\n" LAYER("TanH", ""), "net.prototxt:1:1: input 'data' has no input_shape"},
    {"layer { name: 'd' type: 'Input' top: 'data' input_param { shape { dim: 1 dim: 0 dim: 8 dim: 8 } } "
     "}" LAYER("TanH", ""),
     "'data' has no shape of an image: 0 is no size"},
    {LAYER("TanH", ""), "it reads 'data', which no layer above it writes"},
    {HEAD "layer { name: 'x' type: 'TanH' bottom: 'data' top: 'x' }\nlayer { name: 'y' type: 'TanH' bottom: "
          "'data' top: 'y' }",
     "net.prototxt:5:1: layer 'y': it is an end of the network, as layer 'x' is; networks here have one"},
    {HEAD "layer { name: 'a/b' type: 'TanH' bottom: 'data' top: 'x' }\nlayer { name: 'a.b' type: 'TanH' "
          "bottom: 'x' top: 'y' }",
     "net.prototxt:5:1: layer 'a.b': its name is 'a.b' here, as that of layer 'a/b'"},
    {HEAD "layer { name: 'x' type: 'Scale' bottom: 'data' top: 'x' param { name: 'w' } }\nlayer { name: 'y' "
          "type: 'Scale' bottom: 'x' top: 'y' param { name: 'w' } }",
     "net.prototxt:5:54: layer 'y': it shares the weights 'w' with layer 'x'"},
    {HEAD "layer { name: 'x' type: 'BatchNorm' bottom: 'data' top: 'x' }\nlayer { name: 'y' type: 'Scale' "
          "bottom: 'x' top: 'y' scale_param { bias_term: true bias_filler { value: 1 } } }",
     "biases of 1 behind a BatchNorm have no counterpart"},
    {"layers { name: 'x' type: MVN bottom: 'data' top: 'x' }" HEAD,
     "layers of type 'MVN' have no counterpart"},
    {"net: 'train_val.prototxt'\nbase_lr: 0.1\n", "this is a solver, not a network"},
    {"name: 'x'\n", "it has no layers, so it is no network"},
    {HEAD "layer: 3", "net.prototxt:4:1: expected 'layer {'"},
    {HEAD "layer {", "net.prototxt:4:8: expected '}', but the text ends"}};

static void every_fault(void) {
  cvy_pool *pool = cvy_pool_create();
  for (int64_t i = 0; i < CVY_COUNT(faults); i++) {
    cvy_weights_file *file;
    CU_ASSERT_EQUAL(open_text(&file, pool, faults[i][0]), CVY_E_INPUT);
    CU_ASSERT_PTR_NULL(file);
    CU_ASSERT(says("net.prototxt:") && says(faults[i][1]));
  }
  cvy_pool_destroy(pool);
}

/* An error that Convoy's own network has points into Caffe's text. */
static void faults_of_shapes(void) {
  cvy_pool *pool = cvy_pool_create();
  cvy_net *net;
  cvy_weights_file *file = opened(
      pool, HEAD LAYER("Convolution", "convolution_param { num_output: 6 kernel_size: 12 }"));
  CU_ASSERT_EQUAL(cvy_net_create(&net, file->network, 2, NULL), CVY_E_INPUT);
  CU_ASSERT(says("net.prototxt:4:1: layer 'x': the kernel's height is 12, but the input's is 8"));
  cvy_weights_close(file);
  cvy_pool_destroy(pool);
}

/* ---- whole networks ---- */

static const char train_test[] =
    "name: 'two heads'\n"
    "layer { name: 'd' type: 'Data' top: 'data' top: 'label' include { phase: TRAIN }\n"
    "  transform_param { mirror: true crop_size: 12 mean_value: 104 mean_value: 117 mean_value: 123 "
    "scale: 0.5 }\n"
    "  data_param { source: 'train_lmdb' batch_size: 96 } }\n"
    "layer { name: 'd' type: 'Data' top: 'data' top: 'label' include { phase: TEST }\n"
    "  transform_param { crop_size: 12 mean_value: 104 mean_value: 117 mean_value: 123 scale: 0.5 }\n"
    "  data_param { source: 'test_lmdb' batch_size: 10 } }\n"
    "layer { name: 'c/1' type: 'Convolution' bottom: 'data' top: 'c' param { lr_mult: 1 decay_mult: 1 }\n"
    "  param { lr_mult: 2 decay_mult: 0 } convolution_param { num_output: 8 kernel_size: 3 } }\n"
    "layer { name: 'bn' type: 'BatchNorm' bottom: 'c' top: 'c' param { lr_mult: 0 } }\n"
    "layer { name: 'sc' type: 'Scale' bottom: 'c' top: 'c' param { decay_mult: 0 } param { decay_mult: 0 }\n"
    "  scale_param { bias_term: true filler { value: 0 } } }\n"
    "layer { name: 'r' type: 'ReLU' bottom: 'c' top: 'c' }\n"
    "layer { name: 'split' type: 'Split' bottom: 'c' top: 'c_0' top: 'c_1' }\n"
    "layer { name: 'aux' type: 'InnerProduct' bottom: 'c_0' top: 'aux' param { lr_mult: 0 } param { "
    "lr_mult: 0 }\n"
    "  inner_product_param { num_output: 5 } }\n"
    "layer { name: 'aux_loss' type: 'SoftmaxWithLoss' bottom: 'aux' bottom: 'label' top: 'l1' "
    "loss_weight: 0.3 }\n"
    "layer { name: 'ip' type: 'InnerProduct' bottom: 'c_1' top: 'ip' param { lr_mult: 10 } param { "
    "lr_mult: 20 }\n"
    "  inner_product_param { num_output: 5 } }\n"
    "layer { name: 'acc' type: 'Accuracy' bottom: 'ip' bottom: 'label' top: 'acc' include { phase: TEST } }\n"
    "layer { name: 'prob' type: 'Softmax' bottom: 'ip' top: 'prob' }\n"
    "layer { name: 'quiet' type: 'Silence' bottom: 'prob' }\n"
    "layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'ip' bottom: 'label' top: 'loss' }\n";

static void phases_heads_and_rates(void) {
  cvy_pool *pool = cvy_pool_create();
  cvy_net *net;
  cvy_weights_file *file = opened(pool, train_test);
  CU_ASSERT(
      is_flat(file->network,
              "{name: two_heads, input: [12, 12, 3], layers: ["
              "{conv: {name: c.1, inputs: input, filters: 8, kernel: 3, stride: 1}}, "
              "{batch_norm: {name: bn, inputs: c.1, epsilon: 1e-05, momentum: 0.001, initial_scale: 0}}, "
              "{relu: {name: r, inputs: bn}}, {fc: {name: aux, inputs: r, outputs: 5}}, "
              "{softmax_loss: {name: aux_loss, inputs: aux, weight: 0.3}}, "
              "{fc: {name: ip, inputs: r, outputs: 5}}, {softmax_loss: {name: loss, inputs: ip}}]}"));
  CU_ASSERT(
      is_flat(file->recipe,
              "{data: {augment: [{crop: {size: 12}}, mirror]}, batch: 96, microbatch: 96, layers: "
              "[{match: aux, rate: 0}, {match: ip/weights, rate: 10}, {match: bn/scale, decay: 0}, "
              "{match: c.1/bias, rate: 2, decay: 0}, {match: bn/bias, decay: 0}, {match: ip/bias, rate: "
              "20}]}"));
  CU_ASSERT(file->input.known && file->input.bgr);
  CU_ASSERT_EQUAL(file->input.mean[0], 104);
  CU_ASSERT_EQUAL(file->input.mean[2], 123);
  CU_ASSERT_EQUAL(file->input.deviation[1], 2);
  CU_ASSERT(is_flat(file->input.chain, "[{crop: {size: 12}}]"));
  CU_ASSERT(has_note(file, "training data", "train_lmdb"));
  CU_ASSERT(has_note(file, "layer 'prob', line 21", "no loss depends on it"));
  CU_ASSERT_EQUAL_FATAL(cvy_net_create(&net, file->network, 2, NULL), CVY_OK);
  CU_ASSERT_EQUAL(cvy_net_describe(net)->param_count, 8 * 27 + 8 + 16 + 2 * (800 * 5 + 5));
  cvy_net_destroy(net);
  cvy_weights_close(file);
  cvy_pool_destroy(pool);
}

/* Layers by name; "" ends. */
static bool has_layers(const cvy_weights_file *file, const char *names) {
  char text[200] = "";
  const cvy_yaml *list = cvy_yaml_get(file->network, "layers");
  for (int64_t i = 0; i < list->count; i++) {
    strcat(text, i ? " " : "");
    strcat(text, cvy_yaml_get(list->items[i]->items[0], "name")->text);
  }
  if (strcmp(text, names) != 0) printf("\n  layers are %s, should be %s\n", text, names);
  return strcmp(text, names) == 0;
}

static void includes_and_excludes(void) {
  static const struct {
    const char *rule, *layers;
  } cases[] = {{"", "x y loss"},
               {"include { phase: TRAIN }", "x y loss"},
               {"include { phase: TEST }", "y loss"},
               {"exclude { phase: TRAIN }", "y loss"},
               {"exclude { phase: TEST }", "x y loss"},
               {"include { phase: TEST } include { phase: TRAIN }", "x y loss"},
               {"include { min_level: 1 }", "y loss"},
               {"include { max_level: 2 }", "x y loss"},
               {"include { phase: TRAIN stage: 'deploy' }", "y loss"},
               {"include { not_stage: 'deploy' }", "x y loss"}};
  cvy_pool *pool = cvy_pool_create();
  for (int64_t i = 0; i < CVY_COUNT(cases); i++) {
    cvy_weights_file *file = opened(
        pool, cvy_pool_format(pool,
                              HEAD "layer { name: 'x' type: 'TanH' bottom: 'data' top: 'data' %s }\n"
                                   "layer { name: 'y' type: 'TanH' bottom: 'data' top: 'data' }",
                              cases[i].rule));
    CU_ASSERT(has_layers(file, cases[i].layers));
    cvy_weights_close(file);
  }
  cvy_pool_destroy(pool);
}

/* What ends a network decides what its loss is. */
static void ends(void) {
  static const char *const cases[][2] = {
      {"layer { name: 'p' type: 'Softmax' bottom: 'data' top: 'p' }",
       "[{softmax_loss: {name: p, inputs: input}}]"},
      {"layer { name: 'p' type: 'Sigmoid' bottom: 'data' top: 'p' }",
       "[{sigmoid_loss: {name: p, inputs: input}}]"},
      {"layer { name: 'loss' type: 'TanH' bottom: 'data' top: 'p' }",
       "[{tanh: {name: loss, inputs: input}}, {softmax_loss: {name: loss_, inputs: loss}}]"},
      {"input: 'label' input_dim: 1 input_dim: 1 input_dim: 1 input_dim: 1 layer { name: 'p' type: "
       "'SigmoidCrossEntropyLoss' bottom: 'data' bottom: 'label' top: 'p' loss_weight: 2 }",
       "[{sigmoid_loss: {name: p, inputs: input, weight: 2}}]"}};
  cvy_pool *pool = cvy_pool_create();
  for (int64_t i = 0; i < CVY_COUNT(cases); i++) {
    cvy_weights_file *file = opened(pool, cvy_pool_format(pool, HEAD "%s", cases[i][0]));
    CU_ASSERT(is_flat(cvy_yaml_get(file->network, "layers"), cases[i][1]));
    cvy_weights_close(file);
  }
  cvy_pool_destroy(pool);
}

/* A BatchNorm that keeps its statistics in training is frozen. A Scale that learns then stays for itself. */
static void stored_statistics(void) {
  static const char text[] =
      "input: 'data' input_shape { dim: 1 dim: 3 dim: 8 dim: 8 } input: 'label' input_shape { dim: 1 }\n"
      "layer { name: 'b' type: 'BatchNorm' bottom: 'data' top: 'b' batch_norm_param { use_global_stats: "
      "true } }\n"
      "layer { name: 's' type: 'Scale' bottom: 'b' top: 'b' %s }\n"
      "layer { name: 'l' type: 'SoftmaxWithLoss' bottom: 'b' bottom: 'label' top: 'l' }\n";
  cvy_pool *pool = cvy_pool_create();
  cvy_weights_file *file = opened(pool, cvy_pool_format(pool, text, ""));
  CU_ASSERT(has_layers(file, "b s l"));
  CU_ASSERT(is_flat(file->recipe, "{layers: [{match: b, rate: 0}]}"));
  cvy_weights_close(file);
  file = opened(pool, cvy_pool_format(pool, text, "param { lr_mult: 0 }"));
  CU_ASSERT(has_layers(file, "b l"));
  CU_ASSERT(is_flat(file->recipe, "{layers: [{match: b, rate: 0}]}"));
  cvy_weights_close(file);
  cvy_pool_destroy(pool);
}

static void data_layers(void) {
  static const struct {
    const char *layer, *input, *recipe;
  } cases[] = {
      {"type: 'Data' transform_param { crop_size: 20 } data_param { batch_size: 100 }", "[20, 20, 3]",
       "{data: {augment: [{crop: {size: 20}}]}, batch: 100, microbatch: 25}"},
      {"type: 'Data' transform_param { crop_size: 20 mean_value: 7 force_gray: true }", "[20, 20, 1]",
       "{data: {augment: [{crop: {size: 20}}]}}"},
      {"type: 'Data' transform_param { scale: 0.00390625 } data_param { batch_size: 64 }", "",
       "{batch: 64, microbatch: 32}"},
      {"type: 'ImageData' image_data_param { new_height: 30 new_width: 40 is_color: false batch_size: 8 }",
       "[30, 40, 1]", "{data: {augment: [{resize: {size: [30, 40]}}]}, batch: 8, microbatch: 8}"},
      {"type: 'MemoryData' memory_data_param { channels: 2 height: 5 width: 6 batch_size: 4 }", "[5, 6, 2]",
       "{batch: 4, microbatch: 4}"},
      {"type: 'DummyData' dummy_data_param { shape { dim: 1 dim: 2 dim: 5 dim: 6 } }", "[5, 6, 2]", ""},
      {"type: 'Data' transform_param { crop_size: 20 random_aspect_ratio_param { min_area_ratio: 0.2 "
       "aspect_ratio_change: 0.5 } random_resize_param { min_size: 30 max_size: 40 } }",
       "[20, 20, 3]",
       "{data: {augment: [{scale_jitter: {from: 30, to: 40}}, {random_resized_crop: {size: 20, least_area: "
       "0.2, most_area: 1, least_aspect: 0.5, most_aspect: 2}}]}}"}};
  cvy_pool *pool = cvy_pool_create();
  for (int64_t i = 0; i < CVY_COUNT(cases); i++) {
    cvy_weights_file *file = opened(
        pool, cvy_pool_format(pool,
                              "layer { name: 'd' top: 'data' top: 'label' %s }\nlayer { name: 'l' type: "
                              "'SoftmaxWithLoss' bottom: 'data' bottom: 'label' top: 'l' }",
                              cases[i].layer));
    CU_ASSERT(is_flat(cvy_yaml_get(file->network, "input"), cases[i].input));
    CU_ASSERT(is_flat(file->recipe, cases[i].recipe));
    cvy_weights_close(file);
  }
  cvy_weights_file *file = opened(
      pool,
      "layer { name: 'd' type: 'Data' top: 'data' top: 'label' transform_param { crop_size: 8 mean_file: "
      "'m.binaryproto' brightness: 3 } }\nlayer { name: 'l' type: 'SoftmaxWithLoss' bottom: 'data' bottom: "
      "'label' top: 'l' }");
  CU_ASSERT(!file->input.known && file->input.bgr);
  CU_ASSERT(has_note(file, "mean_file", "m.binaryproto") &&
            has_note(file, "transform_param.brightness, line 1", "left out"));
  cvy_weights_close(file);
  cvy_pool_destroy(pool);
}

/* The same layer in the three forms that Caffe has had. */
static void older_forms(void) {
  static const char *const forms[] = {
      "layer { name: 'c' type: 'Convolution' bottom: 'data' top: 'c' param { lr_mult: 1 decay_mult: 1 }\n"
      "param { lr_mult: 2 decay_mult: 0 } convolution_param { num_output: 4 kernel_size: 3 group: 3 "
      "stride: 2 } }\n"
      "layer { name: 'd' type: 'Dropout' bottom: 'c' top: 'c' dropout_param { dropout_ratio: 0.3 } }\n"
      "layer { name: 'l' type: 'SoftmaxWithLoss' bottom: 'c' bottom: 'label' top: 'l' }",
      "layers { name: 'c' type: CONVOLUTION bottom: 'data' top: 'c' blobs_lr: 1 blobs_lr: 2 weight_decay: 1\n"
      "weight_decay: 0 convolution_param { num_output: 4 kernel_size: 3 group: 3 stride: 2 } }\n"
      "layers { name: 'd' type: DROPOUT bottom: 'c' top: 'c' dropout_param { dropout_ratio: 0.3 } }\n"
      "layers { name: 'l' type: SOFTMAX_LOSS bottom: 'c' bottom: 'label' top: 'l' }",
      "layers { layer { name: 'c' type: 'conv' num_output: 4 kernelsize: 3 group: 3 stride: 2 blobs_lr: 1\n"
      "blobs_lr: 2 weight_decay: 1 weight_decay: 0 } bottom: 'data' top: 'c' }\n"
      "layers { layer { name: 'd' type: 'dropout' dropout_ratio: 0.3 } bottom: 'c' top: 'c' }\n"
      "layers { layer { name: 'l' type: 'softmax_loss' } bottom: 'c' bottom: 'label' top: 'l' }"};
  static const char *const data[] = {
      "layer { name: 'd' type: 'Data' top: 'data' top: 'label' transform_param { crop_size: 9 mirror: "
      "true }\n"
      "data_param { batch_size: 4 } }\n",
      "layers { name: 'd' type: DATA top: 'data' top: 'label'\n data_param { batch_size: 4 crop_size: 9 "
      "mirror: "
      "true } }\n",
      "layers { layer { name: 'd' type: 'data' batchsize: 4 cropsize: 9 mirror: true } top: 'data' top: "
      "'label'\n"
      "}\n"};
  cvy_pool *pool = cvy_pool_create();
  for (int64_t i = 0; i < CVY_COUNT(forms); i++) {
    cvy_weights_file *file = opened(pool, cvy_pool_format(pool, "%s%s", data[i], forms[i]));
    CU_ASSERT(is_flat(file->network,
                      "{name: network, input: [9, 9, 3], layers: [{conv: {name: c, inputs: "
                      "input, filters: 4, kernel: 3, stride: 2, groups: 3}}, {dropout: {name: d, "
                      "inputs: c, rate: 0.3}}, {softmax_loss: {name: l, inputs: d}}]}"));
    CU_ASSERT(is_flat(file->recipe, "{data: {augment: [{crop: {size: 9}}, mirror]}, batch: 4, microbatch: 4, "
                                    "layers: [{match: c/bias, rate: 2, decay: 0}]}"));
    cvy_weights_close(file);
  }
  cvy_weights_file *file;
  CU_ASSERT_EQUAL(
      open_text(&file, pool,
                HEAD "layers { layer { name: 'x' type: 'padding'\n pad: 2 } bottom: 'data' top: 'x' }"),
      CVY_E_INPUT);
  CU_ASSERT(says("net.prototxt:5:2: option 'pad' of a layer of type 'padding' has no counterpart here"));
  cvy_pool_destroy(pool);
}

/* ---- solvers ---- */

static const char *solver_file(cvy_pool *pool, const char *text) {
  const char *path = scratch_file(pool, "solver.prototxt");
  scratch_write(path, text, strlen(text));
  return path;
}

static void every_solver(void) {
  static const char *const cases[][2] = {
      {"lr_policy: 'fixed'", "{solver: {sgd: {momentum: 0}}, learning_rate: {constant: {rate: 0.1}}}"},
      {"type: 'SGD' momentum: 0.9 weight_decay: 0.0005 lr_policy: 'step' gamma: 0.1 stepsize: 100000",
       "{solver: {sgd: {momentum: 0.9, weight_decay: 0.0005, decay_biases: true}}, learning_rate: {step: "
       "{rate: "
       "0.1, factor: 0.1, every: 100000, unit: steps}}}"},
      {"type: 'Nesterov' momentum: 0.9 lr_policy: 'multistep' gamma: 0.5 stepvalue: 10 stepvalue: 20",
       "{solver: {sgd: {momentum: 0.9, nesterov: true}}, learning_rate: {multi_step: {rate: 0.1, factor: "
       "0.5, "
       "at: [10, 20], unit: steps}}}"},
      {"type: 'AdaGrad' lr_policy: 'exp' gamma: 0.99",
       "{solver: {adagrad: {epsilon: 1e-08}}, learning_rate: {exponential: {rate: 0.1, factor: 0.99, unit: "
       "steps}}}"},
      {"type: 'RMSProp' rms_decay: 0.98 delta: 1e-6 lr_policy: 'inv' gamma: 0.0001 power: 0.75",
       "{solver: {rmsprop: {alpha: 0.98, epsilon: 1e-06}}, learning_rate: {inverse: {rate: 0.1, slope: "
       "0.0001, "
       "power: 0.75, unit: steps}}}"},
      {"type: 'AdaDelta' momentum: 0.95 delta: 1e-6 lr_policy: 'poly' power: 2",
       "{solver: {adadelta: {rho: 0.95, epsilon: 1e-06}}, learning_rate: {polynomial: {rate: 0.1, power: "
       "2}}}"},
      {"type: 'Adam' momentum: 0.9 momentum2: 0.99 lr_policy: 'fixed'",
       "{solver: {adam: {beta1: 0.9, beta2: 0.99, epsilon: 1e-08}}, learning_rate: {constant: {rate: 0.1}}}"},
      {"solver_type: ADAGRAD lr_policy: 'fixed'",
       "{solver: {adagrad: {epsilon: 1e-08}}, learning_rate: {constant: {rate: 0.1}}}"},
      {"clip_gradients: 35 random_seed: 7 snapshot: 500 display: 20 warmup_iter: 100 warmup_start_lr: 0.02",
       "{seed: 7, solver: {sgd: {momentum: 0}}, learning_rate: {constant: {rate: 0.1}}, warmup: {length: "
       "100, "
       "unit: steps, from: 0.2}, clip: {norm: 35}, log_every: 20, checkpoint_every: 500}"}};
  cvy_pool *pool = cvy_pool_create();
  cvy_caffe_solver_result r;
  for (int64_t i = 0; i < CVY_COUNT(cases); i++) {
    const char *path = solver_file(pool, cvy_pool_format(pool, "base_lr: 0.1 %s", cases[i][0]));
    const cvy_err err = cvy_caffe_solver(&r, pool, path, NULL, 0);
    if (err) printf("\n  %s\n", cvy_err_message());
    CU_ASSERT_EQUAL_FATAL(err, CVY_OK);
    CU_ASSERT(is_flat(r.recipe, cases[i][1]));
    CU_ASSERT_PTR_NULL(r.network);
  }
  cvy_pool_destroy(pool);
}

/* 1,000 steps of 4 times 8 images are 32,000, which are 10 epochs of 3,200 and some of 3,100. */
static void solvers_with_networks(void) {
  cvy_pool *pool = cvy_pool_create();
  cvy_caffe_solver_result r;
  cvy_yaml *keys;
  const char *path = solver_file(pool,
                                 "net: 'n.prototxt'\nbase_lr: 0.1\nmax_iter: 1000 iter_size: 4\nsolver_mode: "
                                 "GPU\n");
  CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&keys, pool, "{batch: 8, microbatch: 2}", "n"), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_caffe_solver(&r, pool, path, keys, 3200), CVY_OK);
  CU_ASSERT(is_flat(r.recipe, "{batch: 32, microbatch: 2, epochs: 10, solver: {sgd: {momentum: 0}}, "
                              "learning_rate: {constant: {rate: 0.1}}}"));
  CU_ASSERT_STRING_EQUAL(r.network, "n.prototxt");
  CU_ASSERT_EQUAL(r.steps, 1000);
  CU_ASSERT_EQUAL_FATAL(r.note_count, 1);
  CU_ASSERT_STRING_EQUAL(r.notes[0], "line 4: solver_mode");
  CU_ASSERT_EQUAL_FATAL(cvy_caffe_solver(&r, pool, path, keys, 3100), CVY_OK);
  CU_ASSERT_STRING_EQUAL(cvy_yaml_get(r.recipe, "epochs")->text, "11");
  CU_ASSERT_EQUAL_FATAL(cvy_caffe_solver(&r, pool, path, NULL, 3100), CVY_OK);
  CU_ASSERT_PTR_NULL(cvy_yaml_get(r.recipe, "epochs"));
  CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&keys, pool, "{batch: 4000000000000000000}", "n"), CVY_OK);
  CU_ASSERT_EQUAL(cvy_caffe_solver(&r, pool, path, keys, 3200), CVY_E_INPUT);
  CU_ASSERT(says("solver.prototxt:3:16: iter_size times the network's batch of 4000000000000000000 is no"));
  cvy_pool_destroy(pool);
}

static void wrong_solvers(void) {
  static const char *const cases[][2] = {
      {"net: 'x'", "solver.prototxt: a solver has a base_lr; this file has none"},
      {"base_lr: 0.1\nlr_policy: 'sigmoid'",
       "solver.prototxt:2:1: lr_policy: 'sigmoid' has no counterpart here; "
       "these have: fixed, step, multistep, exp, inv, poly"},
      {"base_lr: 0.1\nlr_policy: 'step'", "needs a 'stepsize'"},
      {"base_lr: 0.1\nlr_policy: 'multistep'", "needs a 'stepvalue'"},
      {"base_lr: 0.1\ntype: 'Lion'", "solver.prototxt:2:1: type: 'Lion' has no counterpart here"},
      {"base_lr: 0.1\nregularization_type: 'L1'", "solver.prototxt:2:1: regularization_type: 'L1'"},
      {"base_lr: 0.1 type: 'RMSProp'\nmomentum: 0.9", "solver.prototxt:2:1: RMSProp has no momentum"},
      {"base_lr: fast", "solver.prototxt:1:1: base_lr is 'fast'; expected a number"},
      {"base_lr: 0.1 warmup_iter: 5\nwarmup_start_lr: 1",
       "solver.prototxt:2:1: warmup_start_lr must be from 0"},
      {"base_lr: 0.1 iter_size: 0", "iter_size is at least 1"},
      {"base_lr: {", "solver.prototxt:1:11: expected '}'"}};
  cvy_pool *pool = cvy_pool_create();
  cvy_caffe_solver_result r;
  for (int64_t i = 0; i < CVY_COUNT(cases); i++) {
    CU_ASSERT_EQUAL(cvy_caffe_solver(&r, pool, solver_file(pool, cases[i][0]), NULL, 0), CVY_E_INPUT);
    CU_ASSERT(says(cases[i][1]));
    CU_ASSERT_PTR_NULL(r.recipe);
  }
  CU_ASSERT_NOT_EQUAL(cvy_caffe_solver(&r, pool, scratch_file(pool, "nothing"), NULL, 0), CVY_OK);
  cvy_pool_destroy(pool);
}

/* ---- weights ---- */

static int64_t find_target(const cvy_weights_file *file, const char *name) {
  for (int64_t i = 0; i < file->tensor_count; i++)
    if (file->tensors[i].target && strcmp(file->tensors[i].target, name) == 0) return i;
  return -1;
}

/* Turns values in the file's order into Convoy's: filters are [K][C][R][S] there and [R][S][C][K] here, and
 * weights [outputs][c][h][w], here [h][w][c][outputs]. */
static void turn(float *out, const float *in, const cvy_net_param *p, cvy_shape x,
                 const cvy_stored_tensor *t) {
  const int64_t *d = p->spec->dims;
  if (p->spec->dim_count == 1) memcpy(out, in, sizeof *in * (size_t)p->count);
  if (p->spec->dim_count == 4)
    for (int64_t k = 0; k < d[3]; k++)
      for (int64_t c = 0; c < d[2]; c++)
        for (int64_t i = 0; i < d[0] * d[1]; i++)
          out[(i * d[2] + c) * d[3] + k] = in[(k * d[2] + c) * d[0] * d[1] + i];
  if (p->spec->dim_count == 2)
    for (int64_t k = 0; k < d[1]; k++)
      for (int64_t i = 0; i < x.h * x.w; i++)
        for (int64_t c = 0; c < x.c; c++) {
          const int64_t from = c * x.h * x.w + i;
          out[(i * x.c + c) * d[1] + k] = t->outputs_last ? in[from * d[1] + k] : in[k * d[0] + from];
        }
}

/* Fills a net's weights from a file. */
static void fill(cvy_net *net, const cvy_weights_file *file) {
  const cvy_net_info *info = cvy_net_describe(net);
  for (int64_t i = 0; i < info->param_tensors; i++) {
    const cvy_net_param *p = &info->params[i];
    const int64_t from = find_target(file, p->name), input = info->layers[p->layer].inputs[0];
    if (from < 0) printf("\n  nothing for %s\n", p->name);
    CU_ASSERT_FATAL(from >= 0);
    CU_ASSERT_EQUAL_FATAL(file->tensors[from].count, p->count);
    float *values = malloc(sizeof *values * (size_t)p->count);
    CU_ASSERT_EQUAL_FATAL(cvy_weights_read(values, file, from), CVY_OK);
    turn(cvy_net_params(net) + p->offset, values, p, input < 0 ? info->input : info->layers[input].y,
         &file->tensors[from]);
    free(values);
  }
}

/* The golden file has a shape and four numbers in place of one, a divisor of 2, and a Scale behind a
 * BatchNorm. */
static void targets(void) {
  static const struct {
    const char *name, *target;
    double factor;
  } wanted[] = {{"conv/1/0", "conv.1/weights", 0},
                {"conv/1/1", "conv.1/bias", 0},
                {"norm/0", "norm/mean", 0.5},
                {"norm/1", "norm/variance", 0.5},
                {"norm/2", NULL, 0},
                {"scale/0", "norm/scale", 0},
                {"ip/0", "ip/weights", 0},
                {"ip/1", "ip/bias", 0}};
  cvy_pool *pool = cvy_pool_create();
  cvy_weights_file *file;
  cvy_net *net;
  CU_ASSERT_EQUAL_FATAL(
      cvy_weights_open(&file, cvy_pool_format(pool, "%s/tests/reference/golden/formats/small.caffemodel",
                                              getenv("CONVOY_SOURCE"))),
      CVY_OK);
  CU_ASSERT_EQUAL_FATAL(file->tensor_count, CVY_COUNT(wanted));
  for (int64_t i = 0; i < CVY_COUNT(wanted); i++) {
    const cvy_stored_tensor *t = &file->tensors[i];
    CU_ASSERT_STRING_EQUAL(t->name, wanted[i].name);
    CU_ASSERT_EQUAL(t->target == NULL, wanted[i].target == NULL);
    if (t->target && wanted[i].target) CU_ASSERT_STRING_EQUAL(t->target, wanted[i].target);
    CU_ASSERT(t->factor == wanted[i].factor && !t->outputs_last);
  }
  CU_ASSERT_EQUAL_FATAL(cvy_net_create(&net, file->network, 2, NULL), CVY_OK);
  fill(net, file);
  cvy_net_destroy(net);
  cvy_weights_close(file);
  cvy_pool_destroy(pool);
}

static const cvy_yaml *with_input(cvy_pool *pool, const cvy_weights_file *file, const char *input) {
  cvy_yaml *shape;
  CU_ASSERT_PTR_NULL(cvy_yaml_get(file->network, "input"));
  CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&shape, pool, input, "input"), CVY_OK);
  cvy_yaml *network = cvy_yaml_new_mapping(pool, "network");
  for (int64_t i = 0; i < file->network->count; i++)
    cvy_yaml_add(pool, network, file->network->keys[i]->text, file->network->items[i]);
  cvy_yaml_add(pool, network, "input", shape);
  return network;
}

/* OpenCV's dnn and PyTorch, given these weights and MNIST's test set, find 9,914 of 10,000, and PyTorch finds
 * a loss of 0.0272693. The scores of the first image are OpenCV's. */
static void lenet_of_caffe(void) {
  enum { BATCH = 100, IMAGES = 10000, PIXELS = 784 };
  static const float first[10] = {-3.064732F,  0.06591219F, 0.15715131F, 3.6046681F, -3.9565406F,
                                  -2.4660978F, -11.230221F, 14.879812F,  -2.371094F, 1.9828538F};
  const char *data = test_data("Caffe's LeNet on MNIST");
  if (!data) return;
  cvy_pool *pool = cvy_pool_create();
  cvy_bytes images = {0}, labels = {0};
  cvy_weights_file *file;
  cvy_net *net;
  CU_ASSERT_EQUAL_FATAL(
      cvy_bytes_read(&images, cvy_pool_format(pool, "%s/mnist/t10k-images-idx3-ubyte.gz", data)), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(
      cvy_bytes_read(&labels, cvy_pool_format(pool, "%s/mnist/t10k-labels-idx1-ubyte.gz", data)), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(
      cvy_weights_open(&file, cvy_pool_format(pool, "%s/weights/lenet_iter_10000.caffemodel", data)), CVY_OK);
  CU_ASSERT_STRING_EQUAL(file->format->name, "caffemodel");
  CU_ASSERT_EQUAL(file->tensor_count, 8);
  CU_ASSERT_STRING_EQUAL(file->tensors[0].name, "conv1/0");
  CU_ASSERT_EQUAL_FATAL(cvy_net_create(&net, with_input(pool, file, "[28, 28, 1]"), BATCH,
                                       &(cvy_net_wishes){.purpose = CVY_NET_EVALUATION}),
                        CVY_OK);
  fill(net, file);
  int64_t hits = 0;
  double loss = 0;
  static float batch[BATCH * PIXELS];
  for (int64_t i = 0; i < IMAGES; i += BATCH) {
    int32_t wanted[BATCH];
    for (int64_t k = 0; k < BATCH * PIXELS; k++)
      batch[k] = (float)images.data[16 + i * PIXELS + k] * 0.00390625F;
    for (int64_t k = 0; k < BATCH; k++) wanted[k] = labels.data[8 + i + k];
    cvy_net_forward(net, batch, &(cvy_targets){.labels = wanted}, &(cvy_pass){.loss_scale = 1});
    const float *scores = cvy_net_logits(net);
    for (int64_t k = 0; k < 10 && i == 0; k++) CU_ASSERT_DOUBLE_EQUAL(scores[k], first[k], 5e-5);
    for (int64_t k = 0; k < BATCH; k++) {
      int64_t best = 0;
      for (int64_t c = 1; c < 10; c++)
        if (scores[k * 10 + c] > scores[k * 10 + best]) best = c;
      hits += best == wanted[k];
      loss += cvy_net_losses(net)[k];
    }
  }
  CU_ASSERT_EQUAL(hits, 9914);
  CU_ASSERT_DOUBLE_EQUAL(loss / IMAGES, 0.0272693, 1e-6);
  cvy_net_destroy(net);
  cvy_weights_close(file);
  cvy_bytes_free(&images);
  cvy_bytes_free(&labels);
  cvy_pool_destroy(pool);
}

/* ---- writing ---- */

static const char of_all_kinds[] =
    "name: all\ninput: [9, 12, 3]\nlayers:\n"
    "  - conv: {name: c1, filters: 8, kernel: [3, 5], padding: [1, 2], init: gaussian, init_std: 0.3}\n"
    "  - batch_norm: {name: b1, epsilon: 1e-3}\n  - relu: {name: r1}\n"
    "  - conv: {name: c2, filters: 8, kernel: 3, padding: same, groups: 2, bias: false, init: he}\n"
    "  - batch_norm: {name: b2, scale: false, bias: false}\n  - leaky_relu: {name: r2, slope: 0.1}\n"
    "  - add: {name: sum, inputs: [r1, r2]}\n"
    "  - lrn: {name: n, size: 3, alpha: 0.1}\n"
    "  - lrn_within: {name: m, size: 3, alpha: 0.2}\n  - max_pool: {name: p1, kernel: 2, rounding: %s}\n"
    "  - fc: {name: aux, outputs: 4, init: lecun}\n  - softmax_loss: {name: aux_loss, weight: 0.3}\n"
    "  - conv: {name: c3, filters: 6, inputs: p1, kernel: 1, init: he}\n  - elu: {name: e, alpha: 0.7}\n"
    "  - average_pool: {name: p2, kernel: 3, stride: 2, padding: 1, rounding: up}\n"
    "  - concat: {name: side, inputs: [p2, p2]}\n  - scale: {name: s, bias_value: 0.2, scale_value: 1.5}\n"
    "  - tanh: {name: t}\n  - dropout: {name: d}\n  - fc: {name: f1, outputs: 10, init: lecun}\n"
    "  - sigmoid: {name: g}\n  - fc: {name: f2, outputs: 4, bias: false, init: lecun}\n  - softmax_loss: "
    "{name: l}\n";

/* Gives every parameter a value of its own, variances above zero. */
static void fill_by_hand(cvy_net *net) {
  const cvy_net_info *info = cvy_net_describe(net);
  cvy_net_init(net, 3);
  for (int64_t i = 0; i < info->param_tensors; i++) {
    float *values = cvy_net_params(net) + info->params[i].offset;
    for (int64_t k = 0; k < info->params[i].count && info->params[i].spec->dim_count == 1; k++)
      values[k] = 0.5F + (float)((7 * k + i) % 16) / 16;
  }
}

static const cvy_yaml *resolved(cvy_pool *pool, const char *text) {
  cvy_yaml *root, *network;
  CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&root, pool, text, "n.yaml"), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_net_resolve(&network, pool, root), CVY_OK);
  return network;
}

static const cvy_stored_input of_caffe = {
    .known = true, .bgr = true, .mean = {104, 117, 123}, .deviation = {2, 2, 2, 2}};

static cvy_err write_net(const char *path, const cvy_net *net, const cvy_yaml *network, bool bgr) {
  const cvy_weights_format *format = NULL;
  for (int64_t i = 0; i < cvy_weights_format_count(); i++)
    if (strcmp(cvy_weights_format_at(i)->name, "caffemodel") == 0) format = cvy_weights_format_at(i);
  CU_ASSERT_FATAL(format && format->write);
  cvy_weights_out out = {
      .net = net, .arena = cvy_net_params((cvy_net *)net), .network = network, .input = of_caffe};
  out.input.bgr = bgr;
  return format->write(path, &out);
}

/* Fills a net as an import does: what reads the image is turned round where blue comes first. */
static void take_all(cvy_net *net, cvy_pool *pool, const cvy_weights_file *file) {
  cvy_matching m;
  CU_ASSERT_EQUAL_FATAL(cvy_match(&m, pool, file, net, NULL, 0, file->input.bgr), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_match_expect_all(&m), CVY_OK);
  for (int64_t i = 0; i < m.count; i++)
    CU_ASSERT_EQUAL_FATAL(cvy_match_read(cvy_net_params(net), &m, i), CVY_OK);
}

static void check_same(const char *a, const char *b) {
  size_t a_count, b_count;
  char *x = scratch_read(a, &a_count), *y = scratch_read(b, &b_count);
  CU_ASSERT_EQUAL_FATAL(a_count, b_count);
  CU_ASSERT(memcmp(x, y, a_count) == 0);
  free(x);
  free(y);
}

/* What is written and read has the same bits, and is written as the same file again, whichever colour comes
 * first. */
static void check_there_and_back(bool bgr) {
  cvy_pool *pool = cvy_pool_create();
  cvy_net *net, *again;
  cvy_weights_file *file;
  const char *path = scratch_file(pool, "all.caffemodel"), *second = scratch_file(pool, "again.caffemodel");
  const cvy_yaml *network = resolved(pool, cvy_pool_format(pool, of_all_kinds, "down"));
  CU_ASSERT_EQUAL_FATAL(cvy_net_create(&net, network, 2, NULL), CVY_OK);
  fill_by_hand(net);
  CU_ASSERT_EQUAL_FATAL(write_net(path, net, network, bgr), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_weights_open(&file, path), CVY_OK);
  CU_ASSERT_STRING_EQUAL(file->format->name, "caffemodel");
  CU_ASSERT_FATAL(file->network != NULL);
  CU_ASSERT_EQUAL_FATAL(cvy_net_create(&again, file->network, 2, NULL), CVY_OK);
  take_all(again, pool, file);
  const cvy_hash was = cvy_net_hash(net, NULL), is = cvy_net_hash(again, NULL);
  CU_ASSERT(memcmp(&was, &is, sizeof was) == 0);
  CU_ASSERT(file->input.known && file->input.bgr == bgr && file->input.mean[1] == 117 &&
            file->input.deviation[0] == 2);
  cvy_yaml *once_more;
  CU_ASSERT_EQUAL_FATAL(cvy_net_resolve(&once_more, pool, file->network), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(write_net(second, again, once_more, bgr), CVY_OK);
  check_same(path, second);
  check_same(scratch_file(pool, "all.prototxt"), scratch_file(pool, "again.prototxt"));
  cvy_net_destroy(again);
  cvy_net_destroy(net);
  cvy_weights_close(file);
  CU_ASSERT_EQUAL_FATAL(cvy_weights_open(&file, scratch_file(pool, "all.prototxt")), CVY_OK);
  CU_ASSERT(has_layers(file, "c1 b1 r1 c2 b2 r2 sum n m p1 c3 e p2 side s t d f1 g f2 l"));
  cvy_weights_close(file);
  cvy_pool_destroy(pool);
}

static void there_and_back(void) {
  check_there_and_back(true);
  check_there_and_back(false);
}

/* OpenCV reads what is written, and computes the same scores. Where the file says that blue comes first, it
 * is given such images. */
static void check_opencv(bool bgr) {
  enum { IMAGES = 2, NUMBERS = 9 * 12 * 3 };
  cvy_pool *pool = cvy_pool_create();
  const char *path = scratch_file(pool, "cv.caffemodel"), *in = scratch_file(pool, "images"),
             *out = scratch_file(pool, "scores");
  cvy_net *net;
  float images[IMAGES * NUMBERS], turned[IMAGES * NUMBERS], scores[IMAGES * 4];
  int32_t labels[IMAGES] = {0, 1};
  /* OpenCV does not know Caffe's newer option to round down. */
  const cvy_yaml *network = resolved(pool, cvy_pool_format(pool, of_all_kinds, "up"));
  CU_ASSERT_EQUAL_FATAL(cvy_net_create(&net, network, IMAGES, NULL), CVY_OK);
  fill_by_hand(net);
  CU_ASSERT_EQUAL_FATAL(write_net(path, net, network, bgr), CVY_OK);
  for (int i = 0; i < IMAGES * NUMBERS; i++) images[i] = (float)((37 * i) % 101) / 50 - 1;
  for (int i = 0; i < IMAGES * NUMBERS; i++) turned[i] = images[bgr ? i + 2 - 2 * (i % 3) : i];
  scratch_write(in, turned, sizeof turned);
  cvy_net_forward(net, images, &(cvy_targets){.labels = labels}, &(cvy_pass){.loss_scale = 1});
  char *command = cvy_format(
      "/usr/bin/python3 '%s/tests/reference/caffe.py' '%s' '%s' 9 12 3 f2 < '%s' > '%s'",
      getenv("CONVOY_SOURCE"), scratch_file(pool, "cv.prototxt"), path, in, out);
  CU_ASSERT_EQUAL_FATAL(system(command), 0);
  free(command);
  size_t bytes;
  char *computed = scratch_read(out, &bytes);
  CU_ASSERT_EQUAL_FATAL(bytes, sizeof scores);
  memcpy(scores, computed, sizeof scores);
  free(computed);
  for (int i = 0; i < IMAGES * 4; i++) CU_ASSERT_DOUBLE_EQUAL(scores[i], cvy_net_logits(net)[i], 1e-5);
  cvy_net_destroy(net);
  cvy_pool_destroy(pool);
}

static void opencv_computes_the_same(void) {
  if (!scratch_python_has("cv2", "OpenCV reads what is written for Caffe")) return;
  check_opencv(false);
  check_opencv(true);
}

/* A map that was made a row, beside another one: rows of weights change places within each. */
static void rows_behind_flatten(void) {
  static const char text[] =
      "name: n\ninput: [2, 3, 2]\nlayers:\n  - conv: {name: c, filters: 2, kernel: 1}\n"
      "  - flatten: {name: f, inputs: c}\n  - relu: {name: r, inputs: f}\n"
      "  - flatten: {name: g, inputs: input}\n  - concat: {name: o, inputs: [r, g]}\n"
      "  - fc: {name: x, outputs: 1, bias: false}\n  - sigmoid_loss: {name: l}\n";
  cvy_pool *pool = cvy_pool_create();
  cvy_net *net;
  cvy_weights_file *file;
  float values[24];
  const char *path = scratch_file(pool, "rows.caffemodel");
  const cvy_yaml *network = resolved(pool, text);
  CU_ASSERT_EQUAL_FATAL(cvy_net_create(&net, network, 1, NULL), CVY_OK);
  const cvy_net_info *info = cvy_net_describe(net);
  for (int64_t i = 0; i < info->param_tensors; i++)
    for (int64_t k = 0; k < info->params[i].count; k++)
      cvy_net_params(net)[info->params[i].offset + k] = (float)k;
  CU_ASSERT_EQUAL_FATAL(write_net(path, net, network, false), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_weights_open(&file, path), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_weights_read(values, file, find_target(file, "x/weights")), CVY_OK);
  for (int c = 0; c < 2; c++)
    for (int i = 0; i < 6; i++) {
      CU_ASSERT_EQUAL(values[c * 6 + i], (float)(i * 2 + c));
      CU_ASSERT_EQUAL(values[12 + c * 6 + i], (float)(12 + i * 2 + c));
    }
  CU_ASSERT(has_layers(file, "c f r g o x l"));
  cvy_weights_close(file);
  cvy_net_destroy(net);
  cvy_pool_destroy(pool);
}

static void what_caffe_has_no_word_for(void) {
  static const char *const cases[][2] = {
      {"pad_channels: {name: x, behind: 2}",
       "layer 'x': Caffe has no word for layers of type 'pad_channels'"},
      {"conv: {name: x, filters: 2, kernel: 2, padding: same}",
       "layer 'x': Caffe has no word for padding of"},
      {"average_pool: {name: x, kernel: 3, padding: 1, count_padding: false}",
       "a mean that does not count padding"},
      {"lrn_within: {name: x, k: 2}", "k: within a channel it is always 1 there"},
      {"batch_norm: {name: x, scale: false}", "a bias without a scale"}};
  cvy_pool *pool = cvy_pool_create();
  const char *path = scratch_file(pool, "none.caffemodel");
  for (int64_t i = 0; i < CVY_COUNT(cases); i++) {
    cvy_net *net;
    const cvy_yaml *network = resolved(
        pool,
        cvy_pool_format(
            pool, "name: n\ninput: [8, 8, 2]\nlayers:\n  - %s\n  - fc: {outputs: 2}\n  - softmax_loss\n",
            cases[i][0]));
    CU_ASSERT_EQUAL_FATAL(cvy_net_create(&net, network, 2, NULL), CVY_OK);
    CU_ASSERT_EQUAL(write_net(path, net, network, false), CVY_E_INPUT);
    CU_ASSERT(says("none.caffemodel: ") && says(cases[i][1]));
    CU_ASSERT(!scratch_exists(path) && !scratch_exists(scratch_file(pool, "none.prototxt")));
    cvy_net_destroy(net);
  }
  cvy_pool_destroy(pool);
}

/* ---- real networks ---- */

/* Where Convoy has the same network, the counts are those of launch/networks. Intel's ResNet-50 has biases in
 * its first convolution besides. */
static const struct {
  const char *file, *input; /* input: NULL where the file says it */
  int64_t params;
} real[] = {{"bvlc_alexnet/deploy.prototxt", NULL, 60965224},
            {"bvlc_alexnet/train_val.prototxt", NULL, 60965224},
            {"bvlc_googlenet/deploy.prototxt", NULL, 6998552},
            {"bvlc_googlenet/train_val.prototxt", NULL, 13378280},
            {"bvlc_reference_caffenet/deploy.prototxt", NULL, 60965224},
            {"bvlc_reference_caffenet/train_val.prototxt", NULL, 60965224},
            {"cifar10/cifar10_full_train_test.prototxt", "[32, 32, 3]", 89578},
            {"cifar10/cifar10_quick_train_test.prototxt", "[32, 32, 3]", 145578},
            {"finetune_flickr_style/deploy.prototxt", NULL, 56950164},
            {"finetune_flickr_style/train_val.prototxt", NULL, 56950164},
            {"intel_resnet_50/train_val.prototxt", NULL, 25557032 + 64},
            {"intel_vgg_16/train_val.prototxt", NULL, 138357544},
            {"mnist/lenet.prototxt", NULL, 431080},
            {"mnist/lenet_train_test.prototxt", "[28, 28, 1]", 431080},
            {"squeezenet_v1.0/deploy.prototxt", NULL, 1248424},
            {"squeezenet_v1.0/train_val.prototxt", NULL, 1248424}};

static void check_real(cvy_pool *pool, const char *path, const char *input, int64_t params) {
  cvy_weights_file *file;
  cvy_net *net;
  const cvy_err err = cvy_weights_open(&file, path);
  if (err) printf("\n  %s\n", cvy_err_message());
  CU_ASSERT_EQUAL_FATAL(err, CVY_OK);
  const cvy_yaml *network = input ? with_input(pool, file, input) : file->network;
  CU_ASSERT_EQUAL_FATAL(cvy_net_create(&net, network, 1, NULL), CVY_OK);
  CU_ASSERT_EQUAL(cvy_net_describe(net)->param_count, params);
  CU_ASSERT_EQUAL(file->recipe != NULL, strstr(path, "train") != NULL);
  cvy_net_destroy(net);
  cvy_weights_close(file);
}

static void real_networks(void) {
  const char *data = test_data("Caffe's networks and solvers");
  cvy_pool *pool = cvy_pool_create();
  for (int64_t i = 0; data && i < CVY_COUNT(real); i++)
    check_real(pool, cvy_pool_format(pool, "%s/caffe/%s", data, real[i].file), real[i].input, real[i].params);
  cvy_pool_destroy(pool);
}

/* Every prototxt there is a solver, which is read, or in the list above. */
static int64_t walk(cvy_pool *pool, const char *root, const char *folder) {
  int64_t solvers = 0;
  DIR *dir = opendir(cvy_pool_format(pool, "%s/%s", root, folder));
  for (struct dirent *entry; dir && (entry = readdir(dir));) {
    const char *name = cvy_pool_format(pool, "%s/%s", folder, entry->d_name);
    cvy_caffe_solver_result r;
    bool is_listed = false;
    if (!strstr(name, ".prototxt")) continue;
    for (int64_t i = 0; i < CVY_COUNT(real); i++) is_listed = is_listed || strcmp(real[i].file, name) == 0;
    if (is_listed) continue;
    CU_ASSERT_EQUAL(cvy_caffe_solver(&r, pool, cvy_pool_format(pool, "%s/%s", root, name), NULL, 0), CVY_OK);
    CU_ASSERT(r.recipe && r.steps > 0);
    solvers++;
  }
  if (dir) closedir(dir);
  return solvers;
}

static void every_prototxt(void) {
  const char *data = test_data("every prototxt");
  cvy_pool *pool = cvy_pool_create();
  const char *root = cvy_pool_format(pool, "%s/caffe", data ? data : "");
  int64_t solvers = 0;
  DIR *dir = data ? opendir(root) : NULL;
  for (struct dirent *entry; dir && (entry = readdir(dir));)
    if (entry->d_name[0] != '.') solvers += walk(pool, root, entry->d_name);
  if (data) CU_ASSERT_EQUAL(solvers, 14);
  if (dir) closedir(dir);
  cvy_pool_destroy(pool);
}

SUITE("caffe", TEST(texts), TEST(wrong_texts), TEST(every_layer), TEST(every_fault), TEST(faults_of_shapes),
      TEST(phases_heads_and_rates), TEST(includes_and_excludes), TEST(ends), TEST(stored_statistics),
      TEST(data_layers), TEST(older_forms), TEST(every_solver), TEST(solvers_with_networks),
      TEST(wrong_solvers), TEST(targets), TEST(lenet_of_caffe), TEST(there_and_back),
      TEST(opencv_computes_the_same), TEST(rows_behind_flatten), TEST(what_caffe_has_no_word_for),
      TEST(real_networks), TEST(every_prototxt))
