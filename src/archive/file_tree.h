/* The files beneath one root, which is a folder or an archive. */
#ifndef CVY_ARCHIVE_FILE_TREE_H
#define CVY_ARCHIVE_FILE_TREE_H

#include "archive/tarball.h"
#include "file/bytes.h"

/* Names are paths from the root, "cat/1.jpg", in byte order. Hidden ones ('.' in front), __MACOSX, and
 * what lies beneath them, are left out. */
typedef struct cvy_file_tree {
  cvy_pool *pool;
  const char *path;
  int fd; /* the archive's; -1: a folder */
  cvy_members members;
  uint64_t identity[4];
  int users;
} cvy_file_tree;

/* Errors: nothing there, unreadable, a damaged archive, two members of one name. */
cvy_err cvy_file_tree_open(cvy_file_tree **out, const char *path) CVY_MUST_CHECK;
/* One plain file as the only member of its folder. */
cvy_err cvy_file_tree_open_file(cvy_file_tree **out, const char *path) CVY_MUST_CHECK;
void cvy_file_tree_close(cvy_file_tree *tree); /* NULL is allowed */
/* Keeps an archive open beyond its last cvy_file_tree_close, until another is kept: opening the same file
 * again then gives the same tree, so that a compressed archive with several splits is decompressed once.
 * Open, close and keep are for one thread. */
void cvy_file_tree_keep(cvy_file_tree *tree);

/* NULL if there is none. `length` of `name`'s bytes count. */
const cvy_member *cvy_file_tree_find(const cvy_file_tree *tree, const char *name, size_t length);
/* The whole file, or `count` of its bytes from `offset` on; by any number of threads at once. */
cvy_err cvy_file_tree_read(cvy_bytes *out, const cvy_file_tree *tree,
                           const cvy_member *member) CVY_MUST_CHECK;
cvy_err cvy_file_tree_read_at(void *out, const cvy_file_tree *tree, const cvy_member *member, int64_t offset,
                              size_t count) CVY_MUST_CHECK;
/* How errors call it: "folder/cat/1.jpg" or "pets.tar: cat/1.jpg". */
void cvy_file_tree_name(char *out, size_t room, const cvy_file_tree *tree, const cvy_member *member);

/* An input as users write it: PATH, or PATH:PART for what lies in it under the name PART. *part is NULL if
 * none is said. Both in `pool`. */
void cvy_split_input(const char **path, const char **part, cvy_pool *pool, const char *input);

#endif
