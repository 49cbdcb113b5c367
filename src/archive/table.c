/* Reads tables of text, field by field (RFC 4180 and its relatives). */
#include "archive/table.h"

#include <string.h>

typedef struct scan {
  cvy_pool *pool;
  const char *p, *end, *path;
  char separator;
  int64_t line;
} scan;

/* ---- the separator ---- */

static char frequent_separator(const char *p, const char *end) {
  static const char known[] = {'\t', ';', ','};
  int64_t counts[3] = {0};
  bool quoted = false;
  while (p < end && (*p == '\n' || *p == '\r')) p++;
  for (; p < end && (quoted || *p != '\n'); p++) {
    quoted ^= *p == '"';
    for (int i = 0; i < 3; i++) counts[i] += !quoted && *p == known[i];
  }
  int best = 0;
  for (int i = 1; i < 3; i++)
    if (counts[i] > counts[best]) best = i;
  return counts[best] > 0 ? known[best] : 0;
}

/* ---- fields ---- */

static bool at_line_end(const scan *s) {
  return s->p == s->end || *s->p == '\n' || (*s->p == '\r' && (s->p + 1 == s->end || s->p[1] == '\n'));
}

static bool is_blank(const scan *s, char c) {
  return (c == ' ' || c == '\t') && c != s->separator;
}

static cvy_err read_quoted(const char **out, scan *s) {
  const char *begin = ++s->p;
  const int64_t line = s->line;
  for (; s->p < s->end; s->p++) {
    s->line += *s->p == '\n';
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
  while (s->p < s->end && is_blank(s, *s->p)) s->p++;
  if (!at_line_end(s) && *s->p != s->separator)
    return cvy_error(CVY_E_INPUT,
                     "%s:%" PRId64 ": '%c' behind a closing quote; expected the end of the field", s->path,
                     s->line, *s->p);
  return CVY_OK;
}

static cvy_err read_field(const char **out, scan *s) {
  while (s->p < s->end && is_blank(s, *s->p)) s->p++;
  if (s->p < s->end && *s->p == '"') return read_quoted(out, s);
  const char *begin = s->p;
  while (!at_line_end(s) && *s->p != s->separator) s->p++;
  const char *end = s->p;
  while (end > begin && is_blank(s, end[-1])) end--;
  *out = cvy_pool_format(s->pool, "%.*s", (int)(end - begin), begin);
  return CVY_OK;
}

/* ---- rows ---- */

/* The first row's length is not known before; 64 columns are more than any list of pictures has. */
static cvy_err read_row(cvy_row *out, scan *s, int64_t columns) {
  enum { MAX_COLUMNS = 64 };
  const char *fields[MAX_COLUMNS];
  *out = (cvy_row){.line = s->line};
  for (;; s->p++) {
    if (out->count == MAX_COLUMNS)
      return cvy_error(CVY_E_INPUT, "%s:%" PRId64 ": more than %d columns", s->path, out->line, MAX_COLUMNS);
    CVY_TRY(read_field(&fields[out->count++], s));
    if (at_line_end(s)) break;
  }
  if (s->p < s->end && *s->p == '\r') s->p++;
  if (s->p < s->end) s->p++;
  s->line++;
  if (out->count == 1 && !fields[0][0]) {
    out->count = 0;
    return CVY_OK;
  }
  if (columns > 0 && out->count != columns)
    return cvy_error(CVY_E_INPUT, "%s:%" PRId64 ": %" PRId64 " field%s; the first row has %" PRId64, s->path,
                     out->line, out->count, out->count == 1 ? "" : "s", columns);
  out->fields = cvy_pool_new(s->pool, sizeof *fields * (size_t)out->count);
  memcpy(out->fields, fields, sizeof *fields * (size_t)out->count);
  return CVY_OK;
}

static cvy_err read_rows(cvy_table *out, scan *s) {
  int64_t capacity = 0;
  while (s->p < s->end) {
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

cvy_err cvy_table_read(cvy_table *out, cvy_pool *pool, const void *bytes, size_t count, char separator,
                       const char *path) {
  const char *text = bytes ? bytes : "";
  if (count >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
    text += 3;
    count -= 3;
  }
  const char *zero = count > 0 ? memchr(text, 0, count) : NULL;
  *out = (cvy_table){0};
  if (zero)
    return cvy_error(CVY_E_INPUT, "%s: no text: a zero byte at byte %" PRId64, path, (int64_t)(zero - text));
  out->separator = separator ? separator : frequent_separator(text, text + count);
  scan s = {pool, text, text + count, path, out->separator, 1};
  return read_rows(out, &s);
}
