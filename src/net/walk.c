/* The walk: forward over the layers, backward the other way. */
#include "base/trace.h"
#include "net/node.h"

#include <string.h>

cvy_layer_call cvy_net_call(cvy_net *net, int64_t index, const float *images, const cvy_targets *targets,
                            const cvy_pass *pass) {
  const cvy_node *n = &net->nodes[index];
  cvy_layer_call call = {.config = n->config,
                         .plan = &n->plan,
                         .layer_index = index,
                         .pass = pass,
                         .y = n->y,
                         .dy = n->dy,
                         .state = n->state,
                         .rectify = n->rectifies,
                         .prepared = n->prepared,
                         .kept = n->kept,
                         .scratch = net->scratch,
                         .targets = targets,
                         .losses = n->losses};
  for (int64_t k = 0; k < n->plan.input_count; k++)
    call.x[k] = n->inputs[k] == CVY_NET_INPUT ? images : net->nodes[n->inputs[k]].y;
  for (int64_t k = 0; k < n->plan.param_count; k++)
    call.params[k] = net->param_arena + net->params[n->first_param + k].offset;
  return call;
}

void cvy_net_observe(cvy_net *net, const cvy_net_observer *observer) {
  net->observer = observer;
}

static void tell(const cvy_net *net, int64_t index, bool backward) {
  if (net->observer) net->observer->done(net->observer->context, index, backward);
}

void cvy_net_add_losses(cvy_net *net, bool training) {
  memset(net->losses, 0, sizeof *net->losses * (size_t)net->input.n);
  for (int64_t i = 0; i < net->node_count; i++) {
    const cvy_node *n = &net->nodes[i];
    if (!n->type->is_loss || (n->only_in_training && !training)) continue;
    for (int64_t k = 0; k < net->input.n; k++) net->losses[k] += n->losses[k];
  }
}

/* Returns the step's number as people count, from 1; -1 for an evaluation, which is no step. */
static int64_t traced_step(const cvy_pass *pass) {
  return pass->training ? pass->step + 1 : -1;
}

void cvy_net_forward(cvy_net *net, const float *images, const cvy_targets *targets, const cvy_pass *pass) {
  CVY_CHECK(!pass->training || net->wishes.purpose == CVY_NET_TRAINING);
  for (int64_t i = 0; i < net->node_count; i++) {
    if (net->nodes[i].is_left_out && !pass->training) continue;
    const cvy_layer_call call = cvy_net_call(net, i, images, targets, pass);
    const int64_t begin_ns = cvy_trace_begin();
    if (!net->nodes[i].is_done_before) net->nodes[i].type->forward(&call);
    cvy_trace_end(begin_ns, CVY_TRACE_FORWARD, net->nodes[i].name, traced_step(pass));
    tell(net, i, false);
  }
  cvy_net_add_losses(net, pass->training);
}

const double *cvy_net_losses(const cvy_net *net) {
  return net->losses;
}

const float *cvy_net_logits(const cvy_net *net) {
  return net->nodes[net->nodes[net->node_count - 1].inputs[0]].y;
}

const float *cvy_net_probabilities(const cvy_net *net) {
  return net->nodes[net->node_count - 1].y;
}

double cvy_net_loss_of(const cvy_net *net, const double *probabilities, int32_t label) {
  const cvy_node *last = &net->nodes[net->node_count - 1];
  return last->type->loss_of(last->config, probabilities, last->plan.y.c, label);
}

const float *cvy_net_output(const cvy_net *net, int64_t layer) {
  CVY_CHECK(layer >= 0 && layer < net->node_count && (net->nodes[layer].stays || net->wishes.unshared));
  return net->nodes[layer].y;
}

const float *cvy_net_image_gradient(const cvy_net *net) {
  CVY_CHECK(net->image_gradient);
  return net->image_gradient;
}

const float *cvy_net_output_gradient(const cvy_net *net, int64_t layer) {
  CVY_CHECK(layer >= 0 && layer < net->node_count && net->wishes.unshared);
  return net->nodes[layer].dy;
}

/* Returns where the gradient of a value goes; NULL where nobody needs it. */
static float *gradient_of(const cvy_net *net, int64_t value) {
  if (value == CVY_NET_INPUT) return net->image_gradient;
  return net->nodes[value].is_visited ? net->nodes[value].dy : NULL;
}

static void add_gradients(const cvy_net *net, const cvy_node *n) {
  for (int64_t k = 0; k < n->plan.input_count; k++)
    if (n->added_dx[k])
      cvy_add_into(gradient_of(net, n->inputs[k]), n->added_dx[k], cvy_shape_count(n->plan.x[k]));
}

/* Gives gradients of zero to a layer whose loss does not count. */
static void give_zeros(const cvy_layer_call *call) {
  const cvy_layer_plan *plan = call->plan;
  for (int64_t k = 0; k < plan->input_count; k++)
    if (call->dx[k]) memset(call->dx[k], 0, sizeof(float) * (size_t)cvy_shape_count(plan->x[k]));
  for (int64_t k = 0; k < plan->param_count; k++)
    if (call->grads[k]) memset(call->grads[k], 0, sizeof(float) * (size_t)cvy_param_count(&plan->params[k]));
}

void cvy_net_backward_through(cvy_net *net, int64_t index, float *grads, const cvy_layer_call *forward) {
  const cvy_node *n = &net->nodes[index];
  cvy_layer_call call = *forward;
  for (int64_t k = 0; k < n->plan.input_count; k++)
    call.dx[k] = n->added_dx[k] ? n->added_dx[k] : gradient_of(net, n->inputs[k]);
  for (int64_t k = 0; k < n->plan.param_count; k++)
    if (cvy_net_is_replicated(&net->params[n->first_param + k]))
      call.grads[k] = grads + net->params[n->first_param + k].offset;
  if (n->only_in_training && !call.pass->training)
    give_zeros(&call);
  else
    n->type->backward(&call);
  add_gradients(net, n);
}

void cvy_net_statistics(cvy_net *net, float *grads, const float *images, const cvy_targets *targets,
                        const cvy_pass *pass) {
  CVY_CHECK(pass->training);
  for (int64_t i = 0; i < net->node_count; i++) {
    const cvy_node *n = &net->nodes[i];
    if (!n->type->statistics || !n->plan.learns) continue;
    cvy_layer_call call = cvy_net_call(net, i, images, targets, pass);
    for (int64_t k = 0; k < n->plan.param_count; k++)
      call.grads[k] = grads + net->params[n->first_param + k].offset;
    n->type->statistics(&call);
  }
}

void cvy_net_backward(cvy_net *net, float *grads, const float *images, const cvy_targets *targets,
                      const cvy_pass *pass) {
  CVY_CHECK(net->wishes.purpose == CVY_NET_TRAINING);
  for (int64_t i = net->node_count - 1; i >= net->info.last_visited; i--) {
    const cvy_node *n = &net->nodes[i];
    if (!n->is_visited) continue;
    const int64_t begin_ns = cvy_trace_begin();
    const cvy_layer_call call = cvy_net_call(net, i, images, targets, pass);
    cvy_net_backward_through(net, i, grads, &call);
    cvy_trace_end(begin_ns, CVY_TRACE_BACKWARD, n->name, traced_step(pass));
    tell(net, i, true);
  }
}
