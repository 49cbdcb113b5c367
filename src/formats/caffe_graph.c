/* Makes a network of Convoy's from one of Caffe's. Layers of Caffe name the blobs that they read and write,
 * and may write one anew; here they name layers. Of a network with phases it is that of TRAIN. */
#include "formats/caffe_graph.h"

#include <string.h>

enum { MOST_FIELDS = 10000 }; /* of a network, layers among them */

/* ---- phases ---- */

/* Tells whether a rule of `include` or `exclude` holds in a phase, at level 0 and without stages, as where
 * nobody has asked for others. */
static cvy_err rule_holds(bool *holds, const cvy_caffe *c, const cvy_prototext *rule, const char *phase) {
  int64_t least = 0, most = 0;
  const char *text = cvy_caffe_text(rule, "phase", phase);
  CVY_TRY(cvy_caffe_whole(&least, c->file->path, rule, "min_level"));
  CVY_TRY(cvy_caffe_whole(&most, c->file->path, rule, "max_level"));
  *holds = strcmp(text, phase) == 0 && least <= 0 && most >= 0 && !cvy_prototext_get(rule, "stage");
  return CVY_OK;
}

static cvy_err is_in_phase(bool *is_in, const cvy_caffe *c, const cvy_prototext *layer, const char *phase) {
  bool includes = false, included = false, excluded = false;
  for (int64_t i = 0; i < layer->count; i++) {
    const cvy_prototext_field *field = &layer->fields[i];
    const bool is_include = strcmp(field->name, "include") == 0;
    bool holds;
    if (!field->message || (!is_include && strcmp(field->name, "exclude") != 0)) continue;
    CVY_TRY(rule_holds(&holds, c, field->message, phase));
    includes = includes || is_include;
    included = included || (is_include && holds);
    excluded = excluded || (!is_include && holds);
  }
  *is_in = includes ? included : !excluded;
  return CVY_OK;
}

/* Refuses a network that asks for a level or a stage of its own: its layers would be others. */
static cvy_err check_state(const cvy_caffe *c) {
  const cvy_prototext *state = cvy_prototext_message(c->net, "state");
  const cvy_prototext_field *stage = cvy_prototext_get(state, "stage");
  int64_t level = 0;
  CVY_TRY(cvy_caffe_whole(&level, c->file->path, state, "level"));
  if (level == 0 && !stage) return CVY_OK;
  return cvy_caffe_wrong(c->file->path, stage ? stage : cvy_prototext_get(state, "level"), NULL,
                         "a state with a level or a stage is not read; layers are those of level 0 and no "
                         "stage");
}

static cvy_err list_layers(cvy_caffe *c) {
  c->layers = cvy_pool_new(c->pool, sizeof *c->layers * (size_t)(c->net->count + 1));
  for (int64_t i = 0; i < c->net->count; i++) {
    const cvy_prototext_field *field = &c->net->fields[i];
    if (strcmp(field->name, "layer") != 0) continue;
    if (!field->message) return cvy_caffe_wrong(c->file->path, field, NULL, "expected 'layer {'");
    cvy_caffe_layer *layer = &c->layers[c->layer_count++];
    *layer = (cvy_caffe_layer){.at = field->message,
                               .name = cvy_caffe_text(field->message, "name", ""),
                               .type = cvy_caffe_text(field->message, "type", "")};
    CVY_TRY(is_in_phase(&layer->trains, c, field->message, "TRAIN"));
    CVY_TRY(is_in_phase(&layer->tests, c, field->message, "TEST"));
  }
  return CVY_OK;
}

/* ---- blobs ---- */

static void write_blob(cvy_caffe *c, const char *name, int64_t node) {
  for (int64_t i = 0; i < c->blob_count; i++) {
    if (strcmp(c->blobs[i].name, name) != 0) continue;
    c->blobs[i].node = node;
    return;
  }
  c->blobs[c->blob_count++] = (cvy_caffe_blob){.name = name, .node = node};
}

static cvy_err read_blob(int64_t *node, const cvy_caffe *c, const cvy_caffe_layer *layer,
                         const cvy_prototext_field *bottom) {
  for (int64_t i = 0; bottom->text && i < c->blob_count; i++) {
    if (strcmp(c->blobs[i].name, bottom->text) != 0) continue;
    *node = c->blobs[i].node;
    return CVY_OK;
  }
  return cvy_caffe_wrong(c->file->path, bottom, layer, "it reads '%s', which no layer above it writes",
                         bottom->text ? bottom->text : "");
}

/* Sets all blobs that a layer writes; the first one to another node than the rest. */
static void write_tops(cvy_caffe *c, const cvy_caffe_layer *layer, int64_t first, int64_t others) {
  bool is_first = true;
  for (int64_t i = 0; i < layer->at->count; i++) {
    const cvy_prototext_field *field = &layer->at->fields[i];
    if (strcmp(field->name, "top") != 0 || !field->text) continue;
    write_blob(c, field->text, is_first ? first : others);
    is_first = false;
  }
}

/* ---- data ---- */

/* Takes a blob of four dimensions for the image, and any other one for labels. */
static cvy_err take_shape(cvy_caffe *c, const cvy_prototext_field *at, const char *blob, const double *dims,
                          int64_t count) {
  if (count != 4) {
    write_blob(c, blob, CVY_CAFFE_LABEL);
    return CVY_OK;
  }
  if (c->has_image)
    return cvy_caffe_wrong(c->file->path, at, NULL, "'%s' would be a second image; networks here have one",
                           blob);
  for (int i = 1; i < 4; i++)
    if (dims[i] < 1 || dims[i] > 1e6 || dims[i] != (double)(int64_t)dims[i])
      return cvy_caffe_wrong(c->file->path, at, NULL, "'%s' has no shape of an image: %g is no size", blob,
                             dims[i]);
  c->input[0] = (int64_t)dims[2];
  c->input[1] = (int64_t)dims[3];
  c->input[2] = (int64_t)dims[1];
  c->has_image = true;
  write_blob(c, blob, CVY_CAFFE_IMAGE);
  return CVY_OK;
}

static const cvy_prototext *message_at(const cvy_prototext *from, const char *name, int64_t index) {
  for (int64_t i = 0; from && i < from->count; i++)
    if (strcmp(from->fields[i].name, name) == 0 && index-- == 0) return from->fields[i].message;
  return NULL;
}

/* Reads what stands outside of layers: input: "data" input_dim: 1 ... or input_shape {...}. */
static cvy_err take_inputs(cvy_caffe *c) {
  double all[64], dims[8];
  int64_t all_count, count, index = 0;
  CVY_TRY(cvy_caffe_numbers(all, &all_count, 64, c->file->path, c->net, "input_dim"));
  for (int64_t i = 0; i < c->net->count; i++) {
    const cvy_prototext_field *field = &c->net->fields[i];
    if (strcmp(field->name, "input") != 0 || !field->text) continue;
    const cvy_prototext *shape = message_at(c->net, "input_shape", index);
    CVY_TRY(cvy_caffe_numbers(dims, &count, 8, c->file->path, shape, "dim"));
    if (!shape && all_count >= 4 * (index + 1)) {
      memcpy(dims, all + 4 * index, sizeof *dims * 4);
      count = 4;
    }
    if (count == 0)
      return cvy_caffe_wrong(c->file->path, field, NULL, "input '%s' has no input_shape", field->text);
    const bool is_number = count == 4 && dims[1] == 1 && dims[2] == 1 && dims[3] == 1 && c->has_image;
    CVY_TRY(take_shape(c, field, field->text, dims, is_number ? 1 : count));
    index++;
  }
  return CVY_OK;
}

/* An Input layer has a shape for each of its blobs, or one for all. */
static cvy_err take_input_layer(cvy_caffe *c, const cvy_caffe_layer *layer) {
  const cvy_prototext *param = cvy_prototext_message(layer->at, "input_param");
  int64_t index = 0;
  for (int64_t i = 0; i < layer->at->count; i++) {
    const cvy_prototext_field *field = &layer->at->fields[i];
    double dims[8];
    int64_t count;
    if (strcmp(field->name, "top") != 0 || !field->text) continue;
    const cvy_prototext *own = message_at(param, "shape", index++), *first = message_at(param, "shape", 0);
    CVY_TRY(cvy_caffe_numbers(dims, &count, 8, c->file->path, own ? own : first, "dim"));
    if (count == 0)
      return cvy_caffe_wrong(c->file->path, field, layer, "it gives '%s' no shape", field->text);
    CVY_TRY(take_shape(c, field, field->text, dims, count));
  }
  return CVY_OK;
}

static cvy_err take_data(cvy_caffe *c, const cvy_caffe_layer *layer) {
  if (strcmp(layer->type, "Input") == 0) {
    CVY_TRY(take_input_layer(c, layer));
  } else {
    if (c->has_image)
      return cvy_caffe_wrong(c->file->path, NULL, layer, "it brings a second image; networks here have one");
    c->has_image = true;
    write_tops(c, layer, CVY_CAFFE_IMAGE, CVY_CAFFE_LABEL);
  }
  return cvy_caffe_find_input(c, layer);
}

/* ---- layers ---- */

/* Lists what a layer reads. */
static cvy_err read_bottoms(cvy_caffe_node *node, const cvy_caffe *c, const cvy_caffe_layer *layer) {
  for (int64_t i = 0; i < layer->at->count; i++) {
    const cvy_prototext_field *field = &layer->at->fields[i];
    if (strcmp(field->name, "bottom") != 0) continue;
    if (node->input_count == CVY_CAFFE_INPUTS)
      return cvy_caffe_wrong(c->file->path, field, layer, "it reads more than %d blobs", CVY_CAFFE_INPUTS);
    CVY_TRY(read_blob(&node->inputs[node->input_count++], c, layer, field));
  }
  return node->input_count > 0
             ? CVY_OK
             : cvy_caffe_wrong(c->file->path, NULL, layer,
                               "a layer of type %s reads something: it has no 'bottom'", layer->type);
}

/* Checks what a layer reads: a loss scores and labels, a scale one blob, and nobody else labels. */
static cvy_err check_bottoms(cvy_caffe_node *node, const cvy_caffe *c) {
  if (node->is_loss) {
    const bool is_pair = node->input_count == 2 && node->inputs[1] < 0 &&
                         node->inputs[1] != CVY_CAFFE_PASSED_OVER;
    if (!is_pair) return cvy_caffe_wrong(c->file->path, NULL, node->layer, "a loss reads scores and labels");
    node->input_count = 1;
  }
  const bool joins = strcmp(node->type, "concat") == 0 || strcmp(node->type, "add") == 0;
  if (!joins && node->input_count > 1)
    return cvy_caffe_wrong(c->file->path, NULL, node->layer, "a layer of type %s reads one blob here",
                           node->layer->type);
  for (int64_t i = 0; i < node->input_count; i++)
    if (node->inputs[i] < CVY_CAFFE_IMAGE)
      return cvy_caffe_wrong(c->file->path, NULL, node->layer, "it reads %s, which only a loss does here",
                             node->inputs[i] == CVY_CAFFE_LABEL ? "labels" : "what is not computed here");
  return CVY_OK;
}

static cvy_err take_layer(cvy_caffe *c, const cvy_caffe_layer *layer) {
  cvy_caffe_node *node = &c->nodes[c->node_count];
  *node = (cvy_caffe_node){.layer = layer, .part_of = -1};
  if (cvy_caffe_is_data(layer->type)) return take_data(c, layer);
  if (cvy_caffe_is_passed_over(layer->type)) {
    write_tops(c, layer, CVY_CAFFE_PASSED_OVER, CVY_CAFFE_PASSED_OVER);
    return CVY_OK;
  }
  CVY_TRY(read_bottoms(node, c, layer));
  if (cvy_caffe_hands_on(layer, node->input_count)) {
    write_tops(c, layer, node->inputs[0], node->inputs[0]);
    return CVY_OK;
  }
  CVY_TRY(cvy_caffe_layer_make(node, c));
  CVY_TRY(check_bottoms(node, c));
  node->name = cvy_caffe_name(c->pool, layer->name[0] ? layer->name : node->type);
  if (strcmp(node->name, "input") == 0) node->name = "input_"; /* that is the image */
  write_tops(c, layer, c->node_count, CVY_CAFFE_PASSED_OVER);
  c->node_count++;
  return CVY_OK;
}

static bool has_image_in(const cvy_caffe *c, bool trains) {
  for (int64_t i = 0; i < c->layer_count; i++)
    if (cvy_caffe_is_data(c->layers[i].type) && (trains ? c->layers[i].trains : c->layers[i].tests))
      return true;
  return cvy_prototext_get(c->net, "input") != NULL;
}

static cvy_err take_layers(cvy_caffe *c) {
  int64_t blobs = 1;
  for (int64_t i = 0; i < c->layer_count; i++) blobs += c->layers[i].at->count;
  c->nodes = cvy_pool_new(c->pool, sizeof *c->nodes * (size_t)(c->layer_count + 2));
  c->blobs = cvy_pool_new(c->pool, sizeof *c->blobs * (size_t)(blobs + c->net->count));
  CVY_TRY(take_inputs(c));
  const bool trains = has_image_in(c, true);
  for (int64_t i = 0; i < c->layer_count; i++) {
    const cvy_caffe_layer *layer = &c->layers[i];
    if (layer->tests && cvy_caffe_is_data(layer->type)) c->test_data = layer;
    if (!(trains ? layer->trains : layer->tests)) continue;
    if (cvy_caffe_is_data(layer->type)) c->training_data = layer;
    CVY_TRY(take_layer(c, layer));
  }
  if (c->has_image) return CVY_OK;
  return cvy_caffe_wrong(c->file->path, NULL, NULL, "the network has no layer that brings images");
}

/* ---- the end of the network ---- */

static void count_readers(cvy_caffe *c) {
  for (int64_t i = 0; i < c->node_count; i++) c->nodes[i].readers = 0;
  for (int64_t i = 0; i < c->node_count; i++)
    for (int64_t k = 0; k < c->nodes[i].input_count; k++)
      if (c->nodes[i].inputs[k] >= 0) c->nodes[c->nodes[i].inputs[k]].readers++;
}

static void become_loss(cvy_caffe *c, cvy_caffe_node *node, const char *type) {
  node->type = type;
  node->options = cvy_yaml_new_mapping(c->pool, c->file->path);
  node->is_loss = true;
}

static bool has_loss_beside(const cvy_caffe *c, const cvy_caffe_node *node) {
  for (int64_t i = 0; i < c->node_count; i++)
    if (c->nodes[i].is_loss && c->nodes[i].inputs[0] == node->inputs[0]) return true;
  return false;
}

/* Makes losses of probabilities that nobody reads: they are what the network is used for. Where a loss reads
 * the same scores, they are passed over. */
static void close_with_probabilities(cvy_caffe *c) {
  for (int64_t i = 0; i < c->node_count; i++) {
    cvy_caffe_node *node = &c->nodes[i];
    const bool is_softmax = strcmp(node->type, "softmax") == 0;
    if (node->readers > 0 || (!is_softmax && strcmp(node->type, "sigmoid") != 0)) continue;
    if (has_loss_beside(c, node) || (!is_softmax && c->trains)) continue;
    become_loss(c, node, is_softmax ? "softmax_loss" : "sigmoid_loss");
  }
}

/* Makes a name that no layer has. */
static const char *free_name(const cvy_caffe *c, const char *name) {
  for (int64_t i = 0; i < c->node_count; i++)
    if (strcmp(c->nodes[i].name, name) == 0) return free_name(c, cvy_pool_format(c->pool, "%s_", name));
  return name;
}

/* Adds a loss behind the only layer that nobody reads, if there is none. */
static cvy_err close_with_loss(cvy_caffe *c) {
  int64_t last = -1;
  for (int64_t i = 0; i < c->node_count; i++) {
    if (c->nodes[i].is_loss) return CVY_OK;
    if (c->nodes[i].readers > 0) continue;
    if (last >= 0)
      return cvy_caffe_wrong(c->file->path, NULL, c->nodes[i].layer,
                             "it is an end of the network, as layer '%s' is; networks here have one",
                             c->nodes[last].layer->name);
    last = i;
  }
  if (last < 0) return cvy_caffe_wrong(c->file->path, NULL, NULL, "the network has no layers");
  cvy_caffe_node *node = &c->nodes[c->node_count];
  *node = (cvy_caffe_node){.layer = c->nodes[last].layer,
                           .name = free_name(c, "loss"),
                           .is_added = true,
                           .input_count = 1,
                           .inputs = {last},
                           .part_of = -1};
  become_loss(c, node, "softmax_loss");
  c->node_count++;
  return CVY_OK;
}

static void mark_live(cvy_caffe *c) {
  for (int64_t i = c->node_count - 1; i >= 0; i--) {
    cvy_caffe_node *node = &c->nodes[i];
    node->is_live = node->is_live || node->is_loss;
    if (!node->is_live) {
      cvy_weights_note(
          c->file, cvy_pool_format(c->pool, "layer '%s', line %d", node->layer->name, node->layer->at->line),
          "left out, as no loss depends on it");
      node->input_count = 0;
    }
    for (int64_t k = 0; k < node->input_count; k++)
      if (node->inputs[k] >= 0) c->nodes[node->inputs[k]].is_live = true;
  }
}

/* ---- scales ---- */

static bool learns(const cvy_caffe_layer *layer) {
  bool any = false, learns = false;
  for (int64_t i = 0; i < layer->at->count; i++) {
    if (strcmp(layer->at->fields[i].name, "param") != 0) continue;
    any = true;
    learns = learns || strcmp(cvy_caffe_text(layer->at->fields[i].message, "lr_mult", "1"), "0") != 0;
  }
  return !any || learns;
}

static void move_option(cvy_caffe *c, cvy_caffe_node *norm, const cvy_caffe_node *scale, const char *from,
                        const char *to) {
  const cvy_yaml *value = cvy_yaml_get(scale->options, from);
  if (value) cvy_caffe_set(c->pool, c->file->path, norm->options, scale->layer->at, to, "%s", value->text);
}

/* Makes a Scale a part of the BatchNorm that it alone reads. One that learns is no part of a BatchNorm whose
 * statistics are fixed in training: such a layer is frozen here, as a whole. */
static cvy_err join_scale(cvy_caffe *c, int64_t index) {
  cvy_caffe_node *scale = &c->nodes[index];
  cvy_caffe_node *norm = scale->inputs[0] >= 0 ? &c->nodes[scale->inputs[0]] : NULL;
  if (!norm || strcmp(norm->type, "batch_norm") != 0 || norm->readers != 1) return CVY_OK;
  if (norm->is_frozen && c->trains && learns(scale->layer)) return CVY_OK;
  const cvy_yaml *bias = cvy_yaml_get(scale->options, "bias_value");
  if (bias) /* a batch_norm's biases begin with 0 here */
    return cvy_caffe_wrong(c->file->path, NULL, scale->layer,
                           "biases of %s behind a BatchNorm have no counterpart here; 0 has", bias->text);
  scale->part_of = scale->inputs[0];
  move_option(c, norm, scale, "scale_value", "initial_scale");
  move_option(c, norm, scale, "bias", "bias");
  return CVY_OK;
}

static bool has_scale(const cvy_caffe *c, int64_t norm) {
  for (int64_t i = 0; i < c->node_count; i++)
    if (c->nodes[i].part_of == norm) return true;
  return false;
}

static cvy_err join_scales(cvy_caffe *c) {
  for (int64_t i = 0; i < c->node_count; i++)
    if (c->nodes[i].is_live && strcmp(c->nodes[i].type, "scale") == 0) CVY_TRY(join_scale(c, i));
  for (int64_t i = 0; i < c->node_count; i++) {
    cvy_caffe_node *norm = &c->nodes[i];
    if (strcmp(norm->type, "batch_norm") != 0 || has_scale(c, i)) continue;
    cvy_caffe_set(c->pool, c->file->path, norm->options, norm->layer->at, "scale", "false");
    cvy_caffe_set(c->pool, c->file->path, norm->options, norm->layer->at, "bias", "false");
  }
  return CVY_OK;
}

/* ---- the description ---- */

static const char *shared_name(const cvy_prototext_field *field) {
  return strcmp(field->name, "param") == 0 ? cvy_caffe_text(field->message, "name", NULL) : NULL;
}

/* Refuses weights that a layer shares with one of the layers before it. */
static cvy_err check_shared(const cvy_caffe *c, int64_t index) {
  const cvy_caffe_layer *layer = c->nodes[index].layer;
  for (int64_t i = 0; i < layer->at->count; i++) {
    const char *name = shared_name(&layer->at->fields[i]);
    for (int64_t k = 0; name && k < index; k++)
      for (int64_t n = 0; n < c->nodes[k].layer->at->count; n++) {
        const char *other = shared_name(&c->nodes[k].layer->at->fields[n]);
        if (!other || strcmp(other, name) != 0 || c->nodes[k].layer == layer) continue;
        return cvy_caffe_wrong(c->file->path, &layer->at->fields[i], layer,
                               "it shares the weights '%s' with layer '%s', which no layer does here", name,
                               c->nodes[k].layer->name);
      }
  }
  return CVY_OK;
}

/* Refuses names that become one here, and weights that layers share. */
static cvy_err check_names(const cvy_caffe *c) {
  for (int64_t i = 0; i < c->node_count; i++) {
    const cvy_caffe_node *node = &c->nodes[i];
    if (!node->is_live) continue;
    CVY_TRY(check_shared(c, i));
    for (int64_t k = 0; k < i && node->part_of < 0; k++)
      if (c->nodes[k].is_live && c->nodes[k].part_of < 0 && strcmp(c->nodes[k].name, node->name) == 0)
        return cvy_caffe_wrong(c->file->path, NULL, node->layer,
                               "its name is '%s' here, as that of layer '%s'", node->name,
                               c->nodes[k].layer->name);
  }
  return CVY_OK;
}

static void mark(cvy_yaml *yaml, const cvy_prototext *at) {
  yaml->line = at->line;
  yaml->column = at->column;
}

static cvy_yaml *describe_node(const cvy_caffe *c, const cvy_caffe_node *node) {
  const cvy_prototext *at = node->layer->at;
  cvy_yaml *entry = cvy_yaml_new_mapping(c->pool, c->file->path),
           *options = cvy_yaml_new_mapping(c->pool, c->file->path);
  cvy_caffe_set(c->pool, c->file->path, options, at, "name", "%s", node->name);
  if (node->input_count == 1) {
    cvy_caffe_set(c->pool, c->file->path, options, at, "inputs", "%s", cvy_caffe_name_of(c, node->inputs[0]));
  } else {
    cvy_yaml *list = cvy_yaml_new_sequence(c->pool, c->file->path);
    for (int64_t i = 0; i < node->input_count; i++) {
      cvy_yaml *name = cvy_yaml_new_scalar(c->pool, c->file->path, cvy_caffe_name_of(c, node->inputs[i]));
      mark(name, at);
      cvy_yaml_add(c->pool, list, NULL, name);
    }
    mark(list, at);
    cvy_yaml_add(c->pool, options, "inputs", list);
  }
  for (int64_t i = 0; i < node->options->count; i++)
    cvy_yaml_add(c->pool, options, node->options->keys[i]->text, node->options->items[i]);
  mark(options, at);
  mark(entry, at);
  cvy_yaml_add(c->pool, entry, node->type, options);
  mark(entry->keys[0], at);
  return entry;
}

/* Where the file does not give the images' shape, the description has no `input`. */
static void describe(cvy_caffe *c) {
  const char *path = c->file->path, *name = cvy_caffe_name(c->pool, cvy_caffe_text(c->net, "name", ""));
  cvy_yaml *root = cvy_yaml_new_mapping(c->pool, path), *layers = cvy_yaml_new_sequence(c->pool, path);
  cvy_caffe_set(c->pool, path, root, NULL, "name", "%s", name[0] ? name : "network");
  if (c->input[0] > 0 && c->input[2] > 0) {
    cvy_yaml *input = cvy_yaml_new_sequence(c->pool, path);
    for (int i = 0; i < 3; i++)
      cvy_yaml_add(c->pool, input, NULL,
                   cvy_yaml_new_scalar(c->pool, path, cvy_pool_format(c->pool, "%" PRId64, c->input[i])));
    cvy_yaml_add(c->pool, root, "input", input);
  }
  for (int64_t i = 0; i < c->node_count; i++)
    if (c->nodes[i].is_live && c->nodes[i].part_of < 0)
      cvy_yaml_add(c->pool, layers, NULL, describe_node(c, &c->nodes[i]));
  cvy_yaml_add(c->pool, root, "layers", layers);
  c->file->network = root;
}

static cvy_caffe_place *places_of(const cvy_caffe *c) {
  cvy_caffe_place *places = cvy_pool_new(c->pool, sizeof *places * (size_t)(c->layer_count + 1));
  for (int64_t i = 0; i < c->node_count; i++) {
    const cvy_caffe_node *node = &c->nodes[i];
    if (node->is_live && !node->is_added)
      places[node->layer - c->layers] = (cvy_caffe_place){cvy_caffe_name_of(c, i), node->blobs};
  }
  return places;
}

cvy_err cvy_caffe_convert(cvy_weights_file *file, const cvy_prototext *net, cvy_caffe_place **places) {
  cvy_caffe c = {.file = file, .pool = file->pool, .net = net};
  if (net->count > MOST_FIELDS)
    return cvy_caffe_wrong(file->path, NULL, NULL, "the network has more than %d parts", MOST_FIELDS);
  CVY_TRY(check_state(&c));
  CVY_TRY(list_layers(&c));
  CVY_TRY(take_layers(&c));
  for (int64_t i = 0; i < c.node_count; i++) c.trains = c.trains || c.nodes[i].is_loss;
  count_readers(&c);
  close_with_probabilities(&c);
  CVY_TRY(close_with_loss(&c));
  mark_live(&c);
  count_readers(&c);
  CVY_TRY(join_scales(&c));
  CVY_TRY(check_names(&c));
  CVY_TRY(cvy_caffe_make_recipe(&c));
  describe(&c);
  *places = places_of(&c);
  return CVY_OK;
}
