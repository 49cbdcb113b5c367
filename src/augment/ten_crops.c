/* Ten views of a picture: its corners, its centre, and their mirror images. Evaluation takes the mean of
 * the network's probabilities over them (Krizhevsky et al. 2012, section 4.1). */
#include "augment/augmentation.h"

typedef struct config {
  int64_t size[2];
} config;

enum { PLACES = 5 };

static const cvy_option options[] = {
    {.name = "size",
     .type = CVY_PAIR,
     .offset = offsetof(config, size),
     .min = 1,
     .max = 65536,
     .help = "height and width of a view, pixels"},
    {0},
};

static cvy_err size(int64_t *out_h, int64_t *out_w, const void *c, int64_t h, int64_t w) {
  return cvy_augment_part_size(out_h, out_w, ((const config *)c)->size, h, w);
}

/* Views 0 ... 3 are the corners, row by row, 4 is the centre; 5 ... 9 are their mirror images. */
static cvy_err apply(cvy_picture *picture, const void *c, cvy_augment_call *call) {
  const int64_t *part = ((const config *)c)->size, place = call->view % PLACES;
  const int64_t spare_h = picture->h - part[0], spare_w = picture->w - part[1];
  const int64_t top = place == 4 ? spare_h / 2 : place / 2 * spare_h;
  const int64_t left = place == 4 ? spare_w / 2 : place % 2 * spare_w;
  CVY_TRY(cvy_picture_place(picture, call->canvas, part[0], part[1], -top, -left, NULL));
  return call->view < PLACES ? CVY_OK : cvy_picture_mirror(picture, call->canvas);
}

const cvy_augmentation cvy_augmentation_ten_crops = {
    .kind = {"ten_crops",
             "corners, centre and their mirror images, whose probabilities are averaged; in evaluation only",
             options, sizeof(config)},
    .example = "{size: [40, 54]}",
    .views = 2 * PLACES,
    .size = size,
    .cuts = true,
    .apply = apply,
};
