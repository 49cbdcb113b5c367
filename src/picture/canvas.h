/* The memory that pictures are drawn on. It grows as needed and is reused; one thread uses it at a time. */
#ifndef CVY_PICTURE_CANVAS_H
#define CVY_PICTURE_CANVAS_H

#include "picture/image.h"

typedef struct cvy_canvas {
  float *samples[2]; /* two rasters in turn, as a picture may lie on the one that was drawn last */
  size_t capacity_bytes[2];
  int next;
  float *fields; /* displacements, for augmentations that bend */
  size_t fields_bytes;
  void *lines; /* what a renderer needs for a row or two */
  size_t lines_bytes;
  cvy_image halved;                /* a raster that was much too fine */
  double decode_s, warp_s, copy_s; /* time spent on it: cvy_input_times */
} cvy_canvas;

void cvy_canvas_free(cvy_canvas *canvas);

/* The rest is for the picture room. Memory is valid until the next call of the same function, a raster
 * until the call after that. If there is none left, the program ends. */
float *cvy_canvas_raster(cvy_canvas *canvas, int64_t count);
float *cvy_canvas_field(cvy_canvas *canvas, int64_t count);
void *cvy_canvas_lines(cvy_canvas *canvas, size_t bytes);
/* Returns the raster that cvy_canvas_raster gave last; NULL if there was none. */
float *cvy_canvas_last(const cvy_canvas *canvas);

#endif
