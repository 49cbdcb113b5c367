/* JSON written straight to a stream: no tree, no allocation. Commas and quoting are taken care of; numbers
 * that JSON has no word for (NaN, infinities) become null. Texts are written as UTF-8; bytes in them that are
 * not are escaped (base/utf8.h). */
#ifndef CVY_BASE_JSON_H
#define CVY_BASE_JSON_H

#include "base/base.h"

typedef struct cvy_json {
  FILE *out;
  bool comma; /* something stands before the next item of the open object or array */
} cvy_json;

/* A `key` of NULL is for the root and for items of arrays. */
void cvy_json_open(cvy_json *json, const char *key, char bracket); /* '{' or '[' */
void cvy_json_close(cvy_json *json, char bracket);                 /* '}' or ']' */
void cvy_json_text(cvy_json *json, const char *key, const char *value);
void cvy_json_int(cvy_json *json, const char *key, int64_t value);
/* Writes a number. With 9 digits or more it is the shortest that reads back as the same double or, with 9 and
 * a value that is a float, as the same float. With fewer it is rounded to so many, as measured times are. */
void cvy_json_number(cvy_json *json, const char *key, double value, int significant_digits);
void cvy_json_null(cvy_json *json, const char *key);

#endif
