/* Writing shards. The format is in datasets/README.md.
 *
 * A shard is written under a temporary name, dir/train-00000-of-00004.h5.tmp. How many records it will
 * hold need not be known: their bytes wait in a nameless file on the same disk until the shard is closed,
 * because a contiguous dataset, which can be read without HDF5, must know its size. What depends on the
 * other shards of the set (statistics, number of the first record) is written at the end, by sealing it. */
#ifndef CVY_DATA_SHARD_H
#define CVY_DATA_SHARD_H

#include "data/pixel_sums.h"

typedef enum cvy_encoding {
  CVY_RAW,    /* uint8 samples, one size */
  CVY_ENCODED /* the bytes of a JPEG or PNG file, any size */
} cvy_encoding;

/* In version 1 records were spread over the shards by a formula, and names and colour were not kept. */
enum { CVY_SHARD_VERSION = 2 };
#define CVY_SHARD_FORMAT "convoy-shard"

/* One shard of a set. */
typedef struct cvy_shard_config {
  const char *dir, *split; /* the folder must be there */
  int64_t shard, shard_count;
  int64_t most; /* records at most */
  cvy_encoding encoding;
  int64_t h, w, c; /* CVY_RAW: of every image; CVY_ENCODED: c only */
  int64_t shorter; /* CVY_ENCODED: the shorter side to which larger pictures were scaled; 0: to none */
  int64_t class_count;
  const char *const *class_names; /* all texts and names outlive the writer */
} cvy_shard_config;

/* Returns dir/split-00000-of-00004.h5, in `pool`. */
char *cvy_shard_path(cvy_pool *pool, const char *dir, const char *split, int64_t shard, int64_t shard_count);

typedef struct cvy_shard cvy_shard;
/* Begins a shard under its temporary name. */
cvy_err cvy_shard_create(cvy_shard **out, const cvy_shard_config *config) CVY_MUST_CHECK;
/* Appends a record. `name` tells where it comes from and is copied; it may be NULL, but then for all
 * records of the shard. After an error only cvy_shard_abandon is allowed. */
cvy_err cvy_shard_add(cvy_shard *shard, const void *bytes, size_t byte_count, int32_t label,
                      const char *name) CVY_MUST_CHECK;
/* Writes what is known, syncs, and leaves the shard under its temporary name. The writer is freed. An error
 * has removed the file. */
cvy_err cvy_shard_close(cvy_shard *shard) CVY_MUST_CHECK;
void cvy_shard_abandon(cvy_shard *shard); /* removes the file; NULL is allowed */
/* Writes the rest into a closed shard, still under its temporary name, and syncs. This is to be done once: a
 * file that it has begun and not ended is lost. `path` is the final name. */
cvy_err cvy_shard_seal(const char *path, int64_t first_record, const cvy_shard_statistics *statistics,
                       int64_t channels) CVY_MUST_CHECK;

#endif
