/* Tiny-ImageNet in its original layout: 200 of ImageNet's classes, 64x64, 500 pictures each for training,
 * 50 for validation.
 *
 *   wnids.txt                                 the classes' synsets, one a line
 *   words.txt                                 "synset words", of all WordNet
 *   train/n01443537/images/n01443537_0.JPEG
 *   val/images/val_0.JPEG                     the class stands in
 *   val/val_annotations.txt                   "val_0.JPEG n03444034 ..." (and a box)
 *
 * All of it lies beneath one folder, or in an archive. The test pictures have no labels and are left out. */
#include "archive/encoding.h"
#include "archive/file_tree.h"
#include "datasets/pictures.h"
#include "datasets/synsets.h"

#include <string.h>

typedef struct config {
  int colour;
} config;

typedef struct picture {
  const cvy_member *member;
  int32_t label;
} picture;

typedef struct state {
  cvy_picture_state common;
  cvy_file_tree *tree;
  const char *root; /* what stands before "train/" in the names */
  cvy_synsets synsets;
  picture *pictures;
  int64_t *per_class;
} state;

/* ---- the tree ---- */

/* Finds what stands before "train/" in the names, in `pool`; NULL if there is no folder train. */
static const char *find_root(cvy_pool *pool, const cvy_file_tree *tree) {
  for (int64_t i = 0; i < tree->members.count; i++) {
    const char *name = tree->members.items[i].name;
    for (const char *p = strstr(name, "train/"); p; p = strstr(p + 1, "train/"))
      if (p == name || p[-1] == '/') return cvy_pool_format(pool, "%.*s", (int)(p - name), name);
  }
  return NULL;
}

static const cvy_member *find_below(cvy_pool *pool, const cvy_file_tree *tree, const char *root,
                                    const char *name) {
  const char *path = cvy_pool_format(pool, "%s%s", root, name);
  return cvy_file_tree_find(tree, path, strlen(path));
}

/* Reads the lines of a file. *there is false if there is no such file. `path` receives its name for
 * errors. */
static cvy_err read_lines(cvy_lines *out, bool *there, const char **path, state *s, const char *name) {
  char full[4352];
  const cvy_member *m = find_below(s->common.pool, s->tree, s->root, name);
  *there = m;
  *out = (cvy_lines){0};
  if (!m) return CVY_OK;
  cvy_file_tree_name(full, sizeof full, s->tree, m);
  *path = cvy_pool_format(s->common.pool, "%s", full);
  CVY_TRY(cvy_file_tree_read(&s->common.delivery.file, s->tree, m));
  CVY_TRY(cvy_text_by_mark(&s->common.delivery.file, *path));
  cvy_lines_read(out, s->common.pool, s->common.delivery.file.data, s->common.delivery.file.count);
  return CVY_OK;
}

static bool has_member_below(const cvy_file_tree *tree, const char *before) {
  const size_t length = strlen(before);
  for (int64_t i = 0; i < tree->members.count; i++)
    if (strncmp(tree->members.items[i].name, before, length) == 0) return true;
  return false;
}

/* ---- classes ---- */

/* Where only a part of the set is there, its classes are those with a folder in train, also for val. */
static void keep_present(state *s, const char *path) {
  const int64_t listed = s->synsets.count;
  s->synsets.count = 0;
  for (int64_t k = 0; k < listed; k++) {
    const char *before = cvy_pool_format(s->common.pool, "%strain/%s/", s->root, s->synsets.items[k].id);
    if (has_member_below(s->tree, before)) s->synsets.items[s->synsets.count++] = s->synsets.items[k];
  }
  if (s->synsets.count < listed)
    cvy_log("%s: %" PRId64 " of its %" PRId64 " classes have a folder in train", path, s->synsets.count,
            listed);
}

static cvy_err read_synsets(state *s) {
  cvy_lines wnids, words;
  cvy_synsets known = {0};
  const char *path;
  bool there;
  CVY_TRY(read_lines(&wnids, &there, &path, s, "wnids.txt"));
  if (!there)
    return cvy_error(CVY_E_INPUT, "%s: no %swnids.txt in it, the list of the classes", s->tree->path,
                     s->root);
  CVY_TRY(cvy_synsets_read(&s->synsets, s->common.pool, &wnids, path));
  keep_present(s, path);
  if (s->synsets.count < 2)
    return cvy_error(CVY_E_INPUT, "%s: %" PRId64 " of its classes in train; a set has two or more", path,
                     s->synsets.count);
  CVY_TRY(read_lines(&words, &there, &path, s, "words.txt"));
  if (there) CVY_TRY(cvy_synsets_read(&known, s->common.pool, &words, path));
  for (int64_t k = 0; k < s->synsets.count; k++) {
    const int64_t i = cvy_synsets_find(&known, s->synsets.items[k].id);
    if (i >= 0) s->synsets.items[k].name = known.items[i].name;
  }
  return CVY_OK;
}

static cvy_err add_picture(cvy_source *out, const cvy_member *m, const char *id, const char *where) {
  state *s = out->state;
  const int64_t label = cvy_synsets_find(&s->synsets, id);
  if (label < 0)
    return cvy_error(CVY_E_INPUT, "%s: class '%s' is not in wnids.txt, or has no folder in train", where, id);
  s->pictures[out->count++] = (picture){m, (int32_t)label};
  s->per_class[label]++;
  out->encoded_bytes += m->size;
  return CVY_OK;
}

/* ---- train: the class is the folder's name ---- */

static cvy_err add_train(cvy_source *out) {
  state *s = out->state;
  const size_t root = strlen(s->root);
  for (int64_t i = 0; i < s->tree->members.count; i++) {
    const cvy_member *m = &s->tree->members.items[i];
    if (m->folder || strncmp(m->name, s->root, root) != 0 || strncmp(m->name + root, "train/", 6) != 0)
      continue;
    const char *id = m->name + root + 6, *slash = strchr(id, '/');
    if (!slash || strncmp(slash, "/images/", 8) != 0) continue; /* n01443537_boxes.txt */
    char where[4352];
    cvy_file_tree_name(where, sizeof where, s->tree, m);
    CVY_TRY(add_picture(out, m, cvy_pool_format(s->common.pool, "%.*s", (int)(slash - id), id), where));
  }
  return CVY_OK;
}

/* ---- val: the class stands in a list ---- */

static cvy_err check_all_listed(const cvy_source *source) {
  const state *s = source->state;
  const char *before = cvy_pool_format(s->common.pool, "%sval/images/", s->root);
  int64_t there = 0;
  for (int64_t i = 0; i < s->tree->members.count; i++)
    there += !s->tree->members.items[i].folder &&
             strncmp(s->tree->members.items[i].name, before, strlen(before)) == 0;
  if (there != source->count)
    return cvy_error(CVY_E_INPUT, "%s: %" PRId64 " pictures in %s, but val_annotations.txt lists %" PRId64,
                     s->tree->path, there, before, source->count);
  return CVY_OK;
}

static cvy_err add_val(cvy_source *out) {
  state *s = out->state;
  cvy_lines lines;
  const char *path;
  bool there;
  CVY_TRY(read_lines(&lines, &there, &path, s, "val/val_annotations.txt"));
  if (!there)
    return cvy_error(CVY_E_INPUT, "%s: no %sval/val_annotations.txt in it, the classes of val's pictures",
                     s->tree->path, s->root);
  for (int64_t i = 0; i < lines.count; i++) {
    const cvy_line *line = &lines.items[i];
    const char *where = cvy_pool_format(s->common.pool, "%s:%" PRId64, path, line->number);
    const cvy_member *m = find_below(s->common.pool, s->tree, s->root,
                                     cvy_pool_format(s->common.pool, "val/images/%s", line->first));
    if (!m) return cvy_error(CVY_E_INPUT, "%s: no picture '%s' in val/images", where, line->first);
    if (out->count == s->tree->members.count)
      return cvy_error(CVY_E_INPUT, "%s: more lines than there are pictures", where);
    const char *id = cvy_pool_format(s->common.pool, "%.*s", (int)strcspn(line->rest, " \t,"), line->rest);
    CVY_TRY(add_picture(out, m, id, where));
  }
  return check_all_listed(out);
}

/* ---- the reader ---- */

static void close_tiny(cvy_source *source) {
  const state *s = source->state;
  if (!s->common.borrows) cvy_file_tree_close(s->tree);
  cvy_pictures_end(source);
}

static cvy_err no_train(const cvy_file_tree *tree) {
  return cvy_error(CVY_E_INPUT, "%s: no folder 'train' in it; expected Tiny-ImageNet's own layout",
                   tree->path);
}

static cvy_err open_state(cvy_source *out, const char *const *inputs, int64_t input_count) {
  state *s = out->state;
  const char *path, *part;
  if (input_count != 1)
    return cvy_error(
        CVY_E_USAGE,
        "tiny-imagenet: a split is its folder or archive, with :train or :val behind, not %" PRId64 " inputs",
        input_count);
  cvy_split_input(&path, &part, s->common.pool, inputs[0]);
  const bool val = part && strcmp(part, "val") == 0;
  if (part && !val && strcmp(part, "train") != 0)
    return cvy_error(CVY_E_USAGE, "%s: the parts of tiny-imagenet are train and val", inputs[0]);
  CVY_TRY(cvy_file_tree_open(&s->tree, path));
  s->root = find_root(s->common.pool, s->tree);
  if (!s->root) return no_train(s->tree);
  CVY_TRY(read_synsets(s));
  s->pictures = cvy_pool_new(s->common.pool, sizeof *s->pictures * (size_t)s->tree->members.count);
  s->per_class = cvy_pool_new(s->common.pool, sizeof *s->per_class * (size_t)s->synsets.count);
  CVY_TRY((val ? add_val : add_train)(out));
  out->class_count = s->synsets.count;
  out->class_names = cvy_synsets_names(s->common.pool, &s->synsets);
  out->class_sizes = s->per_class;
  return CVY_OK;
}

static cvy_err open_tiny(cvy_source *out, const void *config_, const char *const *inputs, int64_t input_count,
                         int64_t h, int64_t w, uint64_t seed) {
  const config *c = config_;
  (void)seed;
  cvy_pictures_begin(out, sizeof(state), c->colour, h, w);
  return cvy_pictures_opened(out, open_state(out, inputs, input_count), close_tiny);
}

static void tiny_again(cvy_source *out, const cvy_source *first) {
  cvy_pictures_share(out, first, sizeof(state));
}

static cvy_err read_tiny(cvy_record *out, cvy_source *source, int64_t index) {
  state *s = source->state;
  const picture *p = &s->pictures[index];
  cvy_file_tree_name(s->common.delivery.name, sizeof s->common.delivery.name, s->tree, p->member);
  *out = (cvy_record){.label = p->label, .name = s->common.delivery.name};
  CVY_TRY(cvy_pictures_reserve(&s->common.delivery, p->member->size));
  CVY_TRY(cvy_file_tree_read(&s->common.delivery.file, s->tree, p->member));
  return cvy_pictures_deliver(out, &s->common.delivery, source);
}

/* Without the list of val's classes, train alone is cut by fractions. */
static cvy_err find_splits(cvy_prepare_input **out, int64_t *count, cvy_pool *pool, const char *input) {
  static const char *const splits[2] = {"train", "val"};
  const char *path, *part;
  cvy_file_tree *tree;
  *count = 0;
  cvy_split_input(&path, &part, pool, input);
  if (part) return CVY_OK;
  CVY_TRY(cvy_file_tree_open(&tree, path));
  const char *root = find_root(pool, tree);
  const bool listed = root && find_below(pool, tree, root, "val/val_annotations.txt");
  cvy_file_tree_keep(tree);
  cvy_file_tree_close(tree);
  if (!listed)
    cvy_log("%s: no val_annotations.txt: the pictures of val have no classes and are left out", path);
  if (!listed) return CVY_OK;
  *out = cvy_pool_new(pool, 2 * sizeof **out);
  for (int i = 0; i < 2; i++)
    (*out)[(*count)++] = (cvy_prepare_input){splits[i], cvy_pool_format(pool, "%s:%s", path, splits[i])};
  return CVY_OK;
}

static bool fits(const cvy_glimpse *g) {
  return cvy_glimpse_has(g, "wnids.txt");
}

static const cvy_option options[] = {
    {"colour", CVY_CHOICE, offsetof(config, colour), "rgb", .words = cvy_colour_words,
     .help = "channels of the pictures"},
    {0},
};

const cvy_reader cvy_reader_tiny_imagenet = {
    .kind = &(const cvy_kind){"tiny-imagenet", "Tiny-ImageNet: its folder, or the zip or tar as it is",
                              options, sizeof(config)},
    .keeps_files = true,
    .default_h = 64,
    .default_w = 64,
    .find_splits = find_splits,
    .open = open_tiny,
    .read = read_tiny,
    .close = close_tiny,
    .again = tiny_again,
    .fits = fits,
};
