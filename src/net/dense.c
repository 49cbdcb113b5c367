/* The dense form of a network. Weights of a fully connected layer are [h*w*c][outputs], with the features in
 * memory order, and a filter is [h][w][c][outputs], which is the same. So the form has the parameters of the
 * network itself.
 *
 * A map is often flattened before a fully connected layer. In the dense form it stays a map. What stands
 * between the two treats each number by itself, and so works on the map as well. */
#include "net/node.h"

#include <string.h>

/* The map that a layer's row of numbers was; 1 x 1 where it is no flattened map. */
typedef struct map {
  int64_t h, w;
} map;

#define FORM "the dense form" /* stands for the file in errors */

typedef struct rewriting {
  cvy_pool *pool;
  const cvy_net *net;
  map *maps;            /* [nodes] */
  const char **aliases; /* [nodes]: whose output is read in place of a layer's own */
  cvy_yaml *layers;
} rewriting;

static bool is(const cvy_node *n, const char *type) {
  return strcmp(n->type->kind->name, type) == 0;
}

static map map_read_by(const rewriting *r, const cvy_node *n, int64_t k) {
  const cvy_shape *x = &n->plan.x[k];
  if (x->h > 1 || x->w > 1 || n->inputs[k] == CVY_NET_INPUT) return (map){x->h, x->w};
  return r->maps[n->inputs[k]];
}

/* Tells whether a row of numbers may as well be a map for this layer. */
static bool takes_each_number(const cvy_node *n) {
  return is(n, "fc") || n->type->hands_on || n->type->keeps_order;
}

static cvy_err follow_maps(rewriting *r) {
  for (int64_t i = 0; i < r->net->node_count; i++) {
    const cvy_node *n = &r->net->nodes[i];
    const bool row = n->plan.x[0].h == 1 && n->plan.x[0].w == 1, flattens = is(n, "flatten");
    for (int64_t k = 0; k < n->plan.input_count; k++) {
      const map read = map_read_by(r, n, k);
      const bool was_map = n->plan.x[k].h == 1 && n->plan.x[k].w == 1 && (read.h > 1 || read.w > 1);
      if (was_map && !takes_each_number(n))
        return cvy_yaml_error(n->at,
                              "layer '%s' reads a map of %" PRId64 "x%" PRId64
                              " as one row of numbers, so the network takes pictures of one size only",
                              n->name, read.h, read.w);
    }
    const bool stays_row = row && takes_each_number(n) && !is(n, "fc");
    r->maps[i] = flattens || stays_row ? map_read_by(r, n, 0) : (map){1, 1};
  }
  return CVY_OK;
}

/* ---- writing it ---- */

static cvy_yaml *scalar(const rewriting *r, const char *text) {
  return cvy_yaml_new_scalar(r->pool, FORM, text);
}

static cvy_yaml *number(const rewriting *r, int64_t value) {
  return scalar(r, cvy_pool_format(r->pool, "%" PRId64, value));
}

static int64_t find_node(const cvy_net *net, const char *name) {
  for (int64_t i = 0; i < net->node_count; i++)
    if (strcmp(net->nodes[i].name, name) == 0) return i;
  return -1;
}

static const char *alias_of(const rewriting *r, const char *name) {
  const int64_t node = find_node(r->net, name);
  return node >= 0 && r->aliases[node] ? r->aliases[node] : name;
}

/* Lists what a layer reads. By default that is `before`. */
static cvy_yaml *inputs_of(const rewriting *r, const cvy_yaml *options, const char *before) {
  const cvy_yaml *said = cvy_yaml_get(options, "inputs");
  cvy_yaml *inputs = cvy_yaml_new_sequence(r->pool, FORM);
  if (!said) cvy_yaml_add(r->pool, inputs, NULL, scalar(r, alias_of(r, before)));
  for (int64_t i = 0; said && i < said->count; i++)
    cvy_yaml_add(r->pool, inputs, NULL, scalar(r, alias_of(r, said->items[i]->text)));
  return inputs;
}

static void add_layer(rewriting *r, const char *type, cvy_yaml *options) {
  cvy_yaml *layer = cvy_yaml_new_mapping(r->pool, FORM);
  cvy_yaml_add(r->pool, layer, type, options);
  cvy_yaml_add(r->pool, r->layers, NULL, layer);
}

static void add_convolution(rewriting *r, const cvy_node *n, const cvy_yaml *fc, cvy_yaml *inputs) {
  cvy_yaml *options = cvy_yaml_new_mapping(r->pool, FORM);
  cvy_yaml *kernel = cvy_yaml_new_sequence(r->pool, FORM);
  const map read = map_read_by(r, n, 0);
  cvy_yaml_add(r->pool, kernel, NULL, number(r, read.h));
  cvy_yaml_add(r->pool, kernel, NULL, number(r, read.w));
  cvy_yaml_add(r->pool, options, "name", scalar(r, n->name));
  cvy_yaml_add(r->pool, options, "filters", cvy_yaml_get(fc, "outputs"));
  cvy_yaml_add(r->pool, options, "kernel", kernel);
  cvy_yaml_add(r->pool, options, "bias", cvy_yaml_get(fc, "bias"));
  cvy_yaml_add(r->pool, options, "inputs", inputs);
  add_layer(r, "conv", options);
}

/* Averages the map of scores that a loss reads, and returns what it reads now. */
static cvy_yaml *add_mean(rewriting *r, const char *loss, cvy_yaml *inputs) {
  const char *name = cvy_pool_format(r->pool, "%s_mean", loss);
  while (find_node(r->net, name) >= 0) name = cvy_pool_format(r->pool, "%s_", name);
  cvy_yaml *options = cvy_yaml_new_mapping(r->pool, FORM);
  cvy_yaml *mean = cvy_yaml_new_sequence(r->pool, FORM);
  cvy_yaml_add(r->pool, options, "name", scalar(r, name));
  cvy_yaml_add(r->pool, options, "kernel", scalar(r, "global"));
  cvy_yaml_add(r->pool, options, "inputs", inputs);
  add_layer(r, "average_pool", options);
  cvy_yaml_add(r->pool, mean, NULL, scalar(r, name));
  return mean;
}

static void add_as_it_is(rewriting *r, const char *type, const cvy_yaml *old, cvy_yaml *inputs) {
  cvy_yaml *options = cvy_yaml_new_mapping(r->pool, FORM);
  for (int64_t i = 0; i < old->count; i++)
    if (strcmp(old->keys[i]->text, "inputs") != 0)
      cvy_yaml_add(r->pool, options, old->keys[i]->text, old->items[i]);
  cvy_yaml_add(r->pool, options, "inputs", inputs);
  add_layer(r, type, options);
}

static void rewrite_layers(rewriting *r, const cvy_yaml *layers) {
  const char *before = "input";
  for (int64_t i = 0; i < layers->count; i++) {
    const char *type = layers->items[i]->keys[0]->text;
    const cvy_yaml *options = layers->items[i]->items[0];
    const char *name = cvy_yaml_get(options, "name")->text;
    const int64_t node = find_node(r->net, name);
    const cvy_node *n = &r->net->nodes[node];
    cvy_yaml *inputs = inputs_of(r, options, before);
    if (is(n, "flatten"))
      r->aliases[node] = inputs->items[0]->text;
    else if (is(n, "fc"))
      add_convolution(r, n, options, inputs);
    else
      add_as_it_is(r, type, options, n->type->is_loss ? add_mean(r, name, inputs) : inputs);
    if (!n->type->is_loss) before = name;
  }
}

cvy_err cvy_net_make_dense(cvy_yaml **out, cvy_pool *pool, const cvy_yaml *description, const cvy_net *net) {
  cvy_yaml *flat, *dense = cvy_yaml_new_mapping(pool, FORM);
  const size_t nodes = (size_t)net->node_count;
  *out = NULL;
  CVY_TRY(cvy_net_resolve(&flat, pool, description));
  rewriting r = {.pool = pool, .net = net, .layers = cvy_yaml_new_sequence(pool, FORM)};
  r.maps = cvy_pool_new(pool, sizeof *r.maps * nodes);
  r.aliases = cvy_pool_new(pool, sizeof *r.aliases * nodes);
  CVY_TRY(follow_maps(&r));
  rewrite_layers(&r, cvy_yaml_get(flat, "layers"));
  cvy_yaml_add(pool, dense, "name", cvy_yaml_get(flat, "name"));
  cvy_yaml_add(pool, dense, "input", cvy_yaml_get(flat, "input"));
  cvy_yaml_add(pool, dense, "layers", r.layers);
  *out = dense;
  return CVY_OK;
}

cvy_yaml *cvy_net_resized(cvy_pool *pool, const cvy_yaml *description, int64_t h, int64_t w) {
  cvy_yaml *resized = cvy_yaml_new_mapping(pool, description->file);
  for (int64_t i = 0; i < description->count; i++) {
    const char *key = description->keys[i]->text;
    cvy_yaml *value = description->items[i];
    if (strcmp(key, "input") == 0) {
      const int64_t sizes[2] = {h, w};
      cvy_yaml *input = cvy_yaml_new_sequence(pool, description->file);
      for (int k = 0; k < 3; k++)
        cvy_yaml_add(pool, input, NULL,
                     k == 2 ? value->items[2]
                            : cvy_yaml_new_scalar(pool, description->file,
                                                  cvy_pool_format(pool, "%" PRId64, sizes[k])));
      value = input;
    }
    cvy_yaml_add(pool, resized, key, value);
  }
  return resized;
}
