/* The readers of public sets that are not folders of pictures: cifar10, cifar100, imagenet; and synthetic-photos. */
#include "suite.h"
#include "archives.h"
#include "reading.h"

#include <math.h>

/* Opened with an option and up to four inputs. */
static cvy_err open_inputs(const char *name, const char *option, const char *value,
                           const char *const *inputs) {
  const cvy_reader *reader = reader_named(name);
  int64_t count = 0;
  while (count < 4 && inputs[count]) count++;
  return reader->open(&source, configure(reader, pool, option, value), inputs, count, 0, 0, 1);
}

#define INPUTS(...)                                                                                          \
  (const char *const[]) {                                                                                    \
    __VA_ARGS__, NULL                                                                                        \
  }

static void expect_refused(const char *reader, const char *const *inputs, cvy_err code, const char *message) {
  const cvy_err err = open_inputs(reader, NULL, NULL, inputs);
  CU_ASSERT_EQUAL(err, code);
  if (!err) reader_named(reader)->close(&source);
  CU_ASSERT(says(message));
}

static void begin_quietly(void) {
  begin();
  cvy_log_enable(false);
}

/* ---- cifar ---- */

/* Record i of a file: labels (first + i) % 20 / 2 and (first + i) % 10, or the latter alone; the sample of channel
 * k at (y, x) is (first + i + 50 k + 2 y + x) % 256. */
static void make_cifar(maker *to, int label_bytes, int first, int count) {
  to->count = 0;
  for (int i = first; i < first + count; i++) {
    if (label_bytes == 2) put(to, i % 20 / 2);
    put(to, i % 10);
    for (int k = 0; k < 3; k++)
      for (int p = 0; p < 1024; p++) put(to, (i + 50 * k + 2 * (p / 32) + p % 32) % 256);
  }
}

static maker bin[6];

/* data_batch_1.bin to 5 and test_batch.bin, of three records each. */
static void pack_cifar10(packed members[6], const char *folder) {
  for (int f = 0; f < 6; f++) {
    make_cifar(&bin[f], 1, 3 * f, 3);
    members[f].name = f < 5 ? cvy_pool_format(pool, "%sdata_batch_%d.bin", folder, f + 1)
                            : cvy_pool_format(pool, "%stest_batch.bin", folder);
    members[f].bytes = bin[f].bytes;
    members[f].count = bin[f].count;
  }
}

static void expect_cifar(const char *reader, int64_t index, int i, int32_t label) {
  CU_ASSERT_EQUAL_FATAL(reader_named(reader)->read(&record, &source, index), CVY_OK);
  CU_ASSERT(record.label == label && record.image.h == 32 && record.image.w == 32 && record.image.c == 3);
  bool same = true;
  for (int p = 0; p < 1024; p++)
    for (int k = 0; k < 3; k++)
      same &= record.image.px[p * 3 + k] == (i + 50 * k + 2 * (p / 32) + p % 32) % 256;
  CU_ASSERT(same);
}

static void expect_cifar10_splits(const char *path) {
  cvy_prepare_input *found;
  int64_t count;
  const cvy_reader *reader = reader_named("cifar10");
  CU_ASSERT_EQUAL(reader->find_splits(&found, &count, pool, path), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(count, 2);
  CU_ASSERT(strcmp(found[0].split, "train") == 0 && strcmp(found[1].split, "val") == 0);
  CU_ASSERT_EQUAL_FATAL(open_inputs("cifar10", NULL, NULL, INPUTS(found[0].path)), CVY_OK);
  CU_ASSERT(source.count == 15 && source.class_count == 10 && source.h == 32);
  CU_ASSERT_STRING_EQUAL(source.class_names[9], "truck");
  CU_ASSERT(reads_again("cifar10"));
  for (int i = 14; i >= 0; i--) expect_cifar("cifar10", i, i, i % 10);
  CU_ASSERT_PTR_NOT_NULL(strstr(record.name, "data_batch_1.bin: record 0"));
  reader->close(&source);
  CU_ASSERT_EQUAL_FATAL(open_inputs("cifar10", NULL, NULL, INPUTS(found[1].path)), CVY_OK);
  CU_ASSERT_EQUAL(source.count, 3);
  expect_cifar("cifar10", 1, 16, 6);
  reader->close(&source);
}

static void cifar10_made_here(void) {
  begin_quietly();
  packed members[6] = {0};
  pack_cifar10(members, "cifar-10-batches-bin/");
  write_archive(fresh("cifar.tar.gz"), "gnutar", "gzip", members, 6);
  expect_cifar10_splits(fresh("cifar.tar.gz"));
  mkdir(fresh("cifar-10-batches-bin"), 0777);
  for (int f = 0; f < 6; f++) write_maker(fresh(members[f].name), &bin[f]);
  expect_cifar10_splits(fresh("cifar-10-batches-bin"));
  const char *second = fresh(members[1].name), *first = fresh(members[0].name);
  CU_ASSERT_EQUAL_FATAL(open_inputs("cifar10", NULL, NULL, INPUTS(second, first)), CVY_OK);
  CU_ASSERT_EQUAL(source.count, 6);
  expect_cifar("cifar10", 4, 1, 1);
  reader_named("cifar10")->close(&source);
  CU_ASSERT_EQUAL_FATAL(open_with("cifar10", NULL, NULL, second, NULL, 16, 8), CVY_OK);
  CU_ASSERT_EQUAL(reader_named("cifar10")->read(&record, &source, 0), CVY_OK);
  CU_ASSERT(source.h == 16 && source.w == 8 && record.image.h == 16 && record.image.w == 8);
  reader_named("cifar10")->close(&source);
  end();
}

static void cifar100_made_here(void) {
  begin_quietly();
  make_cifar(&bin[0], 2, 5, 9);
  write_maker(fresh("train.bin"), &bin[0]);
  CU_ASSERT_EQUAL_FATAL(open_inputs("cifar100", NULL, NULL, INPUTS(fresh_dir)), CVY_OK);
  CU_ASSERT(source.count == 9 && source.class_count == 100);
  CU_ASSERT(strcmp(source.class_names[0], "apple") == 0 && strcmp(source.class_names[99], "worm") == 0);
  expect_cifar("cifar100", 6, 11, 1);
  reader_named("cifar100")->close(&source);
  CU_ASSERT_EQUAL_FATAL(open_inputs("cifar100", "labels", "coarse", INPUTS(fresh("train.bin"))), CVY_OK);
  CU_ASSERT(source.class_count == 20 && strcmp(source.class_names[19], "vehicles_2") == 0);
  expect_cifar("cifar100", 6, 11, 5);
  reader_named("cifar100")->close(&source);
  for (int64_t k = 1; k < 100; k++) {
    CU_ASSERT_EQUAL_FATAL(open_inputs("cifar100", NULL, NULL, INPUTS(fresh_dir)), CVY_OK);
    CU_ASSERT(strcmp(source.class_names[k - 1], source.class_names[k]) <
              0); /* they are sorted, so none is missing */
    reader_named("cifar100")->close(&source);
  }
  end();
}

static void cifar_refuses(void) {
  begin_quietly();
  packed members[6] = {0};
  pack_cifar10(members, "");
  for (int f = 0; f < 6; f++)
    if (f != 3) write_maker(fresh(members[f].name), &bin[f]);
  expect_refused("cifar10", INPUTS(fresh_dir), CVY_E_INPUT,
                 "'data_batch_5.bin' is there, but not 'data_batch_4.bin'");
  write_maker(fresh("data_batch_4.bin"), &bin[3]);
  expect_refused("cifar10", INPUTS(fresh_dir), CVY_E_INPUT, "holds train and test");
  expect_refused("cifar10", INPUTS(fresh("none.bin")), CVY_E_INPUT, "none.bin: cannot open: No such file");
  expect_refused("cifar10", INPUTS(cvy_pool_format(pool, "%s:val", fresh_dir)), CVY_E_USAGE,
                 "are train and test");
  CU_ASSERT_EQUAL(open_plain("cifar10", NULL, NULL), CVY_E_USAGE);
  bin[0].bytes[3073 * 2] = 10;
  write_maker(fresh("a.bin"), &bin[0]);
  expect_refused("cifar10", INPUTS(fresh("a.bin")), CVY_E_INPUT,
                 "/a.bin: record 2: label 10; expected 0 to 9");
  bin[0].count--;
  write_maker(fresh("a.bin"), &bin[0]);
  expect_refused("cifar10", INPUTS(fresh("a.bin")), CVY_E_INPUT,
                 "/a.bin: 9218 bytes; expected whole records of 3073");
  scratch_write(fresh("a.bin"), "", 0);
  expect_refused("cifar10", INPUTS(fresh("a.bin")), CVY_E_INPUT, "/a.bin: 0 bytes");
  mkdir(fresh("empty"), 0777);
  expect_refused("cifar10", INPUTS(fresh("empty")), CVY_E_INPUT, "no 'test_batch.bin' in it");
  end();
}

static void cifar_damage_never_crashes(void) {
  begin_quietly();
  packed members[6] = {0};
  pack_cifar10(members, "c/");
  for (int f = 0; f < 5; f++)
    members[f].name = cvy_pool_format(pool, "c/%d", f); /* the test batch alone counts */
  write_archive(fresh("c"), "gnutar", "gzip", members, 6);
  const file_bytes whole = read_whole(fresh("c"));
  for (size_t k = 0; k < whole.count; k += 3) {
    scratch_write(fresh("cut"), whole.bytes, k);
    CU_ASSERT_EQUAL(go_through("cifar10", fresh("cut"), NULL), CVY_E_INPUT);
    whole.bytes[k] ^= 0x10;
    scratch_write(fresh("flipped"), whole.bytes, whole.count);
    const cvy_err err = open_plain("cifar10", fresh("flipped"), NULL);
    CU_ASSERT(err == CVY_OK || err == CVY_E_INPUT);
    for (int i = 0; i < 3 && !err; i++)
      expect_cifar("cifar10", i, 15 + i, 5 + i); /* its CRC-32 sees all else */
    if (!err) reader_named("cifar10")->close(&source);
    whole.bytes[k] ^= 0x10;
  }
  free(whole.bytes);
  end();
}

SUITE("sources", TEST(cifar10_made_here), TEST(cifar100_made_here), TEST(cifar_refuses),
      TEST(cifar_damage_never_crashes))
