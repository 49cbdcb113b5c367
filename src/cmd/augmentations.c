/* `convoy augmentations`: augmentations with their options, as the registry knows them. */
#include "augment/augmentation.h"
#include "cmd/kinds.h"

static const cvy_kind *augmentation_at(int64_t index) {
  return &cvy_augmentation_at(index)->kind;
}

static cvy_err run(const cvy_arguments *arguments, const void *config, const void *further) {
  (void)further;
  const cvy_registry augmentations = {
      .what = "augmentation",
      .heading = "The list data.augment of a recipe names augmentations, in order: name, or name: {options}.",
      .count = cvy_augmentation_count,
      .at = augmentation_at};
  return cvy_registry_show(&augmentations, arguments, config);
}

static const cvy_kind kind = {"augmentations", "every augmentation with its options, defaults and ranges",
                              cvy_registry_table, sizeof(cvy_registry_options)};

const cvy_command cvy_command_augmentations = {
    .kind = &kind,
    .usage = "[NAME] [options]",
    .description = "What may stand in a recipe's list data.augment: all of it, or one by its NAME.\n"
                   "\n"
                   "  convoy augmentations crop",
    .run = run};
