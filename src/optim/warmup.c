/* Computes the rates of a warm-up, and how a schedule sees training from its end. */
#include "optim/warmup.h"

#include "optim/position.h"

#include <math.h>

enum { BESIDE, BEHIND };
static const char *const schedule_words[] = {[BESIDE] = "beside", [BEHIND] = "behind", NULL};

const char *const cvy_unit_words[] = {[CVY_UNIT_EPOCHS] = "epochs", [CVY_UNIT_STEPS] = "steps", NULL};

const cvy_option cvy_warmup_options[] = {
    {"length", CVY_FLOAT, offsetof(cvy_warmup, length), "0", 0, 1e9, .effect = CVY_CHANGES_BITS,
     .help = "how long the rate rises, in a straight line; 0: there is no warm-up"},
    {"unit", CVY_CHOICE, offsetof(cvy_warmup, unit), "epochs", .words = cvy_unit_words, .needs = "length",
     .effect = CVY_CHANGES_BITS, .help = "what the length counts: epochs, or steps"},
    {"from", CVY_FLOAT, offsetof(cvy_warmup, from), "0.1", 0, 1, .needs = "length",
     .effect = CVY_CHANGES_BITS, .help = "the share of the schedule's rate with which the first step begins"},
    {"schedule", CVY_CHOICE, offsetof(cvy_warmup, schedule), "beside", .words = schedule_words,
     .needs = "length", .effect = CVY_CHANGES_BITS,
     .help = "the schedule counts from the first step, or from the warm-up's end"},
    {0}};

int64_t cvy_warmup_steps_before(const cvy_warmup *w, double step_epochs) {
  if (w->length <= 0 || w->schedule != BEHIND) return 0;
  return llround(w->unit == CVY_UNIT_STEPS ? w->length : w->length / step_epochs);
}

/* Returns the moment as it is seen from the warm-up's end, where the schedule begins. How long the run is has
 * no part in that, so a schedule that does not look ahead still does not. */
static cvy_schedule_moment from_end(const cvy_warmup *w, const cvy_schedule_moment *moment) {
  cvy_schedule_moment later = *moment;
  const bool in_steps = w->unit == CVY_UNIT_STEPS;
  const int64_t steps = cvy_warmup_steps_before(w, moment->step_epochs);
  later.step -= steps;
  later.total_steps -= steps;
  later.epoch -= in_steps ? w->length * moment->step_epochs : w->length;
  if (later.step < 0) later.step = 0;
  if (later.epoch < 0) later.epoch = 0;
  return later;
}

double cvy_warmup_rate(const cvy_warmup *w, const cvy_schedule *schedule, const void *config,
                       const cvy_schedule_moment *moment) {
  if (w->length <= 0) return schedule->rate(config, moment);
  const cvy_schedule_moment seen = w->schedule == BEHIND ? from_end(w, moment) : *moment;
  const double rate = schedule->rate(config, &seen), done = cvy_position(moment, w->unit) / w->length;
  return done < 1 ? rate * (w->from + (1 - w->from) * done) : rate;
}
