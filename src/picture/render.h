/* Memory of a canvas. */
#ifndef CVY_PICTURE_RENDER_H
#define CVY_PICTURE_RENDER_H

#include "picture/picture.h"

/* The next of the two sheets, in turn: a picture may lie on the one that was drawn last. */
float *cvy_canvas_next(cvy_canvas *canvas, int64_t count);
/* Room for a field of displacements. */
float *cvy_canvas_field(cvy_canvas *canvas, int64_t count);

#endif
