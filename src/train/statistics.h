/* The statistics of batch normalisation, found anew for weights that no training step has made, such as the
 * mean of several models' (Izmailov et al. 2018, section 3.2). */
#ifndef CVY_TRAIN_STATISTICS_H
#define CVY_TRAIN_STATISTICS_H

#include "comm/comm.h"
#include "model/model.h"

/* Puts new running averages into the model: the means, over the microbatches of one pass over the training
 * data, of what each microbatch has. The pass is the first epoch of the model's recipe, as it shuffles and
 * augments, without what is left over for a last microbatch. The sums are exact, so that the averages are the
 * same at any number of ranks. `data` is a dataset, of whose folder the split "train" is taken. *images
 * receives how many were seen; it is 0, and nothing is done, if the network has no running averages. The call
 * is collective. Errors: data that cannot be read, or that are not those of the network; fewer images than a
 * microbatch; values that are not finite. */
cvy_err cvy_statistics_renew(int64_t *images, cvy_comm *comm, cvy_model *model,
                             const char *data) CVY_MUST_CHECK;

#endif
