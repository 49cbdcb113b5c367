/* Bends straight lines as a lens does, to a barrel or a cushion: the first radial term of Brown 1966,
 * "Decentering distortion of lenses". In evaluation nothing happens. */
#include "augment/augmentation.h"

static const cvy_option options[] = {CVY_WARP_OPTIONS(
    0, 1, "0.1",
    "strongest bend: a point half-way to a corner moves by this share of its distance from the centre")};

static cvy_err apply(cvy_picture *picture, const void *c, cvy_augment_call *call) {
  const cvy_warp_config *own = c;
  if (!call->training || own->by == 0) return CVY_OK;
  const cvy_edge edge = cvy_fill_edge(&own->fill, call, picture->c);
  const double lens = cvy_random_next_uniform(&call->random, -own->by, own->by);
  return cvy_picture_bend(picture, call->canvas, lens, NULL, &edge);
}

const cvy_augmentation cvy_augmentation_lens = {
    .kind = {"lens", "bends the picture as a lens does; never in evaluation", options,
             sizeof(cvy_warp_config)},
    .example = "{by: 0.4}",
    .prepare = cvy_warp_prepare,
    .size = cvy_augment_same_size,
    .apply = apply,
};
