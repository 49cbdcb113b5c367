/* The registry of augmentations, and what many of them share. */
#include "augment/augmentation.h"

#include "base/count.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CVY_AUGMENTATION(name) extern const cvy_augmentation cvy_augmentation_##name;
#include "augment/augmentations.def"
#undef CVY_AUGMENTATION

#define CVY_AUGMENTATION(name) &cvy_augmentation_##name,
static const cvy_augmentation *const registry[] = {
#include "augment/augmentations.def"
};
#undef CVY_AUGMENTATION

int64_t cvy_augmentation_count(void) {
  return CVY_COUNT(registry);
}

const cvy_augmentation *cvy_augmentation_at(int64_t index) {
  CVY_CHECK(index >= 0 && index < CVY_COUNT(registry));
  return registry[index];
}

/* ---- what many of them share ---- */

cvy_err cvy_fill_parse(cvy_fill *fill) {
  static const char *const words[] = {[CVY_EDGE_NEAREST] = "nearest", [CVY_EDGE_REFLECT] = "reflect"};
  for (cvy_edge_mode mode = CVY_EDGE_NEAREST; mode <= CVY_EDGE_REFLECT; mode++)
    if (strcmp(fill->text, words[mode]) == 0) {
      fill->mode = mode;
      return CVY_OK;
    }
  char *end;
  fill->is_mean = strcmp(fill->text, "mean") == 0;
  if (fill->is_mean) return CVY_OK;
  const double value = strtod(fill->text, &end);
  if (end == fill->text || *end || !isfinite((float)value))
    return cvy_error(CVY_E_INPUT,
                     "'fill' must be a number in units of the samples, mean, nearest or reflect, not '%s'",
                     fill->text);
  fill->value = (float)value;
  return CVY_OK;
}

cvy_edge cvy_fill_edge(const cvy_fill *fill, const cvy_augment_call *call, int64_t channels) {
  cvy_edge edge = {.mode = fill->mode};
  for (int64_t k = 0; k < channels; k++) edge.colour[k] = fill->is_mean ? call->mean[k] : fill->value;
  return edge;
}

cvy_err cvy_augment_same_size(int64_t *out_h, int64_t *out_w, const void *config, int64_t h, int64_t w) {
  (void)config;
  *out_h = h;
  *out_w = w;
  return CVY_OK;
}

cvy_err cvy_augment_part_size(int64_t *out_h, int64_t *out_w, const int64_t part[2], int64_t h, int64_t w) {
  const int64_t missing[2] = {cvy_larger(part[0] - h, 0), cvy_larger(part[1] - w, 0)};
  if (h && (missing[0] || missing[1]))
    return cvy_error(CVY_E_INPUT,
                     "a part of %" PRId64 "x%" PRId64 " does not fit in a picture of %" PRId64 "x%" PRId64
                     " (height x width); before it, '- resize: {shorter: %" PRId64
                     "}' would make every picture large enough, and '- pad: {by: [%" PRId64 ", %" PRId64
                     "]}' this one",
                     part[0], part[1], h, w, cvy_larger(part[0], part[1]), cvy_pieces(missing[0], 2),
                     cvy_pieces(missing[1], 2));
  *out_h = part[0];
  *out_w = part[1];
  return CVY_OK;
}

void cvy_augment_size_words(char out[CVY_SIZE_WORDS], int64_t h, int64_t w) {
  if (h == 0)
    snprintf(out, CVY_SIZE_WORDS, "of varying size");
  else
    snprintf(out, CVY_SIZE_WORDS, "%" PRId64 "x%" PRId64, h, w);
}

void cvy_augment_size_advice(char out[CVY_SIZE_WORDS], int64_t h, int64_t w, int64_t other_h,
                             int64_t other_w) {
  out[0] = '\0';
  if (h > 0 && other_h > 0) return;
  snprintf(out, CVY_SIZE_WORDS,
           "; before it, '- random_resized_crop: {size: [%" PRId64 ", %" PRId64
           "]}' would make all the same size",
           cvy_larger(h, other_h), cvy_larger(w, other_w));
}

static int64_t scaled(int64_t longer, int64_t shorter, int64_t new_shorter) {
  return llround((double)longer * (double)new_shorter / (double)shorter);
}

void cvy_augment_by_shorter(int64_t *out_h, int64_t *out_w, int64_t h, int64_t w, int64_t shorter) {
  const bool unknown = h == 0;
  *out_h = unknown ? 0 : h <= w ? shorter : scaled(h, w, shorter);
  *out_w = unknown ? 0 : w <= h ? shorter : scaled(w, h, shorter);
}

cvy_err cvy_warp_prepare(void *config) {
  return cvy_fill_parse(&((cvy_warp_config *)config)->fill);
}

cvy_err cvy_augment_warp(cvy_picture *picture, cvy_augment_call *call, const cvy_affine_map *map,
                         const cvy_fill *fill) {
  const double x = 0.5 * (double)picture->w, y = 0.5 * (double)picture->h;
  const cvy_edge edge = cvy_fill_edge(fill, call, picture->c);
  cvy_affine_map about_centre = *map;
  about_centre.x0 += x - (map->xx * x + map->xy * y);
  about_centre.y0 += y - (map->yx * x + map->yy * y);
  return cvy_picture_map(picture, call->canvas, picture->h, picture->w, &about_centre, &edge);
}
