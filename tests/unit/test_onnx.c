/* Tests of ONNX: models that other programs wrote (tests/reference/onnx_models.py), models of ours read back,
 * and what is refused. tests/reference/onnxruntime.sh compares whole networks with other programs. */
#include "onnx_models.h"
#include "protobufs.h"
#include "scratch.h"
#include "suite.h"

#include "file/bytes.h"
#include "formats/onnx.h"

enum { IMAGES = 2 };

static const char *golden(cvy_pool *pool, const char *name) {
  const char *home = getenv("CONVOY_SOURCE");
  CU_ASSERT_PTR_NOT_NULL_FATAL(home);
  return cvy_pool_format(pool, "%s/tests/reference/golden/onnx/%s", home, name);
}

static const char *scratch(cvy_pool *pool, const char *name) {
  return cvy_pool_format(pool, "%s/%s", scratch_folder(), name);
}

/* ---- models of other programs ---- */

static void normalise(float *images, cvy_shape shape, const cvy_stored_input *input) {
  for (int64_t i = 0; i < cvy_shape_count(shape) && input->known; i++) {
    const int64_t c = i % shape.c;
    images[i] = (float)(((double)images[i] - input->mean[c]) / input->deviation[c]);
  }
}

/* Compares logits, or probabilities where the model ends with these. */
static void compare_outputs(cvy_net *net, const float *images, const cvy_yaml *want, bool probabilities) {
  const cvy_net_info *info = cvy_net_describe(net);
  float *logits = model_logits(net, images);
  const float *got = probabilities ? cvy_net_probabilities(net) : logits;
  CU_ASSERT_EQUAL_FATAL(want->count, IMAGES * info->score_count);
  for (int64_t i = 0; i < want->count; i++) {
    const double wanted = strtod(want->items[i]->text, NULL);
    CU_ASSERT_DOUBLE_EQUAL(got[i], wanted, 1e-5);
  }
  free(logits);
}

static void check_golden(const char *name, bool probabilities) {
  cvy_pool *pool = cvy_pool_create();
  cvy_yaml *outputs;
  cvy_weights_file *file;
  cvy_net *net = NULL;
  CU_ASSERT_EQUAL_FATAL(cvy_yaml_load(&outputs, pool, golden(pool, "outputs.yaml")), CVY_OK);
  cvy_err err = cvy_weights_open(&file, golden(pool, cvy_pool_format(pool, "%s.onnx", name)));
  if (!err) err = model_import(&net, pool, file, IMAGES);
  if (err) printf("\n    %s: %s\n", name, cvy_err_message());
  CU_ASSERT_EQUAL_FATAL(err, CVY_OK);
  float *images = model_images(net);
  normalise(images, cvy_net_describe(net)->input, &file->input);
  compare_outputs(net, images, cvy_yaml_get(outputs, name), probabilities);
  free(images);
  cvy_net_destroy(net);
  cvy_weights_close(file);
  cvy_pool_destroy(pool);
}

static void windows_and_a_flattened_map(void) {
  check_golden("windows", true);
}

static void sums_and_arithmetic(void) {
  check_golden("joints", false);
}

static void maps_with_channels_last(void) {
  check_golden("turned", true);
}

static void numbers_that_are_made(void) {
  check_golden("made", false);
}

static void written_by_pytorch(void) {
  check_golden("pytorch", false);
}

/* (2 (x - 0.1), 2 (x + 0.2)) is (x - mean) / deviation with a deviation of 1/2. */
static void arithmetic_on_the_image_is_its_mean(void) {
  cvy_pool *pool = cvy_pool_create();
  cvy_weights_file *file;
  CU_ASSERT_EQUAL_FATAL(cvy_weights_open(&file, golden(pool, "joints.onnx")), CVY_OK);
  CU_ASSERT(file->input.known && !file->input.bgr);
  CU_ASSERT_DOUBLE_EQUAL(file->input.mean[0], 0.1, 1e-7);
  CU_ASSERT_DOUBLE_EQUAL(file->input.mean[1], -0.2, 1e-7);
  CU_ASSERT_EQUAL(file->input.deviation[0], 0.5);
  CU_ASSERT_EQUAL(file->input.deviation[1], 0.5);
  cvy_weights_close(file);
  cvy_pool_destroy(pool);
}

/* ---- models of ours ---- */

/* It has every layer but the losses. */
static const char every_layer[] =
    "{name: every, input: [17, 16, 3], layers: ["
    "{conv: {filters: 8, kernel: [3, 2], padding: same, stride: 2}}, {batch_norm: {scale: false}}, "
    "{relu: {name: stem}},"
    "{lrn: {size: 3, k: 2, alpha: 0.3}}, {max_pool: {kernel: 3, stride: 2, rounding: up}},"
    "{conv: {name: b, filters: 12, kernel: 3, padding: 1, groups: 4, bias: false}},"
    "{scale: {}}, {leaky_relu: {slope: 0.3, name: c}},"
    "{average_pool: {inputs: c, kernel: 3, stride: 1, padding: 1, name: d}},"
    "{average_pool: {inputs: c, kernel: 3, stride: 1, padding: 1, count_padding: false, name: e}},"
    "{add: {inputs: [c, d, e]}}, {elu: {alpha: 0.5}}, {pad_channels: {before: 2, behind: 1, name: f}},"
    "{conv: {name: g, filters: 4, kernel: 1}}, {softmax: {name: s}}, {concat: {inputs: [s, f]}},"
    "{average_pool: {kernel: 2, stride: 3, rounding: up}}, {dropout: {}}, {flatten: {}}, "
    "{batch_norm: {name: rows}},"
    "{fc: {outputs: 20}}, {tanh: {}}, {scale: {bias: false}}, {sigmoid: {name: t}},"
    "{pad_channels: {behind: 4}}, {max_pool: {kernel: global}}, {fc: {name: u, outputs: 9}},"
    "{add: {inputs: [u, u]}}, {fc: {outputs: 6}}, {softmax_loss: {smoothing: 0.1}}]}";

/* ONNX has no operator for these. */
static const char *const unwritten[] = {"lrn_within"};

static bool is_refused(const char *type) {
  for (int64_t i = 0; i < CVY_COUNT(unwritten); i++)
    if (strcmp(unwritten[i], type) == 0) return true;
  return false;
}

static void every_layer_is_written(void) {
  for (int64_t i = 0; i < cvy_layer_type_count(); i++) {
    const cvy_layer_type *type = cvy_layer_type_at(i);
    char key[64];
    snprintf(key, sizeof key, "{%s:", type->kind->name);
    if (type->is_loss || is_refused(type->kind->name) || strstr(every_layer, key)) continue;
    printf("\n    %s is in no model that is written\n", type->kind->name);
    CU_FAIL("a layer type without a test");
  }
}

static cvy_net *plan(cvy_yaml **network, cvy_pool *pool, const char *text) {
  cvy_net *net = NULL;
  cvy_err err = cvy_yaml_parse(network, pool, text, "test");
  if (!err) err = model_plan(&net, *network, IMAGES);
  if (err) printf("\n    %s\n", cvy_err_message());
  CU_ASSERT_EQUAL_FATAL(err, CVY_OK);
  model_fill(net);
  return net;
}

/* Writes a network and reads it back; weights and logits have the same bits. */
static cvy_weights_file *there_and_back(cvy_pool *pool, const char *text, const cvy_weights_out *about) {
  cvy_yaml *network;
  cvy_net *net = plan(&network, pool, text), *back = NULL;
  cvy_weights_file *file = NULL;
  const char *path = scratch(pool, "written.onnx");
  cvy_err err = model_write(path, "onnx", pool, net, network, about);
  if (!err) err = cvy_weights_open(&file, path);
  if (!err) err = model_import(&back, pool, file, IMAGES);
  if (err) printf("\n    %s\n", cvy_err_message());
  CU_ASSERT_EQUAL_FATAL(err, CVY_OK);
  float *images = model_images(net), *a = model_logits(net, images), *b = model_logits(back, images);
  CU_ASSERT_STRING_EQUAL(cvy_net_hash(net, NULL).hex, cvy_net_hash(back, NULL).hex);
  CU_ASSERT_EQUAL(memcmp(a, b, sizeof *a * (size_t)(IMAGES * cvy_net_describe(net)->score_count)), 0);
  CU_ASSERT_EQUAL(cvy_net_describe(net)->param_tensors, cvy_net_describe(back)->param_tensors);
  free(a);
  free(b);
  free(images);
  cvy_net_destroy(net);
  cvy_net_destroy(back);
  return file;
}

static void there_and_back_again(void) {
  static const char *const networks[] = {
      every_layer,
      "{name: two, input: [8, 8, 1], layers: [{conv: {filters: 3, kernel: 3}}, {fc: {outputs: 1}}, "
      "{sigmoid_loss: {}}]}",
      "{name: many, input: [4, 4, 2], layers: [{average_pool: {kernel: global}}, "
      "{fc: {outputs: 3}}, {sigmoid_loss: {}}]}",
      "{name: direct, input: [1, 1, 5], layers: [{conv: {filters: 4, kernel: 1}}, {softmax_loss: {}}]}"};
  cvy_pool *pool = cvy_pool_create();
  for (int64_t i = 0; i < CVY_COUNT(networks); i++) {
    cvy_weights_file *file = there_and_back(pool, networks[i], NULL);
    CU_ASSERT(!file->input.known && !file->class_names && file->class_count == 0);
    cvy_weights_close(file);
  }
  cvy_pool_destroy(pool);
}

/* A loss in the middle is part of an auxiliary head, which nobody needs who uses the network. */
static void heads_are_left_out(void) {
  static const char text[] =
      "{name: heads, input: [6, 6, 3], layers: [{conv: {name: a, filters: 4, kernel: 3}},"
      "{fc: {name: aux, outputs: 5}}, {softmax_loss: {weight: 0.3}},"
      "{fc: {name: b, inputs: a, outputs: 5}}, {softmax_loss: {}}]}";
  cvy_pool *pool = cvy_pool_create();
  cvy_yaml *network;
  cvy_net *net = plan(&network, pool, text);
  cvy_weights_file *file;
  CU_ASSERT_EQUAL_FATAL(model_write(scratch(pool, "heads.onnx"), "onnx", pool, net, network, NULL), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_weights_open(&file, scratch(pool, "heads.onnx")), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(file->tensor_count, 4);
  CU_ASSERT_STRING_EQUAL(file->tensors[2].target, "b/weights");
  cvy_weights_close(file);
  cvy_net_destroy(net);
  cvy_pool_destroy(pool);
}

static void notes_travel(void) {
  static const char *const classes[] = {"cat", "K\xC3\xA4se \"1\"", ""};
  cvy_pool *pool = cvy_pool_create();
  cvy_yaml *chain;
  CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&chain, pool, "[{resize: {size: 9}}, {crop: {size: 8}}]", "test"),
                        CVY_OK);
  const cvy_weights_out about = {.input = {.known = true,
                                           .mean = {123.68, 0.1, 1e-9},
                                           .deviation = {58.393, 1, 1.0 / 3},
                                           .chain = chain},
                                 .class_count = 3,
                                 .class_names = classes};
  cvy_weights_file *file = there_and_back(
      pool, "{name: notes, input: [8, 8, 3], layers: [{fc: {outputs: 4}}, {softmax_loss: {}}]}", &about);
  CU_ASSERT(file->input.known && !file->input.bgr);
  for (int c = 0; c < 3; c++) {
    CU_ASSERT_EQUAL(file->input.mean[c], about.input.mean[c]);
    CU_ASSERT_EQUAL(file->input.deviation[c], about.input.deviation[c]);
  }
  CU_ASSERT_EQUAL_FATAL(file->class_count, 3);
  for (int k = 0; k < 3; k++) CU_ASSERT_STRING_EQUAL(file->class_names[k], classes[k]);
  CU_ASSERT_PTR_NOT_NULL_FATAL(file->input.chain);
  char *before = cvy_yaml_text(chain), *after = cvy_yaml_text(file->input.chain);
  CU_ASSERT_STRING_EQUAL(after, before);
  free(before);
  free(after);
  cvy_weights_close(file);
  cvy_pool_destroy(pool);
}

static void layers_without_an_operator(void) {
  cvy_pool *pool = cvy_pool_create();
  for (int64_t i = 0; i < CVY_COUNT(unwritten); i++) {
    cvy_yaml *network;
    cvy_net *net = plan(&network, pool,
                        cvy_pool_format(pool,
                                        "{input: [4, 4, 2], layers: [{%s: {name: x}}, {fc: {outputs: 2}}, "
                                        "{softmax_loss: {}}]}",
                                        unwritten[i]));
    const cvy_weights_out model = {.net = net, .arena = cvy_net_params(net), .network = network};
    const char *path = scratch(pool, "unwritten.onnx");
    CU_ASSERT_EQUAL(cvy_onnx_write(path, &model), CVY_E_INPUT);
    CU_ASSERT(says("layer 'x'") && says(unwritten[i]));
    CU_ASSERT(!scratch_exists(path));
    cvy_net_destroy(net);
  }
  cvy_pool_destroy(pool);
}

/* The checker of ONNX finds nothing in it, where Python has one. */
static void onnx_finds_it_sound(void) {
  cvy_pool *pool = cvy_pool_create();
  if (scratch_python_has("onnx", "the checker of ONNX")) {
    cvy_weights_close(there_and_back(pool, every_layer, NULL));
    const char *command = cvy_pool_format(
        pool,
        "/usr/bin/python3 -c 'import onnx, sys; onnx.checker.check_model(onnx.load(sys.argv[1]), "
        "full_check=True)' %s",
        scratch(pool, "written.onnx"));
    CU_ASSERT_EQUAL(system(command), 0);
  }
  cvy_pool_destroy(pool);
}

static void what_cannot_be_written(void) {
  static const struct {
    const char *network, *message;
  } cases[] = {{"{name: a, input: [9, 9, 2], layers: [{average_pool: {kernel: 3, stride: 3, padding: 1, "
                "rounding: up}},"
                "{fc: {outputs: 2}}, {softmax_loss: {}}]}",
                "layer 'pool1' (average_pool): ONNX has no operator for a mean that counts padding"},
               {"{name: a, input: [160, 160, 1], layers: [{fc: {outputs: 25000}}, {fc: {outputs: 2}}, "
                "{softmax_loss: {}}]}",
                "the model has 2.6 GB; an ONNX file holds less than 2.1"}};
  cvy_pool *pool = cvy_pool_create();
  const char *path = scratch(pool, "refused.onnx");
  for (int64_t i = 0; i < CVY_COUNT(cases); i++) {
    cvy_yaml *network;
    cvy_net *net;
    CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&network, pool, cases[i].network, "test"), CVY_OK);
    CU_ASSERT_EQUAL_FATAL(model_plan(&net, network, 1), CVY_OK);
    CU_ASSERT_EQUAL(model_write(path, "onnx", pool, net, network, NULL), CVY_E_INPUT);
    CU_ASSERT(says(cases[i].message));
    CU_ASSERT(!scratch_exists(path));
    cvy_net_destroy(net);
  }
  cvy_pool_destroy(pool);
}

/* ---- what is refused ---- */

/* A model of a few nodes, for errors. */
typedef struct made_model {
  maker graph, node;
} made_model;

static made_model made;

static void begin_node(const char *type, const char *inputs, const char *output) {
  made.node.count = 0;
  char words[200], *rest;
  snprintf(words, sizeof words, "%s", inputs);
  for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
    put_field(&made.node, NODE_INPUT, word, strlen(word));
  put_field(&made.node, NODE_OUTPUT, output, strlen(output));
  put_field(&made.node, NODE_NAME, output, strlen(output));
  put_field(&made.node, NODE_OPERATOR, type, strlen(type));
}

static void add_integers(const char *name, int count, const int64_t *integers) {
  static maker a;
  a.count = 0;
  put_field(&a, ATTRIBUTE_NAME, name, strlen(name));
  for (int i = 0; i < count; i++) put_integer(&a, count > 1 ? ATTRIBUTE_INTS : ATTRIBUTE_INT, integers[i]);
  put_field(&made.node, NODE_ATTRIBUTE, a.bytes, a.count);
}

static void add_text(const char *name, const char *text) {
  static maker a;
  a.count = 0;
  put_field(&a, ATTRIBUTE_NAME, name, strlen(name));
  put_field(&a, ATTRIBUTE_TEXT, text, strlen(text));
  put_field(&made.node, NODE_ATTRIBUTE, a.bytes, a.count);
}

static void add_real(const char *name, float number) {
  static maker a;
  a.count = 0;
  put_field(&a, ATTRIBUTE_NAME, name, strlen(name));
  put_float(&a, ATTRIBUTE_FLOAT, number);
  put_field(&made.node, NODE_ATTRIBUTE, a.bytes, a.count);
}

static void end_node(void) {
  put_field(&made.graph, GRAPH_NODE, made.node.bytes, made.node.count);
}

static void add_tensor(const char *name, int dim_count, const int64_t *dims, int place) {
  static const float numbers[64];
  static maker t;
  int64_t count = 1;
  t.count = 0;
  for (int i = 0; i < dim_count; count *= dims[i++]) put_integer(&t, TENSOR_DIMS, dims[i]);
  put_integer(&t, TENSOR_TYPE, CVY_ONNX_FLOAT);
  put_field(&t, TENSOR_NAME, name, strlen(name));
  if (place) put_integer(&t, TENSOR_PLACE, place);
  if (!place) put_field(&t, TENSOR_RAW, numbers, sizeof(float) * (size_t)count);
  put_field(&made.graph, GRAPH_INITIALIZER, t.bytes, t.count);
}

/* Adds a single number of a type, of so many bytes. */
static void add_number(const char *name, int64_t type, const void *bytes, size_t count) {
  static maker t;
  t.count = 0;
  put_integer(&t, TENSOR_DIMS, 1);
  put_integer(&t, TENSOR_TYPE, type);
  put_field(&t, TENSOR_NAME, name, strlen(name));
  if (count) put_field(&t, TENSOR_RAW, bytes, count);
  put_field(&made.graph, GRAPH_INITIALIZER, t.bytes, t.count);
}

static void add_end(uint32_t number, const char *name, int dim_count, const int64_t *dims) {
  static maker value, type, tensor, shape, dim;
  value.count = type.count = tensor.count = shape.count = 0;
  for (int i = 0; i < dim_count; i++) {
    dim.count = 0;
    put_integer(&dim, DIM_VALUE, dims[i]);
    put_field(&shape, SHAPE_DIM, dim.bytes, dim.count);
  }
  put_field(&tensor, TENSOR_TYPE_SHAPE, shape.bytes, shape.count);
  put_field(&type, TYPE_TENSOR, tensor.bytes, tensor.count);
  put_field(&value, VALUE_NAME, name, strlen(name));
  put_field(&value, VALUE_TYPE, type.bytes, type.count);
  put_field(&made.graph, number, value.bytes, value.count);
}

/* Begins a graph whose image is 3x5x5, with filters, weights and numbers a channel. */
static void begin_model(void) {
  made.graph.count = 0;
  add_end(GRAPH_INPUT, "x", 4, (const int64_t[4]){1, 3, 5, 5});
  add_end(GRAPH_OUTPUT, "y", 0, NULL);
  add_tensor("filters", 4, (const int64_t[4]){2, 3, 2, 2}, 0);
  add_tensor("thin", 4, (const int64_t[4]){2, 1, 2, 2}, 0);
  add_tensor("weights", 2, (const int64_t[2]){7, 3}, 0);
  add_tensor("channels", 3, (const int64_t[3]){3, 1, 1}, 0);
  add_tensor("endless", 4, (const int64_t[4]){0, 1LL << 62, 1, 1}, 0);
  add_number("half", CVY_ONNX_FLOAT16, "\0\x3c", 2);
  add_number("zero", CVY_ONNX_FLOAT, "\0\0\0", 4);
  add_number("word", CVY_ONNX_STRING, NULL, 0);
}

static cvy_err open_file(cvy_weights_file **file, cvy_pool *pool, const char *key, const char *metadata) {
  static maker model, opset, entry;
  const char *path = scratch(pool, "made.onnx");
  model.count = opset.count = entry.count = 0;
  put_integer(&model, MODEL_IR, 8);
  put_field(&model, MODEL_GRAPH, made.graph.bytes, made.graph.count);
  put_integer(&opset, OPSET_VERSION, 17);
  put_field(&model, MODEL_OPSET, opset.bytes, opset.count);
  if (key) {
    put_field(&entry, ENTRY_KEY, key, strlen(key));
    put_field(&entry, ENTRY_VALUE, metadata, strlen(metadata));
    put_field(&model, MODEL_METADATA, entry.bytes, entry.count);
  }
  scratch_write(path, model.bytes, model.count);
  return cvy_weights_open(file, path);
}

static cvy_err open_model(cvy_pool *pool, const char *key, const char *metadata) {
  cvy_weights_file *file;
  const cvy_err err = open_file(&file, pool, key, metadata);
  cvy_weights_close(file);
  return err;
}

typedef struct refused {
  const char *type, *inputs, *message;
  const char *name, *text; /* an attribute, of integers or a text */
  int count;
  int64_t integers[4];
} refused;

static void operators_without_a_counterpart(void) {
  static const refused cases[] = {
      {.type = "Einsum",
       .inputs = "x",
       .message = "made.onnx: Einsum 'y', which makes 'y': convoy has no layer for this operator"},
      {.type = "Conv",
       .inputs = "x filters",
       .message = "'dilations' is 2x1; convoy's windows have no gaps",
       .name = "dilations",
       .count = 2,
       .integers = {2, 1}},
      {.type = "Conv",
       .inputs = "x filters",
       .message = "gives other windows than any padding of convoy",
       .name = "pads",
       .count = 4,
       .integers = {2, 0, 0, 0}},
      {.type = "Conv",
       .inputs = "x filters",
       .message = "'auto_pad' is 'LEFT'",
       .name = "auto_pad",
       .text = "LEFT"},
      {.type = "Conv",
       .inputs = "x filters",
       .message = "its attribute 'wings' is not known",
       .name = "wings",
       .text = "2"},
      {.type = "Conv",
       .inputs = "x filters",
       .message = "'strides' is 0; expected 1 to 65535",
       .name = "strides",
       .count = 2,
       .integers = {1, 0}},
      {.type = "Conv",
       .inputs = "x filters",
       .message = "'pads' has 2 numbers, not 4",
       .name = "pads",
       .count = 2,
       .integers = {1, 1}},
      {.type = "Conv",
       .inputs = "x thin",
       .message = "filters of 1 channels in 1 groups do not suit a map of 3 channels"},
      {.type = "Conv",
       .inputs = "x endless",
       .message = "in 3 groups do not suit a map of 3 channels",
       .name = "group",
       .count = 1,
       .integers = {3}},
      {.type = "Sub", .inputs = "x word", .message = "the constant 'word' is not finite"},
      {.type = "Div", .inputs = "x zero", .message = "the constant 'zero' is not finite"},
      {.type = "Conv",
       .inputs = "x weights",
       .message = "its filters have 2 dimensions; convoy convolves in two dimensions, with 4"},
      {.type = "Conv", .inputs = "x nobody", .message = "its filters have to be a constant"},
      {.type = "Sum", .inputs = "x nobody", .message = "it reads 'nobody', which nothing above it makes"},
      {.type = "Sum", .inputs = "x filters", .message = "it reads the constant 'filters'"},
      {.type = "MaxPool", .inputs = "x", .message = "it has no kernel_shape"},
      {.type = "MaxPool",
       .inputs = "x",
       .message = "a window of 9 on 5 pixels with 0 of padding",
       .name = "kernel_shape",
       .count = 2,
       .integers = {9, 2}},
      {.type = "Gemm",
       .inputs = "x weights",
       .message = "it multiplies a map; convoy multiplies rows of numbers"},
      {.type = "Mul", .inputs = "x x", .message = "of two maps convoy has the sum alone"},
      {.type = "Add",
       .inputs = "x weights",
       .message = "the constant 'weights' has not one number for each of 3 channels"},
      {.type = "Concat",
       .inputs = "x x",
       .message = "it joins along axis 2; convoy joins along the channels",
       .name = "axis",
       .count = 1,
       .integers = {2}},
      {.type = "Transpose",
       .inputs = "x",
       .message = "an order of dimensions that convoy does not have",
       .name = "perm",
       .count = 4,
       .integers = {1, 0, 2, 3}},
      {.type = "Pad",
       .inputs = "x",
       .message = "padding of mode 'reflect' has no counterpart",
       .name = "mode",
       .text = "reflect"},
      {.type = "Pad", .inputs = "x", .message = "expected two numbers of zeros for each dimension"},
      {.type = "Clip", .inputs = "x", .message = "convoy's relu cuts off below 0 alone"},
      {.type = "ReduceMean",
       .inputs = "x",
       .message = "convoy has the mean over height and width alone",
       .name = "axes",
       .count = 2,
       .integers = {1, 2}},
      {.type = "BatchNormalization",
       .inputs = "x channels",
       .message = "its bias has to be a constant of 3 numbers"},
      {.type = "Softmax",
       .inputs = "x",
       .message = "it works along axis 3; convoy's works along the channels"},
      {.type = "Reshape", .inputs = "x weights", .message = "numbers; at most 8 are expected"},
      {.type = "Relu",
       .inputs = "x",
       .message = "made.onnx: output 'y' is a map of 5x5; expected one score for each class"}};
  cvy_pool *pool = cvy_pool_create();
  for (int64_t i = 0; i < CVY_COUNT(cases); i++) {
    const refused *c = &cases[i];
    begin_model();
    begin_node(c->type, c->inputs, "y");
    if (c->count) add_integers(c->name, c->count, c->integers);
    if (c->text) add_text(c->name, c->text);
    end_node();
    CU_ASSERT_EQUAL(open_model(pool, NULL, NULL), CVY_E_INPUT);
    CU_ASSERT(says(c->message));
  }
  cvy_pool_destroy(pool);
}

static void put_row(void) {
  begin_node("GlobalAveragePool", "x", "m");
  end_node();
  begin_node("Flatten", "m", "f");
  end_node();
}

static void put_sound_nodes(void) {
  put_row();
  begin_node("Gemm", "f weights", "y");
  add_integers("transB", 1, (const int64_t[1]){1});
  end_node();
}

/* Constants of one number become a number for each channel, which is computed. */
static void numbers_that_cannot_be_made(void) {
  static const char *const cases[][3] = {{"Mul", "f half", "constant 'half' of layer 'y': number 0"},
                                         {"Div", "f zero", "constant 'zero' of layer 'y': number 0"},
                                         {"Add", "f word", "constant 'word' of layer 'y': number 0"}};
  cvy_pool *pool = cvy_pool_create();
  for (int64_t i = 0; i < CVY_COUNT(cases); i++) {
    begin_model();
    put_row();
    begin_node(cases[i][0], cases[i][1], "y");
    end_node();
    CU_ASSERT_EQUAL(open_model(pool, NULL, NULL), CVY_E_INPUT);
    CU_ASSERT(says(cases[i][2]));
  }
  cvy_pool_destroy(pool);
}

/* A factor of 0 leaves the bias out; it is not the factor 1 of a tensor that has none. */
static void a_gemm_of_nothing(void) {
  cvy_pool *pool = cvy_pool_create();
  cvy_weights_file *file;
  for (int with_beta = 0; with_beta < 2; with_beta++) {
    begin_model();
    add_tensor("sevens", 1, (const int64_t[1]){7}, 0);
    put_row();
    begin_node("Gemm", "f weights sevens", "y");
    add_integers("transB", 1, (const int64_t[1]){1});
    if (with_beta) add_real("beta", 0);
    end_node();
    CU_ASSERT_EQUAL_FATAL(open_file(&file, pool, NULL, NULL), CVY_OK);
    char *text = cvy_yaml_text(file->network);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, with_beta ? "bias: false" : "bias: true"));
    free(text);
    cvy_weights_close(file);
  }
  begin_model();
  put_row();
  begin_node("Gemm", "f weights", "y");
  add_real("alpha", 0);
  end_node();
  CU_ASSERT_EQUAL(open_model(pool, NULL, NULL), CVY_E_INPUT);
  CU_ASSERT(says("'alpha' is 0, 'beta' is 1; nobody computes so"));
  cvy_pool_destroy(pool);
}

static void graphs_that_are_none(void) {
  cvy_pool *pool = cvy_pool_create();
  begin_model();
  put_sound_nodes();
  CU_ASSERT_EQUAL(open_model(pool, NULL, NULL), CVY_OK);
  add_end(GRAPH_OUTPUT, "z", 0, NULL);
  CU_ASSERT_EQUAL(open_model(pool, NULL, NULL), CVY_E_INPUT);
  CU_ASSERT(says("no node makes the output 'z'"));
  begin_node("Relu", "x", "z");
  end_node();
  CU_ASSERT_EQUAL(open_model(pool, NULL, NULL), CVY_E_INPUT);
  CU_ASSERT(says("outputs 'y' and 'z' are different things"));
  begin_node("Tanh", "x", "z");
  end_node();
  CU_ASSERT_EQUAL(open_model(pool, NULL, NULL), CVY_E_INPUT);
  CU_ASSERT(says("two nodes make 'z'"));
  begin_model();
  add_tensor("far", 1, (const int64_t[1]){3}, 1);
  CU_ASSERT_EQUAL(open_model(pool, NULL, NULL), CVY_E_INPUT);
  CU_ASSERT(says("tensor 'far': its numbers are in another file"));
  made.graph.count = 0;
  add_end(GRAPH_INPUT, "x", 4, (const int64_t[4]){1, 3, 0, 0});
  add_end(GRAPH_OUTPUT, "y", 0, NULL);
  begin_node("Relu", "x", "y");
  end_node();
  CU_ASSERT_EQUAL(open_model(pool, NULL, NULL), CVY_E_INPUT);
  CU_ASSERT(says("input 'x' does not say how large images are"));
  cvy_pool_destroy(pool);
}

static void notes_that_are_wrong(void) {
  static const char *const cases[][3] = {
      {"convoy.mean", "1,2,3", "made.onnx: its notes of mean and deviation: expected 3 numbers each"},
      {"convoy.mean", "1;2", "made.onnx: note 'convoy.mean': expected numbers with commas between"},
      {"convoy.prepared", "16x", "made.onnx: note 'convoy.prepared': expected HEIGHTxWIDTH or one number"},
      {"convoy.classes", "{}", "made.onnx: note 'convoy.classes': expected a list of names in JSON"},
      {CVY_ONNX_CONSTANTS, "[3]", "made.onnx: note 'convoy.constants': expected a list of names in JSON"}};
  cvy_pool *pool = cvy_pool_create();
  for (int64_t i = 0; i < CVY_COUNT(cases); i++) {
    begin_model();
    put_sound_nodes();
    CU_ASSERT_EQUAL(open_model(pool, cases[i][0], cases[i][1]), CVY_E_INPUT);
    CU_ASSERT(says(cases[i][2]));
  }
  cvy_pool_destroy(pool);
}

/* ---- a real one ---- */

/* CNTK's model takes samples from 0 to 255. PyTorch, with its weights, is right 9,891 times as well, and no
 * picture differs. */
static void digits_by_cntk(void) {
  enum { TEST = 10000, SIDE = 28, PASS = 50, RIGHT = 9891 };
  const char *data = test_data("MNIST by CNTK's ONNX model");
  if (!data) return;
  cvy_pool *pool = cvy_pool_create();
  cvy_bytes pictures = {0}, labels = {0};
  cvy_weights_file *file;
  cvy_net *net;
  CU_ASSERT_EQUAL_FATAL(
      cvy_bytes_read(&pictures, cvy_pool_format(pool, "%s/mnist/t10k-images-idx3-ubyte.gz", data)), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(
      cvy_bytes_read(&labels, cvy_pool_format(pool, "%s/mnist/t10k-labels-idx1-ubyte.gz", data)), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_weights_open(&file, cvy_pool_format(pool, "%s/weights/mnist.onnx", data)),
                        CVY_OK);
  CU_ASSERT_EQUAL_FATAL(model_import(&net, pool, file, PASS), CVY_OK);
  float *images = malloc(sizeof *images * PASS * SIDE * SIDE);
  int64_t right = 0;
  for (int64_t first = 0; first < TEST; first += PASS) {
    for (int64_t i = 0; i < PASS * SIDE * SIDE; i++)
      images[i] = (float)pictures.data[16 + first * SIDE * SIDE + i];
    float *logits = model_logits(net, images);
    for (int64_t n = 0; n < PASS; n++) {
      int64_t best = 0;
      for (int64_t k = 1; k < 10; k++)
        if (logits[10 * n + k] > logits[10 * n + best]) best = k;
      right += best == labels.data[8 + first + n];
    }
    free(logits);
  }
  CU_ASSERT_EQUAL(right, RIGHT);
  free(images);
  cvy_net_destroy(net);
  cvy_weights_close(file);
  cvy_bytes_free(&pictures);
  cvy_bytes_free(&labels);
  cvy_pool_destroy(pool);
}

SUITE("onnx", TEST(windows_and_a_flattened_map), TEST(sums_and_arithmetic), TEST(maps_with_channels_last),
      TEST(numbers_that_are_made), TEST(written_by_pytorch), TEST(arithmetic_on_the_image_is_its_mean),
      TEST(every_layer_is_written), TEST(layers_without_an_operator), TEST(there_and_back_again),
      TEST(heads_are_left_out), TEST(notes_travel), TEST(onnx_finds_it_sound), TEST(what_cannot_be_written),
      TEST(operators_without_a_counterpart), TEST(numbers_that_cannot_be_made), TEST(a_gemm_of_nothing),
      TEST(graphs_that_are_none), TEST(notes_that_are_wrong), TEST(digits_by_cntk))
