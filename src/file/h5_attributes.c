/* Attributes of one value, and lists of texts: of the file itself, of a dataset or of a group. */
#include "file/h5.h"
#include "file/h5_texts.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_TEXTS = 1 << 20 }; /* in one attribute */

static cvy_err open_object(hid_t *out, cvy_h5_call *c) {
  *out = cvy_h5_keep(c, H5Oopen(c->file->id, c->name[0] ? c->name : "/", H5P_DEFAULT));
  H5_TRY(c, *out >= 0, "cannot open");
  return CVY_OK;
}

/* cvy_h5_failed names the object; the attribute's name is added here. */
static cvy_err attribute_failed(cvy_h5_call *c, const char *name, const char *verb) {
  char doing[160];
  snprintf(doing, sizeof doing, "cannot %s attribute '%.100s'", verb, name);
  return cvy_h5_failed(c, doing);
}

static cvy_err write_values(cvy_h5_call *c, const char *name, hid_t type, hid_t space, const void *value) {
  hid_t object;
  CVY_TRY(open_object(&object, c));
  if (space < 0 || type < 0) return attribute_failed(c, name, "write");
  const hid_t attribute = cvy_h5_keep(c, H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT));
  if (attribute < 0 || H5Awrite(attribute, type, value) < 0) return attribute_failed(c, name, "write");
  return CVY_OK;
}

static cvy_err write_attribute(cvy_h5_call *c, const char *name, hid_t type, const void *value) {
  return write_values(c, name, type, cvy_h5_keep(c, H5Screate(H5S_SCALAR)), value);
}

cvy_err cvy_h5_write_attr_text(cvy_h5 *file, const char *on, const char *name, const char *text) {
  cvy_h5_call c = cvy_h5_enter(file, on);
  const hid_t type = cvy_h5_text_type(&c, strlen(text) ? strlen(text) : 1);
  return cvy_h5_leave(&c, write_attribute(&c, name, type, text));
}

cvy_err cvy_h5_write_attr_i64(cvy_h5 *file, const char *on, const char *name, int64_t value) {
  cvy_h5_call c = cvy_h5_enter(file, on);
  return cvy_h5_leave(&c, write_attribute(&c, name, H5T_NATIVE_INT64, &value));
}

cvy_err cvy_h5_write_attr_f64(cvy_h5 *file, const char *on, const char *name, double value) {
  cvy_h5_call c = cvy_h5_enter(file, on);
  return cvy_h5_leave(&c, write_attribute(&c, name, H5T_NATIVE_DOUBLE, &value));
}

static cvy_err write_texts(cvy_h5_call *c, const char *name, const char *const *texts, int64_t count) {
  size_t width = 1;
  for (int64_t i = 0; i < count; i++)
    if (strlen(texts[i]) > width) width = strlen(texts[i]);
  const hid_t type = count ? cvy_h5_text_type(c, width) : H5T_NATIVE_DOUBLE;
  const hid_t space = cvy_h5_keep(c, H5Screate_simple(1, &(hsize_t){(hsize_t)count}, NULL));
  char *block = cvy_new(width * (size_t)count + 1);
  for (int64_t i = 0; i < count; i++) memcpy(block + width * (size_t)i, texts[i], strlen(texts[i]));
  const cvy_err err = write_values(c, name, type, space, block);
  free(block);
  return err;
}

cvy_err cvy_h5_write_attr_texts(cvy_h5 *file, const char *on, const char *name, const char *const *texts,
                                int64_t count) {
  cvy_h5_call c = cvy_h5_enter(file, on);
  return cvy_h5_leave(&c, write_texts(&c, name, texts, count));
}

static cvy_err open_attribute(hid_t *out, hid_t *space, cvy_h5_call *c, const char *name) {
  hid_t object;
  CVY_TRY(open_object(&object, c));
  if (H5Aexists(object, name) <= 0)
    return cvy_error(CVY_E_INPUT, "%s: %s%s%sattribute '%s' is missing", c->file->path,
                     c->name[0] ? "dataset '" : "", c->name, c->name[0] ? "': " : "", name);
  *out = cvy_h5_keep(c, H5Aopen(object, name, H5P_DEFAULT));
  if (*out < 0) return attribute_failed(c, name, "open");
  *space = cvy_h5_keep(c, H5Aget_space(*out));
  return CVY_OK;
}

static cvy_err open_value(hid_t *out, hid_t *space, cvy_h5_call *c, const char *name) {
  CVY_TRY(open_attribute(out, space, c, name));
  if (H5Sget_simple_extent_npoints(*space) == 1) return CVY_OK;
  return cvy_error(CVY_E_INPUT, "%s: attribute '%s' is not one value", c->file->path, name);
}

static cvy_err read_attribute(cvy_h5_call *c, const char *name, hid_t type, void *out) {
  hid_t attribute, space;
  CVY_TRY(open_value(&attribute, &space, c, name));
  if (H5Aread(attribute, type, out) < 0) return attribute_failed(c, name, "read");
  return CVY_OK;
}

cvy_err cvy_h5_read_attr_i64(cvy_h5 *file, const char *on, const char *name, int64_t *out) {
  cvy_h5_call c = cvy_h5_enter(file, on);
  return cvy_h5_leave(&c, read_attribute(&c, name, H5T_NATIVE_INT64, out));
}

cvy_err cvy_h5_read_attr_f64(cvy_h5 *file, const char *on, const char *name, double *out) {
  cvy_h5_call c = cvy_h5_enter(file, on);
  return cvy_h5_leave(&c, read_attribute(&c, name, H5T_NATIVE_DOUBLE, out));
}

static herr_t read_from_attribute(hid_t from, hid_t memory_type, void *out) {
  return H5Aread(from, memory_type, out);
}

static cvy_err read_attribute_text(cvy_h5_call *c, const char *name, char **out, cvy_pool *pool) {
  hid_t attribute, space;
  CVY_TRY(open_value(&attribute, &space, c, name));
  const hid_t type = cvy_h5_keep(c, H5Aget_type(attribute));
  if (type < 0 || H5Tget_class(type) != H5T_STRING)
    return cvy_error(CVY_E_INPUT, "%s: attribute '%s' is not a text", c->file->path, name);
  return cvy_h5_read_block(c, read_from_attribute, attribute, type, space, out, 1, pool);
}

cvy_err cvy_h5_read_attr_text(cvy_h5 *file, const char *on, const char *name, char **out, cvy_pool *pool) {
  cvy_h5_call c = cvy_h5_enter(file, on);
  return cvy_h5_leave(&c, read_attribute_text(&c, name, out, pool));
}

static cvy_err read_texts(cvy_h5_call *c, const char *name, char ***out, int64_t *count, cvy_pool *pool) {
  hid_t attribute, space;
  CVY_TRY(open_attribute(&attribute, &space, c, name));
  const hid_t type = cvy_h5_keep(c, H5Aget_type(attribute));
  const int64_t found = (int64_t)H5Sget_simple_extent_npoints(space);
  const bool are_texts = type >= 0 && H5Tget_class(type) == H5T_STRING;
  if (found < 0 || found > MOST_TEXTS || (found > 0 && !are_texts))
    return cvy_error(CVY_E_INPUT, "%s: attribute '%s' is not a list of texts", c->file->path, name);
  *out = cvy_pool_new(pool, sizeof **out * (size_t)(found + 1));
  *count = found;
  if (found == 0) return CVY_OK;
  if (H5Aget_storage_size(attribute) / H5Tget_size(type) < (hsize_t)found)
    return cvy_error(CVY_E_INPUT, "%s: attribute '%s' is truncated", c->file->path, name);
  return cvy_h5_read_block(c, read_from_attribute, attribute, type, space, *out, found, pool);
}

cvy_err cvy_h5_read_attr_texts(cvy_h5 *file, const char *on, const char *name, char ***out, int64_t *count,
                               cvy_pool *pool) {
  cvy_h5_call c = cvy_h5_enter(file, on);
  return cvy_h5_leave(&c, read_texts(&c, name, out, count, pool));
}

bool cvy_h5_has_attr(cvy_h5 *file, const char *on, const char *name) {
  cvy_h5_call c = cvy_h5_enter(file, on);
  const bool has = H5Aexists_by_name(file->id, on[0] ? on : "/", name, H5P_DEFAULT) > 0;
  (void)cvy_h5_leave(&c, CVY_OK);
  return has;
}
