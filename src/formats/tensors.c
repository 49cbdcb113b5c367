/* Tensors in a file of weights: what lies within the file, and their values as float32. */
#include "base/count.h"
#include "base/text.h"
#include "file/bytes.h"
#include "formats/formats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct {
  const char *name;
  int64_t bytes;
} elements[] = {
    [CVY_ELEMENT_F32] = {"float32", 4}, [CVY_ELEMENT_F64] = {"float64", 8},
    [CVY_ELEMENT_F16] = {"float16", 2}, [CVY_ELEMENT_BF16] = {"bfloat16", 2},
    [CVY_ELEMENT_I8] = {"int8", 1},     [CVY_ELEMENT_U8] = {"uint8", 1},
    [CVY_ELEMENT_I16] = {"int16", 2},   [CVY_ELEMENT_I32] = {"int32", 4},
    [CVY_ELEMENT_I64] = {"int64", 8},   [CVY_ELEMENT_BOOL] = {"bool", 1},
};

const char *cvy_element_name(cvy_element element) {
  return elements[element].name;
}

int64_t cvy_element_bytes(cvy_element element) {
  return elements[element].bytes;
}

/* ---- listing ---- */

cvy_err cvy_tensor_in_rows(cvy_stored_tensor *tensor, const cvy_weights_file *file) {
  int64_t count = 1;
  for (int i = tensor->dim_count - 1; i >= 0; i--) {
    tensor->strides[i] = count;
    if (tensor->dims[i] < 0 || __builtin_mul_overflow(count, tensor->dims[i], &count))
      return cvy_error(CVY_E_INPUT, "%s: tensor '%s': its shape is no shape, or beyond 64 bits", file->path,
                       tensor->name);
  }
  tensor->count = count;
  return CVY_OK;
}

/* Finds how many elements lie from the first to the last one, both included. */
static bool find_span(int64_t *span, const cvy_stored_tensor *tensor) {
  *span = 1;
  for (int i = 0; i < tensor->dim_count; i++) {
    int64_t way;
    if (tensor->strides[i] < 0 || __builtin_mul_overflow(tensor->dims[i] - 1, tensor->strides[i], &way) ||
        __builtin_add_overflow(*span, way, span))
      return false;
  }
  return true;
}

static void grow(cvy_pool *pool, void **items, int64_t count, size_t item_bytes) {
  if (count & (count - 1)) return; /* room doubles at each power of two */
  void *more = cvy_pool_new(pool, item_bytes * (size_t)(count ? 2 * count : 1));
  if (count) memcpy(more, *items, item_bytes * (size_t)count);
  *items = more;
}

static void append(cvy_weights_file *file, const cvy_stored_tensor *tensor) {
  void *tensors = file->tensors;
  grow(file->pool, &tensors, file->tensor_count, sizeof *file->tensors);
  file->tensors = tensors;
  file->tensors[file->tensor_count++] = *tensor;
}

cvy_err cvy_weights_add(cvy_weights_file *file, const cvy_stored_tensor *tensor, int64_t begin,
                        int64_t bytes) {
  const int64_t each = cvy_element_bytes(tensor->element), most = bytes / each;
  int64_t span;
  CVY_CHECK(tensor->dim_count >= 0 && tensor->dim_count <= CVY_TENSOR_DIMS);
  if (tensor->count > most)
    return cvy_error(CVY_E_INPUT,
                     "%s: tensor '%s' has %" PRId64 " numbers of %s, and the file at most %" PRId64 " for it",
                     file->path, tensor->name, tensor->count, cvy_element_name(tensor->element), most);
  const bool fits = tensor->count == 0 || (tensor->offset >= begin && find_span(&span, tensor) &&
                                           span <= most && tensor->offset - begin <= (most - span) * each);
  if (!fits)
    return cvy_error(CVY_E_INPUT, "%s: tensor '%s' reaches beyond what the file has for it", file->path,
                     tensor->name);
  append(file, tensor);
  return CVY_OK;
}

cvy_err cvy_weights_add_repeated(cvy_weights_file *file, const cvy_stored_tensor *tensor) {
  for (int i = 0; i < tensor->dim_count; i++) CVY_CHECK(tensor->strides[i] == 0);
  append(file, tensor);
  return CVY_OK;
}

void cvy_weights_note(cvy_weights_file *file, const char *key, const char *text) {
  void *notes = file->notes;
  grow(file->pool, &notes, file->note_count, sizeof *file->notes);
  file->notes = notes;
  file->notes[file->note_count++] = (cvy_stored_text){cvy_pool_format(file->pool, "%s", key),
                                                      cvy_pool_format(file->pool, "%s", text)};
}

/* ---- numbers ---- */

static uint64_t bits_at(const uint8_t *p, int64_t bytes, bool big_endian) {
  uint64_t bits = 0;
  for (int64_t i = 0; i < bytes; i++) bits |= (uint64_t)p[i] << (8 * (big_endian ? bytes - 1 - i : i));
  return bits;
}

static float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* IEEE 754's binary16 has 5 bits of exponent and 10 of fraction. */
static float half_of(uint32_t bits) {
  const uint32_t exponent = bits >> 10 & 31, fraction = bits & 1023, sign = (bits & 0x8000) << 16;
  if (exponent == 31) return float_of(sign | 0x7f800000 | fraction << 13);
  const float size = exponent ? ldexpf((float)(fraction | 1024), (int)exponent - 25)
                              : ldexpf((float)fraction, -24);
  return sign ? -size : size;
}

static float number_of(uint64_t bits, cvy_element element) {
  double wide;
  switch (element) {
  case CVY_ELEMENT_F32:
    return float_of((uint32_t)bits);
  case CVY_ELEMENT_F64:
    memcpy(&wide, &bits, sizeof wide);
    return (float)wide;
  case CVY_ELEMENT_F16:
    return half_of((uint32_t)bits);
  case CVY_ELEMENT_BF16:
    return float_of((uint32_t)bits << 16);
  case CVY_ELEMENT_I8:
    return (float)(int8_t)bits;
  case CVY_ELEMENT_U8:
    return (float)(uint8_t)bits;
  case CVY_ELEMENT_I16:
    return (float)(int16_t)bits;
  case CVY_ELEMENT_I32:
    return (float)(int32_t)bits;
  case CVY_ELEMENT_I64:
    return (float)(int64_t)bits;
  case CVY_ELEMENT_BOOL:
    return bits ? 1 : 0;
  }
  return NAN;
}

static void gather(float *out, const cvy_stored_tensor *t, const uint8_t *bytes, bool big_endian) {
  const int64_t each = cvy_element_bytes(t->element);
  int64_t index[CVY_TENSOR_DIMS] = {0}, at = 0;
  for (int64_t i = 0; i < t->count; i++) {
    out[i] = number_of(bits_at(bytes + at * each, each, big_endian), t->element);
    for (int k = t->dim_count - 1; k >= 0; k--) {
      at += t->strides[k];
      if (++index[k] < t->dims[k]) break;
      at -= t->dims[k] * t->strides[k];
      index[k] = 0;
    }
  }
}

cvy_err cvy_weights_read(float *out, const cvy_weights_file *file, int64_t index) {
  CVY_CHECK(index >= 0 && index < file->tensor_count);
  const cvy_stored_tensor *t = &file->tensors[index];
  int64_t span;
  if (t->count == 0) return CVY_OK;
  CVY_CHECK(find_span(&span, t));
  const size_t bytes = (size_t)(span * cvy_element_bytes(t->element));
  void *stored;
  CVY_TRY(cvy_buffer_create(&stored, bytes, "a tensor"));
  const cvy_err err = cvy_read_at(stored, file->fd, t->offset, bytes, file->path);
  if (!err) gather(out, t, stored, file->big_endian);
  if (!err && t->factor != 0 && t->factor != 1)
    for (int64_t i = 0; i < t->count; i++) out[i] = (float)(out[i] * t->factor);
  cvy_buffer_destroy(stored);
  return err;
}
