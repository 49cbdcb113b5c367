/* The files beneath one root, which is a folder or an archive. */
#ifndef CVY_ARCHIVE_FILE_TREE_H
#define CVY_ARCHIVE_FILE_TREE_H

#include "archive/tarball.h"
#include "file/bytes.h"

/* Tells whether a path is passed over: one of its names is hidden ('.' in front), or is one that systems
 * leave behind beside people's files (Thumbs.db, desktop.ini, __MACOSX and the like). */
bool cvy_is_passed_over(const char *name);

/* Names are paths from the root ("cat/1.jpg") in byte order. What is passed over is left out. */
typedef struct cvy_file_tree {
  cvy_pool *pool;
  const char *path; /* without '/' at its end */
  int fd;           /* the archive's; -1: a folder */
  bool top_only;    /* only what stands in the root itself is listed */
  cvy_members members;
  uint64_t identity[4];
  int users;
} cvy_file_tree;

/* Opens a folder or an archive. It is an error if nothing is there, if it is unreadable or damaged, if a link
 * leads back to a folder that it lies in, or if two members have one name. */
cvy_err cvy_file_tree_open(cvy_file_tree **out, const char *path) CVY_MUST_CHECK;
/* Opens a folder without entering the folders in it: they are members, and what they hold is not. */
cvy_err cvy_file_tree_open_top(cvy_file_tree **out, const char *path) CVY_MUST_CHECK;
/* Opens one plain file as the only member of its folder. */
cvy_err cvy_file_tree_open_file(cvy_file_tree **out, const char *path) CVY_MUST_CHECK;
void cvy_file_tree_close(cvy_file_tree *tree); /* NULL is allowed */
/* Keeps an archive open beyond its last cvy_file_tree_close, until another is kept. Opening the same file
 * again then gives the same tree, so a compressed archive with several splits is decompressed once. Only
 * one thread may open, close and keep. */
void cvy_file_tree_keep(cvy_file_tree *tree);

/* Finds the member whose name is the first `length` bytes of `name`; NULL if there is none. */
const cvy_member *cvy_file_tree_find(const cvy_file_tree *tree, const char *name, size_t length);
/* These read the whole file, or `count` of its bytes from `offset` on. Any number of threads may read at
 * once. */
cvy_err cvy_file_tree_read(cvy_bytes *out, const cvy_file_tree *tree,
                           const cvy_member *member) CVY_MUST_CHECK;
cvy_err cvy_file_tree_read_at(void *out, const cvy_file_tree *tree, const cvy_member *member, int64_t offset,
                              size_t count) CVY_MUST_CHECK;
/* Writes the name that errors use: "folder/cat/1.jpg" or "pets.tar: cat/1.jpg". */
void cvy_file_tree_name(char *out, size_t room, const cvy_file_tree *tree, const cvy_member *member);

/* Splits an input as users write it: PATH, or PATH:PART for what lies in it under the name PART. *part is
 * NULL if none is said. *path is in `pool` or is `input` itself, and *part lies in `input`. */
void cvy_split_input(const char **path, const char **part, cvy_pool *pool, const char *input);

#endif
