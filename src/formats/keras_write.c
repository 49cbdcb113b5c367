/* Writes a network and its weights as a legacy file of Keras 2 (.h5), which keras.models.load_model opens.
 * Weights have the names of Keras' layers, whatever else they might be called. */
#include "base/count.h"
#include "base/yaml.h"
#include "file/h5.h"
#include "formats/keras.h"
#include "formats/notes.h"
#include "formats/tensor_layout.h"
#include "net/net.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char backend[] = "tensorflow", version[] = "2.10.0", input_name[] = "input";

enum { MOST_WEIGHTS = 4 };

/* A layer of the Keras model. */
typedef struct layer {
  const char *name;
  json_t *config;
  int64_t inputs[CVY_MAX_INPUTS], input_count; /* layers before */
  int64_t depth, index;                        /* what it is sorted by */
  int weight_count;
  const char *kinds[MOST_WEIGHTS]; /* "kernel" */
  const cvy_net_param *weights[MOST_WEIGHTS];
  int dim_count; /* not 0: the shape of the first weight */
  int64_t dims[CVY_MAX_DIMS];
} layer;

/* What a layer of Convoy's gives in the Keras model. */
typedef struct value {
  const char *convoy, *keras; /* the names of the layers that give it */
  int64_t h, w, c;
  bool row, not_negative;
} value;

typedef struct writer {
  const char *path;
  const cvy_weights_out *model;
  const cvy_net_info *info;
  cvy_pool *pool;
  layer *made;
  value *values;
  int64_t made_count, value_count;
} writer;

/* One layer of the description. */
typedef struct source {
  const char *type, *name;
  const cvy_yaml *options;
  const cvy_net_layer *planned;
  value in[CVY_MAX_INPUTS];
  int64_t in_count;
} source;

static cvy_err wrong(const writer *w, const source *s, const char *what) {
  return cvy_error(CVY_E_INPUT, "%s: layer '%s' (%s): %s", w->path, s->name, s->type, what);
}

/* ---- the description ---- */

static double number(const source *s, const char *key, double fallback) {
  const cvy_yaml *node = s->options->kind == CVY_YAML_MAPPING ? cvy_yaml_get(s->options, key) : NULL;
  return node && node->kind == CVY_YAML_SCALAR ? strtod(node->text, NULL) : fallback;
}

static bool is_word(const source *s, const char *key, const char *word) {
  const cvy_yaml *node = s->options->kind == CVY_YAML_MAPPING ? cvy_yaml_get(s->options, key) : NULL;
  return node && node->kind == CVY_YAML_SCALAR && strcmp(node->text, word) == 0;
}

static const cvy_net_layer *planned_layer(const writer *w, const char *name) {
  for (int64_t i = 0; i < w->info->layer_count; i++)
    if (strcmp(w->info->layers[i].name, name) == 0) return &w->info->layers[i];
  return NULL;
}

static const value *find_value(const writer *w, const char *name) {
  for (int64_t i = 0; i < w->value_count; i++)
    if (strcmp(w->values[i].convoy, name) == 0) return &w->values[i];
  return NULL;
}

static cvy_err read_inputs(source *s, const writer *w) {
  const cvy_yaml *inputs = s->options->kind == CVY_YAML_MAPPING ? cvy_yaml_get(s->options, "inputs") : NULL;
  s->in_count = inputs && inputs->kind == CVY_YAML_SEQUENCE ? inputs->count : 1;
  if (s->in_count > CVY_MAX_INPUTS) return wrong(w, s, "it has too many inputs");
  for (int64_t i = 0; i < s->in_count; i++) {
    const cvy_yaml *node = inputs && inputs->kind == CVY_YAML_SEQUENCE ? inputs->items[i] : inputs;
    const value *found = node ? find_value(w, node->text) : &w->values[w->value_count - 1];
    if (!found) return wrong(w, s, "it reads a layer that is not written");
    s->in[i] = *found;
  }
  return CVY_OK;
}

static cvy_err read_source(source *s, const writer *w, const cvy_yaml *item) {
  *s = (source){.type = item->keys[0]->text, .options = item->items[0]};
  const cvy_yaml *name = s->options->kind == CVY_YAML_MAPPING ? cvy_yaml_get(s->options, "name") : NULL;
  CVY_CHECK(name, "the description is not flat");
  s->name = name->text;
  s->planned = planned_layer(w, s->name);
  CVY_CHECK(s->planned, "the network has no layer '%s'", s->name);
  return CVY_OK;
}

/* ---- layers of Keras ---- */

static json_t *pair(int64_t a, int64_t b) {
  return json_pack("[I, I]", (json_int_t)a, (json_int_t)b);
}

static int64_t find_made(const writer *w, const char *name) {
  for (int64_t i = 0; i < w->made_count; i++)
    if (strcmp(w->made[i].name, name) == 0) return i;
  CVY_CHECK(false, "no layer '%s'", name);
  return -1;
}

/* Adds a layer that reads `inputs`; the keys of `options` go into its configuration. */
static layer *add_layer(writer *w, const char *class, const char *name, json_t *options, const value *inputs,
                        int64_t count) {
  json_t *node = json_array(),
         *config = json_pack("{s:s, s:b, s:s}", "name", name, "trainable", 1, "dtype", "float32");
  for (int64_t i = 0; i < count; i++)
    json_array_append_new(node, json_pack("[s, i, i, {}]", inputs[i].keras, 0, 0));
  json_object_update(config, options);
  json_decref(options);
  layer *made = &w->made[w->made_count];
  *made = (layer){.name = cvy_pool_format(w->pool, "%s", name), .input_count = count};
  for (int64_t i = 0; i < count; i++) made->inputs[i] = find_made(w, inputs[i].keras);
  made->config = json_pack("{s:s, s:o, s:s, s:[o]}", "class_name", class, "config", config, "name", name,
                           "inbound_nodes", node);
  w->made_count++;
  return made;
}

static void add_value(writer *w, const source *s, int64_t h, int64_t w_, int64_t c, bool row,
                      bool not_negative) {
  w->values[w->value_count++] = (value){s->name, s->name, h, w_, c, row, not_negative};
}

static void add_weights(writer *w, layer *made, const source *s, const char *const (*names)[2], int count) {
  for (int k = 0; k < count; k++) {
    const char *full = cvy_pool_format(w->pool, "%s/%s", s->name, names[k][0]);
    for (int64_t i = 0; i < w->info->param_tensors; i++)
      if (strcmp(w->info->params[i].name, full) == 0) {
        made->kinds[made->weight_count] = names[k][1];
        made->weights[made->weight_count++] = &w->info->params[i];
      }
  }
}

static const char *const kernel_and_bias[][2] = {{"weights", "kernel"}, {"bias", "bias"}},
                         *const depthwise_and_bias[][2] = {{"weights", "depthwise_kernel"}, {"bias", "bias"}},
                         *const of_batch_norm[][2] = {{"scale", "gamma"},
                                                      {"bias", "beta"},
                                                      {"mean", "moving_mean"},
                                                      {"variance", "moving_variance"}};

/* ---- windows ---- */

static int64_t zeros_of_same(int64_t in, int64_t kernel, int64_t stride) {
  return cvy_larger((cvy_pieces(in, stride) - 1) * stride + kernel - in, 0);
}

/* How many zeros a window needs before and behind a map. */
typedef struct margin {
  int64_t before[2], behind[2];
  bool is_none, is_same;
} margin;

static margin margin_of(const source *s) {
  const cvy_sliding *sliding = &s->planned->sliding;
  const int64_t in[2] = {s->in->h, s->in->w}, out[2] = {s->planned->y.h, s->planned->y.w};
  margin m = {.is_none = true, .is_same = true};
  for (int i = 0; i < 2; i++) {
    const int64_t kernel = sliding->kernel[i], stride = sliding->stride[i], padding = sliding->padding[i];
    const int64_t same = zeros_of_same(in[i], kernel, stride);
    m.before[i] = padding == CVY_PADDING_SAME ? same / 2 : padding == CVY_PADDING_VALID ? 0 : padding;
    m.behind[i] = cvy_larger((out[i] - 1) * stride + kernel - in[i] - m.before[i], 0);
    const bool fits = (in[i] - kernel) / stride + 1 == out[i] && in[i] >= kernel;
    m.is_none = m.is_none && m.before[i] == 0 && m.behind[i] == 0 && fits;
    m.is_same = m.is_same && m.before[i] == same / 2 && out[i] == cvy_pieces(in[i], stride);
  }
  return m;
}

/* Puts a layer of zeros around the input. */
static void add_zeros(writer *w, source *s, const margin *m) {
  const char *name = cvy_pool_format(w->pool, "%s.padding", s->name);
  json_t *padding = json_pack("[o, o]", pair(m->before[0], m->behind[0]), pair(m->before[1], m->behind[1]));
  add_layer(w, "ZeroPadding2D", name,
            json_pack("{s:o, s:s}", "padding", padding, "data_format", "channels_last"), s->in, 1);
  s->in->keras = name;
}

static cvy_err write_conv(writer *w, source *s) {
  const cvy_sliding *sliding = &s->planned->sliding;
  const margin m = margin_of(s);
  const int64_t groups = (int64_t)number(s, "groups", 1), filters = s->planned->y.c;
  const bool depthwise = groups > 1 && groups == s->in->c;
  if (!m.is_none && !m.is_same) add_zeros(w, s, &m);
  json_t *options = json_pack(
      "{s:o, s:o, s:s, s:s, s:o, s:s, s:b}", "kernel_size", pair(sliding->kernel[0], sliding->kernel[1]),
      "strides", pair(sliding->stride[0], sliding->stride[1]), "padding",
      m.is_same && !m.is_none ? "same" : "valid", "data_format", "channels_last", "dilation_rate", pair(1, 1),
      "activation", "linear", "use_bias", !is_word(s, "bias", "false"));
  if (depthwise) {
    json_object_set_new(options, "depth_multiplier", json_integer(filters / groups));
  } else {
    json_object_set_new(options, "filters", json_integer(filters));
    json_object_set_new(options, "groups", json_integer(groups));
  }
  layer *made = add_layer(w, depthwise ? "DepthwiseConv2D" : "Conv2D", s->name, options, s->in, 1);
  add_weights(w, made, s, depthwise ? depthwise_and_bias : kernel_and_bias, 2);
  if (depthwise) { /* filters [R][S][1][C M] are [R][S][C][M] there */
    made->dim_count = 4;
    made->dims[0] = sliding->kernel[0], made->dims[1] = sliding->kernel[1];
    made->dims[2] = groups, made->dims[3] = filters / groups;
  }
  add_value(w, s, s->planned->y.h, s->planned->y.w, filters, false, false);
  return CVY_OK;
}

/* Keras' pooling leaves the padding of 'same' out, and counts zeros that another layer has put there. */
static cvy_err write_pool(writer *w, source *s) {
  const cvy_sliding *sliding = &s->planned->sliding;
  const margin m = margin_of(s);
  const bool is_max = strcmp(s->type, "max_pool") == 0;
  const bool counts = !is_max && !is_word(s, "count_padding", "false");
  const bool own = m.is_none || (m.is_same && !counts);
  const bool even = m.before[0] >= m.behind[0] && m.before[1] >= m.behind[1];
  if (!own && is_max && !s->in->not_negative)
    return wrong(w, s, "Keras has no such padding of a map that may hold numbers below 0");
  if (!own && !is_max && (!counts || !even)) return wrong(w, s, "Keras has no such padding of an average");
  if (!own) add_zeros(w, s, &m);
  add_layer(w, is_max ? "MaxPooling2D" : "AveragePooling2D", s->name,
            json_pack("{s:o, s:s, s:o, s:s}", "pool_size", pair(sliding->kernel[0], sliding->kernel[1]),
                      "padding", own && !m.is_none ? "same" : "valid", "strides",
                      pair(sliding->stride[0], sliding->stride[1]), "data_format", "channels_last"),
            s->in, 1);
  add_value(w, s, s->planned->y.h, s->planned->y.w, s->planned->y.c, false, s->in->not_negative);
  return CVY_OK;
}

/* ---- other layers ---- */

static cvy_err write_flatten(writer *w, source *s) {
  add_layer(w, "Flatten", s->name, json_pack("{s:s}", "data_format", "channels_last"), s->in, 1);
  add_value(w, s, 1, 1, s->in->h * s->in->w * s->in->c, true, s->in->not_negative);
  return CVY_OK;
}

static cvy_err write_fc(writer *w, source *s) {
  if (!s->in->row) {
    const char *name = cvy_pool_format(w->pool, "%s.flatten", s->name);
    add_layer(w, "Flatten", name, json_pack("{s:s}", "data_format", "channels_last"), s->in, 1);
    s->in->keras = name;
  }
  layer *made = add_layer(w, "Dense", s->name,
                          json_pack("{s:I, s:s, s:b}", "units", (json_int_t)s->planned->y.c, "activation",
                                    "linear", "use_bias", !is_word(s, "bias", "false")),
                          s->in, 1);
  add_weights(w, made, s, kernel_and_bias, 2);
  add_value(w, s, 1, 1, s->planned->y.c, true, false);
  return CVY_OK;
}

static cvy_err write_batch_norm(writer *w, source *s) {
  const int axis = s->in->row ? 1 : 3;
  layer *made = add_layer(w, "BatchNormalization", s->name,
                          json_pack("{s:[i], s:f, s:f, s:b, s:b}", "axis", axis, "momentum",
                                    1 - number(s, "momentum", 0.1), "epsilon", number(s, "epsilon", 1e-5),
                                    "center", !is_word(s, "bias", "false"), "scale",
                                    !is_word(s, "scale", "false")),
                          s->in, 1);
  add_weights(w, made, s, of_batch_norm, 4);
  add_value(w, s, s->in->h, s->in->w, s->in->c, s->in->row, false);
  return CVY_OK;
}

static cvy_err write_as(writer *w, source *s, const char *class, json_t *options, bool not_negative) {
  add_layer(w, class, s->name, options, s->in, s->in_count);
  add_value(w, s, s->in->h, s->in->w,
            s->planned->type && strcmp(s->type, "concat") == 0 ? s->planned->y.c : s->in->c, s->in->row,
            not_negative);
  return CVY_OK;
}

static cvy_err write_relu(writer *w, source *s) {
  return write_as(w, s, "Activation", json_pack("{s:s}", "activation", "relu"), true);
}

static cvy_err write_tanh(writer *w, source *s) {
  return write_as(w, s, "Activation", json_pack("{s:s}", "activation", "tanh"), false);
}

static cvy_err write_sigmoid(writer *w, source *s) {
  return write_as(w, s, "Activation", json_pack("{s:s}", "activation", "sigmoid"), true);
}

static cvy_err write_softmax(writer *w, source *s) {
  return write_as(w, s, "Activation", json_pack("{s:s}", "activation", "softmax"), true);
}

static cvy_err write_leaky_relu(writer *w, source *s) {
  return write_as(w, s, "LeakyReLU", json_pack("{s:f}", "alpha", number(s, "slope", 0.01)), false);
}

static cvy_err write_elu(writer *w, source *s) {
  return write_as(w, s, "ELU", json_pack("{s:f}", "alpha", number(s, "alpha", 1)), false);
}

static cvy_err write_dropout(writer *w, source *s) {
  return write_as(w, s, "Dropout", json_pack("{s:f}", "rate", number(s, "rate", 0.5)), s->in->not_negative);
}

static bool all_not_negative(const source *s) {
  bool all = true;
  for (int64_t i = 0; i < s->in_count; i++) all = all && s->in[i].not_negative;
  return all;
}

/* Keras tells a row from a map of one pixel. */
static cvy_err check_alike(const writer *w, const source *s) {
  for (int64_t i = 1; i < s->in_count; i++)
    if (s->in[i].row != s->in->row) return wrong(w, s, "one input is a map in Keras, another one a row");
  return CVY_OK;
}

static cvy_err write_add(writer *w, source *s) {
  CVY_TRY(check_alike(w, s));
  return write_as(w, s, "Add", json_object(), all_not_negative(s));
}

static cvy_err write_concat(writer *w, source *s) {
  CVY_TRY(check_alike(w, s));
  return write_as(w, s, "Concatenate", json_pack("{s:i}", "axis", -1), all_not_negative(s));
}

static const struct {
  const char *type;
  cvy_err (*write)(writer *w, source *s);
} rules[] = {{"conv", write_conv},
             {"max_pool", write_pool},
             {"average_pool", write_pool},
             {"flatten", write_flatten},
             {"fc", write_fc},
             {"batch_norm", write_batch_norm},
             {"relu", write_relu},
             {"tanh", write_tanh},
             {"sigmoid", write_sigmoid},
             {"softmax", write_softmax},
             {"leaky_relu", write_leaky_relu},
             {"elu", write_elu},
             {"dropout", write_dropout},
             {"add", write_add},
             {"concat", write_concat},
             {"softmax_loss", write_softmax},
             {"sigmoid_loss", write_sigmoid}};

static cvy_err write_layer(writer *w, const cvy_yaml *item) {
  source s;
  CVY_TRY(read_source(&s, w, item));
  if (s.planned->only_in_training) {
    cvy_warn("%s: layer '%s' (%s) works while training alone, and is left out", w->path, s.name, s.type);
    return CVY_OK;
  }
  CVY_TRY(read_inputs(&s, w));
  for (int64_t i = 0; i < CVY_COUNT(rules); i++)
    if (strcmp(rules[i].type, s.type) == 0) return rules[i].write(w, &s);
  return wrong(w, &s, "Keras has no layer that is the same");
}

/* ---- the image ---- */

static json_t *numbers(const double *values, int64_t count) {
  json_t *list = json_array();
  for (int64_t i = 0; i < count; i++) json_array_append_new(list, json_real(values[i]));
  return list;
}

/* Writes what images go through as a layer: (x - mean) / deviation. Keras has none that changes the order of
 * the channels. */
static void write_preprocessing(writer *w, value *image) {
  const cvy_stored_input *input = &w->model->input;
  const int64_t channels = w->info->input.c;
  const char *name = "preprocessing";
  bool alike = true;
  double variance[CVY_MAX_CHANNELS];
  if (!input->known || input->bgr || channels > CVY_MAX_CHANNELS) return;
  while (planned_layer(w, name)) name = cvy_pool_format(w->pool, "%s_", name);
  for (int64_t c = 0; c < channels; c++) {
    alike = alike && input->mean[c] == 0 && input->deviation[c] == input->deviation[0];
    variance[c] = input->deviation[c] * input->deviation[c];
  }
  if (alike && input->deviation[0] == 1) return;
  if (alike)
    add_layer(w, "Rescaling", name, json_pack("{s:f, s:f}", "scale", 1 / input->deviation[0], "offset", 0.0),
              image, 1);
  else
    add_layer(w, "Normalization", name,
              json_pack("{s:[i], s:o, s:o}", "axis", 3, "mean", numbers(input->mean, channels), "variance",
                        numbers(variance, channels)),
              image, 1);
  image->keras = name;
}

static void write_image(writer *w) {
  const cvy_shape x = w->info->input;
  json_t *config = json_pack("{s:[n, I, I, I], s:s, s:b, s:b, s:s}", "batch_input_shape", (json_int_t)x.h,
                             (json_int_t)x.w, (json_int_t)x.c, "dtype", "float32", "sparse", 0, "ragged", 0,
                             "name", input_name);
  w->made[w->made_count++] = (layer){.name = input_name,
                                     .config = json_pack("{s:s, s:o, s:s, s:[]}", "class_name", "InputLayer",
                                                         "config", config, "name", input_name,
                                                         "inbound_nodes")};
  value image = {.convoy = "input", .keras = input_name, .h = x.h, .w = x.w, .c = x.c};
  write_preprocessing(w, &image);
  w->values[w->value_count++] = image;
}

/* ---- the order ---- */

/* Numbers the layers as Keras meets them on its way from the last one to the image. */
static void number_layers(writer *w) {
  int64_t *stack = cvy_pool_new(w->pool, sizeof *stack * (size_t)(w->made_count * CVY_MAX_INPUTS + 1));
  int64_t height = 0, met = 0;
  for (int64_t i = 0; i < w->made_count; i++) w->made[i].index = -1;
  stack[height++] = w->made_count - 1;
  while (height > 0) {
    layer *made = &w->made[stack[--height]];
    if (made->index >= 0) continue;
    made->index = met++;
    for (int64_t i = made->input_count - 1; i >= 0; i--) stack[height++] = made->inputs[i];
  }
}

static int by_depth(const void *a, const void *b) {
  const layer *x = a, *y = b;
  if (x->depth != y->depth) return x->depth > y->depth ? -1 : 1;
  return (x->index > y->index) - (x->index < y->index);
}

/* Sorts the layers as Keras does when it builds a model: those with the longest way to the output come first.
 * It fills layers in this order, whatever their names are. */
static void sort_layers(writer *w) {
  number_layers(w);
  for (int64_t i = w->made_count - 1; i >= 0; i--)
    for (int64_t k = 0; k < w->made[i].input_count; k++) {
      layer *input = &w->made[w->made[i].inputs[k]];
      input->depth = cvy_larger(input->depth, w->made[i].depth + 1);
    }
  qsort(w->made, (size_t)w->made_count, sizeof *w->made, by_depth);
}

/* ---- the file ---- */

static cvy_err write_json(cvy_h5 *h5, const char *attribute, const json_t *json) {
  char *text = json_dumps(json, 0);
  CVY_CHECK(text, "no JSON for %s", attribute);
  const cvy_err err = cvy_h5_write_attr_text(h5, "", attribute, text);
  free(text);
  return err;
}

static cvy_err write_config(const writer *w, cvy_h5 *h5) {
  const char *last = w->values[w->value_count - 1].keras;
  json_t *layers = json_array();
  for (int64_t i = 0; i < w->made_count; i++) json_array_append(layers, w->made[i].config);
  json_t *config = json_pack("{s:s, s:{s:s, s:o, s:[[s, i, i]], s:[[s, i, i]]}}", "class_name", "Functional",
                             "config", "name", w->info->name, "layers", layers, "input_layers", input_name, 0,
                             0, "output_layers", last, 0, 0);
  CVY_CHECK(config, "no configuration");
  const cvy_err err = write_json(h5, "model_config", config);
  json_decref(config);
  return err;
}

static cvy_err write_versions(cvy_h5 *h5, const char *on) {
  CVY_TRY(cvy_h5_write_attr_text(h5, on, "backend", backend));
  return cvy_h5_write_attr_text(h5, on, "keras_version", version);
}

/* Writes a weight in Keras' order, which is Convoy's but for images that have blue first. */
static cvy_err write_weight(const writer *w, cvy_h5 *h5, const char *name, const layer *made, int index) {
  const cvy_net_param *p = made->weights[index];
  const cvy_tensor_rules order = {.outputs_last = true, .channels_last = true, .bgr = w->model->input.bgr};
  const bool other = index == 0 && made->dim_count > 0;
  cvy_tensor_layout layout;
  void *values;
  CVY_TRY(cvy_tensor_layout_of(&layout, w->pool, w->model->net, p - w->info->params, &order));
  CVY_TRY(cvy_buffer_create(&values, sizeof(float) * (size_t)p->count, name));
  cvy_tensor_give(values, w->model->arena + p->offset, &layout);
  const cvy_err err = cvy_h5_write(h5, name, CVY_H5_F32, values, other ? made->dim_count : p->spec->dim_count,
                                   other ? made->dims : p->spec->dims);
  cvy_buffer_destroy(values);
  return err;
}

static cvy_err write_weights(const writer *w, cvy_h5 *h5, const layer *made) {
  const char *group = cvy_pool_format(w->pool, "model_weights/%s", made->name), *names[MOST_WEIGHTS];
  CVY_TRY(cvy_h5_make_group(h5, group));
  for (int i = 0; i < made->weight_count; i++)
    names[i] = cvy_pool_format(w->pool, "%s/%s:0", made->name, made->kinds[i]);
  CVY_TRY(cvy_h5_write_attr_texts(h5, group, "weight_names", names, made->weight_count));
  for (int i = 0; i < made->weight_count; i++)
    CVY_TRY(write_weight(w, h5, cvy_pool_format(w->pool, "%s/%s", group, names[i]), made, i));
  return CVY_OK;
}

static cvy_err write_groups(const writer *w, cvy_h5 *h5) {
  const char **names = cvy_pool_new(w->pool, sizeof *names * (size_t)w->made_count);
  for (int64_t i = 0; i < w->made_count; i++) names[i] = w->made[i].name;
  CVY_TRY(cvy_h5_make_group(h5, "model_weights"));
  CVY_TRY(cvy_h5_write_attr_texts(h5, "model_weights", "layer_names", names, w->made_count));
  CVY_TRY(write_versions(h5, "model_weights"));
  for (int64_t i = 0; i < w->made_count; i++) CVY_TRY(write_weights(w, h5, &w->made[i]));
  return CVY_OK;
}

/* Writes beside it what Keras has no words for. */
static cvy_err write_ours(const writer *w, cvy_h5 *h5) {
  const cvy_stored_input *input = &w->model->input;
  const int64_t channels = cvy_smaller(w->info->input.c, CVY_MAX_CHANNELS);
  json_t *given = json_pack("{s:b, s:o, s:o}", "bgr", input->bgr, "mean", numbers(input->mean, channels),
                            "deviation", numbers(input->deviation, channels)),
         *classes = json_array();
  for (int64_t i = 0; i < w->model->class_count; i++)
    json_array_append_new(classes, json_string(w->model->class_names[i]));
  cvy_err err = input->known ? write_json(h5, CVY_KERAS_INPUT, given) : CVY_OK;
  if (!err && w->model->class_count > 0) err = write_json(h5, CVY_KERAS_CLASSES, classes);
  json_decref(given);
  json_decref(classes);
  return err ? err : cvy_notes_write_rest(h5, w->model);
}

static cvy_err write_all(const writer *w, cvy_h5 *h5) {
  CVY_TRY(write_versions(h5, ""));
  CVY_TRY(write_config(w, h5));
  CVY_TRY(write_groups(w, h5));
  return write_ours(w, h5);
}

static cvy_err write_file(const writer *w) {
  cvy_h5 *h5;
  CVY_TRY(cvy_h5_begin(&h5, w->path));
  const cvy_err err = write_all(w, h5);
  if (!err) return cvy_h5_commit(h5);
  cvy_h5_rollback(h5);
  return err;
}

static cvy_err write_layers(writer *w) {
  const cvy_yaml *layers = cvy_yaml_get(w->model->network, "layers");
  write_image(w);
  for (int64_t i = 0; i < layers->count; i++) CVY_TRY(write_layer(w, layers->items[i]));
  if (w->model->input.known && w->model->input.bgr)
    cvy_warn("%s: Keras has no layer that swaps red and blue: give the model images in the order BGR, less "
             "their mean",
             w->path);
  sort_layers(w);
  return write_file(w);
}

cvy_err cvy_keras_write(const char *path, const cvy_weights_out *model) {
  enum { A_LAYER = 2, MORE = 4 }; /* of Keras' layers at most */
  writer w = {.path = path, .model = model, .info = cvy_net_describe(model->net)};
  const size_t most = (size_t)(A_LAYER * w.info->layer_count + MORE);
  w.pool = cvy_pool_create();
  w.made = cvy_pool_new(w.pool, sizeof *w.made * most);
  w.values = cvy_pool_new(w.pool, sizeof *w.values * most);
  const cvy_err err = write_layers(&w);
  for (int64_t i = 0; i < w.made_count; i++) json_decref(w.made[i].config);
  cvy_pool_destroy(w.pool);
  return err;
}
