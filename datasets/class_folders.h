/* The readers folder and tar share this: they deliver pictures from a tree of files with a folder for each
 * class.
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

/* This is the state of the two readers. */
typedef struct cvy_class_folders {
  cvy_picture_state common;
  cvy_file_tree *tree;
  cvy_class_picture *pictures;
} cvy_class_folders;

/* A layout says where in a tree the classes are. */
typedef struct cvy_class_layout {
  const cvy_member **members;
  int64_t count;
  const char *above; /* the first `above_length` bytes of a name are what stands before its class */
  size_t above_length;
  bool flat; /* all pictures lie in one folder, and their own names tell the classes: "cat.1.jpg" */
} cvy_class_layout;

/* Finds the folders that the pictures share, counting those that are called like pictures if any are, and
 * whether there are no other folders. `above` is NULL if there is no file. */
void cvy_class_layout_find(cvy_class_layout *layout);
/* Returns how many bytes of `above` stand before the last of its folders. */
size_t cvy_class_layout_above(const cvy_class_layout *layout);
/* Finds the name of a member's class: *out is where it begins. Returns how many bytes it has; 0 if the member
 * lies beside the classes. */
size_t cvy_class_of_member(const char **out, const cvy_class_layout *layout, const cvy_member *member);
/* Finds the classes. Names that are not UTF-8 are in `encoding` (NULL: not known), which must outlive the
 * classes. It fails with CVY_E_INPUT if two folders are one class, as '1' and '01' are. */
cvy_err cvy_class_folders_name(cvy_classes *out, cvy_pool *pool, const cvy_class_layout *layout,
                               const cvy_file_tree *tree, const char *encoding) CVY_MUST_CHECK;
/* Fills in the pictures, the classes, and how many pictures each class has. The source's state holds the tree
 * already. It fails as cvy_class_folders_name does, if there is no picture, and if splits stand in place of
 * the classes. */
cvy_err cvy_class_folders_fill(cvy_source *out, const cvy_class_layout *layout) CVY_MUST_CHECK;

/* These are functions of cvy_reader. */
void cvy_class_folders_again(cvy_source *out, const cvy_source *first);
cvy_err cvy_class_folders_read(cvy_record *out, cvy_source *source, int64_t index) CVY_MUST_CHECK;
void cvy_class_folders_close(cvy_source *source);

#endif
