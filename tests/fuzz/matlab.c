/* Fuzzes the development kit's meta.mat. Deflated elements are made here, for mutation would not come through
 * zlib's checksum. */
#include "fuzz.h"

#include "archive/matlab.h"

#include <zlib.h>

/* Makes a file of 128 bytes of header and then what comes, as it is or as one deflated element. */
static uint8_t *make_file(size_t *count, const uint8_t *data, size_t size, bool deflated) {
  uLongf packed = compressBound(size);
  uint8_t *file = calloc(1, 136 + (packed > size ? packed : size));
  memcpy(file + 124, "\0\1IM", 4);
  if (deflated) {
    FUZZ_CHECK(compress2(file + 136, &packed, data, size, 1) == Z_OK);
    const uint32_t head[2] = {15, (uint32_t)packed};
    memcpy(file + 128, head, sizeof head);
    *count = 136 + packed;
    return realloc(file, *count);
  }
  if (size > 0) memcpy(file + 128, data, size);
  *count = 128 + size;
  return realloc(file, *count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  size_t count;
  cvy_matlab_structs m;
  cvy_pool *pool = cvy_pool_create();
  uint8_t *file = make_file(&count, data + 1, size - 1, data[0] & 1);
  if (!cvy_matlab_read(&m, pool, file, count, "synsets", "meta.mat")) {
    for (int64_t i = 0; i < m.field_count; i++) FUZZ_CHECK(strlen(m.field_names[i]) <= 64);
    for (int64_t i = 0; i < m.count * m.field_count; i++)
      FUZZ_CHECK(!m.texts[i] || strlen(m.texts[i]) + 1 <= size * 8000);
  }
  free(file);
  cvy_pool_destroy(pool);
  return 0;
}
