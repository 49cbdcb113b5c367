#include "data/sampler.h"

cvy_sample cvy_sample_at(uint64_t seed, int64_t count, bool shuffle, int64_t position) {
  CVY_CHECK(count > 0 && position >= 0);
  const cvy_sample place = {.epoch = position / count, .index = position % count};
  if (!shuffle) return place;
  const cvy_random where = {.seed = seed, .purpose = CVY_FOR_SHUFFLE, .step = (uint32_t)place.epoch};
  return (cvy_sample){place.epoch, cvy_random_permute(&where, place.index, count)};
}
