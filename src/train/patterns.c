/* Reads lists of names of layers. */
#include "train/patterns.h"

#include "base/words.h"

#include <stdlib.h>
#include <string.h>

cvy_err cvy_patterns_read(cvy_patterns *out, const cvy_yaml **node, cvy_pool *pool, const char *what) {
  *out = (cvy_patterns){0};
  if (!*node) return CVY_OK;
  if ((*node)->kind == CVY_YAML_SCALAR) {
    cvy_yaml *list = cvy_yaml_new_sequence(pool, (*node)->file), *name = cvy_pool_new(pool, sizeof *name);
    list->line = (*node)->line;
    list->column = (*node)->column;
    *name = **node;
    if (name->text[0]) cvy_yaml_add(pool, list, NULL, name);
    *node = list;
  }
  const cvy_yaml *list = *node;
  if (list->kind != CVY_YAML_SEQUENCE)
    return cvy_yaml_error(list, "'%s' takes names of layers, or patterns of some, as [conv*, fc1], not %s",
                          what, cvy_yaml_describe(list));
  const char **names = cvy_pool_new(pool, sizeof *names * (size_t)(list->count + 1));
  const cvy_yaml **at = cvy_pool_new(pool, sizeof *at * (size_t)(list->count + 1));
  for (int64_t i = 0; i < list->count; i++) {
    at[i] = list->items[i];
    names[i] = at[i]->text;
    if (at[i]->kind != CVY_YAML_SCALAR || !names[i][0])
      return cvy_yaml_error(at[i], "'%s' takes names of layers, or patterns of some, as [conv*, fc1], not %s",
                            what, cvy_yaml_describe(at[i]));
  }
  *out = (cvy_patterns){{names, list->count}, at};
  return CVY_OK;
}

cvy_err cvy_pattern_matches_nothing(const cvy_yaml *at, const char *pattern, const cvy_net_info *net) {
  const bool of_tensor = strchr(pattern, '/') != NULL;
  const char **known = cvy_new(sizeof *known * (size_t)(net->param_tensors + 1));
  for (int64_t i = 0; i < net->param_tensors; i++)
    known[i] = of_tensor ? net->params[i].name : net->layers[net->params[i].layer].name;
  const cvy_err err = cvy_yaml_error(at, "'%s' matches no layer%s with parameters of network '%s'%s", pattern,
                                     of_tensor ? " or tensor" : "", net->name,
                                     cvy_meant(pattern, known, net->param_tensors));
  free(known);
  return err;
}
