/* Normalising rows of samples, a round at a time. */
#include "picture/normalise.h"

#include "picture/loops.h"

void cvy_normaliser_set(cvy_normaliser *out, const float mean[], const float deviation[], int64_t channels) {
  CVY_CHECK(channels >= 1 && channels <= CVY_MAX_CHANNELS);
  for (int64_t k = 0; k < channels; k++) {
    out->mean[k] = mean[k];
    out->deviation[k] = deviation[k];
    for (int i = 0; i < 256; i++) out->of_byte[k][i] = ((float)i - mean[k]) / deviation[k];
  }
}

void cvy_round_set(cvy_round *out, const cvy_normaliser *n, int64_t c) {
  for (int64_t i = 0; i < CVY_ROUND; i++) {
    out->mean[i] = n->mean[i % c];
    out->deviation[i] = n->deviation[i % c];
  }
}

CVY_FOR_EACH_MACHINE void cvy_normalise_line(float *restrict out, const cvy_round *restrict around,
                                             int64_t count) {
  const float *restrict mean = around->mean, *restrict deviation = around->deviation;
  int64_t i = 0;
  for (; i + CVY_ROUND <= count; i += CVY_ROUND)
    CVY_VECTOR for (int64_t j = 0; j < CVY_ROUND; j++) out[i + j] = (out[i + j] - mean[j]) / deviation[j];
  for (int64_t j = 0; i + j < count; j++) out[i + j] = (out[i + j] - mean[j]) / deviation[j];
}

CVY_FOR_EACH_MACHINE void cvy_normalise_bytes(float *restrict out, const uint8_t *restrict in,
                                              const cvy_round *restrict around, int64_t count) {
  int64_t i = 0;
  for (; i + CVY_ROUND <= count; i += CVY_ROUND)
    CVY_VECTOR for (int64_t j = 0; j < CVY_ROUND; j++)
        out[i + j] = ((float)in[i + j] - around->mean[j]) / around->deviation[j];
  const int64_t left = count - i;
  CVY_VECTOR for (int64_t j = 0; j < left; j++)
      out[i + j] = ((float)in[i + j] - around->mean[j]) / around->deviation[j];
}
