/* Checks of the weights: all ranks hold the same, and all are finite. */
#include "train/check.h"

#include <math.h>

cvy_err cvy_check_replicas(cvy_comm *comm, const cvy_net *net, int64_t step) {
  if (cvy_comm_first_different(comm, cvy_net_hash(net, NULL).hex) < 0) return CVY_OK;
  const cvy_net_info *info = cvy_net_describe(net);
  for (int64_t i = 0; i < info->param_tensors; i++) {
    const int rank = cvy_comm_first_different(comm, cvy_net_param_hash(net, NULL, i).hex);
    if (rank >= 0)
      return cvy_error(CVY_E_RUN,
                       "after step %" PRId64
                       " rank %d holds other weights than rank 0: %s is the first tensor that differs",
                       step, rank, info->params[i].name);
  }
  return cvy_error(CVY_E_RUN, "after step %" PRId64 " the ranks' weights differ", step);
}

cvy_err cvy_check_finite(const cvy_net_info *net, const float *params, int64_t step) {
  for (int64_t i = 0; i < net->param_tensors; i++) {
    const cvy_net_param *p = &net->params[i];
    for (int64_t k = 0; k < p->count; k++)
      if (!isfinite(params[p->offset + k]))
        return cvy_error(CVY_E_RUN,
                         "step %" PRId64
                         ": %s is no longer finite; training diverged (a smaller learning rate may help)",
                         step, p->name);
  }
  return CVY_OK;
}
