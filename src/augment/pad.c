/* The picture gets a border all round, in training and in evaluation. So 28 x 28 digits get the 32 x 32 of
 * LeNet-5's input (LeCun et al. 1998, section II.B), or a random crop gets room to move in. */
#include "augment/augmentation.h"

typedef struct config {
  int64_t by[2];
  cvy_fill fill;
} config;

static const cvy_option options[] = {
    {.name = "by",
     .type = CVY_PAIR,
     .offset = offsetof(config, by),
     .min = 0,
     .max = 4096,
     .help = "pixels above and below, left and right"},
    CVY_FILL_OPTION(config, "0"),
    {0},
};

static cvy_err prepare(void *c) {
  return cvy_fill_parse(&((config *)c)->fill);
}

static cvy_err size(int64_t *out_h, int64_t *out_w, const void *c, int64_t h, int64_t w) {
  const int64_t *by = ((const config *)c)->by;
  *out_h = h ? h + 2 * by[0] : 0;
  *out_w = w ? w + 2 * by[1] : 0;
  return CVY_OK;
}

static cvy_err apply(cvy_picture *picture, const void *c, cvy_augment_call *call) {
  const config *own = c;
  const cvy_edge edge = cvy_fill_edge(&own->fill, call, picture->c);
  return cvy_picture_place(picture, call->canvas, picture->h + 2 * own->by[0], picture->w + 2 * own->by[1],
                           own->by[0], own->by[1], &edge);
}

const cvy_augmentation cvy_augmentation_pad = {
    .kind = {"pad", "a border all round, also in evaluation", options, sizeof(config)},
    .example = "{by: 7}",
    .prepare = prepare,
    .size = size,
    .apply = apply,
};
