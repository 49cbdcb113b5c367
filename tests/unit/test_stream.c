/* Tests a split on its way to a network: what does not fit is refused with what was found and what would be
 * right, and every microbatch is somebody's. */
#include "shards.h"
#include "pictures.h"

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
static const char *opening(const char *path, const char *chain, const cvy_net *for_net) {
  cvy_stream s;
  const cvy_err err = cvy_stream_open(&s, path, "train", NULL, chain ? yaml(chain) : NULL,
                                      cvy_net_describe(for_net));
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
  CU_ASSERT_STRING_EQUAL(opening(dir, NULL, net), "");
  CU_ASSERT_STRING_EQUAL(opening(dir, "[crop: {size: 4}]", smaller), "");
  CU_ASSERT_STRING_EQUAL(opening(dir, NULL, wider), "");
  cvy_net_destroy(smaller);
  cvy_net_destroy(wider);
}

static void what_does_not_fit_is_refused(void) {
  cvy_net *grey = net_of(H, W, 1, CLASSES), *narrow = net_of(H, W, 3, CLASSES - 1);
  expect_text(opening("/nowhere", NULL, net), "/nowhere");
  expect_text(opening(dir, "[crop: {size: 4}]", net),
              "images are 4x4x3 after augmentation; network 'small' takes 6x5x3: "
              "'- resize: {size: [6, 5]}' would scale them");
  expect_text(opening(dir, "[pad: {by: 2}]", net), "'- crop: {size: [6, 5]}' would cut that out");
  expect_text(opening(dir, "[crop: {size: [4, 3]}]", net), "'- pad: {by: 1}' would add a border");
  expect_text(
      opening(dir, NULL, grey),
      "images have 3 channels, network 'small' takes 1: convoy prepare would make them so by --colour "
      "grey; or give its 'input' 3");
  expect_text(opening(dir, "[scale_jitter: {from: 4, to: 8}]", net),
              "images are of varying size after augmentation; network 'small' takes 6x5x3: "
              "'- random_resized_crop: {size: [6, 5]}' would end that, or '- resize: {shorter: 6}' and then "
              "'- crop: {size: [6, 5]}'");
  expect_text(opening(dir, NULL, narrow), "has 5 classes; network 'small' tells apart 4");
  expect_text(opening(dir, "[unheard_of]", net), "unheard_of");
  cvy_net_destroy(grey);
  cvy_net_destroy(narrow);
}

static void sizes_must_not_vary(void) {
  cvy_stream s;
  CU_ASSERT_EQUAL(cvy_stream_open_any(&s, dir, "train", NULL, NULL, yaml("[crop: {size: 4}]")), CVY_OK);
  CU_ASSERT_EQUAL(s.h, H); /* they do not, so the chain of those that do is not taken */
  CU_ASSERT_EQUAL(s.w, W);
  cvy_stream_close(&s);
  const cvy_yaml *chain = yaml("[scale_jitter: {from: 4, to: 8}]");
  CU_ASSERT_EQUAL(cvy_stream_open_any(&s, dir, "train", NULL, chain, NULL), CVY_E_INPUT);
  expect_text(cvy_err_message(), "'- random_resized_crop: {size: 224}' would end that");
  CU_ASSERT(!s.data && !s.augment);
}

/* ---- sizes of pictures ---- */

/* Makes a set of three pictures of 40 x 30, one of 20 x 10, and one whose size nobody knows. */
static char *encoded_set(void) {
  char *path = cvy_format("%s/encoded", scratch_folder());
  cvy_shard_config config = raw_config(path, "train", 2, 0, 0, 3);
  cvy_image image = {0};
  config.encoding = CVY_ENCODED;
  set_writer set = set_begin(&config, 5);
  for (int64_t i = 0; i < 5; i++) {
    paint(&image, i == 3 ? 20 : 40, i == 3 ? 10 : 30, 3);
    const file_bytes file = make_jpeg(&image, 90, false);
    CU_ASSERT_EQUAL_FATAL(
        set_add(&set, i == 1 ? (const void *)"junk" : file.bytes, i == 1 ? 4 : file.count, 0), CVY_OK);
    free(file.bytes);
  }
  CU_ASSERT_EQUAL_FATAL(set_finish(&set, some_mean, some_deviation), CVY_OK);
  cvy_image_free(&image);
  return path;
}

/* Returns what is said of the sizes; "" if all is well. */
static const char *looking(const char *path, const char *chain, bool training, bool skips_bad) {
  cvy_stream s;
  const cvy_intake how = {.skips_bad = skips_bad};
  CU_ASSERT_EQUAL_FATAL(cvy_stream_open_any(&s, path, "train", NULL, yaml(chain), NULL), CVY_OK);
  const cvy_err err = cvy_stream_check_sizes(&s, &how, training);
  CU_ASSERT(err == CVY_OK || err == CVY_E_INPUT);
  cvy_stream_close(&s);
  return err ? cvy_err_message() : "";
}

static void small_pictures_are_told(void) {
  char *path = encoded_set();
  cvy_log_enable(false);
  const char *text = looking(path, "[crop: {size: 16}]", true, false);
  expect_text(text, "train-00001-of-00002.h5: record 1: ");
  expect_text(text, "test:1:2: crop: a part of 16x16 does not fit in a picture of 20x10 (height x width); "
                    "before it, '- resize: {shorter: 16}' would make every picture large enough, and '- pad: "
                    "{by: [0, 3]}' this one; so it is with 1 of the 5 pictures");
  expect_text(looking(path, "[crop: {size: 31}]", false, false), "so it is with 4 of the 5 pictures");
  CU_ASSERT_STRING_EQUAL(looking(path, "[crop: {size: 10}]", true, false), "");
  CU_ASSERT_STRING_EQUAL(looking(path, "[{resize: {shorter: 16}}, {crop: {size: 16}}]", true, false), "");
  CU_ASSERT_STRING_EQUAL(looking(path, "[{pad: {by: [0, 3]}}, {crop: {size: 16}}]", true, false), "");
  CU_ASSERT_STRING_EQUAL(looking(path, "[random_resized_crop: {size: 300}]", true, false), "");
  CU_ASSERT_STRING_EQUAL(looking(path, "[crop: {size: 16}]", true, true), ""); /* another takes its place */
  cvy_log_enable(true);
  free(path);
}

/* A size that is drawn anew each time counts as the smallest that may come. */
static void sizes_that_are_drawn(void) {
  char *path = encoded_set();
  const char *jitter = "[{scale_jitter: {from: 16, to: 32, evaluation: 20}}, {crop: {size: 20}}]";
  expect_text(looking(path, jitter, true, false), "crop: a part of 20x20 does not fit in a picture of 21x16");
  CU_ASSERT_STRING_EQUAL(looking(path, jitter, false, false), "");
  const char *inside = "[{one_of: {apply: [{scale_jitter: {from: 20, to: 30}}, {scale_jitter: {from: 12, to: "
                       "40}}]}}, {crop: {size: 16}}]";
  expect_text(looking(path, inside, true, false), "crop: a part of 16x16 does not fit in a picture of 16x12");
  CU_ASSERT_STRING_EQUAL(looking(path, inside, false, false), ""); /* evaluation takes the first */
  expect_text(looking(path,
                      "[{one_of: {apply: [{resize: {shorter: 20}}, {scale_jitter: {}}]}}, {crop: {size: 9}}]",
                      true, false),
              "with its first pictures would be 27x20, with number 2 of varying size; before it, '- "
              "random_resized_crop: {size: [27, 20]}' would make all the same size");
  /* It holds for sets of one size too. */
  expect_text(looking(dir, "[{scale_jitter: {from: 3, to: 8}}, {crop: {size: 4}}]", true, false),
              "test:1:36: crop: a part of 4x4 does not fit in a picture of 4x3");
  CU_ASSERT_STRING_EQUAL(looking(dir, "[{scale_jitter: {from: 4, to: 8}}, {crop: {size: 4}}]", true, false),
                         "");
  free(path);
}

/* Encoded pictures that are all of one size need no augmentation that makes them so, and a set whose shards
 * record no sizes is told of. */
static void recorded_sizes_may_be_one_size(void) {
  char *path = cvy_format("%s/alike", scratch_folder());
  cvy_shard_config config = raw_config(path, "train", 2, 0, 0, 3);
  cvy_image image = {0};
  config.encoding = CVY_ENCODED;
  set_writer set = set_begin(&config, 5);
  paint(&image, H, W, 3);
  const file_bytes file = make_jpeg(&image, 90, false);
  for (int64_t i = 0; i < 5; i++) CU_ASSERT_EQUAL_FATAL(set_add(&set, file.bytes, file.count, 0), CVY_OK);
  free(file.bytes);
  CU_ASSERT_EQUAL_FATAL(set_finish(&set, some_mean, some_deviation), CVY_OK);
  cvy_image_free(&image);
  cvy_stream s;
  const char *chain = "[sometimes: {apply: [{resize: {size: [6, 5]}}]}]";
  CU_ASSERT_EQUAL_FATAL(cvy_stream_open(&s, path, "train", NULL, yaml(chain), cvy_net_describe(net)), CVY_OK);
  CU_ASSERT(s.h == H && s.w == W);
  const cvy_intake how = {.depth = 2, .threads = 1};
  cvy_loader_config loading = cvy_stream_for_training(&s, &how, 2);
  cvy_loader *loader;
  loading.per_step = loading.own = 1;
  loading.end_step = 1;
  CU_ASSERT_EQUAL_FATAL(cvy_loader_create(&loader, &loading), CVY_OK);
  cvy_loader_destroy(loader);
  cvy_stream_close(&s);
  CU_ASSERT_STRING_EQUAL(opening(path, NULL, net), "");
  char *varying = encoded_set();
  expect_text(opening(varying, "[sometimes: {apply: [{resize: {size: [6, 5]}}]}]", net),
              "sometimes: pictures would be 6x5 with it and of varying size without it; before it, '- "
              "random_resized_crop: {size: [6, 5]}' would make all the same size");
  free(varying);
  free(path);
}

/* ---- loaders ---- */

static const cvy_intake intake = {
    .shuffle = CVY_SHUFFLE_BLOCK, .blocks = {7, 3}, .seed = 9, .depth = 5, .threads = 2, .skips_bad = true};

static void training_reads_as_the_recipe_says(void) {
  cvy_stream s;
  CU_ASSERT_EQUAL_FATAL(cvy_stream_open(&s, dir, "train", NULL, NULL, cvy_net_describe(net)), CVY_OK);
  const cvy_loader_config c = cvy_stream_for_training(&s, &intake, 4);
  CU_ASSERT(c.training && c.shuffle == CVY_SHUFFLE_BLOCK && c.blocks.block == 7 && c.blocks.window == 3);
  CU_ASSERT(c.seed == 9 && c.depth == 5 && c.threads == 2 && c.skips_bad && c.microbatch == 4);
  CU_ASSERT(c.dataset == s.data && c.h == H && c.w == W && c.c == 3);
  CU_ASSERT(c.mean[1] == some_mean[1] && c.deviation[2] == some_deviation[2]);
  cvy_stream_close(&s);
}

/* Each of the microbatches is one rank's, in order, also where there are more ranks than microbatches. */
static void evaluation_sees_everything_once(void) {
  cvy_stream s;
  CU_ASSERT_EQUAL_FATAL(cvy_stream_open(&s, dir, "train", NULL, NULL, cvy_net_describe(net)), CVY_OK);
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
                         TEST(sizes_must_not_vary),
                         TEST(small_pictures_are_told),
                         TEST(sizes_that_are_drawn),
                         TEST(recorded_sizes_may_be_one_size),
                         TEST(training_reads_as_the_recipe_says),
                         TEST(evaluation_sees_everything_once),
                         TEST(end),
                         CU_TEST_INFO_NULL};
  return run_suite("stream", tests);
}
