/* What the pictures in SVG share: how one begins, texts of anybody in it, and steps along axes. */
#ifndef CVY_REPORT_SVG_H
#define CVY_REPORT_SVG_H

#include "base/base.h"

/* Begins a picture on white paper, with its title above (`left` pixels from the border). Texts are of class
 * title, word or number, and lines of class grid; `style` has further rules of CSS. It ends with "</svg>". */
void cvy_svg_begin(FILE *out, int64_t width, int64_t height, int64_t left, const char *title,
                   const char *style);
/* Writes a text as it may stand between tags. Letters beyond `most` columns become "...". */
void cvy_svg_text(FILE *out, const char *text, int64_t most);
/* Returns a step of 1, 2 or 5 times a power of ten, of which `range` has at most `most`. */
double cvy_svg_step(double range, int most);

#endif
