/* Finds names for layers. */
#include "formats/layer_names.h"

#include <string.h>

bool cvy_layer_name_is_taken(const cvy_layer_names *names, const char *name) {
  for (int64_t i = 0; i < names->count; i++)
    if (strcmp(names->items[i].name, name) == 0) return true;
  return strcmp(name, "input") == 0;
}

/* Returns the highest number that was given with this name; 0: none was. All below it are taken. */
static int64_t highest(const cvy_layer_names *names, const char *wanted) {
  for (int64_t i = names->count - 1; i >= 0; i--)
    if (strcmp(names->items[i].wanted, wanted) == 0) return names->items[i].number;
  return 0;
}

const char *cvy_layer_name_take(cvy_layer_names *names, cvy_pool *pool, const char *wanted) {
  int64_t number = highest(names, wanted) + 1;
  const char *name = number == 1 ? wanted : cvy_pool_format(pool, "%s_%" PRId64, wanted, number);
  while (cvy_layer_name_is_taken(names, name)) name = cvy_pool_format(pool, "%s_%" PRId64, wanted, ++number);
  if ((names->count & (names->count - 1)) == 0) { /* room doubles at each power of two */
    cvy_layer_name *more = cvy_pool_new(pool, sizeof *more * (size_t)(names->count ? 2 * names->count : 1));
    if (names->count) memcpy(more, names->items, sizeof *more * (size_t)names->count);
    names->items = more;
  }
  names->items[names->count++] = (cvy_layer_name){.wanted = wanted, .name = name, .number = number};
  return name;
}
