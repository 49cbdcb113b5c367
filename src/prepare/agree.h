/* The classes of a run of `convoy prepare`, which are those of the split train. All other splits follow
 * it. */
#ifndef CVY_PREPARE_AGREE_H
#define CVY_PREPARE_AGREE_H

#include "prepare/job.h"

/* Finds the job's classes once all groups are open, and maps each group's own labels to them by name. A class
 * that a split lacks is an error unless the configuration allows it; so is one that train lacks, always. */
cvy_err cvy_prepare_agree_classes(cvy_prepare_job *job) CVY_MUST_CHECK;

#endif
