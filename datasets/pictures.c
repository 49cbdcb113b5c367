/* Delivers encoded pictures and names splits, for the readers that have them. */
#include "datasets/pictures.h"

#include "base/text.h"
#include "base/words.h"
#include "file/numbered.h"

#include <ctype.h>
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

static int64_t count_split(const cvy_prepare_input *inputs, int64_t count, const char *split) {
  int64_t found = 0;
  for (int64_t i = 0; i < count; i++) found += strcmp(inputs[i].split, split) == 0;
  return found;
}

void cvy_splits_in_order(cvy_prepare_input **out, int64_t *count, cvy_pool *pool,
                         const cvy_prepare_input *found, int64_t n) {
  const bool has_val = count_split(found, n, "val") > 0;
  *out = cvy_pool_new(pool, sizeof **out * (size_t)n);
  *count = 0;
  for (int training = 1; training >= 0; training--)
    for (int64_t i = 0; i < n; i++) {
      if ((strcmp(found[i].split, "train") == 0) != training) continue;
      const char *split = training || has_val ? found[i].split : "val";
      (*out)[(*count)++] = (cvy_prepare_input){split, found[i].path};
    }
}

void cvy_splits_called(cvy_prepare_input **out, int64_t *count, cvy_pool *pool, const char *before,
                       const char *const *names, int64_t name_count) {
  cvy_prepare_input *found = cvy_pool_new(pool, sizeof *found * (size_t)(name_count + 1));
  *count = 0;
  for (int64_t i = 0; i < name_count; i++) {
    found[i] = (cvy_prepare_input){cvy_split_called(names[i]),
                                   cvy_pool_format(pool, "%s%s", before, names[i])};
    if (!found[i].split) return;
  }
  if (name_count >= 2 && count_split(found, name_count, "train") > 0)
    cvy_splits_in_order(out, count, pool, found, name_count);
}

/* Returns the split that the first such word of a file's name tells; NULL if none does. */
static const char *split_in_name(cvy_pool *pool, const char *path) {
  const char *slash = strrchr(path, '/');
  for (const char *p = slash ? slash + 1 : path; *p;) {
    const char *end = p;
    while (isalpha((unsigned char)*end)) end++;
    const char *split = cvy_split_called(cvy_pool_format(pool, "%.*s", (int)(end - p), p));
    if (split) return split;
    p = *end ? end + 1 : end;
  }
  return NULL;
}

void cvy_splits_of_files(cvy_prepare_input **out, int64_t *count, cvy_pool *pool, const char *const *paths,
                         int64_t path_count) {
  cvy_prepare_input *found = cvy_pool_new(pool, sizeof *found * (size_t)(path_count + 1));
  *count = 0;
  for (int64_t i = 0; i < path_count; i++) {
    found[i] = (cvy_prepare_input){split_in_name(pool, paths[i]), paths[i]};
    if (!found[i].split) return;
  }
  const int64_t training = count_split(found, path_count, "train");
  if (training > 0 && training < path_count) cvy_splits_in_order(out, count, pool, found, path_count);
}

cvy_err cvy_check_folder_whole(const char *const *paths, int64_t count) {
  const cvy_err err = cvy_check_numbered(paths, count);
  return err ? cvy_error(err, "%s; files given one by one are taken as they are", cvy_err_message()) : CVY_OK;
}
