#include "cmd/command.h"
#include <convoy/layer.h>

static cvy_err run(const cvy_arguments *arguments, const void *config, const void *further) {
  (void)config, (void)further;
  CVY_TRY(cvy_expect_words(arguments, 0, 0, "nothing"));
  puts(
      "A network has a name, the shape of its input, [height, width, channels], and a list of layers. Each layer may\n"
      "have a `name`, and `inputs`: what it reads, layers above it by name, or input, the image; else the layer before.");
  for (int64_t i = 0; i < cvy_layer_type_count(); i++) {
    const cvy_kind *layer = cvy_layer_type_at(i)->kind;
    printf("\n%s: %s\n", layer->name, layer->help);
    cvy_options_help(stdout, layer->options, "  ");
  }
  return CVY_OK;
}

static const cvy_option no_options[] = {{0}};
static const cvy_kind kind = {"layers", "every layer type with its options, defaults and ranges", no_options,
                              1};

const cvy_command cvy_command_layers = {
    .kind = &kind, .usage = "", .description = "What may stand in a network's list of layers.", .run = run};
