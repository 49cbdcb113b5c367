/* Writes protocol buffers for the tests, and what lies around them in files of records. */
#ifndef CVY_TESTS_PROTOBUFS_H
#define CVY_TESTS_PROTOBUFS_H

#include "sets.h"

static inline void put_bytes(maker *m, const void *bytes, size_t count) {
  memcpy(m->bytes + m->count, bytes, count);
  m->count += count;
}

static inline void put_varint(maker *m, uint64_t value) {
  for (; value > 127; value >>= 7) put(m, (int)(value & 127) | 128);
  put(m, (int)value);
}

static inline void put_key(maker *m, uint32_t number, int wire) {
  put_varint(m, (uint64_t)number << 3 | (uint64_t)wire);
}

static inline void put_integer(maker *m, uint32_t number, int64_t value) {
  put_key(m, number, 0);
  put_varint(m, (uint64_t)value);
}

static inline void put_field(maker *m, uint32_t number, const void *bytes, size_t count) {
  put_key(m, number, 2);
  put_varint(m, count);
  put_bytes(m, bytes, count);
}

static inline void put_float(maker *m, uint32_t number, float value) {
  put_key(m, number, 5);
  put_bytes(m, &value, sizeof value);
}

/* Writes a Datum of samples: channel k at (y, x) is first + 50 k + 10 y + x. */
static inline void make_datum(maker *m, int label, int h, int w, int c, int first) {
  uint8_t data[1024];
  int n = 0;
  for (int k = 0; k < c; k++)
    for (int y = 0; y < h; y++)
      for (int x = 0; x < w; x++) data[n++] = (uint8_t)(first + 50 * k + 10 * y + x);
  m->count = 0;
  put_integer(m, 1, c);
  put_integer(m, 2, h);
  put_integer(m, 3, w);
  put_field(m, 4, data, (size_t)n);
  put_integer(m, 5, label);
}

/* Writes a Datum with a PNG file of one colour. */
static inline void make_encoded_datum(maker *m, int label, int h, int w) {
  const file_bytes png = make_picture(false, h, w, (const uint8_t[3]){200, 100, 50});
  m->count = 0;
  put_field(m, 4, png.bytes, png.count);
  put_integer(m, 5, label);
  put_integer(m, 7, 1);
  free(png.bytes);
}

/* ---- TFRecord ---- */

static inline uint32_t crc32c(const uint8_t *bytes, size_t count) {
  uint32_t crc = UINT32_MAX;
  for (size_t i = 0; i < count; i++) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc;
}

static inline void put_masked(maker *m, const uint8_t *bytes, size_t count) {
  const uint32_t crc = crc32c(bytes, count);
  put_u32(m, (crc >> 15 | crc << 17) + 0xa282ead8, false);
}

static inline void put_record(maker *m, const maker *value) {
  const size_t head = m->count;
  put_u32(m, (uint32_t)value->count, false);
  put_u32(m, 0, false);
  put_masked(m, m->bytes + head, 8);
  put_bytes(m, value->bytes, value->count);
  put_masked(m, value->bytes, value->count);
}

/* Appends a feature to the features of an Example: kind 1 bytes, 2 floats, 3 integers. */
static inline void put_feature(maker *features, const char *name, int kind, const void *value, size_t count) {
  static maker list, feature, entry;
  list.count = feature.count = entry.count = 0;
  put_field(&list, 1, value, count); /* bytes, or packed numbers */
  put_field(&feature, (uint32_t)kind, list.bytes, list.count);
  put_field(&entry, 1, name, strlen(name));
  put_field(&entry, 2, feature.bytes, feature.count);
  put_field(features, 1, entry.bytes, entry.count);
}

static inline void put_number_feature(maker *features, const char *name, int64_t value) {
  maker *digits = calloc(1, sizeof *digits);
  put_varint(digits, (uint64_t)value);
  put_feature(features, name, 3, digits->bytes, digits->count);
  free(digits);
}

static inline void put_text_feature(maker *features, const char *name, const char *text) {
  put_feature(features, name, 1, text, strlen(text));
}

/* Makes an Example of its features. */
static inline void make_example(maker *m, const maker *features) {
  m->count = 0;
  put_field(m, 1, features->bytes, features->count);
}

/* ---- RecordIO ---- */

static inline void put_part(maker *m, int kind, const void *bytes, size_t count) {
  put_u32(m, 0xced7230a, false);
  put_u32(m, (uint32_t)kind << 29 | (uint32_t)count, false);
  put_bytes(m, bytes, count);
  while (m->count % 4) put(m, 0);
}

static inline void make_rec_value(maker *m, uint32_t flag, float label, const float *labels,
                                  const void *picture, size_t count) {
  m->count = 0;
  put_u32(m, flag, false);
  put_bytes(m, &label, sizeof label);
  for (int i = 0; i < 4; i++) put_u32(m, i == 0 ? 7 : 0, false);
  for (uint32_t i = 0; i < flag; i++) put_bytes(m, &labels[i], sizeof labels[i]);
  put_bytes(m, picture, count);
}

#endif
