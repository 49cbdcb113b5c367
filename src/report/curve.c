/* Draws a curve within axes that have a few round numbers each. Where there are more values than pixels, a
 * pixel's highest and lowest are drawn, so that no peak is lost. */
#include "report/curve.h"

#include "file/whole.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { WIDTH = 760, HEIGHT = 360, LEFT = 84, RIGHT = 24, TOP = 44, BOTTOM = 56, MOST_TICKS = 7 };

static const double plot_width = WIDTH - LEFT - RIGHT, plot_height = HEIGHT - TOP - BOTTOM;

cvy_err cvy_curve_check(const char *path) {
  const char *dot = strrchr(path, '.');
  if (dot && strcasecmp(dot, ".svg") == 0) return CVY_OK;
  return cvy_error(CVY_E_USAGE, "%s: the picture is SVG; expected a name that ends in .svg", path);
}

/* Returns a step of 1, 2 or 5 times a power of ten, of which `range` has at most MOST_TICKS. */
static double round_step(double range) {
  double step = pow(10, floor(log10(range / MOST_TICKS)));
  while (range / step > MOST_TICKS)
    step *= range / (2 * step) <= MOST_TICKS ? 2 : range / (5 * step) <= MOST_TICKS ? 5 : 10;
  return step;
}

typedef struct frame {
  const cvy_curve *curve;
  double top; /* the value at the upper end of the axis, which begins at 0 */
} frame;

static double y_of(const frame *f, double value) {
  return TOP + plot_height * (1 - value / f->top);
}

static void draw_axes(FILE *out, const frame *f) {
  const cvy_curve *c = f->curve;
  const double range = c->to - c->from, across = round_step(range), up = round_step(f->top);
  for (double value = 0; value <= f->top * 1.0001; value += up)
    fprintf(out,
            "<path class=\"grid\" d=\"M%d %.1fH%d\"/><text class=\"number\" x=\"%d\" y=\"%.1f\" "
            "text-anchor=\"end\">%.6g</text>\n",
            LEFT, y_of(f, value), WIDTH - RIGHT, LEFT - 8, y_of(f, value) + 4, value);
  for (double value = c->from; value <= c->to + 0.0001 * range; value += across) {
    const double x = LEFT + plot_width * (value - c->from) / range;
    fprintf(out,
            "<path class=\"grid\" d=\"M%.1f %dV%d\"/><text class=\"number\" x=\"%.1f\" y=\"%d\" "
            "text-anchor=\"middle\">%.6g</text>\n",
            x, TOP, HEIGHT - BOTTOM, x, HEIGHT - BOTTOM + 18, value);
  }
  fprintf(out, "<text class=\"word\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n",
          LEFT + plot_width / 2, HEIGHT - 14, c->across);
  fprintf(out,
          "<text class=\"word\" transform=\"translate(20 %.1f) rotate(-90)\" "
          "text-anchor=\"middle\">%s</text>\n",
          TOP + plot_height / 2, c->up);
}

static void draw_line(FILE *out, const frame *f) {
  const cvy_curve *c = f->curve;
  fputs("<path class=\"line\" d=\"", out);
  for (int64_t pixel = 0, first = 0; first < c->count; pixel++) {
    const int64_t end = (double)c->count <= plot_width
                            ? first + 1
                            : (int64_t)((double)(pixel + 1) * (double)c->count / plot_width);
    double low = INFINITY, high = -INFINITY;
    for (int64_t i = first; i < end && i < c->count; i++) {
      low = fmin(low, c->values[i]);
      high = fmax(high, c->values[i]);
    }
    const double x = LEFT + plot_width * (double)first / (double)(c->count > 1 ? c->count - 1 : 1);
    fprintf(out, "%c%.1f %.1f", first ? 'L' : 'M', x, y_of(f, high));
    if (low < high) fprintf(out, "L%.1f %.1f", x, y_of(f, low));
    first = end > first ? end : first + 1;
  }
  fputs("\"/>\n", out);
}

static void draw(FILE *out, const cvy_curve *curve) {
  frame f = {curve, 0};
  for (int64_t i = 0; i < curve->count; i++) f.top = fmax(f.top, curve->values[i]);
  if (f.top == 0) f.top = 1;
  const double step = round_step(f.top);
  f.top = ceil(f.top / step - 1e-9) * step;
  fprintf(out,
          "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n"
          "<style>text{font-family:sans-serif;fill:#222}.title{font-size:16px}.word{font-size:13px}"
          ".number{font-size:12px}.grid{stroke:#ddd;fill:none}.line{stroke:#1a5fb4;stroke-width:2;fill:none}"
          "</style>\n<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n"
          "<text class=\"title\" x=\"%d\" y=\"26\">%s</text>\n",
          WIDTH, HEIGHT, WIDTH, HEIGHT, WIDTH, HEIGHT, LEFT, curve->title);
  draw_axes(out, &f);
  draw_line(out, &f);
  fputs("</svg>\n", out);
}

cvy_err cvy_curve_write(const cvy_curve *curve, const char *path) {
  cvy_text_stream stream;
  CVY_TRY(cvy_curve_check(path));
  cvy_text_stream_begin(&stream);
  draw(stream.out, curve);
  char *text = cvy_text_stream_end(&stream, NULL);
  const cvy_err err = cvy_whole_write_text(path, text);
  free(text);
  return err;
}
