/* Names as they are written: escaped, so that their bytes can be had back, or made of other encodings. */
#include "base/utf8.h"

#include <ctype.h>
#include <iconv.h>
#include <string.h>
#include <strings.h>

/* ---- escapes ---- */

/* Returns the byte that "xE4" at the beginning of the text stands for, behind a backslash; 0 if it is
 * none. */
static unsigned escaped_byte(const char *text) {
  unsigned byte = 0;
  if (text[0] != 'x' || !isxdigit((unsigned char)text[1]) || !isxdigit((unsigned char)text[2])) return 0;
  sscanf(text + 1, "%2x", &byte);
  return byte;
}

static char *append(char *out, const char *bytes, size_t count) {
  memcpy(out, bytes, count);
  return out + count;
}

char *cvy_utf8_escape(cvy_pool *pool, const char *text) {
  char *escaped = cvy_pool_new(pool, CVY_UTF8_ESCAPE * strlen(text) + 1), *out = escaped;
  while (*text) {
    const size_t slashes = strspn(text, "\\");
    const char *after = text + slashes;
    const size_t to_escape = cvy_utf8_bytes_to_escape(after);
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
      text += CVY_UTF8_ESCAPE - 1;
    } else if (*text)
      *out++ = *text++;
  }
  return bytes;
}

const char *cvy_utf8_shown(cvy_pool *pool, const char *text) {
  if (cvy_utf8_is_clean(text)) return text;
  const size_t room = CVY_UTF8_ESCAPE * strlen(text) + 1;
  char *shown = cvy_pool_new(pool, room);
  cvy_utf8_show_in(shown, room, text);
  return shown;
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

const char *cvy_utf8_name(cvy_pool *pool, const char *text, const char *encoding) {
  char *converted = NULL;
  if (!strchr(text, '\\') && cvy_utf8_is_clean(text)) return text;
  if (encoding && encoding[0] && !cvy_utf8_valid(text) &&
      cvy_utf8_convert(&converted, pool, encoding, text) == CVY_OK)
    text = converted;
  return cvy_utf8_escape(pool, text);
}

bool cvy_utf8_was_other(const char *name) {
  if (!strchr(name, '\\')) return false;
  cvy_pool *pool = cvy_pool_create();
  const bool other = !cvy_utf8_valid(cvy_utf8_unescape(pool, name));
  cvy_pool_destroy(pool);
  return other;
}
