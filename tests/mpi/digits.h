/* Prepares synthetic digits in the scratch folder, for tests that train. */
#ifndef CVY_TESTS_MPI_DIGITS_H
#define CVY_TESTS_MPI_DIGITS_H

#include "unit/scratch.h"
#include "unit/suite.h"

#include "base/options.h"
#include "prepare/prepare.h"

/* Prepares these fractions of 20,000 digits: "train=0.9,val=0.1". */
static inline void prepare_digits(const char *fractions) {
  const cvy_reader *reader = NULL;
  for (int64_t i = 0; i < cvy_reader_count(); i++)
    if (strcmp(cvy_reader_at(i)->kind->name, "synthetic") == 0) reader = cvy_reader_at(i);
  CVY_CHECK(reader);
  cvy_pool *pool = cvy_pool_create();
  void *options = cvy_pool_new(pool, reader->kind->config_bytes);
  CU_ASSERT_EQUAL_FATAL(cvy_options_defaults(options, pool, reader->kind->options), CVY_OK);
  const cvy_prepare_config config = {
      .reader = reader, .reader_config = options, .dir = scratch_folder(), .split = fractions, .seed = 1};
  cvy_prepare_result result;
  CU_ASSERT_EQUAL_FATAL(cvy_prepare(&result, &config), CVY_OK);
  cvy_pool_destroy(pool);
}

#endif
