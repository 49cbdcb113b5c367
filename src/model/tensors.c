/* A network's tensors in an HDF5 file. */
#include "model/tensors.h"

#include "base/text.h"

#include <string.h>

enum { NAME_BYTES = 512, SHAPE_BYTES = 128 };

/* The name of a tensor's dataset. */
typedef struct dataset_name {
  char text[NAME_BYTES];
} dataset_name;

static dataset_name name_of(const char *group, const cvy_net_param *p) {
  dataset_name name;
  snprintf(name.text, sizeof name.text, "/%s/%s", group, p->name);
  return name;
}

static cvy_err write_tensor(cvy_h5 *file, const char *group, const cvy_net_param *p, const float *arena) {
  return cvy_h5_write(file, name_of(group, p).text, CVY_H5_F32, arena + p->offset, p->spec->dim_count,
                      p->spec->dims);
}

cvy_err cvy_tensors_write(cvy_h5 *file, const char *group, const char *hash_name, const cvy_net *net,
                          const float *arena) {
  const cvy_net_info *info = cvy_net_describe(net);
  for (int64_t i = 0; i < info->param_tensors; i++)
    CVY_TRY(write_tensor(file, group, &info->params[i], arena));
  return cvy_h5_write_attr_text(file, "", hash_name, cvy_net_hash(net, arena).hex);
}

cvy_err cvy_tensors_write_state(cvy_h5 *file, const char *group, const cvy_net *net, const float *arena) {
  const cvy_net_info *info = cvy_net_describe(net);
  for (int64_t i = 0; i < info->param_tensors; i++)
    if (info->params[i].learns) CVY_TRY(write_tensor(file, group, &info->params[i], arena));
  return cvy_h5_write_attr_text(file, "", group, cvy_net_learnt_hash(net, arena).hex);
}

static cvy_err check_shape(cvy_h5 *file, const char *name, const cvy_param_spec *spec) {
  int64_t dims[CVY_H5_MAX_DIMS];
  int dim_count;
  CVY_TRY(cvy_h5_shape(file, name, dims, &dim_count));
  bool same = dim_count == spec->dim_count;
  for (int i = 0; same && i < dim_count; i++) same = dims[i] == spec->dims[i];
  if (same) return CVY_OK;
  char stored[SHAPE_BYTES], wanted[SHAPE_BYTES];
  cvy_text_dims(stored, sizeof stored, dims, dim_count);
  cvy_text_dims(wanted, sizeof wanted, spec->dims, spec->dim_count);
  return cvy_error(CVY_E_INPUT, "%s: %s has shape %s; the network needs %s", cvy_h5_path(file), name, stored,
                   wanted);
}

static cvy_err check_hash(cvy_h5 *file, const char *group, const char *hash_name, cvy_hash found) {
  cvy_pool *pool = cvy_pool_create();
  char *stored;
  cvy_err err = cvy_h5_read_attr_text(file, "", hash_name, &stored, pool);
  if (!err && strcmp(stored, found.hex) != 0)
    err = cvy_error(CVY_E_INPUT, "%s: /%s is damaged: its hash is %s, stored is %s", cvy_h5_path(file), group,
                    found.hex, stored);
  cvy_pool_destroy(pool);
  return err;
}

static cvy_err read_tensor(cvy_h5 *file, const char *group, const cvy_net_param *p, float *arena) {
  const dataset_name name = name_of(group, p);
  CVY_TRY(check_shape(file, name.text, p->spec));
  return cvy_h5_read(file, name.text, CVY_H5_F32, arena + p->offset, p->count);
}

cvy_err cvy_tensors_read(cvy_h5 *file, const char *group, const char *hash_name, const cvy_net *net,
                         float *arena) {
  const cvy_net_info *info = cvy_net_describe(net);
  for (int64_t i = 0; i < info->param_tensors; i++) {
    const dataset_name name = name_of(group, &info->params[i]);
    if (!cvy_h5_has(file, name.text))
      return cvy_error(CVY_E_INPUT, "%s: %s is missing", cvy_h5_path(file), name.text);
    CVY_TRY(read_tensor(file, group, &info->params[i], arena));
  }
  return check_hash(file, group, hash_name, cvy_net_hash(net, arena));
}

cvy_err cvy_tensors_read_state(cvy_h5 *file, const char *group, const cvy_net *net, float *arena) {
  const cvy_net_info *info = cvy_net_describe(net);
  for (int64_t i = 0; i < info->param_tensors; i++) {
    const cvy_net_param *p = &info->params[i];
    if (!p->learns) continue;
    if (cvy_h5_has(file, name_of(group, p).text))
      CVY_TRY(read_tensor(file, group, p, arena));
    else
      memset(arena + p->offset, 0, sizeof *arena * (size_t)p->count);
  }
  return check_hash(file, group, group, cvy_net_learnt_hash(net, arena));
}
