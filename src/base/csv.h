/* Writes tables as text: values between commas (RFC 4180), a line a row. archive/table.h reads them. */
#ifndef CVY_BASE_CSV_H
#define CVY_BASE_CSV_H

#include "base/base.h"

/* Writes a text, in quotes where it holds a comma, a quote, the end of a line or blanks at an end. NULL is
 * written as nothing. */
void cvy_csv_text(FILE *out, const char *text);
/* Writes a number so that it reads back as the same float, or the same double. What is no number is written
 * as nothing. */
void cvy_csv_number(FILE *out, double value);

#endif
