/* What max_pool and average_pool share. */
#ifndef CVY_LAYER_POOLING_H
#define CVY_LAYER_POOLING_H

#include "layer/shapes.h"

typedef struct cvy_pooling {
  cvy_sliding sliding; /* kernel may be the word global, stride the word kernel */
  int rounding;        /* index into cvy_rounding_words */
  bool count_padding;
  cvy_sliding resolved; /* plan makes it */
  cvy_window window;
} cvy_pooling;

extern const char *const cvy_global_words[], *const cvy_kernel_words[], *const cvy_rounding_words[];

/* Lines for both option tables. */
#define CVY_POOLING_OPTIONS                                                                                  \
  {.name = "kernel",                                                                                         \
   .type = CVY_PAIR,                                                                                         \
   .offset = offsetof(cvy_pooling, sliding.kernel),                                                          \
   .min = 1,                                                                                                 \
   .max = 65535,                                                                                             \
   .words = cvy_global_words,                                                                                \
   .help = "size of the window in pixels; global: the whole image"},                                         \
      {.name = "stride",                                                                                     \
       .type = CVY_PAIR,                                                                                     \
       .offset = offsetof(cvy_pooling, sliding.stride),                                                      \
       .fallback = "kernel",                                                                                 \
       .min = 1,                                                                                             \
       .max = 65535,                                                                                         \
       .words = cvy_kernel_words,                                                                            \
       .help = "pixels from one window to the next; kernel: as the window is large"},                        \
      {.name = "padding",                                                                                    \
       .type = CVY_PAIR,                                                                                     \
       .offset = offsetof(cvy_pooling, sliding.padding),                                                     \
       .fallback = "0",                                                                                      \
       .min = 0,                                                                                             \
       .max = 65535,                                                                                         \
       .words = cvy_padding_words,                                                                           \
       .help = "pixels around the image on each side, less than the kernel; valid: none; same: as many as "  \
               "make the output ceil(input / stride), an odd one at the bottom or right (as in Keras)"},     \
  {                                                                                                          \
    .name = "rounding", .type = CVY_CHOICE, .offset = offsetof(cvy_pooling, rounding), .fallback = "down",   \
    .words = cvy_rounding_words,                                                                             \
    .help = "of the output's size; up: a last window that the image does not fill counts too (Caffe)"        \
  }

cvy_err cvy_pooling_plan(cvy_layer_plan *plan, void *config) CVY_MUST_CHECK;

#endif
