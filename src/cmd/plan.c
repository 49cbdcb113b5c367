#include "base/json.h"
#include "cmd/network.h"
#include "math/conv.h"
#include "measure/bench.h"
#include "measure/plan.h"
#include "optim/optim.h"
#include "train/bucket.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_RANKS = 4096, PREFETCH = 4 };

typedef struct options {
  int64_t nodes, ranks_per_node, threads, microbatch, batch, images, bucket, steps;
  double bandwidth, latency, cores, wire_cost;
  int conv, reduce;
  const char *times;
  bool json;
} options;

static const char *const reduce_words[] = {
    [CVY_EXCHANGE_SHARDED] = "sharded", [CVY_EXCHANGE_WHOLE] = "whole", NULL};

static const cvy_option table[] = {
    {"nodes", CVY_INT, offsetof(options, nodes), "1", 1, MOST_RANKS, .help = "nodes of the cluster"},
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
     .help =
         "ns that a core works for a byte sent and one received, as 'convoy doctor' measures it: about 1 for TCP, 0 where the network adapter does it"},
    {"images", CVY_INT, offsetof(options, images), "1281167", 1, CVY_NO_LIMIT,
     .help = "in the training set, for the time of an epoch; ImageNet's if not given"},
    {"reduce", CVY_CHOICE, offsetof(options, reduce), "sharded", .words = reduce_words,
     .help = "as a recipe's key"},
    {"bucket", CVY_INT, offsetof(options, bucket), "0", 0, 1 << 20,
     .help = "MiB, as a recipe's key; 0: whichever of 1, 4, 16 and 64 is best, as training finds it"},
    {"times", CVY_STRING, offsetof(options, times), "",
     .help = "the layers' times: what 'convoy bench layers --json' printed; none: measured now"},
    {"steps", CVY_INT, offsetof(options, steps), "5", 1, 10000,
     .help = "that are measured, after one that warms up"},
    {"conv", CVY_CHOICE, offsetof(options, conv), "auto", .words = cvy_conv_words,
     .help = "algorithms of convolutions, as convoy bench's"},
    {"json", CVY_BOOL, offsetof(options, json), "false", .help = "print one JSON object"},
    {0}};

/* Of a full Ethernet frame of 1538 bytes with all that goes before and after it, 1448 are TCP's. */
static const double payload = 1448.0 / 1538.0;

typedef struct plan {
  const options *options;
  cvy_pool *pool;
  cvy_yaml *description;
  const cvy_net_info *net; /* whole */
  cvy_plan_work work;
  cvy_plan_cluster cluster;
} plan;

/* ---- the layers' times ---- */

static void set_layers(plan *p, double *forward_s, double *backward_s) {
  p->work.forward_s = forward_s;
  p->work.backward_s = backward_s;
}

static double *new_times(const plan *p) {
  return cvy_pool_new(p->pool, sizeof(double) * (size_t)p->net->layer_count);
}

static cvy_err measure(plan *p, cvy_net *net) {
  const cvy_bench_options bench = {.steps = p->options->steps, .layers = true};
  double *forward_s = new_times(p), *backward_s = new_times(p);
  cvy_bench_result result;
  CVY_TRY(cvy_bench(&result, p->pool, net, &bench));
  for (int64_t i = 0; i < p->net->layer_count; i++) {
    forward_s[i] = result.layers[i].forward_s;
    backward_s[i] = result.layers[i].backward_s;
  }
  p->work.losses_s = result.losses_s;
  p->work.update_s = result.update_s.median;
  set_layers(p, forward_s, backward_s);
  return CVY_OK;
}

static cvy_err get(const cvy_yaml **out, const cvy_yaml *from, const char *key) {
  *out = from->kind == CVY_YAML_MAPPING ? cvy_yaml_get(from, key) : NULL;
  return *out ? CVY_OK
              : cvy_yaml_error(from, "has no '%s'; --times takes what 'convoy bench layers --json' printed",
                               key);
}

static cvy_err get_number(double *out, const cvy_yaml *from, const char *key) {
  const cvy_yaml *node;
  char *end = NULL;
  CVY_TRY(get(&node, from, key));
  if (node->kind == CVY_YAML_SCALAR) *out = strtod(node->text, &end);
  if (!end || end == node->text || *end || !(*out >= 0 && *out < 1e9))
    return cvy_yaml_error(node, "'%s' is %s; it should be a number, from 0", key, cvy_yaml_describe(node));
  return CVY_OK;
}

static cvy_err expect_number(const cvy_yaml *from, const char *key, int64_t wanted, const char *option) {
  double value;
  CVY_TRY(get_number(&value, from, key));
  if ((int64_t)value == wanted) return CVY_OK;
  return cvy_yaml_error(from, "measured with %s %lld; --%s is %lld", key, (long long)value, option,
                        (long long)wanted);
}

static cvy_err read_layer(plan *p, double *forward_s, double *backward_s, const cvy_yaml *at, int64_t i) {
  const cvy_yaml *name;
  CVY_TRY(get(&name, at, "name"));
  if (name->kind != CVY_YAML_SCALAR || strcmp(name->text, p->net->layers[i].name) != 0)
    return cvy_yaml_error(name, "layer %lld is %s; network '%s' has '%s' there", (long long)i,
                          cvy_yaml_describe(name), p->net->name, p->net->layers[i].name);
  CVY_TRY(get_number(&forward_s[i], at, "forward_s"));
  return get_number(&backward_s[i], at, "backward_s");
}

static cvy_err read_times(plan *p) {
  cvy_yaml *root;
  const cvy_yaml *layers, *update;
  double *forward_s = new_times(p), *backward_s = new_times(p);
  CVY_TRY(cvy_yaml_load(&root, p->pool, p->options->times));
  CVY_TRY(get(&layers, root, "layers"));
  CVY_TRY(expect_number(root, "batch", p->net->input.n, "microbatch"));
  CVY_TRY(expect_number(root, "threads", p->options->threads, "threads"));
  if (layers->kind != CVY_YAML_SEQUENCE || layers->count != p->net->layer_count)
    return cvy_yaml_error(layers, "%lld layers; network '%s' has %lld", (long long)layers->count,
                          p->net->name, (long long)p->net->layer_count);
  for (int64_t i = 0; i < layers->count; i++)
    CVY_TRY(read_layer(p, forward_s, backward_s, layers->items[i], i));
  CVY_TRY(get_number(&p->work.losses_s, root, "losses_s"));
  CVY_TRY(get(&update, root, "update_s"));
  CVY_TRY(get_number(&p->work.update_s, update, "median"));
  set_layers(p, forward_s, backward_s);
  return CVY_OK;
}

/* ---- rows ---- */

typedef struct row {
  int64_t ranks, nodes, batch;
  int64_t split; /* parameters */
  int64_t bucket_mib;
  cvy_plan_step step;
  cvy_plan_memory memory;
  double images_per_s, efficiency, epoch_s;
} row;

static int64_t all_ranks(const plan *p) {
  return p->options->nodes * p->options->ranks_per_node;
}

/* Whether there is such a row: whole nodes, or a part of one, and a tree that allows them. */
static bool is_possible(const plan *p, int64_t ranks, cvy_tree *tree) {
  const int64_t per_node = p->options->ranks_per_node;
  if (ranks > per_node && ranks % per_node != 0) return false;
  return !cvy_tree_create(tree, ranks * p->work.microbatches, NULL, 0) && cvy_tree_allows(tree, ranks);
}

/* Training keeps to the usual size where another one gains nothing. */
static void foretell_step(row *out, const plan *p, const cvy_plan_work *work, const cvy_tree *tree,
                          int64_t ranks) {
  cvy_plan_step steps[CVY_BUCKET_SIZES];
  double step_s[CVY_BUCKET_SIZES];
  cvy_plan_work cut = *work;
  for (int64_t i = 0; i < CVY_BUCKET_SIZES; i++) {
    cut.bucket_bytes = (p->options->bucket ? p->options->bucket : cvy_bucket_mib[i]) << 20;
    cvy_plan_foretell(&steps[i], &cut, &p->cluster, tree, ranks);
    step_s[i] = steps[i].step_s;
  }
  const int64_t best = cvy_bucket_best(step_s);
  out->step = steps[best];
  out->bucket_mib = p->options->bucket ? p->options->bucket : cvy_bucket_mib[best];
}

static cvy_err foretell(row *out, const plan *p, const cvy_tree *tree, int64_t ranks,
                        double one_images_per_s) {
  const int64_t per_node = p->options->ranks_per_node;
  const cvy_peers peers = cvy_network_peers(tree, ranks);
  cvy_plan_work work = p->work;
  cvy_net *net;
  const cvy_net_wishes wishes = {.peers = &peers, .convolution = (cvy_conv_choice)p->options->conv};
  CVY_TRY(cvy_net_create(&net, p->description, p->options->microbatch, &wishes));
  work.net = cvy_net_describe(net);
  *out = (row){.ranks = ranks, .nodes = ranks > per_node ? ranks / per_node : 1};
  out->batch = ranks * p->work.microbatches * p->net->input.n;
  out->split = work.net->sharded_count;
  foretell_step(out, p, &work, tree, ranks);
  out->memory = cvy_plan_need(&work, &p->cluster, tree, ranks, cvy_rule_at(0)->state_count, PREFETCH);
  cvy_net_destroy(net);
  out->images_per_s = (double)out->batch / out->step.step_s;
  out->efficiency = one_images_per_s > 0 ? out->images_per_s / ((double)ranks * one_images_per_s) : 1;
  out->epoch_s = (double)p->options->images / out->images_per_s;
  return CVY_OK;
}

/* 1, 2, 4, ..., and the cluster's own number in its place. */
static int64_t next_count(int64_t ranks, int64_t own) {
  int64_t power = 1;
  while (power <= ranks) power *= 2;
  return ranks < own && own < power ? own : power;
}

/* Where layers are split, a count may allow no such batch, or more than memory: there is no row then, but for the cluster. */
static cvy_err make_rows(row *rows, int64_t *count, const plan *p) {
  *count = 0;
  for (int64_t ranks = 1; ranks <= MOST_RANKS; ranks = next_count(ranks, all_ranks(p))) {
    cvy_tree tree;
    if (!is_possible(p, ranks, &tree)) continue;
    const double one_images_per_s = *count && rows[0].ranks == 1 ? rows[0].images_per_s : 0;
    const cvy_err err = foretell(&rows[*count], p, &tree, ranks, one_images_per_s);
    if (err && ranks == all_ranks(p)) return err;
    if (!err) ++*count;
  }
  return CVY_OK;
}

/* ---- telling ---- */

static void print_time(double seconds) {
  if (seconds < 600)
    printf(" %8.1f s", seconds);
  else if (seconds < 36000)
    printf(" %6.1f min", seconds / 60);
  else
    printf(" %8.1f h", seconds / 3600);
}

static void print_row(const plan *p, const row *r) {
  printf("%c%5lld %6lld %8lld %10.2f %9.1f%% %10.1f%% %11.1f", r->ranks == all_ranks(p) ? '*' : ' ',
         (long long)r->ranks, (long long)r->nodes, (long long)r->batch, 1e3 * r->step.step_s,
         100 * r->step.exposed_s / r->step.step_s, 100 * r->efficiency, r->images_per_s);
  print_time(r->epoch_s);
  printf(" %9.0f\n", 1e-6 * (double)cvy_plan_total(&r->memory));
}

static void print_own(const row *r) {
  const cvy_plan_memory *m = &r->memory;
  printf(
      "* a rank's MB: %.1f network, %.1f weights, %.1f gradients, %.1f optimiser, %.1f exchange, %.1f loader\n",
      1e-6 * (double)m->network, 1e-6 * (double)m->weights, 1e-6 * (double)m->gradients,
      1e-6 * (double)m->optimiser, 1e-6 * (double)m->exchange, 1e-6 * (double)m->loader);
  if (r->split > 0 && r->ranks > 1)
    printf(
        "* split layers: %.1f million parameters; their swaps take %.2f ms of a step, and %.1f MB of a node's %.1f\n",
        1e-6 * (double)r->split, 1e3 * r->step.swap_s, 1e-6 * r->step.swapped_bytes,
        1e-6 * r->step.sent_bytes);
}

static void print_rows(const plan *p, const row *rows, int64_t count) {
  const options *o = p->options;
  printf("%s: %lld microbatch%s of %lld images a rank, %lld thread%s, %lld rank%s a node, %g Gbit/s, %g us\n",
         p->net->name, (long long)p->work.microbatches, p->work.microbatches > 1 ? "es" : "",
         (long long)o->microbatch, (long long)o->threads, o->threads > 1 ? "s" : "",
         (long long)o->ranks_per_node, o->ranks_per_node > 1 ? "s" : "", o->bandwidth, o->latency);
  printf("%6s %6s %8s %10s %10s %11s %11s %10s %9s\n", "ranks", "nodes", "batch", "step_ms", "exposed",
         "efficiency", "images/s", "epoch", "MB/rank");
  for (int64_t i = 0; i < count; i++) print_row(p, &rows[i]);
  for (int64_t i = 0; i < count; i++)
    if (rows[i].ranks == all_ranks(p)) print_own(&rows[i]);
}

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

static void json_row(cvy_json *json, const row *r) {
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

static void print_json(const plan *p, const row *rows, int64_t count) {
  cvy_json json = {.out = stdout};
  cvy_json_open(&json, NULL, '{');
  cvy_json_text(&json, "network", p->net->name);
  cvy_json_int(&json, "parameters", p->net->param_count);
  cvy_json_int(&json, "microbatch", p->net->input.n);
  cvy_json_int(&json, "microbatches", p->work.microbatches);
  cvy_json_int(&json, "ranks", all_ranks(p));
  cvy_json_number(&json, "add_ns_per_byte", 1e9 * p->cluster.add_s_per_byte, 4);
  cvy_json_number(&json, "copy_ns_per_byte", 1e9 * p->cluster.copy_s_per_byte, 4);
  cvy_json_open(&json, "rows", '[');
  for (int64_t i = 0; i < count; i++) json_row(&json, &rows[i]);
  cvy_json_close(&json, ']');
  cvy_json_close(&json, '}');
  putchar('\n');
}

/* ---- the command ---- */

/* Microbatches a rank, and that the whole cluster can share the batch. */
static cvy_err share_batch(plan *p) {
  const options *o = p->options;
  const int64_t ranks = all_ranks(p), images = ranks * o->microbatch;
  const int64_t batch = o->batch ? o->batch : images;
  cvy_tree tree;
  if (ranks > MOST_RANKS)
    return cvy_error(CVY_E_USAGE, "%lld nodes of %lld ranks are %lld ranks; plans reach to %d",
                     (long long)o->nodes, (long long)o->ranks_per_node, (long long)ranks, MOST_RANKS);
  if (batch % images != 0)
    return cvy_error(CVY_E_USAGE,
                     "batch %lld is not shared evenly by %lld ranks with microbatches of %lld; %lld would be",
                     (long long)batch, (long long)ranks, (long long)o->microbatch,
                     (long long)((batch / images + 1) * images));
  p->work.microbatches = batch / images;
  CVY_TRY(cvy_tree_create(&tree, batch / o->microbatch, NULL, 0));
  return cvy_tree_check_ranks(&tree, ranks, o->microbatch);
}

static void set_up(plan *p, const cvy_net *net) {
  const options *o = p->options;
  p->net = p->work.net = cvy_net_describe(net);
  p->work.sharded = o->reduce == CVY_EXCHANGE_SHARDED;
  p->cluster = (cvy_plan_cluster){.ranks_per_node = o->ranks_per_node,
                                  .threads = o->threads,
                                  .cores = o->cores > 0 ? o->cores
                                                        : (double)(o->ranks_per_node * (o->threads + 1)),
                                  .latency_s = 1e-6 * o->latency,
                                  .wire_bytes_per_s = payload * 1e9 / 8 * o->bandwidth,
                                  .wire_s_per_byte = 1e-9 * o->wire_cost};
}

static cvy_err make_plan(plan *p, cvy_net *net) {
  row rows[64];
  int64_t count;
  if (p->net->param_count == 0)
    return cvy_error(CVY_E_INPUT, "network '%s' has no parameters that it could learn", p->net->name);
  CVY_TRY(p->options->times[0] ? read_times(p) : measure(p, net));
  p->work.update_s *= (double)p->options->threads; /* the communication thread is alone with it */
  CVY_TRY(cvy_plan_measure(&p->cluster));
  CVY_TRY(make_rows(rows, &count, p));
  (p->options->json ? print_json : print_rows)(p, rows, count);
  return CVY_OK;
}

static cvy_err run(const cvy_arguments *arguments, const void *config, const void *further) {
  (void)further;
  plan p = {.options = config, .pool = arguments->pool};
  cvy_net *net;
  CVY_TRY(cvy_network_from_words(&p.description, arguments, 0));
  CVY_TRY(share_batch(&p));
  cvy_threads_set(cvy_int(p.options->threads));
  const cvy_net_wishes wishes = {.convolution = (cvy_conv_choice)p.options->conv};
  CVY_TRY(cvy_net_create(&net, p.description, p.options->microbatch, &wishes));
  set_up(&p, net);
  const cvy_err err = make_plan(&p, net);
  cvy_net_destroy(net);
  return err;
}

static const cvy_kind kind = {"plan", "how fast a network would train on a cluster", table, sizeof(options)};

const cvy_command cvy_command_plan = {
    .kind = &kind,
    .usage = "NETWORK [parameter=value ...] [options]",
    .description =
        "Foretells a training step on 1, 2, 4, ... 4096 ranks, each with as many microbatches as on the cluster that is\n"
        "described (marked *): from the times of the layers, measured here on --threads threads, and a model of the\n"
        "exchange of gradients, block by block along the tree, while backward goes on. Only rank counts are shown that fill\n"
        "their nodes and that the tree of such a batch allows.\n"
        "\n"
        "  exposed     the share of a step in which a rank waits for gradients, and for the swaps of split layers\n"
        "  efficiency  images/s, of ranks times what one does\n"
        "  epoch       the time of a pass over --images images, without evaluation\n"
        "  MB/rank     of the plan and its buffers, without libraries, on rank 0, which has most; SGD with momentum\n"
        "\n"
        "Layers with 'parallel: sharded' (or auto, where it pays at that batch) send no gradients of their weights, but swap\n"
        "their inputs, outputs and both's gradients: every rank with all others at once, in a latency and what the link takes\n"
        "for the bytes. All ranks have room for all weights; of the rule's state each has its part.\n"
        "\n"
        "Efficiency may pass 100 %: ranks share the update, which one does alone.\n"
        "Nodes are taken to be like this machine. --wire-cost and --cores matter where cores are scarce: TCP's work is done\n"
        "by them. What convoy doctor says of --latency and --bandwidth may be put in here.\n"
        "\n"
        "  convoy plan vgg16 parallel=auto --nodes 8 --threads 16 --microbatch 16\n"
        "  convoy plan vgg16 --nodes 8 --ranks-per-node 2 --threads 16 --microbatch 16 --bandwidth 10 --latency 30\n"
        "  convoy bench layers vgg16 --batch 16 --json >times.json; convoy plan vgg16 --times times.json --nodes 4",
    .more_help = cvy_print_networks,
    .run = run};
