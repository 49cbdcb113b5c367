/* Archives of any kind, made readable at any place. */
#ifndef CVY_ARCHIVE_UNPACK_H
#define CVY_ARCHIVE_UNPACK_H

#include "archive/tarball.h"

/* Opens the archive `path` and lists what it holds, in its order; *fd is for cvy_read_at at the members'
 * offsets and is the caller's to close. A plain tar is read where it lies. A compressed tar (gzip, xz, bzip2,
 * zstd) and a zip are decompressed into a file without a name in $TMPDIR (/tmp if unset), which is gone once
 * `fd` is closed; that shows progress. Errors name `path`: no such archive, damaged, truncated. It is
 * CVY_E_SYSTEM if the temporary file cannot be written. On an error *fd is -1. */
cvy_err cvy_archive_open(int *fd, cvy_members *out, cvy_pool *pool, const char *path) CVY_MUST_CHECK;

/* Lists the first `most` members of such an archive, folders with a '/' behind, and reads no further than
 * that. Returns how many it saw, 0 also if `path` is no archive. */
int64_t cvy_archive_peek(const char **names, int64_t most, cvy_pool *pool, const char *path);
/* Opens a file without a name in $TMPDIR (/tmp if unset), which is gone once `fd` is closed, for what comes
 * out of `path`, which is for the error. */
cvy_err cvy_nameless_file(int *fd, const char *path) CVY_MUST_CHECK;

/* Whether `path` is a file that begins like one of these archives. */
bool cvy_is_archive(const char *path);

#endif
