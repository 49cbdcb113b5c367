/* What the benches of steps share: the update rule and its rate. */
#ifndef CVY_MEASURE_BENCH_STEP_H
#define CVY_MEASURE_BENCH_STEP_H

#include "train/step_config.h"

/* A small rate, so that random labels do not make the loss diverge. */
extern const double cvy_bench_rate;

/* Makes a step of `tree` with SGD, momentum and weight decay; the rule's configuration is in `pool`. The way
 * of the gradients and the algorithms are those of a recipe that names none. */
cvy_err cvy_bench_step_config(cvy_step_config *out, cvy_pool *pool, const cvy_tree *tree,
                              int64_t microbatch) CVY_MUST_CHECK;

#endif
