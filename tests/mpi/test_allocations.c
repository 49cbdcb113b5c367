/* ranks: 1 2 */
#define _GNU_SOURCE
/* The training loop calls no allocator: runs of 30 and of 90 steps allocate equally often, all libraries and
 * threads included, but for what MPI does inside when a message passes between ranks. */
#include "unit/suite.h"

#include "digits.h"
#include "rules.h"
#include "unit/arrays.h"

#include "base/yaml.h"
#include "train/learner.h"
#include "train/recipe.h"

#include <dlfcn.h>
#include <stdatomic.h>

static cvy_comm *comm;

#ifdef __SANITIZE_ADDRESS__
static void the_loop_allocates_nothing(void) {
  printf("skipped: the_loop_allocates_nothing (the sanitizer has its own allocator) ");
}

static void norms_allocate_nothing(void) {
  printf("skipped: norms_allocate_nothing (likewise) ");
}
#else

/* Calls of malloc and its relatives. OpenBLAS takes memory for some small products, and Open MPI for messages
 * between ranks, by itself; everybody else, Convoy above all, must not allocate. */
static atomic_long calls;
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);

static void count(const void *caller) {
  static const char *const excused[] = {"libopenblas", "libmpi", "libopen-", "mca_", "libpmix", "libevent"};
  Dl_info from;
  if (!dladdr(caller, &from) || !from.dli_fname) from.dli_fname = "";
  for (int64_t i = 0; i < CVY_COUNT(excused); i++)
    if (strstr(from.dli_fname, excused[i])) return;
  atomic_fetch_add(&calls, 1);
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

/* Returns the calls of the allocator in a training run that stops after `steps`. Every step writes a line of
 * metrics and checks the replicas, and no epoch ends within. */
static long train(const char *folder, const char *network, int64_t steps) {
  const char *source = getenv("CONVOY_SOURCE");
  char recipe_path[512], data[512], run[512];
  snprintf(recipe_path, sizeof recipe_path, "%s/launch/recipes/lenet5-digits.yaml", source);
  snprintf(data, sizeof data, "data.train=%s", folder);
  snprintf(run, sizeof run, "run=%s/run", folder);
  const char *const overrides[] = {network,
                                   data,
                                   run,
                                   "data.val=",
                                   "batch=16",
                                   "microbatch=4",
                                   "epochs=1",
                                   "log_every=1",
                                   "ema.decay=0.9",
                                   "check_every=1",
                                   "data.augment=[translate: {by: 2}, mirror, crop: {size: 32}]"};
  cvy_recipe *recipe;
  CU_ASSERT_EQUAL_FATAL(cvy_recipe_load(&recipe, recipe_path, overrides, CVY_COUNT(overrides)), CVY_OK);
  const cvy_train_options options = {.overwrite = true, .stop_after = steps};
  cvy_train_result result;
  const long before = calls;
  CU_ASSERT_EQUAL(cvy_train(&result, comm, recipe, &options), CVY_E_STOPPED);
  const long made = calls - before;
  cvy_recipe_destroy(recipe);
  return made;
}

static void compare_runs(const char *folder, const char *network) {
  train(folder, network, 30); /* the libraries warm up */
  const long shorter = train(folder, network, 30), longer = train(folder, network, 90);
  printf("(calls of the allocator: %ld in a run of 30 steps, %ld in one of 90) ", shorter, longer);
  CU_ASSERT(shorter > 100); /* setting up does allocate, so the counter counts */
  CU_ASSERT_EQUAL(shorter, longer);
}

static void the_loop_allocates_nothing(void) {
  char folder[256] = "";
  if (cvy_comm_rank(comm) == 0) {
    prepare_digits("train=0.98,val=0.02");
    snprintf(folder, sizeof folder, "%s", scratch_folder());
  }
  cvy_comm_broadcast(comm, folder, sizeof folder);
  char lenet[512];
  snprintf(lenet, sizeof lenet, "network=%s/launch/networks/lenet5.yaml", getenv("CONVOY_SOURCE"));
  compare_runs(folder, lenet);
  compare_runs(
      folder,
      "network={name: split, input: [32, 32, 1], layers: [{max_pool: {kernel: 4}}, {fc: {outputs: 30, "
      "parallel: sharded}}, relu, {fc: {outputs: 10, parallel: sharded}}, softmax_loss]}");
}

/* Returns the calls of the allocator in so many steps of a learner whose rule wants norms. */
static long learn(cvy_learner *learner, const float *images, int64_t steps) {
  static const int32_t labels[2] = {1, 0};
  const cvy_targets targets = {.labels = labels};
  const cvy_pass pass = {.training = true, .first_sample = 2 * cvy_comm_rank(comm), .loss_scale = 0.5f};
  const long before = calls;
  for (int64_t step = 1; step <= steps; step++) {
    cvy_learner_begin(learner, step, 0.01);
    cvy_net_forward(cvy_learner_net(learner), images, &targets, &pass);
    cvy_learner_backward(learner, images, &targets, &pass);
    cvy_learner_finish(learner);
  }
  return calls - before;
}

static void norms_allocate_nothing(void) {
  static const char text[] = "{input: [8, 8, 1], layers: [{fc: {outputs: 40, parallel: sharded}}, relu, "
                             "{fc: {outputs: 3}}, softmax_loss]}";
  cvy_pool *pool = cvy_pool_create();
  cvy_yaml *network;
  cvy_tree tree;
  cvy_learner *learner;
  CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&network, pool, text, "network"), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_tree_create(&tree, cvy_comm_size(comm), NULL, 0), CVY_OK);
  const cvy_learner_config config = {.comm = comm,
                                     .step = {.tree = tree, .microbatch = 2, .rule = &layerwise},
                                     .bucket_mib = 1,
                                     .network = network};
  CU_ASSERT_EQUAL_FATAL(cvy_learner_create(&learner, &config), CVY_OK);
  cvy_net_init(cvy_learner_net(learner), 1);
  float *images = random_array(2 * 64, 1);
  learn(learner, images, 5); /* the libraries warm up */
  CU_ASSERT_EQUAL(learn(learner, images, 20), 0);
  cvy_learner_destroy(learner);
  free(images);
  cvy_pool_destroy(pool);
}
#endif

int main(void) {
  comm = cvy_comm_start();
  CU_TestInfo tests[] = {TEST(the_loop_allocates_nothing), TEST(norms_allocate_nothing), CU_TEST_INFO_NULL};
  const int failed = run_suite("allocations", tests);
  cvy_comm_finish(comm);
  return failed;
}
