/* `convoy recipes`: the recipes that are found by name. */
#include "cmd/listing.h"

static cvy_err run(const cvy_arguments *arguments, const void *config, const void *further) {
  (void)further;
  return cvy_listing_show("recipes", arguments, config);
}

static const cvy_kind kind = {"recipes", "the recipes that come with convoy, and where they lie",
                              cvy_listing_table, sizeof(cvy_listing_options)};

const cvy_command cvy_command_recipes = {
    .kind = &kind,
    .usage = "[NAME ...] [options]",
    .description = "Lists the recipes that are found by name, a line each; or prints those that are named,\n"
                   "each after a line with its path.\n"
                   "\n"
                   "  convoy recipes\n"
                   "  convoy recipes lenet5-digits >my.yaml\n"
                   "  convoy train my.yaml",
    .run = run};
