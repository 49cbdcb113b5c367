/* A warm-up in front of any schedule: the rate rises from a share of the schedule's to all of it (Goyal et
 * al. 2017, section 2.2). */
#ifndef CVY_OPTIM_WARMUP_H
#define CVY_OPTIM_WARMUP_H

#include "base/options.h"
#include "optim/optim.h"

typedef struct cvy_warmup {
  double length, from; /* in units; 0: there is none */
  int unit;            /* cvy_unit */
  int schedule;        /* whether the schedule runs beside it, or begins behind it */
} cvy_warmup;

extern const cvy_option cvy_warmup_options[];

/* Returns the steps that the warm-up takes from a schedule that begins behind it; 0 if none does. A step is
 * so much of an epoch. */
int64_t cvy_warmup_steps_before(const cvy_warmup *warmup, double step_epochs);
/* Returns the learning rate of the step that begins at this moment. */
double cvy_warmup_rate(const cvy_warmup *warmup, const cvy_schedule *schedule, const void *config,
                       const cvy_schedule_moment *moment);

#endif
