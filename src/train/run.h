/* What setting up a training run makes; the step loop and its duties use and change it. */
#ifndef CVY_TRAIN_RUN_H
#define CVY_TRAIN_RUN_H

#include "train/bucket.h"
#include "train/checkpoint.h"
#include "train/folder.h"
#include "train/recipe.h"
#include "train/score.h"
#include "train/step.h"
#include "train/stream.h"
#include "train/trace.h"

#include <math.h>

/* The clocks of one run of the program, for people. An interval is the steps since the last line of
 * metrics. */
typedef struct cvy_meter {
  double started_s, evaluating_s; /* evaluating: validations and checkpoints at the end of epochs */
  int64_t first_step;
  int64_t interval_first_step;
  double interval_started_s, interval_waited_s, interval_exposed_s;
  double told_s; /* when the progress was shown last */
} cvy_meter;

typedef struct cvy_run {
  cvy_comm *comm;
  const cvy_recipe *recipe;
  cvy_step_config config;
  cvy_intake intake;
  cvy_stream train, val; /* val is closed if the recipe has none */
  cvy_loader *loader;
  cvy_learner *learner;
  cvy_net *net;       /* the learner's */
  int64_t phase;      /* for which it is planned (train/freezing.h) */
  cvy_learner **past; /* learners of earlier phases whose layers a trace names */
  int64_t past_count;
  cvy_exchange_times past_times;
  struct cvy_initial *initial; /* of an outline, on rank 0: what it would begin with; NULL: all is drawn */
  cvy_bucket_choice bucket;
  cvy_step step;
  cvy_step_fault fault; /* where this rank's part of the step that diverged went wrong */
  bool has_diverged;    /* the error that is under way is a divergence; it is the same on all ranks */
  cvy_tracing *tracing; /* NULL: not wanted */
  cvy_folder *folder;   /* rank 0 only */
  cvy_hash fingerprint; /* fingerprint of the training data */
  /* What is known of the training data, with the mean and deviation by which images are normalised. */
  cvy_dataset_info trained_on;
  cvy_arithmetic arithmetic;
  int64_t images; /* images in the training set */
  int64_t total_steps;
  cvy_run_state state;
  cvy_score val_score; /* score of the last validation */
  cvy_score ema_score; /* the same of the averaged weights, if such are kept */
  cvy_meter meter;
  char ended[160]; /* why it ended before its last step; "": it has not */
} cvy_run;

/* Returns how many passes over the training images so many steps are. */
static inline double cvy_run_epochs(const cvy_run *run, int64_t step) {
  return (double)step * (double)run->recipe->batch / (double)run->images;
}

/* Returns the score that decides which step is the best. */
static inline const cvy_score *cvy_run_judged(const cvy_run *run) {
  return cvy_recipe_judges(run->recipe) == CVY_WEIGHTS_EMA ? &run->ema_score : &run->val_score;
}

/* Returns what the schedule sees before the next step. */
static inline cvy_schedule_moment cvy_run_moment(const cvy_run *run) {
  const cvy_run_state *state = &run->state;
  return (cvy_schedule_moment){.step = state->step,
                               .total_steps = run->total_steps,
                               .epoch = cvy_run_epochs(run, state->step),
                               .step_epochs = cvy_run_epochs(run, 1),
                               .last_top1 = state->last_top1,
                               .last_loss = state->last_loss,
                               .best_top1 = state->best_step > 0 ? state->best_top1 : NAN,
                               .best_step = state->best_step,
                               .memory = state->schedule_memory};
}

/* Returns the phase of the step after `step` steps. */
static inline int64_t cvy_run_phase(const cvy_run *run, int64_t step) {
  return cvy_freezing_phase(&run->recipe->freezing, step, run->images, run->recipe->batch);
}

/* Returns what the learners of all phases spent (cvy_learner_times). */
static inline cvy_exchange_times cvy_run_times(const cvy_run *run) {
  cvy_exchange_times times = cvy_learner_times(run->learner);
  times.exposed_s += run->past_times.exposed_s;
  times.cpu_s += run->past_times.cpu_s;
  return times;
}

/* Returns the learning rate of the step that comes next. */
static inline double cvy_run_rate(const cvy_run *run) {
  const cvy_schedule_moment moment = cvy_run_moment(run);
  const cvy_recipe *r = run->recipe;
  const double rate = cvy_warmup_rate(&r->warmup, r->schedule, r->schedule_config, &moment);
  return ldexp(rate, -cvy_int(run->state.roll_backs)); /* each going back has halved it */
}

/* Tells whether early stopping ends the run here. A run that is at its end anyway is not stopped. */
static inline bool cvy_run_lost_patience(const cvy_run *run) {
  const int64_t patience = run->recipe->early_stopping.patience;
  return patience > 0 && run->state.watched_since >= patience && run->state.step < run->total_steps;
}

/* Tells whether all steps are made, and the last one's epoch is validated, or the run was stopped early. */
static inline bool cvy_run_is_done(const cvy_run *run) {
  return run->state.stopped_early || (run->state.step >= run->total_steps && run->state.epoch.images == 0);
}

#endif
