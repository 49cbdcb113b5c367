/* Tests the readers of public sets that are not folders of pictures: cifar10, cifar100, imagenet; and
 * synthetic-photos. */
#include "suite.h"
#include "archives.h"
#include "protobufs.h"
#include "reading.h"

#include <math.h>

/* Opens a reader with an option and up to four inputs. */
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

/* ---- cifar ---- */

/* Makes a file whose record i has labels (first + i) % 20 / 2 and (first + i) % 10, or the latter alone. The
 * sample of channel k at (y, x) is (first + i + 50 k + 2 y + x) % 256. */
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

/* Packs data_batch_1.bin to 5 and test_batch.bin, of three records each. */
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

/* Checks the splits of the made set; `name` is in the name of record 0 of train. */
static void expect_cifar10_splits(const char *path, const char *name) {
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
  CU_ASSERT_PTR_NOT_NULL(strstr(record.name, name));
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
  expect_cifar10_splits(fresh("cifar.tar.gz"), "/data_batch_1.bin: record 0");
  mkdir(fresh("cifar-10-batches-bin"), 0777);
  for (int f = 0; f < 6; f++) write_maker(fresh(members[f].name), &bin[f]);
  expect_cifar10_splits(fresh("cifar-10-batches-bin"), "/data_batch_1.bin: record 0");
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

/* ---- the Python version ---- */

#define PUT(to, literal) put_bytes(to, literal, sizeof(literal) - 1)

/* Makes of records of the binary version what Python 2's cPickle wrote for the real one. */
static void pickle_cifar(maker *to, const maker *records, int label_bytes) {
  static const char *const keys[2][2] = {{"labels", ""}, {"coarse_labels", "fine_labels"}};
  const int stride = 3072 + label_bytes, count = (int)records->count / stride, bytes = 3072 * count;
  to->count = 0;
  PUT(to, "\x80\x02}q\x01(U\x0b"
          "batch_labelq\x02U\x15training batch 1 of 5q\x03");
  for (int k = 0; k < label_bytes; k++) {
    const char *key = keys[label_bytes - 1][k];
    put(to, 'U');
    put(to, (int)strlen(key));
    put_bytes(to, key, strlen(key));
    PUT(to, "]q\x04(");
    for (int i = 0; i < count; i++) {
      put(to, 'K');
      put(to, records->bytes[i * stride + k]);
    }
    put(to, 'e');
  }
  PUT(to, "U\x04"
          "dataq\x06"
          "cnumpy.core.multiarray\n_reconstruct\nq\x07"
          "cnumpy\nndarray\nq\x08K\0\x85q\tU\x01"
          "bq\n\x87Rq\x0b(K\1K");
  put(to, count);
  PUT(to,
      "M\0\x0c\x86"
      "cnumpy\ndtype\nq\x0cU\x02u1K\0K\1\x87Rq\r(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89T");
  for (int i = 0; i < 4; i++) put(to, bytes >> (8 * i) & 255);
  for (int i = 0; i < count; i++) put_bytes(to, records->bytes + i * stride + label_bytes, 3072);
  PUT(to, "tbu.");
}

static maker pickled[6];

/* Packs the same records as pack_cifar10, in files of the Python version. */
static void pickle_cifar10(packed members[6], const char *folder) {
  pack_cifar10(members, "");
  for (int f = 0; f < 6; f++) {
    pickle_cifar(&pickled[f], &bin[f], 1);
    members[f].name = f < 5 ? cvy_pool_format(pool, "%sdata_batch_%d", folder, f + 1)
                            : cvy_pool_format(pool, "%stest_batch", folder);
    members[f].bytes = pickled[f].bytes;
    members[f].count = pickled[f].count;
  }
}

static void cifar10_python_version(void) {
  begin_quietly();
  packed members[6] = {0};
  pickle_cifar10(members, "cifar-10-batches-py/");
  write_archive(fresh("cifar.tar.gz"), "gnutar", "gzip", members, 6);
  expect_cifar10_splits(fresh("cifar.tar.gz"), "/data_batch_1: record 0");
  mkdir(fresh("cifar-10-batches-py"), 0777);
  for (int f = 0; f < 6; f++) write_maker(fresh(members[f].name), &pickled[f]);
  expect_cifar10_splits(fresh("cifar-10-batches-py"), "/data_batch_1: record 0");
  write_maker(fresh("b.bin"), &bin[1]); /* both versions in one split */
  CU_ASSERT_EQUAL_FATAL(open_inputs("cifar10", NULL, NULL, INPUTS(fresh(members[0].name), fresh("b.bin"))),
                        CVY_OK);
  CU_ASSERT_EQUAL(source.count, 6);
  for (int i = 0; i < 6; i++) expect_cifar("cifar10", i, i, i);
  reader_named("cifar10")->close(&source);
  end();
}

static void cifar100_python_version(void) {
  begin_quietly();
  make_cifar(&bin[0], 2, 5, 9);
  pickle_cifar(&pickled[0], &bin[0], 2);
  write_maker(fresh("train"), &pickled[0]);
  CU_ASSERT_EQUAL_FATAL(open_inputs("cifar100", NULL, NULL, INPUTS(fresh_dir)), CVY_OK);
  CU_ASSERT(source.count == 9 && source.class_count == 100);
  expect_cifar("cifar100", 6, 11, 1);
  reader_named("cifar100")->close(&source);
  CU_ASSERT_EQUAL_FATAL(open_inputs("cifar100", "labels", "coarse", INPUTS(fresh("train"))), CVY_OK);
  expect_cifar("cifar100", 6, 11, 5);
  reader_named("cifar100")->close(&source);
  end();
}

static void cifar_python_version_refuses(void) {
  begin_quietly();
  make_cifar(&bin[0], 1, 0, 3);
  pickle_cifar(&pickled[0], &bin[0], 1);
  write_maker(fresh("a"), &pickled[0]);
  expect_refused("cifar100", INPUTS(fresh("a")), CVY_E_INPUT, "/a: a pickle without the list 'fine_labels'");
  uint8_t *labels = memchr(pickled[0].bytes, ']', pickled[0].count);
  labels[9] = 10;
  write_maker(fresh("a"), &pickled[0]);
  expect_refused("cifar10", INPUTS(fresh("a")), CVY_E_INPUT, "/a: record 2: label 10; expected 0 to 9");
  pickled[0].count -= 2;
  write_maker(fresh("a"), &pickled[0]);
  expect_refused("cifar10", INPUTS(fresh("a")), CVY_E_INPUT, "/a: byte ");
  write_text("b", "\x80\2}U\4dataK\1s.");
  expect_refused("cifar10", INPUTS(fresh("b")), CVY_E_INPUT, "/b: no array of NumPy");
  write_text("b", "\x80\2}U\4datbK\1s.");
  expect_refused("cifar10", INPUTS(fresh("b")), CVY_E_INPUT, "/b: a pickle without 'data'");
  end();
}

/* Puts a dtype of NumPy: "i8", and '<' or '>' for the order of its bytes. */
static void put_dtype(maker *to, const char *type, char order) {
  PUT(to, "cnumpy\ndtype\nU\x02");
  put_bytes(to, type, 2);
  PUT(to, "K\0K\1\x87R(K\x03U\x01");
  put(to, order);
  PUT(to, "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb");
}

/* Puts an array of NumPy, of the shape `dims`, which ends with 0. */
static void put_array(maker *to, const char *type, char order, bool fortran, const int *dims,
                      const void *bytes, size_t count) {
  PUT(to, "cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\x01"
          "b\x87R(K\1(");
  for (; *dims; dims++) {
    put(to, 'M');
    put(to, *dims & 255);
    put(to, *dims >> 8);
  }
  put(to, 't');
  put_dtype(to, type, order);
  put(to, fortran ? 0x88 : 0x89);
  put(to, 'T');
  for (int i = 0; i < 4; i++) put(to, (int)(count >> (8 * i) & 255));
  put_bytes(to, bytes, count);
  PUT(to, "tb");
}

/* Puts the array 'data' of three records into a dict. */
static void put_data(maker *to, const char *type, bool fortran, const int *dims) {
  static uint8_t samples[8 * 3 * 3072];
  make_cifar(&bin[0], 1, 0, 3);
  for (int i = 0; i < 3; i++) memcpy(samples + 3072 * i, bin[0].bytes + 3073 * i + 1, 3072);
  PUT(to, "U\x04"
          "data");
  put_array(to, type, '|', fortran, dims, samples, (size_t)(type[1] - '0') * 3 * 3072);
  put(to, 's');
}

/* Opens a pickle of three pictures with the labels that `put_labels` puts. It must fail with `message`, or
 * without one the labels must be 0, 1 and 2. */
static void expect_labels(void (*put_labels)(maker *to), const char *message) {
  maker *to = &pickled[0];
  to->count = 0;
  PUT(to, "\x80\x02}");
  put_data(to, "u1", false, (const int[]){3, 3, 32, 32, 0});
  PUT(to, "U\x06labels");
  put_labels(to);
  PUT(to, "s.");
  write_maker(fresh("a"), to);
  if (message) {
    expect_refused("cifar10", INPUTS(fresh("a")), CVY_E_INPUT, message);
    return;
  }
  CU_ASSERT_EQUAL_FATAL(open_inputs("cifar10", NULL, NULL, INPUTS(fresh("a"))), CVY_OK);
  for (int i = 0; i < 3; i++) expect_cifar("cifar10", i, i, i);
  reader_named("cifar10")->close(&source);
}

static void labels_i8(maker *to) {
  put_array(to, "i8", '<', false, (const int[]){3, 0}, (const int64_t[]){0, 1, 2}, 24);
}

static void labels_u2_column(maker *to) {
  put_array(to, "u2", '>', false, (const int[]){3, 1, 0}, "\0\0\0\1\0\2", 6);
}

static void labels_negative(maker *to) {
  put_array(to, "i2", '>', false, (const int[]){3, 0}, "\0\0\0\1\xff\xfe", 6);
}

static void labels_float_array(maker *to) {
  put_array(to, "f8", '<', false, (const int[]){3, 0}, (const double[]){0, 1, 2}, 24);
}

static void labels_one_hot(maker *to) {
  put_array(to, "u1", '|', false, (const int[]){3, 2, 0}, "\0\1\0\1\0\1", 6);
}

static void labels_scalars(maker *to) {
  PUT(to, "](K\0K\1cnumpy.core.multiarray\nscalar\n(");
  put_dtype(to, "i4", '<');
  PUT(to, "U\x04\2\0\0\0tRe");
}

static void labels_float(maker *to) {
  PUT(to, "](K\0K\1F2.5\ne");
}

static void labels_bool(maker *to) {
  PUT(to, "](\x88K\1K\2e");
}

static void labels_text(maker *to) {
  PUT(to, "](K\0U\x03"
          "catK\2e");
}

static void labels_huge(maker *to) {
  PUT(to, "](K\0K\1\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
          "e");
}

/* Sets that others have saved again, with labels and pictures in other forms. */
static void cifar_pickled_again(void) {
  begin_quietly();
  expect_labels(labels_i8, NULL);
  expect_labels(labels_u2_column, NULL);
  expect_labels(labels_scalars, NULL);
  expect_labels(labels_negative, "/a: record 2: label -2; expected 0 to 9");
  expect_labels(labels_float_array, "/a: its 'labels' is float64 [3]; expected whole numbers, [records]");
  expect_labels(labels_one_hot, "/a: its 'labels' is uint8 [3][2]; expected whole numbers, [records]");
  expect_labels(labels_float, "/a: record 2: its label is the float 2.5; expected a whole number");
  expect_labels(labels_bool, "/a: record 0: its label is True; expected a whole number");
  expect_labels(labels_text, "/a: record 1: its label is the text 'cat'; expected a whole number");
  expect_labels(labels_huge, "/a: record 2: its label is a number beyond 64 bits; expected a whole number");
  static const struct {
    const char *type;
    bool fortran;
    int dims[5];
    const char *found;
  } cases[] = {{"u1", true, {3, 3072}, "uint8 [3][3072] in Fortran's order"},
               {"u1", false, {3, 32, 32, 3}, "uint8 [3][32][32][3]"},
               {"f4", false, {3, 3072}, "float32 [3][3072]"}};
  for (int i = 0; i < CVY_COUNT(cases); i++) {
    pickled[0].count = 0;
    PUT(&pickled[0], "\x80\x02}");
    put_data(&pickled[0], cases[i].type, cases[i].fortran, cases[i].dims);
    put(&pickled[0], '.');
    write_maker(fresh("a"), &pickled[0]);
    expect_refused(
        "cifar10", INPUTS(fresh("a")), CVY_E_INPUT,
        cvy_pool_format(pool, "/a: its 'data' is %s; expected uint8 [records][3072] or ", cases[i].found));
  }
  end();
}

/* Pickles of Python 3 in every protocol, made of the same records. */
static void cifar_python_itself(void) {
  static const char script[] =
      "import numpy, pickle, sys\n"
      "d = sys.argv[1] + '/'\n"
      "for f in ['data_batch_%d' % i for i in range(1, 6)] + ['test_batch']:\n"
      "  r = numpy.frombuffer(open(d + f + '.bin', 'rb').read(), 'u1').reshape(-1, 3073)\n"
      "  v = {'data': numpy.ascontiguousarray(r[:, 1:]), 'labels': r[:, 0].tolist()}\n"
      "  v['filenames'] = ['x'] * len(r)\n"
      "  if int(sys.argv[2]) == 2: v = {k.encode(): x for k, x in v.items()}\n"
      "  open(d + f, 'wb').write(pickle.dumps(v, int(sys.argv[2])))\n";
  if (!scratch_python_has("numpy", "cifar_python_itself")) return;
  for (int protocol = 0; protocol < 6; protocol++) {
    begin_quietly();
    packed members[6] = {0};
    pack_cifar10(members, "");
    for (int f = 0; f < 6; f++) write_maker(fresh(members[f].name), &bin[f]);
    write_text("make.py", script);
    char *command = cvy_format("/usr/bin/python3 %s %s %d", fresh("make.py"), fresh_dir, protocol);
    CU_ASSERT_EQUAL_FATAL(system(command), 0);
    free(command);
    for (int f = 0; f < 6; f++) remove(fresh(members[f].name));
    expect_cifar10_splits(fresh_dir, "/data_batch_1: record 0");
    end();
  }
}

static void cifar_python_of_a_bug_report(void) {
  const char *data = test_data("CIFAR's Python version");
  if (!data) return;
  begin_quietly();
  const char *path = cvy_pool_format(pool, "%s/reported/cifar-python-version/cifar-10-python.tar.gz", data);
  const char *train = cvy_pool_format(pool, "%s:train", path);
  CU_ASSERT_EQUAL_FATAL(open_inputs("cifar10", NULL, NULL, INPUTS(train)), CVY_OK);
  CU_ASSERT_EQUAL(source.count, 50);
  reader_named("cifar10")->close(&source);
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
  remove(fresh("test_batch.bin"));
  cvy_prepare_input *found;
  int64_t count;
  CU_ASSERT_EQUAL(reader_named("cifar10")->find_splits(&found, &count, pool, fresh_dir), CVY_E_INPUT);
  CU_ASSERT(says("'data_batch_1.bin' is there, but not 'test_batch.bin'; "));
  const char *train = cvy_pool_format(pool, "%s:train", fresh_dir);
  CU_ASSERT(says(cvy_pool_format(pool, "; %s takes what is there, cut by --split", train)));
  CU_ASSERT_EQUAL(reader_named("cifar10")->find_splits(&found, &count, pool, train), CVY_OK);
  CU_ASSERT_EQUAL(count, 0);
  CU_ASSERT_EQUAL_FATAL(open_inputs("cifar10", NULL, NULL, INPUTS(train)), CVY_OK);
  CU_ASSERT_EQUAL(source.count, 15);
  reader_named("cifar10")->close(&source);
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

/* ---- imagenet ---- */

static const char *const ids[3] = {"n03000002", "n01000001", "n02000003"};
static maker m;
static file_bytes photo[9]; /* of class i / 3, in the order of `ids` */

static void begin_imagenet(void) {
  begin_quietly();
  for (int i = 0; i < 9; i++)
    photo[i] = make_picture(i % 4 != 0, 8 + i, 17 - i, (const uint8_t[3]){(uint8_t)(20 * i), 9, 90});
}

static void end_imagenet(void) {
  for (int i = 0; i < 9; i++) free(photo[i].bytes);
  end();
}

/* Writes a tar of the three classes' tars; `inner` is their format. */
static void write_train(const char *path, const char *outer, const char *inner, int64_t classes) {
  packed tars[3] = {{0}}, members[3];
  file_bytes held[3];
  for (int k = 0; k < classes; k++) {
    for (int i = 0; i < 3; i++)
      members[i] = (packed){cvy_pool_format(pool, "%s_%d.JPEG", ids[k], i), photo[3 * k + i].bytes,
                            photo[3 * k + i].count, NULL};
    write_archive(fresh("inner.tar"), inner, NULL, members, 3);
    held[k] = read_whole(fresh("inner.tar"));
    tars[k] = (packed){cvy_pool_format(pool, "%s.tar", ids[k]), held[k].bytes, held[k].count, NULL};
  }
  write_archive(path, outer, NULL, tars, classes);
  for (int k = 0; k < classes; k++) free(held[k].bytes);
}

/* Writes pictures of classes 2, 2, 2, 0, 0, 0, 1, 1, 1: picture i (from 1) is photo[i - 1]. */
static void write_val(const char *path) {
  packed members[9];
  for (int i = 0; i < 9; i++)
    members[i] = (packed){cvy_pool_format(pool, "ILSVRC2012_val_%08d.JPEG", i + 1), photo[i].bytes,
                          photo[i].count, NULL};
  write_archive(path, "gnutar", NULL, members, 9);
}

static void expect_photo(int64_t index, int i, int32_t label) {
  CU_ASSERT_EQUAL_FATAL(reader_named("imagenet")->read(&record, &source, index), CVY_OK);
  CU_ASSERT_EQUAL(record.label, label);
  CU_ASSERT(record.encoded_bytes == photo[i].count &&
            memcmp(record.encoded, photo[i].bytes, photo[i].count) == 0);
}

static const int32_t expected_label[3] = {2, 0, 1};

static void expect_all_photos(const char *const *names) {
  CU_ASSERT(source.count == 9 && source.class_count == 3);
  for (int k = 0; k < 3; k++) CU_ASSERT_STRING_EQUAL(source.class_names[k], names[k]);
  CU_ASSERT(reads_again("imagenet"));
  for (int i = 8; i >= 0; i--) expect_photo(i, i, expected_label[i / 3]);
  reader_named("imagenet")->close(&source);
}

static const char *const bare_names[] = {"n01000001", "n02000003", "n03000002"};
static const char *const word_names[] = {"n01000001 tench", "n02000003 crane", "n03000002 crane"};
static const char synset_text[] = "n01000001 tench, Tinca tinca\nn02000003 crane\nn03000002 crane\n";

static void imagenet_train(void) {
  static const char *const formats[] = {"gnutar", "ustar", "pax", "v7tar"};
  begin_imagenet();
  write_text("words.txt", synset_text);
  for (int64_t f = 0; f < CVY_COUNT(formats); f++) {
    write_train(fresh("train.tar"), formats[f], formats[CVY_COUNT(formats) - 1 - f], 3);
    CU_ASSERT_EQUAL_FATAL(open_plain("imagenet", fresh("train.tar"), NULL), CVY_OK);
    expect_all_photos(bare_names);
    CU_ASSERT_EQUAL_FATAL(open_plain("imagenet", fresh("words.txt"), fresh("train.tar")), CVY_OK);
    CU_ASSERT(strstr(source.class_names[0], "Tinca") == NULL);
    expect_all_photos(word_names);
  }
  end_imagenet();
}

/* Writes the labels of write_val, in one of the forms that are about. */
static void make_truth(char *out, int form) {
  out[0] = 0;
  if (form == 2) strcpy(out, "ImageId,PredictionString\n");
  for (int n = 0; n < 9; n++) {
    const int i = form == 2 ? 8 - n : n; /* Kaggle's is in no order */
    char line[100];
    const char *const id = ids[i / 3];
    if (form == 0) snprintf(line, sizeof line, "ILSVRC2012_val_%08d.JPEG %s\n", i + 1, id);
    if (form == 1)
      snprintf(line, sizeof line, "ILSVRC2012_val_%08d.JPEG %d\r\n", i + 1, expected_label[i / 3]);
    if (form == 2) snprintf(line, sizeof line, "ILSVRC2012_val_%08d,%s 85 131 499 254 \n", i + 1, id);
    if (form == 3) snprintf(line, sizeof line, "%d\n", i / 3 + 1); /* the kit's order is that of `ids` here */
    strcat(out, line);
  }
}

/* ---- meta.mat by hand ---- */

static void put_element(maker *to, uint32_t type, const void *bytes, size_t count) {
  put_u32(to, type, false);
  put_u32(to, (uint32_t)count, false);
  for (size_t i = 0; i < count; i++) put(to, ((const unsigned char *)bytes)[i]);
  while (to->count % 8) put(to, 0);
}

static void put_small(maker *to, uint32_t type, const void *bytes, size_t count) {
  put_u32(to, type | (uint32_t)count << 16, false);
  for (size_t i = 0; i < 4; i++) put(to, i < count ? ((const unsigned char *)bytes)[i] : 0);
}

static void put_array_head(maker *to, uint32_t class, int32_t h, int32_t w, const char *name) {
  const uint32_t flags[2] = {class, 0};
  const int32_t sizes[2] = {h, w};
  put_element(to, 6, flags, 8);
  put_element(to, 5, sizes, 8);
  put_element(to, 1, name, strlen(name));
}

/* Begins an element of type 14; end_matrix fills in its length. */
static size_t begin_matrix(maker *to) {
  put_u32(to, 14, false);
  put_u32(to, 0, false);
  return to->count;
}

static void end_matrix(maker *to, size_t begin) {
  const uint32_t bytes = (uint32_t)(to->count - begin);
  for (int i = 0; i < 4; i++) to->bytes[begin - 4 + (size_t)i] = (unsigned char)(bytes >> 8 * i);
}

static void put_number(maker *to, double value, bool as_double) {
  const size_t begin = begin_matrix(to);
  const uint16_t word = (uint16_t)value;
  put_array_head(to, 6, 1, 1, "");
  if (as_double)
    put_element(to, 9, &value, 8);
  else
    put_small(to, 4, &word, 2);
  end_matrix(to, begin);
}

static void put_chars(maker *to, const char *text, bool wide) {
  const size_t begin = begin_matrix(to), length = strlen(text);
  uint16_t units[64];
  for (size_t i = 0; i < length; i++) units[i] = (unsigned char)text[i];
  put_array_head(to, 4, 1, (int32_t)length, "");
  if (wide)
    put_element(to, 4, units, 2 * length);
  else
    put_element(to, 16, text, length);
  end_matrix(to, begin);
}

/* Makes a list of three classes and, as in the real one, a synset above them. */
static void make_meta(maker *to, bool deflated) {
  static const char *const words[] = {"crane", "tench, Tinca tinca", "crane", "fish"};
  static const char names[4][16] = {"ILSVRC2012_ID", "WNID", "words", "num_children"};
  static maker inner;
  const uint32_t width = 16;
  inner.count = 0;
  const size_t begin = begin_matrix(&inner);
  put_array_head(&inner, 2, 4, 1, "synsets");
  put_small(&inner, 5, &width, 4);
  put_element(&inner, 1, names, sizeof names);
  for (int i = 0; i < 4; i++) {
    put_number(&inner, i + 1, i % 2);
    put_chars(&inner, i < 3 ? ids[i] : "n00000009", i % 2 == 0);
    put_chars(&inner, words[i], i % 2);
    put_number(&inner, i < 3 ? 0 : 3, false);
  }
  end_matrix(&inner, begin);
  memset(to->bytes, ' ', 128);
  memcpy(to->bytes, "MATLAB 5.0 MAT-file", 19);
  memcpy(to->bytes + 124, "\0\1IM", 4);
  to->count = 128;
  if (deflated) {
    uLongf length = sizeof to->bytes - 200;
    if (compress(to->bytes + 136, &length, inner.bytes, inner.count) != Z_OK) exit(1);
    put_u32(to, 15, false);
    put_u32(to, (uint32_t)length, false);
    to->count += length;
  } else {
    memcpy(to->bytes + 128, inner.bytes, inner.count);
    to->count += inner.count;
  }
}

static void write_devkit(const char *path, const char *truth, bool deflated) {
  make_meta(&m, deflated);
  const packed members[] = {{"kit/data/meta.mat", m.bytes, m.count, NULL},
                            {"kit/data/ILSVRC2012_validation_ground_truth.txt", truth, strlen(truth), NULL}};
  write_archive(path, "gnutar", "gzip", members, 2);
}

static void imagenet_val(void) {
  begin_imagenet();
  char truth[1000];
  write_val(fresh("val.tar"));
  write_text("words.txt", synset_text);
  for (int form = 0; form < 3; form++) {
    make_truth(truth, form);
    write_text("truth.txt", truth);
    CU_ASSERT_EQUAL_FATAL(
        open_inputs("imagenet", NULL, NULL, INPUTS(fresh("truth.txt"), fresh("val.tar"), fresh("words.txt"))),
        CVY_OK);
    expect_all_photos(word_names);
    if (form == 1) continue;
    CU_ASSERT_EQUAL_FATAL(open_plain("imagenet", fresh("val.tar"), fresh("truth.txt")), CVY_OK);
    expect_all_photos(bare_names);
  }
  make_truth(truth, 3);
  write_text("truth.txt", truth);
  for (int deflated = 0; deflated < 2; deflated++) {
    write_devkit(fresh("devkit.tar.gz"), truth, deflated);
    CU_ASSERT_EQUAL_FATAL(open_plain("imagenet", fresh("val.tar"), fresh("devkit.tar.gz")), CVY_OK);
    expect_all_photos(word_names);
    write_maker(fresh("meta.mat"), &m);
    CU_ASSERT_EQUAL_FATAL(
        open_inputs("imagenet", NULL, NULL, INPUTS(fresh("meta.mat"), fresh("truth.txt"), fresh("val.tar"))),
        CVY_OK);
    expect_all_photos(word_names);
  }
  end_imagenet();
}

static void imagenet_finds_splits(void) {
  begin_imagenet();
  char truth[1000];
  cvy_prepare_input *found;
  int64_t count;
  const cvy_reader *reader = reader_named("imagenet");
  CU_ASSERT_EQUAL(reader->find_splits(&found, &count, pool, fresh_dir), CVY_E_INPUT);
  CU_ASSERT(says("neither ILSVRC2012_img_train.tar nor"));
  write_train(fresh("ILSVRC2012_img_train.tar"), "gnutar", "gnutar", 3);
  CU_ASSERT_EQUAL(reader->find_splits(&found, &count, pool, fresh_dir), CVY_OK);
  CU_ASSERT(count == 1 && strcmp(found[0].split, "train") == 0);
  write_val(fresh("ILSVRC2012_img_val.tar"));
  CU_ASSERT_EQUAL(reader->find_splits(&found, &count, pool, fresh_dir), CVY_E_INPUT);
  CU_ASSERT(says("without its labels"));
  make_truth(truth, 3);
  write_devkit(fresh("ILSVRC2012_devkit_t12.tar.gz"), truth, true);
  CU_ASSERT_EQUAL(reader->find_splits(&found, &count, pool, fresh_dir), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(count, 4);
  for (int64_t val = 0; val < 2; val++) {
    CU_ASSERT_STRING_EQUAL(found[2 * val].split, val ? "val" : "train");
    CU_ASSERT_EQUAL_FATAL(open_plain("imagenet", found[2 * val].path, found[2 * val + 1].path), CVY_OK);
    expect_all_photos(word_names);
  }
  expect_refused("imagenet", INPUTS(fresh_dir), CVY_E_INPUT, "a folder; give it alone and without --split");
  end_imagenet();
}

static void expect_val_refused(const char *truth, const char *message) {
  write_text("truth.txt", truth);
  expect_refused("imagenet", INPUTS(fresh("val.tar"), fresh("truth.txt")), CVY_E_INPUT, message);
}

static void imagenet_refuses(void) {
  begin_imagenet();
  char truth[1000];
  write_val(fresh("val.tar"));
  expect_refused("imagenet", INPUTS(fresh("val.tar")), CVY_E_INPUT, "so it needs their labels");
  expect_val_refused("\n", "/truth.txt: no line in it");
  make_truth(truth, 3);
  expect_val_refused(truth, "give its meta.mat or ILSVRC2012_devkit_t12.tar.gz too");
  make_truth(truth, 1);
  expect_val_refused(truth, "by its number; give a list of synsets too");
  make_truth(truth, 0);
  strcat(truth, "ILSVRC2012_val_00000010.JPEG n01000001\n");
  expect_val_refused(truth, "/truth.txt:10: 'ILSVRC2012_val_00000010' is not in ");
  strcat(truth, "ILSVRC2012_val_00000010.JPEG n01000001\n");
  expect_val_refused(truth, "'ILSVRC2012_val_00000010' for the second time");
  expect_val_refused("ILSVRC2012_val_00000001.JPEG n01000001\nILSVRC2012_val_00000002.JPEG n02000001\n",
                     "'ILSVRC2012_val_00000003.JPEG' has no label in ");
  expect_val_refused("ILSVRC2012_val_00000001.JPEG n01000001\nILSVRC2012_val_00000002.JPEG cat\n",
                     "/truth.txt:2: 'cat' for 'ILSVRC2012_val_00000002.JPEG'; expected a synset");
  make_truth(truth, 0);
  write_text("truth.txt", truth);
  write_text("words.txt", "n01000001 tench\nn02000003 crane\nn04000002 crane\n");
  expect_refused("imagenet", INPUTS(fresh("val.tar"), fresh("truth.txt"), fresh("words.txt")), CVY_E_INPUT,
                 "/truth.txt:1: 'n03000002' is no class of ");
  write_text("more.txt", "n04000002 x\nn04000003 y\n");
  expect_refused("imagenet", INPUTS(fresh("val.tar"), fresh("more.txt"), fresh("words.txt")), CVY_E_INPUT,
                 "both are lists of synsets");
  write_text("words.txt", "n01000001 tench\nn02000003 crane\nn03000002 crane\nn04000002 crane\n");
  CU_ASSERT_EQUAL_FATAL(
      open_inputs("imagenet", NULL, NULL, INPUTS(fresh("val.tar"), fresh("truth.txt"), fresh("words.txt"))),
      CVY_OK);
  CU_ASSERT(source.class_count == 4 && source.class_sizes[2] > 0 && source.class_sizes[3] == 0);
  reader_named("imagenet")->close(&source);
  write_train(fresh("train.tar"), "gnutar", "gnutar", 1);
  expect_one_class("imagenet", fresh("train.tar"), NULL, "n03000002");
  expect_refused("imagenet", INPUTS(fresh("train.tar"), fresh("val.tar")), CVY_E_INPUT,
                 "both are archives of pictures");
  expect_refused("imagenet", INPUTS(fresh("truth.txt")), CVY_E_INPUT, "no archive of pictures");
  expect_refused("imagenet", INPUTS(fresh("none.tar")), CVY_E_INPUT, "none.tar: cannot open");
  CU_ASSERT_EQUAL(open_plain("imagenet", NULL, NULL), CVY_E_USAGE);
  const packed stray[] = {{"n01000001.tar", "x", 1, NULL}, {"n01000002.jpg", "x", 1, NULL}};
  write_archive(fresh("stray.tar"), "gnutar", NULL, stray, 2);
  expect_refused("imagenet", INPUTS(fresh("stray.tar")), CVY_E_INPUT,
                 "'n01000002.jpg'; expected one tar a class");
  const packed small[] = {{"n01000001.tar", "x", 1, NULL}, {"n01000002.tar", "x", 1, NULL}};
  write_archive(fresh("small.tar"), "gnutar", NULL, small, 2);
  expect_refused("imagenet", INPUTS(fresh("small.tar")), CVY_E_INPUT,
                 "small.tar: n01000001.tar: no tar: 1 bytes");
  end_imagenet();
}

static void imagenet_damage_never_crashes(void) {
  begin_imagenet();
  char truth[1000];
  write_train(fresh("train.tar"), "gnutar", "gnutar", 2);
  write_val(fresh("val.tar"));
  make_truth(truth, 3);
  for (int what = 0; what < 3; what++) {
    if (what) make_meta(&m, what == 2);
    if (what) write_maker(fresh("meta.mat"), &m);
    write_text("truth.txt", truth);
    const file_bytes whole = read_whole(fresh(what ? "meta.mat" : "train.tar"));
    for (size_t k = 0; k < whole.count; k += what ? 1 : 23)
      for (int cut = 0; cut < 2; cut++) {
        whole.bytes[k] ^= 0x41;
        scratch_write(fresh("damaged"), whole.bytes, cut ? k : whole.count);
        whole.bytes[k] ^= 0x41;
        const cvy_err err = open_inputs("imagenet", NULL, NULL,
                                        what ? INPUTS(fresh("damaged"), fresh("val.tar"), fresh("truth.txt"))
                                             : INPUTS(fresh("damaged")));
        CU_ASSERT(err == CVY_E_INPUT || (err == CVY_OK && (!cut || k + 512 >= whole.count)));
        if (!err) reader_named("imagenet")->close(&source);
      }
    free(whole.bytes);
  }
  end_imagenet();
}

/* Real photographs and the real list are read, in tars made here. */
static void imagenet_itself(void) {
  static const char *const names[] = {"n01440764_tench", "n01496331_electric_ray", "n02391049_zebra"};
  const char *data = test_data("ImageNet's photographs");
  if (!data) return;
  begin_quietly();
  packed tars[3];
  file_bytes held[3];
  char path[4200];
  for (int k = 0; k < 3; k++) {
    snprintf(path, sizeof path, "%s/imagenet-photos/%s.JPEG", data, names[k]);
    photo[k] = read_whole(path);
    const packed member = {names[k], photo[k].bytes, photo[k].count, NULL};
    write_archive(fresh("inner.tar"), "gnutar", NULL, &member, 1);
    held[k] = read_whole(fresh("inner.tar"));
    tars[k] = (packed){cvy_pool_format(pool, "%.9s.tar", names[k]), held[k].bytes, held[k].count, NULL};
  }
  write_archive(fresh("train.tar"), "gnutar", NULL, tars, 3);
  CU_ASSERT_EQUAL_FATAL(open_plain("imagenet", fresh("train.tar"), NULL), CVY_OK);
  for (int k = 2; k >= 0; k--) expect_photo(k, k, k);
  reader_named("imagenet")->close(&source);
  snprintf(path, sizeof path, "%s/labels/synset_words.txt", data);
  CU_ASSERT_EQUAL_FATAL(open_plain("imagenet", fresh("train.tar"), path), CVY_OK);
  CU_ASSERT(source.class_sizes[0] == 1 && source.class_sizes[1] == 0);
  CU_ASSERT_STRING_EQUAL(source.class_names[1], "n01443537 goldfish");
  reader_named("imagenet")->close(&source);
  for (int k = 0; k < 3; k++) free(held[k].bytes);
  for (int k = 0; k < 3; k++) free(photo[k].bytes);
  end();
}

/* ---- synthetic-photos ---- */

static cvy_err open_photos(const char *option, const char *value, int64_t h, int64_t w, uint64_t seed) {
  const cvy_reader *reader = reader_named("synthetic-photos");
  return reader->open(&source, configure(reader, pool, option, value), NULL, 0, h, w, seed);
}

static cvy_hash hash_of(const void *bytes, size_t count) {
  cvy_hasher *hasher = cvy_hasher_create();
  cvy_hasher_add(hasher, bytes, count);
  const cvy_hash out = cvy_hasher_result(hasher);
  cvy_hasher_destroy(hasher);
  return out;
}

static void photos_are_a_function_of_seed_and_index(void) {
  enum { N = 24 };
  begin_quietly();
  const cvy_reader *reader = reader_named("synthetic-photos");
  cvy_hash first[N];
  double bits = 0, pixels = 0;
  CU_ASSERT_EQUAL_FATAL(open_photos("classes", "7", 0, 0, 5), CVY_OK);
  CU_ASSERT(source.count == 10000 && source.class_count == 7 && source.h == 0 && source.c == 3);
  for (int64_t i = 0; i < N; i++) {
    CU_ASSERT_EQUAL_FATAL(reader->read(&record, &source, i), CVY_OK);
    CU_ASSERT_EQUAL(record.label, i % 7);
    first[i] = hash_of(record.encoded, record.encoded_bytes);
    bits += 8 * (double)record.encoded_bytes;
    pixels += (double)(record.image.h * record.image.w);
  }
  reader->close(&source);
  CU_ASSERT(bits / pixels > 3.5 && bits / pixels < 6); /* 110 KB at 500x375: 4.7 */
  CU_ASSERT_EQUAL_FATAL(open_photos("classes", "7", 20, 30, 5), CVY_OK);
  for (int64_t i = N - 1; i >= 0; i -= 5) {
    CU_ASSERT_EQUAL_FATAL(reader->read(&record, &source, i), CVY_OK);
    CU_ASSERT_STRING_EQUAL(hash_of(record.encoded, record.encoded_bytes).hex, first[i].hex);
    CU_ASSERT(record.image.h == 20 && record.image.w == 30);
  }
  reader->close(&source);
  CU_ASSERT_EQUAL_FATAL(open_photos("classes", "7", 0, 0, 6), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(reader->read(&record, &source, 0), CVY_OK);
  CU_ASSERT(strcmp(hash_of(record.encoded, record.encoded_bytes).hex, first[0].hex) != 0);
  reader->close(&source);
  end();
}

static void photos_of_one_size(void) {
  begin_quietly();
  const cvy_reader *reader = reader_named("synthetic-photos");
  CU_ASSERT_EQUAL_FATAL(open_photos("pixels", "97x61", 0, 0, 1), CVY_OK);
  for (int64_t i = 0; i < 5; i++) {
    CU_ASSERT_EQUAL_FATAL(reader->read(&record, &source, 3000 + i), CVY_OK);
    CU_ASSERT(record.image.h == 61 && record.image.w == 97);
  }
  CU_ASSERT(reads_again("synthetic-photos"));
  reader->close(&source);
  CU_ASSERT_EQUAL(open_photos("pixels", "97x4", 0, 0, 1), CVY_E_USAGE);
  CU_ASSERT_EQUAL(open_photos("count", "999", 0, 0, 1), CVY_E_USAGE);
  CU_ASSERT(says("--classes 1000: only 999 photos"));
  CU_ASSERT_EQUAL(open_plain("synthetic-photos", "some-file", NULL), CVY_E_USAGE);
  CU_ASSERT(says("some-file"));
  end();
}

SUITE("sources", TEST(cifar10_made_here), TEST(cifar100_made_here), TEST(cifar10_python_version),
      TEST(cifar100_python_version), TEST(cifar_python_version_refuses), TEST(cifar_pickled_again),
      TEST(cifar_python_itself), TEST(cifar_python_of_a_bug_report), TEST(cifar_refuses),
      TEST(cifar_damage_never_crashes), TEST(imagenet_train), TEST(imagenet_val), TEST(imagenet_finds_splits),
      TEST(imagenet_refuses), TEST(imagenet_damage_never_crashes), TEST(imagenet_itself),
      TEST(photos_are_a_function_of_seed_and_index), TEST(photos_of_one_size))
