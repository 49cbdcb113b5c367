/* Reads tables of text, field by field (RFC 4180 and its relatives). */
#include "archive/table.h"

#include <string.h>

typedef struct scan {
  cvy_pool *pool;
  const char *p, *end, *path;
  cvy_separator separator;
  char line_end; /* LF, or CR where there is no LF */
  int64_t line;
  const char **fields; /* those of one row; grows */
  int64_t capacity;
} scan;

/* ---- fields ---- */

static bool at_line_end(const scan *s) {
  return s->p == s->end || *s->p == s->line_end || (*s->p == '\r' && (s->p + 1 == s->end || s->p[1] == '\n'));
}

static bool by_blanks(const scan *s) {
  return s->separator == CVY_LAST_BLANK || s->separator == CVY_EVERY_BLANK;
}

static bool is_blank(const scan *s, char c) {
  return c == ' ' || (c == '\t' && s->separator != CVY_TAB) || (c == '\r' && s->line_end == '\n');
}

static bool divides(const scan *s, char c) {
  static const char letters[] = {[CVY_COMMA] = ',', [CVY_SEMICOLON] = ';', [CVY_TAB] = '\t'};
  return by_blanks(s) ? is_blank(s, c) : c == letters[s->separator];
}

static void skip_blanks(scan *s) {
  while (!at_line_end(s) && is_blank(s, *s->p)) s->p++;
}

static cvy_err read_quoted(const char **out, scan *s) {
  const char *begin = ++s->p;
  const int64_t line = s->line;
  for (; s->p < s->end; s->p++) {
    s->line += *s->p == s->line_end;
    if (*s->p != '"') continue;
    if (s->p + 1 == s->end || s->p[1] != '"') break;
    s->p++;
  }
  if (s->p == s->end)
    return cvy_error(CVY_E_INPUT, "%s:%" PRId64 ": a quote \" that is not closed", s->path, line);
  char *text = cvy_pool_format(s->pool, "%.*s", (int)(s->p - begin), begin), *to = text;
  for (const char *from = text; *from; from++) {
    *to++ = *from;
    from += from[0] == '"'; /* doubled */
  }
  *to = 0;
  *out = text;
  s->p++;
  if (at_line_end(s) || divides(s, *s->p)) return CVY_OK;
  skip_blanks(s);
  if (at_line_end(s) || divides(s, *s->p)) return CVY_OK;
  return cvy_error(CVY_E_INPUT, "%s:%" PRId64 ": '%c' behind a closing quote; expected the end of the field",
                   s->path, s->line, *s->p);
}

/* Moves to where the last blanks of the line begin; to the line's end if it has none. */
static void find_last_blanks(scan *s) {
  const char *blanks = NULL;
  while (!at_line_end(s)) {
    const char *begin = s->p;
    skip_blanks(s);
    if (at_line_end(s)) break; /* blanks at the end divide nothing */
    if (s->p > begin) blanks = begin;
    s->p++;
  }
  if (blanks) s->p = blanks;
}

static cvy_err read_field(const char **out, scan *s, int64_t index) {
  skip_blanks(s);
  if (s->p < s->end && *s->p == '"') return read_quoted(out, s);
  const char *begin = s->p;
  if (s->separator == CVY_LAST_BLANK && index == 0)
    find_last_blanks(s);
  else
    while (!at_line_end(s) && (s->separator == CVY_LAST_BLANK || !divides(s, *s->p))) s->p++;
  const char *end = s->p;
  while (end > begin && is_blank(s, end[-1])) end--;
  *out = cvy_pool_format(s->pool, "%.*s", (int)(end - begin), begin);
  return CVY_OK;
}

/* ---- rows ---- */

static void grow_fields(scan *s) {
  const int64_t capacity = 2 * s->capacity + 64;
  const char **more = cvy_pool_new(s->pool, sizeof *more * (size_t)capacity);
  if (s->capacity > 0) memcpy(more, s->fields, sizeof *more * (size_t)s->capacity);
  s->fields = more;
  s->capacity = capacity;
}

static void end_line(scan *s) {
  if (s->p < s->end && *s->p == '\r' && s->line_end == '\n') s->p++;
  if (s->p < s->end) s->p++;
  s->line++;
}

static cvy_err read_row(cvy_row *out, scan *s, int64_t columns) {
  *out = (cvy_row){.line = s->line};
  for (;;) {
    if (out->count == s->capacity) grow_fields(s);
    CVY_TRY(read_field(&s->fields[out->count], s, out->count));
    out->count++;
    if (by_blanks(s)) skip_blanks(s);
    if (at_line_end(s)) break;
    if (!by_blanks(s)) s->p++;
  }
  end_line(s);
  if (out->count == 1 && !s->fields[0][0]) {
    out->count = 0;
    return CVY_OK;
  }
  if (columns > 0 && out->count != columns)
    return cvy_error(CVY_E_INPUT, "%s:%" PRId64 ": %" PRId64 " field%s; the first row has %" PRId64, s->path,
                     out->line, out->count, out->count == 1 ? "" : "s", columns);
  out->fields = cvy_pool_new(s->pool, sizeof *s->fields * (size_t)out->count);
  memcpy(out->fields, s->fields, sizeof *s->fields * (size_t)out->count);
  return CVY_OK;
}

static cvy_err read_rows(cvy_table *out, scan *s, int64_t most_rows) {
  int64_t capacity = 0;
  while (s->p < s->end && out->count < most_rows) {
    cvy_row row;
    CVY_TRY(read_row(&row, s, out->count > 0 ? out->rows[0].count : 0));
    if (row.count == 0) continue;
    if (out->count == capacity) {
      capacity = 2 * capacity + 64;
      cvy_row *more = cvy_pool_new(s->pool, sizeof *more * (size_t)capacity);
      if (out->count > 0) memcpy(more, out->rows, sizeof *more * (size_t)out->count);
      out->rows = more;
    }
    out->rows[out->count++] = row;
  }
  return out->count > 0 ? CVY_OK : cvy_error(CVY_E_INPUT, "%s: no row in it", s->path);
}

cvy_err cvy_table_read(cvy_table *out, cvy_pool *pool, const void *bytes, size_t count,
                       cvy_separator separator, int64_t most_rows, const char *path) {
  const char *text = bytes ? bytes : "";
  const char *zero = count > 0 ? memchr(text, 0, count) : NULL;
  *out = (cvy_table){0};
  if (zero)
    return cvy_error(CVY_E_INPUT, "%s: no text: a zero byte at byte %" PRId64, path, (int64_t)(zero - text));
  scan s = {.pool = pool,
            .p = text,
            .end = text + count,
            .path = path,
            .separator = separator,
            .line_end = count > 0 && !memchr(text, '\n', count) ? '\r' : '\n',
            .line = 1};
  return read_rows(out, &s, most_rows);
}
