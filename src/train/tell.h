/* What a run tells as it goes: to people on the terminal, and in metrics.jsonl. Only rank 0 is heard. */
#ifndef CVY_TRAIN_TELL_H
#define CVY_TRAIN_TELL_H

#include "train/run.h"

/* Tells, before the first step, what will be trained on what. */
void cvy_tell_start(const cvy_run *run);
/* Tells of the steps since the last line of metrics. A line that cannot be written ends the job. */
void cvy_tell_interval(cvy_run *run, double rate);
/* Tells of the validation after the last step. A line that cannot be written ends the job. */
void cvy_tell_validation(const cvy_run *run, bool is_best);
/* Warns of bad records that were replaced in the epoch, in so many images of training and of validation. */
void cvy_tell_skipped(const cvy_run *run, int64_t training, int64_t validation);

#endif
