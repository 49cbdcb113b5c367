/* From inputs to shards: sizes, order, statistics, repeatability, and what is left behind after an error. */
#include "suite.h"
#include "sets.h"
#include "data/h5.h"

#include <dirent.h>
#include <math.h>
#include <sys/resource.h>
#include <signal.h>
#include <time.h>

static cvy_pool *pool;
static cvy_prepare_result result;

static bool says(const char *part) {
  if (strstr(cvy_err_message(), part)) return true;
  printf("  the message is \"%s\", expected \"%s\" in it\n", cvy_err_message(), part);
  return false;
}

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
  const char *source, *option, *value, *dir, *fractions;
  cvy_prepare_input inputs[4];
  int64_t shards, h, w;
  bool encoded;
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
                                     .fractions = c->fractions,
                                     .shards = c->shards,
                                     .h = c->h,
                                     .w = c->w,
                                     .encoded = c->encoded,
                                     .seed = c->seed};
  return cvy_prepare(&result, &config);
}

static int64_t entries(const char *name) {
  int64_t count = 0;
  DIR *dir = opendir(fresh(name));
  if (!dir) return -1;
  for (const struct dirent *e; (e = readdir(dir));)
    count += strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
  closedir(dir);
  return count;
}

/* Labels of a whole split, in order; the images too if `images` is not NULL. Returns their number. */
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

/* Every record lands in exactly one split, with its own label, and the splits have the exact sizes. */
static void splits_are_exact_and_complete(void) {
  begin();
  enum { N = 203 };
  make_idx(N);
  CU_ASSERT_EQUAL(prepare(&(call){.source = "mnist",
                                  .inputs = {{NULL, fresh("labels")}, {NULL, fresh("images")}},
                                  .fractions = "train=0.7,val=0.2,test=0.1",
                                  .shards = 3}),
                  CVY_OK);
  CU_ASSERT(result.split_count == 3 && result.class_count == 10);
  const int64_t sizes[] = {142, 41, 20};
  bool seen[N] = {false}, in_order = true;
  for (int s = 0; s < 3; s++) {
    int32_t labels[N];
    uint8_t images[N * 30];
    CU_ASSERT_EQUAL(result.splits[s].images, sizes[s]);
    CU_ASSERT(result.splits[s].shards == 3 && result.splits[s].bytes > sizes[s] * 30);
    CU_ASSERT_EQUAL_FATAL(read_split("out", result.splits[s].split, 3, labels, images), sizes[s]);
    int64_t before = -1;
    for (int64_t i = 0; i < sizes[s]; i++) {
      int64_t record = 0;
      while (record < N && (record * 7 % 256 != images[i * 30] || seen[record])) record++;
      CU_ASSERT_FATAL(record < N);
      seen[record] = true;
      CU_ASSERT_EQUAL(labels[i], (record * 3 + 1) % 10);
      CU_ASSERT_EQUAL(images[i * 30 + 29], (record * 7 + 15 + 4) % 256);
      in_order &= record > before;
      before = record;
    }
  }
  CU_ASSERT_FALSE(in_order);
  CU_ASSERT_STRING_EQUAL(result.splits[2].split, "test");
  CU_ASSERT_EQUAL(entries("out"), 9);
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
    if (run == 1)
      nanosleep(&(struct timespec){.tv_sec = 1, .tv_nsec = 100000000}, NULL); /* the clock is no argument */
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
                                  .fractions = "val=0.4,train=0.6"}),
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
      .source = "folder", .inputs = {{NULL, fresh("pets")}}, .fractions = "train=1", .h = 8, .w = 9};
  CU_ASSERT_EQUAL(prepare(&scaled), CVY_OK);
  int32_t labels[5];
  uint8_t images[5 * 8 * 9 * 3];
  CU_ASSERT_EQUAL_FATAL(read_split("out", "train", 1, labels, images), 5);
  for (int i = 0; i < 5; i++) CU_ASSERT(abs(images[i * 216] - (labels[i] == 0 ? 220 : 10)) <= 4);

  for (int asked = 0; asked < 2; asked++) {
    const call kept = {.source = "folder",
                       .dir = "kept",
                       .inputs = {{NULL, fresh("pets")}},
                       .fractions = "train=0.6,val=0.4",
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
  const call first = {.source = "synthetic",
                      .option = "count",
                      .value = "50",
                      .shards = 5,
                      .fractions = "train=0.5,extra=0.5"};
  call second = first;
  second.shards = 2;
  second.fractions = "train=0.8,val=0.2";
  CU_ASSERT_EQUAL(prepare(&first), CVY_OK);
  scratch_write(fresh("out/train-notes.h5"), "mine", 4);
  scratch_write(fresh("out/train-00000-of-00005.h5.bak"), "mine", 4);
  CU_ASSERT_EQUAL(entries("out"), 12);
  CU_ASSERT_EQUAL(prepare(&second), CVY_OK);
  /* 2 of train, 2 of val, the 5 of the split that this run does not have, and the two files that are not ours
   */
  CU_ASSERT_EQUAL(entries("out"), 11);
  int32_t labels[50];
  CU_ASSERT_EQUAL(read_split("out", "train", 2, labels, NULL), 40);
  CU_ASSERT_EQUAL(read_split("out", "extra", 5, labels, NULL), 25);
  end();
}

static void wrong_arguments(void) {
  begin();
  const char *const fractions[] = {"train",
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
                                   ""};
  for (int64_t i = 0; i < CVY_COUNT(fractions); i++) {
    CU_ASSERT_EQUAL(
        prepare(&(call){.source = "synthetic", .option = "count", .value = "20", .fractions = fractions[i]}),
        CVY_E_USAGE);
    CU_ASSERT(says("plit"));
  }
  CU_ASSERT_EQUAL(
      prepare(&(call){
          .source = "synthetic", .option = "count", .value = "20", .fractions = "train=0.99,val=0.01"}),
      CVY_E_USAGE);
  CU_ASSERT(says("'val' gets none of the 20"));
  CU_ASSERT_EQUAL(prepare(&(call){.source = "synthetic", .option = "count", .value = "20", .shards = 3}),
                  CVY_E_USAGE);
  CU_ASSERT(says("split 'val' has only 2"));
  CU_ASSERT_EQUAL(prepare(&(call){.source = "synthetic", .encoded = true, .h = 32, .w = 32}), CVY_E_USAGE);
  CU_ASSERT_EQUAL(entries("out"), -1);
  end();
}

static void the_folder_is_made_with_its_parents(void) {
  begin();
  call c = {.source = "synthetic", .option = "count", .value = "20", .dir = "deep/down/here"};
  CU_ASSERT_EQUAL(prepare(&c), CVY_OK);
  CU_ASSERT_EQUAL(entries("deep/down/here"), 2);
  scratch_write(fresh("file"), "x", 1);
  c.dir = "file";
  CU_ASSERT_EQUAL(prepare(&c), CVY_E_INPUT);
  CU_ASSERT(says("file: not a folder"));
  c.dir = "file/below";
  CU_ASSERT_EQUAL(prepare(&c), CVY_E_INPUT);
  end();
}

/* One file is no picture: nothing of this run stays, and what stood before is as it was. */
static void an_error_leaves_nothing(void) {
  begin();
  make_picture_folder("pets");
  call c = {.source = "folder",
            .inputs = {{NULL, fresh("pets")}},
            .fractions = "train=0.6,val=0.4",
            .h = 8,
            .w = 8};
  scratch_write(fresh("pets/dog/3.jpg"), "\xff\xd8\xff broken", 10);
  CU_ASSERT_EQUAL(prepare(&c), CVY_E_RUN);
  CU_ASSERT(says("pets/dog/3.jpg: "));
  CU_ASSERT_EQUAL(entries("out"), -1);
  remove(fresh("pets/dog/3.jpg"));
  CU_ASSERT_EQUAL(prepare(&c), CVY_OK);
  const file_bytes before = read_whole(fresh("out/train-00000-of-00001.h5"));
  scratch_write(fresh("pets/dog/3.jpg"), "\xff\xd8\xff broken", 10);
  CU_ASSERT_EQUAL(prepare(&c), CVY_E_RUN);
  const file_bytes after = read_whole(fresh("out/train-00000-of-00001.h5"));
  CU_ASSERT(before.count == after.count && memcmp(before.bytes, after.bytes, before.count) == 0);
  CU_ASSERT_EQUAL(entries("out"), 2);
  free(before.bytes);
  free(after.bytes);
  end();
}

/* A full disk, played by the limit on the size of files. */
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
  CU_ASSERT_EQUAL(entries("out"), -1);
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
                  .fractions = "train=1",
                  .h = 800,
                  .w = 800,
                  .dir = dir};
  CU_ASSERT_EQUAL(prepare(&c), CVY_E_SYSTEM);
  CU_ASSERT_FALSE(scratch_exists(dir));
  end();
}

static void splits_must_agree(void) {
  begin();
  make_picture_folder("a");
  make_picture_folder("b");
  call c = {.source = "folder", .inputs = {{"train", fresh("a")}, {"val", fresh("b")}}, .h = 8, .w = 8};
  CU_ASSERT_EQUAL(prepare(&c), CVY_OK);
  rename(fresh("b/dog"), fresh("b/fox"));
  CU_ASSERT_EQUAL(prepare(&c), CVY_E_INPUT);
  CU_ASSERT(says("class 1 is 'dog' in 'train', but 'fox' in 'val'"));
  mkdir(fresh("b/gnu"), 0777);
  const uint8_t red[3] = {255, 0, 0};
  write_picture(fresh("b/gnu/1.png"), false, 3, 3, red);
  CU_ASSERT_EQUAL(prepare(&c), CVY_E_INPUT);
  CU_ASSERT(says("'train' has 2 classes, 'val' has 3"));
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

SUITE("prepare", TEST(splits_are_exact_and_complete), TEST(the_same_arguments_give_the_same_bytes),
      TEST(statistics_are_those_of_the_training_split), TEST(named_splits_stay_apart),
      TEST(a_source_may_know_its_splits), TEST(pictures_scaled_or_kept), TEST(an_earlier_run_is_replaced),
      TEST(wrong_arguments), TEST(the_folder_is_made_with_its_parents), TEST(an_error_leaves_nothing),
      TEST(a_full_disk), TEST(a_really_full_disk), TEST(splits_must_agree), TEST(real_sets))
