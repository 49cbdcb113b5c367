/* A picture to try augmentations on. */
#ifndef CVY_REPORT_SCENE_H
#define CVY_REPORT_SCENE_H

#include "picture/image.h"

/* Draws a house, a tree and a kite, RGB, by whole-number arithmetic, so that it is the same everywhere. It
 * has straight lines and curves, all hues, light and dark, and left and right that cannot be taken for each
 * other. */
void cvy_scene_draw(cvy_image *out, int64_t h, int64_t w);

#endif
