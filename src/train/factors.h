/* Factors of the learning rate and of the weight decay for some layers: a recipe's key `layers`. */
#ifndef CVY_TRAIN_FACTORS_H
#define CVY_TRAIN_FACTORS_H

#include "net/net.h"
#include "train/update.h"

/* One entry of `layers`. */
typedef struct cvy_layer_rule {
  const char *match; /* a pattern as a shell's: of a layer's name, "fc*", or of a parameter's, "*bias" */
  double rate, decay;
  const struct cvy_yaml *node;
} cvy_layer_rule;

typedef struct cvy_layer_rules {
  int64_t count;
  const cvy_layer_rule *rules;
} cvy_layer_rules;

/* Reads the list, NULL if there is none. Errors point at the node. */
cvy_err cvy_layer_rules_read(cvy_layer_rules *out, cvy_pool *pool,
                             const struct cvy_yaml *list) CVY_MUST_CHECK;
/* Has the layers and tensors frozen whose rate is zero. The wishes' lists lie in the pool. */
void cvy_layer_rules_freeze(cvy_net_wishes *wishes, cvy_pool *pool, const cvy_layer_rules *rules);
/* Fills factors[param_tensors]. Those of all entries that match a tensor are multiplied. An entry that
 * matches none is an error at its node. */
cvy_err cvy_factors_fill(cvy_factors *factors, const cvy_layer_rules *rules,
                         const cvy_net_info *net) CVY_MUST_CHECK;

#endif
