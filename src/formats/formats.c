/* Opens files of weights, whatever their format, and reads tensors out of them. */
#include "formats/formats.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define CVY_FORMAT(name) extern const cvy_weights_format cvy_weights_format_##name;
#include "formats/formats.def"
#undef CVY_FORMAT

static const cvy_weights_format *const formats[] = {
#define CVY_FORMAT(name) &cvy_weights_format_##name,
#include "formats/formats.def"
#undef CVY_FORMAT
};

enum { HEAD_BYTES = 512 };

int64_t cvy_weights_format_count(void) {
  return CVY_COUNT(formats);
}

const cvy_weights_format *cvy_weights_format_at(int64_t index) {
  CVY_CHECK(index >= 0 && index < CVY_COUNT(formats));
  return formats[index];
}

static const cvy_weights_format *format_in(int fd, const char *path) {
  uint8_t head[HEAD_BYTES];
  const ssize_t count = pread(fd, head, sizeof head, 0);
  for (int64_t i = 0; i < CVY_COUNT(formats) && count > 0; i++)
    if (formats[i]->fits(head, (size_t)count, path)) return formats[i];
  return NULL;
}

const cvy_weights_format *cvy_weights_format_of(const char *path) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* nobody waits for a pipe's other end */
  const cvy_weights_format *format = fd >= 0 ? format_in(fd, path) : NULL;
  if (fd >= 0) close(fd);
  return format;
}

/* ---- opening ---- */

static cvy_err none_of_them(const char *path) {
  const char *known[CVY_COUNT(formats)];
  char list[400];
  for (int64_t i = 0; i < CVY_COUNT(formats); i++) known[i] = formats[i]->about;
  cvy_text_list(list, sizeof list, "; ", known, CVY_COUNT(formats));
  return cvy_error(CVY_E_INPUT, "%s: no file of weights that convoy can read. These are: %s", path, list);
}

cvy_err cvy_weights_open(cvy_weights_file **out, const char *path) {
  *out = NULL;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return cvy_error(CVY_E_INPUT, "%s: %s", path, strerror(errno));
  const cvy_weights_format *format = format_in(fd, path);
  if (!format) {
    close(fd);
    return none_of_them(path);
  }
  cvy_pool *pool = cvy_pool_create();
  cvy_weights_file *file = cvy_pool_new(pool, sizeof *file);
  *file = (cvy_weights_file){
      .format = format, .pool = pool, .path = cvy_pool_format(pool, "%s", path), .fd = fd};
  const cvy_err err = format->open(file);
  if (err)
    cvy_weights_close(file);
  else
    *out = file;
  return err;
}

void cvy_weights_close(cvy_weights_file *file) {
  if (!file) return;
  if (file->fd >= 0) close(file->fd);
  cvy_pool_destroy(file->pool);
}
