/* Finds networks and recipes that come with Convoy by name: beside the program in a build tree, or
 * installed. */
#include "train/find.h"

#include "base/options.h"
#include "base/text.h"
#include "net/net.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, MAX_VARIANTS = 8 };

/* Where what comes with Convoy stands, seen from the program's own folder. */
static const char *const places[] = {"../share/convoy", "../../launch"};

static bool is_path(const char *name) {
  const size_t length = strlen(name);
  return strchr(name, '/') || (length > 5 && strcmp(name + length - 5, ".yaml") == 0);
}

static const char *program_folder(cvy_pool *pool) {
  char path[PATH_BYTES];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  if (length <= 0) return ".";
  path[length] = '\0';
  char *slash = strrchr(path, '/');
  if (slash) *slash = '\0';
  return cvy_pool_format(pool, "%s", path);
}

static const char *beside_file(cvy_pool *pool, const char *name, const char *beside) {
  const char *slash = beside ? strrchr(beside, '/') : NULL;
  if (!slash || name[0] == '/') return cvy_pool_format(pool, "%s", name);
  return cvy_pool_format(pool, "%.*s/%s", (int)(slash - beside), beside, name);
}

static int is_yaml(const struct dirent *entry) {
  return entry->d_name[0] != '.' && is_path(entry->d_name);
}

cvy_names cvy_list_yaml(cvy_pool *pool, const char *folder) {
  struct dirent **entries = NULL;
  int count = -1;
  for (int64_t i = 0; i < CVY_COUNT(places) && count < 0; i++)
    count = scandir(cvy_pool_format(pool, "%s/%s/%s", program_folder(pool), places[i], folder), &entries,
                    is_yaml, NULL);
  if (count < 0) return (cvy_names){0};
  const char **names = cvy_pool_new(pool, sizeof *names * (size_t)count);
  for (int i = 0; i < count; i++) {
    names[i] = cvy_pool_format(pool, "%.*s", (int)strlen(entries[i]->d_name) - 5, entries[i]->d_name);
    free(entries[i]);
  }
  free(entries);
  cvy_sort_by_text(names, count, sizeof *names);
  return (cvy_names){count, names};
}

cvy_err cvy_find_yaml(const char **out, cvy_pool *pool, const char *name, const char *folder,
                      const char *beside) {
  const int letters = (int)strlen(folder) - 1; /* "networks" -> "network" */
  if (is_path(name)) {
    *out = beside_file(pool, name, beside);
    if (access(*out, R_OK) == 0) return CVY_OK;
    return cvy_error(CVY_E_INPUT, "no %.*s stands at %s", letters, folder, *out);
  }
  const char *program = program_folder(pool);
  for (int64_t i = 0; i < CVY_COUNT(places); i++) {
    *out = cvy_pool_format(pool, "%s/%s/%s/%s.yaml", program, places[i], folder, name);
    if (access(*out, R_OK) == 0) return CVY_OK;
  }
  const cvy_names names = cvy_list_yaml(pool, folder);
  const char *nearest = cvy_nearest_word(name, names.names, names.count);
  return cvy_error(
      CVY_E_INPUT,
      "no %.*s is named '%s' (neither a file's path nor one of the %s that come with convoy%s%s%s)", letters,
      folder, name, folder, nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

/* ---- networks ---- */

/* A network may be another one with other parameters. */
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
  const char *path = beside_file(pool, cvy_pool_format(pool, "%s.yaml", name->text), root->file);
  const bool is_neighbour = !is_path(name->text) && access(path, R_OK) == 0;
  if (!is_neighbour && cvy_find_yaml(&path, pool, name->text, "networks", root->file))
    return cvy_yaml_error(name, "%s", cvy_err_message());
  CVY_TRY(load(out, pool, path, depth + 1));
  if (settings) CVY_TRY(cvy_net_configure(out, pool, *out, settings));
  return cvy_net_rename(out, pool, *out, v.name);
}

static cvy_err load(cvy_yaml **out, cvy_pool *pool, const char *path, int depth) {
  CVY_TRY(cvy_yaml_load(out, pool, path));
  const cvy_yaml *root = *out;
  if (cvy_yaml_get(root, "batch") || cvy_yaml_get(root, "data"))
    return cvy_yaml_error(root, "this is a recipe, not a network: a network has an input and layers");
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
