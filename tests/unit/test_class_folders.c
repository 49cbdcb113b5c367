/* Tests folders and archives with one folder a class: both read the same tree alike. */
#include "suite.h"
#include "archives.h"
#include "reading.h"

#include <unistd.h>

enum { MOST = 16 };

static const uint8_t grey[3] = {90, 90, 90};
static file_bytes picture;

/* Makes the same tree as a folder "tree", as "tree.tar" and as "tree.zip". Names that end in '/' are empty
 * folders. */
static void make_tree(const char *const *names) {
  packed members[MOST] = {0};
  int64_t count = 0;
  begin_quietly();
  picture = make_picture(false, 3, 4, grey);
  for (; names[count]; count++) {
    const char *path = cvy_pool_format(pool, "tree/%s", names[count]);
    const size_t length = strlen(path);
    for (const char *p = strchr(path, '/'); p; p = strchr(p + 1, '/'))
      mkdir(fresh(cvy_pool_format(pool, "%.*s", (int)(p - path), path)), 0777);
    const bool folder = path[length - 1] == '/';
    if (!folder) scratch_write(fresh(path), picture.bytes, picture.count);
    members[count] = (packed){path, folder ? NULL : picture.bytes, folder ? 0 : picture.count, NULL};
  }
  write_archive(fresh("tree.tar"), "gnutar", NULL, members, count);
  write_archive(fresh("tree.zip"), "zip", NULL, members, count);
}

static void end_tree(void) {
  free(picture.bytes);
  end();
}

static const char *const places[3][2] = {{"folder", "tree"}, {"tar", "tree.tar"}, {"tar", "tree.zip"}};

/* Checks that each of the three places has these classes, and these files in this order, each with the class
 * that its first folder names. */
static void expect_tree(const char *const *classes, const char *const *files) {
  for (int i = 0; i < 3; i++) {
    const cvy_reader *reader = reader_named(places[i][0]);
    int64_t class_count = 0, count = 0;
    CU_ASSERT_EQUAL_FATAL(open_plain(places[i][0], fresh(places[i][1]), NULL), CVY_OK);
    while (classes[class_count]) class_count++;
    while (files[count]) count++;
    CU_ASSERT(source.class_count == class_count && source.count == count);
    for (int64_t k = 0; k < class_count && k < source.class_count; k++)
      CU_ASSERT_STRING_EQUAL(source.class_names[k], classes[k]);
    for (int64_t k = 0; k < count && k < source.count; k++) {
      CU_ASSERT_EQUAL_FATAL(reader->read(&record, &source, k), CVY_OK);
      const size_t length = strlen(record.name), expected = strlen(files[k]);
      CU_ASSERT(length > expected && strcmp(record.name + length - expected, files[k]) == 0);
      CU_ASSERT_FATAL(record.label >= 0 && record.label < source.class_count);
      const char *class_name = source.class_names[record.label];
      CU_ASSERT(strncmp(files[k], class_name, strlen(class_name)) == 0 &&
                files[k][strlen(class_name)] == '/');
    }
    reader->close(&source);
  }
}

static void expect_all_refused(const char *message) {
  for (int i = 0; i < 3; i++) {
    CU_ASSERT_EQUAL(open_plain(places[i][0], fresh(places[i][1]), NULL), CVY_E_INPUT);
    CU_ASSERT(says(message));
  }
}

static void expect_tree_count(int64_t count) {
  for (int i = 0; i < 3; i++) {
    CU_ASSERT_EQUAL_FATAL(open_plain(places[i][0], fresh(places[i][1]), NULL), CVY_OK);
    CU_ASSERT_EQUAL(source.count, count);
    reader_named(places[i][0])->close(&source);
  }
}

#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void whole_numbers_go_by_value(void) {
  make_tree(NAMES("10/a.png", "9/a.png", "100/a.png", "1/b.png", "1/a.png", "2/a.png"));
  expect_tree(NAMES("1", "2", "9", "10", "100"),
              NAMES("1/a.png", "1/b.png", "2/a.png", "9/a.png", "10/a.png", "100/a.png"));
  end_tree();
}

/* Zeros in front make no difference to a number's class, only to the name of its folder. */
static void zeros_in_front(void) {
  make_tree(NAMES("010/a.png", "9/a.png", "-3/a.png"));
  const char *const expected[] = {"-3", "9", "10"};
  for (int i = 0; i < 3; i++) {
    CU_ASSERT_EQUAL_FATAL(open_plain(places[i][0], fresh(places[i][1]), NULL), CVY_OK);
    CU_ASSERT_EQUAL_FATAL(source.class_count, 3);
    for (int k = 0; k < 3; k++) CU_ASSERT_STRING_EQUAL(source.class_names[k], expected[k]);
    CU_ASSERT_EQUAL_FATAL(reader_named(places[i][0])->read(&record, &source, 2), CVY_OK);
    CU_ASSERT(record.label == 2 && strstr(record.name, "010/a.png"));
    reader_named(places[i][0])->close(&source);
  }
  end_tree();
}

static void two_folders_of_one_number(void) {
  make_tree(NAMES("01/a.png", "1/a.png", "2/a.png"));
  expect_all_refused("the folders '01' and '1' are the same number");
  end_tree();
}

/* A name that is no number makes texts of all, but numbers keep their order. */
static void texts_go_by_bytes(void) {
  make_tree(NAMES("10/a.png", "9/a.png", "cat-2/a.png", "cat/b.png", "cat/a.png", "Cat/a.png"));
  expect_tree(NAMES("9", "10", "Cat", "cat", "cat-2"),
              NAMES("9/a.png", "10/a.png", "Cat/a.png", "cat/a.png", "cat/b.png", "cat-2/a.png"));
  end_tree();
}

static void odd_names(void) {
  make_tree(NAMES("a=b/1.png", "b: c, d/1.png", "c\xc3\xa9/1.JPEG", "d\"'/x.jfif"));
  expect_tree(NAMES("a=b", "b: c, d", "c\xc3\xa9", "d\"'"),
              NAMES("a=b/1.png", "b: c, d/1.png", "c\xc3\xa9/1.JPEG", "d\"'/x.jfif"));
  end_tree();
}

static void folders_in_folders(void) {
  make_tree(NAMES("c0/b/1.png", "c0/a/2.png", "c0/3.png", "d1/a/x/y/4.png", "d1/empty/"));
  expect_tree(NAMES("c0", "d1"), NAMES("c0/3.png", "c0/a/2.png", "c0/b/1.png", "d1/a/x/y/4.png"));
  end_tree();
}

/* Folders that all pictures share lie above the classes. */
static void folders_above_the_classes(void) {
  make_tree(NAMES("c0/a/0.png", "c0/b/1.png"));
  expect_tree(NAMES("a", "b"), NAMES("a/0.png", "b/1.png"));
  end_tree();
  make_tree(NAMES("x/images/10/0.png", "x/images/9/p/1.png", "x/README"));
  expect_tree(NAMES("9", "10"), NAMES("9/p/1.png", "10/0.png"));
  end_tree();
  make_tree(NAMES("x/a/0.png"));
  for (int i = 0; i < 3; i++) expect_one_class(places[i][0], fresh(places[i][1]), NULL, "a");
  end_tree();
  make_tree(NAMES("ant/x/1.png", "ant/y/2.png", "bee/"));
  expect_empty_class("folder", fresh("tree"), NULL, "bee");
  end_tree();
}

/* Folders of splits are no classes, though pictures lie below them. */
static void splits_are_no_classes(void) {
  make_tree(NAMES("train/cat/1.png", "train/dog/1.png", "extra/cat/1.png"));
  expect_all_refused("holds a split 'train', not classes; name it, train=");
  end_tree();
  make_tree(NAMES("train/1.png", "testing/1.png"));
  expect_all_refused("holds a split 'testing'");
  end_tree();
}

static void leavings_are_passed_over(void) {
  make_tree(NAMES("a/1.png", "a/Thumbs.db", "a/desktop.ini", "b/1.png", "b/thumbs.db", "b/.DS_Store",
                  "b/@eaDir/1.png/thumb.png", "__MACOSX/a/._1.png", ".ipynb_checkpoints/1.png",
                  "b/.ipynb_checkpoints/1.png", "Desktop.ini", "$RECYCLE.BIN/x.png",
                  "System Volume Information/y", "lost+found/"));
  expect_tree(NAMES("a", "b"), NAMES("a/1.png", "b/1.png"));
  end_tree();
}

/* Names that are only like those of leavings are people's own. */
static void likenesses_are_not(void) {
  make_tree(NAMES("a/1.png", "a/my Thumbs.db.png", "b__MACOSX/1.png", "c/Thumbs.dbx", "lost/1.png"));
  expect_tree(NAMES("a", "b__MACOSX", "c", "lost"),
              NAMES("a/1.png", "a/my Thumbs.db.png", "b__MACOSX/1.png", "c/Thumbs.dbx", "lost/1.png"));
  end_tree();
}

/* A file that is no picture stays a record, and is left out when it is read. */
static void other_files_are_rejected(void) {
  make_tree(NAMES("a/1.png", "a/README.txt", "b/1.png"));
  scratch_write(fresh("tree/a/README.txt"), "no picture", 10);
  CU_ASSERT_EQUAL(go_through("folder", fresh("tree"), NULL), CVY_E_INPUT);
  CU_ASSERT(says("tree/a/README.txt: neither JPEG nor PNG"));
  expect_tree_count(3);
  end_tree();
}

static void empty_classes_are_counted(void) {
  make_tree(NAMES("ant/1.png", "ant/2.png", "bee/", "cow/1.png"));
  for (int i = 0; i < 3; i++) expect_empty_class(places[i][0], fresh(places[i][1]), NULL, "bee");
  end_tree();
  make_tree(NAMES("ant/", "bee/"));
  CU_ASSERT_EQUAL(open_plain("folder", fresh("tree"), NULL), CVY_E_INPUT);
  CU_ASSERT(says("no picture in any of its folders"));
  end_tree();
}

/* A split may have a single class, whatever its pictures are called. */
static void a_single_class(void) {
  make_tree(NAMES("ant/img_1.png", "ant/img_2.png", "bee/"));
  for (int i = 0; i < 3; i++) expect_empty_class(places[i][0], fresh(places[i][1]), NULL, "bee");
  end_tree();
  make_tree(NAMES("ant/a.png", "ant/b.png"));
  for (int i = 0; i < 3; i++) expect_one_class(places[i][0], fresh(places[i][1]), NULL, "ant");
  end_tree();
}

/* ---- links ---- */

static void links_are_followed(void) {
  make_tree(NAMES("ant/1.png", "bee/1.png"));
  CU_ASSERT_EQUAL(symlink("../bee/1.png", fresh("tree/ant/2.png")), 0);
  CU_ASSERT_EQUAL(symlink("bee", fresh("tree/cow")), 0);
  CU_ASSERT_EQUAL_FATAL(open_plain("folder", fresh("tree/"), NULL), CVY_OK);
  CU_ASSERT(source.class_count == 3 && source.count == 4);
  CU_ASSERT_EQUAL(reader_named("folder")->read(&record, &source, 3), CVY_OK);
  CU_ASSERT_STRING_EQUAL(record.name, fresh("tree/cow/1.png"));
  reader_named("folder")->close(&source);
  end_tree();
}

static void links_in_circles_end(void) {
  static const char *const targets[] = {".", "..", "../..", "../bee"};
  make_tree(NAMES("ant/1.png", "bee/1.png"));
  CU_ASSERT_EQUAL(symlink("../ant", fresh("tree/bee/other")), 0);
  for (int64_t i = 0; i < CVY_COUNT(targets); i++) {
    unlink(fresh("tree/ant/round"));
    CU_ASSERT_EQUAL(symlink(targets[i], fresh("tree/ant/round")), 0);
    CU_ASSERT_EQUAL(open_plain("folder", fresh("tree"), NULL), CVY_E_INPUT);
    CU_ASSERT(says(": a link to a folder that it lies in"));
    CU_ASSERT(says("round"));
  }
  unlink(fresh("tree/ant/round"));
  CU_ASSERT_EQUAL(symlink("round", fresh("tree/ant/round")), 0);
  CU_ASSERT_EQUAL(open_plain("folder", fresh("tree"), NULL), CVY_E_INPUT);
  CU_ASSERT(says("/round: cannot read: Too many levels of symbolic links"));
  end_tree();
}

static void what_is_no_folder(void) {
  make_tree(NAMES("ant/1.png", "bee/1.png"));
  CU_ASSERT_EQUAL(open_plain("folder", fresh("tree.tar"), NULL), CVY_E_INPUT);
  CU_ASSERT(says("tree.tar: a file, not a folder"));
  CU_ASSERT_EQUAL(open_plain("folder", fresh("tree/ant"), NULL), CVY_E_INPUT);
  CU_ASSERT(says("no sub-folders with pictures"));
  CU_ASSERT_EQUAL(symlink("nowhere", fresh("tree/gone")), 0);
  CU_ASSERT_EQUAL(open_plain("folder", fresh("tree"), NULL), CVY_E_INPUT);
  CU_ASSERT(says("tree/gone: cannot read: No such file"));
  end_tree();
}

SUITE("class folders", TEST(whole_numbers_go_by_value), TEST(zeros_in_front), TEST(two_folders_of_one_number),
      TEST(texts_go_by_bytes), TEST(odd_names), TEST(folders_in_folders), TEST(folders_above_the_classes),
      TEST(splits_are_no_classes), TEST(leavings_are_passed_over), TEST(likenesses_are_not),
      TEST(other_files_are_rejected), TEST(empty_classes_are_counted), TEST(a_single_class),
      TEST(links_are_followed), TEST(links_in_circles_end), TEST(what_is_no_folder))
