/* The endless stream of epochs: position p is place p mod count of epoch p / count. With shuffling each
 * epoch is a permutation of its own, keyed by (seed, epoch); without, position p of an epoch is image p. A
 * pure function: nothing is stored, so any rank can ask for any position at any time.
 *
 * Shuffled in blocks, neighbours of the file stay near each other in the stream: the epoch's blocks of
 * `block` records, the last of which may be short, come in random order, and within each window of
 * `window` of them the records do. */
#ifndef CVY_DATA_SAMPLER_H
#define CVY_DATA_SAMPLER_H

#include "data/stream.h"

typedef struct cvy_sample {
  int64_t epoch, index; /* of the image in the dataset */
} cvy_sample;

/* The image at position >= 0 of the stream over count > 0 images. */
cvy_sample cvy_sample_at(uint64_t seed, int64_t count, bool shuffle, int64_t position);
/* The same for a stream that is shuffled in blocks. */
cvy_sample cvy_sample_in_blocks(uint64_t seed, int64_t count, const cvy_blocks *blocks, int64_t position);

/* A window of the stream in blocks: `number` counts from the first of epoch 0, and it holds the positions
 * first ... first+count-1. */
typedef struct cvy_shuffle_window {
  int64_t number, first, count;
} cvy_shuffle_window;
cvy_shuffle_window cvy_shuffle_window_at(uint64_t seed, int64_t count, const cvy_blocks *blocks,
                                         int64_t position);

#endif
