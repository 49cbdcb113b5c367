/* Reads lists of pictures with their labels. list_columns.c finds how a list is written, list_paths.c where
 * its pictures lie. */
#include "archive/encoding.h"
#include "archive/file_tree.h"
#include "base/classes.h"
#include "base/words.h"
#include "datasets/list_columns.h"
#include "datasets/pictures.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { FEWEST_COUNTED = 10 };

typedef struct config {
  cvy_list_options columns;
  const char *root, *encoding;
  int colour;
} config;

typedef struct picture {
  const char *file, *name;
  int32_t label;
  const cvy_list *list;
  int64_t row; /* of the list */
} picture;

typedef struct state {
  cvy_picture_state common;
  picture *pictures;
  cvy_list *lists; /* for opening */
  int64_t list_count;
} state;

static const cvy_row *row_of(const picture *p) {
  return &p->list->table.rows[p->row];
}

/* ---- labels ---- */

/* Collects the labels of the pictures, and behind them the classes of one-hot columns, which need not occur.
 * Returns how many there are. */
static int64_t collect_labels(const char ***out, const state *s, int64_t pictures) {
  int64_t count = pictures;
  for (int64_t k = 0; k < s->list_count; k++) count += s->lists[k].table.rows[0].count;
  const char **labels = cvy_pool_new(s->common.pool, sizeof *labels * (size_t)count);
  for (count = 0; count < pictures; count++)
    labels[count] = cvy_list_label(s->pictures[count].list, s->pictures[count].row);
  for (int64_t k = 0; k < s->list_count; k++)
    for (int64_t i = 0; i < s->lists[k].table.rows[0].count && s->lists[k].label_column < 0; i++)
      if (s->lists[k].hot_labels[i]) labels[count++] = s->lists[k].hot_labels[i];
  *out = labels;
  return count;
}

static cvy_err check_labels(const state *s, const char *const *labels, int64_t count) {
  int64_t which = 0;
  const char *doubt = cvy_classes_doubt(&which, labels, count);
  const picture *p = &s->pictures[which];
  if (doubt)
    return cvy_error(CVY_E_INPUT, "%s:%" PRId64 ": label '%s' %s", p->list->path, row_of(p)->line,
                     labels[which], doubt);
  for (p = s->pictures; p < s->pictures + count; p++)
    if (!labels[p - s->pictures][0])
      return cvy_error(CVY_E_INPUT, "%s:%" PRId64 ": no label", p->list->path, row_of(p)->line);
  return CVY_OK;
}

/* Finds the classes. One-hot lists have one for each of their columns, others one for each label that occurs.
 * `said` is whether the user named the labels' column. */
static cvy_err find_classes(cvy_classes *out, const state *s, int64_t pictures, bool said) {
  const char **labels;
  const int64_t count = collect_labels(&labels, s, pictures);
  const cvy_list *first = &s->lists[0];
  CVY_TRY(check_labels(s, labels, pictures));
  *out = cvy_classes_of(s->common.pool, labels, count);
  if (out->are_numbers && out->count == pictures && pictures >= FEWEST_COUNTED && first->label_column >= 0 &&
      !said)
    return cvy_error(CVY_E_INPUT,
                     "%s: each of its %" PRId64 " rows has a label of its own, such as '%s': these count the "
                     "rows; --label-column says which column has the classes",
                     first->path, pictures, labels[0]);
  return CVY_OK;
}

/* ---- pictures ---- */

static int by_file(const void *a, const void *b) {
  const picture *x = a, *y = b;
  const int order = strcmp(x->file, y->file);
  if (order || x->list != y->list) return order ? order : (x->list > y->list) - (x->list < y->list);
  return (x->row > y->row) - (x->row < y->row);
}

/* Checks that a picture which comes twice has the same class. */
static cvy_err check_contradictions(const state *s, int64_t count) {
  picture *sorted = cvy_pool_new(s->common.pool, sizeof *sorted * (size_t)count);
  memcpy(sorted, s->pictures, sizeof *sorted * (size_t)count);
  qsort(sorted, (size_t)count, sizeof *sorted, by_file);
  for (int64_t i = 1; i < count; i++) {
    const picture *before = &sorted[i - 1], *p = &sorted[i];
    const bool same_list = before->list == p->list;
    if (strcmp(before->file, p->file) == 0 && before->label != p->label)
      return cvy_error(CVY_E_INPUT, "%s:%" PRId64 ": %s is '%s' here, and '%s' in line %" PRId64 "%s%s",
                       p->list->path, row_of(p)->line, row_of(p)->fields[p->list->path_column],
                       cvy_list_label(p->list, p->row), cvy_list_label(before->list, before->row),
                       row_of(before)->line, same_list ? "" : " of ", same_list ? "" : before->list->path);
  }
  return CVY_OK;
}

static cvy_err find_file(cvy_source *out, picture *p) {
  struct stat info;
  CVY_TRY_IN(cvy_list_find(&p->file, &p->name, &p->list->paths, row_of(p)->fields[p->list->path_column]),
             "%s:%" PRId64, p->list->path, row_of(p)->line);
  if (stat(p->file, &info) == 0) out->encoded_bytes += info.st_size;
  return CVY_OK;
}

/* ---- the reader ---- */

static cvy_err add_pictures(cvy_source *out, bool said) {
  state *s = out->state;
  cvy_classes classes;
  int64_t count = 0;
  for (int64_t k = 0; k < s->list_count; k++) count += s->lists[k].table.count - s->lists[k].first;
  s->pictures = cvy_pool_new(s->common.pool, sizeof *s->pictures * (size_t)count);
  for (int64_t k = 0; k < s->list_count; k++)
    for (int64_t i = s->lists[k].first; i < s->lists[k].table.count; i++)
      s->pictures[out->count++] = (picture){.list = &s->lists[k], .row = i};
  CVY_TRY(find_classes(&classes, s, count, said));
  out->class_count = classes.count;
  out->class_names = classes.names;
  for (picture *p = s->pictures; p < s->pictures + count; p++) {
    p->label = (int32_t)cvy_classes_find(&classes, cvy_list_label(p->list, p->row));
    CVY_TRY(find_file(out, p));
  }
  return check_contradictions(s, count);
}

/* Cuts an input into the list's path, in `pool`, and the split behind a colon; NULL: there is none. */
static const char *cut_input(const char **split, cvy_pool *pool, const char *input) {
  const char *path, *part;
  cvy_split_input(&path, &part, pool, input);
  *split = part ? cvy_split_called(part) : NULL;
  return cvy_pool_format(pool, "%s", *split ? path : input);
}

static cvy_err read_list(cvy_list *out, cvy_bytes *file, cvy_pool *pool, const config *c, const char *list) {
  const char *slash = strrchr(list, '/');
  const char *dir = slash ? cvy_pool_format(pool, "%.*s", (int)(slash - list), list) : ".";
  if (cvy_is_folder(list)) return cvy_error(CVY_E_INPUT, "%s: a folder; expected a list of pictures", list);
  if (c->root[0] && !cvy_is_folder(c->root))
    return cvy_error(CVY_E_USAGE, "--root %s: no such folder", c->root);
  CVY_TRY(cvy_bytes_read(file, list));
  *out = (cvy_list){.path = list,
                    .paths = {.pool = pool,
                              .root = c->root[0] ? c->root : dir,
                              .root_is_said = c->root[0],
                              .encoding = c->encoding}};
  CVY_TRY(cvy_text_to_utf8(file, &out->paths.encoding, list));
  return cvy_list_read(out, file->data, file->count, &c->columns);
}

static cvy_err open_state(cvy_source *out, const config *c, const char *const *inputs, int64_t input_count) {
  state *s = out->state;
  const char *split;
  if (input_count == 0) return cvy_error(CVY_E_USAGE, "csv: which list? A split is one list or several");
  s->lists = cvy_pool_new(s->common.pool, sizeof *s->lists * (size_t)input_count);
  for (; s->list_count < input_count; s->list_count++) {
    cvy_list *list = &s->lists[s->list_count];
    for (int64_t i = 0; i < s->list_count; i++)
      if (strcmp(inputs[i], inputs[s->list_count]) == 0)
        return cvy_error(CVY_E_USAGE, "csv: %s is given twice", inputs[i]);
    const char *path = cut_input(&split, s->common.pool, inputs[s->list_count]);
    CVY_TRY(read_list(list, &s->common.delivery.file, s->common.pool, c, path));
    CVY_TRY(cvy_list_keep_split(list, split));
  }
  return add_pictures(out, c->columns.label_column[0]);
}

static cvy_err open_csv(cvy_source *out, const void *config_, const char *const *inputs, int64_t input_count,
                        int64_t h, int64_t w, uint64_t seed) {
  const config *c = config_;
  (void)seed;
  cvy_pictures_begin(out, sizeof(state), c->colour, h, w);
  return cvy_pictures_opened(out, open_state(out, c, inputs, input_count), cvy_pictures_end);
}

static void csv_again(cvy_source *out, const cvy_source *first) {
  cvy_pictures_share(out, first, sizeof(state));
}

static cvy_err read_csv(cvy_record *out, cvy_source *source, int64_t index) {
  state *s = source->state;
  const picture *p = &s->pictures[index];
  snprintf(s->common.delivery.name, sizeof s->common.delivery.name, "%s", p->name);
  *out = (cvy_record){.label = p->label, .name = s->common.delivery.name};
  CVY_TRY(cvy_pictures_read(&s->common.delivery, p->file));
  return cvy_pictures_deliver(out, &s->common.delivery, source);
}

/* Finds the splits that a column of the list tells. A list that cannot be read without options has none here;
 * opening it with them says how to name its splits. */
static cvy_err find_splits(cvy_prepare_input **out, int64_t *count, cvy_pool *pool, const char *input) {
  const config c = {.columns = {.path_column = "", .label_column = ""}, .root = "", .encoding = ""};
  const char *split, *splits[CVY_LIST_SPLITS], *path = cut_input(&split, pool, input);
  cvy_bytes file = {0};
  cvy_list list;
  *count = 0;
  if (!split && !read_list(&list, &file, pool, &c, path))
    cvy_splits_called(out, count, pool, cvy_pool_format(pool, "%s:", path), splits,
                      cvy_list_splits(splits, &list));
  cvy_bytes_free(&file);
  return CVY_OK;
}

/* Tells whether a file is called like a list and begins with text. */
static bool fits(const cvy_glimpse *g) {
  static const char *const endings[] = {".csv", ".tsv", ".lst", ".txt"};
  const char *dot = strrchr(g->path, '.');
  for (int64_t i = 0; i < CVY_COUNT(endings) && dot; i++)
    if (strcasecmp(dot, endings[i]) == 0) return cvy_glimpse_is_text(g);
  return false;
}

static const char *const separator_words[] = {"auto", "comma", "semicolon", "tab", "blank", "blanks", NULL};
static const char *const header_words[] = {"auto", "yes", "no", NULL};
static const cvy_option options[] = {
    {"separator", CVY_CHOICE, offsetof(config, columns.separator), "auto", .words = separator_words,
     .help = "between fields; blank: the last one divides path and label, blanks: all divide; auto: with "
             "which the first rows name pictures"},
    {"header", CVY_CHOICE, offsetof(config, columns.header), "auto", .words = header_words,
     .help = "whether the first row names the columns; auto: if it names no file and no path"},
    {"path-column", CVY_STRING, offsetof(config, columns.path_column), "",
     .help = "the header's word, or number from 1, of the paths; none: found"},
    {"label-column", CVY_STRING, offsetof(config, columns.label_column), "",
     .help = "the same of the labels"},
    {"root", CVY_STRING, offsetof(config, root), "",
     .help = "the folder to which paths are relative; none: the list's"},
    {"encoding", CVY_STRING, offsetof(config, encoding), "",
     .help = "the list's: windows-1252, latin-1, utf-16, or what else iconv knows; none: UTF-8, or what a "
             "mark in front says"},
    {"colour", CVY_CHOICE, offsetof(config, colour), "rgb", .words = cvy_colour_words,
     .help = "channels of the pictures"},
    {0},
};

const cvy_reader cvy_reader_csv = {
    .kind = &(const cvy_kind){"csv",
                              "a list of pictures: path and label, divided by comma, semicolon, tab or blank",
                              options, sizeof(config)},
    .keeps_files = true,
    .find_splits = find_splits,
    .open = open_csv,
    .read = read_csv,
    .close = cvy_pictures_end,
    .again = csv_again,
    .fits = fits,
};
