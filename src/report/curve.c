/* Draws a curve within axes that have a few round numbers each. Where there are more values than pixels, a
 * pixel's highest and lowest are drawn, so that no peak is lost. */
#include "report/curve.h"

#include "base/count.h"
#include "file/whole.h"
#include "report/svg.h"

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

/* Both axes begin at 0. */
typedef struct frame {
  const cvy_curve *curve;
  double step; /* from tick to tick of the upright axis */
  int64_t steps;
} frame;

/* Finds how high the axis must be for the highest value. Where all values are 0 it ends at 1. */
static frame frame_of(const cvy_curve *curve) {
  double highest = 0;
  for (int64_t i = 0; i < curve->count; i++) highest = fmax(highest, curve->values[i]);
  const double step = cvy_svg_step(highest > 0 ? highest : 1, MOST_TICKS);
  /* A value that is a whole number of steps but for rounding makes no further one. */
  return (frame){curve, step, (int64_t)ceil((highest > 0 ? highest : 1) / step - 1e-9)};
}

static double y_of(const frame *f, double value) {
  return TOP + plot_height * (1 - value / (f->step * (double)f->steps));
}

static void draw_axes(FILE *out, const frame *f) {
  const double end = f->curve->end, across = cvy_svg_step(end, MOST_TICKS);
  for (int64_t i = 0; i <= f->steps; i++) {
    const double value = (double)i * f->step;
    fprintf(out,
            "<path class=\"grid\" d=\"M%d %.1fH%d\"/><text class=\"number\" x=\"%d\" y=\"%.1f\" "
            "text-anchor=\"end\">%.6g</text>\n",
            LEFT, y_of(f, value), WIDTH - RIGHT, LEFT - 8, y_of(f, value) + 4, value);
  }
  for (int64_t i = 0; (double)i * across <= end; i++) {
    const double value = (double)i * across, x = LEFT + plot_width * value / end;
    fprintf(out,
            "<path class=\"grid\" d=\"M%.1f %dV%d\"/><text class=\"number\" x=\"%.1f\" y=\"%d\" "
            "text-anchor=\"middle\">%.6g</text>\n",
            x, TOP, HEIGHT - BOTTOM, x, HEIGHT - BOTTOM + 18, value);
  }
  fprintf(out, "<text class=\"word\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n",
          LEFT + plot_width / 2, HEIGHT - 14, f->curve->across);
  fprintf(out,
          "<text class=\"word\" transform=\"translate(20 %.1f) rotate(-90)\" "
          "text-anchor=\"middle\">%s</text>\n",
          TOP + plot_height / 2, f->curve->up);
}

/* Draws columns of equal width, at most one a pixel. In a column of one value, or of equal ones, the line is
 * level; in others it goes from the highest value to the lowest. */
static void draw_line(FILE *out, const frame *f) {
  const cvy_curve *c = f->curve;
  const int64_t columns = cvy_smaller(c->count, (int64_t)plot_width);
  fputs("<path class=\"line\" d=\"", out);
  for (int64_t i = 0; i < columns; i++) {
    const int64_t first = i * c->count / columns, end = (i + 1) * c->count / columns;
    double low = c->values[first], high = low;
    for (int64_t k = first + 1; k < end; k++) {
      low = fmin(low, c->values[k]);
      high = fmax(high, c->values[k]);
    }
    fprintf(out, "%c%.1f %.1f", i ? 'L' : 'M', LEFT + plot_width * (double)i / (double)columns,
            y_of(f, high));
    fprintf(out, "L%.1f %.1f", LEFT + plot_width * (double)(i + 1) / (double)columns, y_of(f, low));
  }
  fputs("\"/>\n", out);
}

/* Texts of neighbours stand at two heights. */
static void draw_marks(FILE *out, const cvy_curve *c) {
  for (int64_t i = 0; i < c->mark_count; i++) {
    const double x = LEFT + plot_width * c->marks[i].at / c->end;
    fprintf(out,
            "<path class=\"mark\" d=\"M%.1f %dV%d\"/><text class=\"number\" x=\"%.1f\" y=\"%d\" "
            "text-anchor=\"%s\">",
            x, TOP, HEIGHT - BOTTOM, x + (x > WIDTH / 2 ? -4 : 4), TOP + 12 + 14 * (int)(i % 3),
            x > WIDTH / 2 ? "end" : "start");
    cvy_svg_text(out, c->marks[i].text, 40);
    fputs("</text>\n", out);
  }
}

static void draw(FILE *out, const cvy_curve *curve) {
  const frame f = frame_of(curve);
  cvy_svg_begin(
      out, WIDTH, HEIGHT, LEFT, curve->title,
      ".line{stroke:#1a5fb4;stroke-width:2;fill:none}.mark{stroke:#26a269;stroke-dasharray:4 3;fill:none}");
  draw_axes(out, &f);
  draw_line(out, &f);
  draw_marks(out, curve);
  fputs("</svg>\n", out);
}

cvy_err cvy_curve_write(const cvy_curve *curve, const char *path) {
  cvy_text_stream stream;
  CVY_TRY(cvy_curve_check(path));
  CVY_CHECK(curve->count > 0 && curve->end > 0, "a curve needs values and an axis");
  cvy_text_stream_begin(&stream);
  draw(stream.out, curve);
  char *text = cvy_text_stream_end(&stream, NULL);
  const cvy_err err = cvy_whole_write_text(path, text);
  free(text);
  return err;
}
