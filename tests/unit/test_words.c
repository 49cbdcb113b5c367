/* Tests words that people type: slips of the fingers, habits of other programs, and what is said of them. */
#include "scratch.h"
#include "suite.h"

#include "augment/augmentation.h"
#include "datasets/reader.h"
#include "net/net.h"
#include "optim/optim.h"
#include "train/recipe.h"

static void expect_nearest(const char *typed, const char *meant, const char *const *known, int64_t count) {
  const char *nearest = cvy_nearest_word(typed, known, count);
  CU_ASSERT_PTR_NOT_NULL(nearest);
  if (nearest && strcmp(nearest, meant) == 0) return;
  printf("\n    '%s' is taken for %s, not for %s", typed, nearest ? nearest : "nothing", meant);
  CU_ASSERT(false);
}

static void slips_are_seen_through(void) {
  static const char *const commands[] = {"prepare", "train", "eval", "summary", "doctor", "bench", "plan"};
  static const char *const keys[] = {"network", "data",          "batch", "microbatch", "epochs",
                                     "seed",    "learning_rate", "run",   "log_every",  "checkpoint_every",
                                     "solver"};
  static const char *const slips[][2] = {
      {"trian", "train"},    {"tarin", "train"},     {"rtain", "train"},     {"tran", "train"},
      {"Train", "train"},    {"traim", "train"},     {"traain", "train"},    {"sumary", "summary"},
      {"summry", "summary"}, {"SUMMARY", "summary"}, {"sumarry", "summary"}, {"summ", "summary"},
      {"prep", "prepare"},   {"perpare", "prepare"}, {"prepair", "prepare"}, {"evla", "eval"},
      {"evals", "eval"},     {"docter", "doctor"},   {"benhc", "bench"},     {"paln", "plan"}};
  static const char *const key_slips[][2] = {{"epoch", "epochs"},
                                             {"Epochs", "epochs"},
                                             {"eopchs", "epochs"},
                                             {"bacth", "batch"},
                                             {"micro_batch", "microbatch"},
                                             {"micro-batch", "microbatch"},
                                             {"learningRate", "learning_rate"},
                                             {"learning-rate", "learning_rate"},
                                             {"leraning_rate", "learning_rate"},
                                             {"learn", "learning_rate"},
                                             {"logevery", "log_every"},
                                             {"checkpoint", "checkpoint_every"},
                                             {"sedd", "seed"},
                                             {"netwrok", "network"},
                                             {"slover", "solver"},
                                             {"dta", "data"}};
  for (int64_t i = 0; i < CVY_COUNT(slips); i++)
    expect_nearest(slips[i][0], slips[i][1], commands, CVY_COUNT(commands));
  for (int64_t i = 0; i < CVY_COUNT(key_slips); i++)
    expect_nearest(key_slips[i][0], key_slips[i][1], keys, CVY_COUNT(keys));
}

static void other_words_are_not_taken_for_slips(void) {
  static const char *const known[] = {"train", "eval", "plan", "fc", "add", "relu", "seed", "run"};
  static const char *const words[] = {"x",    "fx",    "ab", "cat",
                                      "spam", "zebra", "",   "a-very-long-word-that-no-list-knows"};
  for (int64_t i = 0; i < CVY_COUNT(words); i++) {
    const char *nearest = cvy_nearest_word(words[i], known, CVY_COUNT(known));
    if (nearest) printf("\n    '%s' is taken for '%s'", words[i], nearest);
    CU_ASSERT_PTR_NULL(nearest);
  }
  static const char *const alike[] = {"rule_one", "rule_two"};
  CU_ASSERT_PTR_NULL(cvy_nearest_word("rule", alike, 2)); /* this begins both */
}

static void beginnings_of_several_are_listed(void) {
  static const char *const known[] = {"lenet", "resnet18", "resnet34", "resnet50", "vgg-a", "vgg-b", "vgg16"};
  const char *said = cvy_meant("resnet", known, CVY_COUNT(known));
  CU_ASSERT_STRING_EQUAL(said, "; did you mean one of 'resnet18', 'resnet34', 'resnet50'?");
  said = cvy_meant("ResNet-20", known, CVY_COUNT(known));
  CU_ASSERT_STRING_EQUAL(said, "; did you mean one of 'resnet18', 'resnet34', 'resnet50'?");
  CU_ASSERT_STRING_EQUAL(cvy_meant("vgg11", known, CVY_COUNT(known)), "; did you mean 'vgg-a'?");
  CU_ASSERT_STRING_EQUAL(cvy_meant("mobilenet", known, CVY_COUNT(known)),
                         "; there is none of this kind here");
  CU_ASSERT_STRING_EQUAL(cvy_meant("VGG_a", known, CVY_COUNT(known)), "; did you mean 'vgg-a'?");
  CU_ASSERT_STRING_EQUAL(cvy_meant("re", known, CVY_COUNT(known)), "");
}

/* ---- habits ---- */

enum { MOST_WORDS = 4000 };
static const char *everywhere[MOST_WORDS];
static int64_t everywhere_count;

static void add_word(const char *word) {
  CU_ASSERT_FATAL(everywhere_count < MOST_WORDS);
  everywhere[everywhere_count++] = word;
}

static void add_table(const cvy_option *table) {
  for (const cvy_option *option = table; option && option->name; option++) {
    add_word(option->name);
    if (option->type == CVY_TABLE) add_table(option->table);
    for (int64_t k = 0; option->type == CVY_CHOICE && option->words[k]; k++) add_word(option->words[k]);
    for (int64_t k = 0; option->type == CVY_PAIR && option->words && option->words[k]; k++)
      add_word(option->words[k]);
  }
}

static void add_kind(const cvy_kind *kind) {
  add_word(kind->name);
  add_table(kind->options);
}

/* Gathers what may be written anywhere: names of types, of their options, and words for values. */
static void gather_words(void) {
  static const char *const others[] = {
#define CVY_COMMAND(name) #name,
#include "cmd/commands.def"
#undef CVY_COMMAND
      "parameters", "blocks", "layers",         "input", /* of a network */
      "threads",    "output", "overwrite",      "resume", "trace", "data",    "batch",
      "nodes",      "ranks",  "graph",          "size",   "seed",  "shards",  "split",
      "markdown",   "steps",  "ranks-per-node", "vgg-a",  "vgg-b", "resnet50"}; /* options of commands */
  everywhere_count = 0;
  for (int64_t i = 0; i < CVY_COUNT(others); i++) add_word(others[i]);
  add_table(cvy_recipe_options);
  add_table(cvy_net_common_options());
  for (int64_t i = 0; i < cvy_rule_count(); i++) add_kind(cvy_rule_at(i)->kind);
  for (int64_t i = 0; i < cvy_schedule_count(); i++) add_kind(cvy_schedule_at(i)->kind);
  for (int64_t i = 0; i < cvy_layer_type_count(); i++) add_kind(cvy_layer_type_at(i)->kind);
  for (int64_t i = 0; i < cvy_augmentation_count(); i++) add_kind(&cvy_augmentation_at(i)->kind);
  for (int64_t i = 0; i < cvy_reader_count(); i++) add_kind(cvy_reader_at(i)->kind);
}

static bool is_anywhere(const char *word, size_t length) {
  for (int64_t i = 0; i < everywhere_count; i++)
    if (strncmp(everywhere[i], word, length) == 0 && everywhere[i][length] == '\0') return true;
  return false;
}

static void habits_lead_to_what_there_is(void) {
  gather_words();
  CU_ASSERT(cvy_habit_count() > 100);
  for (int64_t i = 0; i < cvy_habit_count(); i++) {
    const cvy_habit *habit = cvy_habit_at(i);
    const char *slash = strchr(habit->key, '/'), *key = cvy_habit_key(habit);
    const bool is_plain = strspn(habit->word, "abcdefghijklmnopqrstuvwxyz0123456789") == strlen(habit->word);
    const bool leads = is_anywhere(key, strlen(key)) &&
                       (!slash || is_anywhere(habit->key, (size_t)(slash - habit->key)));
    if (!is_plain || !leads) printf("\n    habits.def: '%s' for '%s'", habit->word, habit->key);
    CU_ASSERT(is_plain && leads);
    for (int64_t k = 0; k < i; k++) {
      const cvy_habit *before = cvy_habit_at(k);
      const bool repeated = strcmp(before->word, habit->word) == 0 && strcmp(before->key, habit->key) == 0;
      if (repeated) printf("\n    habits.def: '%s' for '%s' stands there twice", habit->word, habit->key);
      CU_ASSERT(!repeated);
    }
  }
}

/* ---- recipes ---- */

static void expect_said(const char *word, const char *text) {
  static const char recipe[] =
      "network: {name: tiny, input: [4, 4, 1], layers: [fc: {outputs: 3}, softmax_loss]}\n"
      "data: {train: data}\nbatch: 32\nmicrobatch: 8\nepochs: 3\nrun: runs/one\n"
      "solver: sgd\nlearning_rate: {step: {rate: 0.1, every: 2}}\n";
  char path[300];
  snprintf(path, sizeof path, "%s/recipe.yaml", scratch_folder());
  scratch_write(path, recipe, sizeof recipe - 1);
  cvy_recipe *loaded = NULL;
  const cvy_err err = cvy_recipe_load(&loaded, path, &word, 1);
  CU_ASSERT(err == CVY_E_INPUT || err == CVY_E_USAGE);
  if (!err || !strstr(cvy_err_message(), text)) {
    printf("\n    '%s' does not say '%s' but: %s", word, text, err ? cvy_err_message() : "nothing");
    CU_ASSERT(false);
  }
  cvy_recipe_destroy(loaded);
}

static void habits_are_answered_with_the_key_that_is_meant(void) {
  static const char *const said[][2] = {
      {"lr=0.3", "did you mean learning_rate.step.rate=0.3?"},
      {"base_lr=0.3", "did you mean learning_rate.step.rate=0.3?"},
      {"learning_rate.rate=0.3", "did you mean learning_rate.step.rate=0.3?"},
      {"learning_rate.lr=0.3", "did you mean learning_rate.step.rate=0.3?"},
      {"learning_rate.step.lr=0.3", "did you mean 'rate'?"},
      {"learning_rate.constant.rate=0.3", "learning_rate=constant learning_rate.constant.rate=0.3"},
      {"learning_rate=0.3", "did you mean learning_rate.step.rate=0.3?"},
      {"solver.momentum=0.5", "did you mean solver.sgd.momentum=0.5?"},
      {"network={name: lenet5}", "network: lenet5, or, with its parameters, network: {lenet5: {"},
      {"network={model: lenet5, classes: 3}", "named without the word 'model'"},
      {"type=sgd", "did you mean 'solver'?"},
      {"label_smoothing=0.1", "softmax_loss: {smoothing: 0.1}"},
      {"early_stopping=true", "early_stopping takes key: value options, not 'true'"},
      {"patience=3", "did you mean early_stopping.patience=3?"},
      {"early_stopping.monitor=val_top1", "did you mean 'metric'?"},
      {"early_stopping.restore_best_weights=true", "the best validation's weights are in best.h5 anyway"},
      {"model_ema_decay=0.9", "did you mean ema.decay=0.9?"},
      {"ema.momentum=0.9", "did you mean 'decay'?"},
      {"pretrained=true", "the weights of a file by init_from: {weights: FILE, head: auto}"},
      {"trainable=false", "freeze: [conv*]"},
      {"lr_mult=0", "layers: [{match: \"fc*\", rate: 10}]"},
      {"learning_rate=poly", "did you mean 'polynomial'?"},
      {"learning_rate={ReduceLROnPlateau: {}}", "did you mean 'plateau'?"},
      {"learning_rate={CosineAnnealingLR: {}}", "did you mean 'cosine'?"},
      {"learning_rate=cyclic", "'convoy help train' lists the schedules"},
      {"learning_rate={exponential: {gamma: 0.9}}", "did you mean 'factor'?"},
      {"warmup_epochs=5", "warmup: {length: 5}"},
      {"data={dataset: x}", "did you mean 'train'?"},
      {"data.augment=[{resize: 28}]", "did you mean {size: 28}?"},
      {"lr_policy=step", "the schedule is learning_rate's value"},
      {"gamma=0.5", "did you mean learning_rate.step.factor=0.5?"},
      {"optimizer=sgd", "did you mean 'solver'?"},
      {"solver=SGD", "did you mean 'sgd'?"},
      {"solver={type: sgd}", "the name itself is the key"},
      {"momentum=0.5", "did you mean solver.sgd.momentum=0.5?"},
      {"weight_decay=0.5", "did you mean solver.sgd.weight_decay=0.5?"},
      {"model=lenet5", "did you mean 'network'?"},
      {"batch_size=4", "did you mean 'batch'?"},
      {"batchSize=4", "did you mean 'batch'?"},
      {"num_epochs=4", "did you mean 'epochs'?"},
      {"max_epochs=4", "did you mean 'epochs'?"},
      {"max_iter=4", "passes over the training images: epochs"},
      {"train_data=x", "did you mean data.train=x?"},
      {"val=x", "did you mean data.val=x?"},
      {"num_workers=4", "did you mean data.threads=4?"},
      {"data=x", "did you mean {train: x}?"},
      {"data.validation=x", "did you mean 'val'?"},
      {"data.augment=[RandomHorizontalFlip]", "did you mean 'mirror'?"},
      {"data.augment=[Normalize]", "images are normalised by the mean"},
      {"data.augment=[center_crop: {size: 3}]", "did you mean 'centre_crop'?"},
      {"data.shuffle=true", "did you mean 'full'?"},
      {"data.augment=[5]", "expected the name of an augmentation, not the number 5"},
      {"subdivisions=4", "microbatch is batch / subdivisions"},
      {"output_dir=x", "did you mean 'run'?"},
      {"gpu=1", "ranks come from mpirun"},
      {"criterion=x", "the network's last layer"},
      {"random_seed=3", "did you mean 'seed'?"},
      {"display=3", "did you mean 'log_every'?"},
      {"snapshot=3", "did you mean 'checkpoint_every'?"},
      {"wire=bfloat16", "did you mean 'bf16'?"},
      {"epochs:3", "did you mean epochs=3?"},
  };
  for (int64_t i = 0; i < CVY_COUNT(said); i++) expect_said(said[i][0], said[i][1]);
}

#define OTHERS                                                                                               \
  "network: {input: [4, 4, 1], layers: [fc: {outputs: 3}, softmax_loss]}\ndata: {train: data}\n"             \
  "batch: 32\nmicrobatch: 8\nepochs: 3\nrun: r\n"

static void expect_message(const char *text) {
  const bool is_there = strstr(cvy_err_message(), text) != NULL;
  if (!is_there) printf("\n    not '%s' but: %s", text, cvy_err_message());
  CU_ASSERT(is_there);
}

static void in_a_file_it_is_written_as_a_file_has_it(void) {
  cvy_recipe *recipe;
  CU_ASSERT_EQUAL(cvy_recipe_parse(&recipe, "batch: 8\nlr: 0.1\n", "r.yaml", NULL, 0), CVY_E_INPUT);
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(),
                                "r.yaml:2:1: unknown key 'lr' in the recipe; did you mean 'learning_rate: "
                                "{constant: {rate: 0.1}}'?"));
  CU_ASSERT_EQUAL(cvy_recipe_parse(&recipe, OTHERS "learning_rate: 0.1\n", "r.yaml", NULL, 0), CVY_E_INPUT);
  expect_message("did you mean 'learning_rate: {constant: {rate: 0.1}}'?");
  static const char *const setting = "network.classes=11";
  CU_ASSERT_EQUAL(cvy_recipe_parse(&recipe, "network: lenet5\n", "r.yaml", &setting, 1), CVY_E_USAGE);
  expect_message("did you mean network.lenet5.classes=11?");
  CU_ASSERT_EQUAL(cvy_recipe_parse(&recipe, "network: ./n.yaml\n", "r.yaml", &setting, 1), CVY_E_USAGE);
  expect_message("did you mean 'network={./n.yaml: {classes: 11}}'?");
  CU_ASSERT_EQUAL(cvy_recipe_parse(&recipe, "solver: {adagrad: {}}\nweight_decay: 5e-4\n", "r.yaml", NULL, 0),
                  CVY_E_INPUT);
  CU_ASSERT_PTR_NOT_NULL(
      strstr(cvy_err_message(), "did you mean 'solver: {adagrad: {weight_decay: 5e-4}}'?"));
}

/* ---- networks ---- */

static void layers_of_other_programs_are_known(void) {
  static const char *const said[][2] = {
      {"Conv2D: {filters: 3, kernel: 3}", "did you mean 'conv'?"},
      {"Conv2d: {filters: 3, kernel: 3}", "did you mean 'conv'?"},
      {"Convolution: {filters: 3, kernel: 3}", "did you mean 'conv'?"},
      {"Dense: {outputs: 3}", "did you mean 'fc'?"},
      {"Linear: {outputs: 3}", "did you mean 'fc'?"},
      {"InnerProduct: {outputs: 3}", "did you mean 'fc'?"},
      {"MaxPooling2D: {kernel: 2}", "did you mean 'max_pool'?"},
      {"MaxPool2d: {kernel: 2}", "did you mean 'max_pool'?"},
      {"Pooling: {kernel: 2}", "there are max_pool and average_pool"},
      {"AvgPool2d: {kernel: 2}", "did you mean 'average_pool'?"},
      {"GlobalAveragePooling2D", "average_pool: {kernel: global}"},
      {"AdaptiveAvgPool2d", "average_pool: {kernel: global}"},
      {"BatchNorm2d", "did you mean 'batch_norm'?"},
      {"BatchNormalization", "did you mean 'batch_norm'?"},
      {"ReLU", "did you mean 'relu'?"},
      {"LeakyReLU", "did you mean 'leaky_relu'?"},
      {"TanH", "did you mean 'tanh'?"},
      {"Flatten", "did you mean 'flatten'?"},
      {"Activation: {type: relu}", "an activation is a layer of its own name: - relu"},
      {"CrossEntropyLoss", "did you mean 'softmax_loss'?"},
      {"SoftmaxWithLoss", "did you mean 'softmax_loss'?"},
      {"Eltwise", "did you mean 'add'?"},
      {"Concatenate", "did you mean 'concat'?"},
      {"type: conv", "the type itself is the key"},
      {"conv: {filters: 3, kernel_size: 3}", "did you mean 'kernel'?"},
      {"conv: {num_output: 3, kernel: 3}", "did you mean 'filters'?"},
      {"conv: {out_channels: 3, kernel: 3}", "did you mean 'filters'?"},
      {"conv: {in_channels: 3, filters: 3, kernel: 3}", "those of the layer before"},
      {"conv: {filters: 3, kernel: 3, strides: 1}", "did you mean 'stride'?"},
      {"conv: {filters: 3, kernel: 3, pad: 1}", "did you mean 'padding'?"},
      {"conv: {filters: 3, kernel: 3, padding: SAME}", "did you mean 'same'?"},
      {"conv: {filters: 3, kernel: 3, activation: relu}", "a layer of its own, below this one: - relu"},
      {"conv: {filters: 3, kernel: 3, use_bias: false}", "did you mean 'bias'?"},
      {"conv: {filters: 3, kernel: 3, no_bias: true}", "'no_bias: true' is written bias: false"},
      {"conv: {filters: 3, kernel: 3, init: glorot_uniform}", "did you mean 'xavier'?"},
      {"conv: {filters: 3, kernel: 3, init: kaiming}", "did you mean 'he'?"},
      {"conv: {filters: 3, kernel: 3, input: a}", "did you mean 'inputs'?"},
      {"fc: {units: 3}", "did you mean 'outputs'?"},
      {"fc: {num_output: 3}", "did you mean 'outputs'?"},
      {"fc: {out_features: 3}", "did you mean 'outputs'?"},
      {"fc: {filters: 3}", "did you mean 'outputs'?"},
      {"{conv: {filters: 3, kernel: 3}, activation: relu}",
       "an activation is a layer of its own name: - relu"},
      {"gelu", "there are relu, leaky_relu"},
      {"conv: {filters: 3, kernel: 3x5}", "did you mean [3, 5]?"},
      {"dropout: 0.5", "did you mean {rate: 0.5}?"},
      {"dropout: {p: 0.5}", "did you mean 'rate'?"},
      {"dropout: {dropout_ratio: 0.5}", "did you mean 'rate'?"},
      {"dropout: {keep_prob: 0.5}", "1 minus keep_prob"},
      {"batch_norm: {eps: 1e-5}", "did you mean 'epsilon'?"},
      {"batch_norm: {moving_average_fraction: 0.9}", "1 minus moving_average_fraction"},
      {"max_pool: {pool_size: 2}", "did you mean 'kernel'?"},
      {"leaky_relu: {negative_slope: 0.1}", "did you mean 'slope'?"},
      {"lrn: {local_size: 5}", "did you mean 'size'?"},
  };
  for (int64_t i = 0; i < CVY_COUNT(said); i++) {
    cvy_pool *pool = cvy_pool_create();
    cvy_yaml *root, *resolved;
    char *text = cvy_format("input: [8, 8, 1]\nlayers:\n  - %s\n  - softmax_loss\n", said[i][0]);
    CU_ASSERT_FATAL(!cvy_yaml_parse(&root, pool, text, "n.yaml"));
    const cvy_err err = cvy_net_resolve(&resolved, pool, root);
    CU_ASSERT_EQUAL(err, CVY_E_INPUT);
    if (!err || !strstr(cvy_err_message(), said[i][1])) {
      printf("\n    '%s' does not say '%s' but: %s", said[i][0], said[i][1],
             err ? cvy_err_message() : "nothing");
      CU_ASSERT(false);
    }
    free(text);
    cvy_pool_destroy(pool);
  }
}

SUITE("words", TEST(slips_are_seen_through), TEST(other_words_are_not_taken_for_slips),
      TEST(beginnings_of_several_are_listed), TEST(habits_lead_to_what_there_is),
      TEST(habits_are_answered_with_the_key_that_is_meant), TEST(in_a_file_it_is_written_as_a_file_has_it),
      TEST(layers_of_other_programs_are_known))
