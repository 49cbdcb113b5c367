/* `convoy bench`: the words and options of all its measurements, and what a step and its layers cost. */
#include "cmd/bench.h"

#include "base/fit.h"
#include "base/json.h"
#include "base/utf8.h"
#include "cmd/network.h"
#include "math/conv.h"
#include "math/gemm.h"
#include "math/kernels.h"
#include "measure/bench.h"
#include "train/find.h"

#include <string.h>

typedef struct options {
  int64_t batch, threads, steps, microbatches, bucket;
  int conv, reduce;
  const char *recipe;
  bool json;
} options;

static const cvy_option table[] = {
    {"batch", CVY_INT, offsetof(options, batch), "16", 1, 1 << 20, .help = "images in a microbatch"},
    {"threads", CVY_INT, offsetof(options, threads), "1", 1, 1024, .help = "computing threads"},
    {"steps", CVY_INT, offsetof(options, steps), "5", 1, 10000,
     .help = "steps, microbatches of input, or sums, that are measured, after one that warms up"},
    {"conv", CVY_CHOICE, offsetof(options, conv), "auto", .words = cvy_conv_words,
     .help = "algorithms of convolutions: the fastest for each shape, or the plain way for all"},
    {"microbatches", CVY_INT, offsetof(options, microbatches), "1", 1, 1 << 16,
     .help = "of scaling: microbatches a rank and step"},
    {"reduce", CVY_CHOICE, offsetof(options, reduce), "sharded", .words = cvy_exchange_words,
     .help = "of scaling: as a recipe's key"},
    {"bucket", CVY_INT, offsetof(options, bucket), "4", 0, 1 << 20,
     .help = "of scaling: as a recipe's key; 0: the best, which each row measures first"},
    {"recipe", CVY_STRING, offsetof(options, recipe), "",
     .help = "of input: whose augmentations, order and cache; none: a random resized crop to 224x224 and "
             "mirroring, for photographs"},
    {"json", CVY_BOOL, offsetof(options, json), "false", .help = "print one JSON object"},
    {0}};

/* What was measured. */
typedef struct bench {
  const cvy_net_info *net;
  const options *options;
  const cvy_bench_result *result;
} bench;

static double giga_per_s(double flop, double seconds) {
  return seconds > 0 ? 1e-9 * flop / seconds : 0;
}

/* ---- for people ---- */

static void print_heading(const bench *b) {
  const options *o = b->options;
  cvy_fitted fitted;
  fprintf(cvy_fit_begin(&fitted, stdout),
          "%s: training steps of %" PRId64 " image%s on %" PRId64 " thread%s, median of %" PRId64
          " (%s, %s%s%s)\n",
          b->net->name, o->batch, o->batch > 1 ? "s" : "", o->threads, o->threads > 1 ? "s" : "", o->steps,
          cvy_blas_core(), cvy_kernels_get()->name, o->conv ? ", convolution: " : "",
          o->conv ? cvy_conv_words[o->conv] : "");
  cvy_fit_lines(&fitted);
}

static void print_ms(FILE *out, const char *name, cvy_spread s) {
  fprintf(out, "%-12s %10.2f   %.2f ... %.2f\n", name, 1e3 * s.median, 1e3 * s.lowest, 1e3 * s.highest);
}

/* Prints what is done in the time of `s`: fastest where that is lowest. */
static void print_speed(FILE *out, const char *name, double amount, cvy_spread s) {
  fprintf(out, "%-12s %10.2f   %.2f ... %.2f\n", name, amount / s.median, amount / s.highest,
          amount / s.lowest);
}

static void print_step(const bench *b) {
  const cvy_bench_result *r = b->result;
  cvy_fitted fitted;
  FILE *out = cvy_fit_begin(&fitted, stdout);
  print_heading(b);
  print_speed(out, "images/s", (double)b->options->batch, r->step_s);
  print_ms(out, "step_ms", r->step_s);
  print_ms(out, "forward_ms", r->forward_s);
  print_ms(out, "backward_ms", r->backward_s);
  print_ms(out, "update_ms", r->update_s);
  print_speed(out, "GFLOP/s", 1e-9 * r->flop, r->step_s);
  fprintf(out, "%-12s %10.1f\n", "peak_MB", 1e-6 * (double)r->peak_bytes);
  cvy_fit_table(&fitted);
}

enum { CELL = 64 };

static void speed_text(char out[CELL], double flop, double seconds) {
  out[0] = '\0';
  if (flop > 0) snprintf(out, CELL, "%.1f", giga_per_s(flop, seconds));
}

static void print_work(FILE *out, const bench *b, const cvy_bench_work *work) {
  char forward[CELL], backward[CELL];
  speed_text(forward, work->forward_flop, work->forward_s);
  speed_text(backward, work->backward_flop, work->backward_s);
  const double seconds = work->forward_s + work->backward_s;
  fprintf(out, " %10.3f %8s %11.3f %8s %10.3f %6.2f%%\n", 1e3 * work->forward_s, forward,
          1e3 * work->backward_s, backward, 1e3 * seconds, 100 * seconds / b->result->parts_s);
}

/* Writes "3x3", or "7x7/2" with a stride. */
static void kernel_text(char out[CELL], const cvy_sliding *s) {
  out[0] = '\0';
  if (s->kernel[0] == 0) return;
  const int used = snprintf(out, CELL, "%" PRId64 "x%" PRId64, s->kernel[0], s->kernel[1]);
  if (s->stride[0] != 1 || s->stride[1] != 1)
    snprintf(out + used, (size_t)(CELL - used), "/%" PRId64, s->stride[0]);
}

static void print_layer(FILE *out, const bench *b, int64_t index, int width) {
  const cvy_net_layer *l = &b->net->layers[index];
  char kernel[CELL], output[CELL];
  kernel_text(kernel, &l->sliding);
  snprintf(output, CELL, "%" PRId64 "x%" PRId64 "x%" PRId64, l->y.h, l->y.w, l->y.c);
  fprintf(out, "%-*s %-15s %-7s %-12s", cvy_utf8_pad(l->name, width), l->name, l->type, kernel, output);
  print_work(out, b, &b->result->layers[index]);
}

/* Prints a row of the totals without a pass of its own. */
static void print_part(FILE *out, const bench *b, const char *name, double seconds, int width) {
  fprintf(out, "%-*s %-15s %-7s %-12s %10s %8s %11s %8s %10.3f %6.2f%%\n", width, "total", name, "", "", "",
          "", "", "", 1e3 * seconds, 100 * seconds / b->result->parts_s);
}

static void print_totals(FILE *out, const bench *b, int width) {
  const cvy_bench_result *r = b->result;
  for (int64_t i = 0; i < r->type_count; i++) {
    const cvy_bench_type *t = &r->types[i];
    char layers[CELL];
    snprintf(layers, CELL, "%" PRId64 " layer%s", t->layers, t->layers > 1 ? "s" : "");
    fprintf(out, "%-*s %-15s %-7s %-12s", width, "total", t->name, "", layers);
    print_work(out, b, &t->work);
  }
  print_part(out, b, "losses, hits", r->losses_s, width);
  print_part(out, b, "update", r->update_s.median, width);
  print_part(out, b, "everything", r->parts_s, width);
  print_part(out, b, "all but conv, fc", r->else_s, width);
}

static void print_layers(const bench *b) {
  int width = 5;
  for (int64_t i = 0; i < b->net->layer_count; i++) {
    const int length = (int)cvy_utf8_columns(b->net->layers[i].name);
    if (length > width) width = length;
  }
  cvy_fitted fitted;
  print_heading(b);
  FILE *out = cvy_fit_begin(&fitted, stdout);
  fprintf(out, "%-*s %-15s %-7s %-12s %10s %8s %11s %8s %10s %7s\n", width, "layer", "type", "kernel",
          "output", "forward_ms", "GFLOP/s", "backward_ms", "GFLOP/s", "both_ms", "share");
  for (int64_t i = 0; i < b->net->layer_count; i++) print_layer(out, b, i, width);
  print_totals(out, b, width);
  cvy_fit_table(&fitted);
}

/* ---- JSON ---- */

static void json_spread(cvy_json *json, const char *key, cvy_spread s) {
  cvy_json_open(json, key, '{');
  cvy_json_number(json, "median", s.median, 6);
  cvy_json_number(json, "lowest", s.lowest, 6);
  cvy_json_number(json, "highest", s.highest, 6);
  cvy_json_close(json, '}');
}

static void json_step(cvy_json *json, const bench *b) {
  const cvy_bench_result *r = b->result;
  const double images = (double)b->options->batch;
  cvy_json_text(json, "network", b->net->name);
  cvy_json_int(json, "parameters", b->net->param_count);
  cvy_json_int(json, "batch", b->options->batch);
  cvy_json_int(json, "threads", b->options->threads);
  cvy_json_int(json, "steps", b->options->steps);
  cvy_json_text(json, "blas", cvy_blas_core());
  cvy_json_text(json, "kernels", cvy_kernels_get()->name);
  cvy_json_text(json, "convolution", cvy_conv_words[b->options->conv]);
  json_spread(json, "img_s",
              (cvy_spread){images / r->step_s.median, images / r->step_s.highest, images / r->step_s.lowest});
  json_spread(json, "step_s", r->step_s);
  json_spread(json, "forward_s", r->forward_s);
  json_spread(json, "backward_s", r->backward_s);
  json_spread(json, "update_s", r->update_s);
  cvy_json_number(json, "gflop", 1e-9 * r->flop, 12);
  cvy_json_number(json, "gflop_s", giga_per_s(r->flop, r->step_s.median), 6);
  cvy_json_number(json, "loss", r->loss, 9);
  cvy_json_int(json, "peak_bytes", (int64_t)r->peak_bytes);
}

static void json_work(cvy_json *json, const bench *b, const cvy_bench_work *work) {
  cvy_json_number(json, "forward_s", work->forward_s, 6);
  cvy_json_number(json, "backward_s", work->backward_s, 6);
  if (work->forward_flop > 0) {
    cvy_json_number(json, "forward_gflop", 1e-9 * work->forward_flop, 12);
    cvy_json_number(json, "backward_gflop", 1e-9 * work->backward_flop, 12);
    cvy_json_number(json, "forward_gflop_s", giga_per_s(work->forward_flop, work->forward_s), 6);
    cvy_json_number(json, "backward_gflop_s", giga_per_s(work->backward_flop, work->backward_s), 6);
  }
  cvy_json_number(json, "share", (work->forward_s + work->backward_s) / b->result->parts_s, 6);
  cvy_json_close(json, '}');
}

static void json_layers(cvy_json *json, const bench *b) {
  const cvy_bench_result *r = b->result;
  cvy_json_open(json, "layers", '[');
  for (int64_t i = 0; i < b->net->layer_count; i++) {
    cvy_json_open(json, NULL, '{');
    cvy_json_text(json, "name", b->net->layers[i].name);
    cvy_json_text(json, "type", b->net->layers[i].type);
    json_work(json, b, &r->layers[i]);
  }
  cvy_json_close(json, ']');
  cvy_json_open(json, "types", '[');
  for (int64_t i = 0; i < r->type_count; i++) {
    cvy_json_open(json, NULL, '{');
    cvy_json_text(json, "type", r->types[i].name);
    cvy_json_int(json, "layers", r->types[i].layers);
    json_work(json, b, &r->types[i].work);
  }
  cvy_json_close(json, ']');
  cvy_json_number(json, "losses_s", r->losses_s, 6);
  cvy_json_number(json, "parts_s", r->parts_s, 6);
  cvy_json_number(json, "else_share", r->else_s / r->parts_s, 6);
}

static void print_json(const bench *b) {
  cvy_json json = {.out = stdout};
  cvy_json_open(&json, NULL, '{');
  json_step(&json, b);
  if (b->result->layers) json_layers(&json, b);
  cvy_json_close(&json, '}');
  putchar('\n');
}

/* ---- the command ---- */

static cvy_err read_kind(bool *layers, const cvy_arguments *arguments) {
  static const char *const kinds[] = {"layers", "step", "input", "scaling", "allreduce"};
  CVY_TRY(
      cvy_expect_words(arguments, 1, INT64_MAX,
                       "'layers', 'step' or 'scaling' and a network, 'input' and a dataset, or 'allreduce'"));
  const char *word = arguments->words[0];
  *layers = strcmp(word, "layers") == 0;
  if (*layers || strcmp(word, "step") == 0) return CVY_OK;
  if (cvy_find_named(arguments->pool, word, "networks"))
    return cvy_error(CVY_E_USAGE,
                     "what is to be measured of '%s'? 'convoy bench step %s' or 'bench layers %s'", word,
                     word, word);
  return cvy_error(
      CVY_E_USAGE,
      "there is no measurement '%s'%s; there are 'layers', 'step', 'scaling', 'input' and 'allreduce'", word,
      cvy_meant(word, kinds, CVY_COUNT(kinds)));
}

static cvy_err run(const cvy_arguments *arguments, const void *config, const void *further) {
  (void)further;
  const options *o = config;
  cvy_bench_options bench_options = {.steps = o->steps};
  cvy_yaml *description;
  cvy_net *net;
  if (arguments->count > 0 && strcmp(arguments->words[0], "input") == 0)
    return cvy_run_bench_input(
        arguments,
        &(cvy_bench_input_options){
            .recipe = o->recipe, .batch = o->batch, .threads = o->threads, .microbatches = o->steps},
        o->json);
  if (arguments->count > 0 && strcmp(arguments->words[0], "allreduce") == 0)
    return cvy_run_bench_allreduce(arguments, &(cvy_bench_allreduce_options){o->steps, o->json});
  if (arguments->count > 0 && strcmp(arguments->words[0], "scaling") == 0)
    return cvy_run_bench_scaling(arguments,
                                 &(cvy_bench_scaling_options){o->batch, o->threads, o->steps, o->microbatches,
                                                              o->bucket, (cvy_exchange_way)o->reduce,
                                                              (cvy_conv_choice)o->conv, o->json});
  CVY_TRY(read_kind(&bench_options.layers, arguments));
  CVY_TRY(cvy_network_from_words(&description, arguments, 1));
  cvy_threads_set(cvy_int(o->threads));
  const cvy_net_wishes wishes = {.convolution = (cvy_conv_choice)o->conv};
  CVY_TRY(cvy_net_create(&net, description, o->batch, &wishes));
  cvy_net_warn(net);
  cvy_bench_result result;
  const cvy_err err = cvy_bench(&result, arguments->pool, net, &bench_options);
  const bench b = {cvy_net_describe(net), o, &result};
  if (!err && o->json)
    print_json(&b);
  else if (!err && bench_options.layers)
    print_layers(&b);
  else if (!err)
    print_step(&b);
  cvy_net_destroy(net);
  return err;
}

static const cvy_kind kind = {"bench", "how fast a network trains, and where the time goes", table,
                              sizeof(options)};

const cvy_command cvy_command_bench = {
    .kind = &kind,
    .usage = "step|layers|scaling NETWORK [parameter=value ...] [options], input DIR [options], or "
             "allreduce [MIB ...] [options]",
    .description =
        "Runs training steps of one microbatch in this process alone: forward, backward, and the update\n"
        "by SGD with momentum and weight decay, by the trainer's own functions, on random images made\n"
        "once. No data is read, and no gradients are summed over microbatches or ranks.\n"
        "\n"
        "  step    images/s, milliseconds of the step and its parts, GFLOP/s, and the most memory that\n"
        "          was resident: each the median of the steps, and from the lowest to the highest\n"
        "  layers  the median of every layer, forward and backward, with its share of the step; then the\n"
        "          totals by layer type and of all that is neither convolution nor fully connected. What\n"
        "          is added up where several layers read one value counts as backward of the reader.\n"
        "\n"
        "GFLOP/s count the operations of a direct convolution, two a multiply-add, whatever the\n"
        "algorithm: backward twice those of forward, or once for a layer that reads the image. NETWORK is\n"
        "a YAML file or the name of one that comes with convoy, and its parameters may be given other\n"
        "values.\n"
        "\n"
        "  input   images/s that the loader delivers from shards, and the share of its threads' time that\n"
        "          goes into read (bytes and their checksum), decode (JPEG, PNG), warp (scaling, turning,\n"
        "          bending, in whose loop the samples are normalised too), colour (augmentations that\n"
        "          compute samples) and copy (pixels at most moved or mirrored, normalised into the\n"
        "          microbatch)\n"
        "\n"
        "  allreduce  under mpirun: milliseconds for the sum of vectors of so many MiB over the ranks, by\n"
        "          the exact tree (all ranks use all sums, or each its part and hands on what it made of\n"
        "          them), MPI_Allreduce and MPI_Iallreduce in place; beside the bound: the time for\n"
        "          nothing but the bytes that a rank must send and receive, 2n(P-1)/P, at the speed at\n"
        "          which partners exchange in the same run\n"
        "\n"
        "  scaling under mpirun: the same on 1, 2, 4, ... of its ranks, with sums of gradients over the\n"
        "          ranks: images/s, efficiency (of ranks times what one does), the share of the step that\n"
        "          was waited for gradients (exposed), and the processor time of their exchange. Weak:\n"
        "          each rank has --microbatches of --batch images; strong: so many as all ranks have then\n"
        "          are shared by fewer.\n"
        "\n"
        "  mpirun -n 4 convoy bench scaling resnet18 --batch 16\n"
        "  mpirun -n 4 convoy bench allreduce 1 16 --steps 9\n"
        "  convoy bench input shards --recipe RECIPE --threads 2 --steps 100\n"
        "  convoy bench step resnet18 --batch 16 --threads 2\n"
        "  convoy bench layers vgg16 size=112 --batch 8 --steps 3",
    .more_help = cvy_print_networks,
    .run = run};
