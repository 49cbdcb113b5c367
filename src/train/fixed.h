/* Images made once, which serve as every microbatch of steps that are made for their time only. */
#ifndef CVY_TRAIN_FIXED_H
#define CVY_TRAIN_FIXED_H

#include "data/loader.h"
#include "net/net.h"

typedef struct cvy_fixed {
  float *images;   /* [n][h][w][c] */
  int32_t *labels; /* [n] */
} cvy_fixed;

/* Makes black images of class 0, as the net takes them. */
cvy_err cvy_fixed_create(cvy_fixed *out, const cvy_net_info *net) CVY_MUST_CHECK;
void cvy_fixed_destroy(cvy_fixed *fixed);
/* Makes samples normally distributed and labels uniformly, the same ones always. */
void cvy_fixed_fill(const cvy_fixed *fixed, const cvy_net_info *net);

static inline cvy_microbatch cvy_fixed_microbatch(const cvy_fixed *fixed) {
  return (cvy_microbatch){.images = fixed->images, .labels = fixed->labels};
}

#endif
