/* Update rules and learning-rate schedules.
 *
 * Each is one file in src/optim and one line in rules.def or schedules.def. Not collective: every rank
 * applies the same update to the same sums. */
#ifndef CVY_OPTIM_OPTIM_H
#define CVY_OPTIM_OPTIM_H

#include "base/base.h"

struct cvy_kind; /* base/options.h */

/* One parameter tensor of an update. `state` has state_count arrays, each laid out as the parameter arena. */
typedef struct cvy_update {
  float *weights;
  const float *gradient;
  float *state[2];
  int64_t count;
  float rate;  /* the schedule's learning rate */
  bool decays; /* weight decay applies to this tensor */
} cvy_update;

typedef struct cvy_rule {
  const struct cvy_kind *kind;
  int64_t state_count;
  const char *state_names[2]; /* in checkpoints: "momentum" */
  void (*apply)(const cvy_update *update, const void *config);
} cvy_rule;

typedef struct cvy_schedule {
  const struct cvy_kind *kind;
  /* The learning rate after `epoch` epochs, a fraction within an epoch. */
  double (*rate)(const void *config, double epoch);
  bool looks_ahead; /* to the run's total, so that another number of epochs changes its first steps too */
} cvy_schedule;

int64_t cvy_rule_count(void);
const cvy_rule *cvy_rule_at(int64_t index);
int64_t cvy_schedule_count(void);
const cvy_schedule *cvy_schedule_at(int64_t index);

#endif
