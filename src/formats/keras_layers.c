/* Keras' layers in Convoy's words, a rule for each class. */
#include "base/count.h"
#include "formats/keras_builder.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SIZE = 65535, ABOVE = 0, BELOW, LEFT, RIGHT };

cvy_err cvy_keras_wrong(const cvy_keras_use *use, const char *format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return cvy_error(CVY_E_INPUT, "%s: layer '%s' (%s): %s", use->b->file->path, use->name, use->class, text);
}

const char *cvy_keras_snake(cvy_pool *pool, const char *class) {
  char *out = cvy_pool_new(pool, 2 * strlen(class) + 1), *end = out;
  for (const char *c = class; *c; c++) {
    const bool upper = isupper((unsigned char)*c) != 0;
    const bool begins = upper && c > class && (islower((unsigned char)c[1]) || islower((unsigned char)c[-1]));
    if (begins) *end++ = '_';
    if (isalnum((unsigned char)*c) || *c == '_') *end++ = (char)tolower((unsigned char)*c);
  }
  return out;
}

/* ---- the configuration ---- */

static const json_t *get(const json_t *config, const char *key) {
  const json_t *value = json_object_get(config, key);
  return json_is_null(value) ? NULL : value;
}

/* Returns the value of the key, or of what older versions call it. */
static const json_t *either(const json_t *config, const char *key, const char *old) {
  const json_t *value = get(config, key);
  return value ? value : get(config, old);
}

static bool flag(const json_t *config, const char *key, bool fallback) {
  const json_t *value = get(config, key);
  return value ? json_is_true(value) || json_integer_value(value) != 0 : fallback;
}

/* Reads a number. *out stays as it is where the key is missing. Keras 2 may have it as {"value": number}. */
static cvy_err read_number(double *out, const cvy_keras_use *use, const json_t *config, const char *key) {
  const json_t *value = get(config, key), *within = json_object_get(value, "value");
  if (within) value = within;
  if (value && !json_is_number(value)) return cvy_keras_wrong(use, "%s should be a number", key);
  if (value) *out = json_number_value(value);
  return CVY_OK;
}

static const char *text(const json_t *config, const char *key, const char *old, const char *fallback) {
  const json_t *value = either(config, key, old);
  return json_is_string(value) ? json_string_value(value) : fallback;
}

/* Reads a size in pixels: a whole number, or two. *out stays as it is where the key is missing. */
static cvy_err read_pair(int64_t out[2], const cvy_keras_use *use, const char *key, const char *old) {
  const json_t *value = either(use->config, key, old);
  if (!value) return CVY_OK;
  for (size_t i = 0; i < 2; i++) {
    const json_t *one = json_is_array(value) && json_array_size(value) == 2 ? json_array_get(value, i)
                                                                            : value;
    out[i] = json_is_integer(one) ? json_integer_value(one) : 0;
    if (out[i] < 1 || out[i] > MOST_SIZE)
      return cvy_keras_wrong(use, "%s should be two whole numbers from 1 to %d", key, MOST_SIZE);
  }
  return CVY_OK;
}

static cvy_err read_count(int64_t *out, const cvy_keras_use *use, const char *key, const char *old) {
  const json_t *value = either(use->config, key, old);
  *out = json_is_integer(value) ? json_integer_value(value) : 0;
  if (*out >= 1 && *out <= 1000000) return CVY_OK;
  return cvy_keras_wrong(use, "%s should be a whole number from 1 to 1000000", key);
}

static cvy_err refuse_channels_first(const cvy_keras_use *use) {
  const char *order = text(use->config, "data_format", "dim_ordering", "channels_last");
  if (strcmp(order, "channels_first") != 0 && strcmp(order, "th") != 0) return CVY_OK;
  return cvy_keras_wrong(use, "data_format is channels_first; only channels_last is read");
}

/* ---- Convoy's layers ---- */

enum { MOST_LETTERS = 150 };

/* Makes a name of Convoy's of Keras': letters that are not allowed become dots within. */
static const char *clean_name(cvy_pool *pool, const char *text, int most, const char *suffix) {
  char *name = cvy_pool_format(pool, "%.*s%s", most, text, suffix), *end = name;
  for (const char *c = name; *c; c++) {
    const bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
                        *c == '_' || *c == '-';
    if (letter)
      *end++ = *c;
    else if (end > name && end[-1] != '.')
      *end++ = '.';
  }
  if (end > name && end[-1] == '.') end--;
  *end = '\0';
  return name[0] ? name : "layer";
}

/* A name that is taken already gets that of the model in front in which the layer lies, or a number. */
static const char *choose_name(const cvy_keras_use *use, const char *suffix) {
  cvy_layer_names *names = &use->b->names;
  cvy_pool *pool = use->b->file->pool;
  const char *wanted = clean_name(pool, use->name, MOST_LETTERS, suffix), *group = use->scope->group;
  if (cvy_layer_name_is_taken(names, wanted) && !use->repeated && group && strcmp(group, "input") != 0) {
    const char *model = clean_name(pool, group, MOST_LETTERS / 4, "");
    const char *longer = cvy_pool_format(pool, "%s-%s", model, wanted);
    if (!cvy_layer_name_is_taken(names, longer)) wanted = longer;
  }
  return cvy_layer_name_take(names, pool, wanted);
}

static void set(cvy_keras_builder *b, cvy_yaml *options, const char *key, const char *value) {
  cvy_yaml_add(b->file->pool, options, key, cvy_yaml_new_scalar(b->file->pool, b->file->path, value));
}

static void set_whole(cvy_keras_builder *b, cvy_yaml *options, const char *key, int64_t value) {
  set(b, options, key, cvy_pool_format(b->file->pool, "%" PRId64, value));
}

static void set_pair(cvy_keras_builder *b, cvy_yaml *options, const char *key, const int64_t pair[2]) {
  cvy_pool *pool = b->file->pool;
  if (pair[0] == pair[1]) {
    set_whole(b, options, key, pair[0]);
    return;
  }
  cvy_yaml *list = cvy_yaml_new_sequence(pool, b->file->path);
  for (int i = 0; i < 2; i++)
    cvy_yaml_add(pool, list, NULL,
                 cvy_yaml_new_scalar(pool, b->file->path, cvy_pool_format(pool, "%" PRId64, pair[i])));
  cvy_yaml_add(pool, options, key, list);
}

/* Sets the shortest text that reads back as the same number. What was a float in Keras is written as one. */
static void set_number(cvy_keras_builder *b, cvy_yaml *options, const char *key, double value) {
  char digits[40];
  const bool is_float = (double)(float)value == value;
  for (int precision = 1; precision <= 17; precision++) {
    snprintf(digits, sizeof digits, "%.*g", precision, value);
    const double back = strtod(digits, NULL);
    if (back == value || (is_float && (float)back == (float)value)) break;
  }
  set(b, options, key, digits);
}

static void note_reader(cvy_keras_builder *b, const cvy_keras_value *in) {
  if (!in->image) return;
  if (!b->has_image || in->stage < b->lowest_stage) b->lowest_stage = in->stage;
  if (!b->has_image || in->stage > b->highest_stage) b->highest_stage = in->stage;
  b->has_image = true;
}

/* Adds a layer that reads `in`, and returns its options. */
static cvy_yaml *add_layer(const cvy_keras_use *use, const char *type, const char *suffix,
                           const cvy_keras_value *in, int64_t in_count) {
  cvy_keras_builder *b = use->b;
  cvy_pool *pool = b->file->pool;
  cvy_yaml *item = cvy_yaml_new_mapping(pool, b->file->path),
           *options = cvy_yaml_new_mapping(pool, b->file->path);
  const char *name = choose_name(use, suffix);
  set(b, options, "name", name);
  if (in_count > 1 || strcmp(in->layer, b->last) != 0) {
    cvy_yaml *inputs = cvy_yaml_new_sequence(pool, b->file->path);
    for (int64_t i = 0; i < in_count; i++)
      cvy_yaml_add(pool, inputs, NULL, cvy_yaml_new_scalar(pool, b->file->path, in[i].layer));
    cvy_yaml_add(pool, options, "inputs", inputs);
  }
  for (int64_t i = 0; i < in_count; i++) note_reader(b, &in[i]);
  cvy_yaml_add(pool, item, type, options);
  cvy_yaml_add(pool, b->layers, NULL, item);
  b->last = name;
  b->last_type = type;
  return options;
}

static cvy_keras_value value_of(const cvy_keras_use *use, int64_t h, int64_t w, int64_t c, bool row) {
  return (cvy_keras_value){.layer = use->b->last, .h = h, .w = w, .c = c, .row = row};
}

/* ---- what is read ---- */

static cvy_err refuse_padding(const cvy_keras_use *use, const cvy_keras_value *in) {
  if (!in->padding) return CVY_OK;
  return cvy_keras_wrong(use,
                         "it reads the zeros of '%s'; zeros around an image are only read by "
                         "convolutions and poolings with padding 'valid'",
                         in->padding);
}

/* Checks that the layer reads one map. */
static cvy_err read_map(const cvy_keras_use *use) {
  if (!use->in->row) return CVY_OK;
  return cvy_keras_wrong(use, "it reads a row of numbers, not a map");
}

/* Makes a layer of a flattening that was put off. */
static cvy_keras_value flattened(const cvy_keras_use *use, const cvy_keras_value *in) {
  cvy_keras_value out = *in;
  if (!in->flatten || in->h * in->w == 1) return out;
  cvy_keras_use made = *use;
  made.name = in->flatten;
  add_layer(&made, "flatten", "", in, 1);
  return value_of(use, 1, 1, in->h * in->w * in->c, true);
}

/* ---- weights ---- */

static cvy_keras_layer *add_weights(const cvy_keras_use *use) {
  cvy_keras_model *m = use->b->model;
  cvy_keras_layer *layer = &m->layers[m->layer_count++];
  *layer = (cvy_keras_layer){.name = use->name,
                             .group = use->scope->group ? use->scope->group : use->name,
                             .container = use->scope->container,
                             .kind = cvy_keras_snake(use->b->file->pool, use->class),
                             .position = use->position,
                             .nested = use->scope->group != NULL};
  return layer;
}

static cvy_keras_weight *add_weight(const cvy_keras_use *use, cvy_keras_layer *layer, const char *kind,
                                    const char *tensor) {
  cvy_keras_weight *weight = &layer->weights[layer->count++];
  *weight = (cvy_keras_weight){.kind = kind};
  if (tensor) weight->target = cvy_pool_format(use->b->file->pool, "%s/%s", use->b->last, tensor);
  return weight;
}

/* ---- activations ---- */

static cvy_err use_softmax(cvy_keras_value *out, const cvy_keras_use *use, const char *suffix,
                           const cvy_keras_value *in) {
  const json_t *axis = get(use->config, "axis");
  const cvy_keras_value x = flattened(use, in);
  const json_int_t last = x.row ? 1 : 3;
  if (strcmp(use->class, "Softmax") == 0 && axis && json_integer_value(axis) != -1 &&
      json_integer_value(axis) != last)
    return cvy_keras_wrong(use, "its axis is not that of the channels");
  add_layer(use, "softmax", suffix, &x, 1);
  *out = value_of(use, x.h, x.w, x.c, x.row);
  out->not_negative = true;
  return CVY_OK;
}

/* Adds a layer that makes each number of one. */
static cvy_yaml *add_elementwise(cvy_keras_value *out, const cvy_keras_use *use, const char *type,
                                 const char *suffix, const cvy_keras_value *in) {
  cvy_yaml *options = add_layer(use, type, suffix, in, 1);
  *out = value_of(use, in->h, in->w, in->c, in->row);
  out->flatten = in->flatten;
  out->not_negative = strcmp(type, "relu") == 0 || strcmp(type, "sigmoid") == 0;
  return options;
}

static cvy_err use_relu(cvy_keras_value *out, const cvy_keras_use *use, const json_t *config,
                        const char *suffix, const cvy_keras_value *in) {
  double slope = 0, most = 0, threshold = 0;
  CVY_TRY(read_number(&slope, use, config, "negative_slope"));
  CVY_TRY(read_number(&most, use, config, "max_value"));
  CVY_TRY(read_number(&threshold, use, config, "threshold"));
  if (get(config, "max_value"))
    return cvy_keras_wrong(use, "it cuts at max_value %g, for which Convoy has no layer", most);
  if (threshold != 0) return cvy_keras_wrong(use, "its threshold is not 0, for which Convoy has no layer");
  cvy_yaml *options = add_elementwise(out, use, slope == 0 ? "relu" : "leaky_relu", suffix, in);
  if (slope != 0) set_number(use->b, options, "slope", slope);
  return CVY_OK;
}

static cvy_err use_leaky_relu(cvy_keras_value *out, const cvy_keras_use *use, const json_t *config,
                              double slope, const char *suffix, const cvy_keras_value *in) {
  CVY_TRY(read_number(&slope, use, config, "alpha"));
  CVY_TRY(read_number(&slope, use, config, "negative_slope"));
  cvy_yaml *options = add_elementwise(out, use, "leaky_relu", suffix, in);
  set_number(use->b, options, "slope", slope);
  return CVY_OK;
}

static cvy_err use_elu(cvy_keras_value *out, const cvy_keras_use *use, const json_t *config,
                       const char *suffix, const cvy_keras_value *in) {
  double alpha = 1;
  CVY_TRY(read_number(&alpha, use, config, "alpha"));
  cvy_yaml *options = add_elementwise(out, use, "elu", suffix, in);
  set_number(use->b, options, "alpha", alpha);
  return CVY_OK;
}

static cvy_err use_named_activation(cvy_keras_value *out, const cvy_keras_use *use, const char *name,
                                    bool alone, const cvy_keras_value *in) {
  static const char *const same[] = {"relu", "tanh", "sigmoid"};
  cvy_pool *pool = use->b->file->pool;
  const char *suffix = alone ? "" : cvy_pool_format(pool, ".%.20s", name);
  *out = *in;
  if (strcmp(name, "linear") == 0) return CVY_OK;
  if (strcmp(name, "softmax") == 0) return use_softmax(out, use, suffix, in);
  if (strcmp(name, "elu") == 0) return use_elu(out, use, NULL, suffix, in);
  if (strcmp(name, "leaky_relu") == 0) return use_leaky_relu(out, use, NULL, 0.2, suffix, in);
  for (int64_t i = 0; i < CVY_COUNT(same); i++)
    if (strcmp(name, same[i]) == 0) {
      add_elementwise(out, use, same[i], suffix, in);
      return CVY_OK;
    }
  return cvy_keras_wrong(use,
                         "Convoy has no activation '%s'; it has relu, leaky_relu, elu, tanh, sigmoid, "
                         "softmax and linear",
                         name);
}

/* Follows what "activation" says: a name, or a layer in it. `alone`: it is all that the layer does. */
static cvy_err use_activation(cvy_keras_value *out, const cvy_keras_use *use, bool alone,
                              const cvy_keras_value *in) {
  const json_t *activation = get(use->config, "activation"), *config = get(activation, "config");
  const char *class = text(activation, "class_name", "class_name", "");
  const char *suffix = alone ? "" : ".activation";
  *out = *in;
  if (!activation) return CVY_OK;
  if (json_is_string(activation))
    return use_named_activation(out, use, json_string_value(activation), alone, in);
  if (strcmp(class, "function") == 0 && json_is_string(config))
    return use_named_activation(out, use, json_string_value(config), alone, in);
  if (strcmp(class, "ReLU") == 0) return use_relu(out, use, config, suffix, in);
  if (strcmp(class, "LeakyReLU") == 0) return use_leaky_relu(out, use, config, 0.3, suffix, in);
  if (strcmp(class, "ELU") == 0) return use_elu(out, use, config, suffix, in);
  return cvy_keras_wrong(use, "its activation is a '%s', for which Convoy has no layer", class);
}

static cvy_err make_activation(cvy_keras_value *out, const cvy_keras_use *use) {
  CVY_TRY(refuse_padding(use, use->in));
  return use_activation(out, use, true, use->in);
}

static cvy_err make_relu(cvy_keras_value *out, const cvy_keras_use *use) {
  CVY_TRY(refuse_padding(use, use->in));
  return use_relu(out, use, use->config, "", use->in);
}

static cvy_err make_leaky_relu(cvy_keras_value *out, const cvy_keras_use *use) {
  CVY_TRY(refuse_padding(use, use->in));
  return use_leaky_relu(out, use, use->config, 0.3, "", use->in);
}

static cvy_err make_elu(cvy_keras_value *out, const cvy_keras_use *use) {
  CVY_TRY(refuse_padding(use, use->in));
  return use_elu(out, use, use->config, "", use->in);
}

static cvy_err make_softmax(cvy_keras_value *out, const cvy_keras_use *use) {
  CVY_TRY(refuse_padding(use, use->in));
  return use_softmax(out, use, "", use->in);
}

/* ---- windows ---- */

/* How a window slides over a map, and what of Convoy's padding says the same. */
typedef struct window {
  int64_t kernel[2], stride[2], out[2];
  bool same; /* Convoy's padding is `same` */
  int64_t padding[2];
} window;

/* How many windows fit into `room` pixels. */
static int64_t windows_in(int64_t room, int64_t kernel, int64_t stride) {
  return room < kernel ? 0 : (room - kernel) / stride + 1;
}

static int64_t zeros_of_same(int64_t in, int64_t kernel, int64_t stride) {
  return cvy_larger((cvy_pieces(in, stride) - 1) * stride + kernel - in, 0);
}

/* Finds Convoy's padding for Keras' own. An odd number of zeros has one more at the end, as in Convoy. */
static cvy_err place_same(window *win, const cvy_keras_use *use) {
  const int64_t in[2] = {use->in->h, use->in->w};
  CVY_TRY(refuse_padding(use, use->in));
  for (int i = 0; i < 2; i++) win->out[i] = cvy_pieces(in[i], win->stride[i]);
  win->same = true;
  return CVY_OK;
}

/* Finds Convoy's padding for windows within the map and the zeros around it. They are as many on each side,
 * or as `same` would put them; zeros that no window reaches do not count. */
static cvy_err place_valid(window *win, const cvy_keras_use *use) {
  const int64_t in[2] = {use->in->h, use->in->w}, *around = use->in->around;
  bool even = true, same = true;
  for (int i = 0; i < 2; i++) {
    const int64_t before = around[2 * i], kernel = win->kernel[i], stride = win->stride[i];
    win->out[i] = windows_in(in[i] + before + around[2 * i + 1], kernel, stride);
    if (win->out[i] == 0)
      return cvy_keras_wrong(
          use, "its window of %" PRId64 "x%" PRId64 " does not fit into a map of %" PRId64 "x%" PRId64,
          win->kernel[0], win->kernel[1], in[0], in[1]);
    even = even && windows_in(in[i] + 2 * before, kernel, stride) == win->out[i];
    same = same && zeros_of_same(in[i], kernel, stride) / 2 == before &&
           cvy_pieces(in[i], stride) == win->out[i];
    win->padding[i] = before;
  }
  win->same = !even;
  if (even || same) return CVY_OK;
  return cvy_keras_wrong(use,
                         "it reads the zeros of '%s', of which there are others on one side than on the "
                         "other: %" PRId64 " above, %" PRId64 " below, %" PRId64 " left, %" PRId64
                         " right; Convoy's padding is the same on both sides, or as padding 'same' puts it",
                         use->in->padding, around[ABOVE], around[BELOW], around[LEFT], around[RIGHT]);
}

static cvy_err place(window *win, const cvy_keras_use *use) {
  const char *padding = text(use->config, "padding", "border_mode", "valid");
  CVY_TRY(refuse_channels_first(use));
  CVY_TRY(read_map(use));
  if (strcmp(padding, "same") == 0) return place_same(win, use);
  if (strcmp(padding, "valid") == 0) return place_valid(win, use);
  return cvy_keras_wrong(use, "its padding is '%s'; 'same' and 'valid' are read", padding);
}

static void set_padding(const cvy_keras_use *use, cvy_yaml *options, const window *win) {
  if (win->same)
    set(use->b, options, "padding", "same");
  else if (win->padding[0] || win->padding[1])
    set_pair(use->b, options, "padding", win->padding);
}

/* ---- convolutions ---- */

static cvy_err refuse_dilation(const cvy_keras_use *use) {
  int64_t rate[2] = {1, 1};
  CVY_TRY(read_pair(rate, use, "dilation_rate", "dilation_rate"));
  if (rate[0] == 1 && rate[1] == 1) return CVY_OK;
  return cvy_keras_wrong(use, "its dilation_rate is not 1, for which Convoy has no layer");
}

static cvy_err read_window(window *win, const cvy_keras_use *use) {
  CVY_TRY(refuse_dilation(use));
  win->stride[0] = win->stride[1] = 1;
  if (get(use->config, "kernel_size")) {
    CVY_TRY(read_pair(win->kernel, use, "kernel_size", "kernel_size"));
  } else { /* Keras 1 */
    CVY_TRY(read_count(&win->kernel[0], use, "nb_row", "nb_row"));
    CVY_TRY(read_count(&win->kernel[1], use, "nb_col", "nb_col"));
  }
  CVY_TRY(read_pair(win->stride, use, "strides", "subsample"));
  return place(win, use);
}

static cvy_err add_conv(cvy_keras_value *out, const cvy_keras_use *use, const window *win, int64_t filters,
                        int64_t groups, cvy_keras_weight *kernel_shape) {
  cvy_keras_builder *b = use->b;
  const bool bias = flag(use->config, "use_bias", flag(use->config, "bias", true));
  const int64_t channels = use->in->c;
  if (channels % groups != 0 || filters % groups != 0)
    return cvy_keras_wrong(
        use, "%" PRId64 " channels and %" PRId64 " filters cannot be cut into %" PRId64 " groups", channels,
        filters, groups);
  cvy_yaml *options = add_layer(use, "conv", "", use->in, 1);
  set_whole(b, options, "filters", filters);
  set_pair(b, options, "kernel", win->kernel);
  if (win->stride[0] > 1 || win->stride[1] > 1) set_pair(b, options, "stride", win->stride);
  set_padding(use, options, win);
  if (groups > 1) set_whole(b, options, "groups", groups);
  if (!bias) set(b, options, "bias", "false");
  cvy_keras_layer *layer = add_weights(use);
  cvy_keras_weight *kernel = add_weight(use, layer, "kernel", "weights");
  if (kernel_shape) {
    kernel->dim_count = kernel_shape->dim_count;
    memcpy(kernel->dims, kernel_shape->dims, sizeof kernel->dims);
  }
  if (bias) add_weight(use, layer, "bias", "bias");
  const cvy_keras_value y = value_of(use, win->out[0], win->out[1], filters, false);
  return use_activation(out, use, false, &y);
}

static cvy_err make_conv(cvy_keras_value *out, const cvy_keras_use *use) {
  window win = {0};
  int64_t filters, groups = 1;
  CVY_TRY(read_count(&filters, use, "filters", "nb_filter"));
  if (get(use->config, "groups")) CVY_TRY(read_count(&groups, use, "groups", "groups"));
  CVY_TRY(read_window(&win, use));
  return add_conv(out, use, &win, filters, groups, NULL);
}

/* A filter of [R][S][C][M] gives channel c of the image its outputs c M ... c M + M - 1, which is a
 * convolution in C groups with filters of [R][S][1][C M]. */
static cvy_err make_depthwise(cvy_keras_value *out, const cvy_keras_use *use) {
  window win = {0};
  int64_t multiplier = 1;
  if (get(use->config, "depth_multiplier"))
    CVY_TRY(read_count(&multiplier, use, "depth_multiplier", "depth_multiplier"));
  CVY_TRY(read_window(&win, use));
  const int64_t filters = use->in->c * multiplier;
  cvy_keras_weight shape = {.dim_count = 4, .dims = {win.kernel[0], win.kernel[1], 1, filters}};
  return add_conv(out, use, &win, filters, use->in->c, &shape);
}

/* ---- poolings ---- */

static cvy_err make_pool(cvy_keras_value *out, const cvy_keras_use *use, const char *type) {
  const bool is_max = strcmp(type, "max_pool") == 0;
  window win = {.kernel = {2, 2}};
  CVY_TRY(read_pair(win.kernel, use, "pool_size", "pool_size"));
  memcpy(win.stride, win.kernel, sizeof win.kernel);
  CVY_TRY(read_pair(win.stride, use, "strides", "strides"));
  CVY_TRY(place(&win, use));
  const bool zeros = use->in->padding && (win.same || win.padding[0] || win.padding[1]);
  if (is_max && zeros && !use->in->not_negative)
    return cvy_keras_wrong(use,
                           "it takes the zeros of '%s' for numbers of the map; Convoy's max_pool leaves "
                           "padding out, which is the same only behind a relu or a sigmoid",
                           use->in->padding);
  if (!is_max && zeros && win.same)
    return cvy_keras_wrong(use, "it averages over the zeros of '%s', which are not the same on both sides",
                           use->in->padding);
  if (win.same && !zeros && zeros_of_same(use->in->h, win.kernel[0], win.stride[0]) == 0 &&
      zeros_of_same(use->in->w, win.kernel[1], win.stride[1]) == 0)
    win.same = false; /* it needs no zeros here */
  cvy_yaml *options = add_layer(use, type, "", use->in, 1);
  set_pair(use->b, options, "kernel", win.kernel);
  if (win.stride[0] != win.kernel[0] || win.stride[1] != win.kernel[1])
    set_pair(use->b, options, "stride", win.stride);
  set_padding(use, options, &win);
  if (!is_max && win.same) set(use->b, options, "count_padding", "false");
  *out = value_of(use, win.out[0], win.out[1], use->in->c, false);
  out->not_negative = use->in->not_negative;
  return CVY_OK;
}

static cvy_err make_max_pool(cvy_keras_value *out, const cvy_keras_use *use) {
  return make_pool(out, use, "max_pool");
}

static cvy_err make_average_pool(cvy_keras_value *out, const cvy_keras_use *use) {
  return make_pool(out, use, "average_pool");
}

static cvy_err make_global_pool(cvy_keras_value *out, const cvy_keras_use *use, const char *type) {
  CVY_TRY(refuse_channels_first(use));
  CVY_TRY(refuse_padding(use, use->in));
  CVY_TRY(read_map(use));
  cvy_yaml *options = add_layer(use, type, "", use->in, 1);
  set(use->b, options, "kernel", "global");
  *out = value_of(use, 1, 1, use->in->c, !flag(use->config, "keepdims", false));
  out->not_negative = use->in->not_negative;
  return CVY_OK;
}

static cvy_err make_global_max(cvy_keras_value *out, const cvy_keras_use *use) {
  return make_global_pool(out, use, "max_pool");
}

static cvy_err make_global_average(cvy_keras_value *out, const cvy_keras_use *use) {
  return make_global_pool(out, use, "average_pool");
}

/* ---- fully connected ---- */

static cvy_err make_dense(cvy_keras_value *out, const cvy_keras_use *use) {
  int64_t units;
  const bool bias = flag(use->config, "use_bias", flag(use->config, "bias", true));
  CVY_TRY(read_count(&units, use, "units", "output_dim"));
  CVY_TRY(refuse_padding(use, use->in));
  if (!use->in->row && use->in->h * use->in->w > 1)
    return cvy_keras_wrong(use,
                           "it reads a map of %" PRId64 "x%" PRId64 ", each pixel by itself; what Convoy "
                           "has for that is a Conv2D with a kernel of 1",
                           use->in->h, use->in->w);
  cvy_yaml *options = add_layer(use, "fc", "", use->in, 1);
  set_whole(use->b, options, "outputs", units);
  if (!bias) set(use->b, options, "bias", "false");
  cvy_keras_layer *layer = add_weights(use);
  add_weight(use, layer, "kernel", "weights");
  if (bias) add_weight(use, layer, "bias", "bias");
  const cvy_keras_value y = value_of(use, 1, 1, units, use->in->row);
  return use_activation(out, use, false, &y);
}

/* ---- batch normalisation ---- */

static cvy_err check_axis(const cvy_keras_use *use, const cvy_keras_value *in) {
  const json_t *axis = get(use->config, "axis");
  if (json_is_array(axis) && json_array_size(axis) == 1) axis = json_array_get(axis, 0);
  const json_int_t at = json_is_integer(axis) ? json_integer_value(axis) : axis ? 0 : -1;
  if (at == -1 || at == (in->row ? 1 : 3)) return CVY_OK;
  return cvy_keras_wrong(use, "its axis is not that of the channels");
}

static cvy_err make_batch_norm(cvy_keras_value *out, const cvy_keras_use *use) {
  cvy_keras_builder *b = use->b;
  CVY_TRY(refuse_padding(use, use->in));
  if (flag(use->config, "renorm", false) || get(use->config, "virtual_batch_size"))
    return cvy_keras_wrong(use, "it renormalises, for which Convoy has no layer");
  const cvy_keras_value x = flattened(use, use->in);
  const bool scale = flag(use->config, "scale", true), center = flag(use->config, "center", true);
  const json_t *mode = get(use->config, "mode"); /* Keras 1: 0 is along the channels, by what was learnt */
  if (mode && (!json_is_integer(mode) || json_integer_value(mode) != 0))
    return cvy_keras_wrong(use, "its mode is not 0, for which Convoy has no layer");
  double epsilon = mode ? 1e-5 : 1e-3, momentum = 0.99;
  CVY_TRY(check_axis(use, &x));
  CVY_TRY(read_number(&epsilon, use, use->config, "epsilon"));
  CVY_TRY(read_number(&momentum, use, use->config, "momentum"));
  cvy_yaml *options = add_layer(use, "batch_norm", "", &x, 1);
  set_number(b, options, "epsilon", epsilon);
  set_number(b, options, "momentum", (double)(float)(1 - momentum));
  if (!scale) set(b, options, "scale", "false");
  if (!center) set(b, options, "bias", "false");
  cvy_keras_layer *layer = add_weights(use);
  if (scale) add_weight(use, layer, "gamma", "scale");
  if (center) add_weight(use, layer, "beta", "bias");
  add_weight(use, layer, "moving_mean", "mean");
  add_weight(use, layer, "moving_variance", "variance");
  *out = value_of(use, x.h, x.w, x.c, x.row);
  return CVY_OK;
}

/* ---- shapes ---- */

static cvy_err make_flatten(cvy_keras_value *out, const cvy_keras_use *use) {
  CVY_TRY(refuse_channels_first(use));
  CVY_TRY(refuse_padding(use, use->in));
  *out = *use->in;
  if (!out->row) out->flatten = use->name;
  out->row = true;
  return CVY_OK;
}

static cvy_err make_reshape(cvy_keras_value *out, const cvy_keras_use *use) {
  const json_t *shape = get(use->config, "target_shape");
  const size_t rank = json_array_size(shape);
  const cvy_keras_value *in = use->in;
  const int64_t count = in->h * in->w * in->c;
  int64_t dims[3] = {0}, known = 1;
  CVY_TRY(refuse_padding(use, in));
  for (size_t i = 0; i < rank && i < 3; i++) {
    dims[i] = json_integer_value(json_array_get(shape, i));
    if (dims[i] > 0 && __builtin_mul_overflow(known, dims[i], &known)) known = -1;
  }
  for (size_t i = 0; i < rank && i < 3; i++)
    if (dims[i] == -1 && known > 0) dims[i] = count / known;
  *out = *in;
  if (rank == 1 && dims[0] == count) return make_flatten(out, use);
  const bool is_map = rank == 3 && dims[0] == in->h && dims[1] == in->w && dims[2] == in->c;
  if (is_map && (!in->row || in->flatten || in->h * in->w == 1)) {
    out->row = false;
    out->flatten = NULL;
    return CVY_OK;
  }
  if (rank == 3 && in->image && in->row && in->stage == use->b->stages && !use->b->has_image &&
      !use->b->model->has_input && dims[0] > 0 && dims[1] > 0 && dims[2] > 0 && known > 0 &&
      dims[0] * dims[1] * dims[2] == count) { /* the image comes as a row of its numbers */
    memcpy(use->b->input, dims, sizeof dims);
    use->b->model->channels = dims[2];
    *out = (cvy_keras_value){.layer = in->layer,
                             .h = dims[0],
                             .w = dims[1],
                             .c = dims[2],
                             .image = true,
                             .stage = ++use->b->stages};
    return CVY_OK;
  }
  return cvy_keras_wrong(use, "it changes the order of a map's numbers into another one's; only a reshape "
                              "that flattens is read");
}

/* Returns what `padding` says of a side: a number for all, [rows, columns], [[above, below], [left, right]],
 * or, as in Keras 1, [above, below, left, right]. NULL: nothing that can be read. */
static const json_t *zeros_at(const json_t *padding, size_t side) {
  if (!json_is_array(padding)) return padding;
  if (json_array_size(padding) == 4) return json_array_get(padding, side);
  const json_t *pair = json_array_size(padding) == 2 ? json_array_get(padding, side / 2) : NULL;
  if (!json_is_array(pair)) return pair;
  return json_array_size(pair) == 2 ? json_array_get(pair, side % 2) : NULL;
}

static cvy_err make_zero_padding(cvy_keras_value *out, const cvy_keras_use *use) {
  const json_t *padding = get(use->config, "padding");
  CVY_TRY(refuse_channels_first(use));
  CVY_TRY(read_map(use));
  *out = *use->in;
  for (size_t i = 0; i < 4; i++) {
    const json_t *one = zeros_at(padding, i);
    const json_int_t zeros = padding ? json_integer_value(one) : 1;
    if ((padding && !json_is_integer(one)) || zeros < 0 || zeros > MOST_SIZE)
      return cvy_keras_wrong(use, "padding should be ((above, below), (left, right)), whole numbers up to %d",
                             MOST_SIZE);
    out->around[i] += zeros;
    if (out->around[i] > MOST_SIZE) return cvy_keras_wrong(use, "there are too many zeros around the map");
  }
  out->padding = use->name;
  return CVY_OK;
}

/* ---- several inputs ---- */

static cvy_err read_several(cvy_keras_value **out, const cvy_keras_use *use) {
  cvy_keras_value *in = cvy_pool_new(use->b->file->pool, sizeof *in * (size_t)(use->in_count + 1));
  if (use->in_count < 2) return cvy_keras_wrong(use, "it should have two inputs or more");
  for (int64_t i = 0; i < use->in_count; i++) {
    CVY_TRY(refuse_padding(use, &use->in[i]));
    in[i] = flattened(use, &use->in[i]);
  }
  *out = in;
  return CVY_OK;
}

static bool all_not_negative(const cvy_keras_value *in, int64_t count) {
  bool all = true;
  for (int64_t i = 0; i < count; i++) all = all && in[i].not_negative;
  return all;
}

static cvy_err make_add(cvy_keras_value *out, const cvy_keras_use *use) {
  cvy_keras_value *in;
  CVY_TRY(read_several(&in, use));
  for (int64_t i = 1; i < use->in_count; i++)
    if (in[i].h != in->h || in[i].w != in->w || in[i].c != in->c)
      return cvy_keras_wrong(use,
                             "its inputs have several shapes, %" PRId64 "x%" PRId64 "x%" PRId64
                             " and %" PRId64 "x%" PRId64 "x%" PRId64,
                             in->h, in->w, in->c, in[i].h, in[i].w, in[i].c);
  add_layer(use, "add", "", in, use->in_count);
  *out = value_of(use, in->h, in->w, in->c, in->row);
  out->not_negative = all_not_negative(in, use->in_count);
  return CVY_OK;
}

static cvy_err make_concat(cvy_keras_value *out, const cvy_keras_use *use) {
  cvy_keras_value *in;
  int64_t channels = 0;
  CVY_TRY(read_several(&in, use));
  const json_t *axis = either(use->config, "axis", "concat_axis");
  const json_int_t at = json_is_integer(axis) ? json_integer_value(axis) : -1;
  if (at != -1 && at != (in->row ? 1 : 3))
    return cvy_keras_wrong(use, "its axis is not that of the channels");
  for (int64_t i = 0; i < use->in_count; i++) {
    if (in[i].h != in->h || in[i].w != in->w) return cvy_keras_wrong(use, "its inputs have several sizes");
    channels += in[i].c;
  }
  add_layer(use, "concat", "", in, use->in_count);
  *out = value_of(use, in->h, in->w, channels, in->row);
  out->not_negative = all_not_negative(in, use->in_count);
  return CVY_OK;
}

/* Keras 1 has one class for both. */
static cvy_err make_merge(cvy_keras_value *out, const cvy_keras_use *use) {
  const char *mode = text(use->config, "mode", "mode", "sum");
  if (strcmp(mode, "sum") == 0) return make_add(out, use);
  if (strcmp(mode, "concat") == 0) return make_concat(out, use);
  return cvy_keras_wrong(use, "its mode is '%s'; 'sum' and 'concat' are read", mode);
}

/* ---- what works while training alone ---- */

static cvy_err make_dropout(cvy_keras_value *out, const cvy_keras_use *use) {
  double rate = 0.5;
  CVY_TRY(read_number(&rate, use, use->config, "p"));
  CVY_TRY(read_number(&rate, use, use->config, "rate"));
  CVY_TRY(refuse_padding(use, use->in));
  if (get(use->config, "noise_shape"))
    return cvy_keras_wrong(use, "it has a noise_shape, for which Convoy has no layer");
  if (!(rate >= 0 && rate <= 0.999)) return cvy_keras_wrong(use, "rate should be from 0 to 0.999");
  cvy_yaml *options = add_layer(use, "dropout", "", use->in, 1);
  set_number(use->b, options, "rate", rate);
  *out = value_of(use, use->in->h, use->in->w, use->in->c, use->in->row);
  out->flatten = use->in->flatten;
  out->not_negative = use->in->not_negative;
  return CVY_OK;
}

/* Leaves out what changes no prediction, and says so. */
static cvy_err make_nothing(cvy_keras_value *out, const cvy_keras_use *use) {
  *out = *use->in;
  if (!use->repeated)
    cvy_weights_note(use->b->file, "left out",
                     cvy_pool_format(use->b->file->pool, "layer '%s' (%s), which works while training alone",
                                     use->name, use->class));
  return CVY_OK;
}

/* ---- preprocessing ---- */

static cvy_err check_preprocessing(const cvy_keras_use *use) {
  const cvy_keras_builder *b = use->b;
  if (use->in->image && use->in->stage == b->stages && b->model->channels <= CVY_MAX_CHANNELS) return CVY_OK;
  return cvy_keras_wrong(use,
                         "only the image itself can be preprocessed, of at most %d channels, and by one "
                         "chain of layers",
                         CVY_MAX_CHANNELS);
}

/* Reads a value for each channel: a number, or a list, within a list or not. */
static cvy_err read_channels(double out[CVY_MAX_CHANNELS], const cvy_keras_use *use, const char *key,
                             double fallback) {
  const json_t *value = get(use->config, key);
  const int64_t channels = use->b->model->channels;
  while (json_is_array(value) && json_array_size(value) == 1) value = json_array_get(value, 0);
  for (int64_t c = 0; c < channels; c++) {
    const json_t *one = json_is_array(value) ? json_array_get(value, (size_t)c) : value;
    out[c] = value ? json_number_value(one) : fallback;
    if ((value && !json_is_number(one)) ||
        (json_is_array(value) && json_array_size(value) != (size_t)channels))
      return cvy_keras_wrong(use, "%s should be a number, or one for each channel", key);
  }
  return CVY_OK;
}

/* Puts factor * x + offset behind what images go through so far. */
static void go_on(cvy_keras_value *out, const cvy_keras_use *use, const double *factor,
                  const double *offset) {
  cvy_keras_model *m = use->b->model;
  for (int64_t c = 0; c < m->channels && factor; c++) {
    m->factor[c] = factor[c] * m->factor[c];
    m->offset[c] = factor[c] * m->offset[c] + offset[c];
  }
  m->has_input = true;
  *out = *use->in;
  out->stage = ++use->b->stages;
}

static cvy_err make_rescaling(cvy_keras_value *out, const cvy_keras_use *use) {
  double scale[CVY_MAX_CHANNELS], offset[CVY_MAX_CHANNELS];
  CVY_TRY(check_preprocessing(use));
  CVY_TRY(read_channels(scale, use, "scale", 1));
  CVY_TRY(read_channels(offset, use, "offset", 0));
  for (int64_t c = 0; c < use->b->model->channels; c++)
    if (!(scale[c] > 0) || !isfinite(offset[c]))
      return cvy_keras_wrong(use, "its scale should be more than 0");
  if (use->b->model->normalisation >= 0)
    return cvy_keras_wrong(use, "it stands behind a Normalization that has learnt its mean; it should stand "
                                "before it");
  go_on(out, use, scale, offset);
  return CVY_OK;
}

static cvy_err make_normalization(cvy_keras_value *out, const cvy_keras_use *use) {
  double mean[CVY_MAX_CHANNELS], variance[CVY_MAX_CHANNELS], factor[CVY_MAX_CHANNELS],
      offset[CVY_MAX_CHANNELS];
  cvy_keras_model *m = use->b->model;
  CVY_TRY(check_preprocessing(use));
  CVY_TRY(check_axis(use, use->in));
  if (flag(use->config, "invert", false) || m->normalisation >= 0)
    return cvy_keras_wrong(use, "it inverts, or stands behind one that has learnt its mean; Convoy has no "
                                "layer for that");
  if (!get(use->config, "mean")) {
    m->normalisation = m->layer_count;
    cvy_keras_layer *layer = add_weights(use);
    add_weight(use, layer, "mean", NULL);
    add_weight(use, layer, "variance", NULL);
    go_on(out, use, NULL, NULL);
    return CVY_OK;
  }
  CVY_TRY(read_channels(mean, use, "mean", 0));
  CVY_TRY(read_channels(variance, use, "variance", 1));
  for (int64_t c = 0; c < m->channels; c++) {
    const double deviation = fmax(sqrt(variance[c]), 1e-7); /* Keras' own epsilon */
    factor[c] = 1 / deviation;
    offset[c] = -mean[c] / deviation;
    if (!(variance[c] >= 0) || !isfinite(offset[c]))
      return cvy_keras_wrong(use, "its mean and variance should be finite, and no variance less than 0");
  }
  go_on(out, use, factor, offset);
  return CVY_OK;
}

/* ---- all of them ---- */

static const struct {
  const char *class;
  cvy_err (*make)(cvy_keras_value *out, const cvy_keras_use *use);
  bool has_weights, several; /* several inputs */
} rules[] = {{"Conv2D", make_conv, true, false},
             {"Convolution2D", make_conv, true, false},
             {"DepthwiseConv2D", make_depthwise, true, false},
             {"Dense", make_dense, true, false},
             {"BatchNormalization", make_batch_norm, true, false},
             {"BatchNormalizationV1", make_batch_norm, true, false},
             {"BatchNormalizationV2", make_batch_norm, true, false},
             {"MaxPooling2D", make_max_pool, false, false},
             {"MaxPool2D", make_max_pool, false, false},
             {"AveragePooling2D", make_average_pool, false, false},
             {"AvgPool2D", make_average_pool, false, false},
             {"GlobalAveragePooling2D", make_global_average, false, false},
             {"GlobalMaxPooling2D", make_global_max, false, false},
             {"Flatten", make_flatten, false, false},
             {"Reshape", make_reshape, false, false},
             {"ZeroPadding2D", make_zero_padding, false, false},
             {"Activation", make_activation, false, false},
             {"ReLU", make_relu, false, false},
             {"LeakyReLU", make_leaky_relu, false, false},
             {"ELU", make_elu, false, false},
             {"Softmax", make_softmax, false, false},
             {"Add", make_add, false, true},
             {"Concatenate", make_concat, false, true},
             {"Merge", make_merge, false, true},
             {"Dropout", make_dropout, false, false},
             {"Rescaling", make_rescaling, false, false},
             {"Normalization", make_normalization, true, false},
             {"SpatialDropout2D", make_nothing, false, false},
             {"GaussianDropout", make_nothing, false, false},
             {"GaussianNoise", make_nothing, false, false},
             {"AlphaDropout", make_nothing, false, false},
             {"ActivityRegularization", make_nothing, false, false},
             {"RandomFlip", make_nothing, false, false},
             {"RandomRotation", make_nothing, false, false},
             {"RandomZoom", make_nothing, false, false},
             {"RandomTranslation", make_nothing, false, false},
             {"RandomContrast", make_nothing, false, false},
             {"RandomBrightness", make_nothing, false, false}};

cvy_err cvy_keras_use_layer(cvy_keras_value *out, const cvy_keras_use *use) {
  for (int64_t i = 0; i < CVY_COUNT(rules); i++) {
    if (strcmp(rules[i].class, use->class) != 0) continue;
    if (rules[i].has_weights && use->repeated)
      return cvy_keras_wrong(use, "it is used more than once; Convoy's layers have weights of their own");
    if (use->in_count != 1 && !rules[i].several)
      return cvy_keras_wrong(use, "it should have one input, not %" PRId64, use->in_count);
    return rules[i].make(out, use);
  }
  return cvy_keras_wrong(use, "Convoy has no layer that is the same");
}

/* ---- the end ---- */

static void add_loss(cvy_keras_builder *b, const char *type, const cvy_keras_value *in) {
  const cvy_keras_scope scope = {0};
  const cvy_keras_use use = {.b = b, .scope = &scope, .name = "loss"};
  add_layer(&use, type, "", in, 1);
}

/* Tells whether a layer of this type gives numbers that may be scores. */
static bool gives_scores(const char *type) {
  static const char *const types[] = {"fc", "conv", "average_pool", "max_pool", "flatten"};
  for (int64_t i = 0; i < CVY_COUNT(types); i++)
    if (strcmp(type, types[i]) == 0) return true;
  return false;
}

/* A softmax or sigmoid at the end becomes the loss that has it within; scores get the loss that fits. */
cvy_err cvy_keras_end(cvy_keras_builder *b, const cvy_keras_value *out) {
  const cvy_keras_scope scope = {0};
  const cvy_keras_use use = {.b = b, .scope = &scope, .name = b->last, .class = "the last one"};
  const bool is_map = out->h * out->w > 1;
  CVY_TRY(refuse_padding(&use, out));
  if (!b->last_type || strcmp(out->layer, b->last) != 0)
    return cvy_keras_wrong(&use, "what the model gives is not what its last layer gives");
  if (is_map && !out->row)
    return cvy_keras_wrong(
        &use, "the model gives a map of %" PRId64 "x%" PRId64 "x%" PRId64 ", not one row of scores", out->h,
        out->w, out->c);
  const bool is_softmax = strcmp(b->last_type, "softmax") == 0;
  if (!is_map && (is_softmax || strcmp(b->last_type, "sigmoid") == 0)) {
    cvy_yaml *item = b->layers->items[b->layers->count - 1];
    item->keys[0]->text = is_softmax ? "softmax_loss" : "sigmoid_loss";
    return CVY_OK;
  }
  if (!gives_scores(b->last_type))
    return cvy_keras_wrong(&use, "the model ends in '%s', not in scores of classes", b->last_type);
  const cvy_keras_value scores = flattened(&use, out);
  add_loss(b, scores.c == 1 ? "sigmoid_loss" : "softmax_loss", &scores);
  return CVY_OK;
}
