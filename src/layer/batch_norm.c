/* Batch normalisation (Ioffe & Szegedy 2015): y = (x - mean) / sqrt(variance + epsilon) * scale + bias, with
 * each channel's mean and variance over the n*h*w pixels of the microbatch in training, and with the running
 * averages of both in evaluation. A frozen layer uses the running averages in training too and leaves them as
 * they are, as Keras' does. What it was trained to expect then stays right, even for microbatches that are
 * too small for statistics of their own. So does a layer whose statistics alone are fixed, while its scale
 * and bias learn.
 *
 * The statistics take one pass over x: sums of d = x - x0 and of d * d in double, x0 being the channel's
 * first value. As x0 is one of the m values, (mean - x0)^2 <= m * variance, so the difference of sum(d * d) /
 * m and (sum(d) / m)^2 costs at most log2(m) of a double's 53 bits, however large the mean is.
 *
 * The mean is used as the sum of two floats, centre + rest: x - centre is exact where x is near the mean, and
 * the rest goes into the offset. The state, in double, is [c] means and [c] biased variances. */
#include "layer/channels.h"

#include <math.h>
#include <string.h>

typedef struct batch_norm {
  double epsilon, momentum, initial_scale;
  bool scale, bias;
} batch_norm;

static const cvy_option options[] = {
    {.name = "epsilon",
     .type = CVY_FLOAT,
     .offset = offsetof(batch_norm, epsilon),
     .fallback = "1e-5",
     .min = 1e-12,
     .max = 1,
     .help = "added to the variance under the root"},
    {.name = "momentum",
     .type = CVY_FLOAT,
     .offset = offsetof(batch_norm, momentum),
     .fallback = "0.1",
     .min = 1e-6,
     .max = 1,
     .help = "share of a step's own statistics in the running averages, as in PyTorch; Keras' momentum and "
             "Caffe's moving_average_fraction are the share of the old ones: 1 minus this"},
    {.name = "scale",
     .type = CVY_BOOL,
     .offset = offsetof(batch_norm, scale),
     .fallback = "true",
     .help = "multiply each channel by a learnt number"},
    {.name = "bias",
     .type = CVY_BOOL,
     .offset = offsetof(batch_norm, bias),
     .fallback = "true",
     .help = "add a learnt number to each channel"},
    {.name = "initial_scale",
     .type = CVY_FLOAT,
     .offset = offsetof(batch_norm, initial_scale),
     .fallback = "1",
     .min = -1e6,
     .max = 1e6,
     .help =
         "what the learnt scale begins with; 0 in the last batch_norm of a residual block makes the block "
         "begin as an identity (Goyal et al. 2017, section 5.1)"},
    {0},
};

/* These tell where the parameters lie. They are scale, bias, mean and variance, without those that are
 * switched off. */
static int64_t bias_at(const batch_norm *self) {
  return self->scale;
}

static int64_t mean_at(const batch_norm *self) {
  return self->scale + self->bias;
}

static int64_t variance_at(const batch_norm *self) {
  return mean_at(self) + 1;
}

static cvy_param_spec spec_of(const char *name, int64_t channels, double value, double averaging) {
  return (cvy_param_spec){.name = name,
                          .dim_count = 1,
                          .dims = {channels},
                          .init = {.method = CVY_INIT_CONSTANT, .value = value},
                          .averaging = averaging};
}

static cvy_err plan(cvy_layer_plan *plan, void *config) {
  const batch_norm *self = config;
  CVY_TRY(cvy_layer_check_input(plan));
  const cvy_shape x = plan->x[0];
  plan->y = x;
  if (self->scale) plan->params[0] = spec_of("scale", x.c, self->initial_scale, 0);
  if (self->bias) plan->params[bias_at(self)] = spec_of("bias", x.c, 0, 0);
  plan->params[mean_at(self)] = spec_of("mean", x.c, 0, self->momentum);
  plan->params[variance_at(self)] = spec_of("variance", x.c, 1, self->momentum);
  plan->param_count = variance_at(self) + 1;
  plan->backward_reads_x = plan->learns;
  if (plan->learns && !plan->has_fixed_statistics && x.n * x.h * x.w == 1)
    plan->untrainable =
        "a microbatch of one image with one pixel has one value a channel, which is its own mean: "
        "microbatches must have at least 2 images";
  plan->state_bytes = sizeof(double) * 2 * (size_t)x.c;
  plan->scratch_bytes = cvy_channels_sum_bytes(x) + sizeof(float) * 4 * (size_t)x.c;
  return CVY_OK;
}

static int64_t pixels_of(const cvy_layer_plan *plan) {
  return plan->y.n * plan->y.h * plan->y.w;
}

/* Rows of channels, behind the scratch of the sums. */
typedef struct rows {
  float *centre, *slope, *offset, *factor;
} rows;

static rows rows_of(const cvy_layer_call *call) {
  const int64_t channels = call->plan->y.c;
  float *first = (float *)((char *)call->scratch + cvy_channels_sum_bytes(call->plan->y));
  return (rows){first, first + channels, first + 2 * channels, first + 3 * channels};
}

static cvy_affine affine_of(const rows *r) {
  return (cvy_affine){r->centre, r->slope, r->offset, r->factor};
}

static double scale_of(const cvy_layer_call *call, int64_t c) {
  const batch_norm *self = call->config;
  return self->scale ? (double)call->params[0][c] : 1;
}

static double inverse_deviation(const cvy_layer_call *call, int64_t c) {
  const batch_norm *self = call->config;
  const double *variance = (const double *)call->state + call->plan->y.c;
  return 1 / sqrt(variance[c] + self->epsilon);
}

static bool uses_own_statistics(const cvy_layer_call *call) {
  return call->pass->training && call->plan->learns && !call->plan->has_fixed_statistics;
}

static void take_statistics(const cvy_layer_call *call) {
  const int64_t channels = call->plan->y.c;
  const double m = (double)pixels_of(call->plan);
  const float *x0 = call->x[0];
  const double *sum = cvy_channels_sum(call->scratch, NULL, call->x[0], x0, call->plan->y);
  const double *squares = sum + channels;
  double *mean = call->state, *variance = mean + channels;
  for (int64_t c = 0; c < channels; c++) {
    const double d = sum[c] / m, v = squares[c] / m - d * d;
    mean[c] = (double)x0[c] + d;
    variance[c] = v < 0 ? 0 : v; /* a NaN stays */
  }
}

static void recall_statistics(const cvy_layer_call *call) {
  const batch_norm *self = call->config;
  const int64_t channels = call->plan->y.c;
  double *mean = call->state, *variance = mean + channels;
  for (int64_t c = 0; c < channels; c++) {
    mean[c] = (double)call->params[mean_at(self)][c];
    variance[c] = (double)call->params[variance_at(self)][c];
  }
}

static void forward(const cvy_layer_call *call) {
  const batch_norm *self = call->config;
  const rows r = rows_of(call);
  const double *mean = call->state;
  if (uses_own_statistics(call))
    take_statistics(call);
  else
    recall_statistics(call);
  for (int64_t c = 0; c < call->plan->y.c; c++) {
    r.centre[c] = (float)mean[c];
    r.slope[c] = (float)(scale_of(call, c) * inverse_deviation(call, c));
    const double bias = self->bias ? (double)call->params[bias_at(self)][c] : 0;
    r.offset[c] = (float)(bias - (double)r.slope[c] * (mean[c] - (double)r.centre[c]));
  }
  const cvy_affine by_channel = affine_of(&r);
  cvy_channels_map(call->y, NULL, call->x[0], &by_channel, call->plan->y);
}

/* Writes what the running averages are to move towards. The variance is the unbiased one, as in PyTorch; one
 * pixel has none, and leaves zero. */
static void write_statistics(const cvy_layer_call *call) {
  const batch_norm *self = call->config;
  const int64_t channels = call->plan->y.c, m = pixels_of(call->plan);
  const double *mean = call->state, *variance = mean + channels;
  const double unbiased = call->pass->training && m > 1 ? (double)m / (double)(m - 1) : 1;
  for (int64_t c = 0; c < channels; c++) {
    call->grads[mean_at(self)][c] = (float)mean[c];
    call->grads[variance_at(self)][c] = (float)(variance[c] * unbiased);
  }
}

/* With g = sum(dy), p = sum(dy * (x - mean)) and s = 1 / sqrt(variance + epsilon):
 *   dbias = g, dscale = s * p, dx = scale * s * (dy - g / m - (x - mean) * s^2 * p / m),
 * where the statistics are given, as in evaluation, dx = scale * s * dy. */
static void find_gradients(const cvy_layer_call *call, const rows *r, const double *sums) {
  const batch_norm *self = call->config;
  const int64_t channels = call->plan->y.c;
  const double *mean = call->state, share = uses_own_statistics(call) ? 1 / (double)pixels_of(call->plan) : 0;
  for (int64_t c = 0; c < channels; c++) {
    const double s = inverse_deviation(call, c), rest = mean[c] - (double)r->centre[c];
    const double g = sums[c], p = sums[channels + c] - rest * g;
    if (self->scale) call->grads[0][c] = (float)(s * p);
    if (self->bias) call->grads[bias_at(self)][c] = (float)g;
    r->factor[c] = (float)(scale_of(call, c) * s);
    r->slope[c] = (float)(-(double)r->factor[c] * s * s * p * share);
    r->offset[c] = (float)(-(double)r->factor[c] * g * share - (double)r->slope[c] * rest);
  }
}

/* dx = scale * s * dy, the statistics being given. */
static void backward_frozen(const cvy_layer_call *call) {
  const rows r = rows_of(call);
  const int64_t channels = call->plan->y.c;
  memset(r.centre, 0, sizeof *r.centre * (size_t)channels);
  memset(r.offset, 0, sizeof *r.offset * (size_t)channels);
  for (int64_t c = 0; c < channels; c++) r.slope[c] = (float)(scale_of(call, c) * inverse_deviation(call, c));
  const cvy_affine by_channel = affine_of(&r);
  if (call->dx[0]) cvy_channels_map(call->dx[0], NULL, call->dy, &by_channel, call->plan->y);
}

static void backward(const cvy_layer_call *call) {
  if (!call->plan->learns) {
    backward_frozen(call);
    return;
  }
  const rows r = rows_of(call);
  const double *mean = call->state;
  for (int64_t c = 0; c < call->plan->y.c; c++) r.centre[c] = (float)mean[c];
  const double *sums = cvy_channels_sum(call->scratch, call->dy, call->x[0], r.centre, call->plan->y);
  find_gradients(call, &r, sums);
  if (!call->plan->has_fixed_statistics) write_statistics(call);
  const cvy_affine by_channel = affine_of(&r);
  if (call->dx[0]) cvy_channels_map(call->dx[0], call->dy, call->x[0], &by_channel, call->plan->y);
}

extern const cvy_layer_type cvy_layer_batch_norm;
const cvy_layer_type cvy_layer_batch_norm = {
    .kind = &(const cvy_kind){"batch_norm", "every channel to mean 0 and deviation 1 over the microbatch",
                              options, sizeof(batch_norm)},
    .short_name = "bn",
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .statistics = write_statistics,
};
