/* The network of a Keras model: its JSON configuration, of Keras 1, 2 or 3, as a description of Convoy's. */
#ifndef CVY_FORMATS_KERAS_NETWORK_H
#define CVY_FORMATS_KERAS_NETWORK_H

#include "formats/formats.h"

#include <jansson.h>

enum { CVY_KERAS_MOST_WEIGHTS = 4 };

/* A tensor that a layer has, and which one of Convoy's it is. */
typedef struct cvy_keras_weight {
  const char *kind;   /* "kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance"; "mean", ... */
  const char *target; /* "conv1/weights"; NULL: it says what images go through */
  int dim_count;      /* not 0: Convoy has this shape for the same numbers */
  int64_t dims[4];
} cvy_keras_weight;

/* A layer that has weights, in the order of the model. */
typedef struct cvy_keras_layer {
  const char *name;      /* as Keras has it */
  const char *group;     /* the layer or nested model at the top that it is, or lies in */
  const char *container; /* where files of Keras 3 have the layers beside it: "layers/functional/layers" */
  const char *kind;      /* and what they call it there: "conv2d" */
  int64_t position;      /* in its container */
  bool nested;
  int count;
  cvy_keras_weight weights[CVY_KERAS_MOST_WEIGHTS]; /* in the order of those files */
} cvy_keras_layer;

typedef struct cvy_keras_model {
  int64_t layer_count;
  cvy_keras_layer *layers;
  const cvy_yaml *network;
  /* What images go through, if anything: factor[c] * sample + offset[c]. Where `normalisation` is not
   * negative, that layer's mean and variance come between: they are weights. */
  bool has_input;
  int64_t channels;
  double factor[CVY_MAX_CHANNELS], offset[CVY_MAX_CHANNELS];
  int64_t normalisation;
} cvy_keras_model;

/* Reads the configuration {"class_name": "Sequential", "config": ...} into `out`, with file->pool, and adds
 * notes of what is left out. Errors name the layer and its class. */
cvy_err cvy_keras_read_network(cvy_keras_model *out, cvy_weights_file *file,
                               const json_t *config) CVY_MUST_CHECK;

/* Returns the solver and learning rate of {"optimizer_config" or "optimizer": ...} as keys of a recipe; NULL
 * if Convoy has no rule that is exactly the same. */
const cvy_yaml *cvy_keras_read_training(cvy_weights_file *file, const json_t *training,
                                        const json_t *network);

#endif
