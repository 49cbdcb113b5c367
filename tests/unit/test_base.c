/* Tests the ground floor: errors, random numbers, YAML, option tables, JSON, CSV, hashes. */
#define _GNU_SOURCE /* mincore */
#include "suite.h"

#include "base/csv.h"
#include "base/json.h"
#include "base/options.h"
#include "base/utf8.h"

#include <math.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- errors ---- */

static cvy_err failing(void) {
  return cvy_error(CVY_E_INPUT, "the %s is wrong", "file");
}

static cvy_err passing_on(void) {
  CVY_TRY_IN(failing(), "record %d", 7);
  return CVY_OK;
}

static void errors_carry_their_place(void) {
  CU_ASSERT_EQUAL(passing_on(), CVY_E_INPUT);
  CU_ASSERT_STRING_EQUAL(cvy_err_message(), "record 7: the file is wrong");
  CU_ASSERT_EQUAL(cvy_error(CVY_E_SYSTEM, "again: %s", cvy_err_message()), CVY_E_SYSTEM);
  CU_ASSERT_STRING_EQUAL(cvy_err_message(), "again: record 7: the file is wrong");
  CU_ASSERT_EQUAL(cvy_err_exit_code(CVY_OK), 0);
  CU_ASSERT_EQUAL(cvy_err_exit_code(CVY_E_USAGE), 2);
  CU_ASSERT_EQUAL(cvy_err_exit_code(CVY_E_INPUT), 2);
  CU_ASSERT_EQUAL(cvy_err_exit_code(CVY_E_SYSTEM), 1);
  CU_ASSERT_EQUAL(cvy_err_exit_code(CVY_E_RUN), 1);
  CU_ASSERT_EQUAL(cvy_err_exit_code(CVY_E_STOPPED), 75);
}

/* ---- memory ---- */

static void pools_and_buffers(void) {
  cvy_pool *pool = cvy_pool_create();
  char *texts[3000];
  for (int i = 0; i < 3000; i++) texts[i] = cvy_pool_format(pool, "text %d %*s", i, i, "");
  char *large = cvy_pool_new(pool, 1 << 20);
  bool zero = true;
  for (int i = 0; i < 1 << 20; i++) zero = zero && large[i] == 0;
  CU_ASSERT(zero);
  for (int i = 0; i < 3000; i += 37) {
    char expected[32];
    snprintf(expected, sizeof expected, "text %d ", i);
    CU_ASSERT(strncmp(texts[i], expected, strlen(expected)) == 0);
    CU_ASSERT_EQUAL((uintptr_t)texts[i] % 16, 0);
  }
  cvy_pool_destroy(pool);

  void *buffer;
  CU_ASSERT_EQUAL(cvy_buffer_create(&buffer, 1000, "a test"), CVY_OK);
  CU_ASSERT_EQUAL((uintptr_t)buffer % 64, 0);
  memset(buffer, 1, 1000);
  cvy_buffer_destroy(buffer);
  CU_ASSERT_EQUAL(cvy_buffer_create(&buffer, (size_t)1 << 60, "the moon"), CVY_E_SYSTEM);
  CU_ASSERT_PTR_NULL(buffer);
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "the moon"));
  CU_ASSERT_EQUAL(cvy_buffer_create(&buffer, SIZE_MAX - 100, "more than can be counted"), CVY_E_SYSTEM);
}

static int64_t resident_pages(void *buffer, size_t bytes, size_t page) {
  static unsigned char resident[1 << 16];
  int64_t count = 0;
  CU_ASSERT_FATAL(bytes / page <= sizeof resident);
  CU_ASSERT_EQUAL_FATAL(mincore(buffer, bytes, resident), 0);
  for (size_t i = 0; i < bytes / page; i++) count += resident[i] & 1;
  return count;
}

static void sparse_buffers_take_what_is_touched(void) {
  const size_t bytes = 64 << 20, step = 1 << 20, page = (size_t)sysconf(_SC_PAGESIZE);
  void *buffer;
  CU_ASSERT_EQUAL_FATAL(cvy_buffer_create_sparse(&buffer, bytes, "a test"), CVY_OK);
  for (size_t at = 0; at < bytes; at += step) ((volatile char *)buffer)[at] = 1;
  CU_ASSERT_EQUAL(resident_pages(buffer, bytes, page), (int64_t)(bytes / step));
  cvy_buffer_destroy(buffer);
}

/* ---- random numbers ---- */

static void random_numbers_are_philox(void) {
  /* This is the published test vector of Philox4x32-10, whose counter and key are all ones. */
  const cvy_random where = {.seed = UINT64_MAX,
                            .purpose = (cvy_purpose)0xff,
                            .layer = 0xffffff,
                            .step = UINT32_MAX,
                            .sample = UINT32_MAX};
  uint32_t words[4];
  cvy_random_block(words, &where, UINT32_MAX);
  CU_ASSERT_EQUAL(words[0], 0x408f276d);
  CU_ASSERT_EQUAL(words[1], 0x41c83b0e);
  CU_ASSERT_EQUAL(words[2], 0xa20bc7c6);
  CU_ASSERT_EQUAL(words[3], 0x6d5451fd);
}

static void random_draws_have_their_moments(void) {
  enum { DRAWS = 100000 };
  cvy_random where = {.seed = 5, .purpose = CVY_FOR_TEST};
  double uniform = 0, gaussian = 0, square = 0;
  int64_t below[7] = {0};
  for (int i = 0; i < DRAWS; i++) {
    const double u = cvy_random_next_uniform(&where, -1, 3), g = cvy_random_next_gaussian(&where);
    CU_ASSERT_FATAL(u >= -1 && u < 3);
    uniform += u;
    gaussian += g;
    square += g * g;
    below[cvy_random_next_below(&where, 7)]++;
  }
  CU_ASSERT_DOUBLE_EQUAL(uniform / DRAWS, 1.0, 0.02);
  CU_ASSERT_DOUBLE_EQUAL(gaussian / DRAWS, 0.0, 0.02);
  CU_ASSERT_DOUBLE_EQUAL(square / DRAWS, 1.0, 0.02);
  for (int i = 0; i < 7; i++) CU_ASSERT_DOUBLE_EQUAL((double)below[i] / DRAWS, 1.0 / 7, 0.005);
}

static void permutations_are_permutations(void) {
  const int64_t counts[] = {1, 2, 3, 4, 5, 16, 17, 100, 1000, 4096, 4097, 60000};
  for (int64_t c = 0; c < CVY_COUNT(counts); c++) {
    const int64_t count = counts[c];
    char *seen = calloc((size_t)count, 1);
    const cvy_random where = {.seed = 1, .purpose = CVY_FOR_SHUFFLE, .layer = 3};
    for (int64_t i = 0; i < count; i++) {
      const int64_t image = cvy_random_permute(&where, i, count);
      CU_ASSERT_FATAL(image >= 0 && image < count && !seen[image]);
      seen[image] = 1;
    }
    free(seen);
  }
}

/* Where an image lands, and what follows it, should look random; and two epochs should not look alike. */
static void permutations_mix(void) {
  enum { COUNT = 5000 };
  cvy_random first = {.seed = 1, .purpose = CVY_FOR_SHUFFLE, .layer = 0}, second = first;
  second.layer = 1;
  int fixed = 0, same = 0, followers = 0;
  double correlation = 0;
  for (int64_t i = 0; i < COUNT; i++) {
    const int64_t a = cvy_random_permute(&first, i, COUNT), b = cvy_random_permute(&second, i, COUNT);
    fixed += a == i;
    same += a == b;
    if (i > 0) followers += llabs(a - cvy_random_permute(&first, i - 1, COUNT)) == 1;
    correlation += ((double)a / COUNT - 0.5) * ((double)i / COUNT - 0.5) * 12 / COUNT;
  }
  CU_ASSERT(fixed < 10); /* each of the three is Poisson with mean 1 or 2 */
  CU_ASSERT(same < 10);
  CU_ASSERT(followers < 14);
  CU_ASSERT_DOUBLE_EQUAL(correlation, 0, 0.06); /* deviation 1 / sqrt(5000) = 0.014 */
}

/* ---- threads ---- */

static void mark(const void *context, int64_t index, int thread) {
  int *const *marks = context;
  CVY_CHECK(thread >= 0 && thread < cvy_threads());
  (*marks)[index]++;
}

static void every_task_runs_once(void) {
  for (int threads = 1; threads <= 3; threads++) {
    int marks[100] = {0}, *at = marks;
    cvy_threads_set(threads);
    cvy_parallel(100, mark, &at);
    for (int i = 0; i < 100; i++) CU_ASSERT_EQUAL(marks[i], 1);
  }
  cvy_threads_set(1);
}

/* ---- YAML ---- */

static const char *error_of(const char *text) {
  cvy_pool *pool = cvy_pool_create();
  cvy_yaml *root;
  static char message[4096];
  const cvy_err err = cvy_yaml_parse(&root, pool, text, "f.yaml");
  snprintf(message, sizeof message, "%s", err ? cvy_err_message() : "no error");
  CU_ASSERT((err == CVY_OK) == (root != NULL));
  cvy_pool_destroy(pool);
  return message;
}

static void yaml_remembers_places(void) {
  cvy_pool *pool = cvy_pool_create();
  cvy_yaml *root;
  CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&root, pool, "# hi\na: 1\nb:\n  - x\n  - {c: 'q'}\n", "f.yaml"),
                        CVY_OK);
  const cvy_yaml *b = cvy_yaml_get(root, "b");
  CU_ASSERT_EQUAL(b->count, 2);
  const cvy_yaml *c = cvy_yaml_get(b->items[1], "c");
  CU_ASSERT_EQUAL(c->line, 5);
  CU_ASSERT_EQUAL(c->column, 9);
  CU_ASSERT(!c->plain);
  CU_ASSERT_PTR_NULL(cvy_yaml_get(root, "nothing"));
  char *text = cvy_yaml_text(root);
  cvy_yaml *again;
  CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&again, pool, text, "again"), CVY_OK);
  char *text_again = cvy_yaml_text(again);
  CU_ASSERT_STRING_EQUAL(text, text_again);
  free(text);
  free(text_again);
  cvy_pool_destroy(pool);
}

static void yaml_errors_point(void) {
  CU_ASSERT_PTR_NOT_NULL(strstr(error_of("a: 1\na: 2\n"), "f.yaml:2:1: the key 'a' stands here twice"));
  CU_ASSERT_PTR_NOT_NULL(strstr(error_of("a: [1, 2\nb: 3\n"), "f.yaml:2:"));
  CU_ASSERT_PTR_NOT_NULL(strstr(error_of("a: &x 1\nb: *x\n"), "f.yaml:1:4: anchors"));
  CU_ASSERT_PTR_NOT_NULL(strstr(error_of("b: *x\n"), "aliases"));
  CU_ASSERT_PTR_NOT_NULL(strstr(error_of(""), "f.yaml: empty"));
  CU_ASSERT_PTR_NOT_NULL(strstr(error_of("a: 1\n---\nb: 2\n"), "f.yaml:2: a second document"));
  CU_ASSERT_PTR_NOT_NULL(strstr(error_of("? [1]\n: 2\n"), "a key must be a word"));
  CU_ASSERT_PTR_NOT_NULL(strstr(error_of("\x01\x02"), "f.yaml: not YAML"));
  char deep[400];
  memset(deep, '[', 399);
  deep[399] = '\0';
  CU_ASSERT_PTR_NOT_NULL(strstr(error_of(deep), "levels deep"));
}

/* Truncations and flipped bytes of a real recipe end in a tree or an error. */
static void yaml_survives_damage(void) {
  const char *whole =
      "network: lenet5\ndata: {train: 'a b', val: \"c\\n\"}\nlist:\n  - x: [1, 2]\n  - |\n    text\n# end\n";
  const size_t length = strlen(whole);
  cvy_random where = {.seed = 3, .purpose = CVY_FOR_TEST};
  for (int round = 0; round < 3000; round++) {
    char text[256];
    snprintf(text, sizeof text, "%s", whole);
    if (round % 2) text[cvy_random_next_below(&where, (int64_t)length)] = '\0';
    text[cvy_random_next_below(&where, (int64_t)length)] = (char)cvy_random_next(&where);
    error_of(text);
  }
}

/* A path may hold any bytes, and what is written of it is UTF-8 that reads back as these bytes. */
static void any_bytes_are_a_text_on_the_command_line(void) {
  static const char *const texts[] = {
      "lat\xe9/num.h5",   "[\xff",        "a\\xE9\xe9",         "c\x01trl", "\xc2\x80",
      "\xef\xbb\xbfmark", "\xef\xbf\xbe", "\xf0\x90\x80\x80: x"};
  for (int i = 0; i < CVY_COUNT(texts); i++) {
    cvy_pool *pool = cvy_pool_create();
    cvy_yaml *root = cvy_yaml_new_mapping(pool, "f"), *again;
    const bool is_yaml = i == CVY_COUNT(texts) - 1;
    const cvy_err err = cvy_yaml_override(root, pool, cvy_pool_format(pool, "a.b=%s", texts[i]));
    CU_ASSERT_EQUAL_FATAL(err, CVY_OK);
    const cvy_yaml *b = cvy_yaml_get(cvy_yaml_get(root, "a"), "b");
    CU_ASSERT_EQUAL(b->kind, is_yaml ? CVY_YAML_MAPPING : CVY_YAML_SCALAR);
    if (!is_yaml) CU_ASSERT_STRING_EQUAL(b->text, texts[i]);
    char *text = cvy_yaml_text(root);
    CU_ASSERT(cvy_utf8_valid(text));
    CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&again, pool, text, "again"), CVY_OK);
    if (!is_yaml) CU_ASSERT_STRING_EQUAL(cvy_yaml_get(cvy_yaml_get(again, "a"), "b")->text, texts[i]);
    free(text);
    cvy_pool_destroy(pool);
  }
}

static void overrides_reach_nested_keys(void) {
  cvy_pool *pool = cvy_pool_create();
  cvy_yaml *root;
  CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&root, pool, "a: 1\nb: {c: 2}\n", "f"), CVY_OK);
  CU_ASSERT_EQUAL(cvy_yaml_override(root, pool, "b.c=5"), CVY_OK);
  CU_ASSERT_EQUAL(cvy_yaml_override(root, pool, "b.d.e=[1, 2]"), CVY_OK);
  CU_ASSERT_EQUAL(cvy_yaml_override(root, pool, "a="), CVY_OK);
  CU_ASSERT_STRING_EQUAL(cvy_yaml_get(cvy_yaml_get(root, "b"), "c")->text, "5");
  CU_ASSERT_EQUAL(cvy_yaml_get(cvy_yaml_get(cvy_yaml_get(root, "b"), "d"), "e")->count, 2);
  CU_ASSERT_STRING_EQUAL(cvy_yaml_get(root, "a")->text, "");
  CU_ASSERT_EQUAL(cvy_yaml_override(root, pool, "s=sgd"), CVY_OK);
  CU_ASSERT_EQUAL(cvy_yaml_override(root, pool, "s.sgd.momentum=0.5"), CVY_OK);
  CU_ASSERT_STRING_EQUAL(cvy_yaml_get(cvy_yaml_get(cvy_yaml_get(root, "s"), "sgd"), "momentum")->text, "0.5");
  CU_ASSERT_EQUAL(cvy_yaml_override(root, pool, "t=sgd"), CVY_OK);
  CU_ASSERT_EQUAL(cvy_yaml_override(root, pool, "t.sg.momentum=0.5"), CVY_E_USAGE);
  CU_ASSERT_EQUAL(cvy_yaml_override(root, pool, "novalue"), CVY_E_USAGE);
  CU_ASSERT_EQUAL(cvy_yaml_override(root, pool, "=3"), CVY_E_USAGE);
  CU_ASSERT_EQUAL(cvy_yaml_override(root, pool, "b.c.d=3"), CVY_E_USAGE);
  CU_ASSERT_EQUAL(cvy_yaml_override(root, pool, "b.\xae=3"),
                  CVY_E_USAGE); /* this is no UTF-8 and could not be written */
  CU_ASSERT_NOT_EQUAL(cvy_yaml_override(root, pool, "a=[1"), CVY_OK);
  cvy_pool_destroy(pool);
}

/* ---- options ---- */

typedef struct inner {
  double x;
} inner;

typedef struct outer {
  int64_t count, pair[2], padding[2];
  double rate;
  bool flag;
  const char *text;
  int choice;
  cvy_ints list;
  cvy_floats floats;
  inner inner;
  const cvy_yaml *node;
} outer;

static const char *const fruits[] = {"apple", "pear", NULL};
static const char *const paddings[] = {"same", "valid", NULL};
static const cvy_option inner_table[] = {{"x", CVY_FLOAT, offsetof(inner, x), "1.5", 0, 10, .help = "x"},
                                         {0}};
static const cvy_option table[] = {
    {"count", CVY_INT, offsetof(outer, count), NULL, 1, 100, .help = "how many"},
    {"rate", CVY_FLOAT, offsetof(outer, rate), "0.1", 0, 1, .help = "how fast"},
    {"flag", CVY_BOOL, offsetof(outer, flag), "false", .help = "whether"},
    {"text", CVY_STRING, offsetof(outer, text), "hello", .help = "what"},
    {"choice", CVY_CHOICE, offsetof(outer, choice), "pear", .words = fruits, .help = "which"},
    {"pair", CVY_PAIR, offsetof(outer, pair), "1", 1, 99, .help = "h and w"},
    {"padding", CVY_PAIR, offsetof(outer, padding), "valid", 0, 99, paddings, .help = "pad"},
    {"list", CVY_INTS, offsetof(outer, list), "[]", 0, 9, .help = "numbers"},
    {"floats", CVY_FLOATS, offsetof(outer, floats), "[0.5]", -1, 1, .help = "more numbers"},
    {"inner", CVY_TABLE, offsetof(outer, inner), .table = inner_table, .help = "inside"},
    {"node", CVY_NODE, offsetof(outer, node), .help = "anything"},
    {0}};

static const char *read_options(outer *out, cvy_pool *pool, const char *text) {
  cvy_yaml *root;
  memset(out, 0, sizeof *out);
  if (cvy_yaml_parse(&root, pool, text, "f")) return cvy_err_message();
  return cvy_options_read(out, pool, table, root, root, "thing") ? cvy_err_message() : "ok";
}

static void options_read_every_type(void) {
  cvy_pool *pool = cvy_pool_create();
  outer o;
  CU_ASSERT_STRING_EQUAL(read_options(&o, pool, "count: 3"), "ok");
  CU_ASSERT(o.count == 3 && o.rate == 0.1 && !o.flag && o.choice == 1 && o.pair[1] == 1 &&
            o.padding[0] == -2);
  CU_ASSERT(strcmp(o.text, "hello") == 0 && o.list.count == 0 && o.inner.x == 1.5 && o.node == NULL);
  CU_ASSERT_STRING_EQUAL(
      read_options(&o, pool,
                   "{count: 7, rate: 1e-3, flag: true, text: 'a b', choice: apple, pair: [2, 3], "
                   "padding: same, list: [1, 9], floats: [0.1, -1, 1e-3], inner: {x: 2}, node: [z]}"),
      "ok");
  CU_ASSERT(o.count == 7 && o.rate == 1e-3 && o.flag && o.choice == 0 && o.pair[0] == 2 && o.pair[1] == 3);
  CU_ASSERT(o.padding[0] == -1 && o.list.count == 2 && o.list.values[1] == 9 && o.inner.x == 2 &&
            o.node->count == 1);

  cvy_yaml *dumped = cvy_options_dump(&o, pool, table);
  char *text = cvy_yaml_text(dumped);
  outer again;
  CU_ASSERT_STRING_EQUAL(read_options(&again, pool, text), "ok");
  CU_ASSERT(again.rate == o.rate && again.padding[0] == -1 && again.list.values[0] == 1 &&
            again.inner.x == 2);
  CU_ASSERT(again.floats.count == 3 && again.floats.values[0] == 0.1 && again.floats.values[2] == 1e-3);
  free(text);
  cvy_pool_destroy(pool);
}

static void options_refuse_what_is_wrong(void) {
  cvy_pool *pool = cvy_pool_create();
  outer o;
  const char *const wrong[][2] = {
      {"rate: 0.5", "f:1:1: thing needs 'count' (how many)"},
      {"count: 3\ncuont: 4", "f:2:1: unknown key 'cuont' in thing; did you mean 'count'?"},
      {"count: 3\nzzzzzzz: 4", "unknown key 'zzzzzzz' in thing (known: count, rate,"},
      {"count: 0", "f:1:8: 'count' must be a whole number from 1 to 100, not '0'"},
      {"count: 1.5", "'count' must be a whole number"},
      {"count: '3'", "'count' must be a whole number"},
      {"count: [3]", "not a list"},
      {"count: nan", "'count' must be"},
      {"{count: 3, rate: 2}", "'rate' must be a number from 0 to 1, not '2'"},
      {"{count: 3, rate: 1x}", "'rate' must be a number"},
      {"{count: 3, flag: yes}", "'flag' must be true or false, not 'yes'"},
      {"{count: 3, choice: aple}", "unknown word 'aple' in choice; did you mean 'apple'?"},
      {"{count: 3, pair: [1, 2, 3]}", "'pair' must be one number or [height, width]"},
      {"{count: 3, pair: [1, 200]}", "from 1 to 99, not '200'"},
      {"{count: 3, padding: sam}", "did you mean 'same'?"},
      {"{count: 3, list: 4}", "'list' must be a list of whole numbers"},
      {"{count: 3, floats: 0.5}", "'floats' must be a list of numbers"},
      {"{count: 3, floats: [0, 1.5]}", "f:1:24: 'floats' must be a number from -1 to 1, not '1.5'"},
      {"{count: 3, inner: {y: 1}}", "unknown key 'y' in inner"},
      {"{count: 3, inner: 4}", "inner takes key: value options"},
      {"{count: 3, text: [a]}", "'text' must be a text"},
      {"[1]", "thing takes key: value options, not a list"},
  };
  for (int64_t i = 0; i < CVY_COUNT(wrong); i++) {
    const char *message = read_options(&o, pool, wrong[i][0]);
    if (!strstr(message, wrong[i][1]))
      printf("\n  %s\n  gave: %s\n  expected: %s\n", wrong[i][0], message, wrong[i][1]);
    CU_ASSERT_PTR_NOT_NULL(strstr(message, wrong[i][1]));
  }
  cvy_pool_destroy(pool);
}

static void command_line_values(void) {
  cvy_pool *pool = cvy_pool_create();
  outer o = {0};
  const cvy_option *pair = &table[5], *count = &table[0], *flag = &table[2], *list = &table[7],
                   *floats = &table[8];
  CU_ASSERT_EQUAL(cvy_option_set(&o, pool, pair, "40x30"), CVY_OK);
  CU_ASSERT(o.pair[0] == 30 && o.pair[1] == 40); /* WIDTHxHEIGHT on the command line, [h, w] inside */
  CU_ASSERT_EQUAL(cvy_option_set(&o, pool, pair, "8"), CVY_OK);
  CU_ASSERT(o.pair[0] == 8 && o.pair[1] == 8);
  CU_ASSERT_EQUAL(cvy_option_set(&o, pool, flag, "true"), CVY_OK);
  CU_ASSERT(o.flag);
  CU_ASSERT_EQUAL(cvy_option_set(&o, pool, count, "many"), CVY_E_USAGE);
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "--count many: 'count' must be a whole number"));
  CU_ASSERT_EQUAL(cvy_option_set(&o, pool, pair, "3x"), CVY_E_USAGE);
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "; expected WIDTHxHEIGHT or one number"));
  CU_ASSERT_EQUAL(cvy_option_set(&o, pool, pair, "4,5"), CVY_E_USAGE);
  CU_ASSERT_EQUAL(cvy_option_set(&o, pool, list, "3,9,0"), CVY_OK);
  CU_ASSERT(o.list.count == 3 && o.list.values[0] == 3 && o.list.values[1] == 9 && o.list.values[2] == 0);
  CU_ASSERT_EQUAL(cvy_option_set(&o, pool, list, "7"), CVY_OK);
  CU_ASSERT(o.list.count == 1 && o.list.values[0] == 7);
  CU_ASSERT_EQUAL(cvy_option_set(&o, pool, floats, "-1,0.25"), CVY_OK);
  CU_ASSERT(o.floats.count == 2 && o.floats.values[0] == -1 && o.floats.values[1] == 0.25);
  static const char *const wrong[][2] = {
      {"3,10", "--list 3,10: 'list' must be a whole number from 0 to 9, not '10'"},
      {"3,", "--list 3,: 'list' must be a whole number from 0 to 9, not nothing"},
      {"", "--list : 'list' must be a whole number from 0 to 9, not nothing"},
      {"3 4", "not '3 4'"}};
  for (int64_t i = 0; i < CVY_COUNT(wrong); i++) {
    CU_ASSERT_EQUAL(cvy_option_set(&o, pool, list, wrong[i][0]), CVY_E_USAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), wrong[i][1]));
  }
  cvy_pool_destroy(pool);
}

static void a_choice_may_stop_before_the_last_words(void) {
  static const char *const words[] = {"red", "green", "blue", NULL};
  const cvy_option part = {"colour", CVY_CHOICE, 0, "red", .max = 2, .words = words};
  cvy_pool *pool = cvy_pool_create();
  int choice = -1;
  CU_ASSERT_EQUAL(cvy_option_set(&choice, pool, &part, "green"), CVY_OK);
  CU_ASSERT_EQUAL(choice, 1);
  CU_ASSERT_EQUAL(cvy_option_set(&choice, pool, &part, "blue"), CVY_E_USAGE);
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "(known: red, green)"));
  CU_ASSERT_STRING_EQUAL(cvy_option_values(&part), "red|green");
  cvy_pool_destroy(pool);
}

/* ---- JSON, CSV, hashes ---- */

static void json_is_json(void) {
  char *text = NULL;
  size_t bytes;
  FILE *stream = open_memstream(&text, &bytes);
  cvy_json json = {.out = stream};
  cvy_json_open(&json, NULL, '{');
  cvy_json_text(&json, "a", "say \"hi\"\n\\");
  cvy_json_int(&json, "b", -3);
  cvy_json_open(&json, "c", '[');
  cvy_json_number(&json, NULL, 0.5, 9);
  cvy_json_number(&json, NULL, NAN, 9);
  cvy_json_close(&json, ']');
  cvy_json_close(&json, '}');
  fclose(stream);
  CU_ASSERT_STRING_EQUAL(text, "{\"a\": \"say \\\"hi\\\"\\u000a\\\\\", \"b\": -3, \"c\": [0.5, null]}");
  free(text);
}

static void json_numbers_are_the_shortest_that_read_back(void) {
  static const struct {
    double value;
    int digits;
    const char *text;
  } numbers[] = {
      {0.1, 17, "0.1"},
      {0.99399999999999999, 17, "0.994"},
      {1.0 / 3, 17, "0.3333333333333333"},
      {0x1.5555555555557p-2, 17, "0.3333333333333334"},
      {2, 17, "2"},
      {100, 17, "100"},
      {1e15, 17, "1000000000000000"},
      {123456789.25, 17, "123456789.25"},
      {1e-7, 17, "1e-07"},
      {-0.05, 17, "-0.05"},
      {0, 17, "0"},
      {1e300, 17, "1e+300"},
      {0.1f, 9, "0.1"},
      {16777216, 9, "16777216"},
      {1.17549435e-38f, 9, "1.1754944e-38"},
      {1.0 / 3, 9, "0.3333333333333333"},
      {1.0 / 3, 4, "0.3333"},
  };
  for (int64_t i = 0; i < CVY_COUNT(numbers); i++) {
    char *text = NULL;
    size_t bytes;
    FILE *stream = open_memstream(&text, &bytes);
    cvy_json json = {.out = stream};
    cvy_json_number(&json, NULL, numbers[i].value, numbers[i].digits);
    fclose(stream);
    CU_ASSERT_STRING_EQUAL(text, numbers[i].text);
    if (strcmp(text, numbers[i].text) != 0) printf("\n    %s, not %s", text, numbers[i].text);
    free(text);
  }
}

static void json_is_utf8(void) {
  char *text = NULL;
  size_t bytes;
  FILE *stream = open_memstream(&text, &bytes);
  cvy_json json = {.out = stream};
  cvy_json_open(&json, NULL, '{');
  cvy_json_text(&json, "K\xe4se", "K\xc3\xa4se \xe7\x8c");
  cvy_json_close(&json, '}');
  fclose(stream);
  CU_ASSERT_STRING_EQUAL(text, "{\"K\\\\xE4se\": \"K\xc3\xa4se \\\\xE7\\\\x8C\"}");
  free(text);
}

static void csv_is_quoted_where_it_must_be(void) {
  cvy_text_stream s;
  static const char *const texts[] = {"plain", "a,b", "say \"x\"", "two\nlines", " blank", NULL, ""};
  cvy_text_stream_begin(&s);
  for (int i = 0; i < CVY_COUNT(texts); i++) {
    cvy_csv_text(s.out, texts[i]);
    fputc('|', s.out);
  }
  cvy_csv_number(s.out, 0.1f);
  fputc('|', s.out);
  cvy_csv_number(s.out, 0.1);
  fputc('|', s.out);
  cvy_csv_number(s.out, 0.0 / 0.0);
  char *text = cvy_text_stream_end(&s, NULL);
  CU_ASSERT_STRING_EQUAL(text, "plain|\"a,b\"|\"say \"\"x\"\"\"|\"two\nlines\"|\" blank\"|||0.1|0.1|");
  free(text);
}

static void messages_have_no_control_characters(void) {
  CU_ASSERT_EQUAL(cvy_error(CVY_E_INPUT, "a%sb%s: no", "\n\x1b[2J", "\xe4"), CVY_E_INPUT);
  CU_ASSERT_STRING_EQUAL(cvy_err_message(), "a\\x0A\\x1B[2Jb\\xE4: no");
  CU_ASSERT_EQUAL(cvy_error_in(CVY_E_INPUT, "%s", "c"), CVY_E_INPUT);
  CU_ASSERT_STRING_EQUAL(cvy_err_message(), "c: a\\x0A\\x1B[2Jb\\xE4: no");
}

static void hashes_do_not_depend_on_pieces(void) {
  cvy_hasher *hasher = cvy_hasher_create();
  char data[1000];
  for (int i = 0; i < 1000; i++) data[i] = (char)i;
  cvy_hasher_add(hasher, data, 1000);
  const cvy_hash whole = cvy_hasher_result(hasher);
  cvy_hasher_reset(hasher);
  for (size_t at = 0; at < 1000; at += 100) cvy_hasher_add(hasher, data + at, 100);
  CU_ASSERT_STRING_EQUAL(cvy_hasher_result(hasher).hex, whole.hex);
  data[500] ^= 1;
  cvy_hasher_reset(hasher);
  cvy_hasher_add(hasher, data, 1000);
  CU_ASSERT_STRING_NOT_EQUAL(cvy_hasher_result(hasher).hex, whole.hex);
  CU_ASSERT_EQUAL(strlen(whole.hex), 32);
  cvy_hasher_reset(hasher);
  cvy_hasher_add(hasher, "text", 4);
  CU_ASSERT_STRING_EQUAL(cvy_hasher_result(hasher).hex, cvy_hash_of_text("text").hex);
  cvy_hasher_destroy(hasher);
}

SUITE("base", TEST(errors_carry_their_place), TEST(pools_and_buffers),
      TEST(sparse_buffers_take_what_is_touched), TEST(random_numbers_are_philox),
      TEST(random_draws_have_their_moments), TEST(permutations_are_permutations), TEST(permutations_mix),
      TEST(every_task_runs_once), TEST(yaml_remembers_places), TEST(yaml_errors_point),
      TEST(yaml_survives_damage), TEST(overrides_reach_nested_keys),
      TEST(any_bytes_are_a_text_on_the_command_line), TEST(options_read_every_type),
      TEST(options_refuse_what_is_wrong), TEST(a_choice_may_stop_before_the_last_words),
      TEST(command_line_values), TEST(json_is_json), TEST(json_numbers_are_the_shortest_that_read_back),
      TEST(json_is_utf8), TEST(csv_is_quoted_where_it_must_be), TEST(messages_have_no_control_characters),
      TEST(hashes_do_not_depend_on_pieces))
