/* Prints a type with its options: as lines, as Markdown, as JSON. */
#include "cmd/kinds.h"

#include "base/fit.h"

void cvy_kind_print(const cvy_kind *kind) {
  cvy_fitted fitted;
  FILE *out = cvy_fit_begin(&fitted, stdout);
  fprintf(out, "%s: %s\n", kind->name, kind->help);
  cvy_options_help(out, kind->options, "  ");
  cvy_fit_lines(&fitted);
}

void cvy_kind_print_markdown(const cvy_kind *kind) {
  printf("**%s**: %s\n", kind->name, kind->help);
  if (kind->options) putchar('\n');
  cvy_options_markdown(stdout, kind->options);
}

void cvy_options_print_json(cvy_json *json, const char *key, const cvy_option *option) {
  cvy_json_open(json, key, '[');
  for (; option && option->name; option++) {
    cvy_json_open(json, NULL, '{');
    cvy_json_text(json, "name", option->name);
    cvy_json_text(json, "values", cvy_option_values(option));
    if (option->fallback) cvy_json_text(json, "default", option->fallback);
    if (option->min < option->max && option->min > -CVY_NO_LIMIT)
      cvy_json_number(json, "min", option->min, 10);
    if (option->min < option->max && option->max < CVY_NO_LIMIT)
      cvy_json_number(json, "max", option->max, 10);
    cvy_json_text(json, "help", option->help);
    cvy_json_close(json, '}');
  }
  cvy_json_close(json, ']');
}

void cvy_kind_print_json(cvy_json *json, const cvy_kind *kind) {
  cvy_json_open(json, NULL, '{');
  cvy_json_text(json, "name", kind->name);
  cvy_json_text(json, "help", kind->help);
  cvy_options_print_json(json, "options", kind->options);
  cvy_json_close(json, '}');
}
