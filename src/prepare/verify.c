/* Reading a set through, and dropping what is bad.
 *
 * A repair writes the new shards into FOLDER/.convoy-repair-SPLIT, then a file `publishing`, then renames. */
#include "prepare/verify.h"

#include "base/text.h"
#include "data/dataset.h"
#include "data/shard.h"
#include "file/bytes.h"
#include "file/checked.h"
#include "file/lock.h"
#include "file/whole.h"
#include "picture/picture.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RECORDS_A_THREAD = 64 };

/* ---- which splits ---- */

/* Returns "train" of "train-00000-of-00004.h5"; NULL if it is not the first shard of a set. */
static char *split_of(cvy_pool *pool, const char *name) {
  static const char first[] = "-00000-of-";
  const char *at = strstr(name, first);
  if (!at || at == name || strlen(at) != strlen("-00000-of-00000.h5") || strcmp(at + 15, ".h5") != 0)
    return NULL;
  return cvy_pool_format(pool, "%.*s", (int)(at - name), name);
}

cvy_err cvy_verify_splits(const char ***out, int64_t *count, cvy_pool *pool, const char *path) {
  const char **splits = NULL;
  int64_t n = 0, room = 0;
  DIR *dir = opendir(path);
  if (!dir && errno == ENOTDIR)
    return cvy_error(CVY_E_INPUT, "%s: a file; expected a folder of shards (such as train-00000-of-00004.h5)",
                     path);
  if (!dir) return cvy_error(CVY_E_INPUT, "%s: %s", path, strerror(errno));
  for (const struct dirent *entry; (entry = readdir(dir));) {
    char *split = split_of(pool, entry->d_name);
    if (!split) continue;
    if (n == room) {
      const char **more = cvy_pool_new(pool, sizeof *more * (size_t)(room = 2 * room + 16));
      if (n) memcpy(more, splits, sizeof *more * (size_t)n);
      splits = more;
    }
    splits[n++] = split;
  }
  closedir(dir);
  if (n == 0) return cvy_error(CVY_E_INPUT, "%s: no shards (such as train-00000-of-00004.h5) there", path);
  cvy_sort_by_text(splits, n, sizeof *splits);
  *out = splits;
  *count = cvy_drop_repeats(splits, n);
  return CVY_OK;
}

/* ---- reading ---- */

typedef struct outcome {
  cvy_err err;
  char *message;
  int32_t label;
} outcome;

typedef struct round {
  const cvy_dataset *dataset;
  cvy_read_buffer *buffers; /* [thread] */
  outcome *outcomes;
  int64_t first;
} round;

static cvy_err check_size(const cvy_picture *picture, const cvy_dataset *dataset, int64_t index) {
  int64_t h, w;
  if (!cvy_dataset_size(&h, &w, dataset, index) || (h == picture->h && w == picture->w)) return CVY_OK;
  return cvy_error(CVY_E_INPUT,
                   "a picture of %" PRId64 "x%" PRId64 " (height x width), but 'sizes' says %" PRId64
                   "x%" PRId64,
                   picture->h, picture->w, h, w);
}

static void read_one(const void *context, int64_t i, int thread) {
  const round *r = context;
  outcome *o = &r->outcomes[i];
  cvy_picture picture;
  *o = (outcome){0};
  o->err = cvy_dataset_read(&picture, &o->label, r->dataset, &r->buffers[thread], r->first + i,
                            cvy_dataset_describe(r->dataset)->c);
  if (!o->err &&
      (check_size(&picture, r->dataset, r->first + i) != CVY_OK || cvy_picture_decode(&picture) != CVY_OK))
    o->err = cvy_dataset_error_in(CVY_E_INPUT, r->dataset, r->first + i);
  if (o->err) o->message = cvy_format("%s", cvy_err_message());
}

static void note_bad(cvy_verification *v, int64_t *capacity, int64_t index, const char *message) {
  if (v->bad_count == *capacity) {
    *capacity = 2 * *capacity + 16;
    cvy_bad_record *more = cvy_pool_new(v->pool, sizeof *more * (size_t)*capacity);
    if (v->bad_count) memcpy(more, v->bad, sizeof *more * (size_t)v->bad_count);
    v->bad = more;
  }
  v->bad[v->bad_count++] = (cvy_bad_record){index, cvy_pool_format(v->pool, "%s", message)};
}

static cvy_err read_all(cvy_verification *v, cvy_read_buffer *buffers, outcome *outcomes, const char *split) {
  const int64_t at_once = (int64_t)RECORDS_A_THREAD * cvy_threads();
  const double start_s = cvy_now_s();
  int64_t capacity = 0;
  for (int64_t first = 0; first < v->images; first += at_once) {
    const int64_t count = v->images - first < at_once ? v->images - first : at_once;
    const round r = {v->dataset, buffers, outcomes, first};
    cvy_parallel(count, read_one, &r);
    cvy_err err = CVY_OK;
    for (int64_t i = 0; i < count; i++) {
      const outcome *o = &outcomes[i];
      if (o->err == CVY_E_INPUT)
        note_bad(v, &capacity, first + i, o->message);
      else if (o->err && !err)
        err = cvy_error(o->err, "%s", o->message);
      else if (!o->err)
        v->of_class[o->label]++;
      free(o->message);
    }
    CVY_TRY(err);
    const double elapsed_s = cvy_now_s() - start_s;
    cvy_progress("verifying %s: %" PRId64 " of %" PRId64 " images, %.0f images/s", split, first + count,
                 v->images, (double)(first + count) / (elapsed_s > 0 ? elapsed_s : 1e-9));
  }
  return CVY_OK;
}

static cvy_err read_with_buffers(cvy_verification *v, const char *split) {
  const int threads = cvy_threads();
  cvy_read_buffer *buffers = cvy_new(sizeof *buffers * (size_t)threads);
  outcome *outcomes = cvy_new(sizeof *outcomes * (size_t)(RECORDS_A_THREAD * threads));
  cvy_err err = CVY_OK;
  for (int t = 0; t < threads && !err; t++) err = cvy_read_buffer_create(&buffers[t], v->dataset);
  if (!err) err = read_all(v, buffers, outcomes, split);
  cvy_progress_end();
  for (int t = 0; t < threads; t++) cvy_read_buffer_free(&buffers[t]);
  free(buffers);
  free(outcomes);
  return err;
}

/* Opening a set does not look at the names. */
static cvy_err check_names_in(const cvy_file_records *file, cvy_pool *pool) {
  cvy_h5 *h5;
  char **names;
  int64_t count = file->count;
  CVY_TRY(cvy_h5_open(&h5, file->path));
  cvy_err err = cvy_h5_has(h5, "names") ? cvy_checked_read_texts(&names, &count, h5, "names", pool) : CVY_OK;
  cvy_h5_discard(h5);
  if (!err && count != file->count)
    err = cvy_error(CVY_E_INPUT, "%s: dataset 'names' holds %" PRId64 " names of %" PRId64 " records",
                    file->path, count, file->count);
  return err;
}

static cvy_err check_names(const cvy_dataset *dataset) {
  cvy_pool *pool = cvy_pool_create();
  cvy_err err = CVY_OK;
  for (int64_t k = 0; k < cvy_dataset_describe(dataset)->shard_count && !err; k++) {
    const cvy_file_records file = cvy_dataset_records_in(dataset, k);
    err = check_names_in(&file, pool);
  }
  cvy_pool_destroy(pool);
  return err;
}

static cvy_err verify(cvy_verification *v, const char *path, const char *split) {
  CVY_TRY(cvy_dataset_open(&v->dataset, path, split));
  const cvy_dataset_info *info = cvy_dataset_describe(v->dataset);
  CVY_TRY(check_names(v->dataset));
  v->images = info->count;
  v->of_class = cvy_pool_new(v->pool, sizeof *v->of_class * (size_t)info->class_count);
  return read_with_buffers(v, split);
}

cvy_err cvy_verify(cvy_verification **out, const char *path, const char *split) {
  cvy_verification *v = cvy_new(sizeof *v);
  v->pool = cvy_pool_create();
  const cvy_err err = verify(v, path, split);
  *out = err ? NULL : v;
  if (err) cvy_verification_free(v);
  return err;
}

void cvy_verification_free(cvy_verification *v) {
  if (!v) return;
  cvy_dataset_close(v->dataset);
  cvy_pool_destroy(v->pool);
  free(v);
}

/* ---- repairing ---- */

/* Takes the lock of prepare, which writes the same shards. */
cvy_err cvy_verify_lock(struct cvy_lock **out, const char *folder) {
  char *path = cvy_format("%s/.convoy-prepare", folder);
  const cvy_err err = cvy_lock_take(out, path, "convoy verify --repair");
  free(path);
  return err;
}

void cvy_verify_unlock(struct cvy_lock *lock, const char *folder) {
  if (!lock) return;
  char *path = cvy_format("%s/.convoy-prepare", folder);
  cvy_lock_release(lock);
  rmdir(path); /* goes only if no unfinished run of prepare waits there */
  free(path);
}

static char *work_folder(cvy_pool *pool, const char *folder, const char *split) {
  return cvy_pool_format(pool, "%s/.convoy-repair-%s", folder, split);
}

/* Copies the good records of file `k`; *bad walks through the list of bad ones. */
static cvy_err copy_records(cvy_shard *shard, int64_t *kept, const cvy_verification *v, int64_t k,
                            int64_t *bad, char **names, cvy_read_buffer *buffer) {
  const cvy_file_records file = cvy_dataset_records_in(v->dataset, k);
  for (int64_t row = 0; row < file.count; row++) {
    const int64_t index = file.first + row;
    const void *bytes;
    size_t byte_count;
    int32_t label;
    if (*bad < v->bad_count && v->bad[*bad].index == index) {
      (*bad)++;
      continue;
    }
    CVY_TRY(cvy_dataset_read_stored(&bytes, &byte_count, &label, v->dataset, buffer, index));
    CVY_TRY(cvy_shard_add(shard, bytes, byte_count, label, names ? names[row] : NULL));
    (*kept)++;
  }
  return CVY_OK;
}

static cvy_err read_names(char ***out, cvy_pool *pool, const char *path) {
  cvy_h5 *h5;
  int64_t count;
  *out = NULL;
  CVY_TRY(cvy_h5_open(&h5, path));
  const cvy_err err = cvy_h5_has(h5, "names") ? cvy_h5_read_texts(h5, "names", out, &count, pool) : CVY_OK;
  cvy_h5_discard(h5);
  return err;
}

static cvy_err rewrite_shard(int64_t *kept, const cvy_verification *v, cvy_shard_config *config, int64_t *bad,
                             cvy_pool *pool) {
  const cvy_file_records file = cvy_dataset_records_in(v->dataset, config->shard);
  char **names;
  cvy_shard *shard;
  cvy_read_buffer buffer;
  CVY_TRY(read_names(&names, pool, file.path));
  CVY_TRY(cvy_read_buffer_create(&buffer, v->dataset));
  config->most = file.count;
  cvy_err err = cvy_shard_create(&shard, config);
  if (!err) err = copy_records(shard, kept, v, config->shard, bad, names, &buffer);
  cvy_read_buffer_free(&buffer);
  if (err)
    cvy_shard_abandon(shard);
  else
    err = cvy_shard_close(shard);
  return err;
}

static cvy_shard_statistics statistics_of(const cvy_dataset_info *info) {
  cvy_shard_statistics s = {.has_colour = info->has_colour};
  memcpy(s.mean, info->mean, sizeof s.mean);
  memcpy(s.deviation, info->deviation, sizeof s.deviation);
  memcpy(s.colour_values, info->colour_values, sizeof s.colour_values);
  memcpy(s.colour_vectors, info->colour_vectors, sizeof s.colour_vectors);
  return s;
}

static cvy_err rewrite(const cvy_verification *v, const char *work, const char *split, cvy_pool *pool) {
  const cvy_dataset_info *info = cvy_dataset_describe(v->dataset);
  const cvy_shard_statistics statistics = statistics_of(info);
  cvy_shard_config config = {.dir = work,
                             .split = split,
                             .shard_count = info->shard_count,
                             .encoding = cvy_dataset_encoding(v->dataset),
                             .h = info->h,
                             .w = info->w,
                             .c = info->c,
                             .class_count = info->class_count,
                             .class_names = info->class_names};
  int64_t kept = 0, bad = 0;
  for (; config.shard < info->shard_count; config.shard++) {
    const int64_t first_record = kept;
    CVY_TRY(rewrite_shard(&kept, v, &config, &bad, pool));
    CVY_TRY(cvy_shard_seal(cvy_shard_path(pool, work, split, config.shard, info->shard_count), first_record,
                           &statistics, info->c));
  }
  return cvy_whole_write_text(cvy_pool_format(pool, "%s/publishing", work), "");
}

/* Renames whatever shards stand in the work folder. */
static cvy_err rename_all(const char *work, const char *folder, cvy_pool *pool) {
  static const char ending[] = ".h5.tmp";
  DIR *dir = opendir(work);
  if (!dir) return cvy_error(CVY_E_SYSTEM, "%s: %s", work, strerror(errno));
  cvy_err err = CVY_OK;
  for (const struct dirent *entry; !err && (entry = readdir(dir));) {
    const size_t length = strlen(entry->d_name);
    if (length <= strlen(ending) || strcmp(entry->d_name + length - strlen(ending), ending) != 0) continue;
    const char *from = cvy_pool_format(pool, "%s/%s", work, entry->d_name);
    err = cvy_whole_rename(from, cvy_pool_format(pool, "%s/%.*s", folder, (int)(length - 4), entry->d_name));
  }
  closedir(dir);
  return err;
}

static cvy_err publish(const char *work, const char *folder, cvy_pool *pool) {
  CVY_TRY(rename_all(work, folder, pool));
  CVY_TRY(cvy_sync_folder(folder));
  cvy_remove_folder(work);
  return CVY_OK;
}

cvy_err cvy_verify_finish_repair(const char *folder, const char *split) {
  cvy_pool *pool = cvy_pool_create();
  const char *work = work_folder(pool, folder, split);
  cvy_err err = CVY_OK;
  if (access(cvy_pool_format(pool, "%s/publishing", work), F_OK) == 0) {
    cvy_log("%s: a repair that was interrupted is finished", folder);
    err = publish(work, folder, pool);
  } else {
    cvy_remove_folder(work);
  }
  cvy_pool_destroy(pool);
  return err;
}

cvy_err cvy_verify_repair(const cvy_verification *v, const char *folder, const char *split) {
  cvy_pool *pool = cvy_pool_create();
  const char *work = work_folder(pool, folder, split);
  cvy_err err = CVY_OK;
  if (v->bad_count == v->images)
    err = cvy_error(CVY_E_RUN, "%s: all %" PRId64 " records of '%s' are bad; nothing would be left", folder,
                    v->images, split);
  if (!err) err = cvy_make_folder(NULL, work);
  if (!err) err = rewrite(v, work, split, pool);
  if (err)
    cvy_remove_folder(work);
  else
    err = publish(work, folder, pool);
  cvy_pool_destroy(pool);
  return err;
}
