/* The fuzz targets share this: a scratch folder in memory, inputs cut into files, numbers drawn from
 * bytes. */
#ifndef CVY_TESTS_FUZZ_H
#define CVY_TESTS_FUZZ_H

#include "unit/scratch.h"

#include "base/base.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

/* A CVY_CHECK that fails is a finding. */
static void fuzz_abort(int exit_code) {
  (void)exit_code;
  abort();
}

/* Aborts unless the condition holds, and says which one did not. */
#define FUZZ_CHECK(condition)                                                                                \
  do {                                                                                                       \
    if (!(condition)) {                                                                                      \
      fprintf(stderr, "%s:%d: does not hold: %s (last message: %s)\n", __FILE__, __LINE__, #condition,       \
              cvy_err_message());                                                                            \
      abort();                                                                                               \
    }                                                                                                        \
  } while (0)

static char fuzz_folder[256];

/* The files of a target, also those that it unpacks, end at 64 MiB: then writing fails as on a full disk. */
int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  const struct rlimit limit = {64 << 20, 64 << 20};
  setrlimit(RLIMIT_FSIZE, &limit);
  signal(SIGXFSZ, SIG_IGN);
  cvy_log_enable(false);
  cvy_set_fatal_hook(fuzz_abort);
  snprintf(fuzz_folder, sizeof fuzz_folder, "%s", scratch_folder());
  return 0;
}

/* ---- bytes to choices ---- */

/* The rest of the input. After its end come zeros, which stand for what is usual. */
typedef struct fuzz_bytes {
  const uint8_t *p;
  size_t left;
} fuzz_bytes;

static inline uint8_t fuzz_byte(fuzz_bytes *b) {
  if (b->left == 0) return 0;
  b->left--;
  return *b->p++;
}

static inline uint64_t fuzz_u64(fuzz_bytes *b, int bytes) {
  uint64_t value = 0;
  for (int i = 0; i < bytes; i++) value |= (uint64_t)fuzz_byte(b) << (8 * i);
  return value;
}

/* Draws a number from 0 to below-1. */
static inline int64_t fuzz_below(fuzz_bytes *b, int64_t below) {
  return (int64_t)(fuzz_u64(b, below > 256 ? 4 : 1) % (uint64_t)below);
}

/* Takes the input up to the next line "CUT"; several files are made of such parts. */
static inline fuzz_bytes fuzz_part(fuzz_bytes *b) {
  fuzz_bytes part = *b;
  for (size_t i = 0; i + 4 <= b->left; i++)
    if (memcmp(b->p + i, "CUT\n", 4) == 0) {
      part.left = i;
      b->p += i + 4;
      b->left -= i + 4;
      return part;
    }
  b->left = 0;
  return part;
}

/* Makes a copy that ends in a zero; the caller frees it. */
static inline char *fuzz_text(const uint8_t *data, size_t size) {
  char *text = malloc(size + 1);
  if (size > 0) memcpy(text, data, size);
  text[size] = 0;
  return text;
}

static inline const char *fuzz_path(const char *name) {
  static char paths[16][512];
  static int next;
  char *path = paths[next++ % 16];
  snprintf(path, sizeof paths[0], "%s/%s", fuzz_folder, name);
  return path;
}

#endif
