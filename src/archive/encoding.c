/* Converting texts by the C library's iconv. */
#include "archive/encoding.h"

#include <errno.h>
#include <iconv.h>
#include <string.h>
#include <strings.h>

static const char utf8[] = "UTF-8";

/* Returns the name by which iconv knows the encoding that somebody said. */
static const char *known_name(const char *said) {
  static const char *const names[][2] = {
      {"latin-1", "ISO-8859-1"}, {"latin1", "ISO-8859-1"},  {"utf8", "UTF-8"},     {"utf16", "UTF-16"},
      {"utf-16-le", "UTF-16LE"}, {"utf-16-be", "UTF-16BE"}, {"utf8-sig", "UTF-8"}, {"utf-8-sig", "UTF-8"}};
  for (int64_t i = 0; i < CVY_COUNT(names); i++)
    if (strcasecmp(said, names[i][0]) == 0) return names[i][1];
  return said;
}

/* ---- marks ---- */

/* Returns the encoding that a mark U+FEFF in front tells, and the mark's length; NULL if there is no mark. */
static const char *marked(size_t *length, const cvy_bytes *text) {
  static const struct {
    const char *bytes, *name;
    size_t length;
  } marks[] = {{"\xff\xfe\0\0", "UTF-32LE", 4},
               {"\0\0\xfe\xff", "UTF-32BE", 4},
               {"\xef\xbb\xbf", utf8, 3},
               {"\xff\xfe", "UTF-16LE", 2},
               {"\xfe\xff", "UTF-16BE", 2}};
  for (int64_t i = 0; i < CVY_COUNT(marks); i++) {
    *length = marks[i].length;
    if (text->count >= *length && memcmp(text->data, marks[i].bytes, *length) == 0) return marks[i].name;
  }
  *length = 0;
  return NULL;
}

bool cvy_text_has_mark(const void *bytes, size_t count) {
  size_t length;
  return marked(&length, &(cvy_bytes){.data = (uint8_t *)bytes, .count = count}) != NULL;
}

/* Returns the encoding of a text that looks like UTF-16 without a mark, else NULL: in UTF-16 a letter of
 * ASCII has a zero byte beside it, and always on the same side. */
static const char *unmarked_utf16(const cvy_bytes *text) {
  const size_t count = text->count < 64 ? text->count : 64;
  size_t zeros[2] = {0};
  for (size_t i = 0; i < count; i++) zeros[i % 2] += text->data[i] == 0;
  if (count < 4 || (zeros[0] > 0) == (zeros[1] > 0) || zeros[0] + zeros[1] < count / 4) return NULL;
  return zeros[1] > 0 ? "utf-16le" : "utf-16be";
}

/* ---- converting ---- */

static cvy_err bad_bytes(const char *path, const cvy_bytes *done, const uint8_t *at, const char *name) {
  int64_t line = 1;
  const bool unix_ends = done->count > 0 && memchr(done->data, '\n', done->count);
  for (size_t i = 0; i < done->count; i++) line += done->data[i] == (unix_ends ? '\n' : '\r');
  if (strcmp(name, utf8) != 0)
    return cvy_error(CVY_E_INPUT, "%s:%" PRId64 ": the byte 0x%02x is none of %s; --encoding says another",
                     path, line, *at, name);
  return cvy_error(CVY_E_INPUT,
                   "%s:%" PRId64 ": the byte 0x%02x is no UTF-8; --encoding windows-1252 reads what Western "
                   "Excel writes, and 'iconv -l' lists others",
                   path, line, *at);
}

/* Converts the bytes from `first` on into `out`, with room to spare for a zero. */
static cvy_err convert(cvy_bytes *out, const cvy_bytes *text, size_t first, iconv_t converter,
                       const char *name, const char *path) {
  char *from = text->data ? (char *)text->data + first : NULL;
  size_t left = text->count - first;
  out->count = 0;
  while (left > 0) {
    CVY_TRY(cvy_bytes_reserve(out, out->count + 2 * left + 64, path));
    char *to = (char *)out->data + out->count;
    size_t room = out->capacity - out->count - 1;
    const size_t before = room, code = iconv(converter, &from, &left, &to, &room);
    out->count += before - room;
    if (code == (size_t)-1 && errno != E2BIG) return bad_bytes(path, out, (const uint8_t *)from, name);
  }
  return CVY_OK;
}

static cvy_err converted(cvy_bytes *text, size_t first, const char *name, const char *path) {
  cvy_bytes out = {0};
  iconv_t converter = iconv_open(utf8, name);
  if (converter == (iconv_t)-1)
    return cvy_error(CVY_E_USAGE, "--encoding %s: unknown; 'iconv -l' lists what there is", name);
  const cvy_err err = convert(&out, text, first, converter, name, path);
  iconv_close(converter);
  const bool marked_inside = out.count >= 3 && memcmp(out.data, "\xef\xbb\xbf", 3) == 0;
  if (marked_inside) memmove(out.data, out.data + 3, out.count -= 3);
  if (err) {
    cvy_bytes_free(&out);
  } else {
    cvy_bytes_free(text);
    *text = out;
  }
  return err;
}

cvy_err cvy_text_to_utf8(cvy_bytes *text, const char **encoding, const char *path) {
  size_t first;
  const char *said = known_name(*encoding), *mark = marked(&first, text);
  const char *name = mark ? mark : said[0] ? said : utf8;
  const char *wide = mark || said[0] ? NULL : unmarked_utf16(text);
  if (wide)
    return cvy_error(CVY_E_INPUT, "%s: it seems to be UTF-16 without a mark in front; --encoding %s reads it",
                     path, wide);
  *encoding = name;
  return converted(text, first, name, path);
}

cvy_err cvy_text_by_mark(cvy_bytes *text, const char *path) {
  size_t first;
  const char *mark = marked(&first, text);
  if (mark) CVY_TRY(converted(text, first, mark, path));
  const uint8_t *zero = text->count > 0 ? memchr(text->data, 0, text->count) : NULL;
  if (!zero) return CVY_OK;
  return cvy_error(CVY_E_INPUT,
                   "%s: byte %" PRId64
                   " is zero, as none is in UTF-8; UTF-16 is read if its mark is in front",
                   path, (int64_t)(zero - text->data));
}

const char *cvy_text_from_utf8(cvy_pool *pool, const char *text, const char *encoding) {
  iconv_t converter = iconv_open(encoding, utf8);
  if (converter == (iconv_t)-1) return NULL;
  size_t left = strlen(text), room = 4 * left + 16;
  char *out = cvy_pool_new(pool, room), *from = cvy_pool_format(pool, "%s", text), *to = out;
  const size_t code = iconv(converter, &from, &left, &to, &room);
  iconv_close(converter);
  if (code == (size_t)-1 || left > 0 || room == 0) return NULL;
  *to = '\0';
  return strlen(out) == (size_t)(to - out) ? out : NULL;
}
