/* Squares are counted by their exponent, in 64 bits, and moved to the digits before these can overflow. */
#include "optim/squares.h"

#include "base/count.h"

#include <math.h>
#include <string.h>

enum {
  EXPONENTS = 256,
  NOT_FINITE = 255, /* the exponent of infinities and NaN */
  BLOCK = 1 << 16,  /* squares of 48 bits that 64 bits hold */
  TABLES = 4,       /* neighbours have the same exponent often: their additions would wait for each other */
  LOWEST = -298     /* 2^LOWEST is the unit */
};

typedef struct counts {
  uint64_t of[TABLES][EXPONENTS];
} counts;

/* A value is mantissa * 2^(exponent - 150), also a denormal one, whose exponent counts as 1. */
static inline void count_square(uint64_t *table, float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  const uint32_t exponent = bits >> 23 & 0xff;
  const uint64_t mantissa = (bits & 0x7fffff) | (exponent ? 0x800000 : 0);
  table[exponent] += mantissa * mantissa;
}

/* These are integers, so the order in which threads come does not matter. */
static void add_to_digit(cvy_squares *sum, int64_t digit, uint64_t value) {
  if (value) __atomic_fetch_add(&sum->digits[digit], (int64_t)value, __ATOMIC_RELAXED);
}

/* Adds total * 2^shift, where a total has 64 bits. */
static void add_shifted(cvy_squares *sum, uint64_t total, int64_t shift) {
  const uint64_t low = (total & UINT32_MAX) << shift % 32, high = (total >> 32) << shift % 32;
  add_to_digit(sum, shift / 32, low & UINT32_MAX);
  add_to_digit(sum, shift / 32 + 1, (low >> 32) + (high & UINT32_MAX));
  add_to_digit(sum, shift / 32 + 2, high >> 32);
}

static void move_counts(cvy_squares *sum, const counts *c) {
  for (int64_t exponent = 0; exponent < EXPONENTS; exponent++) {
    uint64_t total = 0;
    for (int64_t t = 0; t < TABLES; t++) total += c->of[t][exponent];
    if (total == 0) continue;
    if (exponent == NOT_FINITE)
      __atomic_fetch_add(&sum->not_finite, 1, __ATOMIC_RELAXED);
    else
      add_shifted(sum, total, exponent ? 2 * exponent - 2 : 0);
  }
}

static void add_block(cvy_squares *sum, const float *values, int64_t count) {
  counts c = {0};
  int64_t i = 0;
  for (; i + TABLES <= count; i += TABLES)
    for (int64_t t = 0; t < TABLES; t++) count_square(c.of[t], values[i + t]);
  for (; i < count; i++) count_square(c.of[0], values[i]);
  move_counts(sum, &c);
}

void cvy_squares_add(cvy_squares *sum, const float *values, int64_t count) {
  for (int64_t first = 0; first < count; first += BLOCK)
    add_block(sum, values + first, cvy_smaller(count - first, BLOCK));
}

void cvy_squares_merge(cvy_squares *sum, const cvy_squares *other) {
  for (int64_t i = 0; i < CVY_SQUARES_DIGITS; i++) sum->digits[i] += other->digits[i];
  sum->not_finite += other->not_finite;
}

void cvy_squares_carry(cvy_squares *sum) {
  for (int64_t i = 0; i + 1 < CVY_SQUARES_DIGITS; i++) {
    sum->digits[i + 1] += sum->digits[i] >> 32;
    sum->digits[i] &= UINT32_MAX;
  }
}

double cvy_squares_root(const cvy_squares *sum) {
  cvy_squares whole = *sum;
  double square = 0;
  if (sum->not_finite) return NAN;
  cvy_squares_carry(&whole);
  for (int i = 0; i < CVY_SQUARES_DIGITS; i++) square += ldexp((double)whole.digits[i], 32 * i + LOWEST);
  return sqrt(square);
}
