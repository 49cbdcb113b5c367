/* A small vocabulary over HDF5.
 *
 * Every entry is a call: enter() takes the one lock (the library is not thread-safe), keep() remembers each
 * id that the call opens, leave() closes them in reverse, whatever happened, and returns the error. So the
 * code between them returns early wherever it likes and nothing leaks.
 *
 * HDF5's answer to a full disk is a file that cannot be closed and a crash when the process ends. So a file
 * that failed is first cut off from the disk: its descriptor is made to point at anonymous memory, where the
 * rest of HDF5's writes succeed and vanish; and the library's own exit handler is never installed. */
#define _GNU_SOURCE
#include "file/h5.h"

#include <errno.h>
#include <fcntl.h>
#include <hdf5.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct cvy_h5 {
  hid_t id;
  const char *path;      /* for the messages: the final name */
  const char *disk_path; /* where it is now: `path`, or its temporary name */
  bool writing;
  ino_t inode; /* of a file that was created; 0: it was not */
};

enum { MAX_IDS = 8, LARGE_BYTES = 64 * 1024, PAGE_BYTES = 4096 };

typedef struct call {
  cvy_h5 *file;
  const char *name; /* what the call is about: a dataset, or "" */
  hid_t ids[MAX_IDS];
  int count;
} call;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static call enter(cvy_h5 *file, const char *name) {
  static bool ready;
  pthread_mutex_lock(&lock);
  if (!ready) {
    CVY_CHECK(H5dont_atexit() >= 0 && H5open() >= 0);
    ready = true;
  }
  CVY_CHECK(H5Eset_auto2(H5E_DEFAULT, NULL, NULL) >= 0); /* each thread has its own */
  H5Eclear2(H5E_DEFAULT);
  return (call){.file = file, .name = name};
}

static hid_t keep(call *c, hid_t id) {
  CVY_CHECK(c->count < MAX_IDS);
  if (id >= 0) c->ids[c->count++] = id;
  return id;
}

/* ---- errors ---- */

/* The innermost line of HDF5's error stack is the one that says what happened. */
static herr_t first_line(unsigned n, const H5E_error2_t *error, void *out) {
  if (n == 0) snprintf(out, 512, "%s", error->desc ? error->desc : "");
  return 0;
}

static void make_readable(char line[512]) {
  unsigned long long have, base, need;
  char *quoted = strstr(line, "error message = '");
  char *end = quoted ? strchr(quoted + 17, '\'') : NULL;
  if (end) {
    *end = '\0';
    memmove(line, quoted + 17, strlen(quoted + 17) + 1);
  } else if (sscanf(line, "truncated file: eof = %llu, sblock->base_addr = %llu, stored_eof = %llu", &have,
                    &base, &need) == 3) {
    snprintf(line, 512, "truncated: %llu of its %llu bytes are there", have, base + need);
  }
}

static cvy_err failed(const call *c, const char *doing) {
  char line[512] = "";
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, first_line, line);
  make_readable(line);
  const bool about_dataset = c->name[0] != '\0';
  return cvy_error(c->file->writing ? CVY_E_SYSTEM : CVY_E_INPUT, "%s: %s%s%s%s%s%s", c->file->path,
                   about_dataset ? "dataset '" : "", c->name, about_dataset ? "': " : "", doing,
                   doing[0] && line[0] ? ": " : "", line);
}

static cvy_err leave(call *c, cvy_err err) {
  while (c->count > 0)
    if (H5Idec_ref(c->ids[--c->count]) < 0 && !err) err = failed(c, "cannot close");
  pthread_mutex_unlock(&lock);
  return err;
}

#define H5_TRY(c, condition, doing)                                                                          \
  do {                                                                                                       \
    if (!(condition)) return failed(c, doing);                                                               \
  } while (0)

/* ---- files ---- */

static cvy_h5 *new_file(const char *path, bool temporary, bool writing) {
  cvy_h5 *file = cvy_new(sizeof *file);
  file->id = H5I_INVALID_HID;
  file->path = cvy_format("%s", path);
  file->disk_path = cvy_format("%s%s", path, temporary ? ".tmp" : "");
  file->writing = writing;
  return file;
}

static void free_file(cvy_h5 *file) {
  free((char *)file->path);
  free((char *)file->disk_path);
  free(file);
}

/* Reads need no lock and clusters' file systems often refuse one. Large datasets begin on a page. */
static hid_t access_properties(call *c) {
  const hid_t fapl = keep(c, H5Pcreate(H5P_FILE_ACCESS));
  const bool good = fapl >= 0 && H5Pset_fclose_degree(fapl, H5F_CLOSE_STRONG) >= 0 &&
                    H5Pset_file_locking(fapl, false, true) >= 0 &&
                    H5Pset_libver_bounds(fapl, H5F_LIBVER_V18, H5F_LIBVER_LATEST) >= 0 &&
                    H5Pset_alignment(fapl, LARGE_BYTES, PAGE_BYTES) >= 0;
  return good ? fapl : H5I_INVALID_HID;
}

static cvy_err refuse_what_is_no_file(const char *path) {
  struct stat info;
  if (stat(path, &info) != 0) return cvy_error(CVY_E_INPUT, "%s: %s", path, strerror(errno));
  if (S_ISDIR(info.st_mode)) return cvy_error(CVY_E_INPUT, "%s: a folder; expected an HDF5 file", path);
  if (info.st_size == 0) return cvy_error(CVY_E_INPUT, "%s: not an HDF5 file: it is empty", path);
  const int fd = open(path, O_RDONLY);
  if (fd < 0) return cvy_error(CVY_E_INPUT, "%s: %s", path, strerror(errno));
  close(fd);
  return CVY_OK;
}

static cvy_err open_existing(call *c) {
  cvy_h5 *file = c->file;
  CVY_TRY(refuse_what_is_no_file(file->disk_path));
  if (H5Fis_hdf5(file->disk_path) == 0) return cvy_error(CVY_E_INPUT, "%s: not an HDF5 file", file->path);
  const hid_t fapl = access_properties(c);
  H5_TRY(c, fapl >= 0, "cannot open");
  H5Eclear2(H5E_DEFAULT);
  file->id = H5Fopen(file->disk_path, file->writing ? H5F_ACC_RDWR : H5F_ACC_RDONLY, fapl);
  H5_TRY(c, file->id >= 0, "");
  return CVY_OK;
}

/* 0: there is no regular file. */
static ino_t inode_of(const char *path) {
  struct stat info;
  return lstat(path, &info) == 0 && S_ISREG(info.st_mode) ? info.st_ino : 0;
}

static cvy_err create_new(call *c) {
  cvy_h5 *file = c->file;
  const hid_t fapl = access_properties(c);
  const hid_t fcpl = keep(c, H5Pcreate(H5P_FILE_CREATE));
  /* No times, so that the same contents are the same bytes. */
  H5_TRY(c, fapl >= 0 && fcpl >= 0 && H5Pset_obj_track_times(fcpl, false) >= 0, "cannot create");
  /* A new file, for the one of that name may still be open to a process of a job that was killed. */
  if (inode_of(file->disk_path) != 0) unlink(file->disk_path);
  file->id = H5Fcreate(file->disk_path, H5F_ACC_TRUNC, fcpl, fapl);
  H5_TRY(c, file->id >= 0, "cannot create");
  file->inode = inode_of(file->disk_path);
  return CVY_OK;
}

static cvy_err open_with(cvy_h5 **out, cvy_h5 *file, cvy_err (*how)(call *c)) {
  call c = enter(file, "");
  const cvy_err err = leave(&c, how(&c));
  *out = err ? NULL : file;
  if (err) free_file(file);
  return err;
}

cvy_err cvy_h5_open(cvy_h5 **out, const char *path) {
  return open_with(out, new_file(path, false, false), open_existing);
}

cvy_err cvy_h5_open_for_writing(cvy_h5 **out, const char *path) {
  return open_with(out, new_file(path, false, true), open_existing);
}

cvy_err cvy_h5_create(cvy_h5 **out, const char *path) {
  return open_with(out, new_file(path, false, true), create_new);
}

cvy_err cvy_h5_begin(cvy_h5 **out, const char *path) {
  const cvy_err err = open_with(out, new_file(path, true, true), create_new);
  if (err) cvy_h5_withdraw(path); /* an empty file may have come to stand there */
  return err;
}

cvy_err cvy_h5_resume(cvy_h5 **out, const char *path) {
  return open_with(out, new_file(path, true, true), open_existing);
}

const char *cvy_h5_path(const cvy_h5 *file) {
  return file->path;
}

/* From here on HDF5 writes into memory that nobody sees. */
static void cut_off_from_disk(cvy_h5 *file) {
  int *fd;
  const int memory = memfd_create("convoy-abandoned", MFD_CLOEXEC);
  if (memory < 0) return;
  if (H5Fget_vfd_handle(file->id, H5P_DEFAULT, (void **)&fd) >= 0) dup2(memory, *fd);
  close(memory);
}

void cvy_h5_discard(cvy_h5 *file) {
  if (!file) return;
  call c = enter(file, "");
  if (file->writing) cut_off_from_disk(file);
  H5Fclose(file->id);
  (void)leave(&c, CVY_OK);
  free_file(file);
}

static cvy_err sync_path(const char *path, int flags, const char *named) {
  const int fd = open(path, flags);
  const bool synced = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL); /* EINVAL: it cannot be synced */
  const int reason = errno;
  if (fd >= 0) close(fd);
  return synced ? CVY_OK : cvy_error(CVY_E_SYSTEM, "%s: cannot sync: %s", named, strerror(reason));
}

cvy_err cvy_h5_close(cvy_h5 *file) {
  call c = enter(file, "");
  cvy_err err = CVY_OK;
  if (file->writing && H5Fflush(file->id, H5F_SCOPE_GLOBAL) < 0) {
    err = failed(&c, "cannot write");
    cut_off_from_disk(file);
  }
  if (H5Fclose(file->id) < 0 && !err) err = failed(&c, "cannot close");
  err = leave(&c, err);
  if (!err && file->writing) err = sync_path(file->disk_path, O_RDONLY, file->path);
  if (!err && file->inode && inode_of(file->disk_path) != file->inode)
    err = cvy_error(CVY_E_SYSTEM, "%s: another process has begun to write it, too", file->path);
  free_file(file);
  return err;
}

static cvy_err sync_folder_of(const char *path) {
  const char *slash = strrchr(path, '/');
  char *folder = slash ? cvy_format("%.*s", (int)(slash - path + 1), path) : cvy_format(".");
  const cvy_err err = sync_path(folder, O_RDONLY | O_DIRECTORY, folder);
  free(folder);
  return err;
}

cvy_err cvy_h5_publish(const char *path) {
  char *temporary = cvy_format("%s.tmp", path);
  cvy_err err = CVY_OK;
  if (rename(temporary, path) != 0)
    err = cvy_error(CVY_E_SYSTEM, "%s: cannot rename to its final name: %s", temporary, strerror(errno));
  free(temporary);
  return err ? err : sync_folder_of(path);
}

void cvy_h5_withdraw(const char *path) {
  char *temporary = cvy_format("%s.tmp", path);
  unlink(temporary);
  free(temporary);
}

cvy_err cvy_h5_commit(cvy_h5 *file) {
  char *path = cvy_format("%s", file->path);
  cvy_err err = cvy_h5_close(file);
  if (!err) err = cvy_h5_publish(path);
  if (err) cvy_h5_withdraw(path);
  free(path);
  return err;
}

void cvy_h5_rollback(cvy_h5 *file) {
  if (!file) return;
  char *path = cvy_format("%s", file->path);
  cvy_h5_discard(file);
  cvy_h5_withdraw(path);
  free(path);
}

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

static cvy_err open_dataset(hid_t *out, call *c) {
  *out = keep(c, H5Dopen2(c->file->id, c->name, H5P_DEFAULT));
  H5_TRY(c, *out >= 0, "cannot open");
  return CVY_OK;
}

typedef struct extent {
  hid_t space;
  int dim_count;
  hsize_t dims[CVY_H5_MAX_DIMS];
  int64_t count; /* elements */
} extent;

static cvy_err get_extent(extent *out, call *c, hid_t dataset) {
  out->space = keep(c, H5Dget_space(dataset));
  H5_TRY(c, out->space >= 0, "cannot read its shape");
  out->dim_count = H5Sget_simple_extent_ndims(out->space);
  H5_TRY(c, out->dim_count >= 0, "cannot read its shape");
  if (out->dim_count > CVY_H5_MAX_DIMS)
    return cvy_error(CVY_E_INPUT, "%s: dataset '%s' has %d dimensions; at most %d are expected",
                     c->file->path, c->name, out->dim_count, CVY_H5_MAX_DIMS);
  H5_TRY(c, H5Sget_simple_extent_dims(out->space, out->dims, NULL) >= 0, "cannot read its shape");
  out->count = H5Sget_simple_extent_type(out->space) == H5S_NULL ? 0 : 1;
  /* No size that is worked out of a shape may overflow, also where one dimension is 0. */
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
  call c = enter(file, name);
  const bool has = H5Lexists(file->id, name, H5P_DEFAULT) > 0 &&
                   H5Oexists_by_name(file->id, name, H5P_DEFAULT) > 0;
  (void)leave(&c, CVY_OK);
  return has;
}

static cvy_err read_shape(call *c, int64_t dims[CVY_H5_MAX_DIMS], int *dim_count) {
  hid_t dataset;
  extent e;
  CVY_TRY(open_dataset(&dataset, c));
  CVY_TRY(get_extent(&e, c, dataset));
  *dim_count = e.dim_count;
  for (int i = 0; i < e.dim_count; i++) dims[i] = (int64_t)e.dims[i];
  return CVY_OK;
}

cvy_err cvy_h5_shape(cvy_h5 *file, const char *name, int64_t dims[CVY_H5_MAX_DIMS], int *dim_count) {
  call c = enter(file, name);
  return leave(&c, read_shape(&c, dims, dim_count));
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

static cvy_err read_element(call *c, cvy_h5_type *out) {
  hid_t dataset;
  CVY_TRY(open_dataset(&dataset, c));
  hid_t type = keep(c, H5Dget_type(dataset));
  H5_TRY(c, type >= 0, "cannot read its type");
  H5T_class_t class = H5Tget_class(type);
  if (class == H5T_ENUM) {
    type = keep(c, H5Tget_super(type));
    class = H5Tget_class(type);
  }
  if (class != H5T_INTEGER && class != H5T_FLOAT)
    return cvy_error(CVY_E_INPUT, "%s: dataset '%s' does not hold numbers", c->file->path, c->name);
  *out = nearest_type(type, class);
  return CVY_OK;
}

cvy_err cvy_h5_element(cvy_h5 *file, const char *name, cvy_h5_type *out) {
  call c = enter(file, name);
  return leave(&c, read_element(&c, out));
}

/* ---- reading and writing ---- */

static cvy_err read_all(call *c, cvy_h5_type type, void *out, int64_t count) {
  hid_t dataset;
  extent e;
  CVY_TRY(open_dataset(&dataset, c));
  CVY_TRY(get_extent(&e, c, dataset));
  if (e.count != count)
    return cvy_error(CVY_E_INPUT, "%s: dataset '%s' has %lld elements; expected %lld", c->file->path, c->name,
                     (long long)e.count, (long long)count);
  H5_TRY(c, H5Dread(dataset, native_type(type), H5S_ALL, H5S_ALL, H5P_DEFAULT, out) >= 0, "cannot read");
  return CVY_OK;
}

cvy_err cvy_h5_read(cvy_h5 *file, const char *name, cvy_h5_type type, void *out, int64_t count) {
  call c = enter(file, name);
  return leave(&c, read_all(&c, type, out, count));
}

static cvy_err create_dataset(hid_t *out, call *c, hid_t type, int dim_count, const int64_t dims[]) {
  CVY_CHECK(dim_count >= 0 && dim_count <= CVY_H5_MAX_DIMS);
  hsize_t sizes[CVY_H5_MAX_DIMS];
  *out = H5I_INVALID_HID;
  for (int i = 0; i < dim_count; i++) {
    CVY_CHECK(dims[i] >= 0);
    sizes[i] = (hsize_t)dims[i];
  }
  const hid_t space = keep(c, dim_count ? H5Screate_simple(dim_count, sizes, NULL) : H5Screate(H5S_SCALAR));
  const hid_t links = keep(c, H5Pcreate(H5P_LINK_CREATE));
  const hid_t layout = keep(c, H5Pcreate(H5P_DATASET_CREATE));
  /* Room on the disk at once, so that the offset is known; and no zeros written under what follows. */
  const bool good = space >= 0 && links >= 0 && layout >= 0 &&
                    H5Pset_create_intermediate_group(links, 1) >= 0 &&
                    H5Pset_obj_track_times(layout, false) >= 0 &&
                    H5Pset_alloc_time(layout, H5D_ALLOC_TIME_EARLY) >= 0 &&
                    H5Pset_fill_time(layout, H5D_FILL_TIME_NEVER) >= 0;
  H5_TRY(c, good, "cannot create");
  *out = keep(c, H5Dcreate2(c->file->id, c->name, type, space, links, layout, H5P_DEFAULT));
  H5_TRY(c, *out >= 0, "cannot create");
  return CVY_OK;
}

static cvy_err write_all(call *c, hid_t type, const void *values, int dim_count, const int64_t dims[]) {
  hid_t dataset;
  CVY_TRY(create_dataset(&dataset, c, type, dim_count, dims));
  H5_TRY(c, H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0, "cannot write");
  return CVY_OK;
}

cvy_err cvy_h5_write(cvy_h5 *file, const char *name, cvy_h5_type type, const void *values, int dim_count,
                     const int64_t dims[]) {
  call c = enter(file, name);
  return leave(&c, write_all(&c, native_type(type), values, dim_count, dims));
}

cvy_err cvy_h5_reserve(cvy_h5 *file, const char *name, cvy_h5_type type, int dim_count,
                       const int64_t dims[]) {
  call c = enter(file, name);
  hid_t dataset;
  return leave(&c, create_dataset(&dataset, &c, native_type(type), dim_count, dims));
}

/* The rows first ... first+count-1 as a selection of the dataset, and their shape in memory. */
static cvy_err select_rows(call *c, hid_t dataset, int64_t first, int64_t count, hid_t *in_file,
                           hid_t *in_memory) {
  extent e;
  CVY_TRY(get_extent(&e, c, dataset));
  if (e.dim_count == 0 || first < 0 || count < 0 || first > (int64_t)e.dims[0] - count)
    return cvy_error(CVY_E_INPUT, "%s: dataset '%s' does not have %lld rows from row %lld on", c->file->path,
                     c->name, (long long)count, (long long)first);
  hsize_t start[CVY_H5_MAX_DIMS] = {(hsize_t)first};
  e.dims[0] = (hsize_t)count;
  *in_file = e.space;
  *in_memory = keep(c, H5Screate_simple(e.dim_count, e.dims, NULL));
  H5_TRY(c, *in_memory >= 0, "cannot select rows");
  H5_TRY(c, H5Sselect_hyperslab(e.space, H5S_SELECT_SET, start, NULL, e.dims, NULL) >= 0,
         "cannot select rows");
  return CVY_OK;
}

static cvy_err read_rows(call *c, cvy_h5_type type, void *out, int64_t first, int64_t count) {
  hid_t dataset, in_file, in_memory;
  CVY_TRY(open_dataset(&dataset, c));
  CVY_TRY(select_rows(c, dataset, first, count, &in_file, &in_memory));
  H5_TRY(c, H5Dread(dataset, native_type(type), in_memory, in_file, H5P_DEFAULT, out) >= 0, "cannot read");
  return CVY_OK;
}

cvy_err cvy_h5_read_rows(cvy_h5 *file, const char *name, cvy_h5_type type, void *out, int64_t first,
                         int64_t count) {
  call c = enter(file, name);
  return leave(&c, read_rows(&c, type, out, first, count));
}

static cvy_err write_rows(call *c, cvy_h5_type type, const void *values, int64_t first, int64_t count) {
  hid_t dataset, in_file, in_memory;
  CVY_TRY(open_dataset(&dataset, c));
  CVY_TRY(select_rows(c, dataset, first, count, &in_file, &in_memory));
  H5_TRY(c, H5Dwrite(dataset, native_type(type), in_memory, in_file, H5P_DEFAULT, values) >= 0,
         "cannot write");
  return CVY_OK;
}

cvy_err cvy_h5_write_rows(cvy_h5 *file, const char *name, cvy_h5_type type, const void *values, int64_t first,
                          int64_t count) {
  call c = enter(file, name);
  return leave(&c, write_rows(&c, type, values, first, count));
}

static int64_t file_offset(call *c, cvy_h5_type type) {
  const hid_t dataset = keep(c, H5Dopen2(c->file->id, c->name, H5P_DEFAULT));
  if (dataset < 0) return -1;
  const hid_t layout = keep(c, H5Dget_create_plist(dataset));
  const hid_t stored = keep(c, H5Dget_type(dataset));
  if (layout < 0 || stored < 0 || H5Pget_layout(layout) != H5D_CONTIGUOUS ||
      H5Pget_external_count(layout) != 0 || H5Tequal(stored, native_type(type)) <= 0)
    return -1;
  const haddr_t offset = H5Dget_offset(dataset);
  return offset == HADDR_UNDEF || offset > INT64_MAX ? -1 : (int64_t)offset;
}

int64_t cvy_h5_file_offset(cvy_h5 *file, const char *name, cvy_h5_type type) {
  call c = enter(file, name);
  const int64_t offset = file_offset(&c, type);
  (void)leave(&c, CVY_OK);
  return offset;
}

/* ---- texts ---- */

static hid_t text_type(call *c, size_t bytes) {
  const hid_t type = keep(c, H5Tcopy(H5T_C_S1));
  const bool good = type >= 0 && H5Tset_size(type, bytes) >= 0 && H5Tset_cset(type, H5T_CSET_UTF8) >= 0 &&
                    H5Tset_strpad(type, H5T_STR_NULLPAD) >= 0;
  return good ? type : H5I_INVALID_HID;
}

static cvy_err write_texts(call *c, const char *const *texts, int64_t count) {
  size_t width = 1;
  for (int64_t i = 0; i < count; i++)
    if (strlen(texts[i]) > width) width = strlen(texts[i]);
  const hid_t type = text_type(c, width);
  H5_TRY(c, type >= 0, "cannot create");
  char *block = cvy_new(width * (size_t)count);
  for (int64_t i = 0; i < count; i++) memcpy(block + width * (size_t)i, texts[i], strlen(texts[i]));
  const cvy_err err = write_all(c, type, block, 1, &count);
  free(block);
  return err;
}

cvy_err cvy_h5_write_texts(cvy_h5 *file, const char *name, const char *const *texts, int64_t count) {
  call c = enter(file, name);
  return leave(&c, write_texts(&c, texts, count));
}

/* One text of a fixed-length type, without its padding. */
static char *unpadded(cvy_pool *pool, const char *text, size_t width, H5T_str_t padding) {
  size_t length = strnlen(text, width);
  if (padding == H5T_STR_SPACEPAD)
    while (length > 0 && text[length - 1] == ' ') length--;
  return cvy_pool_format(pool, "%.*s", (int)length, text);
}

/* Reads all texts of a dataset or attribute through `read`, which is H5Dread or H5Aread by another name. */
typedef herr_t (*text_reader)(hid_t from, hid_t memory_type, void *out);

static herr_t read_from_dataset(hid_t from, hid_t memory_type, void *out) {
  return H5Dread(from, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out);
}

static herr_t read_from_attribute(hid_t from, hid_t memory_type, void *out) {
  return H5Aread(from, memory_type, out);
}

static cvy_err read_text_block(call *c, text_reader read, hid_t from, hid_t type, hid_t space, char **texts,
                               int64_t count, cvy_pool *pool) {
  const bool varies = H5Tis_variable_str(type) > 0;
  const size_t width = varies ? sizeof(char *) : H5Tget_size(type);
  const hid_t memory_type = keep(c, H5Tcopy(type));
  H5_TRY(c, memory_type >= 0 && width > 0 && width <= INT_MAX, "cannot read its texts");
  char *block = calloc((size_t)count + 1, width);
  if (!block) return cvy_error(CVY_E_SYSTEM, "%s: out of memory for its texts", c->file->path);
  if (read(from, memory_type, block) < 0) {
    free(block);
    return failed(c, "cannot read its texts");
  }
  char **pointers = (char **)(void *)block;
  for (int64_t i = 0; i < count; i++)
    texts[i] = varies ? cvy_pool_format(pool, "%s", pointers[i] ? pointers[i] : "")
                      : unpadded(pool, block + width * (size_t)i, width, H5Tget_strpad(type));
  if (varies) H5Dvlen_reclaim(memory_type, space, H5P_DEFAULT, block);
  free(block);
  return CVY_OK;
}

static cvy_err read_texts(call *c, char ***out, int64_t *count, cvy_pool *pool) {
  hid_t dataset;
  extent e;
  CVY_TRY(open_dataset(&dataset, c));
  CVY_TRY(get_extent(&e, c, dataset));
  const hid_t type = keep(c, H5Dget_type(dataset));
  H5_TRY(c, type >= 0, "cannot read its type");
  const int64_t plausible = H5Dget_storage_size(dataset) <= INT64_MAX ? (int64_t)H5Dget_storage_size(dataset)
                                                                      : 0;
  if (H5Tget_class(type) != H5T_STRING || e.dim_count != 1 || e.count > plausible)
    return cvy_error(CVY_E_INPUT, "%s: dataset '%s' is not a list of texts", c->file->path, c->name);
  *out = cvy_pool_new(pool, sizeof(char *) * (size_t)e.count);
  *count = e.count;
  return read_text_block(c, read_from_dataset, dataset, type, e.space, *out, e.count, pool);
}

cvy_err cvy_h5_read_texts(cvy_h5 *file, const char *name, char ***out, int64_t *count, cvy_pool *pool) {
  call c = enter(file, name);
  return leave(&c, read_texts(&c, out, count, pool));
}

static cvy_err read_text(call *c, int64_t index, char **out, cvy_pool *pool) {
  hid_t dataset, in_file, in_memory;
  extent e;
  CVY_TRY(open_dataset(&dataset, c));
  CVY_TRY(get_extent(&e, c, dataset));
  const hid_t type = keep(c, H5Dget_type(dataset));
  if (type < 0 || H5Tget_class(type) != H5T_STRING || H5Tis_variable_str(type) > 0 || e.dim_count != 1)
    return cvy_error(CVY_E_INPUT, "%s: dataset '%s' is not a list of texts", c->file->path, c->name);
  CVY_TRY(select_rows(c, dataset, index, 1, &in_file, &in_memory));
  const size_t width = H5Tget_size(type);
  char *text = cvy_pool_new(pool, width + 1);
  H5_TRY(c, H5Dread(dataset, type, in_memory, in_file, H5P_DEFAULT, text) >= 0, "cannot read");
  *out = unpadded(pool, text, width, H5Tget_strpad(type));
  return CVY_OK;
}

cvy_err cvy_h5_read_text(cvy_h5 *file, const char *name, int64_t index, char **out, cvy_pool *pool) {
  call c = enter(file, name);
  return leave(&c, read_text(&c, index, out, pool));
}

/* ---- attributes ---- */

static cvy_err open_object(hid_t *out, call *c) {
  *out = keep(c, H5Oopen(c->file->id, c->name[0] ? c->name : "/", H5P_DEFAULT));
  H5_TRY(c, *out >= 0, "cannot open");
  return CVY_OK;
}

/* The object's name stands in the messages of failed(); the attribute's comes from here. */
static cvy_err attribute_failed(call *c, const char *name, const char *verb) {
  char doing[160];
  snprintf(doing, sizeof doing, "cannot %s attribute '%.100s'", verb, name);
  return failed(c, doing);
}

static cvy_err write_attribute(call *c, const char *name, hid_t type, const void *value) {
  hid_t object;
  CVY_TRY(open_object(&object, c));
  const hid_t space = keep(c, H5Screate(H5S_SCALAR));
  if (space < 0 || type < 0) return attribute_failed(c, name, "write");
  const hid_t attribute = keep(c, H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT));
  if (attribute < 0 || H5Awrite(attribute, type, value) < 0) return attribute_failed(c, name, "write");
  return CVY_OK;
}

cvy_err cvy_h5_write_attr_text(cvy_h5 *file, const char *on, const char *name, const char *text) {
  call c = enter(file, on);
  const hid_t type = text_type(&c, strlen(text) ? strlen(text) : 1);
  return leave(&c, write_attribute(&c, name, type, text));
}

cvy_err cvy_h5_write_attr_i64(cvy_h5 *file, const char *on, const char *name, int64_t value) {
  call c = enter(file, on);
  return leave(&c, write_attribute(&c, name, H5T_NATIVE_INT64, &value));
}

cvy_err cvy_h5_write_attr_f64(cvy_h5 *file, const char *on, const char *name, double value) {
  call c = enter(file, on);
  return leave(&c, write_attribute(&c, name, H5T_NATIVE_DOUBLE, &value));
}

/* Opens an attribute of one value. */
static cvy_err open_attribute(hid_t *out, hid_t *space, call *c, const char *name) {
  hid_t object;
  CVY_TRY(open_object(&object, c));
  if (H5Aexists(object, name) <= 0)
    return cvy_error(CVY_E_INPUT, "%s: %s%s%sattribute '%s' is missing", c->file->path,
                     c->name[0] ? "dataset '" : "", c->name, c->name[0] ? "': " : "", name);
  *out = keep(c, H5Aopen(object, name, H5P_DEFAULT));
  if (*out < 0) return attribute_failed(c, name, "open");
  *space = keep(c, H5Aget_space(*out));
  if (H5Sget_simple_extent_npoints(*space) != 1)
    return cvy_error(CVY_E_INPUT, "%s: attribute '%s' is not one value", c->file->path, name);
  return CVY_OK;
}

static cvy_err read_attribute(call *c, const char *name, hid_t type, void *out) {
  hid_t attribute, space;
  CVY_TRY(open_attribute(&attribute, &space, c, name));
  if (H5Aread(attribute, type, out) < 0) return attribute_failed(c, name, "read");
  return CVY_OK;
}

cvy_err cvy_h5_read_attr_i64(cvy_h5 *file, const char *on, const char *name, int64_t *out) {
  call c = enter(file, on);
  return leave(&c, read_attribute(&c, name, H5T_NATIVE_INT64, out));
}

cvy_err cvy_h5_read_attr_f64(cvy_h5 *file, const char *on, const char *name, double *out) {
  call c = enter(file, on);
  return leave(&c, read_attribute(&c, name, H5T_NATIVE_DOUBLE, out));
}

static cvy_err read_attribute_text(call *c, const char *name, char **out, cvy_pool *pool) {
  hid_t attribute, space;
  CVY_TRY(open_attribute(&attribute, &space, c, name));
  const hid_t type = keep(c, H5Aget_type(attribute));
  if (type < 0 || H5Tget_class(type) != H5T_STRING)
    return cvy_error(CVY_E_INPUT, "%s: attribute '%s' is not a text", c->file->path, name);
  return read_text_block(c, read_from_attribute, attribute, type, space, out, 1, pool);
}

cvy_err cvy_h5_read_attr_text(cvy_h5 *file, const char *on, const char *name, char **out, cvy_pool *pool) {
  call c = enter(file, on);
  return leave(&c, read_attribute_text(&c, name, out, pool));
}

bool cvy_h5_has_attr(cvy_h5 *file, const char *on, const char *name) {
  call c = enter(file, on);
  const bool has = H5Aexists_by_name(file->id, on[0] ? on : "/", name, H5P_DEFAULT) > 0;
  (void)leave(&c, CVY_OK);
  return has;
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

static cvy_err list_datasets(call *c, names *all) {
  H5_TRY(c, H5Ovisit2(c->file->id, H5_INDEX_NAME, H5_ITER_INC, note_dataset, all, H5O_INFO_BASIC) >= 0,
         "cannot list its datasets");
  return CVY_OK;
}

cvy_err cvy_h5_visit(cvy_h5 *file, void (*visit)(void *context, const char *name), void *context) {
  names all = {.pool = cvy_pool_create()};
  all.end = &all.first;
  call c = enter(file, "");
  const cvy_err err = leave(&c, list_datasets(&c, &all));
  for (const struct node *node = all.first; node && !err; node = node->next) visit(context, node->name);
  cvy_pool_destroy(all.pool);
  return err;
}

const char *cvy_h5_version(void) {
  static char text[32];
  call c = enter(NULL, "");
  unsigned major = 0, minor = 0, patch = 0;
  H5get_libversion(&major, &minor, &patch);
  snprintf(text, sizeof text, "%u.%u.%u", major, minor, patch);
  (void)leave(&c, CVY_OK);
  return text;
}
