/* Counts: the few sums with whole numbers that every room needs. */
#ifndef CVY_BASE_COUNT_H
#define CVY_BASE_COUNT_H

#include <stdint.h>

static inline int64_t cvy_smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}

static inline int64_t cvy_larger(int64_t a, int64_t b) {
  return a > b ? a : b;
}

/* Returns the number from `low` to `high` that is nearest to `value`. */
static inline int64_t cvy_clamp(int64_t value, int64_t low, int64_t high) {
  return value < low ? low : value > high ? high : value;
}

/* Returns how many pieces of size `piece` cover `whole`; the last one may stick out. */
static inline int64_t cvy_pieces(int64_t whole, int64_t piece) {
  return (whole + piece - 1) / piece;
}

#endif
