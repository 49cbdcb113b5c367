/* What training changes: the weights and the update rule's state, and the one place where a step changes
 * them. */
#ifndef CVY_TRAIN_UPDATE_H
#define CVY_TRAIN_UPDATE_H

#include "net/net.h"
#include "optim/optim.h"
#include "optim/squares.h"

/* Arrays that are all laid out as the net's parameters. The state ends where what is frozen begins. */
typedef struct cvy_arenas {
  cvy_net *net;
  const cvy_rule *rule;
  float *params; /* the net's own */
  float *state[CVY_MOST_STATE];
  int64_t state_floats; /* of each of these */
  float *average;       /* averaged weights; NULL: none are kept */
} cvy_arenas;

/* Makes the arenas. On an error everything is given back. */
cvy_err cvy_arenas_create(cvy_arenas *out, cvy_net *net, const cvy_rule *rule) CVY_MUST_CHECK;
/* Adds an average, which is zero. On an error the arenas stay as they are. */
cvy_err cvy_arenas_add_average(cvy_arenas *arenas) CVY_MUST_CHECK;
void cvy_arenas_destroy(cvy_arenas *arenas);

/* What the rate and the weight decay of a tensor are multiplied with, and after how many steps of the run it
 * has begun to learn, from where on the rule counts its steps. */
typedef struct cvy_factors {
  double rate, decay;
  int64_t since;
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
  const cvy_factors *factors; /* [param_tensors]; NULL: 1 for all, which have learnt from the first step on */
  int64_t microbatches;
  float average_share; /* how far averaged weights go to the new ones */
  bool use_buffers;    /* running averages of layers are averaged, too, and not copied */
} cvy_step_update;

/* The norms that a rule wants are made of sums of squares, in two phases: all values of all ranks are
 * measured, then updated. Sums are exact, so they may be cut and added in any order. */
typedef struct cvy_norm_sums {
  cvy_squares weights, gradient;
} cvy_norm_sums;

/* Returns how many norms the rule wants: one a tensor, one, or none. */
int64_t cvy_norms_count(const cvy_arenas *arenas);

/* All of these work on values first ... end-1 of the arenas; `gradients` points at that of value `first`.
 * They work value by value, so parts in any order give the same bits. `sums` has cvy_norms_count sums, or one
 * where that is none; they add what they measure to it. */

/* Updates weights. Unless `sums` is NULL, the squares of the new weights are added to it. */
void cvy_update_weights(const cvy_step_update *step, const float *gradients, int64_t first, int64_t end,
                        cvy_norm_sums *sums);
/* Has a rule that directs (optim/optim.h) replace gradients by the ways that the step will go, which is to be
 * done once for each. Unless `sums` is NULL, the squares of the ways are added to it as the gradient's. */
void cvy_update_direct(const cvy_step_update *step, float *gradients, int64_t first, int64_t end,
                       cvy_norm_sums *sums);
/* Adds the squares of weights, and of gradients as `clip` leaves them; NULL: as they are. */
void cvy_weights_measure(cvy_norm_sums *sums, const cvy_arenas *arenas, int64_t first, int64_t end);
void cvy_gradients_measure(cvy_norm_sums *sums, const cvy_arenas *arenas, const float *gradients,
                           int64_t first, int64_t end, const cvy_clip *clip);

void cvy_norms_take(cvy_norms *out, const cvy_norm_sums *sums, int64_t count);

#endif
