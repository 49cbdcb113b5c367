/* Opening, creating and closing HDF5 files.
 *
 * HDF5's answer to a full disk is a file that cannot be closed, and a crash when the process ends. So a
 * file that failed is first cut off from the disk: its descriptor is made to point at anonymous memory,
 * where the rest of HDF5's writes succeed and vanish. The library's own exit handler is never installed. */
#define _GNU_SOURCE /* memfd_create */
#include "file/h5.h"
#include "file/h5_call.h"
#include "file/whole.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LARGE_BYTES = 64 * 1024, PAGE_BYTES = 4096 };

static cvy_h5 *new_file(const char *path, bool temporary, bool writing) {
  cvy_h5 *file = cvy_new(sizeof *file);
  file->id = file->held = H5I_INVALID_HID;
  file->path = cvy_format("%s", path);
  file->disk_path = temporary ? cvy_whole_place(path) : cvy_format("%s", path);
  file->writing = writing;
  return file;
}

static void free_file(cvy_h5 *file) {
  free((char *)file->held_name);
  free((char *)file->path);
  free((char *)file->disk_path);
  free(file);
}

/* Reading needs no lock, and clusters' file systems often refuse one. Large datasets begin on a page. */
static hid_t access_properties(cvy_h5_call *c) {
  const hid_t fapl = cvy_h5_keep(c, H5Pcreate(H5P_FILE_ACCESS));
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

static cvy_err open_existing(cvy_h5_call *c) {
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

hid_t cvy_h5_open_id(const char *path) {
  cvy_h5_call c = {0}; /* to keep the properties */
  const hid_t fapl = access_properties(&c);
  const hid_t id = fapl < 0 ? H5I_INVALID_HID : H5Fopen(path, H5F_ACC_RDONLY, fapl);
  while (c.count > 0) H5Idec_ref(c.ids[--c.count]);
  return id;
}

static cvy_err create_new(cvy_h5_call *c) {
  cvy_h5 *file = c->file;
  const hid_t fapl = access_properties(c);
  const hid_t fcpl = cvy_h5_keep(c, H5Pcreate(H5P_FILE_CREATE));
  /* Files store no times, so that the same contents are the same bytes. */
  H5_TRY(c, fapl >= 0 && fcpl >= 0 && H5Pset_obj_track_times(fcpl, false) >= 0, "cannot create");
  /* This is a new file, for the one of that name may still be open to a process of a job that was killed. */
  if (cvy_whole_inode(file->disk_path) != 0) unlink(file->disk_path);
  file->id = H5Fcreate(file->disk_path, H5F_ACC_TRUNC, fcpl, fapl);
  H5_TRY(c, file->id >= 0, "cannot create");
  file->inode = cvy_whole_inode(file->disk_path);
  return CVY_OK;
}

static cvy_err open_with(cvy_h5 **out, cvy_h5 *file, cvy_err (*how)(cvy_h5_call *c)) {
  cvy_h5_call c = cvy_h5_enter(file, "");
  const cvy_err err = cvy_h5_leave(&c, how(&c));
  *out = err ? NULL : file;
  if (err) free_file(file);
  return err;
}

cvy_err cvy_h5_open(cvy_h5 **out, const char *path) {
  return open_with(out, new_file(path, false, false), open_existing);
}

cvy_err cvy_h5_open_unpacked(cvy_h5 **out, const char *place, const char *path) {
  cvy_h5 *file = new_file(path, false, false);
  free((char *)file->disk_path);
  file->disk_path = cvy_format("%s", place);
  return open_with(out, file, open_existing);
}

cvy_err cvy_h5_open_for_writing(cvy_h5 **out, const char *path) {
  return open_with(out, new_file(path, false, true), open_existing);
}

cvy_err cvy_h5_create(cvy_h5 **out, const char *path) {
  return open_with(out, new_file(path, false, true), create_new);
}

cvy_err cvy_h5_begin(cvy_h5 **out, const char *path) {
  const cvy_err err = open_with(out, new_file(path, true, true), create_new);
  if (err) cvy_whole_withdraw(path); /* an empty file may have come to stand there */
  return err;
}

cvy_err cvy_h5_resume(cvy_h5 **out, const char *path) {
  return open_with(out, new_file(path, true, true), open_existing);
}

const char *cvy_h5_path(const cvy_h5 *file) {
  return file->path;
}

/* Makes HDF5 write into memory that nobody sees, from here on. */
static void cut_off_from_disk(cvy_h5 *file) {
  int *fd;
  const int memory = memfd_create("convoy-abandoned", MFD_CLOEXEC);
  if (memory < 0) return;
  if (H5Fget_vfd_handle(file->id, H5P_DEFAULT, (void **)&fd) >= 0) dup2(memory, *fd);
  close(memory);
}

void cvy_h5_discard(cvy_h5 *file) {
  if (!file) return;
  cvy_h5_call c = cvy_h5_enter(file, "");
  if (file->writing) cut_off_from_disk(file);
  if (file->held >= 0) H5Dclose(file->held);
  H5Fclose(file->id);
  (void)cvy_h5_leave(&c, CVY_OK);
  free_file(file);
}

cvy_err cvy_h5_close(cvy_h5 *file) {
  cvy_h5_call c = cvy_h5_enter(file, "");
  cvy_err err = CVY_OK;
  if (file->writing && H5Fflush(file->id, H5F_SCOPE_GLOBAL) < 0) {
    err = cvy_h5_failed(&c, "cannot write");
    cut_off_from_disk(file);
  }
  if (file->held >= 0) H5Dclose(file->held);
  if (H5Fclose(file->id) < 0 && !err) err = cvy_h5_failed(&c, "cannot close");
  err = cvy_h5_leave(&c, err);
  if (!err && file->writing) err = cvy_whole_sync(file->disk_path, file->inode, file->path);
  free_file(file);
  return err;
}

cvy_err cvy_h5_commit(cvy_h5 *file) {
  char *path = cvy_format("%s", file->path);
  cvy_err err = cvy_h5_close(file);
  if (!err) err = cvy_whole_publish(path);
  if (err) cvy_whole_withdraw(path);
  free(path);
  return err;
}

void cvy_h5_rollback(cvy_h5 *file) {
  if (!file) return;
  char *path = cvy_format("%s", file->path);
  cvy_h5_discard(file);
  cvy_whole_withdraw(path);
  free(path);
}
