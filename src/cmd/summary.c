/* `convoy summary`: a network's layers, sizes, parameters and memory; or what goes through them at first. */
#include "cmd/network.h"
#include "cmd/signal.h"
#include "comm/tree.h"
#include "math/conv.h"
#include "measure/plan.h"
#include "net/net.h"
#include "report/graph.h"

typedef struct options {
  int64_t batch, threads, ranks, microbatches;
  const char *graph, *probe;
  int64_t seed;
  int conv;
  bool json;
} options;

static const cvy_option table[] = {
    {"batch", CVY_INT, offsetof(options, batch), "0", 0, 1 << 20,
     .help = "images in a microbatch, for the memory plan and the choice of algorithms; 0: 1, but with "
             "--probe 16 or the recipe's"},
    {"threads", CVY_INT, offsetof(options, threads), "1", 1, 1024,
     .help = "computing threads, for the scratch they need"},
    {"ranks", CVY_INT, offsetof(options, ranks), "1", 1, 1 << 20,
     .help = "ranks over which layers may be split, for the memory of each"},
    {"microbatches", CVY_INT, offsetof(options, microbatches), "0", 0, 1 << 24,
     .help = "of a step, over all ranks; 0: as many as there are ranks"},
    {"graph", CVY_STRING, offsetof(options, graph), "",
     .help = "draw it to a file that ends in .svg, .pdf, .png (by Graphviz) or .dot"},
    {"conv", CVY_CHOICE, offsetof(options, conv), "auto", .words = cvy_conv_words,
     .help = "algorithms of convolutions: the fastest for each shape, or the plain way for all"},
    {"probe", CVY_STRING, offsetof(options, probe), "",
     .help = "instead: what each layer makes of images of this dataset at the network's first values, and "
             "which gradients come back; for a recipe also 'train', its own data"},
    {"seed", CVY_INT, offsetof(options, seed), "-1", -1, 1e15,
     .help = "with --probe: of the first values and the choice of images; -1: 1, or the recipe's"},
    {"json", CVY_BOOL, offsetof(options, json), "false", .help = "print one JSON object"},
    {0}};

static int64_t batch_of(const options *o) {
  return o->batch ? o->batch : 1;
}

static cvy_err set_peers(cvy_peers *peers, cvy_tree *tree, const options *o) {
  CVY_TRY(cvy_tree_create(tree, o->microbatches ? o->microbatches : o->ranks, NULL, 0));
  CVY_TRY(cvy_tree_check_ranks(tree, o->ranks, batch_of(o)));
  *peers = cvy_plan_peers(tree, o->ranks);
  return CVY_OK;
}

static cvy_err probe(const cvy_arguments *arguments, const options *o) {
  if (o->graph[0] || o->ranks > 1 || o->microbatches > 0)
    return cvy_error(CVY_E_USAGE, "--probe looks at numbers, not at sizes: it goes without --graph, --ranks "
                                  "and --microbatches");
  cvy_threads_set(cvy_int(o->threads));
  return cvy_signal_show(arguments, &(cvy_signal_wishes){o->probe, o->batch, o->seed, o->conv, o->json});
}

static cvy_err run(const cvy_arguments *arguments, const void *config, const void *further) {
  (void)further;
  const options *o = config;
  cvy_yaml *description;
  cvy_net *net;
  if (o->probe[0]) return probe(arguments, o);
  if (o->seed >= 0) return cvy_error(CVY_E_USAGE, "--seed is about --probe: name both");
  if (o->graph[0]) CVY_TRY(cvy_graph_check(o->graph));
  CVY_TRY(cvy_network_from_words(&description, arguments, 0));
  cvy_threads_set(cvy_int(o->threads));
  cvy_tree tree;
  cvy_peers peers;
  const bool has_peers = o->ranks > 1 || o->microbatches > 0;
  if (has_peers) CVY_TRY(set_peers(&peers, &tree, o));
  const cvy_net_wishes wishes = {.peers = has_peers ? &peers : NULL, .convolution = (cvy_conv_choice)o->conv};
  CVY_TRY(cvy_net_create(&net, description, batch_of(o), &wishes));
  cvy_net_warn(net);
  (o->json ? cvy_net_print_json : cvy_net_print)(stdout, net);
  const cvy_err err = o->graph[0] ? cvy_graph_write(cvy_net_describe(net), o->graph) : CVY_OK;
  cvy_net_destroy(net);
  return err;
}

static const cvy_kind kind = {"summary", "a network's layers, sizes, parameters and memory", table,
                              sizeof(options)};

const cvy_command cvy_command_summary = {
    .kind = &kind,
    .usage = "NETWORK [parameter=value ...] [options], or RECIPE [key=value ...] --probe DATA [options]",
    .description =
        "A line a layer: kernel, stride, padding, output shape, values of an image's activation,\n"
        "parameters, multiply-adds, and forward's algorithm of a convolution; then the totals of the memory\n"
        "plan. NETWORK is a YAML file or the name of one that comes with convoy, and its parameters may be\n"
        "given other values; convoy layers tells how to write one.\n"
        "\n"
        "--probe makes one pass of training over a microbatch of real images. It prints mean, deviation and\n"
        "share of zeros of each layer's output and of the gradient of the mean loss by it (dy); how far the\n"
        "outputs of different images lie apart (between); the share of units that are 0 for all images\n"
        "(dead); and the gradient's length. It warns of what vanishes or explodes: an output that differs\n"
        "between images 1,000 times as much as the images do, or 1/100,000 of it; a gradient 100,000 times\n"
        "as long as that of the scores, or 1/100,000 of it; more than 9/10 of a layer's units dead (of 8\n"
        "images or more); a loss twice that of a guess. A recipe in place of the network says seed, data,\n"
        "augmentation and microbatch, and key=value changes it. Without a recipe, pictures of another size\n"
        "than the network's input are scaled, and their middle is taken.\n"
        "\n"
        "  convoy summary vgg16 --batch 8\n"
        "  convoy summary vgg16 parallel=auto --batch 16 --ranks 8\n"
        "  convoy summary resnet50 classes=10 --graph resnet50.svg\n"
        "  convoy summary vgg16 --probe data/photographs\n"
        "  convoy summary my.yaml --probe train --threads 4",
    .more_help = cvy_print_networks,
    .run = run};
