/* Makes one shard of its records. */
#ifndef CVY_PREPARE_WRITE_H
#define CVY_PREPARE_WRITE_H

#include "prepare/job.h"

/* Writes shard `shard` and its journal into the work folder; j->entries[shard] tells what came out. It does
 * nothing, or stops midway, where j->stop is set. */
cvy_err cvy_prepare_write_shard(cvy_prepare_job *j, int64_t shard) CVY_MUST_CHECK;
void cvy_prepare_free_workers(cvy_prepare_job *j);

#endif
