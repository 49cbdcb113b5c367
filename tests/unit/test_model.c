/* Tests models: what a checkpoint gives back, what running it computes, and what is said of a damaged one.
 * Most files here are put together piece by piece, as the format is documented. */
#include "model/model.h"

#include "base/yaml.h"
#include "model/stored.h"
#include "train/checkpoint.h"

#include "scratch.h"
#include "shards.h"
#include "suite.h"

#include <math.h>

enum { H = 3, W = 2, C = 2, FLOATS = H * W * C, OUTPUTS = 3, MICROBATCH = 4 };

#define SOFTMAX                                                                                              \
  "network:\n  name: small\n  input: [3, 2, 2]\n  layers:\n"                                                 \
  "    - fc: {name: f, outputs: 3, init: gaussian, init_std: 0.5}\n    - softmax_loss\n"
#define SIGMOID                                                                                              \
  "network:\n  name: pair\n  input: [3, 2, 2]\n  layers:\n"                                                  \
  "    - fc: {name: f, outputs: 1, init: gaussian, init_std: 0.5}\n    - sigmoid_loss\n"
#define REST                                                                                                 \
  "microbatch: 4\nconvolution: gemm\ndata:\n  train: t\n  augment: [mirror]\n  evaluation: []\nseed: 3\n"

static const char *const names[] = {"cat", "dog"};

static const char *path_of(const char *name) {
  static char path[512];
  snprintf(path, sizeof path, "%s/%s", scratch_folder(), name);
  return path;
}

/* ---- a checkpoint in pieces ---- */

typedef struct pieces {
  const char *without; /* what is left out */
  const char *damaged; /* what does not match its checksum or hash */
  const char *format, *recipe;
  int64_t version, recipe_count, name_count, means, deviations, step, best_step;
  int64_t weights_dims[2];
} pieces;

static pieces good_pieces(void) {
  return (pieces){.without = "",
                  .damaged = "",
                  .format = "convoy-checkpoint",
                  .recipe = SOFTMAX REST,
                  .version = 1,
                  .recipe_count = 1,
                  .name_count = 2,
                  .means = C,
                  .deviations = C,
                  .step = 70,
                  .best_step = 70,
                  .weights_dims = {FLOATS, OUTPUTS}};
}

static bool has(const pieces *p, const char *name) {
  return strcmp(p->without, name) != 0;
}

static int64_t off_by(const pieces *p, const char *name) {
  return strcmp(p->damaged, name) == 0;
}

static void put_i64(cvy_h5 *file, const pieces *p, const char *name, int64_t value) {
  if (has(p, name)) CU_ASSERT_EQUAL_FATAL(cvy_h5_write_attr_i64(file, "", name, value), CVY_OK);
}

static void put_text(cvy_h5 *file, const pieces *p, const char *name, const char *text) {
  if (has(p, name)) CU_ASSERT_EQUAL_FATAL(cvy_h5_write_attr_text(file, "", name, text), CVY_OK);
}

static void put_texts(cvy_h5 *file, const pieces *p, const char *name, const char *const *texts,
                      int64_t count) {
  if (!has(p, name)) return;
  const int64_t checksum = (int64_t)cvy_checked_sum_of_texts(texts, count) + off_by(p, name);
  CU_ASSERT_EQUAL_FATAL(cvy_h5_write_texts(file, name, texts, count), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_h5_write_attr_i64(file, name, "checksum", checksum), CVY_OK);
}

static void put_floats(cvy_h5 *file, const pieces *p, const char *name, const float *values, int64_t count) {
  if (!has(p, name)) return;
  const int64_t checksum = (int64_t)cvy_checked_sum(values, sizeof *values * (size_t)count) + off_by(p, name);
  CU_ASSERT_EQUAL_FATAL(cvy_h5_write(file, name, CVY_H5_F32, values, 1, &count), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_h5_write_attr_i64(file, name, "checksum", checksum), CVY_OK);
}

static float weight_of(int64_t i) {
  return (float)(i % 11 - 5) * 0.125f;
}

/* The hash is over the values in order: weights, then the bias. */
static void put_parameters(cvy_h5 *file, const pieces *p) {
  float values[(FLOATS + 1) * OUTPUTS];
  const int64_t weights = p->weights_dims[0] * p->weights_dims[1], biases = p->weights_dims[1];
  for (int64_t i = 0; i < weights + biases; i++) values[i] = weight_of(i);
  cvy_hasher *hasher = cvy_hasher_create();
  cvy_hasher_add(hasher, values, sizeof *values * (size_t)(weights + biases));
  values[0] += (float)off_by(p, "/parameters");
  if (has(p, "/parameters/f/weights"))
    CU_ASSERT_EQUAL_FATAL(cvy_h5_write(file, "/parameters/f/weights", CVY_H5_F32, values, 2, p->weights_dims),
                          CVY_OK);
  CU_ASSERT_EQUAL_FATAL(
      cvy_h5_write(file, "/parameters/f/bias", CVY_H5_F32, values + weights, 1, &p->weights_dims[1]), CVY_OK);
  put_text(file, p, "weights", cvy_hasher_result(hasher).hex);
  cvy_hasher_destroy(hasher);
}

static const char *put_together(const pieces *p) {
  static const char *const class_texts[] = {"cat", "dog", "crow", "carp"};
  const char *path = path_of("pieces.h5"), *recipes[] = {p->recipe, p->recipe};
  cvy_h5 *file;
  CU_ASSERT_EQUAL_FATAL(cvy_h5_create(&file, path), CVY_OK);
  put_text(file, p, "format", p->format);
  put_i64(file, p, "version", p->version);
  put_texts(file, p, "/recipe", recipes, p->recipe_count);
  put_texts(file, p, "/class_names", class_texts, p->name_count);
  put_floats(file, p, "/mean", (const float[]){33.25f, 100, 90.5f, 80, 70}, p->means);
  put_floats(file, p, "/deviation", (const float[]){77.5f, 60, 50.25f, 40, 30}, p->deviations);
  put_text(file, p, "data", "0123");
  put_parameters(file, p);
  put_i64(file, p, "step", p->step);
  put_i64(file, p, "best_step", p->best_step);
  if (has(p, "best_top1")) CU_ASSERT_EQUAL_FATAL(cvy_h5_write_attr_f64(file, "", "best_top1", 0.75), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_h5_close(file), CVY_OK);
  return path;
}

static cvy_model *open_pieces(const pieces *p) {
  cvy_model *model;
  const cvy_err err = cvy_model_open(&model, put_together(p));
  if (err) printf("\n    %s", cvy_err_message());
  CU_ASSERT_EQUAL_FATAL(err, CVY_OK);
  return model;
}

/* ---- what is read ---- */

static void a_model_is_described(void) {
  const pieces p = good_pieces();
  cvy_model *model = open_pieces(&p);
  const cvy_model_info *info = cvy_model_describe(model);
  CU_ASSERT_STRING_EQUAL(info->path, path_of("pieces.h5"));
  CU_ASSERT_STRING_EQUAL(info->name, "small");
  CU_ASSERT(info->h == H && info->w == W && info->c == C && info->microbatch == MICROBATCH);
  CU_ASSERT(info->class_count == OUTPUTS && info->name_count == 2);
  CU_ASSERT_STRING_EQUAL(info->class_names[0], "cat");
  CU_ASSERT_STRING_EQUAL(info->class_names[1], "dog");
  CU_ASSERT(info->mean[0] == 33.25f && info->mean[1] == 100 && info->mean[2] == 0);
  CU_ASSERT(info->deviation[0] == 77.5f && info->deviation[1] == 60 && info->deviation[2] == 0);
  CU_ASSERT(info->param_count == (FLOATS + 1) * OUTPUTS && info->tensor_count == 2);
  CU_ASSERT(info->step == 70 && info->top1 == 0.75);
  CU_ASSERT_PTR_NOT_NULL(cvy_model_spec_of(model)->evaluation); /* it is empty, which is not 'augment' */
  CU_ASSERT_EQUAL(cvy_model_spec_of(model)->evaluation->count, 0);
  CU_ASSERT_EQUAL(cvy_model_spec_of(model)->convolution, CVY_CONV_PLAIN);
  CU_ASSERT_STRING_EQUAL(cvy_model_spec_of(model)->recipe_text, p.recipe);
  cvy_model_close(model);
}

static void tensors_have_names_and_shapes(void) {
  const pieces p = good_pieces();
  cvy_model *model = open_pieces(&p);
  const cvy_model_tensor weights = cvy_model_tensor_at(model, 0), bias = cvy_model_tensor_at(model, 1);
  CU_ASSERT_STRING_EQUAL(weights.name, "f/weights");
  CU_ASSERT(weights.dim_count == 2 && weights.dims[0] == FLOATS && weights.dims[1] == OUTPUTS);
  CU_ASSERT_STRING_EQUAL(bias.name, "f/bias");
  CU_ASSERT(bias.dim_count == 1 && bias.dims[0] == OUTPUTS && bias.count == OUTPUTS);
  CU_ASSERT_EQUAL_FATAL(weights.count, FLOATS * OUTPUTS);
  for (int64_t i = 0; i < weights.count; i++) CU_ASSERT_EQUAL(weights.values[i], weight_of(i));
  for (int64_t i = 0; i < bias.count; i++) CU_ASSERT_EQUAL(bias.values[i], weight_of(weights.count + i));
  cvy_model_close(model);
}

/* The best score so far is that of the best step, and no other one's. */
static void a_score_belongs_to_its_step(void) {
  pieces p = good_pieces();
  p.step = 71;
  cvy_model *model = open_pieces(&p);
  CU_ASSERT(cvy_model_describe(model)->step == 71 && cvy_model_describe(model)->top1 < 0);
  cvy_model_close(model);
  p.step = p.best_step = 0; /* nothing was validated yet */
  model = open_pieces(&p);
  CU_ASSERT(cvy_model_describe(model)->top1 < 0);
  cvy_model_close(model);
}

static void without_evaluation_the_chain_is_augment(void) {
  pieces p = good_pieces();
  p.recipe = SOFTMAX "microbatch: 1\ndata: {augment: [grey, mirror]}\n";
  cvy_model *model = open_pieces(&p);
  CU_ASSERT_EQUAL(cvy_model_spec_of(model)->evaluation->count, 2);
  CU_ASSERT_EQUAL(cvy_model_spec_of(model)->convolution, CVY_CONV_AUTO);
  cvy_model_close(model);
  p.recipe = SOFTMAX "microbatch: 1\n";
  model = open_pieces(&p);
  CU_ASSERT_PTR_NULL(cvy_model_spec_of(model)->evaluation);
  cvy_model_close(model);
}

static cvy_hash hash_of(const pieces *p) {
  cvy_model *model = open_pieces(p);
  const cvy_hash hash = cvy_model_hash(model);
  cvy_model_close(model);
  return hash;
}

static void the_hash_tells_models_apart(void) {
  const pieces good = good_pieces();
  const cvy_hash usual = hash_of(&good);
  pieces p = good;
  p.recipe = SOFTMAX REST "epochs: 9\n"; /* this is training's business */
  CU_ASSERT_STRING_EQUAL(hash_of(&p).hex, usual.hex);
  p = good, p.recipe = SOFTMAX "microbatch: 2\nconvolution: gemm\ndata: {evaluation: []}\n";
  CU_ASSERT_STRING_NOT_EQUAL(hash_of(&p).hex, usual.hex);
  p = good, p.recipe = SOFTMAX "microbatch: 4\nconvolution: auto\ndata: {evaluation: []}\n";
  CU_ASSERT_STRING_NOT_EQUAL(hash_of(&p).hex, usual.hex);
  p = good, p.recipe = SOFTMAX "microbatch: 4\nconvolution: gemm\ndata: {evaluation: [grey]}\n";
  CU_ASSERT_STRING_NOT_EQUAL(hash_of(&p).hex, usual.hex);
  p = good, p.name_count = 3;
  CU_ASSERT_STRING_NOT_EQUAL(hash_of(&p).hex, usual.hex);
}

/* ---- what training writes ---- */

static cvy_net *make_net(cvy_pool *pool, const char *recipe) {
  cvy_yaml *root;
  cvy_net *net;
  CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&root, pool, recipe, "recipe"), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_net_create(&net, cvy_yaml_get(root, "network"), MICROBATCH, NULL), CVY_OK);
  cvy_net_init(net, 5);
  return net;
}

/* Writes the file of a run that has made 12 steps. All values of its update rule are 0. */
static void write_checkpoint(const char *path, cvy_net *net, const char *recipe) {
  cvy_arenas arenas;
  const cvy_rule *sgd = cvy_rule_at(0);
  const cvy_dataset_info data = {
      .c = C, .class_count = 2, .class_names = names, .mean = {33.25f, 100}, .deviation = {77.5f, 60}};
  const cvy_model_head head = {recipe, "0123", &data};
  const cvy_run_state state = {.step = 12, .best_step = 12, .best_top1 = 0.5};
  CU_ASSERT_EQUAL_FATAL(cvy_arenas_create(&arenas, net, sgd), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_checkpoint_write(path, &arenas, &state, &head), CVY_OK);
  cvy_arenas_destroy(&arenas);
}

/* Returns a state in which nothing is left out of the file. */
static cvy_run_state full_state(void) {
  cvy_run_state state = {.step = 12,
                         .best_step = 12,
                         .best_top1 = 0.5,
                         .last_top1 = 0.25,
                         .last_loss = 2,
                         .first_loss = 3,
                         .watched_best = 4};
  state.validated_on = cvy_hash_of_text("data");
  strcpy(state.arithmetic.names, "a processor");
  state.arithmetic.products = cvy_hash_of_text("products");
  state.schedule_memory[0] = 1;
  strcpy(state.history, "step 7: 'epochs' was '1' and is now '2'");
  return state;
}

static void fill_state(cvy_arenas *arenas, float begin) {
  for (int64_t k = 0; k < arenas->rule->state_count; k++)
    for (int64_t i = 0; i < cvy_net_describe(arenas->net)->arena_count; i++)
      arenas->state[k][i] = begin + (float)(1000 * k + i);
}

static cvy_err write_state_of(const cvy_rule *rule, cvy_net *net, const char *path) {
  cvy_arenas arenas;
  const cvy_dataset_info data = {
      .c = C, .class_count = 2, .class_names = names, .mean = {33.25f, 100}, .deviation = {77.5f, 60}};
  const cvy_model_head head = {SOFTMAX REST, "0123", &data};
  const cvy_run_state state = full_state();
  CU_ASSERT_EQUAL_FATAL(cvy_arenas_create(&arenas, net, rule), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_arenas_add_average(&arenas), CVY_OK);
  fill_state(&arenas, 0.5f);
  const cvy_err err = cvy_checkpoint_write(path, &arenas, &state, &head);
  cvy_arenas_destroy(&arenas);
  return err;
}

static void read_state_of(const cvy_rule *rule, cvy_net *net, const char *path) {
  cvy_arenas arenas;
  cvy_run_state state;
  cvy_checkpoint *checkpoint;
  const cvy_net_info *info = cvy_net_describe(net);
  CU_ASSERT_EQUAL_FATAL(cvy_arenas_create(&arenas, net, rule), CVY_OK);
  fill_state(&arenas, -1);
  CU_ASSERT_EQUAL_FATAL(cvy_checkpoint_open(&checkpoint, path), CVY_OK);
  CU_ASSERT_EQUAL(cvy_checkpoint_read(checkpoint, &arenas, &state), CVY_OK);
  CU_ASSERT_STRING_EQUAL(state.history, full_state().history);
  for (int64_t k = 0; k < rule->state_count; k++)
    for (int64_t t = 0; t < info->param_tensors; t++)
      for (int64_t i = info->params[t].offset; i < info->params[t].offset + info->params[t].count; i++)
        CU_ASSERT_EQUAL(arenas.state[k][i], 0.5f + (float)(1000 * k + i));
  cvy_checkpoint_close(checkpoint);
  cvy_arenas_destroy(&arenas);
}

/* The names of a rule's state are those of groups and attributes beside the others of a checkpoint. A name
 * that is another's already is refused. */
static void every_rules_state_has_its_place(void) {
  static const char *const taken[] = {"parameters", "weights",    "mean",        "recipe",
                                      "step",       "history",    "class_names", "schedule_memory_0",
                                      "ema",        "ema_weights"};
  const char *path = path_of("state.h5");
  cvy_pool *pool = cvy_pool_create();
  cvy_net *net = make_net(pool, SOFTMAX REST);
  for (int64_t i = 0; i < cvy_rule_count(); i++) {
    CU_ASSERT_EQUAL_FATAL(write_state_of(cvy_rule_at(i), net, path), CVY_OK);
    read_state_of(cvy_rule_at(i), net, path);
  }
  for (int64_t i = 0; i < CVY_COUNT(taken); i++) {
    const cvy_rule rule = {.state_count = 1, .state_names = {taken[i]}};
    CU_ASSERT_NOT_EQUAL(write_state_of(&rule, net, path), CVY_OK);
  }
  const cvy_rule twice = {.state_count = 2, .state_names = {"momentum", "momentum"}};
  CU_ASSERT_NOT_EQUAL(write_state_of(&twice, net, path), CVY_OK);
  cvy_net_destroy(net);
  cvy_pool_destroy(pool);
}

static cvy_model *trained(cvy_net **net, cvy_pool *pool, const char *recipe) {
  cvy_model *model;
  const char *path = path_of("trained.h5");
  *net = make_net(pool, recipe);
  write_checkpoint(path, *net, recipe);
  CU_ASSERT_EQUAL_FATAL(cvy_model_open(&model, path), CVY_OK);
  return model;
}

static void a_checkpoint_of_a_run_is_a_model(void) {
  cvy_pool *pool = cvy_pool_create();
  cvy_net *net;
  cvy_model *model = trained(&net, pool, SOFTMAX REST);
  const cvy_model_info *info = cvy_model_describe(model);
  CU_ASSERT(info->step == 12 && info->top1 == 0.5 && info->name_count == 2);
  CU_ASSERT(info->mean[1] == 100 && info->deviation[1] == 60);
  CU_ASSERT_STRING_EQUAL(cvy_model_weights(model).hex, cvy_net_hash(net, NULL).hex);
  const float *params = cvy_net_params(net) + cvy_net_describe(net)->params[0].offset;
  CU_ASSERT_EQUAL(
      memcmp(cvy_model_tensor_at(model, 0).values, params, sizeof *params * (size_t)FLOATS * OUTPUTS), 0);
  cvy_model_close(model);
  cvy_net_destroy(net);
  cvy_pool_destroy(pool);
}

/* ---- running ---- */

enum { IMAGES = 11 }; /* two microbatches, and three images more */

static void fill_images(float images[IMAGES * FLOATS]) {
  for (int64_t i = 0; i < IMAGES * FLOATS; i++) images[i] = (float)(i * 7 % 31 - 15) * 0.1f;
}

static double score_by_hand(const cvy_net *net, const float *weights, const float *x, int64_t output,
                            int64_t outputs) {
  double score = (double)weights[cvy_net_describe(net)->params[1].offset + output];
  for (int i = 0; i < FLOATS; i++) score += (double)x[i] * (double)weights[i * outputs + output];
  return score;
}

static void run_is_the_nets_forward(void) {
  cvy_pool *pool = cvy_pool_create();
  cvy_net *net;
  cvy_model *model = trained(&net, pool, SOFTMAX REST);
  float images[IMAGES * FLOATS], got[IMAGES * OUTPUTS + 1], padded[MICROBATCH * FLOATS];
  fill_images(images);
  got[IMAGES * OUTPUTS] = 77;
  cvy_model_run(model, got, images, IMAGES);
  CU_ASSERT_EQUAL(got[IMAGES * OUTPUTS], 77); /* nothing beyond the images that were asked for */
  const int32_t labels[MICROBATCH] = {0, 1, 2, 0};
  for (int64_t first = 0; first < IMAGES; first += MICROBATCH) {
    const int64_t own = IMAGES - first < MICROBATCH ? IMAGES - first : MICROBATCH;
    memset(padded, 0, sizeof padded);
    memcpy(padded, images + first * FLOATS, sizeof *images * (size_t)(own * FLOATS));
    cvy_net_forward(net, padded, &(cvy_targets){.labels = labels}, &(cvy_pass){.training = false});
    CU_ASSERT_EQUAL(
        memcmp(got + first * OUTPUTS, cvy_net_probabilities(net), sizeof *got * (size_t)(own * OUTPUTS)), 0);
  }
  for (int64_t i = 0; i < IMAGES; i++) {
    double sum = 0, e[OUTPUTS];
    for (int k = 0; k < OUTPUTS; k++)
      sum += e[k] = exp(score_by_hand(net, cvy_net_params(net), images + i * FLOATS, k, OUTPUTS));
    for (int k = 0; k < OUTPUTS; k++) CU_ASSERT_DOUBLE_EQUAL((double)got[i * OUTPUTS + k], e[k] / sum, 1e-6);
  }
  cvy_model_close(model);
  cvy_net_destroy(net);
  cvy_pool_destroy(pool);
}

static void one_score_gives_two_probabilities(void) {
  cvy_pool *pool = cvy_pool_create();
  cvy_net *net;
  cvy_model *model = trained(&net, pool, SIGMOID REST);
  float images[IMAGES * FLOATS], got[IMAGES * 2];
  fill_images(images);
  CU_ASSERT_EQUAL_FATAL(cvy_model_describe(model)->class_count, 2);
  cvy_model_run(model, got, images, IMAGES);
  for (int64_t i = 0; i < IMAGES; i++) {
    const double second = 1 / (1 + exp(-score_by_hand(net, cvy_net_params(net), images + i * FLOATS, 0, 1)));
    CU_ASSERT_DOUBLE_EQUAL((double)got[2 * i + 1], second, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL((double)got[2 * i], 1 - second, 1e-6);
  }
  cvy_model_close(model);
  cvy_net_destroy(net);
  cvy_pool_destroy(pool);
}

/* Another thread count, and a run after a run, change nothing. */
static void runs_repeat(void) {
  const pieces p = good_pieces();
  float images[IMAGES * FLOATS], first[IMAGES * OUTPUTS], again[IMAGES * OUTPUTS];
  fill_images(images);
  cvy_model *model = open_pieces(&p);
  cvy_model_run(model, first, images, IMAGES);
  cvy_model_run(model, again, images, 1);
  cvy_model_run(model, again, images, IMAGES);
  CU_ASSERT_EQUAL(memcmp(first, again, sizeof first), 0);
  cvy_model_close(model);
  cvy_threads_set(3);
  model = open_pieces(&p);
  cvy_model_run(model, again, images, IMAGES);
  CU_ASSERT_EQUAL(memcmp(first, again, sizeof first), 0);
  cvy_model_run(model, again, images, 0);
  CU_ASSERT_EQUAL(memcmp(first, again, sizeof first), 0);
  cvy_model_close(model);
  cvy_threads_set(1);
}

/* ---- what is refused ---- */

static void refused(const char *path, const char *expected) {
  cvy_model *model = (cvy_model *)&model;
  CU_ASSERT_EQUAL(cvy_model_open(&model, path), CVY_E_INPUT);
  CU_ASSERT_PTR_NULL(model);
  const bool said = strstr(cvy_err_message(), expected) && strstr(cvy_err_message(), path);
  if (!said) printf("\n    expected '%s' of '%s' in '%s'", expected, path, cvy_err_message());
  CU_ASSERT(said);
}

static void refused_pieces(const pieces *p, const char *expected) {
  refused(put_together(p), expected);
}

static void what_is_missing_is_named(void) {
  static const struct {
    const char *without, *message;
  } cases[] = {{"format", "not a convoy checkpoint"},
               {"version", "version"},
               {"/recipe", "/recipe"},
               {"/class_names", "/class_names"},
               {"/mean", "/mean"},
               {"/deviation", "/deviation"},
               {"data", "data"},
               {"/parameters/f/weights", ": /parameters/f/weights is missing"},
               {"weights", "weights"},
               {"step", "step"},
               {"best_step", "best_step"},
               {"best_top1", "best_top1"}};
  for (int64_t i = 0; i < CVY_COUNT(cases); i++) {
    pieces p = good_pieces();
    p.without = cases[i].without;
    refused_pieces(&p, cases[i].message);
  }
}

static void damage_is_named(void) {
  static const struct {
    const char *damaged, *message;
  } cases[] = {{"/recipe", ": dataset '/recipe': checksum "},
               {"/class_names", ": dataset '/class_names': checksum "},
               {"/mean", "'/mean': checksum"},
               {"/deviation", "'/deviation': checksum"},
               {"/parameters", ": /parameters is damaged: its hash is "}};
  for (int64_t i = 0; i < CVY_COUNT(cases); i++) {
    pieces p = good_pieces();
    p.damaged = cases[i].damaged;
    refused_pieces(&p, cases[i].message);
  }
}

static void what_does_not_fit_is_named(void) {
  const pieces good = good_pieces();
  pieces p = good;
  p.format = "convoy-shard";
  refused_pieces(&p, ": a convoy-shard file; expected convoy-checkpoint");
  p = good, p.version = 2;
  refused_pieces(&p, ": checkpoint version 2; this convoy reads version 1");
  p = good, p.recipe_count = 2;
  refused_pieces(&p, ": /recipe should hold one text");
  p = good, p.name_count = 4;
  refused_pieces(&p, ": names 4 classes; network 'small' tells apart 3");
  p = good, p.means = 5;
  refused_pieces(&p, ": /mean should hold a value for each of 1 to 4 channels");
  p = good, p.deviations = 1;
  refused_pieces(&p, "'/deviation' must be a list of 2 numbers");
  p = good, p.means = p.deviations = 3;
  refused_pieces(&p, ": mean and deviation are those of 3 channels; network 'small' takes 2");
  p = good, p.weights_dims[0] = FLOATS - 1;
  refused_pieces(&p, ": /parameters/f/weights has shape 11x3; the network needs 12x3");
}

static void a_recipe_that_says_no_network_is_refused(void) {
  static const struct {
    const char *recipe, *message;
  } cases[] = {
      {"[]", ": its recipe:1:1: the recipe takes key: value options, not "},
      {"- a: [", ": its recipe:"},
      {"microbatch: 4", ": its recipe:1:1: the recipe of a checkpoint needs 'network'"},
      {"network: lenet5\nmicrobatch: 4", ": its recipe:1:10: the recipe of a checkpoint needs 'network'"},
      {SOFTMAX, "microbatch"},
      {SOFTMAX "microbatch: 0", ": its recipe:7:13: "},
      {SOFTMAX "microbatch: 4\nconvolution: guess", ": its recipe:8:14: "},
      {SOFTMAX "microbatch: 4\ndata: here", ": its recipe:8:7: data takes key: value options, not "},
      {SOFTMAX "microbatch: 4\ndata: {evaluation: [blurr]}", ": its recipe:8:21: "},
      {"network: {name: n, input: [3, 2, 2], layers: [fuzz]}\nmicrobatch: 4", ": its recipe:1:47: "}};
  for (int64_t i = 0; i < CVY_COUNT(cases); i++) {
    pieces p = good_pieces();
    p.recipe = cases[i].recipe;
    refused_pieces(&p, cases[i].message);
  }
}

static void other_files_are_refused(void) {
  const pieces p = good_pieces();
  size_t count;
  char *bytes = scratch_read(put_together(&p), &count);
  refused(path_of("nothing.h5"), "");
  scratch_write(path_of("text.h5"), "no HDF5", 7);
  refused(path_of("text.h5"), "");
  scratch_write(path_of("short.h5"), bytes, count / 2);
  refused(path_of("short.h5"), "");
  free(bytes);
}

SUITE("model", TEST(a_model_is_described), TEST(tensors_have_names_and_shapes),
      TEST(a_score_belongs_to_its_step), TEST(without_evaluation_the_chain_is_augment),
      TEST(the_hash_tells_models_apart), TEST(a_checkpoint_of_a_run_is_a_model),
      TEST(every_rules_state_has_its_place), TEST(run_is_the_nets_forward),
      TEST(one_score_gives_two_probabilities), TEST(runs_repeat), TEST(what_is_missing_is_named),
      TEST(damage_is_named), TEST(what_does_not_fit_is_named), TEST(a_recipe_that_says_no_network_is_refused),
      TEST(other_files_are_refused))
