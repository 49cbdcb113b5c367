/* Reads WebDataset's shards: tars in which files that share a key make a sample.
 *
 *   000123.jpg, 000123.cls     the key is a name up to the first dot behind its folders, the rest is the
 *   a/7.png, a/7.json          extension; a label is the text of a .cls, or a field of a .json
 *
 * Other extensions, also "seg.png", are passed over. Samples are in the order of the shards as they are
 * given, and of the pictures in them. */
#include "archive/encoding.h"
#include "archive/file_tree.h"
#include "archive/json_field.h"
#include "base/classes.h"
#include "base/text.h"
#include "datasets/pictures.h"

#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_LABEL_BYTES = 1 << 20 };

typedef struct config {
  const char *picture, *label;
  int colour;
} config;

typedef struct picture {
  int64_t shard;
  const cvy_member *member;
  const char *label;
  int32_t class;
} picture;

typedef struct state {
  cvy_picture_state common;
  const config *config; /* for opening */
  cvy_file_tree **shards;
  int64_t shard_count;
  picture *pictures;
  int64_t capacity;
} state;

/* A part is one file of a sample. */
typedef struct part {
  const char *key; /* first, for sorting */
  const char *extension;
  const cvy_member *member;
} part;

/* ---- which shards ---- */

typedef struct paths {
  const char **items;
  int64_t count, capacity;
} paths;

static void add_path(paths *to, cvy_pool *pool, const char *path) {
  if (to->count == to->capacity) {
    to->capacity = 2 * to->capacity + 64;
    const char **more = cvy_pool_new(pool, sizeof *more * (size_t)to->capacity);
    if (to->count > 0) memcpy(more, to->items, sizeof *more * (size_t)to->count);
    to->items = more;
  }
  to->items[to->count++] = path;
}

static bool is_shard_name(const char *name) {
  const char *tar = strstr(name, ".tar");
  return name[0] != '.' && tar && (!tar[4] || tar[4] == '.');
}

/* Adds the tars in a folder, in the order of their names. */
static cvy_err add_folder(paths *to, cvy_pool *pool, const char *path) {
  const int64_t first = to->count;
  DIR *dir = opendir(path);
  if (!dir) return cvy_error(CVY_E_INPUT, "%s: cannot read this folder", path);
  for (const struct dirent *entry; (entry = readdir(dir));)
    if (is_shard_name(entry->d_name)) add_path(to, pool, cvy_pool_format(pool, "%s/%s", path, entry->d_name));
  closedir(dir);
  cvy_sort_by_text(to->items + first, to->count - first, sizeof *to->items);
  return cvy_check_folder_whole(to->items + first, to->count - first);
}

/* Adds the shards of a range, one by one: "train-{000..146}.tar" is how WebDataset's users name many. */
static cvy_err add_range(paths *to, cvy_pool *pool, const char *path, const char *brace) {
  enum { MOST_SHARDS = 1000000 };
  long low, high;
  int low_begin, low_end, high_end = 0;
  if (sscanf(brace, "{%n%ld%n..%ld}%n", &low_begin, &low, &low_end, &high, &high_end) != 2 || high_end == 0 ||
      low < 0 || low > high || high - low >= MOST_SHARDS)
    return cvy_error(CVY_E_USAGE, "%s: expected a range such as {000..146}", path);
  for (long i = low; i <= high; i++)
    add_path(to, pool,
             cvy_pool_format(pool, "%.*s%0*ld%s", (int)(brace - path), path, low_end - low_begin, i,
                             brace + high_end));
  return CVY_OK;
}

static cvy_err add_input(paths *to, cvy_pool *pool, const char *input) {
  const char *brace = strchr(input, '{');
  const int64_t before = to->count;
  if (brace && access(input, F_OK) != 0) return add_range(to, pool, input, brace);
  if (!cvy_is_folder(input)) {
    add_path(to, pool, input);
    return CVY_OK;
  }
  CVY_TRY(add_folder(to, pool, input));
  if (to->count > before) return CVY_OK;
  return cvy_error(CVY_E_INPUT, "%s: no tar in this folder; expected the shards of a WebDataset", input);
}

/* ---- samples ---- */

static int64_t find_parts(part *parts, cvy_pool *pool, const cvy_file_tree *tree) {
  int64_t count = 0;
  for (int64_t i = 0; i < tree->members.count; i++) {
    const cvy_member *m = &tree->members.items[i];
    const char *slash = strrchr(m->name, '/'), *dot = strchr(slash ? slash : m->name, '.');
    if (m->folder || !dot) continue;
    char *extension = cvy_pool_format(pool, "%s", dot + 1);
    for (char *p = extension; *p; p++) *p = (char)tolower((unsigned char)*p);
    parts[count++] = (part){cvy_pool_format(pool, "%.*s", (int)(dot - m->name), m->name), extension, m};
  }
  cvy_sort_by_text(parts, count, sizeof *parts);
  return count;
}

static const part *with_extension(const part *parts, int64_t count, const char *extension) {
  for (int64_t i = 0; i < count; i++)
    if (strcmp(parts[i].extension, extension) == 0) return &parts[i];
  return NULL;
}

static cvy_err bad_sample(const cvy_file_tree *tree, const part *parts, int64_t count, const char *what) {
  char text[200];
  cvy_text list = cvy_text_in(text, sizeof text);
  for (int64_t i = 0; i < count; i++) cvy_text_item(&list, ", ", ".%s", parts[i].extension);
  return cvy_error(CVY_E_INPUT, "%s: sample '%s' (%s): %s", tree->path, parts[0].key, text, what);
}

/* Finds the picture of a sample; NULL if it has none. */
static cvy_err find_picture(const part **out, const state *s, const cvy_file_tree *tree, const part *parts,
                            int64_t count) {
  static const char *const known[] = {"jpg", "jpeg", "png"};
  *out = NULL;
  if (s->config->picture[0]) {
    *out = with_extension(parts, count, s->config->picture);
    return CVY_OK;
  }
  for (int64_t i = 0; i < count; i++)
    for (int64_t k = 0; k < CVY_COUNT(known); k++) {
      if (strcmp(parts[i].extension, known[k]) != 0) continue;
      if (*out) return bad_sample(tree, parts, count, "two pictures; --picture says which counts");
      *out = &parts[i];
    }
  return CVY_OK;
}

/* ---- labels ---- */

/* Reads the text that may hold a label; `name` receives its name for errors. */
static cvy_err read_text(const char **name, state *s, const cvy_file_tree *tree, const part *p) {
  char full[4352];
  if (p->member->size > MOST_LABEL_BYTES)
    return cvy_error(CVY_E_INPUT, "%s: %s: %" PRId64 " bytes are no label", tree->path, p->member->name,
                     p->member->size);
  cvy_file_tree_name(full, sizeof full, tree, p->member);
  *name = cvy_pool_format(s->common.pool, "%s", full);
  CVY_TRY(cvy_file_tree_read(&s->common.delivery.file, tree, p->member));
  return cvy_text_by_mark(&s->common.delivery.file, *name);
}

static cvy_err read_json(const char **out, state *s, const cvy_file_tree *tree, const part *p,
                         const char *field) {
  static const char *const known[] = {"label", "cls", "class", "class_name", "target"};
  const char *name;
  *out = NULL;
  CVY_TRY(read_text(&name, s, tree, p));
  const cvy_bytes *text = &s->common.delivery.file;
  if (field) return cvy_json_field(out, s->common.pool, text->data, text->count, field, name);
  for (int64_t i = 0; i < CVY_COUNT(known) && !*out; i++)
    CVY_TRY(cvy_json_field(out, s->common.pool, text->data, text->count, known[i], name));
  return CVY_OK;
}

/* Reads a label that is all of a file's text, without blanks and line ends around. */
static cvy_err read_plain(const char **out, state *s, const cvy_file_tree *tree, const part *p) {
  const char *name;
  CVY_TRY(read_text(&name, s, tree, p));
  const char *text = (const char *)s->common.delivery.file.data;
  size_t first = 0, last = s->common.delivery.file.count;
  while (first < last && isspace((unsigned char)text[first])) first++;
  while (last > first && isspace((unsigned char)text[last - 1])) last--;
  *out = cvy_pool_format(s->common.pool, "%.*s", (int)(last - first), last > first ? text + first : "");
  return CVY_OK;
}

/* Finds the label of a sample: where --label says, else in its .cls, else in its .json; NULL: nowhere. */
static cvy_err find_label(const char **out, state *s, const cvy_file_tree *tree, const part *parts,
                          int64_t count) {
  const char *said = s->config->label;
  const bool in_json = strncmp(said, "json.", 5) == 0;
  const part *json = with_extension(parts, count, "json");
  const part *plain = with_extension(parts, count, said[0] ? said : "cls");
  *out = NULL;
  if (in_json) return json ? read_json(out, s, tree, json, said + 5) : CVY_OK;
  if (plain) return read_plain(out, s, tree, plain);
  return json && !said[0] ? read_json(out, s, tree, json, NULL) : CVY_OK;
}

static cvy_err add_sample(cvy_source *out, const cvy_file_tree *tree, const part *parts, int64_t count) {
  state *s = out->state;
  const part *file;
  const char *label;
  CVY_TRY(find_picture(&file, s, tree, parts, count));
  CVY_TRY(find_label(&label, s, tree, parts, count));
  if (!file && !label) return CVY_OK;
  if (!file)
    return bad_sample(tree, parts, count, "no picture; .jpg, .jpeg or .png are read, or what --picture says");
  if (!label || !label[0])
    return bad_sample(tree, parts, count,
                      "no label; it is read from .cls, or 'label' in .json, or what --label says: an "
                      "extension, or json.FIELD");
  if (out->count == s->capacity) {
    s->capacity = 2 * s->capacity + 1024;
    picture *more = cvy_pool_new(s->common.pool, sizeof *more * (size_t)s->capacity);
    if (out->count > 0) memcpy(more, s->pictures, sizeof *more * (size_t)out->count);
    s->pictures = more;
  }
  s->pictures[out->count++] = (picture){.shard = s->shard_count - 1, .member = file->member, .label = label};
  out->encoded_bytes += file->member->size;
  return CVY_OK;
}

static int by_place(const void *a, const void *b) {
  const cvy_member *x = ((const picture *)a)->member, *y = ((const picture *)b)->member;
  if (x->offset != y->offset) return (x->offset > y->offset) - (x->offset < y->offset);
  return strcmp(x->name, y->name);
}

static cvy_err add_samples(cvy_source *out, const cvy_file_tree *tree, cvy_pool *pool) {
  const state *s = out->state;
  const int64_t first = out->count;
  part *parts = cvy_pool_new(pool, sizeof *parts * (size_t)(tree->members.count + 1));
  const int64_t count = find_parts(parts, pool, tree);
  for (int64_t i = 0, n; i < count; i += n) {
    for (n = 1; i + n < count && strcmp(parts[i].key, parts[i + n].key) == 0;) n++;
    CVY_TRY(add_sample(out, tree, parts + i, n));
  }
  if (out->count == first)
    return cvy_error(CVY_E_INPUT, "%s: no sample with a picture and a label", tree->path);
  qsort(s->pictures + first, (size_t)(out->count - first), sizeof *s->pictures, by_place);
  return CVY_OK;
}

/* ---- the reader ---- */

static void close_webdataset(cvy_source *source) {
  const state *s = source->state;
  for (int64_t i = 0; i < s->shard_count && !s->common.borrows; i++) cvy_file_tree_close(s->shards[i]);
  cvy_pictures_end(source);
}

static cvy_err add_shard(cvy_source *out, const char *path) {
  state *s = out->state;
  cvy_file_tree *tree;
  CVY_TRY(cvy_file_tree_open(&tree, path));
  s->shards[s->shard_count++] = tree;
  cvy_pool *pool = cvy_pool_create();
  const cvy_err err = add_samples(out, tree, pool);
  cvy_pool_destroy(pool);
  return err;
}

static cvy_err number_classes(cvy_source *out) {
  state *s = out->state;
  const char **labels = cvy_pool_new(s->common.pool, sizeof *labels * (size_t)out->count);
  for (int64_t i = 0; i < out->count; i++) labels[i] = s->pictures[i].label;
  int64_t which = 0;
  const char *doubt = cvy_classes_doubt(&which, labels, out->count);
  if (doubt)
    return cvy_error(CVY_E_INPUT, "%s: %s: label '%s' %s", s->shards[s->pictures[which].shard]->path,
                     s->pictures[which].member->name, labels[which], doubt);
  const cvy_classes classes = cvy_classes_of(s->common.pool, labels, out->count);
  for (int64_t i = 0; i < out->count; i++)
    s->pictures[i].class = (int32_t)cvy_classes_find(&classes, labels[i]);
  out->class_count = classes.count;
  out->class_names = classes.names;
  return CVY_OK;
}

static cvy_err open_state(cvy_source *out, const char *const *inputs, int64_t input_count) {
  state *s = out->state;
  paths found = {0};
  if (input_count == 0)
    return cvy_error(CVY_E_USAGE, "webdataset: which tars? a split is its shards, or a folder of them");
  for (int64_t i = 0; i < input_count; i++) CVY_TRY(add_input(&found, s->common.pool, inputs[i]));
  s->shards = cvy_pool_new(s->common.pool, sizeof *s->shards * (size_t)found.count);
  for (int64_t i = 0; i < found.count; i++) CVY_TRY(add_shard(out, found.items[i]));
  return number_classes(out);
}

static cvy_err open_webdataset(cvy_source *out, const void *config_, const char *const *inputs,
                               int64_t input_count, int64_t h, int64_t w, uint64_t seed) {
  const config *c = config_;
  (void)seed;
  state *s = cvy_pictures_begin(out, sizeof *s, c->colour, h, w);
  s->config = c;
  return cvy_pictures_opened(out, open_state(out, inputs, input_count), close_webdataset);
}

static void webdataset_again(cvy_source *out, const cvy_source *first) {
  cvy_pictures_share(out, first, sizeof(state));
}

static cvy_err read_webdataset(cvy_record *out, cvy_source *source, int64_t index) {
  state *s = source->state;
  const picture *p = &s->pictures[index];
  const cvy_file_tree *tree = s->shards[p->shard];
  cvy_file_tree_name(s->common.delivery.name, sizeof s->common.delivery.name, tree, p->member);
  *out = (cvy_record){.label = p->class, .name = s->common.delivery.name};
  CVY_TRY(cvy_pictures_reserve(&s->common.delivery, p->member->size));
  CVY_TRY(cvy_file_tree_read(&s->common.delivery.file, tree, p->member));
  return cvy_pictures_deliver(out, &s->common.delivery, source);
}

/* ---- splits ---- */

/* Lists the folders in a folder that are called like splits. */
static cvy_err list_split_folders(paths *out, cvy_pool *pool, const char *path) {
  DIR *dir = opendir(path);
  if (!dir) return cvy_error(CVY_E_INPUT, "%s: cannot read this folder", path);
  for (const struct dirent *entry; (entry = readdir(dir));)
    if (cvy_split_called(entry->d_name) && cvy_is_folder(cvy_pool_format(pool, "%s/%s", path, entry->d_name)))
      add_path(out, pool, cvy_pool_format(pool, "%s", entry->d_name));
  closedir(dir);
  cvy_sort_by_text(out->items, out->count, sizeof *out->items);
  return CVY_OK;
}

/* Finds splits by the names of the shards in a folder or, if it has none, of the folders in it. */
static cvy_err find_splits(cvy_prepare_input **out, int64_t *count, cvy_pool *pool, const char *path) {
  paths shards = {0}, folders = {0};
  *count = 0;
  if (!cvy_is_folder(path)) return CVY_OK;
  CVY_TRY(add_folder(&shards, pool, path));
  cvy_splits_of_files(out, count, pool, shards.items, shards.count);
  if (shards.count > 0) return CVY_OK;
  CVY_TRY(list_split_folders(&folders, pool, path));
  cvy_splits_called(out, count, pool, cvy_pool_format(pool, "%s/", path), folders.items, folders.count);
  return CVY_OK;
}

/* Looks for a .cls, because a .json may be of anything. */
static bool fits(const cvy_glimpse *g) {
  return cvy_glimpse_has(g, ".cls");
}

static const cvy_option options[] = {
    {"picture", CVY_STRING, offsetof(config, picture), "",
     .help = "the extension of the pictures; none: jpg, jpeg or png"},
    {"label", CVY_STRING, offsetof(config, label), "",
     .help = "the extension of the labels, or json.FIELD; none: cls, else 'label' and its like in json"},
    {"colour", CVY_CHOICE, offsetof(config, colour), "rgb", .words = cvy_colour_words,
     .help = "channels of the pictures"},
    {0},
};

const cvy_reader cvy_reader_webdataset = {
    .kind = &(const cvy_kind){"webdataset",
                              "WebDataset: tars of samples (7.jpg, 7.cls or 7.json), or a folder of them",
                              options, sizeof(config)},
    .keeps_files = true,
    .find_splits = find_splits,
    .open = open_webdataset,
    .read = read_webdataset,
    .close = close_webdataset,
    .again = webdataset_again,
    .fits = fits,
};
