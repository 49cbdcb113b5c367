/* Puts pictures on a sheet, some in a row. */
#include "report/tiles.h"

enum { MARGIN = 16, GAP = 12, COLUMNS = 6, TILE = 160, LINE_H = CVY_TEXT_H + 4 };

static int64_t top_of(int64_t i) {
  const int64_t heading = MARGIN + 2 * CVY_TEXT_H + 6 + LINE_H + GAP;
  return heading + i / COLUMNS * (CVY_TILE_LINES * LINE_H + TILE + GAP);
}

static void put(cvy_image *sheet, cvy_image *fitted, const cvy_image *picture, const cvy_tile *tile,
                int64_t i) {
  const int64_t top = top_of(i), left = MARGIN + i % COLUMNS * (TILE + GAP);
  for (int64_t k = 0; k < CVY_TILE_LINES; k++)
    cvy_sheet_write(sheet, top + k * LINE_H, left, TILE, tile->lines[k], tile->colours[k], 1);
  cvy_sheet_fit(fitted, picture, TILE, cvy_sheet_times(picture->h, picture->w, TILE));
  cvy_sheet_put(sheet, top + CVY_TILE_LINES * LINE_H, left, fitted);
}

cvy_err cvy_tiles_draw(cvy_image *sheet, const char *title, const char *about, int64_t count,
                       cvy_err (*make)(cvy_image *out, cvy_tile *tile, const void *context, int64_t i),
                       const void *context) {
  CVY_CHECK(count <= CVY_MOST_TILES);
  cvy_image picture = {0}, fitted = {0};
  const int64_t w = 2 * MARGIN + COLUMNS * (TILE + GAP) - GAP, room = w - 2 * MARGIN;
  CVY_TRY(cvy_sheet_begin(sheet, top_of(count + COLUMNS - 1) + MARGIN - GAP, w));
  cvy_sheet_write(sheet, MARGIN, MARGIN, room, title, cvy_ink, 2);
  cvy_sheet_write(sheet, MARGIN + 2 * CVY_TEXT_H + 6, MARGIN, room, about, cvy_faint_ink, 1);
  cvy_err err = CVY_OK;
  for (int64_t i = 0; i < count && !err; i++) {
    cvy_tile tile = {.colours = {cvy_ink, cvy_ink, cvy_faint_ink}};
    err = make(&picture, &tile, context, i);
    if (!err) put(sheet, &fitted, &picture, &tile, i);
  }
  cvy_image_free(&picture);
  cvy_image_free(&fitted);
  return err;
}
