/* Convoy's own checkpoints, as far as they are models: HDF5 whose attribute `format` is "convoy-checkpoint".
 * model/stored.h says what is in one. The tensors are those that an evaluation would use: /ema, where the run
 * averages its weights and chooses its best step by the averages, else /parameters. */
#include "base/options.h"
#include "file/bytes.h"
#include "file/checked.h"
#include "formats/hdf5_tensors.h"

#include <string.h>

static const char format_word[] = "convoy-checkpoint";
enum { VERSION = 1 };

/* A layer's tensors are hashed in this order (cvy_net_hash). */
static const char *const tensor_order[] = {"weights", "scale", "bias", "mean", "variance"};

static const char hdf5_magic[] = "\211HDF\r\n\032\n";

static bool is_checkpoint(cvy_h5 *h5) {
  cvy_pool *pool = cvy_pool_create();
  char *format;
  const bool is = cvy_h5_has_attr(h5, "", "format") &&
                  !cvy_h5_read_attr_text(h5, "", "format", &format, pool) && strcmp(format, format_word) == 0;
  cvy_pool_destroy(pool);
  return is;
}

static bool fits(const uint8_t *head, size_t count, const char *path) {
  cvy_h5 *h5;
  if (count < strlen(hdf5_magic) || memcmp(head, hdf5_magic, strlen(hdf5_magic)) != 0) return false;
  if (cvy_h5_open(&h5, path)) return false;
  const bool is = is_checkpoint(h5);
  cvy_h5_discard(h5);
  return is;
}

/* ---- what stands beside the weights ---- */

static cvy_err check_version(cvy_h5 *h5) {
  int64_t version;
  CVY_TRY(cvy_h5_read_attr_i64(h5, "", "version", &version));
  if (version == VERSION) return CVY_OK;
  return cvy_error(CVY_E_INPUT, "%s: checkpoint version %" PRId64 "; this convoy reads version %d",
                   cvy_h5_path(h5), version, VERSION);
}

static cvy_err read_recipe(cvy_yaml **out, cvy_weights_file *file, cvy_h5 *h5) {
  char **texts;
  int64_t count;
  CVY_TRY(cvy_checked_read_texts(&texts, &count, h5, "/recipe", file->pool));
  if (count != 1) return cvy_error(CVY_E_INPUT, "%s: /recipe should hold one text", file->path);
  CVY_TRY_IN(cvy_yaml_parse(out, file->pool, texts[0], "its recipe"), "%s", file->path);
  const cvy_yaml *network = (*out)->kind == CVY_YAML_MAPPING ? cvy_yaml_get(*out, "network") : NULL;
  if (network && network->kind == CVY_YAML_MAPPING) {
    file->network = network;
    return CVY_OK;
  }
  return cvy_error(CVY_E_INPUT, "%s: its recipe needs 'network' with the network's description", file->path);
}

static const cvy_yaml *child(const cvy_yaml *node, const char *key) {
  return node && node->kind == CVY_YAML_MAPPING ? cvy_yaml_get(node, key) : NULL;
}

/* Files from before these attributes say no size. */
static cvy_err read_size(int64_t *out, cvy_h5 *h5, const char *name) {
  if (cvy_h5_has_attr(h5, "", name)) CVY_TRY(cvy_h5_read_attr_i64(h5, "", name, out));
  if (*out >= 0) return CVY_OK;
  return cvy_error(CVY_E_INPUT, "%s: %s %" PRId64 "; expected a number of pixels", cvy_h5_path(h5), name,
                   *out);
}

static cvy_err read_input(cvy_weights_file *file, cvy_h5 *h5, const cvy_yaml *recipe) {
  int64_t dims[CVY_H5_MAX_DIMS];
  int dim_count;
  float mean[CVY_MAX_CHANNELS], deviation[CVY_MAX_CHANNELS];
  CVY_TRY(cvy_h5_shape(h5, "/mean", dims, &dim_count));
  if (dim_count != 1 || dims[0] < 1 || dims[0] > CVY_MAX_CHANNELS)
    return cvy_error(CVY_E_INPUT, "%s: /mean should hold a value for each of 1 to %d channels", file->path,
                     CVY_MAX_CHANNELS);
  CVY_TRY(cvy_checked_read_list(mean, h5, "/mean", CVY_H5_F32, dims[0]));
  CVY_TRY(cvy_checked_read_list(deviation, h5, "/deviation", CVY_H5_F32, dims[0]));
  file->input.known = true;
  for (int64_t c = 0; c < dims[0]; c++) {
    file->input.mean[c] = (double)mean[c];
    file->input.deviation[c] = (double)deviation[c];
  }
  const cvy_yaml *data = child(recipe, "data"), *evaluation = child(data, "evaluation");
  file->input.chain = evaluation ? evaluation : child(data, "augment");
  CVY_TRY(read_size(&file->input.h, h5, "image_h"));
  CVY_TRY(read_size(&file->input.w, h5, "image_w"));
  return read_size(&file->input.shorter, h5, "shorter_side");
}

/* ---- the tensors ---- */

static const char *layer_name(const cvy_yaml *item) {
  const cvy_yaml *options = item->kind == CVY_YAML_MAPPING && item->count == 1 ? item->items[0] : NULL;
  const cvy_yaml *name = child(options, "name");
  return name && name->kind == CVY_YAML_SCALAR ? name->text : "";
}

/* Adds those tensors of a layer that the file has to what is wanted, in their order. */
static void want_layer(cvy_hdf5_wanted *wanted, int64_t *count, const cvy_weights_file *file,
                       const cvy_hdf5 *all, const char *group, const char *layer) {
  for (int64_t i = 0; i < CVY_COUNT(tensor_order); i++) {
    const char *name = cvy_pool_format(file->pool, "%s/%s", layer, tensor_order[i]);
    const cvy_h5_entry *entry = cvy_hdf5_find(all, cvy_pool_format(file->pool, "%s/%s", group, name));
    if (entry && *count < all->count)
      wanted[(*count)++] = (cvy_hdf5_wanted){.entry = entry,
                                             .tensor = {.name = name, .target = name, .outputs_last = true}};
  }
}

/* A file whose network is not the one of its weights is refused. */
static cvy_err check_all_wanted(const cvy_hdf5 *all, const char *group, const cvy_hdf5_wanted *wanted,
                                int64_t count) {
  const size_t letters = strlen(group);
  int64_t found = 0;
  for (int64_t i = 0; i < all->count; i++) {
    const char *name = all->entries[i].name;
    if (strncmp(name, group, letters) != 0 || name[letters] != '/') continue;
    found++;
    bool is_wanted = false;
    for (int64_t k = 0; k < count && !is_wanted; k++) is_wanted = wanted[k].entry == &all->entries[i];
    if (!is_wanted)
      return cvy_error(CVY_E_INPUT, "%s: '%s' belongs to no layer of the network in the recipe",
                       cvy_h5_path(all->h5), name);
  }
  if (found == count && count > 0) return CVY_OK;
  return cvy_error(CVY_E_INPUT, "%s: /%s holds no weights of the network", cvy_h5_path(all->h5), group);
}

static cvy_err add_tensors(cvy_weights_file *file, cvy_h5 *h5, const char *group) {
  cvy_hdf5 all;
  int64_t count = 0;
  const cvy_yaml *layers = cvy_yaml_get(file->network, "layers");
  CVY_TRY(cvy_hdf5_list(&all, h5, file));
  cvy_hdf5_wanted *wanted = cvy_pool_new(file->pool, sizeof *wanted * (size_t)(all.count + 1));
  for (int64_t i = 0; layers && layers->kind == CVY_YAML_SEQUENCE && i < layers->count; i++)
    want_layer(wanted, &count, file, &all, group, layer_name(layers->items[i]));
  CVY_TRY(check_all_wanted(&all, group, wanted, count));
  return cvy_hdf5_add(file, &all, wanted, count);
}

static cvy_err hash_tensor(cvy_hasher *hasher, const cvy_weights_file *file, int64_t index) {
  const size_t bytes = sizeof(float) * (size_t)file->tensors[index].count;
  void *values;
  CVY_TRY(cvy_buffer_create(&values, bytes, "a tensor"));
  const cvy_err err = cvy_weights_read(values, file, index);
  if (!err) cvy_hasher_add(hasher, values, bytes);
  cvy_buffer_destroy(values);
  return err;
}

static cvy_err check_hash(const cvy_weights_file *file, cvy_h5 *h5, const char *group,
                          const char *hash_name) {
  cvy_hasher *hasher = cvy_hasher_create();
  char *stored;
  cvy_err err = cvy_h5_read_attr_text(h5, "", hash_name, &stored, file->pool);
  for (int64_t i = 0; i < file->tensor_count && !err; i++) err = hash_tensor(hasher, file, i);
  const cvy_hash found = cvy_hasher_result(hasher);
  cvy_hasher_destroy(hasher);
  if (!err && strcmp(stored, found.hex) != 0)
    err = cvy_error(CVY_E_INPUT, "%s: /%s is damaged: its hash is %s, stored is %s", file->path, group,
                    found.hex, stored);
  return err;
}

/* ---- opening ---- */

/* Tells whether the averaged weights are the model's. A run that has them chooses its best step by them,
 * unless the recipe says `ema: {best: raw}`. */
static bool takes_average(cvy_h5 *h5, const cvy_yaml *recipe) {
  const cvy_yaml *best = child(child(recipe, "ema"), "best");
  const bool by_raw = best && best->kind == CVY_YAML_SCALAR && strcmp(best->text, "raw") == 0;
  return cvy_h5_has_attr(h5, "", "ema_weights") && !by_raw;
}

static cvy_err read_all(cvy_weights_file *file, cvy_h5 *h5) {
  cvy_yaml *recipe;
  char **classes;
  CVY_TRY(check_version(h5));
  CVY_TRY(read_recipe(&recipe, file, h5));
  CVY_TRY(read_input(file, h5, recipe));
  CVY_TRY(cvy_checked_read_texts(&classes, &file->class_count, h5, "/class_names", file->pool));
  file->class_names = (const char *const *)classes;
  file->channels_last = true;
  const bool average = takes_average(h5, recipe);
  const char *group = average ? "ema" : "parameters";
  CVY_TRY(add_tensors(file, h5, group));
  return check_hash(file, h5, group, average ? "ema_weights" : "weights");
}

static cvy_err open_file(cvy_weights_file *file) {
  cvy_h5 *h5;
  CVY_TRY(cvy_h5_open(&h5, file->path));
  const cvy_err err = read_all(file, h5);
  cvy_h5_discard(h5);
  return err;
}

const cvy_weights_format cvy_weights_format_convoy = {
    .name = "convoy", .about = "Convoy's checkpoints", .fits = fits, .open = open_file};
