/* A learning rate that falls along half a cosine, once or again and again (Loshchilov and Hutter 2017,
 * equation 5). */
#include "optim/position.h"

#include <math.h>

typedef struct cosine {
  double rate, end, first, growth;
  int unit;
} cosine;

static const cvy_option options[] = {
    {"rate", CVY_FLOAT, offsetof(cosine, rate), "0.1", 0, 1e6, .help = "the learning rate at first"},
    {"end", CVY_FLOAT, offsetof(cosine, end), "0", 0, 1e6, .help = "the learning rate in the end"},
    {"first", CVY_FLOAT, offsetof(cosine, first), "0", 1e-6, 1e9, .or_zero = true,
     .help = "how long the first cosine is, behind which the rate restarts; 0: one takes all of training"},
    {"growth", CVY_FLOAT, offsetof(cosine, growth), "1", 1, 1e3, .needs = "first",
     .help = "how many times as long each cosine is as the one before"},
    CVY_UNIT_OPTION(cosine, unit),
    {0}};

enum { MOST_VISITED = 1000 };

/* Goes to the cosine that has the position, of those that grow; one begins `slack` early. They are visited
 * one after the other, which has no rounding where lengths are whole. Where there are too many for that, as
 * short ones have that hardly grow, n of them are passed at once, whose lengths sum up to
 * length * (growth^n - 1) / (growth - 1). */
static void find_cosine(double *position, double *length, double growth, double slack) {
  for (int i = 0; i < MOST_VISITED && *position + slack >= *length; i++) {
    *position -= *length;
    *length *= growth;
  }
  if (*position + slack < *length) return;
  const double rate = log(growth), n = floor(log1p(*position * (growth - 1) / *length) / rate);
  *position -= *length * expm1(n * rate) / (growth - 1);
  *length *= exp(n * rate);
}

/* Returns the share of its cosine that a position has behind it. */
static double share_of(const cosine *c, const cvy_schedule_moment *moment) {
  double length = c->first, position = cvy_position(moment, c->unit);
  const double slack = fmin(cvy_position_slack(moment, c->unit), 1e-6 * length);
  if (c->growth == 1)
    position = fmod(position, length);
  else
    find_cosine(&position, &length, c->growth, slack);
  return position + slack >= length ? 0 : fmax(position / length, 0);
}

static double rate(const void *config, const cvy_schedule_moment *moment) {
  static const double pi = 3.14159265358979323846;
  const cosine *c = config;
  const double share = c->first > 0 ? share_of(c, moment) : cvy_share_done(moment);
  return c->end + (c->rate - c->end) * (1 + cos(pi * share)) / 2;
}

/* Cosines of a given length are the same in any training. */
static bool looks_ahead(const void *config) {
  return ((const cosine *)config)->first <= 0;
}

static const cvy_kind kind = {"cosine",
                              "end + (rate - end) * (1 + cos(pi * share)) / 2, with restarts or without",
                              options, sizeof(cosine)};

const cvy_schedule cvy_schedule_cosine = {.kind = &kind, .rate = rate, .looks_ahead = looks_ahead};
