/* A learning rate that falls to its end along a power of what is left of training (Caffe's poly). */
#include "optim/position.h"

#include <math.h>

typedef struct polynomial {
  double rate, end, power;
} polynomial;

static const cvy_option options[] = {
    {"rate", CVY_FLOAT, offsetof(polynomial, rate), "0.01", 0, 1e6, .help = "the learning rate at first"},
    {"end", CVY_FLOAT, offsetof(polynomial, end), "0", 0, 1e6, .help = "the learning rate in the end"},
    {"power", CVY_FLOAT, offsetof(polynomial, power), "1", 0, 100, .help = "the power: 1 is a straight line"},
    {0}};

static double rate(const void *config, const cvy_schedule_moment *moment) {
  const polynomial *p = config;
  return p->end + (p->rate - p->end) * pow(1 - cvy_share_done(moment), p->power);
}

static const cvy_kind kind = {"polynomial", "end + (rate - end) * (1 - step / steps) ^ power", options,
                              sizeof(polynomial)};

const cvy_schedule cvy_schedule_polynomial = {.kind = &kind, .rate = rate, .looks_ahead = cvy_always_ahead};
