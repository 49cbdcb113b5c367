/* Attributes of one value: of the file itself, of a dataset or of a group. */
#include "file/h5.h"
#include "file/h5_texts.h"

#include <string.h>

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

static cvy_err write_attribute(cvy_h5_call *c, const char *name, hid_t type, const void *value) {
  hid_t object;
  CVY_TRY(open_object(&object, c));
  const hid_t space = cvy_h5_keep(c, H5Screate(H5S_SCALAR));
  if (space < 0 || type < 0) return attribute_failed(c, name, "write");
  const hid_t attribute = cvy_h5_keep(c, H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT));
  if (attribute < 0 || H5Awrite(attribute, type, value) < 0) return attribute_failed(c, name, "write");
  return CVY_OK;
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

/* Opens an attribute of one value. */
static cvy_err open_attribute(hid_t *out, hid_t *space, cvy_h5_call *c, const char *name) {
  hid_t object;
  CVY_TRY(open_object(&object, c));
  if (H5Aexists(object, name) <= 0)
    return cvy_error(CVY_E_INPUT, "%s: %s%s%sattribute '%s' is missing", c->file->path,
                     c->name[0] ? "dataset '" : "", c->name, c->name[0] ? "': " : "", name);
  *out = cvy_h5_keep(c, H5Aopen(object, name, H5P_DEFAULT));
  if (*out < 0) return attribute_failed(c, name, "open");
  *space = cvy_h5_keep(c, H5Aget_space(*out));
  if (H5Sget_simple_extent_npoints(*space) != 1)
    return cvy_error(CVY_E_INPUT, "%s: attribute '%s' is not one value", c->file->path, name);
  return CVY_OK;
}

static cvy_err read_attribute(cvy_h5_call *c, const char *name, hid_t type, void *out) {
  hid_t attribute, space;
  CVY_TRY(open_attribute(&attribute, &space, c, name));
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
  CVY_TRY(open_attribute(&attribute, &space, c, name));
  const hid_t type = cvy_h5_keep(c, H5Aget_type(attribute));
  if (type < 0 || H5Tget_class(type) != H5T_STRING)
    return cvy_error(CVY_E_INPUT, "%s: attribute '%s' is not a text", c->file->path, name);
  return cvy_h5_read_block(c, read_from_attribute, attribute, type, space, out, 1, pool);
}

cvy_err cvy_h5_read_attr_text(cvy_h5 *file, const char *on, const char *name, char **out, cvy_pool *pool) {
  cvy_h5_call c = cvy_h5_enter(file, on);
  return cvy_h5_leave(&c, read_attribute_text(&c, name, out, pool));
}

bool cvy_h5_has_attr(cvy_h5 *file, const char *on, const char *name) {
  cvy_h5_call c = cvy_h5_enter(file, on);
  const bool has = H5Aexists_by_name(file->id, on[0] ? on : "/", name, H5P_DEFAULT) > 0;
  (void)cvy_h5_leave(&c, CVY_OK);
  return has;
}
