/* The work folder, in which finished shards wait where a killed run finds them again. */
#ifndef CVY_PREPARE_WORK_H
#define CVY_PREPARE_WORK_H

#include "prepare/job.h"

/* Rank 0 makes the folder and the work folder and locks it, or finds what a run with the same plan has
 * left there and fills in j->entries. */
cvy_err cvy_prepare_open_work(cvy_prepare_job *j) CVY_MUST_CHECK;
void cvy_prepare_close_work(cvy_prepare_job *j);

/* Writes the journal of a shard. Unless it is `finished`, the journal only tells what a rank that stops has
 * found so far. */
cvy_err cvy_prepare_write_journal(const cvy_prepare_job *j, int64_t shard, const cvy_remarks *remarks,
                                  bool finished) CVY_MUST_CHECK;
/* Gathers the remarks on the records of all shards, in the order of the source. The caller frees them, also
 * after an error. */
cvy_err cvy_prepare_all_remarks(cvy_remarks *out, const cvy_prepare_job *j) CVY_MUST_CHECK;
/* Puts rejected.csv and mended.csv in the place of an earlier run's. Where a list is empty, its file is
 * removed. */
cvy_err cvy_prepare_write_remarks(const cvy_prepare_job *j, const cvy_remarks *remarks) CVY_MUST_CHECK;

/* Writes into a shard what depends on the others. */
cvy_err cvy_prepare_seal_shard(cvy_prepare_job *j, int64_t shard, int64_t first_record,
                               const cvy_shard_statistics *statistics) CVY_MUST_CHECK;
/* Rank 0 puts the sealed shards in the place of an earlier run's, and removes the work folder. */
cvy_err cvy_prepare_publish(cvy_prepare_job *j) CVY_MUST_CHECK;
/* After an error rank 0 keeps finished shards without rejected records for the next run. */
void cvy_prepare_leave_work(cvy_prepare_job *j);

#endif
