/* Each picture of a pair becomes a weighted mean of both, and so do their labels (Zhang et al. 2018,
 * "mixup: beyond empirical risk minimization", section 2). */
#include "augment/augmentation.h"

typedef struct config {
  double alpha;
} config;

static const cvy_option options[] = {
    {.name = "alpha",
     .type = CVY_FLOAT,
     .offset = offsetof(config, alpha),
     .fallback = "0.2",
     .min = 1e-3,
     .max = 1e3,
     .help =
         "the weight is drawn from Beta(alpha, alpha): below 1 mostly near 0 or 1, above mostly near a half"},
    {0},
};

static void mix(cvy_pair *pair, const void *c, cvy_augment_call *call) {
  const float own = (float)cvy_random_next_beta(&call->random, ((const config *)c)->alpha);
  const float rest = 1.0f - own;
  float *restrict a = pair->a, *restrict b = pair->b;
  for (int64_t i = 0; i < pair->h * pair->w * pair->c; i++) {
    const float x = a[i], y = b[i];
    a[i] = own * x + rest * y;
    b[i] = own * y + rest * x;
  }
  pair->share = own;
}

const cvy_augmentation cvy_augmentation_mixup = {
    .kind = {"mixup",
             "pictures and their labels become weighted means by twos; stands last, never in evaluation",
             options, sizeof(config)},
    .example = "{alpha: 2}",
    .size = cvy_augment_same_size,
    .mix = mix,
};
