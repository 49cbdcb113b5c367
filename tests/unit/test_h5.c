/* Tests the door to HDF5: round trips, conversions, errors that name things, damage, and full disks. */
#include "scratch.h"

#include "file/h5.h"
#include "suite.h"

static char path[512];

static cvy_h5 *create(void) {
  cvy_h5 *file;
  snprintf(path, sizeof path, "%s/file.h5", scratch_folder());
  CU_ASSERT_EQUAL_FATAL(cvy_h5_create(&file, path), CVY_OK);
  return file;
}

static cvy_h5 *reopen(cvy_h5 *written) {
  cvy_h5 *file;
  CU_ASSERT_EQUAL_FATAL(cvy_h5_close(written), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_h5_open(&file, path), CVY_OK);
  return file;
}

static void round_trip_of_every_type(void) {
  const uint8_t u8[] = {0, 1, 255};
  const int32_t i32[] = {INT32_MIN, 0, INT32_MAX};
  const uint32_t u32[] = {0, 7, UINT32_MAX};
  const int64_t i64[] = {INT64_MIN, -1, INT64_MAX};
  const uint64_t u64[] = {0, 1, UINT64_MAX};
  const float f32[] = {-0.1f, 1e-40f, 3e38f};
  const double f64[] = {-0.1, 1e-310, 1e308};
  const void *const values[] = {u8, i32, u32, i64, u64, f32, f64};
  const int64_t three = 3;
  cvy_h5 *file = create();
  for (int t = CVY_H5_U8; t <= CVY_H5_F64; t++) {
    char name[32];
    snprintf(name, sizeof name, "group/of/type%d", t);
    CU_ASSERT_EQUAL(cvy_h5_write(file, name, (cvy_h5_type)t, values[t], 1, &three), CVY_OK);
  }
  file = reopen(file);
  for (int t = CVY_H5_U8; t <= CVY_H5_F64; t++) {
    char name[32], back[64] = {0};
    cvy_h5_type element;
    snprintf(name, sizeof name, "/group/of/type%d", t);
    CU_ASSERT_EQUAL(cvy_h5_read(file, name, (cvy_h5_type)t, back, 3), CVY_OK);
    CU_ASSERT_EQUAL(memcmp(back, values[t], 3 * cvy_h5_type_bytes((cvy_h5_type)t)), 0);
    CU_ASSERT_EQUAL(cvy_h5_element(file, name, &element), CVY_OK);
    CU_ASSERT_EQUAL(element, (cvy_h5_type)t);
  }
  double converted[3];
  CU_ASSERT_EQUAL(cvy_h5_read(file, "group/of/type1", CVY_H5_F64, converted, 3), CVY_OK);
  CU_ASSERT_EQUAL(converted[0], (double)INT32_MIN);
  CU_ASSERT_EQUAL(cvy_h5_close(file), CVY_OK);
}

static void rows_shapes_and_offsets(void) {
  enum { N = 5, ROW = 7 * 3 };
  const int64_t dims[] = {N, 7, 3};
  float row[ROW], back[2 * ROW];
  cvy_h5 *file = create();
  CU_ASSERT_EQUAL_FATAL(cvy_h5_reserve(file, "x", CVY_H5_F32, 3, dims), CVY_OK);
  for (int n = N - 1; n >= 0; n--) {
    for (int i = 0; i < ROW; i++) row[i] = (float)(100 * n + i);
    CU_ASSERT_EQUAL(cvy_h5_write_rows(file, "x", CVY_H5_F32, row, n, 1), CVY_OK);
  }
  file = reopen(file);
  int64_t found[CVY_H5_MAX_DIMS];
  int dim_count;
  CU_ASSERT_EQUAL(cvy_h5_shape(file, "x", found, &dim_count), CVY_OK);
  CU_ASSERT_EQUAL(dim_count, 3);
  CU_ASSERT_EQUAL(memcmp(found, dims, sizeof dims), 0);
  CU_ASSERT_EQUAL(cvy_h5_read_rows(file, "x", CVY_H5_F32, back, 2, 2), CVY_OK);
  CU_ASSERT_EQUAL(back[0], 200.0f);
  CU_ASSERT_EQUAL(back[2 * ROW - 1], 300.0f + ROW - 1);
  CU_ASSERT_EQUAL(cvy_h5_read_rows(file, "x", CVY_H5_F32, back, 4, 2), CVY_E_INPUT);
  CU_ASSERT_EQUAL(cvy_h5_read_rows(file, "x", CVY_H5_F32, back, -1, 1), CVY_E_INPUT);
  CU_ASSERT_EQUAL(cvy_h5_read_rows(file, "x", CVY_H5_F32, back, INT64_MAX, 1), CVY_E_INPUT);
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "'x'"));
  const int64_t at = cvy_h5_file_offset(file, "x", CVY_H5_F32);
  CU_ASSERT_FATAL(at > 0);
  FILE *raw = fopen(path, "rb");
  CU_ASSERT_FATAL(raw != NULL && fseek(raw, (long)(at + (int64_t)sizeof row * 3), SEEK_SET) == 0);
  CU_ASSERT_EQUAL(fread(row, sizeof row, 1, raw), 1);
  fclose(raw);
  CU_ASSERT_EQUAL(row[5], 305.0f);
  CU_ASSERT_EQUAL(cvy_h5_file_offset(file, "x", CVY_H5_F64), -1);
  CU_ASSERT_EQUAL(cvy_h5_file_offset(file, "y", CVY_H5_F32), -1);
  cvy_h5_discard(file);
}

static void texts_and_attributes(void) {
  const char *const texts[] = {"", "cat", "\xd9\xa3 \xd8\xb3\xd9\x87", "a longer name, with spaces "};
  char **back, *text;
  int64_t count, whole;
  double real;
  char *long_text = malloc(100001);
  memset(long_text, 'y', 100000);
  long_text[100000] = '\0';
  cvy_pool *pool = cvy_pool_create();
  cvy_h5 *file = create();
  CU_ASSERT_EQUAL(cvy_h5_write_texts(file, "names", texts, 4), CVY_OK);
  CU_ASSERT_EQUAL(cvy_h5_write_attr_text(file, "", "recipe", long_text), CVY_OK);
  CU_ASSERT_EQUAL(cvy_h5_write_attr_text(file, "", "empty", ""), CVY_OK);
  CU_ASSERT_EQUAL(cvy_h5_write_attr_i64(file, "names", "n", -5000000000), CVY_OK);
  CU_ASSERT_EQUAL(cvy_h5_write_attr_f64(file, "names", "x", 0.1), CVY_OK);
  file = reopen(file);
  CU_ASSERT_EQUAL_FATAL(cvy_h5_read_texts(file, "names", &back, &count, pool), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(count, 4);
  for (int i = 0; i < 4; i++) CU_ASSERT_STRING_EQUAL(back[i], texts[i]);
  CU_ASSERT_EQUAL_FATAL(cvy_h5_read_attr_text(file, "", "recipe", &text, pool), CVY_OK);
  CU_ASSERT_STRING_EQUAL(text, long_text);
  CU_ASSERT_EQUAL_FATAL(cvy_h5_read_attr_text(file, "", "empty", &text, pool), CVY_OK);
  CU_ASSERT_STRING_EQUAL(text, "");
  CU_ASSERT_EQUAL(cvy_h5_read_attr_i64(file, "names", "n", &whole), CVY_OK);
  CU_ASSERT_EQUAL(whole, -5000000000);
  CU_ASSERT_EQUAL(cvy_h5_read_attr_f64(file, "names", "x", &real), CVY_OK);
  CU_ASSERT_EQUAL(real, 0.1);
  CU_ASSERT_TRUE(cvy_h5_has_attr(file, "", "recipe"));
  CU_ASSERT_FALSE(cvy_h5_has_attr(file, "", "n"));
  CU_ASSERT_FALSE(cvy_h5_has_attr(file, "nothing", "n"));
  CU_ASSERT_EQUAL(cvy_h5_read_attr_i64(file, "names", "absent", &whole), CVY_E_INPUT);
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "attribute 'absent' is missing"));
  CU_ASSERT_EQUAL(cvy_h5_read_attr_text(file, "names", "n", &text, pool), CVY_E_INPUT);
  CU_ASSERT_EQUAL(cvy_h5_read_attr_i64(file, "", "recipe", &whole), CVY_E_INPUT);
  cvy_h5_discard(file);
  cvy_pool_destroy(pool);
  free(long_text);
}

/* No writer of ours makes these shapes, and they must not take memory. */
static void shapes_that_lie(void) {
  static const char script[] = "import h5py, numpy, sys; f = h5py.File(sys.argv[1], 'w'); "
                               "f['names'] = numpy.array([[b'a', b'b'], [b'c', b'd']]); "
                               "f.create_dataset('long', (2**62,), 'i4', chunks=(4,)); "
                               "f.create_dataset('empty', (0, 2**40, 2**40), 'u1', chunks=(1, 4, 4), "
                               "maxshape=(None, 2**40, 2**40))";
  int64_t dims[CVY_H5_MAX_DIMS];
  int dim_count;
  char lies[512];
  snprintf(lies, sizeof lies, "%s/lies.h5", scratch_folder());
  char *command = cvy_format("/usr/bin/python3 -c \"%s\" '%s'", script, lies), *text;
  cvy_pool *pool = cvy_pool_create();
  cvy_h5 *file = NULL;
  if (scratch_python_has("h5py", "shapes_that_lie")) {
    CU_ASSERT_EQUAL_FATAL(system(command), 0);
    CU_ASSERT_EQUAL_FATAL(cvy_h5_open(&file, lies), CVY_OK);
    CU_ASSERT_EQUAL(cvy_h5_read_text(file, "names", 1, &text, pool), CVY_E_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "'names' is not a list of texts"));
    CU_ASSERT_EQUAL(cvy_h5_shape(file, "long", dims, &dim_count), CVY_E_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "claims more elements than can be"));
    CU_ASSERT_EQUAL(cvy_h5_shape(file, "empty", dims, &dim_count), CVY_E_INPUT);
  }
  cvy_h5_discard(file);
  cvy_pool_destroy(pool);
  free(command);
}

static void note_name(void *context, const char *name) {
  strcat(strcat(context, name), ";");
}

static void what_is_there(void) {
  const uint8_t byte = 1;
  const int64_t one = 1;
  char names[64] = "";
  cvy_h5 *file = create();
  CU_ASSERT_EQUAL(cvy_h5_write(file, "b/z", CVY_H5_U8, &byte, 1, &one), CVY_OK);
  CU_ASSERT_EQUAL(cvy_h5_write(file, "a", CVY_H5_U8, &byte, 0, NULL), CVY_OK);
  CU_ASSERT_EQUAL(cvy_h5_write(file, "b/y", CVY_H5_U8, &byte, 1, &one), CVY_OK);
  CU_ASSERT_EQUAL(cvy_h5_write(file, "a", CVY_H5_U8, &byte, 1, &one), CVY_E_SYSTEM);
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "file.h5: dataset 'a': cannot create: "));
  file = reopen(file);
  CU_ASSERT_EQUAL(cvy_h5_visit(file, note_name, names), CVY_OK);
  CU_ASSERT_STRING_EQUAL(names, "a;b/y;b/z;");
  CU_ASSERT_TRUE(cvy_h5_has(file, "a"));
  CU_ASSERT_TRUE(cvy_h5_has(file, "/b/z"));
  CU_ASSERT_TRUE(cvy_h5_has(file, "b"));
  CU_ASSERT_FALSE(cvy_h5_has(file, "z"));
  CU_ASSERT_FALSE(cvy_h5_has(file, "c/z"));
  uint8_t back[2];
  CU_ASSERT_EQUAL(cvy_h5_read(file, "a", CVY_H5_U8, back, 2), CVY_E_INPUT);
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "dataset 'a' has 1 elements; expected 2"));
  CU_ASSERT_EQUAL(cvy_h5_read(file, "missing", CVY_H5_U8, back, 2), CVY_E_INPUT);
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "'missing': cannot open: object 'missing' doesn't exist"));
  cvy_h5_discard(file);
}

static void refused(const char *bytes, size_t count, const char *expected) {
  cvy_h5 *file;
  snprintf(path, sizeof path, "%s/foreign.h5", scratch_folder());
  scratch_write(path, bytes, count);
  CU_ASSERT_EQUAL(cvy_h5_open(&file, path), CVY_E_INPUT);
  CU_ASSERT_PTR_NULL(file);
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), path));
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), expected));
}

static void foreign_files(void) {
  static const unsigned char jpeg[] = {0xff, 0xd8, 0xff, 0xe0, 0, 16, 'J', 'F', 'I', 'F', 0};
  refused("", 0, "not an HDF5 file: it is empty");
  refused("a line of text\n", 15, "not an HDF5 file");
  refused((const char *)jpeg, sizeof jpeg, "not an HDF5 file");
  refused("\x89HDF\r\n\x1a\n", 8, "");
  cvy_h5 *file;
  CU_ASSERT_EQUAL(cvy_h5_open(&file, "/nowhere/at/all.h5"), CVY_E_INPUT);
  CU_ASSERT_STRING_EQUAL(cvy_err_message(), "/nowhere/at/all.h5: No such file or directory");
  CU_ASSERT_EQUAL(cvy_h5_open(&file, scratch_folder()), CVY_E_INPUT);
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "a folder"));
  CU_ASSERT_EQUAL(cvy_h5_create(&file, "/nowhere/at/all.h5"), CVY_E_SYSTEM);
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "cannot create: No such file or directory"));
}

static void truncated_at_any_length(void) {
  const int64_t count = 3000;
  uint8_t *values = calloc(1, 3000);
  cvy_h5 *file = create();
  CU_ASSERT_EQUAL(cvy_h5_write(file, "x", CVY_H5_U8, values, 1, &count), CVY_OK);
  CU_ASSERT_EQUAL(cvy_h5_close(file), CVY_OK);
  size_t bytes;
  char *whole = scratch_read(path, &bytes);
  for (size_t length = 0; length < bytes; length += 1 + length / 16) {
    scratch_write(path, whole, length);
    CU_ASSERT_EQUAL(cvy_h5_open(&file, path), CVY_E_INPUT);
  }
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "file.h5: truncated: "));
  free(whole);
  free(values);
}

static void whole_or_not_at_all(void) {
  char temporary[600];
  const uint8_t byte = 1;
  const int64_t one = 1;
  cvy_h5 *file;
  snprintf(path, sizeof path, "%s/whole.h5", scratch_folder());
  snprintf(temporary, sizeof temporary, "%s.tmp", path);
  CU_ASSERT_EQUAL_FATAL(cvy_h5_begin(&file, path), CVY_OK);
  CU_ASSERT_EQUAL(cvy_h5_write(file, "x", CVY_H5_U8, &byte, 1, &one), CVY_OK);
  CU_ASSERT_FALSE(scratch_exists(path));
  cvy_h5_rollback(file);
  CU_ASSERT_FALSE(scratch_exists(path) || scratch_exists(temporary));
  CU_ASSERT_EQUAL_FATAL(cvy_h5_begin(&file, path), CVY_OK);
  CU_ASSERT_EQUAL(cvy_h5_write(file, "x", CVY_H5_U8, &byte, 1, &one), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_h5_close(file), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_h5_resume(&file, path), CVY_OK);
  CU_ASSERT_EQUAL(cvy_h5_write(file, "y", CVY_H5_U8, &byte, 1, &one), CVY_OK);
  CU_ASSERT_EQUAL(cvy_h5_commit(file), CVY_OK);
  CU_ASSERT_TRUE(scratch_exists(path) && !scratch_exists(temporary));
  CU_ASSERT_EQUAL_FATAL(cvy_h5_open(&file, path), CVY_OK);
  CU_ASSERT_TRUE(cvy_h5_has(file, "x") && cvy_h5_has(file, "y"));
  CU_ASSERT_EQUAL(cvy_h5_write(file, "z", CVY_H5_U8, &byte, 1, &one), CVY_E_INPUT);
  cvy_h5_discard(file);
}

/* Fills the disk with datasets of `bytes` bytes until something fails; then writing elsewhere must still
 * work. */
static void fill_disk(const char *disk, int64_t bytes) {
  char full[600], temporary[650];
  uint8_t *values = calloc(1, (size_t)bytes);
  cvy_h5 *file;
  snprintf(full, sizeof full, "%s/full.h5", disk);
  snprintf(temporary, sizeof temporary, "%s.tmp", full);
  cvy_err err = cvy_h5_begin(&file, full);
  CU_ASSERT_EQUAL_FATAL(err, CVY_OK);
  for (int i = 0; i < (2 << 20) / bytes && !err; i++) {
    char name[32];
    snprintf(name, sizeof name, "x%d", i);
    err = cvy_h5_write(file, name, CVY_H5_U8, values, 1, &bytes);
  }
  if (err)
    cvy_h5_rollback(file);
  else
    err = cvy_h5_commit(file);
  CU_ASSERT_EQUAL(err, CVY_E_SYSTEM);
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), full));
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "No space left on device"));
  CU_ASSERT_FALSE(scratch_exists(full) || scratch_exists(temporary));
  CU_ASSERT_EQUAL_FATAL(cvy_h5_begin(&file, full), CVY_OK);
  bytes = 100;
  CU_ASSERT_EQUAL(cvy_h5_write(file, "x", CVY_H5_U8, values, 1, &bytes), CVY_OK);
  CU_ASSERT_EQUAL(cvy_h5_commit(file), CVY_OK);
  unlink(full);
  free(values);
}

static void full_disk(void) {
  const char *disk = scratch_small_disk("full_disk");
  if (!disk) return;
  fill_disk(disk, 900);
  fill_disk(disk, 50000);
  fill_disk(disk, 300000);
  fill_disk(disk, 2 << 20);
}

/* This damages only HDF5's own structures: the data is small. Anything but a crash will do, and what is read
 * without an error from the attributes must be what was written. */
static void random_damage(void) {
  const int64_t count = 16;
  const uint8_t values[16] = {1, 2, 3};
  const char *const names[] = {"one", "two"};
  cvy_pool *pool = cvy_pool_create();
  cvy_h5 *file = create();
  CU_ASSERT_EQUAL(cvy_h5_write(file, "x", CVY_H5_U8, values, 1, &count), CVY_OK);
  CU_ASSERT_EQUAL(cvy_h5_write_texts(file, "names", names, 2), CVY_OK);
  CU_ASSERT_EQUAL(cvy_h5_write_attr_i64(file, "", "version", 1), CVY_OK);
  CU_ASSERT_EQUAL(cvy_h5_close(file), CVY_OK);
  size_t bytes;
  char *whole = scratch_read(path, &bytes);
  cvy_random random = {.seed = 1, .purpose = CVY_FOR_TEST};
  int noticed = 0;
  for (int i = 0; i < 2000; i++) {
    const size_t at = (size_t)cvy_random_next_below(&random, (int64_t)bytes);
    const char kept = whole[at];
    whole[at] = (char)(kept ^ (1 + cvy_random_next_below(&random, 255)));
    scratch_write(path, whole, bytes);
    whole[at] = kept;
    uint8_t back[16];
    char **texts;
    int64_t text_count, version = 1;
    if (cvy_h5_open(&file, path)) {
      noticed++;
      continue;
    }
    noticed += cvy_h5_read(file, "x", CVY_H5_U8, back, count) != CVY_OK ||
               cvy_h5_read_texts(file, "names", &texts, &text_count, pool) != CVY_OK ||
               cvy_h5_read_attr_i64(file, "", "version", &version) != CVY_OK;
    CU_ASSERT_EQUAL(version, 1);
    cvy_h5_discard(file);
  }
  CU_ASSERT(noticed > 200);
  free(whole);
  cvy_pool_destroy(pool);
}

SUITE("h5", TEST(round_trip_of_every_type), TEST(rows_shapes_and_offsets), TEST(texts_and_attributes),
      TEST(shapes_that_lie), TEST(what_is_there), TEST(foreign_files), TEST(truncated_at_any_length),
      TEST(whole_or_not_at_all), TEST(full_disk), TEST(random_damage))
