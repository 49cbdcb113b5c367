/* The text form of protocol buffers, as a tree that remembers where each field stood.
 *
 * There is no schema here: a field has a name and either a text (a number, a word, or what was in quotes,
 * whose escapes are undone) or a message. Fields stand in the order of the text, and one that is repeated
 * stands there several times. Everything lies in the caller's pool. Trees are also made by hand and written.
 *
 * The form: protobuf.dev/reference/protobuf/textformat-spec. Names of extensions, in brackets, are
 * refused. */
#ifndef CVY_ARCHIVE_PROTOTEXT_H
#define CVY_ARCHIVE_PROTOTEXT_H

#include "base/base.h"

typedef struct cvy_prototext_field {
  const char *name;
  int line, column;                    /* counted from 1; 0: it was made */
  const char *text;                    /* NULL: a message */
  bool quoted;                         /* the text stood in quotes */
  const struct cvy_prototext *message; /* NULL: a text */
} cvy_prototext_field;

typedef struct cvy_prototext {
  int line, column; /* of the field that it is; 0: none */
  int64_t count;
  cvy_prototext_field *fields;
} cvy_prototext;

/* Reads `count` bytes. `file` is for the errors, which are "FILE:LINE:COLUMN: ...". */
cvy_err cvy_prototext_parse(cvy_prototext **out, cvy_pool *pool, const char *text, size_t count,
                            const char *file) CVY_MUST_CHECK;

/* Returns the last field of this name; NULL if there is none. A message of NULL has no fields. */
const cvy_prototext_field *cvy_prototext_get(const cvy_prototext *message, const char *name);
/* Returns the message that the last field of this name is; NULL if there is none, or it is a text. */
const cvy_prototext *cvy_prototext_message(const cvy_prototext *message, const char *name);

/* These make a message, add a text (quoted or not) or a message to it, and write a tree. */
cvy_prototext *cvy_prototext_new(cvy_pool *pool);
void cvy_prototext_add(cvy_pool *pool, cvy_prototext *to, const cvy_prototext_field *field);
void cvy_prototext_word(cvy_pool *pool, cvy_prototext *to, const char *name, const char *format, ...)
    CVY_PRINTF(4, 5);
void cvy_prototext_quote(cvy_pool *pool, cvy_prototext *to, const char *name, const char *text);
cvy_prototext *cvy_prototext_within(cvy_pool *pool, cvy_prototext *to, const char *name);
void cvy_prototext_print(FILE *out, const cvy_prototext *message, int depth);

#endif
