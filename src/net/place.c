/* Where everything lies: the parameter arena, the activation memory by lifetimes, the scratch.
 *
 * The clock of the lifetimes: layer i runs forward at moment i and backward at moment 2L-1-i. Layers that
 * work in place share one value, and one gradient, with the layer before them. */
#include "net/node.h"

typedef struct places {
  int64_t *value_of;   /* layer -> the layer whose value buffer it uses */
  cvy_lifetime *lives; /* LIVES a layer; bytes 0 where there is none */
} places;

/* From ADDED on: a place for the gradient of each input that has other readers too. */
enum { VALUE, GRADIENT, STATE, ADDED, LIVES = ADDED + CVY_MAX_INPUTS };

static int64_t backward_moment(const cvy_net *net, int64_t layer) {
  return 2 * net->node_count - 1 - layer;
}

static bool is_read_by_others(const cvy_net *net, int64_t value, int64_t reader) {
  for (int64_t other = 0; other < net->node_count; other++)
    for (int64_t k = 0; k < net->nodes[other].plan.input_count; k++)
      if ((other != reader || k > 0) && net->nodes[other].inputs[k] == value) return true;
  return false;
}

/* In place is possible when nobody else reads the input's value, neither forward nor backward: not the layer that made
 * it, nor one that handed it on in place, unless its sign is all that is read. */
static bool can_share(const places *p, const cvy_net *net, int64_t layer) {
  const cvy_node *n = &net->nodes[layer];
  const int64_t input = n->inputs[0];
  if (!n->plan.in_place || input == CVY_NET_INPUT || is_read_by_others(net, input, layer)) return false;
  for (int64_t maker = input;; maker = net->nodes[maker].inputs[0]) {
    const cvy_layer_plan *plan = &net->nodes[maker].plan;
    if (plan->backward_reads_y && !(plan->signs_of_y_suffice && n->plan.keeps_signs)) return false;
    if (p->value_of[maker] == maker) return true;
  }
}

static void live(cvy_lifetime *life, size_t bytes, int64_t first, int64_t last) {
  const bool born = life->bytes > 0;
  if (bytes > life->bytes) life->bytes = bytes;
  if (!born || first < life->first) life->first = first;
  if (!born || last > life->last) life->last = last;
}

/* Backward goes from the last layer up. The first reader that it meets writes the gradient of a value; what the others
 * find is written beside it and added, always in this order. */
static void collect_additions(places *p, const cvy_net *net) {
  bool *written = cvy_pool_new(net->pool, sizeof *written * (size_t)net->node_count);
  for (int64_t i = net->node_count - 1; i >= 0; i--) {
    const cvy_node *n = &net->nodes[i];
    for (int64_t k = 0; k < n->plan.input_count; k++) {
      const int64_t input = n->inputs[k], backward = backward_moment(net, i);
      if (input == CVY_NET_INPUT) continue;
      const size_t bytes = sizeof(float) * (size_t)cvy_shape_count(n->plan.x[k]);
      if (written[input]) live(&p->lives[i * LIVES + ADDED + k], bytes, backward, backward);
      written[input] = true;
    }
  }
}

static void collect_lifetimes(places *p, const cvy_net *net) {
  const int64_t turn = net->node_count; /* the first moment of backward: results are read just before it */
  for (int64_t i = 0; i < net->node_count; i++) {
    const cvy_node *n = &net->nodes[i];
    const int64_t forward = i, backward = backward_moment(net, i);
    p->value_of[i] = !net->unshared && can_share(p, net, i) ? p->value_of[n->inputs[0]] : i;
    const size_t bytes = sizeof(float) * (size_t)cvy_shape_count(n->plan.y);
    cvy_lifetime *value = &p->lives[p->value_of[i] * LIVES + VALUE];
    live(value, bytes, forward, n->plan.backward_reads_y ? backward : forward);
    if (!n->type->is_loss) live(&p->lives[p->value_of[i] * LIVES + GRADIENT], bytes, backward, backward);
    if (n->plan.state_bytes) live(&p->lives[i * LIVES + STATE], n->plan.state_bytes, forward, backward);
    for (int64_t k = 0; k < n->plan.input_count; k++) {
      if (n->inputs[k] == CVY_NET_INPUT) continue;
      const int64_t from = p->value_of[n->inputs[k]];
      const int64_t read_until = n->plan.backward_reads_x ? backward : n->type->is_loss ? turn : forward;
      live(&p->lives[from * LIVES + VALUE], 1, forward, read_until);
      live(&p->lives[from * LIVES + GRADIENT], 1, backward, backward);
    }
  }
}

/* The plan of a net that never runs backward: values and states live as forward alone uses them. */
static size_t plan_forward(const places *p, const cvy_net *net) {
  const int64_t turn = net->node_count;
  cvy_lifetime *values = cvy_pool_new(net->pool, sizeof *values * 2 * (size_t)net->node_count);
  cvy_lifetime *states = values + net->node_count;
  for (int64_t i = 0; i < net->node_count; i++) {
    const cvy_node *n = &net->nodes[i];
    if (n->only_in_training) continue;
    live(&values[p->value_of[i]], sizeof(float) * (size_t)cvy_shape_count(n->plan.y), i, i);
    if (n->plan.state_bytes) live(&states[i], n->plan.state_bytes, i, i);
    for (int64_t k = 0; k < n->plan.input_count; k++)
      if (n->inputs[k] != CVY_NET_INPUT)
        live(&values[p->value_of[n->inputs[k]]], 1, i, n->type->is_loss ? turn : i);
  }
  return cvy_memory_plan(values, 2 * net->node_count);
}

static void live_always(places *p, const cvy_net *net) {
  for (int64_t i = 0; i < net->node_count * LIVES; i++)
    p->lives[i].first = 0, p->lives[i].last = 2 * net->node_count;
}

static cvy_err place_activations(cvy_net *net) {
  const size_t count = (size_t)net->node_count;
  places p = {.value_of = cvy_pool_new(net->pool, sizeof *p.value_of * count),
              .lives = cvy_pool_new(net->pool, sizeof *p.lives * count * LIVES)};
  collect_lifetimes(&p, net);
  collect_additions(&p, net);
  if (net->unshared) live_always(&p, net);
  net->lives = p.lives;
  net->life_count = net->node_count * LIVES;
  for (int64_t i = 0; i < net->life_count; i++)
    net->info.activation_bytes_unshared += cvy_aligned(p.lives[i].bytes);
  net->info.activation_bytes = cvy_memory_plan(net->lives, net->life_count);
  net->info.forward_bytes = plan_forward(&p, net);
  CVY_TRY(cvy_buffer_create(&net->activations, net->info.activation_bytes, "the activations"));
  for (int64_t i = 0; i < net->node_count; i++) {
    cvy_node *n = &net->nodes[i];
    char *memory = net->activations;
    n->y = (float *)(memory + p.lives[p.value_of[i] * LIVES + VALUE].offset);
    n->dy = n->type->is_loss ? NULL : (float *)(memory + p.lives[p.value_of[i] * LIVES + GRADIENT].offset);
    n->state = memory + p.lives[i * LIVES + STATE].offset;
    for (int64_t k = 0; k < n->plan.input_count; k++) {
      const cvy_lifetime *added = &p.lives[i * LIVES + ADDED + k];
      if (added->bytes > 0) n->added_dx[k] = (float *)(memory + added->offset);
    }
  }
  return CVY_OK;
}

static void list_params(cvy_net *net) {
  int64_t tensors = 0, index = 0;
  for (int64_t i = 0; i < net->node_count; i++) tensors += net->nodes[i].plan.param_count;
  net->params = cvy_pool_new(net->pool, sizeof *net->params * (size_t)tensors);
  for (int64_t i = 0; i < net->node_count; i++) {
    cvy_node *n = &net->nodes[i];
    n->first_param = index;
    for (int64_t k = 0; k < n->plan.param_count; k++) {
      cvy_net_param *param = &net->params[index++];
      const cvy_param_spec *spec = &n->plan.params[k];
      *param = (cvy_net_param){cvy_pool_format(net->pool, "%s/%s", n->name, spec->name), spec, 0,
                               cvy_param_count(spec), i};
      if (spec->averaging > 0)
        net->info.average_count += param->count;
      else
        net->info.param_count += param->count;
      if (spec->sharded) net->info.sharded_count += param->count;
    }
  }
  net->info.param_tensors = tensors;
  net->info.params = net->params;
}

enum { LINE = 16 }; /* floats of a cache line */

/* Where the next ones begin. */
static int64_t place_params_that(cvy_net *net, bool are_sharded, int64_t offset) {
  for (int64_t i = 0; i < net->info.param_tensors; i++) {
    cvy_net_param *param = &net->params[i];
    if (param->spec->sharded != are_sharded) continue;
    param->offset = offset;
    offset += (param->count + LINE - 1) / LINE * LINE;
  }
  return offset;
}

static cvy_err place_params(cvy_net *net) {
  list_params(net);
  net->info.replicated_count = place_params_that(net, false, 0);
  if (net->info.replicated_count == 0 && net->info.sharded_count > 0)
    net->info.replicated_count = LINE; /* an exchange of nothing is none */
  net->info.arena_count = place_params_that(net, true, net->info.replicated_count);
  void *arena;
  CVY_TRY(cvy_buffer_create(&arena, sizeof(float) * (size_t)net->info.arena_count, "the parameters"));
  net->param_arena = arena;
  return CVY_OK;
}

/* A relu that works in place on what only a convolution has written rides along with it. */
static void join_relus(cvy_net *net) {
  for (int64_t i = 0; i < net->node_count; i++) {
    cvy_node *relu = &net->nodes[i];
    if (!relu->type->rectifies || relu->inputs[0] == CVY_NET_INPUT) continue;
    cvy_node *maker = &net->nodes[relu->inputs[0]];
    relu->is_done_before = maker->rectifies = maker->plan.can_rectify && maker->y == relu->y;
  }
}

static cvy_err place_prepared(cvy_net *net) {
  size_t bytes = 0;
  for (int64_t i = 0; i < net->node_count; i++) bytes += cvy_aligned(net->nodes[i].plan.prepared_bytes);
  net->info.prepared_bytes = bytes;
  CVY_TRY(cvy_buffer_create(&net->prepared, bytes, "the transformed filters"));
  char *next = net->prepared;
  for (int64_t i = 0; i < net->node_count; i++) {
    net->nodes[i].prepared = next;
    next += cvy_aligned(net->nodes[i].plan.prepared_bytes);
  }
  return CVY_OK;
}

static cvy_err place_kept(cvy_net *net) {
  size_t bytes = 0;
  for (int64_t i = 0; i < net->node_count; i++) bytes += cvy_aligned(net->nodes[i].plan.kept_bytes);
  net->info.kept_bytes = bytes;
  CVY_TRY(cvy_buffer_create(&net->kept, bytes, "what layers that are split over ranks keep"));
  char *next = net->kept;
  for (int64_t i = 0; i < net->node_count; i++) {
    net->nodes[i].kept = next;
    next += cvy_aligned(net->nodes[i].plan.kept_bytes);
  }
  return CVY_OK;
}

static cvy_err place_scratch(cvy_net *net) {
  size_t most = 0;
  for (int64_t i = 0; i < net->node_count; i++) {
    const cvy_layer_plan *plan = &net->nodes[i].plan;
    const size_t bytes = cvy_aligned(plan->scratch_bytes) +
                         (size_t)cvy_threads() * cvy_aligned(plan->scratch_bytes_per_thread);
    if (bytes > most) most = bytes;
  }
  net->info.scratch_bytes = most;
  return cvy_buffer_create(&net->scratch, most, "the layers' scratch");
}

cvy_err cvy_net_place(cvy_net *net) {
  CVY_TRY(place_params(net));
  CVY_TRY(place_activations(net));
  const size_t losses_bytes = sizeof *net->losses * (size_t)net->input.n;
  net->losses = cvy_pool_new(net->pool, losses_bytes);
  for (int64_t i = 0; i < net->node_count; i++)
    if (net->nodes[i].type->is_loss) net->nodes[i].losses = cvy_pool_new(net->pool, losses_bytes);
  join_relus(net);
  CVY_TRY(place_prepared(net));
  CVY_TRY(place_kept(net));
  return place_scratch(net);
}
