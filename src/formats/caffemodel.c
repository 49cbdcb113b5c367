/* Caffe's weights (.caffemodel): a NetParameter as a protocol buffer. Its layers have blobs, which become
 * tensors "conv1/0", "conv1/1", and the options by which the network is made again. A blob has its shape and
 * packed floats or doubles; the older form of the shape is four numbers, of which a vector has three ones in
 * front. */
#include "file/mapped.h"
#include "formats/caffe_fields.h"
#include "formats/caffe_graph.h"
#include "formats/caffe_write.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum {
  BLOB_NUM = 1,
  BLOB_WIDTH = 4,
  BLOB_DATA = 5,
  BLOB_SHAPE = 7,
  BLOB_DOUBLES = 8,
  NET_NAME = 1,
  NET_LAYERS = 2,
  NET_LAYER = 100,
  MOST_BLOBS = 100000
};

/* A blob of a layer. */
typedef struct blob {
  int64_t layer, index;
  cvy_stored_tensor tensor;
  int64_t bytes;
  double first; /* its first number */
} blob;

typedef struct reader {
  cvy_weights_file *file;
  blob *blobs;
  int64_t count;
} reader;

/* ---- telling ---- */

/* A network begins with its name, a text, and then has other fields of a network; or it begins with a
 * layer. */
static bool fits(const uint8_t *head, size_t count, const char *path) {
  static const uint8_t next[] = {
      NET_LAYERS << 3 | 2, 3 << 3 | 2, 4 << 3,     4 << 3 | 2, 5 << 3,
      6 << 3 | 2,          7 << 3,     8 << 3 | 2, 0xa2 /* NET_LAYER << 3 | 2 is a2 06 */};
  const size_t length = strlen(path);
  size_t at = 0;
  if (count < 4) return false;
  if (head[0] == (NET_NAME << 3 | 2)) {
    at = 2 + (size_t)head[1];
    if (head[1] > 127 || at + 1 >= count) return false;
    for (size_t i = 2; i < at; i++)
      if (head[i] < ' ') return false;
  } else if (head[0] == (NET_LAYERS << 3 | 2)) {
    return length > 11 && strcmp(path + length - 11, ".caffemodel") == 0;
  }
  if (head[at] == 0xa2) return head[at + 1] == 0x06;
  return at > 0 && memchr(next, head[at], sizeof next);
}

/* ---- blobs ---- */

static cvy_err read_shape(cvy_stored_tensor *t, const cvy_protobuf_field *field) {
  cvy_protobuf shape;
  cvy_protobuf_field dim;
  t->dim_count = 0;
  CVY_TRY(cvy_protobuf_message(&shape, field));
  while (cvy_protobuf_next(&dim, &shape)) {
    int64_t count, dims[CVY_TENSOR_DIMS];
    if (dim.number != 1) continue;
    CVY_TRY(cvy_protobuf_count(&count, &dim, CVY_NUMBER_INTEGER));
    if (count > CVY_TENSOR_DIMS - t->dim_count)
      return cvy_error(CVY_E_INPUT, "a blob of more than %d dimensions", CVY_TENSOR_DIMS);
    cvy_protobuf_integers(dims, &dim);
    memcpy(t->dims + t->dim_count, dims, sizeof *dims * (size_t)count);
    t->dim_count += (int)count;
  }
  return cvy_protobuf_end(&shape);
}

static cvy_err read_values(blob *b, const cvy_protobuf_field *field) {
  const bool is_double = field->number == BLOB_DOUBLES;
  int64_t count;
  if (field->wire != CVY_WIRE_BYTES || b->tensor.offset > 0)
    return cvy_error(CVY_E_INPUT, "the numbers of a blob do not lie together");
  CVY_TRY(cvy_protobuf_count(&count, field, is_double ? CVY_NUMBER_DOUBLE : CVY_NUMBER_FLOAT));
  b->tensor.element = is_double ? CVY_ELEMENT_F64 : CVY_ELEMENT_F32;
  b->tensor.offset = field->bytes - field->first;
  b->bytes = (int64_t)field->count;
  const cvy_protobuf_field one = {
      .number = field->number, .wire = CVY_WIRE_BYTES, .bytes = field->bytes, .count = is_double ? 8 : 4};
  float narrow = 0;
  if (count > 0 && is_double) cvy_protobuf_doubles(&b->first, &one);
  if (count > 0 && !is_double) {
    cvy_protobuf_floats(&narrow, &one);
    b->first = (double)narrow;
  }
  return CVY_OK;
}

static cvy_err read_blob(blob *b, const cvy_protobuf_field *from) {
  static const char *const halves = "numbers of a type that is not read: half precision, or another";
  cvy_protobuf message;
  cvy_protobuf_field field;
  int64_t old[4] = {0, 0, 0, 0};
  bool is_old = false;
  b->tensor.dim_count = 0;
  CVY_TRY(cvy_protobuf_message(&message, from));
  while (cvy_protobuf_next(&field, &message)) {
    if (field.number >= BLOB_NUM && field.number <= BLOB_WIDTH) {
      CVY_TRY(cvy_protobuf_integer(&old[field.number - 1], &field));
      is_old = true;
    } else if (field.number == BLOB_SHAPE) {
      CVY_TRY(read_shape(&b->tensor, &field));
      is_old = false;
    } else if (field.number == BLOB_DATA || field.number == BLOB_DOUBLES) {
      CVY_TRY(read_values(b, &field));
    } else if (field.number > 9) {
      return cvy_error(CVY_E_INPUT, "%s", halves);
    }
  }
  if (is_old && b->tensor.dim_count == 0) {
    b->tensor.dim_count = 4;
    memcpy(b->tensor.dims, old, sizeof old);
  }
  return cvy_protobuf_end(&message);
}

static cvy_err take_blob(void *context, const cvy_protobuf_field *from, int64_t layer, int64_t index) {
  reader *r = context;
  if (r->count == MOST_BLOBS) return cvy_error(CVY_E_INPUT, "more than %d blobs", MOST_BLOBS);
  if ((r->count & (r->count - 1)) == 0) {
    blob *more = cvy_pool_new(r->file->pool, sizeof *more * (size_t)(r->count ? 2 * r->count : 1));
    if (r->count) memcpy(more, r->blobs, sizeof *more * (size_t)r->count);
    r->blobs = more;
  }
  r->blobs[r->count] = (blob){.layer = layer, .index = index};
  return read_blob(&r->blobs[r->count++], from);
}

/* ---- where they belong ---- */

/* Drops ones in front of a shape of the older form, until it has `dims` dimensions. */
static void shorten(cvy_stored_tensor *t, int dims) {
  while (t->dim_count > dims && t->dims[0] == 1) {
    memmove(t->dims, t->dims + 1, sizeof *t->dims * (size_t)(t->dim_count - 1));
    t->dim_count--;
  }
}

static int dims_of(cvy_caffe_blobs blobs, int64_t index) {
  if (index > 0 || blobs == CVY_CAFFE_STATISTICS || blobs == CVY_CAFFE_SCALE) return 1;
  return blobs == CVY_CAFFE_FILTERS ? 4 : 2;
}

/* The statistics of a BatchNorm are sums, divided by the third blob. */
static cvy_err find_factor(double *out, const reader *r, const blob *b) {
  *out = 1;
  for (int64_t i = 0; i < r->count; i++) {
    const blob *divisor = &r->blobs[i];
    if (divisor->layer != b->layer || divisor->index != 2) continue;
    if (!isfinite(divisor->first))
      return cvy_error(CVY_E_INPUT, "%s: blob 2 of layer %" PRId64 ", by which statistics are divided, is %g",
                       r->file->path, b->layer, divisor->first);
    *out = divisor->first != 0 ? 1 / divisor->first : DBL_MIN;
  }
  return CVY_OK;
}

static cvy_err place(cvy_stored_tensor *t, const reader *r, const blob *b, const cvy_caffe_place *at) {
  const char *tensor = at && at->layer ? cvy_caffe_tensor(at->blobs, b->index) : NULL;
  if (!tensor) return CVY_OK;
  shorten(t, dims_of(at->blobs, b->index));
  t->target = cvy_pool_format(r->file->pool, "%s/%s", at->layer, tensor);
  t->outputs_last = at->blobs == CVY_CAFFE_COLUMNS && b->index == 0;
  return at->blobs == CVY_CAFFE_STATISTICS ? find_factor(&t->factor, r, b) : CVY_OK;
}

static const cvy_prototext *layer_at(const cvy_prototext *net, int64_t index) {
  for (int64_t i = 0; i < net->count; i++)
    if (net->fields[i].message && strncmp(net->fields[i].name, "layer", 5) == 0 && index-- == 0)
      return net->fields[i].message;
  return NULL;
}

static cvy_err add_tensors(const reader *r, const cvy_prototext *net, const cvy_caffe_place *places) {
  for (int64_t i = 0; i < r->count; i++) {
    const blob *b = &r->blobs[i];
    cvy_stored_tensor t = b->tensor;
    t.name = cvy_pool_format(r->file->pool, "%s/%" PRId64,
                             cvy_caffe_text(layer_at(net, b->layer), "name", ""), b->index);
    CVY_TRY(place(&t, r, b, places ? &places[b->layer] : NULL));
    CVY_TRY(cvy_tensor_in_rows(&t, r->file));
    if (t.count * cvy_element_bytes(t.element) != b->bytes ||
        b->bytes / cvy_element_bytes(t.element) != t.count)
      return cvy_error(CVY_E_INPUT, "%s: tensor '%s': its shape needs another number of bytes than it has",
                       r->file->path, t.name);
    CVY_TRY(cvy_weights_add(r->file, &t, b->tensor.offset, b->bytes));
  }
  return CVY_OK;
}

/* A file without a network that Convoy could run is still one of weights. */
static const cvy_caffe_place *find_places(cvy_weights_file *file, const cvy_prototext *net) {
  cvy_caffe_place *places = NULL;
  if (!cvy_caffe_convert(file, net, &places)) return places;
  cvy_weights_note(file, "no network", cvy_err_message());
  file->network = file->recipe = NULL;
  file->input = (cvy_stored_input){0};
  return NULL;
}

static cvy_err open_file(cvy_weights_file *file) {
  cvy_mapped mapped;
  reader r = {.file = file};
  cvy_prototext *tree = cvy_prototext_new(file->pool);
  const cvy_prototext *net = tree;
  CVY_TRY(cvy_mapped_open(&mapped, file->path));
  cvy_protobuf message = cvy_protobuf_of(mapped.data, mapped.count);
  cvy_err err = cvy_caffe_tree(tree, file->pool, &message, &cvy_caffe_net_message,
                               &(cvy_caffe_blob_taker){take_blob, &r});
  cvy_mapped_close(&mapped);
  if (err) return cvy_error_in(err, "%s", file->path);
  if (!layer_at(tree, 0)) return cvy_error(CVY_E_INPUT, "%s: it has no layers", file->path);
  err = cvy_caffe_renew(&net, file, tree);
  return err ? err : add_tensors(&r, net, find_places(file, net));
}

const cvy_weights_format cvy_weights_format_caffemodel = {.name = "caffemodel",
                                                          .about = "Caffe's .caffemodel",
                                                          .ending = ".caffemodel",
                                                          .in_order = true,
                                                          .fits = fits,
                                                          .open = open_file,
                                                          .write = cvy_caffe_write};
