/* An archive of pictures, one folder a class.
 *
 * What lies above the classes, "pets/" in "pets/cat/1.jpg", is found as the folders that all pictures
 * share. If all pictures lie in one folder, their names tell the classes, as in Kaggle's
 * "train/cat.1.jpg", or that folder is the only class. An input "pets.tar:train" is the part of the archive
 * beneath the folder train. */
#include "datasets/class_folders.h"

#include <string.h>

typedef struct config {
  int colour;
  const char *encoding;
} config;

typedef cvy_class_layout layout;

/* ---- names ---- */

/* Returns how many classes the pictures' own names tell, two at most; *untold is a picture whose name tells
 * none, or NULL. */
static int64_t told_by_names(const char **untold, const layout *l) {
  const char *first = NULL, *name;
  size_t first_length = 0;
  int64_t count = 0;
  *untold = NULL;
  for (int64_t i = 0; i < l->count; i++) {
    const cvy_member *m = l->members[i];
    const size_t length = cvy_class_of_member(&name, l, m);
    if (length == 0 && !m->folder && cvy_looks_like_picture(m->name)) *untold = m->name;
    if (length == 0 || (count > 0 && length == first_length && memcmp(name, first, length) == 0)) continue;
    first = count == 0 ? name : first;
    first_length = count == 0 ? length : first_length;
    count += count < 2;
  }
  return count;
}

/* Judges a split whose pictures all lie in one folder. Either their names tell several classes, or the folder
 * is the only class that the split has, unless it is called as a split is. */
static cvy_err judge_flat(layout *l, cvy_pool *pool, const cvy_file_tree *tree, size_t part_length) {
  const char *untold;
  const int64_t told = told_by_names(&untold, l);
  const size_t above = cvy_class_layout_above(l);
  const char *folder = l->above_length > 0 ? cvy_pool_format(pool, "%.*s", (int)(l->above_length - 1 - above),
                                                             l->above + above)
                                           : NULL;
  if (told < 2 && folder && l->above_length > part_length && !cvy_split_called(folder)) {
    l->above_length = above;
    l->flat = false;
  } else if (untold) {
    return cvy_error(CVY_E_INPUT,
                     "%s: all pictures lie in one folder, and '%s' does not tell a class as cat.1.jpg does; "
                     "expected a folder a class",
                     tree->path, untold);
  }
  return CVY_OK;
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
  cvy_class_layout_find(l);
  if (!l->above)
    return cvy_error(CVY_E_INPUT, "%s%s%s: no file in it", tree->path, part ? ":" : "", part ? part : "");
  return l->flat ? judge_flat(l, pool, tree, part ? length + 1 : 0) : CVY_OK;
}

/* ---- the reader ---- */

static cvy_err open_state(cvy_source *out, const char *const *inputs, int64_t input_count) {
  cvy_class_folders *s = out->state;
  const char *path, *part;
  layout l;
  if (input_count != 1)
    return cvy_error(CVY_E_USAGE, "tar: a split is one archive, or ARCHIVE:FOLDER, not %" PRId64 " inputs",
                     input_count);
  cvy_split_input(&path, &part, s->common.pool, inputs[0]);
  if (cvy_is_folder(path)) return cvy_error(CVY_E_INPUT, "%s: a folder, not an archive", path);
  CVY_TRY(cvy_file_tree_open(&s->tree, path));
  if (!out->encoding || !out->encoding[0]) out->encoding = s->tree->members.encoding;
  CVY_TRY(find_layout(&l, s->common.pool, s->tree, part));
  return cvy_class_folders_fill(out, &l);
}

static cvy_err open_tar(cvy_source *out, const void *config_, const char *const *inputs, int64_t input_count,
                        int64_t h, int64_t w, uint64_t seed) {
  const config *c = config_;
  (void)seed;
  cvy_pictures_begin(out, sizeof(cvy_class_folders), c->colour, h, w);
  out->encoding = c->encoding;
  return cvy_pictures_opened(out, open_state(out, inputs, input_count), cvy_class_folders_close);
}

static cvy_err find_splits_in(cvy_prepare_input **out, int64_t *count, cvy_pool *pool,
                              const cvy_file_tree *tree, const char *path, const char *part) {
  layout l;
  cvy_classes names;
  CVY_TRY(find_layout(&l, pool, tree, part));
  CVY_TRY(cvy_class_folders_name(&names, pool, &l, tree, tree->members.encoding));
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

static bool fits(const cvy_glimpse *g) {
  for (int64_t i = 0; i < g->count && !g->folder; i++)
    if (cvy_looks_like_picture(g->names[i])) return true;
  return false;
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
    .read = cvy_class_folders_read,
    .close = cvy_class_folders_close,
    .again = cvy_class_folders_again,
    .fits = fits,
};
