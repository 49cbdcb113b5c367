/* Walking over the fields of a protocol buffer. */
#include "archive/protobuf.h"

#include <string.h>

enum { MAX_DEPTH = 64, GROUP_BEGIN = 3, GROUP_END = 4 };

/* ---- bytes ---- */

static uint64_t little_endian(const uint8_t *p, int bytes) {
  uint64_t value = 0;
  for (int i = 0; i < bytes; i++) value |= (uint64_t)p[i] << (8 * i);
  return value;
}

/* Reads a varint, and returns where it ends; NULL if it has more than ten bytes, or no end before `end`. */
static const uint8_t *read_varint(uint64_t *out, const uint8_t *at, const uint8_t *end) {
  *out = 0;
  for (int i = 0; i < 10 && at < end; i++, at++) {
    *out |= (uint64_t)(*at & 127) << (7 * i);
    if (*at < 128) return i < 9 || *at < 2 ? at + 1 : NULL;
  }
  return NULL;
}

/* ---- the walk ---- */

cvy_protobuf cvy_protobuf_of(const void *bytes, size_t count) {
  static const uint8_t none[1];
  const uint8_t *first = count > 0 ? bytes : none;
  return (cvy_protobuf){.first = first, .at = first, .end = first + count};
}

/* Ends the walk with an error at the byte `at`. */
static bool damaged(cvy_protobuf *m, const uint8_t *at, const char *what) {
  m->err = cvy_error(CVY_E_INPUT, "byte %td: %s", at - m->first, what);
  m->at = m->end;
  return false;
}

static bool read_value(cvy_protobuf_field *f, cvy_protobuf *m, const uint8_t *begin) {
  const size_t left = (size_t)(m->end - m->at);
  const size_t fixed = f->wire == CVY_WIRE_64 ? 8 : 4;
  if (f->wire == CVY_WIRE_VARINT || f->wire == CVY_WIRE_BYTES) {
    const uint8_t *after = read_varint(&f->value, m->at, m->end);
    if (!after) return damaged(m, begin, "a number without an end");
    m->at = after;
    if (f->wire == CVY_WIRE_VARINT) return true;
    if (f->value > (size_t)(m->end - after))
      return damaged(m, begin, "a field that is longer than its message");
    f->bytes = after;
    f->count = (size_t)f->value;
    m->at += f->count;
    return true;
  }
  if (left < fixed) return damaged(m, begin, "a field that is longer than its message");
  f->value = little_endian(m->at, (int)fixed);
  m->at += fixed;
  return true;
}

/* Reads what a field begins with; *wire may be a group's. */
static bool read_key(cvy_protobuf_field *f, uint32_t *wire, cvy_protobuf *m) {
  uint64_t key;
  const uint8_t *begin = m->at, *after = read_varint(&key, m->at, m->end);
  if (!after || key >> 3 == 0 || key > UINT32_MAX || (key & 7) > CVY_WIRE_32)
    return damaged(m, begin, "no field begins here");
  m->at = after;
  *wire = (uint32_t)(key & 7);
  *f = (cvy_protobuf_field){.number = (uint32_t)(key >> 3), .first = m->first, .depth = m->depth};
  return true;
}

/* Passes over what is left of a group, and of those in it. */
static bool skip_group(cvy_protobuf *m, uint32_t number, const uint8_t *begin) {
  uint32_t open[MAX_DEPTH] = {number};
  int depth = 1;
  while (depth > 0) {
    cvy_protobuf_field f;
    uint32_t wire;
    if (m->at == m->end) return damaged(m, begin, "a group without an end");
    if (!read_key(&f, &wire, m)) return false;
    if (wire == GROUP_BEGIN && depth == MAX_DEPTH) return damaged(m, begin, "too many groups in each other");
    if (wire == GROUP_BEGIN) {
      open[depth++] = f.number;
    } else if (wire == GROUP_END) {
      if (open[--depth] != f.number) return damaged(m, begin, "a group that ends as another");
    } else {
      f.wire = (cvy_wire)wire;
      if (!read_value(&f, m, begin)) return false;
    }
  }
  return true;
}

bool cvy_protobuf_next(cvy_protobuf_field *out, cvy_protobuf *m) {
  while (m->at < m->end) {
    const uint8_t *begin = m->at;
    uint32_t wire;
    if (!read_key(out, &wire, m)) return false;
    if (wire == GROUP_END) return damaged(m, begin, "the end of a group that did not begin");
    if (wire != GROUP_BEGIN) {
      out->wire = (cvy_wire)wire;
      return read_value(out, m, begin);
    }
    if (!skip_group(m, out->number, begin)) return false;
  }
  return false;
}

cvy_err cvy_protobuf_end(const cvy_protobuf *message) {
  return message->err;
}

/* ---- fields ---- */

static cvy_err is_another(const cvy_protobuf_field *f, const char *expected) {
  const char *found = f->wire == CVY_WIRE_VARINT  ? "a whole number"
                      : f->wire == CVY_WIRE_BYTES ? "text, bytes or a message"
                      : f->wire == CVY_WIRE_64    ? "eight bytes"
                                                  : "four bytes";
  return cvy_error(CVY_E_INPUT, "field %" PRIu32 " is %s; expected %s", f->number, found, expected);
}

cvy_err cvy_protobuf_integer(int64_t *out, const cvy_protobuf_field *f) {
  if (f->wire != CVY_WIRE_VARINT) return is_another(f, "a whole number");
  *out = (int64_t)f->value;
  return CVY_OK;
}

cvy_err cvy_protobuf_bytes(const cvy_protobuf_field *f) {
  return f->wire == CVY_WIRE_BYTES ? CVY_OK : is_another(f, "text or bytes");
}

cvy_err cvy_protobuf_message(cvy_protobuf *out, const cvy_protobuf_field *f) {
  if (f->wire != CVY_WIRE_BYTES) return is_another(f, "a message");
  if (f->depth + 1 == MAX_DEPTH)
    return cvy_error(CVY_E_INPUT, "byte %td: more than %d messages in each other", f->bytes - f->first,
                     MAX_DEPTH);
  *out = (cvy_protobuf){.first = f->first, .at = f->bytes, .end = f->bytes + f->count, .depth = f->depth + 1};
  return CVY_OK;
}

/* ---- repeated numbers ---- */

static cvy_err count_varints(int64_t *count, const cvy_protobuf_field *f) {
  const uint8_t *end = f->bytes + f->count;
  *count = 0;
  for (const uint8_t *at = f->bytes; at < end; (*count)++) {
    uint64_t value;
    const uint8_t *after = read_varint(&value, at, end);
    if (!after)
      return cvy_error(CVY_E_INPUT, "byte %td: field %" PRIu32 ": a number without an end", at - f->first,
                       f->number);
    at = after;
  }
  return CVY_OK;
}

cvy_err cvy_protobuf_count(int64_t *count, const cvy_protobuf_field *f, cvy_number kind) {
  static const struct {
    cvy_wire wire;
    size_t bytes;
    const char *name;
  } kinds[] = {
      {CVY_WIRE_VARINT, 0, "whole numbers"}, {CVY_WIRE_32, 4, "floats"}, {CVY_WIRE_64, 8, "doubles"}};
  *count = 1;
  if (f->wire == kinds[kind].wire) return CVY_OK;
  if (f->wire != CVY_WIRE_BYTES) return is_another(f, kinds[kind].name);
  if (kind == CVY_NUMBER_INTEGER) return count_varints(count, f);
  if (f->count % kinds[kind].bytes != 0)
    return cvy_error(CVY_E_INPUT, "byte %td: field %" PRIu32 ": %zu bytes; %s have %zu each",
                     f->bytes - f->first, f->number, f->count, kinds[kind].name, kinds[kind].bytes);
  *count = (int64_t)(f->count / kinds[kind].bytes);
  return CVY_OK;
}

void cvy_protobuf_integers(int64_t *out, const cvy_protobuf_field *f) {
  if (f->wire == CVY_WIRE_VARINT) *out = (int64_t)f->value;
  if (f->wire != CVY_WIRE_BYTES) return;
  for (const uint8_t *at = f->bytes; at < f->bytes + f->count;) {
    uint64_t value;
    at = read_varint(&value, at, f->bytes + f->count);
    CVY_CHECK(at);
    *out++ = (int64_t)value;
  }
}

static float float_of(uint64_t bits) {
  const uint32_t half = (uint32_t)bits;
  float value;
  memcpy(&value, &half, sizeof value);
  return value;
}

static double double_of(uint64_t bits) {
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

void cvy_protobuf_floats(float *out, const cvy_protobuf_field *f) {
  if (f->wire == CVY_WIRE_32) *out = float_of(f->value);
  if (f->wire != CVY_WIRE_BYTES) return;
  for (size_t i = 0; i + 4 <= f->count; i += 4) *out++ = float_of(little_endian(f->bytes + i, 4));
}

void cvy_protobuf_doubles(double *out, const cvy_protobuf_field *f) {
  if (f->wire == CVY_WIRE_64) *out = double_of(f->value);
  if (f->wire != CVY_WIRE_BYTES) return;
  for (size_t i = 0; i + 8 <= f->count; i += 8) *out++ = double_of(little_endian(f->bytes + i, 8));
}
