/* The picture is scaled to a shorter side that is drawn anew each time (Simonyan & Zisserman 2015, section
 * 3.1). In evaluation it is fixed. */
#include "augment/augmentation.h"

typedef struct config {
  int64_t from, to, evaluation;
} config;

static const cvy_option options[] = {
    {.name = "from",
     .type = CVY_INT,
     .offset = offsetof(config, from),
     .fallback = "256",
     .min = 1,
     .max = 65536,
     .help = "shortest shorter side, pixels"},
    {.name = "to",
     .type = CVY_INT,
     .offset = offsetof(config, to),
     .fallback = "512",
     .min = 1,
     .max = 65536,
     .help = "longest shorter side, pixels"},
    {.name = "evaluation",
     .type = CVY_INT,
     .offset = offsetof(config, evaluation),
     .fallback = "0",
     .min = 0,
     .max = 65536,
     .help = "shorter side in evaluation, pixels; 0: half-way between the two"},
    {0},
};

static cvy_err prepare(void *c) {
  const config *own = c;
  return own->from <= own->to
             ? CVY_OK
             : cvy_error(CVY_E_INPUT, "'from' %" PRId64 " is above 'to' %" PRId64, own->from, own->to);
}

/* The size varies unless there is one choice only. */
static cvy_err size(int64_t *out_h, int64_t *out_w, const void *c, int64_t h, int64_t w) {
  const config *own = c;
  cvy_augment_by_shorter(out_h, out_w, h, w, own->from);
  if (own->from < own->to) *out_h = *out_w = 0;
  return CVY_OK;
}

static int64_t shorter_in_evaluation(const config *own) {
  return own->evaluation ? own->evaluation : (own->from + own->to) / 2;
}

static cvy_err least(int64_t *out_h, int64_t *out_w, const void *c, int64_t h, int64_t w, bool training) {
  const config *own = c;
  cvy_augment_by_shorter(out_h, out_w, h, w, training ? own->from : shorter_in_evaluation(own));
  return CVY_OK;
}

static cvy_err apply(cvy_picture *picture, const void *c, cvy_augment_call *call) {
  const config *own = c;
  int64_t shorter = shorter_in_evaluation(own), h, w;
  if (call->training) shorter = own->from + cvy_random_next_below(&call->random, own->to - own->from + 1);
  cvy_augment_by_shorter(&h, &w, picture->h, picture->w, shorter);
  return cvy_picture_scale(picture, call->canvas, h, w, 0, 0, (double)picture->h, (double)picture->w);
}

const cvy_augmentation cvy_augmentation_scale_jitter = {
    .kind = {"scale_jitter", "scales the picture to a shorter side that is drawn anew each time", options,
             sizeof(config)},
    .example = "{from: 30, to: 60}",
    .prepare = prepare,
    .size = size,
    .scales = true,
    .least = least,
    .apply = apply,
};
