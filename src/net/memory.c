/* Offsets for buffers whose lifetimes are known. */
#include <convoy/net.h>

#include <stdlib.h>

static int larger_first(const void *a, const void *b) {
  const cvy_lifetime *x = *(cvy_lifetime *const *)a, *y = *(cvy_lifetime *const *)b;
  if (x->bytes != y->bytes) return x->bytes > y->bytes ? -1 : 1;
  return x < y ? -1 : 1;
}

static int lower_first(const void *a, const void *b) {
  const cvy_lifetime *x = *(cvy_lifetime *const *)a, *y = *(cvy_lifetime *const *)b;
  return (x->offset > y->offset) - (x->offset < y->offset);
}

static bool overlap_in_time(const cvy_lifetime *a, const cvy_lifetime *b) {
  return a->first <= b->last && b->first <= a->last;
}

/* The offset of the smallest gap between `neighbours` (sorted by offset) that holds `bytes`, or their end. */
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

size_t cvy_memory_plan(cvy_lifetime *buffers, int64_t count) {
  const size_t table_bytes = sizeof(cvy_lifetime *) * (size_t)count;
  cvy_lifetime **by_size = cvy_new(table_bytes), **neighbours = cvy_new(table_bytes);
  int64_t sized = 0;
  for (int64_t i = 0; i < count; i++) {
    buffers[i].offset = 0;
    if (buffers[i].bytes > 0) by_size[sized++] = &buffers[i];
  }
  count = sized;
  qsort(by_size, (size_t)count, sizeof *by_size, larger_first);
  size_t total = 0;
  for (int64_t i = 0; i < count; i++) {
    int64_t neighbour_count = 0;
    for (int64_t j = 0; j < i; j++)
      if (overlap_in_time(by_size[i], by_size[j])) neighbours[neighbour_count++] = by_size[j];
    qsort(neighbours, (size_t)neighbour_count, sizeof *neighbours, lower_first);
    by_size[i]->offset = find_gap(cvy_aligned(by_size[i]->bytes), neighbours, neighbour_count);
    const size_t end = by_size[i]->offset + cvy_aligned(by_size[i]->bytes);
    if (end > total) total = end;
  }
  free(by_size);
  free(neighbours);
  return total;
}
