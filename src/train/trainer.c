/* Training from the first step to the last: learn, count, tell, and do what is due. */
#include "base/count.h"
#include "base/trace.h"
#include "train/divergence.h"
#include "train/duties.h"
#include "train/phase.h"
#include "train/roll_back.h"
#include "train/setup.h"
#include "train/stop.h"
#include "train/tell.h"

#include <string.h>

/* Sums over the ranks, in one message, what they counted and whether one of them was asked to stop. */
static void sum_over_ranks(cvy_tally *tally, bool *stops, cvy_comm *comm) {
  int64_t sums[CVY_TALLY_FIELDS + 1];
  const int64_t begin_ns = cvy_trace_begin();
  memcpy(sums, tally, sizeof *tally);
  sums[CVY_TALLY_FIELDS] = cvy_stop_requested();
  cvy_comm_sum(comm, sums, CVY_TALLY_FIELDS + 1);
  memcpy(tally, sums, sizeof *tally);
  *stops = sums[CVY_TALLY_FIELDS] > 0;
  cvy_trace_end(begin_ns, CVY_TRACE_COUNT, NULL, -1);
}

/* Counts a step, whose tally over all ranks is `tally`. It fails if training diverged. */
static cvy_err count_step(cvy_run *run, const cvy_tally *tally, double rate) {
  cvy_run_state *state = &run->state;
  state->step++;
  cvy_tally_add(&state->epoch, tally);
  cvy_tally_add(&state->interval, tally);
  state->skipped += tally->skipped;
  return cvy_divergence_judge(run, tally, rate);
}

static cvy_err make_step(cvy_run *run, bool *stops) {
  const double rate = cvy_run_rate(run);
  cvy_tell_begin(run);
  const int64_t begin_ns = cvy_trace_begin();
  cvy_tally tally = cvy_step_run(&run->step, run->state.step, rate);
  sum_over_ranks(&tally, stops, run->comm);
  CVY_TRY(count_step(run, &tally, rate));
  if (run->state.step % run->recipe->log_every == 0 || run->state.step == run->total_steps) {
    cvy_tell_interval(run, rate);
    run->state.interval = (cvy_tally){0};
  } else {
    cvy_tell_step(run, rate);
  }
  cvy_trace_end(begin_ns, CVY_TRACE_STEP, NULL, run->state.step);
  return CVY_OK;
}

/* Makes a step, and does what is due after it. */
static cvy_err step_on(cvy_run *run, bool *stops, int64_t stop_after) {
  cvy_tracing_step(run->tracing, run->state.step + 1);
  CVY_TRY(make_step(run, stops));
  *stops = *stops || run->state.step == stop_after;
  return cvy_duties_after_step(run, *stops);
}

static bool has_steps_left(const cvy_run *run) {
  return run->state.step < run->total_steps && !run->state.stopped_early;
}

static cvy_err run_steps(cvy_run *run, int64_t stop_after) {
  CVY_TRY(cvy_duties_left(run));
  while (has_steps_left(run)) {
    bool stops = false;
    cvy_phase_enter(run);
    cvy_err err = step_on(run, &stops, stop_after);
    if (err && run->has_diverged) err = cvy_roll_back(run, err);
    CVY_TRY(err);
    if (stops && has_steps_left(run))
      return cvy_error(CVY_E_STOPPED,
                       "stopped after step %" PRId64 " of %" PRId64 " on request; --resume goes on",
                       run->state.step, run->total_steps);
  }
  return CVY_OK;
}

/* ---- around the steps ---- */

/* Says why a run ended before its last step; "" if it did not. */
static void describe_end(cvy_run *run) {
  const cvy_run_state *state = &run->state;
  run->ended[0] = '\0';
  if (state->stopped_early)
    snprintf(run->ended, sizeof run->ended,
             "stopped early at epoch %" PRId64 ", because %s has not improved for %" PRId64 " epoch%s",
             (int64_t)cvy_run_epochs(run, state->step), cvy_watched_words[run->recipe->early_stopping.metric],
             state->watched_since, state->watched_since > 1 ? "s" : "");
}

static cvy_train_result result_of(const cvy_run *run) {
  const cvy_run_state *state = &run->state;
  const double seconds = cvy_now_s() - run->meter.started_s - run->meter.evaluating_s;
  const double images = (double)((state->step - run->meter.first_step) * run->recipe->batch);
  const cvy_exchange_times exchange = cvy_run_times(run);
  return (cvy_train_result){.steps = state->step,
                            .epochs = cvy_run_epochs(run, state->step),
                            .train_loss = state->train_loss,
                            .val = run->val_score,
                            .ema = run->ema_score,
                            .best_top1 = state->best_top1,
                            .best_step = state->best_step,
                            .skipped = state->skipped,
                            .roll_backs = state->roll_backs,
                            .weights = cvy_net_hash(run->net, NULL),
                            .seconds = seconds,
                            .images_per_s = images > 0 ? images / seconds : 0,
                            .waited_s = run->loader ? cvy_loader_waited_s(run->loader) : 0,
                            .exposed_s = exchange.exposed_s,
                            .exchange_cpu_s = exchange.cpu_s};
}

static void start_meter(cvy_meter *meter, int64_t step) {
  const double now_s = cvy_now_s();
  *meter = (cvy_meter){
      .started_s = now_s, .first_step = step, .interval_first_step = step, .interval_started_s = now_s};
}

/* Metrics that got lost are told even where the run was stopped. */
static cvy_err end_folder(cvy_folder *folder, cvy_err err) {
  cvy_saved_error stopped;
  cvy_error_save(&stopped, err);
  CVY_TRY(cvy_folder_end(folder));
  return cvy_error_restore(&stopped);
}

/* Validates a run that is at its end. If its earlier scores were forgotten, because the validation data is
 * other now, this one is its best. */
static cvy_err validate_again(cvy_run *run) {
  CVY_TRY(cvy_duties_validate(run));
  if (!run->val.data || run->state.best_step > 0) return CVY_OK;
  run->state.best_step = run->state.step;
  run->state.best_top1 = cvy_run_judged(run)->top1;
  return CVY_OK;
}

static void tell_that_it_stopped_early(const cvy_run *run) {
  const int64_t patience = run->recipe->early_stopping.patience;
  cvy_log("this run is finished: %s; nothing is left to train", run->ended);
  cvy_log("to train on, resume it with more patience: --resume --change early_stopping.patience=%" PRId64
          " (0: to its last epoch)",
          2 * patience);
}

static void tell_that_it_is_done(const cvy_run *run) {
  const cvy_recipe *r = run->recipe;
  if (run->state.stopped_early) {
    tell_that_it_stopped_early(run);
    return;
  }
  const int64_t step = run->state.step, whole = step * r->batch / run->images;
  const bool is_end = step == cvy_pieces(whole * run->images, r->batch);
  cvy_log("this run is finished: it stands after step %" PRId64 ", %s epoch %" PRId64
          "; nothing is left to train",
          step, is_end ? "the end of" : "in", is_end ? whole : whole + 1);
  if (cvy_schedule_looks_ahead(r->schedule, r->schedule_config))
    cvy_log(
        "to train longer, begin another run, for its schedule looks ahead to the last epoch; or resume it "
        "with --change and more epochs, as epochs=%" PRId64,
        whole + 1);
  else
    cvy_log("to train longer, resume it with more epochs, as epochs=%" PRId64, whole + 1);
}

static cvy_err train(cvy_train_result *out, cvy_run *run, const cvy_train_options *options) {
  const bool was_done = cvy_run_is_done(run);
  start_meter(&run->meter, run->state.step);
  cvy_tell_start(run);
  describe_end(run);
  if (was_done) tell_that_it_is_done(run);
  cvy_err err = was_done ? validate_again(run) : run_steps(run, options->stop_after);
  if (err == CVY_E_INPUT) err = CVY_E_RUN; /* found too late to say that nothing was started */
  const bool ended_well = !err || err == CVY_E_STOPPED;
  cvy_progress_end();
  describe_end(run);
  *out = result_of(run);
  snprintf(out->ended, sizeof out->ended, "%s", run->ended);
  if (cvy_recipe_averages(run->recipe) && ended_well)
    out->ema_weights = cvy_net_hash(run->net, cvy_learner_whole_average(run->learner));
  if (run->folder && ended_well && !was_done) err = end_folder(run->folder, err);
  return cvy_comm_agree(run->comm, err);
}

/* Writes the trace, also after an error, which is what it may be wanted for; `err` is that of all ranks. */
static cvy_err write_trace(cvy_run *run, cvy_err err) {
  cvy_saved_error failed;
  cvy_error_save(&failed, err);
  cvy_run_rest(run);
  const cvy_err lost = cvy_tracing_write(run->tracing);
  return err ? cvy_error_restore(&failed) : lost;
}

cvy_err cvy_train(cvy_train_result *out, cvy_comm *comm, const cvy_recipe *recipe,
                  const cvy_train_options *options) {
  cvy_run run;
  *out = (cvy_train_result){0};
  cvy_stop_listen();
  CVY_TRY(cvy_run_create(&run, comm, recipe, options));
  const cvy_err err = write_trace(&run, train(out, &run, options));
  cvy_run_destroy(&run);
  return err;
}
