/* The endless stream of epochs: position p is place p mod count of epoch p / count. With shuffling each epoch
 * is a permutation of its own, keyed by (seed, epoch); without, position p of an epoch is image p. A pure
 * function: nothing is stored, so any rank can ask for any position at any time. */
#ifndef CVY_DATA_SAMPLER_H
#define CVY_DATA_SAMPLER_H

#include <convoy/base.h>

typedef struct cvy_sample {
  int64_t epoch, index; /* of the image in the dataset */
} cvy_sample;

/* position >= 0, 0 < count */
cvy_sample cvy_sample_at(uint64_t seed, int64_t count, bool shuffle, int64_t position);

#endif
