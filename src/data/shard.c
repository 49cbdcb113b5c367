/* Writing a shard. Its records go into a nameless file, and from there into HDF5 when their number is
 * known. */
#include "data/shard.h"

#include "file/checked.h"
#include "file/whole.h"
#include "picture/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COPY_BYTES = 1 << 20 };

struct cvy_shard {
  cvy_pool *pool;
  cvy_shard_config config;
  char *path; /* the name in the end */
  int64_t count;
  cvy_h5 *file;
  int32_t *labels;
  uint32_t *checksums;
  uint64_t *offsets; /* encoded */
  int32_t *sizes;    /* encoded: [most][2] */
  const char **names;
  bool named;  /* record 0 has a name, so all must */
  FILE *spool; /* samples, or encoded bytes */
};

char *cvy_shard_path(cvy_pool *pool, const char *dir, const char *split, int64_t shard, int64_t shard_count) {
  return cvy_pool_format(pool, "%s/%s-%05" PRId64 "-of-%05" PRId64 ".h5", dir, split, shard, shard_count);
}

static cvy_err write_head(cvy_shard *s) {
  const cvy_shard_config *config = &s->config;
  CVY_TRY(cvy_h5_write_attr_text(s->file, "", "format", CVY_SHARD_FORMAT));
  CVY_TRY(cvy_h5_write_attr_i64(s->file, "", "version", CVY_SHARD_VERSION));
  CVY_TRY(cvy_h5_write_attr_text(s->file, "", "encoding", config->encoding == CVY_RAW ? "raw" : "encoded"));
  CVY_TRY(cvy_h5_write_attr_text(s->file, "", "split", config->split));
  CVY_TRY(cvy_h5_write_attr_i64(s->file, "", "shard", config->shard));
  CVY_TRY(cvy_h5_write_attr_i64(s->file, "", "shards", config->shard_count));
  CVY_TRY(cvy_h5_write_attr_i64(s->file, "", "channels", config->c));
  if (config->shorter > 0) CVY_TRY(cvy_h5_write_attr_i64(s->file, "", "shorter_side", config->shorter));
  return cvy_checked_write_texts(s->file, "class_names", config->class_names, config->class_count);
}

/* Opens a file without a name, which is gone when it is closed, also by a crash. */
static cvy_err open_spool(cvy_shard *s) {
  char *path = cvy_pool_format(s->pool, "%s/.convoy-XXXXXX", s->config.dir);
  const int fd = mkstemp(path);
  if (fd >= 0) unlink(path);
  s->spool = fd >= 0 ? fdopen(fd, "w+b") : NULL;
  if (s->spool) return CVY_OK;
  const cvy_err err = cvy_error(CVY_E_SYSTEM, "%s: cannot create: %s", path, strerror(errno));
  if (fd >= 0) close(fd);
  return err;
}

static cvy_err start(cvy_shard *s) {
  const size_t most = (size_t)s->config.most;
  CVY_TRY(cvy_buffer_create((void **)&s->labels, sizeof *s->labels * most, "labels of a shard"));
  CVY_TRY(cvy_buffer_create((void **)&s->checksums, sizeof *s->checksums * most, "checksums of a shard"));
  CVY_TRY(cvy_buffer_create((void **)&s->offsets, sizeof *s->offsets * (most + 1), "offsets of a shard"));
  CVY_TRY(cvy_buffer_create((void **)&s->sizes, 2 * sizeof *s->sizes * most, "sizes of a shard's pictures"));
  CVY_TRY(cvy_buffer_create((void **)&s->names, sizeof *s->names * most, "names of a shard"));
  CVY_TRY(cvy_h5_begin(&s->file, s->path));
  CVY_TRY(write_head(s));
  return open_spool(s);
}

cvy_err cvy_shard_create(cvy_shard **out, const cvy_shard_config *config) {
  CVY_CHECK(config->shard >= 0 && config->shard < config->shard_count);
  CVY_CHECK(config->class_count > 0 && config->most >= 0);
  CVY_CHECK(config->c >= 1 && config->c <= CVY_MAX_CHANNELS);
  CVY_CHECK(config->encoding == CVY_ENCODED || (config->h > 0 && config->w > 0));
  cvy_shard *s = cvy_new(sizeof *s);
  s->pool = cvy_pool_create();
  s->config = *config;
  s->path = cvy_shard_path(s->pool, config->dir, config->split, config->shard, config->shard_count);
  const cvy_err err = start(s);
  *out = err ? NULL : s;
  if (err) cvy_shard_abandon(s);
  return err;
}

static cvy_err spool_failed(const cvy_shard *s) {
  return cvy_error(CVY_E_SYSTEM, "%s: cannot write: %s", s->path, strerror(errno));
}

/* Notes a picture's size. It stays 0 x 0 if the header cannot be read: readers judge the record. */
static void note_size(int32_t size[2], const void *bytes, size_t byte_count) {
  int64_t h, w, channels = 0;
  if (cvy_image_size(&h, &w, &channels, bytes, byte_count)) return;
  size[0] = (int32_t)h;
  size[1] = (int32_t)w;
}

cvy_err cvy_shard_add(cvy_shard *s, const void *bytes, size_t byte_count, int32_t label, const char *name) {
  const cvy_shard_config *config = &s->config;
  const int64_t row = s->count;
  CVY_CHECK(row < config->most && (row == 0 || s->named == (name != NULL)));
  CVY_CHECK(config->encoding == CVY_ENCODED || byte_count == (size_t)(config->h * config->w * config->c));
  if (label < 0 || label >= config->class_count)
    return cvy_error(CVY_E_INPUT, "label %d; expected 0 to %" PRId64, label, config->class_count - 1);
  if (fwrite(bytes, 1, byte_count, s->spool) != byte_count) return spool_failed(s);
  s->named = name != NULL;
  s->names[row] = name ? cvy_pool_format(s->pool, "%s", name) : NULL;
  s->labels[row] = label;
  s->checksums[row] = cvy_checked_sum(bytes, byte_count);
  s->offsets[row + 1] = s->offsets[row] + byte_count;
  if (config->encoding == CVY_ENCODED) note_size(s->sizes + 2 * row, bytes, byte_count);
  s->count++;
  return CVY_OK;
}

/* Fills the dataset `name` of `rows` rows from the spool. */
static cvy_err copy_rows(cvy_shard *s, void *buffer, const char *name, int64_t rows, size_t row_bytes,
                         int64_t rows_at_once) {
  if (fflush(s->spool) != 0 || fseeko(s->spool, 0, SEEK_SET) != 0) return spool_failed(s);
  for (int64_t done = 0; done < rows;) {
    const int64_t left = rows - done, part = left < rows_at_once ? left : rows_at_once;
    if (fread(buffer, row_bytes, (size_t)part, s->spool) != (size_t)part) return spool_failed(s);
    CVY_TRY(cvy_h5_write_rows(s->file, name, CVY_H5_U8, buffer, done, part));
    done += part;
  }
  return CVY_OK;
}

static cvy_err write_samples(cvy_shard *s) {
  const cvy_shard_config *config = &s->config;
  const bool raw = config->encoding == CVY_RAW;
  const char *name = raw ? "images" : "bytes";
  const int64_t rows = raw ? s->count : (int64_t)s->offsets[s->count];
  const size_t row_bytes = raw ? (size_t)(config->h * config->w * config->c) : 1;
  const int64_t dims[] = {rows, config->h, config->w, config->c};
  const int64_t rows_at_once = row_bytes < COPY_BYTES ? COPY_BYTES / (int64_t)row_bytes : 1;
  void *buffer;
  CVY_TRY(cvy_h5_reserve(s->file, name, CVY_H5_U8, raw ? 4 : 1, dims));
  CVY_TRY(cvy_buffer_create(&buffer, row_bytes * (size_t)rows_at_once, "copying a shard"));
  const cvy_err err = copy_rows(s, buffer, name, rows, row_bytes, rows_at_once);
  cvy_buffer_destroy(buffer);
  return err;
}

static cvy_err write_tables(cvy_shard *s) {
  const int64_t size_dims[] = {s->count, 2};
  if (s->config.encoding == CVY_ENCODED) {
    CVY_TRY(cvy_checked_write_list(s->file, "offsets", CVY_H5_U64, s->offsets, s->count + 1));
    CVY_TRY(cvy_checked_write(s->file, "sizes", CVY_H5_I32, s->sizes, 2, size_dims));
  }
  CVY_TRY(cvy_checked_write_list(s->file, "labels", CVY_H5_I32, s->labels, s->count));
  CVY_TRY(cvy_checked_write_list(s->file, "checksums", CVY_H5_U32, s->checksums, s->count));
  return s->named ? cvy_checked_write_texts(s->file, "names", s->names, s->count) : CVY_OK;
}

static void free_shard(cvy_shard *s) {
  if (s->spool) fclose(s->spool);
  cvy_buffer_destroy(s->labels);
  cvy_buffer_destroy(s->checksums);
  cvy_buffer_destroy(s->offsets);
  cvy_buffer_destroy(s->sizes);
  cvy_buffer_destroy(s->names);
  cvy_pool_destroy(s->pool);
  free(s);
}

cvy_err cvy_shard_close(cvy_shard *s) {
  cvy_err err = write_samples(s);
  if (!err) err = write_tables(s);
  if (!err) {
    cvy_h5 *file = s->file;
    s->file = NULL;
    err = cvy_h5_close(file);
  }
  if (err)
    cvy_shard_abandon(s);
  else
    free_shard(s);
  return err;
}

void cvy_shard_abandon(cvy_shard *s) {
  if (!s) return;
  cvy_h5_discard(s->file);
  cvy_whole_withdraw(s->path);
  free_shard(s);
}

static cvy_err write_vectors(cvy_h5 *file, const cvy_shard_statistics *statistics, int64_t channels) {
  const int64_t dims[] = {channels, channels};
  float rows[CVY_MAX_CHANNELS * CVY_MAX_CHANNELS];
  for (int64_t i = 0; i < channels * channels; i++)
    rows[i] = statistics->colour_vectors[i / channels][i % channels];
  return cvy_checked_write(file, "colour_eigenvectors", CVY_H5_F32, rows, 2, dims);
}

static cvy_err write_rest(cvy_h5 *file, int64_t first_record, const cvy_shard_statistics *statistics,
                          int64_t channels) {
  CVY_TRY(cvy_h5_write_attr_i64(file, "", "first_record", first_record));
  CVY_TRY(cvy_checked_write_list(file, "mean", CVY_H5_F32, statistics->mean, channels));
  CVY_TRY(cvy_checked_write_list(file, "deviation", CVY_H5_F32, statistics->deviation, channels));
  if (!statistics->has_colour) return CVY_OK;
  CVY_TRY(
      cvy_checked_write_list(file, "colour_eigenvalues", CVY_H5_F32, statistics->colour_values, channels));
  return write_vectors(file, statistics, channels);
}

cvy_err cvy_shard_seal(const char *path, int64_t first_record, const cvy_shard_statistics *statistics,
                       int64_t channels) {
  cvy_h5 *file;
  CVY_TRY(cvy_h5_resume(&file, path));
  const cvy_err err = write_rest(file, first_record, statistics, channels);
  if (!err) return cvy_h5_close(file);
  cvy_h5_discard(file);
  return err;
}
