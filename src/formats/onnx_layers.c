/* The layers that an ONNX graph becomes: their names, what they read, and maps that are read as rows of
 * numbers. */
#include "formats/onnx_build.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_LAYERS = 10000, MOST_NAME = 180, MOST_CHANNELS = 1 << 24 };

void cvy_onnx_set(cvy_onnx_builder *b, cvy_yaml *options, const char *key, const char *format, ...) {
  char text[64];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  cvy_yaml_add(b->pool, options, key,
               cvy_yaml_new_scalar(b->pool, b->file->path, cvy_pool_format(b->pool, "%s", text)));
}

/* Sets an option to a number that ONNX keeps as a float: the shortest that is that float. */
void cvy_onnx_set_real(cvy_onnx_builder *b, cvy_yaml *options, const char *key, double value) {
  char text[40];
  for (int digits = 6; digits <= 9; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, value);
    if (strtof(text, NULL) == (float)value) break;
  }
  cvy_onnx_set(b, options, key, "%s", text);
}

static bool is_allowed(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
         (unsigned char)c >= 0x80;
}

/* Makes a name that Convoy allows: '/' and '.' stand between parts, once each. */
char *cvy_onnx_clean_name(cvy_pool *pool, const char *name) {
  char *out = cvy_pool_new(pool, strlen(name) + 1);
  size_t length = 0;
  for (; *name && (length < MOST_NAME || (*name & 0xc0) == 0x80); name++) {
    const bool separates = *name == '/' || *name == '.';
    if (separates && (length == 0 || out[length - 1] == '.')) continue;
    out[length++] = separates ? '.' : is_allowed(*name) ? *name : '_';
  }
  while (length > 0 && out[length - 1] == '.') length--;
  out[length] = '\0';
  return out;
}

static const char *new_name(cvy_onnx_builder *b, const char *wanted, const char *type) {
  const char *clean = cvy_onnx_clean_name(b->pool, wanted);
  return cvy_layer_name_take(&b->names, b->pool, clean[0] ? clean : type);
}

/* All layers that read the image must want the same of it. */
static cvy_err read_image(cvy_onnx_builder *b, const cvy_onnx_node *node, const cvy_onnx_value *x) {
  static const cvy_onnx_affine nothing = {.factor = {1, 1, 1, 1}};
  const cvy_onnx_affine *affine = x->affine ? x->affine : &nothing;
  if (b->image_is_read && memcmp(&b->image_affine, affine, sizeof *affine) != 0)
    return cvy_onnx_wrong(b, node, "it reads the image after other arithmetic than another layer does");
  b->image_affine = *affine;
  b->image_is_read = true;
  return CVY_OK;
}

cvy_err cvy_onnx_add_input(cvy_onnx_builder *b, const cvy_onnx_node *node, cvy_yaml *options,
                           const cvy_onnx_value *x) {
  cvy_yaml *inputs = cvy_yaml_get(options, "inputs");
  if (x->kind == CVY_ONNX_IMAGE) CVY_TRY(read_image(b, node, x));
  cvy_yaml_add(b->pool, inputs, NULL, cvy_yaml_new_scalar(b->pool, b->file->path, x->layer));
  return CVY_OK;
}

cvy_err cvy_onnx_add_layer(cvy_yaml **options, cvy_onnx_builder *b, const cvy_onnx_node *node,
                           const char *type, const char *name, const cvy_onnx_value *x) {
  cvy_yaml *layer = cvy_yaml_new_mapping(b->pool, b->file->path);
  *options = cvy_yaml_new_mapping(b->pool, b->file->path);
  if (b->layers->count == MOST_LAYERS)
    return cvy_onnx_wrong(b, node, "more than %d layers", (int)MOST_LAYERS);
  cvy_yaml_add(b->pool, *options, "name",
               cvy_yaml_new_scalar(b->pool, b->file->path, new_name(b, name, type)));
  cvy_yaml_add(b->pool, *options, "inputs", cvy_yaml_new_sequence(b->pool, b->file->path));
  cvy_yaml_add(b->pool, layer, type, *options);
  cvy_yaml_add(b->pool, b->layers, NULL, layer);
  return cvy_onnx_add_input(b, node, *options, x);
}

static const char *wanted_name(const cvy_onnx_node *node) {
  return node->name[0] ? node->name : node->outputs[0];
}

/* Makes `y` the output of the layer, whose shape is that of `x`. */
static void set_output(cvy_onnx_value *y, const cvy_yaml *options, const cvy_onnx_value *x) {
  const cvy_onnx_value output = {.kind = CVY_ONNX_MAP,
                                 .layer = cvy_yaml_get(options, "name")->text,
                                 .c = x->c,
                                 .h = x->h,
                                 .w = x->w,
                                 .is_flat = x->is_flat,
                                 .channels_last = x->channels_last};
  cvy_onnx_alias(y, &output);
}

cvy_err cvy_onnx_layer(cvy_yaml **options, cvy_onnx_value **y, cvy_onnx_builder *b, const cvy_onnx_node *node,
                       const char *type, const cvy_onnx_value *x) {
  *y = cvy_onnx_out(b, node);
  CVY_TRY(cvy_onnx_add_layer(options, b, node, type, wanted_name(node), x));
  set_output(*y, *options, x);
  return CVY_OK;
}

/* Makes the layer of a Softmax or Sigmoid that is not the network's end. */
static cvy_err press(cvy_onnx_builder *b, cvy_onnx_value *x) {
  const cvy_onnx_node *node = x->pressed_by;
  cvy_yaml *options;
  if (strcmp(node->type, "LogSoftmax") == 0)
    return cvy_onnx_wrong(b, node, "it is read by others; convoy has its logarithm only in the loss");
  CVY_TRY(cvy_onnx_add_layer(&options, b, node, strcmp(node->type, "Sigmoid") == 0 ? "sigmoid" : "softmax",
                             wanted_name(node), x));
  set_output(x, options, x);
  return CVY_OK;
}

cvy_err cvy_onnx_padded_map(cvy_onnx_value **out, cvy_onnx_builder *b, const cvy_onnx_node *node,
                            int64_t index) {
  cvy_onnx_value *x = *out = cvy_onnx_in(b, node, index);
  const char *name = index < node->input_count ? node->inputs[index] : "";
  if (!x || x->kind == CVY_ONNX_NOTHING)
    return cvy_onnx_wrong(b, node, "it reads '%s', which nothing above it makes", name);
  if (x->kind != CVY_ONNX_IMAGE && x->kind != CVY_ONNX_MAP)
    return cvy_onnx_wrong(b, node, "it reads the constant '%s', where convoy has something of an image",
                          name);
  if (x->c > MOST_CHANNELS || x->h > CVY_ONNX_MOST_SIDE || x->w > CVY_ONNX_MOST_SIDE)
    return cvy_onnx_wrong(b, node, "a map of %" PRId64 "x%" PRId64 "x%" PRId64 " is too large", x->h, x->w,
                          x->c);
  return x->pressed_by ? press(b, x) : CVY_OK;
}

cvy_err cvy_onnx_map(cvy_onnx_value **out, cvy_onnx_builder *b, const cvy_onnx_node *node, int64_t index) {
  CVY_TRY(cvy_onnx_padded_map(out, b, node, index));
  if (!(*out)->padded_by) return CVY_OK;
  return cvy_onnx_wrong(b, node, "zeros around its input (Pad '%s') have no counterpart here",
                        (*out)->padded_by->name);
}

/* ---- rows of numbers ---- */

static bool is_flattened_map(const cvy_onnx_value *x) {
  return x->is_flat && x->h * x->w > 1;
}

/* Notes in which order the numbers of a map are read. */
cvy_err cvy_onnx_note_order(cvy_onnx_builder *b, const cvy_onnx_node *node, const cvy_onnx_value *x) {
  const int order = x->channels_last ? 2 : 1;
  if (!is_flattened_map(x) || x->c == 1) return CVY_OK;
  if (b->order && b->order != order)
    return cvy_onnx_wrong(b, node, "it reads a map as [h][w][c], and another layer one as [c][h][w]");
  b->order = order;
  return CVY_OK;
}

/* Makes a row of numbers of a flattened map, where a layer would not know a map for one. */
cvy_err cvy_onnx_make_row(cvy_onnx_builder *b, const cvy_onnx_node *node, cvy_onnx_value *x) {
  cvy_yaml *options;
  if (!is_flattened_map(x)) return CVY_OK;
  CVY_TRY(cvy_onnx_note_order(b, node, x));
  CVY_TRY(cvy_onnx_add_layer(&options, b, node, "flatten",
                             cvy_pool_format(b->pool, "%s_flatten", wanted_name(node)), x));
  x->c *= x->h * x->w;
  x->h = x->w = 1;
  set_output(x, options, x);
  x->channels_last = false;
  return CVY_OK;
}

cvy_err cvy_onnx_row(cvy_onnx_value **out, cvy_onnx_builder *b, const cvy_onnx_node *node, int64_t index) {
  CVY_TRY(cvy_onnx_map(out, b, node, index));
  return cvy_onnx_make_row(b, node, *out);
}
