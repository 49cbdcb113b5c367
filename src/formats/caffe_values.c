/* Reads values in a tree of Caffe's, and says what is wrong with them. */
#include "formats/caffe_graph.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

cvy_err cvy_caffe_wrong(const char *path, const cvy_prototext_field *at, const cvy_caffe_layer *layer,
                        const char *format, ...) {
  char what[1000], place[40] = "", name[300] = "";
  const int line = at && at->line ? at->line
                   : layer        ? layer->at->line
                                  : 0,
            column = at && at->line ? at->column
                     : layer        ? layer->at->column
                                    : 0;
  va_list values;
  va_start(values, format);
  vsnprintf(what, sizeof what, format, values);
  va_end(values);
  if (line > 0) snprintf(place, sizeof place, ":%d:%d", line, column);
  if (layer) snprintf(name, sizeof name, "layer '%.280s': ", layer->name);
  return cvy_error(CVY_E_INPUT, "%s%s: %s%s", path, place, name, what);
}

static cvy_err is_no(const char *path, const cvy_prototext_field *field, const char *expected) {
  return cvy_caffe_wrong(path, field, NULL, "%s is %s%.80s%s; expected %s", field->name,
                         field->text ? "'" : "a message", field->text ? field->text : "",
                         field->text ? "'" : "", expected);
}

static cvy_err number_of(double *out, const char *path, const cvy_prototext_field *field) {
  char *end = NULL;
  const double value = field->text && !field->quoted ? strtod(field->text, &end) : 0;
  const bool is_number = end && end > field->text && (!*end || (*end == 'f' && !end[1]));
  if (!is_number || !isfinite(value)) return is_no(path, field, "a number");
  *out = value;
  return CVY_OK;
}

cvy_err cvy_caffe_number(double *out, const char *path, const cvy_prototext *message, const char *name) {
  const cvy_prototext_field *field = cvy_prototext_get(message, name);
  return field ? number_of(out, path, field) : CVY_OK;
}

cvy_err cvy_caffe_whole(int64_t *out, const char *path, const cvy_prototext *message, const char *name) {
  const cvy_prototext_field *field = cvy_prototext_get(message, name);
  double value = 0;
  if (!field) return CVY_OK;
  CVY_TRY(number_of(&value, path, field));
  if (value != floor(value) || fabs(value) > 1e15) return is_no(path, field, "a whole number");
  *out = (int64_t)value;
  return CVY_OK;
}

cvy_err cvy_caffe_bool(bool *out, const char *path, const cvy_prototext *message, const char *name) {
  static const char *const words[] = {"false", "true", "0", "1", "f", "t", "False", "True"};
  const cvy_prototext_field *field = cvy_prototext_get(message, name);
  if (!field) return CVY_OK;
  for (int64_t i = 0; field->text && i < CVY_COUNT(words); i++) {
    if (strcmp(words[i], field->text) != 0) continue;
    *out = i % 2;
    return CVY_OK;
  }
  return is_no(path, field, "true or false");
}

cvy_err cvy_caffe_numbers(double *out, int64_t *count, int64_t most, const char *path,
                          const cvy_prototext *message, const char *name) {
  *count = 0;
  for (int64_t i = 0; message && i < message->count; i++) {
    const cvy_prototext_field *field = &message->fields[i];
    if (strcmp(field->name, name) != 0) continue;
    if (*count == most)
      return cvy_caffe_wrong(path, field, NULL, "%s stands here more than %" PRId64 " times", name, most);
    CVY_TRY(number_of(&out[(*count)++], path, field));
  }
  return CVY_OK;
}

const char *cvy_caffe_text(const cvy_prototext *message, const char *name, const char *fallback) {
  const cvy_prototext_field *field = cvy_prototext_get(message, name);
  return field && field->text ? field->text : fallback;
}

const char *cvy_caffe_number_text(cvy_pool *pool, double value) {
  char text[40];
  for (int digits = 6; digits <= 9; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, value);
    if (strtof(text, NULL) == (float)value) break;
  }
  return cvy_pool_format(pool, "%s", text);
}

void cvy_caffe_set(cvy_pool *pool, const char *path, cvy_yaml *mapping, const cvy_prototext *at,
                   const char *key, const char *format, ...) {
  char text[400];
  va_list values;
  va_start(values, format);
  vsnprintf(text, sizeof text, format, values);
  va_end(values);
  cvy_yaml *scalar = cvy_yaml_new_scalar(pool, path, text);
  if (at) scalar->line = at->line, scalar->column = at->column;
  cvy_yaml_add(pool, mapping, key, scalar);
}
