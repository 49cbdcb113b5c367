/* A part of the picture is kept. In training it is anywhere (Krizhevsky et al. 2012, section 4.1), in
 * evaluation it is the centre. */
#include "augment/augmentation.h"

typedef struct config {
  int64_t size[2];
} config;

static const cvy_option options[] = {
    {.name = "size",
     .type = CVY_PAIR,
     .offset = offsetof(config, size),
     .min = 1,
     .max = 65536,
     .help = "height and width of the part, pixels"},
    {0},
};

static cvy_err size(int64_t *out_h, int64_t *out_w, const void *c, int64_t h, int64_t w) {
  return cvy_augment_part_size(out_h, out_w, ((const config *)c)->size, h, w);
}

static cvy_err apply(cvy_picture *picture, const void *c, cvy_augment_call *call) {
  const int64_t *part = ((const config *)c)->size;
  const int64_t spare_h = picture->h - part[0], spare_w = picture->w - part[1];
  int64_t top = spare_h / 2, left = spare_w / 2;
  if (call->training) {
    top = cvy_random_next_below(&call->random, spare_h + 1);
    left = cvy_random_next_below(&call->random, spare_w + 1);
  }
  return cvy_picture_place(picture, call->canvas, part[0], part[1], -top, -left, NULL);
}

const cvy_augmentation cvy_augmentation_crop = {
    .kind = {"crop", "a part of the picture, anywhere; its centre in evaluation", options, sizeof(config)},
    .example = "{size: 46}",
    .size = size,
    .cuts = true,
    .apply = apply,
};
