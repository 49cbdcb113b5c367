/* Makes a CUnit program by one macro: SUITE("math", TEST(gemm), TEST(im2col)). Each TEST(x) is a function
 * `static void x(void)`. Failures are printed and make the exit status 1. */
#ifndef CVY_TESTS_SUITE_H
#define CVY_TESTS_SUITE_H

#include "base/base.h"

#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TEST(function)                                                                                       \
  { #function, function }

/* Returns where the real data is. If it is not there, it prints a line that says so and returns NULL. */
static inline const char *test_data(const char *skipped_test) {
  const char *dir = getenv("CONVOY_TEST_DATA");
  FILE *readme = NULL;
  char path[4096];
  if (dir) {
    snprintf(path, sizeof path, "%s/README.md", dir);
    readme = fopen(path, "r");
  }
  if (!readme) {
    printf("skipped: %s (no CONVOY_TEST_DATA)\n", skipped_test);
    return NULL;
  }
  fclose(readme);
  return dir;
}

/* Tells whether the last error's message holds `part`. If not, it prints both. */
static inline bool says(const char *part) {
  if (strstr(cvy_err_message(), part)) return true;
  printf("  the message is \"%s\", expected \"%s\" in it\n", cvy_err_message(), part);
  return false;
}

static inline void nap(double seconds) {
  nanosleep(&(struct timespec){(time_t)seconds, (long)(1e9 * (seconds - (double)(time_t)seconds))}, NULL);
}

static inline int run_suite(const char *name, CU_TestInfo *tests) {
  CU_SuiteInfo suites[] = {{name, NULL, NULL, NULL, NULL, tests}, CU_SUITE_INFO_NULL};
  if (CU_initialize_registry() || CU_register_suites(suites)) return 1;
  CU_basic_set_mode(CU_BRM_VERBOSE);
  CU_basic_run_tests();
  const unsigned failures = CU_get_number_of_failures();
  CU_cleanup_registry();
  return failures ? 1 : 0;
}

#define SUITE(name, ...)                                                                                     \
  int main(void) {                                                                                           \
    CU_TestInfo tests[] = {__VA_ARGS__, CU_TEST_INFO_NULL};                                                  \
    return run_suite(name, tests);                                                                           \
  }

#endif
