/* ranks: 1 2 */
/* A schedule is told the same moments at any number of ranks, and by a run that was stopped and resumed. */
#include "unit/suite.h"

#include "digits.h"

#include "train/recipe.h"

#include <math.h>

static cvy_comm *comm;

/* ---- a schedule that watches, and one that waits for scores ---- */

enum { MOST_STEPS = 200 };

typedef struct told {
  cvy_schedule_moment moment; /* without its memory */
  double memory[CVY_SCHEDULE_MEMORY], rate;
} told;

static told moments[MOST_STEPS];
static int64_t validations;

/* The rate halves with each validation whose loss is not 30 % below the least so far. Memory holds that loss,
 * and how often that was. */
static double rate(const void *config, const cvy_schedule_moment *moment) {
  (void)config;
  CU_ASSERT_FATAL(moment->step < MOST_STEPS);
  told *t = &moments[moment->step];
  t->moment = *moment;
  t->moment.memory = NULL;
  memcpy(t->memory, moment->memory, sizeof t->memory);
  return t->rate = 0.05 * pow(0.5, moment->memory[1]);
}

static void validated(const void *config, double memory[CVY_SCHEDULE_MEMORY],
                      const cvy_schedule_moment *moment) {
  (void)config;
  CU_ASSERT(isfinite(moment->last_loss) && moment->best_top1 >= moment->last_top1);
  if (memory[0] > 0 && moment->last_loss > 0.7 * memory[0]) memory[1]++;
  if (memory[0] == 0 || moment->last_loss < memory[0]) memory[0] = moment->last_loss;
  validations++;
}

static const cvy_schedule watcher = {.rate = rate, .validated = validated};

/* ---- runs ---- */

static cvy_err train(cvy_train_result *result, const char *folder, const char *name, bool resume,
                     int64_t stop_after) {
  const char *source = getenv("CONVOY_SOURCE");
  char path[512], network[512], train_data[512], val_data[512], run[512];
  snprintf(path, sizeof path, "%s/launch/recipes/lenet5-digits.yaml", source);
  snprintf(network, sizeof network, "network=%s/launch/networks/lenet5.yaml", source);
  snprintf(train_data, sizeof train_data, "data.train=%s", folder);
  snprintf(val_data, sizeof val_data, "data.val=%s", folder);
  snprintf(run, sizeof run, "run=%s/%s", folder, name);
  const char *const overrides[] = {network,    train_data,      val_data,   run,
                                   "batch=64", "microbatch=16", "epochs=4", "log_every=10"};
  cvy_recipe *recipe;
  CU_ASSERT_EQUAL_FATAL(cvy_recipe_load(&recipe, path, overrides, CVY_COUNT(overrides)), CVY_OK);
  recipe->schedule = &watcher;
  const cvy_train_options options = {.overwrite = !resume, .resume = resume, .stop_after = stop_after};
  const cvy_err err = cvy_train(result, comm, recipe, &options);
  cvy_recipe_destroy(recipe);
  return err;
}

/* One NaN is the same as another here. */
static bool is_same(const told *a, const told *b) {
  return memcmp(a, b, sizeof *a) == 0;
}

static void a_resumed_run_sees_the_same_moments(void) {
  static told straight[MOST_STEPS];
  char folder[256] = "";
  cvy_train_result whole, part;
  if (cvy_comm_rank(comm) == 0) {
    prepare_digits("train=0.04,val=0.02");
    snprintf(folder, sizeof folder, "%s", scratch_folder());
  }
  cvy_comm_broadcast(comm, folder, sizeof folder);
  CU_ASSERT_EQUAL_FATAL(train(&whole, folder, "straight", false, 0), CVY_OK);
  memcpy(straight, moments, sizeof straight);
  CU_ASSERT_EQUAL(validations, 4);
  CU_ASSERT(isnan(straight[0].moment.last_top1) && isnan(straight[0].moment.best_top1));
  CU_ASSERT_EQUAL(straight[whole.steps - 1].moment.total_steps, whole.steps);
  CU_ASSERT(straight[whole.steps - 1].rate < straight[0].rate); /* so memory was of use */

  memset(moments, 0, sizeof moments);
  CU_ASSERT_EQUAL(train(&part, folder, "parts", false, whole.steps * 5 / 8), CVY_E_STOPPED);
  CU_ASSERT_EQUAL(train(&part, folder, "parts", true, 0), CVY_OK);
  CU_ASSERT_STRING_EQUAL(part.weights.hex, whole.weights.hex);
  for (int64_t step = 0; step < whole.steps; step++) CU_ASSERT(is_same(&moments[step], &straight[step]));

  told first[MOST_STEPS];
  memcpy(first, moments, sizeof first);
  cvy_comm_broadcast(comm, first, sizeof first);
  CU_ASSERT(memcmp(first, moments, sizeof first) == 0);
}

int main(void) {
  comm = cvy_comm_start();
  CU_TestInfo tests[] = {TEST(a_resumed_run_sees_the_same_moments), CU_TEST_INFO_NULL};
  const int failed = run_suite("moments", tests);
  cvy_comm_finish(comm);
  return failed;
}
