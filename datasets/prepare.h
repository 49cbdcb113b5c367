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
  const char *fractions; /* "train=0.9,val=0.1" */
  int64_t shards;        /* a split; 0: as many as keep a shard under 256 MiB */
  int64_t h, w;          /* 0: the reader's default */
  bool encoded;          /* keep JPEG and PNG bytes as they came */
  uint64_t seed;
} cvy_prepare_config;

typedef struct cvy_prepare_result {
  struct {
    char split[32];
    int64_t images, shards, bytes;
  } splits[8];
  int64_t split_count, class_count;
} cvy_prepare_result;

/* Reads every record, spreads them over the splits (a counted random number a record), shuffles each split by
 * the seed, writes its shards, and the training split's mean and deviation into all of them. Shows progress.
 * On any error no shard stands under its final name. */
cvy_err cvy_prepare(cvy_prepare_result *out, const cvy_prepare_config *config) CVY_MUST_CHECK;

#endif
