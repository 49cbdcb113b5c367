/* The picture loses its colours, now and then, but keeps its three channels (torchvision's RandomGrayscale).
 * In evaluation nothing happens. */
#include "augment/pixels.h"

typedef struct config {
  double probability;
} config;

static const cvy_option options[] = {
    {.name = "probability",
     .type = CVY_FLOAT,
     .offset = offsetof(config, probability),
     .fallback = "0.1",
     .min = 0,
     .max = 1,
     .help = "how often"},
    {0},
};

static cvy_err apply(cvy_picture *picture, const void *c, cvy_augment_call *call) {
  float *px;
  if (!cvy_happens(((const config *)c)->probability, call)) return CVY_OK;
  CVY_TRY(cvy_picture_draw(picture, &px, call->canvas));
  cvy_colour_grey(px, picture->h * picture->w);
  return CVY_OK;
}

const cvy_augmentation cvy_augmentation_grey = {
    .kind = {"grey", "the picture loses its colours, now and then; never in evaluation", options,
             sizeof(config)},
    .example = "{probability: 0.5}",
    .channels = cvy_only_rgb,
    .size = cvy_augment_same_size,
    .apply = apply,
};
