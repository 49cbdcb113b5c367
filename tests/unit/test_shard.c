/* Tests the shard writer: what stands in the files, byte for byte, and what does not stand there after an
 * error. */
#include "shards.h"
#include "data/dataset.h"

#include <math.h>
#include <zlib.h>

static int64_t attribute(cvy_h5 *h5, const char *name) {
  int64_t value = -1;
  CU_ASSERT_EQUAL(cvy_h5_read_attr_i64(h5, "", name, &value), CVY_OK);
  return value;
}

static void check_raw_shard(const char *dir, int64_t shard, int64_t first, int64_t count) {
  char *path = cvy_format("%s/train-%05d-of-00003.h5", dir, (int)shard);
  uint8_t images[64 * 12], expected[12];
  int32_t labels[64];
  uint32_t checksums[64];
  float mean[2], deviation[2];
  char **names, *text;
  int64_t name_count;
  cvy_pool *pool = cvy_pool_create();
  cvy_h5 *h5;
  CU_ASSERT_EQUAL_FATAL(cvy_h5_open(&h5, path), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_h5_read(h5, "images", CVY_H5_U8, images, count * 12), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_h5_read(h5, "labels", CVY_H5_I32, labels, count), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_h5_read(h5, "checksums", CVY_H5_U32, checksums, count), CVY_OK);
  for (int64_t i = 0; i < count; i++) {
    fill_record(expected, first + i, 2, 3, 2);
    CU_ASSERT_EQUAL(memcmp(images + 12 * i, expected, 12), 0);
    CU_ASSERT_EQUAL(labels[i], label_of_record(first + i));
    CU_ASSERT_EQUAL(checksums[i], crc32(0, expected, 12));
  }
  CU_ASSERT_EQUAL(attribute(h5, "version"), 2);
  CU_ASSERT_EQUAL(attribute(h5, "shard"), shard);
  CU_ASSERT_EQUAL(attribute(h5, "shards"), 3);
  CU_ASSERT_EQUAL(attribute(h5, "first_record"), first);
  CU_ASSERT_EQUAL(attribute(h5, "channels"), 2);
  CU_ASSERT_EQUAL_FATAL(cvy_h5_read_attr_text(h5, "", "encoding", &text, pool), CVY_OK);
  CU_ASSERT_STRING_EQUAL(text, "raw");
  CU_ASSERT_EQUAL_FATAL(cvy_h5_read_attr_text(h5, "", "split", &text, pool), CVY_OK);
  CU_ASSERT_STRING_EQUAL(text, "train");
  CU_ASSERT_EQUAL_FATAL(cvy_h5_read_texts(h5, "class_names", &names, &name_count, pool), CVY_OK);
  CU_ASSERT_EQUAL(name_count, CLASSES);
  CU_ASSERT_STRING_EQUAL(names[3], class_names[3]);
  CU_ASSERT_EQUAL(cvy_h5_read(h5, "mean", CVY_H5_F32, mean, 2), CVY_OK);
  CU_ASSERT_EQUAL(cvy_h5_read(h5, "deviation", CVY_H5_F32, deviation, 2), CVY_OK);
  CU_ASSERT_EQUAL(mean[1], some_mean[1]);
  CU_ASSERT_EQUAL(deviation[0], some_deviation[0]);
  CU_ASSERT(cvy_h5_file_offset(h5, "images", CVY_H5_U8) > 0);
  cvy_h5_discard(h5);
  cvy_pool_destroy(pool);
  free(path);
}

static void raw_shards(void) {
  char *dir = cvy_format("%s/raw", scratch_folder());
  const cvy_shard_config config = raw_config(dir, "train", 3, 2, 3, 2);
  CU_ASSERT_EQUAL_FATAL(write_raw(&config, 20), CVY_OK);
  CU_ASSERT_EQUAL(scratch_count(dir), 3);
  check_raw_shard(dir, 0, 0, 6);
  check_raw_shard(dir, 1, 6, 7);
  check_raw_shard(dir, 2, 13, 7);
  free(dir);
}

static void encoded_shards(void) {
  enum { N = 9 };
  char *dir = cvy_format("%s/encoded", scratch_folder());
  cvy_shard_config config = raw_config(dir, "val", 2, 0, 0, 3);
  config.encoding = CVY_ENCODED;
  char *big = malloc(3 << 20);
  for (int i = 0; i < 3 << 20; i++) big[i] = (char)((int64_t)i * i >> 7);
  set_writer set = set_begin(&config, N);
  for (int64_t i = 0; i < N; i++) /* lengths 1, 393217, ... */
    CU_ASSERT_EQUAL_FATAL(set_add(&set, big + i, (size_t)(i * ((3 << 20) / N - 100) + 1), label_of_record(i)),
                          CVY_OK);
  CU_ASSERT_EQUAL_FATAL(set_finish(&set, some_mean, some_deviation), CVY_OK);
  CU_ASSERT_EQUAL(scratch_count(dir), 2);
  uint64_t offsets[6];
  uint32_t checksums[5];
  char *path = cvy_format("%s/val-00001-of-00002.h5", dir);
  cvy_h5 *h5;
  CU_ASSERT_EQUAL_FATAL(cvy_h5_open(&h5, path), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_h5_read(h5, "offsets", CVY_H5_U64, offsets, 6), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_h5_read(h5, "checksums", CVY_H5_U32, checksums, 5), CVY_OK);
  uint8_t *stored = malloc(offsets[5]);
  CU_ASSERT_EQUAL_FATAL(cvy_h5_read(h5, "bytes", CVY_H5_U8, stored, (int64_t)offsets[5]), CVY_OK);
  CU_ASSERT_EQUAL(offsets[0], 0);
  for (int64_t i = 0; i < 5; i++) {
    const size_t length = offsets[i + 1] - offsets[i];
    CU_ASSERT_EQUAL(length, (size_t)((i + 4) * ((3 << 20) / N - 100) + 1));
    CU_ASSERT_EQUAL(memcmp(stored + offsets[i], big + i + 4, length), 0);
    CU_ASSERT_EQUAL(checksums[i], crc32(0, stored + offsets[i], (unsigned)length));
  }
  CU_ASSERT(cvy_h5_file_offset(h5, "bytes", CVY_H5_U8) > 0);
  cvy_h5_discard(h5);
  free(stored);
  free(path);
  free(big);
  free(dir);
}

static void the_same_bytes_twice(void) {
  char *a = raw_dataset("twice-a", 2, 11, 4, 4, 1), *b = raw_dataset("twice-b", 2, 11, 4, 4, 1);
  for (int k = 0; k < 2; k++) {
    char *path_a = cvy_format("%s/train-%05d-of-00002.h5", a, k);
    char *path_b = cvy_format("%s/train-%05d-of-00002.h5", b, k);
    size_t bytes_a, bytes_b;
    char *file_a = scratch_read(path_a, &bytes_a), *file_b = scratch_read(path_b, &bytes_b);
    CU_ASSERT_EQUAL_FATAL(bytes_a, bytes_b);
    CU_ASSERT_EQUAL(memcmp(file_a, file_b, bytes_a), 0);
    free(file_a);
    free(file_b);
    free(path_a);
    free(path_b);
  }
  free(a);
  free(b);
}

static void nothing_left_after_an_error(void) {
  char *dir = cvy_format("%s/errors", scratch_folder());
  cvy_shard_config config = raw_config(dir, "train", 3, 2, 2, 1);
  const uint8_t record[4] = {0};
  set_writer set = set_begin(&config, 6);
  for (int i = 0; i < 5; i++) CU_ASSERT_EQUAL(set_add(&set, record, 4, 0), CVY_OK);
  CU_ASSERT_EQUAL(scratch_count(dir), 3);
  CU_ASSERT_EQUAL(set_add(&set, record, 4, CLASSES), CVY_E_INPUT);
  CU_ASSERT_STRING_EQUAL(cvy_err_message(), "label 5; expected 0 to 4");
  set_abandon(&set);
  CU_ASSERT_EQUAL(scratch_count(dir), 0);
  cvy_shard *shard;
  config.dir = "/nowhere/at/all";
  CU_ASSERT_EQUAL(cvy_shard_create(&shard, &config), CVY_E_SYSTEM);
  CU_ASSERT_PTR_NULL(shard);
  free(dir);
}

static cvy_err write_encoded(const char *dir, int64_t records, size_t record_bytes) {
  cvy_shard_config config = raw_config(dir, "train", 2, 0, 0, 1);
  config.encoding = CVY_ENCODED;
  char *record = calloc(1, record_bytes);
  set_writer set = set_begin(&config, records);
  cvy_err err = CVY_OK;
  for (int64_t i = 0; i < records && !err; i++) err = set_add(&set, record, record_bytes, 0);
  free(record);
  if (!err) return set_finish(&set, some_mean, some_deviation);
  set_abandon(&set);
  return err;
}

static void full_disk(void) {
  const char *disk = scratch_small_disk("full_disk");
  if (!disk) return;
  for (int64_t records = 4; records < 40; records += 5) { /* 0.25 MB and more */
    const cvy_shard_config config = raw_config(disk, "train", 4, 256, 256, 1);
    const cvy_err err = write_raw(&config, records);
    CU_ASSERT_EQUAL(err, records < 14 ? CVY_OK : CVY_E_SYSTEM); /* 14 fit, but not beside the spool */
    CU_ASSERT_EQUAL(scratch_count(disk), err ? 0 : 4);
    if (err) CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "No space left on device"));
    for (int k = 0; k < 4 && !err; k++) {
      char *path = cvy_format("%s/train-%05d-of-00004.h5", disk, k);
      CU_ASSERT_EQUAL(unlink(path), 0);
      free(path);
    }
  }
  CU_ASSERT_EQUAL(write_encoded(disk, 30, 100000), CVY_E_SYSTEM);
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "No space left on device"));
  CU_ASSERT_EQUAL(write_encoded(disk, 80, 9000), CVY_E_SYSTEM); /* they fit, but not beside their spool */
  CU_ASSERT_EQUAL(scratch_count(disk), 0);
}

static void pixel_sums(void) {
  cvy_pixel_sums sums = {0}, backwards = {0};
  float mean[3], deviation[3], mean_2[3], deviation_2[3];
  enum { N = 50, H = 3, W = 5 };
  double sum = 0, squares = 0;
  cvy_image images[N] = {0};
  for (int64_t i = 0; i < N; i++) {
    cvy_image_resize_buffer(&images[i], H, W, 3);
    fill_record(images[i].px, i, H, W, 3);
    for (int64_t p = 0; p < H * W; p++) {
      images[i].px[3 * p + 2] = 77;
      sum += images[i].px[3 * p + 1];
    }
  }
  const double average = sum / (N * H * W);
  for (int64_t i = 0; i < N; i++)
    for (int64_t p = 0; p < H * W; p++) squares += pow(images[i].px[3 * p + 1] - average, 2);
  for (int64_t i = 0; i < N; i++) cvy_pixel_sums_add(&sums, &images[i]);
  for (int64_t i = N - 1; i >= 0; i--) cvy_pixel_sums_add(&backwards, &images[i]);
  cvy_pixel_sums_result(mean, deviation, &sums);
  cvy_pixel_sums_result(mean_2, deviation_2, &backwards);
  CU_ASSERT_EQUAL(memcmp(&sums, &backwards, sizeof sums), 0);
  CU_ASSERT_EQUAL(memcmp(mean, mean_2, sizeof mean), 0);
  CU_ASSERT_DOUBLE_EQUAL(mean[1], average, 1e-5);
  CU_ASSERT_DOUBLE_EQUAL(deviation[1], sqrt(squares / (N * H * W)), 1e-5);
  CU_ASSERT_EQUAL(mean[2], 77.0f);
  CU_ASSERT_EQUAL(deviation[2], 1.0f);
  for (int64_t i = 0; i < N; i++) cvy_image_free(&images[i]);
}

/* The records have names, and their number is only known at the end. Then comes everything that is sealed
 * in. */
static void one_shard(void) {
  char *dir = cvy_format("%s/one", scratch_folder());
  cvy_shard_config config = raw_config(dir, "train", 3, 2, 3, 3);
  const cvy_shard_statistics statistics = {.mean = {1, 2, 3},
                                           .deviation = {4, 5, 6},
                                           .has_colour = true,
                                           .colour_values = {9, 4, 1},
                                           .colour_vectors = {{1, 0, 0}, {0, 0, 1}, {0, 1, 0}}};
  mkdir(dir, 0777);
  for (int64_t k = 0; k < 3; k++) {
    cvy_shard *shard;
    uint8_t record[18];
    char name[64] = "";
    config.shard = k;
    config.most = 10;
    CU_ASSERT_EQUAL_FATAL(cvy_shard_create(&shard, &config), CVY_OK);
    for (int64_t i = 0; i < (k == 1 ? 0 : 5 + k); i++) { /* the second has none */
      fill_record(record, 100 * k + i, 2, 3, 3);
      snprintf(name, sizeof name, "%.*s/%d.jpg", (int)i * 3, "a long folder's name", (int)i);
      CU_ASSERT_EQUAL(cvy_shard_add(shard, record, 18, 1, name), CVY_OK);
    }
    CU_ASSERT_EQUAL_FATAL(cvy_shard_close(shard), CVY_OK);
    cvy_pool *pool = cvy_pool_create();
    const char *path = cvy_shard_path(pool, dir, "train", k, 3);
    CU_ASSERT_EQUAL_FATAL(cvy_shard_seal(path, k == 0 ? 0 : 5, &statistics, 3), CVY_OK);
    CU_ASSERT_EQUAL_FATAL(cvy_whole_publish(path), CVY_OK);
    cvy_pool_destroy(pool);
  }
  cvy_dataset *dataset;
  CU_ASSERT_EQUAL_FATAL(cvy_dataset_open(&dataset, dir, "train"), CVY_OK);
  const cvy_dataset_info *info = cvy_dataset_describe(dataset);
  CU_ASSERT_EQUAL(info->count, 12);
  CU_ASSERT(info->has_colour && info->colour_values[1] == 4 && info->colour_vectors[1][2] == 1);
  cvy_pool *pool = cvy_pool_create();
  const char *name = cvy_dataset_name(pool, dataset, 4);
  CU_ASSERT_STRING_EQUAL(name ? name : "", "a long folde/4.jpg");
  name = cvy_dataset_name(pool, dataset, 5);
  CU_ASSERT_STRING_EQUAL(name ? name : "", "/0.jpg");
  cvy_pool_destroy(pool);
  cvy_dataset_close(dataset);
  free(dir);
}

/* Eigenvalues and eigenvectors solve C v = lambda v, with C from a plain sum in double. */
static void colours(void) {
  enum { N = 4000 };
  cvy_image image = {0};
  cvy_pixel_sums sums = {0};
  cvy_shard_statistics s;
  double mean[3] = {0}, c[3][3] = {{0}};
  cvy_random random = {.seed = 3, .purpose = CVY_FOR_TEST};
  cvy_image_resize_buffer(&image, 40, 100, 3);
  for (int64_t i = 0; i < N; i++) {
    const double grey = cvy_random_next_uniform(&random, 0, 200),
                 warm = cvy_random_next_uniform(&random, 0, 40);
    const double rgb[] = {grey + warm, grey + 7, grey + 40 - warm};
    for (int k = 0; k < 3; k++) mean[k] += (image.px[3 * i + k] = (uint8_t)rgb[k]) / (double)N;
  }
  for (int64_t i = 0; i < N; i++)
    for (int k = 0; k < 3; k++)
      for (int l = 0; l < 3; l++)
        c[k][l] += (image.px[3 * i + k] - mean[k]) * (image.px[3 * i + l] - mean[l]) / N;
  cvy_pixel_sums_add(&sums, &image);
  cvy_pixel_sums_statistics(&s, &sums);
  CU_ASSERT(s.has_colour && s.colour_values[0] > s.colour_values[1] &&
            s.colour_values[1] > s.colour_values[2]);
  for (int k = 0; k < 3; k++) {
    double length = 0;
    for (int row = 0; row < 3; row++) {
      double product = 0;
      for (int l = 0; l < 3; l++) product += c[row][l] * s.colour_vectors[k][l];
      /* Floats hold 7 digits of values up to 10,000. */
      CU_ASSERT_DOUBLE_EQUAL(product, (double)s.colour_values[k] * s.colour_vectors[k][row], 2e-2);
      length += pow(s.colour_vectors[k][row], 2);
    }
    CU_ASSERT_DOUBLE_EQUAL(length, 1, 1e-6);
  }
  cvy_image_free(&image);
}

static void python_reads_it(void) {
  if (!scratch_python_has("h5py", "python_reads_it")) return;
  char *dir = raw_dataset("python", 1, 10, 5, 4, 3);
  char *script = cvy_format(
      "/usr/bin/python3 -c \"\nimport h5py, zlib\nf = h5py.File('%s/train-00000-of-00001.h5', 'r')\n"
      "assert 'convoy-shard' in str(f.attrs['format'])\n"
      "assert f['images'].shape == (10, 5, 4, 3) and f['images'].chunks is None\n"
      "assert all(zlib.crc32(f['images'][i].tobytes()) == f['checksums'][i] for i in range(10))\n"
      "assert f['class_names'][3].decode() == '\xd8\xb3\xd9\x87'\n"
      "assert f['labels'].attrs['checksum'] == zlib.crc32(f['labels'][:].tobytes())\n"
      "assert f['mean'][0] == 33.25 and list(f['labels'][:3]) == [0, 3, 1]\n\"",
      dir);
  CU_ASSERT_EQUAL(system(script), 0);
  free(script);
  free(dir);
}

SUITE("shard", TEST(raw_shards), TEST(encoded_shards), TEST(the_same_bytes_twice),
      TEST(nothing_left_after_an_error), TEST(full_disk), TEST(pixel_sums), TEST(one_shard), TEST(colours),
      TEST(python_reads_it))
