/* A net from a description and wishes, what it tells about itself, and its parameters' values. */
#include "base/count.h"
#include "net/node.h"

#include <stdlib.h>

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
                                .frozen = n->is_frozen && n->plan.param_count > 0,
                                .untrainable = n->plan.untrainable,
                                .in_place = n->y && n->inputs[0] != CVY_NET_INPUT &&
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
  while (info->last_visited < net->node_count && !net->nodes[info->last_visited].is_visited)
    info->last_visited++;
  const cvy_layer_plan *last = &net->nodes[net->node_count - 1].plan;
  info->class_count = last->class_count;
  info->score_count = last->x[0].c;
}

cvy_err cvy_net_create(cvy_net **out, const cvy_yaml *description, int64_t microbatch,
                       const cvy_net_wishes *wishes) {
  CVY_CHECK(microbatch >= 1);
  cvy_net *net = cvy_new(sizeof *net);
  *out = NULL;
  if (wishes) net->wishes = *wishes;
  CVY_CHECK(net->wishes.precision == CVY_NET_FP32);
  CVY_CHECK(net->wishes.purpose == CVY_NET_TRAINING || !(net->wishes.peers || net->wishes.image_gradient));
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

void cvy_net_destroy(cvy_net *net) {
  if (!net) return;
  if (!net->wishes.params_of) cvy_buffer_destroy(net->param_arena);
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

static void add_zeros_to_hash(const cvy_net *net, int64_t count) {
  static const float zeros[1 << 12];
  for (int64_t some; count > 0; count -= some) {
    some = cvy_smaller(count, CVY_COUNT(zeros));
    cvy_hasher_add(net->hasher, zeros, sizeof *zeros * (size_t)some);
  }
}

cvy_hash cvy_net_learnt_hash(const cvy_net *net, const float *arena) {
  cvy_hasher_reset(net->hasher);
  for (int64_t i = 0; i < net->info.param_tensors; i++)
    if (net->params[i].learns)
      add_to_hash(net, arena, &net->params[i]);
    else
      add_zeros_to_hash(net, net->params[i].count);
  return cvy_hasher_result(net->hasher);
}

cvy_hash cvy_net_param_hash(const cvy_net *net, const float *arena, int64_t index) {
  cvy_hasher_reset(net->hasher);
  add_to_hash(net, arena, &net->params[index]);
  return cvy_hasher_result(net->hasher);
}
