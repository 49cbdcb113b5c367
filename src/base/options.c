/* Option tables: parsing, checking, help and writing out, all from one table. */
#include "base/options.h"

#include "base/text.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- words that were meant ---- */

enum { MEANT_BYTES = 600, MOST_KEYS = 128 };

/* Says "unknown layer 'cnv'; did you mean 'conv'? (known: conv, fc)". */
static cvy_err unknown_word(const cvy_yaml *at, const char *kind_of_word, const char *what,
                            const char *const *known, int64_t count) {
  char list[1024];
  cvy_text_list(list, sizeof list, ", ", known, count);
  return cvy_yaml_error(at, "unknown %s '%s'%s%s%s (known: %s)", kind_of_word, at->text,
                        what[0] ? " in " : "", what, cvy_meant(at->text, known, count), list);
}

static int64_t names_of(const char *names[MOST_KEYS], const cvy_option *table) {
  int64_t count = 0;
  for (const cvy_option *option = table; option && option->name && count < MOST_KEYS; option++)
    names[count++] = option->name;
  return count;
}

/* Returns the name that was chosen as "key: name" or "key: {name: ...}"; else `stand_in`. */
static const char *chosen(const cvy_yaml *mapping, const char *key, const char *stand_in) {
  const cvy_yaml *value = cvy_yaml_get(mapping, key);
  if (value && value->kind == CVY_YAML_MAPPING && value->count > 0) value = value->keys[0];
  return value && value->kind == CVY_YAML_SCALAR && value->text[0] ? value->text : stand_in;
}

/* Writes "learning_rate.step.rate=0.1", or as it stands in a file, "learning_rate: {step: {rate: 0.1}}". */
static void write_path(cvy_text *out, const cvy_habit *habit, const cvy_yaml *mapping, const char *value,
                       bool typed) {
  const char *key = cvy_habit_key(habit), *at = habit->path;
  int depth = 0;
  cvy_text_add(out, "%s", key);
  while (*at) {
    const size_t length = strcspn(at, ".");
    char part[64];
    snprintf(part, sizeof part, "%.*s", (int)length, at);
    if (part[0] == '[') part[strlen(part) - 1] = '\0';
    cvy_text_add(out, "%s%s", typed ? "." : ": {", part[0] == '[' ? chosen(mapping, key, part + 1) : part);
    depth++;
    at += length + (at[length] == '.');
  }
  cvy_text_add(out, "%s%s", typed ? "=" : ": ", value && value[0] ? value : "...");
  while (!typed && depth-- > 0) cvy_text_add(out, "}");
}

const char *cvy_meant_key(const char *word, const char *value, bool typed, const cvy_yaml *mapping,
                          const cvy_option *table) {
  static _Thread_local char text[MEANT_BYTES];
  const char *known[MOST_KEYS];
  const int64_t count = names_of(known, table);
  const cvy_habit *habit = cvy_habit_of(word, known, count);
  if (!habit || !habit->path) return cvy_meant(word, known, count);
  cvy_text out = cvy_text_in(text, sizeof text);
  cvy_text_add(&out, "; did you mean %s", typed ? "" : "'");
  write_path(&out, habit, mapping, value, typed);
  cvy_text_add(&out, "%s?", typed ? "" : "'");
  return text;
}

/* Returns how many words may be chosen. */
static int64_t words_count(const cvy_option *option) {
  const bool is_part = option->type == CVY_CHOICE && option->max > 0;
  int64_t count = 0;
  while (option->words[count] && !(is_part && count == (int64_t)option->max)) count++;
  return count;
}

/* ---- one value ---- */

static cvy_err wrong_value(const cvy_yaml *node, const cvy_option *option, const char *expected) {
  return cvy_yaml_error(node, "'%s' must be %s, not %s", option->name, expected, cvy_yaml_describe(node));
}

static const char *range_text(const cvy_option *option) {
  static _Thread_local char text[96];
  const bool low = option->min != -CVY_NO_LIMIT, high = option->max != CVY_NO_LIMIT;
  text[0] = '\0';
  if (low && high)
    snprintf(text, sizeof text, " from %.16g to %.16g%s", option->min, option->max,
             option->or_zero ? ", or 0" : "");
  else if (low)
    snprintf(text, sizeof text, " of at least %.10g", option->min);
  else if (high)
    snprintf(text, sizeof text, " of at most %.10g", option->max);
  return text;
}

static cvy_err read_number(double *out, const cvy_yaml *node, const cvy_option *option, bool whole) {
  char expected[128];
  snprintf(expected, sizeof expected, "a %snumber%s", whole ? "whole " : "", range_text(option));
  if (node->kind != CVY_YAML_SCALAR || !node->plain || !node->text[0])
    return wrong_value(node, option, expected);
  char *end;
  errno = 0;
  const double value = strtod(node->text, &end);
  if (value > option->max && option->max >= CVY_NO_LIMIT)
    snprintf(expected, sizeof expected, "a %snumber of at most %.16g", whole ? "whole " : "", option->max);
  const bool is_within = (value >= option->min && value <= option->max) || (option->or_zero && value == 0);
  if (*end || errno || !isfinite(value) || (whole && value != floor(value)) || !is_within)
    return wrong_value(node, option, expected);
  *out = value;
  return CVY_OK;
}

static cvy_err read_int(int64_t *out, const cvy_yaml *node, const cvy_option *option) {
  double value;
  CVY_TRY(read_number(&value, node, option, true));
  *out = (int64_t)value;
  return CVY_OK;
}

static cvy_err read_word(int *out, const cvy_yaml *node, const cvy_option *option) {
  const int64_t count = words_count(option);
  if (node->kind == CVY_YAML_SCALAR)
    for (int64_t i = 0; i < count; i++)
      if (strcmp(node->text, option->words[i]) == 0) {
        *out = (int)i;
        return CVY_OK;
      }
  if (node->kind != CVY_YAML_SCALAR) return wrong_value(node, option, "a word");
  return unknown_word(node, "word", option->name, option->words, count);
}

static cvy_err read_bool(bool *out, const cvy_yaml *node, const cvy_option *option) {
  if (node->kind == CVY_YAML_SCALAR && strcmp(node->text, "true") == 0)
    *out = true;
  else if (node->kind == CVY_YAML_SCALAR && strcmp(node->text, "false") == 0)
    *out = false;
  else
    return wrong_value(node, option, "true or false");
  return CVY_OK;
}

static cvy_err read_pair(int64_t out[2], const cvy_yaml *node, const cvy_option *option) {
  if (node->kind == CVY_YAML_SEQUENCE) {
    if (node->count != 2) return wrong_value(node, option, "one number or [height, width]");
    CVY_TRY(read_int(&out[0], node->items[0], option));
    return read_int(&out[1], node->items[1], option);
  }
  const char first = node->kind == CVY_YAML_SCALAR ? node->text[0] : '\0';
  const bool is_word = (first >= 'a' && first <= 'z') || (first >= 'A' && first <= 'Z');
  if (option->words && is_word) {
    int word = 0;
    CVY_TRY(read_word(&word, node, option));
    out[0] = out[1] = -1 - word;
    return CVY_OK;
  }
  long long h, w;
  char rest;
  if (node->kind == CVY_YAML_SCALAR && sscanf(node->text, "%lldx%lld%c", &h, &w, &rest) == 2)
    return cvy_yaml_error(node,
                          "'%s' must be one number or [height, width], not '%s'; did you mean [%lld, %lld]?",
                          option->name, node->text, h, w);
  CVY_TRY(read_int(&out[0], node, option));
  out[1] = out[0];
  return CVY_OK;
}

static cvy_err read_ints(cvy_ints *out, cvy_pool *pool, const cvy_yaml *node, const cvy_option *option) {
  if (node->kind != CVY_YAML_SEQUENCE) return wrong_value(node, option, "a list of whole numbers");
  int64_t *values = cvy_pool_new(pool, sizeof *values * (size_t)node->count);
  for (int64_t i = 0; i < node->count; i++) CVY_TRY(read_int(&values[i], node->items[i], option));
  *out = (cvy_ints){.count = node->count, .values = values};
  return CVY_OK;
}

static cvy_err read_floats(cvy_floats *out, cvy_pool *pool, const cvy_yaml *node, const cvy_option *option) {
  if (node->kind != CVY_YAML_SEQUENCE) return wrong_value(node, option, "a list of numbers");
  double *values = cvy_pool_new(pool, sizeof *values * (size_t)node->count);
  for (int64_t i = 0; i < node->count; i++) CVY_TRY(read_number(&values[i], node->items[i], option, false));
  *out = (cvy_floats){.count = node->count, .values = values};
  return CVY_OK;
}

static cvy_err read_value(void *config, cvy_pool *pool, const cvy_option *option, const cvy_yaml *node) {
  void *field = (char *)config + option->offset;
  switch (option->type) {
  case CVY_INT:
    return read_int(field, node, option);
  case CVY_FLOAT:
    return read_number(field, node, option, false);
  case CVY_BOOL:
    return read_bool(field, node, option);
  case CVY_STRING:
    if (node->kind != CVY_YAML_SCALAR) return wrong_value(node, option, "a text");
    *(const char **)field = node->text;
    return CVY_OK;
  case CVY_CHOICE:
    return read_word(field, node, option);
  case CVY_PAIR:
    return read_pair(field, node, option);
  case CVY_INTS:
    return read_ints(field, pool, node, option);
  case CVY_FLOATS:
    return read_floats(field, pool, node, option);
  case CVY_TABLE:
    return cvy_options_read(field, pool, option->table, node, node, option->name);
  case CVY_NODE:
    *(const cvy_yaml **)field = node;
    return CVY_OK;
  }
  return CVY_OK;
}

/* ---- tables ---- */

cvy_err cvy_options_defaults(void *config, cvy_pool *pool, const cvy_option *table) {
  for (const cvy_option *option = table; option && option->name; option++) {
    if (option->type == CVY_TABLE) {
      CVY_TRY(cvy_options_defaults((char *)config + option->offset, pool, option->table));
    } else if (option->fallback && option->type == CVY_STRING) {
      *(const char **)((char *)config + option->offset) = option->fallback;
    } else if (option->fallback) {
      cvy_yaml *node;
      CVY_TRY(cvy_yaml_parse(&node, pool, option->fallback, "default"));
      CVY_TRY(read_value(config, pool, option, node));
    }
  }
  return CVY_OK;
}

static const cvy_option *find(const cvy_option *table, const char *name) {
  for (const cvy_option *option = table; option && option->name; option++)
    if (strcmp(option->name, name) == 0) return option;
  return NULL;
}

static cvy_err unknown_key(const cvy_yaml *mapping, int64_t index, const cvy_option *table,
                           const char *what) {
  const cvy_yaml *key = mapping->keys[index], *value = mapping->items[index];
  const char *known[MOST_KEYS];
  const int64_t count = names_of(known, table);
  if (count == 0) return cvy_yaml_error(key, "unknown key '%s': %s has no options", key->text, what);
  char list[1024];
  cvy_text_list(list, sizeof list, ", ", known, count);
  const char *given = value->kind == CVY_YAML_SCALAR ? value->text : NULL;
  return cvy_yaml_error(key, "unknown key '%s' in %s%s (known: %s)", key->text, what,
                        cvy_meant_key(key->text, given, cvy_yaml_is_typed(key), mapping, table), list);
}

static cvy_err require_all(const cvy_option *table, const cvy_yaml *mapping, const cvy_yaml *at,
                           const char *what) {
  for (const cvy_option *option = table; option && option->name; option++) {
    const bool needed = !option->fallback && option->type != CVY_NODE;
    if (!needed || cvy_yaml_get(mapping, option->name)) continue;
    if (option->type == CVY_TABLE)
      CVY_TRY(require_all(option->table, NULL, at, option->name));
    else
      return cvy_yaml_error(at, "%s needs '%s' (%s)", what, option->name, option->help);
  }
  return CVY_OK;
}

/* Refuses keys that have no effect, because the one that they belong to is not given. */
static cvy_err check_needs(const cvy_option *table, const cvy_yaml *mapping, const char *what) {
  for (int64_t i = 0; i < mapping->count; i++) {
    const cvy_option *option = find(table, mapping->keys[i]->text);
    if (!option->needs || cvy_yaml_get(mapping, option->needs)) continue;
    return cvy_yaml_error(mapping->keys[i], "'%s' has no effect in %s without '%s' (%s), which is not given",
                          option->name, what, option->needs, find(table, option->needs)->help);
  }
  return CVY_OK;
}

/* Shows how the value would be written as the first option, if that is always needed, the only one, or a
 * size. */
static cvy_err no_mapping(const cvy_yaml *value, const cvy_option *table, const char *what) {
  const bool leads = table && table->name &&
                     (!table->fallback || !table[1].name || strcmp(table->name, "size") == 0);
  const bool fits = value->kind == CVY_YAML_SCALAR && leads && table->type != CVY_NODE &&
                    table->type != CVY_TABLE;
  if (!fits)
    return cvy_yaml_error(value, "%s takes key: value options, not %s", what, cvy_yaml_describe(value));
  return cvy_yaml_error(value, "%s takes key: value options, not %s; did you mean {%s: %s}?", what,
                        cvy_yaml_describe(value), table->name, value->text);
}

cvy_err cvy_options_read(void *config, cvy_pool *pool, const cvy_option *table, const cvy_yaml *mapping,
                         const cvy_yaml *at, const char *what) {
  CVY_TRY(cvy_options_defaults(config, pool, table));
  const bool nothing = !mapping || (mapping->kind == CVY_YAML_SCALAR && !mapping->text[0]);
  if (nothing) return require_all(table, NULL, at, what);
  if (mapping->kind != CVY_YAML_MAPPING) return no_mapping(mapping, table, what);
  for (int64_t i = 0; i < mapping->count; i++) {
    const cvy_option *option = find(table, mapping->keys[i]->text);
    if (!option) return unknown_key(mapping, i, table, what);
    CVY_TRY(read_value(config, pool, option, mapping->items[i]));
  }
  CVY_TRY(check_needs(table, mapping, what));
  return require_all(table, mapping, at, what);
}

/* Makes the node of a value as it is typed: WIDTHxHEIGHT, or a list with commas between. */
static cvy_yaml *typed_node(cvy_pool *pool, const char *name, const cvy_option *option, const char *text) {
  const bool is_list = option->type == CVY_INTS || option->type == CVY_FLOATS;
  int64_t width, height;
  char rest;
  cvy_yaml *list = cvy_yaml_new_sequence(pool, name);
  if (option->type == CVY_PAIR && sscanf(text, "%" SCNd64 "x%" SCNd64 "%c", &width, &height, &rest) == 2)
    text = cvy_pool_format(pool, "%" PRId64 ",%" PRId64, height, width);
  else if (!is_list)
    return cvy_yaml_new_scalar(pool, name, text);
  for (const char *at = text; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
    cvy_yaml_add(pool, list, NULL,
                 cvy_yaml_new_scalar(pool, name, cvy_pool_format(pool, "%.*s", (int)strcspn(at, ","), at)));
  return list;
}

cvy_err cvy_option_set(void *config, cvy_pool *pool, const cvy_option *option, const char *text) {
  if (option->type == CVY_STRING && !text[0])
    return cvy_error(CVY_E_USAGE, "--%s has an empty value; leave it out where none is meant", option->name);
  const char *typed = cvy_pool_format(pool, "--%s %s", option->name, text);
  const cvy_err err = read_value(config, pool, option, typed_node(pool, typed, option, text));
  if (!err) return CVY_OK;
  return cvy_error(CVY_E_USAGE, "%s%s", cvy_err_message(),
                   option->type == CVY_PAIR ? "; expected WIDTHxHEIGHT or one number" : "");
}

static cvy_yaml *number_node(cvy_pool *pool, double value) {
  return cvy_yaml_new_scalar(pool, "resolved", cvy_pool_format(pool, "%.17g", value));
}

/* Makes the shortest decimal that reads back as the same double. */
static cvy_yaml *float_node(cvy_pool *pool, double value) {
  char text[40];
  for (int digits = 6; digits <= 17; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, value);
    if (strtod(text, NULL) == value) break;
  }
  return cvy_yaml_new_scalar(pool, "resolved", text);
}

static cvy_yaml *dump_value(const void *field, cvy_pool *pool, const cvy_option *option) {
  const char *file = "resolved";
  switch (option->type) {
  case CVY_INT:
    return number_node(pool, (double)*(const int64_t *)field);
  case CVY_FLOAT:
    return float_node(pool, *(const double *)field);
  case CVY_BOOL:
    return cvy_yaml_new_scalar(pool, file, *(const bool *)field ? "true" : "false");
  case CVY_STRING: {
    cvy_yaml *node = cvy_yaml_new_scalar(pool, file, *(const char *const *)field);
    node->plain = node->text[0] != '\0';
    return node;
  }
  case CVY_CHOICE:
    return cvy_yaml_new_scalar(pool, file, option->words[*(const int *)field]);
  case CVY_PAIR: {
    const int64_t *pair = field;
    if (pair[0] < 0 && option->words) return cvy_yaml_new_scalar(pool, file, option->words[-1 - pair[0]]);
    cvy_yaml *list = cvy_yaml_new_sequence(pool, file);
    for (int i = 0; i < 2; i++) cvy_yaml_add(pool, list, NULL, number_node(pool, (double)pair[i]));
    return list;
  }
  case CVY_INTS: {
    const cvy_ints *ints = field;
    cvy_yaml *list = cvy_yaml_new_sequence(pool, file);
    for (int64_t i = 0; i < ints->count; i++)
      cvy_yaml_add(pool, list, NULL, number_node(pool, (double)ints->values[i]));
    return list;
  }
  case CVY_FLOATS: {
    const cvy_floats *floats = field;
    cvy_yaml *list = cvy_yaml_new_sequence(pool, file);
    for (int64_t i = 0; i < floats->count; i++)
      cvy_yaml_add(pool, list, NULL, float_node(pool, floats->values[i]));
    return list;
  }
  case CVY_TABLE:
    return cvy_options_dump(field, pool, option->table);
  case CVY_NODE:
    return *(cvy_yaml *const *)field;
  }
  return NULL;
}

cvy_yaml *cvy_options_dump(const void *config, cvy_pool *pool, const cvy_option *table) {
  cvy_yaml *mapping = cvy_yaml_new_mapping(pool, "resolved");
  for (const cvy_option *option = table; option && option->name; option++) {
    cvy_yaml *value = dump_value((const char *)config + option->offset, pool, option);
    if (value) cvy_yaml_add(pool, mapping, option->name, value);
  }
  return mapping;
}

/* ---- help ---- */

static const char *type_text(const cvy_option *option, bool on_command_line) {
  static _Thread_local char text[160];
  switch (option->type) {
  case CVY_INT:
    return "N";
  case CVY_FLOAT:
    return "X";
  case CVY_BOOL:
    return "";
  case CVY_STRING:
    return "TEXT";
  case CVY_PAIR:
    if (!option->words) return on_command_line ? "N|WxH" : "N|[H,W]";
    /* fall through */
  case CVY_CHOICE: {
    const size_t before = option->type == CVY_PAIR ? strlen(strcpy(text, "N|[H,W]|")) : 0;
    cvy_text_list(text + before, sizeof text - before, "|", option->words, words_count(option));
    return text;
  }
  case CVY_INTS:
    return on_command_line ? "N,..." : "[N, ...]";
  case CVY_FLOATS:
    return on_command_line ? "X,..." : "[X, ...]";
  case CVY_NODE:
    if (option->words) return option->words[0];
    return "{...}";
  case CVY_TABLE:
    return "{...}";
  }
  return "";
}

static const char *const effect_texts[] = {
    [CVY_EFFECT_UNSAID] = "",
    [CVY_CHANGES_BITS] = "",
    [CVY_CHANGES_TOTAL] = "; may change at --resume, unless the schedule looks ahead to it",
    [CVY_CHANGES_NO_BIT] = "; may change at --resume",
    [CVY_LOCAL] = "; another path may be given at --resume, and by each rank"};

void cvy_options_help(FILE *out, const cvy_option *table, const char *prefix) {
  for (const cvy_option *option = table; option && option->name; option++) {
    char left[200];
    snprintf(left, sizeof left, "%s%s %s", prefix, option->name, type_text(option, prefix[0] == '-'));
    fprintf(out, "  %-26s %s", left, option->help);
    const bool numeric = option->type == CVY_INT || option->type == CVY_FLOAT || option->type == CVY_PAIR;
    const bool is_empty = option->fallback && (!option->fallback[0] || strcmp(option->fallback, "[]") == 0);
    if (option->fallback && !is_empty && option->type != CVY_BOOL) fprintf(out, " [%s]", option->fallback);
    if (option->type == CVY_BOOL && option->fallback && strcmp(option->fallback, "true") == 0)
      fputs(" [true]", out);
    if (!option->fallback && option->type != CVY_NODE && option->type != CVY_TABLE) fputs(" (required)", out);
    if (numeric && (option->min != -CVY_NO_LIMIT || option->max != CVY_NO_LIMIT))
      fprintf(out, ";%s", range_text(option));
    fputs(effect_texts[option->effect], out);
    fputc('\n', out);
    if (option->type == CVY_TABLE) {
      char inner[64];
      snprintf(inner, sizeof inner, "%s%s.", prefix, option->name);
      cvy_options_help(out, option->table, inner);
    }
  }
}

const char *cvy_option_values(const cvy_option *option) {
  return option->type == CVY_BOOL ? "true|false" : type_text(option, false);
}

/* Escapes bars, for a bar would end the cell. */
static void print_cell(FILE *out, const char *text) {
  fputs(" ", out);
  for (; *text; text++) fprintf(out, *text == '|' ? "\\|" : "%c", *text);
  fputs(" |", out);
}

void cvy_options_markdown(FILE *out, const cvy_option *table) {
  if (!table || !table->name) return;
  fputs("| option | values | default | |\n|---|---|---|---|\n", out);
  for (const cvy_option *option = table; option->name; option++) {
    const bool needed = !option->fallback && option->type != CVY_NODE && option->type != CVY_TABLE;
    char values[300];
    const char *range = option->type == CVY_INT || option->type == CVY_FLOAT || option->type == CVY_PAIR
                            ? range_text(option)
                            : "";
    snprintf(values, sizeof values, "%s%s%s", cvy_option_values(option), range[0] ? "," : "", range);
    fprintf(out, "| `%s` |", option->name);
    print_cell(out, values);
    print_cell(out, needed ? "required" : option->fallback ? option->fallback : "");
    print_cell(out, option->help);
    fputc('\n', out);
  }
}

/* ---- kinds ---- */

typedef struct choice {
  const cvy_kind *const *kinds;
  int64_t count;
  const char *what; /* "layer" */
} choice;

static const cvy_kind *kind_named(const choice *c, const char *name) {
  for (int64_t i = 0; i < c->count; i++)
    if (strcmp(c->kinds[i]->name, name) == 0) return c->kinds[i];
  return NULL;
}

static int64_t names_of_kinds(const char *names[MOST_KEYS], const choice *c) {
  int64_t count = 0;
  while (count < c->count && count < MOST_KEYS) {
    names[count] = c->kinds[count]->name;
    count++;
  }
  return count;
}

static cvy_err no_kind(const cvy_yaml *node, const choice *c, const cvy_yaml *stray) {
  const char *known[MOST_KEYS];
  const int64_t count = names_of_kinds(known, c);
  return cvy_yaml_error(node, "expected one %s as 'name' or 'name: {options}', not %s%s", c->what,
                        cvy_yaml_describe(node), stray ? cvy_meant(stray->text, known, count) : "");
}

/* Returns how many letters of a typed "a.b.key=value" stand before ".key", where `node` is the key; 0 if it
 * was not typed like this. `typed` becomes "a.b.key=value". */
static int letters_before(const char **typed, const cvy_yaml *node) {
  const char *comma = strchr(node->file, ','), *equals = strchr(node->file, '=');
  if (!cvy_yaml_is_typed(node) || !comma || !equals) return 0;
  *typed = comma + 2;
  for (const char *at = *typed; at < equals; at++) {
    const size_t length = strlen(node->text);
    if (*at == '.' && strncmp(at + 1, node->text, length) == 0 && strchr(".=", at[1 + length]))
      return (int)(at - *typed);
  }
  return 0;
}

static cvy_err two_kinds(const cvy_yaml *node, const cvy_yaml *first, const cvy_yaml *second,
                         const choice *c) {
  const char *typed;
  const int letters = letters_before(&typed, second);
  if (!letters)
    return cvy_yaml_error(node,
                          "expected one %s as 'name' or 'name: {options}', not a mapping of '%s' and '%s'",
                          c->what, first->text, second->text);
  return cvy_yaml_error(second,
                        "the recipe's %s is '%s', and only one can be chosen: change its options "
                        "(%.*s.%s...), or choose the other first (%.*s=%s %s)",
                        c->what, first->text, letters, typed, first->text, letters, typed, second->text,
                        typed);
}

/* Returns the option of a kind that is meant by a key which stands beside it; NULL if none is. */
static const char *option_meant(const cvy_kind *kind, const char *key) {
  const char *known[MOST_KEYS];
  const int64_t count = names_of(known, kind->options);
  const cvy_habit *habit = cvy_habit_of(key, known, count);
  if (habit) return habit->say || habit->path ? NULL : cvy_habit_key(habit);
  return cvy_nearest_word(key, known, count);
}

static cvy_err beside_kind(const cvy_yaml *kind, const cvy_yaml *stray, const char *meant) {
  const char *typed;
  const int letters = letters_before(&typed, stray), key_letters = (int)strlen(stray->text) + 1;
  if (!letters)
    return cvy_yaml_error(stray, "'%s' stands beside '%s'; as one of its options it is written %s: {%s: ...}",
                          stray->text, kind->text, kind->text, meant);
  return cvy_yaml_error(stray, "'%s' stands beside '%s'; did you mean %.*s.%s.%s%s?", stray->text, kind->text,
                        letters, typed, kind->text, meant, typed + letters + key_letters);
}

/* Says that a key stands beside a kind and is none of its options. */
static cvy_err stray_key(const cvy_kind *kind, const cvy_yaml *stray, const choice *c) {
  const char *options[MOST_KEYS], *known[MOST_KEYS];
  char list[1024];
  cvy_text_list(list, sizeof list, ", ", options, names_of(options, kind->options));
  return cvy_yaml_error(stray, "'%s' stands beside '%s', and is no option of it%s (known: %s)", stray->text,
                        kind->name, cvy_meant(stray->text, known, names_of_kinds(known, c)), list);
}

/* Says what is wrong where several keys stand in the place of one name. */
static cvy_err several_keys(const cvy_yaml *node, const choice *c) {
  const cvy_yaml *named = NULL, *second = NULL, *stray = NULL;
  for (int64_t i = 0; i < node->count; i++) {
    const bool is_kind = kind_named(c, node->keys[i]->text) != NULL;
    if (is_kind && named && !second) second = node->keys[i];
    if (is_kind && !named) named = node->keys[i];
    if (!is_kind && !stray) stray = node->keys[i];
  }
  const bool is_empty = node->items[0]->kind == CVY_YAML_SCALAR && !node->items[0]->text[0];
  if (is_empty && !cvy_yaml_is_typed(node->keys[1]))
    return cvy_yaml_error(
        node->keys[1],
        "'%s' stands beside '%s'; if it is one of its options, it must be indented more, by four spaces "
        "from the dash",
        node->keys[1]->text, node->keys[0]->text);
  if (second) return two_kinds(node, named, second, c);
  if (!named) return no_kind(node, c, stray);
  const cvy_kind *kind = kind_named(c, named->text);
  const char *meant = option_meant(kind, stray->text);
  return meant ? beside_kind(named, stray, meant) : stray_key(kind, stray, c);
}

static cvy_err unknown_kind(const cvy_yaml *name, const choice *c) {
  const char *known[MOST_KEYS];
  const int64_t count = names_of_kinds(known, c);
  char *end;
  strtod(name->text, &end);
  if (*end || !name->text[0]) return unknown_word(name, c->what, "", known, count);
  return cvy_yaml_error(name, "expected the name of %s %s, not the number %s", cvy_article(c->what), c->what,
                        name->text);
}

cvy_err cvy_kind_read(int64_t *index, void **config, cvy_pool *pool, const cvy_kind *const *kinds,
                      int64_t kind_count, const cvy_yaml *node, const char *what) {
  const choice c = {kinds, kind_count, what};
  const cvy_yaml *name = node, *options = NULL;
  if (node->kind == CVY_YAML_MAPPING && node->count == 1) {
    name = node->keys[0];
    options = node->items[0];
  } else if (node->kind == CVY_YAML_MAPPING && node->count > 1) {
    return several_keys(node, &c);
  } else if (node->kind != CVY_YAML_SCALAR) {
    return no_kind(node, &c, NULL);
  }
  for (int64_t i = 0; i < kind_count; i++) {
    if (strcmp(kinds[i]->name, name->text) != 0) continue;
    *index = i;
    *config = cvy_pool_new(pool, kinds[i]->config_bytes);
    return cvy_options_read(*config, pool, kinds[i]->options, options, name, kinds[i]->name);
  }
  return unknown_kind(name, &c);
}

cvy_yaml *cvy_kind_dump(const cvy_kind *kind, const void *config, cvy_pool *pool) {
  cvy_yaml *mapping = cvy_yaml_new_mapping(pool, "resolved");
  cvy_yaml_add(pool, mapping, kind->name, cvy_options_dump(config, pool, kind->options));
  return mapping;
}
