/* Normalising rows of samples: (sample - mean) / deviation. */
#ifndef CVY_PICTURE_NORMALISE_H
#define CVY_PICTURE_NORMALISE_H

#include "picture/picture.h"

/* Along a row the channels come round. This many samples are a whole number of channels and of vectors. */
enum { CVY_ROUND = 12 * 16 };

/* The normaliser's numbers, as often as a round has room for them. */
typedef struct cvy_round {
  float mean[CVY_ROUND], deviation[CVY_ROUND];
} cvy_round;
void cvy_round_set(cvy_round *out, const cvy_normaliser *n, int64_t c);

/* Normalises a row of `count` samples in place. */
void cvy_normalise_line(float *restrict out, const cvy_round *restrict around, int64_t count);
/* Normalises a row of bytes, whose quotients are those of the normaliser's table. */
void cvy_normalise_bytes(float *restrict out, const uint8_t *restrict in, const cvy_round *restrict around,
                         int64_t count);

#endif
