/* A part of the picture: anywhere in training (Krizhevsky et al. 2012, section 4.1), the centre in
 * evaluation. */
#include "data/augment.h"

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
  const int64_t *part = ((const config *)c)->size;
  if (h && (part[0] > h || part[1] > w))
    return cvy_error(CVY_E_INPUT,
                     "a part of %lldx%lld does not fit in a picture of %lldx%lld (height x width)",
                     (long long)part[0], (long long)part[1], (long long)h, (long long)w);
  *out_h = part[0];
  *out_w = part[1];
  return CVY_OK;
}

static cvy_err apply(cvy_picture *picture, const void *c, cvy_augment_call *call) {
  const int64_t *part = ((const config *)c)->size;
  const int64_t spare_h = picture->h - part[0], spare_w = picture->w - part[1];
  int64_t top = spare_h / 2, left = spare_w / 2;
  if (call->training) {
    top = cvy_random_next_below(&call->random, spare_h + 1);
    left = cvy_random_next_below(&call->random, spare_w + 1);
  }
  cvy_picture_place(picture, call->canvas, part[0], part[1], -top, -left, NULL);
  return CVY_OK;
}

const cvy_augmentation cvy_augmentation_crop = {
    .kind = {"crop", "a part of the picture, anywhere; its centre in evaluation", options, sizeof(config)},
    .size = size,
    .apply = apply,
};
