/* Writes a network of Convoy's as one of Caffe's, with weights. It is the form that is deployed: an Input
 * layer, and probabilities in the end. Auxiliary heads are in the phase TRAIN alone, and not in the text.
 * What images go through is the transform_param of the Input layer, which Caffe's own programs do not look
 * at; an image whose first channel is red is called "rgb", and "data" otherwise.
 *
 * A batch_norm becomes a BatchNorm and a Scale. A fully connected layer counts a map's numbers as [c][h][w]
 * in Caffe, so the rows of its weights change places. */
#include "formats/caffe_write.h"

#include "base/yaml.h"
#include "file/whole.h"
#include "formats/caffe_fields.h"
#include "formats/caffe_graph.h"
#include "formats/tensor_layout.h"
#include "net/net.h"

#include <stdlib.h>
#include <string.h>

enum { BLOB_DATA = 5, BLOB_SHAPE = 7, LAYER_BLOBS = 7, SHAPE_DIM = 1 };

/* A blob: a tensor of the net in Caffe's order, or the number 1. */
typedef struct blob {
  int64_t layer; /* of the layers that are written */
  int64_t param; /* of the net; -1: the number 1 */
  cvy_tensor_layout layout;
  struct blob *next;
} blob;

typedef struct writer {
  const cvy_weights_out *model;
  const cvy_net_info *net;
  cvy_pool *pool;
  const char *path;
  cvy_prototext *text;
  int64_t written; /* layers so far */
  blob *blobs, **last;
  const char *image, *label, *before; /* before: the last layer so far that is no loss */
} writer;

/* A layer that is being written. */
typedef struct writing {
  writer *w;
  const char *type, *name;
  const cvy_yaml *options;
  int64_t index; /* in the net */
  cvy_prototext *out;
} writing;

static cvy_err no_word(const writing *l, const char *what) {
  return cvy_error(CVY_E_INPUT, "%s: layer '%s': Caffe has no word for %s", l->w->path, l->name, what);
}

static const char *option(const writing *l, const char *key) {
  const cvy_yaml *value = cvy_yaml_get(l->options, key);
  return value && value->text ? value->text : "";
}

static bool is_on(const writing *l, const char *key) {
  return strcmp(option(l, key), "true") == 0;
}

static const cvy_net_layer *layer_of(const writing *l) {
  return &l->w->net->layers[l->index];
}

static cvy_shape shape_read(const cvy_net_info *net, int64_t layer) {
  const int64_t input = net->layers[layer].inputs[0];
  return input < 0 ? net->input : net->layers[input].y;
}

static int64_t find_layer(const cvy_net_info *net, const char *name) {
  for (int64_t i = 0; i < net->layer_count; i++)
    if (strcmp(net->layers[i].name, name) == 0) return i;
  CVY_CHECK(false, "%s", name);
  return -1;
}

/* ---- blobs ---- */

static void add_blob(writer *w, const blob *b) {
  blob *copy = cvy_pool_new(w->pool, sizeof *copy);
  *copy = *b;
  copy->layer = w->written - 1;
  *w->last = copy;
  w->last = &copy->next;
}

static cvy_err add_tensor(const writing *l, const char *tensor) {
  const cvy_tensor_rules rules = {.bgr = l->w->model->input.bgr};
  blob b = {0};
  char name[400];
  snprintf(name, sizeof name, "%s/%s", l->name, tensor);
  for (int64_t i = 0; i < l->w->net->param_tensors; i++) {
    if (strcmp(l->w->net->params[i].name, name) != 0) continue;
    b.param = i;
    CVY_TRY_IN(cvy_tensor_layout_of(&b.layout, l->w->pool, l->w->model->net, i, &rules), "%s", l->w->path);
    add_blob(l->w, &b);
  }
  return CVY_OK;
}

static void put_number(FILE *out, float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  const uint8_t bytes[4] = {(uint8_t)bits, (uint8_t)(bits >> 8), (uint8_t)(bits >> 16),
                            (uint8_t)(bits >> 24)};
  fwrite(bytes, 1, sizeof bytes, out);
}

static cvy_err put_values(FILE *out, const writer *w, const blob *b) {
  void *values;
  if (b->param < 0) {
    put_number(out, 1);
    return CVY_OK;
  }
  const cvy_net_param *param = &w->net->params[b->param];
  CVY_TRY(cvy_buffer_create(&values, sizeof(float) * (size_t)param->count, "a tensor"));
  cvy_tensor_give(values, w->model->arena + param->offset, &b->layout);
  for (int64_t i = 0; i < param->count; i++) put_number(out, ((const float *)values)[i]);
  cvy_buffer_destroy(values);
  return CVY_OK;
}

static int64_t count_of(const writer *w, const blob *b) {
  return b->param < 0 ? 1 : w->net->params[b->param].count;
}

/* Returns what stands in front of a blob's numbers, within its message; free() it. */
static char *head_of(size_t *bytes, const writer *w, const blob *b) {
  static const cvy_tensor_layout one = {.shape_count = 1, .shape = {1}};
  const cvy_tensor_layout *layout = b->param < 0 ? &one : &b->layout;
  cvy_text_stream dims, shape, head;
  size_t count;
  cvy_text_stream_begin(&dims);
  for (int i = 0; i < layout->shape_count; i++) cvy_caffe_put_varint(dims.out, (uint64_t)layout->shape[i]);
  char *text = cvy_text_stream_end(&dims, &count);
  cvy_text_stream_begin(&shape);
  cvy_caffe_put_bytes(shape.out, SHAPE_DIM, text, count);
  free(text);
  text = cvy_text_stream_end(&shape, &count);
  cvy_text_stream_begin(&head);
  cvy_caffe_put_bytes(head.out, BLOB_SHAPE, text, count);
  free(text);
  cvy_caffe_put_key(head.out, BLOB_DATA, CVY_WIRE_BYTES);
  cvy_caffe_put_varint(head.out, sizeof(float) * (uint64_t)count_of(w, b));
  return cvy_text_stream_end(&head, bytes);
}

/* Returns what stands in front of a blob as a field of its layer, free() it; and how many bytes all of the
 * field takes. */
static char *begin_blob(size_t *key_bytes, uint64_t *all_bytes, const writer *w, const blob *b,
                        size_t head_bytes) {
  const uint64_t bytes = head_bytes + sizeof(float) * (uint64_t)count_of(w, b);
  cvy_text_stream key;
  cvy_text_stream_begin(&key);
  cvy_caffe_put_key(key.out, LAYER_BLOBS, CVY_WIRE_BYTES);
  cvy_caffe_put_varint(key.out, bytes);
  char *text = cvy_text_stream_end(&key, key_bytes);
  *all_bytes = *key_bytes + bytes;
  return text;
}

static uint64_t bytes_of_blob(const writer *w, const blob *b) {
  size_t head_bytes, key_bytes;
  uint64_t bytes;
  free(head_of(&head_bytes, w, b));
  free(begin_blob(&key_bytes, &bytes, w, b, head_bytes));
  return bytes;
}

static cvy_err put_blob(FILE *out, const writer *w, const blob *b) {
  size_t head_bytes, key_bytes;
  uint64_t bytes;
  char *head = head_of(&head_bytes, w, b), *begin = begin_blob(&key_bytes, &bytes, w, b, head_bytes);
  fwrite(begin, 1, key_bytes, out);
  fwrite(head, 1, head_bytes, out);
  free(begin);
  free(head);
  return put_values(out, w, b);
}

/* ---- layers ---- */

static cvy_prototext *begin_layer(writer *w, const char *name, const char *type) {
  cvy_prototext *layer = cvy_prototext_within(w->pool, w->text, "layer");
  cvy_prototext_quote(w->pool, layer, "name", name);
  cvy_prototext_quote(w->pool, layer, "type", type);
  w->written++;
  return layer;
}

static void train_alone(const writer *w, cvy_prototext *layer) {
  cvy_prototext_word(w->pool, cvy_prototext_within(w->pool, layer, "include"), "phase", "TRAIN");
}

static void put_bottom(const writing *l, const char *name) {
  cvy_prototext_quote(l->w->pool, l->out, "bottom", strcmp(name, "input") == 0 ? l->w->image : name);
}

/* Begins a layer of the net: its name, its inputs, and a blob of its name. */
static void begin(writing *l, const char *type) {
  const cvy_yaml *inputs = cvy_yaml_get(l->options, "inputs");
  writer *w = l->w;
  l->out = begin_layer(w, l->name, type);
  if (!inputs) put_bottom(l, w->before);
  if (inputs && inputs->kind == CVY_YAML_SCALAR) put_bottom(l, inputs->text);
  for (int64_t i = 0; inputs && i < inputs->count; i++) put_bottom(l, inputs->items[i]->text);
  if (layer_of(l)->is_loss && layer_of(l)->only_in_training)
    cvy_prototext_quote(w->pool, l->out, "bottom", w->label);
  cvy_prototext_quote(w->pool, l->out, "top", l->name);
  if (layer_of(l)->only_in_training) train_alone(w, l->out);
}

static cvy_prototext *param_of(const writing *l, const char *name) {
  return cvy_prototext_within(l->w->pool, l->out, name);
}

static void put(const writing *l, cvy_prototext *param, const char *name, const char *text) {
  cvy_prototext_word(l->w->pool, param, name, "%s", text);
}

static void put_pair(const writing *l, cvy_prototext *param, const int64_t pair[2], const char *both,
                     const char *of_height, const char *of_width) {
  if (pair[0] == pair[1]) {
    cvy_prototext_word(l->w->pool, param, both, "%" PRId64, pair[0]);
    return;
  }
  cvy_prototext_word(l->w->pool, param, of_height, "%" PRId64, pair[0]);
  cvy_prototext_word(l->w->pool, param, of_width, "%" PRId64, pair[1]);
}

/* Finds the padding in pixels. Caffe's is the same on both sides. */
static cvy_err find_padding(int64_t out[2], const writing *l) {
  const cvy_sliding *s = &layer_of(l)->sliding;
  const cvy_shape x = shape_read(l->w->net, l->index), y = layer_of(l)->y;
  const int64_t in[2] = {x.h, x.w}, made[2] = {y.h, y.w};
  for (int i = 0; i < 2; i++) {
    out[i] = s->padding[i] == CVY_PADDING_VALID ? 0 : s->padding[i];
    if (s->padding[i] != CVY_PADDING_SAME) continue;
    const int64_t needed = (made[i] - 1) * s->stride[i] + s->kernel[i] - in[i];
    if (needed > 0 && needed % 2 != 0)
      return no_word(l, "padding of which there is more at the bottom or right; give a 'padding' in pixels");
    out[i] = needed > 0 ? needed / 2 : 0;
  }
  return CVY_OK;
}

static cvy_err put_window(const writing *l, cvy_prototext *param) {
  int64_t padding[2];
  CVY_TRY(find_padding(padding, l));
  put_pair(l, param, layer_of(l)->sliding.kernel, "kernel_size", "kernel_h", "kernel_w");
  put_pair(l, param, layer_of(l)->sliding.stride, "stride", "stride_h", "stride_w");
  if (padding[0] || padding[1]) put_pair(l, param, padding, "pad", "pad_h", "pad_w");
  return CVY_OK;
}

static cvy_err write_conv(writing *l) {
  begin(l, "Convolution");
  cvy_prototext *param = param_of(l, "convolution_param");
  put(l, param, "num_output", option(l, "filters"));
  if (!is_on(l, "bias")) put(l, param, "bias_term", "false");
  CVY_TRY(put_window(l, param));
  if (strcmp(option(l, "groups"), "1") != 0) put(l, param, "group", option(l, "groups"));
  CVY_TRY(add_tensor(l, "weights"));
  CVY_TRY(add_tensor(l, "bias"));
  return CVY_OK;
}

static cvy_err write_fc(writing *l) {
  begin(l, "InnerProduct");
  cvy_prototext *param = param_of(l, "inner_product_param");
  put(l, param, "num_output", option(l, "outputs"));
  if (!is_on(l, "bias")) put(l, param, "bias_term", "false");
  CVY_TRY(add_tensor(l, "weights"));
  CVY_TRY(add_tensor(l, "bias"));
  return CVY_OK;
}

/* Caffe rounds sizes up, and in newer versions down where it is told to. */
static bool rounds_down(const writing *l, const int64_t padding[2]) {
  const cvy_sliding *s = &layer_of(l)->sliding;
  const cvy_shape x = shape_read(l->w->net, l->index), y = layer_of(l)->y;
  const int64_t in[2] = {x.h, x.w}, made[2] = {y.h, y.w};
  for (int i = 0; i < 2; i++) {
    int64_t up = (in[i] + 2 * padding[i] - s->kernel[i] + s->stride[i] - 1) / s->stride[i] + 1;
    if ((up - 1) * s->stride[i] >= in[i] + padding[i]) up--;
    if (up != made[i]) return true;
  }
  return false;
}

static cvy_err write_pool(writing *l) {
  const bool is_mean = strcmp(l->type, "average_pool") == 0;
  int64_t padding[2];
  begin(l, "Pooling");
  cvy_prototext *param = param_of(l, "pooling_param");
  put(l, param, "pool", is_mean ? "AVE" : "MAX");
  CVY_TRY(find_padding(padding, l));
  if (is_mean && (padding[0] || padding[1]) && !is_on(l, "count_padding"))
    return no_word(l, "a mean that does not count padding (count_padding: false)");
  if (strcmp(option(l, "kernel"), "global") == 0) {
    put(l, param, "global_pooling", "true");
    return CVY_OK;
  }
  CVY_TRY(put_window(l, param));
  if (rounds_down(l, padding)) put(l, param, "round_mode", "FLOOR");
  return CVY_OK;
}

/* Writes a Scale with the layer's own tensors, behind what `bottom` is. */
static cvy_err write_scale_of(writing *l, const char *name, const char *bottom, bool bias) {
  writer *w = l->w;
  l->out = begin_layer(w, name, "Scale");
  cvy_prototext_quote(w->pool, l->out, "bottom", bottom);
  cvy_prototext_quote(w->pool, l->out, "top", bottom);
  if (layer_of(l)->only_in_training) train_alone(w, l->out);
  if (bias) put(l, param_of(l, "scale_param"), "bias_term", "true");
  CVY_TRY(add_tensor(l, "scale"));
  return bias ? add_tensor(l, "bias") : CVY_OK;
}

static cvy_err write_batch_norm(writing *l) {
  if (is_on(l, "bias") && !is_on(l, "scale")) return no_word(l, "a bias without a scale");
  begin(l, "BatchNorm");
  cvy_prototext *param = param_of(l, "batch_norm_param");
  put(l, param, "moving_average_fraction",
      cvy_caffe_number_text(l->w->pool, 1 - strtod(option(l, "momentum"), NULL)));
  put(l, param, "eps", option(l, "epsilon"));
  CVY_TRY(add_tensor(l, "mean"));
  CVY_TRY(add_tensor(l, "variance"));
  add_blob(l->w, &(blob){.param = -1});
  if (is_on(l, "scale"))
    return write_scale_of(l, cvy_pool_format(l->w->pool, "%s/scale", l->name), l->name, is_on(l, "bias"));
  return CVY_OK;
}

static cvy_err write_scale(writing *l) {
  begin(l, "Scale");
  if (is_on(l, "bias")) put(l, param_of(l, "scale_param"), "bias_term", "true");
  CVY_TRY(add_tensor(l, "scale"));
  CVY_TRY(add_tensor(l, "bias"));
  return CVY_OK;
}

static cvy_err write_lrn(writing *l) {
  static const char *const names[][2] = {
      {"size", "local_size"}, {"alpha", "alpha"}, {"beta", "beta"}, {"k", "k"}};
  const bool within = strcmp(l->type, "lrn_within") == 0;
  if (within && strtod(option(l, "k"), NULL) != 1)
    return no_word(l, "k: within a channel it is always 1 there");
  begin(l, "LRN");
  cvy_prototext *param = param_of(l, "lrn_param");
  for (int64_t i = 0; i < CVY_COUNT(names); i++)
    if (!within || strcmp(names[i][0], "k") != 0) put(l, param, names[i][1], option(l, names[i][0]));
  if (within) put(l, param, "norm_region", "WITHIN_CHANNEL");
  return CVY_OK;
}

/* Writes a layer with at most one option. */
static cvy_err write_plain(writing *l) {
  static const char *const types[][5] = {/* Convoy's, Caffe's, its message, its option, ours */
                                         {"relu", "ReLU", NULL, NULL, NULL},
                                         {"leaky_relu", "ReLU", "relu_param", "negative_slope", "slope"},
                                         {"elu", "ELU", "elu_param", "alpha", "alpha"},
                                         {"tanh", "TanH", NULL, NULL, NULL},
                                         {"sigmoid", "Sigmoid", NULL, NULL, NULL},
                                         {"dropout", "Dropout", "dropout_param", "dropout_ratio", "rate"},
                                         {"softmax", "Softmax", NULL, NULL, NULL},
                                         {"flatten", "Flatten", NULL, NULL, NULL},
                                         {"concat", "Concat", NULL, NULL, NULL},
                                         {"add", "Eltwise", NULL, NULL, NULL}};
  for (int64_t i = 0; i < CVY_COUNT(types); i++) {
    if (strcmp(types[i][0], l->type) != 0) continue;
    begin(l, types[i][1]);
    if (types[i][2]) put(l, param_of(l, types[i][2]), types[i][3], option(l, types[i][4]));
    return CVY_OK;
  }
  return cvy_error(CVY_E_INPUT, "%s: layer '%s': Caffe has no word for layers of type '%s'", l->w->path,
                   l->name, l->type);
}

/* The last loss becomes what it makes of the scores. */
static cvy_err write_loss(writing *l) {
  const bool is_softmax = strcmp(l->type, "softmax_loss") == 0;
  if (!layer_of(l)->only_in_training) {
    begin(l, is_softmax ? "Softmax" : "Sigmoid");
    return CVY_OK;
  }
  begin(l, is_softmax ? "SoftmaxWithLoss" : "SigmoidCrossEntropyLoss");
  put(l, l->out, "loss_weight", option(l, "weight"));
  return CVY_OK;
}

static cvy_err write_layer(writing *l) {
  static const struct {
    const char *type;
    cvy_err (*write)(writing *l);
  } types[] = {{"conv", write_conv},
               {"fc", write_fc},
               {"max_pool", write_pool},
               {"average_pool", write_pool},
               {"batch_norm", write_batch_norm},
               {"scale", write_scale},
               {"lrn", write_lrn},
               {"lrn_within", write_lrn},
               {"softmax_loss", write_loss},
               {"sigmoid_loss", write_loss}};
  for (int64_t i = 0; i < CVY_COUNT(types); i++)
    if (strcmp(types[i].type, l->type) == 0) return types[i].write(l);
  return write_plain(l);
}

/* ---- the input ---- */

static const char *free_name(const writer *w, const char *name) {
  for (int64_t i = 0; i < w->net->layer_count; i++)
    if (strcmp(w->net->layers[i].name, name) == 0) return free_name(w, cvy_pool_format(w->pool, "%s_", name));
  return name;
}

static void put_transform(const writer *w, cvy_prototext *layer) {
  const cvy_stored_input *in = &w->model->input;
  bool alike = true;
  for (int64_t i = 1; i < w->net->input.c && i < CVY_MAX_CHANNELS; i++)
    alike = alike && in->deviation[i] == in->deviation[0];
  if (!in->known) return;
  if (!alike) {
    cvy_warn("%s: Caffe divides all channels by one number, so the deviations of the channels are not in it",
             w->path);
    return;
  }
  cvy_prototext *transform = cvy_prototext_within(w->pool, layer, "transform_param");
  cvy_prototext_word(w->pool, transform, "scale", "%s", cvy_caffe_number_text(w->pool, 1 / in->deviation[0]));
  for (int64_t i = 0; i < w->net->input.c && i < CVY_MAX_CHANNELS; i++)
    cvy_prototext_word(w->pool, transform, "mean_value", "%s", cvy_caffe_number_text(w->pool, in->mean[i]));
}

static void write_input(writer *w) {
  const cvy_shape x = w->net->input;
  const int64_t dims[4] = {1, x.c, x.h, x.w};
  cvy_prototext *layer = begin_layer(w, w->image, "Input"), *shape;
  cvy_prototext_quote(w->pool, layer, "top", w->image);
  put_transform(w, layer);
  shape = cvy_prototext_within(w->pool, cvy_prototext_within(w->pool, layer, "input_param"), "shape");
  for (int i = 0; i < 4; i++) cvy_prototext_word(w->pool, shape, "dim", "%" PRId64, dims[i]);
  bool has_heads = false;
  for (int64_t i = 0; i < w->net->layer_count; i++)
    has_heads = has_heads || w->net->layers[i].only_in_training;
  if (!has_heads) return;
  layer = begin_layer(w, w->label, "Input");
  cvy_prototext_quote(w->pool, layer, "top", w->label);
  train_alone(w, layer);
  shape = cvy_prototext_within(w->pool, cvy_prototext_within(w->pool, layer, "input_param"), "shape");
  cvy_prototext_word(w->pool, shape, "dim", "1");
}

/* ---- the files ---- */

static cvy_err write_layers(writer *w) {
  const cvy_yaml *layers = cvy_yaml_get(w->model->network, "layers");
  const bool is_rgb = w->model->input.known && !w->model->input.bgr && w->net->input.c == 3;
  w->image = free_name(w, is_rgb ? "rgb" : "data");
  w->label = free_name(w, "label");
  w->before = "input";
  cvy_prototext_quote(w->pool, w->text, "name", w->net->name);
  write_input(w);
  for (int64_t i = 0; i < layers->count; i++) {
    const cvy_yaml *entry = layers->items[i], *name = cvy_yaml_get(entry->items[0], "name");
    writing l = {.w = w,
                 .type = entry->keys[0]->text,
                 .name = name->text,
                 .options = entry->items[0],
                 .index = find_layer(w->net, name->text)};
    CVY_TRY(write_layer(&l));
    if (!layer_of(&l)->is_loss) w->before = l.name;
  }
  return CVY_OK;
}

static cvy_err put_layer(FILE *out, const writer *w, const cvy_prototext *layer, int64_t index) {
  cvy_text_stream own;
  size_t bytes;
  uint64_t blobs = 0;
  cvy_text_stream_begin(&own);
  cvy_caffe_encode(own.out, layer, &cvy_caffe_layer_message);
  char *text = cvy_text_stream_end(&own, &bytes);
  for (const blob *b = w->blobs; b; b = b->next)
    if (b->layer == index) blobs += bytes_of_blob(w, b);
  cvy_caffe_put_key(out, 100, CVY_WIRE_BYTES);
  cvy_caffe_put_varint(out, bytes + blobs);
  fwrite(text, 1, bytes, out);
  free(text);
  for (const blob *b = w->blobs; b; b = b->next)
    if (b->layer == index) CVY_TRY(put_blob(out, w, b));
  return CVY_OK;
}

static cvy_err put_model(const writer *w) {
  cvy_whole *file;
  int64_t index = 0;
  cvy_err err = CVY_OK;
  CVY_TRY(cvy_whole_begin(&file, w->path));
  cvy_caffe_put_bytes(file->stream, 1, w->net->name, strlen(w->net->name));
  for (int64_t i = 0; i < w->text->count && !err; i++)
    if (w->text->fields[i].message) err = put_layer(file->stream, w, w->text->fields[i].message, index++);
  if (!err) return cvy_whole_commit(file);
  cvy_whole_rollback(file);
  return err;
}

static cvy_err put_text(const writer *w) {
  const char *ending = strrchr(w->path, '.');
  const bool has_ending = ending && strcmp(ending, ".caffemodel") == 0;
  const char *path = cvy_pool_format(
      w->pool, "%.*s.prototxt", (int)(has_ending ? (size_t)(ending - w->path) : strlen(w->path)), w->path);
  cvy_whole *file;
  CVY_TRY(cvy_whole_begin(&file, path));
  cvy_prototext deployed = {0};
  for (int64_t i = 0; i < w->text->count; i++)
    if (!cvy_prototext_get(w->text->fields[i].message, "include"))
      cvy_prototext_add(w->pool, &deployed, &w->text->fields[i]);
  cvy_prototext_print(file->stream, &deployed, 0);
  return cvy_whole_commit(file);
}

cvy_err cvy_caffe_write(const char *path, const cvy_weights_out *model) {
  writer w = {.model = model, .net = cvy_net_describe(model->net), .pool = cvy_pool_create(), .path = path};
  w.last = &w.blobs;
  w.text = cvy_prototext_new(w.pool);
  cvy_err err = write_layers(&w);
  if (!err) err = put_text(&w);
  if (!err) err = put_model(&w);
  cvy_pool_destroy(w.pool);
  return err;
}
