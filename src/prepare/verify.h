/* The whole of `convoy verify`: it finds the records of a set that are not what was written, and drops
 * them. */
#ifndef CVY_PREPARE_VERIFY_H
#define CVY_PREPARE_VERIFY_H

#include "base/base.h"
#include <convoy/data.h>

struct cvy_lock;

/* Lists the splits whose shards are in the folder `path`, sorted, in `pool`. */
cvy_err cvy_verify_splits(const char ***out, int64_t *count, cvy_pool *pool, const char *path) CVY_MUST_CHECK;

typedef struct cvy_bad_record {
  int64_t index;       /* index in the split */
  const char *message; /* "FILE: record 17 (cats/7.jpg): truncated: ..." */
} cvy_bad_record;

typedef struct cvy_verification {
  cvy_pool *pool;
  cvy_dataset *dataset;
  int64_t images;    /* good and bad */
  int64_t *of_class; /* [class_count]: good ones */
  int64_t bad_count;
  cvy_bad_record *bad; /* the bad records, in their order */
} cvy_verification;

/* Reads all records with all threads, checks their checksums and decodes them; what opening checks is checked
 * too. Damage that leaves the records unreadable as a whole (a missing or foreign shard, a damaged table) is
 * CVY_E_INPUT; bad records are no error. Progress is shown. */
cvy_err cvy_verify(cvy_verification **out, const char *path, const char *split) CVY_MUST_CHECK;
void cvy_verification_free(cvy_verification *verification); /* NULL is allowed */

/* Puts new shards without the bad records in the place of the set's, all at once; statistics stay as they
 * are. A repair that was killed while it renamed is finished by cvy_verify_finish_repair, which must be
 * called before cvy_verify. */
cvy_err cvy_verify_repair(const cvy_verification *verification, const char *folder,
                          const char *split) CVY_MUST_CHECK;
cvy_err cvy_verify_finish_repair(const char *folder, const char *split) CVY_MUST_CHECK;
/* Keeps other repairs, and `convoy prepare`, away from the folder until cvy_verify_unlock. It fails with
 * CVY_E_INPUT if another is at work there, and names it. */
cvy_err cvy_verify_lock(struct cvy_lock **out, const char *folder) CVY_MUST_CHECK;
void cvy_verify_unlock(struct cvy_lock *lock, const char *folder); /* a lock of NULL is allowed */

#endif
