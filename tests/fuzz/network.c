/* Fuzzes network descriptions: the resolved one plans to the same network. */
#include "fuzz.h"

#include "base/yaml.h"

#include "net/net.h"

enum { MICROBATCH = 2 };

/* Returns the plan as `convoy summary` prints it, or "" if it is refused. The caller frees it. */
static char *summary(const cvy_yaml *description) {
  char *text = NULL;
  size_t count = 0;
  cvy_net *net;
  FILE *out = open_memstream(&text, &count);
  if (!cvy_net_create(&net, description, MICROBATCH, NULL)) {
    cvy_net_print_json(out, net);
    cvy_net_destroy(net);
  }
  fclose(out);
  return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  cvy_pool *pool = cvy_pool_create();
  cvy_yaml *root, *resolved;
  char *text = fuzz_text(data, size);
  if (!cvy_yaml_parse(&root, pool, text, "fuzz") && !cvy_net_resolve(&resolved, pool, root)) {
    char *first = summary(root), *second = summary(resolved);
    if (strcmp(first, second) != 0) fprintf(stderr, "%s\nbecame\n%s\n", first, second);
    FUZZ_CHECK(strcmp(first, second) == 0);
    free(first);
    free(second);
  }
  free(text);
  cvy_pool_destroy(pool);
  return 0;
}
