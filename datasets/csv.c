/* A list of pictures with their labels.
 *
 * The separator, whether there is a header, and which column is which are found where nothing is said.
 * Paths are relative to the list's folder. */
#include "archive/table.h"
#include "base/classes.h"
#include "datasets/pictures.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

typedef struct config {
  int separator, header, colour;
  const char *path_column, *label_column;
} config;

typedef struct picture {
  const char *path;
  int32_t label;
} picture;

typedef struct state {
  cvy_picture_state common;
  picture *pictures;
  /* These are for opening. */
  const config *config;
  const char *list, *dir;
  cvy_table table;
  int64_t first, path_column, label_column; /* first: the first row that is a picture */
} state;

/* ---- columns ---- */

static const char *path_of(const state *s, const char *field) {
  if (field[0] == '/') return field;
  return cvy_pool_format(s->common.pool, "%s/%s", s->dir, field);
}

static bool is_file(const state *s, const char *field) {
  struct stat info;
  return field[0] && stat(path_of(s, field), &info) == 0 && S_ISREG(info.st_mode);
}

static bool is_header(const state *s, const cvy_row *row) {
  if (s->config->header) return s->config->header == 1;
  for (int64_t i = 0; i < row->count; i++)
    if (strchr(row->fields[i], '/') || cvy_looks_like_picture(row->fields[i]) || is_file(s, row->fields[i]))
      return false;
  return true;
}

static int64_t column_called(const cvy_row *header, const char *const *words) {
  for (; *words; words++)
    for (int64_t i = 0; i < header->count; i++)
      if (strcasecmp(header->fields[i], *words) == 0) return i;
  return -1;
}

/* Finds the column that --path-column or --label-column says: a header's word, or a number from 1 on. */
static cvy_err column_said(int64_t *out, const state *s, const char *option, const char *said) {
  const cvy_row *first = &s->table.rows[0];
  char *end;
  if (s->first > 0) *out = column_called(first, (const char *const[]){said, NULL});
  if (*out >= 0) return CVY_OK;
  const long number = strtol(said, &end, 10);
  if (end == said || *end || number < 1 || number > first->count)
    return cvy_error(CVY_E_USAGE, "--%s %s: %s:%" PRId64 " has %" PRId64 " columns%s and none of that name",
                     option, said, s->list, first->line, first->count, s->first > 0 ? "" : ", no header");
  *out = number - 1;
  return CVY_OK;
}

static cvy_err find_path_column(state *s) {
  static const char *const words[] = {"path",     "file",  "filename", "file_name", "image_path",
                                      "filepath", "image", "img",      "picture",   NULL};
  if (s->config->path_column[0])
    return column_said(&s->path_column, s, "path-column", s->config->path_column);
  const cvy_row *row = &s->table.rows[s->first];
  if (s->first > 0) s->path_column = column_called(&s->table.rows[0], words);
  for (int64_t i = 0; i < row->count && s->path_column < 0; i++)
    if (cvy_looks_like_picture(row->fields[i]) || is_file(s, row->fields[i])) s->path_column = i;
  if (s->path_column >= 0) return CVY_OK;
  return cvy_error(CVY_E_INPUT, "%s:%" PRId64 ": no column with a picture's path; --path-column names it",
                   s->list, row->line);
}

static cvy_err find_label_column(state *s) {
  static const char *const words[] = {"label",      "class",     "category", "target",
                                      "class_name", "classname", "y",        NULL};
  const cvy_row *row = &s->table.rows[0];
  if (s->config->label_column[0])
    CVY_TRY(column_said(&s->label_column, s, "label-column", s->config->label_column));
  else if (s->first > 0)
    s->label_column = column_called(row, words);
  if (s->label_column < 0 && row->count == 2) s->label_column = 1 - s->path_column;
  if (s->label_column < 0)
    return cvy_error(CVY_E_INPUT,
                     "%s:%" PRId64 ": %" PRId64
                     " column%s, and none is called label; --label-column names it",
                     s->list, row->line, row->count, row->count == 1 ? "" : "s");
  if (s->label_column == s->path_column)
    return cvy_error(CVY_E_USAGE, "%s: column %" PRId64 " cannot hold both path and label", s->list,
                     s->path_column + 1);
  return CVY_OK;
}

static cvy_err find_columns(state *s) {
  s->path_column = s->label_column = -1;
  s->first = is_header(s, &s->table.rows[0]);
  if (s->first == s->table.count) return cvy_error(CVY_E_INPUT, "%s: a header, but no row below it", s->list);
  CVY_TRY(find_path_column(s));
  return find_label_column(s);
}

/* ---- labels ---- */

static const char *label_at(const state *s, int64_t row) {
  return s->table.rows[row].fields[s->label_column];
}

static cvy_err find_classes(cvy_classes *out, const state *s) {
  const int64_t count = s->table.count - s->first;
  const char **labels = cvy_pool_new(s->common.pool, sizeof *labels * (size_t)count);
  for (int64_t i = 0; i < count; i++) {
    labels[i] = label_at(s, s->first + i);
    if (!labels[i][0])
      return cvy_error(CVY_E_INPUT, "%s:%" PRId64 ": no label", s->list, s->table.rows[s->first + i].line);
  }
  *out = cvy_classes_of(s->common.pool, labels, count);
  return CVY_OK;
}

/* ---- pictures ---- */

static const state *sorted; /* qsort takes no context */

static const char *path_at(const state *s, int64_t row) {
  return s->table.rows[row].fields[s->path_column];
}

static int by_path(const void *a, const void *b) {
  const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  const int order = strcmp(path_at(sorted, x), path_at(sorted, y));
  return order ? order : (x > y) - (x < y);
}

/* Checks that a picture which comes twice has the same class. */
static cvy_err check_contradictions(const state *s, const cvy_classes *classes) {
  const int64_t count = s->table.count - s->first;
  int64_t *rows = cvy_pool_new(s->common.pool, sizeof *rows * (size_t)count);
  for (int64_t i = 0; i < count; i++) rows[i] = s->first + i;
  sorted = s;
  qsort(rows, (size_t)count, sizeof *rows, by_path);
  for (int64_t i = 1; i < count; i++)
    if (strcmp(path_at(s, rows[i - 1]), path_at(s, rows[i])) == 0 &&
        cvy_classes_find(classes, label_at(s, rows[i - 1])) !=
            cvy_classes_find(classes, label_at(s, rows[i])))
      return cvy_error(CVY_E_INPUT, "%s:%" PRId64 ": %s is '%s' here, and '%s' in line %" PRId64, s->list,
                       s->table.rows[rows[i]].line, path_at(s, rows[i]), label_at(s, rows[i]),
                       label_at(s, rows[i - 1]), s->table.rows[rows[i - 1]].line);
  return CVY_OK;
}

/* ---- the reader ---- */

static cvy_err add_pictures(cvy_source *out) {
  state *s = out->state;
  cvy_classes classes;
  CVY_TRY(find_classes(&classes, s));
  CVY_TRY(check_contradictions(s, &classes));
  out->class_count = classes.count;
  out->class_names = classes.names;
  s->pictures = cvy_pool_new(s->common.pool, sizeof *s->pictures * (size_t)(s->table.count - s->first));
  for (int64_t i = s->first; i < s->table.count; i++) {
    const cvy_row *row = &s->table.rows[i];
    const char *path = path_of(s, row->fields[s->path_column]);
    struct stat info;
    if (stat(path, &info) != 0)
      return cvy_error(CVY_E_INPUT, "%s:%" PRId64 ": %s: %s", s->list, row->line, path, strerror(errno));
    if (!S_ISREG(info.st_mode))
      return cvy_error(CVY_E_INPUT, "%s:%" PRId64 ": %s: not a file", s->list, row->line, path);
    out->encoded_bytes += info.st_size;
    s->pictures[out->count++] = (picture){path, (int32_t)cvy_classes_find(&classes, label_at(s, i))};
  }
  return CVY_OK;
}

static cvy_err open_state(cvy_source *out, const char *const *inputs, int64_t input_count) {
  static const char separators[] = {0, ',', ';', '\t'};
  state *s = out->state;
  cvy_bytes *file = &s->common.delivery.file;
  if (input_count != 1)
    return cvy_error(CVY_E_USAGE, "csv: a split is one list, not %" PRId64 " inputs", input_count);
  s->list = cvy_pool_format(s->common.pool, "%s", inputs[0]);
  const char *slash = strrchr(s->list, '/');
  s->dir = slash ? cvy_pool_format(s->common.pool, "%.*s", (int)(slash - s->list), s->list) : ".";
  CVY_TRY(cvy_bytes_read(file, s->list));
  CVY_TRY(cvy_table_read(&s->table, s->common.pool, file->data, file->count, separators[s->config->separator],
                         s->list));
  CVY_TRY(find_columns(s));
  return add_pictures(out);
}

static cvy_err open_csv(cvy_source *out, const void *config_, const char *const *inputs, int64_t input_count,
                        int64_t h, int64_t w, uint64_t seed) {
  const config *c = config_;
  (void)seed;
  state *s = cvy_pictures_begin(out, sizeof *s, c->colour, h, w);
  s->config = c;
  return cvy_pictures_opened(out, open_state(out, inputs, input_count), cvy_pictures_end);
}

static void csv_again(cvy_source *out, const cvy_source *first) {
  cvy_pictures_share(out, first, sizeof(state));
}

static cvy_err read_csv(cvy_record *out, cvy_source *source, int64_t index) {
  state *s = source->state;
  const picture *p = &s->pictures[index];
  snprintf(s->common.delivery.name, sizeof s->common.delivery.name, "%s", p->path);
  *out = (cvy_record){.label = p->label, .name = s->common.delivery.name};
  CVY_TRY(cvy_pictures_read(&s->common.delivery, p->path));
  return cvy_pictures_deliver(out, &s->common.delivery, source);
}

static const char *const separator_words[] = {"auto", "comma", "semicolon", "tab", NULL};
static const char *const header_words[] = {"auto", "yes", "no", NULL};
static const cvy_option options[] = {
    {"separator", CVY_CHOICE, offsetof(config, separator), "auto", .words = separator_words,
     .help = "between fields; auto: what the first line has most of"},
    {"header", CVY_CHOICE, offsetof(config, header), "auto", .words = header_words,
     .help = "whether the first row names the columns; auto: if it names no file and no path"},
    {"path-column", CVY_STRING, offsetof(config, path_column), "",
     .help = "the header's word, or number from 1, of the paths; none: found"},
    {"label-column", CVY_STRING, offsetof(config, label_column), "", .help = "the same of the labels"},
    {"colour", CVY_CHOICE, offsetof(config, colour), "rgb", .words = cvy_colour_words,
     .help = "channels of the pictures"},
    {0},
};

const cvy_reader cvy_reader_csv = {
    .kind = &(const cvy_kind){"csv",
                              "a list of pictures: path and label, separated by comma, semicolon or tab",
                              options, sizeof(config)},
    .keeps_files = true,
    .open = open_csv,
    .read = read_csv,
    .close = cvy_pictures_end,
    .again = csv_again,
};
