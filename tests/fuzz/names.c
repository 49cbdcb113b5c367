/* Fuzzes names: what is escaped comes back, what is shown is UTF-8 without control characters, and what is
 * fitted into a terminal keeps its letters. */
#include "fuzz.h"

#include "base/fit.h"
#include "base/utf8.h"

static void escape(cvy_pool *pool, const char *name) {
  const char *escaped = cvy_utf8_escape(pool, name);
  char shown[64];
  FUZZ_CHECK(cvy_utf8_is_clean(escaped));
  FUZZ_CHECK(strcmp(cvy_utf8_unescape(pool, escaped), name) == 0);
  FUZZ_CHECK(cvy_utf8_is_clean(cvy_utf8_shown(pool, name)));
  FUZZ_CHECK(cvy_utf8_show_in(shown, sizeof shown, name) < sizeof shown && cvy_utf8_is_clean(shown));
  FUZZ_CHECK(cvy_utf8_is_clean(cvy_utf8_name(pool, name, "cp437")));
  FUZZ_CHECK(cvy_utf8_columns(name) >= 0);
  FUZZ_CHECK(cvy_utf8_fit(name, cvy_utf8_columns(name)) == strlen(name));
}

static size_t letters_of(const char *text) {
  size_t count = 0;
  for (; *text; text++) count += *text != ' ' && *text != '\n';
  return count;
}

/* Checks that lines keep all letters; tables do too, but write those of the first column again. */
static void fit(const char *text, int64_t columns) {
  char *fitted = NULL;
  size_t bytes;
  FILE *out = open_memstream(&fitted, &bytes);
  cvy_fit_lines_into(out, text, columns);
  fclose(out);
  FUZZ_CHECK(letters_of(fitted) == letters_of(text));
  free(fitted);
  out = open_memstream(&fitted, &bytes);
  cvy_fit_table_into(out, text, columns);
  fclose(out);
  FUZZ_CHECK(letters_of(fitted) >= letters_of(text));
  free(fitted);
}

/* Takes the first byte for the width of the terminal. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_bytes left = {data, size};
  const int64_t columns = fuzz_byte(&left);
  cvy_pool *pool = cvy_pool_create();
  char *text = fuzz_text(left.p, left.left);
  escape(pool, text);
  fit(text, columns);
  free(text);
  cvy_pool_destroy(pool);
  return 0;
}
