/* NumPy's arrays in pickles. NumPy writes an array in one of two ways:
 *
 *   numpy.core.multiarray _reconstruct (...), with the state (version, shape, dtype, fortran, bytes)
 *   numpy.core.numeric _frombuffer (bytes, dtype, shape, order), in protocol 5
 *
 * and a single number as numpy.core.multiarray scalar (dtype, bytes), where newer versions say numpy._core. A
 * dtype is numpy dtype ("u1", ...), its state has the byte order. */
#include "archive/pickle.h"

#include <string.h>

static cvy_err no_array(const char *path, const char *what) {
  return cvy_error(CVY_E_INPUT, "%s: no array of NumPy: %s", path, what);
}

/* Tells whether the value is a call of the function `rest` of NumPy's core, under its old name or its new
 * one. */
static bool calls(const cvy_pickle *value, const char *rest) {
  static const char *const modules[] = {"numpy.core.", "numpy._core."};
  if (value->type != CVY_PICKLE_CALL || value->called->type != CVY_PICKLE_NAME) return false;
  for (int64_t i = 0; i < CVY_COUNT(modules); i++) {
    const size_t length = strlen(modules[i]), rest_length = strlen(rest);
    if (value->called->byte_count == length + rest_length &&
        memcmp(value->called->bytes, modules[i], length) == 0 &&
        memcmp(value->called->bytes + length, rest, rest_length) == 0)
      return true;
  }
  return false;
}

/* ---- dtype, shape, bytes ---- */

static cvy_err read_dtype(cvy_pickle_array *out, const cvy_pickle *dtype, const char *path) {
  static const char *const names[] = {"u1", "i1", "b1", "u2", "i2", "f2", "u4",
                                      "i4", "f4", "u8", "i8", "f8", NULL};
  if (dtype->type != CVY_PICKLE_CALL || !cvy_pickle_is(dtype->called, "numpy dtype") ||
      dtype->arguments->count < 1)
    return no_array(path, "its dtype is none");
  const char *name = NULL;
  for (int64_t i = 0; names[i]; i++)
    if (cvy_pickle_is(dtype->arguments->items[0], names[i])) name = names[i];
  if (!name) return no_array(path, "its elements are neither whole numbers nor floats");
  out->kind = name[0];
  out->item_size = name[1] - '0';
  const cvy_pickle *state = dtype->state;
  out->big_endian = state && state->type == CVY_PICKLE_TUPLE && state->count > 1 &&
                    cvy_pickle_is(state->items[1], ">");
  return CVY_OK;
}

static cvy_err check_bytes(const cvy_pickle_array *array, uint64_t needed, const char *path) {
  if (needed == array->byte_count) return CVY_OK;
  return cvy_error(CVY_E_INPUT, "%s: an array with %zu bytes; its shape needs %" PRIu64, path,
                   array->byte_count, needed);
}

/* Reads the shape, and checks that `byte_count` bytes fill it. */
static cvy_err read_shape(cvy_pickle_array *out, const cvy_pickle *shape, const char *path) {
  uint64_t bytes = (uint64_t)out->item_size;
  const int64_t most = CVY_COUNT(out->dims);
  if (shape->type != CVY_PICKLE_TUPLE || shape->count > most) return no_array(path, "its shape is none");
  out->rank = shape->count;
  for (int64_t i = 0; i < out->rank; i++) {
    const cvy_pickle *dim = shape->items[i];
    if (dim->type != CVY_PICKLE_INT || dim->whole < 0) return no_array(path, "its shape is none");
    out->dims[i] = dim->whole;
    if (__builtin_mul_overflow(bytes, (uint64_t)dim->whole, &bytes))
      return no_array(path, "its shape is none");
  }
  return check_bytes(out, bytes, path);
}

static cvy_err read_content(cvy_pickle_array *out, const cvy_pickle *bytes, const char *path) {
  if (bytes->type != CVY_PICKLE_BYTES) return no_array(path, "its content is no bytes");
  out->data = bytes->bytes;
  out->byte_count = bytes->byte_count;
  return CVY_OK;
}

/* ---- for others ---- */

cvy_err cvy_pickle_to_array(cvy_pickle_array *out, const cvy_pickle *value, const char *path) {
  *out = (cvy_pickle_array){0};
  const cvy_pickle *s = value->state;
  if (calls(value, "multiarray scalar") && value->arguments->count == 2) {
    CVY_TRY(read_dtype(out, value->arguments->items[0], path));
    CVY_TRY(read_content(out, value->arguments->items[1], path));
    return check_bytes(out, (uint64_t)out->item_size, path);
  }
  if (calls(value, "multiarray _reconstruct")) {
    if (!s || s->type != CVY_PICKLE_TUPLE || s->count != 5) return no_array(path, "its state is none");
    CVY_TRY(read_dtype(out, s->items[2], path));
    CVY_TRY(read_content(out, s->items[4], path));
    out->fortran = s->items[3]->whole == 1;
    return read_shape(out, s->items[1], path);
  }
  if (!calls(value, "numeric _frombuffer") || value->arguments->count != 4)
    return no_array(path, "something else stands in its place");
  cvy_pickle *const *a = value->arguments->items;
  CVY_TRY(read_dtype(out, a[1], path));
  CVY_TRY(read_content(out, a[0], path));
  out->fortran = cvy_pickle_is(a[3], "F");
  return read_shape(out, a[2], path);
}

int64_t cvy_pickle_integer_at(const cvy_pickle_array *array, int64_t index) {
  const uint8_t *item = array->data + index * array->item_size;
  const int last = (int)array->item_size - 1;
  uint64_t value = array->kind == 'i' && item[array->big_endian ? 0 : last] >> 7 ? UINT64_MAX : 0;
  for (int i = 0; i <= last; i++) value = value << 8 | item[array->big_endian ? i : last - i];
  return (int64_t)value;
}
