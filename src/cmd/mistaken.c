/* Says what a word is that stands in another's place, and what would be right. */
#include "cmd/mistaken.h"

#include "augment/augmentation.h"
#include "base/text.h"
#include "base/words.h"
#include "base/yaml.h"
#include "datasets/reader.h"
#include "net/net.h"
#include "report/whatis.h"
#include "train/find.h"
#include "train/recipe.h"

#include <string.h>
#include <unistd.h>

/* ---- a command ---- */

static bool is_kind_of(int64_t count, const cvy_kind *(*at)(int64_t), const char *name) {
  for (int64_t i = 0; i < count; i++)
    if (strcmp(at(i)->name, name) == 0) return true;
  return false;
}

static const cvy_kind *layer_at(int64_t i) {
  return cvy_layer_type_at(i)->kind;
}

static const cvy_kind *augmentation_at(int64_t i) {
  return &cvy_augmentation_at(i)->kind;
}

static const cvy_kind *rule_at(int64_t i) {
  return cvy_rule_at(i)->kind;
}

static const cvy_kind *schedule_at(int64_t i) {
  return cvy_schedule_at(i)->kind;
}

const char *cvy_mistaken_command(cvy_pool *pool, const char *word) {
  const char *path;
  if (!cvy_find_yaml(&path, pool, word, "recipes", NULL) && cvy_holds_recipe(pool, path))
    return cvy_pool_format(pool, "; it is a recipe: 'convoy train %s' trains as it says", word);
  if (!cvy_find_yaml(&path, pool, word, "networks", NULL))
    return cvy_pool_format(pool, "; it is a network: 'convoy summary %s' describes it", word);
  if (is_kind_of(cvy_layer_type_count(), layer_at, word))
    return cvy_pool_format(pool, "; it is a layer: 'convoy layers %s' describes it", word);
  if (is_kind_of(cvy_augmentation_count(), augmentation_at, word))
    return cvy_pool_format(pool, "; it is an augmentation: 'convoy augmentations %s' describes it", word);
  if (is_kind_of(cvy_rule_count(), rule_at, word) || is_kind_of(cvy_schedule_count(), schedule_at, word))
    return cvy_pool_format(pool, "; '%s' may stand in a recipe: 'convoy help train' describes it", word);
  return NULL;
}

/* ---- an option ---- */

/* Loads the recipe that the first word names, with the changes among the other words, so that advice can be
 * about this very recipe. Returns NULL if it is none that can be read. */
static const cvy_yaml *load_recipe(cvy_pool *pool, const char *const *words, int64_t count) {
  cvy_yaml *root;
  const char *path;
  if (count < 1 || words[0][0] == '-' || cvy_find_yaml(&path, pool, words[0], "recipes", NULL) ||
      cvy_yaml_load(&root, pool, path))
    return NULL;
  for (int64_t i = 1; i < count; i++)
    if (words[i][0] != '-' && strchr(words[i], '=') && cvy_yaml_override(root, pool, words[i])) return NULL;
  return root;
}

/* Tells whether one of the words names a network that has this parameter. */
static bool is_parameter(cvy_pool *pool, const char *name, const char *const *words, int64_t count) {
  cvy_yaml *root;
  const char *path;
  for (int64_t i = 0; i < count; i++)
    if (words[i][0] != '-' && !cvy_find_yaml(&path, pool, words[i], "networks", NULL) &&
        !cvy_network_load(&root, pool, path, NULL))
      return cvy_yaml_get(root, "parameters") && cvy_yaml_get(cvy_yaml_get(root, "parameters"), name);
  return false;
}

const char *cvy_mistaken_option(cvy_pool *pool, const char *name, const char *value, const cvy_option *keys,
                                const char *const *words, int64_t count) {
  for (const cvy_option *key = keys; key && key->name; key++)
    if (cvy_same_word(key->name, name))
      return cvy_pool_format(pool, "; a key of the recipe is given without dashes: %s=%s", key->name, value);
  if (keys) return cvy_meant_key(name, value, true, load_recipe(pool, words, count), keys);
  if (is_parameter(pool, name, words, count))
    return cvy_pool_format(pool, "; a parameter of the network is given without dashes: %s=%s", name, value);
  return "";
}

/* ---- a recipe ---- */

/* These sentences are said of things that are no recipe; @ stands for the path. */
static const char *const no_recipe[] = {
    [CVY_IS_RUN] = "@ is a run folder, not a recipe; its own recipe stands in it: convoy train "
                   "@/recipe.yaml run=@ --resume goes on with the run, 'convoy eval @' scores it",
    [CVY_IS_SHARDS] = "@ is a folder of HDF5 files, not a recipe; a recipe names it as its data: convoy "
                      "train RECIPE data.train=@ data.val=@ ('convoy recipes' lists some)",
    [CVY_IS_FOLDER] = "@ is a folder, not a recipe (a .yaml file, or a name that 'convoy recipes' lists); "
                      "if it holds pictures, 'convoy prepare folder @ -o DIR' makes shards of them",
    [CVY_IS_CHECKPOINT] = "@ is a checkpoint, not a recipe: 'convoy eval @' scores it; convoy train "
                          "RECIPE --resume goes on with a run from its folder's last.h5",
    [CVY_IS_SHARD] = "@ is a shard, not a recipe; a recipe names it as its data: convoy train RECIPE "
                     "data.train=@",
    [CVY_IS_HDF5] = "@ is an HDF5 file, not a recipe; if it holds images and labels, a recipe names it as "
                    "its data: convoy train RECIPE data.train=@",
    [CVY_IS_PROTOTXT] =
        "@ is another program's description of a network or a solver; a recipe of Convoy is a .yaml file "
        "('convoy help train' lists its keys, 'convoy recipes NAME' prints one to begin with), and a network "
        "too ('convoy networks NAME' prints one; launch/networks/README.md tells how to write them)",
    [CVY_IS_PROGRAM] =
        "@ is a program, not a recipe; Convoy is told what to train by a .yaml file ('convoy help train' "
        "lists its keys, 'convoy recipes NAME' prints one to begin with)",
    [CVY_IS_WEIGHTS] = "@ holds another program's weights, not a recipe (a .yaml file, or a name that "
                       "'convoy recipes' lists)",
    [CVY_IS_PICTURE] = "@ is a picture, not a recipe; 'convoy prepare folder DIR -o SHARDS' makes shards of "
                       "a folder of pictures, and a recipe names those as its data",
    [CVY_IS_ARCHIVE] = "@ is an archive, not a recipe; 'convoy prepare tar @ -o SHARDS' makes shards of "
                       "the pictures in it ('convoy help prepare' lists other sources), and a recipe names "
                       "those as its data",
    [CVY_IS_TABLE] = "@ is a list, not a recipe; 'convoy prepare csv @ -o SHARDS' makes shards of the "
                     "pictures that it names, and a recipe names those as its data",
    [CVY_IS_JSON] = "@ is JSON, and a recipe is a .yaml file ('convoy help train' lists its keys, 'convoy "
                    "recipes NAME' prints one to begin with)",
    [CVY_IS_FILE] = "@ is no .yaml file; a recipe is one, or a name that 'convoy recipes' lists",
};

static cvy_err say(const char *sentence, const char *path) {
  char text[CVY_MESSAGE_BYTES];
  cvy_text out = cvy_text_in(text, sizeof text);
  for (const char *at = sentence; *at; at++)
    cvy_text_add(&out, *at == '@' ? "%s" : "%.1s", *at == '@' ? path : at);
  return cvy_error(CVY_E_INPUT, "%s", text);
}

cvy_err cvy_mistaken_recipe(cvy_pool *pool, const char *word) {
  if (!strchr(word, '/') && cvy_find_named(pool, word, "recipes")) return CVY_OK;
  const cvy_thing thing = cvy_what_is(pool, word);
  if (thing == CVY_IS_NOTHING || !no_recipe[thing] || cvy_holds_recipe(pool, word)) return CVY_OK;
  return say(no_recipe[thing], word);
}

/* ---- a network ---- */

/* These are the names of things that are no network. */
static const char *const names[] = {
    [CVY_IS_RUN] = "a run folder (the network that it trained stands in its recipe.yaml)",
    [CVY_IS_SHARDS] = "a folder of HDF5 files",
    [CVY_IS_FOLDER] = "a folder",
    [CVY_IS_CHECKPOINT] = "a checkpoint (the network that it is of stands in recipe.yaml beside it)",
    [CVY_IS_SHARD] = "a shard",
    [CVY_IS_HDF5] = "an HDF5 file",
    [CVY_IS_PROTOTXT] = "another program's description of a network",
    [CVY_IS_PROGRAM] = "a program",
    [CVY_IS_WEIGHTS] = "another program's weights",
    [CVY_IS_PICTURE] = "a picture",
    [CVY_IS_ARCHIVE] = "an archive",
};

cvy_err cvy_mistaken_network(cvy_pool *pool, const char *word) {
  if (!strchr(word, '/') && cvy_find_named(pool, word, "networks")) return CVY_OK;
  const cvy_thing thing = cvy_what_is(pool, word);
  cvy_yaml *root;
  const bool is_text = thing == CVY_IS_PROTOTXT || thing == CVY_IS_PROGRAM;
  if (thing >= CVY_COUNT(names) || !names[thing]) return CVY_OK;
  if (is_text && !cvy_yaml_load(&root, pool, word) && cvy_is_network(root)) return CVY_OK;
  return cvy_error(CVY_E_INPUT,
                   "%s is %s, not a network: a .yaml file, or a name that 'convoy networks' lists "
                   "(launch/networks/README.md tells how to write one)",
                   word, names[thing]);
}

/* ---- a source of data ---- */

static const char *shards_already(cvy_pool *pool, const char *path) {
  return cvy_pool_format(pool,
                         "%s holds Convoy's shards, which need no preparing: 'convoy verify %s' reads them "
                         "all, and a recipe names them as its data: convoy train RECIPE data.train=%s",
                         path, path, path);
}

/* Returns the source that surely or perhaps reads what stands at `path`; NULL if none is known. */
static const char *source_for(cvy_pool *pool, const char *path, bool *is_sure) {
  const cvy_reader *reader = cvy_reader_that_fits(path);
  const cvy_thing thing = cvy_what_is(pool, path);
  *is_sure = reader != NULL;
  return reader                    ? reader->kind->name
         : thing == CVY_IS_FOLDER  ? "folder"
         : thing == CVY_IS_ARCHIVE ? "tar"
         : thing == CVY_IS_TABLE   ? "csv"
                                   : NULL;
}

cvy_err cvy_mistaken_source(cvy_pool *pool, const char *word) {
  bool is_sure;
  if (cvy_is_shards(pool, word)) return cvy_error(CVY_E_USAGE, "%s", shards_already(pool, word));
  const char *source = source_for(pool, word, &is_sure);
  if (!source) return CVY_OK;
  return cvy_error(
      CVY_E_USAGE,
      "the first word names the source%s%s%s: convoy prepare %s %s -o DIR ('convoy help prepare' "
      "lists the others)",
      is_sure ? "" : "; if ", is_sure ? "" : word, is_sure ? "" : " holds or lists pictures", source, word);
}

const char *cvy_mistaken_reader(cvy_pool *pool, const char *reader, const char *path) {
  bool is_sure;
  if (cvy_is_shards(pool, path)) return cvy_pool_format(pool, "; %s", shards_already(pool, path));
  const char *source = source_for(pool, path, &is_sure);
  if (!source || is_sure || strcmp(source, reader) == 0)
    return ""; /* prepare itself names one that is sure */
  return cvy_pool_format(pool, "; if %s holds pictures, 'convoy prepare %s %s' makes shards of them", path,
                         source, path);
}

/* ---- a checkpoint ---- */

cvy_err cvy_checkpoint_of(const char **out, cvy_pool *pool, const char *word) {
  static const char *const files[] = {"best.h5", "last.h5", "model.h5"};
  const cvy_thing thing = cvy_what_is(pool, word);
  *out = word;
  for (int64_t i = 0; (thing == CVY_IS_RUN || thing == CVY_IS_SHARDS) && i < CVY_COUNT(files); i++) {
    *out = cvy_pool_format(pool, "%s/%s", word, files[i]);
    if (access(*out, F_OK) == 0) return CVY_OK;
  }
  *out = word;
  if (thing == CVY_IS_RUN)
    return cvy_error(CVY_E_INPUT,
                     "%s: the run has neither best.h5 nor last.h5: it has not yet written a checkpoint",
                     word);
  if (thing == CVY_IS_FOLDER)
    return cvy_error(CVY_E_INPUT, "%s is no run folder: it holds neither best.h5 nor last.h5", word);
  if (thing == CVY_IS_SHARDS)
    return cvy_error(CVY_E_INPUT,
                     "%s is no run folder: it holds neither best.h5 nor last.h5; data is named with --data: "
                     "convoy eval CHECKPOINT --data %s",
                     word, word);
  if (thing == CVY_IS_SHARD)
    return cvy_error(CVY_E_INPUT,
                     "%s is a shard, not a checkpoint; data is named with --data: convoy eval CHECKPOINT "
                     "--data %s",
                     word, word);
  if (thing == CVY_IS_NOTHING && !strchr(word, '/') && cvy_find_named(pool, word, "recipes"))
    return cvy_error(CVY_E_INPUT,
                     "%s is a recipe; what it has trained lies in its run folder: convoy eval runs/%s", word,
                     word);
  if (thing == CVY_IS_NOTHING && !strchr(word, '/') && cvy_find_named(pool, word, "networks"))
    return cvy_error(
        CVY_E_INPUT,
        "%s is a network, which has learnt nothing yet; what was trained is a checkpoint, or a run "
        "folder: convoy eval runs/NAME",
        word);
  if (thing == CVY_IS_NOTHING) return cvy_error(CVY_E_INPUT, "%s: no such file or run folder", word);
  return CVY_OK;
}
