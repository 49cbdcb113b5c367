/* Tables in text: rows of fields, separated by commas, semicolons or tabs. */
#ifndef CVY_ARCHIVE_TABLE_H
#define CVY_ARCHIVE_TABLE_H

#include "base/base.h"

typedef struct cvy_row {
  int64_t line; /* counted from 1 */
  int64_t count;
  const char **fields; /* without outer blanks and quotes */
} cvy_row;

typedef struct cvy_table {
  char separator;
  cvy_row *rows; /* blank lines are left out; all have the same number of fields */
  int64_t count;
} cvy_table;

/* Reads a table (RFC 4180, and its relatives) from a file's `bytes`; all of it is in `pool`. A `separator` of
 * 0 means the one of ',', ';' and tab that is most frequent in the first line, outside quotes. A mark U+FEFF
 * in front is overlooked. Errors are a quote that is not closed and a row of another length ("path:line:
 * ..."), a zero byte and no row at all ("path: ..."). */
cvy_err cvy_table_read(cvy_table *out, cvy_pool *pool, const void *bytes, size_t count, char separator,
                       const char *path) CVY_MUST_CHECK;

#endif
