/* Tests protocol buffers: every kind of field, and whatever else bytes may be. */
#include "suite.h"
#include "protobufs.h"

#include "archive/protobuf.h"

static maker m;

static cvy_protobuf_field next(cvy_protobuf *message) {
  cvy_protobuf_field field = {0};
  CU_ASSERT(cvy_protobuf_next(&field, message));
  return field;
}

static void fields_are_read(void) {
  const double eighth = 0.125;
  m.count = 0;
  put_integer(&m, 1, 300);
  put_integer(&m, 2, -1);
  put_field(&m, 536870911, "text", 4);
  put_float(&m, 4, 1.5f);
  put_key(&m, 5, 1);
  put_bytes(&m, &eighth, 8);
  put_field(&m, 6, "", 0);
  cvy_protobuf message = cvy_protobuf_of(m.bytes, m.count);
  cvy_protobuf_field f = next(&message);
  int64_t value;
  CU_ASSERT(f.number == 1 && cvy_protobuf_integer(&value, &f) == CVY_OK && value == 300);
  CU_ASSERT(cvy_protobuf_bytes(&f) == CVY_E_INPUT &&
            says("field 1 is a whole number; expected text or bytes"));
  f = next(&message);
  CU_ASSERT(f.number == 2 && cvy_protobuf_integer(&value, &f) == CVY_OK && value == -1);
  f = next(&message);
  CU_ASSERT(f.number == 536870911 && cvy_protobuf_bytes(&f) == CVY_OK && f.count == 4 &&
            memcmp(f.bytes, "text", 4) == 0);
  CU_ASSERT(cvy_protobuf_integer(&value, &f) == CVY_E_INPUT);
  f = next(&message);
  float number;
  CU_ASSERT(cvy_protobuf_count(&value, &f, CVY_NUMBER_FLOAT) == CVY_OK && value == 1);
  cvy_protobuf_floats(&number, &f);
  CU_ASSERT_EQUAL(number, 1.5f);
  f = next(&message);
  double wide;
  CU_ASSERT(cvy_protobuf_count(&value, &f, CVY_NUMBER_DOUBLE) == CVY_OK && value == 1);
  cvy_protobuf_doubles(&wide, &f);
  CU_ASSERT_EQUAL(wide, 0.125);
  CU_ASSERT(cvy_protobuf_count(&value, &f, CVY_NUMBER_FLOAT) == CVY_E_INPUT &&
            says("field 5 is eight bytes; expected floats"));
  f = next(&message);
  CU_ASSERT(f.number == 6 && f.count == 0);
  CU_ASSERT_FALSE(cvy_protobuf_next(&f, &message));
  CU_ASSERT_EQUAL(cvy_protobuf_end(&message), CVY_OK);
}

static void repeated_numbers_are_packed_or_not(void) {
  static const int64_t integers[] = {0, 127, 128, -5, INT64_MAX};
  const float floats[] = {0.5f, -2, 1e30f};
  const double doubles[] = {0.1, -7};
  int64_t read[5], count;
  float read_floats[3];
  double read_doubles[2];
  static maker packed;
  packed.count = m.count = 0;
  for (int i = 0; i < 5; i++) put_varint(&packed, (uint64_t)integers[i]);
  put_field(&m, 1, packed.bytes, packed.count);
  put_field(&m, 2, floats, sizeof floats);
  put_field(&m, 3, doubles, sizeof doubles);
  put_integer(&m, 4, 9);
  put_field(&m, 5, "abc", 3);
  put_field(&m, 6, "\xff\xff", 2);
  put_field(&m, 7, "", 0);
  cvy_protobuf message = cvy_protobuf_of(m.bytes, m.count);
  cvy_protobuf_field f = next(&message);
  CU_ASSERT(cvy_protobuf_count(&count, &f, CVY_NUMBER_INTEGER) == CVY_OK && count == 5);
  cvy_protobuf_integers(read, &f);
  CU_ASSERT(memcmp(read, integers, sizeof integers) == 0);
  f = next(&message);
  CU_ASSERT(cvy_protobuf_count(&count, &f, CVY_NUMBER_FLOAT) == CVY_OK && count == 3);
  cvy_protobuf_floats(read_floats, &f);
  CU_ASSERT(memcmp(read_floats, floats, sizeof floats) == 0);
  f = next(&message);
  CU_ASSERT(cvy_protobuf_count(&count, &f, CVY_NUMBER_DOUBLE) == CVY_OK && count == 2);
  cvy_protobuf_doubles(read_doubles, &f);
  CU_ASSERT(memcmp(read_doubles, doubles, sizeof doubles) == 0);
  f = next(&message);
  CU_ASSERT(cvy_protobuf_count(&count, &f, CVY_NUMBER_INTEGER) == CVY_OK && count == 1);
  cvy_protobuf_integers(read, &f);
  CU_ASSERT_EQUAL(read[0], 9);
  f = next(&message);
  CU_ASSERT(cvy_protobuf_count(&count, &f, CVY_NUMBER_FLOAT) == CVY_E_INPUT &&
            says("3 bytes; floats have 4 each"));
  f = next(&message);
  CU_ASSERT(cvy_protobuf_count(&count, &f, CVY_NUMBER_INTEGER) == CVY_E_INPUT &&
            says("a number without an end"));
  f = next(&message);
  CU_ASSERT(cvy_protobuf_count(&count, &f, CVY_NUMBER_DOUBLE) == CVY_OK && count == 0);
}

/* Writes a message in a message, `depth` times. */
static void nest(int depth) {
  static maker inner;
  m.count = 0;
  put_integer(&m, 2, 77);
  for (int i = 0; i < depth; i++) {
    inner = m;
    m.count = 0;
    put_field(&m, 1, inner.bytes, inner.count);
  }
}

/* Returns how deep messages that lie in each other can be followed; -1 if what is read is wrong. */
static int follow(int depth) {
  nest(depth);
  cvy_protobuf message = cvy_protobuf_of(m.bytes, m.count);
  cvy_protobuf_field f;
  for (int i = 0; i <= depth; i++) {
    if (!cvy_protobuf_next(&f, &message)) return -1;
    if (i == depth) return f.number == 2 && f.value == 77 ? depth : -1;
    if (cvy_protobuf_message(&message, &f)) return i;
  }
  return -1;
}

static void messages_lie_in_each_other(void) {
  CU_ASSERT_EQUAL(follow(0), 0);
  CU_ASSERT_EQUAL(follow(1), 1);
  CU_ASSERT_EQUAL(follow(63), 63);
  CU_ASSERT_EQUAL(follow(64), 63);
  CU_ASSERT(says("more than 64 messages in each other"));
  CU_ASSERT_EQUAL(follow(500), 63);
}

static void groups_are_passed_over(void) {
  cvy_protobuf_field f;
  m.count = 0;
  put_key(&m, 3, 3);
  put_integer(&m, 1, 5);
  put_key(&m, 4, 3);
  put_field(&m, 1, "xyz", 3);
  put_key(&m, 4, 4);
  put_key(&m, 3, 4);
  put_integer(&m, 9, 6);
  cvy_protobuf message = cvy_protobuf_of(m.bytes, m.count);
  f = next(&message);
  CU_ASSERT(f.number == 9 && f.value == 6);
  for (size_t cut = 1; cut < 11; cut++) {
    message = cvy_protobuf_of(m.bytes, cut);
    CU_ASSERT_FALSE(cvy_protobuf_next(&f, &message));
    CU_ASSERT_EQUAL(cvy_protobuf_end(&message), CVY_E_INPUT);
  }
  m.count = 0;
  for (int i = 0; i < 1000; i++) put_key(&m, 1, 3);
  message = cvy_protobuf_of(m.bytes, m.count);
  CU_ASSERT(!cvy_protobuf_next(&f, &message) && cvy_protobuf_end(&message) == CVY_E_INPUT);
  CU_ASSERT(says("too many groups"));
}

static void expect_damaged(const char *bytes, size_t count, const char *what) {
  cvy_protobuf message = cvy_protobuf_of(bytes, count);
  cvy_protobuf_field f;
  while (cvy_protobuf_next(&f, &message)) continue;
  CU_ASSERT_EQUAL(cvy_protobuf_end(&message), CVY_E_INPUT);
  CU_ASSERT(says(what));
  CU_ASSERT_FALSE(cvy_protobuf_next(&f, &message));
}

static void damage_is_refused(void) {
  expect_damaged("\x08", 1, "byte 0: a number without an end");
  expect_damaged("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02", 11, "byte 0: a number without an end");
  expect_damaged("\x00\x01", 2, "byte 0: no field begins here");
  expect_damaged("\x08\x01\x0e\x01", 4, "byte 2: no field begins here");
  expect_damaged("\x08\x01\x0a\x05xyz", 7, "byte 2: a field that is longer than its message");
  expect_damaged("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, "longer than its message");
  expect_damaged("\x0d\x01\x02\x03", 4, "longer than its message");
  expect_damaged("\x09\x01\x02\x03", 4, "longer than its message");
  expect_damaged("\x0c", 1, "the end of a group that did not begin");
  expect_damaged("\x0b\x14", 2, "a group that ends as another");
  expect_damaged("\xff\xff\xff\xff\xff\x01\x00", 7, "no field begins here");
  cvy_protobuf message = cvy_protobuf_of(NULL, 0);
  cvy_protobuf_field f;
  CU_ASSERT(!cvy_protobuf_next(&f, &message) && cvy_protobuf_end(&message) == CVY_OK);
}

SUITE("protobuf", TEST(fields_are_read), TEST(repeated_numbers_are_packed_or_not),
      TEST(messages_lie_in_each_other), TEST(groups_are_passed_over), TEST(damage_is_refused))
