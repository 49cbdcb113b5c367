/* This file is compiled once for each instruction set. CVY_SUM_SQUARES is the name of this set's function.
 *
 * The square of a float is exact in double. It is cut into parts on a grid, whose steps are so coarse that
 * the parts of many values add up in double without rounding, as in sums that do not depend on the order
 * (Demmel and Nguyen 2015, "Parallel reproducible summation", section 4). Here no part is dropped: the last
 * one holds all that is left, and the number of parts follows from how far the values are apart. So the
 * result is exact, whatever the grid. */
#include "math/kernels.h"

#include "base/count.h"
#include "math/lanes.h"

enum {
  HALF = LANES / 2,
  REGISTERS = 4, /* sums of a part that are made side by side, in HALF lanes each */
  STRIDE = REGISTERS * HALF,
  WINDOW = 51,      /* bits of a part that integers add up */
  LAST_WINDOW = 45, /* of the last one: doubles add up 256 of these in 53 bits */
  LINE = 16,        /* floats that a cache fetches at a time */
  INFINITE = 255    /* the exponent of infinities and NaN */
};
_Static_assert(CVY_SQUARES_BLOCK / STRIDE <= 256, "a lane adds up no more");

typedef float half __attribute__((vector_size(sizeof(float) * HALF)));
typedef double wide __attribute__((vector_size(sizeof(double) * HALF)));
typedef uint64_t wide_bits __attribute__((vector_size(sizeof(uint64_t) * HALF)));

/* The exponents of a block's largest and smallest value, zeros aside. A denormal value's counts as 1. */
typedef struct range {
  int largest, smallest;
} range;

static range range_of(const float *x) {
  uint32_t largest = 0, below_smallest = UINT32_MAX; /* one less, so that zeros are the largest */
  for (int64_t i = 0; i < CVY_SQUARES_BLOCK; i++) {
    uint32_t bits;
    memcpy(&bits, &x[i], sizeof bits);
    bits &= 0x7fffffff;
    largest = bits > largest ? bits : largest;
    below_smallest = bits - 1 < below_smallest ? bits - 1 : below_smallest;
  }
  const int high = (int)(largest >> 23), low = largest ? (int)((below_smallest + 1) >> 23) : 0;
  return (range){high ? high : 1, low ? low : 1};
}

/* Returns 2^exponent. */
static double power(int exponent) {
  const uint64_t bits = (uint64_t)(exponent + 1023) << 52;
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* Returns HALF floats as doubles. Compilers make two conversions and more of __builtin_convertvector. */
ALWAYS_INLINE wide widened(const float *x) {
#if defined(__AVX512F__)
  return (wide)_mm512_cvtps_pd(_mm256_loadu_ps(x));
#elif defined(__AVX2__)
  return (wide)_mm256_cvtps_pd(_mm_loadu_ps(x));
#else
  half values;
  memcpy(&values, x, sizeof values);
  return __builtin_convertvector(values, wide);
#endif
}

/* Returns x * x + y. The square is exact, so it does not matter whether it is rounded first. */
ALWAYS_INLINE wide square_and(wide x, wide y) {
#if defined(__AVX512F__)
  return (wide)_mm512_fmadd_pd((__m512d)x, (__m512d)x, (__m512d)y);
#elif defined(__AVX2__)
  return (wide)_mm256_fmadd_pd((__m256d)x, (__m256d)x, (__m256d)y);
#else
  return x * x + y;
#endif
}

/* Adds up what the lanes of the last part have, in units of 2^step. */
static int64_t total_of(const wide sums[REGISTERS], int step) {
  double all[STRIDE];
  const double scale = power(-step);
  int64_t total = 0;
  memcpy(all, sums, sizeof all);
  for (int i = 0; i < STRIDE; i++) total += (int64_t)(all[i] * scale);
  return total;
}

/* Adds up what integers have summed of a part, without the bits of `shift`, which each value had. */
static int64_t total_of_bits(const wide_bits sums[REGISTERS], double shift) {
  uint64_t all[STRIDE], shift_bits, total = 0;
  memcpy(all, sums, sizeof all);
  memcpy(&shift_bits, &shift, sizeof shift);
  for (int i = 0; i < STRIDE; i++) total += all[i];
  return (int64_t)(total - CVY_SQUARES_BLOCK * shift_bits);
}

/* Cuts squares below 2^top into parts. Adding 1.5 * 2^(step + 52) rounds to the nearest multiple of 2^step,
 * and has it in the low bits of the double, where integers add it up. Only the last part is added up as
 * doubles. */
ALWAYS_INLINE void sum_parts(cvy_squares_part *out, const float *x, const cvy_ahead *ahead, int top,
                             int parts) {
  const int last = parts - 1;
  wide_bits sums[CVY_SQUARES_PARTS - 1][REGISTERS] = {{{0}}};
  wide rest[REGISTERS] = {{0}};
  double shift[CVY_SQUARES_PARTS - 1];
  for (int p = 0; p < last; p++) {
    out[p].step = top - WINDOW - p * (WINDOW + 1);
    shift[p] = 1.5 * power(out[p].step + 52);
  }
  out[last].step = out[last - 1].step - 1 - LAST_WINDOW;
  for (int64_t i = 0; i < CVY_SQUARES_BLOCK; i += STRIDE) {
    if (i % LINE == 0)
      for (int64_t k = 0; k < ahead->count; k++)
        for (int64_t j = 0; j < cvy_larger(STRIDE, LINE); j += LINE) __builtin_prefetch(ahead->of[k] + i + j);
    for (int r = 0; r < REGISTERS; r++) {
      const wide value = widened(x + i + r * HALF), first = square_and(value, (wide){0} + shift[0]);
      wide left = square_and(value, shift[0] - first);
      sums[0][r] += (wide_bits)first;
      for (int p = 1; p < last; p++) {
        const wide next = left + shift[p];
        sums[p][r] += (wide_bits)next;
        left -= next - shift[p];
      }
      rest[r] += left;
    }
  }
  for (int p = 0; p < last; p++) out[p].total = total_of_bits(sums[p], shift[p]);
  out[last].total = total_of(rest, out[last].step);
}

extern int64_t CVY_SUM_SQUARES(cvy_squares_part out[CVY_SQUARES_PARTS], const float *x,
                               const cvy_ahead *ahead);
int64_t CVY_SUM_SQUARES(cvy_squares_part out[CVY_SQUARES_PARTS], const float *x, const cvy_ahead *ahead) {
  const range r = range_of(x);
  /* All squares are below 2^top, and multiples of 2^(top - reach). */
  const int top = 2 * (r.largest - 126), reach = top - 2 * (r.smallest - 150);
  if (r.largest == INFINITE || reach > 2 * WINDOW + LAST_WINDOW + 2) return CVY_SQUARES_NOT_DONE;
  if (reach > WINDOW + LAST_WINDOW + 1) {
    sum_parts(out, x, ahead, top, 3);
    return 3;
  }
  sum_parts(out, x, ahead, top, 2);
  return 2;
}
