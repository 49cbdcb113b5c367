/* Follows the graph of a Keras model. A model is a chain (Sequential) or a graph (Functional) of layers, of
 * which some may be models themselves. */
#include "base/count.h"
#include "formats/keras_builder.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_USES = 4096, MOST_DEPTH = 16, MOST_INPUTS = 16 };

static const char *text(const json_t *object, const char *key) {
  return json_string_value(json_object_get(object, key));
}

static cvy_err wrong(const cvy_keras_builder *b, const char *what) {
  return cvy_error(CVY_E_INPUT, "%s: its configuration: %s", b->file->path, what);
}

/* ---- the image ---- */

/* Returns the shape [batch, ...] that a layer's configuration gives for its input; NULL if it gives none. */
static const json_t *shape_of(const json_t *config) {
  static const char *const keys[] = {"batch_shape", "batch_input_shape", "build_input_shape"};
  for (int64_t i = 0; i < CVY_COUNT(keys); i++) {
    const json_t *shape = json_object_get(config, keys[i]);
    if (json_is_array(shape)) return shape;
  }
  return NULL;
}

static cvy_err use_image(cvy_keras_value *out, cvy_keras_builder *b, const json_t *shape) {
  const size_t rank = json_array_size(shape);
  int64_t dims[3] = {1, 1, 1}, count = 1;
  if (rank != 2 && rank != 4)
    return wrong(b,
                 "the model's input should be images [batch, height, width, channels], or rows of numbers");
  for (size_t i = 1; i < rank; i++) {
    const json_t *dim = json_array_get(shape, i);
    int64_t *size = &dims[i - 1 + (4 - rank)];
    *size = json_is_integer(dim) ? json_integer_value(dim) : 0;
    if (*size < 1 || __builtin_mul_overflow(count, *size, &count) || count > INT_MAX)
      return wrong(b, "the model's input has no size of its own; Convoy's images have a height, a width and "
                      "channels");
  }
  memcpy(b->input, dims, sizeof dims);
  b->model->channels = dims[2];
  for (int64_t c = 0; c < CVY_MAX_CHANNELS; c++) b->model->factor[c] = 1;
  *out = (cvy_keras_value){
      .layer = "input", .h = dims[0], .w = dims[1], .c = dims[2], .row = rank == 2, .image = true};
  return CVY_OK;
}

/* ---- layers that are models ---- */

/* A model, or a model in it. `image`: its input is the image. */
typedef struct frame {
  cvy_keras_builder *b;
  cvy_keras_scope scope;
  const json_t *layers, *config;
  const cvy_keras_value *in;
  int64_t in_count;
  bool repeated;
} frame;

static cvy_err use_model(cvy_keras_value *out, frame *f, const char *class);

static bool is_model(const char *class) {
  return strcmp(class, "Sequential") == 0 || strcmp(class, "Functional") == 0 || strcmp(class, "Model") == 0;
}

static bool is_input(const char *class) {
  return strcmp(class, "InputLayer") == 0;
}

/* Opens the frame of a model that is a layer at `position` of another. */
static frame frame_of(const cvy_keras_use *use, const frame *outer) {
  const json_t *config = use->config;
  int64_t same = 0; /* models of this class before it */
  for (int64_t i = 0; i < use->position; i++) {
    const char *class = text(json_array_get(outer->layers, (size_t)i), "class_name");
    same += class && strcmp(class, use->class) == 0;
  }
  cvy_pool *pool = use->b->file->pool;
  const char *snake = cvy_keras_snake(pool, use->class);
  const char *number = same ? cvy_pool_format(pool, "_%" PRId64, same) : "";
  return (frame){
      .b = use->b,
      .scope = {.group = use->scope->group ? use->scope->group : use->name,
                .container = cvy_pool_format(pool, "%s/%s%s/layers", use->scope->container, snake, number)},
      .config = config,
      .in = use->in,
      .in_count = use->in_count,
      .repeated = use->repeated};
}

/* Makes the use of a layer of `f`. */
static cvy_err open_use(cvy_keras_use *use, const frame *f, const json_t *layer, int64_t position) {
  const json_t *config = json_object_get(layer, "config");
  const char *name = text(layer, "name"), *class = text(layer, "class_name");
  if (!name) name = text(config, "name");
  if (!class) return wrong(f->b, "a layer has no class_name");
  *use = (cvy_keras_use){.b = f->b,
                         .scope = &f->scope,
                         .name = name ? name : class,
                         .class = class,
                         .config = config,
                         .position = position,
                         .repeated = f->repeated};
  return CVY_OK;
}

static cvy_err follow(cvy_keras_value *out, const cvy_keras_use *use, const frame *f) {
  if (use->b->use_count++ >= MOST_USES)
    return cvy_error(CVY_E_INPUT, "%s: its network has more than %d layers", use->b->file->path, MOST_USES);
  if (!is_model(use->class)) return cvy_keras_use_layer(out, use);
  frame inner = frame_of(use, f);
  return use_model(out, &inner, use->class);
}

/* ---- a chain ---- */

/* Returns what goes into a chain at the top: what its first layer, or the chain itself, says of its input. */
static cvy_err chain_image(cvy_keras_value *out, frame *f) {
  const json_t *layer = json_array_get(f->layers, 0), *shape = NULL;
  for (int depth = 0; layer && !shape && depth < MOST_DEPTH; depth++) { /* the first may be a model */
    const json_t *config = json_object_get(layer, "config");
    shape = shape_of(config);
    if (!shape) shape = json_object_get(json_object_get(layer, "build_config"), "input_shape");
    layer = json_array_get(json_is_array(config) ? config : json_object_get(config, "layers"), 0);
  }
  if (!shape) shape = shape_of(f->config);
  if (!shape) return wrong(f->b, "it does not say how large the model's input is");
  return use_image(out, f->b, shape);
}

static cvy_err use_chain(cvy_keras_value *out, frame *f) {
  cvy_keras_value value;
  if (f->in_count > 1) return wrong(f->b, "a Sequential model has more than one input");
  if (f->in_count == 1)
    value = f->in[0];
  else
    CVY_TRY(chain_image(&value, f));
  for (size_t i = 0; i < json_array_size(f->layers); i++) {
    cvy_keras_use use;
    CVY_TRY(open_use(&use, f, json_array_get(f->layers, i), (int64_t)i));
    if (is_input(use.class)) continue;
    const cvy_keras_value in = value;
    use.in = &in;
    use.in_count = 1;
    CVY_TRY(follow(&value, &use, f));
  }
  *out = value;
  return CVY_OK;
}

/* ---- a graph ---- */

/* A layer of a graph, and what its uses (Keras' nodes) have given. */
typedef struct member {
  const char *name;
  const json_t *layer;
  int64_t position, node_count;
  cvy_keras_value *values; /* [node_count] */
  int64_t done;            /* nodes whose values are there */
} member;

typedef struct graph {
  frame *f;
  member *members;
  int64_t count;
} graph;

static member *find(const graph *g, const char *name) {
  for (int64_t i = 0; i < g->count && name; i++)
    if (strcmp(g->members[i].name, name) == 0) return &g->members[i];
  return NULL;
}

/* Finds what [name, node, tensor, ...] stands for; *out stays NULL if it is not there yet. */
static cvy_err look_up(const cvy_keras_value **out, const graph *g, const json_t *history) {
  const char *name = json_string_value(json_array_get(history, 0));
  const json_t *node_at = json_array_get(history, 1), *tensor = json_array_get(history, 2);
  const member *m = find(g, name);
  *out = NULL;
  if (!m)
    return cvy_error(CVY_E_INPUT, "%s: its configuration: no layer is named '%s'", g->f->b->file->path,
                     name ? name : "");
  if (json_integer_value(tensor) != 0) return wrong(g->f->b, "a layer has several outputs");
  const json_int_t node = m->node_count == 1 ? 0 : json_integer_value(node_at);
  if (node < 0 || node >= m->node_count) return wrong(g->f->b, "an input names no node of its layer");
  if (node < m->done) *out = &m->values[node];
  return CVY_OK;
}

typedef struct gathered {
  cvy_keras_value values[MOST_INPUTS];
  int64_t count;
  bool all; /* all of them are there */
} gathered;

static cvy_err gather(gathered *out, const graph *g, const json_t *history) {
  const cvy_keras_value *value;
  if (out->count == MOST_INPUTS) return wrong(g->f->b, "a layer has more than 16 inputs");
  CVY_TRY(look_up(&value, g, history));
  out->all = out->all && value;
  if (value) out->values[out->count] = *value;
  out->count++;
  return CVY_OK;
}

/* Gathers what stands in Keras 3's arguments: tensors, and lists of them. */
static cvy_err gather_arguments(gathered *out, const graph *g, const json_t *argument, int depth) {
  const char *class = text(argument, "class_name");
  if (class && strcmp(class, "__keras_tensor__") == 0)
    return gather(out, g, json_object_get(json_object_get(argument, "config"), "keras_history"));
  for (size_t i = 0; i < json_array_size(argument) && depth < MOST_DEPTH; i++)
    CVY_TRY(gather_arguments(out, g, json_array_get(argument, i), depth + 1));
  return CVY_OK;
}

/* Gathers the inputs of a node: {"args": ...} of Keras 3, or [[name, node, tensor, ...], ...]. */
static cvy_err gather_node(gathered *out, const graph *g, const json_t *node) {
  *out = (gathered){.all = true};
  if (json_is_object(node)) return gather_arguments(out, g, json_object_get(node, "args"), 0);
  if (json_is_string(json_array_get(node, 0))) return gather(out, g, node);
  for (size_t i = 0; i < json_array_size(node); i++) CVY_TRY(gather(out, g, json_array_get(node, i)));
  return CVY_OK;
}

/* Follows the next node of a layer, if its inputs are there. */
static cvy_err follow_node(bool *advanced, const graph *g, member *m) {
  gathered in;
  cvy_keras_use use;
  const json_t *nodes = json_object_get(m->layer, "inbound_nodes");
  *advanced = false;
  CVY_TRY(gather_node(&in, g, json_array_get(nodes, (size_t)m->done)));
  if (!in.all) return CVY_OK;
  CVY_TRY(open_use(&use, g->f, m->layer, m->position));
  use.in = in.values;
  use.in_count = in.count;
  use.repeated = use.repeated || m->done > 0;
  CVY_TRY(follow(&m->values[m->done], &use, g->f));
  m->done++;
  *advanced = true;
  return CVY_OK;
}

/* Follows layers until all are done. They mostly stand in order, so that one round is enough. */
static cvy_err follow_all(const graph *g) {
  for (bool advanced = true; advanced;) {
    const member *waits = NULL;
    advanced = false;
    for (int64_t i = 0; i < g->count; i++) {
      member *m = &g->members[i];
      for (bool one = true; one && m->done < m->node_count;) {
        CVY_TRY(follow_node(&one, g, m));
        advanced = advanced || one;
      }
      if (m->done < m->node_count) waits = m;
    }
    if (!waits) return CVY_OK;
    if (!advanced)
      return cvy_error(CVY_E_INPUT, "%s: its configuration: layer '%s' waits for itself", g->f->b->file->path,
                       waits->name);
  }
  return CVY_OK;
}

/* Returns entry `index` of "input_layers" or "output_layers", which may be one alone. */
static const json_t *end_of(const frame *f, const char *key, size_t index) {
  const json_t *ends = json_object_get(f->config, key);
  if (json_is_string(json_array_get(ends, 0))) return index == 0 ? ends : NULL;
  return json_array_get(ends, index);
}

static cvy_err give_inputs(const graph *g) {
  frame *f = g->f;
  const int64_t wanted = f->in ? f->in_count : 1;
  for (int64_t i = 0; i < wanted; i++) {
    const json_t *history = end_of(f, "input_layers", (size_t)i);
    member *m = find(g, json_string_value(json_array_get(history, 0)));
    if (!m) return wrong(f->b, "input_layers names no layer");
    m->node_count = m->done = 1;
    if (f->in)
      m->values[0] = f->in[i];
    else
      CVY_TRY(use_image(&m->values[0], f->b, shape_of(json_object_get(m->layer, "config"))));
  }
  if (end_of(f, "input_layers", (size_t)wanted)) return wrong(f->b, "the model has more than one input");
  return CVY_OK;
}

static cvy_err list_members(graph *g) {
  frame *f = g->f;
  cvy_pool *pool = f->b->file->pool;
  g->count = (int64_t)json_array_size(f->layers);
  if (g->count > MOST_USES) return wrong(f->b, "it has too many layers");
  g->members = cvy_pool_new(pool, sizeof *g->members * (size_t)(g->count + 1));
  for (int64_t i = 0; i < g->count; i++) {
    cvy_keras_use use;
    member *m = &g->members[i];
    m->layer = json_array_get(f->layers, (size_t)i);
    CVY_TRY(open_use(&use, f, m->layer, i));
    m->name = use.name;
    m->position = i;
    m->node_count = (int64_t)json_array_size(json_object_get(m->layer, "inbound_nodes"));
    if (m->node_count > MOST_USES) return wrong(f->b, "a layer has too many nodes");
    m->values = cvy_pool_new(pool, sizeof *m->values * (size_t)(m->node_count + 1));
  }
  return CVY_OK;
}

static cvy_err use_graph(cvy_keras_value *out, frame *f) {
  graph g = {.f = f};
  const cvy_keras_value *value;
  CVY_TRY(list_members(&g));
  CVY_TRY(give_inputs(&g));
  CVY_TRY(follow_all(&g));
  const json_t *end = end_of(f, "output_layers", 0);
  if (!end || end_of(f, "output_layers", 1)) return wrong(f->b, "the model should have one output");
  CVY_TRY(look_up(&value, &g, end));
  if (!value) return wrong(f->b, "nothing leads to the model's output");
  *out = *value;
  return CVY_OK;
}

static cvy_err use_model(cvy_keras_value *out, frame *f, const char *class) {
  cvy_keras_builder *b = f->b;
  const bool is_chain = strcmp(class, "Sequential") == 0;
  f->layers = json_is_array(f->config) ? f->config : json_object_get(f->config, "layers");
  if (json_array_size(f->layers) == 0) return wrong(b, "a model in it has no layers");
  if (b->depth == MOST_DEPTH) return wrong(b, "its models lie too deep in each other");
  b->depth++;
  const cvy_err err = is_chain ? use_chain(out, f) : use_graph(out, f);
  b->depth--;
  return err;
}

/* ---- the network ---- */

static const char *name_of(cvy_weights_file *file, const json_t *config) {
  const char *name = text(json_object_get(config, "config"), "name");
  bool printable = name && *name;
  for (const char *c = name ? name : ""; *c; c++) printable = printable && isprint((unsigned char)*c);
  return printable ? cvy_pool_format(file->pool, "%.100s", name) : "keras";
}

static void describe(cvy_keras_builder *b, const json_t *config) {
  cvy_pool *pool = b->file->pool;
  const char *path = b->file->path;
  cvy_yaml *network = cvy_yaml_new_mapping(pool, path), *input = cvy_yaml_new_sequence(pool, path);
  for (int i = 0; i < 3; i++)
    cvy_yaml_add(pool, input, NULL,
                 cvy_yaml_new_scalar(pool, path, cvy_pool_format(pool, "%" PRId64, b->input[i])));
  cvy_yaml_add(pool, network, "name", cvy_yaml_new_scalar(pool, path, name_of(b->file, config)));
  cvy_yaml_add(pool, network, "input", input);
  cvy_yaml_add(pool, network, "layers", b->layers);
  b->model->network = network;
}

static cvy_err build(cvy_keras_builder *b, const json_t *config) {
  const char *class = text(config, "class_name");
  cvy_keras_value out;
  frame f = {.b = b, .scope = {.container = "layers"}, .config = json_object_get(config, "config")};
  if (!class || !is_model(class))
    return cvy_error(CVY_E_INPUT,
                     "%s: it is a model of class '%s', whose network is not in the file; "
                     "Sequential and Functional ones have theirs",
                     b->file->path, class ? class : "");
  CVY_TRY(use_model(&out, &f, class));
  CVY_TRY(cvy_keras_end(b, &out));
  if (b->has_image && (b->lowest_stage != b->stages || b->highest_stage != b->stages))
    return wrong(b, "layers read the image before and behind its preprocessing");
  describe(b, config);
  return CVY_OK;
}

cvy_err cvy_keras_read_network(cvy_keras_model *out, cvy_weights_file *file, const json_t *config) {
  cvy_pool *pool = file->pool;
  *out = (cvy_keras_model){.normalisation = -1};
  out->layers = cvy_pool_new(pool, sizeof *out->layers * (MOST_USES + 1));
  cvy_keras_builder b = {
      .file = file, .model = out, .layers = cvy_yaml_new_sequence(pool, file->path), .last = "input"};
  return build(&b, config);
}

/* ---- training ---- */

/* Tells whether a key says how a kernel is punished for its size. */
static bool is_of_kernel(const char *key) {
  return strcmp(key, "kernel_regularizer") == 0 || strcmp(key, "depthwise_regularizer") == 0 ||
         strcmp(key, "W_regularizer") == 0;
}

static bool is_regularizer(const char *key) {
  const size_t letters = strlen(key), ending = strlen("_regularizer");
  return letters >= ending && strcmp(key + letters - ending, "_regularizer") == 0;
}

/* Finds the factor of the square that the kernels of a layer and of all so far are punished by; it is
 * negative so long as there were none. It returns false if not all are punished alike, or something else
 * is. */
static bool find_punishment(double *factor, const json_t *config, int depth) {
  const json_t *layers = json_is_array(config) ? config : json_object_get(config, "layers"), *value;
  const char *key;
  for (size_t i = 0; i < json_array_size(layers) && depth < MOST_DEPTH; i++)
    if (!find_punishment(factor, json_object_get(json_array_get(layers, i), "config"), depth + 1))
      return false;
  json_object_foreach((json_t *)config, key, value) {
    const json_t *options = json_object_get(value, "config");
    const double squared = json_number_value(json_object_get(options, "l2"));
    if (!is_regularizer(key)) continue;
    if (options && !json_object_get(options, "l1") && !json_object_get(options, "l2")) return false;
    if (json_number_value(json_object_get(options, "l1")) != 0) return false;
    if (!is_of_kernel(key) && squared != 0) return false;
    if (!is_of_kernel(key)) continue;
    if (*factor >= 0 && squared != *factor) return false;
    *factor = squared;
  }
  return true;
}

static void add(cvy_weights_file *file, cvy_yaml *to, const char *key, double value) {
  char digits[40];
  for (int precision = 1; precision <= 9; precision++) {
    snprintf(digits, sizeof digits, "%.*g", precision, value);
    if ((float)strtod(digits, NULL) == (float)value) break;
  }
  cvy_yaml_add(file->pool, to, key, cvy_yaml_new_scalar(file->pool, file->path, digits));
}

/* Keras' v = momentum v - rate g, w = w + v is Convoy's as long as the rate stays, and so is Nesterov's. */
const cvy_yaml *cvy_keras_read_training(cvy_weights_file *file, const json_t *training,
                                        const json_t *network) {
  const json_t *optimizer = json_object_get(training, "optimizer_config");
  if (!optimizer) optimizer = json_object_get(training, "optimizer");
  const json_t *config = json_object_get(optimizer, "config"),
               *rate = json_object_get(config, "learning_rate");
  const char *class = text(optimizer, "class_name");
  double punishment = -1;
  if (!rate) rate = json_object_get(config, "lr");
  const bool known = class && strcmp(class, "SGD") == 0 && json_is_number(rate) &&
                     json_number_value(rate) >= 0 && json_number_value(rate) <= 1e6 &&
                     json_number_value(json_object_get(config, "decay")) == 0 &&
                     json_number_value(json_object_get(config, "weight_decay")) == 0 &&
                     !json_is_number(json_object_get(config, "clipnorm")) &&
                     !json_is_number(json_object_get(config, "clipvalue")) &&
                     !json_is_number(json_object_get(config, "global_clipnorm")) &&
                     !json_is_number(json_object_get(config, "gradient_accumulation_steps")) &&
                     !json_is_true(json_object_get(config, "use_ema")) &&
                     find_punishment(&punishment, json_object_get(network, "config"), 0);
  if (!known) return NULL;
  cvy_pool *pool = file->pool;
  cvy_yaml *recipe = cvy_yaml_new_mapping(pool, file->path), *solver = cvy_yaml_new_mapping(pool, file->path),
           *sgd = cvy_yaml_new_mapping(pool, file->path), *schedule = cvy_yaml_new_mapping(pool, file->path),
           *constant = cvy_yaml_new_mapping(pool, file->path);
  add(file, sgd, "momentum", json_number_value(json_object_get(config, "momentum")));
  if (json_is_true(json_object_get(config, "nesterov")))
    cvy_yaml_add(pool, sgd, "nesterov", cvy_yaml_new_scalar(pool, file->path, "true"));
  if (punishment > 0) add(file, sgd, "weight_decay", 2 * punishment); /* of l2 w^2 */
  cvy_yaml_add(pool, solver, "sgd", sgd);
  add(file, constant, "rate", json_number_value(rate));
  cvy_yaml_add(pool, schedule, "constant", constant);
  cvy_yaml_add(pool, recipe, "solver", solver);
  cvy_yaml_add(pool, recipe, "learning_rate", schedule);
  return recipe;
}
