/* Finds networks and recipes by name: those that come with Convoy, and those of further places. */
#ifndef CVY_TRAIN_FIND_H
#define CVY_TRAIN_FIND_H

#include "base/base.h"

struct cvy_yaml; /* base/yaml.h */

/* Finds a file. `name` is the file itself if it is a path: if it holds '/' or ends in .yaml or .yml. Unless
 * absolute, it is then relative to `beside`, a file or NULL. Else NAME.yaml is looked for beside that file
 * (where a recipe of this name is passed over), and then in the `folder` ("networks", "recipes") of all
 * places (train/places.h). The error tells where it was looked for. The result is in `pool`. */
cvy_err cvy_find_yaml(const char **out, cvy_pool *pool, const char *name, const char *folder,
                      const char *beside) CVY_MUST_CHECK;
/* Returns where NAME.yaml stands in the `folder` of a place; NULL if in none. */
const char *cvy_find_named(cvy_pool *pool, const char *name, const char *folder);

/* Names of networks or recipes. */
typedef struct cvy_names {
  int64_t count;
  const char *const *names;
} cvy_names;
/* Lists the names that cvy_find_named finds in the `folder` of any place, sorted. They are in `pool`. */
cvy_names cvy_list_yaml(cvy_pool *pool, const char *folder);
/* Returns the first line of the comment at the head of a file, with "..." where it goes on; "" if there is
 * none. */
const char *cvy_about_yaml(cvy_pool *pool, const char *path);
/* Tells whether the file at `path` holds a recipe. */
bool cvy_holds_recipe(cvy_pool *pool, const char *path);
/* Tells whether the tree of a file is a network's, and no recipe's. */
bool cvy_is_network(const struct cvy_yaml *root);
/* Lists the recipes that come with Convoy and name this network, some at most. */
cvy_names cvy_recipes_of(cvy_pool *pool, const char *network);

/* Loads the network that stands at `path`, which may be another one with other parameters ("network:
 * {resnet50: {stage3: 22}}"), and sets its parameters (a mapping, or NULL). No layer is checked yet. */
cvy_err cvy_network_load(struct cvy_yaml **out, cvy_pool *pool, const char *path,
                         const struct cvy_yaml *settings) CVY_MUST_CHECK;

#endif
