/* What `convoy prepare` is asked for, and what it answers. */
#ifndef CVY_PREPARE_CONFIG_H
#define CVY_PREPARE_CONFIG_H

#include "comm/comm.h"
#include "datasets/reader.h"

enum {
  CVY_PREPARE_SPLITS = 8,     /* at most */
  CVY_PREPARE_SPLIT_NAME = 31 /* bytes of a split's name at most */
};

typedef struct cvy_prepare_config {
  const cvy_reader *reader;
  const void *reader_config;
  const cvy_prepare_input *inputs;
  int64_t input_count;
  const char *dir;
  /* This cuts inputs without a split's name: by fractions of the shuffled records, "train=0.9,val=0.1", where
   * less than 1 in all leaves some out; or by places in the source's order, "train=first:3500,val=next:400".
   * If it is NULL, the splits are those that the source itself knows (cvy_reader.find_splits), or else those
   * fractions. */
  const char *split;
  int64_t shards;    /* a split; 0: as many as keep a shard under shard_mib */
  int64_t shard_mib; /* 0: 256 */
  int64_t h, w;      /* 0: the reader's default */
  int64_t shorter;   /* not 0, instead of h and w: JPEG files whose shorter side is at most this */
  int64_t quality;   /* 1 to 100 of the JPEG files that are written; 0: 90 */
  bool encoded;      /* keep JPEG and PNG bytes as they came */
  bool ignore_exif;  /* leave turned pictures as they are stored */
  /* More records than this that cannot be read are an error: "20", "0.5%". NULL stands for 1 %, but at least
   * 10. */
  const char *max_rejected;
  bool allow_missing_classes; /* a split may lack some of train's classes */
  cvy_tolerance tolerance;    /* which files that end early are mended, so that their pictures are kept */
  uint64_t seed;
  cvy_comm *comm; /* all of its ranks work on it; NULL: this process alone */
} cvy_prepare_config;

typedef struct cvy_prepare_result {
  struct {
    char split[CVY_PREPARE_SPLIT_NAME + 1];
    int64_t images, shards, bytes;
  } splits[CVY_PREPARE_SPLITS];
  int64_t split_count, class_count;
  int64_t rejected; /* records that could not be read; DIR/rejected.csv names them */
  int64_t mended;   /* records whose files end early, and that were kept; DIR/mended.csv names them */
  bool is_refused;  /* a reader has refused an input, and the error does not say which other one reads it */
} cvy_prepare_result;

#endif
