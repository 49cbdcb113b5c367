/* Numbers that follow a formula, which the scripts of tests/reference know as well: weights and images of
 * networks that are compared with other programs. */
#ifndef CVY_TESTS_FORMULA_H
#define CVY_TESTS_FORMULA_H

#include <stdint.h>

/* Returns a number in [-1, 1) for each element of each tensor. */
static inline double formula(int64_t tensor, int64_t element) {
  uint32_t h = (uint32_t)element * 2246822519U + (uint32_t)(tensor * 2654435761LL + 374761393LL);
  h ^= h >> 15;
  h *= 2246822519U;
  h ^= h >> 13;
  h *= 3266489917U;
  h ^= h >> 16;
  return (double)(h >> 8) * 0x1p-23 - 1;
}

#endif
