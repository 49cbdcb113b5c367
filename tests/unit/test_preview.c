/* Tests contact sheets: their pictures are the loader's to the byte, letters can be told apart, and the sheet
 * in the documentation is the one that the program draws. */
#include "pictures.h"
#include "shards.h"

#include "base/yaml.h"
#include "augment/augmentation.h"
#include "augment/chain.h"
#include "data/loader.h"
#include "data/sampler.h"
#include "report/font.h"
#include "report/preview.h"
#include "report/sheet.h"

#include <math.h>

enum { RECORDS = 12, H = 8, W = 7, EPOCHS = 3 };

typedef struct rig {
  char *dir;
  cvy_pool *pool;
  cvy_dataset *dataset;
  cvy_augment *augment;
  int64_t h, w, c;
  cvy_preview preview;
} rig;

static rig make_rig(const char *name, int64_t c, const char *yaml) {
  static const int64_t records[] = {3, 0, 11};
  rig r = {.pool = cvy_pool_create(), .c = c};
  cvy_yaml *list;
  r.dir = raw_dataset(name, 2, RECORDS, H, W, c);
  CU_ASSERT_EQUAL_FATAL(cvy_dataset_open(&r.dataset, r.dir, "train"), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&list, r.pool, yaml, "recipe.yaml"), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_augment_create(&r.augment, list, H, W, &r.h, &r.w), CVY_OK);
  r.preview = (cvy_preview){.dataset = r.dataset,
                            .title = "a set",
                            .chain = "a chain",
                            .augment = r.augment,
                            .training = true,
                            .seed = 11,
                            .first_epoch = 1,
                            .epoch_count = 2,
                            .records = records,
                            .record_count = CVY_COUNT(records),
                            .columns = 2};
  return r;
}

static void drop_rig(rig *r) {
  cvy_augment_destroy(r->augment);
  cvy_dataset_close(r->dataset);
  cvy_pool_destroy(r->pool);
  free(r->dir);
}

static uint8_t byte_of(float sample) {
  return (uint8_t)fminf(fmaxf(floorf(sample + 0.5f), 0), 255);
}

/* Holds three epochs of the loader against cvy_preview_sample: to the byte if its input is not normalised;
 * else each byte is within half a step, and the rounding of the normaliser and of undoing it (1e-3 covers
 * them twice over), of the sample. */
static void compare(const rig *r, bool training, bool normalised) {
  const cvy_dataset_info *info = cvy_dataset_describe(r->dataset);
  cvy_loader_config config = {.dataset = r->dataset, .augment = r->augment, .training = training, .seed = 11};
  config.h = r->h, config.w = r->w, config.c = r->c;
  config.microbatch = config.per_step = config.own = 1;
  config.end_step = training ? EPOCHS * RECORDS : RECORDS;
  config.depth = 2, config.threads = 2;
  for (int64_t k = 0; k < r->c; k++) {
    config.mean[k] = normalised ? info->mean[k] : 0;
    config.deviation[k] = normalised ? info->deviation[k] : 1;
  }
  cvy_preview preview = r->preview;
  preview.training = training;
  cvy_loader *loader;
  cvy_image image = {0};
  int64_t wrong = 0;
  CU_ASSERT_EQUAL_FATAL(cvy_loader_create(&loader, &config), CVY_OK);
  for (int64_t position = 0; position < config.end_step; position++) {
    cvy_microbatch got;
    const cvy_sample s = cvy_sample_at(11, RECORDS, training, position);
    CU_ASSERT_EQUAL_FATAL(cvy_loader_next(&got, loader), CVY_OK);
    CU_ASSERT_EQUAL_FATAL(cvy_preview_sample(&image, &preview, s.index, s.epoch), CVY_OK);
    CU_ASSERT_TRUE_FATAL(image.h == r->h && image.w == r->w && image.c == r->c);
    for (int64_t i = 0; i < r->h * r->w * r->c; i++) {
      const float sample = got.images[i] * config.deviation[i % r->c] + config.mean[i % r->c];
      const float clamped = fminf(fmaxf(sample, 0), 255);
      wrong += normalised ? fabsf(clamped - (float)image.px[i]) > 0.5f + 1e-3f
                          : image.px[i] != byte_of(sample);
    }
    cvy_loader_release(loader);
  }
  CU_ASSERT_EQUAL(wrong, 0);
  cvy_loader_destroy(loader);
  cvy_image_free(&image);
}

static void a_sample_is_the_loaders(void) {
  static const char *const chains[] = {
      "[{pad: {by: 1, fill: 7}}, {crop: {size: [7, 6]}}, mirror, {translate: {by: 2, fill: 3}}]",
      "[{rotate: {by: 40, fill: 9}}, {elastic: {by: 1, cell: 4}}, {brightness: {by: 0.5}}, "
      "{gaussian_noise: {deviation: 30}}]",
      "[{random_resized_crop: {size: [16, 12]}}, {sometimes: {probability: 0.5, apply: [{contrast: "
      "{by: 0.9}}]}}]"};
  for (int i = 0; i < CVY_COUNT(chains); i++)
    for (int64_t c = 1; c <= 3; c += 2) {
      rig r = make_rig("samples", c, chains[i]);
      compare(&r, true, false);
      compare(&r, false, false);
      drop_rig(&r);
    }
  rig r = make_rig("means", 3, "[{translate: {by: 3}}, mirror, {zoom: {by: 2}}]");
  compare(&r, true, true);
  drop_rig(&r);
}

/* Tells whether `picture`, each pixel `times` x `times`, stands somewhere on the sheet. */
static bool shows(const cvy_image *sheet, const cvy_image *picture, int64_t times) {
  const int64_t h = picture->h * times, w = picture->w * times;
  for (int64_t top = 0; top + h <= sheet->h; top++)
    for (int64_t left = 0; left + w <= sheet->w; left++) {
      bool same = true;
      for (int64_t i = 0; i < h * w && same; i++) {
        const int64_t y = i / w, x = i % w;
        const uint8_t *px = sheet->px + ((top + y) * sheet->w + left + x) * 3;
        const uint8_t *of = picture->px + (y / times * picture->w + x / times) * picture->c;
        for (int64_t k = 0; k < 3; k++) same = same && px[k] == of[picture->c == 1 ? 0 : k];
      }
      if (same) return true;
    }
  return false;
}

static void original(cvy_image *out, int64_t record, int64_t c) {
  cvy_image_resize_buffer(out, H, W, c);
  fill_record(out->px, record, H, W, c);
}

/* 8 pixels at most are 16 times as large on a tile of 128. */
static void a_sheet_shows_its_samples(void) {
  for (int64_t c = 1; c <= 3; c += 2) {
    rig r = make_rig("sheet", c, "[{crop: {size: 6}}, mirror, {brightness: {by: 0.5}}]");
    cvy_image sheet = {0}, picture = {0};
    CU_ASSERT_EQUAL_FATAL(cvy_preview_draw(&sheet, &r.preview), CVY_OK);
    for (int64_t i = 0; i < r.preview.record_count; i++) {
      const int64_t record = r.preview.records[i];
      original(&picture, record, c);
      CU_ASSERT_TRUE(shows(&sheet, &picture, 16));
      for (int64_t epoch = 0; epoch < 3; epoch++) {
        CU_ASSERT_EQUAL_FATAL(cvy_preview_sample(&picture, &r.preview, record, epoch), CVY_OK);
        CU_ASSERT_EQUAL(shows(&sheet, &picture, 16), epoch > 0);
      }
    }
    r.preview.chain = NULL;
    r.preview.tile = 33;
    CU_ASSERT_EQUAL_FATAL(cvy_preview_draw(&sheet, &r.preview), CVY_OK);
    for (int64_t i = 0; i < RECORDS; i++) {
      original(&picture, i, c);
      CU_ASSERT_EQUAL(shows(&sheet, &picture, 4), i == 0 || i == 3 || i == 11);
    }
    cvy_image_free(&sheet);
    cvy_image_free(&picture);
    drop_rig(&r);
  }
}

static void wrong_orders_are_refused(void) {
  static const int64_t beyond[] = {0, RECORDS};
  rig r = make_rig("orders", 1, "[mirror]");
  cvy_image sheet = {0};
  r.preview.records = beyond;
  r.preview.record_count = 2;
  CU_ASSERT_EQUAL(cvy_preview_draw(&sheet, &r.preview), CVY_E_INPUT);
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "there is no record 12; they are numbered from 0 to 11"));
  r.preview.record_count = 1;
  r.preview.epoch_count = 5000;
  CU_ASSERT_EQUAL(cvy_preview_draw(&sheet, &r.preview), CVY_E_USAGE);
  drop_rig(&r);
  r = make_rig("channels", 1, "[{hue: {by: 0.1}}]");
  CU_ASSERT_EQUAL(cvy_preview_draw(&sheet, &r.preview), CVY_E_INPUT);
  drop_rig(&r);
  CU_ASSERT_EQUAL(cvy_sheet_begin(&sheet, 1 << 13, (1 << 13) + 1), CVY_E_USAGE);
  cvy_image_free(&sheet);
}

/* ---- the sheet of all augmentations ---- */

static void the_page_shows_all_augmentations(void) {
  const char *source = getenv("CONVOY_SOURCE");
  CU_ASSERT_PTR_NOT_NULL_FATAL(source);
  char *path = cvy_format("%s/launch/recipes/augmentations.png", source);
  file_bytes file = read_whole(path);
  cvy_image drawn = {0}, stored = {0}, again = {0};
  CU_ASSERT_EQUAL_FATAL(cvy_preview_augmentations(&drawn, NULL), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_image_decode(&stored, file.bytes, file.count, 3), CVY_OK);
  const bool same = drawn.h == stored.h && drawn.w == stored.w &&
                    memcmp(drawn.px, stored.px, (size_t)(drawn.h * drawn.w * 3)) == 0;
  if (!same) printf("\n    %s is stale; tests/e2e/pages.sh says how to draw it anew", path);
  CU_ASSERT_TRUE(same);
  CU_ASSERT_EQUAL(cvy_preview_augmentations(&again, &stored), CVY_OK); /* a picture of another shape */
  CU_ASSERT_TRUE(again.h == drawn.h && again.w == drawn.w);
  cvy_image_free(&drawn);
  cvy_image_free(&stored);
  cvy_image_free(&again);
  free(file.bytes);
  free(path);
}

/* ---- letters and files ---- */

static uint64_t shape_of(uint32_t letter) {
  uint64_t shape = 0;
  for (int64_t y = 0; y < CVY_GLYPH_H; y++)
    for (int64_t x = 0; x < CVY_GLYPH_W; x++) shape = shape << 1 | cvy_glyph_has(letter, x, y);
  return shape;
}

static void letters_can_be_told_apart(void) {
  const uint64_t unknown = shape_of(0x663);
  for (uint32_t a = ' '; a < 127; a++) {
    CU_ASSERT_TRUE(a == ' ' || shape_of(a) != 0);
    CU_ASSERT_NOT_EQUAL(shape_of(a), unknown);
    for (uint32_t b = ' '; b < a; b++) CU_ASSERT_NOT_EQUAL(shape_of(a), shape_of(b));
  }
  CU_ASSERT_EQUAL(shape_of('\n'), unknown);
  const char *text = "a\xd8\xb3\xff\xe2\x82z";
  static const uint32_t letters[] = {'a', 0x633, 0xfffd, 0xfffd, 0xfffd, 'z', 0};
  for (int i = 0; i < CVY_COUNT(letters); i++) CU_ASSERT_EQUAL(cvy_next_letter(&text), letters[i]);
}

static int64_t count_ink(const cvy_image *sheet) {
  int64_t ink = 0;
  for (int64_t i = 0; i < sheet->h * sheet->w; i++) ink += sheet->px[i * 3] == cvy_ink.r;
  return ink;
}

static void long_lines_are_cut(void) {
  cvy_image sheet = {0}, other = {0};
  CU_ASSERT_EQUAL_FATAL(cvy_sheet_begin(&sheet, 20, 60), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_sheet_begin(&other, 20, 60), CVY_OK);
  CU_ASSERT_EQUAL(cvy_sheet_write(&sheet, 2, 0, 30, "abcdefgh", cvy_ink, 1), 30);
  CU_ASSERT_EQUAL(cvy_sheet_write(&other, 2, 0, 60, "abc..", cvy_ink, 1), 30);
  CU_ASSERT_TRUE(count_ink(&sheet) > 20 && memcmp(sheet.px, other.px, 20 * 60 * 3) == 0);
  cvy_sheet_write(&sheet, 15, 50, 900, "sticks out", cvy_ink, 3);
  cvy_sheet_write(&sheet, -5, -5, 0, "no room", cvy_ink, 1);
  cvy_image_free(&sheet);
  cvy_image_free(&other);
}

static void a_png_holds_the_same_pixels(void) {
  for (int64_t c = 1; c <= 3; c += 2) {
    cvy_image image = {0}, back = {0};
    void *bytes;
    size_t count;
    cvy_image_resize_buffer(&image, 19, 31, c);
    for (int64_t i = 0; i < 19 * 31 * c; i++) image.px[i] = (uint8_t)(i * i * 7 + i / 5);
    CU_ASSERT_EQUAL_FATAL(cvy_image_encode_png(&bytes, &count, &image), CVY_OK);
    CU_ASSERT_EQUAL_FATAL(cvy_image_decode(&back, bytes, count, 0), CVY_OK);
    CU_ASSERT_TRUE(back.h == 19 && back.w == 31 && back.c == c);
    CU_ASSERT_EQUAL(memcmp(back.px, image.px, (size_t)(19 * 31 * c)), 0);
    free(bytes);
    cvy_image_free(&image);
    cvy_image_free(&back);
  }
}

static void classes_can_be_told_apart(void) {
  char text[CVY_SHEET_CLASS];
  CU_ASSERT_STRING_EQUAL(cvy_sheet_class(text, 3, "great white shark"), "great white shark");
  CU_ASSERT_STRING_EQUAL(cvy_sheet_class(text, 3, "\xd8\xb3\xdb\x8c"), "class 3 \xd8\xb3\xdb\x8c");
}

static void records_are_spread_evenly(void) {
  int64_t records[5];
  CU_ASSERT_EQUAL(cvy_preview_spread(records, 4, 10), 4);
  CU_ASSERT(records[0] == 0 && records[1] == 2 && records[2] == 5 && records[3] == 7);
  CU_ASSERT_EQUAL(cvy_preview_spread(records, 5, 3), 3);
  CU_ASSERT(records[0] == 0 && records[1] == 1 && records[2] == 2);
  CU_ASSERT_EQUAL(cvy_preview_spread(records, 5, 0), 0);
}

SUITE("preview", TEST(a_sample_is_the_loaders), TEST(a_sheet_shows_its_samples),
      TEST(wrong_orders_are_refused), TEST(the_page_shows_all_augmentations), TEST(letters_can_be_told_apart),
      TEST(long_lines_are_cut), TEST(classes_can_be_told_apart), TEST(a_png_holds_the_same_pixels),
      TEST(records_are_spread_evenly))
