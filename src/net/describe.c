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
    if (strcmp(mapping->keys[i]->text, "name") == 0 || strcmp(mapping->keys[i]->text, "inputs") == 0)
      continue;
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
  if (given && strcmp(given->text, "input") == 0)
    return cvy_yaml_error(given, "'input' is the name of the network's image; call the layer something else");
  n->name = given ? given->text
                  : cvy_pool_format(net->pool, "%s%lld", n->type->short_name, (long long)same_type);
  for (const node *before = net->nodes; before < n; before++)
    if (strcmp(before->name, n->name) == 0)
      return cvy_yaml_error(given ? given : n->at,
                            "two layers are named '%s'; the first one stands on line %d", n->name,
                            before->at->line);
  return CVY_OK;
}

static int64_t find_layer(const cvy_net *net, const char *name) {
  for (int64_t i = 0; i < net->node_count; i++)
    if (strcmp(net->nodes[i].name, name) == 0) return i;
  return -1;
}

static cvy_err unknown_input(const cvy_net *net, int64_t index, const cvy_yaml *word) {
  const char *known[256];
  int64_t count = 0;
  for (int64_t i = 0; i < index && count < CVY_COUNT(known); i++) known[count++] = net->nodes[i].name;
  const char *nearest = cvy_nearest_word(word->text, known, count);
  return cvy_yaml_error(
      word, "no layer is named '%s'%s%s%s; inputs are names of layers above, or 'input', the image",
      word->text, nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

static cvy_err read_input(int64_t *out, const cvy_net *net, int64_t index, const cvy_yaml *word) {
  if (word->kind != CVY_YAML_SCALAR)
    return cvy_yaml_error(word, "an input must be a layer's name, not %s", cvy_yaml_describe(word));
  *out = CVY_NET_INPUT;
  if (strcmp(word->text, "input") == 0) return CVY_OK;
  *out = find_layer(net, word->text);
  if (*out < 0) return unknown_input(net, index, word);
  if (*out >= index)
    return cvy_yaml_error(
        word, "'%s' stands on line %d; a layer's inputs must stand above it, so that there is no cycle",
        word->text, net->nodes[*out].at->line);
  return CVY_OK;
}

/* "inputs: name" or "inputs: [name, name]"; without them the layer before, or the image. */
static cvy_err read_inputs(node *n, const cvy_net *net, int64_t index, const cvy_yaml *item) {
  const cvy_yaml *given = item->kind == CVY_YAML_MAPPING ? cvy_yaml_get(item->items[0], "inputs") : NULL;
  n->plan.input_count = 1;
  n->inputs[0] = index - 1; /* CVY_NET_INPUT for the first */
  if (!given) return CVY_OK;
  if (given->kind != CVY_YAML_SEQUENCE) return read_input(&n->inputs[0], net, index, given);
  if (given->count < 1 || given->count > CVY_MAX_INPUTS)
    return cvy_yaml_error(given, "a layer has 1 to %d inputs, not %lld", CVY_MAX_INPUTS,
                          (long long)given->count);
  n->plan.input_count = given->count;
  for (int64_t k = 0; k < given->count; k++) CVY_TRY(read_input(&n->inputs[k], net, index, given->items[k]));
  return CVY_OK;
}

static cvy_err check_all_are_used(const cvy_net *net) {
  for (int64_t i = 0; i < net->node_count; i++) {
    bool used = net->nodes[i].plan.needs_labels;
    for (int64_t j = i + 1; j < net->node_count; j++)
      for (int64_t k = 0; k < net->nodes[j].plan.input_count; k++)
        used = used || net->nodes[j].inputs[k] == i;
    if (!used)
      return cvy_yaml_error(net->nodes[i].at,
                            "nobody uses layer '%s': no layer below has it among its inputs",
                            net->nodes[i].name);
  }
  return CVY_OK;
}

static cvy_err plan_node(node *n, const cvy_net *net) {
  for (int64_t k = 0; k < n->plan.input_count; k++)
    n->plan.x[k] = n->inputs[k] == CVY_NET_INPUT ? net->input : net->nodes[n->inputs[k]].plan.y;
  for (int64_t k = 0; k < n->plan.input_count; k++)
    if (n->inputs[k] != CVY_NET_INPUT && net->nodes[n->inputs[k]].plan.needs_labels)
      return cvy_yaml_error(n->at,
                            "layer '%s' reads '%s', which is a loss; nobody can: name another with inputs",
                            n->name, net->nodes[n->inputs[k]].name);
  if (n->type->plan(&n->plan, n->config))
    return cvy_yaml_error(n->at, "layer '%s': %s", n->name, cvy_err_message());
  CVY_CHECK(!(n->plan.in_place && n->plan.backward_reads_x));
  return CVY_OK;
}

/* The last layer is the network's loss; others, further up, are auxiliary. */
static cvy_err check_losses(const cvy_net *net) {
  const node *last = &net->nodes[net->node_count - 1];
  if (!last->plan.needs_labels)
    return cvy_yaml_error(last->at, "the last layer, '%s', is not a loss; end the network with softmax_loss",
                          last->name);
  for (const node *n = net->nodes; n < last; n++)
    if (n->plan.needs_labels && n->plan.class_count != last->plan.class_count)
      return cvy_yaml_error(n->at, "layer '%s' tells apart %lld classes, but the last layer %lld", n->name,
                            (long long)n->plan.class_count, (long long)last->plan.class_count);
  return CVY_OK;
}

/* Evaluation needs what leads to the last layer, and nothing else. */
static void find_auxiliary(cvy_net *net) {
  for (int64_t i = 0; i < net->node_count - 1; i++) net->nodes[i].only_in_training = true;
  for (int64_t i = net->node_count - 1; i >= 0; i--) {
    const node *n = &net->nodes[i];
    for (int64_t k = 0; k < n->plan.input_count && !n->only_in_training; k++)
      if (n->inputs[k] != CVY_NET_INPUT) net->nodes[n->inputs[k]].only_in_training = false;
  }
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
  for (int64_t i = 0; i < net->node_count; i++)
    CVY_TRY(read_inputs(&net->nodes[i], net, i, d.layers->items[i]));
  return CVY_OK;
}

cvy_err cvy_net_read(cvy_net *net, const cvy_yaml *root, int64_t microbatch) {
  net->pool = cvy_pool_create();
  CVY_TRY(read_nodes(net, root, microbatch));
  for (int64_t i = 0; i < net->node_count; i++) CVY_TRY(plan_node(&net->nodes[i], net));
  CVY_TRY(check_losses(net));
  CVY_TRY(check_all_are_used(net));
  find_auxiliary(net);
  return CVY_OK;
}

/* Only where they are not the default. */
static void add_inputs(cvy_yaml *layer, cvy_pool *pool, const cvy_net *net, int64_t index) {
  const node *n = &net->nodes[index];
  if (n->plan.input_count == 1 && n->inputs[0] == index - 1) return;
  cvy_yaml *inputs = cvy_yaml_new_sequence(pool, layer->file);
  for (int64_t k = 0; k < n->plan.input_count; k++) {
    const char *name = n->inputs[k] == CVY_NET_INPUT ? "input" : net->nodes[n->inputs[k]].name;
    cvy_yaml_add(pool, inputs, NULL, cvy_yaml_new_scalar(pool, layer->file, name));
  }
  cvy_yaml_add(pool, layer, "inputs", inputs);
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
    add_inputs(layer->items[0], pool, &net, i);
    cvy_yaml_add(pool, layers, NULL, layer);
  }
  cvy_yaml_add(pool, resolved, "name", cvy_yaml_new_scalar(pool, root->file, net.name));
  cvy_yaml_add(pool, resolved, "input", input);
  cvy_yaml_add(pool, resolved, "layers", layers);
  *out = resolved;
  return CVY_OK;
}
