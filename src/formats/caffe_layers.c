/* What each of Caffe's types of layers is here. A type without a line in the table is an error, and so is an
 * option that is not known, or that says what no layer of Convoy does. */
#include "formats/caffe_graph.h"

#include <stdlib.h>
#include <string.h>

/* A layer that is being made. */
typedef struct maker {
  const char *path;
  cvy_pool *pool;
  const cvy_caffe_layer *layer;
  const cvy_prototext *param; /* its message of options; NULL: none */
  cvy_caffe_node *node;
} maker;

static void set(const maker *m, const char *key, const char *text) {
  cvy_caffe_set(m->pool, m->path, m->node->options, m->layer->at, key, "%s", text);
}

static void set_whole(const maker *m, const char *key, int64_t value) {
  cvy_caffe_set(m->pool, m->path, m->node->options, m->layer->at, key, "%" PRId64, value);
}

static void set_number(const maker *m, const char *key, double value) {
  set(m, key, cvy_caffe_number_text(m->pool, value));
}

static void set_pair(const maker *m, const char *key, const int64_t pair[2]) {
  if (pair[0] == pair[1]) {
    set_whole(m, key, pair[0]);
    return;
  }
  cvy_yaml *list = cvy_yaml_new_sequence(m->pool, m->path);
  list->line = m->layer->at->line;
  list->column = m->layer->at->column;
  for (int i = 0; i < 2; i++)
    cvy_yaml_add(m->pool, list, NULL,
                 cvy_yaml_new_scalar(m->pool, m->path, cvy_pool_format(m->pool, "%" PRId64, pair[i])));
  cvy_yaml_add(m->pool, m->node->options, key, list);
}

/* Says that a field has a value that nothing here stands for. */
static cvy_err no_word(const maker *m, const char *name, const char *why) {
  const cvy_prototext_field *field = cvy_prototext_get(m->param, name);
  const char *value = field && field->text ? field->text : "";
  return cvy_caffe_wrong(m->path, field, m->layer, "%s%s%.80s: %s", name, value[0] ? ": " : "", value, why);
}

/* Refuses fields that are not among these words. */
static cvy_err check_fields(const maker *m, const char *words) {
  for (int64_t i = 0; m->param && i < m->param->count; i++) {
    const char *name = m->param->fields[i].name, *found = words;
    const size_t length = strlen(name);
    for (; (found = strstr(found, name)); found++)
      if ((found == words || found[-1] == ' ') && (found[length] == ' ' || !found[length])) break;
    if (!found)
      return cvy_caffe_wrong(m->path, &m->param->fields[i], m->layer,
                             "option '%s' of %s is not known here; known are: %s", name, m->layer->type,
                             words);
  }
  return CVY_OK;
}

/* Checks that a whole number is what it must be here. */
static cvy_err must_be(const maker *m, const char *name, int64_t expected, const char *why) {
  int64_t value = expected;
  CVY_TRY(cvy_caffe_whole(&value, m->path, m->param, name));
  return value == expected ? CVY_OK : no_word(m, name, why);
}

/* ---- first values ---- */

static cvy_err no_filler(const maker *m, const cvy_prototext *filler, const char *what) {
  const cvy_prototext_field *type = cvy_prototext_get(filler, "type");
  return cvy_caffe_wrong(m->path, type, m->layer,
                         "%s of type '%s' have no counterpart here; these have: constant, gaussian around 0, "
                         "xavier by FAN_IN or AVERAGE, msra by FAN_IN or FAN_OUT",
                         what, cvy_caffe_text(filler, "type", "constant"));
}

static cvy_err set_gaussian(const maker *m, const cvy_prototext *filler) {
  double mean = 0, deviation = 1, sparse = -1;
  CVY_TRY(cvy_caffe_number(&mean, m->path, filler, "mean"));
  CVY_TRY(cvy_caffe_number(&deviation, m->path, filler, "std"));
  CVY_TRY(cvy_caffe_number(&sparse, m->path, filler, "sparse"));
  if (mean != 0 || sparse != -1) return no_filler(m, filler, "weights with a mean, or sparse ones,");
  set(m, "init", "gaussian");
  set_number(m, "init_std", deviation);
  return CVY_OK;
}

/* Caffe's xavier divides by the inputs of a unit alone, unless it is told otherwise. */
static cvy_err set_weight_filler(const maker *m) {
  const cvy_prototext *filler = cvy_prototext_message(m->param, "weight_filler");
  static const struct {
    const char *type, *norm, *init;
  } known[] = {{"xavier", "FAN_IN", "lecun"},
               {"xavier", "AVERAGE", "xavier"},
               {"msra", "FAN_IN", "he"},
               {"msra", "FAN_OUT", "he_out"}};
  const char *type = cvy_caffe_text(filler, "type", "constant"),
             *norm = cvy_caffe_text(filler, "variance_norm", "FAN_IN");
  double value = 0;
  if (!filler) return CVY_OK;
  for (int64_t i = 0; i < CVY_COUNT(known); i++) {
    if (strcmp(type, known[i].type) != 0 || strcmp(norm, known[i].norm) != 0) continue;
    set(m, "init", known[i].init);
    return CVY_OK;
  }
  if (strcmp(type, "gaussian") == 0) return set_gaussian(m, filler);
  if (strcmp(type, "constant") != 0) return no_filler(m, filler, "weights");
  CVY_TRY(cvy_caffe_number(&value, m->path, filler, "value"));
  set(m, "init", "constant");
  set_number(m, "init_value", value);
  return CVY_OK;
}

/* Sets `key` to the constant that the filler `name` gives, unless that is the fallback. */
static cvy_err set_constant(const maker *m, const char *name, const char *key, double fallback) {
  const cvy_prototext *filler = cvy_prototext_message(m->param, name);
  double value = filler ? 0 : fallback;
  if (strcmp(cvy_caffe_text(filler, "type", "constant"), "constant") != 0)
    return cvy_caffe_wrong(m->path, cvy_prototext_get(filler, "type"), m->layer,
                           "%s of type '%s' has no counterpart here; 'constant' has", name,
                           cvy_caffe_text(filler, "type", ""));
  CVY_TRY(cvy_caffe_number(&value, m->path, filler, "value"));
  if (value != fallback) set_number(m, key, value);
  return CVY_OK;
}

static cvy_err set_bias(const maker *m, bool fallback) {
  bool bias = fallback;
  CVY_TRY(cvy_caffe_bool(&bias, m->path, m->param, "bias_term"));
  if (!bias) set(m, "bias", "false");
  return bias ? set_constant(m, "bias_filler", "bias_value", 0) : CVY_OK;
}

/* ---- convolution, products ---- */

/* Reads a size that is said once, for both sides, or of each. */
static cvy_err read_pair(int64_t out[2], const maker *m, const char *both, const char *of_height,
                         const char *of_width) {
  double values[2];
  int64_t count;
  CVY_TRY(cvy_caffe_numbers(values, &count, 2, m->path, m->param, both));
  for (int i = 0; i < 2 && count > 0; i++) {
    const double value = values[count == 2 ? i : 0];
    if (value < 0 || value > 65535 || value != (double)(int64_t)value)
      return no_word(m, both, "expected a whole number from 0 to 65535");
    out[i] = (int64_t)value;
  }
  CVY_TRY(cvy_caffe_whole(&out[0], m->path, m->param, of_height));
  return cvy_caffe_whole(&out[1], m->path, m->param, of_width);
}

static cvy_err set_window(const maker *m, bool has_kernel) {
  int64_t kernel[2] = {0, 0}, stride[2] = {1, 1}, pad[2] = {0, 0};
  CVY_TRY(read_pair(kernel, m, "kernel_size", "kernel_h", "kernel_w"));
  CVY_TRY(read_pair(stride, m, "stride", "stride_h", "stride_w"));
  CVY_TRY(read_pair(pad, m, "pad", "pad_h", "pad_w"));
  if (has_kernel && (kernel[0] < 1 || kernel[1] < 1))
    return cvy_caffe_wrong(m->path, NULL, m->layer, "it has no kernel_size");
  if (has_kernel) set_pair(m, "kernel", kernel);
  if (has_kernel || stride[0] != 1 || stride[1] != 1) set_pair(m, "stride", stride);
  if (pad[0] || pad[1]) set_pair(m, "padding", pad);
  return CVY_OK;
}

static cvy_err set_outputs(const maker *m, const char *key) {
  int64_t outputs = 0;
  CVY_TRY(cvy_caffe_whole(&outputs, m->path, m->param, "num_output"));
  if (outputs < 1) return cvy_caffe_wrong(m->path, NULL, m->layer, "it has no num_output");
  set_whole(m, key, outputs);
  return CVY_OK;
}

static cvy_err make_convolution(maker *m) {
  int64_t dilation[2] = {1, 1}, groups = 1;
  CVY_TRY(check_fields(m, "num_output bias_term pad kernel_size group stride weight_filler bias_filler pad_h "
                          "pad_w kernel_h kernel_w stride_h stride_w engine axis force_nd_im2col dilation"));
  CVY_TRY(must_be(m, "axis", 1, "convolutions are over height and width"));
  CVY_TRY(read_pair(dilation, m, "dilation", "", ""));
  if (dilation[0] != 1 || dilation[1] != 1)
    return no_word(m, "dilation", "filters with holes have no counterpart here");
  CVY_TRY(set_outputs(m, "filters"));
  CVY_TRY(set_window(m, true));
  CVY_TRY(cvy_caffe_whole(&groups, m->path, m->param, "group"));
  if (groups != 1) set_whole(m, "groups", groups);
  CVY_TRY(set_weight_filler(m));
  return set_bias(m, true);
}

static cvy_err make_product(maker *m) {
  bool transposed = false;
  CVY_TRY(check_fields(m, "num_output bias_term weight_filler bias_filler axis transpose engine"));
  CVY_TRY(must_be(m, "axis", 1, "products are over all numbers of an image"));
  CVY_TRY(cvy_caffe_bool(&transposed, m->path, m->param, "transpose"));
  m->node->blobs = transposed ? CVY_CAFFE_COLUMNS : CVY_CAFFE_ROWS;
  CVY_TRY(set_outputs(m, "outputs"));
  CVY_TRY(set_weight_filler(m));
  return set_bias(m, true);
}

/* ---- pooling, normalisation ---- */

static cvy_err set_rounding(const maker *m) {
  bool up = strcmp(cvy_caffe_text(m->param, "round_mode", "CEIL"), "FLOOR") != 0;
  CVY_TRY(cvy_caffe_bool(&up, m->path, m->param, "ceil_mode"));
  if (up) set(m, "rounding", "up");
  return CVY_OK;
}

static cvy_err make_pooling(maker *m) {
  bool global = false;
  const char *pool = cvy_caffe_text(m->param, "pool", "MAX");
  CVY_TRY(check_fields(m,
                       "pool kernel_size stride pad kernel_h kernel_w stride_h stride_w pad_h pad_w engine "
                       "global_pooling round_mode ceil_mode"));
  if (strcmp(pool, "MAX") != 0 && strcmp(pool, "AVE") != 0)
    return no_word(m, "pool", "MAX and AVE have counterparts here");
  m->node->type = pool[0] == 'M' ? "max_pool" : "average_pool";
  CVY_TRY(cvy_caffe_bool(&global, m->path, m->param, "global_pooling"));
  if (!global) {
    CVY_TRY(set_window(m, true));
    return set_rounding(m);
  }
  int64_t kernel[2] = {0, 0};
  CVY_TRY(read_pair(kernel, m, "kernel_size", "kernel_h", "kernel_w"));
  if (kernel[0] || kernel[1]) return no_word(m, "global_pooling", "it is the kernel, and stands without one");
  set(m, "kernel", "global");
  return set_window(m, false);
}

static cvy_err make_lrn(maker *m) {
  int64_t size = 5;
  double alpha = 1, beta = 0.75, k = 1;
  CVY_TRY(check_fields(m, "local_size alpha beta norm_region k engine"));
  const bool within = strcmp(cvy_caffe_text(m->param, "norm_region", "ACROSS_CHANNELS"), "ACROSS_CHANNELS") !=
                      0;
  if (within) m->node->type = "lrn_within";
  CVY_TRY(cvy_caffe_whole(&size, m->path, m->param, "local_size"));
  CVY_TRY(cvy_caffe_number(&alpha, m->path, m->param, "alpha"));
  CVY_TRY(cvy_caffe_number(&beta, m->path, m->param, "beta"));
  CVY_TRY(cvy_caffe_number(&k, m->path, m->param, "k"));
  set_whole(m, "size", size);
  set_number(m, "alpha", alpha);
  set_number(m, "beta", beta);
  set_number(m, "k", within ? 1 : k); /* Caffe does not look at it there */
  return CVY_OK;
}

/* A batch_norm has a scale and a bias when a Scale behind it becomes its part. */
static cvy_err make_batch_norm(maker *m) {
  double fraction = 0.999, epsilon = 1e-5;
  bool stored = false, weights = false;
  CVY_TRY(check_fields(m, "use_global_stats moving_average_fraction eps engine filler bias_filler "
                          "use_weight_bias"));
  CVY_TRY(cvy_caffe_bool(&stored, m->path, m->param, "use_global_stats"));
  CVY_TRY(cvy_caffe_bool(&weights, m->path, m->param, "use_weight_bias"));
  if (weights) return no_word(m, "use_weight_bias", "a Scale layer behind it has the scale and the bias");
  CVY_TRY(cvy_caffe_number(&fraction, m->path, m->param, "moving_average_fraction"));
  CVY_TRY(cvy_caffe_number(&epsilon, m->path, m->param, "eps"));
  if (fraction < 0 || fraction >= 1) return no_word(m, "moving_average_fraction", "expected a share below 1");
  m->node->is_frozen = stored;
  set_number(m, "epsilon", epsilon);
  set_number(m, "momentum", 1 - fraction);
  return CVY_OK;
}

static cvy_err make_scale(maker *m) {
  bool bias = false;
  CVY_TRY(check_fields(m, "axis num_axes filler bias_term bias_filler"));
  CVY_TRY(must_be(m, "axis", 1, "a factor belongs to a channel"));
  CVY_TRY(must_be(m, "num_axes", 1, "a factor belongs to a channel"));
  CVY_TRY(set_constant(m, "filler", "scale_value", 1));
  CVY_TRY(cvy_caffe_bool(&bias, m->path, m->param, "bias_term"));
  return set_bias(m, false);
}

/* ---- one number from one number ---- */

static cvy_err make_relu(maker *m) {
  double slope = 0;
  CVY_TRY(check_fields(m, "negative_slope engine fuse"));
  CVY_TRY(cvy_caffe_number(&slope, m->path, m->param, "negative_slope"));
  m->node->type = slope == 0 ? "relu" : "leaky_relu";
  if (slope != 0) set_number(m, "slope", slope);
  return CVY_OK;
}

static cvy_err make_elu(maker *m) {
  double alpha = 1;
  CVY_TRY(check_fields(m, "alpha"));
  CVY_TRY(cvy_caffe_number(&alpha, m->path, m->param, "alpha"));
  set_number(m, "alpha", alpha);
  return CVY_OK;
}

static cvy_err make_plain(maker *m) {
  return check_fields(m, "engine");
}

static cvy_err make_dropout(maker *m) {
  double rate = 0.5;
  CVY_TRY(check_fields(m, "dropout_ratio"));
  CVY_TRY(cvy_caffe_number(&rate, m->path, m->param, "dropout_ratio"));
  set_number(m, "rate", rate);
  return CVY_OK;
}

/* ---- several inputs, shapes ---- */

static cvy_err make_concat(maker *m) {
  CVY_TRY(check_fields(m, "axis concat_dim"));
  CVY_TRY(must_be(m, "axis", 1, "layers stand side by side along the channels"));
  return must_be(m, "concat_dim", 1, "layers stand side by side along the channels");
}

static cvy_err make_eltwise(maker *m) {
  double factors[CVY_CAFFE_INPUTS];
  int64_t count;
  CVY_TRY(check_fields(m, "operation coeff stable_prod_grad engine"));
  if (strcmp(cvy_caffe_text(m->param, "operation", "SUM"), "SUM") != 0)
    return no_word(m, "operation", "SUM has a counterpart here");
  CVY_TRY(cvy_caffe_numbers(factors, &count, CVY_CAFFE_INPUTS, m->path, m->param, "coeff"));
  for (int64_t i = 0; i < count; i++)
    if (factors[i] != 1) return no_word(m, "coeff", "a sum has no factors but 1 here");
  return CVY_OK;
}

static cvy_err make_flatten(maker *m) {
  CVY_TRY(check_fields(m, "axis end_axis"));
  CVY_TRY(must_be(m, "axis", 1, "all numbers of an image become one row"));
  return must_be(m, "end_axis", -1, "all numbers of an image become one row");
}

/* A Reshape to {dim: 0 dim: -1} flattens. */
static cvy_err make_reshape(maker *m) {
  double dims[8];
  int64_t count;
  const cvy_prototext *shape = cvy_prototext_message(m->param, "shape");
  CVY_TRY(check_fields(m, "shape axis num_axes"));
  CVY_TRY(must_be(m, "axis", 0, "a shape of 'dim: 0 dim: -1', a flatten, has a counterpart here"));
  CVY_TRY(must_be(m, "num_axes", -1, "a shape of 'dim: 0 dim: -1', a flatten, has a counterpart here"));
  CVY_TRY(cvy_caffe_numbers(dims, &count, 8, m->path, shape, "dim"));
  bool flattens = count >= 2 && dims[0] == 0 && dims[1] == -1;
  for (int64_t i = 2; i < count; i++) flattens = flattens && dims[i] == 1;
  return flattens ? CVY_OK
                  : no_word(m, "shape", "a shape of 'dim: 0 dim: -1', a flatten, has a counterpart here");
}

/* ---- losses ---- */

static cvy_err make_softmax(maker *m) {
  CVY_TRY(check_fields(m, "engine axis"));
  return must_be(m, "axis", 1, "probabilities are along the channels");
}

/* Of a softmax an image counts once, whatever the normalisation: only a sum over the batch differs. Of
 * sigmoids each score counts, unless the sum is divided by the images alone, as it is by default. */
static cvy_err check_normalisation(const maker *m, bool is_softmax) {
  bool normalises = is_softmax;
  const char *how = cvy_caffe_text(m->param, "normalization", "BATCH_SIZE");
  CVY_TRY(cvy_caffe_bool(&normalises, m->path, m->param, "normalize"));
  if (strcmp(how, "NONE") == 0 || (!is_softmax && strcmp(how, "BATCH_SIZE") != 0))
    return no_word(m, "normalization", "a loss is the mean over the images here, BATCH_SIZE");
  if (!is_softmax && normalises && !cvy_prototext_get(m->param, "normalization"))
    return no_word(m, "normalize", "a loss is the mean over the images here, and not over their scores");
  return CVY_OK;
}

static cvy_err make_loss(maker *m) {
  double weight = 1;
  const bool is_softmax = strcmp(m->node->type, "softmax_loss") == 0;
  CVY_TRY(check_fields(m, "normalize normalization"));
  CVY_TRY(check_normalisation(m, is_softmax));
  if (is_softmax) {
    maker softmax = *m;
    softmax.param = cvy_prototext_message(m->layer->at, "softmax_param");
    CVY_TRY(make_softmax(&softmax));
  }
  CVY_TRY(cvy_caffe_number(&weight, m->path, m->layer->at, "loss_weight"));
  if (weight < 0) return cvy_caffe_wrong(m->path, NULL, m->layer, "its loss_weight is below 0");
  if (weight != 1) set_number(m, "weight", weight);
  m->node->is_loss = true;
  return CVY_OK;
}

/* ---- the table ---- */

static const struct {
  const char *caffe, *param, *type;
  cvy_err (*make)(maker *m);
  cvy_caffe_blobs blobs;
} types[] = {
    {"Convolution", "convolution_param", "conv", make_convolution, CVY_CAFFE_FILTERS},
    {"InnerProduct", "inner_product_param", "fc", make_product, CVY_CAFFE_ROWS},
    {"Pooling", "pooling_param", "max_pool", make_pooling, CVY_CAFFE_NO_BLOBS},
    {"LRN", "lrn_param", "lrn", make_lrn, CVY_CAFFE_NO_BLOBS},
    {"BatchNorm", "batch_norm_param", "batch_norm", make_batch_norm, CVY_CAFFE_STATISTICS},
    {"Scale", "scale_param", "scale", make_scale, CVY_CAFFE_SCALE},
    {"ReLU", "relu_param", "relu", make_relu, CVY_CAFFE_NO_BLOBS},
    {"ELU", "elu_param", "elu", make_elu, CVY_CAFFE_NO_BLOBS},
    {"TanH", "tanh_param", "tanh", make_plain, CVY_CAFFE_NO_BLOBS},
    {"Sigmoid", "sigmoid_param", "sigmoid", make_plain, CVY_CAFFE_NO_BLOBS},
    {"Dropout", "dropout_param", "dropout", make_dropout, CVY_CAFFE_NO_BLOBS},
    {"Concat", "concat_param", "concat", make_concat, CVY_CAFFE_NO_BLOBS},
    {"Eltwise", "eltwise_param", "add", make_eltwise, CVY_CAFFE_NO_BLOBS},
    {"Flatten", "flatten_param", "flatten", make_flatten, CVY_CAFFE_NO_BLOBS},
    {"Reshape", "reshape_param", "flatten", make_reshape, CVY_CAFFE_NO_BLOBS},
    {"Softmax", "softmax_param", "softmax", make_softmax, CVY_CAFFE_NO_BLOBS},
    {"SoftmaxWithLoss", "loss_param", "softmax_loss", make_loss, CVY_CAFFE_NO_BLOBS},
    {"SigmoidCrossEntropyLoss", "loss_param", "sigmoid_loss", make_loss, CVY_CAFFE_NO_BLOBS},
};

static bool is_among(const char *type, const char *const *known, int64_t count) {
  for (int64_t i = 0; i < count; i++)
    if (strcmp(known[i], type) == 0) return true;
  return false;
}

bool cvy_caffe_is_data(const char *type) {
  static const char *const known[] = {"Input",      "Data",      "ImageData", "HDF5Data",
                                      "MemoryData", "DummyData", "WindowData"};
  return is_among(type, known, CVY_COUNT(known));
}

bool cvy_caffe_is_passed_over(const char *type) {
  static const char *const known[] = {"Accuracy", "Silence", "ArgMax", "HDF5Output"};
  return is_among(type, known, CVY_COUNT(known));
}

bool cvy_caffe_hands_on(const cvy_caffe_layer *layer, int64_t inputs) {
  static const char *const merging[] = {"Concat", "Eltwise"};
  return strcmp(layer->type, "Split") == 0 ||
         (inputs == 1 && is_among(layer->type, merging, CVY_COUNT(merging)));
}

static cvy_err not_known(const char *path, const cvy_caffe_layer *layer) {
  cvy_text_stream known;
  cvy_text_stream_begin(&known);
  for (int64_t i = 0; i < CVY_COUNT(types); i++) fprintf(known.out, "%s%s", i ? ", " : "", types[i].caffe);
  size_t bytes;
  const cvy_err err = cvy_caffe_wrong(path, cvy_prototext_get(layer->at, "type"), layer,
                                      "layers of type '%s' have no counterpart here; these have: %s",
                                      layer->type, cvy_text_stream_look(&known, &bytes));
  free(cvy_text_stream_end(&known, NULL));
  return err;
}

/* What any layer may say of itself. */
static cvy_err check_layer(const cvy_caffe *c, const cvy_caffe_node *node) {
  const cvy_caffe_layer *layer = node->layer;
  double weight = 0;
  CVY_TRY(cvy_caffe_number(&weight, c->file->path, layer->at, "loss_weight"));
  if (weight != 0 && !node->is_loss)
    return cvy_caffe_wrong(c->file->path, cvy_prototext_get(layer->at, "loss_weight"), layer,
                           "a layer of type %s is no loss here", layer->type);
  for (int64_t i = 0; i < layer->at->count; i++) {
    const cvy_prototext_field *field = &layer->at->fields[i];
    const bool stops = strcmp(field->name, "propagate_down") == 0 && field->text &&
                       (strcmp(field->text, "false") == 0 || strcmp(field->text, "0") == 0);
    if (stops && !node->is_loss)
      return cvy_caffe_wrong(c->file->path, field, layer,
                             "propagate_down: false has no counterpart here; lr_mult: 0 for the layers below "
                             "has, for it freezes them");
  }
  return CVY_OK;
}

cvy_err cvy_caffe_layer_make(cvy_caffe_node *node, const cvy_caffe *c) {
  const cvy_caffe_layer *layer = node->layer;
  for (int64_t i = 0; i < CVY_COUNT(types); i++) {
    if (strcmp(types[i].caffe, layer->type) != 0) continue;
    maker m = {.path = c->file->path,
               .pool = c->pool,
               .layer = layer,
               .param = cvy_prototext_message(layer->at, types[i].param),
               .node = node};
    node->type = types[i].type;
    node->blobs = types[i].blobs;
    node->options = cvy_yaml_new_mapping(c->pool, c->file->path);
    CVY_TRY(types[i].make(&m));
    return check_layer(c, node);
  }
  return not_known(c->file->path, layer);
}

const char *cvy_caffe_tensor(cvy_caffe_blobs blobs, int64_t index) {
  static const char *const names[][2] = {[CVY_CAFFE_FILTERS] = {"weights", "bias"},
                                         [CVY_CAFFE_ROWS] = {"weights", "bias"},
                                         [CVY_CAFFE_COLUMNS] = {"weights", "bias"},
                                         [CVY_CAFFE_STATISTICS] = {"mean", "variance"},
                                         [CVY_CAFFE_SCALE] = {"scale", "bias"}};
  return blobs != CVY_CAFFE_NO_BLOBS && index < 2 ? names[blobs][index] : NULL;
}

const char *cvy_caffe_name(cvy_pool *pool, const char *name) {
  char *out = cvy_pool_format(pool, "%s", name);
  for (char *c = out; *c; c++) {
    const bool is_letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
                           (unsigned char)*c >= 0x80;
    const bool is_dot = (*c == '.' || *c == '/') && c > out && c[-1] != '.' && c[1] && c[1] != '/' &&
                        c[1] != '.';
    if (is_dot)
      *c = '.';
    else if (!is_letter && *c != '-')
      *c = '_';
  }
  return out;
}

const char *cvy_caffe_name_of(const cvy_caffe *c, int64_t node) {
  if (node < 0) return "input";
  return c->nodes[node].part_of < 0 ? c->nodes[node].name : cvy_caffe_name_of(c, c->nodes[node].part_of);
}
