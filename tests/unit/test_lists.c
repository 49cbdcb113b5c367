/* Tests lists of pictures as other programs write them: what divides their fields, how their labels and paths
 * are written, in which encoding. */
#include "suite.h"
#include "reading.h"

#include "archive/encoding.h"
#include "base/text.h"

enum { PICTURES = 4 };

static const char *const files[PICTURES] = {"img/a.png", "img/b c.png", "img/d,e.png", "img/f.JPG"};

/* Writes the pictures; picture i is 5+i pixels high. */
static void begin_lists(void) {
  static const uint8_t red[3] = {220, 20, 30};
  begin_quietly();
  mkdir(fresh("img"), 0777);
  mkdir(fresh("lists"), 0777);
  for (int i = 0; i < PICTURES; i++) write_picture(fresh(files[i]), i == 3, 5 + i, 9, red);
  write_picture(fresh("img/b.png"), false, 6, 9, red);
}

static void write_bytes(const char *name, const void *bytes, size_t count) {
  scratch_write(fresh(name), bytes, count);
}

static cvy_err open_list(const char *option, const char *value) {
  return open_with("csv", option, value, fresh("list"), NULL, 0, 0);
}

/* Checks that the open list has these classes, and pictures 0, 1, ... with these labels, in this order. */
static void expect_pictures(const char *classes, const char *labels) {
  char names[400];
  cvy_text_list(names, sizeof names, "|", source.class_names, source.class_count);
  CU_ASSERT_STRING_EQUAL(names, classes);
  CU_ASSERT_EQUAL_FATAL(source.count, (int64_t)strlen(labels));
  for (int64_t i = 0; i < source.count; i++) {
    CU_ASSERT_EQUAL_FATAL(reader_named("csv")->read(&record, &source, i), CVY_OK);
    CU_ASSERT_EQUAL(record.label, labels[i] - '0');
    CU_ASSERT_EQUAL(record.image.h, 5 + i);
  }
  CU_ASSERT(reads_again("csv"));
  reader_named("csv")->close(&source);
}

static void expect_read(const char *text, const char *classes, const char *labels) {
  write_text("list", text);
  const cvy_err err = open_list(NULL, NULL);
  if (err) printf("  %s\n", cvy_err_message());
  CU_ASSERT_EQUAL_FATAL(err, CVY_OK);
  expect_pictures(classes, labels);
}

static void expect_refused(const char *text, const char *message) {
  write_text("list", text);
  const cvy_err err = open_list(NULL, NULL);
  CU_ASSERT_EQUAL(err, CVY_E_INPUT);
  if (!err) reader_named("csv")->close(&source);
  CU_ASSERT(says(message));
}

/* ---- separators ---- */

static void blanks_divide(void) {
  begin_lists();
  expect_read("img/a.png 1\nimg/b c.png 0\nimg/d,e.png 10\nimg/f.JPG 1\n", "0|1|10", "1021");
  expect_read("img/a.png\t1\r\nimg/b c.png\t0\r\n", "0|1", "10");
  expect_read("img/a.png  1 \nimg/b c.png \t 0\n\n", "0|1", "10");
  expect_read("\"img/a.png\" cat\n\"img/b c.png\" dog\n", "cat|dog", "01");
  expect_read("path label\nimg/a.png x,y\nimg/b c.png z\n", "x,y|z", "01");
  expect_read("img/a.png 1\rimg/b c.png 0\r", "0|1", "10");
  expect_read("img/a.png,1\rimg/b c.png,0", "0|1", "10");
  expect_read("img/a.png,a b\r\r\nimg/b c.png,c\r\r\n", "a b|c", "01");
  expect_refused("img/a.png\nimg/b c.png\n", "no labels: only paths; 'convoy prepare folder'");
  expect_refused("img/a.png 1\nimg/d,e.png\n", "/list:2: 1 field; the first row has 2");
  expect_refused("img/a.png 1 0 1\nimg/d,e.png 0 1 5\n", "says which of them it is: 2 '1', 3 '0', 4 '1'");
  expect_refused("img/a.png 1\nimg/b c.png 1 5\n", "but 'img/b c.png' is one; where paths hold blanks");
  write_text("list", "img/a.png 1 0 1\nimg/d,e.png 0 1 5\n");
  CU_ASSERT_EQUAL_FATAL(open_list("label-column", "4"), CVY_OK);
  CU_ASSERT(source.class_count == 2 && strcmp(source.class_names[1], "5") == 0);
  reader_named("csv")->close(&source);
  write_text("list", "a b,1\nc d,2\n");
  CU_ASSERT_EQUAL(open_list("separator", "blank"), CVY_E_INPUT);
  end();
}

static void lists_of_mxnet(void) {
  begin_lists();
  expect_read("7\t10.000000\timg/a.png\n3\t2.000000\timg/b c.png\n5\t2.000000\timg/d,e.png\n", "2|10", "100");
  expect_read("7 1.0 img/a.png\n3 0.0 img/b.png\n", "0|1", "10");
  expect_read("7 x img/a.png\n3 y img/b.png\n", "x|y", "01");
  expect_refused("7\t1\t3\timg/a.png\n3\t2\t5\timg/b c.png\n", "says which of them it is: 2 '1', 3 '3'");
  write_text("list", "7\t1\t3\timg/a.png\n3\t2\t5\timg/b c.png\n");
  CU_ASSERT_EQUAL_FATAL(open_list("label-column", "3"), CVY_OK);
  expect_pictures("3|5", "01");
  /* The first column counts nothing where it has a number twice. */
  expect_refused("7\t1\timg/a.png\n7\t2\timg/b c.png\n", "says which of them it is: 1 '7', 2 '1'");
  end();
}

/* ---- labels ---- */

static void labels_are_written_in_many_ways(void) {
  static const char *const ways[][3] = {{"10", "9", "2"},
                                        {"10.0", "9.0", "2.0"},
                                        {"+10", "09", "2.000000"},
                                        {" 10 ", "9 ", "\" 2\""},
                                        {"1e1", "9.", "002"}};
  char text[400];
  begin_lists();
  for (int64_t i = 0; i < CVY_COUNT(ways); i++) {
    snprintf(text, sizeof text, "img/a.png,%s\nimg/b c.png,%s\n\"img/d,e.png\",%s\n", ways[i][0], ways[i][1],
             ways[i][2]);
    expect_read(text, "2|9|10", "210");
  }
  expect_read("img/a.png,\"cat \"\nimg/b c.png,\" cat\"\n\"img/d,e.png\",dog\n", "cat|dog", "001");
  expect_read("path,label\nimg/a.png,10\nimg/b c.png,9\n\"img/d,e.png\",x\n", "9|10|x", "102");
  expect_refused("img/a.png,3\nimg/b c.png,\" \"\n", "/list:2: no label");
  expect_refused("path,label\nimg/a.png,3.0\nimg/b c.png,nan\n", "/list:3: label 'nan' stands for a missing");
  expect_refused("img/a.png;10,0\nimg/b c.png;9,0\n", "/list:1: label '10,0' has a decimal comma");
  expect_refused("img/a.png 0.5\nimg/b.png 0.25\n", "/list:1: label '0.5' is no whole number");
  end();
}

static void one_hot_columns(void) {
  begin_lists();
  expect_read("file,dog,cat\nimg/a.png,1,0\nimg/b c.png,0.0,1.0\n", "cat|dog", "10");
  expect_read("id,b,a,c\nimg/a,1,0,0\nimg/b c,0,1,0\n", "a|b|c", "10");
  expect_read("img/a.png 0 1 0\nimg/b.png 0 0 1\n", "0|1|2", "12");
  expect_read("file,dog,cat\nimg/a.png,True,False\nimg/b c.png,False,True\n", "cat|dog", "10");
  expect_refused("file,dog,cat\nimg/a.png,1,0\nimg/b c.png,1,1\n",
                 "/list:3: 2 of the columns 2 'dog', 3 'cat' hold a 1; a picture has one class");
  expect_refused("file,dog,cat\nimg/a.png,1,0\nimg/b c.png,0,0\n", "/list:3: 0 of the columns");
  expect_refused("file,dog,cat\nimg/a.png,1,0\nimg/b c.png,2,0\n", "none is called label");
  end();
}

static void columns_with_names(void) {
  begin_lists();
  expect_read(",image,breed\n0,img/a.png,x\n1,img/b c.png,y\n", "x|y", "01");
  expect_read("image,width,Class\nimg/a.png,3,x\nimg/b c.png,4,y\n", "x|y", "01");
  expect_refused("image,width,breed\nimg/a.png,3,x\nimg/b c.png,4,y\n",
                 "says which of them it is: 2 'width', 3 'breed'");
  expect_refused("first,second,label\nimg/a.png,img/a.png,1\nimg/a.png,img/b c.png,2\n",
                 "the columns 1 'first', 2 'second' all name pictures");
  expect_refused("img/a.png,x\nimg/a.png,y\n", "/list:2: img/a.png is 'y' here, and 'x' in line 1");
  end();
}

/* Files called 0.png and 1.png are no reason to take the labels 0 and 1 for their names without endings. */
static void pictures_named_by_numbers(void) {
  static const uint8_t blue[3] = {10, 40, 200};
  begin_lists();
  for (int i = 0; i < 3; i++) write_picture(fresh(cvy_pool_format(pool, "%d.png", i)), false, 5 + i, 9, blue);
  expect_read("0.png 2\n1.png 0\n2.png 1\n", "0|1|2", "201");
  expect_read("0.png,2\n1.png,0\n2.png,0\n", "0|2", "100");
  expect_read("0.png\t1\n1.png\t0\n", "0|1", "10");
  expect_read("0\t1.0\t0.png\n1\t0.0\t1.png\n", "0|1", "10");
  expect_read("id,label\n0,2\n1,0\n2,0\n", "0|2", "100");
  expect_read("label,id\n1,0\n0,1\n", "0|1", "10");
  write_text("list", "1,0\n0,1\n");
  CU_ASSERT_EQUAL_FATAL(open_list("label-column", "1"), CVY_OK);
  expect_pictures("0|1", "10");
  end();
}

static void expect_splits(const char *text, const char *expected) {
  cvy_prepare_input *found;
  int64_t count;
  char chars[200];
  cvy_text all = cvy_text_in(chars, sizeof chars);
  write_text("list", text);
  CU_ASSERT_EQUAL_FATAL(reader_named("csv")->find_splits(&found, &count, pool, fresh("list")), CVY_OK);
  for (int64_t i = 0; i < count; i++)
    cvy_text_item(&all, " ", "%s=%s", found[i].split, strrchr(found[i].path, '/') + 1);
  CU_ASSERT_STRING_EQUAL(chars, expected);
}

static void a_column_of_splits(void) {
  static const char list[] = "image,split,breed\nimg/a.png,train,x\nimg/b c.png,Train,y\nimg/f.JPG,test,y\n";
  begin_lists();
  expect_splits(list, "train=list:train val=list:test");
  CU_ASSERT_EQUAL_FATAL(open_plain("csv", fresh("list:train"), NULL), CVY_OK);
  expect_pictures("x|y", "01");
  CU_ASSERT_EQUAL_FATAL(open_plain("csv", fresh("list:test"), NULL), CVY_OK);
  CU_ASSERT(source.count == 1 && source.class_count == 1);
  reader_named("csv")->close(&source);
  CU_ASSERT_EQUAL(open_plain("csv", fresh("list:val"), NULL), CVY_E_INPUT);
  CU_ASSERT(says("/list: no row of the split val"));
  expect_refused(list, "/list: its column 'split' says of which split a row is; name one, train=");
  CU_ASSERT(says("/list:train"));
  expect_splits("image,label\nimg/a.png,x\n", "");
  CU_ASSERT_EQUAL(open_plain("csv", fresh("list:train"), NULL), CVY_E_INPUT);
  CU_ASSERT(says("/list: no column 'split'"));
  expect_splits("no list", "");
  expect_read("image,label,set\nimg/a.png,x,train\nimg/b c.png,y,train\n", "x|y", "01");
  expect_read("image,label,set\nimg/a.png,x,1\nimg/b c.png,y,2\n", "x|y", "01"); /* these are no splits */
  end();
}

/* Several lists of a split are joined, each as it is written; their labels are numbered together. */
static void lists_are_joined(void) {
  begin_lists();
  write_text("list", "img/a.png,10\nimg/b c.png,9\n");
  write_text("lists/more", "../img/d,e.png 2.0\n../img/f.JPG 9.0\n");
  CU_ASSERT_EQUAL_FATAL(open_plain("csv", fresh("list"), fresh("lists/more")), CVY_OK);
  expect_pictures("2|9|10", "2101");
  write_text("more", "label;file\n3;img/a.png\n");
  CU_ASSERT_EQUAL(open_plain("csv", fresh("list"), fresh("more")), CVY_E_INPUT);
  CU_ASSERT(says("/more:2: img/a.png is '3' here, and '10' in line 1 of "));
  write_text("more", "label;file\n3;img/a.png\nnan;img/f.JPG\n");
  CU_ASSERT_EQUAL(open_plain("csv", fresh("list"), fresh("more")), CVY_E_INPUT);
  CU_ASSERT(says("/more:3: label 'nan' stands for"));
  CU_ASSERT_EQUAL(open_plain("csv", fresh("list"), fresh("list")), CVY_E_USAGE);
  CU_ASSERT(says("/list is given twice"));
  CU_ASSERT_EQUAL(open_plain("csv", NULL, NULL), CVY_E_USAGE);
  end();
}

static void two_columns_of_one_name(void) {
  begin_lists();
  expect_refused("image,label,label\nimg/a.png,1,x\nimg/b c.png,2,y\n",
                 "/list:1: the columns 2 and 3 are both called 'label'; --label-column says which counts");
  CU_ASSERT_EQUAL_FATAL(open_list("label-column", "3"), CVY_OK);
  expect_pictures("x|y", "01");
  CU_ASSERT_EQUAL(open_list("label-column", "label"), CVY_E_INPUT);
  expect_refused("image,image,y\nimg/a.png,1,x\n", "both called 'image'; --path-column says");
  end();
}

static void expect_classes_of_ten(const char *list) {
  write_text("list", list);
  CU_ASSERT_EQUAL_FATAL(open_plain("csv", fresh("list"), NULL), CVY_OK);
  CU_ASSERT_EQUAL(source.class_count, 10);
  reader_named("csv")->close(&source);
}

static void counts_are_no_labels(void) {
  char text[600], name[40];
  cvy_text rows = cvy_text_in(text, sizeof text);
  begin_lists();
  for (int i = 0; i < 10; i++) {
    snprintf(name, sizeof name, "img/n%d.png", i);
    write_text(name, "x");
    cvy_text_add(&rows, "%d %s\n", i + 1, name);
  }
  expect_refused(text,
                 "/list: each of its 10 rows has a label of its own, such as '1': these count the rows");
  CU_ASSERT_EQUAL_FATAL(open_list("label-column", "1"), CVY_OK);
  CU_ASSERT_EQUAL(source.class_count, 10);
  reader_named("csv")->close(&source);
  rows = cvy_text_in(text, sizeof text);
  for (int i = 0; i < 10; i++)
    cvy_text_add(&rows, "img/n%d.png n%d\n", i, i); /* each is a class of its own */
  expect_classes_of_ten(text);
  expect_read("img/a.png,1,\nimg/b c.png,2,\n", "1|2", "01"); /* a separator at the end of each row */
  end();
}

static void numbers_are_no_lists(void) {
  static char text[4000];
  begin_lists();
  cvy_text rows = cvy_text_in(text, sizeof text);
  for (int row = 0; row < 3; row++)
    for (int i = 0; i < 65; i++) cvy_text_add(&rows, "%d%s", i * row, i < 64 ? "," : "\n");
  expect_refused(text, "/list:3: 65 numbers and no path: these are pixels");
  expect_refused("3 1:0.5 7:1\n2 2:1\n", "'1:0.5 ...' is LibSVM's format");
  CU_ASSERT_EQUAL(open_plain("csv", fresh("img"), NULL), CVY_E_INPUT);
  CU_ASSERT(says("/img: a folder"));
  end();
}

/* ---- paths ---- */

static void paths_have_a_root(void) {
  char text[2400];
  begin_lists();
  expect_read("/img/a.png 1\n/img/b c.png 0\n", "0|1", "10");
  expect_read("img\\a.png,1\n.\\img\\b c.png,0\n", "0|1", "10");
  snprintf(text, sizeof text, "%s 1\n%s 0\n", fresh("img/a.png"), fresh("img/b c.png"));
  expect_read(text, "0|1", "10");
  write_text("list", "a.png 1\n/b c.png 0\n");
  CU_ASSERT_EQUAL(open_list(NULL, NULL), CVY_E_INPUT);
  CU_ASSERT(says("/a.png: No such file; --root says to which folder"));
  CU_ASSERT_EQUAL_FATAL(open_list("root", fresh("img")), CVY_OK);
  expect_pictures("0|1", "10");
  CU_ASSERT_EQUAL_FATAL(open_list("root", cvy_pool_format(pool, "%s/", fresh("img"))), CVY_OK);
  expect_pictures("0|1", "10");
  CU_ASSERT_EQUAL(open_list("root", fresh("none")), CVY_E_USAGE);
  CU_ASSERT(says("/none: no such folder"));
  CU_ASSERT_EQUAL(open_list("root", fresh("lists")), CVY_E_INPUT);
  CU_ASSERT(says("/lists/a.png: No such file"));
  end();
}

static void endings_may_be_missing(void) {
  begin_lists();
  expect_read("id,label\nimg/a,1\nimg/b c,0\n\"img/d,e\",3\nimg/f,3\n", "0|1|3", "1022");
  expect_read("label,key\n1,img/a\n0,img/b c\n", "0|1", "10");
  write_text("img/a.jpeg", "x");
  expect_refused("id,label\nimg/a,1\nimg/b c,0\n", "'img/a' may be ");
  expect_refused("id,label\nimg/b c,1\nimg/gone,0\n", "/list:3: ");
  CU_ASSERT(says("/img/gone: No such file"));
  end();
}

/* ---- encodings ---- */

static void expect_encoded(const char *encoding, const void *bytes, size_t count) {
  write_bytes("list", bytes, count);
  const cvy_err err = open_list(encoding ? "encoding" : NULL, encoding);
  if (err) printf("  %s\n", cvy_err_message());
  CU_ASSERT_EQUAL_FATAL(err, CVY_OK);
  expect_pictures("dog|k\xc3\xa4"
                  "fer",
                  "10");
}

/* Widens ASCII and Latin-1, with a mark in front or not. */
static size_t widen(char *out, const char *text, bool big_endian, bool mark) {
  size_t count = 0;
  if (mark) out[count++] = big_endian ? '\xfe' : '\xff';
  if (mark) out[count++] = big_endian ? '\xff' : '\xfe';
  for (; *text; text++) {
    if (big_endian) out[count++] = 0;
    out[count++] = *text;
    if (!big_endian) out[count++] = 0;
  }
  return count;
}

static void encodings(void) {
  static const char latin[] = "img/a.png;k\xe4"
                              "fer\r\nimg/b c.png;dog\r\n";
  static const char utf8[] = "\xef\xbb\xbfimg/a.png;k\xc3\xa4"
                             "fer\r\nimg/b c.png;dog\r\n";
  char wide[200];
  begin_lists();
  expect_encoded("latin-1", latin, sizeof latin - 1);
  expect_encoded("windows-1252", latin, sizeof latin - 1);
  expect_encoded("ISO-8859-15", latin, sizeof latin - 1);
  expect_encoded(NULL, utf8, sizeof utf8 - 1);
  expect_encoded(NULL, utf8 + 3, sizeof utf8 - 4);
  expect_encoded("latin-1", utf8, sizeof utf8 - 1); /* the mark in front decides */
  for (int big = 0; big < 2; big++) {
    size_t count = widen(wide, latin, big, true);
    expect_encoded(NULL, wide, count);
    expect_encoded("utf-16", wide, count);
    count = widen(wide, latin, big, false);
    expect_encoded(big ? "utf-16be" : "utf-16le", wide, count);
    write_bytes("list", wide, count);
    CU_ASSERT_EQUAL(open_list(NULL, NULL), CVY_E_INPUT);
    CU_ASSERT(says(big ? "--encoding utf-16be" : "--encoding utf-16le"));
  }
  expect_refused("img/a.png,x\nimg/b c.png,k\xe4"
                 "fer\n",
                 "/list:2: the byte 0xe4 is no UTF-8; --encoding windows-1252");
  write_text("list", "img/a.png,x\nimg/b c.png,k\x81\n");
  CU_ASSERT_EQUAL(open_list("encoding", "windows-1252"), CVY_E_INPUT);
  CU_ASSERT(says("/list:2: the byte 0x81 is none of windows-1252"));
  CU_ASSERT_EQUAL(open_list("encoding", "martian"), CVY_E_USAGE);
  CU_ASSERT(says("--encoding martian: unknown"));
  end();
}

/* A file's name may be in UTF-8 or, on old disks, in the list's own encoding. */
static void names_of_files_keep_their_bytes(void) {
  static const uint8_t blue[3] = {10, 40, 200};
  static const char *const names[] = {"img/\xe4.png", "img/\xc3\xa4.png"};
  begin_lists();
  for (int i = 0; i < 2; i++) {
    write_picture(fresh(names[i]), false, 5 + i, 9, blue);
    write_text("list", "img/\xe4.png,x\nimg/b c.png,y\n");
    CU_ASSERT_EQUAL_FATAL(open_list("encoding", "latin-1"), CVY_OK);
    CU_ASSERT_EQUAL(reader_named("csv")->read(&record, &source, 0), CVY_OK);
    CU_ASSERT_EQUAL(record.image.h, 5 + i); /* the name in UTF-8 goes first */
    CU_ASSERT_PTR_NOT_NULL(strstr(record.name, "/img/\xc3\xa4.png"));
    reader_named("csv")->close(&source);
  }
  write_picture(fresh("img/\xf6.png"), false, 7, 9, blue); /* a list in UTF-8, of a disk in Latin-1 */
  write_text("list", "img/\xc3\xb6.png,x\nimg/b c.png,y\n");
  CU_ASSERT_EQUAL_FATAL(open_list(NULL, NULL), CVY_OK);
  CU_ASSERT_EQUAL(reader_named("csv")->read(&record, &source, 0), CVY_OK);
  CU_ASSERT_EQUAL(record.image.h, 7);
  CU_ASSERT_PTR_NOT_NULL(strstr(record.name, "/img/\xc3\xb6.png"));
  reader_named("csv")->close(&source);
  CU_ASSERT_STRING_EQUAL(cvy_text_from_utf8(pool, "\xc3\xa4", "ISO-8859-1"), "\xe4");
  CU_ASSERT_PTR_NULL(cvy_text_from_utf8(pool, "\xd8\xb3", "ISO-8859-1"));
  CU_ASSERT_PTR_NULL(cvy_text_from_utf8(pool, "a", "UTF-16LE"));
  end();
}

/* ---- lists of a bug report ---- */

static void reported_lists(void) {
  static const struct {
    const char *name;
    int64_t count;
    bool other_root;
  } lists[] = {
      {"caffe.txt", 9, false}, {"caffe-names-with-blanks.txt", 12, false}, {"lists/other-root.txt", 9, true}};
  const char *data = test_data("lists with blanks");
  if (!data) return;
  begin();
  for (int64_t i = 0; i < CVY_COUNT(lists); i++) {
    const char *dir = cvy_pool_format(pool, "%s/reported/list-with-blanks", data);
    const char *root = lists[i].other_root ? cvy_pool_format(pool, "%s/img", dir) : NULL;
    const char *list = cvy_pool_format(pool, "%s/%s", dir, lists[i].name);
    CU_ASSERT_EQUAL_FATAL(open_with("csv", root ? "root" : NULL, root, list, NULL, 0, 0), CVY_OK);
    CU_ASSERT(source.count == lists[i].count && source.class_count == 3);
    reader_named("csv")->close(&source);
  }
  end();
}

SUITE("lists", TEST(blanks_divide), TEST(lists_of_mxnet), TEST(labels_are_written_in_many_ways),
      TEST(one_hot_columns), TEST(columns_with_names), TEST(pictures_named_by_numbers),
      TEST(a_column_of_splits), TEST(lists_are_joined), TEST(two_columns_of_one_name),
      TEST(counts_are_no_labels), TEST(numbers_are_no_lists), TEST(paths_have_a_root),
      TEST(endings_may_be_missing), TEST(encodings), TEST(names_of_files_keep_their_bytes),
      TEST(reported_lists))
