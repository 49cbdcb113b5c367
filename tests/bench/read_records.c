/* Reading raw records as Convoy does, and their bytes by bare pread, in turn, on one thread. */
#include "data/dataset.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROUNDS = 9, SIDE = 256, CHANNELS = 3, MICROBATCH = 32, RECORD = SIDE * SIDE * CHANNELS };

static void try(cvy_err err) {
  if (err) cvy_fatal("%s", cvy_err_message());
}

/* ---- the shard ---- */

static cvy_dataset *make_dataset(const char *dir, int64_t count) {
  static const char *const names[] = {"all"};
  static const float mean[CVY_MAX_CHANNELS] = {127, 127, 127}, deviation[CVY_MAX_CHANNELS] = {70, 70, 70};
  static uint8_t record[RECORD];
  const cvy_shards_config config = {.dir = dir,
                                    .split = "train",
                                    .shard_count = 1,
                                    .record_count = count,
                                    .encoding = CVY_RAW,
                                    .h = SIDE,
                                    .w = SIDE,
                                    .c = CHANNELS,
                                    .class_count = 1,
                                    .class_names = names};
  cvy_shards *shards;
  cvy_dataset *dataset;
  int64_t bytes;
  try(cvy_shards_create(&shards, &config));
  for (int64_t i = 0; i < count; i++) {
    for (int64_t k = 0; k < RECORD; k++)
      record[k] = (uint8_t)((uint64_t)(i * RECORD + k) * 2654435761u >> 24);
    try(cvy_shards_add(shards, record, RECORD, 0));
  }
  try(cvy_shards_finish(shards, &bytes, mean, deviation));
  try(cvy_dataset_open(&dataset, dir, "train"));
  return dataset;
}

/* ---- the three ways; each returns seconds ---- */

static int64_t place_of(const cvy_dataset *dataset, int64_t i) {
  const cvy_random where = {.seed = 1, .purpose = CVY_FOR_TEST};
  return cvy_random_permute(&where, i, dataset->info.count);
}

static double read_bare(cvy_dataset *dataset) {
  const cvy_dataset_file *file = &dataset->files[0];
  void *bytes;
  try(cvy_buffer_create(&bytes, RECORD, "a record"));
  const double start_s = cvy_now_s();
  for (int64_t i = 0; i < dataset->info.count; i++)
    if (pread(file->fd, bytes, RECORD, (off_t)(file->bytes_at + place_of(dataset, i) * RECORD)) != RECORD)
      cvy_fatal("pread");
  const double took_s = cvy_now_s() - start_s;
  cvy_buffer_destroy(bytes);
  return took_s;
}

static double read_verified(cvy_dataset *dataset) {
  cvy_read_buffer buffer;
  cvy_picture picture;
  int32_t label;
  try(cvy_read_buffer_create(&buffer, dataset));
  const double start_s = cvy_now_s();
  for (int64_t i = 0; i < dataset->info.count; i++)
    try(cvy_dataset_read(&picture, &label, dataset, &buffer, place_of(dataset, i), CHANNELS));
  const double took_s = cvy_now_s() - start_s;
  cvy_read_buffer_free(&buffer);
  return took_s;
}

static double load(cvy_dataset *dataset) {
  cvy_loader_config config = {.dataset = dataset,
                              .training = true,
                              .seed = 1,
                              .h = SIDE,
                              .w = SIDE,
                              .c = CHANNELS,
                              .microbatch = MICROBATCH,
                              .per_step = 1,
                              .own = 1,
                              .end_step = dataset->info.count / MICROBATCH,
                              .depth = 2,
                              .threads = 1};
  memcpy(config.mean, dataset->info.mean, sizeof config.mean);
  memcpy(config.deviation, dataset->info.deviation, sizeof config.deviation);
  cvy_loader *loader;
  cvy_microbatch m;
  const double start_s = cvy_now_s();
  try(cvy_loader_create(&loader, &config));
  for (int64_t i = 0; i < config.end_step; i++) {
    try(cvy_loader_next(&m, loader));
    cvy_loader_release(loader);
  }
  cvy_loader_destroy(loader);
  return cvy_now_s() - start_s;
}

/* ---- in turn ---- */

typedef struct way {
  const char *name;
  double (*run)(cvy_dataset *dataset);
  double seconds[ROUNDS], ratio[ROUNDS];
} way;

static int compare(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void measure(cvy_dataset *dataset) {
  way ways[] = {{.name = "bare pread", .run = read_bare},
                {.name = "read and verify", .run = read_verified},
                {.name = "the whole loader", .run = load}};
  enum { WAYS = CVY_COUNT(ways) };
  for (int k = 0; k < WAYS; k++) ways[k].run(dataset);
  for (int i = 0; i < ROUNDS; i++) {
    for (int k = 0; k < WAYS; k++) {
      way *w = &ways[i % 2 ? WAYS - 1 - k : k];
      w->seconds[i] = w->run(dataset);
    }
    for (int k = 0; k < WAYS; k++) ways[k].ratio[i] = ways[0].seconds[i] / ways[k].seconds[i];
  }
  const double gigabytes = 1e-9 * (double)dataset->info.count * RECORD;
  for (int k = 0; k < WAYS; k++) {
    qsort(ways[k].seconds, ROUNDS, sizeof(double), compare);
    qsort(ways[k].ratio, ROUNDS, sizeof(double), compare);
    printf("%-18s %8.2f GB/s  of bare pread %.3f (%.3f ... %.3f)\n", ways[k].name,
           gigabytes / ways[k].seconds[ROUNDS / 2], ways[k].ratio[ROUNDS / 2], ways[k].ratio[0],
           ways[k].ratio[ROUNDS - 1]);
  }
}

int main(int argc, char **argv) {
  const int64_t count = argc == 2 ? atoll(argv[1]) : argc == 1 ? 1024 : 0;
  if (count < MICROBATCH) {
    const bool help = argc == 2 && strcmp(argv[1], "--help") == 0;
    fprintf(
        help ? stdout : stderr,
        "usage: read_records [RECORDS]\nRaw records of %dx%dx%d, %d of them or RECORDS (at least %d), from the page "
        "cache: read and\nverified, and made into microbatches, beside bare pread of the same bytes in the same order. "
        "Median of %d rounds.\n",
        SIDE, SIDE, CHANNELS, 1024, MICROBATCH, ROUNDS);
    return help ? 0 : 2;
  }
  char dir[] = "/tmp/convoy-records-XXXXXX", path[128];
  if (!mkdtemp(dir)) cvy_fatal("%s: cannot create", dir);
  cvy_dataset *dataset = make_dataset(dir, count);
  snprintf(path, sizeof path, "%s/train-00000-of-00001.h5", dir);
  unlink(path); /* it stays open */
  rmdir(dir);
  measure(dataset);
  cvy_dataset_close(dataset);
  return 0;
}
