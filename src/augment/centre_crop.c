/* The middle of the picture is kept, in training and in evaluation (torchvision's CenterCrop). */
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
  return cvy_picture_place(picture, call->canvas, part[0], part[1], -((picture->h - part[0]) / 2),
                           -((picture->w - part[1]) / 2), NULL);
}

const cvy_augmentation cvy_augmentation_centre_crop = {
    .kind = {"centre_crop", "the middle of the picture, also in training", options, sizeof(config)},
    .example = "{size: 46}",
    .size = size,
    .cuts = true,
    .apply = apply,
};
