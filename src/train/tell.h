/* What a run tells as it goes: to people on the terminal, and in metrics.jsonl. Only rank 0 is heard. */
#ifndef CVY_TRAIN_TELL_H
#define CVY_TRAIN_TELL_H

#include "train/run.h"

/* Tells, before the first step, what will be trained on what. */
void cvy_tell_start(const cvy_run *run);
/* Tells that the next step begins, which may take long. */
void cvy_tell_begin(const cvy_run *run);
/* Shows how far the run is, after the first step and then from time to time. */
void cvy_tell_step(cvy_run *run, double rate);
/* Tells of the steps since the last line of metrics. A line that cannot be written ends the job. */
void cvy_tell_interval(cvy_run *run, double rate);
/* Tells of the epoch that ended with the last step, by its score in training and, if there was one, in
 * validation. A line that cannot be written ends the job. */
void cvy_tell_epoch(const cvy_run *run, const cvy_score *training, bool is_best);
/* Tells that the run has gone back to the step where it stands now, and why. A line that cannot be written
 * ends the job. */
void cvy_tell_going_back(const cvy_run *run, const char *why, int64_t diverged_at);
/* Tells that a phase has begun (train/freezing.h), in which so many parameters more learn than before. */
void cvy_tell_phase(const cvy_run *run, int64_t more);
/* Warns of bad records that were replaced in the epoch, in so many images of training and of validation. */
void cvy_tell_skipped(const cvy_run *run, int64_t training, int64_t validation);

#endif
