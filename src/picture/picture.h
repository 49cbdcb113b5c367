/* A picture on its way from the file to the network: a sheet of samples and the maps that lead from the picture's pixels
 * back to it. Cropping, scaling, turning and bending only add a map; maps are composed where they can be, so that however
 * many there are, a sample is looked at once, and interpolated once, when the picture is drawn or normalised. A JPEG or PNG
 * is not decoded before that: then only the part in sight is, at the nearest scale.
 *
 * Coordinates are those of areas: pixel i covers i ... i+1, its centre is i + 1/2. */
#ifndef CVY_PICTURE_PICTURE_H
#define CVY_PICTURE_PICTURE_H

#include "data/cache.h"
#include "picture/image.h"

/* What is seen beyond the border of a picture. */
typedef enum cvy_edge_mode {
  CVY_EDGE_CONSTANT, /* a colour */
  CVY_EDGE_NEAREST,  /* the pixel at the border */
  CVY_EDGE_REFLECT   /* the picture, mirrored at its border */
} cvy_edge_mode;

typedef struct cvy_edge {
  cvy_edge_mode mode;
  float colour[CVY_MAX_CHANNELS]; /* in units of the samples */
} cvy_edge;

/* x_in = xx x + xy y + x0,  y_in = yx x + yy y + y0 */
typedef struct cvy_affine_map {
  double xx, xy, x0, yx, yy, y0;
} cvy_affine_map;

/* Displacements [h+1][w+1] (x, then y) at the corners of h x w equal cells, in pixels; between them linear. */
typedef struct cvy_field {
  int64_t h, w;
  const float *at;
} cvy_field;

typedef enum cvy_map_kind { CVY_MAP_AFFINE, CVY_MAP_LENS, CVY_MAP_FIELD } cvy_map_kind;

/* From positions in a picture to positions in the one that it was made of, h x w. */
typedef struct cvy_map {
  cvy_map_kind kind;
  cvy_affine_map affine;
  double lens; /* r_in = r (1 + lens r^2), r = 1 half-way along the diagonal */
  cvy_field field;
  int64_t h, w;
  bool leaves; /* some positions lie outside of h x w: `edge` says what is seen there */
  cvy_edge edge;
} cvy_map;

enum { CVY_MOST_MAPS = 16 };

/* Samples that lie somewhere, uint8_t or float: a part of a picture, perhaps scaled. */
typedef struct cvy_raster {
  const void *samples; /* of the top left pixel's channel 0; NULL: not decoded yet */
  bool is_float;
  int64_t h, w;
  int64_t row_step, column_step, channel_step; /* in samples */
  double top, left;                            /* of the part, in the whole picture */
  double pixels_down, pixels_across;           /* of the whole picture, that a pixel of the sheet covers */
} cvy_raster;

/* The bytes of a JPEG or PNG file, to be decoded into `image`. */
typedef struct cvy_encoded {
  const void *bytes; /* NULL: `decoded` gets them when they are needed */
  size_t byte_count;
  cvy_image *image;
  const struct cvy_decoded *decoded; /* NULL: no decoded pictures are kept */
} cvy_encoded;

/* Where the whole pictures are that were decoded before, at 1/1, 1/2, 1/4 and 1/8 of their size. */
enum { CVY_SCALES = 4 };
typedef struct cvy_decoded {
  cvy_cache *cache;
  int64_t key; /* of the first scale; the others follow */
  cvy_err (*fetch)(cvy_encoded *encoded);
} cvy_decoded;

typedef struct cvy_picture {
  int64_t h, w, c;
  int64_t whole_h, whole_w; /* of what the sheet is of */
  cvy_raster sheet;
  cvy_encoded encoded; /* until the sheet is there */
  int64_t map_count;
  cvy_map maps[CVY_MOST_MAPS]; /* the first leads to the sheet's picture, the last from this one */
} cvy_picture;

/* Where pictures are drawn. Grows as needed and is reused. */
typedef struct cvy_canvas {
  float *samples[2];
  size_t capacity_bytes[2];
  int next;
  float *fields; /* displacements, for augmentations that bend */
  size_t fields_bytes;
  void *lines; /* for rendering, as is: */
  size_t lines_bytes;
  cvy_image halved;
  double decode_s, warp_s, copy_s; /* time spent on it: cvy_input_times */
} cvy_canvas;
void cvy_canvas_free(cvy_canvas *canvas);

/* h x w x c samples, channels innermost. */
cvy_picture cvy_picture_of(const void *samples, bool is_float, int64_t h, int64_t w, int64_t c);
/* A file's bytes, of which only the header is read now. Errors as those of cvy_image_decode. */
cvy_err cvy_picture_of_encoded(cvy_picture *out, const cvy_encoded *encoded, int64_t channels) CVY_MUST_CHECK;

/* The same of pictures of which some scale is kept: nothing is read yet. False if none is. */
bool cvy_picture_of_decoded(cvy_picture *out, const cvy_encoded *encoded, int64_t channels);

/* Decodes all of it now, in order to know that it can be: sheet.samples are its bytes. */
cvy_err cvy_picture_decode(cvy_picture *picture) CVY_MUST_CHECK;

/* The picture becomes h x w; `map` leads from it to what it was. Beyond that `edge` is seen; NULL only if nothing is. */
cvy_err cvy_picture_map(cvy_picture *picture, cvy_canvas *canvas, int64_t h, int64_t w,
                        const cvy_affine_map *map, const cvy_edge *edge) CVY_MUST_CHECK;
/* Bends the picture, whose size stays. `field`, if not NULL, lies in memory of: */
cvy_err cvy_picture_bend(cvy_picture *picture, cvy_canvas *canvas, double lens, const cvy_field *field,
                         const cvy_edge *edge) CVY_MUST_CHECK;

/* Room on the canvas for a field of displacements, until the picture is drawn; one that has a field already is drawn now. */
cvy_err cvy_picture_field(float **displacements, cvy_picture *picture, cvy_canvas *canvas,
                          int64_t count) CVY_MUST_CHECK;

/* What it was lies `down` and `right` from the new top left corner (negative: cut off). */
cvy_err cvy_picture_place(cvy_picture *picture, cvy_canvas *canvas, int64_t h, int64_t w, int64_t down,
                          int64_t right, const cvy_edge *edge) CVY_MUST_CHECK;
/* Left becomes right. */
cvy_err cvy_picture_mirror(cvy_picture *picture, cvy_canvas *canvas) CVY_MUST_CHECK;
/* The part from (top, left) on, part_h x part_w, becomes h x w. */
cvy_err cvy_picture_scale(cvy_picture *picture, cvy_canvas *canvas, int64_t h, int64_t w, double top,
                          double left, double part_h, double part_w) CVY_MUST_CHECK;

/* Draws the picture on the canvas, which it then shows: h x w x c floats, to be changed at will. Valid until the draw
 * after the next. For augmentations that compute samples. */
cvy_err cvy_picture_draw(cvy_picture *picture, float **samples, cvy_canvas *canvas) CVY_MUST_CHECK;

/* (sample - mean) / deviation; for the 256 values of a byte worked out beforehand. */
typedef struct cvy_normaliser {
  float mean[CVY_MAX_CHANNELS], deviation[CVY_MAX_CHANNELS];
  float of_byte[CVY_MAX_CHANNELS][256];
} cvy_normaliser;
void cvy_normaliser_set(cvy_normaliser *out, const float mean[], const float deviation[], int64_t channels);
/* out: [h][w][c] */
cvy_err cvy_picture_normalise(float *out, cvy_picture *picture, cvy_canvas *canvas,
                              const cvy_normaliser *normaliser) CVY_MUST_CHECK;

#endif
