/* Tables in text: rows of fields, separated by commas, semicolons, tabs or blanks. */
#ifndef CVY_ARCHIVE_TABLE_H
#define CVY_ARCHIVE_TABLE_H

#include "base/base.h"

typedef enum cvy_separator {
  CVY_COMMA,
  CVY_SEMICOLON,
  CVY_TAB,
  CVY_LAST_BLANK, /* two fields: the last blanks or tabs of a row divide, so the first may hold blanks */
  CVY_EVERY_BLANK /* any number of blanks and tabs is one separator */
} cvy_separator;

typedef struct cvy_row {
  int64_t line; /* counted from 1 */
  int64_t count;
  const char **fields; /* without outer blanks and quotes */
} cvy_row;

typedef struct cvy_table {
  cvy_row *rows; /* blank lines are left out; all have the same number of fields */
  int64_t count;
} cvy_table;

/* Reads a table (RFC 4180, and its relatives) from a file's `bytes`, which are UTF-8, up to `most_rows` rows;
 * all of it is in `pool`. Lines end with LF, CR LF, or where there is no LF with CR. Errors have the form
 * "path:line: ...": a quote that is not closed, a row of another length, a zero byte, no row. */
cvy_err cvy_table_read(cvy_table *out, cvy_pool *pool, const void *bytes, size_t count,
                       cvy_separator separator, int64_t most_rows, const char *path) CVY_MUST_CHECK;

#endif
