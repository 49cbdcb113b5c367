/* Bends the picture as rubber (Simard et al. 2003, section 2). Displacements are drawn at the corners of a
 * coarse grid, as Ronneberger et al. 2015 do, and are linear between them. In evaluation nothing happens. */
#include "augment/augmentation.h"
#include "base/count.h"

typedef struct config {
  double by;
  int64_t cell;
  cvy_fill fill;
} config;

enum { MOST_CELLS = 256 };

static const cvy_option options[] = {
    {.name = "by",
     .type = CVY_FLOAT,
     .offset = offsetof(config, by),
     .fallback = "2",
     .min = 0,
     .max = 100,
     .help = "deviation of the displacements, pixels"},
    {.name = "cell",
     .type = CVY_INT,
     .offset = offsetof(config, cell),
     .fallback = "8",
     .min = 1,
     .max = 4096,
     .help = "distance of the grid's corners, pixels: the smaller, the rougher"},
    CVY_FILL_OPTION(config, "nearest"),
    {0},
};

static cvy_err prepare(void *c) {
  return cvy_fill_parse(&((config *)c)->fill);
}

static int64_t cells(int64_t pixels, int64_t cell) {
  const int64_t count = cvy_pieces(pixels, cell);
  return cvy_smaller(count, MOST_CELLS);
}

static cvy_err apply(cvy_picture *picture, const void *c, cvy_augment_call *call) {
  const config *own = c;
  if (!call->training || own->by == 0) return CVY_OK;
  const cvy_edge edge = cvy_fill_edge(&own->fill, call, picture->c);
  cvy_field field = {.h = cells(picture->h, own->cell), .w = cells(picture->w, own->cell)};
  const int64_t count = 2 * (field.h + 1) * (field.w + 1);
  float *displacements;
  CVY_TRY(cvy_picture_field(&displacements, picture, call->canvas, count));
  for (int64_t i = 0; i < count; i++)
    displacements[i] = (float)(own->by * cvy_random_next_gaussian(&call->random));
  field.at = displacements;
  return cvy_picture_bend(picture, call->canvas, 0, &field, &edge);
}

const cvy_augmentation cvy_augmentation_elastic = {
    .kind = {"elastic", "bends the picture as rubber; never in evaluation", options, sizeof(config)},
    .example = "{by: 2.5, cell: 10}",
    .prepare = prepare,
    .size = cvy_augment_same_size,
    .apply = apply,
};
