/* A Caffe network on its way into one of Convoy, as the files of this folder share it.
 *
 * caffe_fields.c makes the same tree of a binary NetParameter that archive/prototext makes of a text;
 * caffe_old.c brings both into the form of 2014, with a list of `layer`; caffe_graph.c finds who reads whom
 * in it, caffe_layers.c says what each type of layer is here, and caffe_recipe.c what it says of training. */
#ifndef CVY_FORMATS_CAFFE_GRAPH_H
#define CVY_FORMATS_CAFFE_GRAPH_H

#include "archive/prototext.h"
#include "base/yaml.h"
#include "formats/formats.h"

enum { CVY_CAFFE_INPUTS = 16 };

/* What the blobs of a layer are. */
typedef enum cvy_caffe_blobs {
  CVY_CAFFE_NO_BLOBS,
  CVY_CAFFE_FILTERS,    /* [K][C][R][S], and biases */
  CVY_CAFFE_ROWS,       /* [outputs][inputs], and biases */
  CVY_CAFFE_COLUMNS,    /* [inputs][outputs], and biases */
  CVY_CAFFE_STATISTICS, /* means and variances, both times the third, a number */
  CVY_CAFFE_SCALE       /* factors, and biases */
} cvy_caffe_blobs;

/* Where the blobs of a layer of the file belong. */
typedef struct cvy_caffe_place {
  const char *layer; /* Convoy's; NULL: nowhere */
  cvy_caffe_blobs blobs;
} cvy_caffe_place;

/* A layer of the file. */
typedef struct cvy_caffe_layer {
  const cvy_prototext *at;
  const char *name, *type;
  bool trains, tests; /* it is there in this phase */
} cvy_caffe_layer;

enum { CVY_CAFFE_IMAGE = -1, CVY_CAFFE_LABEL = -2, CVY_CAFFE_PASSED_OVER = -3 };

/* A layer of Convoy's. */
typedef struct cvy_caffe_node {
  const cvy_caffe_layer *layer;
  const char *name, *type;
  cvy_yaml *options;
  int64_t input_count, inputs[CVY_CAFFE_INPUTS]; /* nodes, or what stands above */
  cvy_caffe_blobs blobs;
  bool is_loss, is_live; /* live: a loss depends on it */
  bool is_added;         /* the file has no such layer; `layer` is the one before */
  bool is_frozen;        /* it normalises by stored statistics in training too */
  int64_t readers;
  int64_t part_of; /* the node that it has become a part of; -1: none */
} cvy_caffe_node;

typedef struct cvy_caffe_blob {
  const char *name;
  int64_t node; /* that wrote it last */
} cvy_caffe_blob;

typedef struct cvy_caffe {
  cvy_weights_file *file;
  cvy_pool *pool;
  const cvy_prototext *net;
  cvy_caffe_layer *layers;
  int64_t layer_count, node_count, blob_count;
  cvy_caffe_node *nodes;
  cvy_caffe_blob *blobs;
  bool has_image, trains; /* trains: there are losses */
  int64_t input[3];       /* height, width, channels; 0: not known */
  const cvy_caffe_layer *training_data, *test_data;
} cvy_caffe;

/* Makes file->network, file->recipe and file->input from a tree of the form of 2014. `places` receives one
 * for each `layer` of it. Errors name the file, the line if there is one, and the layer. */
cvy_err cvy_caffe_convert(cvy_weights_file *file, const cvy_prototext *net,
                          cvy_caffe_place **places) CVY_MUST_CHECK;
/* Brings a network that is written as before 2014 into the newer form, in the file's pool. */
cvy_err cvy_caffe_renew(const cvy_prototext **out, const cvy_weights_file *file,
                        const cvy_prototext *net) CVY_MUST_CHECK;

/* ---- caffe_layers.c ---- */

/* Makes what a layer is here: its type and options. Those types that are no layer here are not asked for. */
cvy_err cvy_caffe_layer_make(cvy_caffe_node *node, const cvy_caffe *c) CVY_MUST_CHECK;
/* Tells whether a type brings in data, or stands for what is not run in a network that is used. */
bool cvy_caffe_is_data(const char *type);
bool cvy_caffe_is_passed_over(const char *type);
/* Tells whether the layer hands on what it reads. */
bool cvy_caffe_hands_on(const cvy_caffe_layer *layer, int64_t inputs);
/* Returns a name of Caffe's as one of Convoy's. */
const char *cvy_caffe_name(cvy_pool *pool, const char *name);
/* Returns the name of the layer that a node, or the image, is here. */
const char *cvy_caffe_name_of(const cvy_caffe *c, int64_t node);

/* Returns the name of tensor `index` of such a layer, as Convoy has it; NULL if it has no such. */
const char *cvy_caffe_tensor(cvy_caffe_blobs blobs, int64_t index);

/* ---- caffe_recipe.c ---- */

/* Finds the shape of the images and the data layers' part in it. */
cvy_err cvy_caffe_find_input(cvy_caffe *c, const cvy_caffe_layer *layer) CVY_MUST_CHECK;
/* Makes file->input, and file->recipe of a network that is trained. */
cvy_err cvy_caffe_make_recipe(cvy_caffe *c) CVY_MUST_CHECK;

/* ---- caffe_values.c: reading values ---- */

/* Makes the error "FILE:LINE:COLUMN: layer 'NAME': ...". `at` and `layer` may be NULL. */
cvy_err cvy_caffe_wrong(const char *path, const cvy_prototext_field *at, const cvy_caffe_layer *layer,
                        const char *format, ...) CVY_PRINTF(4, 5) CVY_MUST_CHECK;
/* These read the field of a message; without one they leave the value alone. */
cvy_err cvy_caffe_number(double *out, const char *path, const cvy_prototext *message,
                         const char *name) CVY_MUST_CHECK;
cvy_err cvy_caffe_whole(int64_t *out, const char *path, const cvy_prototext *message,
                        const char *name) CVY_MUST_CHECK;
cvy_err cvy_caffe_bool(bool *out, const char *path, const cvy_prototext *message,
                       const char *name) CVY_MUST_CHECK;
/* Reads at most `most` fields of this name, and returns how many there are. */
cvy_err cvy_caffe_numbers(double *out, int64_t *count, int64_t most, const char *path,
                          const cvy_prototext *message, const char *name) CVY_MUST_CHECK;
/* Returns the text of a field; `fallback` if there is none. */
const char *cvy_caffe_text(const cvy_prototext *message, const char *name, const char *fallback);
/* Returns a number as the shortest text that reads back as the same float. */
const char *cvy_caffe_number_text(cvy_pool *pool, double value);
/* Adds "key: text" to a mapping, which was written at `at` (NULL: nowhere). */
void cvy_caffe_set(cvy_pool *pool, const char *path, cvy_yaml *mapping, const cvy_prototext *at,
                   const char *key, const char *format, ...) CVY_PRINTF(6, 7);

#endif
