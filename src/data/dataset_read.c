/* Reading a dataset's records, and keeping them.
 *
 * HDF5 is asked once, at opening, where the records lie; then they are read with pread, which any thread
 * may do at any time. Compressed and otherwise arranged files go through HDF5 for each record. */
#include "data/dataset.h"
#include "data/dataset_parts.h"
#include "data/open_files.h"
#include "file/checked.h"
#include "file/h5.h"
#include "picture/picture.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

cvy_err cvy_read_buffer_create(cvy_read_buffer *out, const cvy_dataset *dataset) {
  *out = (cvy_read_buffer){0};
  return cvy_buffer_create(&out->bytes, dataset->record_bytes, "the largest record");
}

void cvy_read_buffer_free(cvy_read_buffer *buffer) {
  cvy_buffer_destroy(buffer->bytes);
  cvy_image_free(&buffer->image);
  *buffer = (cvy_read_buffer){0};
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

/* Returns where record `row` begins in the samples or encoded bytes. */
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

/* These functions are the keeper of decoded pictures. Its context is the read buffer, which says whose bytes
 * are wanted. */

static int64_t key_of(const cvy_read_buffer *buffer, int index) {
  return buffer->index * CVY_SCALES + index;
}

static const uint8_t *find_whole(cvy_whole_picture *whole, const void *context, int index) {
  const cvy_read_buffer *buffer = context;
  const cvy_entry *entry = cvy_cache_find(buffer->dataset->cache, key_of(buffer, index));
  if (!entry) return NULL;
  *whole = entry->whole;
  return entry->bytes;
}

static bool has_room(const void *context, size_t byte_count) {
  const cvy_read_buffer *buffer = context;
  return cvy_cache_has_room(buffer->dataset->cache, byte_count);
}

static void keep_whole(const void *context, int index, const cvy_whole_picture *whole,
                       const uint8_t *samples) {
  const cvy_read_buffer *buffer = context;
  const size_t byte_count = (size_t)(whole->h * whole->w * whole->c);
  cvy_cache_keep(buffer->dataset->cache, key_of(buffer, index),
                 &(cvy_entry){.byte_count = byte_count, .whole = *whole, .bytes = samples});
}

/* ---- reading records ---- */

/* Has the file open until it is given back. */
static cvy_err borrow(const cvy_dataset *dataset, const cvy_dataset_file *file) {
  return dataset->open ? cvy_open_files_borrow(dataset->open, file - dataset->files) : CVY_OK;
}

static void give_back(const cvy_dataset *dataset, const cvy_dataset_file *file) {
  if (dataset->open) cvy_open_files_return(dataset->open, file - dataset->files);
}

/* Linux reads no more for one call than its read-ahead, 128 KiB unless somebody has changed it, and
 * forgets the rest. */
enum { EXPECTED_BYTES = 128 << 10 };

void cvy_dataset_expect(const cvy_dataset *dataset, int64_t first, int64_t count) {
  while (count > 0) {
    const cvy_dataset_file *file = cvy_dataset_file_of(dataset, first);
    const int64_t row = first - file->first, left = file->count - row, rows = count < left ? count : left;
    const int64_t end = file->bytes_at + start_of(dataset, file, row + rows);
    if (borrow(dataset, file)) return;
    for (int64_t at = file->bytes_at + start_of(dataset, file, row); file->fd >= 0 && at < end;
         at += EXPECTED_BYTES)
      posix_fadvise(file->fd, (off_t)at, (off_t)(end - at < EXPECTED_BYTES ? end - at : EXPECTED_BYTES),
                    POSIX_FADV_WILLNEED);
    give_back(dataset, file);
    first += rows;
    count -= rows;
  }
}

static cvy_err read_open_row(void *bytes, size_t byte_count, const cvy_dataset *dataset,
                             const cvy_dataset_file *file, int64_t row) {
  const int64_t start = start_of(dataset, file, row);
  if (file->fd >= 0) return read_bytes(file->fd, bytes, byte_count, file->bytes_at + start);
  if (dataset->encoding == CVY_ENCODED)
    return cvy_h5_read_rows(file->h5, file->name, CVY_H5_U8, bytes, start, (int64_t)byte_count);
  const cvy_h5_type type = dataset->is_float ? CVY_H5_F32 : CVY_H5_U8;
  return cvy_h5_read_rows(file->h5, file->name, type, bytes, row, 1);
}

static cvy_err read_row(void *bytes, size_t byte_count, const cvy_dataset *dataset,
                        const cvy_dataset_file *file, int64_t row) {
  CVY_TRY(borrow(dataset, file));
  const cvy_err err = read_open_row(bytes, byte_count, dataset, file, row);
  give_back(dataset, file);
  return err;
}

/* The stored bytes of record `index`, verified: in `buffer`, or where they are kept. */
static cvy_err fetch(const void **bytes, size_t *byte_count, const cvy_dataset *dataset,
                     const cvy_read_buffer *buffer, int64_t index) {
  const cvy_dataset_file *file = cvy_dataset_file_of(dataset, index);
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
  if (dataset->row_step > 0) {
    picture.raster.row_step = dataset->row_step;
    picture.raster.column_step = dataset->column_step;
    picture.raster.channel_step = dataset->channel_step;
  }
  return picture;
}

static cvy_err fetch_encoded(const void **bytes, size_t *byte_count, const void *context) {
  const cvy_read_buffer *buffer = context;
  return fetch(bytes, byte_count, buffer->dataset, buffer, buffer->index);
}

static const cvy_keeper keeper = {
    .find = find_whole, .has_room = has_room, .keep = keep_whole, .fetch = fetch_encoded};

static cvy_err read_encoded(cvy_picture *out, const cvy_dataset *dataset, cvy_read_buffer *buffer,
                            int64_t index, int64_t channels) {
  cvy_encoded encoded = {.image = &buffer->image};
  if (dataset->keep == CVY_KEEP_PICTURES) {
    buffer->dataset = dataset;
    buffer->index = index;
    encoded.keeper = &keeper;
    encoded.keeper_context = buffer;
    if (cvy_picture_of_kept(out, &encoded, channels)) return CVY_OK;
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

static int32_t label_of(const cvy_dataset *dataset, int64_t index) {
  const cvy_dataset_file *file = cvy_dataset_file_of(dataset, index);
  return file->labels[index - file->first];
}

cvy_err cvy_dataset_read(cvy_picture *out, int32_t *label, const cvy_dataset *dataset,
                         cvy_read_buffer *buffer, int64_t index, int64_t channels) {
  const cvy_err err = dataset->encoding == CVY_RAW ? read_raw(out, dataset, buffer, index)
                                                   : read_encoded(out, dataset, buffer, index, channels);
  if (err) return cvy_dataset_error_in(err, dataset, index);
  *label = label_of(dataset, index);
  return CVY_OK;
}

cvy_err cvy_dataset_read_stored(const void **bytes, size_t *byte_count, int32_t *label,
                                const cvy_dataset *dataset, const cvy_read_buffer *buffer, int64_t index) {
  const cvy_err err = fetch(bytes, byte_count, dataset, buffer, index);
  if (err) return cvy_dataset_error_in(err, dataset, index);
  *label = label_of(dataset, index);
  return CVY_OK;
}
