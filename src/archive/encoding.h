/* Texts that are not in UTF-8, such as the lists of spreadsheets. */
#ifndef CVY_ARCHIVE_ENCODING_H
#define CVY_ARCHIVE_ENCODING_H

#include "file/bytes.h"

/* Makes UTF-8 of a file's text, in place and without a mark U+FEFF. *encoding is what the user said: a name
 * that iconv knows, or "" for nothing. If a mark is in front, it decides between UTF-8, UTF-16 and UTF-32;
 * else *encoding decides, and if that is "" the text counts as UTF-8. *encoding becomes the name of what the
 * text was in. Bytes that the encoding does not have are an error "path:line: ...", which names the option
 * that says another; text that looks like UTF-16 without a mark is refused likewise. */
cvy_err cvy_text_to_utf8(cvy_bytes *text, const char **encoding, const char *path) CVY_MUST_CHECK;

/* Tells whether a text begins with a mark U+FEFF, in whatever encoding. */
bool cvy_text_has_mark(const void *bytes, size_t count);
/* Does the same by the mark alone, for texts whose encoding nobody can say. A text without a mark is left as
 * it is, whatever its letters, but a zero byte in it is an error that begins with `path`. */
cvy_err cvy_text_by_mark(cvy_bytes *text, const char *path) CVY_MUST_CHECK;

/* Returns the bytes of a text in UTF-8 as that encoding has them, in `pool`; NULL if it cannot hold them, or
 * holds them with zero bytes in between. */
const char *cvy_text_from_utf8(cvy_pool *pool, const char *text, const char *encoding);

#endif
