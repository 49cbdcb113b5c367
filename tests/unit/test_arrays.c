/* Tests HDF5 files as other programs write them: which datasets are found, how images lie, what labels mean,
 * and what is refused with which words. arrays_of_others.py writes the files. */
#include "reading.h"

#include "archive/arrays.h"
#include "base/text.h"

#include <fcntl.h>
#include <unistd.h>

/* Makes the files when they are needed first. It returns false where Python cannot make them. */
static bool have_files(const char *test) {
  static bool made;
  const char *home = getenv("CONVOY_SOURCE");
  CU_ASSERT_PTR_NOT_NULL_FATAL(home);
  if (made) return true;
  if (!scratch_python_has("h5py", test)) return false;
  char *command = cvy_format("/usr/bin/python3 '%s/tests/unit/arrays_of_others.py' '%s'", home,
                             scratch_folder());
  CU_ASSERT_EQUAL_FATAL(system(command), 0);
  free(command);
  return made = true;
}

/* Describes what was opened in a line, such as "6 of 3x5x1: 012012 of 0 1 2"; of many labels it has the first
 * ones. It returns what the error says if nothing was opened. */
static const char *outcome(bool *opened, const char *input, const char *split, const cvy_arrays_said *said) {
  static char line[5000];
  cvy_arrays *a;
  cvy_text text = cvy_text_in(line, sizeof line);
  char *path = cvy_format("%s/%s", scratch_folder(), input);
  cvy_log_enable(false);
  const cvy_err err = cvy_arrays_open(&a, (const char *const *)&path, 1, split,
                                      said ? said : &CVY_NOTHING_SAID, false);
  cvy_log_enable(true);
  free(path);
  *opened = !err;
  if (err) return cvy_err_message();
  cvy_text_add(&text, "%" PRId64 " of %" PRId64 "x%" PRId64 "x%" PRId64 ": ", a->count, a->h, a->w, a->c);
  for (int64_t i = 0; i < a->count && i < 9; i++) {
    const cvy_arrays_part *part = cvy_arrays_part_of(a, i);
    cvy_text_add(&text, "%d", part->labels[i - part->first]);
  }
  cvy_text_add(&text, " of");
  for (int64_t k = 0; k < a->class_count; k++) cvy_text_add(&text, " %s", a->class_names[k]);
  CU_ASSERT_FATAL(a->h == 3 && a->w == 5 && a->c <= 3);
  float row[45];
  uint8_t bytes[45];
  bool same = true;
  for (int64_t i = 0; i < a->count && a->count <= 6 && same; i++) {
    CU_ASSERT_EQUAL_FATAL(cvy_arrays_read(a, a->is_float ? (void *)row : bytes, i, 1), CVY_OK);
    for (int64_t y = 0; y < 3; y++)
      for (int64_t x = 0; x < 5; x++)
        for (int64_t k = 0; k < a->c; k++) {
          const int64_t at = y * a->row_step + x * a->column_step + k * a->channel_step;
          same = same && (a->is_float ? (int)row[at] : bytes[at]) == i * 40 + y * 15 + x * 3 + k;
        }
  }
  if (!same) cvy_text_add(&text, " (pixels differ)");
  cvy_arrays_close(a);
  return line;
}

typedef struct expectation {
  const char *input, *split, *outcome; /* the whole line, or a part of an error */
} expectation;

static void expect(const char *test, const expectation *all, int64_t count, const cvy_arrays_said *said) {
  if (!have_files(test)) return;
  for (int64_t i = 0; i < count; i++) {
    bool opened;
    const char *found = outcome(&opened, all[i].input, all[i].split, said);
    const bool good = opened ? strcmp(found, all[i].outcome) == 0 : strstr(found, all[i].outcome) != NULL;
    if (!good) printf("\n    %s: '%s', expected '%s'", all[i].input, found, all[i].outcome);
    CU_ASSERT_TRUE(good);
  }
}

#define USUAL "6 of 3x5x1: 012012 of 0 1 2"
#define FEWER "4 of 3x5x1: 0120 of 0 1 2"

static void labels_of_every_kind(void) {
  static const expectation all[] = {
      {"type_u1.h5", "train", USUAL},
      {"type_i2.h5", "train", USUAL},
      {"type_u4.h5", "train", USUAL},
      {"type_i8.h5", "train", USUAL},
      {"type_u8.h5", "train", USUAL},
      {"type_f2.h5", "train", USUAL},
      {"type_f4.h5", "train", USUAL},
      {"type_f8.h5", "train", USUAL},
      {"type_big_i4.h5", "train", USUAL},
      {"type_big_f8.h5", "train", USUAL},
      {"column.h5", "train", USUAL},
      {"row.h5", "train", USUAL},
      {"n111.h5", "train", USUAL},
      {"hot.h5", "train", USUAL},
      {"hot_int.h5", "train", USUAL},
      {"hot_bool.h5", "train", USUAL},
      {"hot_upright.h5", "train", USUAL},
      {"bool.h5", "train", "6 of 3x5x1: 011011 of 0 1"},
      {"one.h5", "train", "1 of 3x5x1: 0 of 0"},
      {"one_hot.h5", "train", "1 of 3x5x1: 1 of 0 1 2"},
      {"bytes.h5", "train", "6 of 3x5x1: 102102 of cat dog eel"},
      {"texts.h5", "train", "6 of 3x5x1: 102102 of cat dog eel"},
      {"texts_column.h5", "train", "6 of 3x5x1: 102102 of cat dog eel"},
      {"digits.h5", "train", "6 of 3x5x1: 210210 of 2 9 10"},
      {"enum.h5", "train", "6 of 3x5x1: 012012 of CAT DOG EEL"},
      {"packed_texts.h5", "train", "3000 of 3x5x1: 111111111 of cat dog eel"},
      {"gap.h5", "train", "6 of 3x5x1: 024024 of 0 1 2 3 4"},
      {"own_names.h5", "train", "6 of 3x5x1: 012012 of dog cat eel fox"},
      {"own_names_texts.h5", "train", "6 of 3x5x1: 120120 of eel dog cat"},
      {"own_names_few.h5", "train", USUAL},
      {"latin.h5", "train", "6 of 3x5x1: 201201 of caf\\xE9 eel z"},
      {"latin_names.h5", "train", "6 of 3x5x1: 012012 of z caf\\xE9 eel"},
  };
  expect("labels_of_every_kind", all, CVY_COUNT(all), NULL);
}

static void labels_that_are_refused(void) {
  static const expectation all[] = {
      {"from_1.h5", "train",
       "from_1.h5: labels run from 1 to 3: --first-label 1 (of train and eval, data.first_label=1)"},
      {"late.h5", "train", "labels run from 5 to 7: --first-label 5"},
      {"negative.h5", "train", "negative.h5: record 0: label -1; expected a whole number"},
      {"half.h5", "train", "half.h5: record 1: label 0.5; expected a whole number"},
      {"nan.h5", "train", "nan.h5: record 2: label nan; expected a whole number"},
      {"two_hot.h5", "train", "record 4: its row in 'labels' is not one-hot: 1 1 0; expected a single 1"},
      {"single.h5", "train", "dataset 'labels' is a single value, but 'images' holds 6 images"},
      {"late_gaps.h5", "train",
       "if the first class is 2 (9 classes then, of which 6 have no image); --first"},
      {"square.mat", "train", "dataset 'label' is 3x3, with as many classes as images; MATLAB may have its"},
      {"fewer.h5", "train", "6 images in 'images' but 5 labels in 'labels'"},
      {"masks.h5", "train", "dataset 'labels' is 6x3x5, but 'images' holds 6 images"},
      {"zero_within.h5", "train", "dataset 'labels': text 1 has a zero byte within"},
      {"no_text.h5", "train", "no_text.h5: record 1: no label in 'labels'"},
      {"own_names_other.h5", "train",
       "record 1: label 'cat', which is not among the 2 classes that the file names"},
      {"cell.mat", "train", "dataset 'label' holds references; expected numbers or texts (of MATLAB's cells"},
  };
  static const expectation from_1[] = {
      {"from_1.h5", "train", "6 of 3x5x1: 012012 of 1 2 3"},
      {"hwcn.mat", "train", "6 of 3x5x3: 012012 of 1 2 3"},
      {"hot.h5", "train", USUAL},
      {"row.h5", "train", "record 0: label 0; the first label was said to be 1"}};
  static const expectation from_0[] = {{"from_1.h5", "train", "6 of 3x5x1: 123123 of 0 1 2 3"}};
  expect("labels_that_are_refused", all, CVY_COUNT(all), NULL);
  expect("labels_from_1", from_1, CVY_COUNT(from_1), &(cvy_arrays_said){.first_label = 1});
  expect("labels_from_0", from_0, CVY_COUNT(from_0), &(cvy_arrays_said){.first_label = 0});
}

static void names_and_splits(void) {
  static const expectation all[] = {
      {"coursera.h5", "train", "6 of 3x5x3: 012012 of a b c"},
      {"coursera.h5", "val", "4 of 3x5x3: 0120 of a b c"},
      {"keras.h5", "train", "6 of 3x5x3: 012012 of 0 1 2"},
      {"keras.h5", "val", "4 of 3x5x3: 0120 of 0 1 2"},
      {"keras.h5:test", "train", "4 of 3x5x3: 0120 of 0 1 2"},
      {"keras.h5", NULL, "keras.h5: holds the splits train, test: "},
      {"camel.h5", "val", "4 of 3x5x3: 0120 of 0 1 2"},
      {"run_on.h5", "val", FEWER},
      {"groups.h5", "train", USUAL},
      {"groups.h5", "val", "5 of 3x5x1: 01201 of 0 1 2"},
      {"groups.h5", "test", FEWER},
      {"groups.h5:valid", "train", "5 of 3x5x1: 01201 of 0 1 2"},
      {"groups.h5:gone", "train", "no split and no group 'gone' (it has: test/images uint8 4x3x5, "},
      {"below.h5", "train", USUAL},
      {"below.h5", "val", FEWER},
      {"deep.h5", "val", USUAL},
      {"caffe.h5", "train", "6 of 3x5x3: 012012 of 0 1 2"},
      {"strange.h5", "train",
       "say which by --images NAME --labels NAME (in a recipe, data.images and data.labels; "
       "it has: cats uint8 6x3x5x3, tags int64 6)"},
      {"rivals.h5", "train", "'a/x' and 'b/x' fit equally well: say which by --images NAME"},
      {"rivals.h5:b", "train", "4 of 3x5x3: 0120 of 0 1 2"},
      {"meta.h5", "train", USUAL},
      {"short.h5", "train", USUAL},
      {"short.h5", "val", FEWER},
      {"sklearn.h5", "val", FEWER},
      {"ans.h5", "train", USUAL},
      {"classes.h5", "train", USUAL},
      {"labs.h5", "train", "6 of 3x5x1: 012012 of cat dog eel"},
      {"two_labels.h5", "train",
       "'label' and 'labels' fit equally well: say which by --images NAME --labels"},
      {"same_labels.h5", "train", USUAL},
      {"two_images.h5", "train", USUAL},
      {"x.h5", "train", "images in 'x', but no dataset named labels, label, y or the like: --labels NAME"},
      {"y.h5", "train", "labels in 'y', but no dataset named images, data, X or the like: --images NAME"},
  };
  static const expectation strange[] = {{"strange.h5", "train", "6 of 3x5x3: 012012 of 0 1 2"},
                                        {"keras.h5", "train", "no dataset named 'cats' (it has: "}};
  static const expectation half[] = {{"meta.h5", "train", "meta.h5: no dataset named 'nix' (it has: "}};
  static const expectation inner[] = {{"rivals.h5", "train", "4 of 3x5x3: 0120 of 0 1 2"}};
  if (!have_files("names_and_splits")) return;
  expect("names_and_splits", all, CVY_COUNT(all), NULL);
  expect("names_said", strange, CVY_COUNT(strange), &(cvy_arrays_said){"/cats", "Tags", .first_label = -1});
  expect("names_said", half, CVY_COUNT(half), &(cvy_arrays_said){.images = "nix", .first_label = -1});
  expect("names_said", inner, CVY_COUNT(inner), &(cvy_arrays_said){"b/x", "b/y", .first_label = -1});
}

static void links(void) {
  static const expectation all[] = {
      {"links.h5", "train", USUAL},
      {"in/inside.h5", "train", USUAL},
      {"in/group.h5", "train", USUAL},
      {"in/outside.h5", "train", "out.h5, outside of the file's own folder: --outside-links follows it"},
      {"symbolic.h5", "train", USUAL},
      {"in/absolute.h5", "train", "outside of the file's own folder"},
      {"storage.h5", "train", "'images' is a dataset whose numbers lie in another file; h5repack"},
      {"in/lost.h5", "train", "'images' is an external link to "},
      {"in/virtual.h5", "train", USUAL},
      {"in/hollow.h5", "train", "'images' is a virtual dataset; one of its sources is an external link to "},
  };
  static const expectation outside[] = {{"in/outside.h5", "train", USUAL}};
  expect("links", all, CVY_COUNT(all), NULL);
  expect("links", outside, CVY_COUNT(outside), &(cvy_arrays_said){.first_label = -1, .outside_links = true});
}

static void several_files(void) {
  static const expectation all[] = {
      {"list.txt", "train", "6 of 3x5x1: 120130 of a b c d"},
      {"halves.txt", "train", USUAL},
      {"keras.txt", "train", "4 of 3x5x3: 0120 of 0 1 2"},
      {"wrong.txt", "train", "wrong.txt:2: "},
      {"wrong.txt", "train", "not there.h5: No such file or directory"},
      {"empty.txt", "train", "empty.txt: names no HDF5 file"},
      {"sizes.txt", "train", "large.h5: images of 9x9x1, but those of "},
      {"kinds.txt", "train", "hot.h5: labels are one-hot of 3, but in "},
      {"minus.txt", "train", "minus_y.h5: record 4: label -1; expected a whole number"},
      {"some_named.txt", "train",
       "own_names.h5 are called 'dog' to 'fox'; whether they are the same is not told: --assume-classes (in "
       "a recipe, data.assume_classes: true) takes its first label for 'dog', and so on"},
      {"some_enum.txt", "train", "enum.h5 are called 'CAT' to 'EEL'; whether they are the same is not told"},
      {"named_0_1.txt", "train", "12 of 3x5x1: 012012012 of 0 1 2"},
      {"counted.txt", "train", "from_1.h5: labels run from 1 to 3, but those of "},
      {"counted.txt", "train", "type_u1.h5 from 0 to 2, which may be the same classes; --first-label 0"},
      {"orders.txt", "train", "caffe.h5: images in 'data' seem to lie as [count]chw, but those of "},
      {"orders.txt", "train", "keras.h5 as [count]hwc (h, w and c are height, width and channels)"},
      {"grey_orders.txt", "train", "12 of 3x5x1: 012012012 of 0 1 2"},
      {"pointer.txt", "train", "pointer.txt: a pointer of Git LFS, not the HDF5 file itself"},
      {"page.txt", "train", "page.txt: a web page or another text in angle brackets, not an HDF5 file"},
      {"marked.txt", "train", "6 of 3x5x1: 120130 of a b c d"},
      {"utf_16.txt", "train", "6 of 3x5x1: 120130 of a b c d"},
      {"sorted.txt", "train", "12 of 3x5x1: 012012567 of 0 1 2 3 4 5 6 7"},
  };
  static const expectation assumed[] = {
      {"some_named.txt", "train", "12 of 3x5x1: 012012012 of dog cat eel fox"}};
  static const expectation counted[] = {{"counted.txt", "train", "12 of 3x5x1: 123123012 of 0 1 2 3"}};
  static const expectation here[] = {{"in/from_here.txt", "train", "4 of 3x5x3: 0120 of 0 1 2"}};
  if (!have_files("several_files")) return;
  expect("several_files", all, CVY_COUNT(all), NULL);
  expect("assumed", assumed, CVY_COUNT(assumed),
         &(cvy_arrays_said){.first_label = -1, .assume_classes = true});
  expect("counted", counted, CVY_COUNT(counted), &(cvy_arrays_said){.first_label = 0});
  const int before = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  CU_ASSERT_FATAL(before >= 0 && chdir(scratch_folder()) == 0);
  expect("a part, from the current folder", here, CVY_COUNT(here), NULL);
  CU_ASSERT_EQUAL(fchdir(before), 0);
  close(before);
}

static void other_writers(void) {
  static const expectation all[] = {
      {"hwn.mat", "train", USUAL},
      {"onehot.mat", "train", USUAL},
      {"cells.mat", "train", USUAL},
      {"nhw.mat", "train",
       "5 images in 'data' but 6 labels in 'label' (images belong along the last of MATLAB's"},
      {"hwcn.mat", "train", "labels run from 1 to 3: --first-label 1"},
      {"octave.h5", "train", USUAL},
      {"auto.h5", "train", USUAL},
      {"cut.h5", "train", USUAL},
      {"fletcher.h5", "train", USUAL},
      {"grown.h5", "train", USUAL},
      {"scaled.h5", "train", USUAL},
      {"no_szip.h5", "train", "'images' is a dataset compressed by szip, whose parameters in the file are"},
      {"no_nbit.h5", "train", "'images' is a dataset compressed by nbit, whose parameters"},
      {"no_scaleoffset.h5", "train", "'images' is a dataset compressed by scaleoffset, whose parameters"},
      {"unwritten.h5", "train", "'images' is a dataset into which nothing was ever written"},
      {"unwritten_labels.h5", "train", "'labels' is a dataset into which nothing was ever written"},
  };
  static const expectation axes[] = {{"caffe.h5", "train", "6 of 3x5x3: 012012 of 0 1 2"}};
  expect("other_writers", all, CVY_COUNT(all), NULL);
  expect("axes_said", axes, CVY_COUNT(axes), &(cvy_arrays_said){.first_label = -1, .axes = CVY_AXES_CHW});
}

/* ---- the reader that makes shards ---- */

static const char *other(const char *name) {
  return cvy_pool_format(pool, "%s/%s", scratch_folder(), name);
}

/* Opens a file and checks its records against what they were made of. */
static void expect_shards(const char *file, int64_t count, int64_t c) {
  const cvy_reader *reader = reader_named("hdf5");
  CU_ASSERT_EQUAL_FATAL(open_plain("hdf5", other(file), NULL), CVY_OK);
  CU_ASSERT(source.count == count && source.h == 3 && source.w == 5 && source.c == c &&
            source.class_count == 3);
  bool same = true;
  for (int64_t i = count - 1; i >= 0; i--) {
    CU_ASSERT_EQUAL_FATAL(reader->read(&record, &source, i), CVY_OK);
    same &= record.label == i % 3;
    for (int64_t p = 0; p < 15 * c; p++)
      same &= record.image.px[p] == i * 40 + p / (5 * c) * 15 + p / c % 5 * 3 + p % c;
  }
  CU_ASSERT_TRUE(same);
  if (!same) printf("\n    %s: records differ", file);
  CU_ASSERT_PTR_NOT_NULL(strstr(record.name, ": record 0"));
  CU_ASSERT_TRUE(reads_again("hdf5"));
  reader->close(&source);
}

static void records_for_shards(void) {
  static const char *const grey[] = {"type_u1.h5", "unit.h5", "half_unit.h5", "whole.h5",
                                     "ints.h5",    "cut.h5",  "hwn.mat",      "halves.txt"};
  if (!have_files("records_for_shards")) return;
  begin_quietly();
  for (int64_t i = 0; i < CVY_COUNT(grey); i++) expect_shards(grey[i], 6, 1);
  expect_shards("caffe.h5", 6, 3);
  expect_shards("keras.h5:test", 4, 3);
  CU_ASSERT_EQUAL(open_plain("hdf5", other("x.h5"), other("y.h5")), CVY_OK);
  reader_named("hdf5")->close(&source);
  CU_ASSERT_EQUAL_FATAL(open_with("hdf5", "first-label", "1", other("hwcn.mat"), NULL, 6, 10), CVY_OK);
  CU_ASSERT(source.h == 6 && source.w == 10 && strcmp(source.class_names[0], "1") == 0);
  CU_ASSERT_EQUAL(reader_named("hdf5")->read(&record, &source, 5), CVY_OK);
  CU_ASSERT(record.label == 2 && record.image.h == 6 && record.image.w == 10);
  reader_named("hdf5")->close(&source);
  cvy_log_enable(true);
  end();
}

static void shards_that_are_refused(void) {
  static const struct {
    const char *file, *says;
  } cases[] = {
      {"centred.h5", "samples in 'images' run from -1 to 0."},
      {"centred.h5", "As data.train of a recipe the file itself can be used"},
      {"wide.h5", "run from 0 to 484; shards hold bytes"},
      {"keras.h5", "holds the splits train, test: "},
      {"from_1.h5", "--first-label 1"},
  };
  if (!have_files("shards_that_are_refused")) return;
  begin_quietly();
  for (int64_t i = 0; i < CVY_COUNT(cases); i++) {
    CU_ASSERT_EQUAL(open_plain("hdf5", other(cases[i].file), NULL), CVY_E_INPUT);
    CU_ASSERT(says(cases[i].says));
  }
  CU_ASSERT_EQUAL(open_plain("hdf5", other("type_u1.h5"), other("unit.h5")), CVY_E_INPUT);
  CU_ASSERT(says("unit.h5: samples in 'images' are 255ths from 0 to "));
  CU_ASSERT(says("type_u1.h5 whole numbers from 0 to 242; files that are joined should have one kind"));
  CU_ASSERT_EQUAL(open_plain("hdf5", other("type_u1.h5"), other("centred.h5")), CVY_E_INPUT);
  CU_ASSERT(says("centred.h5: samples in 'images' run from -1 to 0."));
  CU_ASSERT_EQUAL(open_plain("hdf5", other("keras.h5:train"), other("keras.h5:test")), CVY_OK);
  CU_ASSERT_EQUAL(source.count, 10);
  reader_named("hdf5")->close(&source);
  CU_ASSERT_EQUAL(open_plain("hdf5", other("only_train.h5"), other("only_test.h5")), CVY_E_INPUT);
  CU_ASSERT(says("only_train.h5 holds the split 'train', "));
  CU_ASSERT(says("name them, as train=FILE val=FILE"));
  cvy_log_enable(true);
  end();
}

static void splits_for_shards(void) {
  static const struct {
    const char *file, *splits;
  } cases[] = {{"keras.h5", "train=train val=test "},
               {"groups.h5", "train=train val=val test=test "},
               {"coursera.h5", "train=train val=test "},
               {"only_train.h5", ""},
               {"measured.h5", ""},
               {"links.h5", ""},
               {"strange.h5", ""}};
  if (!have_files("splits_for_shards")) return;
  begin();
  for (int64_t i = 0; i < CVY_COUNT(cases); i++) {
    char chars[200] = "";
    cvy_text text = cvy_text_in(chars, sizeof chars);
    cvy_prepare_input *found;
    int64_t count;
    CU_ASSERT_EQUAL_FATAL(reader_named("hdf5")->find_splits(&found, &count, pool, other(cases[i].file)),
                          CVY_OK);
    for (int64_t k = 0; k < count; k++)
      cvy_text_add(&text, "%s=%s ", found[k].split, strrchr(found[k].path, ':') + 1);
    CU_ASSERT_STRING_EQUAL(chars, cases[i].splits);
  }
  end();
}

/* A filter may be there after all, where its plug-in was installed. */
static void missing_filter(void) {
  if (!have_files("missing_filter")) return;
  bool opened;
  const char *found = outcome(&opened, "lzf.h5", "train", NULL);
  const bool refused =
      strstr(found, "dataset 'images' is compressed by lzf (HDF5 filter 32000), whose plug-in is") &&
      strstr(found, "h5repack -f GZIP=4 IN OUT") && strstr(found, "HDF5_PLUGIN_PATH");
  CU_ASSERT(refused || strcmp(found, USUAL) == 0);
}

/* Returns what the reader makes of an input that the user names for a split: what follows the folder. */
static const char *part_for(const char *input, const char *split) {
  const cvy_reader *reader = reader_named("hdf5");
  return reader->part_for(pool, NULL, other(input), split) + strlen(scratch_folder()) + 1;
}

static void parts_for_splits(void) {
  if (!have_files("parts_for_splits")) return;
  begin();
  CU_ASSERT_STRING_EQUAL(part_for("keras.h5", "train"), "keras.h5:train");
  CU_ASSERT_STRING_EQUAL(part_for("keras.h5", "val"), "keras.h5:test");
  CU_ASSERT_STRING_EQUAL(part_for("keras.h5", "test"), "keras.h5:test");
  CU_ASSERT_STRING_EQUAL(part_for("keras.h5", "other"), "keras.h5");
  CU_ASSERT_STRING_EQUAL(part_for("keras.h5:test", "train"), "keras.h5:test");
  CU_ASSERT_STRING_EQUAL(part_for("groups.h5", "val"), "groups.h5:val");
  CU_ASSERT_STRING_EQUAL(part_for("measured.h5", "val"), "measured.h5:val");
  CU_ASSERT_STRING_EQUAL(part_for("measured.h5", "train"), "measured.h5");
  CU_ASSERT_STRING_EQUAL(part_for("only_test.h5", "train"), "only_test.h5");
  CU_ASSERT_STRING_EQUAL(part_for("list.txt", "train"), "list.txt");
  end();
}

static void labels_in_another_encoding(void) {
  static const char *const files[] = {"latin.h5", "latin_names.h5"};
  if (!have_files("labels_in_another_encoding")) return;
  begin_quietly();
  for (int64_t i = 0; i < CVY_COUNT(files); i++) {
    CU_ASSERT_EQUAL_FATAL(open_with("hdf5", "encoding", "latin-1", other(files[i]), NULL, 0, 0), CVY_OK);
    CU_ASSERT_STRING_EQUAL(source.class_names[i], "caf\xc3\xa9");
    CU_ASSERT_STRING_EQUAL(source.encoding, "latin-1");
    reader_named("hdf5")->close(&source);
  }
  cvy_log_enable(true);
  end();
}

SUITE("arrays", TEST(labels_of_every_kind), TEST(labels_that_are_refused), TEST(names_and_splits),
      TEST(links), TEST(several_files), TEST(other_writers), TEST(records_for_shards),
      TEST(shards_that_are_refused), TEST(splits_for_shards), TEST(missing_filter), TEST(parts_for_splits),
      TEST(labels_in_another_encoding))
