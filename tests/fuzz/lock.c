/* Fuzzes the file of a lock, which any process may have written. Whoever reads it judges a process by it, and
 * makes names of files from its token. */
#include "fuzz.h"

#include "file/lock_holder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const char *path = fuzz_path("lock");
  char text[CVY_HOLDER_BYTES];
  cvy_holder holder, again, here;
  scratch_write(path, data, size);
  FUZZ_CHECK(cvy_holder_read(&holder, path) == 0);
  FUZZ_CHECK(holder.token[0] && !strpbrk(holder.token, "/.\n"));
  cvy_holder_here(&here, "fuzz");
  (void)cvy_holder_judge(&holder, &here);
  cvy_holder_describe(text, &holder);
  FUZZ_CHECK(strlen(text) < sizeof text);
  scratch_write(path, text, cvy_holder_print(text, &holder));
  FUZZ_CHECK(cvy_holder_read(&again, path) == 0);
  FUZZ_CHECK(again.pid == holder.pid && again.start == holder.start && strcmp(again.boot, holder.boot) == 0);
  return 0;
}
