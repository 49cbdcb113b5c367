/* Makes a folder for the files of one test program, which is removed when the program ends, and a disk so
 * small that it fills up. */
#ifndef CVY_TESTS_SCRATCH_H
#define CVY_TESTS_SCRATCH_H

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch_path[256], scratch_disk_path[300];

static void scratch_remove(void) {
  char command[320];
  if (scratch_disk_path[0]) umount(scratch_disk_path);
  snprintf(command, sizeof command, "rm -rf '%s'", scratch_path);
  if (system(command) != 0) fprintf(stderr, "cannot remove %s\n", scratch_path);
}

static inline const char *scratch_folder(void) {
  if (scratch_path[0]) return scratch_path;
  const char *base = getenv("TMPDIR");
  snprintf(scratch_path, sizeof scratch_path, "%s/convoy-test-XXXXXX", base ? base : "/tmp");
  if (!mkdtemp(scratch_path)) {
    perror(scratch_path);
    exit(1);
  }
  atexit(scratch_remove);
  return scratch_path;
}

/* Mounts a tmpfs of 1 MiB. Where that is not allowed, it prints a line that says so and returns NULL. */
static inline const char *scratch_small_disk(const char *skipped_test) {
  if (scratch_disk_path[0]) return scratch_disk_path;
  char path[300];
  snprintf(path, sizeof path, "%s/disk", scratch_folder());
  if (mkdir(path, 0755) != 0 || mount("none", path, "tmpfs", 0, "size=1m") != 0) {
    printf("skipped: %s (cannot mount a small disk)\n", skipped_test);
    return NULL;
  }
  return strcpy(scratch_disk_path, path);
}

static inline bool scratch_exists(const char *path) {
  return access(path, F_OK) == 0;
}

static inline void scratch_write(const char *path, const void *bytes, size_t count) {
  FILE *file = fopen(path, "wb");
  if (!file || fwrite(bytes, 1, count, file) != count || fclose(file) != 0) {
    perror(path);
    exit(1);
  }
}

/* Returns how many files and folders a folder holds; -1 if there is no such folder. */
static inline int scratch_count(const char *path) {
  int count = -2; /* "." and ".." */
  DIR *dir = opendir(path);
  if (!dir) return -1;
  while (readdir(dir)) count++;
  closedir(dir);
  return count;
}

/* Reads a whole file; the caller frees it. */
static inline char *scratch_read(const char *path, size_t *count) {
  FILE *file = fopen(path, "rb");
  struct stat info;
  if (!file || fstat(fileno(file), &info) != 0) {
    perror(path);
    exit(1);
  }
  *count = (size_t)info.st_size;
  char *bytes = malloc(*count + 1);
  if (fread(bytes, 1, *count, file) != *count) exit(1);
  fclose(file);
  return bytes;
}

/* Tells whether Python has a module. If it lacks it, this prints a line that says so. */
static inline bool scratch_python_has(const char *module, const char *skipped_test) {
  char command[200];
  snprintf(command, sizeof command, "/usr/bin/python3 -c 'import %s' 2>/dev/null", module);
  if (system(command) == 0) return true;
  printf("skipped: %s (no %s)\n", skipped_test, module);
  return false;
}

#endif
