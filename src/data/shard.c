/* One shard is open at a time. A full shard is closed under its temporary name; when the last one is, all get
 * the statistics of the training split and are renamed together. */
#include "data/shard.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { COPY_BYTES = 1 << 20 };

struct cvy_shards {
  cvy_pool *pool;
  cvy_shards_config config;
  char **paths;
  int64_t begun;      /* shards that have a temporary file */
  int64_t next;       /* record */
  int64_t first, end; /* records of the open shard */
  cvy_h5 *file;       /* the open shard */
  int32_t *labels;    /* of the open shard, as are: */
  uint32_t *checksums;
  uint64_t *offsets;
  FILE *spool; /* encoded bytes */
  void *copy;
  bool sealed; /* statistics are written, all is on the disk */
};

/* ---- checked arrays ---- */

uint32_t cvy_shard_checksum(const void *bytes, size_t byte_count) {
  return (uint32_t)crc32_z(0, bytes, byte_count);
}

uint32_t cvy_shard_checksum_of_texts(const char *const *texts, int64_t count) {
  uLong checksum = 0;
  for (int64_t i = 0; i < count; i++)
    checksum = crc32_z(checksum, (const Bytef *)texts[i], strlen(texts[i]) + 1);
  return (uint32_t)checksum;
}

cvy_err cvy_shard_write_checked(cvy_h5 *file, const char *name, cvy_h5_type type, const void *values,
                                int64_t count) {
  CVY_TRY(cvy_h5_write(file, name, type, values, 1, &count));
  return cvy_h5_write_attr_i64(file, name, "checksum",
                               cvy_shard_checksum(values, cvy_h5_type_bytes(type) * (size_t)count));
}

static cvy_err read_and_verify(void *out, cvy_h5 *file, const char *name, cvy_h5_type type, int64_t count) {
  int64_t expected;
  CVY_TRY(cvy_h5_read(file, name, type, out, count));
  CVY_TRY(cvy_h5_read_attr_i64(file, name, "checksum", &expected));
  const int64_t found = cvy_shard_checksum(out, cvy_h5_type_bytes(type) * (size_t)count);
  if (found != expected)
    return cvy_error(CVY_E_INPUT,
                     "%s: dataset '%s': checksum %08llx does not match %08llx; the file is damaged",
                     cvy_h5_path(file), name, (unsigned long long)found, (unsigned long long)expected);
  return CVY_OK;
}

cvy_err cvy_shard_read_checked(void **out, cvy_h5 *file, const char *name, cvy_h5_type type, int64_t count) {
  int64_t dims[CVY_H5_MAX_DIMS];
  int dim_count;
  *out = NULL;
  CVY_TRY(cvy_h5_shape(file, name, dims, &dim_count));
  if (dim_count != 1 || dims[0] != count)
    return cvy_error(CVY_E_INPUT, "%s: dataset '%s' must be a list of %lld numbers%s", cvy_h5_path(file),
                     name, (long long)count, dim_count == 1 ? "; its length differs" : "");
  void *values;
  CVY_TRY_IN(cvy_buffer_create(&values, cvy_h5_type_bytes(type) * (size_t)count, name), "%s",
             cvy_h5_path(file));
  const cvy_err err = read_and_verify(values, file, name, type, count);
  if (err)
    cvy_buffer_destroy(values);
  else
    *out = values;
  return err;
}

/* ---- statistics ---- */

void cvy_pixel_sums_add(cvy_pixel_sums *sums, const cvy_image *image) {
  CVY_CHECK(image->c >= 1 && image->c <= CVY_MAX_CHANNELS);
  CVY_CHECK(sums->channels == 0 || sums->channels == image->c);
  sums->channels = image->c;
  const int64_t pixels = image->h * image->w;
  sums->count += (uint64_t)pixels;
  for (int64_t k = 0; k < image->c; k++) {
    uint64_t sum = 0, squares = 0;
    for (int64_t i = 0; i < pixels; i++) {
      const uint32_t x = image->px[i * image->c + k];
      sum += x;
      squares += x * x;
    }
    sums->sum[k] += sum;
    sums->sum_of_squares[k] += squares;
  }
}

void cvy_pixel_sums_result(float mean[], float deviation[], const cvy_pixel_sums *sums) {
  CVY_CHECK(sums->count > 0);
  const double n = (double)sums->count;
  for (int64_t k = 0; k < sums->channels; k++) {
    const double average = (double)sums->sum[k] / n;
    const double variance = (double)sums->sum_of_squares[k] / n - average * average;
    mean[k] = (float)average;
    /* Samples are whole numbers; less than this is the rounding of a channel that never changes. */
    deviation[k] = variance > 1e-9 ? (float)sqrt(variance) : 1.0f;
  }
}

/* ---- the writer ---- */

static int64_t first_of(const cvy_shards *s, int64_t shard) {
  return (int64_t)((__int128)shard * s->config.record_count / s->config.shard_count);
}

static cvy_err write_attributes(cvy_shards *s, int64_t shard) {
  const cvy_shards_config *config = &s->config;
  CVY_TRY(cvy_h5_write_attr_text(s->file, "", "format", CVY_SHARD_FORMAT));
  CVY_TRY(cvy_h5_write_attr_i64(s->file, "", "version", CVY_SHARD_VERSION));
  CVY_TRY(cvy_h5_write_attr_text(s->file, "", "encoding", config->encoding == CVY_RAW ? "raw" : "encoded"));
  CVY_TRY(cvy_h5_write_attr_text(s->file, "", "split", config->split));
  CVY_TRY(cvy_h5_write_attr_i64(s->file, "", "shard", shard));
  CVY_TRY(cvy_h5_write_attr_i64(s->file, "", "shards", config->shard_count));
  CVY_TRY(cvy_h5_write_attr_i64(s->file, "", "first_record", s->first));
  CVY_TRY(cvy_h5_write_attr_i64(s->file, "", "channels", config->c));
  CVY_TRY(cvy_h5_write_texts(s->file, "class_names", config->class_names, config->class_count));
  return cvy_h5_write_attr_i64(s->file, "class_names", "checksum",
                               cvy_shard_checksum_of_texts(config->class_names, config->class_count));
}

static cvy_err begin_shard(cvy_shards *s) {
  const cvy_shards_config *config = &s->config;
  const int64_t shard = s->begun;
  CVY_TRY(cvy_h5_begin(&s->file, s->paths[shard]));
  s->begun++;
  s->first = first_of(s, shard);
  s->end = first_of(s, shard + 1);
  CVY_TRY(write_attributes(s, shard));
  if (config->encoding == CVY_RAW) {
    const int64_t dims[] = {s->end - s->first, config->h, config->w, config->c};
    return cvy_h5_reserve(s->file, "images", CVY_H5_U8, 4, dims);
  }
  rewind(s->spool);
  return CVY_OK;
}

static cvy_err spool_failed(const cvy_shards *s) {
  return cvy_error(CVY_E_SYSTEM, "%s: cannot write: %s", s->paths[s->begun - 1], strerror(errno));
}

/* From the spool into the shard. */
static cvy_err write_spooled(cvy_shards *s, int64_t total) {
  CVY_TRY(cvy_h5_reserve(s->file, "bytes", CVY_H5_U8, 1, &total));
  if (fflush(s->spool) != 0 || fseeko(s->spool, 0, SEEK_SET) != 0) return spool_failed(s);
  for (int64_t done = 0; done < total;) {
    const int64_t left = total - done, part = left < COPY_BYTES ? left : COPY_BYTES;
    if (fread(s->copy, 1, (size_t)part, s->spool) != (size_t)part) return spool_failed(s);
    CVY_TRY(cvy_h5_write_rows(s->file, "bytes", CVY_H5_U8, s->copy, done, part));
    done += part;
  }
  return CVY_OK;
}

static cvy_err end_shard(cvy_shards *s) {
  const int64_t count = s->end - s->first;
  if (s->config.encoding == CVY_ENCODED) {
    CVY_TRY(write_spooled(s, (int64_t)s->offsets[count]));
    CVY_TRY(cvy_shard_write_checked(s->file, "offsets", CVY_H5_U64, s->offsets, count + 1));
  }
  CVY_TRY(cvy_shard_write_checked(s->file, "labels", CVY_H5_I32, s->labels, count));
  CVY_TRY(cvy_shard_write_checked(s->file, "checksums", CVY_H5_U32, s->checksums, count));
  cvy_h5 *file = s->file;
  s->file = NULL;
  return cvy_h5_close(file);
}

/* A file without a name: gone when it is closed, also by a crash. */
static cvy_err open_spool(cvy_shards *s) {
  char *path = cvy_pool_format(s->pool, "%s/.convoy-XXXXXX", s->config.dir);
  const int fd = mkstemp(path);
  if (fd >= 0) unlink(path);
  s->spool = fd >= 0 ? fdopen(fd, "w+b") : NULL;
  return s->spool ? CVY_OK : cvy_error(CVY_E_SYSTEM, "%s: cannot create: %s", path, strerror(errno));
}

static void copy_config(cvy_shards *s, const cvy_shards_config *config) {
  s->config = *config;
  s->config.dir = cvy_pool_format(s->pool, "%s", config->dir);
  s->config.split = cvy_pool_format(s->pool, "%s", config->split);
  const char **names = cvy_pool_new(s->pool, sizeof *names * (size_t)config->class_count);
  for (int64_t i = 0; i < config->class_count; i++)
    names[i] = cvy_pool_format(s->pool, "%s", config->class_names[i]);
  s->config.class_names = names;
  s->paths = cvy_pool_new(s->pool, sizeof *s->paths * (size_t)config->shard_count);
  for (int64_t k = 0; k < config->shard_count; k++)
    s->paths[k] = cvy_pool_format(s->pool, "%s/%s-%05lld-of-%05lld.h5", config->dir, config->split,
                                  (long long)k, (long long)config->shard_count);
}

static cvy_err start(cvy_shards *s) {
  const cvy_shards_config *config = &s->config;
  const size_t most = (size_t)((config->record_count + config->shard_count - 1) / config->shard_count);
  if (mkdir(config->dir, 0777) != 0 && errno != EEXIST)
    return cvy_error(CVY_E_SYSTEM, "%s: cannot make the folder: %s", config->dir, strerror(errno));
  CVY_TRY(cvy_buffer_create((void **)&s->labels, sizeof *s->labels * most, "labels of a shard"));
  CVY_TRY(cvy_buffer_create((void **)&s->checksums, sizeof *s->checksums * most, "checksums of a shard"));
  if (config->encoding == CVY_RAW) return CVY_OK;
  CVY_TRY(cvy_buffer_create((void **)&s->offsets, sizeof *s->offsets * (most + 1), "offsets of a shard"));
  CVY_TRY(cvy_buffer_create(&s->copy, COPY_BYTES, "copying a shard"));
  return open_spool(s);
}

cvy_err cvy_shards_create(cvy_shards **out, const cvy_shards_config *config) {
  CVY_CHECK(config->shard_count > 0 && config->class_count > 0 && config->record_count >= 0);
  CVY_CHECK(config->c >= 1 && config->c <= CVY_MAX_CHANNELS);
  CVY_CHECK(config->encoding == CVY_ENCODED || (config->h > 0 && config->w > 0));
  *out = NULL;
  if (config->shard_count > config->record_count)
    return cvy_error(CVY_E_INPUT, "%s/%s: more shards (%lld) than images (%lld)", config->dir, config->split,
                     (long long)config->shard_count, (long long)config->record_count);
  cvy_shards *s = cvy_new(sizeof *s);
  s->pool = cvy_pool_create();
  copy_config(s, config);
  const cvy_err err = start(s);
  if (err)
    cvy_shards_abandon(s);
  else
    *out = s;
  return err;
}

static cvy_err store(cvy_shards *s, const void *bytes, size_t byte_count) {
  const int64_t row = s->next - s->first;
  if (s->config.encoding == CVY_RAW) return cvy_h5_write_rows(s->file, "images", CVY_H5_U8, bytes, row, 1);
  s->offsets[row + 1] = s->offsets[row] + byte_count;
  return fwrite(bytes, 1, byte_count, s->spool) == byte_count ? CVY_OK : spool_failed(s);
}

cvy_err cvy_shards_add(cvy_shards *s, const void *bytes, size_t byte_count, int32_t label) {
  const cvy_shards_config *config = &s->config;
  CVY_CHECK(s->next < config->record_count);
  CVY_CHECK(config->encoding == CVY_ENCODED || byte_count == (size_t)(config->h * config->w * config->c));
  if (label < 0 || label >= config->class_count)
    return cvy_error(CVY_E_INPUT, "%s/%s: record %lld: label %d; expected 0 to %lld", config->dir,
                     config->split, (long long)s->next, label, (long long)config->class_count - 1);
  if (!s->file) CVY_TRY(begin_shard(s));
  CVY_TRY(store(s, bytes, byte_count));
  s->labels[s->next - s->first] = label;
  s->checksums[s->next - s->first] = cvy_shard_checksum(bytes, byte_count);
  s->next++;
  return s->next == s->end ? end_shard(s) : CVY_OK;
}

static cvy_err write_statistics(cvy_h5 *file, const float mean[], const float deviation[], int64_t channels) {
  CVY_TRY(cvy_shard_write_checked(file, "mean", CVY_H5_F32, mean, channels));
  return cvy_shard_write_checked(file, "deviation", CVY_H5_F32, deviation, channels);
}

cvy_err cvy_shards_seal(cvy_shards *s, const float mean[], const float deviation[]) {
  CVY_CHECK(s->next == s->config.record_count && !s->sealed);
  for (int64_t k = 0; k < s->config.shard_count; k++) {
    CVY_TRY(cvy_h5_resume(&s->file, s->paths[k]));
    CVY_TRY(write_statistics(s->file, mean, deviation, s->config.c));
    cvy_h5 *file = s->file;
    s->file = NULL;
    CVY_TRY(cvy_h5_close(file));
  }
  s->sealed = true;
  return CVY_OK;
}

static cvy_err publish(cvy_shards *s, int64_t *bytes) {
  *bytes = 0;
  for (int64_t k = 0; k < s->config.shard_count; k++) {
    struct stat info;
    CVY_TRY(cvy_h5_publish(s->paths[k]));
    if (stat(s->paths[k], &info) == 0) *bytes += info.st_size;
  }
  return CVY_OK;
}

cvy_err cvy_shards_finish(cvy_shards *s, int64_t *bytes, const float mean[], const float deviation[]) {
  cvy_err err = s->sealed ? CVY_OK : cvy_shards_seal(s, mean, deviation);
  if (!err) err = publish(s, bytes);
  cvy_shards_abandon(s); /* what is published has no temporary file any more */
  return err;
}

void cvy_shards_abandon(cvy_shards *s) {
  if (!s) return;
  cvy_h5_discard(s->file);
  for (int64_t k = 0; k < s->begun; k++) cvy_h5_withdraw(s->paths[k]);
  if (s->spool) fclose(s->spool);
  cvy_buffer_destroy(s->labels);
  cvy_buffer_destroy(s->checksums);
  cvy_buffer_destroy(s->offsets);
  cvy_buffer_destroy(s->copy);
  cvy_pool_destroy(s->pool);
  free(s);
}
