/* Networks as Caffe wrote them before 2014: `layers { type: CONVOLUTION blobs_lr: 1 ... }`, and before that
 * `layers { layer { type: "conv" kernelsize: 5 ... } bottom: ... }`. They become the form of today, as
 * Caffe's upgrade_proto.cpp makes it of them. */
#include "formats/caffe_graph.h"

#include <string.h>

static const char *const types[][2] = {{"ACCURACY", "Accuracy"},
                                       {"ARGMAX", "ArgMax"},
                                       {"CONCAT", "Concat"},
                                       {"CONVOLUTION", "Convolution"},
                                       {"DATA", "Data"},
                                       {"DROPOUT", "Dropout"},
                                       {"DUMMY_DATA", "DummyData"},
                                       {"ELTWISE", "Eltwise"},
                                       {"FLATTEN", "Flatten"},
                                       {"HDF5_DATA", "HDF5Data"},
                                       {"HDF5_OUTPUT", "HDF5Output"},
                                       {"IMAGE_DATA", "ImageData"},
                                       {"INNER_PRODUCT", "InnerProduct"},
                                       {"LRN", "LRN"},
                                       {"MEMORY_DATA", "MemoryData"},
                                       {"POOLING", "Pooling"},
                                       {"RELU", "ReLU"},
                                       {"SIGMOID", "Sigmoid"},
                                       {"SIGMOID_CROSS_ENTROPY_LOSS", "SigmoidCrossEntropyLoss"},
                                       {"SILENCE", "Silence"},
                                       {"SOFTMAX", "Softmax"},
                                       {"SOFTMAX_LOSS", "SoftmaxWithLoss"},
                                       {"SPLIT", "Split"},
                                       {"TANH", "TanH"},
                                       {"WINDOW_DATA", "WindowData"},
                                       /* of the older form */
                                       {"accuracy", "Accuracy"},
                                       {"concat", "Concat"},
                                       {"conv", "Convolution"},
                                       {"data", "Data"},
                                       {"dropout", "Dropout"},
                                       {"eltwise", "Eltwise"},
                                       {"flatten", "Flatten"},
                                       {"hdf5_data", "HDF5Data"},
                                       {"images", "ImageData"},
                                       {"innerproduct", "InnerProduct"},
                                       {"lrn", "LRN"},
                                       {"pool", "Pooling"},
                                       {"relu", "ReLU"},
                                       {"sigmoid", "Sigmoid"},
                                       {"softmax", "Softmax"},
                                       {"softmax_loss", "SoftmaxWithLoss"},
                                       {"split", "Split"},
                                       {"tanh", "TanH"}};

static const char *new_type(const char *old) {
  for (int64_t i = 0; i < CVY_COUNT(types); i++)
    if (strcmp(types[i][0], old) == 0) return types[i][1];
  return old;
}

/* An option of the oldest form: in which message it stands today, for layers of one type (NULL: any). */
static const struct {
  const char *type, *old, *message, *name;
} options[] = {{"conv", "num_output", "convolution_param", "num_output"},
               {"conv", "biasterm", "convolution_param", "bias_term"},
               {"conv", "weight_filler", "convolution_param", "weight_filler"},
               {"conv", "bias_filler", "convolution_param", "bias_filler"},
               {"conv", "pad", "convolution_param", "pad"},
               {"conv", "kernelsize", "convolution_param", "kernel_size"},
               {"conv", "group", "convolution_param", "group"},
               {"conv", "stride", "convolution_param", "stride"},
               {"innerproduct", "num_output", "inner_product_param", "num_output"},
               {"innerproduct", "biasterm", "inner_product_param", "bias_term"},
               {"innerproduct", "weight_filler", "inner_product_param", "weight_filler"},
               {"innerproduct", "bias_filler", "inner_product_param", "bias_filler"},
               {"pool", "pad", "pooling_param", "pad"},
               {"pool", "kernelsize", "pooling_param", "kernel_size"},
               {"pool", "stride", "pooling_param", "stride"},
               {"pool", "pool", "pooling_param", "pool"},
               {"dropout", "dropout_ratio", "dropout_param", "dropout_ratio"},
               {"lrn", "local_size", "lrn_param", "local_size"},
               {"lrn", "alpha", "lrn_param", "alpha"},
               {"lrn", "beta", "lrn_param", "beta"},
               {"lrn", "k", "lrn_param", "k"},
               {"concat", "concat_dim", "concat_param", "concat_dim"},
               {"data", "source", "data_param", "source"},
               {"data", "batchsize", "data_param", "batch_size"},
               {"images", "source", "image_data_param", "source"},
               {"images", "batchsize", "image_data_param", "batch_size"},
               {"images", "new_height", "image_data_param", "new_height"},
               {"images", "new_width", "image_data_param", "new_width"},
               {NULL, "scale", "transform_param", "scale"},
               {NULL, "meanfile", "transform_param", "mean_file"},
               {NULL, "cropsize", "transform_param", "crop_size"},
               {NULL, "mirror", "transform_param", "mirror"}};

/* A layer that is brought into the newer form. */
typedef struct renewing {
  const cvy_weights_file *file;
  cvy_prototext *out;
  const char *old_type;
  const double *rates, *decays;
  int64_t rate_count, decay_count;
} renewing;

static cvy_prototext *within(const renewing *r, const char *message) {
  const cvy_prototext_field *there = cvy_prototext_get(r->out, message);
  for (int64_t i = 0; there && i < r->out->count; i++)
    if (&r->out->fields[i] == there && there->message) {
      /* A message that was copied is the file's, and is not changed. */
      cvy_prototext *copy = cvy_prototext_new(r->file->pool);
      for (int64_t k = 0; k < there->message->count; k++)
        cvy_prototext_add(r->file->pool, copy, &there->message->fields[k]);
      r->out->fields[i].message = copy;
      return copy;
    }
  return cvy_prototext_within(r->file->pool, r->out, message);
}

static void put(const renewing *r, const char *message, const char *name, const cvy_prototext_field *field) {
  cvy_prototext_field renamed = *field;
  renamed.name = name;
  cvy_prototext_add(r->file->pool, within(r, message), &renamed);
}

static bool is_one_of(const char *name, const char *const *names, int64_t count) {
  for (int64_t i = 0; i < count; i++)
    if (strcmp(names[i], name) == 0) return true;
  return false;
}

/* Moves an option of the oldest form; an unknown one is an error. */
static cvy_err put_oldest(const renewing *r, const cvy_prototext_field *field) {
  static const char *const plain[] = {"bottom",  "top",     "name",        "type",     "blobs",
                                      "include", "exclude", "loss_weight", "blobs_lr", "weight_decay"};
  for (int64_t i = 0; i < CVY_COUNT(options); i++) {
    if (strcmp(options[i].old, field->name) != 0) continue;
    if (options[i].type && strcmp(options[i].type, r->old_type) != 0) continue;
    put(r, options[i].message, options[i].name, field);
    return CVY_OK;
  }
  if (is_one_of(field->name, plain, CVY_COUNT(plain))) return CVY_OK;
  return cvy_caffe_wrong(r->file->path, field, NULL,
                         "option '%s' of a layer of type '%s' has no counterpart here", field->name,
                         r->old_type);
}

/* Copies a field that is still called so, and what was in data_param and is of all data layers today. */
static void put_plain(const renewing *r, const cvy_prototext_field *field) {
  static const char *const gone[] = {"layer", "type", "blobs_lr", "weight_decay", "param"};
  static const char *const moved[] = {"scale", "mean_file", "crop_size", "mirror"};
  if (is_one_of(field->name, gone, CVY_COUNT(gone))) return;
  const bool is_data = strcmp(field->name, "data_param") == 0 || strcmp(field->name, "image_data_param") == 0;
  if (!is_data || !field->message) {
    cvy_prototext_add(r->file->pool, r->out, field);
    return;
  }
  for (int64_t i = 0; i < field->message->count; i++) {
    const cvy_prototext_field *option = &field->message->fields[i];
    const bool moves = is_one_of(option->name, moved, CVY_COUNT(moved));
    put(r, moves ? "transform_param" : field->name, option->name, option);
  }
}

/* Says once more what blobs_lr and weight_decay said, in lists, and how shared weights are called. */
static void put_rates(const renewing *r, const cvy_prototext *from) {
  int64_t count = r->rate_count > r->decay_count ? r->rate_count : r->decay_count, named = 0;
  for (int64_t i = 0; i < from->count; i++) named += strcmp(from->fields[i].name, "param") == 0;
  if (named > count) count = named;
  for (int64_t i = 0; i < count; i++) {
    cvy_prototext *param = cvy_prototext_within(r->file->pool, r->out, "param");
    if (i < r->rate_count) cvy_prototext_word(r->file->pool, param, "lr_mult", "%.9g", r->rates[i]);
    if (i < r->decay_count) cvy_prototext_word(r->file->pool, param, "decay_mult", "%.9g", r->decays[i]);
    int64_t left = i;
    for (int64_t k = 0; k < from->count; k++) {
      const cvy_prototext_field *field = &from->fields[k];
      if (strcmp(field->name, "param") == 0 && left-- == 0 && field->text && field->text[0])
        cvy_prototext_quote(r->file->pool, param, "name", field->text);
    }
  }
}

/* Brings `layers {...}` into the newer form; `layer` within it is the oldest one. */
static cvy_err renew_layer(cvy_prototext *out, const cvy_weights_file *file, const cvy_prototext *old) {
  const cvy_prototext *inner = cvy_prototext_message(old, "layer"), *own = inner ? inner : old;
  double rates[16], decays[16];
  renewing r = {.file = file, .out = out, .rates = rates, .decays = decays};
  CVY_TRY(cvy_caffe_numbers(rates, &r.rate_count, 16, file->path, own, "blobs_lr"));
  CVY_TRY(cvy_caffe_numbers(decays, &r.decay_count, 16, file->path, own, "weight_decay"));
  const cvy_prototext_field *type = cvy_prototext_get(own, "type");
  r.old_type = type && type->text ? type->text : "";
  out->line = old->line;
  out->column = old->column;
  cvy_prototext_field renamed = {.name = "type", .text = new_type(r.old_type), .quoted = true};
  if (type) renamed.line = type->line, renamed.column = type->column;
  cvy_prototext_add(file->pool, out, &renamed);
  for (int64_t i = 0; i < old->count; i++) put_plain(&r, &old->fields[i]);
  for (int64_t i = 0; inner && i < inner->count; i++) {
    const cvy_prototext_field *field = &inner->fields[i];
    if (strcmp(field->name, "name") == 0 || strcmp(field->name, "blobs") == 0)
      cvy_prototext_add(file->pool, out, field);
    else
      CVY_TRY(put_oldest(&r, field));
  }
  put_rates(&r, own);
  return CVY_OK;
}

cvy_err cvy_caffe_renew(const cvy_prototext **out, const cvy_weights_file *file, const cvy_prototext *net) {
  cvy_prototext *renewed = cvy_prototext_new(file->pool);
  for (int64_t i = 0; i < net->count; i++) {
    const cvy_prototext_field *field = &net->fields[i];
    if (strcmp(field->name, "layers") != 0) {
      cvy_prototext_add(file->pool, renewed, field);
      continue;
    }
    if (!field->message) return cvy_caffe_wrong(file->path, field, NULL, "expected 'layers {'");
    cvy_prototext *layer = cvy_prototext_within(file->pool, renewed, "layer");
    CVY_TRY(renew_layer(layer, file, field->message));
  }
  *out = renewed;
  return CVY_OK;
}
