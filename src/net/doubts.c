/* Finds what a description allows but hardly means, because the network would train badly. Networks that come
 * from elsewhere often end with a softmax, which is part of the loss here. */
#include "net/node.h"

/* Returns the layer that makes the numbers which `n` reads, past layers that only hand them on; NULL if they
 * are the image's. */
static const cvy_node *maker_of(const cvy_net *net, const cvy_node *n) {
  int64_t at = n->inputs[0];
  while (at != CVY_NET_INPUT && net->nodes[at].type->hands_on) at = net->nodes[at].inputs[0];
  return at == CVY_NET_INPUT ? NULL : &net->nodes[at];
}

static void note(cvy_net_doubts *out, cvy_pool *pool, const cvy_node *n, const char *text) {
  const char **more = cvy_pool_new(pool, sizeof *more * (size_t)(out->count + 1));
  for (int64_t i = 0; i < out->count; i++) more[i] = out->texts[i];
  more[out->count++] = cvy_pool_format(pool, "%s:%d:%d: %s", n->at->file, n->at->line, n->at->column, text);
  out->texts = more;
}

static void look_at(cvy_net_doubts *out, cvy_pool *pool, const cvy_net *net, const cvy_node *n) {
  const cvy_node *maker = n->plan.input_count == 1 ? maker_of(net, n) : NULL;
  if (!maker || !maker->type->on_scores) return;
  if (n->type->is_loss)
    note(out, pool, maker,
         cvy_pool_format(pool,
                         "layer '%s' %s before the loss '%s' sees them, which makes probabilities of scores "
                         "itself: leave '%s' out",
                         maker->name, maker->type->on_scores, n->name, maker->name));
  else if (n->type == maker->type)
    note(out, pool, n,
         cvy_pool_format(pool, "layer '%s' does once more what '%s' has done: leave one of them out", n->name,
                         maker->name));
}

cvy_net_doubts cvy_net_find_doubts(const cvy_net *net, cvy_pool *pool) {
  cvy_net_doubts out = {0};
  for (int64_t i = 0; i < net->node_count; i++) look_at(&out, pool, net, &net->nodes[i]);
  return out;
}

void cvy_net_warn(const cvy_net *net) {
  cvy_pool *pool = cvy_pool_create();
  const cvy_net_doubts doubts = cvy_net_find_doubts(net, pool);
  for (int64_t i = 0; i < doubts.count; i++) cvy_warn("%s", doubts.texts[i]);
  cvy_pool_destroy(pool);
}
