/* The pictures of a pair exchange a rectangle, and their labels are mixed by its area (Yun et al. 2019,
 * "CutMix", section 3.1). The rectangle is centred anywhere; what lies within the picture counts. */
#include "augment/augmentation.h"
#include "base/count.h"

#include <math.h>

typedef struct config {
  double alpha;
} config;

static const cvy_option options[] = {
    {.name = "alpha",
     .type = CVY_FLOAT,
     .offset = offsetof(config, alpha),
     .fallback = "1",
     .min = 1e-3,
     .max = 1e3,
     .help = "the share of the picture that stays is drawn from Beta(alpha, alpha); 1: any is as likely"},
    {0},
};

typedef struct span {
  int64_t begin, end;
} span;

/* Draws `part` of `whole` pixels around one of them, and cuts off what is outside. */
static span draw_span(int64_t whole, int64_t part, cvy_random *random) {
  const int64_t begin = cvy_random_next_below(random, whole) - part / 2, end = begin + part;
  return (span){cvy_larger(begin, 0), cvy_smaller(end, whole)};
}

static void exchange(float *restrict a, float *restrict b, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    const float kept = a[i];
    a[i] = b[i];
    b[i] = kept;
  }
}

static void mix(cvy_pair *pair, const void *c, cvy_augment_call *call) {
  const double drawn = cvy_random_next_beta(&call->random, ((const config *)c)->alpha);
  const double side = sqrt(1 - drawn);
  const span down = draw_span(pair->h, (int64_t)((double)pair->h * side), &call->random);
  const span across = draw_span(pair->w, (int64_t)((double)pair->w * side), &call->random);
  const int64_t part_h = down.end - down.begin, part_w = across.end - across.begin;
  for (int64_t y = down.begin; y < down.end; y++) {
    const int64_t at = (y * pair->w + across.begin) * pair->c;
    exchange(pair->a + at, pair->b + at, part_w * pair->c);
  }
  pair->share = (float)(1 - (double)(part_h * part_w) / (double)(pair->h * pair->w));
}

const cvy_augmentation cvy_augmentation_cutmix = {
    .kind = {"cutmix",
             "pictures exchange a rectangle by twos, and labels mix by its area; stands last, never in "
             "evaluation",
             options, sizeof(config)},
    .size = cvy_augment_same_size,
    .mix = mix,
};
