/* Words that name models: one, or the members of an ensemble. */
#ifndef CVY_CMD_MEMBERS_H
#define CVY_CMD_MEMBERS_H

#include "cmd/command.h"

/* Finds the models among the words: the first one, which must be one, and those behind it that are models,
 * too, by what stands at the path. *paths are their files, in the pool of the arguments; *count is how many
 * words they are. The error is that of cvy_checkpoint_of. */
cvy_err cvy_members_of(const char *const **paths, int64_t *count,
                       const cvy_arguments *arguments) CVY_MUST_CHECK;

#endif
