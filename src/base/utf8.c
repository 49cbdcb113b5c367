/* UTF-8: what is valid, the reversible escapes for what is not, and the columns that a text takes. */
#define _XOPEN_SOURCE 700 /* wcwidth */
#include "base/utf8.h"

#include <ctype.h>
#include <errno.h>
#include <iconv.h>
#include <locale.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <wchar.h>

/* ---- letters ---- */

/* How many bytes a letter has that begins with this one; 0 if none does. */
static size_t length_after(unsigned char first) {
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

size_t cvy_utf8_next(uint32_t *letter, const char *text) {
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  const unsigned char *bytes = (const unsigned char *)text;
  const size_t length = bytes[0] ? length_after(bytes[0]) : 0;
  if (length == 0) return 0;
  uint32_t value = length == 1 ? bytes[0] : bytes[0] & (0x7fu >> length);
  for (size_t i = 1; i < length; i++) {
    if ((bytes[i] & 0xc0) != 0x80) return 0; /* also at the end of the text */
    value = value << 6 | (bytes[i] & 0x3f);
  }
  if (value < least[length] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) return 0;
  *letter = value;
  return length;
}

bool cvy_utf8_valid(const char *text) {
  uint32_t letter;
  for (size_t length; *text; text += length)
    if (!(length = cvy_utf8_next(&letter, text))) return false;
  return true;
}

/* Controls of ASCII and Latin-1, ends of lines and paragraphs, marks that turn the direction of writing. */
static bool is_control(uint32_t letter) {
  return letter < 0x20 || (letter >= 0x7f && letter < 0xa0) || (letter >= 0x2028 && letter <= 0x202e) ||
         (letter >= 0x2066 && letter <= 0x2069);
}

/* ---- escapes ---- */

enum { ESCAPE_LENGTH = 4 }; /* \xE4 */

/* The byte that is written as "xE4" here, behind a backslash; 0 if none is. */
static unsigned escaped_byte(const char *text) {
  unsigned byte = 0;
  if (text[0] != 'x' || !isxdigit((unsigned char)text[1]) || !isxdigit((unsigned char)text[2])) return 0;
  sscanf(text + 1, "%2x", &byte);
  return byte;
}

/* How many bytes from here have to be escaped: one that is not UTF-8, or a whole control character. */
static size_t bytes_to_escape(const char *text) {
  uint32_t letter;
  const size_t length = cvy_utf8_next(&letter, text);
  if (length == 0) return *text ? 1 : 0;
  return is_control(letter) ? length : 0;
}

static char *append(char *out, const char *bytes, size_t count) {
  memcpy(out, bytes, count);
  return out + count;
}

char *cvy_utf8_escape(cvy_pool *pool, const char *text) {
  char *escaped = cvy_pool_new(pool, ESCAPE_LENGTH * strlen(text) + 1), *out = escaped;
  while (*text) {
    const size_t slashes = strspn(text, "\\");
    const char *after = text + slashes;
    const size_t to_escape = bytes_to_escape(after);
    out = append(out, text, slashes);
    if (to_escape || escaped_byte(after)) out = append(out, text, slashes);
    for (size_t i = 0; i < to_escape; i++) out += sprintf(out, "\\x%02X", (unsigned char)after[i]);
    text = after + to_escape;
    if (to_escape || !*text) continue;
    uint32_t letter;
    const size_t length = cvy_utf8_next(&letter, text);
    out = append(out, text, length);
    text += length;
  }
  return escaped;
}

char *cvy_utf8_unescape(cvy_pool *pool, const char *text) {
  char *bytes = cvy_pool_new(pool, strlen(text) + 1), *out = bytes;
  while (*text) {
    const size_t slashes = strspn(text, "\\");
    const char *after = text + slashes;
    const unsigned byte = slashes ? escaped_byte(after) : 0;
    out = append(out, text, byte ? slashes / 2 : slashes);
    text = after;
    if (byte && slashes % 2) {
      *out++ = (char)byte;
      text += ESCAPE_LENGTH - 1;
    } else if (*text)
      *out++ = *text++;
  }
  return bytes;
}

const char *cvy_utf8_shown(cvy_pool *pool, const char *text) {
  uint32_t letter;
  const char *at = text;
  for (size_t length; *at; at += length)
    if (!(length = cvy_utf8_next(&letter, at)) || is_control(letter)) return cvy_utf8_escape(pool, text);
  return text;
}

/* ---- other encodings ---- */

cvy_err cvy_utf8_convert(char **out, cvy_pool *pool, const char *encoding, const char *text) {
  enum { MOST_BYTES_OF_A_LETTER = 4 };
  const char *name = strcasecmp(encoding, "latin-1") == 0 ? "ISO-8859-1" : encoding;
  size_t left = strlen(text), room = MOST_BYTES_OF_A_LETTER * left;
  char *from = (char *)(uintptr_t)text, *to = cvy_pool_new(pool, room + 1), *converted = to;
  *out = NULL;
  const iconv_t conversion = iconv_open("UTF-8", name);
  if ((intptr_t)conversion == -1)
    return cvy_error(CVY_E_INPUT,
                     "no encoding '%s' is known (latin-1, cp1252, utf-8 are, as all of `iconv -l`)",
                     encoding);
  const bool good = iconv(conversion, &from, &left, &to, &room) != (size_t)-1 && left == 0 &&
                    iconv(conversion, NULL, NULL, &to, &room) != (size_t)-1;
  iconv_close(conversion);
  if (!good || !cvy_utf8_valid(converted))
    return cvy_error(CVY_E_INPUT, "'%s' is not in %s", cvy_utf8_shown(pool, text), encoding);
  *out = converted;
  return CVY_OK;
}

/* ---- columns ---- */

/* Widths are the C library's; it knows them only where a locale of UTF-8 is used. */
static locale_t letters;
static pthread_once_t letters_once = PTHREAD_ONCE_INIT;

static void open_letters(void) {
  letters = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
  if (!letters) letters = newlocale(LC_CTYPE_MASK, "en_US.UTF-8", (locale_t)0);
}

static int64_t columns_of(uint32_t letter) {
  if (letter < 0x7f) return letter >= 0x20;
  pthread_once(&letters_once, open_letters);
  if (!letters) return 1;
  const locale_t before = uselocale(letters);
  const int width = wcwidth((wchar_t)letter);
  uselocale(before);
  return width < 0 ? !is_control(letter) : width;
}

size_t cvy_utf8_fit(const char *text, int64_t columns) {
  const char *at = text;
  while (*at) {
    uint32_t letter;
    const size_t length = cvy_utf8_next(&letter, at);
    columns -= length ? columns_of(letter) : 1;
    if (columns < 0) break;
    at += length ? length : 1;
  }
  return (size_t)(at - text);
}

int64_t cvy_utf8_columns(const char *text) {
  int64_t columns = 0;
  while (*text) {
    uint32_t letter;
    const size_t length = cvy_utf8_next(&letter, text);
    columns += length ? columns_of(letter) : 1;
    text += length ? length : 1;
  }
  return columns;
}
