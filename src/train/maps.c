/* Finds the maps of names. */
#include "train/maps.h"

#include "base/yaml.h"
#include "train/find.h"

cvy_err cvy_name_maps(const cvy_name_map **out, int64_t *count, cvy_pool *pool) {
  const cvy_names names = cvy_list_yaml(pool, "names");
  cvy_name_map *maps = cvy_pool_new(pool, sizeof *maps * (size_t)(names.count + 1));
  for (int64_t i = 0; i < names.count; i++) {
    cvy_yaml *root;
    const char *path = cvy_find_named(pool, names.names[i], "names");
    CVY_TRY(cvy_yaml_load(&root, pool, path));
    if (root->kind != CVY_YAML_MAPPING)
      return cvy_yaml_error(root, "expected networks, each with its layers and their names elsewhere");
    maps[i] = (cvy_name_map){names.names[i], root};
  }
  *out = maps;
  *count = names.count;
  return CVY_OK;
}
