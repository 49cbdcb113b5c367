/* A split on its way to a network: what does not fit is refused with what was found and what would be
 * right, and every microbatch is somebody's. */
#include "shards.h"

#include "base/yaml.h"
#include "train/stream.h"

enum { RECORDS = 23, H = 6, W = 5 };

static cvy_pool *pool;
static char *dir;
static cvy_net *net;

static cvy_yaml *yaml(const char *text) {
  cvy_yaml *root;
  CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&root, pool, text, "test"), CVY_OK);
  return root;
}

static cvy_net *net_of(int64_t h, int64_t w, int64_t c, int64_t classes) {
  char text[200];
  cvy_net *made;
  snprintf(text, sizeof text,
           "name: small\ninput: [%" PRId64 ", %" PRId64 ", %" PRId64 "]\nlayers:\n  - fc: {outputs: %" PRId64
           "}\n  - softmax_loss\n",
           h, w, c, classes);
  CU_ASSERT_EQUAL_FATAL(cvy_net_create(&made, yaml(text), 4, NULL), CVY_OK);
  return made;
}

static void begin(void) {
  pool = cvy_pool_create();
  dir = raw_dataset("set", 2, RECORDS, H, W, 3);
  net = net_of(H, W, 3, CLASSES);
}

/* Returns what opening says; "" if all is well. */
static const char *opening(const char *path, const char *chain, const cvy_net *for_net,
                           const cvy_dataset_info *known) {
  cvy_stream s;
  const cvy_err err = cvy_stream_open(&s, path, "train", NULL, chain ? yaml(chain) : NULL,
                                      cvy_net_describe(for_net), known);
  CU_ASSERT(err == CVY_OK || err == CVY_E_INPUT);
  CU_ASSERT(!err || (!s.data && !s.augment)); /* the caller owes nothing */
  cvy_stream_close(&s);
  return err ? cvy_err_message() : "";
}

static void expect_text(const char *message, const char *text) {
  CU_ASSERT_PTR_NOT_NULL(strstr(message, text));
  if (!strstr(message, text)) printf("\n'%s' lacks '%s'\n", message, text);
}

static void what_fits_opens(void) {
  cvy_net *smaller = net_of(4, 4, 3, CLASSES), *wider = net_of(H, W, 3, CLASSES + 2);
  CU_ASSERT_STRING_EQUAL(opening(dir, NULL, net, NULL), "");
  CU_ASSERT_STRING_EQUAL(opening(dir, "[crop: {size: 4}]", smaller, NULL), "");
  CU_ASSERT_STRING_EQUAL(opening(dir, NULL, wider, NULL), "");
  cvy_net_destroy(smaller);
  cvy_net_destroy(wider);
}

static void what_does_not_fit_is_refused(void) {
  cvy_net *grey = net_of(H, W, 1, CLASSES), *narrow = net_of(H, W, 3, CLASSES - 1);
  expect_text(opening("/nowhere", NULL, net, NULL), "/nowhere");
  expect_text(opening(dir, "[crop: {size: 4}]", net, NULL),
              "images are 4x4x3 after augmentation (0: sizes vary); network 'small' takes 6x5x3");
  expect_text(opening(dir, NULL, grey, NULL), "images are 6x5x3 after augmentation");
  expect_text(opening(dir, NULL, narrow, NULL), "has 5 classes; network 'small' tells apart 4");
  expect_text(opening(dir, "[unheard_of]", net, NULL), "unheard_of");
  cvy_net_destroy(grey);
  cvy_net_destroy(narrow);
}

static void classes_must_be_those_of_training(void) {
  static const char *const other_names[CLASSES] = {"zero", "one", "drei", "vier", "four"};
  static const char *const numbers[CLASSES] = {"0", "1", "2", "3", "4"};
  cvy_dataset *data;
  CU_ASSERT_EQUAL_FATAL(cvy_dataset_open(&data, dir, "train"), CVY_OK);
  cvy_dataset_info known = *cvy_dataset_describe(data);
  CU_ASSERT_STRING_EQUAL(opening(dir, NULL, net, &known), "");
  known.class_names = other_names;
  expect_text(opening(dir, NULL, net, &known), "class 2 is 'two'; where the network learns it is 'drei'");
  known.class_names = numbers; /* a file of another maker names none */
  CU_ASSERT_STRING_EQUAL(opening(dir, NULL, net, &known), "");
  known.class_names = class_names;
  known.class_count = CLASSES - 1;
  expect_text(opening(dir, NULL, net, &known),
              "class 4 is 'four'; where the network learns it is 'no class'");
  cvy_dataset_close(data);
}

static void sizes_must_not_vary(void) {
  cvy_stream s;
  CU_ASSERT_EQUAL(cvy_stream_open_any(&s, dir, "train", NULL, NULL, yaml("[crop: {size: 4}]")), CVY_OK);
  CU_ASSERT_EQUAL(s.h, H); /* they do not, so the chain of those that do is not taken */
  CU_ASSERT_EQUAL(s.w, W);
  cvy_stream_close(&s);
  const cvy_yaml *chain = yaml("[scale_jitter: {from: 4, to: 8}]");
  CU_ASSERT_EQUAL(cvy_stream_open_any(&s, dir, "train", NULL, chain, NULL), CVY_E_INPUT);
  expect_text(cvy_err_message(), "a crop would end that");
  CU_ASSERT(!s.data && !s.augment);
}

/* ---- loaders ---- */

static const cvy_intake intake = {
    .shuffle = CVY_SHUFFLE_BLOCK, .blocks = {7, 3}, .seed = 9, .depth = 5, .threads = 2, .skips_bad = true};

static void training_reads_as_the_recipe_says(void) {
  cvy_stream s;
  CU_ASSERT_EQUAL_FATAL(cvy_stream_open(&s, dir, "train", NULL, NULL, cvy_net_describe(net), NULL), CVY_OK);
  const cvy_loader_config c = cvy_stream_for_training(&s, &intake, 4);
  CU_ASSERT(c.training && c.shuffle == CVY_SHUFFLE_BLOCK && c.blocks.block == 7 && c.blocks.window == 3);
  CU_ASSERT(c.seed == 9 && c.depth == 5 && c.threads == 2 && c.skips_bad && c.microbatch == 4);
  CU_ASSERT(c.dataset == s.data && c.h == H && c.w == W && c.c == 3);
  CU_ASSERT(c.mean[1] == some_mean[1] && c.deviation[2] == some_deviation[2]);
  cvy_stream_close(&s);
}

/* Each of the microbatches is one rank's, in order, at any number of ranks: also of more than there are. */
static void evaluation_sees_everything_once(void) {
  cvy_stream s;
  CU_ASSERT_EQUAL_FATAL(cvy_stream_open(&s, dir, "train", NULL, NULL, cvy_net_describe(net), NULL), CVY_OK);
  cvy_dataset_info trained_on = *cvy_dataset_describe(s.data);
  trained_on.mean[1] = -3;
  for (int ranks = 1; ranks <= 8; ranks++) {
    int64_t next = 0;
    for (int rank = 0; rank < ranks; rank++) {
      const cvy_loader_config c = cvy_stream_for_evaluation(&s, &intake, 4, &trained_on, rank, ranks);
      CU_ASSERT(!c.training && c.per_step == 6 && c.first_step == 0 && c.end_step == 1);
      CU_ASSERT_EQUAL(c.first, next);
      CU_ASSERT_EQUAL(c.mean[1], -3);
      next += c.own;
    }
    CU_ASSERT_EQUAL(next, 6);
  }
  cvy_stream_close(&s);
}

static void end(void) {
  cvy_net_destroy(net);
  cvy_pool_destroy(pool);
  free(dir);
}

int main(void) {
  CU_TestInfo tests[] = {TEST(begin),
                         TEST(what_fits_opens),
                         TEST(what_does_not_fit_is_refused),
                         TEST(classes_must_be_those_of_training),
                         TEST(sizes_must_not_vary),
                         TEST(training_reads_as_the_recipe_says),
                         TEST(evaluation_sees_everything_once),
                         TEST(end),
                         CU_TEST_INFO_NULL};
  return run_suite("stream", tests);
}
