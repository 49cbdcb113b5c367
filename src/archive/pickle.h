/* What Python's pickles hold, read without running anything.
 *
 * A pickle is a program for a stack machine that builds values (Python's Lib/pickletools.py lists its
 * instructions). Here values are all that it builds: a class or function that it names stays a name, and what
 * it would have called stays a note of the call, with its arguments. Protocols 0 to 5 are read. */
#ifndef CVY_ARCHIVE_PICKLE_H
#define CVY_ARCHIVE_PICKLE_H

#include "base/base.h"

typedef enum cvy_pickle_type {
  CVY_PICKLE_NONE,
  CVY_PICKLE_BOOL,   /* whole: 0 or 1 */
  CVY_PICKLE_INT,    /* whole; of one beyond 64 bits only the type is kept, and whole is 0 */
  CVY_PICKLE_FLOAT,  /* number */
  CVY_PICKLE_BYTES,  /* bytes: Python 2's str, Python 3's bytes (also written for Python 2) and bytearray */
  CVY_PICKLE_TEXT,   /* bytes: in UTF-8 */
  CVY_PICKLE_LIST,   /* items: also a set */
  CVY_PICKLE_TUPLE,  /* items */
  CVY_PICKLE_DICT,   /* items: key, value, key, value ... */
  CVY_PICKLE_NAME,   /* bytes: "module name" of a class or function */
  CVY_PICKLE_CALL,   /* called, arguments; then state, and items if it is like a list or a dict */
  CVY_PICKLE_OUTSIDE /* arguments: the identifier of something that is kept outside the pickle */
} cvy_pickle_type;

typedef struct cvy_pickle cvy_pickle;
struct cvy_pickle {
  cvy_pickle_type type;
  int64_t whole;
  double number;
  const uint8_t *bytes; /* in the input where it stands there as it is, else in the pool */
  size_t byte_count;
  cvy_pickle **items;
  int64_t count, capacity;
  cvy_pickle *called, *arguments, *state; /* state: NULL if there is none */
};

/* Reads the pickle that begins at `data`; *used receives its length, for other pickles may follow. Values are
 * in `pool` and refer to `data`. Values may refer to each other in circles. Errors are CVY_E_INPUT and have
 * the form "path: byte N: ...". */
cvy_err cvy_pickle_read(cvy_pickle **out, size_t *used, cvy_pool *pool, const void *data, size_t count,
                        const char *path) CVY_MUST_CHECK;

/* Returns what a dict, or a call that is like one, has under a key of bytes or text; NULL if that is
 * nothing. */
const cvy_pickle *cvy_pickle_get(const cvy_pickle *dict, const char *key);
/* Tells whether bytes, a text or a name are equal to `text`. */
bool cvy_pickle_is(const cvy_pickle *value, const char *text);

/* This is an array of NumPy. */
typedef struct cvy_pickle_array {
  char kind;         /* 'u', 'i', 'f', 'b' of its type */
  int64_t item_size; /* bytes of an element */
  bool big_endian, fortran;
  int64_t rank, dims[8];
  const uint8_t *data; /* all its elements */
  size_t byte_count;
} cvy_pickle_array;

/* Reads an array as any version of NumPy pickles it; its data lies where the pickle's bytes do. A single
 * number of NumPy is an array of rank 0. It is an error, which begins with `path`, if `value` is no such
 * array or if the bytes do not fit the shape. */
cvy_err cvy_pickle_to_array(cvy_pickle_array *out, const cvy_pickle *value, const char *path) CVY_MUST_CHECK;
/* Returns an element of an array of kind 'u', 'i' or 'b', whose elements lie in a row; those of 'u' beyond 63
 * bits come out negative. */
int64_t cvy_pickle_integer_at(const cvy_pickle_array *array, int64_t index);

#endif
