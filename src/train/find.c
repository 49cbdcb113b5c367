/* Finds networks and recipes by name, tells the two apart, and loads networks. */
#include "train/find.h"

#include "base/options.h"
#include "base/text.h"
#include "net/net.h"
#include "train/places.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_VARIANTS = 8, MOST_NAMES = 1000, MOST_USERS = 8 };

static bool ends_in(const char *name, const char *ending) {
  const size_t length = strlen(name), letters = strlen(ending);
  return length > letters && strcmp(name + length - letters, ending) == 0;
}

static bool is_path(const char *name) {
  return strchr(name, '/') || ends_in(name, ".yaml") || ends_in(name, ".yml");
}

static bool is_there(const char *path) {
  return access(path, R_OK) == 0;
}

static const char *beside_file(cvy_pool *pool, const char *name, const char *beside) {
  const char *slash = beside ? strrchr(beside, '/') : NULL;
  if (!slash || name[0] == '/') return cvy_pool_format(pool, "%s", name);
  while (strncmp(name, "./", 2) == 0) name += 2;
  return cvy_pool_format(pool, "%.*s/%s", (int)(slash - beside), beside, name);
}

/* ---- what comes with Convoy ---- */

static int is_yaml(const struct dirent *entry) {
  return entry->d_name[0] != '.' && ends_in(entry->d_name, ".yaml");
}

cvy_names cvy_list_yaml(cvy_pool *pool, const char *folder) {
  const cvy_places places = cvy_places_list(pool);
  const char **names = cvy_pool_new(pool, sizeof *names * MOST_NAMES);
  int64_t count = 0;
  for (int64_t i = 0; i < places.count; i++) {
    struct dirent **entries = NULL;
    const char *place = cvy_pool_format(pool, "%s/%s", places.folders[i], folder);
    const int found = scandir(place, &entries, is_yaml, NULL);
    for (int k = 0; k < found; k++) {
      const char *name = entries[k]->d_name;
      if (count < MOST_NAMES && is_there(cvy_pool_format(pool, "%s/%s", place, name)))
        names[count++] = cvy_pool_format(pool, "%.*s", (int)strlen(name) - 5, name);
      free(entries[k]);
    }
    free(entries);
  }
  cvy_sort_by_text(names, count, sizeof *names);
  return (cvy_names){cvy_drop_repeats(names, count), names};
}

const char *cvy_find_named(cvy_pool *pool, const char *name, const char *folder) {
  const cvy_places places = cvy_places_list(pool);
  for (int64_t i = 0; i < places.count; i++) {
    const char *path = cvy_pool_format(pool, "%s/%s/%s.yaml", places.folders[i], folder, name);
    if (is_there(path)) return path;
  }
  return NULL;
}

const char *cvy_about_yaml(cvy_pool *pool, const char *path) {
  char line[256], next[8];
  FILE *file = fopen(path, "r");
  if (!file) return "";
  const bool has_comment = fgets(line, sizeof line, file) && line[0] == '#';
  const bool goes_on = has_comment && fgets(next, sizeof next, file) && next[0] == '#';
  fclose(file);
  if (!has_comment) return "";
  line[strcspn(line, "\n")] = '\0';
  const char *text = line + 1 + strspn(line + 1, " ");
  return cvy_pool_format(pool, "%s%s", text, goes_on && !ends_in(text, ".") ? " ..." : "");
}

/* ---- networks and recipes told apart ---- */

static bool is_recipe(const cvy_yaml *root) {
  return cvy_yaml_get(root, "batch") || cvy_yaml_get(root, "data");
}

bool cvy_is_network(const cvy_yaml *root) {
  return !is_recipe(root) && (cvy_yaml_get(root, "layers") || cvy_yaml_get(root, "name"));
}

bool cvy_holds_recipe(cvy_pool *pool, const char *path) {
  cvy_yaml *root;
  return !cvy_yaml_load(&root, pool, path) && is_recipe(root);
}

/* Returns the name of the network that a recipe names; NULL where it describes one itself. */
static const char *network_of(const cvy_yaml *recipe) {
  const cvy_yaml *network = cvy_yaml_get(recipe, "network");
  if (network && network->kind == CVY_YAML_MAPPING && network->count == 1) network = network->keys[0];
  return network && network->kind == CVY_YAML_SCALAR ? network->text : NULL;
}

cvy_names cvy_recipes_of(cvy_pool *pool, const char *network) {
  const cvy_names recipes = cvy_list_yaml(pool, "recipes");
  const char **users = cvy_pool_new(pool, sizeof *users * MOST_USERS);
  int64_t count = 0;
  for (int64_t i = 0; i < recipes.count && count < MOST_USERS; i++) {
    cvy_yaml *root;
    if (cvy_yaml_load(&root, pool, cvy_find_named(pool, recipes.names[i], "recipes"))) continue;
    const char *used = network_of(root);
    if (used && strcmp(used, network) == 0) users[count++] = recipes.names[i];
  }
  return (cvy_names){count, users};
}

/* ---- finding ---- */

/* Returns "network" for "networks". */
static const char *one_of(cvy_pool *pool, const char *folder) {
  return cvy_pool_format(pool, "%.*s", (int)strlen(folder) - 1, folder);
}

/* Returns the one of sorted names that is the same word; NULL if none is. */
static const char *same_among(cvy_names names, const char *name) {
  for (int64_t i = 0; i < names.count; i++)
    if (cvy_same_word(names.names[i], name)) return names.names[i];
  return NULL;
}

static cvy_err network_for_recipe(cvy_pool *pool, const char *network) {
  const cvy_names users = cvy_recipes_of(pool, network);
  char list[512];
  cvy_text_list(list, sizeof list, ", ", users.names, users.count);
  return cvy_error(
      CVY_E_INPUT,
      "'%s' is a network, not a recipe. %s%s. Another recipe may name it, as network: %s ('convoy "
      "recipes NAME' prints one to begin with)",
      network, users.count ? "Recipes that train it: " : "No recipe that comes with convoy trains it", list,
      network);
}

static cvy_err recipe_for_network(cvy_pool *pool, const char *recipe) {
  cvy_yaml *root;
  CVY_TRY(cvy_yaml_load(&root, pool, cvy_find_named(pool, recipe, "recipes")));
  const char *network = network_of(root);
  return cvy_error(CVY_E_INPUT, "'%s' is a recipe, not a network%s%s%s", recipe,
                   network ? "; the network that it trains is '" : "", network ? network : "",
                   network ? "'" : "");
}

/* Returns the YAML file in a folder whose name is nearest to `name`; NULL if none is near. */
static const char *nearest_file(cvy_pool *pool, const char *folder, const char *name) {
  struct dirent **entries = NULL;
  const int found = scandir(folder, &entries, is_yaml, NULL);
  const char **names = cvy_pool_new(pool, sizeof *names * (size_t)(found > 0 ? found : 1));
  for (int k = 0; k < found; k++) {
    names[k] = cvy_pool_format(pool, "%s", entries[k]->d_name);
    free(entries[k]);
  }
  free(entries);
  return cvy_nearest_word(name, names, found);
}

/* Says of a name among the other things, a network or a recipe, what it is; returns CVY_OK if it is none. */
static cvy_err other_thing(cvy_pool *pool, const char *name, const char *folder) {
  const bool wants_recipe = strcmp(folder, "recipes") == 0;
  const char *other = same_among(cvy_list_yaml(pool, wants_recipe ? "networks" : "recipes"), name);
  if (!other) return CVY_OK;
  return wants_recipe ? network_for_recipe(pool, other) : recipe_for_network(pool, other);
}

static cvy_err no_file(cvy_pool *pool, const char *path, const char *folder) {
  const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path;
  const char *name = cvy_pool_format(pool, "%.*s", (int)strcspn(file, "."), file);
  const char *above = slash ? cvy_pool_format(pool, "%.*s", (int)(slash - path) + 1, path) : "";
  const char *named = cvy_find_named(pool, name, folder) ? name : NULL;
  const char *nearest = named ? NULL : nearest_file(pool, slash ? above : ".", file);
  if (!named && !slash) CVY_TRY(other_thing(pool, name, folder));
  return cvy_error(CVY_E_INPUT, "no %s stands at %s%s%s%s%s", one_of(pool, folder), path,
                   nearest || named ? "; did you mean '" : "", nearest ? above : "",
                   nearest ? nearest
                   : named ? named
                           : "",
                   nearest || named ? "'?" : "");
}

static cvy_err not_found(cvy_pool *pool, const char *name, const char *folder) {
  CVY_TRY(other_thing(pool, name, folder));
  const cvy_names names = cvy_list_yaml(pool, folder);
  const char *file = cvy_pool_format(pool, "%s.yaml", name);
  const char *hint = cvy_meant(name, names.names, names.count);
  if (!is_there(file)) file = cvy_holds_recipe(pool, name) ? cvy_pool_format(pool, "./%s", name) : NULL;
  if (!file && !hint[0]) file = nearest_file(pool, ".", name);
  if (file) hint = cvy_pool_format(pool, "; did you mean the file %s?", file);
  if (hint[0] == '\0' || hint[strlen(hint) - 1] != '?') hint = cvy_pool_format(pool, "%s.", hint);
  return cvy_error(CVY_E_INPUT,
                   "no %s is named '%s'%s It is no path (those hold '/' or end in .yaml), and %s.yaml was "
                   "looked for in %s. 'convoy %s' lists what there is; CONVOY_PATH may name further folders "
                   "that hold a folder '%s'",
                   one_of(pool, folder), name, hint, name, cvy_places_tell(pool, folder), folder, folder);
}

cvy_err cvy_find_yaml(const char **out, cvy_pool *pool, const char *name, const char *folder,
                      const char *beside) {
  if (is_path(name)) {
    *out = beside_file(pool, name, beside);
    return is_there(*out) ? CVY_OK : no_file(pool, *out, folder);
  }
  if (beside) {
    *out = beside_file(pool, cvy_pool_format(pool, "%s.yaml", name), beside);
    if (is_there(*out) && !cvy_holds_recipe(pool, *out)) return CVY_OK;
  }
  *out = cvy_find_named(pool, name, folder);
  return *out ? CVY_OK : not_found(pool, name, folder);
}

/* ---- networks ---- */

/* A network that is another one with other parameters. */
typedef struct variant {
  const char *name;
  const cvy_yaml *network;
} variant;

static const cvy_option variant_options[] = {
    {"name", CVY_STRING, offsetof(variant, name), "network", .help = "what the network is called"},
    {"network", CVY_NODE, offsetof(variant, network),
     .help =
         "another network's name (in the same folder or with convoy) or file, or {name: {its parameters}}"},
    {0}};

static cvy_err load(cvy_yaml **out, cvy_pool *pool, const char *path, int depth);

static cvy_err load_variant(cvy_yaml **out, cvy_pool *pool, const cvy_yaml *root, int depth) {
  variant v = {0};
  CVY_TRY(cvy_options_read(&v, pool, variant_options, root, root, "a network made from another"));
  const cvy_yaml *name = v.network, *settings = NULL;
  if (name->kind == CVY_YAML_MAPPING && name->count == 1) {
    settings = name->items[0];
    name = name->keys[0];
  }
  if (name->kind != CVY_YAML_SCALAR)
    return cvy_yaml_error(name, "'network' must be a name or {name: {parameters}}, not %s",
                          cvy_yaml_describe(name));
  if (depth == MAX_VARIANTS) return cvy_yaml_error(name, "networks are made from each other without end");
  const char *path;
  if (cvy_find_yaml(&path, pool, name->text, "networks", root->file))
    return cvy_yaml_error(name, "%s", cvy_err_message());
  CVY_TRY(load(out, pool, path, depth + 1));
  if (settings) CVY_TRY(cvy_net_configure(out, pool, *out, settings));
  return cvy_net_rename(out, pool, *out, v.name);
}

static cvy_err load(cvy_yaml **out, cvy_pool *pool, const char *path, int depth) {
  CVY_TRY(cvy_yaml_load(out, pool, path));
  const cvy_yaml *root = *out;
  if (is_recipe(root)) {
    const char *network = network_of(root);
    return cvy_yaml_error(root, "this is a recipe, not a network: a network has an input and layers%s%s%s",
                          network ? " (the recipe's is '" : "", network ? network : "", network ? "')" : "");
  }
  return cvy_yaml_get(root, "network") ? load_variant(out, pool, root, depth) : CVY_OK;
}

cvy_err cvy_network_load(cvy_yaml **out, cvy_pool *pool, const char *path, const cvy_yaml *settings) {
  cvy_yaml *root;
  *out = NULL;
  CVY_TRY(load(&root, pool, path, 0));
  if (settings) CVY_TRY(cvy_net_configure(&root, pool, root, settings));
  *out = root;
  return CVY_OK;
}
