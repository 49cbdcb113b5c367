/* Whatever a pickle holds, it is refused or its values can be gone through. */
#include "fuzz.h"

#include "archive/pickle.h"

enum { MOST_DEPTH = 12 };

static uint64_t sum;

/* Reads all that a value says of itself. Values may lie in each other in circles, hence the budget. */
static void go_through(const cvy_pickle *value, int depth, int64_t *budget) {
  cvy_pickle_array array;
  if (!value || depth > MOST_DEPTH || --*budget < 0) return;
  FUZZ_CHECK(value->type <= CVY_PICKLE_OUTSIDE);
  for (size_t i = 0; i < value->byte_count; i++) sum += value->bytes[i];
  if (!cvy_pickle_to_array(&array, value, "fuzz"))
    for (size_t i = 0; i < array.byte_count; i++) sum += array.data[i];
  (void)cvy_pickle_get(value, "data");
  for (int64_t i = 0; i < value->count; i++) go_through(value->items[i], depth + 1, budget);
  go_through(value->called, depth + 1, budget);
  go_through(value->arguments, depth + 1, budget);
  go_through(value->state, depth + 1, budget);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  cvy_pool *pool = cvy_pool_create();
  cvy_pickle *value;
  size_t used;
  int64_t budget = 5000;
  if (!cvy_pickle_read(&value, &used, pool, data, size, "fuzz")) {
    FUZZ_CHECK(used <= size);
    go_through(value, 0, &budget);
  }
  cvy_pool_destroy(pool);
  return 0;
}
