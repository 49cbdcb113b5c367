/* Finds the layers and tensors that the wishes name. */
#include "net/node.h"

#include <fnmatch.h>
#include <string.h>

/* Finds the layer of that name. */
static cvy_err find(int64_t *out, const cvy_net *net, const char *name, const char *what) {
  const char **known = cvy_pool_new(net->pool, sizeof *known * (size_t)net->node_count);
  for (*out = 0; *out < net->node_count; ++*out) {
    known[*out] = net->nodes[*out].name;
    if (strcmp(known[*out], name) == 0) return CVY_OK;
  }
  return cvy_error(CVY_E_INPUT, "network '%s' has no layer '%s' that could %s%s", net->name, name, what,
                   cvy_meant(name, known, net->node_count));
}

static void freeze(cvy_net *net, const char *pattern) {
  for (int64_t i = 0; i < net->node_count; i++)
    if (fnmatch(pattern, net->nodes[i].name, 0) == 0) net->nodes[i].is_frozen = true;
}

bool cvy_net_freezes(const cvy_net *net, const char *tensor) {
  const cvy_net_names *frozen = &net->wishes.frozen;
  for (int64_t i = 0; i < frozen->count; i++)
    if (fnmatch(frozen->names[i], tensor, 0) == 0) return true;
  return false;
}

/* Says that a name which should be frozen is neither a layer's nor a tensor's. */
static cvy_err nothing_to_freeze(const cvy_net *net, int64_t index) {
  const char *name = net->wishes.frozen.names[index];
  const cvy_yaml *at = net->wishes.frozen_at ? net->wishes.frozen_at[index] : NULL;
  const int64_t count = net->node_count + net->info.param_tensors;
  const char **known = cvy_pool_new(net->pool, sizeof *known * (size_t)count);
  for (int64_t i = 0; i < count; i++)
    known[i] = i < net->node_count ? net->nodes[i].name : net->params[i - net->node_count].name;
  const char *text = cvy_pool_format(net->pool, "network '%s' has no layer %s'%s' that could be frozen%s",
                                     net->name, strchr(name, '/') ? "or tensor " : "", name,
                                     cvy_meant(name, known, count));
  return at ? cvy_yaml_error(at, "%s", text) : cvy_error(CVY_E_INPUT, "%s", text);
}

static bool is_known(const cvy_net *net, const char *name) {
  for (int64_t i = 0; i < net->node_count; i++)
    if (strcmp(name, net->nodes[i].name) == 0) return true;
  for (int64_t i = 0; i < net->info.param_tensors; i++)
    if (strcmp(name, net->params[i].name) == 0) return true;
  return false;
}

cvy_err cvy_net_check_frozen(const cvy_net *net) {
  const cvy_net_names *frozen = &net->wishes.frozen;
  for (int64_t i = 0; i < frozen->count; i++)
    if (!strpbrk(frozen->names[i], "*?[") && !is_known(net, frozen->names[i]))
      return nothing_to_freeze(net, i);
  return CVY_OK;
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
  for (int64_t i = 0; i < wishes->frozen.count; i++) freeze(net, wishes->frozen.names[i]);
  if (!wishes->frozen_through) return CVY_OK;
  CVY_TRY(find(&layer, net, wishes->frozen_through, "be frozen, with all that it depends on"));
  freeze_through(net, layer);
  return CVY_OK;
}
