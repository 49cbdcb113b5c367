/* Tests decoding and scaling of pictures: those that are made here, and the odd ones that were found in the
 * wild. */
#define _XOPEN_SOURCE 700
#include "suite.h"
#include "pictures.h"

#include <ftw.h>
#include <math.h>

static cvy_image image, other;

static int64_t largest_difference(const cvy_image *a, const cvy_image *b) {
  if (a->h != b->h || a->w != b->w || a->c != b->c) return 999;
  int64_t largest = 0;
  for (int64_t i = 0; i < a->h * a->w * a->c; i++) {
    const int64_t difference = labs((long)a->px[i] - (long)b->px[i]);
    if (difference > largest) largest = difference;
  }
  return largest;
}

/* ---- JPEG ---- */

static void jpeg_grey_and_colour(void) {
  const int64_t sizes[][2] = {{1, 1}, {7, 5}, {40, 33}};
  for (int64_t s = 0; s < CVY_COUNT(sizes); s++)
    for (int64_t c = 1; c <= 3; c += 2) {
      paint(&image, sizes[s][0], sizes[s][1], c);
      const file_bytes file = make_jpeg(&image, 98, true);
      CU_ASSERT_EQUAL(cvy_image_decode(&other, file.bytes, file.count, 0), CVY_OK);
      CU_ASSERT(largest_difference(&image, &other) <= 8);
      CU_ASSERT_EQUAL(cvy_image_decode(&other, file.bytes, file.count, 4 - c), CVY_OK);
      CU_ASSERT(other.c == 4 - c && other.h == image.h && other.w == image.w);
      const uint8_t *p = image.px, *q = other.px;
      const double grey = c == 1 ? p[0] : 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
      CU_ASSERT(fabs(grey - q[0]) <= 6);
      if (c == 1) CU_ASSERT(q[0] == q[1] && q[1] == q[2]);
      free(file.bytes);
    }
}

/* As ink, red is no cyan, full magenta and yellow, and no black. Beside it stands a red that is half black.
 * Adobe's files store 255 - ink. */
static void jpeg_ink(void) {
  for (int inverted = 0; inverted < 2; inverted++) {
    cvy_image_resize_buffer(&image, 8, 16, 4);
    for (int i = 0; i < 128; i++) {
      const uint8_t ink[4] = {0, 255, 255, i % 16 < 8 ? 0 : 128};
      for (int k = 0; k < 4; k++) image.px[4 * i + k] = inverted ? (uint8_t)(255 - ink[k]) : ink[k];
    }
    const file_bytes file = make_jpeg(&image, 100, inverted);
    CU_ASSERT_EQUAL(cvy_image_decode(&other, file.bytes, file.count, 0), CVY_OK);
    CU_ASSERT_EQUAL(other.c, 3);
    CU_ASSERT(other.px[0] >= 252 && other.px[1] <= 3 && other.px[2] <= 3);
    CU_ASSERT(abs(other.px[15 * 3] - 127) <= 3 && other.px[15 * 3 + 1] <= 3);
    CU_ASSERT_EQUAL(cvy_image_decode(&other, file.bytes, file.count, 1), CVY_OK);
    CU_ASSERT(other.c == 1 && abs(other.px[0] - 76) <= 2);
    free(file.bytes);
  }
}

static void jpeg_cut_anywhere_is_an_error(void) {
  paint(&image, 24, 31, 3);
  const file_bytes file = make_jpeg(&image, 90, true);
  for (unsigned long n = 0; n < file.count - 2; n++) {
    unsigned char *cut = malloc(n + 1); /* a block of its own shows a read past its end */
    memcpy(cut, file.bytes, n);
    CU_ASSERT_EQUAL(cvy_image_decode(&other, cut, n, 0), CVY_E_INPUT);
    free(cut);
  }
  CU_ASSERT_EQUAL(cvy_image_decode(&other, file.bytes, file.count / 2, 0), CVY_E_INPUT);
  CU_ASSERT(says("truncated: "));
  free(file.bytes);
}

/* ---- PNG ---- */

static void png_depths(void) {
  enum { H = 3, W = 5 };
  uint8_t grey16[H * W * 2], rgb[H * W * 3], palette_index[H * W];
  for (int i = 0; i < H * W; i++) {
    grey16[2 * i] = (uint8_t)(i * 17);
    grey16[2 * i + 1] = (uint8_t)(i * 31);
    palette_index[i] = (uint8_t)(i % 3);
    for (int k = 0; k < 3; k++) rgb[3 * i + k] = (uint8_t)(i * 13 + k * 50);
  }
  file_bytes file = make_png(grey16, sizeof grey16, H, W, SPNG_COLOR_TYPE_GRAYSCALE, 16, NULL);
  CU_ASSERT_EQUAL(cvy_image_decode(&other, file.bytes, file.count, 0), CVY_OK);
  CU_ASSERT(other.c == 1 && other.h == H && other.w == W);
  for (int i = 0; i < H * W; i++) CU_ASSERT(abs(other.px[i] - grey16[2 * i]) <= 1);
  free(file.bytes);

  file = make_png(rgb, sizeof rgb, H, W, SPNG_COLOR_TYPE_TRUECOLOR, 8, NULL);
  CU_ASSERT_EQUAL(cvy_image_decode(&other, file.bytes, file.count, 0), CVY_OK);
  CU_ASSERT(other.c == 3 && memcmp(other.px, rgb, sizeof rgb) == 0);
  CU_ASSERT_EQUAL(cvy_image_decode(&other, file.bytes, file.count, 1), CVY_OK);
  for (int i = 0; i < H * W; i++)
    CU_ASSERT(fabs(0.299 * rgb[3 * i] + 0.587 * rgb[3 * i + 1] + 0.114 * rgb[3 * i + 2] - other.px[i]) <=
              0.5001);
  free(file.bytes);

  struct spng_plte palette = {.n_entries = 3,
                              .entries = {{200, 10, 20, 255}, {1, 2, 3, 255}, {9, 99, 250, 255}}};
  file = make_png(palette_index, sizeof palette_index, H, W, SPNG_COLOR_TYPE_INDEXED, 8, &palette);
  CU_ASSERT_EQUAL(cvy_image_decode(&other, file.bytes, file.count, 0), CVY_OK);
  CU_ASSERT_EQUAL(other.c, 3);
  for (int i = 0; i < H * W; i++) CU_ASSERT_EQUAL(other.px[3 * i + 2], palette.entries[i % 3].blue);
  free(file.bytes);
}

static void png_transparency_shows_white(void) {
  const uint8_t rgba[] = {10, 20, 30, 255, 10, 20, 30, 0, 10, 20, 30, 128};
  const uint8_t expected[] = {10, 20, 30, 255, 255, 255, 132, 137, 142};
  const file_bytes file = make_png(rgba, sizeof rgba, 1, 3, SPNG_COLOR_TYPE_TRUECOLOR_ALPHA, 8, NULL);
  CU_ASSERT_EQUAL(cvy_image_decode(&other, file.bytes, file.count, 0), CVY_OK);
  CU_ASSERT_EQUAL(other.c, 3);
  for (int i = 0; i < 9; i++) CU_ASSERT(abs(other.px[i] - expected[i]) <= 1);
  free(file.bytes);

  const uint8_t grey_alpha[] = {100, 255, 100, 0};
  const file_bytes grey = make_png(grey_alpha, sizeof grey_alpha, 1, 2, SPNG_COLOR_TYPE_GRAYSCALE_ALPHA, 8,
                                   NULL);
  CU_ASSERT_EQUAL(cvy_image_decode(&other, grey.bytes, grey.count, 0), CVY_OK);
  CU_ASSERT(other.c == 1 && other.px[0] == 100 && other.px[1] == 255);
  free(grey.bytes);
}

static void png_damage_is_an_error(void) {
  paint(&image, 9, 11, 3);
  const file_bytes file = make_png(image.px, 9 * 11 * 3, 9, 11, SPNG_COLOR_TYPE_TRUECOLOR, 8, NULL);
  for (unsigned long n = 0; n < file.count - 4; n++) { /* the last four are a checksum of nothing */
    unsigned char *cut = malloc(n + 1);
    memcpy(cut, file.bytes, n);
    CU_ASSERT_EQUAL(cvy_image_decode(&other, cut, n, 0), CVY_E_INPUT);
    free(cut);
  }
  CU_ASSERT(says("truncated: "));
  for (unsigned long n = 0; n < file.count; n++) { /* every byte lies under a checksum */
    file.bytes[n] ^= 0x10;
    CU_ASSERT_EQUAL(cvy_image_decode(&other, file.bytes, file.count, 0), CVY_E_INPUT);
    file.bytes[n] ^= 0x10;
  }
  free(file.bytes);
}

/* ---- what is no picture ---- */

static void not_a_picture(void) {
  CU_ASSERT_EQUAL(cvy_image_decode(&other, "", 0, 0), CVY_E_INPUT);
  CU_ASSERT(says("0 bytes"));
  CU_ASSERT_EQUAL(cvy_image_decode(&other, "GIF89a", 6, 0), CVY_E_INPUT);
  CU_ASSERT(says("neither JPEG nor PNG") && says("GIF89a"));
  CU_ASSERT_EQUAL(cvy_image_decode(&other, "\xff\xd8", 2, 0), CVY_E_INPUT);
  CU_ASSERT_EQUAL(cvy_image_decode(&other, "\xff\xd8\xff", 3, 0), CVY_E_INPUT);
}

/* A header of 60000 x 60000 is refused before a byte is allocated for it. */
static void too_large_a_picture(void) {
  paint(&image, 8, 8, 1);
  const file_bytes jpeg = make_jpeg(&image, 90, true);
  for (unsigned long i = 0; i + 8 < jpeg.count; i++)
    if (jpeg.bytes[i] == 0xff && jpeg.bytes[i + 1] == 0xc0)
      for (int k = 5; k < 9; k++) jpeg.bytes[i + (unsigned long)k] = k % 2 ? 0xea : 0x60;
  CU_ASSERT_EQUAL(cvy_image_decode(&other, jpeg.bytes, jpeg.count, 0), CVY_E_INPUT);
  CU_ASSERT(says("60000 x 60000 pixels") && says("100 million"));
  free(jpeg.bytes);
}

/* ---- found in the wild ---- */

static int odd_decoded, odd_refused, odd_wrong;

static int decode_odd(const char *path, const struct stat *status, int kind, struct FTW *ftw) {
  (void)status;
  (void)ftw;
  if (kind != FTW_F) return 0;
  const file_bytes file = read_whole(path);
  const cvy_err as_is = cvy_image_decode(&other, file.bytes, file.count, 0);
  for (int64_t c = 1; c <= 3; c += 2) {
    const cvy_err err = cvy_image_decode(&other, file.bytes, file.count, c);
    if (err != as_is || (!err && other.c != c) || (err && !cvy_err_message()[0])) odd_wrong++;
  }
  *(as_is ? &odd_refused : &odd_decoded) += 1;
  free(file.bytes);
  return 0;
}

static void odd_pictures_never_crash(void) {
  const char *data = test_data("odd pictures");
  if (!data) return;
  char path[4200];
  snprintf(path, sizeof path, "%s/odd-images", data);
  CU_ASSERT_EQUAL(nftw(path, decode_odd, 16, FTW_PHYS), 0);
  printf("  %d decoded, %d refused\n", odd_decoded, odd_refused);
  CU_ASSERT(odd_decoded > 200 && odd_refused > 200);
  CU_ASSERT_EQUAL(odd_wrong, 0);
}

/* In PngSuite, names that begin with x are broken, and all others are right. */
static int suite_good, suite_bad, suite_wrong;

static int decode_suite(const char *path, const struct stat *status, int kind, struct FTW *ftw) {
  (void)status;
  if (kind != FTW_F || !strstr(path, ".png")) return 0;
  const bool broken = path[ftw->base] == 'x';
  const file_bytes file = read_whole(path);
  const bool refused = cvy_image_decode(&other, file.bytes, file.count, 0) != CVY_OK;
  if (refused != broken) {
    suite_wrong++;
    printf("  %s: %s\n", path, refused ? cvy_err_message() : "should be refused");
  }
  *(broken ? &suite_bad : &suite_good) += 1;
  free(file.bytes);
  return 0;
}

static void png_suite(void) {
  const char *data = test_data("PngSuite");
  if (!data) return;
  char path[4200];
  snprintf(path, sizeof path, "%s/odd-images/pngsuite", data);
  CU_ASSERT_EQUAL(nftw(path, decode_suite, 16, FTW_PHYS), 0);
  CU_ASSERT(suite_good > 100 && suite_bad > 8);
  CU_ASSERT_EQUAL(suite_wrong, 0);
}

/* Another decoder's results stand beside these as PNG. */
static void reference_decodes(void) {
  static const char *const names[] = {"16bit-qtables",
                                      "grayscale_16x24_sampling2x2",
                                      "mozilla/jpg-cmyk-1",
                                      "mozilla/jpg-cmyk-2",
                                      "mozilla/jpg-progressive",
                                      "mozilla/jpg-size-17x17",
                                      "non-interleaved-mcu",
                                      "progressive3",
                                      "restarts",
                                      "rgb",
                                      "ycck"};
  const char *data = test_data("reference decodes");
  if (!data) return;
  for (int64_t i = 0; i < CVY_COUNT(names); i++) {
    char path[4200];
    snprintf(path, sizeof path, "%s/odd-images/jpeg-decoder/tests/reftest/images/%s.jpg", data, names[i]);
    const file_bytes jpeg = read_whole(path);
    snprintf(path, sizeof path, "%s/odd-images/jpeg-decoder/tests/reftest/images/%s.png", data, names[i]);
    const file_bytes png = read_whole(path);
    CU_ASSERT_EQUAL(cvy_image_decode(&image, jpeg.bytes, jpeg.count, 3), CVY_OK);
    CU_ASSERT_EQUAL(cvy_image_decode(&other, png.bytes, png.count, 3), CVY_OK);
    const int64_t difference = largest_difference(&image, &other);
    printf("  %s: %" PRId64 "\n", names[i], difference);
    CU_ASSERT(difference <= 4);
    free(jpeg.bytes);
    free(png.bytes);
  }
}

/* ---- scaling ---- */

/* Gives the weight of input j in output i, by definition. When shrinking it is the overlap of two intervals;
 * when growing it is a tent around the output's centre (clamped to the outermost centres). */
static double weight_of(int64_t i, int64_t j, int64_t in, int64_t out) {
  const double ratio = (double)in / (double)out;
  if (in > out) {
    const double low = fmax((double)i * ratio, (double)j),
                 high = fmin((double)(i + 1) * ratio, (double)(j + 1));
    return fmax(0, high - low) / ratio;
  }
  const double centre = fmin(fmax(((double)i + 0.5) * ratio - 0.5, 0), (double)(in - 1));
  return fmax(0, 1 - fabs(centre - (double)j));
}

static double scaled_sample(const cvy_image *in, int64_t y, int64_t x, int64_t k, int64_t h, int64_t w) {
  double sum = 0;
  for (int64_t r = 0; r < in->h; r++)
    for (int64_t c = 0; c < in->w; c++)
      sum += weight_of(y, r, in->h, h) * weight_of(x, c, in->w, w) * in->px[(r * in->w + c) * in->c + k];
  return sum;
}

static void scaling_matches_its_definition(void) {
  const int64_t cases[][5] = {{7, 9, 3, 4, 3},     {7, 9, 14, 18, 3}, {5, 5, 5, 11, 1},
                              {1, 1, 6, 4, 3},     {13, 2, 1, 1, 1},  {16, 12, 4, 3, 4},
                              {31, 17, 30, 18, 1}, {2, 30, 9, 7, 2},  {28, 28, 32, 32, 1}};
  cvy_random random = {.seed = 4, .purpose = CVY_FOR_TEST};
  for (int64_t n = 0; n < CVY_COUNT(cases); n++) {
    const int64_t h = cases[n][2], w = cases[n][3], c = cases[n][4];
    cvy_image_resize_buffer(&image, cases[n][0], cases[n][1], c);
    for (int64_t i = 0; i < image.h * image.w * c; i++) image.px[i] = (uint8_t)cvy_random_next(&random);
    cvy_image_scale(&other, &image, h, w);
    CU_ASSERT(other.h == h && other.w == w && other.c == c);
    for (int64_t i = 0; i < h * w * c; i++) {
      const double expected = scaled_sample(&image, i / c / w, i / c % w, i % c, h, w);
      CU_ASSERT(fabs(expected - other.px[i]) <= 0.5001);
    }
  }
}

static void scaling_keeps_what_it_should(void) {
  paint(&image, 19, 23, 3);
  cvy_image_scale(&other, &image, 19, 23);
  CU_ASSERT_EQUAL(largest_difference(&image, &other), 0);
  for (int value = 0; value < 256; value += 51)
    for (int64_t size = 1; size < 60; size += 7) {
      cvy_image_resize_buffer(&image, 20, 20, 1);
      memset(image.px, value, 400);
      cvy_image_scale(&other, &image, size, 61 - size);
      for (int64_t i = 0; i < other.h * other.w; i++) CU_ASSERT_EQUAL(other.px[i], value);
    }
}

static void the_buffer_is_reused(void) {
  paint(&image, 50, 60, 3);
  cvy_image_scale(&other, &image, 30, 40);
  const void *held = other.px;
  for (int i = 0; i < 3; i++) cvy_image_scale(&other, &image, 30, 40);
  CU_ASSERT_PTR_EQUAL(other.px, held);
  cvy_image_free(&image);
  cvy_image_free(&other);
  CU_ASSERT(image.px == NULL && image.capacity_bytes == 0);
}

/* Returns the mean of |a - b| over all samples. */
static double difference(const cvy_image *a, const cvy_image *b) {
  double sum = 0;
  if (a->h != b->h || a->w != b->w || a->c != b->c) return 1e9;
  for (int64_t i = 0; i < a->h * a->w * a->c; i++) sum += abs(a->px[i] - b->px[i]);
  return sum / (double)(a->h * a->w * a->c);
}

static void decoding_no_larger_than_needed(void) {
  static const int64_t cases[][4] = {
      {30, 20, 50, 40}, {20, 20, 25, 20}, {13, 10, 13, 10}, {51, 1, 100, 80},
      {1, 1, 13, 10},   {0, 0, 100, 80},  {200, 1, 100, 80}}; /* asked h, w; got */
  cvy_image small = {0}, expected = {0};
  int64_t full[2];
  paint(&image, 100, 80, 3);
  const file_bytes file = make_jpeg(&image, 95, false);
  for (int64_t i = 0; i < CVY_COUNT(cases); i++) {
    const int64_t *c = cases[i];
    CU_ASSERT_EQUAL(cvy_image_decode_at_least(&small, full, file.bytes, file.count, 3, c[0], c[1]), CVY_OK);
    CU_ASSERT(full[0] == 100 && full[1] == 80 && small.h == c[2] && small.w == c[3]);
    if (c[2] != 50) continue;
    cvy_image_scale(&expected, &image, small.h, small.w);
    CU_ASSERT(difference(&small, &expected) < 3);
  }
  free(file.bytes);
  cvy_image_free(&image);
  cvy_image_free(&small);
  cvy_image_free(&expected);
}

static void encoding(void) {
  for (int64_t c = 1; c <= 3; c += 2) {
    cvy_image back = {0};
    void *bytes[2];
    size_t counts[2];
    paint(&image, 31, 47, c);
    for (int i = 0; i < 2; i++)
      CU_ASSERT_EQUAL_FATAL(cvy_image_encode(&bytes[i], &counts[i], &image, i == 0 ? 95 : 40), CVY_OK);
    CU_ASSERT(counts[1] < counts[0]);
    CU_ASSERT_EQUAL(cvy_image_decode(&back, bytes[0], counts[0], 0), CVY_OK);
    CU_ASSERT(back.c == c && difference(&image, &back) < 5);
    free(bytes[0]);
    free(bytes[1]);
    cvy_image_free(&image);
    cvy_image_free(&back);
  }
}

static void turning(void) {
  static const int undoes[] = {0, 1, 2, 3, 4, 5, 8, 7, 6};
  cvy_image turned = {0}, back = {0};
  paint(&image, 5, 7, 3);
  for (int o = 1; o <= 8; o++) {
    cvy_image_turn(&turned, &image, o);
    CU_ASSERT_EQUAL(turned.h, o >= 5 ? 7 : 5);
    cvy_image_turn(&back, &turned, undoes[o]);
    CU_ASSERT_EQUAL(difference(&image, &back), 0);
  }
  cvy_image_turn(&turned, &image, 6); /* the left column from below becomes the top row */
  for (int64_t x = 0; x < 5; x++) CU_ASSERT_EQUAL(turned.px[3 * x], image.px[3 * 7 * (4 - x)]);
  cvy_image_free(&image);
  cvy_image_free(&turned);
  cvy_image_free(&back);
}

static void orientation_of_damaged_files(void) {
  /* There is a tag of another kind, then the orientation; both are little-endian. */
  static const uint8_t exif[] = {0xff, 0xd8, 0xff, 0xe0, 0, 4,   1,   2,  0xff, 0xff, 0xe1, 0,    42,  'E',
                                 'x',  'i',  'f',  0,    0, 'I', 'I', 42, 0,    8,    0,    0,    0,   2,
                                 0,    0x0f, 1,    2,    0, 1,   0,   0,  0,    9,    9,    9,    9,   0x12,
                                 1,    3,    0,    1,    0, 0,   0,   6,  0,    0,    0,    0xff, 0xda};
  CU_ASSERT_EQUAL(cvy_image_orientation(exif, sizeof exif), 6);
  for (size_t cut = 0; cut < 49; cut++) { /* ASan sees what is read beyond a block of its own */
    uint8_t *bytes = malloc(cut + 1);
    memcpy(bytes, exif, cut);
    CU_ASSERT_EQUAL(cvy_image_orientation(bytes, cut), 1);
    free(bytes);
  }
  for (size_t at = 0; at < sizeof exif; at++)
    for (int bit = 0; bit < 8; bit++) {
      uint8_t *bytes = malloc(sizeof exif);
      memcpy(bytes, exif, sizeof exif);
      bytes[at] ^= (uint8_t)(1 << bit);
      const int orientation = cvy_image_orientation(bytes, sizeof exif);
      CU_ASSERT(orientation >= 1 && orientation <= 8);
      free(bytes);
    }
}

/* This is one photograph as it lies in the camera's eight orientations. */
static void photographs_turn_upright(void) {
  const char *data = test_data("photographs_turn_upright");
  if (!data) return;
  cvy_image first = {0}, upright = {0};
  for (int o = 1; o <= 8; o++) {
    char path[4200];
    snprintf(path, sizeof path, "%s/odd-images/exif-orientation/Landscape_%d.jpg", data, o);
    const file_bytes file = read_whole(path);
    CU_ASSERT_EQUAL(cvy_image_orientation(file.bytes, file.count), o);
    CU_ASSERT_EQUAL_FATAL(cvy_image_decode(&image, file.bytes, file.count, 3), CVY_OK);
    cvy_image_turn(o == 1 ? &first : &upright, &image, o);
    if (o > 1) CU_ASSERT(difference(&first, &upright) < 4);
    free(file.bytes);
  }
  cvy_image_free(&first);
  cvy_image_free(&image);
  cvy_image_free(&upright);
}

SUITE("image", TEST(jpeg_grey_and_colour), TEST(jpeg_ink), TEST(jpeg_cut_anywhere_is_an_error),
      TEST(png_depths), TEST(png_transparency_shows_white), TEST(png_damage_is_an_error), TEST(not_a_picture),
      TEST(too_large_a_picture), TEST(odd_pictures_never_crash), TEST(png_suite), TEST(reference_decodes),
      TEST(scaling_matches_its_definition), TEST(scaling_keeps_what_it_should), TEST(the_buffer_is_reused),
      TEST(decoding_no_larger_than_needed), TEST(encoding), TEST(turning), TEST(orientation_of_damaged_files),
      TEST(photographs_turn_upright))
