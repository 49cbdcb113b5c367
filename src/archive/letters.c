/* Reads hexadecimal digits and writes UTF-8. */
#include "archive/letters.h"

#include <string.h>

int64_t cvy_hexadecimal(const char *p, int digits) {
  static const char known[] = "0123456789abcdef0123456789ABCDEF";
  int64_t value = 0;
  for (int i = 0; i < digits; i++) {
    const char *found = p[i] ? strchr(known, p[i]) : NULL;
    if (!found) return -1;
    value = value * 16 + (found - known) % 16;
  }
  return value;
}

char *cvy_put_utf8(char *to, uint32_t letter) {
  static const uint8_t marks[] = {0, 0xc0, 0xe0, 0xf0};
  const int more = letter < 0x80 ? 0 : letter < 0x800 ? 1 : letter < 0x10000 ? 2 : 3;
  *to++ = (char)(marks[more] | letter >> (6 * more));
  for (int i = more - 1; i >= 0; i--) *to++ = (char)(0x80 | (letter >> (6 * i) & 0x3f));
  return to;
}
