/* Tests every layer type's backward against central differences of its forward, and what it does when it is
 * frozen or only evaluated. The walk over the registry fails for a type without a case. */
#include "rig.h"

/* How the inputs are made, so that no kink lies within a step of them. */
typedef enum input_kind {
  PLAIN,     /* uniform in [-1, 1) */
  AWAY_ZERO, /* uniform, but at least 0.1 from zero */
  DISTINCT   /* all at least 0.05 apart */
} input_kind;

typedef struct gradient_case {
  const char *yaml;
  cvy_shape x;
  input_kind inputs;
  double step; /* half the width of the difference: large where the layer is linear */
} gradient_case;

static const gradient_case cases[] = {
    {"conv: {filters: 3, kernel: 3}", {2, 5, 4, 2}, PLAIN, 0.5},
    {"conv: {filters: 2, kernel: [2, 3], stride: 2, padding: same}", {1, 6, 5, 3}, PLAIN, 0.5},
    {"conv: {filters: 4, kernel: 3, stride: [2, 1], padding: 2, bias: false}", {3, 4, 5, 1}, PLAIN, 0.5},
    {"conv: {filters: 5, kernel: 1}", {2, 3, 3, 4}, PLAIN, 0.5},
    {"conv: {filters: 2, kernel: [4, 3]}", {1, 4, 3, 2}, PLAIN, 0.5},
    {"conv: {filters: 6, kernel: 3, groups: 2, padding: same}", {2, 5, 4, 4}, PLAIN, 0.5},
    {"conv: {filters: 3, kernel: [2, 3], stride: 2, groups: 3, bias: false}", {2, 4, 5, 6}, PLAIN, 0.5},
    {"conv: {filters: 8, kernel: 3, groups: 4, padding: 1}", {1, 4, 3, 4}, PLAIN, 0.5},
    {"conv: {filters: 4, kernel: 1, groups: 2}", {2, 3, 3, 6}, PLAIN, 0.5},
    {"fc: {outputs: 5}", {3, 2, 3, 2}, PLAIN, 0.5},
    {"fc: {outputs: 1, bias: false}", {1, 1, 1, 7}, PLAIN, 0.5},
    {"max_pool: {kernel: 2}", {2, 4, 6, 3}, DISTINCT, 0.01},
    {"max_pool: {kernel: 3, stride: 2, padding: 1}", {1, 7, 6, 2}, DISTINCT, 0.01},
    {"max_pool: {kernel: 3, stride: 2, rounding: up}", {2, 6, 6, 1}, DISTINCT, 0.01},
    {"max_pool: {kernel: global}", {2, 3, 4, 5}, DISTINCT, 0.01},
    {"max_pool: {kernel: 2, stride: 1}", {1, 3, 4, 37}, DISTINCT, 0.01},
    {"max_pool: {kernel: 17, stride: 2}", {2, 19, 18, 1}, DISTINCT, 0.01},
    {"average_pool: {kernel: 2}", {2, 4, 6, 3}, PLAIN, 0.5},
    {"average_pool: {kernel: 3, stride: 2, padding: 1}", {1, 7, 6, 2}, PLAIN, 0.5},
    {"average_pool: {kernel: 3, stride: 2, padding: 1, rounding: up, count_padding: false}",
     {1, 6, 7, 2},
     PLAIN,
     0.5},
    {"average_pool: {kernel: [3, 2], stride: [2, 1], padding: 1, rounding: up}", {1, 4, 3, 2}, PLAIN, 0.5},
    {"relu", {2, 3, 2, 5}, AWAY_ZERO, 0.05},
    {"tanh", {2, 3, 2, 5}, PLAIN, 0.01},
    {"sigmoid", {2, 3, 2, 5}, PLAIN, 0.01},
    {"leaky_relu: {slope: 0.2}", {2, 3, 2, 5}, AWAY_ZERO, 0.05},
    {"elu", {2, 3, 2, 5}, PLAIN, 0.01},
    {"elu: {alpha: 0.4}", {2, 3, 2, 5}, AWAY_ZERO, 0.01},
    {"dropout: {rate: 0.4}", {3, 2, 3, 7}, PLAIN, 0.5},
    {"lrn: {size: 3, alpha: 1.5, k: 1}", {2, 2, 1, 7}, PLAIN, 0.01},
    {"lrn: {size: 5, alpha: 2, beta: 0.6, k: 2}", {1, 1, 2, 4}, PLAIN, 0.01},
    {"lrn_within: {size: 3, alpha: 1.5, k: 1}", {2, 4, 5, 2}, PLAIN, 0.01},
    {"lrn_within: {size: 5, alpha: 2, beta: 0.6, k: 2}", {1, 3, 2, 3}, PLAIN, 0.01},
    {"lrn: {size: 9, alpha: 3, beta: 0.75, k: 0.5}", {1, 1, 3, 3}, PLAIN, 0.01},
    {"batch_norm", {3, 2, 3, 5}, PLAIN, 0.01},
    {"batch_norm: {epsilon: 0.1}", {2, 2, 2, 70}, PLAIN, 0.01},
    {"batch_norm: {scale: false}", {5, 1, 1, 3}, PLAIN, 0.01},
    {"batch_norm: {bias: false}", {1, 3, 3, 1}, PLAIN, 0.01},
    {"batch_norm: {scale: false, bias: false}", {2, 2, 2, 33}, PLAIN, 0.01},
    {"batch_norm", {1, 1, 1, 4}, PLAIN, 0.01},
    {"scale", {3, 2, 3, 5}, PLAIN, 0.5},
    {"scale: {bias: false}", {2, 1, 2, 70}, PLAIN, 0.5},
    {"softmax", {2, 2, 3, 5}, PLAIN, 0.01},
    {"softmax", {1, 1, 1, 40}, PLAIN, 0.01},
    {"softmax", {3, 1, 2, 1}, PLAIN, 0.01},
    {"flatten", {2, 3, 2, 4}, PLAIN, 0.5},
    {"pad_channels: {before: 2, behind: 3}", {2, 3, 2, 4}, PLAIN, 0.5},
    {"pad_channels: {behind: 1}", {1, 1, 2, 1}, PLAIN, 0.5},
    {"softmax_loss", {4, 1, 1, 5}, PLAIN, 0.01},
    {"softmax_loss", {1, 1, 1, 2}, PLAIN, 0.01},
    {"softmax_loss: {weight: 2.5}", {3, 1, 1, 3}, PLAIN, 0.01},
    {"softmax_loss: {smoothing: 0.2}", {4, 1, 1, 5}, PLAIN, 0.01},
    {"sigmoid_loss", {5, 1, 1, 1}, PLAIN, 0.01},
    {"sigmoid_loss", {4, 1, 1, 5}, PLAIN, 0.01},
    {"sigmoid_loss: {weight: 0.3}", {4, 1, 1, 2}, PLAIN, 0.01},
};

/* Layers of two inputs. */
static const struct {
  gradient_case first;
  cvy_shape x2;
} pairs[] = {
    {{"add", {2, 3, 4, 5}, PLAIN, 0.5}, {2, 3, 4, 5}},
    {{"concat", {2, 3, 2, 3}, PLAIN, 0.5}, {2, 3, 2, 4}},
    {{"concat", {1, 1, 1, 1}, PLAIN, 0.5}, {1, 1, 1, 2}},
};

static void prepare(rig *r, input_kind inputs) {
  for (int64_t i = 0; i < r->x_count; i++) {
    if (inputs == AWAY_ZERO) r->x[i] += r->x[i] < 0 ? -0.1f : 0.1f;
    const cvy_random where = {.seed = 3, .purpose = CVY_FOR_TEST};
    if (inputs == DISTINCT) r->x[i] = 0.05f * (float)cvy_random_permute(&where, i, r->x_count) - 1;
  }
  for (int64_t n = 0; r->type->is_loss && n < r->plan.y.n; n++)
    r->labels[n] = n == 1 ? -1 : (int32_t)(n * 3 % r->plan.class_count);
}

/* Gives each image two labels; those of image 0 are the same. */
static void prepare_mixed(rig *r) {
  r->targets.partners = r->partners;
  r->targets.shares = r->shares;
  for (int64_t n = 0; n < r->plan.y.n; n++) {
    r->partners[n] = (int32_t)(n * 4 % r->plan.class_count);
    r->shares[n] = n == 2 ? 1 : 0.3f + 0.1f * (float)n;
  }
}

/* Computes the function whose gradient is taken: a random linear functional of y, or the scaled loss. */
static double functional(rig *r) {
  double sum = 0;
  rig_forward(r);
  for (int64_t i = 0; !r->type->is_loss && i < r->y_count; i++) sum += (double)r->dy[i] * (double)r->y[i];
  for (int64_t n = 0; r->type->is_loss && n < r->plan.y.n; n++)
    sum += (double)r->pass.loss_scale * r->losses[n];
  return sum;
}

/* Compares `gradient` with differences along each of `values`. */
static void check_gradient(rig *r, const char *what, float *values, const float *gradient, int64_t count,
                           const gradient_case *c) {
  for (int64_t i = 0; i < count; i++) {
    const float kept = values[i];
    const float above = kept + (float)c->step, below = kept - (float)c->step;
    values[i] = above;
    const double f_above = functional(r);
    values[i] = below;
    const double f_below = functional(r);
    values[i] = kept;
    const double want = (f_above - f_below) / ((double)above - (double)below);
    const double tolerance = c->step < 0.02 ? 3e-4 : 1e-5;
    if (fabs((double)gradient[i] - want) <= tolerance * (1 + fabs(want))) continue;
    printf("\n    %s: gradient of %s[%" PRId64 "] is %.7g, by differences %.7g\n", c->yaml, what, i,
           (double)gradient[i], want);
    CU_FAIL("gradient");
    return;
  }
  CU_PASS("gradient");
}

static void check_case(const gradient_case *c, cvy_shape x2, bool training, bool mixed, bool *covered) {
  rig r;
  rig_open_two(&r, c->yaml, c->x, x2);
  r.pass.training = training;
  prepare(&r, c->inputs);
  if (mixed) prepare_mixed(&r);
  covered[r.type_index] = true;
  rig_forward(&r);
  rig_backward(&r);
  float *dx = copy_of(r.dx, r.x_count);
  check_gradient(&r, "x", r.x, dx, r.x_count, c);
  check_gradient(&r, "x2", r.x2, r.dx2, r.x2_count, c);
  for (int64_t i = 0; i < r.plan.param_count && r.plan.params[i].averaging == 0; i++)
    check_gradient(&r, r.plan.params[i].name, r.params[i], r.grads[i], cvy_param_count(&r.plan.params[i]), c);
  free(dx);
  rig_close(&r);
}

static void every_layer_type(void) {
  bool covered[64] = {false};
  for (int64_t i = 0; i < CVY_COUNT(cases); i++) check_case(&cases[i], (cvy_shape){0}, true, false, covered);
  for (int64_t i = 0; i < CVY_COUNT(pairs); i++)
    check_case(&pairs[i].first, pairs[i].x2, true, false, covered);
  for (int64_t i = 0; i < cvy_layer_type_count(); i++) {
    if (!covered[i]) printf("\n    layer type %s has no gradient case\n", cvy_layer_type_at(i)->kind->name);
    CU_ASSERT(covered[i]);
  }
}

/* These layers do something else in evaluation. */
static void in_evaluation(void) {
  static const gradient_case both[] = {
      {"dropout", {2, 2, 3, 4}, PLAIN, 0.5},
      {"batch_norm", {2, 3, 2, 5}, PLAIN, 0.5},
      {"batch_norm: {bias: false}", {2, 1, 2, 40}, PLAIN, 0.5},
  };
  bool covered[64] = {false};
  for (int64_t i = 0; i < CVY_COUNT(both); i++) check_case(&both[i], (cvy_shape){0}, false, false, covered);
}

static void of_mixed_images(void) {
  int64_t losses = 0;
  for (int64_t i = 0; i < CVY_COUNT(cases); i++) {
    bool covered[64] = {false};
    if (!strstr(cases[i].yaml, "_loss")) continue;
    check_case(&cases[i], (cvy_shape){0}, true, true, covered);
    losses++;
  }
  CU_ASSERT(losses >= 6);
}

/* Checks that a layer that does not learn gives the y of one that does, and the same dx, in passes where both
 * normalise by the same numbers. */
static void check_frozen(const gradient_case *c, cvy_shape x2, bool gives_dx, bool training) {
  rig r, other;
  rig_open_for(&r, c->yaml, c->x, x2, true, true);
  rig_open_for(&other, c->yaml, c->x, x2, false, gives_dx);
  r.pass.training = other.pass.training = training;
  prepare(&r, c->inputs), prepare(&other, c->inputs);
  rig_forward(&r), rig_forward(&other);
  CU_ASSERT(same_bits(r.y, other.y, r.y_count));
  CU_ASSERT(memcmp(r.losses, other.losses, sizeof *r.losses * (size_t)r.plan.y.n) == 0);
  if (gives_dx) {
    rig_backward(&r), rig_backward(&other);
    bool near = true;
    for (int64_t i = 0; i < r.x_count; i++) near &= fabs((double)(r.dx[i] - other.dx[i])) < 1e-6;
    for (int64_t i = 0; i < r.x2_count; i++) near &= fabs((double)(r.dx2[i] - other.dx2[i])) < 1e-6;
    CU_ASSERT(near);
  }
  rig_close(&r), rig_close(&other);
}

/* A frozen batch_norm goes by its averages, as in evaluation. */
static bool has_averages(const gradient_case *c) {
  return strncmp(c->yaml, "batch_norm", 10) == 0;
}

static void of_frozen_layers(void) {
  for (int64_t i = 0; i < CVY_COUNT(cases); i++) {
    const gradient_case *c = &cases[i];
    check_frozen(c, (cvy_shape){0}, true, false);
    check_frozen(c, (cvy_shape){0}, false, false);
    if (!has_averages(c)) check_frozen(c, (cvy_shape){0}, true, true);
  }
  for (int64_t i = 0; i < CVY_COUNT(pairs); i++) {
    check_frozen(&pairs[i].first, pairs[i].x2, true, true);
    check_frozen(&pairs[i].first, pairs[i].x2, false, false);
  }
}

SUITE("gradients", TEST(every_layer_type), TEST(in_evaluation), TEST(of_mixed_images), TEST(of_frozen_layers))
