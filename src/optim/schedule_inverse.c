/* A learning rate that falls as the inverse of a power (Caffe's inv, LeNet's schedule there). */
#include "optim/position.h"

#include <math.h>

typedef struct inverse {
  double rate, slope, power;
  int unit;
} inverse;

static const cvy_option options[] = {
    {"rate", CVY_FLOAT, offsetof(inverse, rate), "0.01", 0, 1e6, .help = "the learning rate at first"},
    {"slope", CVY_FLOAT, offsetof(inverse, slope), "0.0001", 0, 1e6,
     .help = "how fast it falls at first (Caffe's gamma, for unit: steps)"},
    {"power", CVY_FLOAT, offsetof(inverse, power), "0.75", 0, 100, .help = "the power"},
    CVY_UNIT_OPTION(inverse, unit),
    {0}};

static double rate(const void *config, const cvy_schedule_moment *moment) {
  const inverse *i = config;
  return i->rate * pow(1 + i->slope * cvy_position(moment, i->unit), -i->power);
}

static const cvy_kind kind = {"inverse", "rate * (1 + slope * position) ^ -power", options, sizeof(inverse)};

const cvy_schedule cvy_schedule_inverse = {.kind = &kind, .rate = rate};
