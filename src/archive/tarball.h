/* What an archive holds, and where in it. */
#ifndef CVY_ARCHIVE_TARBALL_H
#define CVY_ARCHIVE_TARBALL_H

#include "base/base.h"

typedef struct cvy_member {
  const char *name;     /* without "./" in front and "/" behind */
  int64_t offset, size; /* place and size of its content in the file, bytes */
  bool folder;
} cvy_member;

typedef struct cvy_members {
  cvy_member *items;
  int64_t count, capacity;
  const char *encoding; /* of names that are not UTF-8, where the archive's standard says it; else NULL */
} cvy_members;

/* Adds a member. `name` is copied into `pool`, cleaned of "./" and outer slashes; a member without any other
 * name is left out. */
void cvy_members_add(cvy_members *members, cvy_pool *pool, const char *name, int64_t offset, int64_t size,
                     bool folder);

/* Tells whether these 512 bytes are a member's header, by its checksum. */
bool cvy_is_tar_header(const uint8_t header[512]);
/* Adds the files and folders of the tar that fills bytes begin ... end-1 of `fd`, in its order, by its
 * headers alone. It reads the formats of GNU tar, POSIX (ustar, pax) and Unix V7. `path` names it in errors:
 * no tar, a header's wrong checksum, truncated, links, sparse files and devices. */
cvy_err cvy_tarball_list(cvy_members *out, cvy_pool *pool, int fd, int64_t begin, int64_t end,
                         const char *path) CVY_MUST_CHECK;

#endif
