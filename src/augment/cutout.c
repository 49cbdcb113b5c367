/* Rectangles of one colour hide parts of the picture (DeVries & Taylor 2017, "Improved regularization of
 * convolutional neural networks with cutout"). Their centres are anywhere in the picture, so they may
 * stick out. */
#include "augment/pixels.h"

typedef struct config {
  int64_t size[2], count;
  cvy_fill fill;
} config;

static const cvy_option options[] = {
    {.name = "size",
     .type = CVY_PAIR,
     .offset = offsetof(config, size),
     .min = 0,
     .max = 65536,
     .help = "height and width of a rectangle, pixels"},
    {.name = "count",
     .type = CVY_INT,
     .offset = offsetof(config, count),
     .fallback = "1",
     .min = 0,
     .max = 1000,
     .help = "rectangles in a picture"},
    {.name = "fill",
     .type = CVY_STRING,
     .offset = offsetof(config, fill.text),
     .fallback = "mean",
     .help = "samples of the rectangles: a number in their own units, or mean"},
    {0},
};

static cvy_err prepare(void *c) {
  config *own = c;
  CVY_TRY(cvy_fill_parse(&own->fill));
  return own->fill.mode == CVY_EDGE_CONSTANT
             ? CVY_OK
             : cvy_error(CVY_E_INPUT, "'fill' must be a number in units of the samples or mean, not '%s'",
                         own->fill.text);
}

/* Draws `length` pixels around a random centre, of which those in 0 ... end-1 count. */
static void draw_side(int64_t *from, int64_t *to, int64_t length, int64_t end, cvy_random *random) {
  *from = cvy_random_next_below(random, end) - length / 2;
  *to = *from + length < end ? *from + length : end;
  if (*from < 0) *from = 0;
}

static void cut(float *px, const cvy_picture *picture, const int64_t size[2], const float colour[],
                cvy_random *random) {
  int64_t top, bottom, left, right;
  draw_side(&top, &bottom, size[0], picture->h, random);
  draw_side(&left, &right, size[1], picture->w, random);
  for (int64_t y = top; y < bottom; y++)
    for (int64_t x = left; x < right; x++)
      for (int64_t k = 0; k < picture->c; k++) px[(y * picture->w + x) * picture->c + k] = colour[k];
}

static cvy_err apply(cvy_picture *picture, const void *c, cvy_augment_call *call) {
  const config *own = c;
  float *px;
  if (!call->training || own->count == 0 || own->size[0] == 0 || own->size[1] == 0) return CVY_OK;
  CVY_TRY(cvy_picture_draw(picture, &px, call->canvas));
  const cvy_edge edge = cvy_fill_edge(&own->fill, call, picture->c);
  for (int64_t i = 0; i < own->count; i++) cut(px, picture, own->size, edge.colour, &call->random);
  return CVY_OK;
}

const cvy_augmentation cvy_augmentation_cutout = {
    .kind = {"cutout", "rectangles of one colour at random places; never in evaluation", options,
             sizeof(config)},
    .example = "{size: 24}",
    .prepare = prepare,
    .size = cvy_augment_same_size,
    .apply = apply,
};
