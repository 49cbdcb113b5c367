/* Tests pickles: instructions by hand, what Python writes in every protocol, arrays of NumPy, and damage. */
#include "suite.h"
#include "scratch.h"

#include "archive/pickle.h"

static cvy_pool *pool;
static size_t used;

static cvy_err read_bytes(cvy_pickle **out, const void *data, size_t count) {
  return cvy_pickle_read(out, &used, pool, data, count, "p");
}

#define READ(out, literal) read_bytes(out, literal, sizeof(literal) - 1)

static void expect_refused(const void *data, size_t count, const char *message) {
  cvy_pickle *value;
  CU_ASSERT_EQUAL(read_bytes(&value, data, count), CVY_E_INPUT);
  CU_ASSERT_PTR_NULL(value);
  CU_ASSERT(says(message));
}

#define REFUSED(literal, message) expect_refused(literal, sizeof(literal) - 1, message)

/* ---- by hand ---- */

static int64_t whole(const char *data, size_t count) {
  cvy_pickle *value;
  CU_ASSERT_EQUAL_FATAL(read_bytes(&value, data, count), CVY_OK);
  CU_ASSERT(value->type == CVY_PICKLE_INT || value->type == CVY_PICKLE_BOOL);
  return value->whole;
}

#define WHOLE(literal) whole(literal, sizeof(literal) - 1)

static void numbers(void) {
  cvy_pickle *value;
  pool = cvy_pool_create();
  CU_ASSERT_EQUAL(WHOLE("K\xff."), 255);
  CU_ASSERT_EQUAL(WHOLE("M\x10'."), 10000);
  CU_ASSERT_EQUAL(WHOLE("J\xff\xff\xff\xff."), -1);
  CU_ASSERT_EQUAL(WHOLE("I-12\n."), -12);
  CU_ASSERT_EQUAL(WHOLE("L123456789012L\n."), 123456789012);
  CU_ASSERT_EQUAL(WHOLE("I01\n."), 1);
  CU_ASSERT_EQUAL(WHOLE("\x80\x02\x88."), 1);
  CU_ASSERT_EQUAL(WHOLE("\x8a\x00."), 0);
  CU_ASSERT_EQUAL(WHOLE("\x8a\x02\x00\xff."), -256);
  CU_ASSERT_EQUAL(WHOLE("\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f."), INT64_MAX);
  CU_ASSERT_EQUAL_FATAL(READ(&value, "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."), CVY_OK);
  CU_ASSERT(value->type == CVY_PICKLE_INT && value->whole == 0 && value->byte_count == 10);
  CU_ASSERT_EQUAL_FATAL(READ(&value, "G?\xf8\0\0\0\0\0\0."), CVY_OK);
  CU_ASSERT(value->type == CVY_PICKLE_FLOAT && value->number == 1.5);
  CU_ASSERT_EQUAL_FATAL(READ(&value, "F2.25\n.more"), CVY_OK);
  CU_ASSERT(value->number == 2.25 && used == 7);
  REFUSED("Ix\n.", "p: byte 0: a line that is no whole number");
  REFUSED("I1", "truncated: a line that does not end");
  REFUSED("J\1\2\3", "p: byte 0: truncated");
  cvy_pool_destroy(pool);
}

static void texts(void) {
  cvy_pickle *value;
  pool = cvy_pool_create();
  CU_ASSERT_EQUAL_FATAL(READ(&value, "U\3a\0b."), CVY_OK);
  CU_ASSERT(value->type == CVY_PICKLE_BYTES && value->byte_count == 3 &&
            memcmp(value->bytes, "a\0b", 3) == 0);
  CU_ASSERT_EQUAL_FATAL(READ(&value, "S'a\\x41\\n\\\\\\''\np0\n."), CVY_OK);
  CU_ASSERT(cvy_pickle_is(value, "aA\n\\'"));
  CU_ASSERT_EQUAL_FATAL(READ(&value, "V\xe4\\u0633\\U0001f600x\n."), CVY_OK);
  CU_ASSERT(value->type == CVY_PICKLE_TEXT && cvy_pickle_is(value, "\xc3\xa4\xd8\xb3\xf0\x9f\x98\x80x"));
  CU_ASSERT_EQUAL_FATAL(READ(&value, "\x8c\2ab."), CVY_OK);
  CU_ASSERT(value->type == CVY_PICKLE_TEXT && cvy_pickle_is(value, "ab") && !cvy_pickle_is(value, "abc"));
  CU_ASSERT_EQUAL_FATAL(READ(&value, "c_codecs\nencode\n(X\3\0\0\0a\xc3\xbfX\6\0\0\0latin1tR."), CVY_OK);
  CU_ASSERT(value->type == CVY_PICKLE_BYTES && cvy_pickle_is(value, "a\xff"));
  CU_ASSERT_EQUAL_FATAL(READ(&value, "c__builtin__\nbytes\n)R."), CVY_OK);
  CU_ASSERT(value->type == CVY_PICKLE_BYTES && value->byte_count == 0);
  REFUSED("c_codecs\nencode\n(X\2\0\0\0\xd8\xb3X\6\0\0\0latin1tR.", "letters that are no bytes");
  REFUSED("S'a\n.", "a string without its quotes");
  REFUSED("S'\\q'\n.", "a string with an unknown \\");
  REFUSED("V\\uzzzz\n.", "\\u that is no letter");
  REFUSED("\x8d\xff\xff\xff\xff\xff\xff\xff\xff.", "truncated");
  cvy_pool_destroy(pool);
}

static void containers_and_objects(void) {
  cvy_pickle *value;
  pool = cvy_pool_create();
  CU_ASSERT_EQUAL_FATAL(READ(&value, "(dp0\nS'a'\np1\n(lp2\nI1\naI2\nasS'b'\ng2\ns."), CVY_OK);
  const cvy_pickle *a = cvy_pickle_get(value, "a");
  CU_ASSERT_PTR_NOT_NULL_FATAL(a);
  CU_ASSERT(a->type == CVY_PICKLE_LIST && a->count == 2 && a->items[1]->whole == 2);
  CU_ASSERT_PTR_EQUAL(cvy_pickle_get(value, "b"), a);
  CU_ASSERT_PTR_NULL(cvy_pickle_get(value, "c"));
  CU_ASSERT_PTR_NULL(cvy_pickle_get(a, "a"));
  CU_ASSERT_EQUAL_FATAL(READ(&value, "cos\nsystem\n(S'rm -rf /'\ntR."), CVY_OK);
  CU_ASSERT(value->type == CVY_PICKLE_CALL && cvy_pickle_is(value->called, "os system"));
  CU_ASSERT(value->arguments->count == 1 && cvy_pickle_is(value->arguments->items[0], "rm -rf /"));
  CU_ASSERT_EQUAL_FATAL(READ(&value, "(K\1K\2ios\nsystem\n}b."), CVY_OK);
  CU_ASSERT(cvy_pickle_is(value->called, "os system") && value->arguments->count == 2 &&
            value->state->type == CVY_PICKLE_DICT);
  CU_ASSERT_EQUAL_FATAL(READ(&value, "(cA\nB\nK\7o."), CVY_OK);
  CU_ASSERT(cvy_pickle_is(value->called, "A B") && value->arguments->items[0]->whole == 7);
  CU_ASSERT_EQUAL_FATAL(READ(&value, "cA\nB\n)R(U\1kK\5u."), CVY_OK);
  CU_ASSERT_EQUAL(cvy_pickle_get(value, "k")->whole, 5);
  CU_ASSERT_EQUAL_FATAL(READ(&value, "(U\7storageK\3tQ."), CVY_OK);
  CU_ASSERT(value->type == CVY_PICKLE_OUTSIDE && value->arguments->count == 2);
  CU_ASSERT_EQUAL_FATAL(READ(&value, "]q\0h\0a."), CVY_OK); /* a list in itself */
  CU_ASSERT_PTR_EQUAL(value->items[0], value);
  cvy_pool_destroy(pool);
}

static void refuses(void) {
  pool = cvy_pool_create();
  expect_refused("", 0, "truncated: a pickle that does not end");
  REFUSED("K\1", "p: byte 2: truncated: a pickle that does not end");
  REFUSED(".", "a value is missing on the stack");
  REFUSED("\xff", "no pickle: 0xff is no instruction");
  REFUSED("\0", "no pickle: 0x00 is no instruction");
  REFUSED("\x80\6.", "a protocol above 5");
  REFUSED("K\1t.", "a mark is missing");
  REFUSED("(a.", "a value is missing");
  REFUSED("K\1K\2a.", "an item for what is no list");
  REFUSED("]K\1K\2s.", "a key and its value for what is no dict");
  REFUSED("(K\1d.", "a key that has no value");
  REFUSED("h\0.", "a value from the memo that was never put there");
  REFUSED("K\1r\xff\xff\xff\xff.", "a memo that leaves numbers out");
  REFUSED("K\1K\2R.", "arguments are no tuple");
  REFUSED("K\1}b.", "a state for what is no object");
  REFUSED("\x97.", "data beside the pickle");
  cvy_pool_destroy(pool);
}

/* ---- what Python writes ---- */

static const char script[] =
    "import collections, numpy, pickle, sys\n"
    "a = numpy.arange(6, dtype='u1').reshape(2, 3)\n"
    "o = collections.OrderedDict(x=1)\n"
    "v = {'ints': [0, 1, 255, 256, 65536, -5, 1 << 40, -(1 << 62)],\n"
    "     'rest': (True, None, 1.5, 't\\u00e9\\u0633'),\n"
    "     'bytes': bytes(range(256)), 'many': list(range(1100)), 'set': {7}, 'ordered': o,\n"
    "     'u1': a, 'f8': a.astype('>f8'), 'i4': numpy.asfortranarray(a.astype('<i4')), 'same': a}\n"
    "for p in range(6): open(sys.argv[1] + str(p), 'wb').write(pickle.dumps(v, p))\n";

/* Returns a number of one, four or eight bytes from the array, which is as NumPy stored it. */
static double number_at(const cvy_pickle_array *a, int64_t index) {
  uint8_t bytes[8] = {0};
  for (int64_t i = 0; i < a->item_size; i++)
    bytes[i] = a->data[index * a->item_size + (a->big_endian ? a->item_size - 1 - i : i)];
  int32_t whole_number;
  double number;
  memcpy(&whole_number, bytes, sizeof whole_number);
  memcpy(&number, bytes, sizeof number);
  return a->kind == 'f' ? number : whole_number;
}

/* Checks an array of 2 x 3 numbers, which are 0 to 5 row by row. */
static void check_array(const cvy_pickle *value, char kind, int64_t item_size, bool big_endian,
                        bool fortran) {
  cvy_pickle_array array;
  CU_ASSERT_PTR_NOT_NULL_FATAL(value);
  const cvy_err err = cvy_pickle_to_array(&array, value, "p");
  if (err) printf("  %s\n", cvy_err_message());
  CU_ASSERT_EQUAL_FATAL(err, CVY_OK);
  CU_ASSERT(array.kind == kind && array.item_size == item_size && array.big_endian == big_endian);
  CU_ASSERT(array.rank == 2 && array.dims[0] == 2 && array.dims[1] == 3 && array.fortran == fortran);
  CU_ASSERT_EQUAL_FATAL(array.byte_count, (size_t)(6 * item_size));
  for (int i = 0; i < 6; i++) CU_ASSERT_EQUAL(number_at(&array, fortran ? i % 3 * 2 + i / 3 : i), i);
}

static void check_values(const cvy_pickle *v) {
  static const int64_t expected[] = {0, 1, 255, 256, 65536, -5, (int64_t)1 << 40, -((int64_t)1 << 62)};
  const cvy_pickle *ints = cvy_pickle_get(v, "ints"), *rest = cvy_pickle_get(v, "rest"),
                   *bytes = cvy_pickle_get(v, "bytes"), *many = cvy_pickle_get(v, "many");
  CU_ASSERT_FATAL(ints && rest && bytes && many && ints->count == 8 && rest->count == 4 &&
                  many->count == 1100);
  for (int i = 0; i < 8; i++) CU_ASSERT_EQUAL(ints->items[i]->whole, expected[i]);
  CU_ASSERT(rest->type == CVY_PICKLE_TUPLE && rest->items[0]->type == CVY_PICKLE_BOOL &&
            rest->items[0]->whole == 1 && rest->items[1]->type == CVY_PICKLE_NONE &&
            rest->items[2]->number == 1.5 && cvy_pickle_is(rest->items[3], "t\xc3\xa9\xd8\xb3"));
  CU_ASSERT_FATAL(bytes->type == CVY_PICKLE_BYTES && bytes->byte_count == 256);
  for (int i = 0; i < 256; i++) CU_ASSERT_EQUAL(bytes->bytes[i], i);
  for (int i = 0; i < 1100; i++) CU_ASSERT_EQUAL(many->items[i]->whole, i);
  const cvy_pickle *ordered = cvy_pickle_get(v, "ordered");
  CU_ASSERT(ordered->type == CVY_PICKLE_CALL && cvy_pickle_is(ordered->called, "collections OrderedDict"));
  check_array(cvy_pickle_get(v, "u1"), 'u', 1, false, false);
  check_array(cvy_pickle_get(v, "same"), 'u', 1, false, false);
  check_array(cvy_pickle_get(v, "f8"), 'f', 8, true, false);
  check_array(cvy_pickle_get(v, "i4"), 'i', 4, false, true);
}

/* Cut or changed bytes are an error or do no harm. */
static void damage(uint8_t *data, size_t count) {
  cvy_pickle *value;
  cvy_pickle_array array;
  for (size_t k = 0; k < count; k += 23)
    for (int way = 0; way < 3; way++) {
      cvy_pool *before = pool;
      pool = cvy_pool_create();
      const uint8_t flip = way == 1 ? 1 : way == 2 ? 0x50 : 0;
      data[k] ^= flip;
      const cvy_err err = read_bytes(&value, data, way == 0 ? k : count);
      CU_ASSERT(way == 0 ? err == CVY_E_INPUT : err == CVY_OK || err == CVY_E_INPUT);
      const cvy_pickle *u1 = err ? NULL : cvy_pickle_get(value, "u1");
      if (u1 && !cvy_pickle_to_array(&array, u1, "p")) CU_ASSERT(array.data || array.byte_count == 0);
      data[k] ^= flip;
      cvy_pool_destroy(pool);
      pool = before;
    }
}

static void python_writes_it(void) {
  char path[400], command[4000];
  if (!scratch_python_has("numpy", "python_writes_it")) return;
  snprintf(path, sizeof path, "%s/make.py", scratch_folder());
  scratch_write(path, script, sizeof script - 1);
  snprintf(command, sizeof command, "/usr/bin/python3 %s %s/protocol", path, scratch_folder());
  CU_ASSERT_EQUAL_FATAL(system(command), 0);
  for (int protocol = 0; protocol < 6; protocol++) {
    size_t count;
    cvy_pickle *value;
    snprintf(path, sizeof path, "%s/protocol%d", scratch_folder(), protocol);
    char *data = scratch_read(path, &count);
    pool = cvy_pool_create();
    const cvy_err err = read_bytes(&value, data, count);
    if (err) printf("  protocol %d: %s\n", protocol, cvy_err_message());
    CU_ASSERT_EQUAL_FATAL(err, CVY_OK);
    CU_ASSERT_EQUAL(used, count);
    check_values(value);
    damage((uint8_t *)data, count);
    cvy_pool_destroy(pool);
    free(data);
  }
}

/* ---- arrays ---- */

#define ARRAY(type, shape, bytes)                                                                            \
  "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\0tU\1btR(K\1" shape "cnumpy\ndtype\n(U\2" type \
  "K\0K\1tR(K\3U\1|NNNK\0K\0K\0tb\x89" bytes "tb."

static void arrays(void) {
  cvy_pickle *value;
  cvy_pickle_array array;
  static const struct {
    const char *data;
    size_t count;
    const char *message;
  } bad[] = {
#define BAD(literal, message) {literal, sizeof(literal) - 1, message}
      BAD(ARRAY("u1", "K\2\x85", "U\3abc"), "an array with 3 bytes; its shape needs 2"),
      BAD(ARRAY("O8", "K\3\x85", "U\3abc"), "neither whole numbers nor floats"),
      BAD(ARRAY("u1", "K\3", "U\3abc"), "its shape is none"),
      BAD(ARRAY("u1", "J\xff\xff\xff\xff\x85", "U\3abc"), "its shape is none"),
      BAD(ARRAY("u1", "K\3\x85", "K\3"), "its content is no bytes"),
      BAD("K\1.", "something else stands in its place"),
      BAD("cnumpy.core.multiarray\n_reconstruct\n)R.", "its state is none"),
      BAD(ARRAY("u8", "(L4611686018427387904L\nK\4t", "U\0"), "its shape is none"),
  };
  pool = cvy_pool_create();
  CU_ASSERT_EQUAL_FATAL(READ(&value, ARRAY("u1", "K\3\x85", "U\3abc")), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_pickle_to_array(&array, value, "p"), CVY_OK);
  CU_ASSERT(array.rank == 1 && array.dims[0] == 3 && array.data[2] == 'c' && !array.fortran);
  for (int64_t i = 0; i < CVY_COUNT(bad); i++) {
    CU_ASSERT_EQUAL_FATAL(read_bytes(&value, bad[i].data, bad[i].count), CVY_OK);
    CU_ASSERT_EQUAL(cvy_pickle_to_array(&array, value, "p"), CVY_E_INPUT);
    CU_ASSERT(says(bad[i].message));
  }
  cvy_pool_destroy(pool);
}

SUITE("pickle", TEST(numbers), TEST(texts), TEST(containers_and_objects), TEST(refuses),
      TEST(python_writes_it), TEST(arrays))
