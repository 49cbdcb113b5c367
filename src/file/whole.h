/* Whole files, and the folders that they stand in.
 *
 * A whole file stands under its name only when all of it is on the disk. Until then it is written under a
 * temporary name beside it (PATH.tmp). At the end the file is synced, renamed over what stood there
 * before, and its folder is synced, for a name is on the disk only when its folder is. Whatever goes wrong
 * on the way, the earlier file stays as it was and the temporary one goes. So a reader, or a run after a
 * crash, finds the old file or the new one. */
#ifndef CVY_FILE_WHOLE_H
#define CVY_FILE_WHOLE_H

#include "base/base.h"

/* ---- whole files ---- */

/* A file on its way. Every error is CVY_E_SYSTEM and names the file, but that an HDF5 file stands there, a
 * checkpoint or a dataset, is CVY_E_INPUT: no text or picture replaces it. */
typedef struct cvy_whole {
  FILE *stream;      /* where to write; a failed write need not be looked at before the commit */
  const char *path;  /* the name in the end; of a symbolic link, of what it leads to */
  const char *place; /* where it is written meanwhile; the same as `path` where that is a pipe or a device */
  uint64_t inode;
} cvy_whole;

cvy_err cvy_whole_begin(cvy_whole **out, const char *path) CVY_MUST_CHECK;
/* Puts the file under its name, and frees the handle. On an error the handle is freed, too, and the temporary
 * file is removed. */
cvy_err cvy_whole_commit(cvy_whole *file) CVY_MUST_CHECK;
void cvy_whole_rollback(cvy_whole *file); /* NULL is allowed */

/* These do all of it in one call. */
cvy_err cvy_whole_write(const char *path, const void *bytes, size_t count) CVY_MUST_CHECK;
cvy_err cvy_whole_write_text(const char *path, const char *text) CVY_MUST_CHECK;

/* ---- the steps, for files that a library writes, and for files that come to stand together ---- */

/* Returns the temporary name of `path`, to be freed. */
char *cvy_whole_place(const char *path);
/* Returns a number that tells the regular file at `place` from any other; 0 if there is none. */
uint64_t cvy_whole_inode(const char *place);
/* Syncs the closed file at `place`. If `inode` is not 0, another file in its place is an error: two
 * processes write the same. `path` is for the message. */
cvy_err cvy_whole_sync(const char *place, uint64_t inode, const char *path) CVY_MUST_CHECK;
/* Renames the synced temporary file to `path`, the name in the end, and syncs the folder. */
cvy_err cvy_whole_publish(const char *path) CVY_MUST_CHECK;
/* Removes the temporary file, if there is one. */
void cvy_whole_withdraw(const char *path);
/* Renames; the folder of `to` is still to be synced. */
cvy_err cvy_whole_rename(const char *from, const char *to) CVY_MUST_CHECK;

/* ---- folders ---- */

/* Makes a folder with its parents, unless it is there. *made (NULL: not wanted) tells whether the last one
 * is new. An error says what stands in the way: CVY_E_INPUT, or CVY_E_SYSTEM where the disk is full or
 * read-only. */
cvy_err cvy_make_folder(bool *made, const char *path) CVY_MUST_CHECK;
/* Puts the names in a folder on the disk. Where a file system cannot do that, nothing is done. */
cvy_err cvy_sync_folder(const char *path) CVY_MUST_CHECK;
/* Removes the files in a folder, and then the folder. Nothing happens where there is none. */
void cvy_remove_folder(const char *path);

#endif
