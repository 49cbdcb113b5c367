/* Tests update rules and schedules: against PyTorch where it has them (tests/reference/optim.py), and derived
 * by hand in double precision (Caffe tests its solvers so). The walks over the registries fail for a rule or
 * a schedule without a case. */
#include "suite.h"

#include "arrays.h"
#include "base/options.h"
#include "base/yaml.h"
#include "math/kernels.h"
#include "optim/average.h"
#include "optim/optim.h"
#include "optim/squares.h"
#include "optim/warmup.h"

#include <float.h>
#include <math.h>

static bool covered_rules[64], covered_schedules[64];

static void *read_kind(int64_t *index, cvy_pool *pool, const cvy_kind *const *kinds, int64_t count,
                       const char *text) {
  cvy_yaml *node;
  void *config;
  CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&node, pool, text, "test"), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_kind_read(index, &config, pool, kinds, count, node, "thing"), CVY_OK);
  return config;
}

static void *read_rule(int64_t *index, cvy_pool *pool, const char *text) {
  const cvy_kind *kinds[64];
  for (int64_t i = 0; i < cvy_rule_count(); i++) kinds[i] = cvy_rule_at(i)->kind;
  return read_kind(index, pool, kinds, cvy_rule_count(), text);
}

static void *read_schedule(int64_t *index, cvy_pool *pool, const char *text) {
  const cvy_kind *kinds[64];
  for (int64_t i = 0; i < cvy_schedule_count(); i++) kinds[i] = cvy_schedule_at(i)->kind;
  return read_kind(index, pool, kinds, cvy_schedule_count(), text);
}

/* ---- rules by hand ---- */

enum { COUNT = 37, STEPS = 6 };

/* The numbers of one value in training. */
typedef struct value {
  double weight, state[CVY_MOST_STATE];
} value;

/* Makes a step of a rule, from its definition. */
typedef void (*by_hand)(value *v, double gradient, double rate, int64_t step, bool decays);

static void sgd_by_hand(value *v, double gradient, double rate, int64_t step, bool decays) {
  (void)step;
  v->state[0] = 0.9 * v->state[0] + gradient + (decays ? 0.01 : 0) * v->weight;
  v->weight -= rate * v->state[0];
}

static void plain_sgd_by_hand(value *v, double gradient, double rate, int64_t step, bool decays) {
  (void)step, (void)decays;
  v->state[0] = gradient;
  v->weight -= rate * gradient;
}

static void decaying_sgd_by_hand(value *v, double gradient, double rate, int64_t step, bool decays) {
  (void)decays;
  sgd_by_hand(v, gradient, rate, step, true);
}

static void adagrad_by_hand(value *v, double gradient, double rate, int64_t step, bool decays) {
  (void)step;
  const double decayed = gradient + (decays ? 0.01 : 0) * v->weight;
  v->state[0] += decayed * decayed;
  v->weight -= rate * decayed / (sqrt(v->state[0]) + 1e-10);
}

static void decaying_adagrad_by_hand(value *v, double gradient, double rate, int64_t step, bool decays) {
  (void)decays;
  adagrad_by_hand(v, gradient, rate, step, true);
}

static void damped_adagrad_by_hand(value *v, double gradient, double rate, int64_t step, bool decays) {
  (void)step, (void)decays;
  v->state[0] += gradient * gradient;
  v->weight -= rate * gradient / (sqrt(v->state[0]) + 0.5);
}

static const struct {
  const char *yaml;
  by_hand step;
} rule_cases[] = {
    {"sgd: {momentum: 0.9, weight_decay: 0.01}", sgd_by_hand},
    {"sgd: {momentum: 0.9, weight_decay: 0.01, decay_biases: true}", decaying_sgd_by_hand},
    {"sgd: {momentum: 0}", plain_sgd_by_hand},
    {"adagrad: {weight_decay: 0.01}", adagrad_by_hand},
    {"adagrad: {weight_decay: 0.01, decay_biases: true}", decaying_adagrad_by_hand},
    {"adagrad: {epsilon: 0.5}", damped_adagrad_by_hand},
};

/* The rate is another in each step, as a schedule may have it. */
static double rate_of(int64_t step) {
  return 0.1 / (double)step;
}

static float gradient_of(int64_t step, int64_t i) {
  return (float)sin((double)(step * 100 + i));
}

static void check_steps(const cvy_rule *rule, const void *config, by_hand take_step, bool decays) {
  float weights[COUNT], gradient[COUNT], state[CVY_MOST_STATE][COUNT] = {0};
  value want[COUNT] = {0};
  for (int64_t i = 0; i < COUNT; i++) want[i].weight = (double)(weights[i] = (float)cos((double)i));
  for (int64_t step = 1; step <= STEPS; step++) {
    cvy_piece piece = {.tensor_count = COUNT,
                       .decays = decays,
                       .count = COUNT,
                       .weights = weights,
                       .gradient = gradient,
                       .rate = rate_of(step),
                       .step = step};
    for (int64_t k = 0; k < rule->state_count; k++) piece.state[k] = state[k];
    for (int64_t i = 0; i < COUNT; i++) {
      gradient[i] = gradient_of(step, i);
      take_step(&want[i], (double)gradient[i], piece.rate, step, decays);
    }
    cvy_rule_apply(rule, &piece, config, NULL);
    for (int64_t i = 0; i < COUNT; i++) {
      CU_ASSERT_DOUBLE_EQUAL((double)weights[i], want[i].weight, 1e-6);
      for (int64_t k = 0; k < rule->state_count; k++)
        CU_ASSERT_DOUBLE_EQUAL((double)state[k][i], want[i].state[k], 2e-6);
    }
  }
}

static void rules_by_hand(void) {
  cvy_pool *pool = cvy_pool_create();
  for (int64_t c = 0; c < CVY_COUNT(rule_cases); c++) {
    int64_t index;
    const void *config = read_rule(&index, pool, rule_cases[c].yaml);
    covered_rules[index] = true;
    for (int64_t s = 0; s < CVY_COUNT(kernel_names); s++) {
      if (!cvy_kernels_named(kernel_names[s])) continue;
      check_steps(cvy_rule_in(kernel_names[s], index), config, rule_cases[c].step, true);
      check_steps(cvy_rule_in(kernel_names[s], index), config, rule_cases[c].step, false);
    }
  }
  cvy_pool_destroy(pool);
}

/* ---- rules with norms, by hand ---- */

/* The numbers of a whole tensor in training. */
typedef struct vector {
  double weights[COUNT], a[COUNT], b[COUNT]; /* a, b: the state */
} vector;

static double length_of(const double *values) {
  double sum = 0;
  for (int64_t i = 0; i < COUNT; i++) sum += values[i] * values[i];
  return sqrt(sum);
}

typedef void (*tensor_by_hand)(vector *v, const double *gradient, double rate, int64_t step, bool decays);

/* You, Gitman and Ginsburg 2017, algorithm 1: the rate of a layer is trust |w| / (|g| + decay |w|). */
static void lars_by_hand(vector *v, const double *gradient, double rate, int64_t step, bool decays) {
  (void)step;
  const double decay = decays ? 0.05 : 0, w = length_of(v->weights), g = length_of(gradient),
               local = decays ? 0.02 * w / (g + decay * w) : 1;
  for (int64_t i = 0; i < COUNT; i++) {
    v->a[i] = 0.9 * v->a[i] + rate * local * (gradient[i] + decay * v->weights[i]);
    v->weights[i] -= v->a[i];
  }
}

/* You et al. 2020, algorithm 2: w = w - rate |w| / |r + decay w| (r + decay w), where r is Adam's step. */
static void lamb_by_hand(vector *v, const double *gradient, double rate, int64_t step, bool decays) {
  double way[COUNT];
  for (int64_t i = 0; i < COUNT; i++) {
    v->a[i] = 0.9 * v->a[i] + 0.1 * gradient[i];
    v->b[i] = 0.999 * v->b[i] + 0.001 * gradient[i] * gradient[i];
    const double mean = v->a[i] / (1 - pow(0.9, (double)step)),
                 square = v->b[i] / (1 - pow(0.999, (double)step));
    way[i] = mean / (sqrt(square) + 1e-6) + (decays ? 0.05 : 0) * v->weights[i];
  }
  const double trust = decays ? length_of(v->weights) / length_of(way) : 1;
  for (int64_t i = 0; i < COUNT; i++) v->weights[i] -= rate * trust * way[i];
}

static double norm_of(const float *values) {
  cvy_squares sum = {0};
  cvy_squares_add(&sum, values, COUNT);
  return cvy_squares_root(&sum);
}

/* Makes a step of a rule as training does: it directs, then measures, then applies. */
static void make_step(const cvy_rule *rule, const void *config, cvy_piece *piece, float *gradient) {
  if (rule->direct) cvy_rule_direct(rule, piece, gradient, config, NULL);
  piece->norms = (cvy_norms){norm_of(piece->weights), norm_of(gradient)};
  cvy_rule_apply(rule, piece, config, NULL);
}

static void check_tensor(const cvy_rule *rule, const void *config, tensor_by_hand take_step, bool decays) {
  float weights[COUNT], gradient[COUNT], state[CVY_MOST_STATE][COUNT] = {0};
  double exact[COUNT];
  vector want = {0};
  for (int64_t i = 0; i < COUNT; i++) want.weights[i] = (double)(weights[i] = (float)cos((double)i));
  for (int64_t step = 1; step <= STEPS; step++) {
    cvy_piece piece = {.tensor_count = COUNT,
                       .decays = decays,
                       .count = COUNT,
                       .weights = weights,
                       .gradient = gradient,
                       .rate = rate_of(step),
                       .step = step};
    for (int64_t k = 0; k < rule->state_count; k++) piece.state[k] = state[k];
    for (int64_t i = 0; i < COUNT; i++) exact[i] = (double)(gradient[i] = gradient_of(step, i));
    take_step(&want, exact, piece.rate, step, decays);
    make_step(rule, config, &piece, gradient);
    for (int64_t i = 0; i < COUNT; i++) {
      CU_ASSERT_DOUBLE_EQUAL((double)weights[i], want.weights[i], 1e-6);
      CU_ASSERT_DOUBLE_EQUAL((double)state[0][i], want.a[i], 2e-6);
    }
  }
}

/* A tensor of zeros gives no rate: the update is that of the plain rule. */
static void check_zeros(const cvy_rule *rule, const void *config) {
  float weights[COUNT] = {0}, gradient[COUNT], state[CVY_MOST_STATE][COUNT] = {0};
  cvy_piece piece = {.tensor_count = COUNT,
                     .decays = true,
                     .count = COUNT,
                     .weights = weights,
                     .gradient = gradient,
                     .rate = 0.1,
                     .step = 1};
  for (int64_t k = 0; k < rule->state_count; k++) piece.state[k] = state[k];
  for (int64_t i = 0; i < COUNT; i++) gradient[i] = gradient_of(1, i);
  make_step(rule, config, &piece, gradient);
  for (int64_t i = 0; i < COUNT; i++)
    CU_ASSERT(isfinite(weights[i]) && (weights[i] < 0) == (gradient[i] > 0) && fabsf(weights[i]) > 1e-4f);
}

static void rules_with_norms_by_hand(void) {
  static const struct {
    const char *yaml;
    tensor_by_hand step;
  } cases[] = {{"lars: {trust: 0.02, weight_decay: 0.05}", lars_by_hand},
               {"lamb: {weight_decay: 0.05}", lamb_by_hand}};
  cvy_pool *pool = cvy_pool_create();
  for (int64_t c = 0; c < CVY_COUNT(cases); c++) {
    int64_t index;
    const void *config = read_rule(&index, pool, cases[c].yaml);
    covered_rules[index] = true;
    for (int64_t s = 0; s < CVY_COUNT(kernel_names); s++) {
      if (!cvy_kernels_named(kernel_names[s])) continue;
      check_tensor(cvy_rule_in(kernel_names[s], index), config, cases[c].step, true);
      check_tensor(cvy_rule_in(kernel_names[s], index), config, cases[c].step, false);
      check_zeros(cvy_rule_in(kernel_names[s], index), config);
    }
  }
  cvy_pool_destroy(pool);
}

/* ---- PyTorch's rules and schedules ---- */

static const cvy_yaml *load_golden(cvy_pool *pool) {
  const char *home = getenv("CONVOY_SOURCE");
  cvy_yaml *root;
  CU_ASSERT_PTR_NOT_NULL_FATAL(home);
  CU_ASSERT_EQUAL_FATAL(
      cvy_yaml_load(&root, pool, cvy_pool_format(pool, "%s/tests/reference/optim.yaml", home)), CVY_OK);
  return root;
}

static const char *text_of(const cvy_yaml *mapping, const char *key) {
  return cvy_yaml_get(mapping, key)->text;
}

static double number_at(const cvy_yaml *list, int64_t i) {
  return strtod(list->items[i]->text, NULL);
}

/* Returns how a run with these bounds clips a gradient of this length. */
static cvy_clip clip_for(double norm, double most, double length) {
  cvy_clip clip = {1, INFINITY};
  if (norm > 0) clip.scale = (float)fmin(1, norm / (length + 1e-6));
  if (most > 0) clip.bound = (float)most;
  return clip;
}

static void check_golden_steps(const cvy_rule *rule, const void *config, const cvy_yaml *rows, double norm,
                               double most) {
  enum { VALUES = 6 };
  rule = cvy_rule_configured(rule, config);
  float weights[VALUES], gradient[VALUES], state[CVY_MOST_STATE][VALUES] = {0};
  for (int64_t i = 0; i < VALUES; i++) weights[i] = (float)cos((double)i);
  for (int64_t step = 1; step <= rows->count; step++) {
    CU_ASSERT_EQUAL_FATAL(rows->items[step - 1]->count, VALUES);
    cvy_piece piece = {.tensor_count = VALUES,
                       .decays = true,
                       .count = VALUES,
                       .weights = weights,
                       .gradient = gradient,
                       .rate = rate_of(step),
                       .step = step};
    for (int64_t k = 0; k < rule->state_count; k++) piece.state[k] = state[k];
    double squares = 0;
    for (int64_t i = 0; i < VALUES; i++) {
      gradient[i] = gradient_of(step, i);
      squares += (double)gradient[i] * (double)gradient[i];
    }
    const cvy_clip clip = clip_for(norm, most, sqrt(squares));
    if (norm > 0 || most > 0) piece.clip = &clip;
    cvy_rule_apply(rule, &piece, config, NULL);
    for (int64_t i = 0; i < VALUES; i++)
      CU_ASSERT_DOUBLE_EQUAL((double)weights[i], number_at(rows->items[step - 1], i), 2e-6);
  }
}

static void averages_of_pytorch(void) {
  enum { VALUES = 6 };
  cvy_pool *pool = cvy_pool_create();
  const cvy_yaml *golden = load_golden(pool), *all = cvy_yaml_get(golden, "averages"),
                 *weights = cvy_yaml_get(golden, "averaged_weights");
  CU_ASSERT_FATAL(all->count >= 4);
  for (int64_t c = 0; c < all->count; c++) {
    const cvy_averaging averaging = {.decay = strtod(text_of(all->items[c], "decay"), NULL),
                                     .warmup = text_of(all->items[c], "warmup")[0] == '1',
                                     .every = atoi(text_of(all->items[c], "every"))};
    const cvy_yaml *rows = cvy_yaml_get(all->items[c], "averages");
    float average[VALUES] = {0}, now[VALUES];
    for (int64_t step = 1; step <= rows->count; step++) {
      for (int64_t i = 0; i < VALUES; i++) now[i] = (float)number_at(weights->items[step - 1], i);
      cvy_average_move(average, now, cvy_average_share(&averaging, step), VALUES);
      for (int64_t i = 0; i < VALUES; i++)
        CU_ASSERT_DOUBLE_EQUAL((double)average[i], number_at(rows->items[step - 1], i), 1e-6);
    }
  }
  cvy_pool_destroy(pool);
}

/* Until `start` the average is the weights, which move it from the next step but one on. */
static void averages_start_and_stay(void) {
  const cvy_averaging late = {.decay = 0.75, .every = 2, .start = 3}, none = {.every = 1};
  const float shares[] = {1, 1, 1, 1, 0, 0.25f, 0, 0.25f};
  for (int64_t step = 1; step <= CVY_COUNT(shares); step++) {
    CU_ASSERT_EQUAL(cvy_average_share(&late, step), shares[step - 1]);
    CU_ASSERT_EQUAL(cvy_average_share(&none, step), 0);
  }
}

static void rules_of_pytorch(void) {
  cvy_pool *pool = cvy_pool_create();
  const cvy_yaml *rules = cvy_yaml_get(load_golden(pool), "rules");
  CU_ASSERT_FATAL(rules->count >= 12);
  for (int64_t c = 0; c < rules->count; c++) {
    int64_t index;
    const void *config = read_rule(&index, pool, text_of(rules->items[c], "rule"));
    const cvy_yaml *rows = cvy_yaml_get(rules->items[c], "weights");
    CU_ASSERT_EQUAL(rows->count, 10);
    covered_rules[index] = true;
    for (int64_t s = 0; s < CVY_COUNT(kernel_names); s++)
      if (cvy_kernels_named(kernel_names[s]))
        check_golden_steps(cvy_rule_in(kernel_names[s], index), config, rows, 0, 0);
  }
  cvy_pool_destroy(pool);
}

static void clipping_of_pytorch(void) {
  cvy_pool *pool = cvy_pool_create();
  const cvy_yaml *cases = cvy_yaml_get(load_golden(pool), "clipped");
  CU_ASSERT_FATAL(cases->count >= 3);
  for (int64_t c = 0; c < cases->count; c++) {
    int64_t index;
    const cvy_yaml *golden = cases->items[c];
    const void *config = read_rule(&index, pool, text_of(golden, "rule"));
    for (int64_t s = 0; s < CVY_COUNT(kernel_names); s++)
      if (cvy_kernels_named(kernel_names[s]))
        check_golden_steps(cvy_rule_in(kernel_names[s], index), config, cvy_yaml_get(golden, "weights"),
                           strtod(text_of(golden, "norm"), NULL), strtod(text_of(golden, "value"), NULL));
  }
  cvy_pool_destroy(pool);
}

enum { EPOCHS = 20, STEPS_OF_EPOCH = 5 };

/* Returns a moment at the begin of an epoch or a step of the golden runs. */
static cvy_schedule_moment golden_moment(const cvy_yaml *golden, int64_t i, const double *memory) {
  const bool each_step = strcmp(text_of(golden, "each"), "step") == 0;
  const int64_t step = each_step ? i : i * STEPS_OF_EPOCH;
  return (cvy_schedule_moment){.step = step,
                               .total_steps = EPOCHS * STEPS_OF_EPOCH,
                               .epoch = (double)step / STEPS_OF_EPOCH,
                               .step_epochs = 1.0 / STEPS_OF_EPOCH,
                               .last_top1 = NAN,
                               .last_loss = NAN,
                               .best_top1 = NAN,
                               .memory = memory};
}

static void expect_rate(const char *schedule, int64_t i, double rate, double want) {
  const bool right = fabs(rate - want) <= 1e-9;
  CU_ASSERT(right);
  if (!right) printf("\n    %s: the rate at %" PRId64 " is %.9g, not %.9g\n", schedule, i, rate, want);
}

static void schedules_of_pytorch(void) {
  cvy_pool *pool = cvy_pool_create();
  const cvy_yaml *root = load_golden(pool), *all = cvy_yaml_get(root, "schedules"),
                 *top1 = cvy_yaml_get(root, "top1");
  CU_ASSERT_FATAL(all->count >= 16);
  for (int64_t c = 0; c < all->count; c++) {
    int64_t index;
    double memory[CVY_SCHEDULE_MEMORY] = {0};
    const void *config = read_schedule(&index, pool, text_of(all->items[c], "schedule"));
    const cvy_schedule *schedule = cvy_schedule_at(index);
    const cvy_yaml *rates = cvy_yaml_get(all->items[c], "rates");
    CU_ASSERT(rates->count == EPOCHS || rates->count == EPOCHS * STEPS_OF_EPOCH);
    covered_schedules[index] = true;
    for (int64_t i = 0; i < rates->count; i++) {
      cvy_schedule_moment moment = golden_moment(all->items[c], i, memory);
      expect_rate(text_of(all->items[c], "schedule"), i, schedule->rate(config, &moment),
                  number_at(rates, i));
      if (!schedule->validated) continue;
      moment.last_top1 = number_at(top1, i);
      moment.last_loss = 1 - moment.last_top1;
      schedule->validated(config, memory, &moment);
    }
  }
  cvy_pool_destroy(pool);
}

static void warmups_of_pytorch(void) {
  cvy_pool *pool = cvy_pool_create();
  const cvy_yaml *all = cvy_yaml_get(load_golden(pool), "warmups");
  int64_t index;
  const void *config = read_schedule(&index, pool, "constant: {rate: 0.1}");
  CU_ASSERT_FATAL(all->count >= 2);
  for (int64_t c = 0; c < all->count; c++) {
    cvy_yaml *node;
    cvy_warmup warmup;
    CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&node, pool, text_of(all->items[c], "warmup"), "test"), CVY_OK);
    CU_ASSERT_EQUAL_FATAL(cvy_options_read(&warmup, pool, cvy_warmup_options, node, node, "warmup"), CVY_OK);
    const cvy_yaml *rates = cvy_yaml_get(all->items[c], "rates");
    for (int64_t i = 0; i < rates->count; i++) {
      const cvy_schedule_moment moment = golden_moment(all->items[c], i, NULL);
      CU_ASSERT_DOUBLE_EQUAL(cvy_warmup_rate(&warmup, cvy_schedule_at(index), config, &moment),
                             number_at(rates, i), 1e-9);
    }
  }
  cvy_pool_destroy(pool);
}

/* Behind a warm-up of a quarter, the schedule has the three other quarters for itself. */
static void a_schedule_begins_behind_its_warmup(void) {
  cvy_pool *pool = cvy_pool_create();
  int64_t index;
  const void *config = read_schedule(&index, pool, "polynomial: {rate: 0.1}");
  for (int unit = 0; unit < 2; unit++) {
    const cvy_warmup w = {.length = unit ? 25 : 5, .from = 0.2, .unit = unit, .schedule = 1};
    for (int64_t step = 0; step < 100; step++) {
      const cvy_schedule_moment moment = {
          .step = step, .total_steps = 100, .epoch = (double)step / 5, .step_epochs = 0.2};
      const double want = step < 25 ? 0.1 * (0.2 + 0.8 * (double)step / 25) : 0.1 * (double)(100 - step) / 75;
      CU_ASSERT_DOUBLE_EQUAL(cvy_warmup_rate(&w, cvy_schedule_at(index), config, &moment), want, 1e-12);
    }
  }
  cvy_pool_destroy(pool);
}

/* A step is 2/5 of an epoch here, so a run's last step goes beyond its last epoch, and how far depends on the
 * run's length. */
static void a_schedule_behind_its_warmup_need_not_look_ahead(void) {
  static const char *const texts[] = {"exponential: {rate: 0.1, factor: 0.5}",
                                      "exponential: {rate: 0.1, factor: 0.5, unit: steps}",
                                      "cosine: {rate: 0.1, first: 3}", "inverse: {rate: 0.1, slope: 1}"};
  cvy_pool *pool = cvy_pool_create();
  int64_t index;
  for (int64_t c = 0; c < CVY_COUNT(texts); c++) {
    const void *config = read_schedule(&index, pool, texts[c]);
    const cvy_schedule *schedule = cvy_schedule_at(index);
    CU_ASSERT_FALSE(cvy_schedule_looks_ahead(schedule, config));
    for (int unit = 0; unit < 2; unit++) {
      const cvy_warmup w = {.length = unit ? 5 : 2, .from = 0.2, .unit = unit, .schedule = 1};
      for (int64_t step = 0; step < 8; step++) {
        cvy_schedule_moment moment = {
            .step = step, .total_steps = 8, .epoch = 0.4 * (double)step, .step_epochs = 0.4};
        const double rate = cvy_warmup_rate(&w, schedule, config, &moment);
        moment.total_steps = 13; /* 5 epochs in place of 3 */
        CU_ASSERT_EQUAL(cvy_warmup_rate(&w, schedule, config, &moment), rate);
      }
    }
  }
  const void *whole = read_schedule(&index, pool, "cosine: {}");
  CU_ASSERT(cvy_schedule_looks_ahead(cvy_schedule_at(index), whole));
  cvy_pool_destroy(pool);
}

static void everything_has_a_case(void) {
  for (int64_t i = 0; i < cvy_rule_count(); i++) {
    if (!covered_rules[i]) printf("\n    update rule %s has no case\n", cvy_rule_at(i)->kind->name);
    CU_ASSERT(covered_rules[i]);
  }
  for (int64_t i = 0; i < cvy_schedule_count(); i++) {
    if (!covered_schedules[i]) printf("\n    schedule %s has no case\n", cvy_schedule_at(i)->kind->name);
    CU_ASSERT(covered_schedules[i]);
  }
}

/* ---- pieces ---- */

enum { LONG = 150001 };

typedef struct tensor {
  float *weights, *gradient, *state[CVY_MOST_STATE];
} tensor;

static tensor open_tensor(void) {
  tensor t = {random_array(LONG, 1), random_array(LONG, 2), {0}};
  for (int k = 0; k < CVY_MOST_STATE; k++) t.state[k] = calloc(LONG, sizeof(float));
  return t;
}

static void close_tensor(tensor *t) {
  free(t->weights), free(t->gradient);
  for (int k = 0; k < CVY_MOST_STATE; k++) free(t->state[k]);
}

static void apply_part(const cvy_rule *rule, const void *config, const tensor *t, int64_t step, int64_t first,
                       int64_t end) {
  cvy_piece piece = {.tensor = 3,
                     .tensor_count = LONG,
                     .decays = true,
                     .first = first,
                     .count = end - first,
                     .weights = t->weights + first,
                     .gradient = t->gradient + first,
                     .rate = 0.01,
                     .step = step,
                     .norms = {2, 3}};
  for (int64_t k = 0; k < rule->state_count; k++) piece.state[k] = t->state[k] + first;
  if (rule->direct) cvy_rule_direct(rule, &piece, t->gradient + first, config, NULL);
  cvy_rule_apply(rule, &piece, config, NULL);
}

static bool is_same(const cvy_rule *rule, const tensor *a, const tensor *b) {
  bool same = same_bits(a->weights, b->weights, LONG);
  for (int64_t k = 0; k < rule->state_count; k++) same = same && same_bits(a->state[k], b->state[k], LONG);
  return same;
}

/* Updates in pieces of so many values, the last ones first, by so many threads. */
static void check_cut(const char *set, int64_t index, const void *config, const tensor *whole, int64_t length,
                      int threads) {
  const cvy_rule *rule = cvy_rule_in(set, index);
  tensor t = open_tensor();
  cvy_threads_set(threads);
  for (int64_t step = 1; step <= 3; step++)
    for (int64_t first = (LONG - 1) / length * length; first >= 0; first -= length)
      apply_part(rule, config, &t, step, first, first + length < LONG ? first + length : LONG);
  cvy_threads_set(1);
  CU_ASSERT(is_same(rule, &t, whole));
  close_tensor(&t);
}

static bool is_sum_of(cvy_squares sum, const float *values) {
  cvy_squares want = {0};
  cvy_squares_add(&want, values, LONG);
  cvy_squares_carry(&want);
  cvy_squares_carry(&sum);
  return memcmp(&sum, &want, sizeof sum) == 0;
}

/* What is measured on the way are the new weights, and the ways of a rule that directs. */
static void what_is_written_is_measured(void) {
  cvy_pool *pool = cvy_pool_create();
  cvy_threads_set(3);
  for (int64_t c = 0; c < cvy_rule_count(); c++) {
    int64_t index;
    const void *config = read_rule(&index, pool, cvy_rule_at(c)->kind->name);
    const cvy_rule *rule = cvy_rule_at(index);
    tensor t = open_tensor();
    cvy_piece piece = {.count = LONG,
                       .weights = t.weights,
                       .gradient = t.gradient,
                       .rate = 0.01,
                       .step = 1,
                       .norms = {2, 3}};
    for (int64_t k = 0; k < rule->state_count; k++) piece.state[k] = t.state[k];
    cvy_squares weights = {0}, way = {0};
    if (rule->direct) {
      cvy_rule_direct(rule, &piece, t.gradient, config, &way);
      CU_ASSERT(is_sum_of(way, t.gradient));
    }
    cvy_rule_apply(rule, &piece, config, &weights);
    CU_ASSERT(is_sum_of(weights, t.weights));
    close_tensor(&t);
  }
  cvy_threads_set(1);
  cvy_pool_destroy(pool);
}

/* The portable loop over a whole tensor is the reference: any cut, threads and instructions have its bits. */
static void any_cut_has_the_same_bits(void) {
  cvy_pool *pool = cvy_pool_create();
  for (int64_t c = 0; c < cvy_rule_count(); c++) {
    int64_t index;
    const void *config = read_rule(
        &index, pool, cvy_pool_format(pool, "%s: {weight_decay: 0.01}", cvy_rule_at(c)->kind->name));
    tensor whole = open_tensor();
    for (int64_t step = 1; step <= 3; step++)
      apply_part(cvy_rule_in("portable", index), config, &whole, step, 0, LONG);
    for (int64_t s = 0; s < CVY_COUNT(kernel_names); s++) {
      if (!cvy_kernels_named(kernel_names[s])) continue;
      check_cut(kernel_names[s], index, config, &whole, LONG, 3);
      check_cut(kernel_names[s], index, config, &whole, 70001, 2);
      check_cut(kernel_names[s], index, config, &whole, 997, 1);
    }
    close_tensor(&whole);
  }
  cvy_pool_destroy(pool);
}

static void a_rule_has_the_state_that_it_needs(void) {
  static const struct {
    const char *yaml;
    int64_t state_count;
  } cases[] = {{"rmsprop", 2}, {"rmsprop: {centred: true}", 3}, {"sgd", 1}};
  cvy_pool *pool = cvy_pool_create();
  for (int64_t c = 0; c < CVY_COUNT(cases); c++) {
    int64_t index;
    const void *config = read_rule(&index, pool, cases[c].yaml);
    for (int64_t s = 0; s < CVY_COUNT(kernel_names); s++) {
      if (!cvy_kernels_named(kernel_names[s])) continue;
      const cvy_rule *rule = cvy_rule_configured(cvy_rule_in(kernel_names[s], index), config);
      CU_ASSERT_EQUAL(rule->state_count, cases[c].state_count);
      CU_ASSERT_PTR_EQUAL(rule->apply, cvy_rule_in(kernel_names[s], index)->apply);
    }
  }
  cvy_pool_destroy(pool);
}

static void rules_are_found_by_set(void) {
  CU_ASSERT_PTR_EQUAL(cvy_rule_at(0), cvy_rule_in(cvy_kernels_get()->name, 0));
  CU_ASSERT_STRING_EQUAL(cvy_rule_at(0)->kind->name, "sgd"); /* plans and benches reckon with it */
  CU_ASSERT_PTR_NULL(cvy_rule_in("abacus", 0));
  CU_ASSERT_PTR_NOT_NULL(cvy_rule_in("portable", 0));
}

/* ---- schedules ---- */

static const struct {
  const char *yaml;
  double epoch, rate;
} schedule_cases[] = {
    {"constant: {rate: 0.05}", 0, 0.05},
    {"constant: {rate: 0.05}", 7.5, 0.05},
    {"step: {rate: 0.2, factor: 0.5, every: 10}", 0, 0.2},
    {"step: {rate: 0.2, factor: 0.5, every: 10}", 9.99, 0.2},
    {"step: {rate: 0.2, factor: 0.5, every: 10}", 10, 0.1},
    {"step: {rate: 0.2, factor: 0.5, every: 10}", 39.5, 0.025},
    {"step: {rate: 1, factor: 0.1, every: 0.5}", 1.25, 0.01},
};

static void schedules_by_hand(void) {
  cvy_pool *pool = cvy_pool_create();
  for (int64_t c = 0; c < CVY_COUNT(schedule_cases); c++) {
    int64_t index;
    const void *config = read_schedule(&index, pool, schedule_cases[c].yaml);
    const cvy_schedule_moment moment = {.step = (int64_t)(schedule_cases[c].epoch * 100),
                                        .total_steps = 4000,
                                        .epoch = schedule_cases[c].epoch,
                                        .step_epochs = 0.01,
                                        .last_top1 = NAN,
                                        .last_loss = NAN,
                                        .best_top1 = NAN};
    CU_ASSERT_DOUBLE_EQUAL(cvy_schedule_at(index)->rate(config, &moment), schedule_cases[c].rate, 1e-15);
    covered_schedules[index] = true;
  }
  cvy_pool_destroy(pool);
}

/* Returns the rate of a step behind a warm-up, where an epoch has 48 images a step. */
static double rate_behind(cvy_pool *pool, const char *text, double warm, int64_t step, int64_t steps) {
  int64_t index;
  const void *config = read_schedule(&index, pool, text);
  const cvy_warmup warmup = {.length = warm, .from = 1, .schedule = 1};
  const cvy_schedule_moment moment = {.step = step,
                                      .total_steps = 1000,
                                      .epoch = (double)step * 48 / (double)(48 * steps),
                                      .step_epochs = 48.0 / (double)(48 * steps)};
  return cvy_warmup_rate(&warmup, cvy_schedule_at(index), config, &moment);
}

/* Tenths of an epoch are no doubles, and their multiples round up or down. What begins there begins with the
 * step that does. */
static void schedules_change_with_the_step_that_is_meant(void) {
  static const int64_t steps_of_epoch[] = {10, 20, 30, 70, 130};
  for (int tenths = 1; tenths <= 13; tenths++)
    for (int warm = 0; warm <= 9; warm += 3)
      for (int64_t k = 0; k < CVY_COUNT(steps_of_epoch); k++) {
        cvy_pool *pool = cvy_pool_create();
        const int64_t steps = steps_of_epoch[k], length = steps / 10 * tenths, start = steps / 10 * warm;
        const char *step = cvy_pool_format(pool, "step: {rate: 1, factor: 0.5, every: %d.%d}", tenths / 10,
                                           tenths % 10),
                   *cosine = cvy_pool_format(pool, "cosine: {rate: 1, first: %d.%d}", tenths / 10,
                                             tenths % 10),
                   *grown = cvy_pool_format(pool, "cosine: {rate: 1, first: %d.%d, growth: 2}", tenths / 10,
                                            tenths % 10),
                   *at = cvy_pool_format(pool, "multi_step: {rate: 1, factor: 0.5, at: [%d.%d]}", tenths / 10,
                                         tenths % 10);
        for (int64_t i = start; i < start + 8 * length && i < start + 200; i++) {
          const int64_t done = i - start;
          int64_t left = done, grows = length;
          for (; left >= grows; grows *= 2) left -= grows;
          const double pi = 3.14159265358979323846, share = (double)(done % length) / (double)length,
                       grown_share = (double)left / (double)grows, behind = warm / 10.0;
          CU_ASSERT_DOUBLE_EQUAL(rate_behind(pool, step, behind, i, steps), pow(0.5, (double)(done / length)),
                                 1e-12);
          CU_ASSERT_DOUBLE_EQUAL(rate_behind(pool, cosine, behind, i, steps), (1 + cos(pi * share)) / 2,
                                 1e-9);
          CU_ASSERT_DOUBLE_EQUAL(rate_behind(pool, grown, behind, i, steps), (1 + cos(pi * grown_share)) / 2,
                                 1e-9);
          CU_ASSERT_DOUBLE_EQUAL(rate_behind(pool, at, behind, i, steps), done >= length ? 0.5 : 1, 1e-12);
          CU_ASSERT_DOUBLE_EQUAL(rate_behind(pool, "exponential: {rate: 1, factor: 0.5}", behind, i, steps),
                                 pow(0.5, (double)(done / steps)), 1e-12);
        }
        cvy_pool_destroy(pool);
      }
}

static double cosine_at(cvy_pool *pool, const char *text, double epoch) {
  int64_t index;
  const void *config = read_schedule(&index, pool, text);
  return cvy_schedule_at(index)->rate(config, &(cvy_schedule_moment){.epoch = epoch, .total_steps = 1});
}

/* Cosines that hardly grow are many. The rate is that by their definition, which visits one after the other,
 * and a thousand million million of them are passed too. */
static void cosines_that_hardly_grow_are_found(void) {
  cvy_pool *pool = cvy_pool_create();
  for (int i = 1; i < 50; i++) {
    const double epoch = 0.37 * i;
    long double left = (long double)epoch, length = 1e-3L;
    for (; left >= length; length *= 1.0001L) left -= length;
    const double want = (1 + cos(3.14159265358979323846 * (double)(left / length))) / 2,
                 rate = cosine_at(pool, "cosine: {rate: 1, first: 1e-3, growth: 1.0001}", epoch);
    CU_ASSERT_DOUBLE_EQUAL(rate, want, 1e-7);
  }
  for (int i = 0; i < 50; i++) {
    const double rate = cosine_at(pool, "cosine: {rate: 1, first: 1e-6, growth: 1.000000000000001}",
                                  1e7 * i + 3);
    CU_ASSERT(rate >= 0 && rate <= 1);
  }
  cvy_pool_destroy(pool);
}

/* ---- sums of squares ---- */

/* Makes values of all sizes that floats have: first some thousands that are close to each other, then some
 * that are not, then some that are far from each other. */
static float *wide_array(int64_t count) {
  static const int spreads[] = {10, 40, 270};
  float *values = random_array(count, 5);
  for (int64_t i = 0; i < count; i++)
    values[i] = ldexpf(values[i], (int)(i * 7 % spreads[i / 20000 % 3]) - 145 + (int)(i / 60000) % 4);
  return values;
}

static cvy_squares sum_in_pieces(const float *values, int64_t count, int64_t length) {
  cvy_squares sum = {0};
  for (int64_t first = (count - 1) / length * length; first >= 0; first -= length) {
    cvy_squares part = {0};
    cvy_squares_add(&part, values + first, first + length < count ? length : count - first);
    cvy_squares_merge(&sum, &part);
  }
  cvy_squares_carry(&sum);
  return sum;
}

typedef struct adding {
  cvy_squares *sum;
  const float *values;
} adding;

static void add_thousand(const void *context, int64_t index, int thread) {
  (void)thread;
  const adding *a = context;
  cvy_squares own = {0};
  cvy_squares_add(&own, a->values + 1000 * index, 1000);
  cvy_squares_merge(a->sum, &own);
}

static void sums_of_squares_have_no_order(void) {
  const int64_t count = 200000;
  float *values = wide_array(count);
  const cvy_squares whole = sum_in_pieces(values, count, count);
  const int64_t lengths[] = {1, 3, 1000, 65535, 65537};
  for (int64_t i = 0; i < CVY_COUNT(lengths); i++) {
    const cvy_squares cut = sum_in_pieces(values, count, lengths[i]);
    CU_ASSERT(memcmp(&cut, &whole, sizeof cut) == 0);
  }
  cvy_squares together = {0};
  cvy_threads_set(4);
  cvy_parallel(count / 1000, add_thousand, &(adding){&together, values});
  cvy_threads_set(1);
  cvy_squares_carry(&together);
  CU_ASSERT(memcmp(&together, &whole, sizeof together) == 0);
  free(values);
}

static double root_of(const float *values, int64_t count) {
  cvy_squares sum = {0};
  cvy_squares_add(&sum, values, count);
  return cvy_squares_root(&sum);
}

static void sums_of_squares_are_exact(void) {
  const float smallest = ldexpf(1, -149);
  CU_ASSERT_EQUAL(root_of(NULL, 0), 0);
  CU_ASSERT_EQUAL(root_of((float[]){3, -4}, 2), 5);
  CU_ASSERT_EQUAL(root_of((float[]){0, -0.0f, smallest}, 3), (double)smallest);
  CU_ASSERT_EQUAL(root_of((float[]){FLT_MAX, 0, -FLT_MAX, FLT_MAX, FLT_MAX}, 5), 2 * (double)FLT_MAX);
  CU_ASSERT(isnan(root_of((float[]){1, INFINITY}, 2)) && isnan(root_of((float[]){NAN, 1}, 2)));

  /* This is what a sum in double loses: 2^60 + 2^-60 - 2^60. */
  cvy_squares sum = {0}, large = {0};
  cvy_squares_add(&sum, (float[]){0x1p30f, 0x1p-30f}, 2);
  cvy_squares_add(&large, (float[]){0x1p30f}, 1);
  for (int i = 0; i < CVY_SQUARES_DIGITS; i++) sum.digits[i] -= large.digits[i];
  CU_ASSERT_EQUAL(cvy_squares_root(&sum), 0x1p-30);

  float *values = random_array(100003, 9);
  long double want = 0;
  for (int64_t i = 0; i < 100003; i++) want += (long double)values[i] * (long double)values[i];
  CU_ASSERT_DOUBLE_EQUAL(root_of(values, 100003) / sqrt((double)want), 1, 3e-16);
  free(values);
}

/* These are far more values than a network has, all of the largest exponent. Digits and counts hold their
 * sum. */
static void sums_of_squares_do_not_overflow(void) {
  enum { MANY = 1 << 22 };
  float *values = malloc(sizeof *values * MANY);
  cvy_squares sum = {0};
  for (int64_t i = 0; i < MANY; i++) values[i] = FLT_MAX;
  for (int i = 0; i < 4; i++) cvy_squares_add(&sum, values, MANY);
  CU_ASSERT_EQUAL(cvy_squares_root(&sum), 4096 * (double)FLT_MAX);
  free(values);
}

SUITE("optim", TEST(averages_of_pytorch), TEST(averages_start_and_stay), TEST(rules_by_hand),
      TEST(rules_with_norms_by_hand), TEST(rules_of_pytorch), TEST(clipping_of_pytorch),
      TEST(any_cut_has_the_same_bits), TEST(what_is_written_is_measured),
      TEST(a_rule_has_the_state_that_it_needs), TEST(rules_are_found_by_set), TEST(schedules_by_hand),
      TEST(schedules_of_pytorch), TEST(warmups_of_pytorch), TEST(a_schedule_begins_behind_its_warmup),
      TEST(cosines_that_hardly_grow_are_found), TEST(a_schedule_behind_its_warmup_need_not_look_ahead),
      TEST(everything_has_a_case), TEST(sums_of_squares_have_no_order), TEST(sums_of_squares_are_exact),
      TEST(schedules_change_with_the_step_that_is_meant), TEST(sums_of_squares_do_not_overflow))
