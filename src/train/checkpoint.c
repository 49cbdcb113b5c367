/* Writes and reads what a run adds to its model's part of a checkpoint. */
#include "train/checkpoint.h"

#include "file/h5.h"
#include "model/tensors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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
    /* These are younger than the format: */
    {"skipped", offsetof(cvy_run_state, skipped)},
    {"epoch_skipped", offsetof(cvy_run_state, epoch.skipped)},
    {"interval_skipped", offsetof(cvy_run_state, interval.skipped)},
    {"roll_backs", offsetof(cvy_run_state, roll_backs)},
    {"watched_since", offsetof(cvy_run_state, watched_since)},
    {"stopped_early", offsetof(cvy_run_state, stopped_early)},
};

/* Numbers that are NaN where a file lacks them. */
static const counter numbers[] = {
    {"last_top1", offsetof(cvy_run_state, last_top1)},
    {"last_loss", offsetof(cvy_run_state, last_loss)},
    {"first_loss", offsetof(cvy_run_state, first_loss)},
    {"watched_best", offsetof(cvy_run_state, watched_best)},
};

enum { YOUNG_COUNTERS = 6 }; /* the last ones of the table, which are 0 where a file lacks them */

/* ---- writing ---- */

/* A name such as "schedule_memory_2". */
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
  if (state->arithmetic.names[0]) {
    CVY_TRY(cvy_h5_write_attr_text(file, "", "arithmetic", state->arithmetic.names));
    CVY_TRY(cvy_h5_write_attr_text(file, "", "products", state->arithmetic.products.hex));
  }
  if (state->history[0]) CVY_TRY(cvy_h5_write_attr_text(file, "", "history", state->history));
  if (state->validated_on.hex[0])
    CVY_TRY(cvy_h5_write_attr_text(file, "", "validated_on", state->validated_on.hex));
  for (int64_t i = 0; i < CVY_COUNT(numbers); i++) {
    const double number = *(const double *)((const char *)state + numbers[i].offset);
    if (!isnan(number)) CVY_TRY(cvy_h5_write_attr_f64(file, "", numbers[i].name, number));
  }
  return CVY_OK;
}

static cvy_err write_contents(cvy_h5 *file, const cvy_arenas *arenas, const cvy_run_state *state,
                              const cvy_model_head *head) {
  CVY_TRY(cvy_model_write(file, head, arenas->net, arenas->params));
  CVY_TRY(write_state(file, state));
  for (int64_t k = 0; k < arenas->rule->state_count; k++) {
    const char *name = arenas->rule->state_names[k];
    CVY_TRY(cvy_tensors_write_state(file, name, arenas->net, arenas->state[k]));
  }
  return arenas->average ? cvy_model_write_average(file, arenas->net, arenas->average) : CVY_OK;
}

cvy_err cvy_checkpoint_write(const char *path, const cvy_arenas *arenas, const cvy_run_state *state,
                             const cvy_model_head *head) {
  cvy_h5 *file;
  CVY_TRY(cvy_h5_begin(&file, path));
  const cvy_err err = write_contents(file, arenas, state, head);
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
  cvy_model_head head;
};

/* Refuses a model that no run has made. */
static cvy_err check_is_of_run(cvy_checkpoint *c) {
  if (cvy_h5_has_attr(c->file, "", "train_loss")) return CVY_OK;
  return cvy_error(CVY_E_INPUT,
                   "%s: a model that is no run's checkpoint, so there is nothing that could go on; a new run "
                   "can begin with its weights (recipe key init_from)",
                   cvy_h5_path(c->file));
}

cvy_err cvy_checkpoint_open(cvy_checkpoint **out, const char *path) {
  cvy_checkpoint *c = cvy_new(sizeof *c);
  c->pool = cvy_pool_create();
  *out = NULL;
  cvy_err err = cvy_h5_open(&c->file, path);
  if (!err) err = cvy_model_read_head(&c->head, c->file, c->pool);
  if (!err) err = check_is_of_run(c);
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
  return checkpoint->head.recipe_text;
}

const char *cvy_checkpoint_fingerprint(const cvy_checkpoint *checkpoint) {
  return checkpoint->head.data_fingerprint;
}

static cvy_err read_memory(cvy_checkpoint *c, double memory[CVY_SCHEDULE_MEMORY]) {
  for (int k = 0; k < CVY_SCHEDULE_MEMORY; k++)
    if (cvy_h5_has_attr(c->file, "", name_of_memory(k).text))
      CVY_TRY(cvy_h5_read_attr_f64(c->file, "", name_of_memory(k).text, &memory[k]));
  return CVY_OK;
}

/* Reads a text. Where the file lacks the attribute, *out stays as it is. */
static cvy_err read_text(char *out, size_t bytes, cvy_checkpoint *c, const char *name) {
  char *text;
  if (!cvy_h5_has_attr(c->file, "", name)) return CVY_OK;
  CVY_TRY(cvy_h5_read_attr_text(c->file, "", name, &text, c->pool));
  snprintf(out, bytes, "%s", text);
  return CVY_OK;
}

static cvy_err read_texts(cvy_checkpoint *c, cvy_run_state *state) {
  cvy_arithmetic *a = &state->arithmetic;
  CVY_TRY(read_text(a->names, sizeof a->names, c, "arithmetic"));
  CVY_TRY(read_text(a->products.hex, sizeof a->products.hex, c, "products"));
  CVY_TRY(read_text(state->history, sizeof state->history, c, "history"));
  return read_text(state->validated_on.hex, sizeof state->validated_on.hex, c, "validated_on");
}

static cvy_err read_state(cvy_checkpoint *c, cvy_run_state *state) {
  *state = cvy_run_state_at_first();
  for (int64_t i = 0; i < CVY_COUNT(counters); i++) {
    const counter *k = &counters[i];
    const bool is_young = i >= CVY_COUNT(counters) - YOUNG_COUNTERS;
    if (is_young && !cvy_h5_has_attr(c->file, "", k->name)) continue;
    CVY_TRY(cvy_h5_read_attr_i64(c->file, "", k->name, (int64_t *)((char *)state + k->offset)));
  }
  CVY_TRY(cvy_h5_read_attr_f64(c->file, "", "best_top1", &state->best_top1));
  CVY_TRY(cvy_h5_read_attr_f64(c->file, "", "train_loss", &state->train_loss));
  CVY_TRY(read_memory(c, state->schedule_memory));
  CVY_TRY(read_texts(c, state));
  for (int64_t i = 0; i < CVY_COUNT(numbers); i++)
    if (cvy_h5_has_attr(c->file, "", numbers[i].name))
      CVY_TRY(
          cvy_h5_read_attr_f64(c->file, "", numbers[i].name, (double *)((char *)state + numbers[i].offset)));
  return CVY_OK;
}

const cvy_dataset_info *cvy_checkpoint_data(const cvy_checkpoint *c) {
  return c->head.data;
}

/* An average that the run has only kept from here on begins as the weights. */
static cvy_err read_average(cvy_checkpoint *c, const cvy_arenas *arenas) {
  if (cvy_model_has_average(c->file)) return cvy_model_read_average(c->file, arenas->net, arenas->average);
  memcpy(arenas->average, arenas->params, sizeof(float) * (size_t)cvy_net_describe(arenas->net)->arena_count);
  return CVY_OK;
}

cvy_err cvy_checkpoint_read(cvy_checkpoint *c, const cvy_arenas *arenas, cvy_run_state *state) {
  CVY_TRY(read_state(c, state));
  CVY_TRY(cvy_model_read_weights(c->file, arenas->net, arenas->params));
  for (int64_t k = 0; k < arenas->rule->state_count; k++) {
    const char *name = arenas->rule->state_names[k];
    CVY_TRY(cvy_tensors_read_state(c->file, name, arenas->net, arenas->state[k]));
  }
  return arenas->average ? read_average(c, arenas) : CVY_OK;
}

cvy_err cvy_checkpoint_read_step(cvy_checkpoint *c, int64_t *step) {
  return cvy_h5_read_attr_i64(c->file, "", "step", step);
}
