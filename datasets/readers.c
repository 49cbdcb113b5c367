/* The registry of dataset readers: readers.def, one line each. */
#include "datasets/reader.h"

#define CVY_READER(name) extern const cvy_reader cvy_reader_##name;
#include "datasets/readers.def"
#undef CVY_READER

#define CVY_READER(name) &cvy_reader_##name,
static const cvy_reader *const readers[] = {
#include "datasets/readers.def"
};
#undef CVY_READER

int64_t cvy_reader_count(void) {
  return CVY_COUNT(readers);
}

const cvy_reader *cvy_reader_at(int64_t index) {
  CVY_CHECK(index >= 0 && index < CVY_COUNT(readers));
  return readers[index];
}
