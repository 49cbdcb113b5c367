/* The memory that pictures are drawn on. */
#include "picture/canvas.h"

static void *reserve(void **memory, size_t *capacity_bytes, size_t bytes) {
  if (bytes > *capacity_bytes) {
    cvy_buffer_destroy(*memory);
    if (cvy_buffer_create(memory, bytes, "a picture")) cvy_fatal("%s", cvy_err_message());
    *capacity_bytes = bytes;
  }
  return *memory;
}

float *cvy_canvas_raster(cvy_canvas *canvas, int64_t count) {
  const int i = canvas->next;
  canvas->next = 1 - i;
  return reserve((void **)&canvas->samples[i], &canvas->capacity_bytes[i], sizeof(float) * (size_t)count);
}

float *cvy_canvas_last(const cvy_canvas *canvas) {
  return canvas->samples[1 - canvas->next];
}

float *cvy_canvas_field(cvy_canvas *canvas, int64_t count) {
  return reserve((void **)&canvas->fields, &canvas->fields_bytes, sizeof(float) * (size_t)count);
}

void *cvy_canvas_lines(cvy_canvas *canvas, size_t bytes) {
  return reserve(&canvas->lines, &canvas->lines_bytes, bytes);
}

void cvy_canvas_free(cvy_canvas *canvas) {
  for (int i = 0; i < 2; i++) cvy_buffer_destroy(canvas->samples[i]);
  cvy_buffer_destroy(canvas->fields);
  cvy_buffer_destroy(canvas->lines);
  cvy_image_free(&canvas->halved);
  *canvas = (cvy_canvas){0};
}
