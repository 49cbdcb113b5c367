/* What must be true of the weights. */
#ifndef CVY_TRAIN_CHECK_H
#define CVY_TRAIN_CHECK_H

#include "comm/comm.h"
#include "net/net.h"

/* CVY_E_RUN, naming the first tensor and rank that differ, unless all ranks hold the same weights after
 * step `step`. Collective. */
cvy_err cvy_check_replicas(cvy_comm *comm, const cvy_net *net, int64_t step) CVY_MUST_CHECK;

/* CVY_E_RUN, naming the first tensor of `params` that holds a value which is not finite. A step that makes
 * the weights infinite shows in the loss of the next one only, and must not reach a checkpoint before. */
cvy_err cvy_check_finite(const cvy_net_info *net, const float *params, int64_t step) CVY_MUST_CHECK;

#endif
