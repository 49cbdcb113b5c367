/* What the readers of encoded pictures share: delivering them, naming splits. */
#include "datasets/pictures.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* This is more than a hundred million pixels take in any format that is read here. */
static const int64_t most_bytes = (int64_t)1 << 30;

cvy_err cvy_pictures_reserve(cvy_pictures *p, int64_t size) {
  if (size == 0) return cvy_error(CVY_E_INPUT, "%s: empty (0 bytes)", p->name);
  if (size > most_bytes)
    return cvy_error(CVY_E_INPUT, "%s: %" PRId64 " bytes; a picture's file has at most %" PRId64, p->name,
                     size, most_bytes);
  CVY_TRY(cvy_bytes_reserve(&p->file, (size_t)size, p->name));
  p->file.count = (size_t)size;
  return CVY_OK;
}

static cvy_err read_open(cvy_pictures *p, int fd) {
  struct stat info;
  if (fstat(fd, &info) != 0) return cvy_error(CVY_E_SYSTEM, "%s: cannot read: %s", p->name, strerror(errno));
  CVY_TRY(cvy_pictures_reserve(p, info.st_size));
  return cvy_read_at(p->file.data, fd, 0, p->file.count, p->name);
}

cvy_err cvy_pictures_read(cvy_pictures *p, const char *path) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return cvy_error(CVY_E_INPUT, "%s: cannot open: %s", path, strerror(errno));
  const cvy_err err = read_open(p, fd);
  close(fd);
  return err;
}

cvy_err cvy_pictures_deliver(cvy_record *out, cvy_pictures *p, const cvy_source *source) {
  out->encoded = p->file.data;
  out->encoded_bytes = p->file.count;
  if (source->bytes_only) return CVY_OK;
  CVY_TRY_IN(cvy_image_decode(&p->decoded, p->file.data, p->file.count, p->c), "%s", p->name);
  if (p->h > 0) cvy_image_scale(&p->scaled, &p->decoded, p->h, p->w);
  out->image = p->h > 0 ? p->scaled : p->decoded;
  return CVY_OK;
}

static int64_t channels_of(int choice) {
  return choice == 0 ? 3 : 1;
}

void *cvy_pictures_begin(cvy_source *out, size_t bytes, int colour, int64_t h, int64_t w) {
  cvy_picture_state *s = cvy_new(bytes);
  s->pool = cvy_pool_create();
  s->delivery = (cvy_pictures){.h = h, .w = w, .c = channels_of(colour)};
  *out = (cvy_source){.state = s, .h = h, .w = w, .c = s->delivery.c};
  return s;
}

cvy_err cvy_pictures_opened(cvy_source *out, cvy_err err, void (*close)(cvy_source *source)) {
  if (!err) return CVY_OK;
  close(out);
  *out = (cvy_source){0};
  return err;
}

void cvy_pictures_share(cvy_source *out, const cvy_source *first, size_t bytes) {
  const cvy_picture_state *shared = first->state;
  cvy_picture_state *s = cvy_new(bytes);
  memcpy(s, shared, bytes);
  s->borrows = true;
  s->delivery = (cvy_pictures){.h = shared->delivery.h, .w = shared->delivery.w, .c = shared->delivery.c};
  *out = *first;
  out->state = s;
}

void cvy_pictures_end(cvy_source *source) {
  cvy_picture_state *s = source->state;
  cvy_bytes_free(&s->delivery.file);
  cvy_image_free(&s->delivery.decoded);
  cvy_image_free(&s->delivery.scaled);
  if (!s->borrows) cvy_pool_destroy(s->pool);
  free(s);
}

bool cvy_looks_like_picture(const char *name) {
  static const char *const endings[] = {".jpg", ".jpeg", ".jpe", ".jfif", ".png"};
  const char *dot = strrchr(name, '.');
  for (int64_t i = 0; dot && i < CVY_COUNT(endings); i++)
    if (strcasecmp(dot, endings[i]) == 0) return true;
  return false;
}

const char *const cvy_colour_words[] = {"rgb", "grey", NULL};

/* ---- splits ---- */

const char *cvy_split_called(const char *folder) {
  static const char *const names[][2] = {{"train", "train"}, {"training", "train"}, {"val", "val"},
                                         {"valid", "val"},   {"validation", "val"}, {"test", "test"},
                                         {"testing", "test"}};
  for (int64_t i = 0; i < CVY_COUNT(names); i++)
    if (strcasecmp(folder, names[i][0]) == 0) return names[i][1];
  return NULL;
}

void cvy_splits_called(cvy_prepare_input **out, int64_t *count, cvy_pool *pool, const char *before,
                       const char *const *names, int64_t name_count) {
  bool has_train = false, has_val = false;
  *count = 0;
  for (int64_t i = 0; i < name_count; i++) {
    const char *split = cvy_split_called(names[i]);
    if (!split) return;
    has_train |= strcmp(split, "train") == 0;
    has_val |= strcmp(split, "val") == 0;
  }
  if (!has_train || name_count < 2) return;
  *out = cvy_pool_new(pool, sizeof **out * (size_t)name_count);
  for (int training = 1; training >= 0; training--)
    for (int64_t i = 0; i < name_count; i++) {
      const char *split = cvy_split_called(names[i]);
      if ((strcmp(split, "train") == 0) != training) continue;
      if (!has_val && !training) split = "val";
      (*out)[(*count)++] = (cvy_prepare_input){split, cvy_pool_format(pool, "%s%s", before, names[i])};
    }
}
