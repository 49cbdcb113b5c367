/* Tests pictures as windows against a plain reference, and the augmentations: identity, statistics,
 * errors. */
#include "arrays.h"

#include "augment/augmentation.h"
#include "augment/chain.h"

#include <math.h>

/* ---- the reference: arrays that are really copied ---- */

enum { MOST = 64 * 64 * 4 };

typedef struct plain {
  int64_t h, w, c;
  float px[MOST];
} plain;

static void plain_place(plain *p, int64_t h, int64_t w, int64_t down, int64_t right, const float fill[]) {
  static plain out;
  out.h = h;
  out.w = w;
  out.c = p->c;
  for (int64_t y = 0; y < h; y++)
    for (int64_t x = 0; x < w; x++)
      for (int64_t k = 0; k < p->c; k++) {
        const int64_t from_y = y - down, from_x = x - right;
        const bool inside = from_y >= 0 && from_y < p->h && from_x >= 0 && from_x < p->w;
        out.px[(y * w + x) * p->c + k] = inside ? p->px[(from_y * p->w + from_x) * p->c + k] : fill[k];
      }
  *p = out;
}

static void plain_mirror(plain *p) {
  static plain out;
  out = *p;
  for (int64_t y = 0; y < p->h; y++)
    for (int64_t x = 0; x < p->w; x++)
      for (int64_t k = 0; k < p->c; k++)
        out.px[(y * p->w + x) * p->c + k] = p->px[(y * p->w + p->w - 1 - x) * p->c + k];
  *p = out;
}

static const float zeros[CVY_MAX_CHANNELS], ones[CVY_MAX_CHANNELS] = {1, 1, 1, 1};

static bool same(cvy_picture *picture, cvy_canvas *canvas, const plain *reference) {
  static float drawn[MOST];
  static cvy_normaliser identity;
  cvy_normaliser_set(&identity, zeros, ones, picture->c);
  if (picture->h != reference->h || picture->w != reference->w || picture->c != reference->c) return false;
  CU_ASSERT_EQUAL_FATAL(cvy_picture_normalise(drawn, picture, canvas, &identity), CVY_OK);
  return memcmp(drawn, reference->px, sizeof(float) * (size_t)(picture->h * picture->w * picture->c)) == 0;
}

static int64_t between(cvy_random *random, int64_t low, int64_t high) {
  return low + cvy_random_next_below(random, high - low + 1);
}

static void windows_equal_copies(void) {
  static plain reference;
  static uint8_t bytes[MOST];
  static float floats[MOST];
  cvy_canvas canvas = {0};
  cvy_random random = {.seed = 3, .purpose = CVY_FOR_TEST};
  for (int trial = 0; trial < 1500; trial++) {
    const int64_t h = between(&random, 1, 12), w = between(&random, 1, 12), c = between(&random, 1, 4);
    const bool is_float = between(&random, 0, 1), channels_first = between(&random, 0, 1);
    cvy_picture picture = cvy_picture_of(is_float ? (void *)floats : (void *)bytes, is_float, h, w, c);
    if (channels_first)
      picture.raster.row_step = w, picture.raster.column_step = 1, picture.raster.channel_step = h * w;
    reference.h = h, reference.w = w, reference.c = c;
    for (int64_t i = 0; i < h * w * c; i++) {
      const int64_t pixel = i / c, k = i % c, at = channels_first ? k * h * w + pixel : i;
      bytes[at] = (uint8_t)between(&random, 0, 255);
      floats[at] = (float)between(&random, -1000, 1000) / 7;
      reference.px[i] = is_float ? floats[at] : (float)bytes[at];
    }
    for (int64_t step = between(&random, 0, 6); step > 0; step--) {
      cvy_edge edge = {.mode = CVY_EDGE_CONSTANT};
      for (int k = 0; k < 4; k++) edge.colour[k] = (float)between(&random, 0, 1) * 3.5f;
      if (between(&random, 0, 2) == 0) {
        CU_ASSERT_EQUAL(cvy_picture_mirror(&picture, &canvas), CVY_OK);
        plain_mirror(&reference);
      } else {
        const int64_t new_h = between(&random, 1, 20), new_w = between(&random, 1, 20);
        const int64_t down = between(&random, -15, 15), right = between(&random, -15, 15);
        CU_ASSERT_EQUAL(cvy_picture_place(&picture, &canvas, new_h, new_w, down, right, &edge), CVY_OK);
        plain_place(&reference, new_h, new_w, down, right, edge.colour);
      }
    }
    float *samples;
    CU_ASSERT_TRUE(same(&picture, &canvas, &reference));
    CU_ASSERT_EQUAL(cvy_picture_draw(&picture, &samples, &canvas), CVY_OK);
    CU_ASSERT_TRUE(same(&picture, &canvas, &reference));
  }
  cvy_canvas_free(&canvas);
}

static void normalising(void) {
  const uint8_t bytes[] = {0, 255, 100, 33, 7, 9};
  const float mean[] = {33.3f, 100.1f, 7}, deviation[] = {77.7f, 0.3f, 1};
  static cvy_normaliser normaliser;
  cvy_canvas canvas = {0};
  float out[12];
  cvy_normaliser_set(&normaliser, mean, deviation, 3);
  cvy_picture picture = cvy_picture_of(bytes, false, 1, 2, 3);
  const cvy_edge edge = {.colour = {mean[0], mean[1], mean[2]}};
  CU_ASSERT_EQUAL(cvy_picture_place(&picture, &canvas, 2, 2, 0, 0, &edge), CVY_OK);
  CU_ASSERT_EQUAL(cvy_picture_normalise(out, &picture, &canvas, &normaliser), CVY_OK);
  cvy_canvas_free(&canvas);
  for (int i = 0; i < 6; i++) CU_ASSERT_EQUAL(out[i], ((float)bytes[i] - mean[i % 3]) / deviation[i % 3]);
  for (int i = 6; i < 12; i++) CU_ASSERT_EQUAL(out[i], 0.0f);
}

/* ---- chains ---- */

typedef struct chain {
  cvy_pool *pool;
  cvy_augment *augment;
  int64_t h, w;
} chain;

static cvy_err make_chain(chain *out, const char *yaml, int64_t h, int64_t w) {
  cvy_yaml *list;
  *out = (chain){.pool = cvy_pool_create()};
  CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&list, out->pool, yaml, "recipe.yaml"), CVY_OK);
  return cvy_augment_create(&out->augment, list, h, w, &out->h, &out->w);
}

static chain chain_of(const char *yaml, int64_t h, int64_t w) {
  chain made;
  const cvy_err err = make_chain(&made, yaml, h, w);
  if (err) printf("\n    %s", cvy_err_message());
  CU_ASSERT_EQUAL_FATAL(err, CVY_OK);
  return made;
}

static void drop(chain *made) {
  cvy_augment_destroy(made->augment);
  cvy_pool_destroy(made->pool);
}

static void expect_error(const char *yaml, int64_t h, int64_t w, const char *expected) {
  chain made;
  CU_ASSERT_EQUAL(make_chain(&made, yaml, h, w), CVY_E_INPUT);
  CU_ASSERT_PTR_NULL(made.augment);
  if (!strstr(cvy_err_message(), expected))
    printf("\n    expected '%s' in '%s'", expected, cvy_err_message());
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), expected));
  drop(&made);
}

/* Makes 10 x 12 bytes, each telling where it lies: 20 y + x. */
static cvy_picture map_picture(void) {
  static uint8_t px[10 * 12];
  for (int y = 0; y < 10; y++)
    for (int x = 0; x < 12; x++) px[y * 12 + x] = (uint8_t)(20 * y + x);
  return cvy_picture_of(px, false, 10, 12, 1);
}

static cvy_canvas canvas;

static cvy_picture run(const chain *of, bool training, int64_t epoch, int64_t sample) {
  static const float mean[CVY_MAX_CHANNELS] = {99.5f};
  cvy_picture picture = map_picture();
  cvy_augment_call call = {.training = training,
                           .random = {.seed = 5, .step = (uint32_t)epoch, .sample = (uint32_t)sample},
                           .mean = mean,
                           .canvas = &canvas};
  CU_ASSERT_EQUAL_FATAL(cvy_augment_apply(&picture, of->augment, &call), CVY_OK);
  return picture;
}

/* Returns the picture's samples, [h][w]. */
static const float *drawn(const cvy_picture *picture) {
  static float out[MOST];
  static cvy_normaliser identity;
  cvy_normaliser_set(&identity, zeros, ones, 1);
  cvy_picture copy = *picture;
  CU_ASSERT_EQUAL(cvy_picture_normalise(out, &copy, &canvas, &identity), CVY_OK);
  return out;
}

static void sizes(void) {
  chain a = chain_of("[{pad: {by: [2, 1]}}, {crop: {size: 11}}, mirror]", 10, 12);
  CU_ASSERT_TRUE(a.h == 11 && a.w == 11);
  drop(&a);
  a = chain_of("[mirror, {pad: {by: 3}}]", 0, 0);
  CU_ASSERT_TRUE(a.h == 0 && a.w == 0);
  drop(&a);
  a = chain_of("- crop: {size: [5, 7]}", 0, 0);
  CU_ASSERT_TRUE(a.h == 5 && a.w == 7);
  drop(&a);
  cvy_augment *none;
  int64_t h, w;
  CU_ASSERT_EQUAL_FATAL(cvy_augment_create(&none, NULL, 3, 4, &h, &w), CVY_OK);
  CU_ASSERT_TRUE(h == 3 && w == 4);
  cvy_augment_destroy(none);
}

static void errors_point_at_the_recipe(void) {
  expect_error("- mirror\n- crop: {size: [11, 5]}\n", 10, 12,
               "recipe.yaml:2:3: crop: a part of 11x5 does not fit in a picture of 10x12");
  expect_error("- translate: {by: [10, 0]}", 10, 12, "recipe.yaml:1:3: translate: a move by 10x0");
  expect_error("- pad: {by: 1, fill: grey}", 10, 12, "recipe.yaml:1:3: pad: 'fill' must be a number");
  expect_error("- pad: {by: 1, fill: inf}", 10, 12, "'fill' must be a number");
  expect_error("- crop", 10, 12, "crop needs 'size'");
  expect_error("- crop: {size: 0}", 10, 12, "recipe.yaml:1:16: 'size' must be");
  expect_error("- mirrr", 10, 12, "unknown augmentation 'mirrr'; did you mean 'mirror'?");
  expect_error("- mirror: {probability: 1.5}", 10, 12, "from 0 to 1");
  expect_error("crop: {size: 3}", 10, 12, "recipe.yaml:1:1: expected a list of augmentations");
  chain a = chain_of("- crop: {size: 11}", 0, 0);
  cvy_picture picture = map_picture();
  cvy_augment_call call = {.training = true, .canvas = &canvas};
  CU_ASSERT_EQUAL(cvy_augment_apply(&picture, a.augment, &call), CVY_E_INPUT);
  CU_ASSERT_PTR_NOT_NULL(
      strstr(cvy_err_message(), "crop: a part of 11x11 does not fit in a picture of 10x12"));
  drop(&a);
}

static void identity(void) {
  static const char *const chains[] = {
      "- crop: {size: [10, 12]}", "- mirror: {probability: 0}", "- pad: {by: 0}", "- translate: {by: 0}",
      "- resize: {size: [10, 12]}", "- centre_crop: {size: [10, 12]}",
      "- random_resized_crop: {size: [10, 12], least_area: 1, least_aspect: 1.2, most_aspect: 1.2}",
      "- scale_jitter: {from: 10, to: 10}", "- rotate: {by: 0}", "- shear: {by: 0}", "- stretch: {by: 1}",
      "- zoom: {by: 1}", "- lens: {by: 0}", "- elastic: {by: 0}",
      /* test_colour.c has more about these */
      "- brightness: {by: 0}", "- contrast: {by: 0}", "- saturation: {by: 0}", "- hue: {by: 0}",
      "- colour_jitter", "- colour_shift: {by: 0}", "- pca_colour: {deviation: 0}",
      "- grey: {probability: 0}", "- gaussian_noise: {deviation: 0}", "- cutout: {size: 0}",
      "- solarize: {probability: 0}", "- sometimes: {probability: 0, apply: [mirror]}",
      "- one_of: {apply: [[]]}",
      /* test_mixing.c has more about these */
      "- mixup", "- cutmix", "- ten_crops: {size: [10, 12]}"};
  CU_ASSERT_EQUAL(CVY_COUNT(chains), cvy_augmentation_count()); /* a new one must be added here */
  const cvy_picture original = map_picture();
  float expected[120];
  memcpy(expected, drawn(&original), sizeof expected);
  for (int i = 0; i < CVY_COUNT(chains); i++) {
    chain a = chain_of(chains[i], 10, 12);
    const cvy_picture picture = run(&a, true, i, 7);
    CU_ASSERT_EQUAL(memcmp(drawn(&picture), expected, sizeof expected), 0);
    drop(&a);
  }
}

static void evaluation_is_not_random(void) {
  chain a = chain_of("[mirror, {translate: {by: 3}}, {pad: {by: 1, fill: 200}}, {crop: {size: [6, 7]}}]", 10,
                     12);
  for (int i = 0; i < 20; i++) {
    const cvy_picture picture = run(&a, false, i, 31 * i);
    CU_ASSERT_TRUE(picture.h == 6 && picture.w == 7);
    /* The crop begins after (12 - 6) / 2 - 1 = 2 rows and (14 - 7) / 2 - 1 = 2 columns. */
    for (int p = 0; p < 42; p++) CU_ASSERT_EQUAL(drawn(&picture)[p], (float)(20 * (2 + p / 7) + 2 + p % 7));
  }
  drop(&a);
}

static void keyed_by_epoch_and_sample(void) {
  chain a = chain_of("[{crop: {size: 6}}, mirror, {translate: {by: 2}}]", 10, 12);
  int differ_by_epoch = 0, differ_by_sample = 0;
  for (int i = 0; i < 100; i++) {
    float first[36];
    cvy_picture picture = run(&a, true, 1, i);
    memcpy(first, drawn(&picture), sizeof first);
    picture = run(&a, true, 1, i);
    CU_ASSERT_EQUAL(memcmp(first, drawn(&picture), sizeof first), 0);
    picture = run(&a, true, 2, i);
    differ_by_epoch += memcmp(first, drawn(&picture), sizeof first) != 0;
    picture = run(&a, true, 1, i + 1);
    differ_by_sample += memcmp(first, drawn(&picture), sizeof first) != 0;
  }
  CU_ASSERT(differ_by_epoch > 95 && differ_by_sample > 95);
  drop(&a);
}

enum { DRAWS = 10000 };

static void crop_statistics(void) {
  chain a = chain_of("- crop: {size: [6, 9]}", 10, 12);
  int corners[5 * 4] = {0};
  for (int i = 0; i < DRAWS; i++) {
    const cvy_picture picture = run(&a, true, 0, i);
    const int corner = (int)drawn(&picture)[0], y = corner / 20, x = corner % 20;
    CU_ASSERT_TRUE_FATAL(y <= 4 && x <= 3);
    corners[y * 4 + x]++;
    CU_ASSERT_EQUAL(drawn(&picture)[53], (float)(20 * (y + 5) + x + 8));
  }
  CU_ASSERT_TRUE(is_even(corners, 20, DRAWS));
  drop(&a);
}

static void mirror_statistics(void) {
  chain a = chain_of("- mirror: {probability: 0.3}", 10, 12);
  int mirrored = 0;
  for (int i = 0; i < DRAWS; i++) {
    const cvy_picture picture = run(&a, true, 0, i);
    const int first = (int)drawn(&picture)[0];
    CU_ASSERT_TRUE(first == 0 || first == 11);
    mirrored += first == 11;
  }
  CU_ASSERT_DOUBLE_EQUAL(mirrored, 0.3 * DRAWS, 5 * sqrt(0.3 * 0.7 * DRAWS));
  drop(&a);
}

static void translate_statistics(void) {
  chain a = chain_of("- translate: {by: [1, 2], fill: 250}", 10, 12);
  chain b = chain_of("- translate: {by: [1, 2]}", 10, 12);
  int moves[3 * 5] = {0};
  for (int i = 0; i < DRAWS; i++) {
    cvy_picture picture = run(&a, true, 0, i);
    const int centre = (int)drawn(&picture)[5 * 12 + 6], down = 5 - centre / 20, right = 6 - centre % 20;
    CU_ASSERT_TRUE_FATAL(abs(down) <= 1 && abs(right) <= 2);
    moves[(down + 1) * 5 + right + 2]++;
    const int filled = 120 - (10 - abs(down)) * (12 - abs(right));
    int with_value = 0, with_mean = 0;
    for (int p = 0; p < 120; p++) with_value += drawn(&picture)[p] == 250;
    picture = run(&b, true, 0, i);
    for (int p = 0; p < 120; p++) with_mean += drawn(&picture)[p] == 99.5f;
    CU_ASSERT_TRUE(with_value == filled && with_mean == filled);
  }
  CU_ASSERT_TRUE(is_even(moves, 15, DRAWS));
  drop(&a);
  drop(&b);
}

/* Two mirrors in a chain draw different numbers. */
static void links_are_independent(void) {
  chain a = chain_of("[mirror, mirror]", 10, 12);
  int mirrored = 0;
  for (int i = 0; i < DRAWS; i++) {
    const cvy_picture picture = run(&a, true, 0, i);
    mirrored += drawn(&picture)[0] == 11;
  }
  CU_ASSERT_DOUBLE_EQUAL(mirrored, DRAWS / 2, 5 * sqrt(DRAWS / 4.0));
  drop(&a);
}

/* Checks what a chain makes of six bytes, a row of 6 / c pixels of c channels. */
static void expect_samples(const char *yaml, bool training, int64_t c, const float expected[6]) {
  static const uint8_t bytes[6] = {0, 50, 127, 128, 200, 255};
  chain a = chain_of(yaml, 1, 6 / c);
  cvy_picture picture = cvy_picture_of(bytes, false, 1, 6 / c, c);
  cvy_augment_call call = {.training = training, .random = {.seed = 5}, .mean = zeros, .canvas = &canvas};
  float *samples;
  CU_ASSERT_EQUAL_FATAL(cvy_augment_apply(&picture, a.augment, &call), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_picture_draw(&picture, &samples, &canvas), CVY_OK);
  for (int i = 0; i < 6; i++) CU_ASSERT_EQUAL(samples[i], expected[i]);
  drop(&a);
}

static void solarized_by_hand(void) {
  for (int64_t c = 1; c <= 3; c++) {
    expect_samples("- solarize: {probability: 1}", true, c, (float[]){0, 50, 127, 127, 55, 0});
    expect_samples("- solarize: {probability: 1}", false, c, (float[]){0, 50, 127, 128, 200, 255});
    expect_samples("- solarize: {threshold: 50, probability: 1}", true, c,
                   (float[]){0, 205, 128, 127, 55, 0});
    expect_samples("- solarize: {threshold: 0, probability: 1}", true, c,
                   (float[]){255, 205, 128, 127, 55, 0});
    expect_samples("- solarize: {threshold: 127.5, probability: 1}", true, c,
                   (float[]){0, 50, 127, 127, 55, 0});
    expect_samples("- solarize: {threshold: 256, probability: 1}", true, c,
                   (float[]){0, 50, 127, 128, 200, 255});
  }
}

static void solarize_statistics(void) {
  chain a = chain_of("- solarize", 10, 12);
  int solarized = 0;
  for (int i = 0; i < DRAWS; i++) {
    const cvy_picture picture = run(&a, true, 0, i);
    const float last = drawn(&picture)[119]; /* 20 * 9 + 11 = 191, or 255 - 191 */
    CU_ASSERT_TRUE(last == 191 || last == 64);
    solarized += last == 64;
  }
  CU_ASSERT_DOUBLE_EQUAL(solarized, DRAWS / 2, 5 * sqrt(DRAWS / 4.0));
  drop(&a);
}

/* ---- the same chain, for another way of evaluating ---- */

/* Checks what becomes of a chain, written out flat. */
static void check_chain(cvy_err err, const cvy_yaml *list, const char *want) {
  char *text = list ? cvy_yaml_text(list) : NULL;
  CU_ASSERT_EQUAL(err, CVY_OK);
  CU_ASSERT_PTR_NOT_NULL_FATAL(text);
  if (strcmp(text, want) != 0) printf("  it is\n%s  and not\n%s", text, want);
  CU_ASSERT_STRING_EQUAL(text, want);
  free(text);
}

static void other_views_of_a_chain(void) {
  cvy_pool *pool = cvy_pool_create();
  cvy_yaml *given, *out;
  CU_ASSERT_EQUAL_FATAL(
      cvy_yaml_parse(&given, pool, "[{resize: {shorter: 36}}, {crop: {size: 32}}, mirror]", "chain"), CVY_OK);
  const cvy_err ten = cvy_augment_recrop(&out, pool, given, 10, 32, 30);
  check_chain(ten, out,
              "- resize:\n    size: [0, 0]\n    shorter: 36\n- ten_crops:\n    size: [32, 30]\n"
              "- mirror:\n    probability: 0.5\n");
  const cvy_err one = cvy_augment_recrop(&out, pool, out, 1, 32, 30);
  check_chain(one, out,
              "- resize:\n    size: [0, 0]\n    shorter: 36\n- centre_crop:\n    size: [32, 30]\n"
              "- mirror:\n    probability: 0.5\n");
  const cvy_err whole = cvy_augment_uncropped(&out, pool, given, 48);
  check_chain(whole, out, "- resize:\n    shorter: 48\n- mirror:\n    probability: 0.5\n");
  const cvy_err none = cvy_augment_uncropped(&out, pool, NULL, 48);
  check_chain(none, out, "- resize:\n    shorter: 48\n");
  cvy_pool_destroy(pool);
}

static void chains_without_a_crop(void) {
  cvy_pool *pool = cvy_pool_create();
  cvy_yaml *given, *out;
  CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&given, pool, "[mirror]", "chain"), CVY_OK);
  CU_ASSERT_EQUAL(cvy_augment_recrop(&out, pool, given, 10, 224, 224), CVY_E_USAGE);
  CU_ASSERT_PTR_NULL(out);
  CU_ASSERT_TRUE(
      says("nothing that pictures go through cuts out a part of them; say all that pictures go through "
           "instead: data.evaluation='[{resize: {shorter: 256}}, {ten_crops: {size: [224, 224]}}]'"));
  CU_ASSERT_EQUAL(cvy_augment_recrop(&out, pool, given, 1, 32, 48), CVY_E_USAGE);
  CU_ASSERT_TRUE(says("'[{resize: {shorter: 54}}, {centre_crop: {size: [32, 48]}}]'"));
  CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&given, pool, "[{random_resized_crop: {size: 224}}]", "chain"),
                        CVY_OK);
  CU_ASSERT_EQUAL(cvy_augment_recrop(&out, pool, given, 1, 224, 224), CVY_E_USAGE);
  CU_ASSERT_TRUE(says("random_resized_crop cuts and scales at once; say all"));
  cvy_pool_destroy(pool);
}

/* What brings pictures to a size says so: whatever else changes their size in evaluation is here by name. */
static void what_cuts_and_scales_says_so(void) {
  for (int64_t i = 0; i < cvy_augmentation_count(); i++) {
    const cvy_augmentation *type = cvy_augmentation_at(i);
    const char *example = type->example ? type->example : "{}";
    char text[200];
    snprintf(text, sizeof text, "[{%s: %s}]", type->kind.name, example);
    if (type->mix && !type->mixes) continue;
    cvy_pool *pool = cvy_pool_create();
    cvy_yaml *list;
    cvy_augment *augment;
    int64_t h, w;
    CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&list, pool, text, "chain"), CVY_OK);
    CU_ASSERT_EQUAL_FATAL(cvy_augment_create(&augment, list, 60, 80, &h, &w), CVY_OK);
    const bool changes = h != 60 || w != 80;
    CU_ASSERT_EQUAL(changes, type->cuts || type->scales || strcmp(type->kind.name, "pad") == 0);
    cvy_augment_destroy(augment);
    cvy_pool_destroy(pool);
  }
}

SUITE("augment", TEST(windows_equal_copies), TEST(normalising), TEST(sizes), TEST(errors_point_at_the_recipe),
      TEST(identity), TEST(evaluation_is_not_random), TEST(keyed_by_epoch_and_sample), TEST(crop_statistics),
      TEST(mirror_statistics), TEST(translate_statistics), TEST(links_are_independent),
      TEST(solarized_by_hand), TEST(solarize_statistics), TEST(other_views_of_a_chain),
      TEST(chains_without_a_crop), TEST(what_cuts_and_scales_says_so))
