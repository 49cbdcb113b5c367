/* Tests splits that do not have the same classes: what train has counts, by name, and what is missing is
 * named. */
#include "suite.h"
#include "sets.h"
#include "data/dataset.h"

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

/* Makes a folder of three pictures a class. Those of class k are all values[k]; a class of value 0 gets
 * none. */
static void make_split(const char *split, const char *const *classes, const int *values) {
  mkdir(fresh(split), 0777);
  for (int k = 0; classes[k]; k++) {
    const uint8_t colour[3] = {(uint8_t)values[k], (uint8_t)values[k], (uint8_t)values[k]};
    mkdir(fresh(cvy_pool_format(pool, "%s/%s", split, classes[k])), 0777);
    for (int i = 0; values[k] > 0 && i < 3; i++)
      write_picture(fresh(cvy_pool_format(pool, "%s/%s/%d.png", split, classes[k], i)), false, 3, 3, colour);
  }
}

static cvy_err prepare(const char *a, const char *b, bool allow) {
  const cvy_reader *reader = reader_named("folder");
  const cvy_prepare_input inputs[] = {{a, fresh(a)}, {b, fresh(b)}};
  const cvy_prepare_config config = {.reader = reader,
                                     .reader_config = configure(reader, pool, "colour", "grey"),
                                     .inputs = inputs,
                                     .input_count = b ? 2 : 1,
                                     .dir = fresh("out"),
                                     .h = 3,
                                     .w = 3,
                                     .allow_missing_classes = allow,
                                     .seed = 1};
  return cvy_prepare(&result, &config);
}

/* Checks that the split has these classes, and that the grey of every record is values[label]. */
static void expect_labels(const char *split, const char *const *classes, const int *values) {
  cvy_dataset *set;
  cvy_read_buffer buffer;
  CU_ASSERT_EQUAL_FATAL(cvy_dataset_open(&set, fresh("out"), split), CVY_OK);
  const cvy_dataset_info *info = cvy_dataset_describe(set);
  int64_t count = 0;
  while (classes[count]) count++;
  CU_ASSERT_EQUAL_FATAL(info->class_count, count);
  for (int64_t k = 0; k < count; k++) CU_ASSERT_STRING_EQUAL(info->class_names[k], classes[k]);
  CU_ASSERT_FATAL(info->count > 0);
  CU_ASSERT_EQUAL_FATAL(cvy_read_buffer_create(&buffer, set), CVY_OK);
  for (int64_t i = 0; i < info->count; i++) {
    const void *bytes;
    size_t byte_count;
    int32_t label;
    CU_ASSERT_EQUAL_FATAL(cvy_dataset_read_stored(&bytes, &byte_count, &label, set, &buffer, i), CVY_OK);
    CU_ASSERT_FATAL(label >= 0 && label < count);
    CU_ASSERT_EQUAL(*(const uint8_t *)bytes, values[label]);
  }
  cvy_read_buffer_free(&buffer);
  cvy_dataset_close(set);
}

#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define GREYS(...) ((const int[]){__VA_ARGS__})

static void a_missing_class_is_named(void) {
  begin();
  make_split("train", NAMES("ant", "bee", "cow"), GREYS(20, 40, 60));
  make_split("val", NAMES("ant", "cow"), GREYS(20, 60));
  CU_ASSERT_EQUAL(prepare("train", "val", false), CVY_E_INPUT);
  CU_ASSERT(says("'val' has no picture of 1 of the 3 classes: 'bee'; --missing-classes allow"));
  CU_ASSERT_EQUAL(prepare("train", "val", true), CVY_OK);
  CU_ASSERT_EQUAL(result.class_count, 3);
  expect_labels("train", NAMES("ant", "bee", "cow"), GREYS(20, 40, 60));
  expect_labels("val", NAMES("ant", "bee", "cow"), GREYS(20, 40, 60));
  end();
}

/* The order of the inputs does not matter; train leads. */
static void train_leads_wherever_it_stands(void) {
  begin();
  make_split("train", NAMES("0", "1", "2", "10"), GREYS(20, 40, 60, 80));
  make_split("val", NAMES("10"), GREYS(80));
  CU_ASSERT_EQUAL(prepare("val", "train", false), CVY_E_INPUT);
  CU_ASSERT(says("'val' has no picture of 3 of the 4 classes: '0', '1', '2';"));
  CU_ASSERT_EQUAL(prepare("val", "train", true), CVY_OK);
  expect_labels("val", NAMES("0", "1", "2", "10"), GREYS(20, 40, 60, 80));
  expect_labels("train", NAMES("0", "1", "2", "10"), GREYS(20, 40, 60, 80));
  end();
}

static void an_empty_folder_is_the_same(void) {
  begin();
  make_split("train", NAMES("ant", "bee", "cow"), GREYS(20, 40, 60));
  make_split("val", NAMES("ant", "bee", "cow"), GREYS(20, 0, 60));
  CU_ASSERT_EQUAL(prepare("train", "val", false), CVY_E_INPUT);
  CU_ASSERT(says("'val' has no picture of 1 of the 3 classes: 'bee'"));
  CU_ASSERT_EQUAL(prepare("train", "val", true), CVY_OK);
  expect_labels("val", NAMES("ant", "bee", "cow"), GREYS(20, 40, 60));
  CU_ASSERT_EQUAL(prepare("val", NULL, false), CVY_E_INPUT);
  CU_ASSERT(says("'val' has no picture of 1 of the 3 classes: 'bee'"));
  CU_ASSERT_EQUAL(prepare("val", NULL, true), CVY_OK);
  expect_labels("val", NAMES("ant", "bee", "cow"), GREYS(20, 40, 60));
  end();
}

static void what_train_lacks_is_refused(void) {
  begin();
  make_split("train", NAMES("ant", "cow"), GREYS(20, 60));
  make_split("val", NAMES("ant", "bee", "cow", "dog"), GREYS(20, 40, 60, 80));
  for (int allow = 0; allow < 2; allow++) {
    CU_ASSERT_EQUAL(prepare("train", "val", allow), CVY_E_INPUT);
    CU_ASSERT(says("'val' has 2 classes that 'train' lacks: 'bee', 'dog' ('train' has 2 classes, 'val' 4)"));
  }
  end();
}

/* '01' beside a text is that text, and alone it is the number 1. */
static void numbers_agree_by_value(void) {
  begin();
  make_split("train", NAMES("01", "2", "x"), GREYS(20, 40, 60));
  make_split("val", NAMES("1", "002"), GREYS(20, 40));
  CU_ASSERT_EQUAL(prepare("train", "val", true), CVY_OK);
  expect_labels("val", NAMES("01", "2", "x"), GREYS(20, 40, 60));
  end();
}

static void one_class_is_no_set(void) {
  begin();
  make_split("train", NAMES("ant"), GREYS(20));
  CU_ASSERT_EQUAL(prepare("train", NULL, true), CVY_E_INPUT);
  CU_ASSERT(says("'train' has one class alone, 'ant'; a set has two or more"));
  end();
}

SUITE("agreement of splits", TEST(a_missing_class_is_named), TEST(train_leads_wherever_it_stands),
      TEST(an_empty_folder_is_the_same), TEST(what_train_lacks_is_refused), TEST(numbers_agree_by_value),
      TEST(one_class_is_no_set))
