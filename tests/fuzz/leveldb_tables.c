/* Whatever bytes are taken for a LevelDB's list of tables, nothing outside them is read. */
#include "fuzz.h"

#include "datasets/leveldb_tables.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  cvy_leveldb_tables tables;
  cvy_pool *pool = cvy_pool_create();
  uint8_t *copy = malloc(size + 1); /* the sanitizer sees reading behind a block of its own */
  memcpy(copy + 1, data, size);
  if (cvy_leveldb_tables_read(&tables, pool, copy + 1, size))
    for (int64_t i = 0; i < tables.count; i++)
      FUZZ_CHECK(cvy_leveldb_tables_have(&tables, tables.numbers[i]));
  free(copy);
  cvy_pool_destroy(pool);
  return 0;
}
