/* Option tables: parsing, checking, help and writing out, all from one table. */
#include "base/options.h"

#include "base/text.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the nearest word ---- */

enum { MAX_WORD = 32 };

/* Returns Levenshtein's distance of two words; INT_MAX if one has more than MAX_WORD letters. */
static int edit_distance(const char *a, const char *b) {
  const size_t n = strlen(a), m = strlen(b);
  int row[MAX_WORD + 1];
  if (n > MAX_WORD || m > MAX_WORD) return INT_MAX;
  for (size_t j = 0; j <= m; j++) row[j] = (int)j;
  for (size_t i = 1; i <= n; i++) {
    int diagonal = row[0];
    row[0] = (int)i;
    for (size_t j = 1; j <= m; j++) {
      const int change = diagonal + (a[i - 1] != b[j - 1]);
      const int insertion = row[j - 1] + 1, deletion = row[j] + 1;
      diagonal = row[j];
      row[j] = insertion < deletion ? insertion : deletion;
      if (change < row[j]) row[j] = change;
    }
  }
  return row[m];
}

const char *cvy_nearest_word(const char *word, const char *const *words, int64_t count) {
  const char *nearest = NULL;
  int least = 1 + (int)strlen(word) / 3;
  for (int64_t i = 0; i < count; i++) {
    const int distance = edit_distance(word, words[i]);
    if (distance <= least) {
      least = distance - 1;
      nearest = words[i];
    }
  }
  return nearest;
}

/* Makes an error such as "unknown key 'filers' in conv; did you mean 'filters'? (known: filters, kernel)" */
static cvy_err unknown_word(const cvy_yaml *at, const char *kind_of_word, const char *what,
                            const char *const *known, int64_t count) {
  char list[1024];
  cvy_text_list(list, sizeof list, ", ", known, count);
  const char *nearest = cvy_nearest_word(at->text, known, count);
  const char *in = what[0] ? " in " : "";
  if (nearest)
    return cvy_yaml_error(at, "unknown %s '%s'%s%s; did you mean '%s'? (known: %s)", kind_of_word, at->text,
                          in, what, nearest, list);
  return cvy_yaml_error(at, "unknown %s '%s'%s%s (known: %s)", kind_of_word, at->text, in, what, list);
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
  const bool low = option->min > -CVY_NO_LIMIT, high = option->max < CVY_NO_LIMIT;
  text[0] = '\0';
  if (low && high)
    snprintf(text, sizeof text, " from %.16g to %.16g", option->min, option->max);
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
  if (*end || errno || !isfinite(value) || (whole && value != floor(value)) || value < option->min ||
      value > option->max)
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
  const bool is_word = node->kind == CVY_YAML_SCALAR && node->text[0] >= 'a' && node->text[0] <= 'z';
  if (option->words && is_word) {
    int word = 0;
    CVY_TRY(read_word(&word, node, option));
    out[0] = out[1] = -1 - word;
    return CVY_OK;
  }
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

static cvy_err unknown_key(const cvy_yaml *key, const cvy_option *table, const char *what) {
  const char *known[64];
  int64_t count = 0;
  for (const cvy_option *option = table; option && option->name && count < 64; option++)
    known[count++] = option->name;
  if (count == 0) return cvy_yaml_error(key, "unknown key '%s': %s has no options", key->text, what);
  return unknown_word(key, "key", what, known, count);
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

cvy_err cvy_options_read(void *config, cvy_pool *pool, const cvy_option *table, const cvy_yaml *mapping,
                         const cvy_yaml *at, const char *what) {
  CVY_TRY(cvy_options_defaults(config, pool, table));
  const bool nothing = !mapping || (mapping->kind == CVY_YAML_SCALAR && !mapping->text[0]);
  if (nothing) return require_all(table, NULL, at, what);
  if (mapping->kind != CVY_YAML_MAPPING)
    return cvy_yaml_error(mapping, "%s takes key: value options, not %s", what, cvy_yaml_describe(mapping));
  for (int64_t i = 0; i < mapping->count; i++) {
    const cvy_option *option = find(table, mapping->keys[i]->text);
    if (!option) return unknown_key(mapping->keys[i], table, what);
    CVY_TRY(read_value(config, pool, option, mapping->items[i]));
  }
  return require_all(table, mapping, at, what);
}

cvy_err cvy_option_set(void *config, cvy_pool *pool, const cvy_option *option, const char *text) {
  char *name = cvy_pool_format(pool, "--%s", option->name);
  cvy_yaml *node = cvy_yaml_new_scalar(pool, name, text);
  int64_t width, height;
  char rest;
  const char *rule = "a value";
  if (option->type == CVY_PAIR && sscanf(text, "%" SCNd64 "x%" SCNd64 "%c", &width, &height, &rest) == 2) {
    node = cvy_yaml_new_sequence(pool, name);
    cvy_yaml_add(pool, node, NULL,
                 cvy_yaml_new_scalar(pool, name, cvy_pool_format(pool, "%" PRId64, height)));
    cvy_yaml_add(pool, node, NULL, cvy_yaml_new_scalar(pool, name, cvy_pool_format(pool, "%" PRId64, width)));
    rule = "WIDTHxHEIGHT or one number";
  } else if (option->type == CVY_PAIR) {
    rule = "WIDTHxHEIGHT or one number";
  }
  const cvy_err err = read_value(config, pool, option, node);
  if (!err) return CVY_OK;
  const char *message = strstr(cvy_err_message(), ":1:1: ");
  return cvy_error(CVY_E_USAGE, "%s %s: %s%s%s", name, text, message ? message + 6 : cvy_err_message(),
                   option->type == CVY_PAIR ? "; expected " : "", option->type == CVY_PAIR ? rule : "");
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
    return "[N, ...]";
  case CVY_FLOATS:
    return "[X, ...]";
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
    const bool shown_default = option->fallback && option->fallback[0] && option->type != CVY_BOOL;
    if (shown_default) fprintf(out, " [%s]", option->fallback);
    if (option->type == CVY_BOOL && option->fallback && strcmp(option->fallback, "true") == 0)
      fputs(" [true]", out);
    if (!option->fallback && option->type != CVY_NODE && option->type != CVY_TABLE) fputs(" (required)", out);
    if (numeric && (option->min > -CVY_NO_LIMIT || option->max < CVY_NO_LIMIT))
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

cvy_err cvy_kind_read(int64_t *index, void **config, cvy_pool *pool, const cvy_kind *const *kinds,
                      int64_t kind_count, const cvy_yaml *node, const char *what) {
  const cvy_yaml *name = node, *options = NULL;
  if (node->kind == CVY_YAML_MAPPING && node->count == 1) {
    name = node->keys[0];
    options = node->items[0];
  } else if (node->kind == CVY_YAML_MAPPING && node->count > 1 && node->items[0]->kind == CVY_YAML_SCALAR &&
             !node->items[0]->text[0]) {
    return cvy_yaml_error(
        node->keys[1],
        "'%s' stands beside '%s'; if it is one of its options, it must be indented more, by four spaces "
        "from the dash",
        node->keys[1]->text, node->keys[0]->text);
  } else if (node->kind != CVY_YAML_SCALAR) {
    return cvy_yaml_error(node, "expected one %s as 'name' or 'name: {options}', not %s", what,
                          cvy_yaml_describe(node));
  }
  for (int64_t i = 0; i < kind_count; i++) {
    if (strcmp(kinds[i]->name, name->text) != 0) continue;
    *index = i;
    *config = cvy_pool_new(pool, kinds[i]->config_bytes);
    return cvy_options_read(*config, pool, kinds[i]->options, options, name, kinds[i]->name);
  }
  const char *known[128];
  for (int64_t i = 0; i < kind_count && i < 128; i++) known[i] = kinds[i]->name;
  return unknown_word(name, what, "", known, kind_count < 128 ? kind_count : 128);
}

cvy_yaml *cvy_kind_dump(const cvy_kind *kind, const void *config, cvy_pool *pool) {
  cvy_yaml *mapping = cvy_yaml_new_mapping(pool, "resolved");
  cvy_yaml_add(pool, mapping, kind->name, cvy_options_dump(config, pool, kind->options));
  return mapping;
}
