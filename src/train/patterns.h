/* Lists of names of layers in a recipe. */
#ifndef CVY_TRAIN_PATTERNS_H
#define CVY_TRAIN_PATTERNS_H

#include "base/yaml.h"
#include "net/net.h"

/* Names or patterns as a shell has them, each with its place in the recipe. */
typedef struct cvy_patterns {
  cvy_net_names names;
  const cvy_yaml *const *at;
} cvy_patterns;

/* Reads a name or a list of names. *node is then a list in any case, so that both are the same recipe; NULL:
 * there are none, and it stays. `what` is the key, for errors. */
cvy_err cvy_patterns_read(cvy_patterns *out, const cvy_yaml **node, cvy_pool *pool,
                          const char *what) CVY_MUST_CHECK;
/* Makes the error that a pattern is of no layer with parameters, with the name that may have been meant. */
cvy_err cvy_pattern_matches_nothing(const cvy_yaml *at, const char *pattern,
                                    const cvy_net_info *net) CVY_MUST_CHECK;

#endif
