/* The operators of ONNX that classification networks use, as layers of Convoy.
 *
 * Each node is looked at once, in the order of the graph. Sums of weights and constants become biases;
 * arithmetic with constants on the image becomes its mean and deviation. What has no counterpart is an error
 * that names the operator, the node and what it makes. */
#include "formats/onnx_build.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* ---- ways to look at a map ---- */

/* Looks at a map as a row of numbers. */
static cvy_err take_flatten(cvy_onnx_builder *b, const cvy_onnx_node *node) {
  cvy_onnx_value *x = cvy_onnx_in(b, node, 0), *y = cvy_onnx_out(b, node);
  const int64_t axis = cvy_onnx_integer(node, "axis", 1);
  if (!x || !x->pressed_by) CVY_TRY(cvy_onnx_map(&x, b, node, 0));
  if (axis != 1 && axis != (x->is_flat ? -1 : -3))
    return cvy_onnx_wrong(b, node, "'axis' is %" PRId64 "; the images of a batch must stay apart, axis 1",
                          axis);
  cvy_onnx_alias(y, x);
  y->is_flat = true;
  y->bias = NULL;
  return CVY_OK;
}

static cvy_err take_reshape(cvy_onnx_builder *b, const cvy_onnx_node *node) {
  cvy_onnx_value *x = cvy_onnx_in(b, node, 0), *y = cvy_onnx_out(b, node);
  int64_t shape[CVY_TENSOR_DIMS], count;
  if (!x || !x->pressed_by) CVY_TRY(cvy_onnx_map(&x, b, node, 0));
  CVY_TRY(cvy_onnx_integers(shape, &count, CVY_TENSOR_DIMS, b, node, 1, "shape"));
  const int64_t all = x->c * x->h * x->w;
  const int64_t map[3] = {x->channels_last ? x->h : x->c, x->channels_last ? x->w : x->h,
                          x->channels_last ? x->c : x->w},
                row[3] = {all, 1, 1};
  const bool to_map = count == 4, from_map = !x->is_flat;
  const int64_t *wanted = to_map && (from_map || x->h * x->w > 1) ? map : row;
  bool fits = count == 2 || to_map;
  for (int64_t i = 1; fits && i < count; i++)
    fits = shape[i] == wanted[i - 1] || shape[i] == -1 ||
           (shape[i] == 0 && (i == 1 && (from_map ? map[0] : all) == wanted[0]));
  if (!fits)
    return cvy_onnx_wrong(b, node, "a map can become a row of %" PRId64 " numbers, and no other shape", all);
  cvy_onnx_alias(y, x);
  y->is_flat = !to_map;
  y->bias = NULL;
  return CVY_OK;
}

static cvy_err take_squeeze(cvy_onnx_builder *b, const cvy_onnx_node *node) {
  cvy_onnx_value *x = cvy_onnx_in(b, node, 0), *y = cvy_onnx_out(b, node);
  int64_t axes[CVY_TENSOR_DIMS], count;
  if (!x || !x->pressed_by) CVY_TRY(cvy_onnx_map(&x, b, node, 0));
  CVY_TRY(cvy_onnx_integers(axes, &count, CVY_TENSOR_DIMS, b, node, 1, "axes"));
  bool fits = count == 2 && !x->is_flat && x->h == 1 && x->w == 1;
  const int first = x->channels_last ? 1 : 2;
  unsigned seen = 0;
  for (int64_t i = 0; fits && i < 2; i++) {
    const int64_t axis = axes[i] < 0 ? axes[i] + 4 : axes[i];
    fits = axis == first || axis == first + 1;
    if (fits) seen |= 1U << (axis - first);
  }
  if (!fits || seen != 3) return cvy_onnx_wrong(b, node, "only height and width, both 1, can be dropped");
  cvy_onnx_alias(y, x);
  y->is_flat = true;
  y->bias = NULL;
  return CVY_OK;
}

static cvy_err take_transpose(cvy_onnx_builder *b, const cvy_onnx_node *node) {
  static const int64_t to_last[4] = {0, 2, 3, 1}, to_first[4] = {0, 3, 1, 2}, none[4] = {0, 1, 2, 3};
  cvy_onnx_value *x, *y = cvy_onnx_out(b, node);
  int64_t order[4], count;
  CVY_TRY(cvy_onnx_padded_map(&x, b, node, 0));
  CVY_TRY(cvy_onnx_integers(order, &count, 4, b, node, -1, "perm"));
  const bool same = count >= 0 && memcmp(order, none, sizeof *order * (size_t)count) == 0;
  const bool turns = count == 4 && !x->is_flat &&
                     memcmp(order, x->channels_last ? to_first : to_last, sizeof order) == 0;
  if (!same && !turns) return cvy_onnx_wrong(b, node, "an order of dimensions that convoy does not have");
  cvy_onnx_alias(y, x);
  if (turns) y->channels_last = !x->channels_last;
  y->bias = NULL;
  return CVY_OK;
}

static cvy_err take_identity(cvy_onnx_builder *b, const cvy_onnx_node *node) {
  cvy_onnx_value *x = cvy_onnx_in(b, node, 0), *y = cvy_onnx_out(b, node);
  if (!x || !x->pressed_by) CVY_TRY(cvy_onnx_padded_map(&x, b, node, 0));
  if (strcmp(node->type, "Cast") == 0 && cvy_onnx_integer(node, "to", 0) != CVY_ONNX_FLOAT)
    return cvy_onnx_wrong(b, node, "convoy's numbers are floats");
  cvy_onnx_alias(y, x);
  y->bias = NULL;
  return CVY_OK;
}

/* ---- number by number ---- */

static cvy_err take_clip(cvy_onnx_builder *b, const cvy_onnx_node *node) {
  double least = cvy_onnx_real(node, "min", -DBL_MAX), most = cvy_onnx_real(node, "max", DBL_MAX), given;
  bool found;
  cvy_onnx_value *x, *y;
  cvy_yaml *options;
  CVY_TRY(cvy_onnx_map(&x, b, node, 0));
  CVY_TRY(cvy_onnx_scalar(&given, &found, b, node, 1));
  if (found) least = given;
  CVY_TRY(cvy_onnx_scalar(&given, &found, b, node, 2));
  if (found) most = given;
  if (least != 0 || most < (double)FLT_MAX)
    return cvy_onnx_wrong(b, node, "it cuts off below %g and above %g; convoy's relu cuts off below 0 alone",
                          least, most);
  CVY_TRY(cvy_onnx_layer(&options, &y, b, node, "relu", x));
  y->not_negative = true;
  return CVY_OK;
}

static cvy_err take_elementwise(cvy_onnx_builder *b, const cvy_onnx_node *node) {
  static const char *const types[][2] = {
      {"Relu", "relu"}, {"LeakyRelu", "leaky_relu"}, {"Elu", "elu"}, {"Tanh", "tanh"}};
  const char *type = NULL;
  cvy_onnx_value *x, *y;
  cvy_yaml *options;
  for (int64_t i = 0; i < CVY_COUNT(types); i++)
    if (strcmp(node->type, types[i][0]) == 0) type = types[i][1];
  CVY_TRY(cvy_onnx_map(&x, b, node, 0));
  CVY_TRY(cvy_onnx_layer(&options, &y, b, node, type, x));
  if (strcmp(type, "leaky_relu") == 0)
    cvy_onnx_set_real(b, options, "slope", cvy_onnx_real(node, "alpha", 0.01));
  if (strcmp(type, "elu") == 0) cvy_onnx_set_real(b, options, "alpha", cvy_onnx_real(node, "alpha", 1));
  y->not_negative = strcmp(type, "relu") == 0;
  return CVY_OK;
}

static cvy_err take_dropout(cvy_onnx_builder *b, const cvy_onnx_node *node) {
  double rate = cvy_onnx_real(node, "ratio", 0.5), given;
  bool found;
  cvy_onnx_value *x, *y;
  cvy_yaml *options;
  CVY_TRY(cvy_onnx_map(&x, b, node, 0));
  CVY_TRY(cvy_onnx_scalar(&given, &found, b, node, 1));
  if (found) rate = given;
  if (!(rate >= 0 && rate < 0.999)) return cvy_onnx_wrong(b, node, "it drops a share of %g", rate);
  const bool not_negative = x->not_negative;
  CVY_TRY(cvy_onnx_layer(&options, &y, b, node, "dropout", x));
  cvy_onnx_set_real(b, options, "rate", rate);
  y->not_negative = not_negative;
  return CVY_OK;
}

static cvy_err take_lrn(cvy_onnx_builder *b, const cvy_onnx_node *node) {
  cvy_onnx_value *x, *y;
  cvy_yaml *options;
  CVY_TRY(cvy_onnx_row(&x, b, node, 0));
  if (x->channels_last && !x->is_flat) return cvy_onnx_wrong(b, node, "it reads a map of [N][H][W][C]");
  CVY_TRY(cvy_onnx_layer(&options, &y, b, node, "lrn", x));
  cvy_onnx_set(b, options, "size", "%" PRId64, cvy_onnx_integer(node, "size", 0));
  cvy_onnx_set_real(b, options, "alpha", cvy_onnx_real(node, "alpha", 1e-4));
  cvy_onnx_set_real(b, options, "beta", cvy_onnx_real(node, "beta", 0.75));
  cvy_onnx_set_real(b, options, "k", cvy_onnx_real(node, "bias", 1));
  return CVY_OK;
}

/* The layer is made when somebody reads it: at the network's end it is the loss. */
static cvy_err take_pressing(cvy_onnx_builder *b, const cvy_onnx_node *node) {
  cvy_onnx_value *x, *y = cvy_onnx_out(b, node);
  CVY_TRY(cvy_onnx_map(&x, b, node, 0));
  if (strcmp(node->type, "Sigmoid") != 0) {
    const int rank = x->is_flat ? 2 : 4, channel = x->channels_last && !x->is_flat ? 3 : 1;
    int64_t axis = cvy_onnx_integer(node, "axis", b->model->opset < 13 ? 1 : -1);
    if (axis < 0) axis += rank;
    CVY_TRY(cvy_onnx_make_row(b, node, x));
    if (axis != channel || (b->model->opset < 13 && x->h * x->w > 1))
      return cvy_onnx_wrong(b, node, "it works along axis %" PRId64 "; convoy's works along the channels",
                            axis);
  }
  cvy_onnx_alias(y, x);
  y->bias = NULL;
  y->pressed_by = node;
  y->not_negative = strcmp(node->type, "LogSoftmax") != 0;
  return CVY_OK;
}

/* ---- constants, one a channel ---- */

/* Checks that a constant has one number a channel of `x`, or one for all. */
static cvy_err check_by_channel(const cvy_onnx_builder *b, const cvy_onnx_node *node, const cvy_onnx_value *x,
                                const cvy_onnx_value *v) {
  const int rank = x->is_flat ? 2 : 4, channel = x->channels_last && !x->is_flat ? 3 : 1;
  const int64_t channels = x->is_flat ? x->c * x->h * x->w : x->c, axis = cvy_onnx_integer(node, "axis", -1);
  const bool aligned = b->model->opset < 7 && cvy_onnx_attribute_of(node, "broadcast") && axis >= 0;
  const int64_t first = aligned ? axis : rank - v->dim_count;
  bool fits = v->kind == CVY_ONNX_WEIGHTS && v->count >= 1;
  for (int i = 0; fits && i < v->dim_count; i++)
    fits = v->dims[i] == 1 || (first + i == channel && v->dims[i] == channels);
  if (fits) return CVY_OK;
  return cvy_onnx_wrong(b, node, "the constant '%s' has not one number for each of %" PRId64 " channels",
                        v->name, channels);
}

typedef enum arithmetic { PLUS, MINUS, TIMES, OVER } arithmetic;

static double applied(arithmetic how, double number) {
  return how == MINUS ? -number : how == OVER ? 1 / number : number;
}

static cvy_err take_on_image(cvy_onnx_builder *b, const cvy_onnx_node *node, const cvy_onnx_value *x,
                             const cvy_onnx_value *v, arithmetic how) {
  cvy_onnx_value *y = cvy_onnx_out(b, node);
  cvy_onnx_affine *affine = cvy_pool_new(b->pool, sizeof *affine);
  *affine = x->affine ? *x->affine : (cvy_onnx_affine){.factor = {1, 1, 1, 1}};
  if (x->c > CVY_MAX_CHANNELS)
    return cvy_onnx_wrong(b, node, "arithmetic on an image of %" PRId64 " channels; at most %d have a mean",
                          x->c, (int)CVY_MAX_CHANNELS);
  for (int64_t c = 0; c < x->c; c++) {
    const double number = applied(how, cvy_onnx_weight(v, v->count == 1 ? 0 : c));
    if (!isfinite(number)) return cvy_onnx_wrong(b, node, "the constant '%s' is not finite", v->name);
    if (how == PLUS || how == MINUS) {
      affine->offset[c] += number;
    } else {
      affine->factor[c] *= number;
      affine->offset[c] *= number;
    }
  }
  cvy_onnx_alias(y, x);
  y->affine = affine;
  return CVY_OK;
}

/* Adds a channel's numbers as a tensor of a layer. */
static cvy_err add_by_channel(cvy_onnx_builder *b, const cvy_onnx_value *v, const char *layer,
                              const char *tensor, int64_t count, arithmetic how, double factor) {
  float *numbers;
  if (v->count == count && how != OVER)
    return cvy_onnx_add_weights(b, v, layer, tensor, false, how == MINUS ? -factor : factor);
  CVY_TRY(cvy_onnx_add_made(&numbers, b, v->tensor->name, layer, tensor, count));
  for (int64_t i = 0; i < count; i++) {
    numbers[i] = (float)(applied(how, cvy_onnx_weight(v, v->count == 1 ? 0 : i)) * factor);
    if (!isfinite(numbers[i]))
      return cvy_error(CVY_E_INPUT,
                       "%s: constant '%s' of layer '%s': number %" PRId64
                       " would be %g; expected finite ones, and no halves where they are computed with",
                       b->file->path, v->tensor->name, layer, i, (double)numbers[i]);
  }
  return CVY_OK;
}

/* Makes a layer with a factor and an offset for each channel. */
static cvy_err add_scale(cvy_onnx_builder *b, const cvy_onnx_node *node, const cvy_onnx_value *x,
                         const cvy_onnx_value *v, arithmetic how) {
  cvy_onnx_value *y;
  cvy_yaml *options;
  float *ones;
  const bool adds = how == PLUS || how == MINUS;
  CVY_TRY(cvy_onnx_layer(&options, &y, b, node, "scale", x));
  cvy_onnx_set(b, options, "bias", adds ? "true" : "false");
  if (!adds) {
    y->bias = cvy_yaml_get(options, "bias");
    return add_by_channel(b, v, y->layer, "scale", y->c, how, 1);
  }
  CVY_TRY(
      cvy_onnx_add_made(&ones, b, cvy_pool_format(b->pool, "%s.ones", y->layer), y->layer, "scale", y->c));
  for (int64_t i = 0; i < y->c; i++) ones[i] = 1;
  return add_by_channel(b, v, y->layer, "bias", y->c, how, 1);
}

static cvy_err take_on_map(cvy_onnx_builder *b, const cvy_onnx_node *node, cvy_onnx_value *x,
                           const cvy_onnx_value *v, arithmetic how) {
  cvy_onnx_value *y = cvy_onnx_out(b, node);
  const bool folds = x->bias && x->readers == 1 && !x->is_output && (how == PLUS || how == MINUS);
  if (!folds) {
    CVY_TRY(cvy_onnx_make_row(b, node, x));
    return add_scale(b, node, x, v, how);
  }
  *x->bias = *cvy_yaml_new_scalar(b->pool, b->file->path, "true");
  cvy_onnx_alias(y, x);
  y->bias = NULL;
  return add_by_channel(b, v, x->layer, "bias", x->c, how, 1);
}

static bool is_constant(const cvy_onnx_value *v) {
  return v && (v->kind == CVY_ONNX_WEIGHTS || v->kind == CVY_ONNX_NUMBERS);
}

/* ---- sums of maps ---- */

static bool same_shape(const cvy_onnx_value *a, const cvy_onnx_value *b) {
  return a->c == b->c && a->h == b->h && a->w == b->w && a->is_flat == b->is_flat &&
         (a->channels_last == b->channels_last || a->h * a->w == 1);
}

static cvy_err take_sum(cvy_onnx_builder *b, const cvy_onnx_node *node) {
  cvy_onnx_value *first, *x, *y;
  cvy_yaml *options;
  CVY_TRY(cvy_onnx_map(&first, b, node, 0));
  if (node->input_count == 1) return take_identity(b, node);
  if (node->input_count > 16) return cvy_onnx_wrong(b, node, "more than 16 inputs");
  for (int64_t i = 1; i < node->input_count; i++) {
    CVY_TRY(cvy_onnx_map(&x, b, node, i));
    if (!same_shape(first, x))
      return cvy_onnx_wrong(b, node,
                            "it adds maps of different shapes, %" PRId64 "x%" PRId64 "x%" PRId64
                            " and %" PRId64 "x%" PRId64 "x%" PRId64,
                            first->h, first->w, first->c, x->h, x->w, x->c);
  }
  CVY_TRY(cvy_onnx_layer(&options, &y, b, node, "add", first));
  for (int64_t i = 1; i < node->input_count; i++)
    CVY_TRY(cvy_onnx_add_input(b, node, options, cvy_onnx_in(b, node, i)));
  return CVY_OK;
}

static cvy_err take_arithmetic(cvy_onnx_builder *b, const cvy_onnx_node *node) {
  const arithmetic how = node->type[0] == 'A'   ? PLUS
                         : node->type[0] == 'S' ? MINUS
                         : node->type[0] == 'M' ? TIMES
                                                : OVER;
  if (node->input_count != 2)
    return cvy_onnx_wrong(b, node, "it has %" PRId64 " inputs, not 2", node->input_count);
  const bool turned = is_constant(cvy_onnx_in(b, node, 0)) && (how == PLUS || how == TIMES);
  const cvy_onnx_value *v = cvy_onnx_in(b, node, turned ? 0 : 1);
  cvy_onnx_value *x;
  CVY_TRY(cvy_onnx_map(&x, b, node, turned));
  if (!is_constant(v) && how == PLUS) return take_sum(b, node);
  if (!is_constant(v)) return cvy_onnx_wrong(b, node, "of two maps convoy has the sum alone");
  CVY_TRY(check_by_channel(b, node, x, v));
  return x->kind == CVY_ONNX_IMAGE ? take_on_image(b, node, x, v, how) : take_on_map(b, node, x, v, how);
}

static cvy_err take_concat(cvy_onnx_builder *b, const cvy_onnx_node *node) {
  cvy_onnx_value *first, *x, *y;
  cvy_yaml *options;
  int64_t channels = 0, axis = cvy_onnx_integer(node, "axis", 1);
  if (node->input_count < 1 || node->input_count > 16)
    return cvy_onnx_wrong(b, node, "it joins %" PRId64 " inputs; convoy joins 2 to 16", node->input_count);
  bool not_negative = true;
  for (int64_t i = 0; i < node->input_count; i++) {
    CVY_TRY(cvy_onnx_row(&x, b, node, i));
    if (i == 0) first = x;
    channels += x->c;
    not_negative = not_negative && x->not_negative;
    if (x->h != first->h || x->w != first->w || x->is_flat != first->is_flat ||
        x->channels_last != first->channels_last)
      return cvy_onnx_wrong(b, node, "it joins maps of different sizes");
  }
  if (axis < 0) axis += first->is_flat ? 2 : 4;
  if (axis != (first->channels_last && !first->is_flat ? 3 : 1))
    return cvy_onnx_wrong(b, node, "it joins along axis %" PRId64 "; convoy joins along the channels", axis);
  if (node->input_count == 1) return take_identity(b, node);
  CVY_TRY(cvy_onnx_layer(&options, &y, b, node, "concat", first));
  for (int64_t i = 1; i < node->input_count; i++)
    CVY_TRY(cvy_onnx_add_input(b, node, options, cvy_onnx_in(b, node, i)));
  y->c = channels;
  y->not_negative = not_negative;
  return CVY_OK;
}

/* ---- layers with parameters ---- */

static bool is_no_parameter(const cvy_onnx_builder *b, const cvy_onnx_value *v) {
  for (int64_t i = 0; i < b->model->constant_count; i++)
    if (strcmp(b->model->constants[i], v->tensor->name) == 0) return true;
  return false;
}

static cvy_err take_batch_norm(cvy_onnx_builder *b, const cvy_onnx_node *node) {
  static const char *const tensors[] = {"scale", "bias", "mean", "variance"};
  cvy_onnx_value *x, *y;
  cvy_yaml *options;
  CVY_TRY(cvy_onnx_row(&x, b, node, 0));
  if (cvy_onnx_integer(node, "spatial", 1) != 1 || cvy_onnx_integer(node, "training_mode", 0) != 0)
    return cvy_onnx_wrong(b, node,
                          "'spatial' or 'training_mode' is set as nobody sets it in a trained model");
  if (x->channels_last && !x->is_flat) return cvy_onnx_wrong(b, node, "it reads a map of [N][H][W][C]");
  CVY_TRY(cvy_onnx_layer(&options, &y, b, node, "batch_norm", x));
  cvy_onnx_set_real(b, options, "epsilon", cvy_onnx_real(node, "epsilon", 1e-5));
  const double share = 1 - cvy_onnx_real(node, "momentum", 0.9);
  if (share >= 1e-6 && share <= 1) cvy_onnx_set(b, options, "momentum", "%.6g", share);
  for (int i = 0; i < 4; i++) {
    const cvy_onnx_value *v = cvy_onnx_in(b, node, i + 1);
    if (!v || v->kind != CVY_ONNX_WEIGHTS || v->count != y->c)
      return cvy_onnx_wrong(b, node, "its %s has to be a constant of %" PRId64 " numbers", tensors[i], y->c);
    if (i < 2 && is_no_parameter(b, v))
      cvy_onnx_set(b, options, tensors[i], "false");
    else
      CVY_TRY(cvy_onnx_add_weights(b, v, y->layer, tensors[i], false, 1));
  }
  return CVY_OK;
}

static cvy_err add_fc(cvy_onnx_value **y, cvy_onnx_builder *b, const cvy_onnx_node *node, bool outputs_last,
                      double factor) {
  cvy_onnx_value *x;
  cvy_yaml *options;
  const cvy_onnx_value *weights = cvy_onnx_in(b, node, 1);
  CVY_TRY(cvy_onnx_map(&x, b, node, 0));
  if (!x->is_flat) return cvy_onnx_wrong(b, node, "it multiplies a map; convoy multiplies rows of numbers");
  if (!weights || weights->kind != CVY_ONNX_WEIGHTS || weights->dim_count != 2)
    return cvy_onnx_wrong(b, node, "its weights have to be a constant of two dimensions");
  const int64_t inputs = weights->dims[!outputs_last], outputs = weights->dims[outputs_last];
  if (inputs != x->c * x->h * x->w || outputs < 1)
    return cvy_onnx_wrong(b, node, "weights for %" PRId64 " numbers do not suit %" PRId64, inputs,
                          x->c * x->h * x->w);
  CVY_TRY(cvy_onnx_note_order(b, node, x));
  CVY_TRY(cvy_onnx_layer(&options, y, b, node, "fc", x));
  cvy_onnx_set(b, options, "outputs", "%" PRId64, outputs);
  cvy_onnx_set(b, options, "bias", "false");
  (*y)->c = outputs, (*y)->h = (*y)->w = 1;
  (*y)->channels_last = false;
  (*y)->bias = cvy_yaml_get(options, "bias");
  return cvy_onnx_add_weights(b, weights, (*y)->layer, "weights", outputs_last, factor);
}

static cvy_err take_matmul(cvy_onnx_builder *b, const cvy_onnx_node *node) {
  cvy_onnx_value *y;
  return add_fc(&y, b, node, true, 1);
}

static cvy_err take_gemm(cvy_onnx_builder *b, const cvy_onnx_node *node) {
  cvy_onnx_value *y;
  const cvy_onnx_value *bias = cvy_onnx_in(b, node, 2);
  const double alpha = cvy_onnx_real(node, "alpha", 1), beta = cvy_onnx_real(node, "beta", 1);
  if (cvy_onnx_integer(node, "transA", 0) != 0)
    return cvy_onnx_wrong(b, node, "it turns the images round (transA)");
  if (alpha == 0 || !isfinite(alpha) || !isfinite(beta))
    return cvy_onnx_wrong(b, node, "'alpha' is %g, 'beta' is %g; nobody computes so", alpha, beta);
  CVY_TRY(add_fc(&y, b, node, cvy_onnx_integer(node, "transB", 0) == 0, alpha));
  if (!bias || beta == 0) return CVY_OK;
  if (bias->kind != CVY_ONNX_WEIGHTS) return cvy_onnx_wrong(b, node, "its bias has to be a constant");
  CVY_TRY(check_by_channel(b, node, y, bias));
  *y->bias = *cvy_yaml_new_scalar(b->pool, b->file->path, "true");
  y->bias = NULL;
  return add_by_channel(b, bias, y->layer, "bias", y->c, PLUS, beta);
}

static cvy_err take_mean(cvy_onnx_builder *b, const cvy_onnx_node *node) {
  cvy_onnx_value *x, *y;
  cvy_yaml *options;
  int64_t axes[4], count;
  unsigned seen = 0;
  CVY_TRY(cvy_onnx_map(&x, b, node, 0));
  CVY_TRY(cvy_onnx_integers(axes, &count, 4, b, node, 1, "axes"));
  const int first = x->channels_last ? 1 : 2;
  for (int64_t i = 0; i < count; i++) {
    const int64_t axis = axes[i] < 0 ? axes[i] + 4 : axes[i];
    seen |= axis >= 0 && axis < 4 ? 1U << axis : 16;
  }
  if (x->is_flat || seen != 3U << first)
    return cvy_onnx_wrong(b, node, "convoy has the mean over height and width alone");
  const bool not_negative = x->not_negative;
  CVY_TRY(cvy_onnx_layer(&options, &y, b, node, "average_pool", x));
  cvy_onnx_set(b, options, "kernel", "global");
  y->h = y->w = 1;
  y->not_negative = not_negative;
  y->is_flat = cvy_onnx_integer(node, "keepdims", 1) == 0;
  return CVY_OK;
}

/* ---- all operators ---- */

static const struct {
  const char *name;
  cvy_err (*take)(cvy_onnx_builder *b, const cvy_onnx_node *node);
  const char *attributes; /* that are read, or may be what they like */
} operators[] = {
    {"Conv", cvy_onnx_conv, " kernel_shape strides pads auto_pad dilations group "},
    {"MaxPool", cvy_onnx_pool, " kernel_shape strides pads auto_pad dilations ceil_mode storage_order "},
    {"AveragePool", cvy_onnx_pool,
     " kernel_shape strides pads auto_pad dilations ceil_mode count_include_pad "},
    {"GlobalAveragePool", cvy_onnx_pool, " "},
    {"GlobalMaxPool", cvy_onnx_pool, " "},
    {"ReduceMean", take_mean, " axes keepdims noop_with_empty_axes "},
    {"Pad", cvy_onnx_pad, " mode pads paddings value "},
    {"Gemm", take_gemm, " alpha beta transA transB broadcast "},
    {"MatMul", take_matmul, " "},
    {"BatchNormalization", take_batch_norm,
     " epsilon momentum spatial is_test training_mode consumed_inputs "},
    {"Relu", take_elementwise, " consumed_inputs "},
    {"LeakyRelu", take_elementwise, " alpha consumed_inputs "},
    {"Elu", take_elementwise, " alpha consumed_inputs "},
    {"Tanh", take_elementwise, " consumed_inputs "},
    {"Sigmoid", take_pressing, " consumed_inputs "},
    {"Softmax", take_pressing, " axis "},
    {"LogSoftmax", take_pressing, " axis "},
    {"Clip", take_clip, " min max consumed_inputs "},
    {"LRN", take_lrn, " size alpha beta bias "},
    {"Dropout", take_dropout, " ratio seed is_test consumed_inputs "},
    {"Add", take_arithmetic, " axis broadcast consumed_inputs "},
    {"Sub", take_arithmetic, " axis broadcast consumed_inputs "},
    {"Mul", take_arithmetic, " axis broadcast consumed_inputs "},
    {"Div", take_arithmetic, " axis broadcast consumed_inputs "},
    {"Sum", take_sum, " consumed_inputs "},
    {"Concat", take_concat, " axis "},
    {"Flatten", take_flatten, " axis "},
    {"Reshape", take_reshape, " shape allowzero consumed_inputs "},
    {"Squeeze", take_squeeze, " axes "},
    {"Transpose", take_transpose, " perm "},
    {"Identity", take_identity, " "},
    {"Cast", take_identity, " to "},
};

static cvy_err check_attributes(const cvy_onnx_builder *b, const cvy_onnx_node *node, const char *known) {
  for (int64_t i = 0; i < node->attribute_count; i++) {
    const char *word = cvy_pool_format(b->pool, " %s ", node->attributes[i].name);
    if (!strstr(known, word))
      return cvy_onnx_wrong(b, node, "its attribute '%s' is not known", node->attributes[i].name);
  }
  return CVY_OK;
}

static cvy_err check_outputs(const cvy_onnx_builder *b, const cvy_onnx_node *node) {
  for (int64_t i = 1; i < node->output_count; i++) {
    const cvy_onnx_value *out = cvy_onnx_value_of(b, node->outputs[i]);
    if (out && (out->readers > 0 || out->is_output))
      return cvy_onnx_wrong(b, node, "somebody reads '%s', which convoy does not make", out->name);
  }
  return CVY_OK;
}

static cvy_err take_node(cvy_onnx_builder *b, const cvy_onnx_node *node) {
  bool done = false;
  if (node->domain[0] && strcmp(node->domain, "ai.onnx") != 0)
    return cvy_onnx_wrong(b, node, "operators of '%s' are not known", node->domain);
  if (!node->output_count || !cvy_onnx_out(b, node))
    return cvy_onnx_wrong(b, node, "its first output is left out");
  CVY_TRY(check_outputs(b, node));
  CVY_TRY(cvy_onnx_fold(&done, b, node));
  if (done) return CVY_OK;
  for (int64_t i = 0; i < CVY_COUNT(operators); i++) {
    if (strcmp(operators[i].name, node->type) != 0) continue;
    CVY_TRY(check_attributes(b, node, operators[i].attributes));
    return operators[i].take(b, node);
  }
  return cvy_onnx_wrong(b, node, "convoy has no layer for this operator");
}

/* ---- the network ---- */

/* Tells whether the image is read as [N][H][W][C], for it is turned round first. */
static bool is_turned(const cvy_onnx_model *m, const char *input) {
  static const int64_t order[4] = {0, 3, 1, 2};
  for (int64_t i = 0; i < m->node_count; i++) {
    const cvy_onnx_node *node = &m->nodes[i];
    const cvy_onnx_attribute *perm = cvy_onnx_attribute_of(node, "perm");
    if (strcmp(node->type, "Transpose") == 0 && node->input_count == 1 &&
        strcmp(node->inputs[0], input) == 0 && perm && perm->integer_count == 4 &&
        memcmp(perm->integers, order, sizeof order) == 0)
      return true;
  }
  return false;
}

static cvy_err set_image(cvy_onnx_builder *b, cvy_onnx_value *value, const cvy_onnx_input *input) {
  const int64_t *d = input->dims;
  const bool turned = is_turned(b->model, input->name), row = input->dim_count == 2;
  if (input->dim_count != 4 && !row)
    return cvy_error(CVY_E_INPUT, "%s: input '%s' has %d dimensions; expected images, [N][C][H][W]",
                     b->file->path, input->name, input->dim_count);
  for (int i = 1; i < input->dim_count; i++)
    if (d[i] < 1 || d[i] > CVY_ONNX_MOST_SIDE)
      return cvy_error(
          CVY_E_INPUT,
          "%s: input '%s' does not say how large images are (1 to %d); export the model for one size",
          b->file->path, input->name, (int)CVY_ONNX_MOST_SIDE);
  value->kind = CVY_ONNX_IMAGE;
  value->layer = "input";
  value->c = d[turned ? 3 : 1];
  value->h = row ? 1 : d[turned ? 1 : 2];
  value->w = row ? 1 : d[turned ? 2 : 3];
  value->is_flat = row;
  value->channels_last = turned;
  b->image = *value;
  return CVY_OK;
}

static cvy_err find_image(cvy_onnx_builder *b) {
  const cvy_onnx_input *found = NULL;
  for (int64_t i = 0; i < b->model->input_count; i++) {
    cvy_onnx_value *value = cvy_onnx_value_of(b, b->model->inputs[i].name);
    if (!value || value->kind != CVY_ONNX_NOTHING || value->readers == 0) continue;
    if (found)
      return cvy_error(CVY_E_INPUT,
                       "%s: the graph has several inputs, '%s' and '%s'; expected one, the image",
                       b->file->path, found->name, value->name);
    found = &b->model->inputs[i];
    CVY_TRY(set_image(b, value, found));
  }
  return found
             ? CVY_OK
             : cvy_error(CVY_E_INPUT, "%s: the graph has no input, which would be the image", b->file->path);
}

/* Finds what the outputs are: all the same scores, or probabilities made of them. */
static cvy_err find_scores(const cvy_onnx_value **out, const cvy_onnx_builder *b) {
  const cvy_onnx_value *scores = NULL;
  for (int64_t i = 0; i < b->model->output_count; i++) {
    const cvy_onnx_value *value = cvy_onnx_value_of(b, b->model->outputs[i]);
    if (value->kind != CVY_ONNX_MAP)
      return cvy_error(CVY_E_INPUT, "%s: output '%s' is not made of the image by any layer", b->file->path,
                       value->name);
    if (scores && strcmp(scores->layer, value->layer) != 0)
      return cvy_error(CVY_E_INPUT,
                       "%s: outputs '%s' and '%s' are different things; expected one, the classes' scores",
                       b->file->path, scores->name, value->name);
    if (!scores || value->pressed_by) scores = value;
  }
  if (!scores) return cvy_error(CVY_E_INPUT, "%s: the graph has no output", b->file->path);
  if (scores->h * scores->w != 1 || scores->padded_by)
    return cvy_error(CVY_E_INPUT,
                     "%s: output '%s' is a map of %" PRId64 "x%" PRId64 "; expected one score for each class",
                     b->file->path, scores->name, scores->h, scores->w);
  *out = scores;
  return CVY_OK;
}

static cvy_err add_loss(cvy_onnx_builder *b) {
  static const cvy_onnx_node end = {.type = "output", .name = "loss"};
  const cvy_onnx_value *scores = NULL;
  cvy_yaml *options;
  CVY_TRY(find_scores(&scores, b));
  const bool sigmoid = scores->c == 1 ||
                       (scores->pressed_by && strcmp(scores->pressed_by->type, "Sigmoid") == 0);
  return cvy_onnx_add_layer(&options, b, &end, sigmoid ? "sigmoid_loss" : "softmax_loss", "loss", scores);
}

/* Joins what the metadata say of images with what the graph does to them first. */
static cvy_err set_preprocessing(cvy_onnx_builder *b) {
  static const cvy_onnx_affine nothing = {.factor = {1, 1, 1, 1}};
  cvy_stored_input *input = &b->file->input;
  const cvy_onnx_affine *affine = &b->image_affine;
  if (b->image.c > CVY_MAX_CHANNELS) return CVY_OK;
  for (int64_t c = 0; c < b->image.c && input->known; c++)
    if (input->deviation[c] <= 0)
      return cvy_error(CVY_E_INPUT, "%s: its notes of mean and deviation: expected %" PRId64 " numbers each",
                       b->file->path, b->image.c);
  if (memcmp(affine, &nothing, sizeof nothing) == 0) return CVY_OK;
  for (int64_t c = 0; c < b->image.c; c++) {
    if (affine->factor[c] <= 0)
      return cvy_error(CVY_E_INPUT, "%s: the image is multiplied by %g; expected more than 0", b->file->path,
                       affine->factor[c]);
    const double mean = input->known ? input->mean[c] : 0, deviation = input->known ? input->deviation[c] : 1;
    input->mean[c] = mean - deviation * affine->offset[c] / affine->factor[c];
    input->deviation[c] = deviation / affine->factor[c];
  }
  input->known = true;
  return CVY_OK;
}

static cvy_yaml *describe(cvy_onnx_builder *b) {
  const char *path = b->file->path, *name = cvy_onnx_clean_name(b->pool, b->model->name);
  cvy_yaml *network = cvy_yaml_new_mapping(b->pool, path), *input = cvy_yaml_new_sequence(b->pool, path);
  const int64_t sizes[3] = {b->image.h, b->image.w, b->image.c};
  for (int i = 0; i < 3; i++)
    cvy_yaml_add(b->pool, input, NULL,
                 cvy_yaml_new_scalar(b->pool, path, cvy_pool_format(b->pool, "%" PRId64, sizes[i])));
  cvy_yaml_add(b->pool, network, "name", cvy_yaml_new_scalar(b->pool, path, name[0] ? name : "onnx"));
  cvy_yaml_add(b->pool, network, "input", input);
  cvy_yaml_add(b->pool, network, "layers", b->layers);
  return network;
}

cvy_err cvy_onnx_build(const cvy_onnx_model *model) {
  cvy_onnx_builder b = {.model = model, .file = model->file, .pool = model->file->pool};
  b.layers = cvy_yaml_new_sequence(b.pool, b.file->path);
  CVY_TRY(cvy_onnx_list_values(&b));
  CVY_TRY(find_image(&b));
  for (int64_t i = 0; i < model->node_count; i++)
    if (b.is_live[i]) CVY_TRY(take_node(&b, &model->nodes[i]));
  CVY_TRY(add_loss(&b));
  CVY_TRY(set_preprocessing(&b));
  b.file->channels_last = b.order == 2;
  b.file->network = describe(&b);
  return cvy_onnx_end_tensors(&b);
}
