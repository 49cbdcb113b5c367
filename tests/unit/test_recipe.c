/* Tests what another value of each key of a recipe does: whether a run can go on with it, and whether ranks
 * may differ in it. */
#include "suite.h"

#include "base/utf8.h"
#include "train/recipe.h"

static const char text[] = "network: {name: tiny, input: [4, 4, 1], layers: [fc: {outputs: 3}, softmax]}\n"
                           "data: {train: data, val: data, augment: [mirror], evaluation: []}\n"
                           "batch: 32\n"
                           "microbatch: 8\n"
                           "epochs: 3\n"
                           "init_from: {weights: old, head: auto, layers: fc1, anew: [fc1]}\n"
                           "freeze: fc*\n"
                           "batch_norm: {frozen: true}\n"
                           "unfreeze: [{at: 1, layers: fc*}]\n"
                           "layers: [{match: fc*, rate: 2}]\n"
                           "run: runs/one\n";

static cvy_recipe *read_recipe(const char *yaml) {
  cvy_recipe *recipe;
  if (cvy_recipe_parse(&recipe, yaml, "recipe.yaml", NULL, 0)) printf("\n    %s", cvy_err_message());
  CU_ASSERT_PTR_NOT_NULL_FATAL(recipe);
  return recipe;
}

/* Makes another value for any option. A reader need not take it, for only the comparison sees it. */
static cvy_yaml *another_value(cvy_pool *pool) {
  return cvy_yaml_new_scalar(pool, "test", "another");
}

/* Copies the resolved recipe, with another value at `path`. */
static const cvy_yaml *changed(cvy_pool *pool, const cvy_yaml *mapping, const char *path) {
  const size_t length = strcspn(path, ".");
  cvy_yaml *copy = cvy_yaml_new_mapping(pool, "test");
  for (int64_t i = 0; i < mapping->count; i++) {
    const char *key = mapping->keys[i]->text;
    const bool is_on_path = strlen(key) == length && strncmp(key, path, length) == 0;
    const cvy_yaml *item = mapping->items[i];
    if (is_on_path) item = path[length] ? changed(pool, item, path + length + 1) : another_value(pool);
    cvy_yaml_add(pool, copy, key, (cvy_yaml *)item);
  }
  return copy;
}

static bool ahead(const void *config) {
  (void)config;
  return true;
}

static bool can_go_on(const cvy_recipe *stored, const char *path, bool looks_ahead) {
  const cvy_schedule schedule = {.kind = stored->schedule->kind, .looks_ahead = looks_ahead ? ahead : NULL};
  cvy_recipe wanted = *stored;
  wanted.schedule = &schedule;
  wanted.resolved = changed(stored->pool, stored->resolved, path);
  return !cvy_recipe_compare(stored, &wanted, "last.h5", NULL);
}

static void expect_effect(const cvy_recipe *recipe, const char *path, cvy_effect effect) {
  const bool changes_bits = effect == CVY_CHANGES_BITS;
  if (can_go_on(recipe, path, false) == changes_bits) printf("\n    %s", path);
  CU_ASSERT_EQUAL(can_go_on(recipe, path, false), !changes_bits);
  CU_ASSERT_EQUAL(can_go_on(recipe, path, true), !changes_bits && effect != CVY_CHANGES_TOTAL);
  char said[300];
  snprintf(said, sizeof said, "last.h5 was trained with another recipe: '%s' was ", path);
  if (changes_bits) CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), said));
}

static int64_t walk(const cvy_recipe *recipe, const cvy_option *table, const char *prefix) {
  int64_t count = 0;
  for (const cvy_option *option = table; option->name; option++) {
    char path[200];
    snprintf(path, sizeof path, "%s%s", prefix, option->name);
    if (option->type == CVY_TABLE) {
      strcat(path, ".");
      count += walk(recipe, option->table, path);
      continue;
    }
    if (option->effect == CVY_EFFECT_UNSAID) printf("\n    %s: no effect is said", path);
    CU_ASSERT_NOT_EQUAL(option->effect, CVY_EFFECT_UNSAID);
    expect_effect(recipe, path, option->effect);
    count++;
  }
  return count;
}

static void every_key_says_what_it_changes(void) {
  cvy_recipe *recipe = read_recipe(text);
  CU_ASSERT(walk(recipe, cvy_recipe_options, "") >= 25);
  cvy_recipe_destroy(recipe);
}

/* The effects, and what may change on request, are listed by hand, so that a wrong flag shows too. */
static void effects_are_these(void) {
  static const char *const no_bit[] = {"run",
                                       "data.train",
                                       "data.val",
                                       "data.prefetch",
                                       "data.threads",
                                       "log_every",
                                       "data.on_bad_record",
                                       "checkpoint_every",
                                       "check_every",
                                       "bucket",
                                       "data.cache.keep",
                                       "data.cache.memory",
                                       "data.assume_classes",
                                       "data.images",
                                       "data.labels",
                                       "data.outside_links",
                                       "init_from.weights",
                                       "on_divergence",
                                       "exploding_loss",
                                       "roll_backs"};
  static const char *const bits[] = {"network",
                                     "data.augment",
                                     "data.evaluation",
                                     "data.shuffle",
                                     "data.block",
                                     "data.window",
                                     "batch",
                                     "microbatch",
                                     "tree",
                                     "seed",
                                     "convolution",
                                     "reduce",
                                     "wire",
                                     "solver",
                                     "data.first_label",
                                     "data.axes",
                                     "layers",
                                     "freeze",
                                     "freeze_until",
                                     "batch_norm.frozen",
                                     "init_from.head",
                                     "init_from.normalise",
                                     "init_from.layers",
                                     "init_from.anew"};
  static const char *const on_request[] = {"learning_rate",
                                           "unfreeze",
                                           "warmup.length",
                                           "warmup.unit",
                                           "warmup.from",
                                           "warmup.schedule",
                                           "clip.norm",
                                           "clip.value",
                                           "ema.decay",
                                           "ema.warmup",
                                           "ema.every",
                                           "ema.start",
                                           "ema.use_buffers",
                                           "ema.best",
                                           "early_stopping.patience",
                                           "early_stopping.min_delta",
                                           "early_stopping.metric"};
  cvy_recipe *recipe = read_recipe(text);
  for (int64_t i = 0; i < CVY_COUNT(no_bit); i++) expect_effect(recipe, no_bit[i], CVY_CHANGES_NO_BIT);
  for (int64_t i = 0; i < CVY_COUNT(bits); i++) {
    expect_effect(recipe, bits[i], CVY_CHANGES_BITS);
    CU_ASSERT_PTR_NULL(strstr(cvy_err_message(), "--change"));
  }
  for (int64_t i = 0; i < CVY_COUNT(on_request); i++) {
    expect_effect(recipe, on_request[i], CVY_CHANGES_BITS);
    CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "resume with the same recipe, with --change"));
  }
  expect_effect(recipe, "epochs", CVY_CHANGES_TOTAL);
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "resume with the same recipe, with --change"));
  CU_ASSERT_EQUAL(walk(recipe, cvy_recipe_options, ""),
                  CVY_COUNT(no_bit) + CVY_COUNT(bits) + CVY_COUNT(on_request) + 1);
  cvy_recipe_destroy(recipe);
}

static void errors_name_the_key_within(void) {
  cvy_recipe *stored = read_recipe(text);
  char other[sizeof text + 100];
  snprintf(other, sizeof other, "%ssolver: {sgd: {momentum: 0.5}}\n", text);
  cvy_recipe *wanted = read_recipe(other);
  CU_ASSERT_EQUAL(cvy_recipe_compare(stored, wanted, "last.h5", NULL), CVY_E_INPUT);
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "'solver.sgd.momentum' was '0.9' and is now '0.5'"));
  cvy_recipe_destroy(wanted);
  snprintf(other, sizeof other, "%s", text);
  memcpy(strstr(other, ", evaluation: []"), "                ", 16);
  wanted = read_recipe(other);
  CU_ASSERT_EQUAL(cvy_recipe_compare(stored, wanted, "last.h5", NULL), CVY_E_INPUT);
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "'data.evaluation' was"));
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "and is now not set"));
  cvy_recipe_destroy(wanted);
  cvy_recipe_destroy(stored);
}

/* Compares recipes that have `was` and `is` behind the text, and writes the changes to `out`. */
static void find_changes(char out[2000], const char *was, const char *is) {
  char texts[2][sizeof text + 2000];
  cvy_text changes = cvy_text_in(out, 2000);
  snprintf(texts[0], sizeof texts[0], "%s%s\n", text, was);
  snprintf(texts[1], sizeof texts[1], "%s%s\n", text, is);
  cvy_recipe *stored = read_recipe(texts[0]), *wanted = read_recipe(texts[1]);
  CU_ASSERT_EQUAL(cvy_recipe_compare(stored, wanted, "last.h5", &changes), CVY_OK);
  cvy_recipe_destroy(stored);
  cvy_recipe_destroy(wanted);
}

/* Two lists of 90 steps differ in the last step alone. */
static void changes_are_told_at_any_length(void) {
  char lists[2][1000], changes[2000];
  for (int k = 0; k < 2; k++) {
    cvy_text list = cvy_text_in(lists[k], sizeof lists[k]);
    cvy_text_add(&list, "learning_rate: {multi_step: {unit: steps, at: [");
    for (int i = 1; i < 90; i++) cvy_text_add(&list, "%d, ", 10 * i);
    cvy_text_add(&list, "%d]}}", 900 + k);
  }
  find_changes(changes, lists[0], lists[0]);
  CU_ASSERT_STRING_EQUAL(changes, "");
  find_changes(changes, "solver: sgd", "learning_rate: {multi_step: {at: [2, 3]}}");
  CU_ASSERT_PTR_NOT_NULL(strstr(changes, "and is now multi_step: {rate: "));
  CU_ASSERT_PTR_NOT_NULL(strstr(changes, "at: [2, 3]"));
  find_changes(changes, lists[0], lists[1]);
  const char *at = "'learning_rate.multi_step.at' was [10, 20, ";
  CU_ASSERT_EQUAL(strncmp(changes, at, strlen(at)), 0);
  CU_ASSERT_PTR_NOT_NULL(strstr(changes, "... and is now [10, 20, "));
  CU_ASSERT_STRING_EQUAL(changes + strlen(changes) - 3, "...");
}

static void keys_differ(void) {
  char other[sizeof text + 100];
  snprintf(other, sizeof other, "%slearning_rate: {constant: {rate: 0.5}}\nearly_stopping: {patience: 3}\n",
           text);
  cvy_recipe *a = read_recipe(text), *b = read_recipe(other);
  CU_ASSERT(cvy_recipe_differs(a, b, "learning_rate"));
  CU_ASSERT(cvy_recipe_differs(a, b, "learning_rate.constant.rate"));
  CU_ASSERT(cvy_recipe_differs(a, b, "early_stopping"));
  CU_ASSERT(cvy_recipe_differs(a, b, "early_stopping.patience"));
  CU_ASSERT_FALSE(cvy_recipe_differs(a, b, "early_stopping.metric"));
  CU_ASSERT_FALSE(cvy_recipe_differs(a, b, "solver"));
  CU_ASSERT_FALSE(cvy_recipe_differs(a, a, "learning_rate"));
  cvy_recipe_destroy(a);
  cvy_recipe_destroy(b);
}

/* A letter of two bytes is never cut in half. */
static void long_texts_are_cut_between_letters(void) {
  for (int before = 0; before < 2; before++) {
    char long_one[400] = "run: runs/one\nlayers: [{match: x";
    if (before) strcat(long_one, "x");
    for (int i = 0; i < 130; i++) strcat(long_one, "\xC3\xA9");
    strcat(long_one, ", rate: 2}]");
    char other[sizeof text + sizeof long_one];
    snprintf(other, sizeof other, "%.*s%s\n", (int)(strstr(text, "layers: [{") - text), text, long_one);
    cvy_recipe *stored = read_recipe(text), *wanted = read_recipe(other);
    CU_ASSERT_EQUAL(cvy_recipe_compare(stored, wanted, "last.h5", NULL), CVY_E_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "\xC3\xA9...; resume"));
    CU_ASSERT(cvy_utf8_valid(cvy_err_message()));
    cvy_recipe_destroy(stored);
    cvy_recipe_destroy(wanted);
  }
}

/* ---- what ranks must have in common ---- */

static bool has_hash_of(const cvy_recipe *recipe, const char *from, const char *to) {
  char other[sizeof text + 100];
  const char *at = strstr(text, from);
  CU_ASSERT_PTR_NOT_NULL_FATAL(at);
  snprintf(other, sizeof other, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
  cvy_recipe *changed_one = read_recipe(other);
  const bool same = strcmp(cvy_recipe_hash(changed_one).hex, cvy_recipe_hash(recipe).hex) == 0;
  cvy_recipe_destroy(changed_one);
  return same;
}

static void ranks_may_differ_in_what_is_local(void) {
  cvy_recipe *recipe = read_recipe(text);
  CU_ASSERT(has_hash_of(recipe, "run: runs/one", "run: /scratch/two"));
  CU_ASSERT(has_hash_of(recipe, "train: data", "train: /ssd/data"));
  CU_ASSERT(has_hash_of(recipe, "val: data", "val: /ssd/data"));
  CU_ASSERT_FALSE(has_hash_of(recipe, "val: data, ", "")); /* validation is collective */
  CU_ASSERT_FALSE(has_hash_of(recipe, "epochs: 3", "epochs: 4"));
  CU_ASSERT_FALSE(has_hash_of(recipe, "epochs: 3", "epochs: 3\nlog_every: 7"));
  CU_ASSERT_FALSE(has_hash_of(recipe, "outputs: 3", "outputs: 4"));
  CU_ASSERT_FALSE(has_hash_of(recipe, "augment: [mirror]", "augment: []"));
  cvy_recipe_destroy(recipe);
}

SUITE("recipe", TEST(every_key_says_what_it_changes), TEST(effects_are_these),
      TEST(errors_name_the_key_within), TEST(changes_are_told_at_any_length), TEST(keys_differ),
      TEST(long_texts_are_cut_between_letters), TEST(ranks_may_differ_in_what_is_local))
