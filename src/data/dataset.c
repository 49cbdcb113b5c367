/* Opening and describing a set of shards that agree. */
#include "data/dataset.h"

#include "archive/arrays.h"
#include "data/dataset_parts.h"
#include "data/open_files.h"
#include "data/shard.h"
#include "file/checked.h"
#include "file/descriptors.h"
#include "file/h5.h"
#include "picture/picture.h"
#include <convoy/data.h>

#include <stdlib.h>
#include <string.h>

const char *const cvy_keep_words[] = {
    [CVY_KEEP_NOTHING] = "nothing", [CVY_KEEP_RECORDS] = "records", [CVY_KEEP_PICTURES] = "pictures", NULL};

/* ---- opening ---- */

/* Leaves the file open, for pread or as `h5`; or closed, where files take turns in being open. */
static cvy_err open_for_reading(const cvy_dataset *dataset, cvy_dataset_file *file) {
  if (file->fd >= 0) return CVY_OK;
  const cvy_h5_type type = dataset->is_float ? CVY_H5_F32 : CVY_H5_U8;
  file->bytes_at = cvy_h5_file_offset(file->h5, file->name, type);
  if (file->bytes_at < 0 && !dataset->open) return CVY_OK;
  cvy_file_close(file);
  return dataset->open ? CVY_OK : cvy_file_reopen(file);
}

/* Sees to it that all files of the set may be open at once or, if these are too many, take turns. */
static void make_room(cvy_dataset *dataset) {
  const int64_t count = dataset->info.shard_count, room = cvy_descriptors_reserve(count);
  if (room >= count) return;
  const int64_t most = room / 2; /* other sets are still to come */
  dataset->open = cvy_open_files_create(dataset->files, count, most);
  cvy_log("%s and others: of %" PRId64 " files at most %" PRId64
          " are open at once, for the system allows no more "
          "(ulimit -Hn)",
          dataset->files[0].path, count, most);
}

static cvy_err open_shard(cvy_dataset *dataset, int64_t index) {
  cvy_dataset_file *file = &dataset->files[index];
  CVY_TRY(cvy_h5_open(&file->h5, file->path));
  if (!cvy_h5_has_attr(file->h5, "", "format"))
    return cvy_error(CVY_E_INPUT, "%s: has the name of a shard but is not one (no attribute 'format')",
                     file->path);
  CVY_TRY(cvy_dataset_add_shard(dataset, index, file->h5));
  file->first = dataset->info.count;
  dataset->info.count += file->count;
  return open_for_reading(dataset, file);
}

static void hash_description(cvy_hasher *hasher, const cvy_dataset *dataset) {
  const cvy_dataset_info *info = &dataset->info;
  const int64_t numbers[] = {info->count, info->h, info->w, info->c, info->class_count, dataset->encoding};
  cvy_hasher_add(hasher, numbers, sizeof numbers);
  cvy_hasher_add(hasher, info->mean, sizeof info->mean);
  cvy_hasher_add(hasher, info->deviation, sizeof info->deviation);
  for (int64_t k = 0; k < info->class_count; k++)
    cvy_hasher_add(hasher, info->class_names[k], strlen(info->class_names[k]) + 1);
  /* How the records are divided into shards is no part of the contents. */
  for (int64_t i = 0; i < info->shard_count; i++)
    cvy_hasher_add(hasher, dataset->files[i].labels, sizeof(int32_t) * (size_t)dataset->files[i].count);
  for (int64_t i = 0; i < info->shard_count; i++)
    if (dataset->files[i].checksums)
      cvy_hasher_add(hasher, dataset->files[i].checksums, sizeof(uint32_t) * (size_t)dataset->files[i].count);
}

static cvy_augment_source source_of(const cvy_dataset *dataset) {
  const cvy_dataset_info *info = &dataset->info;
  cvy_augment_source source = {.name = dataset->files[0].path, .has_colour = info->has_colour};
  memcpy(source.colour_values, info->colour_values, sizeof source.colour_values);
  memcpy(source.colour_vectors, info->colour_vectors, sizeof source.colour_vectors);
  return source;
}

/* Tells whether the dataset is one file that is no shard, or a list of files that are none. */
static bool is_foreign(const cvy_dataset *dataset) {
  cvy_h5 *h5;
  const char *path = dataset->files[0].path;
  if (dataset->is_set || !cvy_may_be_arrays(path)) return false;
  const bool is_shard = cvy_h5_open(&h5, path) == CVY_OK && cvy_h5_has_attr(h5, "", "format");
  cvy_h5_discard(h5);
  return !is_shard;
}

static cvy_err open_foreign(cvy_dataset *dataset, const char *split, const cvy_arrays_said *said,
                            cvy_hasher *hasher) {
  CVY_TRY(cvy_dataset_add_foreign(dataset, split, said ? said : &CVY_NOTHING_SAID, hasher));
  for (int64_t i = 0; i < dataset->info.shard_count; i++)
    CVY_TRY(open_for_reading(dataset, &dataset->files[i]));
  return CVY_OK;
}

static cvy_err open_all(cvy_dataset *dataset, const char *path, const char *split,
                        const cvy_arrays_said *said, cvy_hasher *hasher) {
  CVY_TRY(cvy_dataset_find(dataset, path, split));
  if (is_foreign(dataset)) {
    CVY_TRY(open_foreign(dataset, split, said, hasher));
  } else {
    make_room(dataset);
    for (int64_t i = 0; i < dataset->info.shard_count; i++) CVY_TRY(open_shard(dataset, i));
  }
  if (dataset->info.count == 0)
    return cvy_error(CVY_E_INPUT, "%s: no records in any of its shards", dataset->files[0].path);
  dataset->source = source_of(dataset);
  hash_description(hasher, dataset);
  dataset->fingerprint = cvy_hasher_result(hasher);
  return CVY_OK;
}

cvy_err cvy_dataset_open(cvy_dataset **out, const char *path, const char *split) {
  return cvy_dataset_open_said(out, path, split, NULL);
}

cvy_err cvy_dataset_open_said(cvy_dataset **out, const char *path, const char *split,
                              const cvy_arrays_said *said) {
  cvy_dataset *dataset = cvy_new(sizeof *dataset);
  dataset->pool = cvy_pool_create();
  cvy_hasher *hasher = cvy_hasher_create();
  const cvy_err err = open_all(dataset, path, split, said, hasher);
  cvy_hasher_destroy(hasher);
  *out = err ? NULL : dataset;
  if (err) cvy_dataset_close(dataset);
  return err;
}

void cvy_dataset_close(cvy_dataset *dataset) {
  if (!dataset) return;
  for (int64_t i = 0; i < dataset->info.shard_count; i++) {
    cvy_dataset_file *file = &dataset->files[i];
    cvy_file_close(file);
    cvy_buffer_destroy(file->labels);
    cvy_buffer_destroy(file->checksums);
    cvy_buffer_destroy(file->offsets);
    cvy_buffer_destroy(file->sizes);
  }
  cvy_open_files_destroy(dataset->open);
  cvy_cache_destroy(dataset->cache);
  cvy_pool_destroy(dataset->pool);
  free(dataset);
}

/* ---- describing ---- */

const cvy_dataset_info *cvy_dataset_describe(const cvy_dataset *dataset) {
  return &dataset->info;
}

void cvy_dataset_warn_of_scale(const char *path, const cvy_dataset_info *data,
                               const cvy_dataset_info *known) {
  static const float most_times = 20; /* what lights and cameras differ by is far below it, 255 far above */
  for (int64_t k = 0; k < data->c && k < known->c; k++) {
    const float here = data->deviation[k], there = known->deviation[k];
    if (here < most_times * there && there < most_times * here) continue;
    cvy_warn(
        "%s: its samples spread by %.3g about %.3g, and those that the network learns from by %.3g about "
        "%.3g; they seem to be on another scale (0 to 1 against 0 to 255?)",
        path, (double)here, (double)data->mean[k], (double)there, (double)known->mean[k]);
    return;
  }
}

cvy_hash cvy_dataset_fingerprint(const cvy_dataset *dataset) {
  return dataset->fingerprint;
}

const cvy_augment_source *cvy_dataset_source(const cvy_dataset *dataset) {
  return &dataset->source;
}

cvy_encoding cvy_dataset_encoding(const cvy_dataset *dataset) {
  return dataset->encoding;
}

bool cvy_dataset_is_float(const cvy_dataset *dataset) {
  return dataset->is_float;
}

cvy_file_records cvy_dataset_records_in(const cvy_dataset *dataset, int64_t file) {
  CVY_CHECK(file >= 0 && file < dataset->info.shard_count);
  const cvy_dataset_file *f = &dataset->files[file];
  return (cvy_file_records){.path = f->path, .first = f->first, .count = f->count};
}

const cvy_dataset_file *cvy_dataset_file_of(const cvy_dataset *dataset, int64_t index) {
  CVY_CHECK(index >= 0 && index < dataset->info.count);
  int64_t low = 0, high = dataset->info.shard_count - 1;
  while (low < high) {
    const int64_t middle = (low + high + 1) / 2;
    if (dataset->files[middle].first <= index)
      low = middle;
    else
      high = middle - 1;
  }
  return &dataset->files[low];
}

char *cvy_dataset_name(cvy_pool *pool, const cvy_dataset *dataset, int64_t index) {
  const cvy_dataset_file *file = cvy_dataset_file_of(dataset, index);
  cvy_h5 *h5;
  char *name = NULL;
  if (cvy_h5_open(&h5, file->path)) return NULL;
  if (cvy_h5_has(h5, "names") && cvy_h5_read_text(h5, "names", index - file->first, &name, pool)) name = NULL;
  cvy_h5_discard(h5);
  return name;
}

char **cvy_dataset_names_in(cvy_pool *pool, const cvy_dataset *dataset, int64_t file) {
  const cvy_file_records records = cvy_dataset_records_in(dataset, file);
  cvy_h5 *h5;
  char **names = NULL;
  int64_t count = 0;
  if (cvy_h5_open(&h5, records.path)) return NULL;
  if (cvy_h5_has(h5, "names") && cvy_h5_read_texts(h5, "names", &names, &count, pool)) names = NULL;
  cvy_h5_discard(h5);
  return count == records.count ? names : NULL;
}

bool cvy_dataset_size(int64_t *h, int64_t *w, const cvy_dataset *dataset, int64_t index) {
  const cvy_dataset_file *file = cvy_dataset_file_of(dataset, index);
  const int32_t *size = file->sizes ? file->sizes + 2 * (index - file->first) : NULL;
  *h = size ? size[0] : dataset->info.h;
  *w = size ? size[1] : dataset->info.w;
  return *h > 0;
}

void cvy_dataset_common_size(int64_t *h, int64_t *w, const cvy_dataset *dataset) {
  *h = dataset->info.h;
  *w = dataset->info.w;
  for (int64_t i = 0; dataset->info.h == 0 && i < dataset->info.count; i++) {
    int64_t own_h, own_w;
    if (!cvy_dataset_size(&own_h, &own_w, dataset, i) || (own_h == *h && own_w == *w)) continue;
    const bool first = *h == 0;
    *h = first ? own_h : 0;
    *w = first ? own_w : 0;
    if (!first) return;
  }
}

void cvy_dataset_count_classes(int64_t *counts, const cvy_dataset *dataset) {
  for (int64_t i = 0; i < dataset->info.shard_count; i++) {
    const cvy_dataset_file *file = &dataset->files[i];
    for (int64_t k = 0; k < file->count; k++) counts[file->labels[k]]++;
  }
}

cvy_err cvy_dataset_error_in(cvy_err err, const cvy_dataset *dataset, int64_t index) {
  const cvy_dataset_file *file = cvy_dataset_file_of(dataset, index);
  cvy_saved_error failed;
  cvy_error_save(&failed, err); /* asking for the name may fail too */
  cvy_pool *pool = cvy_pool_create();
  const char *name = cvy_dataset_name(pool, dataset, index);
  err = cvy_error(err, "%s: record %" PRId64 "%s%s%s: %s", file->path, index - file->first, name ? " (" : "",
                  name ? name : "", name ? ")" : "", failed.message);
  cvy_pool_destroy(pool);
  return err;
}
