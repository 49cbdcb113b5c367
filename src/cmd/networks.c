/* `convoy networks`: the networks that are found by name. */
#include "cmd/listing.h"

static cvy_err run(const cvy_arguments *arguments, const void *config, const void *further) {
  (void)further;
  return cvy_listing_show("networks", arguments, config);
}

static const cvy_kind kind = {"networks", "the networks that come with convoy, and where they lie",
                              cvy_listing_table, sizeof(cvy_listing_options)};

const cvy_command cvy_command_networks = {
    .kind = &kind,
    .usage = "[NAME ...] [options]",
    .description = "Lists the networks that are found by name, a line each; or prints those that are named,\n"
                   "each after a line with its path.\n"
                   "\n"
                   "  convoy networks\n"
                   "  convoy networks lenet5 >my-network.yaml\n"
                   "  convoy summary lenet5",
    .run = run};
