/* Runs every convolution of a network, pass by pass, in Convoy and in oneDNN, in turn in one process.
 * README.md says how they are compared. That both have computed the same is checked; how fast they are
 * decides nothing. */
#include "base/json.h"
#include "base/options.h"
#include "bench/onednn.h"
#include "layer/shapes.h"
#include "math/gemm.h"
#include "net/net.h"
#include "train/find.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct options {
  int64_t batch, rounds, threads;
  bool json;
} options;

static const cvy_option table[] = {
    {"batch", CVY_INT, offsetof(options, batch), "8", 1, 1 << 16, .help = "images"},
    {"rounds", CVY_INT, offsetof(options, rounds), "5", 1, 1000, .help = "turns of each"},
    {"threads", CVY_INT, offsetof(options, threads), "1", 1, 1024, .help = "computing threads of each"},
    {"json", CVY_BOOL, offsetof(options, json), "false", .help = "print one JSON object, with every turn"},
    {0}};

/* What Convoy should reach of oneDNN's speed. */
static const struct {
  const char *name;
  double share;
} passes[CVY_CONV_PASSES] = {[CVY_CONV_FORWARD] = {"forward", 0.95},
                             [CVY_CONV_BACKWARD_DATA] = {"data", 0.95},
                             [CVY_CONV_BACKWARD_FILTERS] = {"filters", 0.90}};

/* A turn repeats its call for turn_s. An implementation that was `chance` times slower than another when
 * they were tried gets no turns. After rest_s OpenMP's threads, which spin where they wait, are asleep. Two
 * results may differ by `tolerance` of their size, both in the root mean square. */
static const double turn_s = 0.05, chance = 1.5, rest_s = 0.01, tolerance = 1e-4;

/* ---- the layers of a network ---- */

typedef struct layer {
  const char *name;  /* of the first one of this shape */
  int64_t count;     /* how many there are */
  bool reads_images; /* if so, nobody wants a gradient of what it reads */
  cvy_conv_shape shape;
} layer;

typedef struct layers {
  int64_t count;
  layer *layers;
} layers;

/* Counts the operations of a direct convolution, which are the same for each pass. */
static double flop_of(const cvy_conv_shape *shape) {
  const cvy_window *g = &shape->window;
  const int64_t outputs = shape->n * g->oh * g->ow * shape->k;
  return 2.0 * (double)outputs * (double)(g->r * g->s * g->c / shape->groups);
}

static cvy_err read_shape(cvy_conv_shape *out, const cvy_net_info *info, const cvy_net_layer *l) {
  const cvy_shape x = l->inputs[0] < 0 ? info->input : info->layers[l->inputs[0]].y;
  *out = (cvy_conv_shape){.n = x.n, .k = l->y.c, .groups = 1};
  CVY_TRY(cvy_sliding_place(&out->window, &l->sliding, x));
  out->groups = (int64_t)(flop_of(out) / (2.0 * (double)x.n * (double)l->multiply_adds));
  return CVY_OK;
}

static bool same_shape(const cvy_conv_shape *a, const cvy_conv_shape *b) {
  return memcmp(a, b, sizeof *a) == 0;
}

static void add_layer(layers *out, cvy_pool *pool, const cvy_net_layer *l, const cvy_conv_shape *shape) {
  const bool reads_images = l->inputs[0] < 0;
  int64_t i = 0;
  while (i < out->count && !same_shape(&out->layers[i].shape, shape)) i++;
  layer *at = &out->layers[i];
  if (i == out->count) {
    *at = (layer){cvy_pool_format(pool, "%s", l->name), 0, reads_images, *shape};
    out->count++;
  }
  at->count++;
  at->reads_images = at->reads_images && reads_images;
}

static cvy_err read_layers(layers *out, cvy_pool *pool, const cvy_net_info *info) {
  out->layers = cvy_pool_new(pool, sizeof *out->layers * (size_t)info->layer_count);
  for (int64_t i = 0; i < info->layer_count; i++) {
    cvy_conv_shape shape;
    if (strcmp(info->layers[i].type, "conv") != 0) continue;
    CVY_TRY(read_shape(&shape, info, &info->layers[i]));
    add_layer(out, pool, &info->layers[i], &shape);
  }
  if (out->count > 0) return CVY_OK;
  return cvy_error(CVY_E_INPUT, "%s has no convolution", info->name);
}

/* ---- arrays ---- */

/* What the turns of one side have taken, and how much of that the processor has worked for it, all threads
 * together. */
typedef struct usage {
  double passed_s, used_s;
} usage;

/* What one layer works on. */
typedef struct work {
  const options *options;
  usage *usages; /* Convoy's and oneDNN's */
  cvy_conv_plan plan;
  float *arrays[ARRAYS];
  int64_t counts[ARRAYS];
  float *other; /* a result of oneDNN's, to compare */
  void *scratch;
} work;

static void count_arrays(work *w) {
  const cvy_conv_shape *shape = &w->plan.shape;
  const cvy_window *g = &shape->window;
  w->counts[X] = w->counts[DX] = shape->n * g->h * g->w * g->c;
  w->counts[Y] = w->counts[DY] = shape->n * g->oh * g->ow * shape->k;
  w->counts[FILTERS] = w->counts[DFILTERS] = g->r * g->s * g->c / shape->groups * shape->k;
  w->counts[BIAS] = w->counts[DBIAS] = shape->k;
}

static cvy_err floats_create(float **out, int64_t count) {
  void *memory;
  const cvy_err err = cvy_buffer_create(&memory, sizeof **out * (size_t)count, "a layer's arrays");
  *out = memory;
  return err;
}

/* Fills in random numbers, which come again after a while. */
static void fill(float *values, int64_t count, onednn_array array) {
  enum { PERIOD = 65521 }; /* a prime, so no two channels or pixels are alike */
  cvy_random where = {.seed = 1, .purpose = CVY_FOR_TEST, .layer = array};
  for (int64_t i = 0; i < count; i++)
    values[i] = i < PERIOD ? (float)cvy_random_next_gaussian(&where) : values[i - PERIOD];
}

static cvy_err work_create(work *w, const cvy_conv_shape *shape) {
  int64_t most = 0;
  cvy_conv_plan_make(&w->plan, shape, CVY_CONV_AUTO, CVY_CONV_ALL);
  count_arrays(w);
  for (onednn_array a = 0; a < ARRAYS; a++) {
    CVY_TRY(floats_create(&w->arrays[a], w->counts[a]));
    if (a < Y) fill(w->arrays[a], w->counts[a], a);
    if (w->counts[a] > most) most = w->counts[a];
  }
  CVY_TRY(floats_create(&w->other, most));
  return cvy_buffer_create(&w->scratch, cvy_conv_scratch_bytes(&w->plan, cvy_threads()), "the scratch");
}

static void work_destroy(work *w) {
  for (onednn_array a = 0; a < ARRAYS; a++) cvy_buffer_destroy(w->arrays[a]);
  cvy_buffer_destroy(w->other);
  cvy_buffer_destroy(w->scratch);
}

/* ---- turns ---- */

/* The competitors in one pass of one layer: Convoy, then implementations of oneDNN's. */
typedef struct race {
  const work *work;
  cvy_conv_pass pass;
  int64_t count; /* oneDNN's */
  onednn_way ways[ONEDNN_WAYS];
  double *seconds[1 + ONEDNN_WAYS]; /* of each, by round */
} race;

static void run_ours(const work *w, cvy_conv_pass pass) {
  float *const *a = w->arrays;
  if (pass == CVY_CONV_FORWARD)
    cvy_conv_forward(&w->plan, a[Y], a[X], a[FILTERS], a[BIAS], w->scratch);
  else if (pass == CVY_CONV_BACKWARD_DATA)
    cvy_conv_backward_data(&w->plan, a[DX], a[DY], a[FILTERS], w->scratch);
  else
    cvy_conv_backward_filters(&w->plan, a[DFILTERS], a[DBIAS], a[X], a[DY], w->scratch);
}

static void run(const race *r, int64_t who) {
  if (who == 0)
    run_ours(r->work, r->pass);
  else
    onednn_run(&r->ways[who - 1]);
}

static double processor_s(void) {
  struct timespec used;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return (double)used.tv_sec + 1e-9 * (double)used.tv_nsec;
}

/* Returns the seconds of a call. */
static double take_turn(const race *r, int64_t who) {
  usage *side = &r->work->usages[who > 0];
  if (r->work->options->threads > 1) nanosleep(&(struct timespec){.tv_nsec = (long)(1e9 * rest_s)}, NULL);
  const double used_s = processor_s(), start_s = cvy_now_s();
  double passed_s;
  int64_t calls = 0;
  do {
    run(r, who);
    calls++;
    passed_s = cvy_now_s() - start_s;
  } while (passed_s < turn_s);
  side->used_s += processor_s() - used_s;
  side->passed_s += passed_s;
  return passed_s / (double)calls;
}

static void run_rounds(race *r) {
  for (int64_t round = 0; round < r->work->options->rounds; round++)
    for (int64_t i = 0; i <= r->count; i++) {
      /* Every second round goes the other way, so that nobody always comes after the same neighbour. */
      const int64_t who = round % 2 ? r->count - i : i;
      r->seconds[who][round] = take_turn(r, who);
    }
}

/* ---- oneDNN's ways ---- */

static double difference(const float *a, const float *b, int64_t count) {
  double apart = 0, size = 0;
  for (int64_t i = 0; i < count; i++) {
    apart += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    size += (double)b[i] * (double)b[i];
  }
  return sqrt(apart / size);
}

static cvy_err compare(const race *r, const onednn_way *way) {
  const work *w = r->work;
  for (int i = 0; i < way->operand_count; i++) {
    const onednn_array a = way->arrays[i];
    if (a < Y) continue;
    onednn_read(w->other, way, &w->plan.shape, a);
    const double apart = difference(w->arrays[a], w->other, w->counts[a]);
    if (!(apart < tolerance))
      return cvy_error(CVY_E_RUN, "%s and oneDNN's %s differ by %.2g, and should by less than %.0e",
                       w->plan.ways[r->pass].algorithm->name, way->name, apart, tolerance);
  }
  return CVY_OK;
}

/* Drops what takes too long to be the best. */
static void select_ways(race *r, const double *seconds) {
  double least_s = INFINITY;
  int64_t kept = 0;
  for (int64_t i = 0; i < r->count; i++) least_s = fmin(least_s, seconds[i]);
  for (int64_t i = 0; i < r->count; i++)
    if (seconds[i] <= chance * least_s)
      r->ways[kept++] = r->ways[i];
    else
      onednn_forget(&r->ways[i]);
  r->count = kept;
}

static cvy_err try_ways(race *r) {
  double seconds[ONEDNN_WAYS];
  const work *w = r->work;
  r->count = onednn_ways(r->ways, &w->plan.shape, r->pass);
  if (r->count == 0) return cvy_error(CVY_E_RUN, "oneDNN has no implementation");
  run(r, 0);
  for (int64_t i = 0; i < r->count; i++) {
    onednn_open(&r->ways[i], &w->plan.shape, w->arrays);
    run(r, 1 + i); /* this call touches all memory */
    CVY_TRY(compare(r, &r->ways[i]));
    seconds[i] = take_turn(r, 1 + i);
    onednn_close(&r->ways[i]);
  }
  select_ways(r, seconds);
  for (int64_t i = 0; i < r->count; i++) {
    onednn_open(&r->ways[i], &w->plan.shape, w->arrays);
    run(r, 1 + i);
  }
  return CVY_OK;
}

/* ---- what came out ---- */

typedef struct result {
  const layer *layer;
  cvy_conv_pass pass;
  const char *ours, *theirs;
  double flop;
  const double *our_s, *their_s; /* by round */
  cvy_spread ratio;              /* of speeds: above 1 Convoy is faster */
} result;

static int by_value(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static cvy_spread spread_of(const double *values, int64_t count) {
  double sorted[1000];
  CVY_CHECK(count <= CVY_COUNT(sorted));
  memcpy(sorted, values, sizeof *values * (size_t)count);
  qsort(sorted, (size_t)count, sizeof *sorted, by_value);
  return (cvy_spread){(sorted[(count - 1) / 2] + sorted[count / 2]) / 2, sorted[0], sorted[count - 1]};
}

static void fill_result(result *out, cvy_pool *pool, const race *r) {
  const int64_t rounds = r->work->options->rounds;
  int64_t best = 1;
  for (int64_t i = 2; i <= r->count; i++)
    if (spread_of(r->seconds[i], rounds).median < spread_of(r->seconds[best], rounds).median) best = i;
  out->ours = r->work->plan.ways[r->pass].algorithm->name;
  out->theirs = cvy_pool_format(pool, "%s", r->ways[best - 1].name);
  out->flop = flop_of(&r->work->plan.shape);
  out->our_s = r->seconds[0];
  out->their_s = r->seconds[best];
  double *ratios = cvy_pool_new(pool, sizeof *ratios * (size_t)rounds);
  for (int64_t i = 0; i < rounds; i++) ratios[i] = out->their_s[i] / out->our_s[i];
  out->ratio = spread_of(ratios, rounds);
}

static cvy_err measure(result *out, cvy_pool *pool, const work *w) {
  race r = {.work = w, .pass = out->pass};
  const cvy_err err = try_ways(&r);
  for (int64_t i = 0; i <= r.count; i++)
    r.seconds[i] = cvy_pool_new(pool, sizeof *r.seconds[i] * (size_t)w->options->rounds);
  if (!err) {
    run_rounds(&r);
    fill_result(out, pool, &r);
  }
  for (int64_t i = 0; i < r.count; i++) onednn_forget(&r.ways[i]);
  if (err) return cvy_error_in(err, "%s, %s", out->layer->name, passes[out->pass].name);
  return CVY_OK;
}

/* All that came out so far. */
typedef struct report {
  const options *options;
  const char *network;
  layers layers;
  int64_t count;
  result *results;
  usage usages[2]; /* Convoy's and oneDNN's */
  cvy_json json;
} report;

/* Returns GFLOP/s, the median of the rounds. */
static double speed(const report *out, const result *r, const double *seconds) {
  return 1e-9 * r->flop / spread_of(seconds, out->options->rounds).median;
}

/* Returns the share of its cores' time that a side has got in its turns; somebody else had the rest, or a
 * thread slept. */
static double share(const report *out, int side) {
  return out->usages[side].used_s / out->usages[side].passed_s / (double)out->options->threads;
}

/* ---- for people ---- */

enum { CELL = 64 };

static void name_text(char out[CELL], const layer *l) {
  snprintf(out, CELL, l->count > 1 ? "%s (%" PRId64 ")" : "%s", l->name, l->count);
}

static int width_of_names(const layers *all) {
  int width = 5;
  for (int64_t i = 0; i < all->count; i++) {
    char name[CELL];
    name_text(name, &all->layers[i]);
    if ((int)strlen(name) > width) width = (int)strlen(name);
  }
  return width;
}

static void print_heading(const report *out) {
  const options *o = out->options;
  printf("%s: convolutions of %" PRId64 " images, %" PRId64 " thread%s, median of %" PRId64
         "; Convoy (%s, %s), oneDNN %s\n",
         out->network, o->batch, o->threads, o->threads > 1 ? "s" : "", o->rounds, cvy_blas_core(),
         cvy_kernels_get()->name, onednn_version());
  printf("%-*s %-11s %-12s %-7s %-8s %7s  %-24s %7s  %s\n", width_of_names(&out->layers), "layer", "input",
         "filters", "pass", "Convoy", "GFLOP/s", "oneDNN", "GFLOP/s", "ratio (lowest ... highest)");
}

/* Writes "3x3x64", "7x7x64/2" or "5x5x256 by 2": strides and groups other than 1 are said. */
static void filters_text(char out[CELL], const cvy_conv_shape *shape) {
  const cvy_window *g = &shape->window;
  int used = snprintf(out, CELL, "%" PRId64 "x%" PRId64 "x%" PRId64, g->r, g->s, shape->k);
  if (g->stride_h != 1 || g->stride_w != 1)
    used += snprintf(out + used, (size_t)(CELL - used), "/%" PRId64, g->stride_h);
  if (shape->groups > 1) snprintf(out + used, (size_t)(CELL - used), " by %" PRId64, shape->groups);
}

static void print_result(const report *out, const result *r) {
  const layer *l = r->layer;
  const cvy_window *g = &l->shape.window;
  char name[CELL], input[CELL], filters[CELL];
  name_text(name, l);
  snprintf(input, CELL, "%" PRId64 "x%" PRId64 "x%" PRId64, g->h, g->w, g->c);
  filters_text(filters, &l->shape);
  printf("%-*s %-11s %-12s %-7s %-8s %7.1f  %-24s %7.1f  %5.3f (%5.3f ... %5.3f)\n",
         width_of_names(&out->layers), name, input, filters, passes[r->pass].name, r->ours,
         speed(out, r, r->our_s), r->theirs, speed(out, r, r->their_s), r->ratio.median, r->ratio.lowest,
         r->ratio.highest);
  fflush(stdout);
}

static void print_shares(const report *out) {
  printf("\nshare of the cores: Convoy %.0f %%, oneDNN %.0f %%\n", 100 * share(out, 0), 100 * share(out, 1));
}

static void print_misses(const report *out) {
  int64_t misses = 0;
  fputs("below", stdout);
  for (cvy_conv_pass p = 0; p < CVY_CONV_PASSES; p++)
    printf("%s %.2f %s", p > 0 ? "," : "", passes[p].share, passes[p].name);
  puts(":");
  for (int64_t i = 0; i < out->count; i++) {
    const result *r = &out->results[i];
    if (r->ratio.median >= passes[r->pass].share) continue;
    printf("  %-*s %-7s %5.3f\n", width_of_names(&out->layers), r->layer->name, passes[r->pass].name,
           r->ratio.median);
    misses++;
  }
  if (misses == 0) puts("  none");
}

/* ---- JSON ---- */

static void json_heading(report *out) {
  const options *o = out->options;
  cvy_json *json = &out->json;
  cvy_json_open(json, NULL, '{');
  cvy_json_text(json, "network", out->network);
  cvy_json_int(json, "batch", o->batch);
  cvy_json_int(json, "threads", o->threads);
  cvy_json_int(json, "rounds", o->rounds);
  cvy_json_text(json, "blas", cvy_blas_core());
  cvy_json_text(json, "kernels", cvy_kernels_get()->name);
  cvy_json_text(json, "onednn", onednn_version());
  cvy_json_open(json, "passes", '[');
}

static void json_shape(cvy_json *json, const cvy_conv_shape *shape) {
  const cvy_window *g = &shape->window;
  const struct {
    const char *name;
    int64_t value;
  } sizes[] = {{"h", g->h},
               {"w", g->w},
               {"c", g->c},
               {"k", shape->k},
               {"r", g->r},
               {"s", g->s},
               {"groups", shape->groups},
               {"stride_h", g->stride_h},
               {"stride_w", g->stride_w},
               {"top", g->top},
               {"left", g->left},
               {"oh", g->oh},
               {"ow", g->ow}};
  for (int64_t i = 0; i < CVY_COUNT(sizes); i++) cvy_json_int(json, sizes[i].name, sizes[i].value);
}

static void json_side(report *out, const char *side, const result *r, const char *name,
                      const double *seconds) {
  cvy_json *json = &out->json;
  cvy_json_open(json, side, '{');
  cvy_json_text(json, "algorithm", name);
  cvy_json_number(json, "gflop_s", speed(out, r, seconds), 6);
  cvy_json_open(json, "seconds", '[');
  for (int64_t i = 0; i < out->options->rounds; i++) cvy_json_number(json, NULL, seconds[i], 6);
  cvy_json_close(json, ']');
  cvy_json_close(json, '}');
}

static void json_result(report *out, const result *r) {
  cvy_json *json = &out->json;
  cvy_json_open(json, NULL, '{');
  cvy_json_text(json, "layer", r->layer->name);
  cvy_json_int(json, "layers", r->layer->count);
  json_shape(json, &r->layer->shape);
  cvy_json_text(json, "pass", passes[r->pass].name);
  cvy_json_number(json, "gflop", 1e-9 * r->flop, 12);
  json_side(out, "convoy", r, r->ours, r->our_s);
  json_side(out, "onednn", r, r->theirs, r->their_s);
  cvy_json_open(json, "ratio", '{');
  cvy_json_number(json, "median", r->ratio.median, 6);
  cvy_json_number(json, "lowest", r->ratio.lowest, 6);
  cvy_json_number(json, "highest", r->ratio.highest, 6);
  cvy_json_close(json, '}');
  cvy_json_number(json, "wanted", passes[r->pass].share, 6);
  cvy_json_close(json, '}');
}

/* ---- either ---- */

static void begin(report *out) {
  if (out->options->json)
    json_heading(out);
  else
    print_heading(out);
}

static void add(report *out, const result *r) {
  out->results[out->count++] = *r;
  if (out->options->json)
    json_result(out, r);
  else
    print_result(out, r);
}

static void end(report *out) {
  if (!out->options->json) {
    print_shares(out);
    print_misses(out);
    return;
  }
  cvy_json_close(&out->json, ']');
  cvy_json_number(&out->json, "convoy_share", share(out, 0), 6);
  cvy_json_number(&out->json, "onednn_share", share(out, 1), 6);
  cvy_json_close(&out->json, '}');
  putchar('\n');
}

/* ---- the program ---- */

static void print_help(void) {
  puts("usage: conv_layers [NETWORK [parameter=value ...]] [options]\n"
       "\n"
       "Every convolution of a network [vgg16], each shape once, forward and the gradients of data "
       "and filters: Convoy and\n"
       "the fastest of oneDNN's implementations in turn. GFLOP/s count a direct convolution's "
       "operations; a ratio above 1\n"
       "says that Convoy is faster. tests/bench/README.md tells what is compared.\n"
       "\n"
       "options:");
  cvy_options_help(stdout, table, "--");
}

/* Leaves the `count` words that are no options at the front of argv. */
static cvy_err parse(options *out, int *count, cvy_pool *pool, char **argv) {
  CVY_TRY(cvy_options_defaults(out, pool, table));
  *count = 0;
  for (char **at = argv + 1; *at; at++) {
    if (strncmp(*at, "--", 2) != 0) {
      argv[(*count)++] = *at;
      continue;
    }
    const cvy_option *option = table;
    while (option->name && strcmp(option->name, *at + 2) != 0) option++;
    if (!option->name) return cvy_error(CVY_E_USAGE, "unknown option %s; --help lists them all", *at);
    const char *value = option->type == CVY_BOOL ? "true" : *++at;
    if (!value) return cvy_error(CVY_E_USAGE, "--%s needs a value: %s", option->name, option->help);
    CVY_TRY(cvy_option_set(out, pool, option, value));
  }
  return CVY_OK;
}

static cvy_err load_layers(report *out, cvy_pool *pool, char **words, int count) {
  const char *path;
  cvy_yaml *settings = cvy_yaml_new_mapping(pool, "command line"), *description;
  cvy_net *net;
  CVY_TRY(cvy_find_yaml(&path, pool, count > 0 ? words[0] : "vgg16", "networks", NULL));
  for (int i = 1; i < count; i++) CVY_TRY(cvy_yaml_override(settings, pool, words[i]));
  CVY_TRY(cvy_network_load(&description, pool, path, settings));
  CVY_TRY(cvy_net_create(&net, description, out->options->batch, NULL));
  const cvy_net_info *info = cvy_net_describe(net);
  out->network = cvy_pool_format(pool, "%s", info->name);
  const cvy_err err = read_layers(&out->layers, pool, info);
  cvy_net_destroy(net);
  return err;
}

static cvy_err run_layer(report *out, cvy_pool *pool, const layer *l) {
  work w = {.options = out->options, .usages = out->usages};
  cvy_err err = work_create(&w, &l->shape);
  for (cvy_conv_pass pass = 0; pass < CVY_CONV_PASSES && !err; pass++) {
    if (pass == CVY_CONV_BACKWARD_DATA && l->reads_images) continue;
    result r = {.layer = l, .pass = pass};
    err = measure(&r, pool, &w);
    if (!err) add(out, &r);
  }
  work_destroy(&w);
  return err;
}

static cvy_err run_all(cvy_pool *pool, char **argv) {
  options o;
  report out = {.options = &o, .json.out = stdout};
  int words;
  CVY_TRY(parse(&o, &words, pool, argv));
  cvy_threads_set(cvy_int(o.threads));
  onednn_start(cvy_int(o.threads));
  CVY_TRY(load_layers(&out, pool, argv, words));
  out.results = cvy_pool_new(pool, sizeof *out.results * (size_t)(CVY_CONV_PASSES * out.layers.count));
  begin(&out);
  for (int64_t i = 0; i < out.layers.count; i++) CVY_TRY(run_layer(&out, pool, &out.layers.layers[i]));
  end(&out);
  return CVY_OK;
}

int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++)
    if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
      print_help();
      return 0;
    }
  cvy_pool *pool = cvy_pool_create();
  const cvy_err err = run_all(pool, argv);
  if (err) fprintf(stderr, "conv_layers: %s\n", cvy_err_message());
  cvy_pool_destroy(pool);
  return cvy_err_exit_code(err);
}
