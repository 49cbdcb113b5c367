/* Labels as people write them: whole numbers of any type, in a row or a column, one-hot rows, enumerations,
 * texts; and the names of their classes, where the file has them. */
#include "archive/arrays_labels.h"

#include "base/classes.h"
#include "base/text.h"
#include "base/utf8.h"

#include <math.h>
#include <string.h>

enum { MOST_CLASSES = 1 << 20, BLOCK_BYTES = 1 << 20 };

typedef enum form { NUMBERS, ONE_HOT, TEXTS, FORMS } form;
static const char *const form_words[FORMS] = {"numbers", "one-hot", "texts"};

/* These are the labels of all parts on their way to classes. */
typedef struct reading {
  cvy_arrays *arrays;
  const cvy_arrays_labels *from; /* [part_count] */
  const cvy_arrays_said *said;
  form form;
  int64_t width;      /* ONE_HOT: classes */
  int64_t *values;    /* NUMBERS, ONE_HOT: [count] */
  const char **texts; /* TEXTS: [count] */
  char **names;       /* the file's own names of classes; NULL: it has none */
  const char *names_in;
  int64_t name_count;
  bool *has_names;      /* [part_count]: whether a part has names of its own */
  int64_t *name_values; /* the numbers that an enumeration gives to `names`; NULL: 0, 1, 2 ... */
} reading;

/* These are one part's labels, open. */
typedef struct sheet {
  cvy_h5 *h5;
  const cvy_h5_entry *entry;
  const cvy_arrays_part *part;
  const char *path, *writer;
  form form;
  int64_t width;
  bool across; /* [classes][count]: the one-hot rows stand upright */
} sheet;

/* ---- shapes ---- */

static cvy_err wrong_shape(const sheet *s, const int64_t *dims, int dim_count) {
  char shape[160];
  cvy_text_dims(shape, sizeof shape, dims, dim_count);
  if (dim_count == 0) snprintf(shape, sizeof shape, "a single value");
  return cvy_error(CVY_E_INPUT,
                   "%s: dataset '%s' is %s, but '%s' holds %" PRId64
                   " images; expected [count], [count][1] or "
                   "one-hot [count][classes]",
                   s->path, s->entry->name, shape, s->part->name, s->part->count);
}

/* Finds out from the dimensions how the labels are written. One that is 1 means nothing, wherever it is. */
static cvy_err find_form(sheet *s) {
  int64_t d[CVY_H5_MAX_DIMS], kept[CVY_H5_MAX_DIMS], total = 1;
  int dim_count, kept_count = 0;
  const int64_t n = s->part->count;
  CVY_TRY(cvy_h5_shape(s->h5, s->entry->place, d, &dim_count));
  for (int i = 0; i < dim_count; i++) {
    total *= d[i];
    if (d[i] != 1) kept[kept_count++] = d[i];
  }
  s->form = s->entry->holds == CVY_H5_TEXTS ? TEXTS : NUMBERS;
  s->width = 1;
  if (dim_count > 0 && kept_count <= 1 && total == n) return CVY_OK;
  if (dim_count > 0 && kept_count <= 1 && (n != 1 || total == 0))
    return cvy_error(CVY_E_INPUT, "%s: %" PRId64 " images in '%s' but %" PRId64 " labels in '%s'%s%s%s",
                     s->path, n, s->part->name, total, s->entry->name,
                     s->writer ? " (images belong along the last of " : "", s->writer ? s->writer : "",
                     s->writer ? "'s dimensions: permute puts them there)" : "");
  const bool square = kept_count == 2 && kept[0] == n && kept[1] == n;
  const bool upright = kept_count == 2 && kept[1] == n && !square;
  const bool rows = n == 1 ? kept_count == 1 : kept_count == 2 && kept[0] == n && !(square && s->writer);
  if (square && s->writer && s->form != TEXTS)
    return cvy_error(CVY_E_INPUT,
                     "%s: dataset '%s' is %" PRId64 "x%" PRId64
                     ", with as many classes as images; %s may have "
                     "its one-hot rows along either dimension: write the labels as %" PRId64 " numbers",
                     s->path, s->entry->name, n, n, s->writer, n);
  if (s->form == TEXTS || (!rows && !upright)) return wrong_shape(s, d, dim_count);
  s->form = ONE_HOT;
  s->across = upright;
  s->width = total / n;
  if (s->width > MOST_CLASSES) return wrong_shape(s, d, dim_count);
  return CVY_OK;
}

/* ---- numbers ---- */

static cvy_err no_label(const sheet *s, int64_t record, double value) {
  return cvy_error(CVY_E_INPUT, "%s: record %" PRId64 ": label %g; expected a whole number from 0 to %d",
                   s->path, record, value, MOST_CLASSES - 1);
}

static cvy_err read_numbers(int64_t *values, const sheet *s) {
  double *block;
  const int64_t n = s->part->count;
  CVY_TRY(cvy_buffer_create((void **)&block, sizeof *block * (size_t)n, "labels"));
  cvy_err err = cvy_h5_read(s->h5, s->entry->place, CVY_H5_F64, block, n);
  for (int64_t i = 0; i < n && !err; i++) {
    if (!(block[i] >= 0 && block[i] < MOST_CLASSES && block[i] == floor(block[i])))
      err = no_label(s, i, block[i]);
    else
      values[i] = (int64_t)block[i];
  }
  cvy_buffer_destroy(block);
  return err;
}

/* Returns which of a row's numbers is 1 while all others are 0; -1 if the row is not like that. */
static int64_t hot_one(const double *row, int64_t width, int64_t step) {
  int64_t hot = -1;
  for (int64_t k = 0; k < width; k++) {
    if (row[k * step] == 0) continue;
    if (row[k * step] != 1 || hot >= 0) return -1;
    hot = k;
  }
  return hot;
}

static cvy_err not_hot(const sheet *s, int64_t record, const double *row, int64_t step) {
  char chars[120];
  cvy_text values = cvy_text_in(chars, sizeof chars);
  for (int64_t k = 0; k < s->width; k++) cvy_text_item(&values, " ", "%g", row[k * step]);
  return cvy_error(CVY_E_INPUT,
                   "%s: record %" PRId64
                   ": its row in '%s' is not one-hot: %s; expected a single 1 among zeros",
                   s->path, record, s->entry->name, chars);
}

static cvy_err take_rows(int64_t *values, const sheet *s, const double *block, int64_t first, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    const double *row = s->across ? block + i : block + i * s->width;
    const int64_t step = s->across ? s->part->count : 1;
    values[first + i] = hot_one(row, s->width, step);
    if (values[first + i] < 0) return not_hot(s, first + i, row, step);
  }
  return CVY_OK;
}

static cvy_err read_one_hot(int64_t *values, const sheet *s) {
  double *block;
  const int64_t n = s->part->count, fit = BLOCK_BYTES / (s->width * (int64_t)sizeof *block);
  const int64_t rows = s->across || s->part->count == 1 ? n : fit > 0 ? fit : 1;
  CVY_TRY(cvy_buffer_create((void **)&block, sizeof *block * (size_t)(rows * s->width), "labels"));
  cvy_err err = CVY_OK;
  for (int64_t i = 0; i < n && !err; i += rows) {
    const int64_t count = n - i < rows ? n - i : rows;
    err = rows == n ? cvy_h5_read(s->h5, s->entry->place, CVY_H5_F64, block, n * s->width)
                    : cvy_h5_read_rows(s->h5, s->entry->place, CVY_H5_F64, block, i, count);
    if (!err) err = take_rows(values, s, block, i, count);
  }
  cvy_buffer_destroy(block);
  return err;
}

/* ---- texts ---- */

static cvy_err read_texts(const char **texts, const sheet *s, cvy_pool *pool) {
  char **found;
  int64_t count;
  CVY_TRY(cvy_h5_read_texts(s->h5, s->entry->place, &found, &count, pool));
  for (int64_t i = 0; i < count; i++) {
    if (!found[i][strspn(found[i], " \t")])
      return cvy_error(CVY_E_INPUT, "%s: record %" PRId64 ": no label in '%s'", s->path, i, s->entry->name);
    texts[i] = found[i];
  }
  return CVY_OK;
}

/* ---- one part ---- */

static cvy_err check_content(const sheet *s) {
  if (s->entry->trouble)
    return cvy_error(CVY_E_INPUT, "%s: '%s' is %s", s->path, s->entry->name, s->entry->trouble);
  char *class = "";
  cvy_pool *pool = cvy_pool_create();
  const bool letters = cvy_h5_has_attr(s->h5, s->entry->place, "MATLAB_class") &&
                       !cvy_h5_read_attr_text(s->h5, s->entry->place, "MATLAB_class", &class, pool) &&
                       strcmp(class, "char") == 0;
  cvy_pool_destroy(pool);
  if (s->entry->holds != CVY_H5_OTHER && !letters) return CVY_OK;
  return cvy_error(CVY_E_INPUT,
                   "%s: dataset '%s' holds %s; expected numbers or texts (of MATLAB's cells of texts, "
                   "[names, ~, label] = unique(cells) makes numbers)",
                   s->path, s->entry->name, letters ? "MATLAB's characters" : s->entry->type);
}

/* Takes the members of an enumeration as the names of classes, unless it is a boolean. */
static cvy_err take_members(reading *r, const sheet *s) {
  char **names;
  int64_t *values, count;
  CVY_TRY(cvy_h5_members(s->h5, s->entry->place, &names, &values, &count, r->arrays->pool));
  const bool is_boolean = count == 2 && strcmp(names[0], "FALSE") == 0 && strcmp(names[1], "TRUE") == 0;
  if (count == 0 || is_boolean) return CVY_OK;
  r->has_names[s->part - r->arrays->parts] = true;
  bool same = !r->names || (r->name_values && r->name_count == count);
  for (int64_t k = 0; same && r->names && k < count; k++)
    same = r->name_values[k] == values[k] && strcmp(r->names[k], names[k]) == 0;
  if (!same)
    return cvy_error(CVY_E_INPUT, "%s: the enumeration of '%s' has other members than the files before",
                     s->path, s->entry->name);
  r->names = names;
  r->name_values = values;
  r->name_count = count;
  return CVY_OK;
}

static cvy_err read_sheet(reading *r, sheet *s) {
  CVY_TRY(check_content(s));
  CVY_TRY(find_form(s));
  const bool is_first = s->part == r->arrays->parts;
  if (is_first) {
    r->form = s->form;
    r->width = s->width;
  }
  if (s->form != r->form || s->width != r->width)
    return cvy_error(CVY_E_INPUT, "%s: labels are %s of %" PRId64 ", but in %s they are %s of %" PRId64,
                     s->path, form_words[s->form], s->width, r->from[0].path, form_words[r->form], r->width);
  const int64_t first = s->part->first;
  if (s->form == TEXTS) return read_texts(r->texts + first, s, r->arrays->pool);
  if (s->form == ONE_HOT) return read_one_hot(r->values + first, s);
  CVY_TRY(take_members(r, s));
  return read_numbers(r->values + first, s);
}

static cvy_err read_part(reading *r, int64_t index) {
  sheet s = {.entry = r->from[index].labels,
             .part = &r->arrays->parts[index],
             .path = r->from[index].path,
             .writer = r->arrays->writer};
  if (s.entry->trouble) return check_content(&s);
  CVY_TRY(cvy_h5_open(&s.h5, s.entry->file));
  const cvy_err err = read_sheet(r, &s);
  cvy_h5_discard(s.h5);
  return err;
}

/* ---- classes ---- */

/* Reads the names of classes that part `index` has, if any; they must be those of the parts before. */
static cvy_err read_names(reading *r, int64_t index) {
  const cvy_h5_entry *entry = r->from[index].classes;
  cvy_h5 *h5;
  char **names;
  int64_t count;
  if (!entry || entry->trouble || r->has_names[index]) return CVY_OK;
  CVY_TRY(cvy_h5_open(&h5, entry->file));
  const cvy_err err = cvy_h5_read_texts(h5, entry->place, &names, &count, r->arrays->pool);
  cvy_h5_discard(h5);
  if (err) return err;
  bool same = !r->names || r->name_count == count;
  for (int64_t k = 0; r->names && same && k < count; k++)
    same = strcmp(r->names[k], names[k]) == 0 && (!r->name_values || r->name_values[k] == k);
  if (!same || count < 1 || count > MOST_CLASSES)
    return cvy_error(CVY_E_INPUT, "%s: '%s' names %" PRId64 " classes%s", r->from[index].path, entry->name,
                     count, same ? "" : ", and others than the files before");
  r->has_names[index] = true;
  r->names = names;
  r->names_in = entry->name;
  r->name_count = count;
  return CVY_OK;
}

/* Refuses a file of numbers that nothing names beside one that names its classes: the numbers may mean
 * anything. */
static cvy_err check_named_alike(const reading *r) {
  int64_t with = 0, without = 0, same = 0;
  const int64_t parts = r->arrays->part_count;
  while (with < parts && !r->has_names[with]) with++;
  while (without < parts && r->has_names[without]) without++;
  if (r->form == TEXTS || r->said->assume_classes || with == parts || without == parts) return CVY_OK;
  for (int64_t k = 0; k < r->name_count; k++) {
    char number[32];
    snprintf(number, sizeof number, "%" PRId64, r->name_values ? r->name_values[k] : k);
    same += strcmp(r->names[k], number) == 0;
  }
  if (same == r->name_count) return CVY_OK;
  return cvy_error(CVY_E_INPUT,
                   "%s: its labels are numbers that nothing names, and the classes of %s are called '%s' to "
                   "'%s'; whether they are the same is not told: --assume-classes (in a recipe, "
                   "data.assume_classes: true) takes its first label for '%s', and so on",
                   r->from[without].path, r->from[with].path, r->names[0], r->names[r->name_count - 1],
                   r->names[0]);
}

/* Returns "FILE: record N" of image `index` of all. */
static const char *record_text(const reading *r, int64_t index) {
  const cvy_arrays_part *part = cvy_arrays_part_of(r->arrays, index);
  return cvy_pool_format(r->arrays->pool, "%s: record %" PRId64, r->from[part - r->arrays->parts].path,
                         index - part->first);
}

static int32_t *label_at(const reading *r, int64_t index) {
  const cvy_arrays_part *part = cvy_arrays_part_of(r->arrays, index);
  return &part->labels[index - part->first];
}

static cvy_err starts_late(const reading *r, int64_t lowest, int64_t highest) {
  char gaps[120] = "";
  int64_t count = highest - lowest + 1, empty = count;
  bool *seen = cvy_pool_new(r->arrays->pool, sizeof *seen * (size_t)count);
  for (int64_t i = 0; i < r->arrays->count; i++) {
    empty -= !seen[r->values[i] - lowest];
    seen[r->values[i] - lowest] = true;
  }
  if (empty > 0)
    snprintf(gaps, sizeof gaps, " (%" PRId64 " classes then, of which %" PRId64 " have no image)", count,
             empty);
  return cvy_error(CVY_E_INPUT,
                   "%s: labels run from %" PRId64 " to %" PRId64 ": --first-label %" PRId64
                   " (of train and eval, data.first_label=%" PRId64 ") if the first class is %" PRId64
                   "%s; --first-label 0 if class 0 merely has no image here",
                   r->from[0].path, lowest, highest, lowest, lowest, lowest, gaps);
}

/* Finds the range of `count` labels from image `first` on. */
static void find_range(const reading *r, int64_t first, int64_t count, int64_t *lowest, int64_t *highest) {
  *lowest = INT64_MAX;
  *highest = 0;
  for (int64_t i = first; i < first + count; i++) {
    if (r->values[i] < *lowest) *lowest = r->values[i];
    if (r->values[i] > *highest) *highest = r->values[i];
  }
}

/* Refuses files of which some count the same number of classes from 0 and others from 1, as it seems. */
static cvy_err check_counted_alike(const reading *r) {
  const cvy_arrays *a = r->arrays;
  int64_t lowest, highest, most = 0;
  const char *from_0 = NULL;
  for (int64_t i = 0; i < a->part_count; i++) {
    find_range(r, a->parts[i].first, a->parts[i].count, &lowest, &highest);
    if (lowest > 0 || (from_0 && highest <= most)) continue;
    from_0 = r->from[i].path;
    most = highest;
  }
  for (int64_t i = 0; i < a->part_count && from_0; i++) {
    find_range(r, a->parts[i].first, a->parts[i].count, &lowest, &highest);
    if (lowest == 1 && highest == most + 1)
      return cvy_error(CVY_E_INPUT,
                       "%s: labels run from 1 to %" PRId64 ", but those of %s from 0 to %" PRId64
                       ", which may be the same classes; --first-label 0 (in a recipe, data.first_label: 0) "
                       "takes the numbers as they are",
                       r->from[i].path, highest, from_0, most);
  }
  return CVY_OK;
}

/* Drops names that are fewer than the labels: they belong to something else, or are wrong. */
static void check_names(reading *r, int64_t highest) {
  if (!r->names || r->name_values || highest < r->name_count) return;
  cvy_warn("%s: '%s' names %" PRId64 " classes, but labels go up to %" PRId64
           "; the classes are called by their numbers",
           r->from[0].path, r->names_in, r->name_count, highest);
  r->names = NULL;
}

/* Finds the label of the first class. */
static cvy_err find_first_label(int64_t *out, reading *r) {
  int64_t lowest, highest;
  const bool is_said = r->said->first_label >= 0;
  find_range(r, 0, r->arrays->count, &lowest, &highest);
  *out = is_said && r->form == NUMBERS && !r->name_values ? r->said->first_label : 0;
  const bool needs_none = is_said || lowest == 0 || r->form == ONE_HOT || r->name_values ||
                          (r->names && highest < r->name_count);
  if (!needs_none) return starts_late(r, lowest, highest);
  if (!is_said && r->form == NUMBERS && !r->name_values) CVY_TRY(check_counted_alike(r));
  check_names(r, r->form == ONE_HOT ? r->width - 1 : highest - *out);
  return CVY_OK;
}

/* Returns the class of a number; it is negative if there is none. */
static int64_t class_of_number(const reading *r, int64_t value, int64_t first) {
  int64_t low = 0, high = r->name_count - 1;
  if (!r->name_values) return value - first;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (r->name_values[middle] < value)
      low = middle + 1;
    else
      high = middle;
  }
  return r->name_values[low] == value ? low : -1;
}

static cvy_err number_numbers(reading *r) {
  cvy_arrays *a = r->arrays;
  int64_t first;
  CVY_TRY(find_first_label(&first, r));
  int64_t classes = r->names ? r->name_count : r->form == ONE_HOT ? r->width : 0;
  for (int64_t i = 0; i < a->count; i++) {
    const int64_t class = class_of_number(r, r->values[i], first);
    if (class < 0 && !r->name_values)
      return cvy_error(
          CVY_E_INPUT,
          "%s: label %" PRId64 "; the first label was said to be %" PRId64
          ": --first-label 0 (of train and eval, data.first_label=0) if labels here begin with 0",
          record_text(r, i), r->values[i], first);
    if (class < 0)
      return cvy_error(CVY_E_INPUT, "%s: label %" PRId64 ", which its enumeration does not have",
                       record_text(r, i), r->values[i]);
    if (class >= classes) classes = class + 1;
    *label_at(r, i) = (int32_t) class;
  }
  a->class_count = classes;
  a->is_numbered = !r->names;
  a->class_names = cvy_pool_new(a->pool, sizeof *a->class_names * (size_t)classes);
  for (int64_t k = 0; k < classes; k++)
    a->class_names[k] = r->names ? cvy_utf8_name(a->pool, r->names[k], r->said->encoding)
                                 : cvy_pool_format(a->pool, "%" PRId64, first + k);
  return CVY_OK;
}

typedef struct numbered {
  const char *name;
  int64_t class;
} numbered;

static cvy_err number_by_names(reading *r) {
  cvy_arrays *a = r->arrays;
  numbered *sorted = cvy_pool_new(a->pool, sizeof *sorted * (size_t)r->name_count);
  for (int64_t k = 0; k < r->name_count; k++) sorted[k] = (numbered){r->names[k], k};
  cvy_sort_by_text(sorted, r->name_count, sizeof *sorted);
  for (int64_t i = 0; i < a->count; i++) {
    const int64_t at = cvy_find_by_text(sorted, r->name_count, sizeof *sorted, r->texts[i]);
    if (at < 0)
      return cvy_error(CVY_E_INPUT,
                       "%s: label '%s', which is not among the %" PRId64 " classes that the file names",
                       record_text(r, i), r->texts[i], r->name_count);
    *label_at(r, i) = (int32_t)sorted[at].class;
  }
  a->class_count = r->name_count;
  a->class_names = cvy_pool_new(a->pool, sizeof *a->class_names * (size_t)r->name_count);
  for (int64_t k = 0; k < r->name_count; k++)
    a->class_names[k] = cvy_utf8_name(a->pool, r->names[k], r->said->encoding);
  return CVY_OK;
}

static cvy_err number_texts(reading *r) {
  cvy_arrays *a = r->arrays;
  if (r->names) return number_by_names(r);
  int64_t which = 0;
  const char *doubt = cvy_classes_doubt(&which, (const char *const *)r->texts, a->count);
  if (doubt)
    return cvy_error(CVY_E_INPUT, "%s: label '%s' %s", record_text(r, which), r->texts[which], doubt);
  const cvy_classes classes = cvy_classes_in(a->pool, r->texts, a->count, r->said->encoding);
  if (classes.count > MOST_CLASSES)
    return cvy_error(CVY_E_INPUT, "%s: %" PRId64 " different labels", r->from[0].path, classes.count);
  for (int64_t i = 0; i < a->count; i++) *label_at(r, i) = (int32_t)cvy_classes_find(&classes, r->texts[i]);
  a->class_count = classes.count;
  a->class_names = classes.names;
  return CVY_OK;
}

/* Counts the images of each class, and tells people which have none, which is allowed. */
static void count_classes(const reading *r) {
  cvy_arrays *a = r->arrays;
  char chars[200];
  cvy_text missing = cvy_text_in(chars, sizeof chars);
  int64_t count = 0;
  a->class_sizes = cvy_pool_new(a->pool, sizeof *a->class_sizes * (size_t)a->class_count);
  for (int64_t i = 0; i < a->count; i++) a->class_sizes[*label_at(r, i)]++;
  for (int64_t k = 0; k < a->class_count; k++)
    if (!a->class_sizes[k]) {
      cvy_text_item(&missing, ", ", "%s", a->class_names[k]);
      count++;
    }
  if (count > 0)
    cvy_log("%s: %" PRId64 " of its %" PRId64 " classes ha%s no image: %s", r->from[0].path, count,
            a->class_count, count == 1 ? "s" : "ve", chars);
}

static cvy_err read_all(reading *r) {
  cvy_arrays *a = r->arrays;
  CVY_TRY(cvy_buffer_create((void **)&r->values, sizeof *r->values * (size_t)a->count, "labels"));
  CVY_TRY(cvy_buffer_create((void **)&r->texts, sizeof *r->texts * (size_t)a->count, "labels"));
  for (int64_t i = 0; i < a->part_count; i++) {
    cvy_arrays_part *part = &a->parts[i];
    CVY_TRY_IN(
        cvy_buffer_create((void **)&part->labels, sizeof *part->labels * (size_t)part->count, "labels"), "%s",
        part->path);
  }
  r->has_names = cvy_pool_new(a->pool, sizeof *r->has_names * (size_t)a->part_count);
  for (int64_t i = 0; i < a->part_count; i++) CVY_TRY(read_part(r, i));
  for (int64_t i = 0; i < a->part_count; i++) CVY_TRY(read_names(r, i));
  CVY_TRY(check_named_alike(r));
  CVY_TRY(r->form == TEXTS ? number_texts(r) : number_numbers(r));
  count_classes(r);
  return CVY_OK;
}

cvy_err cvy_arrays_read_labels(cvy_arrays *arrays, const cvy_arrays_labels *from,
                               const cvy_arrays_said *said) {
  reading r = {.arrays = arrays, .from = from, .said = said};
  const cvy_err err = read_all(&r);
  cvy_buffer_destroy(r.values);
  cvy_buffer_destroy(r.texts);
  return err;
}
