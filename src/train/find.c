/* Networks and recipes that come with Convoy are found by name: beside the program in a build tree, or
 * installed. */
#include "base/yaml.h"
#include <convoy/net.h>
#include <convoy/train.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

/* From the program's own folder. */
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
  return cvy_error(CVY_E_INPUT,
                   "no %.*s is named '%s' (neither a file's path nor one of the %s that come with convoy)",
                   letters, folder, name, folder);
}

cvy_err cvy_network_load(cvy_yaml **out, cvy_pool *pool, const char *name, const char *const *settings,
                         int64_t setting_count) {
  const char *path;
  *out = NULL;
  CVY_TRY(cvy_find_yaml(&path, pool, name, "networks", NULL));
  cvy_yaml *root, *values = cvy_yaml_new_mapping(pool, "command line");
  CVY_TRY(cvy_yaml_load(&root, pool, path));
  for (int64_t i = 0; i < setting_count; i++) CVY_TRY(cvy_yaml_override(values, pool, settings[i]));
  if (setting_count > 0) CVY_TRY(cvy_net_configure(&root, pool, root, values));
  *out = root;
  return CVY_OK;
}
