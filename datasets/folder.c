/* A folder of pictures: one sub-folder of JPEG and PNG files a class.
 *
 * Classes are the sub-folders' names in byte order, and so are the files within; hidden files, and files
 * beside the sub-folders, do not count. A folder whose sub-folders are called train, val (or valid,
 * validation) and test holds splits, each a folder of classes. */
#include "base/text.h"
#include "base/utf8.h"
#include "datasets/pictures.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct config {
  int colour;
  const char *encoding;
} config;

typedef struct picture {
  const char *path;
  int32_t label;
} picture;

typedef struct state {
  cvy_picture_state common;
  picture *pictures;
  int64_t count, capacity;
} state;

/* ---- listing ---- */

static cvy_err read_failed(const char *path) {
  const cvy_err err = errno == ENOENT || errno == ENOTDIR || errno == EACCES ? CVY_E_INPUT : CVY_E_SYSTEM;
  return cvy_error(err, "%s: cannot read: %s", path, strerror(errno));
}

/* The names in a folder, sorted, without hidden ones. */
static cvy_err list(char ***out, int64_t *count, cvy_pool *pool, const char *path) {
  DIR *dir = opendir(path);
  if (!dir) return read_failed(path);
  char **names = NULL;
  int64_t n = 0, capacity = 0;
  errno = 0;
  for (const struct dirent *entry; (entry = readdir(dir)); errno = 0) {
    if (entry->d_name[0] == '.') continue;
    if (n == capacity) {
      capacity = 2 * capacity + 64;
      char **more = cvy_pool_new(pool, sizeof *more * (size_t)capacity);
      if (n > 0) memcpy(more, names, sizeof *more * (size_t)n);
      names = more;
    }
    names[n++] = cvy_pool_format(pool, "%s", entry->d_name);
  }
  const cvy_err err = errno ? read_failed(path) : CVY_OK;
  closedir(dir);
  cvy_sort_by_text(names, n, sizeof *names);
  *out = names;
  *count = n;
  return err;
}

/* The sub-folders' names, sorted. */
static cvy_err list_folders(char ***out, int64_t *count, cvy_pool *pool, const char *path) {
  char **names;
  int64_t n, kept = 0;
  CVY_TRY(list(&names, &n, pool, path));
  for (int64_t i = 0; i < n; i++) {
    struct stat info;
    const char *below = cvy_pool_format(pool, "%s/%s", path, names[i]);
    if (stat(below, &info) != 0)
      return read_failed(below); /* a link to nothing, too: a class may be missing */
    if (S_ISDIR(info.st_mode)) names[kept++] = names[i];
  }
  *out = names;
  *count = kept;
  return CVY_OK;
}

static void add_picture(state *s, const char *path, int32_t label) {
  if (s->count == s->capacity) {
    s->capacity = 2 * s->capacity + 1024;
    picture *more = cvy_pool_new(s->common.pool, sizeof *more * (size_t)s->capacity);
    if (s->count > 0) memcpy(more, s->pictures, sizeof *more * (size_t)s->count);
    s->pictures = more;
  }
  s->pictures[s->count++] = (picture){path, label};
}

static cvy_err add_class(state *s, int64_t *bytes, const char *path, int32_t label) {
  char **names;
  int64_t n;
  CVY_TRY(list(&names, &n, s->common.pool, path));
  if (n == 0) return cvy_error(CVY_E_INPUT, "%s: a class without a picture", path);
  for (int64_t i = 0; i < n; i++) {
    struct stat info;
    const char *file = cvy_pool_format(s->common.pool, "%s/%s", path, names[i]);
    if (stat(file, &info) != 0) return read_failed(file);
    if (!S_ISREG(info.st_mode))
      return cvy_error(CVY_E_INPUT, "%s: %s; a class's folder holds JPEG and PNG files only", file,
                       S_ISDIR(info.st_mode) ? "a folder" : "not a file");
    *bytes += info.st_size;
    add_picture(s, file, label);
  }
  return CVY_OK;
}

/* ---- the reader ---- */

static cvy_err open_state(cvy_source *out, const char *const *inputs, int64_t input_count) {
  state *s = out->state;
  char **classes;
  int64_t n;
  if (input_count != 1)
    return cvy_error(CVY_E_USAGE,
                     "folder: a split is one folder with a sub-folder a class, not %" PRId64 " inputs",
                     input_count);
  CVY_TRY(list_folders(&classes, &n, s->common.pool, inputs[0]));
  if (n == 0)
    return cvy_error(CVY_E_INPUT, "%s: no sub-folders; expected one a class, with JPEG and PNG files",
                     inputs[0]);
  if (n == 1)
    return cvy_error(CVY_E_INPUT, "%s: '%s' is its only sub-folder; a set has two classes or more", inputs[0],
                     classes[0]);
  for (int64_t i = 0; i < n; i++)
    CVY_TRY(add_class(s, &out->encoded_bytes, cvy_pool_format(s->common.pool, "%s/%s", inputs[0], classes[i]),
                      (int32_t)i));
  const char **names = cvy_pool_new(s->common.pool, sizeof *names * (size_t)n);
  for (int64_t i = 0; i < n; i++) names[i] = cvy_utf8_name(s->common.pool, classes[i], out->encoding);
  out->class_count = n;
  out->class_names = names;
  out->count = s->count;
  return CVY_OK;
}

static cvy_err open_folder(cvy_source *out, const void *config_, const char *const *inputs,
                           int64_t input_count, int64_t h, int64_t w, uint64_t seed) {
  const config *c = config_;
  (void)seed;
  cvy_pictures_begin(out, sizeof(state), c->colour, h, w);
  out->encoding = c->encoding;
  return cvy_pictures_opened(out, open_state(out, inputs, input_count), cvy_pictures_end);
}

static void folder_again(cvy_source *out, const cvy_source *first) {
  cvy_pictures_share(out, first, sizeof(state));
}

static cvy_err read_folder(cvy_record *out, cvy_source *source, int64_t index) {
  state *s = source->state;
  const picture *p = &s->pictures[index];
  snprintf(s->common.delivery.name, sizeof s->common.delivery.name, "%s", p->path);
  *out = (cvy_record){.label = p->label, .name = s->common.delivery.name};
  CVY_TRY(cvy_pictures_read(&s->common.delivery, p->path));
  return cvy_pictures_deliver(out, &s->common.delivery, source);
}

/* ---- splits ---- */

static cvy_err find_splits(cvy_prepare_input **out, int64_t *count, cvy_pool *pool, const char *path) {
  char **names;
  int64_t n;
  *count = 0;
  CVY_TRY(list_folders(&names, &n, pool, path));
  cvy_splits_called(out, count, pool, cvy_pool_format(pool, "%s/", path), (const char *const *)names, n);
  return CVY_OK;
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
    .read = read_folder,
    .close = cvy_pictures_end,
    .again = folder_again,
};
