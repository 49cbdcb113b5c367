/* A learning rate that falls by a factor in each epoch, or in each step (Caffe's exp). */
#include "optim/position.h"

#include <math.h>

typedef struct exponential {
  double rate, factor;
  int unit;
} exponential;

static const cvy_option options[] = {
    {"rate", CVY_FLOAT, offsetof(exponential, rate), "0.01", 0, 1e6, .help = "the learning rate at first"},
    {"factor", CVY_FLOAT, offsetof(exponential, factor), "0.94", 0, 1,
     .help = "what it is multiplied with after each epoch or step"},
    CVY_UNIT_OPTION(exponential, unit),
    {0}};

static double rate(const void *config, const cvy_schedule_moment *moment) {
  const exponential *e = config;
  return e->rate * pow(e->factor, cvy_periods_done(moment, e->unit, 1));
}

static const cvy_kind kind = {"exponential", "rate * factor ^ floor(position)", options, sizeof(exponential)};

const cvy_schedule cvy_schedule_exponential = {.kind = &kind, .rate = rate};
