/* Tests the augmentations that compute samples: against references in double precision and against
 * torchvision, identity, statistics, evaluation, errors. */
#include "arrays.h"

#include "augment/chain.h"
#include "augment/pixels.h"

/* ---- the reference ---- */

static double luma(const double *rgb) {
  return 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
}

static double clamped(double x) {
  return x < 0 ? 0 : x > 255 ? 255 : x;
}

/* Turns the hue by the six sectors of HSV. */
static void reference_hue(double *rgb, double turns) {
  const double most = fmax(rgb[0], fmax(rgb[1], rgb[2])), chroma = most - fmin(rgb[0], fmin(rgb[1], rgb[2]));
  if (chroma == 0) return;
  double hue = most == rgb[0]   ? (rgb[1] - rgb[2]) / chroma
               : most == rgb[1] ? (rgb[2] - rgb[0]) / chroma + 2
                                : (rgb[0] - rgb[1]) / chroma + 4;
  hue = fmod(hue + 6 * turns + 12, 6);
  const int sector = (int)hue;
  const double part = hue - sector, p = most - chroma, q = most - chroma * part,
               t = most - chroma * (1 - part);
  const double of[6][3] = {{most, t, p}, {q, most, p}, {p, most, t},
                           {p, q, most}, {t, p, most}, {most, p, q}};
  memcpy(rgb, of[sector % 6], sizeof of[0]);
}

static void reference_adjust(double *px, int64_t pixels, int64_t c, const cvy_adjustment *how) {
  const double amount = (double)how->amount;
  double mean = 0;
  for (int64_t i = 0; i < pixels; i++) mean += (c == 3 ? luma(px + 3 * i) : px[i]) / (double)pixels;
  for (int64_t i = 0; i < pixels; i++) {
    const double grey = c == 3 ? luma(px + 3 * i) : px[i];
    const double other = how->tone == CVY_CONTRAST ? mean : how->tone == CVY_SATURATION ? grey : 0;
    if (how->tone == CVY_HUE)
      reference_hue(px + 3 * i, amount);
    else
      for (int64_t k = 0; k < c; k++) px[c * i + k] = clamped(amount * px[c * i + k] + (1 - amount) * other);
  }
}

/* Makes bytes, and among them enough greys, full colours and equal channels. */
static void colours(float *px, int64_t count, uint32_t which) {
  cvy_random random = {.seed = 8, .purpose = CVY_FOR_TEST, .step = which};
  for (int64_t i = 0; i < count; i++) {
    const int64_t kind = cvy_random_next_below(&random, 6);
    px[i] = kind == 0 && i ? px[i - 1]
            : kind == 1    ? (float)(255 * cvy_random_next_below(&random, 2))
                           : (float)cvy_random_next_below(&random, 256);
  }
}

/* This takes every adjustment and every order of two, three and four, with factors up to 2. Each step rounds
 * some times, at 2^-24 of at most 255 * 2 + 255, and the next may double what is there: 1e-4 a step, and 1e-3
 * for four. */
static void adjusting_equals_the_reference(void) {
  cvy_random random = {.seed = 9, .purpose = CVY_FOR_TEST};
  for (uint32_t trial = 0; trial < 400; trial++) {
    const int64_t c = trial % 4 ? 3 : 1, pixels = 1 + cvy_random_next_below(&random, 700), count = pixels * c;
    cvy_adjustment list[CVY_TONES];
    const double by[CVY_TONES] = {trial & 1 ? 1 : 0.3, trial & 2 ? 1 : 0, c == 3 ? 1 : 0, c == 3 ? 0.5 : 0};
    const int64_t steps = cvy_colour_draw(list, by, &random);
    float *px = array(count);
    double *want = array_of_bytes(sizeof *want * (size_t)count);
    double *tolerance = array_of_bytes(sizeof *tolerance * (size_t)count);
    colours(px, count, trial);
    for (int64_t i = 0; i < count; i++) want[i] = (double)px[i], tolerance[i] = 1e-3;
    for (int64_t i = 0; i < steps; i++) reference_adjust(want, pixels, c, &list[i]);
    cvy_colour_adjust(px, pixels, c, list, steps);
    CU_ASSERT_TRUE(all_near("adjusted", px, want, tolerance, count));
    free(px), free(want), free(tolerance);
  }
}

/* The second of two contrasts sees what the first made. */
static void one_after_the_other(void) {
  float px[3 * 300], other[3 * 300];
  const cvy_adjustment list[] = {
      {CVY_CONTRAST, 1.7f}, {CVY_HUE, 0.2f}, {CVY_CONTRAST, 0.4f}, {CVY_CONTRAST, 1.2f}};
  colours(px, 900, 1);
  memcpy(other, px, sizeof px);
  cvy_colour_adjust(px, 300, 3, list, 4);
  for (int i = 0; i < 4; i++) cvy_colour_adjust(other, 300, 3, &list[i], 1);
  CU_ASSERT_TRUE(same_bits(px, other, 900));
}

/* The bits are the same whatever the processor has. */
static void same_bits_without_avx2(void) {
  cvy_random random = {.seed = 10, .purpose = CVY_FOR_TEST};
  const double by[] = {1, 1, 1, 0.5};
  static float px[3 * 999], other[3 * 999];
  for (uint32_t trial = 0; trial < 100; trial++) {
    cvy_adjustment list[CVY_TONES];
    const int64_t count = cvy_colour_draw(list, by, &random), pixels = 999 - trial;
    colours(px, 3 * pixels, trial);
    memcpy(other, px, sizeof px);
    cvy_colour_adjust(px, pixels, 3, list, count);
    setenv("CONVOY_KERNELS", "portable", 1);
    cvy_colour_adjust(other, pixels, 3, list, count);
    unsetenv("CONVOY_KERNELS");
    CU_ASSERT_TRUE(same_bits(px, other, 3 * pixels));
  }
}

static void factor_of_one_is_identity(void) {
  float px[3 * 300], before[3 * 300];
  colours(px, 900, 2);
  memcpy(before, px, sizeof px);
  const cvy_adjustment list[] = {{CVY_BRIGHTNESS, 1}, {CVY_CONTRAST, 1}, {CVY_SATURATION, 1}};
  cvy_colour_adjust(px, 300, 3, list, 3);
  CU_ASSERT_TRUE(same_bits(px, before, 900));
  cvy_colour_adjust(px, 300, 3, NULL, 0);
  CU_ASSERT_TRUE(same_bits(px, before, 900));
}

/* The hue is turned forth and back. It is kept to 2^-22 of a turn, and that is times a chroma of 255. */
static void hue_there_and_back(void) {
  float px[3 * 500], before[3 * 500];
  for (int trial = 0; trial < 41; trial++) {
    const float turns = (float)(trial - 20) / 40;
    const cvy_adjustment list[] = {{CVY_HUE, turns}, {CVY_HUE, -turns}};
    colours(px, 1500, 3);
    memcpy(before, px, sizeof px);
    cvy_colour_adjust(px, 500, 3, list, 2);
    double most = 0;
    for (int i = 0; i < 1500; i++) most = fmax(most, fabs((double)px[i] - (double)before[i]));
    CU_ASSERT_TRUE(most < 5e-4);
  }
}

/* torchvision's luma has 0.2989 for our 0.299, which is 0.026 for white, times at most 1 - amount = 1; its
 * numbers have six digits, its hue goes by 0 to 1: 0.06 in all. */
static void equals_torchvision(void) {
  static const char *const tones[] = {"brightness", "contrast", "saturation", "hue"};
  cvy_pool *pool = cvy_pool_create();
  cvy_yaml *root;
  CU_ASSERT_EQUAL_FATAL(
      cvy_yaml_load(&root, pool,
                    cvy_pool_format(pool, "%s/tests/reference/colour.yaml", getenv("CONVOY_SOURCE"))),
      CVY_OK);
  const cvy_yaml *in = cvy_yaml_get(root, "colours"), *cases = cvy_yaml_get(root, "cases");
  CU_ASSERT_FATAL(in && cases && cases->count == 18);
  for (int64_t n = 0; n < cases->count; n++) {
    const cvy_yaml *out = cvy_yaml_get(cases->items[n], "colours");
    const char *tone = cvy_yaml_get(cases->items[n], "tone")->text;
    cvy_adjustment how = {.amount = strtof(cvy_yaml_get(cases->items[n], "amount")->text, NULL)};
    while (strcmp(tones[how.tone], tone) != 0) how.tone++;
    float *px = array(in->count);
    for (int64_t i = 0; i < in->count; i++) px[i] = strtof(in->items[i]->text, NULL);
    cvy_colour_adjust(px, in->count / 3, 3, &how, 1);
    for (int64_t i = 0; i < in->count; i++)
      CU_ASSERT_DOUBLE_EQUAL(px[i], strtod(out->items[i]->text, NULL), 0.06);
    free(px);
  }
  cvy_pool_destroy(pool);
}

/* ---- chains ---- */

enum { H = 10, W = 12, C = 3, ALL = H * W * C };

static const float mean[CVY_MAX_CHANNELS] = {99.5f, 100.5f, 101.5f};

static cvy_err make_chain(cvy_augment **out, const char *text, int64_t channels) {
  cvy_pool *pool = cvy_pool_create();
  cvy_yaml *list;
  int64_t h, w;
  CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&list, pool, text, "recipe.yaml"), CVY_OK);
  cvy_err err = cvy_augment_create(out, list, H, W, &h, &w);
  cvy_pool_destroy(pool); /* the rest must not need it */
  if (!err && (err = cvy_augment_check_channels(*out, channels))) {
    cvy_augment_destroy(*out);
    *out = NULL;
  }
  return err;
}

static cvy_augment *chain_of(const char *text) {
  cvy_augment *made;
  if (make_chain(&made, text, C)) printf("\n    %s", cvy_err_message());
  CU_ASSERT_PTR_NOT_NULL_FATAL(made);
  return made;
}

static void expect_error(const char *text, int64_t channels, const char *expected) {
  cvy_augment *made;
  CU_ASSERT_EQUAL(make_chain(&made, text, channels), CVY_E_INPUT);
  CU_ASSERT_PTR_NULL(made);
  if (!strstr(cvy_err_message(), expected))
    printf("\n    expected '%s' in '%s'", expected, cvy_err_message());
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), expected));
}

/* Runs a chain on `px`, h x w x c floats or bytes; the result is in `out`. */
static cvy_picture run_on(float *out, const cvy_augment *chain, bool training, int64_t sample,
                          cvy_picture picture) {
  static const float zeros[CVY_MAX_CHANNELS], ones[CVY_MAX_CHANNELS] = {1, 1, 1, 1};
  static cvy_canvas canvas;
  static cvy_normaliser identity;
  cvy_augment_call call = {.training = training,
                           .random = {.seed = 5, .step = 1, .sample = (uint32_t)sample},
                           .mean = mean,
                           .canvas = &canvas};
  CU_ASSERT_EQUAL_FATAL(cvy_augment_apply(&picture, chain, &call), CVY_OK);
  cvy_normaliser_set(&identity, zeros, ones, picture.c);
  CU_ASSERT_EQUAL_FATAL(cvy_picture_normalise(out, &picture, &canvas, &identity), CVY_OK);
  return picture;
}

static const uint8_t *photograph(void) {
  static uint8_t px[ALL];
  static float floats[ALL];
  if (px[0] || px[1] || px[2]) return px;
  colours(floats, ALL, 4);
  for (int i = 0; i < ALL; i++) px[i] = (uint8_t)floats[i];
  return px;
}

static cvy_picture run(float *out, const cvy_augment *chain, bool training, int64_t sample) {
  return run_on(out, chain, training, sample, cvy_picture_of(photograph(), false, H, W, C));
}

static bool unchanged(const float *px) {
  for (int i = 0; i < ALL; i++)
    if (px[i] != (float)photograph()[i]) return false;
  return true;
}

static void identity(void) {
  static const char *const chains[] = {
      "- brightness: {by: 0}",
      "- contrast: {by: 0}",
      "- saturation: {by: 0}",
      "- hue: {by: 0}",
      "- colour_jitter",
      "- colour_shift: {by: 0}",
      "- pca_colour: {deviation: 0}",
      "- grey: {probability: 0}",
      "- gaussian_noise: {deviation: 0}",
      "- cutout: {size: 0}",
      "- cutout: {size: 5, count: 0}",
      "- sometimes: {probability: 0, apply: [hue: {by: 0.5}]}",
      "- sometimes: {probability: 1, apply: []}",
      "- one_of: {apply: [hue: {by: 0.5}, []], weights: [0, 1]}",
  };
  float out[ALL];
  for (int i = 0; i < CVY_COUNT(chains); i++) {
    cvy_augment *chain = chain_of(chains[i]);
    run(out, chain, true, i);
    CU_ASSERT_TRUE(unchanged(out));
    cvy_augment_destroy(chain);
  }
}

static void evaluation_changes_nothing(void) {
  static const char *const chains[] = {
      "- brightness: {by: 1}",
      "- contrast: {by: 1}",
      "- saturation: {by: 1}",
      "- hue: {by: 0.5}",
      "- colour_jitter: {brightness: 1, contrast: 1, saturation: 1, hue: 0.5}",
      "- colour_shift",
      "- pca_colour",
      "- grey: {probability: 1}",
      "- gaussian_noise: {deviation: 9}",
      "- cutout: {size: 5, count: 3}",
      "- sometimes: {probability: 1, apply: [mirror: {probability: 1}, pad: {by: 0}]}",
      "- one_of: {apply: [hue: {by: 0.5}, mirror: {probability: 1}]}",
  };
  float out[ALL];
  for (int i = 0; i < CVY_COUNT(chains); i++) {
    cvy_augment *chain = chain_of(chains[i]);
    int changed = 0;
    for (int sample = 0; sample < 20; sample++) {
      run(out, chain, false, sample);
      CU_ASSERT_TRUE(unchanged(out));
      run(out, chain, true, sample);
      changed += !unchanged(out);
    }
    CU_ASSERT_TRUE(changed > 5); /* otherwise this test would not tell anything */
    cvy_augment_destroy(chain);
  }
}

static void errors(void) {
  static const char *const for_rgb[] = {"saturation: {by: 0.1}", "hue: {by: 0.1}", "grey", "pca_colour",
                                        "colour_jitter: {saturation: 0.1}"};
  char text[200], expected[200];
  for (int i = 0; i < CVY_COUNT(for_rgb); i++) {
    snprintf(text, sizeof text, "- mirror\n- %s\n", for_rgb[i]);
    snprintf(expected, sizeof expected, "recipe.yaml:2:3: %.*s: is for pictures of 3 channels",
             (int)strcspn(for_rgb[i], ":"), for_rgb[i]);
    expect_error(text, 1, expected);
    snprintf(text, sizeof text, "- sometimes:\n    apply: [{%s}]\n",
             strchr(for_rgb[i], ':') ? for_rgb[i] : "grey: {}");
    if (strchr(for_rgb[i], ':')) expect_error(text, 4, "recipe.yaml:2:13: ");
  }
  expect_error("- contrast: {by: 0.1}", 4, "contrast: is for pictures of 1 or 3 channels");
  expect_error("- colour_jitter: {contrast: 0.1}", 2, "these have 2");
  expect_error("- one_of: {apply: [mirror, hue: {by: 0.1}]}", 1, "hue: is for pictures of 3 channels");
  expect_error("- brightness", 3, "brightness needs 'by'");
  expect_error("- hue: {by: 0.6}", 3, "recipe.yaml:1:13: 'by' must be a number from 0 to 0.5, not '0.6'");
  expect_error("- colour_jitter: {brightness: -1}", 3, "'brightness' must be a number from 0");
  expect_error("- color_jitter", 3, "unknown augmentation 'color_jitter'; did you mean 'colour_jitter'?");
  expect_error("- pca_colour: {eigenvalues: [1, 2]}", 3,
               "recipe.yaml:1:3: pca_colour: 'eigenvalues' must be 3 numbers, not 2");
  expect_error("- pca_colour: {eigenvectors: [1, 2, x]}", 3, "recipe.yaml:1:37: 'eigenvectors' must be");
  expect_error("- pca_colour: {eigenvectors: [1, 2]}", 3,
               "9 numbers, three for each of red, green, blue, not 2");
  expect_error("- gaussian_noise", 3, "gaussian_noise needs 'deviation'");
  expect_error("- cutout: {size: 3, fill: red}", 3, "recipe.yaml:1:3: cutout: 'fill' must be a number");
  expect_error("- mirror\n- sometimes", 3, "recipe.yaml:2:3: sometimes needs 'apply'");
  expect_error("- sometimes: {apply: [mirrr]}", 3, "recipe.yaml:1:23: unknown augmentation 'mirrr'");
  expect_error("- sometimes: {apply: [crop: {size: 5}]}", 3,
               "recipe.yaml:1:3: sometimes: pictures would be 5x5 with it and 10x12 without it");
  expect_error("- one_of: {apply: mirror}", 3, "recipe.yaml:1:19: one_of needs 'apply', a list");
  expect_error("- one_of: {apply: []}", 3, "one_of needs 'apply', a list");
  expect_error("- one_of: {apply: [mirror, grey], weights: [1]}", 3, "1 weights for 2 augmentations");
  expect_error("- one_of: {apply: [mirror], weights: [0]}", 3, "all weights are 0");
  expect_error("- one_of: {apply: [mirror, crop: {size: 5}]}", 3,
               "one_of: with its first pictures would be 10x12, with number 2 5x5");
  expect_error("- one_of: {apply: [[mirror, crop: {size: 50}]]}", 3,
               "recipe.yaml:1:29: crop: a part of 50x50");
}

/* Brightness and contrast of grey pictures are nothing special. */
static void grey_pictures(void) {
  static const uint8_t px[] = {10, 100, 250, 0};
  float out[4];
  cvy_augment *chain;
  CU_ASSERT_EQUAL_FATAL(make_chain(&chain, "- colour_jitter: {contrast: 0.9}", 1), CVY_OK);
  run_on(out, chain, true, 3, cvy_picture_of(px, false, 2, 2, 1));
  const double factor = ((double)out[1] - 90) / 10; /* the mean is 90 */
  CU_ASSERT_TRUE(factor > 0.1 && factor < 1.9 && fabs(factor - 1) > 0.01);
  CU_ASSERT_DOUBLE_EQUAL(out[0], clamped(90 - 80 * factor), 1e-3);
  CU_ASSERT_DOUBLE_EQUAL(out[2], clamped(90 + 160 * factor), 1e-3);
  cvy_augment_destroy(chain);
}

/* What lies on the canvas is changed there, but not where a window hides a part of it. */
static void between_windows(void) {
  float grey[ALL], out[2 * ALL];
  cvy_augment *chain = chain_of("- grey: {probability: 1}");
  run(grey, chain, true, 0);
  for (int i = 0; i < ALL; i += 3) {
    const double rgb[] = {photograph()[i], photograph()[i + 1], photograph()[i + 2]};
    CU_ASSERT_DOUBLE_EQUAL(grey[i], luma(rgb), 1e-4);
    CU_ASSERT_TRUE(grey[i] == grey[i + 1] && grey[i] == grey[i + 2]);
  }
  cvy_augment_destroy(chain);
  chain = chain_of(
      "[grey: {probability: 1}, grey: {probability: 1}, pad: {by: [0, 1], fill: 9}, grey: {probability: 1}]");
  CU_ASSERT_EQUAL(run(out, chain, true, 0).w, W + 2);
  for (int y = 0; y < H; y++)
    for (int x = 0; x < W + 2; x++) {
      const bool border = x == 0 || x == W + 1;
      CU_ASSERT_DOUBLE_EQUAL(out[(y * (W + 2) + x) * 3 + 1], border ? 9 : grey[(y * W + x - 1) * 3], 1e-3);
    }
  cvy_augment_destroy(chain);
  chain = chain_of("[grey: {probability: 1}, mirror: {probability: 1}, grey: {probability: 1}, pad: {by: 1}, "
                   "crop: {size: [10, 12]}, "
                   "grey: {probability: 1}, mirror: {probability: 1}]");
  int found = 0;
  run(out, chain, true, 0);
  for (int down = -1; down <= 1; down++)
    for (int right = -1; right <= 1; right++) {
      bool same = true;
      for (int y = 1; y < H - 1; y++)
        for (int x = 1; x < W - 1; x++)
          same &= fabsf(out[(y * W + x) * 3] - grey[((y + down) * W + x + right) * 3]) < 1e-3f;
      found += same;
    }
  CU_ASSERT_EQUAL(found, 1);
  cvy_augment_destroy(chain);
}

/* The windows begin where the canvas does, so all that they show is covered. */
static void parts_of_a_canvas(void) {
  static const char *const chains[] = {
      "[grey: {probability: 1}, crop: {size: [10, 5]}, cutout: {size: 99, fill: 7}]",
      "[grey: {probability: 1}, crop: {size: [5, 12]}, cutout: {size: 99, fill: 7}]",
      "[grey: {probability: 1}, pad: {by: [1, 0], fill: 9}, cutout: {size: 99, fill: 7}]",
      "[grey: {probability: 1}, pad: {by: [0, 1], fill: 9}, cutout: {size: 99, fill: 7}]",
  };
  float out[2 * ALL];
  for (int n = 0; n < CVY_COUNT(chains); n++) {
    cvy_augment *chain = chain_of(chains[n]);
    for (int sample = 0; sample < 50; sample++) {
      const cvy_picture picture = run(out, chain, true, sample);
      for (int64_t i = 0; i < picture.h * picture.w * C; i++) CU_ASSERT_EQUAL(out[i], 7);
    }
    cvy_augment_destroy(chain);
  }
}

/* The resolved list says all, and says the same. */
static void resolved_lists(void) {
  const char *text =
      "[sometimes: {apply: [brightness: {by: 0.5}, one_of: {apply: [grey, [mirror, pca_colour]], "
      "weights: [1, 2]}]}, "
      "gaussian_noise: {deviation: 0.25}]";
  cvy_pool *pool = cvy_pool_create();
  cvy_yaml *list, *resolved;
  CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&list, pool, text, "recipe.yaml"), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_augment_resolve(&resolved, pool, list), CVY_OK);
  char *written = cvy_yaml_text(resolved);
  CU_ASSERT_PTR_NOT_NULL(strstr(written, "probability: 0.1"));
  CU_ASSERT_PTR_NOT_NULL(strstr(written, "-0.5675"));
  cvy_augment *first = chain_of(text), *second = chain_of(written);
  float a[ALL], b[ALL];
  for (int i = 0; i < 50; i++) {
    run(a, first, true, i);
    run(b, second, true, i);
    CU_ASSERT_TRUE(same_bits(a, b, ALL));
  }
  free(written);
  cvy_augment_destroy(first);
  cvy_augment_destroy(second);
  cvy_pool_destroy(pool);
}

/* ---- statistics ---- */

enum { DRAWS = 10000, BINS = 20 };

/* Checks that `values` are uniform in [low, high): range, mean within five deviations, evenness. */
static bool is_uniform(const double *values, double low, double high) {
  int counts[BINS] = {0};
  double sum = 0, least = INFINITY, most = -INFINITY;
  const double slack = 1e-5 * (high - low); /* floats were divided to find them */
  for (int i = 0; i < DRAWS; i++) {
    const int bin = (int)floor((values[i] - low) / (high - low) * BINS);
    counts[bin < 0 ? 0 : bin >= BINS ? BINS - 1 : bin]++;
    sum += values[i];
    least = fmin(least, values[i]);
    most = fmax(most, values[i]);
  }
  const bool centred = fabs(sum / DRAWS - (low + high) / 2) < 5 * (high - low) / sqrt(12.0 * DRAWS);
  const bool whole = least >= low - slack && most <= high + slack && most - least > 0.99 * (high - low);
  return centred && whole && is_even(counts, BINS, DRAWS);
}

static double correlation(const double *a, const double *b) {
  double sa = 0, sb = 0, saa = 0, sbb = 0, sab = 0;
  for (int i = 0; i < DRAWS; i++)
    sa += a[i], sb += b[i], saa += a[i] * a[i], sbb += b[i] * b[i], sab += a[i] * b[i];
  return (sab - sa * sb / DRAWS) / sqrt((saa - sa * sa / DRAWS) * (sbb - sb * sb / DRAWS));
}

static void drawn_amounts(void) {
  static double amounts[CVY_TONES][DRAWS], at[CVY_TONES][DRAWS];
  const double by[CVY_TONES] = {0.4, 1.6, 0.25, 0.1};
  int orders[256] = {0}, used[24], count = 0;
  for (int i = 0; i < DRAWS; i++) {
    cvy_random random = {.seed = 11, .purpose = CVY_FOR_TEST, .sample = (uint32_t)i};
    cvy_adjustment list[CVY_TONES];
    CU_ASSERT_EQUAL_FATAL(cvy_colour_draw(list, by, &random), CVY_TONES);
    int order = 0;
    for (int k = 0; k < CVY_TONES; k++) {
      order = 4 * order + (int)list[k].tone;
      amounts[list[k].tone][i] = (double)list[k].amount;
      at[list[k].tone][i] = k;
    }
    orders[order]++;
  }
  for (int i = 0; i < 256; i++)
    if (orders[i] && count < 24) used[count++] = orders[i];
  CU_ASSERT_EQUAL(count, 24);
  CU_ASSERT_TRUE(is_even(used, 24, DRAWS));
  CU_ASSERT_TRUE(is_uniform(amounts[CVY_BRIGHTNESS], 0.6, 1.4));
  CU_ASSERT_TRUE(is_uniform(amounts[CVY_CONTRAST], 0, 2.6));
  CU_ASSERT_TRUE(is_uniform(amounts[CVY_SATURATION], 0.75, 1.25));
  CU_ASSERT_TRUE(is_uniform(amounts[CVY_HUE], -0.1, 0.1));
  for (int a = 0; a < CVY_TONES; a++)
    for (int b = 0; b < CVY_TONES; b++) {
      if (a < b) CU_ASSERT_TRUE(fabs(correlation(amounts[a], amounts[b])) < 5 / sqrt(DRAWS));
      CU_ASSERT_TRUE(fabs(correlation(amounts[a], at[b])) < 5 / sqrt(DRAWS));
    }
}

/* Sends one pixel through a chain, DRAWS times: [channel][draw]. */
static void sample_pixel(double out[3][DRAWS], const char *text, uint8_t r, uint8_t g, uint8_t b) {
  const uint8_t px[] = {r, g, b};
  cvy_augment *chain = chain_of(text);
  for (int i = 0; i < DRAWS; i++) {
    float made[3];
    run_on(made, chain, true, i, cvy_picture_of(px, false, 1, 1, 3));
    for (int k = 0; k < 3; k++) out[k][i] = (double)made[k];
  }
  cvy_augment_destroy(chain);
}

static void scaled(double *values, double offset, double factor) {
  for (int i = 0; i < DRAWS; i++) values[i] = (values[i] - offset) * factor;
}

static void factors_in_the_chain(void) {
  static double px[3][DRAWS];
  sample_pixel(px, "- brightness: {by: 0.4}", 100, 50, 0);
  for (int i = 0; i < DRAWS; i++) CU_ASSERT_TRUE_FATAL(fabs(px[0][i] - 2 * px[1][i]) < 1e-4 && px[2][i] == 0);
  scaled(px[0], 0, 0.01);
  CU_ASSERT_TRUE(is_uniform(px[0], 0.6, 1.4));
  sample_pixel(px, "- saturation: {by: 0.3}", 100, 120, 110);
  const double grey = 0.299 * 100 + 0.587 * 120 + 0.114 * 110;
  scaled(px[0], grey, 1 / (100 - grey));
  CU_ASSERT_TRUE(is_uniform(px[0], 0.7, 1.3));
  sample_pixel(px, "- hue: {by: 0.1}", 200, 80, 80);
  for (int i = 0; i < DRAWS; i++) {
    CU_ASSERT_TRUE_FATAL(fabs(px[0][i] - 200) < 1e-3);
    px[0][i] = (px[1][i] - px[2][i]) / 720; /* green comes with a turn forwards, blue backwards */
  }
  CU_ASSERT_TRUE(is_uniform(px[0], -0.1, 0.1));
}

static void shifts(void) {
  static double px[3][DRAWS];
  sample_pixel(px, "- colour_shift: {by: 30}", 10, 128, 250);
  scaled(px[0], 10, 1), scaled(px[1], 128, 1), scaled(px[2], 250, 1);
  for (int k = 0; k < 3; k++) {
    CU_ASSERT_TRUE(is_uniform(px[k], -30, 30));
    CU_ASSERT_TRUE(fabs(correlation(px[k], px[(k + 1) % 3])) < 5 / sqrt(DRAWS));
  }
  float out[ALL];
  cvy_augment *chain = chain_of("- colour_shift");
  run(out, chain, true, 5);
  for (int i = 0; i < ALL; i++)
    CU_ASSERT_DOUBLE_EQUAL(out[i] - (float)photograph()[i], out[i % 3] - (float)photograph()[i % 3], 1e-4);
  cvy_augment_destroy(chain);
}

/* Checks that the mean is 0 and the deviation `deviation`, within five deviations of theirs, and that as many
 * values as there should be lie on each side of 0 and within one deviation. */
static bool is_normal(const double *values, int64_t count, double deviation) {
  double sum = 0, squares = 0, fourths = 0;
  int64_t positive = 0, near = 0;
  const double n = (double)count;
  for (int64_t i = 0; i < count; i++) {
    const double x = values[i] / deviation;
    sum += x;
    squares += x * x;
    fourths += x * x * x * x;
    positive += x > 0;
    near += fabs(x) < 1;
  }
  const double share = erf(sqrt(0.5));
  return fabs(sum / n) < 5 / sqrt(n) && fabs(squares / n - 1) < 5 * sqrt(2 / n) &&
         fabs(fourths / n - 3) < 5 * sqrt(96 / n) + 0.02 &&
         fabs((double)positive / n - 0.5) < 2.5 / sqrt(n) &&
         fabs((double)near / n - share) < 5 * sqrt(share * (1 - share) / n) + 0.0005;
}

/* The shifts are taken apart along the eigenvectors, which are orthonormal but for the four digits they are
 * given with. */
static void principal_components(void) {
  static const double vectors[3][3] = {
      {-0.5675, -0.5808, -0.5836}, {0.7192, -0.0045, -0.6948}, {0.4009, -0.8140, 0.4203}};
  static const double values[] = {0.2175, 0.0188, 0.0045};
  static double px[3][DRAWS], along[3][DRAWS];
  sample_pixel(px, "- pca_colour", 100, 120, 140);
  for (int i = 0; i < DRAWS; i++)
    for (int k = 0; k < 3; k++)
      along[k][i] = vectors[k][0] * (px[0][i] - 100) + vectors[k][1] * (px[1][i] - 120) +
                    vectors[k][2] * (px[2][i] - 140);
  for (int k = 0; k < 3; k++) {
    CU_ASSERT_TRUE(is_normal(along[k], DRAWS, 255 * 0.1 * values[k]));
    CU_ASSERT_TRUE(fabs(correlation(along[k], along[(k + 1) % 3])) < 5 / sqrt(DRAWS) + 0.01);
  }
}

static void noise(void) {
  static float px[ALL * 100], again[ALL * 100];
  static double values[ALL * 100];
  static float zeros[ALL];
  int counts[BINS] = {0};
  const int64_t all = ALL * 100;
  cvy_augment *chain = chain_of("- gaussian_noise: {deviation: 8}");
  for (int pass = 0; pass < 2; pass++)
    for (int i = 0; i < 100; i++)
      run_on((pass ? again : px) + ALL * i, chain, true, i, cvy_picture_of(zeros, true, H, W, C));
  CU_ASSERT_TRUE(same_bits(px, again, all));
  double product = 0, of_pictures = 0;
  for (int64_t i = 0; i < all; i++) {
    values[i] = (double)px[i];
    const int bin = (int)floor(BINS * 0.5 * (1 + erf(values[i] / 8 * sqrt(0.5))));
    counts[bin < 0 ? 0 : bin >= BINS ? BINS - 1 : bin]++;
    if (i > 0) product += values[i] * values[i - 1] / 64;
    if (i >= ALL) of_pictures += values[i] * values[i - ALL] / 64;
  }
  CU_ASSERT_TRUE(is_normal(values, all, 8));
  CU_ASSERT_TRUE(is_even(counts, BINS, (int)all));
  CU_ASSERT_TRUE(fabs(product) < 5 * sqrt((double)all) && fabs(of_pictures) < 5 * sqrt((double)all));
  cvy_augment_destroy(chain);
}

/* Levels are normal quantiles, and each number of samples gets the same as the beginning of a longer run. */
static void noise_levels(void) {
  static float levels[CVY_NOISE_LEVELS];
  const cvy_random random = {.seed = 2, .purpose = CVY_FOR_TEST};
  float longest[40] = {0};
  double squares = 0;
  cvy_noise_set(levels, 1);
  for (int i = 0; i < CVY_NOISE_LEVELS; i++) {
    squares += (double)levels[i] * (double)levels[i];
    CU_ASSERT_DOUBLE_EQUAL(erf((double)levels[i] * sqrt(0.5)), (i + 0.5) / CVY_NOISE_LEVELS, 1e-4);
  }
  CU_ASSERT_DOUBLE_EQUAL(squares / CVY_NOISE_LEVELS, 1, 1e-6);
  CU_ASSERT_TRUE(levels[CVY_NOISE_LEVELS - 1] > 3.8f && levels[CVY_NOISE_LEVELS - 1] < 3.9f);
  cvy_colour_noise(longest, 40, levels, &random);
  for (int count = 0; count < 40; count++) {
    float px[40] = {0};
    cvy_colour_noise(px, count, levels, &random);
    CU_ASSERT_TRUE(same_bits(px, longest, count));
    CU_ASSERT_TRUE(px[count] == 0);
  }
}

/* Finds the one pixel of 10 x 12 that is cut out. */
static int cut_pixel(const float *px) {
  int at = -1;
  for (int p = 0; p < H * W; p++) {
    if (px[3 * p] == 0) continue;
    CU_ASSERT_TRUE(at < 0 && px[3 * p] == 7 && px[3 * p + 2] == 7);
    at = p;
  }
  return at;
}

/* Checks that there is a rectangle of 4 x 5 in the colour of the mean, or what is left of it at the
 * border. */
static void check_cut(const float *px) {
  int cut = 0, top = H, bottom = -1, left = W, right = -1;
  for (int p = 0; p < H * W; p++) {
    if (px[3 * p] == 0) continue;
    CU_ASSERT_TRUE(memcmp(&px[3 * p], mean, 3 * sizeof *mean) == 0);
    const int y = p / W, x = p % W;
    cut++;
    top = y < top ? y : top, bottom = y > bottom ? y : bottom;
    left = x < left ? x : left, right = x > right ? x : right;
  }
  const int rows = bottom - top + 1, columns = right - left + 1;
  CU_ASSERT_TRUE(cut == rows * columns && rows >= 2 && columns >= 3);
  CU_ASSERT_TRUE(rows == 4 || (rows < 4 && (top == 0 || bottom == H - 1)));
  CU_ASSERT_TRUE(columns == 5 || (columns < 5 && (left == 0 || right == W - 1)));
}

static void cutouts(void) {
  static const uint8_t zeros[ALL];
  float out[ALL];
  int places[H * W] = {0};
  cvy_augment *one = chain_of("- cutout: {size: 1, fill: 7}"), *large = chain_of("- cutout: {size: [4, 5]}");
  for (int i = 0; i < DRAWS; i++) {
    run_on(out, one, true, i, cvy_picture_of(zeros, false, H, W, C));
    const int at = cut_pixel(out);
    CU_ASSERT_TRUE_FATAL(at >= 0);
    places[at]++;
    run_on(out, large, true, i, cvy_picture_of(zeros, false, H, W, C));
    check_cut(out);
  }
  CU_ASSERT_TRUE(is_even(places, H * W, DRAWS));
  cvy_augment_destroy(one);
  cvy_augment_destroy(large);
}

static void expect_share(double got, double share) {
  CU_ASSERT_DOUBLE_EQUAL(got, share * DRAWS, 5 * sqrt(share * (1 - share) * DRAWS));
}

static void probabilities(void) {
  static double px[3][DRAWS];
  int both = 0, counts[4] = {0};
  sample_pixel(px, "- grey: {probability: 0.3}", 0, 255, 0);
  for (int i = 0; i < DRAWS; i++) both += px[0][i] != 0;
  expect_share(both, 0.3);
  /* What is inside draws other numbers than what is around it. */
  sample_pixel(px, "- sometimes: {probability: 0.4, apply: [grey: {probability: 0.4}]}", 0, 255, 0);
  both = 0;
  for (int i = 0; i < DRAWS; i++) both += px[0][i] != 0;
  expect_share(both, 0.16);
  sample_pixel(px,
               "- one_of: {weights: [1, 0, 5, 2], apply: [brightness: {by: 0}, hue: {by: 0.1}, "
               "grey: {probability: 1}, "
               "[grey: {probability: 1}, cutout: {size: 9, fill: 3}]]}",
               0, 255, 0);
  for (int i = 0; i < DRAWS; i++) counts[px[0][i] == 0 ? 0 : px[0][i] == 3 ? 3 : 2]++;
  expect_share(counts[0], 1 / 8.0);
  expect_share(counts[2], 5 / 8.0);
  expect_share(counts[3], 2 / 8.0);
  sample_pixel(px, "- one_of: {apply: [[], grey: {probability: 1}, cutout: {size: 9, fill: 3}]}", 0, 255, 0);
  memset(counts, 0, sizeof counts);
  for (int i = 0; i < DRAWS; i++) counts[px[0][i] == 0 ? 0 : px[0][i] == 3 ? 1 : 2]++;
  CU_ASSERT_TRUE(is_even(counts, 3, DRAWS));
}

/* Alternatives may change the size if all change it alike; evaluation takes the first. */
static void alternatives_of_a_size(void) {
  float out[ALL];
  cvy_augment *chain = chain_of(
      "- one_of: {apply: [crop: {size: [6, 8]}, [crop: {size: [9, 8]}, crop: {size: [6, 8]}, "
      "grey: {probability: 1}]]}");
  for (int i = 0; i < 20; i++) {
    cvy_picture picture = run(out, chain, true, i);
    CU_ASSERT_TRUE(picture.h == 6 && picture.w == 8);
    picture = run(out, chain, false, i);
    CU_ASSERT_TRUE(picture.h == 6 && picture.w == 8);
    for (int y = 0; y < 6; y++)
      for (int x = 0; x < 8 * 3; x++)
        CU_ASSERT_EQUAL(out[y * 24 + x], (float)photograph()[(y + 2) * W * 3 + 6 + x]);
  }
  cvy_augment_destroy(chain);
}

SUITE("colour", TEST(adjusting_equals_the_reference), TEST(one_after_the_other), TEST(same_bits_without_avx2),
      TEST(factor_of_one_is_identity), TEST(hue_there_and_back), TEST(equals_torchvision), TEST(identity),
      TEST(evaluation_changes_nothing), TEST(errors), TEST(grey_pictures), TEST(between_windows),
      TEST(parts_of_a_canvas), TEST(resolved_lists), TEST(drawn_amounts), TEST(factors_in_the_chain),
      TEST(shifts), TEST(principal_components), TEST(noise), TEST(noise_levels), TEST(cutouts),
      TEST(probabilities), TEST(alternatives_of_a_size))
