/* What `convoy train --dry-run` prints. */
#ifndef CVY_CMD_OUTLINE_H
#define CVY_CMD_OUTLINE_H

#include <convoy/train.h>

/* Prints steps and learning rates of a run that is not made, and draws them to the file `plot` unless that is
 * "". The call is collective; the first rank prints. */
cvy_err cvy_outline_show(cvy_comm *comm, const cvy_recipe *recipe, bool json,
                         const char *plot) CVY_MUST_CHECK;

#endif
