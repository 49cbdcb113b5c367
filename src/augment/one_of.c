/* One of several chains is run, drawn by weight. In evaluation it is the first: where all of them are for
 * training only nothing happens, and where they are crops the picture gets its size. */
#include "augment/augmentation.h"
#include "augment/chain.h"
#include "augment/pixels.h"
#include "base/count.h"

typedef struct config {
  const cvy_yaml *apply;
  cvy_ints weights;
  int64_t count;
  cvy_augment **chains;
} config;

static const char *const list_words[] = {"[...]", NULL};

static const cvy_option options[] = {
    {.name = "apply",
     .type = CVY_NODE,
     .offset = offsetof(config, apply),
     .words = list_words,
     .help = "a list of augmentations, or of lists of them, all leading to the same size (required)"},
    {.name = "weights",
     .type = CVY_INTS,
     .offset = offsetof(config, weights),
     .fallback = "[]",
     .min = 0,
     .max = 1e6,
     .help = "how often each is drawn, in proportion; none: all alike"},
    {0},
};

static int64_t total_weight(const config *own) {
  int64_t total = 0;
  if (own->weights.count == 0) return own->count;
  for (int64_t i = 0; i < own->count; i++) total += own->weights.values[i];
  return total;
}

static cvy_err check_weights(const config *own, const cvy_yaml *at) {
  if (own->weights.count != 0 && own->weights.count != own->count)
    return cvy_yaml_error(at, "one_of: %" PRId64 " weights for %" PRId64 " augmentations", own->weights.count,
                          own->count);
  if (total_weight(own) == 0) return cvy_yaml_error(at, "one_of: all weights are 0");
  return CVY_OK;
}

static bool mixes(const void *c) {
  return cvy_augment_mixes(((const config *)c)->chains[0]);
}

static cvy_err check_mixing(const config *own, const cvy_yaml *list) {
  for (int64_t i = 1; i < own->count; i++)
    if (cvy_augment_mixes(own->chains[i]) != mixes(own))
      return cvy_yaml_error(
          list->items[i],
          "one_of: some of these mix two finished pictures, others change one before: they need "
          "a list for each kind");
  return CVY_OK;
}

static cvy_err read(void *c, cvy_pool *pool, const cvy_yaml *at) {
  config *own = c;
  const cvy_yaml *list = own->apply;
  if (!list || list->kind != CVY_YAML_SEQUENCE || list->count == 0)
    return cvy_yaml_error(list ? list : at, "one_of needs 'apply', a list of augmentations");
  own->chains = cvy_pool_new(pool, sizeof *own->chains * (size_t)list->count);
  cvy_yaml *resolved = cvy_yaml_new_sequence(pool, "resolved");
  for (; own->count < list->count; own->count++) {
    cvy_augment **chain = &own->chains[own->count];
    CVY_TRY(cvy_augment_read(chain, pool, list->items[own->count]));
    cvy_yaml_add(pool, resolved, NULL, cvy_augment_dump(*chain, pool));
  }
  own->apply = resolved;
  CVY_TRY(check_mixing(own, list));
  return check_weights(own, at);
}

static cvy_err channels(const void *c, int64_t count) {
  const config *own = c;
  for (int64_t i = 0; i < own->count; i++) CVY_TRY(cvy_augment_check_channels(own->chains[i], count));
  return CVY_OK;
}

static cvy_err source(const void *c, const cvy_augment_source *known) {
  const config *own = c;
  for (int64_t i = 0; i < own->count; i++) CVY_TRY(cvy_augment_check_source(own->chains[i], known));
  return CVY_OK;
}

static cvy_err refuse(int64_t index, int64_t first_h, int64_t first_w, int64_t h, int64_t w) {
  char first[CVY_SIZE_WORDS], other[CVY_SIZE_WORDS], advice[CVY_SIZE_WORDS];
  cvy_augment_size_words(first, first_h, first_w);
  cvy_augment_size_words(other, h, w);
  cvy_augment_size_advice(advice, first_h, first_w, h, w);
  return cvy_error(CVY_E_INPUT, "with its first pictures would be %s, with number %" PRId64 " %s%s", first,
                   index + 1, other, advice);
}

static cvy_err size(int64_t *out_h, int64_t *out_w, const void *c, int64_t h, int64_t w) {
  const config *own = c;
  CVY_TRY(cvy_augment_size(out_h, out_w, own->chains[0], h, w));
  for (int64_t i = 1; i < own->count; i++) {
    int64_t other_h, other_w;
    CVY_TRY(cvy_augment_size(&other_h, &other_w, own->chains[i], h, w));
    if (other_h != *out_h || other_w != *out_w) return refuse(i, *out_h, *out_w, other_h, other_w);
  }
  return CVY_OK;
}

static cvy_err least(int64_t *out_h, int64_t *out_w, const void *c, int64_t h, int64_t w, bool training) {
  const config *own = c;
  CVY_TRY(cvy_augment_least(out_h, out_w, own->chains[0], h, w, training));
  for (int64_t i = 1; training && i < own->count; i++) {
    int64_t other_h, other_w;
    CVY_TRY(cvy_augment_least(&other_h, &other_w, own->chains[i], h, w, training));
    *out_h = cvy_smaller(*out_h, other_h);
    *out_w = cvy_smaller(*out_w, other_w);
  }
  return CVY_OK;
}

static int64_t draw(const config *own, cvy_random *random) {
  int64_t left = cvy_random_next_below(random, total_weight(own));
  if (own->weights.count == 0) return left;
  int64_t i = 0;
  while (left >= own->weights.values[i]) left -= own->weights.values[i++];
  return i;
}

static cvy_err apply(cvy_picture *picture, const void *c, cvy_augment_call *call) {
  const config *own = c;
  const int64_t chosen = call->training ? draw(own, &call->random) : 0;
  return cvy_augment_apply_inside(picture, own->chains[chosen], call);
}

static void mix(cvy_pair *pair, const void *c, cvy_augment_call *call) {
  const config *own = c;
  cvy_augment_mix_inside(pair, own->chains[draw(own, &call->random)], call);
}

const cvy_augmentation cvy_augmentation_one_of = {
    .kind = {"one_of", "one of several augmentations, drawn by weight; in evaluation the first", options,
             sizeof(config)},
    .example = "{apply: [{hue: {by: 0.5}}, {zoom: {by: 2}}]}",
    .read = read,
    .channels = channels,
    .source = source,
    .size = size,
    .least = least,
    .apply = apply,
    .mix = mix,
    .mixes = mixes,
};
