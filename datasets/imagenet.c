/* ImageNet's classification set of 2012 to 2017, straight from its two archives.
 *
 * ILSVRC2012_img_train.tar holds 1,000 tars, "n01440764.tar", of pictures: the name is the class. Both
 * levels are listed by their headers, and a picture is read from its place in the outer tar.
 * ILSVRC2012_img_val.tar holds 50,000 pictures; what they show stands elsewhere, in one of
 *
 *   ILSVRC2012_val_00000001.JPEG n01751748               a synset a picture,
 *   ILSVRC2012_val_00000001.JPEG 65                      or its number, from 0 in the order of the synsets
 *   ILSVRC2012_val_00008726,n03995372 85 131 499 254     Kaggle's LOC_val_solution.csv
 *   490                                                  the development kit's: line i is picture i, a number
 *                                                        from 1 in an order of its own, that of meta.mat
 *
 * Classes are numbered in the order of their synsets, as they are everywhere but in the development kit. */
#include "archive/encoding.h"
#include "archive/file_tree.h"
#include "archive/matlab.h"
#include "archive/unpack.h"
#include "base/text.h"
#include "datasets/pictures.h"
#include "datasets/synsets.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct config {
  int colour;
} config;

typedef struct picture {
  const char *name;
  int64_t offset, size;
  int32_t label;
} picture;

/* The contents of a split's text files. */
typedef struct texts {
  const char *truth_path, *synset_path, *meta_path;
  cvy_lines truth;     /* the labels as read */
  cvy_synsets synsets; /* a list of all classes; count = 0: none given */
  cvy_synsets meta;    /* the development kit's: in the order of its own numbers, from 1 */
} texts;

typedef struct state {
  cvy_picture_state common;
  const char *tar;
  int fd;
  texts given;
  cvy_synsets classes;
  picture *pictures;
  int64_t count, capacity;
  int64_t *per_class;
} state;

/* ---- the development kit ---- */

static int64_t field_called(const cvy_matlab_structs *m, const char *name) {
  for (int64_t i = 0; i < m->field_count; i++)
    if (strcmp(m->field_names[i], name) == 0) return i;
  return -1;
}

/* Synsets without children are classes; they have the numbers 1 to 1,000. */
static cvy_err read_meta(state *s, const void *bytes, size_t count, const char *path) {
  cvy_matlab_structs m;
  CVY_TRY(cvy_matlab_read(&m, s->common.pool, bytes, count, "synsets", path));
  const int64_t id = field_called(&m, "ILSVRC2012_ID"), wnid = field_called(&m, "WNID"),
                words = field_called(&m, "words"), children = field_called(&m, "num_children");
  if (id < 0 || wnid < 0 || words < 0 || children < 0)
    return cvy_error(CVY_E_INPUT, "%s: the synsets have no ILSVRC2012_ID, WNID, words and num_children",
                     path);
  cvy_synsets *meta = &s->given.meta;
  *meta = (cvy_synsets){.items = cvy_pool_new(s->common.pool, sizeof *meta->items * (size_t)(m.count + 1))};
  for (int64_t i = 0; i < m.count; i++) meta->count += m.numbers[i * m.field_count + children] == 0;
  for (int64_t i = 0; i < m.count; i++) {
    const double *numbers = m.numbers + i * m.field_count;
    const char *const *text = m.texts + i * m.field_count;
    if (numbers[children] != 0) continue;
    const double n = numbers[id];
    if (!(n >= 1 && n <= (double)meta->count) || meta->items[(int64_t)n - 1].id || !text[wnid] ||
        !cvy_is_synset(text[wnid]))
      return cvy_error(CVY_E_INPUT,
                       "%s: synset %" PRId64 ": its ILSVRC2012_ID or WNID is missing, wrong or there twice",
                       path, i + 1);
    meta->items[(int64_t)n - 1] = cvy_synset_of(s->common.pool, text[wnid], text[words] ? text[words] : "");
  }
  s->given.meta_path = path;
  return CVY_OK;
}

static cvy_err read_devkit(state *s, const char *path) {
  static const char *const names[2] = {"meta.mat", "ILSVRC2012_validation_ground_truth.txt"};
  cvy_bytes *file = &s->common.delivery.file;
  cvy_file_tree *kit;
  CVY_TRY(cvy_file_tree_open(&kit, path));
  cvy_err err = CVY_OK;
  for (int k = 0; k < 2 && !err; k++) {
    const cvy_member *found = NULL;
    for (int64_t i = 0; i < kit->members.count; i++) {
      const char *slash = strrchr(kit->members.items[i].name, '/');
      if (slash && strcmp(slash + 1, names[k]) == 0) found = &kit->members.items[i];
    }
    const char *name = cvy_pool_format(s->common.pool, "%s: %s", path, names[k]);
    if (!found) err = cvy_error(CVY_E_INPUT, "%s: no '%s' in it", path, names[k]);
    if (!err) err = cvy_file_tree_read(file, kit, found);
    if (!err && k == 0) err = read_meta(s, file->data, file->count, name);
    if (!err && k == 1) err = cvy_text_by_mark(file, name);
    if (!err && k == 1 && !s->given.truth_path) {
      cvy_lines_read(&s->given.truth, s->common.pool, file->data, file->count);
      s->given.truth_path = name;
    }
  }
  cvy_file_tree_close(kit);
  return err;
}

/* ---- the inputs ---- */

static cvy_err twice(const char *what, const char *a, const char *b) {
  return cvy_error(CVY_E_INPUT, "%s and %s: both are %s", a, b, what);
}

static cvy_err read_text(state *s, const char *path) {
  cvy_bytes *file = &s->common.delivery.file;
  cvy_lines lines;
  texts *t = &s->given;
  CVY_TRY(cvy_bytes_read(file, path));
  if (file->count >= 6 && memcmp(file->data, "MATLAB", 6) == 0)
    return read_meta(s, file->data, file->count, path);
  CVY_TRY(cvy_text_by_mark(file, path));
  cvy_lines_read(&lines, s->common.pool, file->data, file->count);
  if (lines.count == 0) return cvy_error(CVY_E_INPUT, "%s: no line in it", path);
  if (cvy_is_synset(lines.items[0].first)) {
    if (t->synset_path) return twice("lists of synsets", t->synset_path, path);
    t->synset_path = path;
    return cvy_synsets_read(&t->synsets, s->common.pool, &lines, path);
  }
  if (t->truth_path) return twice("labels of pictures", t->truth_path, path);
  t->truth = lines;
  t->truth_path = path;
  return CVY_OK;
}

static bool is_devkit(const char *path) {
  const char *slash = strrchr(path, '/');
  return strstr(slash ? slash + 1 : path, "devkit");
}

static cvy_err read_inputs(state *s, const char *const *inputs, int64_t input_count) {
  for (int64_t i = 0; i < input_count; i++) {
    const char *path = cvy_pool_format(s->common.pool, "%s", inputs[i]);
    if (cvy_is_folder(path))
      return cvy_error(CVY_E_INPUT,
                       "%s: a folder; give it alone and without --split, or name the files of a split", path);
    if (!cvy_is_archive(path)) {
      CVY_TRY(read_text(s, path));
    } else if (is_devkit(path)) {
      CVY_TRY(read_devkit(s, path));
    } else {
      if (s->tar) return twice("archives of pictures; a split is one", s->tar, path);
      s->tar = path;
    }
  }
  if (s->tar) return CVY_OK;
  return cvy_error(
      input_count == 0 ? CVY_E_USAGE : CVY_E_INPUT,
      "imagenet%s%s: no archive of pictures; a split is ILSVRC2012_img_train.tar, or ILSVRC2012_img_val.tar "
      "and its labels",
      input_count > 0 ? ": " : "", input_count > 0 ? inputs[0] : "");
}

/* ---- classes ---- */

static cvy_err set_classes(state *s, const char **ids, int64_t count) {
  const texts *t = &s->given;
  cvy_synsets *c = &s->classes;
  if (t->synsets.count > 0) {
    *c = t->synsets;
  } else if (t->meta.count > 0) {
    *c = (cvy_synsets){cvy_pool_new(s->common.pool, sizeof *c->items * (size_t)t->meta.count), t->meta.count};
    memcpy(c->items, t->meta.items, sizeof *c->items * (size_t)c->count);
    if (!cvy_synsets_sort(c)) return cvy_error(CVY_E_INPUT, "%s: a synset comes twice", t->meta_path);
  } else {
    cvy_sort_by_text(ids, count, sizeof *ids);
    count = cvy_drop_repeats(ids, count);
    *c = (cvy_synsets){cvy_pool_new(s->common.pool, sizeof *c->items * (size_t)(count + 1)), count};
    for (int64_t k = 0; k < count; k++) c->items[k] = (cvy_synset){ids[k], ids[k]};
  }
  s->per_class = cvy_pool_new(s->common.pool, sizeof *s->per_class * (size_t)(c->count + 1));
  return CVY_OK;
}

static const char *classes_from(const state *s) {
  return s->given.synset_path ? s->given.synset_path : s->given.meta_path ? s->given.meta_path : s->tar;
}

static cvy_err class_of(int32_t *label, const state *s, const char *id, const char *where) {
  const int64_t k = cvy_synsets_find(&s->classes, id);
  if (k < 0) return cvy_error(CVY_E_INPUT, "%s: '%s' is no class of %s", where, id, classes_from(s));
  *label = (int32_t)k;
  return CVY_OK;
}

static void add_picture(state *s, const cvy_member *m, int32_t label) {
  if (s->count == s->capacity) {
    s->capacity = 2 * s->capacity + 1024;
    picture *more = cvy_pool_new(s->common.pool, sizeof *more * (size_t)s->capacity);
    if (s->count > 0) memcpy(more, s->pictures, sizeof *more * (size_t)s->count);
    s->pictures = more;
  }
  s->pictures[s->count++] = (picture){m->name, m->offset, m->size, label};
  s->per_class[label]++;
}

/* Drops what systems leave behind, such as "._n01440764.tar". */
static void pass_over(cvy_members *members) {
  int64_t kept = 0;
  for (int64_t i = 0; i < members->count; i++)
    if (!cvy_is_passed_over(members->items[i].name)) members->items[kept++] = members->items[i];
  members->count = kept;
}

/* ---- train: a tar of tars ---- */

static bool ends_in_tar(const char *name) {
  const char *dot = strrchr(name, '.');
  return dot && strcmp(dot, ".tar") == 0;
}

static const char *id_of_tar(cvy_pool *pool, const char *name) {
  const char *slash = strrchr(name, '/');
  const char *base = slash ? slash + 1 : name;
  return cvy_pool_format(pool, "%.*s", (int)(strlen(base) - 4), base);
}

/* The list of the inner tar lives in `pool`, which goes when its pictures are taken over. */
static cvy_err add_class(state *s, cvy_pool *pool, const cvy_member *tar, const char *id) {
  const char *path = cvy_pool_format(pool, "%s: %s", s->tar, tar->name);
  cvy_members members = {0};
  int32_t label = 0;
  CVY_TRY(class_of(&label, s, id, path));
  if (s->per_class[label] > 0) return cvy_error(CVY_E_INPUT, "%s: the class is there twice", path);
  CVY_TRY(cvy_tarball_list(&members, pool, s->fd, tar->offset, tar->offset + tar->size, path));
  pass_over(&members);
  for (int64_t i = 0; i < members.count; i++) {
    cvy_member *m = &members.items[i];
    m->name = cvy_pool_format(s->common.pool, "%s", m->name);
    if (ends_in_tar(m->name))
      return cvy_error(CVY_E_INPUT, "%s: '%s' is in it; expected the pictures of a class", path, m->name);
    if (!m->folder) add_picture(s, m, label);
  }
  return CVY_OK;
}

static cvy_err add_train(state *s, const cvy_members *tars) {
  const char **ids = cvy_pool_new(s->common.pool, sizeof *ids * (size_t)(tars->count + 1));
  int64_t n = 0;
  for (int64_t i = 0; i < tars->count; i++) {
    const cvy_member *m = &tars->items[i];
    if (m->folder) continue;
    if (!ends_in_tar(m->name) || !cvy_is_synset(id_of_tar(s->common.pool, m->name)))
      return cvy_error(CVY_E_INPUT, "%s: '%s'; expected one tar a class, such as n01440764.tar", s->tar,
                       m->name);
    ids[n++] = id_of_tar(s->common.pool, m->name);
  }
  CVY_TRY(set_classes(s, ids, n));
  const double start_s = cvy_now_s();
  bool shown = false;
  for (int64_t i = 0; i < tars->count; i++) {
    if (tars->items[i].folder) continue;
    cvy_pool *pool = cvy_pool_create();
    const cvy_err err = add_class(s, pool, &tars->items[i], id_of_tar(pool, tars->items[i].name));
    cvy_pool_destroy(pool);
    if (err) return err;
    if (cvy_now_s() - start_s < 2) continue;
    cvy_progress("listing %s: %" PRId64 " of %" PRId64 " classes", s->tar, i + 1, tars->count);
    shown = true;
  }
  if (shown) cvy_progress_end();
  return CVY_OK;
}

/* ---- val: pictures, and their labels elsewhere ---- */

typedef struct answer {
  const char *stem; /* "ILSVRC2012_val_00000001" */
  const char *text; /* a synset, or a number */
  int64_t line;
  bool taken;
} answer;

static bool is_whole(const char *text) {
  const size_t digits = strspn(text, "0123456789");
  return digits > 0 && digits < 10 && !text[digits];
}

/* Returns ILSVRC2012_val_00000001 of "dir/ILSVRC2012_val_00000001.JPEG". */
static const char *stem_of(cvy_pool *pool, const char *name) {
  const char *slash = strrchr(name, '/');
  const char *base = slash ? slash + 1 : name;
  return cvy_pool_format(pool, "%.*s", (int)strcspn(base, "."), base);
}

/* Reads a line of the development kit; its number means nothing without the kit's meta.mat. */
static cvy_err read_kit_answer(answer *out, const state *s, const cvy_line *line, int64_t index) {
  const cvy_synsets *meta = &s->given.meta;
  if (meta->count == 0)
    return cvy_error(
        CVY_E_INPUT,
        "%s: numbers in the development kit's own order; give its meta.mat or ILSVRC2012_devkit_t12.tar.gz "
        "too",
        s->given.truth_path);
  const long n = strtol(line->first, NULL, 10);
  if (!is_whole(line->first) || line->rest[0] || n < 1 || n > meta->count)
    return cvy_error(CVY_E_INPUT, "%s:%" PRId64 ": '%s'; expected a class from 1 to %" PRId64,
                     s->given.truth_path, line->number, line->first, meta->count);
  *out = (answer){cvy_pool_format(s->common.pool, "ILSVRC2012_val_%08" PRId64, index + 1),
                  meta->items[n - 1].id, line->number, false};
  return CVY_OK;
}

static cvy_err read_answer(answer *out, const state *s, const cvy_line *line) {
  const char *text = cvy_pool_format(s->common.pool, "%.*s", (int)strcspn(line->rest, " \t,"), line->rest);
  if (!cvy_is_synset(text) && !is_whole(text))
    return cvy_error(CVY_E_INPUT,
                     "%s:%" PRId64 ": '%s' for '%s'; expected a synset such as n01440764, or a number",
                     s->given.truth_path, line->number, text, line->first);
  *out = (answer){stem_of(s->common.pool, line->first), text, line->number, false};
  return CVY_OK;
}

static cvy_err read_answers(answer **out, int64_t *count, state *s) {
  const cvy_lines *lines = &s->given.truth;
  if (lines->count == 0) return cvy_error(CVY_E_INPUT, "%s: no line in it", s->given.truth_path);
  const bool kit = is_whole(lines->items[0].first) && !lines->items[0].rest[0];
  const int64_t first = strcmp(lines->items[0].first, "ImageId") == 0; /* Kaggle's header */
  answer *all = cvy_pool_new(s->common.pool, sizeof *all * (size_t)(lines->count + 1));
  *count = 0;
  for (int64_t i = first; i < lines->count; i++)
    CVY_TRY(kit ? read_kit_answer(&all[(*count)++], s, &lines->items[i], i)
                : read_answer(&all[(*count)++], s, &lines->items[i]));
  cvy_sort_by_text(all, *count, sizeof *all);
  for (int64_t i = 1; i < *count; i++)
    if (strcmp(all[i - 1].stem, all[i].stem) == 0)
      return cvy_error(CVY_E_INPUT, "%s:%" PRId64 ": '%s' for the second time", s->given.truth_path,
                       all[i].line, all[i].stem);
  *out = all;
  return CVY_OK;
}

static cvy_err label_of(int32_t *label, const state *s, const answer *a) {
  const char *where = cvy_pool_format(s->common.pool, "%s:%" PRId64, s->given.truth_path, a->line);
  if (!is_whole(a->text)) return class_of(label, s, a->text, where);
  const long n = strtol(a->text, NULL, 10);
  if (s->given.synsets.count == 0 && s->given.meta.count == 0)
    return cvy_error(CVY_E_INPUT,
                     "%s: class %ld by its number; give a list of synsets too, such as synset_words.txt",
                     where, n);
  if (n >= s->classes.count)
    return cvy_error(CVY_E_INPUT, "%s: class %ld; %s has 0 to %" PRId64, where, n, classes_from(s),
                     s->classes.count - 1);
  *label = (int32_t)n;
  return CVY_OK;
}

static cvy_err add_answered(state *s, const cvy_members *members, answer *answers, int64_t count) {
  for (int64_t i = 0; i < members->count; i++) {
    const cvy_member *m = &members->items[i];
    if (m->folder) continue;
    const int64_t index = cvy_find_by_text(answers, count, sizeof *answers, stem_of(s->common.pool, m->name));
    int32_t label = 0;
    if (index < 0)
      return cvy_error(CVY_E_INPUT, "%s: '%s' has no label in %s", s->tar, m->name, s->given.truth_path);
    if (answers[index].taken) return cvy_error(CVY_E_INPUT, "%s: '%s' is in it twice", s->tar, m->name);
    answers[index].taken = true;
    CVY_TRY(label_of(&label, s, &answers[index]));
    add_picture(s, m, label);
  }
  for (int64_t i = 0; i < count; i++)
    if (!answers[i].taken)
      return cvy_error(CVY_E_INPUT, "%s:%" PRId64 ": '%s' is not in %s", s->given.truth_path, answers[i].line,
                       answers[i].stem, s->tar);
  return CVY_OK;
}

static cvy_err add_val(state *s, const cvy_members *members) {
  answer *answers = NULL;
  int64_t count = 0;
  if (!s->given.truth_path)
    return cvy_error(CVY_E_INPUT,
                     "%s: holds pictures, not a tar a class, so it needs their labels: the development kit, "
                     "LOC_val_solution.csv, or lines of a picture's name and synset",
                     s->tar);
  CVY_TRY(read_answers(&answers, &count, s));
  const char **ids = cvy_pool_new(s->common.pool, sizeof *ids * (size_t)(count + 1));
  for (int64_t i = 0; i < count; i++) ids[i] = answers[i].text;
  CVY_TRY(set_classes(s, ids, count));
  return add_answered(s, members, answers, count);
}

/* ---- the reader ---- */

static void close_imagenet(cvy_source *source) {
  const state *s = source->state;
  if (!s->common.borrows && s->fd >= 0) close(s->fd);
  cvy_pictures_end(source);
}

static cvy_err open_state(cvy_source *out, const char *const *inputs, int64_t input_count) {
  state *s = out->state;
  cvy_members members;
  CVY_TRY(read_inputs(s, inputs, input_count));
  CVY_TRY(cvy_archive_open(&s->fd, &members, s->common.pool, s->tar));
  pass_over(&members);
  bool nested = false;
  for (int64_t i = 0; i < members.count; i++) nested |= ends_in_tar(members.items[i].name);
  CVY_TRY((nested ? add_train : add_val)(s, &members));
  for (int64_t i = 0; i < s->count; i++) out->encoded_bytes += s->pictures[i].size;
  out->count = s->count;
  out->class_count = s->classes.count;
  out->class_names = cvy_synsets_names(s->common.pool, &s->classes);
  out->class_sizes = s->per_class;
  return CVY_OK;
}

static cvy_err open_imagenet(cvy_source *out, const void *config_, const char *const *inputs,
                             int64_t input_count, int64_t h, int64_t w, uint64_t seed) {
  const config *c = config_;
  (void)seed;
  state *s = cvy_pictures_begin(out, sizeof *s, c->colour, h, w);
  s->fd = -1;
  return cvy_pictures_opened(out, open_state(out, inputs, input_count), close_imagenet);
}

static void imagenet_again(cvy_source *out, const cvy_source *first) {
  cvy_pictures_share(out, first, sizeof(state));
}

static cvy_err read_imagenet(cvy_record *out, cvy_source *source, int64_t index) {
  state *s = source->state;
  const picture *p = &s->pictures[index];
  cvy_bytes *file = &s->common.delivery.file;
  snprintf(s->common.delivery.name, sizeof s->common.delivery.name, "%s: %s", s->tar, p->name);
  *out = (cvy_record){.label = p->label, .name = s->common.delivery.name};
  CVY_TRY(cvy_pictures_reserve(&s->common.delivery, p->size));
  CVY_TRY(cvy_read_at(file->data, s->fd, p->offset, file->count, s->common.delivery.name));
  return cvy_pictures_deliver(out, &s->common.delivery, source);
}

/* ---- splits ---- */

/* Returns the first of `names` that is in the folder, in `pool`; NULL if there is none. */
static const char *first_of(cvy_pool *pool, const char *dir, const char *const *names) {
  for (; *names; names++) {
    const char *path = cvy_pool_format(pool, "%s/%s", dir, *names);
    if (access(path, F_OK) == 0) return path;
  }
  return NULL;
}

static void add_split(cvy_prepare_input *out, int64_t *count, const char *split, const char *const paths[4]) {
  for (int i = 0; paths[0] && i < 4; i++)
    if (paths[i]) out[(*count)++] = (cvy_prepare_input){split, paths[i]};
}

static cvy_err find_splits(cvy_prepare_input **out, int64_t *count, cvy_pool *pool, const char *dir) {
  static const char *const train_names[] = {"ILSVRC2012_img_train.tar", NULL};
  static const char *const val_names[] = {"ILSVRC2012_img_val.tar", NULL};
  static const char *const synset_names[] = {"synset_words.txt", "LOC_synset_mapping.txt", "synsets.txt",
                                             NULL};
  static const char *const truth_names[] = {"LOC_val_solution.csv", "val.txt", "ILSVRC2012_devkit_t12.tar.gz",
                                            "ILSVRC2012_validation_ground_truth.txt", NULL};
  static const char *const meta_names[] = {"meta.mat", NULL};
  *count = 0;
  if (!cvy_is_folder(dir)) return CVY_OK;
  const char *train = first_of(pool, dir, train_names), *val = first_of(pool, dir, val_names);
  const char *synsets = first_of(pool, dir, synset_names), *truth = first_of(pool, dir, truth_names);
  const char *meta = first_of(pool, dir, meta_names);
  if (!train && !val)
    return cvy_error(CVY_E_INPUT,
                     "%s: neither ILSVRC2012_img_train.tar nor ILSVRC2012_img_val.tar in this folder", dir);
  if (val && !truth)
    return cvy_error(CVY_E_INPUT,
                     "%s: ILSVRC2012_img_val.tar without its labels: one of ILSVRC2012_devkit_t12.tar.gz, "
                     "LOC_val_solution.csv and val.txt",
                     dir);
  /* Both splits take their classes from one place, so that they agree. */
  const char *kit = truth && is_devkit(truth) ? truth : NULL;
  *out = cvy_pool_new(pool, 8 * sizeof **out);
  add_split(*out, count, "train", (const char *const[]){train, synsets, meta, kit});
  add_split(*out, count, "val", (const char *const[]){val, synsets, meta, truth});
  return CVY_OK;
}

static bool fits(const cvy_glimpse *g) {
  return cvy_glimpse_has(g, "ILSVRC2012_img_train.tar") || cvy_glimpse_has(g, "n01440764.tar") ||
         cvy_glimpse_has(g, "ILSVRC2012_val_00000001.JPEG");
}

static const cvy_option options[] = {
    {"colour", CVY_CHOICE, offsetof(config, colour), "rgb", .words = cvy_colour_words,
     .help = "channels of the pictures"},
    {0},
};

const cvy_reader cvy_reader_imagenet = {
    .kind = &(const cvy_kind){"imagenet",
                              "ImageNet 2012, from ILSVRC2012_img_train.tar and _val.tar as they are",
                              options, sizeof(config)},
    .keeps_files = true,
    .find_splits = find_splits,
    .open = open_imagenet,
    .read = read_imagenet,
    .close = close_imagenet,
    .again = imagenet_again,
    .fits = fits,
};
