/* Where everything lies: the parameter arena, the activation memory by lifetimes, the scratch.
 *
 * The lifetimes have a clock: layer i runs forward at moment i and backward at moment 2L-1-i, if backward
 * visits it. Layers that work in place share one value, and one gradient, with the layer before them. */
#include "base/count.h"
#include "net/node.h"

/* The plan of one purpose. For evaluation it has forward's moments only. */
typedef struct places {
  const cvy_net *net;
  bool training;
  int64_t *value_of;   /* layer -> the layer whose value buffer it uses */
  cvy_lifetime *lives; /* LIVES a layer, then the images' gradient; bytes 0 where there is none */
  int64_t life_count;
} places;

/* The places of a layer. From ADDED on there is one for the gradient of each input that others read too. */
enum { VALUE, GRADIENT, STATE, ADDED, LIVES = ADDED + CVY_MAX_INPUTS };

static cvy_lifetime *life_of(const places *p, int64_t layer, int64_t which) {
  return &p->lives[layer * LIVES + which];
}

static cvy_lifetime *image_gradient_of(const places *p) {
  return &p->lives[p->net->node_count * LIVES];
}

/* Returns the first moment of backward. Results are read just before it. */
static int64_t turn_of(const cvy_net *net) {
  return net->node_count;
}

static int64_t backward_moment(const cvy_net *net, int64_t layer) {
  return 2 * net->node_count - 1 - layer;
}

static int64_t end_of(const cvy_net *net) {
  return 2 * net->node_count;
}

static bool runs(const places *p, const cvy_node *n) {
  return p->training || !n->is_left_out;
}

static bool is_visited(const places *p, const cvy_node *n) {
  return p->training && n->is_visited;
}

static bool is_read_by_others(const places *p, int64_t value, int64_t reader) {
  for (int64_t other = 0; other < p->net->node_count; other++) {
    const cvy_node *n = &p->net->nodes[other];
    for (int64_t k = 0; k < n->plan.input_count && runs(p, n); k++)
      if ((other != reader || k > 0) && n->inputs[k] == value) return true;
  }
  return false;
}

/* Tells whether a layer can work in place. It can when nobody else reads the input's value, neither forward
 * nor backward. The layer that made it, and those that handed it on in place, may read its sign if the layer
 * keeps signs. */
static bool can_share(const places *p, int64_t layer) {
  const cvy_node *nodes = p->net->nodes, *n = &nodes[layer];
  const int64_t input = n->inputs[0];
  if (!n->plan.in_place || input == CVY_NET_INPUT || p->net->wishes.unshared) return false;
  if (nodes[input].stays || is_read_by_others(p, input, layer)) return false;
  for (int64_t maker = input;; maker = nodes[maker].inputs[0]) {
    const cvy_layer_plan *plan = &nodes[maker].plan;
    const bool read_again = is_visited(p, &nodes[maker]) && plan->backward_reads_y;
    if (read_again && !(plan->signs_of_y_suffice && n->plan.keeps_signs)) return false;
    if (p->value_of[maker] == maker) return true;
  }
}

static void live(cvy_lifetime *life, size_t bytes, int64_t first, int64_t last) {
  const bool born = life->bytes > 0;
  if (bytes > life->bytes) life->bytes = bytes;
  if (!born || first < life->first) life->first = first;
  if (!born || last > life->last) life->last = last;
}

static size_t bytes_of(cvy_shape shape) {
  return sizeof(float) * (size_t)cvy_shape_count(shape);
}

static void collect_forward(places *p, int64_t layer) {
  const cvy_net *net = p->net;
  const cvy_node *n = &net->nodes[layer];
  const bool is_visited_later = is_visited(p, n);
  const int64_t backward = backward_moment(net, layer);
  cvy_lifetime *value = life_of(p, p->value_of[layer], VALUE);
  live(value, bytes_of(n->plan.y), layer, is_visited_later && n->plan.backward_reads_y ? backward : layer);
  if (n->stays) live(value, 1, layer, end_of(net));
  if (n->plan.state_bytes && (p->training || !n->plan.state_is_for_backward))
    live(life_of(p, layer, STATE), n->plan.state_bytes, layer, is_visited_later ? backward : layer);
  for (int64_t k = 0; k < n->plan.input_count; k++) {
    if (n->inputs[k] == CVY_NET_INPUT) continue;
    int64_t last = n->type->is_loss ? turn_of(net) : layer;
    if (is_visited_later && n->plan.backward_reads_x) last = backward;
    live(life_of(p, p->value_of[n->inputs[k]], VALUE), 1, layer, last);
  }
}

static void collect_gradients(places *p, int64_t layer) {
  const cvy_net *net = p->net;
  const cvy_node *n = &net->nodes[layer];
  const int64_t backward = backward_moment(net, layer);
  if (!n->type->is_loss)
    live(life_of(p, p->value_of[layer], GRADIENT), bytes_of(n->plan.y), backward, backward);
  for (int64_t k = 0; k < n->plan.input_count; k++) {
    const int64_t input = n->inputs[k];
    if (input == CVY_NET_INPUT && net->wishes.image_gradient)
      live(image_gradient_of(p), bytes_of(net->input), backward, end_of(net));
    if (input != CVY_NET_INPUT && net->nodes[input].is_visited)
      live(life_of(p, p->value_of[input], GRADIENT), 1, backward, backward);
  }
}

/* Backward goes from the last layer up. The first reader that it meets writes the gradient of a value; what
 * the others find is written beside it and added, always in this order. */
static void collect_additions(places *p, bool *written) {
  const cvy_net *net = p->net;
  for (int64_t i = net->node_count - 1; i >= 0; i--) {
    const cvy_node *n = &net->nodes[i];
    for (int64_t k = 0; k < n->plan.input_count && n->is_visited; k++) {
      const int64_t input = n->inputs[k], backward = backward_moment(net, i);
      const bool wanted = input == CVY_NET_INPUT ? net->wishes.image_gradient : net->nodes[input].is_visited;
      bool *is_written = &written[input == CVY_NET_INPUT ? net->node_count : input];
      if (wanted && *is_written) live(life_of(p, i, ADDED + k), bytes_of(n->plan.x[k]), backward, backward);
      *is_written = true;
    }
  }
}

static places collect(const cvy_net *net, bool training) {
  const int64_t count = net->node_count;
  places p = {.net = net, .training = training, .life_count = count * LIVES + 1};
  p.value_of = cvy_pool_new(net->pool, sizeof *p.value_of * (size_t)count);
  p.lives = cvy_pool_new(net->pool, sizeof *p.lives * (size_t)p.life_count);
  for (int64_t i = 0; i < count; i++) {
    if (!runs(&p, &net->nodes[i])) continue;
    p.value_of[i] = can_share(&p, i) ? p.value_of[net->nodes[i].inputs[0]] : i;
    collect_forward(&p, i);
    if (is_visited(&p, &net->nodes[i])) collect_gradients(&p, i);
  }
  if (training) collect_additions(&p, cvy_pool_new(net->pool, sizeof(bool) * (size_t)(count + 1)));
  for (int64_t i = 0; net->wishes.unshared && i < p.life_count; i++)
    p.lives[i].first = 0, p.lives[i].last = end_of(net);
  return p;
}

static void *memory_at(const cvy_net *net, const cvy_lifetime *life) {
  return life->bytes > 0 ? (char *)net->activations + life->offset : NULL;
}

static void place_node(const places *p, cvy_net *net, int64_t layer) {
  cvy_node *n = &net->nodes[layer];
  if (!runs(p, n)) return;
  n->y = memory_at(net, life_of(p, p->value_of[layer], VALUE));
  if (is_visited(p, n) && !n->type->is_loss) n->dy = memory_at(net, life_of(p, p->value_of[layer], GRADIENT));
  n->state = memory_at(net, life_of(p, layer, STATE));
  for (int64_t k = 0; k < n->plan.input_count; k++)
    n->added_dx[k] = memory_at(net, life_of(p, layer, ADDED + k));
}

bool cvy_net_is_kept(const cvy_net *net, int64_t layer) {
  const cvy_node *n = &net->nodes[layer];
  for (int64_t i = VALUE; n->y && i < net->node_count * LIVES; i += LIVES) {
    const cvy_lifetime *life = &net->lives[i];
    if (life->bytes > 0 && memory_at(net, life) == n->y && life->first <= layer && life->last >= layer)
      return life->last >= turn_of(net);
  }
  return false;
}

static cvy_err place_activations(cvy_net *net) {
  const places forward = collect(net, false);
  const places p = net->wishes.purpose == CVY_NET_TRAINING ? collect(net, true) : forward;
  net->lives = p.lives;
  net->life_count = p.life_count;
  for (int64_t i = 0; i < p.life_count; i++)
    net->info.activation_bytes_unshared += cvy_aligned(p.lives[i].bytes);
  net->info.forward_bytes = cvy_memory_plan(forward.lives, forward.life_count);
  net->info.activation_bytes = cvy_memory_plan(p.lives, p.life_count);
  CVY_TRY(cvy_buffer_create(&net->activations, net->info.activation_bytes, "the activations"));
  for (int64_t i = 0; i < net->node_count; i++) place_node(&p, net, i);
  net->image_gradient = memory_at(net, image_gradient_of(&p));
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
      *param = (cvy_net_param){cvy_pool_format(net->pool, "%s/%s", n->name, spec->name),
                               spec,
                               0,
                               cvy_param_count(spec),
                               i,
                               n->is_frozen || (spec->averaging > 0 && n->has_fixed_statistics),
                               false,
                               false};
      if (spec->averaging == 0) cvy_net_mark_tensor(net, n, param);
      if (spec->averaging > 0)
        net->info.average_count += param->count;
      else
        net->info.param_count += param->count;
      if (!param->learns && spec->averaging == 0) net->info.frozen_count += param->count;
      if (spec->sharded) net->info.sharded_count += param->count;
    }
  }
  net->info.param_tensors = tensors;
  net->info.params = net->params;
}

enum { LINE = 16 }; /* floats of a cache line */

typedef bool (*selection)(const cvy_net_param *param);

static bool is_sharded(const cvy_net_param *param) {
  return param->spec->sharded;
}

static bool is_frozen(const cvy_net_param *param) {
  return param->frozen;
}

/* Gives the parameters that are meant their offsets, and returns where the next ones begin. */
static int64_t place_params_that(cvy_net *net, selection are_meant, int64_t offset) {
  for (int64_t i = 0; i < net->info.param_tensors; i++) {
    cvy_net_param *param = &net->params[i];
    if (!are_meant(param)) continue;
    param->offset = offset;
    offset += cvy_pieces(param->count, LINE) * LINE;
  }
  return offset;
}

static void take_params_of(cvy_net *net, const cvy_net *other) {
  CVY_CHECK(net->info.param_tensors == other->info.param_tensors);
  for (int64_t i = 0; i < net->info.param_tensors; i++) {
    const cvy_net_param *own = &net->params[i], *theirs = &other->params[i];
    CVY_CHECK(own->offset == theirs->offset && own->count == theirs->count, "'%s' is not '%s'", own->name,
              theirs->name);
  }
  net->param_arena = other->param_arena;
}

static cvy_err place_params(cvy_net *net) {
  list_params(net);
  CVY_TRY(cvy_net_check_frozen(net));
  net->info.replicated_count = place_params_that(net, cvy_net_is_replicated, 0);
  if (net->info.replicated_count == 0 && net->info.sharded_count > 0)
    net->info.replicated_count = LINE; /* an exchange of nothing is none */
  net->info.learnt_count = place_params_that(net, is_sharded, net->info.replicated_count);
  net->info.arena_count = place_params_that(net, is_frozen, net->info.learnt_count);
  if (net->wishes.params_of) {
    take_params_of(net, net->wishes.params_of);
    return CVY_OK;
  }
  void *arena;
  CVY_TRY(cvy_buffer_create(&arena, sizeof(float) * (size_t)net->info.arena_count, "the parameters"));
  net->param_arena = arena;
  return CVY_OK;
}

/* Lets each relu that works in place on what only a convolution has written ride along with it. */
static void join_relus(cvy_net *net) {
  for (int64_t i = 0; i < net->node_count; i++) {
    cvy_node *relu = &net->nodes[i];
    if (!relu->type->rectifies || !relu->y || relu->inputs[0] == CVY_NET_INPUT) continue;
    cvy_node *maker = &net->nodes[relu->inputs[0]];
    relu->is_done_before = maker->rectifies = maker->plan.can_rectify && maker->y == relu->y;
  }
}

/* Tells whether a layer never runs, as the layers that a net for evaluation leaves out. */
static bool never_runs(const cvy_net *net, const cvy_node *n) {
  return net->wishes.purpose == CVY_NET_EVALUATION && n->is_left_out;
}

static cvy_err place_prepared(cvy_net *net) {
  size_t bytes = 0;
  for (int64_t i = 0; i < net->node_count; i++)
    if (!never_runs(net, &net->nodes[i])) bytes += cvy_aligned(net->nodes[i].plan.prepared_bytes);
  net->info.prepared_bytes = bytes;
  CVY_TRY(cvy_buffer_create(&net->prepared, bytes, "the transformed filters"));
  char *next = net->prepared;
  for (int64_t i = 0; i < net->node_count; i++) {
    if (never_runs(net, &net->nodes[i])) continue;
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
    if (bytes > most && !never_runs(net, &net->nodes[i])) most = bytes;
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
