/* First values of parameters. Element e takes word e % 4 of the block at counter e / 4, so any thread can
 * fill any part. */
#include "layer/init.h"

#include "base/count.h"

#include <math.h>

const char *const cvy_init_words[] = {
    [CVY_INIT_CONSTANT] = "constant", [CVY_INIT_GAUSSIAN] = "gaussian",
    [CVY_INIT_XAVIER] = "xavier",     [CVY_INIT_HE] = "he",
    [CVY_INIT_HE_OUT] = "he_out",     [CVY_INIT_LECUN] = "lecun",
    [CVY_INIT_PYTORCH] = "pytorch",   NULL,
};

cvy_init cvy_init_chosen(const cvy_init_options *options, int64_t fan_in, int64_t fan_out) {
  const cvy_init_method method = (cvy_init_method)options->method;
  return (cvy_init){.method = method,
                    .value = method == CVY_INIT_GAUSSIAN   ? options->deviation
                             : method == CVY_INIT_CONSTANT ? options->value
                                                           : 0,
                    .fan_in = fan_in,
                    .fan_out = fan_out};
}

cvy_init cvy_init_of_bias(const cvy_init_options *weights, double value, int64_t fan_in) {
  const bool varies = weights->method == CVY_INIT_PYTORCH;
  return (cvy_init){
      .method = varies ? CVY_INIT_PYTORCH : CVY_INIT_CONSTANT, .value = value, .fan_in = fan_in};
}

int64_t cvy_param_count(const cvy_param_spec *spec) {
  int64_t count = 1;
  for (int i = 0; i < spec->dim_count; i++) count *= spec->dims[i];
  return count;
}

enum { CHUNK = 4096 };

typedef struct filling {
  float *values;
  int64_t count;
  cvy_random where;
  double low, high; /* uniform */
  double deviation; /* Gaussian, where not 0 */
} filling;

/* The result lies in (0, 1) and is never 0, so that its logarithm is finite. */
static double unit_interval(uint32_t word) {
  return ((double)word + 0.5) * 0x1p-32;
}

static void four_values(double out[4], const filling *f, const uint32_t words[4]) {
  if (f->deviation == 0) {
    for (int i = 0; i < 4; i++) out[i] = f->low + (f->high - f->low) * unit_interval(words[i]);
    return;
  }
  for (int i = 0; i < 4; i += 2) { /* Box and Muller 1958 */
    const double radius = f->deviation * sqrt(-2 * log(unit_interval(words[i])));
    const double angle = 2 * 3.14159265358979323846 * unit_interval(words[i + 1]);
    out[i] = radius * cos(angle);
    out[i + 1] = radius * sin(angle);
  }
}

static void fill_chunk(const void *context, int64_t index, int thread) {
  (void)thread;
  const filling *f = context;
  const int64_t end = (index + 1) * CHUNK < f->count ? (index + 1) * CHUNK : f->count;
  for (int64_t first = index * CHUNK; first < end; first += 4) {
    uint32_t words[4];
    double four[4];
    cvy_random where = f->where;
    where.sample = (uint32_t)(first / 4 >> 32);
    cvy_random_block(words, &where, (uint32_t)(first / 4));
    four_values(four, f, words);
    for (int64_t i = first; i < end && i < first + 4; i++) f->values[i] = (float)four[i - first];
  }
}

static void spread(filling *f, double centre, double width) {
  f->low = centre - width;
  f->high = centre + width;
}

void cvy_param_fill(float *values, const cvy_param_spec *spec, uint64_t seed, int64_t layer_index,
                    int64_t param_index) {
  const cvy_init *init = &spec->init;
  filling f = {.values = values, .count = cvy_param_count(spec)};
  f.where = (cvy_random){
      .seed = seed, .purpose = CVY_FOR_INIT, .layer = (uint32_t)layer_index, .step = (uint32_t)param_index};
  switch (init->method) {
  case CVY_INIT_CONSTANT:
    f.low = f.high = init->value;
    break;
  case CVY_INIT_GAUSSIAN:
    f.deviation = init->value;
    break;
  case CVY_INIT_XAVIER:
    spread(&f, 0, sqrt(6.0 / (double)(init->fan_in + init->fan_out)));
    break;
  case CVY_INIT_LECUN:
    spread(&f, 0, sqrt(3.0 / (double)init->fan_in));
    break;
  case CVY_INIT_PYTORCH:
    spread(&f, init->value, 1 / sqrt((double)init->fan_in));
    break;
  case CVY_INIT_HE:
    f.deviation = sqrt(2.0 / (double)init->fan_in);
    break;
  case CVY_INIT_HE_OUT:
    f.deviation = sqrt(2.0 / (double)init->fan_out);
    break;
  }
  cvy_parallel(cvy_pieces(f.count, CHUNK), fill_chunk, &f);
}
