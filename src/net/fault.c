/* Finds the first value of a pass that is not finite. A step that goes well never comes here. */
#include "net/node.h"

#include <math.h>

static bool are_finite(const float *values, int64_t count) {
  for (int64_t i = 0; i < count; i++)
    if (!isfinite(values[i])) return false;
  return true;
}

static const cvy_net_fault sound = {CVY_NET_SOUND, -1};

/* A rank has but its own slices of a split parameter, which are not looked at. */
static cvy_net_fault check_params(const cvy_net *net) {
  for (int64_t i = net->info.param_tensors - 1; i >= 0; i--) {
    const cvy_net_param *p = &net->params[i];
    if (!p->spec->sharded && !are_finite(net->param_arena + p->offset, p->count))
      return (cvy_net_fault){CVY_NET_BAD_WEIGHTS, p->layer};
  }
  return sound;
}

static bool is_output_finite(const cvy_net *net, const cvy_node *n) {
  if (n->y && !are_finite(n->y, cvy_shape_count(n->plan.y))) return false;
  for (int64_t k = 0; n->losses && k < net->input.n; k++)
    if (!isfinite(n->losses[k])) return false;
  return true;
}

/* ---- walking ---- */

/* Each layer does its own work here, so that what a relu makes is not taken for its maker's. */
static cvy_net_fault walk_forward(cvy_net *net, const float *images, const cvy_targets *targets,
                                  const cvy_pass *pass) {
  cvy_net_fault first = sound;
  for (int64_t i = 0; i < net->node_count; i++) {
    const cvy_node *n = &net->nodes[i];
    if (n->is_left_out && !pass->training) continue;
    cvy_layer_call call = cvy_net_call(net, i, images, targets, pass);
    call.rectify = false;
    n->type->forward(&call);
    if (first.kind == CVY_NET_SOUND && !is_output_finite(net, n))
      first = (cvy_net_fault){CVY_NET_BAD_OUTPUT, i};
  }
  cvy_net_add_losses(net, pass->training);
  return first;
}

static bool are_gradients_finite(const cvy_net *net, const cvy_node *n, const float *grads) {
  for (int64_t k = 0; k < n->plan.param_count; k++) {
    const cvy_net_param *p = &net->params[n->first_param + k];
    if (cvy_net_is_replicated(p) && !are_finite(grads + p->offset, p->count)) return false;
  }
  for (int64_t k = 0; k < n->plan.input_count; k++) {
    const cvy_node *input = n->inputs[k] == CVY_NET_INPUT ? NULL : &net->nodes[n->inputs[k]];
    if (input && input->is_visited && input->dy && !are_finite(input->dy, cvy_shape_count(input->plan.y)))
      return false;
  }
  return true;
}

static cvy_net_fault walk_backward(cvy_net *net, float *grads, const float *images,
                                   const cvy_targets *targets, const cvy_pass *pass) {
  for (int64_t i = net->node_count - 1; i >= net->info.last_visited; i--) {
    if (!net->nodes[i].is_visited) continue;
    const cvy_layer_call call = cvy_net_call(net, i, images, targets, pass);
    cvy_net_backward_through(net, i, grads, &call);
    if (!are_gradients_finite(net, &net->nodes[i], grads)) return (cvy_net_fault){CVY_NET_BAD_GRADIENT, i};
  }
  return sound;
}

static cvy_net_fault walk_again(cvy_net *net, float *grads, const float *images, const cvy_targets *targets,
                                const cvy_pass *pass) {
  const cvy_net_fault forward = walk_forward(net, images, targets, pass);
  if (forward.kind != CVY_NET_SOUND) return forward;
  const cvy_net_fault backward = walk_backward(net, grads, images, targets, pass);
  walk_forward(net, images, targets, pass); /* backward has used up what forward had left for it */
  return backward;
}

/* ---- looking at what is left ---- */

static cvy_net_fault look_at_kept(const cvy_net *net) {
  for (int64_t i = 0; i < net->node_count; i++) {
    const cvy_node *n = &net->nodes[i];
    const bool is_there = n->type->is_loss || cvy_net_is_kept(net, i);
    if (is_there && !is_output_finite(net, n)) return (cvy_net_fault){CVY_NET_BAD_OUTPUT, i};
  }
  return sound;
}

cvy_net_fault cvy_net_find_fault(cvy_net *net, float *grads, const float *images, const cvy_targets *targets,
                                 const cvy_pass *pass) {
  if (!are_finite(images, cvy_shape_count(net->input))) return (cvy_net_fault){CVY_NET_BAD_IMAGES, -1};
  const cvy_net_fault weights = check_params(net);
  if (weights.kind != CVY_NET_SOUND) return weights;
  return net->info.sharded_count > 0 ? look_at_kept(net) : walk_again(net, grads, images, targets, pass);
}
