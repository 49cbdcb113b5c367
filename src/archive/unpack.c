/* Opening archives. Records are read in shuffled order, and a compressed stream cannot be read so: it is
 * decompressed once, into a file without a name. gzip goes through zlib, which checks its CRC-32 where
 * libarchive does not; xz, bzip2, zstd and zip go through libarchive. */
#include "archive/unpack.h"

#include "base/utf8.h"
#include "file/bytes.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { PART_BYTES = 1 << 18, SHOWN_BYTES = 1 << 24 };

typedef enum packing { PLAIN, GZIP, FILTERED, ZIP } packing;

typedef struct unpacking {
  const char *path;
  int fd; /* the temporary file */
  int64_t packed_bytes, written, shown;
  int64_t members;
  int64_t other_names; /* names that are not UTF-8 */
  uint8_t part[PART_BYTES];
} unpacking;

/* ---- the temporary file ---- */

static const char *temporary_folder(void) {
  const char *dir = getenv("TMPDIR");
  return dir && dir[0] ? dir : "/tmp";
}

static cvy_err cannot_spool(const char *path) {
  return cvy_error(CVY_E_SYSTEM,
                   "%s: cannot decompress it into a temporary file in %s: %s (TMPDIR names another folder)",
                   path, temporary_folder(), strerror(errno));
}

cvy_err cvy_temporary_file(int *fd, char **name, const char *path) {
  *name = cvy_format("%s/convoy-XXXXXX", temporary_folder());
  *fd = mkstemp(*name);
  if (*fd >= 0) return CVY_OK;
  const cvy_err err = cannot_spool(path);
  free(*name);
  *name = NULL;
  return err;
}

cvy_err cvy_nameless_file(int *fd, const char *path) {
  char *name;
  CVY_TRY(cvy_temporary_file(fd, &name, path));
  unlink(name);
  free(name);
  return CVY_OK;
}

static cvy_err put(unpacking *u, size_t count, int64_t packed_done) {
  for (size_t done = 0; done < count;) {
    const ssize_t n = write(u->fd, u->part + done, count - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return cannot_spool(u->path);
    done += (size_t)n;
  }
  u->written += (int64_t)count;
  if (u->written - u->shown < SHOWN_BYTES) return CVY_OK;
  u->shown = u->written;
  cvy_progress("decompressing %s: %" PRId64 " %%", u->path, packed_done * 100 / (u->packed_bytes + 1));
  return CVY_OK;
}

/* ---- gzip ---- */

static cvy_err gunzip(unpacking *u) {
  gzFile file = gzopen(u->path, "rb");
  if (!file) return cvy_error(CVY_E_INPUT, "%s: cannot open: %s", u->path, strerror(errno));
  gzbuffer(file, 1 << 17);
  cvy_err err = CVY_OK;
  for (int got = 1; got > 0 && !err;) {
    int code = Z_OK;
    got = gzread(file, u->part, PART_BYTES);
    if (got <= 0) gzerror(file, &code);
    if (got < 0 || code != Z_OK)
      err = cvy_gzip_error(file, u->path, (size_t)u->written);
    else
      err = put(u, (size_t)got, gzoffset(file));
  }
  gzclose(file);
  return err;
}

/* ---- libarchive ---- */

static cvy_err archive_failed(const unpacking *u, struct archive *a) {
  const char *why = archive_error_string(a);
  return cvy_error(CVY_E_INPUT, "%s: damaged or truncated after %" PRId64 " bytes of content: %s", u->path,
                   u->written, why ? why : "no more is known");
}

/* Copies the content of the entry that libarchive stands at. */
static cvy_err copy_entry(unpacking *u, struct archive *a) {
  for (;;) {
    const la_ssize_t got = archive_read_data(a, u->part, PART_BYTES);
    if (got < 0) return archive_failed(u, a);
    if (got == 0) return CVY_OK;
    CVY_TRY(put(u, (size_t)got, archive_filter_bytes(a, -1)));
  }
}

static cvy_err copy_member(unpacking *u, struct archive *a, struct archive_entry *entry, cvy_members *out,
                           cvy_pool *pool) {
  const int64_t begin = u->written;
  const char *name = archive_entry_pathname(entry);
  u->members++;
  if (!name)
    return cvy_error(CVY_E_INPUT,
                     "%s: the name of member %" PRId64
                     " is none, or is marked as UTF-8 but is in another encoding; pack the folder anew",
                     u->path, u->members);
  u->other_names += !cvy_utf8_valid(name);
  const bool folder = archive_entry_filetype(entry) == AE_IFDIR;
  if (!folder && archive_entry_filetype(entry) != AE_IFREG)
    return cvy_error(CVY_E_INPUT, "%s: '%s' is a link or a device; expected plain files and folders", u->path,
                     name);
  if (!folder) CVY_TRY(copy_entry(u, a));
  cvy_members_add(out, pool, name, begin, u->written - begin, folder);
  return CVY_OK;
}

static cvy_err copy_all(unpacking *u, struct archive *a, packing kind, cvy_members *out, cvy_pool *pool) {
  if (archive_read_open_filename(a, u->path, 1 << 17) != ARCHIVE_OK) return archive_failed(u, a);
  for (;;) {
    struct archive_entry *entry;
    const int code = archive_read_next_header(a, &entry);
    if (code == ARCHIVE_EOF) return CVY_OK;
    if (code != ARCHIVE_OK && code != ARCHIVE_WARN) return archive_failed(u, a);
    if (kind == ZIP)
      CVY_TRY(copy_member(u, a, entry, out, pool));
    else
      CVY_TRY(copy_entry(u, a));
  }
}

/* libarchive gives a zip's name as UTF-8 if the zip marks it so and the locale has UTF-8; it gives any other
 * name as it stands there. PKWARE's APPNOTE, D.1, says that an unmarked name is in code page 437. */
static cvy_err unpack_with_libarchive(unpacking *u, packing kind, cvy_members *out, cvy_pool *pool) {
  struct archive *a = archive_read_new();
  if (!a) return cvy_error(CVY_E_SYSTEM, "%s: out of memory", u->path);
  archive_read_support_filter_xz(a);
  archive_read_support_filter_bzip2(a);
  archive_read_support_filter_zstd(a);
  if (kind == ZIP)
    archive_read_support_format_zip_seekable(a);
  else
    archive_read_support_format_raw(a);
  out->encoding = kind == ZIP ? "cp437" : NULL;
  cvy_locale *before = cvy_utf8_enter();
  const cvy_err err = copy_all(u, a, kind, out, pool);
  archive_read_free(a);
  cvy_utf8_leave(before);
  return err;
}

/* ---- which of them ---- */

static bool begins(const uint8_t *head, const char *magic, size_t count) {
  return memcmp(head, magic, count) == 0;
}

static packing packing_of(const uint8_t head[6]) {
  if (begins(head, "\x1f\x8b", 2)) return GZIP;
  if (begins(head, "PK\3\4", 4)) return ZIP;
  if (begins(head, "BZh", 3) ||
      begins(head,
             "\xfd"
             "7zXZ",
             6) ||
      begins(head, "\x28\xb5\x2f\xfd", 4))
    return FILTERED;
  return PLAIN;
}

static cvy_err open_packed(int *fd, int64_t *bytes, packing *kind, const char *path) {
  struct stat info;
  uint8_t head[6] = {0};
  *fd = open(path, O_RDONLY | O_CLOEXEC);
  if (*fd < 0) return cvy_error(CVY_E_INPUT, "%s: cannot open: %s", path, strerror(errno));
  if (fstat(*fd, &info) != 0 || !S_ISREG(info.st_mode))
    return cvy_error(CVY_E_INPUT, "%s: not a file; expected a tar, plain or compressed, or a zip", path);
  *bytes = info.st_size;
  CVY_TRY(cvy_read_at(head, *fd, 0, *bytes < 6 ? (size_t)*bytes : 6, path));
  *kind = packing_of(head);
  return CVY_OK;
}

static cvy_err unpack(int *fd, int64_t *bytes, packing kind, cvy_members *out, cvy_pool *pool,
                      const char *path) {
  unpacking *u = cvy_new(sizeof *u);
  u->path = path;
  u->packed_bytes = *bytes;
  cvy_err err = cvy_nameless_file(&u->fd, path);
  if (!err) err = kind == GZIP ? gunzip(u) : unpack_with_libarchive(u, kind, out, pool);
  if (u->shown > 0) cvy_progress_end();
  if (u->other_names > 0)
    cvy_log("%s: %" PRId64 " names are not UTF-8; without --encoding they are taken for %s", path,
            u->other_names, out->encoding);
  close(*fd);
  *fd = u->fd;
  *bytes = u->written;
  free(u);
  return err;
}

static cvy_err open_and_list(int *fd, cvy_members *out, cvy_pool *pool, const char *path) {
  int64_t bytes = 0;
  packing kind = PLAIN;
  CVY_TRY(open_packed(fd, &bytes, &kind, path));
  if (kind != PLAIN) CVY_TRY(unpack(fd, &bytes, kind, out, pool, path));
  return kind == ZIP ? CVY_OK : cvy_tarball_list(out, pool, *fd, 0, bytes, path);
}

cvy_err cvy_archive_open(int *fd, cvy_members *out, cvy_pool *pool, const char *path) {
  *out = (cvy_members){0};
  const cvy_err err = open_and_list(fd, out, pool, path);
  if (err && *fd >= 0) close(*fd);
  if (err) *fd = -1;
  return err;
}

bool cvy_is_archive(const char *path) {
  int fd = -1;
  int64_t bytes = 0;
  packing kind = PLAIN;
  uint8_t header[512] = {0};
  cvy_err err = open_packed(&fd, &bytes, &kind, path);
  if (!err && kind == PLAIN && bytes >= 512) err = cvy_read_at(header, fd, 0, 512, path);
  if (fd >= 0) close(fd);
  return !err && (kind != PLAIN || cvy_is_tar_header(header));
}

int64_t cvy_archive_peek(const char **names, int64_t most, cvy_pool *pool, const char *path) {
  struct archive *a = cvy_is_archive(path) ? archive_read_new() : NULL;
  struct archive_entry *entry;
  int64_t count = 0;
  if (!a) return 0;
  archive_read_support_filter_all(a);
  archive_read_support_format_tar(a);
  archive_read_support_format_zip(a);
  if (archive_read_open_filename(a, path, 1 << 16) != ARCHIVE_OK) most = 0;
  while (count < most && archive_read_next_header(a, &entry) == ARCHIVE_OK) {
    const char *name = archive_entry_pathname(entry);
    if (name) names[count++] = cvy_pool_format(pool, "%s", name);
  }
  archive_read_free(a);
  return count;
}
