/* Quotes texts, and writes numbers as short as they can be. */
#include "base/csv.h"

#include "base/json.h"

#include <math.h>
#include <string.h>

static bool needs_quotes(const char *text) {
  const size_t length = strlen(text);
  return strpbrk(text, ",\"\r\n") || (length > 0 && (text[0] == ' ' || text[length - 1] == ' '));
}

void cvy_csv_text(FILE *out, const char *text) {
  if (!text) return;
  if (!needs_quotes(text)) {
    fputs(text, out);
    return;
  }
  fputc('"', out);
  for (; *text; text++) {
    if (*text == '"') fputc('"', out);
    fputc(*text, out);
  }
  fputc('"', out);
}

void cvy_csv_number(FILE *out, double value) {
  cvy_json number = {.out = out};
  if (isfinite(value)) cvy_json_number(&number, NULL, value, (double)(float)value == value ? 9 : 17);
}
