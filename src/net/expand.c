/* A block is to a network what a function is to a program. It sees its parameters and its `input`, and
 * nothing else; its value is that of its last layer. Blocks stand above the blocks that use them, so none
 * contains itself.
 *
 * A description is read once, from top to bottom. Each use of a block opens a scope: the names that its
 * layers may name, the parameters' values, and the prefix of the names that its layers get in the flat list.
 * `$name` is replaced by a copy of the value that still knows where it was written, so errors point at what
 * the user would change. */
#include "net/expand.h"

#include "base/text.h"

#include <string.h>

enum { MAX_NAME = 200, MAX_LAYERS = 10000, MAX_USES = 100000, MAX_REPEAT = 1000, MAX_KINDS = 256 };

/* The keys that every layer and block has, beside its own options. */
typedef struct common {
  const cvy_yaml *name, *inputs; /* NULL: not given */
  int64_t repeat;
  bool when, unless;
} common;

static const char *const name_words[] = {"NAME", NULL}, *const input_words[] = {"NAME|[NAME, ...]", NULL};

static const cvy_option common_options[] = {
    {"name", CVY_NODE, offsetof(common, name), .words = name_words,
     .help = "what others call it; else its kind and a number"},
    {"inputs", CVY_NODE, offsetof(common, inputs), .words = input_words,
     .help = "what it reads: names of layers above, or input, the image; else the layer before"},
    {"repeat", CVY_INT, offsetof(common, repeat), "1", 1, MAX_REPEAT,
     .help = "copies in a chain, called name.1, name.2, ...; name itself is the last"},
    {"when", CVY_BOOL, offsetof(common, when), "true", .help = "false: it is left out"},
    {"unless", CVY_BOOL, offsetof(common, unless), "false", .help = "true: it is left out"},
    {0},
};

const cvy_option *cvy_net_common_options(void) {
  return common_options;
}

typedef struct block {
  const cvy_yaml *at; /* its name where it is described */
  const cvy_yaml *parameters, *layers;
  bool used;
} block;

static const cvy_option block_options[] = {
    {"parameters", CVY_NODE, offsetof(block, parameters), .help = "names with their defaults"},
    {"layers", CVY_NODE, offsetof(block, layers), .help = "its layers, first to last"},
    {0},
};

/* What a name means in a scope. */
typedef struct entry {
  struct entry *before;
  const char *name;
  const char *kind; /* what unnamed ones are numbered by; NULL for one of several copies */
  int64_t value;
  int line;
} entry;

typedef struct scope {
  const cvy_net_use *use; /* NULL: the network's own layers */
  const char *prefix;
  const cvy_yaml *parameters;    /* a mapping of names to defaults, or NULL */
  const cvy_yaml *const *values; /* values of the parameters */
  const cvy_yaml *layers;        /* the list that is being read */
  int64_t kind_count;            /* kinds that may be used here */
  int64_t input, last;           /* values: what the block was given, what the next layer reads by default */
  entry *newest;
} scope;

typedef struct expander {
  cvy_net *net;
  int64_t node_room;
  const cvy_kind *kinds[MAX_KINDS]; /* the layer types, then the blocks */
  int64_t type_count, block_count;
  block blocks[MAX_KINDS];
  int64_t uses;
} expander;

static cvy_err add_context(cvy_err err, const cvy_net_use *use) {
  return cvy_error(err, "%s, in block '%s' used on line %d", cvy_err_message(), use->block, use->at->line);
}

cvy_err cvy_net_error_within(cvy_err err, const cvy_net_use *use) {
  for (; err && use; use = use->within) err = add_context(err, use);
  return err;
}

/* ---- parameters ---- */

static bool is_parameter(const cvy_yaml *from) {
  return from->kind == CVY_YAML_SCALAR && from->plain && from->text[0] == '$';
}

static cvy_err unknown_parameter(const cvy_yaml *from, const scope *s) {
  const char *known[MAX_KINDS];
  int64_t count = 0;
  for (; s->parameters && count < s->parameters->count && count < MAX_KINDS; count++)
    known[count] = s->parameters->keys[count]->text;
  return cvy_yaml_error(from, "no parameter is named '%s' here%s; %s knows what its own 'parameters' list",
                        from->text + 1, cvy_meant(from->text + 1, known, count),
                        s->use ? "a block" : "a network");
}

static cvy_err substitute(cvy_yaml **out, cvy_pool *pool, const cvy_yaml *from, const scope *s) {
  *out = cvy_pool_new(pool, sizeof **out);
  **out = *from;
  if (from->kind == CVY_YAML_SCALAR) {
    if (!is_parameter(from)) return CVY_OK;
    for (int64_t i = 0; s->parameters && i < s->parameters->count; i++)
      if (strcmp(s->parameters->keys[i]->text, from->text + 1) == 0) {
        **out = *s->values[i];
        return CVY_OK;
      }
    return unknown_parameter(from, s);
  }
  (*out)->items = cvy_pool_new(pool, sizeof *from->items * (size_t)from->count);
  for (int64_t i = 0; i < from->count; i++) CVY_TRY(substitute(&(*out)->items[i], pool, from->items[i], s));
  return CVY_OK;
}

static bool mentions(const cvy_yaml *from, const char *parameter) {
  if (from->kind == CVY_YAML_SCALAR) return is_parameter(from) && strcmp(from->text + 1, parameter) == 0;
  for (int64_t i = 0; i < from->count; i++)
    if (mentions(from->items[i], parameter)) return true;
  return false;
}

static bool is_common_key(const char *word) {
  for (const cvy_option *option = common_options; option->name; option++)
    if (strcmp(option->name, word) == 0) return true;
  return false;
}

static cvy_err check_parameters(const cvy_yaml *parameters, const cvy_yaml *body, const char *of) {
  if (!parameters) return CVY_OK;
  if (parameters->kind != CVY_YAML_MAPPING)
    return cvy_yaml_error(parameters, "'parameters' must be names with their defaults, {stride: 1}, not %s",
                          cvy_yaml_describe(parameters));
  for (int64_t i = 0; i < parameters->count; i++) {
    const cvy_yaml *key = parameters->keys[i];
    if (is_common_key(key->text))
      return cvy_yaml_error(key, "a parameter cannot be named '%s', as every layer has that key", key->text);
    if (is_parameter(parameters->items[i]))
      return cvy_yaml_error(parameters->items[i], "a parameter must be a value, not another parameter");
    if (!mentions(body, key->text))
      return cvy_yaml_error(key, "nobody uses parameter '%s': $%s stands nowhere in %s", key->text, key->text,
                            of);
  }
  return CVY_OK;
}

static bool is_missing(const cvy_yaml *value) {
  return value->kind == CVY_YAML_SCALAR && value->plain && !value->text[0];
}

/* Values that are not given are the defaults. */
static cvy_err fill_defaults(const cvy_yaml **values, const cvy_yaml *parameters, const cvy_yaml *at,
                             const char *what) {
  for (int64_t i = 0; parameters && i < parameters->count; i++) {
    if (!values[i]) values[i] = parameters->items[i];
    if (is_missing(values[i]))
      return cvy_yaml_error(at, "%s needs '%s', a parameter without a default", what,
                            parameters->keys[i]->text);
  }
  return CVY_OK;
}

/* ---- names ---- */

/* Names become parts of other names, of paths in HDF5 files, and of pictures. Letters of any alphabet are
 * letters. */
static bool is_word(const char *text) {
  for (const char *c = text; *c; c++) {
    const bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
                        (unsigned char)*c >= 0x80;
    const bool dot = *c == '.' && c > text && c[-1] != '.' && c[1];
    if (!letter && !dot && *c != '_' && *c != '-') return false;
  }
  return text[0] != '\0';
}

/* ---- blocks ---- */

/* Makes the kind of a block, whose options are the block's parameters. */
static const cvy_kind *kind_of_block(cvy_pool *pool, const block *b) {
  const int64_t count = b->parameters ? b->parameters->count : 0;
  cvy_kind *kind = cvy_pool_new(pool, sizeof *kind);
  cvy_option *options = cvy_pool_new(pool, sizeof *options * (size_t)(count + 1));
  for (int64_t i = 0; i < count; i++)
    options[i] = (cvy_option){
        .name = b->parameters->keys[i]->text, .type = CVY_NODE, .offset = sizeof(cvy_yaml *) * (size_t)i};
  *kind = (cvy_kind){
      .name = b->at->text, .options = options, .config_bytes = sizeof(cvy_yaml *) * (size_t)(count + 1)};
  return kind;
}

static cvy_err check_is_list(const cvy_yaml *layers, const cvy_yaml *at, const char *what) {
  if (!layers) return cvy_yaml_error(at, "%s needs 'layers', a list of at least one layer", what);
  if (layers->kind != CVY_YAML_SEQUENCE || layers->count == 0)
    return cvy_yaml_error(layers, "the 'layers' of %s must be a list of at least one layer, not %s", what,
                          layers->kind == CVY_YAML_SEQUENCE ? "an empty one" : cvy_yaml_describe(layers));
  return CVY_OK;
}

static cvy_err read_block(expander *e, const cvy_yaml *name, const cvy_yaml *body) {
  cvy_pool *pool = e->net->pool;
  block *b = &e->blocks[e->block_count];
  const char *what = cvy_pool_format(pool, "block '%s'", name->text);
  if (!is_word(name->text) || strchr(name->text, '.') || strcmp(name->text, "input") == 0)
    return cvy_yaml_error(name,
                          "a block's name must be a word of letters, digits, '_' and '-', and not 'input'");
  for (int64_t i = 0; i < e->type_count; i++)
    if (strcmp(e->kinds[i]->name, name->text) == 0)
      return cvy_yaml_error(name, "a block cannot be named '%s', as a layer type is", name->text);
  if (e->type_count + e->block_count == MAX_KINDS) return cvy_yaml_error(name, "too many blocks");
  CVY_TRY(cvy_options_read(b, pool, block_options, body, name, what));
  b->at = name;
  CVY_TRY(check_is_list(b->layers, name, what));
  CVY_TRY(check_parameters(b->parameters, b->layers, what));
  e->kinds[e->type_count + e->block_count++] = kind_of_block(pool, b);
  return CVY_OK;
}

static cvy_err read_blocks(expander *e, const cvy_yaml *blocks) {
  e->type_count = cvy_layer_type_count();
  for (int64_t i = 0; i < e->type_count; i++) e->kinds[i] = cvy_layer_type_at(i)->kind;
  if (!blocks) return CVY_OK;
  if (blocks->kind != CVY_YAML_MAPPING)
    return cvy_yaml_error(blocks,
                          "'blocks' must be names with their layers, {conv_relu: {layers: [...]}}, not %s",
                          cvy_yaml_describe(blocks));
  for (int64_t i = 0; i < blocks->count; i++) CVY_TRY(read_block(e, blocks->keys[i], blocks->items[i]));
  return CVY_OK;
}

static cvy_err check_blocks_are_used(const expander *e) {
  for (const block *b = e->blocks; b < e->blocks + e->block_count; b++)
    if (!b->used) return cvy_yaml_error(b->at, "nobody uses block '%s'", b->at->text);
  return CVY_OK;
}

/* ---- what names mean ---- */

static void define(expander *e, scope *s, const char *name, const char *kind, int64_t value, int line) {
  entry *new = cvy_pool_new(e->net->pool, sizeof *new);
  *new = (entry){s->newest, name, kind, value, line};
  s->newest = new;
}

static const entry *find(const scope *s, const char *name) {
  for (const entry *known = s->newest; known; known = known->before)
    if (strcmp(known->name, name) == 0) return known;
  return NULL;
}

static cvy_err check_name(const cvy_yaml *given) {
  if (given->kind != CVY_YAML_SCALAR || !is_word(given->text))
    return cvy_yaml_error(given,
                          "a layer's name must be a word of letters, digits, '_', '-' and '.' within, not %s",
                          cvy_yaml_describe(given));
  if (strcmp(given->text, "input") == 0)
    return cvy_yaml_error(given, "'input' is the name of what comes in; call the layer something else");
  return CVY_OK;
}

static cvy_err check_is_new(const scope *s, const char *name, const cvy_yaml *at) {
  const entry *same = find(s, name);
  if (same)
    return cvy_yaml_error(at, "two layers are named '%s'; the first one stands on line %d", name, same->line);
  return CVY_OK;
}

/* Chooses the name given, or the kind and a number: conv1, conv2, ... */
static cvy_err choose_name(const char **out, expander *e, const scope *s, const cvy_yaml *given,
                           const char *kind, const cvy_yaml *at) {
  if (given) CVY_TRY(check_name(given));
  int64_t number = 1;
  for (const entry *known = s->newest; known; known = known->before)
    number += known->kind && strcmp(known->kind, kind) == 0;
  *out = given ? given->text : cvy_pool_format(e->net->pool, "%s%" PRId64, kind, number);
  while (!given && find(s, *out)) *out = cvy_pool_format(e->net->pool, "%s%" PRId64, kind, ++number);
  return check_is_new(s, *out, given ? given : at);
}

/* ---- inputs ---- */

/* Returns the line below on which a layer of this name stands, or 0 if none does. */
static int line_below(const scope *s, const char *name) {
  for (int64_t i = 0; i < s->layers->count; i++) {
    const cvy_yaml *item = s->layers->items[i];
    if (item->kind != CVY_YAML_MAPPING || item->count != 1) continue;
    const cvy_yaml *given = cvy_yaml_get(item->items[0], "name");
    if (given && given->kind == CVY_YAML_SCALAR && strcmp(given->text, name) == 0) return item->line;
  }
  return 0;
}

static cvy_err unknown_input(const scope *s, const cvy_yaml *word) {
  const int line = line_below(s, word->text);
  if (line)
    return cvy_yaml_error(
        word, "'%s' stands on line %d; a layer's inputs must stand above it, so that there is no cycle",
        word->text, line);
  const char *known[MAX_KINDS];
  int64_t count = 0;
  for (const entry *seen = s->newest; seen && count < MAX_KINDS; seen = seen->before)
    known[count++] = seen->name;
  return cvy_yaml_error(word, "no layer is named '%s'%s; inputs are names of layers above, or 'input', %s",
                        word->text, cvy_meant(word->text, known, count),
                        s->use ? "what the block was given" : "the image");
}

static cvy_err read_input(int64_t *out, const scope *s, const cvy_yaml *word) {
  if (word->kind != CVY_YAML_SCALAR)
    return cvy_yaml_error(word, "an input must be a layer's name, not %s", cvy_yaml_describe(word));
  *out = s->input;
  if (strcmp(word->text, "input") == 0) return CVY_OK;
  const entry *known = find(s, word->text);
  if (!known) return unknown_input(s, word);
  *out = known->value;
  return CVY_OK;
}

typedef struct inputs {
  int64_t count, values[CVY_MAX_INPUTS];
} inputs;

/* Reads "inputs: name" or "inputs: [name, name]"; without them the input is the layer before. */
static cvy_err read_inputs(inputs *out, const scope *s, const cvy_yaml *given) {
  *out = (inputs){.count = 1, .values = {s->last}};
  if (!given) return CVY_OK;
  if (given->kind != CVY_YAML_SEQUENCE) return read_input(&out->values[0], s, given);
  if (given->count < 1 || given->count > CVY_MAX_INPUTS)
    return cvy_yaml_error(given, "a layer has 1 to %d inputs, not %" PRId64, CVY_MAX_INPUTS, given->count);
  out->count = given->count;
  for (int64_t k = 0; k < given->count; k++) CVY_TRY(read_input(&out->values[k], s, given->items[k]));
  return CVY_OK;
}

/* ---- layers ---- */

/* Returns the mapping's common keys, or the others. */
static cvy_yaml *keys_of(cvy_pool *pool, const cvy_yaml *mapping, bool want_common) {
  cvy_yaml *part = cvy_pool_new(pool, sizeof *part);
  *part = *mapping;
  part->count = 0;
  part->keys = cvy_pool_new(pool, sizeof *part->keys * (size_t)mapping->count);
  part->items = cvy_pool_new(pool, sizeof *part->items * (size_t)mapping->count);
  for (int64_t i = 0; i < mapping->count; i++) {
    if (is_common_key(mapping->keys[i]->text) != want_common) continue;
    part->keys[part->count] = mapping->keys[i];
    part->items[part->count++] = mapping->items[i];
  }
  return part;
}

/* A line of the list as it is used: its kind, with its configuration and common keys. */
typedef struct use {
  const cvy_yaml *at;
  int64_t kind;
  void *config;
  common common;
  bool repeats; /* also once */
} use;

static cvy_err check_block_stands_above(const expander *e, const scope *s, const cvy_yaml *name) {
  if (s->use && name->kind == CVY_YAML_SCALAR && strcmp(s->use->block, name->text) == 0)
    return cvy_yaml_error(name, "block '%s' uses itself, which would have no end", name->text);
  for (int64_t i = s->kind_count; i < e->type_count + e->block_count; i++)
    if (name->kind == CVY_YAML_SCALAR && strcmp(e->kinds[i]->name, name->text) == 0)
      return cvy_yaml_error(name,
                            "block '%s' stands on line %d; a block must stand above the blocks that use it",
                            name->text, e->blocks[i - e->type_count].at->line);
  return CVY_OK;
}

static int64_t add_names(const char **names, int64_t count, int64_t room, const cvy_option *options) {
  for (; options && options->name && count < room; options++) names[count++] = options->name;
  return count;
}

/* Refuses a key that looks like a slip in one of the kind's own keys or in one that all kinds have.
 * cvy_kind_read, which refuses every unknown key, knows the kind's own keys alone. */
static cvy_err check_keys(const expander *e, const cvy_yaml *name, const cvy_yaml *own) {
  const char *words[MAX_KINDS];
  const cvy_option *options = NULL;
  bool found = false;
  for (int64_t i = 0; i < e->type_count + e->block_count && !found; i++) {
    found = strcmp(e->kinds[i]->name, name->text) == 0;
    options = e->kinds[i]->options;
  }
  if (!found) return CVY_OK;
  const int64_t own_count = add_names(words, 0, MAX_KINDS, options);
  const int64_t count = add_names(words, own_count, MAX_KINDS, common_options);
  for (int64_t i = 0; i < own->count; i++) {
    int64_t k = 0;
    while (k < own_count && strcmp(words[k], own->keys[i]->text) != 0) k++;
    const char *meant = k < own_count ? "" : cvy_meant(own->keys[i]->text, words, count);
    if (!meant[0]) continue;
    char list[1024];
    cvy_text_list(list, sizeof list, ", ", words, own_count > 0 ? own_count : count);
    return cvy_yaml_error(own->keys[i], "unknown key '%s' in %s%s (known: %s)", own->keys[i]->text,
                          name->text, meant, list);
  }
  return CVY_OK;
}

static cvy_err read_use(use *u, expander *e, const scope *s, const cvy_yaml *item) {
  cvy_pool *pool = e->net->pool;
  const bool has_options = item->kind == CVY_YAML_MAPPING && item->count == 1 &&
                           item->items[0]->kind == CVY_YAML_MAPPING;
  cvy_yaml whole = *item, *own = NULL;
  *u = (use){.at = item->kind == CVY_YAML_MAPPING && item->count > 0 ? item->keys[0] : item};
  if (has_options) {
    own = keys_of(pool, item->items[0], false);
    whole.items = &own;
  }
  CVY_TRY(check_block_stands_above(e, s, u->at));
  if (own) CVY_TRY(check_keys(e, u->at, own));
  CVY_TRY(cvy_kind_read(&u->kind, &u->config, pool, e->kinds, s->kind_count, &whole, "layer"));
  const cvy_yaml *common_keys = has_options ? keys_of(pool, item->items[0], true) : NULL;
  u->repeats = cvy_yaml_get(common_keys, "repeat") != NULL;
  return cvy_options_read(&u->common, pool, common_options, common_keys, u->at, u->at->text);
}

static cvy_err add_node(int64_t *value, expander *e, const scope *s, const use *u, const char *name,
                        const inputs *in) {
  cvy_net *net = e->net;
  if (strlen(name) > MAX_NAME)
    return cvy_yaml_error(
        u->at, "with the blocks around it the layer is called '%s'; a name may have at most %d letters", name,
        MAX_NAME);
  if (net->node_count == MAX_LAYERS)
    return cvy_yaml_error(u->at, "the network has more than %d layers", MAX_LAYERS);
  if (net->node_count == e->node_room) {
    e->node_room = e->node_room ? 2 * e->node_room : 16;
    cvy_node *more = cvy_pool_new(net->pool, sizeof *more * (size_t)e->node_room);
    if (net->node_count) memcpy(more, net->nodes, sizeof *more * (size_t)net->node_count);
    net->nodes = more;
  }
  for (int64_t i = 0; i < net->node_count; i++)
    if (strcmp(net->nodes[i].name, name) == 0)
      return cvy_yaml_error(u->at, "two layers are named '%s'; the first one stands on line %d", name,
                            net->nodes[i].at->line);
  cvy_node *n = &net->nodes[net->node_count];
  *n = (cvy_node){.type = cvy_layer_type_at(u->kind), .name = name, .at = u->at, .within = s->use};
  /* Each copy plans for itself. */
  const size_t bytes = n->type->kind->config_bytes;
  n->config = cvy_pool_new(net->pool, bytes);
  if (bytes) memcpy(n->config, u->config, bytes);
  n->plan.input_count = in->count;
  memcpy(n->inputs, in->values, sizeof n->inputs);
  *value = net->node_count++;
  return CVY_OK;
}

static cvy_err expand_list(int64_t *value, expander *e, scope *s);

static cvy_err expand_block(int64_t *value, expander *e, const scope *outer, const use *u, const char *name,
                            const inputs *in) {
  block *b = &e->blocks[u->kind - e->type_count];
  const char *what = cvy_pool_format(e->net->pool, "block '%s'", b->at->text);
  if (in->count != 1)
    return cvy_yaml_error(u->common.inputs, "a block has one input, not %" PRId64, in->count);
  CVY_TRY(fill_defaults(u->config, b->parameters, u->at, what));
  cvy_net_use *inner = cvy_pool_new(e->net->pool, sizeof *inner);
  *inner = (cvy_net_use){.within = outer->use, .block = b->at->text, .at = u->at};
  scope s = {.use = inner,
             .prefix = cvy_pool_format(e->net->pool, "%s.", name),
             .parameters = b->parameters,
             .values = u->config,
             .layers = b->layers,
             .kind_count = u->kind,
             .input = in->values[0],
             .last = in->values[0]};
  const cvy_err err = expand_list(value, e, &s);
  return err ? add_context(err, inner) : CVY_OK;
}

static bool is_loss(const cvy_net *net, int64_t value) {
  return value != CVY_NET_INPUT && net->nodes[value].type->is_loss;
}

/* Places one copy; `name` is what the scope calls it. */
static cvy_err place(int64_t *value, expander *e, scope *s, const use *u, const char *name,
                     const inputs *in) {
  const char *full = cvy_pool_format(e->net->pool, "%s%s", s->prefix, name);
  if (e->uses++ == MAX_USES) return cvy_yaml_error(u->at, "blocks and repetition unfold without end");
  return u->kind < e->type_count ? add_node(value, e, s, u, full, in)
                                 : expand_block(value, e, s, u, full, in);
}

static cvy_err expand_item(int64_t *value, expander *e, scope *s, const cvy_yaml *item) {
  use u;
  inputs in;
  const char *name;
  cvy_yaml *filled;
  CVY_TRY(substitute(&filled, e->net->pool, item, s));
  CVY_TRY(read_use(&u, e, s, filled));
  const bool is_layer = u.kind < e->type_count;
  if (!is_layer) e->blocks[u.kind - e->type_count].used = true;
  if (!u.common.when || u.common.unless) return CVY_OK;
  const char *kind = is_layer ? cvy_layer_type_at(u.kind)->short_name : e->kinds[u.kind]->name;
  CVY_TRY(choose_name(&name, e, s, u.common.name, kind, u.at));
  CVY_TRY(read_inputs(&in, s, u.common.inputs));
  if (!u.repeats) CVY_TRY(place(value, e, s, &u, name, &in));
  for (int64_t i = 1; u.repeats && i <= u.common.repeat; i++) {
    const char *copy = cvy_pool_format(e->net->pool, "%s.%" PRId64, name, i);
    CVY_TRY(check_is_new(s, copy, u.at));
    CVY_TRY(place(value, e, s, &u, copy, &in));
    define(e, s, copy, NULL, *value, u.at->line);
    in = (inputs){.count = 1, .values = {*value}};
  }
  define(e, s, name, kind, *value, u.at->line);
  if (!is_loss(e->net, *value)) s->last = *value;
  return CVY_OK;
}

/* Expands the list; *value is that of its last layer. */
static cvy_err expand_list(int64_t *value, expander *e, scope *s) {
  *value = s->input;
  for (int64_t i = 0; i < s->layers->count; i++) CVY_TRY(expand_item(value, e, s, s->layers->items[i]));
  return CVY_OK;
}

/* ---- the network ---- */

static cvy_err network_scope(scope *s, cvy_pool *pool, const cvy_yaml *parameters, const cvy_yaml *body) {
  CVY_TRY(check_parameters(parameters, body, "the network"));
  const int64_t count = parameters ? parameters->count : 0;
  const cvy_yaml **values = cvy_pool_new(pool, sizeof *values * (size_t)count);
  *s = (scope){.prefix = "",
               .parameters = parameters,
               .values = values,
               .input = CVY_NET_INPUT,
               .last = CVY_NET_INPUT};
  return fill_defaults(values, parameters, parameters, "the network");
}

cvy_err cvy_net_substitute(cvy_yaml **out, cvy_pool *pool, const cvy_yaml *from, const cvy_yaml *parameters,
                           const cvy_yaml *body) {
  scope s;
  CVY_TRY(network_scope(&s, pool, parameters, body));
  return substitute(out, pool, from, &s);
}

cvy_err cvy_net_expand(cvy_net *net, const cvy_yaml *parameters, const cvy_yaml *blocks,
                       const cvy_yaml *layers, const cvy_yaml *body) {
  expander e = {.net = net};
  scope s;
  int64_t value;
  CVY_TRY(check_is_list(layers, body, "the network"));
  CVY_TRY(network_scope(&s, net->pool, parameters, body));
  CVY_TRY(read_blocks(&e, blocks));
  s.layers = layers;
  s.kind_count = e.type_count + e.block_count;
  CVY_TRY(expand_list(&value, &e, &s));
  if (net->node_count == 0) return cvy_yaml_error(layers, "the network's layers are all left out");
  return check_blocks_are_used(&e);
}
