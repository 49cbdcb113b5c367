/* What an augmentation is, and what it may rely on.
 *
 * An augmentation is one file, src/augment/NAME.c, and one line in src/augment/augmentations.def. The file
 * begins with what it is for. It holds the configuration, the option table and one exported constant,
 * cvy_augmentation_NAME. The function `apply` changes a cvy_picture: either it adds a map (cvy_picture_map
 * and its like), which costs nothing yet, or it draws the picture on the canvas (cvy_picture_draw) and
 * computes on floats there. Everything random comes from call->random, which is keyed by (seed, place in
 * the chain, epoch, index of the image), so that a picture does not depend on who makes it. In evaluation
 * the outcome must not be random at all: `apply` is called there too, and returns CVY_OK at once where
 * call->training is false and all it does is to disturb (cvy_happens asks that, and draws). What
 * augmentations share that compute samples is in augment/pixels.h.
 *
 * Some augmentations mix two pictures that are finished (`mix`) in place of changing one; they stand last.
 * Some make several views of a picture in evaluation (`views`), and are run once for each.
 *
 * src/augment/mirror.c, which adds a map, and grey.c, which computes samples, are short examples. The help
 * and launch/recipes/augmentation.md are made of the option table (tests/e2e/pages.sh writes the page, and
 * draws the sheet). tests/unit/test_augment.c fails for an augmentation that it does not list. */
#ifndef CVY_AUGMENT_AUGMENTATION_H
#define CVY_AUGMENT_AUGMENTATION_H

#include "base/options.h"
#include "picture/picture.h"

/* What augmentations may know about the set that pictures are from. */
typedef struct cvy_augment_source {
  const char *name; /* name for errors */
  /* The covariance of a pixel's channels over the training split: its eigenvalues, the largest first, in
   * squared units of the samples, and its eigenvectors [which][channel] of length 1. */
  bool has_colour; /* the two are known */
  float colour_values[CVY_MAX_CHANNELS];
  float colour_vectors[CVY_MAX_CHANNELS][CVY_MAX_CHANNELS];
} cvy_augment_source;

typedef struct cvy_augment_call {
  bool training;
  cvy_random random;
  const float *mean;                /* mean of each channel, in units of the samples */
  const cvy_augment_source *source; /* NULL where nobody asks */
  int64_t view;                     /* which of its views an augmentation is to make */
  cvy_canvas *canvas;
} cvy_augment_call;

/* Two finished pictures, normalised, [h][w][c] each. Each becomes a mixture with the other, in the same
 * proportions. */
typedef struct cvy_pair {
  float *a, *b;
  int64_t h, w, c;
  float share; /* how much of itself is in each, 1 at first; the rest is of the other */
} cvy_pair;

typedef struct cvy_augmentation {
  cvy_kind kind;
  /* Options, as a recipe would give them, that make its effect plain to see in a picture of 80 x 60 (width
   * x height) of `convoy preview --augmentations`; NULL: the defaults do. */
  const char *example;
  /* Reads the chains inside (cvy_augment_read), whose nodes are gone later; NULL: there are none. Errors
   * point at the recipe, at `at` if nothing else. */
  cvy_err (*read)(void *config, cvy_pool *pool, const cvy_yaml *at) CVY_MUST_CHECK;
  /* Works out what the options imply, once; NULL: they imply nothing. Errors are as those of size. */
  cvy_err (*prepare)(void *config) CVY_MUST_CHECK;
  /* Checks that pictures of `c` channels will do; NULL: any will. Errors are as those of size. */
  cvy_err (*channels)(const void *config, int64_t c) CVY_MUST_CHECK;
  /* Checks that what it needs to know about the training set is there; NULL: it needs nothing. Errors are as
   * those of size. */
  cvy_err (*source)(const void *config, const cvy_augment_source *source) CVY_MUST_CHECK;
  /* How many views it makes of a picture in evaluation; 0: one, and it can be used in training too. */
  int64_t views;
  /* Finds the size that leaves for a size that enters; 0 x 0 stands for "varies", in and out. An error says
   * what is wrong; file, line or record are put in front. */
  cvy_err (*size)(int64_t *out_h, int64_t *out_w, const void *config, int64_t h, int64_t w) CVY_MUST_CHECK;
  /* In evaluation, too, it cuts out a part of the picture, or scales it, to bring it to a network's size. */
  bool cuts, scales;
  /* Finds the smallest size that may leave, for augmentations that draw it anew each time. `size` has been
   * asked for h x w before, and had no objection. NULL: the size that leaves is always the one that `size`
   * finds. */
  cvy_err (*least)(int64_t *out_h, int64_t *out_w, const void *config, int64_t h, int64_t w,
                   bool training) CVY_MUST_CHECK;
  /* Changes the picture. `size` has been asked for it before, and had no objection. */
  cvy_err (*apply)(cvy_picture *picture, const void *config, cvy_augment_call *call) CVY_MUST_CHECK;
  /* Mixes a pair, in place of apply, and in training only. call->random is keyed by the pair's place in
   * the stream. */
  void (*mix)(cvy_pair *pair, const void *config, cvy_augment_call *call);
  /* Tells whether the chains inside mix, so that `mix` is called and not `apply`. NULL: there are no chains
   * inside, and it mixes if it has `mix`. */
  bool (*mixes)(const void *config);
} cvy_augmentation;

/* These return the augmentations of src/augment/augmentations.def. */
int64_t cvy_augmentation_count(void);
const cvy_augmentation *cvy_augmentation_at(int64_t index);

/* What is seen where there is no picture. The option `fill` is a number in units of the samples, "mean"
 * (of each channel, hence an input of 0), "nearest" or "reflect". */
typedef struct cvy_fill {
  const char *text; /* the text that the option gives */
  cvy_edge_mode mode;
  bool is_mean;
  float value;
} cvy_fill;
#define CVY_FILL_OPTION(config_type, default_text)                                                           \
  {                                                                                                          \
    .name = "fill", .type = CVY_STRING, .offset = offsetof(config_type, fill.text),                          \
    .fallback = default_text,                                                                                \
    .help =                                                                                                  \
        "what is seen where there is no picture: a number in units of the samples, mean (of each channel), " \
        "nearest (the border's pixels) or reflect"                                                           \
  }
/* Reads the option's text, in the augmentation's `prepare`. */
cvy_err cvy_fill_parse(cvy_fill *fill) CVY_MUST_CHECK;
cvy_edge cvy_fill_edge(const cvy_fill *fill, const cvy_augment_call *call, int64_t channels);

/* This is the `size` of augmentations that leave the size as it is. */
cvy_err cvy_augment_same_size(int64_t *out_h, int64_t *out_w, const void *config, int64_t h,
                              int64_t w) CVY_MUST_CHECK;

/* This is for the `size` of augmentations that take a part of part[0] x part[1]. */
cvy_err cvy_augment_part_size(int64_t *out_h, int64_t *out_w, const int64_t part[2], int64_t h,
                              int64_t w) CVY_MUST_CHECK;

/* Puts a size into words: "28x32", or "of varying size" for 0 x 0. */
enum { CVY_SIZE_WORDS = 128 };
void cvy_augment_size_words(char out[CVY_SIZE_WORDS], int64_t h, int64_t w);
/* Says what would make two sizes that pictures may have the same where one of them varies; else nothing. */
void cvy_augment_size_advice(char out[CVY_SIZE_WORDS], int64_t h, int64_t w, int64_t other_h,
                             int64_t other_w);
/* Scales h x w so that the shorter side is as said; 0 x 0 stays. */
void cvy_augment_by_shorter(int64_t *out_h, int64_t *out_w, int64_t h, int64_t w, int64_t shorter);

/* The options of augmentations whose one amount is `by`, and that show what was out of sight. */
typedef struct cvy_warp_config {
  double by;
  cvy_fill fill;
} cvy_warp_config;
#define CVY_WARP_OPTIONS(least, most, usual, what)                                                           \
  {.name = "by",                                                                                             \
   .type = CVY_FLOAT,                                                                                        \
   .offset = offsetof(cvy_warp_config, by),                                                                  \
   .fallback = usual,                                                                                        \
   .min = least,                                                                                             \
   .max = most,                                                                                              \
   .help = what},                                                                                            \
      CVY_FILL_OPTION(cvy_warp_config, "mean"), {                                                            \
    0                                                                                                        \
  }
cvy_err cvy_warp_prepare(void *config) CVY_MUST_CHECK;

/* Turns or slants the picture about its centre, or does the like. Its size stays. `map` leads from new
 * positions to old ones, both in pixels from the centre. */
cvy_err cvy_augment_warp(cvy_picture *picture, cvy_augment_call *call, const cvy_affine_map *map,
                         const cvy_fill *fill) CVY_MUST_CHECK;

#endif
