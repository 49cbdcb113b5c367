/* Protocol buffers as they lie in a file: the fields of a message, one after the other.
 *
 * There is no schema here. A caller walks over the fields of a message and takes those whose numbers it
 * knows; it passes over the others, as every reader of this format does:
 *
 *     cvy_protobuf_field field;
 *     while (cvy_protobuf_next(&field, &message))
 *       if (field.number == 5) CVY_TRY(cvy_protobuf_integer(&label, &field));
 *     CVY_TRY(cvy_protobuf_end(&message));
 *
 * Whatever the bytes are, nothing outside them is read. All errors are CVY_E_INPUT. They say at which
 * byte of the outermost message the damage is, or which field is of another type; the caller puts the file in
 * front. Nothing is allocated.
 *
 * The format: developers.google.com/protocol-buffers/docs/encoding. A field is a varint (number << 3 | type),
 * then a varint (type 0), eight bytes (1), a length and so many bytes (2), or four bytes (5). Groups (3 and
 * 4), which nobody writes any more, are passed over. */
#ifndef CVY_ARCHIVE_PROTOBUF_H
#define CVY_ARCHIVE_PROTOBUF_H

#include "base/base.h"

typedef enum cvy_wire { CVY_WIRE_VARINT = 0, CVY_WIRE_64 = 1, CVY_WIRE_BYTES = 2, CVY_WIRE_32 = 5 } cvy_wire;

/* A message that is being read. */
typedef struct cvy_protobuf {
  const uint8_t *first, *at, *end; /* first: where the outermost message begins */
  int depth;                       /* messages around this one */
  cvy_err err;                     /* what ended the walk */
} cvy_protobuf;

typedef struct cvy_protobuf_field {
  uint32_t number;
  cvy_wire wire;
  uint64_t value;       /* of a varint, or of the eight or four bytes */
  const uint8_t *bytes; /* CVY_WIRE_BYTES: a text, bytes, a message, or packed numbers; in the message */
  size_t count;
  const uint8_t *first; /* where the outermost message begins */
  int depth;
} cvy_protobuf_field;

/* Begins an outermost message, which lies in the caller's `count` bytes. */
cvy_protobuf cvy_protobuf_of(const void *bytes, size_t count);
/* Finds the next field; false at the end of the message, or at damage. */
bool cvy_protobuf_next(cvy_protobuf_field *out, cvy_protobuf *message);
/* Passes on the error at which the walk ended; CVY_OK at the end of the message. */
cvy_err cvy_protobuf_end(const cvy_protobuf *message) CVY_MUST_CHECK;

/* These functions take a field for what its schema says, or refuse it. */
/* Takes a whole number that is a varint: any integer, also one below zero, a boolean, an enumeration. */
cvy_err cvy_protobuf_integer(int64_t *out, const cvy_protobuf_field *field) CVY_MUST_CHECK;
/* Begins the message that the field is. */
cvy_err cvy_protobuf_message(cvy_protobuf *out, const cvy_protobuf_field *field) CVY_MUST_CHECK;
/* Checks that the field is a text or bytes, which are in `bytes` and `count`. */
cvy_err cvy_protobuf_bytes(const cvy_protobuf_field *field) CVY_MUST_CHECK;

/* What the numbers of a repeated field are. */
typedef enum cvy_number { CVY_NUMBER_INTEGER, CVY_NUMBER_FLOAT, CVY_NUMBER_DOUBLE } cvy_number;
/* Counts the numbers in one field of a repeated number: there are many if they are packed, else one. */
cvy_err cvy_protobuf_count(int64_t *count, const cvy_protobuf_field *field, cvy_number kind) CVY_MUST_CHECK;
/* These functions write all numbers of a field. cvy_protobuf_count must have counted them before, and so have
 * checked that they are of this kind. */
void cvy_protobuf_integers(int64_t *out, const cvy_protobuf_field *field);
void cvy_protobuf_floats(float *out, const cvy_protobuf_field *field);
void cvy_protobuf_doubles(double *out, const cvy_protobuf_field *field);

#endif
