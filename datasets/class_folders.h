/* Pictures in a tree of files, one folder a class: what the readers folder and tar share.
 *
 * Whatever lies below a class's folder, however deep, is of that class. Records go by class, then by path. */
#ifndef CVY_DATASETS_CLASS_FOLDERS_H
#define CVY_DATASETS_CLASS_FOLDERS_H

#include "archive/file_tree.h"
#include "base/classes.h"
#include "datasets/pictures.h"

typedef struct cvy_class_picture {
  const cvy_member *member;
  int32_t label;
} cvy_class_picture;

/* The state of such a reader. */
typedef struct cvy_class_folders {
  cvy_picture_state common;
  cvy_file_tree *tree;
  cvy_class_picture *pictures;
} cvy_class_folders;

/* Where the classes are in a tree, as its names tell it. */
typedef struct cvy_class_layout {
  const cvy_member **members;
  int64_t count;
  const char *above; /* the first `above_length` bytes of a name are what stands before its class */
  size_t above_length;
  bool flat; /* all pictures lie in one folder, and their own names tell the classes: "cat.1.jpg" */
} cvy_class_layout;

/* Finds the class of a member: *out and so many bytes behind it; 0 if it lies beside the classes. */
size_t cvy_class_of_member(const char **out, const cvy_class_layout *layout, const cvy_member *member);
/* Finds the classes; names that are not UTF-8 are in `encoding` (NULL: not known), which must outlive them.
 * It fails with CVY_E_INPUT for two folders that are one number. */
cvy_err cvy_class_folders_name(cvy_classes *out, cvy_pool *pool, const cvy_class_layout *layout,
                               const cvy_file_tree *tree, const char *encoding) CVY_MUST_CHECK;
/* Fills an opened source, whose state holds the tree: pictures, classes, and how many pictures each has.
 * Errors: those of the classes; no picture; splits in place of classes. */
cvy_err cvy_class_folders_fill(cvy_source *out, const cvy_class_layout *layout) CVY_MUST_CHECK;

/* The reader's functions. */
void cvy_class_folders_again(cvy_source *out, const cvy_source *first);
cvy_err cvy_class_folders_read(cvy_record *out, cvy_source *source, int64_t index) CVY_MUST_CHECK;
void cvy_class_folders_close(cvy_source *source);

#endif
