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

/* Layers that have begun to learn in the course of a run. */
typedef struct cvy_thaw {
  cvy_net_names layers; /* patterns of names of layers, or of tensors that were frozen by their own name */
  double rate;          /* what their learning rate is multiplied with */
  int64_t since;        /* the steps made before */
} cvy_thaw;

typedef struct cvy_thaws {
  int64_t count;
  const cvy_thaw *thaws;
} cvy_thaws;

/* Reads the list, NULL if there is none. Errors point at the node. */
cvy_err cvy_layer_rules_read(cvy_layer_rules *out, cvy_pool *pool,
                             const struct cvy_yaml *list) CVY_MUST_CHECK;
/* Has the layers and tensors frozen whose rate is zero. The wishes' lists lie in the pool. */
void cvy_layer_rules_freeze(cvy_net_wishes *wishes, cvy_pool *pool, const cvy_layer_rules *rules);
/* Tells whether a pattern is of the name of a tensor, or of its layer. */
bool cvy_matches_tensor(const char *pattern, const cvy_net_info *net, int64_t tensor);
bool cvy_names_match_tensor(const cvy_net_names *patterns, const cvy_net_info *net, int64_t tensor);
/* Fills factors[param_tensors]. Those of all entries that match a tensor are multiplied. A rule that matches
 * none is an error at its node. */
cvy_err cvy_factors_fill(cvy_factors *factors, const cvy_layer_rules *rules, const cvy_thaws *thaws,
                         const cvy_net_info *net) CVY_MUST_CHECK;

#endif
