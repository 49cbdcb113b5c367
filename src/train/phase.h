/* The learner of a phase of a run (train/freezing.h), and how a run goes from one phase to the next. */
#ifndef CVY_TRAIN_PHASE_H
#define CVY_TRAIN_PHASE_H

#include "train/run.h"

/* Makes the run's learner for a phase, in place of the one that it has, whose weights and state are lost. The
 * buckets of gradients have so many MiB. On an error the run has no learner. The call is not collective, but
 * all ranks make the same one. */
cvy_err cvy_phase_plan(cvy_run *run, int64_t phase, int64_t bucket_mib) CVY_MUST_CHECK;
/* Plans a net for each later phase, and gives it back. It is an error if one cannot be trained. `learnt`
 * receives how many parameters learn in each phase, [phases], unless it is NULL. */
cvy_err cvy_phase_check_all(const cvy_run *run, int64_t *learnt) CVY_MUST_CHECK;
/* It is an error if a net has nothing to learn, or layers that cannot. */
cvy_err cvy_phase_check(const cvy_recipe *recipe, const cvy_net_info *net) CVY_MUST_CHECK;

/* Has the run go on in the phase of its next step: weights, state and average go with it, and what begins to
 * learn has a state of zero and an average that is its weights. Whatever goes wrong ends the job. The call is
 * collective, between steps. */
void cvy_phase_enter(cvy_run *run);

#endif
