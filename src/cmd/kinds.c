/* Shows a registry, or types of it: as lines, as Markdown, as JSON. */
#include "cmd/kinds.h"

#include "base/fit.h"
#include "base/text.h"

#include <string.h>

enum { MOST_KINDS = 256 };

const cvy_option cvy_registry_table[] = {
    {"markdown", CVY_BOOL, offsetof(cvy_registry_options, markdown), "false",
     .help = "print tables in Markdown"},
    {"json", CVY_BOOL, offsetof(cvy_registry_options, json), "false", .help = "print one JSON object"},
    {0}};

/* These are the types to show. */
typedef struct selection {
  bool is_whole;
  int64_t count;
  const cvy_kind *kinds[MOST_KINDS];
} selection;

/* ---- one type ---- */

static void print_kind(const cvy_kind *kind) {
  cvy_fitted fitted;
  FILE *out = cvy_fit_begin(&fitted, stdout);
  fprintf(out, "%s: %s\n", kind->name, kind->help);
  cvy_options_help(out, kind->options, "  ");
  cvy_fit_lines(&fitted);
}

static void print_kind_markdown(const cvy_kind *kind) {
  printf("**%s**: %s\n", kind->name, kind->help);
  if (kind->options) putchar('\n');
  cvy_options_markdown(stdout, kind->options);
}

static void print_options_json(cvy_json *json, const char *key, const cvy_option *option) {
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

static void print_kind_json(cvy_json *json, const cvy_kind *kind) {
  cvy_json_open(json, NULL, '{');
  cvy_json_text(json, "name", kind->name);
  cvy_json_text(json, "help", kind->help);
  print_options_json(json, "options", kind->options);
  cvy_json_close(json, '}');
}

/* ---- several ---- */

static void print_text(const cvy_registry *r, const selection *s) {
  cvy_fitted fitted;
  FILE *out = cvy_fit_begin(&fitted, stdout);
  if (s->is_whole) fprintf(out, "%s\n", r->heading);
  if (s->is_whole && r->common) cvy_options_help(out, r->common, "  ");
  cvy_fit_lines(&fitted);
  for (int64_t i = 0; i < s->count; i++) {
    if (i > 0 || s->is_whole) putchar('\n');
    print_kind(s->kinds[i]);
  }
}

static void print_markdown(const cvy_registry *r, const selection *s) {
  const bool tells_common = s->is_whole && r->common;
  if (tells_common) {
    puts(r->common_heading);
    putchar('\n');
    cvy_options_markdown(stdout, r->common);
  }
  for (int64_t i = 0; i < s->count; i++) {
    if (i > 0 || tells_common) putchar('\n');
    print_kind_markdown(s->kinds[i]);
  }
}

static void print_json(const cvy_registry *r, const selection *s) {
  cvy_json json = {.out = stdout};
  char key[32];
  snprintf(key, sizeof key, "%ss", r->what);
  cvy_json_open(&json, NULL, '{');
  if (r->common) print_options_json(&json, "common", r->common);
  cvy_json_open(&json, key, '[');
  for (int64_t i = 0; i < s->count; i++) print_kind_json(&json, s->kinds[i]);
  cvy_json_close(&json, ']');
  cvy_json_close(&json, '}');
  putchar('\n');
}

static cvy_err find(const cvy_kind **out, const cvy_registry *r, const char *name) {
  const char *known[MOST_KINDS];
  const int64_t count = r->count() < MOST_KINDS ? r->count() : MOST_KINDS;
  for (int64_t i = 0; i < count; i++) {
    *out = r->at(i);
    known[i] = (*out)->name;
    if (strcmp(name, known[i]) == 0) return CVY_OK;
  }
  return cvy_error(CVY_E_USAGE, "no %s is named '%s'%s; convoy %ss lists them", r->what, name,
                   cvy_meant(name, known, count), r->what);
}

cvy_err cvy_registry_show(const cvy_registry *r, const cvy_arguments *arguments,
                          const cvy_registry_options *o) {
  CVY_TRY(cvy_expect_words(
      arguments, 0, 1,
      cvy_pool_format(arguments->pool, "at most the name of %s %s", cvy_article(r->what), r->what)));
  selection s = {.is_whole = arguments->count == 0};
  if (s.is_whole)
    for (; s.count < r->count() && s.count < MOST_KINDS; s.count++) s.kinds[s.count] = r->at(s.count);
  for (; s.count < arguments->count; s.count++)
    CVY_TRY(find(&s.kinds[s.count], r, arguments->words[s.count]));
  (o->json ? print_json : o->markdown ? print_markdown : print_text)(r, &s);
  return CVY_OK;
}
