/* Maps files into memory by mmap. */
#include "file/mapped.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static cvy_err map(cvy_mapped *out, int fd, const char *path) {
  struct stat info;
  if (fstat(fd, &info) != 0) return cvy_error(CVY_E_SYSTEM, "%s: cannot read: %s", path, strerror(errno));
  if (!S_ISREG(info.st_mode)) return cvy_error(CVY_E_INPUT, "%s: not a file", path);
  if (info.st_size == 0) return CVY_OK;
  void *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED) return cvy_error(CVY_E_SYSTEM, "%s: cannot map: %s", path, strerror(errno));
  *out = (cvy_mapped){data, (size_t)info.st_size};
  return CVY_OK;
}

cvy_err cvy_mapped_open(cvy_mapped *out, const char *path) {
  *out = (cvy_mapped){0};
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return cvy_error(CVY_E_INPUT, "%s: cannot open: %s", path, strerror(errno));
  const cvy_err err = map(out, fd, path);
  close(fd);
  return err;
}

void cvy_mapped_close(cvy_mapped *mapped) {
  if (mapped->data) munmap((void *)mapped->data, mapped->count);
  *mapped = (cvy_mapped){0};
}
