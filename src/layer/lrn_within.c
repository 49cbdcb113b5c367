/* Local response normalisation within a channel: each number is divided by what lies around it in the map,
 * as in cuda-convnet's layers for CIFAR-10 and Caffe's WITHIN_CHANNEL. Backward works the normalisers out
 * again from x, as across channels (lrn.c). */
#include "layer/shapes.h"

#include <string.h>

typedef struct lrn_within {
  int64_t size;
  double alpha, beta, k;
} lrn_within;

static const cvy_option options[] = {
    {.name = "size",
     .type = CVY_INT,
     .offset = offsetof(lrn_within, size),
     .fallback = "5",
     .min = 1,
     .max = 255,
     .help = "height and width of the square over which squares are summed, odd"},
    {.name = "alpha",
     .type = CVY_FLOAT,
     .offset = offsetof(lrn_within, alpha),
     .fallback = "1e-4",
     .min = 0,
     .max = CVY_NO_LIMIT,
     .help = "weight of the sum; divided by size * size"},
    {.name = "beta",
     .type = CVY_FLOAT,
     .offset = offsetof(lrn_within, beta),
     .fallback = "0.75",
     .min = 0,
     .max = 1000,
     .help = "exponent: y = x / (k + alpha / size^2 * sum)^beta"},
    {.name = "k",
     .type = CVY_FLOAT,
     .offset = offsetof(lrn_within, k),
     .fallback = "1",
     .min = 1e-5,
     .max = CVY_NO_LIMIT,
     .help = "added to the sum"},
    {0},
};

/* Maps of an image, [h][w][c] each, in a thread's scratch. */
typedef struct maps {
  float *terms, *rows, *sums, *factor;
} maps;
enum { MAPS = 4 };

static int64_t image_count(const cvy_layer_plan *plan) {
  return cvy_shape_per_image(plan->y);
}

static cvy_err plan(cvy_layer_plan *plan, void *config) {
  const lrn_within *self = config;
  CVY_TRY(cvy_layer_check_input(plan));
  if (self->size % 2 == 0)
    return cvy_error(CVY_E_INPUT,
                     "'size' must be odd, so that the number stands in the middle; %" PRId64 " is even",
                     self->size);
  plan->y = plan->x[0];
  plan->backward_reads_x = true;
  plan->scratch_bytes_per_thread = sizeof(float) * MAPS * (size_t)image_count(plan);
  return CVY_OK;
}

static maps maps_of(const cvy_layer_call *call, int thread) {
  const int64_t count = image_count(call->plan);
  float *first = cvy_layer_thread_scratch(call, thread);
  return (maps){first, first + count, first + 2 * count, first + 3 * count};
}

/* out[i] is the sum of in[i + j * step] over |j| <= reach, as far as these lie in the line of `length` places
 * of which i is number `at`. Each place has `width` numbers. */
static void sum_line(float *out, const float *in, int64_t at, int64_t length, int64_t step, int64_t width,
                     int64_t reach) {
  memset(out, 0, sizeof *out * (size_t)width);
  for (int64_t j = -reach; j <= reach; j++)
    if (at + j >= 0 && at + j < length) cvy_kernels_get()->add(out, in + j * step, width);
}

/* Computes the sum of `terms` over the square around each place. */
static void sum_squares(const maps *m, const cvy_shape *y, int64_t size) {
  const int64_t line = y->w * y->c, reach = size / 2;
  for (int64_t h = 0; h < y->h; h++)
    for (int64_t w = 0; w < y->w; w++) {
      const int64_t at = h * line + w * y->c;
      sum_line(m->rows + at, m->terms + at, w, y->w, y->c, y->c, reach);
    }
  for (int64_t h = 0; h < y->h; h++)
    sum_line(m->sums + h * line, m->rows + h * line, h, y->h, line, line, reach);
}

/* Computes S = k + alpha / size^2 * sum, in `sums`, and factor = S^-beta. */
static void find_factors(const maps *m, const float *x, const cvy_layer_call *call) {
  const lrn_within *self = call->config;
  const int64_t count = image_count(call->plan);
  const float k = (float)self->k, share = (float)(self->alpha / (double)(self->size * self->size));
  for (int64_t i = 0; i < count; i++) m->terms[i] = x[i] * x[i];
  sum_squares(m, &call->plan->y, self->size);
  for (int64_t i = 0; i < count; i++) m->sums[i] = k + share * m->sums[i];
  cvy_kernels_get()->inverse_power(m->factor, m->sums, (float)self->beta, count);
}

static void forward_image(const void *context, int64_t index, int thread) {
  const cvy_layer_call *call = context;
  const int64_t count = image_count(call->plan);
  const float *x = call->x[0] + index * count;
  const maps m = maps_of(call, thread);
  float *y = call->y + index * count;
  find_factors(&m, x, call);
  for (int64_t i = 0; i < count; i++) y[i] = x[i] * m.factor[i];
}

/* dx_i = dy_i S_i^-beta - 2 alpha beta / size^2 * x_i * (sum over the places j whose square holds i of
 * dy_j y_j / S_j) */
static void backward_image(const void *context, int64_t index, int thread) {
  const cvy_layer_call *call = context;
  const lrn_within *self = call->config;
  const int64_t count = image_count(call->plan);
  const float *x = call->x[0] + index * count, *dy = call->dy + index * count;
  const float slope = (float)(2 * self->alpha / (double)(self->size * self->size) * self->beta);
  const maps m = maps_of(call, thread);
  float *dx = call->dx[0] + index * count;
  find_factors(&m, x, call);
  for (int64_t i = 0; i < count; i++) m.terms[i] = dy[i] * x[i] * m.factor[i] / m.sums[i];
  sum_squares(&m, &call->plan->y, self->size);
  for (int64_t i = 0; i < count; i++) dx[i] = dy[i] * m.factor[i] - slope * x[i] * m.sums[i];
}

static void forward(const cvy_layer_call *call) {
  cvy_parallel(call->plan->y.n, forward_image, call);
}

static void backward(const cvy_layer_call *call) {
  if (call->dx[0]) cvy_parallel(call->plan->y.n, backward_image, call);
}

static void describe(char *out, size_t bytes, const void *config) {
  const lrn_within *self = config;
  snprintf(out, bytes, "%" PRId64 "x%" PRId64 " pixels", self->size, self->size);
}

extern const cvy_layer_type cvy_layer_lrn_within;
const cvy_layer_type cvy_layer_lrn_within = {
    .kind = &(const cvy_kind){"lrn_within", "local response normalisation within a channel", options,
                              sizeof(lrn_within)},
    .short_name = "norm_within",
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .describe = describe,
};
