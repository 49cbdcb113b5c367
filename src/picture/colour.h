/* Arithmetic on colours, for augmentations. px is [pixels][c] floats, channels innermost, in the samples'
 * own units (0 to 255 where they came from bytes), and is changed in place. Nothing here knows about
 * pictures, draws random numbers that it was not asked for, or depends on threads or instruction sets. */
#ifndef CVY_PICTURE_COLOUR_H
#define CVY_PICTURE_COLOUR_H

#include "base/base.h"

/* The four of torchvision's ColorJitter; grey is the luma of ITU-R BT.601, 0.299 R + 0.587 G + 0.114 B, or
 * the sample itself where there is one channel:
 *
 *   brightness  amount * x
 *   contrast    amount * x + (1 - amount) * mean, the mean of the whole picture's grey
 *   saturation  amount * x + (1 - amount) * grey
 *   hue         the hue of HSV turned by `amount` turns, -0.5 to 0.5; value and saturation stay
 *
 * The first three end within 0 to 255. Brightness takes any number of channels, contrast 1 or 3, the
 * others 3. */
typedef enum cvy_tone { CVY_BRIGHTNESS, CVY_CONTRAST, CVY_SATURATION, CVY_HUE, CVY_TONES } cvy_tone;

typedef struct cvy_adjustment {
  cvy_tone tone;
  float amount;
} cvy_adjustment;

/* Makes one adjustment after the other, at most CVY_TONES. */
void cvy_colour_adjust(float *px, int64_t pixels, int64_t c, const cvy_adjustment *list, int64_t count);

/* Draws adjustments in random order: factors uniform in [max(0, 1 - by), 1 + by), hue in [-by, by). It
 * leaves out those with `by` 0, and returns how many there are. */
int64_t cvy_colour_draw(cvy_adjustment out[CVY_TONES], const double by[CVY_TONES], cvy_random *random);

/* Turns three channels into their luma. */
void cvy_colour_grey(float *px, int64_t pixels);

/* Adds by[channel] to each sample; c <= CVY_MAX_CHANNELS. */
void cvy_colour_shift(float *px, int64_t pixels, int64_t c, const float by[]);

enum { CVY_NOISE_LEVELS = 4096 };
/* Sets normal noise by its quantiles: the middles of 2 * CVY_NOISE_LEVELS equally likely intervals, the
 * upper half of them, scaled to the deviation exactly. The noise ends at 3.8 deviations. */
void cvy_noise_set(float levels[CVY_NOISE_LEVELS], double deviation);
/* Adds noise. Eight samples take a block of random words, from random->unit on. */
void cvy_colour_noise(float *px, int64_t count, const float levels[CVY_NOISE_LEVELS],
                      const cvy_random *random);

#endif
