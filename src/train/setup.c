/* Each rank does its part, then all agree, so that a file missing on one rank ends the job on all of them,
 * once, with its message. */
#include "train/setup.h"

#include "base/count.h"
#include "comm/layout.h"
#include "math/arithmetic.h"
#include "train/initial.h"
#include "train/phase.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static cvy_step_config config_of(const cvy_recipe *r) {
  return (cvy_step_config){.tree = r->tree,
                           .microbatch = r->microbatch,
                           .seed = (uint64_t)r->seed,
                           .rule = r->rule,
                           .rule_config = r->rule_config,
                           .clipping = r->clip,
                           .averaging = r->ema.averaging,
                           .layers = r->layer_rules,
                           .way = (cvy_exchange_way)r->reduce};
}

/* ---- opening ---- */

static cvy_err create_learner(cvy_run *run) {
  const cvy_step_config *c = &run->config;
  const cvy_recipe *r = run->recipe;
  cvy_doing("setting up the network");
  CVY_TRY(cvy_tree_check_ranks(&c->tree, cvy_comm_size(run->comm), c->microbatch));
  CVY_TRY(cvy_phase_plan(run, 0, cvy_bucket_mib[CVY_BUCKET_USUAL]));
  cvy_net_warn(run->net);
  CVY_TRY(cvy_phase_check(r, cvy_net_describe(run->net)));
  CVY_TRY(cvy_freezing_check(&r->freezing, &r->layer_rules, cvy_net_describe(run->net)));
  return cvy_phase_check_all(run, NULL);
}

static cvy_err open_validation(cvy_run *run, const cvy_dataset_info *training) {
  const cvy_recipe *r = run->recipe;
  cvy_doing("opening %s", r->data.val);
  CVY_TRY(cvy_stream_open(&run->val, r->data.val, "val", &r->data.arrays, cvy_recipe_evaluation(r),
                          cvy_net_describe(run->net)));
  CVY_TRY(cvy_dataset_check_classes(r->data.val, cvy_dataset_describe(run->val.data), training,
                                    r->data.arrays.assume_classes ? CVY_ASSUMES : CVY_ASSUMES_ASKED));
  cvy_dataset_warn_of_scale(r->data.val, cvy_dataset_describe(run->val.data), training);
  return cvy_stream_check_sizes(&run->val, &run->intake, false);
}

static cvy_err open_data(cvy_run *run) {
  const cvy_recipe *r = run->recipe;
  const cvy_net_info *net = cvy_net_describe(run->net);
  const cvy_arrays_said *said = &r->data.arrays;
  cvy_doing("opening %s", r->data.train);
  CVY_TRY_IN(cvy_stream_open(&run->train, r->data.train, "train", said, r->data.augment, net), "data.train");
  const size_t cache_bytes = (size_t)r->data.cache.memory_mib << 20;
  CVY_TRY_IN(cvy_stream_check_sizes(&run->train, &run->intake, true), "data.train");
  CVY_TRY_IN(cvy_dataset_keep(run->train.data, (cvy_keep)r->data.cache.keep, cache_bytes), "data.cache");
  CVY_TRY(cvy_augment_check_training(run->train.augment, r->microbatch, cvy_dataset_source(run->train.data)));
  const cvy_dataset_info *training = cvy_dataset_describe(run->train.data);
  if (r->data.val[0]) CVY_TRY_IN(open_validation(run, training), "data.val");
  if (!r->data.val[0] && r->schedule->needs_scores)
    return cvy_error(CVY_E_INPUT,
                     "the schedule '%s' waits for scores of validation; name validation data with data.val",
                     r->schedule->kind->name);
  run->fingerprint = cvy_dataset_fingerprint(run->train.data);
  run->images = training->count;
  run->trained_on = *training;
  return CVY_OK;
}

static cvy_err open_inputs(cvy_run *run) {
  CVY_TRY(create_learner(run));
  return open_data(run);
}

static cvy_err open_everything(cvy_run *run, const cvy_train_options *options) {
  CVY_TRY(open_inputs(run));
  return cvy_comm_rank(run->comm) == 0 ? cvy_folder_create(&run->folder, run->recipe, options) : CVY_OK;
}

/* ---- agreeing ---- */

/* Whatever decides how many steps and collectives there are must be the same everywhere, or the ranks
 * would wait for each other for ever. */
static cvy_err compare_orders(cvy_run *run, const cvy_train_options *options) {
  char orders[128];
  snprintf(orders, sizeof orders, "%s %d %d %d %" PRId64 " %d", cvy_recipe_hash(run->recipe).hex,
           options->resume, options->change, options->overwrite, options->stop_after, options->trace != NULL);
  return cvy_comm_expect_same(run->comm, orders, "another recipe, or other options,");
}

static cvy_err compare_ranks(cvy_run *run) {
  CVY_TRY(cvy_comm_expect_same(run->comm, run->fingerprint.hex, "other training data"));
  if (run->val.data)
    CVY_TRY(
        cvy_comm_expect_same(run->comm, cvy_dataset_fingerprint(run->val.data).hex, "other validation data"));
  char arithmetic[200];
  run->arithmetic = cvy_arithmetic_here();
  snprintf(arithmetic, sizeof arithmetic, "%s %s", run->arithmetic.names, run->arithmetic.products.hex);
  const int other_cpu = cvy_comm_first_different(run->comm, arithmetic);
  if (other_cpu >= 0)
    cvy_warn(
        "rank %d has another processor type than rank 0 (%s): all replicas stay equal, but the run can be "
        "replayed to the bit only on the same mix of processors",
        other_cpu, run->arithmetic.names);
  return CVY_OK;
}

enum { CHANGES_BYTES = CVY_HISTORY_BYTES / 2, ENTRY_BYTES = CHANGES_BYTES + 40 };

/* What is changed of a recipe when a run goes on. */
typedef struct changed_keys {
  char chars[CHANGES_BYTES];
  cvy_text told; /* in chars; "": nothing is */
  cvy_recipe *stored;
  bool learning_rate, early_stopping, watched_metric;
} changed_keys;

/* Takes note of what is changed from here on, in less than CHANGES_BYTES. The oldest is forgotten where the
 * history has no more room. */
static void note_changes(cvy_run_state *state, const char *changes) {
  static const char between[] = " | ";
  char entry[ENTRY_BYTES], *history = state->history;
  const int printed = snprintf(entry, sizeof entry, "step %" PRId64 ": %s", state->step, changes);
  const size_t length = (size_t)printed;
  CVY_CHECK(length < sizeof entry);
  while (history[0] && strlen(history) + strlen(between) + length >= sizeof state->history) {
    const char *next = strstr(history, between);
    next = next ? next + strlen(between) : "";
    memmove(history, next, strlen(next) + 1);
  }
  if (history[0]) strcat(history, between);
  strcat(history, entry);
}

static void forget_watched(cvy_run_state *state) {
  state->watched_best = NAN;
  state->watched_since = state->stopped_early = 0;
}

/* Takes a changed learning rate. What a schedule has noted of past scores is of no use to another one. */
static void take_learning_rate(cvy_run *run, const cvy_recipe *stored) {
  static const double nothing[CVY_SCHEDULE_MEMORY];
  const cvy_schedule *schedule = run->recipe->schedule;
  double *memory = run->state.schedule_memory;
  if (stored->schedule == schedule && schedule->goes_on &&
      schedule->goes_on(stored->schedule_config, run->recipe->schedule_config, memory))
    return;
  if (memcmp(memory, nothing, sizeof nothing) != 0)
    cvy_log(
        "the new learning rate counts as it is: what '%s' had noted of validations is forgotten, with its "
        "reductions",
        stored->schedule->kind->name);
  memset(memory, 0, sizeof nothing);
  if (run->state.roll_backs == 0) return;
  cvy_log("the new learning rate counts as it is: what %" PRId64 " roll backs had halved is forgotten",
          run->state.roll_backs);
  run->state.roll_backs = 0;
}

/* Takes a changed recipe. */
static void take_changes(cvy_run *run, const changed_keys *changed) {
  if (changed->told.length == 0) {
    cvy_log("--change: nothing that decides bits has changed");
    return;
  }
  cvy_log("from step %" PRId64 " on: %s", run->state.step, changed->chars);
  note_changes(&run->state, changed->chars);
  if (changed->watched_metric) forget_watched(&run->state);
  if (changed->early_stopping) run->state.stopped_early = 0;
  if (changed->learning_rate) take_learning_rate(run, changed->stored);
}

static cvy_err find_changes(changed_keys *out, cvy_recipe *stored, const cvy_recipe *wanted,
                            const char *path) {
  *out = (changed_keys){.stored = stored,
                        .learning_rate = cvy_recipe_differs(stored, wanted, "learning_rate"),
                        .early_stopping = cvy_recipe_differs(stored, wanted, "early_stopping"),
                        .watched_metric = cvy_recipe_differs(stored, wanted, "early_stopping.metric")};
  out->told = cvy_text_in(out->chars, sizeof out->chars);
  return cvy_recipe_compare(stored, wanted, path, &out->told);
}

/* Checks that what has begun to learn is what should have. Only what lies ahead may be changed. */
static cvy_err check_phases(const cvy_run *run, const cvy_recipe *stored, cvy_checkpoint *checkpoint) {
  int64_t step;
  CVY_TRY(cvy_checkpoint_read_step(checkpoint, &step));
  const int64_t was = cvy_freezing_phase(&stored->freezing, step, run->images, run->recipe->batch),
                is = cvy_run_phase(run, step);
  if (was == is && cvy_freezing_has_same(&stored->freezing, &run->recipe->freezing, is)) return CVY_OK;
  return cvy_yaml_error(
      cvy_yaml_get(run->recipe->root, "unfreeze"),
      "%s stands after step %" PRId64
      ": entries of 'unfreeze' by which layers have begun to learn until there must stay as they "
      "were, and others must lie ahead",
      run->folder->last, step);
}

/* Checks that the run can go on from the checkpoint. `changed` receives what is changed, and owns the stored
 * recipe; NULL: nothing may be. */
static cvy_err check_resumable(cvy_run *run, cvy_checkpoint *checkpoint, changed_keys *changed) {
  const char *path = run->folder->last;
  cvy_recipe *stored;
  CVY_TRY_IN(cvy_recipe_parse(&stored, cvy_checkpoint_recipe(checkpoint), "its recipe", NULL, 0), "%s", path);
  cvy_err err = changed ? find_changes(changed, stored, run->recipe, path)
                        : cvy_recipe_compare(stored, run->recipe, path, NULL);
  if (!err) err = check_phases(run, stored, checkpoint);
  if (!changed) cvy_recipe_destroy(stored);
  if (err) return err;
  if (strcmp(cvy_checkpoint_fingerprint(checkpoint), run->fingerprint.hex) == 0) return CVY_OK;
  const char *data = run->recipe->data.train;
  CVY_TRY_IN(cvy_dataset_check_classes(data, cvy_dataset_describe(run->train.data),
                                       cvy_checkpoint_data(checkpoint), CVY_ASSUMES_NEVER),
             "%s was trained on other data", path);
  return cvy_error(CVY_E_INPUT, "%s was trained on other data than %s holds now", path, data);
}

static void warn_of_other_arithmetic(const cvy_run *run) {
  const cvy_arithmetic *then = &run->state.arithmetic, *now = &run->arithmetic;
  if (!then->names[0] || !cvy_arithmetic_differs(then, now) || cvy_run_is_done(run)) return;
  char core[96];
  snprintf(core, sizeof core, "%.*s", (int)strcspn(then->names, ","), then->names);
  if (strcmp(then->names, now->names) == 0)
    cvy_warn(
        "%s was computed with other products of matrices than those of %s here (another OpenBLAS, or another "
        "processor): the run goes on, but ends with the bits of neither",
        run->folder->last, now->names);
  else
    cvy_warn(
        "%s was computed by a processor of another type (%s) than this one (%s): the run goes on, but ends "
        "with the bits of neither; OPENBLAS_CORETYPE=%s may give those of the other where this one can",
        run->folder->last, then->names, now->names, core);
}

/* Forgets the scores so far if they are of other validation data, for those to come cannot be compared with
 * them. */
static void forget_other_validation(cvy_run *run) {
  cvy_run_state *state = &run->state;
  if (!run->val.data || !state->validated_on.hex[0] ||
      strcmp(state->validated_on.hex, cvy_dataset_fingerprint(run->val.data).hex) == 0)
    return;
  cvy_warn(
      "%s holds other validation data than the run was validated on until now: its best top-1 of %.2f %% "
      "(step %" PRId64 ") is forgotten, and the next validation begins 'best' anew",
      run->recipe->data.val, 100 * state->best_top1, state->best_step);
  state->best_top1 = 0;
  state->best_step = 0;
  state->last_top1 = state->last_loss = NAN;
  state->validated_on = (cvy_hash){{0}};
  memset(state->schedule_memory, 0, sizeof state->schedule_memory);
  forget_watched(state);
}

/* Has images normalised otherwise than by the mean and deviation of the training data. */
static void normalise_by(cvy_run *run, const float *mean, const float *deviation) {
  for (int64_t c = 0; c < run->trained_on.c; c++) {
    run->trained_on.mean[c] = mean[c];
    run->trained_on.deviation[c] = deviation[c];
  }
}

/* Reads the arenas, where they are whole on rank 0, and the state. */
static cvy_err read_checkpoint(cvy_run *run, cvy_checkpoint *checkpoint) {
  cvy_arenas whole = *cvy_learner_arenas(run->learner);
  for (int64_t k = 0; k < run->recipe->rule->state_count; k++)
    whole.state[k] = cvy_learner_room(run->learner, k);
  if (whole.average) whole.average = cvy_learner_room_of_average(run->learner);
  return cvy_checkpoint_read(checkpoint, &whole, &run->state);
}

/* A checkpoint that is being read, on rank 0. */
typedef struct loading {
  cvy_checkpoint *checkpoint; /* NULL: none */
  changed_keys changed;
  bool takes_changes;
} loading;

static cvy_err open_last(loading *l, cvy_run *run, bool change) {
  CVY_TRY(cvy_checkpoint_open(&l->checkpoint, run->folder->last));
  l->takes_changes = change;
  return check_resumable(run, l->checkpoint, change ? &l->changed : NULL);
}

static void close_last(loading *l) {
  cvy_checkpoint_close(l->checkpoint);
  cvy_recipe_destroy(l->changed.stored);
}

static cvy_err load_last(cvy_run *run, loading *l) {
  const cvy_dataset_info *data = cvy_checkpoint_data(l->checkpoint);
  CVY_TRY(read_checkpoint(run, l->checkpoint));
  if (data->c == run->trained_on.c) normalise_by(run, data->mean, data->deviation);
  if (l->takes_changes) take_changes(run, &l->changed);
  forget_other_validation(run);
  /* Only its end kept a run from being stopped early that has more epochs now. */
  if (!l->takes_changes || !l->changed.early_stopping) run->state.stopped_early |= cvy_run_lost_patience(run);
  warn_of_other_arithmetic(run);
  return CVY_OK;
}

/* ---- the first step ---- */

/* Hands the others what rank 0 has, of which state and average were read if `is_read`. */
static void hand_out(cvy_run *run, bool is_read) {
  const size_t bytes = sizeof(float) * (size_t)cvy_net_describe(run->net)->arena_count;
  run->state.arithmetic = run->arithmetic;
  cvy_comm_broadcast(run->comm, &run->state, sizeof run->state);
  cvy_comm_broadcast(run->comm, run->trained_on.mean, sizeof run->trained_on.mean);
  cvy_comm_broadcast(run->comm, run->trained_on.deviation, sizeof run->trained_on.deviation);
  cvy_comm_broadcast(run->comm, cvy_net_params(run->net), bytes);
  cvy_learner_weights_are_new(run->learner);
  for (int64_t k = 0; is_read && k < run->recipe->rule->state_count; k++)
    cvy_learner_deal_state(run->learner, k);
  if (is_read && cvy_recipe_averages(run->recipe)) cvy_learner_deal_average(run->learner);
}

/* Plans the learner for the step after the checkpoint's, or for the first one where there is none. Rank 0
 * knows the step. */
static cvy_err plan_for(cvy_run *run, cvy_checkpoint *checkpoint) {
  int64_t step = 0;
  const cvy_err err = checkpoint ? cvy_checkpoint_read_step(checkpoint, &step) : CVY_OK;
  CVY_TRY(cvy_comm_agree(run->comm, err));
  cvy_comm_broadcast(run->comm, &step, sizeof step);
  const int64_t phase = cvy_run_phase(run, step);
  if (phase == run->phase) return CVY_OK;
  return cvy_comm_agree(run->comm, cvy_phase_plan(run, phase, run->bucket.mib));
}

/* Makes the first weights on rank 0. */
static cvy_err make_first_weights(cvy_run *run, bool shows) {
  cvy_initial initial;
  cvy_net_init(run->net, (uint64_t)run->recipe->seed);
  CVY_TRY(cvy_initial_find(&initial, run->recipe, run->net, cvy_dataset_describe(run->train.data)));
  const cvy_err err = cvy_initial_fill(&initial, run->net);
  if (!err && shows) cvy_initial_log(&initial);
  if (!err && initial.mean) {
    normalise_by(run, initial.mean, initial.deviation);
    cvy_dataset_warn_of_scale(run->recipe->data.train, cvy_dataset_describe(run->train.data),
                              &run->trained_on);
  }
  if (!err && initial.origin[0]) note_changes(&run->state, initial.origin);
  cvy_initial_release(&initial);
  return err;
}

static cvy_err begin_run_with(cvy_run *run, const cvy_train_options *options, loading *l) {
  cvy_err err = CVY_OK;
  cvy_doing(options->resume ? "reading the last checkpoint" : "making the first weights");
  if (run->folder && options->resume) err = open_last(l, run, options->change);
  CVY_TRY(cvy_comm_agree(run->comm, err));
  CVY_TRY(plan_for(run, l->checkpoint));
  if (run->folder) err = options->resume ? load_last(run, l) : make_first_weights(run, true);
  CVY_TRY(cvy_comm_agree(run->comm, err));
  hand_out(run, options->resume);
  return CVY_OK;
}

/* Rank 0 makes or loads the first weights and hands them to the others. */
static cvy_err begin_run(cvy_run *run, const cvy_train_options *options) {
  loading l = {0};
  const cvy_err err = begin_run_with(run, options, &l);
  close_last(&l);
  return err;
}

static cvy_err start_loader(cvy_run *run) {
  cvy_loader_config config = cvy_stream_for_training(&run->train, &run->intake, run->config.microbatch);
  for (int64_t c = 0; c < config.c; c++) {
    config.mean[c] = run->trained_on.mean[c];
    config.deviation[c] = run->trained_on.deviation[c];
  }
  config.per_step = run->config.tree.leaves;
  config.first = run->step.first;
  config.own = run->step.own;
  config.first_step = run->state.step;
  config.end_step = run->total_steps;
  CVY_TRY(cvy_loader_create(&run->loader, &config));
  run->step.loader = run->loader;
  return CVY_OK;
}

static cvy_err go_back(cvy_run *run, cvy_checkpoint *checkpoint, bool stands) {
  cvy_err err = CVY_OK;
  CVY_TRY(plan_for(run, checkpoint));
  if (!stands) err = cvy_learner_forget(run->learner);
  if (!stands) run->state = cvy_run_state_at_first();
  if (!err && !stands && run->folder) err = make_first_weights(run, false);
  if (stands && run->folder) err = read_checkpoint(run, checkpoint);
  return cvy_comm_agree(run->comm, err);
}

cvy_err cvy_run_go_back(cvy_run *run) {
  const int64_t roll_backs = run->state.roll_backs + 1;
  bool stands = run->folder && access(run->folder->last, F_OK) == 0;
  cvy_checkpoint *checkpoint = NULL;
  cvy_err err = CVY_OK;
  cvy_loader_destroy(run->loader);
  run->loader = NULL;
  cvy_comm_broadcast(run->comm, &stands, sizeof stands);
  if (stands && run->folder) err = cvy_checkpoint_open(&checkpoint, run->folder->last);
  CVY_TRY(cvy_comm_agree(run->comm, err));
  err = go_back(run, checkpoint, stands);
  cvy_checkpoint_close(checkpoint);
  if (err) return err;
  run->state.roll_backs = roll_backs;
  hand_out(run, stands);
  err = start_loader(run);
  if (!err && run->folder) err = cvy_folder_rewind(run->folder, run->state.step);
  return cvy_comm_agree(run->comm, err);
}

static cvy_err check_stop(const cvy_run *run, const cvy_train_options *options) {
  if (options->stop_after == 0 || options->stop_after > run->state.step) return CVY_OK;
  return cvy_error(CVY_E_USAGE, "--stop-after %" PRId64 ": the run stands after step %" PRId64 " already",
                   options->stop_after, run->state.step);
}

/* Checks that a warm-up leaves steps to a schedule behind it that goes to the last step. */
static cvy_err check_warmup(const cvy_run *run) {
  const cvy_recipe *r = run->recipe;
  const int64_t steps = cvy_warmup_steps_before(&r->warmup, cvy_run_epochs(run, 1));
  if (steps < run->total_steps || !cvy_schedule_looks_ahead(r->schedule, r->schedule_config)) return CVY_OK;
  const cvy_yaml *warmup = cvy_yaml_get(r->root, "warmup"), *length = cvy_yaml_get(warmup, "length");
  return cvy_yaml_error(length,
                        "the warm-up takes %" PRId64 " steps and the run has %" PRId64
                        ", so none is left for the schedule '%s' behind it; a shorter one would be right, or "
                        "'schedule: beside'",
                        steps, run->total_steps, r->schedule->kind->name);
}

static cvy_err count_steps(cvy_run *run) {
  run->total_steps = cvy_pieces(run->recipe->epochs * run->images, run->recipe->batch);
  return check_warmup(run);
}

static cvy_err create(cvy_run *run, const cvy_train_options *options) {
  const cvy_recipe *r = run->recipe;
  const int rank = cvy_comm_rank(run->comm);
  CVY_TRY(compare_orders(run, options));
  CVY_TRY(cvy_comm_agree(run->comm, open_everything(run, options)));
  CVY_TRY(compare_ranks(run));
  cvy_doing("waiting for the other ranks");
  cvy_layout_warn(run->comm, cvy_threads());
  CVY_TRY(cvy_comm_agree(run->comm, count_steps(run)));
  CVY_TRY(cvy_bucket_choose(&run->bucket, run->learner, run->comm, &run->config, r->bucket));
  run->step = cvy_step_of(&run->config, run->net, rank, cvy_comm_size(run->comm));
  run->step.learner = run->learner;
  run->step.fault = &run->fault;
  CVY_TRY(begin_run(run, options));
  if (cvy_run_is_done(run)) {
    if (options->trace && rank == 0)
      cvy_warn("--trace %s: the run is at its end, so there is nothing to trace", options->trace);
    return CVY_OK;
  }
  CVY_TRY(check_stop(run, options));
  CVY_TRY(cvy_tracing_create(&run->tracing, run->comm, r->run, options));
  CVY_TRY(cvy_comm_agree(run->comm, start_loader(run)));
  const cvy_err err = run->folder ? cvy_folder_begin(run->folder, r, run->state.step) : CVY_OK;
  return cvy_comm_agree(run->comm, err);
}

static cvy_run run_of(cvy_comm *comm, const cvy_recipe *recipe) {
  return (cvy_run){.comm = comm,
                   .recipe = recipe,
                   .config = config_of(recipe),
                   .intake = cvy_intake_of(recipe),
                   .fault = {.microbatch = -1},
                   .state = cvy_run_state_at_first()};
}

static cvy_err undo_if_failed(cvy_run *run, cvy_err err) {
  if (err) {
    cvy_progress_drop();
    cvy_run_destroy(run);
  }
  return err;
}

cvy_err cvy_run_create(cvy_run *run, cvy_comm *comm, const cvy_recipe *recipe,
                       const cvy_train_options *options) {
  *run = run_of(comm, recipe);
  return undo_if_failed(run, create(run, options));
}

/* Rank 0 says what the run would begin with. */
static cvy_err find_first_weights(cvy_run *run) {
  if (cvy_comm_rank(run->comm) > 0 || !run->recipe->init_from.weights[0]) return CVY_OK;
  run->initial = cvy_new(sizeof *run->initial);
  return cvy_initial_find(run->initial, run->recipe, run->net, cvy_dataset_describe(run->train.data));
}

static cvy_err outline(cvy_run *run) {
  CVY_TRY(compare_orders(run, &(cvy_train_options){0}));
  CVY_TRY(cvy_comm_agree(run->comm, open_inputs(run)));
  CVY_TRY(compare_ranks(run));
  CVY_TRY(cvy_comm_agree(run->comm, count_steps(run)));
  return cvy_comm_agree(run->comm, find_first_weights(run));
}

cvy_err cvy_run_outline(cvy_run *run, cvy_comm *comm, const cvy_recipe *recipe) {
  *run = run_of(comm, recipe);
  return undo_if_failed(run, outline(run));
}

/* ---- the end ---- */

void cvy_run_rest(cvy_run *run) {
  cvy_loader_destroy(run->loader);
  run->loader = NULL;
  if (run->learner) cvy_learner_rest(run->learner);
}

void cvy_run_destroy(cvy_run *run) {
  cvy_run_rest(run);
  cvy_learner_destroy(run->learner);
  for (int64_t i = 0; i < run->past_count; i++) cvy_learner_destroy(run->past[i]);
  free(run->past);
  if (run->initial) cvy_initial_release(run->initial);
  free(run->initial);
  cvy_stream_close(&run->train);
  cvy_stream_close(&run->val);
  cvy_folder_destroy(run->folder);
  cvy_tracing_destroy(run->tracing);
}
