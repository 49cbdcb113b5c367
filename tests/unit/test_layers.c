/* Tests each layer type's forward against the definition in double precision, what it promises about threads
 * and memory, and what it says about impossible shapes. */
#define _GNU_SOURCE
#include "rig.h"

#include <dlfcn.h>

#define EPS 0x1p-24

static void check_y(rig *r, const char *what, const double *want, double relative) {
  double *tolerance = malloc(sizeof *tolerance * (size_t)r->y_count);
  for (int64_t i = 0; i < r->y_count; i++) tolerance[i] = relative * (1e-3 + fabs(want[i]));
  CU_ASSERT(all_near(what, r->y, want, tolerance, r->y_count));
  free(tolerance);
}

static double at(const rig *r, int64_t n, int64_t i, int64_t j, int64_t c) {
  const cvy_shape x = r->plan.x[0];
  return (double)r->x[((n * x.h + i) * x.w + j) * x.c + c];
}

/* ---- convolution: only where the windows lie; test_conv has the arithmetic ---- */

/* Returns the padding before the image that makes the output ceil(n / stride), as TensorFlow defines it. */
static int64_t same_before(int64_t n, int64_t kernel, int64_t stride) {
  const int64_t total = n % stride == 0 ? kernel - stride : kernel - n % stride;
  return total > 0 ? total / 2 : 0;
}

static void check_same(int64_t h, int64_t w, int64_t kernel, int64_t stride) {
  rig r;
  char yaml[128];
  snprintf(yaml, sizeof yaml, "conv: {filters: 1, kernel: %" PRId64 ", stride: %" PRId64 ", padding: same}",
           kernel, stride);
  rig_open(&r, yaml, (cvy_shape){1, h, w, 1});
  rig_forward(&r);
  CU_ASSERT_EQUAL(r.plan.y.h, (h + stride - 1) / stride);
  CU_ASSERT_EQUAL(r.plan.y.w, (w + stride - 1) / stride);
  double *want = malloc(sizeof *want * (size_t)r.y_count);
  for (int64_t i = 0; i < r.y_count; i++) {
    want[i] = (double)r.params[1][0];
    for (int64_t t = 0; t < kernel * kernel; t++) {
      const int64_t row = i / r.plan.y.w * stride - same_before(h, kernel, stride) + t / kernel;
      const int64_t column = i % r.plan.y.w * stride - same_before(w, kernel, stride) + t % kernel;
      if (row >= 0 && row < h && column >= 0 && column < w)
        want[i] += at(&r, 0, row, column, 0) * (double)r.params[0][t];
    }
  }
  check_y(&r, "same", want, 1e-3);
  free(want);
  rig_close(&r);
}

static void conv_same_is_as_in_keras(void) {
  for (int64_t n = 4; n <= 7; n++)
    for (int64_t kernel = 1; kernel <= 5; kernel++)
      for (int64_t stride = 1; stride <= 3; stride++) check_same(n, n + 1, kernel, stride);
}

static void conv_declares_its_parameters(void) {
  rig r;
  rig_open(&r, "conv: {filters: 96, kernel: 11, stride: 4, init: xavier, bias_value: 0.5}",
           (cvy_shape){2, 227, 227, 3});
  const cvy_param_spec *w = &r.plan.params[0], *b = &r.plan.params[1];
  CU_ASSERT(r.plan.y.n == 2 && r.plan.y.h == 55 && r.plan.y.w == 55 && r.plan.y.c == 96);
  CU_ASSERT_EQUAL(r.plan.param_count, 2);
  CU_ASSERT(w->dim_count == 4 && w->dims[0] == 11 && w->dims[1] == 11 && w->dims[2] == 3 && w->dims[3] == 96);
  CU_ASSERT(w->decays && !b->decays && b->dim_count == 1 && b->dims[0] == 96);
  CU_ASSERT(w->init.method == CVY_INIT_XAVIER && w->init.fan_in == 363 && w->init.fan_out == 121 * 96);
  CU_ASSERT(b->init.method == CVY_INIT_CONSTANT && b->init.value == 0.5);
  CU_ASSERT_EQUAL(r.plan.multiply_adds, (int64_t)2 * 55 * 55 * 96 * 363);
  rig_close(&r);
}

/* This is AlexNet's second convolution in its two towers: conv2 of the paper has 5x5x48 filters. */
static void groups_declare_their_parameters(void) {
  rig r;
  rig_open(&r, "conv: {filters: 256, kernel: 5, padding: same, groups: 2}", (cvy_shape){3, 27, 27, 96});
  const cvy_param_spec *w = &r.plan.params[0];
  CU_ASSERT(r.plan.y.h == 27 && r.plan.y.w == 27 && r.plan.y.c == 256);
  CU_ASSERT(w->dims[0] == 5 && w->dims[1] == 5 && w->dims[2] == 48 && w->dims[3] == 256);
  CU_ASSERT(w->init.fan_in == 25 * 48 && w->init.fan_out == 25 * 128);
  CU_ASSERT_EQUAL(r.plan.params[1].dims[0], 256);
  CU_ASSERT_EQUAL(r.plan.multiply_adds, (int64_t)3 * 27 * 27 * 256 * 25 * 48);
  rig_close(&r);
}

/* ---- fully connected ---- */

static void fc_matches_double_precision(void) {
  rig r;
  rig_open(&r, "fc: {outputs: 150}", (cvy_shape){5, 3, 4, 11});
  rig_forward(&r);
  double *want = calloc((size_t)r.y_count, sizeof *want);
  for (int64_t i = 0; i < r.y_count; i++) {
    want[i] = (double)r.params[1][i % 150];
    for (int64_t f = 0; f < 132; f++)
      want[i] += (double)r.x[i / 150 * 132 + f] * (double)r.params[0][f * 150 + i % 150];
  }
  check_y(&r, "fc", want, 1e-3);
  CU_ASSERT_EQUAL(r.plan.multiply_adds, 5 * 132 * 150);
  free(want);
  rig_close(&r);
}

/* ---- pooling ---- */

typedef struct pool_case {
  int64_t h, w, c, kernel, stride, padding;
  bool up, count_padding;
} pool_case;

static const pool_case pools[] = {
    {6, 6, 3, 2, 2, 0, false, true},    {5, 7, 70, 3, 2, 0, false, true},  {6, 5, 6, 3, 2, 0, true, true},
    {6, 6, 2, 3, 2, 1, true, false},    {6, 6, 2, 3, 2, 1, true, true},    {3, 3, 1, 2, 2, 1, true, true},
    {4, 9, 20, 4, 1, 3, false, false},  {7, 7, 130, 7, 7, 0, false, true}, {5, 5, 4, 1, 2, 0, true, true},
    {19, 18, 3, 17, 2, 1, false, true},
};

/* Returns PyTorch's size: a last window may not begin in the padding after the image. */
static int64_t pooled(const pool_case *p, int64_t n) {
  const double quotient = (double)(n + 2 * p->padding - p->kernel) / (double)p->stride;
  int64_t out = (int64_t)(p->up ? ceil(quotient) : floor(quotient)) + 1;
  if (p->up && (out - 1) * p->stride >= n + p->padding) out--;
  return out;
}

typedef struct window_sum {
  double largest, sum;
  int64_t inside, with_padding;
} window_sum;

static window_sum look(const rig *r, const pool_case *p, int64_t n, int64_t i, int64_t j, int64_t c) {
  window_sum s = {.largest = -INFINITY};
  for (int64_t t = 0; t < p->kernel * p->kernel; t++) {
    const int64_t row = i * p->stride - p->padding + t / p->kernel;
    const int64_t column = j * p->stride - p->padding + t % p->kernel;
    s.with_padding += row < p->h + p->padding && column < p->w + p->padding;
    if (row < 0 || row >= p->h || column < 0 || column >= p->w) continue;
    s.inside++;
    s.sum += at(r, n, row, column, c);
    s.largest = fmax(s.largest, at(r, n, row, column, c));
  }
  return s;
}

static void check_pool(const pool_case *p, bool average) {
  rig r;
  char yaml[160];
  snprintf(yaml, sizeof yaml,
           "%s: {kernel: %" PRId64 ", stride: %" PRId64 ", padding: %" PRId64 ", rounding: %s%s}",
           average ? "average_pool" : "max_pool", p->kernel, p->stride, p->padding, p->up ? "up" : "down",
           !average           ? ""
           : p->count_padding ? ", count_padding: true"
                              : ", count_padding: false");
  rig_open(&r, yaml, (cvy_shape){2, p->h, p->w, p->c});
  rig_forward(&r);
  const cvy_shape y = r.plan.y;
  CU_ASSERT_FATAL(y.h == pooled(p, p->h) && y.w == pooled(p, p->w) && y.c == p->c && y.n == 2);
  double *want = malloc(sizeof *want * (size_t)r.y_count);
  for (int64_t o = 0; o < r.y_count; o++) {
    const window_sum s = look(&r, p, o / y.c / y.w / y.h, o / y.c / y.w % y.h, o / y.c % y.w, o % y.c);
    want[o] = !average ? s.largest : s.sum / (double)(p->count_padding ? s.with_padding : s.inside);
  }
  check_y(&r, yaml, want, average ? 1e-4 : 0);
  free(want);
  rig_close(&r);
}

/* Checks `padding: same`: zeros as a convolution's lie, which count for nothing. */
static void check_same_pool(int64_t h, int64_t w, int64_t kernel, int64_t stride, bool average) {
  rig r;
  char yaml[160];
  snprintf(yaml, sizeof yaml, "%s: {kernel: %" PRId64 ", stride: %" PRId64 ", padding: same%s}",
           average ? "average_pool" : "max_pool", kernel, stride, average ? ", count_padding: false" : "");
  rig_open(&r, yaml, (cvy_shape){2, h, w, 2});
  rig_forward(&r);
  const cvy_shape y = r.plan.y;
  CU_ASSERT_FATAL(y.h == (h + stride - 1) / stride && y.w == (w + stride - 1) / stride);
  double *want = malloc(sizeof *want * (size_t)r.y_count);
  for (int64_t o = 0; o < r.y_count; o++) {
    double most = -INFINITY, sum = 0, count = 0;
    for (int64_t t = 0; t < kernel * kernel; t++) {
      const int64_t row = o / y.c / y.w % y.h * stride - same_before(h, kernel, stride) + t / kernel;
      const int64_t column = o / y.c % y.w * stride - same_before(w, kernel, stride) + t % kernel;
      if (row < 0 || row >= h || column < 0 || column >= w) continue;
      const double x = at(&r, o / y.c / y.w / y.h, row, column, o % y.c);
      most = fmax(most, x);
      sum += x;
      count++;
    }
    want[o] = average ? sum / count : most;
  }
  check_y(&r, yaml, want, average ? 1e-4 : 0);
  free(want);
  rig_close(&r);
}

static void pooling_same_is_as_in_keras(void) {
  for (int64_t n = 5; n <= 8; n++)
    for (int64_t kernel = 1; kernel <= 4; kernel++)
      for (int64_t stride = 1; stride <= 3; stride++) {
        check_same_pool(n, n + 1, kernel, stride, false);
        check_same_pool(n, n + 1, kernel, stride, true);
      }
}

static void pooling_matches_the_definition(void) {
  for (int64_t i = 0; i < CVY_COUNT(pools); i++) {
    check_pool(&pools[i], false);
    check_pool(&pools[i], true);
  }
}

/* The image is 1 ... 9 in a square, pooled by hand. */
static void pooling_by_hand(void) {
  const float max_up[] = {5, 6, 8, 9}, mean_up[] = {3, 4.5f, 7.5f, 9};
  const char *const yamls[] = {"max_pool: {kernel: 2, rounding: up}",
                               "average_pool: {kernel: 2, rounding: up}"};
  for (int which = 0; which < 2; which++) {
    rig r;
    rig_open(&r, yamls[which], (cvy_shape){1, 3, 3, 1});
    for (int i = 0; i < 9; i++) r.x[i] = (float)(i + 1);
    rig_forward(&r);
    for (int i = 0; i < 4; i++) CU_ASSERT_EQUAL(r.y[i], which ? mean_up[i] : max_up[i]);
    rig_close(&r);
  }
}

static void max_pool_keeps_a_byte_an_output(void) {
  const struct {
    const char *yaml;
    int64_t bytes; /* an output */
  } known[] = {{"max_pool: {kernel: 3, stride: 2}", 1},
               {"max_pool: {kernel: 16, stride: 2}", 1},
               {"max_pool: {kernel: [16, 17], stride: 2}", 2}};
  for (int64_t i = 0; i < CVY_COUNT(known); i++) {
    rig r;
    rig_open(&r, known[i].yaml, (cvy_shape){3, 20, 21, 5});
    CU_ASSERT_EQUAL((int64_t)r.plan.state_bytes, known[i].bytes * r.y_count);
    rig_close(&r);
  }
}

/* The first of equal values gets the whole gradient. */
static void max_pool_ties_go_to_the_first(void) {
  rig r;
  rig_open(&r, "max_pool: {kernel: 2}", (cvy_shape){1, 2, 4, 1});
  const float x[] = {1, 3, 0, 0, 3, 3, 0, 0}, dy[] = {5, 7}, want[] = {0, 5, 7, 0, 0, 0, 0, 0};
  memcpy(r.x, x, sizeof x);
  memcpy(r.dy, dy, sizeof dy);
  rig_forward(&r);
  rig_backward(&r);
  CU_ASSERT(same_bits(r.dx, want, 8));
  rig_close(&r);
}

static void max_pool_lets_nan_through(void) {
  rig r;
  rig_open(&r, "max_pool: {kernel: 2}", (cvy_shape){1, 2, 4, 1});
  r.x[0] = NAN, r.x[1] = 3;
  r.x[2] = 3, r.x[7] = NAN;
  rig_forward(&r);
  CU_ASSERT(isnan(r.y[0]) && isnan(r.y[1]));
  rig_close(&r);
}

/* ---- normalisation ---- */

static void check_lrn(int64_t size, double alpha, double beta, double k, int64_t channels) {
  rig r;
  char yaml[128];
  snprintf(yaml, sizeof yaml, "lrn: {size: %" PRId64 ", alpha: %g, beta: %g, k: %g}", size, alpha, beta, k);
  rig_open(&r, yaml, (cvy_shape){3, 5, 6, channels});
  for (int64_t i = 0; i < r.x_count; i++) r.x[i] *= 10;
  rig_forward(&r);
  double *want = malloc(sizeof *want * (size_t)r.y_count);
  for (int64_t i = 0; i < r.y_count; i++) {
    const int64_t c = i % channels;
    double sum = 0;
    for (int64_t j = c - size / 2; j <= c + size / 2; j++)
      if (j >= 0 && j < channels) sum += (double)r.x[i - c + j] * (double)r.x[i - c + j];
    want[i] = (double)r.x[i] * pow(k + alpha / (double)size * sum, -beta);
  }
  check_y(&r, yaml, want, 1e-5);
  free(want);
  rig_close(&r);
}

static void lrn_matches_the_definition(void) {
  check_lrn(5, 1e-4, 0.75, 1, 96);
  check_lrn(5, 5e-4, 0.75, 2, 17);
  check_lrn(3, 2, 0.5, 0.1, 1);
  check_lrn(11, 0.3, 1.2, 3, 4);
}

static void check_lrn_within(int64_t size, double alpha, double beta, double k, cvy_shape x) {
  rig r;
  char yaml[128];
  snprintf(yaml, sizeof yaml, "lrn_within: {size: %" PRId64 ", alpha: %g, beta: %g, k: %g}", size, alpha,
           beta, k);
  rig_open(&r, yaml, x);
  for (int64_t i = 0; i < r.x_count; i++) r.x[i] *= 10;
  rig_forward(&r);
  double *want = malloc(sizeof *want * (size_t)r.y_count);
  for (int64_t i = 0; i < r.y_count; i++) {
    const int64_t at_w = i / x.c % x.w, at_h = i / x.c / x.w % x.h;
    double sum = 0;
    for (int64_t h = at_h - size / 2; h <= at_h + size / 2; h++)
      for (int64_t w = at_w - size / 2; w <= at_w + size / 2; w++) {
        if (h < 0 || h >= x.h || w < 0 || w >= x.w) continue;
        const double value = (double)r.x[i + ((h - at_h) * x.w + w - at_w) * x.c];
        sum += value * value;
      }
    want[i] = (double)r.x[i] * pow(k + alpha / (double)(size * size) * sum, -beta);
  }
  check_y(&r, yaml, want, 1e-5);
  free(want);
  rig_close(&r);
}

/* cuda-convnet's layers for CIFAR-10 have size 3 and alpha 5e-5. */
static void lrn_within_matches_the_definition(void) {
  check_lrn_within(3, 5e-5, 0.75, 1, (cvy_shape){2, 16, 16, 32});
  check_lrn_within(5, 3, 0.75, 2, (cvy_shape){3, 5, 7, 3});
  check_lrn_within(7, 0.3, 1.2, 0.5, (cvy_shape){1, 3, 2, 5});
  check_lrn_within(1, 2, 0.5, 0.1, (cvy_shape){2, 1, 1, 17});
}

/* The parameters' gradients are sums in double, rounded once. */
static void check_scale(cvy_shape x, bool bias) {
  rig r;
  rig_open(&r, bias ? "scale" : "scale: {bias: false}", x);
  CU_ASSERT_EQUAL_FATAL(r.plan.param_count, bias ? 2 : 1);
  rig_forward(&r), rig_backward(&r);
  double *factors = calloc(2 * (size_t)x.c, sizeof *factors), *biases = factors + x.c;
  bool right = true;
  for (int64_t i = 0; i < r.x_count; i++) {
    const int64_t c = i % x.c;
    right &= r.y[i] == r.x[i] * r.params[0][c] + (bias ? r.params[1][c] : 0);
    right &= r.dx[i] == r.dy[i] * r.params[0][c];
    factors[c] += (double)r.dy[i] * (double)r.x[i];
    biases[c] += (double)r.dy[i];
  }
  const double of_sums = 1e-15 * (double)r.x_count;
  for (int64_t c = 0; c < x.c; c++) {
    right &= fabs((double)r.grads[0][c] - factors[c]) <= EPS * fabs(factors[c]) + of_sums;
    right &= !bias || fabs((double)r.grads[1][c] - biases[c]) <= EPS * fabs(biases[c]) + of_sums;
  }
  CU_ASSERT(right);
  free(factors);
  rig_close(&r);
}

static void scale_matches_the_definition(void) {
  const cvy_shape shapes[] = {{3, 5, 4, 1}, {3, 5, 4, 7}, {2, 30, 30, 32}, {2, 30, 30, 70}, {4, 1, 1, 500}};
  for (int64_t i = 0; i < CVY_COUNT(shapes); i++) {
    check_scale(shapes[i], true);
    check_scale(shapes[i], false);
  }
}

static void scale_declares_its_parameters(void) {
  rig r;
  rig_open(&r, "scale: {scale_value: 0.5, bias_value: -2}", (cvy_shape){2, 3, 3, 6});
  const cvy_param_spec *s = &r.plan.params[0], *b = &r.plan.params[1];
  CU_ASSERT_STRING_EQUAL(s->name, "scale");
  CU_ASSERT_STRING_EQUAL(b->name, "bias");
  CU_ASSERT(s->init.method == CVY_INIT_CONSTANT && s->init.value == 0.5 && s->dims[0] == 6 && !s->decays);
  CU_ASSERT(b->init.method == CVY_INIT_CONSTANT && b->init.value == -2 && b->dims[0] == 6 && !b->decays);
  rig_close(&r);
}

/* ---- shape ---- */

static void flatten_changes_nothing_but_the_shape(void) {
  rig r;
  rig_open(&r, "flatten", (cvy_shape){3, 5, 4, 7});
  CU_ASSERT(r.plan.y.n == 3 && r.plan.y.h == 1 && r.plan.y.w == 1 && r.plan.y.c == 140);
  rig_forward(&r), rig_backward(&r);
  CU_ASSERT(same_bits(r.y, r.x, r.x_count) && same_bits(r.dx, r.dy, r.x_count));
  cvy_layer_call call = rig_call(&r);
  call.x[0] = r.x; /* this call is not in place */
  call.dy = r.dy;
  call.dx[0] = r.dx;
  memset(r.y, 0xff, sizeof *r.y * (size_t)r.y_count);
  memset(r.dx, 0xff, sizeof *r.dx * (size_t)r.x_count);
  r.type->forward(&call);
  r.type->backward(&call);
  CU_ASSERT(same_bits(r.y, r.x, r.x_count) && same_bits(r.dx, r.dy, r.x_count));
  rig_close(&r);
}

/* ---- activations ---- */

static void sigmoid_and_leaky_relu(void) {
  rig r;
  double want[330];
  rig_open(&r, "sigmoid", (cvy_shape){2, 3, 5, 11});
  for (int i = 0; i < 330; i++) r.x[i] *= 6;
  rig_forward(&r);
  for (int i = 0; i < 330; i++) want[i] = 1 / (1 + exp(-(double)r.x[i]));
  check_y(&r, "sigmoid", want, 4 * EPS);
  rig_close(&r);
  rig_open(&r, "leaky_relu: {slope: 0.125}", (cvy_shape){2, 3, 5, 11});
  rig_forward(&r);
  for (int i = 0; i < 330; i++) want[i] = r.x[i] > 0 ? (double)r.x[i] : 0.125 * (double)r.x[i];
  check_y(&r, "leaky_relu", want, 0);
  rig_close(&r);
}

/* ln 2 and ln 4 below zero exp is 1/2 and 1/4. From a number near zero nothing is lost. */
static void elu_by_hand(void) {
  static const float x[] = {3, 0, -0.6931472f, -1.3862944f, -1e-6f, -INFINITY, INFINITY, NAN};
  static const double y[] = {3, 0, -1, -1.5, -1.9999990e-6, -2}, slopes[] = {1, 2, 1, 0.5, 1.999998, 0};
  rig r;
  rig_open(&r, "elu: {alpha: 2}", (cvy_shape){1, 1, 1, CVY_COUNT(x)});
  CU_ASSERT(r.plan.in_place && !r.plan.backward_reads_x);
  memcpy(r.x, x, sizeof x);
  rig_forward(&r), rig_backward(&r);
  for (int64_t i = 0; i < CVY_COUNT(y); i++) {
    CU_ASSERT_DOUBLE_EQUAL((double)r.y[i], y[i], 8 * EPS * fabs(y[i]));
    CU_ASSERT_DOUBLE_EQUAL((double)r.dx[i], slopes[i] * (double)r.dy[i], 16 * EPS);
  }
  CU_ASSERT(r.y[6] == INFINITY && r.dx[6] == r.dy[6] && isnan(r.y[7]));
  rig_close(&r);
}

static void elu_matches_the_definition(void) {
  rig r;
  double want[330];
  rig_open(&r, "elu: {alpha: 0.75}", (cvy_shape){2, 3, 5, 11});
  for (int i = 0; i < 330; i++) r.x[i] *= i < 165 ? 20.0f : 0.001f;
  rig_forward(&r);
  for (int i = 0; i < 330; i++) want[i] = r.x[i] > 0 ? (double)r.x[i] : 0.75 * expm1((double)r.x[i]);
  for (int i = 0; i < 330; i++) CU_ASSERT_DOUBLE_EQUAL((double)r.y[i], want[i], 8 * EPS * fabs(want[i]));
  rig_close(&r);
}

static void relu_and_tanh(void) {
  rig r;
  double want[330];
  rig_open(&r, "relu", (cvy_shape){2, 3, 5, 11});
  rig_forward(&r);
  for (int i = 0; i < 330; i++) want[i] = fmax((double)r.x[i], 0);
  check_y(&r, "relu", want, 0);
  rig_close(&r);
  rig_open(&r, "tanh", (cvy_shape){2, 3, 5, 11});
  for (int i = 0; i < 330; i++) r.x[i] *= 4;
  rig_forward(&r);
  for (int i = 0; i < 330; i++) want[i] = tanh((double)r.x[i]);
  check_y(&r, "tanh", want, 4 * EPS);
  rig_close(&r);
}

static void check_softmax_pixel(const rig *r, int64_t pixel) {
  const int64_t channels = r->plan.y.c, first = pixel * channels;
  double largest = -INFINITY, sum = 0, mean = 0;
  for (int64_t c = 0; c < channels; c++) largest = fmax(largest, (double)r->x[first + c]);
  for (int64_t c = 0; c < channels; c++) sum += exp((double)r->x[first + c] - largest);
  for (int64_t c = 0; c < channels; c++)
    mean += exp((double)r->x[first + c] - largest) / sum * (double)r->dy[first + c];
  for (int64_t i = first; i < first + channels; i++) {
    const double p = exp((double)r->x[i] - largest) / sum;
    /* The difference is rounded to a float before exp multiplies its error; all of it is in the mean too. */
    const double error = 4e-7 + EPS * (largest - (double)r->x[i]);
    CU_ASSERT_DOUBLE_EQUAL((double)r->y[i], p, p * error + 1e-44);
    CU_ASSERT_DOUBLE_EQUAL((double)r->dx[i], p * ((double)r->dy[i] - mean), p * 4 * (error + 1e-6) + 1e-44);
  }
}

static void softmax_matches_the_definition(void) {
  const int64_t channels[] = {1, 2, 15, 16, 33, 100};
  for (int64_t i = 0; i < CVY_COUNT(channels); i++) {
    rig r;
    rig_open(&r, "softmax", (cvy_shape){2, 5, 7, channels[i]});
    /* exp overflows on the second half. */
    for (int64_t k = 0; k < r.x_count; k++) r.x[k] *= k < r.x_count / 2 ? 5.0f : 1000.0f;
    rig_forward(&r), rig_backward(&r);
    for (int64_t pixel = 0; pixel < 70; pixel++) check_softmax_pixel(&r, pixel);
    float *in_place = copy_of(r.y, r.y_count);
    cvy_layer_call call = rig_call(&r);
    call.x[0] = r.x;
    r.type->forward(&call);
    CU_ASSERT(same_bits(r.y, in_place, r.y_count));
    free(in_place);
    rig_close(&r);
  }
}

/* ---- dropout ---- */

static void dropout_keeps_its_share(void) {
  rig r;
  rig_open(&r, "dropout: {rate: 0.3}", (cvy_shape){8, 10, 10, 50});
  rig_forward(&r);
  rig_backward(&r);
  int64_t kept = 0;
  bool scaled = true, same_mask = true;
  const float scale = (float)(1 / 0.7);
  for (int64_t i = 0; i < r.y_count; i++) {
    kept += r.y[i] != 0;
    scaled &= r.y[i] == 0 || r.y[i] == r.x[i] * scale;
    same_mask &= (r.y[i] == 0) == (r.dx[i] == 0) && (r.dx[i] == 0 || r.dx[i] == r.dy[i] * scale);
  }
  /* The bound is five standard deviations of a binomial distribution. */
  CU_ASSERT(fabs((double)kept - 0.7 * (double)r.y_count) < 5 * sqrt(0.21 * (double)r.y_count));
  CU_ASSERT(scaled);
  CU_ASSERT(same_mask);
  rig_close(&r);
}

/* Samples 4 ... 7 of a batch of 8 have the same masks as a microbatch that begins at sample 4. */
static void dropout_does_not_know_microbatches(void) {
  rig whole, half;
  rig_open(&whole, "dropout", (cvy_shape){8, 3, 1, 33});
  rig_open(&half, "dropout", (cvy_shape){4, 3, 1, 33});
  const int64_t offset = 4 * 99;
  memcpy(half.x, whole.x + offset, sizeof *half.x * (size_t)half.x_count);
  memcpy(half.dy, whole.dy + offset, sizeof *half.dy * (size_t)half.x_count);
  half.pass.first_sample = 4;
  rig_forward(&whole), rig_backward(&whole);
  rig_forward(&half), rig_backward(&half);
  CU_ASSERT(same_bits(half.y, whole.y + offset, half.y_count));
  CU_ASSERT(same_bits(half.dx, whole.dx + offset, half.x_count));
  rig_close(&whole), rig_close(&half);
}

/* Another step, seed or layer makes another mask, and samples differ among themselves. */
static void dropout_masks_differ(void) {
  rig r;
  rig_open(&r, "dropout", (cvy_shape){2, 1, 1, 64});
  float *first = array(128);
  rig_forward(&r);
  memcpy(first, r.y, sizeof *first * 128);
  bool samples_differ = false;
  for (int i = 0; i < 64; i++) samples_differ |= (r.y[i] == 0) != (r.y[64 + i] == 0);
  CU_ASSERT(samples_differ);
  r.pass.step++;
  rig_forward(&r);
  CU_ASSERT(!same_bits(first, r.y, 128));
  r.pass.step--;
  r.pass.seed += (uint64_t)1 << 40;
  rig_forward(&r);
  CU_ASSERT(!same_bits(first, r.y, 128));
  r.pass.seed -= (uint64_t)1 << 40;
  cvy_layer_call call = rig_call(&r);
  call.layer_index++;
  r.type->forward(&call);
  CU_ASSERT(!same_bits(first, r.y, 128));
  rig_forward(&r);
  CU_ASSERT(same_bits(first, r.y, 128));
  free(first);
  rig_close(&r);
}

static void dropout_rests_in_evaluation(void) {
  rig r;
  rig_open(&r, "dropout: {rate: 0.9}", (cvy_shape){2, 3, 1, 5});
  r.pass.training = false;
  rig_forward(&r), rig_backward(&r);
  CU_ASSERT(same_bits(r.y, r.x, r.x_count) && same_bits(r.dx, r.dy, r.x_count));
  cvy_layer_call call = rig_call(&r);
  call.x[0] = r.x; /* this call is not in place */
  memset(r.y, 0xff, sizeof *r.y * (size_t)r.y_count);
  r.type->forward(&call);
  CU_ASSERT(same_bits(r.y, r.x, r.x_count));
  rig_close(&r);
}

/* ---- loss ---- */

static void check_loss_row(const rig *r, int64_t n) {
  const int64_t classes = r->plan.y.c;
  const float *x = r->x + n * classes, *y = r->y + n * classes, *dx = r->dx + n * classes;
  double largest = -INFINITY, sum = 0;
  for (int64_t c = 0; c < classes; c++) largest = fmax(largest, (double)x[c]);
  for (int64_t c = 0; c < classes; c++) sum += exp((double)x[c] - largest);
  const int32_t label = r->labels[n];
  const double loss = label < 0 ? 0 : log(sum) + largest - (double)x[label];
  CU_ASSERT_DOUBLE_EQUAL(r->losses[n], loss, 1e-6 * (1 + loss));
  for (int64_t c = 0; c < classes; c++) {
    const double p = exp((double)x[c] - largest) / sum, slope = label < 0 ? 0 : p - (c == label);
    /* The difference is rounded to a float before exp multiplies its error. */
    CU_ASSERT_DOUBLE_EQUAL((double)y[c], p, p * (4e-7 + EPS * (largest - (double)x[c])) + 1e-44);
    CU_ASSERT_DOUBLE_EQUAL((double)dx[c], 0.25 * slope, 1e-7);
  }
}

static void softmax_loss_matches_the_definition(void) {
  rig r;
  rig_open(&r, "softmax_loss", (cvy_shape){40, 1, 1, 37});
  for (int64_t i = 0; i < r.x_count; i++) r.x[i] *= i < 370 ? 5.0f : 1000.0f; /* exp would overflow */
  for (int64_t n = 0; n < 40; n++) r.labels[n] = n % 7 == 3 ? -1 : (int32_t)(n * 5 % 37);
  rig_forward(&r), rig_backward(&r);
  for (int64_t n = 0; n < 40; n++) check_loss_row(&r, n);
  rig_close(&r);
}

static void softmax_loss_of_nan_is_nan(void) {
  for (int place = 0; place < 3; place++) {
    rig r;
    rig_open(&r, "softmax_loss", (cvy_shape){1, 1, 1, 3});
    r.x[place] = NAN;
    rig_forward(&r);
    CU_ASSERT(isnan(r.losses[0]));
    rig_close(&r);
  }
}

/* Compares with the textbook's formula, in double; it needs no care where no score is beyond 30. */
static void check_sigmoid_row(const rig *r, int64_t n) {
  const int64_t scores = r->plan.y.c;
  const int32_t label = r->labels[n];
  double loss = 0;
  for (int64_t c = 0; c < scores; c++) {
    const int64_t i = n * scores + c;
    const double p = 1 / (1 + exp(-(double)r->x[i])), t = scores == 1 ? label : c == label;
    loss -= t * log(p) + (1 - t) * log(1 - p);
    CU_ASSERT_DOUBLE_EQUAL((double)r->y[i], p, 4 * EPS * p);
    CU_ASSERT_DOUBLE_EQUAL((double)r->dx[i], label < 0 ? 0 : 0.25 * (p - t), 4 * EPS);
  }
  /* 1 - p has lost all but 13 bits of 53 at p = 1 - exp(-30). */
  CU_ASSERT_DOUBLE_EQUAL(r->losses[n], label < 0 ? 0 : loss, 1e-3 * loss);
}

static void sigmoid_loss_matches_the_definition(void) {
  for (int64_t scores = 1; scores <= 3; scores += 2) {
    rig r;
    rig_open(&r, "sigmoid_loss", (cvy_shape){70, 1, 1, scores});
    CU_ASSERT_EQUAL(r.plan.class_count, scores == 1 ? 2 : scores);
    for (int64_t i = 0; i < r.x_count; i++) r.x[i] *= i < 140 ? 4.0f : 30.0f;
    for (int64_t n = 0; n < 70; n++) r.labels[n] = n % 7 == 3 ? -1 : (int32_t)(n * 5 % r.plan.class_count);
    rig_forward(&r), rig_backward(&r);
    for (int64_t n = 0; n < 70; n++) check_sigmoid_row(&r, n);
    rig_close(&r);
  }
}

/* Here the textbook's formula fails. */
static void sigmoid_loss_at_the_edges(void) {
  const struct {
    float x;
    int32_t label;
    double loss;
  } edges[] = {
      {1000, 0, 1000},   {1000, 1, 0},   {-1000, 1, 1000}, {-1000, 0, 0},    {-40, 0, exp(-40)},
      {40, 1, exp(-40)}, {0, 0, log(2)}, {0, 1, log(2)},   {INFINITY, 1, 0}, {-INFINITY, 0, 0},
  };
  rig r;
  rig_open(&r, "sigmoid_loss", (cvy_shape){CVY_COUNT(edges), 1, 1, 1});
  for (int64_t n = 0; n < CVY_COUNT(edges); n++) r.x[n] = edges[n].x, r.labels[n] = edges[n].label;
  rig_forward(&r);
  for (int64_t n = 0; n < CVY_COUNT(edges); n++)
    CU_ASSERT_DOUBLE_EQUAL(r.losses[n], edges[n].loss, 1e-15 * edges[n].loss);
  r.x[0] = NAN;
  rig_forward(&r);
  CU_ASSERT(isnan(r.losses[0]));
  r.labels[0] = -1;
  rig_forward(&r);
  CU_ASSERT_EQUAL(r.losses[0], 0);
  rig_close(&r);
}

/* Weights that are powers of two change nothing but exponents. */
static void losses_have_weights(void) {
  const char *const yamls[][3] = {
      {"softmax_loss", "softmax_loss: {weight: 0.25}", "softmax_loss: {weight: 0}"},
      {"sigmoid_loss", "sigmoid_loss: {weight: 0.25}", "sigmoid_loss: {weight: 0}"}};
  for (int64_t i = 0; i < CVY_COUNT(yamls); i++) {
    rig plain, weighted, nothing;
    rig *const rigs[] = {&plain, &weighted, &nothing};
    for (int k = 0; k < 3; k++) {
      rig_open(rigs[k], yamls[i][k], (cvy_shape){3, 1, 1, 4});
      rigs[k]->labels[1] = 2;
      rig_forward(rigs[k]), rig_backward(rigs[k]);
    }
    CU_ASSERT(same_bits(plain.y, weighted.y, plain.y_count));
    for (int n = 0; n < 3; n++)
      CU_ASSERT(weighted.losses[n] == 0.25 * plain.losses[n] && plain.losses[n] > 0);
    for (int64_t k = 0; k < plain.x_count; k++) CU_ASSERT_EQUAL(weighted.dx[k], 0.25f * plain.dx[k]);
    for (int n = 0; n < 3; n++) CU_ASSERT_EQUAL(nothing.losses[n], 0);
    for (int64_t k = 0; k < plain.x_count; k++) CU_ASSERT_EQUAL(nothing.dx[k], 0);
    rig_close(&plain), rig_close(&weighted), rig_close(&nothing);
  }
}

/* The numbers are those of PyTorch 1.13's cross_entropy of the same rows with labels as probabilities, in
 * double precision. */
static void mixed_softmax_loss_matches_pytorch(void) {
  static const float x[3][4] = {{1, 2, 0.5f, -1}, {0.25f, -3, 4, 1.5f}, {8, -7, 0, 2}};
  static const double losses[3] = {2.895181898085856, 7.10121509907995, 7.002810567359599};
  static const double dx[3][4] = {
      {-0.07579218195179885, 0.6094600375988771, 0.13598891579350553, -0.6696567714405838},
      {0.021253895153249696, -0.9991758970520943, 0.9037386186320672, 0.07418338326677744},
      {0.8721933785871935, 3.0504376849887805e-07, -0.8746654788886922, 0.002471795257730285}};
  rig r;
  rig_open(&r, "softmax_loss", (cvy_shape){3, 1, 1, 4});
  memcpy(r.x, x, sizeof x);
  r.targets = (cvy_targets){(const int32_t[]){0, 1, 2}, (const int32_t[]){3, 1, 0},
                            (const float[]){0.3f, 0.6f, 0.875f}};
  r.pass.loss_scale = 1;
  rig_forward(&r), rig_backward(&r);
  for (int n = 0; n < 3; n++) {
    CU_ASSERT_DOUBLE_EQUAL(r.losses[n], losses[n],
                           4 * EPS * losses[n]); /* the sum of exponentials is of floats */
    for (int c = 0; c < 4; c++)
      CU_ASSERT_DOUBLE_EQUAL((double)r.dx[4 * n + c], dx[n][c],
                             4 * EPS); /* y, the shares and a difference are rounded */
  }
  rig_close(&r);
}

/* The numbers are those of PyTorch 1.13's cross_entropy with label_smoothing=0.1, in double precision. In
 * evaluation nothing is smoothed. */
static void smoothed_softmax_loss_matches_pytorch(void) {
  static const float x[3][4] = {{1, 2, 0.5f, -1}, {0.25f, -3, 4, 1.5f}, {8, -7, 0, 2}};
  static const double losses[3] = {1.532681898085856, 6.732465099079951, 7.927810567359599};
  static const double dx[3][4] = {
      {-0.7007921819517989, 0.5844600375988771, 0.11098891579350553, 0.005343228559416224},
      {-0.0037461048467503054, -0.9241758970520944, 0.8787386186320671, 0.04918338326677744},
      {0.9721933785871935, -0.024999694956231503, -0.9246654788886922, -0.022528204742269718}};
  rig r, plain;
  rig_open(&r, "softmax_loss: {smoothing: 0.1}", (cvy_shape){3, 1, 1, 4});
  rig_open(&plain, "softmax_loss", (cvy_shape){3, 1, 1, 4});
  memcpy(r.x, x, sizeof x), memcpy(plain.x, x, sizeof x);
  for (int n = 0; n < 3; n++) r.labels[n] = plain.labels[n] = n;
  r.pass.loss_scale = 1;
  r.pass.training = true;
  rig_forward(&r), rig_backward(&r);
  for (int n = 0; n < 3; n++) {
    CU_ASSERT_DOUBLE_EQUAL(r.losses[n], losses[n], 4 * EPS * losses[n]);
    for (int c = 0; c < 4; c++) CU_ASSERT_DOUBLE_EQUAL((double)r.dx[4 * n + c], dx[n][c], 4 * EPS);
  }
  r.pass.training = plain.pass.training = false;
  rig_forward(&r), rig_forward(&plain);
  for (int n = 0; n < 3; n++) CU_ASSERT_EQUAL(r.losses[n], plain.losses[n]);
  rig_close(&r), rig_close(&plain);
}

static void check_mixed(const char *yaml, int64_t scores) {
  enum { ROWS = 70 };
  rig own, other, mixed;
  rig *const rigs[] = {&own, &other, &mixed};
  for (int k = 0; k < 3; k++) rig_open(rigs[k], yaml, (cvy_shape){ROWS, 1, 1, scores});
  mixed.targets.partners = mixed.partners, mixed.targets.shares = mixed.shares;
  for (int64_t n = 0; n < ROWS; n++) {
    own.labels[n] = mixed.labels[n] = n % 7 == 3 ? -1 : (int32_t)(n * 5 % own.plan.class_count);
    other.labels[n] = n % 7 == 3 ? -1 : (int32_t)(n * 3 % own.plan.class_count);
    mixed.partners[n] = other.labels[n];
    mixed.shares[n] = n % 5 == 0 ? 1 : (float)n / ROWS;
  }
  for (int k = 0; k < 3; k++) rig_forward(rigs[k]), rig_backward(rigs[k]);
  CU_ASSERT(same_bits(mixed.y, own.y, own.y_count));
  for (int64_t n = 0; n < ROWS; n++) {
    const double share = (double)mixed.shares[n];
    const double loss = share == 1 ? own.losses[n] : share * own.losses[n] + (1 - share) * other.losses[n];
    CU_ASSERT_DOUBLE_EQUAL(mixed.losses[n], loss, 1e-14 * loss);
    if (share == 1) CU_ASSERT_EQUAL(mixed.losses[n], own.losses[n]);
    if (share == 1) CU_ASSERT(same_bits(mixed.dx + n * scores, own.dx + n * scores, scores));
    for (int64_t i = n * scores; i < (n + 1) * scores; i++)
      CU_ASSERT_DOUBLE_EQUAL((double)mixed.dx[i],
                             share * (double)own.dx[i] + (1 - share) * (double)other.dx[i], 4 * EPS);
  }
  rig_close(&own), rig_close(&other), rig_close(&mixed);
}

static void mixed_losses_are_weighted_means(void) {
  check_mixed("softmax_loss", 37);
  check_mixed("softmax_loss: {weight: 0.3}", 2);
  check_mixed("sigmoid_loss", 1);
  check_mixed("sigmoid_loss", 9);
}

/* The loss of probabilities is that of the scores that they come from, and finite where a probability is
 * 0. */
static void losses_of_probabilities(void) {
  static const struct {
    const char *yaml;
    int64_t scores;
  } of[] = {{"softmax_loss: {weight: 0.5}", 5}, {"sigmoid_loss", 1}, {"sigmoid_loss: {weight: 3}", 4}};
  for (int64_t k = 0; k < CVY_COUNT(of); k++) {
    rig r;
    double p[5];
    rig_open(&r, of[k].yaml, (cvy_shape){30, 1, 1, of[k].scores});
    for (int64_t n = 0; n < 30; n++) r.labels[n] = (int32_t)(n * 5 % r.plan.class_count);
    rig_forward(&r);
    for (int64_t n = 0; n < 30; n++) {
      for (int64_t c = 0; c < of[k].scores; c++) p[c] = (double)r.y[n * of[k].scores + c];
      const double loss = r.type->loss_of(r.config, p, of[k].scores, r.labels[n]);
      /* Each probability, which is above 0.1, was rounded. */
      CU_ASSERT_DOUBLE_EQUAL(loss, r.losses[n], 3 * 5 * 10 * EPS);
    }
    for (int64_t c = 0; c < of[k].scores; c++) p[c] = c == 1;
    CU_ASSERT(isfinite(r.type->loss_of(r.config, p, of[k].scores, 0)));
    p[0] = NAN;
    CU_ASSERT(isnan(r.type->loss_of(r.config, p, of[k].scores, 0)));
    rig_close(&r);
  }
}

/* ---- first values ---- */

static cvy_param_spec spec_of(cvy_init_method method, double value) {
  return (cvy_param_spec){.dim_count = 2,
                          .dims = {200, 501},
                          .init = {.method = method, .value = value, .fan_in = 200, .fan_out = 501}};
}

static void moments(const float *values, int64_t count, double *mean, double *deviation, double *largest) {
  double sum = 0, squares = 0;
  *largest = 0;
  for (int64_t i = 0; i < count; i++) {
    sum += (double)values[i];
    squares += (double)values[i] * (double)values[i];
    *largest = fmax(*largest, fabs((double)values[i]));
  }
  *mean = sum / (double)count;
  *deviation = sqrt(squares / (double)count - *mean * *mean);
}

static void first_values_are_distributed_as_said(void) {
  const int64_t count = 200 * 501;
  const double bound = sqrt(6.0 / 701), he = sqrt(2.0 / 200);
  const struct {
    cvy_param_spec spec;
    double deviation, largest;
  } expected[] = {{spec_of(CVY_INIT_XAVIER, 0), bound / sqrt(3), bound},
                  {spec_of(CVY_INIT_HE, 0), he, 6.7 * he},
                  {spec_of(CVY_INIT_HE_OUT, 0), sqrt(2.0 / 501), 6.7 * sqrt(2.0 / 501)},
                  {spec_of(CVY_INIT_LECUN, 0), sqrt(1.0 / 200), sqrt(3.0 / 200)},
                  {spec_of(CVY_INIT_PYTORCH, 0), sqrt(1.0 / 600), sqrt(1.0 / 200)},
                  {spec_of(CVY_INIT_GAUSSIAN, 0.02), 0.02, 6.7 * 0.02}};
  float *values = array(count);
  for (int i = 0; i < CVY_COUNT(expected); i++) {
    double mean, deviation, largest;
    cvy_param_fill(values, &expected[i].spec, 5, 1, 0);
    moments(values, count, &mean, &deviation, &largest);
    CU_ASSERT(fabs(mean) < 5 * expected[i].deviation / sqrt((double)count));
    CU_ASSERT(fabs(deviation / expected[i].deviation - 1) < 0.02);
    CU_ASSERT(largest <= expected[i].largest * (1 + 1e-6) && largest > 1.7 * expected[i].deviation);
  }
  const cvy_param_spec constant = spec_of(CVY_INIT_CONSTANT, -0.75);
  cvy_param_fill(values, &constant, 5, 1, 0);
  bool all = true;
  for (int64_t i = 0; i < count; i++) all &= values[i] == -0.75f;
  CU_ASSERT(all);
  free(values);
}

static void first_values_do_not_know_threads(void) {
  const cvy_param_spec spec = spec_of(CVY_INIT_HE, 0);
  const int64_t count = cvy_param_count(&spec);
  float *one = array(count), *three = array(count), *other = array(count);
  cvy_param_fill(one, &spec, 5, 1, 0);
  cvy_threads_set(3);
  cvy_param_fill(three, &spec, 5, 1, 0);
  cvy_threads_set(1);
  CU_ASSERT(same_bits(one, three, count));
  cvy_param_fill(other, &spec, 6, 1, 0);
  CU_ASSERT(!same_bits(one, other, 4));
  cvy_param_fill(other, &spec, 5, 2, 0);
  CU_ASSERT(!same_bits(one, other, 4));
  cvy_param_fill(other, &spec, 5, 1, 1);
  CU_ASSERT(!same_bits(one, other, 4));
  free(one), free(three), free(other);
}

/* ---- threads, missing dx, and the allocator ---- */

static const struct {
  const char *yaml;
  cvy_shape x;
} samples[] = {
    {"conv: {filters: 20, kernel: 5}", {16, 28, 28, 1}},
    {"conv: {filters: 50, kernel: 5, padding: same}", {16, 12, 12, 20}},
    {"conv: {filters: 20, kernel: 5, padding: same, groups: 2}", {16, 12, 12, 10}},
    {"fc: {outputs: 500}", {16, 4, 4, 50}},
    {"max_pool: {kernel: 2}", {16, 24, 24, 20}},
    {"average_pool: {kernel: 2}", {16, 28, 28, 6}},
    {"relu", {16, 24, 24, 20}},
    {"tanh", {16, 28, 28, 6}},
    {"sigmoid", {16, 28, 28, 6}},
    {"leaky_relu", {16, 28, 28, 6}},
    {"elu", {16, 28, 28, 6}},
    {"dropout", {16, 24, 24, 20}},
    {"lrn", {16, 13, 13, 33}},
    {"lrn_within", {16, 13, 13, 33}},
    {"batch_norm", {16, 13, 13, 33}},
    {"batch_norm", {16, 28, 28, 6}},
    {"scale", {16, 13, 13, 33}},
    {"scale", {16, 28, 28, 6}},
    {"softmax", {5, 13, 11, 21}},
    {"flatten", {16, 13, 13, 33}},
    {"pad_channels: {before: 8, behind: 9}", {16, 13, 13, 33}},
    {"softmax_loss", {130, 1, 1, 10}},
    {"sigmoid_loss", {130, 1, 1, 10}},
    {"sigmoid_loss", {130, 1, 1, 1}},
};

typedef struct results {
  float *y, *dx, *grads[CVY_MAX_PARAMS];
} results;

static results run_with(rig *r, int threads) {
  results out = {0};
  cvy_threads_set(threads);
  rig_forward(r), rig_backward(r);
  cvy_threads_set(1);
  out.y = copy_of(r->y, r->y_count);
  out.dx = copy_of(r->dx, r->x_count);
  for (int64_t i = 0; i < r->plan.param_count; i++)
    out.grads[i] = copy_of(r->grads[i], cvy_param_count(&r->plan.params[i]));
  return out;
}

static void free_results(results *out) {
  free(out->y), free(out->dx);
  for (int i = 0; i < CVY_MAX_PARAMS; i++) free(out->grads[i]);
}

static void check_threads(rig *r) {
  results one = run_with(r, 1);
  for (int threads = 2; threads <= RIG_THREADS; threads++) {
    results many = run_with(r, threads);
    CU_ASSERT(same_bits(one.y, many.y, r->y_count));
    CU_ASSERT(same_bits(one.dx, many.dx, r->x_count));
    for (int64_t i = 0; i < r->plan.param_count; i++)
      CU_ASSERT(same_bits(one.grads[i], many.grads[i], cvy_param_count(&r->plan.params[i])));
    free_results(&many);
  }
  free_results(&one);
}

/* Nobody wants the first layer's dx. */
static void check_without_dx(rig *r) {
  results with = run_with(r, 1);
  cvy_layer_call call = rig_call(r);
  call.y = with.y;
  call.x[0] = r->x;
  call.dy = r->type->is_loss ? NULL : r->dy;
  for (int64_t i = 0; i < r->plan.param_count; i++)
    memset(r->grads[i], 0xff, sizeof(float) * (size_t)cvy_param_count(&r->plan.params[i]));
  r->type->backward(&call);
  for (int64_t i = 0; i < r->plan.param_count; i++)
    CU_ASSERT(same_bits(with.grads[i], r->grads[i], cvy_param_count(&r->plan.params[i])));
  free_results(&with);
}

static void bits_do_not_know_threads(void) {
  bool covered[64] = {false};
  for (int64_t i = 0; i < CVY_COUNT(samples); i++) {
    rig r;
    rig_open(&r, samples[i].yaml, samples[i].x);
    check_threads(&r);
    check_without_dx(&r);
    covered[r.type_index] = true;
    rig_close(&r);
  }
  const char *const of_two[] = {"add", "concat"};
  for (int64_t i = 0; i < CVY_COUNT(of_two); i++) {
    rig r;
    rig_open_two(&r, of_two[i], (cvy_shape){5, 21, 33, 8}, (cvy_shape){5, 21, 33, 8});
    check_threads(&r);
    covered[r.type_index] = true;
    rig_close(&r);
  }
  for (int64_t i = 0; i < cvy_layer_type_count(); i++) {
    if (!covered[i])
      printf("\n    layer type %s has no line in `samples`\n", cvy_layer_type_at(i)->kind->name);
    CU_ASSERT(covered[i]);
  }
}

/* Both are held against their definitions, with an input whose gradient nobody wants. */
static void add_and_concat(void) {
  const cvy_shape x = {3, 2, 5, 4}, x2 = {3, 2, 5, 7};
  rig r;
  rig_open_two(&r, "add", x, x);
  rig_forward(&r);
  for (int64_t i = 0; i < r.y_count; i++) CU_ASSERT_EQUAL(r.y[i], r.x[i] + r.x2[i]);
  rig_backward(&r);
  CU_ASSERT(same_bits(r.dx, r.dy, r.x_count) && same_bits(r.dx2, r.dy, r.x_count));
  rig_close(&r);

  rig_open_two(&r, "concat", x, x2);
  rig_forward(&r);
  rig_backward(&r);
  for (int64_t pixel = 0; pixel < 3 * 2 * 5; pixel++)
    for (int64_t c = 0; c < 11; c++) {
      const float from = c < 4 ? r.x[pixel * 4 + c] : r.x2[pixel * 7 + c - 4];
      const float back = c < 4 ? r.dx[pixel * 4 + c] : r.dx2[pixel * 7 + c - 4];
      CU_ASSERT_EQUAL(r.y[pixel * 11 + c], from);
      CU_ASSERT_EQUAL(r.dy[pixel * 11 + c], back);
    }
  float *with_both = copy_of(r.dx2, r.x2_count);
  memset(r.dx2, 0xff, sizeof *r.dx2 * (size_t)r.x2_count);
  cvy_layer_call call = rig_call(&r);
  call.dy = r.dy;
  call.dx[1] = r.dx2; /* dx[0] is NULL: nobody wants it */
  r.type->backward(&call);
  CU_ASSERT(same_bits(r.dx2, with_both, r.x2_count));
  free(with_both);
  rig_close(&r);
}

static void pad_channels_adds_zeros(void) {
  rig r;
  rig_open(&r, "pad_channels: {before: 2, behind: 1}", (cvy_shape){1, 1, 2, 2});
  CU_ASSERT(r.plan.y.c == 5 && r.plan.y.w == 2 && r.y_count == 10);
  rig_forward(&r), rig_backward(&r);
  const float want[] = {0, 0, r.x[0], r.x[1], 0, 0, 0, r.x[2], r.x[3], 0};
  CU_ASSERT(same_bits(r.y, want, 10));
  const float back[] = {r.dy[2], r.dy[3], r.dy[7], r.dy[8]};
  CU_ASSERT(same_bits(r.dx, back, 4));
  rig_close(&r);
}

/* Counts the allocations that Convoy's code asks for, but not its libraries': OpenBLAS's kernels for small
 * products borrow a few kilobytes for the time of the call. AddressSanitizer has its own allocator, so this
 * test is for the other builds. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifdef SANITIZED
#define NO_ALLOCATION_TEST
#else
#define NO_ALLOCATION_TEST TEST(a_step_allocates_nothing),
#define NOINLINE           __attribute__((noinline)) /* so that the return address is the caller */
static volatile int64_t allocations;

static void count_allocation(void *caller) {
  Dl_info from, here;
  if (!dladdr(caller, &from) || !dladdr((void *)(uintptr_t)count_allocation, &here)) return;
  if (from.dli_fbase == here.dli_fbase) __atomic_fetch_add(&allocations, 1, __ATOMIC_RELAXED);
}

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);
NOINLINE void *malloc(size_t bytes) {
  count_allocation(__builtin_return_address(0));
  return __libc_malloc(bytes);
}
NOINLINE void *calloc(size_t count, size_t bytes) {
  count_allocation(__builtin_return_address(0));
  return __libc_calloc(count, bytes);
}
NOINLINE void *realloc(void *memory, size_t bytes) {
  count_allocation(__builtin_return_address(0));
  return __libc_realloc(memory, bytes);
}

static int64_t allocations_of_a_step(rig *r) {
  cvy_layer_call forward = rig_call(r), backward = forward;
  backward.dy = r->type->is_loss ? NULL : r->dy;
  backward.dx[0] = r->dx;
  for (int warm = 0; warm < 2; warm++) r->type->forward(&forward), r->type->backward(&backward);
  const int64_t before = allocations;
  r->type->forward(&forward);
  r->type->backward(&backward);
  return allocations - before;
}

static void a_step_allocates_nothing(void) {
  const int64_t before = allocations;
  free(copy_of((const float[]){1}, 1));
  void *volatile one = malloc(10);
  free(one);
  CU_ASSERT(allocations > before); /* it does count */
  for (int threads = 1; threads <= 2; threads++)
    for (int64_t i = 0; i < CVY_COUNT(samples); i++) {
      rig r;
      rig_open(&r, samples[i].yaml, samples[i].x);
      cvy_threads_set(threads);
      const int64_t count = allocations_of_a_step(&r);
      if (count)
        printf("\n    %s with %d threads: %" PRId64 " allocations\n", samples[i].yaml, threads, count);
      CU_ASSERT_EQUAL(count, 0);
      cvy_threads_set(1);
      rig_close(&r);
    }
}

#endif

/* ---- what is refused, and what is said ---- */

static const struct {
  const char *yaml;
  cvy_shape x;
  const char *message; /* a part of it */
} refusals[] = {
    {"conv: {filters: 2, kernel: 5}", {1, 4, 9, 1}, "height is 5, but the input's is 4"},
    {"conv: {filters: 2, kernel: [3, 7]}", {1, 4, 6, 1}, "width is 7, but the input's is 6"},
    {"conv: {filters: 2, kernel: 7}", {1, 3, 9, 1}, "padding must be at least 2"},
    {"conv: {filters: 2, kernel: 7, padding: 1}", {1, 3, 9, 1}, "kernel may be at most 5"},
    {"conv: {filters: 1000000, kernel: 60000, padding: same}", {1, 60000, 60000, 1}, "would hold"},
    {"conv: {filters: 1000000, kernel: 60000, padding: same, stride: 60000}",
     {1, 60000, 60000, 1},
     "too large"},
    {"conv: {filters: 4096, kernel: 600, padding: same}", {64, 2000, 2000, 100}, "multiplications"},
    {"conv: {filters: 0, kernel: 3}", {1, 5, 5, 1}, "'filters' must be a whole number from 1"},
    {"conv: {kernel: 3}", {1, 5, 5, 1}, "needs 'filters'"},
    {"conv: {filters: 3, kernel: 3, padding: sane}", {1, 5, 5, 1}, "did you mean 'same'"},
    {"conv: {filters: 24, kernel: 3, groups: 3}",
     {1, 5, 5, 16},
     "the input's 16 channels and the 24 filters cannot both be cut into 3 equal groups, but into 2 or 4"},
    {"conv: {filters: 10, kernel: 3, groups: 4}", {1, 5, 5, 20}, "into 2 or 5 they can"},
    {"conv: {filters: 9, kernel: 3, groups: 100}", {1, 5, 5, 6}, "into 3 they can"},
    {"conv: {filters: 8, kernel: 3, groups: 0}", {1, 5, 5, 8}, "'groups' must be a whole number from 1"},
    {"max_pool: {kernel: 3}", {1, 2, 2, 1}, "kernel may be at most 2"},
    {"max_pool: {kernel: 2, padding: 2}", {1, 5, 5, 1}, "less than the kernel"},
    {"max_pool: {kernel: 300}", {1, 300, 300, 1}, "may hold 65535 pixels"},
    {"average_pool: {kernel: [1, 2], padding: 1}", {1, 5, 5, 1}, "less than the kernel"},
    {"fc: {outputs: 10}", {1, 65536, 65536, 1}, "too large"},
    {"fc: {outputs: 1000000}", {1, 2000, 1000, 1}, "matrix of weights would hold"},
    {"relu", {1, 1000000, 1000000, 100}, "the input would hold 1e+14"},
    {"tanh", {0, 3, 3, 1}, "the input would be empty"},
    {"dropout: {rate: 1}", {1, 3, 3, 1}, "'rate' must be a number from 0 to 0.999"},
    {"lrn: {size: 4}", {1, 3, 3, 8}, "must be odd"},
    {"lrn_within: {size: 4}", {1, 3, 3, 8}, "must be odd"},
    {"softmax_loss", {1, 7, 7, 10}, "1x1xclasses"},
    {"softmax_loss", {1, 1, 1, 1}, "at least 2"},
    {"softmax_loss: {weight: -1}", {1, 1, 1, 2}, "'weight' must be a number"},
    {"sigmoid_loss", {1, 1, 7, 1}, "1x1xclasses"},
};

static void impossible_shapes_are_refused(void) {
  for (int64_t i = 0; i < CVY_COUNT(refusals); i++) {
    rig r;
    const cvy_err err = rig_plan(&r, refusals[i].yaml, refusals[i].x);
    const bool said = strstr(cvy_err_message(), refusals[i].message) != NULL;
    if (err != CVY_E_INPUT || !said)
      printf("\n    %s: %d %s\n", refusals[i].yaml, (int)err, cvy_err_message());
    CU_ASSERT(err == CVY_E_INPUT && said);
    cvy_pool_destroy(r.pool);
  }
}

static void one_input_only(void) {
  for (int64_t i = 0; i < CVY_COUNT(samples); i++) {
    rig r;
    CU_ASSERT(rig_plan(&r, samples[i].yaml, samples[i].x) == CVY_OK);
    cvy_layer_plan two = {.input_count = 2, .x = {samples[i].x, samples[i].x}};
    CU_ASSERT(r.type->plan(&two, r.config) == CVY_E_INPUT);
    cvy_pool_destroy(r.pool);
  }
}

static void layers_describe_themselves(void) {
  const struct {
    const char *yaml;
    cvy_shape x;
    const char *text;
  } texts[] = {
      {"conv: {filters: 2, kernel: 5, padding: same}", {1, 9, 9, 1}, ""},
      {"conv: {filters: 6, kernel: 5, padding: same, groups: 2}", {1, 9, 9, 4}, "2 groups"},
      {"dropout: {rate: 0.25}", {1, 7, 6, 1}, "25 %"},
      {"lrn", {1, 7, 6, 1}, "5 channels"},
      {"lrn_within: {size: 3}", {1, 7, 6, 1}, "3x3 pixels"},
  };
  for (int64_t i = 0; i < CVY_COUNT(texts); i++) {
    rig r;
    char text[64] = "";
    CU_ASSERT(rig_plan(&r, texts[i].yaml, texts[i].x) == CVY_OK);
    r.type->describe(text, sizeof text, r.config);
    CU_ASSERT_STRING_EQUAL(text, texts[i].text);
    cvy_pool_destroy(r.pool);
  }
}

static void the_registry_is_sound(void) {
  for (int64_t i = 0; i < cvy_layer_type_count(); i++) {
    const cvy_layer_type *type = cvy_layer_type_at(i);
    CU_ASSERT(type->kind->name && type->kind->help && type->short_name && type->plan && type->forward &&
              type->backward);
    CU_ASSERT_EQUAL(find_type(type->kind->name), i);
  }
}

SUITE("layers", TEST(conv_same_is_as_in_keras), TEST(conv_declares_its_parameters),
      TEST(groups_declare_their_parameters), TEST(fc_matches_double_precision),
      TEST(pooling_matches_the_definition), TEST(pooling_same_is_as_in_keras), TEST(pooling_by_hand),
      TEST(max_pool_keeps_a_byte_an_output), TEST(max_pool_ties_go_to_the_first),
      TEST(max_pool_lets_nan_through), TEST(lrn_matches_the_definition),
      TEST(lrn_within_matches_the_definition), TEST(relu_and_tanh), TEST(softmax_matches_the_definition),
      TEST(scale_matches_the_definition), TEST(scale_declares_its_parameters),
      TEST(flatten_changes_nothing_but_the_shape), TEST(sigmoid_and_leaky_relu), TEST(elu_by_hand),
      TEST(elu_matches_the_definition), TEST(dropout_keeps_its_share),
      TEST(dropout_does_not_know_microbatches), TEST(dropout_masks_differ), TEST(dropout_rests_in_evaluation),
      TEST(softmax_loss_matches_the_definition), TEST(softmax_loss_of_nan_is_nan),
      TEST(sigmoid_loss_matches_the_definition), TEST(sigmoid_loss_at_the_edges), TEST(losses_have_weights),
      TEST(mixed_softmax_loss_matches_pytorch), TEST(smoothed_softmax_loss_matches_pytorch),
      TEST(mixed_losses_are_weighted_means), TEST(losses_of_probabilities),
      TEST(first_values_are_distributed_as_said), TEST(first_values_do_not_know_threads),
      TEST(bits_do_not_know_threads), TEST(add_and_concat), TEST(pad_channels_adds_zeros),
      NO_ALLOCATION_TEST TEST(impossible_shapes_are_refused), TEST(one_input_only),
      TEST(layers_describe_themselves), TEST(the_registry_is_sound))
