/* Tests whole files: what stands on the disk after each way in which writing can go, and that it was
 * synced. */
#define _GNU_SOURCE /* syscall, and mount flags */
#include "file/bytes.h"
#include "file/whole.h"
#include "file/h5.h"

#include "scratch.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>

/* ---- fsync, counted ---- */

static int file_syncs, folder_syncs;
/* Renames before the first sync of a file: a name must not come before its content. */
static int renames_before_sync;
static bool sync_fails;

/* Takes the place of the C library's. */
int fsync(int fd) {
  struct stat info;
  if (fstat(fd, &info) == 0 && S_ISDIR(info.st_mode))
    folder_syncs++;
  else
    file_syncs++;
  if (sync_fails) {
    errno = EIO;
    return -1;
  }
  return (int)syscall(SYS_fsync, fd);
}

int rename(const char *from, const char *to) {
  renames_before_sync += file_syncs == 0;
  return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

static void forget_syncs(void) {
  file_syncs = folder_syncs = renames_before_sync = 0;
}

/* ---- folders of their own ---- */

static char dir[400];

static const char *in_dir(const char *name) {
  static char paths[8][500];
  static int next;
  char *path = paths[next++ % 8];
  snprintf(path, sizeof paths[0], "%s/%s", dir, name);
  return path;
}

static void new_dir(const char *name) {
  snprintf(dir, sizeof dir, "%s/%s", scratch_folder(), name);
  mkdir(dir, 0777);
}

static bool holds(const char *path, const char *expected) {
  size_t count;
  if (!scratch_exists(path)) return false;
  char *found = scratch_read(path, &count);
  const bool same = count == strlen(expected) && memcmp(found, expected, count) == 0;
  free(found);
  return same;
}

/* ---- tests ---- */

static void written_synced_and_renamed(void) {
  new_dir("written");
  const char *path = in_dir("a.txt");
  forget_syncs();
  CU_ASSERT_EQUAL(cvy_whole_write_text(path, "first"), CVY_OK);
  CU_ASSERT(file_syncs == 1 && folder_syncs == 1 && renames_before_sync == 0);
  CU_ASSERT(holds(path, "first"));
  CU_ASSERT_EQUAL(cvy_whole_write(path, "sec\0nd", 6), CVY_OK);
  CU_ASSERT(file_syncs == 2 && folder_syncs == 2);
  CU_ASSERT_EQUAL(scratch_count(dir), 1);
  size_t count;
  char *found = scratch_read(path, &count);
  CU_ASSERT(count == 6 && memcmp(found, "sec\0nd", 6) == 0);
  free(found);
  CU_ASSERT_EQUAL(cvy_whole_write_text(path, ""), CVY_OK);
  CU_ASSERT(holds(path, ""));
}

/* Until the commit the old file stands, and after a rollback as well. */
static void not_before_the_commit(void) {
  new_dir("commit");
  const char *path = in_dir("a.txt");
  cvy_whole *file;
  scratch_write(path, "old", 3);
  CU_ASSERT_EQUAL_FATAL(cvy_whole_begin(&file, path), CVY_OK);
  CU_ASSERT_STRING_EQUAL(file->place, in_dir("a.txt.tmp"));
  fputs("new", file->stream);
  fflush(file->stream);
  CU_ASSERT(holds(path, "old") && scratch_count(dir) == 2);
  cvy_whole_rollback(file);
  CU_ASSERT(holds(path, "old") && scratch_count(dir) == 1);
  CU_ASSERT_EQUAL_FATAL(cvy_whole_begin(&file, path), CVY_OK);
  fputs("new", file->stream);
  CU_ASSERT_EQUAL(cvy_whole_commit(file), CVY_OK);
  CU_ASSERT(holds(path, "new") && scratch_count(dir) == 1);
  cvy_whole_rollback(NULL);
}

/* Bytes that a killed process has left do not get into the new file. */
static void leftovers(void) {
  new_dir("leftovers");
  scratch_write(in_dir("a.txt.tmp"), "half of something long", 22);
  CU_ASSERT_EQUAL(cvy_whole_write_text(in_dir("a.txt"), "short"), CVY_OK);
  CU_ASSERT(holds(in_dir("a.txt"), "short") && scratch_count(dir) == 1);
}

static void two_writers_of_one_file(void) {
  new_dir("two");
  cvy_whole *first, *second;
  CU_ASSERT_EQUAL_FATAL(cvy_whole_begin(&first, in_dir("a.txt")), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_whole_begin(&second, in_dir("a.txt")), CVY_OK);
  fputs("first", first->stream);
  fputs("second", second->stream);
  CU_ASSERT_EQUAL(cvy_whole_commit(first), CVY_E_SYSTEM);
  CU_ASSERT(says("a.txt: another process has begun to write it, too"));
  CU_ASSERT_FALSE(scratch_exists(in_dir("a.txt")));
  cvy_whole_rollback(second);
}

static void full_disk(void) {
  const char *disk = scratch_small_disk("full_disk");
  if (!disk) return;
  char *big = calloc(1, 2 << 20), path[400];
  snprintf(path, sizeof path, "%s/a.txt", disk);
  CU_ASSERT_EQUAL(cvy_whole_write_text(path, "old"), CVY_OK);
  CU_ASSERT_EQUAL(cvy_whole_write(path, big, 2 << 20), CVY_E_SYSTEM);
  CU_ASSERT(says(path) && says("cannot be written: No space left on device"));
  CU_ASSERT(holds(path, "old") && scratch_count(disk) == 1);
  /* Now the file is written piece by piece, without a look at what each write returns. */
  cvy_whole *file;
  CU_ASSERT_EQUAL_FATAL(cvy_whole_begin(&file, path), CVY_OK);
  for (int i = 0; i < 2048; i++) fwrite(big, 1, 1000, file->stream);
  CU_ASSERT_EQUAL(cvy_whole_commit(file), CVY_E_SYSTEM);
  CU_ASSERT(says("cannot be written: "));
  CU_ASSERT(holds(path, "old") && scratch_count(disk) == 1);
  free(big);
}

static void sync_that_fails(void) {
  new_dir("sync");
  scratch_write(in_dir("a.txt"), "old", 3);
  sync_fails = true;
  const cvy_err err = cvy_whole_write_text(in_dir("a.txt"), "new");
  sync_fails = false;
  CU_ASSERT_EQUAL(err, CVY_E_SYSTEM);
  CU_ASSERT(says("a.txt: cannot be written: Input/output error"));
  CU_ASSERT(holds(in_dir("a.txt"), "old") && scratch_count(dir) == 1);
}

/* Root may write everywhere, so a read-only disk stands for a folder without permission. */
static void read_only_place(void) {
  new_dir("read-only");
  char path[500];
  snprintf(path, sizeof path, "%s/a.txt", dir);
  if (mount("none", dir, "tmpfs", 0, "size=64k") != 0) {
    printf("skipped: read_only_place (cannot mount)\n");
    return;
  }
  scratch_write(path, "old", 3);
  CU_ASSERT_EQUAL_FATAL(mount("none", dir, "tmpfs", MS_REMOUNT | MS_RDONLY, "size=64k"), 0);
  CU_ASSERT_EQUAL(cvy_whole_write_text(path, "new"), CVY_E_SYSTEM);
  CU_ASSERT(says(path) && says("cannot be written: Read-only file system"));
  CU_ASSERT(holds(path, "old") && scratch_count(dir) == 1);
  CU_ASSERT_EQUAL(cvy_make_folder(NULL, in_dir("deeper")), CVY_E_SYSTEM);
  CU_ASSERT(says("deeper: cannot make the folder: Read-only file system"));
  umount(dir);
}

static void places_that_are_none(void) {
  new_dir("places");
  cvy_whole *file;
  CU_ASSERT_EQUAL(cvy_whole_begin(&file, in_dir("nowhere/a.txt")), CVY_E_SYSTEM);
  CU_ASSERT_PTR_NULL(file);
  CU_ASSERT(says("nowhere/a.txt: cannot be written: No such file or directory"));
  CU_ASSERT_EQUAL(cvy_whole_begin(&file, dir), CVY_E_SYSTEM);
  CU_ASSERT(says("cannot be written: Is a directory"));
  mkdir(in_dir("b.txt.tmp"), 0777);
  CU_ASSERT_EQUAL(cvy_whole_begin(&file, in_dir("b.txt")), CVY_E_SYSTEM);
  CU_ASSERT(says("b.txt: cannot be written: Is a directory"));
}

/* Checkpoints and datasets stay, whatever the name of a text or picture; MATLAB's begin later in the file. */
static void an_hdf5_file_is_not_replaced(void) {
  static const char signature[] = "\x89HDF\r\n\x1a\n";
  char bytes[600] = "MATLAB 7.3";
  new_dir("kept");
  cvy_whole *file;
  scratch_write(in_dir("best.h5"), signature, sizeof signature);
  memcpy(bytes + 512, signature, sizeof signature);
  scratch_write(in_dir("set.mat"), bytes, sizeof bytes);
  CU_ASSERT_EQUAL(cvy_whole_write_text(in_dir("best.h5"), "text"), CVY_E_INPUT);
  CU_ASSERT(says("best.h5: an HDF5 file stands there, a checkpoint or a dataset, and is not replaced"));
  CU_ASSERT_EQUAL(cvy_whole_begin(&file, in_dir("set.mat")), CVY_E_INPUT);
  CU_ASSERT_PTR_NULL(file);
  CU_ASSERT(cvy_is_hdf5(in_dir("best.h5")) && cvy_is_hdf5(in_dir("set.mat")));
  CU_ASSERT(!scratch_exists(in_dir("best.h5.tmp")));
}

/* A link goes on to lead to the file. A pipe is no file that could be replaced, nor synced. */
static void links_and_pipes(void) {
  new_dir("links");
  mkdir(in_dir("far"), 0777);
  scratch_write(in_dir("far/a.txt"), "old", 3);
  CU_ASSERT_EQUAL_FATAL(symlink("far/a.txt", in_dir("link.txt")), 0);
  CU_ASSERT_EQUAL(cvy_whole_write_text(in_dir("link.txt"), "new"), CVY_OK);
  CU_ASSERT(holds(in_dir("far/a.txt"), "new") && scratch_count(in_dir("far")) == 1);
  struct stat info;
  CU_ASSERT(lstat(in_dir("link.txt"), &info) == 0 && S_ISLNK(info.st_mode));

  char got[8] = "";
  CU_ASSERT_EQUAL_FATAL(mkfifo(in_dir("pipe"), 0600), 0);
  const int fd = open(in_dir("pipe"), O_RDONLY | O_NONBLOCK);
  CU_ASSERT_EQUAL(cvy_whole_write_text(in_dir("pipe"), "text"), CVY_OK);
  CU_ASSERT(read(fd, got, 4) == 4 && strcmp(got, "text") == 0);
  CU_ASSERT(stat(in_dir("pipe"), &info) == 0 && S_ISFIFO(info.st_mode));
  close(fd);
}

static void steps(void) {
  new_dir("steps");
  const char *path = in_dir("a.txt");
  char *place = cvy_whole_place(path);
  CU_ASSERT_STRING_EQUAL(place, in_dir("a.txt.tmp"));
  CU_ASSERT_EQUAL(cvy_whole_inode(place), 0);
  CU_ASSERT_EQUAL(cvy_whole_publish(path), CVY_E_SYSTEM);
  CU_ASSERT(says("a.txt.tmp: cannot rename to its final name: No such file"));
  scratch_write(place, "text", 4);
  const uint64_t inode = cvy_whole_inode(place);
  forget_syncs();
  CU_ASSERT(inode != 0 && cvy_whole_sync(place, inode, path) == CVY_OK && file_syncs == 1);
  CU_ASSERT_EQUAL(cvy_whole_sync(place, inode + 1, path), CVY_E_SYSTEM);
  CU_ASSERT(says("a.txt: another process has begun to write it, too"));
  CU_ASSERT(cvy_whole_publish(path) == CVY_OK && folder_syncs == 1);
  CU_ASSERT(holds(path, "text") && scratch_count(dir) == 1);
  scratch_write(place, "more", 4);
  cvy_whole_withdraw(path);
  cvy_whole_withdraw(path);
  CU_ASSERT(holds(path, "text") && scratch_count(dir) == 1);
  free(place);
}

static void hdf5_files_too(void) {
  new_dir("hdf5");
  const int64_t one = 1;
  const uint8_t byte = 7;
  cvy_h5 *file;
  CU_ASSERT_EQUAL_FATAL(cvy_h5_begin(&file, in_dir("a.h5")), CVY_OK);
  CU_ASSERT_EQUAL(cvy_h5_write(file, "x", CVY_H5_U8, &byte, 1, &one), CVY_OK);
  CU_ASSERT(scratch_exists(in_dir("a.h5.tmp")) && !scratch_exists(in_dir("a.h5")));
  forget_syncs();
  CU_ASSERT_EQUAL(cvy_h5_commit(file), CVY_OK);
  CU_ASSERT(file_syncs >= 1 && folder_syncs == 1 && renames_before_sync == 0);
  CU_ASSERT(scratch_exists(in_dir("a.h5")) && scratch_count(dir) == 1);
}

static void folders(void) {
  new_dir("folders");
  bool made;
  CU_ASSERT(cvy_make_folder(&made, in_dir("a/b/c")) == CVY_OK && made);
  CU_ASSERT(cvy_make_folder(&made, in_dir("a/b/c")) == CVY_OK && !made);
  scratch_write(in_dir("a/file"), "x", 1);
  CU_ASSERT_EQUAL(cvy_make_folder(NULL, in_dir("a/file")), CVY_E_INPUT);
  CU_ASSERT(says("a/file: not a folder"));
  CU_ASSERT_EQUAL(cvy_make_folder(NULL, in_dir("a/file/b")), CVY_E_INPUT);
  CU_ASSERT(says("a/file/b: cannot make the folder: Not a directory"));
  CU_ASSERT_EQUAL(cvy_make_folder(NULL, ""), CVY_E_INPUT);
  CU_ASSERT_EQUAL(cvy_sync_folder(in_dir("nowhere")), CVY_E_SYSTEM);
  CU_ASSERT(says("nowhere: cannot sync: No such file or directory"));
  scratch_write(in_dir("a/b/c/x"), "x", 1);
  scratch_write(in_dir("a/b/c/.y"), "y", 1);
  cvy_remove_folder(in_dir("a/b/c"));
  cvy_remove_folder(in_dir("a/b/c"));
  CU_ASSERT(!scratch_exists(in_dir("a/b/c")) && scratch_exists(in_dir("a/b")));
}

SUITE("whole", TEST(written_synced_and_renamed), TEST(not_before_the_commit), TEST(leftovers),
      TEST(two_writers_of_one_file), TEST(full_disk), TEST(sync_that_fails), TEST(read_only_place),
      TEST(places_that_are_none), TEST(an_hdf5_file_is_not_replaced), TEST(links_and_pipes), TEST(steps),
      TEST(hdf5_files_too), TEST(folders))
