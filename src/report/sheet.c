/* Puts rectangles, pictures and text on a sheet, and reads and writes picture files. */
#include "report/sheet.h"

#include "file/bytes.h"
#include "file/whole.h"
#include "report/font.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { JPEG_QUALITY = 92 };

/* ---- paper ---- */

cvy_err cvy_sheet_begin(cvy_image *out, int64_t h, int64_t w) {
  if (h * w > CVY_MOST_SHEET_PIXELS)
    return cvy_error(CVY_E_USAGE,
                     "the sheet would be %" PRId64 " pixels wide and %" PRId64
                     " high; fewer records, epochs or a smaller "
                     "tile would do",
                     w, h);
  cvy_image_resize_buffer(out, h, w, 3);
  cvy_sheet_fill(out, 0, 0, h, w, cvy_paper);
  return CVY_OK;
}

static void set(cvy_image *sheet, int64_t y, int64_t x, cvy_colour colour) {
  if (y < 0 || x < 0 || y >= sheet->h || x >= sheet->w) return;
  uint8_t *px = sheet->px + (y * sheet->w + x) * 3;
  px[0] = colour.r, px[1] = colour.g, px[2] = colour.b;
}

void cvy_sheet_fill(cvy_image *sheet, int64_t top, int64_t left, int64_t h, int64_t w, cvy_colour colour) {
  for (int64_t y = top; y < top + h; y++)
    for (int64_t x = left; x < left + w; x++) set(sheet, y, x, colour);
}

void cvy_sheet_put(cvy_image *sheet, int64_t top, int64_t left, const cvy_image *picture) {
  for (int64_t y = 0; y < picture->h; y++)
    for (int64_t x = 0; x < picture->w; x++) {
      const uint8_t *px = picture->px + (y * picture->w + x) * picture->c;
      const cvy_colour colour = picture->c < 3 ? (cvy_colour){px[0], px[0], px[0]}
                                               : (cvy_colour){px[0], px[1], px[2]};
      set(sheet, top + y, left + x, colour);
    }
}

/* ---- text ---- */

static int64_t count_letters(const char *text) {
  int64_t count = 0;
  while (cvy_next_letter(&text)) count++;
  return count;
}

const char *cvy_sheet_class(char out[CVY_SHEET_CLASS], int64_t class, const char *name) {
  bool has_all = true;
  for (const char *next = name; *next;) has_all = cvy_next_letter(&next) < 0x80 && has_all;
  if (has_all)
    snprintf(out, CVY_SHEET_CLASS, "%s", name);
  else
    snprintf(out, CVY_SHEET_CLASS, "class %" PRId64 " %s", class, name);
  return out;
}

int64_t cvy_sheet_text_w(const char *text, int64_t scale) {
  return count_letters(text) * CVY_LETTER_W * scale;
}

static void write_letter(cvy_image *sheet, int64_t top, int64_t left, uint32_t letter, cvy_colour colour,
                         int64_t scale) {
  for (int64_t y = 0; y < CVY_GLYPH_H; y++)
    for (int64_t x = 0; x < CVY_GLYPH_W; x++)
      if (cvy_glyph_has(letter, x, y))
        cvy_sheet_fill(sheet, top + y * scale, left + x * scale, scale, scale, colour);
}

int64_t cvy_sheet_write(cvy_image *sheet, int64_t top, int64_t left, int64_t most_w, const char *text,
                        cvy_colour colour, int64_t scale) {
  const int64_t count = count_letters(text), room = most_w / (CVY_LETTER_W * scale);
  const bool is_cut = count > room;
  const int64_t shown = is_cut ? room : count;
  for (int64_t i = 0; i < shown; i++) {
    const uint32_t letter = cvy_next_letter(&text);
    write_letter(sheet, top, left + i * CVY_LETTER_W * scale, is_cut && i >= room - 2 ? '.' : letter, colour,
                 scale);
  }
  return shown * CVY_LETTER_W * scale;
}

/* ---- pictures ---- */

int64_t cvy_sheet_times(int64_t h, int64_t w, int64_t box) {
  const int64_t times = box / (h > w ? h : w);
  return times > 1 ? times : 1;
}

static void magnify(cvy_image *out, const cvy_image *in, int64_t times) {
  cvy_image_resize_buffer(out, in->h * times, in->w * times, in->c);
  for (int64_t y = 0; y < out->h; y++)
    for (int64_t x = 0; x < out->w; x++)
      memcpy(out->px + (y * out->w + x) * in->c, in->px + (y / times * in->w + x / times) * in->c,
             (size_t)in->c);
}

void cvy_sheet_fit(cvy_image *out, const cvy_image *in, int64_t box, int64_t times) {
  const int64_t longer = in->h > in->w ? in->h : in->w;
  if (longer <= box) {
    magnify(out, in, times < box / longer ? times : box / longer);
    return;
  }
  const int64_t h = (in->h * box + longer / 2) / longer, w = (in->w * box + longer / 2) / longer;
  cvy_image_scale(out, in, h > 0 ? h : 1, w > 0 ? w : 1);
}

/* ---- files ---- */

static bool ends_in(const char *path, const char *ending) {
  const size_t length = strlen(path), letters = strlen(ending);
  return length > letters && strcasecmp(path + length - letters, ending) == 0;
}

cvy_err cvy_sheet_check_name(const char *path) {
  if (ends_in(path, ".png") || ends_in(path, ".jpg") || ends_in(path, ".jpeg")) return CVY_OK;
  return cvy_error(CVY_E_USAGE, "'%s': a sheet is written to a file that ends in .png, .jpg or .jpeg", path);
}

cvy_err cvy_sheet_decode(cvy_image *out, const void *bytes, size_t byte_count) {
  cvy_image as_stored = {0};
  const cvy_err err = cvy_image_decode(&as_stored, bytes, byte_count, 3);
  if (!err) cvy_image_turn(out, &as_stored, cvy_image_orientation(bytes, byte_count));
  cvy_image_free(&as_stored);
  return err;
}

cvy_err cvy_sheet_read(cvy_image *out, const char *path) {
  cvy_bytes file = {0};
  cvy_err err = cvy_bytes_read(&file, path);
  if (!err) {
    err = cvy_sheet_decode(out, file.data, file.count);
    if (err) err = cvy_error_in(err, "%s", path);
  }
  cvy_bytes_free(&file);
  return err;
}

cvy_err cvy_sheet_save(const cvy_image *sheet, const char *path) {
  void *bytes;
  size_t count;
  CVY_TRY(cvy_sheet_check_name(path));
  if (ends_in(path, ".png"))
    CVY_TRY(cvy_image_encode_png(&bytes, &count, sheet));
  else
    CVY_TRY(cvy_image_encode(&bytes, &count, sheet, JPEG_QUALITY));
  const cvy_err err = cvy_whole_write(path, bytes, count);
  free(bytes);
  return err;
}
