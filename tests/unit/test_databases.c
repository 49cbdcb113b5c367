/* Tests the readers of databases: lmdb, leveldb, recordio, tfrecord. LMDB and LevelDB write their own
 * files. */
#include "suite.h"
#include "protobufs.h"
#include "reading.h"

#include "base/text.h"

#include <dirent.h>
#include <fcntl.h>
#include <leveldb/c.h>
#include <lmdb.h>
#include <math.h>
#include <sys/wait.h>

enum { MOST = 12 };
static maker values[MOST];
static maker m;

static cvy_err open_one(const char *name, const char *path) {
  return open_with(name, NULL, NULL, path, NULL, 0, 0);
}

static void close_one(const char *name) {
  reader_named(name)->close(&source);
}

static void expect_refused(const char *name, const char *path, const char *message) {
  const cvy_err err = open_one(name, path);
  CU_ASSERT_EQUAL(err, CVY_E_INPUT);
  if (!err) close_one(name);
  CU_ASSERT(says(message));
}

static void expect_read(const char *name, int64_t index, int32_t label) {
  CU_ASSERT_EQUAL(reader_named(name)->read(&record, &source, index), CVY_OK);
  CU_ASSERT_EQUAL(record.label, label);
}

static void expect_bad(const char *name, int64_t index, const char *message) {
  CU_ASSERT_EQUAL(reader_named(name)->read(&record, &source, index), CVY_E_INPUT);
  CU_ASSERT(record.label >= 0 && record.label < source.class_count && record.name && says(record.name));
  CU_ASSERT(says(message));
}

static void expect_classes(const char *first, const char *second, const char *third) {
  const char *const names[] = {first, second, third};
  CU_ASSERT_EQUAL(source.class_count, third ? 3 : 2);
  for (int64_t k = 0; k < source.class_count && k < 3; k++)
    CU_ASSERT_STRING_EQUAL(source.class_names[k], names[k]);
}

/* ---- writing ---- */

static void write_lmdb(const char *path, int64_t count, bool single_file) {
  MDB_env *env;
  MDB_txn *txn;
  MDB_dbi dbi;
  if (!single_file) mkdir(path, 0777);
  int code = mdb_env_create(&env);
  if (!code) code = mdb_env_set_mapsize(env, 1 << 26);
  if (!code) code = mdb_env_open(env, path, MDB_NOLOCK | (single_file ? MDB_NOSUBDIR : 0), 0644);
  if (!code) code = mdb_txn_begin(env, NULL, 0, &txn);
  if (!code) code = mdb_dbi_open(txn, NULL, 0, &dbi);
  for (int64_t i = 0; i < count && !code; i++) {
    char key[32];
    MDB_val k = {(size_t)snprintf(key, sizeof key, "%08ld", (long)i), key};
    MDB_val v = {values[i].count, values[i].bytes};
    code = mdb_put(txn, dbi, &k, &v, 0);
  }
  if (!code) code = mdb_txn_commit(txn);
  if (code) printf("  %s: %s\n", path, mdb_strerror(code));
  CU_ASSERT_EQUAL_FATAL(code, 0);
  mdb_env_close(env);
}

static leveldb_t *create_leveldb(leveldb_options_t *options, const char *path) {
  char *message = NULL;
  leveldb_options_set_create_if_missing(options, 1);
  leveldb_t *db = leveldb_open(options, path, &message);
  if (message) printf("  %s\n", message);
  CU_ASSERT_PTR_NOT_NULL_FATAL(db);
  return db;
}

static void put_leveldb(leveldb_t *db, int64_t i, const maker *value) {
  char key[32], *message = NULL;
  leveldb_writeoptions_t *writing = leveldb_writeoptions_create();
  const int length = snprintf(key, sizeof key, "%08ld", (long)i);
  leveldb_put(db, writing, key, (size_t)length, (const char *)value->bytes, value->count, &message);
  CU_ASSERT_PTR_NULL(message);
  leveldb_writeoptions_destroy(writing);
}

static void write_leveldb(const char *path, int64_t count) {
  leveldb_options_t *options = leveldb_options_create();
  leveldb_t *db = create_leveldb(options, path);
  for (int64_t i = 0; i < count; i++) put_leveldb(db, i, &values[i]);
  leveldb_close(db);
  leveldb_options_destroy(options);
}

static void write_database(const char *name, const char *path, int64_t count) {
  if (strcmp(name, "lmdb") == 0)
    write_lmdb(path, count, false);
  else
    write_leveldb(path, count);
}

static void write_value(const char *path) {
  write_maker(path, &m);
}

/* ---- Datums ---- */

static const char *const datum_readers[] = {"lmdb", "leveldb"};

static void samples_of_datums(const char *name) {
  begin_quietly();
  for (int i = 0; i < 6; i++) make_datum(&values[i], (int[]){10, 3, 7}[i % 3], 2, 3, 3, i);
  write_database(name, fresh("db"), 6);
  CU_ASSERT_EQUAL_FATAL(open_one(name, fresh("db")), CVY_OK);
  CU_ASSERT(source.count == 6 && source.h == 2 && source.w == 3 && source.c == 3);
  expect_classes("3", "7", "10");
  expect_read(name, 4, 0);
  CU_ASSERT_PTR_NULL(record.encoded);
  CU_ASSERT(record.image.h == 2 && record.image.w == 3 && record.image.c == 3);
  for (int y = 0; y < 2; y++)
    for (int x = 0; x < 3; x++)
      for (int k = 0; k < 3; k++) /* the first plane is blue, and comes out last */
        CU_ASSERT_EQUAL(record.image.px[(y * 3 + x) * 3 + k], 4 + 50 * (2 - k) + 10 * y + x);
  CU_ASSERT_PTR_NOT_NULL(strstr(record.name, "/db/00000004"));
  expect_read(name, 0, 2);
  cvy_source second;
  cvy_record again;
  reader_named(name)->again(&second, &source);
  CU_ASSERT_EQUAL(reader_named(name)->read(&again, &second, 1), CVY_OK);
  CU_ASSERT(again.label == 0 && record.label == 2 && again.image.px != record.image.px);
  CU_ASSERT(again.image.px[2] == 1 && record.image.px[2] == 0);
  reader_named(name)->close(&second);
  expect_read(name, 5, 1);
  close_one(name);
  CU_ASSERT_EQUAL_FATAL(open_with(name, "channel-order", "rgb", fresh("db"), NULL, 0, 0), CVY_OK);
  expect_read(name, 0, 2);
  CU_ASSERT(record.image.px[0] == 0 && record.image.px[2] == 100);
  close_one(name);
  CU_ASSERT_EQUAL_FATAL(open_with(name, NULL, NULL, fresh("db"), NULL, 8, 9), CVY_OK);
  expect_read(name, 0, 2);
  CU_ASSERT(source.h == 8 && record.image.h == 8 && record.image.w == 9);
  close_one(name);
  CU_ASSERT_EQUAL_FATAL(open_with(name, "colour", "grey", fresh("db"), NULL, 2, 3), CVY_OK);
  expect_read(name, 0, 2);
  CU_ASSERT(source.c == 1 && record.encoded_bytes > 0 && record.image.c == 1);
  CU_ASSERT_EQUAL(record.image.px[0], (100 * 299 + 50 * 587 + 500) / 1000);
  close_one(name);
  end();
}

static void datums_of_samples(void) {
  for (int i = 0; i < 2; i++) samples_of_datums(datum_readers[i]);
}

static void grey_datums(void) {
  for (int i = 0; i < 2; i++) {
    begin_quietly();
    for (int k = 0; k < 4; k++) make_datum(&values[k], k % 2 ? -1 : 12, 28, 28, 1, k);
    write_database(datum_readers[i], fresh("db"), 4);
    CU_ASSERT_EQUAL_FATAL(open_one(datum_readers[i], fresh("db")), CVY_OK);
    CU_ASSERT(source.c == 1 && source.h == 28);
    expect_classes("-1", "12", NULL);
    expect_read(datum_readers[i], 3, 0);
    CU_ASSERT(record.image.c == 1 && record.image.px[29] == 3 + 10 + 1);
    close_one(datum_readers[i]);
    end();
  }
}

static void datums_of_files(void) {
  for (int i = 0; i < 2; i++) {
    const char *name = datum_readers[i];
    begin_quietly();
    for (int k = 0; k < 4; k++) make_encoded_datum(&values[k], k / 2, 5 + k, 9);
    write_database(name, fresh("db"), 4);
    CU_ASSERT_EQUAL_FATAL(open_one(name, fresh("db")), CVY_OK);
    CU_ASSERT(source.h == 0 && source.c == 3 && source.encoded_bytes > 200);
    expect_read(name, 3, 1);
    CU_ASSERT(record.encoded && record.image.h == 8 && record.image.w == 9 && record.image.px[0] == 200);
    CU_ASSERT(reads_again(name));
    close_one(name);
    end();
  }
}

/* Files and samples together, or samples of several sizes, become files unless a size is given. */
static void mixed_datums(void) {
  begin_quietly();
  make_datum(&values[0], 0, 4, 5, 3, 0);
  make_encoded_datum(&values[1], 1, 7, 9);
  make_datum(&values[2], 1, 6, 5, 1, 0);
  write_lmdb(fresh("db"), 3, false);
  CU_ASSERT_EQUAL_FATAL(open_one("lmdb", fresh("db")), CVY_OK);
  CU_ASSERT(source.h == 0 && source.c == 3);
  expect_read("lmdb", 0, 0);
  CU_ASSERT(record.encoded && record.image.h == 4 && record.image.w == 5 && record.image.px[0] == 100);
  expect_read("lmdb", 2, 1);
  CU_ASSERT(record.encoded && record.image.c == 3 && record.image.px[0] == 0 && record.image.px[3] == 1);
  CU_ASSERT(reads_again("lmdb"));
  close_one("lmdb");
  CU_ASSERT_EQUAL_FATAL(open_with("lmdb", NULL, NULL, fresh("db"), NULL, 4, 5), CVY_OK);
  expect_read("lmdb", 0, 0);
  CU_ASSERT(!record.encoded && record.image.px[0] == 100);
  expect_read("lmdb", 1, 1);
  CU_ASSERT(record.encoded && record.image.h == 4 && record.image.w == 5);
  expect_read("lmdb", 2, 1);
  CU_ASSERT(record.image.h == 4 && record.image.c == 3);
  close_one("lmdb");
  make_datum(&values[1], 1, 4, 5, 2, 0);
  write_lmdb(fresh("two"), 2, false);
  expect_refused("lmdb", fresh("two"), "samples of 3 channels");
  end();
}

static void put_floats(maker *to, int label, float last, bool packed) {
  const float numbers[4] = {0, 255, 17, last};
  to->count = 0;
  for (int i = 1; i <= 3; i++) put_integer(to, (uint32_t)i, i == 1 ? 1 : 2);
  put_integer(to, 5, label);
  if (packed) put_field(to, 6, numbers, sizeof numbers);
  for (int i = 0; i < 4 && !packed; i++) put_float(to, 6, numbers[i]);
}

static void datums_of_floats(void) {
  begin_quietly();
  put_floats(&values[0], 0, 3, false);
  put_floats(&values[1], 1, 4, true);
  put_floats(&values[2], 1, 0.5f, true);
  put_floats(&values[3], 1, 256, true);
  write_lmdb(fresh("db"), 4, false);
  CU_ASSERT_EQUAL_FATAL(open_one("lmdb", fresh("db")), CVY_OK);
  expect_read("lmdb", 0, 0);
  CU_ASSERT(source.h == 2 && memcmp(record.image.px, "\0\xff\x11\x03", 4) == 0);
  expect_read("lmdb", 1, 1);
  CU_ASSERT(memcmp(record.image.px, "\0\xff\x11\x04", 4) == 0);
  expect_bad("lmdb", 2, "float_data has 0.5; pictures are whole numbers from 0 to 255");
  expect_bad("lmdb", 3, "float_data has 256");
  close_one("lmdb");
  end();
}

/* A record that makes no sense does not end the run, nor found a class. */
static void bad_datums(void) {
  for (int i = 0; i < 2; i++) {
    const char *name = datum_readers[i];
    begin_quietly();
    for (int k = 0; k < 8; k++) make_datum(&values[k], k % 2, 2, 2, 3, 0);
    values[0].count = 0;
    put_bytes(&values[0], "\x80\x04\x95\x01", 4);
    values[1].count -= 4; /* its label, and the end of its data */
    make_datum(&values[3], 5, 2, 2, 3, 0);
    values[3].bytes[1] = 4; /* channels */
    values[4].count = 0;
    put_integer(&values[4], 5, 99);
    make_encoded_datum(&values[5], 1, 4, 4);
    memset(values[5].bytes + 30, 0, 30);
    write_database(name, fresh("db"), 8);
    CU_ASSERT_EQUAL_FATAL(open_with(name, NULL, NULL, fresh("db"), NULL, 2, 2), CVY_OK);
    CU_ASSERT_EQUAL(source.count, 8);
    expect_classes("0", "1", NULL);
    expect_bad(name, 0, "but a pickled Python object");
    expect_bad(name, 1, "a field that is longer than its message");
    expect_read(name, 2, 0);
    expect_bad(name, 3, "12 bytes of samples; a picture of 2x2 pixels with 4 channels has 16");
    expect_bad(name, 4, "it has neither data nor float_data");
    expect_bad(name, 5, "PNG");
    expect_read(name, 7, 1);
    close_one(name);
    end();
  }
}

/* Files of other kinds are refused before anything is begun. */
static void datums_of_other_files(void) {
  begin_quietly();
  for (int k = 0; k < 2; k++) {
    values[k].count = 0;
    put_field(&values[k], 4, "GIF89a......", 12);
    put_integer(&values[k], 5, k);
    put_integer(&values[k], 7, 1);
  }
  write_lmdb(fresh("db"), 2, false);
  expect_refused("lmdb", fresh("db"), "the picture is a GIF file; expected a JPEG or PNG file");
  end();
}

static void no_datums(void) {
  const file_bytes png = make_picture(false, 3, 3, (const uint8_t[3]){1, 2, 3});
  for (int i = 0; i < 2; i++) {
    const char *name = datum_readers[i];
    begin_quietly();
    for (int k = 0; k < 3; k++) {
      values[k].count = 0;
      put_bytes(&values[k], png.bytes, png.count);
    }
    write_database(name, fresh("lsun"), 3);
    expect_refused(name, fresh("lsun"), "00000000: no Datum (it has no label), but a PNG file; expected a");
    for (int k = 0; k < 3; k++) {
      values[k].count = 0;
      put_bytes(&values[k], "{\"a\": 1}", 8);
    }
    write_database(name, fresh("json"), 3);
    expect_refused(name, fresh("json"), "but the text '{\"a\": 1}'");
    write_database(name, fresh("empty"), 0);
    expect_refused(name, fresh("empty"), "no record in it");
    mkdir(fresh("nothing"), 0777);
    expect_refused(name, fresh("nothing"), "none in this folder; expected a");
    expect_refused(name, fresh("none"), "none: ");
    expect_refused(name, fresh_dir, "a folder of several, such as ");
    end();
  }
  free(png.bytes);
}

/* ---- LMDB ---- */

static void make_ten(void) {
  for (int k = 0; k < 10; k++) make_datum(&values[k], k % 2, 16, 16, 3, k);
}

/* Keys that are numbers in binary are no names; the bytes of others are left alone. */
static void names_of_keys(void) {
  static const struct {
    const char *key, *name;
    size_t count;
  } keys[] = {{"a\0\1", "/db: record 0", 3},
              {"b\x7f", "/db: record 1", 2},
              {"c\xe4 d/1.png", "/db: c\xe4 d/1.png", 10}};
  MDB_env *env;
  MDB_txn *txn;
  MDB_dbi dbi;
  begin_quietly();
  make_ten();
  CU_ASSERT_FATAL(mdb_env_create(&env) == 0 &&
                  mdb_env_open(env, fresh("db"), MDB_NOSUBDIR | MDB_NOLOCK, 0644) == 0);
  CU_ASSERT_FATAL(mdb_txn_begin(env, NULL, 0, &txn) == 0 && mdb_dbi_open(txn, NULL, 0, &dbi) == 0);
  for (int i = 0; i < 3; i++) {
    MDB_val k = {keys[i].count, (void *)keys[i].key}, v = {values[i].count, values[i].bytes};
    CU_ASSERT_EQUAL(mdb_put(txn, dbi, &k, &v, 0), 0);
  }
  CU_ASSERT_EQUAL(mdb_txn_commit(txn), 0);
  mdb_env_close(env);
  CU_ASSERT_EQUAL_FATAL(open_one("lmdb", fresh("db")), CVY_OK);
  for (int i = 0; i < 3; i++) {
    expect_read("lmdb", i, i % 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(record.name, keys[i].name));
  }
  close_one("lmdb");
  end();
}

static void lmdb_as_a_file(void) {
  begin_quietly();
  make_ten();
  write_lmdb(fresh("one.mdb"), 10, true);
  CU_ASSERT_EQUAL_FATAL(open_one("lmdb", fresh("one.mdb")), CVY_OK);
  CU_ASSERT_EQUAL(source.count, 10);
  expect_read("lmdb", 7, 1);
  CU_ASSERT_PTR_NOT_NULL(strstr(record.name, "/one.mdb: 00000007"));
  close_one("lmdb");
  CU_ASSERT_FALSE(scratch_exists(fresh("one.mdb-lock")));
  write_lmdb(fresh("dir"), 10, false);
  CU_ASSERT_EQUAL_FATAL(open_one("lmdb", fresh("dir/data.mdb")), CVY_OK);
  CU_ASSERT_EQUAL(source.count, 10);
  close_one("lmdb");
  CU_ASSERT_EQUAL_FATAL(open_with("lmdb", NULL, NULL, fresh("dir"), fresh("one.mdb"), 0, 0), CVY_OK);
  CU_ASSERT_EQUAL(source.count, 20);
  expect_read("lmdb", 17, 1);
  CU_ASSERT_PTR_NOT_NULL(strstr(record.name, "/one.mdb: 00000007"));
  close_one("lmdb");
  CU_ASSERT_FALSE(scratch_exists(fresh("dir/lock.mdb")));
  end();
}

static void lmdb_that_is_cut_off(void) {
  begin_quietly();
  make_ten();
  write_lmdb(fresh("whole"), 10, true);
  const file_bytes whole = read_whole(fresh("whole"));
  for (unsigned long count = 0; count < whole.count; count += 512) {
    scratch_write(fresh("cut"), whole.bytes, count);
    const cvy_err err = open_one("lmdb", fresh("cut"));
    CU_ASSERT(err == CVY_E_INPUT || err == CVY_E_SYSTEM);
    CU_ASSERT(says("/cut: "));
    if (!err) close_one("lmdb");
  }
  scratch_write(fresh("text"), "path,label\n", 11);
  expect_refused("lmdb", fresh("text"), "cannot read it as LMDB");
  free(whole.bytes);
  end();
}

static void splits_of_a_folder(void) {
  cvy_prepare_input *found;
  int64_t count;
  begin_quietly();
  make_ten();
  write_lmdb(fresh("mnist_train_lmdb"), 10, false);
  write_lmdb(fresh("mnist_test_lmdb"), 10, false);
  mkdir(fresh("other"), 0777);
  CU_ASSERT_EQUAL(reader_named("lmdb")->find_splits(&found, &count, pool, fresh_dir), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(count, 2);
  CU_ASSERT(strcmp(found[0].split, "train") == 0 && strstr(found[0].path, "/mnist_train_lmdb"));
  CU_ASSERT(strcmp(found[1].split, "val") == 0 && strstr(found[1].path, "/mnist_test_lmdb"));
  CU_ASSERT_EQUAL(reader_named("lmdb")->find_splits(&found, &count, pool, fresh("mnist_test_lmdb")), CVY_OK);
  CU_ASSERT_EQUAL(count, 0);
  CU_ASSERT_EQUAL(reader_named("leveldb")->find_splits(&found, &count, pool, fresh_dir), CVY_OK);
  CU_ASSERT_EQUAL(count, 0);
  end();
}

/* ---- LevelDB ---- */

/* Describes the files of a folder by their names, sizes and times of change. */
static char *look_at_folder(const char *path) {
  char *chars = cvy_pool_new(pool, 8192);
  cvy_text text = cvy_text_in(chars, 8192);
  struct dirent **entries;
  const int count = scandir(path, &entries, NULL, alphasort);
  CU_ASSERT_FATAL(count > 2);
  for (int i = 0; i < count; i++) {
    struct stat info;
    char file[1300];
    snprintf(file, sizeof file, "%s/%s", path, entries[i]->d_name);
    if (entries[i]->d_name[0] != '.' && stat(file, &info) == 0)
      cvy_text_add(&text, "%s %ld %ld.%09ld\n", entries[i]->d_name, (long)info.st_size,
                   (long)info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
    free(entries[i]);
  }
  free(entries);
  CU_ASSERT(text.length < 8191);
  return chars;
}

static int folders_of_links(void) {
  return scratch_count(fresh("tmp"));
}

/* Counts the names of tables that folders have, so that LevelDB cannot write tables into its folder of
 * links. */
static int names_taken(void) {
  char command[1200];
  int count = -1;
  snprintf(command, sizeof command, "find %s -type d -name '*.ldb' | wc -l", fresh("tmp"));
  FILE *found = popen(command, "r");
  if (found && fscanf(found, "%d", &count) != 1) count = -1;
  if (found) pclose(found);
  return count;
}

static void leveldb_stays_as_it_is(void) {
  begin_quietly();
  const char *before_tmp = getenv("TMPDIR");
  char *kept = before_tmp ? strdup(before_tmp) : NULL;
  mkdir(fresh("tmp"), 0777);
  setenv("TMPDIR", fresh("tmp"), 1);
  leveldb_options_t *options = leveldb_options_create();
  leveldb_options_set_write_buffer_size(options, 1 << 16);
  leveldb_options_set_max_file_size(options, 1 << 20);
  leveldb_t *db = create_leveldb(options, fresh("db"));
  for (int64_t i = 0; i < 4000; i++) {
    make_datum(&values[0], (int)(i * 7 % 5), 16, 16, 3, (int)(i % 50));
    put_leveldb(db, i * 1237 % 4000, &values[0]);
  }
  leveldb_close(db);
  leveldb_options_destroy(options);
  const char *before = look_at_folder(fresh("db"));
  CU_ASSERT_EQUAL_FATAL(open_one("leveldb", fresh("db")), CVY_OK);
  CU_ASSERT_EQUAL(source.count, 4000);
  CU_ASSERT_EQUAL(folders_of_links(), 1);
  for (int64_t i = 0; i < 4000; i++) {
    const int64_t index = i * 1237 % 4000;
    if (reader_named("leveldb")->read(&record, &source, index)) CU_FAIL_FATAL("a record cannot be read");
    if (record.label != i * 7 % 5 || record.image.px[2] != i % 50) CU_FAIL_FATAL("a record is another");
  }
  CU_ASSERT(names_taken() > 200);
  close_one("leveldb");
  CU_ASSERT_STRING_EQUAL(look_at_folder(fresh("db")), before);
  CU_ASSERT_EQUAL(folders_of_links(), 0);
  expect_refused("leveldb", fresh("db/CURRENT"), "no LevelDB (a folder with CURRENT");
  CU_ASSERT_EQUAL(folders_of_links(), 0);
  setenv("TMPDIR", fresh("not there"), 1);
  CU_ASSERT_EQUAL(open_one("leveldb", fresh("db")), CVY_E_SYSTEM);
  CU_ASSERT(says("cannot make a folder for links"));
  if (kept)
    setenv("TMPDIR", kept, 1);
  else
    unsetenv("TMPDIR");
  free(kept);
  end();
}

/* Tables that a killed process has left have the names that LevelDB would give to its next ones. */
static void leveldb_with_tables_of_nobody(void) {
  static const char orphan[] = "what a killed process has written";
  char path[1400];
  begin_quietly();
  for (int k = 0; k < 6; k++) make_datum(&values[k], k % 3, 2, 2, 1, k);
  write_database("leveldb", fresh("db"), 6);
  for (int number = 1; number < 40; number++) {
    snprintf(path, sizeof path, "%s/%06d.ldb", fresh("db"), number);
    if (access(path, F_OK) != 0) scratch_write(path, orphan, sizeof orphan);
  }
  const char *before = look_at_folder(fresh("db"));
  CU_ASSERT_EQUAL_FATAL(open_one("leveldb", fresh("db")), CVY_OK);
  CU_ASSERT_EQUAL(source.count, 6);
  for (int k = 0; k < 6; k++) expect_read("leveldb", k, k % 3);
  close_one("leveldb");
  CU_ASSERT_STRING_EQUAL(look_at_folder(fresh("db")), before);
  end();
}

static void leveldb_that_is_damaged(void) {
  char name[300];
  begin_quietly();
  make_ten();
  write_leveldb(fresh("db"), 10);
  write_leveldb(fresh("db"), 10); /* the second opening makes a table of the log */
  snprintf(name, sizeof name, "rm %s/*.ldb", fresh("db"));
  CU_ASSERT_EQUAL(system(name), 0);
  expect_refused("leveldb", fresh("db"), "cannot read it as LevelDB: Corruption: ");
  scratch_write(fresh("db/CURRENT"), "MANIFEST-999999\n", 16);
  expect_refused("leveldb", fresh("db"), "db/MANIFEST-999999: cannot open: No such file");
  scratch_write(fresh("db/MANIFEST-999999"), "no list of tables", 17);
  expect_refused("leveldb", fresh("db"), "its list of tables, MANIFEST-999999, is damaged");
  end();
}

/* Another process that has it open may write to it. */
static void leveldb_that_is_open_elsewhere(void) {
  int to_child[2], to_parent[2];
  char byte = 0;
  begin_quietly();
  make_ten();
  write_leveldb(fresh("db"), 10);
  CU_ASSERT_FATAL(pipe(to_child) == 0 && pipe(to_parent) == 0);
  const pid_t child = fork();
  CU_ASSERT_FATAL(child >= 0);
  if (child == 0) {
    const int fd = open(fresh("db/LOCK"), O_RDWR);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    byte = fcntl(fd, F_SETLK, &lock) == 0;
    if (write(to_parent[1], &byte, 1) != 1 || read(to_child[0], &byte, 1) != 1) _exit(1);
    _exit(0);
  }
  CU_ASSERT(read(to_parent[0], &byte, 1) == 1 && byte == 1);
  expect_refused("leveldb", fresh("db"), "has it open, and may change it");
  CU_ASSERT_EQUAL(write(to_child[1], &byte, 1), 1);
  waitpid(child, NULL, 0);
  CU_ASSERT_EQUAL_FATAL(open_one("leveldb", fresh("db")), CVY_OK);
  close_one("leveldb");
  for (int i = 0; i < 2; i++) {
    close(to_child[i]);
    close(to_parent[i]);
  }
  end();
}

/* ---- RecordIO ---- */

static file_bytes rec_png(void) {
  return make_picture(false, 6, 4, (const uint8_t[3]){9, 8, 7});
}

static void put_rec(maker *to, uint32_t flag, float label, const float *labels) {
  static maker value;
  const file_bytes png = rec_png();
  make_rec_value(&value, flag, label, labels, png.bytes, png.count);
  put_part(to, 0, value.bytes, value.count);
  free(png.bytes);
}

static void records_of_mxnet(void) {
  begin_quietly();
  m.count = 0;
  put_rec(&m, 0, 10, NULL);
  put_rec(&m, 1, 0, (float[]){9});
  put_rec(&m, 0, 9, NULL);
  write_value(fresh("a.rec"));
  CU_ASSERT_EQUAL_FATAL(open_one("recordio", fresh("a.rec")), CVY_OK);
  CU_ASSERT(source.count == 3 && source.h == 0 && source.c == 3);
  expect_classes("9", "10", NULL);
  expect_read("recordio", 0, 1);
  CU_ASSERT(record.image.h == 6 && record.image.w == 4 && record.image.px[2] == 7);
  CU_ASSERT_PTR_NOT_NULL(strstr(record.name, "/a.rec: record 0"));
  expect_read("recordio", 1, 0);
  CU_ASSERT(reads_again("recordio"));
  close_one("recordio");
  CU_ASSERT_EQUAL_FATAL(open_with("recordio", NULL, NULL, fresh("a.rec"), fresh("a.rec"), 0, 0), CVY_OK);
  CU_ASSERT_EQUAL(source.count, 6);
  close_one("recordio");
  end();
}

/* A record whose bytes hold the magic is cut there. */
static void records_in_parts(void) {
  static maker value;
  uint8_t samples[32] = {0};
  begin_quietly();
  m.count = 0;
  for (int i = 0; i < 32; i++) samples[i] = (uint8_t)i;
  memcpy(samples + 8, "\x0a\x23\xd7\xce\x0a\x23\xd7\xce", 8);
  make_rec_value(&value, 0, 1, NULL, samples, 32);
  put_part(&m, 1, value.bytes, 32);      /* head and 8 bytes */
  put_part(&m, 2, value.bytes, 0);       /* between the two */
  put_part(&m, 3, value.bytes + 40, 16); /* the rest */
  make_rec_value(&value, 0, 2, NULL, samples, 32);
  put_part(&m, 0, value.bytes, value.count);
  write_value(fresh("a.rec"));
  CU_ASSERT_EQUAL_FATAL(open_with("recordio", "raw", "8x4x1", fresh("a.rec"), NULL, 0, 0), CVY_OK);
  CU_ASSERT(source.count == 2 && source.h == 4 && source.w == 8 && source.c == 1);
  expect_read("recordio", 0, 0);
  CU_ASSERT(memcmp(record.image.px, samples, 32) == 0);
  expect_read("recordio", 1, 1);
  CU_ASSERT(memcmp(record.image.px, samples, 32) == 0);
  close_one("recordio");
  expect_refused("recordio", fresh("a.rec"), "expected a JPEG or PNG file (--raw tells the size of samples)");
  CU_ASSERT_EQUAL(open_with("recordio", "raw", "8x4", fresh("a.rec"), NULL, 0, 0), CVY_E_USAGE);
  CU_ASSERT_EQUAL(open_with("recordio", "raw", "8x5x1", fresh("a.rec"), NULL, 0, 0), CVY_E_INPUT);
  CU_ASSERT(says("32 bytes of samples; a picture of 8x5 pixels with 1 channels has 40"));
  end();
}

static void records_of_several_labels(void) {
  begin_quietly();
  m.count = 0;
  put_rec(&m, 3, 0, (float[]){0.25f, 4, 1});
  put_rec(&m, 3, 0, (float[]){0.5f, 3, 1});
  write_value(fresh("a.rec"));
  expect_refused("recordio", fresh("a.rec"), "3 labels (0.25, 4, ...); --label 1 takes the first of them");
  CU_ASSERT_EQUAL_FATAL(open_with("recordio", "label", "2", fresh("a.rec"), NULL, 0, 0), CVY_OK);
  expect_classes("3", "4", NULL);
  expect_read("recordio", 0, 1);
  close_one("recordio");
  CU_ASSERT_EQUAL(open_with("recordio", "label", "1", fresh("a.rec"), NULL, 0, 0), CVY_E_INPUT);
  CU_ASSERT(says("label 0.25; a class is a whole number"));
  CU_ASSERT_EQUAL(open_with("recordio", "label", "4", fresh("a.rec"), NULL, 0, 0), CVY_E_INPUT);
  CU_ASSERT(says("--label 4: it has 3 labels"));
  m.count = 0;
  put_rec(&m, 3, 0, (float[]){0, 0, 1});
  put_rec(&m, 3, 0, (float[]){0, 1, 0});
  write_value(fresh("hot.rec"));
  CU_ASSERT_EQUAL_FATAL(open_one("recordio", fresh("hot.rec")), CVY_OK);
  expect_classes("1", "2", NULL);
  expect_read("recordio", 0, 1);
  close_one("recordio");
  end();
}

/* One label that can be no class refuses the file, whatever the other records have. */
static void labels_of_mxnet_that_are_no_classes(void) {
  static const struct {
    float label;
    const char *message;
  } cases[] = {{0.5f, "/a.rec: record 2: label 0.5; a class is a whole number below 2^24"},
               {NAN, "record 2: label nan; "},
               {1e9f, "record 2: label 1e+09; "}};
  begin_quietly();
  for (int i = 0; i < CVY_COUNT(cases); i++) {
    m.count = 0;
    for (int k = 0; k < 4; k++) put_rec(&m, 0, k == 2 ? cases[i].label : (float)(k % 2), NULL);
    write_value(fresh("a.rec"));
    expect_refused("recordio", fresh("a.rec"), cases[i].message);
  }
  end();
}

static void damaged_records_of_mxnet(void) {
  begin_quietly();
  m.count = 0;
  put_rec(&m, 0, 0, NULL);
  const size_t first = m.count;
  put_rec(&m, 0, 1, NULL);
  const size_t second = m.count;
  put_rec(&m, 0, 1, NULL);
  write_value(fresh("whole"));
  for (size_t cut = 0; cut + 4 < m.count; cut++) {
    scratch_write(fresh("cut"), m.bytes, cut);
    const cvy_err err = open_one("recordio", fresh("cut"));
    /* Zeros behind the last record may be missing. */
    const bool is_whole = (cut <= first && cut + 4 > first) || (cut <= second && cut + 4 > second);
    CU_ASSERT_EQUAL(err, is_whole ? CVY_OK : CVY_E_INPUT);
    if (!err) close_one("recordio");
  }
  for (size_t k = 0; k < m.count; k++) {
    m.bytes[k] ^= 0x21;
    scratch_write(fresh("flipped"), m.bytes, m.count);
    const cvy_err err = go_through("recordio", fresh("flipped"), NULL);
    CU_ASSERT(err == CVY_OK || err == CVY_E_INPUT);
    m.bytes[k] ^= 0x21;
  }
  m.bytes[second] ^= 1;
  write_value(fresh("magic"));
  expect_refused("recordio", fresh("magic"), "no record begins at byte ");
  scratch_write(fresh("text"), "path,label\nx,1\n", 15);
  expect_refused("recordio", fresh("text"), "no record begins at byte 0");
  end();
}

/* ---- TFRecord ---- */

static void put_imagenet(maker *to, int64_t label, const char *synset, const char *text, const char *file) {
  static maker features, value;
  const file_bytes png = rec_png();
  features.count = 0;
  put_number_feature(&features, "image/height", 6);
  put_text_feature(&features, "image/colorspace", "RGB");
  put_feature(&features, "image/encoded", 1, png.bytes, png.count);
  put_number_feature(&features, "image/class/label", label);
  if (synset) put_text_feature(&features, "image/class/synset", synset);
  if (text) put_text_feature(&features, "image/class/text", text);
  if (file) put_text_feature(&features, "image/filename", file);
  make_example(&value, &features);
  put_record(to, &value);
  free(png.bytes);
}

static void examples_of_imagenet(void) {
  cvy_prepare_input *found;
  int64_t count;
  begin_quietly();
  const char *const names[] = {"train-00001-of-00002", "train-00000-of-00002", "validation-00000-of-00001"};
  for (int k = 0; k < 3; k++) {
    m.count = 0;
    put_imagenet(&m, 135, "n02012849", "crane", "a.JPEG");
    put_imagenet(&m, 2, "n01443537", "goldfish, Carassius auratus", "b.JPEG");
    put_imagenet(&m, 518, "n03126707", "crane", k == 1 ? "c.JPEG" : NULL);
    write_value(fresh(names[k]));
  }
  scratch_write(fresh("labels.txt"), "0:background\n", 13);
  CU_ASSERT_EQUAL(reader_named("tfrecord")->find_splits(&found, &count, pool, fresh_dir), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(count, 3);
  CU_ASSERT(strcmp(found[0].split, "train") == 0 && strstr(found[0].path, "train-00000"));
  CU_ASSERT(strcmp(found[2].split, "val") == 0 && strstr(found[2].path, "validation-00000"));
  CU_ASSERT_EQUAL_FATAL(open_with("tfrecord", NULL, NULL, found[0].path, found[1].path, 0, 0), CVY_OK);
  CU_ASSERT(source.count == 6 && source.h == 0);
  expect_classes("n01443537 goldfish", "n02012849 crane", "n03126707 crane");
  expect_read("tfrecord", 0, 1);
  CU_ASSERT(record.image.h == 6 && record.image.w == 4 && record.image.px[0] == 9);
  CU_ASSERT_PTR_NOT_NULL(strstr(record.name, "/train-00000-of-00002: a.JPEG"));
  expect_read("tfrecord", 2, 2);
  CU_ASSERT_PTR_NOT_NULL(strstr(record.name, ": c.JPEG"));
  expect_read("tfrecord", 5, 2);
  CU_ASSERT_PTR_NOT_NULL(strstr(record.name, "/train-00001-of-00002: record 2"));
  CU_ASSERT(reads_again("tfrecord"));
  close_one("tfrecord");
  CU_ASSERT_EQUAL_FATAL(open_one("tfrecord", fresh_dir), CVY_OK);
  CU_ASSERT_EQUAL(source.count, 9);
  close_one("tfrecord");
  end();
}

/* A folder of files that say that they are of more is refused; given one by one they are taken. */
static void files_that_are_missing(void) {
  static const struct {
    const char *files[4], *missing; /* NULL: nothing is */
  } cases[] = {
      {{"train-00000-of-00002", "train-00001-of-00002"}, NULL},
      {{"part_1_of_2.tfrecord", "part_2_of_2.tfrecord"}, NULL},
      {{"set-0-of-1", "1-of-a-kind", "off-of-2"}, NULL},
      {{"train-00000-of-00002"},
       "/train-00000-of-00002: by its name it is one of 2 files, of which 1 is missing: "
       "train-00001-of-00002; files given one by one are taken as they are"},
      {{"train-00001-of-00002"}, "of which 1 is missing: train-00000-of-00002"},
      {{"a-0-of-1", "b.02-of-04.rec", "b.04-of-04.rec"},
       "/b.02-of-04.rec: by its name it is one of 4 files, of which 2 are missing: b.01-of-04.rec, "
       "b.03-of-04.rec"},
      {{"train-00007-of-01024"}, "of which 1023 are missing: train-00000-of-01024, train-00001-of-01024, "},
  };
  cvy_prepare_input *found;
  int64_t count;
  for (int i = 0; i < CVY_COUNT(cases); i++) {
    begin_quietly();
    m.count = 0;
    put_imagenet(&m, 1, NULL, NULL, NULL);
    for (int k = 0; k < 4 && cases[i].files[k]; k++) write_value(fresh(cases[i].files[k]));
    const cvy_err err = reader_named("tfrecord")->find_splits(&found, &count, pool, fresh_dir);
    CU_ASSERT_EQUAL(err, cases[i].missing ? CVY_E_INPUT : CVY_OK);
    if (cases[i].missing) {
      CU_ASSERT(says(cases[i].missing));
      expect_refused("tfrecord", fresh_dir, cases[i].missing);
    }
    CU_ASSERT_EQUAL_FATAL(open_one("tfrecord", fresh(cases[i].files[0])), CVY_OK);
    close_one("tfrecord");
    end();
  }
}

static void names_of_examples(void) {
  begin_quietly();
  m.count = 0;
  put_imagenet(&m, 1, NULL, "dog", NULL);
  put_imagenet(&m, 10, NULL, "cat", NULL);
  put_imagenet(&m, 9, NULL, "bee", NULL);
  write_value(fresh("texts"));
  CU_ASSERT_EQUAL_FATAL(open_one("tfrecord", fresh("texts")), CVY_OK);
  expect_classes("dog", "bee", "cat");
  close_one("tfrecord");
  put_imagenet(&m, 11, NULL, "dog", NULL);
  write_value(fresh("twice"));
  CU_ASSERT_EQUAL_FATAL(open_one("tfrecord", fresh("twice")), CVY_OK);
  CU_ASSERT_STRING_EQUAL(source.class_names[0], "1 dog");
  CU_ASSERT_STRING_EQUAL(source.class_names[3], "11 dog");
  close_one("tfrecord");
  put_imagenet(&m, 9, NULL, "wasp", NULL);
  write_value(fresh("contradiction"));
  expect_refused("tfrecord", fresh("contradiction"),
                 "record 4: label 9 is called 'wasp' here, but 'bee' in an earlier record");
  m.count = 0;
  put_imagenet(&m, 3, NULL, NULL, NULL);
  put_imagenet(&m, 20, NULL, NULL, NULL);
  write_value(fresh("numbers"));
  CU_ASSERT_EQUAL_FATAL(open_one("tfrecord", fresh("numbers")), CVY_OK);
  expect_classes("3", "20", NULL);
  close_one("tfrecord");
  end();
}

/* Appends a record to a file: a picture, and the features given. */
static void put_with(maker *to, const maker *features) {
  static maker all, value;
  const file_bytes png = rec_png();
  all = *features;
  put_feature(&all, "image", 1, png.bytes, png.count);
  make_example(&value, &all);
  put_record(to, &value);
  free(png.bytes);
}

static void labels_of_examples(void) {
  static maker f;
  begin_quietly();
  m.count = 0;
  for (int i = 0; i < 2; i++) { /* TFDS: image and label */
    f.count = 0;
    put_number_feature(&f, "label", 5 + i);
    put_with(&m, &f);
  }
  for (int i = 0; i < 3; i++) { /* floats, one-hot, text */
    f.count = 0;
    const float ten = 10, hot[4] = {0, 0, 0, 1};
    if (i == 0) put_feature(&f, "label", 2, &ten, sizeof ten);
    if (i == 1) put_feature(&f, "label", 2, hot, sizeof hot);
    if (i == 2) put_text_feature(&f, "label", "5");
    put_with(&m, &f);
  }
  f.count = 0;
  put_number_feature(&f, "wrong/label", 1);
  put_with(&m, &f); /* 5 */
  write_value(fresh("a"));
  CU_ASSERT_EQUAL_FATAL(open_one("tfrecord", fresh("a")), CVY_OK);
  CU_ASSERT_EQUAL(source.class_count, 4);
  CU_ASSERT(strcmp(source.class_names[0], "3") == 0 && strcmp(source.class_names[3], "10") == 0);
  expect_read("tfrecord", 0, 1);
  expect_read("tfrecord", 1, 2);
  expect_read("tfrecord", 2, 3);
  expect_read("tfrecord", 3, 0);
  expect_read("tfrecord", 4, 1);
  expect_bad("tfrecord", 5, "no label in it (--label-key names its feature); it has wrong/label, image");
  close_one("tfrecord");
  CU_ASSERT_EQUAL_FATAL(open_with("tfrecord", "label-key", "wrong/label", fresh("a"), NULL, 0, 0), CVY_OK);
  CU_ASSERT_EQUAL(source.class_count, 1); /* whether that is enough is for prepare */
  CU_ASSERT_STRING_EQUAL(source.class_names[0], "1");
  close_one("tfrecord");
  CU_ASSERT_EQUAL(open_with("tfrecord", "picture-key", "thumbnail", fresh("a"), NULL, 0, 0), CVY_E_INPUT);
  CU_ASSERT(says("no picture in it (--picture-key names its feature); it has label, image"));
  end();
}

/* Puts two records with the label 1 and one with the features; opening them is refused. */
static void expect_label_refused(const maker *features, const char *message) {
  static maker f;
  m.count = 0;
  for (int i = 0; i < 2; i++) {
    f.count = 0;
    put_number_feature(&f, "label", 1);
    put_with(&m, &f);
  }
  put_with(&m, features);
  write_value(fresh("a"));
  expect_refused("tfrecord", fresh("a"), message);
  m.bytes[m.count - 5] ^= 1; /* a record that is damaged is only left out */
  write_value(fresh("damaged"));
  CU_ASSERT_EQUAL_FATAL(open_one("tfrecord", fresh("damaged")), CVY_OK);
  expect_bad("tfrecord", 2, "do not match their checksum");
  close_one("tfrecord");
}

static void labels_of_examples_that_are_no_classes(void) {
  static maker f;
  begin_quietly();
  const float numbers[] = {0.5f, NAN, INFINITY};
  const char *const messages[] = {"/a: record 2: label 0.5; a class is a whole number or a text",
                                  "record 2: label nan; ", "record 2: label inf; "};
  for (int i = 0; i < CVY_COUNT(numbers); i++) {
    f.count = 0;
    put_feature(&f, "label", 2, &numbers[i], sizeof numbers[i]);
    expect_label_refused(&f, messages[i]);
  }
  f.count = 0;
  put_feature(&f, "label", 3, "\1\2", 2);
  expect_label_refused(&f, "record 2: 2 labels; expected one, or zeros with a single 1");
  f.count = 0;
  put_text_feature(&f, "label", "");
  expect_label_refused(&f, "record 2: a label of 1 text, 0 bytes in the first; expected one, of 1 to 1000");
  end();
}

static void names_of_examples_in_latin_1(void) {
  static maker f;
  begin_quietly();
  m.count = 0;
  put_imagenet(&m, 1, NULL, "K\xe4se", "\xfc.png");
  put_imagenet(&m, 2, NULL, "Apfel", NULL);
  write_value(fresh("names"));
  m.count = f.count = 0;
  put_text_feature(&f, "label", "K\xe4se");
  put_with(&m, &f);
  f.count = 0;
  put_text_feature(&f, "label", "Apfel");
  put_with(&m, &f);
  write_value(fresh("labels"));
  CU_ASSERT_EQUAL_FATAL(open_one("tfrecord", fresh("names")), CVY_OK);
  expect_classes("K\\xE4se", "Apfel", NULL);
  close_one("tfrecord");
  CU_ASSERT_EQUAL_FATAL(open_with("tfrecord", "encoding", "latin-1", fresh("names"), NULL, 0, 0), CVY_OK);
  expect_classes("K\xc3\xa4se", "Apfel", NULL);
  CU_ASSERT_STRING_EQUAL(source.encoding, "latin-1");
  close_one("tfrecord");
  CU_ASSERT_EQUAL_FATAL(open_with("tfrecord", "encoding", "latin-1", fresh("labels"), NULL, 0, 0), CVY_OK);
  expect_classes("Apfel", "K\xc3\xa4se", NULL);
  close_one("tfrecord");
  end();
}

static void large_labels_of_examples(void) {
  static maker f;
  begin_quietly();
  m.count = 0;
  for (int i = 0; i < 3; i++) {
    f.count = 0;
    put_number_feature(&f, "label", (INT64_C(1) << 62) + 1 - i);
    put_with(&m, &f);
  }
  write_value(fresh("a"));
  CU_ASSERT_EQUAL_FATAL(open_one("tfrecord", fresh("a")), CVY_OK);
  expect_classes("4611686018427387903", "4611686018427387904", "4611686018427387905");
  expect_read("tfrecord", 0, 2);
  close_one("tfrecord");
  end();
}

/* An example whose feature has two pictures, or a number, is left out, and it is told why. */
static void examples_of_several_pictures(void) {
  static maker f, value, list, feature, entry;
  begin_quietly();
  m.count = 0;
  put_imagenet(&m, 1, NULL, NULL, NULL);
  f.count = list.count = feature.count = entry.count = 0;
  for (int i = 0; i < 2; i++) put_field(&list, 1, "abc", 3);
  put_field(&feature, 1, list.bytes, list.count);
  put_field(&entry, 1, "image", 5);
  put_field(&entry, 2, feature.bytes, feature.count);
  put_field(&f, 1, entry.bytes, entry.count);
  put_number_feature(&f, "label", 1);
  make_example(&value, &f);
  put_record(&m, &value);
  f.count = 0;
  put_number_feature(&f, "label", 1);
  put_number_feature(&f, "image", 7);
  make_example(&value, &f);
  put_record(&m, &value);
  write_value(fresh("a"));
  CU_ASSERT_EQUAL_FATAL(open_one("tfrecord", fresh("a")), CVY_OK);
  expect_bad("tfrecord", 1, "its picture is 2 texts; expected one text, a JPEG or PNG file or samples");
  expect_bad("tfrecord", 2, "its picture is 1 number; expected one text, a JPEG or PNG file or samples");
  close_one("tfrecord");
  end();
}

static void examples_of_samples(void) {
  static maker f, value;
  begin_quietly();
  m.count = 0;
  for (int i = 0; i < 3; i++) { /* the tutorial's MNIST */
    f.count = 0;
    put_number_feature(&f, "height", 2);
    put_number_feature(&f, "width", 3);
    if (i != 1) put_number_feature(&f, "depth", 1);
    put_number_feature(&f, "label", i);
    put_feature(&f, "image_raw", 1, i == 2 ? "abcde" : "abcdef", i == 2 ? 5 : 6);
    make_example(&value, &f);
    put_record(&m, &value);
  }
  write_value(fresh("a"));
  CU_ASSERT_EQUAL_FATAL(open_one("tfrecord", fresh("a")), CVY_OK);
  CU_ASSERT(source.h == 2 && source.w == 3 && source.c == 1);
  expect_classes("0", "1", NULL);
  expect_read("tfrecord", 1, 1);
  CU_ASSERT(memcmp(record.image.px, "abcdef", 6) == 0);
  expect_bad("tfrecord", 2,
             "the picture is the text 'abcde'; expected a JPEG or PNG file, or samples that fit");
  close_one("tfrecord");
  end();
}

static void damaged_examples(void) {
  size_t begin[5];
  begin_quietly();
  m.count = 0;
  for (int i = 0; i < 4; i++) {
    begin[i] = m.count;
    put_imagenet(&m, i % 2, NULL, NULL, NULL);
  }
  begin[4] = m.count;
  write_value(fresh("whole"));
  for (size_t cut = 1; cut < m.count; cut++) {
    if (cut == begin[1] || cut == begin[2] || cut == begin[3]) continue;
    scratch_write(fresh("cut"), m.bytes, cut);
    expect_refused("tfrecord", fresh("cut"), "truncated: the record at byte ");
  }
  int64_t opened = 0;
  for (size_t k = 0; k < m.count; k++) { /* the checksums see every flip, and no flip founds a class */
    m.bytes[k] ^= 0x10;
    scratch_write(fresh("flipped"), m.bytes, m.count);
    const cvy_err err = open_one("tfrecord", fresh("flipped"));
    if (!err) {
      opened++;
      CU_ASSERT_EQUAL(source.class_count, 2);
      for (int i = 0; i < 4; i++) {
        const bool hit = k >= begin[i] && k < begin[i + 1];
        const cvy_err read = reader_named("tfrecord")->read(&record, &source, i);
        CU_ASSERT_EQUAL(read, hit ? CVY_E_INPUT : CVY_OK);
        if (!hit) CU_ASSERT_EQUAL(record.label, i % 2);
      }
      close_one("tfrecord");
    } else {
      CU_ASSERT_EQUAL(err, CVY_E_INPUT);
    }
    m.bytes[k] ^= 0x10;
  }
  CU_ASSERT(opened > 100);
  write_gz(fresh("zipped.gz"), &m);
  expect_refused("tfrecord", fresh("zipped.gz"), "but gzip's compressed data; gunzip it first");
  scratch_write(fresh("text"), "path,label\nx,1\nmore\n", 20);
  expect_refused("tfrecord", fresh("text"),
                 "no TFRecord file (its first length does not match its checksum)");
  scratch_write(fresh("nothing"), "", 0);
  expect_refused("tfrecord", fresh("nothing"), "no record in it");
  CU_ASSERT_EQUAL(open_with("tfrecord", NULL, NULL, NULL, NULL, 0, 0), CVY_E_USAGE);
  end();
}

SUITE("databases", TEST(datums_of_samples), TEST(grey_datums), TEST(datums_of_files), TEST(mixed_datums),
      TEST(datums_of_floats), TEST(bad_datums), TEST(datums_of_other_files), TEST(no_datums),
      TEST(names_of_keys), TEST(lmdb_as_a_file), TEST(lmdb_that_is_cut_off), TEST(splits_of_a_folder),
      TEST(leveldb_stays_as_it_is), TEST(leveldb_with_tables_of_nobody), TEST(leveldb_that_is_damaged),
      TEST(leveldb_that_is_open_elsewhere), TEST(records_of_mxnet), TEST(records_in_parts),
      TEST(records_of_several_labels), TEST(labels_of_mxnet_that_are_no_classes),
      TEST(damaged_records_of_mxnet), TEST(examples_of_imagenet), TEST(files_that_are_missing),
      TEST(names_of_examples), TEST(labels_of_examples), TEST(labels_of_examples_that_are_no_classes),
      TEST(names_of_examples_in_latin_1), TEST(large_labels_of_examples), TEST(examples_of_several_pictures),
      TEST(examples_of_samples), TEST(damaged_examples))
