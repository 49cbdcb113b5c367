/* Convolution, pooling and padding of ONNX: where windows lie, in Convoy's words.
 *
 * ONNX gives zeros on each side by itself. Convoy has the same number on both sides, or what makes the output
 * ceil(input / stride). What counts is where the first window begins and how many there are: as long as these
 * agree, zeros that no window reaches may be more or fewer. */
#include "formats/onnx_build.h"

#include <string.h>

enum { MOST = 65535 };
enum { TOP, LEFT, BOTTOM, RIGHT };

/* One dimension: height or width. */
typedef struct axis {
  int64_t in, kernel, stride, before, behind, out;
} axis;

typedef struct window {
  axis of[2];
  bool rounds_up;
} window;

/* ---- reading ---- */

static cvy_err read_pair(int64_t out[2], const cvy_onnx_builder *b, const cvy_onnx_node *node,
                         const char *name, int64_t least) {
  int64_t count;
  CVY_TRY(cvy_onnx_integers(out, &count, 2, b, node, -1, name));
  if (count >= 0 && count != 2)
    return cvy_onnx_wrong(b, node, "'%s' has %" PRId64 " numbers; convoy has height and width", name, count);
  for (int i = 0; count > 0 && i < 2; i++)
    if (out[i] < least || out[i] > MOST)
      return cvy_onnx_wrong(b, node, "'%s' is %" PRId64 "; expected %" PRId64 " to %d", name, out[i], least,
                            (int)MOST);
  return CVY_OK;
}

static void place_same(axis *a, bool odd_one_first) {
  a->out = (a->in + a->stride - 1) / a->stride;
  const int64_t needed = (a->out - 1) * a->stride + a->kernel - a->in, all = needed > 0 ? needed : 0;
  a->before = odd_one_first ? all - all / 2 : all / 2;
  a->behind = all - a->before;
}

static cvy_err place(axis *a, bool rounds_up, const cvy_onnx_builder *b, const cvy_onnx_node *node) {
  const int64_t room = a->in + a->before + a->behind - a->kernel;
  if (room < 0)
    return cvy_onnx_wrong(b, node,
                          "a window of %" PRId64 " on %" PRId64 " pixels with %" PRId64 " of padding",
                          a->kernel, a->in, a->before + a->behind);
  a->out = (room + (rounds_up ? a->stride - 1 : 0)) / a->stride + 1;
  if (rounds_up && (a->out - 1) * a->stride >= a->in + a->before) a->out--;
  return CVY_OK;
}

static cvy_err read_pads(window *w, const cvy_onnx_builder *b, const cvy_onnx_node *node,
                         const cvy_onnx_value *x) {
  const cvy_onnx_attribute *automatic = cvy_onnx_attribute_of(node, "auto_pad");
  const char *how = automatic && automatic->text && automatic->text[0] ? automatic->text : "NOTSET";
  int64_t pads[4] = {0}, count;
  CVY_TRY(cvy_onnx_integers(pads, &count, 4, b, node, -1, "pads"));
  if (strcmp(how, "SAME_UPPER") == 0 || strcmp(how, "SAME_LOWER") == 0) {
    if (x->padded_by) return cvy_onnx_wrong(b, node, "'%s' behind a Pad has no counterpart", how);
    for (int i = 0; i < 2; i++) place_same(&w->of[i], strcmp(how, "SAME_LOWER") == 0);
    return CVY_OK;
  }
  if (strcmp(how, "NOTSET") != 0 && strcmp(how, "VALID") != 0)
    return cvy_onnx_wrong(b, node, "'auto_pad' is '%s', which is not known", how);
  if (count >= 0 && count != 4)
    return cvy_onnx_wrong(b, node, "'pads' has %" PRId64 " numbers, not 4", count);
  for (int i = 0; i < 4; i++) {
    if (pads[i] < 0 || pads[i] > MOST)
      return cvy_onnx_wrong(b, node, "'pads' has %" PRId64 " in it", pads[i]);
    if (strcmp(how, "VALID") == 0) pads[i] = 0;
    pads[i] += x->zeros[i];
  }
  for (int i = 0; i < 2; i++) {
    w->of[i].before = pads[TOP + i];
    w->of[i].behind = pads[BOTTOM + i];
    CVY_TRY(place(&w->of[i], w->rounds_up, b, node));
  }
  return CVY_OK;
}

/* `filter` is the shape of filters; 0 where there are none. */
static cvy_err read_window(window *w, const cvy_onnx_builder *b, const cvy_onnx_node *node,
                           const cvy_onnx_value *x, const int64_t filter[2]) {
  int64_t kernel[2] = {filter[0], filter[1]}, stride[2] = {1, 1}, dilation[2] = {1, 1};
  if (x->is_flat || x->channels_last)
    return cvy_onnx_wrong(b, node, "it reads no map of [N][C][H][W], which convoy has for this operator");
  CVY_TRY(read_pair(kernel, b, node, "kernel_shape", 1));
  CVY_TRY(read_pair(stride, b, node, "strides", 1));
  CVY_TRY(read_pair(dilation, b, node, "dilations", 1));
  if (dilation[0] != 1 || dilation[1] != 1)
    return cvy_onnx_wrong(b, node, "'dilations' is %" PRId64 "x%" PRId64 "; convoy's windows have no gaps",
                          dilation[0], dilation[1]);
  if (kernel[0] < 1 || kernel[1] < 1) return cvy_onnx_wrong(b, node, "it has no kernel_shape");
  if (filter[0] && (kernel[0] != filter[0] || kernel[1] != filter[1]))
    return cvy_onnx_wrong(b, node, "'kernel_shape' is not that of the filters");
  *w = (window){.rounds_up = cvy_onnx_integer(node, "ceil_mode", 0) != 0};
  for (int i = 0; i < 2; i++)
    w->of[i] = (axis){.in = i ? x->w : x->h, .kernel = kernel[i], .stride = stride[i]};
  return read_pads(w, b, node, x);
}

/* ---- Convoy's words ---- */

/* Tells whether as many zeros behind as before give the same windows. */
static bool is_even(const axis *a, bool up) {
  const int64_t room = a->in + 2 * a->before - a->kernel;
  if (room < 0) return false;
  int64_t out = (room + (up ? a->stride - 1 : 0)) / a->stride + 1;
  if (up && (out - 1) * a->stride >= a->in + a->before) out--;
  return out == a->out;
}

static bool is_same(const axis *a) {
  axis same = *a;
  place_same(&same, false);
  return same.out == a->out && same.before == a->before;
}

static cvy_err no_such_padding(const cvy_onnx_builder *b, const cvy_onnx_node *node, const window *w) {
  return cvy_onnx_wrong(b, node,
                        "padding of %" PRId64 ", %" PRId64 " (top, left) and %" PRId64 ", %" PRId64
                        " (bottom, right) gives other windows than any padding of convoy",
                        w->of[0].before, w->of[1].before, w->of[0].behind, w->of[1].behind);
}

static void set_pair(cvy_onnx_builder *b, cvy_yaml *options, const char *key, int64_t h, int64_t w) {
  cvy_yaml *pair = cvy_yaml_new_sequence(b->pool, b->file->path);
  const int64_t sizes[2] = {h, w};
  for (int i = 0; i < 2; i++)
    cvy_yaml_add(b->pool, pair, NULL,
                 cvy_yaml_new_scalar(b->pool, b->file->path, cvy_pool_format(b->pool, "%" PRId64, sizes[i])));
  cvy_yaml_add(b->pool, options, key, pair);
}

static void set_window(cvy_onnx_builder *b, cvy_yaml *options, const window *w, bool has_padding) {
  const axis *v = &w->of[0], *h = &w->of[1];
  set_pair(b, options, "kernel", v->kernel, h->kernel);
  set_pair(b, options, "stride", v->stride, h->stride);
  if (has_padding) set_pair(b, options, "padding", v->before, h->before);
}

/* ---- convolution ---- */

static cvy_err check_filters(const cvy_onnx_builder *b, const cvy_onnx_node *node, const cvy_onnx_value *x,
                             const cvy_onnx_value *filters, int64_t groups) {
  if (!filters || filters->kind != CVY_ONNX_WEIGHTS)
    return cvy_onnx_wrong(b, node, "its filters have to be a constant");
  if (filters->dim_count != 4)
    return cvy_onnx_wrong(b, node,
                          "its filters have %d dimensions; convoy convolves in two dimensions, with 4",
                          filters->dim_count);
  if (groups < 1 || groups > x->c || x->c % groups != 0 || filters->dims[1] != x->c / groups)
    return cvy_onnx_wrong(b, node,
                          "filters of %" PRId64 " channels in %" PRId64
                          " groups do not suit a map of %" PRId64 " channels",
                          filters->dims[1], groups, x->c);
  return CVY_OK;
}

cvy_err cvy_onnx_conv(cvy_onnx_builder *b, const cvy_onnx_node *node) {
  cvy_onnx_value *x, *y;
  cvy_yaml *options;
  window w;
  const cvy_onnx_value *filters = cvy_onnx_in(b, node, 1), *bias = cvy_onnx_in(b, node, 2);
  const int64_t groups = cvy_onnx_integer(node, "group", 1);
  CVY_TRY(cvy_onnx_padded_map(&x, b, node, 0));
  CVY_TRY(check_filters(b, node, x, filters, groups));
  CVY_TRY(read_window(&w, b, node, x, filters->dims + 2));
  const bool even = is_even(&w.of[0], false) && is_even(&w.of[1], false);
  if (!even && !(is_same(&w.of[0]) && is_same(&w.of[1]))) return no_such_padding(b, node, &w);
  CVY_TRY(cvy_onnx_layer(&options, &y, b, node, "conv", x));
  cvy_onnx_set(b, options, "filters", "%" PRId64, filters->dims[0]);
  set_window(b, options, &w, even);
  if (!even) cvy_onnx_set(b, options, "padding", "same");
  if (groups > 1) cvy_onnx_set(b, options, "groups", "%" PRId64, groups);
  cvy_onnx_set(b, options, "bias", "%s", bias ? "true" : "false");
  y->c = filters->dims[0], y->h = w.of[0].out, y->w = w.of[1].out;
  y->bias = bias ? NULL : cvy_yaml_get(options, "bias");
  CVY_TRY(cvy_onnx_add_weights(b, filters, y->layer, "weights", false, 1));
  if (!bias) return CVY_OK;
  if (bias->kind != CVY_ONNX_WEIGHTS || bias->count != y->c)
    return cvy_onnx_wrong(b, node, "its bias has to be a constant of %" PRId64 " numbers", y->c);
  return cvy_onnx_add_weights(b, bias, y->layer, "bias", false, 1);
}

/* ---- pooling ---- */

/* Tells whether the only window is the whole map, and nothing beside it counts. */
static bool is_whole(const window *w, bool counts_padding) {
  for (int i = 0; i < 2; i++) {
    const axis *a = &w->of[i];
    const bool padded = a->before > 0 || a->behind > 0;
    if (a->out != 1 || a->kernel - a->before < a->in || (padded && counts_padding)) return false;
  }
  return true;
}

/* ONNX divides by the window with the padding in it; so does Convoy, which has the same on both sides. */
static bool counts_alike(const window *w) {
  return w->of[0].before == w->of[0].behind && w->of[1].before == w->of[1].behind;
}

static cvy_err set_sliding(cvy_onnx_builder *b, const cvy_onnx_node *node, cvy_yaml *options, const window *w,
                           bool is_mean, bool counts_padding) {
  const bool down = is_even(&w->of[0], false) && is_even(&w->of[1], false);
  const bool up = is_even(&w->of[0], true) && is_even(&w->of[1], true);
  const bool padded = w->of[0].before + w->of[1].before + w->of[0].behind + w->of[1].behind > 0;
  if ((!down && !up) || (is_mean && counts_padding && !counts_alike(w))) return no_such_padding(b, node, w);
  for (int i = 0; i < 2; i++)
    if (w->of[i].before >= w->of[i].kernel)
      return cvy_onnx_wrong(b, node, "a padding of %" PRId64 " is as large as the window", w->of[i].before);
  set_window(b, options, w, true);
  if (!down) cvy_onnx_set(b, options, "rounding", "up");
  if (is_mean && padded) cvy_onnx_set(b, options, "count_padding", "%s", counts_padding ? "true" : "false");
  return CVY_OK;
}

/* Zeros that a Pad has put around a map count in a mean, and so must all others. To the maximum of a map that
 * is nowhere below zero they are what no padding is. */
static cvy_err check_zeros(bool *counts_padding, const cvy_onnx_builder *b, const cvy_onnx_node *node,
                           const cvy_onnx_value *x, const window *w, bool is_mean) {
  bool only_these = true;
  if (!x->padded_by) return CVY_OK;
  for (int i = 0; i < 2; i++)
    only_these = only_these && w->of[i].before == x->zeros[TOP + i] &&
                 w->of[i].behind == x->zeros[BOTTOM + i];
  if (is_mean ? !only_these && !*counts_padding : !x->not_negative)
    return cvy_onnx_wrong(b, node,
                          "it reads a map with zeros around it (Pad '%s'), which convoy does not pool so",
                          x->padded_by->name);
  *counts_padding = true;
  return CVY_OK;
}

cvy_err cvy_onnx_pool(cvy_onnx_builder *b, const cvy_onnx_node *node) {
  cvy_onnx_value *x, *y;
  cvy_yaml *options;
  window w = {.of = {{.out = 1}, {.out = 1}}};
  const bool is_mean = strstr(node->type, "Average") != NULL, is_global = node->type[0] == 'G';
  bool counts_padding = cvy_onnx_integer(node, "count_include_pad", 0) != 0;
  CVY_TRY(is_global ? cvy_onnx_map(&x, b, node, 0) : cvy_onnx_padded_map(&x, b, node, 0));
  if (!is_global) CVY_TRY(read_window(&w, b, node, x, (const int64_t[2]){0, 0}));
  if (!is_global) CVY_TRY(check_zeros(&counts_padding, b, node, x, &w, is_mean));
  if (is_global && x->is_flat) return cvy_onnx_wrong(b, node, "it reads no map");
  const bool not_negative = x->not_negative, whole = is_global || is_whole(&w, is_mean && counts_padding);
  CVY_TRY(cvy_onnx_layer(&options, &y, b, node, is_mean ? "average_pool" : "max_pool", x));
  if (whole)
    cvy_onnx_set(b, options, "kernel", "global");
  else
    CVY_TRY(set_sliding(b, node, options, &w, is_mean, counts_padding));
  y->h = w.of[0].out, y->w = w.of[1].out;
  y->not_negative = not_negative;
  return CVY_OK;
}

/* ---- Pad ---- */

/* Reads zeros before and behind each dimension, [2 * rank]; an operator of opset 18 may name the axes. */
static cvy_err read_zeros(int64_t zeros[8], const cvy_onnx_builder *b, const cvy_onnx_node *node, int rank) {
  int64_t pads[8], axes[4] = {0, 1, 2, 3}, count, axis_count;
  CVY_TRY(cvy_onnx_integers(pads, &count, 8, b, node, 1,
                            cvy_onnx_attribute_of(node, "pads") ? "pads" : "paddings"));
  CVY_TRY(cvy_onnx_integers(axes, &axis_count, 4, b, node, 3, NULL));
  if (axis_count < 0) axis_count = rank;
  if (count != 2 * axis_count)
    return cvy_onnx_wrong(b, node, "expected two numbers of zeros for each dimension");
  memset(zeros, 0, sizeof *zeros * 8);
  for (int64_t i = 0; i < axis_count; i++) {
    const int64_t at = axes[i] < 0 ? axes[i] + rank : axes[i];
    if (at < 0 || at >= rank || pads[i] < 0 || pads[i] > MOST || pads[axis_count + i] < 0 ||
        pads[axis_count + i] > MOST)
      return cvy_onnx_wrong(b, node, "zeros that convoy cannot put there");
    zeros[at] = pads[i];
    zeros[rank + at] = pads[axis_count + i];
  }
  return CVY_OK;
}

static cvy_err check_pad(const cvy_onnx_builder *b, const cvy_onnx_node *node) {
  const cvy_onnx_attribute *mode = cvy_onnx_attribute_of(node, "mode");
  double value = cvy_onnx_real(node, "value", 0);
  bool found;
  if (mode && mode->text && strcmp(mode->text, "constant") != 0)
    return cvy_onnx_wrong(b, node, "padding of mode '%s' has no counterpart; convoy pads with zeros",
                          mode->text);
  double given;
  CVY_TRY(cvy_onnx_scalar(&given, &found, b, node, 2));
  if (found) value = given;
  return value == 0
             ? CVY_OK
             : cvy_onnx_wrong(b, node, "padding with %g has no counterpart; convoy pads with zeros", value);
}

/* Zeros around a map wait for the layer that reads it. Zeros beside channels are a layer of their own. */
cvy_err cvy_onnx_pad(cvy_onnx_builder *b, const cvy_onnx_node *node) {
  cvy_onnx_value *x, *y = cvy_onnx_out(b, node);
  cvy_yaml *options;
  int64_t zeros[8];
  CVY_TRY(cvy_onnx_padded_map(&x, b, node, 0));
  const int rank = x->is_flat ? 2 : 4;
  CVY_TRY(check_pad(b, node));
  CVY_TRY(read_zeros(zeros, b, node, rank));
  const int c = x->channels_last && !x->is_flat ? 3 : 1;
  if (zeros[0] || zeros[rank]) return cvy_onnx_wrong(b, node, "it pads the images of a batch");
  if (!zeros[c] && !zeros[rank + c]) {
    cvy_onnx_alias(y, x);
    y->bias = NULL;
    for (int i = 0; i < 4 && !x->is_flat; i++)
      y->zeros[i] += zeros[i / 2 * 4 + (x->channels_last ? 1 : 2) + i % 2];
    for (int i = 0; i < 4; i++)
      if (y->zeros[i] > 0) y->padded_by = node; /* PyTorch writes a Pad of no zeros before its mean pooling */
    return CVY_OK;
  }
  const bool around = !x->is_flat && (zeros[2] || zeros[6] || zeros[c == 3 ? 1 : 3] || zeros[c == 3 ? 5 : 7]);
  if (around || x->padded_by || (x->is_flat && x->h * x->w > 1))
    return cvy_onnx_wrong(b, node, "it pads channels together with others");
  const bool not_negative = x->not_negative;
  CVY_TRY(cvy_onnx_layer(&options, &y, b, node, "pad_channels", x));
  cvy_onnx_set(b, options, "before", "%" PRId64, zeros[c]);
  cvy_onnx_set(b, options, "behind", "%" PRId64, zeros[rank + c]);
  y->c += zeros[c] + zeros[rank + c];
  y->not_negative = not_negative;
  return CVY_OK;
}
