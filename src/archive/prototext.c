/* Reads and writes the text form of protocol buffers. */
#include "archive/prototext.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_DEPTH = 64 };

/* A place in the text. */
typedef struct reader {
  cvy_pool *pool;
  const char *file, *at, *end, *row; /* row: where the line begins */
  int line;
} reader;

static int column_of(const reader *r) {
  return (int)(r->at - r->row) + 1;
}

static cvy_err wrong(const reader *r, const char *expected) {
  if (r->at == r->end)
    return cvy_error(CVY_E_INPUT, "%s:%d:%d: expected %s, but the text ends", r->file, r->line, column_of(r),
                     expected);
  const unsigned char c = (unsigned char)*r->at;
  if (c < ' ' || c > '~')
    return cvy_error(CVY_E_INPUT, "%s:%d:%d: expected %s, not byte %d", r->file, r->line, column_of(r),
                     expected, c);
  return cvy_error(CVY_E_INPUT, "%s:%d:%d: expected %s, not '%c'", r->file, r->line, column_of(r), expected,
                   c);
}

/* ---- letters ---- */

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* Passes over blanks, comments and the ends of lines. */
static void skip(reader *r) {
  for (; r->at < r->end; r->at++) {
    if (*r->at == '#') {
      const char *next = memchr(r->at, '\n', (size_t)(r->end - r->at));
      r->at = next ? next : r->end;
      if (!next) return;
    }
    if (*r->at == '\n') {
      r->line++;
      r->row = r->at + 1;
    } else if (!strchr(" \t\r\f\v", *r->at) || !*r->at) {
      return;
    }
  }
}

/* Takes the next letter if it is this one. */
static bool take(reader *r, char letter) {
  skip(r);
  if (r->at == r->end || *r->at != letter) return false;
  r->at++;
  return true;
}

/* ---- texts in quotes ---- */

static int value_of_digit(char c) {
  return is_digit(c)            ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                : 99;
}

/* Reads up to `most` digits to a base. */
static char read_code(reader *r, int base, int most) {
  int code = 0;
  for (int i = 0; i < most && r->at < r->end && value_of_digit(*r->at) < base; i++)
    code = code * base + value_of_digit(*r->at++);
  return (char)code;
}

static cvy_err read_escape(char *out, reader *r) {
  static const char letters[] = "abfnrtv\\'\"?", means[] = "\a\b\f\n\r\t\v\\'\"?";
  const char *letter = r->at < r->end && *r->at ? strchr(letters, *r->at) : NULL;
  if (letter) {
    *out = means[letter - letters];
    r->at++;
    return CVY_OK;
  }
  if (r->at < r->end && (*r->at == 'x' || *r->at == 'X')) {
    r->at++;
    *out = read_code(r, 16, 2);
    return *out ? CVY_OK : wrong(r, "the number of a byte that is not 0");
  }
  *out = read_code(r, 8, 3);
  return *out ? CVY_OK : wrong(r, "an escape that is known");
}

/* Reads texts that stand behind each other, which are one. */
static cvy_err read_quoted(cvy_prototext_field *field, reader *r) {
  cvy_text_stream text;
  cvy_text_stream_begin(&text);
  cvy_err err = CVY_OK;
  for (skip(r); !err && r->at < r->end && (*r->at == '"' || *r->at == '\''); skip(r)) {
    const char quote = *r->at++;
    while (!err && r->at < r->end && *r->at != quote && *r->at != '\n' && *r->at) {
      char c = *r->at++;
      if (c == '\\') err = read_escape(&c, r);
      if (!err) fputc(c, text.out);
    }
    if (!err && !(r->at < r->end && *r->at == quote)) err = wrong(r, "the end of the quotes");
    if (!err) r->at++;
  }
  size_t bytes;
  field->text = cvy_pool_format(r->pool, "%s", cvy_text_stream_look(&text, &bytes));
  field->quoted = true;
  free(cvy_text_stream_end(&text, NULL));
  return err;
}

/* ---- fields ---- */

cvy_prototext *cvy_prototext_new(cvy_pool *pool) {
  return cvy_pool_new(pool, sizeof(cvy_prototext));
}

void cvy_prototext_add(cvy_pool *pool, cvy_prototext *to, const cvy_prototext_field *field) {
  const int64_t count = to->count;
  if ((count & (count - 1)) == 0) { /* room doubles at each power of two */
    cvy_prototext_field *more = cvy_pool_new(pool, sizeof *more * (size_t)(count ? 2 * count : 1));
    if (count) memcpy(more, to->fields, sizeof *more * (size_t)count);
    to->fields = more;
  }
  to->fields[to->count++] = *field;
}

static cvy_err read_message(cvy_prototext *message, reader *r, char end, int depth);

/* Reads a number or a word, with its sign. */
static cvy_err read_word(cvy_prototext_field *field, reader *r) {
  const char *begin = r->at;
  if (r->at < r->end && *r->at == '-') r->at++;
  while (r->at < r->end && (is_letter(*r->at) || is_digit(*r->at) || *r->at == '.' ||
                            ((*r->at == '-' || *r->at == '+') && (r->at[-1] == 'e' || r->at[-1] == 'E'))))
    r->at++;
  if (r->at == begin || (r->at == begin + 1 && *begin == '-')) return wrong(r, "a value");
  field->text = cvy_pool_format(r->pool, "%.*s", (int)(r->at - begin), begin);
  return CVY_OK;
}

static cvy_err read_value(cvy_prototext_field *field, reader *r, bool has_colon, int depth) {
  skip(r);
  const char c = r->at < r->end ? *r->at : '\0';
  if (c == '{' || c == '<') {
    if (depth == MOST_DEPTH) return wrong(r, "at most 64 messages in each other");
    cvy_prototext *message = cvy_prototext_new(r->pool);
    message->line = field->line;
    message->column = field->column;
    field->message = message;
    r->at++;
    return read_message(message, r, c == '{' ? '}' : '>', depth + 1);
  }
  if (!has_colon) return wrong(r, "':' or '{'");
  return c == '"' || c == '\'' ? read_quoted(field, r) : read_word(field, r);
}

/* Reads a field, or a list of values, which are so many fields. */
static cvy_err read_field(cvy_prototext *message, reader *r, int depth) {
  cvy_prototext_field field = {.line = r->line, .column = column_of(r)};
  const char *begin = r->at;
  if (!is_letter(*r->at)) return wrong(r, "the name of a field");
  while (r->at < r->end && (is_letter(*r->at) || is_digit(*r->at))) r->at++;
  field.name = cvy_pool_format(r->pool, "%.*s", (int)(r->at - begin), begin);
  const bool has_colon = take(r, ':'), is_list = take(r, '[');
  if (is_list && take(r, ']')) return CVY_OK;
  do {
    field.text = NULL;
    field.message = NULL;
    field.quoted = false;
    CVY_TRY(read_value(&field, r, has_colon, depth));
    cvy_prototext_add(r->pool, message, &field);
  } while (is_list && take(r, ','));
  return !is_list || take(r, ']') ? CVY_OK : wrong(r, "',' or ']'");
}

/* Reads fields up to the letter `end`, or, if that is 0, to the end of the text. */
static cvy_err read_message(cvy_prototext *message, reader *r, char end, int depth) {
  for (;;) {
    skip(r);
    if (!end && r->at == r->end) return CVY_OK;
    if (end && take(r, end)) return CVY_OK;
    if (r->at == r->end) return wrong(r, end == '}' ? "'}'" : "'>'");
    CVY_TRY(read_field(message, r, depth));
    if (!take(r, ',')) (void)take(r, ';');
  }
}

cvy_err cvy_prototext_parse(cvy_prototext **out, cvy_pool *pool, const char *text, size_t count,
                            const char *file) {
  const char *begin = count ? text : ""; /* of an empty file nothing is mapped */
  reader r = {.pool = pool, .file = file, .at = begin, .end = begin + count, .row = begin, .line = 1};
  cvy_prototext *root = cvy_prototext_new(pool);
  *out = NULL;
  CVY_TRY(read_message(root, &r, '\0', 0));
  *out = root;
  return CVY_OK;
}

const cvy_prototext_field *cvy_prototext_get(const cvy_prototext *message, const char *name) {
  for (int64_t i = message ? message->count - 1 : -1; i >= 0; i--)
    if (strcmp(message->fields[i].name, name) == 0) return &message->fields[i];
  return NULL;
}

const cvy_prototext *cvy_prototext_message(const cvy_prototext *message, const char *name) {
  const cvy_prototext_field *field = cvy_prototext_get(message, name);
  return field ? field->message : NULL;
}

/* ---- writing ---- */

void cvy_prototext_word(cvy_pool *pool, cvy_prototext *to, const char *name, const char *format, ...) {
  char text[200];
  va_list values;
  va_start(values, format);
  vsnprintf(text, sizeof text, format, values);
  va_end(values);
  const cvy_prototext_field field = {.name = name, .text = cvy_pool_format(pool, "%s", text)};
  cvy_prototext_add(pool, to, &field);
}

void cvy_prototext_quote(cvy_pool *pool, cvy_prototext *to, const char *name, const char *text) {
  const cvy_prototext_field field = {.name = name, .text = cvy_pool_format(pool, "%s", text), .quoted = true};
  cvy_prototext_add(pool, to, &field);
}

cvy_prototext *cvy_prototext_within(cvy_pool *pool, cvy_prototext *to, const char *name) {
  cvy_prototext *message = cvy_prototext_new(pool);
  cvy_prototext_add(pool, to, &(cvy_prototext_field){.name = name, .message = message});
  return message;
}

static void print_text(FILE *out, const cvy_prototext_field *field) {
  if (!field->quoted) {
    fputs(field->text, out);
    return;
  }
  fputc('"', out);
  for (const char *c = field->text; *c; c++) {
    if ((unsigned char)*c < ' ' || *c == 127)
      fprintf(out, "\\%03o", (unsigned)*c);
    else
      fprintf(out, *c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
  }
  fputc('"', out);
}

void cvy_prototext_print(FILE *out, const cvy_prototext *message, int depth) {
  for (int64_t i = 0; i < message->count; i++) {
    const cvy_prototext_field *field = &message->fields[i];
    fprintf(out, "%*s%s", 2 * depth, "", field->name);
    if (field->message) {
      fputs(" {\n", out);
      cvy_prototext_print(out, field->message, depth + 1);
      fprintf(out, "%*s}\n", 2 * depth, "");
      continue;
    }
    fputs(": ", out);
    print_text(out, field);
    fputc('\n', out);
  }
}
