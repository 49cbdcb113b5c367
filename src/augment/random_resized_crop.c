/* A part of random area and aspect is scaled to one size (Szegedy et al. 2015, section 6; the draws are those
 * of torchvision's RandomResizedCrop). In evaluation it is the middle, as large as the aspect allows, less a
 * border. */
#include "augment/augmentation.h"

#include <math.h>

typedef struct config {
  int64_t size[2];
  double least_area, most_area, least_aspect, most_aspect, evaluation;
} config;

enum { TRIES = 10 };

static const cvy_option options[] = {
    {.name = "size",
     .type = CVY_PAIR,
     .offset = offsetof(config, size),
     .min = 1,
     .max = 65536,
     .help = "height and width of what comes out, pixels"},
    {.name = "least_area",
     .type = CVY_FLOAT,
     .offset = offsetof(config, least_area),
     .fallback = "0.08",
     .min = 1e-6,
     .max = 1,
     .help = "smallest part, as a share of the picture"},
    {.name = "most_area",
     .type = CVY_FLOAT,
     .offset = offsetof(config, most_area),
     .fallback = "1",
     .min = 1e-6,
     .max = 1,
     .help = "largest part"},
    {.name = "least_aspect",
     .type = CVY_FLOAT,
     .offset = offsetof(config, least_aspect),
     .fallback = "0.75",
     .min = 1e-3,
     .max = 1e3,
     .help = "narrowest part, width by height"},
    {.name = "most_aspect",
     .type = CVY_FLOAT,
     .offset = offsetof(config, most_aspect),
     .fallback = "1.3333333333333333",
     .min = 1e-3,
     .max = 1e3,
     .help = "widest part"},
    {.name = "evaluation",
     .type = CVY_FLOAT,
     .offset = offsetof(config, evaluation),
     .fallback = "0.875",
     .min = 0.01,
     .max = 1,
     .help = "share of the middle's sides that is seen in evaluation (0.875: 224 of 256)"},
    {0},
};

static cvy_err prepare(void *c) {
  const config *own = c;
  if (own->least_area > own->most_area)
    return cvy_error(CVY_E_INPUT, "'least_area' %g is above 'most_area' %g", own->least_area, own->most_area);
  if (own->least_aspect > own->most_aspect)
    return cvy_error(CVY_E_INPUT, "'least_aspect' %g is above 'most_aspect' %g", own->least_aspect,
                     own->most_aspect);
  return CVY_OK;
}

static cvy_err size(int64_t *out_h, int64_t *out_w, const void *c, int64_t h, int64_t w) {
  (void)h, (void)w;
  *out_h = ((const config *)c)->size[0];
  *out_w = ((const config *)c)->size[1];
  return CVY_OK;
}

typedef struct part {
  double top, left, h, w;
} part;

/* Returns the largest part of that aspect in the middle, with its sides times `share`. */
static part middle(int64_t h, int64_t w, double aspect, double share) {
  const double whole_h = (double)h, whole_w = (double)w;
  part p = {.h = whole_h, .w = whole_w};
  if (whole_w > aspect * whole_h)
    p.w = aspect * whole_h;
  else
    p.h = whole_w / aspect;
  p.h *= share, p.w *= share;
  p.top = 0.5 * (whole_h - p.h), p.left = 0.5 * (whole_w - p.w);
  return p;
}

static part drawn(int64_t h, int64_t w, const config *own, cvy_random *random) {
  for (int i = 0; i < TRIES; i++) {
    const double area = (double)(h * w) * cvy_random_next_uniform(random, own->least_area, own->most_area);
    const double aspect = exp(cvy_random_next_uniform(random, log(own->least_aspect), log(own->most_aspect)));
    const int64_t part_w = llround(sqrt(area * aspect)), part_h = llround(sqrt(area / aspect));
    if (part_w < 1 || part_h < 1 || part_w > w || part_h > h) continue;
    const int64_t top = cvy_random_next_below(random, h - part_h + 1);
    const int64_t left = cvy_random_next_below(random, w - part_w + 1);
    return (part){(double)top, (double)left, (double)part_h, (double)part_w};
  }
  const double own_aspect = (double)w / (double)h;
  return middle(h, w, fmin(fmax(own_aspect, own->least_aspect), own->most_aspect), 1);
}

static cvy_err apply(cvy_picture *picture, const void *c, cvy_augment_call *call) {
  const config *own = c;
  const double aspect = (double)own->size[1] / (double)own->size[0];
  const part p = call->training ? drawn(picture->h, picture->w, own, &call->random)
                                : middle(picture->h, picture->w, aspect, own->evaluation);
  return cvy_picture_scale(picture, call->canvas, own->size[0], own->size[1], p.top, p.left, p.h, p.w);
}

const cvy_augmentation cvy_augmentation_random_resized_crop = {
    .kind = {"random_resized_crop",
             "a part of random area and aspect, scaled to one size; its middle in evaluation", options,
             sizeof(config)},
    .example = "{size: 60, least_area: 0.2}",
    .prepare = prepare,
    .size = size,
    .cuts = true,
    .scales = true,
    .apply = apply,
};
