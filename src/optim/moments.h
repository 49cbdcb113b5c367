/* The two running averages of Adam's family: of gradients (m) and of their squares (v). */
#ifndef CVY_OPTIM_MOMENTS_H
#define CVY_OPTIM_MOMENTS_H

#include "optim/rule.h"

typedef struct cvy_moments {
  double beta1, beta2, epsilon;
} cvy_moments;

/* These are three lines for a rule's options. Epsilon is above zero, also as a float: a first gradient of
 * zero would divide zero by zero. */
#define CVY_MOMENTS_OPTIONS(config, field, epsilon_text)                                                     \
  {"beta1",                                                                                                  \
   CVY_FLOAT,                                                                                                \
   offsetof(config, field.beta1),                                                                            \
   "0.9",                                                                                                    \
   0,                                                                                                        \
   CVY_MOST_KEPT,                                                                                            \
   .help = "share of the average gradient that goes on"},                                                    \
      {"beta2",                                                                                              \
       CVY_FLOAT,                                                                                            \
       offsetof(config, field.beta2),                                                                        \
       "0.999",                                                                                              \
       0,                                                                                                    \
       CVY_MOST_KEPT,                                                                                        \
       .help = "share of the average square that goes on"},                                                  \
  {                                                                                                          \
    "epsilon", CVY_FLOAT, offsetof(config, field.epsilon), epsilon_text, 1e-30, 1,                           \
        .help = "added to the root of the average square"                                                    \
  }

#define CVY_MOMENTS_STATE .state_count = 2, .state_names = {"averages", "squares"}

/* The numbers of a step. Both averages begin at zero, and are divided by what that costs them (Kingma and Ba
 * 2015, section 3). */
typedef struct cvy_moments_step {
  float old1, new1, old2, new2; /* beta1, 1 - beta1, beta2, 1 - beta2 */
  float mean_scale;             /* 1 / (1 - beta1^step) */
  float root_scale;             /* 1 / sqrt(1 - beta2^step) */
  float epsilon;
} cvy_moments_step;

static inline cvy_moments_step cvy_moments_at(const cvy_moments *m, int64_t step) {
  return (cvy_moments_step){.old1 = (float)m->beta1,
                            .new1 = (float)(1 - m->beta1),
                            .old2 = (float)m->beta2,
                            .new2 = (float)(1 - m->beta2),
                            .mean_scale = (float)(1 / (1 - cvy_whole_power(m->beta1, step))),
                            .root_scale = (float)(1 / sqrt(1 - cvy_whole_power(m->beta2, step))),
                            .epsilon = (float)m->epsilon};
}

/* Takes a gradient into both averages, and returns the step that they make. */
static inline float cvy_moments_take(float *mean, float *square, float gradient, const cvy_moments_step *s) {
  *mean = s->old1 * *mean + s->new1 * gradient;
  *square = s->old2 * *square + s->new2 * (gradient * gradient);
  return s->mean_scale * *mean / (s->root_scale * sqrtf(*square) + s->epsilon);
}

#endif
