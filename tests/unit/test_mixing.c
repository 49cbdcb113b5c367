/* Tests pictures mixed by twos, and several views of one: the stream, by hand; the scores of views; what is
 * refused. */
#include "shards.h"

#include "base/yaml.h"
#include "augment/augmentation.h"
#include "augment/chain.h"
#include "data/loader.h"
#include "data/sampler.h"
#include "model/tally.h"

#include <math.h>

/* ---- Beta variates ---- */

static void beta_variates_have_their_moments(void) {
  enum { DRAWS = 10000 };
  static const double alphas[] = {0.001, 0.2, 0.5, 1, 1.5, 4, 1000};
  for (int i = 0; i < CVY_COUNT(alphas); i++) {
    const double variance = 0.25 / (2 * alphas[i] + 1);
    double sum = 0, squares = 0;
    for (uint32_t n = 0; n < DRAWS; n++) {
      cvy_random where = {.seed = 7, .purpose = CVY_FOR_TEST, .sample = n};
      const double x = cvy_random_next_beta(&where, alphas[i]);
      CU_ASSERT_TRUE_FATAL(x >= 0 && x <= 1);
      CU_ASSERT(where.unit <= 2 * (2 * 32 + 1));
      sum += x, squares += (x - 0.5) * (x - 0.5);
    }
    /* The bounds are five deviations. That of the mean is sqrt(variance / n). That of the variance is at most
     * sqrt(2 / n) of it, for no symmetric beta has heavier tails than the normal distribution. */
    CU_ASSERT_DOUBLE_EQUAL(sum / DRAWS, 0.5, 5 * sqrt(variance / DRAWS));
    CU_ASSERT_DOUBLE_EQUAL(squares / DRAWS, variance, 5 * sqrt(2.0 / DRAWS) * variance);
  }
}

/* Beta(1, 1) is uniform; the share of Beta(1/2, 1/2) below x is 2 / pi asin(sqrt(x)). */
static void beta_variates_are_distributed_as_said(void) {
  enum { DRAWS = 10000 };
  for (int half = 0; half <= 1; half++) {
    int below[10] = {0};
    cvy_random where = {.seed = 8, .purpose = CVY_FOR_TEST};
    for (int n = 0; n < DRAWS; n++) {
      const double x = cvy_random_next_beta(&where, half ? 0.5 : 1);
      for (int k = 1; k < 10; k++) below[k] += x < 0.1 * k;
    }
    for (int k = 1; k < 10; k++) {
      const double share = half ? 2 / 3.14159265358979323846 * asin(sqrt(0.1 * k)) : 0.1 * k;
      CU_ASSERT_DOUBLE_EQUAL(below[k], DRAWS * share, 5 * sqrt(DRAWS * share * (1 - share)));
    }
  }
}

/* ---- the stream ---- */

enum { H = 7, W = 6, C = 3, FLOATS = H * W * C, COUNT = 50, STEPS = 5, BATCH = 32, ROWS = STEPS * BATCH };

typedef struct rig {
  char *dir;
  cvy_pool *pool;
  cvy_dataset *dataset;
  cvy_augment *augment;
  cvy_loader_config config;
} rig;

static cvy_err make_rig(rig *r, const char *name, const char *yaml, bool training) {
  cvy_yaml *list;
  int64_t h, w;
  *r = (rig){.pool = cvy_pool_create(), .dir = raw_dataset(name, 3, COUNT, 9, 8, C)};
  CU_ASSERT_EQUAL_FATAL(cvy_dataset_open(&r->dataset, r->dir, "train"), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&list, r->pool, yaml, "recipe.yaml"), CVY_OK);
  CVY_TRY(cvy_augment_create(&r->augment, list, 9, 8, &h, &w));
  r->config = (cvy_loader_config){.dataset = r->dataset,
                                  .augment = r->augment,
                                  .training = training,
                                  .seed = 11,
                                  .h = h,
                                  .w = w,
                                  .c = C,
                                  .microbatch = 8,
                                  .per_step = 4,
                                  .own = 4,
                                  .end_step = STEPS,
                                  .depth = 3,
                                  .threads = 1};
  memcpy(r->config.mean, some_mean, sizeof some_mean);
  memcpy(r->config.deviation, some_deviation, sizeof some_deviation);
  return CVY_OK;
}

static void drop_rig(rig *r) {
  cvy_augment_destroy(r->augment);
  cvy_dataset_close(r->dataset);
  cvy_pool_destroy(r->pool);
  free(r->dir);
}

static cvy_loader *start(const cvy_loader_config *config) {
  cvy_loader *loader;
  const cvy_err err = cvy_loader_create(&loader, config);
  if (err) printf("\n    %s", cvy_err_message());
  CU_ASSERT_EQUAL_FATAL(err, CVY_OK);
  return loader;
}

typedef struct rows {
  float images[ROWS][FLOATS], shares[ROWS];
  int32_t labels[ROWS], partners[ROWS];
} rows;

static void take(rows *out, int64_t row, cvy_loader *loader, int64_t microbatch) {
  cvy_microbatch m;
  CU_ASSERT_EQUAL_FATAL(cvy_loader_next(&m, loader), CVY_OK);
  memcpy(out->images[row], m.images, sizeof out->images[0] * (size_t)microbatch);
  memcpy(&out->labels[row], m.labels, sizeof(int32_t) * (size_t)microbatch);
  CU_ASSERT_EQUAL(m.partners == NULL, m.shares == NULL);
  for (int64_t i = 0; i < microbatch; i++) {
    out->partners[row + i] = m.partners ? m.partners[i] : -2;
    out->shares[row + i] = m.shares ? m.shares[i] : 1;
  }
  cvy_loader_release(loader);
}

/* Makes all steps, as `ranks` loaders with microbatches of `microbatch` deliver them. */
static void stream(rows *out, const rig *r, int64_t ranks, int64_t microbatch, int64_t threads) {
  cvy_loader *loaders[4];
  cvy_loader_config config = r->config;
  config.microbatch = microbatch;
  config.per_step = BATCH / microbatch;
  config.own = config.per_step / ranks;
  config.threads = threads;
  memset(out, 0, sizeof *out);
  for (int64_t rank = 0; rank < ranks; rank++) {
    config.first = rank * config.own;
    loaders[rank] = start(&config);
  }
  for (int64_t m = 0; m < ROWS / microbatch; m++)
    take(out, m * microbatch, loaders[m % config.per_step / config.own], microbatch);
  for (int64_t rank = 0; rank < ranks; rank++) cvy_loader_destroy(loaders[rank]);
}

static rows mixed, again, plain;

#define BEFORE "{crop: {size: [7, 6]}}, mirror"
static const char *const mixing[] = {
    "[" BEFORE ", mixup]",
    "[" BEFORE ", cutmix: {alpha: 0.7}]",
    "[" BEFORE ", {one_of: {apply: [mixup: {alpha: 1}, cutmix], weights: [1, 2]}}]",
    "[" BEFORE ", {sometimes: {apply: [{one_of: {apply: [[mixup], cutmix]}}]}}]",
};

static void the_stream_knows_no_ranks_and_threads(void) {
  static const int64_t splits[][3] = {{1, 4, 3}, {2, 8, 2}, {2, 2, 4}, {4, 8, 3}, {4, 4, 1}, {1, 32, 2}};
  for (int k = 0; k < CVY_COUNT(mixing); k++) {
    rig r;
    char name[32];
    snprintf(name, sizeof name, "stream%d", k);
    CU_ASSERT_EQUAL_FATAL(make_rig(&r, name, mixing[k], true), CVY_OK);
    stream(&mixed, &r, 1, 8, 1);
    for (int i = 0; i < CVY_COUNT(splits); i++) {
      stream(&again, &r, splits[i][0], splits[i][1], splits[i][2]);
      CU_ASSERT_EQUAL(memcmp(&again, &mixed, sizeof mixed), 0);
    }
    r.config.seed = 12;
    stream(&again, &r, 1, 8, 1);
    CU_ASSERT_NOT_EQUAL(memcmp(&again, &mixed, sizeof mixed), 0);
    drop_rig(&r);
  }
}

/* Makes the stream `mixed` and, without what mixes, `plain`. */
static void both_streams(int k) {
  rig r;
  CU_ASSERT_EQUAL_FATAL(make_rig(&r, "mixed", mixing[k], true), CVY_OK);
  stream(&mixed, &r, 2, 8, 2);
  drop_rig(&r);
  CU_ASSERT_EQUAL_FATAL(make_rig(&r, "plain", "[" BEFORE "]", true), CVY_OK);
  stream(&plain, &r, 1, 4, 1);
  drop_rig(&r);
  for (int64_t n = 0; n < ROWS; n++) {
    CU_ASSERT_EQUAL(mixed.labels[n], plain.labels[n]);
    CU_ASSERT_EQUAL(mixed.labels[n], label_of_record(cvy_sample_at(11, COUNT, true, n).index));
    CU_ASSERT_EQUAL(mixed.partners[n], mixed.labels[n ^ 1]);
    CU_ASSERT_EQUAL(mixed.shares[n], mixed.shares[n ^ 1]);
    CU_ASSERT(mixed.shares[n] >= 0 && mixed.shares[n] <= 1);
    CU_ASSERT_EQUAL(plain.partners[n], -2);
  }
}

static void check_mixup(int64_t n) {
  const double share = (double)mixed.shares[n];
  for (int64_t i = 0; i < FLOATS; i++) {
    const double own = (double)plain.images[n][i], other = (double)plain.images[n ^ 1][i];
    /* Two products and a sum, of numbers below 4, are rounded. */
    CU_ASSERT_DOUBLE_EQUAL((double)mixed.images[n][i], share * own + (1 - share) * other, 4 * 4 * 6e-8);
  }
}

/* Checks that every pixel is its own or, within one rectangle, the partner's. */
static bool is_cutmix(int64_t n) {
  int64_t low_y = H, high_y = 0, low_x = W, high_x = 0, exchanged = 0;
  for (int64_t y = 0; y < H; y++)
    for (int64_t x = 0; x < W; x++) {
      const size_t at = (size_t)((y * W + x) * C), bytes = C * sizeof(float);
      if (memcmp(mixed.images[n] + at, plain.images[n] + at, bytes) == 0) continue;
      if (memcmp(mixed.images[n] + at, plain.images[n ^ 1] + at, bytes) != 0) return false;
      exchanged++;
      low_y = y < low_y ? y : low_y, high_y = y + 1;
      low_x = x < low_x ? x : low_x, high_x = x + 1 > high_x ? x + 1 : high_x;
    }
  /* Where both have the same pixel, nothing shows. Then the rectangle may be larger than what shows. */
  const double area = (1 - (double)mixed.shares[n]) * H * W;
  if (exchanged > 0 && exchanged == (high_y - low_y) * (high_x - low_x))
    CU_ASSERT_DOUBLE_EQUAL(exchanged, area, 1e-4);
  CU_ASSERT((double)exchanged <= area + 1e-4);
  return true;
}

static void mixup_by_hand(void) {
  both_streams(0);
  double largest = 0;
  for (int64_t n = 0; n < ROWS; n++) {
    check_mixup(n);
    largest = fmax(largest, fmin((double)mixed.shares[n], 1 - (double)mixed.shares[n]));
  }
  CU_ASSERT(largest > 0.2); /* some are mixed indeed */
}

static void cutmix_by_hand(void) {
  both_streams(1);
  int64_t large = 0, total = 0;
  for (int64_t n = 0; n < ROWS; n++) {
    CU_ASSERT(is_cutmix(n));
    large += mixed.shares[n] < 0.7f;
    for (int64_t i = 0; i < FLOATS; i++) total += mixed.images[n][i] != plain.images[n][i];
  }
  CU_ASSERT(large > ROWS / 8 && total > ROWS * FLOATS / 8);
}

static void one_of_several_mixtures(void) {
  both_streams(2);
  int64_t cut = 0;
  for (int64_t n = 0; n < ROWS; n++) {
    if (is_cutmix(n))
      cut++;
    else
      check_mixup(n);
  }
  CU_ASSERT(cut > ROWS * 5 / 10 &&
            cut < ROWS * 8 / 10); /* 2/3 of 80 pairs: 53 +- 4.2, and what mixup leaves alone */
}

static void sometimes_nothing_is_mixed(void) {
  both_streams(3);
  int64_t same = 0;
  for (int64_t n = 0; n < ROWS; n++)
    same += mixed.shares[n] == 1 && memcmp(mixed.images[n], plain.images[n], sizeof plain.images[n]) == 0;
  CU_ASSERT(same > ROWS * 3 / 10 && same < ROWS * 8 / 10);
}

static void nothing_is_mixed_in_evaluation(void) {
  for (int k = 0; k < CVY_COUNT(mixing); k++) {
    rig r;
    CU_ASSERT_EQUAL_FATAL(make_rig(&r, "evaluation", mixing[k], false), CVY_OK);
    stream(&mixed, &r, 1, 8, 2);
    drop_rig(&r);
    CU_ASSERT_EQUAL_FATAL(make_rig(&r, "plain", "[" BEFORE "]", false), CVY_OK);
    stream(&plain, &r, 1, 8, 1);
    drop_rig(&r);
    CU_ASSERT_EQUAL(memcmp(&mixed, &plain, sizeof plain), 0);
  }
}

/* ---- ten views ---- */

/* Makes what view `v` of a record shows, from what is known of the record. */
static void view_by_hand(float out[FLOATS], int64_t record, int64_t v) {
  static const int64_t tops[] = {0, 0, 2, 2, 1}, lefts[] = {0, 2, 0, 2, 1};
  for (int64_t y = 0; y < H; y++)
    for (int64_t x = 0; x < W; x++)
      for (int64_t k = 0; k < C; k++) {
        const int64_t from_x = lefts[v % 5] + (v < 5 ? x : W - 1 - x);
        const float sample = (float)sample_of(record, tops[v % 5] + y, from_x, k);
        out[(y * W + x) * C + k] = (sample - some_mean[k]) / some_deviation[k];
      }
}

static void views_come_one_after_the_other(void) {
  static float want[FLOATS];
  rig r;
  CU_ASSERT_EQUAL_FATAL(make_rig(&r, "views", "[ten_crops: {size: [7, 6]}]", false), CVY_OK);
  CU_ASSERT_EQUAL(cvy_augment_views(r.augment), 10);
  r.config.end_step = 1;
  r.config.per_step = 7, r.config.first = 3, r.config.own = 4; /* images 24 ... 55, of which there are 50 */
  r.config.threads = 3;
  cvy_loader *loader = start(&r.config);
  for (int64_t m = 3; m < 7; m++)
    for (int64_t v = 0; v < 10; v++) {
      take(&mixed, 0, loader, 8);
      for (int64_t i = 0; i < 8; i++) {
        const int64_t record = m * 8 + i;
        if (record < COUNT) view_by_hand(want, record, v);
        CU_ASSERT_EQUAL(mixed.labels[i], record < COUNT ? label_of_record(record) : -1);
        if (record < COUNT) CU_ASSERT_EQUAL(memcmp(mixed.images[i], want, sizeof want), 0);
      }
    }
  cvy_loader_destroy(loader);
  drop_rig(&r);
}

/* The score of the whole set, by cvy_tally_add_views, is that which is worked out by hand, in double, from
 * the net's weights. */
static const char small_net[] = "name: n\ninput: [7, 6, 3]\nlayers:\n"
                                "  - fc: {outputs: 5, init: gaussian, init_std: 0.1}\n  - softmax_loss\n";

static void softmax_by_hand(double p[CLASSES], const cvy_net *net, const float *weights, const float *x) {
  const float *bias = weights + cvy_net_describe(net)->params[1].offset;
  double sum = 0;
  for (int c = 0; c < CLASSES; c++) {
    p[c] = (double)bias[c];
    for (int i = 0; i < FLOATS; i++) p[c] += (double)x[i] * (double)weights[i * CLASSES + c];
    sum += exp(p[c]);
  }
  for (int c = 0; c < CLASSES; c++) p[c] = exp(p[c]) / sum;
}

static cvy_score score_by_hand(cvy_net *net) {
  static float x[FLOATS];
  cvy_score score = {.images = COUNT};
  for (int64_t record = 0; record < COUNT; record++) {
    double mean[CLASSES] = {0}, p[CLASSES];
    for (int64_t v = 0; v < 10; v++) {
      view_by_hand(x, record, v);
      softmax_by_hand(p, net, cvy_net_params(net), x);
      for (int c = 0; c < CLASSES; c++) mean[c] += p[c] / 10;
    }
    const int32_t label = label_of_record(record);
    int better = 0;
    for (int c = 0; c < CLASSES; c++) better += mean[c] > mean[label];
    score.loss -= log(mean[label]) / COUNT;
    score.top1 += (double)(better < 1) / COUNT;
    score.top5 += (double)(better < 5) / COUNT;
  }
  return score;
}

static void score_of_ten_views_is_that_of_the_mean(void) {
  rig r;
  cvy_net *net;
  cvy_yaml *description;
  cvy_tally tally = {0};
  CU_ASSERT_EQUAL_FATAL(make_rig(&r, "score", "[ten_crops: {size: [7, 6]}]", false), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&description, r.pool, small_net, "net.yaml"), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_net_create(&net, description, 8, NULL), CVY_OK);
  cvy_net_init(net, 3);
  r.config.end_step = 1;
  r.config.per_step = r.config.own = 7;
  cvy_view_sums views = {.sums = cvy_new(sizeof(double) * 8 * CLASSES)};
  cvy_loader *loader = start(&r.config);
  for (int64_t m = 0; m < 7; m++) {
    cvy_microbatch got;
    for (int64_t v = 0; v < 10; v++) {
      CU_ASSERT_EQUAL_FATAL(cvy_loader_next(&got, loader), CVY_OK);
      const cvy_targets targets = cvy_targets_of(&got);
      cvy_net_forward(net, got.images, &targets, &(cvy_pass){.training = false});
      cvy_view_sums_add(&views, net);
      if (v == 9) cvy_tally_add_views(&tally, &views, net, got.labels);
      cvy_loader_release(loader);
    }
  }
  const cvy_score score = cvy_tally_score(&tally), want = score_by_hand(net);
  CU_ASSERT_EQUAL(score.images, COUNT);
  CU_ASSERT_DOUBLE_EQUAL(score.loss, want.loss,
                         1e-5 * want.loss); /* 126 products of floats, summed in floats */
  CU_ASSERT_DOUBLE_EQUAL(score.top1, want.top1, 1e-12);
  CU_ASSERT_DOUBLE_EQUAL(score.top5, want.top5, 1e-12);
  CU_ASSERT(want.top1 > 0.02 && want.top1 < 0.98); /* otherwise the test says little */
  cvy_loader_destroy(loader);
  free(views.sums);
  cvy_net_destroy(net);
  drop_rig(&r);
}

/* The label of a mixed image that has the larger share is to be hit. */
static void hits_of_mixed_images(void) {
  cvy_pool *pool = cvy_pool_create();
  cvy_net *net;
  cvy_yaml *description;
  CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&description, pool, small_net, "net.yaml"), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_net_create(&net, description, 4, NULL), CVY_OK);
  static const float images[4 * FLOATS];
  float *bias = cvy_net_params(net) + cvy_net_describe(net)->params[1].offset;
  for (int c = 0; c < CLASSES; c++) bias[c] = (float)c; /* class 4 ranks first */
  const cvy_targets targets = {(const int32_t[]){4, 4, 4, 0}, (const int32_t[]){0, 0, 0, 4},
                               (const float[]){0.5f, 0.4f, 0.49f, 0.4f}};
  cvy_tally tally = {0};
  cvy_net_forward(net, images, &targets, &(cvy_pass){.training = true});
  cvy_tally_add_microbatch(&tally, net, &targets);
  CU_ASSERT(tally.images == 4 && tally.top1 == 2 && tally.top5 == 4);
  cvy_net_destroy(net);
  cvy_pool_destroy(pool);
}

/* ---- what is refused ---- */

static void expect_refused(const char *yaml, bool training, int64_t microbatch, const char *expected) {
  rig r;
  cvy_loader *loader = NULL;
  cvy_err err = make_rig(&r, "refused", yaml, training);
  r.config.microbatch = microbatch;
  if (!err) err = cvy_loader_create(&loader, &r.config);
  CU_ASSERT_EQUAL(err, CVY_E_INPUT);
  CU_ASSERT_PTR_NULL(loader);
  if (!strstr(cvy_err_message(), expected))
    printf("\n    expected '%s' in '%s'", expected, cvy_err_message());
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), expected));
  drop_rig(&r);
}

static void errors_point_at_the_recipe(void) {
  expect_refused("- mixup\n- mirror\n", true, 8,
                 "recipe.yaml:1:3: mixup mixes pictures that are finished: it must stand last");
  expect_refused("- cutmix\n- mixup\n", true, 8,
                 "recipe.yaml:1:3: cutmix mixes pictures that are finished: it must stand last");
  expect_refused("- sometimes: {apply: [mixup]}\n- mirror\n", true, 8, "recipe.yaml:1:3: sometimes mixes");
  expect_refused(
      "- sometimes: {apply: [mirror, mixup]}\n", true, 8,
      "recipe.yaml:1:31: mixup mixes finished pictures, and mirror changes one before: it needs a place of");
  expect_refused(
      "- one_of: {apply: [mixup, mirror]}\n", true, 8,
      "recipe.yaml:1:27: one_of: some of these mix two finished pictures, others change one before");
  expect_refused("- mirror\n- mixup\n", true, 5,
                 "recipe.yaml:2:3: mixup mixes pictures by twos, so microbatch 5 would leave one over; "
                 "4 or 6 would not");
  expect_refused("- mixup: {alpha: 0}\n", true, 8, "alpha");
  expect_refused("- one_of: {apply: [mixup]}\n", true, 1,
                 "microbatch 1 would leave one over; 2 or 4 would not");
  expect_refused("- ten_crops: {size: 5}\n", true, 8,
                 "recipe.yaml:1:3: ten_crops makes 10 views of a picture: it is for data.evaluation");
  expect_refused("- one_of: {apply: [ten_crops: {size: 5}]}\n", false, 8,
                 "ten_crops makes 10 views: it cannot stand inside another augmentation");
  expect_refused("- ten_crops: {size: [5, 9]}\n", false, 8, "a part of 5x9 does not fit in a picture of 9x8");
}

/* ---- colours of the set ---- */

static void colours_of_the_set(void) {
  rig r, given;
  CU_ASSERT_EQUAL_FATAL(make_rig(&r, "colours", "[pca_colour: {from: dataset}]", true), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(
      make_rig(&given, "given",
               "[pca_colour: {eigenvalues: [0.04, 0.02, 0.01], eigenvectors: [0, 0, 1, 1, 0, 0, 0, 1, 0]}]",
               true),
      CVY_OK);
  const cvy_dataset_info *info = cvy_dataset_describe(r.dataset);
  CU_ASSERT(!info->has_colour);
  cvy_loader *loader;
  CU_ASSERT_EQUAL(cvy_loader_create(&loader, &r.config), CVY_E_INPUT);
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "recipe.yaml:1:2: pca_colour: 'from: dataset' needs"));
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), r.dir));
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "convoy prepare"));

  cvy_augment_source known = *cvy_dataset_source(r.dataset);
  known.has_colour = true;
  for (int k = 0; k < 3; k++) known.colour_values[k] = 65025.0f * (k == 0 ? 0.04f : k == 1 ? 0.02f : 0.01f);
  known.colour_vectors[0][1] = known.colour_vectors[1][2] = known.colour_vectors[2][0] = 1;
  static const float px[FLOATS];
  cvy_canvas canvas = {0};
  for (uint32_t sample = 0; sample < 20; sample++) {
    float *drawn[2];
    for (int k = 0; k < 2; k++) {
      cvy_picture picture = cvy_picture_of(px, true, H, W, C);
      cvy_augment_call call = {
          .training = true, .random = {.sample = sample}, .source = &known, .canvas = &canvas};
      CU_ASSERT_EQUAL(cvy_augment_apply(&picture, k ? given.augment : r.augment, &call), CVY_OK);
      CU_ASSERT_EQUAL(cvy_picture_draw(&picture, &drawn[k], &canvas), CVY_OK);
    }
    for (int i = 0; i < FLOATS; i++) CU_ASSERT_DOUBLE_EQUAL((double)drawn[0][i], (double)drawn[1][i], 1e-5);
    CU_ASSERT(drawn[0][0] != 0);
  }
  cvy_canvas_free(&canvas);
  drop_rig(&r), drop_rig(&given);
}

SUITE("mixing", TEST(beta_variates_have_their_moments), TEST(beta_variates_are_distributed_as_said),
      TEST(the_stream_knows_no_ranks_and_threads), TEST(mixup_by_hand), TEST(cutmix_by_hand),
      TEST(one_of_several_mixtures), TEST(sometimes_nothing_is_mixed), TEST(nothing_is_mixed_in_evaluation),
      TEST(views_come_one_after_the_other), TEST(score_of_ten_views_is_that_of_the_mean),
      TEST(hits_of_mixed_images), TEST(errors_point_at_the_recipe), TEST(colours_of_the_set))
