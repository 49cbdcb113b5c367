/* The three ways from a picture's maps to normalised samples, out: [h][w][c]. The picture is decoded. */
#ifndef CVY_PICTURE_RENDER_H
#define CVY_PICTURE_RENDER_H

#include "picture/picture.h"

/* Whole pixels are only moved and mirrored. False: that is not all, and nothing was drawn. */
bool cvy_render_copy(float *out, const cvy_picture *p, const cvy_normaliser *n);
/* The picture is scaled along its axes. False likewise. */
bool cvy_render_scale(float *out, const cvy_picture *p, cvy_canvas *canvas, const cvy_normaliser *n);
/* Anything else. The picture's raster may become coarser. */
void cvy_render_warp(float *out, cvy_picture *p, cvy_canvas *canvas, const cvy_normaliser *n);

#endif
