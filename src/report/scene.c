/* Draws the picture that augmentations are shown on. */
#include "report/scene.h"

#include "report/sheet.h"

/* Everything is drawn this large and then scaled by area averaging, which softens the edges. */
enum { H = 336, W = 448, HORIZON = 232 };

static const cvy_colour wall = {236, 214, 170}, shade = {205, 178, 132}, roof = {186, 62, 48},
                        door = {104, 62, 36}, glass = {74, 112, 160}, frame = {250, 246, 236},
                        trunk = {112, 78, 46}, leaves = {46, 120, 56}, lit_leaves = {92, 160, 70},
                        sun = {255, 214, 72}, far = {92, 138, 110}, kite = {206, 52, 142},
                        other_kite = {252, 174, 40}, cord = {70, 60, 70}, path = {214, 192, 152},
                        lawn = {128, 178, 78}, near_lawn = {96, 152, 62};

static void draw_ellipse(cvy_image *image, int64_t y, int64_t x, int64_t down, int64_t across,
                         cvy_colour colour) {
  for (int64_t v = -down; v <= down; v++)
    for (int64_t u = -across; u <= across; u++)
      if (u * u * down * down + v * v * across * across <= down * down * across * across)
        cvy_sheet_fill(image, y + v, x + u, 1, 1, colour);
}

/* The colours are flat, so that a sheet of many such pictures makes a small PNG file. */
static void draw_ground(cvy_image *image) {
  static const cvy_colour sky[] = {{92, 156, 226}, {132, 184, 236}, {184, 216, 244}};
  for (int64_t y = 0; y < HORIZON; y++) cvy_sheet_fill(image, y, 0, 1, W, sky[y * 3 / HORIZON]);
  draw_ellipse(image, 56, 404, 26, 26, sun);
  draw_ellipse(image, HORIZON, 250, 30, 330, far);
  cvy_sheet_fill(image, HORIZON, 0, 284 - HORIZON, W, lawn);
  cvy_sheet_fill(image, 284, 0, H - 284, W, near_lawn);
}

/* Draws rows whose left and right ends move from `from` at y0 to `to` at y1. */
static void draw_trapezoid(cvy_image *image, int64_t y0, const int64_t from[2], int64_t y1,
                           const int64_t to[2], cvy_colour colour) {
  for (int64_t y = y0; y < y1; y++) {
    const int64_t left = from[0] + (to[0] - from[0]) * (y - y0) / (y1 - y0);
    const int64_t right = from[1] + (to[1] - from[1]) * (y - y0) / (y1 - y0);
    cvy_sheet_fill(image, y, left, 1, right - left, colour);
  }
}

static void draw_house(cvy_image *image) {
  static const int64_t ridge[2] = {88, 204}, eaves[2] = {44, 248}, threshold[2] = {128, 164},
                       gate[2] = {150, 230};
  cvy_sheet_fill(image, 156, 60, 108, 172, wall);
  cvy_sheet_fill(image, 156, 60, 12, 172, shade);
  cvy_sheet_fill(image, 64, 188, 60, 22, shade);
  draw_trapezoid(image, 92, ridge, 160, eaves, roof);
  cvy_sheet_fill(image, 196, 128, 68, 36, door);
  for (int64_t left = 76; left <= 180; left += 104) {
    cvy_sheet_fill(image, 186, left, 40, 40, frame);
    cvy_sheet_fill(image, 190, left + 4, 32, 32, glass);
    cvy_sheet_fill(image, 204, left + 4, 4, 32, frame);
    cvy_sheet_fill(image, 190, left + 18, 32, 4, frame);
  }
  draw_trapezoid(image, 264, threshold, H, gate, path);
}

static void draw_tree(cvy_image *image) {
  cvy_sheet_fill(image, 200, 336, 92, 20, trunk);
  draw_ellipse(image, 172, 346, 62, 54, leaves);
  draw_ellipse(image, 156, 332, 34, 28, lit_leaves);
}

static void draw_kite(cvy_image *image) {
  static const int64_t top[2] = {284, 284}, middle[2] = {260, 308}, end[2] = {284, 284};
  for (int64_t y = 84; y < 250; y++) cvy_sheet_fill(image, y, 284 - (y - 84) * (y - 84) / 620, 1, 3, cord);
  draw_trapezoid(image, 26, top, 52, middle, kite);
  draw_trapezoid(image, 52, middle, 88, end, other_kite);
}

void cvy_scene_draw(cvy_image *out, int64_t h, int64_t w) {
  cvy_image large = {0};
  cvy_image_resize_buffer(&large, H, W, 3);
  draw_ground(&large);
  draw_house(&large);
  draw_tree(&large);
  draw_kite(&large);
  cvy_image_scale(out, &large, h, w);
  cvy_image_free(&large);
}
