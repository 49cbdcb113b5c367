/* Images that are made once, for benches and trials. */
#include "train/fixed.h"

#include <stdlib.h>

cvy_err cvy_fixed_create(cvy_fixed *out, const cvy_net_info *net) {
  void *memory;
  *out = (cvy_fixed){0};
  CVY_TRY(cvy_buffer_create(&memory, sizeof(float) * (size_t)cvy_shape_count(net->input), "the images"));
  out->images = memory;
  out->labels = cvy_new(sizeof *out->labels * (size_t)net->input.n);
  return CVY_OK;
}

void cvy_fixed_destroy(cvy_fixed *fixed) {
  cvy_buffer_destroy(fixed->images);
  free(fixed->labels);
  *fixed = (cvy_fixed){0};
}

void cvy_fixed_fill(const cvy_fixed *fixed, const cvy_net_info *net) {
  const int64_t images = net->input.n, samples = cvy_shape_count(net->input);
  cvy_random where = {.seed = 1, .purpose = CVY_FOR_SYNTHETIC};
  for (int64_t i = 0; i < images; i++)
    fixed->labels[i] = (int32_t)cvy_random_next_below(&where, net->class_count);
  for (int64_t i = 0; i < samples; i++) fixed->images[i] = (float)cvy_random_next_gaussian(&where);
}
