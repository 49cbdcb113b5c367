/* Caffe's messages by number: from their binary form to a tree, and back. */
#include "formats/caffe_fields.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_FIELDS = 1 << 20, MOST_NUMBERS = 4096 /* of one packed field */ };

typedef enum field_kind { INTEGER, BOOLEAN, FLOAT, TEXT, WORD, MESSAGE, BLOBS } field_kind;

typedef struct cvy_caffe_message field;
struct cvy_caffe_message {
  uint32_t number;
  const char *name;
  field_kind kind;
  const char *const *words; /* WORD: in the order of their numbers */
  const field *message;     /* MESSAGE: its fields */
};

/* ---- the tables ---- */

#define FIELD(number, name, kind)                                                                            \
  { number, name, kind, NULL, NULL }
#define WORDS(number, name, words)                                                                           \
  { number, name, WORD, words, NULL }
#define WITHIN(number, name, message)                                                                        \
  { number, name, MESSAGE, NULL, message }
#define END                                                                                                  \
  { 0, NULL, INTEGER, NULL, NULL }

static const char *const words_phase[] = {"TRAIN", "TEST", NULL};
static const char *const words_pool[] = {"MAX", "AVE", "STOCHASTIC", NULL};
static const char *const words_operation[] = {"PROD", "SUM", "MAX", NULL};
static const char *const words_region[] = {"ACROSS_CHANNELS", "WITHIN_CHANNEL", NULL};
static const char *const words_engine[] = {"DEFAULT", "CAFFE", "CUDNN", "MKL2017", "MKLDNN", NULL};
static const char *const words_norm[] = {"FAN_IN", "FAN_OUT", "AVERAGE", NULL};
static const char *const words_normalization[] = {"FULL", "VALID", "BATCH_SIZE", "NONE", NULL};
static const char *const words_round[] = {"CEIL", "FLOOR", NULL};
static const char *const words_backend[] = {"LEVELDB", "LMDB", NULL};
static const char *const words_v1[] = {"NONE",
                                       "ACCURACY",
                                       "BNLL",
                                       "CONCAT",
                                       "CONVOLUTION",
                                       "DATA",
                                       "DROPOUT",
                                       "EUCLIDEAN_LOSS",
                                       "FLATTEN",
                                       "HDF5_DATA",
                                       "HDF5_OUTPUT",
                                       "IM2COL",
                                       "IMAGE_DATA",
                                       "INFOGAIN_LOSS",
                                       "INNER_PRODUCT",
                                       "LRN",
                                       "MULTINOMIAL_LOGISTIC_LOSS",
                                       "POOLING",
                                       "RELU",
                                       "SIGMOID",
                                       "SOFTMAX",
                                       "SOFTMAX_LOSS",
                                       "SPLIT",
                                       "TANH",
                                       "WINDOW_DATA",
                                       "ELTWISE",
                                       "POWER",
                                       "SIGMOID_CROSS_ENTROPY_LOSS",
                                       "HINGE_LOSS",
                                       "MEMORY_DATA",
                                       "ARGMAX",
                                       "THRESHOLD",
                                       "DUMMY_DATA",
                                       "SLICE",
                                       "MVN",
                                       "ABSVAL",
                                       "SILENCE",
                                       "CONTRASTIVE_LOSS",
                                       "EXP",
                                       "DECONVOLUTION",
                                       NULL};
static const field fields_shape[] = {FIELD(1, "dim", INTEGER), END};
static const field fields_filler[] = {FIELD(1, "type", TEXT),
                                      FIELD(2, "value", FLOAT),
                                      FIELD(3, "min", FLOAT),
                                      FIELD(4, "max", FLOAT),
                                      FIELD(5, "mean", FLOAT),
                                      FIELD(6, "std", FLOAT),
                                      FIELD(7, "sparse", INTEGER),
                                      WORDS(8, "variance_norm", words_norm),
                                      END};
static const field fields_state[] = {WORDS(1, "phase", words_phase), FIELD(2, "level", INTEGER),
                                     FIELD(3, "stage", TEXT), END};
static const field fields_rule[] = {WORDS(1, "phase", words_phase), FIELD(2, "min_level", INTEGER),
                                    FIELD(3, "max_level", INTEGER), FIELD(4, "stage", TEXT),
                                    FIELD(5, "not_stage", TEXT),    END};
static const field fields_param[] = {FIELD(1, "name", TEXT), FIELD(2, "share_mode", INTEGER),
                                     FIELD(3, "lr_mult", FLOAT), FIELD(4, "decay_mult", FLOAT), END};
static const field fields_transform[] = {FIELD(1, "scale", FLOAT),        FIELD(2, "mirror", BOOLEAN),
                                         FIELD(3, "crop_size", INTEGER),  FIELD(4, "mean_file", TEXT),
                                         FIELD(5, "mean_value", FLOAT),   FIELD(6, "force_color", BOOLEAN),
                                         FIELD(7, "force_gray", BOOLEAN), END};
static const field fields_loss[] = {FIELD(1, "ignore_label", INTEGER), FIELD(2, "normalize", BOOLEAN),
                                    WORDS(3, "normalization", words_normalization), END};
static const field fields_concat[] = {FIELD(1, "concat_dim", INTEGER), FIELD(2, "axis", INTEGER), END};
static const field fields_batch_norm[] = {FIELD(1, "use_global_stats", BOOLEAN),
                                          FIELD(2, "moving_average_fraction", FLOAT), FIELD(3, "eps", FLOAT),
                                          END};
static const field fields_convolution[] = {FIELD(1, "num_output", INTEGER),
                                           FIELD(2, "bias_term", BOOLEAN),
                                           FIELD(3, "pad", INTEGER),
                                           FIELD(4, "kernel_size", INTEGER),
                                           FIELD(5, "group", INTEGER),
                                           FIELD(6, "stride", INTEGER),
                                           WITHIN(7, "weight_filler", fields_filler),
                                           WITHIN(8, "bias_filler", fields_filler),
                                           FIELD(9, "pad_h", INTEGER),
                                           FIELD(10, "pad_w", INTEGER),
                                           FIELD(11, "kernel_h", INTEGER),
                                           FIELD(12, "kernel_w", INTEGER),
                                           FIELD(13, "stride_h", INTEGER),
                                           FIELD(14, "stride_w", INTEGER),
                                           WORDS(15, "engine", words_engine),
                                           FIELD(16, "axis", INTEGER),
                                           FIELD(17, "force_nd_im2col", BOOLEAN),
                                           FIELD(18, "dilation", INTEGER),
                                           END};
static const field fields_data[] = {FIELD(1, "source", TEXT),
                                    FIELD(2, "scale", FLOAT),
                                    FIELD(3, "mean_file", TEXT),
                                    FIELD(4, "batch_size", INTEGER),
                                    FIELD(5, "crop_size", INTEGER),
                                    FIELD(6, "mirror", BOOLEAN),
                                    FIELD(7, "rand_skip", INTEGER),
                                    WORDS(8, "backend", words_backend),
                                    FIELD(9, "force_encoded_color", BOOLEAN),
                                    FIELD(10, "prefetch", INTEGER),
                                    END};
static const field fields_dropout[] = {FIELD(1, "dropout_ratio", FLOAT), END};
static const field fields_dummy_data[] = {WITHIN(1, "data_filler", fields_filler),
                                          FIELD(2, "num", INTEGER),
                                          FIELD(3, "channels", INTEGER),
                                          FIELD(4, "height", INTEGER),
                                          FIELD(5, "width", INTEGER),
                                          WITHIN(6, "shape", fields_shape),
                                          END};
static const field fields_eltwise[] = {WORDS(1, "operation", words_operation), FIELD(2, "coeff", FLOAT),
                                       FIELD(3, "stable_prod_grad", BOOLEAN), END};
static const field fields_elu[] = {FIELD(1, "alpha", FLOAT), END};
static const field fields_flatten[] = {FIELD(1, "axis", INTEGER), FIELD(2, "end_axis", INTEGER), END};
static const field fields_hdf5_data[] = {FIELD(1, "source", TEXT), FIELD(2, "batch_size", INTEGER),
                                         FIELD(3, "shuffle", BOOLEAN), END};
static const field fields_image_data[] = {FIELD(1, "source", TEXT),
                                          FIELD(2, "scale", FLOAT),
                                          FIELD(3, "mean_file", TEXT),
                                          FIELD(4, "batch_size", INTEGER),
                                          FIELD(5, "crop_size", INTEGER),
                                          FIELD(6, "mirror", BOOLEAN),
                                          FIELD(7, "rand_skip", INTEGER),
                                          FIELD(8, "shuffle", BOOLEAN),
                                          FIELD(9, "new_height", INTEGER),
                                          FIELD(10, "new_width", INTEGER),
                                          FIELD(11, "is_color", BOOLEAN),
                                          FIELD(12, "root_folder", TEXT),
                                          END};
static const field fields_inner_product[] = {FIELD(1, "num_output", INTEGER),
                                             FIELD(2, "bias_term", BOOLEAN),
                                             WITHIN(3, "weight_filler", fields_filler),
                                             WITHIN(4, "bias_filler", fields_filler),
                                             FIELD(5, "axis", INTEGER),
                                             FIELD(6, "transpose", BOOLEAN),
                                             END};
static const field fields_input[] = {WITHIN(1, "shape", fields_shape), END};
static const field fields_lrn[] = {FIELD(1, "local_size", INTEGER),
                                   FIELD(2, "alpha", FLOAT),
                                   FIELD(3, "beta", FLOAT),
                                   WORDS(4, "norm_region", words_region),
                                   FIELD(5, "k", FLOAT),
                                   WORDS(6, "engine", words_engine),
                                   END};
static const field fields_memory_data[] = {FIELD(1, "batch_size", INTEGER), FIELD(2, "channels", INTEGER),
                                           FIELD(3, "height", INTEGER), FIELD(4, "width", INTEGER), END};
static const field fields_pooling[] = {
    WORDS(1, "pool", words_pool),         FIELD(2, "kernel_size", INTEGER),
    FIELD(3, "stride", INTEGER),          FIELD(4, "pad", INTEGER),
    FIELD(5, "kernel_h", INTEGER),        FIELD(6, "kernel_w", INTEGER),
    FIELD(7, "stride_h", INTEGER),        FIELD(8, "stride_w", INTEGER),
    FIELD(9, "pad_h", INTEGER),           FIELD(10, "pad_w", INTEGER),
    WORDS(11, "engine", words_engine),    FIELD(12, "global_pooling", BOOLEAN),
    WORDS(13, "round_mode", words_round), END};
static const field fields_relu[] = {FIELD(1, "negative_slope", FLOAT), WORDS(2, "engine", words_engine), END};
static const field fields_reshape[] = {WITHIN(1, "shape", fields_shape), FIELD(2, "axis", INTEGER),
                                       FIELD(3, "num_axes", INTEGER), END};
static const field fields_scale[] = {FIELD(1, "axis", INTEGER),
                                     FIELD(2, "num_axes", INTEGER),
                                     WITHIN(3, "filler", fields_filler),
                                     FIELD(4, "bias_term", BOOLEAN),
                                     WITHIN(5, "bias_filler", fields_filler),
                                     END};
static const field fields_engine[] = {WORDS(1, "engine", words_engine), END};
static const field fields_softmax[] = {WORDS(1, "engine", words_engine), FIELD(2, "axis", INTEGER), END};
static const field fields_old[] = {FIELD(1, "name", TEXT),
                                   FIELD(2, "type", TEXT),
                                   FIELD(3, "num_output", INTEGER),
                                   FIELD(4, "biasterm", BOOLEAN),
                                   WITHIN(5, "weight_filler", fields_filler),
                                   WITHIN(6, "bias_filler", fields_filler),
                                   FIELD(7, "pad", INTEGER),
                                   FIELD(8, "kernelsize", INTEGER),
                                   FIELD(9, "group", INTEGER),
                                   FIELD(10, "stride", INTEGER),
                                   WORDS(11, "pool", words_pool),
                                   FIELD(12, "dropout_ratio", FLOAT),
                                   FIELD(13, "local_size", INTEGER),
                                   FIELD(14, "alpha", FLOAT),
                                   FIELD(15, "beta", FLOAT),
                                   FIELD(16, "source", TEXT),
                                   FIELD(17, "scale", FLOAT),
                                   FIELD(18, "meanfile", TEXT),
                                   FIELD(19, "batchsize", INTEGER),
                                   FIELD(20, "cropsize", INTEGER),
                                   FIELD(21, "mirror", BOOLEAN),
                                   FIELD(22, "k", FLOAT),
                                   FIELD(50, "blobs", BLOBS),
                                   FIELD(51, "blobs_lr", FLOAT),
                                   FIELD(52, "weight_decay", FLOAT),
                                   FIELD(53, "rand_skip", INTEGER),
                                   FIELD(65, "concat_dim", INTEGER),
                                   END};
static const field fields_layers[] = {WITHIN(1, "layer", fields_old),
                                      FIELD(2, "bottom", TEXT),
                                      FIELD(3, "top", TEXT),
                                      FIELD(4, "name", TEXT),
                                      WORDS(5, "type", words_v1),
                                      FIELD(6, "blobs", BLOBS),
                                      FIELD(7, "blobs_lr", FLOAT),
                                      FIELD(8, "weight_decay", FLOAT),
                                      WITHIN(32, "include", fields_rule),
                                      WITHIN(33, "exclude", fields_rule),
                                      FIELD(35, "loss_weight", FLOAT),
                                      FIELD(1001, "param", TEXT),
                                      WITHIN(9, "concat_param", fields_concat),
                                      WITHIN(10, "convolution_param", fields_convolution),
                                      WITHIN(11, "data_param", fields_data),
                                      WITHIN(12, "dropout_param", fields_dropout),
                                      WITHIN(13, "hdf5_data_param", fields_hdf5_data),
                                      WITHIN(15, "image_data_param", fields_image_data),
                                      WITHIN(17, "inner_product_param", fields_inner_product),
                                      WITHIN(18, "lrn_param", fields_lrn),
                                      WITHIN(19, "pooling_param", fields_pooling),
                                      WITHIN(22, "memory_data_param", fields_memory_data),
                                      WITHIN(24, "eltwise_param", fields_eltwise),
                                      WITHIN(26, "dummy_data_param", fields_dummy_data),
                                      WITHIN(30, "relu_param", fields_relu),
                                      WITHIN(37, "tanh_param", fields_engine),
                                      WITHIN(38, "sigmoid_param", fields_engine),
                                      WITHIN(39, "softmax_param", fields_softmax),
                                      WITHIN(42, "loss_param", fields_loss),
                                      WITHIN(36, "transform_param", fields_transform),
                                      END};
static const field fields_layer[] = {FIELD(1, "name", TEXT),
                                     FIELD(2, "type", TEXT),
                                     FIELD(3, "bottom", TEXT),
                                     FIELD(4, "top", TEXT),
                                     FIELD(5, "loss_weight", FLOAT),
                                     WITHIN(6, "param", fields_param),
                                     FIELD(7, "blobs", BLOBS),
                                     WITHIN(8, "include", fields_rule),
                                     WITHIN(9, "exclude", fields_rule),
                                     WORDS(10, "phase", words_phase),
                                     FIELD(11, "propagate_down", BOOLEAN),
                                     WITHIN(100, "transform_param", fields_transform),
                                     WITHIN(101, "loss_param", fields_loss),
                                     WITHIN(104, "concat_param", fields_concat),
                                     WITHIN(106, "convolution_param", fields_convolution),
                                     WITHIN(107, "data_param", fields_data),
                                     WITHIN(108, "dropout_param", fields_dropout),
                                     WITHIN(109, "dummy_data_param", fields_dummy_data),
                                     WITHIN(110, "eltwise_param", fields_eltwise),
                                     WITHIN(112, "hdf5_data_param", fields_hdf5_data),
                                     WITHIN(115, "image_data_param", fields_image_data),
                                     WITHIN(117, "inner_product_param", fields_inner_product),
                                     WITHIN(118, "lrn_param", fields_lrn),
                                     WITHIN(119, "memory_data_param", fields_memory_data),
                                     WITHIN(121, "pooling_param", fields_pooling),
                                     WITHIN(123, "relu_param", fields_relu),
                                     WITHIN(124, "sigmoid_param", fields_engine),
                                     WITHIN(125, "softmax_param", fields_softmax),
                                     WITHIN(127, "tanh_param", fields_engine),
                                     WITHIN(133, "reshape_param", fields_reshape),
                                     WITHIN(135, "flatten_param", fields_flatten),
                                     WITHIN(139, "batch_norm_param", fields_batch_norm),
                                     WITHIN(140, "elu_param", fields_elu),
                                     WITHIN(142, "scale_param", fields_scale),
                                     WITHIN(143, "input_param", fields_input),
                                     END};
static const field fields_net[] = {FIELD(1, "name", TEXT),
                                   WITHIN(2, "layers", fields_layers),
                                   FIELD(3, "input", TEXT),
                                   FIELD(4, "input_dim", INTEGER),
                                   FIELD(5, "force_backward", BOOLEAN),
                                   WITHIN(6, "state", fields_state),
                                   FIELD(7, "debug_info", BOOLEAN),
                                   WITHIN(8, "input_shape", fields_shape),
                                   WITHIN(100, "layer", fields_layer),
                                   END};

const cvy_caffe_message cvy_caffe_layer_message = WITHIN(100, "layer", fields_layer);
const cvy_caffe_message cvy_caffe_net_message = WITHIN(0, "NetParameter", fields_net);

/* ---- from binary ---- */

typedef struct reading {
  cvy_pool *pool;
  const cvy_caffe_blob_taker *taker;
  int64_t layer, blob, fields;
} reading;

static const field *find_number(const field *fields, uint32_t number) {
  for (; fields->name; fields++)
    if (fields->number == number) return fields;
  return NULL;
}

static void add_integer(const reading *r, cvy_prototext *out, const field *f, int64_t value) {
  int64_t words = 0;
  while (f->words && f->words[words]) words++;
  if (f->kind == WORD && value >= 0 && value < words)
    cvy_prototext_word(r->pool, out, f->name, "%s", f->words[value]);
  else if (f->kind == BOOLEAN)
    cvy_prototext_word(r->pool, out, f->name, "%s", value ? "true" : "false");
  else
    cvy_prototext_word(r->pool, out, f->name, "%" PRId64, value);
}

/* Adds the numbers of a field, of which a packed one has many. */
static cvy_err add_numbers(const reading *r, cvy_prototext *out, const field *f,
                           const cvy_protobuf_field *from) {
  const bool is_float = f->kind == FLOAT;
  int64_t count, whole[MOST_NUMBERS];
  float floats[MOST_NUMBERS];
  CVY_TRY(cvy_protobuf_count(&count, from, is_float ? CVY_NUMBER_FLOAT : CVY_NUMBER_INTEGER));
  if (count > MOST_NUMBERS)
    return cvy_error(CVY_E_INPUT, "field '%s' has more than %d numbers", f->name, MOST_NUMBERS);
  if (is_float)
    cvy_protobuf_floats(floats, from);
  else
    cvy_protobuf_integers(whole, from);
  for (int64_t i = 0; i < count; i++) {
    if (is_float)
      cvy_prototext_word(r->pool, out, f->name, "%.9g", (double)floats[i]);
    else
      add_integer(r, out, f, whole[i]);
  }
  return CVY_OK;
}

static cvy_err add_text(const reading *r, cvy_prototext *out, const field *f,
                        const cvy_protobuf_field *from) {
  CVY_TRY(cvy_protobuf_bytes(from));
  if (from->count > INT_MAX || memchr(from->bytes, 0, from->count))
    return cvy_error(CVY_E_INPUT, "field '%s' is no text", f->name);
  cvy_prototext_quote(r->pool, out, f->name,
                      cvy_pool_format(r->pool, "%.*s", (int)from->count, (const char *)from->bytes));
  return CVY_OK;
}

static cvy_err read_message(cvy_prototext *out, reading *r, cvy_protobuf *message, const field *fields);

static cvy_err add_message(reading *r, cvy_prototext *out, const field *f, const cvy_protobuf_field *from) {
  cvy_protobuf inner;
  CVY_TRY(cvy_protobuf_message(&inner, from));
  return read_message(cvy_prototext_within(r->pool, out, f->name), r, &inner, f->message);
}

static cvy_err add_field(cvy_prototext *out, reading *r, const cvy_protobuf_field *from,
                         const field *fields) {
  const field *f = find_number(fields, from->number);
  if (++r->fields > MOST_FIELDS) return cvy_error(CVY_E_INPUT, "more than %d fields", MOST_FIELDS);
  if (!f) {
    cvy_prototext_word(r->pool, out, cvy_pool_format(r->pool, "field %" PRIu32, from->number), "...");
    return CVY_OK;
  }
  if (fields == fields_net && f->message && (f->message == fields_layer || f->message == fields_layers)) {
    r->layer++;
    r->blob = 0;
  }
  switch (f->kind) {
  case INTEGER:
  case BOOLEAN:
  case WORD:
  case FLOAT:
    return add_numbers(r, out, f, from);
  case TEXT:
    return add_text(r, out, f, from);
  case MESSAGE:
    return add_message(r, out, f, from);
  case BLOBS:
    return r->taker->take(r->taker->context, from, r->layer - 1, r->blob++);
  }
  return CVY_OK;
}

static cvy_err read_message(cvy_prototext *out, reading *r, cvy_protobuf *message, const field *fields) {
  cvy_protobuf_field from;
  while (cvy_protobuf_next(&from, message)) CVY_TRY(add_field(out, r, &from, fields));
  return cvy_protobuf_end(message);
}

cvy_err cvy_caffe_tree(cvy_prototext *out, cvy_pool *pool, cvy_protobuf *message,
                       const cvy_caffe_message *kind, const cvy_caffe_blob_taker *taker) {
  reading r = {.pool = pool, .taker = taker};
  return read_message(out, &r, message, kind->message);
}

/* ---- to binary ---- */

void cvy_caffe_put_key(FILE *out, uint32_t number, cvy_wire wire) {
  cvy_caffe_put_varint(out, (uint64_t)number << 3 | wire);
}

void cvy_caffe_put_varint(FILE *out, uint64_t value) {
  for (; value > 127; value >>= 7) fputc((int)(value & 127) | 128, out);
  fputc((int)value, out);
}

void cvy_caffe_put_bytes(FILE *out, uint32_t number, const void *bytes, size_t count) {
  cvy_caffe_put_key(out, number, CVY_WIRE_BYTES);
  cvy_caffe_put_varint(out, count);
  fwrite(bytes, 1, count, out);
}

static uint64_t number_of_word(const field *f, const char *word) {
  uint64_t number = 0;
  while (f->words[number] && strcmp(f->words[number], word) != 0) number++;
  CVY_CHECK(f->words[number], "%s", word);
  return number;
}

static void put_scalar(FILE *out, const field *f, const char *text) {
  const float value = strtof(text, NULL);
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  cvy_caffe_put_key(out, f->number, f->kind == FLOAT ? CVY_WIRE_32 : CVY_WIRE_VARINT);
  if (f->kind == FLOAT)
    for (int i = 0; i < 4; i++) fputc((int)(bits >> (8 * i) & 255), out);
  else
    cvy_caffe_put_varint(out, f->kind == WORD      ? number_of_word(f, text)
                              : f->kind == BOOLEAN ? strcmp(text, "true") == 0
                                                   : (uint64_t)strtoll(text, NULL, 10));
}

static const field *find_name(const field *fields, const char *name) {
  while (fields->name && strcmp(fields->name, name) != 0) fields++;
  CVY_CHECK(fields->name, "%s", name);
  return fields;
}

void cvy_caffe_encode(FILE *out, const cvy_prototext *tree, const cvy_caffe_message *kind) {
  for (int64_t i = 0; i < tree->count; i++) {
    const cvy_prototext_field *from = &tree->fields[i];
    const field *f = find_name(kind->message, from->name);
    if (f->kind == TEXT) {
      cvy_caffe_put_bytes(out, f->number, from->text, strlen(from->text));
    } else if (f->kind == MESSAGE) {
      cvy_text_stream inner;
      size_t count;
      cvy_text_stream_begin(&inner);
      cvy_caffe_encode(inner.out, from->message, f);
      char *bytes = cvy_text_stream_end(&inner, &count);
      cvy_caffe_put_bytes(out, f->number, bytes, count);
      free(bytes);
    } else {
      put_scalar(out, f, from->text);
    }
  }
}
