/* Moves the picture by whole pixels, up to a distance in each direction; its size stays. In evaluation
 * nothing happens. */
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
     .help = "farthest move, pixels: up or down, left or right"},
    CVY_FILL_OPTION(config, "mean"),
    {0},
};

static cvy_err prepare(void *c) {
  return cvy_fill_parse(&((config *)c)->fill);
}

static cvy_err size(int64_t *out_h, int64_t *out_w, const void *c, int64_t h, int64_t w) {
  const int64_t *by = ((const config *)c)->by;
  if (h && (by[0] >= h || by[1] >= w))
    return cvy_error(CVY_E_INPUT,
                     "a move by %" PRId64 "x%" PRId64 " takes a picture of %" PRId64 "x%" PRId64
                     " out of sight (height x width)",
                     by[0], by[1], h, w);
  *out_h = h;
  *out_w = w;
  return CVY_OK;
}

static cvy_err apply(cvy_picture *picture, const void *c, cvy_augment_call *call) {
  const config *own = c;
  if (!call->training) return CVY_OK;
  const int64_t down = cvy_random_next_below(&call->random, 2 * own->by[0] + 1) - own->by[0];
  const int64_t right = cvy_random_next_below(&call->random, 2 * own->by[1] + 1) - own->by[1];
  const cvy_edge edge = cvy_fill_edge(&own->fill, call, picture->c);
  return cvy_picture_place(picture, call->canvas, picture->h, picture->w, down, right, &edge);
}

const cvy_augmentation cvy_augmentation_translate = {
    .kind = {"translate", "moves the picture a few pixels; never in evaluation", options, sizeof(config)},
    .example = "{by: 14}",
    .prepare = prepare,
    .size = size,
    .apply = apply,
};
