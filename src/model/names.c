/* Maps of names: what other programs call the layers of Convoy's networks.
 *
 * A pattern has {x} for a number, which the name on the other side may take up as {x}, {x+1} or {x-1}:
 * "stage1.{b}.path.conv_bn{i}.conv1: layer1.{b-1}.conv{i}". */
#include "base/yaml.h"
#include "model/match.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { LETTERS = 26, NAME_BYTES = 512 };

/* The numbers that stood for {a} ... {z}; -1: none. */
typedef struct captured {
  int64_t of[LETTERS];
} captured;

static bool is_hole(const char *at) {
  return at[0] == '{' && islower((unsigned char)at[1]);
}

static bool fits_pattern(captured *numbers, const char *pattern, const char *text) {
  for (int i = 0; i < LETTERS; i++) numbers->of[i] = -1;
  while (*pattern) {
    if (!is_hole(pattern)) {
      if (*pattern++ != *text++) return false;
      continue;
    }
    int64_t *number = &numbers->of[pattern[1] - 'a'];
    char *end;
    if (!isdigit((unsigned char)*text)) return false;
    const long value = strtol(text, &end, 10);
    if (*number >= 0 && *number != value) return false;
    *number = value;
    text = end;
    pattern += strlen("{x}");
  }
  return *text == '\0';
}

/* Writes what {x}, {x+1} or {x-1} at `at` stands for, and returns where the text goes on. */
static const char *fill_hole(char *out, size_t bytes, const char *at, const captured *numbers) {
  const int64_t number = numbers->of[at[1] - 'a'];
  char *end = (char *)(at + 2);
  const long more = *end == '}' ? 0 : strtol(at + 2, &end, 10);
  snprintf(out, bytes, "%" PRId64, number + more);
  return *end == '}' ? end + 1 : end;
}

static const char *fill(cvy_pool *pool, const char *form, const captured *numbers) {
  char out[NAME_BYTES];
  size_t length = 0;
  while (*form && length + 1 < sizeof out) {
    if (is_hole(form)) {
      form = fill_hole(out + length, sizeof out - length, form, numbers);
      length += strlen(out + length);
    } else {
      out[length++] = *form++;
    }
  }
  return cvy_pool_format(pool, "%.*s", (int)length, out);
}

/* Tells whether a list of words, "resnet18 resnet34", has this one. */
static bool lists(const char *words, const char *word) {
  const size_t length = strlen(word);
  for (const char *at = words; *at; at += strspn(at, " ,")) {
    const size_t own = strcspn(at, " ,");
    if (own == length && strncmp(at, word, own) == 0) return true;
    at += own;
  }
  return false;
}

const char *cvy_mapped_name(cvy_pool *pool, const cvy_name_map *map, const char *network, const char *layer) {
  captured numbers;
  for (int64_t i = 0; i < map->networks->count; i++) {
    const cvy_yaml *names = map->networks->items[i];
    if (!lists(map->networks->keys[i]->text, network) || names->kind != CVY_YAML_MAPPING) continue;
    for (int64_t k = 0; k < names->count; k++)
      if (names->items[k]->kind == CVY_YAML_SCALAR && fits_pattern(&numbers, names->keys[k]->text, layer))
        return fill(pool, names->items[k]->text, &numbers);
  }
  return NULL;
}

/* What torch calls a layer's tensors. */
static const char *torch_word(const char *tensor) {
  static const struct {
    const char *own, *torch;
  } words[] = {
      {"weights", "weight"}, {"scale", "weight"}, {"mean", "running_mean"}, {"variance", "running_var"}};
  for (int64_t i = 0; i < CVY_COUNT(words); i++)
    if (strcmp(words[i].own, tensor) == 0) return words[i].torch;
  return tensor;
}

const char *const *cvy_mapped_tensors(const char **missing, cvy_pool *pool, const cvy_name_map *map,
                                      const cvy_net *net) {
  const cvy_net_info *info = cvy_net_describe(net);
  const char **names = cvy_pool_new(pool, sizeof *names * (size_t)(info->param_tensors + 1));
  *missing = NULL;
  for (int64_t i = 0; i < info->param_tensors; i++) {
    const cvy_net_param *p = &info->params[i];
    const char *layer = info->layers[p->layer].name;
    const char *name = map ? cvy_mapped_name(pool, map, info->name, layer) : layer;
    if (!name) *missing = layer;
    if (!name) return NULL;
    names[i] = cvy_pool_format(pool, "%s.%s", name, torch_word(p->spec->name));
  }
  return names;
}
