/* Goes back to the last checkpoint with half the rate, or ends the run. */
#include "train/roll_back.h"

#include "train/duties.h"
#include "train/setup.h"
#include "train/tell.h"

static void start_interval(cvy_run *run) {
  cvy_meter *meter = &run->meter;
  meter->interval_first_step = run->state.step;
  meter->interval_started_s = cvy_now_s();
  meter->interval_waited_s = 0; /* the loader is a new one */
  meter->interval_exposed_s = cvy_run_times(run).exposed_s;
}

static cvy_err give_up(const cvy_run *run, cvy_err err) {
  cvy_saved_error why;
  cvy_error_save(&why, err);
  if (run->recipe->on_divergence == CVY_DIVERGENCE_ROLLS_BACK)
    return cvy_error(err, "%s; it has gone back %" PRId64 " time%s before, and 'roll_backs' allows no more",
                     why.message, run->state.roll_backs, run->state.roll_backs > 1 ? "s" : "");
  return cvy_error(err,
                   "%s; the last checkpoint stays as it was, and 'on_divergence: roll_back' would go on from "
                   "there with half the rate",
                   why.message);
}

cvy_err cvy_roll_back(cvy_run *run, cvy_err err) {
  const cvy_recipe *r = run->recipe;
  const int64_t diverged_at = run->state.step;
  if (r->on_divergence == CVY_DIVERGENCE_STOPS || run->state.roll_backs >= r->roll_backs)
    return give_up(run, err);
  cvy_saved_error why;
  cvy_error_save(&why, err);
  CVY_TRY(cvy_run_go_back(run));
  run->has_diverged = false;
  run->fault.microbatch = -1;
  start_interval(run);
  cvy_tell_going_back(run, why.message, diverged_at);
  if (run->state.step > 0) cvy_duties_save(run);
  return CVY_OK;
}
