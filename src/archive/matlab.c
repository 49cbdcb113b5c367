/* MAT-file version 5 (MathWorks, "MAT-File Format", 2023), little endian.
 *
 * A file is a header of 128 bytes (124: version 0x0100, 126: "IM") and then elements. An element is u32 type,
 * u32 bytes, and the bytes, padded to 8; or, up to 4 bytes, u16 type, u16 bytes, and the bytes in one word.
 * An element of type 15 is another one, deflated. An array (type 14) is made of elements: flags (its class in
 * the first byte), dimensions, name; then, by class, characters or numbers; or for structs (class 2) the
 * length of a field's name, the names, and an array a field of each record. */
#include "archive/matlab.h"

#include "file/bytes.h"

#include <math.h>
#include <string.h>
#include <zlib.h>

enum { HEADER_BYTES = 128, MAX_UNPACKED = 64 << 20 };
enum { INT8 = 1, UINT8, INT16, UINT16, INT32, UINT32, DOUBLE = 9, MATRIX = 14, COMPRESSED = 15, UTF8 = 16 };
enum { STRUCT_CLASS = 2, CHAR_CLASS = 4 };

typedef struct span {
  const uint8_t *p, *end;
} span;

typedef struct element {
  uint32_t type;
  span data;
} element;

typedef struct array {
  int class;
  int64_t count;
  element name;
  span rest; /* what follows the name */
} array;

/* ---- elements ---- */

static bool next_element(element *out, span *s) {
  if (s->end - s->p < 8) return false;
  uint32_t type = cvy_u32_little(s->p), bytes = cvy_u32_little(s->p + 4);
  const bool small = type >> 16;
  if (small) {
    bytes = type >> 16;
    type &= 0xffff;
  }
  const uint8_t *data = s->p + (small ? 4 : 8);
  if (bytes > (small ? 4 : (size_t)(s->end - data))) return false;
  *out = (element){type, {data, data + bytes}};
  const size_t padded = small ? 8 : type == COMPRESSED ? 8 + (size_t)bytes : 8 + ((size_t)bytes + 7) / 8 * 8;
  s->p = padded < (size_t)(s->end - s->p) ? s->p + padded : s->end;
  return true;
}

static int64_t width_of(uint32_t type) {
  switch (type) {
  case INT8:
  case UINT8:
  case UTF8:
    return 1;
  case INT16:
  case UINT16:
    return 2;
  case INT32:
  case UINT32:
    return 4;
  case DOUBLE:
    return 8;
  }
  return 0;
}

/* Returns NaN if there is no number at `i`. */
static double number_at(const element *e, int64_t i) {
  const int64_t width = width_of(e->type);
  if (width == 0 || e->data.end - e->data.p < (i + 1) * width) return NAN;
  const uint8_t *p = e->data.p + i * width;
  double value;
  switch (e->type) {
  case INT8:
    return (int8_t)p[0];
  case INT16:
    return (int16_t)(p[0] | p[1] << 8);
  case UINT16:
    return p[0] | p[1] << 8;
  case INT32:
    return (int32_t)cvy_u32_little(p);
  case UINT32:
    return cvy_u32_little(p);
  case DOUBLE:
    memcpy(&value, p, sizeof value); /* the file and this machine are little endian */
    return value;
  }
  return p[0];
}

/* ---- arrays ---- */

static bool open_array(array *out, span data) {
  element flags, sizes;
  *out = (array){.count = 1};
  if (!next_element(&flags, &data) || !next_element(&sizes, &data) || !next_element(&out->name, &data))
    return false;
  if (flags.data.end - flags.data.p < 1) return false;
  out->class = flags.data.p[0];
  for (int64_t i = 0; i < (sizes.data.end - sizes.data.p) / 4; i++) {
    const double n = number_at(&sizes, i);
    if (!(n >= 0 && n <= 1e6) || (double)out->count * n > 1e6) return false;
    out->count *= (int64_t)n;
  }
  out->rest = data;
  return true;
}

static const char *text_of(cvy_pool *pool, const element *e) {
  const int64_t width = width_of(e->type);
  if (width == 0 || width > 2) return NULL;
  const int64_t length = (e->data.end - e->data.p) / width;
  char *text = cvy_pool_new(pool, (size_t)length + 1);
  for (int64_t i = 0; i < length; i++) {
    const double code = number_at(e, i);
    text[i] = code > 0 && code < 256 ? (char)(int)code : '?';
  }
  return text;
}

static bool read_field(const char **text, double *number, cvy_pool *pool, span *s) {
  element e, content;
  array a;
  *text = NULL;
  *number = NAN;
  if (!next_element(&e, s) || e.type != MATRIX) return false;
  if (e.data.p == e.data.end) return true; /* empty */
  if (!open_array(&a, e.data)) return false;
  if (a.class == STRUCT_CLASS || a.count == 0 || !next_element(&content, &a.rest)) return true;
  if (a.class == CHAR_CLASS)
    *text = text_of(pool, &content);
  else
    *number = number_at(&content, 0);
  return true;
}

static bool read_structs(cvy_matlab_structs *out, cvy_pool *pool, array *a) {
  element length, names;
  if (!next_element(&length, &a->rest) || !next_element(&names, &a->rest)) return false;
  const double name_bytes = number_at(&length, 0);
  if (!(name_bytes >= 1 && name_bytes <= 64)) return false;
  const int64_t width = (int64_t)name_bytes;
  *out = (cvy_matlab_structs){.count = a->count, .field_count = (names.data.end - names.data.p) / width};
  if (out->field_count == 0 || out->count * out->field_count > 1000000) return false;
  out->field_names = cvy_pool_new(pool, sizeof *out->field_names * (size_t)out->field_count);
  for (int64_t i = 0; i < out->field_count; i++)
    out->field_names[i] = cvy_pool_format(pool, "%.*s", (int)width, (const char *)names.data.p + i * width);
  const int64_t fields = out->count * out->field_count;
  out->texts = cvy_pool_new(pool, sizeof *out->texts * (size_t)(fields + 1));
  out->numbers = cvy_pool_new(pool, sizeof *out->numbers * (size_t)(fields + 1));
  for (int64_t i = 0; i < fields; i++)
    if (!read_field(&out->texts[i], &out->numbers[i], pool, &a->rest)) return false;
  return true;
}

/* ---- the file ---- */

/* Returns the deflated element's content; NULL if it is damaged. The room grows until it suffices. */
static uint8_t *inflate_element(uLongf *bytes, cvy_pool *pool, span packed) {
  for (size_t room = 1 << 16; room <= MAX_UNPACKED; room *= 4) {
    uint8_t *to = cvy_pool_new(pool, room);
    *bytes = room;
    const int code = uncompress(to, bytes, packed.p, (uLong)(packed.end - packed.p));
    if (code == Z_OK) return to;
    if (code != Z_BUF_ERROR) return NULL;
  }
  return NULL;
}

static cvy_err damaged(const char *path) {
  return cvy_error(CVY_E_INPUT, "%s: damaged: its arrays do not fill their elements", path);
}

cvy_err cvy_matlab_read(cvy_matlab_structs *out, cvy_pool *pool, const void *bytes, size_t count,
                        const char *name, const char *path) {
  const uint8_t *p = bytes;
  *out = (cvy_matlab_structs){0};
  if (count < HEADER_BYTES || p[124] != 0 || p[125] != 1 || p[126] != 'I' || p[127] != 'M')
    return cvy_error(CVY_E_INPUT, "%s: no MATLAB file of version 5, little endian", path);
  span file = {p + HEADER_BYTES, p + count};
  while (file.p < file.end) {
    element e;
    array a;
    if (!next_element(&e, &file)) return damaged(path);
    if (e.type == COMPRESSED) {
      uLongf length;
      const uint8_t *whole = inflate_element(&length, pool, e.data);
      if (!whole) return damaged(path);
      span inner = {whole, whole + length};
      if (!next_element(&e, &inner)) return damaged(path);
    }
    if (e.type != MATRIX) continue;
    if (!open_array(&a, e.data)) return damaged(path);
    const size_t length = (size_t)(a.name.data.end - a.name.data.p);
    if (length != strlen(name) || memcmp(a.name.data.p, name, length) != 0) continue;
    if (a.class != STRUCT_CLASS) return cvy_error(CVY_E_INPUT, "%s: '%s' is no array of structs", path, name);
    return read_structs(out, pool, &a) ? CVY_OK : damaged(path);
  }
  return cvy_error(CVY_E_INPUT, "%s: no array '%s' in it", path, name);
}
