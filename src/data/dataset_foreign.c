/* HDF5 files as h5py users write them: a dataset of images and one of labels under the usual names.
 *
 * Bytes stay bytes; all other numbers become floats. Channels may come first. Labels may be whole numbers of
 * any type, in one column, or one-hot rows. Since the file says nothing else, one pass over all samples at
 * opening gives mean, deviation and the fingerprint. */
#include "base/text.h"
#include "data/dataset_parts.h"

#include <math.h>
#include <string.h>
#include <strings.h>

enum { BLOCK_BYTES = 1 << 20, MAX_CLASSES = 1 << 20 };

static const char *const image_names[] = {"images", "image", "data", "x"};
static const char *const label_names[] = {"labels", "label", "y"};

/* ---- finding the two datasets ---- */

typedef struct choice {
  cvy_pool *pool;
  const char *const *names;
  int64_t best; /* index of the best name met so far */
  const char *found;
  char all_chars[512];
  cvy_text all; /* the names of all datasets */
} choice;

static void look_at(void *context, const char *name) {
  choice *c = context;
  cvy_text_item(&c->all, ", ", "%s", name);
  for (int64_t i = 0; i < c->best; i++)
    if (strcasecmp(name, c->names[i]) == 0) {
      c->best = i;
      c->found = cvy_pool_format(c->pool, "%s", name);
    }
}

static cvy_err choose(const char **out, cvy_h5 *h5, cvy_pool *pool, const char *const *names,
                      int64_t name_count, const char *expected) {
  choice c = {.pool = pool, .names = names, .best = name_count};
  c.all = cvy_text_in(c.all_chars, sizeof c.all_chars);
  CVY_TRY(cvy_h5_visit(h5, look_at, &c));
  *out = c.found;
  if (!c.found)
    return cvy_error(CVY_E_INPUT, "%s: no dataset named %s (it has: %s)", cvy_h5_path(h5), expected,
                     c.all.length ? c.all_chars : "none");
  return CVY_OK;
}

/* ---- images ---- */

static bool is_channel_count(int64_t n) {
  return n == 1 || n == 3 || n == 4;
}

static cvy_err set_shape(cvy_dataset *dataset, cvy_dataset_file *file, cvy_h5 *h5) {
  cvy_dataset_info *info = &dataset->info;
  int64_t d[CVY_H5_MAX_DIMS], samples;
  int dim_count;
  CVY_TRY(cvy_h5_shape(h5, file->name, d, &dim_count));
  if (dim_count == 3) d[3] = 1;
  dataset->channels_first = dim_count == 4 && is_channel_count(d[1]) && !is_channel_count(d[3]);
  const int64_t c = dataset->channels_first ? d[1] : d[3];
  if ((dim_count != 3 && dim_count != 4) || c < 1 || c > CVY_MAX_CHANNELS)
    return cvy_error(CVY_E_INPUT,
                     "%s: dataset '%s' is not [count][height][width], [count][height][width][channels] or "
                     "[count][channels][height][width] with 1 to %d channels",
                     file->path, file->name, CVY_MAX_CHANNELS);
  info->h = d[dataset->channels_first ? 2 : 1];
  info->w = d[dataset->channels_first ? 3 : 2];
  info->c = c;
  file->count = d[0];
  if (file->count < 1 || info->h < 1 || info->w < 1)
    return cvy_error(CVY_E_INPUT, "%s: dataset '%s' holds no images", file->path, file->name);
  if (__builtin_mul_overflow(info->h, info->w, &samples) || samples > INT32_MAX)
    return cvy_error(CVY_E_INPUT, "%s: images of %" PRId64 "x%" PRId64 " are too large", file->path, info->h,
                     info->w);
  if (dataset->channels_first)
    cvy_log("%s: '%s' is read as [count %" PRId64 "][channels %" PRId64 "][height %" PRId64 "][width %" PRId64
            "]",
            file->path, file->name, file->count, c, info->h, info->w);
  dataset->record_bytes = (size_t)(samples * c) * (dataset->is_float ? sizeof(float) : 1);
  return CVY_OK;
}

/* Sums of (sample - shift). The shift is the channel's first sample, which is so close to the mean that
 * squares lose no digits. */
typedef struct statistics {
  double shift[CVY_MAX_CHANNELS], sum[CVY_MAX_CHANNELS], squares[CVY_MAX_CHANNELS];
} statistics;

static bool add_record(statistics *s, const cvy_dataset *dataset, const float *record, bool is_first) {
  const cvy_dataset_info *info = &dataset->info;
  const int64_t pixels = info->h * info->w;
  const int64_t step = dataset->channels_first ? 1 : info->c;
  bool finite = true;
  for (int64_t k = 0; k < info->c; k++) {
    const float *x = record + k * (dataset->channels_first ? pixels : 1);
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

static cvy_err scan_block(statistics *s, const cvy_dataset *dataset, cvy_h5 *h5, cvy_hasher *hasher,
                          float *block, int64_t first, int64_t count) {
  const cvy_dataset_info *info = &dataset->info;
  const cvy_dataset_file *file = &dataset->files[0];
  const int64_t samples = info->h * info->w * info->c;
  CVY_TRY(cvy_h5_read_rows(h5, file->name, CVY_H5_F32, block, first, count));
  cvy_hasher_add(hasher, block, sizeof *block * (size_t)(samples * count));
  for (int64_t i = 0; i < count; i++)
    if (!add_record(s, dataset, block + i * samples, first + i == 0))
      return cvy_error(CVY_E_INPUT, "%s: record %" PRId64 ": a sample is not a finite number", file->path,
                       first + i);
  return CVY_OK;
}

static int64_t rows_a_block(int64_t row_bytes) {
  return row_bytes < BLOCK_BYTES ? BLOCK_BYTES / row_bytes : 1;
}

static cvy_err scan_samples(cvy_dataset *dataset, cvy_h5 *h5, cvy_hasher *hasher) {
  const int64_t row_bytes = dataset->info.h * dataset->info.w * dataset->info.c * (int64_t)sizeof(float);
  const int64_t count = dataset->files[0].count, rows = rows_a_block(row_bytes);
  statistics s = {0};
  float *block;
  CVY_TRY(cvy_buffer_create((void **)&block, (size_t)(rows * row_bytes), "a block of images"));
  cvy_err err = CVY_OK;
  for (int64_t i = 0; i < count && !err; i += rows)
    err = scan_block(&s, dataset, h5, hasher, block, i, count - i < rows ? count - i : rows);
  cvy_buffer_destroy(block);
  if (!err) set_statistics(&dataset->info, &s, count);
  return err;
}

/* ---- labels ---- */

/* Returns a row of `width` numbers as a label, or -1 if it is none. */
static int32_t label_of(const double *row, int64_t width) {
  if (width == 1)
    return row[0] >= 0 && row[0] < MAX_CLASSES && row[0] == floor(row[0]) ? (int32_t)row[0] : -1;
  int32_t label = -1;
  for (int64_t k = 0; k < width; k++) {
    if (row[k] == 0) continue;
    if (row[k] != 1 || label >= 0) return -1;
    label = (int32_t)k;
  }
  return label;
}

static cvy_err read_label_block(cvy_dataset_file *file, cvy_h5 *h5, const char *name, double *block,
                                int64_t width, int64_t first, int64_t count) {
  CVY_TRY(cvy_h5_read_rows(h5, name, CVY_H5_F64, block, first, count));
  for (int64_t i = 0; i < count; i++) {
    const int32_t label = file->labels[first + i] = label_of(block + i * width, width);
    if (label >= 0) continue;
    if (width > 1)
      return cvy_error(CVY_E_INPUT, "%s: record %" PRId64 ": its row in '%s' is not one-hot", file->path,
                       first + i, name);
    return cvy_error(CVY_E_INPUT, "%s: record %" PRId64 ": label %g; expected a whole number from 0 to %d",
                     file->path, first + i, block[i], MAX_CLASSES - 1);
  }
  return CVY_OK;
}

static cvy_err label_width(int64_t *out, const cvy_dataset_file *file, cvy_h5 *h5, const char *name) {
  int64_t d[CVY_H5_MAX_DIMS];
  int dim_count;
  CVY_TRY(cvy_h5_shape(h5, name, d, &dim_count));
  *out = dim_count == 2 ? d[1] : 1;
  if ((dim_count != 1 && dim_count != 2) || *out < 1 || *out > MAX_CLASSES)
    return cvy_error(CVY_E_INPUT, "%s: dataset '%s' is not [count], [count][1] or one-hot [count][classes]",
                     file->path, name);
  if (d[0] != file->count)
    return cvy_error(CVY_E_INPUT, "%s: %" PRId64 " images in '%s' but %" PRId64 " labels in '%s'", file->path,
                     file->count, file->name, d[0], name);
  return CVY_OK;
}

static cvy_err read_labels(cvy_dataset *dataset, cvy_h5 *h5, const char *name) {
  cvy_dataset_file *file = &dataset->files[0];
  int64_t width;
  double *block;
  CVY_TRY(label_width(&width, file, h5, name));
  CVY_TRY_IN(cvy_buffer_create((void **)&file->labels, sizeof *file->labels * (size_t)file->count, "labels"),
             "%s", file->path);
  const int64_t row_bytes = width * (int64_t)sizeof *block, rows = rows_a_block(row_bytes);
  CVY_TRY(cvy_buffer_create((void **)&block, (size_t)(rows * row_bytes), "a block of labels"));
  cvy_err err = CVY_OK;
  for (int64_t i = 0; i < file->count && !err; i += rows)
    err = read_label_block(file, h5, name, block, width, i, file->count - i < rows ? file->count - i : rows);
  cvy_buffer_destroy(block);
  int64_t classes = width > 1 ? width : 0;
  for (int64_t i = 0; i < file->count && !err; i++)
    if (file->labels[i] >= classes) classes = file->labels[i] + 1;
  dataset->info.class_count = classes;
  return err;
}

static void number_the_classes(cvy_dataset *dataset) {
  const int64_t count = dataset->info.class_count;
  const char **names = cvy_pool_new(dataset->pool, sizeof *names * (size_t)count);
  for (int64_t k = 0; k < count; k++) names[k] = cvy_pool_format(dataset->pool, "%" PRId64, k);
  dataset->info.class_names = names;
}

cvy_err cvy_dataset_add_foreign(cvy_dataset *dataset, cvy_h5 *h5, cvy_hasher *hasher) {
  cvy_dataset_file *file = &dataset->files[0];
  const char *label_name;
  cvy_h5_type element;
  CVY_TRY(choose(&file->name, h5, dataset->pool, image_names, CVY_COUNT(image_names), "images, data or X"));
  CVY_TRY(choose(&label_name, h5, dataset->pool, label_names, CVY_COUNT(label_names), "labels, label or y"));
  CVY_TRY(cvy_h5_element(h5, file->name, &element));
  dataset->encoding = CVY_RAW;
  dataset->is_float = element != CVY_H5_U8;
  CVY_TRY(set_shape(dataset, file, h5));
  CVY_TRY(read_labels(dataset, h5, label_name));
  number_the_classes(dataset);
  return scan_samples(dataset, h5, hasher);
}
