/* From a rank's microbatches to new weights: their gradients are summed along the tree, on this rank and over the ranks,
 * and used, while backward goes on with the layers below. */
#ifndef CVY_TRAIN_GRADIENTS_H
#define CVY_TRAIN_GRADIENTS_H

#include "train/shards.h"
#include "train/step_config.h"
#include "train/update.h"

/* Consecutive layers, whose gradients go through the ranks together once the lowest of them has its own. */
typedef struct cvy_bucket {
  int64_t first, end; /* floats of the arena */
  int64_t ready_at;   /* layer */
} cvy_bucket;
/* From the last layer's down: whole layers, as many as it takes to make `least` floats; the last bucket may have less. `out` has
 * room for one a tensor; returns how many there are. */
int64_t cvy_cut_buckets(cvy_bucket *out, const cvy_net_info *net, int64_t least);

enum { CVY_FLOATS_OF_MIB = (1 << 20) / sizeof(float) };

typedef struct cvy_gradients cvy_gradients;

/* Collective. Buckets of `bucket` MiB at least. `arenas` and `shards`, which it makes ready for steps,
 * must outlive it. */
cvy_err cvy_gradients_create(cvy_gradients **out, cvy_comm *comm, const cvy_step_config *config, int64_t bucket,
                             const cvy_arenas *arenas, cvy_shards *shards) CVY_MUST_CHECK;
void cvy_gradients_destroy(cvy_gradients *gradients);
/* Into buckets of another size. Which part of the weights a rank updates changes with it, but the rule's state stays where it is:
 * before the first step whose results count. Collective. */
cvy_err cvy_gradients_cut(cvy_gradients *gradients, int64_t bucket) CVY_MUST_CHECK;

/* One step, collective: begin, backward for each of the rank's microbatches after its forward, finish, after which all ranks
 * have the new weights, and each its own of those that are sharded. From begin to finish nothing else may use the
 * communicator. */
void cvy_gradients_begin(cvy_gradients *gradients, double rate);
void cvy_gradients_backward(cvy_gradients *gradients, const float *images, const cvy_targets *targets,
                            const cvy_pass *pass);
void cvy_gradients_finish(cvy_gradients *gradients);

cvy_exchange_times cvy_gradients_times(const cvy_gradients *gradients);

/* All weights on all ranks, until the next step. Collective. */
void cvy_gradients_whole_weights(cvy_gradients *gradients);

/* The update rule's state, of which each rank may hold a part. Outside of steps. */

/* Room for `k`, laid out as the parameter arena; valid until the next step. */
float *cvy_gradients_room(cvy_gradients *gradients, int64_t k);
/* Array `k` of the state, whole on rank 0. Collective; as room. */
float *cvy_gradients_whole_state(cvy_gradients *gradients, int64_t k);
/* From room on rank 0 to the parts that each rank holds. Collective. */
void cvy_gradients_deal_state(cvy_gradients *gradients, int64_t k);

#endif
