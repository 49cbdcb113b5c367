/* Tests which texts are whole numbers, and in which order labels are classes. */
#include "suite.h"

#include "base/classes.h"

static void whole_numbers_in_many_ways(void) {
  static const struct {
    const char *text;
    int64_t value;
  } whole[] = {{"0", 0},
               {"10", 10},
               {"+10", 10},
               {"010", 10},
               {"-3", -3},
               {" 7\t", 7},
               {"10.0", 10},
               {"10.000000", 10},
               {"10.", 10},
               {"1e1", 10},
               {"-0", 0},
               {"1.200000000000000000e+01", 12},
               {"2.50e1", 25},
               {"00000042", 42},
               {"9007199254740993", 9007199254740993},
               {"9007199254740993.00", 9007199254740993},
               {"-9223372036854775807", -INT64_MAX},
               {"\xc2\xa0\x31\x30\xe3\x80\x80", 10},
               {"\xef\xbb\xbf\x32", 2}};
  static const char *const others[] = {"",
                                       " ",
                                       "a",
                                       "1a",
                                       "1.5",
                                       "0x10",
                                       "inf",
                                       "nan",
                                       "1 2",
                                       "1,0",
                                       "--1",
                                       "e1",
                                       ".",
                                       "1e",
                                       "+",
                                       "1e400",
                                       "9223372036854775808",
                                       "1e16",
                                       "1.0e",
                                       "+-1",
                                       "-.",
                                       "n0144",
                                       "1_0"};
  for (int64_t i = 0; i < CVY_COUNT(whole); i++) {
    int64_t value = -1;
    CU_ASSERT(cvy_whole_number(&value, whole[i].text));
    CU_ASSERT_EQUAL(value, whole[i].value);
  }
  for (int64_t i = 0; i < CVY_COUNT(others); i++) {
    int64_t value = -1;
    CU_ASSERT(!cvy_whole_number(&value, others[i]));
    CU_ASSERT_EQUAL(value, -1);
  }
}

static void expect_classes(const char *const *labels, int64_t count, const char *const *names,
                           int64_t name_count) {
  cvy_pool *pool = cvy_pool_create();
  const cvy_classes classes = cvy_classes_of(pool, labels, count);
  CU_ASSERT_EQUAL_FATAL(classes.count, name_count);
  for (int64_t k = 0; k < name_count; k++) {
    CU_ASSERT_STRING_EQUAL(classes.names[k], names[k]);
    CU_ASSERT_EQUAL(cvy_classes_find(&classes, names[k]), k);
  }
  for (int64_t i = 0; i < count; i++) CU_ASSERT(cvy_classes_find(&classes, labels[i]) >= 0);
  CU_ASSERT_EQUAL(cvy_classes_find(&classes, "zebra"), -1);
  CU_ASSERT_EQUAL(cvy_classes_find(&classes, "77"), -1);
  CU_ASSERT_EQUAL(cvy_classes_find(&classes, ""), -1);
  cvy_pool_destroy(pool);
}

static void numbers_go_by_value(void) {
  static const char *const labels[] = {"10", "9", "1", "10.0", "+0", "2", "09"};
  static const char *const names[] = {"0", "1", "2", "9", "10"};
  expect_classes(labels, CVY_COUNT(labels), names, CVY_COUNT(names));
}

/* A single label that is no number makes texts of all, but the numbers among them keep their order. */
static void texts_go_by_bytes(void) {
  static const char *const labels[] = {"10", "9", "cat", "9", "Cat", "9.0", "-1"};
  static const char *const names[] = {"-1", "9", "9.0", "10", "Cat", "cat"};
  expect_classes(labels, CVY_COUNT(labels), names, CVY_COUNT(names));
}

/* Names are UTF-8; the classes are ordered by their names, and found by what their labels were. */
static void labels_in_other_encodings(void) {
  static const char *const labels[] = {"z", "K\xe4se", "\xd6l", "Apfel", "K\xe4se", "a\nb"};
  static const char *const escaped[] = {"Apfel", "K\\xE4se", "\\xD6l", "a\\x0Ab", "z"};
  static const char *const read[] = {"Apfel", "K\xc3\xa4se", "a\\x0Ab", "z", "\xc3\x96l"};
  cvy_pool *pool = cvy_pool_create();
  const cvy_classes a = cvy_classes_of(pool, labels, CVY_COUNT(labels)),
                    b = cvy_classes_in(pool, labels, CVY_COUNT(labels), "latin-1");
  CU_ASSERT_FATAL(a.count == 5 && b.count == 5);
  for (int64_t k = 0; k < 5; k++) {
    CU_ASSERT_STRING_EQUAL(a.names[k], escaped[k]);
    CU_ASSERT_STRING_EQUAL(b.names[k], read[k]);
  }
  CU_ASSERT_EQUAL(cvy_classes_find(&a, "K\xe4se"), 1);
  CU_ASSERT_EQUAL(cvy_classes_find(&b, "K\xe4se"), 1);
  CU_ASSERT_EQUAL(cvy_classes_find(&b, "\xd6l"), 4);
  CU_ASSERT_EQUAL(cvy_classes_find(&b, "\xc3\x96l"), 4); /* the same name in UTF-8 is the same class */
  CU_ASSERT_EQUAL(cvy_classes_find(&a, "K\\xE4se"), -1); /* no label is spelt like this */
  cvy_pool_destroy(pool);
}

static void expect_doubt(const char *const *labels, int64_t count, int64_t which, const char *what) {
  int64_t found = -1;
  const char *doubt = cvy_classes_doubt(&found, labels, count);
  CU_ASSERT_EQUAL(found, which);
  CU_ASSERT(what ? doubt && strstr(doubt, what) != NULL : !doubt);
}

/* Among numbers a fraction, a decimal comma and a missing value are no classes; among names they may be. */
static void doubtful_labels(void) {
  static const char *const missing[] = {"NA", "N/A", "nan", "NaN", "None", "null", "NULL", "<NA>"};
  for (int64_t i = 0; i < CVY_COUNT(missing); i++) {
    expect_doubt((const char *const[]){"1", "2.0", missing[i]}, 3, 2, "missing value");
    expect_doubt((const char *const[]){"1", "cat", missing[i]}, 3, -1, NULL);
  }
  expect_doubt((const char *const[]){"0.5", "1.25", "3"}, 3, 0, "no whole number");
  expect_doubt((const char *const[]){"3", "1e400"}, 2, 1, "no whole number");
  expect_doubt((const char *const[]){"3", "10,0", "9,0"}, 3, 1, "decimal comma");
  expect_doubt((const char *const[]){"cat", "dog", "0.5"}, 3, -1, NULL);
  expect_doubt((const char *const[]){"3", "1.2.3", "1-2", "", "cat", "0x1f", "e"}, 7, -1, NULL);
  expect_doubt((const char *const[]){"3", "1", "10", "cat", "1e16", "99999999999999999999"}, 6, -1, NULL);
  expect_doubt(NULL, 0, -1, NULL);
}

static void no_labels_no_classes(void) {
  expect_classes(NULL, 0, NULL, 0);
}

SUITE("classes", TEST(whole_numbers_in_many_ways), TEST(numbers_go_by_value), TEST(texts_go_by_bytes),
      TEST(labels_in_other_encodings), TEST(doubtful_labels), TEST(no_labels_no_classes))
