/* A learning rate that falls by a factor at each of some positions. */
#include "optim/position.h"

#include <math.h>

typedef struct multi_step {
  double rate, factor;
  cvy_floats at;
  int unit;
} multi_step;

static const cvy_option options[] = {
    {"rate", CVY_FLOAT, offsetof(multi_step, rate), "0.1", 0, 1e6, .help = "the learning rate at first"},
    {"factor", CVY_FLOAT, offsetof(multi_step, factor), "0.1", 0, 1,
     .help = "what it is multiplied with at each position"},
    {"at", CVY_FLOATS, offsetof(multi_step, at), NULL, 0, 1e9, .help = "the positions, as [100, 150]"},
    CVY_UNIT_OPTION(multi_step, unit),
    {0}};

static double rate(const void *config, const cvy_schedule_moment *moment) {
  const multi_step *m = config;
  const double position = cvy_position(moment, m->unit) + cvy_position_slack(moment, m->unit);
  int64_t passed = 0;
  for (int64_t i = 0; i < m->at.count; i++) passed += m->at.values[i] <= position;
  return m->rate * pow(m->factor, (double)passed);
}

static const cvy_kind kind = {"multi_step", "rate * factor ^ (how many positions have passed)", options,
                              sizeof(multi_step)};

const cvy_schedule cvy_schedule_multi_step = {.kind = &kind, .rate = rate};
