/* Letters for captions, drawn for this purpose: printable ASCII, 5 wide, 7 high and 2 below the line.
 *
 * A library that draws text (FreeType, Pango) brings fonts that must be there and differ from machine to
 * machine, while a sheet is the same bytes everywhere. */
#ifndef CVY_REPORT_FONT_H
#define CVY_REPORT_FONT_H

#include "base/base.h"

enum { CVY_GLYPH_W = 5, CVY_GLYPH_H = 9, CVY_LETTER_W = 6 /* to the next letter */ };

/* Tells whether the pixel is ink. What is not in the font is a hollow box. */
bool cvy_glyph_has(uint32_t letter, int64_t x, int64_t y);
/* Returns the next code point of UTF-8 text, 0 at its end; *text moves on. A byte that is no UTF-8 counts as
 * one. */
uint32_t cvy_next_letter(const char **text);

#endif
