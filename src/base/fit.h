/* Text for people, fitted into the terminal that it goes to. Elsewhere it has its full width.
 *
 *   cvy_fitted f;
 *   fprintf(cvy_fit_begin(&f, stdout), ...);
 *   cvy_fit_table(&f);
 */
#ifndef CVY_BASE_FIT_H
#define CVY_BASE_FIT_H

#include "base/base.h"

typedef struct cvy_fitted {
  FILE *out; /* what is printed here is held back until the end */
  FILE *to;
  char *text;
  size_t bytes;
} cvy_fitted;

/* Returns fitted->out. */
FILE *cvy_fit_begin(cvy_fitted *fitted, FILE *to);
/* Ends with lines of a table. One too wide is cut into tables of fewer columns, which all begin with the
 * first; a cut lies where every line has a blank. */
void cvy_fit_table(cvy_fitted *fitted);
/* Ends with lines of text. One too long goes on in the next line, beneath what follows its first wide gap. */
void cvy_fit_lines(cvy_fitted *fitted);

/* What the two do, for `columns` columns (0: any number). */
void cvy_fit_table_into(FILE *out, const char *text, int64_t columns);
void cvy_fit_lines_into(FILE *out, const char *text, int64_t columns);

#endif
