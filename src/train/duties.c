/* Does what is due after a step: checks, checkpoints, and at the end of an epoch the validation. */
#include "train/duties.h"

#include "base/trace.h"
#include "train/check.h"
#include "train/divergence.h"
#include "train/tell.h"

#include <math.h>

/* Writes the checkpoints. The best goes first: a run that ends between the two is resumed from the older
 * last, and comes by here again. This call is collective. */
static void save(cvy_run *run, bool is_best) {
  const int64_t begin_ns = cvy_trace_begin();
  cvy_doing("writing the checkpoint of step %" PRId64, run->state.step);
  cvy_arenas whole = *cvy_learner_arenas(run->learner);
  for (int64_t k = 0; k < run->config.rule->state_count; k++)
    whole.state[k] = cvy_learner_whole_state(run->learner, k);
  if (whole.average) whole.average = cvy_learner_whole_average(run->learner);
  const cvy_model_head about = {
      .recipe_text = run->recipe->text, .data_fingerprint = run->fingerprint.hex, .data = &run->trained_on};
  cvy_folder *folder = run->folder;
  if (folder) cvy_folder_guard(folder);
  if (folder && ((is_best && cvy_checkpoint_write(folder->best, &whole, &run->state, &about)) ||
                 cvy_checkpoint_write(folder->last, &whole, &run->state, &about)))
    cvy_fatal("%s", cvy_err_message());
  cvy_trace_end(begin_ns, CVY_TRACE_CHECKPOINT, NULL, run->state.step);
}

void cvy_duties_save(cvy_run *run) {
  save(run, false);
}

static cvy_err check_replicas(const cvy_run *run) {
  const int64_t begin_ns = cvy_trace_begin();
  cvy_doing("comparing the ranks' weights after step %" PRId64, run->state.step);
  const cvy_err err = cvy_check_replicas(run->comm, run->net, run->state.step);
  cvy_trace_end(begin_ns, CVY_TRACE_CHECK, NULL, run->state.step);
  return err;
}

/* ---- the end of an epoch ---- */

/* Scores the weights that the net has now. */
static cvy_err score(const cvy_run *run, cvy_score *out) {
  const int64_t begin_ns = cvy_trace_begin();
  const cvy_err err = cvy_score_dataset(out, NULL, run->comm, run->net, &run->val, &run->intake,
                                        &run->trained_on);
  cvy_trace_end(begin_ns, CVY_TRACE_EVALUATION, NULL, run->state.step);
  return err;
}

cvy_err cvy_duties_validate(cvy_run *run) {
  if (!run->val.data) return CVY_OK;
  CVY_TRY(score(run, &run->val_score));
  if (!cvy_recipe_averages(run->recipe)) return CVY_OK;
  cvy_learner_show_average(run->learner);
  const cvy_err err = score(run, &run->ema_score);
  cvy_learner_hide_average(run->learner);
  return err;
}

/* Keeps an epoch that could not be validated: its steps stay counted, by which a resumed run knows that it
 * must begin with the validation. */
static cvy_err keep_unfinished(cvy_run *run, cvy_err err) {
  cvy_saved_error failed;
  cvy_error_save(&failed, err);
  save(run, false);
  return cvy_error(err, "%s (validation after step %" PRId64 ", which is kept: --resume begins with it)",
                   failed.message, run->state.step);
}

/* Shows the new score to a schedule that waits for scores. */
static void note_in_schedule(cvy_run *run) {
  const cvy_schedule *schedule = run->recipe->schedule;
  const cvy_schedule_moment moment = cvy_run_moment(run);
  if (schedule->validated)
    schedule->validated(run->recipe->schedule_config, run->state.schedule_memory, &moment);
}

static double watched_score(const cvy_run *run) {
  switch (run->recipe->early_stopping.metric) {
  case CVY_WATCHES_VAL_TOP1:
    return run->val_score.top1;
  case CVY_WATCHES_EMA_LOSS:
    return run->ema_score.loss;
  case CVY_WATCHES_EMA_TOP1:
    return run->ema_score.top1;
  default:
    return run->val_score.loss;
  }
}

/* Counts the validations without a better score, as Keras' EarlyStopping does. Scores are made of exact sums,
 * so all ranks decide alike. */
static void watch(cvy_run *run) {
  const cvy_early_stopping *e = &run->recipe->early_stopping;
  const bool is_loss = e->metric == CVY_WATCHES_VAL_LOSS || e->metric == CVY_WATCHES_EMA_LOSS;
  cvy_run_state *state = &run->state;
  if (e->patience == 0) return;
  const double now = watched_score(run),
               gain = is_loss ? state->watched_best - now : now - state->watched_best;
  const bool is_better = isnan(state->watched_best) || gain > e->min_delta;
  if (is_better) state->watched_best = now;
  state->watched_since = is_better ? 0 : state->watched_since + 1;
  state->stopped_early = cvy_run_lost_patience(run);
}

static cvy_err judge_validation(cvy_run *run, bool *is_best) {
  const cvy_score *val = &run->val_score, *judged = cvy_run_judged(run);
  cvy_run_state *state = &run->state;
  if (!isfinite(val->loss))
    return cvy_divergence_mark(
        run,
        cvy_error(CVY_E_RUN,
                  "step %" PRId64 ": the loss of the validation is not a number below a million; training "
                  "diverged (a smaller learning rate may help)",
                  state->step));
  state->validated_on = cvy_dataset_fingerprint(run->val.data);
  state->last_top1 = val->top1;
  state->last_loss = val->loss;
  *is_best = state->best_step == 0 || judged->top1 > state->best_top1;
  if (*is_best) {
    state->best_top1 = judged->top1;
    state->best_step = state->step;
  }
  note_in_schedule(run);
  watch(run);
  return CVY_OK;
}

/* Validates, and writes a checkpoint. The time that this takes counts for no step. */
static cvy_err finish_epoch(cvy_run *run) {
  const double started_s = cvy_now_s();
  const int64_t skipped = run->state.epoch.skipped;
  const cvy_score training = cvy_tally_score(&run->state.epoch);
  bool is_best = false;
  run->state.train_loss = training.loss;
  const cvy_err err = cvy_duties_validate(run);
  if (err) return keep_unfinished(run, err);
  run->state.epoch = (cvy_tally){0};
  if (run->val.data) CVY_TRY(judge_validation(run, &is_best));
  cvy_tell_epoch(run, &training, is_best);
  cvy_tell_skipped(run, skipped, run->val_score.skipped);
  save(run, is_best);
  const double took_s = cvy_now_s() - started_s;
  run->meter.evaluating_s += took_s;
  run->meter.interval_started_s += took_s;
  return CVY_OK;
}

static bool ends_epoch(const cvy_run *run) {
  const int64_t batch = run->recipe->batch, step = run->state.step;
  return step * batch / run->images > (step - 1) * batch / run->images;
}

cvy_err cvy_duties_left(cvy_run *run) {
  const bool is_left = run->state.step > 0 && ends_epoch(run) && run->state.epoch.images > 0;
  return is_left ? finish_epoch(run) : CVY_OK;
}

/* ---- after a step ---- */

/* Tells whether a duty that comes every so many steps is due; it never is if `every` is 0. */
static bool is_turn(int64_t step, int64_t every) {
  return every > 0 && step % every == 0;
}

cvy_err cvy_duties_after_step(cvy_run *run, bool stops) {
  const int64_t step = run->state.step;
  const bool epoch_ends = ends_epoch(run);
  const bool saves = epoch_ends || stops || is_turn(step, run->recipe->checkpoint_every);
  if (run->folder) cvy_folder_watch(run->folder);
  const bool checks = step == run->total_steps || is_turn(step, run->recipe->check_every);
  if (saves || checks) cvy_learner_whole_weights(run->learner);
  if (checks) CVY_TRY(check_replicas(run));
  if (saves)
    CVY_TRY(cvy_divergence_mark(
        run, cvy_check_finite(cvy_net_describe(run->net), cvy_net_params(run->net), step)));
  if (epoch_ends) return finish_epoch(run);
  if (saves) save(run, false);
  return CVY_OK;
}
