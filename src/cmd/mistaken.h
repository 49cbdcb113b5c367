/* Words that stand where a recipe, a network, a checkpoint or a source of data should, and are something
 * else. */
#ifndef CVY_CMD_MISTAKEN_H
#define CVY_CMD_MISTAKEN_H

#include "base/base.h"

/* Fails with CVY_E_INPUT if `word` is a file or folder that cannot be a recipe. The message says what it is,
 * and what would be right. */
cvy_err cvy_mistaken_recipe(cvy_pool *pool, const char *word) CVY_MUST_CHECK;
/* Does the same for a network. */
cvy_err cvy_mistaken_network(cvy_pool *pool, const char *word) CVY_MUST_CHECK;
/* Fails with CVY_E_USAGE if `word`, which should be the name of a source, is a file or folder that one of the
 * sources may read. */
cvy_err cvy_mistaken_source(cvy_pool *pool, const char *word) CVY_MUST_CHECK;
/* Returns what to say after the message of a reader that could not read what stands at `path`: which other
 * reader may, or "". It is in the pool. */
const char *cvy_mistaken_reader(cvy_pool *pool, const char *reader, const char *path);
/* Gives the path of the checkpoint that `word` names; a run folder stands for its best.h5, or else its
 * last.h5. It fails with CVY_E_INPUT, as cvy_mistaken_recipe does, if `word` is something else. */
cvy_err cvy_checkpoint_of(const char **out, cvy_pool *pool, const char *word) CVY_MUST_CHECK;

#endif
