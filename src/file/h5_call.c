/* One call into HDF5: the lock, the ids that it opens, and errors that say what HDF5 says. */
#include "file/h5_call.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

cvy_h5_call cvy_h5_enter(cvy_h5 *file, const char *name) {
  static bool ready;
  pthread_mutex_lock(&lock);
  if (!ready) {
    CVY_CHECK(H5dont_atexit() >= 0 && H5open() >= 0);
    ready = true;
  }
  CVY_CHECK(H5Eset_auto2(H5E_DEFAULT, NULL, NULL) >= 0); /* each thread has its own */
  H5Eclear2(H5E_DEFAULT);
  return (cvy_h5_call){.file = file, .name = name};
}

hid_t cvy_h5_keep(cvy_h5_call *c, hid_t id) {
  CVY_CHECK(c->count < CVY_H5_MAX_IDS);
  if (id >= 0) c->ids[c->count++] = id;
  return id;
}

/* ---- errors ---- */

/* The innermost line of HDF5's error stack is the one that says what happened. */
static herr_t first_line(unsigned n, const H5E_error2_t *error, void *out) {
  if (n == 0) snprintf(out, 512, "%s", error->desc ? error->desc : "");
  return 0;
}

static void make_readable(char line[512]) {
  unsigned long long have, base, need;
  char *quoted = strstr(line, "error message = '");
  char *end = quoted ? strchr(quoted + 17, '\'') : NULL;
  if (end) {
    *end = '\0';
    memmove(line, quoted + 17, strlen(quoted + 17) + 1);
  } else if (sscanf(line, "truncated file: eof = %llu, sblock->base_addr = %llu, stored_eof = %llu", &have,
                    &base, &need) == 3) {
    snprintf(line, 512, "truncated: %llu of its %llu bytes are there", have, base + need);
  }
}

cvy_err cvy_h5_failed(const cvy_h5_call *c, const char *doing) {
  char line[512] = "";
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, first_line, line);
  make_readable(line);
  const bool about_dataset = c->name[0] != '\0';
  return cvy_error(c->file->writing ? CVY_E_SYSTEM : CVY_E_INPUT, "%s: %s%s%s%s%s%s", c->file->path,
                   about_dataset ? "dataset '" : "", c->name, about_dataset ? "': " : "", doing,
                   doing[0] && line[0] ? ": " : "", line);
}

cvy_err cvy_h5_leave(cvy_h5_call *c, cvy_err err) {
  while (c->count > 0)
    if (H5Idec_ref(c->ids[--c->count]) < 0 && !err) err = cvy_h5_failed(c, "cannot close");
  pthread_mutex_unlock(&lock);
  return err;
}

const char *cvy_h5_version(void) {
  static char text[32];
  cvy_h5_call c = cvy_h5_enter(NULL, "");
  unsigned major = 0, minor = 0, patch = 0;
  H5get_libversion(&major, &minor, &patch);
  snprintf(text, sizeof text, "%u.%u.%u", major, minor, patch);
  (void)cvy_h5_leave(&c, CVY_OK);
  return text;
}
