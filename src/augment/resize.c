/* The whole picture is scaled to another size, in training and in evaluation. */
#include "augment/augmentation.h"

typedef struct config {
  int64_t size[2], shorter;
} config;

static const cvy_option options[] = {
    {.name = "size",
     .type = CVY_PAIR,
     .offset = offsetof(config, size),
     .fallback = "0",
     .min = 0,
     .max = 65536,
     .help = "height and width, pixels, without regard to the aspect; or else:"},
    {.name = "shorter",
     .type = CVY_INT,
     .offset = offsetof(config, shorter),
     .fallback = "0",
     .min = 0,
     .max = 65536,
     .help = "the shorter side, pixels; the other one follows"},
    {0},
};

static cvy_err prepare(void *c) {
  const config *own = c;
  const bool by_size = own->size[0] > 0 && own->size[1] > 0;
  if (by_size == (own->shorter > 0)) return cvy_error(CVY_E_INPUT, "it needs either 'size' or 'shorter'");
  return CVY_OK;
}

static cvy_err size(int64_t *out_h, int64_t *out_w, const void *c, int64_t h, int64_t w) {
  const config *own = c;
  if (own->shorter)
    cvy_augment_by_shorter(out_h, out_w, h, w, own->shorter);
  else
    *out_h = own->size[0], *out_w = own->size[1];
  return CVY_OK;
}

static cvy_err apply(cvy_picture *picture, const void *c, cvy_augment_call *call) {
  int64_t h, w;
  CVY_TRY(size(&h, &w, c, picture->h, picture->w));
  return cvy_picture_scale(picture, call->canvas, h, w, 0, 0, (double)picture->h, (double)picture->w);
}

const cvy_augmentation cvy_augmentation_resize = {
    .kind = {"resize", "scales the whole picture, also in evaluation", options, sizeof(config)},
    .example = "{size: [34, 74]}",
    .prepare = prepare,
    .size = size,
    .scales = true,
    .apply = apply,
};
