/* Where each position of the stream lies in the dataset. */
#include "data/sampler.h"

#include "base/count.h"

cvy_sample cvy_sample_at(uint64_t seed, int64_t count, bool shuffle, int64_t position) {
  CVY_CHECK(count > 0 && position >= 0);
  const cvy_sample place = {.epoch = position / count, .index = position % count};
  if (!shuffle) return place;
  const cvy_random where = {.seed = seed, .purpose = CVY_FOR_SHUFFLE, .step = (uint32_t)place.epoch};
  return (cvy_sample){place.epoch, cvy_random_permute(&where, place.index, count)};
}

/* ---- in blocks ---- */

/* The layers of CVY_FOR_SHUFFLE. 0 is the whole epoch's. */
enum { ORDER_OF_BLOCKS = 1, PLACE_OF_SHORT, FIRST_WINDOW };

/* An epoch's blocks in their order. */
typedef struct order {
  cvy_random where;
  int64_t count, block, window;
  int64_t full; /* blocks */
  /* Where the short block lies is drawn first, so that it is known where every place begins. */
  int64_t short_at;
  int64_t missing; /* records that the short block lacks; 0: there is none */
} order;

static order order_of(uint64_t seed, int64_t count, const cvy_blocks *blocks, int64_t epoch) {
  CVY_CHECK(count > 0 && epoch >= 0 && blocks->block > 0 && blocks->window > 0);
  order o = {.where = {.seed = seed, .purpose = CVY_FOR_SHUFFLE, .step = (uint32_t)epoch},
             .count = count,
             .block = blocks->block,
             .window = blocks->window,
             .full = count / blocks->block};
  const int64_t left = count % blocks->block;
  o.missing = left ? blocks->block - left : 0;
  o.where.layer = PLACE_OF_SHORT;
  o.short_at = left ? cvy_random_next_below(&o.where, o.full + 1) : o.full;
  o.where.unit = 0;
  return o;
}

static int64_t block_count(const order *o) {
  return o->full + (o->missing > 0);
}

/* Returns the first position of a place, within the epoch. */
static int64_t begin_of(const order *o, int64_t place) {
  return place * o->block - (place > o->short_at ? o->missing : 0);
}

static int64_t place_of(const order *o, int64_t position) {
  return position < begin_of(o, o->short_at + 1) ? position / o->block : (position + o->missing) / o->block;
}

/* Returns the window that holds a position within the epoch. */
static cvy_shuffle_window window_of(const order *o, int64_t position) {
  const int64_t number = place_of(o, position) / o->window, end = (number + 1) * o->window;
  const int64_t first = begin_of(o, number * o->window);
  return (cvy_shuffle_window){number, first, (end < block_count(o) ? begin_of(o, end) : o->count) - first};
}

/* Returns the record at a position of the epoch, before windows are shuffled. */
static int64_t record_at(const order *o, int64_t position) {
  const int64_t place = place_of(o, position), row = position - begin_of(o, place);
  if (o->missing > 0 && place == o->short_at) return o->full * o->block + row;
  cvy_random where = o->where;
  where.layer = ORDER_OF_BLOCKS;
  const int64_t among_full = place - (o->missing > 0 && place > o->short_at);
  return cvy_random_permute(&where, among_full, o->full) * o->block + row;
}

cvy_sample cvy_sample_in_blocks(uint64_t seed, int64_t count, const cvy_blocks *blocks, int64_t position) {
  CVY_CHECK(position >= 0);
  const int64_t epoch = position / count, place = position % count;
  const order o = order_of(seed, count, blocks, epoch);
  const cvy_shuffle_window w = window_of(&o, place);
  cvy_random where = o.where;
  where.layer = FIRST_WINDOW + (uint32_t)w.number;
  const int64_t shuffled = w.first + cvy_random_permute(&where, place - w.first, w.count);
  return (cvy_sample){epoch, record_at(&o, shuffled)};
}

cvy_shuffle_window cvy_shuffle_window_at(uint64_t seed, int64_t count, const cvy_blocks *blocks,
                                         int64_t position) {
  const int64_t epoch = position / count;
  const order o = order_of(seed, count, blocks, epoch);
  const int64_t windows = cvy_pieces(block_count(&o), blocks->window);
  cvy_shuffle_window w = window_of(&o, position % count);
  w.number += epoch * windows;
  w.first += epoch * count;
  return w;
}
