/* Lists networks or recipes with a line each, or prints the files themselves. */
#include "cmd/listing.h"

#include "base/count.h"
#include "base/fit.h"
#include "base/json.h"
#include "base/utf8.h"
#include "train/find.h"
#include "train/places.h"

#include <errno.h>
#include <string.h>

const cvy_option cvy_listing_table[] = {
    {"json", CVY_BOOL, offsetof(cvy_listing_options, json), "false", .help = "print one JSON object"}, {0}};

static int longest_of(cvy_names names) {
  int64_t longest = 0;
  for (int64_t i = 0; i < names.count; i++) longest = cvy_larger(longest, cvy_utf8_columns(names.names[i]));
  return cvy_int(longest);
}

static void print_list(cvy_pool *pool, const char *folder) {
  const cvy_names names = cvy_list_yaml(pool, folder);
  const int width = longest_of(names);
  cvy_fitted fitted;
  FILE *out = cvy_fit_begin(&fitted, stdout);
  for (int64_t i = 0; i < names.count; i++)
    fprintf(out, "%-*s %s\n", cvy_utf8_pad(names.names[i], width), names.names[i],
            cvy_about_yaml(pool, cvy_find_named(pool, names.names[i], folder)));
  fprintf(out, "\nThey lie in: %s\n", cvy_places_tell(pool, folder));
  fprintf(out, "'convoy %s NAME' prints one; CONVOY_PATH may name further folders that hold a folder '%s'.\n",
          folder, folder);
  cvy_fit_lines(&fitted);
}

static void print_json(cvy_pool *pool, const char *folder) {
  const cvy_names names = cvy_list_yaml(pool, folder);
  cvy_json json = {.out = stdout};
  cvy_json_open(&json, NULL, '{');
  cvy_json_open(&json, folder, '[');
  for (int64_t i = 0; i < names.count; i++) {
    const char *path = cvy_find_named(pool, names.names[i], folder);
    cvy_json_open(&json, NULL, '{');
    cvy_json_text(&json, "name", names.names[i]);
    cvy_json_text(&json, "about", cvy_about_yaml(pool, path));
    cvy_json_text(&json, "path", path);
    cvy_json_close(&json, '}');
  }
  cvy_json_close(&json, ']');
  cvy_json_close(&json, '}');
  putchar('\n');
}

static cvy_err print_file(cvy_pool *pool, const char *folder, const char *name) {
  const char *path;
  char bytes[4096];
  CVY_TRY(cvy_find_yaml(&path, pool, name, folder, NULL));
  FILE *file = fopen(path, "r");
  if (!file) return cvy_error(CVY_E_INPUT, "%s: cannot open: %s", path, strerror(errno));
  printf("# %s\n", path);
  for (size_t count; (count = fread(bytes, 1, sizeof bytes, file)) > 0;) fwrite(bytes, 1, count, stdout);
  const bool failed = ferror(file) != 0;
  const int reason = errno;
  fclose(file);
  return failed ? cvy_error(CVY_E_INPUT, "%s: cannot read: %s", path, strerror(reason)) : CVY_OK;
}

cvy_err cvy_listing_show(const char *folder, const cvy_arguments *arguments,
                         const cvy_listing_options *options) {
  if (options->json && arguments->count > 0)
    return cvy_error(CVY_E_USAGE, "--json is for the list alone; a file that is named is printed as it is");
  for (int64_t i = 0; i < arguments->count; i++)
    CVY_TRY(print_file(arguments->pool, folder, arguments->words[i]));
  if (arguments->count == 0) (options->json ? print_json : print_list)(arguments->pool, folder);
  return CVY_OK;
}
