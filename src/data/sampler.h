/* The endless stream of epochs: position p is place p mod count of epoch p / count. With shuffling each epoch
 * is a permutation of its own, keyed by (seed, epoch). Without it, position p of an epoch is image p. These
 * are pure functions: nothing is stored, so any rank can ask for any position at any time.
 *
 * Where the stream is shuffled in blocks, neighbours of the file stay near each other. The epoch's blocks of
 * `block` records, the last of which may be short, come in random order. Within each window of `window`
 * blocks, the records come in random order. */
#ifndef CVY_DATA_SAMPLER_H
#define CVY_DATA_SAMPLER_H

#include "data/stream.h"

typedef struct cvy_sample {
  int64_t epoch, index; /* index of the image in the dataset */
} cvy_sample;

/* Returns the image at position >= 0 of the stream over count > 0 images. */
cvy_sample cvy_sample_at(uint64_t seed, int64_t count, bool shuffle, int64_t position);
/* Returns the image at a position of a stream that is shuffled in blocks. */
cvy_sample cvy_sample_in_blocks(uint64_t seed, int64_t count, const cvy_blocks *blocks, int64_t position);

/* A window of the stream in blocks: `number` counts from the first of epoch 0, and it holds the positions
 * first ... first+count-1. */
typedef struct cvy_shuffle_window {
  int64_t number, first, count;
} cvy_shuffle_window;
cvy_shuffle_window cvy_shuffle_window_at(uint64_t seed, int64_t count, const cvy_blocks *blocks,
                                         int64_t position);

#endif
