/* A file of another program becomes a model. */
#include "base/text.h"
#include "convert/convert.h"
#include "convert/preprocess.h"
#include "formats/caffe.h"
#include "file/bytes.h"
#include "file/whole.h"
#include "model/stored.h"
#include "train/find.h"
#include "train/maps.h"
#include "train/recipe.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- the network ---- */

/* Puts the settings, "classes=10", into a mapping. */
static cvy_err read_settings(cvy_yaml **out, cvy_pool *pool, const cvy_import_wishes *w) {
  *out = cvy_yaml_new_mapping(pool, "command line");
  for (int64_t i = 0; i < w->setting_count; i++) CVY_TRY(cvy_yaml_override(*out, pool, w->settings[i]));
  return CVY_OK;
}

/* Makes "28x28x1" a list of sizes. */
static cvy_err read_input(cvy_yaml **out, cvy_pool *pool, const char *text) {
  enum { SIZES = 3, MOST = 8192 };
  const char *at = text;
  *out = cvy_yaml_new_sequence(pool, "command line");
  for (int i = 0; i < SIZES; i++) {
    char *end;
    const long size = strtol(at, &end, 10);
    const bool ends_right = i + 1 < SIZES ? *end == 'x' : *end == '\0';
    if (end == at || size < 1 || size > MOST || !ends_right)
      return cvy_error(CVY_E_USAGE, "--input %s: expected HEIGHTxWIDTHxCHANNELS, as 28x28x1", text);
    cvy_yaml_add(pool, *out, NULL,
                 cvy_yaml_new_scalar(pool, "command line", cvy_pool_format(pool, "%ld", size)));
    at = end + 1;
  }
  return CVY_OK;
}

/* Takes the file's network, with the images that were said, where it does not say them. */
static cvy_err take_own_network(cvy_imported *m, const cvy_import_wishes *w) {
  const cvy_yaml *own = m->file->network;
  cvy_yaml *input;
  m->network = own;
  const bool has_input = cvy_yaml_get(own, "input") != NULL;
  if (!w->input[0] && has_input) return CVY_OK;
  if (!w->input[0])
    return cvy_error(CVY_E_USAGE,
                     "%s does not say what images its network takes: say --input HEIGHTxWIDTHxCHANNELS, as "
                     "--input 28x28x1",
                     w->file);
  CVY_TRY(read_input(&input, m->pool, w->input));
  cvy_yaml *changed = cvy_yaml_new_mapping(m->pool, own->file);
  for (int64_t i = 0; i < own->count; i++)
    if (strcmp(own->keys[i]->text, "input") != 0)
      cvy_yaml_add(m->pool, changed, own->keys[i]->text, own->items[i]);
  cvy_yaml_add(m->pool, changed, "input", input);
  m->network = changed;
  return CVY_OK;
}

static cvy_err find_network(cvy_imported *m, const cvy_import_wishes *w) {
  cvy_yaml *loaded, *settings, *flat;
  const char *path;
  if (w->network[0]) {
    CVY_TRY(read_settings(&settings, m->pool, w));
    CVY_TRY(cvy_find_yaml(&path, m->pool, w->network, "networks", NULL));
    CVY_TRY(cvy_network_load(&loaded, m->pool, path, settings));
    CVY_TRY(cvy_net_resolve(&flat, m->pool, loaded));
    m->network = flat;
    return CVY_OK;
  }
  if (w->setting_count > 0)
    return cvy_error(CVY_E_USAGE, "'%s' is about a network of Convoy's: name it with --network",
                     w->settings[0]);
  if (m->file->no_network)
    return cvy_error(CVY_E_INPUT, "%s. Name another network for its weights with --network",
                     m->file->no_network);
  if (!m->file->network)
    return cvy_error(CVY_E_USAGE,
                     "%s: %s has weights and no network: name the network they are for, one of convoy's "
                     "('convoy networks' lists them) or a file, as --network resnet50",
                     w->file, m->file->format->about);
  return take_own_network(m, w);
}

/* Reads what Caffe's solver says, and tells of what it says in vain. */
static cvy_err find_recipe(cvy_imported *m, const cvy_import_wishes *w) {
  cvy_caffe_solver_result solver;
  m->recipe = m->file->recipe;
  if (!w->solver[0]) return CVY_OK;
  if (w->images <= 0)
    return cvy_error(CVY_E_USAGE,
                     "%s counts training in steps, and a recipe in epochs: say how many images there are to "
                     "train on with --images",
                     w->solver);
  CVY_TRY(cvy_caffe_solver(&solver, m->pool, w->solver, m->recipe, w->images));
  for (int64_t i = 0; i < solver.note_count; i++)
    cvy_log("%s: not taken over: %s", w->solver, solver.notes[i]);
  m->recipe = solver.recipe;
  return CVY_OK;
}

/* ---- classes and images ---- */

static cvy_err read_classes(cvy_imported *m, const char *path) {
  cvy_bytes bytes = {0};
  CVY_TRY(cvy_bytes_read(&bytes, path));
  const char **names = cvy_pool_new(m->pool, sizeof *names * (bytes.count / 2 + 2));
  const char *text = (const char *)bytes.data, *end = text + bytes.count;
  int64_t count = 0;
  for (const char *at = text; at < end; at++) {
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    if (!stop) stop = end;
    int length = (int)(stop - at);
    while (length > 0 && (at[length - 1] == '\r' || at[length - 1] == ' ')) length--;
    if (length > 0) names[count++] = cvy_pool_format(m->pool, "%.*s", length, at);
    at = stop;
  }
  cvy_bytes_free(&bytes);
  m->data.class_names = names;
  m->data.class_count = count;
  return CVY_OK;
}

/* Classes without names are numbers from 0 on. */
static void number_classes(cvy_imported *m, int64_t count) {
  const char **names = cvy_pool_new(m->pool, sizeof *names * (size_t)count);
  for (int64_t k = 0; k < count; k++) names[k] = cvy_pool_format(m->pool, "%" PRId64, k);
  m->data.class_names = names;
  m->data.class_count = count;
  m->classes_are_numbers = true;
}

static cvy_err find_classes(cvy_imported *m, const cvy_import_wishes *w) {
  const int64_t wanted = cvy_net_describe(m->net)->class_count;
  const cvy_weights_file *says = m->file->class_count > 0 ? m->file : m->weights;
  const char *from = w->classes[0] ? w->classes : says->path;
  if (w->classes[0]) {
    CVY_TRY(read_classes(m, w->classes));
  } else {
    m->data.class_names = says->class_names;
    m->data.class_count = says->class_count;
  }
  if (m->data.class_count == 0 && !w->classes[0]) number_classes(m, wanted);
  /* A model of one's own may name only the first ones. */
  const bool is_own = !w->classes[0] && !w->network[0];
  if (m->data.class_count == wanted || (is_own && m->data.class_count < wanted)) return CVY_OK;
  return cvy_error(CVY_E_INPUT, "%s names %" PRId64 " classes; the network tells apart %" PRId64, from,
                   m->data.class_count, wanted);
}

static void describe_images(cvy_imported *m, const cvy_shape *input) {
  m->data.c = input->c;
  for (int64_t c = 0; c < input->c; c++) {
    m->data.mean[c] = (float)m->input.mean[c];
    m->data.deviation[c] = (float)m->input.deviation[c];
  }
  if (m->input.chain) {
    m->data.h = m->input.h;
    m->data.w = m->input.w;
    m->data.shorter = m->input.shorter;
  }
  m->chain = m->input.chain ? m->input.chain : cvy_preprocess_chain(m->pool, input->h, input->w);
}

/* ---- weights ---- */

static cvy_err read_weights(cvy_imported *m) {
  for (int64_t i = 0; i < m->matching.count; i++)
    CVY_TRY(cvy_match_read(cvy_net_params(m->net), &m->matching, i));
  return CVY_OK;
}

static cvy_err take_weights(cvy_imported *m, const cvy_import_wishes *w) {
  const cvy_name_map *maps;
  int64_t map_count;
  cvy_stored_input as_stored;
  const cvy_shape *input = &cvy_net_describe(m->net)->input;
  const bool weights_say = !m->file->input.known && m->weights->input.known;
  const cvy_stored_input *own = weights_say ? &m->weights->input : &m->file->input;
  CVY_TRY(cvy_preprocess_find(&as_stored, w, own, input->c));
  m->input = cvy_preprocess_turned(&as_stored, input->c);
  CVY_TRY(cvy_name_maps(&maps, &map_count, m->pool));
  CVY_TRY(cvy_match(&m->matching, m->pool, m->weights, m->net, maps, map_count, as_stored.bgr));
  CVY_TRY(cvy_match_expect_all(&m->matching));
  return read_weights(m);
}

static cvy_err open_files(cvy_imported *m, const cvy_import_wishes *w) {
  CVY_TRY(cvy_weights_open(&m->file, w->file));
  if (w->weights[0]) CVY_TRY(cvy_weights_open(&m->weights, w->weights));
  if (!w->weights[0]) m->weights = m->file;
  m->has_weights = m->weights->tensor_count > 0;
  if (m->has_weights || !w->weights[0]) return CVY_OK;
  return cvy_error(CVY_E_INPUT, "%s: %s, but no weights are in it", w->weights, m->weights->format->about);
}

/* Refuses what would be asked in vain. */
static cvy_err check_wishes(const cvy_imported *m, const cvy_import_wishes *w) {
  const bool both = w->mean.count > 0 && w->deviation.count > 0;
  const bool names_way = w->preprocess != CVY_PREPROCESS_FILE;
  if (w->network[0] && w->input[0])
    return cvy_error(CVY_E_USAGE, "--input %s: the network of --network says itself what images it takes",
                     w->input);
  if (names_way && both)
    return cvy_error(CVY_E_USAGE,
                     "--preprocess %s says a mean and a deviation, and --mean and --deviation say others; "
                     "expected one or the other",
                     cvy_preprocess_words[w->preprocess]);
  if (!m->has_weights &&
      (names_way || w->mean.count > 0 || w->deviation.count > 0 || w->channels != CVY_ORDER_AUTO))
    return cvy_error(CVY_E_USAGE,
                     "%s has no weights, so --preprocess, --mean, --deviation and --channels would change "
                     "nothing: training takes mean and deviation from its data",
                     w->file);
  return CVY_OK;
}

static cvy_err import(cvy_imported *m, const cvy_import_wishes *w) {
  enum { USUAL_MICROBATCH = 32 };
  const cvy_net_wishes wishes = {.purpose = CVY_NET_EVALUATION};
  CVY_TRY(open_files(m, w));
  CVY_TRY(check_wishes(m, w));
  m->microbatch = w->microbatch         ? w->microbatch
                  : m->file->microbatch ? m->file->microbatch
                                        : USUAL_MICROBATCH;
  CVY_TRY(find_network(m, w));
  CVY_TRY(find_recipe(m, w));
  CVY_TRY(cvy_net_create(&m->net, m->network, 1, &wishes));
  CVY_TRY(find_classes(m, w));
  if (m->has_weights) CVY_TRY(take_weights(m, w));
  describe_images(m, &cvy_net_describe(m->net)->input);
  return CVY_OK;
}

cvy_err cvy_import(cvy_imported *out, const cvy_import_wishes *wishes) {
  *out = (cvy_imported){.pool = cvy_pool_create()};
  const cvy_err err = import(out, wishes);
  if (err) cvy_imported_close(out);
  return err;
}

void cvy_imported_close(cvy_imported *m) {
  if (!m->pool) return;
  cvy_net_destroy(m->net);
  if (m->weights != m->file) cvy_weights_close(m->weights);
  cvy_weights_close(m->file);
  cvy_pool_destroy(m->pool);
  *m = (cvy_imported){0};
}

/* ---- writing ---- */

static cvy_yaml *scalar(cvy_pool *pool, const char *text) {
  return cvy_yaml_new_scalar(pool, "import", text);
}

static cvy_yaml *number(cvy_pool *pool, int64_t value) {
  return scalar(pool, cvy_pool_format(pool, "%" PRId64, value));
}

/* Makes what a recipe needs to be one, with some keys of the file's own (NULL: none). */
static cvy_yaml *make_recipe(const cvy_imported *m, cvy_yaml *network, const cvy_yaml *own, const char *train,
                             const char *run) {
  cvy_yaml *root = cvy_yaml_new_mapping(m->pool, "import"), *data = cvy_yaml_new_mapping(m->pool, "import");
  cvy_yaml_add(m->pool, root, "network", network);
  cvy_yaml_add(m->pool, data, "train", scalar(m->pool, train));
  const cvy_yaml *own_data = own ? cvy_yaml_get(own, "data") : NULL;
  for (int64_t i = 0; own_data && i < own_data->count; i++)
    if (!cvy_yaml_get(data, own_data->keys[i]->text))
      cvy_yaml_add(m->pool, data, own_data->keys[i]->text, own_data->items[i]);
  if (!cvy_yaml_get(data, "augment"))
    cvy_yaml_add(m->pool, data, "augment", (cvy_yaml *)m->chain);
  else if (!cvy_yaml_get(data, "evaluation"))
    cvy_yaml_add(m->pool, data, "evaluation", (cvy_yaml *)m->chain);
  cvy_yaml_add(m->pool, root, "data", data);
  for (int64_t i = 0; own && i < own->count; i++)
    if (!cvy_yaml_get(root, own->keys[i]->text))
      cvy_yaml_add(m->pool, root, own->keys[i]->text, own->items[i]);
  if (!cvy_yaml_get(root, "batch")) {
    cvy_yaml_add(m->pool, root, "batch", number(m->pool, m->microbatch));
    cvy_yaml_add(m->pool, root, "microbatch", number(m->pool, m->microbatch));
  }
  if (!cvy_yaml_get(root, "microbatch"))
    cvy_yaml_add(m->pool, root, "microbatch", cvy_yaml_get(root, "batch"));
  if (!cvy_yaml_get(root, "epochs")) cvy_yaml_add(m->pool, root, "epochs", number(m->pool, 1));
  cvy_yaml_add(m->pool, root, "run", scalar(m->pool, run));
  return root;
}

static cvy_err save_model(const cvy_imported *m, const char *path, const char *recipe_text) {
  const cvy_model_head head = {.recipe_text = recipe_text, .data_fingerprint = "", .data = &m->data};
  const char *origin = cvy_pool_format(m->pool, "%s, %s", m->weights->path, m->weights->format->about);
  return cvy_model_save(path, origin, &head, m->net, cvy_net_params(m->net));
}

/* A model takes its network and its chain from a recipe. */
cvy_err cvy_imported_save(const cvy_imported *m, const char *path) {
  cvy_recipe *recipe;
  if (!m->has_weights)
    return cvy_error(CVY_E_USAGE,
                     "%s has a network and no weights, so there is no model to write: name the weights with "
                     "--weights, or a folder for the network and its recipe with -o DIR",
                     m->file->path);
  char *text = cvy_yaml_text(make_recipe(m, (cvy_yaml *)m->network, NULL, "", ""));
  cvy_err err = cvy_recipe_parse(&recipe, text, "the recipe", NULL, 0);
  free(text);
  if (err) return err;
  err = save_model(m, path, recipe->text);
  cvy_recipe_destroy(recipe);
  return err;
}

static cvy_err save_yaml(const char *path, const char *comment, const cvy_yaml *root) {
  char *text = cvy_yaml_text(root);
  cvy_whole *file;
  cvy_err err = cvy_whole_begin(&file, path);
  if (!err) {
    fprintf(file->stream, "# %s\n%s", comment, text);
    err = cvy_whole_commit(file);
  }
  free(text);
  return err;
}

/* People fill in the recipe, so it is not replaced. */
static cvy_err check_folder(const cvy_imported *m, const char *path) {
  static const char *const names[] = {"network.yaml", "recipe.yaml"};
  struct stat info;
  for (int64_t i = 0; i < CVY_COUNT(names); i++)
    if (lstat(cvy_pool_format(m->pool, "%s/%s", path, names[i]), &info) == 0)
      return cvy_error(CVY_E_INPUT, "%s/%s stands there and is not replaced; expected another folder", path,
                       names[i]);
  return CVY_OK;
}

cvy_err cvy_imported_save_all(const cvy_imported *m, const char *path) {
  const char *name = cvy_net_describe(m->net)->name;
  CVY_TRY(check_folder(m, path));
  CVY_TRY(cvy_make_folder(NULL, path));
  CVY_TRY(save_yaml(cvy_pool_format(m->pool, "%s/network.yaml", path),
                    cvy_pool_format(m->pool, "Imported from %s.", m->file->path), m->network));
  cvy_yaml *recipe = make_recipe(m, scalar(m->pool, "./network.yaml"), m->recipe,
                                 cvy_pool_format(m->pool, "data/%s", name),
                                 cvy_pool_format(m->pool, "runs/%s", name));
  CVY_TRY(save_yaml(cvy_pool_format(m->pool, "%s/recipe.yaml", path),
                    cvy_pool_format(m->pool,
                                    "Imported from %s. data.train is for you to fill in: shards, as 'convoy "
                                    "prepare' makes them.",
                                    m->file->path),
                    recipe));
  return m->has_weights ? cvy_imported_save(m, cvy_pool_format(m->pool, "%s/model.h5", path)) : CVY_OK;
}
