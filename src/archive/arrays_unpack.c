/* Unpacking images that lie in chunks.
 *
 * To read one image, HDF5 unpacks every chunk that it touches. A chunk may hold a thousand images, or an
 * image may lie in a hundred chunks (h5py's own choice of chunks cuts images so). Therefore all images are
 * unpacked once, in the order of the file, into a nameless file in memory or on a disk, and are read from
 * there. */
#define _GNU_SOURCE /* memfd_create */
#include "archive/arrays_unpack.h"

#include "archive/unpack.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { BLOCK_BYTES = 1 << 20, SHOWN_BYTES = 1 << 28 };

/* This is how much a process unpacks into memory at most, for all parts of one opening together. */
static const int64_t most_bytes = (int64_t)1 << 30;

static int64_t image_bytes(const cvy_arrays *a) {
  return a->h * a->w * a->c * (a->is_float ? (int64_t)sizeof(float) : 1);
}

static cvy_err write_all(int fd, const char *bytes, int64_t count, const char *path) {
  while (count > 0) {
    const ssize_t n = write(fd, bytes, (size_t)count);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0)
      return cvy_error(CVY_E_SYSTEM, "%s: cannot unpack it: %s (TMPDIR names another folder)", path,
                       strerror(errno));
    bytes += n;
    count -= n;
  }
  return CVY_OK;
}

static cvy_err copy_images(const cvy_arrays *a, const cvy_arrays_part *part, int fd, char *block,
                           int64_t rows) {
  const int64_t bytes = image_bytes(a);
  int64_t shown = 0;
  for (int64_t i = 0; i < part->count; i += rows) {
    const int64_t count = part->count - i < rows ? part->count - i : rows;
    CVY_TRY(cvy_arrays_read(a, block, part->first + i, count));
    CVY_TRY(write_all(fd, block, count * bytes, part->path));
    if ((i + count) * bytes - shown < SHOWN_BYTES) continue;
    shown = (i + count) * bytes;
    cvy_progress("unpacking %s: %" PRId64 " of %" PRId64 " images", part->path, i + count, part->count);
  }
  if (shown > 0) cvy_progress_end();
  return CVY_OK;
}

static cvy_err unpack_into(const cvy_arrays *a, cvy_arrays_part *part, int fd) {
  char *block;
  const int64_t bytes = image_bytes(a), rows = bytes < BLOCK_BYTES ? BLOCK_BYTES / bytes : 1;
  CVY_TRY(cvy_buffer_create((void **)&block, (size_t)(rows * bytes), "a block of images"));
  const cvy_err err = copy_images(a, part, fd, block, rows);
  cvy_buffer_destroy(block);
  if (err) return err;
  part->fd = fd;
  cvy_h5_discard(part->h5);
  part->h5 = NULL;
  return CVY_OK;
}

static void tell_slow(const cvy_arrays_part *part, int64_t rows) {
  if (rows > 1)
    cvy_log(
        "%s: '%s' lies in chunks of %" PRId64
        " images and is too large to be unpacked into memory: in random "
        "order each chunk is unpacked again and again. 'convoy prepare hdf5' makes shards; or data.shuffle: "
        "block with data.block: %" PRId64 " reads chunk by chunk",
        part->path, part->name, rows, rows);
}

cvy_err cvy_arrays_unpack(const cvy_arrays *a, cvy_arrays_part *part, bool spools) {
  int64_t chunk_rows;
  int fd = -1;
  const bool fits = a->count <= most_bytes / image_bytes(a);
  /* With 0, HDF5 still keeps the chunks that hold the same images, so that one pass unpacks each once. */
  CVY_TRY(cvy_h5_hold(&chunk_rows, part->h5, part->name, fits || spools ? 0 : most_bytes / a->part_count));
  if (chunk_rows == 0) return CVY_OK;
  if (fits) fd = memfd_create("convoy-unpacked", MFD_CLOEXEC);
  if (!fits && spools) CVY_TRY(cvy_nameless_file(&fd, part->path));
  if (fd < 0) tell_slow(part, chunk_rows);
  if (fd < 0) return CVY_OK;
  const cvy_err err = unpack_into(a, part, fd);
  if (err) close(fd);
  return err;
}
