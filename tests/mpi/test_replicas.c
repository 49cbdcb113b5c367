/* ranks: 1 2 3 */
/* Replicas that drift apart are noticed, and the first tensor and rank that differ are named. */
#include "unit/suite.h"

#include "base/yaml.h"
#include "train/check.h"

static cvy_comm *comm;

static const char text[] = "input: [6, 6, 1]\nlayers:\n  - conv: {name: first, filters: 2, kernel: 3}\n"
                           "  - fc: {name: second, outputs: 3}\n  - softmax_loss\n";

static void drift_is_named(void) {
  cvy_pool *pool = cvy_pool_create();
  cvy_yaml *root;
  cvy_net *net;
  CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&root, pool, text, "n"), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_net_create(&net, root, 2, NULL), CVY_OK);
  cvy_net_init(net, 1);
  CU_ASSERT_EQUAL(cvy_check_replicas(comm, net, 5), CVY_OK);

  const int size = cvy_comm_size(comm), last = size - 1;
  const cvy_net_info *info = cvy_net_describe(net);
  float *value = cvy_net_params(net) + info->params[2].offset + 7; /* second/weights */
  const float kept = *value;
  if (cvy_comm_rank(comm) == last) memcpy(value, &(uint32_t){1}, sizeof *value);
  const cvy_err err = cvy_check_replicas(comm, net, 7);
  CU_ASSERT_EQUAL(err, size > 1 ? CVY_E_RUN : CVY_OK);
  if (size > 1) {
    char who[64];
    snprintf(who, sizeof who, "after step 7 rank %d holds other weights", last);
    CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), who));
    CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "second/weights"));
  }
  *value = kept;
  CU_ASSERT_EQUAL(cvy_check_replicas(comm, net, 8), CVY_OK);
  cvy_net_destroy(net);
  cvy_pool_destroy(pool);
}

int main(void) {
  comm = cvy_comm_start();
  CU_TestInfo tests[] = {TEST(drift_is_named), CU_TEST_INFO_NULL};
  const int failed = run_suite("replicas", tests);
  cvy_comm_finish(comm);
  return failed;
}
