/* The contact sheet of all augmentations: a strip for each, two strips side by side. It walks the registry,
 * so that a new augmentation appears by itself. */
#include "augment/augmentation.h"
#include "augment/chain.h"
#include "base/count.h"
#include "report/preview.h"
#include "report/scene.h"
#include "report/sheet.h"

#include <stdlib.h>
#include <string.h>

enum {
  H = 60,
  W = 80, /* width of the picture, for which the examples of the augmentations are meant */
  EPOCHS = 4,
  SEED = 4,
  MARGIN = 16,
  GAP = 4,
  STRIPS = 2, /* side by side */
  STRIP_W = EPOCHS * (W + GAP) - GAP,
  BETWEEN = 28,
  NAME_H = 2 * CVY_TEXT_H + 4,
  LINE_H = CVY_TEXT_H + 4,
  STRIP_H = NAME_H + LINE_H + H + 16,
  SHEET_W = 2 * MARGIN + STRIPS * (STRIP_W + BETWEEN) - BETWEEN,
  HEAD_H = MARGIN + H + 24
};

typedef struct gallery {
  cvy_image picture, partner; /* what is augmented; what it is mixed with */
  float mean[CVY_MAX_CHANNELS];
  cvy_canvas canvas;
  cvy_pool *pool;
} gallery;

/* ---- the picture ---- */

static void take_middle(cvy_image *out, const cvy_image *in) {
  const int64_t h = in->h * W < in->w * H ? in->h : cvy_pieces(in->w * H, W);
  const int64_t w = in->h * W < in->w * H ? cvy_pieces(in->h * W, H) : in->w;
  const int64_t top = (in->h - h) / 2, left = (in->w - w) / 2;
  cvy_image part = {0};
  cvy_image_resize_buffer(&part, h, w, 3);
  for (int64_t y = 0; y < h; y++)
    memcpy(part.px + y * w * 3, in->px + ((top + y) * in->w + left) * 3, (size_t)(w * 3));
  cvy_image_scale(out, &part, H, W);
  cvy_image_free(&part);
}

static void find_mean(float mean[], const cvy_image *image) {
  for (int64_t k = 0; k < 3; k++) {
    int64_t sum = 0;
    for (int64_t i = 0; i < image->h * image->w; i++) sum += image->px[i * 3 + k];
    mean[k] = (float)sum / (float)(image->h * image->w);
  }
}

/* Makes another picture of it: upside down, and in other colours. */
static void turn(cvy_image *out, const cvy_image *in) {
  cvy_image_resize_buffer(out, in->h, in->w, 3);
  for (int64_t i = 0, last = in->h * in->w - 1; i <= last; i++)
    for (int64_t k = 0; k < 3; k++) out->px[i * 3 + k] = in->px[(last - i) * 3 + (k + 1) % 3];
}

/* ---- a strip ---- */

static cvy_err read_example(cvy_augment **out, const cvy_augmentation *type, cvy_pool *pool) {
  cvy_yaml *list;
  int64_t h, w;
  char *text = type->example ? cvy_pool_format(pool, "[%s: %s]", type->kind.name, type->example)
                             : cvy_pool_format(pool, "[%s]", type->kind.name);
  *out = NULL;
  CVY_TRY(cvy_yaml_parse(&list, pool, text, "the example of an augmentation"));
  return cvy_augment_create(out, list, H, W, &h, &w);
}

static void to_bytes(cvy_image *out, const float *samples, int64_t h, int64_t w) {
  cvy_image_resize_buffer(out, h, w, 3);
  for (int64_t i = 0; i < h * w * 3; i++) {
    const float sample = samples[i] < 0 ? 0 : samples[i] > 255 ? 255 : samples[i];
    out->px[i] = (uint8_t)(sample + 0.5f);
  }
}

static cvy_augment_call call_at(gallery *g, const cvy_augment *chain, int64_t time) {
  const bool is_evaluation = cvy_augment_views(chain) > 1;
  return (cvy_augment_call){.training = !is_evaluation,
                            .random = {.seed = SEED, .step = is_evaluation ? 0 : (uint32_t)time},
                            .mean = g->mean,
                            .view = is_evaluation ? time : 0,
                            .canvas = &g->canvas};
}

static cvy_err augment(cvy_image *out, gallery *g, const cvy_augment *chain, int64_t time) {
  float *samples;
  cvy_picture picture = cvy_picture_of(g->picture.px, false, H, W, 3);
  cvy_augment_call call = call_at(g, chain, time);
  CVY_TRY(cvy_augment_apply(&picture, chain, &call));
  CVY_TRY(cvy_picture_draw(&picture, &samples, &g->canvas));
  to_bytes(out, samples, picture.h, picture.w);
  return CVY_OK;
}

static void mix(cvy_image *out, gallery *g, const cvy_augment *chain, int64_t time) {
  enum { SAMPLES = H * W * 3 };
  float *both = cvy_new(sizeof *both * 2 * SAMPLES);
  for (int64_t i = 0; i < SAMPLES; i++) {
    both[i] = g->picture.px[i];
    both[SAMPLES + i] = g->partner.px[i];
  }
  cvy_pair pair = {.a = both, .b = both + SAMPLES, .h = H, .w = W, .c = 3, .share = 1};
  cvy_augment_call call = call_at(g, chain, time);
  cvy_augment_mix(&pair, chain, &call);
  to_bytes(out, both, H, W);
  free(both);
}

/* Puts the picture in the middle of its tile, smaller if it has grown beyond that. */
static void put_tile(cvy_image *sheet, int64_t top, int64_t left, const cvy_image *tile) {
  cvy_image shown = {0};
  int64_t h = tile->h, w = tile->w;
  if (h > H) w = (w * H + h / 2) / h, h = H;
  if (w > W) h = (h * W + w / 2) / w, w = W;
  cvy_image_scale(&shown, tile, h > 0 ? h : 1, w > 0 ? w : 1);
  cvy_sheet_put(sheet, top + (H - shown.h) / 2, left + (W - shown.w) / 2, &shown);
  cvy_image_free(&shown);
}

static cvy_err put_tiles(cvy_image *sheet, int64_t top, int64_t left, gallery *g, const cvy_augment *chain) {
  cvy_image tile = {0};
  cvy_err err = CVY_OK;
  for (int64_t epoch = 0; epoch < EPOCHS && !err; epoch++) {
    if (cvy_augment_mixes(chain))
      mix(&tile, g, chain, epoch);
    else
      err = augment(&tile, g, chain, epoch);
    if (!err) put_tile(sheet, top, left + epoch * (W + GAP), &tile);
  }
  cvy_image_free(&tile);
  return err;
}

static cvy_err put_strip(cvy_image *sheet, int64_t top, int64_t left, gallery *g,
                         const cvy_augmentation *type) {
  cvy_augment *chain;
  cvy_sheet_write(sheet, top, left, STRIP_W, type->kind.name, cvy_ink, 2);
  if (type->example) cvy_sheet_write(sheet, top + NAME_H, left, STRIP_W, type->example, cvy_faint_ink, 1);
  CVY_TRY(read_example(&chain, type, g->pool));
  const cvy_err err = put_tiles(sheet, top + NAME_H + LINE_H, left, g, chain);
  cvy_augment_destroy(chain);
  return err;
}

/* ---- the sheet ---- */

static void write_heading(cvy_image *sheet, const gallery *g) {
  char text[200];
  const int64_t left = MARGIN + W + 16, room = SHEET_W - left - MARGIN;
  cvy_sheet_put(sheet, MARGIN, MARGIN, &g->picture);
  cvy_sheet_write(sheet, MARGIN, left, room, "Augmentations", cvy_ink, 3);
  snprintf(text, sizeof text,
           "What each of them makes of the picture on the left, %d x %d pixels, in epochs 0 to %d "
           "(ten_crops: views).",
           W, H, EPOCHS - 1);
  cvy_sheet_write(sheet, MARGIN + 36, left, room, text, cvy_faint_ink, 1);
  cvy_sheet_write(sheet, MARGIN + 36 + LINE_H, left, room,
                  "Under each name stand its options; they are stronger here than training wants them.",
                  cvy_faint_ink, 1);
}

static cvy_err draw(cvy_image *sheet, gallery *g) {
  const int64_t count = cvy_augmentation_count(), lines = cvy_pieces(count, STRIPS);
  CVY_TRY(cvy_sheet_begin(sheet, HEAD_H + lines * STRIP_H, SHEET_W));
  write_heading(sheet, g);
  for (int64_t i = 0; i < count; i++)
    CVY_TRY(put_strip(sheet, HEAD_H + i / STRIPS * STRIP_H, MARGIN + i % STRIPS * (STRIP_W + BETWEEN), g,
                      cvy_augmentation_at(i)));
  return CVY_OK;
}

cvy_err cvy_preview_augmentations(cvy_image *sheet, const cvy_image *picture) {
  gallery g = {.pool = cvy_pool_create()};
  if (picture)
    take_middle(&g.picture, picture);
  else
    cvy_scene_draw(&g.picture, H, W);
  turn(&g.partner, &g.picture);
  find_mean(g.mean, &g.picture);
  const cvy_err err = draw(sheet, &g);
  cvy_image_free(&g.picture);
  cvy_image_free(&g.partner);
  cvy_canvas_free(&g.canvas);
  cvy_pool_destroy(g.pool);
  return err;
}
