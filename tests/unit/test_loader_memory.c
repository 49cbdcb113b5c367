/* The memory of the loader is bounded by its depth and its threads, however large the set is. This test is a
 * program of its own, as the most that was ever resident only grows. */
#include "shards.h"

#include "data/dataset.h"
#include "data/loader.h"

enum { SIDE = 512, CHANNELS = 3, RECORD = SIDE * SIDE * CHANNELS, COUNT = 600 }; /* 472 MB */

static cvy_err write_tables(cvy_h5 *h5, const uint32_t *checksums, const int32_t *labels) {
  static const float mean[] = {1, 2, 3}, deviation[] = {1, 1, 1};
  CVY_TRY(cvy_checked_write_texts(h5, "class_names", class_names, CLASSES));
  CVY_TRY(cvy_checked_write_list(h5, "labels", CVY_H5_I32, labels, COUNT));
  CVY_TRY(cvy_checked_write_list(h5, "checksums", CVY_H5_U32, checksums, COUNT));
  CVY_TRY(cvy_checked_write_list(h5, "mean", CVY_H5_F32, mean, CHANNELS));
  return cvy_checked_write_list(h5, "deviation", CVY_H5_F32, deviation, CHANNELS);
}

/* Writes a shard of black pictures, of which the disk holds nothing but that they are there. */
static cvy_err write_sparse_shard(const char *path) {
  static uint8_t black[RECORD];
  static uint32_t checksums[COUNT];
  static int32_t labels[COUNT];
  const int64_t dims[] = {COUNT, SIDE, SIDE, CHANNELS};
  const struct {
    const char *name;
    int64_t value;
  } numbers[] = {{"version", 2}, {"shard", 0}, {"shards", 1}, {"first_record", 0}, {"channels", CHANNELS}};
  cvy_h5 *h5;
  CVY_TRY(cvy_h5_create(&h5, path));
  CVY_TRY(cvy_h5_write_attr_text(h5, "", "format", CVY_SHARD_FORMAT));
  CVY_TRY(cvy_h5_write_attr_text(h5, "", "encoding", "raw"));
  for (int i = 0; i < CVY_COUNT(numbers); i++)
    CVY_TRY(cvy_h5_write_attr_i64(h5, "", numbers[i].name, numbers[i].value));
  CVY_TRY(cvy_h5_reserve(h5, "images", CVY_H5_U8, 4, dims));
  for (int i = 0; i < COUNT; i++) checksums[i] = cvy_checked_sum(black, RECORD), labels[i] = i % CLASSES;
  CVY_TRY(write_tables(h5, checksums, labels));
  return cvy_h5_close(h5);
}

static cvy_loader_config stream_of(cvy_dataset *dataset) {
  cvy_loader_config config = {.dataset = dataset,
                              .training = true,
                              .shuffle = CVY_SHUFFLE_BLOCK,
                              .blocks = {16, 4},
                              .h = SIDE,
                              .w = SIDE,
                              .c = CHANNELS,
                              .microbatch = 2,
                              .per_step = 1,
                              .own = 1,
                              .end_step = COUNT / 2,
                              .depth = 3,
                              .threads = 2,
                              .mean = {1, 2, 3},
                              .deviation = {1, 1, 1}};
  return config;
}

/* Returns the bytes by which the most that was resident has grown over an epoch. */
static size_t growth_of_an_epoch(const cvy_loader_config *config) {
  const size_t before = cvy_peak_bytes();
  cvy_loader *loader;
  cvy_microbatch m;
  CU_ASSERT_EQUAL_FATAL(cvy_loader_create(&loader, config), CVY_OK);
  for (int64_t i = 0; i < config->end_step; i++) {
    CU_ASSERT_EQUAL_FATAL(cvy_loader_next(&m, loader), CVY_OK);
    CU_ASSERT_EQUAL(m.images[0], -1);
    cvy_loader_release(loader);
  }
  cvy_loader_destroy(loader);
  return cvy_peak_bytes() - before;
}

static void memory_is_bounded_by_the_depth(void) {
  char *path = cvy_format("%s/train-00000-of-00001.h5", scratch_folder());
  cvy_dataset *dataset;
  struct stat info;
  CU_ASSERT_EQUAL_FATAL(write_sparse_shard(path), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(stat(path, &info), 0);
  CU_ASSERT_EQUAL_FATAL(cvy_dataset_open(&dataset, path, "train"), CVY_OK);
  const cvy_loader_config config = stream_of(dataset);
  const size_t slots = (size_t)(config.depth * config.microbatch * RECORD) * sizeof(float);
  const size_t records = (size_t)config.threads * RECORD;
  /* Beside that there are stacks of the threads, the C library's own arenas for them, and huge pages that
   * were begun. */
  const size_t bound = slots + records + (16 << 20);
  CU_ASSERT_FATAL((size_t)info.st_size > 8 * bound);
  const size_t grown = growth_of_an_epoch(&config);
  printf("(%.1f MB for a set of %.0f; allowed %.1f) ", 1e-6 * (double)grown, 1e-6 * (double)info.st_size,
         1e-6 * (double)bound);
  CU_ASSERT(cvy_peak_bytes() > 0 && grown < bound);
  /* This is what it would look like if records stayed. */
  CU_ASSERT_EQUAL_FATAL(cvy_dataset_keep(dataset, CVY_KEEP_RECORDS, 300 << 20), CVY_OK);
  const size_t kept = growth_of_an_epoch(&config);
  CU_ASSERT(kept > bound && kept < bound + (300 << 20));
  cvy_dataset_close(dataset);
  free(path);
}

SUITE("loader_memory", TEST(memory_is_bounded_by_the_depth))
