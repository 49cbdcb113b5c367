/* Finds the layers that the wishes name. */
#include "net/node.h"

#include <fnmatch.h>
#include <string.h>

static cvy_err find(int64_t *out, const cvy_net *net, const char *name, const char *what) {
  const char **known = cvy_pool_new(net->pool, sizeof *known * (size_t)net->node_count);
  for (*out = 0; *out < net->node_count; ++*out) {
    known[*out] = net->nodes[*out].name;
    if (strcmp(known[*out], name) == 0) return CVY_OK;
  }
  return cvy_error(CVY_E_INPUT, "network '%s' has no layer '%s' that could %s%s", net->name, name, what,
                   cvy_meant(name, known, net->node_count));
}

/* Freezes the layers whose names match. A name that is no pattern must be a layer's. */
static cvy_err freeze(cvy_net *net, const char *pattern) {
  int64_t first;
  bool found = false;
  for (int64_t i = 0; i < net->node_count; i++) {
    if (fnmatch(pattern, net->nodes[i].name, 0) != 0) continue;
    net->nodes[i].is_frozen = found = true;
  }
  return found || strpbrk(pattern, "*?[") ? CVY_OK : find(&first, net, pattern, "be frozen");
}

/* Freezes the layer, and all layers that its output depends on. */
static void freeze_through(cvy_net *net, int64_t last) {
  bool *leads = cvy_pool_new(net->pool, sizeof *leads * (size_t)net->node_count);
  leads[last] = true;
  for (int64_t i = last; i >= 0; i--) {
    const cvy_node *n = &net->nodes[i];
    if (!leads[i]) continue;
    net->nodes[i].is_frozen = true;
    for (int64_t k = 0; k < n->plan.input_count; k++)
      if (n->inputs[k] != CVY_NET_INPUT) leads[n->inputs[k]] = true;
  }
}

cvy_err cvy_net_mark(cvy_net *net) {
  const cvy_net_wishes *wishes = &net->wishes;
  int64_t layer;
  for (int64_t i = 0; i < wishes->outputs.count; i++) {
    CVY_TRY(find(&layer, net, wishes->outputs.names[i], "keep its output"));
    net->nodes[layer].stays = true;
  }
  for (int64_t i = 0; i < wishes->frozen.count; i++) CVY_TRY(freeze(net, wishes->frozen.names[i]));
  if (!wishes->frozen_through) return CVY_OK;
  CVY_TRY(find(&layer, net, wishes->frozen_through, "be frozen, with all that it depends on"));
  freeze_through(net, layer);
  return CVY_OK;
}
