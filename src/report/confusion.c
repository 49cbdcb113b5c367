/* Draws which classes are taken for which. A row is a class, and a column is what images were taken for. A
 * square is the darker, the larger its share of the row is; hits are blue, and mistakes orange. Where there
 * are many classes, a square stands for several and shows the largest share among them, and a list beside
 * the squares names the pairs of classes that are confused most often. */
#include "base/count.h"
#include "base/utf8.h"
#include "report/report_parts.h"
#include "report/svg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
  NAMED = 40,      /* so many classes have their names beside the rows and columns */
  COUNTED = 20,    /* so many have numbers in the squares */
  MOST_SIDE = 250, /* squares of a row */
  PLOT = 640,      /* pixels of a picture of many classes */
  SHADES = 8,
  TOP = 44,
  GAP = 16,
  MOST_NAME = 18, /* columns of a name */
  LETTER = 7,     /* pixels of one */
  PAIRS = 24,
  LINE = 20,
  MOST_TICKS = 8,
  LIST_W = 420
};

static const char style[] = ".h{fill:#1a5fb4}.m{fill:#d9480f}.light{fill:#fff}.frame{stroke:#888;fill:none}"
                            ".faint{fill:#707680}";

typedef struct chart {
  FILE *out;
  const cvy_report *report;
  const cvy_assessment *assessment;
  int64_t side, each; /* squares of a row, and how many classes one stands for */
  double size;        /* pixels of a square */
  int64_t left, top;  /* where the squares begin */
} chart;

static int64_t images_of(const chart *c, int64_t class) {
  return c->assessment->classes[class].images;
}

/* ---- squares ---- */

/* The share is of a row; its square root spreads the small ones. */
static int shade_of(double share) {
  const int shade = (int)ceil(SHADES * sqrt(share));
  return shade < 1 ? 1 : shade > SHADES ? SHADES : shade;
}

/* Finds the shade of each square, negative for hits, 0 for none: that of its largest share. */
static signed char *find_shades(const chart *c) {
  signed char *shades = cvy_new((size_t)(c->side * c->side));
  for (int64_t i = 0; i < c->assessment->cell_count; i++) {
    const cvy_confused *cell = &c->assessment->cells[i];
    signed char *at = &shades[cell->label / c->each * c->side + cell->predicted / c->each];
    const int shade = shade_of((double)cell->images / (double)images_of(c, cell->label));
    if (shade > abs(*at)) *at = (signed char)(cell->label == cell->predicted ? -shade : shade);
  }
  return shades;
}

/* Draws all squares of a shade as one path. Neighbours in a row are one rectangle. */
static void draw_shade(const chart *c, const signed char *shades, int shade) {
  const int64_t side = c->side;
  bool any = false;
  for (int64_t y = 0; y < side; y++)
    for (int64_t x = 0; x < side; x++) {
      int64_t end = x;
      while (end < side && shades[y * side + end] == shade) end++;
      if (end == x) continue;
      if (!any)
        fprintf(c->out, "<path class=\"%c\" fill-opacity=\"%.3g\" d=\"", shade < 0 ? 'h' : 'm',
                (double)abs(shade) / SHADES);
      any = true;
      fprintf(c->out, "M%" PRId64 " %" PRId64 "h%" PRId64 "v1h-%" PRId64 "z", x, y, end - x, end - x);
      x = end;
    }
  if (any) fputs("\"/>\n", c->out);
}

static void draw_squares(const chart *c) {
  signed char *shades = find_shades(c);
  const double size = c->size * (double)c->side;
  fprintf(c->out, "<g transform=\"translate(%" PRId64 " %" PRId64 ") scale(%.6g)\">\n", c->left, c->top,
          c->size);
  for (int shade = -SHADES; shade <= SHADES; shade++)
    if (shade != 0) draw_shade(c, shades, shade);
  fputs("</g>\n", c->out);
  fprintf(c->out,
          "<rect class=\"frame\" x=\"%" PRId64 "\" y=\"%" PRId64 "\" width=\"%.6g\" height=\"%.6g\"/>\n",
          c->left, c->top, size, size);
  free(shades);
}

/* ---- few classes ---- */

static void draw_lines(const chart *c) {
  const double size = c->size * (double)c->side;
  fputs("<path class=\"grid\" d=\"", c->out);
  for (int64_t k = 1; k < c->side; k++)
    fprintf(c->out, "M%" PRId64 " %.6gh%.6gM%.6g %" PRId64 "v%.6g", c->left,
            (double)c->top + c->size * (double)k, size, (double)c->left + c->size * (double)k, c->top, size);
  fputs("\"/>\n", c->out);
}

/* Returns where the foot of letters in the middle of row `k` is. */
static double foot_of(const chart *c, int64_t k) {
  return (double)c->top + c->size * ((double)k + 0.5) + 4;
}

static void draw_counts(const chart *c) {
  for (int64_t i = 0; i < c->assessment->cell_count; i++) {
    const cvy_confused *cell = &c->assessment->cells[i];
    const int shade = shade_of((double)cell->images / (double)images_of(c, cell->label));
    const int digits = snprintf(NULL, 0, "%" PRId64, cell->images);
    fprintf(c->out,
            "<text class=\"number%s\" x=\"%.6g\" y=\"%.6g\" text-anchor=\"middle\"%s>%" PRId64 "</text>\n",
            shade > SHADES / 2 + 1 ? " light" : "",
            (double)c->left + c->size * ((double)cell->predicted + 0.5), foot_of(c, cell->label),
            digits > 4 ? " textLength=\"34\" lengthAdjust=\"spacingAndGlyphs\"" : "", cell->images);
  }
}

static void draw_names(const chart *c) {
  char name[CVY_CLASS_TEXT];
  const int64_t end = c->left + (int64_t)(c->size * (double)c->side);
  for (int64_t k = 0; k < c->side; k++) {
    cvy_class_text(name, c->report, k);
    fprintf(c->out, "<text class=\"number\" x=\"%" PRId64 "\" y=\"%.6g\" text-anchor=\"end\">", c->left - 6,
            foot_of(c, k));
    cvy_svg_text(c->out, name, MOST_NAME);
    fprintf(c->out, "</text><text class=\"number\" transform=\"translate(%.6g %" PRId64 ") rotate(-90)\">",
            (double)c->left + c->size * ((double)k + 0.5) + 4, c->top - 6);
    cvy_svg_text(c->out, name, MOST_NAME);
    fputs("</text>", c->out);
    if (images_of(c, k) > 0)
      fprintf(c->out, "<text class=\"number faint\" x=\"%" PRId64 "\" y=\"%.6g\">%.1f %%</text>", end + 8,
              foot_of(c, k),
              100 * (double)c->assessment->classes[k].top1 / (double)c->assessment->classes[k].images);
    fputc('\n', c->out);
  }
}

/* Writes what rows and columns are. */
static void draw_words(const chart *c, int64_t names_w) {
  const double middle = c->size * (double)c->side / 2;
  fprintf(c->out,
          "<text class=\"word\" x=\"%.6g\" y=\"%" PRId64 "\" text-anchor=\"middle\">taken for</text>\n",
          (double)c->left + middle, c->top - names_w - 12);
  fprintf(c->out,
          "<text class=\"word\" transform=\"translate(%" PRId64
          " %.6g) rotate(-90)\" text-anchor=\"middle\">label</text>\n",
          c->left - names_w - 12, (double)c->top + middle);
}

static int64_t widest_name(const cvy_report *f) {
  char name[CVY_CLASS_TEXT];
  int64_t widest = 1;
  for (int64_t k = 0; k < f->assessment->class_count; k++)
    widest = cvy_larger(widest, cvy_utf8_columns(cvy_class_text(name, f, k)));
  return LETTER * cvy_smaller(widest, MOST_NAME + 1);
}

static void draw_few(chart *c) {
  enum { LEAST_W = 420, SHARE_W = 64, WORD = 28 };
  const int64_t classes = c->assessment->class_count, names_w = widest_name(c->report);
  c->size = classes > COUNTED ? 18 : classes > 12 ? 34 : 44;
  c->left = GAP + WORD + names_w;
  c->top = TOP + WORD + names_w;
  const int64_t plot = (int64_t)c->size * classes;
  cvy_svg_begin(c->out, cvy_larger(c->left + plot + SHARE_W + GAP, LEAST_W), c->top + plot + GAP, GAP,
                c->report->title, style);
  draw_squares(c);
  draw_lines(c);
  if (classes <= COUNTED) draw_counts(c);
  draw_names(c);
  draw_words(c, names_w);
}

/* ---- many classes ---- */

static void draw_ticks(const chart *c) {
  const int64_t classes = c->assessment->class_count;
  const int64_t step = (int64_t)cvy_svg_step((double)classes, MOST_TICKS);
  for (int64_t k = 0; k < classes; k += step) {
    const double at = c->size * ((double)k + 0.5) / (double)c->each;
    fprintf(c->out,
            "<text class=\"number\" x=\"%" PRId64 "\" y=\"%.6g\" text-anchor=\"end\">%" PRId64
            "</text><text class=\"number\" x=\"%.6g\" y=\"%" PRId64 "\" text-anchor=\"middle\">%" PRId64
            "</text>\n",
            c->left - 6, (double)c->top + at + 4, k, (double)c->left + at, c->top - 6, k);
  }
}

static void write_line(const chart *c, int64_t left, int64_t top, const char *kind, const char *text) {
  fprintf(c->out, "<text class=\"%s\" x=\"%" PRId64 "\" y=\"%" PRId64 "\">", kind, left, top);
  cvy_svg_text(c->out, text, 64);
  fputs("</text>\n", c->out);
}

static void list_pairs(const chart *c) {
  const cvy_confused *pairs[PAIRS];
  char name[CVY_CLASS_TEXT], other[CVY_CLASS_TEXT], text[2 * CVY_CLASS_TEXT];
  const int64_t left = c->left + PLOT + 2 * GAP;
  const int64_t count = cvy_most_confused(pairs, PAIRS, c->assessment);
  write_line(c, left, c->top + 12, "word", count ? "most often confused" : "no mistakes");
  for (int64_t i = 0; i < count; i++) {
    cvy_class_text(name, c->report, pairs[i]->label);
    cvy_class_text(other, c->report, pairs[i]->predicted);
    snprintf(text, sizeof text, "%" PRId64 " x  %.*s for %.*s", pairs[i]->images, (int)cvy_utf8_fit(name, 24),
             name, (int)cvy_utf8_fit(other, 24), other);
    write_line(c, left, c->top + 12 + (i + 1) * LINE, "number", text);
  }
  if (c->each == 1) return;
  snprintf(text, sizeof text, "A square stands for %" PRId64 " by %" PRId64 " classes,", c->each, c->each);
  write_line(c, left, c->top + PLOT - LINE - 4, "number faint", text);
  write_line(c, left, c->top + PLOT - 4, "number faint", "and shows the largest share among them.");
}

static void draw_many(chart *c) {
  enum { NUMBERS_W = 40 };
  c->size = (double)PLOT / (double)c->side;
  c->left = GAP + 28 + NUMBERS_W;
  c->top = TOP + 48;
  cvy_svg_begin(c->out, c->left + PLOT + 2 * GAP + LIST_W, c->top + PLOT + GAP, GAP, c->report->title, style);
  draw_squares(c);
  draw_ticks(c);
  draw_words(c, 14);
  list_pairs(c);
}

void cvy_confusion_draw(FILE *out, const cvy_report *f) {
  const int64_t classes = f->assessment->class_count;
  chart c = {.out = out, .report = f, .assessment = f->assessment, .each = 1, .side = classes};
  if (classes > MOST_SIDE) c.each = cvy_pieces(classes, MOST_SIDE);
  c.side = cvy_pieces(classes, c.each);
  if (classes <= NAMED)
    draw_few(&c);
  else
    draw_many(&c);
  fputs("</svg>\n", out);
}
