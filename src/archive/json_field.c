/* Walks through JSON (RFC 8259) up to one value, skipping the others. */
#include "archive/json_field.h"

#include "archive/letters.h"
#include "base/classes.h"

#include <string.h>

enum { MAX_DEPTH = 64 };

typedef struct scan {
  cvy_pool *pool;
  const char *begin, *p, *end;
  const char *path;
} scan;

static cvy_err bad(const scan *s, const char *expected) {
  return cvy_error(CVY_E_INPUT, "%s: no JSON: byte %" PRId64 ": expected %s", s->path,
                   (int64_t)(s->p - s->begin), expected);
}

static void skip_blanks(scan *s) {
  while (s->p < s->end && strchr(" \t\r\n", *s->p) && *s->p) s->p++;
}

/* Takes `letter` if it comes next. */
static bool take(scan *s, char letter) {
  skip_blanks(s);
  if (s->p == s->end || *s->p != letter) return false;
  s->p++;
  return true;
}

/* ---- strings ---- */

/* Takes four hexadecimal digits. */
static bool take_hex(uint32_t *out, scan *s) {
  const int64_t value = s->end - s->p < 4 ? -1 : cvy_hexadecimal(s->p, 4);
  if (value < 0) return false;
  *out = (uint32_t)value;
  s->p += 4;
  return true;
}

/* Reads what stands behind "\u". JSON writes a letter beyond 16 bits as two halves. Half a letter alone and
 * the letter 0 become bytes that are no UTF-8, by which two texts stay two. */
static cvy_err read_unicode(char **to, scan *s) {
  uint32_t letter;
  if (!take_hex(&letter, s)) return bad(s, "four hexadecimal digits");
  if (letter >= 0xd800 && letter < 0xdc00 && s->end - s->p >= 6 && memcmp(s->p, "\\u", 2) == 0) {
    const int64_t low = cvy_hexadecimal(s->p + 2, 4);
    if (low >= 0xdc00 && low < 0xe000) {
      letter = 0x10000 + ((letter - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
      s->p += 6;
    }
  }
  if (letter > 0) {
    *to = cvy_put_utf8(*to, letter);
    return CVY_OK;
  }
  *(*to)++ = '\xc0';
  *(*to)++ = '\x80';
  return CVY_OK;
}

static cvy_err read_string(const char **out, scan *s) {
  static const char names[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
  if (!take(s, '"')) return bad(s, "a string");
  const char *close = s->p;
  while (close < s->end && *close != '"') close += *close == '\\' ? 2 : 1;
  if (close >= s->end) return bad(s, "a string that ends");
  char *text = cvy_pool_new(s->pool, (size_t)(close - s->p) + 1), *to = text;
  while (s->p < close) {
    if ((uint8_t)*s->p < 0x20) return bad(s, "no control character in a string");
    if (*s->p != '\\') {
      *to++ = *s->p++;
      continue;
    }
    const char *name = strchr(names, s->p[1]);
    const bool unicode = s->p[1] == 'u';
    s->p += 2;
    if (unicode)
      CVY_TRY(read_unicode(&to, s));
    else if (!name || !*name)
      return bad(s, "a known letter behind \\");
    else
      *to++ = meant[name - names];
  }
  s->p++;
  *out = text;
  return CVY_OK;
}

/* ---- values ---- */

/* Reads a number or a word, as it stands there. */
static cvy_err read_plain(const char **out, scan *s) {
  const char *begin = s->p;
  while (s->p < s->end && *s->p && !strchr(",]} \t\r\n", *s->p)) s->p++;
  if (s->p == begin) return bad(s, "a value");
  *out = cvy_pool_format(s->pool, "%.*s", (int)(s->p - begin), begin);
  return CVY_OK;
}

static cvy_err skip_value(scan *s, int depth);

static cvy_err skip_members(scan *s, char close, int depth) {
  const char *key;
  if (depth > MAX_DEPTH) return bad(s, "less depth");
  if (take(s, close)) return CVY_OK;
  do {
    if (close == '}') {
      CVY_TRY(read_string(&key, s));
      if (!take(s, ':')) return bad(s, "':'");
    }
    CVY_TRY(skip_value(s, depth + 1));
  } while (take(s, ','));
  return take(s, close) ? CVY_OK : bad(s, close == '}' ? "',' or '}'" : "',' or ']'");
}

static cvy_err skip_value(scan *s, int depth) {
  const char *skipped;
  if (take(s, '{')) return skip_members(s, '}', depth);
  if (take(s, '[')) return skip_members(s, ']', depth);
  return s->p < s->end && *s->p == '"' ? read_string(&skipped, s) : read_plain(&skipped, s);
}

/* Goes through an object to the key's value, which comes next then. *found is false if it has none. */
static cvy_err find_key(bool *found, scan *s, const char *wanted, size_t length) {
  const char *key;
  *found = false;
  if (!take(s, '{')) return bad(s, "'{'");
  if (take(s, '}')) return CVY_OK;
  do {
    CVY_TRY(read_string(&key, s));
    if (!take(s, ':')) return bad(s, "':'");
    skip_blanks(s);
    *found = strlen(key) == length && memcmp(key, wanted, length) == 0;
    if (*found) return CVY_OK;
    CVY_TRY(skip_value(s, 0));
  } while (take(s, ','));
  return take(s, '}') ? CVY_OK : bad(s, "',' or '}'");
}

/* Reads an array of zeros with a single 1 among them as the place of the 1. *out stays NULL if the array is
 * another, or is of one value, which says nothing. */
static cvy_err read_one_hot(const char **out, scan *s) {
  const char *word = NULL;
  int64_t count = 0, ones = 0, place = 0, value;
  if (!take(s, '[')) return bad(s, "'['");
  do {
    skip_blanks(s);
    if (s->p == s->end || strchr("[]{\"", *s->p)) return CVY_OK;
    CVY_TRY(read_plain(&word, s));
    const bool yes = strcmp(word, "true") == 0, no = strcmp(word, "false") == 0;
    if (yes || no)
      value = yes;
    else if (!cvy_whole_number(&value, word))
      return CVY_OK;
    if (value != 0 && value != 1) return CVY_OK;
    if (value == 1) place = count;
    ones += value;
    count++;
  } while (take(s, ','));
  if (count > 1 && ones == 1 && take(s, ']')) *out = cvy_pool_format(s->pool, "%" PRId64, place);
  return CVY_OK;
}

cvy_err cvy_json_field(const char **out, cvy_pool *pool, const void *text, size_t count, const char *key,
                       const char *path) {
  const char *begin = text ? text : "";
  scan s = {.pool = pool, .begin = begin, .p = begin, .end = begin + count, .path = path};
  bool found;
  *out = NULL;
  for (;; key = strchr(key, '.') + 1) {
    const char *dot = strchr(key, '.');
    CVY_TRY(find_key(&found, &s, key, dot ? (size_t)(dot - key) : strlen(key)));
    if (!found) return CVY_OK;
    if (!dot) break;
    if (s.p == s.end || *s.p != '{') return CVY_OK;
  }
  if (s.p < s.end && *s.p == '"') return read_string(out, &s);
  if (s.p < s.end && *s.p == '[') return read_one_hot(out, &s);
  if (s.p < s.end && *s.p == '{') return CVY_OK;
  CVY_TRY(read_plain(out, &s));
  if (strcmp(*out, "null") == 0) *out = NULL;
  return CVY_OK;
}
