/* A file's bytes in memory without reading them: the system brings in what is looked at.
 *
 * This is for large files of which a little here and there is wanted, and whose bytes go straight to a
 * decoder. A file that is cut short while it is mapped ends the process, as a disk that fails does. */
#ifndef CVY_FILE_MAPPED_H
#define CVY_FILE_MAPPED_H

#include "base/base.h"

typedef struct cvy_mapped {
  const uint8_t *data; /* NULL if the file is empty */
  size_t count;
} cvy_mapped;

/* Maps the file `path`. It is an error that names `path` if there is no file or it cannot be mapped. */
cvy_err cvy_mapped_open(cvy_mapped *out, const char *path) CVY_MUST_CHECK;
void cvy_mapped_close(cvy_mapped *mapped);

#endif
