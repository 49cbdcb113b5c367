/* Which microbatches a loader delivers, and how they are made. */
#ifndef CVY_DATA_STREAM_H
#define CVY_DATA_STREAM_H

#include "augment/chain.h"
#include "data/dataset.h"

typedef enum cvy_shuffle {
  CVY_SHUFFLE_FULL, /* any record may follow any other */
  CVY_SHUFFLE_BLOCK,
  CVY_SHUFFLE_NONE
} cvy_shuffle;
extern const char *const cvy_shuffle_words[]; /* "full", "block", "none" */

/* The blocks of CVY_SHUFFLE_BLOCK. An epoch's blocks of `block` neighbouring records come in random order,
 * and the records of each `window` consecutive blocks in random order again. So the files are read block by
 * block. */
typedef struct cvy_blocks {
  int64_t block, window;
} cvy_blocks;

/* Step s trains on positions s*B ... s*B+B-1 of an endless stream of epochs, where B = microbatch * per_step.
 * Position p is place p mod count of epoch p / count, whose order is a permutation keyed by (seed, epoch).
 * Microbatch m of the step holds B's images m*microbatch ... +microbatch-1. This loader delivers those of
 * first ... first+own-1, for the steps first_step ... end_step-1, in order. Without shuffling, position p is
 * image p, and positions past the last image deliver zeros with label -1 (evaluation).
 *
 * Where the chain mixes pictures, those at positions 2i and 2i+1 become each other's partners, which are
 * random as the stream is shuffled. Where it makes V views (in evaluation), each microbatch comes V times, as
 * view 0 ... V-1. */
typedef struct cvy_loader_config {
  cvy_dataset *dataset;       /* outlives the loader; several loaders may read it */
  const cvy_augment *augment; /* NULL: none */
  bool training;       /* shuffle, and random augmentation; else the augmentation's deterministic form */
  cvy_shuffle shuffle; /* order in training */
  cvy_blocks blocks;   /* the blocks of CVY_SHUFFLE_BLOCK */
  uint64_t seed;
  int64_t h, w, c; /* the network's input */
  int64_t microbatch, per_step;
  int64_t first, own;
  int64_t first_step, end_step;
  int64_t depth;   /* microbatches kept ready, at least 2 */
  int64_t threads; /* threads that read, decode and augment; at least 1 */
  bool skips_bad;  /* the next record replaces one that cannot be read, with a warning; else it is an error */
  float mean[CVY_MAX_CHANNELS], deviation[CVY_MAX_CHANNELS]; /* input = (sample - mean) / deviation */
} cvy_loader_config;

#endif
