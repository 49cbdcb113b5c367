/* A learning rate that falls by a factor every so many epochs. */
#include "base/options.h"
#include "optim/optim.h"

#include <math.h>

typedef struct step {
  double rate, factor, every;
} step;

static const cvy_option options[] = {
    {"rate", CVY_FLOAT, offsetof(step, rate), "0.01", 0, 1e6,
     .help = "the learning rate of the first epochs"},
    {"factor", CVY_FLOAT, offsetof(step, factor), "0.1", 0, 1,
     .help = "what it is multiplied with at each step"},
    {"every", CVY_FLOAT, offsetof(step, every), NULL, 1e-6, 1e9, .help = "epochs from one step to the next"},
    {0}};

static double rate(const void *config, const cvy_schedule_moment *moment) {
  const step *s = config;
  return s->rate * pow(s->factor, floor(moment->epoch / s->every));
}

static const cvy_kind kind = {"step", "rate * factor ^ floor(epoch / every)", options, sizeof(step)};

const cvy_schedule cvy_schedule_step = {.kind = &kind, .rate = rate};
