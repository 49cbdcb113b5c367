/* safetensors (github.com/huggingface/safetensors): eight bytes with the length of a header, lowest first;
 * the header, an object of JSON {"conv1.weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
 * ..., "__metadata__": {"key": "text"}}; then all values, lowest byte first, in rows. Offsets count from the
 * end of the header. Tensors neither overlap nor leave holes. */
#include "file/bytes.h"
#include "formats/notes.h"
#include "formats/safetensors_write.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { LENGTH_BYTES = 8, MOST_HEADER_BYTES = 100000000 /* the format's own limit */ };

static const struct {
  const char *name;
  cvy_element element;
} types[] = {{"F32", CVY_ELEMENT_F32},   {"F64", CVY_ELEMENT_F64}, {"F16", CVY_ELEMENT_F16},
             {"BF16", CVY_ELEMENT_BF16}, {"I8", CVY_ELEMENT_I8},   {"U8", CVY_ELEMENT_U8},
             {"I16", CVY_ELEMENT_I16},   {"I32", CVY_ELEMENT_I32}, {"I64", CVY_ELEMENT_I64},
             {"BOOL", CVY_ELEMENT_BOOL}};

static uint64_t length_of(const uint8_t bytes[LENGTH_BYTES]) {
  return (uint64_t)cvy_u32_little(bytes) | (uint64_t)cvy_u32_little(bytes + 4) << 32;
}

static bool fits(const uint8_t *head, size_t count, const char *path) {
  (void)path;
  return count > LENGTH_BYTES && length_of(head) <= MOST_HEADER_BYTES && head[LENGTH_BYTES] == '{';
}

static cvy_err wrong(const cvy_weights_file *file, const char *name, const char *what) {
  return cvy_error(CVY_E_INPUT, "%s: tensor '%s': %s", file->path, name, what);
}

static cvy_err read_shape(cvy_stored_tensor *t, const cvy_weights_file *file, const json_t *shape) {
  if (!json_is_array(shape) || json_array_size(shape) > CVY_TENSOR_DIMS)
    return wrong(file, t->name, "expected a shape of at most 8 dimensions");
  t->dim_count = (int)json_array_size(shape);
  for (int i = 0; i < t->dim_count; i++) {
    const json_t *dim = json_array_get(shape, (size_t)i);
    if (!json_is_integer(dim) || json_integer_value(dim) < 0)
      return wrong(file, t->name, "expected a shape of whole numbers");
    t->dims[i] = json_integer_value(dim);
  }
  return cvy_tensor_in_rows(t, file);
}

static cvy_err read_type(cvy_stored_tensor *t, const cvy_weights_file *file, const json_t *type) {
  const char *name = json_string_value(type);
  for (int64_t i = 0; name && i < CVY_COUNT(types); i++) {
    if (strcmp(types[i].name, name) != 0) continue;
    t->element = types[i].element;
    return CVY_OK;
  }
  return cvy_error(CVY_E_INPUT, "%s: tensor '%s': numbers of type '%s' are not read", file->path, t->name,
                   name ? name : "");
}

/* Reads where the values lie: first and end, from the header's end on. */
static cvy_err read_place(int64_t place[2], const cvy_stored_tensor *t, const cvy_weights_file *file,
                          const json_t *offsets) {
  for (int i = 0; i < 2; i++) {
    const json_t *at = json_array_get(offsets, (size_t)i);
    if (json_array_size(offsets) != 2 || !json_is_integer(at) || json_integer_value(at) < 0)
      return wrong(file, t->name, "expected data_offsets of two whole numbers");
    place[i] = json_integer_value(at);
  }
  return place[0] <= place[1] ? CVY_OK : wrong(file, t->name, "its data_offsets end before they begin");
}

static cvy_err add_tensor(cvy_weights_file *file, const char *name, const json_t *about, int64_t data,
                          int64_t data_bytes) {
  cvy_stored_tensor t = {.name = cvy_pool_format(file->pool, "%s", name)};
  int64_t place[2];
  if (!json_is_object(about)) return wrong(file, name, "expected an object with dtype, shape, data_offsets");
  CVY_TRY(read_type(&t, file, json_object_get(about, "dtype")));
  CVY_TRY(read_shape(&t, file, json_object_get(about, "shape")));
  CVY_TRY(read_place(place, &t, file, json_object_get(about, "data_offsets")));
  if (place[1] > data_bytes) return wrong(file, name, "it ends behind the file, which is truncated");
  const int64_t bytes = place[1] - place[0], each = cvy_element_bytes(t.element);
  if (bytes / each != t.count || bytes % each != 0)
    return wrong(file, name, "its shape needs another number of bytes than its data_offsets give");
  t.offset = data + place[0];
  return cvy_weights_add(file, &t, t.offset, bytes);
}

static cvy_err add_notes(cvy_weights_file *file, json_t *notes) {
  const char *key;
  json_t *value;
  json_object_foreach(notes, key, value)
      cvy_weights_note(file, key, json_is_string(value) ? json_string_value(value) : "");
  return CVY_OK;
}

static int by_offset(const void *a, const void *b) {
  const cvy_stored_tensor *x = a, *y = b;
  return (x->offset > y->offset) - (x->offset < y->offset);
}

/* Sorts the tensors by place, for the header's object has no order, and checks that each begins where the one
 * before ends. */
static cvy_err check_places(cvy_weights_file *file, int64_t data, int64_t data_bytes) {
  int64_t end = data;
  if (file->tensor_count) qsort(file->tensors, (size_t)file->tensor_count, sizeof *file->tensors, by_offset);
  for (int64_t i = 0; i < file->tensor_count; i++) {
    const cvy_stored_tensor *t = &file->tensors[i];
    if (t->count == 0) continue;
    if (t->offset != end) return wrong(file, t->name, "it does not begin where the tensor before it ends");
    end += t->count * cvy_element_bytes(t->element);
  }
  if (end == data + data_bytes) return CVY_OK;
  return cvy_error(CVY_E_INPUT, "%s: behind the last tensor are %" PRId64 " bytes that belong to none",
                   file->path, data + data_bytes - end);
}

static cvy_err list(cvy_weights_file *file, json_t *header, int64_t data, int64_t data_bytes) {
  const char *name;
  json_t *about;
  if (!json_is_object(header)) return cvy_error(CVY_E_INPUT, "%s: its header is no object", file->path);
  json_object_foreach(header, name, about)
      CVY_TRY(strcmp(name, "__metadata__") == 0 ? add_notes(file, about)
                                                : add_tensor(file, name, about, data, data_bytes));
  return check_places(file, data, data_bytes);
}

static cvy_err read_header(json_t **header, cvy_weights_file *file, int64_t *data, int64_t file_bytes) {
  uint8_t length[LENGTH_BYTES];
  json_error_t why;
  CVY_TRY(cvy_read_at(length, file->fd, 0, sizeof length, file->path));
  const uint64_t bytes = length_of(length);
  if (bytes > MOST_HEADER_BYTES || (int64_t)bytes > file_bytes - LENGTH_BYTES)
    return cvy_error(CVY_E_INPUT,
                     "%s: its header would have %" PRIu64 " bytes; the file is truncated or damaged",
                     file->path, bytes);
  char *text = cvy_new(bytes + 1);
  cvy_err err = cvy_read_at(text, file->fd, LENGTH_BYTES, bytes, file->path);
  *header = err ? NULL : json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &why);
  if (!err && !*header)
    err = cvy_error(CVY_E_INPUT, "%s: its header is no JSON: byte %d: %s", file->path, why.position,
                    why.text);
  free(text);
  *data = LENGTH_BYTES + (int64_t)bytes;
  return err;
}

static cvy_err open_file(cvy_weights_file *file) {
  json_t *header = NULL;
  int64_t data;
  struct stat info;
  if (fstat(file->fd, &info)) return cvy_error(CVY_E_SYSTEM, "%s: cannot be looked at", file->path);
  cvy_err err = read_header(&header, file, &data, info.st_size);
  if (!err) err = list(file, header, data, info.st_size - data);
  json_decref(header);
  return err ? err : cvy_notes_take(file);
}

const cvy_weights_format cvy_weights_format_safetensors = {.name = "safetensors",
                                                           .about = "safetensors",
                                                           .fits = fits,
                                                           .open = open_file,
                                                           .write = cvy_safetensors_write,
                                                           .ending = ".safetensors"};
