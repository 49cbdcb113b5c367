/* Finds the list of files that the user named. */
#include "archive/arrays.h"
#include "base/text.h"
#include "base/words.h"
#include "data/dataset.h"
#include "data/dataset_parts.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_SPLITS = 8 };

typedef struct shard_name {
  int64_t shard, shards;
} shard_name;

typedef struct search {
  cvy_pool *pool;
  const char *folder; /* ends with '/' unless empty */
  const char *prefix; /* "train" */
  int64_t count, room;
  shard_name *found;
  char others_chars[512];
  cvy_text others;                 /* HDF5 files of other names, to help */
  const char *splits[MOST_SPLITS]; /* the splits that such files are shards of */
  int64_t split_count;
} search;

static char *file_name(cvy_pool *pool, const char *prefix, shard_name name) {
  return cvy_pool_format(pool, "%s-%05" PRId64 "-of-%05" PRId64 ".h5", prefix, name.shard, name.shards);
}

/* Takes only names exactly as the writer makes them. */
static bool parse(shard_name *out, search *s, const char *name) {
  const size_t length = strlen(s->prefix);
  long long shard, shards;
  if (strncmp(name, s->prefix, length) != 0) return false;
  if (sscanf(name + length, "-%9lld-of-%9lld.h5", &shard, &shards) != 2) return false;
  *out = (shard_name){shard, shards};
  return strcmp(file_name(s->pool, s->prefix, *out), name) == 0;
}

/* Adds the split that a file is a shard of, if it is one. */
static void note_split(search *s, const char *name) {
  const size_t length = strlen(name), ending = strlen("-00000-of-00000.h5");
  int end = 0;
  if (length <= ending || s->split_count == MOST_SPLITS) return;
  sscanf(name + length - ending, "-%*5d-of-%*5d.h5%n", &end);
  if (end != (int)ending) return;
  const char *split = cvy_pool_format(s->pool, "%.*s", (int)(length - ending), name);
  for (int64_t i = 0; i < s->split_count; i++)
    if (strcmp(s->splits[i], split) == 0) return;
  s->splits[s->split_count++] = split;
}

static void note(search *s, const char *name) {
  shard_name parsed;
  const char *ending = strrchr(name, '.');
  if (parse(&parsed, s, name)) {
    if (s->count == s->room) {
      shard_name *more = cvy_pool_new(s->pool, sizeof *more * (size_t)(s->room * 2 + 16));
      if (s->count) memcpy(more, s->found, sizeof *more * (size_t)s->count);
      s->found = more;
      s->room = s->room * 2 + 16;
    }
    s->found[s->count++] = parsed;
  } else if (ending && strcmp(ending, ".h5") == 0) {
    cvy_text_item(&s->others, ", ", "%.60s", name);
    note_split(s, name);
  }
}

static int by_set_and_shard(const void *a, const void *b) {
  const shard_name *x = a, *y = b;
  if (x->shards != y->shards) return x->shards < y->shards ? -1 : 1;
  return (x->shard > y->shard) - (x->shard < y->shard);
}

static cvy_err scan(search *s) {
  const char *folder = s->folder[0] ? s->folder : ".";
  DIR *dir = opendir(folder);
  if (!dir)
    return cvy_error(CVY_E_INPUT, "%s%s: there is no folder %s (%s)", s->folder, s->prefix, folder,
                     strerror(errno));
  for (struct dirent *entry; (entry = readdir(dir));) note(s, entry->d_name);
  closedir(dir);
  if (s->count) qsort(s->found, (size_t)s->count, sizeof *s->found, by_set_and_shard);
  return CVY_OK;
}

/* Checks that there is one set, and that it is whole. */
static cvy_err check_set(search *s) {
  const shard_name first = s->found[0], last = s->found[s->count - 1];
  if (first.shards != last.shards)
    return cvy_error(CVY_E_INPUT, "%s: two sets of shards: %s and %s; remove the one that is not meant",
                     s->folder, file_name(s->pool, s->prefix, first), file_name(s->pool, s->prefix, last));
  for (int64_t i = 0; i < first.shards; i++) {
    if (i < s->count && s->found[i].shard == i) continue;
    return cvy_error(CVY_E_INPUT, "%s%s is missing (%" PRId64 " of %" PRId64 " shards are there)", s->folder,
                     file_name(s->pool, s->prefix, (shard_name){i, first.shards}), s->count, first.shards);
  }
  return s->count == first.shards
             ? CVY_OK
             : cvy_error(CVY_E_INPUT, "%s%s: there is no such shard in a set of %" PRId64, s->folder,
                         file_name(s->pool, s->prefix, last), first.shards);
}

static void set_paths(cvy_dataset *dataset, int64_t count) {
  dataset->info.shard_count = count;
  dataset->files = cvy_pool_new(dataset->pool, sizeof *dataset->files * (size_t)count);
  for (int64_t i = 0; i < count; i++) dataset->files[i].fd = -1;
}

/* Returns the split that was meant, among those that are there; NULL if it is none of them. A split that is
 * called by its right name is not there, and no slip for another. */
static const char *meant_split(const search *s) {
  const char *called = cvy_split_called(s->prefix);
  for (int64_t i = 0; called && i < s->split_count; i++)
    if (strcmp(s->splits[i], called) == 0) return called;
  if (called && strcmp(called, s->prefix) == 0) return NULL;
  return cvy_nearest_word(s->prefix, s->splits, s->split_count);
}

static cvy_err nothing_found(const search *s) {
  const char *meant = meant_split(s);
  return cvy_error(CVY_E_INPUT, "%s%s: no such file, and no shards %s-*.h5 there%s%s%s%s%s%s", s->folder,
                   s->prefix, s->prefix, s->others.length ? " (there are: " : "", s->others_chars,
                   s->others.length ? ")" : "", meant ? "; did you mean '" : "", meant ? meant : "",
                   meant ? "'?" : "");
}

static cvy_err find_prefix(cvy_dataset *dataset, const char *folder, const char *prefix) {
  cvy_pool *pool = dataset->pool;
  search s = {.pool = pool, .folder = folder, .prefix = prefix};
  s.others = cvy_text_in(s.others_chars, sizeof s.others_chars);
  struct stat info;
  CVY_TRY(scan(&s));
  if (s.count > 0) {
    CVY_TRY(check_set(&s));
    set_paths(dataset, s.count);
    dataset->is_set = true;
    for (int64_t i = 0; i < s.count; i++)
      dataset->files[i].path = cvy_pool_format(pool, "%s%s", folder, file_name(pool, prefix, s.found[i]));
    return CVY_OK;
  }
  const char *single = cvy_pool_format(pool, "%s%s.h5", folder, prefix);
  if (stat(single, &info) == 0) {
    set_paths(dataset, 1);
    dataset->files[0].path = single;
    return CVY_OK;
  }
  return nothing_found(&s);
}

cvy_err cvy_dataset_find(cvy_dataset *dataset, const char *path, const char *split) {
  cvy_pool *pool = dataset->pool;
  struct stat info;
  const bool exists = stat(path, &info) == 0;
  if ((exists && !S_ISDIR(info.st_mode)) || (!exists && cvy_may_be_arrays(path))) { /* FILE, or FILE:PART */
    set_paths(dataset, 1);
    dataset->files[0].path = cvy_pool_format(pool, "%s", path);
    return CVY_OK;
  }
  const size_t length = strlen(path);
  if (exists) {
    const bool closed = length > 0 && path[length - 1] == '/';
    return find_prefix(dataset, cvy_pool_format(pool, "%s%s", path, closed ? "" : "/"), split);
  }
  const char *slash = strrchr(path, '/');
  const int folder_length = slash ? (int)(slash - path) + 1 : 0;
  return find_prefix(dataset, cvy_pool_format(pool, "%.*s", folder_length, path), path + folder_length);
}

bool cvy_dataset_stands(const char *path) {
  const char *slash = strrchr(path, '/'), *colon = strrchr(path, ':');
  if (access(path, F_OK) == 0) return true;
  cvy_pool *pool = cvy_pool_create();
  bool stands = colon && access(cvy_pool_format(pool, "%.*s", (int)(colon - path), path), F_OK) == 0;
  search s = {.pool = pool,
              .folder = cvy_pool_format(pool, "%.*s", slash ? (int)(slash - path) + 1 : 0, path),
              .prefix = slash ? slash + 1 : path};
  s.others = cvy_text_in(s.others_chars, sizeof s.others_chars);
  if (!stands && !scan(&s)) stands = s.count > 0 || access(cvy_pool_format(pool, "%s.h5", path), F_OK) == 0;
  cvy_pool_destroy(pool);
  return stands;
}
