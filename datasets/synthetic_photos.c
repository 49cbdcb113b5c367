/* JPEG files that cost what photographs cost: for measuring preparation, reading and decoding without any.
 *
 * A photo is smooth noise of every scale, the coarser the stronger, as natural pictures have it (their
 * amplitude falls with about 1/f: Field 1987, "Relations between the statistics of natural images and the
 * response properties of cortical cells"), some ellipses with sharp edges, and the fine grain of a sensor;
 * a class has its colour. Sizes, shapes and qualities vary as in ImageNet's: about 110 KB at 500x375. A
 * photo is a function of (seed, index): counted random numbers, exact arithmetic, and libjpeg-turbo's
 * accurate integer DCT. */
#include "datasets/pictures.h"

#include <stdlib.h>
#include <string.h>
#include <jpeglib.h>

enum { COARSEST = 7 /* grid spacing 2^7 pixels */, PLANES = 3, MAX_ELLIPSES = 8 };

/* Each of these is drawn with a counter of its own, by cvy_random.layer. */
enum { OF_PICTURE, OF_SIZE, OF_CLASS, OF_NOISE /* and PLANES * levels behind */ };

typedef struct config {
  int64_t count, classes, pixels[2];
  int colour;
} config;

typedef struct state {
  cvy_picture_state common;
  uint64_t seed;
  int64_t class_count, h, w; /* h = w = 0: they vary */
  float *plane[PLANES];      /* Y, Cb, Cr of one photo, from 0 to 255 */
  float *grid;
  size_t capacity; /* samples of a plane */
  JSAMPLE *rows;
} state;

static cvy_random counter(const state *s, int64_t index, uint32_t layer) {
  return (cvy_random){
      .seed = s->seed, .purpose = CVY_FOR_SYNTHETIC, .layer = layer, .step = 1, .sample = (uint32_t)index};
}

/* ---- size ---- */

static void choose_size(int64_t *h, int64_t *w, const state *s, int64_t index) {
  static const int64_t usual[][2] = {{375, 500}, {375, 500}, {375, 500}, {375, 500}, {375, 500}, {375, 500},
                                     {333, 500}, {333, 500}, {500, 375}, {500, 375}, {500, 333}, {500, 500}};
  cvy_random random = counter(s, index, OF_SIZE);
  const int64_t which = cvy_random_next_below(&random, CVY_COUNT(usual) + 2);
  *h = s->h;
  *w = s->w;
  if (s->h > 0) return;
  if (which < CVY_COUNT(usual)) {
    *h = usual[which][0];
    *w = usual[which][1];
  } else {
    *h = 120 + cvy_random_next_below(&random, 600);
    *w = 120 + cvy_random_next_below(&random, 800);
  }
}

static void reserve(state *s, int64_t h, int64_t w) {
  const size_t samples = (size_t)(h * w);
  if (samples <= s->capacity) return;
  for (int i = 0; i < PLANES; i++) {
    free(s->plane[i]);
    s->plane[i] = cvy_new(sizeof(float) * samples);
  }
  free(s->grid);
  free(s->rows);
  s->grid = cvy_new(sizeof(float) * (size_t)(h + 4) * (size_t)(w + 4));
  s->rows = cvy_new(samples * PLANES);
  s->capacity = samples;
}

/* ---- noise ---- */

/* Draws grid[i] = -amplitude ... amplitude, eight draws of 16 bits a block. */
static void draw_grid(float *grid, int64_t count, float amplitude, const cvy_random *random) {
  for (int64_t i = 0; i < count; i += 8) {
    uint32_t words[4];
    cvy_random_block(words, random, (uint32_t)(i / 8));
    for (int64_t k = 0; k < 8 && i + k < count; k++) {
      const uint32_t half = words[k / 2] >> (k % 2 * 16) & 0xffff;
      grid[i + k] = amplitude * ((float)half / 32768.0f - 1.0f);
    }
  }
}

/* Adds a grid of spacing 2^level, bilinear between its points. */
static void add_grid(float *plane, int64_t h, int64_t w, const float *grid, int64_t grid_w, int level) {
  const int64_t spacing = (int64_t)1 << level;
  for (int64_t y = 0; y < h; y++) {
    const float *above = grid + (y >> level) * grid_w, *below = above + grid_w;
    const float fy = (float)(y & (spacing - 1)) / (float)spacing;
    float *row = plane + y * w;
    for (int64_t x0 = 0; x0 < w; x0 += spacing) {
      const int64_t cell = x0 >> level, end = x0 + spacing < w ? x0 + spacing : w;
      const float left = above[cell] + fy * (below[cell] - above[cell]);
      const float right = above[cell + 1] + fy * (below[cell + 1] - above[cell + 1]);
      const float slope = (right - left) / (float)spacing;
      for (int64_t x = x0; x < end; x++) row[x] += left + slope * (float)(x - x0);
    }
  }
}

/* Adds noise of the scales 2^COARSEST ... 2^finest pixels; each octave has `fall` times the one above. */
static void add_noise(state *s, int plane, int64_t h, int64_t w, int finest, float amplitude, float fall,
                      int64_t index) {
  for (int level = COARSEST; level >= finest; level--, amplitude *= fall) {
    const cvy_random random = counter(s, index, OF_NOISE + (uint32_t)(plane * (COARSEST + 1) + level));
    const int64_t grid_h = ((h - 1) >> level) + 2, grid_w = ((w - 1) >> level) + 2;
    draw_grid(s->grid, grid_h * grid_w, amplitude, &random);
    add_grid(s->plane[plane], h, w, s->grid, grid_w, level);
  }
}

/* ---- things ---- */

static void add_ellipse(state *s, int64_t h, int64_t w, cvy_random *random) {
  const double ry = (double)h * cvy_random_next_uniform(random, 0.05, 0.35);
  const double rx = (double)w * cvy_random_next_uniform(random, 0.05, 0.35);
  const double cy = (double)h * cvy_random_next_uniform(random, 0, 1);
  const double cx = (double)w * cvy_random_next_uniform(random, 0, 1);
  float step[PLANES];
  for (int k = 0; k < PLANES; k++)
    step[k] = (float)cvy_random_next_uniform(random, k ? -20 : -70, k ? 20 : 70);
  const int64_t top = cy - ry > 0 ? (int64_t)(cy - ry) : 0, left = cx - rx > 0 ? (int64_t)(cx - rx) : 0;
  for (int64_t y = top; y < h && (double)y <= cy + ry; y++)
    for (int64_t x = left; x < w && (double)x <= cx + rx; x++) {
      const double dy = ((double)y - cy) / ry, dx = ((double)x - cx) / rx;
      if (dy * dy + dx * dx > 1) continue;
      for (int k = 0; k < PLANES; k++) s->plane[k][y * w + x] += step[k];
    }
}

/* A class's colour, and how fast its noise falls with the scale. */
typedef struct look {
  float y, cb, cr, fall;
} look;

static look look_of(const state *s, int64_t label) {
  cvy_random random = counter(s, label, OF_CLASS);
  look out;
  out.y = (float)cvy_random_next_uniform(&random, 90, 150);
  out.cb = (float)cvy_random_next_uniform(&random, 98, 158);
  out.cr = (float)cvy_random_next_uniform(&random, 98, 158);
  out.fall = (float)cvy_random_next_uniform(&random, 0.80, 0.88);
  return out;
}

static void draw_photo(state *s, int64_t h, int64_t w, int64_t index) {
  const look class = look_of(s, index % s->class_count);
  const float ground[PLANES] = {class.y, class.cb, class.cr};
  cvy_random random = counter(s, index, OF_PICTURE);
  reserve(s, h, w);
  for (int k = 0; k < PLANES; k++)
    for (int64_t i = 0; i < h * w; i++) s->plane[k][i] = ground[k];
  add_noise(s, 0, h, w, 0, (float)cvy_random_next_uniform(&random, 60, 90), class.fall, index);
  for (int k = 1; k < PLANES; k++) add_noise(s, k, h, w, 2, 12, 0.6f, index);
  const int64_t ellipses = 2 + cvy_random_next_below(&random, MAX_ELLIPSES - 1);
  for (int64_t i = 0; i < ellipses; i++) add_ellipse(s, h, w, &random);
}

/* ---- the file ---- */

static void encoder_failed(j_common_ptr info) {
  char text[JMSG_LENGTH_MAX];
  info->err->format_message(info, text);
  cvy_fatal("encoding a photo: %s", text); /* only memory can be missing */
}

static void interleave(state *s, int64_t samples) {
  for (int64_t i = 0; i < samples; i++)
    for (int k = 0; k < PLANES; k++) {
      const float v = s->plane[k][i];
      s->rows[i * PLANES + k] = (JSAMPLE)(v < 0 ? 0 : v > 255 ? 255 : v + 0.5f > 255 ? 255 : (int)(v + 0.5f));
    }
}

static cvy_err encode(state *s, int64_t h, int64_t w, int quality) {
  struct jpeg_compress_struct info;
  struct jpeg_error_mgr errors;
  unsigned char *bytes = NULL;
  unsigned long count = 0;
  info.err = jpeg_std_error(&errors);
  errors.error_exit = encoder_failed;
  jpeg_create_compress(&info);
  jpeg_mem_dest(&info, &bytes, &count);
  info.image_width = (JDIMENSION)w;
  info.image_height = (JDIMENSION)h;
  info.input_components = PLANES;
  info.in_color_space = JCS_YCbCr;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, quality, TRUE);
  info.dct_method = JDCT_ISLOW;
  interleave(s, h * w);
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    JSAMPROW row = s->rows + (int64_t)info.next_scanline * w * PLANES;
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  cvy_bytes *file = &s->common.delivery.file;
  const cvy_err err = cvy_bytes_reserve(file, count, s->common.delivery.name);
  if (!err) memcpy(file->data, bytes, count);
  file->count = err ? 0 : count;
  free(bytes);
  return err;
}

/* ---- the reader ---- */

static void close_photos(cvy_source *source) {
  const state *s = source->state;
  for (int k = 0; k < PLANES; k++) free(s->plane[k]);
  free(s->grid);
  free(s->rows);
  cvy_pictures_end(source);
}

static cvy_err check_config(const config *c, const char *const *inputs, int64_t input_count) {
  if (input_count > 0)
    return cvy_error(CVY_E_USAGE, "synthetic-photos takes no input, not '%s': its photos are drawn",
                     inputs[0]);
  if (c->classes > c->count)
    return cvy_error(CVY_E_USAGE, "--classes %" PRId64 ": only %" PRId64 " photos", c->classes, c->count);
  if ((c->pixels[0] > 0) != (c->pixels[1] > 0) ||
      (c->pixels[0] > 0 && (c->pixels[0] < 8 || c->pixels[1] < 8)))
    return cvy_error(CVY_E_USAGE, "--pixels %" PRId64 "x%" PRId64 ": photos need at least 8x8", c->pixels[1],
                     c->pixels[0]);
  return CVY_OK;
}

static cvy_err open_photos(cvy_source *out, const void *config_, const char *const *inputs,
                           int64_t input_count, int64_t h, int64_t w, uint64_t seed) {
  const config *c = config_;
  *out = (cvy_source){0};
  CVY_TRY(check_config(c, inputs, input_count));
  state *s = cvy_pictures_begin(out, sizeof *s, c->colour, h, w);
  s->seed = seed;
  s->class_count = c->classes;
  s->h = c->pixels[0];
  s->w = c->pixels[1];
  const char **names = cvy_pool_new(s->common.pool, sizeof *names * (size_t)c->classes);
  for (int64_t k = 0; k < c->classes; k++) names[k] = cvy_pool_format(s->common.pool, "class %03" PRId64, k);
  out->count = c->count;
  out->class_count = c->classes;
  out->class_names = names;
  out->encoded_bytes = c->count * (s->h > 0 ? s->h * s->w * 6 / 10 : 110000); /* about */
  return CVY_OK;
}

static void photos_again(cvy_source *out, const cvy_source *first) {
  cvy_pictures_share(out, first, sizeof(state));
  state *s = out->state;
  for (int k = 0; k < PLANES; k++) s->plane[k] = NULL;
  s->grid = NULL;
  s->rows = NULL;
  s->capacity = 0;
}

static cvy_err read_photos(cvy_record *out, cvy_source *source, int64_t index) {
  state *s = source->state;
  int64_t h, w;
  choose_size(&h, &w, s, index);
  snprintf(s->common.delivery.name, sizeof s->common.delivery.name, "photo %" PRId64, index);
  *out = (cvy_record){.label = (int32_t)(index % s->class_count), .name = s->common.delivery.name};
  draw_photo(s, h, w, index);
  cvy_random random = counter(s, index, OF_PICTURE);
  CVY_TRY(encode(s, h, w, 88 + (int)cvy_random_next_below(&random, 10)));
  return cvy_pictures_deliver(out, &s->common.delivery, source);
}

static const cvy_option options[] = {
    {"count", CVY_INT, offsetof(config, count), "10000", 2, 1e9, .help = "photos to draw"},
    {"classes", CVY_INT, offsetof(config, classes), "1000", 2, 100000,
     .help = "photo i has class i mod this"},
    {"pixels", CVY_PAIR, offsetof(config, pixels), "0", 0, 16384,
     .help = "WIDTHxHEIGHT of the JPEG files; 0: they vary as photographs do, mostly 500x375"},
    {"colour", CVY_CHOICE, offsetof(config, colour), "rgb", .words = cvy_colour_words,
     .help = "channels of the decoded pictures"},
    {0},
};

const cvy_reader cvy_reader_synthetic_photos = {
    .kind = &(const cvy_kind){"synthetic-photos",
                              "JPEG files as large as ImageNet's, drawn by the seed, for measuring", options,
                              sizeof(config)},
    .keeps_files = true,
    .open = open_photos,
    .read = read_photos,
    .close = close_photos,
    .again = photos_again,
};
