/* Tests which reader an input is for, told at a glance. */
#include "suite.h"
#include "archives.h"
#include "reading.h"

#include "file/h5.h"

static void expect_fits(const char *name, const char *input) {
  const cvy_reader *reader = cvy_reader_that_fits(input);
  const char *found = reader ? reader->kind->name : "none";
  if (strcmp(found, name) != 0) printf("  %s: %s, expected %s\n", input, found, name);
  CU_ASSERT_STRING_EQUAL(found, name);
}

static void pack(const char *path, const char *format, const char *filter, const char *a, const char *b) {
  const packed members[] = {{a, "x", 1, NULL}, {b, "x", 1, NULL}};
  write_archive(path, format, filter, members, 2);
}

static void archives(void) {
  static const char *const cases[][3] = {
      {"tar", "pets/cat/1.jpg", "pets/dog/2.png"},
      {"webdataset", "0.jpg", "0.cls"},
      {"cifar10", "cifar-10-batches-py/data_batch_1", "cifar-10-batches-py/test_batch"},
      {"cifar10", "cifar-10-batches-bin/data_batch_1.bin", "x/test_batch.bin"},
      {"cifar100", "cifar-100-python/meta", "cifar-100-python/train"},
      {"cifar100", "cifar-100-binary/train.bin", "cifar-100-binary/fine_label_names.txt"},
      {"tiny-imagenet", "tiny-imagenet-200/wnids.txt", "tiny-imagenet-200/train/n01443537/images/a.JPEG"},
      {"imagenet", "n01440764.tar", "n01443537.tar"},
      {"none", "README", "a.txt"}};
  static const char *const kinds[][2] = {{"gnutar", NULL}, {"pax", "gzip"}, {"zip", NULL}};
  for (int64_t k = 0; k < CVY_COUNT(kinds); k++) {
    begin();
    for (int64_t i = 0; i < CVY_COUNT(cases); i++) {
      pack(fresh("a"), kinds[k][0], kinds[k][1], cases[i][1], cases[i][2]);
      expect_fits(cases[i][0], fresh("a"));
    }
    end();
  }
}

static void folders(void) {
  static maker m;
  begin();
  make_picture_folder("pets");
  expect_fits("folder", fresh("pets"));
  mkdir(fresh("set"), 0777);
  rename(fresh("pets"), fresh("set/train"));
  expect_fits("folder", fresh("set"));
  expect_fits("none", fresh("set/train/cat"));
  mkdir(fresh("mnist"), 0777);
  write_text("mnist/train-images.idx3-ubyte", "x");
  expect_fits("mnist", fresh("mnist"));
  mkdir(fresh("hoda"), 0777);
  write_text("hoda/Train 60000.cdb", "x");
  expect_fits("hoda", fresh("hoda"));
  mkdir(fresh("cifar"), 0777);
  write_text("cifar/data_batch_1", "x");
  expect_fits("cifar10", fresh("cifar"));
  make_idx_images(&m, 2, 3, 3);
  write_gz(fresh("images"), &m);
  expect_fits("mnist", fresh("images"));
  scratch_write(fresh("list.csv"), "a.jpg,1\nb.jpg,2\n", 16);
  expect_fits("csv", fresh("list.csv"));
  char pixels[300] = "label,pixel0,pixel1";
  memset(pixels + 19, ',', sizeof pixels - 19);
  scratch_write(fresh("pixels.csv"), pixels, sizeof pixels);
  expect_fits("pixels", fresh("pixels.csv"));
  scratch_write(fresh("bytes.csv"), "\1\2\3\4", 4);
  expect_fits("none", fresh("bytes.csv"));
  expect_fits("none", fresh("nothing"));
  scratch_write(fresh("Train 60000.cdb"), "\1\2\3\4", 4);
  expect_fits("hoda", fresh("Train 60000.cdb"));
  scratch_write(fresh("1.jpg"), "\xff\xd8\xff\xe0", 4);
  expect_fits("none", fresh("1.jpg"));
  scratch_write(fresh("a.rec"), "\x0a\x23\xd7\xce\1\0\0\0\0", 9);
  expect_fits("recordio", fresh("a.rec"));
  /* The length 16, and its checksum as TensorFlow writes it. */
  static const char head[] = "\x10\0\0\0\0\0\0\0\x95\xfb\xfe\x18";
  scratch_write(fresh("train-00000-of-00001"), head, sizeof head - 1);
  expect_fits("tfrecord", fresh("train-00000-of-00001"));
  scratch_write(fresh("other"), "\x10\0\0\0\0\0\0\0\x95\xfb\xfe\x19", 12);
  expect_fits("none", fresh("other"));
  end();
}

static void write_hdf5(const char *path, const char *format) {
  cvy_h5 *file;
  CU_ASSERT_EQUAL_FATAL(cvy_h5_create(&file, path), CVY_OK);
  if (format) CU_ASSERT_EQUAL(cvy_h5_write_attr_text(file, "", "format", format), CVY_OK);
  CU_ASSERT_EQUAL(cvy_h5_close(file), CVY_OK);
}

static void hdf5_of_others(void) {
  begin();
  write_hdf5(fresh("plain.h5"), NULL);
  expect_fits("hdf5", fresh("plain.h5"));
  write_hdf5(fresh("theirs.h5"), "table");
  expect_fits("hdf5", fresh("theirs.h5"));
  write_hdf5(fresh("shard.h5"), "convoy-shard");
  expect_fits("none", fresh("shard.h5"));
  write_text("torn.h5", "\x89HDF\r\n\x1a\n and no more");
  expect_fits("none", fresh("torn.h5"));
  end();
}

static void errors_name_it(void) {
  begin_quietly();
  pack(fresh("pets.tar"), "gnutar", NULL, "pets/cat/1.jpg", "pets/dog/2.png");
  const cvy_prepare_input input = {NULL, fresh("pets.tar")};
  cvy_prepare_config config = {
      .inputs = &input, .input_count = 1, .dir = fresh("out"), .reader = reader_named("cifar10")};
  cvy_prepare_result result;
  config.reader_config = configure(config.reader, pool, NULL, NULL);
  CU_ASSERT_EQUAL(cvy_prepare(&result, &config), CVY_E_INPUT);
  CU_ASSERT(says("no 'test_batch.bin' in it"));
  CU_ASSERT(says("; 'convoy prepare tar' reads what this seems to be"));
  end();
}

SUITE("glimpse", TEST(archives), TEST(folders), TEST(hdf5_of_others), TEST(errors_name_it))
