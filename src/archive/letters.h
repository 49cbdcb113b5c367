/* Letters as several formats spell them: by hexadecimal digits, and in UTF-8. */
#ifndef CVY_ARCHIVE_LETTERS_H
#define CVY_ARCHIVE_LETTERS_H

#include <stdint.h>

/* Returns the number that `digits` hexadecimal digits from `p` on spell; -1 if anything else stands among
 * them. It reads no further than that, so a zero behind the text is end enough. */
int64_t cvy_hexadecimal(const char *p, int digits);
/* Writes a letter below U+110000 in UTF-8, one to four bytes, and returns where they end. */
char *cvy_put_utf8(char *to, uint32_t letter);

#endif
