/* The step that the benches measure. */
#include "measure/bench_step.h"

#include "train/recipe.h"

const double cvy_bench_rate = 1e-4;

static const char solver[] = "sgd: {momentum: 0.9, weight_decay: 0.0005}";

cvy_err cvy_bench_step_config(cvy_step_config *out, cvy_pool *pool, const cvy_tree *tree,
                              int64_t microbatch) {
  cvy_yaml *node;
  void *config;
  *out = (cvy_step_config){.tree = *tree, .microbatch = microbatch, .seed = 1};
  CVY_TRY(cvy_yaml_parse(&node, pool, solver, "solver"));
  CVY_TRY(cvy_read_rule(&out->rule, &config, pool, node));
  out->rule_config = config;
  return CVY_OK;
}
