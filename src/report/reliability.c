/* Draws confidence against accuracy (Guo et al. 2017, figure 1). The blue bar of a bin is as high as the
 * share of hits among its images. Its distance to their mean confidence is orange where the network was surer
 * than it should be, and light blue where it was less sure. Bars below show how many images a bin has. */
#include "base/count.h"
#include "report/report_parts.h"
#include "report/svg.h"

#include <math.h>

enum { LEFT = 72, TOP = 64, SIDE = 360, BELOW = 90, RIGHT = 28, GAP = 20, FOOT = 48 };

static const char style[] =
    ".h{fill:#1a5fb4}.over{fill:#f0a080}.under{fill:#8db8ef}.count{fill:#9aa4b0}"
    ".even{stroke:#000;stroke-width:1.5;stroke-dasharray:5 4;fill:none}.frame{stroke:#888;fill:none}";

static double across(double confidence) {
  return LEFT + SIDE * confidence;
}

static double up(double accuracy) {
  return TOP + SIDE * (1 - accuracy);
}

static void draw_rect(FILE *out, const char *kind, double left, double top, double w, double h) {
  fprintf(out, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n", kind, left, top,
          w, h);
}

static void draw_grid(FILE *out) {
  for (int k = 0; k <= 5; k++) {
    const double share = k / 5.0;
    fprintf(out,
            "<path class=\"grid\" d=\"M%d %.1fh%dM%.1f %dv%d\"/><text class=\"number\" x=\"%d\" y=\"%.1f\" "
            "text-anchor=\"end\">%.1f</text><text class=\"number\" x=\"%.1f\" y=\"%d\" "
            "text-anchor=\"middle\">%.1f</text>\n",
            LEFT, up(share), SIDE, across(share), TOP, SIDE, LEFT - 8, up(share) + 4, share, across(share),
            TOP + SIDE + GAP + BELOW + 18, share);
  }
}

static void draw_bin(FILE *out, const cvy_assessment *a, int64_t m, int64_t most) {
  const cvy_bin *bin = &a->bins[m];
  const double left = across((double)m / CVY_BINS) + 1, w = (double)SIDE / CVY_BINS - 2;
  if (bin->images == 0) return;
  const double accuracy = cvy_bin_accuracy(bin), confidence = cvy_bin_confidence(bin);
  const double height = BELOW * (double)bin->images / (double)most;
  draw_rect(out, "h", left, up(fmin(accuracy, confidence)), w, SIDE * fmin(accuracy, confidence));
  draw_rect(out, accuracy < confidence ? "over" : "under", left, up(fmax(accuracy, confidence)), w,
            SIDE * fabs(accuracy - confidence));
  draw_rect(out, "count", left, TOP + SIDE + GAP + BELOW - height, w, height);
}

static void write_upright(FILE *out, int middle, const char *word) {
  fprintf(
      out,
      "<text class=\"word\" transform=\"translate(20 %d) rotate(-90)\" text-anchor=\"middle\">%s</text>\n",
      middle, word);
}

static void write_words(FILE *out, const cvy_assessment *a, int64_t most) {
  fprintf(out,
          "<text class=\"word\" x=\"%d\" y=\"48\">expected calibration error %.2f %%, of %d bins</text>\n",
          16, 100 * a->ece, CVY_BINS);
  fprintf(out, "<text class=\"word\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">confidence</text>\n",
          LEFT + SIDE / 2, TOP + SIDE + GAP + BELOW + FOOT - 12);
  write_upright(out, TOP + SIDE / 2, "accuracy");
  write_upright(out, TOP + SIDE + GAP + BELOW / 2, "images");
  fprintf(out, "<text class=\"number\" x=\"%d\" y=\"%d\" text-anchor=\"end\">%" PRId64 "</text>\n", LEFT - 8,
          TOP + SIDE + GAP + 8, most);
}

void cvy_reliability_draw(FILE *out, const cvy_report *f) {
  const cvy_assessment *a = f->assessment;
  int64_t most = 1;
  for (int64_t m = 0; m < CVY_BINS; m++) most = cvy_larger(most, a->bins[m].images);
  cvy_svg_begin(out, LEFT + SIDE + RIGHT, TOP + SIDE + GAP + BELOW + FOOT, 16, f->title, style);
  draw_grid(out);
  for (int64_t m = 0; m < CVY_BINS; m++) draw_bin(out, a, m, most);
  fprintf(out, "<path class=\"even\" d=\"M%.1f %.1fL%.1f %.1f\"/>\n", across(0), up(0), across(1), up(1));
  draw_rect(out, "frame", LEFT, TOP, SIDE, SIDE);
  draw_rect(out, "frame", LEFT, TOP + SIDE + GAP, SIDE, BELOW);
  write_words(out, a, most);
  fputs("</svg>\n", out);
}
