/* Follows what a layer reads up to the map or the image that it comes from, and lays its tensors out. */
#include "formats/tensor_layout.h"

#include <stdlib.h>
#include <string.h>

/* What the numbers that a layer gives are. */
typedef struct origin {
  int64_t h, w, c;      /* the map that they are, or that was flattened into them */
  bool is_flat;         /* it was */
  bool is_image;        /* their channels are those of the image, in its order */
  const char *mixed_by; /* NULL, or a layer that put together what has an order of its own */
} origin;

static bool is_type(const cvy_net_layer *layer, const char *const *types) {
  for (; *types; types++)
    if (strcmp(layer->type, *types) == 0) return true;
  return false;
}

static const char *const mixers[] = {"concat", "add", "pad_channels", NULL};
static const char *const makers[] = {"conv", "fc", NULL};

/* Finds what a layer gives, from what those above it give. */
static origin origin_of(const cvy_net_layer *layer, const cvy_net_info *info, const origin *above) {
  const cvy_shape y = layer->y;
  origin out = {.h = y.h, .w = y.w, .c = y.c};
  if (is_type(layer, makers)) return out;
  for (int64_t i = 0; i < layer->input_count; i++) {
    const int64_t at = layer->inputs[i];
    const origin image = {.h = info->input.h, .w = info->input.w, .c = info->input.c, .is_image = true};
    const origin from = at < 0 ? image : above[at];
    const bool flattens = y.h * y.w == 1 && from.h * from.w > 1 && from.h * from.w * from.c == y.c;
    if (is_type(layer, mixers)) {
      if (from.is_flat || from.is_image || from.mixed_by)
        out.mixed_by = from.mixed_by ? from.mixed_by : layer->name;
    } else if (flattens) {
      out = from;
      out.is_flat = true;
    } else {
      out.is_image = from.is_image;
      out.mixed_by = from.mixed_by;
    }
  }
  return out;
}

/* Finds what layer `index` reads. */
static cvy_err find_read(origin *out, const cvy_net_info *info, int64_t index) {
  const int64_t read = info->layers[index].input_count ? info->layers[index].inputs[0] : -1;
  origin *all = cvy_new(sizeof *all * (size_t)(index + 1));
  for (int64_t i = 0; i <= read; i++) all[i] = origin_of(&info->layers[i], info, all);
  *out = read < 0 ? (origin){.h = info->input.h, .w = info->input.w, .c = info->input.c, .is_image = true}
                  : all[read];
  free(all);
  if (!out->mixed_by) return CVY_OK;
  return cvy_error(CVY_E_INPUT,
                   "layer '%s' reads what layer '%s' puts together out of flattened maps, or of the image's "
                   "channels: in which order another program has these is not known",
                   info->layers[index].name, out->mixed_by);
}

static void add_dim(cvy_tensor_layout *l, int64_t size, int64_t step) {
  l->dims[l->dim_count] = size;
  l->steps[l->dim_count++] = step;
}

/* Adds a walk over the numbers of a map, whose neighbours are `unit` apart in Convoy's order. */
static void add_map(cvy_tensor_layout *l, const origin *from, int64_t unit, const cvy_tensor_rules *rules) {
  const bool turned = from->is_image && rules->bgr;
  const int64_t channel = turned ? -unit : unit;
  if (turned) l->first += (from->c - 1) * unit;
  if (!rules->channels_last) add_dim(l, from->c, channel);
  add_dim(l, from->h, from->w * from->c * unit);
  add_dim(l, from->w, from->c * unit);
  if (rules->channels_last) add_dim(l, from->c, channel);
}

static cvy_err lay_filters(cvy_tensor_layout *l, const int64_t dims[4], const origin *from,
                           const cvy_tensor_rules *rules) {
  const int64_t r = dims[0], s = dims[1], c = dims[2], k = dims[3];
  if (from->is_flat || (from->is_image && rules->bgr && from->c != c))
    return cvy_error(CVY_E_INPUT, "%s: in which order another program has its filters is not known",
                     from->is_flat ? "a convolution of a flattened map" : "groups of the image's channels");
  const bool turned = from->is_image && rules->bgr;
  const int64_t channel = turned ? -k : k;
  if (turned) l->first = (c - 1) * k;
  if (!rules->outputs_last) {
    add_dim(l, k, 1);
    add_dim(l, c, channel);
  }
  add_dim(l, r, s * c * k);
  add_dim(l, s, c * k);
  if (rules->outputs_last) {
    add_dim(l, c, channel);
    add_dim(l, k, 1);
  }
  memcpy(l->shape, l->dims, sizeof l->shape);
  l->shape_count = 4;
  return CVY_OK;
}

static void lay_matrix(cvy_tensor_layout *l, const int64_t dims[2], const origin *from,
                       const cvy_tensor_rules *rules) {
  const int64_t inputs = dims[0], outputs = dims[1];
  if (!rules->outputs_last) add_dim(l, outputs, 1);
  add_map(l, from, outputs, rules);
  if (rules->outputs_last) add_dim(l, outputs, 1);
  l->shape_count = 2;
  l->shape[rules->outputs_last] = outputs;
  l->shape[!rules->outputs_last] = inputs;
}

/* One number a channel: of what the layer makes (a bias), or of what it reads. */
static void lay_vector(cvy_tensor_layout *l, int64_t count, const origin *from,
                       const cvy_tensor_rules *rules) {
  const origin channels = {.h = 1, .w = 1, .c = count, .is_image = from->is_image};
  add_map(l, from->is_flat ? from : &channels, 1, rules);
  l->shape_count = 1;
  l->shape[0] = count;
}

cvy_err cvy_tensor_layout_of(cvy_tensor_layout *out, const cvy_net *net, int64_t index,
                             const cvy_tensor_rules *rules) {
  const cvy_net_info *info = cvy_net_describe(net);
  const cvy_net_param *p = &info->params[index];
  const cvy_net_layer *layer = &info->layers[p->layer];
  const origin own = {.h = 1, .w = 1, .c = p->count};
  origin read;
  *out = (cvy_tensor_layout){0};
  CVY_TRY(find_read(&read, info, p->layer));
  if (p->spec->dim_count == 4)
    CVY_TRY_IN(lay_filters(out, p->spec->dims, &read, rules), "layer '%s'", layer->name);
  else if (p->spec->dim_count == 2)
    lay_matrix(out, p->spec->dims, &read, rules);
  else
    lay_vector(out, p->count, is_type(layer, makers) ? &own : &read, rules);
  return CVY_OK;
}

/* Walks over the file's order: calls for index i of the file give *at in Convoy's. */
static int64_t next(int64_t at, int64_t index[], const cvy_tensor_layout *l) {
  for (int d = l->dim_count - 1; d >= 0; d--) {
    at += l->steps[d];
    if (++index[d] < l->dims[d]) return at;
    at -= l->dims[d] * l->steps[d];
    index[d] = 0;
  }
  return at;
}

static int64_t count_of(const cvy_tensor_layout *l) {
  int64_t count = 1;
  for (int d = 0; d < l->dim_count; d++) count *= l->dims[d];
  return count;
}

void cvy_tensor_take(float *convoy, const float *stored, const cvy_tensor_layout *l) {
  int64_t index[2 * CVY_LAYOUT_DIMS] = {0}, at = l->first;
  const int64_t count = count_of(l);
  for (int64_t i = 0; i < count; i++, at = next(at, index, l)) convoy[at] = stored[i];
}

void cvy_tensor_give(float *stored, const float *convoy, const cvy_tensor_layout *l) {
  int64_t index[2 * CVY_LAYOUT_DIMS] = {0}, at = l->first;
  const int64_t count = count_of(l);
  for (int64_t i = 0; i < count; i++, at = next(at, index, l)) stored[i] = convoy[at];
}
