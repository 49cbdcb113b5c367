/* Pictures in memory, and the files that they are decoded from and encoded to. */
#ifndef CVY_PICTURE_IMAGE_H
#define CVY_PICTURE_IMAGE_H

#include "base/base.h"

/* h x w x c samples, channels innermost, rows from the top. The buffer grows as needed and is reused;
 * cvy_image_free gives it back. */
typedef struct cvy_image {
  int64_t h, w, c;
  uint8_t *px;
  size_t capacity_bytes;
} cvy_image;

void cvy_image_resize_buffer(cvy_image *image, int64_t h, int64_t w, int64_t c);
void cvy_image_free(cvy_image *image);
/* Decodes a JPEG or PNG file's bytes (told apart by their signature) to `channels` (1: grey, 3: RGB, 0: as in
 * the file). CMYK becomes RGB, 16 bits become 8, transparent pixels show white; an EXIF orientation is not
 * applied. Truncated or damaged bytes, other formats and more than 100 million pixels are errors that say
 * what is wrong; the caller puts the name in front. On an error `out` holds nothing useful. */
cvy_err cvy_image_decode(cvy_image *out, const void *bytes, size_t byte_count,
                         int64_t channels) CVY_MUST_CHECK;
/* Of the header alone: the size, and in place of *channels = 0 those of the file. Errors as above. */
cvy_err cvy_image_size(int64_t *h, int64_t *w, int64_t *channels, const void *bytes,
                       size_t byte_count) CVY_MUST_CHECK;
/* A part of a picture, in its pixels, and how coarse it may be: pixels of the picture to a pixel that is
 * wanted. */
typedef struct cvy_image_part {
  int64_t top, left, h, w;
  double shrink;
  int64_t step; /* received: parts begin at multiples of so many columns of `out`; 0: there are only wholes */
} cvy_image_part;
/* The same as cvy_image_decode, of a part only, which comes out no smaller, and no coarser, than asked
 * for: `part` receives what `out` shows. Of a JPEG the DCT is done at 1/2, 1/4 or 1/8 of the size where
 * that is enough, and only what is asked for is made into pixels; damage in the rest may go unnoticed. The
 * pixels are those of the whole picture's decoding. */
cvy_err cvy_image_decode_part(cvy_image *out, cvy_image_part *part, const void *bytes, size_t byte_count,
                              int64_t channels) CVY_MUST_CHECK;
/* What cvy_image_decode_part makes of a file of which `whole` is all that it makes at that scale (1, 2, 4,
 * 8), with `step`. */
void cvy_image_cut(cvy_image *out, cvy_image_part *part, const cvy_image *whole, int64_t step, int64_t scale);
/* The scale at which a part is decoded. */
int64_t cvy_image_scale_for(double shrink);
/* The same, but a JPEG much larger than h x w is decoded at 1/2, 1/4 or 1/8 of its size (the smallest that
 * is still at least h x w), which is faster and loses nothing that scaling to h x w would keep. full[2]:
 * height and width of the file's picture. h, w of 0: whole. */
cvy_err cvy_image_decode_at_least(cvy_image *out, int64_t full[2], const void *bytes, size_t byte_count,
                                  int64_t channels, int64_t h, int64_t w) CVY_MUST_CHECK;
/* The orientation that the EXIF data of a JPEG file claims: 1 (upright, or nothing said) to 8. */
int cvy_image_orientation(const void *bytes, size_t byte_count);
/* Turns and mirrors a picture with that orientation upright. `out` is not `in`. */
void cvy_image_turn(cvy_image *out, const cvy_image *in, int orientation);
/* A JPEG file of a grey or RGB picture, quality 1 to 100, the same bytes everywhere; *bytes: free().
 * CVY_E_INPUT if a side is too long for one. */
cvy_err cvy_image_encode(void **bytes, size_t *byte_count, const cvy_image *image,
                         int64_t quality) CVY_MUST_CHECK;
/* A PNG file of a grey or RGB picture; *bytes: free(). The bytes are zlib's, the picture is the same
 * everywhere. */
cvy_err cvy_image_encode_png(void **bytes, size_t *byte_count, const cvy_image *image) CVY_MUST_CHECK;
/* Scales to h x w, each axis for itself: area averaging when shrinking, bilinear between pixel centres when
 * growing. The same bits everywhere. `out` is not `in`; its buffer is reused, so the next call of the same
 * sizes allocates nothing. */
void cvy_image_scale(cvy_image *out, const cvy_image *in, int64_t h, int64_t w);

#endif
