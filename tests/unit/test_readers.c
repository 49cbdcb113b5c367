/* Tests the readers of datasets/: what they deliver, and what they refuse. */
#include "suite.h"
#include "reading.h"

#include "base/text.h"

static maker m, n;

static void registry(void) {
  const char *const names[] = {
      "synthetic",     "synthetic-photos", "hoda",   "mnist", "cifar10", "cifar100", "folder",   "tar",
      "csv",           "webdataset",       "pixels", "hdf5",  "lmdb",    "leveldb",  "recordio", "tfrecord",
      "tiny-imagenet", "imagenet"};
  for (int64_t i = 0; i < CVY_COUNT(names); i++) CU_ASSERT_PTR_NOT_NULL(reader_named(names[i]));
  for (int64_t i = 0; i < cvy_reader_count(); i++) {
    const cvy_reader *r = cvy_reader_at(i);
    CU_ASSERT(r->kind->help && r->open && r->read && r->close && (r->default_h > 0) == (r->default_w > 0));
  }
}

/* ---- synthetic ---- */

static uint64_t picture_sum(const cvy_image *image) {
  uint64_t sum = 0;
  for (int64_t i = 0; i < image->h * image->w * image->c; i++) sum = sum * 31 + image->px[i];
  return sum;
}

static cvy_err open_synthetic(uint64_t seed, int64_t h, int64_t w) {
  const cvy_reader *reader = reader_named("synthetic");
  return reader->open(&source, configure(reader, pool, "count", "200"), NULL, 0, h, w, seed);
}

static void synthetic_is_a_function_of_seed_and_index(void) {
  begin();
  const cvy_reader *reader = reader_named("synthetic");
  uint64_t sums[200];
  int64_t per_class[10] = {0};
  CU_ASSERT_EQUAL(open_synthetic(5, 32, 32), CVY_OK);
  CU_ASSERT(source.count == 200 && source.class_count == 10 && source.h == 32 && source.w == 32 &&
            source.c == 1);
  for (int64_t i = 0; i < 200; i++) {
    CU_ASSERT_EQUAL(reader->read(&record, &source, i), CVY_OK);
    per_class[record.label]++;
    sums[i] = picture_sum(&record.image);
    for (int64_t k = 0; k < i; k++) CU_ASSERT(sums[k] != sums[i]);
  }
  for (int i = 0; i < 10; i++) CU_ASSERT_EQUAL(per_class[i], 20);
  reader->close(&source);

  CU_ASSERT_EQUAL(open_synthetic(5, 32, 32), CVY_OK);
  for (int64_t i = 199; i >= 0; i -= 7) {
    CU_ASSERT_EQUAL(reader->read(&record, &source, i), CVY_OK);
    CU_ASSERT(picture_sum(&record.image) == sums[i]);
  }
  reader->close(&source);

  CU_ASSERT_EQUAL(open_synthetic(6, 32, 32), CVY_OK);
  CU_ASSERT_EQUAL(reader->read(&record, &source, 0), CVY_OK);
  CU_ASSERT(picture_sum(&record.image) != sums[0]);
  reader->close(&source);
  end();
}

/* The bytes are those that were drawn first: every machine, compiler and optimisation level must draw them
 * again. */
static void synthetic_draws_the_same_everywhere(void) {
  begin();
  cvy_hasher *hasher = cvy_hasher_create();
  CU_ASSERT_EQUAL(open_synthetic(1, 32, 32), CVY_OK);
  for (int64_t i = 0; i < 200; i++) {
    CU_ASSERT_EQUAL(reader_named("synthetic")->read(&record, &source, i), CVY_OK);
    cvy_hasher_add(hasher, record.image.px, 32 * 32);
  }
  const cvy_hash hash = cvy_hasher_result(hasher);
  CU_ASSERT_STRING_EQUAL(hash.hex, "3c19627cc113368cd9a86c47089546c1");
  reader_named("synthetic")->close(&source);
  cvy_hasher_destroy(hasher);
  end();
}

/* The ink stands out from the paper, near the middle, whatever the size. */
static void synthetic_sizes(void) {
  begin();
  const int64_t sizes[][2] = {{8, 8}, {28, 28}, {32, 48}, {97, 64}};
  for (int64_t s = 0; s < CVY_COUNT(sizes); s++) {
    const int64_t h = sizes[s][0], w = sizes[s][1];
    CU_ASSERT_EQUAL(open_synthetic(3, h, w), CVY_OK);
    for (int64_t i = 0; i < 40; i++) {
      CU_ASSERT_EQUAL(reader_named("synthetic")->read(&record, &source, i), CVY_OK);
      CU_ASSERT(record.image.h == h && record.image.w == w);
      int brightest = 0, corner = record.image.px[0];
      for (int64_t p = 0; p < h * w; p++)
        if (record.image.px[p] > brightest) brightest = record.image.px[p];
      CU_ASSERT(brightest > corner + 40);
    }
    reader_named("synthetic")->close(&source);
  }
  CU_ASSERT_EQUAL(open_synthetic(3, 4, 32), CVY_E_USAGE);
  CU_ASSERT_EQUAL(open_plain("synthetic", "some-file", NULL), CVY_E_USAGE);
  CU_ASSERT(says("some-file"));
  end();
}

/* ---- hoda ---- */

static void hoda_made_here(void) {
  begin();
  for (int fixed_w = 0; fixed_w <= 9; fixed_w += 9)
    for (int gz = 0; gz < 2; gz++) {
      make_cdb(&m, 13, fixed_w);
      (gz ? write_gz : write_maker)(fresh("digits"), &m);
      /* Record 5 is 11 (or 9) wide and 4 high: with the border of 2 it fits 8 x 15 (13) without scaling. */
      const int64_t w = fixed_w ? fixed_w : 11;
      CU_ASSERT_EQUAL(open_with("hoda", NULL, NULL, fresh("digits"), NULL, 8, w + 4), CVY_OK);
      CU_ASSERT(source.count == 13 && source.c == 1 && source.h == 8 && source.w == w + 4);
      CU_ASSERT_EQUAL(reader_named("hoda")->read(&record, &source, 5), CVY_OK);
      CU_ASSERT_EQUAL(record.label, 5);
      for (int64_t y = 0; y < 8; y++)
        for (int64_t x = 0; x < w + 4; x++) {
          const bool ink = y >= 2 && y < 6 && x >= 2 + (y - 2) && x < 2 + w;
          CU_ASSERT_EQUAL(record.image.px[y * (w + 4) + x], ink ? 255 : 0);
        }
      reader_named("hoda")->close(&source);
    }
  CU_ASSERT_EQUAL(open_plain("hoda", fresh("digits"), fresh("digits")), CVY_OK);
  CU_ASSERT_EQUAL(source.count, 26);
  CU_ASSERT_EQUAL(reader_named("hoda")->read(&record, &source, 13 + 4), CVY_OK);
  CU_ASSERT(record.label == 4 && strstr(record.name, "record 4"));
  reader_named("hoda")->close(&source);
  end();
}

/* Record 2, 8 x 4, in targets where it fits, must shrink, or is enlarged as all digits are; its first row and
 * its last column are ink, so the ink's bounds are the image's. */
static void hoda_scales_into_the_frame(void) {
  begin();
  make_cdb(&m, 3, 0);
  write_maker(fresh("digits"), &m);
  const int64_t cases[][4] = {/* target, image in it */ {32, 32, 4, 8},
                              {8, 8, 2, 4},
                              {60, 60, 8, 16},
                              {60, 32, 4, 8},
                              {32, 10, 3, 6},
                              {5, 32, 1, 2}};
  for (int64_t n_case = 0; n_case < CVY_COUNT(cases); n_case++) {
    const int64_t *c = cases[n_case];
    CU_ASSERT_EQUAL(open_with("hoda", NULL, NULL, fresh("digits"), NULL, c[0], c[1]), CVY_OK);
    CU_ASSERT_EQUAL(reader_named("hoda")->read(&record, &source, 2), CVY_OK);
    CU_ASSERT(record.image.h == c[0] && record.image.w == c[1]);
    int64_t top = 99, left = 99, bottom = -1, right = -1;
    for (int64_t y = 0; y < c[0]; y++)
      for (int64_t x = 0; x < c[1]; x++)
        if (record.image.px[y * c[1] + x]) {
          top = y < top ? y : top;
          left = x < left ? x : left;
          bottom = y > bottom ? y : bottom;
          right = x > right ? x : right;
        }
    CU_ASSERT(top == (c[0] - c[2]) / 2 && bottom == top + c[2] - 1);
    CU_ASSERT(left == (c[1] - c[3]) / 2 && right == left + c[3] - 1);
    reader_named("hoda")->close(&source);
  }
  CU_ASSERT_EQUAL(open_with("hoda", NULL, NULL, fresh("digits"), NULL, 4, 32), CVY_E_USAGE);
  end();
}

static void expect_hoda_error(size_t at, int byte, const char *message) {
  const int held = m.bytes[at];
  m.bytes[at] = (unsigned char)byte;
  write_maker(fresh("digits"), &m);
  CU_ASSERT_EQUAL(open_plain("hoda", fresh("digits"), NULL), CVY_E_INPUT);
  CU_ASSERT(says("digits") && says(message));
  m.bytes[at] = (unsigned char)held;
}

static void hoda_refuses(void) {
  begin();
  make_cdb(&m, 5, 0);
  expect_hoda_error(6, 4, "bytes follow the 4 records");
  expect_hoda_error(6, 6, "truncated");
  expect_hoda_error(9, 200, "a count of");
  expect_hoda_error(10, 7, "7 records of label 0");
  expect_hoda_error(522, 1, "image type 1");
  expect_hoda_error(1024, 0xfe, "record 0 at byte 1024: starts with 0xfe");
  expect_hoda_error(1025, 10, "label 10");
  expect_hoda_error(1026, 0, "0x4 pixels");
  expect_hoda_error(1026, 7, "record 0 at byte 1024: its 8 bytes of run lengths do not fill 7x4");
  expect_hoda_error(1028, 9, "do not fill");
  CU_ASSERT_EQUAL(open_plain("hoda", fresh("missing.cdb"), NULL), CVY_E_INPUT);
  CU_ASSERT(says("missing.cdb: cannot open: No such file"));
  CU_ASSERT_EQUAL(open_plain("hoda", fresh_dir, NULL), CVY_E_INPUT);
  CU_ASSERT_EQUAL(open_plain("hoda", NULL, NULL), CVY_E_USAGE);
  end();
}

static void hoda_damage_never_crashes(void) {
  begin();
  make_cdb(&m, 4, 0);
  maker cut = m;
  for (cut.count = 0; cut.count < m.count; cut.count += cut.count < 1020 ? 85 : 1) {
    write_maker(fresh("cut"), &cut);
    CU_ASSERT_EQUAL(go_through("hoda", fresh("cut"), NULL), CVY_E_INPUT);
  }
  for (size_t at = 0; at < m.count; at += at < 60 || at >= 1024 ? 1 : 97)
    for (int bit = 1; bit < 256; bit *= 4) {
      m.bytes[at] ^= (unsigned char)bit;
      write_maker(fresh("flipped"), &m);
      const cvy_err err = go_through("hoda", fresh("flipped"), NULL);
      CU_ASSERT(err == CVY_OK || err == CVY_E_INPUT);
      m.bytes[at] ^= (unsigned char)bit;
    }
  end();
}

static void count_labels(const char *name, int64_t count, int64_t per_class, const int32_t first[8]) {
  int64_t counts[10] = {0};
  CU_ASSERT_EQUAL_FATAL(source.count, count);
  for (int64_t i = 0; i < count; i++) {
    CU_ASSERT_EQUAL(reader_named(name)->read(&record, &source, i), CVY_OK);
    counts[record.label]++;
    if (i < 8) CU_ASSERT_EQUAL(record.label, first[i]);
  }
  for (int i = 0; i < 10; i++) CU_ASSERT(per_class ? counts[i] == per_class : counts[i] > count / 12);
}

static void hoda_itself(void) {
  const char *data = test_data("Hoda");
  if (!data) return;
  begin();
  char path[4200];
  snprintf(path, sizeof path, "%s/hoda/Train 60000.cdb.gz", data);
  /* The first record has 20 x 27 pixels, 176 of them ink: unscaled in 24 x 31. */
  CU_ASSERT_EQUAL(open_with("hoda", NULL, NULL, path, NULL, 31, 24), CVY_OK);
  CU_ASSERT_EQUAL(reader_named("hoda")->read(&record, &source, 0), CVY_OK);
  int64_t ink = 0;
  for (int64_t i = 0; i < 31 * 24; i++) ink += record.image.px[i] == 255;
  CU_ASSERT(ink == 176 && record.image.px[2 * 24 + 2 + 4] == 255 && record.image.px[2 * 24 + 2 + 3] == 0);
  count_labels("hoda", 60000, 6000, (const int32_t[]){6, 5, 0, 2, 7, 0, 7, 5});
  reader_named("hoda")->close(&source);
  snprintf(path, sizeof path, "%s/hoda/Test 20000.cdb.gz", data);
  CU_ASSERT_EQUAL(open_plain("hoda", path, NULL), CVY_OK);
  count_labels("hoda", 20000, 2000, (const int32_t[8]){0});
  reader_named("hoda")->close(&source);
  end();
}

/* ---- mnist ---- */

static void make_mnist(const char *images, const char *labels, uint32_t count, bool gz) {
  make_idx_images(&m, count, 6, 5);
  make_idx_labels(&n, count);
  (gz ? write_gz : write_maker)(fresh(images), &m);
  (gz ? write_gz : write_maker)(fresh(labels), &n);
}

static void mnist_made_here(void) {
  begin();
  for (int gz = 0; gz < 2; gz++)
    for (int order = 0; order < 2; order++) {
      make_mnist("i", "l", 23, gz);
      CU_ASSERT_EQUAL(open_plain("mnist", fresh(order ? "i" : "l"), fresh(order ? "l" : "i")), CVY_OK);
      CU_ASSERT(source.count == 23 && source.h == 6 && source.w == 5 && source.c == 1);
      for (int64_t i = 22; i >= 0; i--) {
        CU_ASSERT_EQUAL(reader_named("mnist")->read(&record, &source, i), CVY_OK);
        CU_ASSERT_EQUAL(record.label, (i * 3 + 1) % 10);
        for (int64_t p = 0; p < 30; p++)
          CU_ASSERT_EQUAL(record.image.px[p], (i * 7 + p / 5 * 3 + p % 5) % 256);
      }
      reader_named("mnist")->close(&source);
    }
  end();
}

static void mnist_pads_or_scales(void) {
  begin();
  make_mnist("i", "l", 10, false);
  CU_ASSERT_EQUAL(open_with("mnist", "pad", "true", fresh("i"), fresh("l"), 10, 10), CVY_OK);
  CU_ASSERT_EQUAL(reader_named("mnist")->read(&record, &source, 4), CVY_OK);
  for (int64_t y = 0; y < 10; y++)
    for (int64_t x = 0; x < 10; x++) {
      const bool inside = y >= 2 && y < 8 && x >= 2 && x < 7;
      CU_ASSERT_EQUAL(record.image.px[y * 10 + x], inside ? (28 + (y - 2) * 3 + x - 2) % 256 : 0);
    }
  reader_named("mnist")->close(&source);
  CU_ASSERT_EQUAL(open_with("mnist", NULL, NULL, fresh("i"), fresh("l"), 12, 10), CVY_OK);
  CU_ASSERT_EQUAL(reader_named("mnist")->read(&record, &source, 4), CVY_OK);
  CU_ASSERT(record.image.px[0] == 28 && record.image.px[119] == 28 + 15 + 4);
  reader_named("mnist")->close(&source);
  CU_ASSERT_EQUAL(open_with("mnist", "pad", "true", fresh("i"), fresh("l"), 5, 5), CVY_E_USAGE);
  CU_ASSERT_EQUAL(open_with("mnist", "names", "fashion", fresh("i"), fresh("l"), 0, 0), CVY_OK);
  CU_ASSERT_STRING_EQUAL(source.class_names[9], "ankle boot");
  reader_named("mnist")->close(&source);
  end();
}

static void mnist_folders(void) {
  begin();
  cvy_prepare_input *found;
  int64_t count;
  const cvy_reader *reader = reader_named("mnist");
  CU_ASSERT_EQUAL(open_plain("mnist", fresh_dir, NULL), CVY_E_INPUT);
  CU_ASSERT(says("neither train-images-idx3-ubyte nor t10k"));
  make_mnist("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte", 20, true);
  CU_ASSERT_EQUAL(reader->find_splits(&found, &count, pool, fresh_dir), CVY_OK);
  CU_ASSERT_EQUAL(count, 0);
  CU_ASSERT_EQUAL(open_plain("mnist", fresh_dir, NULL), CVY_OK);
  CU_ASSERT_EQUAL(source.count, 20);
  reader->close(&source);
  make_mnist("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte.gz", 7, true);
  CU_ASSERT_EQUAL(reader->find_splits(&found, &count, pool, fresh_dir), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(count, 4);
  for (int64_t i = 0; i < 4; i++) {
    CU_ASSERT_STRING_EQUAL(found[i].split, i < 2 ? "train" : "val");
    CU_ASSERT_PTR_NOT_NULL(strstr(found[i].path, i < 2 ? "/train-" : "/t10k-"));
  }
  CU_ASSERT_EQUAL(open_plain("mnist", fresh_dir, NULL), CVY_E_INPUT);
  CU_ASSERT(says("both become splits"));
  remove(fresh("t10k-images-idx3-ubyte"));
  CU_ASSERT_EQUAL(reader->find_splits(&found, &count, pool, fresh_dir), CVY_E_INPUT);
  CU_ASSERT(says("'t10k-labels-idx1-ubyte.gz' is there (7 labels), but not the images"));
  end();
}

/* Checks the splits that are found in the folder: "train:20 val:7", and that each can be opened. */
static void expect_mnist_splits(const char *expected) {
  cvy_prepare_input *found;
  int64_t count;
  char text[200];
  cvy_text all = cvy_text_in(text, sizeof text);
  const cvy_err err = reader_named("mnist")->find_splits(&found, &count, pool, fresh_dir);
  if (err) printf("  %s\n", cvy_err_message());
  CU_ASSERT_EQUAL_FATAL(err, CVY_OK);
  for (int64_t i = 0; i < count; i += 2) {
    CU_ASSERT_STRING_EQUAL(found[i].split, found[i + 1].split);
    CU_ASSERT_EQUAL_FATAL(open_plain("mnist", found[i].path, found[i + 1].path), CVY_OK);
    cvy_text_item(&all, " ", "%s:%d", found[i].split, (int)source.count);
    reader_named("mnist")->close(&source);
  }
  CU_ASSERT_STRING_EQUAL(text, expected);
}

static void mnist_files_of_any_name(void) {
  static const char *const names[][4] = {
      {"train-images.idx3-ubyte", "train-labels.idx1-ubyte", "t10k-images.idx3-ubyte",
       "t10k-labels.idx1-ubyte"},
      {"emnist-letters-train-images-idx3-ubyte.gz", "emnist-letters-train-labels-idx1-ubyte.gz",
       "emnist-letters-test-images-idx3-ubyte.gz", "emnist-letters-test-labels-idx1-ubyte.gz"},
      {"Train_Images", "Train_Labels", "Test_Images", "Test_Labels"},
      {"x.bin", "y.bin", "u.bin", "v.bin"},
  };
  for (int64_t k = 0; k < CVY_COUNT(names); k++) {
    begin_quietly();
    make_mnist(names[k][0], names[k][1], 20, k == 1);
    expect_mnist_splits("");
    CU_ASSERT_EQUAL_FATAL(open_plain("mnist", fresh_dir, NULL), CVY_OK);
    CU_ASSERT_EQUAL(source.count, 20);
    reader_named("mnist")->close(&source);
    make_mnist(names[k][2], names[k][3], 7, k == 1);
    scratch_write(fresh("README"), "no numbers", 10);
    scratch_write(fresh("empty"), "", 0);
    expect_mnist_splits("train:20 val:7");
    end();
  }
}

static void mnist_folders_that_are_not_clear(void) {
  begin_quietly();
  cvy_prepare_input *found;
  int64_t count;
  const cvy_reader *reader = reader_named("mnist");
  make_mnist("train-images-idx3-ubyte", "train-labels-idx1-ubyte", 20, false);
  make_mnist("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", 20, true); /* the same, packed */
  make_mnist("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", 7, false);
  expect_mnist_splits("train:20 val:7");
  make_mnist("letters-train-images-idx3-ubyte", "letters-train-labels-idx1-ubyte", 9, false);
  CU_ASSERT_EQUAL(reader->find_splits(&found, &count, pool, fresh_dir), CVY_E_INPUT);
  CU_ASSERT(says("are both for train"));
  end();
  begin();
  make_mnist("a", "b", 9, false);
  make_mnist("c", "d", 9, false);
  CU_ASSERT_EQUAL(reader->find_splits(&found, &count, pool, fresh_dir), CVY_E_INPUT);
  CU_ASSERT(says("but not the "));
  end();
  begin();
  mkdir(fresh("raw"), 0777);
  make_mnist("raw/train-images-idx3-ubyte", "raw/train-labels-idx1-ubyte", 20, false);
  make_mnist("raw/t10k-images-idx3-ubyte", "raw/t10k-labels-idx1-ubyte", 7, false);
  expect_mnist_splits("train:20 val:7");
  end();
  begin();
  mkdir(fresh("MNIST"), 0777); /* torchvision's root */
  mkdir(fresh("MNIST/raw"), 0777);
  make_mnist("MNIST/raw/train-images-idx3-ubyte", "MNIST/raw/train-labels-idx1-ubyte", 20, false);
  make_mnist("MNIST/raw/t10k-images-idx3-ubyte", "MNIST/raw/t10k-labels-idx1-ubyte", 7, false);
  make_mnist("MNIST/raw/t10k-images-idx3-ubyte.gz", "MNIST/raw/t10k-labels-idx1-ubyte.gz", 7, true);
  expect_mnist_splits("train:20 val:7");
  end();
}

static void mnist_with_other_labels(void) {
  begin();
  make_mnist("i", "l", 10, false);
  n.bytes[8] = 61;
  write_maker(fresh("l"), &n);
  CU_ASSERT_EQUAL(open_plain("mnist", fresh("i"), fresh("l")), CVY_E_INPUT);
  CU_ASSERT(says("label 61; expected 0 to 9 (--names numbers"));
  CU_ASSERT_EQUAL(open_with("mnist", "names", "numbers", fresh("i"), fresh("l"), 0, 0), CVY_OK);
  CU_ASSERT(source.class_count == 10 && strcmp(source.class_names[9], "61") == 0);
  CU_ASSERT_STRING_EQUAL(source.class_names[1], "2"); /* record 0 alone was a 1 */
  CU_ASSERT_EQUAL(reader_named("mnist")->read(&record, &source, 0), CVY_OK);
  CU_ASSERT_EQUAL(record.label, 9);
  reader_named("mnist")->close(&source);
  end();
}

static void mnist_of_a_bug_report(void) {
  const char *data = test_data("MNIST with dots");
  if (!data) return;
  begin();
  snprintf(fresh_dir, sizeof fresh_dir, "%s/reported/mnist-dot-names", data);
  expect_mnist_splits("train:40 val:20");
  end();
}

static void expect_mnist_error(maker *damaged, size_t at, int byte, const char *message) {
  const int held = damaged->bytes[at];
  damaged->bytes[at] = (unsigned char)byte;
  write_maker(fresh("i"), &m);
  write_maker(fresh("l"), &n);
  CU_ASSERT_EQUAL(open_plain("mnist", fresh("i"), fresh("l")), CVY_E_INPUT);
  CU_ASSERT(says(message));
  damaged->bytes[at] = (unsigned char)held;
}

static void mnist_refuses(void) {
  begin();
  make_mnist("i", "l", 10, false);
  expect_mnist_error(&m, 2, 9, "/i: no IDX file: starts with 0x00000903");
  expect_mnist_error(&m, 7, 11,
                     "/i: truncated: the header promises 11 records of 30 bytes, the file ends in record 10");
  expect_mnist_error(&m, 4, 200, "/i: truncated");
  expect_mnist_error(&m, 7, 9, "/i: 30 bytes follow the 9 records");
  expect_mnist_error(&m, 8, 255, "/i: ");
  expect_mnist_error(&m, 11, 0, "images of 5x0 pixels");
  expect_mnist_error(&m, 7, 0, "no records");
  expect_mnist_error(&n, 7, 9, "/l: 1 bytes follow the 9 records");
  expect_mnist_error(&n, 10, 17, "/l: record 2: label 17; expected 0 to 9");
  expect_mnist_error(&n, 3, 3, "/l: ");
  make_idx_labels(&n, 11);
  expect_mnist_error(&n, 8, 1, "holds 10 images");
  CU_ASSERT_EQUAL(open_plain("mnist", fresh("i"), fresh("i")), CVY_E_INPUT);
  CU_ASSERT(says("both hold images"));
  CU_ASSERT_EQUAL(open_plain("mnist", fresh("i"), fresh("gone")), CVY_E_INPUT);
  CU_ASSERT(says("gone: cannot open"));
  CU_ASSERT_EQUAL(open_plain("mnist", fresh("i"), NULL), CVY_E_INPUT);
  CU_ASSERT_EQUAL(open_plain("mnist", NULL, NULL), CVY_E_USAGE);
  end();
}

static void mnist_damage_never_crashes(void) {
  begin();
  make_mnist("i", "l", 10, false);
  maker cut = m;
  for (cut.count = 0; cut.count < m.count; cut.count++) {
    write_maker(fresh("cut"), &cut);
    CU_ASSERT_EQUAL(go_through("mnist", fresh("cut"), fresh("l")), CVY_E_INPUT);
  }
  for (size_t at = 0; at < 40; at++)
    for (int bit = 1; bit < 256; bit *= 2) {
      m.bytes[at] ^= (unsigned char)bit;
      write_maker(fresh("flipped"), &m);
      const cvy_err err = go_through("mnist", fresh("flipped"), fresh("l"));
      CU_ASSERT(at < 16 ? err == CVY_E_INPUT : err == CVY_OK);
      m.bytes[at] ^= (unsigned char)bit;
    }
  end();
}

static void gzip_damage_is_an_error(void) {
  begin();
  make_mnist("i.gz", "l", 10, false);
  write_gz(fresh("i.gz"), &m);
  const file_bytes whole = read_whole(fresh("i.gz"));
  for (unsigned long k = 0; k < whole.count; k++) {
    scratch_write(fresh("cut.gz"), whole.bytes, k);
    CU_ASSERT_EQUAL(go_through("mnist", fresh("cut.gz"), fresh("l")), CVY_E_INPUT);
  }
  CU_ASSERT(says("cut.gz: truncated"));
  for (unsigned long k = 10; k < whole.count; k++) { /* the CRC-32 of the compressed data sees all */
    whole.bytes[k] ^= 0x20;
    scratch_write(fresh("flipped.gz"), whole.bytes, whole.count);
    CU_ASSERT_EQUAL(go_through("mnist", fresh("flipped.gz"), fresh("l")), CVY_E_INPUT);
    whole.bytes[k] ^= 0x20;
  }
  free(whole.bytes);
  end();
}

static void mnist_itself(void) {
  const char *data = test_data("MNIST");
  if (!data) return;
  begin();
  char a[4200], b[4200];
  snprintf(a, sizeof a, "%s/mnist/train-labels-idx1-ubyte.gz", data);
  snprintf(b, sizeof b, "%s/mnist/train-images-idx3-ubyte.gz", data);
  CU_ASSERT_EQUAL(open_plain("mnist", a, b), CVY_OK);
  CU_ASSERT(source.h == 28 && source.w == 28);
  count_labels("mnist", 60000, 0, (const int32_t[]){5, 0, 4, 1, 9, 2, 1, 3});
  reader_named("mnist")->close(&source);
  snprintf(a, sizeof a, "%s/mnist/t10k-images-idx3-ubyte.gz", data);
  snprintf(b, sizeof b, "%s/mnist/t10k-labels-idx1-ubyte.gz", data);
  CU_ASSERT_EQUAL(open_plain("mnist", a, b), CVY_OK);
  count_labels("mnist", 10000, 0, (const int32_t[]){7, 2, 1, 0, 4, 1, 4, 9});
  reader_named("mnist")->close(&source);
  end();
}

/* ---- folder ---- */

static void folder_lists_classes_and_files_by_name(void) {
  begin();
  make_picture_folder("pets");
  static const char *const expected[] = {"/cat/a.png", "/cat/b.jpg", "/cat/c.JPEG", "/dog/10.jpg",
                                         "/dog/2.png"};
  static const int64_t heights[] = {10, 9, 11, 13, 12};
  CU_ASSERT_EQUAL(open_plain("folder", fresh("pets"), NULL), CVY_OK);
  CU_ASSERT(source.count == 5 && source.class_count == 2 && source.h == 0 && source.w == 0 && source.c == 3);
  CU_ASSERT(strcmp(source.class_names[0], "cat") == 0 && strcmp(source.class_names[1], "dog") == 0);
  int64_t bytes = 0;
  for (int64_t i = 0; i < 5; i++) {
    CU_ASSERT_EQUAL(reader_named("folder")->read(&record, &source, i), CVY_OK);
    CU_ASSERT_PTR_NOT_NULL(strstr(record.name, expected[i]));
    CU_ASSERT_EQUAL(record.label, i < 3 ? 0 : 1);
    CU_ASSERT_EQUAL(record.image.h, heights[i]);
    CU_ASSERT(abs(record.image.px[0] - (i < 3 ? 220 : 10)) <= 4 &&
              abs(record.image.px[2] - (i < 3 ? 30 : 200)) <= 4);
    const file_bytes file = read_whole(record.name);
    CU_ASSERT(file.count == record.encoded_bytes && memcmp(file.bytes, record.encoded, file.count) == 0);
    bytes += (int64_t)file.count;
    free(file.bytes);
  }
  CU_ASSERT(reads_again("folder"));
  CU_ASSERT(source.encoded_bytes == bytes);
  reader_named("folder")->close(&source);

  CU_ASSERT_EQUAL(open_with("folder", "colour", "grey", fresh("pets"), NULL, 6, 7), CVY_OK);
  CU_ASSERT_EQUAL(reader_named("folder")->read(&record, &source, 3), CVY_OK);
  CU_ASSERT(source.c == 1 && record.image.c == 1 && record.image.h == 6 && record.image.w == 7);
  reader_named("folder")->close(&source);
  end();
}

static void folder_refuses(void) {
  begin();
  CU_ASSERT_EQUAL(open_plain("folder", fresh("nothing"), NULL), CVY_E_INPUT);
  CU_ASSERT(says("nothing: cannot open: No such file"));
  CU_ASSERT_EQUAL(open_plain("folder", fresh_dir, NULL), CVY_E_INPUT);
  CU_ASSERT(says("no sub-folders"));
  make_picture_folder("pets");
  mkdir(fresh("all"), 0777);
  rename(fresh("pets"), fresh("all/pets")); /* a single folder above all classes is skipped */
  CU_ASSERT_EQUAL_FATAL(open_plain("folder", fresh("all"), NULL), CVY_OK);
  CU_ASSERT(source.class_count > 1);
  reader_named("folder")->close(&source);
  rename(fresh("all/pets"), fresh("pets"));
  mkdir(fresh("pets/emu"), 0777);
  expect_empty_class("folder", fresh("pets"), NULL, "emu");
  scratch_write(fresh("pets/emu/1.jpg"), "", 0);
  CU_ASSERT_EQUAL(go_through("folder", fresh("pets"), NULL), CVY_E_INPUT);
  CU_ASSERT(says("pets/emu/1.jpg: empty (0 bytes)"));
  scratch_write(fresh("pets/emu/1.jpg"), "not a picture", 13);
  CU_ASSERT_EQUAL(go_through("folder", fresh("pets"), NULL), CVY_E_INPUT);
  CU_ASSERT(says("pets/emu/1.jpg: neither JPEG nor PNG"));
  CU_ASSERT_EQUAL(open_plain("folder", fresh("pets"), fresh("pets")), CVY_E_USAGE);
  end();
}

static void folder_finds_splits(void) {
  begin();
  cvy_prepare_input *found;
  int64_t count;
  const cvy_reader *reader = reader_named("folder");
  mkdir(fresh("set"), 0777);
  mkdir(fresh("set/train"), 0777);
  CU_ASSERT_EQUAL(reader->find_splits(&found, &count, pool, fresh("set")), CVY_OK);
  CU_ASSERT_EQUAL(count, 0);
  mkdir(fresh("set/test"), 0777);
  CU_ASSERT_EQUAL(reader->find_splits(&found, &count, pool, fresh("set")), CVY_OK);
  CU_ASSERT(count == 2 && strcmp(found[1].split, "val") == 0 && strstr(found[1].path, "/test") != NULL);
  mkdir(fresh("set/validation"), 0777);
  CU_ASSERT_EQUAL(reader->find_splits(&found, &count, pool, fresh("set")), CVY_OK);
  CU_ASSERT(count == 3 && strcmp(found[0].split, "train") == 0 && strcmp(found[1].split, "test") == 0 &&
            strcmp(found[2].split, "val") == 0);
  mkdir(fresh("set/cat"), 0777);
  CU_ASSERT_EQUAL(reader->find_splits(&found, &count, pool, fresh("set")), CVY_OK);
  CU_ASSERT_EQUAL(count, 0);
  end();
}

SUITE("readers", TEST(registry), TEST(synthetic_is_a_function_of_seed_and_index),
      TEST(synthetic_draws_the_same_everywhere), TEST(synthetic_sizes), TEST(hoda_made_here),
      TEST(hoda_scales_into_the_frame), TEST(hoda_refuses), TEST(hoda_damage_never_crashes),
      TEST(hoda_itself), TEST(mnist_made_here), TEST(mnist_pads_or_scales), TEST(mnist_folders),
      TEST(mnist_refuses), TEST(mnist_files_of_any_name), TEST(mnist_folders_that_are_not_clear),
      TEST(mnist_with_other_labels), TEST(mnist_of_a_bug_report), TEST(mnist_damage_never_crashes),
      TEST(gzip_damage_is_an_error), TEST(mnist_itself), TEST(folder_lists_classes_and_files_by_name),
      TEST(folder_refuses), TEST(folder_finds_splits))
