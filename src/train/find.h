/* Networks and recipes that come with Convoy, found by name. */
#ifndef CVY_TRAIN_FIND_H
#define CVY_TRAIN_FIND_H

#include "base/base.h"

struct cvy_yaml; /* base/yaml.h */

/* Finds a file. `name` is the file itself if it is a path: if it holds '/' or ends in .yaml. Unless it is
 * absolute, it is then relative to `beside`, a file or NULL. Else NAME.yaml is looked for in the `folder`
 * ("networks", "recipes") of what comes with Convoy, beside the program or installed with it. The result is
 * in `pool`. */
cvy_err cvy_find_yaml(const char **out, cvy_pool *pool, const char *name, const char *folder,
                      const char *beside) CVY_MUST_CHECK;
/* The names that cvy_find_yaml finds in `folder`, sorted; none where the folder is not there. They are in
 * `pool`. */
typedef struct cvy_names {
  int64_t count;
  const char *const *names;
} cvy_names;
cvy_names cvy_list_yaml(cvy_pool *pool, const char *folder);

/* Loads the network that stands at `path`, which may be another one with other parameters ("network:
 * {resnet50: {stage3: 22}}"), and sets its parameters (a mapping, or NULL). No layer is checked yet. */
cvy_err cvy_network_load(struct cvy_yaml **out, cvy_pool *pool, const char *path,
                         const struct cvy_yaml *settings) CVY_MUST_CHECK;

#endif
