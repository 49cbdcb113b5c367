/* The prefetching loader. Its threads read, decode, augment and normalise microbatches ahead of the training step.
 * Everything random is keyed by (seed, epoch, sample), so the stream of samples does not know about ranks or
 * threads. Nothing here is collective; MPI is never called. */
#ifndef CVY_DATA_LOADER_H
#define CVY_DATA_LOADER_H

#include "augment/chain.h"
#include "data/dataset.h"

typedef enum cvy_shuffle {
  CVY_SHUFFLE_FULL, /* any record may follow any other */
  CVY_SHUFFLE_BLOCK,
  CVY_SHUFFLE_NONE
} cvy_shuffle;
extern const char *const cvy_shuffle_words[]; /* "full", "block", "none" */

/* CVY_SHUFFLE_BLOCK: an epoch's blocks of `block` neighbouring records come in random order, and the records of each
 * `window` consecutive blocks in random order again, so that the files are read block by block. */
typedef struct cvy_blocks {
  int64_t block, window;
} cvy_blocks;

/* Step s trains on positions s*B ... s*B+B-1 of an endless stream of epochs, B = microbatch * per_step:
 * position p is place p mod count of epoch p / count, whose order is a permutation keyed by (seed, epoch).
 * Microbatch m of the step holds B's images m*microbatch ... +microbatch-1; this loader delivers those of
 * first ... first+own-1, for the steps first_step ... end_step-1, in order. Without shuffling, position p is
 * image p, and positions past the last image deliver zeros with label -1 (evaluation).
 *
 * Where the chain mixes pictures, those at positions 2i and 2i+1 become each other's partners: random ones, as the stream is
 * shuffled. Where it makes V views (in evaluation), each microbatch comes V times, as view 0 ... V-1. */
typedef struct cvy_loader_config {
  cvy_dataset *dataset;       /* outlives the loader; several loaders may read it */
  const cvy_augment *augment; /* NULL: none */
  bool training;       /* shuffle, and random augmentation; else the augmentation's deterministic form */
  cvy_shuffle shuffle; /* of training */
  cvy_blocks blocks;   /* of CVY_SHUFFLE_BLOCK */
  uint64_t seed;
  int64_t h, w, c; /* the network's input */
  int64_t microbatch, per_step;
  int64_t first, own;
  int64_t first_step, end_step;
  int64_t depth;   /* microbatches kept ready, at least 2 */
  int64_t threads; /* that read, decode and augment; at least 1 */
  bool
      skips_bad; /* a record that cannot be read is replaced by the next one, with a warning; else it is an error */
  float mean[CVY_MAX_CHANNELS], deviation[CVY_MAX_CHANNELS]; /* input = (sample - mean) / deviation */
} cvy_loader_config;

typedef struct cvy_microbatch {
  const float *images;   /* [microbatch][h][w][c], 64-byte aligned */
  const int32_t *labels; /* [microbatch] */
  /* [microbatch]: where the chain mixes pictures, else NULL: the label of the other picture in each, and the weight of
   * the own label, 0 ... 1 */
  const int32_t *partners;
  const float *shares;
  int64_t skipped; /* bad records that were replaced on the way to these images */
} cvy_microbatch;

typedef struct cvy_loader cvy_loader;
cvy_err cvy_loader_create(cvy_loader **out, const cvy_loader_config *config) CVY_MUST_CHECK;
void cvy_loader_destroy(cvy_loader *loader); /* stops the threads, also in mid-stream */
/* Waits for the next microbatch; it stays valid until cvy_loader_release. An error of the loader's threads comes
 * out here, with the file and record. No allocation. */
cvy_err cvy_loader_next(cvy_microbatch *out, cvy_loader *loader) CVY_MUST_CHECK;
void cvy_loader_release(cvy_loader *loader);
/* Seconds that all threads together have spent so far: reading and verifying bytes; decoding; scaling, turning and bending
 * what is in sight (with the normalising of its rows, which is part of the same loop); augmentations that compute samples;
 * and pictures whose pixels are at most moved or mirrored, from bytes to normalised floats. */
typedef struct cvy_input_times {
  double read_s, decode_s, warp_s, colour_s, copy_s;
} cvy_input_times;
cvy_input_times cvy_loader_times(cvy_loader *loader);
/* Seconds that cvy_loader_next has waited so far. */
double cvy_loader_waited_s(const cvy_loader *loader);

#endif
