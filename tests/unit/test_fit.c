/* Tests that text is wrapped at words and tables at columns, for terminals of any width. */
#include "suite.h"

#include "base/fit.h"

static char result[4096];

static const char *fitted(void (*fit)(FILE *out, const char *text, int64_t columns), const char *text,
                          int64_t columns) {
  memset(result, 0, sizeof result);
  FILE *out = fmemopen(result, sizeof result - 1, "w");
  fit(out, text, columns);
  fclose(out);
  return result;
}

static const char *lines(const char *text, int64_t columns) {
  return fitted(cvy_fit_lines_into, text, columns);
}

static const char *table(const char *text, int64_t columns) {
  return fitted(cvy_fit_table_into, text, columns);
}

static void lines_go_on_at_words(void) {
  CU_ASSERT_STRING_EQUAL(lines("one two three\n\nfour\n", 0), "one two three\n\nfour\n");
  CU_ASSERT_STRING_EQUAL(lines("one two three\n\nfour\n", 13), "one two three\n\nfour\n");
  CU_ASSERT_STRING_EQUAL(lines("one two three\n\nfour\n", 12), "one two\n    three\n\nfour\n");
  CU_ASSERT_STRING_EQUAL(lines("  --size N   how large it is\n", 20),
                         "  --size N   how\n      large it is\n");
  CU_ASSERT_STRING_EQUAL(lines("  --n N  how large it is\n", 20), "  --n N  how large\n         it is\n");
  CU_ASSERT_STRING_EQUAL(lines("see averylongword here\n", 10), "see\naverylongword\n    here\n");
  CU_ASSERT_STRING_EQUAL(lines("\xe7\x8c\xab \xe7\x8a\xac\n", 4), "\xe7\x8c\xab\n\xe7\x8a\xac\n");
}

static const char sizes[] = "layer  type  output  note\n"
                            "c1     conv     120  gemm  <- a, b\n"
                            "f6     fc        84\n";

static void tables_are_cut_between_columns(void) {
  CU_ASSERT_STRING_EQUAL(table(sizes, 0), sizes);
  CU_ASSERT_STRING_EQUAL(table(sizes, 34), sizes);
  CU_ASSERT_STRING_EQUAL(table(sizes, 20), "layer  type  output\n"
                                           "c1     conv     120\n"
                                           "f6     fc        84\n"
                                           "\n"
                                           "layer  note\n"
                                           "c1     gemm  <- a, b\n"
                                           "f6\n");
  CU_ASSERT_STRING_EQUAL(table(sizes, 14), "layer  type\n"
                                           "c1     conv\n"
                                           "f6     fc\n"
                                           "\n"
                                           "layer  output\n"
                                           "c1        120\n"
                                           "f6         84\n"
                                           "\n"
                                           "layer  note\n"
                                           "c1     gemm\n"
                                           "f6\n"
                                           "\n"
                                           "layer\n"
                                           "c1     <- a, b\n"
                                           "f6\n");
}

/* Every word is whole, in every width in which it has room. */
static void no_word_is_broken(void) {
  static const char wide[] = " ranks   img/s\n     1   1,234\n*1,024  99,999\n";
  for (int64_t columns = 8; columns < 20; columns++) {
    const char *text = table(wide, columns);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "99,999"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "*1,024"));
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
      CU_ASSERT((int64_t)strcspn(line, "\n") <= columns);
  }
}

static void letters_of_two_columns(void) {
  static const char cats[] = "name  count\n\xe7\x8c\xab    12\nK\xe4se  7\n"; /* and one that is no letter */
  CU_ASSERT_STRING_EQUAL(table("one two\na\xcc\x88   b\xcc\x88\n", 4), "one\na\xcc\x88\n\ntwo\nb\xcc\x88\n");
  CU_ASSERT_STRING_EQUAL(table(cats, 9), "name\n\xe7\x8c\xab\nK\xe4se\n\ncount\n12\n7\n");
}

SUITE("fit", TEST(lines_go_on_at_words), TEST(tables_are_cut_between_columns), TEST(no_word_is_broken),
      TEST(letters_of_two_columns))
