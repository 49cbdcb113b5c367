/* Reads and writes the part of a checkpoint that is the model. */
#include "model/stored.h"

#include "file/checked.h"
#include "model/tensors.h"

#include <string.h>

#define FORMAT "convoy-checkpoint"
enum { VERSION = 1 };
/* The size of the images that the network learnt from, as `convoy prepare` made them; 0: it varies. These are
 * younger than the format. */
static const struct {
  const char *name;
  size_t offset;
} sizes[] = {{"image_h", offsetof(cvy_dataset_info, h)},
             {"image_w", offsetof(cvy_dataset_info, w)},
             {"shorter_side", offsetof(cvy_dataset_info, shorter)}};

static const char average_group[] = "ema", average_hash[] = "ema_weights";

/* ---- writing ---- */

cvy_err cvy_model_write(cvy_h5 *file, const cvy_model_head *head, const cvy_net *net, const float *weights) {
  const cvy_dataset_info *data = head->data;
  CVY_TRY(cvy_h5_write_attr_text(file, "", "format", FORMAT));
  CVY_TRY(cvy_h5_write_attr_i64(file, "", "version", VERSION));
  CVY_TRY(cvy_checked_write_texts(file, "/recipe", &head->recipe_text, 1));
  CVY_TRY(cvy_checked_write_texts(file, "/class_names", data->class_names, data->class_count));
  CVY_TRY(cvy_checked_write_list(file, "/mean", CVY_H5_F32, data->mean, data->c));
  CVY_TRY(cvy_checked_write_list(file, "/deviation", CVY_H5_F32, data->deviation, data->c));
  CVY_TRY(cvy_h5_write_attr_text(file, "", "data", head->data_fingerprint));
  for (int64_t i = 0; i < CVY_COUNT(sizes); i++)
    CVY_TRY(cvy_h5_write_attr_i64(file, "", sizes[i].name,
                                  *(const int64_t *)((const char *)data + sizes[i].offset)));
  return cvy_tensors_write(file, "parameters", "weights", net, weights);
}

cvy_err cvy_model_write_average(cvy_h5 *file, const cvy_net *net, const float *average) {
  return cvy_tensors_write(file, average_group, average_hash, net, average);
}

/* A reader of checkpoints looks for the step and the best score. */
static cvy_err write_alone(cvy_h5 *file, const char *origin, const cvy_model_head *head, const cvy_net *net,
                           const float *weights) {
  CVY_TRY(cvy_model_write(file, head, net, weights));
  CVY_TRY(cvy_h5_write_attr_text(file, "", "origin", origin));
  CVY_TRY(cvy_h5_write_attr_i64(file, "", "step", 0));
  CVY_TRY(cvy_h5_write_attr_i64(file, "", "best_step", 0));
  return cvy_h5_write_attr_f64(file, "", "best_top1", 0);
}

cvy_err cvy_model_save(const char *path, const char *origin, const cvy_model_head *head, const cvy_net *net,
                       const float *weights) {
  cvy_h5 *file;
  CVY_TRY(cvy_h5_begin(&file, path));
  const cvy_err err = write_alone(file, origin, head, net, weights);
  if (!err) return cvy_h5_commit(file);
  cvy_h5_rollback(file);
  return err;
}

/* ---- reading ---- */

static cvy_err check_format(cvy_h5 *file, cvy_pool *pool) {
  char *format;
  int64_t version;
  if (!cvy_h5_has_attr(file, "", "format"))
    return cvy_error(CVY_E_INPUT, "%s: HDF5, but not a convoy checkpoint (it has no 'format' attribute)",
                     cvy_h5_path(file));
  CVY_TRY(cvy_h5_read_attr_text(file, "", "format", &format, pool));
  if (strcmp(format, FORMAT) != 0)
    return cvy_error(CVY_E_INPUT, "%s: a %s file; expected " FORMAT, cvy_h5_path(file), format);
  CVY_TRY(cvy_h5_read_attr_i64(file, "", "version", &version));
  if (version != VERSION)
    return cvy_error(CVY_E_INPUT, "%s: checkpoint version %" PRId64 "; this convoy reads version %d",
                     cvy_h5_path(file), version, VERSION);
  return CVY_OK;
}

static cvy_err read_sizes(cvy_dataset_info *data, cvy_h5 *file) {
  for (int64_t i = 0; i < CVY_COUNT(sizes); i++) {
    int64_t *size = (int64_t *)((char *)data + sizes[i].offset);
    if (!cvy_h5_has_attr(file, "", sizes[i].name)) continue;
    CVY_TRY(cvy_h5_read_attr_i64(file, "", sizes[i].name, size));
    if (*size < 0)
      return cvy_error(CVY_E_INPUT, "%s: %s %" PRId64 "; expected a number of pixels", cvy_h5_path(file),
                       sizes[i].name, *size);
  }
  return CVY_OK;
}

static cvy_err read_data_info(cvy_dataset_info *data, cvy_h5 *file, cvy_pool *pool) {
  char **names;
  int64_t dims[CVY_H5_MAX_DIMS];
  int dim_count;
  CVY_TRY(cvy_checked_read_texts(&names, &data->class_count, file, "/class_names", pool));
  CVY_TRY(cvy_h5_shape(file, "/mean", dims, &dim_count));
  if (dim_count != 1 || dims[0] < 1 || dims[0] > CVY_MAX_CHANNELS)
    return cvy_error(CVY_E_INPUT, "%s: /mean should hold a value for each of 1 to %d channels",
                     cvy_h5_path(file), CVY_MAX_CHANNELS);
  data->class_names = (const char *const *)names;
  data->c = dims[0];
  CVY_TRY(cvy_checked_read_list(data->mean, file, "/mean", CVY_H5_F32, data->c));
  return cvy_checked_read_list(data->deviation, file, "/deviation", CVY_H5_F32, data->c);
}

cvy_err cvy_model_read_head(cvy_model_head *out, cvy_h5 *file, cvy_pool *pool) {
  char **recipe, *fingerprint;
  int64_t texts;
  cvy_dataset_info *data = cvy_pool_new(pool, sizeof *data);
  *out = (cvy_model_head){0};
  CVY_TRY(check_format(file, pool));
  CVY_TRY(cvy_checked_read_texts(&recipe, &texts, file, "/recipe", pool));
  if (texts != 1) return cvy_error(CVY_E_INPUT, "%s: /recipe should hold one text", cvy_h5_path(file));
  CVY_TRY(cvy_h5_read_attr_text(file, "", "data", &fingerprint, pool));
  CVY_TRY(read_data_info(data, file, pool));
  CVY_TRY(read_sizes(data, file));
  *out = (cvy_model_head){recipe[0], fingerprint, data};
  return CVY_OK;
}

cvy_err cvy_model_read_weights(cvy_h5 *file, const cvy_net *net, float *weights) {
  return cvy_tensors_read(file, "parameters", "weights", net, weights);
}

bool cvy_model_has_average(cvy_h5 *file) {
  return cvy_h5_has_attr(file, "", average_hash);
}

cvy_err cvy_model_read_average(cvy_h5 *file, const cvy_net *net, float *average) {
  return cvy_tensors_read(file, average_group, average_hash, net, average);
}
