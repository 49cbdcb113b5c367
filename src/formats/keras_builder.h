/* What the sources of `keras_network` share: a network of Convoy's while it is built, and a use of a Keras
 * layer. keras_network.c follows the graph, keras_layers.c has a rule for each class of layers. */
#ifndef CVY_FORMATS_KERAS_BUILDER_H
#define CVY_FORMATS_KERAS_BUILDER_H

#include "base/yaml.h"
#include "formats/keras_network.h"
#include "formats/layer_names.h"

/* What a use of a layer gives. Padding and flattening are not yet layers of Convoy: what reads the value
 * takes them into itself, if it can. */
typedef struct cvy_keras_value {
  const char *layer; /* Convoy's layer, or "input" */
  int64_t h, w, c;
  bool row;            /* Keras has it as one row of numbers for each image; h, w, c are those before */
  const char *flatten; /* the Keras layer that made a row of a map; NULL: none did */
  const char *padding; /* the Keras layer that has put zeros around it; NULL: none has */
  int64_t around[4];   /* zeros above, below, left, right */
  bool not_negative;   /* no number of it can be less than 0 */
  bool image;          /* it is the image itself, or what preprocessing has made of it */
  int stage;           /* an image: how many layers of preprocessing it has gone through */
} cvy_keras_value;

typedef struct cvy_keras_builder {
  cvy_weights_file *file;
  cvy_keras_model *model;
  cvy_yaml *layers;
  cvy_layer_names names; /* of Convoy's layers so far */
  int64_t use_count;
  const char *last, *last_type;            /* the newest of Convoy's layers */
  int stages, lowest_stage, highest_stage; /* of preprocessing: done, and those that layers read */
  int64_t input[3];                        /* height, width, channels of the image */
  int depth;
  bool has_image; /* a layer reads the image */
} cvy_keras_builder;

/* Where a layer stands: in the model, or in one that is a layer of it. */
typedef struct cvy_keras_scope {
  const char *group; /* NULL: in the model itself */
  const char *container;
} cvy_keras_scope;

typedef struct cvy_keras_use {
  cvy_keras_builder *b;
  const cvy_keras_scope *scope;
  const char *name, *class;
  const json_t *config;
  int64_t position; /* in its model's list of layers */
  const cvy_keras_value *in;
  int64_t in_count;
  bool repeated; /* the layer was used before */
} cvy_keras_use;

/* "FILE: layer 'NAME' (CLASS): MESSAGE" */
cvy_err cvy_keras_wrong(const cvy_keras_use *use, const char *format, ...) CVY_PRINTF(2, 3) CVY_MUST_CHECK;

/* Follows the use of a layer that is no model. */
cvy_err cvy_keras_use_layer(cvy_keras_value *out, const cvy_keras_use *use) CVY_MUST_CHECK;
/* Makes the last layer of the network a loss. */
cvy_err cvy_keras_end(cvy_keras_builder *b, const cvy_keras_value *out) CVY_MUST_CHECK;

/* Returns "batch_normalization" for "BatchNormalization", as Keras' files of weights have it. */
const char *cvy_keras_snake(cvy_pool *pool, const char *class);

#endif
