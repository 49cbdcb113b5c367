/* Maps of names: what other programs call the layers of Convoy's networks.
 *
 * A pattern has {x} for a number and {X} for some small letters. The name on the other side takes them up, a
 * number also times and plus another: "stage2.conv.{i}.conv1: features.{2i+3}". */
#include "base/yaml.h"
#include "model/match.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { LETTERS = 26, WORD_BYTES = 32, NAME_BYTES = 512 };

/* What stood for {a} ... {z} and {A} ... {Z}. */
typedef struct captured {
  bool has_number[LETTERS];
  int64_t numbers[LETTERS];
  char words[LETTERS][WORD_BYTES]; /* "": nothing */
} captured;

static bool is_hole(const char *at) {
  return at[0] == '{' && isalpha((unsigned char)at[1]) && at[2] == '}';
}

/* These take what stands for a hole from the text, and return where the text goes on; NULL if it does not
 * fit, or is not what stood for it before. */
static const char *take_number(captured *found, char letter, const char *text) {
  const int which = letter - 'a';
  char *end;
  if (!isdigit((unsigned char)*text)) return NULL;
  const int64_t value = strtol(text, &end, 10);
  if (found->has_number[which] && found->numbers[which] != value) return NULL;
  found->has_number[which] = true;
  found->numbers[which] = value;
  return end;
}

static const char *take_word(captured *found, char letter, const char *text) {
  char *word = found->words[letter - 'A'];
  size_t length = 0;
  while (islower((unsigned char)text[length])) length++;
  if (length == 0 || length >= WORD_BYTES) return NULL;
  if (word[0] && (strlen(word) != length || strncmp(word, text, length) != 0)) return NULL;
  memcpy(word, text, length);
  word[length] = '\0';
  return text + length;
}

static bool fits_pattern(captured *found, const char *pattern, const char *text) {
  *found = (captured){0};
  while (*pattern) {
    if (!is_hole(pattern)) {
      if (*pattern++ != *text++) return false;
      continue;
    }
    const char letter = pattern[1];
    text = (islower((unsigned char)letter) ? take_number : take_word)(found, letter, text);
    if (!text) return false;
    pattern += strlen("{x}");
  }
  return *text == '\0';
}

/* Writes what "{X}" or "{2x+3}" at `at` stands for, and returns where the form goes on. */
static const char *fill_hole(char *out, size_t bytes, const char *at, const captured *found) {
  char *letter;
  const bool has_factor = isdigit((unsigned char)at[1]);
  const int64_t factor = has_factor ? strtol(at + 1, &letter, 10) : 1;
  if (!has_factor) letter = (char *)at + 1;
  if (islower((unsigned char)*letter)) {
    char *end = letter + 1;
    const int64_t more = *end == '}' ? 0 : strtol(letter + 1, &end, 10);
    snprintf(out, bytes, "%" PRId64, factor * found->numbers[*letter - 'a'] + more);
  } else if (isupper((unsigned char)*letter)) {
    snprintf(out, bytes, "%s", found->words[*letter - 'A']);
  }
  const char *close = strchr(at, '}');
  return close ? close + 1 : at + strlen(at);
}

static const char *fill(cvy_pool *pool, const char *form, const captured *found) {
  char out[NAME_BYTES];
  size_t length = 0;
  while (*form && length + 1 < sizeof out) {
    if (*form == '{') {
      out[length] = '\0';
      form = fill_hole(out + length, sizeof out - length, form, found);
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
  captured found;
  for (int64_t i = 0; i < map->networks->count; i++) {
    const cvy_yaml *names = map->networks->items[i];
    if (!lists(map->networks->keys[i]->text, network) || names->kind != CVY_YAML_MAPPING) continue;
    for (int64_t k = 0; k < names->count; k++)
      if (names->items[k]->kind == CVY_YAML_SCALAR && fits_pattern(&found, names->keys[k]->text, layer))
        return fill(pool, names->items[k]->text, &found);
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
