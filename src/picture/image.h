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
/* Reads the header alone: the size and, if *channels is 0, the channels of the file. Errors are as above. */
cvy_err cvy_image_size(int64_t *h, int64_t *w, int64_t *channels, const void *bytes,
                       size_t byte_count) CVY_MUST_CHECK;
/* A part of a picture, in the picture's pixels. */
typedef struct cvy_image_part {
  int64_t top, left, h, w;
  double shrink; /* how coarse it may be: pixels of the picture to a pixel that is wanted */
  int64_t step; /* it is set: parts begin at multiples of it, in columns of `out`; 0: there are only wholes */
} cvy_image_part;
/* Decodes as cvy_image_decode does, but only a part, which comes out no smaller, and no coarser, than
 * asked for; `part` receives what `out` shows. The DCT of a JPEG is done at 1/2, 1/4 or 1/8 of the size
 * where that is enough, and only what is asked for is made into pixels, so that damage in the rest may go
 * unnoticed. The pixels are those of the whole picture's decoding. */
cvy_err cvy_image_decode_part(cvy_image *out, cvy_image_part *part, const void *bytes, size_t byte_count,
                              int64_t channels) CVY_MUST_CHECK;
/* Makes what cvy_image_decode_part would make of a file, given `whole`, which is all of the file at that
 * scale (1, 2, 4, 8), and its `step`. */
void cvy_image_cut(cvy_image *out, cvy_image_part *part, const cvy_image *whole, int64_t step, int64_t scale);
/* Returns the scale, 1, 2, 4 or 8, at which a part is decoded that may be so coarse. */
int64_t cvy_image_scale_for(double shrink);
/* Decodes as cvy_image_decode does, but a JPEG much larger than h x w at 1/2, 1/4 or 1/8 of its size (the
 * smallest that is still at least h x w), which is faster and loses nothing that scaling to h x w would
 * keep. full[2] receives height and width of the file's picture. If h and w are 0, it decodes all at full
 * size. */
cvy_err cvy_image_decode_at_least(cvy_image *out, int64_t full[2], const void *bytes, size_t byte_count,
                                  int64_t channels, int64_t h, int64_t w) CVY_MUST_CHECK;
/* Says which files that end early are mended. */
typedef enum cvy_tolerance {
  CVY_TOLERATE_NOTHING,
  CVY_TOLERATE_END_MARKER, /* those that lack their end marker, but no pixel */
  CVY_TOLERATE_TRUNCATED   /* JPEG files of which a part is missing, too */
} cvy_tolerance;
extern const char *const cvy_tolerance_words[]; /* "nothing", "end-marker", "truncated" */
enum { CVY_MEND_NOTE = 96 };                    /* bytes of a note, at most */
/* Makes a whole file of one that ends early, if it is tolerated and nothing else is wrong with it. Otherwise
 * it returns false, and *out is NULL. What is missing of a JPEG is grey, and the rest has the pixels that
 * libjpeg makes of the file that ends early. Details that a progressive JPEG lacks are left out, not guessed.
 * `note` says what was missing; of a file that ends early and is not mended though parts may be missing, why
 * not; else it is "". The caller frees *out. */
bool cvy_image_mend(void **out, size_t *out_count, char note[CVY_MEND_NOTE], const void *bytes,
                    size_t byte_count, cvy_tolerance tolerance);
/* Returns the orientation that the EXIF data of a JPEG file claims: 1 (upright, or nothing said) to 8. */
int cvy_image_orientation(const void *bytes, size_t byte_count);
/* Turns and mirrors a picture that has this orientation, so that it is upright. `out` is not `in`. */
void cvy_image_turn(cvy_image *out, const cvy_image *in, int orientation);
/* Makes a JPEG file of a grey or RGB picture, of quality 1 to 100; the bytes are the same everywhere, and the
 * caller frees them. A side that is too long for a JPEG is CVY_E_INPUT. */
cvy_err cvy_image_encode(void **bytes, size_t *byte_count, const cvy_image *image,
                         int64_t quality) CVY_MUST_CHECK;
/* Makes a PNG file of a grey or RGB picture. The bytes are zlib's choice, the picture is the same
 * everywhere. The caller frees the bytes. */
cvy_err cvy_image_encode_png(void **bytes, size_t *byte_count, const cvy_image *image) CVY_MUST_CHECK;
/* Scales to h x w, each axis for itself: area averaging when shrinking, bilinear between pixel centres
 * when growing. The bits are the same everywhere. `out` is not `in`; its buffer is reused, so the next
 * call of the same sizes allocates nothing. */
void cvy_image_scale(cvy_image *out, const cvy_image *in, int64_t h, int64_t w);

#endif
