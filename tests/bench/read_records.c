/* Measures reading raw records as Convoy does, and their bytes by bare pread, in turn, on one thread. */
#include "data/dataset.h"
#include "data/dataset_parts.h"
#include "data/loader.h"
#include "file/whole.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROUNDS = 9, CHANNELS = 3, MICROBATCH = 8, MOST_SIDE = 1024 };

static void try(cvy_err err) {
  if (err) cvy_fatal("%s", cvy_err_message());
}

/* ---- the shard ---- */

static cvy_dataset *make_dataset(const char *dir, int64_t count, int64_t side) {
  static const char *const names[] = {"all"};
  static const cvy_shard_statistics statistics = {.mean = {127, 127, 127}, .deviation = {70, 70, 70}};
  static uint8_t record[MOST_SIDE * MOST_SIDE * CHANNELS];
  const int64_t record_bytes = side * side * CHANNELS;
  const cvy_shard_config config = {.dir = dir,
                                   .split = "train",
                                   .shard_count = 1,
                                   .most = count,
                                   .encoding = CVY_RAW,
                                   .h = side,
                                   .w = side,
                                   .c = CHANNELS,
                                   .class_count = 1,
                                   .class_names = names};
  cvy_shard *shard;
  cvy_dataset *dataset;
  try(cvy_shard_create(&shard, &config));
  for (int64_t i = 0; i < count; i++) {
    for (int64_t k = 0; k < record_bytes; k++)
      record[k] = (uint8_t)((uint64_t)(i * record_bytes + k) * 2654435761u >> 24);
    try(cvy_shard_add(shard, record, (size_t)record_bytes, 0, NULL));
  }
  cvy_pool *pool = cvy_pool_create();
  const char *path = cvy_shard_path(pool, dir, "train", 0, 1);
  try(cvy_shard_close(shard));
  try(cvy_shard_seal(path, 0, &statistics, CHANNELS));
  try(cvy_whole_publish(path));
  cvy_pool_destroy(pool);
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
  const size_t bytes = dataset->record_bytes;
  void *record;
  try(cvy_buffer_create(&record, bytes, "a record"));
  const double start_s = cvy_now_s();
  for (int64_t i = 0; i < dataset->info.count; i++) {
    const int64_t at = file->bytes_at + place_of(dataset, i) * (int64_t)bytes;
    if (pread(file->fd, record, bytes, (off_t)at) != (ssize_t)bytes) cvy_fatal("pread");
  }
  const double took_s = cvy_now_s() - start_s;
  cvy_buffer_destroy(record);
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

static double load_in(cvy_dataset *dataset, cvy_shuffle shuffle) {
  cvy_loader_config config = {.dataset = dataset,
                              .training = true,
                              .shuffle = shuffle,
                              .blocks = {256, 16},
                              .seed = 1,
                              .h = dataset->info.h,
                              .w = dataset->info.w,
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

static double load(cvy_dataset *dataset) {
  return load_in(dataset, CVY_SHUFFLE_FULL);
}

/* Forgets the file, as far as the system lets go of it: the file was synced when it was written. */
static void forget(const cvy_dataset *dataset) {
  posix_fadvise(dataset->files[0].fd, 0, 0, POSIX_FADV_DONTNEED);
}

static double load_cold(cvy_dataset *dataset) {
  forget(dataset);
  return load_in(dataset, CVY_SHUFFLE_FULL);
}

static double load_cold_in_blocks(cvy_dataset *dataset) {
  forget(dataset);
  return load_in(dataset, CVY_SHUFFLE_BLOCK);
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

/* Measures the ways in turn, and holds each against the first. */
static void measure(cvy_dataset *dataset, way *ways, int count) {
  for (int k = 0; k < count; k++) ways[k].run(dataset);
  for (int i = 0; i < ROUNDS; i++) {
    for (int k = 0; k < count; k++) {
      way *w = &ways[i % 2 ? count - 1 - k : k];
      w->seconds[i] = w->run(dataset);
    }
    for (int k = 0; k < count; k++) ways[k].ratio[i] = ways[0].seconds[i] / ways[k].seconds[i];
  }
  const double gigabytes = 1e-9 * (double)dataset->info.count * (double)dataset->record_bytes;
  for (int k = 0; k < count; k++) {
    qsort(ways[k].seconds, ROUNDS, sizeof(double), compare);
    qsort(ways[k].ratio, ROUNDS, sizeof(double), compare);
    printf("%-24s %8.3f GB/s %10.0f records/s  ratio %.3f (%.3f ... %.3f)\n", ways[k].name,
           gigabytes / ways[k].seconds[ROUNDS / 2], (double)dataset->info.count / ways[k].seconds[ROUNDS / 2],
           ways[k].ratio[ROUNDS / 2], ways[k].ratio[0], ways[k].ratio[ROUNDS - 1]);
  }
}

static void measure_all(cvy_dataset *dataset) {
  way warm[] = {{.name = "bare pread", .run = read_bare},
                {.name = "read and verify", .run = read_verified},
                {.name = "the whole loader", .run = load}};
  way cold[] = {{.name = "loader, cold, shuffled", .run = load_cold},
                {.name = "loader, cold, in blocks", .run = load_cold_in_blocks}};
  measure(dataset, warm, CVY_COUNT(warm));
  measure(dataset, cold, CVY_COUNT(cold));
}

int main(int argc, char **argv) {
  const int64_t count = argc > 1 ? atoll(argv[1]) : 1024, side = argc > 2 ? atoll(argv[2]) : 256;
  if (argc > 4 || count < MICROBATCH || side < 1 || side > MOST_SIDE) {
    const bool help = argc == 2 && strcmp(argv[1], "--help") == 0;
    fprintf(
        help ? stdout : stderr,
        "usage: read_records [RECORDS [SIDE [FOLDER]]]\n"
        "Raw records of SIDExSIDEx%d (256), RECORDS of them (1024), "
        "written into FOLDER (/tmp). From the page cache:\n"
        "read and verified, and made into microbatches, beside bare "
        "pread of the same bytes in the same order. Then\n"
        "microbatches from a cold cache, shuffled at will and in "
        "blocks. One thread, median of %d rounds.\n",
        CHANNELS, ROUNDS);
    return help ? 0 : 2;
  }
  char dir[512], path[600];
  snprintf(dir, sizeof dir, "%s/convoy-records-XXXXXX", argc > 3 ? argv[3] : "/tmp");
  if (!mkdtemp(dir)) cvy_fatal("%s: cannot create", dir);
  cvy_dataset *dataset = make_dataset(dir, count, side);
  snprintf(path, sizeof path, "%s/train-00000-of-00001.h5", dir);
  unlink(path); /* the file stays open */
  rmdir(dir);
  measure_all(dataset);
  cvy_dataset_close(dataset);
  return 0;
}
