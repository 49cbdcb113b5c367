/* The walk: forward over the layers, backward the other way. */
#include "base/trace.h"
#include "net/node.h"

#include <stdlib.h>
#include <string.h>

static void fill_info(cvy_net *net) {
  cvy_net_info *info = &net->info;
  cvy_net_layer *layers = cvy_pool_new(net->pool, sizeof *layers * (size_t)net->node_count);
  for (int64_t i = 0; i < net->node_count; i++) {
    const cvy_node *n = &net->nodes[i];
    layers[i] = (cvy_net_layer){.name = n->name,
                                .type = n->type->kind->name,
                                .sliding = n->plan.sliding,
                                .algorithm = n->plan.algorithm ? n->plan.algorithm : "",
                                .input_count = n->plan.input_count,
                                .inputs = n->inputs,
                                .only_in_training = n->only_in_training,
                                .is_loss = n->type->is_loss,
                                .untrainable = n->plan.untrainable,
                                .in_place = n->inputs[0] != CVY_NET_INPUT &&
                                            n->y == net->nodes[n->inputs[0]].y,
                                .y = n->plan.y};
    layers[i].multiply_adds = n->plan.multiply_adds / net->input.n;
    for (int64_t k = 0; k < n->plan.param_count; k++)
      if (n->plan.params[k].averaging == 0) layers[i].param_count += cvy_param_count(&n->plan.params[k]);
    if (n->type->describe) n->type->describe(layers[i].detail, sizeof layers[i].detail, n->config);
    info->multiply_adds += layers[i].multiply_adds;
  }
  info->name = net->name;
  info->input = net->input;
  info->layer_count = net->node_count;
  info->layers = layers;
  const cvy_layer_plan *last = &net->nodes[net->node_count - 1].plan;
  info->class_count = last->class_count;
  info->score_count = last->x[0].c;
}

static cvy_err create(cvy_net **out, const cvy_yaml *description, int64_t microbatch, const cvy_peers *peers,
                      bool unshared) {
  CVY_CHECK(microbatch >= 1);
  cvy_net *net = cvy_new(sizeof *net);
  *out = NULL;
  net->peers = peers;
  net->unshared = unshared;
  net->hasher = cvy_hasher_create();
  cvy_err err = cvy_net_read(net, description, microbatch);
  if (!err) err = cvy_net_place(net);
  if (err) {
    cvy_net_destroy(net);
    return err;
  }
  fill_info(net);
  *out = net;
  return CVY_OK;
}

cvy_err cvy_net_create(cvy_net **out, const cvy_yaml *description, int64_t microbatch) {
  return create(out, description, microbatch, NULL, false);
}

cvy_err cvy_net_create_among(cvy_net **out, const cvy_yaml *description, int64_t microbatch,
                             const cvy_peers *peers) {
  return create(out, description, microbatch, peers, false);
}

cvy_err cvy_net_create_unshared(cvy_net **out, const cvy_yaml *description, int64_t microbatch) {
  return create(out, description, microbatch, NULL, true);
}

void cvy_net_destroy(cvy_net *net) {
  if (!net) return;
  cvy_buffer_destroy(net->param_arena);
  cvy_buffer_destroy(net->activations);
  cvy_buffer_destroy(net->prepared);
  cvy_buffer_destroy(net->kept);
  cvy_buffer_destroy(net->scratch);
  cvy_hasher_destroy(net->hasher);
  cvy_pool_destroy(net->pool);
  free(net);
}

const cvy_net_info *cvy_net_describe(const cvy_net *net) {
  return &net->info;
}

float *cvy_net_params(cvy_net *net) {
  return net->param_arena;
}

void cvy_net_init(cvy_net *net, uint64_t seed) {
  for (int64_t i = 0; i < net->node_count; i++) {
    const cvy_node *n = &net->nodes[i];
    for (int64_t k = 0; k < n->plan.param_count; k++)
      cvy_param_fill(net->param_arena + net->params[n->first_param + k].offset, &n->plan.params[k], seed, i,
                     k);
  }
}

static void add_to_hash(const cvy_net *net, const float *arena, const cvy_net_param *param) {
  const float *from = arena ? arena : net->param_arena;
  cvy_hasher_add(net->hasher, from + param->offset, sizeof(float) * (size_t)param->count);
}

cvy_hash cvy_net_hash(const cvy_net *net, const float *arena) {
  cvy_hasher_reset(net->hasher);
  for (int64_t i = 0; i < net->info.param_tensors; i++) add_to_hash(net, arena, &net->params[i]);
  return cvy_hasher_result(net->hasher);
}

cvy_hash cvy_net_param_hash(const cvy_net *net, const float *arena, int64_t index) {
  cvy_hasher_reset(net->hasher);
  add_to_hash(net, arena, &net->params[index]);
  return cvy_hasher_result(net->hasher);
}

static cvy_layer_call make_call(cvy_net *net, int64_t index, const float *images, const cvy_targets *targets,
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

static void add_losses(cvy_net *net, bool training) {
  memset(net->losses, 0, sizeof *net->losses * (size_t)net->input.n);
  for (int64_t i = 0; i < net->node_count; i++) {
    const cvy_node *n = &net->nodes[i];
    if (!n->type->is_loss || (n->only_in_training && !training)) continue;
    for (int64_t k = 0; k < net->input.n; k++) net->losses[k] += n->losses[k];
  }
}

void cvy_net_forward(cvy_net *net, const float *images, const cvy_targets *targets, const cvy_pass *pass) {
  for (int64_t i = 0; i < net->node_count; i++) {
    if (net->nodes[i].only_in_training && !pass->training) continue;
    const cvy_layer_call call = make_call(net, i, images, targets, pass);
    const int64_t begin_ns = cvy_trace_begin();
    if (!net->nodes[i].is_done_before) net->nodes[i].type->forward(&call);
    cvy_trace_end(begin_ns, CVY_TRACE_FORWARD, net->nodes[i].name, pass->step);
    tell(net, i, false);
  }
  add_losses(net, pass->training);
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

void cvy_net_backward(cvy_net *net, float *grads, const float *images, const cvy_targets *targets,
                      const cvy_pass *pass) {
  for (int64_t i = net->node_count - 1; i >= 0; i--) {
    const cvy_node *n = &net->nodes[i];
    const int64_t begin_ns = cvy_trace_begin();
    cvy_layer_call call = make_call(net, i, images, targets, pass);
    for (int64_t k = 0; k < n->plan.input_count; k++)
      call.dx[k] = n->inputs[k] == CVY_NET_INPUT ? NULL
                   : n->added_dx[k]              ? n->added_dx[k]
                                                 : net->nodes[n->inputs[k]].dy;
    for (int64_t k = 0; k < n->plan.param_count; k++)
      if (!n->plan.params[k].sharded) call.grads[k] = grads + net->params[n->first_param + k].offset;
    n->type->backward(&call);
    for (int64_t k = 0; k < n->plan.input_count; k++)
      if (n->added_dx[k])
        cvy_add_into(net->nodes[n->inputs[k]].dy, n->added_dx[k], cvy_shape_count(n->plan.x[k]));
    cvy_trace_end(begin_ns, CVY_TRACE_BACKWARD, n->name, pass->step);
    tell(net, i, true);
  }
}
