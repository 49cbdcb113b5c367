/* Everything before the first step of a run, and after the last one. */
#ifndef CVY_TRAIN_SETUP_H
#define CVY_TRAIN_SETUP_H

#include "train/run.h"

/* Makes a run: opens, plans, agrees, and initialises or resumes. On an error everything is given back. `run`
 * must stay where it is. This call is collective. */
cvy_err cvy_run_create(cvy_run *run, cvy_comm *comm, const cvy_recipe *recipe,
                       const cvy_train_options *options) CVY_MUST_CHECK;
/* Makes of a run what decides its steps and its rates: network, learner, data. It has no folder and no
 * weights, and cannot be trained. The errors are those of cvy_run_create; the call is collective. */
cvy_err cvy_run_outline(cvy_run *run, cvy_comm *comm, const cvy_recipe *recipe) CVY_MUST_CHECK;
/* Goes back to the last checkpoint, or where there is none to the first weights. The state counts one roll
 * back more, which halves the rate. What the metrics have of later steps is cut off. The call is
 * collective. */
cvy_err cvy_run_go_back(cvy_run *run) CVY_MUST_CHECK;
/* Ends the threads; no further step can be made. */
void cvy_run_rest(cvy_run *run);
void cvy_run_destroy(cvy_run *run);

#endif
