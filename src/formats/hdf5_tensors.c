/* Datasets of an HDF5 file as stored tensors. */
#include "formats/hdf5_tensors.h"

#include "archive/unpack.h"
#include "base/text.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_DATASETS = 4096 }; /* so many does cvy_h5_list list */

/* No filter of HDF5's own makes its input smaller than this, and a little more. */
enum { MOST_PACKED = 1100 };

cvy_err cvy_hdf5_list(cvy_hdf5 *out, cvy_h5 *h5, cvy_weights_file *file) {
  *out = (cvy_hdf5){.h5 = h5};
  CVY_TRY(cvy_h5_list(&out->entries, &out->count, h5, false, file->pool));
  if (out->count >= MOST_DATASETS)
    return cvy_error(CVY_E_INPUT, "%s: has %d datasets or more; a file of weights may have fewer", file->path,
                     MOST_DATASETS);
  cvy_sort_by_text(out->entries, out->count, sizeof *out->entries);
  return CVY_OK;
}

const cvy_h5_entry *cvy_hdf5_find(const cvy_hdf5 *all, const char *name) {
  const int64_t at = cvy_find_by_text(all->entries, all->count, sizeof *all->entries, name);
  return at < 0 ? NULL : &all->entries[at];
}

bool cvy_hdf5_is_float(const cvy_h5_entry *entry) {
  return entry->trouble || strncmp(entry->type, "float", strlen("float")) == 0;
}

/* ---- shapes ---- */

static cvy_err check(const cvy_hdf5 *from, const cvy_h5_entry *e) {
  const char *path = cvy_h5_path(from->h5);
  if (e->trouble) return cvy_error(CVY_E_INPUT, "%s: '%s' is %s", path, e->name, e->trouble);
  if (strcmp(e->file, path) != 0)
    return cvy_error(CVY_E_INPUT, "%s: '%s' lies in another file, %s", path, e->name, e->file);
  if (!cvy_hdf5_is_float(e))
    return cvy_error(CVY_E_INPUT, "%s: '%s' should hold floats, not %s", path, e->name, e->type);
  if (e->dim_count < 0 || e->dim_count > CVY_H5_MAX_DIMS)
    return cvy_error(CVY_E_INPUT, "%s: '%s' should have at most %d dimensions", path, e->name,
                     CVY_H5_MAX_DIMS);
  return CVY_OK;
}

static cvy_err describe(cvy_stored_tensor *t, cvy_h5_type *type, const cvy_weights_file *file,
                        const cvy_hdf5 *from, const cvy_hdf5_wanted *wanted) {
  const cvy_h5_entry *e = wanted->entry;
  *t = wanted->tensor;
  CVY_TRY(check(from, e));
  CVY_TRY(cvy_h5_element(from->h5, e->place, type));
  t->element = *type == CVY_H5_F64 ? CVY_ELEMENT_F64 : CVY_ELEMENT_F32;
  if (t->dim_count == 0) { /* else the caller has another shape for the same numbers */
    t->dim_count = e->dim_count;
    memcpy(t->dims, e->dims, sizeof *e->dims * (size_t)e->dim_count);
    return cvy_tensor_in_rows(t, file);
  }
  CVY_TRY(cvy_tensor_in_rows(t, file));
  int64_t count = 1;
  for (int i = 0; i < e->dim_count; i++)
    if (__builtin_mul_overflow(count, e->dims[i], &count)) count = -1;
  if (count == t->count) return CVY_OK;
  return cvy_error(CVY_E_INPUT, "%s: '%s' has another number of values than its layer needs, %" PRId64,
                   file->path, e->name, t->count);
}

/* ---- where the numbers lie ---- */

static cvy_err bytes_of(int64_t *bytes, const cvy_weights_file *file) {
  struct stat info;
  *bytes = 0;
  if (fstat(file->fd, &info)) return cvy_error(CVY_E_SYSTEM, "%s: cannot be looked at", file->path);
  *bytes = info.st_size;
  return CVY_OK;
}

/* Adds what lies in the file; *all is false if something does not. */
static cvy_err add_in_place(bool *all, cvy_weights_file *file, const cvy_hdf5 *from,
                            const cvy_hdf5_wanted *wanted, int64_t count) {
  int64_t bytes;
  const int64_t before = file->tensor_count;
  *all = true;
  CVY_TRY(bytes_of(&bytes, file));
  for (int64_t i = 0; i < count && *all; i++) {
    cvy_stored_tensor t;
    cvy_h5_type type;
    CVY_TRY(describe(&t, &type, file, from, &wanted[i]));
    t.offset = t.count ? cvy_h5_file_offset(from->h5, wanted[i].entry->place, type) : 0;
    *all = t.offset >= 0;
    if (*all) CVY_TRY(cvy_weights_add(file, &t, 0, bytes));
  }
  if (!*all) file->tensor_count = before;
  return CVY_OK;
}

static cvy_err put(int fd, const void *values, size_t bytes, const cvy_weights_file *file) {
  for (size_t done = 0; done < bytes;) {
    const ssize_t n = write(fd, (const char *)values + done, bytes - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0)
      return cvy_error(CVY_E_SYSTEM,
                       "%s: cannot be unpacked into a temporary file: %s (TMPDIR names another "
                       "folder)",
                       file->path, strerror(errno));
    done += (size_t)n;
  }
  return CVY_OK;
}

/* Unpacks a dataset to where `fd` stands. */
static cvy_err unpack(int fd, const cvy_weights_file *file, const cvy_hdf5 *from, const cvy_h5_entry *e,
                      cvy_h5_type type, int64_t count) {
  const size_t bytes = cvy_h5_type_bytes(type) * (size_t)count;
  void *values;
  CVY_TRY(cvy_buffer_create_sparse(&values, bytes, e->name));
  cvy_err err = cvy_h5_read(from->h5, e->place, type, values, count);
  if (!err) err = put(fd, values, bytes, file);
  cvy_buffer_destroy(values);
  return err;
}

/* A shape may lie: what the file has can be unpacked to so many bytes at most. */
static cvy_err check_size(const cvy_stored_tensor *t, const cvy_weights_file *file, int64_t file_bytes) {
  const int64_t most = file_bytes > INT64_MAX / MOST_PACKED ? INT64_MAX : file_bytes * MOST_PACKED;
  if (t->count <= most / cvy_element_bytes(t->element)) return CVY_OK;
  return cvy_error(CVY_E_INPUT, "%s: tensor '%s' has %" PRId64 " numbers, more than the file can hold",
                   file->path, t->name, t->count);
}

static cvy_err add_unpacked(cvy_weights_file *file, int fd, const cvy_hdf5 *from,
                            const cvy_hdf5_wanted *wanted, int64_t count) {
  int64_t end = 0, file_bytes;
  CVY_TRY(bytes_of(&file_bytes, file));
  for (int64_t i = 0; i < count; i++) {
    cvy_stored_tensor t;
    cvy_h5_type type;
    CVY_TRY(describe(&t, &type, file, from, &wanted[i]));
    CVY_TRY(check_size(&t, file, file_bytes));
    if (t.count) CVY_TRY(unpack(fd, file, from, wanted[i].entry, type, t.count));
    const int64_t bytes = t.count * cvy_element_bytes(t.element);
    t.offset = end;
    CVY_TRY(cvy_weights_add(file, &t, end, bytes));
    end += bytes;
  }
  return CVY_OK;
}

cvy_err cvy_hdf5_add(cvy_weights_file *file, const cvy_hdf5 *from, const cvy_hdf5_wanted *wanted,
                     int64_t count) {
  bool in_place;
  int fd;
  CVY_TRY(add_in_place(&in_place, file, from, wanted, count));
  if (in_place) return CVY_OK;
  CVY_TRY(cvy_nameless_file(&fd, file->path));
  const cvy_err err = add_unpacked(file, fd, from, wanted, count);
  close(err ? fd : file->fd);
  if (!err) file->fd = fd;
  return err;
}
