/* From YAML to nodes: names, types, options, inputs, shapes. Every error points at its line. */
#include "net/net.h"

#include <string.h>

enum { MAX_NAME = 100 };

typedef struct description {
  const char *name;
  cvy_ints input;
  const cvy_yaml *layers;
} description;

static const cvy_option options[] = {
    {"name", CVY_STRING, offsetof(description, name), "network", .help = "what the network is called"},
    {"input", CVY_INTS, offsetof(description, input), NULL, 1, 65536,
     .help = "[height, width, channels] of an image"},
    {"layers", CVY_NODE, offsetof(description, layers), .help = "the layers, first to last"},
    {0}};

/* The layer's own options: its mapping without the keys that every layer has. */
static cvy_yaml *own_options(cvy_pool *pool, const cvy_yaml *mapping) {
  cvy_yaml *own = cvy_yaml_new_mapping(pool, mapping->file);
  *own = *mapping;
  own->count = 0;
  own->keys = cvy_pool_new(pool, sizeof *own->keys * (size_t)mapping->count);
  own->items = cvy_pool_new(pool, sizeof *own->items * (size_t)mapping->count);
  for (int64_t i = 0; i < mapping->count; i++) {
    if (strcmp(mapping->keys[i]->text, "name") == 0) continue;
    own->keys[own->count] = mapping->keys[i];
    own->items[own->count++] = mapping->items[i];
  }
  return own;
}

static cvy_err read_type(node *n, cvy_pool *pool, const cvy_yaml *item) {
  const cvy_kind *kinds[256];
  const int64_t kind_count = cvy_layer_type_count();
  CVY_CHECK(kind_count <= CVY_COUNT(kinds));
  for (int64_t i = 0; i < kind_count; i++) kinds[i] = cvy_layer_type_at(i)->kind;

  cvy_yaml whole = *item, *options_only = NULL;
  if (item->kind == CVY_YAML_MAPPING && item->count == 1 && item->items[0]->kind == CVY_YAML_MAPPING) {
    options_only = own_options(pool, item->items[0]);
    whole.items = &options_only;
  }
  int64_t type;
  CVY_TRY(cvy_kind_read(&type, &n->config, pool, kinds, kind_count, &whole, "layer"));
  n->type = cvy_layer_type_at(type);
  n->at = item->kind == CVY_YAML_MAPPING ? item->keys[0] : item;
  return CVY_OK;
}

/* The name given, or the type's short name and a number: conv1, conv2, ... */
static cvy_err read_name(node *n, cvy_net *net, const cvy_yaml *item) {
  const cvy_yaml *given = item->kind == CVY_YAML_MAPPING ? cvy_yaml_get(item->items[0], "name") : NULL;
  int64_t same_type = 1;
  for (const node *before = net->nodes; before < n; before++)
    same_type += strcmp(before->type->short_name, n->type->short_name) == 0;
  if (given && (given->kind != CVY_YAML_SCALAR || !given->text[0] || strchr(given->text, '/')))
    return cvy_yaml_error(given, "a layer's name must be a word without '/', not %s",
                          cvy_yaml_describe(given));
  if (given && strlen(given->text) > MAX_NAME)
    return cvy_yaml_error(given, "a layer's name may have at most %d letters", MAX_NAME);
  n->name = given ? given->text
                  : cvy_pool_format(net->pool, "%s%lld", n->type->short_name, (long long)same_type);
  for (const node *before = net->nodes; before < n; before++)
    if (strcmp(before->name, n->name) == 0)
      return cvy_yaml_error(given ? given : n->at,
                            "two layers are named '%s'; the first one stands on line %d", n->name,
                            before->at->line);
  return CVY_OK;
}

static cvy_err plan_node(node *n, const cvy_net *net, int64_t index) {
  n->inputs[0] = index - 1;
  n->plan.input_count = 1;
  n->plan.x[0] = index == 0 ? net->input : net->nodes[index - 1].plan.y;
  if (n->type->plan(&n->plan, n->config))
    return cvy_yaml_error(n->at, "layer '%s': %s", n->name, cvy_err_message());
  CVY_CHECK(!(n->plan.in_place && n->plan.backward_reads_x));
  return CVY_OK;
}

static cvy_err check_loss_is_last(const cvy_net *net) {
  for (int64_t i = 0; i < net->node_count; i++) {
    const node *n = &net->nodes[i];
    const bool last = i == net->node_count - 1;
    if (n->plan.needs_labels && !last)
      return cvy_yaml_error(n->at, "layer '%s' is a loss, and a loss must be the last layer", n->name);
    if (!n->plan.needs_labels && last)
      return cvy_yaml_error(n->at, "the last layer, '%s', is not a loss; end the network with softmax_loss",
                            n->name);
  }
  return CVY_OK;
}

/* Everything but shapes. */
static cvy_err read_nodes(cvy_net *net, const cvy_yaml *root, int64_t microbatch) {
  description d = {0};
  CVY_TRY(cvy_options_read(&d, net->pool, options, root, root, "the network"));
  if (d.input.count != 3)
    return cvy_yaml_error(cvy_yaml_get(root, "input"),
                          "'input' must be [height, width, channels], not %lld numbers",
                          (long long)d.input.count);
  if (!d.layers || d.layers->kind != CVY_YAML_SEQUENCE || d.layers->count == 0)
    return cvy_yaml_error(d.layers ? d.layers : root,
                          "the network needs 'layers', a list of at least one layer");
  net->name = d.name;
  net->input = (cvy_shape){microbatch, d.input.values[0], d.input.values[1], d.input.values[2]};
  net->nodes = cvy_pool_new(net->pool, sizeof *net->nodes * (size_t)d.layers->count);
  for (int64_t i = 0; i < d.layers->count; i++) {
    CVY_TRY(read_type(&net->nodes[i], net->pool, d.layers->items[i]));
    CVY_TRY(read_name(&net->nodes[i], net, d.layers->items[i]));
    net->node_count++;
  }
  return CVY_OK;
}

cvy_err cvy_net_read(cvy_net *net, const cvy_yaml *root, int64_t microbatch) {
  net->pool = cvy_pool_create();
  CVY_TRY(read_nodes(net, root, microbatch));
  for (int64_t i = 0; i < net->node_count; i++) CVY_TRY(plan_node(&net->nodes[i], net, i));
  return check_loss_is_last(net);
}

cvy_err cvy_net_resolve(cvy_yaml **out, cvy_pool *pool, const cvy_yaml *root) {
  cvy_net net = {.pool = pool};
  *out = NULL;
  CVY_TRY(read_nodes(&net, root, 1));
  cvy_yaml *input = cvy_yaml_get(root, "input");
  cvy_yaml *layers = cvy_yaml_new_sequence(pool, root->file),
           *resolved = cvy_yaml_new_mapping(pool, root->file);
  for (int64_t i = 0; i < net.node_count; i++) {
    const node *n = &net.nodes[i];
    cvy_yaml *layer = cvy_kind_dump(n->type->kind, n->config, pool);
    cvy_yaml_add(pool, layer->items[0], "name", cvy_yaml_new_scalar(pool, root->file, n->name));
    cvy_yaml_add(pool, layers, NULL, layer);
  }
  cvy_yaml_add(pool, resolved, "name", cvy_yaml_new_scalar(pool, root->file, net.name));
  cvy_yaml_add(pool, resolved, "input", input);
  cvy_yaml_add(pool, resolved, "layers", layers);
  *out = resolved;
  return CVY_OK;
}
