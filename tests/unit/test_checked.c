/* Tests checked values: what was written comes back, and every damaged byte of them is found. */
#define _GNU_SOURCE /* memmem */
#include "file/checked.h"

#include "scratch.h"
#include "suite.h"

#include <zlib.h>

static char path[512];

static cvy_h5 *create(void) {
  cvy_h5 *file;
  snprintf(path, sizeof path, "%s/checked.h5", scratch_folder());
  CU_ASSERT_EQUAL_FATAL(cvy_h5_begin(&file, path), CVY_OK);
  return file;
}

static cvy_h5 *reopen(cvy_h5 *written) {
  cvy_h5 *file;
  CU_ASSERT_EQUAL_FATAL(cvy_h5_commit(written), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_h5_open(&file, path), CVY_OK);
  return file;
}

/* Takes every length around the widths of vectors, at every place of a cache line. */
static void sums_are_those_of_zlib(void) {
  enum { MOST = 1100 };
  static uint8_t bytes[MOST + 64];
  const char *some[] = {"", "a", "\xd8\xb3"};
  bool same = true;
  for (int64_t i = 0; i < MOST + 64; i++) bytes[i] = (uint8_t)(i * i * 31 + i / 7);
  for (size_t length = 0; length < MOST; length++)
    for (size_t at = 0; at < 64; at += length % 13 + 1)
      same = same && cvy_checked_sum(bytes + at, length) == crc32_z(0, bytes + at, length);
  CU_ASSERT_TRUE(same);
  CU_ASSERT_EQUAL(cvy_checked_sum_of_texts(some, 3), crc32_z(0, (const Bytef *)"\0a\0\xd8\xb3", 6));
  CU_ASSERT_EQUAL(cvy_checked_sum("123456789", 9), 0xcbf43926u); /* the check value of CRC-32/ISO-HDLC */
}

/* These values are distinct from what else is in the file, so that a search finds their bytes. */
static const float numbers[2][3] = {{1.25f, -2.5f, 3.75f}, {1e-3f, 17.0f, -0.0f}};
static const int64_t dims[] = {2, 3};
static const char *const texts[] = {"first text of all", "", "\xd8\xb3\xd9\x87 second"};

static cvy_err write_both(cvy_h5 *file) {
  CVY_TRY(cvy_checked_write(file, "group/numbers", CVY_H5_F32, numbers, 2, dims));
  CVY_TRY(cvy_checked_write_list(file, "list", CVY_H5_F32, numbers, 6));
  return cvy_checked_write_texts(file, "texts", texts, 3);
}

static void round_trip(void) {
  cvy_h5 *file = create();
  CU_ASSERT_EQUAL(write_both(file), CVY_OK);
  file = reopen(file);
  float back[6] = {0};
  void *loaded;
  char **read;
  int64_t count, sum;
  cvy_pool *pool = cvy_pool_create();
  CU_ASSERT_EQUAL(cvy_checked_read(back, file, "group/numbers", CVY_H5_F32, 6), CVY_OK);
  CU_ASSERT_EQUAL(memcmp(back, numbers, sizeof numbers), 0);
  memset(back, 0, sizeof back);
  CU_ASSERT_EQUAL(cvy_checked_read_list(back, file, "list", CVY_H5_F32, 6), CVY_OK);
  CU_ASSERT_EQUAL(memcmp(back, numbers, sizeof numbers), 0);
  CU_ASSERT_EQUAL_FATAL(cvy_checked_load_list(&loaded, file, "list", CVY_H5_F32, 6), CVY_OK);
  CU_ASSERT_EQUAL(memcmp(loaded, numbers, sizeof numbers), 0);
  cvy_buffer_destroy(loaded);
  CU_ASSERT_EQUAL_FATAL(cvy_checked_read_texts(&read, &count, file, "texts", pool), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(count, 3);
  for (int i = 0; i < 3; i++) CU_ASSERT_STRING_EQUAL(read[i], texts[i]);
  CU_ASSERT_EQUAL(cvy_h5_read_attr_i64(file, "list", "checksum", &sum), CVY_OK);
  CU_ASSERT_EQUAL((uLong)sum, crc32_z(0, (const Bytef *)numbers, sizeof numbers));
  cvy_h5_discard(file);
  cvy_pool_destroy(pool);
}

static void wrong_shapes(void) {
  const float none[1] = {0};
  cvy_h5 *file = create();
  CU_ASSERT_EQUAL(write_both(file), CVY_OK);
  CU_ASSERT_EQUAL(cvy_checked_write_list(file, "empty", CVY_H5_F32, none, 0), CVY_OK);
  CU_ASSERT_EQUAL(cvy_h5_write(file, "bare", CVY_H5_F32, numbers, 2, dims), CVY_OK);
  file = reopen(file);
  float back[6];
  void *loaded;
  CU_ASSERT_EQUAL(cvy_checked_read_list(back, file, "list", CVY_H5_F32, 5), CVY_E_INPUT);
  CU_ASSERT(says("checked.h5: dataset 'list' must be a list of 5 numbers; its length differs"));
  CU_ASSERT_EQUAL(cvy_checked_load_list(&loaded, file, "group/numbers", CVY_H5_F32, 6), CVY_E_INPUT);
  CU_ASSERT(says("dataset 'group/numbers' must be a list of 6 numbers"));
  CU_ASSERT_PTR_NULL(loaded);
  CU_ASSERT_EQUAL(cvy_checked_read(back, file, "bare", CVY_H5_F32, 6), CVY_E_INPUT);
  CU_ASSERT(says("dataset 'bare': attribute 'checksum' is missing"));
  CU_ASSERT_EQUAL(cvy_checked_read(back, file, "nothing", CVY_H5_F32, 6), CVY_E_INPUT);
  CU_ASSERT_EQUAL(cvy_checked_read_list(back, file, "empty", CVY_H5_F32, 0), CVY_OK);
  cvy_h5_discard(file);
}

/* Reads all three again, and returns how many are said to be damaged; of damaged texts `of_texts` must be
 * said. */
static int damaged_values(const char *of_texts, cvy_pool *pool) {
  float back[6];
  char **read;
  int64_t count;
  cvy_h5 *file;
  CU_ASSERT_EQUAL_FATAL(cvy_h5_open(&file, path), CVY_OK);
  int damaged = 0;
  if (cvy_checked_read(back, file, "group/numbers", CVY_H5_F32, 6))
    damaged += says("checked.h5: dataset 'group/numbers': checksum ") && says("; the file is damaged");
  if (cvy_checked_read_list(back, file, "list", CVY_H5_F32, 6))
    damaged += says("checked.h5: dataset 'list': checksum ");
  if (cvy_checked_read_texts(&read, &count, file, "texts", pool)) damaged += says(of_texts);
  cvy_h5_discard(file);
  return damaged;
}

static const char wrong_sum[] = "checked.h5: dataset 'texts': checksum ";

/* Damages each bit of each byte of `value`, wherever it lies in the file. What is told of texts is `of_zero`
 * where the byte becomes zero, and else the checksum. */
static void damage_each_byte(char *whole, size_t bytes, const void *value, size_t count, const char *of_zero,
                             cvy_pool *pool) {
  char *at = memmem(whole, bytes, value, count);
  CU_ASSERT_PTR_NOT_NULL_FATAL(at);
  for (size_t i = 0; i < count; i++)
    for (int bit = 0; bit < 8; bit++) {
      at[i] = (char)(at[i] ^ 1 << bit);
      scratch_write(path, whole, bytes);
      CU_ASSERT_EQUAL(damaged_values(at[i] ? wrong_sum : of_zero, pool), 1);
      at[i] = (char)(at[i] ^ 1 << bit);
    }
}

/* The padding behind a text is not damaged. No flipped bit makes a zero of a text's last byte, which would
 * only shorten the text. */
static void damage_text(char *whole, size_t bytes, int index, cvy_pool *pool) {
  damage_each_byte(
      whole, bytes, texts[index], strlen(texts[index]),
      cvy_pool_format(pool, "checked.h5: dataset 'texts': text %d has a zero byte within", index), pool);
}

static void every_damaged_byte_is_found(void) {
  cvy_h5 *file = create();
  cvy_pool *pool = cvy_pool_create();
  CU_ASSERT_EQUAL(write_both(file), CVY_OK);
  cvy_h5_discard(reopen(file));
  size_t bytes;
  char *whole = scratch_read(path, &bytes);
  CU_ASSERT_EQUAL(damaged_values(wrong_sum, pool), 0);
  damage_each_byte(whole, bytes, numbers, sizeof numbers, wrong_sum, pool); /* the first of the two */
  damage_text(whole, bytes, 0, pool);
  damage_text(whole, bytes, 2, pool);
  free(whole);
  cvy_pool_destroy(pool);
}

SUITE("checked", TEST(sums_are_those_of_zlib), TEST(round_trip), TEST(wrong_shapes),
      TEST(every_damaged_byte_is_found))
