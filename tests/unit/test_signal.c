/* Tests what is seen of a network's first pass: the numbers of arrays, against plain sums; outputs and
 * gradients, against a network worked out in double precision; and the warnings. */
#include "arrays.h"

#include "base/yaml.h"
#include "measure/signal.h"

/* ---- the numbers of an array ---- */

static const cvy_shape shape = {5, 7, 9, 48};

static bool is_near(double got, double want) {
  const bool near = fabs(got - want) <= 1e-12 * (1 + fabs(want));
  if (!near) printf("\n    %.17g instead of %.17g\n", got, want);
  return near;
}

/* Makes numbers around 3, of which some are 0 and unit 7 is 0 everywhere. */
static float *numbers(void) {
  const int64_t count = cvy_shape_count(shape);
  float *values = random_array(count, 1);
  for (int64_t i = 0; i < count; i++) values[i] = i % shape.c == 7 || values[i] > 0.5f ? 0 : values[i] + 3;
  return values;
}

static void numbers_are_those_of_plain_sums(void) {
  float *values = numbers();
  const int64_t count = cvy_shape_count(shape), per_image = cvy_shape_per_image(shape);
  double sum = 0, squares = 0, within = 0, zeros = 0;
  cvy_numbers got;
  for (int64_t i = 0; i < count; i++) {
    sum += (double)values[i];
    zeros += values[i] == 0;
  }
  for (int64_t i = 0; i < count; i++) squares += pow((double)values[i] - sum / (double)count, 2);
  for (int64_t at = 0; at < per_image; at++) {
    double mean = 0;
    for (int64_t n = 0; n < shape.n; n++) mean += (double)values[n * per_image + at] / (double)shape.n;
    for (int64_t n = 0; n < shape.n; n++) within += pow((double)values[n * per_image + at] - mean, 2);
  }
  CU_ASSERT(!cvy_numbers_of(&got, values, shape));
  CU_ASSERT(got.count == count && got.is_finite && got.units == shape.c && got.dead == 1);
  CU_ASSERT(is_near(got.mean, sum / (double)count));
  CU_ASSERT(is_near(got.deviation, sqrt(squares / (double)count)));
  CU_ASSERT(is_near(got.between, sqrt(within / (double)count)));
  CU_ASSERT(is_near(got.zeros, zeros / (double)count));
  double length = 0;
  for (int64_t i = 0; i < count; i++) length += (double)values[i] * (double)values[i];
  CU_ASSERT(is_near(cvy_numbers_norm(&got), sqrt(length)));
  free(values);
}

static void threads_give_the_same_bits(void) {
  float *values = numbers();
  cvy_numbers one, three;
  memset(&one, 0, sizeof one); /* the padding too */
  memset(&three, 0, sizeof three);
  CU_ASSERT(!cvy_numbers_of(&one, values, shape));
  cvy_threads_set(3);
  CU_ASSERT(!cvy_numbers_of(&three, values, shape));
  cvy_threads_set(1);
  CU_ASSERT(one.mean == three.mean && one.deviation == three.deviation && one.between == three.between);
  CU_ASSERT(one.zeros == three.zeros && one.dead == three.dead && one.count == three.count);
  free(values);
}

static void small_differences_beside_a_large_mean_count(void) {
  const cvy_shape two = {2, 1, 1, 2};
  const float values[] = {1000000, 1000001, 1000000, 1000001};
  cvy_numbers got;
  CU_ASSERT(!cvy_numbers_of(&got, values, two));
  CU_ASSERT(got.mean == 1000000.5 && got.deviation == 0.5 && got.between == 0);
}

static void one_image_has_nothing_between(void) {
  const float values[] = {1, 2};
  cvy_numbers got;
  CU_ASSERT(!cvy_numbers_of(&got, values, (cvy_shape){1, 1, 1, 2}));
  CU_ASSERT(got.deviation == 0.5 && isnan(got.between));
}

static void what_is_not_finite_is_told(void) {
  const float wrong[] = {INFINITY, -INFINITY, NAN};
  for (int64_t i = 0; i < CVY_COUNT(wrong); i++) {
    const float values[] = {1, wrong[i], 3, 4};
    cvy_numbers got;
    CU_ASSERT(!cvy_numbers_of(&got, values, (cvy_shape){2, 1, 1, 2}));
    CU_ASSERT(!got.is_finite);
  }
}

/* ---- a network ---- */

enum { IMAGES = 8, FEATURES = 12, HIDDEN = 6, CLASSES = 4 };

static const char *const perceptron = "name: perceptron\ninput: [2, 2, 3]\nlayers:\n"
                                      "  - fc: {outputs: 6}\n  - relu\n"
                                      "  - fc: {outputs: 4}\n  - softmax_loss\n";

static cvy_err take(cvy_signal *out, cvy_pool *pool, const char *description, const float *images) {
  static const int32_t labels[IMAGES] = {0, 1, 2, 3, 3, 2, 1, 0};
  cvy_yaml *root;
  cvy_net *net;
  CVY_TRY(cvy_yaml_parse(&root, pool, description, "n.yaml"));
  CVY_TRY(cvy_net_create(&net, root, IMAGES, &(cvy_net_wishes){.unshared = true}));
  cvy_net_init(net, 5);
  return cvy_signal_of(out, pool, net, images, &(cvy_targets){.labels = labels}, 5);
}

/* One image of `perceptron` in double precision. */
typedef struct worked_out {
  double fc1[HIDDEN], relu1[HIDDEN], fc2[CLASSES];    /* outputs */
  double dfc1[HIDDEN], drelu1[HIDDEN], dfc2[CLASSES]; /* gradients of the mean loss over the images */
  double loss;
} worked_out;

static worked_out work_out(const cvy_net_info *info, const float *params, const float *x, int32_t label) {
  const float *w1 = params + info->params[0].offset, *b1 = params + info->params[1].offset,
              *w2 = params + info->params[2].offset, *b2 = params + info->params[3].offset;
  worked_out o = {.loss = 0};
  double sum = 0;
  for (int k = 0; k < HIDDEN; k++) {
    o.fc1[k] = (double)b1[k];
    for (int i = 0; i < FEATURES; i++) o.fc1[k] += (double)x[i] * (double)w1[i * HIDDEN + k];
    o.relu1[k] = fmax(o.fc1[k], 0);
  }
  for (int c = 0; c < CLASSES; c++) {
    o.fc2[c] = (double)b2[c];
    for (int k = 0; k < HIDDEN; k++) o.fc2[c] += o.relu1[k] * (double)w2[k * CLASSES + c];
    sum += exp(o.fc2[c]);
  }
  for (int c = 0; c < CLASSES; c++) o.dfc2[c] = (exp(o.fc2[c]) / sum - (c == label)) / IMAGES;
  o.loss = log(sum) - o.fc2[label];
  for (int k = 0; k < HIDDEN; k++) {
    for (int c = 0; c < CLASSES; c++) o.drelu1[k] += o.dfc2[c] * (double)w2[k * CLASSES + c];
    o.dfc1[k] = o.fc1[k] > 0 ? o.drelu1[k] : 0;
  }
  return o;
}

/* Compares numbers with those of IMAGES x count doubles that lie `stride` bytes apart. */
static void expect_numbers(const char *what, const cvy_numbers *got, const double *values, size_t stride,
                           int64_t count) {
  double sum = 0, squares = 0, zeros = 0;
  const double all = (double)(IMAGES * count);
  for (int pass = 0; pass < 2; pass++)
    for (int64_t n = 0; n < IMAGES; n++)
      for (int64_t i = 0; i < count; i++) {
        const double value = ((const double *)((const char *)values + (size_t)n * stride))[i];
        if (pass == 0) sum += value, zeros += value == 0;
        if (pass == 1) squares += (value - sum / all) * (value - sum / all);
      }
  const double deviation = sqrt(squares / all);
  const bool near = fabs(got->mean - sum / all) <= 1e-6 * deviation &&
                    fabs(got->deviation - deviation) <= 1e-6 * deviation && got->zeros == zeros / all;
  if (!near)
    printf("\n    %s: mean %g, deviation %g, zeros %g; expected %g, %g, %g\n", what, got->mean,
           got->deviation, got->zeros, sum / all, deviation, zeros / all);
  CU_ASSERT(near && got->count == IMAGES * count);
}

static void outputs_and_gradients_are_those_of_double_precision(void) {
  static const int32_t labels[IMAGES] = {0, 1, 2, 3, 3, 2, 1, 0};
  float *images = random_array((int64_t)IMAGES * FEATURES, 3);
  cvy_pool *pool = cvy_pool_create();
  cvy_signal s;
  worked_out want[IMAGES];
  double loss = 0;
  CU_ASSERT_FATAL(!take(&s, pool, perceptron, images));
  for (int n = 0; n < IMAGES; n++) {
    want[n] = work_out(cvy_net_describe(s.net), cvy_net_params(s.net), images + (size_t)n * FEATURES,
                       labels[n]);
    loss += want[n].loss / IMAGES;
  }
  CU_ASSERT(fabs(s.loss - loss) < 1e-6);
  expect_numbers("fc1", &s.layers[0].output, want[0].fc1, sizeof *want, HIDDEN);
  expect_numbers("relu1", &s.layers[1].output, want[0].relu1, sizeof *want, HIDDEN);
  expect_numbers("fc2", &s.layers[2].output, want[0].fc2, sizeof *want, CLASSES);
  expect_numbers("dfc1", &s.layers[0].gradient, want[0].dfc1, sizeof *want, HIDDEN);
  expect_numbers("drelu1", &s.layers[1].gradient, want[0].drelu1, sizeof *want, HIDDEN);
  expect_numbers("dfc2", &s.layers[2].gradient, want[0].dfc2, sizeof *want, CLASSES);
  CU_ASSERT(s.layers[3].gradient.count == 0);
  CU_ASSERT(s.warning_count == 0 && s.guess == log(CLASSES));
  cvy_signal_release(&s);
  cvy_pool_destroy(pool);
  free(images);
}

/* ---- warnings ---- */

/* Takes four convolutions whose first values are `init`, and expects warnings that begin so. */
static void expect_warnings(const char *init, const char *const *beginnings, int64_t count) {
  char description[1024];
  cvy_pool *pool = cvy_pool_create();
  float *images = random_array((int64_t)IMAGES * 8 * 8 * 3, 4);
  cvy_signal s;
  snprintf(description, sizeof description,
           "name: deep\ninput: [8, 8, 3]\nblocks:\n  unit:\n    layers:\n"
           "      - conv: {filters: 32, kernel: 3, padding: same, %s}\n      - relu\n"
           "layers:\n  - unit: {repeat: 4}\n  - fc: {outputs: 4, init: xavier}\n  - softmax_loss\n",
           init);
  CU_ASSERT_FATAL(!take(&s, pool, description, images));
  CU_ASSERT(s.warning_count == count);
  for (int64_t i = 0; i < s.warning_count; i++) {
    const bool is_there = i < count && strncmp(s.warnings[i], beginnings[i], strlen(beginnings[i])) == 0;
    if (!is_there) printf("\n    %s: %s\n", init, s.warnings[i]);
    CU_ASSERT(is_there);
  }
  cvy_signal_release(&s);
  cvy_pool_destroy(pool);
  free(images);
}

#define EXPECT(init, ...)                                                                                    \
  expect_warnings(init, (const char *const[]){__VA_ARGS__}, CVY_COUNT(((const char *const[]){__VA_ARGS__})))

static void healthy_values_are_silent(void) {
  expect_warnings("init: he", NULL, 0);
  expect_warnings("init: xavier", NULL, 0);
}

static void large_values_explode(void) {
  EXPECT("init: gaussian, init_std: 1", "the first loss is ", "the output explodes at layer 'unit1.4.conv1'");
  EXPECT("init: gaussian, init_std: 10", "the first loss is ", "the output explodes at layer 'unit1.2.conv1'",
         "the gradient explodes at layer 'unit1.1.relu1'");
  EXPECT("init: gaussian, init_std: 1e15", "the first loss is not finite",
         "the output explodes at layer 'unit1.1.conv1'", "the gradient explodes");
}

static void small_values_vanish(void) {
  EXPECT("init: gaussian, init_std: 0.001", "the output vanishes at layer 'unit1.3.conv1'",
         "the gradient vanishes at layer 'unit1.1.relu1'");
}

static void dead_units_are_counted(void) {
  EXPECT("init: he, bias_value: -1000", "the output vanishes at layer 'unit1.1.relu1'",
         "32 of 32 units of layer 'unit1.1.relu1' are dead",
         "the gradient vanishes at layer 'unit1.4.conv1'");
}

SUITE("signal", TEST(numbers_are_those_of_plain_sums), TEST(threads_give_the_same_bits),
      TEST(small_differences_beside_a_large_mean_count), TEST(one_image_has_nothing_between),
      TEST(what_is_not_finite_is_told), TEST(outputs_and_gradients_are_those_of_double_precision),
      TEST(healthy_values_are_silent), TEST(large_values_explode), TEST(small_values_vanish),
      TEST(dead_units_are_counted))
