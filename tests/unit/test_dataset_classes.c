/* Tests which classes of two sets are the same, and what is said where they are not. */
#include "suite.h"

#include "data/dataset.h"

static cvy_dataset_info info_of(const char *const *names) {
  cvy_dataset_info info = {.class_names = names};
  while (names[info.class_count]) info.class_count++;
  return info;
}

static const char *comparison(const char *const *data, const char *const *known, cvy_assuming assuming) {
  const cvy_dataset_info a = info_of(data), b = info_of(known);
  cvy_log_enable(false);
  const cvy_err err = cvy_dataset_check_classes("set", &a, &b, assuming);
  CU_ASSERT(err == CVY_OK || err == CVY_E_INPUT);
  return err ? cvy_err_message() : "";
}

static void expect(const char *const *data, const char *const *known, bool assume, const char *text) {
  const char *message = comparison(data, known, assume ? CVY_ASSUMES : CVY_ASSUMES_ASKED);
  const bool right = text[0] ? strstr(message, text) != NULL : !message[0];
  CU_ASSERT(right);
  if (!right) printf("\n'%s' lacks '%s'\n", message, text);
}

/* Expects the text with --assume-classes and without. */
static void expect_always(const char *const *data, const char *const *known, const char *text) {
  for (int assume = 0; assume < 2; assume++) expect(data, known, assume, text);
}

/* Expects the same difference to be told where nothing can be assumed, but no way out. */
static void expect_no_advice(const char *const *data, const char *const *known, const char *text) {
  const char *message = comparison(data, known, CVY_ASSUMES_NEVER);
  const bool right = strstr(message, text) && !strstr(message, "--assume-classes") &&
                     !strstr(message, "prepare");
  CU_ASSERT(right);
  if (!right) printf("\n'%s' lacks '%s', or advises something\n", message, text);
}

#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void the_same_classes(void) {
  expect_always(NAMES("cat", "dog"), NAMES("cat", "dog"), "");
  expect_always(NAMES("0", "1", "2"), NAMES("0", "1", "2"), "");
  expect_always(NAMES("1", "2", "3"), NAMES("1", "2", "3"), "");
  expect_always(NAMES("1", "2", "10"), NAMES("01", "+2", "10.0"), "");
}

static void other_names(void) {
  expect_always(NAMES("cat", "dog"), NAMES("cat", "fox"),
                "set: class 1 is 'dog'; where the network learns it is 'fox' (prepare both together)");
}

static void another_order(void) {
  expect_always(NAMES("cat", "dog", "fox"), NAMES("cat", "fox", "dog"),
                "set: has the network's classes in another order: class 1 is 'dog'; where the network learns "
                "it is 'fox' (prepare both together)");
}

/* Shards of older versions have the classes of numbered folders in the order of bytes. */
static void numbers_in_the_order_of_bytes(void) {
  const char *const *by_value = NAMES("0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11");
  const char *const *by_bytes = NAMES("0", "1", "10", "11", "2", "3", "4", "5", "6", "7", "8", "9");
  expect_always(by_value, by_bytes,
                "class 2 is '2'; where the network learns it is '10' (older versions took folders that are");
  expect_always(by_bytes, by_value, "class 2 is '10'; where the network learns it is '2' (older versions");
}

static void only_one_side_has_names(void) {
  expect(NAMES("0", "1"), NAMES("cat", "dog"), false,
         "set: its classes are called '0' to '1', and the network's 'cat' to 'dog'; numbers from 0 on do not "
         "tell whether they are the same: --assume-classes takes its label 0 for 'cat', and so on");
  expect(NAMES("cat", "dog"), NAMES("0", "1"), false, "--assume-classes takes its label 0 for '0'");
  expect(NAMES("0", "1"), NAMES("cat", "dog"), true, "");
  expect(NAMES("cat", "dog"), NAMES("0", "1"), true, "");
  expect(NAMES("1", "2"), NAMES("0", "1"), false, "--assume-classes");
  expect(NAMES("1", "2"), NAMES("0", "1"), true, "");
  expect(NAMES("0"), NAMES("cat"), false, "--assume-classes");
}

/* Labels that are numbers may lack the last classes, which nobody can see from the labels alone. */
static void other_counts(void) {
  expect_always(
      NAMES("ant", "cow"), NAMES("ant", "bee", "cow"),
      "set: has 2 classes, and the network learns 3 ('bee' is among the network's only); prepare both");
  expect_always(
      NAMES("ant", "bee", "cow"), NAMES("ant", "cow"),
      "set: has 3 classes, and the network learns 2 ('bee' is among the former only); prepare both");
  expect_always(NAMES("0", "1", "2"), NAMES("0", "1"), "has 3 classes, and the network learns 2 ('2'");
  expect_always(NAMES("0", "1", "2"), NAMES("cat", "dog"), "has 3 classes, and the network learns 2");
  expect(NAMES("0", "1"), NAMES("0", "1", "2"), false,
         "has 2 classes, and the network learns 3 ('2' is among the network's only); --assume-classes takes");
  expect(NAMES("0", "1"), NAMES("0", "1", "2"), true, "");
  expect(NAMES("0", "1"), NAMES("ant", "bee", "cow"), true, "");
}

static void nothing_is_advised_where_nothing_helps(void) {
  expect_no_advice(NAMES("cat", "dog"), NAMES("cat", "fox"),
                   "class 1 is 'dog'; where the network learns it is");
  expect_no_advice(NAMES("cat", "dog"), NAMES("dog", "cat"), "has the network's classes in another order");
  expect_no_advice(NAMES("0", "10", "2"), NAMES("0", "2", "10"),
                   "has the network's classes in another order");
  expect_no_advice(NAMES("0", "1"), NAMES("cat", "dog"), "do not tell whether they are the same");
  expect_no_advice(NAMES("0", "1"), NAMES("0", "1", "2"), "has 2 classes, and the network learns 3");
  expect_no_advice(NAMES("0", "1", "2"), NAMES("0", "1"), "has 3 classes, and the network learns 2");
}

SUITE("classes of datasets", TEST(the_same_classes), TEST(other_names), TEST(another_order),
      TEST(numbers_in_the_order_of_bytes), TEST(only_one_side_has_names), TEST(other_counts),
      TEST(nothing_is_advised_where_nothing_helps))
