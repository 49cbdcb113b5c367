/* Words that stand where a recipe, a network, a checkpoint or a source of data should, and are something
 * else. */
#ifndef CVY_CMD_MISTAKEN_H
#define CVY_CMD_MISTAKEN_H

#include "base/base.h"

/* CVY_E_INPUT where `word` is a file or folder that cannot be a recipe: it says what it is, and what would be
 * right. */
cvy_err cvy_mistaken_recipe(cvy_pool *pool, const char *word) CVY_MUST_CHECK;
/* The same for a network. */
cvy_err cvy_mistaken_network(cvy_pool *pool, const char *word) CVY_MUST_CHECK;
/* CVY_E_USAGE where a file or folder stands in the place of the name of its source. */
cvy_err cvy_mistaken_source(cvy_pool *pool, const char *word) CVY_MUST_CHECK;
/* Returns what to say after the message of a reader that could not make sense of what stands at `path`: which
 * other may, or nothing. */
const char *cvy_mistaken_reader(cvy_pool *pool, const char *reader, const char *path);
/* The same for a checkpoint. A run folder stands for its best.h5, or else its last.h5: `*out` is the path. */
cvy_err cvy_checkpoint_of(const char **out, cvy_pool *pool, const char *word) CVY_MUST_CHECK;

#endif
