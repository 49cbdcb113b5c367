/* Tests the way from inputs to shards: sizes, order, statistics, repeatability, and what is left behind after
 * an error. */
#include "suite.h"
#include "sets.h"
#include "data/dataset.h"
#include "data/dataset_parts.h"
#include "prepare/journal.h"
#include "prepare/verify.h"

#include <math.h>
#include <sys/resource.h>
#include <signal.h>
#include <time.h>

static cvy_pool *pool;
static cvy_prepare_result result;

static void begin(void) {
  fresh_folder();
  pool = cvy_pool_create();
  cvy_log_enable(false);
}

static void end(void) {
  cvy_pool_destroy(pool);
}

/* The call's variable parts; zero is the default. */
typedef struct call {
  const char *source, *option, *value, *dir, *split;
  cvy_prepare_input inputs[4];
  int64_t shards, h, w, shorter;
  bool encoded, ignore_exif;
  const char *max_rejected;
  uint64_t seed;
} call;

static cvy_err prepare(const call *c) {
  const cvy_reader *reader = reader_named(c->source);
  int64_t inputs = 0;
  while (inputs < 4 && c->inputs[inputs].path) inputs++;
  const cvy_prepare_config config = {.reader = reader,
                                     .reader_config = configure(reader, pool, c->option, c->value),
                                     .inputs = c->inputs,
                                     .input_count = inputs,
                                     .dir = c->dir && c->dir[0] == '/' ? c->dir
                                                                       : fresh(c->dir ? c->dir : "out"),
                                     .split = c->split,
                                     .shards = c->shards,
                                     .h = c->h,
                                     .w = c->w,
                                     .shorter = c->shorter,
                                     .encoded = c->encoded,
                                     .ignore_exif = c->ignore_exif,
                                     .max_rejected = c->max_rejected,
                                     .seed = c->seed};
  return cvy_prepare(&result, &config);
}

/* Reads the labels of a whole split, in order, and the images too if `images` is not NULL. Returns their
 * number. */
static int64_t read_split(const char *dir, const char *split, int shards, int32_t *labels, uint8_t *images) {
  int64_t total = 0;
  for (int k = 0; k < shards; k++) {
    char name[128];
    cvy_h5 *file;
    int64_t dims[CVY_H5_MAX_DIMS];
    int dim_count;
    snprintf(name, sizeof name, "%s/%s-%05d-of-%05d.h5", dir, split, k, shards);
    if (cvy_h5_open(&file, fresh(name))) return -1;
    if (cvy_h5_shape(file, "labels", dims, &dim_count)) return -1;
    const int64_t count = dims[0];
    if (cvy_h5_read(file, "labels", CVY_H5_I32, labels + total, count)) return -1;
    if (images) {
      if (cvy_h5_shape(file, "images", dims, &dim_count) || dim_count != 4) return -1;
      const int64_t item = dims[1] * dims[2] * dims[3];
      if (cvy_h5_read(file, "images", CVY_H5_U8, images + total * item, count * item)) return -1;
    }
    total += count;
    cvy_h5_discard(file);
  }
  return total;
}

static void make_idx(uint32_t count) {
  static maker m;
  make_idx_images(&m, count, 6, 5);
  write_maker(fresh("images"), &m);
  make_idx_labels(&m, count);
  write_maker(fresh("labels"), &m);
}

enum { MOST_DIGITS = 203 };

/* Makes `count` digits and cuts them into three splits. */
static void cut_digits(uint32_t count, const char *split, int shards) {
  make_idx(count);
  CU_ASSERT_EQUAL(prepare(&(call){.source = "mnist",
                                  .inputs = {{NULL, fresh("labels")}, {NULL, fresh("images")}},
                                  .split = split,
                                  .shards = shards}),
                  CVY_OK);
  CU_ASSERT_FATAL(result.split_count == 3 && result.class_count == 10);
}

/* Checks that split `s` has `size` of the digits from number `first` up to `end`, each with its own label and
 * pixels, none of which was seen before, and that they are shuffled. */
static void check_digits(int s, int shards, int64_t size, int64_t first, int64_t end, bool *seen) {
  int32_t labels[MOST_DIGITS];
  uint8_t images[MOST_DIGITS * 30];
  CU_ASSERT_EQUAL(result.splits[s].images, size);
  CU_ASSERT(result.splits[s].shards == shards && result.splits[s].bytes > size * 30);
  CU_ASSERT_EQUAL_FATAL(read_split("out", result.splits[s].split, shards, labels, images), size);
  bool in_order = true;
  for (int64_t i = 0, before = -1; i < size; i++) {
    int64_t record = first;
    while (record < end && (record * 7 % 256 != images[i * 30] || seen[record])) record++;
    CU_ASSERT_FATAL(record < end);
    seen[record] = true;
    CU_ASSERT_EQUAL(labels[i], (record * 3 + 1) % 10);
    CU_ASSERT_EQUAL(images[i * 30 + 29], (record * 7 + 15 + 4) % 256);
    in_order &= record > before;
    before = record;
  }
  CU_ASSERT_FALSE(in_order);
}

/* Every record lands in exactly one split, with its own label, and the splits have the exact sizes. */
static void splits_are_exact_and_complete(void) {
  begin();
  const int64_t sizes[] = {142, 41, 20};
  bool seen[MOST_DIGITS] = {false};
  cut_digits(MOST_DIGITS, "train=0.7,val=0.2,test=0.1", 3);
  for (int s = 0; s < 3; s++) check_digits(s, 3, sizes[s], 0, MOST_DIGITS, seen);
  CU_ASSERT_STRING_EQUAL(result.splits[2].split, "test");
  CU_ASSERT_EQUAL(scratch_count(fresh("out")), 9);
  end();
}

/* A split by place holds just the records of its places, and is shuffled. */
static void splits_by_place(void) {
  begin();
  const int64_t begins[] = {0, 30, 45, 50};
  bool seen[MOST_DIGITS] = {false};
  cut_digits(50, "train=first:30,val=next:15,test=rest", 2);
  for (int s = 0; s < 3; s++) check_digits(s, 2, begins[s + 1] - begins[s], begins[s], begins[s + 1], seen);
  end();
}

static bool same_files(const char *a, const char *b) {
  const file_bytes x = read_whole(fresh(a)), y = read_whole(fresh(b));
  const bool same = x.count > 0 && x.count == y.count && memcmp(x.bytes, y.bytes, x.count) == 0;
  free(x.bytes);
  free(y.bytes);
  return same;
}

static void the_same_arguments_give_the_same_bytes(void) {
  begin();
  for (int run = 0; run < 3; run++) {
    if (run == 1) nap(1.1); /* the clock is no argument */
    CU_ASSERT_EQUAL(prepare(&(call){.source = "synthetic",
                                    .option = "count",
                                    .value = "100",
                                    .dir = run == 0   ? "a"
                                           : run == 1 ? "b"
                                                      : "c",
                                    .shards = 2,
                                    .seed = run == 2 ? 9 : 8}),
                    CVY_OK);
  }
  CU_ASSERT(same_files("a/train-00000-of-00002.h5", "b/train-00000-of-00002.h5"));
  CU_ASSERT(same_files("a/train-00001-of-00002.h5", "b/train-00001-of-00002.h5"));
  CU_ASSERT(same_files("a/val-00001-of-00002.h5", "b/val-00001-of-00002.h5"));
  CU_ASSERT_FALSE(same_files("a/val-00001-of-00002.h5", "c/val-00001-of-00002.h5"));
  CU_ASSERT(result.splits[0].images == 90 && result.splits[1].images == 10);
  end();
}

static void any_number_of_threads(void) {
  begin();
  make_picture_folder("pets");
  scratch_write(fresh("pets/dog/3.jpg"), "no picture", 10);
  const char *const dirs[] = {"a", "b"};
  for (int i = 0; i < 2; i++) {
    cvy_threads_set(i == 0 ? 1 : 3);
    call c = {.source = "synthetic", .option = "count", .value = "4000", .shards = 2};
    c.dir = dirs[i];
    CU_ASSERT_EQUAL(prepare(&c), CVY_OK);
    c = (call){.source = "folder", .inputs = {{NULL, fresh("pets")}}, .split = "pets=1", .h = 20, .w = 20};
    c.dir = dirs[i];
    CU_ASSERT_EQUAL(prepare(&c), CVY_OK);
    CU_ASSERT_EQUAL(result.rejected, 1);
  }
  cvy_threads_set(1);
  CU_ASSERT(same_files("a/train-00000-of-00002.h5", "b/train-00000-of-00002.h5"));
  CU_ASSERT(same_files("a/val-00001-of-00002.h5", "b/val-00001-of-00002.h5"));
  CU_ASSERT(same_files("a/pets-00000-of-00001.h5", "b/pets-00000-of-00001.h5"));
  CU_ASSERT(same_files("a/rejected.csv", "b/rejected.csv"));
  end();
}

static void read_statistics(const char *name, float mean[3], float deviation[3], int64_t c) {
  cvy_h5 *file;
  CU_ASSERT_EQUAL_FATAL(cvy_h5_open(&file, fresh(name)), CVY_OK);
  CU_ASSERT_EQUAL(cvy_h5_read(file, "mean", CVY_H5_F32, mean, c), CVY_OK);
  CU_ASSERT_EQUAL(cvy_h5_read(file, "deviation", CVY_H5_F32, deviation, c), CVY_OK);
  cvy_h5_discard(file);
}

static void statistics_are_those_of_the_training_split(void) {
  begin();
  enum { N = 100 };
  make_idx(N);
  CU_ASSERT_EQUAL(prepare(&(call){.source = "mnist",
                                  .inputs = {{NULL, fresh("images")}, {NULL, fresh("labels")}},
                                  .split = "val=0.4,train=0.6"}),
                  CVY_OK);
  int32_t labels[N];
  uint8_t images[N * 30];
  CU_ASSERT_EQUAL_FATAL(read_split("out", "train", 1, labels, images), 60);
  double sum = 0, squares = 0;
  for (int i = 0; i < 60 * 30; i++) {
    sum += images[i];
    squares += images[i] * images[i];
  }
  const double average = sum / 1800;
  for (int s = 0; s < 2; s++) {
    float mean[3], deviation[3];
    read_statistics(s ? "out/val-00000-of-00001.h5" : "out/train-00000-of-00001.h5", mean, deviation, 1);
    CU_ASSERT_DOUBLE_EQUAL(mean[0], average, 1e-4);
    CU_ASSERT_DOUBLE_EQUAL(deviation[0], sqrt(squares / 1800 - average * average), 1e-4);
  }
  end();
}

static void named_splits_stay_apart(void) {
  begin();
  static maker m;
  make_cdb(&m, 30, 0);
  write_maker(fresh("a.cdb"), &m);
  make_cdb(&m, 12, 0);
  write_maker(fresh("b.cdb"), &m);
  CU_ASSERT_EQUAL(
      prepare(
          &(call){.source = "hoda",
                  .inputs = {{"train", fresh("a.cdb")}, {"val", fresh("b.cdb")}, {"train", fresh("b.cdb")}}}),
      CVY_OK);
  CU_ASSERT(result.split_count == 2 && result.splits[0].images == 42 && result.splits[1].images == 12);
  int32_t labels[42];
  int64_t ones = 0;
  CU_ASSERT_EQUAL(read_split("out", "val", 1, labels, NULL), 12);
  for (int i = 0; i < 12; i++) ones += labels[i] == 1;
  CU_ASSERT_EQUAL(ones, 2);
  CU_ASSERT_EQUAL(
      prepare(&(call){.source = "hoda", .inputs = {{"train", fresh("a.cdb")}, {NULL, fresh("b.cdb")}}}),
      CVY_E_USAGE);
  CU_ASSERT(says("for all of them or for none"));
  CU_ASSERT_EQUAL(
      prepare(&(call){.source = "hoda", .inputs = {{"train", fresh("a.cdb")}}, .split = "train=0.5"}),
      CVY_E_USAGE);
  CU_ASSERT(says("--split train=0.5 cuts inputs that name no split, but"));
  end();
}

static void a_source_may_know_its_splits(void) {
  begin();
  static maker m;
  const char *const parts[] = {"train", "t10k"};
  for (int i = 0; i < 2; i++) {
    char name[64];
    make_idx_images(&m, i ? 10 : 30, 6, 5);
    snprintf(name, sizeof name, "%s-images-idx3-ubyte", parts[i]);
    write_maker(fresh(name), &m);
    make_idx_labels(&m, i ? 10 : 30);
    snprintf(name, sizeof name, "%s-labels-idx1-ubyte", parts[i]);
    write_maker(fresh(name), &m);
  }
  CU_ASSERT_EQUAL(prepare(&(call){.source = "mnist", .inputs = {{NULL, fresh_dir}}}), CVY_OK);
  CU_ASSERT(result.split_count == 2 && result.splits[0].images == 30 && result.splits[1].images == 10);
  CU_ASSERT(strcmp(result.splits[0].split, "train") == 0 && strcmp(result.splits[1].split, "val") == 0);
  end();
}

static void pictures_scaled_or_kept(void) {
  begin();
  make_picture_folder("pets");
  const call scaled = {
      .source = "folder", .inputs = {{NULL, fresh("pets")}}, .split = "train=1", .h = 8, .w = 9};
  CU_ASSERT_EQUAL(prepare(&scaled), CVY_OK);
  int32_t labels[5];
  uint8_t images[5 * 8 * 9 * 3];
  CU_ASSERT_EQUAL_FATAL(read_split("out", "train", 1, labels, images), 5);
  for (int i = 0; i < 5; i++) CU_ASSERT(abs(images[i * 216] - (labels[i] == 0 ? 220 : 10)) <= 4);

  for (int asked = 0; asked < 2; asked++) {
    const call kept = {.source = "folder",
                       .dir = "kept",
                       .inputs = {{NULL, fresh("pets")}},
                       .split = "train=0.6,val=0.4",
                       .encoded = asked};
    CU_ASSERT_EQUAL(prepare(&kept), CVY_OK);
    cvy_h5 *file;
    uint64_t offsets[4];
    uint8_t bytes[8192];
    cvy_image image = {0};
    CU_ASSERT_EQUAL_FATAL(cvy_h5_open(&file, fresh("kept/train-00000-of-00001.h5")), CVY_OK);
    CU_ASSERT_EQUAL(cvy_h5_read(file, "offsets", CVY_H5_U64, offsets, 4), CVY_OK);
    CU_ASSERT_FATAL(offsets[0] == 0 && offsets[3] < sizeof bytes);
    CU_ASSERT_EQUAL(cvy_h5_read(file, "bytes", CVY_H5_U8, bytes, (int64_t)offsets[3]), CVY_OK);
    CU_ASSERT_EQUAL(cvy_h5_read(file, "labels", CVY_H5_I32, labels, 3), CVY_OK);
    for (int i = 0; i < 3; i++) {
      CU_ASSERT_EQUAL(cvy_image_decode(&image, bytes + offsets[i], (size_t)(offsets[i + 1] - offsets[i]), 3),
                      CVY_OK);
      CU_ASSERT(abs(image.px[0] - (labels[i] == 0 ? 220 : 10)) <= 4);
    }
    cvy_image_free(&image);
    cvy_h5_discard(file);
  }
  end();
}

static void an_earlier_run_is_replaced(void) {
  begin();
  const call first = {
      .source = "synthetic", .option = "count", .value = "50", .shards = 5, .split = "train=0.5,extra=0.5"};
  call second = first;
  second.shards = 2;
  second.split = "train=0.8,val=0.2";
  CU_ASSERT_EQUAL(prepare(&first), CVY_OK);
  scratch_write(fresh("out/train-notes.h5"), "mine", 4);
  scratch_write(fresh("out/train-00000-of-00005.h5.bak"), "mine", 4);
  CU_ASSERT_EQUAL(scratch_count(fresh("out")), 12);
  CU_ASSERT_EQUAL(prepare(&second), CVY_OK);
  /* There are 2 of train, 2 of val, the 5 of the split that this run does not have, and the two files that
   * are not ours. */
  CU_ASSERT_EQUAL(scratch_count(fresh("out")), 11);
  int32_t labels[50];
  CU_ASSERT_EQUAL(read_split("out", "train", 2, labels, NULL), 40);
  CU_ASSERT_EQUAL(read_split("out", "extra", 5, labels, NULL), 25);
  end();
}

static void wrong_arguments(void) {
  begin();
  const char *const splits[] = {"train",
                                "train=",
                                "train=0",
                                "train=1.5",
                                "train=0.5,",
                                "train=0.5 val=0.5",
                                "=1",
                                "a/b=1",
                                "train=x",
                                "train=nan",
                                "train=-1",
                                "train=0.6,val=0.6",
                                "a=0.5,a=0.5",
                                "train=1,val=1e-12",
                                "train=first",
                                "train=first:",
                                "train=first:0",
                                "train=first:-3",
                                "train=first:1.5",
                                "train=first:3x",
                                "train=first:99999999999999999999",
                                "train=next:3",
                                "train=rest",
                                "train=first:3,val=first:3",
                                "train=first:3,val=0.5",
                                "train=0.5,val=next:3",
                                "train=first:3,val=rest,test=next:1",
                                "train=first:3,train=next:3",
                                "train=first:20,val=rest",
                                "train=first:3,",
                                ""};
  for (int64_t i = 0; i < CVY_COUNT(splits); i++) {
    CU_ASSERT_EQUAL(
        prepare(&(call){.source = "synthetic", .option = "count", .value = "20", .split = splits[i]}),
        CVY_E_USAGE);
    CU_ASSERT(says("plit"));
  }
  static const char *const cuts[][2] = {
      {"train=last:30",
       "--split train=last:30: 'last:30' is no fraction above 0 and up to 1, and none of first:N, next:N, "
       "rest; expected such as"},
      {"train=0.5,val=x", "'x' is no fraction above 0"},
      {"train=first:1e2",
       "'1e2' is no number of images, which is whole, from 1 to 999999999999999; expected such as"},
      {"train=first:9223372036854775807,val=next:1", "'9223372036854775807' is no number of images"}};
  for (int64_t i = 0; i < CVY_COUNT(cuts); i++) {
    CU_ASSERT_EQUAL(
        prepare(&(call){.source = "synthetic", .option = "count", .value = "20", .split = cuts[i][0]}),
        CVY_E_USAGE);
    CU_ASSERT(says(cuts[i][1]));
  }
  CU_ASSERT_EQUAL(
      prepare(
          &(call){.source = "synthetic", .option = "count", .value = "20", .split = "train=0.99,val=0.01"}),
      CVY_E_USAGE);
  CU_ASSERT(says("'val' gets none of the 20"));
  CU_ASSERT_EQUAL(
      prepare(&(call){
          .source = "synthetic", .option = "count", .value = "20", .split = "train=first:18,val=next:5"}),
      CVY_E_USAGE);
  CU_ASSERT(
      says("'val' is to have 5 images from number 19 on, but the source has 20 images in all, 3 too few"));
  CU_ASSERT_EQUAL(prepare(&(call){.source = "synthetic", .option = "count", .value = "20", .shards = 3}),
                  CVY_E_USAGE);
  CU_ASSERT(says("split 'val' has only 2"));
  CU_ASSERT_EQUAL(prepare(&(call){.source = "synthetic", .encoded = true, .h = 32, .w = 32}), CVY_E_USAGE);
  CU_ASSERT_EQUAL(scratch_count(fresh("out")), -1);
  end();
}

static void the_folder_is_made_with_its_parents(void) {
  begin();
  call c = {.source = "synthetic", .option = "count", .value = "20", .dir = "deep/down/here"};
  CU_ASSERT_EQUAL(prepare(&c), CVY_OK);
  CU_ASSERT_EQUAL(scratch_count(fresh("deep/down/here")), 2);
  scratch_write(fresh("file"), "x", 1);
  c.dir = "file";
  CU_ASSERT_EQUAL(prepare(&c), CVY_E_INPUT);
  CU_ASSERT(says("file: not a folder"));
  c.dir = "file/below";
  CU_ASSERT_EQUAL(prepare(&c), CVY_E_INPUT);
  end();
}

/* Writes a JPEG of 40 x 30 pixels, red at the top and blue below, that claims an orientation. */
static void write_turned(const char *path, int orientation) {
  const uint8_t exif[] = {
      0xff, 0xd8, 0xff, 0xe1, 0, 34, 'E', 'x',  'i', 'f', 0, 0, 'M', 'M', 0, 42,
      0,    0,    0,    8,    0, 1,  1,   0x12, 0,   3,   0, 0, 0,   1,   0, (uint8_t)orientation,
      0,    0,    0,    0,    0, 0};
  static uint8_t whole[8192];
  cvy_image image = {0};
  cvy_image_resize_buffer(&image, 30, 40, 3);
  for (int64_t i = 0; i < 30 * 40 * 3; i++) image.px[i] = i % 3 == (i < 15 * 40 * 3 ? 0 : 2) ? 200 : 20;
  const file_bytes file = make_jpeg(&image, 95, true);
  memcpy(whole, exif, sizeof exif);
  memcpy(whole + sizeof exif, file.bytes + 2, file.count - 2);
  scratch_write(path, whole, sizeof exif + file.count - 2);
  free(file.bytes);
  cvy_image_free(&image);
}

/* Reads the only picture of the split that is a cat, decoded as training would. */
static void read_cat(cvy_image *out, size_t *byte_count, const char *dir) {
  cvy_dataset *dataset;
  cvy_read_buffer buffer;
  cvy_picture picture;
  int32_t label = -1;
  CU_ASSERT_EQUAL_FATAL(cvy_dataset_open(&dataset, fresh(dir), "train"), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_read_buffer_create(&buffer, dataset), CVY_OK);
  for (int64_t i = 0; i < dataset->info.count && label != 0; i++) {
    CU_ASSERT_EQUAL_FATAL(cvy_dataset_read(&picture, &label, dataset, &buffer, i, 3), CVY_OK);
    if (dataset->files[0].offsets)
      *byte_count = dataset->files[0].offsets[i + 1] - dataset->files[0].offsets[i];
  }
  cvy_image_resize_buffer(out, picture.h, picture.w, 3);
  CU_ASSERT_EQUAL_FATAL(cvy_picture_decode(&picture), CVY_OK);
  memcpy(out->px, picture.raster.samples, (size_t)(picture.h * picture.w * 3));
  cvy_read_buffer_free(&buffer);
  cvy_dataset_close(dataset);
}

static bool is_red(const cvy_image *image, int64_t y, int64_t x) {
  const uint8_t *px = image->px + (y * image->w + x) * 3;
  return px[0] > 150 && px[2] < 80;
}

static void turned_and_scaled_pictures(void) {
  begin();
  cvy_image image = {0};
  size_t count = 0;
  mkdir(fresh("all"), 0777);
  mkdir(fresh("all/cat"), 0777);
  mkdir(fresh("all/dog"), 0777);
  write_turned(fresh("all/cat/1.jpg"), 6); /* its top lies at the right */
  write_turned(fresh("all/dog/1.jpg"), 1);
  struct stat info;
  CU_ASSERT_EQUAL(stat(fresh("all/cat/1.jpg"), &info), 0);
  call c = {.source = "folder", .inputs = {{NULL, fresh("all")}}, .split = "train=1", .encoded = true};
  CU_ASSERT_EQUAL(prepare(&c), CVY_OK);
  read_cat(&image, &count, "out");
  CU_ASSERT(image.h == 40 && image.w == 30 && is_red(&image, 20, 25) && !is_red(&image, 20, 5));
  CU_ASSERT(count != (size_t)info.st_size);
  c.ignore_exif = true;
  CU_ASSERT_EQUAL(prepare(&c), CVY_OK);
  read_cat(&image, &count, "out");
  CU_ASSERT(image.h == 30 && image.w == 40 && is_red(&image, 5, 20) && !is_red(&image, 25, 20));
  CU_ASSERT_EQUAL(count, (size_t)info.st_size);
  c.encoded = false;
  c.shorter = 12;
  CU_ASSERT_EQUAL(prepare(&c), CVY_OK);
  read_cat(&image, &count, "out");
  CU_ASSERT(image.h == 12 && image.w == 16 && is_red(&image, 2, 8) && !is_red(&image, 10, 8));
  c.ignore_exif = false;
  CU_ASSERT_EQUAL(prepare(&c), CVY_OK);
  read_cat(&image, &count, "out");
  CU_ASSERT(image.h == 16 && image.w == 12 && is_red(&image, 8, 10) && !is_red(&image, 8, 2));
  c.shorter = 30; /* it is small enough as it is, but turned */
  CU_ASSERT_EQUAL(prepare(&c), CVY_OK);
  read_cat(&image, &count, "out");
  CU_ASSERT(image.h == 40 && image.w == 30);
  c.ignore_exif = true;
  CU_ASSERT_EQUAL(prepare(&c), CVY_OK);
  read_cat(&image, &count, "out");
  CU_ASSERT_EQUAL(count, (size_t)info.st_size);
  c.shorter = 0;
  c.ignore_exif = false;
  c.h = 7;
  c.w = 5;
  CU_ASSERT_EQUAL(prepare(&c), CVY_OK);
  read_cat(&image, &count, "out");
  CU_ASSERT(image.h == 7 && image.w == 5 && is_red(&image, 3, 4) && !is_red(&image, 3, 0));
  cvy_image_free(&image);
  end();
}

static void colours_of_the_training_split(void) {
  begin();
  make_picture_folder("pets");
  CU_ASSERT_EQUAL(
      prepare(
          &(call){.source = "folder", .inputs = {{NULL, fresh("pets")}}, .split = "train=1", .h = 8, .w = 8}),
      CVY_OK);
  float values[3], vectors[9];
  cvy_h5 *file;
  CU_ASSERT_EQUAL_FATAL(cvy_h5_open(&file, fresh("out/train-00000-of-00001.h5")), CVY_OK);
  CU_ASSERT_EQUAL(cvy_h5_read(file, "colour_eigenvalues", CVY_H5_F32, values, 3), CVY_OK);
  CU_ASSERT_EQUAL(cvy_h5_read(file, "colour_eigenvectors", CVY_H5_F32, vectors, 9), CVY_OK);
  /* The colours are red (220, 20, 30) and blue (10, 40, 200): their difference is the only direction there
   * is. */
  CU_ASSERT(values[0] > 100 && values[1] < 1);
  CU_ASSERT_DOUBLE_EQUAL(vectors[2] / vectors[0], 170.0 / -210, 0.02);
  cvy_h5_discard(file);
  end();
}

/* ---- a reader that fails when it is told to ---- */

static struct {
  const char *const *class_names;
  int64_t fails_at, reads;
  uint8_t px[4];
} fake;

static cvy_err open_fake(cvy_source *out, const void *config, const char *const *inputs, int64_t input_count,
                         int64_t h, int64_t w, uint64_t seed) {
  (void)config, (void)inputs, (void)input_count, (void)h, (void)w, (void)seed;
  *out = (cvy_source){.count = 60, .class_count = 2, .class_names = fake.class_names, .h = 2, .w = 2, .c = 1};
  return CVY_OK;
}

static cvy_err read_fake(cvy_record *out, cvy_source *source, int64_t index) {
  (void)source;
  if (fake.reads++ == fake.fails_at) return cvy_error(CVY_E_SYSTEM, "the tape broke");
  fake.px[0] = (uint8_t)index;
  *out = (cvy_record){
      .label = (int32_t)(index % 2), .name = "tape", .image = {.h = 2, .w = 2, .c = 1, .px = fake.px}};
  return CVY_OK;
}

static void close_fake(cvy_source *source) {
  (void)source;
}

static cvy_err prepare_fake(const char *dir) {
  static const cvy_kind kind = {"fake", "a test's", NULL, 0};
  static const cvy_reader reader = {.kind = &kind, .open = open_fake, .read = read_fake, .close = close_fake};
  const cvy_prepare_config config = {
      .reader = &reader, .dir = fresh(dir), .split = "train=1", .shards = 6, .seed = 1};
  fake.reads = 0;
  return cvy_prepare(&result, &config);
}

static void classes_of_one_name(void) {
  begin();
  fake.class_names = (const char *const[]){"cat", "cat"};
  CU_ASSERT_EQUAL(prepare_fake("out"), CVY_E_INPUT);
  CU_ASSERT(says("'the source': two classes are called 'cat'"));
  fake.class_names = (const char *const[]){"1.0", "+1"};
  CU_ASSERT_EQUAL(prepare_fake("out"), CVY_E_INPUT);
  CU_ASSERT(says("the classes '1.0' and '+1' are the same number"));
  CU_ASSERT_EQUAL(scratch_count(fresh("out")), -1);
  end();
}

/* A shard that was ready is not read again, and the bytes are those of a run that went well. */
static void an_error_midway_and_on(void) {
  begin();
  fake.class_names = (const char *const[]){"cat", "dog"};
  fake.fails_at = -1;
  CU_ASSERT_EQUAL(prepare_fake("whole"), CVY_OK);
  CU_ASSERT_EQUAL(fake.reads, 60);
  fake.fails_at = 5;
  CU_ASSERT_EQUAL(prepare_fake("out"), CVY_E_SYSTEM);
  CU_ASSERT(says("the tape broke"));
  CU_ASSERT_EQUAL(scratch_count(fresh("out")), -1); /* no shard was ready */
  fake.fails_at = 35;
  CU_ASSERT_EQUAL(prepare_fake("out"), CVY_E_SYSTEM);
  CU_ASSERT_EQUAL(scratch_count(fresh("out")), 1); /* three were */
  fake.fails_at = -1;
  CU_ASSERT_EQUAL(prepare_fake("out"), CVY_OK);
  CU_ASSERT_EQUAL(fake.reads, 30);
  CU_ASSERT_EQUAL(scratch_count(fresh("out")), 6);
  for (int k = 0; k < 6; k++) {
    char a[64], b[64];
    snprintf(a, sizeof a, "whole/train-%05d-of-00006.h5", k);
    snprintf(b, sizeof b, "out/train-%05d-of-00006.h5", k);
    CU_ASSERT(same_files(a, b));
  }
  end();
}

static void break_pets(void) {
  scratch_write(fresh("pets/dog/3.jpg"), "\xff\xd8\xff broken", 10);
  scratch_write(fresh("pets/cat/empty.png"), "", 0);
  scratch_write(fresh("pets/cat/a \"text\", no picture"), "hello", 5);
}

static const char rejected_pets[] =
    "name,reason\n"
    "\"cat/a \"\"text\"\", no picture\",\"neither JPEG nor PNG: starts with 68 65 6c 6c 6f "
    "(\"\"hello\"\")\"\n"
    "cat/empty.png,empty (0 bytes)\n"
    "dog/3.jpg,JPEG: Unsupported marker type 0x20\n";

static void what_cannot_be_read_is_left_out(void) {
  begin();
  make_picture_folder("pets");
  break_pets();
  const call c = {.source = "folder",
                  .inputs = {{NULL, fresh("pets")}},
                  .split = "train=0.6,val=0.4",
                  .shards = 2,
                  .h = 8,
                  .w = 8};
  CU_ASSERT_EQUAL(prepare(&c), CVY_OK);
  CU_ASSERT_EQUAL(result.rejected, 3);
  CU_ASSERT_EQUAL(result.splits[0].images + result.splits[1].images, 5);
  int32_t labels[8];
  CU_ASSERT_EQUAL(read_split("out", "train", 2, labels, NULL), result.splits[0].images);
  const file_bytes list = read_whole(fresh("out/rejected.csv"));
  CU_ASSERT(list.count == strlen(rejected_pets) && memcmp(list.bytes, rejected_pets, list.count) == 0);
  free(list.bytes);
  CU_ASSERT_EQUAL(scratch_count(fresh("out")), 5);

  cvy_dataset *dataset;
  CU_ASSERT_EQUAL_FATAL(cvy_dataset_open(&dataset, fresh("out"), "train"), CVY_OK);
  CU_ASSERT_EQUAL(cvy_dataset_describe(dataset)->count, result.splits[0].images);
  for (int64_t i = 0; i < result.splits[0].images; i++) {
    const char *name = cvy_dataset_name(pool, dataset, i);
    CU_ASSERT_EQUAL(strncmp(name ? name : "", labels[i] == 0 ? "cat/" : "dog/", 4), 0);
  }
  cvy_dataset_close(dataset);

  remove(fresh("pets/dog/3.jpg"));
  remove(fresh("pets/cat/empty.png"));
  remove(fresh("pets/cat/a \"text\", no picture"));
  CU_ASSERT_EQUAL(prepare(&c), CVY_OK);
  CU_ASSERT_EQUAL(result.rejected, 0);
  CU_ASSERT_EQUAL(scratch_count(fresh("out")), 4);
  end();
}

/* Earlier files stay as they were, but for the list that says why. */
static void too_much_is_rejected(void) {
  begin();
  make_picture_folder("pets");
  call c = {.source = "folder",
            .inputs = {{NULL, fresh("pets")}},
            .split = "train=0.6,val=0.4",
            .max_rejected = "2",
            .h = 8,
            .w = 8};
  CU_ASSERT_EQUAL(prepare(&c), CVY_OK);
  const file_bytes before = read_whole(fresh("out/train-00000-of-00001.h5"));
  break_pets();
  CU_ASSERT_EQUAL(prepare(&c), CVY_E_RUN);
  CU_ASSERT(
      says("3 images cannot be read, more than --max-rejected allows (2 of 8); the first: cat/a \"text\""));
  const file_bytes after = read_whole(fresh("out/train-00000-of-00001.h5"));
  CU_ASSERT(before.count == after.count && memcmp(before.bytes, after.bytes, before.count) == 0);
  CU_ASSERT_EQUAL(scratch_count(fresh("out")), 3);
  c.max_rejected = "37.5%";
  CU_ASSERT_EQUAL(prepare(&c), CVY_OK);
  const char *const wrong[] = {"x", "", "-1", "101%", "1%x", "nan"};
  for (int64_t i = 0; i < CVY_COUNT(wrong); i++) {
    c.max_rejected = wrong[i];
    CU_ASSERT_EQUAL(prepare(&c), CVY_E_USAGE);
    CU_ASSERT(says("--max-rejected"));
  }
  free(before.bytes);
  free(after.bytes);
  end();
}

static void nothing_can_be_read(void) {
  begin();
  mkdir(fresh("all"), 0777);
  mkdir(fresh("all/a"), 0777);
  mkdir(fresh("all/b"), 0777);
  scratch_write(fresh("all/a/1.jpg"), "x", 1);
  scratch_write(fresh("all/b/2.jpg"), "x", 1);
  CU_ASSERT_EQUAL(prepare(&(call){.source = "folder", .inputs = {{NULL, fresh("all")}}, .split = "train=1"}),
                  CVY_E_RUN);
  CU_ASSERT(says("none of the 2 images of 'train' can be read; the first: a/1.jpg: neither"));
  CU_ASSERT_EQUAL(scratch_count(fresh("out")), 1);
  end();
}

/* The limit on the size of files plays a full disk. */
static void a_full_disk(void) {
  begin();
  struct rlimit held, small;
  getrlimit(RLIMIT_FSIZE, &held);
  signal(SIGXFSZ, SIG_IGN);
  small = held;
  small.rlim_cur = 64 * 1024;
  setrlimit(RLIMIT_FSIZE, &small);
  const cvy_err err = prepare(&(call){.source = "synthetic", .option = "count", .value = "500"});
  setrlimit(RLIMIT_FSIZE, &held);
  CU_ASSERT_EQUAL(err, CVY_E_SYSTEM);
  CU_ASSERT_EQUAL(scratch_count(fresh("out")), -1);
  end();
}

static void a_really_full_disk(void) {
  const char *disk = scratch_small_disk("prepare on a full disk");
  if (!disk) return;
  begin();
  char dir[400];
  snprintf(dir, sizeof dir, "%s/out", disk);
  CU_ASSERT_EQUAL(prepare(&(call){.source = "synthetic", .option = "count", .value = "5000", .dir = dir}),
                  CVY_E_SYSTEM);
  CU_ASSERT(says("No space left"));
  CU_ASSERT_FALSE(scratch_exists(dir));
  make_picture_folder("pets");
  const call c = {.source = "folder",
                  .inputs = {{NULL, fresh("pets")}},
                  .split = "train=1",
                  .h = 800,
                  .w = 800,
                  .dir = dir};
  CU_ASSERT_EQUAL(prepare(&c), CVY_E_SYSTEM);
  CU_ASSERT_FALSE(scratch_exists(dir));
  end();
}

static void real_sets(void) {
  const char *data = test_data("preparing Hoda and MNIST");
  if (!data) return;
  begin();
  const char *const names[] = {"hoda", "mnist"};
  static int32_t labels[60000];
  for (int i = 0; i < 2; i++) {
    char path[4200];
    snprintf(path, sizeof path, "%s/%s", data, names[i]);
    const double start_s = cvy_now_s();
    CU_ASSERT_EQUAL(prepare(&(call){.source = names[i], .dir = names[i], .inputs = {{NULL, path}}}), CVY_OK);
    printf("  %s: %.2f s\n", names[i], cvy_now_s() - start_s);
    CU_ASSERT(result.splits[0].images == 60000 && result.splits[1].images == (i ? 10000 : 20000));
    int64_t counts[10] = {0}, runs = 0;
    CU_ASSERT_EQUAL(read_split(names[i], "train", 1, labels, NULL), 60000);
    for (int64_t k = 0; k < 60000; k++) {
      counts[labels[k]]++;
      runs += k > 0 && labels[k] == labels[k - 1];
    }
    CU_ASSERT(counts[3] == (i ? 6131 : 6000));
    CU_ASSERT(runs > 5400 && runs < 6700); /* 6000 of shuffled labels have their like before them */
  }
  float mean[3], deviation[3];
  read_statistics("mnist/val-00000-of-00001.h5", mean, deviation, 1);
  CU_ASSERT_DOUBLE_EQUAL(mean[0] / 255, 0.1307, 1e-4); /* the well-known figures of MNIST */
  CU_ASSERT_DOUBLE_EQUAL(deviation[0] / 255, 0.3081, 1e-4);
  end();
}

static void a_folder_of_many_splits(void) {
  begin();
  const char **splits;
  int64_t count;
  for (int i = 0; i < 130; i++) {
    char name[64];
    snprintf(name, sizeof name, "split%d-00000-of-00002.h5", i);
    scratch_write(fresh(name), "", 0);
  }
  CU_ASSERT_EQUAL_FATAL(cvy_verify_splits(&splits, &count, pool, fresh("")), CVY_OK);
  CU_ASSERT_EQUAL(count, 130);
  CU_ASSERT_STRING_EQUAL(splits[129], "split99");
  end();
}

/* Parses a journal of a shard whose only rejected record has a note that begins so. */
static bool takes_note(const char *note) {
  char text[4096];
  cvy_prepare_entry entry = {.records = 3, .rejected = 1};
  cvy_remarks none = {0}, remarks = {0};
  char *head;
  size_t bytes;
  FILE *out = open_memstream(&head, &bytes);
  cvy_journal_print(out, &entry, &none);
  fclose(out);
  snprintf(text, sizeof text, "%s%s", head, note);
  free(head);
  const bool good = cvy_journal_parse(&entry, &remarks, text, strlen(text));
  cvy_remarks_free(&remarks);
  return good;
}

static void a_journal_with_impossible_lengths(void) {
  CU_ASSERT(takes_note("0 7 0 4 6\na,b\na: bad\n"));
  CU_ASSERT_FALSE(takes_note("0 7 1 4 7\na,b\na: bad\n"));
  CU_ASSERT_FALSE(takes_note("0 7 0 9223372036854775807 9223372036854775807\na,b\na: bad\n"));
  CU_ASSERT_FALSE(takes_note("0 7 0 18446744073709551615 6\na,b\na: bad\n"));
  CU_ASSERT_FALSE(takes_note("0 7 0 0 0"));
}

SUITE("prepare", TEST(splits_are_exact_and_complete), TEST(splits_by_place),
      TEST(the_same_arguments_give_the_same_bytes), TEST(any_number_of_threads),
      TEST(statistics_are_those_of_the_training_split), TEST(named_splits_stay_apart),
      TEST(a_source_may_know_its_splits), TEST(pictures_scaled_or_kept), TEST(an_earlier_run_is_replaced),
      TEST(wrong_arguments), TEST(the_folder_is_made_with_its_parents), TEST(turned_and_scaled_pictures),
      TEST(colours_of_the_training_split), TEST(classes_of_one_name), TEST(an_error_midway_and_on),
      TEST(what_cannot_be_read_is_left_out), TEST(too_much_is_rejected), TEST(nothing_can_be_read),
      TEST(a_full_disk), TEST(a_really_full_disk), TEST(a_folder_of_many_splits),
      TEST(a_journal_with_impossible_lengths), TEST(real_sets))
