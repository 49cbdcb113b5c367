/* Reads tables in which a row is a picture: a label, and a whole number from 0 to 255 for each sample.
 * Kaggle's digit-recognizer and copies of MNIST are written so.
 *
 *   label,pixel0,...,pixel783      with a header, the label in any column
 *   7,0,0,...                      without one, the label first or last
 *
 * Samples are rows from the top; of three colours either those of a pixel side by side, or one plane behind
 * the other. */
#include "archive/encoding.h"
#include "base/classes.h"
#include "datasets/reader.h"
#include "file/bytes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PLANES = 2, TRIED_ROWS = 1000 };

typedef struct config {
  const char *label_column, *shape, *encoding;
  int layout;
} config;

/* A cursor is a place in the text. */
typedef struct cursor {
  const char *p, *end;
  char separator;
  int64_t line;
} cursor;

typedef struct state {
  cvy_pool *pool;
  const char *path;
  cvy_bytes text, samples;
  int64_t columns, label_column;
  int64_t stored_h, stored_w, c;
  bool planes;
  int64_t count, capacity;
  const char **labels;
  int64_t *lines; /* of the labels */
  int32_t *classes;
  int64_t h, w;
  bool borrows; /* all but what follows belongs to the source that this one came of */
  cvy_image stored, scaled;
  char name[4352];
} state;

/* ---- fields ---- */

static bool at_line_end(const cursor *at) {
  return at->p == at->end || *at->p == '\n' || *at->p == '\r';
}

static bool is_blank(const cursor *at, char c) {
  return c == ' ' || (c == '\t' && at->separator != '\t');
}

/* Finds the next field of the line, without blanks and quotes around, and moves behind its separator. Returns
 * false at the line's end. */
static bool next_field(const char **begin, size_t *length, cursor *at) {
  while (!at_line_end(at) && is_blank(at, *at->p)) at->p++;
  if (at_line_end(at)) return false;
  const bool quoted = *at->p == '"';
  at->p += quoted;
  *begin = at->p;
  while (!at_line_end(at) && (quoted ? *at->p != '"' : *at->p != at->separator)) at->p++;
  const char *end = at->p;
  at->p += quoted && !at_line_end(at);
  while (end > *begin && is_blank(at, end[-1])) end--;
  *length = (size_t)(end - *begin);
  while (!at_line_end(at) && is_blank(at, *at->p) && at->separator != ' ') at->p++;
  at->p += !at_line_end(at) && *at->p == at->separator;
  return true;
}

static void end_line(cursor *at) {
  while (!at_line_end(at)) at->p++;
  if (at->p < at->end && at->p[0] == '\r' && at->p + 1 < at->end && at->p[1] == '\n') at->p++;
  if (at->p < at->end) at->p++;
  at->line++;
}

/* Moves to the next line that is not blank; returns false if there is none. */
static bool find_line(cursor *at) {
  for (; at->p < at->end; end_line(at)) {
    while (!at_line_end(at) && is_blank(at, *at->p)) at->p++;
    if (!at_line_end(at)) return true;
  }
  return false;
}

static char most_frequent(cursor at) {
  static const char known[] = {',', ';', '\t'};
  int64_t counts[3] = {0};
  for (; !at_line_end(&at); at.p++)
    for (int k = 0; k < 3; k++) counts[k] += *at.p == known[k];
  int best = 0;
  for (int k = 1; k < 3; k++)
    if (counts[k] > counts[best]) best = k;
  return counts[best] > 0 ? known[best] : ' ';
}

/* ---- numbers ---- */

/* Reads a whole number from 0 to 255, also as "12.0"; returns -1 if the field is none. */
static int sample_of(const char *p, size_t length) {
  char text[33];
  int value = 0;
  int64_t whole;
  size_t i = 0;
  for (; i < length && i < 4 && p[i] >= '0' && p[i] <= '9'; i++) value = value * 10 + (p[i] - '0');
  if (i == length && i > 0) return value <= 255 ? value : -1;
  if (length >= sizeof text) return -1;
  memcpy(text, p, length);
  text[length] = '\0';
  if (!cvy_whole_number(&whole, text)) return -1;
  return whole >= 0 && whole <= 255 ? (int)whole : -1;
}

static bool is_number(cvy_pool *pool, const char *p, size_t length) {
  char *end;
  const char *text = cvy_pool_format(pool, "%.*s", (int)length, p);
  strtod(text, &end);
  return end > text && !*end;
}

/* ---- columns ---- */

static int64_t count_fields(cursor at) {
  const char *p;
  size_t length;
  int64_t count = 0;
  while (next_field(&p, &length, &at)) count++;
  return count;
}

static bool is_header(cvy_pool *pool, cursor at) {
  const char *p;
  size_t length;
  while (next_field(&p, &length, &at))
    if (!is_number(pool, p, length)) return true;
  return false;
}

/* Returns the column that a header's word names; -1 if none is called so. */
static int64_t column_called(cursor at, const char *word) {
  const char *p;
  size_t length;
  for (int64_t i = 0; next_field(&p, &length, &at); i++)
    if (length == strlen(word) && strncasecmp(p, word, length) == 0) return i;
  return -1;
}

static cvy_err column_said(state *s, const cursor *first, bool header, const char *said) {
  char *end;
  s->label_column = header ? column_called(*first, said) : -1;
  if (s->label_column >= 0) return CVY_OK;
  const long number = strtol(said, &end, 10);
  if (end == said || *end || number < 1 || number > s->columns)
    return cvy_error(CVY_E_USAGE,
                     "--label-column %s: %s:%" PRId64 " has %" PRId64 " columns and none of that name", said,
                     s->path, first->line, s->columns);
  s->label_column = number - 1;
  return CVY_OK;
}

/* Tells whether a column's text differs between some of the first rows. */
static bool varies(cursor at, int64_t column) {
  const char *first = NULL, *p = NULL;
  size_t first_length = 0, length = 0;
  for (int row = 0; row < TRIED_ROWS && find_line(&at); row++, end_line(&at)) {
    bool there = true;
    for (int64_t i = 0; i <= column && there; i++) there = next_field(&p, &length, &at);
    if (!there) return false;
    if (!first) {
      first = p;
      first_length = length;
    }
    if (length != first_length || memcmp(p, first, length) != 0) return true;
  }
  return false;
}

/* Finds the label's column: the one that the user or the header names, else the first or the last, whichever
 * varies. If the label is first, the last column is a picture's corner, which hardly ever varies; and the
 * other way about. */
static cvy_err find_label_column(state *s, const cursor *first, bool header, const config *c) {
  static const char *const words[] = {"label", "class", "category", "target", "labels", "digit", "y"};
  if (c->label_column[0]) return column_said(s, first, header, c->label_column);
  s->label_column = -1;
  for (int64_t i = 0; header && i < CVY_COUNT(words) && s->label_column < 0; i++)
    s->label_column = column_called(*first, words[i]);
  const bool first_varies = !header && varies(*first, 0),
             last_varies = !header && varies(*first, s->columns - 1);
  if (first_varies != last_varies) s->label_column = first_varies ? 0 : s->columns - 1;
  if (s->label_column >= 0) return CVY_OK;
  return cvy_error(CVY_E_INPUT,
                   "%s:%" PRId64 ": %" PRId64
                   " columns, and nothing tells which has the labels; --label-column "
                   "says it, by %s number from 1 on",
                   s->path, first->line, s->columns, header ? "the header's word or a" : "a");
}

/* ---- shape ---- */

static cvy_err bad_shape(const state *s, int64_t samples, const char *what) {
  return cvy_error(CVY_E_INPUT, "%s: %" PRId64 " numbers a row beside the label: %s", s->path, samples, what);
}

static cvy_err read_shape(state *s, const char *said, int64_t samples) {
  long long w, h, c = 1;
  char rest;
  const bool colour = sscanf(said, "%lldx%lldx%lld%c", &w, &h, &c, &rest) == 3;
  if (!colour) c = 1;
  if ((!colour && sscanf(said, "%lldx%lld%c", &w, &h, &rest) != 2) || w < 1 || h < 1 || w > 65536 ||
      h > 65536 || (c != 1 && c != 3))
    return cvy_error(CVY_E_USAGE, "--shape %s: expected WIDTHxHEIGHT, or WIDTHxHEIGHTx3", said);
  s->stored_w = w;
  s->stored_h = h;
  s->c = c;
  if (w * h * c != samples) return bad_shape(s, samples, "--shape does not fit");
  return CVY_OK;
}

static cvy_err find_shape(state *s, const config *c) {
  const int64_t samples = s->columns - 1, side = (int64_t)sqrt((double)samples + 0.5),
                colour_side = (int64_t)sqrt((double)samples / 3 + 0.1);
  s->planes = c->layout == PLANES;
  if (c->shape[0]) {
    CVY_TRY(read_shape(s, c->shape, samples));
  } else if (samples > 0 && side * side == samples) {
    s->stored_h = s->stored_w = side;
    s->c = 1;
  } else if (samples > 0 && 3 * colour_side * colour_side == samples) {
    s->stored_h = s->stored_w = colour_side;
    s->c = 3;
  } else {
    return bad_shape(s, samples, "no square, grey or in colour; --shape WIDTHxHEIGHT says what they are");
  }
  if (s->c == 3 && c->layout == 0)
    return bad_shape(s, samples,
                     "pictures in colour; --layout pixels says that the three of a pixel stand side by side, "
                     "--layout planes that all red ones come first");
  return CVY_OK;
}

/* ---- rows ---- */

static void grow(state *s) {
  s->capacity = 2 * s->capacity + 1024;
  const char **more = cvy_pool_new(s->pool, sizeof *more * (size_t)s->capacity);
  if (s->count > 0) memcpy(more, s->labels, sizeof *more * (size_t)s->count);
  s->labels = more;
  int64_t *lines = cvy_pool_new(s->pool, sizeof *lines * (size_t)s->capacity);
  if (s->count > 0) memcpy(lines, s->lines, sizeof *lines * (size_t)s->count);
  s->lines = lines;
}

static cvy_err add_sample(state *s, const cursor *at, int64_t column, const char *p, size_t length) {
  const int sample = sample_of(p, length);
  if (sample < 0)
    return cvy_error(CVY_E_INPUT,
                     "%s:%" PRId64 ": column %" PRId64 ": '%.*s' is no whole number from 0 to 255", s->path,
                     at->line, column + 1, (int)(length < 40 ? length : 40), p);
  s->samples.data[s->samples.count++] = (uint8_t)sample;
  return CVY_OK;
}

static cvy_err read_row(state *s, cursor *at) {
  const char *p;
  size_t length;
  int64_t column = 0;
  const int64_t fields = count_fields(*at);
  if (fields != s->columns)
    return cvy_error(CVY_E_INPUT, "%s:%" PRId64 ": %" PRId64 " fields; the first row has %" PRId64, s->path,
                     at->line, fields, s->columns);
  const size_t needed = s->samples.count + (size_t)s->columns;
  if (s->count == s->capacity) grow(s);
  if (s->samples.capacity < needed) CVY_TRY(cvy_bytes_reserve(&s->samples, 2 * needed, s->path));
  for (; next_field(&p, &length, at); column++) {
    if (column == s->label_column)
      s->labels[s->count] = cvy_pool_format(s->pool, "%.*s", (int)length, p);
    else
      CVY_TRY(add_sample(s, at, column, p, length));
  }
  if (!s->labels[s->count][0]) return cvy_error(CVY_E_INPUT, "%s:%" PRId64 ": no label", s->path, at->line);
  s->lines[s->count++] = at->line;
  end_line(at);
  return CVY_OK;
}

static cvy_err read_rows(state *s, cursor at, const config *c) {
  if (!find_line(&at)) return cvy_error(CVY_E_INPUT, "%s: no row in it", s->path);
  at.separator = most_frequent(at);
  s->columns = count_fields(at);
  const bool header = is_header(s->pool, at);
  CVY_TRY(find_label_column(s, &at, header, c));
  CVY_TRY(find_shape(s, c));
  if (header) end_line(&at);
  while (find_line(&at)) CVY_TRY(read_row(s, &at));
  return s->count > 0 ? CVY_OK : cvy_error(CVY_E_INPUT, "%s: a header, but no row below it", s->path);
}

/* ---- the reader ---- */

static void close_pixels(cvy_source *source) {
  state *s = source->state;
  cvy_image_free(&s->stored);
  cvy_image_free(&s->scaled);
  if (!s->borrows) {
    cvy_bytes_free(&s->text);
    cvy_bytes_free(&s->samples);
    cvy_pool_destroy(s->pool);
  }
  free(s);
}

static cvy_err number_classes(cvy_source *out, state *s) {
  int64_t which = 0;
  const char *doubt = cvy_classes_doubt(&which, s->labels, s->count);
  if (doubt)
    return cvy_error(CVY_E_INPUT, "%s:%" PRId64 ": label '%s' %s", s->path, s->lines[which], s->labels[which],
                     doubt);
  const cvy_classes classes = cvy_classes_of(s->pool, s->labels, s->count);
  s->classes = cvy_pool_new(s->pool, sizeof *s->classes * (size_t)s->count);
  for (int64_t i = 0; i < s->count; i++) s->classes[i] = (int32_t)cvy_classes_find(&classes, s->labels[i]);
  out->class_count = classes.count;
  out->class_names = classes.names;
  return CVY_OK;
}

static cvy_err open_state(cvy_source *out, const config *c, const char *const *inputs, int64_t input_count) {
  state *s = out->state;
  const char *encoding = c->encoding;
  if (input_count != 1)
    return cvy_error(CVY_E_USAGE, "pixels: a split is one table, not %" PRId64 " inputs", input_count);
  s->path = cvy_pool_format(s->pool, "%s", inputs[0]);
  if (cvy_is_folder(s->path))
    return cvy_error(CVY_E_INPUT, "%s: a folder; expected a table of pixels", s->path);
  CVY_TRY(cvy_bytes_read(&s->text, s->path));
  CVY_TRY(cvy_text_to_utf8(&s->text, &encoding, s->path));
  const char *text = s->text.data ? (const char *)s->text.data : "";
  CVY_TRY(read_rows(s, (cursor){.p = text, .end = text + s->text.count, .line = 1}, c));
  cvy_bytes_free(&s->text);
  return number_classes(out, s);
}

static cvy_err open_pixels(cvy_source *out, const void *config_, const char *const *inputs,
                           int64_t input_count, int64_t h, int64_t w, uint64_t seed) {
  state *s = cvy_new(sizeof *s);
  (void)seed;
  s->pool = cvy_pool_create();
  *out = (cvy_source){.state = s};
  const cvy_err err = open_state(out, config_, inputs, input_count);
  if (err) {
    close_pixels(out);
    *out = (cvy_source){0};
    return err;
  }
  s->h = h > 0 ? h : s->stored_h;
  s->w = w > 0 ? w : s->stored_w;
  out->count = s->count;
  out->h = s->h;
  out->w = s->w;
  out->c = s->c;
  return CVY_OK;
}

static void pixels_again(cvy_source *out, const cvy_source *first) {
  state *s = cvy_new(sizeof *s);
  *s = *(const state *)first->state;
  s->borrows = true;
  s->stored = s->scaled = (cvy_image){0};
  *out = *first;
  out->state = s;
}

static cvy_err read_pixels(cvy_record *out, cvy_source *source, int64_t index) {
  state *s = source->state;
  const int64_t plane = s->stored_h * s->stored_w, c = s->c;
  const uint8_t *samples = s->samples.data + index * plane * c;
  snprintf(s->name, sizeof s->name, "%s: record %" PRId64, s->path, index);
  cvy_image_resize_buffer(&s->stored, s->stored_h, s->stored_w, c);
  for (int64_t i = 0; i < plane; i++)
    for (int64_t k = 0; k < c; k++) s->stored.px[i * c + k] = samples[s->planes ? k * plane + i : i * c + k];
  const bool scaled = s->h != s->stored_h || s->w != s->stored_w;
  if (scaled) cvy_image_scale(&s->scaled, &s->stored, s->h, s->w);
  *out = (cvy_record){.label = s->classes[index], .name = s->name, .image = scaled ? s->scaled : s->stored};
  return CVY_OK;
}

/* Tells whether a text's first line has more columns than a list of pictures has, or one called pixel. */
static bool fits(const cvy_glimpse *g) {
  int64_t separators = 0;
  if (g->head_bytes < sizeof g->head || !cvy_glimpse_is_text(g)) return false;
  for (size_t i = 0; i < g->head_bytes; i++) {
    if (strchr("\r\n", g->head[i])) break;
    separators += strchr(",;\t", g->head[i]) != NULL;
    if (i + 8 < g->head_bytes && strncasecmp((const char *)g->head + i, ",pixel", 6) == 0) return true;
  }
  return separators > 60;
}

static const char *const layout_words[] = {"auto", "pixels", "planes", NULL};
static const cvy_option options[] = {
    {"label-column", CVY_STRING, offsetof(config, label_column), "",
     .help = "the header's word, or number from 1, of the labels; none: found"},
    {"shape", CVY_STRING, offsetof(config, shape), "",
     .help = "WIDTHxHEIGHT of the pictures as they are stored, or WIDTHxHEIGHTx3; none: they are square"},
    {"encoding", CVY_STRING, offsetof(config, encoding), "",
     .help = "the table's: windows-1252, latin-1, utf-16, or what else iconv knows; none: UTF-8, or what a "
             "mark in front says"},
    {"layout", CVY_CHOICE, offsetof(config, layout), "auto", .words = layout_words,
     .help = "of three colours: those of a pixel side by side, or one plane behind the other"},
    {0},
};

const cvy_reader cvy_reader_pixels = {
    .kind = &(const cvy_kind){"pixels", "a table of numbers: a label and a number a pixel in each row",
                              options, sizeof(config)},
    .open = open_pixels,
    .read = read_pixels,
    .close = close_pixels,
    .again = pixels_again,
    .fits = fits,
};
