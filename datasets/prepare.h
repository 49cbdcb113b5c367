/* From a source to shards: the whole of `convoy prepare`. */
#ifndef CVY_DATASETS_PREPARE_H
#define CVY_DATASETS_PREPARE_H

#include "reader.h"

typedef struct cvy_prepare_config {
  const cvy_reader *reader;
  const void *reader_config;
  const cvy_prepare_input *inputs;
  int64_t input_count;
  const char *dir;
  /* "train=0.9,val=0.1" cuts inputs without a split's name; less than 1 in all leaves records out. NULL,
   * nothing given: the splits that the source itself knows (cvy_reader.find_splits), else the fractions
   * above. */
  const char *fractions;
  int64_t shards; /* a split; 0: as many as keep a shard under 256 MiB */
  int64_t h, w;   /* 0: the reader's default */
  bool encoded;   /* keep JPEG and PNG bytes as they came */
  uint64_t seed;
} cvy_prepare_config;

typedef struct cvy_prepare_result {
  struct {
    char split[32];
    int64_t images, shards, bytes;
  } splits[8];
  int64_t split_count, class_count;
} cvy_prepare_result;

/* Reads every record, puts the records in an order keyed by the seed, cuts it into splits of exact sizes, and
 * writes each split's shards, all with the mean and deviation of the split "train" (of the first, if there is
 * none). Makes the folder; replaces shards of the same splits from an earlier run, and removes those that had
 * another number of shards; other splits' shards stay. The same arguments give the same bytes. Shows
 * progress.
 *
 * Wrong arguments are CVY_E_USAGE; missing, empty and malformed inputs that are found before the folder is
 * touched CVY_E_INPUT; a damaged picture that is found when its turn comes CVY_E_RUN; a full disk
 * CVY_E_SYSTEM. On any error no shard of this run stands under its final name. */
cvy_err cvy_prepare(cvy_prepare_result *out, const cvy_prepare_config *config) CVY_MUST_CHECK;

#endif
