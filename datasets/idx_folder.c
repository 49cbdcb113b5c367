/* Tells the files of MNIST's format apart. They are called train-images-idx3-ubyte.gz by MNIST's authors,
 * train-images.idx3-ubyte by many unpackers and Kaggle, emnist-letters-train-images-idx3-ubyte, or anything.
 * A name without the words that differ between images and labels is a key, which the two files of a pair
 * share. */
#include "datasets/idx_folder.h"

#include "base/text.h"
#include "file/bytes.h"

#include <ctype.h>
#include <dirent.h>
#include <string.h>

enum { MAX_FILES = 256, DEPTH = 2 }; /* torchvision puts them into MNIST/raw */

typedef struct idx_name {
  const char *path; /* first, for sorting */
  const char *key;
  uint32_t magic;
  int64_t count;
  bool paired;
} idx_name;

typedef struct listing {
  cvy_pool *pool;
  const char *dir;
  idx_name files[MAX_FILES];
  int64_t count;
} listing;

/* ---- names ---- */

/* Removes every `word` from a text. */
static void drop(char *text, const char *word) {
  const size_t length = strlen(word);
  for (char *p = text; (p = strstr(p, word)) != NULL;) memmove(p, p + length, strlen(p + length) + 1);
}

static const char *key_of(cvy_pool *pool, const char *base) {
  static const char *const words[] = {"images", "image", "labels", "label", "idx3", "idx1",
                                      ".gz",    ".",     "-",      "_",     " "};
  char *key = cvy_pool_format(pool, "%s", base);
  for (char *p = key; *p; p++) *p = (char)tolower((unsigned char)*p);
  for (int64_t i = 0; i < CVY_COUNT(words); i++) drop(key, words[i]);
  return key;
}

static const char *split_of(const char *key) {
  static const char *const words[][2] = {
      {"train", "train"}, {"t10k", "test"}, {"test", "test"}, {"val", "val"}};
  for (int64_t i = 0; i < CVY_COUNT(words); i++)
    if (strstr(key, words[i][0])) return words[i][1];
  return NULL;
}

/* ---- listing ---- */

static cvy_err add_file(listing *l, const char *path) {
  uint8_t head[8];
  if (cvy_is_folder(path) || cvy_read_head(head, sizeof head, path) < sizeof head) return CVY_OK;
  const uint32_t magic = cvy_u32_big(head);
  if (magic != CVY_IDX_IMAGES && magic != CVY_IDX_LABELS) return CVY_OK;
  if (l->count == MAX_FILES)
    return cvy_error(CVY_E_INPUT, "%s: more than %d IDX files; give those of one set", l->dir, MAX_FILES);
  const char *slash = strrchr(path, '/');
  l->files[l->count++] = (idx_name){.path = path,
                                    .key = key_of(l->pool, slash ? slash + 1 : path),
                                    .magic = magic,
                                    .count = cvy_u32_big(head + 4)};
  return CVY_OK;
}

/* Adds the files that lie `depth` folders below this one. */
static cvy_err add_folder(listing *l, const char *path, int depth) {
  DIR *dir = opendir(path);
  cvy_err err = CVY_OK;
  if (!dir) return cvy_error(CVY_E_INPUT, "%s: cannot read this folder", path);
  for (const struct dirent *entry; !err && (entry = readdir(dir));) {
    if (entry->d_name[0] == '.') continue;
    const char *below = cvy_pool_format(l->pool, "%s/%s", path, entry->d_name);
    if (depth == 0)
      err = add_file(l, below);
    else if (cvy_is_folder(below))
      err = add_folder(l, below, depth - 1);
  }
  closedir(dir);
  return err;
}

/* Drops copies: a file that stands in one folder twice, plain and gzipped or with other dots in its name. The
 * first by name is kept. */
static void drop_copies(listing *l) {
  int64_t kept = 0;
  cvy_sort_by_text(l->files, l->count, sizeof *l->files);
  for (int64_t i = 0; i < l->count; i++) {
    const idx_name *f = &l->files[i];
    bool copy = false;
    for (int64_t k = 0; k < kept; k++) {
      const char *a = strrchr(f->path, '/'), *b = strrchr(l->files[k].path, '/');
      const bool neighbours = a - f->path == b - l->files[k].path &&
                              memcmp(f->path, l->files[k].path, (size_t)(a - f->path)) == 0;
      copy |= neighbours && f->magic == l->files[k].magic && f->count == l->files[k].count &&
              strcmp(f->key, l->files[k].key) == 0;
    }
    if (!copy) l->files[kept++] = *f;
  }
  l->count = kept;
}

/* ---- pairs ---- */

/* Returns the only file that has the same key as `f`, or with by_count the same count; NULL if none or
 * several have. */
static idx_name *partner(listing *l, const idx_name *f, bool by_count) {
  idx_name *found = NULL;
  for (int64_t i = 0; i < l->count; i++) {
    idx_name *other = &l->files[i];
    if (other->paired || other->magic == f->magic) continue;
    if (by_count ? other->count != f->count : strcmp(other->key, f->key) != 0) continue;
    if (found) return NULL;
    found = other;
  }
  return found;
}

static void pair_up(listing *l, cvy_idx_pair *pairs, int64_t *count, bool by_count) {
  for (int64_t i = 0; i < l->count; i++) {
    idx_name *f = &l->files[i];
    if (f->paired || f->magic != CVY_IDX_IMAGES) continue;
    idx_name *labels = partner(l, f, by_count);
    if (!labels || partner(l, labels, by_count) != f) continue;
    f->paired = labels->paired = true;
    const char *split = split_of(f->key);
    pairs[(*count)++] = (cvy_idx_pair){f->path, labels->path, split ? split : split_of(labels->key),
                                       f->count};
  }
}

static cvy_err check_all_paired(const listing *l) {
  for (int64_t i = 0; i < l->count; i++)
    if (!l->files[i].paired)
      return cvy_error(CVY_E_INPUT, "%s: '%s' is there (%" PRId64 " %s), but not the %s that belong to it",
                       l->dir, strrchr(l->files[i].path, '/') + 1, l->files[i].count,
                       l->files[i].magic == CVY_IDX_IMAGES ? "images" : "labels",
                       l->files[i].magic == CVY_IDX_IMAGES ? "labels" : "images");
  return CVY_OK;
}

/* ---- splits ---- */

/* Takes the larger of two sets, whose names tell no splits, for training. */
static void split_by_count(const listing *l, cvy_idx_pair *pairs) {
  const int larger = pairs[1].count > pairs[0].count;
  pairs[larger].split = "train";
  pairs[1 - larger].split = "test";
  cvy_log("%s: the larger set (%s) is taken for train, the other for val", l->dir, pairs[larger].images);
}

static cvy_err check_splits(const listing *l, const cvy_idx_pair *pairs, int64_t count) {
  for (int64_t i = 0; i < count && count > 1; i++) {
    if (!pairs[i].split)
      return cvy_error(CVY_E_INPUT,
                       "%s: %" PRId64 " sets, and nothing tells which split '%s' is; give their files as "
                       "train=IMAGES train=LABELS val=IMAGES val=LABELS",
                       l->dir, count, pairs[i].images);
    for (int64_t k = 0; k < i; k++)
      if (strcmp(pairs[i].split, pairs[k].split) == 0)
        return cvy_error(CVY_E_INPUT,
                         "%s: '%s' and '%s' are both for %s; give the files of one set as train=IMAGES "
                         "train=LABELS val=IMAGES val=LABELS",
                         l->dir, pairs[k].images, pairs[i].images, pairs[i].split);
  }
  return CVY_OK;
}

cvy_err cvy_idx_folder(cvy_idx_pair **out, int64_t *count, cvy_pool *pool, const char *dir) {
  listing *l = cvy_pool_new(pool, sizeof *l);
  l->pool = pool;
  l->dir = dir;
  *count = 0;
  for (int depth = 0; depth <= DEPTH && l->count == 0; depth++) CVY_TRY(add_folder(l, dir, depth));
  drop_copies(l);
  cvy_idx_pair *pairs = cvy_pool_new(pool, sizeof *pairs * MAX_FILES);
  int64_t found = 0;
  pair_up(l, pairs, &found, false);
  pair_up(l, pairs, &found, true);
  CVY_TRY(check_all_paired(l));
  if (found == 2 && !pairs[0].split && !pairs[1].split && pairs[0].count != pairs[1].count)
    split_by_count(l, pairs);
  CVY_TRY(check_splits(l, pairs, found));
  *out = pairs;
  *count = found;
  return CVY_OK;
}
