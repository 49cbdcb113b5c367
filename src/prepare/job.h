/* The data of one run of `convoy prepare`. What is done with it is in plan.h, write.h, work.h and
 * progress.h. */
#ifndef CVY_PREPARE_JOB_H
#define CVY_PREPARE_JOB_H

#include "data/shard.h"
#include "prepare/config.h"

typedef struct cvy_prepare_group {
  const char *split;              /* NULL: to be cut by --split */
  const char **inputs, **folders; /* [input_count]; a folder is what is left off the records' names */
  int64_t input_count;
  bool open;
  cvy_source source;
  int32_t *labels; /* the job's number of each class of the source, or -1; NULL: it is the source's own */
} cvy_prepare_group;

typedef struct cvy_prepare_part {
  const char *split;
  int64_t group, first, count;      /* places first ... first+count-1 of the group's order */
  bool by_place;                    /* that order is the source's own, and the part is shuffled by itself */
  int64_t shard_count, first_shard; /* numbered through all parts */
} cvy_prepare_part;

typedef enum cvy_prepare_stage {
  CVY_SHARD_MISSING,
  CVY_SHARD_WRITTEN, /* all but its statistics */
  CVY_SHARD_SEALED
} cvy_prepare_stage;

/* What is known of a shard. It is whole numbers only, so that ranks can add up what each has made. */
typedef struct cvy_prepare_entry {
  int64_t stage, records, rejected, mended;
  cvy_pixel_sums sums; /* sums of the measured part, else 0 */
} cvy_prepare_entry;

/* What there is to say of a record. */
typedef struct cvy_note {
  int64_t group, index; /* index in the source */
  bool mendable;        /* it is rejected, and --tolerate truncated would have kept it */
  char *line;           /* its line of rejected.csv or mended.csv; free() */
  char *reason;         /* "NAME: REASON"; free() */
} cvy_note;

typedef struct cvy_notes {
  cvy_note *items;
  int64_t count, capacity;
} cvy_notes;

typedef struct cvy_remarks {
  cvy_notes rejected; /* records that cannot be read: rejected.csv */
  cvy_notes mended;   /* records whose files end early, and that are kept nevertheless: mended.csv */
} cvy_remarks;

typedef struct cvy_prepare_worker cvy_prepare_worker; /* what one thread needs; write.c */

typedef struct cvy_prepare_job {
  const cvy_prepare_config *config;
  cvy_pool *pool;
  int rank, size;
  cvy_prepare_group groups[CVY_PREPARE_SPLITS];
  cvy_prepare_part parts[CVY_PREPARE_SPLITS];
  int64_t group_count, part_count, shard_count;
  const cvy_prepare_group *leader; /* the group whose classes are the job's */
  const char *const *class_names;
  int64_t class_count;
  bool encoded;
  int64_t shorter, quality;
  int64_t measured;             /* the part whose statistics go into all shards */
  int64_t total, most_rejected; /* records */
  cvy_prepare_entry *entries;   /* [shard_count] */
  cvy_prepare_worker *workers;
  bool is_refused; /* as in cvy_prepare_result */

  /* These are of progress: */
  double start_s, looked_s;
  int64_t done_before, rejected_before; /* records of shards that an earlier run made */
  int64_t done, rejected;               /* records of this rank */
  bool stop;                            /* another rank has failed, or too much is rejected */

  /* These are of the work folder: */
  char *work_dir, *plan; /* plan: what decides about the bytes, as text */
  bool made_dir;
  struct cvy_lock *lock; /* the lock of the work folder, on rank 0 */
  int beats_fd;
} cvy_prepare_job;

#endif
