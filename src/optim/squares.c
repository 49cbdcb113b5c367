/* Blocks are summed by a kernel, in parts that are integers times a power of two. The kernel leaves a block
 * whose values are too far apart, or not finite; that is counted by exponents here. */
#include "optim/squares.h"

#include "base/count.h"
#include "math/kernels.h"

#include <math.h>
#include <string.h>

enum {
  BLOCK = CVY_SQUARES_BLOCK,
  EXPONENTS = 256,
  NOT_FINITE = 255, /* the exponent of infinities and NaN */
  LOWEST = -298     /* 2^LOWEST is the unit */
};

/* ---- blocks that are counted ---- */

/* A value is mantissa * 2^(exponent - 150), also a denormal one, whose exponent counts as 1. The squares of a
 * block have 48 bits, so 64 bits hold their sum. */
static void count_square(uint64_t counts[EXPONENTS], float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  const uint32_t exponent = bits >> 23 & 0xff;
  const uint64_t mantissa = (bits & 0x7fffff) | (exponent ? 0x800000 : 0);
  counts[exponent] += mantissa * mantissa;
}

/* Adds total * 2^shift, where a total has 64 bits. */
static void add_shifted(cvy_squares *sum, uint64_t total, int64_t shift, int64_t sign) {
  const uint64_t low = (total & UINT32_MAX) << shift % 32, high = (total >> 32) << shift % 32;
  int64_t *digits = sum->digits + shift / 32;
  digits[0] += sign * (int64_t)(low & UINT32_MAX);
  digits[1] += sign * (int64_t)((low >> 32) + (high & UINT32_MAX));
  digits[2] += sign * (int64_t)(high >> 32);
}

static void add_counted(cvy_squares *sum, const float *block) {
  uint64_t counts[EXPONENTS] = {0};
  for (int64_t i = 0; i < BLOCK; i++) count_square(counts, block[i]);
  sum->not_finite += counts[NOT_FINITE] > 0;
  for (int64_t exponent = 0; exponent < NOT_FINITE; exponent++)
    if (counts[exponent]) add_shifted(sum, counts[exponent], exponent ? 2 * exponent - 2 : 0, 1);
}

/* ---- all blocks ---- */

/* A part may have a step below the unit where values are denormal. Its last bits are zeros then. */
static void add_part(cvy_squares *sum, cvy_squares_part part) {
  const int64_t sign = part.total < 0 ? -1 : 1, shift = part.step - LOWEST;
  const uint64_t total = (uint64_t)(sign * part.total);
  if (total) add_shifted(sum, shift < 0 ? total >> -shift : total, shift < 0 ? 0 : shift, sign);
}

static void add_block(cvy_squares *sum, const float *block, const cvy_ahead *ahead) {
  cvy_squares_part parts[CVY_SQUARES_PARTS];
  const int64_t count = cvy_kernels_get()->sum_squares(parts, block, ahead);
  if (count == CVY_SQUARES_NOT_DONE) add_counted(sum, block);
  for (int64_t i = 0; i < count; i++) add_part(sum, parts[i]);
}

void cvy_squares_add_part(cvy_squares *sum, const float *values, int64_t count, const cvy_ahead *ahead) {
  float whole[BLOCK];
  CVY_CHECK(count <= BLOCK);
  if (count < BLOCK) {
    memset(whole, 0, sizeof whole);
    values = memcpy(whole, values, sizeof *whole * (size_t)count);
  }
  add_block(sum, values, ahead);
}

void cvy_squares_add(cvy_squares *sum, const float *values, int64_t count) {
  for (; count > 0; values += BLOCK, count -= BLOCK)
    cvy_squares_add_part(sum, values, cvy_smaller(count, BLOCK),
                         &(cvy_ahead){count > BLOCK, {values + BLOCK}});
}

/* These are integers, so the order in which threads come does not matter. */
void cvy_squares_merge(cvy_squares *sum, const cvy_squares *other) {
  for (int64_t i = 0; i < CVY_SQUARES_DIGITS; i++)
    if (other->digits[i]) __atomic_fetch_add(&sum->digits[i], other->digits[i], __ATOMIC_RELAXED);
  if (other->not_finite) __atomic_fetch_add(&sum->not_finite, other->not_finite, __ATOMIC_RELAXED);
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
