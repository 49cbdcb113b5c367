/* A network as the command line names it. */
#include "cmd/network.h"

#include "cmd/mistaken.h"
#include "train/find.h"

enum { MOST_PARAMETERS = 63 };

cvy_err cvy_network_from_words(cvy_yaml **out, const cvy_arguments *arguments, int64_t first) {
  const char *path;
  cvy_yaml *settings = cvy_yaml_new_mapping(arguments->pool, "command line");
  CVY_TRY(cvy_expect_words(arguments, first + 1, first + 1 + MOST_PARAMETERS,
                           "one network, and values for its parameters"));
  CVY_TRY(cvy_mistaken_network(arguments->pool, arguments->words[first]));
  CVY_TRY(cvy_find_yaml(&path, arguments->pool, arguments->words[first], "networks", NULL));
  for (int64_t i = first + 1; i < arguments->count; i++)
    CVY_TRY(cvy_yaml_override(settings, arguments->pool, arguments->words[i]));
  return cvy_network_load(out, arguments->pool, path, settings);
}

void cvy_print_names(FILE *out, const char *folder) {
  cvy_pool *pool = cvy_pool_create();
  fprintf(out, "\n%s that come with convoy:\n ", folder);
  const cvy_names names = cvy_list_yaml(pool, folder);
  for (int64_t i = 0; i < names.count; i++) fprintf(out, " %s", names.names[i]);
  fputc('\n', out);
  cvy_pool_destroy(pool);
}

void cvy_print_networks(FILE *out) {
  cvy_print_names(out, "networks");
}
