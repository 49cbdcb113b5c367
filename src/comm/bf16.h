/* bfloat16: the upper half of a float, of the same range and 8 bits of precision. Values are rounded to
 * nearest, ties to even. Infinities stay, what is too large becomes one, and a NaN stays a NaN. All of it is
 * integer arithmetic, so that loops vectorise. */
#ifndef CVY_COMM_BF16_H
#define CVY_COMM_BF16_H

#include <stdint.h>
#include <string.h>

static inline uint16_t cvy_to_bf16(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  const uint32_t nearest = bits + 0x7fff + (bits >> 16 & 1), quiet = bits | 0x400000;
  const uint32_t chosen = (bits & 0x7fffffff) > 0x7f800000 ? quiet : nearest;
  return (uint16_t)(chosen >> 16);
}

static inline float cvy_from_bf16(uint16_t half) {
  const uint32_t bits = (uint32_t)half << 16;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static inline float cvy_round_bf16(float value) {
  return cvy_from_bf16(cvy_to_bf16(value));
}

#endif
