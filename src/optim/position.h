/* Positions in training, which schedules count in epochs or in steps. */
#ifndef CVY_OPTIM_POSITION_H
#define CVY_OPTIM_POSITION_H

#include "base/options.h"
#include "optim/optim.h"

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
