/* Texts that are not in UTF-8, such as the lists of spreadsheets. */
#ifndef CVY_ARCHIVE_ENCODING_H
#define CVY_ARCHIVE_ENCODING_H

#include "file/bytes.h"

/* Makes UTF-8 of a file's text, in place and without a mark U+FEFF. *encoding is what the user said: a name
 * that iconv knows, or "" for nothing. A mark in front decides (UTF-8, UTF-16, UTF-32), then *encoding, then
 * the text counts as UTF-8. *encoding becomes the name of what it was. Errors have the form "path:line: ...":
 * bytes that are none of this encoding, with the option that says another. */
cvy_err cvy_text_to_utf8(cvy_bytes *text, const char **encoding, const char *path) CVY_MUST_CHECK;

/* Returns the bytes of a text in UTF-8 as that encoding has them, in `pool`; NULL if it cannot hold them, or
 * holds them with zero bytes in between. */
const char *cvy_text_from_utf8(cvy_pool *pool, const char *text, const char *encoding);

#endif
