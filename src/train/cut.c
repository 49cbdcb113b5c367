/* Cuts a network's gradients into buckets of whole layers. */
#include "train/cut.h"

static int64_t replicated_before(const cvy_net_info *net, int64_t tensor) {
  do tensor--;
  while (tensor >= 0 && !cvy_net_is_replicated(&net->params[tensor]));
  return tensor;
}

int64_t cvy_cut_buckets(cvy_bucket *out, const cvy_net_info *net, int64_t least) {
  int64_t count = 0, end = net->replicated_count, next;
  for (int64_t i = replicated_before(net, net->param_tensors); i >= 0; i = next) {
    const cvy_net_param *p = &net->params[i];
    next = replicated_before(net, i);
    const bool is_first_of_layer = next < 0 || net->params[next].layer != p->layer;
    if (next >= 0 && (!is_first_of_layer || end - p->offset < least)) continue;
    out[count++] = (cvy_bucket){p->offset, end, p->layer};
    end = p->offset;
  }
  if (count == 0) out[count++] = (cvy_bucket){0, end, net->last_visited};
  return count;
}
