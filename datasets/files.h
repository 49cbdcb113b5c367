/* Whole files, for the readers. */
#ifndef CVY_DATASETS_FILES_H
#define CVY_DATASETS_FILES_H

#include <convoy/base.h>

typedef struct cvy_bytes {
  uint8_t *data; /* grows as needed and is reused */
  size_t count, capacity;
} cvy_bytes;

/* Reads all of `path`, gunzipped if it is gzipped. Missing files and damaged gzip are errors that name it. */
cvy_err cvy_bytes_read(cvy_bytes *out, const char *path) CVY_MUST_CHECK;
void cvy_bytes_free(cvy_bytes *bytes);

/* Whether `path` is a folder; false also if there is nothing. */
bool cvy_is_folder(const char *path);
/* dir/name, or dir/name.gz if only that is there; NULL if neither is. In `pool`. */
char *cvy_find_file(cvy_pool *pool, const char *dir, const char *name);

#endif
