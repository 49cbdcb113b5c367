/* The fields of Caffe's messages by number (caffe.proto of BVLC's master, with Intel's additions): the binary
 * form of a network has numbers where its text has names. A binary message becomes the same tree as a text,
 * and a tree becomes a binary message. */
#ifndef CVY_FORMATS_CAFFE_FIELDS_H
#define CVY_FORMATS_CAFFE_FIELDS_H

#include "archive/protobuf.h"
#include "archive/prototext.h"

typedef struct cvy_caffe_message cvy_caffe_message;

extern const cvy_caffe_message cvy_caffe_net_message, cvy_caffe_layer_message; /* NetParameter, its `layer` */

/* Somebody who wants the fields called `blobs`, which are not put into the tree. */
typedef struct cvy_caffe_blob_taker {
  cvy_err (*take)(void *context, const cvy_protobuf_field *blob, int64_t layer, int64_t index);
  void *context;
} cvy_caffe_blob_taker;

/* Makes a tree of a message. A field whose number is not known is called "field N". `taker` receives blobs
 * with the index of their layer among those of the file, and their own in it. */
cvy_err cvy_caffe_tree(cvy_prototext *out, cvy_pool *pool, cvy_protobuf *message,
                       const cvy_caffe_message *kind, const cvy_caffe_blob_taker *taker) CVY_MUST_CHECK;

/* Writes the fields of a message in their binary form. All of them must be known. */
void cvy_caffe_encode(FILE *out, const cvy_prototext *tree, const cvy_caffe_message *kind);
/* These write the parts of the binary form. */
void cvy_caffe_put_key(FILE *out, uint32_t number, cvy_wire wire);
void cvy_caffe_put_varint(FILE *out, uint64_t value);
void cvy_caffe_put_bytes(FILE *out, uint32_t number, const void *bytes, size_t count);

#endif
