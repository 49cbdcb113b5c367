/* A sheet of paper that pictures and captions are put on, and its file. */
#ifndef CVY_REPORT_SHEET_H
#define CVY_REPORT_SHEET_H

#include "picture/image.h"

typedef struct cvy_colour {
  uint8_t r, g, b;
} cvy_colour;

static const cvy_colour cvy_paper = {250, 250, 248}, cvy_ink = {30, 34, 40}, cvy_faint_ink = {112, 118, 126},
                        cvy_line = {208, 210, 212};

enum { CVY_TEXT_H = 9, CVY_MOST_SHEET_PIXELS = 64 << 20, CVY_SHEET_CLASS = 240 };

/* Makes a blank RGB image, h x w. It fails with CVY_E_USAGE if the image would have more than
 * CVY_MOST_SHEET_PIXELS. */
cvy_err cvy_sheet_begin(cvy_image *out, int64_t h, int64_t w) CVY_MUST_CHECK;
/* Fills a rectangle; what sticks out is cut off, as below. */
void cvy_sheet_fill(cvy_image *sheet, int64_t top, int64_t left, int64_t h, int64_t w, cvy_colour colour);
/* Puts a picture there. It shows the first three channels if there are so many, and else the first one, as
 * grey. */
void cvy_sheet_put(cvy_image *sheet, int64_t top, int64_t left, const cvy_image *picture);
/* Writes one line of UTF-8, CVY_TEXT_H * scale pixels high, which ends with ".." where it would be wider than
 * `most_w`. Returns the pixels that it takes. */
int64_t cvy_sheet_write(cvy_image *sheet, int64_t top, int64_t left, int64_t most_w, const char *text,
                        cvy_colour colour, int64_t scale);
/* Returns how a class is called on a sheet: by its name; with its number in front where the name has letters
 * that are not in the font, and stand as boxes. */
const char *cvy_sheet_class(char out[CVY_SHEET_CLASS], int64_t class, const char *name);
/* Returns the pixels that a whole text takes. */
int64_t cvy_sheet_text_w(const char *text, int64_t scale);

/* Makes `in` as large as fits into box x box. A small picture is magnified, each pixel to a square, at most
 * `times` (1 or more) times; a large one is shrunk by area averaging. */
void cvy_sheet_fit(cvy_image *out, const cvy_image *in, int64_t box, int64_t times);
/* Returns how many times as large pictures of h x w can be shown in box x box; 1 if they must be shrunk. */
int64_t cvy_sheet_times(int64_t h, int64_t w, int64_t box);

/* Fails with CVY_E_USAGE unless `path` ends in .png, .jpg or .jpeg. */
cvy_err cvy_sheet_check_name(const char *path) CVY_MUST_CHECK;
/* Makes RGB, upright, of the bytes of a JPEG or PNG file. Errors do not name it. */
cvy_err cvy_sheet_decode(cvy_image *out, const void *bytes, size_t byte_count) CVY_MUST_CHECK;
/* Reads a JPEG or PNG file as RGB, upright. */
cvy_err cvy_sheet_read(cvy_image *out, const char *path) CVY_MUST_CHECK;
/* Writes a PNG or JPEG file, as the name ends. It fails with CVY_E_RUN or CVY_E_SYSTEM if the file cannot be
 * written. */
cvy_err cvy_sheet_save(const cvy_image *sheet, const char *path) CVY_MUST_CHECK;

#endif
