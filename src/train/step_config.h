/* What a training step is: the numbers and choices that a run, a bench or a trial fills in. */
#ifndef CVY_TRAIN_STEP_CONFIG_H
#define CVY_TRAIN_STEP_CONFIG_H

#include "comm/exchange.h"
#include "comm/tree.h"
#include "net/net.h"
#include "optim/average.h"
#include "optim/optim.h"
#include "train/factors.h"

typedef struct cvy_step_config {
  cvy_tree tree;      /* its leaves are the step's microbatches; it also says what crosses the wire */
  int64_t microbatch; /* images */
  uint64_t seed;
  const cvy_rule *rule;
  const void *rule_config;
  cvy_clipping clipping;
  cvy_averaging averaging;
  cvy_layer_rules layers; /* the frozen ones among them are among the wishes, too */
  cvy_thaws thaws;        /* what has begun to learn; the wishes know it, too */
  cvy_exchange_way way;
  cvy_net_wishes wishes; /* what is asked of the net; its peers are the learner's own */
} cvy_step_config;

/* Returns the number of images of a step, over all ranks. */
static inline int64_t cvy_step_batch(const cvy_step_config *config) {
  return config->microbatch * config->tree.leaves;
}

#endif
