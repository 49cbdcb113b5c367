/* Tests counts, texts that grow, lists, sorting by a text, and errors that are kept for later. */
#include "suite.h"

#include "base/count.h"
#include "base/text.h"

#include <pthread.h>

/* ---- counts ---- */

static void counts_by_hand(void) {
  CU_ASSERT_EQUAL(cvy_smaller(-3, 2), -3);
  CU_ASSERT_EQUAL(cvy_smaller(2, -3), -3);
  CU_ASSERT_EQUAL(cvy_larger(-3, 2), 2);
  CU_ASSERT_EQUAL(cvy_larger(INT64_MAX, INT64_MIN), INT64_MAX);
  CU_ASSERT_EQUAL(cvy_clamp(5, 1, 3), 3);
  CU_ASSERT_EQUAL(cvy_clamp(-5, 1, 3), 1);
  CU_ASSERT_EQUAL(cvy_clamp(2, 1, 3), 2);
  for (int64_t whole = 0; whole < 50; whole++)
    for (int64_t piece = 1; piece < 9; piece++) {
      int64_t pieces = 0;
      for (int64_t at = 0; at < whole; at += piece) pieces++;
      CU_ASSERT_EQUAL(cvy_pieces(whole, piece), pieces);
    }
}

/* ---- texts ---- */

static void texts_are_cut_where_the_buffer_ends(void) {
  char buffer[9] = "xxxxxxxx";
  cvy_text text = cvy_text_in(buffer, sizeof buffer);
  CU_ASSERT_STRING_EQUAL(buffer, "");
  cvy_text_add(&text, "%d-", 12);
  cvy_text_add(&text, "%s", "345");
  CU_ASSERT_STRING_EQUAL(buffer, "12-345");
  CU_ASSERT_EQUAL(text.length, 6);
  cvy_text_add(&text, "%s", "6789");
  CU_ASSERT_STRING_EQUAL(buffer, "12-34567");
  CU_ASSERT_EQUAL(text.length, 8);
  cvy_text_add(&text, "more");
  CU_ASSERT_STRING_EQUAL(buffer, "12-34567");
}

static void lists_say_how_many_are_left_out(void) {
  static const char *const words[] = {"red", "green", "blue"};
  char buffer[64];
  cvy_text_list(buffer, sizeof buffer, ", ", words, 0);
  CU_ASSERT_STRING_EQUAL(buffer, "");
  cvy_text_list(buffer, sizeof buffer, ", ", words, 1);
  CU_ASSERT_STRING_EQUAL(buffer, "red");
  cvy_text_list(buffer, sizeof buffer, "|", words, 3);
  CU_ASSERT_STRING_EQUAL(buffer, "red|green|blue");
  cvy_text list = cvy_text_in(buffer, sizeof buffer);
  for (int i = 0; i < 100; i++) cvy_text_item(&list, ", ", "item %d", i);
  CU_ASSERT_STRING_EQUAL(buffer, "item 0, item 1, item 2, item 3, item 4, item 5 and 94 more");
  CU_ASSERT_EQUAL(list.left_out, 94);
  cvy_text_item(&list, ", ", "x"); /* it would fit, but would hide the gap */
  CU_ASSERT_STRING_EQUAL(buffer, "item 0, item 1, item 2, item 3, item 4, item 5 and 95 more");
}

/* Whatever the buffer's size, no byte behind it is touched, and each item is there whole or counted. */
static void lists_stay_in_every_buffer(void) {
  char buffer[128];
  for (size_t bytes = 1; bytes < sizeof buffer; bytes++) {
    memset(buffer, 'x', sizeof buffer);
    cvy_text list = cvy_text_in(buffer, bytes);
    for (int i = 0; i < 12; i++) cvy_text_item(&list, ", ", "%d", 7000 + i);
    CU_ASSERT(strlen(buffer) < bytes);
    for (size_t at = bytes; at < sizeof buffer; at++) CU_ASSERT_EQUAL(buffer[at], 'x');
    int64_t whole = 0;
    for (const char *at = buffer; (at = strstr(at, "70")); at += 4) whole++;
    if (bytes > 20) CU_ASSERT_EQUAL(whole + list.left_out, 12);
  }
}

static void shapes_are_written_with_x(void) {
  const int64_t dims[] = {3, 224, 5000000000};
  char buffer[40];
  cvy_text_dims(buffer, sizeof buffer, dims, 3);
  CU_ASSERT_STRING_EQUAL(buffer, "3x224x5000000000");
  cvy_text_dims(buffer, sizeof buffer, dims, 0);
  CU_ASSERT_STRING_EQUAL(buffer, "");
}

/* ---- sorting ---- */

static void texts_are_sorted_and_found(void) {
  const char *names[] = {"b", "a", "\xd8\xb3", "B", "", "ab", "a", "b", "b"};
  static const char *const sorted[] = {"", "B", "a", "ab", "b", "\xd8\xb3"};
  cvy_sort_by_text(NULL, 0, sizeof *names);
  cvy_sort_by_text(names, CVY_COUNT(names), sizeof *names);
  CU_ASSERT_EQUAL(cvy_drop_repeats(names, CVY_COUNT(names)), CVY_COUNT(sorted));
  for (int64_t i = 0; i < CVY_COUNT(sorted); i++) {
    CU_ASSERT_STRING_EQUAL(names[i], sorted[i]);
    CU_ASSERT_EQUAL(cvy_find_by_text(names, CVY_COUNT(sorted), sizeof *names, sorted[i]), i);
  }
  CU_ASSERT_EQUAL(cvy_find_by_text(names, CVY_COUNT(sorted), sizeof *names, "aa"), -1);
  CU_ASSERT_EQUAL(cvy_find_by_text(NULL, 0, sizeof *names, "aa"), -1);
  CU_ASSERT_EQUAL(cvy_drop_repeats(NULL, 0), 0);
}

static void structs_go_with_their_text(void) {
  struct pair {
    const char *name;
    int64_t value;
    bool flag;
  } pairs[] = {{"three", 3, true}, {"one", 1, false}, {"two", 2, true}};
  cvy_sort_by_text(pairs, 3, sizeof *pairs);
  CU_ASSERT_EQUAL(pairs[0].value, 1);
  CU_ASSERT_EQUAL(pairs[1].value, 3);
  CU_ASSERT_EQUAL(pairs[2].value, 2);
  CU_ASSERT_EQUAL(cvy_find_by_text(pairs, 3, sizeof *pairs, "two"), 2);
}

static void streams_into_memory(void) {
  cvy_text_stream stream;
  size_t bytes;
  cvy_text_stream_begin(&stream);
  char *text = cvy_text_stream_end(&stream, NULL);
  CU_ASSERT_STRING_EQUAL(text, "");
  free(text);
  cvy_text_stream_begin(&stream);
  for (int i = 0; i < 10000; i++) fprintf(stream.out, "%04d", i);
  text = cvy_text_stream_end(&stream, &bytes);
  CU_ASSERT(bytes == 40000 && strlen(text) == 40000 && strcmp(text + 39996, "9999") == 0);
  free(text);
}

/* ---- kept errors ---- */

static void errors_are_kept(void) {
  char text[1000];
  memset(text, 'm', sizeof text - 1);
  text[sizeof text - 1] = '\0';
  cvy_saved_error saved, fine;
  cvy_error_save(&saved, cvy_error(CVY_E_INPUT, "%s.", text));
  CU_ASSERT_EQUAL(cvy_error(CVY_E_SYSTEM, "another"), CVY_E_SYSTEM);
  cvy_error_save(&fine, CVY_OK);
  CU_ASSERT_EQUAL(cvy_error_restore(&saved), CVY_E_INPUT);
  CU_ASSERT_EQUAL(strlen(cvy_err_message()), sizeof text); /* it is whole */
  CU_ASSERT_EQUAL(cvy_error_restore(&fine), CVY_OK);
  CU_ASSERT_EQUAL(strlen(cvy_err_message()), sizeof text); /* nothing was wrong, so nothing is said */
}

static void *fail_and_keep(void *saved) {
  cvy_error_save(saved, cvy_error(CVY_E_RUN, "in a thread"));
  return NULL;
}

static void errors_cross_threads(void) {
  cvy_saved_error saved = {0};
  pthread_t thread;
  CU_ASSERT_EQUAL(cvy_error(CVY_E_SYSTEM, "mine"), CVY_E_SYSTEM);
  CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, fail_and_keep, &saved), 0);
  pthread_join(thread, NULL);
  CU_ASSERT_STRING_EQUAL(cvy_err_message(), "mine");
  CU_ASSERT_EQUAL(cvy_error_restore(&saved), CVY_E_RUN);
  CU_ASSERT_STRING_EQUAL(cvy_err_message(), "in a thread");
}

SUITE("text", TEST(counts_by_hand), TEST(texts_are_cut_where_the_buffer_ends),
      TEST(lists_say_how_many_are_left_out), TEST(lists_stay_in_every_buffer),
      TEST(shapes_are_written_with_x), TEST(texts_are_sorted_and_found), TEST(structs_go_with_their_text),
      TEST(streams_into_memory), TEST(errors_are_kept), TEST(errors_cross_threads))
