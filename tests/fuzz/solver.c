/* Fuzzes Caffe's solvers: a file is refused, or becomes keys of a recipe that can be written and read. */
#include "fuzz.h"

#include "formats/caffe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const char *path = fuzz_path("solver");
  cvy_pool *pool = cvy_pool_create();
  cvy_caffe_solver_result result;
  cvy_yaml *again;
  scratch_write(path, data, size);
  if (!cvy_caffe_solver(&result, pool, path, NULL, 1000)) {
    char *text = cvy_yaml_text(result.recipe);
    FUZZ_CHECK(!cvy_yaml_parse(&again, pool, text, "recipe"));
    free(text);
  }
  cvy_pool_destroy(pool);
  return 0;
}
