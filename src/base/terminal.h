/* How wide a terminal is, for what is fitted into it. */
#ifndef CVY_BASE_TERMINAL_H
#define CVY_BASE_TERMINAL_H

#include "base/base.h"

/* Tells whether what is written to `out` goes to a terminal that understands escape sequences. */
bool cvy_is_terminal(FILE *out);
/* Returns the columns of the terminal that `out` goes to: the smaller of what the terminal itself and the
 * environment's COLUMNS say. It is 0 if `out` is no terminal, or neither says; then lines have their full
 * width. */
int64_t cvy_terminal_columns(FILE *out);

#endif
