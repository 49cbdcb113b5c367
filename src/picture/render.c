/* Makes samples of maps. A file is decoded when it is known which part of it is in sight, and how large. Then
 * one of three renderers draws it. */
#include "picture/render.h"

#include "base/count.h"
#include "base/trace.h"
#include "picture/raster.h"

static cvy_err decode(cvy_picture *p) {
  if (p->raster.samples) return CVY_OK;
  const int64_t begin_ns = cvy_trace_begin();
  CVY_TRY(cvy_raster_decode(p));
  cvy_trace_end(begin_ns, CVY_TRACE_DECODE, NULL, -1);
  return CVY_OK;
}

cvy_err cvy_picture_normalise(float *out, cvy_picture *p, cvy_canvas *canvas, const cvy_normaliser *n) {
  const double start_s = cvy_now_s();
  CVY_TRY(decode(p));
  const double decoded_s = cvy_now_s();
  canvas->decode_s += decoded_s - start_s;
  const bool is_copy = cvy_render_copy(out, p, n);
  if (!is_copy && !cvy_render_scale(out, p, canvas, n)) cvy_render_warp(out, p, canvas, n);
  *(is_copy ? &canvas->copy_s : &canvas->warp_s) += cvy_now_s() - decoded_s;
  return CVY_OK;
}
