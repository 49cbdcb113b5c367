/* Tests pictures through maps against a plain double-precision reference, parts of JPEGs against whole ones,
 * and the augmentations that move, scale, turn and bend. */
#include "pictures.h"
#include "suite.h"

#include "augment/augmentation.h"

#include <math.h>

enum { MOST = 64 * 64 * 3 };

static const float zeros[CVY_MAX_CHANNELS], ones[CVY_MAX_CHANNELS] = {1, 1, 1, 1};
static cvy_canvas canvas;

/* Draws a picture: its samples, [h][w][c], are valid until the next call. */
static const float *drawn(const cvy_picture *picture) {
  static float *out;
  static cvy_normaliser identity;
  cvy_picture copy = *picture;
  free(out);
  out = malloc(sizeof *out * (size_t)(picture->h * picture->w * picture->c));
  cvy_normaliser_set(&identity, zeros, ones, picture->c);
  CU_ASSERT_EQUAL_FATAL(cvy_picture_normalise(out, &copy, &canvas, &identity), CVY_OK);
  return out;
}

/* ---- the reference ---- */

/* Gives a smooth picture with a little noise, so that a wrong place is a wrong value. */
static double value_at(int64_t y, int64_t x, int64_t k) {
  return floor(120 + 60 * sin(0.31 * (double)x + (double)k) + 50 * cos(0.23 * (double)y - 0.7 * (double)k)) +
         (double)((x * 7 + y * 13 + k) % 5);
}

typedef struct plain {
  int64_t h, w, c;
} plain;

static const uint8_t *bytes_of(const plain *p) {
  static uint8_t px[MOST];
  for (int64_t i = 0; i < p->h * p->w * p->c; i++)
    px[i] = (uint8_t)value_at(i / p->c / p->w, i / p->c % p->w, i % p->c);
  return px;
}

static double fold(double x, double size) {
  while (x < 0 || x > size) x = x < 0 ? -x : 2 * size - x;
  return x;
}

static double clamp(double x, double low, double high) {
  return x < low ? low : x > high ? high : x;
}

/* Interpolates between the four pixels around a position. */
static double sample(const plain *p, double y, double x, int64_t k) {
  const double v = clamp(y - 0.5, 0, (double)p->h - 1), u = clamp(x - 0.5, 0, (double)p->w - 1);
  const int64_t i = (int64_t)v, j = (int64_t)u, below = i + 1 < p->h ? i + 1 : i,
                right = j + 1 < p->w ? j + 1 : j;
  const double a = u - (double)j, b = v - (double)i;
  return (1 - b) * ((1 - a) * value_at(i, j, k) + a * value_at(i, right, k)) +
         b * ((1 - a) * value_at(below, j, k) + a * value_at(below, right, k));
}

typedef struct stage {
  cvy_affine_map map;
  int64_t in_h, in_w;
  cvy_edge edge;
} stage;

/* Leads pixel (y, x) through the stages, the last one first, each with its own border. */
static double reference_pixel(const plain *p, const stage *stages, int64_t count, int64_t y, int64_t x,
                              int64_t k) {
  double at_y = (double)y + 0.5, at_x = (double)x + 0.5;
  for (int64_t i = count - 1; i >= 0; i--) {
    const stage *s = &stages[i];
    const double from_y = at_y, from_x = at_x, h = (double)s->in_h, w = (double)s->in_w;
    at_x = s->map.xx * from_x + s->map.xy * from_y + s->map.x0;
    at_y = s->map.yx * from_x + s->map.yy * from_y + s->map.y0;
    const bool outside = at_x < 0 || at_x > w || at_y < 0 || at_y > h;
    if (!outside) continue;
    if (s->edge.mode == CVY_EDGE_CONSTANT) return (double)s->edge.colour[k];
    at_x = s->edge.mode == CVY_EDGE_REFLECT ? fold(at_x, w) : clamp(at_x, 0, w);
    at_y = s->edge.mode == CVY_EDGE_REFLECT ? fold(at_y, h) : clamp(at_y, 0, h);
  }
  return sample(p, at_y, at_x, k);
}

static bool equals_reference(const cvy_picture *picture, const plain *p, const stage *stages, int64_t count) {
  const float *got = drawn(picture);
  double worst = 0;
  for (int64_t i = 0; i < picture->h * picture->w * picture->c; i++) {
    const double want = reference_pixel(p, stages, count, i / picture->c / picture->w,
                                        i / picture->c % picture->w, i % picture->c);
    worst = fmax(worst, fabs((double)got[i] - want));
  }
  if (!(worst < 1e-3)) printf("\n    off by %g", worst);
  return worst < 1e-3; /* of 255: floats interpolate, doubles place */
}

/* ---- maps ---- */

static double uniform(cvy_random *r, double low, double high) {
  return cvy_random_next_uniform(r, low, high);
}

/* Makes a turn with a slant and a shift. It shrinks by less than two, as more is drawn from a coarser
 * raster. */
static cvy_affine_map random_map(cvy_random *r, int64_t h, int64_t w) {
  const double angle = uniform(r, -3, 3), scale = uniform(r, 0.4, 1.2), slant = uniform(r, -0.2, 0.2);
  cvy_affine_map m = {.xx = scale * cos(angle),
                      .xy = scale * (sin(angle) + slant),
                      .yx = -scale * sin(angle),
                      .yy = scale * cos(angle)};
  m.x0 = 0.5 * (double)w * (1 - m.xx) - 0.5 * (double)h * m.xy + uniform(r, -6, 6);
  m.y0 = 0.5 * (double)h * (1 - m.yy) - 0.5 * (double)w * m.yx + uniform(r, -6, 6);
  return m;
}

static void warps_equal_the_reference(void) {
  cvy_random r = {.seed = 8, .purpose = CVY_FOR_TEST};
  for (int trial = 0; trial < 300; trial++) {
    const plain p = {4 + cvy_random_next_below(&r, 40), 4 + cvy_random_next_below(&r, 40), trial % 2 ? 3 : 1};
    cvy_picture picture = cvy_picture_of(bytes_of(&p), false, p.h, p.w, p.c);
    stage stages[4];
    const int64_t count = 1 + cvy_random_next_below(&r, 4);
    for (int64_t i = 0; i < count; i++) {
      stage *s = &stages[i];
      *s = (stage){random_map(&r, picture.h, picture.w),
                   picture.h,
                   picture.w,
                   {.mode = (cvy_edge_mode)cvy_random_next_below(&r, 3)}};
      for (int k = 0; k < 3; k++) s->edge.colour[k] = (float)(10 * i + k);
      CU_ASSERT_EQUAL_FATAL(cvy_picture_map(&picture, &canvas, 4 + cvy_random_next_below(&r, 40),
                                            4 + cvy_random_next_below(&r, 40), &s->map, &s->edge),
                            CVY_OK);
    }
    CU_ASSERT(equals_reference(&picture, &p, stages, count));
  }
}

/* Twenty crops of a turned picture are one map, and none interpolates again. */
static void maps_are_composed(void) {
  const plain p = {40, 40, 3};
  cvy_picture picture = cvy_picture_of(bytes_of(&p), false, 40, 40, 3);
  const double c = cos(0.3), s = sin(0.3);
  stage turned = {
      {c, s, 20 - 20 * c - 20 * s, -s, c, 20 + 20 * s - 20 * c}, 40, 40, {.mode = CVY_EDGE_NEAREST}};
  CU_ASSERT_EQUAL(cvy_picture_map(&picture, &canvas, 40, 40, &turned.map, &turned.edge), CVY_OK);
  for (int i = 0; i < 5; i++)
    CU_ASSERT_EQUAL(cvy_picture_place(&picture, &canvas, picture.h - 2, picture.w - 2, -1, -1, NULL), CVY_OK);
  CU_ASSERT_EQUAL(picture.map_count, 1);
  turned.map.x0 += 5 * turned.map.xx + 5 * turned.map.xy,
      turned.map.y0 += 5 * turned.map.yx + 5 * turned.map.yy;
  CU_ASSERT(equals_reference(&picture, &p, &turned, 1));
}

static void many_maps_are_drawn_in_between(void) {
  const plain p = {12, 12, 1};
  const cvy_edge edge = {.mode = CVY_EDGE_CONSTANT, .colour = {7}};
  cvy_picture picture = cvy_picture_of(bytes_of(&p), false, 12, 12, 1);
  for (int i = 0; i < 40; i++)
    CU_ASSERT_EQUAL(cvy_picture_place(&picture, &canvas, 12, 12, i % 2 ? -1 : 1, 0, &edge), CVY_OK);
  const float *got = drawn(&picture);
  for (int64_t i = 0; i < 144; i++)
    CU_ASSERT_EQUAL(got[i], i >= 11 * 12 ? 7.0f : (float)value_at(i / 12, i % 12, 0));
}

/* ---- scaling ---- */

/* Returns the mean of the picture over an interval of each axis. */
static double mean_over(const plain *p, double top, double bottom, double left, double right, int64_t k) {
  double sum = 0;
  for (int64_t y = 0; y < p->h; y++)
    for (int64_t x = 0; x < p->w; x++) {
      const double down = fmin(bottom, (double)y + 1) - fmax(top, (double)y);
      const double across = fmin(right, (double)x + 1) - fmax(left, (double)x);
      if (down > 0 && across > 0) sum += down * across * value_at(y, x, k);
    }
  return sum / ((bottom - top) * (right - left));
}

static void shrinking_is_the_mean(void) {
  cvy_random r = {.seed = 9, .purpose = CVY_FOR_TEST};
  for (int trial = 0; trial < 60; trial++) {
    const plain p = {20 + cvy_random_next_below(&r, 40), 20 + cvy_random_next_below(&r, 40), 3};
    cvy_picture picture = cvy_picture_of(bytes_of(&p), false, p.h, p.w, 3);
    const int64_t h = 3 + cvy_random_next_below(&r, 6), w = 3 + cvy_random_next_below(&r, 6);
    const double part_h = uniform(&r, (double)h + 1, (double)p.h),
                 part_w = uniform(&r, (double)w + 1, (double)p.w);
    const double top = uniform(&r, 0, (double)p.h - part_h), left = uniform(&r, 0, (double)p.w - part_w);
    CU_ASSERT_EQUAL(cvy_picture_scale(&picture, &canvas, h, w, top, left, part_h, part_w), CVY_OK);
    const bool mirrored = trial % 3 == 0;
    if (mirrored) CU_ASSERT_EQUAL(cvy_picture_mirror(&picture, &canvas), CVY_OK);
    const float *got = drawn(&picture);
    double worst = 0;
    for (int64_t i = 0; i < h * w * 3; i++) {
      const int64_t y = i / 3 / w, column = i / 3 % w, x = mirrored ? w - 1 - column : column;
      const double want = mean_over(
          &p, top + part_h * (double)y / (double)h, top + part_h * (double)(y + 1) / (double)h,
          left + part_w * (double)x / (double)w, left + part_w * (double)(x + 1) / (double)w, i % 3);
      worst = fmax(worst, fabs(want - (double)got[i]));
    }
    CU_ASSERT(worst < 1e-3);
  }
}

static void growing_lies_between_neighbours(void) {
  const plain p = {9, 7, 3};
  cvy_picture picture = cvy_picture_of(bytes_of(&p), false, 9, 7, 3);
  const stage scaled = {{.xx = 7.0 / 30, .yy = 9.0 / 25}, 9, 7, {.mode = CVY_EDGE_NEAREST}};
  CU_ASSERT_EQUAL(cvy_picture_scale(&picture, &canvas, 25, 30, 0, 0, 9, 7), CVY_OK);
  CU_ASSERT(equals_reference(&picture, &p, &scaled, 1));
}

/* ---- parts of JPEGs ---- */

static file_bytes jpeg_of(int64_t h, int64_t w) {
  cvy_image image = {0};
  cvy_image_resize_buffer(&image, h, w, 3);
  for (int64_t i = 0; i < h * w * 3; i++) image.px[i] = (uint8_t)value_at(i / 3 / w, i / 3 % w, i % 3);
  const file_bytes file = make_jpeg(&image, 90, false);
  cvy_image_free(&image);
  return file;
}

/* A part shows what the whole shows there, but for the outermost pixels, whose colours are blended with fewer
 * neighbours. */
static void parts_equal_the_whole(void) {
  cvy_random r = {.seed = 10, .purpose = CVY_FOR_TEST};
  const file_bytes file = jpeg_of(203, 171);
  cvy_image whole = {0}, some = {0};
  CU_ASSERT_EQUAL_FATAL(cvy_image_decode(&whole, file.bytes, file.count, 3), CVY_OK);
  for (int trial = 0; trial < 200; trial++) {
    const int64_t top = cvy_random_next_below(&r, 203), left = cvy_random_next_below(&r, 171);
    const int64_t h = 1 + cvy_random_next_below(&r, 203 - top), w = 1 + cvy_random_next_below(&r, 171 - left);
    cvy_image_part part = {top, left, h, w, 1, 0};
    CU_ASSERT_EQUAL_FATAL(cvy_image_decode_part(&some, &part, file.bytes, file.count, 3), CVY_OK);
    CU_ASSERT(part.top <= top && part.left <= left && part.top + part.h >= top + h &&
              part.left + part.w >= left + w);
    CU_ASSERT(some.h == part.h && some.w == part.w);
    bool same = true;
    for (int64_t y = top; y < top + h; y++)
      for (int64_t x = left; x < left + w; x++)
        for (int64_t k = 0; k < 3; k++)
          same &= some.px[((y - part.top) * some.w + x - part.left) * 3 + k] ==
                  whole.px[(y * 171 + x) * 3 + k];
    CU_ASSERT(same);
  }
  cvy_image_free(&whole), cvy_image_free(&some), free(file.bytes);
}

/* A decoder that is asked for less resolution than there is gives the means of blocks, nearly: the file is
 * lossy. */
static void coarse_parts_are_means(void) {
  const file_bytes file = jpeg_of(200, 160);
  cvy_image some = {0};
  for (int64_t scale = 2; scale <= 8; scale *= 2) {
    cvy_image_part part = {40, 48, 96, 64, (double)scale + 0.5, 0};
    CU_ASSERT_EQUAL_FATAL(cvy_image_decode_part(&some, &part, file.bytes, file.count, 3), CVY_OK);
    CU_ASSERT(part.h == some.h * scale && part.w == some.w * scale);
    const plain p = {200, 160, 3};
    double sum = 0;
    for (int64_t y = 1; y + 1 < some.h; y++)
      for (int64_t x = 1; x + 1 < some.w; x++) {
        const double top = (double)(part.top + y * scale), left = (double)(part.left + x * scale);
        sum += fabs(some.px[(y * some.w + x) * 3] -
                    mean_over(&p, top, top + (double)scale, left, left + (double)scale, 0));
      }
    CU_ASSERT(sum / (double)((some.h - 2) * (some.w - 2)) < 3);
  }
  cvy_image_free(&some), free(file.bytes);
}

/* The chain's crop of an encoded picture is that of the decoded one. */
static void decoding_waits_for_the_chain(void) {
  const file_bytes file = jpeg_of(90, 120);
  cvy_image whole = {0}, some = {0};
  CU_ASSERT_EQUAL_FATAL(cvy_image_decode(&whole, file.bytes, file.count, 3), CVY_OK);
  cvy_picture a, b = cvy_picture_of(whole.px, false, 90, 120, 3);
  const cvy_encoded encoded = {.bytes = file.bytes, .byte_count = file.count, .image = &some};
  CU_ASSERT_EQUAL_FATAL(cvy_picture_of_encoded(&a, &encoded, 3), CVY_OK);
  CU_ASSERT(a.h == 90 && a.w == 120 && a.c == 3);
  for (int i = 0; i < 2; i++) {
    cvy_picture *p = i ? &b : &a;
    CU_ASSERT_EQUAL(cvy_picture_place(p, &canvas, 30, 40, -25, -50, NULL), CVY_OK);
    CU_ASSERT_EQUAL(cvy_picture_mirror(p, &canvas), CVY_OK);
  }
  float *first = malloc(sizeof *first * 30 * 40 * 3);
  memcpy(first, drawn(&a), sizeof *first * 30 * 40 * 3);
  CU_ASSERT_EQUAL(memcmp(first, drawn(&b), sizeof *first * 30 * 40 * 3), 0);
  CU_ASSERT(some.h < 50 && some.w < 80);
  cvy_image_free(&whole), cvy_image_free(&some), free(file.bytes), free(first);
}

static void damage_is_told_when_drawn(void) {
  file_bytes file = jpeg_of(90, 120);
  cvy_image image = {0};
  float *samples;
  cvy_picture picture;
  const cvy_encoded encoded = {.bytes = file.bytes, .byte_count = file.count / 2, .image = &image},
                    no_header = {.bytes = file.bytes, .byte_count = 20, .image = &image};
  CU_ASSERT_EQUAL(cvy_picture_of_encoded(&picture, &no_header, 3), CVY_E_INPUT);
  CU_ASSERT_EQUAL_FATAL(cvy_picture_of_encoded(&picture, &encoded, 3), CVY_OK);
  CU_ASSERT_EQUAL(cvy_picture_draw(&picture, &samples, &canvas), CVY_E_INPUT);
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "truncated"));
  cvy_image_free(&image), free(file.bytes);
}

/* ---- whole pictures that somebody keeps ---- */

typedef struct shelf {
  file_bytes file;
  size_t room;
  cvy_whole_picture wholes[CVY_SCALES];
  uint8_t *samples[CVY_SCALES];
  int fetched;
} shelf;

/* A keeper's context is const, as whole pictures are found by many threads. */
static shelf *shelf_of(const void *context) {
  return (shelf *)(uintptr_t)context;
}

static const uint8_t *find_on_shelf(cvy_whole_picture *whole, const void *context, int index) {
  *whole = shelf_of(context)->wholes[index];
  return shelf_of(context)->samples[index];
}

static bool shelf_has_room(const void *context, size_t byte_count) {
  return byte_count <= shelf_of(context)->room;
}

static void put_on_shelf(const void *context, int index, const cvy_whole_picture *whole,
                         const uint8_t *samples) {
  shelf *s = shelf_of(context);
  const size_t bytes = (size_t)(whole->h * whole->w * whole->c);
  CU_ASSERT_PTR_NULL_FATAL(s->samples[index]);
  s->wholes[index] = *whole;
  s->samples[index] = malloc(bytes);
  memcpy(s->samples[index], samples, bytes);
}

static cvy_err fetch_for_shelf(const void **bytes, size_t *byte_count, const void *context) {
  shelf *s = shelf_of(context);
  s->fetched++;
  *bytes = s->file.bytes;
  *byte_count = s->file.count;
  return CVY_OK;
}

static const cvy_keeper shelf_keeper = {find_on_shelf, shelf_has_room, put_on_shelf, fetch_for_shelf};

static void clear_shelf(shelf *s) {
  for (int i = 0; i < CVY_SCALES; i++) free(s->samples[i]);
  *s = (shelf){.file = s->file, .room = s->room};
}

/* Draws a part of the picture at half its size, which is valid until the next call. */
static const float *drawn_part(cvy_picture *p) {
  CU_ASSERT_EQUAL(cvy_picture_scale(p, &canvas, 30, 20, 10, 20, 62, 44), CVY_OK);
  return drawn(p);
}

/* A kept picture looks the same with room and without, and when the whole is there already. */
static void kept_pictures_are_the_same(void) {
  enum { FLOATS = 30 * 20 * 3 };
  cvy_image image = {0};
  shelf s = {.file = jpeg_of(90, 120)};
  const cvy_encoded alone = {.bytes = s.file.bytes, .byte_count = s.file.count, .image = &image};
  cvy_encoded kept = {.image = &image, .keeper = &shelf_keeper, .keeper_context = &s};
  cvy_picture picture;
  float expected[FLOATS];
  CU_ASSERT_EQUAL_FATAL(cvy_picture_of_encoded(&picture, &alone, 3), CVY_OK);
  memcpy(expected, drawn_part(&picture), sizeof expected);
  for (int has_room = 0; has_room < 2; has_room++) {
    s.room = has_room ? 45 * 60 * 3 : 45 * 60 * 3 - 1;
    CU_ASSERT_FALSE(cvy_picture_of_kept(&picture, &kept, 3));
    kept.bytes = s.file.bytes, kept.byte_count = s.file.count;
    CU_ASSERT_EQUAL_FATAL(cvy_picture_of_encoded(&picture, &kept, 3), CVY_OK);
    CU_ASSERT_EQUAL(memcmp(drawn_part(&picture), expected, sizeof expected), 0);
    kept.bytes = NULL;
    CU_ASSERT_EQUAL(s.samples[1] != NULL, has_room);
    CU_ASSERT_TRUE(!s.samples[0] && !s.samples[2] && !s.samples[3]);
    CU_ASSERT_EQUAL(cvy_picture_of_kept(&picture, &kept, 3), has_room);
    if (has_room) CU_ASSERT_EQUAL(memcmp(drawn_part(&picture), expected, sizeof expected), 0);
    CU_ASSERT_EQUAL(s.fetched, 0);
  }
  CU_ASSERT_FALSE(cvy_picture_of_kept(&picture, &kept, 1));
  clear_shelf(&s);
  cvy_image_free(&image), free(s.file.bytes);
}

/* Another scale than the one that is kept needs the file's bytes, once. */
static void bytes_are_fetched_when_needed(void) {
  cvy_image image = {0};
  shelf s = {.file = jpeg_of(90, 120), .room = SIZE_MAX};
  cvy_encoded kept = {.bytes = s.file.bytes,
                      .byte_count = s.file.count,
                      .image = &image,
                      .keeper = &shelf_keeper,
                      .keeper_context = &s};
  cvy_picture picture;
  CU_ASSERT_EQUAL_FATAL(cvy_picture_of_encoded(&picture, &kept, 3), CVY_OK);
  drawn_part(&picture);
  kept.bytes = NULL;
  for (int i = 0; i < 3; i++) {
    CU_ASSERT_TRUE_FATAL(cvy_picture_of_kept(&picture, &kept, 3));
    CU_ASSERT_TRUE(picture.h == 90 && picture.w == 120);
    drawn(&picture);
    CU_ASSERT_EQUAL(s.fetched, 1);
    CU_ASSERT_PTR_NOT_NULL(s.samples[0]);
  }
  clear_shelf(&s);
  cvy_image_free(&image), free(s.file.bytes);
}

SUITE("picture", TEST(warps_equal_the_reference), TEST(maps_are_composed),
      TEST(many_maps_are_drawn_in_between), TEST(shrinking_is_the_mean),
      TEST(growing_lies_between_neighbours), TEST(parts_equal_the_whole), TEST(coarse_parts_are_means),
      TEST(decoding_waits_for_the_chain), TEST(damage_is_told_when_drawn), TEST(kept_pictures_are_the_same),
      TEST(bytes_are_fetched_when_needed))
