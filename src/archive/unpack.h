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

/* Lists the first `most` members of the archive `path`, folders with a '/' behind, and reads no further. It
 * returns how many there are; 0 also if `path` is no archive. */
int64_t cvy_archive_peek(const char **names, int64_t most, cvy_pool *pool, const char *path);
/* Opens a file without a name in $TMPDIR (/tmp if unset), which is gone once `fd` is closed. The error names
 * `path`, whose content the file is for. */
cvy_err cvy_nameless_file(int *fd, const char *path) CVY_MUST_CHECK;
/* Does so, but leaves the name, which the caller removes and frees. On an error *name is NULL. */
cvy_err cvy_temporary_file(int *fd, char **name, const char *path) CVY_MUST_CHECK;

/* Tells whether `path` is a file that begins like an archive that cvy_archive_open reads. */
bool cvy_is_archive(const char *path);

#endif
