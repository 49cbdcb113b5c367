/* One value out of a text in JSON. */
#ifndef CVY_ARCHIVE_JSON_FIELD_H
#define CVY_ARCHIVE_JSON_FIELD_H

#include "base/base.h"

/* Finds the value of `key` in the object that the text is, in `pool`: a string's characters in UTF-8, or a
 * number, true or false as it stands there, or of an array of zeros with a single 1 (or false and true) the
 * place of the 1, from 0. `key` may go into objects: "annotation.label". *out = NULL if the key is not there,
 * or its value is null, an object or another array. It is an error, which begins with `path`, if the text is
 * no JSON object; what comes after the value is not looked at. A letter 0 and half a letter are bytes that
 * are no UTF-8. */
cvy_err cvy_json_field(const char **out, cvy_pool *pool, const void *text, size_t count, const char *key,
                       const char *path) CVY_MUST_CHECK;

#endif
