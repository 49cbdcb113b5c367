/* A folder of pictures: one sub-folder of JPEG and PNG files a class.
 *
 * A single sub-folder that holds nothing but all others is skipped, as in "pets/images/cat/1.jpg", and so on.
 * Files beside the sub-folders do not count, nor does what systems leave behind. A folder whose sub-folders
 * are called train, val (or valid, validation) and test holds splits, each a folder of classes. */
#include "datasets/class_folders.h"

#include <string.h>
#include <unistd.h>

typedef struct config {
  int colour;
  const char *encoding;
} config;

/* Tells whether a folder lies neither above the classes nor below it. */
static bool has_folder_beside(const cvy_class_layout *l) {
  for (int64_t i = 0; i < l->count; i++) {
    const char *name = l->members[i]->name;
    const size_t length = strlen(name), shorter = length < l->above_length ? length : l->above_length;
    if (!l->members[i]->folder) continue;
    if (memcmp(name, l->above, shorter) != 0 || (length < l->above_length && l->above[length] != '/'))
      return true;
  }
  return false;
}

/* Finds what lies above the classes. A folder that has others beside it is a class, empty ones too. */
static void find_layout(cvy_class_layout *l) {
  cvy_class_layout_find(l);
  if (l->above && l->flat) l->above_length = cvy_class_layout_above(l);
  l->flat = false;
  if (!l->above) l->above = "";
  while (l->above_length > 0 && has_folder_beside(l)) l->above_length = cvy_class_layout_above(l);
}

static cvy_err open_state(cvy_source *out, const char *const *inputs, int64_t input_count) {
  cvy_class_folders *s = out->state;
  if (input_count != 1)
    return cvy_error(CVY_E_USAGE,
                     "folder: a split is one folder with a sub-folder a class, not %" PRId64 " inputs",
                     input_count);
  if (access(inputs[0], F_OK) == 0 && !cvy_is_folder(inputs[0]))
    return cvy_error(CVY_E_INPUT, "%s: a file, not a folder", inputs[0]);
  CVY_TRY(cvy_file_tree_open(&s->tree, inputs[0]));
  cvy_class_layout all = {.count = s->tree->members.count};
  all.members = cvy_pool_new(s->common.pool, sizeof *all.members * (size_t)(all.count + 1));
  for (int64_t i = 0; i < all.count; i++) all.members[i] = &s->tree->members.items[i];
  find_layout(&all);
  return cvy_class_folders_fill(out, &all);
}

static cvy_err open_folder(cvy_source *out, const void *config_, const char *const *inputs,
                           int64_t input_count, int64_t h, int64_t w, uint64_t seed) {
  const config *c = config_;
  (void)seed;
  cvy_pictures_begin(out, sizeof(cvy_class_folders), c->colour, h, w);
  out->encoding = c->encoding;
  return cvy_pictures_opened(out, open_state(out, inputs, input_count), cvy_class_folders_close);
}

static cvy_err find_splits(cvy_prepare_input **out, int64_t *count, cvy_pool *pool, const char *path) {
  cvy_file_tree *top;
  int64_t n = 0;
  *count = 0;
  if (!cvy_is_folder(path)) return CVY_OK; /* opening says what is wrong */
  CVY_TRY(cvy_file_tree_open_top(&top, path));
  const char **names = cvy_pool_new(pool, sizeof *names * (size_t)(top->members.count + 1));
  for (int64_t i = 0; i < top->members.count; i++)
    if (top->members.items[i].folder) names[n++] = cvy_pool_format(pool, "%s", top->members.items[i].name);
  cvy_file_tree_close(top);
  cvy_splits_called(out, count, pool, cvy_pool_format(pool, "%s/", path), names, n);
  return CVY_OK;
}

static bool fits(const cvy_glimpse *g) {
  for (int64_t i = 0; i < g->count && g->folder; i++)
    if (strchr(g->names[i], '/') && cvy_looks_like_picture(g->names[i])) return true;
  return false;
}

static const cvy_option options[] = {
    {"colour", CVY_CHOICE, offsetof(config, colour), "rgb", .words = cvy_colour_words,
     .help = "channels of the pictures"},
    CVY_ENCODING_OPTION(config, encoding),
    {0},
};

const cvy_reader cvy_reader_folder = {
    .kind = &(const cvy_kind){"folder", "one sub-folder of JPEG and PNG files a class", options,
                              sizeof(config)},
    .keeps_files = true,
    .walks = true,
    .find_splits = find_splits,
    .open = open_folder,
    .read = cvy_class_folders_read,
    .close = cvy_class_folders_close,
    .again = cvy_class_folders_again,
    .fits = fits,
};
