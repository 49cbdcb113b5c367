/* Texts of people: which are valid UTF-8, how the others are written, and how wide they are on a terminal.
 *
 * A name may come from anywhere: a folder in Latin-1, a tar, somebody's HDF5 file. What Convoy writes is
 * UTF-8 without control characters. Each byte that is not UTF-8, and each byte of a control character, is
 * written as an escape of four letters: a backslash, an x, two hexadecimal digits ("K\xE4se" is Käse in
 * Latin-1). A backslash stands for itself, unless an escape, or what looks like one, comes after it: there it
 * is doubled. So every text has one escaped form, of which cvy_utf8_unescape makes the same bytes again, and
 * nearly all texts are their own. */
#ifndef CVY_BASE_UTF8_H
#define CVY_BASE_UTF8_H

#include "base/base.h"

/* Returns how many bytes the first letter of `text` has; 0 at its end, and where no UTF-8 begins: an overlong
 * form, a surrogate, or a letter beyond U+10FFFF is none. */
size_t cvy_utf8_next(uint32_t *letter, const char *text);
bool cvy_utf8_valid(const char *text);

/* The escaped form of `text`, in the pool. */
char *cvy_utf8_escape(cvy_pool *pool, const char *text);
/* The bytes of which `text` is the escaped form. */
char *cvy_utf8_unescape(cvy_pool *pool, const char *text);
/* A text as people may see it: itself if it is UTF-8 without control characters, else its escaped form. This
 * is for what is shown and may be escaped already; what is kept goes through cvy_utf8_escape. */
const char *cvy_utf8_shown(cvy_pool *pool, const char *text);

/* Makes UTF-8 of `text` in another encoding, any that iconv knows ("latin-1" is ISO-8859-1). CVY_E_INPUT if
 * it knows none of this name, or if the text is not in it. */
cvy_err cvy_utf8_convert(char **out, cvy_pool *pool, const char *encoding, const char *text) CVY_MUST_CHECK;

/* How many columns of a terminal the text takes: Chinese letters take two, combining accents none, and a byte
 * that is not UTF-8 one. */
int64_t cvy_utf8_columns(const char *text);
/* How many bytes from the beginning of the text fit into so many columns, as whole letters. */
size_t cvy_utf8_fit(const char *text, int64_t columns);

#endif
