/* A model from a checkpoint. The resolved recipe in it has the network and the preprocessing; what else
 * the recipe says is training's business, and is not looked at. */
#include "base/options.h"
#include "model/model.h"
#include "model/stored.h"

/* The keys of a resolved recipe that a model takes. */
typedef struct recipe_part {
  const cvy_yaml *network, *data, *ema;
  int64_t microbatch;
  int convolution;
} recipe_part;

static const cvy_option recipe_options[] = {
    {"network", CVY_NODE, offsetof(recipe_part, network), .help = "the network's description"},
    {"data", CVY_NODE, offsetof(recipe_part, data), .help = "what images go through"},
    {"ema", CVY_NODE, offsetof(recipe_part, ema), .help = "an average of the weights"},
    {"microbatch", CVY_INT, offsetof(recipe_part, microbatch), NULL, 1, 1 << 20, .help = "images a pass"},
    {"convolution", CVY_CHOICE, offsetof(recipe_part, convolution), "auto", .words = cvy_conv_words,
     .help = "algorithms"},
    {0}};

typedef struct data_part {
  const cvy_yaml *augment, *evaluation;
} data_part;

static const cvy_option data_options[] = {
    {"augment", CVY_NODE, offsetof(data_part, augment), .help = "chain"},
    {"evaluation", CVY_NODE, offsetof(data_part, evaluation), .help = "chain"},
    {0}};

typedef struct ema_part {
  int best;
} ema_part;

const char *const cvy_weights_words[] = {
    [CVY_WEIGHTS_EMA] = "ema", [CVY_WEIGHTS_RAW] = "raw", [CVY_WEIGHTS_AUTO] = "auto", NULL};

static const cvy_option ema_options[] = {{"best", CVY_CHOICE, offsetof(ema_part, best), "ema",
                                          .max = CVY_WEIGHTS_AUTO, .words = cvy_weights_words,
                                          .help = "weights"},
                                         {0}};

/* Reads the keys of `table`, and leaves others alone. */
static cvy_err read_some(void *config, cvy_pool *pool, const cvy_option *table, const cvy_yaml *from,
                         const char *what) {
  if (from->kind != CVY_YAML_MAPPING)
    return cvy_yaml_error(from, "%s takes key: value options, not %s", what, cvy_yaml_describe(from));
  cvy_yaml *some = cvy_yaml_new_mapping(pool, from->file);
  for (const cvy_option *option = table; option->name; option++) {
    cvy_yaml *value = cvy_yaml_get(from, option->name);
    if (value) cvy_yaml_add(pool, some, option->name, value);
  }
  return cvy_options_read(config, pool, table, some, from, what);
}

static cvy_err read_recipe(cvy_model_spec *spec, cvy_pool *pool) {
  recipe_part recipe = {0};
  data_part data = {0};
  cvy_yaml *root;
  CVY_TRY(cvy_yaml_parse(&root, pool, spec->recipe_text, "its recipe"));
  CVY_TRY(read_some(&recipe, pool, recipe_options, root, "the recipe"));
  if (!recipe.network || recipe.network->kind != CVY_YAML_MAPPING)
    return cvy_yaml_error(recipe.network ? recipe.network : root,
                          "the recipe of a checkpoint needs 'network' with the network's description");
  if (recipe.data) CVY_TRY(read_some(&data, pool, data_options, recipe.data, "data"));
  if (recipe.ema) {
    ema_part ema = {0};
    CVY_TRY(read_some(&ema, pool, ema_options, recipe.ema, "ema"));
    spec->weights = (cvy_weights)ema.best;
  }
  spec->network = recipe.network;
  spec->evaluation = data.evaluation ? data.evaluation : data.augment;
  spec->microbatch = recipe.microbatch;
  spec->convolution = (cvy_conv_choice)recipe.convolution;
  return CVY_OK;
}

/* The score is that of the best step so far, which need not be this one. */
static cvy_err read_origin(cvy_model_spec *spec, cvy_h5 *file) {
  int64_t best_step;
  double best_top1;
  spec->is_imported = cvy_h5_has_attr(file, "", "origin");
  CVY_TRY(cvy_h5_read_attr_i64(file, "", "step", &spec->step));
  CVY_TRY(cvy_h5_read_attr_i64(file, "", "best_step", &best_step));
  CVY_TRY(cvy_h5_read_attr_f64(file, "", "best_top1", &best_top1));
  spec->top1 = best_step > 0 && best_step == spec->step ? best_top1 : -1;
  return CVY_OK;
}

/* Chooses the set of weights. `spec` has the one by which the run chooses, whose score its best is. */
static cvy_err choose_weights(cvy_model_spec *spec, cvy_h5 *file, cvy_weights wanted) {
  const bool has_average = cvy_model_has_average(file);
  if (wanted == CVY_WEIGHTS_EMA && !has_average)
    return cvy_error(CVY_E_INPUT,
                     "%s: holds no averaged weights; a run keeps them where its recipe says so (ema: {decay: "
                     "0.9999})",
                     spec->path);
  const cvy_weights judged = has_average ? spec->weights : CVY_WEIGHTS_RAW;
  spec->weights = wanted == CVY_WEIGHTS_AUTO ? judged : wanted;
  if (spec->weights != judged) spec->top1 = -1;
  return CVY_OK;
}

static cvy_err read_model(cvy_model **out, cvy_h5 *file, cvy_pool *pool, cvy_weights wanted) {
  cvy_model_head head;
  CVY_TRY(cvy_model_read_head(&head, file, pool));
  cvy_model_spec spec = {.path = cvy_pool_format(pool, "%s", cvy_h5_path(file)),
                         .recipe_text = head.recipe_text,
                         .data = head.data};
  CVY_TRY_IN(read_recipe(&spec, pool), "%s", spec.path);
  CVY_TRY(read_origin(&spec, file));
  CVY_TRY(choose_weights(&spec, file, wanted));
  return cvy_model_create(out, pool, &spec);
}

static cvy_err read_weights(cvy_model *model, cvy_h5 *file) {
  cvy_net *net = cvy_model_net(model);
  const bool averaged = cvy_model_spec_of(model)->weights == CVY_WEIGHTS_EMA;
  return (averaged ? cvy_model_read_average : cvy_model_read_weights)(file, net, cvy_net_params(net));
}

cvy_err cvy_model_open(cvy_model **out, const char *path) {
  return cvy_model_open_weights(out, path, CVY_WEIGHTS_AUTO);
}

cvy_err cvy_model_open_weights(cvy_model **out, const char *path, cvy_weights wanted) {
  cvy_h5 *file;
  *out = NULL;
  CVY_TRY(cvy_h5_open(&file, path));
  cvy_model *model = NULL;
  cvy_pool *pool = cvy_pool_create();
  cvy_err err = read_model(&model, file, pool, wanted);
  if (err) cvy_pool_destroy(pool);
  if (!err) err = read_weights(model, file);
  cvy_h5_discard(file);
  if (err)
    cvy_model_close(model);
  else
    *out = model;
  return err;
}
