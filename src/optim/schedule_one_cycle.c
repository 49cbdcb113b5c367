/* One cycle (Smith and Topin 2018), in PyTorch's form: the rate rises to its height along half a cosine, and
 * falls far below its beginning along another. */
#include "optim/position.h"

#include <math.h>

typedef struct one_cycle {
  double rate, rise, begin, end;
} one_cycle;

static const cvy_option options[] = {
    {"rate", CVY_FLOAT, offsetof(one_cycle, rate), "0.1", 0, 1e6, .help = "the learning rate at its height"},
    {"rise", CVY_FLOAT, offsetof(one_cycle, rise), "0.3", 0, 1, .help = "the share of training that rises"},
    {"begin", CVY_FLOAT, offsetof(one_cycle, begin), "25", 1, 1e12,
     .help = "how many times smaller the rate is at first"},
    {"end", CVY_FLOAT, offsetof(one_cycle, end), "10000", 1, 1e12,
     .help = "how many times smaller than at first it is in the end"},
    {0}};

static double along_cosine(double from, double to, double share) {
  static const double pi = 3.14159265358979323846;
  return to + (from - to) * (1 + cos(pi * share)) / 2;
}

static double rate(const void *config, const cvy_schedule_moment *moment) {
  const one_cycle *c = config;
  const double last = (double)(moment->total_steps - 1), top = c->rise * (double)moment->total_steps - 1,
               step = (double)moment->step, first = c->rate / c->begin;
  if (step < top) return along_cosine(first, c->rate, step / top);
  if (top >= last) return c->rate; /* the last step is the height, as all of training rises */
  return along_cosine(c->rate, first / c->end, fmin((step - top) / (last - top), 1));
}

static const cvy_kind kind = {"one_cycle", "up to the rate and down again, along cosines", options,
                              sizeof(one_cycle)};

const cvy_schedule cvy_schedule_one_cycle = {.kind = &kind, .rate = rate, .looks_ahead = cvy_always_ahead};
