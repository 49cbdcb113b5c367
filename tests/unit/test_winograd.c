/* Tests Winograd's convolutions against double precision, beside the plain way: their rounding error may be
 * ten times as large.
 *
 * The ten has this reason: a tile's transforms multiply and add numbers of either sign, so what is rounded
 * on the way is larger than what comes out. With the points of math/winograd.h that costs a factor of about
 * six in the mean (Barabasz et al. 2020 explain how to choose points); a plain sum of many products, which
 * OpenBLAS takes in runs, has little error of its own to compare with. Means are over whole arrays, so they
 * vary little from one draw to the next. */
#include "arrays.h"

#include "math/conv.h"

typedef struct layer_shape {
  const char *name;
  int64_t n, h, w, c, k, r, padding, groups;
} layer_shape;

static const layer_shape shapes[] = {
    {"VGG 1_2", 1, 24, 24, 64, 64, 3, 1, 1},
    {"VGG 2_1", 1, 24, 24, 64, 128, 3, 1, 1},
    {"VGG 3_1", 1, 24, 24, 128, 256, 3, 1, 1},
    {"VGG 3_2", 1, 24, 24, 256, 256, 3, 1, 1},
    {"VGG 4_2", 1, 20, 20, 512, 512, 3, 1, 1},
    {"VGG 5, ResNet stage 4 of 14", 2, 14, 14, 512, 512, 3, 1, 1},
    {"ResNet stage 4", 3, 7, 7, 512, 512, 3, 1, 1},
    {"AlexNet conv2", 1, 27, 27, 96, 256, 5, 2, 1},
    {"AlexNet conv2 in two towers", 1, 27, 27, 96, 256, 5, 2, 2},
    {"AlexNet conv4 in two towers", 2, 13, 13, 384, 384, 3, 1, 2},
    {"three groups", 4, 7, 6, 54, 51, 3, 1, 3},
    {"AlexNet conv3", 2, 13, 13, 256, 384, 3, 1, 1},
    {"AlexNet conv5", 2, 13, 13, 384, 256, 3, 1, 1},
    {"ZFNet conv4", 1, 13, 13, 512, 1024, 3, 1, 1},
    {"GoogLeNet 3a 3x3", 1, 28, 28, 96, 128, 3, 1, 1},
    {"GoogLeNet 3a 5x5", 1, 28, 28, 16, 32, 5, 2, 1},
    {"GoogLeNet 5b 5x5", 4, 7, 7, 48, 128, 5, 2, 1},
    {"Inception 5b 5x5", 1, 35, 35, 48, 64, 5, 2, 1},
    {"LeNet conv2", 4, 12, 12, 20, 50, 5, 0, 1},
    {"Hoda conv2", 3, 13, 13, 32, 64, 3, 0, 1},
    /* These sizes fit neither tiles nor vectors. */
    {"thin", 4, 2, 37, 19, 17, 3, 1, 1},
    {"odd", 8, 11, 6, 23, 33, 3, 1, 1},
    {"no padding", 6, 9, 10, 31, 16, 3, 0, 1},
    {"much padding", 5, 5, 8, 16, 24, 3, 2, 1},
    {"wider than a panel", 2, 13, 13, 70, 99, 3, 1, 1},
    {"5x5 odd", 6, 7, 9, 19, 21, 5, 2, 1},
    {"5x5 no padding", 9, 8, 7, 24, 40, 5, 0, 1},
    {"5x5 much padding", 9, 5, 6, 18, 29, 5, 4, 1},
};

/* Where few tiles or channels make the plain way cheaper, it is the one that is chosen, for some pass at
 * least. */
static const layer_shape small_shapes[] = {
    {"one pixel", 1, 3, 3, 8, 8, 3, 0, 1},        {"thin", 1, 1, 37, 9, 17, 3, 1, 1},
    {"odd", 3, 11, 6, 13, 33, 3, 1, 1},           {"no padding", 2, 9, 10, 31, 15, 3, 0, 1},
    {"much padding", 2, 5, 8, 16, 24, 3, 2, 1},   {"5x5 odd", 3, 7, 9, 19, 11, 5, 2, 1},
    {"5x5 no padding", 1, 6, 5, 24, 40, 5, 0, 1}, {"5x5 much padding", 1, 4, 3, 8, 9, 5, 4, 1},
    {"three groups", 2, 7, 6, 27, 51, 3, 1, 3},
};

static cvy_conv_shape shape_of(const layer_shape *l) {
  const int64_t p = l->padding;
  cvy_conv_shape shape = {.n = l->n, .k = l->k, .groups = l->groups};
  shape.window = (cvy_window){.h = l->h,
                              .w = l->w,
                              .c = l->c,
                              .r = l->r,
                              .s = l->r,
                              .stride_h = 1,
                              .stride_w = 1,
                              .top = p,
                              .left = p,
                              .bottom = p,
                              .right = p,
                              .oh = l->h + 2 * p - l->r + 1,
                              .ow = l->w + 2 * p - l->r + 1};
  return shape;
}

/* ---- the arrays of a convolution: images, filters, gradients ---- */

enum { Y, DX, DF, DB, RESULTS };
static const char *const result_names[RESULTS] = {"y", "dx", "dfilters", "dbias"};

typedef struct arrays {
  float *x, *f, *bias, *dy;
  int64_t x_count, f_count, y_count, count[RESULTS];
} arrays;

static arrays arrays_of(const cvy_conv_shape *shape) {
  const cvy_window *g = &shape->window;
  arrays a = {.x_count = shape->n * g->h * g->w * g->c,
              .f_count = g->r * g->s * g->c / shape->groups * shape->k,
              .y_count = shape->n * g->oh * g->ow * shape->k};
  a.x = random_array(a.x_count, 1);
  a.f = random_array(a.f_count, 2);
  a.bias = random_array(shape->k, 3);
  a.dy = random_array(a.y_count, 4);
  for (int64_t i = 0; i < a.x_count; i++) /* x is as after a ReLU */
    if (a.x[i] < 0) a.x[i] = 0;
  a.count[Y] = a.y_count, a.count[DX] = a.x_count, a.count[DF] = a.f_count, a.count[DB] = shape->k;
  return a;
}

static void free_arrays(arrays *a) {
  free(a->x), free(a->f), free(a->bias), free(a->dy);
}

/* ---- the definition, in double precision ---- */

/* Adds one tap to one output pixel, for all channels and filters of a group. */
static void add_tap(double *out[RESULTS], const arrays *a, const cvy_conv_shape *shape, int64_t y_at,
                    int64_t x_at, int64_t tap, int64_t group) {
  const int64_t c_count = shape->window.c / shape->groups, k_count = shape->k / shape->groups;
  for (int64_t c = 0; c < c_count; c++) {
    const int64_t xi = x_at * shape->window.c + group * c_count + c;
    const int64_t fi = (tap * c_count + c) * shape->k + group * k_count,
                  yi = y_at * shape->k + group * k_count;
    double dx = 0;
    for (int64_t k = 0; k < k_count; k++) {
      out[Y][yi + k] += (double)a->x[xi] * (double)a->f[fi + k];
      out[DF][fi + k] += (double)a->x[xi] * (double)a->dy[yi + k];
      dx += (double)a->dy[yi + k] * (double)a->f[fi + k];
    }
    out[DX][xi] += dx;
  }
}

static void define(double *out[RESULTS], const arrays *a, const cvy_conv_shape *shape) {
  const cvy_window *g = &shape->window;
  for (int i = 0; i < RESULTS; i++) out[i] = calloc((size_t)a->count[i], sizeof *out[i]);
  for (int64_t at = 0; at < shape->n * g->oh * g->ow; at++) {
    const int64_t n = at / (g->oh * g->ow), i = at / g->ow % g->oh, j = at % g->ow;
    for (int64_t k = 0; k < shape->k; k++) {
      out[Y][at * shape->k + k] = (double)a->bias[k];
      out[DB][k] += (double)a->dy[at * shape->k + k];
    }
    for (int64_t tap = 0; tap < g->r * g->s; tap++) {
      const int64_t row = i - g->top + tap / g->s, column = j - g->left + tap % g->s;
      if (row < 0 || row >= g->h || column < 0 || column >= g->w) continue;
      for (int64_t group = 0; group < shape->groups; group++)
        add_tap(out, a, shape, at, (n * g->h + row) * g->w + column, tap, group);
    }
  }
}

/* ---- what Convoy computes ---- */

static void compute(float *out[RESULTS], const arrays *a, const cvy_conv_plan *plan, int threads) {
  void *scratch = array_of_bytes(cvy_conv_scratch_bytes(plan, threads));
  for (int i = 0; i < RESULTS; i++) out[i] = array(a->count[i]);
  cvy_threads_set(threads);
  cvy_conv_forward(plan, out[Y], a->x, a->f, a->bias, scratch);
  cvy_conv_backward_data(plan, out[DX], a->dy, a->f, scratch);
  cvy_conv_backward_filters(plan, out[DF], out[DB], a->x, a->dy, scratch);
  cvy_threads_set(1);
  free(scratch);
}

/* Computes the second of two microbatches, with the filters that the first has transformed. */
static void compute_with_kept(float *out[RESULTS], const arrays *a, const cvy_conv_plan *plan) {
  cvy_conv_arrays call = {.filters = a->f, .bias = a->bias};
  call.scratch = array_of_bytes(cvy_conv_scratch_bytes(plan, 1));
  call.prepared = array_of_bytes(plan->prepared_bytes);
  float *other_y = array(a->count[Y]), *other_dx = array(a->count[DX]),
        *zeros = calloc(1, sizeof(float) * (size_t)(a->x_count + a->y_count));
  for (int i = 0; i < RESULTS; i++) out[i] = array(a->count[i]);
  for (int microbatch = 0; microbatch < 2; microbatch++) {
    call.is_prepared = microbatch > 0;
    call.x = microbatch ? a->x : zeros, call.dy = microbatch ? a->dy : zeros;
    call.y = microbatch ? out[Y] : other_y, call.dx = microbatch ? out[DX] : other_dx;
    call.dfilters = out[DF], call.dbias = out[DB];
    for (cvy_conv_pass pass = 0; pass < CVY_CONV_PASSES; pass++) cvy_conv_run(plan, pass, &call);
    memset(call.scratch, 0xff, cvy_conv_scratch_bytes(plan, 1));
  }
  free(call.scratch), free(call.prepared), free(other_y), free(other_dx), free(zeros);
}

static void free_results(float *out[RESULTS]) {
  for (int i = 0; i < RESULTS; i++) free(out[i]);
}

typedef struct error {
  double mean, largest; /* root mean square, and largest, as shares of the result's root mean square */
} error;

static error error_of(const float *got, const double *want, int64_t count) {
  double sum = 0, size = 0, largest = 0;
  for (int64_t i = 0; i < count; i++) {
    const double e = fabs((double)got[i] - want[i]);
    sum += e * e;
    size += want[i] * want[i];
    if (!(e <= largest)) largest = e; /* a NaN is the largest */
  }
  return (error){sqrt(sum / size), largest / sqrt(size / (double)count)};
}

static int shapes_that_keep = 0;

static void check_layer(const layer_shape *l, bool is_small) {
  const cvy_conv_shape shape = shape_of(l);
  cvy_conv_plan winograd, plain;
  cvy_conv_plan_make(&winograd, &shape, CVY_CONV_AUTO, CVY_CONV_ALL);
  cvy_conv_plan_make(&plain, &shape, CVY_CONV_PLAIN, CVY_CONV_ALL);
  arrays a = arrays_of(&shape);
  double *want[RESULTS];
  float *got[RESULTS], *beside[RESULTS], *again[RESULTS], *kept[RESULTS];
  define(want, &a, &shape);
  compute(got, &a, &winograd, 1);
  compute(beside, &a, &plain, 1);
  compute(again, &a, &winograd, 3);
  compute_with_kept(kept, &a, &winograd);
  shapes_that_keep += winograd.prepared_bytes > 0;
  for (int i = 0; i < RESULTS; i++) {
    const error e = error_of(got[i], want[i], a.count[i]), plain_e = error_of(beside[i], want[i], a.count[i]);
    /* A sum of one or two products is rounded once or twice, whatever Winograd does. */
    const double floor = 0x1p-24;
    const bool good = e.mean <= 10 * (plain_e.mean > floor ? plain_e.mean : floor) && e.largest <= 2e-5;
    if (!good)
      printf("\n    %s, %s: error %.2g (largest %.2g), the plain way %.2g\n", l->name, result_names[i],
             e.mean, e.largest, plain_e.mean);
    CU_ASSERT(good);
    CU_ASSERT(same_bits(got[i], again[i], a.count[i]));
    CU_ASSERT(same_bits(got[i], kept[i], a.count[i]));
    free(want[i]);
  }
  for (int pass = 0; pass < CVY_CONV_PASSES; pass++)
    CU_ASSERT_STRING_EQUAL(plain.ways[pass].algorithm->name, "gemm");
  if (!is_small) {
    CU_ASSERT_STRING_EQUAL(winograd.ways[CVY_CONV_FORWARD].algorithm->name, "winograd");
    CU_ASSERT_STRING_EQUAL(winograd.ways[CVY_CONV_BACKWARD_FILTERS].algorithm->name, "winograd");
  }
  free_results(got), free_results(beside), free_results(again), free_results(kept), free_arrays(&a);
}

static void error_is_at_most_ten_times_the_plain_one(void) {
  for (int64_t i = 0; i < CVY_COUNT(shapes); i++) check_layer(&shapes[i], false);
  for (int64_t i = 0; i < CVY_COUNT(small_shapes); i++) check_layer(&small_shapes[i], true);
  CU_ASSERT(shapes_that_keep >= 10 && shapes_that_keep < CVY_COUNT(shapes));
}

SUITE("winograd", TEST(error_is_at_most_ten_times_the_plain_one))
