/* Tells models from what follows them on the command line. */
#include "cmd/members.h"

#include "cmd/mistaken.h"
#include "report/whatis.h"

static bool is_model(cvy_pool *pool, const char *word) {
  const cvy_thing thing = cvy_what_is(pool, word);
  return thing == CVY_IS_RUN || thing == CVY_IS_CHECKPOINT || thing == CVY_IS_WEIGHTS;
}

cvy_err cvy_members_of(const char *const **paths, int64_t *count, const cvy_arguments *arguments) {
  const char **found = cvy_pool_new(arguments->pool, sizeof *found * (size_t)arguments->count);
  *paths = found;
  *count = 0;
  while (*count < arguments->count && (*count == 0 || is_model(arguments->pool, arguments->words[*count]))) {
    CVY_TRY(cvy_checkpoint_of(&found[*count], arguments->pool, arguments->words[*count]));
    ++*count;
  }
  return CVY_OK;
}
