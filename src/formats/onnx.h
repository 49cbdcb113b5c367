/* What the files of the format ONNX share: a model as its messages say it.
 *
 * ONNX (github.com/onnx/onnx, onnx.proto) is a protocol buffer: a ModelProto has a graph of nodes, whose
 * operators read and make values by name. Initializers are values that are in the file: weights. Maps are
 * [N][C][H][W], filters [K][C][R][S]. */
#ifndef CVY_FORMATS_ONNX_H
#define CVY_FORMATS_ONNX_H

#include "formats/formats.h"

/* Numbers that the format gives to the types of tensors. */
enum {
  CVY_ONNX_FLOAT = 1,
  CVY_ONNX_UINT8,
  CVY_ONNX_INT8,
  CVY_ONNX_UINT16,
  CVY_ONNX_INT16,
  CVY_ONNX_INT32,
  CVY_ONNX_INT64,
  CVY_ONNX_STRING,
  CVY_ONNX_BOOL,
  CVY_ONNX_FLOAT16,
  CVY_ONNX_DOUBLE,
  CVY_ONNX_BFLOAT16 = 16
};

/* Numbers of the fields of each message. */
enum {
  MODEL_IR = 1,
  MODEL_PRODUCER,
  MODEL_PRODUCER_VERSION,
  MODEL_GRAPH = 7,
  MODEL_OPSET,
  MODEL_METADATA = 14
};
enum { OPSET_DOMAIN = 1, OPSET_VERSION };
enum { ENTRY_KEY = 1, ENTRY_VALUE };
enum { GRAPH_NODE = 1, GRAPH_NAME, GRAPH_INITIALIZER = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT, GRAPH_SPARSE = 15 };
enum { VALUE_NAME = 1, VALUE_TYPE };
enum { TYPE_TENSOR = 1, TENSOR_TYPE_ELEMENT = 1, TENSOR_TYPE_SHAPE, SHAPE_DIM = 1, DIM_VALUE = 1, DIM_PARAM };
enum { NODE_INPUT = 1, NODE_OUTPUT, NODE_NAME, NODE_OPERATOR, NODE_ATTRIBUTE, NODE_DOMAIN = 7 };
enum {
  ATTRIBUTE_NAME = 1,
  ATTRIBUTE_FLOAT,
  ATTRIBUTE_INT,
  ATTRIBUTE_TEXT,
  ATTRIBUTE_TENSOR,
  ATTRIBUTE_FLOATS = 7,
  ATTRIBUTE_INTS,
  ATTRIBUTE_TYPE = 20
};
enum {
  TENSOR_DIMS = 1,
  TENSOR_TYPE,
  TENSOR_FLOATS = 4,
  TENSOR_INT32S,
  TENSOR_INT64S = 7,
  TENSOR_NAME,
  TENSOR_RAW,
  TENSOR_DOUBLES,
  TENSOR_PLACE = 14
};

/* A key of the metadata, beside those of formats/notes.h. It names initializers that are no parameters: ones
 * and zeros that an operator wants and the network does without. A list of JSON. */
#define CVY_ONNX_CONSTANTS "convoy.constants"

typedef struct cvy_onnx_tensor {
  const char *name;
  int64_t type;
  int dim_count;
  int64_t dims[CVY_TENSOR_DIMS], count;
  const uint8_t
      *bytes; /* its values in rows, lowest byte first, in the mapped file; NULL: they are integers */
  size_t byte_count;
  const int64_t *integers;
  int64_t integer_count;
} cvy_onnx_tensor;

typedef struct cvy_onnx_attribute {
  const char *name, *text;
  double number;
  int64_t integer, integer_count, number_count;
  const int64_t *integers;
  const float *numbers;
  const cvy_onnx_tensor *tensor;
} cvy_onnx_attribute;

typedef struct cvy_onnx_node {
  const char *name, *type, *domain;
  int64_t input_count, output_count, attribute_count;
  const char **inputs, **outputs; /* "": one that may be left out, and is */
  cvy_onnx_attribute *attributes;
} cvy_onnx_node;

/* An input of the graph. */
typedef struct cvy_onnx_input {
  const char *name;
  int dim_count;
  int64_t dims[CVY_TENSOR_DIMS]; /* -1: open */
} cvy_onnx_input;

typedef struct cvy_onnx_model {
  cvy_weights_file *file;
  const uint8_t *bytes; /* the mapped file */
  size_t byte_count;
  int64_t ir, opset;
  const char *name; /* of the graph */
  int64_t node_count, initializer_count, input_count, output_count, constant_count;
  cvy_onnx_node *nodes;
  cvy_onnx_tensor *initializers;
  cvy_onnx_input *inputs;
  const char **outputs;
  const char **constants; /* names that CVY_ONNX_CONSTANTS lists */
} cvy_onnx_model;

/* Reads the messages of the mapped file, with its metadata. Errors do not name the file. */
cvy_err cvy_onnx_read(cvy_onnx_model *model) CVY_MUST_CHECK;
/* Returns number `index` of a tensor; NaN if it is of a type that is not read singly, such as halves. */
double cvy_onnx_number(const cvy_onnx_tensor *tensor, int64_t index);

/* Makes the network of the graph, and lists the tensors in it. */
cvy_err cvy_onnx_build(const cvy_onnx_model *model) CVY_MUST_CHECK;

/* Writes a model: see cvy_weights_format. */
cvy_err cvy_onnx_write(const char *path, const cvy_weights_out *model) CVY_MUST_CHECK;

#endif
