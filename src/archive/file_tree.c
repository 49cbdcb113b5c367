/* Listing the files beneath a folder or in an archive, and reading them by name. */
#include "archive/file_tree.h"

#include "archive/unpack.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_DEPTH = 32 };

static cvy_file_tree *kept;

/* ---- what is passed over ---- */

/* These are the files and folders that systems leave behind beside people's own: Windows, macOS, Picasa, the
 * network disks of Synology and QNAP, and ext's fsck. */
static const char *const leavings[] = {
    "Thumbs.db",
    "ehthumbs.db",
    "ehthumbs_vista.db",
    "desktop.ini",
    "Picasa.ini",
    "$RECYCLE.BIN",
    "System Volume Information",
    "__MACOSX",
    "Icon\r",
    "@eaDir",
    "#recycle",
    "@Recycle",
    "lost+found",
};

static bool is_leaving(const char *name, size_t length) {
  for (int64_t i = 0; i < CVY_COUNT(leavings); i++)
    if (strlen(leavings[i]) == length && strncasecmp(name, leavings[i], length) == 0) return true;
  return false;
}

bool cvy_is_passed_over(const char *name) {
  for (const char *p = name;; p += strcspn(p, "/") + 1) {
    const size_t length = strcspn(p, "/");
    if (*p == '.' || is_leaving(p, length)) return true;
    if (!p[length]) return false;
  }
}

/* ---- a folder ---- */

static cvy_err read_failed(const char *path) {
  const bool theirs = errno == ENOENT || errno == ENOTDIR || errno == EACCES || errno == ELOOP;
  const cvy_err err = theirs ? CVY_E_INPUT : CVY_E_SYSTEM;
  return cvy_error(err, "%s: cannot read: %s", path, strerror(errno));
}

/* This is a folder on the way from the root. The steps above it tell a link that leads back. */
typedef struct step {
  const struct step *above; /* NULL: this is the root */
  int depth;
  dev_t device;
  ino_t inode;
} step;

static cvy_err list_folder(cvy_file_tree *t, const char *name, const step *above);

static cvy_err add_entry(cvy_file_tree *t, DIR *dir, const char *entry, const char *name, const step *here) {
  struct stat info;
  if (fstatat(dirfd(dir), entry, &info, 0) != 0) /* a link to nothing, too: a class may be missing */
    return read_failed(cvy_pool_format(t->pool, "%s/%s", t->path, name));
  const bool folder = S_ISDIR(info.st_mode);
  cvy_members_add(&t->members, t->pool, name, 0, folder ? 0 : info.st_size, folder);
  return folder && !t->top_only ? list_folder(t, name, here) : CVY_OK;
}

static cvy_err list_entries(cvy_file_tree *t, DIR *dir, const char *name, const char *path,
                            const step *here) {
  cvy_err err = CVY_OK;
  errno = 0;
  for (const struct dirent *entry; !err && (entry = readdir(dir)); errno = 0) {
    if (cvy_is_passed_over(entry->d_name)) continue;
    char *below = cvy_format("%s%s%s", name, name[0] ? "/" : "", entry->d_name);
    err = add_entry(t, dir, entry->d_name, below, here);
    free(below);
  }
  return !err && errno ? read_failed(path) : err;
}

static cvy_err enter(step *out, DIR *dir, const char *path, const step *above) {
  struct stat info;
  if (fstat(dirfd(dir), &info) != 0) return read_failed(path);
  *out = (step){above, above ? above->depth + 1 : 0, info.st_dev, info.st_ino};
  if (out->depth > MAX_DEPTH) return cvy_error(CVY_E_INPUT, "%s: more than %d folders deep", path, MAX_DEPTH);
  for (; above; above = above->above)
    if (above->device == info.st_dev && above->inode == info.st_ino)
      return cvy_error(CVY_E_INPUT, "%s: a link to a folder that it lies in; remove it", path);
  return CVY_OK;
}

/* `name` of "" is the root. */
static cvy_err list_folder(cvy_file_tree *t, const char *name, const step *above) {
  const char *path = name[0] ? cvy_pool_format(t->pool, "%s/%s", t->path, name) : t->path;
  step here;
  DIR *dir = opendir(path[0] ? path : "/");
  if (!dir) return read_failed(path);
  cvy_err err = enter(&here, dir, path, above);
  if (!err) err = list_entries(t, dir, name, path, &here);
  closedir(dir);
  return err;
}

/* ---- names ---- */

/* Folders may come twice, as tars that were appended to have them. */
static cvy_err sort_members(cvy_file_tree *t) {
  cvy_member *m = t->members.items;
  int64_t kept_count = 0;
  for (int64_t i = 0; i < t->members.count; i++)
    if (!cvy_is_passed_over(m[i].name)) m[kept_count++] = m[i];
  t->members.count = kept_count;
  cvy_sort_by_text(m, kept_count, sizeof *m);
  for (int64_t i = 1; i < kept_count; i++)
    if (!(m[i - 1].folder && m[i].folder) && strcmp(m[i - 1].name, m[i].name) == 0)
      return cvy_error(CVY_E_INPUT, "%s: '%s' is in it twice", t->path, m[i].name);
  return CVY_OK;
}

/* ---- open and close ---- */

static void destroy(cvy_file_tree *t) {
  if (t->fd >= 0) close(t->fd);
  cvy_pool_destroy(t->pool);
  free(t);
}

static cvy_file_tree *create(const char *path, size_t length) {
  cvy_file_tree *t = cvy_new(sizeof *t);
  while (length > 0 && path[length - 1] == '/') length--;
  t->pool = cvy_pool_create();
  t->path = cvy_pool_format(t->pool, "%.*s", (int)length, path);
  t->fd = -1;
  t->users = 1;
  return t;
}

static cvy_err fill(cvy_file_tree *t, const struct stat *info) {
  if (S_ISDIR(info->st_mode))
    CVY_TRY(list_folder(t, "", NULL));
  else
    CVY_TRY(cvy_archive_open(&t->fd, &t->members, t->pool, t->path));
  return sort_members(t);
}

cvy_err cvy_file_tree_open(cvy_file_tree **out, const char *path) {
  struct stat info;
  *out = NULL;
  if (stat(path, &info) != 0) return cvy_error(CVY_E_INPUT, "%s: cannot open: %s", path, strerror(errno));
  const uint64_t identity[] = {(uint64_t)info.st_dev, (uint64_t)info.st_ino, (uint64_t)info.st_size,
                               (uint64_t)info.st_mtim.tv_sec * 1000000000u + (uint64_t)info.st_mtim.tv_nsec};
  if (kept && memcmp(kept->identity, identity, sizeof identity) == 0) {
    kept->users++;
    *out = kept;
    return CVY_OK;
  }
  cvy_file_tree *t = create(path, strlen(path));
  memcpy(t->identity, identity, sizeof identity);
  const cvy_err err = fill(t, &info);
  if (err)
    destroy(t);
  else
    *out = t;
  return err;
}

cvy_err cvy_file_tree_open_top(cvy_file_tree **out, const char *path) {
  cvy_file_tree *t = create(path, strlen(path));
  t->top_only = true;
  cvy_err err = list_folder(t, "", NULL);
  if (!err) err = sort_members(t);
  *out = err ? NULL : t;
  if (err) destroy(t);
  return err;
}

cvy_err cvy_file_tree_open_file(cvy_file_tree **out, const char *path) {
  struct stat info;
  *out = NULL;
  if (stat(path, &info) != 0) return cvy_error(CVY_E_INPUT, "%s: cannot open: %s", path, strerror(errno));
  if (!S_ISREG(info.st_mode)) return cvy_error(CVY_E_INPUT, "%s: not a file", path);
  const char *slash = strrchr(path, '/');
  cvy_file_tree *t = slash ? create(path, (size_t)(slash - path)) : create(".", 1);
  cvy_members_add(&t->members, t->pool, slash ? slash + 1 : path, 0, info.st_size, false);
  *out = t;
  return CVY_OK;
}

void cvy_file_tree_close(cvy_file_tree *tree) {
  if (tree && --tree->users == 0) destroy(tree);
}

void cvy_file_tree_keep(cvy_file_tree *tree) {
  if (tree == kept || tree->fd < 0) return;
  cvy_file_tree_close(kept);
  tree->users++;
  kept = tree;
}

/* ---- reading ---- */

const cvy_member *cvy_file_tree_find(const cvy_file_tree *tree, const char *name, size_t length) {
  int64_t low = 0, high = tree->members.count;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    const cvy_member *m = &tree->members.items[middle];
    int order = strncmp(name, m->name, length);
    if (order == 0 && m->name[length]) order = -1;
    if (order == 0) return m;
    if (order < 0)
      high = middle;
    else
      low = middle + 1;
  }
  return NULL;
}

void cvy_file_tree_name(char *out, size_t room, const cvy_file_tree *tree, const cvy_member *member) {
  snprintf(out, room, "%s%s%s", tree->path, tree->fd < 0 ? "/" : ": ", member->name);
}

cvy_err cvy_file_tree_read_at(void *out, const cvy_file_tree *tree, const cvy_member *member, int64_t offset,
                              size_t count) {
  char name[4096];
  cvy_file_tree_name(name, sizeof name, tree, member);
  if (tree->fd >= 0) return cvy_read_at(out, tree->fd, member->offset + offset, count, name);
  const int fd = open(name, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return read_failed(name);
  const cvy_err err = cvy_read_at(out, fd, offset, count, name);
  close(fd);
  return err;
}

cvy_err cvy_file_tree_read(cvy_bytes *out, const cvy_file_tree *tree, const cvy_member *member) {
  CVY_TRY(cvy_bytes_reserve(out, (size_t)member->size, member->name));
  out->count = (size_t)member->size;
  return cvy_file_tree_read_at(out->data, tree, member, 0, out->count);
}

void cvy_split_input(const char **path, const char **part, cvy_pool *pool, const char *input) {
  const char *colon = strrchr(input, ':');
  *path = input;
  *part = NULL;
  if (!colon || access(input, F_OK) == 0) return;
  *path = cvy_pool_format(pool, "%.*s", (int)(colon - input), input);
  *part = colon + 1;
}
