/* The binary version of CIFAR-10 and CIFAR-100 (A. Krizhevsky 2009, "Learning multiple layers of features
 * from tiny images"), from its files, the folder that holds them, or the archive as it is downloaded. */
#include "datasets/cifar.h"

#include "archive/file_tree.h"
#include "archive/unpack.h"

#include <stdlib.h>
#include <string.h>

enum { SIDE = 32, PLANE = SIDE * SIDE, SAMPLES = 3 * PLANE, MAX_FILES = 16 };

static const char *const parts[2] = {"train", "test"};

typedef struct file {
  const cvy_file_tree *tree;
  cvy_member member;
  const char *name;
  int64_t first, count; /* records */
} file;

typedef struct state {
  const cvy_cifar *set;
  cvy_pool *pool;
  cvy_file_tree *trees[MAX_FILES];
  int64_t tree_count;
  file files[MAX_FILES];
  int64_t file_count;
  uint8_t *labels;
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

static cvy_err add_file(state *s, const cvy_file_tree *tree, const cvy_member *member) {
  char name[4352];
  const int64_t record = s->set->label_bytes + SAMPLES;
  if (s->file_count == MAX_FILES)
    return cvy_error(CVY_E_USAGE, "%s: more than %d files", s->set->reader, MAX_FILES);
  cvy_file_tree_name(name, sizeof name, tree, member);
  if (member->size == 0 || member->size % record != 0)
    return cvy_error(CVY_E_INPUT,
                     "%s: %" PRId64 " bytes; expected whole records of %" PRId64
                     " bytes (%s is read in its binary version)",
                     name, member->size, record, s->set->reader);
  file *f = &s->files[s->file_count++];
  *f = (file){.tree = tree, .member = *member, .name = cvy_pool_format(s->pool, "%s", name)};
  f->count = member->size / record;
  f->first = s->file_count > 1 ? f[-1].first + f[-1].count : 0;
  return CVY_OK;
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

static cvy_err add_part(state *s, const cvy_file_tree *tree, const char *part) {
  const cvy_member *members[2][MAX_FILES];
  bool found[2];
  for (int i = 0; i < 2; i++) CVY_TRY(find_part(members[i], &found[i], tree, s->set->files[i]));
  int which = found[0] ? 0 : 1;
  if (part) which = strcmp(part, parts[1]) == 0;
  if (part && strcmp(part, parts[which]) != 0)
    return cvy_error(CVY_E_USAGE, "%s:%s: the parts of %s are train and test", tree->path, part,
                     s->set->reader);
  if (!part && found[0] && found[1])
    return cvy_error(CVY_E_INPUT,
                     "%s: holds train and test; give it alone and both become splits, or one as %s:train",
                     tree->path, tree->path);
  if (!found[which]) return cvy_error(CVY_E_INPUT, "%s: no '%s' in it", tree->path, s->set->files[which][0]);
  for (int64_t i = 0; s->set->files[which][i]; i++) CVY_TRY(add_file(s, tree, members[which][i]));
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

/* ---- labels ---- */

static cvy_err read_labels(state *s) {
  const file *last = &s->files[s->file_count - 1];
  const int64_t record = s->set->label_bytes + SAMPLES;
  s->labels = cvy_pool_new(s->pool, (size_t)(last->first + last->count));
  for (int64_t i = 0; i < s->file_count; i++) {
    const file *f = &s->files[i];
    CVY_TRY(cvy_file_tree_read(&s->whole, f->tree, &f->member));
    for (int64_t k = 0; k < f->count; k++) {
      const uint8_t label = s->whole.data[k * record + s->set->label];
      if (label >= s->set->class_count)
        return cvy_error(CVY_E_INPUT, "%s: record %" PRId64 ": label %d; expected 0 to %" PRId64, f->name, k,
                         label, s->set->class_count - 1);
      s->labels[f->first + k] = label;
    }
  }
  cvy_bytes_free(&s->whole);
  return CVY_OK;
}

/* ---- the reader ---- */

cvy_err cvy_cifar_find_splits(cvy_prepare_input **out, int64_t *count, cvy_pool *pool, const char *path,
                              const cvy_cifar *set) {
  static const char *const splits[2] = {"train", "val"};
  const cvy_member *members[MAX_FILES];
  bool found[2] = {false};
  cvy_file_tree *tree;
  *count = 0;
  if (is_single(path)) return CVY_OK;
  CVY_TRY(cvy_file_tree_open(&tree, path));
  cvy_err err = CVY_OK;
  for (int i = 0; i < 2 && !err; i++) err = find_part(members, &found[i], tree, set->files[i]);
  if (!err) cvy_file_tree_keep(tree);
  cvy_file_tree_close(tree);
  if (err || !found[0] || !found[1]) return err;
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
    return cvy_error(CVY_E_USAGE, "%s: which files? a split is .bin files, their folder or their archive",
                     s->set->reader);
  for (int64_t i = 0; i < input_count; i++) CVY_TRY(add_input(s, inputs[i]));
  return read_labels(s);
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
  const int64_t place = index - f->first, record = s->set->label_bytes + SAMPLES;
  snprintf(s->name, sizeof s->name, "%s: record %" PRId64, f->name, place);
  *out = (cvy_record){.label = s->labels[index], .name = s->name};
  CVY_TRY(cvy_file_tree_read_at(planes, f->tree, &f->member, place * record + s->set->label_bytes, SAMPLES));
  cvy_image_resize_buffer(&s->stored, SIDE, SIDE, 3);
  for (int64_t i = 0; i < PLANE; i++)
    for (int64_t k = 0; k < 3; k++) s->stored.px[i * 3 + k] = planes[k * PLANE + i];
  const bool scaled = s->h != SIDE || s->w != SIDE;
  if (scaled) cvy_image_scale(&s->scaled, &s->stored, s->h, s->w);
  out->image = scaled ? s->scaled : s->stored;
  return CVY_OK;
}
