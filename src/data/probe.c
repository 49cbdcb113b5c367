/* Timing how a place delivers bytes. */
#include "data/probe.h"

#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 1 << 20, MOST_FILES = 4096 };
static const double most_s = 3;

typedef struct paths {
  int count;
  char *of[MOST_FILES];
} paths;

static bool is_file(const char *path) {
  struct stat about;
  return stat(path, &about) == 0 && S_ISREG(about.st_mode);
}

static cvy_err find_files(paths *out, const char *path) {
  if (is_file(path)) {
    out->of[out->count++] = cvy_format("%s", path);
    return CVY_OK;
  }
  DIR *folder = opendir(path);
  if (!folder)
    return cvy_error(CVY_E_INPUT, "%s: %s; expected a folder of shards, or a file", path, strerror(errno));
  for (const struct dirent *entry; out->count < MOST_FILES && (entry = readdir(folder));) {
    char *name = cvy_format("%s/%s", path, entry->d_name);
    if (is_file(name))
      out->of[out->count++] = name;
    else
      free(name);
  }
  closedir(folder);
  cvy_sort_by_text(out->of, out->count, sizeof out->of[0]);
  return out->count ? CVY_OK : cvy_error(CVY_E_INPUT, "%s: there are no files in this folder", path);
}

/* Adds what it read, and stops at `end_s`. */
static cvy_err read_file(int64_t *bytes, const char *path, char *piece, bool forget, int64_t most_bytes,
                         double end_s) {
  const int file = open(path, O_RDONLY);
  if (file < 0) return cvy_error(CVY_E_INPUT, "%s: %s", path, strerror(errno));
  if (forget) (void)posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
  ssize_t got = 1;
  while (*bytes < most_bytes && cvy_now_s() < end_s && (got = read(file, piece, PIECE)) > 0) *bytes += got;
  const int reason = errno;
  close(file);
  return got < 0 ? cvy_error(CVY_E_SYSTEM, "%s: cannot read: %s", path, strerror(reason)) : CVY_OK;
}

static cvy_err read_all(double *bytes_s, int64_t *bytes, const paths *files, bool forget,
                        int64_t most_bytes) {
  static _Thread_local char piece[PIECE];
  const double start_s = cvy_now_s();
  *bytes = 0;
  for (int i = 0; i < files->count; i++)
    CVY_TRY(read_file(bytes, files->of[i], piece, forget, most_bytes, start_s + most_s));
  *bytes_s = (double)*bytes / (cvy_now_s() - start_s);
  return CVY_OK;
}

cvy_err cvy_probe_reading(cvy_reading *out, const char *path, int64_t most_bytes) {
  paths *files = cvy_new(sizeof *files);
  *out = (cvy_reading){0};
  cvy_err err = find_files(files, path);
  if (!err) err = read_all(&out->first_bytes_s, &out->bytes, files, true, most_bytes);
  if (!err && out->bytes == 0) err = cvy_error(CVY_E_INPUT, "%s: holds no bytes", path);
  if (!err) err = read_all(&out->again_bytes_s, &out->bytes, files, false, out->bytes);
  for (int i = 0; i < files->count; i++) free(files->of[i]);
  free(files);
  return err;
}
