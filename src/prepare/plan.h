/* What will be made of which inputs. Everything that can be refused is refused here, before the output
 * folder is touched. */
#ifndef CVY_PREPARE_PLAN_H
#define CVY_PREPARE_PLAN_H

#include "prepare/job.h"

/* Opens the inputs and fills in the groups, the parts, how records are stored, `plan` and `work_dir`. Every
 * rank comes to the same plan. It fails with CVY_E_USAGE or CVY_E_INPUT, as cvy_prepare says. */
cvy_err cvy_prepare_plan(cvy_prepare_job *j) CVY_MUST_CHECK;
/* Closes what the plan has opened, also after an error. */
void cvy_prepare_close_sources(cvy_prepare_job *j);

/* Returns the part that a shard belongs to. */
const cvy_prepare_part *cvy_prepare_part_of(const cvy_prepare_job *j, int64_t shard);

#endif
