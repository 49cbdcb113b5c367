/* Tests convolutions of all algorithms against a naive one in double precision. */
#include "arrays.h"

#include "math/conv.h"

#define EPS 0x1p-24

/* The choice that the plans of a test are made with. */
static cvy_conv_choice choice = CVY_CONV_AUTO;

/* h, w, c, r, s, strides, paddings (top, left, bottom, right), k, n. */
typedef struct test_shape {
  int64_t n, h, w, c, k, r, s, stride_h, stride_w, top, left, bottom, right;
} test_shape;

static const test_shape shapes[] = {
    {1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0},      {1, 6, 6, 1, 1, 3, 3, 1, 1, 0, 0, 0, 0},
    {2, 5, 7, 3, 4, 3, 3, 1, 1, 1, 1, 1, 1},      {3, 9, 8, 5, 7, 3, 2, 2, 3, 0, 1, 1, 0},
    {4, 13, 11, 6, 16, 5, 5, 1, 1, 2, 2, 2, 2},   {1, 14, 14, 6, 16, 5, 5, 1, 1, 0, 0, 0, 0},
    {2, 7, 7, 17, 19, 7, 7, 1, 1, 0, 0, 0, 0},    {5, 6, 5, 13, 9, 1, 1, 1, 1, 0, 0, 0, 0},
    {2, 6, 5, 13, 9, 1, 1, 2, 2, 0, 0, 0, 0},     {2, 4, 4, 3, 5, 1, 1, 1, 1, 1, 1, 1, 1},
    {1, 23, 23, 3, 10, 11, 11, 4, 4, 0, 0, 0, 0}, {2, 10, 9, 4, 6, 4, 4, 2, 2, 1, 1, 2, 2},
    {17, 12, 12, 20, 50, 5, 5, 1, 1, 0, 0, 0, 0}, {33, 28, 28, 1, 20, 5, 5, 1, 1, 0, 0, 0, 0},
    {3, 3, 3, 2, 3, 5, 5, 1, 1, 2, 2, 2, 2},      {2, 2, 40, 33, 3, 2, 3, 1, 2, 0, 1, 0, 1},
    {40, 1, 1, 30, 12, 1, 1, 1, 1, 0, 0, 0, 0},   {2, 3, 3, 2, 3, 2, 2, 5, 5, 4, 4, 4, 4},
};

/* Groups, pointwise ones among them (1x1), and depthwise ones: as many as channels. */
static const struct {
  test_shape shape;
  int64_t groups;
} grouped[] = {
    {{2, 5, 7, 6, 4, 3, 3, 1, 1, 1, 1, 1, 1}, 2},     {{3, 9, 8, 6, 9, 3, 2, 2, 3, 0, 1, 1, 0}, 3},
    {{5, 6, 5, 12, 9, 1, 1, 1, 1, 0, 0, 0, 0}, 3},    {{2, 6, 5, 14, 8, 1, 1, 2, 2, 0, 0, 0, 0}, 2},
    {{2, 8, 9, 7, 7, 3, 3, 1, 1, 1, 1, 1, 1}, 7},     {{3, 5, 4, 5, 15, 3, 3, 2, 1, 1, 0, 1, 2}, 5},
    {{5, 6, 5, 13, 13, 1, 1, 1, 1, 0, 0, 0, 0}, 13},  {{2, 7, 7, 4, 3, 7, 7, 1, 1, 0, 0, 0, 0}, 1},
    {{2, 27, 27, 48, 64, 5, 5, 1, 1, 2, 2, 2, 2}, 2}, {{33, 28, 28, 4, 20, 5, 5, 1, 1, 0, 0, 0, 0}, 4},
    {{2, 3, 3, 4, 6, 2, 2, 5, 5, 4, 4, 4, 4}, 2},     {{1, 1, 1, 3, 3, 1, 1, 1, 1, 0, 0, 0, 0}, 3},
};

/* Shapes that the direct way serves: at most four channels, at least 16 filters. */
static const test_shape direct[] = {
    {2, 24, 23, 3, 64, 3, 3, 1, 1, 1, 1, 1, 1},   {1, 63, 59, 3, 96, 11, 11, 4, 4, 0, 0, 0, 0},
    {2, 33, 31, 3, 64, 7, 7, 2, 2, 3, 3, 3, 3},   {33, 28, 28, 1, 20, 5, 5, 1, 1, 0, 0, 0, 0},
    {3, 9, 8, 4, 17, 3, 2, 2, 3, 0, 1, 1, 0},     {5, 6, 5, 2, 50, 1, 1, 1, 1, 0, 0, 0, 0},
    {2, 4, 4, 3, 99, 1, 1, 1, 1, 1, 1, 1, 1},     {1, 1, 1, 1, 16, 1, 1, 1, 1, 0, 0, 0, 0},
    {2, 3, 3, 2, 65, 2, 2, 5, 5, 4, 4, 4, 4},     {2, 2, 40, 4, 33, 2, 3, 1, 2, 0, 1, 0, 1},
    {3, 3, 3, 2, 131, 5, 5, 1, 1, 2, 2, 2, 2},    {1, 30, 200, 3, 30, 3, 3, 1, 1, 2, 0, 0, 2},
    {1, 300, 300, 3, 96, 3, 3, 1, 1, 1, 1, 1, 1}, /* here y is so large that it goes past the caches */
};

static cvy_conv_shape shape_of(const test_shape *t, int64_t groups) {
  cvy_conv_shape shape = {.n = t->n, .k = t->k, .groups = groups};
  shape.window = (cvy_window){t->h,    t->w,      t->c,     t->r, t->s, t->stride_h, t->stride_w, t->top,
                              t->left, t->bottom, t->right, 0,    0};
  shape.window.oh = (t->h + t->top + t->bottom - t->r) / t->stride_h + 1;
  shape.window.ow = (t->w + t->left + t->right - t->s) / t->stride_w + 1;
  return shape;
}

/* ---- the reference: every product of the definition, in double precision ---- */

typedef struct passes {
  double *y, *dx, *df, *db;                     /* results */
  double *y_size, *dx_size, *df_size, *db_size; /* sums of the terms' sizes, for the tolerance */
} passes;

static void add_term(double *sum, double *size, double term) {
  *sum += term;
  *size += fabs(term);
}

typedef struct inputs {
  float *x, *f, *bias, *dy;
  int64_t x_count, f_count, y_count;
} inputs;

/* Adds the terms of all filters at one output pixel and one place of the window. */
static void reference_place(passes *p, const inputs *in, const cvy_conv_shape *shape, int64_t out, int64_t at,
                            int64_t tap) {
  const int64_t seen = shape->window.c / shape->groups; /* channels, by each filter */
  for (int64_t k = 0; k < shape->k; k++)
    for (int64_t c = 0; c < seen; c++) {
      const int64_t group = k / (shape->k / shape->groups);
      const int64_t xi = at * shape->window.c + group * seen + c, fi = (tap * seen + c) * shape->k + k;
      const int64_t yi = out * shape->k + k;
      const double x = (double)in->x[xi], f = (double)in->f[fi], dy = (double)in->dy[yi];
      add_term(&p->y[yi], &p->y_size[yi], x * f);
      add_term(&p->dx[xi], &p->dx_size[xi], dy * f);
      add_term(&p->df[fi], &p->df_size[fi], dy * x);
    }
}

static void reference_pixel(passes *p, const inputs *in, const cvy_conv_shape *shape, int64_t n, int64_t i,
                            int64_t j) {
  const cvy_window *g = &shape->window;
  const int64_t out = (n * g->oh + i) * g->ow + j;
  for (int64_t k = 0; k < shape->k; k++) {
    add_term(&p->y[out * shape->k + k], &p->y_size[out * shape->k + k], (double)in->bias[k]);
    add_term(&p->db[k], &p->db_size[k], (double)in->dy[out * shape->k + k]);
  }
  for (int64_t a = 0; a < g->r; a++)
    for (int64_t b = 0; b < g->s; b++) {
      const int64_t row = i * g->stride_h - g->top + a, column = j * g->stride_w - g->left + b;
      if (row >= 0 && row < g->h && column >= 0 && column < g->w)
        reference_place(p, in, shape, out, (n * g->h + row) * g->w + column, a * g->s + b);
    }
}

static double *zeros(int64_t count) {
  return calloc((size_t)count, sizeof(double));
}

static void reference(passes *p, const inputs *in, const cvy_conv_shape *shape) {
  p->y = zeros(in->y_count), p->y_size = zeros(in->y_count);
  p->dx = zeros(in->x_count), p->dx_size = zeros(in->x_count);
  p->df = zeros(in->f_count), p->df_size = zeros(in->f_count);
  p->db = zeros(shape->k), p->db_size = zeros(shape->k);
  for (int64_t n = 0; n < shape->n; n++)
    for (int64_t i = 0; i < shape->window.oh; i++)
      for (int64_t j = 0; j < shape->window.ow; j++) reference_pixel(p, in, shape, n, i, j);
}

static void free_passes(passes *p) {
  free(p->y), free(p->dx), free(p->df), free(p->db);
  free(p->y_size), free(p->dx_size), free(p->df_size), free(p->db_size);
}

/* ---- what Convoy computes ---- */

typedef struct outputs {
  float *y, *dx, *df, *db;
} outputs;

static inputs make_inputs(const cvy_conv_shape *shape) {
  const cvy_window *g = &shape->window;
  inputs in = {.x_count = shape->n * g->h * g->w * g->c,
               .f_count = g->r * g->s * g->c / shape->groups * shape->k,
               .y_count = shape->n * g->oh * g->ow * shape->k};
  in.x = random_array(in.x_count, 1);
  in.f = random_array(in.f_count, 2);
  in.bias = random_array(shape->k, 3);
  in.dy = random_array(in.y_count, 4);
  return in;
}

static void free_inputs(inputs *in) {
  free(in->x), free(in->f), free(in->bias), free(in->dy);
}

static outputs compute(const cvy_conv_plan *plan, const inputs *in, int threads) {
  outputs out = {array(in->y_count), array(in->x_count), array(in->f_count), array(plan->shape.k)};
  void *scratch = array_of_bytes(cvy_conv_scratch_bytes(plan, threads));
  cvy_threads_set(threads);
  cvy_conv_forward(plan, out.y, in->x, in->f, in->bias, scratch);
  cvy_conv_backward_data(plan, out.dx, in->dy, in->f, scratch);
  cvy_conv_backward_filters(plan, out.df, out.db, in->x, in->dy, scratch);
  cvy_threads_set(1);
  free(scratch);
  return out;
}

static void free_outputs(outputs *out) {
  free(out->y), free(out->dx), free(out->df), free(out->db);
}

/* Compares with the reference: a float product's error stays below a few units of the sum of its terms'
 * sizes. */
static bool near_reference(const char *what, const float *got, const double *want, double *size,
                           int64_t count) {
  for (int64_t i = 0; i < count; i++) size[i] = 8 * EPS * size[i];
  return all_near(what, got, want, size, count);
}

static void check_shape(const test_shape *t, int64_t groups) {
  const cvy_conv_shape shape = shape_of(t, groups);
  cvy_conv_plan plan;
  cvy_conv_plan_make(&plan, &shape, choice, CVY_CONV_ALL);
  inputs in = make_inputs(&shape);
  passes want;
  reference(&want, &in, &shape);
  outputs got = compute(&plan, &in, 1);
  CU_ASSERT(near_reference("y", got.y, want.y, want.y_size, in.y_count));
  CU_ASSERT(near_reference("dx", got.dx, want.dx, want.dx_size, in.x_count));
  CU_ASSERT(near_reference("dfilters", got.df, want.df, want.df_size, in.f_count));
  CU_ASSERT(near_reference("dbias", got.db, want.db, want.db_size, shape.k));
  for (int threads = 2; threads <= 3; threads++) {
    outputs again = compute(&plan, &in, threads);
    CU_ASSERT(same_bits(again.y, got.y, in.y_count) && same_bits(again.dx, got.dx, in.x_count));
    CU_ASSERT(same_bits(again.df, got.df, in.f_count) && same_bits(again.db, got.db, shape.k));
    free_outputs(&again);
  }
  free_outputs(&got), free_passes(&want), free_inputs(&in);
}

static bool is_direct(const test_shape *t) {
  const cvy_conv_shape shape = shape_of(t, 1);
  cvy_conv_plan plan;
  cvy_conv_plan_make(&plan, &shape, choice, CVY_CONV_ALL);
  return strcmp(plan.ways[CVY_CONV_FORWARD].algorithm->name, "direct") == 0 &&
         strcmp(plan.ways[CVY_CONV_BACKWARD_FILTERS].algorithm->name, "direct") == 0;
}

static void the_direct_way_matches_double_precision(void) {
  for (int64_t i = 0; i < CVY_COUNT(direct); i++) {
    CU_ASSERT(is_direct(&direct[i]));
    check_shape(&direct[i], 1);
  }
}

/* Winograd's way has a suite of its own. */
static void plain_from_here_on(void) {
  choice = CVY_CONV_PLAIN;
}

static void all_passes_match_double_precision(void) {
  for (int64_t i = 0; i < CVY_COUNT(shapes); i++) check_shape(&shapes[i], 1);
}

static void groups_match_double_precision(void) {
  for (int64_t i = 0; i < CVY_COUNT(grouped); i++) check_shape(&grouped[i].shape, grouped[i].groups);
}

/* The task counts below are what makes the check of threads above mean something. */
static void large_shapes_are_cut_in_tasks(void) {
  const cvy_conv_shape large[] = {shape_of(&shapes[13], 1), shape_of(&grouped[9].shape, grouped[9].groups)};
  for (int64_t i = 0; i < CVY_COUNT(large); i++) {
    cvy_conv_plan plan;
    cvy_conv_plan_make(&plan, &large[i], choice, CVY_CONV_ALL);
    for (int pass = 0; pass < CVY_CONV_PASSES; pass++) CU_ASSERT(plan.ways[pass].tasks >= 4);
  }
}

static void the_known_example(void) {
  const float x[] = {3, 0, 1, 2, 7, 4, 1, 5, 8, 9, 3, 1, 2, 7, 2, 5, 1, 3,
                     0, 1, 3, 1, 7, 8, 4, 2, 1, 6, 2, 8, 2, 4, 5, 2, 3, 9};
  const float f[] = {1, 0, -1, 1, 0, -1, 1, 0, -1};
  const float want[] = {-5, -4, 0, 8, -10, -2, 2, 3, 0, -2, -4, -7, -3, -2, -3, -16};
  const cvy_conv_shape shape = shape_of(&shapes[1], 1);
  float y[16];
  cvy_conv_plan plan;
  cvy_conv_plan_make(&plan, &shape, choice, CVY_CONV_ALL);
  void *scratch = array_of_bytes(cvy_conv_scratch_bytes(&plan, 1));
  cvy_conv_forward(&plan, y, x, f, NULL, scratch);
  for (int i = 0; i < 16; i++) CU_ASSERT_EQUAL(y[i], want[i]);
  free(scratch);
}

static void check_without_a_bias(const test_shape *t, int64_t groups) {
  const cvy_conv_shape shape = shape_of(t, groups);
  cvy_conv_plan plan;
  cvy_conv_plan_make(&plan, &shape, choice, CVY_CONV_ALL);
  inputs in = make_inputs(&shape);
  outputs with = compute(&plan, &in, 1);
  float *df = array(in.f_count), *y = array(in.y_count);
  void *scratch = array_of_bytes(cvy_conv_scratch_bytes(&plan, 1));
  cvy_conv_backward_filters(&plan, df, NULL, in.x, in.dy, scratch);
  cvy_conv_forward(&plan, y, in.x, in.f, NULL, scratch);
  CU_ASSERT(same_bits(df, with.df, in.f_count));
  bool right = true;
  for (int64_t i = 0; i < in.y_count; i++) right &= y[i] + in.bias[i % shape.k] == with.y[i];
  CU_ASSERT(right);
  free(df), free(y), free(scratch), free_outputs(&with), free_inputs(&in);
}

static void check_rectified(const test_shape *t, int64_t groups, const char *algorithm) {
  const cvy_conv_shape shape = shape_of(t, groups);
  cvy_conv_plan plan;
  cvy_conv_plan_make(&plan, &shape, choice, CVY_CONV_ALL);
  CU_ASSERT_STRING_EQUAL(plan.ways[CVY_CONV_FORWARD].algorithm->name, algorithm);
  inputs in = make_inputs(&shape);
  in.x[in.x_count / 2] = NAN;
  outputs want = compute(&plan, &in, 1), got = compute(&plan, &in, 1);
  cvy_kernels_get()->relu_forward(want.y, want.y, in.y_count);
  void *scratch = array_of_bytes(cvy_conv_scratch_bytes(&plan, 1));
  cvy_conv_run(
      &plan, CVY_CONV_FORWARD,
      &(cvy_conv_arrays){
          .x = in.x, .filters = in.f, .bias = in.bias, .y = got.y, .scratch = scratch, .rectify = true});
  CU_ASSERT(same_bits(got.y, want.y, in.y_count));
  free(scratch), free_outputs(&want), free_outputs(&got), free_inputs(&in);
}

static void a_relu_rides_along(void) {
  check_rectified(&shapes[13], 1, "gemm");
  check_rectified(&grouped[9].shape, grouped[9].groups, "gemm");
  choice = CVY_CONV_AUTO;
  check_rectified(&direct[3], 1, "direct");
  check_rectified(&shapes[12], 1, "winograd");
}

static void without_a_bias(void) {
  check_without_a_bias(&shapes[13], 1);
  check_without_a_bias(&grouped[9].shape, grouped[9].groups);
  choice = CVY_CONV_AUTO;
  check_without_a_bias(&direct[3], 1);
  check_without_a_bias(&direct[4], 1);
}

SUITE("conv", TEST(the_direct_way_matches_double_precision), TEST(plain_from_here_on),
      TEST(all_passes_match_double_precision), TEST(groups_match_double_precision),
      TEST(large_shapes_are_cut_in_tasks), TEST(the_known_example), TEST(a_relu_rides_along),
      TEST(without_a_bias))
