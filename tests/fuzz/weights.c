/* Whatever a file of weights holds, it is refused, or all its tensors can be read. But HDF5 1.10 crashes on
 * damage of its own structures (made.h), so files of HDF5 are left out, and those in a zip. */
#define _GNU_SOURCE /* for memmem */
#include "fuzz.h"

#include "formats/formats.h"

enum { MOST_NUMBERS = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const char *path = fuzz_path("weights");
  cvy_weights_file *file;
  if (memmem(data, size, "\211HDF", 4)) return 0;
  scratch_write(path, data, size);
  if (cvy_weights_open(&file, path)) return 0;
  int64_t left = MOST_NUMBERS;
  for (int64_t i = 0; i < file->tensor_count; i++) {
    const cvy_stored_tensor *t = &file->tensors[i];
    FUZZ_CHECK(t->count >= 0 && t->name && strlen(t->name) < size);
    if ((left -= t->count) < 0) break;
    float *values = malloc(sizeof *values * (size_t)t->count + 1);
    (void)!cvy_weights_read(values, file, i);
    free(values);
  }
  cvy_weights_close(file);
  return 0;
}
