/* UTF-8: what is valid, what of a text people may see, and the columns that it takes. */
#define _XOPEN_SOURCE 700 /* wcwidth */
#include "base/utf8.h"

#include "base/thread.h"

#include <locale.h>
#include <string.h>
#include <wchar.h>

/* ---- letters ---- */

/* Returns how many bytes a letter has that begins with this one; 0 if none does. */
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

/* Tells whether a letter is a control of ASCII or Latin-1, an end of a line or paragraph, or a mark that
 * turns the direction of writing. */
static bool is_control(uint32_t letter) {
  return letter < 0x20 || (letter >= 0x7f && letter < 0xa0) || (letter >= 0x2028 && letter <= 0x202e) ||
         (letter >= 0x2066 && letter <= 0x2069);
}

/* ---- escapes ---- */

size_t cvy_utf8_bytes_to_escape(const char *text) {
  uint32_t letter;
  const size_t length = cvy_utf8_next(&letter, text);
  if (length == 0) return *text ? 1 : 0;
  return is_control(letter) ? length : 0;
}

bool cvy_utf8_is_clean(const char *text) {
  uint32_t letter;
  for (size_t length; *text; text += length)
    if (!(length = cvy_utf8_next(&letter, text)) || is_control(letter)) return false;
  return true;
}

size_t cvy_utf8_show_in(char *out, size_t room, const char *text) {
  size_t used = 0;
  while (*text) {
    uint32_t letter;
    const size_t to_escape = cvy_utf8_bytes_to_escape(text);
    const size_t length = to_escape ? to_escape : cvy_utf8_next(&letter, text);
    const size_t needed = to_escape ? CVY_UTF8_ESCAPE * to_escape : length;
    if (used + needed >= room) break;
    if (!to_escape) memcpy(out + used, text, length);
    for (size_t i = 0; i < to_escape; i++)
      sprintf(out + used + CVY_UTF8_ESCAPE * i, "\\x%02X", (unsigned char)text[i]);
    used += needed;
    text += length;
  }
  out[used] = '\0';
  return used;
}

/* ---- the locale ---- */

static locale_t letters;
static pthread_once_t letters_once = PTHREAD_ONCE_INIT;

static void open_letters(void) {
  letters = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
  if (!letters) letters = newlocale(LC_CTYPE_MASK, "en_US.UTF-8", (locale_t)0);
}

/* Where no locale of UTF-8 is installed, uselocale(0) leaves the thread where it is. */
cvy_locale *cvy_utf8_enter(void) {
  pthread_once(&letters_once, open_letters);
  return (cvy_locale *)uselocale(letters);
}

void cvy_utf8_leave(cvy_locale *before) {
  uselocale((locale_t)before);
}

/* ---- columns ---- */

/* Returns the columns of a letter as the C library knows them, which it does only in a locale of UTF-8. */
static int64_t columns_of(uint32_t letter) {
  if (letter < 0x7f) return letter >= 0x20;
  cvy_locale *before = cvy_utf8_enter();
  const int width = letters ? wcwidth((wchar_t)letter) : 1;
  cvy_utf8_leave(before);
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

int cvy_utf8_pad(const char *text, int columns) {
  return columns + (int)strlen(text) - (int)cvy_utf8_columns(text);
}
