/* Follows the order of channels through a network, and lays its tensors out. */
#include "formats/tensor_layout.h"

#include <stdlib.h>
#include <string.h>

/* What a layer gives, in the file's network. */
typedef struct given {
  cvy_shape shape;
  const int64_t *order; /* [c]: which of Convoy's channels the file's is; NULL: they are the same */
  const char *lost_by;  /* NULL, or the layer behind which no order would be right */
} given;

typedef struct follower {
  cvy_pool *pool;
  const cvy_net_info *net;
  const cvy_tensor_rules *rules;
  given image, *layers;
} follower;

static bool is_type(const cvy_net_layer *layer, const char *type) {
  return strcmp(layer->type, type) == 0;
}

static const given *read_by(const follower *f, const cvy_net_layer *layer, int64_t input) {
  const int64_t at = layer->inputs[input];
  return at < 0 ? &f->image : &f->layers[at];
}

static int64_t *new_order(const follower *f, int64_t count) {
  return cvy_pool_new(f->pool, sizeof(int64_t) * (size_t)count);
}

static int64_t place(const int64_t *order, int64_t i) {
  return order ? order[i] : i;
}

static const int64_t *backwards(const follower *f, int64_t count) {
  int64_t *order = new_order(f, count);
  for (int64_t i = 0; i < count; i++) order[i] = count - 1 - i;
  return order;
}

/* Returns the order of a map's numbers as one row. */
static const int64_t *order_of_row(const follower *f, const given *map) {
  const int64_t pixels = map->shape.h * map->shape.w, channels = map->shape.c;
  if (pixels == 1 || (f->rules->channels_last && !map->order)) return map->order;
  int64_t *order = new_order(f, pixels * channels);
  for (int64_t p = 0; p < pixels; p++)
    for (int64_t c = 0; c < channels; c++)
      order[f->rules->channels_last ? p * channels + c : c * pixels + p] = p * channels +
                                                                           place(map->order, c);
  return order;
}

/* ---- layers ---- */

static const int64_t *side_by_side(const follower *f, const cvy_net_layer *layer) {
  bool is_plain = true;
  for (int64_t i = 0; i < layer->input_count; i++) is_plain = is_plain && !read_by(f, layer, i)->order;
  if (is_plain) return NULL;
  int64_t *order = new_order(f, layer->y.c), at = 0;
  for (int64_t i = 0; i < layer->input_count; i++) {
    const given *x = read_by(f, layer, i);
    const int64_t first = at;
    for (int64_t c = 0; c < x->shape.c; c++) order[at++] = first + place(x->order, c);
  }
  return order;
}

static bool have_one_order(const follower *f, const cvy_net_layer *layer) {
  const given *first = read_by(f, layer, 0);
  for (int64_t i = 1; i < layer->input_count; i++)
    for (int64_t c = 0; c < layer->y.c; c++)
      if (place(first->order, c) != place(read_by(f, layer, i)->order, c)) return false;
  return true;
}

/* Tells whether channels that are neighbours in the file are neighbours in Convoy. */
static bool keeps_neighbours(const given *x) {
  for (int64_t c = 1; x->order && c < x->shape.c; c++)
    if (llabs(x->order[c] - x->order[c - 1]) != 1) return false;
  return true;
}

static bool loses_order(const follower *f, const cvy_net_layer *layer) {
  const given *x = read_by(f, layer, 0);
  if (is_type(layer, "add")) return !have_one_order(f, layer);
  if (is_type(layer, "pad_channels")) return x->order != NULL;
  return is_type(layer, "lrn") && !keeps_neighbours(x);
}

static given follow(const follower *f, const cvy_net_layer *layer) {
  given out = {.shape = layer->y};
  if (is_type(layer, "conv") || is_type(layer, "fc")) return out;
  for (int64_t i = 0; i < layer->input_count && !out.lost_by; i++)
    out.lost_by = read_by(f, layer, i)->lost_by;
  if (!out.lost_by && loses_order(f, layer)) out.lost_by = layer->name;
  if (out.lost_by) return out;
  const given *x = read_by(f, layer, 0);
  out.order = is_type(layer, "concat")    ? side_by_side(f, layer)
              : is_type(layer, "flatten") ? order_of_row(f, x)
                                          : x->order;
  return out;
}

/* Finds what layer `index` reads. */
static cvy_err find_read(given *out, follower *f, int64_t index) {
  const cvy_net_layer *layer = &f->net->layers[index];
  const int64_t last = layer->inputs[0];
  f->image = (given){.shape = f->net->input};
  if (f->rules->bgr) f->image.order = backwards(f, f->net->input.c);
  f->layers = cvy_new(sizeof *f->layers * (size_t)(index + 1));
  for (int64_t i = 0; i <= last; i++) f->layers[i] = follow(f, &f->net->layers[i]);
  *out = *read_by(f, layer, 0);
  free(f->layers);
  if (!out->lost_by) return CVY_OK;
  return cvy_error(
      CVY_E_INPUT,
      "layer '%s' reads what layer '%s' makes of numbers that lie in another order in the file; no "
      "order of its weights would be right",
      layer->name, out->lost_by);
}

/* ---- tensors ---- */

static cvy_err lay_filters(cvy_tensor_layout *l, const int64_t dims[4], const given *x) {
  l->pixels = dims[0] * dims[1], l->inputs = dims[2], l->outputs = dims[3];
  l->order = x->order;
  l->shape_count = 4;
  const int64_t first[4] = {dims[3], dims[2], dims[0], dims[1]};
  memcpy(l->shape, l->outputs_last ? dims : first, sizeof l->shape);
  if (!x->order || x->shape.c == dims[2]) return CVY_OK;
  return cvy_error(CVY_E_INPUT, "its groups read channels that lie in another order in the file");
}

static void lay_matrix(cvy_tensor_layout *l, const follower *f, const int64_t dims[2], const given *x) {
  l->inputs = dims[0], l->outputs = dims[1];
  l->order = order_of_row(f, x);
  l->shape_count = 2;
  l->shape[l->outputs_last] = dims[1];
  l->shape[!l->outputs_last] = dims[0];
}

cvy_err cvy_tensor_layout_of(cvy_tensor_layout *out, cvy_pool *pool, const cvy_net *net, int64_t index,
                             const cvy_tensor_rules *rules) {
  follower f = {.pool = pool, .net = cvy_net_describe(net), .rules = rules};
  const cvy_net_param *p = &f.net->params[index];
  const cvy_net_layer *layer = &f.net->layers[p->layer];
  given x;
  *out = (cvy_tensor_layout){.pixels = 1, .outputs = 1, .outputs_last = rules->outputs_last};
  CVY_TRY(find_read(&x, &f, p->layer));
  if (p->spec->dim_count == 4) {
    CVY_TRY_IN(lay_filters(out, p->spec->dims, &x), "layer '%s'", layer->name);
  } else if (p->spec->dim_count == 2) {
    lay_matrix(out, &f, p->spec->dims, &x);
  } else {
    out->inputs = p->count;
    out->order = is_type(layer, "conv") || is_type(layer, "fc") ? NULL : x.order;
    out->shape_count = 1;
    out->shape[0] = p->count;
  }
  return CVY_OK;
}

/* ---- numbers ---- */

/* A walk in the file's order: outputs or pixels, then inputs, then the other of the two. Steps are those of
 * Convoy's order. */
typedef struct walk {
  int64_t outer, outer_step, inner, inner_step;
} walk;

static walk walk_of(const cvy_tensor_layout *l) {
  const int64_t pixel_step = l->inputs * l->outputs;
  return l->outputs_last ? (walk){l->pixels, pixel_step, l->outputs, 1}
                         : (walk){l->outputs, 1, l->pixels, pixel_step};
}

void cvy_tensor_take(float *convoy, const float *stored, const cvy_tensor_layout *l) {
  const walk w = walk_of(l);
  for (int64_t a = 0; a < w.outer; a++)
    for (int64_t i = 0; i < l->inputs; i++) {
      float *to = convoy + a * w.outer_step + place(l->order, i) * l->outputs;
      for (int64_t b = 0; b < w.inner; b++) to[b * w.inner_step] = *stored++;
    }
}

void cvy_tensor_give(float *stored, const float *convoy, const cvy_tensor_layout *l) {
  const walk w = walk_of(l);
  for (int64_t a = 0; a < w.outer; a++)
    for (int64_t i = 0; i < l->inputs; i++) {
      const float *from = convoy + a * w.outer_step + place(l->order, i) * l->outputs;
      for (int64_t b = 0; b < w.inner; b++) *stored++ = from[b * w.inner_step];
    }
}
