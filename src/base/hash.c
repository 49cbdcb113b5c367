/* XXH3-128, streamed. */
#include "base/base.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

struct cvy_hasher {
  XXH3_state_t *state;
};

cvy_hasher *cvy_hasher_create(void) {
  cvy_hasher *hasher = cvy_new(sizeof *hasher);
  hasher->state = XXH3_createState();
  CVY_CHECK(hasher->state);
  cvy_hasher_reset(hasher);
  return hasher;
}

void cvy_hasher_destroy(cvy_hasher *hasher) {
  if (!hasher) return;
  XXH3_freeState(hasher->state);
  free(hasher);
}

void cvy_hasher_reset(cvy_hasher *hasher) {
  CVY_CHECK(XXH3_128bits_reset(hasher->state) == XXH_OK);
}

void cvy_hasher_add(cvy_hasher *hasher, const void *data, size_t bytes) {
  CVY_CHECK(XXH3_128bits_update(hasher->state, data, bytes) == XXH_OK);
}

static cvy_hash as_hex(XXH128_hash_t sum) {
  cvy_hash hash;
  snprintf(hash.hex, sizeof hash.hex, "%016" PRIx64 "%016" PRIx64, sum.high64, sum.low64);
  return hash;
}

cvy_hash cvy_hasher_result(const cvy_hasher *hasher) {
  return as_hex(XXH3_128bits_digest(hasher->state));
}

cvy_hash cvy_hash_of_text(const char *text) {
  return as_hex(XXH3_128bits(text, strlen(text)));
}
