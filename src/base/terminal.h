/* How wide a terminal is, for what is fitted into it. */
#ifndef CVY_BASE_TERMINAL_H
#define CVY_BASE_TERMINAL_H

#include "base/base.h"

/* Whether what is written to `out` goes to a terminal that understands escape sequences. */
bool cvy_is_terminal(FILE *out);
/* The columns of the terminal that `out` goes to: the smaller of what it says itself and what COLUMNS says. 0
 * if it is no terminal, or nobody says; then lines have their full width. */
int64_t cvy_terminal_columns(FILE *out);

#endif
