/* `convoy layers`: every layer type with its options, as the registry knows them. */
#include "base/fit.h"
#include "cmd/command.h"
#include "cmd/kinds.h"
#include "net/net.h"

typedef struct options {
  bool markdown, json;
} options;

static const cvy_option table[] = {
    {"markdown", CVY_BOOL, offsetof(options, markdown), "false", .help = "print tables in Markdown"},
    {"json", CVY_BOOL, offsetof(options, json), "false", .help = "print one JSON object"},
    {0}};

static void print_text(void) {
  cvy_fitted fitted;
  FILE *out = cvy_fit_begin(&fitted, stdout);
  fputs("A network has a name, the shape of its input, [height, width, channels], and a list of layers; it "
        "may have\n"
        "parameters and blocks (launch/networks/README.md tells how to write one). Every layer and block may "
        "have:\n",
        out);
  cvy_options_help(out, cvy_net_common_options(), "  ");
  cvy_fit_lines(&fitted);
  for (int64_t i = 0; i < cvy_layer_type_count(); i++) {
    putchar('\n');
    cvy_kind_print(cvy_layer_type_at(i)->kind);
  }
}

static void print_markdown(void) {
  puts("Every layer and block:\n");
  cvy_options_markdown(stdout, cvy_net_common_options());
  for (int64_t i = 0; i < cvy_layer_type_count(); i++) {
    putchar('\n');
    cvy_kind_print_markdown(cvy_layer_type_at(i)->kind);
  }
}

static void print_json(void) {
  cvy_json json = {.out = stdout};
  cvy_json_open(&json, NULL, '{');
  cvy_options_print_json(&json, "common", cvy_net_common_options());
  cvy_json_open(&json, "layers", '[');
  for (int64_t i = 0; i < cvy_layer_type_count(); i++) cvy_kind_print_json(&json, cvy_layer_type_at(i)->kind);
  cvy_json_close(&json, ']');
  cvy_json_close(&json, '}');
  putchar('\n');
}

static cvy_err run(const cvy_arguments *arguments, const void *config, const void *further) {
  (void)further;
  const options *o = config;
  CVY_TRY(cvy_expect_words(arguments, 0, 0, "nothing"));
  if (o->json)
    print_json();
  else if (o->markdown)
    print_markdown();
  else
    print_text();
  return CVY_OK;
}

static const cvy_kind kind = {"layers", "every layer type with its options, defaults and ranges", table,
                              sizeof(options)};

const cvy_command cvy_command_layers = {
    .kind = &kind, .usage = "", .description = "What may stand in a network's list of layers.", .run = run};
