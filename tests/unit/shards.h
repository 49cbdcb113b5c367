/* Makes shards for the tests: record i's samples and label are functions of i, so that a test knows what it
 * must find. */
#ifndef CVY_TESTS_SHARDS_H
#define CVY_TESTS_SHARDS_H

#include "data/shard.h"
#include "file/checked.h"
#include "file/whole.h"
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

static inline cvy_shard_config raw_config(const char *dir, const char *split, int64_t shards, int64_t h,
                                          int64_t w, int64_t c) {
  return (cvy_shard_config){.dir = dir,
                            .split = split,
                            .shard_count = shards,
                            .encoding = CVY_RAW,
                            .h = h,
                            .w = w,
                            .c = c,
                            .class_count = CLASSES,
                            .class_names = class_names};
}

/* ---- a whole set, one shard after the other ---- */

/* Shard k of K holds records k*n/K ... (k+1)*n/K-1. */
typedef struct set_writer {
  cvy_pool *pool;
  cvy_shard_config config;
  int64_t record_count, next; /* records of the set, and how many were added */
  int64_t begun;              /* shards that have a temporary file */
  cvy_shard *open;
} set_writer;

static inline int64_t set_first_of(const set_writer *s, int64_t shard) {
  return shard * s->record_count / s->config.shard_count;
}

static inline char *set_path_of(const set_writer *s, int64_t shard) {
  return cvy_shard_path(s->pool, s->config.dir, s->config.split, shard, s->config.shard_count);
}

/* Makes the folder. `config` describes any shard of the set. */
static inline set_writer set_begin(const cvy_shard_config *config, int64_t record_count) {
  mkdir(config->dir, 0777);
  return (set_writer){.pool = cvy_pool_create(), .config = *config, .record_count = record_count};
}

static inline cvy_err set_add(set_writer *s, const void *bytes, size_t byte_count, int32_t label) {
  if (!s->open) {
    s->config.shard = s->begun;
    s->config.most = set_first_of(s, s->begun + 1) - s->next;
    CVY_TRY(cvy_shard_create(&s->open, &s->config));
    s->begun++;
  }
  CVY_TRY(cvy_shard_add(s->open, bytes, byte_count, label, NULL));
  if (++s->next < set_first_of(s, s->begun)) return CVY_OK;
  cvy_shard *full = s->open;
  s->open = NULL;
  return cvy_shard_close(full);
}

/* Removes what has no final name yet. */
static inline void set_abandon(set_writer *s) {
  cvy_shard_abandon(s->open);
  for (int64_t k = 0; k < s->begun; k++) cvy_whole_withdraw(set_path_of(s, k));
  cvy_pool_destroy(s->pool);
}

static inline cvy_err set_seal(set_writer *s, const float mean[], const float deviation[]) {
  cvy_shard_statistics statistics = {0};
  memcpy(statistics.mean, mean, sizeof *mean * (size_t)s->config.c);
  memcpy(statistics.deviation, deviation, sizeof *deviation * (size_t)s->config.c);
  for (int64_t k = 0; k < s->config.shard_count; k++)
    CVY_TRY(cvy_shard_seal(set_path_of(s, k), set_first_of(s, k), &statistics, s->config.c));
  for (int64_t k = 0; k < s->config.shard_count; k++) CVY_TRY(cvy_whole_publish(set_path_of(s, k)));
  return CVY_OK;
}

static inline cvy_err set_finish(set_writer *s, const float mean[], const float deviation[]) {
  const cvy_err err = s->next == s->record_count ? set_seal(s, mean, deviation)
                                                 : cvy_error(CVY_E_INPUT, "records are missing");
  set_abandon(s);
  return err;
}

static inline cvy_err write_raw(const cvy_shard_config *config, int64_t record_count) {
  const size_t bytes = (size_t)(config->h * config->w * config->c);
  uint8_t *record = malloc(bytes);
  set_writer set = set_begin(config, record_count);
  cvy_err err = CVY_OK;
  for (int64_t i = 0; i < record_count && !err; i++) {
    fill_record(record, i, config->h, config->w, config->c);
    err = set_add(&set, record, bytes, label_of_record(i));
  }
  free(record);
  if (!err) return set_finish(&set, some_mean, some_deviation);
  set_abandon(&set);
  return err;
}

/* Makes a new folder with raw shards. */
static inline char *raw_dataset(const char *name, int64_t shards, int64_t records, int64_t h, int64_t w,
                                int64_t c) {
  char *dir = cvy_format("%s/%s", scratch_folder(), name);
  const cvy_shard_config config = raw_config(dir, "train", shards, h, w, c);
  CU_ASSERT_EQUAL_FATAL(write_raw(&config, records), CVY_OK);
  return dir;
}

#endif
