/* Fuzzes the configuration of Keras' models: it is refused, or becomes a network that can be written and
 * read. The HDF5 file around it is made anew for every input (made.h says why). */
#include "fuzz.h"

#include "base/yaml.h"
#include "file/h5.h"
#include "formats/formats.h"

static cvy_err make(const char *path, const char *config) {
  cvy_h5 *file;
  CVY_TRY(cvy_h5_begin(&file, path));
  const cvy_err err = cvy_h5_write_attr_text(file, "", "model_config", config);
  if (!err) return cvy_h5_commit(file);
  cvy_h5_rollback(file);
  return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const char *path = fuzz_path("keras.h5");
  cvy_weights_file *file;
  cvy_pool *pool = cvy_pool_create();
  const char *config = cvy_pool_format(pool, "%.*s", (int)size, (const char *)data);
  if (!make(path, config) && !cvy_weights_open(&file, path)) {
    cvy_yaml *again;
    char *text = file->network ? cvy_yaml_text(file->network) : NULL;
    if (text) FUZZ_CHECK(!cvy_yaml_parse(&again, pool, text, "network"));
    free(text);
    cvy_weights_close(file);
  }
  cvy_pool_destroy(pool);
  return 0;
}
