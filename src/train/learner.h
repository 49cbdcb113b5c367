/* The learner: a network, its weights, the update rule's state, and all that lies between a rank's
 * microbatches and new weights. It owns them, and makes them together (learner.c tells the way of a
 * gradient). */
#ifndef CVY_TRAIN_LEARNER_H
#define CVY_TRAIN_LEARNER_H

#include "comm/exchange.h"
#include "train/step_config.h"
#include "train/update.h"

typedef struct cvy_learner cvy_learner;

typedef struct cvy_learner_config {
  cvy_comm *comm;
  cvy_step_config step;           /* its tree must allow the ranks */
  int64_t bucket_mib;             /* buckets have so many MiB at least */
  const struct cvy_yaml *network; /* it must outlive the learner, as must the rule and its configuration */
} cvy_learner_config;

/* Makes a learner. This is not collective, but all ranks make the same one. The weights have no values yet;
 * the state is zero. */
cvy_err cvy_learner_create(cvy_learner **out, const cvy_learner_config *config) CVY_MUST_CHECK;
void cvy_learner_destroy(cvy_learner *learner);
/* Ends the communication thread; no further step can be made. The net stays, for traces still name its
 * layers. */
void cvy_learner_rest(cvy_learner *learner);

/* These are the learner's own. */
cvy_net *cvy_learner_net(const cvy_learner *learner);
const cvy_arenas *cvy_learner_arenas(const cvy_learner *learner);

/* ---- a step ------------------------------------------------------------------------------------------- */

/* A step is collective. Its calls are begin, then for each of the rank's microbatches the net's forward and
 * cvy_learner_backward, then finish. After it all ranks have the new weights, and each its own of those that
 * are split. From begin to finish nothing else may use the communicator. `step` is 1 in the first step of a
 * run. */
void cvy_learner_begin(cvy_learner *learner, int64_t step, double rate);
void cvy_learner_backward(cvy_learner *learner, const float *images, const cvy_targets *targets,
                          const cvy_pass *pass);
void cvy_learner_finish(cvy_learner *learner);

/* Finds where the microbatch that the net's forward saw last went wrong (cvy_net_find_fault). It may be
 * called between that and cvy_learner_backward. This call is not collective. */
cvy_net_fault cvy_learner_find_fault(cvy_learner *learner, const float *images, const cvy_targets *targets,
                                     const cvy_pass *pass);

/* Begins a step of one microbatch a rank, so that its time can be measured. The microbatch counts as the last
 * one of a real step, behind which the sums over ranks hide. The step leaves weights and state that mean
 * nothing. */
void cvy_learner_begin_at_last(cvy_learner *learner);
/* Sets the state to zero, as it was at first. */
cvy_err cvy_learner_forget(cvy_learner *learner) CVY_MUST_CHECK;

/* Makes buckets of another size. A rank then updates another part of the weights, but the rule's state stays
 * where it is, so this call comes before the first step whose results count. The bits are the same with any
 * size. */
cvy_err cvy_learner_cut(cvy_learner *learner, int64_t bucket_mib) CVY_MUST_CHECK;

/* Says that weights were written from outside since the last step, so what it has measured of them is void.
 * This must be called wherever weights are read or made anew between steps. */
void cvy_learner_weights_are_new(cvy_learner *learner);

/* Returns the times that cvy_exchange_spent gives, since the latest cut. The exposed time includes the
 * updates that waited for norms. */
cvy_exchange_times cvy_learner_times(const cvy_learner *learner);

/* ---- what ranks hold a part of ------------------------------------------------------------------------ */

/* These are to be called outside of steps. */

/* Gives all ranks all weights, until the next step. This call is collective. */
void cvy_learner_whole_weights(cvy_learner *learner);
/* Returns room for array `k` of the state, laid out as the parameter arena until where what is frozen
 * begins; it is valid until the next step. */
float *cvy_learner_room(cvy_learner *learner, int64_t k);
/* Makes array `k` of the state whole on rank 0, and returns the room for it. This call is collective. */
float *cvy_learner_whole_state(cvy_learner *learner, int64_t k);
/* Takes array `k` of the state from the room on rank 0 to the parts that each rank holds. This call is
 * collective. */
void cvy_learner_deal_state(cvy_learner *learner, int64_t k);

/* These are the same for the averaged weights, if such are kept. All may be called at the same time as those
 * above, for the average has room of its own. */
float *cvy_learner_room_of_average(cvy_learner *learner);
float *cvy_learner_whole_average(cvy_learner *learner);
void cvy_learner_deal_average(cvy_learner *learner);

/* cvy_learner_show_average puts the averaged weights into the net, on all ranks, and the weights into the
 * average's room. cvy_learner_hide_average puts the weights back. In between only the net may be used, and
 * that only forward. Showing is collective. */
void cvy_learner_show_average(cvy_learner *learner);
void cvy_learner_hide_average(cvy_learner *learner);

#endif
