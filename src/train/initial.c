/* Finds which weights of a file a run begins with. */
#include "train/initial.h"

#include "base/text.h"
#include "base/yaml.h"
#include "file/h5.h"
#include "train/maps.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SHAPE_BYTES = 128, LIST_BYTES = 400 };

static const char *shape_said(cvy_pool *pool, const int64_t *dims, int count) {
  char text[SHAPE_BYTES];
  if (count == 0) return "one number";
  cvy_text_dims(text, sizeof text, dims, count);
  return cvy_pool_format(pool, "%s", text);
}

static const char *shape_of(cvy_pool *pool, const cvy_net_param *p) {
  return shape_said(pool, p->spec->dims, p->spec->dim_count);
}

static const char *layer_of(const cvy_net_info *net, int64_t tensor) {
  return net->layers[net->params[tensor].layer].name;
}

/* ---- a checkpoint ---- */

/* Returns the checkpoint of a run folder, or the path itself. */
static const char *checkpoint_of(cvy_pool *pool, const char *path) {
  static const char *const names[] = {"best.h5", "last.h5"};
  for (int64_t i = 0; i < CVY_COUNT(names); i++) {
    const char *file = cvy_pool_format(pool, "%s/%s", path, names[i]);
    if (access(file, F_OK) == 0) return file;
  }
  return path;
}

static bool is_checkpoint(const char *path) {
  cvy_h5 *file;
  if (cvy_h5_open(&file, path)) return false;
  const bool is_one = cvy_h5_has_attr(file, "", "format") && cvy_h5_has(file, "/parameters");
  cvy_h5_discard(file);
  return is_one;
}

static int64_t tensor_named(const cvy_model *model, const char *name) {
  const int64_t count = cvy_model_describe(model)->tensor_count;
  for (int64_t k = 0; k < count; k++)
    if (strcmp(cvy_model_tensor_at(model, k).name, name) == 0) return k;
  return -1;
}

static bool has_shape_of(const cvy_model_tensor *t, const cvy_param_spec *spec) {
  if (t->dim_count != spec->dim_count) return false;
  for (int i = 0; i < t->dim_count; i++)
    if (t->dims[i] != spec->dims[i]) return false;
  return true;
}

static cvy_err find_in_checkpoint(cvy_initial *in) {
  CVY_TRY(cvy_model_open_weights(&in->model, in->path, CVY_WEIGHTS_AUTO));
  const cvy_model_info *info = cvy_model_describe(in->model);
  bool *used = cvy_pool_new(in->pool, sizeof *used * (size_t)(info->tensor_count + 1));
  for (int64_t i = 0; i < in->net->param_tensors; i++) {
    cvy_initial_tensor *t = &in->tensors[i];
    t->stored = tensor_named(in->model, in->net->params[i].name);
    if (t->stored < 0) continue;
    const cvy_model_tensor stored = cvy_model_tensor_at(in->model, t->stored);
    used[t->stored] = true;
    t->fits = has_shape_of(&stored, in->net->params[i].spec);
    t->shape = shape_said(in->pool, stored.dims, stored.dim_count);
  }
  in->left = cvy_pool_new(in->pool, sizeof *in->left * (size_t)(info->tensor_count + 1));
  for (int64_t k = 0; k < info->tensor_count; k++) {
    const cvy_model_tensor stored = cvy_model_tensor_at(in->model, k);
    if (!used[k])
      in->left[in->left_count++] = (cvy_initial_left){stored.name,
                                                      shape_said(in->pool, stored.dims, stored.dim_count)};
  }
  in->weights = cvy_model_weights(in->model);
  in->mean = info->mean;
  in->deviation = info->deviation;
  return CVY_OK;
}

/* ---- a file of another program ---- */

static cvy_err hash_file(cvy_hash *out, const char *path) {
  enum { BLOCK = 1 << 16 };
  unsigned char *block = cvy_new(BLOCK);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  cvy_hasher *hasher = cvy_hasher_create();
  ssize_t got = -1;
  while (fd >= 0 && (got = read(fd, block, BLOCK)) > 0) cvy_hasher_add(hasher, block, (size_t)got);
  *out = cvy_hasher_result(hasher);
  cvy_hasher_destroy(hasher);
  free(block);
  if (fd >= 0) close(fd);
  return got < 0 ? cvy_error(CVY_E_INPUT, "%s: cannot be read", path) : CVY_OK;
}

/* Returns how many channels the images of the file's network have; 0: it does not say. */
static int64_t channels_of(const cvy_weights_file *file) {
  const cvy_yaml *sizes = file->network ? cvy_yaml_get(file->network, "input") : NULL;
  return sizes && sizes->kind == CVY_YAML_SEQUENCE && sizes->count == 3
             ? strtoll(sizes->items[2]->text, NULL, 10)
             : 0;
}

/* Takes what the file says of images, whose channels are RGB here. What it says of others is of no use. */
static void take_input(cvy_initial *in) {
  const cvy_stored_input *input = &in->file->input;
  const int64_t channels = in->net->input.c, theirs = channels_of(in->file);
  if (!input->known || (theirs && theirs != channels)) return;
  float *mean = cvy_pool_new(in->pool, sizeof *mean * (size_t)channels),
        *deviation = cvy_pool_new(in->pool, sizeof *deviation * (size_t)channels);
  for (int64_t c = 0; c < channels; c++) {
    const int64_t from = input->bgr ? channels - 1 - c : c;
    mean[c] = (float)input->mean[from];
    deviation[c] = (float)input->deviation[from];
  }
  in->mean = mean;
  in->deviation = deviation;
}

static cvy_err find_in_file(cvy_initial *in, const cvy_net *net) {
  CVY_TRY(cvy_weights_open(&in->file, in->path));
  CVY_TRY(hash_file(&in->weights, in->path));
  const cvy_name_map *maps;
  int64_t map_count;
  CVY_TRY(cvy_name_maps(&maps, &map_count, in->pool));
  CVY_TRY(cvy_match(&in->matching, in->pool, in->file, net, maps, map_count, in->file->input.bgr));
  const cvy_matching *m = &in->matching;
  for (int64_t i = 0; i < m->count; i++) {
    cvy_initial_tensor *t = &in->tensors[i];
    t->stored = m->of[i].stored;
    t->fits = t->stored >= 0 && m->of[i].fits;
    if (t->stored < 0) continue;
    const cvy_stored_tensor *stored = &in->file->tensors[t->stored];
    t->shape = shape_said(in->pool, stored->dims, stored->dim_count);
  }
  in->left = cvy_pool_new(in->pool, sizeof *in->left * (size_t)(m->left_count + 1));
  for (int64_t i = 0; i < m->left_count; i++) {
    const cvy_stored_tensor *stored = &in->file->tensors[m->left[i]];
    in->left[in->left_count++] = (cvy_initial_left){stored->name,
                                                    shape_said(in->pool, stored->dims, stored->dim_count)};
  }
  in->way = cvy_match_way_said(in->pool, m);
  take_input(in);
  return CVY_OK;
}

/* ---- what is copied ---- */

/* Marks the layers that tell the classes apart: above each loss the first one with weights, and what lies
 * between. */
static void find_heads(bool *is_head, const cvy_net_info *net) {
  for (int64_t i = 0; i < net->layer_count; i++) {
    if (!net->layers[i].is_loss) continue;
    for (int64_t k = net->layers[i].inputs[0]; k >= 0; k = net->layers[k].inputs[0]) {
      is_head[k] = true;
      if (strcmp(net->layers[k].type, "fc") == 0 || strcmp(net->layers[k].type, "conv") == 0) break;
    }
  }
}

static bool layer_fits(const cvy_initial *in, int64_t layer) {
  for (int64_t i = 0; i < in->net->param_tensors; i++)
    if (in->net->params[i].layer == layer && in->tensors[i].stored >= 0 && !in->tensors[i].fits) return false;
  return true;
}

static cvy_err refuse(const cvy_initial *in, const cvy_yaml *at, int64_t tensor, bool is_head) {
  const cvy_net_param *p = &in->net->params[tensor];
  const char *layer = layer_of(in->net, tensor), *shape = shape_of(in->pool, p);
  if (is_head)
    return cvy_yaml_error(at,
                          "%s: '%s' is %s there and %s in network '%s', as for another number of classes; "
                          "'init_from: {weights: %s, head: auto}' makes the layer anew",
                          in->path, p->name, in->tensors[tensor].shape, shape, in->net->name, at->text);
  return cvy_yaml_error(
      at,
      "%s: '%s' is %s there and %s in network '%s'; 'init_from: {weights: %s, anew: [%s]}' makes the "
      "layer anew",
      in->path, p->name, in->tensors[tensor].shape, shape, in->net->name, at->text, layer);
}

static const char *reason_against(const cvy_initial *in, const cvy_init_from *how, int64_t tensor,
                                  bool is_head) {
  const cvy_net_names *only = &how->copied.names;
  const bool fits = layer_fits(in, in->net->params[tensor].layer);
  if (cvy_names_match_tensor(&how->made_anew.names, in->net, tensor)) return "as 'anew' says";
  if (only->count > 0 && !cvy_names_match_tensor(only, in->net, tensor)) return "not among 'layers'";
  if (is_head && how->head == CVY_HEAD_NEW) return "as 'head: new' says";
  if (is_head && how->head == CVY_HEAD_AUTO && !fits) return "the head does not fit";
  return in->tensors[tensor].stored < 0 ? "not in the file" : NULL;
}

static cvy_err choose(cvy_initial *in, const cvy_init_from *how, const cvy_yaml *at, const bool *is_head) {
  for (int64_t i = 0; i < in->net->param_tensors; i++) {
    cvy_initial_tensor *t = &in->tensors[i];
    const bool head = is_head[in->net->params[i].layer];
    t->why = reason_against(in, how, i, head);
    t->is_copied = !t->why;
    if (t->is_copied && !t->fits) return refuse(in, at, i, head);
    in->copied += t->is_copied;
  }
  return CVY_OK;
}

static cvy_err check_patterns(const cvy_patterns *patterns, const cvy_net_info *net) {
  for (int64_t k = 0; k < patterns->names.count; k++) {
    bool found = false;
    for (int64_t i = 0; i < net->param_tensors && !found; i++)
      found = cvy_matches_tensor(patterns->names.names[k], net, i);
    if (!found) return cvy_pattern_matches_nothing(patterns->at[k], patterns->names.names[k], net);
  }
  return CVY_OK;
}

static cvy_err nothing_fits(const cvy_initial *in, const cvy_yaml *at) {
  char theirs[LIST_BYTES], ours[LIST_BYTES];
  cvy_text left = cvy_text_in(theirs, sizeof theirs), own = cvy_text_in(ours, sizeof ours);
  for (int64_t i = 0; i < in->left_count; i++) cvy_text_item(&left, ", ", "%s", in->left[i].name);
  for (int64_t i = 0; i < in->net->param_tensors; i++)
    cvy_text_item(&own, ", ", "%s", in->net->params[i].name);
  return cvy_yaml_error(
      at,
      "%s: nothing of it would be copied to network '%s'. Left over of the file: %s. The network has: "
      "%s",
      in->path, in->net->name, in->left_count ? theirs : "nothing", ours);
}

/* The classes of a head that is copied should be those of the data. */
static void warn_of_classes(const cvy_initial *in, const bool *is_head, const cvy_dataset_info *training) {
  bool copies_head = false;
  for (int64_t i = 0; i < in->net->param_tensors; i++)
    copies_head |= is_head[in->net->params[i].layer] && in->tensors[i].is_copied;
  const cvy_model_info *model = in->model ? cvy_model_describe(in->model) : NULL;
  const int64_t count = model ? model->name_count : in->file->class_count;
  const char *const *names = model ? model->class_names : in->file->class_names;
  for (int64_t k = 0; copies_head && k < count && k < training->class_count; k++) {
    if (strcmp(names[k], training->class_names[k]) == 0) continue;
    cvy_warn("%s tells apart other classes than the data have, or in another order (its class %" PRId64
             " is '%s', and here it is '%s'); 'head: new' makes the head anew",
             in->path, k, names[k], training->class_names[k]);
    return;
  }
}

static cvy_err find_all(cvy_initial *in, const cvy_recipe *recipe, const cvy_net *net,
                        const cvy_dataset_info *training) {
  const cvy_init_from *how = &recipe->init_from;
  const cvy_yaml *given = cvy_yaml_get(recipe->root, "init_from"), *at = cvy_yaml_get(given, "weights");
  CVY_TRY(check_patterns(&how->copied, in->net));
  CVY_TRY(check_patterns(&how->made_anew, in->net));
  if (is_checkpoint(in->path) ? find_in_checkpoint(in) : find_in_file(in, net))
    return cvy_yaml_error(at, "%s", cvy_err_message());
  bool *is_head = cvy_pool_new(in->pool, sizeof *is_head * (size_t)in->net->layer_count);
  find_heads(is_head, in->net);
  CVY_TRY(choose(in, how, at, is_head));
  if (in->copied == 0) return nothing_fits(in, at);
  warn_of_classes(in, is_head, training);
  if (how->normalise == CVY_NORMALISES_AS_DATA) in->mean = in->deviation = NULL;
  if (in->mean && in->model && cvy_model_describe(in->model)->c != in->net->input.c) in->mean = NULL;
  snprintf(in->origin, sizeof in->origin, "began with %" PRId64 " of %" PRId64 " tensors from %.600s (%s %s)",
           in->copied, in->net->param_tensors, in->path, in->model ? "weights" : "file", in->weights.hex);
  return CVY_OK;
}

cvy_err cvy_initial_find(cvy_initial *out, const cvy_recipe *recipe, const cvy_net *net,
                         const cvy_dataset_info *training) {
  *out = (cvy_initial){.net = cvy_net_describe(net)};
  if (!recipe->init_from.weights[0]) return CVY_OK;
  out->pool = cvy_pool_create();
  out->path = checkpoint_of(out->pool, recipe->init_from.weights);
  out->tensors = cvy_pool_new(out->pool, sizeof *out->tensors * (size_t)(out->net->param_tensors + 1));
  const cvy_err err = find_all(out, recipe, net, training);
  if (err) cvy_initial_release(out);
  return err;
}

cvy_err cvy_initial_fill(const cvy_initial *in, cvy_net *net) {
  if (!in->pool) return CVY_OK;
  for (int64_t i = 0; i < in->net->param_tensors; i++) {
    const cvy_initial_tensor *t = &in->tensors[i];
    const cvy_net_param *p = &in->net->params[i];
    if (!t->is_copied) continue;
    if (in->model)
      memcpy(cvy_net_params(net) + p->offset, cvy_model_tensor_at(in->model, t->stored).values,
             sizeof(float) * (size_t)p->count);
    else
      CVY_TRY(cvy_match_read(cvy_net_params(net), &in->matching, i));
  }
  return CVY_OK;
}

void cvy_initial_release(cvy_initial *in) {
  cvy_model_close(in->model);
  cvy_weights_close(in->file);
  if (in->pool) cvy_pool_destroy(in->pool);
  *in = (cvy_initial){0};
}

/* ---- the table ---- */

typedef struct line {
  const char *name, *state, *why; /* why: "" if there is nothing to say */
  char shapes[LIST_BYTES], stored[LIST_BYTES];
} line;

static bool have_one_fate(const cvy_initial *in, int64_t a, int64_t b) {
  const cvy_initial_tensor *x = &in->tensors[a], *y = &in->tensors[b];
  return in->net->params[a].layer == in->net->params[b].layer && x->is_copied == y->is_copied &&
         (x->is_copied || strcmp(x->why, y->why) == 0);
}

/* Makes the line of the tensors from `first` on that have one fate, and returns where the next one begins. A
 * line has the name of the layer if it is of the whole layer. */
static int64_t make_line(line *out, const cvy_initial *in, int64_t first) {
  const cvy_net_param *params = in->net->params;
  const int64_t count = in->net->param_tensors, layer = params[first].layer;
  int64_t end = first;
  bool is_whole = first == 0 || params[first - 1].layer != layer;
  cvy_text shapes = cvy_text_in(out->shapes, sizeof out->shapes),
           stored = cvy_text_in(out->stored, sizeof out->stored);
  for (; end < count && have_one_fate(in, first, end); end++) {
    const cvy_initial_tensor *t = &in->tensors[end];
    cvy_text_item(&shapes, ", ", "%s", shape_of(in->pool, &params[end]));
    if (!t->is_copied && t->shape) cvy_text_item(&stored, ", ", "%s", t->shape);
  }
  is_whole = is_whole && (end == count || params[end].layer != layer);
  if (!is_whole) end = first + 1;
  out->name = is_whole ? in->net->layers[layer].name : params[first].name;
  if (!is_whole) snprintf(out->shapes, sizeof out->shapes, "%s", shape_of(in->pool, &params[first]));
  if (!is_whole && out->stored[0]) snprintf(out->stored, sizeof out->stored, "%s", in->tensors[first].shape);
  out->state = in->tensors[first].is_copied ? "loaded" : "made anew";
  out->why = in->tensors[first].is_copied ? "" : in->tensors[first].why;
  return end;
}

/* Writes the table line by line. */
static void write_lines(const cvy_initial *in, void (*write)(void *context, const char *text),
                        void *context) {
  char text[3 * LIST_BYTES];
  snprintf(text, sizeof text, "weights of %.600s (%s): %" PRId64 " of %" PRId64 " tensors loaded%s%s",
           in->path, in->weights.hex, in->copied, in->net->param_tensors, in->way ? ", " : "",
           in->way ? in->way : "");
  write(context, text);
  for (int64_t i = 0; i < in->net->param_tensors;) {
    line l = {0};
    i = make_line(&l, in, i);
    snprintf(text, sizeof text, "  %-28s  %-9s  %s%s%s%s%s", l.name, l.state, l.shapes, l.why[0] ? "; " : "",
             l.why, l.stored[0] ? "; the file's: " : "", l.stored);
    write(context, text);
  }
  for (int64_t i = 0; i < in->left_count; i++) {
    snprintf(text, sizeof text, "  %-28.200s  %-9s  %s", in->left[i].name, "left out", in->left[i].shape);
    write(context, text);
  }
  if (!in->mean) return;
  cvy_text said = cvy_text_in(text, sizeof text);
  cvy_text_add(&said, "  images are normalised as for these weights: mean");
  for (int64_t c = 0; c < in->net->input.c && c < 4; c++) cvy_text_add(&said, " %.4g", (double)in->mean[c]);
  cvy_text_add(&said, ", deviation");
  for (int64_t c = 0; c < in->net->input.c && c < 4; c++)
    cvy_text_add(&said, " %.4g", (double)in->deviation[c]);
  write(context, text);
}

static void write_to_file(void *context, const char *text) {
  fprintf(context, "%s\n", text);
}

void cvy_initial_print(FILE *out, const cvy_initial *in) {
  if (in->pool) write_lines(in, write_to_file, out);
}

static void write_to_log(void *context, const char *text) {
  (void)context;
  cvy_log("%s", text);
}

void cvy_initial_log(const cvy_initial *in) {
  if (in->pool) write_lines(in, write_to_log, NULL);
}
