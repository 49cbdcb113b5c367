/* The times of a network's layers, from the clock (measure/bench.h) or a JSON file, which is YAML too. */
#include "measure/layer_times.h"

#include "base/yaml.h"
#include "measure/bench.h"

#include <stdlib.h>
#include <string.h>

/* What is filled in, layer by layer. */
typedef struct columns {
  double *forward_s, *backward_s;
} columns;

static columns new_columns(cvy_pool *pool, const cvy_net_info *net) {
  const size_t bytes = sizeof(double) * (size_t)net->layer_count;
  return (columns){cvy_pool_new(pool, bytes), cvy_pool_new(pool, bytes)};
}

cvy_err cvy_layer_times_measure(cvy_layer_times *out, cvy_pool *pool, cvy_net *net, int64_t steps) {
  const cvy_bench_options options = {.steps = steps, .layers = true};
  const cvy_net_info *info = cvy_net_describe(net);
  const columns c = new_columns(pool, info);
  cvy_bench_result result;
  CVY_TRY(cvy_bench(&result, pool, net, &options));
  for (int64_t i = 0; i < info->layer_count; i++) {
    c.forward_s[i] = result.layers[i].forward_s;
    c.backward_s[i] = result.layers[i].backward_s;
  }
  *out = (cvy_layer_times){c.forward_s, c.backward_s, result.losses_s, result.update_s.median};
  return CVY_OK;
}

/* ---- reading ---- */

static cvy_err get(const cvy_yaml **out, const cvy_yaml *from, const char *key) {
  *out = from->kind == CVY_YAML_MAPPING ? cvy_yaml_get(from, key) : NULL;
  if (*out) return CVY_OK;
  return cvy_yaml_error(from, "has no '%s'; --times takes what 'convoy bench layers --json' printed", key);
}

static cvy_err get_number(double *out, const cvy_yaml *from, const char *key) {
  const cvy_yaml *node;
  char *end = NULL;
  CVY_TRY(get(&node, from, key));
  if (node->kind == CVY_YAML_SCALAR) *out = strtod(node->text, &end);
  if (!end || end == node->text || *end || !(*out >= 0 && *out < 1e9))
    return cvy_yaml_error(node, "'%s' is %s; it should be a number, from 0", key, cvy_yaml_describe(node));
  return CVY_OK;
}

static cvy_err expect_number(const cvy_yaml *from, const char *key, int64_t wanted, const char *option) {
  double value;
  CVY_TRY(get_number(&value, from, key));
  if ((int64_t)value == wanted) return CVY_OK;
  return cvy_yaml_error(from, "measured with %s %" PRId64 "; --%s is %" PRId64, key, (int64_t)value, option,
                        wanted);
}

static cvy_err expect_layers(const cvy_yaml *layers, const cvy_net_info *net) {
  if (layers->kind == CVY_YAML_SEQUENCE && layers->count == net->layer_count) return CVY_OK;
  return cvy_yaml_error(layers, "%" PRId64 " layers; network '%s' has %" PRId64, layers->count, net->name,
                        net->layer_count);
}

static cvy_err read_layer(columns c, const cvy_yaml *at, const cvy_net_info *net, int64_t layer) {
  const cvy_yaml *name;
  CVY_TRY(get(&name, at, "name"));
  if (name->kind != CVY_YAML_SCALAR || strcmp(name->text, net->layers[layer].name) != 0)
    return cvy_yaml_error(name, "layer %" PRId64 " is %s; network '%s' has '%s' there", layer,
                          cvy_yaml_describe(name), net->name, net->layers[layer].name);
  CVY_TRY(get_number(&c.forward_s[layer], at, "forward_s"));
  return get_number(&c.backward_s[layer], at, "backward_s");
}

cvy_err cvy_layer_times_read(cvy_layer_times *out, cvy_pool *pool, const cvy_net_info *net,
                             const char *path) {
  cvy_yaml *root;
  const cvy_yaml *layers, *update;
  const columns c = new_columns(pool, net);
  *out = (cvy_layer_times){.forward_s = c.forward_s, .backward_s = c.backward_s};
  CVY_TRY(cvy_yaml_load(&root, pool, path));
  CVY_TRY(get(&layers, root, "layers"));
  CVY_TRY(expect_number(root, "batch", net->input.n, "microbatch"));
  CVY_TRY(expect_number(root, "threads", cvy_threads(), "threads"));
  CVY_TRY(expect_layers(layers, net));
  for (int64_t i = 0; i < layers->count; i++) CVY_TRY(read_layer(c, layers->items[i], net, i));
  CVY_TRY(get_number(&out->losses_s, root, "losses_s"));
  CVY_TRY(get(&update, root, "update_s"));
  return get_number(&out->update_s, update, "median");
}
