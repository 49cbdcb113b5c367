#include "file/whole.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static cvy_err make_one(bool *made, const char *path) {
  *made = mkdir(path, 0777) == 0;
  if (*made || errno == EEXIST) return CVY_OK;
  const bool system = errno == ENOSPC || errno == EROFS || errno == EIO || errno == EDQUOT;
  return cvy_error(system ? CVY_E_SYSTEM : CVY_E_INPUT, "%s: cannot make the folder: %s", path,
                   strerror(errno));
}

cvy_err cvy_make_folder(bool *made, const char *path) {
  char *partial = cvy_format("%s", path);
  bool new_one = false;
  cvy_err err = path[0] ? CVY_OK : cvy_error(CVY_E_INPUT, "a folder's name is empty");
  for (char *at = partial + 1; !err; at++) {
    const char kept = *at;
    if (kept != '/' && kept != '\0') continue;
    *at = '\0';
    err = make_one(&new_one, partial);
    *at = kept;
    if (!kept) break;
  }
  free(partial);
  struct stat info;
  if (!err && (stat(path, &info) || !S_ISDIR(info.st_mode)))
    err = cvy_error(CVY_E_INPUT, "%s: not a folder", path);
  if (made) *made = new_one && !err;
  return err;
}
