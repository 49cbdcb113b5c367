/* Puts oneDNN's convolutions behind a small interface for the benches. */
#include "bench/onednn.h"

#include <omp.h>
#include <oneapi/dnnl/dnnl_debug.h>
#include <string.h>

enum { DIMS = 5 }; /* the most, which filters in groups have */

typedef struct operand {
  int argument; /* DNNL_ARG_...; 0 ends the list */
  onednn_array array;
} operand;

static const operand operands[CVY_CONV_PASSES][ONEDNN_OPERANDS + 1] = {
    [CVY_CONV_FORWARD] = {{DNNL_ARG_SRC, X},
                          {DNNL_ARG_WEIGHTS, FILTERS},
                          {DNNL_ARG_BIAS, BIAS},
                          {DNNL_ARG_DST, Y}},
    [CVY_CONV_BACKWARD_DATA] = {{DNNL_ARG_DIFF_DST, DY},
                                {DNNL_ARG_WEIGHTS, FILTERS},
                                {DNNL_ARG_DIFF_SRC, DX}},
    [CVY_CONV_BACKWARD_FILTERS] = {{DNNL_ARG_SRC, X},
                                   {DNNL_ARG_DIFF_DST, DY},
                                   {DNNL_ARG_DIFF_WEIGHTS, DFILTERS},
                                   {DNNL_ARG_DIFF_BIAS, DBIAS}}};

static dnnl_engine_t engine;
static dnnl_stream_t stream;

static void check(dnnl_status_t status, const char *what) {
  if (status != dnnl_success) cvy_fatal("oneDNN: %s: %s", what, dnnl_status2str(status));
}

void onednn_start(int threads) {
  omp_set_num_threads(threads);
  check(dnnl_engine_create(&engine, dnnl_cpu, 0), "the processor");
  check(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags), "a stream");
}

const char *onednn_version(void) {
  static char text[32];
  const dnnl_version_t *v = dnnl_version();
  snprintf(text, sizeof text, "%d.%d.%d", v->major, v->minor, v->patch);
  return text;
}

/* ---- shapes ---- */

/* Sizes in oneDNN's order (N C H W, G K C R S, K), and from one to the next in our layout. */
typedef struct layout {
  int count;
  dnnl_dims_t sizes, strides;
} layout;

static layout layout_of_images(int64_t n, int64_t h, int64_t w, int64_t c) {
  return (layout){4, {n, c, h, w}, {h * w * c, 1, w * c, c}};
}

static layout layout_of_filters(const cvy_conv_shape *shape) {
  const cvy_window *g = &shape->window;
  const int64_t k = shape->k, channels = g->c / shape->groups, filters = k / shape->groups;
  const int64_t row = g->s * channels * k, column = channels * k;
  /* oneDNN has implementations that do not take a single group for none. */
  if (shape->groups == 1) return (layout){4, {k, channels, g->r, g->s}, {1, k, row, column}};
  return (layout){DIMS, {shape->groups, filters, channels, g->r, g->s}, {filters, 1, k, row, column}};
}

static layout layout_of(const cvy_conv_shape *shape, onednn_array array) {
  const cvy_window *g = &shape->window;
  if (array == X || array == DX) return layout_of_images(shape->n, g->h, g->w, g->c);
  if (array == Y || array == DY) return layout_of_images(shape->n, g->oh, g->ow, shape->k);
  if (array == FILTERS || array == DFILTERS) return layout_of_filters(shape);
  return (layout){1, {shape->k}, {1}};
}

static dnnl_memory_desc_t any_layout(const cvy_conv_shape *shape, onednn_array array) {
  dnnl_memory_desc_t desc;
  const layout l = layout_of(shape, array);
  check(dnnl_memory_desc_init_by_tag(&desc, l.count, l.sizes, dnnl_f32, dnnl_format_tag_any), "a shape");
  return desc;
}

static dnnl_memory_desc_t our_layout(const cvy_conv_shape *shape, onednn_array array) {
  dnnl_memory_desc_t desc;
  const layout l = layout_of(shape, array);
  check(dnnl_memory_desc_init_by_strides(&desc, l.count, l.sizes, dnnl_f32, l.strides), "a shape");
  return desc;
}

/* ---- the choice ---- */

static dnnl_convolution_desc_t describe(const cvy_conv_shape *shape, cvy_conv_pass pass,
                                        dnnl_alg_kind_t algorithm) {
  const cvy_window *g = &shape->window;
  const dnnl_dims_t strides = {g->stride_h, g->stride_w}, before = {g->top, g->left},
                    after = {g->bottom, g->right};
  const dnnl_memory_desc_t x = any_layout(shape, X), y = any_layout(shape, Y),
                           filters = any_layout(shape, FILTERS), bias = our_layout(shape, BIAS);
  dnnl_convolution_desc_t out;
  dnnl_status_t status;
  if (pass == CVY_CONV_FORWARD)
    status = dnnl_convolution_forward_desc_init(&out, dnnl_forward_training, algorithm, &x, &filters, &bias,
                                                &y, strides, before, after);
  else if (pass == CVY_CONV_BACKWARD_DATA)
    status = dnnl_convolution_backward_data_desc_init(&out, algorithm, &x, &filters, &y, strides, before,
                                                      after);
  else
    status = dnnl_convolution_backward_weights_desc_init(&out, algorithm, &x, &filters, &bias, &y, strides,
                                                         before, after);
  check(status, "a convolution");
  return out;
}

static bool is_wanted(const char *name, const onednn_way *ways, int64_t count) {
  if (strncmp(name, "ref", 3) == 0) return false;
  for (int64_t i = 0; i < count; i++)
    if (strcmp(ways[i].name, name) == 0) return false;
  return true;
}

static int64_t add_way(onednn_way *ways, int64_t count, dnnl_primitive_desc_t desc, const operand *list) {
  onednn_way *way = &ways[count];
  const char *name;
  check(dnnl_primitive_desc_query(desc, dnnl_query_impl_info_str, 0, &name), "an implementation's name");
  if (count == ONEDNN_WAYS || !is_wanted(name, ways, count)) {
    check(dnnl_primitive_desc_destroy(desc), "an implementation");
    return count;
  }
  *way = (onednn_way){.name = name, .desc = desc};
  for (const operand *o = list; o->argument; o++) {
    way->arrays[way->operand_count] = o->array;
    way->operands[way->operand_count++].arg = o->argument;
  }
  return count + 1;
}

int64_t onednn_ways(onednn_way ways[ONEDNN_WAYS], const cvy_conv_shape *shape, cvy_conv_pass pass) {
  /* dnnl_convolution_auto would be one of these. */
  static const dnnl_alg_kind_t algorithms[] = {dnnl_convolution_winograd, dnnl_convolution_direct};
  int64_t count = 0;
  for (int64_t i = 0; i < CVY_COUNT(algorithms); i++) {
    const dnnl_convolution_desc_t desc = describe(shape, pass, algorithms[i]);
    dnnl_primitive_desc_iterator_t at;
    if (dnnl_primitive_desc_iterator_create(&at, &desc, NULL, engine, NULL) != dnnl_success) continue;
    do count = add_way(ways, count, dnnl_primitive_desc_iterator_fetch(at), operands[pass]);
    while (dnnl_primitive_desc_iterator_next(at) == dnnl_success);
    check(dnnl_primitive_desc_iterator_destroy(at), "the list of implementations");
  }
  return count;
}

void onednn_forget(onednn_way *way) {
  onednn_close(way);
  check(dnnl_primitive_desc_destroy(way->desc), "an implementation");
}

/* ---- memory ---- */

static dnnl_memory_t memory_of(const dnnl_memory_desc_t *desc, void *data) {
  dnnl_memory_t memory;
  check(dnnl_memory_create(&memory, desc, engine, data), "memory");
  return memory;
}

static void copy(dnnl_memory_t to, dnnl_memory_t from) {
  const dnnl_memory_desc_t *to_desc, *from_desc;
  dnnl_primitive_desc_t desc;
  dnnl_primitive_t primitive;
  check(dnnl_memory_get_memory_desc(to, &to_desc), "a layout");
  check(dnnl_memory_get_memory_desc(from, &from_desc), "a layout");
  check(dnnl_reorder_primitive_desc_create(&desc, from_desc, engine, to_desc, engine, NULL), "a copy");
  check(dnnl_primitive_create(&primitive, desc), "a copy");
  const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
  check(dnnl_primitive_execute(primitive, stream, 2, arguments), "a copy");
  check(dnnl_stream_wait(stream), "a copy");
  check(dnnl_primitive_destroy(primitive), "a copy");
  check(dnnl_primitive_desc_destroy(desc), "a copy");
}

void onednn_open(onednn_way *way, const cvy_conv_shape *shape, float *const arrays[ARRAYS]) {
  check(dnnl_primitive_create(&way->primitive, way->desc), way->name);
  for (int i = 0; i < way->operand_count; i++) {
    dnnl_exec_arg_t *at = &way->operands[i];
    const onednn_array array = way->arrays[i];
    at->memory = memory_of(dnnl_primitive_desc_query_md(way->desc, dnnl_query_exec_arg_md, at->arg),
                           DNNL_MEMORY_ALLOCATE);
    if (array >= Y) continue;
    const dnnl_memory_desc_t ours_desc = our_layout(shape, array);
    const dnnl_memory_t ours = memory_of(&ours_desc, arrays[array]);
    copy(at->memory, ours);
    check(dnnl_memory_destroy(ours), "memory");
  }
}

void onednn_close(onednn_way *way) {
  if (!way->primitive) return;
  for (int i = 0; i < way->operand_count; i++) check(dnnl_memory_destroy(way->operands[i].memory), "memory");
  check(dnnl_primitive_destroy(way->primitive), way->name);
  way->primitive = NULL;
}

void onednn_run(const onednn_way *way) {
  check(dnnl_primitive_execute(way->primitive, stream, way->operand_count, way->operands), way->name);
  check(dnnl_stream_wait(stream), way->name);
}

void onednn_read(float *out, const onednn_way *way, const cvy_conv_shape *shape, onednn_array array) {
  const dnnl_memory_desc_t desc = our_layout(shape, array);
  const dnnl_memory_t ours = memory_of(&desc, out);
  for (int i = 0; i < way->operand_count; i++)
    if (way->arrays[i] == array) copy(ours, way->operands[i].memory);
  check(dnnl_memory_destroy(ours), "memory");
}
