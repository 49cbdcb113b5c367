/* Finds out how a list is written: what divides its fields, whether a header stands above, and which column
 * holds paths and which labels. Nothing is guessed: where two columns would do, both are named.
 *
 *   path,label            of spreadsheets, with or without a header; further columns need a known name
 *   img/a b.jpg 3         of Caffe, LBANN, Chainer, DALI: the last blank divides
 *   17  3.000000  a.jpg   of MXNet (.lst): index, label, path
 *   image,cat,dog         one-hot: a column a class, with a single 1 in each row */
#include "datasets/list_columns.h"

#include "base/classes.h"
#include "base/text.h"
#include "base/words.h"
#include "datasets/pictures.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { SAMPLED_ROWS = 20, FEWEST_PIXELS = 64 };

/* ---- the separator ---- */

static bool names_picture(const cvy_list *list, const cvy_row *row, cvy_separator separator) {
  const int64_t count = separator == CVY_LAST_BLANK ? 1 : row->count;
  for (int64_t i = 0; i < count; i++)
    if (cvy_list_names_picture(&list->paths, row->fields[i])) return true;
  return false;
}

/* Tells whether the first rows make sense with this separator: one of the first two must name a picture. */
static bool fits(cvy_table *sample, const cvy_list *list, const void *bytes, size_t count,
                 cvy_separator separator) {
  if (cvy_table_read(sample, list->paths.pool, bytes, count, separator, SAMPLED_ROWS, list->path))
    return false;
  if (sample->rows[0].count < 2) return false;
  return names_picture(list, &sample->rows[0], separator) ||
         (sample->count > 1 && names_picture(list, &sample->rows[1], separator));
}

static bool are_numbers(const cvy_row *row) {
  for (int64_t i = 0; i < row->count; i++) {
    char *end;
    strtod(row->fields[i], &end);
    if (end == row->fields[i] || *end) return false;
  }
  return true;
}

/* Tells whether a row is one of LibSVM's, as "3 1:0.5 7:1" is. */
static bool are_indexed_numbers(const cvy_row *row) {
  for (int64_t i = 1; i < row->count; i++) {
    const size_t digits = strspn(row->fields[i], "0123456789");
    if (digits == 0 || row->fields[i][digits] != ':') return false;
  }
  return row->count > 1;
}

/* Refuses rows of numbers, which are pixels or features, not a list. */
static cvy_err refuse_numbers(const cvy_list *list, const cvy_table *sample) {
  const cvy_row *row = &sample->rows[sample->count - 1];
  if (row->count >= FEWEST_PIXELS && are_numbers(row))
    return cvy_error(
        CVY_E_INPUT,
        "%s:%" PRId64 ": %" PRId64
        " numbers and no path: these are pixels, not a list of pictures; 'convoy prepare pixels' "
        "reads those",
        list->path, row->line, row->count);
  if (are_indexed_numbers(row))
    return cvy_error(CVY_E_INPUT,
                     "%s:%" PRId64 ": '%s ...' is LibSVM's format of features; expected a path and a label",
                     list->path, row->line, row->fields[1]);
  return CVY_OK;
}

/* Returns the separator that the first line has most of; the last blank if it has blanks and no other. */
static cvy_separator most_frequent(const char *text, size_t count) {
  static const char letters[] = {',', ';', '\t'};
  static const cvy_separator separators[] = {CVY_COMMA, CVY_SEMICOLON, CVY_TAB};
  int64_t counts[3] = {0}, blanks = 0;
  for (size_t i = 0; i < count && text[i] != '\n' && text[i] != '\r'; i++) {
    for (int k = 0; k < 3; k++) counts[k] += text[i] == letters[k];
    blanks += text[i] == ' ';
  }
  int best = 0;
  for (int k = 1; k < 3; k++)
    if (counts[k] > counts[best]) best = k;
  return counts[best] == 0 && blanks > 0 ? CVY_LAST_BLANK : separators[best];
}

static cvy_err find_separator(cvy_separator *out, const cvy_list *list, const void *bytes, size_t count) {
  static const cvy_separator known[] = {CVY_TAB, CVY_SEMICOLON, CVY_COMMA, CVY_LAST_BLANK, CVY_EVERY_BLANK};
  for (int64_t i = 0; i < CVY_COUNT(known); i++) {
    cvy_table sample = {0};
    if (fits(&sample, list, bytes, count, *out = known[i])) return CVY_OK;
    if (sample.count > 0 && known[i] != CVY_LAST_BLANK) CVY_TRY(refuse_numbers(list, &sample));
  }
  const char *text = bytes ? bytes : "";
  size_t first = 0;
  while (first < count && strchr("\r\n \t", text[first])) first++;
  *out = most_frequent(text + first, count - first);
  return CVY_OK;
}

/* ---- the header ---- */

static const char *const path_words[] = {"path",       "file",     "filename",  "file_name", "image_path",
                                         "img_path",   "filepath", "file_path", "image",     "img",
                                         "image_name", "picture",  NULL};
static const char *const label_words[] = {"label",      "class",     "category", "target", "labels",
                                          "class_name", "classname", "y",        NULL};
static const char *const split_words[] = {"split", "set", "subset", "partition", NULL};

static bool is_header(const cvy_list *list, const cvy_row *row) {
  for (int64_t i = 0; i < row->count; i++)
    if (strchr(row->fields[i], '/') || cvy_list_names_picture(&list->paths, row->fields[i])) return false;
  return true;
}

static int64_t column_called(const cvy_row *header, const char *const *words) {
  for (; *words; words++)
    for (int64_t i = 0; i < header->count; i++)
      if (strcasecmp(header->fields[i], *words) == 0) return i;
  return -1;
}

/* Finds the column that the header calls by one of the words; *out is -1 if there is none. It is an error if
 * two are called by the same word. */
static cvy_err find_called(int64_t *out, const cvy_list *list, const char *const *words, const char *option) {
  const cvy_row *header = &list->table.rows[0];
  *out = list->first > 0 ? column_called(header, words) : -1;
  for (int64_t i = *out + 1; *out >= 0 && i < header->count; i++)
    if (strcasecmp(header->fields[i], header->fields[*out]) == 0)
      return cvy_error(CVY_E_INPUT,
                       "%s:%" PRId64 ": the columns %" PRId64 " and %" PRId64
                       " are both called '%s'; --%s says which counts, by its number",
                       list->path, header->line, *out + 1, i + 1, header->fields[i], option);
  return CVY_OK;
}

/* Finds the column that --path-column or --label-column says: a header's word, or a number from 1 on. */
static cvy_err column_said(int64_t *out, const cvy_list *list, const char *option, const char *said) {
  const cvy_row *first = &list->table.rows[0];
  char *end;
  CVY_TRY(find_called(out, list, (const char *const[]){said, NULL}, option));
  if (*out >= 0) return CVY_OK;
  const long number = strtol(said, &end, 10);
  if (end == said || *end || number < 1 || number > first->count)
    return cvy_error(CVY_E_USAGE, "--%s %s: %s:%" PRId64 " has %" PRId64 " columns%s and none of that name",
                     option, said, list->path, first->line, first->count,
                     list->first > 0 ? "" : ", no header");
  *out = number - 1;
  return CVY_OK;
}

/* Writes columns for errors: "2 'breed', 3 'colour'". */
static const char *columns_text(const cvy_list *list, const bool *which) {
  enum { ROOM = 400 };
  char *buffer = cvy_pool_new(list->paths.pool, ROOM);
  cvy_text text = cvy_text_in(buffer, ROOM);
  const cvy_row *row = &list->table.rows[0];
  for (int64_t i = 0; i < row->count; i++)
    if (which[i]) cvy_text_item(&text, ", ", "%" PRId64 " '%s'", i + 1, row->fields[i]);
  return buffer;
}

/* ---- the paths ---- */

/* A test tells whether a field names a picture. */
typedef bool test(const cvy_list_paths *paths, const char *field);

static bool all_pass(const cvy_list *list, int64_t column, test *passes) {
  for (int64_t i = list->first; i < list->table.count && i < list->first + SAMPLED_ROWS; i++)
    if (!passes(&list->paths, list->table.rows[i].fields[column])) return false;
  return true;
}

/* Tells whether a column holds labels: the header calls it so, or it is --label-column and only `bare` names,
 * without the endings of pictures, could make paths of it. */
static bool holds_labels(const cvy_list *list, int64_t column, bool bare) {
  const char *field = list->table.rows[0].fields[column];
  if (bare && column == list->label_column) return true;
  for (const char *const *word = label_words; *word && list->first > 0; word++)
    if (strcasecmp(field, *word) == 0) return true;
  return false;
}

/* Finds the columns whose first fields all pass, and returns how many they are. *first becomes the first
 * column whose field in the first row does, unless one was found before. */
static int64_t find_passing(bool *which, int64_t *first, cvy_list *list, test *passes) {
  const cvy_row *row = &list->table.rows[list->first];
  int64_t found = 0;
  for (int64_t i = 0; i < row->count; i++) {
    which[i] = !holds_labels(list, i, passes == cvy_list_names_picture) &&
               passes(&list->paths, row->fields[i]);
    if (which[i] && *first < 0) *first = i;
    which[i] = which[i] && all_pass(list, i, passes);
    if (which[i]) list->path_column = i;
    found += which[i];
  }
  return found;
}

/* Finds the one column whose first fields all name pictures, by their endings or else because there are such
 * files; if there is none, the first column with a picture in its first row. */
static cvy_err find_paths(cvy_list *list) {
  const cvy_row *row = &list->table.rows[list->first];
  bool *which = cvy_pool_new(list->paths.pool, sizeof *which * (size_t)row->count);
  int64_t first = -1, found = find_passing(which, &first, list, cvy_list_has_ending);
  if (found == 0) found = find_passing(which, &first, list, cvy_list_names_picture);
  if (found > 1)
    return cvy_error(CVY_E_INPUT,
                     "%s:%" PRId64 ": the columns %s all name pictures; --path-column says which", list->path,
                     row->line, columns_text(list, which));
  if (found == 0) list->path_column = first;
  if (first >= 0) return CVY_OK;
  return cvy_error(CVY_E_INPUT, "%s:%" PRId64 ": no column with a picture's path; --path-column names it%s",
                   list->path, row->line,
                   list->paths.root_is_said ? "" : ", --root the folder to which paths are relative");
}

static cvy_err find_path_column(cvy_list *list, const cvy_list_options *options) {
  if (options->path_column[0])
    return column_said(&list->path_column, list, "path-column", options->path_column);
  CVY_TRY(find_called(&list->path_column, list, path_words, "path-column"));
  return list->path_column >= 0 ? CVY_OK : find_paths(list);
}

/* ---- the labels ---- */

static int by_value(const void *a, const void *b) {
  const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

/* Tells whether a column counts the rows: it has whole numbers, none of them twice. */
static bool is_index(const cvy_list *list, int64_t column) {
  const int64_t count = list->table.count - list->first;
  int64_t *values = cvy_new(sizeof *values * (size_t)count);
  bool out = true;
  for (int64_t i = 0; i < count && out; i++)
    out = cvy_whole_number(&values[i], list->table.rows[list->first + i].fields[column]);
  if (out) qsort(values, (size_t)count, sizeof *values, by_value);
  for (int64_t i = 1; i < count && out; i++) out = values[i] != values[i - 1];
  free(values);
  return out;
}

/* Tells whether the first column counts the rows, as in MXNet's lists and in tables that pandas wrote. */
static bool begins_with_index(const cvy_list *list, int64_t columns) {
  static const char *const names[] = {"", "Unnamed: 0", "index"};
  bool called = false;
  if (list->path_column == 0 || columns < 3) return false;
  for (int64_t i = 0; i < CVY_COUNT(names); i++)
    called |= list->first > 0 && strcasecmp(list->table.rows[0].fields[0], names[i]) == 0;
  const bool as_mxnet = list->first == 0 && list->path_column == columns - 1;
  return (called || as_mxnet) && is_index(list, 0);
}

/* Tells whether no row has anything in a column, as after a separator at the rows' ends. */
static bool is_empty(const cvy_list *list, int64_t column) {
  for (int64_t i = list->first; i < list->table.count; i++)
    if (list->table.rows[i].fields[column][0]) return false;
  return true;
}

/* Returns 0 or 1 as a field of one-hot labels says it, in numbers or words; -1 if it is neither. */
static int hot_value(const char *field) {
  int64_t value;
  if (strcasecmp(field, "true") == 0) return 1;
  if (strcasecmp(field, "false") == 0) return 0;
  return cvy_whole_number(&value, field) && (value == 0 || value == 1) ? (int)value : -1;
}

/* Returns how many columns of `which` hold a 1 in a row; -1 if one holds neither 0 nor 1. */
static int64_t count_ones(const cvy_row *row, const bool *which) {
  int64_t ones = 0;
  for (int64_t i = 0; i < row->count; i++) {
    if (!which[i]) continue;
    if (hot_value(row->fields[i]) < 0) return -1;
    ones += hot_value(row->fields[i]);
  }
  return ones;
}

/* Takes the columns of `which` as one-hot labels; *found is false if they hold anything but 0 and 1. */
static cvy_err find_one_hot(bool *found, cvy_list *list, const bool *which) {
  const cvy_table *t = &list->table;
  *found = false;
  for (int64_t i = list->first; i < t->count; i++)
    if (count_ones(&t->rows[i], which) < 0) return CVY_OK;
  for (int64_t i = list->first; i < t->count; i++)
    if (count_ones(&t->rows[i], which) != 1)
      return cvy_error(CVY_E_INPUT,
                       "%s:%" PRId64 ": %" PRId64
                       " of the columns %s hold a 1; a picture has one class, or --label-column says which "
                       "column is its label",
                       list->path, t->rows[i].line, count_ones(&t->rows[i], which),
                       columns_text(list, which));
  *found = true;
  const int64_t columns = t->rows[0].count;
  int64_t number = 0;
  list->hot_labels = cvy_pool_new(list->paths.pool, sizeof *list->hot_labels * (size_t)columns);
  for (int64_t i = 0; i < columns; i++) {
    if (!which[i]) continue;
    list->hot_labels[i] = list->first > 0 ? t->rows[0].fields[i]
                                          : cvy_pool_format(list->paths.pool, "%" PRId64, number);
    number++;
  }
  return CVY_OK;
}

/* Finds the labels in the `count` columns that may hold them: a single one, or one-hot. */
static cvy_err find_among(cvy_list *list, bool *which, int64_t count) {
  const cvy_row *row = &list->table.rows[0];
  bool one_hot = false;
  if (count == 0)
    return cvy_error(CVY_E_INPUT,
                     "%s:%" PRId64 ": %" PRId64
                     " column%s, and no labels: only paths; 'convoy prepare folder' "
                     "takes classes from the names of folders",
                     list->path, row->line, row->count, row->count == 1 ? "" : "s");
  for (int64_t i = 0; i < row->count && count == 1; i++)
    if (which[i]) list->label_column = i;
  if (count > 1) CVY_TRY(find_one_hot(&one_hot, list, which));
  if (count == 1 || one_hot) return CVY_OK;
  return cvy_error(CVY_E_INPUT,
                   "%s:%" PRId64 ": %" PRId64
                   " columns, and none is called label; --label-column says which of them it is: %s",
                   list->path, row->line, row->count, columns_text(list, which));
}

static cvy_err find_label_column(cvy_list *list, const cvy_list_options *options) {
  const cvy_row *row = &list->table.rows[0];
  if (!options->label_column[0]) CVY_TRY(find_called(&list->label_column, list, label_words, "label-column"));
  if (list->label_column == list->path_column)
    return cvy_error(CVY_E_USAGE, "%s: column %" PRId64 " cannot hold both path and label", list->path,
                     list->path_column + 1);
  if (list->label_column >= 0) return CVY_OK;
  bool *which = cvy_pool_new(list->paths.pool, sizeof *which * (size_t)row->count);
  const bool index = begins_with_index(list, row->count);
  int64_t count = 0;
  for (int64_t i = 0; i < row->count; i++) {
    which[i] = i != list->path_column && i != list->split_column && !(i == 0 && index) && !is_empty(list, i);
    count += which[i];
  }
  return find_among(list, which, count);
}

/* ---- splits ---- */

/* Finds the column that says of which split each row is; there is none if a row tells no split. */
static void find_split_column(cvy_list *list) {
  const int64_t column = list->first > 0 ? column_called(&list->table.rows[0], split_words) : -1;
  if (column < 0 || column == list->path_column || column == list->label_column) return;
  for (int64_t i = list->first; i < list->table.count; i++)
    if (!cvy_split_called(list->table.rows[i].fields[column])) return;
  list->split_column = column;
}

/* Returns the split of a row. */
static const char *split_of(const cvy_list *list, int64_t row) {
  return cvy_split_called(list->table.rows[row].fields[list->split_column]);
}

int64_t cvy_list_splits(const char *out[CVY_LIST_SPLITS], const cvy_list *list) {
  int64_t count = 0;
  for (int64_t i = list->first; i < list->table.count && list->split_column >= 0; i++) {
    int64_t k = 0;
    while (k < count && strcmp(out[k], split_of(list, i)) != 0) k++;
    if (k == count) out[count++] = split_of(list, i);
  }
  return count;
}

cvy_err cvy_list_keep_split(cvy_list *list, const char *split) {
  const char *splits[CVY_LIST_SPLITS];
  int64_t kept = list->first;
  const int64_t count = cvy_list_splits(splits, list);
  if (!split && count < 2) return CVY_OK;
  if (!split)
    return cvy_error(
        CVY_E_INPUT,
        "%s: its column '%s' says of which split a row is; name one, %s=%s:%s and so on, or leave "
        "--split away",
        list->path, list->table.rows[0].fields[list->split_column], splits[0], list->path, splits[0]);
  if (count == 0)
    return cvy_error(CVY_E_INPUT, "%s: no column 'split' that says of which split each row is", list->path);
  for (int64_t i = list->first; i < list->table.count; i++)
    if (strcmp(split_of(list, i), split) == 0) list->table.rows[kept++] = list->table.rows[i];
  list->table.count = kept;
  return kept > list->first ? CVY_OK
                            : cvy_error(CVY_E_INPUT, "%s: no row of the split %s", list->path, split);
}

/* ---- for the reader ---- */

cvy_err cvy_list_read(cvy_list *list, const void *bytes, size_t count, const cvy_list_options *options) {
  cvy_separator separator = (cvy_separator)(options->separator - 1);
  if (options->separator == 0) CVY_TRY(find_separator(&separator, list, bytes, count));
  CVY_TRY(cvy_table_read(&list->table, list->paths.pool, bytes, count, separator, INT64_MAX, list->path));
  list->path_column = list->label_column = list->split_column = -1;
  list->first = options->header ? options->header == 1 : is_header(list, &list->table.rows[0]);
  if (list->first == list->table.count)
    return cvy_error(CVY_E_INPUT, "%s: a header, but no row below it", list->path);
  if (options->label_column[0])
    CVY_TRY(column_said(&list->label_column, list, "label-column", options->label_column));
  CVY_TRY(find_path_column(list, options));
  find_split_column(list);
  return find_label_column(list, options);
}

const char *cvy_list_label(const cvy_list *list, int64_t row) {
  static const char blanks[] = " \t\r\n";
  const cvy_row *r = &list->table.rows[row];
  if (list->label_column < 0) {
    for (int64_t i = 0; i < r->count; i++)
      if (list->hot_labels[i] && hot_value(r->fields[i]) == 1) return list->hot_labels[i];
    return "";
  }
  const char *label = r->fields[list->label_column];
  label += strspn(label, blanks);
  size_t length = strlen(label);
  while (length > 0 && strchr(blanks, label[length - 1])) length--;
  return label[length] ? cvy_pool_format(list->paths.pool, "%.*s", (int)length, label) : label;
}
