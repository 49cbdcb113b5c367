/* Rows of a picture's positions, led back through its maps to where they come from in the whole picture. */
#ifndef CVY_PICTURE_POSITIONS_H
#define CVY_PICTURE_POSITIONS_H

#include "picture/picture.h"

typedef struct cvy_positions {
  int64_t count;
  double *x, *y;
  int8_t *colour_of; /* the map beyond whose border the pixel lies; -1: none */
} cvy_positions;

size_t cvy_positions_bytes(int64_t count);
/* Lays `count` positions out in `memory`, which has cvy_positions_bytes. */
cvy_positions cvy_positions_in(void *memory, int64_t count);

/* Leads the centres of row `y` of the picture back through all maps. */
void cvy_positions_lead_back(cvy_positions *l, const cvy_picture *p, int64_t y);

#endif
