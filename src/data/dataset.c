/* A set of shards that agree, read record by record.
 *
 * HDF5 is asked once, at opening, where the records lie; then they are read with pread, which any thread may
 * do at any time. Compressed and otherwise arranged files go through HDF5 for each record. */
#include "data/dataset.h"

#include "data/dataset_parts.h"
#include "file/checked.h"
#include "picture/picture.h"
#include <convoy/data.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- opening ---- */

/* Keeps the file open one way or the other; `h5` belongs to the dataset from here on. */
static cvy_err open_for_reading(const cvy_dataset *dataset, cvy_dataset_file *file) {
  const cvy_h5_type type = dataset->is_float ? CVY_H5_F32 : CVY_H5_U8;
  const int64_t at = cvy_h5_file_offset(file->h5, file->name, type);
  if (at < 0) return CVY_OK;
  file->bytes_at = at;
  file->fd = open(file->path, O_RDONLY | O_CLOEXEC);
  if (file->fd < 0) return cvy_error(CVY_E_SYSTEM, "%s: %s", file->path, strerror(errno));
  cvy_h5_discard(file->h5);
  file->h5 = NULL;
  return CVY_OK;
}

static cvy_err open_file(cvy_dataset *dataset, int64_t index, cvy_hasher *hasher) {
  cvy_dataset_file *file = &dataset->files[index];
  CVY_TRY(cvy_h5_open(&file->h5, file->path));
  if (cvy_h5_has_attr(file->h5, "", "format"))
    CVY_TRY(cvy_dataset_add_shard(dataset, index, file->h5));
  else if (dataset->is_set)
    return cvy_error(CVY_E_INPUT, "%s: has the name of a shard but is not one (no attribute 'format')",
                     file->path);
  else
    CVY_TRY(cvy_dataset_add_foreign(dataset, file->h5, hasher));
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

static cvy_err open_all(cvy_dataset *dataset, const char *path, const char *split, cvy_hasher *hasher) {
  CVY_TRY(cvy_dataset_find(dataset, path, split));
  for (int64_t i = 0; i < dataset->info.shard_count; i++) CVY_TRY(open_file(dataset, i, hasher));
  if (dataset->info.count == 0)
    return cvy_error(CVY_E_INPUT, "%s: no records in any of its shards", dataset->files[0].path);
  hash_description(hasher, dataset);
  dataset->fingerprint = cvy_hasher_result(hasher);
  return CVY_OK;
}

cvy_err cvy_dataset_open(cvy_dataset **out, const char *path, const char *split) {
  cvy_dataset *dataset = cvy_new(sizeof *dataset);
  dataset->pool = cvy_pool_create();
  cvy_hasher *hasher = cvy_hasher_create();
  const cvy_err err = open_all(dataset, path, split, hasher);
  cvy_hasher_destroy(hasher);
  *out = err ? NULL : dataset;
  if (err) cvy_dataset_close(dataset);
  return err;
}

void cvy_dataset_close(cvy_dataset *dataset) {
  if (!dataset) return;
  for (int64_t i = 0; i < dataset->info.shard_count; i++) {
    cvy_dataset_file *file = &dataset->files[i];
    cvy_h5_discard(file->h5);
    if (file->fd >= 0) close(file->fd);
    cvy_buffer_destroy(file->labels);
    cvy_buffer_destroy(file->checksums);
    cvy_buffer_destroy(file->offsets);
  }
  cvy_cache_destroy(dataset->cache);
  cvy_pool_destroy(dataset->pool);
  free(dataset);
}

const cvy_dataset_info *cvy_dataset_describe(const cvy_dataset *dataset) {
  return &dataset->info;
}

cvy_hash cvy_dataset_fingerprint(const cvy_dataset *dataset) {
  return dataset->fingerprint;
}

/* ---- reading ---- */

cvy_err cvy_read_buffer_create(cvy_read_buffer *out, const cvy_dataset *dataset) {
  *out = (cvy_read_buffer){0};
  return cvy_buffer_create(&out->bytes, dataset->record_bytes, "the largest record");
}

void cvy_read_buffer_free(cvy_read_buffer *buffer) {
  cvy_buffer_destroy(buffer->bytes);
  cvy_image_free(&buffer->image);
  *buffer = (cvy_read_buffer){0};
}

/* The file whose records hold `index`. */
static const cvy_dataset_file *file_of(const cvy_dataset *dataset, int64_t index) {
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
  const cvy_dataset_file *file = file_of(dataset, index);
  cvy_h5 *h5;
  char *name = NULL;
  if (cvy_h5_open(&h5, file->path)) return NULL;
  if (cvy_h5_has(h5, "names") && cvy_h5_read_text(h5, "names", index - file->first, &name, pool)) name = NULL;
  cvy_h5_discard(h5);
  return name;
}

cvy_err cvy_dataset_error_in(cvy_err err, const cvy_dataset *dataset, int64_t index) {
  const cvy_dataset_file *file = file_of(dataset, index);
  char *message = cvy_format("%s",
                             cvy_err_message()); /* asking for the name may fail, and would replace it */
  cvy_pool *pool = cvy_pool_create();
  const char *name = cvy_dataset_name(pool, dataset, index);
  err = cvy_error(err, "%s: record %lld%s%s%s: %s", file->path, (long long)(index - file->first),
                  name ? " (" : "", name ? name : "", name ? ")" : "", message);
  cvy_pool_destroy(pool);
  free(message);
  return err;
}

static cvy_err read_bytes(int fd, char *out, size_t count, int64_t at) {
  while (count > 0) {
    const ssize_t got = pread(fd, out, count, (off_t)at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return cvy_error(CVY_E_SYSTEM, "cannot read: %s", strerror(errno));
    if (got == 0)
      return cvy_error(CVY_E_SYSTEM, "the file has become shorter than it was when it was opened");
    out += got;
    at += got;
    count -= (size_t)got;
  }
  return CVY_OK;
}

/* Where record `row` begins in the samples or encoded bytes. */
static int64_t start_of(const cvy_dataset *dataset, const cvy_dataset_file *file, int64_t row) {
  return dataset->encoding == CVY_ENCODED ? (int64_t)file->offsets[row]
                                          : row * (int64_t)dataset->record_bytes;
}

/* ---- keeping ---- */

static size_t bytes_of_entries(const cvy_dataset *dataset) {
  size_t sum = 0;
  for (int64_t i = 0; i < dataset->info.shard_count; i++) {
    const cvy_dataset_file *file = &dataset->files[i];
    for (int64_t row = 0; row < file->count; row++)
      sum += cvy_entry_bytes((size_t)(start_of(dataset, file, row + 1) - start_of(dataset, file, row)));
  }
  return sum;
}

cvy_err cvy_dataset_keep(cvy_dataset *dataset, cvy_keep keep, size_t memory_bytes) {
  CVY_CHECK(!dataset->cache);
  if (keep == CVY_KEEP_NOTHING) return CVY_OK;
  const bool pictures = keep == CVY_KEEP_PICTURES && dataset->encoding == CVY_ENCODED;
  const int64_t keys = dataset->info.count * (pictures ? CVY_SCALES : 1);
  CVY_TRY(cvy_cache_create(&dataset->cache, keys, memory_bytes,
                           pictures ? memory_bytes : bytes_of_entries(dataset)));
  dataset->keep = pictures ? CVY_KEEP_PICTURES : CVY_KEEP_RECORDS; /* raw records are pictures */
  return CVY_OK;
}

cvy_kept cvy_dataset_kept(const cvy_dataset *dataset) {
  return dataset->cache ? cvy_cache_use(dataset->cache) : (cvy_kept){0};
}

/* ---- reading records ---- */

/* Linux reads no more for one call than its read-ahead, 128 KiB unless somebody has changed it, and forgets the rest. */
enum { EXPECTED_BYTES = 128 << 10 };

void cvy_dataset_expect(const cvy_dataset *dataset, int64_t first, int64_t count) {
  while (count > 0) {
    const cvy_dataset_file *file = file_of(dataset, first);
    const int64_t row = first - file->first, left = file->count - row, rows = count < left ? count : left;
    const int64_t end = file->bytes_at + start_of(dataset, file, row + rows);
    for (int64_t at = file->bytes_at + start_of(dataset, file, row); file->fd >= 0 && at < end;
         at += EXPECTED_BYTES)
      posix_fadvise(file->fd, (off_t)at, (off_t)(end - at < EXPECTED_BYTES ? end - at : EXPECTED_BYTES),
                    POSIX_FADV_WILLNEED);
    first += rows;
    count -= rows;
  }
}

static cvy_err read_row(void *bytes, size_t byte_count, const cvy_dataset *dataset,
                        const cvy_dataset_file *file, int64_t row) {
  const int64_t start = start_of(dataset, file, row);
  if (file->fd >= 0) return read_bytes(file->fd, bytes, byte_count, file->bytes_at + start);
  if (dataset->encoding == CVY_ENCODED)
    return cvy_h5_read_rows(file->h5, file->name, CVY_H5_U8, bytes, start, (int64_t)byte_count);
  const cvy_h5_type type = dataset->is_float ? CVY_H5_F32 : CVY_H5_U8;
  return cvy_h5_read_rows(file->h5, file->name, type, bytes, row, 1);
}

/* The stored bytes of record `index`, verified: in `buffer`, or where they are kept. */
static cvy_err fetch(const void **bytes, size_t *byte_count, const cvy_dataset *dataset,
                     const cvy_read_buffer *buffer, int64_t index) {
  const cvy_dataset_file *file = file_of(dataset, index);
  const int64_t row = index - file->first;
  const bool keeps = dataset->keep == CVY_KEEP_RECORDS;
  const cvy_entry *kept = keeps ? cvy_cache_find(dataset->cache, index) : NULL;
  *byte_count = (size_t)(start_of(dataset, file, row + 1) - start_of(dataset, file, row));
  *bytes = kept ? kept->bytes : buffer->bytes;
  if (kept) return CVY_OK;
  CVY_TRY(read_row(buffer->bytes, *byte_count, dataset, file, row));
  const uint32_t found = file->checksums ? cvy_checked_sum(buffer->bytes, *byte_count) : 0;
  if (file->checksums && found != file->checksums[row])
    return cvy_error(CVY_E_INPUT, "checksum %08x does not match %08x; the file is damaged", found,
                     file->checksums[row]);
  if (keeps)
    cvy_cache_keep(dataset->cache, index, &(cvy_entry){.byte_count = *byte_count, .bytes = buffer->bytes});
  return CVY_OK;
}

static cvy_picture picture_of_record(const cvy_dataset *dataset, const void *bytes) {
  const cvy_dataset_info *info = &dataset->info;
  cvy_picture picture = cvy_picture_of(bytes, dataset->is_float, info->h, info->w, info->c);
  if (dataset->channels_first) {
    picture.sheet.row_step = info->w;
    picture.sheet.column_step = 1;
    picture.sheet.channel_step = info->h * info->w;
  }
  return picture;
}

/* `decoded` is the buffer's. */
static cvy_err fetch_encoded(cvy_encoded *encoded) {
  const cvy_read_buffer *buffer = (const cvy_read_buffer *)((const char *)encoded->decoded -
                                                            offsetof(cvy_read_buffer, decoded));
  return fetch(&encoded->bytes, &encoded->byte_count, buffer->dataset, buffer, buffer->index);
}

static cvy_err read_encoded(cvy_picture *out, const cvy_dataset *dataset, cvy_read_buffer *buffer,
                            int64_t index, int64_t channels) {
  cvy_encoded encoded = {.image = &buffer->image};
  if (dataset->keep == CVY_KEEP_PICTURES) {
    buffer->dataset = dataset;
    buffer->index = index;
    buffer->decoded = (cvy_decoded){dataset->cache, index * CVY_SCALES, fetch_encoded};
    encoded.decoded = &buffer->decoded;
    if (cvy_picture_of_decoded(out, &encoded, channels)) return CVY_OK;
  }
  CVY_TRY(fetch(&encoded.bytes, &encoded.byte_count, dataset, buffer, index));
  return cvy_picture_of_encoded(out, &encoded, channels);
}

static cvy_err read_raw(cvy_picture *out, const cvy_dataset *dataset, const cvy_read_buffer *buffer,
                        int64_t index) {
  const void *bytes;
  size_t byte_count;
  CVY_TRY(fetch(&bytes, &byte_count, dataset, buffer, index));
  *out = picture_of_record(dataset, bytes);
  return CVY_OK;
}

cvy_err cvy_dataset_read(cvy_picture *out, int32_t *label, const cvy_dataset *dataset,
                         cvy_read_buffer *buffer, int64_t index, int64_t channels) {
  const cvy_err err = dataset->encoding == CVY_RAW ? read_raw(out, dataset, buffer, index)
                                                   : read_encoded(out, dataset, buffer, index, channels);
  if (err) return cvy_dataset_error_in(err, dataset, index);
  const cvy_dataset_file *file = file_of(dataset, index);
  *label = file->labels[index - file->first];
  return CVY_OK;
}

void cvy_dataset_count_classes(int64_t *counts, const cvy_dataset *dataset) {
  for (int64_t i = 0; i < dataset->info.shard_count; i++) {
    const cvy_dataset_file *file = &dataset->files[i];
    for (int64_t k = 0; k < file->count; k++) counts[file->labels[k]]++;
  }
}
