/* Keras' files.
 *
 * Legacy HDF5 (.h5, of Keras 1 to 3): a whole model has the attributes model_config and training_config,
 * JSON, and the group model_weights; a file of weights alone has at its root what that group has. That is the
 * attribute layer_names, and a group for each layer with the attribute weight_names, which are the names of
 * datasets in it: conv2d/kernel:0. A list that is too long for an attribute is cut into layer_names0,
 * layer_names1, ... A nested model is one layer there, with all its weights.
 *
 * Keras 3 (.weights.h5): layers/conv2d_1/vars/0, where the name is a class and a number in the order of the
 * model; Keras 2.13 has _layer_checkpoint_dependencies for `layers`. With config.json beside it in a
 * zip it is a whole model (.keras). */
#include "formats/keras.h"

#include "archive/unpack.h"
#include "base/count.h"
#include "base/yaml.h"
#include "file/bytes.h"
#include "formats/hdf5_tensors.h"
#include "formats/keras_network.h"
#include "formats/notes.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char hdf5_magic[] = "\211HDF\r\n\032\n", zip_magic[] = "PK\3\4";
static const char zip_config[] = "config.json", zip_weights[] = "model.weights.h5";
static const char legacy_group[] = "model_weights", old_layers[] = "_layer_checkpoint_dependencies";

enum { MOST_CONFIG_BYTES = 1 << 26, MOST_PARTS = 1000, COPY_BYTES = 1 << 16 };

/* A file that is being read. */
typedef struct reader {
  cvy_weights_file *file;
  cvy_h5 *h5;
  char *temporary; /* the name of the file that was unpacked; NULL: none was */
  cvy_hdf5 all;
  json_t *config; /* NULL: the file has weights alone */
  json_t *training;
  cvy_keras_model model;
  bool is_legacy;
  const char *root; /* of a legacy file's layers: "model_weights/" or "" */
  cvy_hdf5_wanted *wanted;
  const char **groups; /* [wanted_count], of a legacy file: the layer at the top */
  int64_t wanted_count;
} reader;

/* ---- which files these are ---- */

static bool begins(const uint8_t *head, size_t count, const char *magic) {
  return count >= strlen(magic) && memcmp(head, magic, strlen(magic)) == 0;
}

static bool has_list(cvy_h5 *h5, const char *on, const char *name) {
  char first[64];
  snprintf(first, sizeof first, "%s0", name);
  return cvy_h5_has_attr(h5, on, name) || cvy_h5_has_attr(h5, on, first);
}

static bool is_group(cvy_h5 *h5, const char *name) {
  int64_t dims[CVY_H5_MAX_DIMS];
  int dim_count;
  return cvy_h5_has(h5, name) && cvy_h5_shape(h5, name, dims, &dim_count) != CVY_OK;
}

static bool is_legacy(cvy_h5 *h5) {
  return has_list(h5, "", "layer_names") || cvy_h5_has_attr(h5, "", "model_config") ||
         (is_group(h5, legacy_group) && has_list(h5, legacy_group, "layer_names"));
}

static bool hdf5_fits(const char *path) {
  cvy_h5 *h5;
  if (cvy_h5_open(&h5, path)) return false;
  const bool is = is_legacy(h5) || is_group(h5, "layers") || is_group(h5, old_layers);
  cvy_h5_discard(h5);
  return is;
}

static bool zip_fits(const char *path) {
  enum { LOOK = 64 };
  const char *names[LOOK];
  bool has_config = false, has_weights = false;
  cvy_pool *pool = cvy_pool_create();
  const int64_t found = cvy_archive_peek(names, LOOK, pool, path);
  for (int64_t i = 0; i < found; i++) {
    has_config = has_config || strcmp(names[i], zip_config) == 0;
    has_weights = has_weights || strcmp(names[i], zip_weights) == 0;
  }
  cvy_pool_destroy(pool);
  return has_config && has_weights;
}

/* Tells whether the first member of a zip may be one of Keras'; only then is its list worth reading. */
static bool zip_may_fit(const uint8_t *head, size_t count) {
  enum { NAME = 30 }; /* where the first name stands */
  static const char *const names[] = {"metadata.json", zip_config, zip_weights, "assets"};
  bool may = false;
  for (int64_t i = 0; i < CVY_COUNT(names) && count > NAME; i++)
    may = may || begins(head + NAME, count - NAME, names[i]);
  return may;
}

static bool fits(const uint8_t *head, size_t count, const char *path) {
  if (begins(head, count, hdf5_magic)) return hdf5_fits(path);
  return begins(head, count, zip_magic) && zip_may_fit(head, count) && zip_fits(path);
}

/* ---- texts ---- */

static cvy_err parse(json_t **out, const char *text, size_t bytes, const char *what, const char *path) {
  json_error_t why;
  *out = json_loadb(text, bytes, 0, &why);
  if (*out) return CVY_OK;
  return cvy_error(CVY_E_INPUT, "%s: its %s is no JSON: byte %d: %s", path, what, why.position, why.text);
}

static cvy_err read_json(json_t **out, const reader *r, const char *attribute) {
  char *text;
  *out = NULL;
  if (!cvy_h5_has_attr(r->h5, "", attribute)) return CVY_OK;
  CVY_TRY(cvy_h5_read_attr_text(r->h5, "", attribute, &text, r->file->pool));
  return parse(out, text, strlen(text), attribute, r->file->path);
}

/* Reads a list, which may be cut into parts. */
static cvy_err read_list(char ***out, int64_t *count, const reader *r, const char *on, const char *name) {
  cvy_pool *pool = r->file->pool;
  if (cvy_h5_has_attr(r->h5, on, name)) return cvy_h5_read_attr_texts(r->h5, on, name, out, count, pool);
  *count = 0;
  *out = NULL;
  for (int part = 0; part < MOST_PARTS; part++) {
    char **texts, **more;
    int64_t found;
    const char *key = cvy_pool_format(pool, "%s%d", name, part);
    if (!cvy_h5_has_attr(r->h5, on, key)) break;
    CVY_TRY(cvy_h5_read_attr_texts(r->h5, on, key, &texts, &found, pool));
    more = cvy_pool_new(pool, sizeof *more * (size_t)(*count + found + 1));
    if (*count) memcpy(more, *out, sizeof *more * (size_t)*count);
    memcpy(more + *count, texts, sizeof *more * (size_t)found);
    *out = more;
    *count += found;
  }
  return CVY_OK;
}

/* ---- the zip ---- */

static const cvy_member *find_member(const cvy_members *members, const char *name) {
  for (int64_t i = 0; i < members->count; i++)
    if (!members->items[i].folder && strcmp(members->items[i].name, name) == 0) return &members->items[i];
  return NULL;
}

static cvy_err read_config(reader *r, int fd, const cvy_member *member) {
  if (member->size > MOST_CONFIG_BYTES)
    return cvy_error(CVY_E_INPUT, "%s: its %s is too long", r->file->path, zip_config);
  char *text = cvy_new((size_t)member->size + 1);
  cvy_err err = cvy_read_at(text, fd, member->offset, (size_t)member->size, r->file->path);
  if (!err) err = parse(&r->config, text, (size_t)member->size, zip_config, r->file->path);
  free(text);
  if (!err) r->training = json_incref(json_object_get(r->config, "compile_config"));
  return err;
}

/* HDF5 wants to begin where a file does. */
static cvy_err copy_member(int to, int from, const cvy_member *member, const char *path) {
  char part[COPY_BYTES];
  for (int64_t done = 0; done < member->size;) {
    const size_t count = (size_t)cvy_smaller(member->size - done, COPY_BYTES);
    CVY_TRY(cvy_read_at(part, from, member->offset + done, count, path));
    if (write(to, part, count) != (ssize_t)count)
      return cvy_error(CVY_E_SYSTEM, "%s: cannot be unpacked into a temporary file: %s", path,
                       strerror(errno));
    done += (int64_t)count;
  }
  return CVY_OK;
}

/* HDF5 opens files by their names, so this one keeps its name until it is closed. */
static cvy_err open_member(reader *r, int from, const cvy_member *weights) {
  int fd;
  CVY_TRY(cvy_temporary_file(&fd, &r->temporary, r->file->path));
  close(r->file->fd);
  r->file->fd = fd;
  CVY_TRY(copy_member(fd, from, weights, r->file->path));
  return cvy_h5_open_unpacked(&r->h5, r->temporary, r->file->path);
}

static cvy_err open_members(reader *r, int from, const cvy_members *members) {
  const cvy_member *config = find_member(members, zip_config), *weights = find_member(members, zip_weights);
  if (!config || !weights)
    return cvy_error(CVY_E_INPUT, "%s: the zip should hold %s and %s", r->file->path, zip_config,
                     zip_weights);
  CVY_TRY(read_config(r, from, config));
  return open_member(r, from, weights);
}

static cvy_err open_zip(reader *r) {
  cvy_members members = {0};
  int fd;
  CVY_TRY(cvy_archive_open(&fd, &members, r->file->pool, r->file->path));
  const cvy_err err = open_members(r, fd, &members);
  close(fd);
  return err;
}

static cvy_err open_hdf5(reader *r) {
  CVY_TRY(cvy_h5_open(&r->h5, r->file->path));
  CVY_TRY(read_json(&r->config, r, "model_config"));
  return read_json(&r->training, r, "training_config");
}

/* ---- which tensors there are ---- */

static void want(reader *r, const cvy_h5_entry *entry, const char *name, const char *group) {
  for (int64_t i = 0; i < r->wanted_count; i++)
    if (strcmp(r->wanted[i].tensor.name, name) == 0) {
      name = cvy_pool_format(r->file->pool, "%s", entry->name);
      break;
    }
  r->groups[r->wanted_count] = group;
  r->wanted[r->wanted_count++] = (cvy_hdf5_wanted){.entry = entry,
                                                   .tensor = {.name = name, .outputs_last = true}};
}

/* Wants the weights of one layer of a legacy file. Whole numbers, such as counts of steps, are no weights. */
static cvy_err want_group(reader *r, const char *group) {
  cvy_pool *pool = r->file->pool;
  const char *path = cvy_pool_format(pool, "%s%s", r->root, group);
  char **names;
  int64_t count;
  if (!cvy_h5_has(r->h5, path))
    return cvy_error(CVY_E_INPUT, "%s: the weights of layer '%s' are missing", r->file->path, group);
  CVY_TRY(read_list(&names, &count, r, path, "weight_names"));
  for (int64_t i = 0; i < count; i++) {
    const cvy_h5_entry *entry = cvy_hdf5_find(&r->all, cvy_pool_format(pool, "%s/%s", path, names[i]));
    if (!entry)
      return cvy_error(CVY_E_INPUT, "%s: weight '%s' of layer '%s' is missing", r->file->path, names[i],
                       group);
    if (r->wanted_count == r->all.count)
      return cvy_error(CVY_E_INPUT, "%s: names more weights than it has", r->file->path);
    if (cvy_hdf5_is_float(entry)) want(r, entry, names[i], group);
  }
  return CVY_OK;
}

static cvy_err want_legacy(reader *r) {
  char **layers;
  int64_t count;
  r->root = has_list(r->h5, "", "layer_names") ? "" : "model_weights/";
  CVY_TRY(read_list(&layers, &count, r, r->root[0] ? legacy_group : "", "layer_names"));
  for (int64_t i = 0; i < count; i++) CVY_TRY(want_group(r, layers[i]));
  return CVY_OK;
}

/* Tells whether an entry is a variable of a layer: ".../vars/0". */
static bool is_variable(const cvy_h5_entry *entry) {
  const char *slash = strrchr(entry->name, '/');
  return slash && slash - entry->name >= 5 && strncmp(slash - 5, "/vars", 5) == 0 &&
         strncmp(entry->name, "optimizer/", strlen("optimizer/")) != 0 && cvy_hdf5_is_float(entry);
}

static void want_variables(reader *r) {
  for (int64_t i = 0; i < r->all.count; i++)
    if (is_variable(&r->all.entries[i])) want(r, &r->all.entries[i], r->all.entries[i].name, "");
}

/* ---- whose they are ---- */

/* Tells whether a weight's name, such as "conv2d/kernel:0" or "convolution2d_1_W", ends in this word. */
static bool ends_in_word(const char *name, const char *word) {
  const char *slash = strrchr(name, '/');
  const char *last = slash ? slash + 1 : name;
  const size_t letters = strcspn(last, ":"), wanted = strlen(word);
  if (letters < wanted || strncmp(last + letters - wanted, word, wanted) != 0) return false;
  return letters == wanted || (last[letters - wanted - 1] == '_' && !slash);
}

static bool is_kind(const char *name, const char *kind) {
  static const char *const others[][2] = {{"kernel", "depthwise_kernel"},
                                          {"kernel", "W"},
                                          {"bias", "b"},
                                          {"moving_mean", "running_mean"},
                                          {"moving_variance", "running_std"},
                                          {"moving_variance", "running_variance"}};
  if (ends_in_word(name, kind)) return true;
  for (int64_t i = 0; i < CVY_COUNT(others); i++)
    if (strcmp(others[i][0], kind) == 0 && ends_in_word(name, others[i][1])) return true;
  return false;
}

/* Tells whether a weight of a nested model, such as "block1_conv1/kernel:0", is of this layer. */
static bool is_of(const char *name, const char *layer) {
  const char *slash = strrchr(name, '/');
  const size_t letters = strlen(layer);
  if (!slash || (size_t)(slash - name) < letters || strncmp(slash - letters, layer, letters) != 0)
    return false;
  return (size_t)(slash - name) == letters || slash[-(ptrdiff_t)letters - 1] == '/';
}

static int64_t find_legacy(const reader *r, const cvy_keras_layer *layer, const char *kind) {
  for (int64_t i = 0; i < r->wanted_count; i++) {
    const char *name = r->wanted[i].tensor.name;
    if (strcmp(r->groups[i], layer->group) == 0 && is_kind(name, kind) &&
        (!layer->nested || is_of(name, layer->name)))
      return i;
  }
  return -1;
}

/* Returns how many layers of the same kind that have weights stand before this one. */
static int64_t number_of(const reader *r, const cvy_keras_layer *layer) {
  int64_t before = 0;
  for (int64_t i = 0; i < r->model.layer_count; i++) {
    const cvy_keras_layer *other = &r->model.layers[i];
    before += other->position < layer->position && strcmp(other->container, layer->container) == 0 &&
              strcmp(other->kind, layer->kind) == 0;
  }
  return before;
}

/* Returns the layer's container in this file. */
static const char *container_of(const reader *r, const char *container) {
  if (!is_group(r->h5, old_layers)) return container;
  static const char word[] = "layers";
  const char *out = "";
  while (*container) {
    const size_t letters = strcspn(container, "/");
    const bool is_layers = letters == strlen(word) && strncmp(container, word, letters) == 0;
    out = cvy_pool_format(r->file->pool, "%s%s%.*s", out, out[0] ? "/" : "",
                          is_layers ? (int)strlen(old_layers) : (int)letters,
                          is_layers ? old_layers : container);
    container += letters + (container[letters] == '/');
  }
  return out;
}

/* Returns the variables of a layer, "layers/conv2d_1/vars": of those of its kind that have any, the one whose
 * number in the file is as the layer's in the model. NULL if there are fewer. */
static const char *variables_of(const reader *r, const cvy_keras_layer *layer) {
  cvy_pool *pool = r->file->pool;
  const char *container = container_of(r, layer->container);
  int64_t left = number_of(r, layer);
  for (int64_t n = 0; n <= r->all.count; n++) {
    const char *number = n ? cvy_pool_format(pool, "_%" PRId64, n) : "";
    const char *path = cvy_pool_format(pool, "%s/%s%s/vars", container, layer->kind, number);
    if (cvy_hdf5_find(&r->all, cvy_pool_format(pool, "%s/0", path)) && left-- == 0) return path;
  }
  return NULL;
}

static int64_t find_variable(const reader *r, const char *variables, int index) {
  const char *name = variables ? cvy_pool_format(r->file->pool, "%s/%d", variables, index) : "";
  for (int64_t i = 0; i < r->wanted_count; i++)
    if (strcmp(r->wanted[i].entry->name, name) == 0) return i;
  return -1;
}

static cvy_err give_target(reader *r, const cvy_keras_layer *layer, const cvy_keras_weight *weight,
                           int64_t at) {
  if (at < 0)
    return cvy_error(CVY_E_INPUT, "%s: layer '%s' has no %s", r->file->path, layer->name, weight->kind);
  cvy_stored_tensor *t = &r->wanted[at].tensor;
  if (t->target)
    return cvy_error(CVY_E_INPUT, "%s: '%s' would be the %s of two layers", r->file->path, t->name,
                     weight->kind);
  t->target = weight->target;
  t->dim_count = weight->dim_count;
  memcpy(t->dims, weight->dims, sizeof weight->dims);
  return CVY_OK;
}

static cvy_err give_targets(reader *r) {
  for (int64_t i = 0; i < r->model.layer_count; i++) {
    const cvy_keras_layer *layer = &r->model.layers[i];
    const char *variables = r->is_legacy ? NULL : variables_of(r, layer);
    for (int k = 0; k < layer->count; k++) {
      const cvy_keras_weight *weight = &layer->weights[k];
      const int64_t at = r->is_legacy ? find_legacy(r, layer, weight->kind) : find_variable(r, variables, k);
      CVY_TRY(give_target(r, layer, weight, at));
    }
  }
  return CVY_OK;
}

/* ---- what images go through ---- */

/* Reads the mean or the variance of a Normalization. */
static cvy_err read_channels(float out[CVY_MAX_CHANNELS], const reader *r, int index) {
  const cvy_keras_layer *layer = &r->model.layers[r->model.normalisation];
  const char *kind = layer->weights[index].kind;
  const int64_t at = r->is_legacy ? find_legacy(r, layer, kind)
                                  : find_variable(r, variables_of(r, layer), index);
  if (at < 0 || r->file->tensors[at].count != r->model.channels)
    return cvy_error(CVY_E_INPUT, "%s: layer '%s' should have a %s for each channel", r->file->path,
                     layer->name, kind);
  return cvy_weights_read(out, r->file, at);
}

static cvy_err read_normalisation(reader *r) {
  cvy_keras_model *m = &r->model;
  float mean[CVY_MAX_CHANNELS], variance[CVY_MAX_CHANNELS];
  if (m->normalisation < 0) return CVY_OK;
  CVY_TRY(read_channels(mean, r, 0));
  CVY_TRY(read_channels(variance, r, 1));
  for (int64_t c = 0; c < m->channels; c++) {
    const double deviation = fmax(sqrt((double)variance[c]), 1e-7); /* Keras' own epsilon */
    m->factor[c] /= deviation;
    m->offset[c] = (m->offset[c] - (double)mean[c]) / deviation;
    if (!isfinite(m->factor[c]) || !isfinite(m->offset[c]))
      return cvy_error(CVY_E_INPUT, "%s: the mean and variance of layer '%s' are not finite", r->file->path,
                       m->layers[m->normalisation].name);
  }
  return CVY_OK;
}

/* factor x + offset is (x - mean) / deviation. */
static cvy_err set_input(reader *r) {
  cvy_stored_input *input = &r->file->input;
  CVY_TRY(read_normalisation(r));
  if (!r->model.network || !r->model.has_input || input->known) return CVY_OK;
  input->known = true;
  for (int64_t c = 0; c < r->model.channels; c++) {
    input->deviation[c] = 1 / r->model.factor[c];
    input->mean[c] = 0 - r->model.offset[c] * input->deviation[c];
  }
  return CVY_OK;
}

/* Reads what Convoy wrote beside Keras' own attributes. */
static cvy_err read_ours(const reader *r) {
  json_t *given, *classes;
  cvy_stored_input *input = &r->file->input;
  CVY_TRY(read_json(&given, r, CVY_KERAS_INPUT));
  const json_t *mean = json_object_get(given, "mean"), *deviation = json_object_get(given, "deviation");
  input->known = given && json_array_size(mean) <= CVY_MAX_CHANNELS;
  input->bgr = json_is_true(json_object_get(given, "bgr"));
  for (size_t c = 0; input->known && c < json_array_size(mean); c++) {
    input->mean[c] = json_number_value(json_array_get(mean, c));
    input->deviation[c] = json_number_value(json_array_get(deviation, c));
  }
  json_decref(given);
  CVY_TRY(read_json(&classes, r, CVY_KERAS_CLASSES));
  const char **names = cvy_pool_new(r->file->pool, sizeof *names * (json_array_size(classes) + 1));
  for (size_t i = 0; i < json_array_size(classes); i++) {
    const char *name = json_string_value(json_array_get(classes, i));
    names[i] = cvy_pool_format(r->file->pool, "%s", name ? name : "");
  }
  r->file->class_count = (int64_t)json_array_size(classes);
  r->file->class_names = names;
  json_decref(classes);
  return cvy_notes_read_rest(r->file, r->h5);
}

/* ---- opening ---- */

static cvy_err note_attribute(const reader *r, const char *name) {
  char *text;
  if (!cvy_h5_has_attr(r->h5, "", name)) return CVY_OK;
  CVY_TRY(cvy_h5_read_attr_text(r->h5, "", name, &text, r->file->pool));
  cvy_weights_note(r->file, name, text);
  return CVY_OK;
}

static void note_json(const reader *r, const char *key, const json_t *value) {
  char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
  if (text) cvy_weights_note(r->file, key, text);
  free(text);
}

static void read_training(const reader *r) {
  const json_t *optimizer = json_object_get(r->training, "optimizer_config");
  note_json(r, "optimizer", optimizer ? optimizer : json_object_get(r->training, "optimizer"));
  note_json(r, "loss", json_object_get(r->training, "loss"));
  if (r->model.network) r->file->recipe = cvy_keras_read_training(r->file, r->training, r->config);
}

/* A network that Convoy has no words for is no error yet: its weights may be wanted for another one. */
static void read_network(reader *r) {
  if (!r->config || !cvy_keras_read_network(&r->model, r->file, r->config)) return;
  r->model = (cvy_keras_model){.normalisation = -1};
  r->file->no_network = cvy_pool_format(r->file->pool, "%s", cvy_err_message());
  cvy_weights_note(r->file, "no network", r->file->no_network);
}

static cvy_err read_all(reader *r) {
  CVY_TRY(note_attribute(r, "keras_version"));
  read_network(r);
  CVY_TRY(cvy_hdf5_list(&r->all, r->h5, r->file));
  r->wanted = cvy_pool_new(r->file->pool, sizeof *r->wanted * (size_t)(r->all.count + 1));
  r->groups = cvy_pool_new(r->file->pool, sizeof *r->groups * (size_t)(r->all.count + 1));
  r->is_legacy = is_legacy(r->h5);
  if (r->is_legacy)
    CVY_TRY(want_legacy(r));
  else
    want_variables(r);
  CVY_TRY(give_targets(r));
  CVY_TRY(cvy_hdf5_add(r->file, &r->all, r->wanted, r->wanted_count));
  CVY_TRY(read_ours(r));
  CVY_TRY(set_input(r));
  read_training(r);
  r->file->network = r->model.network;
  r->file->channels_last = true;
  return CVY_OK;
}

static cvy_err open_file(cvy_weights_file *file) {
  reader r = {.file = file, .model = {.normalisation = -1}};
  cvy_err err = cvy_is_hdf5(file->path) ? open_hdf5(&r) : open_zip(&r);
  if (!err) err = read_all(&r);
  cvy_h5_discard(r.h5);
  if (r.temporary) unlink(r.temporary);
  free(r.temporary);
  json_decref(r.config);
  json_decref(r.training);
  return err;
}

const cvy_weights_format cvy_weights_format_keras = {.name = "keras",
                                                     .about = "Keras' .h5, .weights.h5 and .keras",
                                                     .ending = ".h5",
                                                     .fits = fits,
                                                     .open = open_file,
                                                     .write = cvy_keras_write};
