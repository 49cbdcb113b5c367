/* Texts of people: whether they are UTF-8, how they are written if not, and how wide they are on a terminal.
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

/* Gives the first letter of `text`, and returns how many bytes it has. It returns 0 at the end of the text,
 * and where it is not UTF-8: an overlong form, a surrogate, or a letter beyond U+10FFFF is not. */
size_t cvy_utf8_next(uint32_t *letter, const char *text);
/* Tells whether the text is UTF-8. */
bool cvy_utf8_valid(const char *text);
/* Tells whether the text is UTF-8 without control characters. */
bool cvy_utf8_is_clean(const char *text);

enum { CVY_UTF8_ESCAPE = 4 }; /* letters of \xE4 */
/* Returns how many bytes at the beginning of the text have to be escaped: 1 if the first is not UTF-8, those
 * of a control character, or else 0. */
size_t cvy_utf8_bytes_to_escape(const char *text);

/* Returns the escaped form of `text`, in the pool. */
char *cvy_utf8_escape(cvy_pool *pool, const char *text);
/* Returns the bytes of which `text` is the escaped form, in the pool. */
char *cvy_utf8_unescape(cvy_pool *pool, const char *text);
/* Returns a text as people may see it. What is not UTF-8 is escaped, and so are control characters, but
 * backslashes are left alone, so that a text which is escaped already stays as it is. This is for messages
 * and tables; names that are kept go through cvy_utf8_escape. */
const char *cvy_utf8_shown(cvy_pool *pool, const char *text);
/* Writes a text as people may see it into a buffer of `room` bytes, at least one. A letter or escape that
 * does not fit is cut off with all behind it. Returns the length. */
size_t cvy_utf8_show_in(char *out, size_t room, const char *text);

/* Makes UTF-8 of `text` in another encoding, any that iconv knows ("latin-1" is ISO-8859-1). It fails with
 * CVY_E_INPUT if iconv knows none of this name, or if the text is not in it. */
cvy_err cvy_utf8_convert(char **out, cvy_pool *pool, const char *encoding, const char *text) CVY_MUST_CHECK;

/* Returns a name as it is kept. If `text` is not UTF-8 but can be in `encoding` (NULL or "": none), it is
 * converted. Then it is escaped, which leaves nearly all names as they are. The result is `text` itself, or
 * lies in the pool. */
const char *cvy_utf8_name(cvy_pool *pool, const char *text, const char *encoding);
/* Tells whether a name from cvy_utf8_name has escapes for bytes that were not UTF-8. */
bool cvy_utf8_was_other(const char *name);

/* A thread is in a locale of UTF-8 between these two calls: the C library and others take its texts for
 * UTF-8. The first returns the locale that the thread had before. */
typedef struct cvy_locale cvy_locale;
cvy_locale *cvy_utf8_enter(void);
void cvy_utf8_leave(cvy_locale *before);

/* Returns how many columns of a terminal the text takes: Chinese letters take two, combining accents none,
 * and a byte that is not UTF-8 one. */
int64_t cvy_utf8_columns(const char *text);
/* Returns the field width by which printf's "%-*s" fills `columns` columns with this text. */
int cvy_utf8_pad(const char *text, int columns);
/* Returns how many bytes from the beginning of the text fit into `columns` columns, as whole letters. */
size_t cvy_utf8_fit(const char *text, int64_t columns);

#endif
