/* From a source to shards: the whole of `convoy prepare`. */
#ifndef CVY_PREPARE_PREPARE_H
#define CVY_PREPARE_PREPARE_H

#include "comm/comm.h"
#include "datasets/reader.h"

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
  int64_t shards;    /* a split; 0: as many as keep a shard under shard_mib */
  int64_t shard_mib; /* 0: 256 */
  int64_t h, w;      /* 0: the reader's default */
  int64_t shorter;   /* not 0, instead of h and w: JPEG files whose shorter side is at most this */
  int64_t quality;   /* 1 to 100 of the JPEG files that are written; 0: 90 */
  bool encoded;      /* keep JPEG and PNG bytes as they came */
  bool ignore_exif;  /* leave turned pictures as they are stored */
  /* "20", "0.5%": more records than this that cannot be read are an error. NULL: 1 %, but at least 10. */
  const char *max_rejected;
  uint64_t seed;
  cvy_comm *comm; /* all of its ranks work on it; NULL: this process alone */
} cvy_prepare_config;

typedef struct cvy_prepare_result {
  struct {
    char split[32];
    int64_t images, shards, bytes;
  } splits[8];
  int64_t split_count, class_count;
  int64_t rejected; /* records that could not be read; DIR/rejected.csv names them */
} cvy_prepare_result;

/* Reads every record, puts the records in an order keyed by the seed, cuts it into splits of exact sizes, and
 * writes each split's shards, all with the statistics of the split "train" (of the first, if there is none).
 * Records that cannot be read are left out and listed. Makes the folder; replaces shards of the same splits
 * from an earlier run, and removes those that had another number of shards; other splits' shards stay. The
 * same arguments give the same bytes, at any number of ranks and threads, and however often the run was
 * killed and begun again: what is finished waits in DIR/.convoy-prepare. Shows progress. Collective; the
 * shards are shared out over the ranks, the records of a shard over a rank's threads.
 *
 * Wrong arguments are CVY_E_USAGE; missing, empty and malformed inputs that are found before the folder is
 * touched CVY_E_INPUT; too many unreadable records CVY_E_RUN; a full disk CVY_E_SYSTEM. On any error no shard
 * of this run stands under its final name. */
cvy_err cvy_prepare(cvy_prepare_result *out, const cvy_prepare_config *config) CVY_MUST_CHECK;

#endif
