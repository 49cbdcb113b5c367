/* The step loop. */
#include "train/trainer.h"

#include "base/json.h"
#include "base/trace.h"
#include "data/dataset.h"
#include "data/loader.h"
#include "train/stop.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* What one run of the program sees go by, for people. */
typedef struct run_meter {
  double started_s, evaluating_s;
  int64_t first_step;
  int64_t interval_first_step;
  double interval_started_s, interval_waited_s, interval_exposed_s;
} run_meter;

/* ---- one step ---- */

/* This rank's microbatches, forward and backward, and the new weights. */
static cvy_tally learn(trainer *t, double rate) {
  cvy_tally tally = {0};
  cvy_learner_begin(t->learner, t->state.step + 1, rate);
  for (int64_t m = 0; m < t->own_microbatches; m++) {
    const cvy_pass pass = {.training = true,
                           .seed = (uint64_t)t->recipe->seed,
                           .step = t->state.step,
                           .params = cvy_params_of_pass(m, t->own_microbatches),
                           .first_sample = (t->first_microbatch + m) * t->recipe->microbatch,
                           .loss_scale = (float)(1.0 / (double)t->recipe->batch)};
    cvy_microbatch data;
    const int64_t begin_ns = cvy_trace_begin();
    if (cvy_loader_next(&data, t->loader)) cvy_fatal("%s", cvy_err_message());
    cvy_trace_end(begin_ns, CVY_TRACE_WAIT_FOR_DATA, NULL, -1);
    const cvy_targets targets = cvy_targets_of(&data);
    cvy_net_forward(t->net, data.images, &targets, &pass);
    cvy_tally_add_microbatch(&tally, t->net, &targets);
    tally.skipped += data.skipped;
    cvy_learner_backward(t->learner, data.images, &targets, &pass);
    cvy_loader_release(t->loader);
  }
  cvy_learner_finish(t->learner);
  return tally;
}

static double epochs_at(const trainer *t, int64_t step) {
  return (double)step * (double)t->recipe->batch / (double)t->images;
}

static cvy_schedule_moment moment_of(const trainer *t) {
  return (cvy_schedule_moment){.step = t->state.step,
                               .total_steps = t->total_steps,
                               .epoch = epochs_at(t, t->state.step),
                               .epochs = (double)t->recipe->epochs,
                               .last_top1 = t->state.last_top1,
                               .last_loss = t->state.last_loss,
                               .best_top1 = t->state.best_step > 0 ? t->state.best_top1 : NAN,
                               .best_step = t->state.best_step,
                               .memory = t->state.schedule_memory};
}

static double learning_rate(const trainer *t) {
  const cvy_schedule_moment moment = moment_of(t);
  return t->recipe->schedule->rate(t->recipe->schedule_config, &moment);
}

static void tell_schedule(trainer *t) {
  const cvy_schedule_moment moment = moment_of(t);
  if (t->recipe->schedule->validated)
    t->recipe->schedule->validated(t->recipe->schedule_config, t->state.schedule_memory, &moment);
}

/* ---- telling ---- */

static bool may_skip(const trainer *t) {
  return t->recipe->data.on_bad_record == CVY_BAD_RECORD_SKIPPED;
}

/* The file is flushed line by line. */
static void end_line(const trainer *t) {
  FILE *metrics = t->folder->metrics;
  if (fputc('\n', metrics) == EOF || ferror(metrics))
    cvy_fatal("%s/metrics.jsonl: cannot write: %s", t->recipe->run, strerror(errno));
}

static void log_interval(trainer *t, run_meter *meter, double rate) {
  if (!t->folder) return;
  const cvy_score score = cvy_tally_score(&t->state.interval);
  const double now_s = cvy_now_s(), elapsed_s = now_s - meter->interval_started_s;
  const double waited_s = cvy_loader_waited_s(t->loader),
               exposed_s = cvy_learner_times(t->learner).exposed_s;
  const int64_t steps = t->state.step - meter->interval_first_step;
  const double images_per_s = (double)(steps * t->recipe->batch) / elapsed_s;
  cvy_json json = {.out = t->folder->metrics};
  cvy_json_open(&json, NULL, '{');
  cvy_json_int(&json, "step", t->state.step);
  cvy_json_number(&json, "epoch", epochs_at(t, t->state.step), 6);
  cvy_json_number(&json, "loss", score.loss, 9);
  cvy_json_number(&json, "top1", score.top1, 9);
  cvy_json_number(&json, "rate", rate, 9);
  if (may_skip(t)) cvy_json_int(&json, "skipped", t->state.interval.skipped);
  cvy_json_number(&json, "img_s", images_per_s, 5);
  cvy_json_number(&json, "waited_s", waited_s - meter->interval_waited_s, 4);
  cvy_json_number(&json, "exposed_s", exposed_s - meter->interval_exposed_s, 4);
  cvy_json_close(&json, '}');
  end_line(t);

  const int64_t left_s = (int64_t)((double)((t->total_steps - t->state.step) * t->recipe->batch) /
                                   images_per_s);
  cvy_progress("epoch %lld/%lld  step %lld/%lld  loss %.4f  top-1 %.2f %%  %.0f img/s  ETA %lld:%02lld",
               (long long)(epochs_at(t, t->state.step - 1) + 1), (long long)t->recipe->epochs,
               (long long)t->state.step, (long long)t->total_steps, score.loss, 100 * score.top1,
               images_per_s, (long long)(left_s / 60), (long long)(left_s % 60));
  meter->interval_first_step = t->state.step;
  meter->interval_started_s = now_s;
  meter->interval_waited_s = waited_s;
  meter->interval_exposed_s = exposed_s;
}

/* Sums the step's tally over the ranks. Returns in *stop whether any rank was asked to stop. */
static cvy_err count_step(trainer *t, run_meter *meter, cvy_tally tally, double rate, bool *stop) {
  int64_t sums[CVY_TALLY_FIELDS + 1];
  memcpy(sums, &tally, sizeof tally);
  sums[CVY_TALLY_FIELDS] = cvy_stop_requested();
  const int64_t begin_ns = cvy_trace_begin();
  cvy_comm_sum(t->comm, sums, CVY_TALLY_FIELDS + 1);
  cvy_trace_end(begin_ns, CVY_TRACE_COUNT, NULL, -1);
  memcpy(&tally, sums, sizeof tally);
  *stop = sums[CVY_TALLY_FIELDS] > 0;
  t->state.step++;
  cvy_tally_add(&t->state.epoch, &tally);
  cvy_tally_add(&t->state.interval, &tally);
  t->state.skipped += tally.skipped;
  if (tally.diverged > 0)
    return cvy_error(
        CVY_E_RUN,
        "step %lld: the loss of %lld of %lld images is not a number below a million; training diverged "
        "(learning rate %g; a smaller one may help)",
        (long long)t->state.step, (long long)tally.diverged, (long long)tally.images, rate);
  if (t->state.step % t->recipe->log_every == 0 || t->state.step == t->total_steps) {
    log_interval(t, meter, rate);
    t->state.interval = (cvy_tally){0};
  }
  return CVY_OK;
}

/* ---- now and then ---- */

/* Best goes first: a run that ends between the two is resumed from the older last, and comes by here again. Collective. */
static void save(trainer *t, bool is_best) {
  const int64_t begin_ns = cvy_trace_begin();
  cvy_arenas whole = *cvy_learner_arenas(t->learner);
  for (int64_t k = 0; k < t->recipe->rule->state_count; k++)
    whole.state[k] = cvy_learner_whole_state(t->learner, k);
  const cvy_checkpoint_data about = {.recipe_text = t->recipe->text,
                                     .data_fingerprint = t->fingerprint.hex,
                                     .data = cvy_dataset_describe(t->train)};
  if (t->folder && ((is_best && cvy_checkpoint_write(t->folder->best, &whole, &t->state, &about)) ||
                    cvy_checkpoint_write(t->folder->last, &whole, &t->state, &about)))
    cvy_fatal("%s", cvy_err_message());
  cvy_trace_end(begin_ns, CVY_TRACE_CHECKPOINT, NULL, t->state.step);
}

/* A step that makes the weights infinite shows in the loss of the next one; it must not reach a checkpoint before. */
static cvy_err check_finite(const trainer *t) {
  const cvy_net_info *net = cvy_net_describe(t->net);
  for (int64_t i = 0; i < net->param_tensors; i++) {
    const cvy_net_param *p = &net->params[i];
    for (int64_t k = 0; k < p->count; k++)
      if (!isfinite(cvy_net_params(t->net)[p->offset + k]))
        return cvy_error(
            CVY_E_RUN,
            "step %lld: %s is no longer finite; training diverged (a smaller learning rate may help)",
            (long long)t->state.step, p->name);
  }
  return CVY_OK;
}

static void log_validation(trainer *t, const cvy_score *score, bool is_best) {
  if (!t->folder) return;
  cvy_json json = {.out = t->folder->metrics};
  cvy_json_open(&json, NULL, '{');
  cvy_json_int(&json, "step", t->state.step);
  cvy_json_number(&json, "epoch", epochs_at(t, t->state.step), 6);
  cvy_json_number(&json, "val_loss", score->loss, 9);
  cvy_json_number(&json, "val_top1", score->top1, 9);
  cvy_json_number(&json, "val_top5", score->top5, 9);
  if (may_skip(t)) cvy_json_int(&json, "val_skipped", score->skipped);
  cvy_json_close(&json, '}');
  end_line(t);
  cvy_log("epoch %lld: training loss %.4f, validation loss %.4f, top-1 %.2f %%%s",
          (long long)epochs_at(t, t->state.step), t->state.train_loss, score->loss, 100 * score->top1,
          is_best ? " (best so far)" : "");
}

static void log_skipped(const trainer *t, int64_t training, int64_t validation) {
  if (training + validation > 0)
    cvy_warn("epoch %lld: bad records replaced: %lld in training, %lld in validation",
             (long long)epochs_at(t, t->state.step), (long long)training, (long long)validation);
}

static cvy_err validate(trainer *t, cvy_score *score) {
  const cvy_dataset_info *training = cvy_dataset_describe(t->train);
  const int64_t begin_ns = cvy_trace_begin();
  const cvy_err err = cvy_score_dataset(score, t->comm, t->net, t->val, t->val_augment, training, t->recipe);
  cvy_trace_end(begin_ns, CVY_TRACE_EVALUATION, NULL, t->state.step);
  return err;
}

/* An epoch that could not be validated is not lost: its steps stay counted, by which a resumed run knows that it must begin
 * with that. */
static cvy_err keep_unfinished(trainer *t, cvy_err err) {
  char reason[4096];
  snprintf(reason, sizeof reason, "%s", cvy_err_message());
  save(t, false);
  return cvy_error(err, "%s (validation after step %lld, which is kept: --resume begins with it)", reason,
                   (long long)t->state.step);
}

static cvy_err finish_epoch(trainer *t, run_meter *meter, cvy_score *val) {
  t->state.train_loss = cvy_tally_score(&t->state.epoch).loss;
  const int64_t skipped = t->state.epoch.skipped;
  bool is_best = false;
  const double started_s = cvy_now_s();
  const cvy_err err = t->val ? validate(t, val) : CVY_OK;
  if (err) return keep_unfinished(t, err);
  t->state.epoch = (cvy_tally){0};
  if (t->val) {
    if (!isfinite(val->loss))
      return cvy_error(CVY_E_RUN,
                       "step %lld: the validation loss is not finite; training diverged (a smaller learning "
                       "rate may help)",
                       (long long)t->state.step);
    t->state.last_top1 = val->top1;
    t->state.last_loss = val->loss;
    is_best = t->state.best_step == 0 || val->top1 > t->state.best_top1;
    if (is_best) {
      t->state.best_top1 = val->top1;
      t->state.best_step = t->state.step;
    }
    tell_schedule(t);
    log_validation(t, val, is_best);
  }
  log_skipped(t, skipped, val->skipped);
  save(t, is_best);
  const double took_s = cvy_now_s() - started_s;
  meter->evaluating_s += took_s;
  meter->interval_started_s += took_s;
  return CVY_OK;
}

static cvy_err check_replicas(const trainer *t) {
  const int64_t begin_ns = cvy_trace_begin();
  const cvy_err err = cvy_check_replicas(t->comm, t->net, t->state.step);
  cvy_trace_end(begin_ns, CVY_TRACE_CHECK, NULL, t->state.step);
  return err;
}

static bool ends_epoch(const trainer *t) {
  const int64_t batch = t->recipe->batch, step = t->state.step;
  return step * batch / t->images > (step - 1) * batch / t->images;
}

/* ---- the loop ---- */

static cvy_err run_steps(trainer *t, run_meter *meter, cvy_score *val, int64_t stop_after) {
  const cvy_recipe *r = t->recipe;
  if (t->state.step > 0 && ends_epoch(t) && t->state.epoch.images > 0) CVY_TRY(finish_epoch(t, meter, val));
  while (t->state.step < t->total_steps) {
    cvy_tracing_step(t->tracing, t->state.step + 1);
    const double rate = learning_rate(t);
    const int64_t begin_ns = cvy_trace_begin();
    const cvy_tally tally = learn(t, rate);
    bool stop;
    CVY_TRY(count_step(t, meter, tally, rate, &stop));
    cvy_trace_end(begin_ns, CVY_TRACE_STEP, NULL, t->state.step);

    const int64_t step = t->state.step;
    const bool epoch_ends = ends_epoch(t), last = step == t->total_steps;
    stop = stop || step == stop_after;
    const bool due = r->checkpoint_every > 0 && step % r->checkpoint_every == 0;
    const bool saves = epoch_ends || due || stop, checks = step % r->check_every == 0 || last;
    if (saves || checks) cvy_learner_whole_weights(t->learner);
    if (checks) CVY_TRY(check_replicas(t));
    if (saves) CVY_TRY(check_finite(t));
    if (epoch_ends) CVY_TRY(finish_epoch(t, meter, val));
    if (!epoch_ends && (due || stop)) save(t, false);
    if (stop && !last)
      return cvy_error(CVY_E_STOPPED, "stopped after step %lld of %lld on request; --resume goes on",
                       (long long)step, (long long)t->total_steps);
  }
  return CVY_OK;
}

static void fill_result(cvy_train_result *out, const trainer *t, const run_meter *meter,
                        const cvy_score *val) {
  const double seconds = cvy_now_s() - meter->started_s - meter->evaluating_s;
  const double images = (double)((t->state.step - meter->first_step) * t->recipe->batch);
  *out = (cvy_train_result){.steps = t->state.step,
                            .epochs = epochs_at(t, t->state.step),
                            .train_loss = t->state.train_loss,
                            .val = *val,
                            .best_top1 = t->state.best_top1,
                            .best_step = t->state.best_step,
                            .skipped = t->state.skipped,
                            .weights = cvy_net_hash(t->net, NULL),
                            .seconds = seconds,
                            .images_per_s = images > 0 ? images / seconds : 0,
                            .waited_s = t->loader ? cvy_loader_waited_s(t->loader) : 0,
                            .exposed_s = cvy_learner_times(t->learner).exposed_s,
                            .exchange_cpu_s = cvy_learner_times(t->learner).cpu_s};
}

static void announce(const trainer *t) {
  const cvy_recipe *r = t->recipe;
  const cvy_net_info *net = cvy_net_describe(t->net);
  cvy_log("%s, %lld parameters, on %lld images of %lld classes", net->name, (long long)net->param_count,
          (long long)t->images, (long long)cvy_dataset_describe(t->train)->class_count);
  cvy_log("%d rank%s x %d thread%s, batch %lld = %lld microbatches of %lld, %lld steps%s",
          cvy_comm_size(t->comm), cvy_comm_size(t->comm) > 1 ? "s" : "", cvy_threads(),
          cvy_threads() > 1 ? "s" : "", (long long)r->batch, (long long)r->tree.leaves,
          (long long)r->microbatch, (long long)t->total_steps, t->state.step > 0 ? ", going on" : "");
  if (net->sharded_count > 0)
    cvy_log("%lld of the parameters are split over the ranks: their gradients do not travel",
            (long long)net->sharded_count);
  if (t->bucket.step_s[CVY_BUCKET_USUAL] > 0) {
    char measured[256];
    cvy_bucket_describe(measured, sizeof measured, &t->bucket);
    cvy_log("gradients travel in buckets of %lld MiB: a microbatch takes %s (waiting with %lld: %.2f)",
            (long long)t->bucket.mib, measured, (long long)cvy_bucket_mib[CVY_BUCKET_USUAL],
            1e3 * t->bucket.exposed_s);
  }
  const cvy_kept kept = cvy_dataset_kept(t->train);
  if (kept.limit_bytes)
    cvy_log("each rank keeps %s that it has read in up to %.0f MiB of memory",
            r->data.cache.keep == CVY_KEEP_RECORDS ? "records" : "pictures",
            (double)kept.limit_bytes / 0x1p20);
  if (t->state.step > 0) cvy_log("resuming after step %lld", (long long)t->state.step);
}

static cvy_err train(cvy_train_result *out, trainer *t, const cvy_train_options *options) {
  cvy_score val = {0};
  run_meter meter = {
      .started_s = cvy_now_s(), .first_step = t->state.step, .interval_first_step = t->state.step};
  meter.interval_started_s = meter.started_s;
  announce(t);
  const bool already_done = cvy_trainer_is_done(t);
  cvy_err err = already_done && t->val ? validate(t, &val) : CVY_OK;
  if (!err) err = run_steps(t, &meter, &val, options->stop_after);
  if (err == CVY_E_INPUT) err = CVY_E_RUN; /* found too late to say that nothing was started */
  cvy_progress_end();
  if ((!err || err == CVY_E_STOPPED) && t->folder && !already_done) {
    char reason[256];
    snprintf(reason, sizeof reason, "%s", cvy_err_message());
    const cvy_err lost = cvy_folder_end(t->folder);
    err = lost ? lost : err ? cvy_error(err, "%s", reason) : CVY_OK;
  }
  fill_result(out, t, &meter, &val);
  return cvy_comm_agree(t->comm, err);
}

/* Also after an error, which is what the trace may be wanted for; `err` is that of all ranks. */
static cvy_err write_trace(trainer *t, cvy_err err) {
  char reason[4096];
  snprintf(reason, sizeof reason, "%s", cvy_err_message());
  cvy_trainer_rest(t);
  const cvy_err lost = cvy_tracing_write(t->tracing);
  return err ? cvy_error(err, "%s", reason) : lost;
}

cvy_err cvy_train(cvy_train_result *out, cvy_comm *comm, const cvy_recipe *recipe,
                  const cvy_train_options *options) {
  trainer t;
  *out = (cvy_train_result){0};
  cvy_stop_listen();
  CVY_TRY(cvy_trainer_create(&t, comm, recipe, options));
  cvy_err err = train(out, &t, options);
  err = write_trace(&t, err);
  cvy_trainer_destroy(&t);
  return err;
}
