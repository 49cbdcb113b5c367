/* What must be true of the weights. */
#ifndef CVY_TRAIN_CHECK_H
#define CVY_TRAIN_CHECK_H

#include "comm/comm.h"
#include "net/net.h"

/* Checks that all ranks hold the same weights after step `step`. Else it fails with CVY_E_RUN and names the
 * first tensor and rank that differ. This call is collective. */
cvy_err cvy_check_replicas(cvy_comm *comm, const cvy_net *net, int64_t step) CVY_MUST_CHECK;

/* Checks that all values of `params` are finite. Else it fails with CVY_E_RUN and names the first tensor that
 * holds another value. A step that makes the weights infinite shows in the loss of the next one only, and
 * must not reach a checkpoint before. */
cvy_err cvy_check_finite(const cvy_net_info *net, const float *params, int64_t step) CVY_MUST_CHECK;

#endif
