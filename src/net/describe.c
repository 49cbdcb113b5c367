/* From YAML to nodes: names, types, options, inputs, shapes. Every error points at its line. */
#include "base/text.h"
#include "net/expand.h"

#include <string.h>

typedef struct description {
  const char *name;
  const cvy_yaml *parameters, *blocks, *layers;
  cvy_ints input;
} description;

static const cvy_option options[] = {
    {"name", CVY_STRING, offsetof(description, name), "network", .help = "what the network is called"},
    {"parameters", CVY_NODE, offsetof(description, parameters),
     .help = "names with their defaults; $name stands for the value"},
    {"input", CVY_INTS, offsetof(description, input), NULL, 1, 65536,
     .help = "[height, width, channels] of an image"},
    {"blocks", CVY_NODE, offsetof(description, blocks), .help = "groups of layers that are used by name"},
    {"layers", CVY_NODE, offsetof(description, layers), .help = "the layers, first to last"},
    {0}};

static bool reads(const cvy_node *reader, int64_t value) {
  for (int64_t k = 0; k < reader->plan.input_count; k++)
    if (reader->inputs[k] == value) return true;
  return false;
}

static cvy_err check_is_used(const cvy_node *n, const cvy_net *net) {
  if (n->type->is_loss) return CVY_OK;
  for (int64_t i = n - net->nodes + 1; i < net->node_count; i++)
    if (reads(&net->nodes[i], n - net->nodes)) return CVY_OK;
  return cvy_yaml_error(n->at, "nobody uses layer '%s': no layer below has it among its inputs", n->name);
}

/* Tells whether somebody wants the gradient of what the layer reads. The layers above it are planned. */
static bool gives_dx(const cvy_node *n, const cvy_net *net) {
  for (int64_t k = 0; k < n->plan.input_count; k++)
    if (n->inputs[k] == CVY_NET_INPUT ? net->wishes.image_gradient : net->nodes[n->inputs[k]].is_visited)
      return true;
  return false;
}

/* Running averages learn, too, unless they stay as they are. */
static bool has_something_to_learn(const cvy_node *n) {
  for (int64_t k = 0; k < n->plan.param_count && n->plan.learns; k++)
    if (n->plan.params[k].averaging == 0 || !n->has_fixed_statistics) return true;
  return false;
}

static cvy_err plan_node(cvy_node *n, const cvy_net *net) {
  for (int64_t k = 0; k < n->plan.input_count; k++)
    n->plan.x[k] = n->inputs[k] == CVY_NET_INPUT ? net->input : net->nodes[n->inputs[k]].plan.y;
  n->plan.peers = net->wishes.peers;
  n->plan.convolution = net->wishes.convolution;
  n->plan.learns = net->wishes.purpose == CVY_NET_TRAINING && !n->is_frozen;
  n->plan.has_fixed_statistics = n->has_fixed_statistics;
  n->plan.gives_dx = gives_dx(n, net);
  if (n->type->is_loss && n->inputs[0] == CVY_NET_INPUT)
    return cvy_yaml_error(n->at, "loss '%s' reads the image; there is nothing to learn before it", n->name);
  for (int64_t k = 0; k < n->plan.input_count; k++)
    if (n->inputs[k] != CVY_NET_INPUT && net->nodes[n->inputs[k]].type->is_loss)
      return cvy_yaml_error(n->at, "layer '%s' reads '%s', which is a loss; name another layer with 'inputs'",
                            n->name, net->nodes[n->inputs[k]].name);
  if (n->type->plan(&n->plan, n->config))
    return cvy_yaml_error(n->at, "layer '%s': %s", n->name, cvy_err_message());
  CVY_CHECK(!(n->plan.in_place && n->plan.backward_reads_x));
  n->is_visited = n->plan.gives_dx || has_something_to_learn(n);
  return CVY_OK;
}

/* Checks that the last layer is a loss, which is the network's; others, further up, are auxiliary. */
static cvy_err check_losses(const cvy_net *net) {
  const cvy_node *last = &net->nodes[net->node_count - 1];
  if (!last->type->is_loss)
    return cvy_yaml_error(
        last->at, "the last layer, '%s', is not a loss; end the network with softmax_loss or sigmoid_loss",
        last->name);
  for (const cvy_node *n = net->nodes; n < last; n++)
    if (n->type->is_loss && n->plan.class_count != last->plan.class_count)
      return cvy_yaml_error(n->at, "layer '%s' tells apart %" PRId64 " classes, but the last layer %" PRId64,
                            n->name, n->plan.class_count, last->plan.class_count);
  return CVY_OK;
}

/* Evaluation needs what leads to the last layer and to the outputs that somebody asks for, and nothing
 * else. */
static void find_auxiliary(cvy_net *net) {
  for (int64_t i = 0; i < net->node_count - 1; i++) {
    net->nodes[i].only_in_training = true;
    net->nodes[i].is_left_out = !net->nodes[i].stays;
  }
  for (int64_t i = net->node_count - 1; i >= 0; i--) {
    const cvy_node *n = &net->nodes[i];
    for (int64_t k = 0; k < n->plan.input_count; k++) {
      if (n->inputs[k] == CVY_NET_INPUT) continue;
      cvy_node *input = &net->nodes[n->inputs[k]];
      input->only_in_training &= n->only_in_training;
      input->is_left_out &= n->is_left_out;
    }
  }
}

/* Makes the description with the parameters in its `input` filled in. */
static cvy_err fill_input(cvy_yaml *out, cvy_pool *pool, const cvy_yaml *root) {
  *out = *root;
  cvy_yaml *input = cvy_yaml_get(root, "input"), *filled;
  if (!input) return CVY_OK;
  CVY_TRY(cvy_net_substitute(&filled, pool, input, cvy_yaml_get(root, "parameters"), root));
  out->items = cvy_pool_new(pool, sizeof *out->items * (size_t)root->count);
  for (int64_t i = 0; i < root->count; i++) out->items[i] = root->items[i] == input ? filled : root->items[i];
  return CVY_OK;
}

/* Reads everything but shapes. */
static cvy_err read_nodes(cvy_net *net, const cvy_yaml *root, int64_t microbatch) {
  description d = {0};
  cvy_yaml filled;
  CVY_TRY(fill_input(&filled, net->pool, root));
  CVY_TRY(cvy_options_read(&d, net->pool, options, &filled, root, "the network"));
  if (d.input.count != 3)
    return cvy_yaml_error(cvy_yaml_get(&filled, "input"),
                          "'input' must be [height, width, channels], not %" PRId64 " numbers",
                          d.input.count);
  for (const char *c = d.name; *c; c++)
    if ((unsigned char)*c < ' ' || *c == 0x7f)
      return cvy_yaml_error(cvy_yaml_get(&filled, "name"),
                            "the network's name must be on one line of printable letters");
  net->name = d.name[0] ? d.name : "network";
  net->input = (cvy_shape){microbatch, d.input.values[0], d.input.values[1], d.input.values[2]};
  return cvy_net_expand(net, d.parameters, d.blocks, d.layers, root);
}

/* Moves a pooling in front of a layer that keeps the order of numbers. The largest of rectified numbers, for
 * instance, is the largest number, rectified. So the other layer works on fewer numbers, and the large value
 * need not be kept. An output that somebody asks for is made as described. */
static void pool_first(cvy_net *net) {
  for (int64_t i = 0; i + 1 < net->node_count; i++) {
    cvy_node *ordered = &net->nodes[i], *pool = &net->nodes[i + 1];
    const bool chain = pool->plan.input_count == 1 && pool->inputs[0] == i && ordered->plan.input_count == 1;
    if (!ordered->type->keeps_order || !pool->type->picks || !chain) continue;
    if (ordered->stays || pool->stays) continue;
    int64_t readers = 0;
    for (int64_t j = i + 1; j < net->node_count; j++) readers += reads(&net->nodes[j], i);
    if (readers > 1) continue;
    const cvy_node first = *pool, second = *ordered;
    net->nodes[i] = first;
    net->nodes[i].inputs[0] = second.inputs[0];
    net->nodes[i + 1] = second;
    net->nodes[i + 1].inputs[0] = i;
  }
}

cvy_err cvy_net_read(cvy_net *net, const cvy_yaml *root, int64_t microbatch) {
  net->pool = cvy_pool_create();
  CVY_TRY(read_nodes(net, root, microbatch));
  CVY_TRY(cvy_net_mark(net));
  pool_first(net);
  for (int64_t i = 0; i < net->node_count; i++)
    if (plan_node(&net->nodes[i], net)) return cvy_net_error_within(CVY_E_INPUT, net->nodes[i].within);
  CVY_TRY(check_losses(net));
  for (int64_t i = 0; i < net->node_count; i++)
    if (check_is_used(&net->nodes[i], net)) return cvy_net_error_within(CVY_E_INPUT, net->nodes[i].within);
  find_auxiliary(net);
  return CVY_OK;
}

/* Adds the inputs only where they are not the default. */
static void add_inputs(cvy_yaml *layer, cvy_pool *pool, const cvy_net *net, int64_t index) {
  const cvy_node *n = &net->nodes[index];
  int64_t before = index - 1;
  while (before >= 0 && net->nodes[before].type->is_loss) before--;
  if (n->plan.input_count == 1 && n->inputs[0] == before) return;
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
  cvy_yaml *input = cvy_yaml_new_sequence(pool, root->file);
  const int64_t sizes[3] = {net.input.h, net.input.w, net.input.c};
  for (int i = 0; i < 3; i++)
    cvy_yaml_add(pool, input, NULL,
                 cvy_yaml_new_scalar(pool, root->file, cvy_pool_format(pool, "%" PRId64, sizes[i])));
  cvy_yaml *layers = cvy_yaml_new_sequence(pool, root->file),
           *resolved = cvy_yaml_new_mapping(pool, root->file);
  for (int64_t i = 0; i < net.node_count; i++) {
    const cvy_node *n = &net.nodes[i];
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

/* ---- parameters ---- */

static cvy_err check_is_parameter(const cvy_yaml *parameters, const cvy_yaml *key, const char *network) {
  const char *known[64] = {NULL};
  int64_t count = 0;
  for (int64_t i = 0; i < parameters->count; i++) {
    if (strcmp(parameters->keys[i]->text, key->text) == 0) return CVY_OK;
    if (count < CVY_COUNT(known)) known[count++] = parameters->keys[i]->text;
  }
  if (count == 0)
    return cvy_yaml_error(key, "unknown parameter '%s': network %s has none", key->text, network);
  char list[512];
  cvy_text_list(list, sizeof list, ", ", known, count);
  return cvy_yaml_error(key, "unknown parameter '%s' of network %s%s (known: %s)", key->text, network,
                        cvy_meant(key->text, known, count), list);
}

/* Returns a copy of the mapping in which `key` has another value. */
static cvy_yaml *with_value(cvy_pool *pool, const cvy_yaml *mapping, const char *key, cvy_yaml *value) {
  cvy_yaml *copy = cvy_yaml_new_mapping(pool, mapping->file);
  bool found = false;
  for (int64_t i = 0; i < mapping->count; i++) {
    const bool this = strcmp(mapping->keys[i]->text, key) == 0;
    cvy_yaml_add(pool, copy, mapping->keys[i]->text, this ? value : mapping->items[i]);
    *copy->keys[i] = *mapping->keys[i];
    found = found || this;
  }
  if (!found) cvy_yaml_add(pool, copy, key, value);
  copy->line = mapping->line;
  copy->column = mapping->column;
  return copy;
}

cvy_err cvy_net_configure(cvy_yaml **out, cvy_pool *pool, const cvy_yaml *root, const cvy_yaml *settings) {
  const cvy_yaml *name = cvy_yaml_get(root, "name");
  const char *network = name && name->kind == CVY_YAML_SCALAR ? name->text : root->file;
  cvy_yaml *parameters = cvy_yaml_get(root, "parameters");
  if (settings->kind != CVY_YAML_MAPPING)
    return cvy_yaml_error(settings, "a network's parameters must be given as {name: value}, not as %s",
                          cvy_yaml_describe(settings));
  if (root->kind != CVY_YAML_MAPPING) return cvy_yaml_error(root, "a network must be a mapping");
  if (!parameters) parameters = cvy_yaml_new_mapping(pool, root->file);
  for (int64_t i = 0; i < settings->count; i++) {
    CVY_TRY(check_is_parameter(parameters, settings->keys[i], network));
    if (settings->items[i]->kind == CVY_YAML_SCALAR && !settings->items[i]->text[0])
      return cvy_yaml_error(settings->keys[i], "parameter '%s' is given no value", settings->keys[i]->text);
    parameters = with_value(pool, parameters, settings->keys[i]->text, settings->items[i]);
  }
  *out = with_value(pool, root, "parameters", parameters);
  return CVY_OK;
}

cvy_err cvy_net_rename(cvy_yaml **out, cvy_pool *pool, const cvy_yaml *root, const char *name) {
  if (root->kind != CVY_YAML_MAPPING) return cvy_yaml_error(root, "a network must be a mapping");
  *out = with_value(pool, root, "name", cvy_yaml_new_scalar(pool, root->file, name));
  return CVY_OK;
}
