/* The file through which ranks see how far the others are, and the line that tells the user. */
#ifndef CVY_PREPARE_PROGRESS_H
#define CVY_PREPARE_PROGRESS_H

#include "prepare/job.h"

/* Rank 0 makes the file, in the work folder. */
cvy_err cvy_prepare_start_progress(cvy_prepare_job *j) CVY_MUST_CHECK;
/* Every rank opens it. */
cvy_err cvy_prepare_join_progress(cvy_prepare_job *j) CVY_MUST_CHECK;
void cvy_prepare_end_progress(cvy_prepare_job *j);

/* Tells the others how far this rank is, and whether it failed. From time to time it looks at the others, and
 * sets j->stop if one of them has failed, or if they have rejected too much together. It shows the progress
 * of `split`. */
void cvy_prepare_beat(cvy_prepare_job *j, const char *split, bool failed);
/* Shows the last line of the progress. */
void cvy_prepare_show_done(const cvy_prepare_job *j);

#endif
