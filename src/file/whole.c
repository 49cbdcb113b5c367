/* Whole files: temporary name, sync, rename, sync of the folder; and making and syncing folders. */
#define _DEFAULT_SOURCE /* realpath */
#include "file/whole.h"

#include "file/bytes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static cvy_err cannot(const char *path, const char *verb) {
  return cvy_error(CVY_E_SYSTEM, "%s: cannot %s: %s", path, verb, strerror(errno));
}

/* ---- syncing ---- */

/* EINVAL stands for a pipe, a device, or a folder of a file system that does not sync folders. */
static bool synced(int fd) {
  return fd >= 0 && (fsync(fd) == 0 || errno == EINVAL);
}

static cvy_err sync_path(const char *path, int flags, const char *named) {
  const int fd = open(path, flags | O_CLOEXEC);
  const cvy_err err = synced(fd) ? CVY_OK : cannot(named, "sync");
  if (fd >= 0) close(fd);
  return err;
}

cvy_err cvy_sync_folder(const char *path) {
  return sync_path(path, O_RDONLY | O_DIRECTORY, path);
}

static cvy_err sync_folder_of(const char *path) {
  const char *slash = strrchr(path, '/');
  char *folder = slash ? cvy_format("%.*s", (int)(slash - path + 1), path) : cvy_format(".");
  const cvy_err err = cvy_sync_folder(folder);
  free(folder);
  return err;
}

/* ---- the steps ---- */

char *cvy_whole_place(const char *path) {
  return cvy_format("%s.tmp", path);
}

uint64_t cvy_whole_inode(const char *place) {
  struct stat info;
  return lstat(place, &info) == 0 && S_ISREG(info.st_mode) ? info.st_ino : 0;
}

static cvy_err check_inode(const char *place, uint64_t inode, const char *path) {
  if (inode == 0 || cvy_whole_inode(place) == inode) return CVY_OK;
  return cvy_error(CVY_E_SYSTEM, "%s: another process has begun to write it, too", path);
}

cvy_err cvy_whole_sync(const char *place, uint64_t inode, const char *path) {
  CVY_TRY(sync_path(place, O_RDONLY, path));
  return check_inode(place, inode, path);
}

cvy_err cvy_whole_rename(const char *from, const char *to) {
  return rename(from, to) == 0 ? CVY_OK : cannot(from, "rename to its final name");
}

cvy_err cvy_whole_publish(const char *path) {
  char *place = cvy_whole_place(path);
  const cvy_err err = cvy_whole_rename(place, path);
  free(place);
  return err ? err : sync_folder_of(path);
}

void cvy_whole_withdraw(const char *path) {
  char *place = cvy_whole_place(path);
  unlink(place);
  free(place);
}

/* ---- whole files ---- */

static void free_whole(cvy_whole *file) {
  free((char *)file->path);
  free((char *)file->place);
  free(file);
}

static bool has_place_beside(const cvy_whole *file) {
  return strcmp(file->path, file->place) != 0;
}

/* A pipe or a device is written where it is. If `path` is a link, the file that it leads to is replaced. */
static cvy_whole *new_whole(const char *path) {
  struct stat info;
  cvy_whole *file = cvy_new(sizeof *file);
  const bool stands = stat(path, &info) == 0;
  const bool special = stands && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
  char *real = stands && !special ? realpath(path, NULL) : NULL;
  file->path = cvy_format("%s", real ? real : path);
  file->place = special ? cvy_format("%s", path) : cvy_whole_place(file->path);
  free(real);
  return file;
}

static cvy_err open_stream(cvy_whole *file) {
  struct stat info;
  if (stat(file->path, &info) == 0 && S_ISDIR(info.st_mode)) {
    errno = EISDIR; /* else only the rename would find it */
    return cannot(file->path, "be written");
  }
  /* This is a new file, for the one of that name may still be open to a process of a job that was killed. */
  if (has_place_beside(file)) unlink(file->place);
  const int fd = open(file->place, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) return cannot(file->path, "be written");
  file->stream = fdopen(fd, "wb");
  file->inode = cvy_whole_inode(file->place);
  if (file->stream) return CVY_OK;
  const cvy_err err = cannot(file->path, "be written");
  close(fd);
  return err;
}

static cvy_err refuse_hdf5(const char *path) {
  if (!cvy_is_hdf5(path)) return CVY_OK;
  return cvy_error(CVY_E_INPUT,
                   "%s: an HDF5 file stands there, a checkpoint or a dataset, and is not replaced; expected "
                   "another name",
                   path);
}

cvy_err cvy_whole_begin(cvy_whole **out, const char *path) {
  cvy_whole *file = new_whole(path);
  cvy_err err = refuse_hdf5(file->path);
  if (!err) err = open_stream(file);
  *out = err ? NULL : file;
  if (err) free_whole(file);
  return err;
}

static cvy_err close_stream(cvy_whole *file) {
  FILE *stream = file->stream;
  file->stream = NULL;
  errno = EIO; /* for a write that failed before, whose reason is gone unless it fails again */
  const bool good = fflush(stream) == 0 && !ferror(stream) && synced(fileno(stream));
  const cvy_err err = good ? CVY_OK : cannot(file->path, "be written");
  if (fclose(stream) != 0 && !err) return cannot(file->path, "be written");
  return err;
}

static cvy_err commit(cvy_whole *file) {
  CVY_TRY(close_stream(file));
  if (!has_place_beside(file)) return CVY_OK;
  CVY_TRY(check_inode(file->place, file->inode, file->path));
  return cvy_whole_publish(file->path);
}

cvy_err cvy_whole_commit(cvy_whole *file) {
  const cvy_err err = commit(file);
  if (err && has_place_beside(file)) unlink(file->place);
  free_whole(file);
  return err;
}

void cvy_whole_rollback(cvy_whole *file) {
  if (!file) return;
  fclose(file->stream);
  if (has_place_beside(file)) unlink(file->place);
  free_whole(file);
}

cvy_err cvy_whole_write(const char *path, const void *bytes, size_t count) {
  cvy_whole *file;
  CVY_TRY(cvy_whole_begin(&file, path));
  if (fwrite(bytes, 1, count, file->stream) == count) return cvy_whole_commit(file);
  const cvy_err err = cannot(file->path, "be written");
  cvy_whole_rollback(file);
  return err;
}

cvy_err cvy_whole_write_text(const char *path, const char *text) {
  return cvy_whole_write(path, text, strlen(text));
}

/* ---- folders ---- */

static cvy_err make_one(bool *made, const char *path) {
  *made = mkdir(path, 0777) == 0;
  if (*made || errno == EEXIST) return CVY_OK;
  const bool system = errno == ENOSPC || errno == EROFS || errno == EIO || errno == EDQUOT;
  return cvy_error(system ? CVY_E_SYSTEM : CVY_E_INPUT, "%s: cannot make the folder: %s", path,
                   strerror(errno));
}

cvy_err cvy_make_folder(bool *made, const char *path) {
  char *partial = cvy_format("%s", path);
  bool new_one = false;
  cvy_err err = path[0] ? CVY_OK : cvy_error(CVY_E_INPUT, "a folder's name is empty");
  for (char *at = partial + 1; !err; at++) {
    const char kept = *at;
    if (kept != '/' && kept != '\0') continue;
    *at = '\0';
    err = make_one(&new_one, partial);
    *at = kept;
    if (!kept) break;
  }
  free(partial);
  struct stat info;
  if (!err && (stat(path, &info) || !S_ISDIR(info.st_mode)))
    err = cvy_error(CVY_E_INPUT, "%s: not a folder", path);
  if (made) *made = new_one && !err;
  return err;
}

void cvy_remove_folder(const char *path) {
  DIR *dir = opendir(path);
  if (!dir) return;
  for (const struct dirent *entry; (entry = readdir(dir));) unlinkat(dirfd(dir), entry->d_name, 0);
  closedir(dir);
  rmdir(path);
}
