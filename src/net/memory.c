/* Offsets for buffers whose lifetimes are known. */
#include "net/memory.h"

#include <stdlib.h>
#include <string.h>

static int larger_first(const void *a, const void *b) {
  const cvy_lifetime *x = *(cvy_lifetime *const *)a, *y = *(cvy_lifetime *const *)b;
  if (x->bytes != y->bytes) return x->bytes > y->bytes ? -1 : 1;
  return x < y ? -1 : 1;
}

static int longer_first(const void *a, const void *b) {
  const cvy_lifetime *x = *(cvy_lifetime *const *)a, *y = *(cvy_lifetime *const *)b;
  const int64_t x_length = x->last - x->first, y_length = y->last - y->first;
  if (x_length != y_length) return x_length > y_length ? -1 : 1;
  return larger_first(a, b);
}

static int earlier_first(const void *a, const void *b) {
  const cvy_lifetime *x = *(cvy_lifetime *const *)a, *y = *(cvy_lifetime *const *)b;
  if (x->first != y->first) return x->first < y->first ? -1 : 1;
  return larger_first(a, b);
}

static int lower_first(const void *a, const void *b) {
  const cvy_lifetime *x = *(cvy_lifetime *const *)a, *y = *(cvy_lifetime *const *)b;
  return (x->offset > y->offset) - (x->offset < y->offset);
}

static bool overlap_in_time(const cvy_lifetime *a, const cvy_lifetime *b) {
  return a->first <= b->last && b->first <= a->last;
}

/* Returns the offset of the smallest gap between `neighbours` (sorted by offset) that holds `bytes`, or their
 * end. */
static size_t find_gap(size_t bytes, cvy_lifetime *const *neighbours, int64_t count) {
  size_t end = 0, best = SIZE_MAX, best_gap = SIZE_MAX;
  for (int64_t i = 0; i < count; i++) {
    const cvy_lifetime *n = neighbours[i];
    if (n->offset >= end + bytes && n->offset - end < best_gap) {
      best_gap = n->offset - end;
      best = end;
    }
    const size_t n_end = n->offset + cvy_aligned(n->bytes);
    if (n_end > end) end = n_end;
  }
  return best == SIZE_MAX ? end : best;
}

/* Places the buffers one after the other, and returns the bytes needed. `neighbours` has room for all. */
static size_t place_all(cvy_lifetime *const *buffers, int64_t count, cvy_lifetime **neighbours) {
  size_t total = 0;
  for (int64_t i = 0; i < count; i++) {
    int64_t neighbour_count = 0;
    for (int64_t j = 0; j < i; j++)
      if (overlap_in_time(buffers[i], buffers[j])) neighbours[neighbour_count++] = buffers[j];
    qsort(neighbours, (size_t)neighbour_count, sizeof *neighbours, lower_first);
    const size_t bytes = cvy_aligned(buffers[i]->bytes);
    buffers[i]->offset = find_gap(bytes, neighbours, neighbour_count);
    if (buffers[i]->offset + bytes > total) total = buffers[i]->offset + bytes;
  }
  return total;
}

/* Whatever reaches highest goes first the next time; a plan is seldom improved more often than this. */
enum { PROMOTIONS = 24 };

static void promote_highest(cvy_lifetime **buffers, size_t total) {
  int64_t highest = 0;
  while (buffers[highest]->offset + cvy_aligned(buffers[highest]->bytes) < total) highest++;
  cvy_lifetime *first = buffers[highest];
  for (int64_t i = highest; i > 0; i--) buffers[i] = buffers[i - 1];
  buffers[0] = first;
}

/* No order is always the best one: of the networks in launch/networks, longest first wastes nothing where
 * largest first loses 19 % (lenet), and the other way about. What the best of them wastes is won back by
 * promoting. */
size_t cvy_memory_plan(cvy_lifetime *buffers, int64_t count) {
  int (*const orders[])(const void *, const void *) = {larger_first, longer_first, earlier_first};
  const size_t table_bytes = sizeof(cvy_lifetime *) * (size_t)count;
  cvy_lifetime **sized = cvy_new(table_bytes), **neighbours = cvy_new(table_bytes),
               **best = cvy_new(table_bytes);
  int64_t sized_count = 0;
  for (int64_t i = 0; i < count; i++) {
    buffers[i].offset = 0;
    if (buffers[i].bytes > 0) sized[sized_count++] = &buffers[i];
  }
  size_t least = SIZE_MAX;
  for (int64_t i = 0; i < CVY_COUNT(orders) && sized_count > 0; i++) {
    qsort(sized, (size_t)sized_count, sizeof *sized, orders[i]);
    for (int trial = 0; trial <= PROMOTIONS; trial++) {
      const size_t total = place_all(sized, sized_count, neighbours);
      if (total < least) memcpy(best, sized, sizeof *best * (size_t)sized_count);
      if (total < least) least = total;
      promote_highest(sized, total);
    }
  }
  place_all(best, sized_count, neighbours);
  free(sized);
  free(neighbours);
  free(best);
  return sized_count > 0 ? least : 0;
}
