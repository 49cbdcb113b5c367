/* The three ways from a picture's maps to normalised samples, out: [h][w][c]. The picture is decoded. */
#ifndef CVY_PICTURE_RENDER_H
#define CVY_PICTURE_RENDER_H

#include "picture/picture.h"

/* Draws a picture whose pixels are only moved, by whole ones, and mirrored. It returns false if there is more
 * to it; then nothing was drawn. */
bool cvy_render_copy(float *out, const cvy_picture *p, const cvy_normaliser *n);
/* Draws a picture that is scaled along its axes. It returns false if there is more to it; then nothing was
 * drawn. */
bool cvy_render_scale(float *out, const cvy_picture *p, cvy_canvas *canvas, const cvy_normaliser *n);
/* Draws any picture. The picture's raster may become coarser. */
void cvy_render_warp(float *out, cvy_picture *p, cvy_canvas *canvas, const cvy_normaliser *n);

#endif
