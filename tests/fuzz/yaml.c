/* Fuzzes YAML: what is read and written again is read as the same tree. After a line "CUT" comes an
 * override. */
#include "fuzz.h"

#include "base/yaml.h"

static bool same(const cvy_yaml *a, const cvy_yaml *b) {
  if (a->kind != b->kind || a->count != b->count) return false;
  if (a->kind == CVY_YAML_SCALAR) return strcmp(a->text, b->text) == 0;
  for (int64_t i = 0; i < a->count; i++) {
    if (a->kind == CVY_YAML_MAPPING && strcmp(a->keys[i]->text, b->keys[i]->text) != 0) return false;
    if (!same(a->items[i], b->items[i])) return false;
  }
  return true;
}

static void write_and_read(const cvy_yaml *root, cvy_pool *pool) {
  cvy_yaml *again;
  if (root->kind == CVY_YAML_SCALAR) return; /* what Convoy writes has keys */
  char *text = cvy_yaml_text(root);
  const bool equal = !cvy_yaml_parse(&again, pool, text, "written") && same(root, again);
  if (!equal) fprintf(stderr, "written as:\n%s\n", text);
  FUZZ_CHECK(equal);
  free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_bytes left = {data, size};
  cvy_pool *pool = cvy_pool_create();
  cvy_yaml *root;
  const fuzz_bytes part = fuzz_part(&left);
  char *text = fuzz_text(part.p, part.left), *assignment = fuzz_text(left.p, left.left);
  if (!cvy_yaml_parse(&root, pool, text, "fuzz")) {
    write_and_read(root, pool);
    /* The value may make the tree deeper than may be read. */
    if (left.left > 0 && !cvy_yaml_override(root, pool, assignment)) free(cvy_yaml_text(root));
  }
  free(text);
  free(assignment);
  cvy_pool_destroy(pool);
  return 0;
}
