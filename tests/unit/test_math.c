/* Tests kernels, products and im2col against naive loops. */
#include "arrays.h"

#include "math/arithmetic.h"
#include "math/gemm.h"
#include "math/im2col.h"
#include "math/kernels.h"

#include <float.h>

#define EPS 0x1p-24

static const int64_t counts[] = {0, 1, 2, 7, 15, 16, 17, 31, 33, 63, 64, 65, 127, 1000};

/* ---- elementwise kernels ---- */

/* Runs one kernel of a set on prepared inputs; a, b, c are in and out. */
typedef void (*elementwise)(const cvy_kernels *k, float *a, float *b, const float *c, int64_t count);

static void run_add(const cvy_kernels *k, float *a, float *b, const float *c, int64_t count) {
  (void)b;
  k->add(a, c, count);
}
static double want_add(double a, double b, double c) {
  (void)b;
  return a + c;
}
static void run_scale(const cvy_kernels *k, float *a, float *b, const float *c, int64_t count) {
  (void)b, (void)c;
  k->scale(a, -1.75f, count);
}
static double want_scale(double a, double b, double c) {
  (void)b, (void)c;
  return -1.75 * a;
}
static void run_axpy(const cvy_kernels *k, float *a, float *b, const float *c, int64_t count) {
  (void)b;
  k->axpy(a, 0.3f, c, count);
}
static double want_axpy(double a, double b, double c) {
  (void)b;
  return a + (double)0.3f * c;
}
/* The kernel has two formulas, one for shares below a half, and one from there on. */
#define LERP(name, share)                                                                                    \
  static void run_##name(const cvy_kernels *k, float *a, float *b, const float *c, int64_t count) {          \
    (void)b;                                                                                                 \
    k->lerp(a, share, c, count);                                                                             \
  }                                                                                                          \
  static double want_##name(double a, double b, double c) {                                                  \
    (void)b;                                                                                                 \
    return a + (double)share * (c - a);                                                                      \
  }
LERP(lerp, 0.3f)
LERP(long_lerp, 0.9f)
static void run_scale_within(const cvy_kernels *k, float *a, float *b, const float *c, int64_t count) {
  (void)b;
  k->scale_within(a, c, -1.5f, 0.6f, count);
}
static double want_scale_within(double a, double b, double c) {
  (void)a, (void)b;
  return fmax(fmin(-1.5 * c, (double)0.6f), -(double)0.6f);
}
static void run_relu(const cvy_kernels *k, float *a, float *b, const float *c, int64_t count) {
  (void)b;
  k->relu_forward(a, c, count);
}
static double want_relu(double a, double b, double c) {
  (void)a, (void)b;
  return c > 0 ? c : 0;
}
static void run_relu_backward(const cvy_kernels *k, float *a, float *b, const float *c, int64_t count) {
  k->relu_backward(a, b, c, count);
}
static double want_relu_backward(double a, double b, double c) {
  (void)a;
  return b > 0 ? c : 0;
}
static void run_tanh(const cvy_kernels *k, float *a, float *b, const float *c, int64_t count) {
  (void)b;
  k->tanh_forward(a, c, count);
}
static double want_tanh(double a, double b, double c) {
  (void)a, (void)b;
  return tanh(c);
}
static void run_tanh_backward(const cvy_kernels *k, float *a, float *b, const float *c, int64_t count) {
  k->tanh_backward(a, b, c, count);
}
static double want_tanh_backward(double a, double b, double c) {
  (void)a;
  return c * (1 - b * b);
}
static void run_leaky(const cvy_kernels *k, float *a, float *b, const float *c, int64_t count) {
  (void)b;
  k->leaky_relu_forward(a, c, 0.25f, count);
}
static double want_leaky(double a, double b, double c) {
  (void)a, (void)b;
  return c > 0 ? c : 0.25 * c;
}
static void run_leaky_backward(const cvy_kernels *k, float *a, float *b, const float *c, int64_t count) {
  k->leaky_relu_backward(a, b, c, 0.25f, count);
}
static double want_leaky_backward(double a, double b, double c) {
  (void)a;
  return b > 0 ? c : 0.25 * c;
}
static void run_sigmoid(const cvy_kernels *k, float *a, float *b, const float *c, int64_t count) {
  (void)b;
  k->sigmoid_forward(a, c, count);
}
static double want_sigmoid(double a, double b, double c) {
  (void)a, (void)b;
  return 1 / (1 + exp(-c));
}
static void run_sigmoid_backward(const cvy_kernels *k, float *a, float *b, const float *c, int64_t count) {
  k->sigmoid_backward(a, b, c, count);
}
static double want_sigmoid_backward(double a, double b, double c) {
  (void)a;
  return c * b * (1 - b);
}
static void run_exp(const cvy_kernels *k, float *a, float *b, const float *c, int64_t count) {
  (void)b;
  k->exp(a, c, 0.5f, count);
}
static double want_exp(double a, double b, double c) {
  (void)a, (void)b;
  return exp(c - 0.5);
}

static const struct {
  const char *name;
  elementwise run;
  double (*want)(double a, double b, double c);
} elementwise_cases[] = {
    {"add", run_add, want_add},
    {"scale", run_scale, want_scale},
    {"axpy", run_axpy, want_axpy},
    {"lerp", run_lerp, want_lerp},
    {"lerp from a half on", run_long_lerp, want_long_lerp},
    {"scale_within", run_scale_within, want_scale_within},
    {"relu_forward", run_relu, want_relu},
    {"relu_backward", run_relu_backward, want_relu_backward},
    {"tanh_forward", run_tanh, want_tanh},
    {"tanh_backward", run_tanh_backward, want_tanh_backward},
    {"leaky_relu_forward", run_leaky, want_leaky},
    {"leaky_relu_backward", run_leaky_backward, want_leaky_backward},
    {"sigmoid_forward", run_sigmoid, want_sigmoid},
    {"sigmoid_backward", run_sigmoid_backward, want_sigmoid_backward},
    {"exp", run_exp, want_exp},
};

/* Checks that every set gives the reference's numbers, and the portable set's bits. */
static void check_elementwise(int64_t which, int64_t count) {
  float *a = random_array(count, 1), *b = random_array(count, 2), *c = random_array(count, 3);
  float *portable_a = copy_of(a, count), *portable_b = copy_of(b, count);
  double *want = malloc(sizeof *want * (size_t)(count + 1)),
         *tolerance = malloc(sizeof *want * (size_t)(count + 1));
  for (int64_t i = 0; i < count; i++) {
    want[i] = elementwise_cases[which].want((double)a[i], (double)b[i], (double)c[i]);
    tolerance[i] = 4 * EPS;
  }
  elementwise_cases[which].run(cvy_kernels_named("portable"), portable_a, portable_b, c, count);
  CU_ASSERT(all_near(elementwise_cases[which].name, portable_a, want, tolerance, count));
  for (int s = 1; s < 3; s++) {
    const cvy_kernels *set = cvy_kernels_named(kernel_names[s]);
    if (!set) continue;
    float *set_a = copy_of(a, count), *set_b = copy_of(b, count);
    elementwise_cases[which].run(set, set_a, set_b, c, count);
    CU_ASSERT(same_bits(set_a, portable_a, count) && same_bits(set_b, portable_b, count));
    free(set_a);
    free(set_b);
  }
  free(a), free(b), free(c), free(portable_a), free(portable_b), free(want), free(tolerance);
}

static void elementwise_kernels(void) {
  for (int64_t which = 0; which < CVY_COUNT(elementwise_cases); which++)
    for (int64_t i = 0; i < CVY_COUNT(counts); i++) check_elementwise(which, counts[i]);
}

static void sigmoid_at_the_edges(void) {
  const float x[] = {0, 100, -100, INFINITY, -INFINITY, NAN, -80};
  float y[7];
  cvy_kernels_get()->sigmoid_forward(y, x, 7);
  CU_ASSERT(y[0] == 0.5f && y[1] == 1 && y[2] >= 0 && y[2] < 1e-37f && y[3] == 1 && y[4] == 0 && isnan(y[5]));
  CU_ASSERT_DOUBLE_EQUAL((double)y[6] / (1 / (1 + exp(80))), 1, 4 * EPS);
}

static void nan_goes_through(void) {
  float x[] = {NAN, -1, 2, -0.0f}, y[4];
  cvy_kernels_get()->relu_forward(y, x, 4);
  CU_ASSERT(isnan(y[0]) && y[1] == 0 && y[2] == 2 && y[3] == 0);
  cvy_kernels_get()->scale_within(y, x, 2, 3, 4);
  CU_ASSERT(isnan(y[0]) && y[1] == -2 && y[2] == 3 && y[3] == 0);
}

/* ---- exp and tanh over all floats ---- */

enum { SWEEP = 4096 };

/* Returns the distance of `got` from the exact value in units of the last place of the float nearest to
 * it. */
static double ulps(float got, double exact) {
  const float nearest = (float)exact;
  if (got == nearest) return 0;
  if (!isfinite(got) || !isfinite(nearest)) return INFINITY;
  int exponent;
  frexp(exact, &exponent);
  const double unit = ldexp(1, (exponent - 24 < -149) ? -149 : exponent - 24);
  return fabs((double)got - exact) / unit;
}

typedef void (*curve)(float *y, const float *x, int64_t count);

static void our_exp(float *y, const float *x, int64_t count) {
  cvy_kernels_get()->exp(y, x, 0, count);
}
static void our_tanh(float *y, const float *x, int64_t count) {
  cvy_kernels_get()->tanh_forward(y, x, count);
}

/* Returns the largest error over every `stride`-th float, NaN and infinities among them. */
static double worst_error(curve ours, double (*exact)(double), uint64_t stride) {
  static float x[SWEEP], y[SWEEP];
  double worst = 0;
  for (uint64_t first = 0; first <= UINT32_MAX; first += stride * SWEEP) {
    for (uint64_t i = 0; i < SWEEP; i++) {
      const uint32_t bits = (uint32_t)(first + i * stride);
      memcpy(&x[i], &bits, sizeof bits);
    }
    ours(y, x, SWEEP);
    for (int i = 0; i < SWEEP; i++) {
      if (isnan(x[i])) {
        worst = isnan(y[i]) ? worst : INFINITY;
        continue;
      }
      const double error = ulps(y[i], exact((double)x[i]));
      worst = error > worst ? error : worst;
    }
  }
  return worst;
}

static uint64_t sweep_stride(void) {
  const char *all = getenv("CONVOY_TEST_ALL_FLOATS");
  return all ? 1 : 509; /* a prime, which visits all exponents and all endings */
}

static void exp_is_accurate(void) {
  const double worst = worst_error(our_exp, exp, sweep_stride());
  printf("(%.3f ulp) ", worst);
  CU_ASSERT(worst <= 2);
}

static void tanh_is_accurate(void) {
  const double worst = worst_error(our_tanh, tanh, sweep_stride());
  printf("(%.3f ulp) ", worst);
  CU_ASSERT(worst <= 3);
}

static void exp_and_tanh_at_the_edges(void) {
  const float x[] = {0, -0.0f, INFINITY, -INFINITY, 88.72283f, 88.72284f, -103.97f, -104, 1e-45f, -1e-45f};
  float y[10];
  our_exp(y, x, 10);
  CU_ASSERT(y[0] == 1 && y[1] == 1 && isinf(y[2]) && y[3] == 0 && isfinite(y[4]) && isinf(y[5]));
  CU_ASSERT(y[6] == 1e-45f && y[7] == 0 && y[8] == 1 && y[9] == 1);
  our_tanh(y, x, 10);
  CU_ASSERT(y[0] == 0 && !signbit(y[0]) && y[1] == 0 && signbit(y[1]) && y[2] == 1 && y[3] == -1);
  CU_ASSERT(y[4] == 1 && y[6] == -1 && y[8] == 1e-45f && y[9] == -1e-45f);
}

/* All sets give the same bits for every exponent, NaN and infinity. */
static void exp_and_tanh_have_the_same_bits(void) {
  float *x = array(SWEEP * 64), *want = array(SWEEP * 64), *got = array(SWEEP * 64);
  for (uint32_t i = 0; i < SWEEP * 64; i++) {
    const uint32_t bits = i * 16381u;
    memcpy(&x[i], &bits, sizeof bits);
  }
  for (int s = 1; s < 3; s++) {
    const cvy_kernels *set = cvy_kernels_named(kernel_names[s]), *portable = cvy_kernels_named("portable");
    if (!set) continue;
    portable->exp(want, x, 0, SWEEP * 64);
    set->exp(got, x, 0, SWEEP * 64);
    CU_ASSERT(same_bits(got, want, SWEEP * 64));
    portable->tanh_forward(want, x, SWEEP * 64);
    set->tanh_forward(got, x, SWEEP * 64);
    CU_ASSERT(same_bits(got, want, SWEEP * 64));
  }
  free(x), free(want), free(got);
}

/* ---- rows ---- */

static const int64_t channel_counts[] = {1, 2, 3, 6, 10, 16, 20, 31, 32, 33, 63, 64, 65, 100, 130};
static const int64_t row_counts[] = {1, 2, 5, 63, 64, 65, 700};

static void check_rows(const cvy_kernels *set, int64_t rows, int64_t channels) {
  float *x = random_array(rows * channels, 1), *bias = random_array(channels, 2);
  float *y = copy_of(x, rows * channels), *sum = copy_of(bias, channels);
  double *want = calloc((size_t)channels, sizeof *want), *tolerance = calloc((size_t)channels, sizeof *want);
  bool added = true;
  set->add_rows(y, bias, rows, channels);
  set->sum_rows(sum, x, rows, channels);
  for (int64_t c = 0; c < channels; c++) want[c] = (double)bias[c];
  for (int64_t i = 0; i < rows * channels; i++) {
    added &= y[i] == x[i] + bias[i % channels];
    want[i % channels] += (double)x[i];
    tolerance[i % channels] += EPS * (2 + fabs((double)x[i]));
  }
  CU_ASSERT(added);
  CU_ASSERT(all_near("sum_rows", sum, want, tolerance, channels));
  float *portable_sum = copy_of(bias, channels);
  cvy_kernels_named("portable")->sum_rows(portable_sum, x, rows, channels);
  CU_ASSERT(same_bits(sum, portable_sum, channels));
  free(x), free(bias), free(y), free(sum), free(want), free(tolerance), free(portable_sum);
}

/* The results of the maps and sums of rows: y with and without dy, then both pairs of sums. */
typedef struct row_results {
  float *plain, *pair;
  double *sums;
} row_results;

static row_results run_rows(const cvy_kernels *set, const float *dy, const float *x, const cvy_affine *t,
                            int64_t rows, int64_t channels) {
  row_results out = {.plain = copy_of(x, rows * channels), .pair = copy_of(dy, rows * channels)};
  out.sums = array_of_bytes(sizeof *out.sums * 4 * (size_t)channels);
  set->affine_rows(out.plain, NULL, out.plain, t, rows, channels);
  set->affine_rows(out.pair, out.pair, x, t, rows, channels);
  set->sum_moments(out.sums, NULL, x, t->centre, rows, channels);
  set->sum_moments(out.sums + 2 * channels, dy, x, t->centre, rows, channels);
  return out;
}

static void free_rows(row_results *out) {
  free(out->plain), free(out->pair), free(out->sums);
}

static void check_maps_and_moments(const row_results *got, const float *dy, const float *x,
                                   const cvy_affine *t, int64_t rows, int64_t channels) {
  double *want = calloc(4 * (size_t)channels, sizeof *want);
  bool mapped = true, summed = true;
  for (int64_t i = 0; i < rows * channels; i++) {
    const int64_t c = i % channels;
    const double d = (double)x[i] - (double)t->centre[c], weighted = (double)dy[i] * d;
    const float y = (x[i] - t->centre[c]) * t->slope[c] + t->offset[c];
    mapped &= got->plain[i] == y && got->pair[i] == dy[i] * t->factor[c] + y;
    want[c] += d;
    want[channels + c] += d * d;
    want[2 * channels + c] += (double)dy[i];
    want[3 * channels + c] += weighted;
  }
  /* The terms are below 4, and there are twice as many roundings as terms. */
  for (int64_t i = 0; i < 4 * channels; i++)
    summed &= fabs(got->sums[i] - want[i]) <= 4 * (double)(rows * rows) * 0x1p-52;
  CU_ASSERT(mapped);
  CU_ASSERT(summed);
  free(want);
}

static void maps_and_moments_of(int64_t rows, int64_t channels) {
  float *x = random_array(rows * channels, 1), *dy = random_array(rows * channels, 2);
  float *terms = random_array(4 * channels, 3);
  const cvy_affine t = {terms, terms + channels, terms + 2 * channels, terms + 3 * channels};
  row_results portable = run_rows(cvy_kernels_named("portable"), dy, x, &t, rows, channels);
  check_maps_and_moments(&portable, dy, x, &t, rows, channels);
  for (int s = 1; s < 3; s++) {
    const cvy_kernels *set = cvy_kernels_named(kernel_names[s]);
    if (!set) continue;
    row_results got = run_rows(set, dy, x, &t, rows, channels);
    CU_ASSERT(same_bits(got.plain, portable.plain, rows * channels));
    CU_ASSERT(same_bits(got.pair, portable.pair, rows * channels));
    CU_ASSERT(memcmp(got.sums, portable.sums, sizeof *got.sums * 4 * (size_t)channels) == 0);
    free_rows(&got);
  }
  free_rows(&portable);
  free(x), free(dy), free(terms);
}

static void maps_and_moments(void) {
  for (int64_t r = 0; r < CVY_COUNT(row_counts); r++) {
    for (int64_t c = 0; c < CVY_COUNT(channel_counts); c++)
      maps_and_moments_of(row_counts[r], channel_counts[c]);
    maps_and_moments_of(row_counts[r], 300);
  }
}

static void softmax_backward_of(int64_t rows, int64_t channels) {
  const int64_t count = rows * channels;
  float *y = random_array(count, 1), *dy = random_array(count, 2), *portable = copy_of(dy, count);
  double *want = malloc(sizeof *want * (size_t)count), *tolerance = malloc(sizeof *want * (size_t)count);
  for (int64_t i = 0; i < count; i++) {
    double mean = 0;
    for (int64_t c = 0; c < channels; c++)
      mean += (double)y[i / channels * channels + c] * (double)dy[i / channels * channels + c];
    want[i] = (double)y[i] * ((double)dy[i] - mean);
    tolerance[i] = 1.001 * EPS * fabs(want[i]) + 1e-13;
  }
  cvy_kernels_named("portable")->softmax_backward(portable, y, portable, rows, channels);
  CU_ASSERT(all_near("softmax_backward", portable, want, tolerance, count));
  for (int s = 1; s < 3; s++) {
    const cvy_kernels *set = cvy_kernels_named(kernel_names[s]);
    float *dx = array(count);
    if (set) set->softmax_backward(dx, y, dy, rows, channels);
    CU_ASSERT(!set || same_bits(dx, portable, count));
    free(dx);
  }
  free(y), free(dy), free(portable), free(want), free(tolerance);
}

static void softmax_backward_kernel(void) {
  for (int64_t c = 0; c < CVY_COUNT(channel_counts); c++) softmax_backward_of(5, channel_counts[c]);
}

static void rows_kernels(void) {
  for (int s = 0; s < 3; s++)
    for (int64_t r = 0; r < CVY_COUNT(row_counts); r++)
      for (int64_t c = 0; c < CVY_COUNT(channel_counts); c++)
        if (cvy_kernels_named(kernel_names[s]))
          check_rows(cvy_kernels_named(kernel_names[s]), row_counts[r], channel_counts[c]);
}

/* ---- dropout ---- */

static void dropout_draws_philox_words(void) {
  const cvy_random where = {0x123456789abcdefu, CVY_FOR_DROPOUT, 0xabcdef, 5, 77, 0};
  const uint32_t drop_below = 0x60000000u;
  for (int s = 0; s < 3; s++) {
    const cvy_kernels *set = cvy_kernels_named(kernel_names[s]);
    for (int64_t n = 0; set && n < CVY_COUNT(counts); n++) {
      float *x = random_array(counts[n], 1), *y = array(counts[n]);
      bool right = true;
      set->dropout(y, x, &where, drop_below, 1.6f, counts[n]);
      for (int64_t i = 0; i < counts[n]; i++) {
        uint32_t words[4];
        cvy_random_block(words, &where, (uint32_t)(i / 64 * 16 + i % 16));
        right &= y[i] == (words[i % 64 / 16] >= drop_below ? x[i] * 1.6f : 0);
      }
      CU_ASSERT(right);
      free(x), free(y);
    }
  }
}

/* ---- pooling and normalisation: the same bits in all sets (test_layers has the references) ---- */

static void spatial_kernels_have_the_same_bits(void) {
  const cvy_window g = {.h = 7,
                        .w = 6,
                        .c = 70,
                        .r = 3,
                        .s = 2,
                        .stride_h = 2,
                        .stride_w = 1,
                        .top = 1,
                        .left = 0,
                        .bottom = 1,
                        .right = 0,
                        .oh = 4,
                        .ow = 5};
  const cvy_lrn lrn = {.size = 5, .k = 2, .alpha_share = 0.3f, .beta = 0.75f};
  const int64_t in = g.h * g.w * g.c, out = g.oh * g.ow * g.c;
  float *x = random_array(in, 1), *dy = random_array(in, 2), *results[3] = {0};
  const int64_t size = 2 * out + 4 * in;
  for (int s = 0; s < 3; s++) {
    const cvy_kernels *k = cvy_kernels_named(kernel_names[s]);
    if (!k) continue;
    void *winner = array_of_bytes(cvy_place_bytes(&g) * (size_t)out);
    float *r = results[s] = array(size), *scratch = array(cvy_lrn_scratch_count(g.c, &lrn));
    k->max_pool_forward(r, winner, x, &g);
    k->average_pool_forward(r + out, x, &g, true);
    k->max_pool_backward(r + 2 * out, winner, dy, &g);
    k->average_pool_backward(r + 2 * out + in, dy, &g, false);
    k->lrn_forward(r + 2 * out + 2 * in, x, scratch, g.h * g.w, g.c, &lrn);
    k->lrn_backward(r + 2 * out + 3 * in, x, dy, scratch, g.h * g.w, g.c, &lrn);
    if (s > 0) CU_ASSERT(same_bits(r, results[0], size));
    free(winner), free(scratch);
  }
  for (int s = 0; s < 3; s++) free(results[s]);
  free(x), free(dy);
}

/* Pools by the definition: each window's first largest number, and all the gradient to its place. */
static void max_pool_reference(float *y, int64_t *winner, float *dx, const float *x, const float *dy,
                               const cvy_window *g) {
  memset(dx, 0, sizeof *dx * (size_t)(g->h * g->w * g->c));
  for (int64_t o = 0; o < g->oh * g->ow * g->c; o++) {
    const int64_t c = o % g->c, top = o / g->c / g->ow * g->stride_h - g->top,
                  left = o / g->c % g->ow * g->stride_w - g->left;
    int64_t best = -1;
    for (int64_t place = 0; place < g->r * g->s; place++) {
      const int64_t row = top + place / g->s, column = left + place % g->s;
      if (row < 0 || row >= g->h || column < 0 || column >= g->w) continue;
      const int64_t at = (row * g->w + column) * g->c + c;
      if (best >= 0 && x[at] <= x[best]) continue;
      best = at;
      winner[o] = place;
    }
    y[o] = x[best];
    dx[best] += dy[o];
  }
}

static void check_max_pool(const cvy_window *g) {
  const int64_t in = g->h * g->w * g->c, out = g->oh * g->ow * g->c;
  const size_t bytes = cvy_place_bytes(g);
  float *x = random_array(in, 1), *dy = random_array(out, 2), *y = array(out), *dx = array(in);
  float *want_y = array(out), *want_dx = array(in);
  int64_t *want = malloc(sizeof *want * (size_t)out);
  for (int64_t i = 0; i < in; i += 3) x[i] = floorf(4 * x[i]); /* so that some are equal */
  max_pool_reference(want_y, want, want_dx, x, dy, g);
  for (int s = 0; s < 3; s++) {
    const cvy_kernels *k = cvy_kernels_named(kernel_names[s]);
    if (!k) continue;
    void *winner = array_of_bytes(bytes * (size_t)out);
    k->max_pool_forward(y, winner, x, g);
    k->max_pool_backward(dx, winner, dy, g);
    bool right = same_bits(y, want_y, out) && same_bits(dx, want_dx, in);
    for (int64_t o = 0; o < out; o++)
      right &= want[o] == (bytes == 1 ? ((uint8_t *)winner)[o] : ((uint16_t *)winner)[o]);
    if (!right)
      printf("\n    %s: %" PRId64 " channels, window of %" PRId64 "x%" PRId64 "\n", k->name, g->c, g->r,
             g->s);
    CU_ASSERT(right);
    free(winner);
  }
  free(x), free(dy), free(y), free(dx), free(want_y), free(want_dx), free(want);
}

/* The windows have 4, 9, 20, 256 and 272 places; the last is the first, and the only one, that needs two
 * bytes. */
static void max_pool_in_both_widths(void) {
  const int64_t channels[] = {1, 5, 16, 20, 33, 47, 64, 70, 150},
                kernels[][3] = {
                    {2, 2, 2}, {3, 3, 2}, {5, 4, 3}, {16, 16, 1}, {16, 17, 3}}; /* rows, columns, stride */
  for (int64_t i = 0; i < CVY_COUNT(channels); i++)
    for (int64_t j = 0; j < CVY_COUNT(kernels); j++) {
      cvy_window g = {.h = 19, .w = 18, .c = channels[i], .r = kernels[j][0], .s = kernels[j][1]};
      g.stride_h = g.stride_w = kernels[j][2];
      g.top = g.bottom = 1, g.left = g.right = j % 2;
      g.oh = (g.h + 2 * g.top - g.r) / g.stride_h + 1, g.ow = (g.w + 2 * g.left - g.s) / g.stride_w + 1;
      CU_ASSERT_EQUAL(cvy_place_bytes(&g), g.r * g.s == 272 ? 2 : 1);
      check_max_pool(&g);
    }
}

static void kernels_are_found_by_name(void) {
  CU_ASSERT_PTR_NULL(cvy_kernels_named("sse9"));
  CU_ASSERT_PTR_NOT_NULL(cvy_kernels_named("portable"));
  CU_ASSERT_PTR_EQUAL(cvy_kernels_named(cvy_kernels_get()->name), cvy_kernels_get());
}

/* ---- matrix products ---- */

typedef struct gemm_case {
  int64_t m, n, k;
  bool ta, tb;
  float alpha, beta;
} gemm_case;

enum { GAP = 3 }; /* floats between the rows, which must be left alone */

static double element(const float *a, int64_t stride, bool transposed, int64_t i, int64_t j) {
  return (double)(transposed ? a[j * stride + i] : a[i * stride + j]);
}

static void check_gemm(const gemm_case *g) {
  const int64_t sa = (g->ta ? g->m : g->k) + GAP, sb = (g->tb ? g->k : g->n) + GAP, sc = g->n + GAP;
  const int64_t ca = (g->ta ? g->k : g->m) * sa, cb = (g->tb ? g->n : g->k) * sb, cc = g->m * sc;
  float *a = random_array(ca, 1), *b = random_array(cb, 2), *before = random_array(cc, 3);
  double *want = malloc(sizeof *want * (size_t)cc), *tolerance = malloc(sizeof *want * (size_t)cc);
  for (int64_t i = 0; i < cc; i++) {
    const int64_t row = i / sc, column = i % sc;
    double sum = 0, size = 0;
    for (int64_t p = 0; p < g->k && column < g->n; p++) {
      const double term = element(a, sa, g->ta, row, p) * element(b, sb, g->tb, p, column);
      sum += term;
      size += fabs(term);
    }
    want[i] = column < g->n ? (double)g->alpha * sum + (double)g->beta * (double)before[i]
                            : (double)before[i];
    tolerance[i] = column < g->n ? 8 * EPS * (size + 1) : 0;
    if (g->beta == 0 && column < g->n) before[i] = NAN; /* it must not be read */
  }
  const cvy_factor fa = {a, sa, g->ta}, fb = {b, sb, g->tb};
  float *serial = copy_of(before, cc);
  cvy_gemm(serial, sc, fa, fb, g->m, g->n, g->k, g->alpha, g->beta);
  CU_ASSERT(all_near("cvy_gemm", serial, want, tolerance, cc));
  float *first = NULL;
  for (int threads = 1; threads <= 3; threads++) {
    float *c = copy_of(before, cc);
    cvy_threads_set(threads);
    cvy_gemm_parallel(c, sc, fa, fb, g->m, g->n, g->k, g->alpha, g->beta);
    if (!first) CU_ASSERT(all_near("cvy_gemm_parallel", c, want, tolerance, cc));
    if (first) CU_ASSERT(same_bits(c, first, cc));
    if (first) free(c);
    if (!first) first = c;
  }
  cvy_threads_set(1);
  free(first), free(serial), free(a), free(b), free(before), free(want), free(tolerance);
}

static void gemm_matches_double_precision(void) {
  const int64_t sizes[][3] = {{1, 1, 1},       {1, 7, 5},     {5, 1, 300},   {33, 17, 9},  {64, 500, 80},
                              {300, 290, 130}, {700, 20, 25}, {25, 6, 1000}, {3, 1030, 40}};
  for (int64_t i = 0; i < CVY_COUNT(sizes); i++)
    for (int t = 0; t < 4; t++) {
      const gemm_case overwrite = {sizes[i][0], sizes[i][1], sizes[i][2], t & 1, t & 2, 1, 0};
      const gemm_case accumulate = {sizes[i][0], sizes[i][1], sizes[i][2], t & 1, t & 2, -0.5f, 0.75f};
      check_gemm(&overwrite);
      check_gemm(&accumulate);
    }
}

/* The product is so large that C goes past the caches. */
static void a_large_thin_product_matches_double_precision(void) {
  const int64_t m = 4111, n = 2064, k = 5;
  float *a = random_array(k * m, 1), *b = random_array(k * n, 2), *memory[2], *c[2];
  const cvy_factor fa = {a, m, true}, fb = {b, n, false};
  for (int i = 0; i < 2; i++) {
    memory[i] = aligned_alloc(64, sizeof(float) * (size_t)(m * n + 16));
    c[i] = memory[i] + i; /* the second one is not aligned */
    cvy_threads_set(1 + 2 * i);
    cvy_gemm_parallel(c[i], n, fa, fb, m, n, k, 1, 0);
  }
  cvy_threads_set(1);
  int64_t wrong = 0;
  for (int64_t i = 0; i < m * n; i++) {
    double want = 0, size = 0;
    for (int64_t p = 0; p < k; p++) {
      const double term = (double)a[p * m + i / n] * (double)b[p * n + i % n];
      want += term;
      size += fabs(term);
    }
    wrong += !(fabs((double)c[0][i] - want) <= 8 * EPS * size);
  }
  CU_ASSERT_EQUAL(wrong, 0);
  CU_ASSERT(same_bits(c[0], c[1], m * n));
  free(a), free(b), free(memory[0]), free(memory[1]);
}

/* Many threads are in OpenBLAS at once, each with its own product. */
enum { CROWD = 64, SIDE = 96 };

typedef struct crowd {
  const float *a, *b;
  float *c;
} crowd;

static void crowd_task(const void *context, int64_t index, int thread) {
  (void)thread;
  const crowd *all = context;
  const cvy_factor a = {all->a + index * SIDE, SIDE, index % 2}, b = {all->b, SIDE, index % 3 == 0};
  cvy_gemm(all->c + index * SIDE * SIDE, SIDE, a, b, SIDE, SIDE, SIDE, 1, 0);
}

static void gemm_can_be_called_by_many_threads(void) {
  float *a = random_array((SIDE + CROWD) * SIDE, 1), *b = random_array(SIDE * SIDE, 2);
  float *alone = array(CROWD * SIDE * SIDE), *together = array(CROWD * SIDE * SIDE);
  crowd all = {a, b, alone};
  for (int64_t i = 0; i < CROWD; i++) crowd_task(&all, i, 0);
  cvy_threads_set(8);
  all.c = together;
  for (int round = 0; round < 20; round++) {
    memset(together, 0xff, sizeof *together * CROWD * SIDE * SIDE);
    cvy_parallel(CROWD, crowd_task, &all);
    CU_ASSERT(same_bits(together, alone, CROWD * SIDE * SIDE));
  }
  cvy_threads_set(1);
  free(a), free(b), free(alone), free(together);
}

static void blas_says_what_it_is(void) {
  CU_ASSERT(strncmp(cvy_blas_config(), "OpenBLAS", 8) == 0);
  CU_ASSERT(strlen(cvy_blas_core()) > 0);
}

/* ---- im2col ---- */

static float patch_value(const float *x, int64_t pitch, const cvy_window *g, int64_t line, int64_t column,
                         int64_t place) {
  const int64_t c = place % g->c, b = place / g->c % g->s, a = place / g->c / g->s;
  const int64_t row = line % g->oh * g->stride_h - g->top + a, col = column * g->stride_w - g->left + b;
  if (row < 0 || row >= g->h || col < 0 || col >= g->w) return 0;
  return x[((line / g->oh * g->h + row) * g->w + col) * pitch + c];
}

static const cvy_window windows[] = {
    {.h = 6, .w = 5, .c = 1, .r = 3, .s = 3, .stride_h = 1, .stride_w = 1, .oh = 4, .ow = 3},
    {.h = 5,
     .w = 7,
     .c = 3,
     .r = 5,
     .s = 5,
     .stride_h = 2,
     .stride_w = 3,
     .top = 2,
     .left = 1,
     .bottom = 2,
     .right = 2,
     .oh = 3,
     .ow = 2},
    {.h = 1,
     .w = 1,
     .c = 2,
     .r = 3,
     .s = 3,
     .stride_h = 1,
     .stride_w = 1,
     .top = 1,
     .left = 1,
     .bottom = 1,
     .right = 1,
     .oh = 1,
     .ow = 1},
    {.h = 2,
     .w = 2,
     .c = 5,
     .r = 1,
     .s = 1,
     .stride_h = 1,
     .stride_w = 1,
     .top = 2,
     .left = 3,
     .bottom = 2,
     .right = 3,
     .oh = 6,
     .ow = 8}, /* windows that hold nothing but padding */
    {.h = 9, .w = 8, .c = 40, .r = 2, .s = 4, .stride_h = 3, .stride_w = 2, .oh = 3, .ow = 3},
    {.h = 4, .w = 4, .c = 150, .r = 2, .s = 2, .stride_h = 2, .stride_w = 2, .oh = 2, .ow = 2},
};

/* The window's channels are the last of `pitch`. */
static void check_im2col(const cvy_window *g, int64_t pitch, int64_t first, int64_t count) {
  const int64_t n = 3, size = cvy_patch_size(g), all = count * g->ow * size, pixels = n * g->h * g->w * pitch;
  const int64_t skip = pitch - g->c;
  float *x = random_array(pixels, 1), *patches = array(all);
  bool right = true;
  cvy_im2col(patches, x + skip, pitch, g, first, count);
  for (int64_t i = 0; i < all; i++)
    right &= patches[i] ==
             patch_value(x + skip, pitch, g, first + i / size / g->ow, i / size % g->ow, i % size);
  CU_ASSERT(right);

  /* col2im is its adjoint: the sum of x * col2im(p) is that of im2col(x) * p, for every x. */
  float *p = random_array(all, 2), *dx = copy_of(x, pixels);
  cvy_col2im(dx + skip, pitch, p, g, first, count);
  bool others_left_alone = true;
  for (int64_t i = 0; i < pixels; i++) others_left_alone &= i % pitch >= skip || dx[i] == x[i];
  CU_ASSERT(others_left_alone);
  double left = 0, other = 0;
  for (int64_t i = 0; i < pixels; i++) left += (double)x[i] * ((double)dx[i] - (double)x[i]);
  for (int64_t i = 0; i < all; i++) other += (double)patches[i] * (double)p[i];
  CU_ASSERT_DOUBLE_EQUAL(left, other, 1e-6 * (double)(all + 10));
  free(x), free(patches), free(p), free(dx);
}

static void im2col_gathers_patches(void) {
  for (int64_t i = 0; i < CVY_COUNT(windows); i++)
    for (int64_t more = 0; more < 8; more += 3) {
      const int64_t pitch = windows[i].c + more;
      check_im2col(&windows[i], pitch, 0, 3 * windows[i].oh);
      check_im2col(&windows[i], pitch, 1, 2 * windows[i].oh);
      check_im2col(&windows[i], pitch, 3 * windows[i].oh - 1, 1);
      check_im2col(&windows[i], pitch, 0, 0);
    }
}

/* ---- sums of squares ---- */

/* An integer times 2^-700, in digits of 32 bits. */
typedef struct exact {
  int64_t digits[40];
} exact;

/* Adds value * 2^exponent, digit by digit. */
static void add_exactly(exact *sum, int64_t value, int exponent) {
  const int shift = exponent + 700;
  const uint64_t size = (uint64_t)(value < 0 ? -value : value);
  CU_ASSERT_FATAL(shift >= 0);
  for (int bit = 0; bit < 64; bit++)
    if (size >> bit & 1)
      sum->digits[(shift + bit) / 32] += (value < 0 ? -1 : 1) * (1LL << (shift + bit) % 32);
  for (int i = 0; i + 1 < CVY_COUNT(sum->digits); i++) {
    sum->digits[i + 1] += sum->digits[i] >> 32;
    sum->digits[i] &= UINT32_MAX;
  }
}

static exact squares_by_hand(const float *x) {
  exact sum = {{0}};
  for (int64_t i = 0; i < CVY_SQUARES_BLOCK; i++) {
    int exponent;
    const int64_t mantissa = (int64_t)ldexpf(frexpf(x[i], &exponent), 24);
    if (mantissa) add_exactly(&sum, mantissa * mantissa, 2 * (exponent - 24));
  }
  return sum;
}

static void check_squares(const float *x, bool must_be_done) {
  const exact want = squares_by_hand(x);
  for (int64_t s = 0; s < CVY_COUNT(kernel_names); s++) {
    if (!cvy_kernels_named(kernel_names[s])) continue;
    cvy_squares_part parts[CVY_SQUARES_PARTS];
    exact got = {{0}};
    const int64_t count = cvy_kernels_named(kernel_names[s])->sum_squares(parts, x, &(cvy_ahead){0});
    if (count == CVY_SQUARES_NOT_DONE) {
      CU_ASSERT_FALSE(must_be_done);
      continue;
    }
    CU_ASSERT(count > 0 && count <= CVY_SQUARES_PARTS);
    for (int64_t i = 0; i < count; i++) add_exactly(&got, parts[i].total, parts[i].step);
    CU_ASSERT(memcmp(&got, &want, sizeof got) == 0);
  }
}

/* Values whose sizes differ by up to 2^spread are summed in two parts, in three, or not at all. */
static void squares_are_exact(void) {
  static const int tops[] = {0, 127, -60, -130};
  float *x = array(CVY_SQUARES_BLOCK), *random = random_array(CVY_SQUARES_BLOCK, 3);
  for (int t = 0; t < CVY_COUNT(tops); t++)
    for (int spread = 0; spread <= 60; spread++) {
      for (int64_t i = 0; i < CVY_SQUARES_BLOCK; i++) {
        const float size = 0.5f + fabsf(random[i]) / 2;
        x[i] = i % 11 == 0 ? 0 : copysignf(ldexpf(size, tops[t] - (int)(i * 7 % (spread + 1))), random[i]);
      }
      check_squares(x, spread <= 46);
    }
  free(x), free(random);
}

static void squares_at_the_edges(void) {
  const float values[] = {0, -0.0f, FLT_MAX, FLT_MIN, 0x1p-149f, 0x1.fffffcp-127f, 1, 0x1.fffffep0f};
  float *x = array(CVY_SQUARES_BLOCK);
  for (int a = 0; a < CVY_COUNT(values); a++)
    for (int b = 0; b < CVY_COUNT(values); b++) {
      for (int64_t i = 0; i < CVY_SQUARES_BLOCK; i++)
        x[i] = i == CVY_SQUARES_BLOCK - 1 ? values[b] : values[a];
      check_squares(x, a == b);
    }
  for (int64_t s = 0; s < CVY_COUNT(kernel_names); s++)
    for (int64_t i = 0; i < CVY_SQUARES_BLOCK && cvy_kernels_named(kernel_names[s]); i += 341) {
      cvy_squares_part parts[CVY_SQUARES_PARTS];
      for (int64_t k = 0; k < CVY_SQUARES_BLOCK; k++) x[k] = 1;
      x[i] = i % 2 ? NAN : -INFINITY;
      CU_ASSERT_EQUAL(cvy_kernels_named(kernel_names[s])->sum_squares(parts, x, &(cvy_ahead){0}),
                      CVY_SQUARES_NOT_DONE);
    }
  free(x);
}

/* A processor's arithmetic is told by names and by a hash of products, which are the same every time. */
static void arithmetic(void) {
  const cvy_arithmetic first = cvy_arithmetic_here();
  cvy_arithmetic again = cvy_arithmetic_here();
  CU_ASSERT(strstr(first.names, cvy_blas_core()) && strstr(first.names, cvy_kernels_get()->name));
  CU_ASSERT_FALSE(cvy_arithmetic_differs(&first, &again));
  again.products.hex[0] ^= 1;
  CU_ASSERT(cvy_arithmetic_differs(&first, &again));
  again = first;
  again.names[0] ^= 1;
  CU_ASSERT(cvy_arithmetic_differs(&first, &again));
}

SUITE("math", TEST(arithmetic), TEST(elementwise_kernels), TEST(nan_goes_through), TEST(sigmoid_at_the_edges),
      TEST(exp_is_accurate), TEST(tanh_is_accurate), TEST(exp_and_tanh_at_the_edges),
      TEST(exp_and_tanh_have_the_same_bits), TEST(rows_kernels), TEST(maps_and_moments),
      TEST(softmax_backward_kernel), TEST(dropout_draws_philox_words),
      TEST(spatial_kernels_have_the_same_bits), TEST(max_pool_in_both_widths),
      TEST(kernels_are_found_by_name), TEST(gemm_matches_double_precision),
      TEST(a_large_thin_product_matches_double_precision), TEST(gemm_can_be_called_by_many_threads),
      TEST(blas_says_what_it_is), TEST(im2col_gathers_patches), TEST(squares_are_exact),
      TEST(squares_at_the_edges))
