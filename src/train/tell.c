/* Tells people of a run: its start, its progress, its epochs. */
#include "train/tell.h"

#include "base/text.h"
#include "train/metrics.h"
#include "train/score.h"

/* ---- the start ---- */

static void tell_size(const cvy_run *run) {
  const cvy_recipe *r = run->recipe;
  const cvy_net_info *net = cvy_net_describe(run->net);
  const int ranks = cvy_comm_size(run->comm);
  cvy_log("%s, %" PRId64 " parameters, on %" PRId64 " images of %" PRId64 " classes", net->name,
          net->param_count, run->images, cvy_dataset_describe(run->train.data)->class_count);
  cvy_log("%d rank%s x %d thread%s, batch %" PRId64 " = %" PRId64 " microbatches of %" PRId64 ", %" PRId64
          " steps%s",
          ranks, ranks > 1 ? "s" : "", cvy_threads(), cvy_threads() > 1 ? "s" : "", r->batch, r->tree.leaves,
          r->microbatch, run->total_steps, run->state.step > 0 ? ", going on" : "");
  if (net->sharded_count > 0)
    cvy_log("%" PRId64 " of the parameters are split over the ranks: their gradients do not travel",
            net->sharded_count);
}

static void tell_buckets(const cvy_bucket_choice *bucket) {
  char measured[256];
  cvy_bucket_describe(measured, sizeof measured, bucket);
  cvy_log("gradients travel in buckets of %" PRId64 " MiB: a microbatch takes %s (waiting with %" PRId64
          ": %.2f)",
          bucket->mib, measured, cvy_bucket_mib[CVY_BUCKET_USUAL], 1e3 * bucket->exposed_s);
}

void cvy_tell_start(const cvy_run *run) {
  tell_size(run);
  if (run->bucket.step_s[CVY_BUCKET_USUAL] > 0) tell_buckets(&run->bucket);
  const cvy_kept kept = cvy_dataset_kept(run->train.data);
  if (kept.limit_bytes)
    cvy_log("each rank keeps %s that it has read in up to %.0f MiB of memory",
            run->recipe->data.cache.keep == CVY_KEEP_RECORDS ? "records" : "pictures",
            (double)kept.limit_bytes / 0x1p20);
  if (run->state.step > 0) cvy_log("resuming after step %" PRId64, run->state.step);
}

/* ---- steps ---- */

static cvy_metrics interval_line(const cvy_run *run, double rate, double now_s) {
  static const cvy_metric further[] = {CVY_METRIC_LOSS,         CVY_METRIC_TOP1,     CVY_METRIC_RATE,
                                       CVY_METRIC_IMAGES_PER_S, CVY_METRIC_WAITED_S, CVY_METRIC_EXPOSED_S};
  const cvy_meter *meter = &run->meter;
  const cvy_score score = cvy_tally_score(&run->state.interval);
  const int64_t step = run->state.step;
  cvy_metrics line = cvy_metrics_line(step, cvy_run_epochs(run, step), further, CVY_COUNT(further));
  line.loss = score.loss;
  line.top1 = score.top1;
  line.rate = rate;
  line.has[CVY_METRIC_SKIPPED] = run->intake.skips_bad;
  line.skipped = run->state.interval.skipped;
  line.images_per_s = (double)((step - meter->interval_first_step) * run->recipe->batch) /
                      (now_s - meter->interval_started_s);
  line.waited_s = cvy_loader_waited_s(run->loader) - meter->interval_waited_s;
  line.exposed_s = cvy_run_times(run).exposed_s - meter->interval_exposed_s;
  return line;
}

static void show_progress(const cvy_run *run, const cvy_metrics *line) {
  const int64_t left = (run->total_steps - line->step) * run->recipe->batch;
  const int64_t left_s = (int64_t)((double)left / line->images_per_s);
  cvy_progress("epoch %" PRId64 "/%" PRId64 "  step %" PRId64 "/%" PRId64
               "  loss %.4f  top-1 %.2f %%  %.0f img/s  ETA %" PRId64 ":%02" PRId64,
               (int64_t)(cvy_run_epochs(run, line->step - 1) + 1), run->recipe->epochs, line->step,
               run->total_steps, line->loss, 100 * line->top1, line->images_per_s, left_s / 60, left_s % 60);
}

void cvy_tell_begin(const cvy_run *run) {
  cvy_doing("step %" PRId64 " of %" PRId64, run->state.step + 1, run->total_steps);
}

void cvy_tell_step(cvy_run *run, double rate) {
  static const double often_s = 0.1;
  const double now_s = cvy_now_s();
  const bool is_first = run->state.step == run->meter.first_step + 1;
  if (!run->folder || (!is_first && now_s - run->meter.told_s < often_s)) return;
  const cvy_metrics line = interval_line(run, rate, now_s);
  show_progress(run, &line);
  run->meter.told_s = now_s;
  if (is_first) cvy_progress_show();
}

void cvy_tell_interval(cvy_run *run, double rate) {
  if (!run->folder) return;
  cvy_meter *meter = &run->meter;
  const double now_s = cvy_now_s();
  const cvy_metrics line = interval_line(run, rate, now_s);
  cvy_folder_log(run->folder, &line);
  show_progress(run, &line);
  meter->told_s = now_s;
  meter->interval_first_step = line.step;
  meter->interval_started_s = now_s;
  meter->interval_waited_s += line.waited_s;
  meter->interval_exposed_s += line.exposed_s;
}

/* ---- epochs ---- */

static void log_epoch(const cvy_run *run, const cvy_score *training, bool is_best) {
  char validation[160] = "";
  cvy_text text = cvy_text_in(validation, sizeof validation);
  if (run->val.data)
    cvy_text_add(&text, ", validation loss %.4f, top-1 %.2f %%", run->val_score.loss,
                 100 * run->val_score.top1);
  if (run->val.data && cvy_recipe_averages(run->recipe))
    cvy_text_add(&text, ", of the average (EMA) %.4f, %.2f %%", run->ema_score.loss,
                 100 * run->ema_score.top1);
  if (is_best) cvy_text_add(&text, " (best so far)");
  cvy_progress_drop();
  cvy_log("epoch %" PRId64 ": training loss %.4f, top-1 %.2f %%%s",
          (int64_t)cvy_run_epochs(run, run->state.step), training->loss, 100 * training->top1, validation);
}

void cvy_tell_epoch(const cvy_run *run, const cvy_score *training, bool is_best) {
  static const cvy_metric further[] = {CVY_METRIC_TRAIN_LOSS, CVY_METRIC_TRAIN_TOP1, CVY_METRIC_VAL_LOSS,
                                       CVY_METRIC_VAL_TOP1};
  enum { OF_TRAINING = 2 };
  const cvy_score *score = &run->val_score;
  if (!run->folder) return;
  cvy_metrics line = cvy_metrics_line(run->state.step, cvy_run_epochs(run, run->state.step), further,
                                      run->val.data ? CVY_COUNT(further) : OF_TRAINING);
  line.train_loss = training->loss;
  line.train_top1 = training->top1;
  line.val_loss = score->loss;
  line.val_top1 = score->top1;
  line.val_top5 = score->top5;
  line.has[CVY_METRIC_VAL_TOP5] = run->val.data && cvy_score_has_top5(score);
  line.has[CVY_METRIC_EMA_LOSS] = line.has[CVY_METRIC_EMA_TOP1] = run->val.data &&
                                                                  cvy_recipe_averages(run->recipe);
  line.has[CVY_METRIC_EMA_TOP5] = line.has[CVY_METRIC_EMA_TOP1] && line.has[CVY_METRIC_VAL_TOP5];
  line.ema_loss = run->ema_score.loss;
  line.ema_top1 = run->ema_score.top1;
  line.ema_top5 = run->ema_score.top5;
  line.has[CVY_METRIC_VAL_SKIPPED] = run->val.data && run->intake.skips_bad;
  line.val_skipped = score->skipped;
  cvy_folder_log(run->folder, &line);
  log_epoch(run, training, is_best);
}

void cvy_tell_phase(const cvy_run *run, int64_t more) {
  char names[200];
  const cvy_unfreezing *u = &run->recipe->freezing.unfreezings[run->phase - 1];
  if (!run->folder) return;
  cvy_text_list(names, sizeof names, ", ", u->patterns.names.names, u->patterns.names.count);
  cvy_progress_drop();
  cvy_log("from here on %s learn%s too, at %g of the rate: %" PRId64 " parameters more", names,
          u->patterns.names.count > 1 ? "" : "s", u->rate, more);
}

void cvy_tell_skipped(const cvy_run *run, int64_t training, int64_t validation) {
  if (training + validation > 0)
    cvy_warn("epoch %" PRId64 ": bad records replaced: %" PRId64 " in training, %" PRId64 " in validation",
             (int64_t)cvy_run_epochs(run, run->state.step), training, validation);
}

void cvy_tell_going_back(const cvy_run *run, const char *why, int64_t diverged_at) {
  static const cvy_metric further[] = {CVY_METRIC_ROLL_BACKS, CVY_METRIC_DIVERGED_AT};
  const int64_t step = run->state.step;
  if (!run->folder) return;
  cvy_progress_drop();
  cvy_warn("%s. The run goes back to %s of step %" PRId64
           ", and halves its learning rate from there on (roll back %" PRId64 " of %" PRId64 ")",
           why, step > 0 ? "the checkpoint" : "the weights", step, run->state.roll_backs,
           run->recipe->roll_backs);
  cvy_metrics line = cvy_metrics_line(step, cvy_run_epochs(run, step), further, CVY_COUNT(further));
  line.roll_backs = run->state.roll_backs;
  line.diverged_at = diverged_at;
  cvy_folder_log(run->folder, &line);
}
