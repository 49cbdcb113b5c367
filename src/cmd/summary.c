#include "cmd/command.h"
#include <convoy/net.h>
#include <convoy/train.h>

typedef struct options {
  int64_t batch, threads;
  bool json;
} options;

static const cvy_option table[] = {
    {"batch", CVY_INT, offsetof(options, batch), "1", 1, 1 << 20,
     .help = "images in a microbatch, for the memory plan"},
    {"threads", CVY_INT, offsetof(options, threads), "1", 1, 1024,
     .help = "computing threads, for the scratch they need"},
    {"json", CVY_BOOL, offsetof(options, json), "false", .help = "print one JSON object"},
    {0}};

static cvy_err load(cvy_yaml **out, const cvy_arguments *arguments) {
  const char *path;
  cvy_yaml *settings = cvy_yaml_new_mapping(arguments->pool, "command line");
  CVY_TRY(cvy_expect_words(arguments, 1, 64, "one network, and values for its parameters"));
  CVY_TRY(cvy_find_yaml(&path, arguments->pool, arguments->words[0], "networks", NULL));
  for (int64_t i = 1; i < arguments->count; i++)
    CVY_TRY(cvy_yaml_override(settings, arguments->pool, arguments->words[i]));
  return cvy_network_load(out, arguments->pool, path, settings);
}

static cvy_err run(const cvy_arguments *arguments, const void *config, const void *further) {
  (void)further;
  const options *o = config;
  cvy_yaml *description;
  cvy_net *net;
  CVY_TRY(load(&description, arguments));
  cvy_threads_set(cvy_int(o->threads));
  CVY_TRY(cvy_net_create(&net, description, o->batch));
  if (o->json)
    cvy_net_print_json(stdout, net);
  else
    cvy_net_print(stdout, net);
  cvy_net_destroy(net);
  return CVY_OK;
}

static const cvy_kind kind = {"summary", "a network's layers, sizes, parameters and memory", table,
                              sizeof(options)};

const cvy_command cvy_command_summary = {
    .kind = &kind,
    .usage = "NETWORK [parameter=value ...] [options]",
    .description =
        "A line a layer: output shape, values of an image's activation, parameters, multiply-adds; then the totals of\n"
        "the memory plan. NETWORK is a YAML file or the name of one that comes with convoy (lenet, lenet5, alexnet,\n"
        "hoda-cnn); convoy layers tells how to write one.\n"
        "\n"
        "  convoy summary lenet5 --batch 64",
    .run = run};
