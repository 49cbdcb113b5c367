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

static bool matches_one(const cvy_net_names *names, const char *name) {
  for (int64_t i = 0; i < names->count; i++)
    if (fnmatch(names->names[i], name, 0) == 0) return true;
  return false;
}

void cvy_net_mark_tensor(const cvy_net *net, const cvy_node *node, cvy_net_param *param) {
  const cvy_net_wishes *w = &net->wishes;
  const bool at_first = node->is_frozen_at_first || matches_one(&w->frozen_at_first, param->name),
             is_thawed = matches_one(&w->thawed, node->name) || matches_one(&w->thawed, param->name);
  param->learns = !node->is_frozen && !matches_one(&w->frozen, param->name) && (!at_first || is_thawed);
  param->thawed = param->learns && at_first;
}

static cvy_err error_at(const cvy_yaml *at, const char *text) {
  return at ? cvy_yaml_error(at, "%s", text) : cvy_error(CVY_E_INPUT, "%s", text);
}

/* Says that a name which should be frozen is neither a layer's nor a tensor's. */
static cvy_err nothing_to_freeze(const cvy_net *net, const char *name, const cvy_yaml *at) {
  const int64_t count = net->node_count + net->info.param_tensors;
  const char **known = cvy_pool_new(net->pool, sizeof *known * (size_t)count);
  for (int64_t i = 0; i < count; i++)
    known[i] = i < net->node_count ? net->nodes[i].name : net->params[i - net->node_count].name;
  const char *text = cvy_pool_format(net->pool, "network '%s' has no layer %s'%s' that could be frozen%s",
                                     net->name, strchr(name, '/') ? "or tensor " : "", name,
                                     cvy_meant(name, known, count));
  return error_at(at, text);
}

static bool is_known(const cvy_net *net, const char *pattern) {
  for (int64_t i = 0; i < net->node_count; i++)
    if (fnmatch(pattern, net->nodes[i].name, 0) == 0) return true;
  for (int64_t i = 0; i < net->info.param_tensors; i++)
    if (fnmatch(pattern, net->params[i].name, 0) == 0) return true;
  return false;
}

static bool has_statistics(const cvy_node *n) {
  for (int64_t k = 0; k < n->plan.param_count; k++)
    if (n->plan.params[k].averaging > 0) return true;
  return false;
}

/* Checks that a name whose statistics should stay is one of a layer that has some. */
static cvy_err check_statistics(const cvy_net *net, int64_t index) {
  const cvy_net_wishes *w = &net->wishes;
  const char *name = w->fixed_statistics.names[index];
  const char **known = cvy_pool_new(net->pool, sizeof *known * (size_t)net->node_count);
  int64_t count = 0;
  for (int64_t i = 0; i < net->node_count; i++) {
    if (!has_statistics(&net->nodes[i])) continue;
    if (fnmatch(name, net->nodes[i].name, 0) == 0) return CVY_OK;
    known[count++] = net->nodes[i].name;
  }
  const char *text = cvy_pool_format(net->pool,
                                     "network '%s' has no batch_norm '%s' whose statistics could be frozen%s",
                                     net->name, name, cvy_meant(name, known, count));
  return error_at(w->fixed_statistics_at ? w->fixed_statistics_at[index] : NULL, text);
}

static cvy_err check_names(const cvy_net *net, const cvy_net_names *names, const cvy_yaml *const *at) {
  for (int64_t i = 0; i < names->count; i++)
    if (!is_known(net, names->names[i])) return nothing_to_freeze(net, names->names[i], at ? at[i] : NULL);
  return CVY_OK;
}

cvy_err cvy_net_check_frozen(const cvy_net *net) {
  const cvy_net_wishes *w = &net->wishes;
  CVY_TRY(check_names(net, &w->frozen, w->frozen_at));
  CVY_TRY(check_names(net, &w->frozen_at_first, w->frozen_at_first_at));
  for (int64_t i = 0; i < w->fixed_statistics.count; i++) CVY_TRY(check_statistics(net, i));
  return CVY_OK;
}

/* Freezes the layer, and all layers that its output depends on. */
static void freeze_through(cvy_net *net, int64_t last) {
  bool *leads = cvy_pool_new(net->pool, sizeof *leads * (size_t)net->node_count);
  leads[last] = true;
  for (int64_t i = last; i >= 0; i--) {
    const cvy_node *n = &net->nodes[i];
    if (!leads[i]) continue;
    net->nodes[i].is_frozen_at_first = true;
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
  if (wishes->frozen_through) {
    if (find(&layer, net, wishes->frozen_through, "be frozen, with all that it depends on"))
      return error_at(wishes->frozen_through_at, cvy_pool_format(net->pool, "%s", cvy_err_message()));
    freeze_through(net, layer);
  }
  for (int64_t i = 0; i < net->node_count; i++) {
    cvy_node *n = &net->nodes[i];
    n->is_frozen_at_first = n->is_frozen_at_first || matches_one(&wishes->frozen_at_first, n->name);
    n->is_frozen = matches_one(&wishes->frozen, n->name) ||
                   (n->is_frozen_at_first && !matches_one(&wishes->thawed, n->name));
    n->has_fixed_statistics = matches_one(&wishes->fixed_statistics, n->name);
  }
  return CVY_OK;
}
