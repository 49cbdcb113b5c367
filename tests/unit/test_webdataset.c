/* Tests WebDataset's shards, and the fields of JSON that their labels may be. */
#include "suite.h"
#include "archives.h"
#include "reading.h"

#include "archive/json_field.h"
#include "base/text.h"

/* ---- JSON ---- */

static const char *field(const char *text, const char *key) {
  const char *out;
  const cvy_err err = cvy_json_field(&out, pool, text, strlen(text), key, "j");
  return err ? cvy_err_message() : out ? out : "none";
}

static void fields_of_json(void) {
  static const char *const cases[][3] = {
      {"{\"label\": 3}", "label", "3"},
      {" {\"a\" : [1, {\"label\": 1}], \"label\":\"cat\" } ", "label", "cat"},
      {"{\"a\":{},\"b\":[],\"label\":-1.5e3}", "label", "-1.5e3"},
      {"{\"label\":true}", "label", "true"},
      {"{\"label\":null}", "label", "none"},
      {"{\"label\":[1]}", "label", "none"},
      {"{}", "label", "none"},
      {"{\"b\":1}", "label", "none"},
      {"{\"a\":{\"label\":7}}", "a.label", "7"},
      {"{\"a\":5}", "a.label", "none"},
      {"{\"l\\u0061bel\":\"\\u00e9\\n\\\"\\/\\ud83d\\ude00\"}", "label", "\xc3\xa9\n\"/\xf0\x9f\x98\x80"},
      {"{\"t\":\"\xd8\xb3 , } \\\\\",\"label\":\"\xd8\xb3\"}", "label", "\xd8\xb3"},
      {"[1]", "label", "j: no JSON: byte 0: expected '{'"},
      {"", "label", "j: no JSON: byte 0: expected '{'"},
      {"{\"label\"", "label", "j: no JSON: byte 8: expected ':'"},
      {"{\"label\":", "label", "j: no JSON: byte 9: expected a value"},
      {"{\"b\":1", "label", "j: no JSON: byte 6: expected ',' or '}'"},
      {"{\"b\":[1}", "label", "j: no JSON: byte 7: expected ',' or ']'"},
      {"{\"b\":\"x", "label", "j: no JSON: byte 6: expected a string that ends"},
      {"{\"b\":\"\\ud83d\",\"label\":1}", "label", "1"},
      {"{\"label\":\"\\ud83d\\u0041\"}", "label",
       "\xed\xa0\xbd"
       "A"},
      {"{\"label\":\"a\\u0000b\"}", "label",
       "a\xc0\x80"
       "b"},
      {"{\"label\":[0, 0,1]}", "label", "2"},
      {"{\"label\":[false,true]}", "label", "1"},
      {"{\"label\":[1.0,0.0]}", "label", "0"},
      {"{\"label\":[0,1,1]}", "label", "none"},
      {"{\"label\":[0,0]}", "label", "none"},
      {"{\"label\":[0,2]}", "label", "none"},
      {"{\"label\":[\"1\",0]}", "label", "none"},
      {"{\"label\":[]}", "label", "none"},
      {"{\"b\":\"\\q\"}", "label", "j: no JSON: byte 8: expected a known letter behind \\"},
      {"{\"b\":\"a\nb\"}", "label", "j: no JSON: byte 7: expected no control character in a string"},
  };
  begin();
  for (int64_t i = 0; i < CVY_COUNT(cases); i++)
    CU_ASSERT_STRING_EQUAL(field(cases[i][0], cases[i][1]), cases[i][2]);
  char deep[400] = "{\"a\":";
  memset(deep + 5, '[', 300);
  CU_ASSERT_PTR_NOT_NULL(strstr(field(deep, "label"), "expected less depth"));
  end();
}

/* ---- shards ---- */

static file_bytes pictures[4];

static void begin_shards(void) {
  static const uint8_t red[3] = {220, 20, 30};
  begin_quietly();
  for (int i = 0; i < 4; i++) pictures[i] = make_picture(i % 2, 5 + i, 9, red);
}

static void end_shards(void) {
  for (int i = 0; i < 4; i++) free(pictures[i].bytes);
  end();
}

#define PICTURE(name, i)                                                                                     \
  { name, pictures[i].bytes, pictures[i].count, NULL }
#define TEXT(name, text)                                                                                     \
  { name, text, sizeof(text) - 1, NULL }

static void write_shard(const char *path, const packed *members, int64_t count) {
  write_archive(path, "ustar", strstr(path, ".gz") ? "gzip" : NULL, members, count);
}

/* Checks that the open set has these classes, and pictures 0, 1, ... with these labels, in this order. */
static void expect_samples(const char *classes, const char *labels) {
  char names[400];
  cvy_text_list(names, sizeof names, "|", source.class_names, source.class_count);
  CU_ASSERT_STRING_EQUAL(names, classes);
  CU_ASSERT_EQUAL_FATAL(source.count, (int64_t)strlen(labels));
  for (int64_t i = 0; i < source.count; i++) {
    CU_ASSERT_EQUAL_FATAL(reader_named("webdataset")->read(&record, &source, i), CVY_OK);
    CU_ASSERT_EQUAL(record.label, labels[i] - '0');
    CU_ASSERT_EQUAL(record.image.h, 5 + i);
  }
  CU_ASSERT(reads_again("webdataset"));
  reader_named("webdataset")->close(&source);
}

static void expect_read(const char *option, const char *value, const char *a, const char *b,
                        const char *classes, const char *labels) {
  const cvy_err err = open_with("webdataset", option, value, a, b, 0, 0);
  if (err) printf("  %s\n", cvy_err_message());
  CU_ASSERT_EQUAL_FATAL(err, CVY_OK);
  expect_samples(classes, labels);
}

static void expect_refused(const packed *members, int64_t count, const char *message) {
  write_shard(fresh("bad.tar"), members, count);
  const cvy_err err = open_plain("webdataset", fresh("bad.tar"), NULL);
  CU_ASSERT_EQUAL(err, CVY_E_INPUT);
  if (!err) reader_named("webdataset")->close(&source);
  CU_ASSERT(says(message));
}

static void write_two_shards(void) {
  /* Samples do not lie in the order of their names: the order of the shard counts. */
  const packed first[] = {PICTURE("z.png", 0),
                          TEXT("z.cls", "10\n"),
                          TEXT("z.json", "{\"label\": \"b\"}"),
                          TEXT("z.txt", "a cat"),
                          PICTURE("a/1.JPG", 1),
                          TEXT("a/1.cls", " 9 "),
                          PICTURE("a/1.seg.png", 3),
                          TEXT("a/1.json", "{\"label\": \"a\"}")};
  const packed second[] = {TEXT("z.cls", "9"), TEXT("z.json", "{\"label\": \"c\"}"), PICTURE("z.png", 2),
                           TEXT("notes.txt", "no sample")};
  write_shard(fresh("set-000.tar"), first, CVY_COUNT(first));
  write_shard(fresh("set-001.tar"), second, CVY_COUNT(second));
}

static void shards_in_order(void) {
  begin_shards();
  write_two_shards();
  expect_read(NULL, NULL, fresh("set-000.tar"), fresh("set-001.tar"), "9|10", "100");
  expect_read("label", "json.label", fresh("set-000.tar"), fresh("set-001.tar"), "a|b|c", "102");
  expect_read(NULL, NULL, fresh_dir, NULL, "9|10", "100");
  expect_read(NULL, NULL, fresh("set-{000..001}.tar"), NULL, "9|10", "100");
  CU_ASSERT_EQUAL(open_plain("webdataset", fresh("set-{0..x}.tar"), NULL), CVY_E_USAGE);
  CU_ASSERT(says("expected a range such as {000..146}"));
  CU_ASSERT_EQUAL(open_plain("webdataset", fresh("set-{000..002}.tar"), NULL), CVY_E_INPUT);
  CU_ASSERT(says("set-002.tar: cannot open"));
  CU_ASSERT_EQUAL(open_plain("webdataset", NULL, NULL), CVY_E_USAGE);
  end_shards();
}

static void labels_in_json_and_text(void) {
  begin_shards();
  const packed members[] = {PICTURE("0.x.png", 0),  TEXT("0.json", "{\"n\": [1], \"label\": 3}"),
                            TEXT("0.txt", "cat\n"), PICTURE("0.png", 0),
                            PICTURE("1.jpg", 1),    TEXT("1.json", "{\"label\": 12}"),
                            TEXT("1.txt", "dog"),   PICTURE("1.x.png", 1)};
  write_shard(fresh("s.tar.gz"), members, CVY_COUNT(members));
  expect_read(NULL, NULL, fresh("s.tar.gz"), NULL, "3|12", "01");
  expect_read("label", "txt", fresh("s.tar.gz"), NULL, "cat|dog", "01");
  expect_read("picture", "x.png", fresh("s.tar.gz"), NULL, "3|12", "01");
  CU_ASSERT_EQUAL(open_with("webdataset", "label", "json.n", fresh("s.tar.gz"), NULL, 0, 0), CVY_E_INPUT);
  CU_ASSERT(says("sample '0' (.json, .png, .txt, .x.png): no label"));
  end_shards();
}

/* PowerShell's ">" writes UTF-16 with a mark, and other programs put a mark in front of UTF-8. */
static void labels_with_marks(void) {
  begin_shards();
  const packed members[] = {PICTURE("0.png", 0),
                            TEXT("0.cls", "\xff\xfe"
                                          "1\0"
                                          "9\0\r\0\n\0"),
                            PICTURE("1.jpg", 1),
                            TEXT("1.cls", "\xef\xbb\xbf"
                                          "2\n"),
                            PICTURE("2.png", 2),
                            TEXT("2.cls", "\xfe\xff\0"
                                          "1\0"
                                          "0")};
  write_shard(fresh("s.tar"), members, CVY_COUNT(members));
  expect_read(NULL, NULL, fresh("s.tar"), NULL, "2|10|19", "201");
  const packed json[] = {PICTURE("0.png", 0), TEXT("0.json", "\xef\xbb\xbf{\"label\": [0, 1]}"),
                         PICTURE("1.jpg", 1), TEXT("1.json", "{\"label\": [1, 0]}")};
  write_shard(fresh("j.tar"), json, CVY_COUNT(json));
  expect_read(NULL, NULL, fresh("j.tar"), NULL, "0|1", "10");
  const packed zero[] = {PICTURE("0.jpg", 1), TEXT("0.cls", "1\0"
                                                            "2\0")};
  expect_refused(zero, 2, "/bad.tar: 0.cls: byte 1 is zero");
  end_shards();
}

static void labels_that_are_no_classes(void) {
  begin_shards();
  const packed missing[] = {PICTURE("0.jpg", 1),  TEXT("0.cls", "1"),  PICTURE("1.jpg", 1),
                            TEXT("1.cls", "nan"), PICTURE("2.jpg", 1), TEXT("2.cls", "2")};
  expect_refused(missing, 6, "/bad.tar: 1.jpg: label 'nan' stands for a missing value");
  const packed fractions[] = {PICTURE("0.jpg", 1), TEXT("0.cls", "0.5"), PICTURE("1.jpg", 1),
                              TEXT("1.cls", "0.25")};
  expect_refused(fractions, 4, "/bad.tar: 0.jpg: label '0.5' is no whole number");
  end_shards();
}

static void refuses(void) {
  begin_shards();
  const packed bare[] = {PICTURE("0.jpg", 1), TEXT("0.cls", "1"), PICTURE("1.jpg", 1)};
  expect_refused(bare, 3, "/bad.tar: sample '1' (.jpg): no label; it is read from .cls");
  const packed other[] = {PICTURE("0.jpg", 1), TEXT("0.cls", "1"), TEXT("1.webp", "x"), TEXT("1.cls", "2")};
  expect_refused(other, 4, "sample '1' (.cls, .webp): no picture");
  const packed two[] = {PICTURE("0.jpg", 1), TEXT("0.cls", "1"), PICTURE("0.png", 0)};
  expect_refused(two, 3, "sample '0' (.cls, .jpg, .png): two pictures");
  const packed blank[] = {PICTURE("0.jpg", 1), TEXT("0.cls", " \n")};
  expect_refused(blank, 2, "no label");
  const packed broken[] = {PICTURE("0.jpg", 1), TEXT("0.json", "{label: 3}")};
  expect_refused(broken, 2, "/bad.tar: 0.json: no JSON: byte 1: expected a string");
  const packed none[] = {TEXT("README", "x"), TEXT("a.txt", "x")};
  expect_refused(none, 2, "no sample with a picture and a label");
  mkdir(fresh("empty"), 0777);
  CU_ASSERT_EQUAL(open_plain("webdataset", fresh("empty"), NULL), CVY_E_INPUT);
  CU_ASSERT(says("/empty: no tar in this folder"));
  end_shards();
}

static void expect_splits(const char *dir, const char *expected) {
  cvy_prepare_input *found;
  int64_t count;
  char text[600];
  cvy_text all = cvy_text_in(text, sizeof text);
  CU_ASSERT_EQUAL_FATAL(reader_named("webdataset")->find_splits(&found, &count, pool, dir), CVY_OK);
  for (int64_t i = 0; i < count; i++)
    cvy_text_item(&all, " ", "%s:%s", found[i].split, strrchr(found[i].path, '/') + 1);
  CU_ASSERT_STRING_EQUAL(text, expected);
}

static void names_tell_splits(void) {
  static const char *const names[] = {"a/cub-train-001.tar", "a/cub-train-000.tar", "a/cub-test-0.tar.gz",
                                      "b/000.tar",           "b/001.tar",           "c/train.tar",
                                      "c/other.tar",         "d/val/0.tar",         "d/train/0.tar"};
  begin_shards();
  for (int i = 0; i < 4; i++) mkdir(fresh(i == 0 ? "a" : i == 1 ? "b" : i == 2 ? "c" : "d"), 0777);
  mkdir(fresh("d/val"), 0777);
  mkdir(fresh("d/train"), 0777);
  for (int64_t i = 0; i < CVY_COUNT(names); i++) scratch_write(fresh(names[i]), "x", 1);
  expect_splits(fresh("a"), "train:cub-train-000.tar train:cub-train-001.tar val:cub-test-0.tar.gz");
  expect_splits(fresh("b"), "");
  expect_splits(fresh("c"), "");
  expect_splits(fresh("d"), "train:train val:val");
  expect_splits(fresh("a/cub-train-000.tar"), "");
  end_shards();
}

static void damage_never_crashes(void) {
  begin_shards();
  write_two_shards();
  const file_bytes shard = read_whole(fresh("set-000.tar"));
  for (size_t k = 0; k < shard.count; k += 7) {
    scratch_write(fresh("damaged"), shard.bytes, k);
    CU_ASSERT(go_through("webdataset", fresh("damaged"), NULL) == CVY_E_INPUT || k + 1024 >= shard.count);
    shard.bytes[k] ^= 0x14;
    scratch_write(fresh("damaged"), shard.bytes, shard.count);
    const cvy_err err = go_through("webdataset", fresh("damaged"), NULL);
    CU_ASSERT(err == CVY_OK || err == CVY_E_INPUT);
    shard.bytes[k] ^= 0x14;
  }
  free(shard.bytes);
  end_shards();
}

SUITE("webdataset", TEST(fields_of_json), TEST(shards_in_order), TEST(labels_in_json_and_text),
      TEST(labels_with_marks), TEST(labels_that_are_no_classes), TEST(refuses), TEST(names_tell_splits),
      TEST(damage_never_crashes))
