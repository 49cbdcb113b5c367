/* What training changes: the weights and the update rule's state, and the one place where a step changes
 * them. */
#ifndef CVY_TRAIN_UPDATE_H
#define CVY_TRAIN_UPDATE_H

#include "net/net.h"
#include "optim/optim.h"
#include "optim/squares.h"

/* Arrays that are all laid out as the net's parameters. */
typedef struct cvy_arenas {
  cvy_net *net;
  const cvy_rule *rule;
  float *params; /* the net's own */
  float *state[CVY_MOST_STATE];
  float *average; /* averaged weights; NULL: none are kept */
} cvy_arenas;

/* Makes the arenas. On an error everything is given back. */
cvy_err cvy_arenas_create(cvy_arenas *out, cvy_net *net, const cvy_rule *rule) CVY_MUST_CHECK;
/* Adds an average, which is zero. On an error the arenas stay as they are. */
cvy_err cvy_arenas_add_average(cvy_arenas *arenas) CVY_MUST_CHECK;
void cvy_arenas_destroy(cvy_arenas *arenas);

/* What the rate and the weight decay of a tensor are multiplied with. */
typedef struct cvy_factors {
  double rate, decay;
} cvy_factors;

/* One step's update. Its gradients are summed over `microbatches`, as are the values to which it moves the
 * running averages. */
typedef struct cvy_step_update {
  const cvy_arenas *arenas;
  const void *rule_config;
  double rate;
  int64_t step;               /* 1 in the first step of a run */
  const cvy_norms *norms;     /* [cvy_norms_count], unless that is 0 */
  const cvy_clip *clip;       /* NULL: gradients are not clipped */
  const cvy_factors *factors; /* [param_tensors]; NULL: 1 for all */
  int64_t microbatches;
  float average_share; /* how far averaged weights go to the new ones */
  bool use_buffers;    /* running averages of layers are averaged, too, and not copied */
} cvy_step_update;

/* Updates values first ... end-1 of the arenas; `gradients` points at that of value `first`. It works value
 * by value, so parts in any order give the same bits. */
void cvy_update_weights(const cvy_step_update *step, const float *gradients, int64_t first, int64_t end);

/* Has a rule that directs (optim/optim.h) replace gradients by the ways that the step will go. It works value
 * by value too, once for each. */
void cvy_update_direct(const cvy_step_update *step, float *gradients, int64_t first, int64_t end);

/* The norms that a rule wants are made of sums of squares, in two phases: all values of all ranks are
 * measured, then updated. Sums are exact, so they may be cut and added in any order. */
typedef struct cvy_norm_sums {
  cvy_squares weights, gradient;
} cvy_norm_sums;

/* Returns how many norms the rule wants: one a tensor, one, or none. */
int64_t cvy_norms_count(const cvy_arenas *arenas);
/* Adds values first ... end-1 to `sums` [cvy_norms_count], and gradients as they are clipped. The arguments
 * are as those of cvy_update_weights. */
void cvy_norms_measure(cvy_norm_sums *sums, const cvy_step_update *step, const float *gradients,
                       int64_t first, int64_t end);
/* Adds the squares of all gradients alone, before they are clipped. */
void cvy_gradient_measure(cvy_squares *sum, const cvy_arenas *arenas, const float *gradients, int64_t first,
                          int64_t end);
void cvy_norms_take(cvy_norms *out, const cvy_norm_sums *sums, int64_t count);

#endif
