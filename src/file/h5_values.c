/* Datasets of an HDF5 file: shapes and types, numbers whole and by rows, texts, and the list of what is
 * there. */
#include "file/h5.h"
#include "file/h5_texts.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_PACKED = 1100 }; /* how many times smaller deflate makes its input at best, and a little more */

/* ---- types and shapes ---- */

static hid_t native_type(cvy_h5_type type) {
  switch (type) {
  case CVY_H5_U8:
    return H5T_NATIVE_UINT8;
  case CVY_H5_I32:
    return H5T_NATIVE_INT32;
  case CVY_H5_U32:
    return H5T_NATIVE_UINT32;
  case CVY_H5_I64:
    return H5T_NATIVE_INT64;
  case CVY_H5_U64:
    return H5T_NATIVE_UINT64;
  case CVY_H5_F32:
    return H5T_NATIVE_FLOAT;
  case CVY_H5_F64:
    return H5T_NATIVE_DOUBLE;
  }
  return H5I_INVALID_HID;
}

size_t cvy_h5_type_bytes(cvy_h5_type type) {
  static const size_t bytes[] = {1, 4, 4, 8, 8, 4, 8};
  return bytes[type];
}

static cvy_err open_dataset(hid_t *out, cvy_h5_call *c) {
  *out = c->file->held;
  if (*out >= 0 && strcmp(c->file->held_name, c->name) == 0) return CVY_OK;
  *out = cvy_h5_keep(c, H5Dopen2(c->file->id, c->name, H5P_DEFAULT));
  H5_TRY(c, *out >= 0, "cannot open");
  return c->file->writing ? CVY_OK : cvy_h5_check_filters(c, *out);
}

typedef struct extent {
  hid_t space;
  int dim_count;
  hsize_t dims[CVY_H5_MAX_DIMS];
  int64_t count; /* elements */
} extent;

static cvy_err get_extent(extent *out, cvy_h5_call *c, hid_t dataset) {
  out->space = cvy_h5_keep(c, H5Dget_space(dataset));
  H5_TRY(c, out->space >= 0, "cannot read its shape");
  out->dim_count = H5Sget_simple_extent_ndims(out->space);
  H5_TRY(c, out->dim_count >= 0, "cannot read its shape");
  if (out->dim_count > CVY_H5_MAX_DIMS)
    return cvy_error(CVY_E_INPUT, "%s: dataset '%s' has %d dimensions; at most %d are expected",
                     c->file->path, c->name, out->dim_count, CVY_H5_MAX_DIMS);
  H5_TRY(c, H5Sget_simple_extent_dims(out->space, out->dims, NULL) >= 0, "cannot read its shape");
  out->count = H5Sget_simple_extent_type(out->space) == H5S_NULL ? 0 : 1;
  /* No size that follows from a shape may overflow, also where one dimension is 0. */
  int64_t most_bytes = sizeof(double);
  for (int i = 0; i < out->dim_count; i++) {
    const int64_t dim = out->dims[i] > INT64_MAX ? -1 : (int64_t)out->dims[i];
    if (dim < 0 || (dim > 0 && __builtin_mul_overflow(most_bytes, dim, &most_bytes)))
      return cvy_error(CVY_E_INPUT, "%s: dataset '%s' claims more elements than can be", c->file->path,
                       c->name);
    out->count *= dim;
  }
  return CVY_OK;
}

bool cvy_h5_has(cvy_h5 *file, const char *name) {
  cvy_h5_call c = cvy_h5_enter(file, name);
  const bool has = H5Lexists(file->id, name, H5P_DEFAULT) > 0 &&
                   H5Oexists_by_name(file->id, name, H5P_DEFAULT) > 0;
  (void)cvy_h5_leave(&c, CVY_OK);
  return has;
}

static cvy_err read_shape(cvy_h5_call *c, int64_t dims[CVY_H5_MAX_DIMS], int *dim_count) {
  hid_t dataset;
  extent e;
  CVY_TRY(open_dataset(&dataset, c));
  CVY_TRY(get_extent(&e, c, dataset));
  *dim_count = e.dim_count;
  for (int i = 0; i < e.dim_count; i++) dims[i] = (int64_t)e.dims[i];
  return CVY_OK;
}

cvy_err cvy_h5_shape(cvy_h5 *file, const char *name, int64_t dims[CVY_H5_MAX_DIMS], int *dim_count) {
  cvy_h5_call c = cvy_h5_enter(file, name);
  return cvy_h5_leave(&c, read_shape(&c, dims, dim_count));
}

static cvy_h5_type nearest_type(hid_t type, H5T_class_t class) {
  const size_t bytes = H5Tget_size(type);
  if (class == H5T_FLOAT) return bytes <= 4 ? CVY_H5_F32 : CVY_H5_F64;
  const bool is_signed = H5Tget_sign(type) == H5T_SGN_2;
  if (bytes == 1 && !is_signed) return CVY_H5_U8;
  if (bytes < 4 || (bytes == 4 && is_signed)) return CVY_H5_I32;
  if (bytes == 4) return CVY_H5_U32;
  return is_signed ? CVY_H5_I64 : CVY_H5_U64;
}

static cvy_err read_element(cvy_h5_call *c, cvy_h5_type *out) {
  hid_t dataset;
  CVY_TRY(open_dataset(&dataset, c));
  hid_t type = cvy_h5_keep(c, H5Dget_type(dataset));
  H5_TRY(c, type >= 0, "cannot read its type");
  H5T_class_t class = H5Tget_class(type);
  if (class == H5T_ENUM) {
    type = cvy_h5_keep(c, H5Tget_super(type));
    class = H5Tget_class(type);
  }
  if (class != H5T_INTEGER && class != H5T_FLOAT)
    return cvy_error(CVY_E_INPUT, "%s: dataset '%s' does not hold numbers", c->file->path, c->name);
  *out = nearest_type(type, class);
  return CVY_OK;
}

cvy_err cvy_h5_element(cvy_h5 *file, const char *name, cvy_h5_type *out) {
  cvy_h5_call c = cvy_h5_enter(file, name);
  return cvy_h5_leave(&c, read_element(&c, out));
}

/* ---- reading and writing ---- */

static cvy_err read_all(cvy_h5_call *c, cvy_h5_type type, void *out, int64_t count) {
  hid_t dataset;
  extent e;
  CVY_TRY(open_dataset(&dataset, c));
  CVY_TRY(get_extent(&e, c, dataset));
  if (e.count != count)
    return cvy_error(CVY_E_INPUT, "%s: dataset '%s' has %" PRId64 " elements; expected %" PRId64,
                     c->file->path, c->name, e.count, count);
  if (H5Dread(dataset, native_type(type), H5S_ALL, H5S_ALL, H5P_DEFAULT, out) >= 0) return CVY_OK;
  return cvy_h5_unreadable(c, dataset, "cannot read");
}

cvy_err cvy_h5_read(cvy_h5 *file, const char *name, cvy_h5_type type, void *out, int64_t count) {
  cvy_h5_call c = cvy_h5_enter(file, name);
  return cvy_h5_leave(&c, read_all(&c, type, out, count));
}

static cvy_err create_dataset(hid_t *out, cvy_h5_call *c, hid_t type, int dim_count, const int64_t dims[]) {
  CVY_CHECK(dim_count >= 0 && dim_count <= CVY_H5_MAX_DIMS);
  hsize_t sizes[CVY_H5_MAX_DIMS];
  *out = H5I_INVALID_HID;
  for (int i = 0; i < dim_count; i++) {
    CVY_CHECK(dims[i] >= 0);
    sizes[i] = (hsize_t)dims[i];
  }
  const hid_t space = cvy_h5_keep(c, dim_count ? H5Screate_simple(dim_count, sizes, NULL)
                                               : H5Screate(H5S_SCALAR));
  const hid_t links = cvy_h5_keep(c, H5Pcreate(H5P_LINK_CREATE));
  const hid_t layout = cvy_h5_keep(c, H5Pcreate(H5P_DATASET_CREATE));
  /* HDF5 takes room on the disk at once, so that the offset is known, and writes no zeros under what
   * follows. */
  const bool good = space >= 0 && links >= 0 && layout >= 0 &&
                    H5Pset_create_intermediate_group(links, 1) >= 0 &&
                    H5Pset_obj_track_times(layout, false) >= 0 &&
                    H5Pset_alloc_time(layout, H5D_ALLOC_TIME_EARLY) >= 0 &&
                    H5Pset_fill_time(layout, H5D_FILL_TIME_NEVER) >= 0;
  H5_TRY(c, good, "cannot create");
  *out = cvy_h5_keep(c, H5Dcreate2(c->file->id, c->name, type, space, links, layout, H5P_DEFAULT));
  H5_TRY(c, *out >= 0, "cannot create");
  return CVY_OK;
}

static cvy_err write_all(cvy_h5_call *c, hid_t type, const void *values, int dim_count,
                         const int64_t dims[]) {
  hid_t dataset;
  CVY_TRY(create_dataset(&dataset, c, type, dim_count, dims));
  H5_TRY(c, H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0, "cannot write");
  return CVY_OK;
}

cvy_err cvy_h5_write(cvy_h5 *file, const char *name, cvy_h5_type type, const void *values, int dim_count,
                     const int64_t dims[]) {
  cvy_h5_call c = cvy_h5_enter(file, name);
  return cvy_h5_leave(&c, write_all(&c, native_type(type), values, dim_count, dims));
}

cvy_err cvy_h5_reserve(cvy_h5 *file, const char *name, cvy_h5_type type, int dim_count,
                       const int64_t dims[]) {
  cvy_h5_call c = cvy_h5_enter(file, name);
  hid_t dataset;
  return cvy_h5_leave(&c, create_dataset(&dataset, &c, native_type(type), dim_count, dims));
}

/* Selects the rows first ... first+count-1 of the dataset, and makes their shape in memory. */
static cvy_err select_rows(cvy_h5_call *c, hid_t dataset, int64_t first, int64_t count, hid_t *in_file,
                           hid_t *in_memory) {
  extent e;
  CVY_TRY(get_extent(&e, c, dataset));
  if (e.dim_count == 0 || first < 0 || count < 0 || first > (int64_t)e.dims[0] - count)
    return cvy_error(CVY_E_INPUT, "%s: dataset '%s' does not have %" PRId64 " rows from row %" PRId64 " on",
                     c->file->path, c->name, count, first);
  hsize_t start[CVY_H5_MAX_DIMS] = {(hsize_t)first};
  e.dims[0] = (hsize_t)count;
  *in_file = e.space;
  *in_memory = cvy_h5_keep(c, H5Screate_simple(e.dim_count, e.dims, NULL));
  H5_TRY(c, *in_memory >= 0, "cannot select rows");
  H5_TRY(c, H5Sselect_hyperslab(e.space, H5S_SELECT_SET, start, NULL, e.dims, NULL) >= 0,
         "cannot select rows");
  return CVY_OK;
}

static cvy_err read_rows(cvy_h5_call *c, cvy_h5_type type, void *out, int64_t first, int64_t count) {
  hid_t dataset, in_file, in_memory;
  CVY_TRY(open_dataset(&dataset, c));
  CVY_TRY(select_rows(c, dataset, first, count, &in_file, &in_memory));
  if (H5Dread(dataset, native_type(type), in_memory, in_file, H5P_DEFAULT, out) >= 0) return CVY_OK;
  return cvy_h5_unreadable(c, dataset, "cannot read");
}

cvy_err cvy_h5_read_rows(cvy_h5 *file, const char *name, cvy_h5_type type, void *out, int64_t first,
                         int64_t count) {
  cvy_h5_call c = cvy_h5_enter(file, name);
  return cvy_h5_leave(&c, read_rows(&c, type, out, first, count));
}

static cvy_err write_rows(cvy_h5_call *c, cvy_h5_type type, const void *values, int64_t first,
                          int64_t count) {
  hid_t dataset, in_file, in_memory;
  CVY_TRY(open_dataset(&dataset, c));
  CVY_TRY(select_rows(c, dataset, first, count, &in_file, &in_memory));
  H5_TRY(c, H5Dwrite(dataset, native_type(type), in_memory, in_file, H5P_DEFAULT, values) >= 0,
         "cannot write");
  return CVY_OK;
}

cvy_err cvy_h5_write_rows(cvy_h5 *file, const char *name, cvy_h5_type type, const void *values, int64_t first,
                          int64_t count) {
  cvy_h5_call c = cvy_h5_enter(file, name);
  return cvy_h5_leave(&c, write_rows(&c, type, values, first, count));
}

static cvy_err make_group(cvy_h5_call *c) {
  const hid_t links = cvy_h5_keep(c, H5Pcreate(H5P_LINK_CREATE));
  H5_TRY(c, links >= 0 && H5Pset_create_intermediate_group(links, 1) >= 0, "cannot create");
  H5_TRY(c, cvy_h5_keep(c, H5Gcreate2(c->file->id, c->name, links, H5P_DEFAULT, H5P_DEFAULT)) >= 0,
         "cannot create");
  return CVY_OK;
}

cvy_err cvy_h5_make_group(cvy_h5 *file, const char *name) {
  cvy_h5_call c = cvy_h5_enter(file, name);
  return cvy_h5_leave(&c, make_group(&c));
}

static int64_t file_offset(cvy_h5_call *c, cvy_h5_type type) {
  const hid_t dataset = cvy_h5_keep(c, H5Dopen2(c->file->id, c->name, H5P_DEFAULT));
  if (dataset < 0) return -1;
  const hid_t layout = cvy_h5_keep(c, H5Dget_create_plist(dataset));
  const hid_t stored = cvy_h5_keep(c, H5Dget_type(dataset));
  if (layout < 0 || stored < 0 || H5Pget_layout(layout) != H5D_CONTIGUOUS ||
      H5Pget_external_count(layout) != 0 || H5Tequal(stored, native_type(type)) <= 0)
    return -1;
  const haddr_t offset = H5Dget_offset(dataset);
  return offset == HADDR_UNDEF || offset > INT64_MAX ? -1 : (int64_t)offset;
}

int64_t cvy_h5_file_offset(cvy_h5 *file, const char *name, cvy_h5_type type) {
  cvy_h5_call c = cvy_h5_enter(file, name);
  const int64_t offset = file_offset(&c, type);
  (void)cvy_h5_leave(&c, CVY_OK);
  return offset;
}

/* ---- texts ---- */

static cvy_err write_texts(cvy_h5_call *c, const char *const *texts, int64_t count) {
  size_t width = 1;
  for (int64_t i = 0; i < count; i++)
    if (strlen(texts[i]) > width) width = strlen(texts[i]);
  const hid_t type = cvy_h5_text_type(c, width);
  H5_TRY(c, type >= 0, "cannot create");
  char *block = cvy_new(width * (size_t)count);
  for (int64_t i = 0; i < count; i++) memcpy(block + width * (size_t)i, texts[i], strlen(texts[i]));
  const cvy_err err = write_all(c, type, block, 1, &count);
  free(block);
  return err;
}

cvy_err cvy_h5_write_texts(cvy_h5 *file, const char *name, const char *const *texts, int64_t count) {
  cvy_h5_call c = cvy_h5_enter(file, name);
  return cvy_h5_leave(&c, write_texts(&c, texts, count));
}

static herr_t read_from_dataset(hid_t from, hid_t memory_type, void *out) {
  return H5Dread(from, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out);
}

static cvy_err read_texts(cvy_h5_call *c, char ***out, int64_t *count, cvy_pool *pool) {
  hid_t dataset;
  extent e;
  CVY_TRY(open_dataset(&dataset, c));
  CVY_TRY(get_extent(&e, c, dataset));
  const hid_t type = cvy_h5_keep(c, H5Dget_type(dataset));
  H5_TRY(c, type >= 0, "cannot read its type");
  /* A shape may lie. No filter of HDF5's own packs better than MOST_PACKED. */
  const int64_t stored = H5Dget_storage_size(dataset) <= INT64_MAX / MOST_PACKED
                             ? (int64_t)H5Dget_storage_size(dataset) * MOST_PACKED
                             : 0;
  if (H5Tget_class(type) != H5T_STRING || e.dim_count < 1 || e.count > stored)
    return cvy_error(CVY_E_INPUT, "%s: dataset '%s' is not a list of texts", c->file->path, c->name);
  *out = cvy_pool_new(pool, sizeof(char *) * (size_t)e.count);
  *count = e.count;
  return cvy_h5_read_block(c, read_from_dataset, dataset, type, e.space, *out, e.count, pool);
}

cvy_err cvy_h5_read_texts(cvy_h5 *file, const char *name, char ***out, int64_t *count, cvy_pool *pool) {
  cvy_h5_call c = cvy_h5_enter(file, name);
  return cvy_h5_leave(&c, read_texts(&c, out, count, pool));
}

static cvy_err read_text(cvy_h5_call *c, int64_t index, char **out, cvy_pool *pool) {
  hid_t dataset, in_file, in_memory;
  extent e;
  CVY_TRY(open_dataset(&dataset, c));
  CVY_TRY(get_extent(&e, c, dataset));
  const hid_t type = cvy_h5_keep(c, H5Dget_type(dataset));
  if (type < 0 || H5Tget_class(type) != H5T_STRING || H5Tis_variable_str(type) > 0 || e.dim_count != 1)
    return cvy_error(CVY_E_INPUT, "%s: dataset '%s' is not a list of texts", c->file->path, c->name);
  CVY_TRY(select_rows(c, dataset, index, 1, &in_file, &in_memory));
  const size_t width = H5Tget_size(type);
  char *text = cvy_pool_new(pool, width + 1);
  H5_TRY(c, H5Dread(dataset, type, in_memory, in_file, H5P_DEFAULT, text) >= 0, "cannot read");
  return cvy_h5_unpadded(out, c, index, text, width, H5Tget_strpad(type), pool);
}

cvy_err cvy_h5_read_text(cvy_h5 *file, const char *name, int64_t index, char **out, cvy_pool *pool) {
  cvy_h5_call c = cvy_h5_enter(file, name);
  return cvy_h5_leave(&c, read_text(&c, index, out, pool));
}

/* ---- the list of datasets ---- */

typedef struct names {
  cvy_pool *pool;
  struct node {
    const char *name;
    struct node *next;
  } * first, **end;
} names;

static herr_t note_dataset(hid_t object, const char *name, const H5O_info_t *info, void *context) {
  (void)object;
  names *all = context;
  if (info->type != H5O_TYPE_DATASET) return 0;
  struct node *node = cvy_pool_new(all->pool, sizeof *node);
  *node = (struct node){.name = cvy_pool_format(all->pool, "%s", name)};
  *all->end = node;
  all->end = &node->next;
  return 0;
}

static cvy_err list_datasets(cvy_h5_call *c, names *all) {
  H5_TRY(c, H5Ovisit2(c->file->id, H5_INDEX_NAME, H5_ITER_INC, note_dataset, all, H5O_INFO_BASIC) >= 0,
         "cannot list its datasets");
  return CVY_OK;
}

cvy_err cvy_h5_visit(cvy_h5 *file, void (*visit)(void *context, const char *name), void *context) {
  names all = {.pool = cvy_pool_create()};
  all.end = &all.first;
  cvy_h5_call c = cvy_h5_enter(file, "");
  const cvy_err err = cvy_h5_leave(&c, list_datasets(&c, &all));
  for (const struct node *node = all.first; node && !err; node = node->next) visit(context, node->name);
  cvy_pool_destroy(all.pool);
  return err;
}
