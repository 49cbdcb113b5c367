/* What of a whole picture is in sight through its maps, and how finely. */
#ifndef CVY_PICTURE_SIGHT_H
#define CVY_PICTURE_SIGHT_H

#include "picture/picture.h"

/* Returns the picture's only map, or the identity if it has none; NULL if there are several, or it is not
 * affine. */
const cvy_map *cvy_sight_only_map(const cvy_picture *p);
/* Returns the part of the whole picture that may be looked at, and how coarse it may be. Its step is 0. */
cvy_image_part cvy_sight_part(const cvy_picture *p);
/* Returns how many pixels of the whole picture lie from one pixel to the next, in the direction in which they
 * lie closest. */
double cvy_sight_shrink(const cvy_picture *p);

#endif
