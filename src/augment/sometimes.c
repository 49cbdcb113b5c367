/* Other augmentations are run now and then (as torchvision's RandomApply does). In evaluation nothing
 * happens. */
#include "augment/augmentation.h"
#include "augment/chain.h"
#include "augment/pixels.h"

typedef struct config {
  double probability;
  const cvy_yaml *apply;
  cvy_augment *chain;
} config;

static const char *const list_words[] = {"[...]", NULL};

static const cvy_option options[] = {
    {.name = "probability",
     .type = CVY_FLOAT,
     .offset = offsetof(config, probability),
     .fallback = "0.5",
     .min = 0,
     .max = 1,
     .help = "how often"},
    {.name = "apply",
     .type = CVY_NODE,
     .offset = offsetof(config, apply),
     .words = list_words,
     .help = "a list of augmentations, which must keep the picture's size (required)"},
    {0},
};

static cvy_err read(void *c, cvy_pool *pool, const cvy_yaml *at) {
  config *own = c;
  if (!own->apply) return cvy_yaml_error(at, "sometimes needs 'apply', a list of augmentations");
  CVY_TRY(cvy_augment_read(&own->chain, pool, own->apply));
  own->apply = cvy_augment_dump(own->chain, pool);
  return CVY_OK;
}

static cvy_err channels(const void *c, int64_t count) {
  return cvy_augment_check_channels(((const config *)c)->chain, count);
}

static cvy_err source(const void *c, const cvy_augment_source *known) {
  return cvy_augment_check_source(((const config *)c)->chain, known);
}

static cvy_err size(int64_t *out_h, int64_t *out_w, const void *c, int64_t h, int64_t w) {
  CVY_TRY(cvy_augment_size(out_h, out_w, ((const config *)c)->chain, h, w));
  if (*out_h == h && *out_w == w) return CVY_OK;
  char with[CVY_SIZE_WORDS], without[CVY_SIZE_WORDS], advice[CVY_SIZE_WORDS];
  cvy_augment_size_words(with, *out_h, *out_w);
  cvy_augment_size_words(without, h, w);
  cvy_augment_size_advice(advice, *out_h, *out_w, h, w);
  return cvy_error(CVY_E_INPUT, "pictures would be %s with it and %s without it%s", with, without, advice);
}

static cvy_err least(int64_t *out_h, int64_t *out_w, const void *c, int64_t h, int64_t w, bool training) {
  *out_h = h;
  *out_w = w;
  return training ? cvy_augment_least(out_h, out_w, ((const config *)c)->chain, h, w, training) : CVY_OK;
}

static cvy_err apply(cvy_picture *picture, const void *c, cvy_augment_call *call) {
  const config *own = c;
  if (!cvy_happens(own->probability, call)) return CVY_OK;
  return cvy_augment_apply_inside(picture, own->chain, call);
}

static bool mixes(const void *c) {
  return cvy_augment_mixes(((const config *)c)->chain);
}

static void mix(cvy_pair *pair, const void *c, cvy_augment_call *call) {
  const config *own = c;
  if (cvy_happens(own->probability, call)) cvy_augment_mix_inside(pair, own->chain, call);
}

const cvy_augmentation cvy_augmentation_sometimes = {
    .kind = {"sometimes", "other augmentations, now and then; never in evaluation", options, sizeof(config)},
    .example = "{probability: 0.5, apply: [{hue: {by: 0.5}}]}",
    .read = read,
    .channels = channels,
    .source = source,
    .size = size,
    .least = least,
    .apply = apply,
    .mix = mix,
    .mixes = mixes,
};
