/* A shard is written row by row into a nameless file, and from there into HDF5 when the number of its records
 * is known. */
#include "data/shard.h"

#include <errno.h>
#include <isa-l/crc.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COPY_BYTES = 1 << 20 };

struct cvy_shard {
  cvy_pool *pool;
  cvy_shards_config config;
  char *path; /* final */
  int64_t most, count;
  cvy_h5 *file;
  int32_t *labels;
  uint32_t *checksums;
  uint64_t *offsets; /* encoded */
  const char **names;
  bool named;  /* record 0 has a name, so all must */
  FILE *spool; /* samples, or encoded bytes */
};

struct cvy_shards {
  cvy_pool *pool;
  cvy_shards_config config;
  int64_t begun; /* shards that have a temporary file */
  int64_t next;  /* record */
  cvy_shard *open;
};

/* ---- checked arrays ---- */

uint32_t cvy_shard_checksum(const void *bytes, size_t byte_count) {
  return crc32_gzip_refl(0, bytes, byte_count);
}

uint32_t cvy_shard_checksum_of_texts(const char *const *texts, int64_t count) {
  uint32_t checksum = 0;
  for (int64_t i = 0; i < count; i++)
    checksum = crc32_gzip_refl(checksum, (const unsigned char *)texts[i], strlen(texts[i]) + 1);
  return checksum;
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

enum { RUN = 1024 }; /* pixels: sums of products stay below 2^31, and a run's samples in the first cache */

static int32_t sum_of_products(const int16_t *a, const int16_t *b, int64_t count) {
  int32_t sum = 0;
  for (int64_t i = 0; i < count; i++) sum += (int32_t)a[i] * b[i];
  return sum;
}

static int32_t sum_of(const int16_t *a, int64_t count) {
  int32_t sum = 0;
  for (int64_t i = 0; i < count; i++) sum += a[i];
  return sum;
}

void cvy_pixel_sums_add(cvy_pixel_sums *sums, const cvy_image *image) {
  const int64_t c = image->c, pixels = image->h * image->w;
  int16_t planes[CVY_MAX_CHANNELS][RUN];
  CVY_CHECK(c >= 1 && c <= CVY_MAX_CHANNELS);
  CVY_CHECK(sums->channels == 0 || sums->channels == c);
  sums->channels = c;
  sums->count += (uint64_t)pixels;
  for (int64_t first = 0; first < pixels; first += RUN) {
    const int64_t n = pixels - first < RUN ? pixels - first : RUN;
    const uint8_t *px = image->px + first * c;
    for (int64_t k = 0; k < c; k++) {
      for (int64_t i = 0; i < n; i++) planes[k][i] = px[i * c + k];
      sums->sum[k] += (uint64_t)sum_of(planes[k], n);
      for (int64_t l = 0; l <= k; l++)
        sums->product[l][k] += (uint64_t)sum_of_products(planes[l], planes[k], n);
    }
  }
}

void cvy_pixel_sums_merge(cvy_pixel_sums *into, const cvy_pixel_sums *from) {
  if (from->channels == 0) return;
  CVY_CHECK(into->channels == 0 || into->channels == from->channels);
  into->channels = from->channels;
  into->count += from->count;
  for (int64_t k = 0; k < CVY_MAX_CHANNELS; k++) {
    into->sum[k] += from->sum[k];
    for (int64_t l = 0; l <= k; l++) into->product[l][k] += from->product[l][k];
  }
}

void cvy_pixel_sums_result(float mean[], float deviation[], const cvy_pixel_sums *sums) {
  CVY_CHECK(sums->count > 0);
  const double n = (double)sums->count;
  for (int64_t k = 0; k < sums->channels; k++) {
    const double average = (double)sums->sum[k] / n;
    const double variance = (double)sums->product[k][k] / n - average * average;
    mean[k] = (float)average;
    /* Samples are whole numbers; less than this is the rounding of a channel that never changes. */
    deviation[k] = variance > 1e-9 ? (float)sqrt(variance) : 1.0f;
  }
}

typedef double matrix[CVY_MAX_CHANNELS][CVY_MAX_CHANNELS];

/* n S(xy) - S(x) S(y) is a whole number, so nothing cancels. */
static void covariance(matrix out, const cvy_pixel_sums *sums) {
  const double n = (double)sums->count;
  for (int64_t k = 0; k < sums->channels; k++)
    for (int64_t l = 0; l <= k; l++) {
      const __int128 scaled = (__int128)sums->count * sums->product[l][k] -
                              (__int128)sums->sum[l] * sums->sum[k];
      out[k][l] = out[l][k] = (double)scaled / n / n;
    }
}

/* Turns rows and columns p, q of the symmetric `a` so that a[p][q] becomes 0; row k of `vectors` turns along. */
static void rotate(matrix a, matrix vectors, int64_t n, int64_t p, int64_t q) {
  const double slope = (a[q][q] - a[p][p]) / (2 * a[p][q]);
  const double t = (slope < 0 ? -1 : 1) / (fabs(slope) + sqrt(slope * slope + 1));
  const double c = 1 / sqrt(t * t + 1), s = t * c;
  for (int64_t k = 0; k < n; k++) {
    const double x = a[k][p], y = a[k][q];
    a[k][p] = c * x - s * y;
    a[k][q] = s * x + c * y;
  }
  for (int64_t k = 0; k < n; k++) {
    const double x = a[p][k], y = a[q][k], v = vectors[p][k], w = vectors[q][k];
    a[p][k] = c * x - s * y;
    a[q][k] = s * x + c * y;
    vectors[p][k] = c * v - s * w;
    vectors[q][k] = s * v + c * w;
  }
}

/* Jacobi's method; for so small a matrix some sweeps bring everything beside the diagonal below rounding. */
static void diagonalise(matrix a, matrix vectors, int64_t n) {
  enum { SWEEPS = 30 };
  for (int64_t k = 0; k < n; k++)
    for (int64_t l = 0; l < n; l++) vectors[k][l] = k == l;
  for (int sweep = 0; sweep < SWEEPS; sweep++)
    for (int64_t p = 0; p < n; p++)
      for (int64_t q = p + 1; q < n; q++)
        if (fabs(a[p][q]) > 1e-18 * (fabs(a[p][p]) + fabs(a[q][q]))) rotate(a, vectors, n, p, q);
}

static void store_vector(float out[], const double vector[], int64_t n) {
  int64_t largest = 0;
  for (int64_t k = 1; k < n; k++)
    if (fabs(vector[k]) > fabs(vector[largest])) largest = k;
  for (int64_t k = 0; k < n; k++) out[k] = (float)(vector[largest] < 0 ? -vector[k] : vector[k]);
}

void cvy_pixel_sums_statistics(cvy_shard_statistics *out, const cvy_pixel_sums *sums) {
  const int64_t n = sums->channels;
  matrix a = {{0}}, vectors = {{0}};
  *out = (cvy_shard_statistics){.has_colour = n > 1};
  cvy_pixel_sums_result(out->mean, out->deviation, sums);
  covariance(a, sums);
  diagonalise(a, vectors, n);
  bool taken[CVY_MAX_CHANNELS] = {false};
  for (int64_t k = 0; k < n && out->has_colour; k++) {
    int64_t next = -1;
    for (int64_t l = 0; l < n; l++)
      if (!taken[l] && (next < 0 || a[l][l] > a[next][next])) next = l;
    taken[next] = true;
    out->colour_values[k] = a[next][next] > 0 ? (float)a[next][next] : 0;
    store_vector(out->colour_vectors[k], vectors[next], n);
  }
}

/* ---- one shard ---- */

char *cvy_shard_path(cvy_pool *pool, const char *dir, const char *split, int64_t shard, int64_t shard_count) {
  return cvy_pool_format(pool, "%s/%s-%05lld-of-%05lld.h5", dir, split, (long long)shard,
                         (long long)shard_count);
}

static cvy_err write_texts(cvy_h5 *file, const char *name, const char *const *texts, int64_t count) {
  CVY_TRY(cvy_h5_write_texts(file, name, texts, count));
  return cvy_h5_write_attr_i64(file, name, "checksum", cvy_shard_checksum_of_texts(texts, count));
}

static cvy_err write_head(cvy_shard *s, int64_t shard) {
  const cvy_shards_config *config = &s->config;
  CVY_TRY(cvy_h5_write_attr_text(s->file, "", "format", CVY_SHARD_FORMAT));
  CVY_TRY(cvy_h5_write_attr_i64(s->file, "", "version", CVY_SHARD_VERSION));
  CVY_TRY(cvy_h5_write_attr_text(s->file, "", "encoding", config->encoding == CVY_RAW ? "raw" : "encoded"));
  CVY_TRY(cvy_h5_write_attr_text(s->file, "", "split", config->split));
  CVY_TRY(cvy_h5_write_attr_i64(s->file, "", "shard", shard));
  CVY_TRY(cvy_h5_write_attr_i64(s->file, "", "shards", config->shard_count));
  CVY_TRY(cvy_h5_write_attr_i64(s->file, "", "channels", config->c));
  return write_texts(s->file, "class_names", config->class_names, config->class_count);
}

/* A file without a name: gone when it is closed, also by a crash. */
static cvy_err open_spool(cvy_shard *s) {
  char *path = cvy_pool_format(s->pool, "%s/.convoy-XXXXXX", s->config.dir);
  const int fd = mkstemp(path);
  if (fd >= 0) unlink(path);
  s->spool = fd >= 0 ? fdopen(fd, "w+b") : NULL;
  return s->spool ? CVY_OK : cvy_error(CVY_E_SYSTEM, "%s: cannot create: %s", path, strerror(errno));
}

static cvy_err start(cvy_shard *s, int64_t shard) {
  const size_t most = (size_t)s->most;
  CVY_TRY(cvy_buffer_create((void **)&s->labels, sizeof *s->labels * most, "labels of a shard"));
  CVY_TRY(cvy_buffer_create((void **)&s->checksums, sizeof *s->checksums * most, "checksums of a shard"));
  CVY_TRY(cvy_buffer_create((void **)&s->offsets, sizeof *s->offsets * (most + 1), "offsets of a shard"));
  CVY_TRY(cvy_buffer_create((void **)&s->names, sizeof *s->names * most, "names of a shard"));
  CVY_TRY(cvy_h5_begin(&s->file, s->path));
  CVY_TRY(write_head(s, shard));
  return open_spool(s);
}

cvy_err cvy_shard_create(cvy_shard **out, const cvy_shards_config *config, int64_t shard, int64_t most) {
  CVY_CHECK(shard >= 0 && shard < config->shard_count && config->class_count > 0 && most >= 0);
  CVY_CHECK(config->c >= 1 && config->c <= CVY_MAX_CHANNELS);
  CVY_CHECK(config->encoding == CVY_ENCODED || (config->h > 0 && config->w > 0));
  cvy_shard *s = cvy_new(sizeof *s);
  s->pool = cvy_pool_create();
  s->config = *config;
  s->most = most;
  s->path = cvy_shard_path(s->pool, config->dir, config->split, shard, config->shard_count);
  const cvy_err err = start(s, shard);
  *out = err ? NULL : s;
  if (err) cvy_shard_abandon(s);
  return err;
}

static cvy_err spool_failed(const cvy_shard *s) {
  return cvy_error(CVY_E_SYSTEM, "%s: cannot write: %s", s->path, strerror(errno));
}

cvy_err cvy_shard_add(cvy_shard *s, const void *bytes, size_t byte_count, int32_t label, const char *name) {
  const cvy_shards_config *config = &s->config;
  const int64_t row = s->count;
  CVY_CHECK(row < s->most && (row == 0 || s->named == (name != NULL)));
  CVY_CHECK(config->encoding == CVY_ENCODED || byte_count == (size_t)(config->h * config->w * config->c));
  if (label < 0 || label >= config->class_count)
    return cvy_error(CVY_E_INPUT, "label %d; expected 0 to %lld", label, (long long)config->class_count - 1);
  if (fwrite(bytes, 1, byte_count, s->spool) != byte_count) return spool_failed(s);
  s->named = name != NULL;
  s->names[row] = name ? cvy_pool_format(s->pool, "%s", name) : NULL;
  s->labels[row] = label;
  s->checksums[row] = cvy_shard_checksum(bytes, byte_count);
  s->offsets[row + 1] = s->offsets[row] + byte_count;
  s->count++;
  return CVY_OK;
}

/* From the spool into the dataset `name` of `rows` rows. */
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
  const cvy_shards_config *config = &s->config;
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
  if (s->config.encoding == CVY_ENCODED)
    CVY_TRY(cvy_shard_write_checked(s->file, "offsets", CVY_H5_U64, s->offsets, s->count + 1));
  CVY_TRY(cvy_shard_write_checked(s->file, "labels", CVY_H5_I32, s->labels, s->count));
  CVY_TRY(cvy_shard_write_checked(s->file, "checksums", CVY_H5_U32, s->checksums, s->count));
  return s->named ? write_texts(s->file, "names", s->names, s->count) : CVY_OK;
}

static void free_shard(cvy_shard *s) {
  if (s->spool) fclose(s->spool);
  cvy_buffer_destroy(s->labels);
  cvy_buffer_destroy(s->checksums);
  cvy_buffer_destroy(s->offsets);
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
  cvy_h5_withdraw(s->path);
  free_shard(s);
}

static cvy_err write_vectors(cvy_h5 *file, const cvy_shard_statistics *statistics, int64_t channels) {
  const int64_t dims[] = {channels, channels};
  float rows[CVY_MAX_CHANNELS * CVY_MAX_CHANNELS];
  for (int64_t i = 0; i < channels * channels; i++)
    rows[i] = statistics->colour_vectors[i / channels][i % channels];
  CVY_TRY(cvy_h5_write(file, "colour_eigenvectors", CVY_H5_F32, rows, 2, dims));
  return cvy_h5_write_attr_i64(file, "colour_eigenvectors", "checksum",
                               cvy_shard_checksum(rows, sizeof *rows * (size_t)(channels * channels)));
}

static cvy_err write_rest(cvy_h5 *file, int64_t first_record, const cvy_shard_statistics *statistics,
                          int64_t channels) {
  CVY_TRY(cvy_h5_write_attr_i64(file, "", "first_record", first_record));
  CVY_TRY(cvy_shard_write_checked(file, "mean", CVY_H5_F32, statistics->mean, channels));
  CVY_TRY(cvy_shard_write_checked(file, "deviation", CVY_H5_F32, statistics->deviation, channels));
  if (!statistics->has_colour) return CVY_OK;
  CVY_TRY(
      cvy_shard_write_checked(file, "colour_eigenvalues", CVY_H5_F32, statistics->colour_values, channels));
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

/* ---- a whole set ---- */

static int64_t first_of(const cvy_shards *s, int64_t shard) {
  return (int64_t)((__int128)shard * s->config.record_count / s->config.shard_count);
}

static char *path_of(const cvy_shards *s, int64_t shard) {
  return cvy_shard_path(s->pool, s->config.dir, s->config.split, shard, s->config.shard_count);
}

static void copy_texts(cvy_shards *s, const cvy_shards_config *config) {
  const char **names = cvy_pool_new(s->pool, sizeof *names * (size_t)config->class_count);
  for (int64_t i = 0; i < config->class_count; i++)
    names[i] = cvy_pool_format(s->pool, "%s", config->class_names[i]);
  s->config.class_names = names;
  s->config.dir = cvy_pool_format(s->pool, "%s", config->dir);
  s->config.split = cvy_pool_format(s->pool, "%s", config->split);
}

cvy_err cvy_shards_create(cvy_shards **out, const cvy_shards_config *config) {
  CVY_CHECK(config->shard_count > 0 && config->record_count >= 0);
  *out = NULL;
  if (config->shard_count > config->record_count)
    return cvy_error(CVY_E_INPUT, "%s/%s: more shards (%lld) than images (%lld)", config->dir, config->split,
                     (long long)config->shard_count, (long long)config->record_count);
  if (mkdir(config->dir, 0777) != 0 && errno != EEXIST)
    return cvy_error(CVY_E_SYSTEM, "%s: cannot make the folder: %s", config->dir, strerror(errno));
  cvy_shards *s = cvy_new(sizeof *s);
  s->pool = cvy_pool_create();
  s->config = *config;
  copy_texts(s, config);
  *out = s;
  return CVY_OK;
}

cvy_err cvy_shards_add(cvy_shards *s, const void *bytes, size_t byte_count, int32_t label) {
  CVY_CHECK(s->next < s->config.record_count);
  if (!s->open) {
    const int64_t most = first_of(s, s->begun + 1) - s->next;
    CVY_TRY(cvy_shard_create(&s->open, &s->config, s->begun, most));
    s->begun++;
  }
  CVY_TRY_IN(cvy_shard_add(s->open, bytes, byte_count, label, NULL), "%s/%s: record %lld", s->config.dir,
             s->config.split, (long long)s->next);
  s->next++;
  if (s->next < first_of(s, s->begun)) return CVY_OK;
  cvy_shard *full = s->open;
  s->open = NULL;
  return cvy_shard_close(full);
}

static cvy_err publish(cvy_shards *s, int64_t *bytes) {
  *bytes = 0;
  for (int64_t k = 0; k < s->config.shard_count; k++) {
    struct stat info;
    CVY_TRY(cvy_h5_publish(path_of(s, k)));
    if (stat(path_of(s, k), &info) == 0) *bytes += info.st_size;
  }
  return CVY_OK;
}

cvy_err cvy_shards_finish(cvy_shards *s, int64_t *bytes, const float mean[], const float deviation[]) {
  CVY_CHECK(s->next == s->config.record_count);
  cvy_shard_statistics statistics = {0};
  cvy_err err = CVY_OK;
  memcpy(statistics.mean, mean, sizeof *mean * (size_t)s->config.c);
  memcpy(statistics.deviation, deviation, sizeof *deviation * (size_t)s->config.c);
  for (int64_t k = 0; k < s->config.shard_count && !err; k++)
    err = cvy_shard_seal(path_of(s, k), first_of(s, k), &statistics, s->config.c);
  if (!err) err = publish(s, bytes);
  cvy_shards_abandon(s); /* what is published has no temporary file any more */
  return err;
}

void cvy_shards_abandon(cvy_shards *s) {
  if (!s) return;
  cvy_shard_abandon(s->open);
  for (int64_t k = 0; k < s->begun; k++) cvy_h5_withdraw(path_of(s, k));
  cvy_pool_destroy(s->pool);
  free(s);
}
