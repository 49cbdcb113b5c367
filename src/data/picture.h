/* A picture on its way from the file to the network: a window onto samples that lie where they were read, and
 * a colour for what lies outside of them. Cropping, padding, translating and mirroring only move the window,
 * so a sample is touched once, when it is normalised into the microbatch. Floats keep their values. */
#ifndef CVY_DATA_PICTURE_H
#define CVY_DATA_PICTURE_H

#include <convoy/data.h>

typedef struct cvy_picture {
  int64_t h, w, c;
  /* The stored part: its top left corner in the picture and its size; all else is `fill`. */
  int64_t top, left, stored_h, stored_w;
  const void *samples; /* uint8_t or float: channel 0 of the stored part's top left pixel */
  bool is_float;
  int64_t row_step, column_step, channel_step; /* in samples; negative where mirrored */
  float fill[CVY_MAX_CHANNELS];                /* in units of the samples */
} cvy_picture;

/* Where pictures are drawn that no window can show. Grows as needed and is reused. */
typedef struct cvy_canvas {
  float *samples[2];
  size_t capacity_bytes[2];
  int next;
} cvy_canvas;
void cvy_canvas_free(cvy_canvas *canvas);

/* h x w x c samples, channels innermost. */
cvy_picture cvy_picture_of(const void *samples, bool is_float, int64_t h, int64_t w, int64_t c);

/* The picture becomes h x w; what it was lies `down` and `right` from the new top left corner (negative: cut
 * off). What comes into sight gets `fill` (c values; NULL only if nothing can). */
void cvy_picture_place(cvy_picture *picture, cvy_canvas *canvas, int64_t h, int64_t w, int64_t down,
                       int64_t right, const float fill[]);
/* Left becomes right. */
void cvy_picture_mirror(cvy_picture *picture);
/* Draws the picture on the canvas, which it then shows: h x w x c floats, all stored. Valid until the draw
 * after the next. For augmentations that compute samples. */
void cvy_picture_draw(cvy_picture *picture, cvy_canvas *canvas);

/* (sample - mean) / deviation; for the 256 values of a byte worked out beforehand. */
typedef struct cvy_normaliser {
  float mean[CVY_MAX_CHANNELS], deviation[CVY_MAX_CHANNELS];
  float of_byte[CVY_MAX_CHANNELS][256];
} cvy_normaliser;
void cvy_normaliser_set(cvy_normaliser *out, const float mean[], const float deviation[], int64_t channels);
/* out: [h][w][c] */
void cvy_picture_normalise(float *out, const cvy_picture *picture, const cvy_normaliser *normaliser);

#endif
