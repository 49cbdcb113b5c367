/* Tests opening and reading datasets: what is found, what is refused and why, files of other makers, and
 * damage. */
#define _GNU_SOURCE /* memmem */
#include "pictures.h"
#include "shards.h"

#include "data/dataset.h"
#include "data/dataset_parts.h"

#include <math.h>

static void expect_error(const char *path, const char *split, const char *expected) {
  cvy_dataset *dataset;
  CU_ASSERT_EQUAL(cvy_dataset_open(&dataset, path, split), CVY_E_INPUT);
  CU_ASSERT_PTR_NULL(dataset);
  const bool said = strstr(cvy_err_message(), expected) != NULL;
  if (!said) printf("\n    expected '%s' in '%s'", expected, cvy_err_message());
  CU_ASSERT_TRUE(said);
  if (dataset) cvy_dataset_close(dataset);
}

static cvy_dataset *open_it(const char *path, const char *split) {
  cvy_dataset *dataset;
  const cvy_err err = cvy_dataset_open(&dataset, path, split);
  if (err) printf("\n    %s", cvy_err_message());
  CU_ASSERT_EQUAL_FATAL(err, CVY_OK);
  return dataset;
}

/* Reads record `index` as floats, [h][w][c]. */
static int32_t read_floats(float *out, const cvy_dataset *dataset, int64_t index) {
  static const float zeros[CVY_MAX_CHANNELS], ones[CVY_MAX_CHANNELS] = {1, 1, 1, 1};
  cvy_normaliser identity;
  cvy_read_buffer buffer;
  cvy_picture picture;
  int32_t label;
  const int64_t c = cvy_dataset_describe(dataset)->c;
  CU_ASSERT_EQUAL_FATAL(cvy_read_buffer_create(&buffer, dataset), CVY_OK);
  const cvy_err err = cvy_dataset_read(&picture, &label, dataset, &buffer, index, c);
  if (err) printf("\n    %s", cvy_err_message());
  CU_ASSERT_EQUAL_FATAL(err, CVY_OK);
  cvy_normaliser_set(&identity, zeros, ones, c);
  cvy_canvas canvas = {0};
  CU_ASSERT_EQUAL(cvy_picture_normalise(out, &picture, &canvas, &identity), CVY_OK);
  cvy_canvas_free(&canvas);
  cvy_read_buffer_free(&buffer);
  return label;
}

static void check_records(const cvy_dataset *dataset, int64_t count, int64_t h, int64_t w, int64_t c) {
  const cvy_dataset_info *info = cvy_dataset_describe(dataset);
  CU_ASSERT_TRUE_FATAL(info->count == count && info->h == h && info->w == w && info->c == c);
  float *found = malloc(sizeof *found * (size_t)(h * w * c));
  for (int64_t i = 0; i < count; i++) {
    CU_ASSERT_EQUAL(read_floats(found, dataset, i), label_of_record(i));
    bool same = true;
    for (int64_t y = 0, at = 0; y < h; y++)
      for (int64_t x = 0; x < w; x++)
        for (int64_t k = 0; k < c; k++, at++) same = same && found[at] == (float)sample_of(i, y, x, k);
    CU_ASSERT_TRUE(same);
  }
  free(found);
}

/* ---- finding ---- */

static void every_way_to_name_it(void) {
  char *dir = raw_dataset("names", 3, 25, 6, 5, 3);
  char *prefix = cvy_format("%s/train", dir), *slash = cvy_format("%s/", dir);
  char *one = cvy_format("%s/train-00001-of-00003.h5", dir);
  cvy_dataset *a = open_it(dir, "train"), *b = open_it(prefix, "ignored"), *c = open_it(slash, "train");
  check_records(a, 25, 6, 5, 3);
  const cvy_dataset_info *info = cvy_dataset_describe(a);
  CU_ASSERT_EQUAL(info->shard_count, 3);
  CU_ASSERT_EQUAL(info->class_count, CLASSES);
  CU_ASSERT_STRING_EQUAL(info->class_names[3], class_names[3]);
  CU_ASSERT_EQUAL(info->mean[2], some_mean[2]);
  CU_ASSERT_EQUAL(info->deviation[1], some_deviation[1]);
  CU_ASSERT_STRING_EQUAL(cvy_dataset_fingerprint(a).hex, cvy_dataset_fingerprint(b).hex);
  CU_ASSERT_STRING_EQUAL(cvy_dataset_fingerprint(a).hex, cvy_dataset_fingerprint(c).hex);
  cvy_dataset_close(a);
  cvy_dataset_close(b);
  cvy_dataset_close(c);
  cvy_log_enable(false);
  a = open_it(one, NULL);
  cvy_log_enable(true);
  CU_ASSERT_EQUAL(cvy_dataset_describe(a)->count, 8);
  cvy_dataset_close(a);
  char *resharded = raw_dataset("resharded", 1, 25, 6, 5, 3);
  a = open_it(resharded, "train");
  b = open_it(dir, "train");
  CU_ASSERT_STRING_EQUAL(cvy_dataset_fingerprint(a).hex, cvy_dataset_fingerprint(b).hex);
  cvy_dataset_close(a);
  cvy_dataset_close(b);
  expect_error(dir, "val", "names/val: no such file, and no shards val-*.h5 there (there are: train-0000");
  expect_error(dir, "validation", "no shards validation-*.h5 there (there are: train-0000");
  expect_error(dir, "Training", "; did you mean 'train'?");
  expect_error(dir, "trian", "; did you mean 'train'?");
  expect_error(dir, "test", "train-00002-of-00003.h5)");
  CU_ASSERT_PTR_NULL(strstr(cvy_err_message(), "did you mean"));
  expect_error("/nowhere/train", "train", "/nowhere/train: there is no folder /nowhere/ (No such file");
  free(dir);
  free(prefix);
  free(slash);
  free(one);
  free(resharded);
}

static void what_stands(void) {
  char *dir = raw_dataset("stands", 2, 25, 2, 2, 1);
  static const struct {
    const char *path;
    bool stands;
  } cases[] = {{"", true},
               {"/", true},
               {"/train", true},
               {"/train-00000-of-00002.h5", true},
               {"/train-00000-of-00002.h5:part", true},
               {"/train-00000-of-00002", true},
               {"/val", false},
               {"/tra", false},
               {"/val:part", false},
               {"/no/train", false}};
  for (int64_t i = 0; i < CVY_COUNT(cases); i++) {
    char *path = cvy_format("%s%s", dir, cases[i].path);
    CU_ASSERT_EQUAL(cvy_dataset_stands(path), cases[i].stands);
    free(path);
  }
  free(dir);
}

static void copy_file(const char *dir, const char *from, const char *to) {
  char *source = cvy_format("%s/%s", dir, from), *target = cvy_format("%s/%s", dir, to);
  size_t bytes;
  char *whole = scratch_read(source, &bytes);
  scratch_write(target, whole, bytes);
  free(whole);
  free(source);
  free(target);
}

static void sets_that_are_not_whole(void) {
  char *dir = raw_dataset("sets", 4, 25, 2, 2, 1);
  char *third = cvy_format("%s/train-00002-of-00004.h5", dir), *away = cvy_format("%s/away", dir);
  CU_ASSERT_EQUAL(rename(third, away), 0);
  expect_error(dir, "train", "train-00002-of-00004.h5 is missing (3 of 4 shards are there)");
  copy_file(dir, "train-00001-of-00004.h5", "train-00002-of-00004.h5");
  expect_error(dir, "train", "train-00002-of-00004.h5: holds shard 1 of 4; its name says 2 of 4");
  CU_ASSERT_EQUAL(rename(away, third), 0);
  cvy_dataset_close(open_it(dir, "train"));
  copy_file(dir, "train-00001-of-00004.h5", "train-00001-of-00002.h5");
  expect_error(dir, "train", "two sets of shards: train-00001-of-00002.h5 and train-0000");
  free(third);
  free(away);
  free(dir);
}

/* Opens a set of two whose second shard comes from `other`. */
static void expect_disagreement(const cvy_shard_config *other, int64_t records, const float mean[],
                                const char *expected) {
  char *dir = raw_dataset("mixed", 2, 10, 4, 4, 1), *second = cvy_format("%s/other", scratch_folder());
  cvy_shard_config config = *other;
  uint8_t record[100] = {0};
  config.dir = second;
  set_writer set = set_begin(&config, records);
  for (int64_t i = 0; i < records; i++)
    CU_ASSERT_EQUAL_FATAL(
        set_add(&set, record, config.encoding == CVY_RAW ? (size_t)(config.h * config.w * config.c) : 50, 0),
        CVY_OK);
  CU_ASSERT_EQUAL_FATAL(set_finish(&set, mean, some_deviation), CVY_OK);
  char *from = cvy_format("%s/train-00001-of-00002.h5", second),
       *to = cvy_format("%s/train-00001-of-00002.h5", dir);
  CU_ASSERT_EQUAL(rename(from, to), 0);
  expect_error(dir, "train", expected);
  free(from);
  free(to);
  free(second);
  free(dir);
}

static void shards_that_disagree(void) {
  static const char *const other_names[CLASSES] = {"zero", "one", "two", "drie", "four"};
  const float other_mean[] = {1, 1, 1};
  cvy_shard_config config = raw_config("", "train", 2, 4, 4, 1);
  config.h = 5;
  expect_disagreement(&config, 10, some_mean, "images of 5x4x1, but those of");
  config.h = 4;
  config.c = 3;
  expect_disagreement(&config, 10, some_mean, "images of 4x4x3, but those of");
  config.c = 1;
  config.class_count = 4;
  expect_disagreement(&config, 10, some_mean, "4 classes, but");
  config.class_count = CLASSES;
  config.class_names = other_names;
  expect_disagreement(&config, 10, some_mean, "class 3 is 'drie', but in");
  config.class_names = class_names;
  expect_disagreement(&config, 10, other_mean, "mean or deviation differ");
  expect_disagreement(&config, 12, some_mean,
                      "begins with record 6 of its split, but the shards before it hold 5");
  config.encoding = CVY_ENCODED;
  expect_disagreement(&config, 10, some_mean, "encoded images, but those of");
}

/* ---- wrong contents, written with our own vocabulary ---- */

typedef struct contents {
  const char *format, *encoding;
  int64_t version, channels, labels, checksums;
  int32_t last_label;
} contents;

static const contents good = {"convoy-shard", "raw", 1, 1, 6, 6, 4};

static void write_contents(const char *path, const contents *of) {
  const int64_t dims[] = {6, 2, 2, 1};
  const uint8_t images[24] = {0};
  int32_t labels[8] = {0};
  uint32_t checksums[8];
  const float ones[] = {1, 1, 1};
  cvy_h5 *h5;
  labels[of->labels - 1] = of->last_label;
  for (int i = 0; i < 8; i++) checksums[i] = cvy_checked_sum(images, 4);
  cvy_err err = cvy_h5_create(&h5, path);
  if (!err) err = cvy_h5_write_attr_text(h5, "", "format", of->format);
  if (!err) err = cvy_h5_write_attr_i64(h5, "", "version", of->version);
  if (!err) err = cvy_h5_write_attr_text(h5, "", "encoding", of->encoding);
  if (!err) err = cvy_h5_write_attr_i64(h5, "", "shard", 0);
  if (!err) err = cvy_h5_write_attr_i64(h5, "", "shards", 1);
  if (!err) err = cvy_h5_write_attr_i64(h5, "", "first_record", 0);
  if (!err) err = cvy_h5_write_attr_i64(h5, "", "channels", of->channels);
  if (!err) err = cvy_checked_write_texts(h5, "class_names", class_names, CLASSES);
  if (!err) err = cvy_h5_write(h5, "images", CVY_H5_U8, images, 4, dims);
  if (!err) err = cvy_checked_write_list(h5, "labels", CVY_H5_I32, labels, of->labels);
  if (!err) err = cvy_checked_write_list(h5, "checksums", CVY_H5_U32, checksums, of->checksums);
  if (!err) err = cvy_checked_write_list(h5, "mean", CVY_H5_F32, ones, 1);
  if (!err) err = cvy_checked_write_list(h5, "deviation", CVY_H5_F32, ones, 1);
  if (!err) err = cvy_h5_close(h5);
  CU_ASSERT_EQUAL_FATAL(err, CVY_OK);
}

static void expect_refusal(contents of, const char *expected) {
  char *path = cvy_format("%s/contents.h5", scratch_folder());
  write_contents(path, &of);
  expect_error(path, "train", expected);
  free(path);
}

static void wrong_contents(void) {
  char *path = cvy_format("%s/contents.h5", scratch_folder());
  contents bad = good;
  write_contents(path, &good);
  cvy_dataset_close(open_it(path, "train"));
  bad.format = "convoy-checkpoint";
  expect_refusal(bad, "a convoy-checkpoint; expected a shard");
  bad = good, bad.version = 3;
  expect_refusal(bad, "shard format 3; this Convoy reads 1 to 2 (the file was made by a newer Convoy)");
  bad = good, bad.encoding = "zip";
  expect_refusal(bad, "encoding 'zip'; expected raw or encoded");
  bad = good, bad.encoding = "encoded";
  expect_refusal(bad, "'bytes'");
  bad = good, bad.channels = 3;
  expect_refusal(bad, "images of 2x2x1; expected 3 channels");
  bad = good, bad.channels = 5;
  expect_refusal(bad, "5 channels; expected 1 to 4");
  bad = good, bad.last_label = 5;
  expect_refusal(bad, "contents.h5: record 5: label 5; expected 0 to 4");
  bad = good, bad.last_label = -1;
  expect_refusal(bad, "contents.h5: record 5: label -1; expected 0 to 4");
  bad = good, bad.labels = 7;
  expect_refusal(bad, "6 images but 7 labels");
  bad = good, bad.checksums = 5;
  expect_refusal(bad, "dataset 'checksums' must be a list of 6 numbers");
  free(path);
}

static void encoded_with_bad_offsets(void) {
  static const uint64_t bad[][4] = {{1, 2, 3, 9}, {0, 5, 3, 9}, {0, 2, 3, 8}, {0, 2, UINT64_MAX, 9}};
  char *dir = cvy_format("%s/offsets", scratch_folder());
  for (int i = 0; i < 4; i++) {
    cvy_shard_config config = raw_config(dir, "train", 1, 0, 0, 1);
    config.encoding = CVY_ENCODED;
    set_writer set = set_begin(&config, 3);
    for (int r = 0; r < 3; r++) CU_ASSERT_EQUAL_FATAL(set_add(&set, "abc", 3, 0), CVY_OK);
    CU_ASSERT_EQUAL_FATAL(set_finish(&set, some_mean, some_deviation), CVY_OK);
    char *path = cvy_format("%s/train-00000-of-00001.h5", dir);
    cvy_h5 *h5;
    CU_ASSERT_EQUAL_FATAL(cvy_h5_open_for_writing(&h5, path), CVY_OK);
    int64_t checksum = cvy_checked_sum(bad[i], sizeof bad[i]);
    CU_ASSERT_EQUAL_FATAL(cvy_h5_write_rows(h5, "offsets", CVY_H5_U64, bad[i], 0, 4), CVY_OK);
    CU_ASSERT_EQUAL_FATAL(cvy_h5_close(h5), CVY_OK);
    expect_error(path, "train", "dataset 'offsets': checksum ");
    char *command = cvy_format("/usr/bin/python3 -c \"import h5py; f = h5py.File('%s', 'r+'); "
                               "f['offsets'].attrs['checksum'] = %" PRId64 "\" 2>/dev/null",
                               path, checksum);
    if (system(command) == 0)
      expect_error(path, "train", "dataset 'offsets' does not divide the 9 bytes in 'bytes'");
    else
      printf("skipped: part of encoded_with_bad_offsets (no h5py)\n");
    free(command);
    free(path);
  }
  free(dir);
}

static void encoded_images(void) {
  char *dir = cvy_format("%s/jpeg", scratch_folder());
  cvy_shard_config config = raw_config(dir, "train", 2, 0, 0, 3);
  cvy_image image = {0};
  config.encoding = CVY_ENCODED;
  set_writer set = set_begin(&config, 5);
  for (int64_t i = 0; i < 5; i++) {
    paint(&image, 20 + i, 30 - i, 3);
    const file_bytes file = i % 2 ? make_jpeg(&image, 95, false)
                                  : make_png(image.px, (size_t)(image.h * image.w * 3), image.h, image.w,
                                             SPNG_COLOR_TYPE_TRUECOLOR, 8, NULL);
    CU_ASSERT_EQUAL_FATAL(set_add(&set, i == 4 ? (const void *)"junk" : file.bytes, i == 4 ? 4 : file.count,
                                  (int32_t)i % CLASSES),
                          CVY_OK);
    free(file.bytes);
  }
  CU_ASSERT_EQUAL_FATAL(set_finish(&set, some_mean, some_deviation), CVY_OK);
  cvy_dataset *dataset = open_it(dir, "train");
  CU_ASSERT_EQUAL(cvy_dataset_describe(dataset)->h, 0);
  cvy_read_buffer buffer;
  cvy_canvas canvas = {0};
  cvy_picture picture;
  int32_t label;
  CU_ASSERT_EQUAL_FATAL(cvy_read_buffer_create(&buffer, dataset), CVY_OK);
  for (int64_t i = 0; i < 4; i++) {
    CU_ASSERT_EQUAL_FATAL(cvy_dataset_read(&picture, &label, dataset, &buffer, i, 3), CVY_OK);
    CU_ASSERT_TRUE(picture.h == 20 + i && picture.w == 30 - i && picture.c == 3 && label == i);
    paint(&image, 20 + i, 30 - i, 3);
    float *samples, largest = 0;
    CU_ASSERT_EQUAL_FATAL(cvy_picture_draw(&picture, &samples, &canvas), CVY_OK);
    for (int64_t p = 0; p < picture.h * picture.w * 3; p++)
      if (fabsf((float)image.px[p] - samples[p]) > largest) largest = fabsf((float)image.px[p] - samples[p]);
    CU_ASSERT(i % 2 ? largest <= 40 : largest == 0);
  }
  CU_ASSERT_EQUAL(cvy_dataset_read(&picture, &label, dataset, &buffer, 1, 1), CVY_OK);
  CU_ASSERT_EQUAL(picture.c, 1);
  CU_ASSERT_EQUAL(cvy_dataset_read(&picture, &label, dataset, &buffer, 4, 3), CVY_E_INPUT);
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "train-00001-of-00002.h5: record 2: "));
  cvy_read_buffer_free(&buffer);
  cvy_canvas_free(&canvas);
  cvy_dataset_close(dataset);
  cvy_image_free(&image);
  free(dir);
}

static void change(const char *path, const char *python) {
  char *command = cvy_format("/usr/bin/python3 -c \"import h5py, zlib; f = h5py.File('%s', 'r+'); %s\"", path,
                             python);
  CU_ASSERT_EQUAL_FATAL(system(command), 0);
  free(command);
}

static void sizes_of_encoded_images(void) {
  char *dir = cvy_format("%s/sizes", scratch_folder());
  char *path = cvy_format("%s/train-00000-of-00001.h5", dir);
  cvy_shard_config config = raw_config(dir, "train", 1, 0, 0, 3);
  cvy_image image = {0};
  config.encoding = CVY_ENCODED;
  set_writer set = set_begin(&config, 4);
  for (int64_t i = 0; i < 4; i++) {
    paint(&image, 20 + i, 9 * i + 1, 3);
    const file_bytes file = make_jpeg(&image, 95, false);
    CU_ASSERT_EQUAL_FATAL(
        set_add(&set, i == 2 ? (const void *)"junk" : file.bytes, i == 2 ? 4 : file.count, 0), CVY_OK);
    free(file.bytes);
  }
  CU_ASSERT_EQUAL_FATAL(set_finish(&set, some_mean, some_deviation), CVY_OK);
  cvy_dataset *dataset = open_it(dir, "train");
  const cvy_hash fingerprint = cvy_dataset_fingerprint(dataset);
  int64_t h, w;
  for (int64_t i = 0; i < 4; i++) {
    CU_ASSERT_EQUAL(cvy_dataset_size(&h, &w, dataset, i), i != 2);
    CU_ASSERT(h == (i == 2 ? 0 : 20 + i) && w == (i == 2 ? 0 : 9 * i + 1));
  }
  cvy_dataset_close(dataset);
  if (scratch_python_has("h5py", "part of sizes_of_encoded_images")) {
    change(path, "f['sizes'][1, 0] = 7");
    expect_error(path, "train", "dataset 'sizes': checksum ");
    change(path,
           "f['sizes'][1] = (-7, 3); f['sizes'].attrs['checksum'] = zlib.crc32(f['sizes'][:].tobytes())");
    expect_error(path, "train", "record 1: 'sizes' says -7x3");
    change(path,
           "f['sizes'][1] = (0, 3); f['sizes'].attrs['checksum'] = zlib.crc32(f['sizes'][:].tobytes())");
    expect_error(path, "train", "record 1: 'sizes' says 0x3");
    change(path, "s = f['sizes'][:3]; del f['sizes']; f['sizes'] = s");
    expect_error(path, "train", "dataset 'sizes' must be 4x2 numbers");
    change(path, "del f['sizes']"); /* as in older shards */
    dataset = open_it(dir, "train");
    CU_ASSERT_FALSE(cvy_dataset_size(&h, &w, dataset, 1));
    CU_ASSERT_STRING_EQUAL(cvy_dataset_fingerprint(dataset).hex, fingerprint.hex); /* runs can be resumed */
    cvy_dataset_close(dataset);
  }
  cvy_image_free(&image);
  free(path);
  free(dir);
}

/* Files in a row hold all records, and their stored bytes are those that were written. */
static void stored_records_file_by_file(void) {
  char *dir = raw_dataset("stored", 3, 20, 8, 8, 1);
  cvy_dataset *dataset = open_it(dir, "train");
  const cvy_dataset_info *info = cvy_dataset_describe(dataset);
  cvy_read_buffer buffer;
  int64_t next = 0;
  CU_ASSERT_EQUAL_FATAL(cvy_read_buffer_create(&buffer, dataset), CVY_OK);
  CU_ASSERT_EQUAL(cvy_dataset_encoding(dataset), CVY_RAW);
  CU_ASSERT_FALSE(cvy_dataset_is_float(dataset));
  CU_ASSERT_STRING_EQUAL(cvy_dataset_source(dataset)->name, cvy_dataset_records_in(dataset, 0).path);
  CU_ASSERT_EQUAL(cvy_dataset_source(dataset)->has_colour, info->has_colour);
  for (int64_t k = 0; k < info->shard_count; k++) {
    const cvy_file_records file = cvy_dataset_records_in(dataset, k);
    CU_ASSERT_EQUAL(file.first, next);
    for (next = file.first; next < file.first + file.count; next++) {
      uint8_t expected[64];
      const void *bytes;
      size_t byte_count;
      int32_t label;
      fill_record(expected, next, 8, 8, 1);
      CU_ASSERT_EQUAL_FATAL(cvy_dataset_read_stored(&bytes, &byte_count, &label, dataset, &buffer, next),
                            CVY_OK);
      CU_ASSERT_EQUAL_FATAL(byte_count, sizeof expected);
      CU_ASSERT_EQUAL(memcmp(bytes, expected, sizeof expected), 0);
      CU_ASSERT_EQUAL(label, label_of_record(next));
    }
  }
  CU_ASSERT_EQUAL(next, 20);
  cvy_read_buffer_free(&buffer);
  cvy_dataset_close(dataset);
  free(dir);
}

/* ---- damage ---- */

/* Opens and reads everything. It returns CVY_OK only if every record is what was written. */
static cvy_err read_everything(const char *path, int64_t count, int64_t h, int64_t w) {
  cvy_dataset *dataset;
  CVY_TRY(cvy_dataset_open(&dataset, path, "train"));
  cvy_read_buffer buffer;
  cvy_err err = cvy_read_buffer_create(&buffer, dataset);
  const cvy_dataset_info *info = cvy_dataset_describe(dataset);
  CU_ASSERT_TRUE(info->count == count && info->h == h && info->w == w);
  for (int64_t i = 0; i < info->count && !err; i++) {
    cvy_picture picture;
    int32_t label;
    err = cvy_dataset_read(&picture, &label, dataset, &buffer, i, 1);
    if (err) break;
    const uint8_t *px = picture.raster.samples;
    bool same = label == label_of_record(i);
    for (int64_t p = 0; p < h * w && same; p++) same = px[p] == sample_of(i, p / w, p % w, 0);
    CU_ASSERT_TRUE(same);
  }
  for (int64_t k = 0; k < info->class_count; k++)
    CU_ASSERT_STRING_EQUAL(info->class_names[k], class_names[k]);
  CU_ASSERT_TRUE(info->mean[0] == some_mean[0] && info->deviation[0] == some_deviation[0]);
  cvy_read_buffer_free(&buffer);
  cvy_dataset_close(dataset);
  return err;
}

static void a_flipped_byte_in_a_record(void) {
  char *dir = raw_dataset("flip", 1, 20, 8, 8, 1), *path = cvy_format("%s/train-00000-of-00001.h5", dir);
  size_t bytes;
  char *whole = scratch_read(path, &bytes);
  uint8_t record[64];
  fill_record(record, 17, 8, 8, 1);
  char *at = memmem(whole, bytes, record, sizeof record);
  CU_ASSERT_PTR_NOT_NULL_FATAL(at);
  at[30] ^= 1;
  scratch_write(path, whole, bytes);
  CU_ASSERT_EQUAL(read_everything(path, 20, 8, 8), CVY_E_INPUT);
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "train-00000-of-00001.h5: record 17: checksum "));
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "the file is damaged"));
  free(whole);
  free(path);
  free(dir);
}

static void truncated_at_any_length(void) {
  char *dir = raw_dataset("short", 1, 20, 8, 8, 1), *path = cvy_format("%s/train-00000-of-00001.h5", dir);
  size_t bytes;
  char *whole = scratch_read(path, &bytes);
  for (size_t length = 0; length < bytes; length += 1 + length / 50) {
    scratch_write(path, whole, length);
    CU_ASSERT_EQUAL(read_everything(path, 20, 8, 8), CVY_E_INPUT);
  }
  scratch_write(path, whole, bytes - 1);
  expect_error(path, "train", "truncated: ");
  scratch_write(path, whole, bytes);
  cvy_dataset *dataset = open_it(path, "train");
  cvy_read_buffer buffer;
  cvy_picture picture;
  int32_t label;
  CU_ASSERT_EQUAL_FATAL(cvy_read_buffer_create(&buffer, dataset), CVY_OK);
  CU_ASSERT_EQUAL(truncate(path, 100), 0);
  CU_ASSERT_EQUAL(cvy_dataset_read(&picture, &label, dataset, &buffer, 19, 1), CVY_E_SYSTEM);
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "record 19: the file has become shorter"));
  cvy_read_buffer_free(&buffer);
  cvy_dataset_close(dataset);
  free(whole);
  free(path);
  free(dir);
}

/* Whatever byte changes, there is an error, or every record, label, name and statistic is still right. */
static void random_damage(void) {
  char *dir = raw_dataset("damage", 1, 20, 8, 8, 1), *path = cvy_format("%s/train-00000-of-00001.h5", dir);
  size_t bytes;
  char *whole = scratch_read(path, &bytes);
  cvy_random random = {.seed = 2, .purpose = CVY_FOR_TEST};
  int noticed = 0, rounds = 3000;
  for (int i = 0; i < rounds; i++) {
    const size_t at = (size_t)cvy_random_next_below(&random, (int64_t)bytes);
    const char kept = whole[at];
    whole[at] = (char)(kept ^ (1 + cvy_random_next_below(&random, 255)));
    scratch_write(path, whole, bytes);
    whole[at] = kept;
    noticed += read_everything(path, 20, 8, 8) != CVY_OK;
  }
  printf("(%d of %d noticed in %zu bytes) ", noticed, rounds, bytes);
  CU_ASSERT(noticed > rounds / 4);
  for (int i = 0; i < 200; i++) { /* now many bytes change at once */
    char *ruined = malloc(bytes);
    memcpy(ruined, whole, bytes);
    for (int k = 0; k < 40; k++)
      ruined[cvy_random_next_below(&random, (int64_t)bytes)] = (char)cvy_random_next(&random);
    scratch_write(path, ruined, bytes);
    (void)!read_everything(path, 20, 8, 8);
    free(ruined);
  }
  free(whole);
  free(path);
  free(dir);
}

/* ---- other makers ---- */

typedef struct foreign {
  const char *images, *labels;
  cvy_h5_type image_type, label_type;
  int image_dims, label_dims;
  int64_t image_shape[6], label_shape[3];
} foreign;

/* Writes a file of another maker. Samples are 0, 0.5, 1, ... in the order of the file; they are whole for
 * integer types. */
static char *write_foreign(const foreign *of, const void *labels) {
  static float samples[4096];
  char *path = cvy_format("%s/foreign.h5", scratch_folder());
  for (int i = 0; i < 4096; i++) samples[i] = (float)(i % 501) * (of->image_type == CVY_H5_F32 ? 0.5f : 1);
  static uint8_t bytes[4096];
  static int32_t ints[4096];
  for (int i = 0; i < 4096; i++) ints[i] = i % 501 - 100;
  for (int i = 0; i < 4096; i++) bytes[i] = (uint8_t)(i % 251);
  cvy_h5 *h5;
  cvy_err err = cvy_h5_create(&h5, path);
  const void *values = of->image_type == CVY_H5_F32  ? (const void *)samples
                       : of->image_type == CVY_H5_U8 ? (const void *)bytes
                                                     : (const void *)ints;
  if (!err) err = cvy_h5_write(h5, of->images, of->image_type, values, of->image_dims, of->image_shape);
  if (!err) err = cvy_h5_write(h5, of->labels, of->label_type, labels, of->label_dims, of->label_shape);
  if (!err) err = cvy_h5_close(h5);
  CU_ASSERT_EQUAL_FATAL(err, CVY_OK);
  return path;
}

static void foreign_floats_channels_first(void) {
  const foreign of = {"X", "y", CVY_H5_F32, CVY_H5_I64, 4, 1, {6, 3, 5, 7}, {6}};
  const int64_t labels[] = {0, 1, 2, 0, 1, 8};
  char *path = write_foreign(&of, labels);
  cvy_log_enable(false);
  cvy_dataset *dataset = open_it(path, "train");
  cvy_log_enable(true);
  const cvy_dataset_info *info = cvy_dataset_describe(dataset);
  CU_ASSERT_TRUE_FATAL(info->count == 6 && info->h == 5 && info->w == 7 && info->c == 3);
  CU_ASSERT_EQUAL(info->class_count, 9);
  CU_ASSERT_STRING_EQUAL(info->class_names[8], "8");
  float found[105];
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < 6; i++) {
    CU_ASSERT_EQUAL(read_floats(found, dataset, i), labels[i]);
    bool same = true;
    for (int64_t y = 0; y < 5; y++)
      for (int64_t x = 0; x < 7; x++)
        for (int64_t k = 0; k < 3; k++) {
          const float expected = (float)((((i * 3 + k) * 5 + y) * 7 + x) % 501) * 0.5f;
          same = same && found[(y * 7 + x) * 3 + k] == expected;
          if (k == 1) sum += (double)expected, squares += (double)expected * (double)expected;
        }
    CU_ASSERT_TRUE(same);
  }
  const double mean = sum / 210;
  CU_ASSERT_DOUBLE_EQUAL(info->mean[1], mean, 1e-4);
  CU_ASSERT_DOUBLE_EQUAL(info->deviation[1], sqrt(squares / 210 - mean * mean), 1e-4);
  cvy_dataset_close(dataset);
  free(path);
}

static void foreign_shapes(void) {
  static const struct {
    int dims;
    int64_t shape[6], h, w, c; /* h 0: refused */
  } cases[] = {
      {3, {4, 5, 6}, 5, 6, 1},    {4, {4, 5, 6, 3}, 5, 6, 3},    {4, {4, 1, 6, 5}, 6, 5, 1},
      {4, {4, 3, 6, 2}, 6, 2, 3}, {4, {4, 3, 6, 3}, 3, 6, 3},    {4, {4, 5, 6, 2}, 5, 6, 2},
      {4, {4, 4, 4, 4}, 4, 4, 4}, {2, {4, 30}, 0, 0, 0},         {4, {4, 5, 6, 5}, 0, 0, 0},
      {3, {4, 0, 6}, 0, 0, 0},    {5, {4, 1, 2, 3, 1}, 0, 0, 0}, {4, {4, 2, 9, 30}, 0, 0, 0},
  };
  const int32_t labels[] = {0, 1, 1, 0};
  cvy_log_enable(false);
  for (int i = 0; i < CVY_COUNT(cases); i++) {
    foreign of = {"Data", "Label", CVY_H5_U8, CVY_H5_I32, cases[i].dims, 1, {0}, {4}};
    memcpy(of.image_shape, cases[i].shape, sizeof of.image_shape);
    char *path = write_foreign(&of, labels);
    if (cases[i].h) {
      cvy_dataset *dataset = open_it(path, "train");
      const cvy_dataset_info *info = cvy_dataset_describe(dataset);
      CU_ASSERT_TRUE(info->h == cases[i].h && info->w == cases[i].w && info->c == cases[i].c);
      CU_ASSERT_FALSE(dataset->is_float);
      cvy_dataset_close(dataset);
    } else {
      expect_error(path, "train", "'Data'");
    }
    free(path);
  }
  cvy_log_enable(true);
}

static void foreign_labels(void) {
  foreign of = {"images", "labels", CVY_H5_I32, CVY_H5_F64, 3, 2, {4, 5, 6}, {4, 1}};
  const double column[] = {3, 0, 1, 2}, half[] = {3, 0, 0.5, 2}, negative[] = {0, 1, 2, -1},
               nan_[] = {0, NAN, 1, 2};
  const double one_hot[] = {0, 1, 0, 1, 0, 0, 0, 0, 1, 0, 1, 0},
               two_hot[] = {0, 1, 0, 1, 0, 1, 0, 0, 1, 0, 1, 0}, no_hot[12] = {0};
  float found[30];
  char *path = write_foreign(&of, column);
  cvy_dataset *dataset = open_it(path, "train");
  CU_ASSERT_EQUAL(read_floats(found, dataset, 0), 3);
  CU_ASSERT_EQUAL(found[0], -100.0f);
  CU_ASSERT_EQUAL(cvy_dataset_describe(dataset)->class_count, 4);
  cvy_dataset_close(dataset);
  free(write_foreign(&of, half));
  expect_error(path, "train", "foreign.h5: record 2: label 0.5; expected a whole number");
  free(write_foreign(&of, negative));
  expect_error(path, "train", "foreign.h5: record 3: label -1; expected");
  free(write_foreign(&of, nan_));
  expect_error(path, "train", "foreign.h5: record 1: label nan; expected");
  of.label_shape[1] = 3;
  free(write_foreign(&of, one_hot));
  dataset = open_it(path, "train");
  CU_ASSERT_EQUAL(read_floats(found, dataset, 2), 2);
  CU_ASSERT_EQUAL(read_floats(found, dataset, 3), 1);
  CU_ASSERT_EQUAL(cvy_dataset_describe(dataset)->class_count, 3);
  cvy_dataset_close(dataset);
  free(write_foreign(&of, two_hot));
  expect_error(path, "train", "foreign.h5: record 1: its row in 'labels' is not one-hot");
  free(write_foreign(&of, no_hot));
  expect_error(path, "train", "foreign.h5: record 0: its row in 'labels' is not one-hot");
  of.label_shape[0] = 3;
  of.label_shape[1] = 1;
  free(write_foreign(&of, column));
  expect_error(path, "train", "4 images in 'images' but 3 labels in 'labels'");
  of.labels = "classes";
  free(write_foreign(&of, column));
  expect_error(
      path, "train",
      "images in 'images', but no dataset named labels, label, y or the like: --labels NAME (in a recipe, "
      "data.labels) says which, or a further file has them (it has: classes float64 3x1, images int32 "
      "4x5x6)");
  free(path);
}

static void foreign_not_a_number(void) {
  const float samples[] = {0, 1, 2, 3, INFINITY, 5, 6, 7};
  const int64_t shape[] = {2, 2, 2}, two = 2;
  const int32_t labels[] = {0, 1};
  char *path = cvy_format("%s/nan.h5", scratch_folder());
  cvy_h5 *h5;
  CU_ASSERT_EQUAL_FATAL(cvy_h5_create(&h5, path), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_h5_write(h5, "x", CVY_H5_F32, samples, 3, shape), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_h5_write(h5, "y", CVY_H5_I32, labels, 1, &two), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_h5_close(h5), CVY_OK);
  expect_error(path, "train", "nan.h5: record 1: a sample is not a finite number");
  free(path);
}

static void python_writes_it(void) {
  static const char *const images[] = {
      "f.create_dataset('images', data=a, compression='gzip', chunks=(2, 3, 4, 3))",
      "f.create_dataset('Images', data=a.astype('>f8') / 1)", "f.create_dataset('data', data=a.astype('i2'))",
      "f.create_dataset('x', data=a.transpose(0, 3, 1, 2), chunks=True)",
      "f.create_dataset('X', data=a.astype('f2'), maxshape=(None, 6, 5, 3))"};
  static const char *const opens[] = {"", ", libver='latest'", ", userblock_size=512"};
  if (!scratch_python_has("h5py", "python_writes_it")) return;
  char *path = cvy_format("%s/python.h5", scratch_folder());
  cvy_log_enable(false);
  for (int i = 0; i < 5; i++) {
    char *script = cvy_format(
        "/usr/bin/python3 -c \"\nimport h5py, numpy as np\nf = h5py.File('%s', 'w'%s)\n"
        "i, y, x, k = np.meshgrid(range(7), range(6), range(5), range(3), indexing='ij')\n"
        "a = ((i * 31 + y * 7 + x * 3 + k * 50 + i * x * y) %% 256).astype('u1')\n%s\n"
        "f['labels'] = np.arange(7, dtype='%s') * 3 %% 5\n\"",
        path, opens[i % 3], images[i], i % 2 ? "u1" : "f4");
    CU_ASSERT_EQUAL_FATAL(system(script), 0);
    cvy_dataset *dataset = open_it(path, "train");
    check_records(dataset, 7, 6, 5, 3);
    cvy_dataset_close(dataset);
    free(script);
  }
  cvy_log_enable(true);
  free(path);
}

SUITE("dataset", TEST(every_way_to_name_it), TEST(what_stands), TEST(sets_that_are_not_whole),
      TEST(shards_that_disagree), TEST(wrong_contents), TEST(encoded_with_bad_offsets), TEST(encoded_images),
      TEST(sizes_of_encoded_images), TEST(stored_records_file_by_file), TEST(a_flipped_byte_in_a_record),
      TEST(truncated_at_any_length), TEST(random_damage), TEST(foreign_floats_channels_first),
      TEST(foreign_shapes), TEST(foreign_labels), TEST(foreign_not_a_number), TEST(python_writes_it))
