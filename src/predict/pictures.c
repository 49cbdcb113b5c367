/* Lists pictures, and reads their files. */
#include "predict/pictures.h"

#include "archive/file_tree.h"
#include "archive/unpack.h"
#include "file/bytes.h"
#include "picture/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* A picture: a member of a tree; or a file, `path`; or else the bytes of standard input. */
typedef struct item {
  const cvy_file_tree *tree;
  const cvy_member *member;
  const char *path;
} item;

struct cvy_pictures {
  cvy_pool *pool;
  const cvy_bytes *input;
  int input_fd; /* holds an archive that came on standard input; -1: none did */
  cvy_file_tree **trees;
  int64_t tree_count;
  item *items;
  int64_t count, capacity, left_out;
};

/* ---- listing ---- */

static void add(cvy_pictures *p, const item *one) {
  if (p->count == p->capacity) {
    item *more = cvy_new(sizeof *more * (size_t)(2 * p->capacity + 64));
    if (p->count) memcpy(more, p->items, sizeof *more * (size_t)p->count);
    free(p->items);
    p->items = more;
    p->capacity = 2 * p->capacity + 64;
  }
  p->items[p->count++] = *one;
}

/* Pictures of kinds that cannot be read count too, so that somebody is told of them. */
static bool has_name_of_picture(const char *name) {
  static const char *const endings[] = {".jpg", ".jpeg", ".jpe", ".jfif", ".png",
                                        ".bmp", ".gif",  ".tif", ".tiff", ".webp"};
  const char *dot = strrchr(name, '.');
  for (int64_t i = 0; dot && i < CVY_COUNT(endings); i++)
    if (strcasecmp(dot, endings[i]) == 0) return true;
  return false;
}

static cvy_err add_tree(cvy_pictures *p, const char *path, const char *input) {
  cvy_file_tree *tree;
  const int64_t before = p->count;
  CVY_TRY(cvy_file_tree_open(&tree, path));
  p->trees[p->tree_count++] = tree;
  for (int64_t i = 0; i < tree->members.count; i++) {
    const cvy_member *member = &tree->members.items[i];
    if (member->folder) continue;
    if (has_name_of_picture(member->name))
      add(p, &(item){.tree = tree, .member = member});
    else
      p->left_out++;
  }
  if (p->count > before) return CVY_OK;
  return cvy_error(CVY_E_INPUT, "%s: no pictures in it: no name in it ends in .jpg, .jpeg or .png", input);
}

/* Puts an archive that came on standard input into a file, which has no name but the one that the system
 * gives to what a process has open. */
static cvy_err add_archive_of_input(cvy_pictures *p) {
  char path[64];
  CVY_TRY(cvy_nameless_file(&p->input_fd, "standard input"));
  for (size_t done = 0; done < p->input->count;) {
    const ssize_t wrote = write(p->input_fd, p->input->data + done, p->input->count - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0)
      return cvy_error(CVY_E_SYSTEM, "standard input: cannot be kept in a file: %s", strerror(errno));
    done += (size_t)wrote;
  }
  snprintf(path, sizeof path, "/proc/self/fd/%d", p->input_fd);
  if (!cvy_is_archive(path)) {
    add(p, &(item){0});
    return CVY_OK;
  }
  CVY_TRY(add_tree(p, path, "standard input"));
  return CVY_OK;
}

static cvy_err add_input(cvy_pictures *p, const char *input) {
  struct stat info;
  if (strcmp(input, "-") == 0) {
    int64_t h, w, channels = 0;
    if (p->input->count == 0) return cvy_error(CVY_E_INPUT, "standard input is empty");
    if (cvy_image_size(&h, &w, &channels, p->input->data, p->input->count)) return add_archive_of_input(p);
    add(p, &(item){0});
    return CVY_OK;
  }
  if (stat(input, &info)) return cvy_error(CVY_E_INPUT, "%s: %s", input, strerror(errno));
  if (S_ISDIR(info.st_mode) || cvy_is_archive(input)) return add_tree(p, input, input);
  add(p, &(item){.path = input});
  return CVY_OK;
}

cvy_err cvy_pictures_open(cvy_pictures **out, const char *const *inputs, int64_t count,
                          const cvy_bytes *input) {
  cvy_pictures *p = cvy_new(sizeof *p);
  *out = NULL;
  *p = (cvy_pictures){.pool = cvy_pool_create(), .input = input, .input_fd = -1};
  p->trees = cvy_pool_new(p->pool, sizeof(cvy_file_tree *) * (size_t)(count + 1));
  cvy_err err = CVY_OK;
  for (int64_t i = 0; i < count && !err; i++) err = add_input(p, inputs[i]);
  if (err)
    cvy_pictures_close(p);
  else
    *out = p;
  return err;
}

void cvy_pictures_close(cvy_pictures *p) {
  if (!p) return;
  for (int64_t i = 0; i < p->tree_count; i++) cvy_file_tree_close(p->trees[i]);
  if (p->input_fd >= 0) close(p->input_fd);
  cvy_pool_destroy(p->pool);
  free(p->items);
  free(p);
}

/* ---- pictures ---- */

static cvy_err read_item(cvy_bytes *out, const void *context, int64_t index) {
  const cvy_pictures *p = context;
  const item *one = &p->items[index];
  cvy_err err = CVY_OK;
  if (one->tree) {
    err = cvy_file_tree_read(out, one->tree, one->member);
  } else if (one->path) {
    err = cvy_bytes_read(out, one->path);
  } else {
    CVY_TRY(cvy_bytes_reserve(out, p->input->count, "standard input"));
    memcpy(out->data, p->input->data, p->input->count);
    out->count = p->input->count;
  }
  return err ? cvy_error(CVY_E_INPUT, "%s", cvy_err_message()) : CVY_OK;
}

cvy_picture_source cvy_pictures_source(const cvy_pictures *p) {
  return (cvy_picture_source){.count = p->count, .read = read_item, .context = p};
}

int64_t cvy_pictures_left_out(const cvy_pictures *p) {
  return p->left_out;
}

const char *cvy_pictures_name(const cvy_pictures *p, cvy_pool *pool, int64_t index) {
  const item *one = &p->items[index];
  char name[4096];
  if (!one->tree) return one->path ? one->path : "-";
  if (p->input_fd >= 0 && strncmp(one->tree->path, "/proc/", 6) == 0)
    return cvy_pool_format(pool, "-: %s", one->member->name);
  cvy_file_tree_name(name, sizeof name, one->tree, one->member);
  return cvy_pool_format(pool, "%s", name);
}

cvy_hash cvy_pictures_hash(const cvy_pictures *p) {
  cvy_hasher *hasher = cvy_hasher_create();
  for (int64_t i = 0; i < p->count; i++) {
    const item *one = &p->items[i];
    const char *name = one->tree ? one->member->name : one->path ? one->path : "-";
    cvy_hasher_add(hasher, name, strlen(name) + 1);
  }
  const cvy_hash hash = cvy_hasher_result(hasher);
  cvy_hasher_destroy(hasher);
  return hash;
}
