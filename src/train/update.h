/* What training changes: the weights and the update rule's state, and the one place where a step changes them. */
#ifndef CVY_TRAIN_UPDATE_H
#define CVY_TRAIN_UPDATE_H

#include "net/net.h"
#include "optim/optim.h"

/* All laid out as the net's parameters. */
typedef struct cvy_arenas {
  cvy_net *net;
  const cvy_rule *rule;
  float *params, *state[2]; /* params: the net's own */
} cvy_arenas;

/* On an error everything is given back. */
cvy_err cvy_arenas_create(cvy_arenas *out, cvy_net *net, const cvy_rule *rule) CVY_MUST_CHECK;
void cvy_arenas_destroy(cvy_arenas *arenas);

/* A step's update of values first ... end-1 of the arenas: their `gradients` are summed over `microbatches`, as are the
 * values to which it moves the running averages. Value by value, so parts in any order give the same bits. */
typedef struct cvy_step_update {
  const cvy_arenas *arenas;
  const void *rule_config;
  double rate;
  int64_t microbatches;
} cvy_step_update;
void cvy_update_weights(const cvy_step_update *step, const float *gradients, int64_t first, int64_t end);

#endif
