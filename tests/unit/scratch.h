/* A folder of its own for a test, gone afterwards. Include it first: it asks for more of POSIX. */
#ifndef CVY_TESTS_SCRATCH_H
#define CVY_TESTS_SCRATCH_H

#define _XOPEN_SOURCE 700
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch_dir[64];

static inline const char *scratch_begin(void) {
  snprintf(scratch_dir, sizeof scratch_dir, "/tmp/convoy-test-XXXXXX");
  return mkdtemp(scratch_dir);
}

static inline int scratch_remove(const char *path, const struct stat *status, int kind, struct FTW *ftw) {
  (void)status;
  (void)kind;
  (void)ftw;
  return remove(path);
}

static inline void scratch_end(void) {
  nftw(scratch_dir, scratch_remove, 16, FTW_DEPTH | FTW_PHYS);
}

/* scratch_dir/name, in one of 64 buffers used in turn. */
static inline const char *scratch(const char *name) {
  static char paths[64][512];
  static int next;
  char *path = paths[next++ % 64];
  snprintf(path, sizeof paths[0], "%s/%s", scratch_dir, name);
  return path;
}

#endif
