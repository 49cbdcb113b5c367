/* Positions in training, which schedules count in epochs or in steps. */
#ifndef CVY_OPTIM_POSITION_H
#define CVY_OPTIM_POSITION_H

#include "base/options.h"
#include "optim/optim.h"

#include <math.h>

typedef enum cvy_unit { CVY_UNIT_EPOCHS, CVY_UNIT_STEPS } cvy_unit;
extern const char *const cvy_unit_words[]; /* epochs, steps */

/* This is a line for the options of what counts; `unit` is an int. */
#define CVY_UNIT_OPTION(config, field)                                                                       \
  {                                                                                                          \
    "unit", CVY_CHOICE, offsetof(config, field), "epochs",                                                   \
        .words = cvy_unit_words, .help = "what it counts: epochs, fractions of them too, or steps"           \
  }

/* Returns how much of training is done, in the unit. */
static inline double cvy_position(const cvy_schedule_moment *moment, int unit) {
  return unit == CVY_UNIT_STEPS ? (double)moment->step : moment->epoch;
}

/* Returns how far before a place, in the unit, a step still stands at it. Places are decimals and positions
 * are fractions, so that three steps of a tenth of an epoch end a little before 0.3; a millionth of a step is
 * more than what rounding does, and less than anybody means. */
static inline double cvy_position_slack(const cvy_schedule_moment *moment, int unit) {
  return unit == CVY_UNIT_STEPS ? 1e-6 : 1e-6 * moment->step_epochs;
}

/* Returns how many whole periods a position has behind it. */
static inline double cvy_periods_done(const cvy_schedule_moment *moment, int unit, double period) {
  return floor(cvy_position(moment, unit) / period + fmin(cvy_position_slack(moment, unit) / period, 1e-6));
}

/* Returns the share of training that is done, from 0 to 1. */
static inline double cvy_share_done(const cvy_schedule_moment *moment) {
  const double share = moment->total_steps > 0 ? (double)moment->step / (double)moment->total_steps : 1;
  return share < 1 ? share : 1;
}

/* Looks ahead, as schedules do that ask for the share of training. */
static inline bool cvy_always_ahead(const void *config) {
  (void)config;
  return true;
}

#endif
