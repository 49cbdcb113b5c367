/* An archive of pictures, one folder a class.
 *
 * What lies above the classes, "pets/" in "pets/cat/1.jpg", is found as the folders that all pictures
 * share. If all pictures lie in one folder, their names must tell the classes, as in Kaggle's
 * "train/cat.1.jpg". An input "pets.tar:train" is the part of the archive beneath the folder train. */
#include "archive/file_tree.h"
#include "base/classes.h"
#include "datasets/pictures.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef struct config {
  int colour;
  const char *encoding;
} config;

typedef struct picture {
  const cvy_member *member;
  int32_t label;
} picture;

typedef struct state {
  cvy_picture_state common;
  cvy_file_tree *tree;
  picture *pictures;
} state;

/* The layout of an archive, as its names tell it. */
typedef struct layout {
  const cvy_member **members; /* the pictures, and the folders among the classes' */
  int64_t count, picture_count;
  const char *above; /* the first `above_length` bytes of every picture's name, ending in '/' or empty */
  size_t above_length;
  bool flat; /* all in one folder */
} layout;

/* ---- names ---- */

static size_t folder_length(const char *name, size_t length) {
  while (length > 0 && name[length - 1] != '/') length--;
  return length;
}

/* The folders that the pictures share, counting those that are called like pictures if any are. */
static void find_above(layout *l) {
  bool any = false;
  for (int64_t i = 0; i < l->count; i++)
    any |= !l->members[i]->folder && cvy_looks_like_picture(l->members[i]->name);
  l->above = NULL;
  l->flat = true;
  for (int64_t i = 0; i < l->count; i++) {
    const char *name = l->members[i]->name;
    if (l->members[i]->folder || (any && !cvy_looks_like_picture(name))) continue;
    const size_t own = folder_length(name, strlen(name));
    if (!l->above) {
      l->above = name;
      l->above_length = own;
    }
    while (l->above_length > 0 && strncmp(l->above, name, l->above_length) != 0)
      l->above_length = folder_length(l->above, l->above_length - 1);
    l->flat &= own == l->above_length;
  }
}

/* The class in "cat.1.jpg", "cat_1.jpg" or "cat-1.jpg"; NULL if there is no number behind it. */
static const char *class_in_name(cvy_pool *pool, const char *base) {
  const char *dot = strrchr(base, '.');
  const char *p = dot;
  while (p && p > base && isdigit((unsigned char)p[-1])) p--;
  if (!p || p == dot || p - base < 2 || !strchr("._-", p[-1])) return NULL;
  return cvy_pool_format(pool, "%.*s", (int)(p - 1 - base), base);
}

/* Returns the class of a member; NULL if it lies beside the classes. */
static const char *class_of(cvy_pool *pool, const layout *l, const cvy_member *m) {
  if (strncmp(m->name, l->above, l->above_length) != 0) return NULL;
  const char *rest = m->name + l->above_length;
  if (l->flat) return m->folder ? NULL : class_in_name(pool, rest);
  const char *slash = strchr(rest, '/');
  if (!slash) return m->folder && rest[0] ? rest : NULL;
  return cvy_pool_format(pool, "%.*s", (int)(slash - rest), rest);
}

/* ---- the layout ---- */

static cvy_err find_layout(layout *l, cvy_pool *pool, const cvy_file_tree *tree, const char *part) {
  size_t length = part ? strlen(part) : 0;
  while (length > 0 && part[length - 1] == '/') length--;
  *l = (layout){0};
  l->members = cvy_pool_new(pool, sizeof *l->members * (size_t)(tree->members.count + 1));
  for (int64_t i = 0; i < tree->members.count; i++) {
    const cvy_member *m = &tree->members.items[i];
    if (!part || (strncmp(m->name, part, length) == 0 && m->name[length] == '/')) l->members[l->count++] = m;
  }
  find_above(l);
  if (!l->above)
    return cvy_error(CVY_E_INPUT, "%s%s%s: no file in it", tree->path, part ? ":" : "", part ? part : "");
  return CVY_OK;
}

static cvy_err name_classes(cvy_classes *out, cvy_pool *pool, const layout *l, const cvy_file_tree *tree,
                            const char *encoding) {
  const char **names = cvy_pool_new(pool, sizeof *names * (size_t)l->count);
  int64_t n = 0;
  for (int64_t i = 0; i < l->count; i++) {
    const char *name = class_of(pool, l, l->members[i]);
    if (name) names[n++] = name;
    if (l->flat && !name && !l->members[i]->folder && cvy_looks_like_picture(l->members[i]->name))
      return cvy_error(
          CVY_E_INPUT,
          "%s: all pictures lie in one folder, and '%s' does not tell a class as cat.1.jpg does; expected "
          "a folder a class",
          tree->path, l->members[i]->name);
  }
  *out = cvy_classes_in(pool, names, n, encoding);
  return CVY_OK;
}

/* ---- the reader ---- */

static void close_tar(cvy_source *source) {
  const state *s = source->state;
  if (!s->common.borrows) cvy_file_tree_close(s->tree);
  cvy_pictures_end(source);
}

static cvy_err check_classes(const cvy_classes *classes, const int64_t *per_class,
                             const cvy_file_tree *tree) {
  int64_t splits = 0;
  for (int64_t k = 0; k < classes->count; k++) splits += cvy_split_called(classes->names[k]) != NULL;
  if (splits == classes->count && splits > 0)
    return cvy_error(
        CVY_E_INPUT, "%s: holds a split '%s', not classes; name it, %s=%s:%s, or leave --split away",
        tree->path, classes->names[0], cvy_split_called(classes->names[0]), tree->path, classes->names[0]);
  if (classes->count < 2)
    return cvy_error(CVY_E_INPUT, "%s: %" PRId64 " class%s; a set has two classes or more", tree->path,
                     classes->count, classes->count == 1 ? "" : "es");
  for (int64_t k = 0; k < classes->count; k++)
    if (per_class[k] == 0)
      return cvy_error(CVY_E_INPUT, "%s: '%s': a class without a picture", tree->path, classes->names[k]);
  return CVY_OK;
}

static cvy_err add_pictures(cvy_source *out, const layout *l, const cvy_classes *classes) {
  state *s = out->state;
  int64_t *per_class = cvy_pool_new(s->common.pool, sizeof *per_class * (size_t)(classes->count + 1));
  s->pictures = cvy_pool_new(s->common.pool, sizeof *s->pictures * (size_t)l->count);
  for (int64_t i = 0; i < l->count; i++) {
    const char *name = class_of(s->common.pool, l, l->members[i]);
    if (!name || l->members[i]->folder) continue;
    const int64_t label = cvy_classes_find(classes, name);
    per_class[label]++;
    out->encoded_bytes += l->members[i]->size;
    s->pictures[out->count++] = (picture){l->members[i], (int32_t)label};
  }
  out->class_count = classes->count;
  out->class_names = classes->names;
  return check_classes(classes, per_class, s->tree);
}

static cvy_err open_state(cvy_source *out, const char *const *inputs, int64_t input_count) {
  state *s = out->state;
  const char *path, *part;
  layout l;
  cvy_classes classes;
  if (input_count != 1)
    return cvy_error(CVY_E_USAGE, "tar: a split is one archive, or ARCHIVE:FOLDER, not %" PRId64 " inputs",
                     input_count);
  cvy_split_input(&path, &part, s->common.pool, inputs[0]);
  if (cvy_is_folder(path))
    return cvy_error(CVY_E_INPUT, "%s: a folder; 'convoy prepare folder' reads those", path);
  CVY_TRY(cvy_file_tree_open(&s->tree, path));
  if (!out->encoding || !out->encoding[0]) out->encoding = s->tree->members.encoding;
  CVY_TRY(find_layout(&l, s->common.pool, s->tree, part));
  CVY_TRY(name_classes(&classes, s->common.pool, &l, s->tree, out->encoding));
  return add_pictures(out, &l, &classes);
}

static cvy_err open_tar(cvy_source *out, const void *config_, const char *const *inputs, int64_t input_count,
                        int64_t h, int64_t w, uint64_t seed) {
  const config *c = config_;
  (void)seed;
  cvy_pictures_begin(out, sizeof(state), c->colour, h, w);
  out->encoding = c->encoding;
  return cvy_pictures_opened(out, open_state(out, inputs, input_count), close_tar);
}

static void tar_again(cvy_source *out, const cvy_source *first) {
  cvy_pictures_share(out, first, sizeof(state));
}

static cvy_err read_tar(cvy_record *out, cvy_source *source, int64_t index) {
  state *s = source->state;
  const picture *p = &s->pictures[index];
  cvy_file_tree_name(s->common.delivery.name, sizeof s->common.delivery.name, s->tree, p->member);
  *out = (cvy_record){.label = p->label, .name = s->common.delivery.name};
  CVY_TRY(cvy_pictures_reserve(&s->common.delivery, p->member->size));
  CVY_TRY(cvy_file_tree_read(&s->common.delivery.file, s->tree, p->member));
  return cvy_pictures_deliver(out, &s->common.delivery, source);
}

static cvy_err find_splits_in(cvy_prepare_input **out, int64_t *count, cvy_pool *pool,
                              const cvy_file_tree *tree, const char *path, const char *part) {
  layout l;
  cvy_classes names;
  CVY_TRY(find_layout(&l, pool, tree, part));
  CVY_TRY(name_classes(&names, pool, &l, tree, tree->members.encoding));
  const char *before = cvy_pool_format(pool, "%s:%.*s", path, (int)l.above_length, l.above);
  if (!l.flat) cvy_splits_called(out, count, pool, before, names.names, names.count);
  return CVY_OK;
}

static cvy_err find_splits(cvy_prepare_input **out, int64_t *count, cvy_pool *pool, const char *input) {
  const char *path, *part;
  cvy_file_tree *tree;
  *count = 0;
  cvy_split_input(&path, &part, pool, input);
  if (cvy_is_folder(path)) return CVY_OK;
  CVY_TRY(cvy_file_tree_open(&tree, path));
  const cvy_err err = find_splits_in(out, count, pool, tree, path, part);
  if (!err) cvy_file_tree_keep(tree);
  cvy_file_tree_close(tree);
  return err;
}

static const cvy_option options[] = {
    {"colour", CVY_CHOICE, offsetof(config, colour), "rgb", .words = cvy_colour_words,
     .help = "channels of the pictures"},
    CVY_ENCODING_OPTION(config, encoding),
    {0},
};

const cvy_reader cvy_reader_tar = {
    .kind = &(const cvy_kind){"tar", "the same in a tar (plain, gz, xz, bz2, zst) or zip, left packed",
                              options, sizeof(config)},
    .keeps_files = true,
    .find_splits = find_splits,
    .open = open_tar,
    .read = read_tar,
    .close = close_tar,
    .again = tar_again,
};
