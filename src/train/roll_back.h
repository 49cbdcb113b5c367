/* What a run does once it has diverged. */
#ifndef CVY_TRAIN_ROLL_BACK_H
#define CVY_TRAIN_ROLL_BACK_H

#include "train/run.h"

/* Answers a divergence as the recipe says. Either the run ends with the error `err`, to which a hint is
 * added, or it goes back to its last checkpoint (to its first weights where there is none) and halves its
 * learning rate. This call is collective. */
cvy_err cvy_roll_back(cvy_run *run, cvy_err err) CVY_MUST_CHECK;

#endif
