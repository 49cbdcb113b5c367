/* Tests the readers of pictures in archives and lists: tar, csv, tiny-imagenet. */
#include "suite.h"
#include "archives.h"
#include "reading.h"

#include <errno.h>

static const uint8_t red[3] = {220, 20, 30}, blue[3] = {10, 40, 200};

static file_bytes cat[3], dog[2];

static void begin_pictures(void) {
  begin_quietly();
  for (int i = 0; i < 3; i++) cat[i] = make_picture(i != 1, 9 + i, 14 - i, red);
  for (int i = 0; i < 2; i++) dog[i] = make_picture(i != 1, 12 + i, 10 - i, blue);
}

static void end_pictures(void) {
  for (int i = 0; i < 3; i++) free(cat[i].bytes);
  for (int i = 0; i < 2; i++) free(dog[i].bytes);
  end();
}

#define PACKED(name, file)                                                                                   \
  { name, (file).bytes, (file).count, NULL }
#define FOLDER(name)                                                                                         \
  { name, NULL, 0, NULL }

/* Checks that record `index` is these bytes, with this label, and that its name ends so. */
static void expect_record(const char *reader, int64_t index, const file_bytes *file, int32_t label,
                          const char *name) {
  CU_ASSERT_EQUAL_FATAL(reader_named(reader)->read(&record, &source, index), CVY_OK);
  CU_ASSERT_EQUAL(record.label, label);
  CU_ASSERT(record.encoded_bytes == file->count && memcmp(record.encoded, file->bytes, file->count) == 0);
  const size_t length = strlen(record.name), expected = strlen(name);
  CU_ASSERT(length >= expected && strcmp(record.name + length - expected, name) == 0);
}

static void expect_refused(const char *reader, const char *input, const char *message) {
  const cvy_err err = open_plain(reader, input, NULL);
  CU_ASSERT_EQUAL(err, CVY_E_INPUT);
  if (!err) reader_named(reader)->close(&source);
  CU_ASSERT(says(message));
}

/* ---- tar ---- */

static const char *long_name(int64_t length) {
  static char name[400];
  snprintf(name, sizeof name, "pets/cat/%0*d.jpg", (int)length, 7);
  return name;
}

static void pack_pets(const char *path, const char *format, const char *filter, int64_t name_length) {
  const packed members[] = {FOLDER("pets/"),
                            PACKED("pets/README", dog[0]),
                            FOLDER("pets/dog/"),
                            PACKED("pets/dog/2.png", dog[1]),
                            PACKED("pets/dog/1.jpg", dog[0]),
                            PACKED("./pets/cat/b.png", cat[1]),
                            PACKED("pets/cat/._b.png", dog[0]),
                            PACKED("__MACOSX/pets/cat/b.png", dog[0]),
                            PACKED(long_name(name_length), cat[0]),
                            PACKED("pets/cat/c.JPEG", cat[2])};
  write_archive(path, format, filter, members, CVY_COUNT(members));
}

static void tars_of_every_kind(void) {
  static const struct {
    const char *format, *filter;
    int64_t name_length;
  } kinds[] = {{"v7tar", NULL, 40},    {"ustar", NULL, 40},  {"gnutar", NULL, 40}, {"gnutar", NULL, 300},
               {"pax", NULL, 300},     {"pax", "gzip", 300}, {"pax", "xz", 40},    {"gnutar", "bzip2", 120},
               {"gnutar", "zstd", 40}, {"zip", NULL, 120},   {"ustar", NULL, 95}};
  begin_pictures();
  for (int64_t k = 0; k < CVY_COUNT(kinds); k++) {
    const char *path = fresh(k % 2 ? "pets.archive" : "other.archive");
    pack_pets(path, kinds[k].format, kinds[k].filter, kinds[k].name_length);
    CU_ASSERT_EQUAL_FATAL(open_plain("tar", path, NULL), CVY_OK);
    CU_ASSERT(source.count == 5 && source.class_count == 2 && source.h == 0 && source.c == 3);
    CU_ASSERT(strcmp(source.class_names[0], "cat") == 0 && strcmp(source.class_names[1], "dog") == 0);
    CU_ASSERT_EQUAL(source.encoded_bytes,
                    (int64_t)(cat[0].count + cat[1].count + cat[2].count + dog[0].count + dog[1].count));
    CU_ASSERT(reads_again("tar"));
    expect_record("tar", 4, &dog[1], 1, "pets/dog/2.png");
    expect_record("tar", 0, &cat[0], 0, long_name(kinds[k].name_length));
    expect_record("tar", 3, &dog[0], 1, ".archive: pets/dog/1.jpg");
    expect_record("tar", 1, &cat[1], 0, "pets/cat/b.png");
    expect_record("tar", 2, &cat[2], 0, "pets/cat/c.JPEG");
    CU_ASSERT(record.image.h == 11 && record.image.w == 12);
    reader_named("tar")->close(&source);
  }
  end_pictures();
}

static void tar_without_folders_goes_by_names(void) {
  const char *const bad[] = {"train/dogs.jpg", "train/.1.jpg", "train/1.jpg"};
  begin_pictures();
  packed members[] = {PACKED("train/cat.1201.jpg", cat[0]), PACKED("train/dog.7.jpg", dog[0]),
                      PACKED("train/cat_3.png", cat[1]), PACKED("LICENSE", dog[1])};
  write_archive(fresh("a.tar"), "gnutar", NULL, members, 4);
  CU_ASSERT_EQUAL_FATAL(open_plain("tar", fresh("a.tar"), NULL), CVY_OK);
  CU_ASSERT(source.count == 3 && source.class_count == 2);
  expect_record("tar", 2, &dog[0], 1, "train/dog.7.jpg");
  expect_record("tar", 1, &cat[1], 0, "train/cat_3.png");
  reader_named("tar")->close(&source);
  members[1].name = bad[0];
  write_archive(fresh("b.tar"), "gnutar", NULL, members, 4);
  expect_refused("tar", fresh("b.tar"), "'train/dogs.jpg' does not tell a class");
  members[1].name = bad[2];
  write_archive(fresh("c.tar"), "gnutar", NULL, members, 4);
  expect_refused("tar", fresh("c.tar"), "'train/1.jpg' does not tell a class");
  end_pictures();
}

static void tar_finds_splits(void) {
  begin_pictures();
  cvy_prepare_input *found;
  int64_t count;
  const cvy_reader *reader = reader_named("tar");
  const packed members[] = {PACKED("set/test/dog/1.jpg", dog[0]), PACKED("set/test/cat/1.jpg", cat[0]),
                            PACKED("set/train/cat/2.jpg", cat[2]), PACKED("set/train/cat/1.png", cat[1]),
                            PACKED("set/train/dog/1.png", dog[1])};
  write_archive(fresh("set.tar.xz"), "pax", "xz", members, 5);
  CU_ASSERT_EQUAL(reader->find_splits(&found, &count, pool, fresh("set.tar.xz")), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(count, 2);
  CU_ASSERT(strcmp(found[0].split, "train") == 0 &&
            strcmp(found[0].path, fresh("set.tar.xz:set/train")) == 0);
  CU_ASSERT(strcmp(found[1].split, "val") == 0 && strcmp(found[1].path, fresh("set.tar.xz:set/test")) == 0);
  CU_ASSERT_EQUAL_FATAL(open_plain("tar", found[0].path, NULL), CVY_OK);
  CU_ASSERT(source.count == 3 && source.class_count == 2);
  expect_record("tar", 2, &dog[1], 1, "set/train/dog/1.png");
  reader->close(&source);
  CU_ASSERT_EQUAL_FATAL(open_plain("tar", fresh("set.tar.xz:set/test/"), NULL), CVY_OK);
  CU_ASSERT_EQUAL(source.count, 2);
  reader->close(&source);
  expect_refused("tar", fresh("set.tar.xz"), "holds a split 'test'");
  expect_refused("tar", fresh("set.tar.xz:set/valid"), "set.tar.xz:set/valid: no file in it");
  pack_pets(fresh("pets.tar"), "ustar", NULL, 4);
  CU_ASSERT_EQUAL(reader->find_splits(&found, &count, pool, fresh("pets.tar")), CVY_OK);
  CU_ASSERT_EQUAL(count, 0);
  end_pictures();
}

static void tar_refuses(void) {
  begin_pictures();
  const packed one[] = {PACKED("cat/1.jpg", cat[0]), PACKED("cat/2.jpg", cat[0])};
  const packed empty_class[] = {PACKED("cat/1.jpg", cat[0]), PACKED("dog/1.jpg", dog[0]), FOLDER("emu/")};
  const packed twice[] = {PACKED("cat/1.jpg", cat[0]), PACKED("dog/1.jpg", dog[0]),
                          PACKED("cat/1.jpg", cat[1])};
  const packed linked[] = {PACKED("cat/1.jpg", cat[0]), {"dog/1.jpg", NULL, 0, "../cat/1.jpg"}};
  const packed text[] = {PACKED("cat/1.jpg", cat[0]), {"dog/1.jpg", "no picture", 10, NULL}};
  const packed empty[] = {PACKED("cat/1.jpg", cat[0]), {"dog/1.jpg", "", 0, NULL}};
  for (int k = 0; k < 2; k++) {
    const char *filter = k ? "gzip" : NULL;
    write_archive(fresh("a"), "gnutar", filter, one, 2);
    expect_one_class("tar", fresh("a"), NULL, "cat");
    write_archive(fresh("b"), "gnutar", filter, empty_class, 3);
    expect_empty_class("tar", fresh("b"), NULL, "emu");
    write_archive(fresh("c"), "gnutar", filter, twice, 3);
    expect_refused("tar", fresh("c"), "/c: 'cat/1.jpg' is in it twice");
    write_archive(fresh("d"), "gnutar", filter, linked, 2);
    expect_refused("tar", fresh("d"), "'dog/1.jpg' is a link");
    write_archive(fresh("e"), "gnutar", filter, text, 2);
    CU_ASSERT_EQUAL(go_through("tar", fresh("e"), NULL), CVY_E_INPUT);
    CU_ASSERT(says("/e: dog/1.jpg: neither JPEG nor PNG"));
    write_archive(fresh("f"), "gnutar", filter, empty, 2);
    CU_ASSERT_EQUAL(go_through("tar", fresh("f"), NULL), CVY_E_INPUT);
    CU_ASSERT(says("/f: dog/1.jpg: empty (0 bytes)"));
    write_archive(fresh("g"), "gnutar", filter, empty, 0);
    expect_refused("tar", fresh("g"), "/g: no file in it");
  }
  write_archive(fresh("h"), "zip", NULL, linked, 2);
  expect_refused("tar", fresh("h"), "'dog/1.jpg' is a link");
  expect_refused("tar", fresh("none.tar"), "none.tar: cannot open: No such file");
  expect_refused("tar", fresh_dir, "a folder, not an archive");
  scratch_write(fresh("i"), "hello", 5);
  expect_refused("tar", fresh("i"), "/i: no tar: 5 bytes");
  scratch_write(fresh("i"), cat[0].bytes, cat[0].count);
  expect_refused("tar", fresh("i"), "/i: no tar: its first 512 bytes are no header");
  CU_ASSERT_EQUAL(open_plain("tar", fresh("a"), fresh("b")), CVY_E_USAGE);
  write_archive(fresh("j"), "gnutar", NULL, one, 2);
  const file_bytes whole = read_whole(fresh("j"));
  const size_t second = 512 + (cat[0].count + 511) / 512 * 512;
  whole.bytes[second + 130] ^= 1; /* a byte of its size */
  scratch_write(fresh("j"), whole.bytes, whole.count);
  free(whole.bytes);
  expect_refused("tar", fresh("j"), cvy_pool_format(pool, "/j: byte %zu: damaged: no tar header", second));
  setenv("TMPDIR", "/nowhere", 1);
  CU_ASSERT_EQUAL(open_plain("tar", fresh("f"), NULL), CVY_E_SYSTEM);
  CU_ASSERT(says("cannot decompress it into a temporary file in /nowhere"));
  unsetenv("TMPDIR");
  end_pictures();
}

/* Every reader owes this: damaged bytes are an error or do no harm. Cuts are always errors. */
static void damage(const char *reader, const char *name, size_t step, bool cuts_show) {
  const file_bytes whole = read_whole(fresh(name));
  const char *damaged = fresh("damaged");
  for (size_t k = 0; k < whole.count; k += step) {
    scratch_write(damaged, whole.bytes, k);
    const cvy_err err = go_through(reader, damaged, NULL);
    CU_ASSERT(err == CVY_E_INPUT || (err == CVY_OK && !cuts_show));
  }
  for (size_t k = 0; k < whole.count; k += step)
    for (int bit = 1; bit < 256; bit *= 8) {
      whole.bytes[k] ^= (unsigned char)bit;
      scratch_write(damaged, whole.bytes, whole.count);
      const cvy_err err = go_through(reader, damaged, NULL);
      CU_ASSERT(err == CVY_E_INPUT || err == CVY_OK);
      whole.bytes[k] ^= (unsigned char)bit;
    }
  free(whole.bytes);
}

static void tar_damage_never_crashes(void) {
  static const struct {
    const char *format, *filter;
    size_t step;
  } kinds[] = {{"v7tar", NULL, 3}, {"gnutar", NULL, 3},    {"pax", NULL, 3},      {"pax", "gzip", 1},
               {"pax", "xz", 1},   {"gnutar", "bzip2", 1}, {"gnutar", "zstd", 1}, {"zip", NULL, 1}};
  begin_pictures();
  const packed members[] = {PACKED("pets/cat/1.png", cat[1]), PACKED("pets/dog/2.png", dog[1])};
  for (int64_t k = 0; k < CVY_COUNT(kinds); k++) {
    write_archive(fresh("pets"), kinds[k].format, kinds[k].filter, members, 2);
    damage("tar", "pets", kinds[k].step, false);
  }
  write_archive(fresh("long"), "gnutar", NULL, (const packed[]){PACKED(long_name(200), cat[1])}, 1);
  damage("tar", "long", 7, false);
  write_archive(fresh("long"), "pax", NULL, (const packed[]){PACKED(long_name(300), cat[1])}, 1);
  damage("tar", "long", 7, false);
  end_pictures();
}

/* A tar that ends before its block of zeros has lost something, wherever it was cut. */
static void cut_archives_are_noticed(void) {
  static const char *const filters[] = {NULL, "gzip", "xz", "bzip2", "zstd"};
  begin_pictures();
  const packed members[] = {PACKED("cat/1.png", cat[1]), PACKED("dog/2.png", dog[1])};
  for (int64_t f = 0; f < CVY_COUNT(filters); f++) {
    write_archive(fresh("pets"), "gnutar", filters[f], members, 2);
    const file_bytes whole = read_whole(fresh("pets"));
    const size_t end = filters[f] ? whole.count : whole.count - 1024;
    for (size_t k = 0; k < end; k += f ? 1 : 13) {
      scratch_write(fresh("cut"), whole.bytes, k);
      CU_ASSERT_EQUAL(open_plain("tar", fresh("cut"), NULL), CVY_E_INPUT);
    }
    free(whole.bytes);
  }
  end_pictures();
}

static void count_classes(const char *reader, const char *input, int64_t classes, int64_t per_class,
                          int64_t step) {
  int64_t counts[256] = {0};
  CU_ASSERT_EQUAL_FATAL(open_plain(reader, input, NULL), CVY_OK);
  CU_ASSERT_EQUAL(source.class_count, classes);
  CU_ASSERT_EQUAL(source.count, classes * per_class);
  for (int64_t i = 0; i < source.count; i += step) {
    CU_ASSERT_EQUAL_FATAL(reader_named(reader)->read(&record, &source, i), CVY_OK);
    counts[record.label]++;
  }
  for (int64_t k = 0; k < classes; k++) CU_ASSERT(step > 1 || counts[k] == per_class);
  reader_named(reader)->close(&source);
}

static void archives_themselves(void) {
  const char *data = test_data("archives of CIFAR-10, cats and dogs");
  if (!data) return;
  begin_quietly();
  char path[4200];
  cvy_prepare_input *found;
  int64_t count;
  snprintf(path, sizeof path, "%s/cats-dogs-200px.tar", data);
  count_classes("tar", path, 2, 2000, 50);
  snprintf(path, sizeof path, "%s/cifar10-jpeg.tar.xz", data);
  CU_ASSERT_EQUAL(reader_named("tar")->find_splits(&found, &count, pool, path), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(count, 2);
  count_classes("tar", found[0].path, 10, 5000, 101);
  count_classes("tar", found[1].path, 10, 1000, 1);
  end();
}

/* ---- csv ---- */

static void begin_list(void) {
  begin_pictures();
  mkdir(fresh("p"), 0777);
  for (int i = 0; i < 3; i++)
    scratch_write(fresh(i == 0 ? "p/a.jpg" : i == 1 ? "p/b, c.png" : "p/d"), cat[i].bytes, cat[i].count);
}

static void csv_finds_its_way(void) {
  static const char *const lists[] = {
      "p/a.jpg,dog\n\"p/b, c.png\",cat\np/d,dog\n",
      "path,label\np/a.jpg,dog\n\"p/b, c.png\",cat\np/d,dog\n",
      "\xef\xbb\xbfLabel;id;File\r\ndog;1;p/a.jpg\r\n\r\ncat;2;\"p/b, c.png\"\r\n\"dog\";3; p/d \r\n",
      "dog\tp/a.jpg\ncat\tp/b, c.png\ndog\tp/d",
      "  p/a.jpg , \"dog\" \n\"p/b, c.png\" ,cat\n\"p/d\",dog\n\n\n",
  };
  begin_list();
  for (int64_t i = 0; i < CVY_COUNT(lists); i++) {
    write_text("list", lists[i]);
    CU_ASSERT_EQUAL_FATAL(open_plain("csv", fresh("list"), NULL), CVY_OK);
    CU_ASSERT(source.count == 3 && source.class_count == 2 && strcmp(source.class_names[1], "dog") == 0);
    CU_ASSERT_EQUAL(source.encoded_bytes, (int64_t)(cat[0].count + cat[1].count + cat[2].count));
    CU_ASSERT(reads_again("csv"));
    expect_record("csv", 2, &cat[2], 1, "/p/d");
    expect_record("csv", 0, &cat[0], 1, "/p/a.jpg");
    expect_record("csv", 1, &cat[1], 0, "/p/b, c.png");
    reader_named("csv")->close(&source);
  }
  write_text("list", "p/a.jpg,\"a \"\"b\"\"\"\np/d,\"\"\"c, \nd\"\n\"p/b, c.png\",\"\"\"c, \nd\"\n");
  CU_ASSERT_EQUAL_FATAL(open_plain("csv", fresh("list"), NULL), CVY_OK);
  CU_ASSERT(source.count == 3 && source.class_count == 2);
  CU_ASSERT(strcmp(source.class_names[0], "\"c, \\x0Ad") == 0 &&
            strcmp(source.class_names[1], "a \"b\"") == 0);
  reader_named("csv")->close(&source);
  write_text("list", "a,b,c\np/a.jpg,x,10\np/d,y,9\n\"p/b, c.png\",y,-1\n");
  CU_ASSERT_EQUAL_FATAL(open_with("csv", "label-column", "c", fresh("list"), NULL, 0, 0), CVY_OK);
  CU_ASSERT(source.class_count == 3 && strcmp(source.class_names[0], "-1") == 0 &&
            strcmp(source.class_names[1], "9") == 0 && strcmp(source.class_names[2], "10") == 0);
  expect_record("csv", 0, &cat[0], 2, "/p/a.jpg");
  reader_named("csv")->close(&source);
  CU_ASSERT_EQUAL_FATAL(open_with("csv", "label-column", "2", fresh("list"), NULL, 6, 7), CVY_OK);
  CU_ASSERT(source.class_count == 2 && source.h == 6);
  reader_named("csv")->close(&source);
  end_pictures();
}

static void expect_list_refused(const char *text, const char *message) {
  write_text("list", text);
  expect_refused("csv", fresh("list"), message);
}

static void csv_refuses(void) {
  begin_list();
  expect_list_refused("", "/list: no row in it");
  expect_list_refused("\n \n", "/list: no row in it");
  expect_list_refused("path,label\n", "/list: a header, but no row below it");
  expect_list_refused("p/a.jpg,x\np/d,y,z\n", "/list:2: 3 fields; the first row has 2");
  expect_list_refused("p/a.jpg,x\n\n\"p/d,y\n", "/list:3: a quote \" that is not closed");
  expect_list_refused("p/a.jpg,x\n\"p/d\"e,y\n", "/list:2: 'e' behind a closing quote");
  expect_list_refused("p/a.jpg,x\np/e.jpg,y\n", "/p/e.jpg: No such file");
  CU_ASSERT(says("/list:2: "));
  expect_list_refused("p/a.jpg,x\np,y\n", "/p: not a file");
  expect_list_refused("p/a.jpg,x\np/d,\n", "/list:2: no label");
  expect_list_refused("p/a.jpg,x,1\np/d,y,2\n", "/list:1: 3 columns, and none is called label");
  expect_list_refused("p/a.jpg\np/d\n", "/list:1: 1 column,");
  expect_list_refused("x,y\n1,2\n", "/list:2: no column with a picture's path");
  scratch_write(fresh("list"), "p/a.jpg,\0x\n", 11);
  expect_refused("csv", fresh("list"), "/list: no text: a zero byte at byte 8");
  write_text("list", "p/a.jpg,x\np/d,y\n");
  CU_ASSERT_EQUAL(open_with("csv", "label-column", "3", fresh("list"), NULL, 0, 0), CVY_E_USAGE);
  CU_ASSERT(says("--label-column 3: "));
  CU_ASSERT_EQUAL(open_with("csv", "label-column", "1", fresh("list"), NULL, 0, 0), CVY_E_USAGE);
  CU_ASSERT(says("column 1 cannot hold both"));
  expect_refused("csv", fresh("gone.csv"), "gone.csv: cannot open");
  CU_ASSERT_EQUAL(open_plain("csv", fresh("list"), fresh("list")), CVY_E_USAGE);
  end_pictures();
}

static void csv_damage_never_crashes(void) {
  begin_list();
  write_text("list.csv", "label,path\n\"a \"\"b\"\"\",p/a.jpg\ndog,\"p/b, c.png\"\ncat,p/d\n");
  damage("csv", "list.csv", 1, false);
  end_pictures();
}

/* ---- tiny-imagenet ---- */

static packed tiny[] = {
    {"tiny/wnids.txt", "n02000001\nn01000001\n", 20, NULL},
    {"tiny/words.txt", "n00000001\tentity\nn01000001\tcat, house cat\n", 42, NULL},
    {"tiny/val/val_annotations.txt",
     "val_1.JPEG\tn02000001\t0\t32\t44\t62\nval_0.JPEG\tn01000001\t1\t2\t3\t4\n", 0, NULL},
    {"tiny/train/n02000001/n02000001_boxes.txt", "x", 1, NULL},
    {"tiny/train/n02000001/images/n02000001_0.JPEG", NULL, 0, NULL},
    {"tiny/train/n02000001/images/n02000001_1.JPEG", NULL, 0, NULL},
    {"tiny/train/n01000001/images/n01000001_0.JPEG", NULL, 0, NULL},
    {"tiny/val/images/val_0.JPEG", NULL, 0, NULL},
    {"tiny/val/images/val_1.JPEG", NULL, 0, NULL},
    {"tiny/test/images/test_0.JPEG", NULL, 0, NULL},
};

static void put_picture(packed *to, const file_bytes *file) {
  to->bytes = file->bytes;
  to->count = file->count;
}

static void put_text(packed *to, const char *text) {
  to->bytes = text;
  to->count = strlen(text);
}

static void begin_tiny(void) {
  begin_pictures();
  for (int i = 0; i < 2; i++) put_picture(&tiny[4 + i], &dog[i]);
  put_picture(&tiny[6], &cat[0]);
  put_picture(&tiny[7], &cat[1]);
  put_picture(&tiny[8], &dog[0]);
  put_picture(&tiny[9], &cat[2]);
  put_text(&tiny[0], "n02000001\nn01000001\n");
  put_text(&tiny[1], "n00000001\tentity\nn01000001\tcat, house cat\n");
  put_text(&tiny[2], "val_1.JPEG\tn02000001\t0\t32\t44\t62\nval_0.JPEG\tn01000001\t1\t2\t3\t4\n");
}

static void write_tiny_folder(void) {
  char path[512];
  for (int64_t i = 0; i < CVY_COUNT(tiny); i++) {
    snprintf(path, sizeof path, "%s", fresh(tiny[i].name));
    for (char *p = path + strlen(fresh_dir) + 1; (p = strchr(p, '/')); *p++ = '/') {
      *p = 0;
      mkdir(path, 0777);
    }
    scratch_write(path, tiny[i].bytes, tiny[i].count);
  }
}

static void expect_tiny(const char *input) {
  cvy_prepare_input *found;
  int64_t count;
  const cvy_reader *reader = reader_named("tiny-imagenet");
  CU_ASSERT_EQUAL(reader->find_splits(&found, &count, pool, input), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(count, 2);
  for (int val = 0; val < 2; val++) {
    CU_ASSERT_STRING_EQUAL(found[val].split, val ? "val" : "train");
    CU_ASSERT_EQUAL_FATAL(open_plain("tiny-imagenet", found[val].path, NULL), CVY_OK);
    CU_ASSERT(source.count == (val ? 2 : 3) && source.class_count == 2 && source.h == 64);
    CU_ASSERT_STRING_EQUAL(source.class_names[0], "n01000001 cat");
    CU_ASSERT_STRING_EQUAL(source.class_names[1], "n02000001");
    CU_ASSERT(reads_again("tiny-imagenet"));
    if (!val) expect_record("tiny-imagenet", 2, &dog[1], 1, "n02000001_1.JPEG");
    if (!val) expect_record("tiny-imagenet", 0, &cat[0], 0, "n01000001_0.JPEG");
    if (val) expect_record("tiny-imagenet", 0, &dog[0], 1, "val_1.JPEG");
    if (val) expect_record("tiny-imagenet", 1, &cat[1], 0, "val_0.JPEG");
    CU_ASSERT(record.image.h == 64 && record.image.w == 64);
    reader->close(&source);
  }
}

static void tiny_imagenet_made_here(void) {
  begin_tiny();
  write_tiny_folder();
  expect_tiny(fresh("tiny"));
  expect_tiny(fresh_dir);
  write_archive(fresh("tiny.zip"), "zip", NULL, tiny, CVY_COUNT(tiny));
  expect_tiny(fresh("tiny.zip"));
  write_archive(fresh("tiny.tar.xz"), "gnutar", "xz", tiny, CVY_COUNT(tiny));
  expect_tiny(fresh("tiny.tar.xz"));
  put_text(&tiny[0], "n02000001\nn01000001\nn03000001\n"); /* the third has no folder: this is a part */
  write_archive(fresh("part.tar"), "gnutar", NULL, tiny, CVY_COUNT(tiny));
  expect_tiny(fresh("part.tar"));
  put_text(&tiny[0], "\xef\xbb\xbfn02000001\nn01000001\n"); /* as Windows writes lists: with a mark */
  tiny[1] = (packed){tiny[1].name, "\xff\xfen\0000\0001\0000\0000\0000\0000\0000\0001\0 \0c\0a\0t\0", 28,
                     NULL};
  write_archive(fresh("marked.tar"), "gnutar", NULL, tiny, CVY_COUNT(tiny));
  expect_tiny(fresh("marked.tar"));
  CU_ASSERT_EQUAL(open_plain("tiny-imagenet", fresh("tiny:test"), NULL), CVY_E_USAGE);
  CU_ASSERT_EQUAL(open_plain("tiny-imagenet", fresh("tiny"), fresh("tiny")), CVY_E_USAGE);
  end_pictures();
}

static void expect_tiny_refused(const char *part, const char *message) {
  static int made;
  char name[64], input[80];
  snprintf(name, sizeof name, "t%d.tar", ++made);
  snprintf(input, sizeof input, "%s%s", name, part);
  write_archive(fresh(name), "gnutar", NULL, tiny, CVY_COUNT(tiny));
  expect_refused("tiny-imagenet", fresh(input), message);
}

static void tiny_imagenet_refuses(void) {
  begin_tiny();
  put_text(&tiny[0], "n02000001\nn01000001\nn02000001\n");
  expect_tiny_refused("", "tiny/wnids.txt:3: 'n02000001' for the second time");
  put_text(&tiny[0], "n02000001\ncat\n");
  expect_tiny_refused("", "tiny/wnids.txt:2: 'cat'; expected a synset");
  put_text(&tiny[0], "n02000001\n");
  expect_tiny_refused("", "of its classes in train");
  put_text(&tiny[0], "n02000001\nn01000003\n");
  tiny[9].name = "tiny/train/n01000003/boxes.txt";
  expect_tiny_refused("", "n01000001_0.JPEG: class 'n01000001' is not in wnids.txt");
  put_text(&tiny[0], "n02000001\nn01000001\nn03000001\n");
  tiny[9].name = "tiny/train/n03000001/boxes.txt";
  write_archive(fresh("tiny.tar"), "gnutar", NULL, tiny, CVY_COUNT(tiny));
  expect_empty_class("tiny-imagenet", fresh("tiny.tar"), NULL, "n03000001");
  tiny[9].name = "tiny/test/images/test_0.JPEG";
  put_text(&tiny[0], "n02000001\nn01000001\n");
  put_text(&tiny[2], "val_1.JPEG\tn02000001\nval_2.JPEG\tn01000001\n");
  expect_tiny_refused(":val", "val_annotations.txt:2: no picture 'val_2.JPEG'");
  put_text(&tiny[2], "val_1.JPEG\tn02000001\n\nval_0.JPEG\tn01000002\n");
  expect_tiny_refused(":val", "val_annotations.txt:3: class 'n01000002' is not in wnids.txt");
  put_text(&tiny[2], "val_1.JPEG\tn02000001\n");
  expect_tiny_refused(":val", "2 pictures in tiny/val/images/, but val_annotations.txt lists 1");
  tiny[2].name = "tiny/val/other.txt";
  expect_tiny_refused(":val", "no tiny/val/val_annotations.txt in it");
  tiny[2].name = "tiny/val/val_annotations.txt";
  tiny[0].name = "tiny/other.txt";
  expect_tiny_refused("", "no tiny/wnids.txt in it");
  tiny[0].name = "tiny/wnids.txt";
  pack_pets(fresh("pets.tar"), "gnutar", NULL, 4);
  expect_refused("tiny-imagenet", fresh("pets.tar"), "no folder 'train' in it");
  end_pictures();
}

static void tiny_imagenet_damage_never_crashes(void) {
  begin_tiny();
  write_archive(fresh("tiny.tar"), "gnutar", NULL, tiny, CVY_COUNT(tiny));
  damage("tiny-imagenet", "tiny.tar", 29, false);
  end_pictures();
}

/* The twenty classes here come without the list of val's classes. */
static void tiny_imagenet_itself(void) {
  const char *data = test_data("Tiny-ImageNet");
  if (!data) return;
  begin_quietly();
  char path[4200];
  cvy_prepare_input *found;
  int64_t count;
  snprintf(path, sizeof path, "%s/tiny-imagenet-20.tar.xz", data);
  CU_ASSERT_EQUAL(reader_named("tiny-imagenet")->find_splits(&found, &count, pool, path), CVY_OK);
  CU_ASSERT_EQUAL(count, 0);
  count_classes("tiny-imagenet", path, 20, 500, 3);
  end();
}

SUITE("archives", TEST(tars_of_every_kind), TEST(tar_without_folders_goes_by_names), TEST(tar_finds_splits),
      TEST(tar_refuses), TEST(tar_damage_never_crashes), TEST(cut_archives_are_noticed),
      TEST(archives_themselves), TEST(csv_finds_its_way), TEST(csv_refuses), TEST(csv_damage_never_crashes),
      TEST(tiny_imagenet_made_here), TEST(tiny_imagenet_refuses), TEST(tiny_imagenet_damage_never_crashes),
      TEST(tiny_imagenet_itself))
