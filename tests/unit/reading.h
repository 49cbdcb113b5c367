/* Keeps one reader open at a time, and what it said. */
#ifndef CVY_TESTS_READING_H
#define CVY_TESTS_READING_H

#include "sets.h"
#include "suite.h"

static cvy_pool *pool;
static cvy_source source;
static cvy_record record;

static inline cvy_err open_with(const char *name, const char *option, const char *value, const char *a,
                                const char *b, int64_t h, int64_t w) {
  const cvy_reader *reader = reader_named(name);
  const char *inputs[] = {a, b};
  return reader->open(&source, configure(reader, pool, option, value), inputs, !!a + !!b, h, w, 1);
}

static inline cvy_err open_plain(const char *name, const char *a, const char *b) {
  const cvy_reader *reader = reader_named(name);
  return open_with(name, NULL, NULL, a, b, reader->default_h, reader->default_w);
}

/* Opens, and if that works reads every record. This is for damaged files, where not to crash is what
 * matters. */
static inline cvy_err go_through(const char *name, const char *a, const char *b) {
  CVY_TRY(open_plain(name, a, b));
  cvy_err err = CVY_OK;
  for (int64_t i = 0; i < source.count && !err; i++) err = reader_named(name)->read(&record, &source, i);
  reader_named(name)->close(&source);
  return err;
}

/* Checks that one class alone of the source has no record. */
static inline void expect_empty_class(const char *name, const char *a, const char *b,
                                      const char *class_name) {
  CU_ASSERT_EQUAL_FATAL(open_plain(name, a, b), CVY_OK);
  CU_ASSERT_PTR_NOT_NULL_FATAL(source.class_sizes);
  CU_ASSERT(source.class_count > 1);
  for (int64_t k = 0; k < source.class_count; k++)
    CU_ASSERT_EQUAL(source.class_sizes[k] == 0, strcmp(source.class_names[k], class_name) == 0);
  reader_named(name)->close(&source);
}

/* Checks that the source has a single class, as a split that lacks the others may. */
static inline void expect_one_class(const char *name, const char *a, const char *b, const char *class_name) {
  CU_ASSERT_EQUAL_FATAL(open_plain(name, a, b), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(source.class_count, 1);
  CU_ASSERT_STRING_EQUAL(source.class_names[0], class_name);
  reader_named(name)->close(&source);
}

/* Checks that a second source on the open one delivers the same, and leaves it as it was when it is
 * closed. */
static inline bool reads_again(const char *name) {
  const cvy_reader *reader = reader_named(name);
  cvy_source second;
  cvy_record again;
  bool same = true;
  if (reader->read(&record, &source, 0)) return false; /* then there are buffers to share by mistake */
  reader->again(&second, &source);
  for (int64_t i = 0; i < source.count && i < 5; i++) {
    if (reader->read(&again, &second, i) || reader->read(&record, &source, i)) return false;
    const size_t samples = (size_t)(record.image.h * record.image.w * record.image.c);
    same &= again.label == record.label && again.image.px != record.image.px &&
            again.image.h == record.image.h && memcmp(again.image.px, record.image.px, samples) == 0;
    if (!reader->keeps_files) continue;
    second.bytes_only = true;
    if (reader->read(&again, &second, i)) return false;
    same &= !again.image.px && again.encoded != record.encoded &&
            again.encoded_bytes == record.encoded_bytes &&
            memcmp(again.encoded, record.encoded, record.encoded_bytes) == 0;
    second.bytes_only = false;
  }
  reader->close(&second);
  return same;
}

static inline void begin(void) {
  fresh_folder();
  pool = cvy_pool_create();
}

static inline void begin_quietly(void) {
  begin();
  cvy_log_enable(false);
}

static inline void end(void) {
  cvy_pool_destroy(pool);
}

#endif
