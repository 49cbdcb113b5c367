/* Tests which texts are UTF-8, that escapes can be undone, and how wide texts are. */
#include "suite.h"

#include "base/utf8.h"

static void strictly_valid(void) {
  static const char *const valid[] = {"",
                                      "cat",
                                      "K\xc3\xa4se",
                                      "\xe7\x8c\xab",
                                      "\xf0\x9f\x90\x88",
                                      "\xc2\x80",
                                      "\xdf\xbf",
                                      "\xe0\xa0\x80",
                                      "\xed\x9f\xbf",
                                      "\xee\x80\x80",
                                      "\xef\xbf\xbf",
                                      "\xf0\x90\x80\x80",
                                      "\xf4\x8f\xbf\xbf"};
  static const char *const others[] = {"K\xe4se",          /* Latin-1 */
                                       "\x80",             /* goes on with nothing */
                                       "\xc3",             /* ends too soon */
                                       "\xe7\x8c",         /* so does this */
                                       "\xc3(",            /* and this, within the text */
                                       "\xc0\xaf",         /* overlong */
                                       "\xc1\xbf",         /* overlong */
                                       "\xe0\x9f\xbf",     /* overlong */
                                       "\xf0\x8f\xbf\xbf", /* overlong */
                                       "\xed\xa0\x80",     /* a surrogate */
                                       "\xed\xbf\xbf",     /* a surrogate */
                                       "\xf4\x90\x80\x80", /* beyond U+10FFFF */
                                       "\xf5\x80\x80\x80",
                                       "\xff",
                                       "\xfe"};
  for (int64_t i = 0; i < CVY_COUNT(valid); i++) CU_ASSERT(cvy_utf8_valid(valid[i]));
  for (int64_t i = 0; i < CVY_COUNT(others); i++) CU_ASSERT(!cvy_utf8_valid(others[i]));
}

static void escapes(void) {
  static const struct {
    const char *bytes, *escaped;
  } texts[] = {{"", ""},
               {"cat", "cat"},
               {"K\xc3\xa4se", "K\xc3\xa4se"},
               {"K\xe4se", "K\\xE4se"},
               {"\xe7\x8c", "\\xE7\\x8C"},
               {"a\nb", "a\\x0Ab"},
               {"\x1b[31mred", "\\x1B[31mred"},
               {"\xc2\x9b"
                "31m",
                "\\xC2\\x9B31m"},
               {"\xe2\x80\xae"
                "txt",
                "\\xE2\\x80\\xAEtxt"},
               {"C:\\data\\\\x", "C:\\data\\\\x"}, /* backslashes before no escape stand for themselves */
               {"C:\\xyz", "C:\\xyz"},             /* nor is xy one */
               {"K\\xE4se", "K\\\\xE4se"},         /* what looks like an escape */
               {"K\\\\xe4se", "K\\\\\\\\xe4se"},   /* twice as many */
               {"K\\\xe4se", "K\\\\\\xE4se"},      /* a backslash, then an escape */
               {"\\x00", "\\x00"},                 /* no text holds this byte */
               {"\xe4\xf6 xE4", "\\xE4\\xF6 xE4"}, /* no backslash before it */
               {"\xe4"
                "11",
                "\\xE411"}, /* digits behind it are none of its */
               {"\\", "\\"},
               {"\xe4\\", "\\xE4\\"}};
  cvy_pool *pool = cvy_pool_create();
  for (int64_t i = 0; i < CVY_COUNT(texts); i++) {
    CU_ASSERT_STRING_EQUAL(cvy_utf8_escape(pool, texts[i].bytes), texts[i].escaped);
    CU_ASSERT_STRING_EQUAL(cvy_utf8_unescape(pool, texts[i].escaped), texts[i].bytes);
  }
  cvy_pool_destroy(pool);
}

/* The texts are of bytes that are likely to be taken for one another. */
static void every_text_comes_back(void) {
  static const char bytes[] = "\\\\\\xxE4e0\xe4\xc3\xa4\xe7\x8c\xab\n\x1b\x7fz";
  cvy_random random = {.seed = 15, .purpose = CVY_FOR_TEST};
  for (int64_t i = 0; i < 20000; i++) {
    cvy_pool *pool = cvy_pool_create();
    char text[13] = "";
    const int64_t length = cvy_random_next_below(&random, sizeof text);
    for (int64_t k = 0; k < length; k++)
      text[k] = bytes[cvy_random_next_below(&random, (int64_t)sizeof bytes - 1)];
    const char *escaped = cvy_utf8_escape(pool, text);
    CU_ASSERT(cvy_utf8_valid(escaped));
    CU_ASSERT(strpbrk(escaped, "\n\x1b\x7f") == NULL);
    CU_ASSERT_STRING_EQUAL(cvy_utf8_unescape(pool, escaped), text);
    CU_ASSERT_PTR_EQUAL(cvy_utf8_shown(pool, escaped), escaped);
    cvy_pool_destroy(pool);
  }
}

static void what_people_see(void) {
  cvy_pool *pool = cvy_pool_create();
  char room[8];
  CU_ASSERT_STRING_EQUAL(cvy_utf8_shown(pool, "K\\xE4se"), "K\\xE4se"); /* escaped before */
  CU_ASSERT_STRING_EQUAL(cvy_utf8_shown(pool, "K\\xE4\xe4se"), "K\\xE4\\xE4se");
  CU_ASSERT_STRING_EQUAL(cvy_utf8_shown(pool, "a\tb"), "a\\x09b");
  CU_ASSERT_EQUAL(cvy_utf8_show_in(room, sizeof room, "cats and dogs"), 7);
  CU_ASSERT_STRING_EQUAL(room, "cats an");
  CU_ASSERT_EQUAL(cvy_utf8_show_in(room, sizeof room, "12345\xc3\xa4"), 7);
  CU_ASSERT_EQUAL(cvy_utf8_show_in(room, sizeof room, "123456\xc3\xa4"), 6); /* no half a letter */
  CU_ASSERT_EQUAL(cvy_utf8_show_in(room, sizeof room, "1234\xe4"), 4);       /* no half an escape */
  CU_ASSERT_EQUAL(cvy_utf8_show_in(room, 1, "cat"), 0);
  cvy_pool_destroy(pool);
}

static void other_encodings(void) {
  cvy_pool *pool = cvy_pool_create();
  char *text;
  CU_ASSERT_EQUAL(cvy_utf8_convert(&text, pool, "latin-1", "K\xe4se"), CVY_OK);
  CU_ASSERT_STRING_EQUAL(text, "K\xc3\xa4se");
  CU_ASSERT_EQUAL(cvy_utf8_convert(&text, pool, "cp1252", "5 \x80"), CVY_OK);
  CU_ASSERT_STRING_EQUAL(text, "5 \xe2\x82\xac");
  CU_ASSERT_EQUAL(cvy_utf8_convert(&text, pool, "UTF-8", "K\xc3\xa4se"), CVY_OK);
  CU_ASSERT_STRING_EQUAL(text, "K\xc3\xa4se");
  CU_ASSERT_EQUAL(cvy_utf8_convert(&text, pool, "utf-8", "K\xe4se"), CVY_E_INPUT);
  CU_ASSERT_STRING_EQUAL(cvy_err_message(), "'K\\xE4se' is not in utf-8");
  CU_ASSERT_PTR_NULL(text);
  CU_ASSERT_EQUAL(cvy_utf8_convert(&text, pool, "klingon", "x"), CVY_E_INPUT);
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "'klingon'"));
  cvy_pool_destroy(pool);
}

static void columns(void) {
  static const struct {
    const char *text;
    int64_t columns;
  } texts[] = {{"", 0},
               {"cat", 3},
               {"K\xc3\xa4se", 4},
               {"Ka\xcc\x88se", 4},             /* an accent of its own */
               {"\xe7\x8c\xab\xe7\x8a\xac", 4}, /* two Chinese letters */
               {"\xf0\x9f\x90\x88", 2},         /* a cat */
               {"K\xe4se", 4}};
  for (int64_t i = 0; i < CVY_COUNT(texts); i++) {
    CU_ASSERT_EQUAL(cvy_utf8_columns(texts[i].text), texts[i].columns);
    CU_ASSERT_EQUAL(cvy_utf8_fit(texts[i].text, texts[i].columns), strlen(texts[i].text));
  }
  CU_ASSERT_EQUAL(cvy_utf8_fit("cat", 2), 2);
  CU_ASSERT_EQUAL(cvy_utf8_fit("\xe7\x8c\xab\xe7\x8a\xac", 3), 3);
  CU_ASSERT_EQUAL(cvy_utf8_fit("Ka\xcc\x88se", 2), 4); /* the accent stays with its letter */
  CU_ASSERT_EQUAL(cvy_utf8_fit("cat", 0), 0);
}

SUITE("UTF-8", TEST(strictly_valid), TEST(escapes), TEST(every_text_comes_back), TEST(what_people_see),
      TEST(other_encodings), TEST(columns))
