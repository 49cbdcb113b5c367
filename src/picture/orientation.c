/* The orientation that a camera writes beside the picture (Exif 2.3, section 4.6.4, tag 274): the picture
 * is stored as the sensor lay, and the tag says how to turn it. Damaged EXIF data is none. */
#include "picture/image.h"

#include <string.h>

typedef struct bytes {
  const uint8_t *at;
  size_t count;
  bool big_endian;
} bytes;

static uint32_t number(const bytes *b, size_t at, size_t width) {
  uint32_t value = 0;
  for (size_t i = 0; i < width; i++) value = value << 8 | b->at[at + (b->big_endian ? i : width - 1 - i)];
  return value;
}

/* `tiff` is what follows "Exif\0\0". An entry has 12 bytes: tag, type (3: short), count, value. */
static int orientation_in_tiff(bytes tiff) {
  enum { TAG = 0x0112, SHORT = 3 };
  if (tiff.count < 8 || (memcmp(tiff.at, "II*\0", 4) != 0 && memcmp(tiff.at, "MM\0*", 4) != 0)) return 1;
  tiff.big_endian = tiff.at[0] == 'M';
  const size_t directory = number(&tiff, 4, 4);
  if (directory > tiff.count - 2) return 1;
  const size_t entries = number(&tiff, directory, 2);
  for (size_t i = 0; i < entries; i++) {
    const size_t entry = directory + 2 + 12 * i;
    if (entry + 12 > tiff.count) return 1;
    if (number(&tiff, entry, 2) != TAG || number(&tiff, entry + 2, 2) != SHORT) continue;
    const uint32_t value = number(&tiff, entry + 8, 2);
    return value >= 1 && value <= 8 ? (int)value : 1;
  }
  return 1;
}

int cvy_image_orientation(const void *file, size_t byte_count) {
  enum { APP1 = 0xe1, SCAN = 0xda, END = 0xd9, FILL = 0xff };
  const bytes jpeg = {.at = file, .count = byte_count, .big_endian = true};
  if (byte_count < 4 || jpeg.at[0] != 0xff || jpeg.at[1] != 0xd8) return 1;
  for (size_t at = 2; at + 4 <= byte_count;) {
    const uint8_t marker = jpeg.at[at + 1];
    if (jpeg.at[at] != 0xff || marker == SCAN || marker == END) return 1;
    if (marker == FILL) {
      at++;
      continue;
    }
    const size_t length = number(&jpeg, at + 2, 2);
    if (length < 2 || length > byte_count - at - 2) return 1;
    if (marker == APP1 && length >= 8 && memcmp(jpeg.at + at + 4, "Exif\0\0", 6) == 0)
      return orientation_in_tiff((bytes){.at = jpeg.at + at + 10, .count = length - 8});
    at += 2 + length;
  }
  return 1;
}

void cvy_image_turn(cvy_image *out, const cvy_image *in, int orientation) {
  CVY_CHECK(out != in && orientation >= 1 && orientation <= 8);
  const bool swap = orientation >= 5;
  const bool flip_row = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const bool flip_column = orientation == 2 || orientation == 3 || orientation >= 7;
  const int64_t c = in->c;
  cvy_image_resize_buffer(out, swap ? in->w : in->h, swap ? in->h : in->w, c);
  uint8_t *to = out->px;
  for (int64_t y = 0; y < out->h; y++)
    for (int64_t x = 0; x < out->w; x++, to += c) {
      const int64_t row = swap ? x : y, column = swap ? y : x;
      const int64_t from_row = flip_row ? in->h - 1 - row : row,
                    from_column = flip_column ? in->w - 1 - column : column;
      memcpy(to, in->px + (from_row * in->w + from_column) * c, (size_t)c);
    }
}
