/* `convoy plan`: how fast a network would train on a cluster. */
#include "base/fit.h"
#include "base/json.h"
#include "cmd/network.h"
#include "measure/outlook.h"

typedef struct options {
  int64_t nodes, ranks_per_node, threads, microbatch, batch, images, bucket, steps;
  double bandwidth, latency, cores, wire_cost;
  int conv, reduce;
  const char *times;
  bool ema, json;
} options;

enum { IMAGENET = 1281167 }; /* images of its training set */

static const cvy_option table[] = {
    {"nodes", CVY_INT, offsetof(options, nodes), "1", 1, CVY_OUTLOOK_RANKS, .help = "nodes of the cluster"},
    {"ranks-per-node", CVY_INT, offsetof(options, ranks_per_node), "1", 1, 1024,
     .help = "ranks on each of them"},
    {"threads", CVY_INT, offsetof(options, threads), "1", 1, 1024, .help = "computing threads a rank"},
    {"cores", CVY_FLOAT, offsetof(options, cores), "0", 0, 1e6,
     .help = "of a node; 0: enough for all computing and communication threads"},
    {"microbatch", CVY_INT, offsetof(options, microbatch), "16", 1, 1 << 20, .help = "images a pass"},
    {"batch", CVY_INT, offsetof(options, batch), "0", 0, 1 << 24,
     .help = "images a step on the whole cluster; 0: one microbatch a rank"},
    {"bandwidth", CVY_FLOAT, offsetof(options, bandwidth), "10", 1e-6, 1e6,
     .help = "Gbit/s of a node's link, each way; headers take 6 % of it"},
    {"latency", CVY_FLOAT, offsetof(options, latency), "30", 0, 1e9,
     .help = "microseconds from node to node, for a small message from one program to the other"},
    {"wire-cost", CVY_FLOAT, offsetof(options, wire_cost), "1", 0, 1e6,
     .help = "ns that a core works for a byte sent and one received, as 'convoy doctor' measures it: about 1 "
             "for TCP, 0 where the network adapter does it"},
    {"images", CVY_INT, offsetof(options, images), "1281167", 1, CVY_NO_LIMIT,
     .help = "in the training set, for the time of an epoch; ImageNet's if not given"},
    {"reduce", CVY_CHOICE, offsetof(options, reduce), "sharded", .max = CVY_EXCHANGE_MPI,
     .words = cvy_exchange_words, .help = "as a recipe's key"},
    {"bucket", CVY_INT, offsetof(options, bucket), "0", 0, 1 << 20,
     .help = "MiB, as a recipe's key; 0: whichever of 1, 4, 16 and 64 is best, as training finds it"},
    {"ema", CVY_BOOL, offsetof(options, ema), "false",
     .help = "reckon with the memory of an average of the weights, as a recipe's key"},
    {"times", CVY_STRING, offsetof(options, times), "",
     .help = "the layers' times: what 'convoy bench layers --json' printed; none: measured now"},
    {"steps", CVY_INT, offsetof(options, steps), "5", 1, 10000,
     .help = "that are measured, after one that warms up"},
    {"conv", CVY_CHOICE, offsetof(options, conv), "auto", .words = cvy_conv_words,
     .help = "algorithms of convolutions, as convoy bench's"},
    {"json", CVY_BOOL, offsetof(options, json), "false", .help = "print one JSON object"},
    {0}};

/* ---- for people ---- */

static void print_time(FILE *out, double seconds) {
  if (seconds < 600)
    fprintf(out, " %8.1f s", seconds);
  else if (seconds < 36000)
    fprintf(out, " %6.1f min", seconds / 60);
  else
    fprintf(out, " %8.1f h", seconds / 3600);
}

static void print_row(FILE *out, const cvy_outlook *outlook, const cvy_outlook_row *r) {
  fprintf(out, "%c%5" PRId64 " %6" PRId64 " %8" PRId64 " %10.2f %9.1f%% %10.1f%% %11.1f",
          r->ranks == outlook->ranks ? '*' : ' ', r->ranks, r->nodes, r->batch, 1e3 * r->step.step_s,
          100 * r->step.exposed_s / r->step.step_s, 100 * r->efficiency, r->images_per_s);
  print_time(out, r->epoch_s);
  fprintf(out, " %9.0f\n", 1e-6 * (double)cvy_plan_total(&r->memory));
}

/* Prints what is told only of the cluster that was asked about. */
static void print_own(FILE *out, const cvy_outlook_row *r) {
  const cvy_plan_memory *m = &r->memory;
  fprintf(out,
          "* a rank's MB: %.1f network, %.1f weights, %.1f gradients, %.1f optimiser, %.1f exchange, %.1f "
          "loader\n",
          1e-6 * (double)m->network, 1e-6 * (double)m->weights, 1e-6 * (double)m->gradients,
          1e-6 * (double)m->optimiser, 1e-6 * (double)m->exchange, 1e-6 * (double)m->loader);
  if (r->split > 0 && r->ranks > 1)
    fprintf(out,
            "* split layers: %.1f million parameters; their swaps take %.2f ms of a step, and %.1f MB of a "
            "node's %.1f\n",
            1e-6 * (double)r->split, 1e3 * r->step.swap_s, 1e-6 * r->step.swapped_bytes,
            1e-6 * r->step.sent_bytes);
}

static void print_text(const cvy_outlook *outlook, const options *o) {
  cvy_fitted fitted;
  FILE *out = cvy_fit_begin(&fitted, stdout);
  fprintf(out,
          "%s: %" PRId64 " microbatch%s of %" PRId64 " images a rank, %" PRId64 " thread%s, %" PRId64
          " rank%s a node, %g Gbit/s, %g us\n",
          outlook->network, outlook->microbatches, outlook->microbatches > 1 ? "es" : "", o->microbatch,
          o->threads, o->threads > 1 ? "s" : "", o->ranks_per_node, o->ranks_per_node > 1 ? "s" : "",
          o->bandwidth, o->latency);
  fprintf(out, "an epoch is a pass over %" PRId64 " images%s\n", o->images,
          o->images == IMAGENET ? ", those of ImageNet; --images N reckons with another dataset" : "");
  cvy_fit_lines(&fitted);
  out = cvy_fit_begin(&fitted, stdout);
  fprintf(out, "%6s %6s %8s %10s %10s %11s %11s %10s %9s\n", "ranks", "nodes", "batch", "step_ms", "exposed",
          "efficiency", "images/s", "epoch", "MB/rank");
  for (int64_t i = 0; i < outlook->row_count; i++) print_row(out, outlook, &outlook->rows[i]);
  cvy_fit_table(&fitted);
  out = cvy_fit_begin(&fitted, stdout);
  for (int64_t i = 0; i < outlook->row_count; i++)
    if (outlook->rows[i].ranks == outlook->ranks) print_own(out, &outlook->rows[i]);
  cvy_fit_lines(&fitted);
}

/* ---- for programs ---- */

static void json_memory(cvy_json *json, const cvy_plan_memory *m) {
  cvy_json_open(json, "memory_bytes", '{');
  cvy_json_int(json, "network", (int64_t)m->network);
  cvy_json_int(json, "weights", (int64_t)m->weights);
  cvy_json_int(json, "gradients", (int64_t)m->gradients);
  cvy_json_int(json, "optimiser", (int64_t)m->optimiser);
  cvy_json_int(json, "exchange", (int64_t)m->exchange);
  cvy_json_int(json, "loader", (int64_t)m->loader);
  cvy_json_int(json, "total", (int64_t)cvy_plan_total(m));
  cvy_json_close(json, '}');
}

static void json_row(cvy_json *json, const cvy_outlook_row *r) {
  cvy_json_open(json, NULL, '{');
  cvy_json_int(json, "ranks", r->ranks);
  cvy_json_int(json, "nodes", r->nodes);
  cvy_json_int(json, "batch", r->batch);
  cvy_json_int(json, "bucket_mib", r->bucket_mib);
  cvy_json_number(json, "step_s", r->step.step_s, 6);
  cvy_json_number(json, "compute_s", r->step.compute_s, 6);
  cvy_json_number(json, "exposed_s", r->step.exposed_s, 6);
  cvy_json_number(json, "exchange_s", r->step.exchange_s, 6);
  cvy_json_number(json, "exchange_cpu_s", r->step.exchange_cpu_s, 6);
  cvy_json_number(json, "node_sends_bytes", r->step.sent_bytes, 12);
  cvy_json_int(json, "split_parameters", r->split);
  cvy_json_number(json, "swap_s", r->step.swap_s, 6);
  cvy_json_number(json, "node_swaps_bytes", r->step.swapped_bytes, 12);
  cvy_json_number(json, "efficiency", r->efficiency, 6);
  cvy_json_number(json, "img_s", r->images_per_s, 6);
  cvy_json_number(json, "epoch_s", r->epoch_s, 6);
  json_memory(json, &r->memory);
  cvy_json_close(json, '}');
}

static void print_json(const cvy_outlook *outlook, const options *o) {
  cvy_json json = {.out = stdout};
  cvy_json_open(&json, NULL, '{');
  cvy_json_text(&json, "network", outlook->network);
  cvy_json_int(&json, "parameters", outlook->param_count);
  cvy_json_int(&json, "microbatch", o->microbatch);
  cvy_json_int(&json, "microbatches", outlook->microbatches);
  cvy_json_int(&json, "ranks", outlook->ranks);
  cvy_json_int(&json, "images", o->images);
  cvy_json_number(&json, "add_ns_per_byte", 1e9 * outlook->cluster.add_s_per_byte, 4);
  cvy_json_number(&json, "copy_ns_per_byte", 1e9 * outlook->cluster.copy_s_per_byte, 4);
  cvy_json_open(&json, "rows", '[');
  for (int64_t i = 0; i < outlook->row_count; i++) json_row(&json, &outlook->rows[i]);
  cvy_json_close(&json, ']');
  cvy_json_close(&json, '}');
  putchar('\n');
}

/* ---- the command ---- */

static cvy_err run(const cvy_arguments *arguments, const void *config, const void *further) {
  (void)further;
  const options *o = config;
  cvy_yaml *network;
  cvy_outlook outlook;
  CVY_TRY(cvy_network_from_words(&network, arguments, 0));
  cvy_threads_set(cvy_int(o->threads));
  const cvy_outlook_options asked = {
      .network = network,
      .nodes = o->nodes,
      .cluster = {.ranks_per_node = o->ranks_per_node,
                  .cores = o->cores,
                  .latency_s = 1e-6 * o->latency,
                  .wire_bytes_per_s = cvy_plan_wire_bytes_per_s(o->bandwidth),
                  .wire_s_per_byte = 1e-9 * o->wire_cost},
      .microbatch = o->microbatch,
      .batch = o->batch,
      .images = o->images,
      .bucket_mib = o->bucket,
      .way = (cvy_exchange_way)o->reduce,
      .averages = o->ema,
      .convolution = (cvy_conv_choice)o->conv,
      .times = o->times[0] ? o->times : NULL,
      .steps = o->steps,
  };
  CVY_TRY(cvy_outlook_make(&outlook, arguments->pool, &asked));
  (o->json ? print_json : print_text)(&outlook, o);
  return CVY_OK;
}

static const cvy_kind kind = {"plan", "how fast a network would train on a cluster", table, sizeof(options)};

const cvy_command cvy_command_plan = {
    .kind = &kind,
    .usage = "NETWORK [parameter=value ...] [options]",
    .description =
        "Foretells a training step on 1, 2, 4, ... 4096 ranks, each with as many microbatches as on the\n"
        "cluster that is described (marked *): from the times of the layers, measured here on --threads\n"
        "threads, and a model of the exchange of gradients, block by block along the tree, while backward\n"
        "goes on. Only rank counts are shown that fill their nodes and that the tree of such a batch\n"
        "allows.\n"
        "\n"
        "  exposed     the share of a step in which a rank waits for gradients, and for the swaps of split\n"
        "              layers\n"
        "  efficiency  images/s, of ranks times what one does\n"
        "  epoch       the time of a pass over --images images, without evaluation\n"
        "  MB/rank     of the plan and its buffers, without libraries, on rank 0, which has most; SGD with\n"
        "              momentum, and with --ema averaged weights\n"
        "\n"
        "Layers with 'parallel: sharded' (or auto, where it pays at that batch) send no gradients of their\n"
        "weights, but swap their inputs, outputs and both's gradients: every rank with all others at once,\n"
        "in a latency and what the link takes for the bytes. All ranks have room for all weights; of the\n"
        "rule's state each has its part.\n"
        "\n"
        "Efficiency may pass 100 %: ranks share the update, which one does alone. Nodes are taken to be\n"
        "like this machine. --wire-cost and --cores matter where cores are scarce: TCP's work is done by\n"
        "them. What convoy doctor says of --latency and --bandwidth may be put in here.\n"
        "\n"
        "  convoy plan vgg16 parallel=auto --nodes 8 --threads 16 --microbatch 16\n"
        "  convoy plan vgg16 --nodes 8 --ranks-per-node 2 --threads 16 --bandwidth 10 --latency 30\n"
        "  convoy bench layers vgg16 --batch 16 --json >times.json\n"
        "  convoy plan vgg16 --times times.json --nodes 4",
    .more_help = cvy_print_networks,
    .run = run};
