/* The head of a picture in SVG, escapes, and steps along axes. */
#include "report/svg.h"

#include "base/utf8.h"

#include <math.h>
#include <string.h>

void cvy_svg_begin(FILE *out, int64_t width, int64_t height, int64_t left, const char *title,
                   const char *style) {
  fprintf(out,
          "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%" PRId64 "\" height=\"%" PRId64
          "\" viewBox=\"0 0 %" PRId64 " %" PRId64 "\">\n"
          "<style>text{font-family:sans-serif;fill:#222}.title{font-size:16px}.word{font-size:13px}"
          ".number{font-size:12px}.grid{stroke:#ddd;fill:none}%s</style>\n"
          "<rect width=\"%" PRId64 "\" height=\"%" PRId64 "\" fill=\"#fff\"/>\n"
          "<text class=\"title\" x=\"%" PRId64 "\" y=\"26\">",
          width, height, width, height, style, width, height, left);
  cvy_svg_text(out, title, (width - left) / 9);
  fputs("</text>\n", out);
}

static void print_letter(FILE *out, char letter) {
  switch (letter) {
  case '&':
    fputs("&amp;", out);
    break;
  case '<':
    fputs("&lt;", out);
    break;
  case '>':
    fputs("&gt;", out);
    break;
  case '"':
    fputs("&quot;", out);
    break;
  default:
    fputc(letter, out);
  }
}

void cvy_svg_text(FILE *out, const char *text, int64_t most) {
  cvy_pool *pool = cvy_pool_create();
  const char *shown = cvy_utf8_shown(pool, text);
  const bool is_cut = cvy_utf8_columns(shown) > most;
  const size_t length = is_cut ? cvy_utf8_fit(shown, most - 2) : strlen(shown);
  for (size_t i = 0; i < length; i++) print_letter(out, shown[i]);
  if (is_cut) fputs("...", out);
  cvy_pool_destroy(pool);
}

double cvy_svg_step(double range, int most) {
  double step = pow(10, floor(log10(range / most)));
  while (range / step > most) step *= range / (2 * step) <= most ? 2 : range / (5 * step) <= most ? 5 : 10;
  return step;
}
