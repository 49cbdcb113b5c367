/* Tests tables of pixels: where the label stands, what shape the pictures have, what is refused. */
#include "suite.h"
#include "reading.h"

#include "base/text.h"

static cvy_err open_table(const char *option, const char *value) {
  return open_with("pixels", option, value, fresh("table"), NULL, 0, 0);
}

/* Writes a table whose record i has the sample (10 i + 3 p) % 256 at p, but zeros in the corners, and label
 * 9 - i. */
static void make_table(int rows, int samples, const char *header, const char *separator, bool label_last,
                       const char *zeros) {
  static char chars[20000];
  cvy_text text = cvy_text_in(chars, sizeof chars);
  cvy_text_add(&text, "%s", header);
  for (int i = 0; i < rows; i++) {
    for (int p = 0; p <= samples; p++) {
      const int sample = label_last ? p : p - 1;
      if (p) cvy_text_add(&text, "%s", separator);
      if (sample < 0 || sample == samples)
        cvy_text_add(&text, "%d", 9 - i);
      else
        cvy_text_add(&text, "%d%s", sample == 0 || sample == samples - 1 ? 0 : (10 * i + 3 * sample) % 256,
                     zeros);
    }
    cvy_text_add(&text, "\r\n");
  }
  write_text("table", chars);
}

/* Checks that the open set has records 0, 1, ... as make_table wrote them, of this shape. */
static void expect_table(int rows, int64_t h, int64_t w, int64_t c, bool planes) {
  CU_ASSERT(source.count == rows && source.h == h && source.w == w && source.c == c);
  CU_ASSERT(source.class_count == rows && strcmp(source.class_names[rows - 1], "9") == 0);
  for (int64_t i = rows - 1; i >= 0; i--) {
    CU_ASSERT_EQUAL_FATAL(reader_named("pixels")->read(&record, &source, i), CVY_OK);
    CU_ASSERT_EQUAL(record.label, rows - 1 - i);
    bool same = true;
    for (int64_t p = 0; p < h * w; p++)
      for (int64_t k = 0; k < c; k++) {
        const int64_t sample = planes ? k * h * w + p : p * c + k;
        const int64_t value = sample == 0 || sample == h * w * c - 1 ? 0 : (10 * i + 3 * sample) % 256;
        same &= record.image.px[p * c + k] == value;
      }
    CU_ASSERT(same);
  }
  CU_ASSERT(reads_again("pixels"));
  reader_named("pixels")->close(&source);
}

static void expect_read(const char *option, const char *value, int rows, int64_t h, int64_t w, int64_t c,
                        bool planes) {
  const cvy_err err = open_table(option, value);
  if (err) printf("  %s\n", cvy_err_message());
  CU_ASSERT_EQUAL_FATAL(err, CVY_OK);
  expect_table(rows, h, w, c, planes);
}

static void tables_of_every_kind(void) {
  static const char header[] = "label,a,b,c,d,e,f,g,h,i\n", last[] = "a,b,c,d,e,f,g,h,i,Class\n";
  begin_quietly();
  make_table(5, 9, header, ",", false, "");
  expect_read(NULL, NULL, 5, 3, 3, 1, false);
  make_table(5, 9, last, ",", true, ".0");
  expect_read(NULL, NULL, 5, 3, 3, 1, false);
  for (int k = 0; k < 4; k++) {
    static const char *const separators[] = {",", ";", "\t", "  "};
    make_table(4, 9, "", separators[k], k % 2, "");
    expect_read(NULL, NULL, 4, 3, 3, 1, false);
    make_table(4, 8, "\n", separators[k], k % 2, "");
    expect_read("shape", "4x2", 4, 2, 4, 1, false);
  }
  make_table(4, 12, "", ",", false, "");
  expect_read("layout", "planes", 4, 2, 2, 3, true);
  expect_read("layout", "pixels", 4, 2, 2, 3, false);
  CU_ASSERT_EQUAL(open_table(NULL, NULL), CVY_E_INPUT);
  CU_ASSERT(says("12 numbers a row beside the label: pictures in colour; --layout pixels says"));
  make_table(4, 9, "n,a,b,c,d,e,f,g,h,i\n", ",", false, "");
  CU_ASSERT_EQUAL(open_table(NULL, NULL), CVY_E_INPUT);
  CU_ASSERT(says("10 columns, and nothing tells which has the labels"));
  expect_read("label-column", "N", 4, 3, 3, 1, false);
  expect_read("label-column", "1", 4, 3, 3, 1, false);
  make_table(4, 9, "", ",", false, "");
  CU_ASSERT_EQUAL_FATAL(open_with("pixels", NULL, NULL, fresh("table"), NULL, 5, 6), CVY_OK);
  CU_ASSERT(source.h == 5 && source.w == 6);
  CU_ASSERT_EQUAL(reader_named("pixels")->read(&record, &source, 0), CVY_OK);
  CU_ASSERT(record.image.h == 5 && record.image.w == 6);
  reader_named("pixels")->close(&source);
  end();
}

/* Labels in Latin-1 are refused with the option that reads them. */
static void tables_in_other_encodings(void) {
  begin();
  write_text("table", "label,a,b,c,d\nK\xe4se,0,0,0,0\nApfel,1,2,3,4\n");
  CU_ASSERT_EQUAL(open_table(NULL, NULL), CVY_E_INPUT);
  CU_ASSERT(says("/table:2: the byte 0xe4 is no UTF-8; --encoding "));
  CU_ASSERT_EQUAL_FATAL(open_table("encoding", "latin-1"), CVY_OK);
  CU_ASSERT_STRING_EQUAL(source.class_names[1], "K\xc3\xa4se");
  reader_named("pixels")->close(&source);
  CU_ASSERT_EQUAL(open_table("encoding", "klingon"), CVY_E_USAGE);
  end();
}

static void expect_refused(const char *table, const char *message) {
  write_text("table", table);
  const cvy_err err = open_table(NULL, NULL);
  CU_ASSERT_EQUAL(err, CVY_E_INPUT);
  if (!err) reader_named("pixels")->close(&source);
  CU_ASSERT(says(message));
}

static void refuses(void) {
  begin_quietly();
  expect_refused("", "/table: no row in it");
  expect_refused("label,a,b,c,d\n", "a header, but no row below it");
  expect_refused("label,a,b,c,d\n1,0,0,0\n", "/table:2: 4 fields; the first row has 5");
  expect_refused("label,a,b,c,d\n1,0,0,0,0,0\n", "/table:2: 6 fields; the first row has 5");
  expect_refused("label,a,b,c,d\n1,0,256,0,0\n",
                 "/table:2: column 3: '256' is no whole number from 0 to 255");
  expect_refused("label,a,b,c,d\n1,0,0.5,0,0\n", "column 3: '0.5' is no");
  expect_refused("label,a,b,c,d\n1,0,-1,0,0\n", "column 3: '-1' is no");
  expect_refused("label,a,b,c,d\n1,0,,0,0\n", "column 3: '' is no");
  expect_refused("label,a,b,c,d\n,0,0,0,0\n", "/table:2: no label");
  expect_refused("label,a,b,c,d\n1,0,0,0,0\n\n2.5,0,0,0,0\n", "/table:4: label '2.5' is no whole number");
  expect_refused("label,a,b,c,d,e\n1,0,0,0,0,0\n", "5 numbers a row beside the label: no square");
  expect_refused("1,2,3,4,5\n5,4,3,2,1\n", "nothing tells which has the labels");
  write_text("table", "label,a,b,c,d\n1,0,0,0,0\n2,0,0,0,0\n");
  CU_ASSERT_EQUAL(open_table("shape", "3x2"), CVY_E_INPUT);
  CU_ASSERT(says("--shape does not fit"));
  CU_ASSERT_EQUAL(open_table("shape", "round"), CVY_E_USAGE);
  CU_ASSERT_EQUAL(open_table("label-column", "6"), CVY_E_USAGE);
  CU_ASSERT_EQUAL(open_plain("pixels", fresh("table"), fresh("table")), CVY_E_USAGE);
  CU_ASSERT_EQUAL(open_plain("pixels", fresh_dir, NULL), CVY_E_INPUT);
  end();
}

static void damage_never_crashes(void) {
  begin_quietly();
  make_table(3, 4, "label,a,b,\"c\",d\n", ",", false, "");
  const file_bytes whole = read_whole(fresh("table"));
  for (size_t k = 0; k < whole.count; k++)
    for (int bit = 0; bit < 256; bit = bit ? 2 * bit : 1) {
      whole.bytes[k] ^= (unsigned char)bit;
      scratch_write(fresh("table"), whole.bytes, bit ? whole.count : k);
      whole.bytes[k] ^= (unsigned char)bit;
      const cvy_err err = go_through("pixels", fresh("table"), NULL);
      CU_ASSERT(err == CVY_OK || err == CVY_E_INPUT);
    }
  free(whole.bytes);
  end();
}

SUITE("pixels", TEST(tables_of_every_kind), TEST(tables_in_other_encodings), TEST(refuses),
      TEST(damage_never_crashes))
