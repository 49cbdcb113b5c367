/* The same learning rate all the way. */
#include "base/options.h"
#include "optim/optim.h"

typedef struct constant {
  double rate;
} constant;

static const cvy_option options[] = {
    {"rate", CVY_FLOAT, offsetof(constant, rate), "0.01", 0, 1e6, .help = "the learning rate"}, {0}};

static double rate(const void *config, const cvy_schedule_moment *moment) {
  (void)moment;
  return ((const constant *)config)->rate;
}

static const cvy_kind kind = {"constant", "the same rate all the way", options, sizeof(constant)};

const cvy_schedule cvy_schedule_constant = {.kind = &kind, .rate = rate};
