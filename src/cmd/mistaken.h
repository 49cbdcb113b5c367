/* Words that stand where a command, an option, a recipe, a network, a checkpoint or a source of data should,
 * and are something else. */
#ifndef CVY_CMD_MISTAKEN_H
#define CVY_CMD_MISTAKEN_H

#include "base/options.h"

/* Returns what to say of an unknown command that is the name of something else: "; it is a layer: ...". It is
 * in the pool. Returns NULL if it is no such name. */
const char *cvy_mistaken_command(cvy_pool *pool, const char *word);
/* Returns what to say of an option that a command does not know, for a key of a recipe or a parameter of a
 * network is often written as one: "--epochs 3". `keys` are the keys that words may set for this command, or
 * NULL; `words` [count] follow the command. The text is "" if there is nothing to say. It is in the pool or
 * in a buffer of this thread. */
const char *cvy_mistaken_option(cvy_pool *pool, const char *name, const char *value, const cvy_option *keys,
                                const char *const *words, int64_t count);
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
