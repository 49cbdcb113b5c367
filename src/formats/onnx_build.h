/* What the files share that make a network of an ONNX graph: the values of the graph, and the layers so far.
 *
 * A value is what the graph calls by a name. It is the image, a map that a layer of Convoy makes, or a
 * constant: weights, or a few integers such as a shape. An operator that only says how to look at a map
 * (Flatten, Reshape, Transpose) makes no layer, but another value of the same layer. */
#ifndef CVY_FORMATS_ONNX_BUILD_H
#define CVY_FORMATS_ONNX_BUILD_H

#include "base/yaml.h"
#include "formats/layer_names.h"
#include "formats/onnx.h"

enum {
  CVY_ONNX_BATCH = INT32_MIN,  /* stands for the number of images in a shape */
  CVY_ONNX_MOST_SIDE = 1 << 17 /* pixels of an image's or a map's height or width */
};

typedef enum cvy_onnx_kind {
  CVY_ONNX_NOTHING, /* no node has made it yet */
  CVY_ONNX_IMAGE,
  CVY_ONNX_MAP,
  CVY_ONNX_WEIGHTS,
  CVY_ONNX_NUMBERS
} cvy_onnx_kind;

/* What an image has gone through so far: sample * factor + offset, by channel. */
typedef struct cvy_onnx_affine {
  double factor[CVY_MAX_CHANNELS], offset[CVY_MAX_CHANNELS];
} cvy_onnx_affine;

typedef struct cvy_onnx_value {
  const char *name;
  int64_t readers; /* inputs of nodes that the outputs depend on */
  bool is_output;  /* of the graph */
  cvy_onnx_kind kind;
  /* IMAGE, MAP */
  const char *layer; /* whose output it is */
  int64_t c, h, w;
  bool is_flat;       /* [N][...] */
  bool channels_last; /* it is [N][H][W][C], or was before it was flattened */
  bool not_negative;
  int64_t zeros[4]; /* rows and columns of zeros around it: top, left, bottom, right */
  const cvy_onnx_node *padded_by,
      *pressed_by; /* a Pad, a Softmax or Sigmoid whose layer is still to be made */
  cvy_yaml *bias;  /* option of the layer, which an Add may switch on; NULL: it has a bias, or cannot */
  cvy_onnx_affine *affine; /* IMAGE: NULL, or what it went through */
  /* WEIGHTS: a view of a tensor. */
  const cvy_onnx_tensor *tensor;
  int dim_count;
  int64_t dims[CVY_TENSOR_DIMS], strides[CVY_TENSOR_DIMS], count;
  /* NUMBERS */
  int64_t number_count;
  const int64_t *numbers;
} cvy_onnx_value;

typedef struct cvy_onnx_builder {
  const cvy_onnx_model *model;
  cvy_weights_file *file;
  cvy_pool *pool;
  cvy_onnx_value *values; /* sorted by name */
  int64_t value_count;
  bool *is_live; /* [nodes]: the outputs depend on it */
  bool *is_read; /* [initializers]: some node that is live reads it */
  cvy_yaml *layers;
  cvy_layer_names names;
  cvy_onnx_value image;
  bool image_is_read;
  cvy_onnx_affine image_affine; /* of the image as layers read it */
  int order;                    /* of flattened maps that are read: 0 not known, 1 [c][h][w], 2 [h][w][c] */
  float *made;                  /* numbers that are in no place of the file */
  int64_t made_count, made_room;
} cvy_onnx_builder;

/* ---- values (onnx_values.c) ---- */

/* Lists all values, and finds out which nodes the outputs depend on. */
cvy_err cvy_onnx_list_values(cvy_onnx_builder *b) CVY_MUST_CHECK;
/* Returns the value of this name; NULL if there is none. */
cvy_onnx_value *cvy_onnx_value_of(const cvy_onnx_builder *b, const char *name);
/* Returns the value that a node reads, or makes; NULL if it is left out. */
cvy_onnx_value *cvy_onnx_in(const cvy_onnx_builder *b, const cvy_onnx_node *node, int64_t index);
cvy_onnx_value *cvy_onnx_out(const cvy_onnx_builder *b, const cvy_onnx_node *node);
/* Makes the value `to` what `from` is, but for its name and readers. */
void cvy_onnx_alias(cvy_onnx_value *to, const cvy_onnx_value *from);
/* Makes the error "FILE: Conv 'conv1', which makes 'x': ...". */
cvy_err cvy_onnx_wrong(const cvy_onnx_builder *b, const cvy_onnx_node *node, const char *format, ...)
    CVY_PRINTF(3, 4) CVY_MUST_CHECK;

const cvy_onnx_attribute *cvy_onnx_attribute_of(const cvy_onnx_node *node, const char *name);
int64_t cvy_onnx_integer(const cvy_onnx_node *node, const char *name, int64_t fallback);
double cvy_onnx_real(const cvy_onnx_node *node, const char *name, double fallback);
/* Reads up to `most` integers from a constant input of the node or, if it has none, from an attribute (either
 * may be absent: index -1, name NULL). *count is -1 if neither is there. */
cvy_err cvy_onnx_integers(int64_t *out, int64_t *count, int64_t most, const cvy_onnx_builder *b,
                          const cvy_onnx_node *node, int64_t index, const char *name) CVY_MUST_CHECK;
/* Reads a single number from a constant input. *found is false if it is left out. */
cvy_err cvy_onnx_scalar(double *out, bool *found, const cvy_onnx_builder *b, const cvy_onnx_node *node,
                        int64_t index) CVY_MUST_CHECK;
/* Returns number `index`, in rows, of weights. */
double cvy_onnx_weight(const cvy_onnx_value *weights, int64_t index);

/* Makes a value of a tensor. */
void cvy_onnx_set_tensor(cvy_onnx_value *value, const cvy_onnx_tensor *tensor);
/* Runs an operator on constants: Constant, Reshape, Transpose, Unsqueeze, Squeeze, Cast, Shape, Gather and
 * Concat. *done is false if it is none of these, or reads a map. */
cvy_err cvy_onnx_fold(bool *done, cvy_onnx_builder *b, const cvy_onnx_node *node) CVY_MUST_CHECK;

/* Adds weights to the file's tensors, as a tensor of a layer: "conv1/weights". */
cvy_err cvy_onnx_add_weights(cvy_onnx_builder *b, const cvy_onnx_value *weights, const char *layer,
                             const char *tensor, bool outputs_last, double factor) CVY_MUST_CHECK;
/* Adds numbers that the file does not have as they are; `count` of them can be set in the result. */
cvy_err cvy_onnx_add_made(float **out, cvy_onnx_builder *b, const char *name, const char *layer,
                          const char *tensor, int64_t count) CVY_MUST_CHECK;
/* Adds the initializers that no layer has, and puts numbers that were made behind the file's own. */
cvy_err cvy_onnx_end_tensors(cvy_onnx_builder *b) CVY_MUST_CHECK;

/* ---- layers (onnx_layers.c) ---- */

/* Takes what a node reads as a map, or the image. It is an error if it is a constant, or if zeros are around
 * it and the node is not ready for that. */
cvy_err cvy_onnx_map(cvy_onnx_value **out, cvy_onnx_builder *b, const cvy_onnx_node *node,
                     int64_t index) CVY_MUST_CHECK;
cvy_err cvy_onnx_padded_map(cvy_onnx_value **out, cvy_onnx_builder *b, const cvy_onnx_node *node,
                            int64_t index) CVY_MUST_CHECK;
/* Does the same, and makes a row of numbers of a map that was flattened: a layer knows no map for one. */
cvy_err cvy_onnx_row(cvy_onnx_value **out, cvy_onnx_builder *b, const cvy_onnx_node *node,
                     int64_t index) CVY_MUST_CHECK;
cvy_err cvy_onnx_make_row(cvy_onnx_builder *b, const cvy_onnx_node *node, cvy_onnx_value *x) CVY_MUST_CHECK;
/* Notes in which order a layer reads the numbers of a flattened map. */
cvy_err cvy_onnx_note_order(cvy_onnx_builder *b, const cvy_onnx_node *node,
                            const cvy_onnx_value *x) CVY_MUST_CHECK;

/* Adds a layer that is called as the node and reads `x`, and makes the node's value its output, so far of the
 * same shape. Its options are for the caller to fill. */
cvy_err cvy_onnx_layer(cvy_yaml **options, cvy_onnx_value **y, cvy_onnx_builder *b, const cvy_onnx_node *node,
                       const char *type, const cvy_onnx_value *x) CVY_MUST_CHECK;
/* Adds a layer of another name, whose output is the caller's matter. */
cvy_err cvy_onnx_add_layer(cvy_yaml **options, cvy_onnx_builder *b, const cvy_onnx_node *node,
                           const char *type, const char *name, const cvy_onnx_value *x) CVY_MUST_CHECK;
/* Adds a further input to a layer. */
cvy_err cvy_onnx_add_input(cvy_onnx_builder *b, const cvy_onnx_node *node, cvy_yaml *options,
                           const cvy_onnx_value *x) CVY_MUST_CHECK;
void cvy_onnx_set(cvy_onnx_builder *b, cvy_yaml *options, const char *key, const char *format, ...)
    CVY_PRINTF(4, 5);
/* Sets an option to a number that ONNX keeps as a float: the shortest that is that float. */
void cvy_onnx_set_real(cvy_onnx_builder *b, cvy_yaml *options, const char *key, double value);
/* Makes a name that Convoy allows: '/' and '.' stand between parts, once each. */
char *cvy_onnx_clean_name(cvy_pool *pool, const char *name);

/* ---- windows (onnx_windows.c) ---- */

cvy_err cvy_onnx_conv(cvy_onnx_builder *b, const cvy_onnx_node *node) CVY_MUST_CHECK;
cvy_err cvy_onnx_pool(cvy_onnx_builder *b, const cvy_onnx_node *node) CVY_MUST_CHECK;
cvy_err cvy_onnx_pad(cvy_onnx_builder *b, const cvy_onnx_node *node) CVY_MUST_CHECK;

#endif
