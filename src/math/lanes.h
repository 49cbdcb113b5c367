/* A register of floats, for the files that are compiled once for each instruction set. */
#ifndef CVY_MATH_LANES_H
#define CVY_MATH_LANES_H

#include <stdint.h>
#include <string.h>

#if defined(__SSE__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
enum { LANES = 16 };
#elif defined(__AVX2__)
enum { LANES = 8 };
#else
enum { LANES = 4 };
#endif

typedef float lanes __attribute__((vector_size(sizeof(float) * LANES)));
typedef int32_t lane_bits __attribute__((vector_size(sizeof(int32_t) * LANES)));

#define ALWAYS_INLINE static inline __attribute__((always_inline))

ALWAYS_INLINE lanes load(const float *from) {
  lanes value;
  memcpy(&value, from, sizeof value);
  return value;
}

ALWAYS_INLINE void store(float *to, lanes value) {
  memcpy(to, &value, sizeof value);
}

/* Does what kernels.c's relu_forward does. */
ALWAYS_INLINE lanes rectified(lanes value) {
  return (lanes)((lane_bits)value & ~(value < (lanes){0}));
}

/* Writes past the caches what is too large to be found there again: the line is not read first. `to` is
 * aligned to a register. Other threads see it after a fence. */
ALWAYS_INLINE void stream(float *to, lanes value) {
#if defined(__AVX512F__)
  _mm512_stream_ps(to, (__m512)value);
#elif defined(__AVX2__)
  _mm256_stream_ps(to, (__m256)value);
#elif defined(__SSE__)
  _mm_stream_ps(to, (__m128)value);
#else
  store(to, value);
#endif
}

ALWAYS_INLINE void fence(void) {
#if defined(__SSE__)
  _mm_sfence();
#endif
}

#endif
