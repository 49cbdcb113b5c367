/* Left becomes right, now and then (Krizhevsky et al. 2012, section 4.1). In evaluation nothing happens. */
#include "augment/augmentation.h"

typedef struct config {
  double probability;
} config;

static const cvy_option options[] = {
    {.name = "probability",
     .type = CVY_FLOAT,
     .offset = offsetof(config, probability),
     .fallback = "0.5",
     .min = 0,
     .max = 1,
     .help = "how often"},
    {0},
};

static cvy_err apply(cvy_picture *picture, const void *c, cvy_augment_call *call) {
  const double probability = ((const config *)c)->probability;
  if (call->training && cvy_random_next_uniform(&call->random, 0, 1) < probability)
    return cvy_picture_mirror(picture, call->canvas);
  return CVY_OK;
}

const cvy_augmentation cvy_augmentation_mirror = {
    .kind = {"mirror", "left becomes right, now and then; never in evaluation", options, sizeof(config)},
    .size = cvy_augment_same_size,
    .apply = apply,
};
