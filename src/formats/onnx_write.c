/* Writes a model as ONNX, opset 13: one input, "images" ([N][C][H][W] in float32), and two outputs, "logits"
 * and "probabilities" ([N][classes]). Nodes are called as the layers, initializers as the tensors. Layers
 * that only training has, dropout and auxiliary heads, are left out.
 *
 * A message's length stands before it. So nodes are put together in memory, and the length of weights is
 * worked out, before the first byte is written. The opset, without which no model is whole, comes last. So a
 * file that was cut short is found out. */
#include "formats/onnx.h"

#include "base/yaml.h"
#include "file/whole.h"
#include "formats/notes.h"
#include "formats/tensor_layout.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { IR_VERSION = 7, OPSET = 13, ATTRIBUTE_IS_FLOAT = 1, ATTRIBUTE_IS_INT = 2, ATTRIBUTE_IS_INTS = 7 };
enum { MOST_BYTES = INT32_MAX /* of a protocol buffer */ };

/* ---- protocol buffers ---- */

static void put_varint(FILE *out, uint64_t value) {
  for (; value > 127; value >>= 7) fputc((int)(value & 127) | 128, out);
  fputc((int)value, out);
}

static int64_t varint_bytes(uint64_t value) {
  int64_t count = 1;
  for (; value > 127; value >>= 7) count++;
  return count;
}

static void put_integer(FILE *out, uint32_t number, int64_t value) {
  put_varint(out, number << 3);
  put_varint(out, (uint64_t)value);
}

static void put_length(FILE *out, uint32_t number, int64_t count) {
  put_varint(out, number << 3 | 2);
  put_varint(out, (uint64_t)count);
}

static int64_t length_bytes(uint32_t number, int64_t count) {
  return varint_bytes(number << 3 | 2) + varint_bytes((uint64_t)count);
}

static void put_bytes(FILE *out, uint32_t number, const void *bytes, size_t count) {
  put_length(out, number, (int64_t)count);
  fwrite(bytes, 1, count, out);
}

static void put_text(FILE *out, uint32_t number, const char *text) {
  put_bytes(out, number, text, strlen(text));
}

/* Ends a message that was put together in memory, and puts it into another. */
static void put_message(FILE *out, uint32_t number, cvy_text_stream *message) {
  size_t count;
  char *bytes = cvy_text_stream_end(message, &count);
  put_bytes(out, number, bytes, count);
  free(bytes);
}

/* ---- the model, as it grows ---- */

/* An initializer: a tensor of the net, one number many times, or a few integers. */
typedef struct item {
  const char *name;
  int64_t param; /* -1: it is none of the net's */
  cvy_tensor_layout layout;
  int dim_count;
  int64_t dims[4], count;
  float fill;
  bool is_integer;
  int64_t integers[8];
} item;

/* What a layer gives, as the graph has it. */
typedef struct value {
  const char *name;
  bool is_row; /* [N][C]; else [N][C][H][W] */
  cvy_shape shape;
} value;

typedef struct writer {
  const char *path;
  const cvy_weights_out *model;
  const cvy_net_info *info;
  cvy_pool *pool;
  cvy_text_stream nodes;
  value *values; /* [layers] */
  value image;
  item *items;
  int64_t item_count;
  int64_t constant_count;
  const char **constants;
} writer;

/* The layer that is being written. */
typedef struct layer {
  const cvy_net_layer *of;
  const cvy_yaml *options;
  value x, *y;
} layer;

static cvy_err no_word(const writer *w, const cvy_net_layer *l, const char *what) {
  return cvy_error(CVY_E_INPUT, "%s: layer '%s' (%s): ONNX has no operator for %s", w->path, l->name, l->type,
                   what);
}

/* ---- nodes ---- */

typedef struct node {
  writer *w;
  cvy_text_stream bytes;
} node;

static void begin_node(node *n, writer *w, const char *type, const char *name, const char *output) {
  n->w = w;
  cvy_text_stream_begin(&n->bytes);
  put_text(n->bytes.out, NODE_OUTPUT, output);
  put_text(n->bytes.out, NODE_NAME, name);
  put_text(n->bytes.out, NODE_OPERATOR, type);
}

static void add_input(node *n, const char *name) {
  put_text(n->bytes.out, NODE_INPUT, name);
}

static void end_node(node *n) {
  put_message(n->w->nodes.out, GRAPH_NODE, &n->bytes);
}

static void begin_attribute(cvy_text_stream *a, const char *name, int type) {
  cvy_text_stream_begin(a);
  put_text(a->out, ATTRIBUTE_NAME, name);
  put_integer(a->out, ATTRIBUTE_TYPE, type);
}

static void add_integer(node *n, const char *name, int64_t integer) {
  cvy_text_stream a;
  begin_attribute(&a, name, ATTRIBUTE_IS_INT);
  put_integer(a.out, ATTRIBUTE_INT, integer);
  put_message(n->bytes.out, NODE_ATTRIBUTE, &a);
}

static void add_integers(node *n, const char *name, const int64_t *integers, int count) {
  cvy_text_stream a;
  begin_attribute(&a, name, ATTRIBUTE_IS_INTS);
  for (int i = 0; i < count; i++) put_integer(a.out, ATTRIBUTE_INTS, integers[i]);
  put_message(n->bytes.out, NODE_ATTRIBUTE, &a);
}

static void add_real(node *n, const char *name, double number) {
  cvy_text_stream a;
  begin_attribute(&a, name, ATTRIBUTE_IS_FLOAT);
  const float single = (float)number;
  put_varint(a.out, ATTRIBUTE_FLOAT << 3 | 5);
  fwrite(&single, 1, sizeof single, a.out);
  put_message(n->bytes.out, NODE_ATTRIBUTE, &a);
}

/* Layers' names have no '/' in them, so names with one are free. */
static const char *beside(const writer *w, const char *name, const char *what) {
  return cvy_pool_format(w->pool, "%s/%s", name, what);
}

/* ---- initializers ---- */

static item *new_item(writer *w, const char *name) {
  item *i = &w->items[w->item_count++];
  *i = (item){.name = name, .param = -1};
  return i;
}

/* Returns the index of a layer's tensor; -1 if it has none of that name. */
static int64_t find_param(const writer *w, const cvy_net_layer *l, const char *tensor) {
  for (int64_t i = 0; i < w->info->param_tensors; i++)
    if (&w->info->layers[w->info->params[i].layer] == l && strcmp(w->info->params[i].spec->name, tensor) == 0)
      return i;
  return -1;
}

/* Adds a layer's tensor, in the order of ONNX. */
static cvy_err add_param(const char **name, writer *w, const layer *l, const char *tensor) {
  const cvy_tensor_rules rules = {.bgr = w->model->input.bgr};
  const int64_t index = find_param(w, l->of, tensor);
  *name = NULL;
  if (index < 0) return CVY_OK;
  const cvy_net_param *p = &w->info->params[index];
  item *i = new_item(w, *name = w->model->names ? w->model->names[index] : p->name);
  CVY_TRY_IN(cvy_tensor_layout_of(&i->layout, w->pool, w->model->net, index, &rules), "%s", w->path);
  i->param = index;
  i->count = p->count;
  i->dim_count = i->layout.shape_count;
  memcpy(i->dims, i->layout.shape, sizeof i->dims);
  return CVY_OK;
}

/* Adds `count` times the same number, which is no parameter of the network. */
static const char *add_constant(writer *w, const char *name, float fill, int64_t count) {
  item *i = new_item(w, name);
  i->fill = fill;
  i->count = i->dims[0] = count;
  i->dim_count = 1;
  w->constants[w->constant_count++] = name;
  return name;
}

static const char *add_numbers(writer *w, const char *name, const int64_t *integers, int count) {
  item *i = new_item(w, name);
  i->is_integer = true;
  i->count = i->dims[0] = count;
  i->dim_count = 1;
  memcpy(i->integers, integers, sizeof *integers * (size_t)count);
  return name;
}

/* ---- rows and maps ---- */

/* Makes a row of a map: channel after channel, which the layout of weights knows. */
static void take_row(writer *w, const char *name, value *x) {
  if (x->is_row) return;
  node n;
  begin_node(&n, w, "Flatten", beside(w, name, "flatten"), beside(w, name, "row"));
  add_input(&n, x->name);
  add_integer(&n, "axis", 1);
  end_node(&n);
  x->name = beside(w, name, "row");
  x->is_row = true;
}

static void take_map(writer *w, const char *name, value *x) {
  static const int64_t shape[4] = {0, -1, 1, 1};
  if (!x->is_row) return;
  node n;
  begin_node(&n, w, "Reshape", beside(w, name, "reshape"), beside(w, name, "map"));
  add_input(&n, x->name);
  add_input(&n, add_numbers(w, beside(w, name, "shape"), shape, 4));
  end_node(&n);
  x->name = beside(w, name, "map");
  x->is_row = false;
}

static double real_of(const layer *l, const char *key) {
  const cvy_yaml *option = cvy_yaml_get(l->options, key);
  CVY_CHECK(option, "a resolved layer without '%s'", key);
  return strtod(option->text, NULL);
}

static int64_t integer_of(const layer *l, const char *key) {
  const cvy_yaml *option = cvy_yaml_get(l->options, key);
  CVY_CHECK(option, "a resolved layer without '%s'", key);
  return strtoll(option->text, NULL, 10);
}

static bool bool_of(const layer *l, const char *key) {
  return strcmp(cvy_yaml_get(l->options, key)->text, "true") == 0;
}

/* ---- windows ---- */

typedef struct pads {
  int64_t of[4]; /* top, left, bottom, right */
} pads;

/* Finds the zeros of a convolution: those behind may be more than any window reaches. */
static pads pads_of_conv(const layer *l) {
  const cvy_sliding *s = &l->of->sliding;
  const int64_t in[2] = {l->x.shape.h, l->x.shape.w}, out[2] = {l->of->y.h, l->of->y.w};
  pads p = {{0}};
  for (int i = 0; i < 2; i++) {
    const int64_t needed = (out[i] - 1) * s->stride[i] + s->kernel[i] - in[i], all = needed > 0 ? needed : 0;
    const bool same = s->padding[i] == CVY_PADDING_SAME;
    p.of[i] = same ? all / 2 : s->padding[i] == CVY_PADDING_VALID ? 0 : s->padding[i];
    p.of[2 + i] = same ? all - all / 2 : p.of[i];
  }
  return p;
}

/* Finds the padding of a pooling, *is_even if it is the same on both sides: as much behind as gives the same
 * windows when sizes are rounded down, which all programs agree on. */
static pads pads_of_pool(bool *is_even, const layer *l) {
  const cvy_sliding *s = &l->of->sliding;
  const int64_t in[2] = {l->x.shape.h, l->x.shape.w}, out[2] = {l->of->y.h, l->of->y.w};
  pads p = {{0}};
  *is_even = true;
  for (int i = 0; i < 2; i++) {
    const int64_t before = s->padding[i],
                  needed = (out[i] - 1) * s->stride[i] + s->kernel[i] - in[i] - before;
    const bool even = (in[i] + 2 * before - s->kernel[i]) / s->stride[i] + 1 == out[i] &&
                      in[i] + 2 * before >= s->kernel[i];
    p.of[i] = before;
    p.of[2 + i] = even ? before : needed > 0 ? needed : 0;
    *is_even = *is_even && even;
  }
  return p;
}

static void add_window(node *n, const layer *l, const pads *p) {
  add_integers(n, "kernel_shape", l->of->sliding.kernel, 2);
  add_integers(n, "strides", l->of->sliding.stride, 2);
  add_integers(n, "pads", p->of, 4);
}

static cvy_err write_conv(writer *w, layer *l) {
  const char *weights, *bias;
  const pads p = pads_of_conv(l);
  take_map(w, l->of->name, &l->x);
  CVY_TRY(add_param(&weights, w, l, "weights"));
  CVY_TRY(add_param(&bias, w, l, "bias"));
  node n;
  begin_node(&n, w, "Conv", l->of->name, l->y->name);
  add_input(&n, l->x.name);
  add_input(&n, weights);
  if (bias) add_input(&n, bias);
  add_window(&n, l, &p);
  add_integer(&n, "group", integer_of(l, "groups"));
  end_node(&n);
  return CVY_OK;
}

/* Puts zeros around a map. That they count in a mean is then what all programs agree on: OpenCV 4.6 does not
 * look at count_include_pad. */
static void pad_map(writer *w, layer *l, pads *p) {
  const int64_t zeros[8] = {0, 0, p->of[0], p->of[1], 0, 0, p->of[2], p->of[3]};
  node n;
  begin_node(&n, w, "Pad", beside(w, l->of->name, "pad"), beside(w, l->of->name, "padded"));
  add_input(&n, l->x.name);
  add_input(&n, add_numbers(w, beside(w, l->of->name, "zeros"), zeros, 8));
  end_node(&n);
  l->x.name = beside(w, l->of->name, "padded");
  *p = (pads){{0}};
}

static cvy_err write_pool(writer *w, layer *l) {
  const bool is_mean = l->of->type[0] == 'a', counts = is_mean && bool_of(l, "count_padding");
  const int64_t *kernel = l->of->sliding.kernel, *padding = l->of->sliding.padding;
  bool is_even;
  pads p = pads_of_pool(&is_even, l);
  const bool padded = padding[0] + padding[1] > 0;
  take_map(w, l->of->name, &l->x);
  if (kernel[0] == l->x.shape.h && kernel[1] == l->x.shape.w && !padded) {
    node n;
    begin_node(&n, w, is_mean ? "GlobalAveragePool" : "GlobalMaxPool", l->of->name, l->y->name);
    add_input(&n, l->x.name);
    end_node(&n);
    return CVY_OK;
  }
  if (counts && padded && !is_even)
    return no_word(w, l->of, "a mean that counts padding and whose last window reaches beyond it");
  if (counts && padded) pad_map(w, l, &p);
  node n;
  begin_node(&n, w, is_mean ? "AveragePool" : "MaxPool", l->of->name, l->y->name);
  add_input(&n, l->x.name);
  add_window(&n, l, &p);
  end_node(&n);
  return CVY_OK;
}

static cvy_err write_pad_channels(writer *w, layer *l) {
  const int64_t before = integer_of(l, "before"), behind = integer_of(l, "behind");
  const int64_t map[8] = {0, before, 0, 0, 0, behind, 0, 0}, row[4] = {0, before, 0, behind};
  l->y->is_row = l->x.is_row;
  const char *zeros = add_numbers(w, beside(w, l->of->name, "zeros"), l->x.is_row ? row : map,
                                  l->x.is_row ? 4 : 8);
  node n;
  begin_node(&n, w, "Pad", l->of->name, l->y->name);
  add_input(&n, l->x.name);
  add_input(&n, zeros);
  end_node(&n);
  return CVY_OK;
}

/* ---- other layers ---- */

static cvy_err write_fc(writer *w, layer *l) {
  const char *weights, *bias;
  take_row(w, l->of->name, &l->x);
  CVY_TRY(add_param(&weights, w, l, "weights"));
  CVY_TRY(add_param(&bias, w, l, "bias"));
  node n;
  begin_node(&n, w, "Gemm", l->of->name, l->y->name);
  add_input(&n, l->x.name);
  add_input(&n, weights);
  if (bias) add_input(&n, bias);
  add_integer(&n, "transB", 1);
  end_node(&n);
  l->y->is_row = true;
  return CVY_OK;
}

static cvy_err write_batch_norm(writer *w, layer *l) {
  static const char *const tensors[] = {"scale", "bias", "mean", "variance"};
  const char *names[4];
  for (int i = 0; i < 4; i++) {
    CVY_TRY(add_param(&names[i], w, l, tensors[i]));
    if (!names[i])
      names[i] = add_constant(w, beside(w, beside(w, l->of->name, "constant"), tensors[i]), i == 0 ? 1 : 0,
                              l->of->y.c);
  }
  node n;
  begin_node(&n, w, "BatchNormalization", l->of->name, l->y->name);
  add_input(&n, l->x.name);
  for (int i = 0; i < 4; i++) add_input(&n, names[i]);
  add_real(&n, "epsilon", real_of(l, "epsilon"));
  add_real(&n, "momentum", 1 - real_of(l, "momentum"));
  end_node(&n);
  l->y->is_row = l->x.is_row;
  return CVY_OK;
}

/* A product and a sum, whose constants are [C][1][1] where they meet a map. */
static cvy_err write_scale(writer *w, layer *l) {
  const char *names[2], *tensors[] = {"scale", "bias"};
  for (int i = 0; i < 2; i++) {
    CVY_TRY(add_param(&names[i], w, l, tensors[i]));
    if (!names[i] || l->x.is_row) continue;
    item *last = &w->items[w->item_count - 1];
    last->dim_count = 3;
    last->dims[1] = last->dims[2] = 1;
  }
  const char *product = names[1] ? beside(w, l->of->name, "product") : l->y->name;
  node n;
  begin_node(&n, w, "Mul", l->of->name, product);
  add_input(&n, l->x.name);
  add_input(&n, names[0]);
  end_node(&n);
  if (names[1]) {
    begin_node(&n, w, "Add", beside(w, l->of->name, "sum"), l->y->name);
    add_input(&n, product);
    add_input(&n, names[1]);
    end_node(&n);
  }
  l->y->is_row = l->x.is_row;
  return CVY_OK;
}

static cvy_err write_lrn(writer *w, layer *l) {
  take_map(w, l->of->name, &l->x);
  node n;
  begin_node(&n, w, "LRN", l->of->name, l->y->name);
  add_input(&n, l->x.name);
  add_integer(&n, "size", integer_of(l, "size"));
  add_real(&n, "alpha", real_of(l, "alpha"));
  add_real(&n, "beta", real_of(l, "beta"));
  add_real(&n, "bias", real_of(l, "k"));
  end_node(&n);
  return CVY_OK;
}

static const struct {
  const char *type, *word, *option, *attribute;
} simple[] = {{"relu", "Relu", NULL, NULL},       {"leaky_relu", "LeakyRelu", "slope", "alpha"},
              {"elu", "Elu", "alpha", "alpha"},   {"tanh", "Tanh", NULL, NULL},
              {"sigmoid", "Sigmoid", NULL, NULL}, {"softmax", "Softmax", NULL, NULL}};

static cvy_err write_simple(writer *w, layer *l) {
  int64_t at = 0;
  while (strcmp(simple[at].type, l->of->type) != 0) at++;
  node n;
  begin_node(&n, w, simple[at].word, l->of->name, l->y->name);
  add_input(&n, l->x.name);
  if (simple[at].option) add_real(&n, simple[at].attribute, real_of(l, simple[at].option));
  if (strcmp(l->of->type, "softmax") == 0) add_integer(&n, "axis", 1);
  end_node(&n);
  l->y->is_row = l->x.is_row;
  return CVY_OK;
}

static const value *value_of(const writer *w, int64_t layer_index) {
  return layer_index < 0 ? &w->image : &w->values[layer_index];
}

/* The inputs of a sum or of a concatenation are all rows or all maps. */
static cvy_err write_joint(writer *w, layer *l) {
  const bool is_sum = strcmp(l->of->type, "add") == 0;
  value inputs[CVY_MAX_INPUTS];
  bool any_row = false;
  for (int64_t i = 0; i < l->of->input_count; i++) {
    inputs[i] = *value_of(w, l->of->inputs[i]);
    any_row = any_row || inputs[i].is_row;
  }
  for (int64_t i = 0; any_row && i < l->of->input_count; i++)
    take_row(w, cvy_pool_format(w->pool, "%s/%" PRId64, l->of->name, i), &inputs[i]);
  node n;
  begin_node(&n, w, !is_sum ? "Concat" : l->of->input_count == 2 ? "Add" : "Sum", l->of->name, l->y->name);
  for (int64_t i = 0; i < l->of->input_count; i++) add_input(&n, inputs[i].name);
  if (!is_sum) add_integer(&n, "axis", 1);
  end_node(&n);
  l->y->is_row = any_row;
  return CVY_OK;
}

static cvy_err write_flatten(writer *w, layer *l) {
  take_row(w, l->of->name, &l->x);
  l->y->name = l->x.name;
  l->y->is_row = true;
  return CVY_OK;
}

static cvy_err write_nothing(writer *w, layer *l) {
  (void)w;
  l->y->name = l->x.name;
  l->y->is_row = l->x.is_row;
  return CVY_OK;
}

static const struct {
  const char *type;
  cvy_err (*write)(writer *w, layer *l);
} types[] = {{"conv", write_conv},         {"fc", write_fc},           {"max_pool", write_pool},
             {"average_pool", write_pool}, {"relu", write_simple},     {"leaky_relu", write_simple},
             {"elu", write_simple},        {"tanh", write_simple},     {"sigmoid", write_simple},
             {"softmax", write_simple},    {"dropout", write_nothing}, {"batch_norm", write_batch_norm},
             {"scale", write_scale},       {"lrn", write_lrn},         {"add", write_joint},
             {"concat", write_joint},      {"flatten", write_flatten}, {"pad_channels", write_pad_channels}};

static const cvy_yaml *options_of(const writer *w, const char *name) {
  const cvy_yaml *layers = cvy_yaml_get(w->model->network, "layers");
  for (int64_t i = 0; i < layers->count; i++) {
    const cvy_yaml *options = layers->items[i]->items[0];
    if (strcmp(cvy_yaml_get(options, "name")->text, name) == 0) return options;
  }
  return NULL;
}

static cvy_err write_layer(writer *w, int64_t index) {
  const cvy_net_layer *of = &w->info->layers[index];
  layer l = {
      .of = of, .options = options_of(w, of->name), .x = *value_of(w, of->inputs[0]), .y = &w->values[index]};
  CVY_CHECK(l.options, "the description has no layer '%s'", of->name);
  *l.y = (value){.name = beside(w, of->name, "output"), .shape = of->y};
  for (int64_t i = 0; i < CVY_COUNT(types); i++)
    if (strcmp(types[i].type, of->type) == 0) return types[i].write(w, &l);
  return no_word(w, of, "it");
}

/* ---- the graph ---- */

/* The last layer is the loss. It reads the logits; what it makes of them are probabilities. */
static void write_end(writer *w) {
  const cvy_net_layer *loss = &w->info->layers[w->info->layer_count - 1];
  const bool sigmoid = strcmp(loss->type, "sigmoid_loss") == 0;
  const value *scores = value_of(w, loss->inputs[0]);
  node n;
  begin_node(&n, w, scores->is_row ? "Identity" : "Flatten", "logits", "logits");
  add_input(&n, scores->name);
  if (!scores->is_row) add_integer(&n, "axis", 1);
  end_node(&n);
  begin_node(&n, w, sigmoid ? "Sigmoid" : "Softmax", loss->name, "probabilities");
  add_input(&n, "logits");
  if (!sigmoid) add_integer(&n, "axis", 1);
  end_node(&n);
}

static void put_dim(FILE *out, int64_t dim) {
  cvy_text_stream m;
  cvy_text_stream_begin(&m);
  if (dim < 0)
    put_text(m.out, DIM_PARAM, "N");
  else
    put_integer(m.out, DIM_VALUE, dim);
  put_message(out, SHAPE_DIM, &m);
}

static void put_value(FILE *out, uint32_t number, const char *name, const int64_t *dims, int count) {
  cvy_text_stream info, type, tensor, shape;
  cvy_text_stream_begin(&info);
  cvy_text_stream_begin(&type);
  cvy_text_stream_begin(&tensor);
  cvy_text_stream_begin(&shape);
  for (int i = 0; i < count; i++) put_dim(shape.out, dims[i]);
  put_integer(tensor.out, TENSOR_TYPE_ELEMENT, CVY_ONNX_FLOAT);
  put_message(tensor.out, TENSOR_TYPE_SHAPE, &shape);
  put_message(type.out, TYPE_TENSOR, &tensor);
  put_text(info.out, VALUE_NAME, name);
  put_message(info.out, VALUE_TYPE, &type);
  put_message(out, number, &info);
}

static void put_ends(FILE *out, const writer *w) {
  const cvy_shape x = w->info->input;
  const int64_t images[4] = {-1, x.c, x.h, x.w}, scores[2] = {-1, w->info->score_count};
  put_value(out, GRAPH_INPUT, "images", images, 4);
  put_value(out, GRAPH_OUTPUT, "logits", scores, 2);
  put_value(out, GRAPH_OUTPUT, "probabilities", scores, 2);
}

/* ---- weights ---- */

static int64_t raw_bytes(const item *i) {
  return i->count * (i->is_integer ? (int64_t)sizeof(int64_t) : (int64_t)sizeof(float));
}

/* Puts all of a tensor but its values; `raw` is the field that they are. */
static void put_head(FILE *out, const item *i) {
  for (int k = 0; k < i->dim_count; k++) put_integer(out, TENSOR_DIMS, i->dims[k]);
  put_integer(out, TENSOR_TYPE, i->is_integer ? CVY_ONNX_INT64 : CVY_ONNX_FLOAT);
  put_text(out, TENSOR_NAME, i->name);
  put_length(out, TENSOR_RAW, raw_bytes(i));
}

static int64_t item_bytes(const item *i) {
  cvy_text_stream head;
  size_t count;
  cvy_text_stream_begin(&head);
  put_head(head.out, i);
  free(cvy_text_stream_end(&head, &count));
  return (int64_t)count + raw_bytes(i);
}

static cvy_err put_values(FILE *out, const writer *w, const item *i) {
  void *buffer;
  if (i->is_integer) {
    fwrite(i->integers, sizeof *i->integers, (size_t)i->count, out);
    return CVY_OK;
  }
  CVY_TRY_IN(cvy_buffer_create(&buffer, (size_t)raw_bytes(i), "a tensor"), "%s", w->path);
  float *values = buffer;
  if (i->param >= 0) cvy_tensor_give(values, w->model->arena + w->info->params[i->param].offset, &i->layout);
  for (int64_t k = 0; i->param < 0 && k < i->count; k++) values[k] = i->fill;
  fwrite(values, sizeof *values, (size_t)i->count, out);
  cvy_buffer_destroy(buffer);
  return CVY_OK;
}

static cvy_err put_item(FILE *out, const writer *w, const item *i) {
  put_length(out, GRAPH_INITIALIZER, item_bytes(i));
  put_head(out, i);
  return put_values(out, w, i);
}

/* ---- metadata ---- */

static void put_entry(FILE *out, const char *key, const char *text) {
  cvy_text_stream entry;
  cvy_text_stream_begin(&entry);
  put_text(entry.out, ENTRY_KEY, key);
  put_text(entry.out, ENTRY_VALUE, text);
  put_message(out, MODEL_METADATA, &entry);
}

/* The graph is the network: another description of it could only differ. */
static void put_metadata(FILE *out, const writer *w) {
  cvy_stored_text notes[CVY_NOTES];
  cvy_notes_make(notes, w->pool, w->model);
  for (int i = 0; i < CVY_NOTES; i++)
    if (notes[i].text[0] && strcmp(notes[i].key, "convoy.network") != 0)
      put_entry(out, notes[i].key, notes[i].text);
  if (w->constant_count == 0) return;
  json_t *names = json_array();
  for (int64_t i = 0; i < w->constant_count; i++) json_array_append_new(names, json_string(w->constants[i]));
  char *text = json_dumps(names, JSON_COMPACT);
  put_entry(out, CVY_ONNX_CONSTANTS, text);
  free(text);
  json_decref(names);
}

static void put_opset(FILE *out) {
  cvy_text_stream opset;
  cvy_text_stream_begin(&opset);
  put_text(opset.out, OPSET_DOMAIN, "");
  put_integer(opset.out, OPSET_VERSION, OPSET);
  put_message(out, MODEL_OPSET, &opset);
}

/* ---- the file ---- */

static cvy_err put_model(FILE *out, writer *w) {
  size_t node_bytes, end_bytes;
  cvy_text_stream ends;
  cvy_text_stream_begin(&ends);
  put_text(ends.out, GRAPH_NAME, w->info->name);
  put_ends(ends.out, w);
  const char *nodes = cvy_text_stream_look(&w->nodes, &node_bytes);
  char *end = cvy_text_stream_end(&ends, &end_bytes);
  int64_t bytes = (int64_t)node_bytes + (int64_t)end_bytes;
  for (int64_t i = 0; i < w->item_count; i++) {
    const int64_t count = item_bytes(&w->items[i]);
    bytes += length_bytes(GRAPH_INITIALIZER, count) + count;
  }
  cvy_err err = CVY_OK;
  if (bytes > MOST_BYTES)
    err = cvy_error(CVY_E_INPUT, "%s: the model has %.1f GB; an ONNX file holds less than 2.1", w->path,
                    (double)bytes / 1e9);
  put_integer(out, MODEL_IR, IR_VERSION);
  put_text(out, MODEL_PRODUCER, "convoy");
  put_text(out, MODEL_PRODUCER_VERSION, CVY_VERSION);
  put_metadata(out, w);
  put_length(out, MODEL_GRAPH, bytes);
  fwrite(nodes, 1, node_bytes, out);
  fwrite(end, 1, end_bytes, out);
  for (int64_t i = 0; i < w->item_count && !err; i++) err = put_item(out, w, &w->items[i]);
  put_opset(out);
  free(end);
  return err;
}

static cvy_err write_graph(writer *w) {
  for (int64_t i = 0; i + 1 < w->info->layer_count; i++)
    if (!w->info->layers[i].only_in_training) CVY_TRY(write_layer(w, i));
  write_end(w);
  return CVY_OK;
}

static cvy_err write_file(writer *w) {
  cvy_whole *file;
  CVY_TRY(write_graph(w));
  CVY_TRY(cvy_whole_begin(&file, w->path));
  const cvy_err err = put_model(file->stream, w);
  if (!err) return cvy_whole_commit(file);
  cvy_whole_rollback(file);
  return err;
}

cvy_err cvy_onnx_write(const char *path, const cvy_weights_out *model) {
  writer w = {.path = path, .model = model, .info = cvy_net_describe(model->net), .pool = cvy_pool_create()};
  const size_t layers = (size_t)w.info->layer_count;
  w.image = (value){.name = "images", .shape = w.info->input};
  w.values = cvy_pool_new(w.pool, sizeof *w.values * layers);
  w.items = cvy_pool_new(w.pool, sizeof *w.items * ((size_t)w.info->param_tensors + 2 * layers));
  w.constants = cvy_pool_new(w.pool, sizeof *w.constants * 2 * layers);
  cvy_text_stream_begin(&w.nodes);
  const cvy_err err = write_file(&w);
  free(cvy_text_stream_end(&w.nodes, NULL));
  cvy_pool_destroy(w.pool);
  return err;
}
