/* ranks: 1 2 */
/* The training loop calls no allocator: runs of 30 and of 90 steps allocate equally often, all libraries and
 * threads included, but for what MPI does inside when a message passes between ranks. */
#include "unit/suite.h"

#include "unit/scratch.h"

#include "datasets/prepare.h"
#include "train/recipe.h"

#include <stdatomic.h>

static cvy_comm *comm;

#ifdef __SANITIZE_ADDRESS__
static void the_loop_allocates_nothing(void) {
  printf("skipped: the_loop_allocates_nothing (the sanitizer has its own allocator) ");
}
#else

/* malloc and its relatives, counted. Callers within this program are Convoy itself. */
static atomic_long all_calls, own_calls;
extern char __executable_start, etext;
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);

static void count(const void *caller) {
  atomic_fetch_add(&all_calls, 1);
  if ((const char *)caller >= &__executable_start && (const char *)caller < &etext)
    atomic_fetch_add(&own_calls, 1);
}

void *malloc(size_t bytes) {
  count(__builtin_return_address(0));
  return __libc_malloc(bytes);
}
void *calloc(size_t number, size_t bytes) {
  count(__builtin_return_address(0));
  return __libc_calloc(number, bytes);
}
void *realloc(void *memory, size_t bytes) {
  count(__builtin_return_address(0));
  return __libc_realloc(memory, bytes);
}
void *aligned_alloc(size_t alignment, size_t bytes) {
  count(__builtin_return_address(0));
  return __libc_memalign(alignment, bytes);
}

static void prepare_digits(void) {
  const cvy_reader *reader = NULL;
  for (int64_t i = 0; i < cvy_reader_count(); i++)
    if (strcmp(cvy_reader_at(i)->kind->name, "synthetic") == 0) reader = cvy_reader_at(i);
  CVY_CHECK(reader);
  cvy_pool *pool = cvy_pool_create();
  void *options = cvy_pool_new(pool, reader->kind->config_bytes);
  CU_ASSERT_EQUAL_FATAL(cvy_options_defaults(options, pool, reader->kind->options), CVY_OK);
  const cvy_prepare_config config = {.reader = reader,
                                     .reader_config = options,
                                     .dir = scratch_folder(),
                                     .fractions = "train=0.98,val=0.02",
                                     .seed = 1};
  cvy_prepare_result result;
  CU_ASSERT_EQUAL_FATAL(cvy_prepare(&result, &config), CVY_OK);
  cvy_pool_destroy(pool);
}

/* Calls of the allocator in a training run that stops after `steps`; every step writes a line of metrics and
 * checks the replicas, and no epoch ends within. */
static void train(long *all, long *own, const char *folder, int64_t steps) {
  char data[300], run[300];
  snprintf(data, sizeof data, "data.train=%s", folder);
  snprintf(run, sizeof run, "run=%s/run", folder);
  const char *overrides[] = {"network=lenet5",
                             "batch=16",
                             "microbatch=4",
                             "epochs=1",
                             "log_every=1",
                             "check_every=1",
                             "data.augment=[translate: {by: 2}, mirror, crop: {size: 32}]",
                             data,
                             run};
  char path[400];
  snprintf(path, sizeof path, "%s/launch/recipes/lenet5-digits.yaml", getenv("CONVOY_SOURCE"));
  cvy_recipe *recipe;
  char network[400];
  snprintf(network, sizeof network, "network=%s/launch/networks/lenet5.yaml", getenv("CONVOY_SOURCE"));
  overrides[0] = network;
  CU_ASSERT_EQUAL_FATAL(cvy_recipe_load(&recipe, path, overrides, CVY_COUNT(overrides)), CVY_OK);
  const cvy_train_options options = {.overwrite = true, .stop_after = steps};
  cvy_train_result result;
  const long all_before = all_calls, own_before = own_calls;
  CU_ASSERT_EQUAL(cvy_train(&result, comm, recipe, &options), CVY_E_STOPPED);
  printf("%s ", cvy_err_message());
  *all = all_calls - all_before;
  *own = own_calls - own_before;
  cvy_recipe_destroy(recipe);
}

static void the_loop_allocates_nothing(void) {
  char folder[256] = "";
  if (cvy_comm_rank(comm) == 0) {
    prepare_digits();
    snprintf(folder, sizeof folder, "%s", scratch_folder());
  }
  cvy_comm_broadcast(comm, folder, sizeof folder);
  long all, own, all_longer, own_longer;
  train(&all, &own, folder, 30); /* the first run also warms up the libraries */
  train(&all, &own, folder, 30);
  train(&all_longer, &own_longer, folder, 90);
  printf("(calls of the allocator: %ld in 30 steps, %ld in 90) ", all, all_longer);
  CU_ASSERT(own > 100); /* setting up does allocate, so the counter counts */
  CU_ASSERT_EQUAL(own, own_longer);
  if (cvy_comm_size(comm) == 1) CU_ASSERT_EQUAL(all, all_longer);
}
#endif

int main(void) {
  comm = cvy_comm_start();
  CU_TestInfo tests[] = {TEST(the_loop_allocates_nothing), CU_TEST_INFO_NULL};
  const int failed = run_suite("allocations", tests);
  cvy_comm_finish(comm);
  return failed;
}
