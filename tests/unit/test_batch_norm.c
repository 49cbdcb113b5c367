/* Tests batch normalisation against its definition in double precision, on inputs that are hard on the
 * statistics. */
#include "rig.h"

#include <float.h>

#define EPS 0x1p-24

/* How the inputs of a channel are distributed. */
typedef enum spread {
  AROUND_ZERO,   /* uniform in [-1, 1) */
  AROUND_1000,   /* uniform in [999, 1001), where floats lie 6e-5 apart */
  CONSTANT,      /* 1000.1 everywhere, whose sums round */
  FIRST_FAR_OUT, /* uniform in [-1, 1), but the first value, which the sums are centred on, is 1e5 */
  TWO_NEIGHBOURS /* two neighbouring floats, between which the mean is no float */
} spread;

static float input(spread s, float uniform, int64_t row) {
  const float neighbours[] = {1000, nextafterf(1000, 2000)};
  switch (s) {
  case AROUND_ZERO:
    return uniform;
  case AROUND_1000:
    return 1000 + uniform;
  case CONSTANT:
    return 1000.1f;
  case FIRST_FAR_OUT:
    return row == 0 ? 1e5f : uniform;
  case TWO_NEIGHBOURS:
    return neighbours[row % 2];
  }
  return 0;
}

static void spread_inputs(rig *r, spread s) {
  const int64_t channels = r->plan.y.c;
  for (int64_t i = 0; i < r->x_count; i++) r->x[i] = input(s, r->x[i], i / channels);
}

/* One channel of the definition, with mean and variance by two passes. */
typedef struct reference {
  int64_t m;
  double mean, variance;       /* biased */
  double scale, bias, s;       /* s = 1 / sqrt(variance + epsilon) */
  double g, p, g_size, p_size; /* sum(dy), sum(dy * (x - mean)), and the sums of their terms' sizes */
} reference;

static const double epsilon = 1e-5;

static reference reference_of(const rig *r, int64_t c) {
  const int64_t channels = r->plan.y.c;
  reference f = {.m = r->x_count / channels, .scale = (double)r->params[0][c]};
  f.bias = (double)r->params[1][c];
  long double sum = 0;
  for (int64_t i = c; i < r->x_count; i += channels) sum += (long double)r->x[i];
  f.mean = (double)(sum / f.m);
  for (int64_t i = c; i < r->x_count; i += channels)
    f.variance += ((double)r->x[i] - f.mean) * ((double)r->x[i] - f.mean) / (double)f.m;
  f.s = 1 / sqrt(f.variance + epsilon);
  for (int64_t i = c; i < r->x_count; i += channels) {
    const double dy = (double)r->dy[i], product = dy * ((double)r->x[i] - f.mean);
    f.g += dy, f.g_size += fabs(dy);
    f.p += product, f.p_size += fabs(product);
  }
  return f;
}

/* y = (x - centre) * slope + offset: the first term is rounded three times, the offset and the sum once each,
 * and slope * (mean - centre), at most EPS * |slope * mean|, is in both terms. The roundings of the
 * reference's and the layer's own double sums are within 1e-12 of the numbers in them. */
static double y_tolerance(const reference *f, double x) {
  const double slope = fabs(f->scale) * f->s, z = slope * fabs(x - f->mean);
  return EPS * (4 * z + 2 * fabs(f->bias) + 6 * EPS * slope * fabs(f->mean)) + 1e-12 * slope * fabs(x);
}

/* dx is the sum of three terms; each is rounded up to four times and takes part in two sums. */
static double dx_tolerance(const reference *f, double x, double dy) {
  const double slope = fabs(f->scale) * f->s, k = slope * f->s * f->s * fabs(f->p) / (double)f->m;
  const double size = slope * (fabs(dy) + fabs(f->g) / (double)f->m) + k * fabs(x - f->mean);
  return EPS * (6 * size + 6 * EPS * k * fabs(f->mean)) + 1e-12 * (size + k * fabs(x));
}

static double error_of(float got, double want, double tolerance) {
  return fabs((double)got - want) / (tolerance + DBL_MIN);
}

/* The largest errors of a channel, as shares of what is allowed. */
typedef struct errors {
  double y, dx, scale, bias, mean, variance;
} errors;

static errors errors_of(const rig *r, int64_t c) {
  const reference f = reference_of(r, c);
  const int64_t channels = r->plan.y.c;
  const double m = (double)f.m, unbiased = f.m > 1 ? f.variance * m / (m - 1) : 0;
  errors e = {0};
  for (int64_t i = c; i < r->x_count; i += channels) {
    const double x = (double)r->x[i], dy = (double)r->dy[i], d = x - f.mean;
    const double y = d * f.s * f.scale + f.bias;
    const double dx = f.scale * f.s * (dy - f.g / m - d * f.s * f.s * f.p / m);
    e.y = fmax(e.y, error_of(r->y[i], y, y_tolerance(&f, x)));
    e.dx = fmax(e.dx, error_of(r->dx[i], dx, dx_tolerance(&f, x, dy)));
  }
  /* The double that holds a mean of 1000 is itself rounded. */
  const double of_mean = 0x1p-52 * fabs(f.mean) * f.g_size;
  e.scale = error_of(r->grads[0][c], f.p * f.s, f.s * (EPS * fabs(f.p) + 1e-12 * f.p_size + of_mean));
  e.bias = error_of(r->grads[1][c], f.g, EPS * fabs(f.g) + 1e-12 * f.g_size);
  e.mean = error_of(r->grads[2][c], f.mean, EPS * fabs(f.mean));
  e.variance = error_of(r->grads[3][c], unbiased, 1.001 * EPS * unbiased);
  return e;
}

static bool channel_is_right(const rig *r, const char *what, int64_t c) {
  const errors e = errors_of(r, c);
  if (e.y <= 1 && e.dx <= 1 && e.scale <= 1 && e.bias <= 1 && e.mean <= 1 && e.variance <= 1) return true;
  printf("\n    %s, channel %" PRId64
         ": errors as shares of what is allowed: y %.3g, dx %.3g, dscale %.3g, dbias "
         "%.3g, mean %.3g, variance %.3g\n",
         what, c, e.y, e.dx, e.scale, e.bias, e.mean, e.variance);
  return false;
}

static const cvy_shape shapes[] = {
    {3, 4, 5, 3},  {2, 7, 7, 1},  {3, 4, 4, 32},  {3, 4, 4, 33},    {2, 2, 2, 2048},
    {8, 1, 1, 10}, {2, 1, 1, 65}, {6, 1, 1, 300}, {4, 40, 40, 140}, {9, 60, 60, 1},
};

static void check_definition(spread s, const char *what) {
  for (int64_t i = 0; i < CVY_COUNT(shapes); i++) {
    rig r;
    rig_open(&r, "batch_norm", shapes[i]);
    spread_inputs(&r, s);
    rig_forward(&r), rig_backward(&r);
    bool right = true;
    for (int64_t c = 0; right && c < shapes[i].c; c++) right = channel_is_right(&r, what, c);
    CU_ASSERT(right);
    rig_close(&r);
  }
}

static void plain_inputs(void) {
  check_definition(AROUND_ZERO, "around 0");
}

static void a_mean_of_1000(void) {
  check_definition(AROUND_1000, "around 1000");
}

static void a_first_value_far_out(void) {
  check_definition(FIRST_FAR_OUT, "first value far out");
}

static void neighbouring_floats(void) {
  check_definition(TWO_NEIGHBOURS, "two neighbouring floats");
}

/* Nothing is left but the bias. */
static void constant_channels(void) {
  for (int64_t i = 0; i < CVY_COUNT(shapes); i++) {
    rig r;
    rig_open(&r, "batch_norm", shapes[i]);
    spread_inputs(&r, CONSTANT);
    rig_forward(&r), rig_backward(&r);
    bool bias = true, mean = true;
    for (int64_t k = 0; k < r.y_count; k++) bias &= r.y[k] == r.params[1][k % shapes[i].c];
    for (int64_t c = 0; c < shapes[i].c; c++)
      mean &= r.grads[2][c] == 1000.1f && r.grads[3][c] == 0 && r.grads[0][c] == 0;
    CU_ASSERT(bias && mean);
    rig_close(&r);
  }
}

static void one_pixel(void) {
  rig r;
  rig_open(&r, "batch_norm", (cvy_shape){1, 1, 1, 5});
  rig_forward(&r), rig_backward(&r);
  for (int c = 0; c < 5; c++) {
    CU_ASSERT_EQUAL(r.y[c], r.params[1][c]);
    CU_ASSERT_EQUAL(r.dx[c], 0);
    CU_ASSERT(r.grads[0][c] == 0 && r.grads[1][c] == r.dy[c]);
    CU_ASSERT(r.grads[2][c] == r.x[c] && r.grads[3][c] == 0);
  }
  rig_close(&r);
}

static void nan_stays_in_its_channel(void) {
  rig r;
  rig_open(&r, "batch_norm", (cvy_shape){2, 3, 3, 4});
  r.x[4 * 7 + 2] = NAN;
  rig_forward(&r), rig_backward(&r);
  bool right = true;
  for (int64_t i = 0; i < r.y_count; i++) right &= !isnan(r.y[i]) == (i % 4 != 2);
  for (int64_t i = 0; i < r.x_count; i++) right &= !isnan(r.dx[i]) == (i % 4 != 2);
  for (int c = 0; c < 4; c++) right &= !isnan(r.grads[3][c]) == (c != 2);
  CU_ASSERT(right);
  rig_close(&r);
}

/* y comes from the running averages alone; what backward leaves for them moves nothing. */
static void evaluation_uses_the_averages(void) {
  rig r;
  rig_open(&r, "batch_norm: {epsilon: 1e-3}", (cvy_shape){3, 5, 4, 37});
  r.pass.training = false;
  rig_forward(&r), rig_backward(&r);
  bool y_right = true, dx_right = true;
  for (int64_t i = 0; i < r.x_count; i++) {
    const int64_t c = i % 37;
    const double factor = (double)r.params[0][c] / sqrt((double)r.params[3][c] + 1e-3);
    const double z = ((double)r.x[i] - (double)r.params[2][c]) * factor, b = (double)r.params[1][c];
    y_right &= fabs((double)r.y[i] - (z + b)) <= EPS * (4 * fabs(z) + 2 * fabs(b));
    dx_right &= fabs((double)r.dx[i] - (double)r.dy[i] * factor) <= 3 * EPS * fabs((double)r.dy[i] * factor);
  }
  CU_ASSERT(y_right && dx_right);
  CU_ASSERT(same_bits(r.grads[2], r.params[2], 37) && same_bits(r.grads[3], r.params[3], 37));
  rig_close(&r);
}

static void training_does_not_read_the_averages(void) {
  rig r;
  rig_open(&r, "batch_norm", (cvy_shape){3, 5, 4, 7});
  rig_forward(&r), rig_backward(&r);
  float *y = copy_of(r.y, r.y_count), *variance = copy_of(r.grads[3], 7);
  for (int c = 0; c < 7; c++) r.params[2][c] = r.params[3][c] = NAN;
  rig_forward(&r), rig_backward(&r);
  CU_ASSERT(same_bits(r.y, y, r.y_count) && same_bits(r.grads[3], variance, 7));
  free(y), free(variance);
  rig_close(&r);
}

static void parameters_are_declared(void) {
  const struct {
    const char *yaml;
    int64_t count;
    const char *names[4];
  } cases[] = {
      {"batch_norm: {momentum: 0.25}", 4, {"scale", "bias", "mean", "variance"}},
      {"batch_norm: {momentum: 0.25, scale: false}", 3, {"bias", "mean", "variance"}},
      {"batch_norm: {momentum: 0.25, bias: false}", 3, {"scale", "mean", "variance"}},
      {"batch_norm: {momentum: 0.25, scale: false, bias: false}", 2, {"mean", "variance"}},
  };
  for (int64_t i = 0; i < CVY_COUNT(cases); i++) {
    rig r;
    rig_open(&r, cases[i].yaml, (cvy_shape){2, 3, 3, 6});
    CU_ASSERT_EQUAL_FATAL(r.plan.param_count, cases[i].count);
    for (int64_t k = 0; k < cases[i].count; k++) {
      const cvy_param_spec *p = &r.plan.params[k];
      const bool average = k >= cases[i].count - 2;
      const double first = *p->name == 's' || *p->name == 'v' ? 1 : 0;
      CU_ASSERT_STRING_EQUAL(p->name, cases[i].names[k]);
      CU_ASSERT(p->dim_count == 1 && p->dims[0] == 6 && !p->decays);
      CU_ASSERT(p->init.method == CVY_INIT_CONSTANT && p->init.value == first);
      CU_ASSERT_EQUAL(p->averaging, average ? 0.25 : 0);
    }
    CU_ASSERT(r.plan.backward_reads_x && !r.plan.backward_reads_y && !r.plan.in_place);
    CU_ASSERT_EQUAL(r.plan.state_bytes, 2 * 6 * sizeof(double));
    rig_close(&r);
  }
}

/* The bits are the same for 1, 2 and 3 threads, in shapes that make one task and many. */
static void bits_do_not_know_threads(void) {
  for (int64_t i = 0; i < CVY_COUNT(shapes); i++) {
    rig r;
    float *y = NULL, *dx = NULL, *grads[4] = {NULL};
    rig_open(&r, "batch_norm", shapes[i]);
    for (int threads = 1; threads <= RIG_THREADS; threads++) {
      cvy_threads_set(threads);
      rig_forward(&r), rig_backward(&r);
      if (threads > 1) CU_ASSERT(same_bits(r.y, y, r.y_count) && same_bits(r.dx, dx, r.x_count));
      for (int k = 0; threads > 1 && k < 4; k++) CU_ASSERT(same_bits(r.grads[k], grads[k], shapes[i].c));
      if (threads > 1) continue;
      y = copy_of(r.y, r.y_count), dx = copy_of(r.dx, r.x_count);
      for (int k = 0; k < 4; k++) grads[k] = copy_of(r.grads[k], shapes[i].c);
    }
    cvy_threads_set(1);
    free(y), free(dx);
    for (int k = 0; k < 4; k++) free(grads[k]);
    rig_close(&r);
  }
}

SUITE("batch_norm", TEST(plain_inputs), TEST(a_mean_of_1000), TEST(a_first_value_far_out),
      TEST(neighbouring_floats), TEST(constant_channels), TEST(one_pixel), TEST(nan_stays_in_its_channel),
      TEST(evaluation_uses_the_averages), TEST(training_does_not_read_the_averages),
      TEST(parameters_are_declared), TEST(bits_do_not_know_threads))
