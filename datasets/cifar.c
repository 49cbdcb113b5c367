/* The binary and the Python version of CIFAR-10 and CIFAR-100 (A. Krizhevsky 2009, "Learning multiple layers
 * of features from tiny images"), from its files, the folder that holds them, or the archive as it is
 * downloaded. */
#include "datasets/cifar.h"

#include "archive/file_tree.h"
#include "archive/pickle.h"
#include "archive/unpack.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum { SIDE = 32, PLANE = SIDE * SIDE, SAMPLES = 3 * PLANE, MAX_FILES = 16 };

static const char *const parts[2] = {"train", "test"};

typedef struct file {
  const cvy_file_tree *tree;
  cvy_member member;
  const char *name;
  int64_t first, count;  /* records */
  int64_t begin, stride; /* in bytes: where the first record's samples lie, and how far the next lie behind */
  const uint8_t *held;   /* all samples, if a pickle has them in another form; NULL: they lie in the member */
  uint8_t *labels;
} file;

typedef struct state {
  const cvy_cifar *set;
  cvy_pool *pool;
  cvy_file_tree *trees[MAX_FILES];
  int64_t tree_count;
  file files[MAX_FILES];
  int64_t file_count;
  int64_t h, w;
  bool borrows; /* all but what follows belongs to the source it came of */
  cvy_bytes whole;
  cvy_image stored, scaled;
  char name[4352];
} state;

/* ---- files ---- */

/* Returns the member of that name in any folder of the tree. */
static const cvy_member *find_file(const cvy_file_tree *tree, const char *name) {
  for (int64_t i = 0; i < tree->members.count; i++) {
    const cvy_member *m = &tree->members.items[i];
    const char *slash = strrchr(m->name, '/');
    if (!m->folder && strcmp(slash ? slash + 1 : m->name, name) == 0) return m;
  }
  return NULL;
}

static cvy_err put_label(file *f, const cvy_cifar *set, int64_t place, int64_t label) {
  if (label < 0 || label >= set->class_count)
    return cvy_error(CVY_E_INPUT, "%s: record %" PRId64 ": label %" PRId64 "; expected 0 to %" PRId64,
                     f->name, place, label, set->class_count - 1);
  f->labels[place] = (uint8_t)label;
  return CVY_OK;
}

static cvy_err fill_from_binary(file *f, state *s) {
  const cvy_cifar *set = s->set;
  f->begin = set->label_bytes;
  f->stride = set->label_bytes + SAMPLES;
  if (f->member.size == 0 || f->member.size % f->stride != 0)
    return cvy_error(CVY_E_INPUT,
                     "%s: %" PRId64 " bytes; expected whole records of %" PRId64
                     " bytes, as the binary version of %s has them, or a pickle of its Python version",
                     f->name, f->member.size, f->stride, set->reader);
  f->count = f->member.size / f->stride;
  f->labels = cvy_pool_new(s->pool, (size_t)f->count);
  for (int64_t k = 0; k < f->count; k++)
    CVY_TRY(put_label(f, set, k, s->whole.data[k * f->stride + set->label]));
  return CVY_OK;
}

/* ---- the Python version ---- */

/* No label of the binary version is so large that it could begin like a pickle. */
static bool is_pickle(const cvy_bytes *bytes) {
  const uint8_t *p = bytes->data;
  if (bytes->count < 2) return false;
  return (p[0] == 0x80 && p[1] <= 5) || p[0] == '}' || (p[0] == '(' && p[1] == 'd');
}

/* Writes what an array is: "uint8 [3][3072]", "float64 [3][3072] in Fortran's order". */
static void describe_array(char out[160], const cvy_pickle_array *array) {
  const char *kind = array->kind == 'u' ? "uint" : array->kind == 'i' ? "int" : "float";
  cvy_text text = cvy_text_in(out, 160);
  if (array->kind == 'b')
    cvy_text_add(&text, "bool ");
  else
    cvy_text_add(&text, "%s%" PRId64 " ", kind, 8 * array->item_size);
  for (int64_t i = 0; i < array->rank; i++) cvy_text_add(&text, "[%" PRId64 "]", array->dims[i]);
  if (array->fortran) cvy_text_add(&text, " in Fortran's order");
}

static bool has_samples(const cvy_pickle_array *a) {
  const bool flat = a->rank == 2 && a->dims[1] == SAMPLES;
  const bool planes = a->rank == 4 && a->dims[1] == 3 && a->dims[2] == SIDE && a->dims[3] == SIDE;
  return a->kind == 'u' && a->item_size == 1 && !a->fortran && (flat || planes) && a->dims[0] > 0;
}

static cvy_err take_samples(file *f, state *s, const cvy_pickle *dict) {
  const cvy_pickle *data = cvy_pickle_get(dict, "data");
  cvy_pickle_array array;
  char found[160];
  if (!data) return cvy_error(CVY_E_INPUT, "%s: a pickle without 'data'", f->name);
  CVY_TRY(cvy_pickle_to_array(&array, data, f->name));
  describe_array(found, &array);
  if (!has_samples(&array))
    return cvy_error(CVY_E_INPUT,
                     "%s: its 'data' is %s; expected uint8 [records][%d] or [records][3][%d][%d], the last "
                     "index running fastest",
                     f->name, found, SAMPLES, SIDE, SIDE);
  f->count = array.dims[0];
  f->stride = SAMPLES;
  const uint8_t *whole = s->whole.data;
  if (array.data >= whole && array.data < whole + s->whole.count) {
    f->begin = array.data - whole;
    return CVY_OK;
  }
  uint8_t *held = cvy_pool_new(s->pool, array.byte_count);
  memcpy(held, array.data, array.byte_count);
  f->held = held;
  return CVY_OK;
}

/* Tells whether a whole number is beyond 64 bits. */
static bool is_huge(const cvy_pickle *value) {
  return value->type == CVY_PICKLE_INT && value->whole == 0 && value->byte_count > 8;
}

static bool are_integers(const cvy_pickle_array *array) {
  return array->kind == 'u' || array->kind == 'i';
}

/* Refuses a value among the labels that is no whole number, and says what it is. */
static cvy_err no_label(const file *f, int64_t place, const cvy_pickle *value) {
  char text[160] = "an object";
  cvy_pickle_array array;
  const int length = value->byte_count < 40 ? (int)value->byte_count : 40;
  if (value->type == CVY_PICKLE_FLOAT) snprintf(text, sizeof text, "the float %g", value->number);
  if (value->type == CVY_PICKLE_BOOL) snprintf(text, sizeof text, value->whole ? "True" : "False");
  if (is_huge(value)) snprintf(text, sizeof text, "a number beyond 64 bits");
  if (value->type == CVY_PICKLE_NONE) snprintf(text, sizeof text, "None");
  if (value->type == CVY_PICKLE_LIST || value->type == CVY_PICKLE_TUPLE)
    snprintf(text, sizeof text, "a list");
  if (value->type == CVY_PICKLE_TEXT || value->type == CVY_PICKLE_BYTES)
    snprintf(text, sizeof text, "the text '%.*s'", length, (const char *)value->bytes);
  if (value->type == CVY_PICKLE_CALL && !cvy_pickle_to_array(&array, value, "")) describe_array(text, &array);
  return cvy_error(CVY_E_INPUT, "%s: record %" PRId64 ": its label is %s; expected a whole number", f->name,
                   place, text);
}

static cvy_err read_label(int64_t *out, const file *f, int64_t place, const cvy_pickle *value) {
  cvy_pickle_array number;
  *out = value->whole;
  if (value->type == CVY_PICKLE_INT && !is_huge(value)) return CVY_OK;
  if (value->type != CVY_PICKLE_CALL || cvy_pickle_to_array(&number, value, f->name) || number.rank > 0 ||
      !are_integers(&number))
    return no_label(f, place, value);
  *out = cvy_pickle_integer_at(&number, 0);
  return CVY_OK;
}

/* Finds the labels in a list, or else in an array of NumPy; *count receives how many there are. */
static cvy_err find_labels(int64_t *count, cvy_pickle_array *array, const file *f, const cvy_pickle *labels,
                           const char *key) {
  char found[160];
  *count = labels ? labels->count : 0;
  if (labels && (labels->type == CVY_PICKLE_LIST || labels->type == CVY_PICKLE_TUPLE)) return CVY_OK;
  if (!labels || labels->type != CVY_PICKLE_CALL)
    return cvy_error(CVY_E_INPUT, "%s: a pickle without the list '%s'", f->name, key);
  CVY_TRY(cvy_pickle_to_array(array, labels, f->name));
  *count = array->rank > 0 ? array->dims[0] : 0;
  describe_array(found, array);
  const bool row = array->rank == 1 || (array->rank == 2 && array->dims[1] == 1);
  if (row && are_integers(array)) return CVY_OK;
  return cvy_error(CVY_E_INPUT, "%s: its '%s' is %s; expected whole numbers, [records]", f->name, key, found);
}

static cvy_err take_labels(file *f, state *s, const cvy_pickle *dict) {
  const cvy_pickle *labels = cvy_pickle_get(dict, s->set->pickled_labels);
  cvy_pickle_array array = {0};
  int64_t count, label;
  CVY_TRY(find_labels(&count, &array, f, labels, s->set->pickled_labels));
  if (count != f->count)
    return cvy_error(CVY_E_INPUT, "%s: %" PRId64 " pictures, but %" PRId64 " labels", f->name, f->count,
                     count);
  f->labels = cvy_pool_new(s->pool, (size_t)f->count);
  for (int64_t k = 0; k < f->count; k++) {
    if (array.data)
      label = cvy_pickle_integer_at(&array, k);
    else
      CVY_TRY(read_label(&label, f, k, labels->items[k]));
    CVY_TRY(put_label(f, s->set, k, label));
  }
  return CVY_OK;
}

static cvy_err take_pickled(file *f, state *s, cvy_pool *pool) {
  cvy_pickle *dict;
  size_t used;
  CVY_TRY(cvy_pickle_read(&dict, &used, pool, s->whole.data, s->whole.count, f->name));
  CVY_TRY(take_samples(f, s, dict));
  return take_labels(f, s, dict);
}

static cvy_err fill_from_pickle(file *f, state *s) {
  cvy_pool *pool = cvy_pool_create();
  const cvy_err err = take_pickled(f, s, pool);
  cvy_pool_destroy(pool);
  return err;
}

/* ---- which files ---- */

static cvy_err add_file(state *s, const cvy_file_tree *tree, const cvy_member *member) {
  char name[4352];
  if (s->file_count == MAX_FILES)
    return cvy_error(CVY_E_USAGE, "%s: more than %d files", s->set->reader, MAX_FILES);
  cvy_file_tree_name(name, sizeof name, tree, member);
  file *f = &s->files[s->file_count++];
  *f = (file){.tree = tree, .member = *member, .name = cvy_pool_format(s->pool, "%s", name)};
  f->first = s->file_count > 1 ? f[-1].first + f[-1].count : 0;
  CVY_TRY(cvy_file_tree_read(&s->whole, tree, member));
  return is_pickle(&s->whole) ? fill_from_pickle(f, s) : fill_from_binary(f, s);
}

/* Finds the files of one part; *found is false if none is there. If only some are there, that is an error. */
static cvy_err find_part(const cvy_member **out, bool *found, const cvy_file_tree *tree,
                         const char *const *names) {
  const char *there = NULL, *missing = NULL;
  for (int64_t i = 0; names[i]; i++) {
    out[i] = find_file(tree, names[i]);
    if (out[i])
      there = names[i];
    else
      missing = names[i];
  }
  *found = there;
  if (there && missing)
    return cvy_error(CVY_E_INPUT, "%s: '%s' is there, but not '%s'", tree->path, there, missing);
  return CVY_OK;
}

typedef struct cifar_part {
  const cvy_member *members[MAX_FILES];
  const char *const *names; /* of the part's files in the version that was found */
  bool found;
} cifar_part;

/* Finds train and test, in the binary version or else in Python's. */
static cvy_err find_parts(cifar_part found[2], const cvy_file_tree *tree, const cvy_cifar *set) {
  for (int version = 0; version < 2; version++) {
    for (int i = 0; i < 2; i++) {
      found[i].names = version ? set->pickles[i] : set->files[i];
      CVY_TRY(find_part(found[i].members, &found[i].found, tree, found[i].names));
    }
    if (found[0].found || found[1].found) return CVY_OK;
  }
  return CVY_OK;
}

static cvy_err add_part(state *s, const cvy_file_tree *tree, const char *said) {
  cifar_part found[2];
  CVY_TRY(find_parts(found, tree, s->set));
  int which = found[0].found ? 0 : 1;
  if (said) which = strcmp(said, parts[1]) == 0;
  if (said && strcmp(said, parts[which]) != 0)
    return cvy_error(CVY_E_USAGE, "%s:%s: the parts of %s are train and test", tree->path, said,
                     s->set->reader);
  if (!said && found[0].found && found[1].found)
    return cvy_error(CVY_E_INPUT,
                     "%s: holds train and test; give it alone and both become splits, or one as %s:train",
                     tree->path, tree->path);
  if (!found[which].found)
    return cvy_error(CVY_E_INPUT, "%s: no '%s' in it, nor '%s' of the Python version", tree->path,
                     s->set->files[which][0], s->set->pickles[which][0]);
  for (int64_t i = 0; found[which].names[i]; i++) CVY_TRY(add_file(s, tree, found[which].members[i]));
  return CVY_OK;
}

static bool is_single(const char *path) {
  return !cvy_is_folder(path) && !cvy_is_archive(path);
}

static cvy_err add_input(state *s, const char *input) {
  const char *path, *part;
  cvy_split_input(&path, &part, s->pool, input);
  if (s->tree_count == MAX_FILES)
    return cvy_error(CVY_E_USAGE, "%s: more than %d inputs", s->set->reader, MAX_FILES);
  const bool single = is_single(path);
  cvy_file_tree *tree;
  CVY_TRY((single ? cvy_file_tree_open_file : cvy_file_tree_open)(&tree, path));
  s->trees[s->tree_count++] = tree;
  return single ? add_file(s, tree, &tree->members.items[0]) : add_part(s, tree, part);
}

/* ---- the reader ---- */

static cvy_err one_part(const cifar_part found[2], const char *path) {
  const int has = found[1].found;
  return cvy_error(CVY_E_INPUT, "%s: '%s' is there, but not '%s'; %s:%s takes what is there, cut by --split",
                   path, found[has].names[0], found[1 - has].names[0], path, parts[has]);
}

cvy_err cvy_cifar_find_splits(cvy_prepare_input **out, int64_t *count, cvy_pool *pool, const char *path,
                              const cvy_cifar *set) {
  static const char *const splits[2] = {"train", "val"};
  cifar_part found[2];
  cvy_file_tree *tree;
  *count = 0;
  if (is_single(path)) return CVY_OK;
  CVY_TRY(cvy_file_tree_open(&tree, path));
  cvy_err err = find_parts(found, tree, set);
  if (!err && found[0].found != found[1].found) err = one_part(found, path);
  if (!err) cvy_file_tree_keep(tree);
  cvy_file_tree_close(tree);
  if (err || !found[0].found) return err;
  *out = cvy_pool_new(pool, 2 * sizeof **out);
  for (int i = 0; i < 2; i++)
    (*out)[(*count)++] = (cvy_prepare_input){splits[i], cvy_pool_format(pool, "%s:%s", path, parts[i])};
  return CVY_OK;
}

void cvy_cifar_close(cvy_source *source) {
  state *s = source->state;
  for (int64_t i = 0; i < s->tree_count && !s->borrows; i++) cvy_file_tree_close(s->trees[i]);
  cvy_bytes_free(&s->whole);
  cvy_image_free(&s->stored);
  cvy_image_free(&s->scaled);
  if (!s->borrows) cvy_pool_destroy(s->pool);
  free(s);
}

static cvy_err open_state(state *s, const char *const *inputs, int64_t input_count) {
  if (input_count == 0)
    return cvy_error(CVY_E_USAGE, "%s: which files? a split is its files, their folder or their archive",
                     s->set->reader);
  for (int64_t i = 0; i < input_count; i++) CVY_TRY(add_input(s, inputs[i]));
  cvy_bytes_free(&s->whole);
  return CVY_OK;
}

cvy_err cvy_cifar_open(cvy_source *out, const cvy_cifar *set, const char *const *inputs, int64_t input_count,
                       int64_t h, int64_t w) {
  state *s = cvy_new(sizeof *s);
  s->set = set;
  s->pool = cvy_pool_create();
  s->h = h > 0 ? h : SIDE;
  s->w = w > 0 ? w : SIDE;
  *out = (cvy_source){.state = s,
                      .class_count = set->class_count,
                      .class_names = set->class_names,
                      .h = s->h,
                      .w = s->w,
                      .c = 3};
  const cvy_err err = open_state(s, inputs, input_count);
  if (err) {
    cvy_cifar_close(out);
    *out = (cvy_source){0};
    return err;
  }
  const file *last = &s->files[s->file_count - 1];
  out->count = last->first + last->count;
  return CVY_OK;
}

void cvy_cifar_again(cvy_source *out, const cvy_source *first) {
  state *s = cvy_new(sizeof *s);
  *s = *(const state *)first->state;
  s->borrows = true;
  s->whole = (cvy_bytes){0};
  s->stored = s->scaled = (cvy_image){0};
  *out = *first;
  out->state = s;
}

cvy_err cvy_cifar_read(cvy_record *out, cvy_source *source, int64_t index) {
  state *s = source->state;
  const file *f = s->files;
  uint8_t planes[SAMPLES];
  while (index >= f->first + f->count) f++;
  const int64_t place = index - f->first, at = f->begin + place * f->stride;
  snprintf(s->name, sizeof s->name, "%s: record %" PRId64, f->name, place);
  *out = (cvy_record){.label = f->labels[place], .name = s->name};
  if (f->held)
    memcpy(planes, f->held + at, SAMPLES);
  else
    CVY_TRY(cvy_file_tree_read_at(planes, f->tree, &f->member, at, SAMPLES));
  cvy_image_resize_buffer(&s->stored, SIDE, SIDE, 3);
  for (int64_t i = 0; i < PLANE; i++)
    for (int64_t k = 0; k < 3; k++) s->stored.px[i * 3 + k] = planes[k * PLANE + i];
  const bool scaled = s->h != SIDE || s->w != SIDE;
  if (scaled) cvy_image_scale(&s->scaled, &s->stored, s->h, s->w);
  out->image = scaled ? s->scaled : s->stored;
  return CVY_OK;
}
