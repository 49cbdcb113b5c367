/* Counted random numbers over Random123's Philox4x32-10. */
#include "base/base.h"

#include <Random123/philox.h>
#include <math.h>

void cvy_random_block(uint32_t out[4], const cvy_random *where, uint32_t unit) {
  const philox4x32_ctr_t counter = {
      {unit, where->sample, where->step, (uint32_t)where->purpose << 24 | (where->layer & 0xffffffu)}};
  const philox4x32_key_t key = {{(uint32_t)where->seed, (uint32_t)(where->seed >> 32)}};
  const philox4x32_ctr_t drawn = philox4x32(counter, key);
  for (int i = 0; i < 4; i++) out[i] = drawn.v[i];
}

uint32_t cvy_random_next(cvy_random *where) {
  uint32_t words[4];
  cvy_random_block(words, where, where->unit++);
  return words[0];
}

static double unit_interval(uint32_t high, uint32_t low) {
  return (double)(((uint64_t)high << 32 | low) >> 11) * 0x1p-53;
}

double cvy_random_next_uniform(cvy_random *where, double low, double high) {
  uint32_t words[4];
  cvy_random_block(words, where, where->unit++);
  return low + (high - low) * unit_interval(words[0], words[1]);
}

double cvy_random_next_gaussian(cvy_random *where) {
  uint32_t words[4];
  cvy_random_block(words, where, where->unit++);
  /* This is Box and Muller's method (1958); 1 - u keeps the logarithm finite. */
  const double radius = sqrt(-2.0 * log(1.0 - unit_interval(words[0], words[1])));
  return radius * cos(2.0 * 3.14159265358979323846 * unit_interval(words[2], words[3]));
}

int64_t cvy_random_next_below(cvy_random *where, int64_t bound) {
  CVY_CHECK(bound > 0);
  const uint64_t range = (uint64_t)bound;
  const uint64_t unbiased_end = UINT64_MAX - UINT64_MAX % range;
  for (;;) {
    uint32_t words[4];
    cvy_random_block(words, where, where->unit++);
    const uint64_t drawn = (uint64_t)words[0] << 32 | words[1];
    if (drawn < unbiased_end) return (int64_t)(drawn % range);
  }
}

/* Draws the logarithm of a Gamma(alpha) variate. It is that of a Gamma(alpha + 1) variate (Marsaglia & Tsang
 * 2000) plus log(u) / alpha (their section 6), which stays finite where the variate itself would underflow. A
 * try is accepted with probability above 0.95; after TRIES tries the variate is the median's neighbour d, so
 * the number of draws is bounded. */
static double log_gamma_variate(cvy_random *where, double alpha) {
  enum { TRIES = 32 };
  const double d = alpha + 1 - 1.0 / 3, c = 1 / sqrt(9 * d);
  double v = 1;
  for (int i = 0; i < TRIES; i++) {
    const double x = cvy_random_next_gaussian(where), u = 1 - cvy_random_next_uniform(where, 0, 1);
    const double root = 1 + c * x;
    v = root * root * root;
    if (root > 0 && log(u) < 0.5 * x * x + d - d * v + d * log(v)) break;
    v = 1;
  }
  return log(d * v) + log(1 - cvy_random_next_uniform(where, 0, 1)) / alpha;
}

double cvy_random_next_beta(cvy_random *where, double alpha) {
  CVY_CHECK(alpha > 0);
  const double a = log_gamma_variate(where, alpha), b = log_gamma_variate(where, alpha);
  return 1 / (1 + exp(b - a));
}

int64_t cvy_random_permute(const cvy_random *where, int64_t index, int64_t count) {
  CVY_CHECK(index >= 0 && index < count);
  enum { ROUNDS = 6 };
  int half_bits = 1;
  while ((int64_t)1 << (2 * half_bits) < count) half_bits++;
  CVY_CHECK(half_bits <= 28);
  const uint32_t mask = (1u << half_bits) - 1;
  uint64_t value = (uint64_t)index;
  do {
    uint32_t left = (uint32_t)(value >> half_bits), right = (uint32_t)value & mask;
    for (uint32_t round = 0; round < ROUNDS; round++) {
      uint32_t words[4];
      cvy_random at = *where;
      at.sample = right;
      cvy_random_block(words, &at, round);
      const uint32_t mixed = left ^ (words[0] & mask);
      left = right;
      right = mixed;
    }
    value = (uint64_t)left << half_bits | right;
  } while (value >= (uint64_t)count);
  return (int64_t)value;
}
