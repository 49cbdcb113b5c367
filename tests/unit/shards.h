/* Shards that the tests make themselves: record i's samples and label are functions of i, so that a test
 * knows what it must find. */
#ifndef CVY_TESTS_SHARDS_H
#define CVY_TESTS_SHARDS_H

#include "data/shard.h"
#include "scratch.h"
#include "suite.h"

enum { CLASSES = 5 };
static const char *const class_names[CLASSES] = {"zero", "one", "two", "\xd8\xb3\xd9\x87", "four"};
static const float some_mean[CVY_MAX_CHANNELS] = {33.25f, 100, 90.5f, 80};
static const float some_deviation[CVY_MAX_CHANNELS] = {77.5f, 60, 50.25f, 40};

static inline uint8_t sample_of(int64_t record, int64_t y, int64_t x, int64_t k) {
  return (uint8_t)(record * 31 + y * 7 + x * 3 + k * 50 + record * x * y);
}

static inline int32_t label_of_record(int64_t record) {
  return (int32_t)(record * 3 % CLASSES);
}

static inline void fill_record(uint8_t *out, int64_t record, int64_t h, int64_t w, int64_t c) {
  for (int64_t y = 0; y < h; y++)
    for (int64_t x = 0; x < w; x++)
      for (int64_t k = 0; k < c; k++) *out++ = sample_of(record, y, x, k);
}

static inline cvy_shards_config raw_config(const char *dir, const char *split, int64_t shards,
                                           int64_t records, int64_t h, int64_t w, int64_t c) {
  return (cvy_shards_config){.dir = dir,
                             .split = split,
                             .shard_count = shards,
                             .record_count = records,
                             .encoding = CVY_RAW,
                             .h = h,
                             .w = w,
                             .c = c,
                             .class_count = CLASSES,
                             .class_names = class_names};
}

static inline cvy_err write_raw(const cvy_shards_config *config, int64_t *bytes) {
  uint8_t *record = malloc((size_t)(config->h * config->w * config->c));
  cvy_shards *shards;
  cvy_err err = cvy_shards_create(&shards, config);
  for (int64_t i = 0; i < config->record_count && !err; i++) {
    fill_record(record, i, config->h, config->w, config->c);
    err = cvy_shards_add(shards, record, (size_t)(config->h * config->w * config->c), label_of_record(i));
  }
  free(record);
  if (err)
    cvy_shards_abandon(shards);
  else
    err = cvy_shards_finish(shards, bytes, some_mean, some_deviation);
  return err;
}

/* A folder of its own with raw shards. */
static inline char *raw_dataset(const char *name, int64_t shards, int64_t records, int64_t h, int64_t w,
                                int64_t c) {
  char *dir = cvy_format("%s/%s", scratch_folder(), name);
  const cvy_shards_config config = raw_config(dir, "train", shards, records, h, w, c);
  int64_t bytes;
  CU_ASSERT_EQUAL_FATAL(write_raw(&config, &bytes), CVY_OK);
  return dir;
}

#endif
