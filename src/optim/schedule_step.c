/* A learning rate that falls by a factor every so many epochs or steps. */
#include "optim/position.h"

#include <math.h>

typedef struct step {
  double rate, factor, every;
  int unit;
} step;

static const cvy_option options[] = {
    {"rate", CVY_FLOAT, offsetof(step, rate), "0.01", 0, 1e6, .help = "the learning rate at first"},
    {"factor", CVY_FLOAT, offsetof(step, factor), "0.1", 0, 1,
     .help = "what it is multiplied with at each step"},
    {"every", CVY_FLOAT, offsetof(step, every), NULL, 1e-6, 1e9, .help = "how long it stays the same"},
    CVY_UNIT_OPTION(step, unit),
    {0}};

static double rate(const void *config, const cvy_schedule_moment *moment) {
  const step *s = config;
  return s->rate * pow(s->factor, cvy_periods_done(moment, s->unit, s->every));
}

static const cvy_kind kind = {"step", "rate * factor ^ floor(position / every)", options, sizeof(step)};

const cvy_schedule cvy_schedule_step = {.kind = &kind, .rate = rate};
