/* Reads the messages of an ONNX model. */
#include "formats/onnx.h"

#include "archive/protobuf.h"
#include "base/utf8.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

enum { MOST_ITEMS = 100000 /* nodes, initializers; beyond any network */ };

static cvy_err text_of(const char **out, cvy_pool *pool, const cvy_protobuf_field *f) {
  CVY_TRY(cvy_protobuf_bytes(f));
  if (memchr(f->bytes, 0, f->count))
    return cvy_error(CVY_E_INPUT, "byte %td: a text with a zero in it", f->bytes - f->first);
  char *text = cvy_pool_format(pool, "%.*s", (int)(f->count > INT_MAX ? INT_MAX : f->count),
                               (const char *)f->bytes);
  if (!cvy_utf8_valid(text))
    return cvy_error(CVY_E_INPUT, "byte %td: a text that is no UTF-8", f->bytes - f->first);
  *out = text;
  return CVY_OK;
}

/* Counts the fields of one number in a message that `field` is. */
static cvy_err count_fields(int64_t *count, const cvy_protobuf_field *field, uint32_t number) {
  cvy_protobuf m;
  cvy_protobuf_field f;
  *count = 0;
  CVY_TRY(cvy_protobuf_message(&m, field));
  while (cvy_protobuf_next(&f, &m)) *count += f.number == number;
  CVY_TRY(cvy_protobuf_end(&m));
  if (*count <= MOST_ITEMS) return CVY_OK;
  return cvy_error(CVY_E_INPUT, "%" PRId64 " nodes or tensors are more than any network has", *count);
}

static int64_t room_for(int64_t count) {
  int64_t room = 1;
  while (room < count) room *= 2;
  return room;
}

/* Appends the integers of a field, packed or not. There is always room up to the next power of two. */
static cvy_err add_integers(const int64_t **out, int64_t *count, cvy_pool *pool,
                            const cvy_protobuf_field *f) {
  int64_t more;
  CVY_TRY(cvy_protobuf_count(&more, f, CVY_NUMBER_INTEGER));
  int64_t *grown = (int64_t *)*out;
  if (!grown || *count + more > room_for(*count)) {
    grown = cvy_pool_new(pool, sizeof *grown * (size_t)room_for(*count + more));
    if (*count) memcpy(grown, *out, sizeof *grown * (size_t)*count);
  }
  cvy_protobuf_integers(grown + *count, f);
  *out = grown;
  *count += more;
  return CVY_OK;
}

/* ---- tensors ---- */

static cvy_err wrong_tensor(const cvy_onnx_tensor *t, const char *what) {
  return cvy_error(CVY_E_INPUT, "tensor '%s': %s", t->name, what);
}

/* Returns the bytes that a number takes in raw_data; 0 for a type that is not read. */
static int64_t bytes_of_type(int64_t type) {
  static const int8_t bytes[] = {
      [CVY_ONNX_FLOAT] = 4,   [CVY_ONNX_UINT8] = 1,  [CVY_ONNX_INT8] = 1,    [CVY_ONNX_UINT16] = 2,
      [CVY_ONNX_INT16] = 2,   [CVY_ONNX_INT32] = 4,  [CVY_ONNX_INT64] = 8,   [CVY_ONNX_BOOL] = 1,
      [CVY_ONNX_FLOAT16] = 2, [CVY_ONNX_DOUBLE] = 8, [CVY_ONNX_BFLOAT16] = 2};
  return type >= 0 && type < CVY_COUNT(bytes) ? bytes[type] : 0;
}

/* Notes where numbers lie in the file: raw ones, or packed floats and doubles, which lie alike. */
static cvy_err place_bytes(cvy_onnx_tensor *t, const cvy_protobuf_field *f, const cvy_protobuf *m) {
  if (t->bytes) return wrong_tensor(t, "its numbers lie in several pieces; this is not read");
  if (f->wire == CVY_WIRE_BYTES) {
    t->bytes = f->bytes;
    t->byte_count = f->count;
    return CVY_OK;
  }
  const size_t each = f->wire == CVY_WIRE_32 ? 4 : 8;
  if (f->wire == CVY_WIRE_VARINT) return wrong_tensor(t, "its numbers are of another type than it says");
  t->bytes = m->at - each; /* a single number, not packed */
  t->byte_count = each;
  return CVY_OK;
}

static cvy_err read_dims(cvy_onnx_tensor *t, const cvy_protobuf_field *f) {
  int64_t more;
  CVY_TRY(cvy_protobuf_count(&more, f, CVY_NUMBER_INTEGER));
  if (more > CVY_TENSOR_DIMS - t->dim_count) return wrong_tensor(t, "it has more than 8 dimensions");
  cvy_protobuf_integers(t->dims + t->dim_count, f);
  t->dim_count += (int)more;
  return CVY_OK;
}

static cvy_err check_tensor(cvy_onnx_tensor *t) {
  const int64_t each = bytes_of_type(t->type);
  t->count = 1;
  for (int i = 0; i < t->dim_count; i++)
    if (t->dims[i] < 0 || __builtin_mul_overflow(t->count, t->dims[i], &t->count))
      return wrong_tensor(t, "its shape is no shape, or beyond 64 bits");
  if (each == 0) return CVY_OK; /* it may be text that nobody needs */
  const int64_t has = t->bytes ? (int64_t)t->byte_count / each : t->integer_count;
  if (has == t->count && (!t->bytes || (int64_t)t->byte_count % each == 0)) return CVY_OK;
  return cvy_error(CVY_E_INPUT, "tensor '%s' has %" PRId64 " numbers, but %" PRId64 " by its shape", t->name,
                   has, t->count);
}

static cvy_err read_tensor_field(cvy_onnx_tensor *t, cvy_pool *pool, const cvy_protobuf_field *f,
                                 const cvy_protobuf *m) {
  int64_t place;
  switch (f->number) {
  case TENSOR_DIMS:
    return read_dims(t, f);
  case TENSOR_TYPE:
    return cvy_protobuf_integer(&t->type, f);
  case TENSOR_NAME:
    return text_of(&t->name, pool, f);
  case TENSOR_RAW:
  case TENSOR_FLOATS:
  case TENSOR_DOUBLES:
    return place_bytes(t, f, m);
  case TENSOR_INT32S:
  case TENSOR_INT64S:
    return add_integers(&t->integers, &t->integer_count, pool, f);
  case TENSOR_PLACE:
    CVY_TRY(cvy_protobuf_integer(&place, f));
    return place == 0 ? CVY_OK
                      : wrong_tensor(t, "its numbers are in another file; convoy reads models in one file");
  default:
    return CVY_OK;
  }
}

static cvy_err read_tensor(cvy_onnx_tensor *t, cvy_pool *pool, const cvy_protobuf_field *field) {
  cvy_protobuf m;
  cvy_protobuf_field f;
  *t = (cvy_onnx_tensor){.name = ""};
  CVY_TRY(cvy_protobuf_message(&m, field));
  while (cvy_protobuf_next(&f, &m)) CVY_TRY(read_tensor_field(t, pool, &f, &m));
  CVY_TRY(cvy_protobuf_end(&m));
  return check_tensor(t);
}

static uint64_t bits_at(const uint8_t *p, int64_t bytes) {
  uint64_t bits = 0;
  for (int64_t i = 0; i < bytes; i++) bits |= (uint64_t)p[i] << (8 * i);
  return bits;
}

double cvy_onnx_number(const cvy_onnx_tensor *t, int64_t index) {
  const int64_t each = bytes_of_type(t->type);
  if (each == 0) return NAN; /* how many there are is not checked */
  if (!t->bytes) return t->type >= CVY_ONNX_FLOAT16 ? NAN : (double)t->integers[index];
  const uint64_t bits = bits_at(t->bytes + index * each, each);
  const uint32_t half = (uint32_t)bits;
  float single;
  double wide;
  switch (t->type) {
  case CVY_ONNX_FLOAT:
    memcpy(&single, &half, sizeof single);
    return (double)single;
  case CVY_ONNX_DOUBLE:
    memcpy(&wide, &bits, sizeof wide);
    return wide;
  case CVY_ONNX_INT8:
    return (double)(int8_t)bits;
  case CVY_ONNX_INT16:
    return (double)(int16_t)bits;
  case CVY_ONNX_INT32:
    return (double)(int32_t)bits;
  case CVY_ONNX_INT64:
    return (double)(int64_t)bits;
  case CVY_ONNX_UINT8:
  case CVY_ONNX_UINT16:
  case CVY_ONNX_BOOL:
    return (double)bits;
  default:
    return NAN;
  }
}

/* ---- nodes ---- */

static cvy_err read_numbers(cvy_onnx_attribute *a, cvy_pool *pool, const cvy_protobuf_field *f) {
  int64_t more;
  CVY_TRY(cvy_protobuf_count(&more, f, CVY_NUMBER_FLOAT));
  float *grown = cvy_pool_new(pool, sizeof *grown * (size_t)(a->number_count + more));
  if (a->number_count) memcpy(grown, a->numbers, sizeof *grown * (size_t)a->number_count);
  cvy_protobuf_floats(grown + a->number_count, f);
  a->numbers = grown;
  a->number_count += more;
  return a->number_count > MOST_ITEMS ? cvy_error(CVY_E_INPUT, "attribute '%s' is too long", a->name)
                                      : CVY_OK;
}

static cvy_err read_attribute_field(cvy_onnx_attribute *a, cvy_pool *pool, const cvy_protobuf_field *f) {
  float number;
  int64_t count;
  cvy_onnx_tensor *tensor;
  switch (f->number) {
  case ATTRIBUTE_NAME:
    return text_of(&a->name, pool, f);
  case ATTRIBUTE_FLOAT:
    CVY_TRY(cvy_protobuf_count(&count, f, CVY_NUMBER_FLOAT));
    if (f->wire != CVY_WIRE_32) return cvy_error(CVY_E_INPUT, "attribute '%s' is no number", a->name);
    cvy_protobuf_floats(&number, f);
    a->number = (double)number;
    return CVY_OK;
  case ATTRIBUTE_INT:
    return cvy_protobuf_integer(&a->integer, f);
  case ATTRIBUTE_TEXT:
    return f->wire == CVY_WIRE_BYTES && memchr(f->bytes, 0, f->count) ? CVY_OK : text_of(&a->text, pool, f);
  case ATTRIBUTE_TENSOR:
    a->tensor = tensor = cvy_pool_new(pool, sizeof *tensor);
    return read_tensor(tensor, pool, f);
  case ATTRIBUTE_FLOATS:
    return read_numbers(a, pool, f);
  case ATTRIBUTE_INTS:
    return add_integers(&a->integers, &a->integer_count, pool, f);
  default:
    return CVY_OK;
  }
}

static cvy_err read_attribute(cvy_onnx_attribute *a, cvy_pool *pool, const cvy_protobuf_field *field) {
  cvy_protobuf m;
  cvy_protobuf_field f;
  *a = (cvy_onnx_attribute){.name = ""};
  CVY_TRY(cvy_protobuf_message(&m, field));
  while (cvy_protobuf_next(&f, &m)) CVY_TRY(read_attribute_field(a, pool, &f));
  return cvy_protobuf_end(&m);
}

static cvy_err make_room_in_node(cvy_onnx_node *node, cvy_pool *pool, const cvy_protobuf_field *field) {
  int64_t inputs, outputs, attributes;
  CVY_TRY(count_fields(&inputs, field, NODE_INPUT));
  CVY_TRY(count_fields(&outputs, field, NODE_OUTPUT));
  CVY_TRY(count_fields(&attributes, field, NODE_ATTRIBUTE));
  *node = (cvy_onnx_node){.name = "", .type = "", .domain = ""};
  node->inputs = cvy_pool_new(pool, sizeof *node->inputs * (size_t)(inputs + 1));
  node->outputs = cvy_pool_new(pool, sizeof *node->outputs * (size_t)(outputs + 1));
  node->attributes = cvy_pool_new(pool, sizeof *node->attributes * (size_t)(attributes + 1));
  return CVY_OK;
}

static cvy_err read_node(cvy_onnx_node *node, cvy_pool *pool, const cvy_protobuf_field *field) {
  cvy_protobuf m;
  cvy_protobuf_field f;
  CVY_TRY(make_room_in_node(node, pool, field));
  CVY_TRY(cvy_protobuf_message(&m, field));
  while (cvy_protobuf_next(&f, &m)) {
    if (f.number == NODE_INPUT) CVY_TRY(text_of(&node->inputs[node->input_count++], pool, &f));
    if (f.number == NODE_OUTPUT) CVY_TRY(text_of(&node->outputs[node->output_count++], pool, &f));
    if (f.number == NODE_NAME) CVY_TRY(text_of(&node->name, pool, &f));
    if (f.number == NODE_OPERATOR) CVY_TRY(text_of(&node->type, pool, &f));
    if (f.number == NODE_DOMAIN) CVY_TRY(text_of(&node->domain, pool, &f));
    if (f.number == NODE_ATTRIBUTE)
      CVY_TRY(read_attribute(&node->attributes[node->attribute_count++], pool, &f));
  }
  return cvy_protobuf_end(&m);
}

/* ---- the graph ---- */

/* Finds the message in field `number` of another; *found is false if it has none. */
static cvy_err find_message(cvy_protobuf_field *out, bool *found, const cvy_protobuf_field *in,
                            uint32_t number) {
  cvy_protobuf m;
  cvy_protobuf_field f;
  *found = false;
  CVY_TRY(cvy_protobuf_message(&m, in));
  while (cvy_protobuf_next(&f, &m)) {
    if (f.number != number) continue;
    *out = f;
    *found = true;
  }
  return cvy_protobuf_end(&m);
}

static cvy_err read_dim(cvy_onnx_input *input, const cvy_protobuf_field *field) {
  cvy_protobuf m;
  cvy_protobuf_field f;
  if (input->dim_count == CVY_TENSOR_DIMS)
    return cvy_error(CVY_E_INPUT, "input '%s' has more than 8 dimensions", input->name);
  int64_t *dim = &input->dims[input->dim_count++];
  *dim = -1;
  CVY_TRY(cvy_protobuf_message(&m, field));
  while (cvy_protobuf_next(&f, &m))
    if (f.number == DIM_VALUE) CVY_TRY(cvy_protobuf_integer(dim, &f));
  if (*dim < 1) *dim = -1; /* some write an open size as 0 */
  return cvy_protobuf_end(&m);
}

static cvy_err read_input(cvy_onnx_input *input, cvy_pool *pool, const cvy_protobuf_field *field) {
  cvy_protobuf m;
  cvy_protobuf_field f, type, tensor, shape;
  bool found;
  *input = (cvy_onnx_input){.name = ""};
  CVY_TRY(cvy_protobuf_message(&m, field));
  while (cvy_protobuf_next(&f, &m))
    if (f.number == VALUE_NAME) CVY_TRY(text_of(&input->name, pool, &f));
  CVY_TRY(cvy_protobuf_end(&m));
  CVY_TRY(find_message(&type, &found, field, VALUE_TYPE));
  if (found) CVY_TRY(find_message(&tensor, &found, &type, TYPE_TENSOR));
  if (found) CVY_TRY(find_message(&shape, &found, &tensor, TENSOR_TYPE_SHAPE));
  if (!found) return CVY_OK;
  CVY_TRY(cvy_protobuf_message(&m, &shape));
  while (cvy_protobuf_next(&f, &m))
    if (f.number == SHAPE_DIM) CVY_TRY(read_dim(input, &f));
  return cvy_protobuf_end(&m);
}

static cvy_err make_room_in_graph(cvy_onnx_model *model, const cvy_protobuf_field *field) {
  cvy_pool *pool = model->file->pool;
  int64_t nodes, initializers, inputs, outputs;
  CVY_TRY(count_fields(&nodes, field, GRAPH_NODE));
  CVY_TRY(count_fields(&initializers, field, GRAPH_INITIALIZER));
  CVY_TRY(count_fields(&inputs, field, GRAPH_INPUT));
  CVY_TRY(count_fields(&outputs, field, GRAPH_OUTPUT));
  model->nodes = cvy_pool_new(pool, sizeof *model->nodes * (size_t)(nodes + 1));
  model->initializers = cvy_pool_new(pool, sizeof *model->initializers * (size_t)(initializers + 1));
  model->inputs = cvy_pool_new(pool, sizeof *model->inputs * (size_t)(inputs + 1));
  model->outputs = cvy_pool_new(pool, sizeof *model->outputs * (size_t)(outputs + 1));
  model->node_count = model->initializer_count = model->input_count = model->output_count = 0;
  return CVY_OK;
}

static cvy_err read_graph_field(cvy_onnx_model *model, const cvy_protobuf_field *f) {
  cvy_pool *pool = model->file->pool;
  cvy_onnx_input output;
  switch (f->number) {
  case GRAPH_NODE:
    return read_node(&model->nodes[model->node_count++], pool, f);
  case GRAPH_NAME:
    return text_of(&model->name, pool, f);
  case GRAPH_INITIALIZER:
    return read_tensor(&model->initializers[model->initializer_count++], pool, f);
  case GRAPH_INPUT:
    return read_input(&model->inputs[model->input_count++], pool, f);
  case GRAPH_OUTPUT:
    CVY_TRY(read_input(&output, pool, f));
    model->outputs[model->output_count++] = output.name;
    return CVY_OK;
  case GRAPH_SPARSE:
    return cvy_error(CVY_E_INPUT, "the graph has sparse initializers; these are not read");
  default:
    return CVY_OK;
  }
}

static cvy_err read_graph(cvy_onnx_model *model, const cvy_protobuf_field *field) {
  cvy_protobuf m;
  cvy_protobuf_field f;
  if (model->nodes) return cvy_error(CVY_E_INPUT, "the model has two graphs");
  CVY_TRY(make_room_in_graph(model, field));
  CVY_TRY(cvy_protobuf_message(&m, field));
  while (cvy_protobuf_next(&f, &m)) CVY_TRY(read_graph_field(model, &f));
  return cvy_protobuf_end(&m);
}

/* ---- metadata ---- */

static cvy_err read_constants(cvy_onnx_model *model, const char *text) {
  json_t *list = json_loads(text, 0, NULL), *name;
  size_t i;
  bool good = json_is_array(list);
  model->constants = cvy_pool_new(model->file->pool, sizeof *model->constants * (json_array_size(list) + 1));
  model->constant_count = (int64_t)json_array_size(list);
  json_array_foreach(list, i, name) {
    good = good && json_is_string(name);
    model->constants[i] = good ? cvy_pool_format(model->file->pool, "%s", json_string_value(name)) : "";
  }
  json_decref(list);
  if (good) return CVY_OK;
  return cvy_error(CVY_E_INPUT, "note '" CVY_ONNX_CONSTANTS "': expected a list of names in JSON");
}

static cvy_err read_entry(cvy_onnx_model *model, const cvy_protobuf_field *field) {
  cvy_protobuf m;
  cvy_protobuf_field f;
  const char *key = "", *text = "";
  CVY_TRY(cvy_protobuf_message(&m, field));
  while (cvy_protobuf_next(&f, &m)) {
    if (f.number == ENTRY_KEY) CVY_TRY(text_of(&key, model->file->pool, &f));
    if (f.number == ENTRY_VALUE) CVY_TRY(text_of(&text, model->file->pool, &f));
  }
  CVY_TRY(cvy_protobuf_end(&m));
  if (strcmp(key, CVY_ONNX_CONSTANTS) == 0) return read_constants(model, text);
  cvy_weights_note(model->file, key, text);
  return CVY_OK;
}

/* ---- the model ---- */

static cvy_err read_opset(cvy_onnx_model *model, const cvy_protobuf_field *field) {
  cvy_protobuf m;
  cvy_protobuf_field f;
  const char *domain = "";
  int64_t version = 1;
  CVY_TRY(cvy_protobuf_message(&m, field));
  while (cvy_protobuf_next(&f, &m)) {
    if (f.number == OPSET_DOMAIN) CVY_TRY(text_of(&domain, model->file->pool, &f));
    if (f.number == OPSET_VERSION) CVY_TRY(cvy_protobuf_integer(&version, &f));
  }
  if (!domain[0] || strcmp(domain, "ai.onnx") == 0) model->opset = version;
  return cvy_protobuf_end(&m);
}

static cvy_err read_model_field(cvy_onnx_model *model, const cvy_protobuf_field *f) {
  const char *text;
  switch (f->number) {
  case MODEL_IR:
    return cvy_protobuf_integer(&model->ir, f);
  case MODEL_PRODUCER:
    CVY_TRY(text_of(&text, model->file->pool, f));
    cvy_weights_note(model->file, "written by", text);
    return CVY_OK;
  case MODEL_GRAPH:
    return read_graph(model, f);
  case MODEL_OPSET:
    return read_opset(model, f);
  case MODEL_METADATA:
    return read_entry(model, f);
  default:
    return CVY_OK;
  }
}

cvy_err cvy_onnx_read(cvy_onnx_model *model) {
  cvy_protobuf m = cvy_protobuf_of(model->bytes, model->byte_count);
  cvy_protobuf_field f;
  while (cvy_protobuf_next(&f, &m)) CVY_TRY(read_model_field(model, &f));
  CVY_TRY(cvy_protobuf_end(&m));
  if (!model->nodes || (model->opset == 0 && model->ir >= 3))
    return cvy_error(CVY_E_INPUT, "the model has no graph, or no opset; the file is truncated or damaged");
  cvy_weights_note(model->file, "operators",
                   cvy_pool_format(model->file->pool, "opset %" PRId64, model->opset));
  return CVY_OK;
}
