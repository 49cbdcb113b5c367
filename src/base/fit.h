/* Text for people, fitted into the terminal that it goes to. If it goes elsewhere it has its full width.
 *
 *   cvy_fitted f;
 *   fprintf(cvy_fit_begin(&f, stdout), ...);
 *   cvy_fit_table(&f);
 */
#ifndef CVY_BASE_FIT_H
#define CVY_BASE_FIT_H

#include "base/base.h"

/* This is a text on its way to `to`. */
typedef struct cvy_fitted {
  FILE *out; /* `to` itself if that is no terminal; else what is printed here is held back until the end */
  FILE *to;
  cvy_text_stream held;
} cvy_fitted;

/* Begins a text on its way to `to`, and returns fitted->out, into which to print it. */
FILE *cvy_fit_begin(cvy_fitted *fitted, FILE *to);
/* Ends a text that is a table. If it is too wide it is cut into tables of fewer columns, which all begin with
 * the first column. A cut lies where every line has a blank. */
void cvy_fit_table(cvy_fitted *fitted);
/* Ends a text that is lines. A line that is too long goes on in the next one, beneath what follows its first
 * gap of two blanks. */
void cvy_fit_lines(cvy_fitted *fitted);

/* These fit a table or lines into `columns` columns, as the two above do; 0 means any number. */
void cvy_fit_table_into(FILE *out, const char *text, int64_t columns);
void cvy_fit_lines_into(FILE *out, const char *text, int64_t columns);

#endif
