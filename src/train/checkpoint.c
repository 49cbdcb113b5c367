#include "train/checkpoint.h"

#include "data/shard.h"
#include "file/h5.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION = 1 };

/* ---- writing ---- */

static cvy_err write_tensors(cvy_h5 *file, const char *group, const cvy_net *net, const float *arena) {
  const cvy_net_info *info = cvy_net_describe(net);
  for (int64_t i = 0; i < info->param_tensors; i++) {
    const cvy_net_param *p = &info->params[i];
    char name[512];
    snprintf(name, sizeof name, "/%s/%s", group, p->name);
    CVY_TRY(cvy_h5_write(file, name, CVY_H5_F32, arena + p->offset, p->spec->dim_count, p->spec->dims));
  }
  return CVY_OK;
}

static cvy_err write_texts(cvy_h5 *file, const char *name, const char *const *texts, int64_t count) {
  CVY_TRY(cvy_h5_write_texts(file, name, texts, count));
  return cvy_h5_write_attr_i64(file, name, "checksum", cvy_shard_checksum_of_texts(texts, count));
}

static cvy_err write_about(cvy_h5 *file, const cvy_checkpoint_data *about) {
  const cvy_dataset_info *data = about->data;
  CVY_TRY(write_texts(file, "/recipe", &about->recipe_text, 1));
  CVY_TRY(write_texts(file, "/class_names", data->class_names, data->class_count));
  CVY_TRY(cvy_shard_write_checked(file, "/mean", CVY_H5_F32, data->mean, data->c));
  CVY_TRY(cvy_shard_write_checked(file, "/deviation", CVY_H5_F32, data->deviation, data->c));
  return cvy_h5_write_attr_text(file, "", "data", about->data_fingerprint);
}

typedef struct counter {
  const char *name;
  size_t offset;
} counter;

static const counter counters[] = {
    {"step", offsetof(cvy_run_state, step)},
    {"best_step", offsetof(cvy_run_state, best_step)},
    {"epoch_images", offsetof(cvy_run_state, epoch.images)},
    {"epoch_loss_units", offsetof(cvy_run_state, epoch.loss)},
    {"epoch_top1", offsetof(cvy_run_state, epoch.top1)},
    {"epoch_top5", offsetof(cvy_run_state, epoch.top5)},
    {"interval_images", offsetof(cvy_run_state, interval.images)},
    {"interval_loss_units", offsetof(cvy_run_state, interval.loss)},
    {"interval_top1", offsetof(cvy_run_state, interval.top1)},
    {"interval_top5", offsetof(cvy_run_state, interval.top5)},
    /* Younger than the format: */
    {"skipped", offsetof(cvy_run_state, skipped)},
    {"epoch_skipped", offsetof(cvy_run_state, epoch.skipped)},
    {"interval_skipped", offsetof(cvy_run_state, interval.skipped)},
};

enum { YOUNG_COUNTERS = 3 }; /* the last ones of the table: a file may lack them, then they are 0 */

/* "schedule_memory_2" */
typedef struct memory_name {
  char text[32];
} memory_name;

static memory_name name_of_memory(int k) {
  memory_name name;
  snprintf(name.text, sizeof name.text, "schedule_memory_%d", k);
  return name;
}

static cvy_err write_memory(cvy_h5 *file, const double memory[CVY_SCHEDULE_MEMORY]) {
  bool is_noted = false;
  for (int k = 0; k < CVY_SCHEDULE_MEMORY; k++) is_noted = is_noted || memory[k] != 0;
  for (int k = 0; is_noted && k < CVY_SCHEDULE_MEMORY; k++)
    CVY_TRY(cvy_h5_write_attr_f64(file, "", name_of_memory(k).text, memory[k]));
  return CVY_OK;
}

static cvy_err write_state(cvy_h5 *file, const cvy_run_state *state) {
  for (int64_t i = 0; i < CVY_COUNT(counters); i++)
    CVY_TRY(cvy_h5_write_attr_i64(file, "", counters[i].name,
                                  *(const int64_t *)((const char *)state + counters[i].offset)));
  CVY_TRY(cvy_h5_write_attr_f64(file, "", "best_top1", state->best_top1));
  CVY_TRY(cvy_h5_write_attr_f64(file, "", "train_loss", state->train_loss));
  CVY_TRY(write_memory(file, state->schedule_memory));
  if (isnan(state->last_top1)) return CVY_OK;
  CVY_TRY(cvy_h5_write_attr_f64(file, "", "last_top1", state->last_top1));
  return cvy_h5_write_attr_f64(file, "", "last_loss", state->last_loss);
}

static cvy_err write_contents(cvy_h5 *file, const cvy_arenas *arenas, const cvy_run_state *state,
                              const cvy_checkpoint_data *about) {
  CVY_TRY(cvy_h5_write_attr_text(file, "", "format", "convoy-checkpoint"));
  CVY_TRY(cvy_h5_write_attr_i64(file, "", "version", VERSION));
  CVY_TRY(write_state(file, state));
  CVY_TRY(write_about(file, about));
  CVY_TRY(write_tensors(file, "parameters", arenas->net, arenas->params));
  CVY_TRY(cvy_h5_write_attr_text(file, "", "weights", cvy_net_hash(arenas->net, arenas->params).hex));
  for (int64_t k = 0; k < arenas->rule->state_count; k++) {
    const char *name = arenas->rule->state_names[k];
    CVY_TRY(write_tensors(file, name, arenas->net, arenas->state[k]));
    CVY_TRY(cvy_h5_write_attr_text(file, "", name, cvy_net_hash(arenas->net, arenas->state[k]).hex));
  }
  return CVY_OK;
}

cvy_err cvy_checkpoint_write(const char *path, const cvy_arenas *arenas, const cvy_run_state *state,
                             const cvy_checkpoint_data *about) {
  cvy_h5 *file;
  CVY_TRY(cvy_h5_begin(&file, path));
  const cvy_err err = write_contents(file, arenas, state, about);
  if (err) {
    cvy_h5_rollback(file);
    return err;
  }
  return cvy_h5_commit(file);
}

/* ---- reading ---- */

struct cvy_checkpoint {
  cvy_pool *pool;
  cvy_h5 *file;
  char *recipe, *fingerprint;
  cvy_dataset_info data;
};

static cvy_err read_texts(cvy_checkpoint *c, const char *name, char ***texts, int64_t *count) {
  int64_t stored;
  CVY_TRY(cvy_h5_read_texts(c->file, name, texts, count, c->pool));
  CVY_TRY(cvy_h5_read_attr_i64(c->file, name, "checksum", &stored));
  if (stored != cvy_shard_checksum_of_texts((const char *const *)*texts, *count))
    return cvy_error(CVY_E_INPUT, "%s: %s is damaged: its checksum does not match", cvy_h5_path(c->file),
                     name);
  return CVY_OK;
}

static cvy_err read_floats(cvy_checkpoint *c, const char *name, float *values) {
  void *read;
  CVY_TRY(cvy_shard_read_checked(&read, c->file, name, CVY_H5_F32, c->data.c));
  memcpy(values, read, sizeof *values * (size_t)c->data.c);
  cvy_buffer_destroy(read);
  return CVY_OK;
}

static cvy_err read_data_info(cvy_checkpoint *c) {
  char **names;
  int64_t dims[CVY_H5_MAX_DIMS];
  int dim_count;
  CVY_TRY(read_texts(c, "/class_names", &names, &c->data.class_count));
  CVY_TRY(cvy_h5_shape(c->file, "/mean", dims, &dim_count));
  if (dim_count != 1 || dims[0] < 1 || dims[0] > CVY_MAX_CHANNELS)
    return cvy_error(CVY_E_INPUT, "%s: /mean should hold a value for each of 1 to %d channels",
                     cvy_h5_path(c->file), CVY_MAX_CHANNELS);
  c->data.class_names = (const char *const *)names;
  c->data.c = dims[0];
  CVY_TRY(read_floats(c, "/mean", c->data.mean));
  return read_floats(c, "/deviation", c->data.deviation);
}

static cvy_err read_head(cvy_checkpoint *c) {
  char *format, **recipe;
  int64_t version, texts;
  if (!cvy_h5_has_attr(c->file, "", "format"))
    return cvy_error(CVY_E_INPUT, "%s: HDF5, but not a convoy checkpoint (it has no 'format' attribute)",
                     cvy_h5_path(c->file));
  CVY_TRY(cvy_h5_read_attr_text(c->file, "", "format", &format, c->pool));
  if (strcmp(format, "convoy-checkpoint") != 0)
    return cvy_error(CVY_E_INPUT, "%s: a %s file; expected convoy-checkpoint", cvy_h5_path(c->file), format);
  CVY_TRY(cvy_h5_read_attr_i64(c->file, "", "version", &version));
  if (version != VERSION)
    return cvy_error(CVY_E_INPUT, "%s: checkpoint version %lld; this convoy reads version %d",
                     cvy_h5_path(c->file), (long long)version, VERSION);
  CVY_TRY(read_texts(c, "/recipe", &recipe, &texts));
  if (texts != 1) return cvy_error(CVY_E_INPUT, "%s: /recipe should hold one text", cvy_h5_path(c->file));
  c->recipe = recipe[0];
  CVY_TRY(cvy_h5_read_attr_text(c->file, "", "data", &c->fingerprint, c->pool));
  return read_data_info(c);
}

cvy_err cvy_checkpoint_open(cvy_checkpoint **out, const char *path) {
  cvy_checkpoint *c = cvy_new(sizeof *c);
  c->pool = cvy_pool_create();
  *out = NULL;
  cvy_err err = cvy_h5_open(&c->file, path);
  if (!err) err = read_head(c);
  if (err)
    cvy_checkpoint_close(c);
  else
    *out = c;
  return err;
}

void cvy_checkpoint_close(cvy_checkpoint *checkpoint) {
  if (!checkpoint) return;
  cvy_h5_discard(checkpoint->file);
  cvy_pool_destroy(checkpoint->pool);
  free(checkpoint);
}

const char *cvy_checkpoint_recipe(const cvy_checkpoint *checkpoint) {
  return checkpoint->recipe;
}

const char *cvy_checkpoint_fingerprint(const cvy_checkpoint *checkpoint) {
  return checkpoint->fingerprint;
}

const cvy_dataset_info *cvy_checkpoint_data_info(const cvy_checkpoint *checkpoint) {
  return &checkpoint->data;
}

static cvy_err check_shape(cvy_h5 *file, const char *name, const cvy_param_spec *spec) {
  int64_t dims[CVY_H5_MAX_DIMS];
  int dim_count;
  CVY_TRY(cvy_h5_shape(file, name, dims, &dim_count));
  bool same = dim_count == spec->dim_count;
  for (int i = 0; same && i < dim_count; i++) same = dims[i] == spec->dims[i];
  if (same) return CVY_OK;
  char stored[128] = "", wanted[128] = "";
  for (int i = 0; i < dim_count; i++) {
    const size_t used = strlen(stored);
    snprintf(stored + used, sizeof stored - used, "%s%lld", i ? "x" : "", (long long)dims[i]);
  }
  for (int i = 0; i < spec->dim_count; i++) {
    const size_t used = strlen(wanted);
    snprintf(wanted + used, sizeof wanted - used, "%s%lld", i ? "x" : "", (long long)spec->dims[i]);
  }
  return cvy_error(CVY_E_INPUT, "%s: %s has shape %s; the network needs %s", cvy_h5_path(file), name, stored,
                   wanted);
}

static cvy_err read_tensors(cvy_checkpoint *c, const char *group, const char *hash_name, const cvy_net *net,
                            float *arena) {
  const cvy_net_info *info = cvy_net_describe(net);
  for (int64_t i = 0; i < info->param_tensors; i++) {
    const cvy_net_param *p = &info->params[i];
    char name[512];
    snprintf(name, sizeof name, "/%s/%s", group, p->name);
    if (!cvy_h5_has(c->file, name))
      return cvy_error(CVY_E_INPUT, "%s: %s is missing", cvy_h5_path(c->file), name);
    CVY_TRY(check_shape(c->file, name, p->spec));
    CVY_TRY(cvy_h5_read(c->file, name, CVY_H5_F32, arena + p->offset, p->count));
  }
  char *stored;
  CVY_TRY(cvy_h5_read_attr_text(c->file, "", hash_name, &stored, c->pool));
  const cvy_hash found = cvy_net_hash(net, arena);
  if (strcmp(stored, found.hex) != 0)
    return cvy_error(CVY_E_INPUT, "%s: /%s is damaged: its hash is %s, stored is %s", cvy_h5_path(c->file),
                     group, found.hex, stored);
  return CVY_OK;
}

static cvy_err read_memory(cvy_checkpoint *c, double memory[CVY_SCHEDULE_MEMORY]) {
  for (int k = 0; k < CVY_SCHEDULE_MEMORY; k++)
    if (cvy_h5_has_attr(c->file, "", name_of_memory(k).text))
      CVY_TRY(cvy_h5_read_attr_f64(c->file, "", name_of_memory(k).text, &memory[k]));
  return CVY_OK;
}

static cvy_err read_state(cvy_checkpoint *c, cvy_run_state *state) {
  *state = (cvy_run_state){.last_top1 = NAN, .last_loss = NAN};
  for (int64_t i = 0; i < CVY_COUNT(counters); i++) {
    const counter *k = &counters[i];
    const bool is_young = i >= CVY_COUNT(counters) - YOUNG_COUNTERS;
    if (is_young && !cvy_h5_has_attr(c->file, "", k->name)) continue;
    CVY_TRY(cvy_h5_read_attr_i64(c->file, "", k->name, (int64_t *)((char *)state + k->offset)));
  }
  CVY_TRY(cvy_h5_read_attr_f64(c->file, "", "best_top1", &state->best_top1));
  CVY_TRY(cvy_h5_read_attr_f64(c->file, "", "train_loss", &state->train_loss));
  CVY_TRY(read_memory(c, state->schedule_memory));
  if (!cvy_h5_has_attr(c->file, "", "last_top1")) return CVY_OK;
  CVY_TRY(cvy_h5_read_attr_f64(c->file, "", "last_top1", &state->last_top1));
  return cvy_h5_read_attr_f64(c->file, "", "last_loss", &state->last_loss);
}

cvy_err cvy_checkpoint_read(cvy_checkpoint *c, const cvy_arenas *arenas, cvy_run_state *state) {
  CVY_TRY(read_state(c, state));
  CVY_TRY(read_tensors(c, "parameters", "weights", arenas->net, arenas->params));
  for (int64_t k = 0; arenas->rule && k < arenas->rule->state_count; k++) {
    const char *name = arenas->rule->state_names[k];
    CVY_TRY(read_tensors(c, name, name, arenas->net, arenas->state[k]));
  }
  return CVY_OK;
}
