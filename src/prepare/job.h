/* What the files of `convoy prepare` share: prepare.c plans and leads, prepare_write.c makes shards of records,
 * prepare_work.c keeps what is finished where a killed run finds it again. */
#ifndef CVY_PREPARE_JOB_H
#define CVY_PREPARE_JOB_H

#include "data/shard.h"
#include "prepare/prepare.h"

enum {
  CVY_PREPARE_SPLITS = CVY_COUNT(((cvy_prepare_result *)0)->splits),
  CVY_PREPARE_SPLIT_NAME = 31 /* bytes */
};

typedef struct cvy_prepare_group {
  const char *split;              /* NULL: to be cut by fractions */
  const char **inputs, **folders; /* folders: what is left off the records' names */
  int64_t input_count;
  bool open;
  cvy_source source;
} cvy_prepare_group;

typedef struct cvy_prepare_part {
  const char *split;
  int64_t group, first, count;      /* places first ... first+count-1 of the group's order */
  int64_t shard_count, first_shard; /* numbered through all parts */
} cvy_prepare_part;

typedef enum cvy_prepare_stage {
  CVY_SHARD_MISSING,
  CVY_SHARD_WRITTEN, /* all but its statistics */
  CVY_SHARD_SEALED
} cvy_prepare_stage;

/* What is known of a shard; whole numbers only, so that ranks can add up what each has made. */
typedef struct cvy_prepare_entry {
  int64_t stage, records, rejected;
  cvy_pixel_sums sums; /* of the measured part, else 0 */
} cvy_prepare_entry;

typedef struct cvy_reject {
  int64_t group, index; /* in the source */
  char *line;           /* of rejected.csv; free() */
  char *reason;         /* "NAME: REASON"; free() */
} cvy_reject;

typedef struct cvy_rejects {
  cvy_reject *items;
  int64_t count, capacity;
} cvy_rejects;

typedef struct cvy_prepare_worker cvy_prepare_worker; /* what one thread needs; prepare_write.c */

typedef struct cvy_prepare_job {
  const cvy_prepare_config *config;
  cvy_pool *pool;
  int rank, size;
  cvy_prepare_group groups[CVY_PREPARE_SPLITS];
  cvy_prepare_part parts[CVY_PREPARE_SPLITS];
  int64_t group_count, part_count, shard_count;
  bool encoded;
  int64_t shorter, quality;
  int64_t measured;             /* the part whose statistics go into all shards */
  int64_t total, most_rejected; /* records */
  cvy_prepare_entry *entries;   /* [shard_count] */
  cvy_prepare_worker *workers;
  /* progress */
  double start_s, looked_s;
  int64_t done_before, rejected_before; /* records of shards that an earlier run made */
  int64_t done, rejected;               /* of this rank */
  bool stop;                            /* another rank has failed, or too much is rejected */
  /* the work folder */
  char *work_dir, *plan; /* plan: what decides about the bytes, as text */
  bool made_dir;
  int lock_fd, beats_fd;
} cvy_prepare_job;

const cvy_prepare_part *cvy_prepare_part_of(const cvy_prepare_job *j, int64_t shard);

/* ---- prepare_write.c ---- */

/* Writes shard `shard` into the work folder and its journal; j->entries[shard] tells what came out. Does
 * nothing, or stops midway, where j->stop is. */
cvy_err cvy_prepare_write_shard(cvy_prepare_job *j, int64_t shard) CVY_MUST_CHECK;
void cvy_prepare_free_workers(cvy_prepare_job *j);

/* ---- prepare_work.c ---- */

/* By rank 0: makes the folder and the work folder, or finds what a run with the same plan has left there and fills
 * in j->entries. */
cvy_err cvy_prepare_open_work(cvy_prepare_job *j) CVY_MUST_CHECK;
/* By every rank: opens the file through which ranks see each other's progress. */
cvy_err cvy_prepare_join_work(cvy_prepare_job *j) CVY_MUST_CHECK;
/* Tells the others how far this rank is and whether it failed; looks at the others from time to time. */
void cvy_prepare_beat(cvy_prepare_job *j, const char *split, bool failed);
/* The last line of it. */
void cvy_prepare_show_done(const cvy_prepare_job *j);
/* The journal of a shard that is written, or (finished: false) what a rank that stops has rejected of it. */
cvy_err cvy_prepare_write_journal(const cvy_prepare_job *j, int64_t shard, const cvy_rejects *rejects,
                                  bool finished) CVY_MUST_CHECK;
/* All that was rejected, in the order of the source. */
cvy_rejects cvy_prepare_all_rejects(const cvy_prepare_job *j);
/* Takes over the texts. */
void cvy_rejects_add(cvy_rejects *rejects, const cvy_reject *item);
void cvy_rejects_free(cvy_rejects *rejects);
/* Puts the list in place of an earlier run's; an empty one removes that. */
cvy_err cvy_prepare_write_rejects(const cvy_prepare_job *j, const cvy_rejects *rejects) CVY_MUST_CHECK;
cvy_err cvy_prepare_seal_shard(cvy_prepare_job *j, int64_t shard, int64_t first_record,
                               const cvy_shard_statistics *statistics) CVY_MUST_CHECK;
/* By rank 0: the sealed shards take the place of an earlier run's, and the work folder goes. */
cvy_err cvy_prepare_publish(cvy_prepare_job *j) CVY_MUST_CHECK;
/* By rank 0 after an error: keeps finished shards without rejected records for the next run. */
void cvy_prepare_leave_work(cvy_prepare_job *j);
void cvy_prepare_close_work(cvy_prepare_job *j);

#endif
