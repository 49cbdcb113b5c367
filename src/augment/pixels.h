/* Helpers of augmentations that compute samples. These do so in training only, and leave the picture's size
 * as it is. Blends (brightness, contrast, saturation) end within 0 to 255; sums (shifts, noise) may leave
 * it. */
#ifndef CVY_AUGMENT_PIXELS_H
#define CVY_AUGMENT_PIXELS_H

#include "augment/augmentation.h"
#include "picture/colour.h"

/* These two are for an augmentation's `channels`. */
cvy_err cvy_only_rgb(const void *config, int64_t c) CVY_MUST_CHECK;
cvy_err cvy_grey_or_rgb(const void *config, int64_t c) CVY_MUST_CHECK;

/* Returns true with probability `p` in training, and never in evaluation. */
bool cvy_happens(double p, cvy_augment_call *call);

/* Adjusts those tones whose `by` is above 0 by random amounts, in random order. */
cvy_err cvy_adjust_randomly(cvy_picture *picture, const double by[CVY_TONES],
                            cvy_augment_call *call) CVY_MUST_CHECK;

#endif
