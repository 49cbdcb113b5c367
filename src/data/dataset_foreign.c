/* HDF5 files of other makers as a dataset: archive/arrays.h finds images and labels.
 *
 * Bytes stay bytes; all other numbers become floats. Since the files say nothing else, one pass over all
 * samples at opening gives mean, deviation and the fingerprint. */
#include "archive/arrays.h"
#include "data/dataset_parts.h"

#include <math.h>

enum { BLOCK_BYTES = 1 << 20 };

/* ---- samples ---- */

/* Sums of (sample - shift). The shift is the channel's first sample, which is so close to the mean that
 * squares lose no digits. */
typedef struct statistics {
  double shift[CVY_MAX_CHANNELS], sum[CVY_MAX_CHANNELS], squares[CVY_MAX_CHANNELS];
} statistics;

static bool add_record(statistics *s, const cvy_dataset *dataset, const float *record, bool is_first) {
  const cvy_dataset_info *info = &dataset->info;
  const int64_t pixels = info->h * info->w;
  const bool planes = dataset->channel_step == pixels && info->c > 1;
  const int64_t step = planes ? 1 : info->c;
  bool finite = true;
  for (int64_t k = 0; k < info->c; k++) {
    const float *x = record + k * (planes ? pixels : 1);
    if (is_first) s->shift[k] = x[0];
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < pixels; i++) {
      const double away = x[i * step] - s->shift[k];
      sum += away;
      squares += away * away;
    }
    finite = finite && isfinite(squares);
    s->sum[k] += sum;
    s->squares[k] += squares;
  }
  return finite;
}

static void set_statistics(cvy_dataset_info *info, const statistics *s, int64_t count) {
  const double n = (double)count * (double)info->h * (double)info->w;
  for (int64_t k = 0; k < info->c; k++) {
    const double away = s->sum[k] / n, variance = s->squares[k] / n - away * away;
    info->mean[k] = (float)(s->shift[k] + away);
    info->deviation[k] = variance > 0 && (float)sqrt(variance) > 0 ? (float)sqrt(variance) : 1.0f;
  }
}

typedef struct scan {
  const cvy_dataset *dataset;
  const cvy_arrays *arrays;
  cvy_hasher *hasher;
  statistics sums;
  float *block; /* bytes lie at its end, and become floats from its beginning on */
  int64_t rows; /* of the block */
} scan;

/* Reads images as floats, whatever they are. */
static cvy_err read_floats(scan *s, int64_t first, int64_t count, int64_t samples) {
  if (s->arrays->is_float) return cvy_arrays_read(s->arrays, s->block, first, count);
  const uint8_t *bytes = (const uint8_t *)s->block + (sizeof *s->block - 1) * (size_t)samples;
  CVY_TRY(cvy_arrays_read(s->arrays, (void *)bytes, first, count));
  for (int64_t i = 0; i < samples; i++) s->block[i] = bytes[i];
  return CVY_OK;
}

static cvy_err scan_block(scan *s, const cvy_arrays_part *part, int64_t row, int64_t count) {
  const int64_t samples = s->arrays->h * s->arrays->w * s->arrays->c, first = part->first + row;
  CVY_TRY(read_floats(s, first, count, samples * count));
  cvy_hasher_add(s->hasher, s->block, sizeof *s->block * (size_t)(samples * count));
  for (int64_t i = 0; i < count; i++)
    if (!add_record(&s->sums, s->dataset, s->block + i * samples, first + i == 0))
      return cvy_error(CVY_E_INPUT, "%s: record %" PRId64 ": a sample is not a finite number", part->path,
                       row + i);
  return CVY_OK;
}

static cvy_err scan_part(scan *s, const cvy_arrays_part *part) {
  for (int64_t i = 0; i < part->count; i += s->rows)
    CVY_TRY(scan_block(s, part, i, part->count - i < s->rows ? part->count - i : s->rows));
  return CVY_OK;
}

static cvy_err scan_samples(cvy_dataset *dataset, const cvy_arrays *arrays, cvy_hasher *hasher) {
  const int64_t row_bytes = arrays->h * arrays->w * arrays->c * (int64_t)sizeof(float);
  scan s = {.dataset = dataset, .arrays = arrays, .hasher = hasher};
  s.rows = row_bytes < BLOCK_BYTES ? BLOCK_BYTES / row_bytes : 1;
  CVY_TRY(cvy_buffer_create((void **)&s.block, (size_t)(s.rows * row_bytes), "a block of images"));
  cvy_err err = CVY_OK;
  for (int64_t i = 0; i < arrays->part_count && !err; i++) err = scan_part(&s, &arrays->parts[i]);
  cvy_buffer_destroy(s.block);
  if (!err) set_statistics(&dataset->info, &s.sums, arrays->count);
  return err;
}

/* ---- opening ---- */

/* Takes the open files over from `arrays`, and copies the names. */
static void take_files(cvy_dataset *dataset, cvy_arrays *arrays) {
  cvy_pool *pool = dataset->pool;
  dataset->files = cvy_pool_new(pool, sizeof *dataset->files * (size_t)arrays->part_count);
  dataset->info.shard_count = arrays->part_count;
  for (int64_t i = 0; i < arrays->part_count; i++) {
    cvy_arrays_part *part = &arrays->parts[i];
    dataset->files[i] = (cvy_dataset_file){.path = cvy_pool_format(pool, "%s", part->path),
                                           .name = cvy_pool_format(pool, "%s", part->name),
                                           .first = part->first,
                                           .count = part->count,
                                           .labels = part->labels,
                                           .fd = part->fd > 0 ? part->fd : -1,
                                           .h5 = part->h5};
    part->labels = NULL;
    part->h5 = NULL;
    part->fd = 0;
  }
}

static void describe(cvy_dataset *dataset, const cvy_arrays *arrays) {
  cvy_dataset_info *info = &dataset->info;
  info->count = arrays->count;
  info->h = arrays->h;
  info->w = arrays->w;
  info->c = arrays->c;
  info->class_count = arrays->class_count;
  const char **names = cvy_pool_new(dataset->pool, sizeof *names * (size_t)(arrays->class_count + 1));
  for (int64_t k = 0; k < arrays->class_count; k++)
    names[k] = cvy_pool_format(dataset->pool, "%s", arrays->class_names[k]);
  info->class_names = names;
  dataset->encoding = CVY_RAW;
  dataset->is_float = arrays->is_float;
  dataset->row_step = arrays->row_step;
  dataset->column_step = arrays->column_step;
  dataset->channel_step = arrays->channel_step;
  dataset->record_bytes = (size_t)(info->h * info->w * info->c) * (dataset->is_float ? sizeof(float) : 1);
}

cvy_err cvy_dataset_add_foreign(cvy_dataset *dataset, const char *split, const cvy_arrays_said *said,
                                cvy_hasher *hasher) {
  cvy_arrays *arrays;
  CVY_TRY(cvy_arrays_open(&arrays, &dataset->files[0].path, 1, split, said, false));
  describe(dataset, arrays);
  const cvy_err err = scan_samples(dataset, arrays, hasher);
  if (!err) take_files(dataset, arrays);
  cvy_arrays_close(arrays);
  return err;
}
