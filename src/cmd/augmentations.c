/* `convoy augmentations`: every augmentation with its options, as the registry knows them. */
#include "base/fit.h"
#include "augment/augmentation.h"
#include "cmd/command.h"
#include "cmd/kinds.h"

#include <string.h>

typedef struct options {
  bool markdown, json;
} options;

static const cvy_option table[] = {
    {"markdown", CVY_BOOL, offsetof(options, markdown), "false", .help = "print tables in Markdown"},
    {"json", CVY_BOOL, offsetof(options, json), "false", .help = "print one JSON object"},
    {0}};

/* The augmentations that are asked for, one or all. */
typedef struct range {
  int64_t from, to;
} range;

static cvy_err find(range *out, const char *name) {
  const char *known[128];
  const int64_t count = cvy_augmentation_count() < 128 ? cvy_augmentation_count() : 128;
  for (int64_t i = 0; i < count; i++) {
    known[i] = cvy_augmentation_at(i)->kind.name;
    *out = (range){i, i + 1};
    if (strcmp(name, known[i]) == 0) return CVY_OK;
  }
  const char *nearest = cvy_nearest_word(name, known, count);
  if (nearest)
    return cvy_error(CVY_E_USAGE, "no augmentation is named '%s'; did you mean '%s'?", name, nearest);
  return cvy_error(CVY_E_USAGE, "no augmentation is named '%s'; convoy augmentations lists them", name);
}

static void print_sentence(const char *text) {
  cvy_fitted fitted;
  fputs(text, cvy_fit_begin(&fitted, stdout));
  cvy_fit_lines(&fitted);
}

static void print_text(range which) {
  if (which.to - which.from > 1)
    print_sentence(
        "The list data.augment of a recipe names augmentations, in order: name, or name: {options}.\n\n");
  for (int64_t i = which.from; i < which.to; i++) {
    if (i > which.from) putchar('\n');
    cvy_kind_print(&cvy_augmentation_at(i)->kind);
  }
}

static void print_markdown(range which) {
  for (int64_t i = which.from; i < which.to; i++) {
    if (i > which.from) putchar('\n');
    cvy_kind_print_markdown(&cvy_augmentation_at(i)->kind);
  }
}

static void print_json(range which) {
  cvy_json json = {.out = stdout};
  cvy_json_open(&json, NULL, '{');
  cvy_json_open(&json, "augmentations", '[');
  for (int64_t i = which.from; i < which.to; i++) cvy_kind_print_json(&json, &cvy_augmentation_at(i)->kind);
  cvy_json_close(&json, ']');
  cvy_json_close(&json, '}');
  putchar('\n');
}

static cvy_err run(const cvy_arguments *arguments, const void *config, const void *further) {
  (void)further;
  const options *o = config;
  range which = {0, cvy_augmentation_count()};
  CVY_TRY(cvy_expect_words(arguments, 0, 1, "at most the name of an augmentation"));
  if (arguments->count) CVY_TRY(find(&which, arguments->words[0]));
  if (o->json)
    print_json(which);
  else if (o->markdown)
    print_markdown(which);
  else
    print_text(which);
  return CVY_OK;
}

static const cvy_kind kind = {"augmentations", "every augmentation with its options, defaults and ranges",
                              table, sizeof(options)};

const cvy_command cvy_command_augmentations = {
    .kind = &kind,
    .usage = "[NAME] [options]",
    .description = "What may stand in a recipe's list data.augment: all of it, or one by its NAME.",
    .run = run};
