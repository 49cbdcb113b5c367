/* Opening one shard: everything in it but the samples is read, verified, and held against the first shard. */
#include "data/dataset_parts.h"
#include "file/checked.h"
#include <convoy/data.h>

#include <math.h>
#include <string.h>

/* What all shards of a set have in common. */
typedef struct header {
  cvy_encoding encoding;
  int64_t h, w, c, shorter;
  int64_t class_count;
  char **class_names;
  cvy_shard_statistics statistics;
} header;

static cvy_err check_format(cvy_h5 *h5, cvy_pool *pool) {
  char *format;
  int64_t version;
  CVY_TRY(cvy_h5_read_attr_text(h5, "", "format", &format, pool));
  if (strcmp(format, CVY_SHARD_FORMAT) != 0)
    return cvy_error(CVY_E_INPUT, "%s: a %s; expected a shard of images", cvy_h5_path(h5), format);
  CVY_TRY(cvy_h5_read_attr_i64(h5, "", "version", &version));
  if (version < 1 || version > CVY_SHARD_VERSION)
    return cvy_error(CVY_E_INPUT, "%s: shard format %" PRId64 "; this Convoy reads 1 to %d%s",
                     cvy_h5_path(h5), version, CVY_SHARD_VERSION,
                     version > CVY_SHARD_VERSION ? " (the file was made by a newer Convoy)" : "");
  return CVY_OK;
}

/* The file's name may have been changed; what is inside counts. */
static cvy_err check_place(const cvy_dataset *dataset, int64_t index, cvy_h5 *h5) {
  int64_t shard, shards, first;
  CVY_TRY(cvy_h5_read_attr_i64(h5, "", "shard", &shard));
  CVY_TRY(cvy_h5_read_attr_i64(h5, "", "shards", &shards));
  CVY_TRY(cvy_h5_read_attr_i64(h5, "", "first_record", &first));
  if (!dataset->is_set) {
    if (shards > 1)
      cvy_log("%s: shard %" PRId64 " of %" PRId64 "; only its own images are used", cvy_h5_path(h5), shard,
              shards);
    return CVY_OK;
  }
  if (shard != index || shards != dataset->info.shard_count)
    return cvy_error(CVY_E_INPUT,
                     "%s: holds shard %" PRId64 " of %" PRId64 "; its name says %" PRId64 " of %" PRId64,
                     cvy_h5_path(h5), shard, shards, index, dataset->info.shard_count);
  if (first != dataset->info.count)
    return cvy_error(CVY_E_INPUT,
                     "%s: begins with record %" PRId64
                     " of its split, but the shards before it hold %" PRId64,
                     cvy_h5_path(h5), first, dataset->info.count);
  return CVY_OK;
}

static cvy_err read_statistics(float out[CVY_MAX_CHANNELS], cvy_h5 *h5, const char *name, int64_t channels) {
  CVY_TRY(cvy_checked_read_list(out, h5, name, CVY_H5_F32, channels));
  for (int64_t k = 0; k < channels; k++)
    if (!isfinite(out[k]))
      return cvy_error(CVY_E_INPUT, "%s: dataset '%s': not a number for channel %" PRId64, cvy_h5_path(h5),
                       name, k);
  return CVY_OK;
}

/* Shards of version 1, and grey ones, have no statistics of colour. */
static cvy_err read_colour(cvy_shard_statistics *out, cvy_h5 *h5, int64_t c) {
  int64_t dims[CVY_H5_MAX_DIMS];
  int dim_count;
  float rows[CVY_MAX_CHANNELS * CVY_MAX_CHANNELS];
  const char *name = "colour_eigenvectors";
  out->has_colour = cvy_h5_has(h5, "colour_eigenvalues") && cvy_h5_has(h5, name);
  if (!out->has_colour) return CVY_OK;
  CVY_TRY(read_statistics(out->colour_values, h5, "colour_eigenvalues", c));
  CVY_TRY(cvy_h5_shape(h5, name, dims, &dim_count));
  if (dim_count != 2 || dims[0] != c || dims[1] != c)
    return cvy_error(CVY_E_INPUT, "%s: dataset '%s' must be %" PRId64 "x%" PRId64 " numbers", cvy_h5_path(h5),
                     name, c, c);
  CVY_TRY(cvy_checked_read(rows, h5, name, CVY_H5_F32, c * c));
  for (int64_t i = 0; i < c * c; i++) {
    if (!isfinite(rows[i]))
      return cvy_error(CVY_E_INPUT, "%s: dataset '%s': not a number", cvy_h5_path(h5), name);
    out->colour_vectors[i / c][i % c] = rows[i];
  }
  return CVY_OK;
}

static cvy_err read_image_shape(header *out, cvy_h5 *h5) {
  int64_t dims[CVY_H5_MAX_DIMS];
  int dim_count;
  const bool raw = out->encoding == CVY_RAW;
  const char *name = raw ? "images" : "bytes";
  CVY_TRY(cvy_h5_shape(h5, name, dims, &dim_count));
  if (dim_count != (raw ? 4 : 1))
    return cvy_error(CVY_E_INPUT, "%s: dataset '%s' has %d dimensions; expected %s", cvy_h5_path(h5), name,
                     dim_count, raw ? "[record][height][width][channel]" : "one");
  if (raw) {
    out->h = dims[1];
    out->w = dims[2];
  }
  if (raw && (dims[1] < 1 || dims[2] < 1 || dims[3] != out->c))
    return cvy_error(CVY_E_INPUT,
                     "%s: images of %" PRId64 "x%" PRId64 "x%" PRId64 "; expected %" PRId64 " channels",
                     cvy_h5_path(h5), dims[1], dims[2], dims[3], out->c);
  return CVY_OK;
}

static cvy_err read_header(header *out, cvy_h5 *h5, cvy_pool *pool) {
  char *encoding;
  CVY_TRY(cvy_h5_read_attr_text(h5, "", "encoding", &encoding, pool));
  out->encoding = strcmp(encoding, "raw") == 0 ? CVY_RAW : CVY_ENCODED;
  if (out->encoding == CVY_ENCODED && strcmp(encoding, "encoded") != 0)
    return cvy_error(CVY_E_INPUT, "%s: encoding '%s'; expected raw or encoded", cvy_h5_path(h5), encoding);
  CVY_TRY(cvy_h5_read_attr_i64(h5, "", "channels", &out->c));
  if (out->c < 1 || out->c > CVY_MAX_CHANNELS)
    return cvy_error(CVY_E_INPUT, "%s: %" PRId64 " channels; expected 1 to %d", cvy_h5_path(h5), out->c,
                     CVY_MAX_CHANNELS);
  if (cvy_h5_has_attr(h5, "", "shorter_side"))
    CVY_TRY(cvy_h5_read_attr_i64(h5, "", "shorter_side", &out->shorter));
  if (out->shorter < 0)
    return cvy_error(CVY_E_INPUT, "%s: shorter_side %" PRId64 "; expected a number of pixels",
                     cvy_h5_path(h5), out->shorter);
  CVY_TRY(read_image_shape(out, h5));
  CVY_TRY(cvy_checked_read_texts(&out->class_names, &out->class_count, h5, "class_names", pool));
  CVY_TRY(read_statistics(out->statistics.mean, h5, "mean", out->c));
  CVY_TRY(read_statistics(out->statistics.deviation, h5, "deviation", out->c));
  return read_colour(&out->statistics, h5, out->c);
}

static void take(cvy_dataset *dataset, const header *head) {
  cvy_dataset_info *info = &dataset->info;
  dataset->encoding = head->encoding;
  info->h = head->h;
  info->w = head->w;
  info->c = head->c;
  info->shorter = head->shorter;
  info->class_count = head->class_count;
  info->class_names = (const char *const *)head->class_names;
  const cvy_shard_statistics *statistics = &head->statistics;
  memcpy(info->mean, statistics->mean, sizeof info->mean);
  memcpy(info->deviation, statistics->deviation, sizeof info->deviation);
  info->has_colour = statistics->has_colour;
  memcpy(info->colour_values, statistics->colour_values, sizeof info->colour_values);
  memcpy(info->colour_vectors, statistics->colour_vectors, sizeof info->colour_vectors);
}

static cvy_err check_agreement(const cvy_dataset *dataset, const header *head, cvy_h5 *h5) {
  const cvy_dataset_info *info = &dataset->info;
  const char *here = cvy_h5_path(h5), *first = dataset->files[0].path;
  if (head->encoding != dataset->encoding)
    return cvy_error(CVY_E_INPUT, "%s: %s images, but those of %s are not", here,
                     head->encoding == CVY_RAW ? "raw" : "encoded", first);
  if (head->h != info->h || head->w != info->w || head->c != info->c)
    return cvy_error(CVY_E_INPUT,
                     "%s: images of %" PRId64 "x%" PRId64 "x%" PRId64 ", but those of %s are %" PRId64
                     "x%" PRId64 "x%" PRId64,
                     here, head->h, head->w, head->c, first, info->h, info->w, info->c);
  if (head->class_count != info->class_count)
    return cvy_error(CVY_E_INPUT, "%s: %" PRId64 " classes, but %s has %" PRId64, here, head->class_count,
                     first, info->class_count);
  for (int64_t k = 0; k < info->class_count; k++)
    if (strcmp(head->class_names[k], info->class_names[k]) != 0)
      return cvy_error(CVY_E_INPUT, "%s: class %" PRId64 " is '%s', but in %s it is '%s'", here, k,
                       head->class_names[k], first, info->class_names[k]);
  const cvy_shard_statistics *statistics = &head->statistics;
  if (memcmp(statistics->mean, info->mean, sizeof info->mean) != 0 ||
      memcmp(statistics->deviation, info->deviation, sizeof info->deviation) != 0)
    return cvy_error(CVY_E_INPUT, "%s: mean or deviation differ from those of %s", here, first);
  if (statistics->has_colour != info->has_colour ||
      memcmp(statistics->colour_values, info->colour_values, sizeof info->colour_values) != 0 ||
      memcmp(statistics->colour_vectors, info->colour_vectors, sizeof info->colour_vectors) != 0)
    return cvy_error(CVY_E_INPUT, "%s: the colours' covariance differs from that of %s", here, first);
  return CVY_OK;
}

static cvy_err check_labels(const cvy_dataset_file *file, int64_t class_count) {
  for (int64_t i = 0; i < file->count; i++)
    if (file->labels[i] < 0 || file->labels[i] >= class_count)
      return cvy_error(CVY_E_INPUT, "%s: record %" PRId64 ": label %d; expected 0 to %" PRId64, file->path, i,
                       file->labels[i], class_count - 1);
  return CVY_OK;
}

/* Checks that records lie one behind the other from the first byte to the last, and finds the largest. */
static cvy_err check_offsets(cvy_dataset *dataset, const cvy_dataset_file *file, int64_t total) {
  const uint64_t *at = file->offsets;
  bool sound = at[0] == 0 && at[file->count] == (uint64_t)total;
  for (int64_t i = 0; i < file->count && sound; i++) {
    sound = at[i] <= at[i + 1];
    if (sound && at[i + 1] - at[i] > dataset->record_bytes) dataset->record_bytes = at[i + 1] - at[i];
  }
  return sound ? CVY_OK
               : cvy_error(CVY_E_INPUT,
                           "%s: dataset 'offsets' does not divide the %" PRId64 " bytes in 'bytes'",
                           file->path, total);
}

/* Reads the sizes of pictures, which older shards do not have. */
static cvy_err read_sizes(cvy_dataset_file *file, cvy_h5 *h5) {
  static const char name[] = "sizes";
  int64_t dims[CVY_H5_MAX_DIMS];
  int dim_count;
  if (!cvy_h5_has(h5, name)) return CVY_OK;
  CVY_TRY(cvy_h5_shape(h5, name, dims, &dim_count));
  if (dim_count != 2 || dims[0] != file->count || dims[1] != 2)
    return cvy_error(CVY_E_INPUT, "%s: dataset '%s' must be %" PRId64 "x2 numbers", file->path, name,
                     file->count);
  CVY_TRY_IN(cvy_buffer_create((void **)&file->sizes, 2 * sizeof *file->sizes * (size_t)file->count, name),
             "%s", file->path);
  CVY_TRY(cvy_checked_read(file->sizes, h5, name, CVY_H5_I32, 2 * file->count));
  for (int64_t i = 0; i < file->count; i++) {
    const int32_t h = file->sizes[2 * i], w = file->sizes[2 * i + 1];
    if (h < 0 || w < 0 || (h > 0) != (w > 0))
      return cvy_error(CVY_E_INPUT, "%s: record %" PRId64 ": '%s' says %dx%d", file->path, i, name, h, w);
  }
  return CVY_OK;
}

static cvy_err read_records(cvy_dataset *dataset, cvy_dataset_file *file, cvy_h5 *h5) {
  const bool raw = dataset->encoding == CVY_RAW;
  int64_t dims[CVY_H5_MAX_DIMS], bytes[CVY_H5_MAX_DIMS];
  int dim_count;
  file->name = raw ? "images" : "bytes";
  CVY_TRY(cvy_h5_shape(h5, file->name, bytes, &dim_count));
  CVY_TRY(cvy_h5_shape(h5, "labels", dims, &dim_count));
  /* A shard of a set may have lost all its records to damage at the source. */
  if (dim_count != 1 || (dims[0] < 1 && !dataset->is_set))
    return cvy_error(CVY_E_INPUT, "%s: dataset 'labels' must be a list, not empty", file->path);
  file->count = dims[0];
  if (raw && bytes[0] != file->count)
    return cvy_error(CVY_E_INPUT, "%s: %" PRId64 " images but %" PRId64 " labels", file->path, bytes[0],
                     file->count);
  CVY_TRY(cvy_checked_load_list((void **)&file->labels, h5, "labels", CVY_H5_I32, file->count));
  CVY_TRY(cvy_checked_load_list((void **)&file->checksums, h5, "checksums", CVY_H5_U32, file->count));
  CVY_TRY(check_labels(file, dataset->info.class_count));
  if (raw) {
    dataset->record_bytes = (size_t)(dataset->info.h * dataset->info.w * dataset->info.c);
    return CVY_OK;
  }
  CVY_TRY(cvy_checked_load_list((void **)&file->offsets, h5, "offsets", CVY_H5_U64, file->count + 1));
  CVY_TRY(read_sizes(file, h5));
  return check_offsets(dataset, file, bytes[0]);
}

cvy_err cvy_dataset_add_shard(cvy_dataset *dataset, int64_t index, cvy_h5 *h5) {
  header head = {0};
  CVY_TRY(check_format(h5, dataset->pool));
  CVY_TRY(check_place(dataset, index, h5));
  CVY_TRY(read_header(&head, h5, dataset->pool));
  if (index == 0)
    take(dataset, &head);
  else
    CVY_TRY(check_agreement(dataset, &head, h5));
  return read_records(dataset, &dataset->files[index], h5);
}
