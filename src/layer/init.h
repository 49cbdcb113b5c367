/* The options by which a layer's user chooses its weights' first values. */
#ifndef CVY_LAYER_INIT_H
#define CVY_LAYER_INIT_H

#include "base/options.h"
#include "layer/layer.h"

typedef struct cvy_init_options {
  int method; /* cvy_init_method */
  double deviation, value;
} cvy_init_options;

extern const char *const cvy_init_words[]; /* in the order of cvy_init_method */

/* Lines for the option table of a config struct with a cvy_init_options `field`. */
#define CVY_INIT_OPTIONS(config, field)                                                                      \
  {.name = "init",                                                                                           \
   .type = CVY_CHOICE,                                                                                       \
   .offset = offsetof(config, field.method),                                                                 \
   .fallback = "he",                                                                                         \
   .words = cvy_init_words,                                                                                  \
   .help = "first values of the weights"},                                                                   \
      {.name = "init_std",                                                                                   \
       .type = CVY_FLOAT,                                                                                    \
       .offset = offsetof(config, field.deviation),                                                          \
       .fallback = "0.01",                                                                                   \
       .min = 0,                                                                                             \
       .max = CVY_NO_LIMIT,                                                                                  \
       .help = "standard deviation for init: gaussian"},                                                     \
  {                                                                                                          \
    .name = "init_value", .type = CVY_FLOAT, .offset = offsetof(config, field.value), .fallback = "0",       \
    .min = -CVY_NO_LIMIT, .max = CVY_NO_LIMIT, .help = "the value for init: constant"                        \
  }

cvy_init cvy_init_chosen(const cvy_init_options *options, int64_t fan_in, int64_t fan_out);
/* Returns the first values of the biases beside such weights: all are `value`, or lie around it where the
 * weights' way has values for biases too. */
cvy_init cvy_init_of_bias(const cvy_init_options *weights, double value, int64_t fan_in);

#endif
