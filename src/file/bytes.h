/* Reading files: all their bytes, gunzipped where they are gzipped, or some bytes at a place; and reading
 * numbers from bytes. */
#ifndef CVY_FILE_BYTES_H
#define CVY_FILE_BYTES_H

#include "base/base.h"

typedef struct cvy_bytes {
  uint8_t *data; /* grows as needed and is reused */
  size_t count, capacity;
} cvy_bytes;

/* Reads all of `path`, gunzipped if it is gzipped. Missing files and damaged gzip are errors that name it. */
cvy_err cvy_bytes_read(cvy_bytes *out, const char *path) CVY_MUST_CHECK;
void cvy_bytes_free(cvy_bytes *bytes);
/* Reads the first `count` bytes of a file, gunzipped if it is gzipped, or as many as it has. It returns how
 * many there were, and 0 also if the file cannot be read. */
size_t cvy_read_head(void *out, size_t count, const char *path);
/* Says what went wrong when zlib's gzread of `file` (a gzFile) failed after `offset` bytes of content. */
cvy_err cvy_gzip_error(void *file, const char *path, size_t offset) CVY_MUST_CHECK;
/* Makes room for `capacity` bytes; what is there stays. `path` is for the error. */
cvy_err cvy_bytes_reserve(cvy_bytes *bytes, size_t capacity, const char *path) CVY_MUST_CHECK;

/* Reads the bytes offset ... offset+count-1 of an open file. It is an error if the file ends before; `path`
 * names the file in that error. Any number of threads may read one file. */
cvy_err cvy_read_at(void *out, int fd, int64_t offset, size_t count, const char *path) CVY_MUST_CHECK;

/* These read a number of 32 bits whose lowest byte comes first, or whose highest does. */
static inline uint32_t cvy_u32_little(const uint8_t *p) {
  return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
static inline uint32_t cvy_u32_big(const uint8_t *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
}

/* Tells whether `path` is a regular file that is HDF5. A block of the user's own may come first: MATLAB
 * writes 512 bytes. */
bool cvy_is_hdf5(const char *path);
/* Tells whether `path` is a folder. It is none if nothing is there. */
bool cvy_is_folder(const char *path);
/* Returns dir/name, or dir/name.gz if only that is there, in `pool`; NULL if neither is. */
char *cvy_find_file(cvy_pool *pool, const char *dir, const char *name);

#endif
