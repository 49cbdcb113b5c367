/* A sheet of pictures with some lines of text above each. */
#ifndef CVY_REPORT_TILES_H
#define CVY_REPORT_TILES_H

#include "report/sheet.h"

enum { CVY_TILE_LINES = 3, CVY_TILE_TEXT = 320, CVY_MOST_TILES = 30 };

/* What stands above a picture. */
typedef struct cvy_tile {
  char lines[CVY_TILE_LINES][CVY_TILE_TEXT];
  cvy_colour colours[CVY_TILE_LINES];
} cvy_tile;

/* Draws `count` pictures, at most CVY_MOST_TILES, below a title and a line about it. `make` makes picture
 * `i`, and says what stands above it. */
cvy_err cvy_tiles_draw(cvy_image *sheet, const char *title, const char *about, int64_t count,
                       cvy_err (*make)(cvy_image *out, cvy_tile *tile, const void *context, int64_t i),
                       const void *context) CVY_MUST_CHECK;

#endif
