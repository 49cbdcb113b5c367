/* Reading the samples that a picture lies on. Renderers inline what stands here. */
#ifndef CVY_PICTURE_RASTER_H
#define CVY_PICTURE_RASTER_H

#include "picture/picture.h"

/* Decodes what of the picture is in sight, as coarsely as it may be. */
cvy_err cvy_raster_decode(cvy_picture *p) CVY_MUST_CHECK;

/* All channels of a pixel at once; what lies behind it in memory goes along and counts for nothing. */
typedef float cvy_pixel __attribute__((vector_size(sizeof(float) * CVY_MAX_CHANNELS)));

static inline bool cvy_raster_is_interleaved(const cvy_raster *r, int64_t c) {
  return r->column_step == c && r->channel_step == 1;
}

static inline float cvy_raster_sample(const cvy_raster *r, int64_t at) {
  return r->is_float ? ((const float *)r->samples)[at] : (float)((const uint8_t *)r->samples)[at];
}

#endif
