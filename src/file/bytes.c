/* Reading files. zlib's gzread also reads files that are not gzipped, so there is one way to read both. */
#include "file/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

cvy_err cvy_bytes_reserve(cvy_bytes *bytes, size_t capacity, const char *path) {
  if (capacity <= bytes->capacity) return CVY_OK;
  uint8_t *data = realloc(bytes->data, capacity);
  if (!data) return cvy_error(CVY_E_SYSTEM, "%s: out of memory (%zu bytes)", path, capacity);
  bytes->data = data;
  bytes->capacity = capacity;
  return CVY_OK;
}

cvy_err cvy_gzip_error(void *file, const char *path, size_t offset) {
  int code;
  const char *message = gzerror(file, &code);
  if (code == Z_BUF_ERROR)
    return cvy_error(CVY_E_INPUT, "%s: truncated: the gzip data ends after %zu bytes of content", path,
                     offset);
  if (code == Z_ERRNO) {
    const cvy_err err = errno == EISDIR ? CVY_E_INPUT : CVY_E_SYSTEM;
    return cvy_error(err, "%s: cannot read: %s", path, strerror(errno));
  }
  return cvy_error(CVY_E_INPUT, "%s: damaged gzip data after %zu bytes of content: %s", path, offset,
                   message);
}

static cvy_err read_all(cvy_bytes *out, gzFile file, const char *path) {
  enum { PART = 1 << 20 };
  for (out->count = 0;;) {
    if (out->capacity - out->count < PART / 2)
      CVY_TRY(cvy_bytes_reserve(out, 2 * out->capacity + PART, path));
    const size_t room = out->capacity - out->count;
    const int got = gzread(file, out->data + out->count, (unsigned)(room < PART ? room : PART));
    if (got > 0) out->count += (size_t)got;
    int code = Z_OK;
    if (got <= 0) gzerror(file, &code);
    if (got < 0 || code != Z_OK) return cvy_gzip_error(file, path, out->count);
    if (got == 0) return CVY_OK;
  }
}

cvy_err cvy_bytes_read(cvy_bytes *out, const char *path) {
  out->count = 0;
  gzFile file = gzopen(path, "rb");
  if (!file) return cvy_error(CVY_E_INPUT, "%s: cannot open: %s", path, strerror(errno));
  gzbuffer(file, 1 << 17);
  const cvy_err err = read_all(out, file, path);
  gzclose(file);
  return err;
}

size_t cvy_read_head(void *out, size_t count, const char *path) {
  gzFile file = gzopen(path, "rb");
  if (!file) return 0;
  const int got = gzread(file, out, (unsigned)count);
  gzclose(file);
  return got > 0 ? (size_t)got : 0;
}

void cvy_bytes_free(cvy_bytes *bytes) {
  free(bytes->data);
  *bytes = (cvy_bytes){0};
}

cvy_err cvy_read_at(void *out, int fd, int64_t offset, size_t count, const char *path) {
  for (size_t done = 0; done < count;) {
    const ssize_t got = pread(fd, (uint8_t *)out + done, count - done, (off_t)(offset + (int64_t)done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return cvy_error(CVY_E_SYSTEM, "%s: cannot read: %s", path, strerror(errno));
    if (got == 0)
      return cvy_error(CVY_E_INPUT, "%s: truncated: %zu bytes wanted at byte %" PRId64 ", it ends after %zu",
                       path, count, offset, done);
    done += (size_t)got;
  }
  return CVY_OK;
}

bool cvy_is_hdf5(const char *path) {
  enum { FIRST_BLOCK = 512 };
  static const char signature[8] = "\x89HDF\r\n\x1a\n";
  char found[sizeof signature];
  struct stat info;
  bool is = false;
  if (stat(path, &info) || !S_ISREG(info.st_mode)) return false; /* a pipe would wait */
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  for (off_t at = 0; fd >= 0 && !is && pread(fd, found, sizeof found, at) == sizeof found;
       at = at ? 2 * at : FIRST_BLOCK)
    is = memcmp(found, signature, sizeof found) == 0;
  if (fd >= 0) close(fd);
  return is;
}

bool cvy_is_folder(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

char *cvy_find_file(cvy_pool *pool, const char *dir, const char *name) {
  static const char *const endings[] = {"", ".gz"};
  for (int64_t i = 0; i < CVY_COUNT(endings); i++) {
    char *path = cvy_pool_format(pool, "%s/%s%s", dir, name, endings[i]);
    if (access(path, F_OK) == 0) return path;
  }
  return NULL;
}
