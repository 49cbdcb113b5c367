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
/* Whether the text is UTF-8 without control characters. */
bool cvy_utf8_is_clean(const char *text);

enum { CVY_UTF8_ESCAPE = 4 }; /* letters of \xE4 */
/* How many bytes at the beginning of the text have to be escaped: one that is not UTF-8, or a whole control
 * character; else 0. */
size_t cvy_utf8_bytes_to_escape(const char *text);

/* The escaped form of `text`, in the pool. */
char *cvy_utf8_escape(cvy_pool *pool, const char *text);
/* The bytes of which `text` is the escaped form. */
char *cvy_utf8_unescape(cvy_pool *pool, const char *text);
/* A text as people may see it: what is not UTF-8, and control characters, are escaped, but backslashes are
 * left alone. So a text that is escaped already stays as it is. This is for messages, tables and JSON; names
 * that are kept go through cvy_utf8_escape. */
const char *cvy_utf8_shown(cvy_pool *pool, const char *text);
/* The same in a buffer, at least one byte; what does not fit whole is cut off. Returns its length. */
size_t cvy_utf8_show_in(char *out, size_t room, const char *text);

/* Makes UTF-8 of `text` in another encoding, any that iconv knows ("latin-1" is ISO-8859-1). CVY_E_INPUT if
 * it knows none of this name, or if the text is not in it. */
cvy_err cvy_utf8_convert(char **out, cvy_pool *pool, const char *encoding, const char *text) CVY_MUST_CHECK;

/* How a name is written. A text that is not UTF-8 is read as `encoding` says, if it is not NULL or "" and the
 * text can be in it. The result is escaped, which changes hardly any; it is `text`, or lies in the pool. */
const char *cvy_utf8_name(cvy_pool *pool, const char *text, const char *encoding);
/* Whether a name that was written so was not UTF-8, but is escaped now. */
bool cvy_utf8_was_other(const char *name);

/* While a thread is in the locale of UTF-8, the C library and others take its texts for that. */
typedef struct cvy_locale cvy_locale;
cvy_locale *cvy_utf8_enter(void); /* returns where it was */
void cvy_utf8_leave(cvy_locale *before);

/* How many columns of a terminal the text takes: Chinese letters take two, combining accents none, and a byte
 * that is not UTF-8 one. */
int64_t cvy_utf8_columns(const char *text);
/* The field width by which printf's "%-*s" fills so many columns with this text. */
int cvy_utf8_pad(const char *text, int columns);
/* How many bytes from the beginning of the text fit into so many columns, as whole letters. */
size_t cvy_utf8_fit(const char *text, int64_t columns);

#endif
