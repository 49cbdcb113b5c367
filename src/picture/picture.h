/* A picture on its way from the file to the network: a raster of samples and the maps that lead from the
 * picture's pixels back to it. Cropping, scaling, turning and bending only add a map. Maps are composed
 * where they can be, so that, however many there are, a sample is looked at once, and interpolated once,
 * when the picture is drawn or normalised. A JPEG or PNG is not decoded before that; then only the part in
 * sight is, at the nearest scale.
 *
 * Coordinates are those of areas: pixel i covers i ... i+1, its centre is i + 1/2.
 *
 * picture.c adds maps. When samples are wanted, sight.c finds what is in sight, raster.c decodes it, and
 * render.c chooses one of three renderers. */
#ifndef CVY_PICTURE_PICTURE_H
#define CVY_PICTURE_PICTURE_H

#include "picture/canvas.h"
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

/* x_in = xx x + xy y + x0 and y_in = yx x + yy y + y0 */
typedef struct cvy_affine_map {
  double xx, xy, x0, yx, yy, y0;
} cvy_affine_map;

/* Displacements [h+1][w+1] (x, then y), in pixels, at the corners of h x w equal cells. They are linear in
 * between. */
typedef struct cvy_field {
  int64_t h, w;
  const float *at;
} cvy_field;

typedef enum cvy_map_kind { CVY_MAP_AFFINE, CVY_MAP_LENS, CVY_MAP_FIELD } cvy_map_kind;

/* Leads from positions in a picture to positions in the one that it was made of, h x w. */
typedef struct cvy_map {
  cvy_map_kind kind;
  cvy_affine_map affine;
  double lens; /* r_in = r (1 + lens r^2), r = 1 half-way from the centre to a corner */
  cvy_field field;
  int64_t h, w;
  bool leaves; /* some positions lie outside of h x w: `edge` says what is seen there */
  cvy_edge edge;
} cvy_map;

enum { CVY_MOST_MAPS = 16 };

/* Samples in somebody else's memory, uint8_t or float, which show a part of a picture, perhaps scaled. */
typedef struct cvy_raster {
  const void *samples; /* the sample of the top left pixel's channel 0; NULL: not decoded yet */
  bool is_float;
  int64_t h, w;
  int64_t row_step, column_step, channel_step; /* distances in samples */
  double top, left;                            /* where the part begins in the whole picture */
  double pixels_down, pixels_across;           /* how many of the whole picture a pixel here covers */
} cvy_raster;

/* A whole picture that was decoded at 1/1, 1/2, 1/4 or 1/8 of its size. */
enum { CVY_SCALES = 4 };
typedef struct cvy_whole_picture {
  int64_t h, w, c;        /* size as it was decoded: [h][w][c] bytes */
  int64_t file_h, file_w; /* size of the file's picture */
  int64_t step;           /* the step of cvy_image_part */
} cvy_whole_picture;

/* A keeper may keep the whole picture of a file, and fetches the file's bytes when they are needed. Its
 * functions get a context of its own, and are for any thread. `index` 0 ... CVY_SCALES-1 is the scale
 * 1/2^index; a file that has no scales is kept at index 0. */
typedef struct cvy_keeper {
  /* Finds the samples, which stay where they are; NULL if they are not kept. */
  const uint8_t *(*find)(cvy_whole_picture *whole, const void *context, int index);
  bool (*has_room)(const void *context, size_t byte_count);
  /* Copies the samples if it can. */
  void (*keep)(const void *context, int index, const cvy_whole_picture *whole, const uint8_t *samples);
  cvy_err (*fetch)(const void **bytes, size_t *byte_count, const void *context) CVY_MUST_CHECK;
} cvy_keeper;

/* A JPEG or PNG file, to be decoded into `image`. */
typedef struct cvy_encoded {
  const void *bytes; /* NULL: the keeper fetches them when they are needed */
  size_t byte_count;
  cvy_image *image;
  const cvy_keeper *keeper; /* NULL: nobody keeps decoded pictures */
  const void *keeper_context;
} cvy_encoded;

typedef struct cvy_picture {
  int64_t h, w, c;
  int64_t whole_h, whole_w; /* the picture that the raster shows a part of */
  cvy_raster raster;
  cvy_encoded encoded; /* until the raster is there */
  int64_t map_count;
  cvy_map maps[CVY_MOST_MAPS]; /* the first leads to the whole picture, the last from this one */
} cvy_picture;

/* Makes a picture of h x w x c samples, channels innermost, which stay where they are. */
cvy_picture cvy_picture_of(const void *samples, bool is_float, int64_t h, int64_t w, int64_t c);
/* Makes a picture of a file, of which only the header is read now. Errors are those of cvy_image_decode. */
cvy_err cvy_picture_of_encoded(cvy_picture *out, const cvy_encoded *encoded, int64_t channels) CVY_MUST_CHECK;

/* Makes a picture of a file of which the keeper has the whole at some scale, so that nothing is read yet. It
 * returns false if the keeper has none. */
bool cvy_picture_of_kept(cvy_picture *out, const cvy_encoded *encoded, int64_t channels);

/* Decodes all of the file now, in order to know that this is possible. Then raster.samples are its bytes. */
cvy_err cvy_picture_decode(cvy_picture *picture) CVY_MUST_CHECK;

/* The picture becomes h x w; `map` leads from it to what it was. `edge` is what is seen beyond that, NULL
 * only if nothing is. */
cvy_err cvy_picture_map(cvy_picture *picture, cvy_canvas *canvas, int64_t h, int64_t w,
                        const cvy_affine_map *map, const cvy_edge *edge) CVY_MUST_CHECK;
/* Bends the picture, whose size stays. `field`, if not NULL, lies in memory that cvy_picture_field gave. */
cvy_err cvy_picture_bend(cvy_picture *picture, cvy_canvas *canvas, double lens, const cvy_field *field,
                         const cvy_edge *edge) CVY_MUST_CHECK;

/* Gives room on the canvas for a field of displacements, valid until the picture is drawn. A picture that
 * has a field already is drawn now. */
cvy_err cvy_picture_field(float **displacements, cvy_picture *picture, cvy_canvas *canvas,
                          int64_t count) CVY_MUST_CHECK;

/* The picture becomes h x w; what it was lies `down` and `right` from the new top left corner (negative:
 * cut off). */
cvy_err cvy_picture_place(cvy_picture *picture, cvy_canvas *canvas, int64_t h, int64_t w, int64_t down,
                          int64_t right, const cvy_edge *edge) CVY_MUST_CHECK;
/* Mirrors the picture: left becomes right. */
cvy_err cvy_picture_mirror(cvy_picture *picture, cvy_canvas *canvas) CVY_MUST_CHECK;
/* Scales a part: what lies from (top, left) on, part_h x part_w, becomes h x w. */
cvy_err cvy_picture_scale(cvy_picture *picture, cvy_canvas *canvas, int64_t h, int64_t w, double top,
                          double left, double part_h, double part_w) CVY_MUST_CHECK;

/* Draws the picture on the canvas, as h x w x c floats, which may be changed at will and are the picture
 * from here on. They are valid until the draw after the next. This is for augmentations that compute
 * samples. */
cvy_err cvy_picture_draw(cvy_picture *picture, float **samples, cvy_canvas *canvas) CVY_MUST_CHECK;

/* Makes (sample - mean) / deviation, which is worked out beforehand for the 256 values of a byte. */
typedef struct cvy_normaliser {
  float mean[CVY_MAX_CHANNELS], deviation[CVY_MAX_CHANNELS];
  float of_byte[CVY_MAX_CHANNELS][256];
} cvy_normaliser;
void cvy_normaliser_set(cvy_normaliser *out, const float mean[], const float deviation[], int64_t channels);
/* Decodes and draws the picture into out, [h][w][c], normalised. */
cvy_err cvy_picture_normalise(float *out, cvy_picture *picture, cvy_canvas *canvas,
                              const cvy_normaliser *normaliser) CVY_MUST_CHECK;

#endif
