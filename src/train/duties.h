/* What is due after a step: checks, validation, checkpoints. */
#ifndef CVY_TRAIN_DUTIES_H
#define CVY_TRAIN_DUTIES_H

#include "train/run.h"

/* Does what is due after the step that was just made. If `stops`, no step will follow it now. This call is
 * collective. */
cvy_err cvy_duties_after_step(cvy_run *run, bool stops) CVY_MUST_CHECK;
/* Validates an epoch whose steps were all made by an earlier run of the program, which ended before it had
 * validated. This call is collective. */
cvy_err cvy_duties_left(cvy_run *run) CVY_MUST_CHECK;
/* Writes the last checkpoint as the run stands. All ranks must have all weights. This call is collective. */
void cvy_duties_save(cvy_run *run);
/* Puts the score of the weights as they are into run->val_score, and that of averaged ones into
 * run->ema_score, if the recipe has validation data. This call is collective. */
cvy_err cvy_duties_validate(cvy_run *run) CVY_MUST_CHECK;

#endif
