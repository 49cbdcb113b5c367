/* `convoy layers`: layer types with their options, as the registry knows them. */
#include "cmd/kinds.h"
#include "net/net.h"

static const cvy_kind *layer_at(int64_t index) {
  return cvy_layer_type_at(index)->kind;
}

static cvy_err run(const cvy_arguments *arguments, const void *config, const void *further) {
  (void)further;
  const cvy_registry layers = {
      .what = "layer",
      .heading =
          "A network has a name, the shape of its input, [height, width, channels], and a list of layers; "
          "it may have\n"
          "parameters and blocks (launch/networks/README.md tells how to write one). Every layer and block "
          "may have:",
      .common = cvy_net_common_options(),
      .common_heading = "Every layer and block:",
      .count = cvy_layer_type_count,
      .at = layer_at};
  return cvy_registry_show(&layers, arguments, config);
}

static const cvy_kind kind = {"layers", "every layer type with its options, defaults and ranges",
                              cvy_registry_table, sizeof(cvy_registry_options)};

const cvy_command cvy_command_layers = {
    .kind = &kind,
    .usage = "[NAME] [options]",
    .description = "What may stand in a network's list of layers: all of it, or one by its NAME.\n"
                   "\n"
                   "  convoy layers conv",
    .run = run};
