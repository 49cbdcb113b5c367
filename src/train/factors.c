/* Finds the tensors that the entries of `layers` mean. */
#include "train/factors.h"

#include "base/options.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

static const cvy_option options[] = {{"match", CVY_STRING, offsetof(cvy_layer_rule, match), NULL,
                                      .help = "a layer's name, or a tensor's as conv1/bias, or a pattern of "
                                              "names as a shell has them: conv*, */bias"},
                                     {"rate", CVY_FLOAT, offsetof(cvy_layer_rule, rate), "1", 0, 1e6,
                                      .help = "what the learning rate is multiplied with; 0 freezes"},
                                     {"decay", CVY_FLOAT, offsetof(cvy_layer_rule, decay), "1", 0, 1e6,
                                      .help = "what the weight decay is multiplied with"},
                                     {0}};

cvy_err cvy_layer_rules_read(cvy_layer_rules *out, cvy_pool *pool, const cvy_yaml *list) {
  *out = (cvy_layer_rules){0};
  if (!list) return CVY_OK;
  if (list->kind != CVY_YAML_SEQUENCE)
    return cvy_yaml_error(list, "layers takes a list, as [{match: \"fc*\", rate: 10}], not %s",
                          cvy_yaml_describe(list));
  cvy_layer_rule *rules = cvy_pool_new(pool, sizeof *rules * (size_t)(list->count + 1));
  for (int64_t i = 0; i < list->count; i++) {
    const cvy_yaml *node = list->items[i];
    if (node->kind != CVY_YAML_MAPPING)
      return cvy_yaml_error(node, "an entry of layers is {match: NAME, rate: X, decay: X}, not %s",
                            cvy_yaml_describe(node));
    CVY_TRY(cvy_options_read(&rules[i], pool, options, node, node, "layers"));
    rules[i].node = node;
  }
  *out = (cvy_layer_rules){list->count, rules};
  return CVY_OK;
}

void cvy_layer_rules_freeze(cvy_net_wishes *wishes, cvy_pool *pool, const cvy_layer_rules *rules) {
  const char **names = cvy_pool_new(pool, sizeof *names * (size_t)(rules->count + 1));
  const cvy_yaml **nodes = cvy_pool_new(pool, sizeof *nodes * (size_t)(rules->count + 1));
  int64_t count = 0;
  for (int64_t i = 0; i < rules->count; i++) {
    if (rules->rules[i].rate != 0) continue;
    names[count] = rules->rules[i].match;
    nodes[count++] = rules->rules[i].node;
  }
  wishes->frozen = (cvy_net_names){names, count};
  wishes->frozen_at = nodes;
}

bool cvy_matches_tensor(const char *pattern, const cvy_net_info *net, int64_t tensor) {
  const cvy_net_param *p = &net->params[tensor];
  return fnmatch(pattern, net->layers[p->layer].name, 0) == 0 || fnmatch(pattern, p->name, 0) == 0;
}

bool cvy_names_match_tensor(const cvy_net_names *patterns, const cvy_net_info *net, int64_t tensor) {
  for (int64_t i = 0; i < patterns->count; i++)
    if (cvy_matches_tensor(patterns->names[i], net, tensor)) return true;
  return false;
}

static cvy_err nothing_matches(const cvy_layer_rule *rule, const cvy_net_info *net) {
  for (int64_t i = 0; i < net->param_tensors; i++)
    if (fnmatch(rule->match, net->params[i].name, 0) == 0)
      return cvy_yaml_error(
          rule->node,
          "'%s' is a running average, which has no learning rate and no decay; its layer '%s' "
          "at rate 0 keeps it as it is",
          net->params[i].name, net->layers[net->params[i].layer].name);
  const char **names = cvy_new(sizeof *names * (size_t)(net->param_tensors + 1));
  for (int64_t i = 0; i < net->param_tensors; i++) names[i] = net->layers[net->params[i].layer].name;
  const cvy_err err = cvy_yaml_error(rule->node, "'%s' matches no layer with parameters%s%s", rule->match,
                                     cvy_meant(rule->match, names, net->param_tensors),
                                     strchr(rule->match, '.') ? "; tensors are named as conv1/bias" : "");
  free(names);
  return err;
}

/* A tensor begins to learn by the first thaw that matches it. */
static void add_thaw(cvy_factors *factors, const cvy_thaws *thaws, const cvy_net_info *net, int64_t tensor) {
  for (int64_t k = 0; k < thaws->count; k++) {
    if (!cvy_names_match_tensor(&thaws->thaws[k].layers, net, tensor)) continue;
    factors->rate = thaws->thaws[k].rate;
    factors->since = thaws->thaws[k].since;
    return;
  }
}

cvy_err cvy_factors_fill(cvy_factors *factors, const cvy_layer_rules *rules, const cvy_thaws *thaws,
                         const cvy_net_info *net) {
  for (int64_t i = 0; i < net->param_tensors; i++) factors[i] = (cvy_factors){.rate = 1, .decay = 1};
  for (int64_t i = 0; i < net->param_tensors; i++)
    if (net->params[i].thawed) add_thaw(&factors[i], thaws, net, i);
  for (int64_t k = 0; k < rules->count; k++) {
    const cvy_layer_rule *rule = &rules->rules[k];
    int64_t found = 0;
    for (int64_t i = 0; i < net->param_tensors; i++) {
      /* Running averages are not learnt, so factors are nothing to them. */
      if (net->params[i].spec->averaging > 0 || !cvy_matches_tensor(rule->match, net, i)) continue;
      factors[i].rate *= rule->rate;
      factors[i].decay *= rule->decay;
      found++;
    }
    if (found == 0) return nothing_matches(rule, net);
  }
  return CVY_OK;
}
