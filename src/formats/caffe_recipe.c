/* What a network of Caffe's says of training: how its data layers make images, and how fast which weights
 * learn. */
#include "formats/caffe_graph.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_MICROBATCH = 32 };

static const cvy_prototext *transform_of(const cvy_caffe_layer *layer) {
  return cvy_prototext_message(layer->at, "transform_param");
}

/* Returns the options of a data layer, whose name depends on its type. */
static const cvy_prototext *data_param(const cvy_caffe_layer *layer) {
  static const char *const names[][2] = {{"Data", "data_param"},
                                         {"ImageData", "image_data_param"},
                                         {"HDF5Data", "hdf5_data_param"},
                                         {"MemoryData", "memory_data_param"},
                                         {"WindowData", "window_data_param"},
                                         {"DummyData", "dummy_data_param"}};
  for (int64_t i = 0; i < CVY_COUNT(names); i++)
    if (strcmp(layer->type, names[i][0]) == 0) return cvy_prototext_message(layer->at, names[i][1]);
  return NULL;
}

/* ---- the images' shape ---- */

static cvy_err find_channels(cvy_caffe *c, const cvy_caffe_layer *layer) {
  double means[CVY_MAX_CHANNELS];
  int64_t count;
  bool grey = false, colour = true;
  CVY_TRY(
      cvy_caffe_numbers(means, &count, CVY_MAX_CHANNELS, c->file->path, transform_of(layer), "mean_value"));
  CVY_TRY(cvy_caffe_bool(&grey, c->file->path, transform_of(layer), "force_gray"));
  CVY_TRY(cvy_caffe_bool(&colour, c->file->path, data_param(layer), "is_color"));
  c->input[2] = count > 1 ? count : grey || !colour ? 1 : 3;
  return CVY_OK;
}

cvy_err cvy_caffe_find_input(cvy_caffe *c, const cvy_caffe_layer *layer) {
  const cvy_prototext *param = data_param(layer), *shape = cvy_prototext_message(param, "shape");
  const char *path = c->file->path;
  int64_t crop = 0;
  if (strcmp(layer->type, "Input") == 0) return CVY_OK;
  CVY_TRY(cvy_caffe_whole(&crop, path, transform_of(layer), "crop_size"));
  if (crop < 0 || crop > 65535) return cvy_caffe_wrong(path, NULL, layer, "its crop_size is no size");
  if (crop > 0) {
    c->input[0] = c->input[1] = crop;
    return find_channels(c, layer);
  }
  CVY_TRY(cvy_caffe_whole(&c->input[2], path, param, "channels"));
  CVY_TRY(cvy_caffe_whole(&c->input[0], path, param, "height"));
  CVY_TRY(cvy_caffe_whole(&c->input[1], path, param, "width"));
  double dims[8];
  int64_t count;
  CVY_TRY(cvy_caffe_numbers(dims, &count, 8, path, shape, "dim"));
  for (int i = 0; i < 3 && count == 4; i++)
    c->input[i] = dims[(i + 1) % 3 + 1] >= 1 && dims[(i + 1) % 3 + 1] < 1e6 ? (int64_t)dims[(i + 1) % 3 + 1]
                                                                            : 0;
  if (c->input[0] > 0) return CVY_OK;
  CVY_TRY(cvy_caffe_whole(&c->input[0], path, param, "new_height"));
  CVY_TRY(cvy_caffe_whole(&c->input[1], path, param, "new_width"));
  return c->input[0] > 0 ? find_channels(c, layer) : CVY_OK;
}

/* ---- what images go through ---- */

/* Adds "name: {...}" to a chain, and returns the options. */
static cvy_yaml *add_step(const cvy_caffe *c, cvy_yaml *chain, const char *name) {
  cvy_yaml *entry = cvy_yaml_new_mapping(c->pool, c->file->path),
           *options = cvy_yaml_new_mapping(c->pool, c->file->path);
  cvy_yaml_add(c->pool, entry, name, options);
  cvy_yaml_add(c->pool, chain, NULL, entry);
  return options;
}

static void set_whole(const cvy_caffe *c, cvy_yaml *options, const char *key, int64_t value) {
  cvy_caffe_set(c->pool, c->file->path, options, NULL, key, "%" PRId64, value);
}

static void set_number(const cvy_caffe *c, cvy_yaml *options, const char *key, double value) {
  cvy_caffe_set(c->pool, c->file->path, options, NULL, key, "%s", cvy_caffe_number_text(c->pool, value));
}

/* ImageData squeezes its pictures to one size. */
static cvy_err add_squeeze(const cvy_caffe *c, cvy_yaml *chain, const cvy_caffe_layer *layer) {
  int64_t size[2] = {0, 0};
  CVY_TRY(cvy_caffe_whole(&size[0], c->file->path, data_param(layer), "new_height"));
  CVY_TRY(cvy_caffe_whole(&size[1], c->file->path, data_param(layer), "new_width"));
  if (size[0] < 1 || size[1] < 1) return CVY_OK;
  cvy_yaml *options = add_step(c, chain, "resize"), *pair = cvy_yaml_new_sequence(c->pool, c->file->path);
  for (int i = 0; i < 2; i++)
    cvy_yaml_add(c->pool, pair, NULL,
                 cvy_yaml_new_scalar(c->pool, c->file->path, cvy_pool_format(c->pool, "%" PRId64, size[i])));
  cvy_yaml_add(c->pool, options, "size", pair);
  return CVY_OK;
}

/* Intel Caffe scales the shorter side to a size between two. */
static cvy_err add_scaling(const cvy_caffe *c, cvy_yaml *chain, const cvy_prototext *transform) {
  const cvy_prototext *param = cvy_prototext_message(transform, "random_resize_param");
  int64_t from = 0, to = 0;
  CVY_TRY(cvy_caffe_whole(&from, c->file->path, param, "min_size"));
  CVY_TRY(cvy_caffe_whole(&to, c->file->path, param, "max_size"));
  if (from < 1 || to < from) return CVY_OK;
  cvy_yaml *options = add_step(c, chain, from == to ? "resize" : "scale_jitter");
  set_whole(c, options, from == to ? "shorter" : "from", from);
  if (from < to) set_whole(c, options, "to", to);
  return CVY_OK;
}

/* Intel Caffe takes parts of random area and aspect. */
static cvy_err add_crop(const cvy_caffe *c, cvy_yaml *chain, const cvy_prototext *transform) {
  const cvy_prototext *param = cvy_prototext_message(transform, "random_aspect_ratio_param");
  double least = 0.08, most = 1, aspect = 0.75;
  int64_t size = 0;
  CVY_TRY(cvy_caffe_whole(&size, c->file->path, transform, "crop_size"));
  if (size < 1) return CVY_OK;
  cvy_yaml *options = add_step(c, chain, param ? "random_resized_crop" : "crop");
  set_whole(c, options, "size", size);
  if (!param) return CVY_OK;
  CVY_TRY(cvy_caffe_number(&least, c->file->path, param, "min_area_ratio"));
  CVY_TRY(cvy_caffe_number(&most, c->file->path, param, "max_area_ratio"));
  CVY_TRY(cvy_caffe_number(&aspect, c->file->path, param, "aspect_ratio_change"));
  if (aspect <= 0) return cvy_caffe_wrong(c->file->path, NULL, NULL, "aspect_ratio_change must be above 0");
  set_number(c, options, "least_area", least);
  set_number(c, options, "most_area", most);
  set_number(c, options, "least_aspect", aspect < 1 ? aspect : 1 / aspect);
  set_number(c, options, "most_aspect", aspect < 1 ? 1 / aspect : aspect);
  return CVY_OK;
}

static cvy_err make_chain(cvy_yaml **out, const cvy_caffe *c, const cvy_caffe_layer *layer, bool mirrors) {
  const cvy_prototext *transform = transform_of(layer);
  bool mirror = false;
  *out = cvy_yaml_new_sequence(c->pool, c->file->path);
  CVY_TRY(add_squeeze(c, *out, layer));
  CVY_TRY(add_scaling(c, *out, transform));
  CVY_TRY(add_crop(c, *out, transform));
  CVY_TRY(cvy_caffe_bool(&mirror, c->file->path, transform, "mirror"));
  if (mirror && mirrors)
    cvy_yaml_add(c->pool, *out, NULL, cvy_yaml_new_scalar(c->pool, c->file->path, "mirror"));
  return CVY_OK;
}

/* Notes what is said of images, and has no counterpart here. */
static void note_rest(const cvy_caffe *c, const cvy_caffe_layer *layer) {
  static const char known[] = " scale mirror crop_size mean_file mean_value force_color force_gray "
                              "random_aspect_ratio_param random_resize_param ";
  const cvy_prototext *transform = transform_of(layer);
  for (int64_t i = 0; transform && i < transform->count; i++) {
    char word[100];
    snprintf(word, sizeof word, " %.90s ", transform->fields[i].name);
    if (!strstr(known, word))
      cvy_weights_note(c->file,
                       cvy_pool_format(c->pool, "transform_param.%s, line %d", transform->fields[i].name,
                                       transform->fields[i].line),
                       "left out, as nothing stands for it here");
  }
}

/* Sets means and deviations. Caffe subtracts the mean, and then multiplies by the scale. Pictures have blue
 * first; in what Convoy has written, an image called "rgb" has red first. */
static cvy_err set_input(cvy_caffe *c, const cvy_caffe_layer *layer) {
  const cvy_prototext *transform = transform_of(layer);
  const char *mean_file = cvy_caffe_text(transform, "mean_file", NULL);
  double means[CVY_MAX_CHANNELS] = {0}, scale = 1;
  int64_t count;
  CVY_TRY(cvy_caffe_number(&scale, c->file->path, transform, "scale"));
  CVY_TRY(cvy_caffe_numbers(means, &count, CVY_MAX_CHANNELS, c->file->path, transform, "mean_value"));
  if (scale == 0)
    return cvy_caffe_wrong(c->file->path, cvy_prototext_get(transform, "scale"), layer, "a scale of 0");
  if (count > 1 && c->input[2] > 0 && count != c->input[2])
    return cvy_caffe_wrong(c->file->path, cvy_prototext_get(transform, "mean_value"), layer,
                           "%" PRId64 " values of mean_value for %" PRId64 " channels", count, c->input[2]);
  c->file->input.known = !mean_file;
  c->file->input.bgr = c->input[2] == 3 && strcmp(cvy_caffe_text(layer->at, "top", ""), "rgb") != 0;
  for (int64_t i = 0; i < CVY_MAX_CHANNELS; i++) {
    c->file->input.mean[i] = means[count > 1 ? i : 0];
    c->file->input.deviation[i] = 1 / scale;
  }
  if (mean_file)
    cvy_weights_note(
        c->file, "mean_file",
        cvy_pool_format(c->pool, "%s, which is not read: give the means of the channels", mean_file));
  return CVY_OK;
}

static cvy_err describe_input(cvy_caffe *c) {
  const cvy_caffe_layer *layer = c->test_data ? c->test_data : c->training_data;
  cvy_yaml *chain;
  if (!layer || (strcmp(layer->type, "Input") == 0 && !transform_of(layer))) return CVY_OK;
  CVY_TRY(set_input(c, layer));
  CVY_TRY(make_chain(&chain, c, layer, false));
  c->file->input.chain = chain;
  return CVY_OK;
}

/* ---- rates of layers ---- */

typedef struct learner {
  const char *layer, *tensor;
  double rate, decay;
  bool is_frozen, is_said; /* said: a rule stands for it */
} learner;

typedef struct learners {
  learner *items;
  int64_t count;
} learners;

static cvy_err list_learner(learners *all, const cvy_caffe *c, int64_t node, int64_t index) {
  const cvy_caffe_node *from = &c->nodes[node];
  const cvy_prototext *param = NULL;
  int64_t left = index;
  for (int64_t i = 0; i < from->layer->at->count && left >= 0; i++)
    if (strcmp(from->layer->at->fields[i].name, "param") == 0 && left-- == 0)
      param = from->layer->at->fields[i].message;
  learner l = {.layer = cvy_caffe_name_of(c, node),
               .tensor = cvy_caffe_tensor(from->blobs, index),
               .rate = 1,
               .decay = 1};
  CVY_TRY(cvy_caffe_number(&l.rate, c->file->path, param, "lr_mult"));
  CVY_TRY(cvy_caffe_number(&l.decay, c->file->path, param, "decay_mult"));
  if (l.rate < 0 || l.decay < 0)
    return cvy_caffe_wrong(c->file->path, NULL, from->layer, "lr_mult and decay_mult are not below 0");
  all->items[all->count++] = l;
  return CVY_OK;
}

static cvy_err list_learners(learners *all, const cvy_caffe *c) {
  all->items = cvy_pool_new(c->pool, sizeof *all->items * (size_t)(2 * c->node_count + 1));
  for (int64_t i = 0; i < c->node_count; i++) {
    const cvy_caffe_node *node = &c->nodes[i];
    const cvy_yaml *bias = node->options ? cvy_yaml_get(node->options, "bias") : NULL;
    const bool has_params = node->is_live && !node->is_added && node->blobs != CVY_CAFFE_NO_BLOBS &&
                            node->blobs != CVY_CAFFE_STATISTICS;
    if (has_params) CVY_TRY(list_learner(all, c, i, 0));
    if (has_params && !(bias && strcmp(bias->text, "false") == 0)) CVY_TRY(list_learner(all, c, i, 1));
  }
  return CVY_OK;
}

static void add_rule(const cvy_caffe *c, cvy_yaml *rules, const char *match, double rate, double decay) {
  cvy_yaml *rule = cvy_yaml_new_mapping(c->pool, c->file->path),
           *pattern = cvy_yaml_new_scalar(c->pool, c->file->path, match);
  pattern->plain = false;
  cvy_yaml_add(c->pool, rule, "match", pattern);
  if (rate != 1) set_number(c, rule, "rate", rate);
  if (decay != 1 && rate != 0) set_number(c, rule, "decay", decay);
  cvy_yaml_add(c->pool, rules, NULL, rule);
}

/* A layer none of whose weights learn is frozen as a whole; so is one that normalises by what is stored. */
static void freeze_layers(cvy_yaml *rules, learners *all, const cvy_caffe *c) {
  for (int64_t i = 0; i < all->count; i++) {
    const char *layer = all->items[i].layer;
    bool learns = false;
    for (int64_t k = 0; k < all->count; k++)
      learns = learns || (strcmp(all->items[k].layer, layer) == 0 && all->items[k].rate != 0);
    if (learns || all->items[i].is_frozen) continue;
    add_rule(c, rules, layer, 0, 1);
    for (int64_t k = 0; k < all->count; k++)
      if (strcmp(all->items[k].layer, layer) == 0) all->items[k].is_frozen = all->items[k].is_said = true;
  }
  for (int64_t i = 0; i < c->node_count; i++) {
    bool is_said = !c->nodes[i].is_frozen || !c->nodes[i].is_live;
    for (int64_t k = 0; k < all->count && !is_said; k++)
      is_said = all->items[k].is_frozen && strcmp(all->items[k].layer, c->nodes[i].name) == 0;
    if (!is_said) add_rule(c, rules, c->nodes[i].name, 0, 1);
  }
}

/* Tells whether a learner is of this tensor, has these factors, and is still to be said. */
static bool is_like(const learner *l, const learner *first) {
  return !l->is_said && strcmp(l->tensor, first->tensor) == 0 && l->rate == first->rate &&
         l->decay == first->decay;
}

/* Returns how many letters the names of the layers have in common whose learners are like `first`; -1 if
 * another learner of this tensor begins so, too. */
static int64_t find_prefix(const learners *all, const learner *first) {
  size_t length = strlen(first->layer);
  for (int64_t i = 0; i < all->count; i++) {
    size_t same = 0;
    if (!is_like(&all->items[i], first)) continue;
    while (same < length && all->items[i].layer[same] == first->layer[same]) same++;
    length = same;
  }
  for (int64_t i = 0; i < all->count; i++) {
    const learner *l = &all->items[i];
    const bool is_other = !is_like(l, first) && strcmp(l->tensor, first->tensor) == 0;
    /* A pattern may also match what is frozen, which is no harm: it does not learn. */
    if (is_other && !l->is_frozen && strncmp(l->layer, first->layer, length) == 0) return -1;
  }
  return (int64_t)length;
}

/* Says the factors of tensors of one name ("bias") that are alike in one rule where a pattern tells them from
 * the others, else one by one. */
static void add_rules_of(cvy_yaml *rules, learners *all, const cvy_caffe *c, const char *tensor) {
  for (int64_t i = 0; i < all->count; i++) {
    const learner first = all->items[i];
    if (first.is_said || strcmp(first.tensor, tensor) != 0 || (first.rate == 1 && first.decay == 1)) continue;
    int64_t alike = 0;
    for (int64_t k = i; k < all->count; k++) alike += is_like(&all->items[k], &first);
    const int64_t prefix = alike > 1 ? find_prefix(all, &first) : -1;
    const char *match = prefix < 0 ? cvy_pool_format(c->pool, "%s/%s", first.layer, tensor)
                                   : cvy_pool_format(c->pool, "%.*s*/%s", (int)prefix, first.layer, tensor);
    add_rule(c, rules, match, first.rate, first.decay);
    for (int64_t k = i; k < all->count; k++)
      if (k == i || (prefix >= 0 && is_like(&all->items[k], &first))) all->items[k].is_said = true;
  }
}

static cvy_err add_rules(cvy_yaml *recipe, const cvy_caffe *c) {
  cvy_yaml *rules = cvy_yaml_new_sequence(c->pool, c->file->path);
  learners all = {0};
  CVY_TRY(list_learners(&all, c));
  freeze_layers(rules, &all, c);
  add_rules_of(rules, &all, c, "weights");
  add_rules_of(rules, &all, c, "scale");
  add_rules_of(rules, &all, c, "bias");
  if (rules->count > 0) cvy_yaml_add(c->pool, recipe, "layers", rules);
  return CVY_OK;
}

/* ---- the recipe ---- */

/* A network that normalises by its batch keeps that batch; another one is cut so that it needs little
 * memory. */
static cvy_err add_batch(cvy_yaml *recipe, const cvy_caffe *c) {
  int64_t batch = 0, statistics = 0, microbatch;
  CVY_TRY(cvy_caffe_whole(&batch, c->file->path, data_param(c->training_data), "batch_size"));
  CVY_TRY(cvy_caffe_whole(&statistics, c->file->path, c->net, "bn_stats_batch_size"));
  if (batch < 1) return CVY_OK;
  bool normalises = false;
  for (int64_t i = 0; i < c->node_count; i++)
    normalises = normalises || (c->nodes[i].is_live && c->nodes[i].blobs == CVY_CAFFE_STATISTICS);
  microbatch = batch;
  if (normalises && statistics > 0 && batch % statistics == 0) microbatch = statistics;
  if (!normalises && batch > MOST_MICROBATCH) {
    for (microbatch = MOST_MICROBATCH; batch % microbatch != 0;) microbatch--;
  }
  set_whole(c, recipe, "batch", batch);
  set_whole(c, recipe, "microbatch", microbatch);
  return CVY_OK;
}

static bool are_same(const cvy_yaml *a, const cvy_yaml *b) {
  char *x = cvy_yaml_text(a), *y = cvy_yaml_text(b);
  const bool same = strcmp(x, y) == 0;
  free(x);
  free(y);
  return same;
}

static cvy_err add_chains(cvy_yaml *recipe, const cvy_caffe *c) {
  cvy_yaml *data = cvy_yaml_new_mapping(c->pool, c->file->path), *augment, *plain, *evaluation;
  CVY_TRY(make_chain(&augment, c, c->training_data, true));
  CVY_TRY(make_chain(&plain, c, c->training_data, false));
  if (augment->count > 0) cvy_yaml_add(c->pool, data, "augment", augment);
  if (c->test_data) {
    CVY_TRY(make_chain(&evaluation, c, c->test_data, false));
    if (!are_same(plain, evaluation)) cvy_yaml_add(c->pool, data, "evaluation", evaluation);
  }
  if (data->count > 0) cvy_yaml_add(c->pool, recipe, "data", data);
  return CVY_OK;
}

cvy_err cvy_caffe_make_recipe(cvy_caffe *c) {
  cvy_yaml *recipe = cvy_yaml_new_mapping(c->pool, c->file->path);
  const bool has_data = c->training_data && strcmp(c->training_data->type, "Input") != 0;
  CVY_TRY(describe_input(c));
  if (!c->trains) return CVY_OK;
  if (has_data) {
    note_rest(c, c->training_data);
    if (c->test_data) note_rest(c, c->test_data);
    const char *source = cvy_caffe_text(data_param(c->training_data), "source", NULL);
    if (source) cvy_weights_note(c->file, "training data", source);
    CVY_TRY(add_chains(recipe, c));
    CVY_TRY(add_batch(recipe, c));
  }
  CVY_TRY(add_rules(recipe, c));
  c->file->recipe = recipe->count > 0 ? recipe : NULL;
  return CVY_OK;
}
