/* What an augmentation is, and what it may rely on.
 *
 * An augmentation is one file, src/data/augment_<name>.c, and one line in src/data/augmentations.def. The
 * file holds its configuration, its option table and one exported constant `cvy_augmentation_<name>`. It
 * changes a cvy_picture: either by moving its window (place, mirror), which costs nothing, or by drawing it
 * on the canvas (cvy_picture_draw, floats) and computing there. Everything random comes from call->random,
 * which is keyed by (seed, place in the chain, epoch, index of the image), so a picture does not depend on
 * who makes it. In evaluation the outcome must not be random at all. Those that compute samples, and nothing else,
 * find what they share in data/pixels.h. */
#ifndef CVY_DATA_AUGMENT_H
#define CVY_DATA_AUGMENT_H

#include "base/options.h"
#include "data/picture.h"

typedef struct cvy_augment_call {
  bool training;
  cvy_random random;
  const float *mean; /* of each channel, in units of the samples */
  cvy_canvas *canvas;
} cvy_augment_call;

typedef struct cvy_augmentation {
  cvy_kind kind;
  /* Reads the chains inside (cvy_augment_read), whose nodes are gone later; NULL: there are none. Errors point at the
   * recipe, at `at` if nothing else. */
  cvy_err (*read)(void *config, cvy_pool *pool, const cvy_yaml *at) CVY_MUST_CHECK;
  /* Works out what the options imply, once; NULL: nothing. Errors as those of size. */
  cvy_err (*prepare)(void *config) CVY_MUST_CHECK;
  /* Whether pictures of `c` channels will do; NULL: of any. Errors as those of size. */
  cvy_err (*channels)(const void *config, int64_t c) CVY_MUST_CHECK;
  /* The size that leaves for a size that enters; 0 x 0 stands for "varies", in and out. An error says what is
   * wrong; file, line or record are put in front. */
  cvy_err (*size)(int64_t *out_h, int64_t *out_w, const void *config, int64_t h, int64_t w) CVY_MUST_CHECK;
  /* `size` has been asked for this picture and had no objection. */
  cvy_err (*apply)(cvy_picture *picture, const void *config, cvy_augment_call *call) CVY_MUST_CHECK;
} cvy_augmentation;

/* The registry of src/data/augmentations.def. */
int64_t cvy_augmentation_count(void);
const cvy_augmentation *cvy_augmentation_at(int64_t index);

/* The colour of what comes into sight, option `fill`: "mean" (of each channel, hence an input of 0), or a
 * number in units of the samples. */
typedef struct cvy_fill {
  bool is_mean;
  float value;
} cvy_fill;
cvy_err cvy_fill_parse(cvy_fill *out, const char *text) CVY_MUST_CHECK;
void cvy_fill_colour(float colour[CVY_MAX_CHANNELS], const cvy_fill *fill, const float mean[],
                     int64_t channels);

/* The size that leaves the chain for pictures of h x w (0 x 0: varies). Errors point at the recipe. */
cvy_err cvy_augment_size(int64_t *out_h, int64_t *out_w, const cvy_augment *augment, int64_t h,
                         int64_t w) CVY_MUST_CHECK;
/* Runs the chain (NULL: none); call->random.layer is set for each augmentation. */
cvy_err cvy_augment_apply(cvy_picture *picture, const cvy_augment *augment,
                          cvy_augment_call *call) CVY_MUST_CHECK;

/* A chain inside an augmentation, in `pool`: a list, or one augmentation. */
cvy_err cvy_augment_read(cvy_augment **out, cvy_pool *pool, const cvy_yaml *node) CVY_MUST_CHECK;
/* The list with every option written out. */
cvy_yaml *cvy_augment_dump(const cvy_augment *augment, cvy_pool *pool);
/* Runs it from within the apply of the augmentation that it stands in, with random numbers of its own. */
cvy_err cvy_augment_apply_inside(cvy_picture *picture, const cvy_augment *augment,
                                 const cvy_augment_call *call) CVY_MUST_CHECK;

#endif
