/* Wraps lines at words, and tables at columns. */
#include "base/fit.h"

#include "base/terminal.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

/* ---- the ends of a line ---- */

static size_t line_bytes(const char *line) {
  return strcspn(line, "\n");
}

static const char *next_line(const char *line) {
  line += line_bytes(line);
  return *line ? line + 1 : line;
}

/* Returns the bytes of the first letter of `text`, and gives its columns. */
static size_t letter(int64_t *columns, const char *text) {
  uint32_t value;
  char one[8];
  size_t bytes = cvy_utf8_next(&value, text);
  if (bytes == 0) bytes = 1;
  memcpy(one, text, bytes);
  one[bytes] = '\0';
  *columns = cvy_utf8_columns(one);
  return bytes;
}

static int64_t width_of(const char *text, size_t bytes) {
  int64_t sum = 0, columns;
  for (size_t i = 0; i < bytes; i += letter(&columns, text + i), sum += columns) continue;
  return sum;
}

static int64_t widest(const char *text) {
  int64_t most = 0;
  for (const char *line = text; *line; line = next_line(line)) {
    const int64_t width = width_of(line, line_bytes(line));
    if (width > most) most = width;
  }
  return most;
}

/* ---- words ---- */

static size_t without_blanks_behind(const char *text, size_t bytes) {
  while (bytes > 0 && text[bytes - 1] == ' ') bytes--;
  return bytes;
}

/* Writes words in lines. The first line has `used` columns already, and the others begin with `hang`
 * blanks. */
static void write_words(FILE *out, const char *text, size_t bytes, int64_t used, int64_t hang,
                        int64_t columns) {
  const char *end = text + bytes;
  bool begins = true;
  while (text < end) {
    const size_t blanks = strspn(text, " ");
    const size_t word = strcspn(text + blanks, " \n");
    const int64_t width = width_of(text + blanks, word);
    if (!begins && used + (int64_t)blanks + width > columns) {
      used = hang + width <= columns ? hang : width < columns ? columns - width : 0; /* a long word */
      fprintf(out, "\n%*s", (int)used, "");
    } else {
      fprintf(out, "%*s", (int)blanks, "");
      used += (int64_t)blanks;
    }
    fwrite(text + blanks, 1, word, out);
    used += width;
    text += blanks + word;
    begins = false;
  }
}

/* Returns where a line goes on: beneath what follows its first gap of two blanks, or four further in. */
static int64_t hang_of(const char *line, size_t bytes, int64_t columns) {
  const size_t indent = strspn(line, " ");
  for (size_t i = indent; i + 2 < bytes; i++)
    if (line[i] == ' ' && line[i + 1] == ' ' && line[i + 2] != ' ') {
      const int64_t beneath = width_of(line, i + 2);
      if (beneath <= columns / 2) return beneath;
    }
  return (int64_t)indent + 4 < columns / 2 ? (int64_t)indent + 4 : 0;
}

void cvy_fit_lines_into(FILE *out, const char *text, int64_t columns) {
  for (const char *line = text; *line; line = next_line(line)) {
    const size_t bytes = line_bytes(line);
    if (columns == 0 || width_of(line, bytes) <= columns)
      fwrite(line, 1, bytes, out);
    else
      write_words(out, line, without_blanks_behind(line, bytes), 0, hang_of(line, bytes, columns), columns);
    fputc('\n', out);
  }
}

/* ---- tables ---- */

typedef struct table {
  FILE *out;
  const char *text;
  int64_t columns;
  int64_t *starts; /* [count + 1] where columns begin, and the width */
  int64_t *ends;   /* [count + 1] where their letters end */
  int64_t count;
} table;

/* Marks where some line has a letter. */
static void find_filled(bool *filled, const table *t) {
  for (const char *line = t->text; *line; line = next_line(line)) {
    const size_t bytes = line_bytes(line);
    int64_t at = 0, columns;
    for (size_t i = 0; i < bytes; at += columns) {
      const bool blank = line[i] == ' ';
      i += letter(&columns, line + i);
      for (int64_t k = 0; k < columns && !blank; k++) filled[at + k] = true;
    }
  }
}

/* Finds the columns. A column begins where a letter stands in some line, and every line has a blank before
 * it. Blanks in front belong to the first column. */
static void find_columns(table *t, int64_t width) {
  bool *filled = cvy_new((size_t)width + 1);
  find_filled(filled, t);
  t->starts = cvy_new(sizeof *t->starts * (size_t)(width + 2));
  t->ends = cvy_new(sizeof *t->ends * (size_t)(width + 2));
  for (int64_t c = 0; c < width; c++) {
    if (!filled[c]) continue;
    if (c == 0 || !filled[c - 1]) {
      t->starts[t->count] = t->count > 0 ? c : 0;
      t->count++;
    }
    t->ends[t->count - 1] = c + 1;
  }
  t->starts[t->count] = width;
  free(filled);
}

/* Returns how many bytes of a line lie before a column. Accents stay with the letters before them. */
static size_t bytes_before(const char *line, size_t bytes, int64_t column) {
  int64_t at = 0, columns;
  size_t i = 0, length;
  for (; column > 0 && i < bytes; i += length, at += columns) {
    length = letter(&columns, line + i);
    if (at >= column && columns > 0) break;
  }
  return i;
}

/* Gives the part of a line between two columns, without blanks at its end, and returns its bytes. */
static size_t slice(const char **out, const char *line, int64_t from, int64_t to) {
  const size_t bytes = line_bytes(line), begin = bytes_before(line, bytes, from);
  *out = line + begin;
  return without_blanks_behind(*out, bytes_before(line, bytes, to) - begin);
}

/* Writes the first column and those from `first` to before `end`. */
static void write_block(const table *t, int64_t key, int64_t first, int64_t end) {
  for (const char *line = t->text; *line; line = next_line(line)) {
    const char *name, *rest;
    const size_t name_bytes = slice(&name, line, 0, key),
                 rest_bytes = slice(&rest, line, t->starts[first], t->starts[end]);
    fwrite(name, 1, name_bytes, t->out);
    if (rest_bytes > 0) {
      fprintf(t->out, "%*s", (int)(key - width_of(name, name_bytes)), "");
      write_words(t->out, rest, rest_bytes, key, key, t->columns);
    }
    fputc('\n', t->out);
  }
}

void cvy_fit_table_into(FILE *out, const char *text, int64_t columns) {
  const int64_t width = widest(text);
  table t = {.out = out, .text = text, .columns = columns};
  if (columns == 0 || width <= columns) {
    fputs(text, out);
    return;
  }
  find_columns(&t, width);
  const bool has_key = t.count > 2 && t.starts[1] <= columns / 2;
  const int64_t key = has_key ? t.starts[1] : 0;
  if (t.count == 0) fputs(text, out); /* nothing but blanks */
  for (int64_t first = has_key, end; first < t.count; first = end) {
    for (end = first + 1; end < t.count && key + t.ends[end] - t.starts[first] <= columns;) end++;
    if (first > has_key) fputc('\n', out);
    write_block(&t, key, first, end);
  }
  free(t.starts);
  free(t.ends);
}

/* ---- to a terminal ---- */

FILE *cvy_fit_begin(cvy_fitted *f, FILE *to) {
  *f = (cvy_fitted){.out = to, .to = to};
  if (cvy_terminal_columns(to) > 0) {
    cvy_text_stream_begin(&f->held);
    f->out = f->held.out;
  }
  return f->out;
}

static void end(cvy_fitted *f, void (*fit)(FILE *out, const char *text, int64_t columns)) {
  if (f->out == f->to) return;
  char *text = cvy_text_stream_end(&f->held, NULL);
  fit(f->to, text, cvy_terminal_columns(f->to));
  free(text);
}

void cvy_fit_table(cvy_fitted *f) {
  end(f, cvy_fit_table_into);
}

void cvy_fit_lines(cvy_fitted *f) {
  end(f, cvy_fit_lines_into);
}
